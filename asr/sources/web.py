"""The websocket server: the protocols of vosk-server, Twilio and Genesys on one port, told apart by path.

A client shows the token as ``?token=``, as ``Authorization: Bearer …`` or as ``X-API-KEY`` (Genesys); Twilio cannot do
any of these and may show it in its ``start`` message instead.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.http11 import Request, Response

from asr.audio import leg_key
from streams.events import Role

from . import codec
from .audiohook import AudioHook
from .items import Asked, Conversation, Fault, Item, Reply, Source, call_id, is_token, role_named
from .session import Desk, Session
from .twilio import Twilio
from .vosk import RATE, Answers, Vosk, rate_of

log = logging.getLogger("sansheng.listen")

#: A message of a client, bytes. vosk clients send a fifth of a second at a time, about 3 kB.
LARGEST = 512 * 1024
#: After ``eof`` the recognisers get so long, seconds, to hear the end.
LAST_WORDS_S = 10.0
#: A client that does not take an answer for so long, seconds, is stuck.
STUCK_S = 10.0
#: At the end of the process its clients get so long, seconds.
GOODBYE_S = 5.0
#: How often the end is looked for, and how far before it is near enough, seconds.
_LOOK_S, _NEAR_S = 0.05, 0.1
_PATHS: dict[str, Source] = {"/": "vosk", "/vosk": "vosk", "/twilio": "twilio", "/audiohook": "audiohook"}


class AddressError(ValueError):
    """A path or query that means nothing; the text says what and the mend."""


@dataclass(frozen=True)
class Client:
    """What a client's address says."""

    source: Source
    call: str
    role: Role = "customer"
    encoding: codec.Encoding = "pcm"
    rate: int = RATE
    answers: bool = True


class AnsweringDesk(Desk, Protocol):
    """The desk, with what the recognisers hear."""

    def follow(self, leg: str, answers: Answers) -> None:
        """Have transcripts of that leg go to ``answers``."""

    def unfollow(self, leg: str, answers: Answers) -> None:
        """No more."""


def read_address(path: str) -> Client:
    """What the path and its query ask for. Raises AddressError."""
    try:
        parts = urlsplit(path)
    except ValueError as error:
        raise AddressError(f"no address: {error}") from None
    source = _PATHS.get(parts.path.rstrip("/") or "/")
    if source is None:
        raise AddressError(f"nothing is served here; use {', '.join(_PATHS)}")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    call = call_id(query.get("call", f"vosk-{uuid.uuid4().hex}"))
    role = role_named(query.get("role", "customer"))
    encoding = codec.NAMES.get(query.get("encoding", "pcm").lower())
    rate = rate_of(query.get("rate", query.get("sample_rate", RATE)))
    if not call:
        raise AddressError("call: 1 to 256 printable characters, not beginning with ~")
    if role is None:
        raise AddressError("role: agent or customer")
    if encoding is None:
        raise AddressError(f"encoding: one of {', '.join(sorted(codec.NAMES))}")
    if rate is None:
        raise AddressError("rate: 8000 to 48000 samples a second")
    return Client(source, call, role, encoding, rate, query.get("answers", "yes") not in ("no", "0", "false"))


class WebServer:
    """``async with WebServer(host, port, token, desk) as server``; leaving it ends every session in order."""

    def __init__(self, host: str, port: int, token: str, desk: AnsweringDesk) -> None:
        self._host, self._port, self._token, self._desk = host, port, token, desk
        self._server: Server | None = None

    async def __aenter__(self) -> WebServer:
        """Listen. Raises OSError where the port is taken."""
        self._server = await serve(
            self._serve,
            self._host,
            self._port,
            process_request=self._admit,
            max_size=LARGEST,
            max_queue=8,
            compression=None,
            server_header=None,
            close_timeout=2,
            logger=_quiet_logger(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
            with suppress(TimeoutError):  # a client that was far ahead is still made to wait
                async with asyncio.timeout(GOODBYE_S):
                    await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The port in use."""
        return int(next(iter(self._server.sockets)).getsockname()[1]) if self._server else self._port

    # -- at the door ----------------------------------------------------------------------------------------

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        peer = _peer(connection)
        try:
            client = read_address(request.path)
        except AddressError as error:
            return await self._refuse(connection, "vosk", peer, Fault("address", str(error)), HTTPStatus.BAD_REQUEST)
        shown = _token_of(request)
        if self._token and not is_token(shown, self._token) and (shown or client.source != "twilio"):
            text = "the token is wrong or missing (?token=, Authorization: Bearer, X-API-KEY)"
            fault = Fault("token", text)
            return await self._refuse(connection, client.source, peer, fault, HTTPStatus.UNAUTHORIZED)
        return None

    async def _refuse(
        self, connection: ServerConnection, source: Source, peer: str, fault: Fault, status: HTTPStatus
    ) -> Response:
        await self._desk.fault(source, peer, fault, told=True)
        return connection.respond(status, f"{fault.text}\n")

    # -- inside ---------------------------------------------------------------------------------------------

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None  # noqa: S101 - it has been admitted
        client = read_address(socket.request.path)
        session = Session(client.source, _peer(socket), self._desk)
        visit = _Visit(socket, session, client, self._conversation(client, socket.request), self._desk)
        if not self._desk.enter(client.source):
            await session.fault(Fault("full", "too many connections", fatal=True))
            await socket.close(1013, "too many connections")
            return
        try:
            await visit.run()
        except ConnectionClosedError as error:
            if error.sent is not None and error.sent.code == 1009:
                await session.fault(Fault("large", f"a message of more than {LARGEST} bytes", fatal=True))
        except ConnectionClosed:
            pass
        except TimeoutError:
            await session.fault(Fault("slow", f"the client took no answer for {STUCK_S:.0f} s", fatal=True))
        except Exception as error:  # a fault of ours with one client must not disturb the others
            log.exception("%s %s", client.source, _peer(socket))
            await session.fault(Fault("ours", f"{type(error).__name__} (a fault of Sansheng: please report it)"))
        finally:
            await visit.end()
            self._desk.leave(client.source)

    def _conversation(self, client: Client, request: Request) -> Conversation:
        if client.source == "twilio":
            return Twilio("" if is_token(_token_of(request), self._token) else self._token)
        if client.source == "audiohook":
            return AudioHook()
        return Vosk(client.call, client.role, encoding=client.encoding, rate=client.rate)


class _Visit:
    """One connection: messages in, answers out."""

    def __init__(
        self,
        socket: ServerConnection,
        session: Session,
        client: Client,
        conversation: Conversation,
        desk: AnsweringDesk,
    ) -> None:
        self._socket, self._session, self._client = socket, session, client
        self._conversation, self._desk = conversation, desk
        self._answers: Answers | None = None

    async def run(self) -> None:
        """Until either side has had enough."""
        while not self._session.over:
            try:
                async with asyncio.timeout(self._session.patience_s):
                    message = await self._socket.recv()
            except TimeoutError:
                await self._session.tick()
                continue
            items = self._conversation.receive(message)
            await self._session.take(item for item in items if not isinstance(item, Asked | Reply))
            for item in items:
                await self._answer(item)
        await self._socket.close(*self._goodbye())

    async def end(self) -> None:
        """Whatever the reason."""
        if not self._session.over:
            await self._session.take(self._conversation.end())
        await self._session.end()
        if self._answers is not None:
            self._desk.unfollow(self._leg, self._answers)

    @property
    def _leg(self) -> str:
        return leg_key(self._client.call, self._client.role)

    def _goodbye(self) -> tuple[int, str]:
        fatal = self._session.fatal
        return (1008, fatal[:120]) if fatal else (1000, "")

    async def _answer(self, item: Item) -> None:
        if isinstance(item, Reply):
            await self._send(item.text)
        elif isinstance(item, Asked) and self._client.answers and isinstance(self._conversation, Vosk):
            self._listen()
            if item.over:
                await self._hear_the_end()
            answers = self._answers or Answers(0.0)
            words = self._conversation.words
            await self._send(answers.last(words=words) if item.final else answers.answer(words=words))

    def _listen(self) -> None:
        """Follow what is heard, from the first sound on."""
        leg = self._session.leg(self._client.role)
        if self._answers is None and leg is not None and leg.begun is not None:
            self._answers = Answers(leg.begun)
            self._desk.follow(self._leg, self._answers)

    async def _hear_the_end(self) -> None:
        """Let the recognisers finish, but not for ever: none may be running."""
        leg = self._session.leg(self._client.role)
        await self._session.end()
        if self._answers is None or leg is None:
            return
        left_s = LAST_WORDS_S
        while left_s > 0 and self._answers.through < leg.end_at - _NEAR_S:
            await asyncio.sleep(_LOOK_S)
            left_s -= _LOOK_S

    async def _send(self, text: str) -> None:
        async with asyncio.timeout(STUCK_S):
            await self._socket.send(text)


def _token_of(request: Request) -> str:
    headers = request.headers
    bearer = headers.get("Authorization", "").removeprefix("Bearer ")
    query = parse_qs(urlsplit(request.path).query)
    return query.get("token", [""])[-1] or bearer or headers.get("X-API-KEY", "")


def _peer(connection: ServerConnection) -> str:
    return str((connection.remote_address or ("?",))[0])


def _quiet_logger() -> logging.Logger:
    """Of the websockets library only what is wrong; each connection would be a line otherwise."""
    quiet = logging.getLogger("sansheng.listen.websockets")
    quiet.setLevel(logging.CRITICAL)
    return quiet
