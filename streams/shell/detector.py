"""The Faust worker: ``step`` over the ``calls`` topic, one table of call states, ticks, alerts.

Traps of Faust that are handled here, each pinned by a test against a real broker:

- Faust acknowledges an event whose agent raised: everything is caught, dead-lettered and counted.
- A killed worker's events come again after a takeover: ``step`` knows them by their offset. Alerts are
  acknowledged by the broker *before* the state that contains them is written, so none can be lost in between;
  those sent twice have the same id and are dropped at the edge.
- Offsets are committed after the changelog has been flushed (Faust flushes its producer before a commit).
- Tables cannot be written from a timer: due wakes are sent as ticks on ``calls`` and so become part of the
  record.
- The memory store keeps what it wrote for partitions that have moved on: after each rebalance the table is
  purged of foreign calls, or a stale state would wake a call that ended elsewhere.
- Liveness is the age of the last event and of the last commit, proven every few seconds by a tick that
  travels the whole way (``streams.heartbeat``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import faust
from aiokafka.partitioner import murmur2
from faust.sensors.base import Sensor
from msgspec.structs import replace

from streams import alerts, heartbeat
from streams.alerts import AlertChange
from streams.call import PHASES
from streams.core import Book, CallState, Step, dump, load, step
from streams.events import AnyEvent, BadEventError, Tick, parse, render, tag_of
from streams.heartbeat import Heartbeat
from streams.metrics import Metrics
from streams.settings import Settings
from streams.shell import topics
from streams.shell.dead_letters import DeadLetter, of_message
from streams.shell.running import instance
from streams.shell.tally import tally
from streams.shell.wakes import Wake, Wakes

log = logging.getLogger("sansheng.detect")

#: A tick that comes this much before its deadline by the broker's clock, seconds, comes from a clock gone wrong.
EARLY_S = 1.0
#: A state larger than this, bytes, would not fit into a message of the changelog, and Faust would give up.
LARGEST_STATE = 900_000
#: A partition with messages waiting of which none was processed for this long, seconds, is stuck.
STUCK_S = 10.0


def partition_of(key: bytes, partitions: int) -> int:
    """Where every producer of the system puts a key (murmur2, as Kafka's own clients do)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class Detector:
    """One worker: builds the Faust app and owns what it needs between events."""

    def __init__(self, settings: Settings, book: Book, metrics: Metrics) -> None:
        """Nothing is started; ``app`` is the Faust app to run."""
        self.settings, self.book, self.metrics = settings, book, metrics
        self.instance = instance()
        self.wakes = Wakes()
        self._armed = asyncio.Event()
        self._decoded: dict[bytes, tuple[bytes, CallState]] = {}
        self._processed: dict[int, tuple[int, float]] = {}
        self._beat_turn = 0
        self.app = self._make_app()
        self.calls = self._topic("calls")
        self.alerts = self._topic("alerts")
        self.dead_letters = self._topic("dead-letters")
        self.heartbeats = self._topic("heartbeats")
        self.table = self.app.Table(
            "call-states",
            key_type=bytes,
            value_type=bytes,
            partitions=settings.partitions,
        )
        self.table.on_recover(self._after_rebalance)
        self.app.agent(self.calls, name="detect", concurrency=1)(self._detect)
        self.app.task(self._tick_forever)
        self.app.task(self._beat_forever)
        metrics.set("sansheng_rulebook_info", 1, book.version)

    def _make_app(self) -> faust.App:
        settings = self.settings
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        app = faust.App(
            settings.topic("sansheng-detect"),
            broker=[f"kafka://{address}" for address in settings.bootstrap.split(",")],
            store="memory://",
            datadir=str(settings.run_dir / "faust"),
            topic_partitions=settings.partitions,
            topic_replication_factor=1,
            topic_disable_leader=True,
            topic_allow_declare=True,
            web_enabled=False,  # it would serve the table's contents
            table_standby_replicas=0,
            broker_commit_interval=1.0,
            broker_session_timeout=10.0,
            broker_heartbeat_interval=2.0,
            broker_request_timeout=30.0,
            stream_wait_empty=False,
            stream_recovery_delay=0.0,
            consumer_auto_offset_reset="earliest",
            key_serializer="raw",
            value_serializer="raw",
            producer_acks=-1,
        )
        app.sensors.add(_CommitSensor(self.metrics))
        return app

    def _topic(self, name: str) -> Any:
        return self.app.topic(
            self.settings.topic(name),
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            allow_empty=True,
        )

    # -- events ---------------------------------------------------------------------------------

    async def _detect(self, stream: Any) -> None:
        async for event in stream.events():
            await self._handle(event.message)

    async def _handle(self, message: Any) -> None:
        """One message, whatever it is; never raises, or Faust would drop it without a word."""
        key, value = bytes(message.key or b""), bytes(message.value or b"")
        now = time.time()
        self._processed[message.partition] = (message.offset, now)  # before a heartbeat is answered: it counts too
        self.metrics.set("sansheng_last_event_timestamp_seconds", now)
        try:
            record = self._read(key, value, message)
            if record.call.startswith(heartbeat.CALL):
                await self._answer_beat()
            else:
                await self._take(key, record, message.partition)
            self.metrics.count("sansheng_events_total", tag_of(record))
        except BadEventError as error:
            await self._put_aside(message, value, error)
        except Exception as error:
            log.exception("internal error at %s[%d]@%d", message.topic, message.partition, message.offset)
            await self._put_aside(message, value, BadEventError(f"internal error: {type(error).__name__}"))

    def _read(self, key: bytes, value: bytes, message: Any) -> AnyEvent:
        record = parse(value)
        if record.call.encode() != key:
            raise BadEventError("the message's key is not the call id", field="call", mend="key each message by `call`")
        logged_at = float(message.timestamp)
        ahead = record.at - logged_at
        if ahead > (EARLY_S if isinstance(record, Tick) else self.settings.ahead_s):
            raise BadEventError(f"{ahead:.1f} s in the future", field="at", mend="set the sender's clock (NTP)")
        return replace(record, seq=message.offset, logged_at=logged_at)

    async def _take(self, key: bytes, record: AnyEvent, partition: int) -> None:
        before = self._state(key)
        result = step(self.book, before, record)
        if before is not None and result.state is before:
            return  # delivered again
        for note in result.notes:
            self.metrics.count("sansheng_oddities_total")
            log.warning("partition %d offset %s: %s", partition, record.seq, note)
        stored = dump(result.state) if result.state is not None else b""
        if len(stored) > LARGEST_STATE:
            raise BadEventError(
                f"the call's state would be {len(stored)} bytes", mend="shorter or fewer unknown fields"
            )
        for change in result.changes:
            await self._alert(key, change, record, partition)
        self._store(key, result, stored, record, partition)
        if result.state is not None:
            tally(self.metrics, before.fold.call if before else None, result.state.fold.call, record)

    def _state(self, key: bytes) -> CallState | None:
        stored = self.table.get(key)
        if not stored:
            return None
        known = self._decoded.get(key)
        if known is None or known[0] is not stored:
            known = self._decoded[key] = (stored, load(stored))
        return known[1]

    def _store(self, key: bytes, result: Step, stored: bytes, record: AnyEvent, partition: int) -> None:
        if result.state is None or result.wake is None:
            self._decoded.pop(key, None)
            self.wakes.drop(record.call)
            if key in self.table:
                del self.table[key]
            return
        self.table[key] = stored
        self._decoded[key] = (stored, result.state)
        self.wakes.set(record.call, partition, result.wake)
        self._armed.set()

    async def _alert(self, key: bytes, change: AlertChange, cause: AnyEvent, partition: int) -> None:
        await self._send(self.alerts, key, alerts.render(change), partition)
        self.metrics.count("sansheng_alerts_total", change.rule, change.severity, change.state)
        late = max(0.0, time.time() - change.at)
        name = "sansheng_tick_late_seconds" if isinstance(cause, Tick) else "sansheng_event_to_alert_seconds"
        self.metrics.observe(name, late)

    async def _put_aside(self, message: Any, value: bytes, error: BadEventError) -> None:
        letter = of_message(message.topic, message.partition, message.offset, value, error, time.time())
        log.warning("dead letter: %s", letter)
        self.metrics.count("sansheng_dead_letters_total", "calls")
        await self._send_letter(letter)

    async def _send_letter(self, letter: DeadLetter) -> None:
        await self._send(self.dead_letters, letter.source.encode(), letter.value, None, headers=letter.headers())

    async def _send(self, topic: Any, key: bytes, value: bytes, partition: int | None, **more: Any) -> None:
        """Send and wait for the broker's acknowledgement, however long it takes: nothing may be lost."""
        wait_s = 0.1
        while True:
            try:
                await (await topic.send(key=key, value=value, partition=partition, **more))
                return
            except Exception as error:
                log.warning("%s: not sent (%s), again in %.1f s", topic.get_topic_name(), type(error).__name__, wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, 5.0)

    # -- ticks ----------------------------------------------------------------------------------

    async def _tick_forever(self) -> None:
        while not self.app.should_stop:
            now = time.time()
            for wake in self.wakes.take_due(now - self.settings.tick_delay_s):
                await self._send_tick(wake.call, wake.partition, wake.due)
            await self._sleep_until_due()

    async def _sleep_until_due(self) -> None:
        self._armed.clear()
        due = self.wakes.next()
        wait_s = 1.0 if due is None else min(1.0, due + self.settings.tick_delay_s - time.time())
        if wait_s > 0:
            try:
                async with asyncio.timeout(wait_s):
                    await self._armed.wait()
            except TimeoutError:
                pass

    async def _send_tick(self, call: str, partition: int, at: float) -> None:
        tick = render(Tick(call=call, at=at))
        await self.calls.send(key=call.encode(), value=tick, partition=partition)

    # -- rebalance ------------------------------------------------------------------------------

    def _own_partitions(self) -> set[int]:
        name = self.settings.topic("calls")
        return {tp.partition for tp in self.app.assignor.assigned_actives() if tp.topic == name}

    async def _after_rebalance(self) -> None:
        """Forget the calls of partitions that moved on, and rebuild the wakes from the table."""
        own = self._own_partitions()
        held = self._held()
        for key in [k for k in held if partition_of(k, self.settings.partitions) not in own]:
            del held[key]
        self._decoded.clear()
        self._processed = {p: seen for p, seen in self._processed.items() if p in own}
        self.wakes.replace(self._table_wakes(held))
        self._armed.set()
        log.info("partitions %s, %d calls in progress", sorted(own), len(self.wakes))

    def _held(self) -> dict[bytes, bytes]:
        """What the memory store holds, foreign partitions included; deleting here writes no changelog."""
        store: Any = self.table.data
        held: dict[bytes, bytes] = store.data
        return held

    def _table_wakes(self, held: dict[bytes, bytes]) -> Iterator[Wake]:
        for key, stored in held.items():
            if stored:
                yield Wake(load(stored).wake, key.decode(), partition_of(key, self.settings.partitions))

    # -- heartbeat ------------------------------------------------------------------------------

    async def _beat_forever(self) -> None:
        """Send a tick through one of our partitions, another one each time; ``_answer_beat`` hears it."""
        while not self.app.should_stop:
            own = sorted(self._own_partitions())
            if own and not self.app.rebalancing:
                self._beat_turn += 1
                partition = own[self._beat_turn % len(own)]
                await self._send_tick(f"{heartbeat.CALL}:{partition}", partition, time.time())
            self._count_phases()
            await asyncio.sleep(heartbeat.EVERY_S)

    async def _answer_beat(self) -> None:
        stuck = self._stuck_partitions()
        detail = f"partitions without progress: {stuck}" if stuck else ""
        beat = Heartbeat(
            component="detect",
            instance=self.instance,
            at=time.time(),
            ok=not stuck,
            detail=detail,
            rulebook=self.book.version,
        )
        await self._send(self.heartbeats, self.instance.encode(), heartbeat.render(beat), 0)

    def _stuck_partitions(self) -> list[int]:
        name, now, stuck = self.settings.topic("calls"), time.time(), []
        for partition, (offset, at) in self._processed.items():
            end = self.app.consumer.highwater(faust.types.TP(name, partition))
            if end is not None and end > offset + 1 and now - at > STUCK_S:
                stuck.append(partition)
        return sorted(stuck)

    def _count_phases(self) -> None:
        phases = Counter(state.fold.call.phase for _, state in self._decoded.values())
        for phase in PHASES:
            self.metrics.set("sansheng_calls", phases[phase], phase)


class _CommitSensor(Sensor):
    """Notes when offsets were last committed."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def on_commit_completed(self, consumer: Any, state: Any) -> None:
        """Called by Faust after each commit."""
        self._metrics.set("sansheng_last_commit_timestamp_seconds", time.time())


def run(settings: Settings, book: Book) -> None:
    """Run a worker until it is told to stop.

    Raises:
        UnreadyError: no broker, or topics that are not as the settings say.
        OSError: the metrics port is in use.
    """
    topics.must_fit(settings)
    metrics = Metrics("detect")
    metrics.serve(settings.metrics.host, settings.metrics.detect)
    detector = Detector(settings, book, metrics)
    worker = faust.Worker(detector.app, quiet=True, override_logging=False, redirect_stdouts=False, console_port=0)
    worker.execute_from_commandline()
