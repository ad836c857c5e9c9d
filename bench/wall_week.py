"""A week of a busy floor in the topics, and how soon a wall that starts is live with it.

Seven days of twelve hours, the last of them ending now: the timezone of the bench is one in which it is evening. The
topics keep the sender's time here, because the broker's own would be that of the filling.
"""

from __future__ import annotations

import random
import time
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from msgspec.structs import replace

from bench.wall_floor import STEPS, Floor, Said, of_alert, of_verdict
from streams.alerts import AlertChange
from streams.shell import topics

DAYS, OPEN_S, DAY_S = 7, 12 * 3600.0, 86_400.0
PARTITIONS = 16
#: One call in so many breaks a rule; people judge every other alert.
BROKEN, JUDGED = 33, 2
_BATCH = 900_000
_SAMPLE = 40

_partitioner = DefaultPartitioner()
_NUMBERS = list(range(PARTITIONS))


@lru_cache(maxsize=4096)
def _partition(key: bytes) -> int:
    return int(_partitioner(key, _NUMBERS, _NUMBERS))


class Week(NamedTuple):
    """What was filled in. ``calls``: some of their ids with when they happened; ``alerts``: some ids."""

    events: int
    today: int
    alerts: int
    verdicts: int
    took_s: float
    calls: list[tuple[str, float]]
    alert_ids: list[str]


def evening() -> str:
    """A timezone in which it is between eight and nine in the evening."""
    ahead = (20 - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}"  # its signs are the other way round


async def fill(bootstrap: str, prefix: str, events: int) -> Week:
    """Lay the topics and write so many events, with the alerts and verdicts that go with them."""
    topics.apply(bootstrap, topics.specs(PARTITIONS, prefix))
    _keep_senders_time(bootstrap, [f"{prefix}{name}" for name in ("calls", "alerts", "verdicts")])
    begun, written, sample = time.monotonic(), dict.fromkeys(("calls", "alerts", "verdicts"), 0), _Sample(events)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=_BATCH, linger_ms=0) as producer:
        batches = Batches(producer, prefix)
        for at, said, change in _week(events):
            await batches.put(at, said)
            written[said.topic] += 1
            sample.look(at, said, change)
        await batches.flush()
    took_s = time.monotonic() - begun
    return Week(written["calls"], events // DAYS, written["alerts"], written["verdicts"], took_s, *sample.found)


class _Sample:
    """Calls and alerts from all over the week."""

    def __init__(self, events: int) -> None:
        self._every, self._n = max(1, events // _SAMPLE), 0
        self.found: tuple[list[tuple[str, float]], list[str]] = ([], [])
        self._wants_alert = False

    def look(self, at: float, said: Said, change: AlertChange | None) -> None:
        self._n += said.topic == "calls"
        if said.topic == "calls" and self._n % self._every == 0:
            self.found[0].append((said.key.decode(), at))
            self._wants_alert = True
        if change is not None and self._wants_alert:
            self.found[1].append(change.id)
            self._wants_alert = False


def _week(events: int) -> Iterator[tuple[float, Said, AlertChange | None]]:
    """Messages in order of time."""
    floor, chance, now = Floor("week"), random.Random(7), time.time()  # noqa: S311 - not for secrets
    a_day = events // DAYS
    for n in range(a_day * DAYS):
        day, of_day = divmod(n, a_day)
        at = now - (DAYS - 1 - day) * DAY_S - OPEN_S * (1 - of_day / a_day)
        yield at, floor.next(at), None
        if chance.random() < 1 / (BROKEN * len(STEPS)):
            change = floor.alert(at)
            yield at, of_alert(change), change
            yield at, of_alert(replace(change, state="cleared")), None
            if chance.random() < 1 / JUDGED:
                yield at, of_verdict(change, at, right=chance.random() < 0.8), None


class Batches:
    """One open batch for each partition; sending message by message would take several times as long."""

    def __init__(self, producer: AIOKafkaProducer, prefix: str, single: Container[str] = ()) -> None:
        """``single``: topics of one partition; the others have ``PARTITIONS``."""
        self._producer, self._prefix, self._single = producer, prefix, single
        self._open: dict[tuple[str, int], BatchBuilder] = {}

    async def put(self, at: float, said: Said) -> None:
        """Send it some time."""
        place = (said.topic, 0 if said.topic in self._single else _partition(said.key))
        if not self._append(place, at, said):
            await self._send(place)
            assert self._append(place, at, said)

    async def flush(self) -> None:
        """Send what is left, and wait until all is stored."""
        for place in list(self._open):
            await self._send(place)
        await self._producer.flush()

    def _append(self, place: tuple[str, int], at: float, said: Said) -> bool:
        if (batch := self._open.get(place)) is None:
            batch = self._open[place] = self._producer.create_batch()
        return batch.append(key=said.key, value=said.value, timestamp=int(at * 1000)) is not None

    async def _send(self, place: tuple[str, int]) -> None:
        batch = self._open.pop(place)
        batch.close()
        await self._producer.send_batch(batch, f"{self._prefix}{place[0]}", partition=place[1])


def _keep_senders_time(bootstrap: str, names: list[str]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        order = {"message.timestamp.type": "CreateTime"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, order) for name in names])
    finally:
        admin.close()
