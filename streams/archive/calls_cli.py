"""``sansheng calls …``: find ended calls, and read one. Owns options and printing; the words are in ``calls_told``.

What is asked for is noted before anything is shown (``reads``).
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, NoReturn
from zoneinfo import ZoneInfo

import msgspec
import typer
from msgspec import to_builtins
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, select

from streams import events
from streams.alerts import AlertChange, Severity
from streams.archive import past, reads, search
from streams.archive.archive_cli import opened
from streams.archive.calls_told import Story, Told
from streams.archive.figures_rows import rule_named
from streams.archive.schema import alerts, calls
from streams.archive.search import BadQueryError, Found, Hit, Query, Said
from streams.archive.store import Store
from streams.call import Stretch, is_telephony
from streams.core import CallState, NoRules, step
from streams.events import AnyEvent, Role, Transcript
from streams.phrases.normal import masked
from streams.rulebook.reading import nearest
from streams.settings import Settings
from streams.terminal import Format, book_of, say
from streams.verdicts import Standing

app = typer.Typer(help="Ended calls of the archive: find them, and read one.", no_args_is_help=True)

#: A spreadsheet takes what begins so for a formula, whoever said it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Excel takes a file for UTF-8 by its first three bytes.
_BOM = "\ufeff"
#: What a row takes beside time and id, letters: less is not to be read.
_BESIDE = 80


class As(StrEnum):
    """How found calls are printed."""

    table = "table"
    ndjson = "ndjson"
    csv = "csv"


#: How an alert stands: what was found, or that an appeal waits.
How = Literal["open", "true", "false", "appealed"]
English = Annotated[bool, typer.Option("--english", help="English instead of Chinese.")]


@app.command("find")
def find_command(  # noqa: PLR0913 - each is an option of its own
    text: Annotated[list[str], typer.Argument(help="Words that were said; all of them, anywhere in the call.")] = [],  # noqa: B006 - typer's way
    sounds_like: Annotated[list[str], typer.Option("--sounds-like", help="Words that sound like these.")] = [],  # noqa: B006 - typer's way
    by: Annotated[Role | None, typer.Option("--by", help="Who said it.", show_default="either")] = None,
    since: Annotated[str, typer.Option("--from", help="2026-11-20, or '2026-11-20 14:30'.")] = "",
    until: Annotated[str, typer.Option("--until", help="The same; a day is meant with all its hours.")] = "",
    day: Annotated[str, typer.Option("--day", help="2026-11-20")] = "",
    queue: Annotated[str, typer.Option(help="The queue in which the call waited.")] = "",
    agent: Annotated[str, typer.Option(help="Number or name of one who took part.")] = "",
    rule: Annotated[str, typer.Option(help="Id or title of a rule that fired.")] = "",
    severity: Annotated[Severity | None, typer.Option(help="An alert of that severity or graver.")] = None,
    finding: Annotated[How | None, typer.Option(help="How that alert stands.")] = None,
    longer: Annotated[float | None, typer.Option(min=0, help="Seconds, at least.")] = None,
    shorter: Annotated[float | None, typer.Option(min=0, help="Seconds, at most.")] = None,
    limit: Annotated[int, typer.Option(help="So many calls at most.")] = 20,
    after: Annotated[str, typer.Option(help="Go on where the last answer ended; it says how.")] = "",
    output: Annotated[As, typer.Option("--format", help="table, ndjson, or csv for a spreadsheet.")] = As.table,
    english: English = False,
) -> None:
    """Find calls by what was said, how it sounded, what fired and by their figures; the newest first."""
    with opened() as (store, settings):
        query = Query(
            said=tuple(Said(word, by) for each in text for word in each.split() or [each]),
            sounds=tuple(Said(word, by) for each in sounds_like for word in each.split() or [each]),
            since=_moment("--from", since, store.zone),
            until=_moment("--until", until, store.zone, after_days=1),
            day=_day(day).isoformat() if day else None,
            queue=queue or None,
            agent=agent or None,
            rule=_rule(rule, store, settings) if rule else None,
            severity=severity,
            finding=None if finding == "appealed" else finding,
            appeal="open" if finding == "appealed" else None,
            longer_s=longer,
            shorter_s=shorter,
            limit=limit,
            after=after,
        )
        told = Told(store.zone, english=english)
        try:
            found = search.find(store, query)
        except BadQueryError as error:
            _refuse(str(error))
        reads.note(store, "find", to_builtins(replace(query, limit=Query().limit, after="")))
        _show(found, told, output)
    _conclude(found, query, told, settings.archive.words_days)


def _show(found: Found, told: Told, output: As) -> None:
    if output is As.ndjson:
        for hit in found.hits:
            sys.stdout.write(msgspec.json.encode(hit).decode() + "\n")
    elif output is As.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        sys.stdout.write(_BOM)
        writer.writerows([told.csv_columns, *([_safe(cell) for cell in told.csv_row(hit)] for hit in found.hits)])
    elif found.hits:
        _print(found.hits, told, Console(highlight=False))


def _print(hits: Sequence[Hit], told: Told, console: Console) -> None:
    """A row each, time and id in one piece, so that an id can be copied; a block each where a row would not fit."""
    rows = [told.row(hit) for hit in hits]
    table = Table(title=Text(told.words("找到的通话", "calls found")))
    for n, name in enumerate(told.columns):
        table.add_column(name, overflow="fold", no_wrap=n in (0, len(told.columns) - 1))
    for row in rows:
        table.add_row(*map(Text, row))
    if not console.is_terminal:
        wide = console.options.update(max_width=10_000)
        console = Console(width=console.measure(table, options=wide).maximum)
    elif console.width < len(rows[0][0]) + max(len(row[-1]) for row in rows) + _BESIDE:
        for hit in hits:
            for line in told.block(hit):
                console.print(Text(line), soft_wrap=True)
            console.print()
        return
    console.print(table)


def _conclude(found: Found, query: Query, told: Told, words_days: int) -> None:
    """How many were shown and how to go on; beside what was found, so that a pipe gets only that."""
    if found.hits:
        more = f" --after {found.next}" if found.more else ""
        say(told.summary(len(found.hits), found.more) + more)
    elif query.after:
        say(told.words("没有更早的通话了", "there are no older calls"))
    else:
        say(told.nothing(query, words_days))


@app.command("show")
def show_command(
    call: Annotated[str, typer.Argument(help="The call's id, as `calls find` prints it.")],
    output: Annotated[Format, typer.Option("--format", help="table, or its record as ndjson.")] = Format.table,
    english: English = False,
) -> None:
    """Print one call as people read it, or its record, which `sansheng replay` takes."""
    with opened() as (store, settings):
        story, record = _read(store, call, settings.archive.words_days)
        reads.note(store, "record" if output is Format.ndjson else "call", call)
        if output is Format.ndjson:
            for event in record:
                sys.stdout.write(events.render(event).decode() + "\n")
            return
        for line in Told(store.zone, english=english).story(story):
            typer.echo(line)


def _read(store: Store, call: str, words_days: int) -> tuple[Story, list[AnyEvent]]:
    """All that is kept of the call; exit 2 where it is not known."""
    with store.reading() as connection:
        queries = (Query(call=call), Query(call=call, state="up"))
        found = next((hit for query in queries for hit in search.find_in(store, connection, query).hits), None)
        if found is None:
            _refuse(f"call {call!r} is not in the archive (`sansheng calls find` prints ids)")
        record = past.record(connection, call)
        listened = bool(connection.scalar(select(calls.c.listened).where(calls.c.id == call)))
        said = past.lines(connection, call)
        story = Story(found, _phases(record), said, _fired(connection, call), listened)
    is_old = found.began_at < time.time() - words_days * 86_400
    if listened and not said and is_old and not any(isinstance(event, Transcript) for event in record):
        story = story._replace(words_gone=words_days)
    return story, record


def _fired(connection: Connection, call: str) -> list[tuple[Sequence[AlertChange], Standing]]:
    by_alert: dict[str, list[AlertChange]] = {}
    for change in past.alerts_of(connection, call):
        by_alert.setdefault(change.id, []).append(change)
    judged = past.judged(connection, list(by_alert))
    return [(changes, past.stands(judged.get(alert, ()))) for alert, changes in by_alert.items()]


def _phases(record: Sequence[AnyEvent]) -> tuple[Stretch, ...]:
    """What the call went through."""
    state: CallState | None = None
    for event in filter(is_telephony, record):
        state = step(NoRules(), state, event).state or state
    if state is None:
        return ()
    call, heard_at = state.fold.call, max(event.at for event in record)
    if call.phase == "ended":
        return call.stretches
    return (*call.stretches, Stretch(call.phase, call.since, max(call.since, heard_at), call.agent))


# ------------------------------------------------------------------------------------------------ what was asked


def _rule(given: str, store: Store, settings: Settings) -> str:
    """The id of a rule that fired once, or may fire, by that or by its title; exit 2 with the nearest where there is
    none.
    """
    with store.reading() as connection:
        if named := rule_named(connection, given):
            return named[0]
        known = set(connection.scalars(select(alerts.c.rule).distinct()))
    rules = book_of(settings.rulebook).rules
    may = next((rule.id for rule in rules if given in (rule.id, rule.title, rule.en and rule.en.title)), None)
    if may is None:
        mend = nearest(given, known | {rule.id for rule in rules})
        _refuse(f"unknown rule {masked(given)!r} ({mend}; `sansheng rules list` prints ids and titles)")
    return may


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        _refuse(f"{given!r} is no day: write 2026-11-20")


def _moment(option: str, given: str, zone: ZoneInfo, after_days: int = 0) -> float | None:
    """Unix seconds; of a day its first instant, or that of the day so many days after it."""
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
        if len(given) <= len("2026-11-20"):
            moment += timedelta(days=after_days)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        _refuse(f"{option} {given!r} is no time: write 2026-11-20, or '2026-11-20 14:30'")


def _refuse(why: str) -> NoReturn:
    say(why, style="red")
    raise typer.Exit(2)


def _safe(cell: str | float) -> str | float:
    """A sentence that looks like a formula is told apart from one."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
