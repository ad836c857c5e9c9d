"""A wall and boards before it, told by hand: for tests of what is on the screen, without a server."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from dashboards.wall import checkpoint
from dashboards.wall.boards import Board
from dashboards.wall.state import Wall
from dashboards.wall.views import Card, Tile
from streams import events
from streams.heartbeat import Component, Heartbeat
from streams.verdicts import Action, Judgement, Snooze

ZONE = ZoneInfo("Asia/Shanghai")
#: A Thursday, ten in the morning in Shanghai.
NOW = datetime(2026, 3, 5, 10, tzinfo=ZONE).timestamp()
LINGER_S = 600.0


class Screen(Board):
    """A wall and the television before it; what the board does not know is asked of the wall."""

    def __init__(self, now: float = NOW, **how: Any) -> None:
        super().__init__(Wall(**{"zone": ZONE, "linger_s": LINGER_S, "now": now, **how}))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wall, name)


def say(wall: Wall | Screen, type_: str, at: float, call: str = "c1", **fields: Any) -> None:
    wall.take_call(events.from_dict({"type": type_, "call": call, "at": at, **fields}))


def talk(wall: Wall | Screen, at: float, call: str = "c1", *, rang: float = 5, agent: str = "101") -> None:
    """Offered and ringing at `at - rang`, answered at `at`."""
    say(wall, "call.offered", at - rang, call, queue="售后", caller="138****0001")
    say(wall, "agent.ringing", at - rang, call, agent=agent, agent_name="王芳")
    say(wall, "call.answered", at, call, agent=agent)


def tiles(board: Board) -> dict[str, Tile]:
    return {tile.id: tile for tile in board.snapshot()["calls"]}


def cards(board: Board) -> dict[str, Card]:
    return {card.id: card for card in board.snapshot()["alerts"]}


def as_shown(board: Board) -> dict[str, Any]:
    """A snapshot in which the order of what has an id plays no part."""
    shown = board.snapshot()
    return {**shown, "calls": tiles(board), "alerts": cards(board)}


def anything(_card: Card) -> bool:
    """Whoever asks may see every alert."""
    return True


def dump(wall: Wall) -> bytes:
    """A checkpoint of all that is known."""
    return checkpoint.pack(wall.freeze())


def beat(
    wall: Wall | Screen, component: Component, at: float, *, ok: bool = True, instance: str = "1", detail: str = ""
) -> None:
    wall.take_heartbeat(Heartbeat(component=component, instance=instance, at=at, ok=ok, detail=detail), at)


_ids = count()


def judgement(action: Action, alert: str = "a1", at: float = NOW, by: str = "li", **fields: Any) -> Judgement:
    whole = {"id": f"j{next(_ids)}", "call": "c1", "rule": "long-hold", **fields}
    return Judgement(**whole, alert=alert, action=action, at=at, by=by, by_name=by.title())


def snooze(at: float, minutes: float = 30, queue: str = "", rule: str = "long-hold", **fields: Any) -> Snooze:
    whole = {"id": f"s{next(_ids)}", "by": "li", "by_name": "李", **fields}
    return Snooze(**whole, rule=rule, queue=queue, at=at, until=at + 60 * minutes)
