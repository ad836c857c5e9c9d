"""A day as Parquet: where its files lie, what stands in them, how they are written whole or not at all, and read.

Owns the form of the files; knows no store. ``FOLDER/TABLE/DAY.parquet``, one file a day and table. A file carries its
format, the state of the day that it shows (``changed``) and when it was written. Its pages carry checksums. Events
stand call by call, and a call is never split between two row groups: who wants one call reads one group.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streams.shell.running import make_private

Table = Literal["calls", "lines", "alerts", "verdicts", "events"]
TABLES: tuple[Table, ...] = ("calls", "lines", "alerts", "verdicts", "events")
#: Raised when a column changes its meaning or goes; a new column alone does not.
FORMAT = 1
SUFFIX = ".parquet"
#: Of the temporary name; none of these is left but by a crash.
PART = ".part"
#: Rows of a row group, more where a call would be split. A process of the back-test reads a group for a few calls.
_GROUP: dict[Table, int] = {"events": 5_000}
_GROUP_ROWS = 50_000
_ZSTD = 3
#: So many files are held open by who reads events: one that is written anew meanwhile goes on as it was.
_HELD = 400

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TEXT, _NUMBER, _WHOLE, _YES = pa.string(), pa.float64(), pa.int64(), pa.bool_()
#: Stands for a moment in the site's zone.
_AT = object()
_PART = {"agent": _TEXT, "name": _TEXT, "spoke": _YES, "ring_s": _NUMBER, "missed": _WHOLE}
_PART |= {"talk_s": _NUMBER, "held_s": _NUMBER}
_CHANGE = {"at": _AT, "state": _TEXT, "severity": _TEXT, "says": _TEXT}

#: The columns of each table, in order. A dict is a list of such rows.
COLUMNS: dict[Table, dict[str, Any]] = {
    "calls": {
        "call": _TEXT,
        "day": pa.date32(),
        "began_at": _AT,
        "answered_at": _AT,
        "ended_at": _AT,
        "state": _TEXT,
        "direction": _TEXT,
        "queue": _TEXT,
        "agent": _TEXT,
        "agent_name": _TEXT,
        "caller": _TEXT,
        "caller_key": _TEXT,
        "in_time": _YES,
        "abandoned": _YES,
        "ended_by": _TEXT,
        "cause": _TEXT,
        "duration_s": _NUMBER,
        "wait_s": _NUMBER,
        "ring_s": _NUMBER,
        "talk_s": _NUMBER,
        "held_s": _NUMBER,
        "transfer_s": _NUMBER,
        "transfers": _WHOLE,
        "listened": _YES,
        "agents": _PART,
    },
    "lines": {
        "call": _TEXT,
        "day": pa.date32(),
        "role": _TEXT,
        "start_s": _NUMBER,
        "end_s": _NUMBER,
        "text": _TEXT,
        "by_sound": _YES,
    },
    "alerts": {
        "alert": _TEXT,
        "call": _TEXT,
        "day": pa.date32(),
        "rule": _TEXT,
        "title": _TEXT,
        "title_en": _TEXT,
        "severity": _TEXT,
        "opened_at": _AT,
        "over_at": _AT,
        "agent": _TEXT,
        "agent_name": _TEXT,
        "queue": _TEXT,
        "says": _TEXT,
        "finding": _TEXT,
        "reason": _TEXT,
        "appeal": _TEXT,
        "decided_at": _AT,
        "trial": _YES,
        "rulebook": _TEXT,
        "changes": _CHANGE,
    },
    "verdicts": {
        "verdict": _TEXT,
        "alert": _TEXT,
        "call": _TEXT,
        "day": pa.date32(),
        "at": _AT,
        "by": _TEXT,
        "by_name": _TEXT,
        "action": _TEXT,
        "reason": _TEXT,
        "text": _TEXT,
        "rule": _TEXT,
        "agent": _TEXT,
        "queue": _TEXT,
    },
    "events": {"call": _TEXT, "seq": _WHOLE, "at": _AT, "logged_at": _AT, "type": _TEXT, "event": _TEXT},
}
#: Columns in which hardly a value comes twice.
_UNIQUE = frozenset({"event", "text", "seq", "at", "logged_at", "start_s", "end_s"})


class DayError(ValueError):
    """A file of a day cannot be read; the text names it and the mend."""


class About(NamedTuple):
    """What a file says of itself. ``written_at``: Unix seconds."""

    day: str
    changed: int
    written_at: float


class Span(NamedTuple):
    """A call's rows in a file of events, counted from 0, and the times of its first and last event, Unix seconds."""

    call: str
    row: int
    rows: int
    begins: float
    ends: float


def file_of(folder: Path, table: Table, day: str) -> Path:
    """Where that table of that day lies."""
    return folder / table / f"{day}{SUFFIX}"


def days_in(folder: Path) -> list[str]:
    """The days of which there are events, oldest first."""
    return sorted(file.stem for file in (folder / "events").glob(f"*{SUFFIX}") if _DAY.fullmatch(file.stem))


def files_of(folder: Path, day: str) -> tuple[Path, ...]:
    """The files of that day that are there, whole or not."""
    return tuple(file for file in (file_of(folder, table, day) for table in TABLES) if file.exists())


def on_disk(folder: Path) -> set[str]:
    """Every day of which any file is there, whether the store knows it or not."""
    found = (file for table in TABLES for file in (folder / table).glob(f"*{SUFFIX}"))
    return {file.stem for file in found if _DAY.fullmatch(file.stem)}


def days_of(text: str) -> tuple[str, ...]:
    """``2026-11-21``, or ``2026-11-01..2026-11-21`` with both ends. Raises ValueError with the mend."""
    first, dots, last = text.partition("..")
    try:
        since, until = date.fromisoformat(first.strip()), date.fromisoformat((last if dots else first).strip())
    except ValueError:
        raise ValueError(f"not days: {text!r} (write 2026-11-21, or 2026-11-01..2026-11-21)") from None
    if until < since:
        raise ValueError(f"{since} comes after {until} (write the earlier day first)")
    return tuple((since + timedelta(days=n)).isoformat() for n in range((until - since).days + 1))


def told(days: Iterable[str]) -> str:
    """Days for people: runs of them as ``2026-11-01..2026-11-04``."""
    runs: list[list[date]] = []
    for day in map(date.fromisoformat, sorted(days)):
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)


# ------------------------------------------------------------------------------------------------ writing


class DayFile:
    """One file in the making, under a temporary name."""

    def __init__(self, folder: Path, table: Table, about: About, zone: str) -> None:
        """Raises OSError where the folder cannot be written."""
        self.path, self.rows = file_of(folder, table, about.day), 0
        make_private(self.path.parent)
        self._part = self.path.with_name(f".{self.path.name}{PART}")
        self._waiting: list[Sequence[Any]] = []
        self._most = _GROUP.get(table, _GROUP_ROWS)
        self._schema = _schema(table, zone, _metadata(table, about, zone))
        self._out: IO[bytes] = os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._writer = pq.ParquetWriter(
            self._out,
            self._schema,
            compression="zstd",
            compression_level=_ZSTD,
            use_dictionary=[name for name in self._schema.names if name not in _UNIQUE],
            write_page_checksum=True,
        )

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Rows that belong together (of one call), their values in the order of the columns; moments by ``moment``."""
        self._waiting += rows
        if len(self._waiting) >= self._most:
            self._flush()

    def finish(self) -> int:
        """The file is whole and on the disk, still under its temporary name; its size, bytes."""
        self._flush()
        self._writer.close()
        self._out.flush()
        os.fsync(self._out.fileno())
        size = self._out.tell()
        self._out.close()
        return size

    def rename(self) -> None:
        """Put it in its place."""
        self._part.replace(self.path)

    def drop(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError, pa.ArrowException):  # a disk that is full refuses even the footer
            self._writer.close()
        with suppress(OSError):
            self._out.close()
        self._part.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._waiting:
            columns = zip(zip(*self._waiting, strict=True), self._schema, strict=True)
            arrays = [pa.array(values, field.type) for values, field in columns]
            table = pa.Table.from_arrays(arrays, schema=self._schema)
            self._writer.write_table(table, row_group_size=len(self._waiting))
            self.rows += len(self._waiting)
            self._waiting = []


def moment(at: float | None) -> int | None:
    """Unix seconds as a file has them: microseconds."""
    return None if at is None else round(at * 1e6)


def sync(folder: Path) -> None:
    """Names that were given in this folder stay after a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def leftovers(folder: Path) -> Iterator[Path]:
    """What a crash left behind, where nobody writes just now."""
    return (part for table in TABLES for part in (folder / table).glob(f".*{SUFFIX}{PART}"))


def _metadata(table: Table, about: About, zone: str) -> dict[str, str]:
    values: dict[str, object] = {"format": FORMAT, "table": table, "zone": zone, **about._asdict()}
    return {f"sansheng.{name}": str(value) for name, value in values.items()}


def _schema(table: Table, zone: str, metadata: dict[str, str]) -> pa.Schema:
    return pa.schema([(name, _type(kind, zone)) for name, kind in COLUMNS[table].items()], metadata=metadata)


def _type(kind: Any, zone: str) -> pa.DataType:
    if isinstance(kind, dict):
        return pa.list_(pa.struct([(name, _type(own, zone)) for name, own in kind.items()]))
    return pa.timestamp("us", tz=zone) if kind is _AT else kind


# ------------------------------------------------------------------------------------------------ reading


def about(path: Path) -> About:
    """What a file says of itself: its footer can be read, and it is of a format that we know. Raises DayError."""
    return _opened(path)[1]


def _opened(path: Path) -> tuple[pq.ParquetFile, About]:
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        known = {key.decode(): value.decode() for key, value in (file.schema_arrow.metadata or {}).items()}
    except FileNotFoundError:
        raise DayError(f"{path}: is not there{_mend(path)}") from None
    except (pa.ArrowException, OSError, UnicodeError):
        raise DayError(f"{path}: damaged, or written only in part{_mend(path)}") from None
    try:
        if int(known["sansheng.format"]) > FORMAT:
            raise DayError(f"{path}: written by a later version, format {known['sansheng.format']}{_mend(path)}")
        own = About(known["sansheng.day"], int(known["sansheng.changed"]), float(known["sansheng.written_at"]))
    except (KeyError, ValueError) as error:
        if isinstance(error, DayError):
            raise
        raise DayError(f"{path}: no day of the archive{_mend(path)}") from None
    if own.day != path.stem:
        raise DayError(f"{path}: holds {own.day}{_mend(path)}")
    return file, own


def _mend(path: Path) -> str:
    return f" (`sansheng archive export --day {path.stem}` writes it anew)" if _DAY.fullmatch(path.stem) else ""


def stamp(path: Path) -> int:
    """Tells one writing of a file from the next. Raises DayError."""
    try:
        found = path.stat()
    except OSError:
        raise DayError(f"{path}: is not there{_mend(path)}") from None
    return hash((found.st_ino, found.st_mtime_ns, found.st_size))


def spans(path: Path, stamped: int) -> Iterator[Span]:
    """The calls of a file of events, in the order in which they began. Raises DayError."""
    held = _hold(path, stamped)
    for group, first in enumerate(held.firsts):
        table = _read(path, held, group, ["call", "at"])
        calls = table["call"].combine_chunks().dictionary_encode()
        codes = calls.indices.to_numpy()
        at = table["at"].cast(pa.int64()).to_numpy() / 1e6
        begins = np.concatenate(([0], np.flatnonzero(np.diff(codes)) + 1))
        ends = np.append(begins[1:], len(codes))
        earliest, latest = np.minimum.reduceat(at, begins), np.maximum.reduceat(at, begins)
        names = calls.dictionary.to_pylist()
        for begin, end, since, until in zip(begins, ends, earliest, latest, strict=True):
            yield Span(names[codes[begin]], first + int(begin), int(end - begin), float(since), float(until))


def event_lines(path: Path, stamped: int, row: int, rows: int) -> list[str]:
    """The NDJSON lines of a call, as ``spans`` found it. Raises DayError."""
    held = _hold(path, stamped)
    group = bisect_right(held.firsts, row) - 1
    first = row - held.firsts[group]
    return _group(path, stamped, group)[first : first + rows]


def hold(path: Path, stamped: int) -> None:
    """Keep the file as it is now for ``event_lines``, even where it is written anew meanwhile. Raises DayError."""
    _hold(path, stamped)


class _Held(NamedTuple):
    file: pq.ParquetFile
    firsts: tuple[int, ...]


@lru_cache(maxsize=_HELD)
def _hold(path: Path, stamped: int) -> _Held:
    file, _ = _opened(path)
    if stamp(path) != stamped:
        raise DayError(f"{path}: has been written anew meanwhile (run it again)")
    sizes = (file.metadata.row_group(n).num_rows for n in range(file.num_row_groups))
    firsts, total = [], 0
    for size in sizes:
        firsts.append(total)
        total += size
    return _Held(file, tuple(firsts))


@lru_cache(maxsize=2)
def _group(path: Path, stamped: int, group: int) -> list[str]:
    lines: list[str] = _read(path, _hold(path, stamped), group, ["event"])["event"].to_pylist()
    return lines


def _read(path: Path, held: _Held, group: int, columns: list[str]) -> pa.Table:
    try:
        return held.file.read_row_group(group, columns=columns, use_threads=False)
    except (pa.ArrowException, OSError, KeyError):
        first = held.firsts[group] + 1
        last = first + held.file.metadata.row_group(group).num_rows - 1
        raise DayError(f"{path}: rows {first} to {last} are damaged{_mend(path)}") from None
