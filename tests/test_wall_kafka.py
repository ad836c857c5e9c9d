"""The wall's ways to a real Kafka: records of the past, checkpoints, verdicts, and a broker that goes."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from dashboards.wall import kafka_checkpoints, kafka_desk, kafka_records, kafka_source, pieces
from dashboards.wall.boards import Board
from dashboards.wall.house import House
from dashboards.wall.kafka_checkpoints import KafkaCheckpoints
from dashboards.wall.kafka_desk import KafkaDesk
from dashboards.wall.kafka_records import KafkaRecords
from dashboards.wall.kafka_source import KafkaSource
from dashboards.wall.kafka_tools import open_consumer
from dashboards.wall.pieces import BrokenError, Checkpoint
from dashboards.wall.records import UnavailableError
from dashboards.wall.source import Message
from streams import alerts, verdicts
from streams.audit import Audit
from streams.metrics import Metrics
from streams.settings import Settings
from streams.shell import topics
from streams.shell.kafka import EmbeddedKafka, free_port
from streams.verdicts import Judgement, Snooze
from tests.conftest import LIBS
from tests.wall_script import change

PARTITIONS = 3
WAIT_S = 30.0
KIND = "test"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first checkpoint is written without delay."""
    monkeypatch.setattr(kafka_checkpoints, "FIRST_S", 0.0)


class Shelf:
    """A sink that keeps what it is given; its state is the list of it."""

    def __init__(self) -> None:
        self.known: list[tuple[str, str]] = []
        self.taken: list[Message] = []
        self.told: list[str] = []
        self.dumps = 0
        self.frozen: list[int] = []

    def restart(self) -> None:
        self.known = []
        self.told.append("restart")

    def restore(self, state: bytes) -> bool:
        try:
            self.known = msgspec.json.decode(state, type=list[tuple[str, str]])
        except msgspec.MsgspecError:
            return False
        self.told.append("restored")
        return True

    def dump(self) -> Callable[[], bytes]:
        self.dumps += 1
        known = list(self.known)
        return lambda: msgspec.json.encode(known)

    def reading(self) -> None:
        self.told.append("reading")
        self.frozen.append(gc.get_freeze_count())

    def live(self) -> None:
        self.told.append("live")

    def gone(self, reason: str) -> None:
        self.told.append("gone")

    def take(self, messages: Sequence[Message]) -> None:
        self.taken += messages
        self.known += [(m.topic, m.value.decode()) for m in messages]

    @property
    def is_live(self) -> bool:
        return bool(self.told) and self.told[-1] == "live"


def made(bootstrap: str, prefix: str) -> Settings:
    topics.apply(bootstrap, topics.specs(PARTITIONS, prefix))
    return Settings(kafka=bootstrap, topic_prefix=prefix, partitions=PARTITIONS)


@pytest.fixture
async def settings(kafka: str, prefix: str) -> Settings:
    return await asyncio.to_thread(made, kafka, prefix)


Put = Callable[[str, str, bytes], Any]


@asynccontextmanager
async def putting(settings: Settings) -> AsyncIterator[Put]:
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap)
    await producer.start()
    try:
        yield lambda topic, key, value: producer.send_and_wait(settings.topic(topic), value, key.encode())
    finally:
        await producer.stop()


Fed = TypeVar("Fed", Shelf, "Counting")


@asynccontextmanager
async def fed(source: KafkaSource, sink: Fed) -> AsyncIterator[Fed]:
    """That sink on the source, live."""
    task = asyncio.create_task(source.run(sink))
    try:
        await until(lambda: sink.is_live)
        yield sink
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def reading(settings: Settings, kind: str = KIND) -> AbstractAsyncContextManager[Shelf]:
    """A wall's source with a sink, live."""
    return fed(KafkaSource(settings, kind=kind), Shelf())


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not true():  # noqa: ASYNC110 - a sink is no place for events
            await asyncio.sleep(0.02)


async def everything(settings: Settings, topic: str) -> list[Any]:
    """All messages of a topic."""
    found: list[Any] = []
    number = 1 if topic in ("audit", "wall") else PARTITIONS
    own = [TopicPartition(settings.topic(topic), n) for n in range(number)]
    async with open_consumer(settings.bootstrap, own) as consumer:
        left = sum((await consumer.end_offsets(own)).values())
        await consumer.seek_to_beginning(*own)
        async with asyncio.timeout(WAIT_S):
            while len(found) < left:
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    found += messages
    return found


async def first_checkpoint(settings: Settings) -> None:
    """Wait until the topic holds a message."""
    async with asyncio.timeout(WAIT_S):
        while not await everything(settings, "wall"):  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.1)


def event(call: str, type_: str = "call.offered", **fields: Any) -> bytes:
    return msgspec.json.encode({"type": type_, "call": call, "at": time.time(), **fields})


# records


async def test_the_record_of_one_call_among_many(settings: Settings) -> None:
    begun = time.time()
    async with putting(settings) as put:
        for n in range(60):
            await put("calls", f"c{n}", event(f"c{n}"))
        for n in range(60):
            await put("calls", f"c{n}", event(f"c{n}", "agent.ringing", agent="101"))
        await put("calls", "c7", event("c7", "call.answered", agent="101"))
        await put("calls", "c7", b"not an event")
        await put("calls", "c7", event("c8", "call.ended", by="agent"))
        await put("calls", "c7", event("c7", "call.ended", by="agent", at=time.time() + 900))
    records = KafkaRecords(settings)
    recorded = await records.call("c7", begun, None)
    assert [msgspec.to_builtins(e)["type"] for e in recorded] == [
        "call.offered",
        "agent.ringing",
        "call.answered",
    ]
    assert {e.call for e in recorded} == {"c7"}
    offsets = [e.seq for e in recorded]
    assert offsets == sorted(offsets, key=lambda seq: seq or 0)
    assert all(e.logged_at and abs(e.logged_at - begun) < WAIT_S for e in recorded)
    mine = [m for m in await everything(settings, "calls") if m.key == b"c7"]
    assert offsets == [m.offset for m in mine][:3]
    await records.close()


@pytest.mark.parametrize("is_kept", [True, False])
async def test_a_record_ends_where_no_message_stands(settings: Settings, *, is_kept: bool) -> None:
    """The last offset of the partition holds the mark of a transaction, with or without what it marks."""
    async with putting(settings) as put:
        await put("calls", "c1", event("c1"))
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, transactional_id=settings.topic_prefix)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(settings.topic("calls"), event("c1", "call.ended", by="customer"), b"c1")
    await (producer.commit_transaction() if is_kept else producer.abort_transaction())
    await producer.stop()
    records, begun = KafkaRecords(settings), time.monotonic()
    assert len(await records.call("c1", time.time() - 60, None)) == 2  # as the live wall reads it
    assert time.monotonic() - begun < kafka_records.LIMIT_S / 2
    await records.close()


async def test_a_record_has_both_ends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """::

    offered │ ringing │ ended
            since     until      (by the broker's time, margins taken away)
    """
    monkeypatch.setattr(kafka_records, "BEFORE_S", 0.0)
    monkeypatch.setattr(kafka_records, "AFTER_S", 0.0)
    records = KafkaRecords(settings)
    async with putting(settings) as put:
        await put("calls", "c1", event("c1"))
        await asyncio.sleep(0.05)
        since = time.time()
        ringing = await put("calls", "c1", event("c1", "agent.ringing", agent="101"))
        await asyncio.sleep(0.05)
        until_ = time.time()
        await asyncio.sleep(0.05)
        await put("calls", "c1", event("c1", "call.ended", by="customer"))
    between = await records.call("c1", since, until_)
    assert [e.seq for e in between] == [ringing.offset]
    assert len(await records.call("c1", since, None)) == 2
    assert len(await records.call("c1", since - 5, None)) == 3
    assert await records.call("c1", time.time() + 5, None) == ()
    await records.close()


async def test_nothing_is_known_of_a_call(settings: Settings) -> None:
    records = KafkaRecords(settings)
    assert await records.call("nobody", time.time() - 60, None) == ()
    assert await records.alert("nothing") == ()
    await records.close()


async def test_an_alert_is_found_by_its_id_alone(settings: Settings) -> None:
    records = KafkaRecords(settings)
    async with putting(settings) as put:
        for n in range(50):
            await put("alerts", f"c{n}", alerts.render(change(f"a{n}", call=f"c{n}")))
        await put("alerts", "c7", b"a7, but not an alert")
        await put("alerts", "c8", alerts.render(change("b", call="c8", says="about a7")))
        await put("alerts", "c7", alerts.render(change("a7", "raised", "critical", call="c7")))
        await put("alerts", "c7", alerts.render(change("a7", "cleared", call="c7")))
    found = await records.alert("a7")
    assert [(c.id, c.call, c.state) for c in found] == [
        ("a7", "c7", "opened"),
        ("a7", "c7", "raised"),
        ("a7", "c7", "cleared"),
    ]
    await records.close()


async def test_the_alerts_of_one_call_are_read_from_its_partition(settings: Settings) -> None:
    async with putting(settings) as put:
        for n in range(20):
            await put("alerts", f"c{n}", alerts.render(change(f"a{n}", call=f"c{n}")))
        await put("alerts", "c7", b"not an alert")
        await asyncio.sleep(0.05)
        since = time.time()
        await put("alerts", "c7", alerts.render(change("a7", "cleared", call="c7")))
        await put("alerts", "c7", alerts.render(change("b7", call="c7")))
    records = KafkaRecords(settings)
    found = await records.alerts("c7", since - 60, None)
    assert [(c.id, c.state) for c in found] == [("a7", "opened"), ("a7", "cleared"), ("b7", "opened")]
    assert await records.alerts("c7", time.time() + kafka_records.BEFORE_S + 5, None) == ()
    assert await records.alerts("nobody", since - 60, None) == ()
    await records.close()


async def test_an_alert_of_last_week_is_looked_for_day_by_day(settings: Settings) -> None:
    """The clock of the reader stands three days later than the broker's."""
    days = 0

    class Counting(KafkaRecords):
        async def _changes(self, *asked: Any) -> list[alerts.AlertChange]:
            nonlocal days
            days += 1
            return await super()._changes(*asked)

    async with putting(settings) as put:
        await put("alerts", "c1", alerts.render(change("old", call="c1")))
        await put("alerts", "c1", alerts.render(change("old", "cleared", call="c1")))
    records = Counting(settings, clock=lambda: time.time() + 3 * 86_400 + 60)
    assert [c.state for c in await records.alert("old")] == ["opened", "cleared"]
    assert days == 4
    assert await records.alert("never") == ()
    assert days == 4 + 7
    await records.close()


async def test_many_ask_at_once_and_the_loop_goes_on(settings: Settings) -> None:
    begun = time.time()
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, linger_ms=20, max_batch_size=200_000)
    await producer.start()
    sent = [
        await producer.send(settings.topic("calls"), event(f"c{n % 40}"), f"c{n % 40}".encode()) for n in range(20_000)
    ]
    await asyncio.gather(*sent)
    await producer.stop()
    records, longest, running = KafkaRecords(settings), 0.0, True

    async def watch() -> None:
        nonlocal longest
        while running:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    answers = await asyncio.gather(*(records.call(f"c{n}", begun, None) for n in range(12)))
    running = False
    await watching
    assert [len(answer) for answer in answers] == [500] * 12
    assert longest < 0.25  # of the loop's own work; how busy the machine is does not count
    await records.close()


async def test_a_question_that_is_given_up_costs_nothing_further(settings: Settings) -> None:
    async with putting(settings) as put:
        await put("calls", "c1", event("c1"))
    records = KafkaRecords(settings)
    for _ in range(3 * kafka_records.AT_A_TIME):
        asked = asyncio.create_task(records.call("c1", time.time() - 60, None))
        await asyncio.sleep(0.005)
        asked.cancel()
        with suppress(asyncio.CancelledError):
            await asked
    assert len(await records.call("c1", time.time() - 60, None)) == 1
    await records.close()


async def test_a_record_that_takes_too_long_is_unavailable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_records, "LIMIT_S", 0.001)
    records = KafkaRecords(settings)
    with pytest.raises(UnavailableError, match="not read within"):
        await records.call("c1", time.time() - 60, None)
    monkeypatch.setattr(kafka_records, "LIMIT_S", 10.0)
    assert await records.call("c1", time.time() - 60, None) == ()
    await records.close()


# the desk


def judgement(id_: str = "j1") -> Judgement:
    return Judgement(
        id=id_, alert="a1", call="c1", rule="long-hold", action="claimed", by="wang", by_name="王芳", at=time.time()
    )


async def test_verdicts_go_out_acknowledged_and_come_back_to_the_walls(settings: Settings) -> None:
    desk, said = KafkaDesk(settings), judgement()
    snooze = Snooze(id="s1", rule="long-hold", queue="", until=said.at + 60, by="wang", by_name="王芳", at=said.at)
    async with reading(settings) as shelf:
        await desk.judge(said)
        await desk.judge(snooze)
        await until(lambda: len(shelf.taken) == 2)
    assert [(m.topic, m.key.decode()) for m in shelf.taken if m.key == b"c1"] == [("verdicts", "c1")]
    came = {m.key.decode(): verdicts.parse(m.value) for m in shelf.taken}
    assert came == {verdicts.key_of(said): said, verdicts.key_of(snooze): snooze}
    await desk.close()


async def test_the_audit_is_written(settings: Settings) -> None:
    desk = KafkaDesk(settings)
    entry = Audit(by="wang", role="supervisor", what="call", id="c1", at=time.time())
    await desk.audit(entry)
    [message] = await everything(settings, "audit")
    assert (message.key, msgspec.json.decode(message.value, type=Audit)) == (b"wang", entry)
    await desk.close()


async def test_without_a_broker_a_verdict_is_refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_desk, "ANSWER_S", 1.0)
    nowhere = Settings(kafka=f"127.0.0.1:{free_port()}")
    desk, records = KafkaDesk(nowhere), KafkaRecords(nowhere)
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        await desk.judge(judgement())
    assert time.monotonic() - begun < 10
    with pytest.raises(UnavailableError):
        await records.call("c1", time.time(), None)
    await desk.close()


# checkpoints


async def test_a_second_wall_starts_from_what_the_first_has_left(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """::

    calls     0 … 99 │ 100 … 109 │ 110
    wall 1  ─────────┴ writes
    wall 2             reads only these, and stays live for the last
    """
    caplog.set_level(logging.INFO, "dashboards.wall")
    async with putting(settings) as put:
        for n in range(100):
            await put("calls", f"c{n}", event(f"c{n}"))
            await put("alerts", f"c{n}", alerts.render(change(f"a{n}", call=f"c{n}")))
        async with reading(settings) as first:
            await first_checkpoint(settings)
        assert first.dumps == 1
        for n in range(100, 110):
            await put("calls", f"c{n}", event(f"c{n}"))
        async with reading(settings) as second:
            assert second.told == ["restart", "restored", "reading", "live"]
            assert [m.topic for m in second.taken] == ["calls"] * 10
            await put("calls", "c110", event("c110"))
            await until(lambda: len(second.taken) == 11)
            assert len(second.known) == 211
        async with reading(settings, kind="other") as third:
            assert third.told == ["restart", "reading", "live"]
            assert len(third.taken) == 211
    assert "begun with a checkpoint" in caplog.text
    assert "of another kind of wall" in caplog.text


class Counting(House):
    """The real sink, which counts what it is given."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, Metrics("wall"), time.time)
        self.taken = 0

    def take(self, messages: Sequence[Message]) -> None:
        self.taken += sum(m.topic != "heartbeats" for m in messages)
        super().take(messages)

    def desk(self) -> dict[str, Any]:
        """What a desk of everything shows now, but for what depends on the moment."""
        board = Board(self.wall, "desk")
        board.collect(time.time())
        return {kind: view for kind, view in board.snapshot().items() if kind != "status"}


def housed(settings: Settings, kind: str = kafka_source.KIND) -> AbstractAsyncContextManager[Counting]:
    """A wall's real fold on the topics, live; its screens are left out."""
    return fed(KafkaSource(settings, kind=kind), Counting(settings))


async def test_the_real_wall_knows_the_same_after_a_restart(settings: Settings) -> None:
    """Three walls: one that saw everything, one that begins with its checkpoint, one that reads everything."""
    desk = KafkaDesk(settings)
    async with putting(settings) as put:
        for n in range(40):
            await put("calls", f"c{n}", event(f"c{n}", queue="售后"))
            await put("calls", f"c{n}", event(f"c{n}", "agent.ringing", agent=f"10{n}"))
            if n % 4 == 0:
                await put("alerts", f"c{n}", alerts.render(change(f"a{n}", call=f"c{n}")))
        await desk.judge(msgspec.structs.replace(judgement(), alert="a4", call="c4"))
        async with housed(settings) as first:
            await first_checkpoint(settings)
            assert first.taken == 91
            for n in range(5):
                await put("calls", f"c{n}", event(f"c{n}", "call.answered", agent=f"10{n}"))
            await desk.judge(msgspec.structs.replace(judgement("j2"), alert="a8", call="c8"))
            await until(lambda: first.taken == 97)
            async with housed(settings) as second:
                assert second.taken == 6
                assert by_id(second.desk()) == by_id(first.desk())
                assert {c["id"] for c in by_id(second.desk())["alerts"] if "claimed" in c} == {"a4", "a8"}
            async with housed(settings, "other") as third:
                assert third.taken == 97
                assert by_id(third.desk()) == by_id(first.desk())
    await desk.close()


def by_id(shown: dict[str, Any]) -> dict[str, Any]:
    """As JSON, calls and alerts in an order of their own."""
    plain: dict[str, Any] = msgspec.to_builtins(shown)
    return plain | {kind: sorted(plain[kind], key=lambda view: view["id"]) for kind in ("calls", "alerts")}


async def test_one_of_two_walls_writes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_checkpoints, "EVERY_S", 1.0)
    monkeypatch.setattr(kafka_checkpoints, "PIECE_S", 0.0)
    monkeypatch.setattr(kafka_checkpoints, "JITTER_S", 0.3)
    """Whoever finds that the newest is EVERY_S old writes: the time that five take is that of one writer."""
    async with reading(settings) as first, reading(settings) as second:
        async with asyncio.timeout(WAIT_S):
            while len(written := await everything(settings, "wall")) < 5:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.1)
    found = [pieces.parse(message.value) for message in written]
    assert len({piece.id for piece in found}) == len(found) <= first.dumps + second.dumps
    assert found[4].at - found[0].at > 3  # a second each, where they write together once; two writers would take 2.2


async def test_what_an_earlier_reading_left_is_found_by_the_collector(settings: Settings) -> None:
    async with reading(settings):
        assert gc.get_freeze_count() > 0
    async with reading(settings) as second:
        assert second.frozen == [0]
        assert gc.get_freeze_count() > 0


async def test_a_large_checkpoint_is_written_less_often(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 10)
    checkpoints = KafkaCheckpoints(settings, KIND)
    dues = []
    async with putting(settings) as put:
        for state, age_s in ((b"small", 30), (b"small", 61), (bytes(120), 61), (bytes(120), 121)):
            await write(put, pieces.cut(checkpoint(state, age_s=age_s)))
            dues.append(await checkpoints._until_due())
    assert [round(due, -1) for due in dues] == [30, 0, 60, 0]


async def write(put: Put, messages: Sequence[bytes]) -> None:
    for message in messages:
        await put("wall", "", message)


def checkpoint(state: bytes, *, calls: Sequence[int] = (0, 0, 0), kind: str = KIND, age_s: float = 0.0) -> Checkpoint:
    offsets = {"calls": list(calls), "alerts": [0, 0, 0], "verdicts": [0, 0, 0]}
    return Checkpoint(time.time() - age_s, kind, offsets, state)


GOOD = msgspec.json.encode([("calls", "from the good one")])


async def test_what_is_no_checkpoint_is_passed_over_and_said(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The good one is the oldest but one; each of those after it has another fault."""
    monkeypatch.setattr(pieces, "PIECE", 10)
    caplog.set_level(logging.INFO, "dashboards.wall")
    cut = pieces.cut
    bad = [
        *cut(checkpoint(b"broken state", age_s=7)),
        *cut(checkpoint(GOOD, calls=(99, 0, 0), age_s=6)),
        *cut(checkpoint(GOOD, calls=(0,), age_s=5)),
        *cut(checkpoint(GOOD, kind="other", age_s=4)),
        b"rubbish",
        *cut(checkpoint(GOOD, age_s=3))[1:],
        *cut(checkpoint(GOOD, age_s=2))[:-1],
        *mixed(cut(checkpoint(GOOD, age_s=1)), cut(checkpoint(GOOD * 2, age_s=1))),
    ]
    async with putting(settings) as put:
        await write(put, cut(checkpoint(b"[]", age_s=9)))
        await write(put, cut(checkpoint(GOOD, age_s=8)))
        await write(put, bad)
        async with reading(settings) as shelf:
            assert shelf.known == [("calls", "from the good one")]
    for said in (
        "cannot use it",
        "another log",
        "other partitions",
        "another kind",
        "not a piece",
        "parts are missing",
    ):
        assert said in caplog.text, said
    assert "do not belong together" in caplog.text


def mixed(one: list[bytes], other: list[bytes]) -> list[bytes]:
    """The first checkpoint with a part of the second."""
    stolen = msgspec.structs.replace(pieces.parse(one[1]), data=pieces.parse(other[1]).data[::-1])
    return [one[0], msgspec.msgpack.encode(stolen), *one[2:]]


async def test_a_checkpoint_that_a_wall_fails_over_is_passed_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = Shelf.restore

    def fail(shelf: Shelf, state: bytes) -> bool:
        if state == b"poison":
            shelf.known = [("half", "restored")]
            raise KeyError
        return restore(shelf, state)

    monkeypatch.setattr(Shelf, "restore", fail)
    async with putting(settings) as put:
        await write(put, pieces.cut(checkpoint(GOOD, age_s=1)))
        await write(put, pieces.cut(checkpoint(b"poison")))
        async with reading(settings) as shelf:
            assert shelf.known == [("calls", "from the good one")]
            assert shelf.told == ["restart", "restart", "restored", "reading", "live"]


async def test_a_checkpoint_of_yesterday_is_too_old(settings: Settings) -> None:
    async with putting(settings) as put:
        await write(put, pieces.cut(checkpoint(GOOD, age_s=kafka_checkpoints.OLDEST_S + 10)))
        async with reading(settings) as shelf:
            assert shelf.told == ["restart", "reading", "live"]


async def test_a_large_checkpoint_behind_many_small_messages(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins in one block of the search and ends in another, between messages of other walls."""
    monkeypatch.setattr(pieces, "PIECE", 100)
    state = msgspec.json.encode([("calls", f"{n * 7919}") for n in range(4000)])
    messages = pieces.cut(checkpoint(state))
    assert len(messages) > 2 * kafka_checkpoints.LARGEST_BLOCK
    others = pieces.cut(checkpoint(b"[]" * 500, kind="other"))
    async with putting(settings) as put:
        await write(put, messages[:50])
        await write(put, others)
        await write(put, messages[50:])
        await write(put, others)
        newest = [c async for c in KafkaCheckpoints(settings, KIND).newest_first()]
    assert [c.state for c in newest] == [state]


def test_pieces_are_small_and_whole() -> None:
    state = bytes(n * n % 251 for n in range(1_700_000))
    whole = Checkpoint(1.0, KIND, {"calls": [1]}, state)
    messages = pieces.cut(whole)
    assert len(messages) == 4
    assert pieces.join(map(pieces.parse, reversed(messages))) == whole
    assert all(len(message) <= pieces.PIECE + 1000 for message in messages)


def test_a_checkpoint_without_end_is_refused() -> None:
    [message] = pieces.cut(Checkpoint(1.0, KIND, {}, b"state"))
    endless = msgspec.structs.replace(pieces.parse(message), count=pieces.MOST + 1)
    with pytest.raises(BrokenError, match="another form"):
        pieces.parse(msgspec.msgpack.encode(endless))


# a broker that goes


async def refused(desk: KafkaDesk, id_: str) -> None:
    """A verdict is not taken, and its sender hears so soon."""
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        await desk.judge(judgement(id_))
    assert time.monotonic() - begun < kafka_desk.ANSWER_S + 5


async def judged(desk: KafkaDesk, id_: str) -> bool:
    """A broker that has just come back may take longer than a judge waits."""
    with suppress(UnavailableError):
        await desk.judge(judgement(id_))
        return True
    return False


async def test_all_of_it_survives_a_broker_that_goes_and_comes_back(
    tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """::

    broker   up      frozen, then killed            up
    source   live ── gone ────────────────────────── live, with what came meanwhile, nothing twice
    desk     done    refused within 5 s, both times  done
    records  read    unavailable                     read
    """
    monkeypatch.setattr(kafka_source, "PROBE_TIMEOUT_S", 1.0)
    broker = EmbeddedKafka(tmp_path, port=0, libs=LIBS, outlive=True)
    pid = (await asyncio.to_thread(broker.start)).pid
    try:
        settings = await asyncio.to_thread(made, broker.bootstrap, prefix)
        desk, records, since = KafkaDesk(settings), KafkaRecords(settings), time.time()
        async with reading(settings) as shelf:
            await desk.judge(judgement("before"))
            async with putting(settings) as put:
                await put("calls", "c1", event("c1"))
            assert len(await records.call("c1", since, None)) == 1
            await until(lambda: len(shelf.taken) == 2)
            os.kill(pid, signal.SIGSTOP)
            await refused(desk, "frozen")
            await until(lambda: shelf.told[-1] == "gone")
            await asyncio.to_thread(broker.stop, 0.0)
            await refused(desk, "meanwhile")
            monkeypatch.setattr(kafka_records, "LIMIT_S", 3.0)
            with pytest.raises(UnavailableError):
                await records.call("c1", since, None)
            monkeypatch.setattr(kafka_records, "LIMIT_S", 60.0)  # a broker that has just come back may be slow
            await asyncio.to_thread(broker.start)
            async with asyncio.timeout(WAIT_S):
                while not await judged(desk, "after"):  # noqa: ASYNC110 - the broker tells nobody
                    await asyncio.sleep(0.2)
            await until(lambda: shelf.is_live)
            await until(lambda: shelf.taken[-1].topic == "verdicts" and len(shelf.taken) > 2)
            assert shelf.told.count("restart") == 1
            taken = [verdicts.parse(m.value).id for m in shelf.taken if m.topic == "verdicts"]
            assert list(dict.fromkeys(taken)) == ["before", "after"]  # what was acknowledged too late comes twice
            assert len(await records.call("c1", since, None)) == 1
        await desk.close()
        await records.close()
    finally:
        await asyncio.to_thread(broker.stop)
