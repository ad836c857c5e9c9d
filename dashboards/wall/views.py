"""What a browser is told: the shapes of the wall's messages.

Owns the wire format (``docs/wall.md``): every struct here is JSON on the websocket. Knows nothing of Kafka,
sockets or how the figures come about. Times are Unix seconds of the server's clock.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from streams.alerts import Clause, Severity, Wording
from streams.call import Phase
from streams.events import Direction, Party
from streams.numbers import is_outside, mask
from streams.verdicts import Appeal, Finding, Reason

#: What a change is about; all but ``calls`` and ``alerts`` exist once and have the id "".
Kind = Literal["calls", "alerts", "recent", "counts", "status", "rules", "snoozes"]


class Person(Struct, frozen=True, omit_defaults=True):
    """An agent: the number that staff know, and the name where the PBX said it."""

    id: str
    name: str = ""


def person_of(agent: str | None, name: str | None) -> Person | None:
    """Somebody on the line, as every screen may show it: an outside number, to which a call was passed, is masked."""
    return Person(mask(agent) if is_outside(agent) else agent, name or "") if agent else None


class Tile(Struct, frozen=True, omit_defaults=True):
    """One call on the floor. ``since`` is what its clock counts from, ``agents`` who rings or is on the line."""

    id: str
    phase: Phase
    since: float
    begun_at: float
    agents: tuple[Person, ...] = ()
    to: Person | None = None
    queue: str = ""
    caller: str = ""
    direction: Direction = "inbound"
    answered: bool = False
    ended_at: float | None = None
    ended_by: Party | None = None


class Card(Struct, frozen=True, omit_defaults=True):
    """One alert. ``ongoing``: its call is still on the floor; ``over_at``: when its cause ended; ``trial``: its rule is
    being tried out, so it blames nobody; ``by_sound``: of its words only the sound was heard. ``shown``: it belongs on
    the wall now; a desk lists all of the day. ``snoozed``: somebody keeps alerts of its rule off the wall.

    ``claimed`` (who is on it), ``finding``, ``reason``, ``appeal`` and ``comments`` are how it stands
    (``streams.verdicts``).
    """

    id: str
    call: str
    rule: str
    severity: Severity
    opened_at: float
    title: str
    says: str
    clause: Clause
    ongoing: bool = False
    over_at: float | None = None
    agent: Person | None = None
    queue: str = ""
    en: Wording | None = None
    trial: bool = False
    by_sound: bool = False
    shown: bool = False
    snoozed: bool = False
    claimed: Person | None = None
    finding: Finding = "open"
    reason: Reason | None = None
    appeal: Appeal = "none"
    comments: int = 0


class Hour(Struct, frozen=True):
    """Alerts that opened in the hour that begins ``at``, by the severity that they reached."""

    at: float
    critical: int = 0
    warning: int = 0
    notice: int = 0


class Counts(Struct, frozen=True):
    """Inbound calls and alerts since midnight. ``decided``: calls whose wait has ended, one way or the other, where it
    is known when (of a call that was found talking it is not); ``lately_…``: the same in the last half hour.
    ``hours``: the last twelve, the present one last. ``snoozed``: alerts of today that a snooze has kept off the wall.
    """

    day: str
    offered: int = 0
    answered: int = 0
    in_time: int = 0
    abandoned: int = 0
    decided: int = 0
    critical: int = 0
    warning: int = 0
    notice: int = 0
    lately_decided: int = 0
    lately_in_time: int = 0
    hours: tuple[Hour, ...] = ()
    snoozed: int = 0


class RuleFigures(Struct, frozen=True, omit_defaults=True):
    """One rule in the last seven days: what people found its alerts to be. ``appeals``: those not answered yet."""

    id: str
    title: str
    en: str = ""
    trial: bool = False
    right: int = 0
    wrong: int = 0
    undecided: int = 0
    appeals: int = 0


class Hush(Struct, frozen=True, omit_defaults=True):
    """A snooze in force; ``queue`` "" is every queue; ``held_back``: alerts that it has kept off the wall so far."""

    rule: str
    title: str
    queue: str
    until: float
    by_name: str
    at: float
    en: str = ""
    text: str = ""
    held_back: int = 0


class Part(Struct, frozen=True):
    """Health of the detector, of the PBX gateway, of the ears, of the archivist, or of the pager.

    ``waiting``: not heard of yet, but it may still come; ``trouble``: it says itself that it cannot work;
    ``dead``: no heartbeat; ``absent``: never heard of, and a system may do without it. ``since``: when trouble began,
    or the last heartbeat. ``heard_at``: the last heartbeat of any of its processes, 0 before the first.
    """

    state: Literal["waiting", "ok", "trouble", "dead", "absent"] = "waiting"
    since: float = 0.0
    detail: str = ""
    heard_at: float = 0.0


class Feed(Struct, frozen=True):
    """Whether the wall itself reads the topics; ``reading``: catching up with the day's record.

    ``known``: the day's record has been read once, so that a zero means zero.
    """

    state: Literal["connecting", "reading", "live", "gone"] = "connecting"
    since: float = 0.0
    detail: str = ""
    known: bool = False


class Status(Struct, frozen=True):
    """What the page needs to be honest. ``unreadable`` counts messages that were skipped.

    ``listen`` (the gateway of audio) and ``recognise`` are absent where calls are judged by the telephone alone,
    ``archive`` and ``pager`` where none was ever heard of; their trouble changes nothing of what is live.
    """

    feed: Feed
    detect: Part
    pbx: Part
    unreadable: int = 0
    listen: Part = Part("absent")
    recognise: Part = Part("absent")
    archive: Part = Part("absent")
    pager: Part = Part("absent")


View = Tile | Card | Counts | Status | tuple[Card, ...] | tuple[RuleFigures, ...] | tuple[Hush, ...]


class Change(Struct, frozen=True):
    """One numbered change; ``view`` None: it has left the screen. ``urgent``: not to be held back."""

    n: int
    kind: Kind
    id: str
    view: View | None
    urgent: bool = False
