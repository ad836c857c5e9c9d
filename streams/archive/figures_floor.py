"""The hotline's days in words: the sentences and tables of the report.

Owns what is said where a figure would be unfair or would rest on too little.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from streams.archive.figures_facts import FAIR_JUDGED
from streams.archive.figures_numbers import share
from streams.archive.figures_of_floor import FloorFigures, Offer, RuleOfFloor
from streams.archive.figures_report import (
    ALERTS,
    APPEALED,
    COUNTED,
    LEVEL,
    PRECISION,
    SEVERITIES,
    WRONG,
    Cell,
    Chart,
    Column,
    Figure,
    Report,
    Series,
    Table,
    Tile,
    Words,
    days_words,
    figures_table,
    notes,
    of_calls,
    part_of,
    percent,
    precision_cells,
    queue_words,
    times_table,
    titled,
)
from streams.call import IN_TIME_S


def floor_report(found: FloorFigures, made_at: float, zone: ZoneInfo) -> Report:
    """The hotline's days."""
    return Report(
        title=Words("热线日报" if found.span.first == found.span.last else "热线报告", "The hotline's figures"),
        about=Words("全部队列", "every queue"),
        days=days_words(found.span),
        made_at=made_at,
        zone=zone,
        summary=tuple(_summary(found)),
        tiles=_tiles(found),
        charts=_charts(found),
        tables=tuple(_tables(found)),
        notes=_notes(found),
    )


def _tiles(found: FloorFigures) -> tuple[Tile, ...]:
    total, wait, talk = found.total, found.spreads["wait"], found.spreads["talk"]
    return (
        Tile(Words("来电", "offered"), total.offered, "count", Words("通，已结束", "inbound, ended")),
        Tile(Words("接通", "answered"), total.answered, "count", part_of(total.answered, total.offered)),
        Tile(LEVEL, total.level, "share", Words(f"{total.known:,} 通", f"of {total.known:,}")),
        Tile(Words("客户放弃", "abandoned"), total.abandoned, "count", part_of(total.abandoned, total.offered)),
        Tile(
            Words("接通前等待", "wait for an answer"),
            wait.mean_s,
            "seconds",
            Words("平均", "mean"),
        ),
        Tile(
            Words("平均通话", "mean talk"),
            talk.mean_s,
            "seconds",
            of_calls(talk.n),
        ),
    )


def _notes(found: FloorFigures) -> tuple[Words, ...]:
    return notes(
        Words(
            f"{IN_TIME_S:g} 秒接通率＝来电后 {IN_TIME_S:g} 秒内（含第 {IN_TIME_S:g} 秒）接通÷等待时长可知的来电。"
            "依据：《客户客服对话范文》第19篇 第六十条“客户来电铃响三声（10秒）之内必须接听”",
            f"Answered within {IN_TIME_S:g} s (exactly {IN_TIME_S:g} s is in time), of calls whose wait is known. "
            "The clause: 002, part 19, article 60: a call must be answered within three rings (10 seconds)",
        ),
        Words(
            "开始记录时已在通话中的来电算作接通，但不知等了多久，不进入接通率",
            "A call found talking counts as answered; nobody knows how long it waited, so it is no part of the level",
        )
        if found.total.known < found.total.offered
        else None,
        Words(
            f"有 {found.unclear:,} 条告警的条款已不再保存，未列入条款表",
            f"The clauses of {found.unclear:,} alerts are not kept any more",
        )
        if found.unclear
        else None,
        Words(
            "试行规则的告警单独列出，不进入条款表",
            "Alerts on trial stand apart, and are no part of the table of clauses",
        )
        if found.trial
        else None,
        up=found.up,
        lost=found.lost,
    )


def _summary(found: FloorFigures) -> Iterable[Words]:
    total = found.total
    zh = f"来电 {total.offered:,} 通，接通 {total.answered:,} 通，客户放弃 {total.abandoned:,} 通"
    en = f"{total.offered:,} calls came, {total.answered:,} were answered, {total.abandoned:,} abandoned"
    if total.other:
        zh += f"，由系统释放 {total.other:,} 通"
        en += f", {total.other:,} ended by the system"
    if total.level is not None:
        zh += f"；{LEVEL.zh} {percent(total.level)}（{total.in_time:,}/{total.known:,}）"
        en += f"; {percent(total.level)} were answered within {IN_TIME_S:g} s ({total.in_time:,} of {total.known:,})"
    yield Words(zh + "。", en + ".")
    if found.outbound:
        yield Words(
            f"呼出 {found.outbound:,} 通，接通 {found.outbound_answered:,} 通，与来电分开统计。",
            f"{found.outbound:,} calls were made, {found.outbound_answered:,} answered; they count apart.",
        )
    if found.deaf:
        of = percent(found.deaf / found.answered)
        yield Words(
            f"接通的电话中有 {found.deaf:,} 通（{of}）没有语音识别：没有告警不等于没有问题。",
            f"Nobody listened to {found.deaf:,} of the answered calls ({of}): "
            "no alert there does not mean that all was well.",
        )


def _offer_charts(title: Words, level: Words, offers: Sequence[Offer]) -> tuple[Chart, ...]:
    labels = tuple(offer.name for offer in offers)
    series = (
        Series(
            Words(f"{IN_TIME_S:g} 秒内接通", f"answered within {IN_TIME_S:g} s"),
            "good",
            tuple(o.in_time for o in offers),
        ),
        Series(Words("其余接通", "answered otherwise"), "late", tuple(o.answered - o.in_time for o in offers)),
        Series(Words("客户放弃", "abandoned"), "bad", tuple(o.abandoned for o in offers)),
        Series(Words("系统释放", "ended by the system"), "open", tuple(o.other for o in offers)),
    )
    levels = Series(LEVEL, "level", tuple(o.level for o in offers))
    return Chart(title, "bars", labels, series), Chart(level, "level", labels, (levels,))


def _charts(found: FloorFigures) -> tuple[Chart, ...]:
    by_hour = _offer_charts(
        Words("来电：按时段", "Calls: hours of the day"),
        Words(f"{LEVEL.zh}：按时段", "Answered in time: hours of the day"),
        found.by_hour,
    )
    if len(found.by_day) == 1:
        return by_hour
    by_day = _offer_charts(
        Words("来电：按日", "Calls: by day"), Words(f"{LEVEL.zh}：按日", "Answered in time: by day"), found.by_day
    )
    return (*by_day, *by_hour)


_OFFER = (
    Column(Words("来电", "offered")),
    Column(Words("接通", "answered")),
    Column(Words(f"{IN_TIME_S:g} 秒内", "in time")),
    Column(Words("等待可知", "wait known")),
    Column(LEVEL, "share"),
    Column(Words("放弃", "abandoned")),
    Column(Words("放弃率", "share abandoned"), "share"),
    Column(Words("系统释放", "ended by system")),
)


def _offers(name: str, title: Words, first: Words, offers: Iterable[tuple[Cell, Offer]]) -> Table:
    rows = tuple(
        (cell, o.offered, o.answered, o.in_time, o.known, o.level, o.abandoned, share(o.abandoned, o.offered), o.other)
        for cell, o in offers
    )
    return Table(name, title, (Column(first, "text"), *_OFFER), rows)


def _tables(found: FloorFigures) -> Iterable[Table]:
    yield _figures(found)
    yield _times(found)
    yield _offers(
        "queues",
        Words("按队列", "By queue"),
        Words("队列", "queue"),
        [(queue_words(o.name), o) for o in found.by_queue],
    )
    yield _offers("days", Words("按日", "By day"), Words("日期", "day"), [(o.name, o) for o in found.by_day])
    yield _offers(
        "hours",
        Words("按时段", "Hours of the day"),
        Words("时段", "hour"),
        [(f"{o.name}:00", o) for o in found.by_hour],
    )
    if found.rules:
        yield _rules_of_floor("alerts", Words("告警", "Alerts"), found.rules)
    if found.clauses:
        yield _clauses(found)
    if found.trial:
        yield _rules_of_floor("trial", Words("试行规则的告警", "Alerts on trial"), found.trial)


def _figures(found: FloorFigures) -> Table:
    total, offered = found.total, Words("已结束的来电", "inbound calls that have ended")
    return figures_table(
        (
            Figure(Words("来电", "offered"), total.offered, "count"),
            Figure(Words("接通", "answered"), total.answered, "count", offered, total.offered),
            Figure(
                Words(f"{IN_TIME_S:g} 秒内接通", LEVEL.en),
                total.in_time,
                "count",
                Words("等待时长可知的来电", "inbound calls whose wait is known"),
                total.known,
            ),
            Figure(Words("客户放弃", "abandoned"), total.abandoned, "count", offered, total.offered),
            Figure(Words("系统释放", "ended by the system"), total.other, "count", offered, total.offered),
            Figure(Words("呼出", "calls made"), found.outbound, "count"),
            Figure(
                Words("呼出接通", "calls made and answered"),
                found.outbound_answered,
                "count",
                Words("已结束的呼出", "outbound calls that have ended"),
                found.outbound,
            ),
            Figure(
                Words("没有语音识别", "not listened to"),
                found.deaf,
                "count",
                Words("接通的电话（含呼出）", "answered calls, outbound too"),
                found.answered,
            ),
            Figure(Words("记录中断（不计入）", "lost (do not count)"), found.lost, "count"),
            Figure(Words("尚未结束（不计入）", "still on (do not count)"), found.up, "count"),
        )
    )


def _times(found: FloorFigures) -> Table:
    s = found.spreads
    return times_table(
        (
            (Words("等待（接通的来电）", "wait (answered)"), s["wait"]),
            (Words("等待（放弃的来电）", "wait (abandoned)"), s["gave_up"]),
            (Words("通话（来电）", "talk (inbound)"), s["talk"]),
            (Words("保持（有保持的来电）", "hold (calls with one)"), s["hold"]),
            (Words("等候转接（转接的来电）", "transfer (calls with one)"), s["transfer"]),
            (Words("通话（呼出）", "talk (outbound)"), s["talk_out"]),
        )
    )


def _clauses(found: FloorFigures) -> Table:
    return Table(
        "clauses",
        Words("被违反的条款", "Clauses broken"),
        (
            Column(Words("条款", "clause"), "text"),
            Column(Words("规则数", "rules")),
            Column(COUNTED),
            Column(Words("未决（含申诉中）", "open (appeals too)")),
            Column(WRONG),
        ),
        tuple((c.clause, c.rules, c.right, c.open, c.wrong) for c in found.clauses),
    )


def _rules_of_floor(name: str, title: Words, rules: Iterable[RuleOfFloor]) -> Table:
    columns = (
        Column(Words("规则", "rule"), "text"),
        Column(Words("规则编号", "id"), "text", "csv"),
        Column(ALERTS),
        *(Column(words) for words in SEVERITIES.values()),
        *PRECISION,
        Column(APPEALED),
    )
    rows = tuple(
        (titled(r.title, r.title_en), r.rule, r.total, *r.by_severity, *precision_cells(r.sure), r.appealed)
        for r in rules
    )
    note = Words(
        f"已判不足 {FAIR_JUDGED} 条的规则不给准确率", f"No precision is told of fewer than {FAIR_JUDGED} judged alerts"
    )
    return Table(name, title, columns, rows, note)
