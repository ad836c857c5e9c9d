"""Which clauses of the manuals are watched, by which rules, and why the others are not: the page docs/coverage.md.

A clause is watched by the rules whose quotes are from it. Owns the comparison and the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from streams.detectors.base import Rule
from streams.rulebook.book import Rulebook
from streams.rulebook.sources import Manual, Passage

#: So many characters of a clause are shown.
SHOWN = 64

_HEAD = """\
# Coverage

Each clause of the manuals that rules how a call is handled, and the rules that watch it: those that quote it under
`clause` or `also`. Where the events of the phone and the words of the call cannot show whether a clause was kept, the
reason stands there instead. A rule that is `draft` or `retired` watches nothing; its own reason stands beside it. A
long clause is cut short here, and one with several duties is several rows.

Made by `sansheng rules coverage` from `streams/rulebook/sources.yaml` and the default book; do not edit.

"""


class Row(Struct, frozen=True):
    """A clause of a manual and the rules that quote it."""

    manual: str
    passage: Passage
    rules: tuple[Rule, ...]

    @property
    def watched(self) -> bool:
        """Whether one of these rules may fire."""
        return any(rule.status in ("live", "trial") for rule in self.rules)

    @property
    def reasons(self) -> list[str]:
        """Why nothing watches it: because nothing can, or because the rule that could is switched off."""
        if self.watched:
            return []
        off = (rule.retired_because or rule.status_because for rule in self.rules)
        return [reason.strip() for reason in (self.passage.not_watched, *off) if reason.strip()]

    @property
    def gap(self) -> bool:
        """Whether nothing watches it, and nothing says why."""
        return not self.watched and not self.reasons

    @property
    def stale(self) -> bool:
        """Whether it is said that nothing can watch it while a rule does."""
        return self.watched and bool(self.passage.not_watched)


def coverage(book: Rulebook, manuals: Mapping[str, Manual]) -> list[Row]:
    """Every clause of every manual, in the order of the manuals."""
    quoting: dict[tuple[str, Passage], list[Rule]] = {}
    for rule in book.rules:
        for clause in (rule.clause, *rule.also):
            for passage in manuals[clause.manual].quoted(clause.section, clause.quote):
                rules = quoting.setdefault((clause.manual, passage), [])
                rules += [rule] * (rule not in rules)
    return [
        Row(name, passage, tuple(quoting.get((name, passage), ())))
        for name, manual in manuals.items()
        for passage in manual.clauses
    ]


def as_markdown(book: Rulebook, manuals: Mapping[str, Manual]) -> str:
    """The page."""
    rows = coverage(book, manuals)
    lines = [*_totals(rows, manuals)]
    for name, manual in manuals.items():
        lines += ["", f"## {name} {manual.title}", "", "| section | clause | watched by |", "|---|---|---|"]
        lines += [_row(row) for row in rows if row.manual == name]
    return _HEAD + "\n".join(lines) + "\n"


def _totals(rows: Sequence[Row], manuals: Mapping[str, Manual]) -> Iterator[str]:
    yield "| manual | clauses | watched | not watched, with the reason | gaps |"
    yield "|---|---|---|---|---|"
    for name, manual in (*manuals.items(), ("", None)):
        own = [row for row in rows if row.manual == name or not name]
        gaps = sum(row.gap for row in own)
        watched = sum(row.watched for row in own)
        title = f"{name} {manual.title}" if manual else "together"
        yield f"| {title} | {len(own)} | {watched} | {len(own) - watched - gaps} | {gaps} |"


def _row(row: Row) -> str:
    by = ", ".join(f"`{rule.id}` ({rule.status})" for rule in row.rules)
    why = "**gap**" if row.gap else "; ".join(row.reasons)
    cells = row.passage.section, _short(row.passage.text), ": ".join(filter(None, (by, why)))
    return f"| {' | '.join(map(_cell, cells))} |"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1].rstrip() + "…"


def _cell(text: str) -> str:
    """Text that a cell of a table can hold; a lone star of the manual is no mark of Markdown's."""
    return re.sub(r"(\||(?<!\*)\*(?!\*))", r"\\\1", text)
