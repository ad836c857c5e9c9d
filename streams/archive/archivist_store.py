"""The archivist's half that writes: every batch into the store, whatever becomes of the store meanwhile.

Owns patience (a store that is full, locked or gone is tried again, the same batch, until it takes it), what is done
between batches (calls whose end was lost, days as Parquet, forgetting), and what is told of all that. Knows no Kafka.

::

    batch ──▶ take ──stored──▶ next batch
               │ ▲
      DownError│ │ 0.5 s … 30 s     each time the store is first asked where it is:
               ▼ │                  where the batch began ──▶ take it again
             waiting                where it ends (the answer was lost) ──▶ next batch
                                    behind that (a backup was put back) ──▶ ElsewhereError: read on from there
                                    beyond that ──▶ TakenOverError: another archivist

A batch that the store refuses for ever (RefusedError, or a fault of ours) is halved until the one message is found; it
is left out, counted and named in the log by its place.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar, cast

from streams.archive import days, keeping, migrations
from streams.archive.alone import Alone
from streams.archive.store import ConflictError, DownError, RefusedError, Store, StoreError
from streams.archive.taking import LOST_AT_ONCE, Message, Offsets, TakenOverError, Taking, Took
from streams.metrics import Metrics
from streams.settings import Settings

log = logging.getLogger("sansheng.archive")

T = TypeVar("T")

#: A store in trouble is tried again after so long, seconds, doubling.
FIRST_S, LONGEST_S = 0.5, 30.0
#: Somebody else's transaction was in the way: so many times the same is tried at once.
AT_ONCE = 5
#: More messages refused than this, and more than this share of all, are no odd messages but a fault of ours: better to
#: stop than to skip.
MOST_REFUSED, MOST_SHARE = 50, 0.01
#: A store that has not answered for so long, seconds, is in trouble, though it has not said so.
SILENT_S = 30.0
#: The same for what is done between batches, which may take its time.
SILENT_CHORE_S = 900.0
#: Who is told to end waits so long, seconds, for what is being written; a server that hangs would keep it for ever.
FAREWELL_S = 3.0

#: How often each is done, seconds: calls whose end was lost; days as Parquet, when all is read or still much is to be
#: read; forgetting, while there is more or when there is none.
LOST_EVERY_S = 60.0
DAYS_EVERY_S, DAYS_EVERY_BEHIND_S = 60.0, 900.0
KEEP_EVERY_S, KEEP_IDLE_S = 60.0, 3600.0
#: More of the same is done after so long, seconds, and so long after the start.
SOON_S = 5.0


class ElsewhereError(Exception):
    """The store is behind what was read: a backup was put in its place. Reading goes on from where it is."""


class Pen:
    """Writes into one store, one thing at a time, in threads."""

    def __init__(
        self, settings: Settings, key: bytes, metrics: Metrics, clock: Callable[[], float] = time.time
    ) -> None:
        """``key``: of callers' pseudonyms. Raises StoreError where the settings name no store that we know."""
        self._settings, self._metrics, self._clock = settings, metrics, clock
        self.store = Store(settings)
        self._taking = Taking(self.store, key, settings.ahead_s)
        self._cluster = ""
        self._stored: Offsets = {}
        self._refused = self._taken = 0
        #: Until when, by the monotonic clock, an answer is waited for.
        self._silent_at: float | None = None
        #: The store is of an earlier version and is being brought up: that takes what it takes.
        self.is_migrating = False
        self._alone = Alone(self.store)
        #: Why nothing can be written, in two words; empty: it can.
        self.trouble = ""
        self._chores = Chores(self, settings, metrics, clock)

    @property
    def why_not(self) -> str:
        """Why the store takes nothing, for a heartbeat; empty: it does."""
        if self.trouble:
            return f"store {self.trouble}"
        silent_at = self._silent_at
        return "store does not answer" if silent_at is not None and time.monotonic() > silent_at else ""

    @property
    def but(self) -> str:
        """What else does not go well, though the store is written."""
        return "the store is brought up to this version" if self.is_migrating else self._chores.but

    async def begin(self) -> None:
        """Be the only one who writes there. Raises TakenOverError; a store that is down now is asked again later."""
        with suppress(DownError):
            await self.aside(self._alone.look)

    def close(self) -> None:
        """Let go of the store."""
        self._alone.release()
        self.store.close()

    async def open(self) -> None:
        """Make the store or bring it up to date; waits until that can be done. Raises StoreError."""
        await self._patiently(self._make_ready)

    async def offsets(self, cluster: str) -> Offsets:
        """From where to read the topics of that cluster. Raises StoreError."""
        self._cluster = cluster
        self._stored = await self._patiently(lambda: self._taking.offsets(cluster))
        return dict(self._stored)

    async def take(self, messages: Sequence[Message], now: Offsets) -> None:
        """Store a batch that leads to the offsets ``now``; returns when it is stored, however long that takes.

        Raises ElsewhereError, TakenOverError, StoreError.
        """
        begun = time.monotonic()
        took = await self._take(messages, now)
        self._count(took, time.monotonic() - begun)

    async def look(self) -> None:
        """Where nothing comes: can the store be written? Returns when it can. Raises as ``take`` does."""
        await self._take((), {})

    async def chores(self, *, is_caught_up: bool) -> None:
        """What is due between batches; ``is_caught_up``: everything logged so far has been taken."""
        await self._chores.due(is_caught_up=is_caught_up)

    async def aside(self, work: Callable[[], T], silent_s: float = SILENT_CHORE_S) -> T:
        """What that answers, from a thread; after so long it does not answer.

        The thread is one that the process need not wait for at its end: PostgreSQL may hang.
        """
        self._silent_at = time.monotonic() + silent_s
        try:
            return await _in_thread(work)
        finally:
            self._silent_at = None

    def close_lost(self, now: float) -> int:
        """Blocks. Raises StoreError."""
        return self._taking.close_lost(now)

    # ---------------------------------------------------------------------------------------- one batch

    async def _take(self, messages: Sequence[Message], now: Offsets) -> Took:
        was = self._stored
        try:
            took = await self._patiently(
                lambda: self._first(messages, was, now), lambda: self._again(messages, was, now)
            )
        except TakenOverError as error:
            raise await self._patiently(partial(self._moved, was, error)) from None
        except RefusedError as error:
            return await self._halved(messages, now, error)
        except (StoreError, ElsewhereError):
            raise
        except Exception as error:  # a message that nobody has thought of
            return await self._halved(messages, now, error)
        self._stored = was | now
        self._taken += len(messages)
        return took

    async def _halved(self, messages: Sequence[Message], now: Offsets, why: Exception) -> Took:
        if not messages:
            raise why
        if len(messages) == 1:
            return await self._left_out(messages[0], now, why)
        middle = len(messages) // 2
        between: Offsets = {(m.topic, m.partition): m.offset + 1 for m in messages[:middle]}
        first = await self._take(messages[:middle], between)
        second = await self._take(messages[middle:], now)
        return _sum(first, second)

    async def _left_out(self, message: Message, now: Offsets, why: Exception) -> Took:
        self._refused += 1
        place = f"{message.topic} partition {message.partition} offset {message.offset}"
        if self._refused > max(MOST_REFUSED, MOST_SHARE * self._taken):
            many = f"{self._refused} of {self._taken + self._refused} messages"
            raise StoreError(f"{many} cannot be stored ({type(why).__name__}), the last at {place}: a fault of ours")
        log.error("not stored, and left out: %s: %s", place, type(why).__name__)
        took = await self._take((), now)
        return took._replace(unreadable={message.topic: 1})

    def _first(self, messages: Sequence[Message], was: Offsets, now: Offsets) -> Took:
        self._alone.hold()
        return self._taking.take(self._cluster, messages, was, now)

    def _again(self, messages: Sequence[Message], was: Offsets, now: Offsets) -> Took:
        """After trouble: where is the store now? A commit may have been done though its answer never came."""
        self._alone.look()
        self._look_ready()
        stored = self._taking.offsets(self._cluster)
        if stored == was | now:
            return Took()
        if stored != was:
            raise self._moved(was)
        return self._taking.take(self._cluster, messages, was, now)

    def _moved(self, was: Offsets, error: Exception | None = None) -> Exception:
        """The store is not where it was: put back by hand, or written by somebody else."""
        stored = self._taking.offsets(self._cluster)
        if stored != was and all(at <= was.get(place, -1) for place, at in stored.items()):
            return ElsewhereError("an earlier store has been put in its place")
        return error or TakenOverError(f"another archivist writes into {self.store.where}: run one on each store")

    # ---------------------------------------------------------------------------------------- the store

    def _make_ready(self) -> None:
        self._alone.look()
        self.store.prepare()
        before = migrations.revision(self.store)
        if before and before != migrations.head():
            self.is_migrating, self._silent_at = True, None
        try:
            before = migrations.upgrade(self.store)
        finally:
            self.is_migrating = False
        if before and before != migrations.head():
            log.info("the store was of revision %s and is now of %s", before, migrations.head())
        self._metrics.set("sansheng_archive_schema_info", 1, migrations.head())

    def _look_ready(self) -> None:
        """An older backup may have been put back. A file that is gone is not made anew: its disk may come back."""
        if migrations.revision(self.store) != migrations.head():
            self._make_ready()

    async def _patiently(self, first: Callable[[], T], then: Callable[[], T] | None = None) -> T:
        """Do it in a thread until the store lets us; ``then`` is done from the second time on."""
        work, wait_s, conflicts = first, FIRST_S, 0
        while True:
            try:
                answer = await self.aside(work, SILENT_S)
            except ConflictError as error:
                conflicts += 1
                if conflicts > AT_ONCE:
                    self._down(error)
            except DownError as error:
                self._down(error)
            else:
                self._well()
                return answer
            work = then or first
            if self.trouble:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_S)

    def _down(self, error: DownError) -> None:
        if not self.trouble:
            log.error("nothing is archived: %s", error)
        self.trouble = error.brief
        self._metrics.set("sansheng_archive_writable", 0)

    def _well(self) -> None:
        if self.trouble:
            log.warning("the store can be written again; what waits in Kafka is taken now")
            self._chores.soon()
        self.trouble = ""
        self._metrics.set("sansheng_archive_writable", 1)

    def _count(self, took: Took, seconds: float) -> None:
        count = self._metrics.count
        count("sansheng_archive_calls_total", by=took.ended)
        count("sansheng_archive_alerts_total", by=took.alerts)
        count("sansheng_archive_verdicts_total", by=took.verdicts)
        count("sansheng_archive_batches_total")
        for topic, number in took.unreadable.items():
            count("sansheng_archive_unreadable_total", topic, by=number)
        self._metrics.observe("sansheng_archive_batch_seconds", seconds)
        self._metrics.set("sansheng_archive_last_write_timestamp_seconds", self._clock())


class Chores:
    """What is done between batches. None of it stops the taking: what fails is told, and tried again later."""

    def __init__(self, pen: Pen, settings: Settings, metrics: Metrics, clock: Callable[[], float]) -> None:
        """``clock``: Unix seconds."""
        self._pen, self._settings, self._metrics, self._clock = pen, settings, metrics, clock
        self.soon()
        self._days_at_latest = time.monotonic() + DAYS_EVERY_BEHIND_S
        self._failed: dict[str, str] = {}

    @property
    def but(self) -> str:
        """What fails, for a heartbeat; empty: nothing."""
        return "; ".join(f"{name}: {brief}" for name, brief in sorted(self._failed.items()))

    def soon(self) -> None:
        """Everything is due after a moment."""
        self._lost_at = self._days_at = self._keep_at = time.monotonic() + SOON_S

    async def due(self, *, is_caught_up: bool) -> None:
        """Do what is due. Never raises."""
        now = time.monotonic()
        if is_caught_up and now >= self._lost_at:
            closed = await self._do("lost calls", lambda: self._pen.close_lost(self._clock()))
            self._lost_at = now + (0.0 if closed == LOST_AT_ONCE else LOST_EVERY_S)
        if now >= (self._days_at if is_caught_up else self._days_at_latest):
            await self._write_days()
        if now >= self._keep_at:
            await self._keep()

    async def _write_days(self) -> None:
        store = self._pen.store
        wrote = await self._do("days", lambda: days.write_due(store, self._settings, self._clock()))
        if wrote is None:
            self._metrics.count("sansheng_archive_parquet_failed_total")
        else:
            self._metrics.count("sansheng_archive_parquet_written_total", by=len(wrote.written))
            self._metrics.count("sansheng_archive_parquet_failed_total", by=len(wrote.failed))
            if wrote.failed:
                self._fails("damaged days", str(len(wrote.failed)), ", ".join(wrote.failed))
            else:
                self._failed.pop("damaged days", None)
            self._metrics.set("sansheng_archive_parquet_pending", wrote.pending)
        self._days_at = time.monotonic() + DAYS_EVERY_S
        self._days_at_latest = time.monotonic() + DAYS_EVERY_BEHIND_S

    async def _keep(self) -> None:
        store = self._pen.store
        kept = await self._do("forgetting", lambda: keeping.keep(store, self._settings, self._clock()))
        for kind in ("words", "calls", "reads") if kept else ():
            self._metrics.count("sansheng_archive_forgotten_total", kind, by=getattr(kept, kind))
        self._keep_at = time.monotonic() + (KEEP_IDLE_S if kept and not kept.more else KEEP_EVERY_S)

    async def _do(self, name: str, work: Callable[[], T]) -> T | None:
        """None: it could not be done."""
        try:
            done = await self._pen.aside(work)
        except DownError as error:
            self._fails(name, error.brief, str(error))
            return None
        except Exception as error:  # a fault of ours must not keep calls from being taken; its text may tell of people
            self._fails(name, "failed", type(error).__name__)
            return None
        if self._failed.pop(name, None):
            log.warning("%s: done again", name)
        return done

    def _fails(self, name: str, brief: str, why: str) -> None:
        if name not in self._failed:
            log.error("%s: %s", name, why)
        self._failed[name] = brief


async def _in_thread(work: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(done: T | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(cast("T", done))
        else:
            answer.set_exception(error)

    def run() -> None:
        done, failed = None, None
        try:
            done = work()
        except BaseException as error:  # it is raised where the answer is waited for
            failed = error
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(settle, done, failed)

    threading.Thread(target=run, name="archive", daemon=True).start()
    try:
        return await asyncio.shield(answer)
    except asyncio.CancelledError:
        await asyncio.wait({answer}, timeout=FAREWELL_S)
        if answer.done() and not answer.cancelled():
            answer.exception()  # seen: it is not told again
        raise


def _sum(one: Took, other: Took) -> Took:
    both = {t: one.unreadable.get(t, 0) + other.unreadable.get(t, 0) for t in {**one.unreadable, **other.unreadable}}
    return Took(
        one.ended + other.ended,
        one.alerts + other.alerts,
        one.verdicts + other.verdicts,
        one.reads + other.reads,
        both,
    )
