"""One browser on the websocket, from its greeting to its end (protocol 3, ``docs/wall.md``).

Owns the order of things, how much a browser may ask at once, and close codes. What is answered comes from elsewhere::

    hello ─▶ welcome ─▶ ┬ feed: snapshot, changes, beats     (the hub's pace, the browser's own)
                        ├ listen: ask ─▶ answer, act ─▶ done (each its own task, acts on one alert in order)
                        └ follow: lines                     (one call at a time)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, aclosing
from functools import partial
from typing import Any, Protocol
from weakref import WeakValueDictionary

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from dashboards.wall.access import Scope, User, rights_of, scope_of, teams_of
from dashboards.wall.acts import Acts, Problem
from dashboards.wall.boards import Mode
from dashboards.wall.crowd import FullError
from dashboards.wall.entrance import REFUSE_AFTER_S
from dashboards.wall.hub import Hub
from dashboards.wall.protocol import Act, Ask, Find, Follow, Hello, Pace, Quiet, Said, parse, parse_hello
from dashboards.wall.reading import Reading
from streams.settings import Team

log = logging.getLogger(__name__)

#: Close codes; 1001 is the server's own end, 1009 a message that is too long.
NOT_ALLOWED, UNEXPECTED, FULL, AGAIN = 4401, 4400, 4429, 4408
#: A browser shows who it is this often, seconds: somebody whom the proxy lets in no longer is out by then.
LASTS_S = 8 * 3600.0
#: The greeting comes soon, seconds.
HELLO_S = 5.0
#: Questions of one browser that are being answered at the same time; more are "busy".
MOST_AT_ONCE = 4
#: Of what it does: all that ``Pace`` lets through while a broker that does not answer is waited for; more are "busy".
MOST_ACTS = 60
#: Who turns from call to call sooner than this, seconds, waits for the next one's lines: each costs a read.
FOLLOW_EVERY_S = 1.0


#: Begun only within its task, which may be cancelled before.
Work = Callable[[], Coroutine[Any, Any, None]]
#: What counts a browser while it is connected.
Inside = Callable[[User, Mode], AbstractContextManager[None]]


class TurnedAway(Exception):  # noqa: N818 - no error of ours
    """The browser is to go, with that close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        """``reason`` is a label of the metric, and never personal."""
        super().__init__(reason)
        self.code, self.reason = code, reason


class Place(Protocol):
    """What a session needs of the wall: who stands behind a ticket, and where they look."""

    teams: Mapping[str, Team]
    acts: Acts
    reading: Reading

    def take_ticket(self, ticket: str) -> User | None:
        """Whose ticket it is, once."""

    def seat(self, mode: Mode, scope: Scope) -> AbstractContextManager[Hub]:
        """The board of that mode and scope, for as long as somebody looks."""

    def stamp(self) -> dict[str, Any]:
        """``now`` and ``last_event_at``."""

    def count(self, name: str, *labels: str) -> None:
        """Add to a metric."""


class Session:
    """One browser."""

    def __init__(self, socket: ServerConnection, place: Place) -> None:
        """``socket``: after the handshake."""
        self._socket, self._place = socket, place
        self._answering: set[asyncio.Task[None]] = set()
        self._doing: set[asyncio.Task[None]] = set()
        self._in_order: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._follow: asyncio.Task[None] | None = None
        self._follows: set[asyncio.Task[None]] = set()  # the present one, and those that have not ended yet
        self._followed_at = float("-inf")
        self._user: User
        self._scope: Scope

    async def run(self, greeting: AbstractContextManager[None], inside: Inside) -> None:
        """Until the browser goes, or is turned away. ``greeting`` is entered while it says who it is, ``inside`` while
        it is connected; each raises FullError where there is no place.
        """
        try:
            with greeting:
                hello = await self._greeted()
            with inside(self._user, hello.mode):
                await self._serve(hello)
        except TurnedAway as away:
            await self._turn_away(away.code, away.reason)
        except FullError:
            await self._turn_away(FULL, "full")
        except ConnectionClosed:
            pass

    async def _turn_away(self, code: int, reason: str) -> None:
        self._place.count("sansheng_wall_refused_total", reason)
        await self._socket.close(code, reason)

    async def _greeted(self) -> Hello:
        """Raises TurnedAway where nobody may come in so."""
        try:
            async with asyncio.timeout(HELLO_S):
                hello = parse_hello(await self._socket.recv())
        except (TimeoutError, msgspec.MsgspecError, UnicodeDecodeError):
            hello = None
        user = self._place.take_ticket(hello.ticket) if hello else None
        if hello is None or user is None:
            await asyncio.sleep(REFUSE_AFTER_S)
            raise TurnedAway(NOT_ALLOWED, "ticket")
        if hello.mode == "desk" and not user.sees_pages:
            raise TurnedAway(NOT_ALLOWED, "role")
        self._user = user
        return hello

    async def _serve(self, hello: Hello) -> None:
        teams = self._place.teams
        self._scope = scope_of(self._user, teams, hello.team)
        await self._tell(
            "welcome",
            you=self._user,
            can=rights_of(self._user),
            teams=teams_of(self._user, teams),
            team=hello.team if self._scope.name == hello.team else "",
            queues=sorted(scope_of(self._user, teams).queues),
        )
        with self._place.seat(hello.mode, self._scope) as hub:
            feed = asyncio.create_task(hub.feed(self._send, hello.stream, hello.n))
            listen = asyncio.create_task(self._listen())
            try:
                done, _ = await asyncio.wait({feed, listen}, timeout=LASTS_S, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # the browser has gone, most of the time
                await self._socket.close(AGAIN, "again")
            finally:
                await _end({feed, listen, *self._answering, *self._doing, *self._follows})

    async def _listen(self) -> None:
        pace = Pace(time.monotonic())
        while True:
            message = await self._socket.recv()
            if not pace.allows(time.monotonic()):
                raise TurnedAway(UNEXPECTED, "rate")
            try:
                said = parse(message)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raise TurnedAway(UNEXPECTED, "unexpected") from None
            await self._hear(said)

    async def _hear(self, said: Said) -> None:
        if isinstance(said, Follow):
            self._turn_to(said.call)
        elif isinstance(said, Ask | Find):
            await self._hear_question(said)
        else:
            await self._hear_act(said)

    async def _hear_question(self, ask: Ask | Find) -> None:
        if len(self._answering) < MOST_AT_ONCE:
            _begin(partial(self._answer, ask), self._answering)
        else:
            await self._answered(ask, "busy")

    async def _hear_act(self, act: Act | Quiet) -> None:
        if len(self._doing) < MOST_ACTS:
            _begin(partial(self._do, act), self._doing)
        else:
            await self._done(act, "busy")

    async def _answer(self, ask: Ask | Find) -> None:
        reading = self._place.reading
        answer = await (reading.page(self._user, ask) if isinstance(ask, Ask) else reading.find(self._user, ask))
        await self._answered(ask, answer)

    async def _answered(self, ask: Ask | Find, answer: Any) -> None:
        """``answer``: the page, or the problem."""
        self._place.count("sansheng_wall_pages_total", _what(ask), answer if isinstance(answer, str) else "shown")
        await self._tell("answer", ask=ask.ask, **{"problem" if isinstance(answer, str) else "page": answer})

    async def _do(self, said: Act | Quiet) -> None:
        in_order = self._in_order.setdefault(_concerns(said), asyncio.Lock())  # gone with the last who holds it
        async with in_order:  # who claims and then resolves means it so
            acts = self._place.acts
            problem = await (acts.act(self._user, said) if isinstance(said, Act) else acts.snooze(self._user, said))
        await self._done(said, problem)

    async def _done(self, said: Act | Quiet, problem: Problem | None) -> None:
        action = said.action if isinstance(said, Act) else "snoozed"
        self._place.count("sansheng_wall_acts_total", action, problem or "done")
        await self._tell("done", act=said.act, **({"problem": problem} if problem else {}))

    def _turn_to(self, call: str) -> None:
        """The one before is told to end, and not waited for: it may be leaving a broker that does not answer."""
        if self._follow:
            self._follow.cancel()
            self._follow = None
        if call:
            self._follow = asyncio.create_task(_guarded(partial(self._lines, call)))
            self._follows.add(self._follow)
            self._follow.add_done_callback(self._follows.discard)

    async def _lines(self, call: str) -> None:
        await asyncio.sleep(self._followed_at + FOLLOW_EVERY_S - time.monotonic())
        self._followed_at = time.monotonic()
        async with aclosing(self._place.reading.follow(self._user, call)) as told:
            async for lines in told:
                await self._tell("lines", call=call, **lines)

    async def _tell(self, kind: str, **what: Any) -> None:
        await self._send(msgspec.json.encode({"type": kind, **self._place.stamp(), **what}))

    async def _send(self, message: bytes) -> None:
        """Blocks while the browser does not read."""
        await self._socket.send(message, text=True)


def _what(said: Ask | Find) -> str:
    return said.what if isinstance(said, Ask) else "find"


def _concerns(said: Act | Quiet) -> tuple[str, str]:
    """The alert, or the rule and queue: what else is done goes its own way, however slow the broker is."""
    return ("alert", said.alert) if isinstance(said, Act) else (said.rule, said.queue)


def _begin(work: Work, tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.create_task(_guarded(work))
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _guarded(work: Work) -> None:
    """What goes wrong beside the feed ends nothing else; the browser asks again."""
    try:
        await work()
    except ConnectionClosed:
        pass
    except Exception as error:  # its text may hold what is personal
        log.error("a browser was not answered: %s", type(error).__name__)


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
