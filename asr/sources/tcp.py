"""The AudioSocket server: one TCP connection, one session."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress

from .audiosocket import AudioSocket
from .items import Fault
from .session import Desk, Session

log = logging.getLogger("sansheng.listen")

_CHUNK = 65_536
#: A half-open connection is noticed after about this long, seconds, by the system's keepalive.
_KEEPALIVE_S = 30


class AudioSocketServer:
    """``async with AudioSocketServer(host, port, desk) as server``; leaving it ends every session in order."""

    def __init__(self, host: str, port: int, desk: Desk) -> None:
        self._host, self._port, self._desk = host, port, desk
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> AudioSocketServer:
        """Listen. Raises OSError where the port is taken."""
        self._server = await asyncio.start_server(self._accept, self._host, self._port, limit=_CHUNK)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server else self._port

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("?",))[0])
        session = Session("audiosocket", peer, self._desk)
        if not self._desk.enter("audiosocket"):
            await session.fault(Fault("full", "too many connections", fatal=True))
            writer.close()
            return
        try:
            await self._converse(reader, writer, session)
        except OSError:
            pass  # the other side broke off; what it said until then is on its way
        except Exception as error:  # a fault of ours with one client must not disturb the others
            log.exception("audiosocket %s", peer)
            await session.fault(Fault("ours", f"{type(error).__name__} (a fault of Sansheng: please report it)"))
        finally:
            await session.end()
            self._desk.leave("audiosocket")
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: Session) -> None:
        _keep_alive(writer)
        protocol = AudioSocket()
        while not session.over:
            try:
                async with asyncio.timeout(session.patience_s):
                    data = await reader.read(_CHUNK)
            except TimeoutError:
                await session.tick()
                continue
            await session.take(protocol.receive(data) if data else protocol.end())
            if not data:
                break
        await session.wait_for_a_name()


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Have the system notice a PBX that has died without a word."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", _KEEPALIVE_S), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
