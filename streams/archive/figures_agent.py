"""An agent's days in words: the sentences and tables of the report.

Owns what is said where a figure would be unfair or would rest on too little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from streams.alerts import agent_en, agent_zh, duration_en, duration_zh
from streams.archive.figures_facts import FAIR_AGENTS, FAIR_CALLS, Took
from streams.archive.figures_of_agent import AgentFigures, Compared, RuleOfAgent
from streams.archive.figures_report import (
    APPEALED,
    COUNTED,
    DIRECTIONS,
    ENDED_BY,
    OPEN,
    WRONG,
    Cell,
    Chart,
    Column,
    Figure,
    Kind,
    Missing,
    Report,
    Series,
    Table,
    Tile,
    Value,
    Words,
    days_words,
    duration,
    figures_table,
    notes,
    of_calls,
    times_table,
    titled,
)

_COMPARED: Mapping[str, tuple[Words, Kind, Words]] = {
    "talk": (Words("平均通话时长", "mean talk"), "seconds", Words("通接听", "calls taken")),
    "hold": (
        Words("平均保持时长（含没有保持的）", "mean hold (calls without one too)"),
        "seconds",
        Words("通接听", "calls taken"),
    ),
    "held": (Words("有保持的电话占比", "calls with a hold"), "share", Words("通接听", "calls taken")),
    "ring": (
        Words("接听前平均振铃", "mean ring before answering"),
        "seconds",
        Words("通振铃后接听", "answered after a ring"),
    ),
    "missed": (Words("响铃未接率", "rings missed"), "share", Words("次响铃", "rings")),
    "transferred": (Words("经过转接的电话占比", "calls with a transfer"), "share", Words("通接听", "calls taken")),
    "alerts": (Words("每百通属实告警", "right alerts per 100 calls"), "number", Words("通接听", "calls taken")),
}


def agent_report(found: AgentFigures, made_at: float, zone: ZoneInfo) -> Report:
    """An agent's days."""
    stands = found.verdicts
    about = Words(agent_zh(found.agent, found.name), agent_en(found.agent, found.name))
    return Report(
        title=Words("坐席日报" if found.span.first == found.span.last else "坐席报告", "An agent's figures"),
        about=about,
        days=days_words(found.span),
        made_at=made_at,
        zone=zone,
        summary=(_summary(found), *_alerts(found)),
        tiles=(
            Tile(Words("接听来电", "calls taken"), found.sums.taken, "count", Words("通", "inbound")),
            Tile(Words("通话合计", "talk in all"), found.talk.total_s, "seconds", Words("来电", "inbound")),
            Tile(Words("平均通话", "mean talk"), found.talk.mean_s, "seconds", of_calls(found.talk.n)),
            Tile(Words("最长保持", "longest hold"), found.hold.longest_s, "seconds", Words("单通累计", "of one call")),
            Tile(
                Words("响铃未接", "rings missed"),
                found.sums.missed,
                "count",
                Words(
                    f"共响铃 {found.sums.missed + found.sums.rings:,} 次",
                    f"of {found.sums.missed + found.sums.rings:,} rings",
                ),
            ),
            Tile(
                Words("属实告警", "right alerts"),
                stands.counted,
                "count",
                Words(f"共 {stands.total:,} 条", f"of {stands.total:,}"),
            ),
        ),
        charts=_charts(found),
        tables=tuple(_tables(found)),
        notes=notes(
            Words(
                "试行规则的告警、误报和申诉未决的告警一律不计入坐席；待判定的告警在判定之前也不计入",
                "Alerts on trial, false alarms and those with an open appeal never count against an agent; "
                "nor do alerts before they are judged",
            ),
            Words(
                "保持按每通电话累计；同一通电话保持几次，时长相加",
                "Hold is added up by call: several holds of one call are one figure",
            ),
            up=found.up,
            lost=found.lost,
        ),
    )


def _summary(found: AgentFigures) -> Words:
    sums = found.sums
    zh = f"接听来电 {sums.taken:,} 通" + (f"，呼出 {found.outbound:,} 通" if found.outbound else "")
    en = f"{sums.taken:,} calls taken" + (f", {found.outbound:,} made" if found.outbound else "")
    if found.talk.mean_s is not None:
        zh += f"；来电通话合计 {duration(found.talk.total_s).zh}，平均 {duration_zh(found.talk.mean_s)}"
        en += f"; {duration(found.talk.total_s).en} of talk, {duration_en(found.talk.mean_s)} on average"
    rings = sums.missed + sums.rings
    if rings:
        zh += f"；电话共响 {rings:,} 次，未接 {sums.missed:,} 次"
        en += f"; the phone rang {rings:,} times, {sums.missed:,} were missed"
    return Words(zh + "。", en + ".")


def _alerts(found: AgentFigures) -> Iterable[Words]:
    stands, trial = found.verdicts, sum(rule.verdicts.total for rule in found.trial)
    if stands.total:
        yield Words(
            f"告警 {stands.total:,} 条：属实 {stands.counted:,} 条，误报 {stands.wrong:,} 条（不计入），"
            f"待判定 {stands.undecided:,} 条，申诉中 {stands.appealed:,} 条（未决之前不计入）。",
            f"{stands.total:,} alerts: {stands.counted:,} right, {stands.wrong:,} false alarms (they do not count), "
            f"{stands.undecided:,} not judged, {stands.appealed:,} with an open appeal (not counted until decided).",
        )
    else:
        yield Words("没有告警。", "No alerts.")
    if trial:
        yield Words(
            f"另有试行规则的告警 {trial:,} 条，不计入。", f"{trial:,} more of rules on trial; they do not count."
        )
    deaf = sum(row.spoke and not row.listened for row in found.calls)
    if deaf:
        yield Words(
            f"有 {deaf:,} 通电话没有语音识别：没有告警不等于没有问题。",
            f"Nobody listened to {deaf:,} calls: no alert there does not mean that all was well.",
        )


def _charts(found: AgentFigures) -> tuple[Chart, ...]:
    if not found.bars:
        return ()
    labels = tuple(label for label, _, _ in found.bars)
    title = (
        Words("每小时通话", "Calls by hour")
        if found.span.first == found.span.last
        else Words("每日通话", "Calls by day")
    )
    spoke = Series(Words("通话", "calls"), "good", tuple(spoke for _, spoke, _ in found.bars))
    missed = Series(Words("响铃未接", "rings missed"), "bad", tuple(missed for _, _, missed in found.bars))
    return (Chart(title, "bars", labels, (spoke, missed)),)


def _tables(found: AgentFigures) -> Iterable[Table]:
    sums, stands = found.sums, found.verdicts
    alerts = Words("不在试行的告警", "alerts not on trial")
    taken = Words("接听的来电", "calls taken")
    yield figures_table(
        (
            Figure(
                Words("接听来电", "calls taken"),
                sums.taken,
                "count",
                Words("参与的来电", "inbound calls with a part in"),
                sums.calls,
            ),
            Figure(Words("呼出通话", "calls made"), found.outbound, "count"),
            Figure(
                Words("响铃未接", "rings missed"),
                sums.missed,
                "count",
                Words("响铃次数", "rings"),
                sums.missed + sums.rings,
            ),
            Figure(Words("有保持的来电", "calls with a hold"), sums.held, "count", taken, sums.taken),
            Figure(
                Words("经过转接的来电（含转入）", "calls with a transfer (either way)"),
                sums.transferred,
                "count",
                taken,
                sums.taken,
            ),
            Figure(Words("告警：属实", "alerts: right"), stands.counted, "count", alerts, stands.total),
            Figure(Words("告警：误报", "alerts: false alarms"), stands.wrong, "count", alerts, stands.total),
            Figure(Words("告警：待判定", "alerts: not judged"), stands.undecided, "count", alerts, stands.total),
            Figure(Words("告警：申诉中", "alerts: appeal open"), stands.appealed, "count", alerts, stands.total),
        )
    )
    yield times_table(
        (
            (Words("通话（来电）", "talk (inbound)"), found.talk),
            (Words("保持（有保持的来电）", "hold (calls with one)"), found.hold),
            (Words("振铃（振铃后接听的来电）", "ring (answered after one)"), found.ring),
            (Words("通话（呼出）", "talk (outbound)"), found.talk_out),
        )
    )
    yield _comparison(found)
    if found.rules:
        yield _rules("alerts", Words("告警与判定", "Alerts and how they were judged"), found.rules)
    if found.trial:
        yield _rules("trial", Words("试行规则的告警（不计入）", "Alerts on trial (they do not count)"), found.trial)
    yield _calls(found)


def _comparison(found: AgentFigures) -> Table:
    columns = (
        Column(Words("指标", "figure"), "text"),
        Column(Words("本人", "own"), "number"),
        Column(Words("依据", "rests on"), "text", "shown"),
        Column(Words("依据数", "rests on"), "count", "csv"),
        Column(Words("依据单位", "of what"), "text", "csv"),
        Column(Words("其他坐席的中位数", "median of others"), "number"),
        Column(Words("其他坐席人数", "other agents")),
    )
    rows = tuple(_compared(each, found) for each in found.compared)
    with_zh = f"{found.team}组" if found.team else "全部坐席"
    with_en = f"team {found.team}" if found.team else "all agents"
    return Table(
        "compared",
        Words(f"与同期其他坐席比较（{with_zh}）", f"Compared with others of the same days ({with_en})"),
        columns,
        rows,
        Words(
            f"只与同期接听不少于 {FAIR_CALLS} 通的坐席比较；本人不足 {FAIR_CALLS} 通，"
            f"或可比坐席不足 {FAIR_AGENTS} 名，不作比较。不排名。",
            f"Only with agents of at least {FAIR_CALLS} calls; nobody with fewer than {FAIR_CALLS} calls or "
            f"{FAIR_AGENTS} others is compared. Nobody is ranked.",
        ),
    )


def _compared(each: Compared, found: AgentFigures) -> tuple[Cell, ...]:
    words, kind, of = _COMPARED[each.name]
    why = (
        Words(f"接听不足 {FAIR_CALLS} 通，不比较", f"under {FAIR_CALLS} calls: not compared")
        if found.is_few
        else Words(f"可比坐席不足 {FAIR_AGENTS} 名", f"under {FAIR_AGENTS} others")
    )
    others: Cell = Missing(why) if each.others is None else Value(each.others, kind)
    rests = Words(f"{each.of:,} {of.zh}", f"{each.of:,} {of.en}")
    return words, Value(each.own, kind), rests, each.of, of, others, each.agents


def _rules(name: str, title: Words, rules: Iterable[RuleOfAgent]) -> Table:
    columns = (
        Column(Words("规则", "rule"), "text"),
        Column(Words("规则编号", "id"), "text", "csv"),
        Column(Words("共", "all")),
        *(Column(words) for words in (COUNTED, WRONG, OPEN, APPEALED)),
    )
    rows = tuple(
        (titled(r.title, r.title_en), r.rule, v.total, v.counted, v.wrong, v.undecided, v.appealed)
        for r in rules
        for v in (r.verdicts,)
    )
    return Table(name, title, columns, rows)


def _calls(found: AgentFigures) -> Table:
    columns = (
        Column(Words("开始", "began"), "moment"),
        Column(Words("结束", "ended"), "moment", "csv"),
        Column(Words("方向", "direction"), "text"),
        Column(Words("队列", "queue"), "text"),
        Column(Words("客户", "customer"), "text"),
        Column(Words("结果", "outcome"), "text"),
        Column(Words("振铃", "ring"), "seconds"),
        Column(Words("通话", "talk"), "seconds"),
        Column(Words("保持", "hold"), "seconds"),
        Column(Words("未接", "missed"), "count"),
        Column(Words("转接", "transfers"), "count"),
        Column(Words("先挂机", "hung up"), "text"),
        Column(Words("语音识别", "listened to"), "text"),
        Column(Words("属实告警", "right alerts"), "count"),
        Column(Words("未决告警", "open alerts"), "count"),
        Column(Words("通话编号", "call"), "text", "csv"),
    )
    return Table("calls", Words("通话清单", "Calls"), columns, tuple(_call(row, found) for row in found.calls))


def _call(row: Took, found: AgentFigures) -> tuple[Cell, ...]:
    stands = found.alerts.get(row.call)
    outcome = (
        Words("通话", "spoke") if row.spoke else Words("未接", "missed") if row.missed else Words("仅响铃", "rang only")
    )
    return (
        row.began_at,
        row.ended_at,
        DIRECTIONS[row.direction],
        row.queue,
        row.caller,
        outcome,
        row.ring_s,
        row.talk_s,
        row.held_s,
        row.missed,
        row.transfers,
        ENDED_BY[row.ended_by] if row.ended_by else "",
        Words("有", "yes") if row.listened else Words("无", "no"),
        stands.counted if stands else 0,
        stands.undecided + stands.appealed if stands else 0,
        row.call,
    )
