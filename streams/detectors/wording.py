"""Rules and moments in a quality manager's words, for ``rules show`` and ``rules explain``.

Pieces that all kinds share; each kind puts its own sentence together in its own file.
"""

from __future__ import annotations

from collections.abc import Iterable

from streams.alerts import Severity, duration_zh
from streams.detectors.conditions import AnyWords, Condition, Facts, clock, words_of
from streams.events import Direction, Role
from streams.talk import Truth

SEVERITY_ZH: dict[Severity, str] = {"notice": "提示", "warning": "警告", "critical": "严重"}
PARTY_ZH = {"agent": "坐席", "customer": "客户", "system": "系统"}
PHASE_ZH = {
    "offered": "排队",
    "ringing": "响铃",
    "talking": "通话",
    "held": "保持",
    "transferring": "转接",
    "ended": "已结束",
}
DIRECTION_ZH: dict[Direction, str] = {"inbound": "呼入", "outbound": "呼出"}
ANSWER_ZH = {"yes": "是", "no": "否", "wait": "还不知道", "never": "无从得知"}
DAY_ZH = {"workday": "工作日", "day-off": "休息日", "weekend": "周末", "holiday": "法定节假日"}


def answer_of(value: bool) -> str:
    """A fact that is known, as ``Explained.answer``."""
    return (Truth.YES if value else Truth.NO).name.lower()


def truth_of(answer: Truth) -> str:
    """The same of an answer that may be unknown."""
    return answer.name.lower()


def or_of(items: Iterable[str]) -> str:
    """``甲、乙或丙``."""
    *first, last = items
    return f"{'、'.join(first)}或{last}" if first else last


def words_zh(written: AnyWords) -> str:
    """Words, by the names of their sets: ``〔greeting〕或〔apology〕``."""
    words = words_of(written)
    names = {name: f"〔{name}〕" for name in words.names}
    parts: list[str] = []
    if words.any:
        listed = or_of(names[n] for n in words.any)
        parts.append(f"{listed}中的至少 {words.at_least} 项" if words.at_least > 1 else listed)
    parts += [f"全部的{'、'.join(names[n] for n in words.all)}"] if words.all else []
    text = ",并且说".join(parts)
    barred = f"不含{or_of(names[n] for n in words.none)}" if words.none else ""
    return f"{text}({barred})" if text and barred else text or barred


def span_zh(facts: Facts, since: float, until: float | None) -> str:
    """From when to when, and how long."""
    if until is None:
        return f"{clock(facts, since)} 起,至今 {duration_zh(max(0.0, facts.now - since))}"
    return f"{clock(facts, since)} 至 {clock(facts, until)},{duration_zh(max(0.0, until - since))}"


def condition_zh(condition: Condition) -> str:
    """A condition in words; its parts are joined by a semicolon."""
    return ";".join([*_joined(condition), *_phone(condition), *_times(condition), *_heard(condition)])


def _joined(c: Condition) -> list[str]:
    found = [f"同时满足({'、'.join(f'({condition_zh(i)})' for i in c.all)})"] if c.all else []
    found += [f"满足其一({'、'.join(f'({condition_zh(i)})' for i in c.any)})"] if c.any else []
    return found + ([f"并非({condition_zh(c.no)})"] if c.no else [])


def _phone(c: Condition) -> list[str]:
    found = [f"{DIRECTION_ZH[c.direction]}的电话"] if c.direction else []
    found += [f"队列为 {or_of(c.queue)}"] if c.queue else []
    found += [f"坐席为 {or_of(c.agent)}"] if c.agent else []
    found += [f"当时处于{or_of(PHASE_ZH[p] for p in c.phase)}"] if c.phase else []
    found += ["电话已接听" if c.answered else "电话未接听"] if c.answered is not None else []
    found += [f"由{or_of(PARTY_ZH[p] for p in c.ended_by)}挂机"] if c.ended_by else []
    found += [f"挂机原因为 {or_of(c.cause)}"] if c.cause else []
    return found + ([f"此前已持续 {duration_zh(c.lasted)}以上"] if c.lasted is not None else [])


def _times(c: Condition) -> list[str]:
    found = [f"时间在 {or_of(c.hours)}"] if c.hours else []
    return found + ([f"日期为{or_of(DAY_ZH.get(d, d) for d in c.days)}"] if c.days else [])


def _heard(c: Condition) -> list[str]:
    found: list[str] = []
    if c.said:
        window = "此前" if c.said.within is None else f"此前 {duration_zh(c.said.within)}内"
        window += f"到此后 {duration_zh(c.said.after)}" if c.said.after else ""
        times = f" {c.said.times} 次" if c.said.times > 1 else ""
        found.append(f"{window}{_party(c.said.by)}说过{words_zh(c.said.words)}{times}")
    found += [f"同一句话里有{words_zh(c.utterance)}"] if c.utterance else []
    if c.silent:
        window = "接听以来" if c.silent.lasting is None else f"此前 {duration_zh(c.silent.lasting)}内"
        found.append(f"{window}{_party(c.silent.by, '双方')}没有出声")
    return found + ([f"已走完 {c.done} 规定的步骤"] if c.done else [])


def _party(role: Role | None, both: str = "任一方") -> str:
    return PARTY_ZH[role] if role else both
