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
import heapq
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from streams.metrics import Metrics
from streams.pager.pace import Pace
from streams.pager.page import Notice
from streams.pager.receiver import Receiver, RefusedError, RetryError

log = logging.getLogger("sansheng.pager")

#: The longest wait before the second try and before all later ones, seconds; the wait is drawn below it.
FIRST_S, LONGEST_S = 1.0, 300.0
#: Receivers that ask for more silence than that are asked again, seconds.
AFTER_AT_MOST_S = 3600.0
#: Who is called longer than this after the alert became true was not to be called before (quiet hours, released or
#: reopened), seconds: how long that takes is counted from the call.
CALLED_LATER_S = 60.0

Outcome = Literal["sent", "refused"]
#: When it is due, its place (no two are the same, and earlier ones are smaller), and the page.
_Entry = tuple[float, int, str]


@dataclass(slots=True)
class _Waiting:
    """One page's news. ``due``: not before; ``spared``: it had its try because another page was taken.

    ``place``: of its one entry that counts, in the heap of those that were never tried or of those that failed.
    """

    due: float
    notices: deque[Notice] = field(default_factory=deque)
    tries: int = 0
    spared: bool = False
    place: int = 0


class Turns:
    """Whose turn it is. Times are seconds of any clock that only goes forward.

    Thousands of pages may wait, so nothing is looked for among all of them. A page that moves leaves its old entry
    in its heap; it is passed over when it comes up.
    """

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        """``draw``: from 0 to 1."""
        self._draw = draw
        self._pages: dict[str, _Waiting] = {}
        self._fresh: list[_Entry] = []
        self._failed: list[_Entry] = []
        self._to_spare: dict[str, None] = {}
        self._quiet_until = 0.0
        self._notices = self._spared = self._places = 0

    def __len__(self) -> int:
        return self._notices

    def put(self, notice: Notice, now: float) -> None:
        """Behind the page's other news; the same news again takes its own place, with what is newer in it."""
        page = self._pages.get(notice.page.id)
        if page is None:
            page = self._pages[notice.page.id] = _Waiting(due=now)
            self._move(notice.page.id, page, now)
        for place, waiting in enumerate(page.notices):
            if waiting.id == notice.id:
                page.notices[place] = notice
                return
        page.notices.append(notice)
        self._notices += 1

    def next(self, now: float) -> Notice | None:
        """What to tell now: pages that were never tried first, then those that have waited longest."""
        if now < self._quiet_until:
            return None
        first = next((page for page in self._firsts() if page.due <= now), None)
        return first.notices[0] if first else None

    def wait_s(self, now: float) -> float | None:
        """How long until there may be something to tell; None: until something is put."""
        due = min((page.due for page in self._firsts()), default=None)
        return None if due is None else max(due, self._quiet_until) - now

    def over(self, notice: Notice, now: float, taken: bool = False) -> None:
        """It need not be told any more. ``taken``: the receiver lives, so that others get a try."""
        name = notice.page.id
        page = self._pages[name]
        if page.notices[0] is notice:  # else something newer has taken its place meanwhile
            page.notices.popleft()
            self._notices -= 1
        self._spared -= page.spared
        self._to_spare.pop(name, None)
        page.tries, page.spared = 0, False
        if page.notices:
            self._move(name, page, now)
        else:
            del self._pages[name]
        if taken:
            self._spare(now)

    def failed(self, notice: Notice, now: float, after_s: float | None = None) -> None:
        """It is to be told again, after a wait; ``after_s``: the receiver wants to be left alone for so long."""
        name = notice.page.id
        page = self._pages[name]
        due = now + self._draw() * min(LONGEST_S, FIRST_S * 2.0 ** min(page.tries, 30))
        page.tries += 1
        self._move(name, page, due)
        if not page.spared:
            self._to_spare[name] = None
        if after_s is not None:
            self.quiet(now + min(after_s, AFTER_AT_MOST_S))

    def quiet(self, until: float) -> None:
        """Nothing is told before that."""
        self._quiet_until = max(self._quiet_until, until)

    @property
    def choked(self) -> int:
        """Pages that are not taken though others are."""
        return self._spared

    def _spare(self, now: float) -> None:
        """Those that failed get a try at once, each only one until something of it is over."""
        for name in self._to_spare:
            page = self._pages[name]
            page.spared = True
            self._move(name, page, now)
        self._spared += len(self._to_spare)
        self._to_spare.clear()

    def _move(self, name: str, page: _Waiting, due: float) -> None:
        self._places += 1
        page.due, page.place = due, self._places
        heapq.heappush(self._failed if page.tries else self._fresh, (due, page.place, name))

    def _firsts(self) -> Iterator[_Waiting]:
        """The first page of each heap; those that were never tried come first."""
        for heap in (self._fresh, self._failed):
            while heap:
                _, place, name = heap[0]
                page = self._pages.get(name)
                if page and page.place == place:
                    yield page
                    break
                heapq.heappop(heap)


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
        perhaps: Callable[[Notice], None] = lambda _notice: None,
    ) -> None:
        """``told`` is awaited once a notice, and ``wanted`` asked right before each try.

        ``perhaps``: called after each try that failed and of which the receiver may know all the same.
        """
        self._receiver, self._metrics, self._told, self._wanted = receiver, metrics, told, wanted
        self._perhaps = perhaps
        self._clock, self._steady, self._pause = world.clock, world.steady, world.pause
        self._turns, self._something = Turns(world.draw), asyncio.Event()
        self._pace = Pace(receiver.limits)
        self._why, self._since, self._refuses = "", 0.0, False
        self._called_at: dict[str, float] = {}
        for outcome in ("sent", "failed", "refused"):
            metrics.lay("sansheng_pager_deliveries_total", receiver.name, outcome)
        metrics.lay("sansheng_pager_delivery_seconds", receiver.name)
        metrics.set("sansheng_pager_receiver_up", 1, receiver.name)
        self._show_waiting()

    def put(self, notice: Notice) -> None:
        """Have it told; never waits."""
        self._turns.put(notice, self._steady())
        if notice.news == "opened":
            self._called_at.setdefault(notice.id, self._clock())
        self._something.set()
        self._show_waiting()

    def share(self, of: float, told_at: Iterable[float] = ()) -> None:
        """Keep to a part of the receiver's limits; ``told_at``: when it was told of what is ours, Unix seconds."""
        now, steady = self._clock(), self._steady()
        self._pace.share(of, steady, (steady - max(now - at, 0.0) for at in told_at))
        self._something.set()

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
            now = self._steady()
            too_soon_s = self._pace.wait_s(now)
            notice = self._turns.next(now) if too_soon_s <= 0 else None
            if notice is None:
                due_s = self._turns.wait_s(now)
                await self._pause(self._something, None if due_s is None else max(due_s, too_soon_s))
            elif self._wanted(notice):
                await self._try(notice)
            else:
                self._over(notice)
                self._forget_trouble()
                await asyncio.sleep(0)  # there may be thousands of them
            self._show_waiting()

    async def _try(self, notice: Notice) -> None:
        self._pace.sent(self._steady())
        try:
            await self._receiver.tell(notice)
        except RetryError as error:
            if error.maybe:
                self._perhaps(notice)
            self._failed(notice, str(error), error.after_s)
        except RefusedError as error:
            await self._refused(notice, str(error))
        except Exception as error:  # a receiver's fault must not end its line; the text may hold anything
            self._perhaps(notice)
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
        self._refuses = True
        await self._told(notice, "refused")
        self._over(notice)

    async def _sent(self, notice: Notice) -> None:
        name = self._receiver.name
        self._metrics.count("sansheng_pager_deliveries_total", name, "sent")
        self._observe(notice)
        self._metrics.set("sansheng_pager_receiver_up", 1, name)
        if self._why:
            log.warning("receiver %s takes messages again", name)
        self._why = ""
        await self._told(notice, "sent")
        self._over(notice, taken=True)

    def _observe(self, notice: Notice) -> None:
        """How long a call took; what is told once more because something newer came meanwhile is not one."""
        called_at = self._called_at.pop(notice.id, None)
        if called_at is None:
            return
        since = called_at if called_at - notice.page.at > CALLED_LATER_S else notice.page.at
        took_s = max(self._clock() - since, 0.0)
        self._metrics.observe("sansheng_pager_delivery_seconds", took_s, self._receiver.name)

    def _over(self, notice: Notice, taken: bool = False) -> None:
        self._called_at.pop(notice.id, None)
        self._turns.over(notice, self._steady(), taken)

    def _forget_trouble(self) -> None:
        """With nothing left to tell nobody would ever find out that the receiver is back.

        That it refused stays: somebody has to mend that.
        """
        if self._why and not self.waiting and not self._refuses:
            log.warning("receiver %s: nothing waits for it any more", self._receiver.name)
            self._why = ""
            self._metrics.set("sansheng_pager_receiver_up", 1, self._receiver.name)

    def _is_down(self, why: str) -> None:
        if not self._why:
            self._since = self._clock()
        if why != self._why:
            log.warning("receiver %s: %s", self._receiver.name, why)
        self._why, self._refuses = why, False
        self._metrics.set("sansheng_pager_receiver_up", 0, self._receiver.name)

    def _show_waiting(self) -> None:
        self._metrics.set("sansheng_pager_waiting", self.waiting, self._receiver.name)
