"""Tables that are printed and written into the documentation, in one form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table as RichTable


class Table(NamedTuple):
    """``note`` stands below it. The first column is text, the others are figures."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def show(console: Console, table: Table) -> None:
    """On the terminal."""
    drawn = RichTable(title=table.title, title_justify="left", caption=table.note or None, caption_justify="left")
    for number, column in enumerate(table.columns):
        drawn.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*row)
    console.print(drawn)


def from_rich(drawn: RichTable, title: str) -> Table:
    """What another bench has drawn for the terminal, under another title."""
    columns = [str(column.header) for column in drawn.columns]
    cells = [[str(cell) for cell in column.cells] for column in drawn.columns]
    return Table(title, columns, list(zip(*cells, strict=True)))


def markdown(tables: Sequence[Table]) -> str:
    """One after the other, each under its title."""
    return "\n\n".join(map(_markdown, tables))


def _markdown(table: Table) -> str:
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    drawn = "\n".join(f"| {' | '.join(line)} |" for line in cells)
    return f"**{table.title}**\n\n{drawn}" + (f"\n\n{table.note}" if table.note else "")


def write(page: Path, section: str, text: str) -> None:
    """Replace what stands between ``<!-- section -->`` and ``<!-- /section -->``; what people wrote around it stays.

    Raises:
        ValueError: the page has no such place.
    """
    begin, end = f"<!-- {section} -->", f"<!-- /{section} -->"
    before, opened, rest = page.read_text("utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise ValueError(f"{page}: no {begin} … {end} to write into (put these two lines where the tables belong)")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")
