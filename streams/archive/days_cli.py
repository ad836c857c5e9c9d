"""``sansheng archive export``: days as Parquet, written by hand; the archivist does it by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from streams.archive import day_files, days, reads
from streams.archive.archive_cli import app, opened
from streams.archive.day_files import TABLES
from streams.archive.days import BadDayError, Wrote
from streams.archive.store import Store
from streams.settings import Settings
from streams.terminal import bar, print_table, say

_MB = 1e6


@app.command("export")
def export_command(
    day: Annotated[str, typer.Option(help="One day, written whether it has changed or not: 2026-11-21.")] = "",
    span: Annotated[str, typer.Option("--days", help="Several: 2026-11-01..2026-11-21.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every day of the store.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Days that have not changed, too.")] = False,
) -> None:
    """Write days of the archive as Parquet files: those that have changed or are damaged.

    The archivist does it by itself ten minutes after a day has last changed.
    """
    if [bool(day), bool(span), every].count(True) != 1:
        say("say which days: --day 2026-11-21, --days 2026-11-01..2026-11-21, or --all", style="red")
        raise typer.Exit(2)
    asked = _days(day, ".." not in day) if day else _days(span, True) if span else ()
    with opened() as (store, settings):
        known = days.all_days(store)
        wanted = [each for each in known if every or each in asked]
        for strange in day_files.told(set(asked) - set(known)).split(", "):
            if strange:
                say(f"{strange}: the archive knows nothing of it", style="yellow")
        due = wanted if force or day else days.due_of(store, settings.archive_folder, wanted)
        if due:  # files come of it that are read elsewhere, where nobody notes it
            reads.note(store, "export", {"days": day_files.told(due)})
        wrote, failed = _write_all(store, settings, due)
    _print(wrote, settings)
    same = len(wanted) - len(wrote) - failed
    told = (f"{len(wrote)} day(s) written", f"{same} were as the store has them", f"{failed} could not be written")
    say(", ".join(text for text, n in zip(told, (True, same, failed), strict=True) if n))
    if failed or (asked and not wanted):
        raise typer.Exit(1)


def _days(text: str, fits: bool) -> tuple[str, ...]:
    try:
        if not fits:
            raise ValueError("--day takes one day (use --days for several)")
        return day_files.days_of(text)
    except ValueError as error:
        say(str(error), style="red")
        raise typer.Exit(2) from None


def _write_all(store: Store, settings: Settings, due: Iterable[str]) -> tuple[list[Wrote], int]:
    """What was written, and how many days could not be."""
    wrote, failed = list[Wrote](), 0
    for day in due:
        try:
            wrote.append(_write(store, settings, day))
        except BadDayError as error:
            say(str(error), style="red")
            failed += 1
    return wrote, failed


def _write(store: Store, settings: Settings, day: str) -> Wrote:
    with bar() as tell:
        return days.write_day(store, settings.archive_folder, day, lambda done, of: tell(f"{day}: calls", done, of))


def _print(wrote: list[Wrote], settings: Settings) -> None:
    if not wrote:
        return
    rows = [(each.day, *(f"{each.rows.get(t, 0):,}" for t in TABLES), f"{each.size / _MB:,.2f}") for each in wrote]
    total = ("total", *(f"{sum(each.rows.get(t, 0) for each in wrote):,}" for t in TABLES))
    size = f"{sum(each.size for each in wrote) / _MB:,.2f}"
    print_table(("day", *TABLES, "MB"), [*rows, (*total, size)], str(settings.archive_folder))
