"""AMI bytes and recorded AMI sessions: to blocks, and through the translator to the record.

Owns two forms of capture. ``*.jsonl``: one block a line, ``{"t": arrival, "event": {...}}``, t in Unix
seconds. ``*.ami.txt``: the bytes of the TCP connection; they carry no times but the ``Timestamp`` headers
that manager.conf ``timestampevents=yes`` adds, so a file without those cannot be turned into a record.

:class:`BlockParser` does no I/O: the same parser reads files and the live socket. Chunking changes nothing.
Broken input is never an exception but a :class:`Problem` that says where; what can be read goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from streams.events import AnyEvent
from streams.problem import Problem

from .asterisk import Translator
from .asterisk_blocks import text

__all__ = ["LARGEST_BLOCK", "BlockParser", "TimedBlock", "read_capture", "record_capture", "record_lines"]

#: bytes; the largest real blocks are some tens of kilobytes (CoreShowChannels rows are single blocks)
LARGEST_BLOCK = 1 << 20
_CHUNK = 1 << 16
_BANNER = b"Asterisk Call Manager/"
_LINE = re.compile(rb"([A-Za-z][A-Za-z0-9_.()/-]{0,79}):(?: (.*)|)")

ParsedBlock = dict[str, "str | list[str]"]


class BlockParser:
    """Bytes of the AMI in, blocks out.

    A block is ``Key: Value`` lines up to an empty line; CRLF or LF. The banner is a line of its own with no
    empty line after it (trap 13) and gives the block ``{"_banner": ...}``. A key that comes twice has the
    list of its values. Bytes that are not UTF-8 are replaced.

    ``name`` is put before line and byte offset of each problem: the file's name.

    A line that is no ``Key: Value`` is left out and reported with its byte offset; a block that is cut off by
    the next one (a second ``Event:``) or is larger than ``largest`` bytes is dropped and reported.
    """

    def __init__(self, *, largest: int = LARGEST_BLOCK, name: str = "") -> None:
        self._largest = largest
        self._name = name
        self._buffer = bytearray()
        self._offset = 0  # of the first byte in the buffer
        self._scanned = 0
        self._block: ParsedBlock = {}
        self._block_at = 0
        self._size = 0
        self._skipping = False
        self._mid_line = False
        self._garbage_at: int | None = None
        self._line = 1  # of the first byte in the buffer
        self._first_line = 1  # of the block in the making
        self._block_line = 1
        self._problems: list[Problem] = []

    @property
    def block_line(self) -> int:
        """The line, counted from 1, on which the last block given out begins."""
        return self._block_line

    def feed(self, data: bytes) -> list[ParsedBlock]:
        """The blocks that these bytes complete, in order."""
        return [block for block, _ in self.feed_lines(data)]

    def feed_lines(self, data: bytes) -> Iterator[tuple[ParsedBlock, int]]:
        """As :meth:`feed`, each block with the line on which it begins. To be exhausted by the caller."""
        self._buffer += data
        while (end := self._buffer.find(b"\n", self._scanned)) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._scanned = 0
            block = self._take(line.removesuffix(b"\r"), len(line) + 1)
            self._offset += len(line) + 1
            self._line += 1
            if block:
                yield block, self._block_line
        self._scanned = len(self._buffer)
        if self._size + len(self._buffer) > self._largest and self._buffer != b"\r":
            self._too_large()
            self._offset += len(self._buffer)
            self._buffer.clear()
            self._scanned, self._mid_line = 0, True

    def close(self) -> None:
        """The stream has ended; an unfinished block is a problem."""
        self._report_garbage()
        if self._block or self._buffer or self._skipping:
            start = self._block_at if self._block or self._skipping else self._offset
            self._problem(start, "the stream ends inside a block", "everything before it counts")
        self._buffer.clear()
        self._forget()

    def take_problems(self) -> list[Problem]:
        """The problems met since the last call."""
        taken, self._problems = self._problems, []
        return taken

    def _take(self, line: bytes, size: int) -> ParsedBlock | None:
        """One whole line without its end; the block that it completes."""
        if self._mid_line:  # the rest of a line that was too long
            self._mid_line = False
            return None
        if not line:
            return self._end()
        if self._skipping:
            return None
        if self._size + size > self._largest:
            self._too_large()
            return None
        if not self._block and line.startswith(_BANNER):
            self._report_garbage()
            self._block_line = self._line
            return {"_banner": line.decode("utf-8", "replace")}
        self._size += size
        self._add(line)
        return None

    def _end(self) -> ParsedBlock | None:
        self._report_garbage()
        block = None if self._skipping else self._block
        if block:
            self._block_line = self._first_line
        self._forget()
        return block

    def _add(self, line: bytes) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            self._garbage_at = self._offset if self._garbage_at is None else self._garbage_at
            return
        self._report_garbage()
        key = match.group(1).decode("ascii")
        if key == "Event" and "Event" in self._block:
            self._problem(self._block_at, "a block is cut off by the next one", "it is left out")
            self._block = {}
        if not self._block:
            self._block_at, self._first_line = self._offset, self._line
        value = (match.group(2) or b"").decode("utf-8", "replace")
        known = self._block.get(key)
        if known is None:
            self._block[key] = value
        else:
            self._block[key] = [*(known if isinstance(known, list) else [known]), value]

    def _too_large(self) -> None:
        if not self._skipping:
            start = self._block_at if self._block else self._offset
            self._problem(start, f"a block is larger than {self._largest} bytes", "it is left out")
            self._block_at, self._block, self._skipping = start, {}, True
        self._size = 0

    def _report_garbage(self) -> None:
        if self._garbage_at is not None:
            self._problem(self._garbage_at, "garbage between the lines of the AMI", "it is left out")
            self._garbage_at = None

    def _problem(self, offset: int, problem: str, mend: str) -> None:
        where = f"{self._name}:{self._line}, byte {offset}" if self._name else f"byte {offset}"
        self._problems.append(Problem(problem, mend, where))

    def _forget(self) -> None:
        self._block, self._size, self._skipping = {}, 0, False


@dataclass(frozen=True, slots=True)
class TimedBlock:
    """One block of a capture. ``at``: Unix seconds of its arrival; ``line``: where it is in the file."""

    at: float
    block: ParsedBlock
    line: int


def read_capture(path: Path) -> Iterator[TimedBlock | Problem]:
    """The blocks of a recorded AMI session, and whatever cannot be read, in the order of the file.

    Raises:
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file:
        start = file.read(1)
    return _read_jsonl(path) if path.suffix == ".jsonl" or start == b"{" else _read_bytes(path)


def record_capture(path: Path, translator: Translator | None = None) -> Iterator[AnyEvent | Problem]:
    """The record of a recorded AMI session, and the problems met. Calls still open at its end stay open.

    Raises:
        OSError: the file cannot be opened or read.
    """
    return (item for item, _ in record_lines(path, translator))


def record_lines(path: Path, translator: Translator | None = None) -> Iterator[tuple[AnyEvent | Problem, int]]:
    """As :func:`record_capture`, each with the line of the block that brought it forth (of a Problem: 0)."""
    translator, line = translator or Translator(), 1
    for item in read_capture(path):
        if isinstance(item, Problem):
            yield item, 0
            continue
        line = item.line
        yield from ((event, line) for event in translator.feed(item.block, item.at))
        for problem in translator.take_problems():
            yield replace(problem, where=f"{path.name}:{line}"), 0
    yield from ((event, line) for event in translator.flush())


def _read_jsonl(path: Path) -> Iterator[TimedBlock | Problem]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            whole = line.endswith(b"\n")
            try:
                row: Any = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                mend = "one JSON object a line" if whole else "the file is cut off here; everything before counts"
                yield Problem(f"broken JSON: {error}", mend, f"{path.name}:{number}")
                continue
            yield _timed(row, number, path.name)


def _timed(row: Any, number: int, name: str) -> TimedBlock | Problem:
    where, mend = f"{name}:{number}", 'a line is {"t": seconds, "event": {...}}'
    if not isinstance(row, dict):
        return Problem("not a JSON object", mend, where)
    at, block = row.get("t"), row.get("event")
    if isinstance(at, bool) or not isinstance(at, int | float):
        return Problem("t is missing or no number", mend, where)
    if not isinstance(block, dict):
        return Problem("event is missing or no object", mend, where)
    return TimedBlock(float(at), block, number)


def _read_bytes(path: Path) -> Iterator[TimedBlock | Problem]:
    """Blocks that carry no time have that of the block before; those before the first time, that one."""
    untimed: list[tuple[ParsedBlock, int]] = []
    at: float | None = None
    for block, line in _parse(path):
        if isinstance(block, Problem):
            yield block
            continue
        at = _stamp(block, at)
        untimed.append((block, line))
        if at is not None:
            for earlier, number in untimed:
                yield TimedBlock(at, earlier, number)
            untimed.clear()
    if untimed:
        yield Problem(
            "there are no times in this capture, so it gives no record",
            "record with timestampevents=yes in manager.conf, or use the .jsonl of the same capture",
            f"{path.name}:1",
        )


def _stamp(block: ParsedBlock, before: float | None) -> float | None:
    try:
        return float(text(block, "Timestamp"))
    except ValueError:
        return before


def _parse(path: Path) -> Iterator[tuple[ParsedBlock | Problem, int]]:
    parser = BlockParser(name=path.name)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield from parser.feed_lines(chunk)
            yield from ((problem, 0) for problem in parser.take_problems())
    parser.close()
    yield from ((problem, 0) for problem in parser.take_problems())
