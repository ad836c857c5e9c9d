"""A screen without a screen: follows the wall's websocket and notes when what was shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect


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
        self._url, self._token = f"ws://127.0.0.1:{port}/live", token
        self._cards: dict[str, dict[str, Any]] = {}
        self.seen: list[Seen] = []
        self.last: dict[str, Any] = {}

    async def follow(self, enough: Callable[[list[Seen]], bool]) -> list[Seen]:
        """Watch until ``enough``; the caller limits the time."""
        async with connect(self._url, proxy=None, max_size=None) as socket:
            await socket.send(json.dumps({"type": "hello", "token": self._token, "protocol": 1}))
            await self._read(socket, enough)
        return self.seen

    async def _read(self, socket: ClientConnection, enough: Callable[[list[Seen]], bool]) -> None:
        async for raw in socket:
            message = json.loads(raw)
            now = time.time()
            self.last |= {k: v for k, v in (message.get("set") or message).items() if k in ("status", "counts")}
            cards = message["alerts"] if message["type"] == "snapshot" else message.get("set", {}).get("alerts", [])
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
