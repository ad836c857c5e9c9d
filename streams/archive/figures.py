"""What managers ask for, counted: an agent's days, a rule's days, the hotline's. Pure: rows in, figures out.

Owns what counts and against whom. Only calls that have ended count. An alert counts against an agent once somebody has
found it right, unless its rule is on trial or the agent's appeal is open. Nobody is compared on few calls or with few
others, and nobody is ranked. Knows neither the store nor how anything is shown.
"""

from __future__ import annotations

import calendar
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from statistics import NormalDist, median
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import Severity
from streams.archive.facts import State
from streams.events import Direction, Party
from streams.verdicts import Appeal, Finding, Precision, Reason, precision

#: A percentile of fewer values would be one call's own figure.
ENOUGH = 20
#: An agent with fewer calls is not compared, and nobody with them.
FAIR_CALLS = 20
#: A median of fewer other agents would be a person's own figure.
FAIR_AGENTS = 5
#: Fewer judged alerts say nothing of a rule: even 20 right ones of 20 leave 16 in 100 wrong possible.
FAIR_JUDGED = 20
#: Nobody is told to lie above the others for fewer calls with an alert.
FAIR_HITS = 5
#: A whole hour of the day is told for a slot of this many seconds: every zone is a multiple of it away from UTC.
SLOT_S = 900
#: How sure an interval is.
CONFIDENCE = 0.95

_T = TypeVar("_T")

# ------------------------------------------------------------------------------------------------------- days

_MOST_DAYS = 3660


class Span(Struct, frozen=True):
    """Days of the site, both ends included."""

    first: date
    last: date

    @property
    def dates(self) -> tuple[date, ...]:
        """Every one of them."""
        return tuple(self.first + timedelta(n) for n in range((self.last - self.first).days + 1))

    @property
    def is_month(self) -> bool:
        """A whole month of the calendar."""
        return self == month(f"{self.first:%Y-%m}")

    def __str__(self) -> str:
        """``2026-11-20``, ``2026-11`` or ``2026-11-01..2026-11-21``."""
        if self.first == self.last:
            return str(self.first)
        return f"{self.first:%Y-%m}" if self.is_month else f"{self.first}..{self.last}"


def day(text: str) -> Span:
    """``2026-11-20``. Raises ValueError with the mend."""
    found = _date(text)
    return Span(found, found)


def days(text: str) -> Span:
    """``2026-11-01..2026-11-21``. Raises ValueError with the mend."""
    first, dots, last = text.partition("..")
    if not dots:
        raise ValueError(f"not days: {text!r} (write 2026-11-01..2026-11-21)")
    span = Span(_date(first), _date(last))
    if span.last < span.first:
        raise ValueError(f"{text}: the last day is before the first")
    if (span.last - span.first).days >= _MOST_DAYS:
        raise ValueError(f"{text}: more than ten years")
    return span


def month(text: str) -> Span:
    """``2026-11``. Raises ValueError with the mend."""
    found = re.fullmatch(r"(\d{4})-(\d{2})", text)
    if not found or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1:
        raise ValueError(f"not a month: {text!r} (write 2026-11)")
    first = date(int(found[1]), int(found[2]), 1)
    return Span(first, first.replace(day=calendar.monthrange(first.year, first.month)[1]))


def _date(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
        raise ValueError(f"not a day: {text!r} (write 2026-11-20)")
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()}: there is no such day") from None


# ------------------------------------------------------------------------------------------------- statistics


class Spread(Struct, frozen=True):
    """Durations, seconds, of ``n`` calls. Percentiles are nearest ranks, and None where ``n`` is under ``ENOUGH``."""

    n: int = 0
    total_s: float = 0.0
    mean_s: float | None = None
    median_s: float | None = None
    p90_s: float | None = None
    longest_s: float | None = None


def spread(counts: Mapping[float, int], total_s: float, longest_s: float) -> Spread:
    """Of durations that were counted, duration to how many; sum and longest exact, seconds."""
    n = sum(counts.values())
    if not n:
        return Spread()
    is_enough = n >= ENOUGH
    return Spread(
        n=n,
        total_s=total_s,
        mean_s=total_s / n,
        median_s=_rank(counts, n, 0.5) if is_enough else None,
        p90_s=_rank(counts, n, 0.9) if is_enough else None,
        longest_s=longest_s,
    )


def spread_of(values: Iterable[float]) -> Spread:
    """Of single durations, seconds."""
    found = list(values)
    return spread(Counter(found), sum(found), max(found, default=0.0))


def _rank(counts: Mapping[float, int], n: int, share: float) -> float:
    """The least value that so many of all do not exceed."""
    wanted, values = math.ceil(share * n), sorted(counts)
    return next(v for v, upto in zip(values, accumulate(counts[v] for v in values), strict=True) if upto >= wanted)


def wilson(hits: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """The interval in which a share lies, by Wilson (1927), which holds for few and for shares near 0 and 1 too."""
    if not of:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spare = hits / of, z * z / of
    middle = (share + spare / 2) / (1 + spare)
    reach = z / (1 + spare) * math.sqrt(share * (1 - share) / of + spare / (4 * of))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def share(part: float, whole: float) -> float | None:
    """None: there is nothing to have a share of."""
    return part / whole if whole else None


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

    ``calls`` in which the agent took part at all; ``counted``: alerts that count against the agent.
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


# ------------------------------------------------------------------------------------------------------- agent


class Compared(Struct, frozen=True):
    """An agent's figure, on how many calls (or rings) it rests, and the median of as many other agents.

    ``others`` None: it is not compared, because of too few calls, or of too few others.
    """

    name: str
    own: float | None
    of: int
    others: float | None
    agents: int


class RuleOfAgent(Struct, frozen=True):
    """The alerts of one rule about an agent."""

    rule: str
    title: str
    title_en: str
    verdicts: Verdicts


class AgentFigures(Struct, frozen=True):
    """An agent's days. ``calls``: those that have ended, oldest first; ``alerts``: those not on trial, by call id.

    ``team``: with whom it is compared; empty: with all. ``is_few``: too few calls to be compared.
    """

    agent: str
    name: str
    span: Span
    calls: tuple[Took, ...]
    up: int
    lost: int
    sums: Sums
    outbound: int
    talk: Spread
    hold: Spread
    ring: Spread
    talk_out: Spread
    rules: tuple[RuleOfAgent, ...]
    trial: tuple[RuleOfAgent, ...]
    alerts: dict[str, Verdicts]
    compared: tuple[Compared, ...]
    team: str
    is_few: bool
    bars: tuple[tuple[str, int, int], ...]

    @property
    def verdicts(self) -> Verdicts:
        """Of all rules that are not on trial."""
        return _sum(rule.verdicts for rule in self.rules)


#: What is compared: of an agent's sums the figure, and on how many calls or rings it rests.
_COMPARED: Mapping[str, Callable[[Sums], tuple[float, int]]] = {
    "talk": lambda s: (s.talk_s, s.taken),
    "hold": lambda s: (s.held_s, s.taken),
    "held": lambda s: (s.held, s.taken),
    "ring": lambda s: (s.ring_s, s.rings),
    "missed": lambda s: (s.missed, s.missed + s.rings),
    "transferred": lambda s: (s.transferred, s.taken),
    "alerts": lambda s: (100 * s.counted, s.taken),
}


def agent_figures(rows: AgentRows, span: Span, teams: Mapping[str, Sequence[str]], zone: ZoneInfo) -> AgentFigures:
    """``teams``: their names to the numbers of their agents."""
    ended = sorted((row for row in rows.took if row.state == "ended"), key=lambda row: (row.began_at, row.call))
    taken = [row for row in ended if row.spoke and row.direction == "inbound"]
    outbound = [row for row in ended if row.spoke and row.direction == "outbound"]
    live = [f for f in rows.fired if not f.trial]
    own = _own(rows.agent, rows.everybody)
    team, others = _others(own, rows.everybody, teams)
    return AgentFigures(
        agent=rows.agent,
        name=rows.name,
        span=span,
        calls=tuple(ended),
        up=sum(row.state == "up" for row in rows.took),
        lost=sum(row.state == "lost" for row in rows.took),
        sums=own,
        outbound=len(outbound),
        talk=spread_of(row.talk_s for row in taken),
        hold=spread_of(row.held_s for row in taken if row.held_s > 0),
        ring=spread_of(row.ring_s for row in taken if row.ring_s > 0),
        talk_out=spread_of(row.talk_s for row in outbound),
        rules=_by_rule(live),
        trial=_by_rule([f for f in rows.fired if f.trial]),
        alerts={call: verdicts_of(each) for call, each in _grouped(live, lambda f: f.call).items()},
        compared=tuple(_compare(own, others)),
        team=team,
        is_few=own.taken < FAIR_CALLS,
        bars=_agent_bars(span, ended, zone),
    )


def _own(agent: str, everybody: Iterable[Sums]) -> Sums:
    return next((sums for sums in everybody if sums.agent == agent), Sums(agent))


def _others(own: Sums, everybody: Iterable[Sums], teams: Mapping[str, Sequence[str]]) -> tuple[str, list[Sums]]:
    """The agent's team where it has enough people with enough calls, or else all others."""
    fair = [
        sums for sums in everybody if sums.agent != own.agent and sums.taken >= FAIR_CALLS and "*" not in sums.agent
    ]
    for team, agents in teams.items():
        if own.agent in agents:
            mates = [sums for sums in fair if sums.agent in agents]
            if len(mates) >= FAIR_AGENTS:
                return team, mates
    return "", fair


def _compare(own: Sums, others: Sequence[Sums]) -> Iterable[Compared]:
    for name, figure in _COMPARED.items():
        (part, of), rest = figure(own), [share(*figure(each)) for each in others]
        values = [value for value in rest if value is not None]
        is_fair = own.taken >= FAIR_CALLS and len(values) >= FAIR_AGENTS
        yield Compared(name, share(part, of), of, median(values) if is_fair else None, len(values))


def _by_rule(fired: Iterable[Fired]) -> tuple[RuleOfAgent, ...]:
    """The most that count first."""
    found = []
    for rule, own in _grouped(fired, lambda f: f.rule).items():
        newest = max(own, key=lambda f: f.opened_at)
        found.append(RuleOfAgent(rule, newest.title, newest.title_en, verdicts_of(own)))
    return tuple(sorted(found, key=lambda r: (-r.verdicts.counted, -r.verdicts.total, r.rule)))


def _sum(each: Iterable[Verdicts]) -> Verdicts:
    found = list(each)
    return Verdicts(
        sum(v.counted for v in found),
        sum(v.wrong for v in found),
        sum(v.undecided for v in found),
        sum(v.appealed for v in found),
    )


def _agent_bars(span: Span, ended: Iterable[Took], zone: ZoneInfo) -> tuple[tuple[str, int, int], ...]:
    """Calls in which the agent spoke, and rings that were missed: by hour of a single day, by day of several."""
    spoke, missed = Counter[str](), Counter[str]()
    for row in ended:
        label = _hour(row.began_at, zone) if span.first == span.last else row.day
        spoke[label] += row.spoke
        missed[label] += row.missed
    return tuple((label, spoke[label], missed[label]) for label in labels(span, [*spoke]))


# -------------------------------------------------------------------------------------------------------- rule


class Part(Struct, frozen=True):
    """Alerts of one rule that have something in common: a day, a severity, a version of the rulebook."""

    name: str
    judged: Precision
    since: float = 0.0
    until: float = 0.0

    @property
    def total(self) -> int:
        """All of them."""
        return self.judged.right + self.judged.wrong + self.judged.undecided


class Exposed(Struct, frozen=True):
    """Of ``of`` calls so many (``hits``) had the alert; ``within``: where the share lies."""

    name: str
    hits: int
    of: int
    within: tuple[float, float] | None

    @property
    def share(self) -> float | None:
        """None: there were no calls."""
        return share(self.hits, self.of)


class RuleFigures(Struct, frozen=True):
    """A rule's days. ``ended``: calls that have, ``listened`` of these; ``with_it``: calls that had the alert.

    ``decided``: how long, seconds, until somebody decided. ``above``: agents whose share lies above that of all with
    certainty, in the order of their numbers; ``fair``: so many agents were looked at.
    """

    rule: str
    title: str
    title_en: str
    span: Span
    alerts: int
    trial: int
    sure: Sure
    ended: int
    listened: int
    with_it: int
    with_it_heard: int
    decided: Spread
    by_day: tuple[Part, ...]
    by_hour: tuple[Part, ...]
    by_severity: tuple[Part, ...]
    by_version: tuple[Part, ...]
    reasons: dict[str, int]
    appeals: dict[str, int]
    queues: tuple[Exposed, ...]
    few_queues: int
    above: tuple[Exposed, ...]
    overall: Exposed
    fair: int


def rule_figures(rows: RuleRows, span: Span, zone: ZoneInfo) -> RuleFigures:
    """The figures of one rule."""
    fired, with_it = rows.fired, rows.with_it
    ended = [slot for slot in rows.slots if slot.state == "ended"]
    by_queue = Counter[str]()
    for slot in ended:
        by_queue[slot.queue] += slot.calls
    hits = {each.queue: each.calls for each in with_it}
    fair = {queue: n for queue, n in by_queue.items() if n >= FAIR_CALLS}
    overall, above, looked_at = _above(rows.agents)
    return RuleFigures(
        rule=rows.rule,
        title=rows.title,
        title_en=rows.title_en,
        span=span,
        alerts=len(fired),
        trial=sum(f.trial for f in fired),
        sure=sure(precision(f.finding for f in fired)),
        ended=sum(slot.calls for slot in ended),
        listened=sum(slot.listened for slot in ended),
        with_it=sum(each.calls for each in with_it),
        with_it_heard=sum(each.listened for each in with_it),
        decided=spread_of(max(0.0, f.decided_at - f.opened_at) for f in fired if f.decided_at is not None),
        by_day=_parts(fired, lambda f: f.day, [str(each) for each in span.dates]),
        by_hour=_parts(fired, lambda f: _hour(f.opened_at, zone), [f"{hour:02}" for hour in range(24)]),
        by_severity=_parts(fired, lambda f: f.severity, ["critical", "warning", "notice"]),
        by_version=_versions(fired),
        reasons=dict(Counter(f.reason or "other" for f in fired if f.finding == "false").most_common()),
        appeals=dict(Counter(f.appeal for f in fired)),
        queues=tuple(Exposed(q, hits.get(q, 0), n, wilson(hits.get(q, 0), n)) for q, n in sorted(fair.items())),
        few_queues=len(by_queue) - len(fair),
        above=above,
        overall=overall,
        fair=looked_at,
    )


def _parts(fired: Iterable[Fired], key: Callable[[Fired], str], names: Sequence[str]) -> tuple[Part, ...]:
    found = _grouped(fired, key)
    return tuple(Part(name, precision(f.finding for f in found.get(name, ()))) for name in names)


def _versions(fired: Iterable[Fired]) -> tuple[Part, ...]:
    """Oldest first."""
    parts = []
    for version, own in _grouped(fired, lambda f: f.rulebook).items():
        at = [f.opened_at for f in own]
        parts.append(Part(version, precision(f.finding for f in own), min(at), max(at)))
    return tuple(sorted(parts, key=lambda part: part.since))


def _above(agents: Mapping[str, tuple[int, int]]) -> tuple[Exposed, tuple[Exposed, ...], int]:
    """Of all, and of those who lie above; the more people are looked at, the surer it must be (Bonferroni)."""
    fair = {agent: each for agent, each in agents.items() if each[1] >= FAIR_CALLS and "*" not in agent}
    hits, of = sum(h for h, _ in fair.values()), sum(n for _, n in fair.values())
    overall = Exposed("", hits, of, wilson(hits, of))
    if len(fair) < FAIR_AGENTS or not overall.share:
        return overall, (), len(fair)
    chance = (1 - CONFIDENCE) / 2 / len(fair)
    found = [
        Exposed(agent, own, n, wilson(own, n))
        for agent, (own, n) in sorted(fair.items())
        if own >= FAIR_HITS and own / n > overall.share and tail(own, n, overall.share) < chance
    ]
    return overall, tuple(found), len(fair)


def tail(hits: int, of: int, chance: float) -> float:
    """How likely it is that so many or more of ``of`` are hit, where each is by ``chance`` (binomial, exact)."""
    if hits <= 0 or chance >= 1:
        return 1.0
    own = math.lgamma(of + 1) - math.lgamma(hits + 1) - math.lgamma(of - hits + 1)
    term = math.exp(own + hits * math.log(chance) + (of - hits) * math.log1p(-chance))
    total, odds = 0.0, chance / (1 - chance)
    for n in range(hits, of + 1):
        total += term
        if n > of * chance and term < total * 1e-12:
            break
        term *= (of - n) / (n + 1) * odds
    return min(1.0, total)


# ------------------------------------------------------------------------------------------------------- floor


class Offer(Struct, frozen=True):
    """Inbound calls that have ended. ``known``: of these it is known how long they waited (not of one found talking).

    ``other``: neither answered nor given up: the system ended them.
    """

    name: str = ""
    offered: int = 0
    answered: int = 0
    known: int = 0
    in_time: int = 0
    abandoned: int = 0

    @property
    def other(self) -> int:
        """Neither answered nor given up."""
        return self.offered - self.answered - self.abandoned

    @property
    def level(self) -> float | None:
        """The service level: answered in time, of all of which the wait is known."""
        return share(self.in_time, self.known)


class RuleOfFloor(Struct, frozen=True):
    """A rule's alerts on the whole hotline. ``by_severity``: critical, warning, notice."""

    rule: str
    title: str
    title_en: str
    trial: bool
    by_severity: tuple[int, int, int]
    sure: Sure
    appealed: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_severity)


class ClauseBroken(Struct, frozen=True):
    """Alerts, none on trial, that rest on one clause. ``right``: found so, and no appeal open."""

    clause: str
    rules: int
    right: int
    wrong: int
    open: int


class FloorFigures(Struct, frozen=True):
    """The hotline's days. ``deaf``: calls answered to which nobody listened, of ``answered`` in both directions.

    ``up`` and ``lost`` count nowhere else. ``unclear``: alerts whose clause is not kept any more.
    """

    span: Span
    total: Offer
    outbound: int
    outbound_answered: int
    up: int
    lost: int
    answered: int
    deaf: int
    spreads: dict[str, Spread]
    by_queue: tuple[Offer, ...]
    by_day: tuple[Offer, ...]
    by_hour: tuple[Offer, ...]
    rules: tuple[RuleOfFloor, ...]
    trial: tuple[RuleOfFloor, ...]
    clauses: tuple[ClauseBroken, ...]
    unclear: int


def floor_figures(rows: FloorRows, span: Span, zone: ZoneInfo) -> FloorFigures:
    """The figures of the whole hotline."""
    slots, alike, named = rows.slots, rows.alike, rows.named
    ended = [slot for slot in slots if slot.state == "ended"]
    inbound = [slot for slot in ended if slot.direction == "inbound"]
    outbound = [slot for slot in ended if slot.direction == "outbound"]
    queues = {slot.queue for slot in inbound}
    clauses, unclear = _clauses([a for a in alike if not a.trial], named)
    by_hour = _offers(inbound, lambda slot: _hour(slot.slot * SLOT_S, zone))
    return FloorFigures(
        span=span,
        total=_offer("", inbound),
        outbound=sum(slot.calls for slot in outbound),
        outbound_answered=sum(slot.answered for slot in outbound),
        up=sum(slot.calls for slot in slots if slot.state == "up"),
        lost=sum(slot.calls for slot in slots if slot.state == "lost"),
        answered=sum(slot.answered for slot in ended),
        deaf=sum(slot.deaf for slot in ended),
        spreads=rows.spreads,
        by_queue=_all(_offers(inbound, lambda slot: slot.queue), sorted(queues)),
        by_day=_all(_offers(inbound, lambda slot: slot.day), [str(each) for each in span.dates]),
        by_hour=_all(by_hour, hours_between([*by_hour])),
        rules=_rules([a for a in alike if not a.trial], named),
        trial=_rules([a for a in alike if a.trial], named),
        clauses=clauses,
        unclear=unclear,
    )


def _all(offers: Mapping[str, Offer], names: Iterable[str]) -> tuple[Offer, ...]:
    return tuple(offers.get(name, Offer(name)) for name in names)


def _offers(slots: Iterable[Slot], key: Callable[[Slot], str]) -> dict[str, Offer]:
    return {name: _offer(name, own) for name, own in _grouped(slots, key).items()}


def _offer(name: str, slots: Iterable[Slot]) -> Offer:
    found = Offer(name)
    for slot in slots:
        found = replace(
            found,
            offered=found.offered + slot.calls,
            answered=found.answered + slot.answered,
            known=found.known + slot.known,
            in_time=found.in_time + slot.in_time,
            abandoned=found.abandoned + slot.abandoned,
        )
    return found


def _rules(alike: Iterable[Alike], named: Mapping[tuple[str, str], Named]) -> tuple[RuleOfFloor, ...]:
    """The most alerts first; worded as in the version with the most of them."""
    found = []
    for rule, own in _grouped(alike, lambda a: a.rule).items():
        most = max(own, key=lambda a: a.alerts)
        wording = named.get((rule, most.rulebook), Named(rule, "", ""))
        findings = Counter[str]()
        severities = Counter[str]()
        for each in own:
            findings[each.finding] += each.alerts
            severities[each.severity] += each.alerts
        judged = Precision(findings["true"], findings["false"], findings["open"])
        appealed = sum(a.alerts for a in own if a.appeal == "open")
        by_severity = (severities["critical"], severities["warning"], severities["notice"])
        found.append(
            RuleOfFloor(rule, wording.title, wording.title_en, own[0].trial, by_severity, sure(judged), appealed)
        )
    return tuple(sorted(found, key=lambda r: (-r.total, r.rule)))


def _clauses(alike: Iterable[Alike], named: Mapping[tuple[str, str], Named]) -> tuple[tuple[ClauseBroken, ...], int]:
    """The most broken first: by what was found right, then by what is open. And how many alerts name none."""
    by_clause = _grouped(alike, lambda a: named.get((a.rule, a.rulebook), Named("", "", "")).clause)
    unclear = sum(a.alerts for a in by_clause.pop("", ()))
    found = []
    for clause, own in by_clause.items():
        right = sum(a.alerts for a in own if counts_against(a))
        wrong = sum(a.alerts for a in own if a.finding == "false" and a.appeal != "open")
        rest = sum(a.alerts for a in own) - right - wrong
        found.append(ClauseBroken(clause, len({a.rule for a in own}), right, wrong, rest))
    return tuple(sorted(found, key=lambda c: (-c.right, -c.open, c.clause))), unclear


# ------------------------------------------------------------------------------------------------------ shared


def labels(span: Span, used: Sequence[str]) -> list[str]:
    """Of a picture: the hours between the first and the last that is used, or every day."""
    return hours_between(used) if span.first == span.last else [str(each) for each in span.dates]


def hours_between(used: Sequence[str]) -> list[str]:
    """``["09", "11"]`` -> ``["09", "10", "11"]``."""
    return [f"{hour:02}" for hour in range(int(min(used)), int(max(used)) + 1)] if used else []


def _hour(at: float, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at, zone).hour:02}"


def _grouped(rows: Iterable[_T], key: Callable[[_T], str]) -> dict[str, list[_T]]:
    found: dict[str, list[_T]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found
