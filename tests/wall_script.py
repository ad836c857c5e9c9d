"""A scripted floor for the wall's tests: events go in as from the broker, the real rulebook makes the alerts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from dashboards.wall.server import WallServer
from dashboards.wall.source import Message, Sink, Topic
from streams import alerts, events, heartbeat
from streams.core import CallState, step
from streams.events import Tick
from streams.rulebook import book
from streams.settings import Settings

TOKEN = "only-for-tests"  # noqa: S105 - says so itself


class ScriptedSource:
    """A source that does what the test says; `sink` is there once the wall has started."""

    def __init__(self) -> None:
        self.sink: Sink
        self.started = asyncio.Event()
        self._offset = 0

    async def run(self, sink: Sink) -> None:
        self.sink = sink
        self.started.set()
        await asyncio.Event().wait()

    def put(self, topic: Topic, value: bytes, *, key: bytes = b"", logged_at: float | None = None) -> None:
        self._offset += 1
        logged_at = time.time() if logged_at is None else logged_at
        self.sink.take([Message(topic=topic, key=key, value=value, offset=self._offset, logged_at=logged_at)])


class Floor:
    """Calls and what the detector makes of them. `at` is Unix seconds, now unless told otherwise."""

    def __init__(self, source: ScriptedSource) -> None:
        self.source = source
        self.book = book.load()
        self.states: dict[str, CallState | None] = {}
        self.changes: list[alerts.AlertChange] = []

    def begin(self) -> None:
        """Live, with all parts healthy."""
        self.source.sink.restart()
        self.source.sink.live()
        self.beat("detect")
        self.beat("asterisk")

    def beat(self, component: heartbeat.Component, *, ok: bool = True, detail: str = "") -> None:
        beat = heartbeat.Heartbeat(component=component, instance="1", at=time.time(), ok=ok, detail=detail)
        self.source.put("heartbeats", heartbeat.render(beat))

    def say(self, type_: str, call: str, at: float | None = None, **fields: Any) -> None:
        """One event of one call, and the alerts that follow from it."""
        event = events.from_dict({"type": type_, "call": call, "at": time.time() if at is None else at, **fields})
        self.source.put("calls", events.render(event), key=call.encode())
        self._judge(event)

    def wait(self, until: float) -> None:
        """Let the detector's clock run: every deadline up to `until` is judged."""
        for call in list(self.states):
            self._judge(Tick(call=call, at=until))

    def alert(self, change: alerts.AlertChange) -> None:
        self.changes.append(change)
        self.source.put("alerts", alerts.render(change), key=change.call.encode())

    def _judge(self, event: events.AnyEvent) -> None:
        answer = step(self.book, self.states.get(event.call), event)
        self.states[event.call] = answer.state
        for change in answer.changes:
            self.alert(change)


def change(id_: str = "a1", state: str = "opened", severity: str = "warning", **fields: Any) -> alerts.AlertChange:
    """An alert change with everything filled in."""
    whole = {
        "id": id_,
        "rule": "long-hold",
        "severity": severity,
        "state": state,
        "call": "c1",
        "agent": "101",
        "agent_name": "王芳",
        "queue": "售后",
        "at": time.time(),
        "title": "客户保持等待过久",
        "says": "王芳（101）已让客户保持等待 2 分钟,尚未恢复通话",
        "clause": {"manual": "002", "section": "第16篇 3.2.9", "quote": "原则上,客户等待的时间不应超过2分钟。"},
        "rulebook": "test",
        **fields,
    }
    return msgspec.convert(whole, alerts.AlertChange)


def wall_settings(**wall: Any) -> Settings:
    return Settings(wall={"port": 0, "token": TOKEN, **wall}, metrics={"wall": 0})


class Running:
    """A wall that serves, its scripted source and its floor."""

    def __init__(self, server: WallServer, source: ScriptedSource) -> None:
        self.server, self.source, self.floor = server, source, Floor(source)

    @property
    def address(self) -> str:
        return self.server.address

    @property
    def base(self) -> str:
        return self.address.partition("/#")[0]

    @property
    def socket(self) -> str:
        return self.base.replace("http", "ws", 1) + "/live"


@asynccontextmanager
async def running_wall(clock: Callable[[], float] = time.time, **wall: Any) -> AsyncIterator[Running]:
    """A wall on a free port, fed by a script."""
    source = ScriptedSource()
    server = WallServer(wall_settings(**wall), source, clock)
    task = asyncio.create_task(server.run())
    try:
        started = asyncio.create_task(source.started.wait())
        await asyncio.wait({started, task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield Running(server, source)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
