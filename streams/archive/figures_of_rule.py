"""A rule's days, counted. Pure: rows in, figures out. Names an agent only who surely lies above all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct

from streams.archive.figures_days import Span
from streams.archive.figures_facts import FAIR_AGENTS, FAIR_CALLS, Fired, RuleRows, Sure, grouped, hour_of, sure
from streams.archive.figures_numbers import CONFIDENCE, Spread, share, spread_of, tail, wilson
from streams.verdicts import Precision, precision

#: Nobody is told to lie above the others for fewer calls with an alert.
FAIR_HITS = 5


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
    overall, clearly, looked_at = above(rows.agents)
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
        by_hour=_parts(fired, lambda f: hour_of(f.opened_at, zone), [f"{hour:02}" for hour in range(24)]),
        by_severity=_parts(fired, lambda f: f.severity, ["critical", "warning", "notice"]),
        by_version=_versions(fired),
        reasons=dict(Counter(f.reason or "other" for f in fired if f.finding == "false").most_common()),
        appeals=dict(Counter(f.appeal for f in fired)),
        queues=tuple(Exposed(q, hits.get(q, 0), n, wilson(hits.get(q, 0), n)) for q, n in sorted(fair.items())),
        few_queues=len(by_queue) - len(fair),
        above=clearly,
        overall=overall,
        fair=looked_at,
    )


def _parts(fired: Iterable[Fired], key: Callable[[Fired], str], names: Sequence[str]) -> tuple[Part, ...]:
    found = grouped(fired, key)
    return tuple(Part(name, precision(f.finding for f in found.get(name, ()))) for name in names)


def _versions(fired: Iterable[Fired]) -> tuple[Part, ...]:
    """Oldest first."""
    parts = []
    for version, own in grouped(fired, lambda f: f.rulebook).items():
        at = [f.opened_at for f in own]
        parts.append(Part(version, precision(f.finding for f in own), min(at), max(at)))
    return tuple(sorted(parts, key=lambda part: part.since))


def above(agents: Mapping[str, tuple[int, int]]) -> tuple[Exposed, tuple[Exposed, ...], int]:
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
