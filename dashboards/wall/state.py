"""The wall's state: one fold of the whole floor, from which each board shows its part.

Owns what is known: calls, alerts, how they stand, snoozes, the health of the others. Does no I/O and reads no clock:
``now`` comes from the caller, and time passes only in :meth:`Wall.collect`::

    take_call, take_alert, take_verdict, take_heartbeat, set_feed ──▶ touched ──▶ collect(now) ──▶ each Board

What a screen shows is a function of what was taken and of ``now``, never of what was shown before. So a wall that was
restored from what :meth:`Wall.freeze` gave and goes on with the rest of the messages shows what one does that never
stopped.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Literal, NamedTuple, Protocol

from msgspec.structs import replace

from dashboards.wall import cards, checkpoint
from dashboards.wall.access import Scope
from dashboards.wall.cards import CLEARED_SHOWN_S, Alarm, Known, Moment
from dashboards.wall.checkpoint import Title
from dashboards.wall.floor import ENDED_SHOWN_S, Called, Floor
from dashboards.wall.health import Health
from dashboards.wall.pages import CallLine
from dashboards.wall.snoozes import Snoozes
from dashboards.wall.views import Card, Feed, Kind, Status
from streams.alerts import SEVERITIES, AlertChange
from streams.core import SILENT_S
from streams.events import AnyEvent
from streams.heartbeat import Heartbeat
from streams.verdicts import WEEK_S, Judgement, Snooze, Standing, Verdict, judge

__all__ = ["CLEARED_SHOWN_S", "ENDED_SHOWN_S", "Item", "News", "Wall", "midnight_before", "read_from"]

#: How often what nobody needs any more is forgotten, seconds.
FORGET_EVERY_S = 60.0
#: How many calls at a time.
FORGET_MOST = 5000
#: Beyond so much news at once a board of which less is known is told all that, instead of whose each piece of news is.
MANY = 500

#: Nobody has said anything about it.
_UNTOUCHED = Standing()

Item = tuple[Literal["calls", "alerts"], str]


class News(NamedTuple):
    """One call or alert that looks different: how it was and how it is, None where it is not known."""

    item: Item
    before: Called | Alarm | None
    after: Called | Alarm | None


class Shown(Protocol):
    """What the wall asks of a board."""

    @property
    def scope(self) -> Scope:
        """Which part of the floor it shows; it may be told of more."""

    def begin(self) -> None:
        """Everything comes anew."""

    def take(self, news: list[News]) -> None:
        """These look different; each call or alert at most once."""

    def take_rest(self, kinds: Collection[Kind]) -> None:
        """Of what exists once, these may look different for another reason than news."""


def midnight_before(now: float, zone: tzinfo) -> float:
    """When the day of ``now`` began in ``zone``."""
    local = datetime.fromtimestamp(now, zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _midnight_after(midnight: float, zone: tzinfo) -> float:
    local = datetime.fromtimestamp(midnight, zone)
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0).timestamp()


def read_from(now: float, zone: tzinfo) -> float:
    """How far back the record of calls matters: the whole day, and every call that can still be running."""
    return min(midnight_before(now, zone), now - SILENT_S)


class Wall:
    """Everything that is known of the floor. Not thread-safe; one owner."""

    def __init__(self, *, zone: tzinfo, linger_s: float, now: float, show_trial: bool = False) -> None:
        """``linger_s``: how long an alert that cannot clear itself stays open; ``now``: when the wall started.

        ``show_trial``: alerts of rules on trial are shown too; a rule that is being tried out costs no trust yet.
        """
        self.zone, self.linger_s, self.now, self.show_trial = zone, linger_s, now, show_trial
        self.midnight = midnight_before(now, zone)
        self._forget_at = now + FORGET_EVERY_S
        self._boards: list[Shown] = []
        self._feed = Feed(since=now)
        self._fill(checkpoint.State(now=now, started_at=now, forget_at=self._forget_at))

    def _fill(self, state: checkpoint.State) -> None:
        """Know what ``state`` says, and nothing else."""
        self.now, self._forget_at = state.now, state.forget_at
        self.midnight = midnight_before(state.now, self.zone)
        self.last_event_at = state.last_event_at
        self._tomorrow = _midnight_after(self.midnight, self.zone)
        self._floor = Floor(state.calls, state.told)
        self._alerts: dict[str, Known] = state.alerts
        self._standings: dict[str, Standing] = state.standings
        self._snoozes = Snoozes(state.snoozes)
        self._health = Health(state.started_at, state.beats)
        self._unreadable = state.unreadable
        self._alerts_of: dict[str, set[str]] = {}
        self._of_rule: dict[str, set[str]] = {}
        self._titles: dict[str, Title] = state.titles
        for known in self._alerts.values():
            self._index(known)
        self._items: dict[Item, Called | Alarm] = {}
        self._items_by: dict[str, dict[Item, None]] = {}
        self._status = self._health.status(self._feed, self._unreadable, self.now)
        self._hushes_changed = self._titles_changed = True
        self._hush_ends_at = self._snoozes.ends_at(self.now)
        self._hour = self.hour
        self._is_stale = True
        self._dues: list[tuple[float, Item]] = []
        self._due: dict[Item, float] = {}
        self._touched: dict[Item, None] = dict.fromkeys(self._everything())

    # what comes in

    def take_call(self, event: AnyEvent) -> None:
        """Fold one event of one call in."""
        touched = self._floor.take(event)
        if touched is None:
            return
        self.last_event_at = max(self.last_event_at or 0.0, event.at)
        if touched:
            self._touch_call(event.call)

    def take_alert(self, change: AlertChange) -> None:
        """Fold one change of one alert in; what is known already, or comes too late to matter, changes nothing."""
        known = self._alerts.get(change.id)
        if known is None and change.at < self.now - WEEK_S:
            return  # a redelivery of something long forgotten
        now_known = self._with_call(cards.first(change) if known is None else cards.further(known, change))
        self._alerts[change.id] = now_known
        self._index(now_known)
        self._touch("alerts", change.id)

    def take_verdict(self, verdict: Verdict) -> None:
        """Fold in what somebody said about an alert, which may not be known yet, or a snooze."""
        if isinstance(verdict, Judgement):
            self._standings[verdict.alert] = judge(self.standing(verdict.alert), verdict)
            if verdict.alert in self._alerts:
                self._touch("alerts", verdict.alert)
        elif self._snoozes.take(verdict):
            self._touch_snoozed(verdict)

    def take_heartbeat(self, beat: Heartbeat, heard_at: float) -> None:
        """Note that a process is alive. ``heard_at`` by the clock of the broker or of the wall, not the sender's."""
        self._health.take(beat, heard_at)
        self._is_stale = True

    def take_unreadable(self) -> int:
        """Count a message that could not be read; the number of them so far."""
        self._unreadable += 1
        self._is_stale = True
        return self._unreadable

    def set_feed(self, feed: Feed) -> None:
        """Say whether the topics are being read."""
        self._feed = feed
        self._is_stale = True

    def _touch(self, kind: Literal["calls", "alerts"], of: str) -> None:
        self._touched[kind, of] = None
        self._is_stale = True

    def _touch_call(self, call_id: str) -> None:
        self._touch("calls", call_id)
        for alert_id in self._alerts_of.get(call_id, ()):
            self._alerts[alert_id] = self._with_call(self._alerts[alert_id])
            self._touch("alerts", alert_id)

    def _touch_snoozed(self, snooze: Snooze) -> None:
        self._hushes_changed = True
        self._is_stale = True
        since = min(snooze.at, self.now)
        for alert_id in self._of_rule.get(snooze.rule, ()):  # a week of them, most long over
            alarm = self._items.get(("alerts", alert_id))
            if isinstance(alarm, Alarm) and alarm.may_change_by(snooze.queue, since):
                self._touch("alerts", alert_id)

    def _index(self, known: Known) -> None:
        change = known.newest
        self._alerts_of.setdefault(change.call, set()).add(change.id)
        self._of_rule.setdefault(change.rule, set()).add(change.id)
        title = Title(change.at, change.title, change.en.title if change.en else "", change.trial)
        before = self._titles.get(change.rule)
        if before is None or title > before:
            self._titles[change.rule] = title
            self._titles_changed = self._titles_changed or before is None or title[1:] != before[1:]

    def _with_call(self, known: Known) -> Known:
        """With when its call came and ended, which is known longer than the call."""
        span = self._floor.span(known.newest.call)
        if span is None or span == (known.call_from, known.call_until):
            return known
        return replace(known, call_from=span[0], call_until=span[1])

    # what goes out

    def attach(self, board: Shown) -> None:
        """Tell ``board`` everything that is its, and from now on at each ``collect`` what is different."""
        self._boards.append(board)
        self._tell_all(board)

    def detach(self, board: Shown) -> None:
        """Tell it nothing any more."""
        self._boards.remove(board)

    def collect(self, now: float) -> None:
        """Let time pass until ``now`` and tell the boards everything that looks different since the last time."""
        if now == self.now and not self._is_stale:
            return  # each board asks, and most at the same time
        self.now, self._is_stale = now, False
        self._turn_day()
        self._forget()
        news = [told for item in self._due_now() if (told := self._look(item))]
        kinds = self._rest()
        for board in self._boards:
            if len(news) > MANY and len(news) > len(self._items_of(board.scope)):
                self._tell_all(board)
                continue
            if news:
                board.take(news)
            if kinds:
                board.take_rest(kinds)

    @property
    def hour(self) -> int:
        """The present hour, as ``cards.hour_of`` counts."""
        return cards.hour_of(self.now, self.midnight)

    def _rest(self) -> list[Kind]:
        status = self._health.status(self._feed, self._unreadable, self.now)
        is_over = self.now >= self._hush_ends_at
        changed: dict[Kind, bool] = {
            "status": status != self._status,
            "snoozes": self._hushes_changed or self._titles_changed or is_over,
            "rules": self._titles_changed,
            "counts": self.hour != self._hour,
        }
        self._status, self._hour = status, self.hour
        if self._hushes_changed or is_over:
            self._hush_ends_at = self._snoozes.ends_at(self.now)
        self._hushes_changed = self._titles_changed = False
        return [kind for kind, is_changed in changed.items() if is_changed]

    def _tell_all(self, board: Shown) -> None:
        board.begin()
        board.take([News(item, None, self._items[item]) for item in self._items_of(board.scope)])

    def _items_of(self, scope: Scope) -> Collection[Item]:
        """All that can belong to it, each once."""
        if scope.is_all:
            return self._items
        whose = (*(f"agent {agent}" for agent in scope.agents), *(f"queue {queue}" for queue in scope.queues))
        return dict.fromkeys(item for who in whose for item in self._items_by.get(who, ()))

    def _due_now(self) -> list[Item]:
        """What was touched, and what may look different by time alone."""
        while self._dues and self._dues[0][0] <= self.now:
            at, item = heapq.heappop(self._dues)
            if self._due.get(item) == at:
                del self._due[item]
                self._touched[item] = None
        touched, self._touched = self._touched, {}
        return list(touched)

    def _look(self, item: Item) -> News | None:
        before = self._items.get(item)
        after, due = self._view(item)
        if due is not None and self._due.get(item) != due:
            self._due[item] = due
            heapq.heappush(self._dues, (due, item))
        if after == before:
            return None
        self._put(item, before, after)
        return News(item, before, after)

    def _put(self, item: Item, before: Called | Alarm | None, after: Called | Alarm | None) -> None:
        for who in before.whose() if before else ():
            self._items_by[who].pop(item, None)
            if not self._items_by[who]:
                del self._items_by[who]
        for who in after.whose() if after else ():
            self._items_by.setdefault(who, {})[item] = None
        if after is None:
            del self._items[item]
        else:
            self._items[item] = after

    def _view(self, item: Item) -> tuple[Called | Alarm | None, float | None]:
        kind, of = item
        if kind == "calls":
            return self._floor.look(of, self.now, self.midnight)
        known = self._alerts.get(of)
        if known is None:
            return None, None
        moment = Moment(self.now, self.midnight, self.linger_s, self.show_trial, self._snoozes)
        return cards.look(known, self.standing(of), moment, is_up=self._floor.is_up(known.newest.call))

    def _everything(self) -> Iterator[Item]:
        for call_id in self._floor.told:
            yield "calls", call_id
        for alert_id in self._alerts:
            yield "alerts", alert_id

    # what pages and boards ask

    @property
    def feed(self) -> Feed:
        """Whether the topics are being read."""
        return self._feed

    @property
    def status(self) -> Status:
        """The health of the others, as of the last ``collect``."""
        return self._status

    @property
    def titles(self) -> dict[str, Title]:
        """What each rule was called last."""
        return self._titles

    @property
    def snoozes(self) -> list[Snooze]:
        """Those in force, as of the last ``collect``."""
        return self._snoozes.in_force(self.now)

    def known(self, alert_id: str) -> Known | None:
        """What was heard of an alert of the last seven days."""
        return self._alerts.get(alert_id)

    def standing(self, alert_id: str) -> Standing:
        """How it stands; one of which nobody has said anything is open and nobody's."""
        return self._standings.get(alert_id, _UNTOUCHED)

    def card(self, alert_id: str) -> Card | None:
        """An alert of the last seven days as it is now, also one of a rule on trial."""
        known = self._alerts.get(alert_id)
        if known is None:
            return None
        item = self._items.get(("alerts", alert_id))
        if isinstance(item, Alarm) and item.card and ("alerts", alert_id) not in self._touched:
            return item.card
        return cards.card_of(known, self.standing(alert_id), is_up=self._floor.is_up(known.newest.call))

    def alerts_of(self, call_id: str) -> list[Card]:
        """Those of one call, in the order in which they opened; also of rules on trial where these are wanted."""
        return self._wanted(self._alerts_of.get(call_id, ()))

    def alerts_of_agent(self, agent: str) -> list[Card]:
        """Those of an agent's day, in the order in which they opened."""
        mine = (i for i, known in self._alerts.items() if known.newest.agent == agent)
        return self._wanted(i for i in mine if self._alerts[i].opened_at >= self.midnight)

    def earlier(self, agent: str | None, rule: str, before: float) -> list[Card]:
        """Those of the same agent and rule in the last seven days that opened before then, newest first."""
        of_rule = ((i, self._alerts[i]) for i in self._of_rule.get(rule, ()))
        mine = (i for i, known in of_rule if agent and known.newest.agent == agent and known.opened_at < before)
        return self._wanted(mine)[::-1]

    def _wanted(self, alert_ids: Iterable[str]) -> list[Card]:
        found = [card for i in alert_ids if (card := self.card(i)) and (self.show_trial or not card.trial)]
        return sorted(found, key=lambda card: (card.opened_at, card.id))

    def knows_queue(self, queue: str) -> bool:
        """Whether a call of the day or an alert of the last seven days was in it."""
        called = (told.line.queue for told in self._floor.told.values())
        return queue in called or any(known.newest.queue == queue for known in self._alerts.values())

    def call_lines(self, agent: str, sees: Callable[[Card], bool]) -> list[CallLine]:
        """The calls of the day in which this agent had a part, or whose phone rang for them; oldest first.

        With how many alerts each has that whoever asks ``sees``. One that began before midnight is of the day before,
        though it is known for a while yet; only as long as it goes on it stands nowhere else.
        """
        lines = self._floor.lines(agent, self.now)
        own = (line for line in lines if line.began_at >= self.midnight or line.ended_at is None)
        return [self._with_alerts(line, sees) for line in own]

    def _with_alerts(self, line: CallLine, sees: Callable[[Card], bool]) -> CallLine:
        found = [card for card in self.alerts_of(line.id) if sees(card)]
        worst = max((card.severity for card in found), key=SEVERITIES.index, default=None)
        return replace(line, alerts=len(found), worst=worst)

    def name_of(self, agent: str) -> str:
        """The person behind an agent's number, as the newest call or alert of the day has it; "": not known."""
        lines = reversed(self._floor.lines(agent, self.now))
        names = (person.name for line in lines for person in line.agents if person.id == agent)
        alerts = (card.agent.name for card in reversed(self.alerts_of_agent(agent)) if card.agent)
        return next((name for name in (*names, *alerts) if name), "")

    def when(self, call_id: str) -> tuple[float, float | None] | None:
        """From when to when a call went, Unix seconds, so that its record can be found; None as the end: it goes on.

        Of a call of an earlier day its alerts know; where they do not, it is as far around them as a call can last.
        None: neither the call nor an alert of it is known.
        """
        span = self._floor.span(call_id)
        if span:
            return span
        alerts = [self._alerts[i] for i in self._alerts_of.get(call_id, ())]
        if not alerts:
            return None
        begun = [known.call_from for known in alerts if known.call_from is not None]
        ended = [known.call_until for known in alerts if known.call_until is not None]
        first = min(known.opened_at for known in alerts) - SILENT_S
        last = max(known.newest.at for known in alerts) + SILENT_S
        return min(begun, default=first), max(ended, default=last)

    # a stop and a start

    def freeze(self) -> checkpoint.State:
        """All that is known, as of now, to go on from after a restart: what is folded in later does not change it, so
        that it can be packed (``checkpoint.pack``), which takes long, elsewhere.
        """
        return checkpoint.State(
            now=self.now,
            started_at=self._health.started_at,
            forget_at=self._forget_at,
            last_event_at=self.last_event_at,
            unreadable=self._unreadable,
            calls=dict(self._floor.calls),
            told=dict(self._floor.told),
            alerts=dict(self._alerts),
            standings=dict(self._standings),
            snoozes=self._snoozes.all(),
            beats={component: dict(beats) for component, beats in self._health.beats.items()},
            titles=dict(self._titles),
        )

    def restore(self, stored: bytes) -> None:
        """Know what ``stored`` says and forget all else; attached boards begin anew. The feed stays as it is.

        Raises ValueError where it is of another format, or rubbish; then nothing has changed.
        """
        self._fill(checkpoint.unpack(stored))
        for board in self._boards:
            self._tell_all(board)

    # time

    def _turn_day(self) -> None:
        if self.now < self._tomorrow:
            return
        before, self.midnight = self.midnight, midnight_before(self.now, self.zone)
        self._tomorrow = _midnight_after(self.midnight, self.zone)
        self._touched |= dict.fromkeys(self._begun_since(before))  # what was of an earlier day already, stays so

    def _begun_since(self, at: float) -> Iterator[Item]:
        for call_id, told in self._floor.told.items():
            if told.line.began_at >= at:
                yield "calls", call_id
        for alert_id, known in self._alerts.items():
            if known.opened_at >= at:
                yield "alerts", alert_id

    def _forget(self) -> None:
        """Drop calls of yesterday, alerts and verdicts of last week, and processes that are gone."""
        if self.now < self._forget_at:
            return
        self._forget_at = self.now + FORGET_EVERY_S
        gone = self._floor.put_away(self.now, self.midnight, FORGET_MOST)
        for call_id in gone:
            self._touch_call(call_id)
        if len(gone) >= FORGET_MOST:  # a day was read at once: little by little, or the screens would wait
            self._forget_at = self.now
        horizon = self.now - WEEK_S
        for known in [known for known in self._alerts.values() if known.opened_at < horizon]:
            self._drop(known)
        said = [(alert, s.history[-1].at if s.history else 0.0) for alert, s in self._standings.items()]
        for alert_id in [alert for alert, at in said if alert not in self._alerts and at < horizon]:
            del self._standings[alert_id]
        self._snoozes.forget(self.midnight)
        self._health.forget(self.now)

    def _drop(self, known: Known) -> None:
        change = known.newest
        del self._alerts[change.id]
        for index, key in ((self._alerts_of, change.call), (self._of_rule, change.rule)):
            index[key].discard(change.id)
            if not index[key]:
                del index[key]
        self._touched["alerts", change.id] = None
