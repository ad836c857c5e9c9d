"""What figures are made of: rows as the store gives them, how alerts stand, and who can fairly be compared.

Owns what counts against whom. An alert counts against an agent once somebody has found it right, unless its rule is on
trial or the agent's appeal is open. Nobody is compared on few calls or with few others. Knows neither the store nor how
anything is shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from streams.alerts import Severity
from streams.archive.facts import State
from streams.archive.figures_days import Span
from streams.archive.figures_numbers import Spread, wilson
from streams.events import Direction, Party
from streams.verdicts import Appeal, Finding, Precision, Reason

#: An agent with fewer calls is not compared, and nobody with them.
FAIR_CALLS = 20
#: A median of fewer other agents would be a person's own figure.
FAIR_AGENTS = 5
#: Fewer judged alerts say nothing of a rule: even 20 right ones of 20 leave 16 in 100 wrong possible.
FAIR_JUDGED = 20
#: A whole hour of the day is told for a slot of this many seconds: every zone is a multiple of it away from UTC.
SLOT_S = 900

_T = TypeVar("_T")

# ------------------------------------------------------------------------------------------------------- rows


class Slot(NamedTuple):
    """The calls that began in one quarter of an hour in one queue, alike in state and direction.

    ``slot``: quarters since 1970. ``known``: it is known how long they waited, ``in_time`` of these; ``deaf``: answered
    and nobody listened; ``listened``: somebody did.
    """

    day: str
    slot: int
    queue: str
    direction: Direction
    state: State
    calls: int
    answered: int
    known: int
    in_time: int
    abandoned: int
    listened: int
    deaf: int


class Took(NamedTuple):
    """One call in which an agent took part, or whose phone only rang (``spoke`` False). Times in Unix seconds."""

    call: str
    state: State
    day: str
    began_at: float
    ended_at: float | None
    direction: Direction
    queue: str
    caller: str
    ended_by: Party | None
    transfers: int
    listened: bool
    spoke: bool
    ring_s: float
    missed: int
    talk_s: float
    held_s: float


class Sums(NamedTuple):
    """What one agent had of the inbound calls that have ended. ``rings``: calls taken after their phone had rung.

    ``calls`` in which the agent took part at all; ``counted``: alerts of the calls taken that count against the agent.
    """

    agent: str
    calls: int = 0
    taken: int = 0
    rings: int = 0
    ring_s: float = 0.0
    missed: int = 0
    talk_s: float = 0.0
    held: int = 0
    held_s: float = 0.0
    transferred: int = 0
    counted: int = 0


class Fired(NamedTuple):
    """One alert. Times in Unix seconds."""

    id: str
    call: str
    rule: str
    title: str
    title_en: str
    severity: Severity
    day: str
    opened_at: float
    agent: str
    queue: str
    trial: bool
    rulebook: str
    finding: Finding
    reason: Reason | None
    appeal: Appeal
    decided_at: float | None


class Alike(NamedTuple):
    """So many alerts of one rule that stand alike."""

    rule: str
    rulebook: str
    severity: Severity
    trial: bool
    finding: Finding
    appeal: Appeal
    alerts: int


class Named(NamedTuple):
    """A rule as it was worded in one version of the rulebook; ``clause`` empty: it is not kept any more."""

    title: str
    title_en: str
    clause: str


class AgentRows(NamedTuple):
    """What the store holds of one agent's days; ``everybody``: the sums of all agents, this one's with them."""

    agent: str
    name: str
    took: Sequence[Took]
    fired: Sequence[Fired]
    everybody: Sequence[Sums]


class With(NamedTuple):
    """Calls of a queue that had the alert, all and those somebody listened to."""

    queue: str
    calls: int
    listened: int


class RuleRows(NamedTuple):
    """What the store holds of one rule's days. ``agents``: to calls with an alert that counts, and calls in all."""

    rule: str
    title: str
    title_en: str
    fired: Sequence[Fired]
    slots: Sequence[Slot]
    with_it: Sequence[With]
    agents: Mapping[str, tuple[int, int]]


class FloorRows(NamedTuple):
    """What the store holds of the hotline's days. ``named``: rule and version of the rulebook to its wording."""

    slots: Sequence[Slot]
    spreads: dict[str, Spread]
    alike: Sequence[Alike]
    named: Mapping[tuple[str, str], Named]


def counts_against(fired: Fired | Alike) -> bool:
    """Whether an alert may be held against its agent: found right, not on trial, no appeal open."""
    return fired.finding == "true" and fired.appeal != "open" and not fired.trial


# ---------------------------------------------------------------------------------------------------- verdicts


class Verdicts(Struct, frozen=True):
    """Alerts by how they stand with their agent; the four add up.

    ``appealed``: the appeal is open, whatever was found.
    """

    counted: int = 0
    wrong: int = 0
    undecided: int = 0
    appealed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.counted + self.wrong + self.undecided + self.appealed


def verdicts_of(fired: Iterable[Fired]) -> Verdicts:
    """Of any alerts."""
    found = Counter("appealed" if f.appeal == "open" else f.finding for f in fired)
    return Verdicts(found["true"], found["false"], found["open"], found["appealed"])


class Sure(Struct, frozen=True):
    """A rule's precision. ``within``: its interval; both None where too few alerts were judged."""

    judged: Precision
    share: float | None = None
    within: tuple[float, float] | None = None


def sure(judged: Precision) -> Sure:
    """The precision with its uncertainty, where enough alerts were judged."""
    n = judged.right + judged.wrong
    return Sure(judged, judged.share, wilson(judged.right, n)) if n >= FAIR_JUDGED else Sure(judged)


# ------------------------------------------------------------------------------------------------------ shared


def labels(span: Span, used: Sequence[str]) -> list[str]:
    """Of a picture: the hours between the first and the last that is used, or every day."""
    return hours_between(used) if span.first == span.last else [str(each) for each in span.dates]


def hours_between(used: Sequence[str]) -> list[str]:
    """``["09", "11"]`` -> ``["09", "10", "11"]``."""
    return [f"{hour:02}" for hour in range(int(min(used)), int(max(used)) + 1)] if used else []


def hour_of(at: float, zone: ZoneInfo) -> str:
    """The hour of the site's clock, ``09``; ``at``: Unix seconds."""
    return f"{datetime.fromtimestamp(at, zone).hour:02}"


def grouped(rows: Iterable[_T], key: Callable[[_T], str]) -> dict[str, list[_T]]:
    """Rows by what they have in common, in their order."""
    found: dict[str, list[_T]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found
