"""Reads the wall's topics from Kafka: every partition, without a group.

Each instance of the wall reads everything, so nothing is committed and walls scale by adding instances. It begins with
the newest checkpoint that any of them has left (:mod:`dashboards.wall.kafka_checkpoints`) and reads what came after it;
without one it reads calls from the beginning of the day, alerts and verdicts of seven days. After trouble the reading
goes on where it stopped; where that place is gone (another broker, another log) it begins anew. aiokafka itself never
says that a broker is gone, it retries for ever: a probe asks for the end of each partition every ``PROBE_EVERY_S``.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from datetime import tzinfo
from functools import partial
from typing import Any, Self
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from dashboards.wall import checkpoint as states
from dashboards.wall.kafka_checkpoints import FIND_S, KafkaCheckpoints
from dashboards.wall.kafka_tools import new_consumer
from dashboards.wall.pieces import Checkpoint
from dashboards.wall.source import TOPICS, Message, Sink, Topic
from dashboards.wall.state import read_from
from streams.settings import Settings
from streams.shell.clients import CONNECT_TIMEOUT_S, STOP_TIMEOUT_S, LostError, follow_forever, partitions_of, stop
from streams.verdicts import WEEK_S

log = logging.getLogger(__name__)

PROBE_EVERY_S = 2.0
#: An answer that takes longer than this, seconds, is no answer.
PROBE_TIMEOUT_S = 4.0
#: Messages that wait in the broker while none arrive for this long, seconds: the fetcher is stuck.
STUCK_AFTER_S = 15.0
#: Heartbeats older than this, seconds, say nothing about now.
HEARTBEATS_BACK_S = 60.0
_BATCH = 500

#: Walls of another version neither use nor wait for each other's checkpoints.
KIND = f"wall {states.FORMAT}"

Offsets = dict[TopicPartition, int]


class KafkaSource:
    """The topics of one broker."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time, *, kind: str = KIND) -> None:
        """``clock``: Unix seconds; says where the day begins. ``kind``: which walls can use each other's states."""
        self._bootstrap, self._clock = settings.bootstrap, clock
        self._zone: tzinfo = ZoneInfo(settings.wall.timezone)
        self._topics: dict[str, Topic] = {settings.topic(name): name for name in TOPICS}
        self._checkpoints = KafkaCheckpoints(settings, kind, clock)
        self._next: Offsets = {}

    async def run(self, sink: Sink) -> None:
        """Read until cancelled; trouble is told to ``sink`` and tried again with back-off."""
        await follow_forever(partial(self._read, sink), lambda: dict(self._next), partial(self._lost, sink))

    def _lost(self, sink: Sink, reason: str) -> None:
        log.warning("kafka at %s: %s", self._bootstrap, reason)
        sink.gone(reason)

    async def _read(self, sink: Sink) -> None:
        gc.unfreeze()  # what is left of an earlier reading is to be found again
        partitions = await partitions_of(self._bootstrap, list(self._topics))
        consumer = new_consumer(self._bootstrap)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await consumer.start()
                consumer.assign(partitions)
                consumer.pause(*partitions)  # or it would fetch from the beginning of everything meanwhile
                first, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
            if self._next.keys() != set(partitions) or not _lies_in(self._next, first, end):
                self._next = await self._begin(consumer, first, end, sink)
            for partition, offset in self._next.items():
                consumer.seek(partition, offset)
            consumer.resume(*partitions)
            sink.reading()
            await self._follow(consumer, partitions, sink)
        finally:
            await stop(consumer)

    async def _begin(self, consumer: AIOKafkaConsumer, first: Offsets, end: Offsets, sink: Sink) -> Offsets:
        """Give ``sink`` the newest checkpoint that it takes, and say from where to read on."""
        self._next = {}
        sink.restart()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            found = await consumer.offsets_for_times({p: self._from_ms(p.topic) for p in end})
        starts = {p: found[p].offset if found.get(p) else end[p] for p in end}
        try:
            async with asyncio.timeout(FIND_S):
                return starts | await self._restored(consumer, first, sink)
        except TimeoutError:
            log.warning("no checkpoint found within %g s; everything is read", FIND_S)
            sink.restart()  # it may have been restored, and only the end of the search came too late
            return starts

    async def _restored(self, consumer: AIOKafkaConsumer, first: Offsets, sink: Sink) -> Offsets:
        """Where the checkpoint leads, but for heartbeats, of which only the newest matter; empty: there is none."""
        async with aclosing(self._checkpoints.newest_first()) as checkpoints:
            async for checkpoint in checkpoints:
                places, end = self._places(checkpoint), await consumer.end_offsets(list(first))  # it may be new
                age_s = self._clock() - checkpoint.at
                if places.keys() != {p for p in end if self._topics[p.topic] != "heartbeats"}:
                    log.warning("checkpoint of %.0f s ago passed over: of other partitions", age_s)
                elif not _lies_in(places, first, end):
                    log.warning("checkpoint of %.0f s ago passed over: of another log", age_s)
                elif not _restore(sink, checkpoint.state):
                    log.warning("checkpoint of %.0f s ago passed over: the wall cannot use it", age_s)
                else:
                    log.info("begun with a checkpoint of %.0f s ago", age_s)
                    return places
        return {}

    def _places(self, checkpoint: Checkpoint) -> Offsets:
        topics = {name: topic for topic, name in self._topics.items() if name != "heartbeats"}
        return {
            TopicPartition(topics[name], number): offset
            for name, offsets in checkpoint.offsets.items()
            if name in topics
            for number, offset in enumerate(offsets)
        }

    def _offsets(self) -> dict[str, list[int]]:
        """As a checkpoint has them."""
        offsets: dict[str, list[int]] = {}
        for partition in sorted(p for p in self._next if self._topics[p.topic] != "heartbeats"):
            offsets.setdefault(self._topics[partition.topic], []).append(self._next[partition])
        return offsets

    def _from_ms(self, topic: str) -> int:
        now = self._clock()
        back = {"heartbeats": now - HEARTBEATS_BACK_S, "calls": read_from(now, self._zone)}
        return int(back.get(self._topics[topic], now - WEEK_S) * 1000)

    async def _follow(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition], sink: Sink) -> None:
        """Hand over everything, for ever. Raises LostError when the broker is gone."""
        target: Offsets | None = await self._ends(consumer, partitions)
        moved_at = probe_at = time.monotonic()
        async with _Aside() as aside:
            while True:
                if await self._hand_over(consumer, sink):
                    moved_at = time.monotonic()
                if target and all(self._next[p] >= end for p, end in target.items()):
                    target = None
                    sink.live()
                    gc.freeze()  # looking through a day's calls for garbage would hold up the loop each time
                    aside.start(self._checkpoints.keep(lambda: (self._offsets(), sink.dump())))
                if time.monotonic() - probe_at >= PROBE_EVERY_S:
                    ends = await self._ends(consumer, partitions)
                    probe_at = time.monotonic()
                    if probe_at - moved_at > STUCK_AFTER_S and any(self._next[p] < end for p, end in ends.items()):
                        raise LostError("messages wait in the broker but none arrive")

    async def _hand_over(self, consumer: AIOKafkaConsumer, sink: Sink) -> bool:
        """Hand over what has arrived; False: nothing did, for a moment."""
        batches = await consumer.getmany(timeout_ms=200, max_records=_BATCH)
        for partition, records in batches.items():
            sink.take([self._message(r) for r in records])
            self._next[partition] = records[-1].offset + 1
        await asyncio.sleep(0)  # getmany does not let others run while it has something
        return bool(batches)

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


class _Aside:
    """At most one task beside the reading, which ends with it."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.create_task(work)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=STOP_TIMEOUT_S)


def _restore(sink: Sink, state: bytes) -> bool:
    """Without the collector of garbage, which would look through all of it again and again as it grows."""
    gc.disable()
    try:
        return sink.restore(state)
    except Exception as error:  # one bad checkpoint must not keep every wall from starting for a day
        log.error("the wall failed over a checkpoint: %s", type(error).__name__)
        sink.restart()
        return False
    finally:
        gc.enable()


def _lies_in(places: Offsets, first: Offsets, end: Offsets) -> bool:
    """Whether the broker still, or already, has each of these offsets."""
    return all(first[p] <= offset <= end[p] for p, offset in places.items())
