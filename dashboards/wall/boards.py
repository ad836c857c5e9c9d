"""What somebody sees of the wall: one part of the floor, on a television or at a desk.

Owns the views that leave the server: which cards and tiles a board has, its counts, and the numbers of its changes.
Everybody who looks at the same part in the same way shares one board.

A wall tells its boards what is different; each takes the old thing out of its figures and puts the new one in, so an
event costs a board one look at whose it is, however large the day.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec.structs import replace

from dashboards.wall.access import Scope
from dashboards.wall.cards import Alarm, for_its_agent, hour_at
from dashboards.wall.floor import Called, Tally
from dashboards.wall.state import News, Wall
from dashboards.wall.views import Card, Change, Counts, Hour, Hush, Kind, RuleFigures, Status, Tile, View
from streams.alerts import SEVERITIES

Mode = Literal["wall", "desk"]
Key = tuple[Kind, str]
#: When an alert opened, and its id.
Entry = tuple[float, str]

#: How many alerts of the recent past are listed.
RECENT = 12
#: How many alerts a desk lists at most, the newest.
DESK_MOST = 2000
#: How many hours the small chart has.
HOURS = 12

_EVERYBODY = Scope()
_NOTHING = Tally()
_NONE: Counter[str] = Counter()
_ONCE: tuple[Key, ...] = (("recent", ""), ("counts", ""), ("status", ""), ("rules", ""), ("snoozes", ""))


class Roll:
    """The newest ``most`` of many, by when they opened."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._all: list[Entry] = []
        self._floor: Entry = (0.0, "")

    def add(self, entry: Entry) -> None:
        """One more."""
        insort(self._all, entry)

    def remove(self, entry: Entry) -> None:
        """One that was added."""
        del self._all[bisect_left(self._all, entry)]

    def has(self, entry: Entry) -> bool:
        """Whether one of these is in: whoever is here and above the line."""
        at = bisect_left(self._all, entry)
        return entry >= self._floor and at < len(self._all) and self._all[at] == entry

    def newest(self) -> Iterator[str]:
        """Those that are in, the newest first."""
        return (id_ for _, id_ in reversed(self._all[-self._most :]))

    def settle(self) -> list[str]:
        """Draw the line anew; those that came in or fell out by that."""
        before = self._floor
        self._floor = self._all[-self._most] if len(self._all) > self._most else (0.0, "")
        low, high = sorted((before, self._floor))
        return [id_ for _, id_ in self._all[bisect_left(self._all, low) : bisect_left(self._all, high)]]


class Board:
    """One view of one wall. Not thread-safe; one owner."""

    def __init__(self, wall: Wall, mode: Mode = "wall", scope: Scope = _EVERYBODY) -> None:
        """Attached to ``wall`` until ``close``."""
        self.wall, self.mode, self.scope = wall, mode, scope
        self.n = 0
        self._shown: dict[Key, View] = {}
        self.begin()
        wall.attach(self)
        self.collect(wall.now)

    def close(self) -> None:
        """Nobody looks any more."""
        self.wall.detach(self)

    def turn_to(self, wall: Wall) -> None:
        """Show another wall, which has read the record anew; the numbers go on."""
        self.wall.detach(self)
        self.wall = wall
        wall.attach(self)

    # what the wall tells

    def begin(self) -> None:
        """Everything comes anew."""
        self._sums = [0] * len(Tally())
        self._severities: Counter[str] = Counter()
        self._hours: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._held: Counter[str] = Counter()
        self._held_today = 0
        self._rules: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._found: Counter[tuple[str, ...]] = Counter()
        self._tiles: dict[str, Tile] = {}
        self._cards: dict[str, Card] = {}
        self._listed, self._recent = Roll(DESK_MOST), Roll(RECENT)
        self._touched: dict[Key, None] = dict.fromkeys((*self._shown, *_ONCE))

    def take(self, news: list[News]) -> None:
        """Put what is different in the place of what was there."""
        for (_, of), before, after in news:
            if isinstance(after or before, Called):
                self._take_call(of, before, after)  # type: ignore[arg-type]
            else:
                self._take_alarm(of, before, after)  # type: ignore[arg-type]

    def take_rest(self, kinds: Collection[Kind]) -> None:
        """Look again at these of what exists once."""
        for kind in kinds:
            self._touch(kind)

    def _touch(self, kind: Kind) -> None:
        self._touched[kind, ""] = None

    # calls

    def _take_call(self, call_id: str, before: Called | None, after: Called | None) -> None:
        self._tally(before, -1)
        self._tally(after, 1)
        tile = after.tile if after and self.scope.covers(after.agents, after.queue) else None
        if tile is not None:
            self._tiles[call_id] = tile
        elif self._tiles.pop(call_id, None) is None:
            return
        self._touched["calls", call_id] = None

    def _tally(self, called: Called | None, by: int) -> None:
        if called and called.tally != _NOTHING and self.scope.covers(called.party, called.queue):
            self._sums = [total + by * one for total, one in zip(self._sums, called.tally, strict=True)]
            self._touch("counts")

    # alerts

    def _take_alarm(self, alert_id: str, before: Alarm | None, after: Alarm | None) -> None:
        old, new = self._mine(before), self._mine(after)
        if old is None and new is None:
            return
        if not (old and new and old.same_figures(new)):
            self._count(old, -1)
            self._count(new, 1)
        self._place(old, Roll.remove)
        self._place(new, Roll.add)
        if new and new.card:
            self._cards[alert_id] = for_its_agent(new.card) if self.scope.own else new.card
        else:
            self._cards.pop(alert_id, None)
        self._touched["alerts", alert_id] = None

    def _mine(self, alarm: Alarm | None) -> Alarm | None:
        return alarm if alarm and self.scope.covers(alarm.agents, alarm.queue) else None

    def _count(self, alarm: Alarm | None, by: int) -> None:
        if alarm is None:
            return
        figures = self._rules[alarm.ruled.rule]
        figures[alarm.ruled.finding] += by
        figures["appeals"] += by * (alarm.ruled.appeal == "open")
        _add(self._found, (alarm.ruled.rule, alarm.severity, alarm.ruled.finding), by)
        self._touch("rules")
        if alarm.card is None:
            return
        _add(self._hours[alarm.hour], alarm.severity, by)
        if not self._hours[alarm.hour]:
            del self._hours[alarm.hour]
        self._severities[alarm.severity] += by * alarm.is_today
        self._held_today += by * (alarm.is_today and bool(alarm.held))
        self._touch("counts")
        for snooze in alarm.held:
            _add(self._held, snooze, by)
            self._touch("snoozes")

    def _place(self, alarm: Alarm | None, how: Callable[[Roll, Entry], None]) -> None:
        """Put it into the lists where it belongs, or take it out of them."""
        card = alarm.card if alarm else None
        if alarm is None or card is None:
            return
        if card.shown if self.mode == "wall" else alarm.listed:
            how(self._listed, (card.opened_at, card.id))
        if alarm.is_today and alarm.is_over and not card.snoozed:
            how(self._recent, (card.opened_at, card.id))
            self._touch("recent")

    # what goes out

    def collect(self, now: float) -> tuple[Change, ...]:
        """Let time pass until ``now`` and number everything that looks different since the last time."""
        self.wall.collect(now)
        if not self._touched:
            return ()
        self._touched |= dict.fromkeys(("alerts", alert_id) for alert_id in self._listed.settle())
        touched, self._touched = self._touched, {}
        ordered = sorted(touched, key=_is_once)
        return tuple(change for key in ordered if (change := self._look(key)))

    def snapshot(self) -> dict[str, Any]:
        """All that is shown, as of the last ``collect``."""
        by_kind: dict[str, list[View]] = {"calls": [], "alerts": []}
        for (kind, _), view in self._shown.items():
            if kind in by_kind:
                by_kind[kind].append(view)
        return {**by_kind, **{kind: self._shown[kind, ""] for kind, _ in _ONCE}}

    @property
    def found(self) -> Mapping[tuple[str, ...], int]:
        """Alerts of the last seven days by rule, severity and finding, as of the last ``collect``."""
        return self._found

    @property
    def counts(self) -> Counts:
        """As of the last ``collect``."""
        counts = self._shown["counts", ""]
        assert isinstance(counts, Counts)  # noqa: S101 - what stands under that key
        return counts

    def _look(self, key: Key) -> Change | None:
        view, before = self._view(key), self._shown.get(key)
        if view == before:
            return None
        if view is None:
            del self._shown[key]
        else:
            self._shown[key] = view
        self.n += 1
        return Change(self.n, key[0], key[1], view, urgent=_is_urgent(key[0], before, view))

    def _view(self, key: Key) -> View | None:
        kind, of = key
        if kind == "calls":
            return self._tiles.get(of)
        if kind == "alerts":
            card = self._cards.get(of)
            return card if card and self._listed.has((card.opened_at, card.id)) else None
        once: dict[Kind, Callable[[], View]] = {
            "recent": lambda: tuple(self._cards[id_] for id_ in self._recent.newest()),
            "counts": self._counts,
            "status": lambda: self.wall.status,
            "rules": lambda: tuple(self._figures()),
            "snoozes": lambda: tuple(self._hushes()),
        }
        return once[kind]()

    def _counts(self) -> Counts:
        day = datetime.fromtimestamp(self.wall.midnight, self.wall.zone).date().isoformat()
        hours = tuple(self._hour_view(self.wall.hour - back) for back in reversed(range(HOURS)))
        sums = dict(zip(Tally._fields, self._sums, strict=True))
        return Counts(day, **sums, **_by_severity(self._severities), hours=hours, snoozed=self._held_today)

    def _hour_view(self, hour: int) -> Hour:
        return Hour(hour_at(hour, self.wall.midnight), **_by_severity(self._hours.get(hour, _NONE)))

    def _figures(self) -> Iterator[RuleFigures]:
        for rule, found in sorted(self._rules.items()):
            if found["true"] or found["false"] or found["open"]:
                name = self.wall.titles[rule]
                judged = (found["true"], found["false"], found["open"], found["appeals"])
                yield RuleFigures(rule, name.title, name.en, name.trial, *judged)

    def _hushes(self) -> Iterator[Hush]:
        for snooze in self.wall.snoozes:
            if not self.scope.covers_snooze(snooze.queue):
                continue
            name = self.wall.titles.get(snooze.rule)
            yield Hush(
                rule=snooze.rule,
                title=name.title if name else snooze.rule,
                queue=snooze.queue,
                until=snooze.until,
                by_name=snooze.by_name,
                at=snooze.at,
                en=name.en if name else "",
                text=snooze.text,
                held_back=self._held[snooze.id],
            )


def _add(counted: Counter[Any], what: Any, by: int) -> None:
    """What comes to nothing is forgotten: a board lives for months."""
    counted[what] += by
    if not counted[what]:
        del counted[what]


def _by_severity(counted: Counter[str]) -> dict[str, int]:
    return {severity: counted[severity] for severity in SEVERITIES}


def _is_once(key: Key) -> bool:
    return key in _ONCE


def _is_urgent(kind: Kind, before: View | None, view: View | None) -> bool:
    """Alerts, and health, unless it is only that somebody was heard of again."""
    if kind == "status" and isinstance(before, Status) and isinstance(view, Status):
        return _unheard(before) != _unheard(view)
    return kind in ("alerts", "status")


def _unheard(status: Status) -> Status:
    parts = {name: replace(getattr(status, name), heard_at=0.0) for name in ("detect", "pbx", "listen", "recognise")}
    return replace(status, **parts)
