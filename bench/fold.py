"""``step`` on one core: events a second, against merely parsing the same lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from streams.core import CallState, dump, load, step
from streams.events import AnyEvent, parse, render
from streams.rulebook.book import load as load_book
from streams.telephony.capture import record_capture

CAPTURE = Path("tests/traces/asterisk/h_twenty_overlapping.jsonl")
COPIES = 60


def lines() -> list[bytes]:
    """The busiest capture, many times over as other calls."""
    events = [item for item in record_capture(CAPTURE) if hasattr(item, "call")]
    return [render(replace(e, call=f"{e.call}-{n}")) for n in range(COPIES) for e in events]  # type: ignore[type-var]


def run() -> list[tuple[str, str, str]]:
    """Rows of the table."""
    raw = lines()
    events = [parse(line) for line in raw]
    parsing = rate(len(raw), lambda: [parse(line) for line in raw])
    return [
        ("parse only (baseline)", f"{parsing:,.0f} events/s", "1.00"),
        row("parse and step", rate(len(raw), lambda: fold([parse(line) for line in raw])), parsing),
        row("step alone", rate(len(raw), lambda: fold(events)), parsing),
        row("step, state stored and read each time", rate(len(raw), lambda: fold(events, stored=True)), parsing),
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
