"""What the wall knows and who looks at it: the sink of the source, one fold, and a board with its hub for each view.

::

    source ─▶ take ─▶ Wall (one fold of the floor) ─▶ Board (mode + scope) ─▶ Hub ─▶ browsers of that view
                 └──▶ those who follow that call live

A board exists while somebody looks, and a little longer for who comes back. No caller's number, name or text reaches
a log line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any, NamedTuple, get_args
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from dashboards.wall import checkpoint
from dashboards.wall.access import Scope
from dashboards.wall.acts import Subject
from dashboards.wall.boards import Board, Mode
from dashboards.wall.floor import ENDED_SHOWN_S
from dashboards.wall.hub import BEAT_S, Hub
from dashboards.wall.source import Message
from dashboards.wall.state import Wall
from dashboards.wall.views import Feed
from streams import alerts, events, heartbeat, verdicts
from streams.alerts import AlertChange
from streams.call import IN_TIME_S
from streams.events import AnyEvent
from streams.metrics import Metrics
from streams.settings import Settings
from streams.verdicts import Finding

log = logging.getLogger(__name__)

#: A board that nobody looks at is kept this long, seconds: a browser that reconnects goes on where it was.
KEPT_S = 60.0
#: How often the figures of the rules go to the metrics, seconds.
FIGURES_EVERY_S = 5.0

_HEARTBEAT = heartbeat.CALL.encode()


class Heard(NamedTuple):
    """What has come in of a followed call since it was looked for last."""

    events: list[AnyEvent]
    changes: list[AlertChange]
    bell: asyncio.Event


class Row:
    """A board, its hub, and how many look at it. It is the stage of its hub."""

    def __init__(self, house: House, mode: Mode, scope: Scope) -> None:
        """Of the house's present fold."""
        self._house = house
        self.board = Board(house.wall, mode, scope)
        self.board.collect(house.now())
        self.hub = Hub(self, on_resync=lambda: house.metrics.count("sansheng_wall_resyncs_total"))
        self.hub.restart(self.board.n)
        self.lookers, self.left_at = 0, 0.0

    def show(self) -> None:
        """Everybody gets a snapshot of what is."""
        self.board.collect(self._house.now())
        self.hub.restart(self.board.n)

    def publish(self, now: float) -> None:
        """Tell what has changed."""
        changes = self.board.collect(now)
        if changes:
            self._house.metrics.count("sansheng_wall_changes_total", by=len(changes))
            self.hub.publish(changes)

    def snapshot(self) -> dict[str, Any]:
        """All that is shown, and what the page must know to show it."""
        return {**self._house.constants, **self.board.snapshot()}

    def stamp(self) -> dict[str, Any]:
        """The server's clock, and when anything last happened on the floor."""
        return self._house.stamp()


class House:
    """One floor and its boards. One event loop, not thread-safe."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Callable[[], float]) -> None:
        """``clock``: Unix seconds."""
        self._settings, self.metrics, self.now = settings, metrics, clock
        self._zone = ZoneInfo(settings.wall.timezone)
        self.constants = {
            "timezone": settings.wall.timezone,
            "beat_s": BEAT_S,
            "in_time_s": IN_TIME_S,
            "ended_shown_s": ENDED_SHOWN_S,
        }
        self.wall = self._new_wall()
        self._all = Row(self, "wall", Scope())  # always there: its figures go to the metrics
        self._rows: dict[tuple[Mode, Scope], Row] = {("wall", Scope()): self._all}
        self._followed: dict[str, list[Heard]] = {}
        self._awaited: dict[str, asyncio.Event] = {}
        self._unseen = 0
        self._figures_at = 0.0
        self.metrics.set("sansheng_wall_last_message_timestamp_seconds", clock())  # silence counts from the start

    # the sink of the source

    def restart(self) -> None:
        """Begin anew."""
        self.wall = self._new_wall()
        self.wall.set_feed(Feed("reading", since=self.now()))
        for row in self._rows.values():
            row.board.turn_to(self.wall)
        self._show()

    def restore(self, state: bytes) -> bool:
        """Go on from a checkpoint; False: it is none for this wall."""
        try:
            self.wall.restore(state)
        except ValueError as error:
            log.warning("a checkpoint is of no use: %s", error)
            return False
        self._show()
        return True

    def dump(self) -> Callable[[], bytes]:
        """A checkpoint, to be packed in a thread."""
        state = self.wall.freeze()
        return lambda: checkpoint.pack(state)

    def reading(self) -> None:
        """The past is read; the screens say so."""
        if self.wall.feed.state != "reading":
            self.wall.set_feed(Feed("reading", since=self.now(), known=self.wall.feed.known))
            self._show()

    def live(self) -> None:
        """The past is known: everybody gets it at once."""
        self.wall.set_feed(Feed("live", since=self.now(), known=True))
        self._show()

    def gone(self, reason: str) -> None:
        """Keep what is known and say since when it is old."""
        before = self.wall.feed
        since = before.since if before.state == "gone" else self.now()
        self.wall.set_feed(Feed("gone", since, reason, before.known))
        self._publish()

    def take(self, messages: Sequence[Message]) -> None:
        """Fold messages in; what cannot be read is counted and left out."""
        if messages:
            self.metrics.set("sansheng_wall_last_message_timestamp_seconds", self.now())
        for message in messages:
            try:
                self._fold(message)
            except Exception as error:  # one bad message must not blind the wall for all the others
                count = self.wall.take_unreadable()
                self.metrics.count("sansheng_wall_unreadable_total", message.topic)
                if _is_round(count):
                    name = type(error).__name__
                    log.warning("%d unreadable so far: %s offset %d: %s", count, message.topic, message.offset, name)
        self._publish()

    def _fold(self, message: Message) -> None:
        match message.topic:
            case "calls":
                self._fold_call(message)
            case "alerts":
                self._fold_alert(message)
            case "verdicts":
                self._fold_verdict(message)
            case "heartbeats":
                heard_at = self.now() if self.is_live else message.logged_at
                self.wall.take_heartbeat(heartbeat.parse(message.value), heard_at)

    def _fold_call(self, message: Message) -> None:
        if message.key.startswith(_HEARTBEAT):
            return
        event = events.parse(message.value)
        self._check(message, event.call, event.at)
        event = replace(event, seq=message.offset, logged_at=message.logged_at)
        self.wall.take_call(event)
        for heard in self._followed.get(event.call, ()):
            heard.events.append(event)
            heard.bell.set()

    def _fold_alert(self, message: Message) -> None:
        change = alerts.parse(message.value)
        self._check(message, change.call, change.at)
        self.metrics.count("sansheng_wall_snoozed_total", change.rule, by=0)
        if self.is_live:
            self._measure(message, change)
        self.wall.take_alert(change)
        for heard in self._followed.get(change.call, ()):
            heard.changes.append(change)
            heard.bell.set()

    def _measure(self, message: Message, change: AlertChange) -> None:
        """Only of the present: how late a wall reads what it has slept through says nothing."""
        now = self.now()
        self.metrics.observe("sansheng_wall_lag_seconds", max(0.0, now - message.logged_at))
        self.metrics.observe("sansheng_event_to_wall_seconds", max(0.0, now - change.at))
        if self.wall.known(change.id) is None and not self.snoozed().isdisjoint(_hushes_of(change)):
            self.metrics.count("sansheng_wall_snoozed_total", change.rule)

    def _fold_verdict(self, message: Message) -> None:
        verdict = verdicts.parse(message.value)
        self._check(message, verdicts.key_of(verdict), verdict.at)
        self.wall.take_verdict(verdict)
        if is_back := self._awaited.get(verdict.id):
            is_back.set()

    def _check(self, message: Message, key: str, at: float) -> None:
        """What has another key came past its partition's order, and what lies in the future would stay for ever."""
        if key.encode() != message.key:
            raise ValueError("the message has another key")
        if at > message.logged_at + self._settings.ahead_s:
            raise ValueError("it lies in the future")

    # those who look

    @contextmanager
    def seat(self, mode: Mode, scope: Scope) -> Iterator[Hub]:
        """The hub of that board, for as long as somebody looks."""
        row = self._rows.get((mode, scope))
        if row is None:
            row = self._rows[mode, scope] = Row(self, mode, scope)
        row.lookers += 1
        try:
            yield row.hub
        finally:
            row.lookers -= 1
            row.left_at = self.now()

    @contextmanager
    def following(self, call: str) -> Iterator[Heard]:
        """What comes in of one call from now on."""
        heard = Heard([], [], asyncio.Event())
        self._followed.setdefault(call, []).append(heard)
        try:
            yield heard
        finally:
            self._followed[call].remove(heard)
            if not self._followed[call]:
                del self._followed[call]

    def pass_time(self) -> None:
        """What time alone changes."""
        now = self.now()
        for key, row in list(self._rows.items()):
            if row is not self._all and not row.lookers and now - row.left_at > KEPT_S:
                row.board.close()
                del self._rows[key]
        self._publish()
        self.metrics.set("sansheng_wall_boards", len(self._rows))
        if now >= self._figures_at:
            self._figures_at = now + FIGURES_EVERY_S
            self._tell_figures()

    def stamp(self) -> dict[str, Any]:
        """The server's clock, and when anything last happened on the floor."""
        return {"now": self.now(), "last_event_at": self.wall.last_event_at}

    @property
    def is_live(self) -> bool:
        """Whether the screens show the present."""
        return self.wall.feed.state == "live"

    # what it knows

    def subject(self, alert_id: str) -> Subject | None:
        """For who judges that alert."""
        known = self.wall.known(alert_id)
        if known is None:
            return None
        change = known.newest
        return Subject(change.call, change.rule, change.agent, change.queue, self.wall.standing(alert_id))

    @contextmanager
    def returned(self, judgement_id: str) -> Iterator[asyncio.Event]:
        """Rings when that judgement has come back from the log."""
        self._awaited[judgement_id] = is_back = asyncio.Event()
        try:
            yield is_back
        finally:
            del self._awaited[judgement_id]

    def knows_rule(self, rule: str) -> bool:
        """Whether an alert of it was ever seen."""
        return rule in self.wall.titles

    def knows_queue(self, queue: str) -> bool:
        """Whether calls or alerts of it were seen, or a team has it; "" is all of them."""
        if not queue or any(queue in team.queues for team in self._settings.wall.teams.values()):
            return True
        return self.wall.knows_queue(queue)

    def snoozed(self) -> Set[tuple[str, str]]:
        """Rule and queue of each snooze in force."""
        return {(snooze.rule, snooze.queue) for snooze in self.wall.snoozes}

    def health(self) -> tuple[bool, dict[str, object]]:
        """Whether the wall is live, and what to say about it."""
        feed, status = self.wall.feed, self.wall.status
        detail = {"live": self.is_live, "feed": feed.state, "reason": feed.detail}
        names = ("detect", "pbx", "listen", "recognise", "archive", "pager")
        parts = {name: getattr(status, name).state for name in names}
        return self.is_live, {**detail, **parts}

    def _new_wall(self) -> Wall:
        shown = self._settings.wall
        return Wall(zone=self._zone, linger_s=shown.linger_s, now=self.now(), show_trial=shown.show_trial)

    def _show(self) -> None:
        self._each(Row.show)

    def _publish(self) -> None:
        """Number what has changed and tell it; the past is not told piece by piece."""
        if self.wall.feed.state == "reading":
            return
        now = self.now()
        self._each(lambda row: row.publish(now))

    def _each(self, tell: Callable[[Row], None]) -> None:
        """One view that cannot be made must not end the wall for the others; the screens say that it is not whole."""
        for row in self._rows.values():
            try:
                tell(row)
            except Exception as error:  # its text may hold what is personal
                self._unseen += 1
                self.wall.take_unreadable()
                self.metrics.count("sansheng_wall_unreadable_total", "views")
                if _is_round(self._unseen):
                    log.error("%d views could not be made so far: %s", self._unseen, type(error).__name__)

    def _tell_figures(self) -> None:
        """Every finding of a rule and severity, those that nobody has made too: a share needs both of its parts."""
        found = self._all.board.found
        known = {key[:2] for key in found}
        told = {(*key, finding): found.get((*key, finding), 0) for key in known for finding in get_args(Finding)}
        self.metrics.only("sansheng_rule_alerts", told)


def _hushes_of(change: AlertChange) -> set[tuple[str, str]]:
    """Rule and queue of each snooze that keeps it off the walls; "" is every queue."""
    return {(change.rule, ""), (change.rule, change.queue or "")}


def _is_round(count: int) -> bool:
    """1, 10, 100 ...: so that a flood is not a flood of lines."""
    return f"{count}".strip("0") == "1"
