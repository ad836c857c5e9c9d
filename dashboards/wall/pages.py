"""The pages behind the wall: of an alert, of a call, of an agent's day. Pure: records in, what the browser draws out.

Shapes are JSON (``docs/wall.md``); times are Unix seconds. Text is masked already where it comes from.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from dashboards.wall.views import Card, Person
from streams.alerts import Clause, Severity, Wording
from streams.call import Phase
from streams.events import Direction, Party, Role
from streams.verdicts import Judgement


class Marked(Struct, frozen=True, omit_defaults=True):
    """A part of a line's text (characters ``start`` to ``end``) that an alert rests on."""

    start: int
    end: int
    alert: str
    rule: str
    severity: Severity
    meant: str = ""


class Line(Struct, frozen=True, omit_defaults=True):
    """A sentence, or (``kind`` gap) a time in which nothing could be heard. ``final`` False: still being spoken."""

    role: Role
    start: float
    end: float
    text: str = ""
    kind: Literal["said", "gap"] = "said"
    final: bool = True
    by_sound: bool = False
    masked: tuple[str, ...] = ()
    marks: tuple[Marked, ...] = ()


class Span(Struct, frozen=True, omit_defaults=True):
    """A phase of the call; ``until`` None: it goes on."""

    phase: Phase
    since: float
    until: float | None = None
    agent: Person | None = None
    held_by: Role | None = None


class Talk(Struct, frozen=True):
    """Somebody spoke."""

    role: Role
    start: float
    end: float


class CallPage(Struct, frozen=True, omit_defaults=True):
    """One call from its beginning to its end, or to now. ``listened``: it was heard, so missing words mean silence."""

    id: str
    began_at: float
    phase: Phase
    now: float
    direction: Direction = "inbound"
    queue: str = ""
    caller: str = ""
    ended_at: float | None = None
    ended_by: Party | None = None
    agents: tuple[Person, ...] = ()
    spans: tuple[Span, ...] = ()
    talk: tuple[Talk, ...] = ()
    lines: tuple[Line, ...] = ()
    alerts: tuple[Card, ...] = ()
    listened: bool = False


class Why(Struct, frozen=True, omit_defaults=True):
    """A condition: what it asks, the answer (yes, no, wait, never), on what it rests, and the conditions inside it."""

    asks: str
    answer: str
    because: str = ""
    at: float | None = None
    parts: tuple[Why, ...] = ()


class Step(Struct, frozen=True, omit_defaults=True):
    """One change of the alert: opened, raised or cleared."""

    state: str
    severity: Severity
    at: float
    says: str
    en: Wording | None = None


class Proof(Struct, frozen=True, omit_defaults=True):
    """Words that the alert rests on, as ``streams.events.Evidence``."""

    role: Role
    text: str
    start: float
    end: float
    match: str = ""
    by_sound: bool = False
    meant: str = ""


class AlertPage(Struct, frozen=True, omit_defaults=True):
    """All about one alert. ``why`` empty: its rulebook or its record is gone (``why_not`` says which).

    ``call`` None: the call's record is gone. ``earlier``: alerts of the same agent and rule in the last seven days.
    """

    card: Card
    clause: Clause
    rulebook: str
    steps: tuple[Step, ...]
    also: tuple[Clause, ...] = ()
    advice: str = ""
    proofs: tuple[Proof, ...] = ()
    call: CallPage | None = None
    why: tuple[Why, ...] = ()
    why_not: str = ""
    earlier: tuple[Card, ...] = ()
    history: tuple[Judgement, ...] = ()
    others: tuple[str, ...] = ()


class CallLine(Struct, frozen=True, omit_defaults=True):
    """A call in the list of a day. Durations in seconds."""

    id: str
    began_at: float
    phase: Phase
    direction: Direction = "inbound"
    queue: str = ""
    caller: str = ""
    ended_at: float | None = None
    ended_by: Party | None = None
    agents: tuple[Person, ...] = ()
    ring_s: float = 0.0
    talk_s: float = 0.0
    held_s: float = 0.0
    alerts: int = 0
    worst: Severity | None = None


class AgentPage(Struct, frozen=True, omit_defaults=True):
    """An agent's day."""

    agent: Person
    day: str
    calls: tuple[CallLine, ...] = ()
    alerts: tuple[Card, ...] = ()
