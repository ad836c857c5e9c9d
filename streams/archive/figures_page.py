"""A manager's report as a page to print: one HTML file, complete in itself.

Owns the geometry of its charts; the markup is in ``figures.html``. The page loads nothing, runs no script and escapes
all that comes from the store. ::

    60 ┤      ▒▒
    40 ┤  ▓▓  ▓▓  ░░       bars: one a label, its series on top of each other
    20 ┤  ██  ██  ██
       └──09──10──11──
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

import jinja2
from msgspec import Struct

from streams.archive.figures_report import LISTED, Cell, Chart, Column, Kind, Report, Series, Words, percent, shown

#: Units of a chart; the plot lies between these.
LEFT, RIGHT, WIDTH, TOP, BOTTOM, HEIGHT = 56.0, 992.0, 1000.0, 12.0, 172.0, 196.0
#: So many labels fit below a chart, and so many letters of one.
_LABELS, _LETTERS = 16, 5
#: A bar is never wider than that, and leaves so much of its place free.
_WIDEST, _FREE = 46.0, 0.28
#: Between the lines of the scale: the first that gives few enough.
_LINES = 4


class Bar(Struct, frozen=True):
    """A piece of a bar; ``says``: what it stands for."""

    x: float
    y: float
    width: float
    height: float
    look: str
    says: Words


class Mark(Struct, frozen=True):
    """A label of an axis."""

    at: float
    text: str


class Drawn(Struct, frozen=True):
    """A chart; ``says``: what somebody who does not see it is told. ``line``: points of a level, in pieces."""

    title: Words
    says: Words
    series: tuple[Series, ...]
    bars: tuple[Bar, ...]
    dots: tuple[Bar, ...]
    line: tuple[str, ...]
    across: tuple[Mark, ...]
    up: tuple[Mark, ...]


def render(report: Report, *, english: bool = False) -> str:
    """The page; ``english``: in which language it opens, the switch at its top has the other."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("streams.archive", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def written(cell: Cell, kind: Kind) -> Words:
        return shown(cell, kind, report.zone)

    made_at = datetime.fromtimestamp(report.made_at, report.zone)
    return environment.get_template("figures.html").render(
        r=report,
        english=english,
        made_at=f"{made_at:%Y-%m-%d %H:%M}",
        drawn=[draw(chart) for chart in report.charts],
        tables=[(table, _columns(table.columns)) for table in report.tables if table.rows],
        written=written,
        listed=LISTED,
        left=LEFT,
        right=RIGHT,
        width=WIDTH,
        height=HEIGHT,
        bottom=BOTTOM,
    )


def _columns(columns: tuple[Column, ...]) -> list[tuple[int, Column]]:
    """Those that people see, each with its place in a row."""
    return [(n, column) for n, column in enumerate(columns) if column.where != "csv"]


def draw(chart: Chart) -> Drawn:
    """The picture of a chart."""
    highest, step = (1.0, 0.25) if chart.kind == "level" else _scale(chart)
    is_level = chart.kind == "level"
    return Drawn(
        title=chart.title,
        says=_told(chart),
        series=tuple(series for series in chart.series if any(series.values)),
        bars=() if is_level else tuple(_bars(chart, highest)),
        dots=tuple(_dots(chart, chart.series[0])) if is_level else (),
        line=tuple(_line(chart, chart.series[0])) if is_level else (),
        across=tuple(_across(chart)),
        up=tuple(_up(highest, step, is_share=is_level)),
    )


def _told(chart: Chart) -> Words:
    names = [series.words for series in chart.series if any(series.values)]
    return Words(
        chart.title.zh + "：" + "、".join(name.zh for name in names),
        chart.title.en + ": " + ", ".join(name.en for name in names),
    )


def _scale(chart: Chart) -> tuple[float, float]:
    """How far the scale goes, and from line to line."""
    most = (
        max((sum(series.values[n] or 0 for series in chart.series) for n in range(len(chart.labels))), default=0) or 1
    )
    rough = most / _LINES
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(1.0, next(power * n for n in (1, 2, 5, 10) if power * n >= rough))
    return step * math.ceil(most / step), step


def _y(value: float, highest: float) -> float:
    return round(BOTTOM - value / highest * (BOTTOM - TOP), 1)


def _middle(n: int, labels: int) -> float:
    return round(LEFT + (n + 0.5) * (RIGHT - LEFT) / labels, 1)


def _bars(chart: Chart, highest: float) -> Iterator[Bar]:
    place = (RIGHT - LEFT) / len(chart.labels)
    width = round(min(_WIDEST, place * (1 - _FREE)), 1)
    for n, label in enumerate(chart.labels):
        below = 0.0
        for series in chart.series:
            value = series.values[n] or 0
            top, foot = _y(below + value, highest), _y(below, highest)
            below += value
            if value:
                says = Words(f"{label} {series.words.zh} {value:,.0f}", f"{label} {series.words.en} {value:,.0f}")
                x = round(_middle(n, len(chart.labels)) - width / 2, 1)
                yield Bar(x, top, width, round(foot - top, 1), series.look, says)


def _dots(chart: Chart, series: Series) -> Iterator[Bar]:
    for n, value in enumerate(series.values):
        if value is not None:
            says = Words(f"{chart.labels[n]} {percent(value)}", f"{chart.labels[n]} {percent(value)}")
            yield Bar(_middle(n, len(chart.labels)), _y(value, 1.0), 0, 0, series.look, says)


def _line(chart: Chart, series: Series) -> Iterator[str]:
    """Its pieces: where there is no value, there is no line."""
    piece: list[str] = []
    for n, value in enumerate((*series.values, None)):
        if value is not None:
            piece.append(f"{_middle(n, len(chart.labels))},{_y(value, 1.0)}")
        else:
            if len(piece) > 1:
                yield " ".join(piece)
            piece = []


def _across(chart: Chart) -> Iterator[Mark]:
    """As many labels as fit: of days ``11-20``."""
    every = math.ceil(len(chart.labels) / _LABELS)
    for n in range(0, len(chart.labels), every):
        yield Mark(_middle(n, len(chart.labels)), chart.labels[n][-_LETTERS:])


def _up(highest: float, step: float, *, is_share: bool) -> Iterator[Mark]:
    value = 0.0
    while value <= highest + step / 100:
        yield Mark(_y(value, highest), f"{value:.0%}" if is_share else f"{value:,.0f}")
        value += step
