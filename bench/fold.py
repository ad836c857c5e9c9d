"""``step`` on one core with the whole book: events a second, against merely parsing the same lines.

Two records: telephone events alone, and whole calls with every word of both sides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec.structs import replace

from streams.core import CallState, dump, load, step
from streams.events import AnyEvent, parse, render
from streams.problem import Problem
from streams.replay import read_record
from streams.rulebook.book import load as load_book
from streams.telephony.capture import record_capture

CAPTURE = Path("tests/traces/asterisk/h_twenty_overlapping.jsonl")
SPOKEN = Path("tests/traces/speech")
COPIES = 60


def telephony() -> list[bytes]:
    """The busiest capture, many times over as other calls."""
    return copies(item for item in record_capture(CAPTURE) if not isinstance(item, Problem))


def spoken() -> list[bytes]:
    """The ten spoken calls, many times over as other calls."""
    files = sorted(SPOKEN.glob("*.ndjson"))
    return copies(item for file in files for item in read_record(file) if not isinstance(item, Problem))


def copies(events: Iterable[AnyEvent]) -> list[bytes]:
    """The lines of a record, with other call ids each time."""
    once = list(events)
    return [render(replace(e, call=f"{e.call}-{n}")) for n in range(COPIES) for e in once]


def run() -> list[tuple[str, str, str]]:
    """Rows of the table."""
    return [*rows("telephony", telephony()), *rows("spoken calls", spoken())]


def rows(what: str, raw: list[bytes]) -> list[tuple[str, str, str]]:
    """The rows of one record."""
    events = [parse(line) for line in raw]
    parsing = rate(len(raw), lambda: [parse(line) for line in raw])
    return [
        (f"{what}: parse only (baseline)", f"{parsing:,.0f} events/s", "1.00"),
        row(f"{what}: parse and step", rate(len(raw), lambda: fold([parse(line) for line in raw])), parsing),
        row(f"{what}: step alone, {len(load_book().judges)} rules", rate(len(raw), lambda: fold(events)), parsing),
        row(f"{what}: state stored and read each time", rate(len(raw), lambda: fold(events, stored=True)), parsing),
    ]


def row(what: str, figure: float, baseline: float) -> tuple[str, str, str]:
    """One row with its ratio."""
    return what, f"{figure:,.0f} events/s", f"{figure / baseline:.2f}"


def rate(events: int, work: Callable[[], object], rounds: int = 3) -> float:
    """Events a second, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return events / best


def fold(events: list[AnyEvent], *, stored: bool = False) -> None:
    """Step every event with the default rulebook."""
    book, states = load_book(), dict[str, CallState]()
    for seq, event in enumerate(events):
        state = step(book, states.get(event.call), replace(event, seq=seq)).state
        if state is None:
            states.pop(event.call, None)
        else:
            states[event.call] = load(dump(state)) if stored else state
