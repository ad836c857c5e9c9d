"""The life of an alert and the sentence that a supervisor reads.

Owns the alert change of the contract, its id, and how times, durations and people are written. Does not
know when an alert opens: that is the detectors' business.

An alert is opened, may be raised (severity only goes up), and is cleared when its cause has ended. Claimed,
resolved and false_alarm come from people.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import msgspec
from msgspec import Struct

from streams.call import Call
from streams.events import Evidence
from streams.numbers import is_outside, mask
from streams.phrases.match import LIKE

Severity = Literal["notice", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("notice", "warning", "critical")
#: The wall's shapes (dashboards/wall/static/icons.js: octagon, triangle, disc) as characters.
SIGNS: Mapping[Severity, str] = MappingProxyType({"critical": "⬢", "warning": "▲", "notice": "●"})
EMPTY: Mapping[str, Any] = MappingProxyType({})
State = Literal["opened", "raised", "cleared", "claimed", "resolved", "false_alarm"]


class Clause(Struct, frozen=True, omit_defaults=True):
    """Where the rule is written: the manual's number and title, its section, and the words themselves."""

    manual: str
    section: str
    quote: str = ""
    title: str = ""


class Wording(Struct, frozen=True, omit_defaults=True):
    """Title and sentence in a second language."""

    title: str
    says: str


class AlertChange(Struct, frozen=True, kw_only=True):
    """One change of one alert, as on the ``alerts`` topic. ``at``: when it became true, Unix seconds.

    ``call``: the same in every change of an alert, of a rule across calls the one that opened it; ``calls``: all calls
    that it is about by now, where these are several, the newest last; ``trial``: its rule is on trial; ``page``: its
    rule wants somebody called, whatever the severity.
    """

    id: str
    rule: str
    severity: Severity
    state: State
    call: str
    agent: str | None
    agent_name: str | None = None
    queue: str | None
    at: float
    title: str
    says: str
    en: Wording | None = None
    clause: Clause
    evidence: tuple[Evidence, ...] = ()
    calls: tuple[str, ...] = ()
    trial: bool = False
    page: bool = False
    rulebook: str


def alert_id(call: str, rule: str, occurrence: int) -> str:
    """The same call, rule and occurrence (1, 2, ...) give the same id, so a redelivery is recognised."""
    return hashlib.sha256(f"{call}\x00{rule}\x00{occurrence}".encode()).hexdigest()[:16]


def render(change: AlertChange) -> bytes:
    """One NDJSON line without its newline."""
    return msgspec.json.encode(change)


_decoder = msgspec.json.Decoder(AlertChange)


def parse(line: bytes | str) -> AlertChange:
    """Read one alert change. Raises msgspec.MsgspecError where it is none."""
    return _decoder.decode(line)


#: How a condition ended, by the event that ended it (rows of the call's table).
_OUTCOME_ZH: dict[str, str] = {
    "call.answered": "已接听",
    "consult.answered": "已接听",
    "agent.missed": "无人接听",
    "call.held": "客户已转入保持",
    "call.resumed": "已恢复通话",
    "call.transferring": "已开始转接",
    "call.transferred": "客户已接通新坐席",
    "transfer.failed": "转接未成功",
    "speech.started": "已有人说话",
}
_OUTCOME_EN: dict[str, str] = {
    "call.answered": "answered",
    "consult.answered": "answered",
    "agent.missed": "not answered",
    "call.held": "the customer was put on hold",
    "call.resumed": "the conversation goes on",
    "call.transferring": "a transfer has begun",
    "call.transferred": "connected with the new agent",
    "transfer.failed": "the transfer failed",
    "speech.started": "somebody speaks",
}


#: The same for an end, by the party that hung up.
_ENDED_ZH = {"customer": "客户已挂机", "agent": "坐席已挂机", "system": "通话已结束"}
_ENDED_EN = {"customer": "the customer hung up", "agent": "the agent hung up", "system": "the call has ended"}


def duration_zh(seconds: float) -> str:
    """``14.0`` -> ``14 秒``, ``90`` -> ``1 分 30 秒``, ``2.26`` -> ``2.3 秒``."""
    if seconds < 9.95 and abs(seconds - round(seconds)) >= 0.05:
        return f"{seconds:.1f} 秒"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} 小时" * bool(hours), f"{minutes} 分" * bool(minutes), f"{rest} 秒" * bool(rest)]
    text = " ".join(p for p in parts if p) or "0 秒"
    return text + "钟" if text.endswith("分") else text


def by_sound_zh(by_sound: bool) -> str:
    """What stands behind words of which only the sound was heard: their characters prove nothing."""
    return "(据音听写)" * by_sound


def duration_en(seconds: float) -> str:
    """``14.0`` -> ``14 s``, ``90`` -> ``1 min 30 s``."""
    if seconds < 9.95 and abs(seconds - round(seconds)) >= 0.05:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h" * bool(hours), f"{minutes} min" * bool(minutes), f"{rest} s" * bool(rest)]
    return " ".join(p for p in parts if p) or "0 s"


#: Stands for an agent whose number nobody knows: sound that is heard without the telephone's record.
NOBODY = "坐席"


def agent_zh(agent: str | None, name: str | None) -> str:
    """``Ana Lopez(101)``, ``101 号坐席``, an outside line by its masked number, ``坐席`` where nobody is known."""
    if not agent or agent == NOBODY:
        return NOBODY
    if is_outside(agent):
        return f"外线 {mask(agent)}"
    return f"{name}({agent})" if name else f"{agent} 号坐席"


def agent_en(agent: str | None, name: str | None) -> str:
    """``Ana Lopez (101)``, ``agent 101``, an outside line by its masked number, ``the agent``."""
    if not agent or agent == NOBODY:
        return "the agent"
    if is_outside(agent):
        return f"the outside line {mask(agent)}"
    return f"{name} ({agent})" if name else f"agent {agent}"


#: What a sentence of any rule may name; a kind has further figures of its own.
FIGURES = ("agent", "duration", "queue", "to", "outcome")


def _word(word: str, misheard: str) -> str:
    """A word in quotes; of one that only sounds like its phrase, what was meant and what the recogniser wrote."""
    meant, like, heard = word.partition(LIKE)
    return f"\u201c{meant}\u201d" + (misheard.format(f"\u201c{heard}\u201d") if like else "")


def figures_zh(
    call: Call, agents: Sequence[str], seconds: float, ended_by: str = "", values: Mapping[str, Any] = EMPTY
) -> dict[str, str]:
    """The Chinese values of ``FIGURES``: whom it is about, the duration in question, what ended it; and ``values``."""
    first = agents[0] if agents else call.agent if values else None
    who = agent_zh(first, call.name_of(first))
    return {
        "agent": f"{who}等 {len(agents)} 名坐席" if len(agents) > 1 else who,
        "duration": duration_zh(seconds),
        "queue": f"{call.queue}队列" if call.queue else "直拨来电",
        "to": agent_zh(call.transfer_to, call.name_of(call.transfer_to)) if call.transfer_to else "其他坐席",
        "outcome": _OUTCOME_ZH.get(ended_by) or _ENDED_ZH.get(call.ended_by or "", "情况已解除"),
        **{name: _value(name, value, duration_zh, "\u3001", "\uff08听写作{}\uff09") for name, value in values.items()},
    }


def figures_en(
    call: Call, agents: Sequence[str], seconds: float, ended_by: str = "", values: Mapping[str, Any] = EMPTY
) -> dict[str, str]:
    """The English values of ``FIGURES``, and ``values``."""
    first = agents[0] if agents else call.agent if values else None
    who = agent_en(first, call.name_of(first))
    return {
        "agent": f"{who} and {len(agents) - 1} more" if len(agents) > 1 else who,
        "duration": duration_en(seconds),
        "queue": f"queue {call.queue}" if call.queue else "a direct call",
        "to": agent_en(call.transfer_to, call.name_of(call.transfer_to)) if call.transfer_to else "another agent",
        "outcome": _OUTCOME_EN.get(ended_by) or _ENDED_EN.get(call.ended_by or "", "it is over"),
        **{name: _value(name, value, duration_en, ", ", " (heard as {})") for name, value in values.items()},
    }


def _value(name: str, value: Any, duration: Callable[[float], str], comma: str, misheard: str) -> str:
    """A detector's figure as it is written: a window is a duration, words are quoted, other numbers are rounded."""
    if name == "window":
        return duration(value)
    if isinstance(value, list | tuple):
        return comma.join(_word(str(word), misheard) for word in value)
    if name == "trigger":
        return _word(str(value), misheard)
    return f"{value:.0f}" if isinstance(value, float) else str(value)


#: Half-width marks become full-width where Chinese stands before or after them. Written as code points, because
#: editors and input methods like to change them into each other.
_FULL_WIDTH = {",": "\uff0c", ":": "\uff1a", ";": "\uff1b", "!": "\uff01", "?": "\uff1f", "(": "\uff08", ")": "\uff09"}
_HAN = "\u4e00-\u9fff"
_MARK = re.compile(f"(?<=[{_HAN}\uff09\u201d])([,:;!?]) *|([,:;!?])(?=[{_HAN}])|([()])")
_SEAM = re.compile(f"(?<=[{_HAN}])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])(?=[{_HAN}])")


def typeset_zh(sentence: str) -> str:
    """A Chinese sentence as it is printed: full-width marks, a space between Chinese and Latin letters or digits.

    Managers may write either way; names and queues come as the PBX has them.
    """
    full = _MARK.sub(lambda found: _FULL_WIDTH[found.group().strip()], sentence)
    return _SEAM.sub(" ", full)
