"""Timelines: what has to happen under a rule, second by second, as a quality manager writes it.

One YAML file a rule, ``tests/rules/<rule>.yaml``::

    rule: ring-over-three
    timelines:
      - name: 十秒整报警,接听后解除
        proves: positive              # positive | near-miss | exemption
        start: 2026-11-20 10:00       # optional, Beijing time
        call: {queue: hotline}        # optional fields of call.offered
        events:
          - 0 s 来电
          - 0 s 响铃 8026
          - 23 s 接听 8026
          - 24 s 坐席: 抱歉让您久等了
        expect:
          - 9.9 s: 无
          - 10 s: 警告 8026 号坐席的电话已响铃 10 秒,仍无人接听
          - 20 s: 升级 严重
          - 23 s: 解除

Owns reading these files (all faults at once, each with its line and the mend), turning them into events of the record,
and holding what came against what was expected. Prints nothing. The words of the format are the tables below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import msgspec
import yaml
from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import AlertChange, Severity, typeset_zh
from streams.core import NotJudged
from streams.days import ZONE
from streams.events import (
    AgentMissed,
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    CallTransferred,
    CallTransferring,
    Gap,
    Party,
    Role,
    SpeechEnded,
    SpeechStarted,
    Spotted,
    Transcript,
    TransferFailed,
    TransferMode,
)
from streams.phrases.normal import normal
from streams.replay import Driver
from streams.rulebook.book import Rulebook
from streams.rulebook.reading import Fault, line_of, nearest

Proves = Literal["positive", "near-miss", "exemption"]
PROVES: tuple[Proves, ...] = get_args(Proves)

#: When a timeline begins that does not say so: a plain Friday, a working day.
START = "2026-11-20 10:00"
#: The call of events that name none.
CALL = "通话"
#: Speech without an end is spoken at this pace, characters a second.
PACE = 4.0
#: A recogniser gives the finished sentence so long, seconds, after its last word.
FINAL_AFTER_S = 0.4
#: Times are compared to within this, seconds.
TOLERANCE_S = 0.05

_ROLES: dict[str, Role] = {"坐席": "agent", "客户": "customer"}
_PARTIES: dict[str, Party] = {**_ROLES, "系统": "system"}
_MODES: dict[str, TransferMode] = {"盲转": "blind", "咨询转": "attended"}
_SEVERITIES: dict[str, Severity] = {"提示": "notice", "警告": "warning", "严重": "critical"}
_SEVERITY_ZH = {severity: word for word, severity in _SEVERITIES.items()}
_WORDS = {"raised": "升级 ", "cleared": "解除", "not judged": "未判定", "nothing": "无"}
_UNITS_S = {"s": 1.0, "秒": 1.0, "min": 60.0, "分钟": 60.0, "分": 60.0, "h": 3600.0, "小时": 3600.0}

_UNIT = "|".join(sorted(_UNITS_S, key=len, reverse=True))
_QUANTITY = re.compile(rf"(\d+(?:\.\d+)?)\s*({_UNIT})(?![a-z])")
_TIME = rf"(?:\d+(?:\.\d+)?\s*(?:{_UNIT})(?![a-z])\s*)+"
_WHEN = re.compile(rf"\s*(?P<start>{_TIME})(?:-\s*(?P<end>{_TIME}))?\s*(?:\[(?P<call>[^\]]+)\])?\s*(?P<rest>.*)", re.S)
_SPEECH = re.compile("(?:(听见)\\s*)?(坐席|客户)\\s*[:\uff1a]\\s*(.*)", re.S)


class Change(Struct, frozen=True):
    """One thing that came, or was expected. ``at``: seconds after the start; ``says`` empty: any sentence.

    ``what``: opened, raised, cleared, not judged; nothing (only expected: no more than this so far).
    """

    at: float
    what: Literal["opened", "raised", "cleared", "not judged", "nothing"]
    severity: Severity | None = None
    says: str = ""
    call: str = ""
    line: int = 0

    @property
    def word(self) -> str:
        """``警告``, ``升级 严重``, ``解除`` …"""
        severity = _SEVERITY_ZH[self.severity] if self.severity and self.what in ("opened", "raised") else ""
        return _WORDS.get(self.what, "") + severity

    def __str__(self) -> str:
        """As it is written under ``expect``."""
        call = f" [{self.call}]" if self.call not in ("", CALL) else ""
        return f"{seconds(self.at)}{call}: {self.word} {self.says}".rstrip()


class Timeline(Struct, frozen=True):
    """One timeline as read. ``until``: up to then, seconds after the start, time passes."""

    file: str
    line: int
    rule: str
    name: str
    proves: Proves
    start: float
    events: tuple[AnyEvent, ...]
    expect: tuple[Change, ...]
    until: float


class Difference(Struct, frozen=True):
    """Where what came is not what was expected; ``line`` is that of the expectation."""

    line: int
    expected: str
    came: str


class Outcome(Struct, frozen=True):
    """How a timeline went. ``came``: everything of its rule, in order of time."""

    timeline: Timeline
    differences: tuple[Difference, ...]
    came: tuple[Change, ...]

    @property
    def passed(self) -> bool:
        """Whether exactly what was expected came."""
        return not self.differences

    def __str__(self) -> str:
        """File, line and name, each difference, and all that came."""
        head = f"{self.timeline.file}:{self.timeline.line}: {self.timeline.rule}: {self.timeline.name}"
        rows = [row for d in self.differences for row in _rows(d)]
        all_of_it = "; ".join(map(str, self.came)) or "nothing"
        return "\n".join([head, *rows, f"  all that came: {all_of_it}"])


def _rows(difference: Difference) -> Iterator[str]:
    label = f"  line {difference.line}: expected "
    yield label + difference.expected
    yield f"{'came ':>{len(label)}}{difference.came}"


class Sheet(NamedTuple):
    """A file of timelines: those that can be run, and every fault in it."""

    file: Path
    rule: str
    timelines: tuple[Timeline, ...]
    faults: tuple[Fault, ...]


def seconds(at: float) -> str:
    """``10.0`` -> ``10 s``; to the hundredth."""
    return f"{round(at, 2):.2f}".rstrip("0").rstrip(".") + " s"


# ------------------------------------------------------------------------------------------------- running


def trying(book: Rulebook, rule_id: str) -> Rulebook | None:
    """The book to run the timelines of that rule by: a draft is tried as if on trial. None: the rule is retired."""
    rule = book.rule(rule_id)
    if rule is None or rule.status == "retired":
        return None
    if rule.status != "draft":
        return book
    tried = tuple(replace(each, status="trial") if each is rule else each for each in book.rules)
    return replace(book, rules=tried)


def run(book: Rulebook, timeline: Timeline) -> Outcome:
    """Judge the timeline's events by ``book`` and compare; a draft is proven before it may fire."""
    driver = Driver(trying(book, timeline.rule) or book)
    changes = [change for event in timeline.events for change in driver.feed(event)]
    changes += driver.finish(timeline.start + timeline.until)
    told: list[AlertChange | NotJudged] = [*changes, *driver.not_judged]
    came = sorted((_came(c, timeline.start) for c in told if c.rule == timeline.rule), key=lambda c: c.at)
    return Outcome(timeline, tuple(differences(timeline.expect, came, timeline.line)), tuple(came))


def _came(change: AlertChange | NotJudged, start: float) -> Change:
    at = round(change.at - start, 3)
    if isinstance(change, NotJudged):
        return Change(at, "not judged", call=change.call)
    return Change(at, change.state, change.severity, change.says, change.call)  # type: ignore[arg-type]


def differences(expect: Sequence[Change], came: Sequence[Change], line: int = 0) -> Iterator[Difference]:
    """Each expectation that is not met, and each change that nobody expected; ``line``: that of the timeline."""
    wanted, rest = list(expect), list(came)
    while wanted or rest:
        if wanted and wanted[0].what == "nothing":
            early = wanted.pop(0)
            while rest and rest[0].at <= early.at:
                yield Difference(early.line, str(early), str(rest.pop(0)))
            continue
        line = wanted[0].line if wanted else line
        if wanted and rest and _meets(rest[0], wanted[0]):
            wanted.pop(0), rest.pop(0)
        elif rest and not _any_meets([rest[0]], wanted) and (not wanted or _any_meets(rest, wanted[:1])):
            yield Difference(line, "nothing more", str(rest.pop(0)))
        elif wanted and (not rest or _any_meets(rest[:1], wanted)):
            yield Difference(line, str(wanted.pop(0)), "nothing of the kind")
        else:
            yield Difference(line, str(wanted.pop(0)), str(rest.pop(0)))


def _any_meets(came: Iterable[Change], wanted: Sequence[Change]) -> bool:
    return any(_meets(c, w) for c in came for w in wanted if w.what != "nothing")


def _meets(came: Change, wanted: Change) -> bool:
    return (
        came.what == wanted.what
        and round(abs(came.at - wanted.at), 3) <= TOLERANCE_S
        and (wanted.severity is None or came.severity == wanted.severity)
        and wanted.says in ("", came.says)
        and wanted.call in ("", came.call)
    )


# ------------------------------------------------------------------------------------------------- reading


class _Error(ValueError):
    """Something wrong in one line of a file, and the mend."""

    def __init__(self, problem: str, mend: str = "", node: Any = None) -> None:
        super().__init__(problem)
        self.problem, self.mend, self.node = problem, mend, node


def files_in(folders: Iterable[Path]) -> list[Path]:
    """The timeline files in these folders; a path that is no folder is a file itself."""
    return [file for each in folders for file in (sorted(each.glob("*.yaml")) if each.is_dir() else [each])]


def read(file: Path, rules: Iterable[str]) -> Sheet:
    """Read one file. ``rules``: the ids that there are. A timeline with a fault is left out."""
    faults: list[Fault] = []
    sheet = Sheet(file, file.stem, (), ())

    def fault(error: _Error, node: Any) -> None:
        faults.append(Fault(str(file), line_of(error.node or node), error.problem, error.mend))

    known = list(rules)
    try:
        node = yaml.compose(file.read_text("utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        mend = 'check the indentation; quote a text that has ": " or " #" in it'
        return sheet._replace(faults=(Fault(str(file), line, f"not YAML: {error.problem}", mend),))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        return sheet._replace(faults=(Fault(str(file), 1, f"cannot be read: {error}", "a UTF-8 text file"),))
    try:
        fields = _fields(node, ("rule", "timelines"), fault)
        _need(fields, ("rule", "timelines"), node)
        rule = _scalar(fields["rule"])
        _check_rule(file, rule, fields["rule"], known, fault)
        items = _items(fields["timelines"], "timelines")
    except _Error as error:
        fault(error, node)
        return sheet._replace(faults=tuple(faults))
    found: list[Timeline] = []
    for item in items if rule in known else ():
        before = len(faults)
        try:
            timeline = _timeline(str(file), rule, item, fault)
            if timeline.name in (t.name for t in found):
                raise _Error(f"a second timeline {timeline.name!r}", "give each its own name")
        except _Error as error:
            fault(error, item)
            continue
        if len(faults) == before:
            found.append(timeline)
    return Sheet(file, rule, tuple(found), tuple(faults))


_Tell = Callable[[_Error, Any], None]


def _check_rule(file: Path, rule: str, node: Any, known: Sequence[str], fault: _Tell) -> None:
    if rule not in known:
        fault(_Error(f"unknown rule {rule!r}", nearest(rule, known)), node)
    elif rule != file.stem:
        fault(_Error(f"timelines of {rule!r} in a file of another name", f"call the file {rule}.yaml"), node)


def _timeline(file: str, rule: str, node: Any, fault: _Tell) -> Timeline:
    fields = _fields(node, ("name", "proves", "start", "call", "calls", "events", "expect"), fault)
    _need(fields, ("name", "proves", "events", "expect"), node)
    proves = _scalar(fields["proves"])
    if proves not in PROVES:
        fault(_Error(f"unknown `proves` {proves!r}", nearest(proves, PROVES)), fields["proves"])
    start = _start(fields.get("start"), fault)
    events, passes = _events(fields, start, fault)
    expect = _expectations(fields["expect"], fault)
    if proves == "positive" and not any(c.what == "opened" for c in expect):
        mend = "it is a near-miss or an exemption"
        fault(_Error("a positive timeline that expects no alert", mend), fields["proves"])
    until = max([passes, *(c.at for c in expect if c.what == "nothing"), *(e.at - start for e in events)], default=0.0)
    return Timeline(
        file=file,
        line=line_of(node),
        rule=rule,
        name=_scalar(fields["name"]),
        proves=proves,  # type: ignore[arg-type]  # checked above
        start=start,
        events=tuple(sorted(events, key=lambda e: e.at)),
        expect=tuple(expect),
        until=until,
    )


def _start(node: Any, fault: _Tell) -> float:
    written = START if node is None else _scalar(node)
    try:
        return datetime.fromisoformat(written).replace(tzinfo=ZONE).timestamp()
    except ValueError:
        fault(_Error(f"not a time: {written!r}", f"write {START}"), node)
        return 0.0


def _expectations(node: Any, fault: _Tell) -> list[Change]:
    found: list[Change] = []
    for item in _items(node, "expect"):
        try:
            change = _expectation(_joined(item), line_of(item))
            if found and change.at < found[-1].at:
                raise _Error("earlier than the line above", "put what is expected in order of time")
            found.append(change)
        except _Error as error:
            fault(error, item)
    return found


def _expectation(text: str, line: int) -> Change:
    at, end, call, rest = _when(text)
    if end is not None:
        raise _Error(f"a span of time is not expected: {text!r}", "one moment: `10 s: 警告`")
    if not rest.startswith((":", "\uff1a")):
        raise _Error(f"no `:` after the time: {text!r}", "write `10 s: 警告 sentence` or `9.9 s: 无`")
    word, _, says = rest[1:].strip().partition(" ")
    what, severity = {"无": "nothing", "解除": "cleared", "未判定": "not judged"}.get(word, "opened"), None
    if word == "升级":
        what, (word, _, says) = "raised", says.strip().partition(" ")
    if what in ("opened", "raised"):
        if word not in _SEVERITIES:
            known = (*_SEVERITIES, *(("升级", "解除", "未判定", "无") if what == "opened" else ()))
            raise _Error(f"unknown word {word!r} in {text!r}", nearest(word, known))
        severity = _SEVERITIES[word]
    if what in ("nothing", "not judged") and says:
        raise _Error(f"{word} has no sentence: {text!r}", f"only `{seconds(at)}: {word}`")
    return Change(at, what, severity, typeset_zh(says.strip()), call, line)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------- events


class _Line(NamedTuple):
    """One line under ``events``, Unix seconds; ``args``: the words behind the event's own."""

    call: str
    at: float
    end: float | None
    args: tuple[str, ...]
    offered: Mapping[str, str]


def _offered(line: _Line) -> list[AnyEvent]:
    fields = {**line.offered, **({"caller": line.args[0]} if line.args else {})}
    return [CallOffered(call=line.call, at=line.at, **fields)]  # type: ignore[arg-type]


def _dialled(line: _Line) -> list[AnyEvent]:
    fields = {**line.offered, "direction": "outbound", **({"called": line.args[0]} if line.args else {})}
    return [CallOffered(call=line.call, at=line.at, **fields)]  # type: ignore[arg-type]


def _consult(line: _Line) -> dict[str, Any]:
    if line.args[1:] not in ((), ("咨询",)):
        raise _Error(f"unknown word {line.args[1]!r}", "only 咨询: a colleague is asked while the customer waits")
    return {"extra": {"consult": True}} if line.args[1:] else {}


def _rings(line: _Line) -> list[AnyEvent]:
    return [AgentRinging(call=line.call, at=line.at, agent=line.args[0], **_consult(line))]


def _answers(line: _Line) -> list[AnyEvent]:
    return [CallAnswered(call=line.call, at=line.at, agent=line.args[0], **_consult(line))]


def _misses(line: _Line) -> list[AnyEvent]:
    return [AgentMissed(call=line.call, at=line.at, agent=line.args[0])]


def _holds(line: _Line) -> list[AnyEvent]:
    return [CallHeld(call=line.call, at=line.at, by=_party(line.args, _ROLES, "坐席"))]


def _resumes(line: _Line) -> list[AnyEvent]:
    return [CallResumed(call=line.call, at=line.at, by=_party(line.args, _ROLES, "坐席"))]


def _transfers(line: _Line) -> list[AnyEvent]:
    mode = _party(line.args[1:], _MODES, "盲转")
    return [CallTransferring(call=line.call, at=line.at, to=line.args[0], mode=mode)]


def _connects(line: _Line) -> list[AnyEvent]:
    return [CallTransferred(call=line.call, at=line.at, agent=line.args[0])]


def _transfer_fails(line: _Line) -> list[AnyEvent]:
    return [TransferFailed(call=line.call, at=line.at)]


def _hangs_up(line: _Line) -> list[AnyEvent]:
    cause = " ".join(line.args[1:]) or None
    return [CallEnded(call=line.call, at=line.at, by=_party(line.args, _PARTIES, ""), cause=cause)]


def _heard(line: _Line) -> list[AnyEvent]:
    return [
        Transcript(call=line.call, at=line.at, role=r, text="", start=line.at, end=line.at, final=True, through=line.at)
        for r in _ROLES.values()
    ]


def _lost(line: _Line) -> list[AnyEvent]:
    assert line.end is not None  # noqa: S101 - `spans` says so
    return [Gap(call=line.call, at=line.end, role=_party(line.args, _ROLES, ""), start=line.at, end=line.end)]


def _sounds(line: _Line) -> list[AnyEvent]:
    """Sound without words; without an end it goes on."""
    role = _party(line.args, _ROLES, "")
    begun = SpeechStarted(call=line.call, at=line.at, role=role)
    return [begun] if line.end is None else [begun, SpeechEnded(call=line.call, at=line.end, role=role)]


def _spots(line: _Line, role: Role, text: str) -> list[AnyEvent]:
    """A spotter tells of a phrase as it ends; the sentence around it is a line of its own."""
    end = _end_of_speech(line, text)
    return [Spotted(call=line.call, at=end, role=role, text=text, start=line.at, end=end)]


def _end_of_speech(line: _Line, text: str) -> float:
    length = len(normal(text).text) / PACE
    if not length:
        raise _Error("speech without a word", "write what is said, or `3 s - 5 s 坐席 出声` for sound without words")
    return line.at + length if line.end is None else line.end


def _speaks(line: _Line, role: Role, text: str) -> list[AnyEvent]:
    end = _end_of_speech(line, text)
    told = end + FINAL_AFTER_S
    return [
        SpeechStarted(call=line.call, at=line.at, role=role),
        SpeechEnded(call=line.call, at=end, role=role),
        Transcript(call=line.call, at=told, role=role, text=text, start=line.at, end=end, final=True, through=told),
    ]


def _party(args: Sequence[str], known: Mapping[str, Any], default: str) -> Any:
    word = args[0] if args else default
    if word not in known:
        raise _Error(f"unknown word {word!r}" if word else "a word is missing", nearest(word, known))
    return known[word]


class _Form(NamedTuple):
    """How an event is written: words behind it (at least, at most), an example, whether it takes time (None: may)."""

    make: Callable[[_Line], list[AnyEvent]]
    least: int
    most: int
    example: str
    spans: bool | None = False


_FORMS: dict[str, _Form] = {
    "来电": _Form(_offered, 0, 1, "0 s 来电 13800000000"),
    "呼出": _Form(_dialled, 0, 1, "0 s 呼出 13800000000"),
    "响铃": _Form(_rings, 1, 2, "0 s 响铃 8026"),
    "未接": _Form(_misses, 1, 1, "15 s 未接 8026"),
    "接听": _Form(_answers, 1, 2, "5 s 接听 8026"),
    "保持": _Form(_holds, 0, 1, "30 s 保持"),
    "恢复": _Form(_resumes, 0, 1, "60 s 恢复"),
    "转接": _Form(_transfers, 1, 2, "30 s 转接 9001 盲转"),
    "接通": _Form(_connects, 1, 1, "40 s 接通 9001"),
    "转接失败": _Form(_transfer_fails, 0, 0, "50 s 转接失败"),
    "挂机": _Form(_hangs_up, 1, 9, "60 s 挂机 客户"),
    "听到": _Form(_heard, 0, 0, "20 s 听到"),
    "听不到": _Form(_lost, 1, 1, "5 s - 15 s 听不到 坐席", spans=True),
    "出声": _Form(_sounds, 1, 1, "5 s - 8 s 坐席 出声", spans=None),
    "结束": _Form(lambda _: [], 0, 0, "60 s 结束"),
}
_BEGINS, _CONNECTS = frozenset({"来电", "呼出"}), frozenset({"接听", "接通"})
_SPEAKS, _SPOTS = "说话", "听见"


def _events(fields: Mapping[str, Any], start: float, fault: _Tell) -> tuple[list[AnyEvent], float]:
    """The events, and the last time that ``结束`` names, seconds after the start."""
    offered = {"": _call_fields(fields.get("call"), fault)}
    for tag, node in _pairs(fields.get("calls")):
        offered[tag.value] = {**offered[""], **_call_fields(node, fault)}
    found: list[AnyEvent] = []
    words: dict[str, dict[str, Any]] = {}
    last = 0.0
    for item in _items(fields["events"], "events"):
        try:
            at, end, call, rest = _when(_joined(item))
            line = _Line(
                call or CALL, start + at, None if end is None else start + end, (), offered.get(call) or offered[""]
            )
            word, events = _event(line, rest)
        except _Error as error:
            fault(error, item)
            continue
        words.setdefault(line.call, {}).setdefault(word, item)
        last = max(last, at) if word == "结束" else last
        found += events
    for call, used in words.items():
        if (spoken := used.get(_SPEAKS) or used.get("出声")) and not (
            _BEGINS & used.keys() and _CONNECTS & used.keys()
        ):
            mend = "write `0 s 来电` and `3 s 接听 8026` above it" + (f", with [{call}]" if call != CALL else "")
            fault(_Error("somebody speaks in a call that nobody has answered", mend), spoken)
    return found, last


def _event(line: _Line, rest: str) -> tuple[str, list[AnyEvent]]:
    """The word of an event and what it makes of the record."""
    if speech := _SPEECH.fullmatch(rest):
        make = _spots if speech[1] else _speaks
        return _SPEAKS, make(line, _ROLES[speech[2]], speech[3].strip())
    args = tuple(rest.split())
    if len(args) == 2 and args[1] == "出声":
        args = ("出声", args[0])
    word = args[0] if args else ""
    form = _FORMS.get(word)
    if form is None:
        raise _Error(f"unknown event {word!r}" if word else "no event behind the time", _nearest_event(word))
    if not form.least <= len(args) - 1 <= form.most:
        raise _Error(
            f"{word}: {'too few' if len(args) - 1 < form.least else 'too many'} words", f"like `{form.example}`"
        )
    if form.spans not in (None, line.end is not None):
        raise _Error(f"{word} {'takes' if form.spans else 'is one moment and takes no'} time", f"like `{form.example}`")
    try:
        return word, form.make(line._replace(args=args[1:]))
    except _Error as error:
        raise _Error(f"{word}: {error.problem}", f"{error.mend}; like `{form.example}`") from None


def _nearest_event(word: str) -> str:
    examples = {_SPOTS: "5 s - 6 s 听见 坐席: 有什么事快说", **{name: form.example for name, form in _FORMS.items()}}
    near = get_close_matches(word, examples, n=1, cutoff=0.3)
    return f"did you mean `{examples[near[0]]}`?" if near else f"one of {', '.join(examples)}, or `5 s 坐席: text`"


def _call_fields(node: Any, fault: _Tell) -> dict[str, str]:
    if node is None:
        return {}
    known = ("caller", "called", "direction", "queue")
    try:
        written = {name: _scalar(value) for name, value in _fields(node, known, fault).items()}
        msgspec.convert({**written, "call": CALL, "at": 0.0, "type": "call.offered"}, CallOffered)
    except msgspec.ValidationError:
        fault(_Error(f"unknown direction {written['direction']!r}", "one of inbound, outbound"), node)
    except _Error as error:
        fault(error, node)
    else:
        return written
    return {}


# ------------------------------------------------------------------------------------------------- pieces of YAML


def _when(text: str) -> tuple[float, float | None, str, str]:
    """Start and end, seconds; the call's tag; the rest."""
    found = _WHEN.fullmatch(text)
    if not found:
        number = re.match(r"\s*\d+(?:\.\d+)?", text)
        if number:
            raise _Error(f"unit missing in {text!r}", f"write {number.group().strip()} s")
        raise _Error(f"no time in {text!r}", "begin with the seconds after the start: `10 s …`")
    start, end = _length(found["start"]), None if found["end"] is None else _length(found["end"])
    if end is not None and end <= start:
        raise _Error(f"ends before it has begun: {text!r}", "the later time behind the `-`")
    return start, end, found["call"] or "", found["rest"].strip()


def _length(text: str) -> float:
    return round(sum(float(number) * _UNITS_S[unit] for number, unit in _QUANTITY.findall(text)), 6)


def _joined(node: Any) -> str:
    """A list item as its author wrote it: YAML makes a mapping of ``5 s 坐席: 您好``."""
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1:
        key, value = node.value[0]
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode):
            return f"{key.value}: {value.value}"
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    raise _Error("not one line of text", "quote it, if it begins with a bracket or has a second `: ` in it", node)


def _scalar(node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _Error("not a text", "a word or a sentence", node)
    return str(node.value)


def _items(node: Any, name: str) -> list[Any]:
    if not isinstance(node, yaml.SequenceNode):
        raise _Error(f"`{name}` is not a list", "begin each line of it with `- `", node)
    return list(node.value)


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _fields(node: Any, known: Sequence[str], fault: _Tell) -> dict[str, Any]:
    """The fields of a mapping by name; strangers and repeated ones are told."""
    if not isinstance(node, yaml.MappingNode):
        raise _Error("not a mapping", f"fields: {', '.join(known)}", node)
    found: dict[str, Any] = {}
    for key, value in node.value:
        if key.value not in known:
            fault(_Error(f"unknown field {key.value!r}", nearest(key.value, known)), key)
        elif key.value in found:
            fault(_Error(f"{key.value!r} stands here a second time", "join them"), key)
        found[key.value] = value
    return {name: value for name, value in found.items() if name in known}


def _need(fields: Mapping[str, Any], names: Sequence[str], node: Any) -> None:
    missing = [name for name in names if name not in fields]
    if missing:
        raise _Error(f"{', '.join(missing)} missing", f"add `{missing[0]}:`", node)
