"""A screen without a screen: follows the wall's websocket and notes when what was shown."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from websockets.asyncio.client import ClientConnection, connect


def ticket_at(base: str, token: str) -> str:
    """A ticket for one websocket, as the page gets it. Raises urllib.error.HTTPError."""
    request = Request(f"{base}/ticket", headers={"X-Sansheng": "1", "Authorization": f"Bearer {token}"})  # noqa: S310
    with urlopen(request, timeout=10) as answer:  # noqa: S310 - our own server
        ticket: str = json.loads(answer.read())["ticket"]
    return ticket


class Seen(NamedTuple):
    """A change of an alert as it reached the screen; ``seen_at`` and ``at`` in Unix seconds."""

    alert: str
    call: str
    rule: str
    state: str
    severity: str
    agent: str | None
    at: float
    seen_at: float


class Screen:
    """Collects alert changes from snapshots and changes alike."""

    def __init__(self, port: int, token: str) -> None:
        self._base, self._token = f"127.0.0.1:{port}", token
        self._cards: dict[str, dict[str, Any]] = {}
        self.seen: list[Seen] = []
        self.last: dict[str, Any] = {}

    async def follow(self, enough: Callable[[list[Seen]], bool]) -> list[Seen]:
        """Watch until ``enough``; the caller limits the time."""
        ticket = await asyncio.to_thread(ticket_at, f"http://{self._base}", self._token)
        async with connect(f"ws://{self._base}/live", proxy=None, max_size=None) as socket:
            await socket.send(json.dumps({"type": "hello", "protocol": 2, "ticket": ticket, "mode": "wall"}))
            await self._read(socket, enough)
        return self.seen

    async def _read(self, socket: ClientConnection, enough: Callable[[list[Seen]], bool]) -> None:
        async for raw in socket:
            message = json.loads(raw)
            now = time.time()
            self.last |= {k: v for k, v in (message.get("set") or message).items() if k in ("status", "counts")}
            cards = (message.get("set") or message).get("alerts", [])
            for card in cards:
                self._note(card, now)
            if enough(self.seen):
                return

    def _note(self, card: dict[str, Any], now: float) -> None:
        before = self._cards.get(card["id"])
        self._cards[card["id"]] = card
        if before is None:
            self._add(card, "opened", card["opened_at"], now)
        elif before["severity"] != card["severity"]:
            self._add(card, "raised", now, now)
        if card.get("over_at") and not (before or {}).get("over_at"):
            self._add(card, "cleared", card["over_at"], now)

    def _add(self, card: dict[str, Any], state: str, at: float, now: float) -> None:
        agent = (card.get("agent") or {}).get("id")
        self.seen.append(Seen(card["id"], card["call"], card["rule"], state, card["severity"], agent, at, now))
