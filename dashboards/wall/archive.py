"""The archive's store, asked from the event loop: in threads of its own, few at a time, each with little time.

Owns that a store that is full, locked, gone or silent costs the live wall nothing, and that a question which takes long
costs nobody but who asked it. What is asked is elsewhere (``bygone``, ``streams.archive``).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, literal, select

from dashboards.wall.records import UnavailableError
from streams.archive import migrations
from streams.archive.limits import OverError, limited
from streams.archive.schema import calls
from streams.archive.store import RefusedError, Store, StoreError
from streams.settings import Settings

log = logging.getLogger(__name__)

#: So many questions at a time; further ones wait.
AT_A_TIME = 3
#: A turn is waited for so long, and then a question takes so long at most, seconds; its thread ends about then, too.
LIMIT_S = 4.0
#: A store that does not even say that it is there is left alone for so long, seconds: whoever asks would only wait.
REST_S = 5.0

T = TypeVar("T")


class ArchiveDownError(UnavailableError):
    """The archive cannot be asked now."""


class NoArchiveError(ArchiveDownError):
    """There is none: nobody has set one, and no archivist has made the usual one."""


class ArchiveBusyError(ArchiveDownError):
    """Others ask it just now."""


class _Question:
    """One that is under way in a thread."""

    def __init__(self) -> None:
        self.until = time.monotonic() + LIMIT_S
        self.is_answered = False  # the store has said that it is there: from then on it is the question that takes long


class Archive:
    """One store, for reading. Nothing is opened before the first question."""

    def __init__(self, settings: Settings) -> None:
        """Of that archive. ``words_days``: what was said is kept so long; ``figures_days``: the rest."""
        self._settings = settings
        self.words_days, self.figures_days = settings.archive.words_days, settings.archive.figures_days
        self._store: Store | None = None
        self._was_there = bool(settings.archive.url.get_secret_value())
        self._opening = threading.Lock()
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._rests_until = 0.0

    async def ask(self, question: Callable[[Store, Connection], T]) -> T:
        """What ``question`` answers; it runs in a thread, in one transaction. Raises ArchiveDownError, and
        RefusedError where no such thing can be stored.
        """
        self._be_asked()
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._turns.acquire()
        except TimeoutError:
            self._be_asked()
            raise ArchiveBusyError(f"the archive had no turn within {LIMIT_S:g} s") from None
        own = _Question()
        answer = self._in_a_thread(lambda: self._answer(own, question))
        answer.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(LIMIT_S):
                return await asyncio.shield(answer)  # a thread is not stopped: its turn is free when it has ended
        except TimeoutError:
            if not own.is_answered:
                self._rests_until = time.monotonic() + REST_S
            log.warning("the archive did not answer within %g s", LIMIT_S)
            raise ArchiveDownError(f"the archive did not answer within {LIMIT_S:g} s") from None

    def close(self) -> None:
        """Close the store. Threads that are under way end by themselves, or with the process, which they do not hold:
        a server may hang for ever.
        """
        if self._store:
            self._store.close()

    def _be_asked(self) -> None:
        """Raises ArchiveDownError while it is left alone."""
        if time.monotonic() < self._rests_until:
            raise ArchiveDownError("the archive did not answer just now")

    def _in_a_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """What it returns or raises. A pool's threads would be waited for at the end of the process."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def tell(told: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(lambda: None if answer.done() else told())

        def run() -> None:
            try:
                made = work()
            except BaseException as error:
                raised = error
                tell(lambda: answer.set_exception(raised))
            else:
                tell(lambda: answer.set_result(made))

        threading.Thread(target=run, name="archive", daemon=True).start()
        return answer

    def _ended(self, answer: asyncio.Future[T]) -> None:
        self._turns.release()
        if not answer.cancelled():
            answer.exception()  # whoever asked has it, or has gone

    def _answer(self, own: _Question, question: Callable[[Store, Connection], T]) -> T:
        try:
            store = self._opened()
            with store.reading() as connection, limited(store, connection, own.until - time.monotonic()):
                connection.execute(select(literal(1)).select_from(calls).limit(1))
                own.is_answered = True
                return question(store, connection)
        except RefusedError:  # what was asked, and not the store
            raise
        except OverError as error:
            log.warning("a question to the archive was ended: %s", error)
            raise ArchiveDownError(str(error)) from None
        except StoreError as error:
            log.warning("the archive was not read: %s", error)
            raise ArchiveDownError(str(error)) from None

    def _opened(self) -> Store:
        """The store, of this version's revision. Raises StoreError, NoArchiveError."""
        with self._opening:
            if self._store is None:
                store = Store(self._settings)
                if not self._was_there and store.is_sqlite and not Path(store.where).exists():
                    raise NoArchiveError("there is no archive")
                self._was_there = True
                migrations.check(store)
                self._store = store
            return self._store
