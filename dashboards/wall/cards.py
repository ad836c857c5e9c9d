"""One alert as the screens need it: its changes merged, how it stands, and where it belongs.

Owns when an alert leaves the wall and what its card says. Pure: everything is a function of what was heard and of
``now``, so that a wall that was restored from a checkpoint shows what one does that never stopped.

An alert is *open* until it is cleared. One whose call has ended can never be cleared (a hang-up cannot be undone): it
stays ``linger_s`` and moves to the recent ones. The same holds where the ``cleared`` was lost.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from dashboards.wall.snoozes import Snoozes
from dashboards.wall.views import Card, Person, person_of
from streams.alerts import SEVERITIES, AlertChange, Severity
from streams.verdicts import Appeal, Finding, Standing

#: A cleared or decided alert stays greyed in the list this long, seconds.
CLEARED_SHOWN_S = 20.0
HOUR_S = 3600

_CLOSING = frozenset({"cleared", "resolved", "false_alarm"})
_FOR_EVER = float("inf")


class Known(Struct, frozen=True, omit_defaults=True):
    """What was heard of one alert. Merging a change in takes maxima, so order and repetition do not matter.

    ``newest`` is without its evidence: the words are in the record. ``call_from`` and ``call_until`` are when its call
    came and ended, as far as the wall knew the call.
    """

    newest: AlertChange
    severity: Severity
    opened_at: float
    over_at: float | None = None
    by_sound: bool = False
    call_from: float | None = None
    call_until: float | None = None


class Ruled(NamedTuple):
    """What one alert adds to the figures of its rule."""

    rule: str
    finding: Finding
    appeal: Appeal


class Alarm(NamedTuple):
    """One alert in its place. ``card`` None: its rule is on trial, and nobody wants to see those.

    ``listed``: it belongs on a desk; ``is_today``: it counts for the day; ``over_at``: when it leaves the wall by
    itself, and ``is_over``: it has; ``held``: ids of the snoozes that kept it off the wall; ``hour``: of its opening,
    see ``hour_of``.
    """

    card: Card | None
    agents: tuple[str, ...]
    queue: str
    ruled: Ruled
    severity: Severity
    hour: int
    is_today: bool
    over_at: float
    is_over: bool
    listed: bool
    held: tuple[str, ...]

    def same_figures(self, other: Alarm) -> bool:
        """Whether it is counted as ``other`` is: only what is said of it differs."""
        return (self.card is None) == (other.card is None) and self[1:] == other[1:]

    def whose(self) -> set[str]:
        """Under what a board that shows a part of the floor finds it: its agent, or the queue where there is none."""
        return {f"agent {agent}" for agent in self.agents} or {f"queue {self.queue}"}

    def may_change_by(self, queue: str, at: float) -> bool:
        """Whether a snooze in ``queue`` ("": in all) that is made or lifted ``at`` can change anything about it."""
        return queue in ("", self.queue) and (self.is_today or self.over_at > at)


class Moment(NamedTuple):
    """What all alerts are looked at by. Times in Unix seconds, ``linger_s`` in seconds."""

    now: float
    midnight: float
    linger_s: float
    show_trial: bool
    snoozes: Snoozes


def hour_of(at: float, midnight: float) -> int:
    """In which hour that is. Hours begin when those of the day do, and are counted on over every midnight."""
    return int((at - midnight % HOUR_S) // HOUR_S)


def hour_at(hour: int, midnight: float) -> float:
    """When that hour began; the inverse of ``hour_of``."""
    return hour * HOUR_S + midnight % HOUR_S


def first(change: AlertChange) -> Known:
    """What is known after the first change of an alert, whichever that is."""
    over_at = change.at if change.state in _CLOSING else None
    return Known(_bare(change), change.severity, change.at, over_at, _by_sound(change))


def further(known: Known, change: AlertChange) -> Known:
    """Severity only goes up, the opening only to an earlier time, and what is over, or was heard by sound, stays so."""
    worse = SEVERITIES.index(change.severity) > SEVERITIES.index(known.severity)
    closes = change.state in _CLOSING and known.over_at is None
    newer = closes or (known.over_at is None and worse)
    return replace(
        known,
        newest=_bare(change) if newer else known.newest,
        by_sound=known.by_sound or _by_sound(change),
        severity=change.severity if worse else known.severity,
        opened_at=min(known.opened_at, change.at),
        over_at=change.at if closes else known.over_at,
    )


def look(known: Known, standing: Standing, moment: Moment, *, is_up: bool) -> tuple[Alarm, float | None]:
    """The alert in its place, and when time alone will change that. ``is_up``: its call is on the floor."""
    change, now = known.newest, moment.now
    over_at = _leaves_at(known, standing, moment.linger_s, is_up=is_up)
    is_over, is_today = now >= over_at, known.opened_at >= moment.midnight
    is_history = is_over and not is_today  # it would not come back: so a snooze costs nothing for those of the week
    snoozed_until = None if is_history else moment.snoozes.until(change.rule, change.queue or "", now)
    snoozed = snoozed_until is not None
    shown = not is_over and not snoozed
    card = card_of(known, standing, is_up=is_up, shown=shown, snoozed=snoozed)
    unsettled = standing.appeal == "open" or (standing.finding == "open" and bool(standing.claimed_by))
    alarm = Alarm(
        card=card if moment.show_trial or not change.trial else None,
        agents=(change.agent,) if change.agent else (),
        queue=change.queue or "",
        ruled=Ruled(change.rule, standing.finding, standing.appeal),
        severity=known.severity,
        hour=hour_of(known.opened_at, moment.midnight),
        is_today=is_today,
        over_at=over_at,
        is_over=is_over,
        listed=is_today or not is_over or unsettled,
        held=moment.snoozes.that_held(change.rule, change.queue or "", known.opened_at, over_at),
    )
    dues = (over_at, snoozed_until or _FOR_EVER)
    return alarm, min((at for at in dues if now < at < _FOR_EVER), default=None)


def card_of(known: Known, standing: Standing, *, is_up: bool, shown: bool = False, snoozed: bool = False) -> Card:
    """What the screens say of it."""
    change = known.newest
    return Card(
        id=change.id,
        call=change.call,
        rule=change.rule,
        severity=known.severity,
        opened_at=known.opened_at,
        title=change.title,
        says=change.says,
        clause=change.clause,
        ongoing=known.over_at is None and is_up,
        over_at=known.over_at,
        agent=person_of(change.agent, change.agent_name),
        queue=change.queue or "",
        en=change.en,
        trial=change.trial,
        by_sound=known.by_sound,
        shown=shown,
        snoozed=snoozed,
        claimed=Person(standing.claimed_by, standing.claimed_name) if standing.claimed_by else None,
        finding=standing.finding,
        reason=standing.reason,
        appeal=standing.appeal,
        comments=standing.comments,
    )


def for_its_agent(card: Card) -> Card:
    """As the agent sees it whom it is about: what supervisors tell each other is not counted before them."""
    return replace(card, comments=0) if card.comments else card


def _leaves_at(known: Known, standing: Standing, linger_s: float, *, is_up: bool) -> float:
    """When it leaves the wall: cleared, lingered long enough, or decided, whichever is first."""
    decided_at = standing.decided_at
    decided = _FOR_EVER if decided_at is None else decided_at + CLEARED_SHOWN_S
    if known.over_at is not None:
        return min(decided, known.over_at + CLEARED_SHOWN_S)
    if is_up:
        return decided
    return min(decided, max(known.newest.at + linger_s, known.call_until or 0.0))


def _bare(change: AlertChange) -> AlertChange:
    return replace(change, evidence=()) if change.evidence else change


def _by_sound(change: AlertChange) -> bool:
    return any(words.by_sound for words in change.evidence)
