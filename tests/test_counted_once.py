"""What happens is counted once, whatever dies: the sums over the lives of the workers are what a replay gives.

Two records: ``EARLY`` is in the topic before the first worker starts, ``LATE`` follows when the second one works. Some
calls begin in the one and end in the other. What is compared is everything that is counted by call.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.alerts import AlertChange
from streams.core import step
from streams.events import (
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    tag_of,
)
from streams.metrics import Metrics
from streams.replay import replay
from streams.rulebook.book import load
from streams.shell.kafka import free_port
from streams.shell.tally import tally
from tests.faulty_worker import DIES_AT, LAST_SCRAPE, WRITTEN
from tests.shell_tools import PATIENCE_S, STRICT, System

#: Name and labels of a series -> its value.
Sums = Counter[tuple[str, frozenset[tuple[str, str]]]]
COUNTED = (
    "sansheng_events_total",
    "sansheng_alerts_total",
    "sansheng_calls_offered_total",
    "sansheng_calls_in_time_total",
    "sansheng_calls_abandoned_total",
    "sansheng_ring_seconds_count",
    "sansheng_ring_seconds_sum",
    "sansheng_hold_seconds_count",
    "sansheng_talk_seconds_count",
    "sansheng_talk_seconds_sum",
)
OPEN = [f"open-{n}" for n in range(8)]


@pytest.fixture
async def system(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[System]:
    async with System(kafka, prefix, tmp_path) as system:
        yield system


def early(now: float) -> list[AnyEvent]:
    """Calls of the last minutes, answered and given up (ended ones are known for ten); and some that are on hold."""
    record = [event for n in range(20) for event in answered(f"whole-{n}", now - 200 + n)]
    record += [event for n in range(20) for event in given_up(f"lost-{n}", now - 150 + n)]
    record += [event for call in OPEN for event in [*answered(call, now - 80)[:3], CallHeld(call=call, at=now - 60)]]
    return sorted(record, key=lambda event: event.at)


def answered(call: str, at: float) -> list[AnyEvent]:
    return [
        CallOffered(call=call, at=at, queue="hotline"),
        AgentRinging(call=call, at=at, agent="101"),
        CallAnswered(call=call, at=at + 4, agent="101"),
        CallHeld(call=call, at=at + 10),
        CallResumed(call=call, at=at + 40),
        CallEnded(call=call, at=at + 50, by="agent"),
    ]


def given_up(call: str, at: float) -> list[AnyEvent]:
    return [
        CallOffered(call=call, at=at),
        AgentRinging(call=call, at=at + 1, agent="102"),
        CallEnded(call=call, at=at + 9, by="customer"),
    ]


def late() -> list[AnyEvent]:
    """The rest of the calls on hold, now."""
    now = time.time()
    return [
        make for call in OPEN for make in (CallResumed(call=call, at=now), CallEnded(call=call, at=now, by="agent"))
    ]


def expected(record: Iterable[AnyEvent]) -> Sums:
    """What a replay gives, counted as the live worker counts."""
    record, metrics, states = list(record), Metrics("detect"), {}
    book = load([STRICT])
    for event in record:
        before = states.get(event.call)
        states[event.call] = after = step(book, before, event).state
        metrics.count("sansheng_events_total", tag_of(event))
        tally(metrics, before.fold.call if before else None, after.fold.call, event)
    for change in replay(book, record):
        if isinstance(change, AlertChange):
            metrics.count("sansheng_alerts_total", change.rule, change.severity, change.state)
    families = metrics.registry.collect()
    return _sums(sample for family in families for sample in family.samples)


def _sums(samples: Iterable[object]) -> Sums:
    """Ticks are left out: how many there are is a matter of time; and so are alerts about more than one call."""
    across = {rule.id for rule in load([STRICT]).judges if rule.crosses_calls}
    found: Sums = Counter()
    for sample in samples:
        name, labels, value = sample.name, sample.labels, sample.value  # type: ignore[attr-defined]
        if name in COUNTED and value and labels.get("type") != "tick" and labels.get("rule") not in across:
            found[name, frozenset(labels.items())] = round(value, 3)
    return found


def read(text: str) -> Sums:
    return _sums(sample for family in text_string_to_metric_families(text) for sample in family.samples)


async def scrape(port: int) -> Sums:
    def get() -> str:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return str(answer.read().decode())
        except (URLError, ConnectionError):  # it has only just been started
            return ""

    return read(await asyncio.to_thread(get))


def events(sums: Sums) -> float:
    return sum(value for (name, _), value in sums.items() if name == "sansheng_events_total")


async def counted(system: System, port: int, enough: Callable[[Sums], bool]) -> Sums:
    """What a worker has counted, once that is ``enough`` and settles."""
    end, before = time.monotonic() + PATIENCE_S, None
    while True:
        now = await scrape(port)
        if enough(now) and now == before:
            return now
        assert time.monotonic() < end, f"{events(now)} events counted\n{system.logs()}"
        before = now
        await asyncio.sleep(1.0)


def differences(got: Sums, wanted: Sums) -> dict[object, tuple[float, float]]:
    return {
        key: (got[key], wanted[key])
        for key in got.keys() | wanted.keys()
        if abs(got[key] - wanted[key]) > 0.01  # the sums of seconds are rounded by each life
    }


async def send(system: System, record: list[AnyEvent]) -> None:
    for event in record:
        await system.send(event)


async def two_lives(system: System, fault: str) -> tuple[Sums, Sums, list[AnyEvent]]:
    """The first worker, which commits nothing, is killed at rest; what both have counted, and the record."""
    record, ports = early(time.time()), (free_port(), free_port())
    told = [c for c in replay(load([STRICT]), record) if isinstance(c, AlertChange)]
    await send(system, record)
    doomed = system.start(fault, module="tests.faulty_worker", METRICS__DETECT=str(ports[0]))
    await system.alerts(lambda seen: {c.id for c in told} <= {c.id for c in seen})
    first = await counted(system, ports[0], lambda sums: events(sums) > 0)
    system.kill(doomed, signal.SIGKILL)
    system.start("detect", METRICS__DETECT=str(ports[1]))
    await system.working(2)
    record += (rest := late())
    await send(system, rest)
    return first, await counted(system, ports[1], lambda sums: events(first + sums) >= len(record)), record


async def test_what_was_counted_before_a_kill_is_not_counted_again(system: System) -> None:
    """Everything is delivered again, and known."""
    first, second, record = await two_lives(system, "uncommitted")
    assert events(first) == len(record) - 2 * len(OPEN)
    assert differences(first + second, expected(record)) == {}


async def test_what_was_not_stored_at_the_kill_is_counted_by_the_successor_alone(system: System) -> None:
    first, second, record = await two_lives(system, "unwritten")
    assert 0 < events(first) <= WRITTEN
    assert differences(first + second, expected(record)) == {}
    sent = Counter(change.id for change in await system.alerts_by_now() if change.state == "opened")
    assert max(sent.values()) > 1, "its alerts had been sent by both"


async def test_a_worker_that_counts_before_its_state_is_stored_is_caught(system: System) -> None:
    first, second, record = await two_lives(system, "counted-at-once")
    more = differences(first + second, expected(record))
    assert more
    assert all(got > wanted for got, wanted in more.values())


async def test_a_kill_in_full_flow_loses_what_was_on_its_way_and_doubles_nothing(system: System) -> None:
    """The last scrape is of the instant of the kill: what is missing had been stored and not yet acknowledged."""
    record, port = early(time.time()), free_port()
    assert len(record) > DIES_AT
    await send(system, record)
    doomed = system.start("dies", module="tests.faulty_worker")
    assert await asyncio.to_thread(doomed.wait, PATIENCE_S) == -signal.SIGKILL, system.logs()
    system.kill(doomed)
    first = read((system.folder / "run" / LAST_SCRAPE).read_text("utf-8"))
    on_their_way = DIES_AT - 1 - events(first)
    system.start("detect", METRICS__DETECT=str(port))
    await system.working(1)
    record += (rest := late())
    await send(system, rest)
    second = await counted(system, port, lambda sums: events(first + sums) >= len(record) - on_their_way)
    wanted = expected(record)
    assert 0 <= len(record) - events(first + second) <= on_their_way
    assert all(got < due for got, due in differences(first + second, wanted).values())
