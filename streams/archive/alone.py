"""One archivist on each store: a lock that is held as long as it runs, and that its death frees, however it dies.

SQLite: a lock on a file beside it. PostgreSQL: an advisory lock of the database, on a connection of its own, which is
taken again after a restart of the server. Owns only this; that nothing is stored twice all the same is ``taking``'s.
Everything blocks.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from streams.archive.store import DownError, Store
from streams.archive.taking import TakenOverError
from streams.shell.running import make_private

#: The advisory lock's number: any that nobody else in this database uses ("sansheng" in ASCII).
NUMBER = int.from_bytes(b"sansheng", "big")
#: Whether it is still held is asked so often, seconds.
ASK_EVERY_S = 5.0
#: The server may need so long, seconds, to notice that an archivist before us is dead.
NOTICED_S = 1.5


class Alone:
    """The lock of one store."""

    def __init__(self, store: Store) -> None:
        """Nothing is locked yet."""
        self._store = store
        self._file: int | None = None
        self._connection: Connection | None = None
        self._asked_at = float("-inf")

    def hold(self) -> None:
        """Take the lock, or see that it is still held. Raises TakenOverError; DownError where nobody can say."""
        if time.monotonic() - self._asked_at < ASK_EVERY_S:
            return
        if self._store.file:
            self._hold_file(self._store.file.with_name(f"{self._store.file.name}.lock"))
        else:
            self._hold_number()
        self._asked_at = time.monotonic()

    def look(self) -> None:
        """The same, at once: after trouble."""
        self._asked_at = float("-inf")
        self.hold()

    def release(self) -> None:
        """Let another one have it."""
        if self._file is not None:
            os.close(self._file)
        self._file = None
        self._drop()
        self._asked_at = float("-inf")

    def _hold_file(self, path: Path) -> None:
        try:
            if self._file is not None and path.exists() and path.stat().st_ino == os.fstat(self._file).st_ino:
                return
            make_private(path.parent)
            # read only: an open file that could be written would keep its disk from being mounted read-only
            fresh = os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DownError(f"the lock {path} cannot be made: {error.strerror}", "not to be made") from None
        try:
            fcntl.flock(fresh, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fresh)
            raise self._taken() from None
        if self._file is not None:
            os.close(self._file)
        self._file = fresh

    def _hold_number(self) -> None:
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
            except SQLAlchemyError:
                self._drop()
            else:
                return
        with self._store.told():
            engine = self._store.engine
            connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()  # ours alone: the pool would give it to others
        until = time.monotonic() + NOTICED_S
        try:
            while not self._try(connection):
                if time.monotonic() > until:
                    raise self._taken()
                time.sleep(0.1)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _try(self, connection: Connection) -> bool:
        with self._store.told():
            return bool(connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": NUMBER}))

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # closed without asking a server that may hang
            connection.close()

    def _taken(self) -> TakenOverError:
        return TakenOverError(
            f"another archivist writes into {self._store.where} (`sansheng up` runs one): run one on each store; "
            "end the other one, or give this one a store of its own by SANSHENG_ARCHIVE__URL"
        )
