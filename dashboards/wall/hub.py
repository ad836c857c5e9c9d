"""Fan-out: one log of recent changes, which every browser reads at its own pace.

The naive way, a queue per browser, grows without end for a screen on a bad line. Here a browser is only a
number, the last change it was sent. Whoever falls behind the log's beginning gets a fresh snapshot instead::

    log      41 42 43 44 45 46 47        snapshot = everything as of 47
                   ▲        ▲     ▲
              slow 43   fine 46   up to date 47: a beat after BEAT_S of nothing

Owns pacing and the encoding of messages; sends nothing itself. Knows neither Kafka nor websockets.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Any, Protocol

import msgspec

from dashboards.wall.views import Change

#: Without anything else to say the browser hears from the server this often, seconds.
BEAT_S = 2.0
#: Changes are gathered for this long, seconds, before they go out together; urgent ones go at once.
GATHER_S = 0.1
#: How many changes the log holds; a browser further behind is given a snapshot.
LOG = 2000
#: A snapshot's clock may be wrong by this, seconds; the next beat sets it right.
SAME_S = 0.2

#: Changes after the first number up to the second, as they are sent.
_Encoded = tuple[int, int, bytes]
_NOTHING: _Encoded = (-1, -1, b"")

Send = Callable[[bytes], Awaitable[None]]


class Stage(Protocol):
    """What the hub asks of the wall's owner."""

    def snapshot(self) -> dict[str, Any]:
        """All that is shown now."""

    def stamp(self) -> dict[str, Any]:
        """What every message carries: ``now`` and ``last_event_at``."""


class Hub:
    """The log of changes and those who wait for it. One event loop, not thread-safe."""

    def __init__(self, stage: Stage, *, log: int = LOG, on_resync: Callable[[], None] = lambda: None) -> None:
        """``log``: changes kept; ``on_resync`` is called when a slow browser gets a snapshot."""
        self._stage, self._on_resync = stage, on_resync
        self._stream = secrets.token_hex(4)
        self._log: deque[Change] = deque(maxlen=log)
        self._n = 0
        self._told = 0  # the browsers have been woken for changes up to this one
        self._bell = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._encoded = _NOTHING
        self._snapshot: tuple[tuple[str, int, float], bytes] = (("", -1, 0.0), b"")

    def publish(self, changes: Iterable[Change]) -> None:
        """Put consecutive changes into the log and see that they go out."""
        urgent = False
        for change in changes:
            self._log.append(change)
            self._n = change.n
            urgent = urgent or change.urgent
        if urgent:
            self._ring()
        elif self._n > self._told and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._ring)

    def restart(self, n: int) -> None:
        """Forget the log: every browser gets a snapshot, which is as of change ``n``."""
        self._log.clear()
        self._stream, self._n, self._encoded = secrets.token_hex(4), n, _NOTHING
        self._ring()

    @property
    def stream(self) -> str:
        """The name of this numbering."""
        return self._stream

    async def feed(self, send: Send, stream: str = "", n: int = -1) -> None:
        """Tell one browser everything after change ``n`` of ``stream``, which it says it has seen, or else a snapshot
        and everything after that, until it is cancelled or ``send`` raises; ``send`` may block.
        """
        if stream != self._stream or not self._reaches(n):
            stream, n = "", -1
        while True:
            message = self._next(stream, n)
            stream, n = self._stream, self._n
            await send(message)
            await self._news(stream, n)

    async def _news(self, stream: str, n: int) -> None:
        if stream == self._stream and self._told <= n:
            bell = self._bell
            try:
                async with asyncio.timeout(BEAT_S):
                    await bell.wait()
            except TimeoutError:
                pass

    def _ring(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer, self._told = None, self._n
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    def _next(self, stream: str, n: int) -> bytes:
        """The message for a browser that has seen change ``n`` of ``stream``."""
        if stream != self._stream or not self._reaches(n):
            if stream == self._stream:
                self._on_resync()
            return self._whole()
        if n == self._n:
            return self._say("beat", n=n)
        if self._encoded[:2] != (n, self._n):
            self._encoded = (n, self._n, self._changes(n))
        return self._encoded[2]

    def _reaches(self, n: int) -> bool:
        """Whether the log can tell all that came after change ``n``."""
        return self._n - len(self._log) <= n <= self._n

    def _whole(self) -> bytes:
        """When everybody wants it at once, after trouble, it is made once."""
        key = (self._stream, self._n, asyncio.get_running_loop().time() // SAME_S)
        if self._snapshot[0] != key:
            self._snapshot = (key, self._say("snapshot", stream=self._stream, n=self._n, **self._stage.snapshot()))
        return self._snapshot[1]

    def _changes(self, n: int) -> bytes:
        """What changed after ``n``, each thing once, as it is now."""
        newest = {(c.kind, c.id): c for c in islice(self._log, len(self._log) - (self._n - n), None)}
        put: dict[str, Any] = {}
        gone: dict[str, list[str]] = {}
        for change in newest.values():
            if change.view is None:
                gone.setdefault(change.kind, []).append(change.id)
            elif change.id:
                put.setdefault(change.kind, []).append(change.view)
            else:
                put[change.kind] = change.view
        return self._say("change", after=n, n=self._n, set=put, gone=gone)

    def _say(self, kind: str, **what: Any) -> bytes:
        return msgspec.json.encode({"type": kind, **self._stage.stamp(), **what})
