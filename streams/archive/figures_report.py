"""Figures in words: what stands in a manager's report, in both languages, before anything is drawn or printed.

Owns the form of a report, how a value is written for people and for a spreadsheet, and what the reports share: theirs
are ``figures_agent``, ``figures_rule`` and ``figures_floor``. Knows neither the store nor a terminal nor HTML.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import duration_en, duration_zh
from streams.archive.figures_days import Span
from streams.archive.figures_facts import FAIR_JUDGED, Sure
from streams.archive.figures_numbers import Spread, share
from streams.call import IN_TIME_S

#: So many rows of a list are shown; a spreadsheet has all.
LISTED = 400

Kind = Literal["text", "count", "number", "seconds", "share", "moment"]
#: Where a column stands: on paper and screen, in a spreadsheet, or in both.
Where = Literal["both", "shown", "csv"]


class Words(NamedTuple):
    """A text for people in both languages."""

    zh: str
    en: str


class Value(NamedTuple):
    """A value whose kind is not that of its column."""

    value: float | None
    kind: Kind


class Missing(NamedTuple):
    """No value, and why; a spreadsheet has an empty cell."""

    why: Words


Cell = None | str | int | float | Words | Value | Missing


class Column(Struct, frozen=True):
    """Of a table. ``moment``: Unix seconds; ``seconds``: a duration; ``share``: 0 to 1."""

    words: Words
    kind: Kind = "count"
    where: Where = "both"


class Table(Struct, frozen=True):
    """``name``: what it is asked for by, as CSV; ``note``: what is to be known before it is read."""

    name: str
    title: Words
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: Words = Words("", "")


class Series(Struct, frozen=True):
    """One colour of a chart; ``look``: its class in the page's style."""

    words: Words
    look: str
    values: tuple[float | None, ...]


class Chart(Struct, frozen=True):
    """``bars``: counts, stacked; ``level``: shares, 0 to 1."""

    title: Words
    kind: Literal["bars", "level"]
    labels: tuple[str, ...]
    series: tuple[Series, ...]


class Tile(Struct, frozen=True):
    """One large number; ``of``: what it is a part of."""

    words: Words
    cell: Cell
    kind: Kind
    of: Words


class Report(Struct, frozen=True):
    """``about``: of whom or what; ``days``: when; ``made_at``: Unix seconds."""

    title: Words
    about: Words
    days: Words
    made_at: float
    zone: ZoneInfo
    summary: tuple[Words, ...]
    tiles: tuple[Tile, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    notes: tuple[Words, ...]

    def table(self, name: str) -> Table | None:
        """The table of that name."""
        return next((table for table in self.tables if table.name == name), None)


# ------------------------------------------------------------------------------------------------------ values


def shown(cell: Cell, kind: Kind, zone: ZoneInfo) -> Words:
    """A cell as people read it."""
    if isinstance(cell, Words):
        return cell
    if isinstance(cell, Missing):
        return cell.why
    value, kind = cell if isinstance(cell, Value) else (cell, kind)
    if value is None:
        return Words("\u2014", "\u2014")
    if isinstance(value, str):
        return Words(value, value)
    if kind == "seconds":
        return duration(value)
    text = _shown(value, kind, zone)
    return Words(text, text)


def duration(seconds: float) -> Words:
    """Of hours, the seconds are left out."""
    rounded = 60 * round(seconds / 60) if seconds >= 3600 else seconds
    return Words(duration_zh(rounded), duration_en(rounded))


def _shown(value: float, kind: Kind, zone: ZoneInfo) -> str:
    if kind == "share":
        return percent(value)
    if kind == "moment":
        return f"{datetime.fromtimestamp(value, zone):%m-%d %H:%M:%S}"
    return f"{value:,.1f}" if kind == "number" else f"{value:,.0f}"


def raw(cell: Cell, kind: Kind, zone: ZoneInfo, *, english: bool) -> str | int | float:
    """A cell as a spreadsheet takes it: times in ISO 8601, durations in seconds, shares from 0 to 1."""
    if isinstance(cell, Words):
        return cell.en if english else cell.zh
    value, kind = cell if isinstance(cell, Value) else (cell, kind)
    if value is None or isinstance(value, Missing):
        return ""
    if isinstance(value, str | int) and kind != "moment":
        return value
    if kind == "moment":
        return datetime.fromtimestamp(float(value), zone).isoformat(timespec="seconds")
    return round(float(value), 4 if kind == "share" else 3)


def percent(value: float) -> str:
    """``0.8571`` -> ``85.7%``; what is not all is never written as all, what is not nothing never as nothing."""
    tenths = round(1000 * value)
    if tenths == 1000 and value < 1:
        tenths = 999
    if tenths == 0 and value > 0:
        return "<0.1%"
    return f"{tenths / 10:.1f}".removesuffix(".0") + "%"


def interval(within: tuple[float, float] | None) -> str:
    """``85%–93%``, ``0.3%–1.2%``: rounded outwards."""
    if within is None:
        return ""
    parts = 1000 if within[1] < 0.1 else 100
    low, high = math.floor(parts * within[0] + 1e-9), math.ceil(parts * within[1] - 1e-9)
    return f"{low * 100 / parts:g}%\u2013{high * 100 / parts:g}%"


# ---------------------------------------------------------------------------------------------------- vocabulary

DIRECTIONS = {"inbound": Words("呼入", "inbound"), "outbound": Words("呼出", "outbound")}
SEVERITIES = {
    "critical": Words("严重", "critical"),
    "warning": Words("警告", "warning"),
    "notice": Words("提示", "notice"),
}
REASONS = {
    "misheard": Words("听错了", "misheard"),
    "exempt": Words("情有可原", "excusable"),
    "rule": Words("规则不当", "rule is wrong"),
    "technical": Words("系统或线路问题", "phones or computers"),
    "other": Words("其他", "other"),
}
APPEALS = {
    "open": Words("申诉中", "open"),
    "upheld": Words("申诉成立", "upheld"),
    "dismissed": Words("申诉不成立", "dismissed"),
}
ENDED_BY = {
    "customer": Words("客户", "customer"),
    "agent": Words("坐席", "agent"),
    "system": Words("系统", "system"),
}
COUNTED, WRONG, OPEN = Words("属实", "right"), Words("误报", "false alarm"), Words("待判定", "not judged")
APPEALED = Words("申诉中", "appeal open")
ALERTS, CALLS = Words("告警", "alerts"), Words("通数", "calls")
SHARE, INTERVAL = Words("占比", "share"), Words("95% 区间", "95% interval")
LEVEL = Words(f"{IN_TIME_S:g} 秒接通率", f"answered within {IN_TIME_S:g} s")
#: Unwritten units of a spreadsheet's column of values.
UNITS = {
    "seconds": Words("秒", "s"),
    "share": Words("比例", "share"),
    "count": Words("个", "count"),
    "number": Words("个", "number"),
}
_WEEKDAYS = "一二三四五六日"


def days_words(span: Span) -> Words:
    """``2026-11-20（周五）``, ``2026 年 11 月``, or the first and the last day."""
    if span.first == span.last:
        return Words(f"{span.first}（周{_WEEKDAYS[span.first.weekday()]}）", f"{span.first} ({span.first:%a})")
    if span.is_month:
        return Words(f"{span.first.year} 年 {span.first.month} 月", f"{span.first:%B %Y}")
    return Words(f"{span.first} 至 {span.last}", f"{span.first} to {span.last}")


def titled(title: str, title_en: str) -> Words:
    """A rule's title; the Chinese one stands in where there is no other."""
    return Words(title, title_en or title)


def queue_words(queue: str) -> Cell:
    """A queue's name, or that there was none."""
    return queue or Words("（无队列）", "(no queue)")


# ------------------------------------------------------------------------------------------------ shared tables


class Figure(NamedTuple):
    """A row of the table of figures; ``of``: what it is a part of, and how many these are."""

    words: Words
    value: float | None
    kind: Kind
    of: Words = Words("", "")
    whole: int | None = None


def figures_table(rows: Iterable[Figure]) -> Table:
    """The table of single figures, each with what it is a part of."""
    columns = (
        Column(Words("指标", "figure"), "text"),
        Column(Words("数值", "value"), "number"),
        Column(Words("单位", "unit"), "text", "csv"),
        Column(Words("占比", "share"), "share"),
        Column(Words("分母", "of"), "text"),
        Column(Words("分母数", "of how many"), "count"),
    )
    made = tuple(
        (
            row.words,
            Value(row.value, row.kind),
            UNITS.get(row.kind, Words("", "")),
            share(row.value or 0, row.whole) if row.whole and row.kind == "count" else None,
            row.of,
            row.whole,
        )
        for row in rows
    )
    return Table("figures", Words("主要指标", "Figures"), columns, made)


_SPREAD = (
    Column(CALLS),
    Column(Words("合计", "sum"), "seconds"),
    Column(Words("平均", "mean"), "seconds"),
    Column(Words("中位", "median"), "seconds"),
    Column(Words("P90", "P90"), "seconds"),
    Column(Words("最长", "longest"), "seconds"),
)


def times_table(rows: Iterable[tuple[Words, Spread]]) -> Table:
    """The table of durations; what no call had is left out."""
    columns = (Column(Words("用时", "time"), "text"), *_SPREAD)
    made = tuple((words, s.n, s.total_s, s.mean_s, s.median_s, s.p90_s, s.longest_s) for words, s in rows if s.n)
    note = Words(
        "中位数和 P90（九成电话不超过此值）在不足 20 通时不列出",
        "Median and P90 (nine calls in ten are no longer) are not told of fewer than 20 calls",
    )
    return Table("times", Words("用时", "Times"), columns, made, note)


PRECISION = (
    Column(COUNTED),
    Column(WRONG),
    Column(OPEN),
    Column(Words("准确率", "precision"), "share"),
    Column(INTERVAL, "text", "shown"),
    Column(Words("区间下限", "interval from"), "share", "csv"),
    Column(Words("区间上限", "interval to"), "share", "csv"),
)


def precision_cells(found: Sure) -> tuple[Cell, ...]:
    """The cells of ``PRECISION``."""
    judged, within = found.judged, found.within
    few = Missing(Words(f"判定不足 {FAIR_JUDGED} 条", f"under {FAIR_JUDGED} judged"))
    return (
        judged.right,
        judged.wrong,
        judged.undecided,
        few if found.share is None else found.share,
        interval(within),
        *(within or (None, None)),
    )


def notes(*more: Words | None, up: int = 0, lost: int = 0) -> tuple[Words, ...]:
    """What holds of every report, and what does of this one."""
    found = [
        Words(
            "只统计已结束的电话；跨零点的电话算在开始的那一天，告警算在出现的那一天",
            "Only calls that have ended count; a call over midnight belongs to the day it began, "
            "an alert to the day it opened",
        )
    ]
    if lost:
        found.append(
            Words(
                f"另有 {lost:,} 通电话没有收到结束信号（记录中断），未计入",
                f"{lost:,} more calls were lost sight of before their end, and do not count",
            )
        )
    if up:
        found.append(Words(f"另有 {up:,} 通电话尚未结束，未计入", f"{up:,} more calls still go on, and do not count"))
    return (*found, *(each for each in more if each))


def of_calls(n: int) -> Words:
    """On how many calls a figure rests."""
    return Words(f"{n:,} 通", f"of {n:,} calls")


def part_of(part: int, whole: int) -> Words:
    """What share of how many ended calls it is."""
    found = share(part, whole)
    if found is None:
        return Words("没有已结束的电话", "no call has ended")
    return Words(f"{whole:,} 通的 {percent(found)}", f"{percent(found)} of {whole:,}")


# ------------------------------------------------------------------------------------------- days still to come


def unfinished(report: Report, span: Span) -> tuple[Words, ...]:
    """That the figures will change, where the days were not over when they were counted."""
    made_at = datetime.fromtimestamp(report.made_at, report.zone)
    if span.last < made_at.date():
        return ()
    if span.first == span.last:
        return (
            Words(
                f"这一天还没有过完，数字截至 {made_at:%H:%M}，还会变。",
                f"The day is not over: these are the figures up to {made_at:%H:%M}, and they will change.",
            ),
        )
    return (
        Words(
            f"统计期还没有结束，数字截至 {made_at.month}月{made_at.day}日 {made_at:%H:%M}，还会变。",
            f"The days are not over: these are the figures up to {made_at:%m-%d %H:%M}, and they will change.",
        ),
    )


def timely(report: Report, span: Span, first: date | None) -> Report:
    """It says when its days are not over; of days to come, or before ``first``, it has a dash: nobody has seen them."""
    today = datetime.fromtimestamp(report.made_at, report.zone).date()
    seen = {str(each) for each in span.dates if first is not None and first <= each <= today}
    tables = tuple(_seen(table, seen) if table.name == "days" else table for table in report.tables)
    return replace(report, summary=(*report.summary, *unfinished(report, span)), tables=tables)


def _seen(table: Table, seen: Collection[str]) -> Table:
    rows = tuple(row if row[0] in seen else (row[0], *(None for _ in row[1:])) for row in table.rows)
    return replace(table, rows=rows)
