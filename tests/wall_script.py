"""A scripted floor for the wall's tests: events go in as from the broker, the real rulebook makes the alerts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from msgspec.structs import replace

from dashboards.wall.archive import Archive
from dashboards.wall.archive_records import ArchiveRecords, JoinedRecords
from dashboards.wall.kafka_records import AFTER_S, BEFORE_S
from dashboards.wall.records import UnavailableError
from dashboards.wall.server import WallServer
from dashboards.wall.source import Message, Sink, Topic
from streams import alerts, events, heartbeat, verdicts
from streams.audit import Audit
from streams.core import CallState, step
from streams.events import Tick
from streams.rulebook import book
from streams.settings import Settings
from streams.verdicts import Verdict

#: Of wall mode, and of the desk.
TOKEN, DESK_TOKEN = "only-for-tests", "only-for-the-desk"


class ScriptedSource:
    """A source that does what the test says; `sink` is there once the wall has started."""

    def __init__(self) -> None:
        self.sink: Sink
        self.started = asyncio.Event()
        self.log: list[Message] = []

    async def run(self, sink: Sink) -> None:
        self.sink = sink
        self.started.set()
        await asyncio.Event().wait()

    def put(self, topic: Topic, value: bytes, *, key: bytes = b"", logged_at: float | None = None) -> None:
        logged_at = time.time() if logged_at is None else logged_at
        message = Message(topic=topic, key=key, value=value, offset=len(self.log), logged_at=logged_at)
        self.log.append(message)
        self.sink.take([message])


class ScriptedRecords:
    """The record of what the source was given. While ``down`` nothing can be read; ``gate`` holds reading up."""

    def __init__(self, source: ScriptedSource) -> None:
        self._source = source
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[tuple[str, float, float | None]] = []

    async def call(self, call: str, since: float, until: float | None) -> tuple[events.AnyEvent, ...]:
        self.asked.append((call, since, until))
        await self._reach()
        mine = [m for m in self._source.log if m.topic == "calls" and m.key == call.encode()]
        return tuple(replace(events.parse(m.value), seq=m.offset, logged_at=m.logged_at) for m in mine)

    async def alerts(self, call: str, since: float, until: float | None) -> tuple[alerts.AlertChange, ...]:
        await self._reach()
        begin, end = since - BEFORE_S, float("inf") if until is None else until + AFTER_S
        own = (m for m in self._source.log if m.topic == "alerts" and begin <= m.logged_at <= end)
        return tuple(change for change in map(_change, own) if change.call == call)

    async def alert(self, alert_id: str) -> tuple[alerts.AlertChange, ...]:
        await self._reach()
        told = (_change(m) for m in self._source.log if m.topic == "alerts")
        return tuple(change for change in told if change.id == alert_id)

    async def _reach(self) -> None:
        await self.gate.wait()
        if self.down:
            raise UnavailableError("the script says so")


def _change(message: Message) -> alerts.AlertChange:
    return alerts.parse(message.value)


class ScriptedDesk:
    """Verdicts come back through the source, as from the broker. While ``down`` nothing is acknowledged."""

    def __init__(self, source: ScriptedSource) -> None:
        self._source = source
        self.down = False
        self.loops = True
        self.verdicts: list[Verdict] = []
        self.audits: list[Audit] = []

    async def judge(self, verdict: Verdict) -> None:
        self._reach()
        self.verdicts.append(verdict)
        if self.loops:
            self._source.put("verdicts", verdicts.render(verdict), key=verdicts.key_of(verdict).encode())

    async def audit(self, entry: Audit) -> None:
        self._reach()
        self.audits.append(entry)

    def _reach(self) -> None:
        if self.down:
            raise UnavailableError("the script says so")


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

    def verdict(self, verdict: Verdict) -> None:
        """Somebody at another wall did something."""
        self.source.put("verdicts", verdicts.render(verdict), key=verdicts.key_of(verdict).encode())

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
    return Settings(wall={"port": 0, "token": TOKEN, "desk_token": DESK_TOKEN, **wall}, metrics={"wall": 0})


class Running:
    """A wall that serves, its scripted source, records and desk, and its floor."""

    def __init__(
        self, server: WallServer, source: ScriptedSource, records: ScriptedRecords, people: ScriptedDesk
    ) -> None:
        self.server, self.source, self.floor = server, source, Floor(source)
        self.records, self.people = records, people

    @property
    def address(self) -> str:
        """Of wall mode, with its token."""
        return self.server.entries.wall

    @property
    def desk(self) -> str:
        """Of the desk, with its token."""
        return self.server.entries.desk

    def desk_of(self, token: str) -> str:
        """The desk with the token of one of the users."""
        return f"{self.base}/desk#token={token}"

    @property
    def base(self) -> str:
        return self.address.partition("/#")[0]

    @property
    def socket(self) -> str:
        return self.base.replace("http", "ws", 1) + "/live"


@asynccontextmanager
async def running_wall(
    clock: Callable[[], float] = time.time, archived: Settings | None = None, **wall: Any
) -> AsyncIterator[Running]:
    """A wall on a free port, fed by a script; ``archived``: with the archive of those settings behind it."""
    source = ScriptedSource()
    records, desk = ScriptedRecords(source), ScriptedDesk(source)
    archive = Archive(archived) if archived else None
    joined = JoinedRecords(records, ArchiveRecords(archive), clock) if archive else records
    server = WallServer(wall_settings(**wall), source, joined, desk, clock, archive)
    task = asyncio.create_task(server.run())
    try:
        started = asyncio.create_task(source.started.wait())
        await asyncio.wait({started, task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield Running(server, source, records, desk)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        if archive:
            archive.close()
