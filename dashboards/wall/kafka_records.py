"""Records of calls and alerts, read from the topics when somebody opens a page.

A call's messages are all in the partition of its key, so one read is one stretch of one partition. An alert that the
wall does not know any more is looked for day by day, the newest first. Few read at a time, each has little time, and
none holds up the event loop: reading must never cost the live wall anything.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple, TypeAlias

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from msgspec.structs import replace

from dashboards.wall.kafka_tools import new_consumer
from dashboards.wall.records import UnavailableError
from streams import alerts, events
from streams.alerts import AlertChange
from streams.events import AnyEvent, BadEventError
from streams.settings import Settings
from streams.shell.clients import stop
from streams.shell.running import is_cancelled
from streams.verdicts import WEEK_S

log = logging.getLogger(__name__)

#: So many reads at a time; further ones wait.
AT_A_TIME = 4
#: A read takes this long at most, seconds, its waiting included.
LIMIT_S = 10.0
#: A call's first event may be logged this long before its stamp, seconds: clocks of the PBX and the broker differ.
BEFORE_S = 120.0
#: A call's last words may be logged this long after its end, seconds: recognisers are late, and gateways buffer.
AFTER_S = 300.0
_DAY_S = 86_400.0
#: Alerts are kept this long.
DAYS = round(WEEK_S / _DAY_S)
_BATCH = 500

_partitioner = DefaultPartitioner()
Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"
Offsets = dict[TopicPartition, int]


class KafkaRecords:
    """The topics ``calls`` and ``alerts`` of one broker."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """Nothing is opened before the first question. ``clock``: Unix seconds."""
        self._bootstrap, self._clock, self._ahead_s = settings.bootstrap, clock, settings.ahead_s
        self._calls, self._alerts = settings.topic("calls"), settings.topic("alerts")
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._idle: list[AIOKafkaConsumer] = []

    async def call(self, call: str, since: float, until: float | None) -> tuple[AnyEvent, ...]:
        """See ``Records``."""
        async with self._reading() as consumer:
            late = None if until is None else until + AFTER_S
            return await self._call(consumer, call, since - BEFORE_S, late)

    async def alerts(self, call: str, since: float, until: float | None) -> tuple[AlertChange, ...]:
        """See ``Records``."""
        async with self._reading() as consumer:
            late = None if until is None else until + AFTER_S
            part = await _stretch(consumer, self._alerts, call, since - BEFORE_S, late)
            found = list[AlertChange]()
            async for record in part.records():
                with suppress(msgspec.MsgspecError):
                    found.append(alerts.parse(record.value or b""))
            return tuple(found)

    async def alert(self, alert_id: str) -> tuple[AlertChange, ...]:
        """See ``Records``."""
        async with self._reading() as consumer:
            found: list[AlertChange] = []
            partitions = await _partitions(consumer, self._alerts)
            end, now = await consumer.end_offsets(partitions), self._clock()
            for day in range(1, DAYS + 1):
                begin = await _logged_from(consumer, now - day * _DAY_S, end)
                found = [*await self._changes(consumer, alert_id, begin, end), *found]
                if any(change.state == "opened" for change in found):
                    break
                end = begin
            return tuple(found)

    async def close(self) -> None:
        """Disconnect; what is asked afterwards connects again."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*map(stop, idle))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer for one question, within the limits. Raises UnavailableError."""
        try:
            async with asyncio.timeout(LIMIT_S), self._turns, self._lent() as consumer:
                yield consumer
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise self._unavailable("the connection to the broker broke off") from None
        except TimeoutError:
            raise self._unavailable(f"not read within {LIMIT_S:g} s") from None
        except (KafkaError, OSError) as error:
            raise self._unavailable(type(error).__name__) from None

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[AIOKafkaConsumer]:
        """An idle consumer or a new one; one that was in any trouble is not lent again."""
        used = self._idle.pop() if self._idle else None
        consumer = used or new_consumer(self._bootstrap, wait_ms=10)  # what it reads is there
        sound = False
        try:
            if used is None:
                await consumer.start()
            yield consumer
            self._idle.append(consumer)
            sound = True
        finally:
            if not sound:
                await stop(consumer)

    def _unavailable(self, reason: str) -> UnavailableError:
        log.warning("kafka at %s: a record was not read: %s", self._bootstrap, reason)
        return UnavailableError(reason)

    async def _call(
        self, consumer: AIOKafkaConsumer, call: str, since: float, until: float | None
    ) -> tuple[AnyEvent, ...]:
        part = await _stretch(consumer, self._calls, call, since, until)
        found = list[AnyEvent]()
        async for record in part.records():
            with suppress(BadEventError):
                found.append(self._event(record))
        return tuple(found)

    def _event(self, record: Record) -> AnyEvent:
        """As the live wall takes it. Raises BadEventError."""
        logged_at = record.timestamp / 1000
        event = events.parse(record.value or b"")
        if event.call.encode() != record.key:
            raise BadEventError("the message's key is not the call id", field="call")
        if event.at > logged_at + self._ahead_s:
            raise BadEventError("lies in the future", field="at")
        return replace(event, seq=record.offset, logged_at=logged_at)

    async def _changes(
        self, consumer: AIOKafkaConsumer, alert_id: str, begin: Offsets, end: Offsets
    ) -> list[AlertChange]:
        """Of one alert, in the order of its partition; what cannot be read is none of its changes."""
        found, sign = list[AlertChange](), alert_id.encode()
        async for record in _read(consumer, begin, end):
            if sign not in (record.value or b""):
                continue
            with suppress(msgspec.MsgspecError):
                change = alerts.parse(record.value or b"")
                found += [change] * (change.id == alert_id)
        return found


class _Stretch(NamedTuple):
    """What was logged under one key in one stretch of its partition."""

    consumer: AIOKafkaConsumer
    key: bytes
    begins: Offsets
    ends: Offsets

    async def records(self) -> AsyncIterator[Record]:
        async for record in _read(self.consumer, self.begins, self.ends):
            if record.key == self.key:
                yield record


async def _stretch(consumer: AIOKafkaConsumer, topic: str, call: str, since: float, until: float | None) -> _Stretch:
    """Logged between these times; ``until`` None: to now."""
    partitions = await _partitions(consumer, topic)
    partition = _partitioner(call.encode(), partitions, partitions)
    end = await consumer.end_offsets([partition])
    begin = await _logged_from(consumer, since, end)
    end = end if until is None else await _logged_from(consumer, until, end)
    return _Stretch(consumer, call.encode(), begin, end)


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Every partition of a topic, by number. Raises KafkaError where there is none."""
    if not consumer.partitions_for_topic(topic):
        await consumer.end_offsets([TopicPartition(topic, 0)])  # now it knows the topic
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or (0,))]


async def _logged_from(consumer: AIOKafkaConsumer, at: float, end: Offsets) -> Offsets:
    """The first offset of each partition that was logged ``at`` that time or later; where there is none, its end."""
    found = await consumer.offsets_for_times(dict.fromkeys(end, max(0, int(at * 1000))))
    return {p: min(found[p].offset, offset) if found.get(p) else offset for p, offset in end.items()}


async def _read(consumer: AIOKafkaConsumer, begin: Offsets, end: Offsets) -> AsyncIterator[Record]:
    """What was logged from ``begin`` to before ``end``, in the order of each partition.

    The last offset may hold no record (the mark of a transaction), so the place tells when all was read.
    """
    left = {p for p in begin if begin[p] < end[p]}
    if left:
        consumer.assign(list(left))
    for partition in left:
        consumer.seek(partition, begin[partition])
    while left:
        for partition, records in (await consumer.getmany(*left, timeout_ms=200, max_records=_BATCH)).items():
            for record in records:
                if record.offset < end[partition]:
                    yield record
        left = {p for p in left if await consumer.position(p) < end[p]}
        await asyncio.sleep(0)  # getmany does not let others run while it has something
    consumer.unsubscribe()  # a fetch that waits for more would hold up the next question
