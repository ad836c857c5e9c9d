"""A lane of the worker: one topic, ``step`` over it, one table of states, and the wakes that these ask for.

There are two. ``calls`` is the record of the calls; what a call tells of a subject that rules count across calls goes
as a mark to ``subjects``, where the same ``step`` judges it::

    calls ──▶ CallLane ──▶ alerts           ticks of a lane go back into its own topic
                 │ marks      ▲
                 ▼            │
              subjects ──▶ SubjectLane

What an event brings about (alerts, marks) is acknowledged by the broker *before* the state that contains it is written,
so none can be lost in between. What is sent twice for that has the same id, or tells a subject what it knows already.
What it means in figures is counted *after* the broker has that state: an event that comes again, because its worker was
killed, either was not counted or is known. A worker killed in between loses the count, never doubles it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar

import faust
import msgspec
from faust.exceptions import PartitionsMismatch
from msgspec.structs import replace

from streams import heartbeat
from streams.core import Book, CallState, Step, dump, load, step
from streams.events import SUBJECT, AnyEvent, BadEventError, Mark, Tick, is_subject, parse, render, tag_of
from streams.metrics import Later, Metrics
from streams.settings import Settings
from streams.shell import topics
from streams.shell.dead_letters import of_message
from streams.shell.outbox import Outbox, partition_of
from streams.shell.shelf import Shelf
from streams.shell.tally import tally
from streams.shell.wakes import Wake, Wakes

log = logging.getLogger("sansheng.detect")

#: A tick that comes this much before its deadline by the broker's clock, seconds, comes from a clock gone wrong.
EARLY_S = 1.0
#: A state larger than this, bytes, would not fit into a message of the changelog, and Faust would give up.
LARGEST_STATE = 900_000
#: A partition with messages waiting of which none was processed for this long, seconds, is stuck.
STUCK_S = 10.0
#: A subject is woken this much later than a call, seconds: what its calls tell comes through one more topic, and a call
#: that came back just before the deadline must be heard before the deadline is.
MARK_DELAY_S = 1.0
#: So long, seconds, a broker is waited for that is asked where its partitions end.
PATIENCE_S = 2.0
#: After a takeover no subject is woken for so long, seconds, and on for as long as calls wait to be worked off (but not
#: beyond the second figure): what they tell may be what a subject has been waiting for.
TAKEOVER_S, BACKLOG_S = 5.0, 60.0
#: Ids that begin so are the system's own: heartbeats and subjects. No PBX may use them.
OWN_ID = SUBJECT[0]


class Lane(ABC):
    """What both lanes have in common. Subclasses say what belongs on their topic and which rulebook judges it."""

    name: ClassVar[str]
    table_name: ClassVar[str]
    tick_delay_s: float

    def __init__(self, app: faust.App, outbox: Outbox, shelf: Shelf, settings: Settings, metrics: Metrics) -> None:
        """The agent and the table are declared in ``app``; nothing is started."""
        self.app, self.outbox, self.shelf, self.settings, self.metrics = app, outbox, shelf, settings, metrics
        self.tick_delay_s = settings.tick_delay_s
        self.wakes = Wakes()
        self._armed = asyncio.Event()
        self._decoded: dict[bytes, tuple[bytes, CallState]] = {}
        self._processed: dict[int, tuple[int, float]] = {}
        self.topic = outbox.topic(self.name)
        self.table: Any = app.Table(  # a TellingTable: the app is made so
            self.table_name,
            key_type=bytes,
            value_type=bytes,
            partitions=settings.partitions,
        )
        self.table.on_recover(self._after_rebalance)

    @abstractmethod
    def _admit(self, record: AnyEvent) -> None:
        """Raises BadEventError where ``record`` does not belong on this topic."""

    @abstractmethod
    def _judge(self, before: CallState | None) -> Book:
        """The rulebook for the next step of a state; None: it begins."""

    def _stepped(  # noqa: B027 - a lane may let it pass
        self, before: CallState | None, result: Step, record: AnyEvent, figures: Later
    ) -> None:
        """A step has been taken and its state is stored, though the broker may not have it yet."""

    def states(self) -> Iterator[CallState]:
        """The states of this worker's own partitions."""
        return (state for _, state in self._decoded.values())

    # -- events ---------------------------------------------------------------------------------

    async def run(self, stream: Any) -> None:
        """The Faust agent."""
        async for event in stream.events():
            await self._handle(event.message)

    async def _handle(self, message: Any) -> None:
        """One message, whatever it is; never raises, or Faust would drop it without a word.

        A table that can take nothing is no fault of the message: the worker ends at once and commits nothing, as after
        `kill -9`, and its successor reads the message again.
        """
        key, value = bytes(message.key or b""), bytes(message.value or b"")
        now = time.time()
        self._processed[message.partition] = (message.offset, now)  # before a heartbeat is answered: it counts too
        self.metrics.set("sansheng_last_event_timestamp_seconds", now)
        try:
            record = self._read(key, value, message)
            await self._take(key, record, message.partition)
        except BadEventError as error:
            await self._put_aside(message, value, error)
        except PartitionsMismatch as error:
            log.critical("the worker ends, to start again: %s", error)
            os._exit(1)  # anything gentler would count the message as done
        except Exception as error:
            log.exception("internal error at %s[%d]@%d", message.topic, message.partition, message.offset)
            await self._put_aside(
                message, value, BadEventError(f"internal error: {type(error).__name__}", slug="internal")
            )

    def _read(self, key: bytes, value: bytes, message: Any) -> AnyEvent:
        record = parse(value)
        if record.call.encode() != key:
            raise BadEventError(
                "the message's key is not the call id", field="call", mend="key each message by `call`", slug="key"
            )
        self._admit(record)
        logged_at = float(message.timestamp)
        ahead = record.at - logged_at
        if ahead > (EARLY_S if isinstance(record, Tick) else self.settings.ahead_s):
            raise BadEventError(
                f"{ahead:.1f} s in the future", field="at", mend="set the sender's clock (NTP)", slug="future"
            )
        return replace(record, seq=message.offset, logged_at=logged_at)

    async def _take(self, key: bytes, record: AnyEvent, partition: int) -> None:
        before = self._state(key)
        result = step(self._judge(before), before, record)
        if before is not None and result.state is before:
            if not _is_known(before, record):  # about the sound of the call, and no fact of it
                self.metrics.count("sansheng_events_total", tag_of(record))
            return
        figures = Later(self.metrics)
        figures.count("sansheng_events_total", tag_of(record))
        for note in result.notes:
            figures.count("sansheng_oddities_total")
            log.warning("%s partition %d offset %s: %s", self.name, partition, record.seq, note)
        stored = dump(result.state) if result.state is not None else b""
        if len(stored) > LARGEST_STATE:
            raise BadEventError(
                f"the call's state would be {len(stored)} bytes", mend="shorter or fewer unknown fields", slug="large"
            )
        if isinstance(record, Tick):
            self._time_tick(record, figures)
        await self._tell(result, record, figures)
        is_written = self._store(key, result, stored, record, partition)
        self._stepped(before, result, record, figures)
        if is_written:
            self.table.when_written(figures.apply)
        else:
            figures.apply()

    def _time_tick(self, tick: Tick, figures: Later) -> None:
        """Count how late it is, without what this lane waits on purpose beyond the settings."""
        late_s = self.wakes.lateness(tick.call, tick.at, time.time())
        if late_s is not None:
            wanted_s = self.tick_delay_s - self.settings.tick_delay_s
            figures.observe("sansheng_tick_late_seconds", max(0.0, late_s - wanted_s))

    async def _tell(self, result: Step, cause: AnyEvent, figures: Later) -> None:
        for change in result.changes:
            await self.outbox.alert(change, cause, figures)
        for mark in result.marks:
            await self.outbox.mark(mark, figures)
        for silent in result.not_judged:
            figures.count("sansheng_not_judged_total", silent.rule)

    def _state(self, key: bytes) -> CallState | None:
        stored = self.table.get(key)
        if not stored:
            return None
        known = self._decoded.get(key)
        if known is None or known[0] is not stored:
            known = self._decoded[key] = (stored, load(stored))
        return known[1]

    def _store(self, key: bytes, result: Step, stored: bytes, record: AnyEvent, partition: int) -> bool:
        """Whether there was anything to write."""
        if result.state is None or result.wake is None:
            self._decoded.pop(key, None)
            self.wakes.drop(record.call)
            if is_known := key in self.table:
                del self.table[key]
            return is_known
        self.table[key] = stored
        self._decoded[key] = (stored, result.state)
        self.wakes.set(record.call, partition, result.wake, time.time())
        self._armed.set()
        return True

    async def _put_aside(self, message: Any, value: bytes, error: BadEventError) -> None:
        letter = of_message(message.topic, message.partition, message.offset, value, error, time.time())
        log.warning("dead letter: %s", letter)
        self.metrics.count("sansheng_dead_letters_total", self.name, error.slug)
        await self.outbox.letter(letter)

    # -- ticks ----------------------------------------------------------------------------------

    async def tick_forever(self) -> None:
        """Send a tick into the lane's own topic for each wake that is due."""
        while not self.app.should_stop:
            now = time.time()
            if self._must_wait(now):
                await asyncio.sleep(0.2)
                continue
            for wake in self.wakes.take_due(now - self.tick_delay_s):
                await self.send_tick(wake.call, wake.partition, wake.due)
            await self._sleep_until_due()

    def _must_wait(self, now: float) -> bool:
        """Whether no tick may be sent yet."""
        return False

    async def _sleep_until_due(self) -> None:
        self._armed.clear()
        due = self.wakes.next()
        wait_s = 1.0 if due is None else min(1.0, due + self.tick_delay_s - time.time())
        if wait_s > 0:
            try:
                async with asyncio.timeout(wait_s):
                    await self._armed.wait()
            except TimeoutError:
                pass

    async def send_tick(self, call: str, partition: int, at: float) -> None:
        """Put a wake into the record. It is not waited for: the wake comes again until it has had its effect."""
        tick = render(Tick(call=call, at=at))
        await self.topic.send(key=call.encode(), value=tick, partition=partition)

    # -- rebalance ------------------------------------------------------------------------------

    def own_partitions(self) -> set[int]:
        """The partitions of this lane's topic that this worker has."""
        name = self.settings.topic(self.name)
        return {tp.partition for tp in self.app.assignor.assigned_actives() if tp.topic == name}

    async def _after_rebalance(self) -> None:
        """Forget what belongs to partitions that moved on, and rebuild the wakes from the table."""
        own = self.own_partitions()
        held = self._held()
        for key in [k for k in held if partition_of(k, self.settings.partitions) not in own]:
            del held[key]
        self._decoded = dict(_readable(held))
        self._processed = {p: seen for p, seen in self._processed.items() if p in own}
        self.wakes.replace(
            Wake(state.wake, key.decode(), partition_of(key, self.settings.partitions))
            for key, (_, state) in self._decoded.items()
        )
        self._armed.set()
        log.info("%s: partitions %s, %d in progress", self.name, sorted(own), len(self.wakes))

    def _held(self) -> dict[bytes, bytes]:
        """What the memory store holds, foreign partitions included; deleting here writes no changelog."""
        store: Any = self.table.data
        held: dict[bytes, bytes] = store.data
        return held

    # -- health ---------------------------------------------------------------------------------

    def stuck(self) -> list[int]:
        """Own partitions with messages waiting and no progress."""
        now = time.time()
        return sorted(partition for partition, at in self.waiting() if now - at > STUCK_S)

    def waiting(self) -> Iterator[tuple[int, float]]:
        """Own partitions with messages waiting, and when something was last processed in each."""
        name = self.settings.topic(self.name)
        for partition, (offset, at) in self._processed.items():
            end = self._end_of(faust.types.TP(name, partition))
            if end is not None and end > offset + 1:
                yield partition, at

    async def lags(self) -> dict[int, int]:
        """How many messages wait in each of our partitions, as the broker tells; empty where it does not answer."""
        name = self.settings.topic(self.name)
        own = [faust.types.TP(name, partition) for partition in sorted(self.own_partitions())]
        try:
            async with asyncio.timeout(PATIENCE_S):
                ends = await self.app.consumer.highwaters(*own) if own else {}
        except Exception as error:  # partitions that leave meanwhile, a broker that is away: the next look will tell
            log.debug("%s: the ends are not known: %s", self.name, type(error).__name__)
            return {}
        return {part.partition: max(0, end - self._done(part)) for part, end in ends.items()}

    def _done(self, part: faust.types.TP) -> int:
        """The offset behind what this worker, or the one before it, has worked off."""
        offset, _ = self._processed.get(part.partition, (-1, 0.0))
        consumer: Any = self.app.consumer
        return max(offset + 1, consumer._committed_offset[part] or 0)  # Faust tells nobody else

    def _end_of(self, part: faust.types.TP) -> int | None:
        """The offset behind a partition's last message; None: it is not known, or the partition is not ours (any more).

        The consumer lives in another thread: a partition can leave between the question and the answer.
        """
        consumer = self.app.consumer
        try:
            return consumer.highwater(part) if part in consumer.assignment() else None
        except AssertionError:  # that is how aiokafka says it
            return None


def _is_known(before: CallState, record: AnyEvent) -> bool:
    return record.seq is not None and record.seq <= before.seq


def _readable(held: dict[bytes, bytes]) -> Iterator[tuple[bytes, tuple[bytes, CallState]]]:
    """The states that can be read. One that cannot must not keep the worker from all the others."""
    for key, stored in held.items():
        try:
            if stored:
                yield key, (stored, load(stored))
        except msgspec.MsgspecError as error:
            log.error("a state in the table cannot be read: %s", error)


class CallLane(Lane):
    """The record of the calls, each judged to its end by the version of the rulebook that it began with."""

    name = "calls"
    table_name = topics.CALL_STATES

    def __init__(self, *parts: Any, answer_beat: Callable[[], Awaitable[None]]) -> None:
        """As ``Lane``; ``answer_beat`` is called when a heartbeat has travelled the whole way."""
        super().__init__(*parts)
        self._answer_beat = answer_beat

    def _admit(self, record: AnyEvent) -> None:
        if record.call.startswith(OWN_ID) and not _is_beat(record):
            mend = f"another id: those that begin with {OWN_ID} are the system's own"
            raise BadEventError(f"a call's id may not begin with {OWN_ID}", field="call", mend=mend, slug="misplaced")
        if isinstance(record, Mark):
            raise BadEventError(
                "marks are not for calls",
                field="type",
                mend="the worker itself sends them, to `subjects`",
                slug="misplaced",
            )

    async def _take(self, key: bytes, record: AnyEvent, partition: int) -> None:
        if _is_beat(record):
            await self._answer_beat()
        else:
            await super()._take(key, record, partition)

    def _judge(self, before: CallState | None) -> Book:
        return (self.shelf.of(before.book) if before else None) or self.shelf.current

    def _stepped(self, before: CallState | None, result: Step, record: AnyEvent, figures: Later) -> None:
        if result.state is None:
            return
        tally(figures, before.fold.call if before else None, result.state.fold.call, record)
        if before and before.book != result.state.book:
            figures.count("sansheng_calls_moved_total")
            log.warning("rulebook %s is lost: a call goes on under %s", before.book or "?", result.state.book)

    async def _after_rebalance(self) -> None:
        await super()._after_rebalance()
        await asyncio.to_thread(self.shelf.fetch, {state.book for state in self.states()})


def _is_beat(record: AnyEvent) -> bool:
    return isinstance(record, Tick) and record.call.startswith(f"{heartbeat.CALL}:")


class SubjectLane(Lane):
    """What calls have told of a caller, a queue or a kind of fault.

    Always judged by the current rulebook. A subject's record lives for a day and is never whole at any moment, so there
    is no end to wait for; and a manager who corrects a count, or retires the rule, means the calls of today. What the
    calls have told stays told: only the counting changes.
    """

    name = "subjects"
    table_name = topics.SUBJECT_STATES

    def __init__(self, *parts: Any, calls: CallLane) -> None:
        """As ``Lane``; ``calls`` is the lane that sends the marks."""
        super().__init__(*parts)
        self.tick_delay_s += MARK_DELAY_S
        self._calls = calls
        self._taken_over_at = time.time()

    async def _after_rebalance(self) -> None:
        self._taken_over_at = time.time()
        await super()._after_rebalance()

    def _must_wait(self, now: float) -> bool:
        since = now - self._taken_over_at
        return since < TAKEOVER_S or (since < BACKLOG_S and any(True for _ in self._calls.waiting()))

    def _admit(self, record: AnyEvent) -> None:
        if not is_subject(record.call) or not isinstance(record, Mark | Tick):
            raise BadEventError(
                "not about a subject", field="call", mend="events of calls are for `calls`", slug="misplaced"
            )

    def _judge(self, before: CallState | None) -> Book:
        return self.shelf.current
