"""A question to the store that ends in time, whatever it asks: SQLite and PostgreSQL are told to stop.

Owns how each is told. What runs out of time changes nothing of the transaction around it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from streams.archive.store import Store, StoreError

#: SQLite looks at the clock after so many steps of its machine: some milliseconds.
_STEPS = 20_000
#: PostgreSQL's: the statement was cancelled.
_CANCELLED = "57014"
_UNTIL = "sansheng-until"


class OverError(StoreError):
    """It takes longer than it may."""


@contextmanager
def limited(store: Store, connection: Connection, left_s: float | None) -> Iterator[None]:
    """For reading: statements within take no longer than that (PostgreSQL: each of them); None: as long as they like.

    Raises OverError. What was within may be followed by other statements of the transaction, also then.
    """
    if left_s is None:
        yield
        return
    if left_s <= 0:
        raise OverError("no time is left for the question")
    try:
        with (_watched if store.is_sqlite else _timed)(connection, left_s):
            yield
    except DBAPIError as error:
        if not _was_ended(error):
            raise
        raise OverError(f"the question took longer than {left_s:.1f} s") from None


@contextmanager
def _watched(connection: Connection, left_s: float) -> Iterator[None]:
    """One limit lies within another: the outer one holds again afterwards."""
    outer = connection.info.get(_UNTIL)
    inner = time.monotonic() + left_s
    _watch(connection, inner if outer is None else min(inner, outer))
    try:
        yield
    finally:
        _watch(connection, outer)


def _watch(connection: Connection, until: float | None) -> None:
    connection.info[_UNTIL] = until
    driver = connection.connection.driver_connection
    is_over = None if until is None else lambda: time.monotonic() > until
    driver.set_progress_handler(is_over, _STEPS)  # type: ignore[union-attr]


@contextmanager
def _timed(connection: Connection, left_s: float) -> Iterator[None]:
    """The savepoint, rolled back, takes the limit away again, and what a cancelled statement has done to the rest."""
    inner = connection.begin_nested()
    try:
        left_ms = str(max(1, int(1000 * left_s)))
        connection.exec_driver_sql("SELECT set_config('statement_timeout', %s, true)", (left_ms,))
        yield
    finally:
        if inner.is_active and not connection.invalidated:
            inner.rollback()


def _was_ended(error: DBAPIError) -> bool:
    sqlite = getattr(error.orig, "sqlite_errorname", None)
    return sqlite == "SQLITE_INTERRUPT" or getattr(error.orig, "sqlstate", None) == _CANCELLED
