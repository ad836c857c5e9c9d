"""A rule's days in words: the sentences and tables of the report.

Owns what is said where a figure would be unfair or would rest on too little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from streams.alerts import agent_en, agent_zh, duration_en, duration_zh
from streams.archive.figures_facts import FAIR_AGENTS, FAIR_CALLS, FAIR_JUDGED, Sure
from streams.archive.figures_of_rule import Exposed, Part, RuleFigures
from streams.archive.figures_report import (
    ALERTS,
    APPEALS,
    COUNTED,
    INTERVAL,
    OPEN,
    REASONS,
    SEVERITIES,
    SHARE,
    WRONG,
    Cell,
    Chart,
    Column,
    Figure,
    Missing,
    Report,
    Series,
    Table,
    Tile,
    Words,
    days_words,
    figures_table,
    interval,
    notes,
    part_of,
    percent,
    queue_words,
)


def rule_report(found: RuleFigures, names: Mapping[str, str], made_at: float, zone: ZoneInfo) -> Report:
    """A rule's days; ``names``: of the agents that are told."""
    return Report(
        title=Words("规则月报" if found.span.is_month else "规则报告", "A rule's figures"),
        about=Words(f"{found.title}（{found.rule}）", f"{found.title_en or found.title} ({found.rule})"),
        days=days_words(found.span),
        made_at=made_at,
        zone=zone,
        summary=(_summary(found), _precision_sentence(found.sure)),
        tiles=_tiles(found),
        charts=_charts(found),
        tables=tuple(_tables(found, names)),
        notes=_notes(found),
    )


def _tiles(found: RuleFigures) -> tuple[Tile, ...]:
    judged = found.sure.judged
    done = judged.right + judged.wrong
    return (
        Tile(ALERTS, found.alerts, "count", Words("条", "in all")),
        Tile(
            Words("涉及电话", "calls with it"),
            found.with_it,
            "count",
            part_of(found.with_it, found.ended),
        ),
        Tile(
            Words("准确率", "precision"),
            Missing(Words(f"判定不足 {FAIR_JUDGED} 条", f"under {FAIR_JUDGED} judged"))
            if found.sure.share is None
            else found.sure.share,
            "share",
            Words(
                f"95% 区间 {interval(found.sure.within)}" if found.sure.within else f"已判 {done:,} 条",
                f"95%: {interval(found.sure.within)}" if found.sure.within else f"{done:,} judged",
            ),
        ),
        Tile(COUNTED, judged.right, "count", Words(f"已判 {done:,} 条", f"of {done:,} judged")),
        Tile(WRONG, judged.wrong, "count", Words(f"已判 {done:,} 条", f"of {done:,} judged")),
        Tile(OPEN, judged.undecided, "count", Words(f"共 {found.alerts:,} 条", f"of {found.alerts:,}")),
    )


def _notes(found: RuleFigures) -> tuple[Words, ...]:
    return notes(
        Words(
            "准确率＝属实÷（属实＋误报），只就已判定的告警而言；区间为 95% 威尔逊区间",
            "Precision is right of right and false, of judged alerts alone; the interval is Wilson's, 95%",
        ),
        Words(
            f"有 {found.ended - found.listened:,} 通电话没有语音识别，要听内容的规则在其中不会告警",
            f"Nobody listened to {found.ended - found.listened:,} calls; a rule that needs ears raises nothing there",
        )
        if found.ended > found.listened
        else None,
        Words(
            f"其中 {found.trial:,} 条是试行期间的告警，不计入任何坐席",
            f"{found.trial:,} of the alerts are of the rule on trial, and count against nobody",
        )
        if found.trial
        else None,
        _above_words(found),
    )


def _summary(found: RuleFigures) -> Words:
    zh = f"告警 {found.alerts:,} 条"
    en = f"{found.alerts:,} alerts"
    if found.ended:
        of = percent(found.with_it / found.ended)
        zh += f"，涉及 {found.with_it:,} 通电话，占已结束的 {found.ended:,} 通的 {of}"
        en += f" in {found.with_it:,} calls, {of} of the {found.ended:,} that ended"
    if found.decided.median_s is not None:
        zh += f"；一半的判定在告警后 {duration_zh(found.decided.median_s)}内作出"
        en += f"; half of the verdicts came within {duration_en(found.decided.median_s)}"
    return Words(zh + "。", en + ".")


def _precision_sentence(found: Sure) -> Words:
    judged = found.judged
    done = judged.right + judged.wrong
    zh = f"已判 {done:,} 条：属实 {judged.right:,} 条，误报 {judged.wrong:,} 条，"
    en = f"{done:,} judged: {judged.right:,} right, {judged.wrong:,} false alarms; "
    if found.share is None:
        return Words(
            f"{zh}不足 {FAIR_JUDGED} 条，还说不出准确率；待判定 {judged.undecided:,} 条。",
            f"{en}fewer than {FAIR_JUDGED}, too few to tell a precision; {judged.undecided:,} not judged.",
        )
    return Words(
        f"{zh}准确率 {percent(found.share)}（95% 区间 {interval(found.within)}）；待判定 {judged.undecided:,} 条。",
        f"{en}precision {percent(found.share)} (95% interval {interval(found.within)}); "
        f"{judged.undecided:,} not judged.",
    )


def _above_words(found: RuleFigures) -> Words:
    if found.fair < FAIR_AGENTS or found.overall.share is None:
        return Words(
            f"参与过不少于 {FAIR_CALLS} 通电话的坐席不足 {FAIR_AGENTS} 名，不作坐席比较",
            f"Fewer than {FAIR_AGENTS} agents had at least {FAIR_CALLS} calls: agents are not compared",
        )
    zh = f"比较了 {found.fair:,} 名参与过不少于 {FAIR_CALLS} 通电话的坐席（只计属实的告警）"
    en = f"{found.fair:,} agents with at least {FAIR_CALLS} calls were compared, by right alerts"
    if not found.above:
        return Words(f"{zh}：没有人明显高于总体", f"{en}: none lies clearly above all")
    return Words(f"{zh}；只列出明显高于总体的，不排名", f"{en}; only those clearly above all are told, and not ranked")


def _verdict_chart(title: Words, parts: Sequence[Part], labels: Sequence[str]) -> Chart:
    series = (
        Series(COUNTED, "bad", tuple(part.judged.right for part in parts)),
        Series(WRONG, "wrong", tuple(part.judged.wrong for part in parts)),
        Series(OPEN, "open", tuple(part.judged.undecided for part in parts)),
    )
    return Chart(title, "bars", tuple(labels), series)


def _charts(found: RuleFigures) -> tuple[Chart, ...]:
    by_day = _verdict_chart(Words("每日告警", "Alerts by day"), found.by_day, [p.name for p in found.by_day])
    by_hour = _verdict_chart(Words("一天中的时段", "Hours of the day"), found.by_hour, [p.name for p in found.by_hour])
    return (by_day, by_hour) if len(found.by_day) > 1 else (by_hour,)


def _parts(name: str, title: Words, first: tuple[Column, ...], rows: Iterable[tuple[tuple[Cell, ...], Part]]) -> Table:
    columns = (*first, Column(ALERTS), Column(COUNTED), Column(WRONG), Column(OPEN))
    made = tuple((*cells, p.total, p.judged.right, p.judged.wrong, p.judged.undecided) for cells, p in rows)
    return Table(name, title, columns, made)


def _tables(found: RuleFigures, names: Mapping[str, str]) -> Iterable[Table]:
    yield _figures(found)
    yield _parts(
        "severities",
        Words("按严重程度", "By severity"),
        (Column(Words("严重程度", "severity"), "text"),),
        (((SEVERITIES[p.name],), p) for p in found.by_severity if p.total),
    )
    if found.reasons:
        yield _reasons(found)
    yield _parts(
        "versions",
        Words("规则集版本", "Versions of the rulebook"),
        (
            Column(Words("版本", "version"), "text"),
            Column(Words("首条告警", "first alert"), "moment"),
            Column(Words("末条告警", "last alert"), "moment"),
        ),
        (((p.name, p.since, p.until), p) for p in found.by_version),
    )
    if found.queues:
        yield _queues(found)
    if found.above:
        yield _agents(found, names)
    yield _parts(
        "days", Words("每日", "By day"), (Column(Words("日期", "day"), "text"),), (((p.name,), p) for p in found.by_day)
    )
    yield _parts(
        "hours",
        Words("每小时", "By hour"),
        (Column(Words("时段", "hour"), "text"),),
        (((f"{p.name}:00",), p) for p in found.by_hour if p.total),
    )


def _figures(found: RuleFigures) -> Table:
    judged, appeals = found.sure.judged, found.appeals
    appealed = sum(appeals.get(name, 0) for name in APPEALS)
    alerts, ended = Words("全部告警", "all alerts"), Words("已结束的电话", "calls that have ended")
    done, closed = judged.right + judged.wrong, Words("已判定的告警", "judged alerts")
    return figures_table(
        (
            Figure(ALERTS, found.alerts, "count"),
            Figure(Words("涉及电话", "calls with it"), found.with_it, "count", ended, found.ended),
            Figure(
                Words("其中有语音识别的", "of these listened to"),
                found.with_it_heard,
                "count",
                Words("有语音识别的电话", "calls listened to"),
                found.listened,
            ),
            Figure(COUNTED, judged.right, "count", closed, done),
            Figure(WRONG, judged.wrong, "count", closed, done),
            Figure(OPEN, judged.undecided, "count", alerts, found.alerts),
            Figure(Words("准确率", "precision"), found.sure.share, "share", closed, done),
            *(
                Figure(Words(f"准确率区间{zh}", f"precision, interval {en}"), bound, "share", closed, done)
                for zh, en, bound in zip(
                    ("下限", "上限"), ("from", "to"), found.sure.within or (None, None), strict=True
                )
            ),
            Figure(
                Words("判定用时中位数", "median time to a verdict"),
                found.decided.median_s,
                "seconds",
                closed,
                found.decided.n,
            ),
            Figure(Words("提出申诉", "appealed"), appealed, "count", alerts, found.alerts),
            *(
                Figure(words, appeals.get(name, 0), "count", Words("提出申诉的告警", "appealed alerts"), appealed)
                for name, words in APPEALS.items()
            ),
        )
    )


def _reasons(found: RuleFigures) -> Table:
    total = sum(found.reasons.values())
    return Table(
        "reasons",
        Words("误报的原因", "Why alerts were false"),
        (Column(Words("原因", "reason"), "text"), Column(Words("误报", "false alarms")), Column(SHARE, "share")),
        tuple((REASONS[reason], n, n / total) for reason, n in found.reasons.items()),
    )


def _queues(found: RuleFigures) -> Table:
    return _exposed(
        "queues",
        Words("按队列", "By queue"),
        Words("队列", "queue"),
        [(queue_words(each.name), each) for each in found.queues],
        Words(
            f"不足 {FAIR_CALLS} 通的队列 {found.few_queues} 个未列出",
            f"{found.few_queues} queues with fewer than {FAIR_CALLS} calls are left out",
        )
        if found.few_queues
        else Words("", ""),
    )


def _agents(found: RuleFigures, names: Mapping[str, str]) -> Table:
    rows: list[tuple[Cell, Exposed]] = [
        (Words(agent_zh(e.name, names.get(e.name)), agent_en(e.name, names.get(e.name))), e) for e in found.above
    ]
    everybody = Words("全部可比坐席", "all compared")
    return _exposed(
        "agents",
        Words("明显高于总体的坐席（只计属实）", "Agents clearly above all (right alerts alone)"),
        Words("坐席", "agent"),
        [*rows, (everybody, found.overall)],
        Words(
            "已按比较的人数从严判断；偏高可有多种原因，请先听录音再谈",
            "The more people are compared, the surer it had to be; there may be many reasons, so listen first",
        ),
    )


def _exposed(name: str, title: Words, first: Words, rows: Iterable[tuple[Cell, Exposed]], note: Words) -> Table:
    columns = (
        Column(first, "text"),
        Column(Words("涉及电话", "calls with it")),
        Column(Words("电话", "calls")),
        Column(SHARE, "share"),
        Column(INTERVAL, "text", "shown"),
        Column(Words("区间下限", "interval from"), "share", "csv"),
        Column(Words("区间上限", "interval to"), "share", "csv"),
    )
    made = tuple((cell, e.hits, e.of, e.share, interval(e.within), *(e.within or (None, None))) for cell, e in rows)
    return Table(name, title, columns, made, note)
