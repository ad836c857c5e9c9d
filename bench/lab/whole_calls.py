"""The spoken calls, heard and judged, beside what their own records say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from asr.audio import Frame
from asr.ear import Ear, Engine
from asr.holds import Holds
from bench.lab.clips import SPEECH, Clip, Sound, read_channels
from bench.lab.framing import frames
from bench.lab.tables import Table
from streams.alerts import AlertChange
from streams.events import AnyEvent, Role, SpeechEnded, SpeechStarted, Transcript
from streams.problem import Problem
from streams.replay import Driver, read_record
from streams.rulebook.book import Rulebook

ROLES: tuple[Role, ...] = ("agent", "customer")
#: What still may come of a call after its end, seconds.
AFTERWARDS_S = 600.0


class Call(NamedTuple):
    """A recorded call: its record, its two legs, and when the sound begins, Unix seconds."""

    name: str
    record: tuple[AnyEvent, ...]
    legs: dict[Role, Sound]
    rate: int
    begun: float

    @property
    def phone(self) -> tuple[AnyEvent, ...]:
        """The record without what an ear would have to tell."""
        return tuple(e for e in self.record if not isinstance(e, Transcript | SpeechStarted | SpeechEnded))

    @property
    def lasts_s(self) -> float:
        """Length of the sound, seconds."""
        return len(self.legs["agent"]) / self.rate

    def frames(self) -> Iterator[Frame]:
        """Both legs, in order of time."""
        legs = [
            frames(Clip(self.name, role, "", "", self.legs[role], self.rate), self.name, self.begun) for role in ROLES
        ]
        for both in zip(*legs, strict=True):
            yield from both


def calls(folder: Path = SPEECH / "calls") -> list[Call]:
    """All of them."""
    return [_call(path) for path in sorted(folder.glob("*.wav"))]


def _call(path: Path) -> Call:
    rate, channels = read_channels(path)
    truth = json.loads(path.with_suffix(".truth.json").read_text("utf-8"))
    record = tuple(e for e in read_record(path.with_suffix(".ndjson")) if not isinstance(e, Problem))
    legs = {role: np.ascontiguousarray(channels[truth["channels"].index(role)]) for role in ROLES}
    return Call(path.stem, record, legs, rate, truth["answered_at"])


def heard(call: Call, engine: Engine) -> list[AnyEvent]:
    """The phone events, and what two ears tell, in the order in which it would come in."""
    holds, waiting, events = Holds(), list(call.phone), list[AnyEvent]()
    ears: dict[Role, Ear] = {}
    for frame in call.frames():
        while waiting and waiting[0].at <= frame.at(frame.end):
            event = waiting.pop(0)
            holds.take(event)
            events.append(event)
        if frame.role not in ears:
            ears[frame.role] = Ear(frame, engine)
        ear = ears[frame.role]
        for start, end in holds.of(call.name):
            ear.mute(start, end)
        events += ear.hear(frame)
    events += [event for ear in ears.values() for event in ear.finish()]
    return [*events, *waiting]


def standing(book: Rulebook, events: Sequence[AnyEvent]) -> list[AlertChange]:
    """Alerts of live rules that were opened and not taken back, in order of time."""
    driver, changes, last = Driver(book), list[AlertChange](), 0.0
    for event in events:
        last = max(last, event.at)
        changes += driver.feed(event)
    changes += driver.finish(last + AFTERWARDS_S)
    said = {rule.id for rule in book.rules if rule.__struct_config__.tag == "says"}
    back = {c.id for c in changes if c.state == "cleared" and c.rule in said}
    return sorted((c for c in changes if c.state == "opened" and not c.trial and c.id not in back), key=lambda c: c.at)


def table(book: Rulebook, engine: Engine) -> Table:
    """Each call's alerts by its record and by ear."""
    rows, by_characters = [], deaf(book)
    for call in calls():
        truth, ours = standing(by_characters, call.record), standing(book, heard(call, engine))
        rows.append((call.name, _told(truth, call), _told(ours, call), _difference(truth, ours)))
    note = (
        "Alerts that stood, with the second of the call's sound. The record holds the true words; these are matched by "
        "their characters only."
    )
    return Table(
        "Whole calls: alerts by the record and by ear", ("call", "by the record", "by ear", "difference"), rows, note
    )


def deaf(book: Rulebook) -> Rulebook:
    """The book without matching by sound: what true words mean."""
    return replace(book, phrases={name: replace(each, sound=False) for name, each in book.phrases.items()})


def _told(changes: Sequence[AlertChange], call: Call) -> str:
    return ", ".join(f"{c.rule} {c.at - call.begun:.0f} s" for c in changes) or "—"


def _difference(truth: Sequence[AlertChange], ours: Sequence[AlertChange]) -> str:
    wanted, got = [c.rule for c in truth], [c.rule for c in ours]
    missed = [f"missed {rule}" for rule in wanted if rule not in got]
    false = [f"false {rule}" for rule in got if rule not in wanted]
    return ", ".join(missed + false) or "none"
