"""What the commands share: reading a rulebook and traces, telling faults, printing tables.

Owns how a person at a terminal, or a pipe, is told something. Knows no command.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from streams.events import AnyEvent
from streams.problem import Problem
from streams.replay import read_record
from streams.rulebook.book import Rulebook, read
from streams.rulebook.laying import Draft
from streams.telephony.capture import read_capture, record_capture

err = Console(stderr=True, highlight=False)


def say(text: str, *, style: str | None = None) -> None:
    """Tell the operator, on stderr; square brackets are text."""
    err.print(text, style=style, markup=False, soft_wrap=True)


class Source(StrEnum):
    """Where a trace comes from."""

    record = "record"
    asterisk = "asterisk"
    archive = "archive"


class Format(StrEnum):
    """How results are printed."""

    ndjson = "ndjson"
    table = "table"


Files = Annotated[list[Path], typer.Argument(help="Trace files.", exists=True, dir_okay=False, readable=True)]
_FROM = "record: NDJSON of the contract; asterisk: AMI captures (.jsonl or .ami.txt)"


def _of_files(source: Source) -> Source:
    """For commands that read files."""
    if source is Source.archive:
        raise typer.BadParameter("only `sansheng replay` reads the archive")
    return source


From = Annotated[Source, typer.Option("--from", help=f"{_FROM}.", callback=_of_files, metavar="[record|asterisk]")]
FromAnywhere = Annotated[Source, typer.Option("--from", help=f"{_FROM}; archive: days of it (--days).")]
#: Told what is done, how much of it, of how much.
Tell = Callable[[str, int, int], None]


def book_of(overlays: Iterable[Path]) -> Rulebook:
    """The rulebook, or every fault in it on stderr and exit 2."""
    return as_written(overlays)[1]


def as_written(overlays: Iterable[Path]) -> tuple[Draft, Rulebook]:
    """The same, with what is written where."""
    draft, book = read(overlays)
    if draft.faults:
        for fault in draft.faults:
            say(str(fault), style="red")
        err.print(f"the rulebook has {len(draft.faults)} fault(s); nothing was run")
        raise typer.Exit(2)
    for why in book.why:
        say(f"overlay: {why}", style="yellow")
    return draft, book


@contextmanager
def bar() -> Iterator[Tell]:
    """A progress bar where somebody watches; nothing in a pipe."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task("reading", total=None)
        yield lambda what, done, of: shown.update(task, description=what, completed=done, total=of)


class Reading:
    """Trace files, read one after the other; ``unread`` are those in which nothing could be read."""

    def __init__(self, files: list[Path], source: Source) -> None:
        self._files, self._source = files, source
        self._read = read_record if source is Source.record else record_capture
        self.unread: list[Path] = []
        self.problems = 0

    def __iter__(self) -> Iterator[AnyEvent | Problem]:
        """The events and problems of all files."""
        for file in self._files:
            met = events_met = 0
            for item in self._read(file):
                met, events_met = met + 1, events_met + (not isinstance(item, Problem))
                yield item
            if met and not events_met and not self._has_blocks(file):
                self.unread.append(file)

    def events(self) -> Iterator[AnyEvent]:
        """The events alone; problems are told as they are met."""
        for item in self:
            if isinstance(item, Problem):
                self.tell(item)
            else:
                yield item

    def tell(self, problem: Problem) -> None:
        """Say it and count it."""
        self.problems += 1
        say(str(problem), style="yellow")

    def conclude(self) -> None:
        """Say how many problems were met; exit 1 where nothing at all could be read from a file."""
        conclude(self.problems, self.unread, self._source)

    def _has_blocks(self, file: Path) -> bool:
        """A capture that can be read may still hold no call."""
        return self._source is Source.asterisk and not all(isinstance(item, Problem) for item in read_capture(file))


def conclude(problems: int, unread: Sequence[Path], source: Source) -> None:
    """Say how many problems were met; exit 1 where nothing at all could be read from a file."""
    if problems:
        say(f"{problems} problem(s) were met; everything else was taken", style="yellow")
    for file in unread:
        say(f"{file}: nothing could be read from it", style="red")
    if source is Source.record and any(map(_looks_like_ami, unread)):
        say("this looks like a capture of AMI traffic: add `--from asterisk`")
    if unread:
        raise typer.Exit(1)


def _looks_like_ami(file: Path) -> bool:
    """Whether the first line with anything on it is one of a capture."""
    with file.open("rb") as lines:
        first = next((line for line in lines if line.strip()), b"")
    try:
        row = json.loads(first)
    except ValueError:
        return first.startswith((b"Asterisk Call Manager/", b"Event: ", b"Response: "))
    return isinstance(row, dict) and {"t", "event"} <= row.keys()


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]], title: str) -> None:
    """On stdout. Square brackets are text; what is too long folds, and in a pipe the lines are as long as need be."""
    table, console = Table(title=escape(title)), Console()
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    if not console.is_terminal:
        console = Console(width=console.measure(table, options=console.options.update(max_width=10_000)).maximum)
    console.print(table)
