"""Record → archive → day as Parquet → replay: the same alerts, from every trace, and from a live engine.

::

    calls ──▶ Kafka ──▶ worker ──▶ alerts ───────────────┐ the same
                └─────▶ archivist ──▶ store ──▶ days ──▶ replay
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from streams.alerts import AlertChange, parse
from streams.archive import days
from streams.archive.day_files import days_in, file_of
from streams.archive.schema import alerts, calls
from streams.archive.store import Store, StoreError
from streams.backtest.run import replay_days
from streams.backtest.traces import OVER_S
from streams.events import (
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    LegTapped,
)
from streams.problem import Problem
from streams.replay import Driver, read_record
from streams.rulebook.book import Rulebook, load
from streams.settings import Settings
from streams.talk import GRACE_S
from streams.telephony.capture import record_capture
from streams.telephony.pseudonym import pseudonymise
from tests.archive_tools import KEY, Log, taken
from tests.conftest import Run
from tests.shell_tools import STRICT, System

TRACES = Path(__file__).parent / "traces"
SPOKEN = sorted((TRACES / "speech").glob("*.ndjson"))
CAPTURES = sorted((TRACES / "asterisk").glob("*.jsonl"))
#: Enough of every kind: rings, transfers of all sorts, holds, silence, many at once, found talking.
LIVE = ("b_slow", "c_ring", "d_abandon", "e_hold", "f2_attended", "g_silent", "h_twenty", "k_connect")
#: A minute after the last event, nothing of it lies in the future.
PATIENCE_S = 120.0

Told = list[tuple[str, ...]]


def events_of(trace: Path) -> list[AnyEvent]:
    """As a gateway logs them: a rule that knows callers again knows them by their key."""
    items = read_record(trace) if trace.suffix == ".ndjson" else record_capture(trace)
    return [pseudonymise(item, KEY) for item in items if not isinstance(item, Problem)]


def offline(book: Rulebook, events: list[AnyEvent]) -> list[AlertChange]:
    """What replay says of a record of which every call is over; as the archive knows that its calls are."""
    driver = Driver(book)
    changes = [change for event in events for change in driver.feed(event)]
    end = max(event.at for event in events)
    return [*changes, *driver.finish_calls(end + OVER_S), *driver.subjects(end)]


def told(changes: list[AlertChange] | tuple[AlertChange, ...]) -> Told:
    """Everything that a person or a program sees of the changes, each once."""
    return sorted({(c.id, c.state, c.severity, repr(c.at), c.says, c.call, c.rule, c.rulebook) for c in changes})


def exported(store: Store, folder: Path) -> list[Path]:
    for day in days.all_days(store):
        days.write_day(store, folder, day)
    return [file_of(folder, "events", day) for day in days_in(folder)]


def archived_from(store: Store, events: list[AnyEvent], folder: Path) -> list[Path]:
    """Taken as from a log in which every call is over, and exported."""
    taken(store, Log().calls(events).messages)
    from streams.archive.taking import Taking  # noqa: PLC0415 - beside what it closes

    Taking(store, KEY, 60).close_lost(max(event.at for event in events) + 86_400)
    return exported(store, folder)


@pytest.mark.parametrize("rulebook", [[], [STRICT]], ids=["default", "strict"])
def test_every_trace_gives_what_it_gave(store: Store, tmp_path: Path, rulebook: list[Path]) -> None:
    """All of them in one archive; those of one day stand in one file."""
    book = load(rulebook)
    events = [event for trace in (*SPOKEN, *CAPTURES) for event in events_of(trace)]
    files, wanted = archived_from(store, events, tmp_path / "days"), told(offline(book, events))
    found = replay_days(files, book)
    assert found.problems == ()
    assert told(found.changes) == wanted
    assert len(wanted) > 30
    assert found.calls == len({event.call for event in events if not isinstance(event, LegTapped)})


def test_processes_change_nothing(store: Store, tmp_path: Path) -> None:
    files = archived_from(store, [event for trace in SPOKEN for event in events_of(trace)], tmp_path / "days")
    one, two = (replay_days(files, load([STRICT]), workers=workers) for workers in (1, 2))
    assert one.changes
    assert one == two


def test_numbers_of_the_log_hide_no_event_from_a_replay(store: Store, tmp_path: Path) -> None:
    """Offsets lie close together and wakes are made anew between them: none may be taken for one seen before."""
    at = 1_795_300_000.0
    held = [
        CallOffered(call="c", at=at, queue="hotline"),
        AgentRinging(call="c", at=at, agent="101"),
        CallAnswered(call="c", at=at + 1, agent="101"),
        CallHeld(call="c", at=at + 10),
        CallResumed(call="c", at=at + 300),
        CallHeld(call="c", at=at + 310),
        CallResumed(call="c", at=at + 600),
        CallEnded(call="c", at=at + 610, by="agent"),
    ]
    files = archived_from(store, held, tmp_path / "days")
    found = replay_days(files, load([STRICT]))
    assert told(found.changes) == told(offline(load([STRICT]), held))
    assert [c.state for c in found.changes if c.rule == "long-hold"].count("cleared") == 2


# ------------------------------------------------------------------------------------------------- live


@pytest.fixture
async def system(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[System]:
    async with System(kafka, prefix, tmp_path) as system:
        yield system


def apart(events: list[AnyEvent]) -> list[AnyEvent]:
    """Each call of a caller of its own: the recorded ones all begin at one instant, and read in a rush from several
    partitions nobody could say which was whose third. The calls that are played are of one caller.
    """
    return [
        replace(event, extra={**event.extra, "customer_key": hashlib.sha256(event.call.encode()).hexdigest()[:16]})
        if isinstance(event, CallOffered)
        else event
        for event in events
    ]


async def played(system: System) -> None:
    """Calls of one caller in their own time, so that real wakes stand in the record: a long ring, a long hold."""
    caller = {"customer_key": "0123456789abcdef"}
    for call, lasts_s in (("in-time-1", 4.0), ("in-time-2", 0.2), ("in-time-3", 0.2)):
        steps: tuple[tuple[float, Callable[[float], AnyEvent]], ...] = (
            (0.3, lambda at, c=call: CallOffered(call=c, at=at, queue="hotline", caller="138****0001", extra=caller)),
            (0.0, lambda at, c=call: AgentRinging(call=c, at=at, agent="8026", agent_name="王芳")),
            (lasts_s, lambda at, c=call: CallAnswered(call=c, at=at, agent="8026")),
            (0.3, lambda at, c=call: CallHeld(call=c, at=at)),
            (lasts_s * 1.8, lambda at, c=call: CallResumed(call=c, at=at)),
            (0.3, lambda at, c=call: CallEnded(call=c, at=at, by="agent")),
        )
        for wait_s, make in steps:
            await asyncio.sleep(wait_s)
            await system.send(make(time.time()))


@pytest.mark.timeout(400)
async def test_what_the_engine_sent_live_is_what_the_archive_gives_again(
    system: System, archived: Settings, run: Run
) -> None:
    records = [apart(events_of(t)) for t in (*SPOKEN, *(t for t in CAPTURES if t.name.startswith(LIVE)))]
    for event in (event for events in records for event in events):
        await system.send(event)
    expected = {row[:4] for events in records for row in told(offline(load([STRICT]), events))}
    system.start("detect")
    await system.working(1)
    await played(system)
    await system.alerts(lambda seen: {row[:4] for row in told(seen)} >= expected and lived(seen) == LIVED)
    url = archived.archive.url.get_secret_value()
    variables = {"ARCHIVE__URL": url, "RUN_DIR": str(archived.run_dir)}
    system.start("archive", **variables)
    store = Store(archived)
    try:
        sent = await archived_whole(system, store)
        here = {f"SANSHENG_{name}": value for name, value in variables.items()}
        asked = days.all_days(store)
        done = run("replay", "--from", "archive", "--days", f"{asked[0]}..{asked[-1]}", "--rulebook", STRICT, **here)
        assert done.code == 0, done.err
        assert told([parse(line) for line in done.out.splitlines()]) == told(sent)
        assert told(sent) == told(await system.alerts_by_now())
    finally:
        store.close()


#: Of the calls that are played: the hold is told, and that it is over; the caller is known again, and again.
LIVED = {
    ("long-hold", "opened", "in-time-1"),
    ("long-hold", "cleared", "in-time-1"),
    ("repeat-caller", "opened", "in-time-2"),
    ("repeat-caller", "opened", "in-time-3"),
}


def lived(seen: list[AlertChange]) -> set[tuple[str, str, str]]:
    return {(change.rule, change.state, change.call) for change in seen} & LIVED


async def archived_whole(system: System, store: Store) -> list[AlertChange]:
    """Everything sent, once all of it is in the archive. Of calls that have just ended more alerts may still come."""
    end, before = time.monotonic() + PATIENCE_S, 0
    while True:
        sent = await system.alerts_by_now()
        if len(sent) == before and await asyncio.to_thread(is_complete, store, {change.id for change in sent}):
            return sent
        assert time.monotonic() < end
        before = len(sent)
        await asyncio.sleep(2 * GRACE_S)


def is_complete(store: Store, sent: set[str]) -> bool:
    """Every call is over, and just these alerts are there."""
    try:
        with store.reading() as connection:
            up = connection.scalar(select(func.count()).select_from(calls).where(calls.c.state == "up"))
            return up == 0 and sent == set(connection.scalars(select(alerts.c.id)))
    except StoreError:  # it is being made
        return False
