"""The floor, for managers: is the hotline answered in time, how long does everything take, and what goes wrong.

Figures that managers are held to are the manuals': three rings are 10 s (002-19 第六十条), a hold is looked after from
90 s and 120 s on (002-16 3.2.9), a transfer from 60 s. The share to be reached, 80 % unless the hotline
sets another, and what share may give up, 5 %, stand in no manual: they are the trade's usual ones.
"""

from __future__ import annotations

from dashboards.grafana import names
from dashboards.grafana.panels import (
    GREEN,
    ORANGE,
    RED,
    YELLOW,
    Board,
    Column,
    Panel,
    Query,
    Row,
    Text,
    increase,
    of,
    quantile,
    rate,
    stepwise,
    total,
)

#: Calls to be answered within three rings, of all whose wait has ended: as dashboards/prometheus/settings.rules.yml has
#: it before a hotline sets its own, and what colours go by, for Grafana's limits cannot be asked for.
TARGET = 0.8
#: The hotline's own where Prometheus has those rules, so that panel and alert agree. Without labels, whatever a store
#: of several Prometheus adds to it; of several the strictest.
_OBJECTIVE = f"scalar(max(sansheng:service_level_objective:ratio) or vector({TARGET}))"
#: The wall shows the same half hour.
_LATELY = "30m"
_QUEUE = "$queue"
_STEP = "5m"
_LEVELS = ((None, RED), (0.7, ORANGE), (TARGET, GREEN))
_GIVEN_UP = ((None, GREEN), (0.05, ORANGE), (0.1, RED))
#: As the alerts have it (dashboards/prometheus): 1.25 is three in four in time, 2.5 one in two.
_BURN = ((None, GREEN), (1.25, ORANGE), (2.5, RED))
_RING = ((None, GREEN), (10, ORANGE), (20, RED))
_HOLD = ((None, GREEN), (90, YELLOW), (120, ORANGE), (240, RED))
_TRANSFER = ((None, GREEN), (60, ORANGE), (120, RED))
_DESK = "/desk?state=all&rule="


def _share(what: str, *by: str, over: str = _LATELY) -> str:
    """Of the calls whose wait has ended in that time."""
    part = increase(what, *by, over=over, queue=_QUEUE)
    return f"{part} / {increase('sansheng_calls_offered_total', *by, over=over, queue=_QUEUE)}"


def _burn(over: str) -> str:
    """How many times faster than allowed calls are answered late."""
    return f"(1 - {_share('sansheng_calls_in_time_total', over=over)}) / (1 - {_OBJECTIVE})"


def _times(metric: str, **labels: str) -> tuple[Query, ...]:
    return (
        Query(quantile(0.5, metric, queue=_QUEUE, **labels), Text("一半不超过", "Median")),
        Query(quantile(0.9, metric, queue=_QUEUE, **labels), Text("九成不超过", "90th percentile")),
    )


_NOW = Row(
    Text("此刻", "Now"),
    (
        Panel(
            "stat",
            Text("近 30 分钟 10 秒接通率", "Answered within 10 s, last 30 min"),
            Text(
                "近 30 分钟内等待已结束的呼入来电中,10 秒(三声)内接起的占多少。目标 80%:低于 80% 变橙,低于 70% 变红。"
                "算法与监控墙相同。",
                "Of the inbound calls whose wait ended in the last 30 minutes: the share answered within 10 s (three "
                "rings). Target 80 %: orange below, red below 70 %. As on the wall.",
            ),
            "percentunit",
            (Query(_share("sansheng_calls_in_time_total"), Text("10 秒接通率", "Within 10 s")),),
            width=4,
            height=5,
            limits=_LEVELS,
            most=1,
            decimals=0,
            link="/",
        ),
        Panel(
            "stat",
            Text("未及时接起:是允许的几倍", "Late answers: times the allowance"),
            Text(
                "近 30 分钟未在三声内接起的比例,除以目标允许的比例(目标 80% 时允许 20%;与告警用同一目标)。"
                "1 倍正好用完允许的份额;目标 80% 时,2.5 倍就是一半来电没有及时接起,应当立即加派坐席或分流。",
                "Share of calls not answered within three rings in the last 30 minutes, divided by the share that the "
                "target allows: 20 % at a target of 80 %; the alerts go by the same one. 1 uses the allowance up "
                "exactly; at 80 %, 2.5 means that every other caller waits: move agents now.",
            ),
            "none",
            (Query(_burn(_LATELY), Text("倍数", "Times")),),
            width=4,
            height=5,
            limits=_BURN,
            decimals=1,
        ),
        Panel(
            "stat",
            Text("等候接听", "Waiting"),
            Text(
                "此刻在排队或振铃的来电。不分队列。",
                "Calls that are queued or ringing at this moment. All queues together.",
            ),
            "short",
            (Query(total(of("sansheng_calls", phase="offered|ringing")), Text("等候", "Waiting")),),
            width=4,
            height=5,
            decimals=0,
            link="/",
        ),
        Panel(
            "stat",
            Text("正在服务", "Being served"),
            Text(
                "此刻在通话、保持或转接中的来电。不分队列。",
                "Calls that are talking, on hold or in transfer at this moment. All queues together.",
            ),
            "short",
            (Query(total(of("sansheng_calls", phase="talking|held|transferring")), Text("服务中", "Served")),),
            width=4,
            height=5,
            decimals=0,
            link="/",
        ),
        Panel(
            "stat",
            Text("近 30 分钟放弃率", "Abandoned, last 30 min"),
            Text(
                "近 30 分钟内等待已结束的呼入来电中,客户没等到接听就挂机的占多少。"
                "手册没有规定比例;5% 变橙、10% 变红是行业惯例。",
                "Of the inbound calls whose wait ended in the last 30 minutes: the share that the customer gave up. No "
                "manual sets a share; orange from 5 %, red from 10 % is usual.",
            ),
            "percentunit",
            (Query(_share("sansheng_calls_abandoned_total"), Text("放弃率", "Abandoned")),),
            width=4,
            height=5,
            limits=_GIVEN_UP,
            most=1,
            decimals=1,
        ),
        Panel(
            "stat",
            Text("近 30 分钟严重告警", "Critical alerts, last 30 min"),
            Text(
                "近 30 分钟新出现或升级为严重的告警。点击打开监控墙上的告警列表。",
                "Alerts that came up as critical, or rose to it, in the last 30 minutes. A click opens the list.",
            ),
            "short",
            (
                Query(
                    increase("sansheng_alerts_total", over=_LATELY, severity="critical", state="opened|raised"),
                    Text("严重告警", "Critical"),
                ),
            ),
            width=4,
            height=5,
            limits=((None, GREEN), (0.5, RED)),
            decimals=0,
            link="/desk?state=all&severity=critical",
        ),
    ),
)

_LEVEL = Row(
    Text("接通", "Answering"),
    (
        Panel(
            "lines",
            Text("10 秒接通率(滚动 30 分钟)", "Answered within 10 s, over 30 min"),
            Text(
                "每个队列过去 30 分钟的 10 秒接通率。虚线是目标 80%。",
                "By queue, over the 30 minutes before. The dashed line is the target, 80 %.",
            ),
            "percentunit",
            (Query(_share("sansheng_calls_in_time_total", "queue"), "{{queue}}"),),
            width=12,
            limits=_LEVELS,
            names=names.QUEUES,
            most=1,
            decimals=0,
            interval="1m",
        ),
        Panel(
            "lines",
            Text("未及时接起:是允许的几倍", "Late answers: times the allowance"),
            Text(
                "短窗口看现在是否还在发生,长窗口看是否严重到需要处理;都高于 1 才算持续超标。",
                "The short window tells whether it still goes on, the long ones whether it matters; only all above 1 "
                "mean that the target is being missed.",
            ),
            "none",
            (
                Query(_burn("5m"), Text("近 5 分钟", "5 min")),
                Query(_burn("30m"), Text("近 30 分钟", "30 min")),
                Query(_burn("6h"), Text("近 6 小时", "6 h")),
            ),
            width=12,
            limits=_BURN,
            decimals=1,
            interval="1m",
        ),
        Panel(
            "bars",
            Text("来电、及时接起、放弃", "Calls offered, answered in time, abandoned"),
            Text(
                "每 5 分钟等待结束的呼入来电,其中三声内接起的,以及客户放弃的。",
                "Inbound calls whose wait ended, every five minutes; those answered within three rings, and those "
                "that customers gave up.",
            ),
            "short",
            (
                Query(stepwise("sansheng_calls_offered_total", queue=_QUEUE), Text("来电", "Offered")),
                Query(stepwise("sansheng_calls_in_time_total", queue=_QUEUE), Text("三声内接起", "In time")),
                Query(stepwise("sansheng_calls_abandoned_total", queue=_QUEUE), Text("放弃", "Abandoned")),
            ),
            width=12,
            decimals=0,
            interval=_STEP,
        ),
        Panel(
            "lines",
            Text("放弃率(滚动 30 分钟)", "Abandoned, over 30 min"),
            Text(
                "每个队列过去 30 分钟客户没等到接听就挂机的比例。虚线在 5% 和 10%。",
                "By queue, over the 30 minutes before. Dashed lines at 5 % and 10 %.",
            ),
            "percentunit",
            (Query(_share("sansheng_calls_abandoned_total", "queue"), "{{queue}}"),),
            width=12,
            limits=_GIVEN_UP,
            names=names.QUEUES,
            decimals=1,
            interval="1m",
        ),
        Panel(
            "table",
            Text("各队列一览(所选时段)", "Queues, over the chosen time"),
            Text(
                "所选时段内每个队列的来电数、10 秒接通率、放弃率,以及九成来电的振铃、保持、转接、通话不超过多久。",
                "By queue: calls, share answered within 10 s, share abandoned, and how long ringing, holds, transfers "
                "and talk took in nine of ten cases.",
            ),
            "short",
            (
                Query(increase("sansheng_calls_offered_total", "queue", queue=_QUEUE), "{{queue}}", "offered"),
                Query(_share("sansheng_calls_in_time_total", "queue", over="$__range"), "{{queue}}", "level"),
                Query(_share("sansheng_calls_abandoned_total", "queue", over="$__range"), "{{queue}}", "given_up"),
                *(
                    Query(
                        f"histogram_quantile(0.9, "
                        f"{increase(f'sansheng_{what}_seconds_bucket', 'le', 'queue', queue=_QUEUE)})",
                        "{{queue}}",
                        what,
                    )
                    for what in ("ring", "hold", "transfer", "talk")
                ),
            ),
            width=24,
            columns=(
                Column("queue", Text("队列", "Queue"), "string", names=names.QUEUES),
                Column("offered", Text("来电", "Offered"), "short", decimals=0),
                Column("level", Text("10 秒接通率", "Within 10 s"), "percentunit", limits=_LEVELS, decimals=0),
                Column("given_up", Text("放弃率", "Abandoned"), "percentunit", limits=_GIVEN_UP, decimals=1),
                Column("ring", Text("振铃", "Ring"), "s", limits=_RING, decimals=0),
                Column("hold", Text("保持", "Hold"), "s", limits=_HOLD, decimals=0),
                Column("transfer", Text("转接", "Transfer"), "s", limits=_TRANSFER, decimals=0),
                Column("talk", Text("通话", "Talk"), "s", decimals=0),
            ),
            order="offered",
        ),
    ),
)

_TIMES = Row(
    Text("时长", "Times"),
    (
        Panel(
            "lines",
            Text("振铃", "Ringing"),
            Text(
                "被接起的坐席话机响了多久。虚线在 10 秒(三声,须接起)和 20 秒(严重)。",
                "How long phones rang that were answered. Dashed lines at 10 s (three rings) and 20 s (critical).",
            ),
            "s",
            _times("sansheng_ring_seconds", outcome="answered"),
            width=12,
            limits=_RING,
            interval=_STEP,
        ),
        Panel(
            "lines",
            Text("三声内接起的振铃", "Rings answered within three"),
            Text(
                "被接起的振铃中,响铃不超过 10 秒的占多少。与接通率不同:只看坐席话机响铃,不含排队。",
                "Of rings that were answered: the share that took at most 10 s. Unlike the service level this looks at "
                "the agents' phones only, not at the queue.",
            ),
            "percentunit",
            (
                Query(
                    f"{rate('sansheng_ring_seconds_bucket', queue=_QUEUE, outcome='answered', le='10.0')}"
                    f" / {rate('sansheng_ring_seconds_count', queue=_QUEUE, outcome='answered')}",
                    Text("三声内", "Within three rings"),
                ),
            ),
            width=12,
            limits=_LEVELS,
            most=1,
            decimals=0,
            interval=_STEP,
        ),
        Panel(
            "lines",
            Text("保持", "On hold"),
            Text(
                "一次保持让客户等了多久。虚线在 90 秒(提示)、120 秒(警告)、240 秒(严重)。",
                "How long a customer was kept on hold. Dashed lines at 90 s, 120 s and 240 s.",
            ),
            "s",
            _times("sansheng_hold_seconds"),
            limits=_HOLD,
            interval=_STEP,
        ),
        Panel(
            "lines",
            Text("转接", "Transfers"),
            Text(
                "转接时客户等了多久。虚线在 60 秒(警告)和 120 秒(严重)。",
                "How long a customer waited in a transfer. Dashed lines at 60 s and 120 s.",
            ),
            "s",
            _times("sansheng_transfer_seconds"),
            limits=_TRANSFER,
            interval=_STEP,
        ),
        Panel(
            "lines",
            Text("通话", "Talk"),
            Text(
                "坐席与客户通话多久,不含保持;通话结束时计入。投诉类通话超过 15 分钟会另行告警。",
                "How long agent and customer talked, without holds; counted at the call's end. Complaints of more than "
                "15 minutes raise an alert of their own.",
            ),
            "s",
            _times("sansheng_talk_seconds"),
            interval=_STEP,
        ),
    ),
)

_ALERTS = Row(
    Text("来电与告警", "Calls and alerts"),
    (
        Panel(
            "lines",
            Text("当前来电", "Calls in progress"),
            Text("各阶段的来电数。不分队列。", "By phase. All queues together."),
            "short",
            (Query(total(of("sansheng_calls"), "phase"), "{{phase}}"),),
            width=12,
            names=names.PHASES,
            stacked=True,
            decimals=0,
            link="/",
        ),
        Panel(
            "bars",
            Text("新告警", "New alerts"),
            Text("每 5 分钟新出现的告警,按级别。不分队列。", "Every five minutes, by severity. All queues together."),
            "short",
            (Query(stepwise("sansheng_alerts_total", "severity", state="opened"), "{{severity}}"),),
            width=12,
            names=names.SEVERITIES,
            stacked=True,
            decimals=0,
            interval=_STEP,
            link="/desk?state=all&severity=${__field.labels.severity}",
        ),
        Panel(
            "table",
            Text("告警最多的规则(所选时段)", "Rules with most alerts, over the chosen time"),
            Text(
                "所选时段内新告警最多的 15 条规则。点击规则打开它的告警列表;误报情况见质检看板。",
                "The 15 rules with most new alerts. A click on a rule opens its alerts; how many were false alarms is "
                "on the quality dashboard.",
            ),
            "short",
            (
                Query(
                    f"topk(15, {increase('sansheng_alerts_total', 'rule', 'severity', state='opened')} > 0)",
                    "{{rule}}",
                    "alerts",
                ),
            ),
            width=24,
            columns=(
                Column("rule", Text("规则", "Rule"), "string", names=names.titles(), link=_DESK + "${__value.raw}"),
                Column("severity", Text("级别", "Severity"), "string", names=names.SEVERITIES, width=120),
                Column("alerts", Text("告警", "Alerts"), "short", decimals=0, width=120),
            ),
            order="alerts",
        ),
    ),
)


def board(*, english: bool) -> Board:
    """The dashboard; ``english``: the titles of rules in its annotations."""
    return Board(
        uid="sansheng-floor",
        title=Text("三声 · 现场", "Sansheng · Floor"),
        says=Text(
            "给主管和经理:电话接得及时吗,振铃、保持、转接、通话各要多久,哪里在出问题。",
            "For supervisors and managers: are calls answered in time, how long does everything take, what goes wrong.",
        ),
        rows=(_NOW, _LEVEL, _TIMES, _ALERTS),
        marks=(names.critical_alerts(english=english), names.deployments(), names.rulebooks()),
        since="now-6h",
        queues=True,
    )
