"""Who looks at the wall this evening: a television that stays on, and a supervisor who deals with what is critical."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.wall_client import ticket_at

PROTOCOL = 3
#: A supervisor looks at a critical alert so long before he says what it was, seconds; every third one he claims before.
CLAIMS_S, DECIDES_S = 12.0, 30.0
#: Nobody decides faster, and the wall would not let him.
REST_S = 1.0


async def stay(person: Callable[[], Awaitable[None]]) -> None:
    """A person comes again when the wall has sent him away."""
    while True:
        with suppress(ConnectionClosed, OSError):
            await person()
        await asyncio.sleep(2)


async def _hello(port: int, socket: ClientConnection, token: str, mode: str) -> None:
    ticket = await asyncio.to_thread(ticket_at, f"http://127.0.0.1:{port}", token)
    await socket.send(json.dumps({"type": "hello", "protocol": PROTOCOL, "ticket": ticket, "mode": mode}))


def _at(port: int) -> Any:
    return connect(f"ws://127.0.0.1:{port}/live", proxy=None, max_size=None)


async def television(port: int, token: str) -> None:
    """Shows the wall."""
    async with _at(port) as socket:
        await _hello(port, socket, token, "wall")
        async for _ in socket:
            pass


class Supervisor:
    """Claims, resolves and now and then finds a false alarm; opens pages; snoozes one rule once."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._numbers, self._nth = itertools.count(1), itertools.count()
        self._due: list[tuple[float, str, str]] = []
        self._seen: set[str] = set()
        self._snoozed = False

    async def work(self) -> None:
        """Until the wall closes."""
        async with _at(self._port) as socket:
            await _hello(self._port, socket, self._token, "desk")
            deciding = asyncio.create_task(self._decide(socket))
            try:
                async for raw in socket:
                    await self._look(socket, json.loads(raw))
            finally:
                deciding.cancel()

    async def _look(self, socket: ClientConnection, message: dict[str, Any]) -> None:
        for card in _cards(message):
            if card["id"] in self._seen or card["severity"] != "critical":
                await self._snooze_once(socket, card)
                continue
            self._seen.add(card["id"])
            self._plan(card["id"])

    def _plan(self, alert: str) -> None:
        now, nth = time.time(), next(self._nth)
        if nth % 3 == 0:
            self._due.append((now + CLAIMS_S, alert, "claimed"))
        self._due.append((now + DECIDES_S, alert, "false_alarm" if nth % 5 == 4 else "resolved"))
        self._due.sort()

    async def _snooze_once(self, socket: ClientConnection, card: dict[str, Any]) -> None:
        """A notice that nobody wants to see for half an hour."""
        if card["severity"] == "notice" and not self._snoozed:
            self._snoozed = True
            act = {"type": "snooze", "act": next(self._numbers), "rule": card["rule"], "minutes": 30}
            await socket.send(json.dumps(act))

    async def _decide(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(REST_S)
            if self._due and self._due[0][0] <= time.time():
                _, alert, action = self._due.pop(0)
                reason = {"reason": "other"} if action == "false_alarm" else {}
                act = {"type": "act", "act": next(self._numbers), "alert": alert, "action": action, **reason}
                await socket.send(json.dumps(act))
                ask = {"type": "ask", "ask": next(self._numbers), "what": "alert", "id": alert}
                await socket.send(json.dumps(ask))


def _cards(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (message.get("set") or message).get("alerts") or ()
