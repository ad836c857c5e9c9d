"""The engine, for whoever keeps it running: how late it is, what waits, what could not be read, who works.

Ages and readiness take the worst instance. A gauge that instances tell of their own share is summed; one that several
of a site tell alike is taken once a site. Instances and partitions are told with their site: two may be called alike.
"""

from __future__ import annotations

from dashboards.grafana import names
from dashboards.grafana.panels import (
    CPU,
    GREEN,
    ORANGE,
    RED,
    Board,
    Column,
    Panel,
    Query,
    Row,
    Text,
    age,
    greatest,
    most,
    of,
    once,
    percentiles,
    quantile,
    rate,
    stepwise,
    total,
)

#: The detector's own tick comes every 5 s: an event older than three of them is news.
_AGE = ((None, GREEN), (15, ORANGE), (60, RED))
_LATE = ((None, GREEN), (1, ORANGE), (5, RED))
_LAG = ((None, GREEN), (1000, ORANGE), (10_000, RED))
_NONE_IS_GOOD = ((None, GREEN), (0.5, RED))


def _up(process: str = "") -> str:
    labels = {"process": process} if process else {}
    return of("up", job="sansheng", **labels)


def _yes_no(title: Text, says: Text, expr: str, legend: Text) -> Panel:
    return Panel("stat", title, says, "none", (Query(expr, legend),), width=3, height=4, words=names.YES_NO)


_NOW = Row(
    Text("此刻", "Now"),
    (
        Panel(
            "stat",
            Text("最近一个事件", "Last event"),
            Text(
                "检测进程最近处理的事件离现在多久;几个检测进程中取最久的。"
                "引擎自己每 5 秒产生一个心跳事件,超过 15 秒就不正常。",
                "How long ago the detector processed an event; of several workers the one furthest behind. Its own "
                "tick comes every 5 s: more than 15 s is wrong.",
            ),
            "s",
            (Query(f"max({age('sansheng_last_event_timestamp_seconds', 'instance')})", Text("事件", "Event")),),
            width=3,
            height=4,
            limits=_AGE,
            decimals=0,
        ),
        Panel(
            "stat",
            Text("最近一次提交", "Last commit"),
            Text(
                "检测进程最近一次提交读取位置离现在多久,取最久的。有事件而不提交,说明卡住了。",
                "How long ago offsets were committed, at the worker furthest behind. Events without commits: it hangs.",
            ),
            "s",
            (Query(f"max({age('sansheng_last_commit_timestamp_seconds', 'instance')})", Text("提交", "Commit")),),
            width=3,
            height=4,
            limits=_AGE,
            decimals=0,
        ),
        _yes_no(
            Text("已连接总机", "PBX connected"),
            Text("话务接口是否已登录总机。", "Whether the gateway is logged in to the PBX."),
            f"min({of('sansheng_pbx_connected')})",
            Text("总机", "PBX"),
        ),
        Panel(
            "stat",
            Text("检测进程", "Detectors"),
            Text("Prometheus 能访问到的检测进程数。", "Detectors that Prometheus can reach."),
            "short",
            (Query(total(_up("detect")), Text("检测", "Detectors")),),
            width=3,
            height=4,
            limits=((None, RED), (1, GREEN)),
            decimals=0,
        ),
        Panel(
            "stat",
            Text("访问不到的进程", "Processes out of reach"),
            Text(
                "应当在运行、但 Prometheus 访问不到的进程数。",
                "Processes that should run and that Prometheus cannot reach.",
            ),
            "short",
            (Query(f"count({_up()}) - sum({_up()})", Text("访问不到", "Out of reach")),),
            width=3,
            height=4,
            limits=_NONE_IS_GOOD,
            decimals=0,
        ),
        Panel(
            "stat",
            Text("使用中的规则版本", "Rulebook in force"),
            Text(
                "新来电按哪个版本的规则判定。出现两个版本,说明检测进程还没有都换过来。",
                "Which version judges new calls. Two of them: not all detectors have changed over yet.",
            ),
            "string",
            (Query(f"count by (version) ({of('sansheng_rulebook_info')})", "{{version}}"),),
            width=3,
            height=4,
            by_name=True,
        ),
        _yes_no(
            Text("归档可写", "Archive writable"),
            Text("归档是否存得进去。", "Whether the store takes what is written."),
            f"min({of('sansheng_archive_writable')})",
            Text("归档", "Archive"),
        ),
        Panel(
            "stat",
            Text("打开的监控墙", "Walls that are open"),
            Text(
                "此刻连接着的浏览器。上班时间为 0,告警没有人看得到。",
                "Browsers connected. None in working hours: nobody sees an alert.",
            ),
            "short",
            (Query(total(of("sansheng_wall_clients")), Text("浏览器", "Browsers")),),
            width=3,
            height=4,
            decimals=0,
            link="/",
        ),
    ),
)

_LATENCY = Row(
    Text("延迟", "Latency"),
    (
        Panel(
            "lines",
            Text("事件到告警", "Event to alert"),
            Text(
                "从事件发生(或时限到)到告警写入消息系统。",
                "From the event (or the deadline) to the alert's acknowledgement by the broker.",
            ),
            "s",
            percentiles("sansheng_event_to_alert_seconds"),
            limits=_LATE,
        ),
        Panel(
            "lines",
            Text("告警到监控墙", "Alert to wall"),
            Text("从告警写入消息系统到送往浏览器。", "From the alert's broker time to the browsers' queues."),
            "s",
            percentiles("sansheng_wall_lag_seconds"),
            limits=_LATE,
        ),
        Panel(
            "lines",
            Text("全程:事件到监控墙", "All the way: event to wall"),
            Text(
                "从告警成立到送往浏览器。班长看到的就是这个延迟。",
                "From when an alert became true to the browsers' queues: what a supervisor waits.",
            ),
            "s",
            percentiles("sansheng_event_to_wall_seconds"),
            limits=_LATE,
        ),
        Panel(
            "lines",
            Text("时限处理晚了多久", "Lateness of ticks"),
            Text(
                "时限(如响铃 10 秒)到了以后多久才处理。与时间有关的告警会晚同样多。",
                "How long after its deadline a tick was processed. Alerts by time alone are late by as much.",
            ),
            "s",
            percentiles("sansheng_tick_late_seconds"),
            limits=_LATE,
        ),
        Panel(
            "lines",
            Text("最近一个事件、一次提交", "Age of the last event and commit"),
            Text(
                "每个检测进程最近一个事件和最近一次提交离现在多久。一直上升就是停住了。",
                "By worker. A line that only rises has stopped.",
            ),
            "s",
            (
                Query(
                    age("sansheng_last_event_timestamp_seconds", "instance"),
                    Text("事件 {{site}} {{instance}}", "Event {{site}} {{instance}}"),
                ),
                Query(
                    age("sansheng_last_commit_timestamp_seconds", "instance"),
                    Text("提交 {{site}} {{instance}}", "Commit {{site}} {{instance}}"),
                ),
            ),
            limits=_AGE,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("等待处理的消息,按分区", "Lag by partition"),
            Text(
                "消息系统中还没有读的消息。单个分区高:那个进程慢或卡住;都高:整体跟不上。只画最多的 12 个。",
                "Messages that wait in Kafka. One partition: its worker is slow or stuck; all: too little capacity. "
                "The twelve with most.",
            ),
            "short",
            (
                Query(
                    most(12, greatest("sansheng_lag_messages", "topic", "partition")),
                    "{{site}} {{topic}} {{partition}}",
                ),
            ),
            limits=_LAG,
            decimals=0,
        ),
    ),
)

_FLOW = Row(
    Text("流量与读不了的消息", "Flow, and what could not be read"),
    (
        Panel(
            "lines",
            Text("事件", "Events"),
            Text("检测进程每秒处理的事件,按类型。", "Processed by the detectors, by type."),
            "cps",
            (Query(rate("sansheng_events_total", "type"), "{{type}}"),),
            stacked=True,
        ),
        Panel(
            "lines",
            Text("总机消息", "Messages of the PBX"),
            Text("每秒收到的总机消息,以及从中得到的事件。", "Blocks received, and the events that they gave."),
            "cps",
            (
                Query(rate("sansheng_pbx_blocks_total"), Text("消息", "Blocks")),
                Query(rate("sansheng_pbx_events_total"), Text("事件", "Events")),
            ),
        ),
        Panel(
            "bars",
            Text("读不了的消息", "Dead letters"),
            Text(
                "放进 dead-letters 的消息,按来源和原因。一条也应当去看:消息头里写着为什么、怎么办。",
                "By source and reason. Look at every one: its headers say why, and the mend.",
            ),
            "short",
            (Query(most(10, stepwise("sansheng_dead_letters_total", "source", "reason")), "{{source}} {{reason}}"),),
            stacked=True,
        ),
        Panel(
            "lines",
            Text("反常", "Oddities"),
            Text(
                "时间要纠正或来得太迟的事件、总机读不懂的内容、重新登录总机。平时应当都是 0。",
                "Events whose time had to be set right or that came too late, blocks that could not be read, and "
                "logins to the PBX. All zero on a good day.",
            ),
            "short",
            (
                Query(stepwise("sansheng_oddities_total"), Text("时间不对的事件", "Odd times")),
                Query(stepwise("sansheng_pbx_problems_total"), Text("读不懂的总机消息", "PBX blocks")),
                Query(stepwise("sansheng_pbx_connects_total"), Text("登录总机", "PBX logins")),
            ),
        ),
        Panel(
            "bars",
            Text("规则更换", "Rulebook reloads"),
            Text(
                "改过的规则被采用或未通过检查的次数。未通过时仍按旧规则判定。",
                "Changed rulebooks, taken or refused. After a refusal the older one goes on judging.",
            ),
            "short",
            (Query(stepwise("sansheng_rulebook_reloads_total", "outcome"), "{{outcome}}"),),
            names=names.RELOADS,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("规则版本", "Rulebook versions"),
            Text(
                "同时在用的规则版本数(通话一直用开始时的版本);规则文件有错时为 1 的标记;换了版本的通话。",
                "Versions in use (a call keeps the one that it began with); 1 while the files have faults; calls that "
                "had to move to another version.",
            ),
            "short",
            (
                Query(f"max({of('sansheng_rulebook_versions')})", Text("在用版本", "In use")),
                Query(f"max({of('sansheng_rulebook_refused')})", Text("规则文件有错", "Files have faults")),
                Query(stepwise("sansheng_calls_moved_total"), Text("换了版本的通话", "Calls moved")),
            ),
            decimals=0,
        ),
    ),
)

_WORKERS = Row(
    Text("进程", "Processes"),
    (
        Panel(
            "lines",
            Text("能访问到的进程", "Processes within reach"),
            Text("每类进程能访问到几个。", "By kind."),
            "short",
            (Query(total(_up(), "process"), "{{process}}"),),
            names=names.PROCESSES,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("处理器", "CPU"),
            Text(
                "每个进程用掉一个核的多少。检测进程接近 100% 时,要加检测进程。",
                "Share of one core. A detector near 100 %: start another.",
            ),
            "percentunit",
            (
                Query(
                    rate("process_cpu_seconds_total", "site", "process", "instance", job="sansheng"),
                    "{{site}} {{process}} {{instance}}",
                ),
            ),
            limits=CPU,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("内存", "Memory"),
            Text("每个进程占用的内存。一直上升就不正常。", "Resident memory. One that only rises is wrong."),
            "bytes",
            (
                Query(
                    greatest("process_resident_memory_bytes", "process", "instance", job="sansheng"),
                    "{{site}} {{process}} {{instance}}",
                ),
            ),
        ),
        Panel(
            "table",
            Text("版本与启动时间", "Versions and starts"),
            Text("每个进程的版本和已运行多久。", "By process: its version, and for how long it has run."),
            "short",
            (
                Query(greatest("sansheng_build_info", "process", "instance", "version"), "{{process}}", "runs"),
                Query(
                    f"time() - {greatest('process_start_time_seconds', 'process', 'instance', job='sansheng')}",
                    "{{process}}",
                    "since",
                ),
            ),
            width=24,
            columns=(
                Column("site", Text("中心", "Site"), "string"),
                Column("process", Text("进程", "Process"), "string", names=names.PROCESSES),
                Column("instance", Text("地址", "Address"), "string"),
                Column("version", Text("版本", "Version"), "string"),
                Column("since", Text("已运行", "Up for"), "dtdurations", decimals=0),
            ),
            order="since",
        ),
    ),
)

_WALL = Row(
    Text("监控墙", "The wall"),
    (
        Panel(
            "lines",
            Text("浏览器", "Browsers"),
            Text("连接着的浏览器:大屏和工作台。", "Connected, by mode."),
            "short",
            (Query(total(of("sansheng_wall_clients"), "mode"), "{{mode}}"),),
            width=6,
            names=names.MODES,
            stacked=True,
            decimals=0,
            link="/",
        ),
        Panel(
            "lines",
            Text("发往浏览器的变化", "Changes sent to browsers"),
            Text(
                "每秒放进浏览器队列的变化,以及因太慢而重发全部画面的浏览器。",
                "A second; and slow browsers that got a new snapshot.",
            ),
            "cps",
            (
                Query(rate("sansheng_wall_changes_total"), Text("变化", "Changes")),
                Query(rate("sansheng_wall_resyncs_total"), Text("重发画面", "Resyncs")),
            ),
            width=6,
        ),
        Panel(
            "lines",
            Text("最近读到的消息", "Last message read"),
            Text(
                "监控墙最近一次从消息系统读到消息离现在多久。",
                "How long ago the wall read a message from Kafka, by wall.",
            ),
            "s",
            (Query(age("sansheng_wall_last_message_timestamp_seconds", "instance"), "{{site}} {{instance}}"),),
            width=6,
            limits=_AGE,
            decimals=0,
        ),
        Panel(
            "bars",
            Text("人的处理", "What people did"),
            Text(
                "认领、判定、静音等操作,以及想做而没有做成的,按原因。",
                "Claims, verdicts, snoozes; and what people wanted and could not do, by the problem.",
            ),
            "short",
            (
                Query(stepwise("sansheng_wall_acts_total", "action", outcome="done"), "{{action}}"),
                Query(stepwise("sansheng_wall_acts_total", "outcome", outcome="!done"), "{{outcome}}"),
            ),
            width=6,
            names={**names.ACTIONS, **names.PROBLEMS},
            stacked=True,
            decimals=0,
        ),
        Panel(
            "bars",
            Text("打开的页面", "Pages opened"),
            Text(
                "打开的告警、通话、坐席页面和查找,以及没有打开的,按原因。",
                "Alerts, calls, agents, searches; and what could not be shown, by the problem.",
            ),
            "short",
            (
                Query(stepwise("sansheng_wall_pages_total", "what", outcome="shown"), "{{what}}"),
                Query(stepwise("sansheng_wall_pages_total", "outcome", outcome="!shown"), "{{outcome}}"),
            ),
            names={**names.OPENED, **names.PROBLEMS},
            stacked=True,
            decimals=0,
        ),
        Panel(
            "bars",
            Text("被拒绝的连接", "Refused connections"),
            Text("监控墙拒绝的连接和票据,按原因。", "And tickets, by reason."),
            "short",
            (Query(stepwise("sansheng_wall_refused_total", "reason"), "{{reason}}"),),
            names=names.REFUSALS,
            stacked=True,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("监控墙读不了的消息", "What the wall could not read"),
            Text(
                "按主题;views 是画不出来的画面。应当都是 0。",
                "By topic; views are parts of screens that could not be made. All zero on a good day.",
            ),
            "short",
            (Query(stepwise("sansheng_wall_unreadable_total", "topic"), "{{topic}}"),),
            decimals=0,
        ),
    ),
)

_ARCHIVE = Row(
    Text("归档", "The archive"),
    (
        Panel(
            "lines",
            Text("归档落后的消息", "Archive: lag"),
            Text("消息系统中还没有存入归档的消息,按主题。", "Messages that wait to be stored, by topic."),
            "short",
            (Query(once("sansheng_archive_lag_messages", "topic"), "{{topic}}"),),
            width=6,
            limits=_LAG,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("存入", "Stored"),
            Text("每分钟存入归档的通话、告警、处理结果。", "Calls, alerts and verdicts a minute."),
            "cpm",
            (
                Query(f"{rate('sansheng_archive_calls_total')} * 60", Text("通话", "Calls")),
                Query(f"{rate('sansheng_archive_alerts_total')} * 60", Text("告警", "Alerts")),
                Query(f"{rate('sansheng_archive_verdicts_total')} * 60", Text("处理结果", "Verdicts")),
            ),
            width=6,
        ),
        Panel(
            "lines",
            Text("存一批要多久", "Time to store a batch"),
            Text("存入一批的时间,含等待数据库。", "Waiting for the store included."),
            "s",
            percentiles("sansheng_archive_batch_seconds"),
            width=6,
        ),
        Panel(
            "lines",
            Text("归档反常", "Archive: oddities"),
            Text(
                "最近一次存入离现在几小时、还没有写成 Parquet 的日子、写不成的次数、读不了的消息、从头读的分区。",
                "Hours since the last write, days that wait to be written as Parquet, failures, messages that could "
                "not be read, partitions read from their beginning.",
            ),
            "short",
            (
                Query(
                    f"({age('sansheng_archive_last_write_timestamp_seconds', 'instance')}) / 3600",
                    Text("上次存入(小时前) {{site}}", "Last write, hours ago {{site}}"),
                ),
                Query(once("sansheng_archive_parquet_pending"), Text("待写日子", "Days pending")),
                Query(stepwise("sansheng_archive_parquet_failed_total"), Text("写不成", "Days failed")),
                Query(stepwise("sansheng_archive_unreadable_total"), Text("读不了", "Unreadable")),
                Query(stepwise("sansheng_archive_resets_total"), Text("从头读", "Resets")),
            ),
            width=6,
        ),
    ),
)

_PAGER = Row(
    Text("值班通知", "The pager"),
    (
        Panel(
            "lines",
            Text("未结束的通知", "Pages that are not over"),
            Text("无人认领、已认领、因免打扰暂缓的通知。", "Open, claimed, held."),
            "short",
            (Query(total(of("sansheng_pager_pages_in_progress"), "state"), "{{state}}"),),
            width=6,
            names=names.PAGES,
            stacked=True,
            decimals=0,
            link="/desk",
        ),
        Panel(
            "bars",
            Text("通知的去向", "What became of pages"),
            Text(
                "通知发出、被认领、结束、过期,以及因太迟而没有发出的。另计升级到下一级的次数。",
                "Opened, claimed, resolved, expired, and those too late to wake anybody; escalations beside them.",
            ),
            "short",
            (
                Query(stepwise("sansheng_pager_pages_total", "outcome"), "{{outcome}}"),
                Query(stepwise("sansheng_pager_escalations_total", "why"), "{{why}}"),
            ),
            width=6,
            names={**names.PAGES, **names.ESCALATIONS},
            decimals=0,
        ),
        Panel(
            "bars",
            Text("送达情况", "Deliveries"),
            Text(
                "每个接收端送达、失败(会重试)、被拒绝(放弃)的次数。",
                "By receiver: sent, failed (tried again), refused (given up).",
            ),
            "short",
            (Query(stepwise("sansheng_pager_deliveries_total", "receiver", "outcome"), "{{receiver}} {{outcome}}"),),
            width=6,
            stacked=True,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("多久送达", "Time to deliver"),
            Text(
                "从告警成立到接收端应答,九成五不超过多久。",
                "From when an alert became true to the receiver's answer, 95th percentile.",
            ),
            "s",
            (Query(quantile(0.95, "sansheng_pager_delivery_seconds", "receiver"), "{{receiver}}"),),
            width=6,
            limits=((None, GREEN), (30, ORANGE), (120, RED)),
        ),
        Panel(
            "lines",
            Text("接收端", "Receivers"),
            Text("接收端是否收得下:1 是,0 否。", "1 while a receiver takes what it is sent, else 0."),
            "none",
            (Query(f"min by (receiver) ({of('sansheng_pager_receiver_up')})", "{{receiver}}"),),
            most=1,
            decimals=0,
        ),
        Panel(
            "lines",
            Text("等待送出", "Waiting to be sent"),
            Text("每个接收端还没有送出的通知。", "Messages that wait for each receiver."),
            "short",
            (Query(total(of("sansheng_pager_waiting"), "receiver"), "{{receiver}}"),),
            decimals=0,
        ),
        Panel(
            "lines",
            Text("值班通知落后的消息", "Pager: lag"),
            Text(
                "消息系统中值班通知还没有读的消息,按主题;以及读不了的消息。",
                "Messages that wait for the pager, by topic; and those that it could not read.",
            ),
            "short",
            (
                Query(total(of("sansheng_pager_lag_messages"), "topic"), "{{topic}}"),
                Query(
                    stepwise("sansheng_pager_unreadable_total", "topic"),
                    Text("读不了 {{topic}}", "Unreadable {{topic}}"),
                ),
            ),
            decimals=0,
        ),
    ),
)


def board(*, english: bool) -> Board:
    """The dashboard; ``english``: the titles of rules in its annotations."""
    return Board(
        uid="sansheng-engine",
        title=Text("三声 · 引擎", "Sansheng · Engine"),
        says=Text(
            "给系统管理员:延迟、积压、读不了的消息、进程、归档、值班通知。",
            "For operators: latency, lag, what could not be read, processes, archive, pages.",
        ),
        rows=(_NOW, _LATENCY, _FLOW, _WORKERS, _WALL, _ARCHIVE, _PAGER),
        marks=(
            names.prometheus_alerts(),
            names.deployments(),
            names.rulebooks(),
            names.critical_alerts(english=english),
        ),
        since="now-1h",
    )
