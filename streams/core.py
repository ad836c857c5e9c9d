"""``step``: the pure fold from the record to alerts.

The same function runs under Faust (live), in ``sansheng replay`` and in the tests. It reads no clock: time
is ``event.at``. It answers with the next instant at which it wants to be woken; whoever drives it sends a
``tick`` then. How late the tick comes does not matter: every event first brings the call's time forward
through all deadlines up to ``event.at``, in order, and each alert is stamped with its deadline::

    state ──▶ deadlines ≤ at, oldest first ──▶ fold the event ──▶ rules judge ──▶ changes, next wake

Owns idempotence (by sequence), alert ids, and the end of a call's state. Must not know Kafka or Faust.
"""

from __future__ import annotations

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
from streams.detectors.base import Finding, Memory, Rule
from streams.events import AnyEvent, CallEnded, Tick

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
    def judges(self) -> tuple[Rule, ...]:
        """The rules that may fire (trial and live)."""


class Open(Struct, frozen=True, omit_defaults=True):
    """An alert that has been opened; ``severity`` None once it is cleared. ``count``: its occurrence."""

    count: int
    severity: Severity | None = None
    at: float = 0.0


class CallState(Struct, frozen=True, omit_defaults=True):
    """All that the engine keeps of one call; small, and the same after a round trip through ``dump``.

    ``seq`` is the last sequence folded in, ``shift`` what is added to the sender's times after its clock
    jumped (seconds), ``heard_at`` the time of the last real event, ``wake`` the next deadline (Unix seconds).
    """

    fold: Fold
    seq: int = -1
    shift: float = 0.0
    heard_at: float = 0.0
    wake: float = 0.0
    memory: dict[str, Any] = {}
    alerts: dict[str, Open] = {}


class Step(NamedTuple):
    """The answer of ``step``. ``state`` None: forget the call. ``wake``: Unix seconds. ``notes``: oddities."""

    state: CallState | None
    changes: tuple[AlertChange, ...]
    wake: float | None
    notes: tuple[str, ...] = ()


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


def step(book: Book, state: CallState | None, event: AnyEvent) -> Step:
    """Fold one event of one call.

    Events without ``seq`` are always taken as new; an event whose ``seq`` is not beyond ``state.seq`` has
    been seen and changes nothing.
    """
    if state is None:
        if isinstance(event, Tick | CallEnded):
            return Step(None, (), None)  # a wake for a call long gone, or an end without a call
        state = CallState(fold=calls.begin(event), heard_at=event.at)
    if event.seq is not None and event.seq <= state.seq:
        return Step(state, (), state.wake)
    arrived = event
    state, event, notes = _set_right(state, event)
    changes: list[AlertChange] = []
    state = _advance(book, state, event.at, changes)
    if _is_over(state, event.at):  # what comes after the call was to be forgotten finds it forgotten
        anew = step(book, None, arrived)
        return Step(anew.state, (*changes, *anew.changes), anew.wake, (*notes, *anew.notes))
    if not isinstance(event, Tick):
        state = _take(book, state, event, changes)
    state = replace(state, wake=_next(book, state)[0])
    return Step(state, tuple(changes), state.wake, notes)


def _next(book: Book, state: CallState) -> tuple[float, Rule | None]:
    """The earliest deadline and whose it is; None: the call's own expiry."""
    first: tuple[float, Rule | None] = (_expiry(state), None)
    for rule in book.judges:
        due = rule.due(state.fold.call, _memory(state, rule))
        if due is not None and due < first[0]:
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
    if not fits and at < state.heard_at - JUMP_S:
        notes = (f"at: the clock jumped back {state.heard_at - at:.1f} s; the call goes on from its last event",)
        state, at = replace(state, shift=state.heard_at - event.at), state.heard_at
    event = event if at == event.at else replace(event, at=at)
    if calls.is_stale(state.fold, event):
        notes = (f"at: {state.fold.latest - at:.1f} s late, too late to be placed; it changes no phase",)
    return replace(state, seq=state.seq if event.seq is None else event.seq), event, notes


def _advance(book: Book, state: CallState, at: float, changes: list[AlertChange]) -> CallState:
    """Bring the call's time forward to ``at`` through every deadline on the way."""
    due, rule = (state.wake, None) if at < state.wake else _next(book, state)
    while due <= at:
        if rule is not None:
            memory, findings = rule.on_wake(state.fold.call, _memory(state, rule), due)
            state = _note(book, state, rule, memory, findings, changes)
        elif state.fold.call.phase == "ended":
            return state
        else:
            lost = CallEnded(call=state.fold.call.id, at=due, by="system", cause=LOST_END)
            state = _take(book, state, lost, changes)
        due, rule = _next(book, state)
    return state


def _take(book: Book, state: CallState, event: AnyEvent, changes: list[AlertChange]) -> CallState:
    heard_at = max(state.heard_at, event.at)
    state = replace(state, fold=calls.apply(state.fold, event), heard_at=heard_at)
    for rule in book.judges:
        memory, findings = rule.on_event(state.fold.call, _memory(state, rule), event)
        state = _note(book, state, rule, memory, findings, changes)
    return state


def _memory(state: CallState, rule: Rule) -> Memory:
    kept = state.memory.get(rule.id)
    return kept if isinstance(kept, rule.memory_type) else rule.memory_type()


def _note(
    book: Book, state: CallState, rule: Rule, memory: Memory, findings: list[Finding], changes: list[AlertChange]
) -> CallState:
    for finding in findings:
        before = state.alerts.get(rule.id, Open(count=0))
        after, what = _life(before, finding)
        if what:
            changes.append(_change(book, state.fold.call, rule, before if what == "cleared" else after, finding, what))
            state = replace(state, alerts={**state.alerts, rule.id: after})
    if memory == _memory(state, rule):
        return state
    return replace(state, memory={**state.memory, rule.id: memory})


def _life(before: Open, finding: Finding) -> tuple[Open, State | None]:
    if finding.severity is None:
        return (replace(before, severity=None), "cleared") if before.severity else (before, None)
    if before.severity is None:
        return Open(count=before.count + 1, severity=finding.severity, at=finding.at), "opened"
    if SEVERITIES.index(finding.severity) > SEVERITIES.index(before.severity):
        return replace(before, severity=finding.severity, at=max(before.at, finding.at)), "raised"
    return before, None


def _change(book: Book, call: Call, rule: Rule, alert: Open, finding: Finding, what: State) -> AlertChange:
    cleared = what == "cleared"
    zh = (rule.says_cleared if cleared else "") or rule.says
    en = ((rule.en.says_cleared if cleared else "") or rule.en.says) if rule.en else ""
    figures = (call, finding.agents, finding.seconds, finding.ended_by)
    agent = finding.agents[0] if len(finding.agents) == 1 else None  # several phones: nobody's in particular
    return AlertChange(
        id=alert_id(call.id, rule.id, alert.count),
        rule=rule.id,
        severity=alert.severity or "notice",
        state=what,
        call=call.id,
        agent=agent,
        agent_name=call.name_of(agent),
        queue=call.queue,
        at=max(finding.at, alert.at),
        title=rule.title,
        says=typeset_zh(zh.format_map(figures_zh(*figures))),
        en=Wording(rule.en.title, en.format_map(figures_en(*figures))) if rule.en else None,
        clause=rule.clause,
        rulebook=book.version,
    )


def _expiry(state: CallState) -> float:
    """When an ended call is forgotten, or a silent one is declared ended."""
    call = state.fold.call
    if call.phase == "ended":
        return max(call.ended_at or 0.0, state.heard_at) + KEEP_ENDED_S
    return state.heard_at + SILENT_S


def _is_over(state: CallState, at: float) -> bool:
    return state.fold.call.phase == "ended" and at >= _expiry(state)
