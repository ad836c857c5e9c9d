"""Alerts of two runs side by side: which are the same, which are new, gone or changed.

Owns the life of an alert put together from its changes, the matching, and the count of each rule. Knows nothing of
files and processes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from streams.alerts import SEVERITIES, AlertChange, Clause, Severity, State
from streams.events import Evidence

#: Times that differ by no more, seconds, are the same.
SAME_S = 0.05

Kind = Literal["new", "gone", "changed"]
What = Literal["severity", "time", "sentence"]


class Stage(Struct, frozen=True):
    """One step in the life of an alert; ``says_en`` is empty where the rule has no English."""

    state: State
    severity: Severity
    at: float
    says: str
    says_en: str = ""


class Alert(Struct, frozen=True):
    """One alert of one run. ``record``: the call, or the subject of a rule across calls, in which it is counted."""

    id: str
    rule: str
    record: str
    call: str
    agent: str | None
    agent_name: str | None
    queue: str | None
    title: str
    title_en: str
    clause: Clause
    stages: tuple[Stage, ...]
    evidence: tuple[Evidence, ...] = ()
    calls: tuple[str, ...] = ()
    trial: bool = False

    @property
    def at(self) -> float:
        """When it opened, Unix seconds."""
        return self.stages[0].at

    @property
    def rises(self) -> tuple[Stage, ...]:
        """What was said while it was open: opened, raised."""
        return tuple(stage for stage in self.stages if stage.state != "cleared")

    @property
    def severity(self) -> Severity:
        """The gravest that it became."""
        return max((stage.severity for stage in self.rises), key=SEVERITIES.index)

    @property
    def last(self) -> Stage:
        """What was said of it last while it was open."""
        return self.rises[-1]


class Place(Struct, frozen=True):
    """The moment of an alert in its trace: file, line from 1 (0: not known), seconds since the call began."""

    file: str
    line: int
    into_s: float


class Change(Struct, frozen=True):
    """An alert that is not the same in both runs. ``what`` of a changed one differs.

    ``alert`` is the alert as it is now; of one that is gone, as it was.
    """

    kind: Kind
    alert: Alert
    before: Alert | None
    now: Alert | None
    what: tuple[What, ...] = ()
    place: Place | None = None


def gather(changes: Iterable[tuple[str, AlertChange]]) -> list[Alert]:
    """Alerts from their changes, each with the record it is counted in; in order of opening."""
    lives: dict[str, list[tuple[str, AlertChange]]] = defaultdict(list)
    for record, change in changes:
        lives[change.id].append((record, change))
    return sorted((_alert(life) for life in lives.values()), key=lambda alert: (alert.at, alert.rule, alert.id))


def _alert(life: Sequence[tuple[str, AlertChange]]) -> Alert:
    record, last = next((each for each in reversed(life) if each[1].state != "cleared"), life[-1])
    stages = tuple(Stage(c.state, c.severity, c.at, c.says, c.en.says if c.en else "") for _, c in life)
    return Alert(
        id=last.id,
        rule=last.rule,
        record=record,
        call=last.call,
        agent=last.agent,
        agent_name=last.agent_name,
        queue=last.queue,
        title=last.title,
        title_en=last.en.title if last.en else "",
        clause=last.clause,
        stages=stages,
        evidence=next((c.evidence for _, c in reversed(life) if c.evidence), ()),
        calls=last.calls,
        trial=last.trial,
    )


def compare(before: Sequence[Alert], now: Sequence[Alert]) -> list[Change]:
    """What differs between the alerts of two runs, in order of time.

    Alerts of one rule in one record are paired: those of the same moment, then those of the same id (that is, of the
    same occurrence), then the nearest in time. The moment comes first because a new alert early in a call shifts the
    number of all that follow.
    """
    groups: dict[tuple[str, str], tuple[list[Alert], list[Alert]]] = defaultdict(lambda: ([], []))
    for side, alerts in enumerate((before, now)):
        for alert in alerts:
            groups[alert.record, alert.rule][side].append(alert)
    changes = [change for old, new in groups.values() for change in _differences(old, new)]
    return sorted(changes, key=order)


def order(change: Change) -> tuple[float, str, str, str]:
    """Changes are told in order of time."""
    return (change.alert.at, change.alert.call, change.alert.rule, change.alert.id)


def _differences(before: list[Alert], now: list[Alert]) -> Iterable[Change]:
    pairs = list(_pairs(before, now))
    for old, new in pairs:
        if what := differs(old, new):
            yield Change("changed", new, old, new, what)
    paired = {id(alert) for pair in pairs for alert in pair}
    yield from (Change("gone", alert, alert, None) for alert in before if id(alert) not in paired)
    yield from (Change("new", alert, None, alert) for alert in now if id(alert) not in paired)


def _pairs(before: list[Alert], now: list[Alert]) -> Iterable[tuple[Alert, Alert]]:
    by_id = {alert.id: alert for alert in before}
    alike = [(by_id[b.id], b) for b in now if b.id in by_id and abs(by_id[b.id].at - b.at) <= SAME_S]
    yield from alike  # nearly all, so that only the rest is looked at each against each
    done = {id(alert) for pair in alike for alert in pair}
    rest = [(a, b) for a in before if id(a) not in done for b in now if id(b) not in done]
    rest.sort(key=lambda pair: abs(pair[0].at - pair[1].at))
    moments = [pair for pair in rest if abs(pair[0].at - pair[1].at) <= SAME_S]
    for pair in (*moments, *(pair for pair in rest if pair[0].id == pair[1].id), *rest):
        if not done & {id(alert) for alert in pair}:
            done |= {id(alert) for alert in pair}
            yield pair


def differs(before: Alert, now: Alert) -> tuple[What, ...]:
    """In what two alerts that belong together differ: how grave they became, when, and what was said."""
    pairs = list(zip(before.stages, now.stages, strict=False))
    found: list[What] = []
    if [s.severity for s in before.rises] != [s.severity for s in now.rises]:
        found.append("severity")
    uneven = len(before.stages) != len(now.stages) and not found
    if uneven or any(abs(a.at - b.at) > SAME_S for a, b in pairs if a.state == b.state):
        found.append("time")
    if any(a.says != b.says for a, b in pairs if a.state == b.state):
        found.append("sentence")
    return tuple(found)


class Side(Struct):
    """What one book did to a rule: alerts, calls in which it was not judged, calls that told a rule across calls."""

    fired: int = 0
    not_judged: int = 0
    told: int = 0


class Count(Struct):
    """Both sides of a rule."""

    before: Side
    now: Side
