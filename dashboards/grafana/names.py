"""What label values are called: never an id where there is a name.

Rules' titles and clauses come from the default rulebook when the dashboards are written; the rules of overlays keep
their ids. The words are those of the wall (static/words.js).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

from dashboards.grafana.panels import GREEN, RED, Mark, Text, greatest, of
from streams.alerts import Clause
from streams.detectors.base import Rule
from streams.rulebook import book, page

SEVERITIES = {
    "critical": Text("严重", "Critical"),
    "warning": Text("警告", "Warning"),
    "notice": Text("提示", "Notice"),
}
PHASES = {
    "offered": Text("排队", "Queued"),
    "ringing": Text("振铃", "Ringing"),
    "talking": Text("通话", "Talking"),
    "held": Text("保持", "On hold"),
    "transferring": Text("转接", "Transfer"),
}
QUEUES = {"direct": Text("直拨来电", "Direct"), "other": Text("其余队列", "Other queues")}
FINDINGS = {
    "true": Text("属实", "Right"),
    "false": Text("误报", "False alarm"),
    "open": Text("未处理", "Undecided"),
}
PROCESSES = {
    "detect": Text("检测", "Detector"),
    "asterisk": Text("话务接口", "PBX gateway"),
    "listen": Text("语音接入", "Audio gateway"),
    "recognise": Text("语音识别", "Recogniser"),
    "wall": Text("监控墙", "Wall"),
    "archive": Text("归档", "Archive"),
    "pager": Text("值班通知", "Pager"),
}
RELOADS = {"taken": Text("已采用", "Taken"), "refused": Text("未通过检查", "Refused")}
YES_NO = ((0, Text("否", "No"), RED), (1, Text("是", "Yes"), GREEN))
MODES = {"wall": Text("大屏", "Wall mode"), "desk": Text("工作台", "Desk")}
TRANSCRIPTS = {
    "partial": Text("未说完的句子", "Partial"),
    "final": Text("完整句子", "Final"),
    "watermark": Text("没有人说话", "Nothing said"),
}
PAGES = {
    "open": Text("无人认领", "Nobody has claimed"),
    "claimed": Text("已认领", "Claimed"),
    "held": Text("免打扰, 暂缓", "Held: quiet hours"),
    "opened": Text("发出", "Opened"),
    "resolved": Text("已结束", "Resolved"),
    "expired": Text("过期", "Expired"),
    "too-late": Text("太迟, 未通知", "Too late: nobody woken"),
}
ACTIONS = {
    "claimed": Text("认领", "Claimed"),
    "released": Text("退回", "Released"),
    "resolved": Text("属实, 已处理", "Resolved"),
    "false_alarm": Text("误报", "False alarm"),
    "reopened": Text("重新打开", "Reopened"),
    "commented": Text("备注", "Commented"),
    "appealed": Text("申诉", "Appealed"),
    "upheld": Text("申诉成立", "Appeal upheld"),
    "dismissed": Text("申诉不成立", "Appeal dismissed"),
    "snoozed": Text("静音规则", "Rule snoozed"),
}
OPENED = {
    "alert": Text("告警", "Alerts"),
    "call": Text("通话", "Calls"),
    "agent": Text("坐席", "Agents"),
    "find": Text("查找", "Searches"),
}
#: Why something that people wanted was not done or shown.
PROBLEMS = {
    "not_allowed": Text("未做: 没有权限", "Not done: not allowed"),
    "too_late": Text("未做: 别人已先处理", "Not done: somebody was first"),
    "unknown": Text("未做: 找不到", "Not done: not found"),
    "unavailable": Text("未做: 消息系统不可用", "Not done: broker not available"),
    "too_long": Text("未做: 文字太长", "Not done: text too long"),
    "bad": Text("未做: 要求有误", "Not done: bad request"),
    "busy": Text("未做: 太忙", "Not done: busy"),
    "archive": Text("未做: 归档不可用", "Not done: archive not available"),
    "no_archive": Text("未做: 没有归档", "Not done: no archive"),
    "forgotten": Text("未做: 已到期删除", "Not done: forgotten"),
}
REFUSALS = {
    "ticket": Text("票据无效", "Ticket not good"),
    "role": Text("角色不符", "Wrong role"),
    "rate": Text("说得太快", "Too fast"),
    "unexpected": Text("消息有误", "Unexpected message"),
    "full": Text("连接已满", "Full"),
    "origin": Text("来自别的网站", "From another site"),
    "header": Text("请求头有误", "Bad header"),
    "busy": Text("太忙", "Busy"),
    "token": Text("口令不对", "Wrong token"),
    "user": Text("用户未知", "Unknown user"),
}
#: Why sound was not heard.
GAPS = {
    "behind": Text("跟不上, 已跳过", "Behind: skipped"),
    "expired": Text("过期, 已不在消息系统", "Expired in Kafka"),
    "reconnected": Text("来源重新连接", "Source reconnected"),
    "fault": Text("识别器出错", "An ear failed"),
    "lost": Text("声音丢失", "Sound lost"),
    "other": Text("其他原因", "Other reasons"),
}
ESCALATIONS = {
    "unclaimed": Text("升级: 无人认领", "Escalated: unclaimed"),
    "quiet": Text("升级: 免打扰", "Escalated: quiet hours"),
    "refused": Text("升级: 接收端拒收", "Escalated: refused"),
}


@cache
def rules() -> tuple[Rule, ...]:
    """Those of the default rulebook that may fire."""
    return tuple(rule for rule in book.load().rules if rule.status in ("live", "trial"))


@cache
def titles() -> Mapping[str, Text]:
    """Rule -> its title."""
    return {rule.id: Text(rule.title, rule.en.title if rule.en else rule.title) for rule in rules()}


def _written(clause: Clause) -> Text:
    text = f"《{clause.title or clause.manual}》{clause.section}"
    return Text(text, text)


@cache
def clauses() -> Mapping[str, Text]:
    """Rule -> the clause that it watches over."""
    return {rule.id: _written(rule.clause) for rule in rules()}


@cache
def _sharing() -> tuple[tuple[str, ...], ...]:
    """Rules that watch over one clause, where there are several."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for rule in rules():
        found[rule.clause.manual, rule.clause.section].append(rule.id)
    return tuple(tuple(each) for each in found.values() if len(each) > 1)


def by_clause(expr: str) -> str:
    """``expr`` by rule, made by clause; a clause is named by the first rule that watches over it."""
    made = f'label_join({expr}, "clause", "", "rule")'
    for first, *others in _sharing():
        made = f'label_replace({made}, "clause", "{first}", "rule", "{"|".join(others)}")'
    return f"sum by (clause) ({made})"


def _titled(expr: str, among: Iterable[str], *, english: bool) -> str:
    """``expr`` by rule with a label ``title``; a rule of an overlay keeps its id."""
    made = f'label_join({expr}, "title", "", "rule")'
    for rule in among:
        title = titles()[rule].said(english).replace("\\", "").replace('"', "'")  # as it may stand in PromQL
        made = f'label_replace({made}, "title", "{title}", "rule", "{rule}")'
    return made


def _may_be_critical(rule: Rule) -> bool:
    return any(severity == "critical" for severity, _ in page.severities(rule))


def critical_alerts(*, english: bool) -> Mark:
    """Where a critical alert came up."""
    selector = of("sansheng_alerts_total", severity="critical", state="opened|raised")
    new = f"sum by (rule) (increase({selector}[1m])) > 0"
    titled = _titled(new, [rule.id for rule in rules() if _may_be_critical(rule)], english=english)
    return Mark(Text("严重告警", "Critical alerts"), titled, "{{title}}", "rule", "red")


def prometheus_alerts() -> Mark:
    """Where Prometheus itself raised an alarm; the runbook has a heading for each name."""
    firing = greatest("ALERTS", "alertname", "severity", alertstate="firing")
    return Mark(Text("Prometheus 告警", "Prometheus alerts"), firing, "{{alertname}}", "site,severity", "orange")


def deployments() -> Mark:
    """Where a version came that did not run a minute before."""
    new = _new("sansheng_build_info", "process", "version")
    return Mark(Text("版本上线", "Deployments"), new, "{{process}} {{version}}", "site,process", "blue")


def rulebooks() -> Mark:
    """Where calls began to be judged by another rulebook."""
    return Mark(
        Text("规则更换", "Rulebooks"), _new("sansheng_rulebook_info", "version"), "{{version}}", "site", "purple"
    )


def _new(metric: str, *by: str) -> str:
    """What a gauge tells now and did not tell a minute before."""
    running = greatest(metric, *by)
    return f"{running} unless {running.removesuffix(')')} offset 1m)"
