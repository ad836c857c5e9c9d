"""The recogniser process: ``audio`` in, words, sounds and silences on ``calls`` out. Start several to share the legs.

One thread: ears are fed frame by frame between the Kafka client's own steps, so that a worker with much to do stays in
its group. What a frame brought about is acknowledged by the broker before its offset is committed, and offsets are
committed only behind finished sentences (:mod:`asr.hearing`): a worker killed in mid-sentence loses no word, its
successor hears the sentence again from its start and says the same of it.

::

    calls ─▶ holds ─┐ (mute, end)
    audio ─▶ hearing ─▶ publisher ─▶ calls          every second: bookmark, flush, commit
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from msgspec.structs import replace

from asr import bookmark
from asr.audio import BadFrameError, Frame, decode, encode
from asr.hearing import Hears, Left, Listener, Moment, Partition
from asr.holds import Holds
from streams import heartbeat
from streams.events import (
    LARGEST,
    AnyEvent,
    BadEventError,
    Gap,
    SpeechEnded,
    SpeechStarted,
    Spotted,
    Transcript,
    parse,
    render,
)
from streams.metrics import GAP_REASONS, OTHER, Metrics
from streams.settings import Settings
from streams.shell import topics
from streams.shell.beats import beat
from streams.shell.dead_letters import DeadLetter
from streams.shell.lookback import seek_back
from streams.shell.publisher import Message, Publisher
from streams.shell.running import flatten, instance, is_cancelled

log = logging.getLogger("sansheng.recognise")

GROUP = "sansheng-recognise"
COMMIT_EVERY_S = 1.0
#: A worker that was killed is missed after so long, seconds: the least that brokers allow by default.
SESSION_S = 6.0
#: The phone's events are read from so far back, seconds: longer than the topic keeps audio.
PHONE_BACK_S = 900.0
#: More legs than this one worker does not take: at 0.03 CPU seconds a second a core hears some thirty at a time.
MAX_LEGS = 400
#: Of a message that cannot be read so many bytes are put aside: its head, and no word of its sound.
HEAD = 48
#: Sound waits in the broker and none arrives for so long, seconds: the fetcher is stuck.
STUCK_S = 15.0
#: Trouble is told for so long after sound was last skipped, seconds.
TROUBLE_S = 30.0
_PATIENCE_S = 10.0
_BACK_OFF_S = 2.0
#: Sound fetched ahead of each partition, bytes: some fifteen seconds of a leg.
_AHEAD = 256 * 1024
#: What the phone's follower need not even read.
_WORDS = (b'{"type":"transcript"', b'{"type":"speech.', b'{"type":"tick"', b'{"type":"phrase.', b'{"type":"gap"')


class LostError(RuntimeError):
    """The broker cannot be read any more; everything begins anew."""


class Worker(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka's classes have no types
    """Hears its share of the partitions until it is cancelled."""

    def __init__(self, settings: Settings, ear: Callable[[Frame], Listener], metrics: Metrics) -> None:
        """``ear`` makes an ear that begins with the frame it is given. Nothing is connected yet."""
        self._settings, self._ear, self._metrics = settings, ear, metrics
        self._instance = instance()
        self._publisher = Publisher(settings.bootstrap)
        self._holds = Holds()
        self._consumer: Any = None
        self._parts: dict[TopicPartition, Partition] = {}
        self._committed: dict[TopicPartition, tuple[int, str]] = {}
        self._turn = asyncio.Lock()
        self._lost: BaseException | None = None
        self._speaking: dict[tuple[str, str], float] = {}
        self._lag_s, self._was_late = 0.0, False
        self._heard_at = self._moved_at = time.time()
        self._skipped_at = self._refused_at = self._crowded_at = 0.0
        self._cpu = (time.process_time(), time.monotonic())

    async def run(self) -> None:
        """Hear until cancelled.

        Raises:
            KafkaError: the broker cannot be reached at the start.
        """
        async with self._publisher:
            while True:
                try:
                    await self._work()
                except* (LostError, KafkaError, OSError, TimeoutError) as group:
                    why = next(flatten(group))
                    log.warning("begins anew: %s", str(why) or type(why).__name__)
                await asyncio.sleep(_BACK_OFF_S)

    async def _work(self) -> None:
        self._holds, self._lost, self._consumer = Holds(), None, self._new_consumer()
        self._parts, self._committed = {}, {}
        known = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_soundly(self._follow_phone(known)))
                group.create_task(_soundly(self._start_and_hear(known)))
                group.create_task(_soundly(self._commit_forever()))
                group.create_task(_soundly(self._beat_forever()))
        finally:
            await self._stop()

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap,
            group_id=self._settings.topic(GROUP),
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # sound that the topic has forgotten shows as a jump on the leg
            session_timeout_ms=int(SESSION_S * 1000),
            heartbeat_interval_ms=1500,
            max_partition_fetch_bytes=_AHEAD,
            fetch_max_wait_ms=100,
        )

    async def _start_and_hear(self, known: asyncio.Event) -> None:
        """Only when it is known who is on hold, so that hold music of before is not taken for words."""
        await known.wait()
        self._consumer.subscribe([self._settings.topic("audio")], listener=self)
        async with asyncio.timeout(3 * _PATIENCE_S):
            await self._consumer.start()
        await self._hear_forever()

    async def _stop(self) -> None:
        """Leave the group, so that the others take over at once; whatever cannot be told any more comes again."""
        with suppress(KafkaError, OSError, TimeoutError, RuntimeError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._commit()
        self._parts = {}
        with suppress(KafkaError, OSError, TimeoutError, RuntimeError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._consumer.stop()

    # -- partitions ---------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by the client before partitions change hands, never while an ear is at work."""
        if self._parts:
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(SESSION_S / 2):
                    await self._commit()
        self._parts, self._committed, self._speaking = {}, {}, {}
        self._metrics.only("sansheng_lag_messages", {})
        self._tell_legs()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by the client: make ears anew from what was committed. Nothing is fetched meanwhile."""
        own = list(assigned)
        try:
            if own:
                self._consumer.pause(*own)
                async with asyncio.timeout(_PATIENCE_S):
                    await self._take_over(own)
                self._consumer.resume(*own)
        except Exception as error:  # the client would log it and go on without ears
            self._lost = error

    async def _take_over(self, own: list[TopicPartition]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.bootstrap)
        try:
            await admin.start()
            found = await admin.list_consumer_group_offsets(self._settings.topic(GROUP), partitions=own)
        finally:
            await admin.close()
        ends = await self._consumer.end_offsets(own)
        hears = Hears(self._ear, self._holds, self._has_room, self._settings.ears.behind_s)
        for tp in own:
            places = _places(found[tp].metadata) if tp in found else {}
            self._parts[tp] = Partition(hears, Left(places, ends[tp], time.time()))
        log.info("hears %d partitions", len(own))

    def _has_room(self) -> bool:
        return sum(part.legs for part in self._parts.values()) < MAX_LEGS

    # -- sound --------------------------------------------------------------------------------------

    async def _hear_forever(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=200)
            if self._lost is not None:
                raise LostError(f"partitions could not be taken over: {self._lost}")
            parts = dict(self._parts)
            for record in heapq.merge(*batches.values(), key=lambda record: record.timestamp):
                tp = TopicPartition(record.topic, record.partition)
                async with self._turn:
                    part = parts.get(tp)
                    if part is self._parts.get(tp) and part is not None:  # else it has changed hands meanwhile
                        await self._take(part, record)
                await asyncio.sleep(0)  # the client's turn
            async with self._turn:
                for part in self._parts.values():
                    await self._publish(part.rest(time.time()))
            self._look_after()

    async def _take(self, part: Partition, record: ConsumerRecord[Any, Any]) -> None:
        now = time.time()
        age_s = max(0.0, now - record.timestamp / 1000)
        self._heard_at = self._moved_at = now
        frame = None
        try:
            frame = decode(record.value or b"")
            events = part.take(frame, Moment(record.offset, age_s, now))
        except BadFrameError as error:
            part.passed(record.offset)
            head = encode(replace(frame, pcm=b"")) if frame else (record.value or b"")[:HEAD]
            await self._put_aside(record, head, error)
            return
        self._metrics.count("sansheng_ears_heard_seconds_total", by=frame.samples / frame.rate)
        await self._publish(events)
        self._lag_s = age_s
        self._metrics.observe("sansheng_ears_delay_seconds", max(0.0, time.time() - record.timestamp / 1000))

    async def _put_aside(self, record: ConsumerRecord[Any, Any], raw: bytes, error: BadFrameError) -> None:
        source = "audio"
        mend = "frames of `sansheng listen`; the sound is not kept"
        letter = DeadLetter(raw, source, str(error), time.time(), "", mend, record.partition, record.offset)
        log.warning("dead letter: %s", letter)
        self._metrics.count("sansheng_dead_letters_total", source, error.slug)
        topic = self._settings.topic("dead-letters")
        await self._publisher.put(Message(topic, source.encode(), letter.value, tuple(letter.headers())))

    async def _publish(self, events: list[AnyEvent]) -> None:
        for told in events:
            event, line = told, render(told)
            if len(line) > LARGEST and isinstance(told, Transcript):
                event = Gap(
                    call=told.call, at=told.at, role=told.role, start=told.start, end=told.end, reason="too long"
                )
                line = render(event)
            self._count(event)
            await self._publisher.put(Message(self._settings.topic("calls"), event.call.encode(), line))

    def _count(self, event: AnyEvent) -> None:
        match event:
            case Transcript():
                kind = "final" if event.final else "partial" if event.text else "watermark"
                self._metrics.count("sansheng_ears_transcripts_total", kind)
                self._metrics.count("sansheng_ears_words_total", by=len(event.words) if event.final else 0)
            case Spotted():
                self._metrics.count("sansheng_ears_spotted_total")
            case SpeechStarted():
                self._speaking[event.call, event.role] = event.at
            case SpeechEnded():
                begun = self._speaking.pop((event.call, event.role), event.at)
                self._metrics.count("sansheng_ears_speech_seconds_total", by=max(0.0, event.at - begun))
            case Gap():
                reason = event.reason if event.reason in GAP_REASONS else OTHER
                self._metrics.count("sansheng_ears_gaps_total", reason)
                self._metrics.count("sansheng_ears_gap_seconds_total", reason, by=max(0.0, event.end - event.start))
            case _:
                pass

    def _look_after(self) -> None:
        now = time.time()
        if any(part.skipping for part in self._parts.values()):
            self._skipped_at = now
        for part in self._parts.values():
            self._metrics.count("sansheng_ears_faults_total", by=part.faults)
            if part.refused:
                self._refused_at = now
            part.faults = part.refused = 0
        if now - self._heard_at > 2:
            self._lag_s = 0.0
        self._tell_legs()

    def _tell_legs(self) -> None:
        self._metrics.set("sansheng_ears_legs", sum(part.legs for part in self._parts.values()))
        self._metrics.set("sansheng_ears_lag_seconds", self._lag_s)

    # -- commits ------------------------------------------------------------------------------------

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            try:
                await self._commit()
            except (CommitFailedError, IllegalStateError):  # the partitions are changing hands: they come again
                log.info("not committed: the partitions change hands")

    async def _commit(self) -> None:
        """Commit what is done with and acknowledged. Less far is always right; never farther."""
        async with self._turn:
            parts = dict(self._parts)
            marks = {tp: part.bookmark() for tp, part in parts.items()}
        if None in marks.values() and any(part.legs for tp, part in parts.items() if marks[tp] is None):
            self._crowded_at = time.time()
        await self._publisher.flush()
        news = {
            tp: mark
            for tp, mark in marks.items()
            if mark is not None and self._parts.get(tp) is parts[tp] and self._committed.get(tp) != mark
        }
        if news:
            await self._consumer.commit(news)
            self._committed.update(news)
            self._metrics.set("sansheng_ears_last_commit_timestamp_seconds", time.time())

    # -- the phone ----------------------------------------------------------------------------------

    async def _follow_phone(self, known: asyncio.Event) -> None:
        """Read the telephone's events of all calls, beginning a while ago; ``known`` is set once it is up to date."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.bootstrap, auto_offset_reset="earliest")
        async with asyncio.timeout(_PATIENCE_S):
            await consumer.start()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                calls = self._settings.topic("calls")
                ahead = await seek_back(consumer, calls, self._settings.partitions, PHONE_BACK_S)
            while True:
                if not ahead:
                    known.set()
                for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        self._hear_phone(record.value or b"")
                    if records[-1].offset + 1 >= ahead.get(tp, 0):
                        ahead.pop(tp, None)
                    await asyncio.sleep(0)
        finally:
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    await consumer.stop()

    def _hear_phone(self, line: bytes) -> None:
        if line.startswith(_WORDS):
            return
        try:
            event = parse(line)
        except BadEventError:
            return  # the detector puts it aside
        if stretches := self._holds.take(event):
            for part in self._parts.values():
                part.mute(event.call, stretches)

    # -- heartbeat ----------------------------------------------------------------------------------

    async def _beat_forever(self) -> None:
        while True:
            why = self._trouble()
            await self._must_move()
            await self._publisher.put(beat(self._settings, "recognise", self._instance, why))
            self._tell_cpu()
            await self._tell_lags()
            await asyncio.sleep(heartbeat.EVERY_S)

    def _trouble(self) -> str:
        """Why this worker does not do all of its work; empty: it does."""
        now = time.time()
        late = self._lag_s > self._settings.ears.behind_s / 2
        lasting, self._was_late = late and self._was_late, late
        if now - self._skipped_at < TROUBLE_S:
            return f"recogniser behind: sound older than {self._settings.ears.behind_s:g} s was skipped; too little CPU"
        if lasting:
            return f"recogniser behind: hears sound that is {self._lag_s:.0f} s old; too little CPU"
        if now - self._refused_at < TROUBLE_S:
            return f"too many legs for one worker: more than {MAX_LEGS}"
        if now - self._crowded_at < TROUBLE_S:
            return "too many legs in one partition to note where each is: start with more partitions"
        return ""

    async def _must_move(self) -> None:
        """Raises LostError where sound waits in the broker and none arrives."""
        if self._parts and time.time() - self._moved_at > STUCK_S:
            async with asyncio.timeout(_PATIENCE_S):
                ends = await self._consumer.end_offsets(list(self._parts))
                for tp in list(self._parts):
                    if tp in self._parts and await self._consumer.position(tp) < ends[tp]:
                        raise LostError("sound waits in the broker but none arrives")
            self._moved_at = time.time()

    async def _tell_lags(self) -> None:
        """How many messages wait in each of our partitions, as the broker tells; what it does not tell is not known."""
        lags: dict[tuple[str, ...], float] = {}
        with suppress(KafkaError, OSError, TimeoutError, IllegalStateError):
            async with asyncio.timeout(heartbeat.EVERY_S):
                ends = await self._consumer.end_offsets(list(self._parts)) if self._parts else {}
                for tp, end in ends.items():
                    if tp in self._parts:
                        lags["audio", str(tp.partition)] = max(0, end - await self._consumer.position(tp))
        self._metrics.only("sansheng_lag_messages", lags)

    def _tell_cpu(self) -> None:
        used, at = time.process_time(), time.monotonic()
        if at > self._cpu[1]:
            self._metrics.set("sansheng_ears_cpu_share", (used - self._cpu[0]) / (at - self._cpu[1]))
        self._cpu = (used, at)


def _places(metadata: str) -> dict[bookmark.StreamId, bookmark.Place]:
    try:
        return bookmark.read(metadata)
    except ValueError as error:
        log.warning("%s: streams that go on are told as a gap", error)
        return {}


async def _soundly(work: Coroutine[Any, Any, None]) -> None:
    """aiokafka lets its own cancellations out when a connection breaks; a task would end of them without a word."""
    try:
        await work
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        raise LostError("the connection to the broker broke off") from None


async def run(settings: Settings, ear: Callable[[Frame], Listener], *, metrics_port: int | None = None) -> None:
    """Run a worker whose ears ``ear`` makes.

    Raises:
        UnreadyError: no broker, or topics that are not as the settings say.
        OSError: the metrics port is in use.
    """
    topics.must_fit(settings)
    metrics = Metrics("recognise")
    metrics.serve(settings.metrics.host, settings.metrics.recognise if metrics_port is None else metrics_port)
    await Worker(settings, ear, metrics).run()
