"""An entry of the audit in words, Chinese and English: what was done, by whom in which role, and of what. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from streams.alerts import duration_en, duration_zh
from streams.archive.reads import fields_of
from streams.archive.words import WORDS

_ROLES = {"wall": "监控墙", "supervisor": "主管", "manager": "质检经理", "agent": "坐席", "operator": "运维"}
_WHAT = {
    "alert": ("查看告警", "opened an alert"),
    "call": ("查看通话", "opened a call"),
    "agent": ("查看坐席", "opened an agent's day"),
    "lines": ("查看通话文字", "followed what is said"),
    "find": ("查找通话", "looked for calls"),
    "figures": ("查看报表", "read figures"),
    "record": ("取出通话事件", "took out a record"),
    "export": ("导出日文件", "exported days"),
    "forget": ("应要求删除", "deleted on request"),
    "reads": ("查看查阅记录", "read the audit"),
}
_VALUES = WORDS | {
    "appealed": ("申诉中", "appealed"),
    "upheld": ("成立", "upheld"),
    "dismissed": ("驳回", "dismissed"),
}
#: Fields that are told as they are, one after the other.
_FIELDS = {
    "call": ("通话 {}", "call {}"),
    "alert": ("告警 {}", "alert {}"),
    "day": ("{} 当天", "on {}"),
    "queue": ("队列 {}", "queue {}"),
    "team": ("班组 {}", "team {}"),
    "severity": ("告警级别不低于{}", "alerts at least {}"),
    "verdict": ("告警判定为{}", "alerts found {}"),
    "finding": ("告警判定为{}", "alerts found {}"),
    "appeal": ("申诉{}", "appeal {}"),
    "direction": ("{}", "{}"),
    "of": ("对象 {}", "of {}"),
    "by": ("查阅人 {}", "by {}"),
}
_LENGTHS = {
    "shortest_s": ("时长不短于 {}", "at least {} long"),
    "longer_s": ("时长不短于 {}", "at least {} long"),
    "longest_s": ("时长不超过 {}", "at most {} long"),
    "shorter_s": ("时长不超过 {}", "at most {} long"),
}
_DELETED = {
    "caller": ("一位客户的通话 {} 通", "{} call(s) of a customer"),
    "call": ("指定的通话 {} 通", "{} named call(s)"),
    "again": ("此前删除过、又出现的通话 {} 通", "{} call(s) that had been deleted before"),
}


def role(name: str, *, english: bool) -> str:
    """Of whoever looked."""
    return name if english else _ROLES.get(name, name)


def what(name: str, *, english: bool) -> str:
    """What was done."""
    return _WHAT[name][english] if name in _WHAT else name


def told(done: str, of: str, zone: ZoneInfo, *, english: bool) -> str:
    """What it was done with."""
    fields = fields_of(of)
    if fields is None:
        return _plain(of, english=english)
    if done == "forget" and str(fields.get("asked")) in _DELETED:
        return _deleted(fields, english=english)
    parts = [part for part in _parts(fields, zone, english=english) if part]
    if parts:
        return (", " if english else "\uff0c").join(parts)
    return ("不限条件", "no conditions")[english] if done == "find" else ("全部", "all")[english]


def _plain(of: str, *, english: bool) -> str:
    """An id, or an entry of an older version."""
    if of in ("", "all"):
        return ("不限条件", "no conditions")[english]
    if of.startswith("replay "):
        return ("重新判定 {}", "judging {} again")[english].format(_days(of.removeprefix("replay "), english=english))
    return of


def _deleted(fields: Mapping[str, Any], *, english: bool) -> str:
    one = _DELETED[fields["asked"]][english].format(fields.get("count", 0))
    if not fields.get("done"):
        one = f"asked for: {one}" if english else f"准备删除\uff1a{one}"
    reason = fields.get("reason")
    return one if not reason else f"{one}; {reason}" if english else f"{one}\uff1b原因\uff1a{reason}"


def _parts(fields: Mapping[str, Any], zone: ZoneInfo, *, english: bool) -> Iterator[str]:
    yield _named(fields, "agent", "agent_name", ("坐席", "agent"), english=english)
    yield _named(fields, "rule", "rule_title", ("规则", "rule"), english=english)
    if text := fields.get("text"):
        yield _said(text, fields.get("role", ""), by_sound=bool(fields.get("by_sound")), english=english)
    for name in ("said", "sounds"):
        for each in fields.get(name, ()):
            own = each if isinstance(each, dict) else {"text": each}
            yield _said(own.get("text", ""), own.get("role", ""), by_sound=name == "sounds", english=english)
    if days := fields.get("days"):
        yield _days(str(days), english=english)
    if since := fields.get("since"):
        yield ("{} 起", "from {}")[english].format(_time(since, zone))
    if until := fields.get("until"):
        yield _until(until, zone, english=english)
    for name, words in _FIELDS.items():
        if value := fields.get(name):
            yield words[english].format(_value(value, english=english))
    for name, words in _LENGTHS.items():
        if isinstance(value := fields.get(name), int | float):
            yield words[english].format(duration_en(value) if english else duration_zh(value))


def _named(fields: Mapping[str, Any], key: str, name_key: str, words: tuple[str, str], *, english: bool) -> str:
    own, name = str(fields.get(key) or ""), str(fields.get(name_key) or "")
    if own and name and own != name:
        return f"{words[1]} {name} ({own})" if english else f"{words[0]} {name}\uff08{own}\uff09"
    return f"{words[english]} {name or own}" if name or own else ""


def _said(text: str, who: str, *, by_sound: bool, english: bool) -> str:
    speaker = _value(who, english=english) if who else ""
    if english:
        return f"{speaker} {'sounds like' if by_sound else 'said'} \u201c{text}\u201d".strip()
    return f"{speaker}{'说了读音像' if by_sound else '说到'}\u201c{text}\u201d" + ("的话" if by_sound else "")


def _days(days: str, *, english: bool) -> str:
    first, dots, last = days.partition("..")
    return days if not dots else first if first == last else f"{first} {'to' if english else '至'} {last}"


def _until(until: Any, zone: ZoneInfo, *, english: bool) -> str:
    """A day is meant with its end, a moment is not."""
    words = ("至 {}", "until {}") if isinstance(until, str) else ("{} 之前", "before {}")
    return words[english].format(_time(until, zone))


def _time(at: Any, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}" if isinstance(at, int | float) else str(at)


def _value(value: Any, *, english: bool) -> str:
    return _VALUES[value][english] if isinstance(value, str) and value in _VALUES else str(value)
