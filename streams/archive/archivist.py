"""``sansheng archive``: follows `calls`, `alerts`, `verdicts` and `audit`, and has everything stored.

Without a group: the offsets are in the store, written with what was read (:mod:`streams.archive.taking`), so whoever
starts reads on exactly where the store is. Owns the reading and the heartbeat; the writing, with all the patience that
it takes, is :mod:`streams.archive.archivist_store`. Nothing else in this package knows Kafka.

A place that the broker no longer has (its retention) or does not have yet (another log under the same cluster's id) is
told, and the reading begins with the oldest message there is. While the store takes nothing, nothing is read: Kafka
keeps it. aiokafka never says that a broker is gone, so the ends are asked for every ``PROBE_EVERY_S``.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from streams import heartbeat
from streams.archive.archivist_store import ElsewhereError, Pen
from streams.archive.store import StoreError
from streams.archive.taking import TOPICS, Message, Offsets, Topic
from streams.metrics import Metrics
from streams.settings import Settings
from streams.shell import kafka, topics
from streams.shell.beats import beat
from streams.shell.clients import CONNECT_TIMEOUT_S, LostError, follow_forever, partitions_of, stop
from streams.shell.kafka import BrokerError
from streams.shell.publisher import Publisher
from streams.shell.running import UnreadyError, instance
from streams.telephony.pseudonym import key_from

log = logging.getLogger("sansheng.archive")

#: A batch is stored when it has so many messages or bytes, or when its first one has waited so long, seconds.
BATCH, BATCH_BYTES, GATHER_S = 4000, 8 << 20, 0.4
PROBE_EVERY_S = 2.0
#: An answer that takes longer than this, seconds, is no answer.
PROBE_TIMEOUT_S = 4.0
#: Messages that wait in the broker while none arrive for this long, seconds: the fetcher is stuck.
STUCK_AFTER_S = 15.0
#: A store that is not written to is looked at so often, seconds.
LOOK_EVERY_S = 5.0
#: `archive status` asks the broker for so long, seconds.
ASK_S = 5.0
#: The longest name of a cluster that the store takes.
_NAME = 64

Places = dict[TopicPartition, int]


class Ends(NamedTuple):
    """What a broker has of each partition."""

    first: Places
    end: Places


class Archivist:
    """Follows the topics of one broker."""

    def __init__(self, settings: Settings, pen: Pen, metrics: Metrics) -> None:
        """Nothing is connected yet."""
        self._settings, self._pen, self._metrics = settings, pen, metrics
        self._topics: dict[str, Topic] = {settings.topic(name): name for name in TOPICS}
        self._next: Places = {}
        self._instance = instance()
        self._why_not = "connecting"

    async def run(self) -> None:
        """Archive until cancelled. Raises StoreError where that cannot go on, KafkaError without a broker at first."""
        async with Publisher(self._settings.bootstrap) as publisher:
            beating = asyncio.create_task(self._beat_forever(publisher))
            try:
                await self._pen.open()
                await self._follow_forever()
            finally:
                beating.cancel()

    async def _beat_forever(self, publisher: Publisher) -> None:
        while True:
            why_not = "" if self._pen.is_migrating else self._pen.why_not or self._why_not
            await publisher.put(beat(self._settings, "archive", self._instance, why_not, but=self._pen.but))
            await asyncio.sleep(heartbeat.EVERY_S)

    async def _follow_forever(self) -> None:
        await follow_forever(self._follow_the_store, lambda: dict(self._next), self._lost)

    def _lost(self, reason: str) -> None:
        log.warning("kafka at %s: %s", self._settings.bootstrap, reason)
        self._why_not = "no broker"

    async def _follow_the_store(self) -> None:
        """Where another archivist has written meanwhile, read on from there at once."""
        while True:
            try:
                return await self._follow()
            except ElsewhereError as error:
                log.warning("%s: reading on from where it is", error)

    # ---------------------------------------------------------------------------------------- reading

    async def _follow(self) -> None:
        """Read from where the store is, until something breaks."""
        cluster = await cluster_of(self._settings)
        partitions = await partitions_of(self._settings.bootstrap, list(self._topics))
        consumer = _new_consumer(self._settings.bootstrap)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await consumer.start()
            consumer.assign(partitions)
            consumer.pause(*partitions)  # or it would fetch from the beginning of everything meanwhile
            stored = await self._pen.offsets(cluster)
            self._next = self._begin(stored, await _ends(consumer, partitions))
            # every place at once, also where nothing is yet: two archivists then want the same rows from the beginning
            await self._pen.take((), {(self._topics[p.topic], p.partition): at for p, at in self._next.items()})
            for partition, offset in self._next.items():
                consumer.seek(partition, offset)
            consumer.resume(*partitions)
            self._why_not = ""
            await self._read(consumer, partitions)
        finally:
            await stop(consumer)

    def _begin(self, stored: Offsets, ends: Ends) -> Places:
        """Where to read on in each partition."""
        places: Places = {}
        for partition, first in ends.first.items():
            at = stored.get((self._topics[partition.topic], partition.partition))
            places[partition] = first if at is None else at
            if at is not None and not first <= at <= ends.end[partition]:
                places[partition] = first
                self._tell_gap(partition, at, first)
        return places

    def _tell_gap(self, partition: TopicPartition, at: int, first: int) -> None:
        topic = self._topics[partition.topic]
        reason = "retention" if at < first else "another-log"
        self._metrics.count("sansheng_archive_resets_total", topic, reason)
        if at < first:
            text = "%s partition %d: the broker no longer has %d to %d; those messages are lost to the archive"
            log.error(text, topic, partition.partition, at, first - 1)
        else:
            text = "%s partition %d: the broker has nothing at %d, this is another log; it is read from %d on"
            log.warning(text, topic, partition.partition, at, first)

    async def _read(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        """Store everything, for ever. Raises LostError when the broker is gone."""
        ends = await self._probe(consumer, partitions)
        moved_at = probe_at = looked_at = time.monotonic()
        while True:
            if batch := await self._gather(consumer):
                await self._store(batch)
                moved_at = looked_at = time.monotonic()
            elif time.monotonic() - looked_at >= LOOK_EVERY_S:
                await self._pen.look()
                looked_at = time.monotonic()
            if time.monotonic() - probe_at >= PROBE_EVERY_S:
                ends = await self._probe(consumer, partitions)
                probe_at = time.monotonic()
                if probe_at - moved_at > STUCK_AFTER_S and self._lag(ends):
                    raise LostError("messages wait in the broker but none arrive")
            await self._pen.chores(is_caught_up=not self._lag(ends))

    async def _gather(self, consumer: AIOKafkaConsumer) -> list[ConsumerRecord[bytes | None, bytes | None]]:
        """What has arrived; empty: nothing did, for a moment."""
        batch: list[ConsumerRecord[bytes | None, bytes | None]] = []
        size, until = 0, time.monotonic() + GATHER_S
        while len(batch) < BATCH and size < BATCH_BYTES and time.monotonic() < until:
            arrived = await consumer.getmany(timeout_ms=100, max_records=BATCH - len(batch))
            for records in arrived.values():
                batch += records
                size += sum(len(record.value or b"") for record in records)
            await asyncio.sleep(0)  # getmany does not let others run while it has something
            if not arrived and batch:
                break
        return batch

    async def _store(self, batch: list[ConsumerRecord[bytes | None, bytes | None]]) -> None:
        messages = [self._message(record) for record in batch]
        now: Offsets = {(m.topic, m.partition): m.offset + 1 for m in messages}
        await self._pen.take(messages, now)
        self._next |= {TopicPartition(r.topic, r.partition): r.offset + 1 for r in batch}

    async def _probe(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> Places:
        """The end of each partition, asked of the broker: the proof that it is there."""
        for topic in self._topics:
            known = consumer.partitions_for_topic(topic)
            if known and len(known) != sum(p.topic == topic for p in partitions):
                raise LostError(f"the partitions of {topic} have changed")
        ends = (await _ends(consumer, partitions)).end
        for topic, name in self._topics.items():
            behind = sum(max(0, end - self._next[p]) for p, end in ends.items() if p.topic == topic)
            self._metrics.set("sansheng_archive_lag_messages", behind, name)
        return ends

    def _lag(self, ends: Places) -> int:
        return sum(max(0, end - self._next[partition]) for partition, end in ends.items())

    def _message(self, record: ConsumerRecord[bytes | None, bytes | None]) -> Message:
        return Message(
            topic=self._topics[record.topic],
            partition=record.partition,
            offset=record.offset,
            logged_at=record.timestamp / 1000,
            key=record.key or b"",
            value=record.value or b"",
        )


async def cluster_of(settings: Settings, timeout_s: float = CONNECT_TIMEOUT_S) -> str:
    """Whose offsets these are: the cluster's id, and the prefix of our topics there. Raises BrokerError."""
    found = await asyncio.to_thread(kafka.cluster_id, settings.bootstrap, timeout_s)
    name = f"{found}/{settings.topic_prefix}" if settings.topic_prefix else found
    return name if len(name) <= _NAME else hashlib.sha256(name.encode()).hexdigest()


async def lag(settings: Settings, offsets: Callable[[str], Offsets]) -> dict[str, int] | str:
    """So many messages of each topic are not stored yet, or why nobody can say. ``offsets``: of a cluster; blocks."""
    consumer = _new_consumer(settings.bootstrap)
    try:
        async with asyncio.timeout(ASK_S):
            stored = await asyncio.to_thread(offsets, await cluster_of(settings, ASK_S))
            await consumer.start()
            names: dict[str, Topic] = {settings.topic(name): name for name in TOPICS}
            ends = await _ends(consumer, await partitions_of(settings.bootstrap, list(names)))
            behind: dict[str, int] = dict.fromkeys(TOPICS, 0)
            for p, first in ends.first.items():
                at = stored.get((names[p.topic], p.partition), 0)
                behind[names[p.topic]] += max(0, ends.end[p] - max(first, at))
            return behind
    except (LostError, BrokerError, KafkaError, OSError, TimeoutError) as error:
        return f"not known: Kafka at {settings.bootstrap} does not answer ({type(error).__name__})"
    finally:
        await stop(consumer)


async def _ends(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> Ends:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return Ends(await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions))
    except TimeoutError:
        raise LostError(f"no answer from the broker within {PROBE_TIMEOUT_S:g} s") from None


def _new_consumer(bootstrap: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",  # a place that is gone is told, not skipped in silence
        fetch_max_wait_ms=200,
        metadata_max_age_ms=30_000,
    )


async def run(settings: Settings) -> None:
    """Archive what comes by the topics of the settings, until cancelled.

    Raises:
        UnreadyError: no broker, topics that are not as the settings say, or a store that cannot be ours or is already
            another archivist's.
        OSError: the metrics port is in use.
    """
    metrics = Metrics("archive")
    try:
        pen = Pen(settings, key_from(settings.run_dir), metrics)
        try:
            await pen.begin()  # before the port: two of us would otherwise quarrel about that
            await asyncio.to_thread(topics.must_fit, settings)
            metrics.serve(settings.metrics.host, settings.metrics.archive)
            await Archivist(settings, pen, metrics).run()
        finally:
            pen.close()
    except StoreError as error:
        raise UnreadyError(str(error)) from None
