"""The wall's server: pages, websocket, health and metrics of one process.

Ties the fold, the boards, the access and a source together; ``run`` is what ``sansheng wall`` calls. A caller's
number (masked already), an agent's name or a token never reaches a log line.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve

from dashboards.wall.access import Door, Scope, User
from dashboards.wall.acts import Acts
from dashboards.wall.archive import Archive
from dashboards.wall.archive_records import ArchiveRecords, JoinedRecords
from dashboards.wall.boards import Mode
from dashboards.wall.crowd import Crowd
from dashboards.wall.deflate import SharedDeflate
from dashboards.wall.desk import Desk
from dashboards.wall.entrance import Entrance
from dashboards.wall.house import House
from dashboards.wall.hub import Hub
from dashboards.wall.kafka_desk import KafkaDesk
from dashboards.wall.kafka_records import KafkaRecords
from dashboards.wall.kafka_source import KafkaSource
from dashboards.wall.protocol import MOST_BYTES
from dashboards.wall.reading import Reading
from dashboards.wall.records import Records
from dashboards.wall.sessions import Session
from dashboards.wall.source import Source
from dashboards.wall.web import Web, peer_of
from streams.metrics import Metrics
from streams.settings import Settings, Team
from streams.shell.entries import Entries, entries, with_tokens

log = logging.getLogger(__name__)

#: How often time alone may change the screen, seconds.
STEP_S = 0.5


class WallServer:
    """One wall. It is the place of its sessions."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        records: Records,
        desk: Desk,
        clock: Callable[[], float] = time.time,
        archive: Archive | None = None,
    ) -> None:
        """``clock``: Unix seconds; ``archive``: for what is older than the week. Tokens that are missing are made."""
        wall = with_tokens(settings.wall)
        self._settings, self._source = settings.model_copy(update={"wall": wall}), source
        self.teams: Mapping[str, Team] = wall.teams
        self.metrics = Metrics("wall")
        self.house = House(self._settings, self.metrics, clock)
        self.acts = Acts(desk, self.house, self.teams, clock)
        self.reading = Reading(self.house, records, desk, self._settings, clock, archive)
        self._entrance = Entrance(Door(wall), self._refused)
        self._server: Server | None = None
        self._clients: Counter[Mode] = Counter()
        self._crowd = Crowd()

    # its life

    async def run(self, ready: Callable[[Entries], None] | None = None) -> None:
        """Serve until cancelled; ``ready`` is called once with the addresses. Raises OSError: port in use."""
        wall, ports = self._settings.wall, self._settings.metrics
        async with serve(
            self._client,
            wall.host,
            wall.port,
            process_request=Web(self.house.health, self._entrance.answer, self._refused),
            max_size=MOST_BYTES,
            max_queue=4,
            compression=None,
            extensions=[SharedDeflate()],
            server_header=None,
            close_timeout=2,
            logger=_quiet_logger(),
        ) as self._server:
            self.metrics.serve(ports.host, ports.wall)
            if ready:
                ready(self.entries)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read())
                tasks.create_task(self._keep_time())

    @property
    def entries(self) -> Entries:
        """Where browsers find the wall and the desk, tokens included: to be shown once, never logged."""
        if self._server is None:
            raise RuntimeError("the wall does not listen yet")
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return entries(self._settings.wall, port)

    async def _read(self) -> None:
        """A source that ends, for whatever reason, ends the wall: it must not look quiet."""
        source = asyncio.create_task(self._source.run(self.house))
        try:
            await asyncio.wait({source})
        finally:
            source.cancel()
            [end] = await asyncio.gather(source, return_exceptions=True)
        raise RuntimeError("the wall's source has ended") from end

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            self.house.pass_time()

    # the place of the sessions

    def take_ticket(self, ticket: str) -> User | None:
        """Whose ticket it is, once."""
        return self._entrance.take(ticket)

    def seat(self, mode: Mode, scope: Scope) -> AbstractContextManager[Hub]:
        """The board of that mode and scope."""
        return self.house.seat(mode, scope)

    def stamp(self) -> dict[str, Any]:
        """What every message carries."""
        return self.house.stamp()

    def count(self, name: str, *labels: str) -> None:
        """Add to a metric."""
        self.metrics.count(name, *labels)

    async def _client(self, socket: ServerConnection) -> None:
        address = peer_of(socket)
        if socket.request:
            address = self._entrance.address(socket.request.headers, address)
        await Session(socket, self).run(self._crowd.stranger(address), self._guest)

    @contextmanager
    def _guest(self, user: User, mode: Mode) -> Iterator[None]:
        with self._crowd.guest(user):
            self._clients[mode] += 1
            self.metrics.set("sansheng_wall_clients", self._clients[mode], mode)
            try:
                yield
            finally:
                self._clients[mode] -= 1
                self.metrics.set("sansheng_wall_clients", self._clients[mode], mode)

    def _refused(self, reason: str) -> None:
        self.metrics.count("sansheng_wall_refused_total", reason)


async def run(settings: Settings, *, ready: Callable[[Entries], None] | None = None) -> None:
    """Serve the wall until cancelled; ``ready`` is called once with its addresses. Raises OSError: a port is in use."""
    desk, topics, archive = KafkaDesk(settings), KafkaRecords(settings), Archive(settings)
    records = JoinedRecords(topics, ArchiveRecords(archive))
    desk.connect()
    try:
        await WallServer(settings, KafkaSource(settings), records, desk, archive=archive).run(ready)
    finally:
        archive.close()
        await asyncio.gather(desk.close(), topics.close())


def _quiet_logger() -> logging.Logger:
    """Of the websockets library only what is wrong; each page request would be a line otherwise."""
    quiet = logging.getLogger(f"{__name__}.http")
    quiet.setLevel(logging.WARNING)
    return quiet
