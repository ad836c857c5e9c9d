"""The line before one receiver: who is told next, and when again after a no.

Each receiver has its own, so that a dead one delays nobody else. Within a line each page has its own queue: its news
stay in order, and a page that the receiver chokes on keeps no other page waiting. ``Turns`` decides, without a clock;
``Line`` tells.

A page that failed waits for a back-off of its own, and gets one try more as soon as another page is taken: then it was
the receiver that had been away, and nobody is to wait five minutes for that. What asks to be left alone (Retry-After)
is left alone by all pages.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from streams.metrics import Metrics
from streams.pager.page import Notice
from streams.pager.receiver import Receiver, RefusedError, RetryError
from streams.pager.receivers.pace import PacedError

log = logging.getLogger("sansheng.pager")

#: The longest wait before the second try and before all later ones, seconds; the wait is drawn below it.
FIRST_S, LONGEST_S = 1.0, 300.0
#: Receivers that ask for more silence than that are asked again, seconds.
AFTER_AT_MOST_S = 3600.0

Outcome = Literal["sent", "refused"]


@dataclass(slots=True)
class _Waiting:
    """One page's news. ``due``: not before; ``spared``: it had its try because another page was taken."""

    due: float
    notices: deque[Notice] = field(default_factory=deque)
    tries: int = 0
    spared: bool = False


class Turns:
    """Whose turn it is. Times are seconds of any clock that only goes forward."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        """``draw``: from 0 to 1."""
        self._draw = draw
        self._pages: dict[str, _Waiting] = {}
        self._quiet_until = 0.0

    def __len__(self) -> int:
        return sum(len(page.notices) for page in self._pages.values())

    def put(self, notice: Notice, now: float) -> None:
        """Behind the page's other news; the same news again takes its own place, with what is newer in it."""
        page = self._pages.setdefault(notice.page.id, _Waiting(due=now))
        for place, waiting in enumerate(page.notices):
            if waiting.id == notice.id:
                page.notices[place] = notice
                return
        page.notices.append(notice)

    def next(self, now: float) -> Notice | None:
        """What to tell now: pages that were never tried first, then those that have waited longest."""
        if now < self._quiet_until:
            return None
        due = [page for page in self._pages.values() if page.due <= now]
        return min(due, key=lambda page: (page.tries > 0, page.due)).notices[0] if due else None

    def wait_s(self, now: float) -> float | None:
        """How long until there may be something to tell; None: until something is put."""
        if not self._pages:
            return None
        return max(min(page.due for page in self._pages.values()), self._quiet_until) - now

    def over(self, notice: Notice, now: float, taken: bool = False) -> None:
        """It need not be told any more. ``taken``: the receiver lives, so that others get a try."""
        page = self._pages[notice.page.id]
        if page.notices[0] is notice:  # else something newer has taken its place meanwhile
            page.notices.popleft()
        page.due, page.tries, page.spared = now, 0, False
        if not page.notices:
            del self._pages[notice.page.id]
        for other in self._pages.values() if taken else ():
            if other.tries and not other.spared:
                other.due, other.spared = now, True

    def failed(self, notice: Notice, now: float, after_s: float | None = None) -> None:
        """It is to be told again, after a wait; ``after_s``: the receiver wants to be left alone for so long."""
        page = self._pages[notice.page.id]
        page.due = now + self._draw() * min(LONGEST_S, FIRST_S * 2.0 ** min(page.tries, 30))
        page.tries += 1
        if after_s is not None:
            self.quiet(now + min(after_s, AFTER_AT_MOST_S))

    def quiet(self, until: float) -> None:
        """Nothing is told before that."""
        self._quiet_until = max(self._quiet_until, until)

    @property
    def choked(self) -> int:
        """Pages that are not taken though others are."""
        return sum(page.spared for page in self._pages.values())


async def _pause(something: asyncio.Event, for_s: float | None) -> None:
    """Until there is something new, at most for so long."""
    try:
        async with asyncio.timeout(for_s):
            await something.wait()
    except TimeoutError:
        return


class World(NamedTuple):
    """Time and chance. ``clock``: Unix seconds; ``steady``: only goes forward; ``draw``: from 0 to 1."""

    clock: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    pause: Callable[[asyncio.Event, float | None], Awaitable[None]] = _pause


OURS = World()


class Line:
    """Tells one receiver, one notice after the other, until each is taken, refused or not wanted any more."""

    def __init__(
        self,
        receiver: Receiver,
        metrics: Metrics,
        told: Callable[[Notice, Outcome], Awaitable[None]],
        wanted: Callable[[Notice], bool],
        world: World = OURS,
    ) -> None:
        """``told`` is awaited once a notice, and ``wanted`` asked right before each try."""
        self._receiver, self._metrics, self._told, self._wanted = receiver, metrics, told, wanted
        self._clock, self._steady, self._pause = world.clock, world.steady, world.pause
        self._turns, self._something = Turns(world.draw), asyncio.Event()
        self._why, self._since = "", 0.0
        for outcome in ("sent", "failed", "refused"):
            metrics.count("sansheng_pager_deliveries_total", receiver.name, outcome, by=0)
        metrics.set("sansheng_pager_receiver_up", 1, receiver.name)
        self._show_waiting()

    def put(self, notice: Notice) -> None:
        """Have it told; never waits."""
        self._turns.put(notice, self._steady())
        self._something.set()
        self._show_waiting()

    @property
    def waiting(self) -> int:
        """Notices that wait."""
        return len(self._turns)

    @property
    def trouble(self) -> str:
        """What is wrong, since when, and how many wait; empty while it works."""
        name, waiting = self._receiver.name, f"{self.waiting} waiting"
        if self._why:
            since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self._since))
            return f"receiver {name}: {self._why}; since {since}, {waiting}"
        choked = self._turns.choked
        return f"receiver {name}: takes all pages but {choked}; {waiting}" if choked else ""

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            self._something.clear()
            notice = self._turns.next(self._steady())
            if notice is None:
                await self._pause(self._something, self._turns.wait_s(self._steady()))
            elif self._wanted(notice):
                await self._try(notice)
            else:
                self._turns.over(notice, self._steady())
                await asyncio.sleep(0)  # there may be thousands of them
            self._show_waiting()

    async def _try(self, notice: Notice) -> None:
        try:
            await self._receiver.tell(notice)
        except PacedError as error:
            self._turns.quiet(self._steady() + error.after_s)
        except RetryError as error:
            self._failed(notice, str(error), error.after_s)
        except RefusedError as error:
            await self._refused(notice, str(error))
        except Exception as error:  # a receiver's fault must not end its line; the text may hold anything
            self._failed(notice, f"the pager's own fault, {type(error).__name__}", None)
        else:
            await self._sent(notice)

    def _failed(self, notice: Notice, why: str, after_s: float | None) -> None:
        self._metrics.count("sansheng_pager_deliveries_total", self._receiver.name, "failed")
        self._turns.failed(notice, self._steady(), after_s)
        self._is_down(why)

    async def _refused(self, notice: Notice, why: str) -> None:
        self._metrics.count("sansheng_pager_deliveries_total", self._receiver.name, "refused")
        log.error("receiver %s refuses %s for ever: %s", self._receiver.name, notice.id, why)
        self._is_down(f"refused the last message: {why}")
        await self._told(notice, "refused")
        self._turns.over(notice, self._steady())

    async def _sent(self, notice: Notice) -> None:
        name = self._receiver.name
        self._metrics.count("sansheng_pager_deliveries_total", name, "sent")
        if notice.news == "opened":
            took_s = max(self._clock() - notice.page.at, 0.0)
            self._metrics.observe("sansheng_pager_delivery_seconds", took_s, name)
        self._metrics.set("sansheng_pager_receiver_up", 1, name)
        if self._why:
            log.warning("receiver %s takes messages again", name)
        self._why = ""
        await self._told(notice, "sent")
        self._turns.over(notice, self._steady(), taken=True)

    def _is_down(self, why: str) -> None:
        if not self._why:
            self._since = self._clock()
        if why != self._why:
            log.warning("receiver %s: %s", self._receiver.name, why)
        self._why = why
        self._metrics.set("sansheng_pager_receiver_up", 0, self._receiver.name)

    def _show_waiting(self) -> None:
        self._metrics.set("sansheng_pager_waiting", self.waiting, self._receiver.name)
