"""The report of a back-test: one HTML page for a quality manager, complete in itself.

Owns what stands on the page; the markup is in ``report.html``. The page loads nothing, runs no script and escapes all
that comes from traces and rulebooks. Chinese, with English at the press of a switch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import jinja2
from msgspec import Struct

from streams.backtest.compare import Change
from streams.backtest.picture import LEFT, RIGHT, WIDTH, clock
from streams.backtest.run import Outcome, Row
from streams.days import ZONE

#: So many changes are listed under the rules; the NDJSON has all of them.
LISTED = 1000

WORDS = {
    "new": ("新增", "new"),
    "gone": ("消失", "gone"),
    "changed": ("变化", "changed"),
    "severity": ("严重程度", "severity"),
    "time": ("时间", "time"),
    "sentence": ("文字", "sentence"),
    "notice": ("提示", "notice"),
    "warning": ("警告", "warning"),
    "critical": ("严重", "critical"),
    "agent": ("坐席", "agent"),
    "customer": ("客户", "customer"),
    "system": ("系统", "system"),
    "offered": ("排队", "queued"),
    "ringing": ("振铃", "ringing"),
    "talking": ("通话", "talking"),
    "held": ("保持", "on hold"),
    "transferring": ("转接", "transfer"),
    "inbound": ("呼入", "inbound"),
    "outbound": ("呼出", "outbound"),
    "opened": ("出现", "opened"),
    "raised": ("升级", "raised"),
    "cleared": ("解除", "cleared"),
    "draft": ("草稿", "draft"),
    "trial": ("试行", "trial"),
    "live": ("正式", "live"),
    "retired": ("停用", "retired"),
    "": ("无此规则", "not there"),
}

#: The wall's shapes for severities, on a grid of 24.
SHAPES = {
    "critical": "M8 1h8l7 7v8l-7 7H8l-7-7V8z",
    "warning": "M12 1.5 23.5 22H.5z",
    "notice": "M12 1a11 11 0 1 1 0 22 11 11 0 0 1 0-22z",
}


class Listed(Struct, frozen=True):
    """A change in the list of its rule; ``anchor`` empty: its call is not drawn."""

    change: Change
    anchor: str


class Group(Struct, frozen=True):
    """The changes of one rule that are listed, and how many more there are."""

    row: Row
    listed: tuple[Listed, ...]
    more: int


def anchors(outcome: Outcome) -> dict[int, str]:
    """The anchor of each drawn change in the page, by the change's ``id()``."""
    return {id(item.change): f"c{n}-{item.number}" for n, drawn in enumerate(outcome.drawn, 1) for item in drawn.items}


def render(outcome: Outcome) -> str:
    """The page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("streams.backtest", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": clock, "wall_clock": _wall_clock, "day": _day, "number": "{:,}".format}
    template = environment.get_template("report.html")
    moved = sorted((r for r in outcome.rows if r.differs), key=lambda r: -(r.new + r.gone + r.changed))
    rest = [row for row in outcome.rows if not row.differs and (row.before or row.now)]
    changed_calls = {change.alert.call for change in outcome.changes}
    return template.render(
        o=outcome,
        moved=moved,
        same=rest,
        silent=[row for row in outcome.rows if not row.differs and not row.before and not row.now],
        total=total(outcome.rows),
        groups=_groups(outcome, moved),
        changed_calls=len(changed_calls),
        undrawn=len(changed_calls) - len(outcome.drawn),
        words=WORDS,
        shapes=SHAPES,
        left=LEFT,
        right=RIGHT,
        width=WIDTH,
    )


def total(rows: Sequence[Row]) -> dict[str, int]:
    """The sums of the columns that can be added up."""
    return {name: sum(getattr(row, name) for row in rows) for name in ("before", "now", "new", "gone", "changed")}


def _groups(outcome: Outcome, moved: Sequence[Row]) -> list[Group]:
    """The changes by rule. Drawn ones come first where not all can be listed; of each rule as many."""
    known, by_rule = anchors(outcome), defaultdict[str, list[Change]](list)
    for change in outcome.changes:
        by_rule[change.alert.rule].append(change)
    share = max(10, LISTED // max(1, len(moved)))
    groups = []
    for row in moved:
        changes = by_rule[row.rule]
        first = sorted(changes, key=lambda change: id(change) not in known)[:share]
        listed = tuple(Listed(c, known.get(id(c), "")) for c in sorted(first, key=lambda c: c.alert.at))
        groups.append(Group(row, listed, len(changes) - len(listed)))
    return groups


def _wall_clock(at: float) -> str:
    """The hotline's own time of day."""
    return f"{datetime.fromtimestamp(at, ZONE):%H:%M:%S}"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, ZONE):%Y-%m-%d}"
