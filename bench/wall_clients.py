"""Screens of the wall's bench, all in this one process: ``python -m bench.wall_clients``, told what to do on stdin.

Lines in: a ``Plan`` (JSON), then ``note`` (begin to note receipts), then ``stop``. Lines out: ``ready`` when each
screen has its first picture, ``noting``, and at last one ``Noted`` (JSON). What a screen has received is a mark: of a
tile its call and ``since``, of a card its id, of the raw baseline the number of the message.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple
from urllib.request import Request, urlopen

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect

#: Connections that are made at the same time.
AT_A_TIME = 10


class View(Struct, frozen=True):
    """What one screen looks at; ``team`` "": everything."""

    mode: Literal["wall", "desk"]
    team: str = ""


class Plan(Struct, frozen=True):
    """``base``: http://host:port; ``tokens`` by mode, none for the raw baseline; one screen for each of ``views``."""

    base: str
    tokens: Mapping[str, str]
    views: list[View]


class Noted(Struct, frozen=True):
    """``seen``: mark -> when each screen that shows it received it, Unix seconds; ``messages``, ``size``: what one
    screen of the whole floor was sent, number and mean bytes.
    """

    seen: dict[str, list[float]]
    messages: int
    size: float


class Tile(Struct):
    """Of a call."""

    id: str
    since: float


class Card(Struct):
    """Of an alert."""

    id: str


class Put(Struct, frozen=True):
    """What is new."""

    calls: tuple[Tile, ...] = ()
    alerts: tuple[Card, ...] = ()


class Change(Struct):
    """A message, as far as it matters here."""

    type: str = ""
    set: Put = Put()


_decoder = msgspec.json.Decoder(Change)


class _Sent(NamedTuple):
    """Messages to one screen and their bytes."""

    messages: int = 0
    bytes: int = 0


class Screens:
    """All of them, and what they have noted."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._noting = plan, False
        self._seen: dict[str, list[float]] = defaultdict(list)
        self._sent = _Sent()
        self._left = len(plan.views)
        self._ready = asyncio.Event()
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Come back when each has its picture. Raises what any of them raised."""
        self.tasks = [asyncio.create_task(self._watch(n, view)) for n, view in enumerate(self._plan.views)]
        ready = asyncio.create_task(self._ready.wait())
        done, _ = await asyncio.wait({ready, *self.tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def note(self) -> None:
        """From now on."""
        self._noting = True

    def noted(self) -> Noted:
        """All of it; a screen that was closed meanwhile is a fault. Raises RuntimeError."""
        if ended := sum(task.done() for task in self.tasks):
            raise RuntimeError(f"{ended} screens were closed")
        return Noted(dict(self._seen), self._sent.messages, self._sent.bytes / max(1, self._sent.messages))

    async def _watch(self, number: int, view: View) -> None:
        is_raw = not self._plan.tokens
        url = self._plan.base.replace("http", "ws", 1) + "/live"
        async with self._turns:
            ticket = "" if is_raw else await asyncio.to_thread(self._ticket, view)
            socket = await connect(url, proxy=None, max_size=None, compression=None if is_raw else "deflate")
            if not is_raw:
                hello = {"type": "hello", "protocol": 2, "ticket": ticket, "mode": view.mode, "team": view.team}
                await socket.send(msgspec.json.encode(hello), text=True)
                while _decoder.decode(await socket.recv()).type != "snapshot":
                    pass
        self._left -= 1
        if not self._left:
            self._ready.set()
        await (self._count(socket) if is_raw else self._read(socket, keeps_size=number == 0))

    def _ticket(self, view: View) -> str:
        headers = {"Authorization": f"Bearer {self._plan.tokens[view.mode]}", "X-Sansheng": "1"}
        with urlopen(Request(f"{self._plan.base}/ticket", headers=headers), timeout=30) as answer:  # noqa: S310 - ours
            ticket: str = msgspec.json.decode(answer.read())["ticket"]
            return ticket

    async def _read(self, socket: ClientConnection, *, keeps_size: bool) -> None:
        seen = set[str]()
        while True:
            raw = await socket.recv(decode=False)
            now = time.time()
            if not self._noting:
                continue
            if keeps_size:
                self._sent = _Sent(self._sent.messages + 1, self._sent.bytes + len(raw))
            for mark in _marks(_decoder.decode(raw)):
                if mark not in seen:  # the same tile may come again, for another reason
                    seen.add(mark)
                    self._seen[mark].append(now)

    async def _count(self, socket: ClientConnection) -> None:
        number = 0
        while True:
            await socket.recv(decode=False)
            self._seen[f"r:{number}"].append(time.time())
            number += 1


def _marks(change: Change) -> Iterator[str]:
    if change.type == "change":
        yield from (f"{tile.id}|{tile.since:.3f}" for tile in change.set.calls)
        yield from (f"a:{card.id}" for card in change.set.alerts)


async def main() -> None:
    """Do what stdin says."""
    loop = asyncio.get_running_loop()
    screens = Screens(msgspec.json.decode(await loop.run_in_executor(None, sys.stdin.readline), type=Plan))
    await screens.open()
    print("ready", flush=True)
    while (line := (await loop.run_in_executor(None, sys.stdin.readline)).strip()) == "note":
        screens.note()
        print("noting", flush=True)
    if line == "stop":
        print(msgspec.json.encode(screens.noted()).decode(), flush=True)
    for task in screens.tasks:
        task.cancel()
    await asyncio.gather(*screens.tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
