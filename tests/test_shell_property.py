"""Property 6: the Faust worker gives what replay gives, whatever the calls; with its planted faults.

Calls are told to a real worker over a real broker in real time, on a grid of 0.6 s, under limits that lie in the
middle between two points of the grid: ticks take part, and the machine may be late by 0.3 s without changing
an answer. Each example is some dozens of calls at once. Calls that nobody answers tell a rule across calls so.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streams.alerts import AlertChange
from streams.events import (
    AgentMissed,
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    CallTransferred,
    CallTransferring,
    TransferFailed,
)
from streams.replay import replay
from streams.rulebook.book import load
from streams.shell.outbox import partition_of
from tests.shell_tools import PARTITIONS, PATIENCE_S, System, at_the_edge

QUICK = Path(__file__).parent / "rulebooks" / "quick"
GRID_S = 0.6
#: So long after all is done, seconds, a false alarm about a subject would have come.
SETTLE_S = 2.0
#: Between the moment at which a record begins and the first event: time to make ready.
LEAD_S = 0.5

Make = Callable[[str, float], AnyEvent]
MAKES: dict[str, Make] = {
    "offered": lambda call, at: CallOffered(call=call, at=at, queue="hotline", extra={"customer_key": f"of-{call}"}),
    "rings 101": lambda call, at: AgentRinging(call=call, at=at, agent="101"),
    "rings 102": lambda call, at: AgentRinging(call=call, at=at, agent="102"),
    "missed 101": lambda call, at: AgentMissed(call=call, at=at, agent="101"),
    "answered": lambda call, at: CallAnswered(call=call, at=at, agent="101"),
    "held": lambda call, at: CallHeld(call=call, at=at),
    "resumed": lambda call, at: CallResumed(call=call, at=at),
    "transferring": lambda call, at: CallTransferring(call=call, at=at, agent="101", to="102"),
    "transferred": lambda call, at: CallTransferred(call=call, at=at, agent="102"),
    "failed": lambda call, at: TransferFailed(call=call, at=at),
}
#: What happens in a call, and how many points of the grid later the next thing happens.
lives = st.lists(st.tuples(st.sampled_from(sorted(MAKES)), st.integers(1, 3)), min_size=2, max_size=4)
crowds = st.lists(st.tuples(lives, st.sampled_from(["agent", "customer", "system"])), min_size=25, max_size=40)
Crowd = list[tuple[list[tuple[str, int]], str]]
_rounds = itertools.count()


def record_of(crowd: Crowd, begin: float) -> list[AnyEvent]:
    """The calls of a crowd, all beginning at ``begin``, each with an end, in the order of time."""
    name = f"round{next(_rounds)}"
    events = [e for n, (life, by) in enumerate(crowd) for e in _told(f"{name}-{n}", life, by, begin)]
    return sorted(events, key=lambda event: event.at)


def _told(call: str, life: list[tuple[str, int]], by: str, begin: float) -> Iterator[AnyEvent]:
    at = begin
    for what, gap in life:
        yield MAKES[what](call, at)
        at += gap * GRID_S
    yield CallEnded(call=call, at=at, by=by)  # type: ignore[arg-type]


async def told_live(
    system: System, record: list[AnyEvent], offline: list[AlertChange], patience_s: float
) -> list[AlertChange]:
    """Send each event when it happens, then wait until every partition has been worked off and all is told.

    What fell due after the last event is left out: replay does not guess it.
    """
    for event in record:
        await asyncio.sleep(max(0.0, event.at - time.time()))
        await system.send(event)
    markers = {_marker(partition) for partition in range(PARTITIONS)}
    for call in markers:
        await system.send(CallAnswered(call=call, at=time.time(), agent="101"))
        await system.send(CallEnded(call=call, at=time.time(), by="agent"))
    wanted = {c.id for c in offline}
    await system.alerts(lambda seen: markers <= {c.call for c in seen} and wanted <= {c.id for c in seen}, patience_s)
    await asyncio.sleep(SETTLE_S)
    calls, end = {event.call for event in record}, record[-1].at
    return [c for c in await system.alerts_by_now() if c.call in calls and c.at <= end]


def _marker(partition: int) -> str:
    names = (f"marker{next(_rounds)}" for _ in itertools.count())
    return next(name for name in names if partition_of(name.encode(), PARTITIONS) == partition)


def check_live_is_replay(
    system: System, runner: asyncio.Runner, examples: int = 3, patience_s: float = PATIENCE_S
) -> None:
    """The property, over ``examples`` crowds; Hypothesis begins with the simplest, in which little happens."""
    book = load([QUICK])

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(crowds)
    def check(crowd: Crowd) -> None:
        record = record_of(crowd, time.time() + LEAD_S)
        offline = [c for c in replay(book, record) if isinstance(c, AlertChange)]
        live = runner.run(told_live(system, record, offline, patience_s))
        assert at_the_edge(live) == at_the_edge(offline)
        assert {c.id for c in live} == {c.id for c in offline}

    check()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def system(kafka: str, prefix: str, tmp_path: Path, runner: asyncio.Runner) -> Iterator[System]:
    system = System(kafka, prefix, tmp_path)
    runner.run(system.__aenter__())
    yield system
    runner.run(system.__aexit__())


BOOK = {"RULEBOOK": f'["{QUICK}"]'}


def test_6_the_worker_gives_what_replay_gives(system: System, runner: asyncio.Runner) -> None:
    system.start("detect", **BOOK)
    runner.run(system.working(1))
    check_live_is_replay(system, runner)


@pytest.mark.parametrize("fault", ["shared-state", "stamped-late"])
def test_6_catches_a_fault_in_the_shell(fault: str, system: System, runner: asyncio.Runner) -> None:
    system.start(fault, module="tests.faulty_worker", **BOOK)
    runner.run(system.working(1))
    with pytest.raises((AssertionError, ExceptionGroup)):
        check_live_is_replay(system, runner, examples=2, patience_s=8.0)
