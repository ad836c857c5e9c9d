"""``sansheng figures …``: what managers ask for, as tables, CSV or a page to print. Owns options and printing."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import wraps
from inspect import Signature, signature
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table as Printed
from rich.text import Text
from sqlalchemy import Connection

from streams.archive import figures_days, figures_of_agent, figures_of_floor, figures_of_rule, figures_rows, reads
from streams.archive.archive_cli import opened
from streams.archive.figures_agent import agent_report
from streams.archive.figures_days import Span
from streams.archive.figures_floor import floor_report
from streams.archive.figures_report import LISTED, Report, Table, Words, days_words, raw, shown, timely, unfinished
from streams.archive.figures_rule import rule_report
from streams.archive.store import Store
from streams.terminal import say

app = typer.Typer(help="Figures of ended calls, for managers: tables, CSV, or a page to print.", no_args_is_help=True)

_T = TypeVar("_T")

#: A spreadsheet takes what begins so for a formula, whoever wrote it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Excel takes a file for UTF-8 by its first three bytes.
_BOM = "\ufeff"


class As(StrEnum):
    """How figures are printed."""

    table = "table"
    csv = "csv"


Day = Annotated[str, typer.Option(help="2026-11-20")]
Days = Annotated[str, typer.Option(help="2026-11-01..2026-11-21")]
Month = Annotated[str, typer.Option(help="2026-11")]
English = Annotated[bool, typer.Option("--english", help="English instead of Chinese.")]
Output = Annotated[As, typer.Option("--format", help="table, or csv: one table, for a spreadsheet.")]
Wanted = Annotated[str, typer.Option("--table", help="Print this table alone (figures, times, days, …).")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page to print, with pictures, to this file.")]


class Asked:
    """What a command was asked for beside whom or what it is about. Exit 2 where it makes no sense."""

    def __init__(self, when: tuple[str, str, str], output: As, table: str, html: Path | None, english: bool) -> None:
        """``when``: the options day, days and month."""
        if sum(map(bool, when)) > 1:
            _refuse("give one of --day, --days and --month")
        if html and output is As.csv:
            _refuse("--html writes a page, --format csv prints a table: give one of them")
        if html and table:
            _refuse("--html writes all tables: leave --table out")
        try:
            makers = zip((figures_days.day, figures_days.days, figures_days.month), when, strict=True)
            self._span = next((make(text) for make, text in makers if text), None)
        except ValueError as error:
            _refuse(str(error))
        self._output, self._table, self._html, self.english = output, table, html, english
        self.now = time.time()

    def span(self, store: Store, otherwise: Callable[[datetime], Span]) -> Span:
        """The days; ``otherwise``: of the site's present time, where none were given."""
        return self._span or otherwise(datetime.fromtimestamp(self.now, store.zone))

    def show(self, report: Report, span: Span, first: date | None) -> None:
        """Print it, or write the page; ``first``: the first day of which the store holds calls."""
        report = timely(report, span, first)
        if self._html or self._table or self._output is As.csv:  # where the sentences are not on the terminal
            for words in unfinished(report, span):
                say(self.words(words))
        if self._html:
            self._write(report, self._html)
            return
        tables = [self._one(report, self._table)] if self._table else list(report.tables)
        if self._output is As.csv:
            typer.echo(as_csv(report, tables[0], english=self.english), nl=False)
            return
        Printing(report, english=self.english).show(tables, whole=not self._table)

    def _write(self, report: Report, file: Path) -> None:
        from streams.archive import figures_page  # noqa: PLC0415 - templates, which nobody else needs

        try:
            file.write_text(figures_page.render(report, english=self.english), "utf-8")
        except OSError as error:
            if not file.parent.is_dir():
                say(f"{file}: there is no folder {file.parent} (make it first)", style="red")
            else:
                say(f"{file}: cannot be written: {error.strerror or type(error).__name__}", style="red")
            raise typer.Exit(1) from None
        say(f"{file}")

    def words(self, words: Words) -> str:
        """In the language that was asked for."""
        return words.en if self.english else words.zh

    def _one(self, report: Report, name: str) -> Table:
        found = report.table(name)
        if found is None:
            _refuse(f"there is no table {name} here: {', '.join(table.name for table in report.tables)}")
        return found


def _refuse(text: str) -> NoReturn:
    say(text, style="red")
    raise typer.Exit(2)


# --------------------------------------------------------------------------------------------------- commands


def _options(  # noqa: PLR0913 - each is an option of its own
    day: Day = "",
    days: Days = "",
    month: Month = "",
    english: English = False,
    output: Output = As.table,
    table: Wanted = "",
    html: Html = None,
) -> Asked:
    """The options of all these commands."""
    return Asked((day, days, month), output, table, html, english)


def _command(command: Callable[..., None]) -> None:
    """A command of its own arguments, with the options of all behind them; it gets these as one ``Asked``."""
    own, shared = (list(signature(each, eval_str=True).parameters.values()) for each in (command, _options))

    @wraps(command)
    def run(**given: Any) -> None:
        asked = _options(**{each.name: given.pop(each.name) for each in shared})
        command(asked, **given)

    run.__signature__ = Signature([*own[1:], *shared])  # type: ignore[attr-defined]
    app.command()(run)


@_command
def agent(
    asked: Asked, who: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's number, or name.")]
) -> None:
    """An agent's days: calls, times, alerts and how they were judged. Without days: yesterday."""
    with opened() as (store, settings):
        span = asked.span(store, _yesterday)
        what = Words(f"归档里没有坐席 {who}", f"agent {who} is in no call of the archive")
        number, name = _found(store, asked, who, figures_rows.agent_named, figures_rows.agents, what)
        teams = {title: team.agents for title, team in settings.wall.teams.items()}

        def report(connection: Connection) -> Report:
            rows = figures_rows.of_agent(connection, span, number, name)
            if not rows.took and not rows.fired:
                what = Words(f"{name or number}没有通话", f"no call of {name or number}")
                _nothing(connection, asked, span, what)
            return agent_report(figures_of_agent.agent_figures(rows, span, teams, store.zone), asked.now, store.zone)

        _show(store, asked, span, {"agent": number, "agent_name": name}, report)


@_command
def rule(asked: Asked, which: Annotated[str, typer.Argument(metavar="RULE", help="The rule's id, or title.")]) -> None:
    """A rule's days: its alerts, how they were judged, its precision. Without days: this month."""
    with opened() as (store, _):
        span = asked.span(store, lambda now: figures_days.month(f"{now:%Y-%m}"))
        what = Words(f"归档里没有规则 {which} 的告警", f"rule {which} has no alert in the archive")
        named = _found(store, asked, which, figures_rows.rule_named, figures_rows.rules, what)

        def report(connection: Connection) -> Report:
            rows = figures_rows.of_rule(connection, span, named)
            if not rows.fired and not rows.slots:
                _nothing(connection, asked, span, _NO_CALL)
            found = figures_of_rule.rule_figures(rows, span, store.zone)
            names = {each.name: figures_rows.name_of(connection, each.name) for each in found.above}
            return rule_report(found, names, asked.now, store.zone)

        _show(store, asked, span, {"rule": named[0], "rule_title": named[1]}, report)


@_command
def floor(asked: Asked) -> None:
    """The hotline's days: service level, times, alerts by rule, clauses broken. Without days: yesterday."""
    with opened() as (store, _):
        span = asked.span(store, _yesterday)

        def report(connection: Connection) -> Report:
            rows = figures_rows.of_floor(connection, span)
            if not rows.slots and not rows.alike:
                _nothing(connection, asked, span, _NO_CALL)
            return floor_report(figures_of_floor.floor_figures(rows, span, store.zone), asked.now, store.zone)

        _show(store, asked, span, {}, report)


_NO_CALL = Words("没有通话", "no call")


def _found(
    store: Store,
    asked: Asked,
    given: str,
    find: Callable[[Connection, str], _T | None],
    every: Callable[[Connection], Sequence[str]],
    what: Words,
) -> _T:
    """Who or which is meant; exit 2 where there is none (``what``): nothing is shown, so nothing is noted."""
    with store.reading() as connection:
        found = find(connection, given)
        known = () if found else every(connection)
    if found is None:
        _unknown(asked, what, given, known)
    return found


def _show(
    store: Store, asked: Asked, span: Span, of: Mapping[str, str], report: Callable[[Connection], Report]
) -> None:
    """Note whose figures are looked at, and show them."""
    reads.note(store, "figures", {**of, "days": str(span)})
    with store.reading() as connection:
        made, first = report(connection), _first(connection)
    asked.show(made, span, first)


def _first(connection: Connection) -> date | None:
    kept = figures_rows.kept(connection)
    return date.fromisoformat(kept[0]) if kept else None


def _yesterday(now: datetime) -> Span:
    before = now.date() - timedelta(days=1)
    return Span(before, before)


def _unknown(asked: Asked, what: Words, name: str, known: Sequence[str]) -> NoReturn:
    """Say that there is no such one, and what may have been meant; exit 2."""
    near, some = get_close_matches(name, known, n=1), ", ".join(known[:10])
    if near:
        mend = Words(f"是不是 {near[0]}？", f"did you mean {near[0]}?")
    elif known:
        mend = Words(f"有 {len(known):,} 个，例如 {some}", f"there are {len(known):,}, such as {some}")
    else:
        mend = Words("归档还是空的", "the archive is empty")
    _refuse(asked.words(Words(f"{what.zh}：{mend.zh}", f"{what.en}: {mend.en}")))


def _nothing(connection: Connection, asked: Asked, span: Span, what: Words) -> NoReturn:
    """Say that there is nothing in these days, and where there is something; exit 1."""
    when, kept = days_words(span), figures_rows.kept(connection)
    if kept is None:
        more = Words(
            "归档里还没有通话（由 sansheng archive 写入）",
            "the archive holds no call yet (`sansheng archive` takes them)",
        )
    else:
        held = days_words(figures_days.days("..".join(kept)))
        more = Words(f"归档中有 {held.zh} 的通话", f"the archive holds calls of {held.en}")
    say(asked.words(Words(f"{when.zh}{what.zh}；{more.zh}", f"{when.en}: {what.en}; {more.en}")), style="yellow")
    raise typer.Exit(1)


# --------------------------------------------------------------------------------------------------- printing


def as_csv(report: Report, table: Table, *, english: bool) -> bytes:
    """One table for a spreadsheet: UTF-8 with its mark, one header row, all rows."""
    columns = [(n, column) for n, column in enumerate(table.columns) if column.where != "shown"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(column.words.en if english else column.words.zh for _, column in columns)
    for row in table.rows:
        cells = (raw(row[n], column.kind, report.zone, english=english) for n, column in columns)
        writer.writerow(_safe(cell) for cell in cells)
    return (_BOM + out.getvalue()).encode()


def _safe(cell: str | int | float) -> str | int | float:
    """A name that looks like a formula is told apart from one."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


class Printing:
    """Prints a report on a terminal, or into a pipe."""

    def __init__(self, report: Report, *, english: bool) -> None:
        self._report, self._english = report, english

    def show(self, tables: list[Table], *, whole: bool) -> None:
        """``whole``: the sentences and notes too."""
        console, printed = Console(highlight=False), [self._table(table) for table in tables if table.rows]
        if not console.is_terminal:  # in a pipe the lines are as long as need be
            wide = console.options.update(max_width=10_000)
            console = Console(width=max([80, *(console.measure(t, options=wide).maximum for t in printed)]))
        title = f"{self._text(self._report.about)} · {self._text(self._report.days)} · {self._text(self._report.title)}"
        if whole:
            console.print(Text(title, style="bold"), soft_wrap=True)
            for sentence in self._report.summary:
                console.print(Text(self._text(sentence)), soft_wrap=True)
        for table, given in zip(printed, (t for t in tables if t.rows), strict=True):
            console.print()
            console.print(table)
            self._told_below(console, given)
        if whole:
            console.print()
            for note in self._report.notes:
                console.print(Text(f"· {self._text(note)}", style="dim"), soft_wrap=True)

    def _text(self, words: Words) -> str:
        return words.en if self._english else words.zh

    def _table(self, table: Table) -> Printed:
        printed = Printed(title=Text(self._text(table.title)), title_justify="left")
        columns = [(n, column) for n, column in enumerate(table.columns) if column.where != "csv"]
        for _, column in columns:
            is_left = column.kind in ("text", "moment")
            printed.add_column(Text(self._text(column.words)), justify="left" if is_left else "right", overflow="fold")
        for row in table.rows[:LISTED]:
            cells = (shown(row[n], column.kind, self._report.zone) for n, column in columns)
            printed.add_row(*(Text(self._text(cell)) for cell in cells))
        return printed

    def _told_below(self, console: Console, table: Table) -> None:
        more = len(table.rows) - LISTED
        if more > 0:
            where = f"--format csv --table {table.name}"
            words = Words(f"另有 {more:,} 行，全部见 {where}", f"{more:,} more rows: {where}")
            console.print(Text(self._text(words), style="dim"), soft_wrap=True)
        if table.note.zh:
            console.print(Text(self._text(table.note), style="dim"), soft_wrap=True)
