"""Which of Prometheus's alerts must have fired this evening, and which did.

What must have been comes from what was done (a worker killed, a recogniser slowed, a receiver dead) and from the record
(calls answered late, alerts that came late): never from Prometheus's own figures. Pure but for asking Prometheus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from bench.evening_truth import Counted, Sent
from streams.events import AnyEvent, Gap

#: As deploy/prometheus/prometheus.yml has them, seconds.
SCRAPE_S, EVALUATION_S = 10.0, 15.0
#: What lies between a fact and the rule that sees it: two scrapes, two evaluations.
SLACK_S = 2 * (SCRAPE_S + EVALUATION_S)
#: Shares this near to a rule's limit may fall on either side: rate() extrapolates.
NEAR = 0.2
MINUTE = 60.0

Kind = Literal["must", "may", "must not"]


class Span(NamedTuple):
    """Unix seconds."""

    begun: float
    ended: float

    def meets(self, other: Span) -> bool:
        """Whether they have a moment in common."""
        return self.begun <= other.ended and other.begun <= self.ended


class Fired(NamedTuple):
    """An alert while it fired at Prometheus."""

    name: str
    labels: str
    span: Span


class Expect(NamedTuple):
    """``within``: when it may fire; ``over``: whether it must have resolved before the end."""

    name: str
    kind: Kind
    within: Span
    why: str
    over: bool = True


class Row(NamedTuple):
    """An alert beside what was expected of it; ``fault`` empty: as it should be."""

    name: str
    kind: str
    fired: tuple[Fired, ...]
    why: str
    fault: str


# ------------------------------------------------------------------------------------------- what fired


def spans_of(found: Iterable[Mapping[str, Any]], step_s: float) -> list[Fired]:
    """The spans of ALERTS{alertstate="firing"} as ``query_range`` gives them; ours only."""
    fired = []
    for series in found:
        labels = {k: v for k, v in series["metric"].items() if k not in _HIDDEN}
        name = series["metric"]["alertname"]
        shown = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
        fired += [Fired(name, shown, span) for span in _spans([at for at, _ in series["values"]], step_s)]
    return sorted(fired, key=lambda one: one.span.begun)


_HIDDEN = ("__name__", "alertname", "alertstate", "site", "severity", "job")


def _spans(times: Sequence[float], step_s: float) -> Iterable[Span]:
    begun = times[0]
    for before, at in zip(times, [*times[1:], float("inf")], strict=True):
        if at - before > 1.5 * step_s:
            yield Span(begun, before)
            begun = at


# ------------------------------------------------------------------------------------------- what must have


def held(condition: Callable[[float], bool], span: Span, step_s: float = EVALUATION_S) -> float:
    """For how long at a stretch the condition held at most, seconds."""
    longest, since, at = 0.0, None, span.begun
    while at <= span.ended:
        since = (at if since is None else since) if condition(at) else None
        longest = max(longest, 0.0 if since is None else at - since)
        at += step_s
    return longest


def judged(sure: Callable[[float], bool], perhaps: Callable[[float], bool], for_s: float, span: Span) -> Kind:
    """Must, where it surely held for longer than ``for_s``; must not, where it did not even perhaps."""
    if held(sure, span) >= for_s + SLACK_S:
        return "must"
    return "may" if held(perhaps, span) >= for_s - SLACK_S else "must not"


def lasted(seconds: float, for_s: float) -> Kind:
    """The same of something of which it is known how long it was so."""
    if seconds >= for_s + SLACK_S:
        return "must"
    return "may" if seconds >= for_s - EVALUATION_S else "must not"


def share(counted: Sequence[Counted], name: str, window_s: float, at: float, queue: str = "") -> tuple[float, int]:
    """The share of the calls of a window that were counted as ``name``, and how many calls those are."""
    window = [c for c in counted if at - window_s < c.at <= at and (not queue or c.queue == queue)]
    offered = sum(c.name == "sansheng_calls_offered_total" for c in window)
    return (sum(c.name == name for c in window) / offered if offered else 0.0), offered


LEAST = 20
#: 2.5 times the fifth that may wait.
_BURNT = 0.5


def of_callers(counted: Sequence[Counted], span: Span) -> list[Expect]:
    """What the record of the calls says about SanshengServiceLevel… and SanshengAbandonRate."""
    found = []
    fast = _late_share(counted, 30 * MINUTE, 5 * MINUTE)
    found.append(_callers("SanshengServiceLevelFastBurn", fast, _BURNT, 2 * MINUTE, span))
    for queue in sorted({c.queue for c in counted}):
        worst = _late_share(counted, 60 * MINUTE, 5 * MINUTE, queue)
        found.append(_callers("SanshengQueueServiceLevel", worst, _BURNT, 5 * MINUTE, span, f"queue {queue}: "))
    long_ = _late_share(counted, 360 * MINUTE, 60 * MINUTE)
    found.append(_callers("SanshengServiceLevelSlowBurn", long_, 0.25, 15 * MINUTE, span))
    gone = _in_both(counted, "sansheng_calls_abandoned_total", 30 * MINUTE, 5 * MINUTE, lambda gone: gone)
    found.append(_callers("SanshengAbandonRate", gone, 0.1, 5 * MINUTE, span))
    return found


Share = Callable[[float], float]


def _late_share(counted: Sequence[Counted], long_s: float, short_s: float, queue: str = "") -> Share:
    """Of those that were not answered in time."""
    return _in_both(counted, "sansheng_calls_in_time_total", long_s, short_s, lambda in_time: 1 - in_time, queue)


def _in_both(
    counted: Sequence[Counted], name: str, long_s: float, short_s: float, as_: Share, queue: str = ""
) -> Share:
    """The smaller one of both windows, each ``as_`` it is looked at; nothing where too few have called, or none now."""

    def at_(at: float) -> float:
        (long_, offered), (short, now) = (share(counted, name, window, at, queue) for window in (long_s, short_s))
        return min(as_(long_), as_(short)) if offered >= LEAST and now else 0.0

    return at_


def _callers(name: str, of: Share, limit: float, for_s: float, span: Span, what: str = "") -> Expect:
    worst = max(of(span.begun + n * EVALUATION_S) for n in range(int((span.ended - span.begun) / EVALUATION_S)))
    kind = judged(lambda at: of(at) > limit * (1 + NEAR), lambda at: of(at) > limit * (1 - NEAR), for_s, span)
    why = f"{what}by the record at most {worst:.0%} of the callers in both windows, limit {limit:.0%}"
    return Expect(name, kind, span, why, over=False)


#: Rules of which time alone brings the change, and that wait for no words.
TIMED = ("ring-over-three", "long-hold", "transfer-wait")
#: So long after a takeover its late timers stand in windows of 5 min, and hold for 5 min, seconds.
_TAKEOVER_S = 12 * MINUTE


def of_lateness(changes: Sequence[Sent], span: Span, killed: Sequence[float]) -> list[Expect]:
    """What the broker's times of the alerts say about SanshengTicksLate and SanshengAlertsLate."""
    late = [(sent.logged_at, sent.logged_at - sent.change.at) for sent in changes]
    sure, perhaps = 0.05 * (1 + NEAR), 0.05 * (1 - NEAR)
    walls = judged(lambda at: _above(late, 10.5, sure, at), lambda at: _above(late, 9.5, perhaps, at), 300, span)
    latest = f"by the broker's times the latest alert came after {max((one for _, one in late), default=0.0):.1f} s"
    return [
        Expect("SanshengAlertsLate", walls, span, latest, over=False),
        *(_timers(changes, Span(at, min(at + _TAKEOVER_S, span.ended))) for at in killed),
    ]


def _timers(changes: Sequence[Sent], span: Span) -> Expect:
    """Timers of a killed worker wait until its session ends (10 s) and another one takes over."""
    late = [
        (sent.logged_at, sent.logged_at - sent.change.at)
        for sent in changes
        if sent.change.rule in TIMED and sent.change.state in ("opened", "raised")
    ]
    kind: Kind = "may" if held(lambda at: _above(late, 0.9, 0.0, at), span) >= 5 * MINUTE - SLACK_S else "must not"
    worst = max((one for at, one in late if span.begun <= at <= span.ended), default=0.0)
    why = f"after a takeover: by the broker's times the latest timer came after {worst:.1f} s"
    return Expect("SanshengTicksLate", kind, span, why, over=False)


def _above(late: Sequence[tuple[float, float]], limit_s: float, of: float, at: float) -> bool:
    """Whether more than that share of the last five minutes was later than the limit."""
    window = [one for when, one in late if at - 5 * MINUTE < when <= at]
    return bool(window) and sum(one > limit_s for one in window) > of * len(window)


def of_words(events: Iterable[AnyEvent], span: Span) -> Expect:
    """What the record says about SanshengWordsLost."""
    gaps = [event for event in events if isinstance(event, Gap)]
    lost_s = sum(gap.end - gap.start for gap in gaps)
    kind: Kind = "may" if lost_s > 1 else "must not"
    return Expect("SanshengWordsLost", kind, span, f"{lost_s:.1f} s of sound were skipped, by the record", False)


def of_letters(letters: Sequence[float], span: Span) -> Expect:
    """What lies on `dead-letters`, by its times, is what SanshengDeadLetters tells."""
    kind: Kind = "may" if letters else "must not"
    if any(at < span.ended - MINUTE - SLACK_S for at in letters):
        kind = "must"
    return Expect("SanshengDeadLetters", kind, span, f"{len(letters)} dead letters", over=False)


# ------------------------------------------------------------------------------------------- side by side


def compare(expected: Iterable[Expect], fired: Sequence[Fired], end: float) -> list[Row]:
    """Each alert beside what was expected of it; one that nobody expected is a fault."""
    rows, known = [], set()
    for name, group in _by_name(expected).items():
        known.add(name)
        mine = tuple(one for one in fired if one.name == name)
        kind = min((e.kind for e in group), key=("must", "may", "must not").index)
        why = "; ".join(dict.fromkeys(e.why for e in group))
        rows.append(Row(name, kind, mine, why, _fault(group, kind, mine, end)))
    for name in dict.fromkeys(one.name for one in fired if one.name not in known):
        mine = tuple(one for one in fired if one.name == name)
        rows.append(Row(name, "must not", mine, "nothing was done that brings it", "fired"))
    return rows


def _by_name(expected: Iterable[Expect]) -> dict[str, list[Expect]]:
    groups: dict[str, list[Expect]] = {}
    for one in expected:
        groups.setdefault(one.name, []).append(one)
    return groups


def _fault(group: Sequence[Expect], kind: Kind, fired: Sequence[Fired], end: float) -> str:
    allowed = [e for e in group if e.kind != "must not"]
    if fired and not allowed:
        return "fired"
    if kind == "must" and not fired:
        return "did not fire"
    if any(not any(one.span.meets(e.within) for e in allowed) for one in fired):
        return "fired at another time"
    if all(e.over for e in group) and any(one.span.ended > end - EVALUATION_S for one in fired):
        return "did not resolve"
    return ""


# ------------------------------------------------------------------------------------------- counters


def total(values: Iterable[float]) -> float:
    """What a counter has counted over the lives of its process: after a restart it begins at zero."""
    sum_, before = 0.0, 0.0
    for value in values:
        sum_ += value - before if value >= before else value
        before = value
    return sum_


def totals(
    found: Iterable[Mapping[str, Any]], labels: Sequence[str], kills: Mapping[str, Sequence[float]]
) -> dict[tuple[str, ...], float]:
    """The same for raw samples of a counter (``name[range]``), by those labels, over all instances.

    ``kills``: when each instance was killed. A series that is not there from the start may begin its second life with
    the figure at which the first one ended: only who knows of the kill sees that.
    """
    summed: dict[tuple[str, ...], float] = {}
    for series in found:
        key = tuple(series["metric"].get(label, "") for label in labels)
        ends = [*kills.get(series["metric"]["instance"], ()), float("inf")]
        lives = [[float(v) for at, v in series["values"] if begun <= at < end] for begun, end in pairwise([0.0, *ends])]
        summed[key] = summed.get(key, 0.0) + sum(map(total, lives))
    return {key: value for key, value in summed.items() if value}
