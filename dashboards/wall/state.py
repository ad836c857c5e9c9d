"""The wall's state: a fold of calls, alerts and heartbeats into what the screen shows.

Owns which calls and alerts are on the screen, the day's counts and the health of the others. Does no I/O and
reads no clock: ``now`` comes from the caller, and time passes only in :meth:`Wall.collect`::

    take_call, take_alert, take_heartbeat, set_feed ──▶ touched ──▶ collect(now) ──▶ numbered changes
                                                                  └─▶ snapshot

An alert is *open* until it is cleared. One whose call has ended can never be cleared (a hang-up cannot be
undone): it stays ``linger_s`` and moves to the recent ones. The same holds where the ``cleared`` was lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from dashboards.wall.views import Card, Change, Counts, Feed, Kind, Part, Person, Status, Tile, View
from streams.alerts import SEVERITIES, AlertChange, Severity
from streams.call import IN_TIME_S, Call, is_telephony
from streams.core import SILENT_S, CallState, NoRules, step
from streams.events import AnyEvent, LegTapped, Tick
from streams.heartbeat import DEAD_AFTER_S, Component, Heartbeat

#: A call that has ended stays on the floor this long, seconds, so that one sees how it went.
ENDED_SHOWN_S = 8.0
#: A cleared alert stays greyed in the list this long, seconds.
CLEARED_SHOWN_S = 20.0
#: How many alerts of the recent past are listed.
RECENT = 12
#: How often what nobody needs any more is forgotten, seconds.
FORGET_EVERY_S = 60.0

_CLOSING = frozenset({"cleared", "resolved", "false_alarm"})
Key = tuple[Kind, str]
#: The ears: a system may do without them, but ears that worked and fell silent are dead.
_OPTIONAL: frozenset[Component] = frozenset({"listen", "recognise"})

#: The wall folds the calls as the detector does, and judges nothing.
_NO_RULES = NoRules()


class Tally(NamedTuple):
    """What one call adds to the day's counts."""

    offered: int = 0
    answered: int = 0
    in_time: int = 0
    abandoned: int = 0
    decided: int = 0


class Known(Struct, frozen=True):
    """What was heard of one alert. Merging a change in takes maxima, so order and repetition do not matter."""

    newest: AlertChange
    severity: Severity
    opened_at: float
    over_at: float | None = None


class _Beat(NamedTuple):
    """The newest heartbeat of one instance and when it was heard."""

    beat: Heartbeat
    heard_at: float


def midnight_before(now: float, zone: tzinfo) -> float:
    """When the day of ``now`` began in ``zone``."""
    local = datetime.fromtimestamp(now, zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def read_from(now: float, zone: tzinfo) -> float:
    """How far back the record matters: the whole day, and every call that can still be running."""
    return min(midnight_before(now, zone), now - SILENT_S)


def tally(call: Call, midnight: float) -> Tally:
    """The counts of an inbound call that was offered at ``midnight`` or later."""
    if call.direction != "inbound" or call.came_at < midnight:
        return Tally()
    answered, ended = call.was_answered, call.phase == "ended"
    in_time = call.answered_at is not None and call.answered_at - call.came_at <= IN_TIME_S
    abandoned = ended and not answered and call.ended_by == "customer"
    return Tally(1, int(answered), int(in_time), int(abandoned), int(answered or ended))


class Wall:
    """Everything the screens show. Not thread-safe; one owner."""

    def __init__(self, *, zone: tzinfo, linger_s: float, now: float, show_trial: bool = False) -> None:
        """``linger_s``: how long an alert that cannot clear itself stays open; ``now``: when the wall started.

        ``show_trial``: alerts of rules on trial are shown too; a rule that is being tried out costs no trust yet.
        """
        self.zone, self.linger_s, self.now, self.show_trial = zone, linger_s, now, show_trial
        self.n = 0
        self.last_event_at: float | None = None
        self._started_at = now
        self._midnight = midnight_before(now, zone)
        self._forget_at = now + FORGET_EVERY_S
        self._calls: dict[str, CallState] = {}
        self._tallies: dict[str, Tally] = {}
        self._sums = Tally()
        self._alerts: dict[str, Known] = {}
        self._alerts_of: dict[str, set[str]] = {}
        self._by_severity: Counter[Severity] | None = None
        self._recent: tuple[Card, ...] = ()
        self._beats: dict[str, dict[str, _Beat]] = {"detect": {}, "asterisk": {}}
        self._feed = Feed(since=now)
        self._unreadable = 0
        self._touched: dict[Key, None] = {}
        self._shown: dict[Key, View] = {}

    # what comes in

    def take_call(self, event: AnyEvent) -> None:
        """Fold one event of one call in. Ticks and taps say nothing new. Speech puts no call on the floor and changes
        none there, but shows that it goes on; it comes several times a second.
        """
        before = self._calls.get(event.call)
        if isinstance(event, Tick | LegTapped) or (before is None and not is_telephony(event)):
            return
        self.last_event_at = max(self.last_event_at or 0.0, event.at)
        if before is not None and not is_telephony(event):
            self._calls[event.call] = replace(before, heard_at=max(before.heard_at, event.at))
            return
        self._keep_call(event.call, step(_NO_RULES, before, event).state)

    def take_alert(self, change: AlertChange) -> None:
        """Fold one change of one alert in; what is known already, or comes too late to matter, changes nothing."""
        if change.trial and not self.show_trial:
            return
        known = self._alerts.get(change.id)
        if known is None and change.at < read_from(self.now, self.zone):
            return  # a redelivery of something long forgotten
        self._alerts[change.id] = _first(change) if known is None else _further(known, change)
        self._alerts_of.setdefault(change.call, set()).add(change.id)
        self._touched["alerts", change.id] = None
        self._by_severity = None

    def take_heartbeat(self, beat: Heartbeat, heard_at: float) -> None:
        """Note that a process is alive. ``heard_at`` by the clock of the broker or of the wall, not the sender's."""
        self._beats.setdefault(beat.component, {})[beat.instance] = _Beat(beat, heard_at)

    def take_unreadable(self) -> int:
        """Count a message that could not be read; the number of them so far."""
        self._unreadable += 1
        return self._unreadable

    def set_feed(self, feed: Feed) -> None:
        """Say whether the topics are being read."""
        self._feed = feed

    @property
    def feed(self) -> Feed:
        """Whether the topics are being read."""
        return self._feed

    @property
    def status(self) -> Status:
        """The health of the others, as of the last ``collect``."""
        return self._status()

    # what goes out

    def collect(self, now: float) -> tuple[Change, ...]:
        """Let time pass until ``now`` and number everything that looks different since the last time."""
        self.now = now
        self._turn_day()
        self._forget()
        self._touched |= dict.fromkeys(self._perishable())
        alerts = [key for key in self._touched if key[0] != "recent"]
        self._touched = {}
        found = [change for key in (*alerts, *_ONCE) if (change := self._look(key))]
        return tuple(found)

    def snapshot(self) -> dict[str, Any]:
        """All that is shown, as of the last ``collect``."""
        by_kind: dict[str, list[View]] = {"calls": [], "alerts": []}
        for (kind, _), view in self._shown.items():
            if kind in by_kind:
                by_kind[kind].append(view)
        return {**by_kind, **{kind: self._shown[kind, ""] for kind, _ in _ONCE}}

    def _look(self, key: Key) -> Change | None:
        view, before = self._view(key), self._shown.get(key)
        if view is None and key[0] == "alerts":
            self._to_recent(key[1])
        if view == before:
            return None
        if view is None:
            del self._shown[key]
        else:
            self._shown[key] = view
        self.n += 1
        return Change(self.n, key[0], key[1], view, urgent=key[0] in ("alerts", "status"))

    def _view(self, key: Key) -> View | None:
        kind, of = key
        if kind == "calls":
            return self._tile(of)
        if kind == "alerts":
            return self._card(of)
        if kind == "recent":
            return self._recent
        return self._counts() if kind == "counts" else self._status()

    def _perishable(self) -> Iterable[Key]:
        """What may leave the screen by time alone."""
        for key, view in self._shown.items():
            if key[0] == "alerts" or (isinstance(view, Tile) and view.phase == "ended"):
                yield key

    # calls

    def _keep_call(self, call_id: str, state: CallState | None) -> None:
        self._touched["calls", call_id] = None
        self._touched |= {("alerts", alert): None for alert in self._alerts_of.get(call_id, ())}
        if state is None:
            self._calls.pop(call_id, None)
            self._tallies.pop(call_id, None)  # its counts stay in the sums
            return
        self._calls[call_id] = state
        self._count_call(call_id, state.fold.call)

    def _count_call(self, call_id: str, call: Call) -> None:
        before, after = self._tallies.get(call_id, Tally()), tally(call, self._midnight)
        if after != before:
            self._tallies[call_id] = after
            self._sums = Tally(*(s + a - b for s, a, b in zip(self._sums, after, before, strict=True)))

    def _tile(self, call_id: str) -> Tile | None:
        state = self._calls.get(call_id)
        if state is None:
            return None
        call = state.fold.call
        if call.phase == "ended" and self.now - (call.ended_at or 0.0) >= ENDED_SHOWN_S:
            return None
        return _tile_of(call)

    def _is_on_floor(self, call_id: str) -> bool:
        state = self._calls.get(call_id)
        return state is not None and state.fold.call.phase != "ended"

    # alerts

    def _card(self, alert_id: str) -> Card | None:
        known = self._alerts.get(alert_id)
        if known is None:
            return None
        ongoing = known.over_at is None and self._is_on_floor(known.newest.call)
        if known.over_at is not None:
            gone = self.now - known.over_at >= CLEARED_SHOWN_S
        else:
            gone = not ongoing and self.now - known.newest.at >= self.linger_s
        return None if gone else _card_of(known, ongoing=ongoing)

    def _to_recent(self, alert_id: str) -> None:
        known = self._alerts.get(alert_id)
        if known and known.opened_at >= self._midnight:
            others = (c for c in self._recent if c.id != alert_id)
            cards = (_card_of(known, ongoing=False), *others)
            self._recent = tuple(sorted(cards, key=lambda c: c.opened_at, reverse=True)[:RECENT])

    def _counts(self) -> Counts:
        if self._by_severity is None:
            self._by_severity = Counter(k.severity for k in self._alerts.values() if k.opened_at >= self._midnight)
        today = self._by_severity
        day = datetime.fromtimestamp(self._midnight, self.zone).date().isoformat()
        return Counts(
            day,
            **self._sums._asdict(),
            critical=today["critical"],
            warning=today["warning"],
            notice=today["notice"],
        )

    # health

    def _status(self) -> Status:
        ears = (self._part("listen"), self._part("recognise"))
        return Status(self._feed, self._part("detect"), self._part("asterisk"), self._unreadable, *ears)

    def _part(self, component: Component) -> Part:
        """Alive while any instance is; in trouble when a living one says so."""
        beats = self._beats.get(component, {}).values()
        if not beats and component in _OPTIONAL:
            return Part("absent")
        living = [b.beat for b in beats if self.now - b.heard_at <= DEAD_AFTER_S]
        troubled = [b for b in living if not b.ok]
        if troubled:
            before = self._shown.get(("status", ""))
            part = getattr(before, "pbx" if component == "asterisk" else component, Part())
            since = part.since if part.state == "trouble" else min(b.at for b in troubled)
            return Part("trouble", since, troubled[0].detail)
        if living:
            return Part("ok")
        if not beats and self.now - self._started_at <= DEAD_AFTER_S:
            return Part("waiting", self._started_at)
        return Part("dead", max((b.heard_at for b in beats), default=self._started_at))

    # time

    def _turn_day(self) -> None:
        local = datetime.fromtimestamp(self._midnight, self.zone)
        tomorrow = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0).timestamp()
        if self.now < tomorrow:
            return
        self._midnight = midnight_before(self.now, self.zone)
        self._tallies, self._sums, self._by_severity, self._recent = {}, Tally(), None, ()
        for call_id, state in self._calls.items():
            self._count_call(call_id, state.fold.call)

    def _forget(self) -> None:
        """Drop calls that ended long ago or fell silent, alerts of yesterday and instances that are gone."""
        if self.now < self._forget_at:
            return
        self._forget_at = self.now + FORGET_EVERY_S
        for call_id, state in [(i, s) for i, s in self._calls.items() if s.wake <= self.now]:
            self._keep_call(call_id, step(_NO_RULES, state, Tick(call=call_id, at=self.now)).state)
        horizon = read_from(self.now, self.zone)
        for alert_id, known in list(self._alerts.items()):
            if known.newest.at < horizon and ("alerts", alert_id) not in self._shown:
                del self._alerts[alert_id]
                self._alerts_of[known.newest.call].discard(alert_id)
        self._alerts_of = {call: alerts for call, alerts in self._alerts_of.items() if alerts}
        for beats in self._beats.values():
            newest = max(beats.values(), key=lambda b: b.heard_at, default=None)
            for instance, heard in list(beats.items()):
                if heard is not newest and self.now - heard.heard_at > DEAD_AFTER_S:
                    del beats[instance]


_ONCE: tuple[Key, ...] = (("recent", ""), ("counts", ""), ("status", ""))


def _first(change: AlertChange) -> Known:
    return Known(change, change.severity, change.at, change.at if change.state in _CLOSING else None)


def _further(known: Known, change: AlertChange) -> Known:
    """Severity only goes up, the opening only to an earlier time, and what is over stays over."""
    worse = SEVERITIES.index(change.severity) > SEVERITIES.index(known.severity)
    closes = change.state in _CLOSING and known.over_at is None
    newer = closes or (known.over_at is None and worse)
    return Known(
        newest=change if newer else known.newest,
        severity=change.severity if worse else known.severity,
        opened_at=min(known.opened_at, change.at),
        over_at=change.at if closes else known.over_at,
    )


def _person(call: Call, agent: str | None) -> Person | None:
    return Person(agent, call.name_of(agent) or "") if agent else None


def _tile_of(call: Call) -> Tile:
    agents = sorted(call.ringing, key=call.ringing.__getitem__) if call.phase == "ringing" else [call.agent]
    since = call.since if call.phase != "ringing" else call.ringing_since or call.since
    return Tile(
        id=call.id,
        phase=call.phase,
        since=since,
        begun_at=call.came_at,
        agents=tuple(p for p in (_person(call, a) for a in agents) if p),
        to=_person(call, call.transfer_to) if call.phase == "transferring" else None,
        queue=call.queue or "",
        caller=call.caller or "",
        direction=call.direction,
        answered=call.was_answered,
        ended_at=call.ended_at,
        ended_by=call.ended_by,
    )


def _card_of(known: Known, *, ongoing: bool) -> Card:
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
        ongoing=ongoing,
        over_at=known.over_at,
        agent=Person(change.agent, change.agent_name or "") if change.agent else None,
        queue=change.queue or "",
        en=change.en,
        trial=change.trial,
        by_sound=any(words.by_sound for words in change.evidence),
    )
