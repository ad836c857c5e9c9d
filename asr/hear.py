"""``sansheng hear``: calls heard from files and judged as they go, without a broker.

::

    WAV ─▶ frames ─▶ ears ──┐
                            ├─ in order of time ─▶ the engine's offline driver ─▶ alert changes
    --events: the phone's ──┘

With ``--events`` the sound begins when the call is answered there; of that file only what the telephone tells is taken,
never what somebody heard. Without, an answer at the beginning and an end after the last sample are made up; of a file
that breaks off, no end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import Literal, NamedTuple

from asr.audio import Frame
from asr.ear import Ear, Engine
from asr.holds import Holds
from asr.show import Lines, Page, Printer
from asr.sources.wav import BadSoundError, WavFile
from streams.alerts import NOBODY, AlertChange
from streams.call import is_telephony
from streams.core import Book
from streams.events import AnyEvent, CallAnswered, CallEnded, Role
from streams.problem import Problem
from streams.replay import Driver, read_record
from streams.terminal import say

#: What comes out: the record, and what the rules make of it.
Told = AnyEvent | AlertChange


class NoSuchCallError(ValueError):
    """The file of events does not hold the call; the text says which calls it holds."""


class Recording(NamedTuple):
    """A call's sound; ``phone``: what the telephone told, in order of time. ``begun``: Unix seconds of sample 0."""

    call: str
    begun: float
    sound: WavFile
    phone: Sequence[AnyEvent]


class Phone:
    """The phone events of a file, by call; ``problems``: lines that could not be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[Problem] = []
        self._calls: dict[str, list[AnyEvent]] = {}
        for item in read_record(path):
            if isinstance(item, Problem):
                self.problems.append(item)
            elif is_telephony(item):
                self._calls.setdefault(item.call, []).append(item)

    def of(self, call: str, *, only: bool) -> list[AnyEvent]:
        """The events of that call; where the sound is the ``only`` one, a file of one call need not name it so."""
        events = self._calls.get(call)
        if events is None and only and len(self._calls) == 1:
            events = next(iter(self._calls.values()))
        if events is None:
            holds = f"it holds {', '.join(list(self._calls)[:10])}" if self._calls else "it holds no phone events"
            raise NoSuchCallError(f"{self._path}: no call {call} ({holds}; a call is named like its file of sound)")
        return sorted(events, key=lambda event: event.at)


def recording(path: Path, role: Role | None, phone: Phone | None, *, only: bool = True) -> Recording:
    """The call in a file of sound.

    Raises:
        BadSoundError: it cannot be heard.
        NoSuchCallError: its phone events are missing.
    """
    sound = WavFile(path, role)
    if phone is not None:
        events = phone.of(path.stem, only=only)
        answered = (e.at for e in events if isinstance(e, CallAnswered) and not e.extra.get("consult"))
        return Recording(events[0].call, next(answered, events[0].at), sound, events)
    begun, call = path.stat().st_mtime - sound.seconds, path.stem
    made_up: list[AnyEvent] = [
        CallAnswered(call=call, at=begun, agent=NOBODY),
        CallEnded(call=call, at=begun + sound.seconds, by="system"),
    ]
    return Recording(call, begun, sound, made_up)


class Hearing:
    """A recording heard from its beginning to its end."""

    def __init__(self, recording: Recording, engine: Engine, driver: Driver) -> None:
        """``driver`` judges; it may know other calls."""
        self._recording, self._engine, self._driver = recording, engine, driver
        self._ears: dict[Role, Ear] = {}
        self._holds = Holds()

    def run(self, pace: Callable[[float], None]) -> Iterator[Told]:
        """Events and alert changes as they come. ``pace`` is asked to wait for each instant of the call.

        Raises:
            BadSoundError: the file breaks off; what was heard before it has been told.
        """
        frames = self._recording.sound.frames(self._recording.call, self._recording.begun)
        heard = ((frame.at(frame.end), 1, frame) for frame in frames)
        phone = ((event.at, 2 * isinstance(event, CallEnded), event) for event in self._recording.phone)
        ended = False
        try:
            for at, _, item in merge(phone, heard, key=lambda each: each[:2]):
                pace(at)
                if isinstance(item, Frame):
                    events = [] if ended else self._ear(item).hear(item)
                else:
                    events, ended = self._ring(item), ended or isinstance(item, CallEnded)
                yield from self._judge(events, at)
        except BadSoundError:
            yield from self._judge(self._finish(), 0.0)
            self._driver.forget(self._recording.call)  # what would have followed is not known: nothing falls due
            raise
        yield from self._judge(self._finish(), 0.0)

    def _ring(self, event: AnyEvent) -> list[AnyEvent]:
        """What the telephone tells; held legs are not listened to, and after the end nothing is heard."""
        for start, end in self._holds.take(event):
            for ear in self._ears.values():
                ear.mute(start, end)
        return [*self._finish(), event] if isinstance(event, CallEnded) else [event]

    def _ear(self, frame: Frame) -> Ear:
        if frame.role not in self._ears:
            ear = self._ears[frame.role] = Ear(frame, self._engine)
            for start, end in self._holds.of(frame.call):
                ear.mute(start, end)
        return self._ears[frame.role]

    def _finish(self) -> list[AnyEvent]:
        events = [event for ear in self._ears.values() for event in ear.finish()]
        self._ears.clear()
        return events

    def _judge(self, events: Iterable[AnyEvent], now: float) -> Iterator[Told]:
        """The rules are woken up to ``now``, Unix seconds, as a live engine would have been."""
        for event in events:
            yield event
            yield from self._driver.feed(event)
        yield from self._driver.finish_calls(now)


class Pace:
    """Waits for the instants of a call: ``speed`` times as fast as it was; 0: not at all."""

    def __init__(self, speed: float, begun: float) -> None:
        self._speed, self._begun = speed, begun
        self._started = time.monotonic()

    def __call__(self, at: float) -> None:
        """Wait until that instant, Unix seconds; what came before the sound is not waited for."""
        if self._speed and at > self._begun:
            time.sleep(max(0.0, self._started + (at - self._begun) / self._speed - time.monotonic()))


class Options(NamedTuple):
    """As on the command line."""

    role: Role | None = None
    output: Literal["text", "ndjson"] = "text"
    events: Path | None = None
    speed: float = 0.0


def run(files: Sequence[Path], options: Options, engine: Engine, book: Book) -> int:
    """Hear the files one after the other and print; the exit code: 1 where one of them could not be heard."""
    printer: Printer = Page() if options.output == "text" else Lines()
    driver, failed, until = Driver(book), 0, 0.0
    try:
        phone = _read(options.events) if options.events else None
        for file in files:
            try:
                taken = recording(file, options.role, phone, only=len(files) == 1)
                printer.begin(taken.call, file.name, taken.begun)
                until = max(until, taken.begun + taken.sound.seconds)
                for told in Hearing(taken, engine, driver).run(Pace(options.speed, taken.begun)):
                    printer.show(told)
            except (BadSoundError, NoSuchCallError) as error:
                say(str(error), style="red")
                failed = 1
        for change in driver.subjects(until):
            printer.show(change)
    finally:
        printer.end()
    return failed


def _read(path: Path) -> Phone:
    phone = Phone(path)
    for problem in phone.problems:
        say(str(problem), style="yellow")
    return phone
