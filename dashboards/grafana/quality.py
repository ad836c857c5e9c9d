"""Quality, for those who keep the rules: which fire, which are wrong, which clauses are broken, what was not judged.

The findings are the wall's of the last seven days (``sansheng_rule_alerts``). Every wall of a site exports the same
ones: they are taken once a site, and summed over the sites.
"""

from __future__ import annotations

from dashboards.grafana import names
from dashboards.grafana.panels import (
    GREEN,
    ORANGE,
    RED,
    Board,
    Column,
    Panel,
    Query,
    Row,
    Text,
    greatest,
    increase,
    of,
    stepwise,
    total,
)

#: No manual says how many alerts must be right. Below the first people stop believing a rule, above the last they may.
_RIGHT = ((None, RED), (0.6, ORANGE), (0.8, GREEN))
_STEP = "1h"
_ALERTS = "sansheng_alerts_total"
_RULE = Column("rule", Text("规则", "Rule"), "string", names=names.titles(), link="/desk?state=all&rule=${__value.raw}")
#: Where a click on a rule's own series leads.
_RULES_ALERTS = "/desk?state=all&rule=${__field.labels.rule}"


def _found(finding: str = "", *by: str) -> str:
    """Alerts of the last seven days by what people made of them, whichever wall tells."""
    labels = {"finding": finding} if finding else {}
    return total(greatest("sansheng_rule_alerts", "rule", "severity", "finding", **labels), *by)


def _snoozed(*by: str) -> str:
    """Each wall of a site counts the same alerts for itself."""
    return total(f"max by (site, rule) (increase({of('sansheng_wall_snoozed_total')}[$__range]))", *by)


def _precision(*by: str) -> str:
    return f"{_found('true', *by)} / ({_found('true|false', *by)} > 0)"


_SUM = Row(
    Text("总览", "Summary"),
    (
        Panel(
            "stat",
            Text("新告警(所选时段)", "New alerts, over the chosen time"),
            Text("所选时段内新出现的告警,所有规则。", "Alerts that came up, of all rules."),
            "short",
            (Query(increase(_ALERTS, state="opened"), Text("新告警", "New")),),
            width=4,
            height=5,
            decimals=0,
            link="/desk?state=all",
        ),
        Panel(
            "stat",
            Text("准确率(近 7 天)", "Precision, last 7 days"),
            Text(
                "近 7 天已经处理的告警中,判为属实的占多少。没有处理的不算。低于 80% 变橙,低于 60% 变红:该修改规则了。",
                "Of the alerts of the last 7 days that people decided on: the share that was right. Orange below 80 %, "
                "red below 60 %: mend the rules.",
            ),
            "percentunit",
            (Query(_precision(), Text("准确率", "Precision")),),
            width=4,
            height=5,
            limits=_RIGHT,
            most=1,
            decimals=0,
            link="/rules",
        ),
        Panel(
            "stat",
            Text("误报(近 7 天)", "False alarms, last 7 days"),
            Text("近 7 天被判为误报的告警。", "Alerts of the last 7 days that were found to be false alarms."),
            "short",
            (Query(_found("false"), Text("误报", "False alarms")),),
            width=4,
            height=5,
            decimals=0,
            link="/rules",
        ),
        Panel(
            "stat",
            Text("未处理(近 7 天)", "Undecided, last 7 days"),
            Text(
                "近 7 天还没有人判定属实或误报的告警。积压多时,准确率只代表少数告警。",
                "Alerts of the last 7 days on which nobody has decided. With many of them precision speaks of few.",
            ),
            "short",
            (Query(_found("open"), Text("未处理", "Undecided")),),
            width=4,
            height=5,
            decimals=0,
            link="/desk",
        ),
        Panel(
            "stat",
            Text("静音的告警(所选时段)", "Snoozed alerts, over the chosen time"),
            Text(
                "因为有人把规则静音而没有出现在监控墙上的告警。",
                "Alerts that stayed off the walls because somebody snoozed their rule.",
            ),
            "short",
            (Query(_snoozed(), Text("静音", "Snoozed")),),
            width=4,
            height=5,
            decimals=0,
            link="/rules",
        ),
        Panel(
            "stat",
            Text("未判定(所选时段)", "Not judged, over the chosen time"),
            Text(
                "因为没有听清而无法判定的次数。不算坐席的错;多了要看语音识别看板。",
                "Times that a rule could not be judged because the words were not heard. Never held against agents; "
                "many of them: see the ears.",
            ),
            "short",
            (Query(increase("sansheng_not_judged_total"), Text("未判定", "Not judged")),),
            width=4,
            height=5,
            decimals=0,
        ),
    ),
)

_BROKEN = Row(
    Text("条款与规则", "Clauses and rules"),
    (
        Panel(
            "table",
            Text("违反最多的条款(所选时段)", "Clauses broken most, over the chosen time"),
            Text(
                "所选时段内新告警按所依据的手册条款合计,前 15 条;试行规则也在内。几条规则看护同一条款时合在一起。",
                "New alerts summed by the clause of the manuals that they stand on, the first 15; rules on trial "
                "included. Several rules of one clause are taken together.",
            ),
            "short",
            (
                Query(
                    f"topk(15, {names.by_clause(increase(_ALERTS, 'rule', state='opened'))} > 0)",
                    "{{clause}}",
                    "alerts",
                ),
            ),
            width=12,
            height=12,
            columns=(
                Column("clause", Text("条款", "Clause"), "string", names=names.clauses()),
                Column("alerts", Text("告警", "Alerts"), "short", decimals=0, width=100),
            ),
            order="alerts",
        ),
        Panel(
            "table",
            Text("规则一览", "Rules"),
            Text(
                "每条规则在所选时段的新告警、近 7 天的处理结果和准确率。点击规则打开它的告警列表。",
                "By rule: new alerts over the chosen time, what people made of those of the last 7 days, and "
                "precision. A click opens the rule's alerts.",
            ),
            "short",
            (
                Query(f"{increase(_ALERTS, 'rule', state='opened')} > 0", "{{rule}}", "alerts"),
                Query(_found("true", "rule"), "{{rule}}", "right"),
                Query(_found("false", "rule"), "{{rule}}", "wrong"),
                Query(_found("open", "rule"), "{{rule}}", "open"),
                Query(_precision("rule"), "{{rule}}", "precision"),
            ),
            width=12,
            height=12,
            columns=(
                _RULE,
                Column("alerts", Text("新告警", "New"), "short", decimals=0, width=90),
                Column("right", Text("属实", "Right"), "short", decimals=0, width=80),
                Column("wrong", Text("误报", "False"), "short", decimals=0, width=80),
                Column("open", Text("未处理", "Undecided"), "short", decimals=0, width=90),
                Column("precision", Text("准确率", "Precision"), "percentunit", limits=_RIGHT, decimals=0, width=90),
            ),
            order="alerts",
        ),
        Panel(
            "gauges",
            Text("准确率最低的规则(近 7 天)", "Least precise rules, last 7 days"),
            Text(
                "近 7 天已处理的告警中属实最少的 10 条规则。先改这些规则的时限、词语或例外。",
                "The ten rules with the smallest share of right alerts among those decided on. Mend their limits, "
                "words or exceptions first.",
            ),
            "percentunit",
            (Query(f"bottomk(10, {_precision('rule')})", "{{rule}}"),),
            width=12,
            height=10,
            limits=_RIGHT,
            names=names.titles(),
            most=1,
            decimals=0,
            link=_RULES_ALERTS,
        ),
        Panel(
            "gauges",
            Text("未处理最多的规则(近 7 天)", "Rules with most undecided alerts, last 7 days"),
            Text(
                "近 7 天没有人判定的告警最多的 10 条规则。",
                "The ten rules with most alerts on which nobody has decided.",
            ),
            "short",
            (Query(f"topk(10, {_found('open', 'rule')} > 0)", "{{rule}}"),),
            width=12,
            height=10,
            names=names.titles(),
            decimals=0,
            link=_RULES_ALERTS,
        ),
    ),
)

_COURSE = Row(
    Text("变化", "Over time"),
    (
        Panel(
            "bars",
            Text("新告警,按规则", "New alerts by rule"),
            Text(
                "每小时新出现的告警,最多的 8 条规则。规则更换后突然变化的,先看规则。",
                "Every hour, the eight rules with most. Where one changes with the rulebook, look at it first.",
            ),
            "short",
            (Query(f"topk(8, {stepwise(_ALERTS, 'rule', state='opened')} > 0)", "{{rule}}"),),
            width=12,
            height=10,
            names=names.titles(),
            stacked=True,
            decimals=0,
            interval=_STEP,
            link=_RULES_ALERTS,
        ),
        Panel(
            "bars",
            Text("新告警,按级别", "New alerts by severity"),
            Text("每小时新出现的告警,按级别。", "Every hour, by severity."),
            "short",
            (Query(stepwise(_ALERTS, "severity", state="opened"), "{{severity}}"),),
            width=12,
            height=10,
            names=names.SEVERITIES,
            stacked=True,
            decimals=0,
            interval=_STEP,
            link="/desk?state=all&severity=${__field.labels.severity}",
        ),
        Panel(
            "lines",
            Text("处理结果(近 7 天的告警)", "Findings, of the last 7 days' alerts"),
            Text(
                "近 7 天的告警:属实、误报、未处理各多少。未处理一直上升,说明没有人在看。",
                "Right, false, undecided. Where the undecided only grow nobody looks at alerts.",
            ),
            "short",
            (Query(_found("", "finding"), "{{finding}}"),),
            width=12,
            names=names.FINDINGS,
            stacked=True,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("准确率,按级别(近 7 天)", "Precision by severity, last 7 days"),
            Text(
                "近 7 天已处理的告警中属实的比例。严重告警会叫醒人,应当最高。",
                "The share of right alerts among those decided on. Critical ones wake people: they should be highest.",
            ),
            "percentunit",
            (Query(_precision("severity"), "{{severity}}"),),
            width=12,
            limits=_RIGHT,
            names=names.SEVERITIES,
            most=1,
            decimals=0,
        ),
    ),
)

_LEFT_OUT = Row(
    Text("没有算进去的", "What does not count"),
    (
        Panel(
            "table",
            Text("未判定最多的规则(所选时段)", "Rules not judged most, over the chosen time"),
            Text(
                "因为没有听清而无法判定的次数。集中在某条规则:它要听的话太难识别;到处都多:看语音识别。",
                "Times that words were not heard. One rule alone: its words are hard to hear; all: see the ears.",
            ),
            "short",
            (Query(f"topk(15, {increase('sansheng_not_judged_total', 'rule')} > 0)", "{{rule}}", "times"),),
            columns=(_RULE, Column("times", Text("次数", "Times"), "short", decimals=0, width=100)),
            order="times",
        ),
        Panel(
            "table",
            Text("静音的告警,按规则(所选时段)", "Snoozed alerts by rule, over the chosen time"),
            Text(
                "每条规则因静音没有出现的告警。长期静音的规则应当修改或停用。",
                "Alerts that a snooze kept off the walls. A rule that is always snoozed should be mended or retired.",
            ),
            "short",
            (Query(_snoozed("rule"), "{{rule}}", "times"),),
            columns=(_RULE, Column("times", Text("告警", "Alerts"), "short", decimals=0, width=100)),
            order="times",
        ),
        Panel(
            "table",
            Text("跨通话规则的线索(所选时段)", "Marks of rules that look across calls, over the chosen time"),
            Text(
                "单个通话交给跨通话规则(重复来电、群体故障等)的线索数;达到规则的数量才会告警。",
                "What calls told rules that count across calls (repeat callers, surges); only enough of them alert.",
            ),
            "short",
            (Query(f"{increase('sansheng_marks_total', 'rule')} >= 0", "{{rule}}", "times"),),
            columns=(_RULE, Column("times", Text("线索", "Marks"), "short", decimals=0, width=100)),
            order="times",
        ),
    ),
)


def board(*, english: bool) -> Board:
    """The dashboard; ``english``: the titles of rules in its annotations."""
    return Board(
        uid="sansheng-quality",
        title=Text("三声 · 质检", "Sansheng · Quality"),
        says=Text(
            "给质检和规则管理员:哪些条款违反最多,哪些规则误报多,哪些没有判定。",
            "For quality managers: which clauses are broken most, which rules are wrong, what was not judged.",
        ),
        rows=(_SUM, _BROKEN, _COURSE, _LEFT_OUT),
        marks=(names.rulebooks(), names.critical_alerts(english=english), names.deployments()),
        since="now-7d",
        refresh="5m",
    )
