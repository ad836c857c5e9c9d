"""Days of the store as Parquet: which are due, and writing one whole.

Owns what of the store stands in which column. A day is read in one transaction and written under temporary names, which
become the real ones only when every file of it is on the disk. Calls that are still going on stand in no file. A day
that is written from ``changed`` n of it stays due if it has changed meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from msgspec import Struct
from sqlalchemy import Connection, Row, exists, func, select, update

from streams.archive import day_files, past
from streams.archive.day_files import TABLES, About, DayError, DayFile, Table, file_of, files_of, moment, on_disk
from streams.archive.schema import alerts, calls, days, parts, records, words
from streams.archive.store import DownError, RefusedError, Store, chunks, patiently
from streams.settings import Settings
from streams.shell.running import make_private
from streams.verdicts import Judgement

#: Calls that are read at a time: some 15,000 events.
_CALLS = 250
#: One call of ``write_due`` begins no further day after so long, seconds: the archivist has other work.
BUSY_S = 60.0
#: Another process that writes days is waited for so long, seconds.
_LOCK_S = 120.0

log = logging.getLogger(__name__)

#: Told how many of how many calls are written.
Progress = Callable[[int, int], None]


class Wrote(NamedTuple):
    """What became of a day: rows by table, and bytes of all its files. No rows: nothing is left of it."""

    day: str
    rows: dict[Table, int]
    size: int


class DaysWritten(NamedTuple):
    """``pending``: days that have changed since they were last written, those that still change among them.

    ``failed``: days that cannot be written, each for its own sake; they stay due.
    """

    written: tuple[str, ...]
    pending: int
    failed: tuple[str, ...] = ()


class BadDayError(DownError):
    """One day cannot be written because of what it holds; others can."""

    def __init__(self, text: str) -> None:
        """``text`` says why and the mend."""
        super().__init__(text, "a day is damaged")


class _Skim(Struct):
    """Of an event, what stands in columns of its own."""

    type: str
    at: float
    seq: int | None = None
    logged_at: float | None = None


_skim = msgspec.json.Decoder(_Skim).decode


# -------------------------------------------------------------------------------------------------- what is due


def write_due(store: Store, settings: Settings, now: float) -> DaysWritten:
    """Write the days that have changed and settled by ``now``, Unix seconds, oldest first, for about a minute.

    A day that cannot be written is told and left out; it is tried again after the others, and its files go once
    retention has taken its words. Raises DownError: the store or the folder cannot be used; the days stay due.
    """
    folder = settings.archive_folder
    if folder not in _looked_at:
        renew(store, folder)
        _looked_at.add(folder)
    settled = days.c.changed_at <= now - settings.archive.days_after_s
    asked = select(days.c.day).where((days.c.changed > days.c.written) & settled).order_by(days.c.day)
    with store.reading() as connection:
        due = sorted(connection.scalars(asked), key=lambda day: ((folder, day) in _told, day))
    begun, written, failed = time.monotonic(), list[str](), list[str]()
    for day in due:
        if (written or failed) and time.monotonic() - begun > BUSY_S:
            break
        (written if _is_written(store, folder, day) else failed).append(day)
    with store.reading() as connection:
        pending = connection.scalar(select(func.count()).where(days.c.changed > days.c.written)) or 0
    return DaysWritten(tuple(written), pending, tuple(failed))


def _is_written(store: Store, folder: Path, day: str) -> bool:
    """Write it; False: it cannot be, and that is told once."""
    try:
        write_day(store, folder, day)
    except BadDayError as error:
        if (folder, day) not in _told:
            log.error("%s", error)
        _told.add((folder, day))
        if _has_lost_words(store, day):  # its files are of before
            drop(folder, day)
        return False
    _told.discard((folder, day))
    return True


def _has_lost_words(store: Store, day: str) -> bool:
    with store.reading() as connection:
        return bool(connection.scalar(select(days.c.wordless).where(days.c.day == day)))


#: Days of which this process has said that they cannot be written.
_told: set[tuple[Path, str]] = set()

#: Folders in which this process has looked for files that are missing or damaged: once is enough.
_looked_at: set[Path] = set()


def renew(store: Store, folder: Path) -> tuple[str, ...]:
    """Have the days written anew of which a file is missing, damaged, or of another state than the store says; which.

    Raises DownError.
    """
    with store.reading() as connection:
        known = connection.execute(select(days.c.day, days.c.written).where(days.c.written > 0)).all()
        bad = tuple(day for day, written in known if not _is_whole(connection, folder, day, written))
    if bad:
        patiently(lambda: _not_written(store, bad))
    return bad


def _not_written(store: Store, bad: Sequence[str]) -> None:
    with store.writing() as connection:
        for part in chunks(bad):
            connection.execute(update(days).where(days.c.day.in_(part)).values(written=0))


def due_of(store: Store, folder: Path, asked: Sequence[str]) -> tuple[str, ...]:
    """Which of these days are not in the folder as the store has them now. Raises StoreError."""
    every = select(days.c.day, days.c.changed, days.c.written)
    with store.reading() as connection:
        known = {
            row.day: row for part in chunks(asked) for row in connection.execute(every.where(days.c.day.in_(part)))
        }
        return tuple(
            day
            for day in asked
            if day in known
            and (known[day].changed > known[day].written or not _is_whole(connection, folder, day, known[day].written))
        )


def all_days(store: Store) -> tuple[str, ...]:
    """Every day that the store has ever heard of, oldest first. Raises StoreError."""
    with store.reading() as connection:
        return tuple(connection.scalars(select(days.c.day).order_by(days.c.day)))


def _is_whole(connection: Connection, folder: Path, day: str, written: int) -> bool:
    """Whether the files can be opened and show that state; a day of which nothing is left has none."""
    files = [file_of(folder, table, day) for table in TABLES]
    if not any(file.exists() for file in files):
        return _is_empty(connection, day)
    try:
        return all(day_files.about(file).changed == written for file in files)
    except DayError:
        return False


def _is_empty(connection: Connection, day: str) -> bool:
    has_call = exists().where((calls.c.day == day) & (calls.c.state != "up"))
    return not connection.scalar(select(has_call | exists().where(alerts.c.day == day)))


# ------------------------------------------------------------------------------------------------ writing


def write_day(store: Store, folder: Path, day: str, progress: Progress = lambda done, of: None) -> Wrote:
    """Write the files of a day as the store has it now; one without calls and alerts has none.

    Raises DownError: the store or the folder cannot be used; BadDayError: this day cannot be written. The files are as
    they were.
    """
    try:
        with _alone(folder):
            wrote, changed = _write(store, folder, day, progress)
    except (zlib.error, msgspec.MsgspecError):
        raise BadDayError(
            f"the store {store.where} is damaged: a record of {day} cannot be read; restore a backup"
        ) from None
    except (pa.ArrowException, RefusedError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        # the error's own text may tell of people
        raise BadDayError(f"the day {day} cannot be written to {folder}: {type(error).__name__}") from None
    patiently(lambda: _note(store, day, changed))
    return wrote


def _note(store: Store, day: str, changed: int) -> None:
    """The archivist marks the day that it changes at the same time."""
    with store.writing() as connection:
        values = {"written": changed, "written_at": time.time()}
        connection.execute(update(days).where(days.c.day == day).values(**values))


def drop(folder: Path, day: str) -> bool:
    """Remove every file of that day, once no other process writes; whether there was one. What the store says stays.

    Raises DownError: the folder cannot be written; what is left is readable as before.
    """
    if not folder.is_dir():
        return False
    with _alone(folder):
        return _remove(folder, day)


def sweep(folder: Path) -> int:
    """Remove what a crash left under temporary names, once no other process writes; how many. Raises DownError."""
    if not folder.is_dir():
        return 0
    with _alone(folder):
        return _sweep(folder)


def _sweep(folder: Path) -> int:
    left = list(day_files.leftovers(folder))
    for part in left:
        part.unlink()
    return len(left)


def _remove(folder: Path, day: str) -> bool:
    files = files_of(folder, day)
    for file in files:
        file.unlink(missing_ok=True)
        day_files.sync(file.parent)
    return bool(files)


def _write(store: Store, folder: Path, day: str, progress: Progress) -> tuple[Wrote, int]:
    _sweep(folder)
    with store.reading() as connection:
        changed = connection.scalar(select(days.c.changed).where(days.c.day == day)) or 0
        if _is_empty(connection, day):
            _remove(folder, day)
            return Wrote(day, {}, 0), changed
        about = About(day, changed, time.time())
        with _files(folder, about, store.zone.key) as files:
            _calls(connection, day, files, progress)
            _alerts(connection, day, files)
            size = sum(file.finish() for file in files.values())
            for file in files.values():
                file.rename()
    for table in TABLES:
        day_files.sync(folder / table)
    return Wrote(day, {table: file.rows for table, file in files.items()}, size), changed


@contextmanager
def _files(folder: Path, about: About, zone: str) -> Iterator[dict[Table, DayFile]]:
    made: dict[Table, DayFile] = {}
    try:
        for table in TABLES:
            made[table] = DayFile(folder, table, about, zone)
        yield made
    finally:
        for file in made.values():
            file.drop()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time writes here. Raises DownError: the folder cannot be used; so does the block's OSError."""
    try:
        make_private(folder)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _wait(handle)
            yield
        finally:
            os.close(handle)
    except OSError as error:
        raise DownError(f"the folder of the days {folder} {_meaning(error)}") from None


def _wait(handle: int) -> None:
    until = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _meaning(error: OSError) -> str:
    known = {
        errno.ENOSPC: "is full: make room; the days are written later",
        errno.EDQUOT: "is full: make room; the days are written later",
        errno.EACCES: "cannot be written: mend its owner or rights",
        errno.EPERM: "cannot be written: mend its owner or rights",
        errno.EROFS: "cannot be written: it is mounted read-only",
        errno.ENOTDIR: "is no folder: move that file away, or mend archive.folder",
        errno.EEXIST: "is no folder: move that file away, or mend archive.folder",
        errno.EAGAIN: "is being written by another process: wait until it is done",
    }
    return known.get(error.errno or 0, f"cannot be written: {error.strerror or type(error).__name__}")


# --------------------------------------------------------------------------------------------- what stands where


def _calls(connection: Connection, day: str, files: dict[Table, DayFile], progress: Progress) -> None:
    mine = (calls.c.day == day) & (calls.c.state != "up")
    nos = list(connection.scalars(select(calls.c.no).where(mine).order_by(calls.c.began_at, calls.c.no)))
    progress(0, len(nos))
    for at in range(0, len(nos), _CALLS):
        part = nos[at : at + _CALLS]
        found = {row.no: row for row in connection.execute(select(calls).where(calls.c.no.in_(part)))}
        taking = _by_call(connection.execute(select(parts).where(parts.c.call_no.in_(part)).order_by(parts.c.agent)))
        said = {row.call_no: row.lines for row in connection.execute(select(words).where(words.c.call_no.in_(part)))}
        logged = _by_call(connection.execute(select(records).where(records.c.call_no.in_(part))))
        for no in part:
            files["calls"].add([_call(found[no], taking[no])])
            files["lines"].add(_lines(found[no], said.get(no)))
            files["events"].add(_events(found[no].id, [row.lines for row in logged[no]]))
        progress(at + len(part), len(nos))


def _by_call(rows: Any) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.call_no].append(row)
    return found


def _call(row: Row[Any], taking: Sequence[Row[Any]]) -> tuple[Any, ...]:
    agents = [{name: getattr(each, name) for name in day_files.COLUMNS["calls"]["agents"]} for each in taking]
    own = {
        **row._mapping,
        "call": row.id,
        "day": date.fromisoformat(row.day),
        "began_at": moment(row.began_at),
        "answered_at": moment(row.answered_at),
        "ended_at": moment(row.ended_at),
        "agent_name": next((each.name for each in taking if each.agent == row.agent), ""),
        "agents": agents,
    }
    return tuple(own[name] for name in day_files.COLUMNS["calls"])


def _lines(call: Row[Any], stored: bytes | None) -> list[tuple[Any, ...]]:
    day, began_at = date.fromisoformat(call.day), call.began_at
    return [
        (call.id, day, line.role, line.start - began_at, line.end - began_at, line.text, line.by_sound)
        for line in (past.lines_in(stored) if stored else ())
    ]


def _events(call: str, pieces: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """As ``past.joined``: each once, in the order in which they were logged; but the lines stay as they are."""
    found: dict[int | None, tuple[Any, ...]] = {}
    for piece in pieces:
        for line in zlib.decompress(piece).split(b"\n"):
            if line:
                event = _skim(line)
                found[event.seq] = (call, event.seq, moment(event.at), moment(event.logged_at), event.type, line)
    return [found[seq] for seq in sorted(found, key=lambda seq: -1 if seq is None else seq)]


def _alerts(connection: Connection, day: str, files: dict[Table, DayFile]) -> None:
    ids = list(
        connection.scalars(select(alerts.c.id).where(alerts.c.day == day).order_by(alerts.c.opened_at, alerts.c.id))
    )
    for part in chunks(ids, _CALLS * 4):
        found = {row.id: row for row in connection.execute(select(alerts).where(alerts.c.id.in_(part)))}
        files["alerts"].add([_alert(found[each]) for each in part])
        done = past.judged(connection, part)
        files["verdicts"].add([_verdict(day, made) for each in part for made in done.get(each, ())])


def _alert(row: Row[Any]) -> tuple[Any, ...]:
    changes = [
        {"at": moment(each.at), "state": each.state, "severity": each.severity, "says": each.says}
        for each in past.changes_in(row.changes)
    ]
    own = {
        **row._mapping,
        "alert": row.id,
        "day": date.fromisoformat(row.day),
        "opened_at": moment(row.opened_at),
        "over_at": moment(row.over_at),
        "decided_at": moment(row.decided_at),
        "changes": changes,
    }
    return tuple(own[name] for name in day_files.COLUMNS["alerts"])


def _verdict(day: str, made: Judgement) -> tuple[Any, ...]:
    own = {**msgspec.structs.asdict(made), "verdict": made.id, "day": date.fromisoformat(day), "at": moment(made.at)}
    return tuple(own[name] for name in day_files.COLUMNS["verdicts"])


__all__ = [
    "BadDayError",
    "DaysWritten",
    "Wrote",
    "all_days",
    "drop",
    "due_of",
    "files_of",
    "on_disk",
    "renew",
    "sweep",
    "write_day",
    "write_due",
]
