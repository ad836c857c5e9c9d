"""Real archivists for the tests: in processes that can be killed, and in tasks beside a test; and what a store holds.

A process is forked from a server that has imported everything already, so that it works within half a second.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy import Table, select

from bench.day import OPENS, write_day
from streams import alerts as alerting
from streams import audit, events, heartbeat, verdicts
from streams.alerts import AlertChange
from streams.archive import archivist, past
from streams.archive.schema import alerts, calls, forgotten, judgements, parts, progress, reads, snoozes, words
from streams.archive.store import Store
from streams.archive.taking import TOPICS, Message, Offsets, Taking, Topic
from streams.events import CallEnded
from streams.heartbeat import Heartbeat
from streams.replay import read_record, replay
from streams.rulebook.book import load
from streams.settings import Settings
from streams.shell import topics
from streams.shell.running import UnreadyError, until_told
from streams.telephony.pseudonym import key_from
from streams.verdicts import Judgement, Snooze

PARTITIONS = 4
PATIENCE_S = 40.0
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.archivist_tools"])


# ------------------------------------------------------------------------------------------- archivists


def begun(settings: Settings, log: Path, batch: int = 4000, largest: int | None = None) -> ForkServerProcess:
    """An archivist in a process of its own; ``largest``: no file of it may grow beyond, bytes."""
    process = _context.Process(target=_archive, args=(settings, log, batch, largest), daemon=True)
    process.start()
    return process


def _archive(settings: Settings, log: Path, batch: int, largest: int | None) -> None:
    logging.basicConfig(filename=log, level=logging.INFO, format="%(asctime)s %(process)d %(message)s", force=True)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    archivist.BATCH = batch
    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    try:
        asyncio.run(until_told(archivist.run(settings)))
    except UnreadyError as error:
        logging.error("%s", error)
        sys.exit(1)


@asynccontextmanager
async def archiving(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """An archivist beside the test."""
    task = asyncio.create_task(archivist.run(settings))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=20)
    assert task.cancelled() or not task.exception(), task.exception()


async def until(true: Callable[[], Any], why: str = "", patience_s: float = PATIENCE_S) -> Any:
    """What ``true`` gives, once it is true."""
    deadline = time.monotonic() + patience_s
    while not (found := true()):
        assert time.monotonic() < deadline, why or "it never came"
        await asyncio.sleep(0.02)
    return found


# ------------------------------------------------------------------------------------------- a broker's topics


class Floor:
    """The topics of one test, and what was put on them."""

    def __init__(self, settings: Settings) -> None:
        """The settings name the broker and the prefix."""
        self.settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Floor:
        made = topics.specs(PARTITIONS, self.settings.topic_prefix)
        await asyncio.to_thread(topics.apply, self.settings.bootstrap, made)
        self._producer = AIOKafkaProducer(bootstrap_servers=self.settings.bootstrap)
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._producer
        await self._producer.stop()

    async def put(self, sent: Sequence[tuple[Topic, bytes, bytes]]) -> None:
        """Returns when the broker has all of it."""
        assert self._producer
        for topic, key, value in sent:
            await self._producer.send(self.settings.topic(topic), value, key=key)
        await self._producer.flush()

    async def logged(self) -> list[Message]:
        """Everything on the topics, as the broker has it."""
        names: dict[str, Topic] = {self.settings.topic(name): name for name in TOPICS}
        found: list[Message] = []
        async with AIOKafkaConsumer(
            *names, bootstrap_servers=self.settings.bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            ends = await consumer.end_offsets(
                [
                    TopicPartition(t, n)
                    for t in names
                    for n in range(PARTITIONS)
                    if n in (consumer.partitions_for_topic(t) or ())
                ]
            )
            while len(found) < sum(ends.values()):
                for place, records in (await consumer.getmany(timeout_ms=200)).items():
                    found += [
                        Message(
                            names[place.topic], r.partition, r.offset, r.timestamp / 1000, r.key or b"", r.value or b""
                        )
                        for r in records
                    ]
        return found

    async def beats(self) -> list[Heartbeat]:
        """The archivist's heartbeats up to now."""
        topic = self.settings.topic("heartbeats")
        async with AIOKafkaConsumer(
            topic, bootstrap_servers=self.settings.bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            end = (await consumer.end_offsets([TopicPartition(topic, 0)]))[TopicPartition(topic, 0)]
            found: list[Heartbeat] = []
            while len(found) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [heartbeat.parse(record.value or b"") for record in records]
        return found


def traffic(folder: Path, number: int, seed: int = 5, *, is_endless: bool = False) -> list[tuple[Topic, bytes, bytes]]:
    """A morning's messages, in no friendly order: calls, what the rulebook says of them, what people do about that.

    Some changes come twice, some verdicts before their alert, some things cannot be read; ``is_endless``: a call, too.
    """
    chance, never = random.Random(seed), f"day-{number // 2:05d}" if is_endless else ""  # noqa: S311 - not for secrets
    write_day(folder / "day.ndjson", number, seed)
    read = [event for event in read_record(folder / "day.ndjson") if isinstance(event, events.Event)]
    made = [event for event in read if not (isinstance(event, CallEnded) and event.call == never)]
    changes = [change for change in replay(load(), made) if isinstance(change, AlertChange)]
    assert changes
    stream: list[tuple[float, tuple[Topic, bytes, bytes]]] = []
    for event in made:
        stream.append((event.at, ("calls", event.call.encode(), events.render(event))))
    for change in changes:
        told: tuple[Topic, bytes, bytes] = ("alerts", change.call.encode(), alerting.render(change))
        stream += [(change.at, told)] * chance.choice((1, 1, 2))
    for n, change in enumerate(change for change in changes if change.state == "opened"):
        at, found = change.at + chance.uniform(-5, 60), chance.choice(("resolved", "false_alarm"))
        judged = Judgement(
            id=f"j{seed}-{n}",
            alert=change.id,
            call=change.call,
            rule=change.rule,
            action=found,
            by="li",
            by_name="\u674e",
            at=at,
            reason="exempt" if found == "false_alarm" else None,
        )
        stream.append((at, ("verdicts", change.call.encode(), verdicts.render(judged))))
        seen = audit.Audit(by="li", role="supervisor", what="call", id=change.call, at=at)
        stream.append((at, ("audit", b"li", audit.render(seen))))
    off = Snooze(id=f"s{seed}", rule="long-hold", queue="vip", until=OPENS + 60, by="li", by_name="\u674e", at=OPENS)
    stream.append((OPENS, ("verdicts", off.key.encode(), verdicts.render(off))))
    stream += [(OPENS + 3600 * n, (topic, b"x", b"{not json")) for n, topic in enumerate(TOPICS)]
    return [message for _, message in sorted(stream, key=lambda each: each[0])]


# ------------------------------------------------------------------------------------------- what a store holds


def position(store: Store) -> int:
    """How many messages the store has taken."""
    with store.reading() as connection:
        return sum(connection.scalars(select(progress.c.next)))


def whole(store: Store) -> dict[str, Any]:
    """Everything that was archived, row by row, without what tells only in which pieces it came."""
    with store.reading() as connection:

        def rows(table: Table, *but: str) -> list[tuple[Any, ...]]:
            columns = [column for column in table.columns if column.name not in but]
            return sorted(map(tuple, connection.execute(select(*columns))), key=repr)

        ids = dict(map(tuple, connection.execute(select(calls.c.no, calls.c.id))))
        by_no = past.records_of(connection, list(ids))
        return {
            "calls": rows(calls, "no"),
            "parts": sorted((ids[row.call_no], *row[1:]) for row in connection.execute(select(parts))),
            "records": sorted((ids[no], [events.render(event) for event in own]) for no, own in by_no.items()),
            "words": sorted((ids[row.call_no], row.lines) for row in connection.execute(select(words))),
            "alerts": rows(alerts),
            "judgements": rows(judgements),
            "snoozes": rows(snoozes),
            "reads": rows(reads),
            "progress": [row for row in rows(progress) if row[-1]],
        }


def must_be(store: Store, kept: dict[str, Any]) -> None:
    """Fails with the rows that differ where the store holds anything else."""
    found = whole(store)
    for name, rows in kept.items():
        more, less = [r for r in found[name] if r not in rows], [r for r in rows if r not in found[name]]
        assert (len(found[name]), more[:2], less[:2]) == (len(rows), [], []), name
    assert found == kept


async def in_one_go(floor: Floor, store: Store, forgotten_calls: Sequence[str] = ()) -> dict[str, Any]:
    """What an archivist that nobody disturbs makes of the topics, in an empty store."""
    with store.writing() as connection:
        for call in forgotten_calls:
            connection.execute(forgotten.insert().values(call=call, at=0.0))
    logged = await floor.logged()
    now: Offsets = {}
    for message in logged:
        place = (message.topic, message.partition)
        now[place] = max(now.get(place, 0), message.offset + 1)
    taking = Taking(store, key_from(floor.settings.run_dir), floor.settings.ahead_s)
    taking.take(await archivist.cluster_of(floor.settings), logged, {}, now)
    return whole(store)
