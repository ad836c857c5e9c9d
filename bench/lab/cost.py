"""What ears cost: channels that one core hears in real time, with and without skipping silence, and their memory.

A channel is one leg. CPU time is that of this process, so that a busy machine changes little.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from asr.ear import Ear, Engine
from asr.models import find
from asr.vad import SpeechDetector
from bench import recognisers
from bench.lab.clips import sentences
from bench.lab.engines import MODELS
from bench.lab.framing import frames
from bench.lab.tables import Table
from bench.lab.whole_calls import Call, calls
from streams.events import Role

#: Ears in the middle of a sentence, for the memory of one.
MANY = 200
#: So far into its sentence each is, frames.
DEEP = 25


class Always:
    """A speech detector that takes everything for speech: nothing is skipped."""

    def __init__(self, rate: int) -> None:
        """Blocks as those of the real one."""
        self.block = SpeechDetector(rate).block

    def speech(self, pcm: bytes) -> bool:
        """Yes."""
        return True

    def reset(self) -> None:
        """There is nothing to forget."""


def tables(engines: dict[str, Engine], *, quick: bool = False) -> list[Table]:
    """Channels a core, memory a channel. ``engines``: ``both``."""
    some = calls()[: 2 if quick else None]
    both = engines["both"]
    alone = both._replace(spotter=None)
    measured = [memory(both), channels(alone, both, some)]
    return measured if quick else [*measured, *bare()]


def bare() -> list[Table]:
    """The engines by themselves, without an ear around them (``bench.recognisers``), and Vosk against bare Vosk."""
    spoken, model = list(recognisers.spoken()), find("", (MODELS,), "sherpa")
    columns = ("", "figure", "against the baseline")
    return [
        Table("Unbroken speech through the engines alone", columns, recognisers.channels(model, spoken[::4])),
        Table("Vosk (Korean model: any sound will do)", columns, recognisers.against_bare_vosk(spoken[0:24:4])),
    ]


def channels(alone: Engine, both: Engine, some: Sequence[Call]) -> Table:
    """How much sound a core hears in a second, against hearing everything."""
    sound_s = 2 * sum(call.lasts_s for call in some)
    base = sound_s / spent(lambda: _bare(alone, some))
    rows = [("recogniser only, fed everything, nothing around it (baseline)", f"{base:.0f}", "1.00", "")]
    for name, engine in (("recogniser alone", alone), ("recogniser and spotter", both)):
        everything = engine._replace(detector=Always)
        without, skipping = (sound_s / spent(lambda e=e: _ears(e, some)) for e in (everything, engine))
        rows.append((f"{name}: ear, silence decoded too", f"{without:.0f}", f"{without / base:.2f}", "1.00"))
        rows.append(
            (f"{name}: ear, silence skipped", f"{skipping:.0f}", f"{skipping / base:.2f}", f"{skipping / without:.2f}")
        )
    note = (
        f"Both legs of {len(some)} spoken calls, {sound_s / 60:.0f} minutes of sound, one thread; detector, reading, "
        "masking and events are in the ears' figures. Aims: 25 channels; 1.6 times the channels by skipping."
    )
    columns = ("sherpa, zipformer by sound", "channels a core", "against the baseline", "against decoding silence")
    return Table("Channels a core in real time", columns, rows, note)


def memory(engine: Engine) -> Table:
    """What many ears in mid-sentence take."""
    clip = max(sentences(), key=lambda clip: clip.lasts_s)
    begin = Ear(next(iter(frames(clip, "first", 0.0))), engine)
    gc.collect()
    before, kept = resident_mb(), [begin]
    for number in range(MANY):
        each = list(islice(frames(clip, f"call {number}", 0.0), DEEP))
        ear = Ear(each[0], engine)
        for frame in each:
            ear.hear(frame)
        kept.append(ear)
    grown = resident_mb() - before
    rows = [
        ("process with engines, book and reader, no channel (baseline)", f"{before:.0f} MB"),
        (f"{MANY} channels in mid-sentence", f"{before + grown:.0f} MB"),
        ("a channel", f"{grown / MANY:.2f} MB"),
    ]
    return Table("Memory", ("recogniser and spotter", ""), rows)


def spent(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def resident_mb() -> float:
    """Resident memory of this process, as Linux tells it."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _ears(engine: Engine, some: Sequence[Call]) -> None:
    for call in some:
        ears: dict[Role, Ear] = {}
        for frame in call.frames():
            if frame.role not in ears:
                ears[frame.role] = Ear(frame, engine)
            ears[frame.role].hear(frame)
        for ear in ears.values():
            ear.finish()


def _bare(engine: Engine, some: Sequence[Call]) -> None:
    recogniser = engine.recogniser
    if recogniser is None:
        raise ValueError("an engine without a recogniser has no such baseline")
    for call in some:
        streams = {}
        for frame in call.frames():
            if frame.role not in streams or frame.offset % (frame.rate * 20) == 0:  # sentences of 20 s
                streams[frame.role] = recogniser.stream(frame.rate)
            streams[frame.role].feed(frame.pcm)
