"""The recorded speech with its truth: spoken sentences and real recordings, as a telephone line carries them.

Owns reading and the division into halves. Every clip is 8 kHz mono with line silence around it, so that a speech
detector has something to decide.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

import numpy as np
import soxr
from msgspec import Struct
from numpy.typing import NDArray

from streams.events import Role

Sound = NDArray[np.float32]

#: Material that is handed out beside the project: not carried in it.
SPEECH = Path(__file__).parents[2].parent / "shared" / "speech"
#: Samples a second of a telephone line.
LINE_HZ = 8_000
#: Line silence before and after the speech, seconds: longer than a speech detector waits for an end.
LEAD_S, TAIL_S = 1.0, 2.0
#: Level of that silence, as a share of full scale (-66 dB): a line is never quite silent.
HUM = 0.0005
#: A block of 20 ms counts as speech when it is at most this far below the loudest one, as a power.
_ACTIVE = 10**-3.5


class Clip(Struct, frozen=True):
    """``wants``: the rule to fire, a polite class, or ``harmless``. ``sound`` from -1 to 1, silence around it."""

    name: str
    role: Role
    wants: str
    text: str
    sound: Sound
    rate: int = LINE_HZ

    @property
    def tuning(self) -> bool:
        """Whether one may look at it while thresholds are chosen; the other half is for the report."""
        return crc32(self.name.encode()) % 2 == 0

    @property
    def lasts_s(self) -> float:
        """Seconds, with the silence around it."""
        return len(self.sound) / self.rate


def sentences(folder: Path = SPEECH) -> list[Clip]:
    """The spoken sentences of the manifest.

    Raises:
        FileNotFoundError: the material is not there.
    """
    lines = (folder / "sentences" / "manifest.ndjson").read_text("utf-8").splitlines()
    given = [json.loads(line) for line in lines]
    return [
        Clip(
            row["file"].removesuffix(".wav"),
            row["role"],
            row["rule"],
            row["text"],
            _line(folder / "sentences" / row["file"]),
        )
        for row in given
    ]


def real(folder: Path = SPEECH, role: Role = "agent") -> list[Clip]:
    """The real recordings, brought to the line's rate; ``role``: whose leg they are put on."""
    rows = [line.split("\t") for line in (folder / "real" / "transcripts.tsv").read_text("utf-8").splitlines()]
    return [
        Clip(f"{Path(file).stem}-{role}", role, "real", text, _line(folder / "real" / file)) for file, text, *_ in rows
    ]


def read_channels(path: Path) -> tuple[int, Sound]:
    """Rate, and the samples of each channel."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return file.getframerate(), samples.T.astype(np.float32) / 32768


def pcm(sound: Sound) -> bytes:
    """As 16 bit PCM."""
    return bytes((np.clip(sound, -1, 32767 / 32768) * 32768).round().astype("<i2").tobytes())


def level(sound: Sound, rate: int = LINE_HZ) -> float:
    """Root mean square of the parts in which somebody speaks."""
    power = _powers(sound, rate)
    return float(np.sqrt(power[power >= power.max() * _ACTIVE].mean()))


def speech_ends(sound: Sound, rate: int = LINE_HZ) -> float:
    """When the last block that is speech ends, seconds."""
    power = _powers(sound, rate)
    return float(np.flatnonzero(power >= power.max() * _ACTIVE)[-1] + 1) * 0.02


def _powers(sound: Sound, rate: int) -> NDArray[np.float64]:
    size = rate // 50
    blocks = sound[: len(sound) // size * size].reshape(-1, size).astype(np.float64)
    return np.square(blocks).mean(axis=1) + 1e-12


def _line(path: Path) -> Sound:
    rate, (sound, *_) = read_channels(path)
    if rate != LINE_HZ:
        sound = soxr.resample(sound, rate, LINE_HZ).astype(np.float32)
    around = np.pad(sound, (round(LEAD_S * LINE_HZ), round(TAIL_S * LINE_HZ)))
    hum = np.random.default_rng(crc32(path.name.encode())).normal(0, HUM, len(around))
    return (around + hum).astype(np.float32)


def speech_s(clips: Iterable[Clip]) -> float:
    """How long people speak in them, seconds: without the silence that was put around."""
    return sum(clip.lasts_s - LEAD_S - TAIL_S for clip in clips)
