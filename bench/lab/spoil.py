"""What lines do to speech, as named conditions. The same clip and condition give the same samples, always.

Noise, lost packets and clipping are made here; codecs, tempo and pitch by ffmpeg and sox, whose results lie in a
temporary folder; no sound becomes part of the project. All but tempo keep the length.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from bench.lab import noise
from bench.lab.clips import LINE_HZ, Clip, Sound, level, pcm

#: Raised when a condition's recipe changes, so that nothing old is taken from the folder.
_RECIPE = "1"
#: A packet of a telephone line, samples (20 ms).
PACKET = LINE_HZ // 50
#: Share of packets that get lost; in bursts, so many follow each other on the average.
LOST, BURST = 0.03, 3.0
_RAW = ("-f", "s16le", "-ar", str(LINE_HZ), "-ac", "1")
_SOX = ("-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", str(LINE_HZ), "-")

Spoil = Callable[[Clip, int], Sound]


class MissingToolError(RuntimeError):
    """ffmpeg or sox is not installed; the text says how to get it."""


class Condition(Struct, frozen=True):
    """``spoil(clip, seed)`` gives the spoiled samples. ``keep``: they take long to make; the next run finds them."""

    name: str
    spoil: Spoil
    keep: bool = False

    def apply(self, clip: Clip) -> Clip:
        """The clip as it arrives."""
        seed = crc32(f"{self.name}/{clip.name}".encode())
        return replace(clip, sound=self._kept(clip, seed) if self.keep else self.spoil(clip, seed))

    def _kept(self, clip: Clip, seed: int) -> Sound:
        mark = hashlib.sha256(f"{_RECIPE}/{self.name}/{seed}".encode() + clip.sound.tobytes()).hexdigest()[:24]
        kept = folder() / f"{mark}.npy"
        if not kept.exists():
            with tempfile.NamedTemporaryFile(dir=folder(), suffix=".part", delete=False) as file:
                np.save(file, np.frombuffer(pcm(self.spoil(clip, seed)), "<i2"))
            Path(file.name).replace(kept)
        return _sound(np.load(kept).tobytes())


def folder() -> Path:
    """Where spoiled clips are kept between runs."""
    path = Path(tempfile.gettempdir()) / "sansheng-lab"
    path.mkdir(exist_ok=True)
    return path


def conditions(voices: Sequence[Sound]) -> list[Condition]:
    """All of them, clean first; ``voices`` for babble (nothing that a rule forbids, or hearing it would be right)."""
    return [
        Condition("clean", lambda clip, _: clip.sound),
        *(Condition(f"babble {db} dB", partial(_babble, voices, db)) for db in (20, 10, 5)),
        *(Condition(f"street {db} dB", partial(_noisy, noise.street, db)) for db in (20, 10, 5)),
        *(Condition(f"hold music {db} dB", partial(_noisy, noise.music, db)) for db in (20, 10, 5)),
        Condition("A-law", partial(_coded, ("-c:a", "pcm_alaw", "-f", "alaw"), ("-f", "alaw", *_RAW[2:])), keep=True),
        Condition("GSM full rate", partial(_coded, ("-c:a", "libgsm", "-f", "gsm"), ("-f", "gsm")), keep=True),
        *(Condition(f"Opus {rate} kbit/s", partial(_coded, _opus(rate), ("-f", "ogg")), keep=True) for rate in (12, 8)),
        Condition("3 % lost", partial(_lossy, random_losses, False)),
        Condition("3 % lost, concealed", partial(_lossy, random_losses, True)),
        Condition("3 % lost in bursts", partial(_lossy, burst_losses, False)),
        Condition("3 % lost in bursts, concealed", partial(_lossy, burst_losses, True)),
        Condition("clipped by 12 dB", lambda clip, _: clipped(clip.sound, 12)),
        Condition("slower, 0.85", partial(_sox, ("tempo", "-s", "0.85")), keep=True),
        Condition("faster, 1.2", partial(_sox, ("tempo", "-s", "1.2")), keep=True),
        Condition("2 semitones lower", partial(_sox, ("pitch", "-200")), keep=True),
        Condition("2 semitones higher", partial(_sox, ("pitch", "200")), keep=True),
    ]


def mixed(sound: Sound, under: Sound, db: float) -> Sound:
    """``under`` laid under the speech so that the speech is ``db`` decibels louder; never clipped."""
    mix = sound + under * (level(sound) / float(np.sqrt(np.square(under).mean())) * 10 ** (-db / 20))
    return (mix * min(1.0, 0.99 / float(np.abs(mix).max()))).astype(np.float32)


def clipped(sound: Sound, db: float) -> Sound:
    """As a line with its gain so far beyond what it can carry."""
    loud = sound / float(np.abs(sound).max()) * 10 ** (db / 20)
    return (np.clip(loud, -1, 1) * 0.99).astype(np.float32)


def random_losses(packets: int, seed: int) -> list[bool]:
    """Which packets get lost, each by itself."""
    return [bool(lost) for lost in np.random.default_rng(seed).random(packets) < LOST]


def burst_losses(packets: int, seed: int) -> list[bool]:
    """Which packets get lost, several in a row (Gilbert's model)."""
    random, lost, losses = np.random.default_rng(seed), False, list[bool]()
    begin, end = LOST / (1 - LOST) / BURST, 1 / BURST
    for _ in range(packets):
        lost = random.random() >= end if lost else random.random() < begin
        losses.append(lost)
    return losses


def without(sound: Sound, losses: Sequence[bool], *, conceal: bool) -> Sound:
    """Lost packets as silence, or the packet before, fading (as G.711 Appendix I does in the simplest case)."""
    heard = sound.copy()
    for number, lost in enumerate(losses):
        at = number * PACKET
        if lost:
            size = len(heard[at : at + PACKET])
            before = heard[at - PACKET : at - PACKET + size] * 0.7 if conceal and number else 0
            heard[at : at + size] = before
    return heard


def _babble(voices: Sequence[Sound], db: float, clip: Clip, seed: int) -> Sound:
    others = [voice for voice in voices if voice is not clip.sound]
    return mixed(clip.sound, noise.babble(others, len(clip.sound), seed), db)


def _noisy(make: Callable[[int, int], Sound], db: float, clip: Clip, seed: int) -> Sound:
    return mixed(clip.sound, make(len(clip.sound), seed), db)


def _lossy(losses: Callable[[int, int], list[bool]], conceal: bool, clip: Clip, seed: int) -> Sound:
    return without(clip.sound, losses(-(-len(clip.sound) // PACKET), seed), conceal=conceal)


def _opus(kbit: int) -> tuple[str, ...]:
    return ("-c:a", "libopus", "-b:a", f"{kbit}k", "-application", "voip", "-f", "ogg")


def _coded(to: tuple[str, ...], back: tuple[str, ...], clip: Clip, _seed: int) -> Sound:
    coded = _through("ffmpeg", ("-v", "error", *_RAW, "-i", "pipe:0", *to, "pipe:1"), pcm(clip.sound))
    plain = _through("ffmpeg", ("-v", "error", *back, "-i", "pipe:0", *_RAW, "pipe:1"), coded)
    return _fit(_sound(plain), len(clip.sound))


def _sox(effect: tuple[str, ...], clip: Clip, _seed: int) -> Sound:
    made = _sound(_through("sox", ("-R", "-D", *_SOX, *_SOX, *effect), pcm(clip.sound)))
    return made if effect[0] == "tempo" else _fit(made, len(clip.sound))


def _through(tool: str, arguments: Sequence[str], given: bytes) -> bytes:
    path = shutil.which(tool)
    if path is None:
        raise MissingToolError(f"{tool} is not installed: apt-get install ffmpeg sox")
    run = subprocess.run([path, *arguments], input=given, capture_output=True, check=False, timeout=60)
    if run.returncode:
        raise MissingToolError(f"{tool} {' '.join(arguments)}: {run.stderr.decode(errors='replace').strip()}")
    return run.stdout


def _sound(raw: bytes) -> Sound:
    return np.frombuffer(raw, "<i2").astype(np.float32) / 32768


def _fit(sound: Sound, samples: int) -> Sound:
    return np.pad(sound[:samples], (0, max(0, samples - len(sound))))
