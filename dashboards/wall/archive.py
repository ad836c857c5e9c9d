"""The archive's store, asked from the event loop: in threads of its own, few at a time, each with little time.

Owns that a store that is full, locked, gone or silent costs the live wall nothing. What is asked is elsewhere
(``bygone``, ``streams.archive``).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from dashboards.wall.records import UnavailableError
from streams.archive import migrations
from streams.archive.store import RefusedError, Store, StoreError
from streams.settings import Settings

log = logging.getLogger(__name__)

#: So many questions at a time; further ones wait.
AT_A_TIME = 3
#: A question takes this long at most, seconds, its waiting included; its thread ends about then, too.
LIMIT_S = 4.0
#: A store that did not answer in time is not asked again for so long, seconds: whoever asks would only wait.
REST_S = 5.0
#: SQLite looks at the clock after so many steps of its machine: some milliseconds.
_STEPS = 20_000

T = TypeVar("T")


class ArchiveDownError(UnavailableError):
    """The archive cannot be asked now."""


class NoArchiveError(ArchiveDownError):
    """There is none: nobody has set one, and no archivist has made the usual one."""


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
        self._threads = ThreadPoolExecutor(AT_A_TIME, "archive")
        self._rests_until = 0.0

    async def ask(self, question: Callable[[Store, Connection], T]) -> T:
        """What ``question`` answers; it runs in a thread, in one transaction. Raises ArchiveDownError, and
        RefusedError where no such thing can be stored.
        """
        if time.monotonic() < self._rests_until:
            raise ArchiveDownError("the archive did not answer just now")
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._turns.acquire()
                answer = asyncio.get_running_loop().run_in_executor(self._threads, self._answer, question)
                answer.add_done_callback(self._ended)
                return await asyncio.shield(answer)  # a thread is not stopped: its place is free when it has ended
        except TimeoutError:
            self._rests_until = time.monotonic() + REST_S
            log.warning("the archive did not answer within %g s", LIMIT_S)
            raise ArchiveDownError(f"the archive did not answer within {LIMIT_S:g} s") from None

    def close(self) -> None:
        """Close the store; threads that are under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._store:
            self._store.close()

    def _ended(self, answer: asyncio.Future[T]) -> None:
        self._turns.release()
        if not answer.cancelled():
            answer.exception()  # whoever asked has it, or has gone

    def _answer(self, question: Callable[[Store, Connection], T]) -> T:
        until = time.monotonic() + LIMIT_S
        try:
            store = self._opened()
            with store.reading() as connection:
                _limit(store, connection, until)
                try:
                    return question(store, connection)
                finally:
                    _limit(store, connection, None)
        except RefusedError:  # what was asked, and not the store
            raise
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


def _limit(store: Store, connection: Connection, until: float | None) -> None:
    """End the question then, by the steady clock; None: no limit any more."""
    if store.is_sqlite:
        driver = connection.connection.driver_connection
        over = None if until is None else lambda: time.monotonic() > until
        driver.set_progress_handler(over, _STEPS)  # type: ignore[union-attr]
    elif until is not None:
        left_ms = max(1, int((until - time.monotonic()) * 1000))
        connection.exec_driver_sql("SELECT set_config('statement_timeout', %s, true)", (str(left_ms),))
