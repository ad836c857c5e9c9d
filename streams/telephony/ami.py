"""The Asterisk Manager Interface, client side: every block of a PBX in order, across reconnects.

Owns the connection: login, the snapshot of what is already up, keep-alive, back-off. Knows nothing of
calls: what the blocks mean is ``asterisk.py``'s matter.

:class:`Conversation` is the protocol without I/O (bytes in, items out, bytes to send, next deadline);
:class:`AmiClient` is its asyncio shell. ``at`` and ``arrived`` are Unix seconds of this machine's clock,
taken when the bytes were read; deadlines run on the monotonic clock, which no clock change moves.

::

    connecting ──banner──▶ greeting ──Login: Success──▶ following ──EOF, silence, reader too slow──┐
        ▲                      │ Login: Error                                                      │
        └─── back-off ◀────────┴── refused: slow retry ◀──────────── Disconnected ◀────────────────┘
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from streams.telephony.capture import BlockParser

log = logging.getLogger(__name__)

Fields = dict[str, str | list[str]]

#: What is asked after each login, in this order; together they say which calls are already up.
SNAPSHOT: Final = ("QueueStatus", "CoreShowChannels", "BridgeList", "Status", "QueueSummary")
BANNER: Final = b"Asterisk Call Manager/"
#: A greeting longer than this is not a PBX's.
BANNER_LIMIT: Final = 256
#: One read from the socket; a busy PBX writes some ten kilobytes a second.
CHUNK: Final = 65536


@dataclass(frozen=True, slots=True)
class Connected:
    """Logged in; the answers of the snapshot and live events follow. ``banner`` names the AMI version."""

    at: float
    banner: str


@dataclass(frozen=True, slots=True)
class Block:
    """One block as the PBX sent it: an event, or an answer to one of the snapshot's questions."""

    fields: Fields
    arrived: float


@dataclass(frozen=True, slots=True)
class Problem:
    """Bytes that are no block and were left out; ``text`` says what, where in the connection, and what became of it."""

    text: str
    arrived: float


@dataclass(frozen=True, slots=True)
class SnapshotDone:
    """All lists have been answered. ``missing`` says which were refused or never came, and why."""

    at: float
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone or could not be made. ``refused``: the PBX rejects the user, a person must mend it."""

    reason: str
    at: float
    retry_in_s: float
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing came for ``idle_s``: the moment to let a translator say what it was holding back."""

    at: float


Item = Connected | Block | Problem | SnapshotDone | Disconnected | Idle


class AmiError(Exception):
    """The conversation cannot go on; the text is for the operator."""


class LoginRefusedError(AmiError):
    """The PBX does not take this user: retried slowly, because only a person can mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the client waits for what, in seconds.

    An AMI peer that dies without a FIN (power, a firewall that forgets) is noticed after at most
    ``idle_ping_s + ping_timeout_s``: after that long without a byte there would have been a Pong.
    """

    connect_timeout_s: float = 5.0
    login_timeout_s: float = 10.0
    snapshot_timeout_s: float = 15.0
    idle_ping_s: float = 10.0
    ping_timeout_s: float = 5.0
    backoff_first_s: float = 0.5
    #: Short, because a phone that rings past three rings does so in ten seconds.
    backoff_limit_s: float = 5.0
    #: A wrong secret is not hammered: Asterisk logs each try, and fail2ban would shut us out.
    refused_wait_s: float = 30.0

    def backoff_s(self, failures: int, chance: float) -> float:
        """Wait before the next try after ``failures`` in a row; ``chance`` in [0, 1) spreads many clients.

        Doubles from ``backoff_first_s`` to ``backoff_limit_s``; the jitter only adds, up to a quarter.
        """
        doubled = self.backoff_first_s * 2.0 ** min(max(failures - 1, 0), 30)
        return min(doubled * (1 + chance / 4), self.backoff_limit_s)


class Conversation:
    """One connection's dialogue, without I/O.

    The shell passes bytes to :meth:`receive`, calls :meth:`tick` when :meth:`due` is reached, and writes
    what :meth:`data_to_send` returns. ``now`` is monotonic seconds, ``at`` Unix seconds.

    Raises from receive and tick: LoginRefusedError, or AmiError where the connection is of no more use.
    """

    def __init__(self, username: str, secret: str, patience: Patience, now: float) -> None:
        self._username, self._secret, self._patience = username, secret, patience
        self._parser = BlockParser()
        self._greeting = b""
        self._banner = ""
        self._out = bytearray()
        self._numbers = itertools.count(1)
        self._own: set[str] = set()
        self._open_lists: dict[str, str] = {}
        self._missing: list[str] = []
        self._login_id = ""
        self._snapshot_due = 0.0
        self._heard = now
        self._pinged: float | None = None
        self._login_due = now + patience.login_timeout_s
        self.logged_in = False

    def data_to_send(self) -> bytes:
        """What the peer shall get now; empty when there is nothing."""
        out, self._out = bytes(self._out), bytearray()
        return out

    def due(self) -> float:
        """The instant at which :meth:`tick` has something to do if nothing is received before."""
        if not self.logged_in:
            return self._login_due
        silence = self._pinged + self._patience.ping_timeout_s if self._pinged is not None else None
        next_s = silence if silence is not None else self._heard + self._patience.idle_ping_s
        return min(next_s, self._snapshot_due) if self._open_lists else next_s

    def receive(self, data: bytes, *, at: float, now: float) -> list[Item]:
        """Take bytes in pieces of any size; answers with what they complete, in order."""
        self._heard, self._pinged = now, None
        if not self._banner:
            data = self._greet(data)
        items: list[Item] = []
        for fields in self._parser.feed(data):
            items += self._take(fields, at, now)
        return items + self._unreadable(at)

    def tick(self, *, at: float, now: float) -> list[Item]:
        """Do what is due: give up a login, close an unanswered snapshot, ping, or declare the peer dead."""
        if not self.logged_in:
            if now < self._login_due:
                return []
            raise AmiError(
                f"no answer to the login within {self._patience.login_timeout_s:g} s"
                if self._banner
                else "no greeting from the PBX (is this the AMI port? manager.conf [general] port=)"
            )
        items = self._close_snapshot(at) if self._open_lists and now >= self._snapshot_due else []
        self._keep_alive(now)
        return items

    def end(self, *, at: float) -> list[Item]:
        """The peer closed: what was left half-read is reported."""
        self._parser.close()
        return self._unreadable(at)

    def log_off(self) -> None:
        """Say goodbye; the PBX closes after its answer."""
        if self.logged_in:
            self._ask("Logoff")

    # ---- the steps

    def _greet(self, data: bytes) -> bytes:
        self._greeting += data
        line, newline, rest = self._greeting.partition(b"\n")
        start = line[: len(BANNER)]
        if start != BANNER[: len(start)] or len(line) > BANNER_LIMIT or (newline and start != BANNER):
            raise AmiError(f"this is not an AMI port: it says {line[:40]!r}")
        if not newline:
            return b""
        self._banner = line.decode("ascii", "replace").strip()
        self._login_id = self._ask("Login", Username=self._username, Secret=self._secret, Events="on")
        return rest

    def _take(self, fields: Fields, at: float, now: float) -> list[Item]:
        action_id = _one(fields, "ActionID")
        if action_id == self._login_id and "Response" in fields and not self.logged_in:
            return self._logged_in(fields, at, now)
        if action_id in self._own:
            self._own.discard(action_id)
            return []
        items: list[Item] = [Block(fields, at)]
        if action_id in self._open_lists and _ends_list(fields):
            items += self._end_list(action_id, fields, at)
        return items

    def _logged_in(self, fields: Fields, at: float, now: float) -> list[Item]:
        self._own.discard(self._login_id)
        if _one(fields, "Response") != "Success":
            raise LoginRefusedError(
                f"the PBX refuses user {self._username!r} ({_one(fields, 'Message') or 'no reason given'}): check "
                f"manager.conf on the PBX: secret=, permit= and read= in [{self._username}], then `manager reload`"
            )
        self.logged_in = True
        self._open_lists = {self._ask(action): action for action in SNAPSHOT}
        self._own -= self._open_lists.keys()
        self._snapshot_due = now + self._patience.snapshot_timeout_s
        return [Connected(at, self._banner)]

    def _end_list(self, action_id: str, fields: Fields, at: float) -> list[Item]:
        action = self._open_lists.pop(action_id)
        if _one(fields, "Response") == "Error":
            self._missing.append(f"{action}: {_one(fields, 'Message') or 'refused'}")
        return [] if self._open_lists else self._close_snapshot(at)

    def _close_snapshot(self, at: float) -> list[Item]:
        late = [f"{action}: no complete answer" for action in self._open_lists.values()]
        self._open_lists.clear()
        return [SnapshotDone(at, tuple(self._missing + late))]

    def _keep_alive(self, now: float) -> None:
        patience = self._patience
        if self._pinged is not None and now >= self._pinged + patience.ping_timeout_s:
            raise AmiError(
                f"no sign of life for {now - self._heard:.1f} s, not even to a Ping "
                "(PBX stopped, or the network lost the connection)"
            )
        if self._pinged is None and now >= self._heard + patience.idle_ping_s:
            self._ask("Ping")
            self._pinged = now

    def _ask(self, action: str, **headers: str) -> str:
        action_id = f"sansheng-{next(self._numbers)}"
        lines = {"Action": action, "ActionID": action_id, **headers}
        self._out += "".join(f"{key}: {value}\r\n" for key, value in lines.items()).encode() + b"\r\n"
        self._own.add(action_id)
        return action_id

    def _unreadable(self, at: float) -> list[Item]:
        return [Problem(str(problem), at) for problem in self._parser.take_problems()]


class AmiClient:
    """Follows one PBX for ever: connects, logs in, asks what is up, hands on every block, starts anew.

    ::

        async with AmiClient("pbx", 5038, "monitor", secret) as client:
            async for item in client.blocks():
                match item:
                    case Block(fields, arrived): events = translator.feed(fields, arrived)

    Blocks are stamped and queued as they arrive, whatever the reader does meanwhile: a pause of the reader
    falsifies no time and keeps no PBX waiting (Asterisk drops a client that does not read for 100 ms). A
    reader more than ``backlog_limit`` items behind loses the connection on purpose and is given a new
    snapshot when it has caught up. Answers to our own Login, Ping and Logoff are not handed on. With ``idle_s`` an
    :class:`Idle` comes whenever there was nothing else for that long.

    The secret is never logged and appears in no ``repr``.
    """

    def __init__(  # noqa: PLR0913 - the four that name a login, and keyword-only tuning
        self,
        host: str,
        port: int,
        username: str,
        secret: str,
        *,
        patience: Patience | None = None,
        backlog_limit: int = 100_000,
        idle_s: float | None = None,
    ) -> None:
        """Raise ValueError where a header would be broken by what is in the name or the secret."""
        if any(c in username + secret for c in "\r\n") or not username:
            raise ValueError("AMI user name and secret must not be empty or contain line breaks")
        self.host, self.port, self.username = host, port, username
        self._secret = secret
        self.patience = patience or Patience()
        self.backlog_limit, self.idle_s = backlog_limit, idle_s
        self.connected = False
        #: Blocks and unreadable stretches seen since the start, for the metrics.
        self.block_count = 0
        self.unreadable_count = 0
        self._failures = 0
        self._items: asyncio.Queue[Item | None] = asyncio.Queue()
        self._caught_up = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"AmiClient({self.host}:{self.port}, {self.username!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def blocks(self) -> AsyncGenerator[Item, None]:
        """Everything in order, without end; one reader only. Ends after :meth:`stop`."""
        if self._runner is not None:
            raise RuntimeError("AmiClient.blocks() has one reader; make a second client for a second one")
        self._runner = asyncio.create_task(self._run(), name=f"ami {self.host}:{self.port}")
        self._runner.add_done_callback(lambda _: self._items.put_nowait(None))
        try:
            while (item := await self._next()) is not None:
                if self._items.qsize() <= self.backlog_limit // 2:
                    self._caught_up.set()
                yield item
            if not self._runner.cancelled():
                self._runner.result()
        finally:
            await self.stop()

    async def _next(self) -> Item | None:
        if not self._items.empty():
            return self._items.get_nowait()
        try:
            async with asyncio.timeout(self.idle_s):
                return await self._items.get()
        except TimeoutError:
            return Idle(time.time())

    async def stop(self) -> None:
        """Log off and end the stream; harmless when nothing runs."""
        if self._runner is None:
            return
        self._runner.cancel()
        await asyncio.wait([self._runner])  # its error, if any, is the reader's to see

    # ---- the loop over connections

    async def _run(self) -> None:
        while True:
            await self._reader_caught_up()
            refused = False
            try:
                await self._follow()
            except LoginRefusedError as error:
                reason, refused = str(error), True
            except (AmiError, OSError, TimeoutError) as error:
                reason = _reason(error, self.patience)
            finally:
                self.connected = False
            wait_s = self._next_wait_s(refused)
            log.log(
                logging.ERROR if refused else logging.WARNING,
                "AMI %s:%s: %s; next try in %.1f s", self.host, self.port, reason, wait_s,
            )  # fmt: skip
            self._items.put_nowait(Disconnected(reason, time.time(), wait_s, refused))
            await asyncio.sleep(wait_s)

    def _next_wait_s(self, refused: bool) -> float:
        self._failures += 1
        chance = random.random()  # noqa: S311 - spreads reconnects, protects nothing
        if refused:
            return self.patience.refused_wait_s * (1 + chance / 4)
        return self.patience.backoff_s(self._failures, chance)

    async def _follow(self) -> None:
        """One connection from the handshake to its end; always raises."""
        async with asyncio.timeout(self.patience.connect_timeout_s):
            reader, writer = await asyncio.open_connection(self.host, self.port)
        talk = Conversation(self.username, self._secret, self.patience, time.monotonic())
        try:
            while True:
                data = await _read(reader, talk.due() - time.monotonic())
                self._hand_on(_items_of(talk, data))
                await self._send(writer, talk)
                if data == b"":
                    raise ConnectionResetError
        finally:
            talk.log_off()
            await _farewell(writer, talk.data_to_send())

    async def _send(self, writer: asyncio.StreamWriter, talk: Conversation) -> None:
        if not (data := talk.data_to_send()):
            return
        writer.write(data)
        try:
            async with asyncio.timeout(self.patience.ping_timeout_s):
                await writer.drain()
        except TimeoutError:
            raise AmiError("the PBX does not take what we send") from None

    def _hand_on(self, items: list[Item]) -> None:
        for item in items:
            self._note(item)
            self._items.put_nowait(item)
        if self._items.qsize() > self.backlog_limit:
            raise AmiError(
                f"the reader of the stream is {self._items.qsize()} items behind; connecting anew when it has caught up"
            )

    def _note(self, item: Item) -> None:
        match item:
            case Block():
                self.block_count += 1
            case Problem():
                self.unreadable_count += 1
                log.warning("AMI %s:%s: %s", self.host, self.port, item.text)
            case Connected():
                self.connected, self._failures = True, 0
                log.info("AMI %s:%s: logged in, %s", self.host, self.port, item.banner)
            case SnapshotDone(missing=missing) if missing:
                log.warning(
                    "AMI %s:%s: calls that were already up may be missed: %s (check read= and write= in manager.conf)",
                    self.host, self.port, "; ".join(missing),
                )  # fmt: skip

    async def _reader_caught_up(self) -> None:
        if self._items.qsize() > self.backlog_limit // 2:
            self._caught_up.clear()
            await self._caught_up.wait()


def _items_of(talk: Conversation, data: bytes | None) -> list[Item]:
    """``None``: nothing came until the deadline; empty: the peer closed."""
    at, now = time.time(), time.monotonic()
    if data is None:
        return talk.tick(at=at, now=now)
    return talk.receive(data, at=at, now=now) if data else talk.end(at=at)


async def _read(reader: asyncio.StreamReader, wait_s: float) -> bytes | None:
    """Bytes, or None when none came within ``wait_s``.

    The second look is for a process that was itself held up: bytes that lie in the buffer by now have come
    in time, and a living PBX must not be taken for dead.
    """
    for limit_s in (max(wait_s, 0), 0):
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                return await reader.read(CHUNK)
    return None


async def _farewell(writer: asyncio.StreamWriter, last_words: bytes) -> None:
    """Close without waiting for a peer that may be gone."""
    with suppress(OSError, RuntimeError):
        if last_words and not writer.is_closing():
            writer.write(last_words)
        writer.close()
        async with asyncio.timeout(1):
            await writer.wait_closed()


def _one(fields: Fields, key: str) -> str:
    value = fields.get(key, "")
    return value[-1] if isinstance(value, list) else value


def _ends_list(fields: Fields) -> bool:
    """The last block of an answer: an error, or the event that closes the list (EventList is missing before 12)."""
    if "Event" not in fields:
        return _one(fields, "Response") == "Error"
    return _one(fields, "EventList").lower() == "complete" or _one(fields, "Event").endswith("Complete")


def _reason(error: Exception, patience: Patience) -> str:
    if isinstance(error, TimeoutError) and not error.args:
        return f"no connection within {patience.connect_timeout_s:g} s"
    if isinstance(error, ConnectionResetError):
        return "the PBX closed the connection"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there (is Asterisk running, and manager.conf [general] enabled=yes?)"
    return str(error) or type(error).__name__
