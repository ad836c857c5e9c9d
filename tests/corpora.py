"""Corpora of written calls: a small format for dialogues, made into events, judged by the whole book.

::

    == 查话费 | 开始 2026-11-20 14:00 | 队列 hotline
    (响铃 4 秒)
    坐席: 您好,客户服务中心,工号8026为您服务,请问有什么可以帮您
    客户: 你好,我想查一下话费
    (保持 20 秒)
    (客户挂机)

A speaker says four characters a second and everybody waits half a second, as the recorded calls do; the recogniser
tells the words 0.4 s after their end. ``python -m tests.corpora`` prints how much good speech raises no alarm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from streams.alerts import AlertChange
from streams.events import AnyEvent, from_dict
from streams.phrases.normal import normal
from streams.replay import Driver
from streams.rulebook.book import Rulebook, load
from tests.asterisk_tools import NAMES, capture, record

HERE = Path(__file__).parent / "corpora"
#: Texts of 108 spoken sentences with the rule that each breaks, and of real recordings (AISHELL, WenetSpeech, FunASR).
SPOKEN = HERE / "spoken"
BEIJING = timezone(timedelta(hours=8))
#: How fast people speak and how long they wait, as in the recorded calls; how late the recogniser is.
CHARS_A_SECOND, PAUSE_S, LATE_S = 4.0, 0.5, 0.4
#: The earliest time a call without its own date begins: a plain Friday afternoon.
PLAIN_DAY = "2026-11-20 14:00"
#: After its end a call is followed so long, seconds: what had to be said or done afterwards is judged by then.
AFTERWARDS_S = 600.0
ROLES = {"坐席": "agent", "客户": "customer"}
#: Kinds that judge words; the truth of the phones in the captures is tested elsewhere.
WORD_KINDS = frozenset({"says", "must_say"})

_STEP = re.compile(r"\((响铃|停顿|保持|转接|客户挂机|坐席挂机|线路中断)\s*([^)]*)\)")
_WELL_FORMED = """
坐席: 您好,客户服务中心,工号8026为您服务,请问有什么可以帮您
客户: 你好,我想咨询一下业务
坐席: 好的,请问您的电话号码是多少
客户: 就是这个打电话的号码
{middle}
坐席: 跟您确认一下,您的问题我已经记录下来了,我们会在两个工作日内通过电话给您反馈,您看可以吗
客户: 可以
坐席: 请问还有其他可以帮您的吗
客户: 没有了,谢谢
坐席: 感谢您的来电,请您稍后对本次服务进行评价,祝您生活愉快,再见
客户: 再见
(客户挂机)
"""
_MIDDLE = {
    "agent": "坐席: {says}\n客户: 嗯,好的",
    "customer": "客户: {says}\n坐席: 非常理解您的心情,给您带来不便我们深表歉意,我的工号是8026,马上为您核实处理",
}


class Written(NamedTuple):
    """One call: where it stands, its name, its events, and how long people speak in it, seconds."""

    source: str
    name: str
    events: tuple[AnyEvent, ...]
    speech_s: float = 0.0

    @property
    def lasts_s(self) -> float:
        """From the first event to the last."""
        return self.events[-1].at - self.events[0].at if self.events else 0.0


class Row(NamedTuple):
    """One sentence of a table and the rule that it must set off; None: none. ``role``: who says it."""

    section: str
    says: str
    rule: str | None
    role: str = "agent"


class _Call:
    """Writes the events of one dialogue; ``now`` runs on in seconds after the call's begin."""

    def __init__(self, name: str, fields: dict[str, str]) -> None:
        begin = datetime.strptime(fields.get("开始", PLAIN_DAY), "%Y-%m-%d %H:%M").replace(tzinfo=BEIJING)
        self.call, self.began, self.now, self.agent = name, begin.timestamp(), 0.0, fields.get("坐席", "8026")
        self.events: list[AnyEvent] = []
        self.answered, self.speech_s = False, 0.0
        direction = "outbound" if "呼出" in fields else "inbound"
        queue = None if direction == "outbound" else fields.get("队列", "hotline")
        self.put("call.offered", caller="13800000000", called="10000", queue=queue, direction=direction)

    def put(self, kind: str, at: float | None = None, **fields: Any) -> None:
        """One event, now or at that second."""
        when = self.began + (self.now if at is None else at)
        given = {key: value for key, value in fields.items() if value is not None}
        self.events.append(from_dict({"type": kind, "call": self.call, "at": round(when, 3), **given}))

    def answer(self, after: float) -> None:
        """The agent's phone rings and is answered."""
        self.put("agent.ringing", agent=self.agent)
        self.now += after
        self.put("call.answered", agent=self.agent)
        self.answered = True

    def say(self, role: str, text: str) -> None:
        """One utterance with its marks of speech and its transcript."""
        start = self.now + PAUSE_S
        end = start + max(1.0, len(normal(text).text)) / CHARS_A_SECOND
        self.speech_s += end - start
        self.put("speech.started", start, role=role)
        self.put("speech.ended", end, role=role)
        times = {"start": round(self.began + start, 3), "end": round(self.began + end, 3)}
        heard = round(self.began + end + LATE_S, 3)
        self.put("transcript", end + LATE_S, role=role, text=text, final=True, through=heard, **times)
        self.now = end

    def step(self, what: str, words: str) -> None:
        """What stands in brackets."""
        seconds = float(found[1]) if (found := re.search(r"([\d.]+)\s*秒", words)) else 0.0
        if what == "响铃":
            self.answer(seconds)
        elif what == "停顿":
            self.now += seconds
        elif what == "保持":
            self._wait("call.held", "call.resumed", seconds, by="agent")
        elif what == "转接":
            self._transfer(words.split(maxsplit=1)[0], seconds, "attended" if "咨询转" in words else "blind")
        else:
            self.now += PAUSE_S
            by = {"客户挂机": "customer", "坐席挂机": "agent"}.get(what, "system")
            self.put("call.ended", by=by, cause="normal" if by != "system" else "network")

    def _wait(self, begin: str, end: str, seconds: float, **fields: Any) -> None:
        self.now += PAUSE_S
        self.put(begin, **fields)
        self.now += seconds
        self.put(end, **fields)

    def _transfer(self, to: str, seconds: float, mode: str) -> None:
        self.now += PAUSE_S
        self.put("call.transferring", agent=self.agent, to=to, mode=mode)
        self.now += max(0.0, seconds - 4.0)
        self.put("agent.ringing", agent=to)
        self.now += min(4.0, seconds)
        self.put("call.transferred", agent=to)
        self.agent = to


def dialogues(text: str, source: str) -> Iterator[Written]:
    """The calls of a text in the format above; ``source`` names it.

    Raises:
        ValueError: a line that is none of this format; the message names it.
    """
    for block in re.split(r"^== *", text, flags=re.MULTILINE)[1:]:
        header, _, body = block.partition("\n")
        name, *rest = (part.strip() for part in header.split("|"))
        fields = {key: value for key, _, value in (part.partition(" ") for part in rest)}
        yield _written(source, name, fields, body)


def _written(source: str, name: str, fields: dict[str, str], body: str) -> Written:
    call = _Call(name, fields)
    for line in filter(None, (raw.split("#")[0].strip() for raw in body.splitlines())):
        step, (who, colon, says) = _STEP.fullmatch(line), line.partition(":")
        if not (call.answered or (step and step[1] == "响铃")):
            call.answer(4.0)
        if step:
            call.step(step[1], step[2])
        elif who in ROLES and colon and says.strip():
            call.say(ROLES[who], says.strip())
        else:
            raise ValueError(f"{source}, call {name}: cannot read {line!r}")
    if call.events[-1].__struct_config__.tag != "call.ended":
        call.step("客户挂机", "")
    return Written(source, name, tuple(sorted(call.events, key=lambda event: event.at)), call.speech_s)


def well_formed(says: str, role: str = "agent", name: str = "") -> Written:
    """A call in which everything is as it should be, but for ``says`` in the middle of it."""
    body = _WELL_FORMED.format(middle=_MIDDLE[role].format(says=says.replace("#", "")))
    return _written("well-formed call", name or says, {}, body)


def rows(file: Path) -> Iterator[Row]:
    """The sentences of a table."""
    for row in yaml.safe_load(file.read_text("utf-8")):
        yield Row(row["section"], row["says"], row.get("rule"), row.get("by", "agent"))


def good_calls() -> Iterator[Written]:
    """All calls on which no live rule may fire, but for the captures of the phones."""
    for file in sorted((HERE / "good").glob("*.txt")):
        yield from dialogues(file.read_text("utf-8"), file.name)
    for file in sorted((HERE / "good").glob("*.yaml")):
        for row in rows(file):
            yield well_formed(row.says, row.role, f"{row.section}: {row.says}")._replace(source=file.name)


def bad_rows() -> list[Row]:
    """Every forbidden sentence and the rule that has to fire."""
    return [row for file in sorted((HERE / "bad").glob("*.yaml")) for row in rows(file)]


def captures() -> Iterator[Written]:
    """The recorded phones, without words."""
    for name in NAMES:
        yield Written("captures", name, tuple(sorted(record(capture(name)), key=lambda event: event.at)))


def manifest() -> list[dict[str, Any]]:
    """The spoken sentences: file, the rule that it breaks or a harmless class, role, text."""
    return [json.loads(line) for line in (SPOKEN / "sentences.ndjson").read_text("utf-8").splitlines()]


def real_transcripts() -> list[str]:
    """What is said in the real recordings."""
    return [line.split("\t")[1] for line in (SPOKEN / "real.tsv").read_text("utf-8").splitlines()]


def judged(book: Rulebook, events: Iterable[AnyEvent]) -> list[AlertChange]:
    """The alerts that these events open, to the end of all that may follow; what is taken back again is none."""
    driver, end, changes = Driver(book), 0.0, list[AlertChange]()
    for event in events:
        end = max(end, event.at)
        changes += driver.feed(event)
    changes += driver.finish(end + AFTERWARDS_S)
    return [change for change in changes if change.state == "opened"]


def live(changes: Iterable[AlertChange]) -> list[AlertChange]:
    """Those of rules that are not on trial."""
    return [change for change in changes if not change.trial]


def exceptions() -> dict[tuple[str, str], str]:
    """Known false alarms: (call, rule) -> because."""
    written = yaml.safe_load((HERE / "exceptions.yaml").read_text("utf-8")) or []
    return {(row["call"], row["rule"]): row["because"] for row in written}


def _size(calls: list[Written]) -> str:
    speech, lasts = sum(c.speech_s for c in calls) / 60, sum(c.lasts_s for c in calls) / 60
    return f"{len(calls)} calls, {lasts:.0f} minutes, of these {speech:.0f} minutes of speech"


def main() -> None:
    """Print the size of the good corpus and what fires on it."""
    book, calls = load(), list(good_calls())
    fired = [(call, change) for call in calls for change in judged(book, call.events)]
    written = [call for call in calls if call.source.endswith(".txt")]
    print(f"dialogues: {_size(written)}")
    print(f"single sentences, each in the same well-formed call: {_size([c for c in calls if c not in written])}")
    print(f"live rules fired: {len(live(change for _, change in fired))}, rules on trial: ", end="")
    print(len([change for _, change in fired if change.trial]))
    for call, change in fired:
        words = " / ".join(evidence.match or evidence.text for evidence in change.evidence)
        print(f"  {'trial' if change.trial else 'LIVE '} {change.rule}  {call.source} {call.name}: {words}")


if __name__ == "__main__":
    main()
