"""What must have been, by the record itself: the topics read whole, ``calls`` judged again, and both compared.

Pure but for reading the broker. Knows nothing of Prometheus and of receivers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer
from msgspec.structs import replace

from streams import alerts
from streams.alerts import AlertChange
from streams.core import Book
from streams.events import AnyEvent, BadEventError, Tick, parse
from streams.metrics import DIRECT
from streams.pager.deciding import pages
from streams.replay import Driver
from streams.shell.clients import partitions_of
from streams.shell.tally import tally

#: Of calls, as counted by whoever judged them.
COUNTED = ("sansheng_calls_offered_total", "sansheng_calls_in_time_total", "sansheng_calls_abandoned_total")

#: One change of an alert at the edge, where doubles are dropped.
Key = tuple[str, str, str]


class Message(NamedTuple):
    """One of a topic; ``at``: the broker's time, Unix seconds."""

    partition: int
    offset: int
    at: float
    key: bytes
    value: bytes


class Sent(NamedTuple):
    """A change as it lies on ``alerts``; ``logged_at``: the broker's time."""

    change: AlertChange
    logged_at: float


class Counted(NamedTuple):
    """A call whose wait ended, and how: one of ``COUNTED``."""

    at: float
    name: str
    queue: str


class Truth(NamedTuple):
    """What the record says must have been."""

    changes: tuple[AlertChange, ...]
    counted: tuple[Counted, ...]
    events: int
    unreadable: int


async def read(bootstrap: str, topic: str) -> list[Message]:
    """All of a topic, partition by partition, in order."""
    own = await partitions_of(bootstrap, [topic])
    found: list[Message] = []
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as consumer:
        consumer.assign(own)
        await consumer.seek_to_beginning(*own)
        ends = await consumer.end_offsets(own)
        while any([await consumer.position(tp) < ends[tp] for tp in own]):
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                found += [Message(m.partition, m.offset, m.timestamp / 1000, m.key or b"", m.value) for m in messages]
    return sorted(found, key=lambda message: (message.partition, message.offset))


def sent(messages: Iterable[Message]) -> list[Sent]:
    """The changes on ``alerts``."""
    return [Sent(alerts.parse(message.value), message.at) for message in messages if message.value]


def events_of(messages: Iterable[Message]) -> tuple[list[AnyEvent], int]:
    """The record in the broker's order, with what the broker gave each event; and how many cannot be read.

    Ticks are part of it: they tell how far a call's time had come when words came late. Heartbeats are not.
    """
    events, unreadable = [], 0
    for message in sorted(messages, key=lambda m: (m.at, m.partition, m.offset)):
        try:
            event = parse(message.value)
        except BadEventError:
            unreadable += 1
            continue
        if not (isinstance(event, Tick) and event.call.startswith("~")):
            events.append(replace(event, seq=message.offset, logged_at=message.at))
    return events, unreadable


def truth(book: Book, messages: Iterable[Message], until: float, *, ticks: bool = True) -> Truth:
    """Judge the record again with the same rulebook, with exact wakes up to ``until``, Unix seconds.

    Without ``ticks``, words that came later than rules wait for them are judged as if they had come in time.
    """
    events, unreadable = events_of(messages)
    events = [event for event in events if ticks or not isinstance(event, Tick)]
    driver, counting = Driver(book), _Counting()
    changes: list[AlertChange] = []
    for event in events:
        before = driver.state(event.call)
        changes += driver.feed(event)
        after = driver.state(event.call)
        if after is not None:
            counting.at = event.at
            tally(counting, before.fold.call if before else None, after.fold.call, event)
    changes += driver.finish(until)
    return Truth(tuple(changes), tuple(counting.counted), len(events), unreadable)


class _Counting:
    """Takes what a step means in figures, and keeps the calls."""

    def __init__(self) -> None:
        self.at = 0.0
        self.counted: list[Counted] = []

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Keep it where it is about a wait."""
        if name in COUNTED:
            self.counted.append(Counted(self.at, name, labels[0]))

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Durations are not compared."""

    def queue(self, name: str | None) -> str:
        """The label of a queue."""
        return name or DIRECT


def key_of(change: AlertChange) -> Key:
    """What tells one change from another; sent again after a crash it is the same."""
    return change.id, change.state, change.severity


class Compared(NamedTuple):
    """What must have been and what was: changes, doubles, and both kinds of fault by their keys."""

    wanted: int
    found: int
    doubles: int
    lost: tuple[AlertChange, ...]
    made_up: tuple[AlertChange, ...]
    differ: tuple[Key, ...]


def compare(wanted: Iterable[AlertChange], found: Sequence[AlertChange], until: float) -> Compared:
    """By id, state and severity, of what became true up to ``until``, Unix seconds."""
    must = {key_of(change): change for change in wanted if change.at <= until}
    was: dict[Key, list[AlertChange]] = {}
    for change in found:
        if change.at <= until:
            was.setdefault(key_of(change), []).append(change)
    return Compared(
        len(must),
        len(was),
        sum(map(len, was.values())) - len(was),
        tuple(change for key, change in must.items() if key not in was),
        tuple(each[0] for key, each in was.items() if key not in must),
        tuple(key for key, each in was.items() if len({alerts.render(one) for one in each}) > 1),
    )


def by_rule(changes: Iterable[AlertChange]) -> Counter[tuple[str, ...]]:
    """Distinct changes by rule, severity and state: the labels of sansheng_alerts_total."""
    distinct = {key_of(change): change for change in changes}
    return Counter((change.rule, change.severity, change.state) for change in distinct.values())


def paging(changes: Iterable[AlertChange]) -> dict[str, AlertChange]:
    """The alerts for which somebody must have been called, by id, with the change that called."""
    found: dict[str, AlertChange] = {}
    for change in changes:
        if pages(change):
            found.setdefault(change.id, change)
    return found


# ------------------------------------------------------------------------------------------- personal data

_NAMED = ("agent", "to", "caller", "called", "agent_name", "call", "by_agent")


def personal(events: Iterable[AnyEvent], captured: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """What must stand in no page: numbers and names of agents and callers, ids of calls, of record and captures."""
    found = {str(value) for event in events for name in _NAMED if (value := getattr(event, name, None))}
    for block in captured:
        found |= {str(value) for name, value in block.items() if name in _OF_PBX}
    return frozenset(text for text in found if len(text) > 1 and text not in _NOBODY)


_OF_PBX = ("CallerIDNum", "CallerIDName", "ConnectedLineNum", "ConnectedLineName", "MemberName", "Uniqueid", "Linkedid")
_NOBODY = ("<unknown>", "unknown", "None")
