"""The store: where it is, whether it can be used, and a connection to it. SQLite or PostgreSQL.

Owns the engine and the words for its troubles. A caller gets one transaction (``reading``, ``writing``) and one kind of
error: StoreError, whose text tells an operator what is wrong and the mend. Everything blocks.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import URL, Column, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.pool import NullPool, QueuePool

from streams.settings import Settings
from streams.shell.running import make_private

#: Somebody else's transaction is waited for this long, seconds.
BUSY_S = 5.0
#: An answer of a server is waited for this long, seconds.
CONNECT_S = 5
#: A server that has vanished without a word (a cable, a power cut) is given up after half a minute.
_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30_000}
#: So many values go into one question at a time (SQLite takes 32,766, PostgreSQL 65,535).
MANY = 5000


class StoreError(Exception):
    """The store cannot do it; the text says why and the mend."""


class DownError(StoreError):
    """It cannot do it now: it is full, locked, gone or not reached. The same may work later.

    ``brief``: the same in two words, for a heartbeat.
    """

    def __init__(self, text: str, brief: str = "in trouble") -> None:
        """``text`` says why and the mend."""
        super().__init__(text)
        self.brief = brief


class ConflictError(DownError):
    """Somebody else's transaction was in the way (PostgreSQL): the same can be done anew at once."""


class RefusedError(StoreError):
    """It will never take that: what was given cannot be stored, now or later."""


class Store:
    """One store. Threads may share it; each ``with`` block is a transaction of its own."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened yet. Raises StoreError where the settings name no store that we know."""
        self._url = _url(settings.archive_url)
        self.zone = ZoneInfo(settings.wall.timezone)
        self.engine = _engine(self._url)
        #: SQLite's; None: PostgreSQL has its own.
        self.file = Path(self._url.database or "") if self.is_sqlite else None
        self._inode: int | None = None

    @property
    def is_sqlite(self) -> bool:
        """SQLite, or else PostgreSQL."""
        return self._url.get_backend_name() == "sqlite"

    @property
    def where(self) -> str:
        """For people: what it is, and where; never who we are there, or with what password."""
        if self.file:
            return str(self.file)
        given = self._url.normalized_query  # where a password may stand, too
        host, port = (
            self._url.host or ",".join(given.get("host", ())),
            self._url.port or ":".join(given.get("port", ())),
        )
        name = self._url.database or ",".join(given.get("dbname", ()))
        return f"postgresql://{host}{f':{port}' if port else ''}/{name}"

    def day_of(self, at: float) -> str:
        """The site's date of that moment, Unix seconds."""
        return datetime.fromtimestamp(at, self.zone).date().isoformat()

    def prepare(self) -> None:
        """Make the folder of the file; only who writes does. Raises DownError."""
        try:
            if self.file:
                make_private(self.file.parent)
                if not self.file.exists():
                    os.close(os.open(self.file, os.O_CREAT, 0o600))
                with self.told(), self.engine.connect() as connection:  # kept in the file; readers never wait for it
                    connection.exec_driver_sql("COMMIT")
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        except OSError as error:
            raise DownError(f"the store {self.where} cannot be made: {error.strerror}", "not to be made") from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the store. Raises StoreError."""
        self._look()
        with self.told(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is stored at its end, or not at all. Raises StoreError."""
        self._look()
        with self.told(), self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def upsert(
        self,
        connection: Connection,
        table: Table,
        rows: Sequence[dict[str, Any]],
        *,
        only: Sequence[str] | None = None,
        longest: Column[Any] | None = None,
    ) -> None:
        """Insert rows, or give those whose key is there already the new values.

        ``only`` these columns, () leaves the row as it is; ``longest``: only where the new row has no less of that.
        """
        if not rows:
            return
        made = (sqlite if self.is_sqlite else postgresql).insert(table)
        key = [column.name for column in table.primary_key]
        names = [name for name in (rows[0] if only is None else only) if name not in key]
        if names:
            values = {name: made.excluded[name] for name in names}
            where = made.excluded[longest.name] >= longest if longest is not None else None
            made = made.on_conflict_do_update(index_elements=key, set_=values, where=where)
        else:
            made = made.on_conflict_do_nothing(index_elements=key)
        connection.execute(made, list(rows))

    def close(self) -> None:
        """Close every connection; the next question opens one."""
        self.engine.dispose()

    def _look(self) -> None:
        """An open SQLite file that was deleted or replaced would go on taking everything, for nobody."""
        if self.file is None:
            return
        try:
            inode = self.file.stat().st_ino
        except OSError:
            self.close()
            text = (
                f"the store {self.where} is not there: put it back; `sansheng archive` makes an empty one at its start"
            )
            raise DownError(text, "gone") from None
        if self._inode not in (None, inode):
            self.close()
        self._inode = inode

    def _disk(self) -> _Disk:
        """SQLite cannot always tell why its disk takes nothing."""
        try:
            disk = os.statvfs(self.file.parent) if self.file else None
        except OSError:
            disk = None
        if disk is None:
            return ""
        if disk.f_flag & os.ST_RDONLY:
            return "read-only"
        return "full" if disk.f_bavail * disk.f_frsize < _ROOM else ""

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors of the driver in words."""
        try:
            yield
        except DBAPIError as error:
            raise _error(self.where, error, self._disk()) from None
        except StatementError as error:  # a value of the wrong type
            raise RefusedError(f"the store {self.where} refuses a value: {type(error.orig).__name__}") from None
        except SQLAlchemyError as error:
            raise DownError(f"the store {self.where}: {type(error).__name__}: {str(error).splitlines()[0]}") from None


#: PostgreSQL's conflicts are over as soon as the other transaction is: so often, and so long between, seconds.
_TRIES, _PAUSE_S = 40, 0.5


def patiently(work: Callable[[], None]) -> None:
    """Do it, after whoever else writes just now. ``work`` is whole transactions, which may be done anew."""
    for _ in range(_TRIES):
        try:
            work()
            return
        except ConflictError:
            time.sleep(_PAUSE_S)
    work()


_WAITS = "what comes meanwhile waits in Kafka, for a week"
_RIGHTS = "mend its owner or rights"
_START = "start PostgreSQL, or mend archive.url"
#: What is wrong, in two words, and the mend.
_FULL = ("full", f"is full: make room; {_WAITS}")
_LOCKED = ("locked", f"is locked by another program: end it; {_WAITS}")
_NOT_WRITABLE = ("not writable", f"cannot be written: {_RIGHTS}")
_READ_ONLY = ("not writable", f"lies on a disk that is mounted read-only: mount it writable; {_WAITS}")
_NOT_OPENED = ("not to be opened", "cannot be opened: mend its path, its owner or its rights")
_BROKEN = ("full or broken", "cannot be written: its disk is full, over a quota, or broken; look at it")
_DAMAGED = ("damaged", "is damaged: put a backup in its place, or move it away and have Kafka's week read again")
_NO_SQLITE = ("damaged", "is no SQLite database: mend archive.url, or move that file away")
_NO_TABLES = ("without tables", "holds no tables yet: `sansheng archive migrate`, or start `sansheng archive`")
_NOT_THERE = ("without tables", "is not there as it should be: `sansheng archive migrate`")
_CLOSED = ("closed to us", "refuses the user or the password of archive.url: mend that, or the server's rights")
_NOT_REACHED = ("not reached", f"cannot be reached: {_START}")
_GONE = ("not reached", f"has gone: {_START}")
_CROWDED = ("not reached", "takes no more connections: end some, or let PostgreSQL have more")
#: By the beginning of SQLite's name of an error.
_SQLITE = (
    ("SQLITE_FULL", _FULL),
    ("SQLITE_BUSY", _LOCKED),
    ("SQLITE_LOCKED", _LOCKED),
    ("SQLITE_READONLY", _NOT_WRITABLE),
    ("SQLITE_PERM", _NOT_WRITABLE),
    ("SQLITE_CANTOPEN", _NOT_OPENED),
    ("SQLITE_IOERR", _BROKEN),
    ("SQLITE_CORRUPT", _DAMAGED),
    ("SQLITE_NOTADB", _NO_SQLITE),
)
#: By the beginning of PostgreSQL's state.
_STATES = (
    ("53100", _FULL),
    ("53300", _CROWDED),
    ("55P03", _LOCKED),
    ("25006", _NOT_WRITABLE),
    ("42501", _NOT_WRITABLE),
    ("42P01", _NOT_THERE),
    ("42703", _NOT_THERE),
    ("3D000", _NOT_THERE),
    ("3F000", _NOT_THERE),
    ("28", _CLOSED),
    ("58", _BROKEN),
    ("XX001", _DAMAGED),
    ("XX002", _DAMAGED),
    ("08", _NOT_REACHED),
    ("57P", _GONE),
)
#: By what the drivers say where there is neither: SQLite's plain error, and a server that was not reached.
_SAID = (
    ("no such table", _NO_TABLES),
    ("does not exist", _NOT_THERE),
    ("permission denied", _NOT_WRITABLE),
    ("authentication", _CLOSED),
    ("pg_hba", _CLOSED),
    ("translate host name", _NOT_REACHED),
    ("name or service not known", _NOT_REACHED),
    ("resolve", _NOT_REACHED),
    ("too many clients", _CROWDED),
    ("connection slots", _CROWDED),
    ("connection", _NOT_REACHED),
    ("timeout", _NOT_REACHED),
    ("server closed", _GONE),
    ("terminating", _GONE),
)
#: Names of hosts, users and databases may be any words.
_NAMES = re.compile("'[^']*'|\"[^\"]*\"|\u201c[^\u201d]*\u201d")
#: What else is known of SQLite's disk.
_Disk = Literal["", "full", "read-only"]
#: A disk with less room, bytes, is full.
_ROOM = 1 << 20
#: PostgreSQL's: two transactions wanted the same (serialization, deadlock), or made the same row.
_CONFLICTS = ("40001", "40P01", "23505")
#: PostgreSQL's: a value that is too large for an index.
_TOO_LARGE = "54000"


def _error(where: str, error: DBAPIError, disk: _Disk = "") -> StoreError:
    """Never with the statement or its values, which hold what people said."""
    kind = type(error.orig).__name__
    state = getattr(error.orig, "sqlstate", None)
    if state in _CONFLICTS:
        return ConflictError(f"the store {where} was being changed by somebody else: {kind}", "busy")
    if isinstance(error, DataError | IntegrityError) or state == _TOO_LARGE:
        return RefusedError(f"the store {where} refuses a value: {kind}")
    brief, meaning = _meaning(error, state, disk) or ("in trouble", f"refused: {kind}: look at its log; {_WAITS}")
    return DownError(f"the store {where} {meaning}", brief)


def _meaning(error: DBAPIError, state: str | None, disk: _Disk) -> tuple[str, str] | None:
    name = getattr(error.orig, "sqlite_errorname", None) or ""
    found = next((meaning for sign, meaning in _SQLITE if name.startswith(sign)), None)
    if found in (_NOT_WRITABLE, _NOT_OPENED, _BROKEN) and disk == "read-only":
        return _READ_ONLY
    if found == _BROKEN and disk == "full":
        return _FULL
    found = found or next((meaning for sign, meaning in _STATES if (state or "").startswith(sign)), None)
    said = _NAMES.sub("", str(error.orig)).lower() if error.orig else ""
    return found or next((meaning for sign, meaning in _SAID if sign in said), None)


def _url(text: str) -> URL:
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        raise StoreError("archive.url cannot be read: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME") from None
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise StoreError("archive.url names no file: sqlite:////srv/sansheng/calls.db")
        return url.set(drivername="sqlite+pysqlite")
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise StoreError(f"archive.url: {backend} is not known; sqlite or postgresql")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(
            url,
            poolclass=QueuePool,
            pool_size=4,
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_S, "options": "-c lock_timeout=5000", **_ALIVE},
            isolation_level="REPEATABLE READ",
        )
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connected(dbapi: Any, _record: object) -> None:
        dbapi.isolation_level = None  # the driver would begin and end transactions where it likes
        cursor = dbapi.cursor()
        for pragma in ("foreign_keys=ON", "synchronous=NORMAL", "secure_delete=ON", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # a reader that begins to write half-way would fail where another has written since
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def chunks(values: Sequence[Any], size: int = MANY) -> Iterator[Sequence[Any]]:
    """Parts that fit into one question."""
    for at in range(0, len(values), size):
        yield values[at : at + size]
