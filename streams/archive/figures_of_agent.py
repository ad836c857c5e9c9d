"""An agent's days, counted. Pure: rows in, figures out. Nobody is compared on few calls, and nobody is ranked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from zoneinfo import ZoneInfo

from msgspec import Struct

from streams.archive.figures_days import Span
from streams.archive.figures_facts import (
    FAIR_AGENTS,
    FAIR_CALLS,
    AgentRows,
    Fired,
    Sums,
    Took,
    Verdicts,
    grouped,
    hour_of,
    labels,
    verdicts_of,
)
from streams.archive.figures_numbers import Spread, share, spread_of


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
        alerts={call: verdicts_of(each) for call, each in grouped(live, lambda f: f.call).items()},
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
    for rule, own in grouped(fired, lambda f: f.rule).items():
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
        label = hour_of(row.began_at, zone) if span.first == span.last else row.day
        spoke[label] += row.spoke
        missed[label] += row.missed
    return tuple((label, spoke[label], missed[label]) for label in labels(span, [*spoke]))
