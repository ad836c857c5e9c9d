"""The offline driver: ``step`` over recorded events, with exact wakes and no broker.

Owns reading traces and driving; prints nothing. A call's wakes are fired by that call's own events, so a
damaged time in one call cannot age the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from streams import alerts
from streams.alerts import AlertChange
from streams.core import KEEP_ENDED_S, Book, CallState, NotJudged, step
from streams.events import AnyEvent, BadEventError, Mark, Tick, is_subject, parse
from streams.problem import Problem

#: An event this far, seconds, ahead of the line before it is not believed (a lost digit, a broken clock).
AHEAD_S = 31 * 86400.0


class Driver:
    """Runs ``step`` for any number of calls, waking each exactly when it asked to be.

    What calls tell of subjects that rules count across calls is kept until :meth:`finish`, and then judged in order
    of time, so that it does not matter in which order the calls stand in a trace.
    """

    def __init__(self, book: Book) -> None:
        """``book``: the rules to judge by."""
        self._book = book
        self._states: dict[str, CallState] = {}
        self._wakes: dict[str, float] = {}
        self._seq = 0
        self.notes: list[str] = []
        self.marks: list[Mark] = []
        self.not_judged: list[NotJudged] = []

    def feed(self, event: AnyEvent) -> list[AlertChange]:
        """Fold one event in, after its call's wakes that were due before it. Gives it a ``seq`` if it has none."""
        changes = self._wake(event.call, event.at)
        return changes + self._step(event)

    def finish(self, until: float) -> list[AlertChange]:
        """Fire the wakes of all calls up to ``until``, Unix seconds, and judge the subjects of rules across calls."""
        return self.finish_calls(until) + self.subjects(until)

    def finish_calls(self, until: float) -> list[AlertChange]:
        """Fire the wakes of all calls up to ``until``, Unix seconds: what a live system would have done by then.

        A call that has ended is judged to its end: nothing else can come in a record that is over.
        """
        changes: list[AlertChange] = []
        for call in list(self._wakes):
            ended = self._states[call].fold.call.phase == "ended"
            changes += self._wake(call, max(until, self._states[call].heard_at + KEEP_ENDED_S) if ended else until)
        return changes

    def subjects(self, until: float) -> list[AlertChange]:
        """Judge the marks so far, and what falls due about their subjects up to ``until``."""
        marks, self.marks = sorted(self.marks, key=lambda mark: mark.at), []
        changes = [change for mark in marks for change in self.feed(mark)]
        return changes + [c for call in list(self._wakes) if is_subject(call) for c in self._wake(call, until)]

    def forget(self, call: str) -> None:
        """Nothing more is known of this call: none of its wakes is fired."""
        self._states.pop(call, None)
        self._wakes.pop(call, None)

    def state(self, call: str) -> CallState | None:
        """What is known of a call; None: nothing, or it is forgotten."""
        return self._states.get(call)

    def _wake(self, call: str, until: float) -> list[AlertChange]:
        changes: list[AlertChange] = []
        while (due := self._wakes.get(call)) is not None and due <= until:
            changes += self._step(Tick(call=call, at=due))
        return changes

    def _step(self, event: AnyEvent) -> list[AlertChange]:
        if event.seq is None and not isinstance(event, Tick):  # a wake takes no number from what the log has numbered
            event = replace(event, seq=self._seq)
        self._seq = max(self._seq, -1 if event.seq is None else event.seq + 1)
        result = step(self._book, self._states.get(event.call), event)
        self.notes += [f"call {event.call}: {note}" for note in result.notes]
        self.marks += result.marks
        self.not_judged += result.not_judged
        if result.state is None:
            self._states.pop(event.call, None)
            self._wakes.pop(event.call, None)
        else:
            self._states[event.call] = result.state
            self._wakes[event.call] = result.wake or float("inf")
        return list(result.changes)


def read_record(path: Path) -> Iterator[AnyEvent | Problem]:
    """The events of an NDJSON trace, and a Problem for each line that cannot be read.

    Alert changes among them, as ``sansheng hear`` prints them, are passed over.

    Raises:
        OSError: the file cannot be opened.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield parse(line)
            except BadEventError as error:
                if _is_alert(line):
                    continue
                cut = "" if line.endswith(b"\n") else " (the file seems to be cut here)"
                yield Problem(f"{error}{cut}", where=f"{path.name}:{number}")


def _is_alert(line: bytes) -> bool:
    """Whether a line that is no event is an alert change of the contract."""
    try:
        alerts.parse(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def replay(book: Book, items: Iterable[AnyEvent | Problem]) -> Iterator[AlertChange | Problem]:
    """Judge a trace: alert changes in the order of their times within each call, problems as they are met.

    At the end of the trace, wakes are fired up to its last event, not beyond: the future is not guessed.
    """
    driver, end, before = Driver(book), 0.0, None
    for item in items:
        if isinstance(item, Problem):
            yield item
        elif before is not None and item.at > before + AHEAD_S:
            yield Problem(f"at: {item.at - before:.0f} s ahead of the one before; left out", where=f"call {item.call}")
        else:
            before = item.at
            end = max(end, item.at)
            yield from driver.feed(item)
        yield from (Problem(note) for note in driver.notes)
        driver.notes.clear()
    yield from driver.finish(end)
