"""``sansheng replay … --against``: what the back-test prints, and with which exit code.

As NDJSON there is one object for each rule, then one for each alert that is not the same in both runs::

    {"type": "rule", "rule": id, "title": …, "books": {"before": version, "now": version},
     "status": {"before": "live", "now": "retired"},            draft, trial, live, retired; "" where a book lacks it
     "fired": {"before": 3, "now": 1}, "new": 0, "gone": 2, "changed": 0,
     "judged": {"before": 18, "now": 0}, "not_judged": {"before": 2, "now": 0}}         calls, not alerts
    {"type": "alert", "change": "new" | "gone" | "changed", "what": ["severity", "time", "sentence"],
     "rule": id, "call": id, "calls": [id, …],                          calls: where a rule counts across several
     "at": Unix seconds, "into_s": seconds since the call began, "file": trace, "line": from 1 (0: not known),
     "anchor": "#c1-2" in the report, null where the call is not drawn,
     "before": null | {"id", "severity", "at", "says", "stages": [{"state", "severity", "at", "says", "says_en"}]},
     "now": the same}

Rules stand in the order of the book, alerts in order of time. All times in Unix seconds.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import typer

from streams.backtest import from_archive
from streams.backtest.compare import Alert, Change
from streams.backtest.judge import Books
from streams.backtest.report import anchors, render, total
from streams.backtest.run import Changes, Outcome, Progress, Row, backtest, cores, replay_days
from streams.backtest.traces import SUFFIXES, expand
from streams.rulebook.book import Rulebook, RulebookError, load
from streams.terminal import Format, Source, bar, conclude, print_table, say

#: The word for the default book without any overlay.
DEFAULT = Path("default")


class Options(msgspec.Struct, frozen=True):
    """How to run and what to write. ``workers`` 0: one a core; ``pictures``: how many calls are drawn at most;
    ``days``: of the archive, where that is the source.
    """

    source: Source
    output: Format
    html: Path | None
    pictures: int
    workers: int
    days: tuple[str, ...] = ()


def run(traces: Sequence[Path], rulebook: Sequence[Path], against: Sequence[Path], options: Options) -> None:
    """Back-test, print, and end with exit 1 where a trace gave nothing, 2 where nothing could be run."""
    html, source = options.html, options.source
    books = _books(rulebook, against)
    if html is not None:
        _check_target(html)
    paths = from_archive.files(options.days) if source is Source.archive else _traces(traces, source)
    with guarded("stopped; nothing was written") as progress:
        outcome = backtest(
            paths,
            books,
            source=source.value,
            workers=options.workers or cores(),
            pictures=options.pictures if html else 0,
            progress=progress,
        )
    for problem in outcome.problems:
        say(str(problem), style="yellow")
    if html is not None:
        html.write_text(render(outcome), "utf-8")
    _print(outcome, options.output)
    if html is not None:
        say(f"report: {html}")
    conclude(len(outcome.problems), outcome.unread, source)
    if not outcome.calls:
        say("there is no call in these traces: nothing was compared", style="red")
        raise typer.Exit(1)


def changes(book: Rulebook, days: Sequence[str], workers: int) -> Changes:
    """What days of the archive give under one book; problems are told."""
    paths = from_archive.files(days)
    with guarded("stopped") as progress:
        found = replay_days(paths, book, workers=workers or cores(), progress=progress)
    for problem in found.problems:
        say(str(problem), style="yellow")
    return found


# -------------------------------------------------------------------------------------------------- input


def _books(rulebook: Sequence[Path], against: Sequence[Path]) -> Books:
    """Both books, or every fault of both on stderr and exit 2."""
    old = () if _is_default(against) else tuple(against)
    if [path.resolve() for path in rulebook] == [path.resolve() for path in old]:
        name = ", ".join(map(str, rulebook)) or "the default book"
        say(f"--rulebook and --against are the same: {name}; there is nothing to compare", style="red")
        raise typer.Exit(2)
    before, now = _book(old, "--against"), _book(rulebook, "--rulebook")
    if before is None or now is None:
        raise typer.Exit(2)
    if before.version == now.version:
        say(f"both books say the same (version {now.version}): no alert can differ", style="yellow")
    return Books(before, now)


def _is_default(against: Sequence[Path]) -> bool:
    return list(against) == [DEFAULT] and not DEFAULT.exists()


def _book(overlays: Sequence[Path], name: str) -> Rulebook | None:
    try:
        book = load(overlays)
    except RulebookError as error:
        for fault in error.faults:
            say(f"{name}: {fault}", style="red")
        say(f"{name}: the rulebook has {len(error.faults)} fault(s); nothing was run")
        return None
    for why in book.why:
        say(f"{name}: overlay: {why}", style="yellow")
    return book


def _traces(traces: Sequence[Path], source: Source) -> list[Path]:
    """The files to read, or exit 2 where there is none."""
    paths = expand(traces, source.value)
    if not paths:
        names = ", ".join(map(str, traces))
        say(f"no trace in {names}: looked for {' and '.join(SUFFIXES[source.value])} files", style="red")
        raise typer.Exit(2)
    for path in paths:
        if not path.is_file():
            say(f"{path}: not a file that can be read twice, as a back-test must", style="red")
            raise typer.Exit(2)
    return paths


def _check_target(html: Path) -> None:
    """Minutes of work must not end at a report that cannot be written."""
    if not html.parent.is_dir():
        say(f"--html: there is no folder {html.parent}", style="red")
    elif html.is_dir() or not os.access(html if html.exists() else html.parent, os.W_OK):
        say(f"--html: {html} cannot be written", style="red")
    else:
        return
    raise typer.Exit(2)


# ----------------------------------------------------------------------------------------------- progress


@contextmanager
def guarded(stopped: str) -> Iterator[Progress]:
    """A progress bar around work in processes; Ctrl-C ends it with the words ``stopped``, exit 130."""
    try:
        with _stoppable(), bar() as tell:
            yield lambda done, of: tell("calls", done, of)
    except KeyboardInterrupt:
        say(stopped, style="yellow")
        raise typer.Exit(130) from None
    except BrokenProcessPool:
        say("a process of the back-test died; if memory was short, try fewer --workers", style="red")
        raise typer.Exit(1) from None


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does, so that no worker is left behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# ------------------------------------------------------------------------------------------------- output


def _print(outcome: Outcome, output: Format) -> None:
    if output is Format.ndjson:
        for row in ndjson(outcome):
            sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
        return
    columns = ("rule", "title", "before", "now", "new", "gone", "changed", "judged", "not judged")
    sums = total(outcome.rows)
    last = ("total", "", *(str(sums[name]) for name in columns[2:7]), "", "")
    title = f"{outcome.calls} calls, book {outcome.before.version} → {outcome.now.version}"
    print_table(columns, [*map(_cells, outcome.rows), last], title)
    changed = [_told(change) for change in outcome.changes]
    if changed:
        print_table(("", "rule", "call", "into call", "trace", "says"), changed, f"{len(changed)} alerts differ")


def _cells(row: Row) -> tuple[str, ...]:
    judged = (row.judged, row.not_judged) if _in_force(row) else (row.judged_before, row.not_judged_before)
    counts = (row.before, row.now, row.new, row.gone, row.changed, *judged)
    return (row.rule, row.title, *map(str, counts))


def _in_force(row: Row) -> bool:
    return row.status_now in ("live", "trial")


def _told(change: Change) -> tuple[str, ...]:
    place, what = change.place, f"changed: {', '.join(change.what)}"
    where = (f"{place.into_s:.1f} s", f"{place.file}:{place.line}") if place else ("", "")
    return (
        what if change.kind == "changed" else change.kind,
        change.alert.rule,
        change.alert.call,
        *where,
        change.alert.last.says,
    )


def ndjson(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """The objects as the head of this module describes them."""
    known, books = anchors(outcome), {"before": outcome.before.version, "now": outcome.now.version}
    for row in outcome.rows:
        yield {
            "type": "rule",
            "rule": row.rule,
            "title": row.title,
            "books": books,
            "status": {"before": row.status_before, "now": row.status_now},
            "fired": {"before": row.before, "now": row.now},
            "new": row.new,
            "gone": row.gone,
            "changed": row.changed,
            "judged": {"before": row.judged_before, "now": row.judged},
            "not_judged": {"before": row.not_judged_before, "now": row.not_judged},
        }
    for change in outcome.changes:
        alert, place = change.alert, change.place
        yield {
            "type": "alert",
            "change": change.kind,
            "what": list(change.what),
            "rule": alert.rule,
            "call": alert.call,
            "calls": list(alert.calls),
            "at": alert.at,
            "into_s": place.into_s if place else None,
            "file": place.file if place else "",
            "line": place.line if place else 0,
            "anchor": f"#{known[id(change)]}" if id(change) in known else None,
            "before": _object(change.before),
            "now": _object(change.now),
        }


def _object(alert: Alert | None) -> dict[str, Any] | None:
    if alert is None:
        return None
    stages = msgspec.to_builtins(alert.stages)
    return {
        "id": alert.id,
        "severity": alert.severity,
        "at": alert.at,
        "says": alert.last.says,
        "stages": list(stages),
    }
