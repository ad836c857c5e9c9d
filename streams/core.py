"""``step``: the pure fold from the record to alerts.

The same function runs under Faust (live), in ``sansheng replay`` and in the tests. It reads no clock: time
is ``event.at``. It answers with the next instant at which it wants to be woken; whoever drives it sends a
``tick`` then. How late the tick comes does not matter: every event first brings the call's time forward
through all deadlines up to ``event.at``, in order, and each alert is stamped with its deadline::

    state ──▶ deadlines ≤ at, oldest first ──▶ fold the event ──▶ rules judge ──▶ changes, next wake

Owns idempotence (by sequence), alert ids, and the end of a call's state. Must not know Kafka or Faust.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from streams import call as calls
from streams.alerts import (
    SEVERITIES,
    AlertChange,
    Severity,
    State,
    Wording,
    alert_id,
    figures_en,
    figures_zh,
    typeset_zh,
)
from streams.call import Call, Fold
from streams.detectors import MEMORIES
from streams.detectors.base import Contribution, Facts, Finding, Result, Rule, Site, Unjudged
from streams.events import (
    SUBJECT,
    AnyEvent,
    CallEnded,
    Gap,
    LegTapped,
    Mark,
    Masked,
    Spotted,
    Tick,
    Transcript,
    is_subject,
    tag_of,
)
from streams.phrases.match import Found
from streams.talk import Talk, hear, listen

#: An ended call is kept this long, seconds, so that late words and redeliveries find it.
KEEP_ENDED_S = 600.0
#: A call of which nothing is heard for this long, seconds, is taken for ended: its end was lost.
SILENT_S = 4 * 3600.0
#: An event this far, seconds, behind the call's time is not late: the sender's clock has jumped.
JUMP_S = 60.0
#: Cause of the end that ``step`` itself declares.
LOST_END = "no event for 4 h, the end of the call was lost"


class Book(Protocol):
    """What ``step`` needs of a rulebook."""

    @property
    def version(self) -> str:
        """Names the rulebook in every alert."""

    @property
    def site(self) -> Site:
        """Calendar, groups and procedures."""

    @property
    def judges(self) -> Sequence[Rule]:
        """The rules that may fire (trial and live)."""

    def find(self, text: str, sounds: Sequence[str] = (), masked: Sequence[Masked] = ()) -> Sequence[Found]:
        """The phrase sets of all rules in a text, of which ``sounds`` were heard, and ``masked`` is hidden."""

    def listeners(self, tag: str) -> Sequence[Rule]:
        """Those that listen to that type of event."""

    def judge(self, rule: str) -> Rule | None:
        """The rule of that id, if it may fire."""


class NoRules:
    """A rulebook without rules: ``step`` then only folds the calls."""

    version = ""
    site = Site()
    judges = ()

    def find(self, text: str, sounds: Sequence[str] = (), masked: Sequence[Masked] = ()) -> Sequence[Found]:
        """Nothing is looked for."""
        return ()

    def listeners(self, tag: str) -> Sequence[Rule]:
        """Nobody."""
        return ()

    def judge(self, rule: str) -> Rule | None:
        """There is none."""
        return None


class Open(Struct, frozen=True, omit_defaults=True):
    """An alert that has been opened; ``severity`` None once it is cleared. ``count``: its occurrence; ``agents`` and
    ``values``: whom it named and with which figures, for an end that does not know them. ``call``: of a rule across
    calls, the one that opened it, which every change names, so that all lie in one partition of ``alerts``. It is in
    the id, too: a subject is forgotten and counts from 1 again, so its name alone would come again.
    """

    count: int
    severity: Severity | None = None
    at: float = 0.0
    agents: tuple[str, ...] = ()
    values: dict[str, Any] = {}
    call: str = ""

    def id(self, record: str, rule: str) -> str:
        """The alert's id, in the record of a call or of a subject."""
        return alert_id(f"{record} {self.call}" if self.call else record, rule, self.count)


class CallState(Struct, frozen=True, omit_defaults=True):
    """All that the engine keeps of one call; small, and the same after a round trip through ``dump``.

    ``seq`` is the last sequence folded in, ``shift`` what is added to the sender's times after its clock
    jumped (seconds), ``heard_at`` the time of the last real event, ``wake`` the next deadline (Unix seconds), ``dues``
    the next deadline of each rule that has one. ``book`` is the version that judges this call from its beginning.
    """

    fold: Fold
    talk: Talk = Talk()
    book: str = ""
    seq: int = -1
    shift: float = 0.0
    heard_at: float = 0.0
    wake: float = 0.0
    dues: dict[str, float] = {}
    memory: dict[str, Any] = {}
    alerts: dict[str, Open] = {}


class NotJudged(Struct, frozen=True):
    """Rule ``rule`` could not be judged in this call at ``at``; never held against anybody."""

    rule: str
    call: str
    at: float
    why: str


class Step(NamedTuple):
    """The answer of ``step``. ``state`` None: forget the call. ``wake``: Unix seconds. ``notes``: oddities.

    ``marks``: what the call tells rules that look across calls, for the records of their subjects.
    """

    state: CallState | None
    changes: tuple[AlertChange, ...]
    wake: float | None
    notes: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(CallState)


def dump(state: CallState) -> bytes:
    """The stored form of a state (JSON, so that an operator can read a table)."""
    return _encoder.encode(state)


def load(stored: bytes) -> CallState:
    """The inverse of ``dump``, without what kinds remembered that are no more. Raises msgspec.MsgspecError only."""
    state = _decoder.decode(stored)
    known = {rule: m for rule, m in state.memory.items() if isinstance(m, dict) and str(m.get("kind")) in MEMORIES}
    return replace(state, memory={rule: msgspec.convert(m, MEMORIES[m["kind"]]) for rule, m in known.items()})


class _Told(NamedTuple):
    """What comes out of one step, gathered on the way."""

    changes: list[AlertChange]
    marks: list[Mark]
    not_judged: list[NotJudged]

    def answer(self, state: CallState | None, notes: tuple[str, ...]) -> Step:
        """As ``step`` returns it."""
        wake = state.wake if state is not None else None
        return Step(state, tuple(self.changes), wake, notes, tuple(self.marks), tuple(self.not_judged))


def step(book: Book, state: CallState | None, event: AnyEvent) -> Step:
    """Fold one event of one call, or one mark of one subject.

    Events without ``seq`` are always taken as new; an event whose ``seq`` is not beyond ``state.seq`` has
    been seen and changes nothing.
    """
    if isinstance(event, LegTapped):  # it is about the sound of the call, and no fact of it
        return Step(state, (), state.wake if state else None)
    if state is None:
        if isinstance(event, Tick | CallEnded) or isinstance(event, Mark) != is_subject(event.call):
            return Step(None, (), None)  # a wake for a call long gone, an end without a call, a mark without a subject
        state = CallState(fold=calls.begin(event), heard_at=event.at, book=book.version)
    if event.seq is not None and event.seq <= state.seq:
        return Step(state, (), state.wake)
    arrived = event
    state, event, notes = _set_right(_moved(book, state), event)
    told = _Told([], [], [])
    state = _advance(book, state, event.at, told)
    if _is_over(book, state, event.at):  # what comes after the call was to be forgotten finds it forgotten
        first, anew = told.answer(None, notes), step(book, None, arrived)
        return Step(
            anew.state,
            (*first.changes, *anew.changes),
            anew.wake,
            (*notes, *anew.notes),
            (*first.marks, *anew.marks),
            (*first.not_judged, *anew.not_judged),
        )
    if not isinstance(event, Tick):
        state = _take(book, state, event, told)
    state = replace(state, wake=_next(book, state)[0])
    return told.answer(state, notes)


def _moved(book: Book, state: CallState) -> CallState:
    """The state under ``book``. A call keeps its version; where that is lost, it moves, and every rule looks anew."""
    if state.book == book.version:
        return state
    memory = {rule: kept for rule, kept in state.memory.items() if book.judge(rule)}
    moved = replace(state, book=book.version, memory=memory, dues=_dues_of(book, replace(state, memory=memory)))
    return replace(moved, wake=_next(book, moved)[0])


def _dues_of(book: Book, state: CallState) -> dict[str, float]:
    facts, dues = _facts(book, state, state.heard_at), {}
    for rule in book.judges:
        due = rule.due(facts, rule.remembered(state.memory)) if _concerns(rule, state) else None
        if due is not None:
            dues[rule.id] = due
    return dues


def _concerns(rule: Rule, state: CallState) -> bool:
    """Rules across calls judge their subjects' records, all others calls."""
    subject = state.fold.call.id
    return subject.startswith(f"{SUBJECT}{rule.id}:") if is_subject(subject) else True


def _facts(book: Book, state: CallState, now: float) -> Facts:
    return Facts(state.fold.call, state.talk, now, book.site)


def _next(book: Book, state: CallState) -> tuple[float, Rule | None]:
    """The earliest deadline and whose it is; None: the call's own expiry."""
    first: tuple[float, Rule | None] = (_expiry(book, state), None)
    for rule_id, due in state.dues.items():
        if due < first[0] and (rule := book.judge(rule_id)):
            first = (due, rule)
    return first


def _set_right(state: CallState, event: AnyEvent) -> tuple[CallState, AnyEvent, tuple[str, ...]]:
    """Put the event on the call's own time, and note what was odd about its time.

    A time that fits as it is needs no shift: one event that strayed in an hour late, or a second source whose
    clock is right, must not be pushed ahead because of another's jump.
    """
    notes: tuple[str, ...] = ()
    fits = isinstance(event, Tick) or event.at >= state.heard_at - calls.LATE_S
    at = event.at if fits else event.at + state.shift
    if not fits and at < state.heard_at - JUMP_S and not isinstance(event, Mark):
        notes = (f"at: the clock jumped back {state.heard_at - at:.1f} s; the call goes on from its last event",)
        state, at = replace(state, shift=state.heard_at - event.at), state.heard_at
    event = event if at == event.at else _shifted(event, at)
    if calls.is_stale(state.fold, event):
        notes = (f"at: {state.fold.latest - at:.1f} s late, too late to be placed; it changes no phase",)
    return replace(state, seq=state.seq if event.seq is None else event.seq), event, notes


def _shifted(event: AnyEvent, at: float) -> AnyEvent:
    """The event with all its times moved so that it happens ``at``."""
    by = at - event.at
    if isinstance(event, Transcript):
        through = None if event.through is None else event.through + by
        words = tuple(replace(word, start=word.start + by, end=word.end + by) for word in event.words)
        return replace(event, at=at, start=event.start + by, end=event.end + by, through=through, words=words)
    if isinstance(event, Spotted):
        said = None if event.said is None else event.said + by
        return replace(event, at=at, start=event.start + by, end=event.end + by, said=said)
    if isinstance(event, Gap):
        return replace(event, at=at, start=event.start + by, end=event.end + by)
    return replace(event, at=at)


def _advance(book: Book, state: CallState, at: float, told: _Told) -> CallState:
    """Bring the call's time forward to ``at`` through every deadline on the way."""
    due, rule = (state.wake, None) if at < state.wake else _next(book, state)
    while due <= at:
        if rule is not None:
            facts = _facts(book, state, due)
            state = _note(book, state, rule, facts, rule.on_wake(facts, rule.remembered(state.memory)), told)
        elif state.fold.call.phase == "ended" or is_subject(state.fold.call.id):
            return state
        else:
            lost = CallEnded(call=state.fold.call.id, at=due, by="system", cause=LOST_END)
            state = _take(book, state, lost, told)
        due, rule = _next(book, state)
    return state


def _take(book: Book, state: CallState, event: AnyEvent, told: _Told) -> CallState:
    heard_at = max(state.heard_at, event.at)
    fold = calls.apply(state.fold, event)
    found = listen(book.find, state.talk, event) if isinstance(event, Transcript | Spotted) and event.text else ()
    state = replace(state, fold=fold, talk=hear(state.talk, fold.call, event, found), heard_at=heard_at)
    facts, names = _facts(book, state, event.at), frozenset(each.name for each in found)
    idle = not names and not calls.is_telephony(event) and not isinstance(event, Mark)
    for rule in book.listeners(tag_of(event)):
        if idle and rule.waits_for_words and rule.id not in state.memory:
            continue  # most rules, at most events: partials and marks of how far an ear is come several times a second
        memory = rule.remembered(state.memory)
        if rule.stirs(event, names, memory) and _concerns(rule, state):
            state = _note(book, state, rule, facts, rule.on_event(facts, memory, event), told)
    return state


def _note(
    book: Book, state: CallState, rule: Rule, facts: Facts, answer: tuple[Any, list[Result]], told: _Told
) -> CallState:
    """Keep what the rule remembers and wants, and tell what it has found."""
    memory, results = answer
    call = state.fold.call
    for result in results:
        if isinstance(result, Contribution):
            told.marks.append(_mark(call, rule, result))
        elif isinstance(result, Unjudged):
            told.not_judged.append(NotJudged(rule.id, call.id, result.at, result.why))
        else:
            state = _tell(book, state, rule, result, told)
    if memory != rule.remembered(state.memory):
        state = replace(state, memory={**state.memory, rule.id: memory})
    due = rule.due(facts, memory)
    if due == state.dues.get(rule.id):
        return state
    dues = {rule_id: at for rule_id, at in state.dues.items() if rule_id != rule.id}
    return replace(state, dues=dues if due is None else {**dues, rule.id: due})


def _tell(book: Book, state: CallState, rule: Rule, finding: Finding, told: _Told) -> CallState:
    key = rule.id if finding.nth is None else f"{rule.id}#{finding.nth}"
    before = state.alerts.get(key, Open(count=0 if finding.nth is None else finding.nth - 1))
    after, what = _life(before, finding)
    if not what:
        return state
    if what == "cleared":
        agents, values = finding.agents or before.agents, {**before.values, **finding.values}
        finding = replace(finding, agents=agents, values=values)
    else:  # lists, as they come back from the stored form
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in finding.values.items()}
        opened_by = finding.calls[-1] if what == "opened" and finding.calls else after.call
        after = replace(after, agents=finding.agents, values=plain, call=opened_by)
    told.changes.append(_change(book, state.fold.call, rule, before if what == "cleared" else after, finding, what))
    return replace(state, alerts={**state.alerts, key: after})


def _mark(call: Call, rule: Rule, told: Contribution) -> Mark:
    return Mark(
        call=f"{SUBJECT}{rule.id}:{told.subject}",
        at=told.at,
        rule=rule.id,
        source=call.id,
        who=call.caller_key,
        agent=call.agent,
        agent_name=call.name_of(call.agent),
        queue=call.queue,
        evidence=told.evidence,
        grave=told.grave,
        answers=told.answers,
    )


def _life(before: Open, finding: Finding) -> tuple[Open, State | None]:
    if finding.severity is None:
        return (replace(before, severity=None), "cleared") if before.severity else (before, None)
    if before.severity is None:
        return Open(count=before.count + 1, severity=finding.severity, at=finding.at), "opened"
    graver = SEVERITIES.index(finding.severity) > SEVERITIES.index(before.severity)
    if graver or finding.news:
        severity = finding.severity if graver else before.severity
        return replace(before, severity=severity, at=max(before.at, finding.at)), "raised"
    return before, None


def _change(book: Book, call: Call, rule: Rule, alert: Open, finding: Finding, what: State) -> AlertChange:
    figures = (call, finding.agents, finding.seconds, finding.ended_by, finding.values)
    says_en = _sentence(rule.en, finding, what, rule.taken_back[1]).format_map(figures_en(*figures)) if rule.en else ""
    agent = finding.agents[0] if len(finding.agents) == 1 else None  # several phones: nobody's in particular
    return AlertChange(
        id=alert.id(call.id, rule.id),
        rule=rule.id,
        severity=alert.severity or "notice",
        state=what,
        call=alert.call or call.id,
        agent=agent,
        agent_name=call.name_of(agent),
        queue=call.queue,
        at=max(finding.at, alert.at),
        title=rule.title,
        says=typeset_zh(_sentence(rule, finding, what, rule.taken_back[0]).format_map(figures_zh(*figures))),
        en=Wording(rule.en.title, says_en) if rule.en else None,
        clause=rule.clause,
        evidence=finding.evidence,
        calls=finding.calls,
        trial=rule.status == "trial",
        page=rule.page,
        rulebook=book.version,
    )


def _sentence(texts: Any, finding: Finding, what: State, taken_back: str) -> str:
    """The sentence to say, of a rule or of its English wording; ``taken_back``: its kind's for one that is over."""
    if what == "cleared":
        return str(texts.says_cleared or taken_back or texts.says)
    return str(getattr(texts, finding.sentence, "") or texts.says)


def _expiry(book: Book, state: CallState) -> float:
    """When an ended call is forgotten, a silent one is declared ended, or a subject matters no more."""
    call = state.fold.call
    if is_subject(call.id):
        rule = book.judge(call.id.removeprefix(SUBJECT).partition(":")[0])
        return state.heard_at + (rule.remembers_s if rule else 0.0) + KEEP_ENDED_S
    if call.phase == "ended":
        return max(call.ended_at or 0.0, state.heard_at) + KEEP_ENDED_S
    return state.heard_at + SILENT_S


def _is_over(book: Book, state: CallState, at: float) -> bool:
    over = state.fold.call.phase == "ended" or is_subject(state.fold.call.id)
    return over and at >= _expiry(book, state)
