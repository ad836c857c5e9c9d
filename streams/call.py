"""The state of one call: a fold of its telephony events over a transition table.

Owns the phases and the facts that rules ask about (who rings since when, who is on the line, who hung
up). Knows nothing of rules, alerts, clocks or Kafka.

::

    offered ──▶ ringing ──▶ talking ◀──▶ held
       ▲           │          │ ▲          │
       └── missed ─┘          ▼ │          │
                          transferring ◀───┘         any ──▶ ended

Real PBXs deliver events late, doubled or not at all. Three rules make the fold tolerant:

- *late*: events up to ``LATE_S`` behind the newest are put where they belong and the last few seconds are
  folded anew, so their order of arrival does not matter;
- *doubled*: a transition into the present phase changes nothing, the phase keeps its start;
- *missing*: each cell of the table answers "what must be true if this event is true now".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

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
    Direction,
    Event,
    Mark,
    Party,
    Role,
    Tick,
    TransferFailed,
    TransferMode,
    tag_of,
)

Phase = Literal["offered", "ringing", "talking", "held", "transferring", "ended"]
#: What is heard meanwhile is hold music, or a talk with a colleague.
SILENT_PHASES: frozenset[Phase] = frozenset({"held", "transferring"})
PHASES: tuple[Phase, ...] = ("offered", "ringing", "talking", "held", "transferring", "ended")

#: How late, in seconds, an event may be and still be folded in at its place. PBX events of one instant
#: change order within milliseconds; a retried HTTP post takes seconds.
LATE_S = 5.0


#: The service level: answered within three rings, ten seconds (000 一(二), 002-19 第六十条).
IN_TIME_S = 10.0


#: So many phases of a call are remembered; a call that changes more often is forgotten from its start.
MAX_STRETCHES = 40


class Stretch(Struct, frozen=True, omit_defaults=True):
    """A phase that is over: from ``since`` to ``until``, Unix seconds, and the agent who was on the line."""

    phase: Phase
    since: float
    until: float
    agent: str | None = None
    held_by: Role | None = None


def spent(stretches: Iterable[Stretch], phase: Phase) -> float:
    """How long that phase was, all in all, seconds."""
    return sum(stretch.until - stretch.since for stretch in stretches if stretch.phase == phase)


class Call(Struct, frozen=True, omit_defaults=True):
    """What is known of one call. Times in Unix seconds; ``since`` is when the present phase began."""

    id: str
    phase: Phase
    since: float
    begun_at: float
    direction: Direction = "inbound"
    queue: str | None = None
    caller: str | None = None
    called: str | None = None
    #: whose number it is on the customer's side, by key where it is masked (``customer_key``)
    caller_key: str | None = None
    offered_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: Party | None = None
    ended_from: Phase | None = None
    cause: str | None = None
    agent: str | None = None
    held_by: Role | None = None
    transfer_to: str | None = None
    transfer_mode: TransferMode | None = None
    #: agent -> when that phone began to ring, in the order of the rings
    ringing: dict[str, float] = {}
    names: dict[str, str] = {}
    #: when the first phone began to ring for this call
    first_rang_at: float | None = None
    #: the phases before the present one, oldest first
    stretches: tuple[Stretch, ...] = ()

    def name_of(self, agent: str | None) -> str | None:
        """The person behind an agent's number, where the PBX said it."""
        return self.names.get(agent) if agent else None

    @property
    def came_at(self) -> float:
        """When the call was offered; where nobody told, when it was first heard of."""
        return self.begun_at if self.offered_at is None else self.offered_at

    @property
    def talk_began_at(self) -> float:
        """When the first agent answered; where nobody told, when the call was first heard of."""
        return self.begun_at if self.answered_at is None else self.answered_at

    @property
    def was_answered(self) -> bool:
        """Whether an agent has spoken with the customer, as far as the events that arrived can tell."""
        return self.answered_at is not None or (self.ended_from or self.phase) not in ("offered", "ringing")

    @property
    def present(self) -> Stretch:
        """The phase that goes on, as a stretch without an end."""
        return Stretch(self.phase, self.since, float("inf"), self.agent, self.held_by)

    def stretch_at(self, at: float) -> Stretch:
        """The phase of that instant, Unix seconds; before the call's first one, the first."""
        for stretch in reversed((*self.stretches, self.present)):
            if stretch.since <= at:
                return stretch
        return self.stretches[0] if self.stretches else self.present

    @property
    def ringing_since(self) -> float | None:
        """Start of the longest ring that goes on now."""
        return min(self.ringing.values(), default=None)


class Fold(Struct, frozen=True, omit_defaults=True):
    """A call together with what is needed to put a late event where it belongs.

    ``base`` is the call before ``recent``, the telephony events of the last ``LATE_S`` seconds in order of
    their time; ``base`` is None while the call is younger than that.
    """

    call: Call
    base: Call | None = None
    recent: tuple[AnyEvent, ...] = ()
    latest: float = 0.0


#: Cells that are not a phase: "." stays, "rest" is ringing while a phone rings and offered otherwise,
#: "back" is talking where an agent had answered and offered otherwise.
Cell = Literal["offered", "ringing", "talking", "held", "transferring", "ended", ".", "rest", "back"]

#: fmt: off
#: The table to check by eye: what an event (row) makes of a phase (column).
TABLE: dict[str, tuple[Cell, ...]] = {
    #                     offered         ringing         talking         held            transferring    ended
    "call.offered": (".", ".", ".", ".", ".", "."),
    "agent.ringing": ("ringing", ".", ".", ".", ".", "."),
    "agent.missed": ("rest", "rest", ".", ".", ".", "."),
    "call.answered": ("talking", "talking", ".", ".", "talking", "."),
    "consult.answered": ("rest", "rest", ".", ".", ".", "."),
    "call.held": ("held", "held", "held", ".", ".", "."),
    "call.resumed": ("talking", "talking", ".", "talking", "talking", "."),
    "call.transferring": ("transferring", "transferring", "transferring", "transferring", ".", "."),
    "call.transferred": ("talking", "talking", ".", "talking", "talking", "."),
    "transfer.failed": (".", ".", ".", ".", "back", "."),
    "call.ended": ("ended", "ended", "ended", "ended", "ended", "."),
}
#: fmt: on

#: Speech proves that somebody talks, so a call first seen through it has been answered.
_SPEECH = frozenset({"transcript", "phrase.spotted", "speech.started", "speech.ended", "gap"})


def row_of(event: Event) -> str:
    """The table's row: a colleague who answers a consultation does not answer the customer."""
    if isinstance(event, CallAnswered) and event.extra.get("consult"):
        return "consult.answered"
    return tag_of(event)


def is_telephony(event: Event) -> bool:
    """Whether the event has a row in the table."""
    return tag_of(event) in TABLE


def begin(event: AnyEvent) -> Fold:
    """The fold of a call first seen through ``event``, which is *not* yet applied."""
    phase: Phase = "talking" if tag_of(event) in _SPEECH else "offered"
    queue = event.queue if isinstance(event, Mark) else None
    call = Call(id=event.call, phase=phase, since=event.at, begun_at=event.at, queue=queue)
    return Fold(call=call, latest=event.at)


def apply(fold: Fold, event: AnyEvent) -> Fold:
    """Fold one event in. Events older than ``LATE_S`` behind the newest change nothing but the end."""
    fold = _begun_earlier(fold, event)
    if not is_telephony(event):
        call = _introduced(fold.call, event) if isinstance(event, Mark) else fold.call
        return replace(fold, call=call, latest=max(fold.latest, event.at))
    if event.at >= fold.latest or not fold.recent:
        return _forget(_append(fold, event))
    if event.at >= fold.latest - LATE_S:
        return _refold(fold, event)
    if _mends_ring(fold.call, event):
        return replace(fold, call=transition(fold.call, event), base=fold.base and transition(fold.base, event))
    if isinstance(event, CallEnded):  # an end is an end, however late the news
        return _append(fold, replace(event, at=fold.latest))
    return fold


def is_stale(fold: Fold, event: AnyEvent) -> bool:
    """Whether ``apply`` will leave ``event`` out because it comes too late to be placed."""
    late = bool(fold.recent) and event.at < fold.latest - LATE_S
    return is_telephony(event) and late and not isinstance(event, CallEnded) and not _mends_ring(fold.call, event)


def _mends_ring(call: Call, event: AnyEvent) -> bool:
    """A ring that goes on is said to have begun earlier: a PBX that lists running calls learns that late."""
    return isinstance(event, AgentRinging) and event.at < call.ringing.get(event.agent, 0.0)


def _append(fold: Fold, event: AnyEvent) -> Fold:
    base = fold.base if fold.recent else fold.call
    return Fold(
        call=transition(fold.call, event),
        base=base,
        recent=(*fold.recent, event),
        latest=max(fold.latest, event.at),
    )


def _refold(fold: Fold, event: AnyEvent) -> Fold:
    base = fold.base or fold.call
    recent = tuple(sorted((*fold.recent, event), key=lambda e: e.at))
    return Fold(call=reduce(transition, recent, base), base=base, recent=recent, latest=fold.latest)


def _begun_earlier(fold: Fold, event: AnyEvent) -> Fold:
    """Begin the call with ``event`` if it is late and earlier than all that is known of the call."""
    first = fold.base or fold.call
    late = fold.latest - LATE_S <= event.at < first.begun_at
    blank = first == Call(id=first.id, phase=first.phase, since=first.since, begun_at=first.begun_at)
    if not late or not blank or isinstance(event, Tick):
        return fold
    base = begin(event).call
    return replace(fold, call=reduce(transition, fold.recent, base), base=base if fold.recent else None)


def _forget(fold: Fold) -> Fold:
    """Move what can no longer be overtaken from ``recent`` into ``base``."""
    horizon = fold.latest - LATE_S
    if not fold.recent or fold.recent[0].at >= horizon:
        return fold
    base = fold.base or fold.call
    kept = fold.recent
    while len(kept) > 1 and kept[0].at < horizon:
        base, kept = transition(base, kept[0]), kept[1:]
    return replace(fold, base=base, recent=kept)


def transition(call: Call, event: AnyEvent) -> Call:
    """One cell of the table, and the facts that the event brings."""
    phase = _resolve(TABLE[row_of(event)][PHASES.index(call.phase)], call, event)
    if call.phase == "ended":
        return call
    facts = _FACTS.get(type(event), _no_facts)(call, event)
    if phase == call.phase:
        return replace(call, **facts)
    past = (*call.stretches, replace(call.present, until=event.at))[-MAX_STRETCHES:]
    return replace(call, phase=phase, since=event.at, stretches=past, **facts)


def _resolve(cell: Cell, call: Call, event: AnyEvent) -> Phase:
    if cell == ".":
        return call.phase
    if cell == "back":
        return "offered" if call.answered_at is None else "talking"
    if cell == "rest":
        others = call.ringing.keys() - {getattr(event, "agent", None)}
        return "ringing" if others else "offered"
    return cell


_Facts = dict[str, Any]


def _no_facts(_call: Call, _event: Any) -> _Facts:
    return {}


def _introduced(subject: Call, mark: Mark) -> Call:
    """A subject knows the people of its calls by name."""
    if not mark.agent or not mark.agent_name:
        return subject
    return replace(subject, names={**subject.names, mark.agent: mark.agent_name})


def _named(call: Call, event: AgentRinging | CallAnswered | CallTransferred) -> dict[str, str]:
    return {**call.names, event.agent: event.agent_name} if event.agent_name else call.names


def _customer_key(event: CallOffered) -> str | None:
    """What tells one customer from another: the key that masking left, or the number itself."""
    key = event.extra.get("customer_key")
    number = event.caller if event.direction == "inbound" else event.called
    return str(key) if key else number if number and "*" not in number else None


def _offered(call: Call, event: CallOffered) -> _Facts:
    return {
        "caller_key": call.caller_key or _customer_key(event),
        "direction": event.direction,
        "queue": event.queue or call.queue,
        "caller": event.caller or call.caller,
        "called": event.called or call.called,
        "offered_at": event.at if call.offered_at is None else min(call.offered_at, event.at),
    }


def _ringing(call: Call, event: AgentRinging) -> _Facts:
    since = min(event.at, call.ringing.get(event.agent, event.at))
    first = since if call.first_rang_at is None else min(since, call.first_rang_at)
    return {"ringing": {**call.ringing, event.agent: since}, "names": _named(call, event), "first_rang_at": first}


def _missed(call: Call, event: AgentMissed) -> _Facts:
    return {"ringing": {a: t for a, t in call.ringing.items() if a != event.agent}}


def _answered(call: Call, event: CallAnswered) -> _Facts:
    if row_of(event) == "consult.answered" or call.phase == "held":
        return {"ringing": _missed(call, event)["ringing"], "names": _named(call, event)}  # type: ignore[arg-type]
    answered_at = event.at if call.answered_at is None else call.answered_at
    return {"ringing": {}, "agent": event.agent, "answered_at": answered_at, "names": _named(call, event)}


def _still_ringing(call: Call, colleague: str | None = None) -> dict[str, float]:
    """Phones that ring for the customer have stopped if an agent evidently talks with him: the answer was lost."""
    if call.phase != "ringing":
        return call.ringing
    return {a: t for a, t in call.ringing.items() if a == colleague}


def _held(call: Call, event: CallHeld) -> _Facts:
    return {"held_by": event.by, "ringing": _still_ringing(call)} if call.phase != "held" else {}


def _resumed(call: Call, _event: CallResumed) -> _Facts:
    return {"ringing": _still_ringing(call)}


def _transferring(call: Call, event: CallTransferring) -> _Facts:
    ringing = _still_ringing(call, event.to)
    return {"transfer_to": event.to, "transfer_mode": event.mode, "held_by": None, "ringing": ringing}


def _transferred(call: Call, event: CallTransferred) -> _Facts:
    answered_at = event.at if call.answered_at is None else call.answered_at
    return {"ringing": {}, "agent": event.agent, "answered_at": answered_at, "names": _named(call, event)}


def _failed(call: Call, _event: TransferFailed) -> _Facts:
    if call.phase in ("offered", "ringing"):
        return {}  # no transfer is under way: this is an old one's failure told again
    return {"ringing": {}}  # the phones that rang, rang for the transfer


def _ended(call: Call, event: CallEnded) -> _Facts:
    return {
        "ringing": {},
        "ended_at": event.at,
        "ended_by": event.by,
        "ended_from": call.phase,
        "cause": event.cause,
    }


_FACTS: dict[type[Event], Callable[[Call, Any], _Facts]] = {
    CallOffered: _offered,
    AgentRinging: _ringing,
    AgentMissed: _missed,
    CallAnswered: _answered,
    CallHeld: _held,
    CallResumed: _resumed,
    CallTransferring: _transferring,
    CallTransferred: _transferred,
    TransferFailed: _failed,
    CallEnded: _ended,
}
