"""Reads the wall's topics from Kafka: every partition, without a group, from the beginning of the day.

Each instance of the wall reads everything, so nothing is committed and walls scale by adding instances. After
trouble the reading goes on where it stopped; where that place is gone (another broker, another log) the
record is read anew. aiokafka itself never says that a broker is gone, it retries for ever: a probe asks for
the end of each partition every ``PROBE_EVERY_S``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import tzinfo
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from dashboards.wall.source import TOPICS, Message, Sink, Topic
from dashboards.wall.state import read_from
from streams.settings import Settings
from streams.shell.running import is_cancelled

log = logging.getLogger(__name__)

PROBE_EVERY_S = 2.0
#: An answer that takes longer than this, seconds, is no answer.
PROBE_TIMEOUT_S = 4.0
CONNECT_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
#: Messages that wait in the broker while none arrive for this long, seconds: the fetcher is stuck.
STUCK_AFTER_S = 15.0
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)
#: Heartbeats older than this, seconds, say nothing about now.
HEARTBEATS_BACK_S = 60.0
_BATCH = 500

Offsets = dict[TopicPartition, int]


class LostError(Exception):
    """The topics cannot be read (any more); the message says why, for the operator."""


class KafkaSource:
    """The three topics of one broker."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """``clock``: Unix seconds; says where the day begins."""
        self._bootstrap, self._clock = settings.bootstrap, clock
        self._zone: tzinfo = ZoneInfo(settings.wall.timezone)
        self._topics: dict[str, Topic] = {settings.topic(name): name for name in TOPICS}
        self._next: Offsets = {}

    async def run(self, sink: Sink) -> None:
        """Read until cancelled; trouble is told to ``sink`` and tried again with back-off."""
        tries = 0
        while True:
            before = dict(self._next)
            try:
                await self._read(sink)
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                self._lost(sink, "the connection to the broker broke off")
            except (LostError, KafkaError, OSError, TimeoutError) as error:
                self._lost(sink, str(error) or type(error).__name__)
            tries = 0 if self._next != before else tries
            await asyncio.sleep(BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)])
            tries += 1

    def _lost(self, sink: Sink, reason: str) -> None:
        log.warning("kafka at %s: %s", self._bootstrap, reason)
        sink.gone(reason)

    async def _read(self, sink: Sink) -> None:
        partitions = await self._partitions()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=200,
            metadata_max_age_ms=30_000,
        )
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await consumer.start()
                consumer.assign(partitions)
                await self._seek(consumer, partitions, sink)
            sink.reading()
            await self._follow(consumer, partitions, sink)
        finally:
            await _stop(consumer)

    async def _partitions(self) -> list[TopicPartition]:
        """Every partition of the three topics. Raises LostError where a topic is missing."""
        client = AIOKafkaClient(bootstrap_servers=self._bootstrap)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await client.bootstrap()
                cluster = await client.fetch_all_metadata()
        finally:
            await client.close()
        found = {topic: cluster.partitions_for_topic(topic) or set() for topic in self._topics}
        missing = [topic for topic, numbers in found.items() if not numbers]
        if missing:
            raise LostError(f"topics missing: {', '.join(missing)} (run `sansheng topics apply`)")
        return [TopicPartition(topic, number) for topic, numbers in found.items() for number in sorted(numbers)]

    async def _seek(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition], sink: Sink) -> None:
        """Go on where the reading stopped, or begin with the day."""
        first = await consumer.beginning_offsets(partitions)
        end = await consumer.end_offsets(partitions)
        if self._next.keys() != set(partitions) or any(not first[p] <= self._next[p] <= end[p] for p in partitions):
            sink.restart()
            found = await consumer.offsets_for_times({p: self._from_ms(p.topic) for p in partitions})
            self._next = {p: found[p].offset if found.get(p) else end[p] for p in partitions}
        for partition, offset in self._next.items():
            consumer.seek(partition, offset)

    def _from_ms(self, topic: str) -> int:
        now = self._clock()
        if self._topics[topic] == "heartbeats":
            return int((now - HEARTBEATS_BACK_S) * 1000)
        return int(read_from(now, self._zone) * 1000)

    async def _follow(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition], sink: Sink) -> None:
        """Hand over everything, for ever. Raises LostError when the broker is gone."""
        target: Offsets | None = await self._ends(consumer, partitions)
        moved_at = probe_at = time.monotonic()
        while True:
            batches = await consumer.getmany(timeout_ms=200, max_records=_BATCH)
            for partition, records in batches.items():
                sink.take([self._message(r) for r in records])
                self._next[partition] = records[-1].offset + 1
                moved_at = time.monotonic()
            if target and all(self._next[p] >= end for p, end in target.items()):
                target = None
                sink.live()
            if time.monotonic() - probe_at >= PROBE_EVERY_S:
                ends = await self._ends(consumer, partitions)
                probe_at = time.monotonic()
                if probe_at - moved_at > STUCK_AFTER_S and any(self._next[p] < end for p, end in ends.items()):
                    raise LostError("messages wait in the broker but none arrive")

    async def _ends(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> Offsets:
        """The end of each partition, asked of the broker: the proof that it is there."""
        for topic in self._topics:
            known = consumer.partitions_for_topic(topic)
            if known and len(known) != sum(p.topic == topic for p in partitions):
                raise LostError(f"the partitions of {topic} have changed")
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                ends: Offsets = await consumer.end_offsets(partitions)
        except TimeoutError:
            raise LostError(f"no answer from the broker within {PROBE_TIMEOUT_S:g} s") from None
        return ends

    def _message(self, record: ConsumerRecord[bytes | None, bytes | None]) -> Message:
        return Message(
            topic=self._topics[record.topic],
            key=record.key or b"",
            value=record.value or b"",
            offset=record.offset,
            logged_at=record.timestamp / 1000,
        )


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Stop, but do not wait for ever for a broker that is gone, nor take its troubles for ours."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await consumer.stop()
    except asyncio.CancelledError:
        if is_cancelled():
            raise
    except (TimeoutError, KafkaError, OSError) as error:
        log.debug("consumer did not stop: %s", error)
