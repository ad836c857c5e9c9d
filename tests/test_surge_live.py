"""Rules across calls on real workers: marks, the subjects' ticks, takeovers, and who may write where."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams.alerts import AlertChange
from streams.events import (
    SUBJECT,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    Gap,
    Mark,
    Tick,
    Transcript,
    parse,
    render,
)
from streams.replay import replay
from streams.rulebook.book import load
from streams.shell.kafka import free_port
from streams.shell.outbox import partition_of
from tests.shell_tools import PARTITIONS, System

SURGE = Path(__file__).parent / "rulebooks" / "surge"
BOOK = {"RULEBOOK": f'["{SURGE}"]'}
OUTAGE = f"{SUBJECT}test-outage:words:test-fault"
CALLBACK_S = 6.0  # of test-no-callback
WINDOW_S = 12.0  # of test-outage


@pytest.fixture
async def system(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[System]:
    async with System(kafka, prefix, tmp_path) as system:
        yield system


def call_in(partition: int, name: str = "call") -> str:
    """A call id that lives in that partition."""
    ids = (f"{name}-{n}" for n in itertools.count())
    return next(call for call in ids if partition_of(call.encode(), PARTITIONS) == partition)


def complaining(call: str, at: float) -> list[AnyEvent]:
    """A call in which the customer tells of the fault, at ``at``; nobody hangs up."""
    words = "你好,我这里信号全无"
    return [
        CallOffered(call=call, at=at - 4, queue="hotline", extra={"customer_key": f"of-{call}"}),
        CallAnswered(call=call, at=at - 3, agent="101"),
        Transcript(call=call, at=at, role="customer", text=words, start=at - 2, end=at, final=True, through=at),
    ]


def given_up(call: str, at: float, caller: str) -> list[AnyEvent]:
    """A call whose customer gives up at ``at``."""
    return [
        CallOffered(call=call, at=at - 5, queue="hotline", extra={"customer_key": caller}),
        CallEnded(call=call, at=at, by="customer"),
    ]


async def send_all(system: System, events: list[AnyEvent]) -> None:
    for event in events:
        await system.send(event)


def of(changes: list[AlertChange], rule: str, state: str = "opened") -> list[AlertChange]:
    """The changes of one rule, each once, whatever was sent twice."""
    return list({(c.id, c.state): c for c in changes if c.rule == rule and c.state == state}.values())


def subjects_worker(system: System, partition: int) -> int:
    """Which of the workers, counted from 0, has that partition of ``subjects`` by its own log."""
    for n in range(10):
        log = system.folder / f"detect-{n}.log"
        told = re.findall(r"subjects: partitions \[([\d, ]*)\]", log.read_text()) if log.exists() else []
        if told and str(partition) in told[-1].split(", "):
            return n
    raise AssertionError(f"nobody has partition {partition}\n{system.logs()}")


async def test_a_surge_over_all_partitions_is_one_alert_with_its_calls_and_ends_by_a_tick(system: System) -> None:
    system.start("detect", **BOOK)
    system.start("detect", **BOOK)
    await system.working(2)
    now = time.time()
    calls = [call_in(partition) for partition in range(3)]
    for n, call in enumerate(calls):
        await send_all(system, complaining(call, now + n / 10))
    await system.alerts(lambda seen: bool(of(seen, "test-outage")))
    later = [call_in(partition, "later") for partition in range(3)]
    for n, call in enumerate(later):
        await send_all(system, complaining(call, now + 1 + n / 10))
    changes = await system.alerts(lambda seen: bool(of(seen, "test-outage", "cleared")))
    (opened,) = of(changes, "test-outage")
    (raised,) = of(changes, "test-outage", "raised")
    (cleared,) = of(changes, "test-outage", "cleared")
    assert set(opened.calls) == set(calls)
    assert set(raised.calls) == set(cleared.calls) == {*calls, *later}
    assert opened.says == "12 秒内已有 3 位客户反映“信号全无”"
    assert (opened.call, round(opened.at - now, 3)) == (calls[-1], 0.2)
    assert (cleared.id, round(cleared.at - now, 3)) == (opened.id, round(1.2 + WINDOW_S, 3))
    messages = await system.read("alerts", lambda seen: len(seen) >= len(changes))
    mine = [m for m in messages if b"test-outage" in m.value]
    assert {(m.key, m.partition) for m in mine} == {(calls[-1].encode(), partition_of(calls[-1].encode(), PARTITIONS))}
    await woken_in_their_own_topic(system)


def ticks_of(message: Any, subject: str = OUTAGE) -> list[Tick]:
    """The tick in that message, if it is one of the subject."""
    event = parse(message.value)
    return [event] if isinstance(event, Tick) and event.call == subject else []


async def woken_in_their_own_topic(system: System) -> None:
    messages = await system.read("subjects", lambda seen: any(ticks_of(m) for m in seen))
    assert {m.partition for m in messages if m.key == OUTAGE.encode()} == {partition_of(OUTAGE.encode(), PARTITIONS)}
    ticks = await system.read("calls", lambda seen: len(seen) > 0)
    assert not [m for m in ticks if m.key.startswith(SUBJECT.encode())]


async def test_a_customer_who_gave_up_is_told_of_at_the_deadline_unless_he_is_called_back(system: System) -> None:
    system.start("detect", **BOOK)
    await system.working(1)
    now = time.time()
    await send_all(system, given_up("left-alone", now, "a"))
    await send_all(system, given_up("called-back", now, "b"))
    back = CallOffered(call="back", at=now + 2, direction="outbound", extra={"customer_key": "b"})
    await asyncio.sleep(2)
    await system.send(back)
    told = of(await system.alerts(lambda seen: bool(of(seen, "test-no-callback"))), "test-no-callback")
    assert [(c.call, round(c.at - now, 3)) for c in told] == [("left-alone", CALLBACK_S)]
    await asyncio.sleep(2)  # had the second one been told of, it would have been by now
    assert of(await system.alerts_by_now(), "test-no-callback") == told
    subject = f"{SUBJECT}test-no-callback:caller:a"
    messages = await system.read("subjects", lambda seen: any(ticks_of(m, subject) for m in seen))
    (first, *_) = [tick for message in messages for tick in ticks_of(message, subject)]
    assert round(first.at - now, 3) == CALLBACK_S


async def test_the_worker_with_the_subject_is_killed_and_nothing_is_lost(system: System) -> None:
    """::

    two calls tell of the fault ── kill -9 of the subject's worker ── a third call ── one alert, three calls
    """
    workers = [system.start("detect", **BOOK), system.start("detect", **BOOK)]
    await system.working(2)
    now = time.time()
    calls = [call_in(partition) for partition in range(3)]
    for n, call in enumerate(calls[:2]):
        await send_all(system, complaining(call, now + n / 10))
    await send_all(system, given_up("left-alone", now, "a"))
    await system.read("subjects", lambda seen: sum(m.key == OUTAGE.encode() for m in seen) == 2)
    system.kill(workers[subjects_worker(system, partition_of(OUTAGE.encode(), PARTITIONS))])
    await send_all(system, complaining(calls[2], now + 0.2))
    both = ("test-outage", "test-no-callback")
    changes = await system.alerts(lambda seen: all(of(seen, rule) for rule in both))
    assert [set(c.calls) for c in of(changes, "test-outage")] == [set(calls)]
    assert [round(c.at - now, 3) for c in of(changes, "test-no-callback")] == [CALLBACK_S]


async def test_who_was_called_back_while_no_worker_ran_raises_no_alarm_when_one_does(system: System) -> None:
    """The deadline has passed when the worker comes back, and the call back still waits to be read: it comes first."""
    worker = system.start("detect", **BOOK)
    await system.working(1)
    now = time.time()
    await send_all(system, given_up("called-back", now, "b"))
    await send_all(system, given_up("left-alone", now, "a"))
    told = [f"{SUBJECT}test-no-callback:caller:{caller}".encode() for caller in "ab"]
    await system.read("subjects", lambda seen: {m.key for m in seen} >= set(told))
    await asyncio.sleep(1.5)
    assert system.kill(worker, signal.SIGTERM) == 0
    await system.send(CallOffered(call="back", at=now + 5, direction="outbound", extra={"customer_key": "b"}))
    await asyncio.sleep(max(0.0, now + CALLBACK_S + 1 - time.time()))
    system.start("detect", **BOOK)
    await system.alerts(lambda seen: bool(of(seen, "test-no-callback")))
    await asyncio.sleep(2)
    assert [c.call for c in of(await system.alerts_by_now(), "test-no-callback")] == ["left-alone"]


async def test_calls_and_marks_delivered_again_change_nothing(system: System) -> None:
    """The group's offsets of both topics are set back to the beginning, as if no commit had ever been made."""
    worker = system.start("detect", **BOOK)
    await system.working(1)
    now = time.time()
    for n in range(3):
        await send_all(system, complaining(call_in(n), now + n / 10))
    await send_all(system, given_up("left-alone", now, "a"))
    enough = lambda seen: bool(of(seen, "test-outage", "cleared") and of(seen, "test-no-callback"))  # noqa: E731
    before = await system.alerts(enough)
    assert system.kill(worker, signal.SIGTERM) == 0
    await rewind(system, "calls", "subjects")
    system.start("detect", **BOOK)
    await send_all(system, given_up("late", time.time(), "z"))
    after = await system.alerts(lambda seen: len(of(seen, "test-no-callback")) == 2)
    for rule in ("test-outage", "test-repeat"):
        assert {(c.id, c.state, c.at) for c in after if c.rule == rule} == {
            (c.id, c.state, c.at) for c in before if c.rule == rule
        }


async def rewind(system: System, *topics: str) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.bootstrap, group_id=f"{system.prefix}sansheng-detect", enable_auto_commit=False
    )
    parts = [TopicPartition(f"{system.prefix}{topic}", p) for topic in topics for p in range(PARTITIONS)]
    await consumer.start()
    consumer.assign(parts)
    await consumer.commit({part: OffsetAndMetadata(0, "") for part in parts})
    await consumer.stop()


async def test_live_gives_what_replay_gives(system: System) -> None:
    """Calls in all partitions, half a second apart, each event sent when it happens; up to the end of the record."""
    system.start("detect", **BOOK)
    system.start("detect", **BOOK)
    await system.working(2)
    book = load([SURGE])
    book.find("我要投诉")  # the first search of a process reads dictionaries
    begin = time.time() + 8
    record = [e for n in range(8) for e in complaining(f"call-{n}", begin + n / 2)]
    record += given_up("left-alone", begin + 0.7, "a") + given_up("again", begin + 12.2, "a")
    record.sort(key=lambda event: event.at)
    offline = [c for c in replay(book, record) if isinstance(c, AlertChange) and c.rule.startswith("test-")]
    assert {(c.rule, c.state) for c in offline} == {
        ("test-outage", "opened"),
        ("test-outage", "raised"),
        ("test-no-callback", "opened"),
        ("test-no-callback", "cleared"),
    }
    for event in record:
        await asyncio.sleep(max(0.0, event.at - time.time()))
        await system.send(event)
    wanted = {(c.id, c.state, c.says, c.calls) for c in offline}
    live = await system.alerts(lambda seen: wanted <= {(c.id, c.state, c.says, c.calls) for c in seen})
    mine = [c for c in live if c.rule.startswith("test-") and c.at <= record[-1].at]
    assert {(c.id, c.state, c.says, c.calls) for c in mine} == wanted


def metrics_at(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return str(answer.read().decode())


async def test_marks_and_what_could_not_be_judged_are_counted_by_rule(system: System) -> None:
    """The agent cannot be heard when the greeting was due: nobody knows, and nobody is blamed."""
    port = free_port()
    system.start("detect", **BOOK, METRICS__DETECT=str(port))
    await system.working(1)
    now = time.time()
    call = CallOffered(call="c", at=now - 9, extra={"customer_key": "a"})
    lost = Gap(call="c", at=now - 3, role="agent", start=now - 9, end=now - 4)
    events = [call, CallAnswered(call="c", at=now - 8, agent="101"), lost, CallEnded(call="c", at=now, by="agent")]
    await send_all(system, events)
    end, told = time.monotonic() + 60, ""
    while 'sansheng_events_total{type="call.ended"} 1.0' not in told:
        assert time.monotonic() < end, f"{told}\n{system.logs()}"
        await asyncio.sleep(0.2)
        told = await asyncio.to_thread(metrics_at, port)
    assert 'sansheng_not_judged_total{rule="greeting-in-tests"} 1.0' in told
    assert 'sansheng_marks_total{rule="test-repeat"} 1.0' in told
    assert 'sansheng_marks_total{rule="test-outage"} 0.0' in told


STRANGERS = [
    ("calls", CallHeld(call="~mine", at=1.0), "may not begin with ~"),
    ("calls", Tick(call="~heartbeats", at=1.0), "may not begin with ~"),
    ("calls", CallHeld(call="~heartbeat:0", at=1.0), "may not begin with ~"),
    ("calls", Mark(call=OUTAGE, at=1.0, rule="test-outage", source="c"), "may not begin with ~"),
    ("calls", Tick(call=OUTAGE, at=1.0), "may not begin with ~"),
    ("calls", Mark(call="c", at=1.0, rule="test-outage", source="c"), "marks are not for calls"),
    ("subjects", CallHeld(call="c", at=1.0), "not about a subject"),
    ("subjects", CallHeld(call=OUTAGE, at=1.0), "not about a subject"),
    ("subjects", Mark(call="c", at=1.0, rule="test-outage", source="c"), "not about a subject"),
    ("subjects", Tick(call="~heartbeat:0", at=1.0), "not about a subject"),
]


async def test_what_is_on_the_wrong_topic_or_under_a_name_of_the_system_is_put_aside(system: System) -> None:
    system.start("detect", **BOOK)
    for topic, event, _ in STRANGERS:
        await system.send_raw(event.call.encode(), render(event), topic=topic)
    letters = await system.read("dead-letters", lambda seen: len(seen) >= len(STRANGERS))
    told = {(m.value, dict(m.headers)["source"].decode()): dict(m.headers) for m in letters}
    assert len(letters) == len(STRANGERS)
    for topic, event, reason in STRANGERS:
        headers = told[render(event), f"{system.prefix}{topic}"]
        assert reason in headers["reason"].decode()
        assert headers["mend"]
    beats = await system.read("heartbeats", lambda seen: len(seen) >= 2)
    assert all(json.loads(m.value)["ok"] for m in beats)
