"""``sansheng pager``: follows `alerts` and `verdicts`, and has somebody called.

In a consumer group, so that several pagers share the partitions; the range assignor gives a member the same numbers of
both topics, for they have the same number. Whoever gets a partition first reads its records (topic ``pages``), then the
messages from the last commit on, up to the end that it found, and only then calls anybody. Owns that order, and this
one: records are acknowledged, then receivers are told, then offsets are committed. A kill at any moment so tells a page
again at most, under the same id.

Each receiver has its own line. While the broker is away the lines go on with what they have.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError

from streams import heartbeat
from streams.metrics import Metrics
from streams.pager import records
from streams.pager.deciding import Answer, render
from streams.pager.desk import Desk, Record, Work
from streams.pager.line import Line
from streams.pager.page import Notice
from streams.pager.planning import NO_RECEIVER, plan_of, wall_url
from streams.pager.reading import UnreadableError, alert_of, judgement_of
from streams.pager.receiver import Receiver, RefusedError
from streams.pager.receivers import receivers as receivers_of
from streams.settings import Settings
from streams.shell import topics
from streams.shell.beats import beat
from streams.shell.clients import CONNECT_TIMEOUT_S, LostError, follow_forever, partitions_of, stop
from streams.shell.dead_letters import DeadLetter
from streams.shell.publisher import Message, Publisher
from streams.shell.running import UnreadyError, instance

log = logging.getLogger("sansheng.pager")

GROUP = "sansheng-pager"
#: A pager that was killed is noticed, and its partitions go to another one, after this time, seconds.
SESSION_S = 6.0
#: Whoever gives partitions away waits so long for receivers that are being told, seconds.
LANDING_S = 5.0
#: Judgements are read from so long ago when a pager starts for the first time, seconds.
VERDICTS_BACK_S = 86_400.0
#: A receiver that forgets is told again so many times in the time in which it forgets.
REPEATS = 3
PROBE_EVERY_S, PROBE_TIMEOUT_S = 2.0, 4.0
#: Messages that wait in the broker while none arrive for this long, seconds: the fetcher is stuck.
STUCK_AFTER_S = 15.0
#: Between two looks for messages is less than this, seconds, or the machine slept, or its clock was put forward.
GAP_S = 3.0
#: Records that are not acknowledged for this long, seconds, are said to be.
PATIENCE_S = 5.0
_BATCH, _WAIT_S = 500, 0.2

Batch = dict[TopicPartition, list[ConsumerRecord[bytes | None, bytes | None]]]


class _Watched:
    """A receiver of which it is known when it is not being told something any more, however that ended."""

    def __init__(self, receiver: Receiver, landed: Callable[[Notice], None]) -> None:
        """``landed``: called where it took nothing; what it took or refused has to be recorded first."""
        self.name, self.tells, self.repeats_s = receiver.name, receiver.tells, receiver.repeats_s
        self.limits = receiver.limits
        self.close, self._tell, self._landed = receiver.close, receiver.tell, landed

    async def tell(self, notice: Notice) -> None:
        """As the receiver does."""
        try:
            await self._tell(notice)
        except RefusedError:
            raise
        except BaseException:
            self._landed(notice)
            raise


class Pager(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka's classes have no types
    """Calls people for its share of the partitions until it is cancelled."""

    def __init__(self, settings: Settings, receivers: Mapping[str, Receiver], metrics: Metrics) -> None:
        """Nothing is connected yet."""
        self._settings, self._metrics, self._receivers = settings, metrics, receivers
        plan = plan_of(settings, receivers.values())
        self._desk = Desk(plan, settings.site, wall_url(settings), settings.partitions)
        self._lines = {
            name: Line(
                _Watched(receiver, partial(self._desk.landed, name)),
                metrics,
                partial(self._told, name),
                partial(self._wanted, name),
                perhaps=partial(self._perhaps, name),
            )
            for name, receiver in receivers.items()
        }
        self._topics = {settings.topic(name): name for name in ("alerts", "verdicts")}
        self._records, self._news = Publisher(settings.bootstrap), Publisher(settings.bootstrap)
        self._instance, self._why_not = instance(), "connecting"
        self._consumer: Any = None
        self._own: frozenset[int] = frozenset()
        self._rebalances, self._turn = 0, asyncio.Lock()
        self._next: dict[TopicPartition, int] = {}
        self._backlog: dict[TopicPartition, int] = {}
        self._looked_at = time.time()
        self._is_landing = False
        self._show_pages()

    async def run(self) -> None:
        """Page until cancelled. Raises KafkaError without a broker at first."""
        async with self._news, self._records:
            aside = [asyncio.create_task(work) for work in self._aside()]
            followed = follow_forever(self._follow, lambda: dict(self._next), self._lost)
            following = asyncio.create_task(followed)
            try:
                done, _ = await asyncio.wait({following, *aside}, return_when=asyncio.FIRST_COMPLETED)
                for ended in done:
                    ended.result()  # none of them ends by itself but by a fault
            finally:
                await self._land()  # before the group gives our partitions to somebody who reads the records
                await _ended(following)
                await _ended(*aside)
                for receiver in self._receivers.values():
                    await receiver.close()

    def _aside(self) -> list[Any]:
        forgetful = [name for name, receiver in self._receivers.items() if receiver.repeats_s]
        lines = [line.run() for line in self._lines.values()]
        return [self._beat_forever(), *(self._remind_forever(name) for name in forgetful), *lines]

    async def _beat_forever(self) -> None:
        while True:
            but = "; ".join(line.trouble for line in self._lines.values() if line.trouble)
            await self._news.put(beat(self._settings, "pager", self._instance, self._why_not, but=but))
            await asyncio.sleep(heartbeat.EVERY_S)

    async def _remind_forever(self, name: str) -> None:
        """Tell a receiver that forgets what is still open."""
        while True:
            await asyncio.sleep(self._receivers[name].repeats_s / REPEATS)
            for put in self._desk.stills(name, time.time()):
                self._lines[name].put(put.notice)

    # --------------------------------------------------------------------------------------- the lines' questions

    def _wanted(self, name: str, notice: Notice) -> bool:
        """Asked right before a receiver is told."""
        return not self._is_landing and self._desk.wanted(name, notice, time.time())

    def _perhaps(self, name: str, notice: Notice) -> None:
        """Its answer was lost; that is recorded with the next turn."""
        self._desk.perhaps(name, notice, time.time())

    async def _told(self, name: str, notice: Notice, answer: Answer) -> None:
        """Record it at once; the broker's answer is not waited for, or its troubles would be the receiver's."""
        self._desk.told(name, notice, answer, time.time())
        work = self._desk.drain()
        for record in work.records:
            await self._records.put(self._message(record))
        self._hand_over(work)

    async def _land(self) -> None:
        """Begin no more telling; wait until what is being told is recorded, but not for receivers in trouble."""
        self._is_landing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(LANDING_S):
                # asked again and again: a line that comes into trouble tells nobody, and is no longer waited for
                while any(not self._lines[name].trouble for name in self._desk.flying):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                work = self._desk.drain()._replace(puts=())  # an answer that was lost; the rest a successor tells
                for record in work.records:
                    await self._records.put(self._message(record))
                self._hand_over(work)
                await self._records.flush()

    # --------------------------------------------------------------------------------------- following

    def _lost(self, reason: str) -> None:
        log.warning("kafka at %s: %s", self._settings.bootstrap, reason)
        self._why_not = "no broker"

    async def _follow(self) -> None:
        """Read and page until something breaks. What is held stays held, so that the lines can go on."""
        partitions = await partitions_of(self._settings.bootstrap, list(self._topics))
        self._own, self._consumer = frozenset(), self._new_consumer()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._consumer.start()
            self._consumer.subscribe(list(self._topics), listener=self)
            await self._read(partitions)
        finally:
            await stop(self._consumer)

    async def _read(self, partitions: list[TopicPartition]) -> None:
        """Raises LostError when the broker is gone."""
        moved_at = probed_at = time.monotonic()
        while True:
            async with self._turn:
                await self._settle()
            batch = await self._consumer.getmany(timeout_ms=self._wait_ms(), max_records=_BATCH)
            async with self._turn:
                await self._handle(batch)
            now = time.monotonic()
            moved_at = now if batch else moved_at
            if now - probed_at >= PROBE_EVERY_S:
                probed_at = time.monotonic()
                if await self._probe(partitions) and probed_at - moved_at > STUCK_AFTER_S:
                    raise LostError("messages wait in the broker but none arrive")

    def _wait_ms(self) -> int:
        due = self._desk.next_wake()
        left_s = _WAIT_S if due is None else min(max(due - time.time(), 0.01), _WAIT_S)
        return int(left_s * 1000)

    async def _probe(self, partitions: list[TopicPartition]) -> int:
        """How many messages of ours wait; that the broker answers is the proof that it is there."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                ends: dict[TopicPartition, int] = await self._consumer.end_offsets(partitions)
        except TimeoutError:
            raise LostError(f"no answer from the broker within {PROBE_TIMEOUT_S:g} s") from None
        own = {tp: at for tp, at in self._next.items() if tp.partition in self._desk.partitions}
        lag = dict.fromkeys(self._topics.values(), 0)
        for tp, at in own.items():
            lag[self._topics[tp.topic]] += max(0, ends[tp] - at)
        for topic, waiting in lag.items():
            self._metrics.set("sansheng_pager_lag_messages", waiting, topic)
        self._show_pages()
        return sum(lag.values())

    # --------------------------------------------------------------------------------------- partitions

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by the client before partitions change hands: end what is under way, and let go."""
        self._own, self._rebalances = frozenset(), self._rebalances + 1
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * LANDING_S), self._turn:
                await self._land()
        for number in self._desk.partitions:
            self._desk.let_go(number)
        self._is_landing = False

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by the client; the records are read by ``_settle``, before anything else."""
        numbers = {topic: {tp.partition for tp in assigned if tp.topic == topic} for topic in self._topics}
        self._own = frozenset.intersection(*(frozenset(own) for own in numbers.values()))
        self._rebalances += 1
        if any(own != self._own for own in numbers.values()):
            log.error("another member of the group %s shares out partitions otherwise; is it of ours?", GROUP)
        if not self._own:
            self._share_out()
            self._why_not = ""  # more pagers than partitions: this one is a spare

    async def _settle(self) -> None:
        """Take over the partitions that are newly ours."""
        fresh, rebalance = self._own - self._desk.partitions, self._rebalances
        if not fresh:
            return
        await self._flush(self._records)  # what we have told ourselves is to be found
        unreadable = partial(self._metrics.count, "sansheng_pager_unreadable_total", "pages")
        found = await records.read(self._settings, fresh, unreadable)
        places, ends = await self._places(fresh)
        if rebalance != self._rebalances:
            return  # and all over again
        for tp, offset in places.items():
            with suppress(IllegalStateError):  # lost again: nobody reads there
                self._consumer.seek(tp, offset)
        self._next |= places
        self._backlog |= {tp: ends[tp] for tp, offset in places.items() if offset < ends[tp]}
        for number, pages in found.items():
            self._desk.take_over(number, pages.values(), time.time())
        self._share_out()
        await self._do(self._desk.drain(), [])  # whoever had them and does not know yet is an earlier turn from now on
        self._why_not = ""

    def _share_out(self) -> None:
        """Several pagers tell a receiver no more than one alone would."""
        of = len(self._desk.partitions) / self._settings.partitions
        for name, line in self._lines.items():
            line.share(of, self._desk.lately(name))

    async def _places(self, numbers: Iterable[int]) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Where to read on, which is some time back where nobody has read yet; and where the topics end now."""
        own = [TopicPartition(topic, number) for topic in self._topics for number in numbers]
        now = time.time()
        back_s = {"alerts": self._settings.pager.too_late_s, "verdicts": VERDICTS_BACK_S}
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            ends = await self._consumer.end_offsets(own)
            first = await self._consumer.beginning_offsets(own)
            committed = {tp: await self._consumer.committed(tp) for tp in own}
            times = {tp: int((now - back_s[self._topics[tp.topic]]) * 1000) for tp in own}
            found = await self._consumer.offsets_for_times(times)
        places = {tp: found[tp].offset if found.get(tp) else ends[tp] for tp in own}
        for tp, at in committed.items():
            if at is not None and at <= ends[tp]:
                places[tp] = max(at, first[tp])  # further back the broker has forgotten
        return places, ends

    # --------------------------------------------------------------------------------------- messages

    async def _handle(self, batch: Batch) -> None:
        """Fold what has come and what is due, and do what follows."""
        now, letters = time.time(), []
        if now - self._looked_at > GAP_S:
            await self._catch_up()
        self._looked_at = now
        own = {tp: found for tp, found in batch.items() if tp.partition in self._desk.partitions}
        for tp, found in own.items():
            for record in found:
                try:
                    self._take(record, now)
                except UnreadableError as error:
                    letters.append(self._letter(record, error, now))
            self._next[tp] = found[-1].offset + 1
        self._begin(now)
        self._desk.wake(now)
        await self._do(self._desk.drain(), letters)
        if own:
            await self._commit({tp: self._next[tp] for tp in own})

    async def _catch_up(self) -> None:
        """Much may have been said in the time that passed unseen: read it before anybody is called."""
        own = [tp for tp in self._next if tp.partition in self._desk.partitions]
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                ends: dict[TopicPartition, int] = await self._consumer.end_offsets(own) if own else {}
        except TimeoutError:
            raise LostError(f"no answer from the broker within {PROBE_TIMEOUT_S:g} s") from None
        self._backlog |= {tp: end for tp, end in ends.items() if self._next[tp] < end}
        for tp in self._backlog:
            self._desk.pause(tp.partition)

    def _take(self, record: ConsumerRecord[bytes | None, bytes | None], now: float) -> None:
        if self._topics[record.topic] == "alerts":
            self._desk.alert(record.partition, alert_of(record.value), now)
        elif judgement := judgement_of(record.value):
            self._desk.verdict(record.partition, judgement, now)

    def _begin(self, now: float) -> None:
        """Have partitions whose backlog is read call people."""
        self._backlog = {tp: end for tp, end in self._backlog.items() if self._next.get(tp, 0) < end}
        behind = {tp.partition for tp in self._backlog}
        for number in self._desk.partitions - behind:
            self._desk.begin(number, now)

    def _letter(
        self, record: ConsumerRecord[bytes | None, bytes | None], error: UnreadableError, now: float
    ) -> Message:
        """Where it stands and what is wrong, without what was in it: names and words are kept for alerts' time only."""
        topic = self._topics[record.topic]
        self._metrics.count("sansheng_pager_unreadable_total", topic)
        letter = DeadLetter(b"", topic, str(error), now, error.field, "", record.partition, record.offset)
        log.warning("unreadable: %s", letter)
        return Message(self._settings.topic("dead-letters"), topic.encode(), letter.value, tuple(letter.headers()))

    async def _do(self, work: Work, letters: list[Message]) -> None:
        """Record, and only then tell."""
        for letter in letters:
            await self._news.put(letter)
        for record in work.records:
            await self._records.put(self._message(record))
        if letters:
            await self._flush(self._news)
        if work.records:
            await self._flush(self._records)
        self._hand_over(work)

    def _hand_over(self, work: Work) -> None:
        for put in work.puts:
            self._lines[put.receiver].put(put.notice)
        for count in work.counts:
            self._metrics.count(count.metric, count.label)
        if work.records:
            self._show_pages()

    async def _flush(self, publisher: Publisher) -> None:
        """Wait for the broker's acknowledgement, however long, and say so when it does not come."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await publisher.flush()
            except TimeoutError:
                self._why_not = "the broker does not take the records of pages"
            else:
                break
        if self._why_not.startswith("the broker does not take"):
            self._why_not = ""

    async def _commit(self, offsets: dict[TopicPartition, int]) -> None:
        try:
            await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            log.info("not committed, the partitions are changing hands; these messages will come again")
        else:
            self._metrics.set("sansheng_pager_last_commit_timestamp_seconds", time.time())

    def _message(self, record: Record) -> Message:
        value, told = (render(record.state), ()) if record.state else (None, records.headers(record.epoch))
        return Message(self._settings.topic("pages"), record.id.encode(), value, told, record.partition)

    def _show_pages(self) -> None:
        figures = self._desk.figures()
        for standing in ("open", "claimed", "held"):
            self._metrics.set("sansheng_pager_pages_in_progress", figures[standing], standing)

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap,
            group_id=self._settings.topic(GROUP),
            partition_assignment_strategy=(RangePartitionAssignor,),
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # a place that the broker has forgotten; where to begin is told by `_settle`
            session_timeout_ms=int(SESSION_S * 1000),
            heartbeat_interval_ms=1500,
            fetch_max_wait_ms=100,
            metadata_max_age_ms=30_000,
        )


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=LANDING_S)


async def run(settings: Settings) -> None:
    """Page by the settings until cancelled.

    Raises:
        UnreadyError: no receiver, no broker, or topics that are not as the settings say.
        SettingsError: of a receiver.
        OSError: the metrics port is in use.
    """
    if not settings.pager.receivers:
        raise UnreadyError(NO_RECEIVER)
    metrics = Metrics("pager")
    made = receivers_of(settings)
    await asyncio.to_thread(topics.must_fit, settings)
    metrics.serve(settings.metrics.host, settings.metrics.pager)
    await Pager(settings, made, metrics).run()
