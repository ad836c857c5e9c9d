"""Traces for the back-test: which files, and which of their lines belong to which call.

A trace is skimmed once, for the call and the time of each line (about a tenth of what parsing and judging a line
costs); the lines themselves are read by the process that judges their call. So one file of 20,000 calls is shared
among all cores, and no line is decoded by more than one of them.

A capture of a PBX must be translated as a whole; its record is written to a folder for the time of the run.

A day of the archive stands call by call already: its index is each call's rows, and a process reads only the group of
rows in which its call stands. Its files are kept open, so that the archivist may write the day anew meanwhile.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from streams.core import KEEP_ENDED_S, SILENT_S
from streams.events import LATEST_S, AnyEvent, BadEventError, parse, render
from streams.problem import Problem
from streams.replay import AHEAD_S
from streams.telephony.capture import read_capture, record_lines

if TYPE_CHECKING:
    from streams.archive.day_files import Span

#: Names of traces in a folder, by where they come from.
SUFFIXES = {"record": (".ndjson", ".jsonl"), "asterisk": (".jsonl", ".ami.txt"), "archive": (".parquet",)}
#: Calls of the engine's own (heartbeats, subjects of rules across calls) are made anew by each run.
OWN = "~"
#: An archived call is over, whether its end was logged or not: the engine has judged it so long after its last event.
OVER_S = SILENT_S + KEEP_ENDED_S


class Line(NamedTuple):
    """One event of a call and where it stands, ``line`` (of a day of the archive: row) counted from 1."""

    event: AnyEvent
    file: int
    line: int


class CallLines(Struct, frozen=True):
    """A call and its lines: file, line and byte offset of each in turn; of a day of the archive: file, first row
    from 0, and how many. ``until``: end of its trace, Unix seconds.
    """

    call: str
    places: array[int]
    until: float


class File(Struct, frozen=True):
    """A trace under the name the user knows it by, and the record of it that is read.

    ``stamp``: of a day of the archive, which writing of it is meant; None: the record is text.
    """

    name: str
    record: Path
    stamp: int | None = None


class Index(Struct, frozen=True):
    """All traces of a run. ``unread``: files in which nothing could be read."""

    files: tuple[File, ...]
    calls: tuple[CallLines, ...]
    problems: tuple[Problem, ...]
    unread: tuple[Path, ...]
    events: int
    begins: float
    ends: float


class _Skim(Struct):
    """The two fields of a line that say where it belongs, as they are."""

    call: Any = None
    at: Any = None


class _Entry(NamedTuple):
    """A line as the index has it."""

    call: str
    at: float
    line: int
    offset: int


_skim = msgspec.json.Decoder(_Skim).decode


def expand(paths: Iterable[Path], source: str) -> list[Path]:
    """The traces that ``paths`` name: files themselves, and those in folders, at any depth, in order of name.

    Of a capture that lies there in both forms, the one with times is taken.
    """
    found: list[Path] = []
    for path in paths:
        found += _inside(path, SUFFIXES[source]) if path.is_dir() else [path]
    return list(dict.fromkeys(found))


def _inside(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.name.endswith(suffixes) and f.name[0] != ".")
    timed = {f for f in files if f.suffix == ".jsonl"}
    return [f for f in files if f in timed or f.with_name(f.name.removesuffix(".ami.txt") + ".jsonl") not in timed]


class Indexer:
    """Builds an :class:`Index`, file by file."""

    def __init__(self) -> None:
        """Nothing has been read yet."""
        self._files: list[File] = []
        self._places: dict[str, array[int]] = {}
        self._until: dict[str, float] = {}
        self._problems: list[Problem] = []
        self._unread: list[Path] = []
        self._events = 0
        self._begins, self._ends = float("inf"), 0.0

    def add_record(self, path: Path) -> None:
        """Index an NDJSON file. Raises OSError where it cannot be read."""
        self._add(path, path, _skimmed(path))

    def add_capture(self, path: Path, folder: Path) -> None:
        """Translate a capture into ``folder`` and index that. Raises OSError where it cannot be read."""
        record = folder / f"{len(self._files)}.ndjson"
        self._add(path, record, _translated(path, record))
        if path in self._unread and any(not isinstance(item, Problem) for item in read_capture(path)):
            self._unread.remove(path)  # what can be read holds no call

    def add_day(self, path: Path) -> None:
        """Index the events of a day of the archive. One that cannot be read is a problem.

        A call that has moved to another day stands in both until both are written anew: the longer record counts.
        """
        from streams.archive import day_files  # noqa: PLC0415 - Arrow takes a while to import

        number, read = len(self._files), 0
        try:
            stamp = day_files.stamp(path)
            self._files.append(File(str(path), path, stamp))
            for span in day_files.spans(path, stamp):
                read += 1
                self._add_span(number, span)
        except day_files.DayError as error:
            self._problems.append(Problem(str(error)))
            self._unread += [] if read else [path]

    def _add_span(self, number: int, span: Span) -> None:
        before = self._places.get(span.call)
        if before is not None and before[2] >= span.rows:
            return
        self._places[span.call] = array("q", (number, span.row, span.rows))
        self._until[span.call] = span.ends + OVER_S
        self._events += span.rows - (before[2] if before is not None else 0)
        self._begins, self._ends = min(self._begins, span.begins), max(self._ends, span.ends)

    def index(self) -> Index:
        """What has been found."""
        calls = tuple(CallLines(call, places, self._until[call]) for call, places in self._places.items())
        return Index(
            files=tuple(self._files),
            calls=calls,
            problems=tuple(self._problems),
            unread=tuple(self._unread),
            events=self._events,
            begins=self._begins if calls else 0.0,
            ends=self._ends,
        )

    def _add(self, path: Path, record: Path, items: Iterator[_Entry | Problem]) -> None:
        number, before, ends, met, read = len(self._files), None, 0.0, False, 0
        self._files.append(File(str(path), record))
        here: set[str] = set()
        for item in items:
            met = True
            if isinstance(item, Problem):
                self._problems.append(item)
            elif before is not None and item.at > before + AHEAD_S:
                text = f"at: {item.at - before:.0f} s ahead of the one before; left out"
                self._problems.append(Problem(text, where=f"{path}:{item.line}"))
            else:
                before, read = item.at, read + 1
                ends, self._begins = max(ends, before), min(self._begins, before)
                if not item.call.startswith(OWN):
                    here.add(item.call)
                    self._places.setdefault(item.call, array("q")).extend((number, item.line, item.offset))
        self._until.update((call, max(ends, self._until.get(call, 0.0))) for call in here)
        self._events, self._ends = self._events + read, max(self._ends, ends)
        if met and not read:
            self._unread.append(path)


def _skimmed(path: Path) -> Iterator[_Entry | Problem]:
    offset = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            begins, offset = offset, offset + len(line)
            try:
                skim = _skim(line)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                if line.strip():
                    yield _fault(line, f"{path}:{number}")
                continue
            call, at = skim.call, skim.at
            if isinstance(call, str) and type(at) in (int, float) and 0 <= at < LATEST_S:
                yield _Entry(sys.intern(call), at, number, begins)
            else:
                yield _fault(line, f"{path}:{number}")


def _fault(line: bytes, where: str) -> Problem:
    """What is wrong with a line of which not even call and time could be read."""
    try:
        parse(line)
    except BadEventError as error:
        cut = "" if line.endswith(b"\n") else " (the file seems to be cut here)"
        return Problem(f"{error}{cut}", where=where)
    return Problem("call or at cannot be read", where=where)


def _translated(path: Path, record: Path) -> Iterator[_Entry | Problem]:
    offset = 0
    with record.open("wb") as out:
        for item, line in record_lines(path):
            if isinstance(item, Problem):
                where = str(path.parent / item.where) if item.where.startswith(path.name) else item.where
                yield replace(item, where=where)
                continue
            written = render(item) + b"\n"
            out.write(written)
            yield _Entry(item.call, item.at, line, offset)
            offset += len(written)


def read_lines(files: Sequence[File], lines: CallLines) -> Iterator[Line | Problem]:
    """The events of one call in the order of the traces, and a Problem for each line that cannot be read."""
    places = lines.places
    for number, run in groupby(zip(places[::3], places[1::3], places[2::3], strict=True), key=itemgetter(0)):
        file = files[number]
        for line, text in _rows(file, run) if file.stamp is not None else _texts(file, run):
            if isinstance(text, Problem):
                yield text
                continue
            try:
                yield Line(parse(text), number, line)
            except BadEventError as error:
                yield Problem(str(error), where=f"{file.name}:{line}")


def _texts(file: File, places: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, bytes]]:
    with file.record.open("rb") as lines:
        for _, line, offset in places:
            lines.seek(offset)
            yield line, lines.readline()


def _rows(file: File, places: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, str | Problem]]:
    from streams.archive import day_files  # noqa: PLC0415 - as above

    for _, first, rows in places:
        try:
            yield from enumerate(day_files.event_lines(file.record, file.stamp or 0, first, rows), first + 1)
        except day_files.DayError as error:
            yield first + 1, Problem(str(error))


def hold(files: Iterable[File]) -> None:
    """Open the days of the archive as they are now; one that was written anew just before is a problem of its calls."""
    from streams.archive import day_files  # noqa: PLC0415 - as above

    for file in files:
        if file.stamp is not None:
            with suppress(day_files.DayError):
                day_files.hold(file.record, file.stamp)
