"""The wall's server: page, websocket, health and metrics of one process.

Ties the pure state, the fan-out and a source together; ``run`` is what ``sansheng wall`` calls. A caller's
number (masked already), an agent's name or a token never reaches a log line.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from dashboards.wall.hub import BEAT_S, Hub
from dashboards.wall.kafka_source import KafkaSource
from dashboards.wall.source import Message, Source
from dashboards.wall.state import ENDED_SHOWN_S, Wall
from dashboards.wall.views import Feed
from dashboards.wall.web import Web
from streams import alerts, events, heartbeat
from streams.call import IN_TIME_S
from streams.metrics import Metrics
from streams.settings import Settings

log = logging.getLogger(__name__)

#: Close codes of the websocket; 1001 is the server's own end.
NOT_ALLOWED, UNEXPECTED, FULL = 4401, 4400, 4429
#: What a browser sends: one small greeting, soon.
HELLO_BYTES, HELLO_S = 4096, 5.0
#: Open connections of all kinds; beyond that a browser is asked to come back later.
MOST_CLIENTS = 1000
#: A wrong token costs this long, seconds.
REFUSE_AFTER_S = 0.5
#: How often time alone may change the screen, seconds.
STEP_S = 0.5

_HEARTBEAT = heartbeat.CALL.encode()


class Hello(Struct, frozen=True, tag_field="type", tag="hello"):
    """The browser's only message. Unknown fields are let pass, for pages newer than this server."""

    token: str = ""
    protocol: Literal[1] = 1


_hello = msgspec.json.Decoder(Hello)


class WallServer:
    """One wall. It is the sink of its source and the stage of its hub."""

    def __init__(self, settings: Settings, source: Source, clock: Callable[[], float] = time.time) -> None:
        """Raises ValueError where the timezone is unknown. ``clock``: Unix seconds."""
        self._settings, self._source, self._clock = settings, source, clock
        self._zone = _zone(settings.wall.timezone)
        self._token = settings.wall.token.get_secret_value() or secrets.token_urlsafe(18)
        self.metrics = Metrics("wall")
        self._wall = self._new_wall()
        self._hub = Hub(self, on_resync=lambda: self.metrics.count("sansheng_wall_resyncs_total"))
        self._server: Server | None = None
        self._clients = 0

    # its life

    async def run(self, ready: Callable[[str], None] | None = None) -> None:
        """Serve until cancelled; ``ready`` is called once with the full address. Raises OSError: port in use."""
        wall, ports = self._settings.wall, self._settings.metrics
        async with serve(
            self._client,
            wall.host,
            wall.port,
            process_request=Web(self._health, self._refused),
            max_size=HELLO_BYTES,
            max_queue=4,
            compression=None,
            server_header=None,
            close_timeout=2,
            logger=_quiet_logger(),
        ) as self._server:
            self.metrics.serve(ports.host, ports.wall)
            if ready:
                ready(self.address)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read())
                tasks.create_task(self._keep_time())

    @property
    def address(self) -> str:
        """Where a browser finds the wall, token included: to be shown once, never logged."""
        if self._server is None:
            raise RuntimeError("the wall does not listen yet")
        host = self._settings.wall.host
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104  # shown, not bound
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{port}/#token={self._token}"

    async def _read(self) -> None:
        """A source that ends, for whatever reason, ends the wall: it must not look quiet."""
        source = asyncio.create_task(self._source.run(self))
        try:
            await asyncio.wait({source})
        finally:
            source.cancel()
            [end] = await asyncio.gather(source, return_exceptions=True)
        raise RuntimeError("the wall's source has ended") from end

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            self._publish()

    # the sink of the source

    def restart(self) -> None:
        """Begin the day anew."""
        self._wall = self._new_wall()
        self._set_reading()

    def reading(self) -> None:
        """The past is read; the screens say so."""
        if self._wall.feed.state != "reading":
            self._set_reading()

    def live(self) -> None:
        """The past is known: everybody gets it at once."""
        self._wall.set_feed(Feed("live", since=self._clock(), known=True))
        self._wall.collect(self._clock())
        self._hub.restart(self._wall.n)

    def gone(self, reason: str) -> None:
        """Keep what is known and say since when it is old."""
        before = self._wall.feed
        since = before.since if before.state == "gone" else self._clock()
        self._wall.set_feed(Feed("gone", since, reason, before.known))
        self._publish()

    def take(self, messages: Sequence[Message]) -> None:
        """Fold messages in; what cannot be read is counted and left out."""
        for message in messages:
            try:
                self._fold(message)
            except Exception as error:  # one bad message must not blind the wall for all the others
                count = self._wall.take_unreadable()
                self.metrics.count("sansheng_wall_unreadable_total", message.topic)
                if f"{count}".strip("0") == "1":  # 1, 10, 100 ... so that a flood is not a flood of lines
                    name = type(error).__name__
                    log.warning("%d unreadable so far: %s offset %d: %s", count, message.topic, message.offset, name)
        self._publish()

    def _fold(self, message: Message) -> None:
        if message.topic == "calls":
            self._fold_call(message)
        elif message.topic == "alerts":
            self._wall.take_alert(alerts.parse(message.value))
            if self.is_live:
                self.metrics.observe("sansheng_wall_lag_seconds", max(0.0, self._clock() - message.logged_at))
        else:
            heard_at = self._clock() if self.is_live else message.logged_at
            self._wall.take_heartbeat(heartbeat.parse(message.value), heard_at)

    def _fold_call(self, message: Message) -> None:
        if message.key.startswith(_HEARTBEAT):
            return
        event = events.parse(message.value)
        if event.call.encode() != message.key:
            raise events.BadEventError("the message's key is not the call id", field="call")
        if event.at > message.logged_at + self._settings.ahead_s:
            raise events.BadEventError("lies in the future", field="at")
        self._wall.take_call(replace(event, seq=message.offset, logged_at=message.logged_at))

    # the stage of the hub

    def snapshot(self) -> dict[str, Any]:
        """All that is shown, and what the page must know to show it."""
        constants = {"beat_s": BEAT_S, "in_time_s": IN_TIME_S, "ended_shown_s": ENDED_SHOWN_S}
        return {"timezone": self._settings.wall.timezone, **constants, **self._wall.snapshot()}

    def stamp(self) -> dict[str, Any]:
        """The server's clock, and when anything last happened on the floor."""
        return {"now": self._clock(), "last_event_at": self._wall.last_event_at}

    @property
    def is_live(self) -> bool:
        """Whether the screens show the present."""
        return self._wall.feed.state == "live"

    def _new_wall(self) -> Wall:
        shown = self._settings.wall
        wall = Wall(zone=self._zone, linger_s=shown.linger_s, now=self._clock(), show_trial=shown.show_trial)
        wall.collect(self._clock())
        return wall

    def _set_reading(self) -> None:
        self._wall.set_feed(Feed("reading", since=self._clock(), known=self._wall.feed.known))
        self._wall.collect(self._clock())
        self._hub.restart(self._wall.n)

    def _publish(self) -> None:
        """Number what has changed and tell it; the past is not told piece by piece."""
        if self._wall.feed.state == "reading":
            return
        changes = self._wall.collect(self._clock())
        if changes:
            self.metrics.count("sansheng_wall_changes_total", by=len(changes))
            self._hub.publish(changes)

    # browsers

    async def _client(self, socket: ServerConnection) -> None:
        """One browser, from its greeting to its end."""
        if self._clients >= MOST_CLIENTS:
            await self._turn_away(socket, FULL, "full")
            return
        self._clients += 1
        self.metrics.set("sansheng_wall_clients", self._clients)
        try:
            await self._serve(socket)
        except ConnectionClosed:
            pass
        finally:
            self._clients -= 1
            self.metrics.set("sansheng_wall_clients", self._clients)

    async def _serve(self, socket: ServerConnection) -> None:
        if not await self._is_allowed(socket):
            await asyncio.sleep(REFUSE_AFTER_S)
            await self._turn_away(socket, NOT_ALLOWED, "token")
            return
        feed = asyncio.create_task(self._hub.feed(lambda message: socket.send(message, text=True)))
        listen = asyncio.create_task(socket.recv())
        try:
            done, _ = await asyncio.wait({feed, listen}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # the browser has gone, most of the time
        finally:
            feed.cancel()
            listen.cancel()
            await asyncio.gather(feed, listen, return_exceptions=True)
        await self._turn_away(socket, UNEXPECTED, "unexpected")

    async def _is_allowed(self, socket: ServerConnection) -> bool:
        try:
            async with asyncio.timeout(HELLO_S):
                hello = _hello.decode(await socket.recv())
        except (TimeoutError, msgspec.MsgspecError):
            return False
        return hmac.compare_digest(hello.token.encode(), self._token.encode())

    async def _turn_away(self, socket: ServerConnection, code: int, reason: str) -> None:
        self._refused(reason)
        await socket.close(code, reason)

    def _refused(self, reason: str) -> None:
        self.metrics.count("sansheng_wall_refused_total", reason)

    def _health(self) -> tuple[bool, dict[str, object]]:
        feed, status = self._wall.feed, self._wall.status
        detail = {"live": self.is_live, "feed": feed.state, "reason": feed.detail}
        parts = {name: getattr(status, name).state for name in ("detect", "pbx", "listen", "recognise")}
        return self.is_live, {**detail, **parts}


async def run(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve the wall until cancelled.

    ``ready`` is called once with the full address, token included. Raises ValueError on an unknown timezone
    and OSError where a port is in use.
    """
    _zone(settings.wall.timezone)
    await WallServer(settings, KafkaSource(settings)).run(ready)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, not a name, a folder
        raise ValueError(f"wall.timezone: unknown timezone {name!r} (a name such as Asia/Shanghai)") from None


def _quiet_logger() -> logging.Logger:
    """Of the websockets library only what is wrong; each page request would be a line otherwise."""
    quiet = logging.getLogger(f"{__name__}.http")
    quiet.setLevel(logging.WARNING)
    return quiet
