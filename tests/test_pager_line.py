"""The line before a receiver: order, back-off, Retry-After, and that nothing keeps anything else waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import SecretStr

from streams.metrics import Metrics
from streams.pager.line import CALLED_LATER_S, FIRST_S, LONGEST_S, Line, Turns, World
from streams.pager.pace import Limit
from streams.pager.page import News, Notice
from streams.pager.receiver import Receiver, RefusedError, RetryError
from streams.pager.receivers import receivers
from streams.settings import PagerSettings, ReceiverSettings, Settings
from tests.pager_receiver import CUT, HANG, TOKEN, PagerReceiver, answer
from tests.pager_tools import PAGE

AT = PAGE.at


def notice(page: str = "a1", news: News = "opened", level: int = 1, at: float = AT) -> Notice:
    return Notice(page=replace(PAGE, id=page, link=f"http://w/alerts/{page}"), news=news, level=level, at=at)


class Scripted:
    """A receiver that does as it is told; what it took is in ``got``."""

    name, repeats_s, tells = "scripted", 0.0, frozenset({"opened", "resolved"})
    limits: tuple[Limit, ...] = ()

    def __init__(self, does: Callable[[Notice, int], Exception | None]) -> None:
        """``does``: what to raise, by the notice and the number of the try."""
        self.does, self.got, self.tried = does, [], []

    async def tell(self, notice: Notice) -> None:
        self.tried.append(notice.id)
        await asyncio.sleep(0)
        if error := self.does(notice, self.tried.count(notice.id)):
            raise error
        self.got.append(notice.id)

    async def close(self) -> None:
        pass


class Clock:
    """Time that goes only where the line waits; ``waits`` are the lengths of its pauses."""

    def __init__(self, draw: float = 1.0) -> None:
        self.now, self.waits, self._draw = 1000.0, [], draw

    @property
    def world(self) -> World:
        return World(lambda: AT + self.now - 1000, lambda: self.now, lambda: self._draw, self.pause)

    async def pause(self, something: asyncio.Event, for_s: float | None) -> None:
        if for_s is None:
            await something.wait()
            return
        await asyncio.sleep(0)
        if not something.is_set():
            self.waits.append(round(for_s, 3))
            self.now += for_s


async def _really(something: asyncio.Event, for_s: float | None) -> None:
    """A pause of the clock on the wall."""
    with suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            await something.wait()


class Running:
    """A line that runs, with what it told and its metrics."""

    def __init__(self, receiver: Receiver, clock: Clock, wanted: Callable[[Notice], bool] = lambda _: True) -> None:
        self.told: list[tuple[str, str]] = []
        self.troubles: list[str] = []
        self.perhaps: list[str] = []
        self.metrics = Metrics("pager")
        unsure: Callable[[Notice], None] = lambda notice: self.perhaps.append(notice.id)  # noqa: E731
        self.line = Line(receiver, self.metrics, self._take, wanted, clock.world, unsure)

    async def _take(self, notice: Notice, outcome: str) -> None:
        self.told.append((notice.id, outcome))
        self.troubles.append(self.line.trouble)

    async def until(self, so: Callable[[], object], timeout_s: float = 20) -> None:
        async with asyncio.timeout(timeout_s):
            while not so():  # noqa: ASYNC110 - what it waits for is no event of ours
                await asyncio.sleep(0.001)

    def value(self, name: str, *labels: str) -> float | None:
        keys = ("receiver", "outcome")[: len(labels)]
        return self.metrics.registry.get_sample_value(name, dict(zip(keys, labels, strict=True)))


@asynccontextmanager
async def running(
    receiver: Receiver, clock: Clock | None = None, wanted: Callable[[Notice], bool] = lambda _: True
) -> AsyncIterator[Running]:
    made = Running(receiver, clock or Clock(), wanted)
    task = asyncio.create_task(made.line.run())
    try:
        yield made
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await receiver.close()


def webhook(url: str, timeout_s: float = 5, secret: str = "") -> Receiver:
    one = ReceiverSettings(
        name="duty", kind="webhook", url=SecretStr(url), secret=SecretStr(secret), timeout_s=timeout_s
    )
    return receivers(Settings(pager=PagerSettings(receivers=(one,))))["duty"]


# --------------------------------------------------------------------------------------- whose turn it is


def test_the_news_of_a_page_stay_in_order_and_pages_in_theirs() -> None:
    turns, told = Turns(), []
    for one in (notice("a"), notice("b"), notice("a", "resolved"), notice("c")):
        turns.put(one, 0.0 if one.page.id == "a" else 1.0)
    while one := turns.next(2.0):
        told.append(one.id)
        turns.over(one, 2.0, taken=True)
    assert told == ["a.opened.1", "b.opened.1", "c.opened.1", "a.resolved.1"]
    assert turns.wait_s(2.0) is None
    assert len(turns) == 0


def test_waits_double_from_a_second_to_five_minutes() -> None:
    turns, one, now, waits = Turns(lambda: 1.0), notice(), 0.0, []
    turns.put(one, now)
    for _ in range(12):
        assert turns.next(now) is one
        turns.failed(one, now)
        waits.append(turns.wait_s(now))
        assert turns.next(now + waits[-1] - 0.001) is None
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_the_wait_is_drawn_from_nothing_to_the_whole(draws: list[float]) -> None:
    given_draws = iter(draws)
    turns, one = Turns(lambda: next(given_draws)), notice()
    turns.put(one, 0.0)
    for tries, drawn in enumerate(draws):
        turns.failed(one, 0.0)
        assert turns.wait_s(0.0) == pytest.approx(drawn * min(LONGEST_S, FIRST_S * 2**tries))


@pytest.mark.parametrize(("asked_s", "kept_s"), [(7.0, 7.0), (0.0, 1.0), (3600.0, 3600.0), (86_400.0, 3600.0)])
def test_silence_that_is_asked_for_is_kept_by_all_pages_for_an_hour_at_most(asked_s: float, kept_s: float) -> None:
    turns = Turns(lambda: 1.0)
    turns.put(notice("a"), 0.0)
    turns.failed(notice("a"), 0.0, asked_s)
    assert turns.wait_s(0.0) == kept_s
    if asked_s:
        turns.put(notice("b"), 0.0)
        assert turns.next(kept_s - 0.001) is None
        assert turns.next(kept_s).page.id == "b"


def test_a_page_has_one_try_more_when_another_is_taken_and_only_one() -> None:
    turns, a, b = Turns(lambda: 1.0), notice("a"), notice("b")
    turns.put(a, 0.0)
    for _ in range(5):
        turns.failed(a, 0.0)  # the next try would be at 16
    turns.put(b, 1.0)
    assert turns.next(1.0) is b
    turns.over(b, 1.0, taken=True)
    assert turns.next(1.0) is a
    assert turns.choked == 1
    turns.failed(a, 1.0)
    turns.put(b, 2.0)
    turns.over(b, 2.0, taken=True)
    assert turns.next(2.0) is None
    assert turns.wait_s(2.0) == 31


def test_a_page_that_was_never_tried_goes_before_those_that_failed() -> None:
    turns = Turns(lambda: 1.0)
    turns.put(notice("a"), 0.0)
    turns.failed(notice("a"), 0.0)  # due again at 1
    turns.put(notice("b"), 5.0)
    assert turns.next(5.0).page.id == "b"


def test_the_same_news_again_is_told_once_with_what_is_newer() -> None:
    turns = Turns()
    for at in (1.0, 2.0, 3.0):
        turns.put(notice(news="still", at=AT + at), at)
    assert len(turns) == 1
    assert turns.next(3.0).at == AT + 3
    telling = turns.next(3.0)
    turns.put(notice(news="still", at=AT + 4), 4.0)  # while it is being told
    turns.over(telling, 4.0, taken=True)
    assert turns.next(4.0).at == AT + 4


class Plainly:
    """Turns as their words say, page by page; slow."""

    def __init__(self) -> None:
        self.pages: dict[str, dict[str, Any]] = {}

    def put(self, one: Notice, now: float) -> None:
        page = self.pages.setdefault(one.page.id, {"due": now, "tries": 0, "spared": False, "ids": []})
        if one.id not in page["ids"]:
            page["ids"].append(one.id)

    def next(self, now: float) -> tuple[tuple[bool, float], set[str]] | None:
        """How urgent the first one is, and all that are as urgent."""
        due = {name: (page["tries"] > 0, page["due"]) for name, page in self.pages.items() if page["due"] <= now}
        first = min(due.values(), default=None)
        return first and (first, {self.pages[name]["ids"][0] for name, when in due.items() if when == first})

    def over(self, one: Notice, now: float, taken: bool) -> None:
        page = self.pages[one.page.id]
        page["ids"].remove(one.id)
        page.update(due=now, tries=0, spared=False)
        if not page["ids"]:
            del self.pages[one.page.id]
        for other in self.pages.values() if taken else ():
            if other["tries"] and not other["spared"]:
                other.update(due=now, spared=True)

    def failed(self, one: Notice, now: float) -> None:
        page = self.pages[one.page.id]
        page["due"] = now + min(LONGEST_S, FIRST_S * 2.0 ** page["tries"])
        page["tries"] += 1


_STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abcdef"), st.sampled_from(["opened", "claimed", "resolved"])),
    st.tuples(st.sampled_from(["taken", "unwanted", "failed"])),
    st.tuples(st.just("later"), st.floats(0, 40)),
)


@given(st.lists(_STEPS, min_size=40, max_size=80))
def test_turns_are_as_their_words_say(steps: list[tuple[Any, ...]]) -> None:
    turns, plainly, now = Turns(lambda: 1.0), Plainly(), 0.0
    for what, *more in steps:
        first = turns.next(now)
        if what == "put":
            turns.put(notice(*more), now)
            plainly.put(notice(*more), now)
        elif what == "later":
            now += more[0]
        elif first and what == "failed":
            turns.failed(first, now)
            plainly.failed(first, now)
        elif first:
            turns.over(first, now, taken=what == "taken")
            plainly.over(first, now, taken=what == "taken")
        wanted, found = plainly.next(now), turns.next(now)
        assert found is None if wanted is None else found and found.id in wanted[1]
        assert len(turns) == sum(len(page["ids"]) for page in plainly.pages.values())
        assert turns.choked == sum(page["spared"] for page in plainly.pages.values())
        dues = [page["due"] for page in plainly.pages.values()]
        assert turns.wait_s(now) == (min(dues) - now if dues else None)


def test_thousands_of_pages_take_no_longer_each_than_a_few() -> None:
    """20 000 that failed once, of which every one is then taken: looked for among all, that is minutes."""
    turns, notices = Turns(), [notice(f"p{number}") for number in range(20_000)]
    begun = time.process_time()
    for one in notices:
        turns.put(one, 0.0)
        turns.failed(one, 0.0)
        assert len(turns)
    taken = 0
    while one := turns.next(1000.0):
        turns.over(one, 1000.0, taken=True)
        taken += 1
    assert taken == 20_000
    assert time.process_time() - begun < 5


# ----------------------------------------------------------------------------------------------- telling


async def test_a_page_that_is_choked_on_keeps_no_other_waiting() -> None:
    receiver = Scripted(lambda one, _: RetryError("no") if one.page.id == "bad" else None)
    async with running(receiver, Clock()) as ran:
        ran.line.put(notice("bad"))
        for number in range(50):
            ran.line.put(notice(f"p{number}"))
            ran.line.put(notice(f"p{number}", "resolved"))
        await ran.until(lambda: len(receiver.got) == 100)
        assert receiver.got.index("p7.opened.1") < receiver.got.index("p7.resolved.1")
        assert ran.line.waiting == 1
        assert any(trouble.startswith("receiver scripted: takes all pages but 1; ") for trouble in ran.troubles)
        assert ran.value("sansheng_pager_deliveries_total", "scripted", "sent") == 100
        assert ("bad.opened.1", "sent") not in ran.told


async def test_each_notice_is_told_of_once_and_the_back_off_begins_anew() -> None:
    receiver = Scripted(lambda _, tries: RetryError("busy") if tries <= 3 else None)
    clock = Clock()
    async with running(receiver, clock) as ran:
        ran.line.put(notice())
        ran.line.put(notice(news="resolved"))
        await ran.until(lambda: len(ran.told) == 2)
        assert ran.told == [("a1.opened.1", "sent"), ("a1.resolved.1", "sent")]
        assert clock.waits == [1, 2, 4, 1, 2, 4]
        assert ran.value("sansheng_pager_deliveries_total", "scripted", "failed") == 6
        assert ran.value("sansheng_pager_delivery_seconds_count", "scripted") == 1
        assert ran.value("sansheng_pager_delivery_seconds_sum", "scripted") == 7


async def test_what_is_not_wanted_any_more_is_not_told() -> None:
    over: set[str] = set()
    receiver = Scripted(lambda *_: over.add("a1") or RetryError("down"))
    async with running(receiver, wanted=lambda one: one.page.id not in over) as ran:
        ran.line.put(notice())
        await ran.until(lambda: ran.line.waiting == 0)
        assert receiver.tried == ["a1.opened.1"]
        assert ran.told == []


async def test_trouble_ends_when_nothing_waits_for_the_receiver() -> None:
    """Nobody would ever find out that it is back."""
    over: set[str] = set()
    receiver = Scripted(lambda *_: RetryError("HTTP 500"))
    async with running(receiver, wanted=lambda one: one.page.id not in over) as ran:
        ran.line.put(notice("a"))
        ran.line.put(notice("b"))
        await ran.until(lambda: {"a.opened.1", "b.opened.1"} <= set(receiver.tried))
        over.add("a")
        await ran.until(lambda: ran.line.waiting == 1)
        assert ran.line.trouble.startswith("receiver scripted: HTTP 500; since ")
        assert ran.value("sansheng_pager_receiver_up", "scripted") == 0
        over.add("b")
        await ran.until(lambda: ran.line.waiting == 0)
        await ran.until(lambda: not ran.line.trouble)
        assert ran.value("sansheng_pager_receiver_up", "scripted") == 1


async def test_that_it_refused_stays_though_nothing_waits() -> None:
    """The key is wrong whether or not there is anything to tell."""
    receiver = Scripted(lambda *_: RefusedError("the key is wrong (look at its url)"))
    async with running(receiver, wanted=lambda one: one.page.id == "a") as ran:
        ran.line.put(notice("a"))
        await ran.until(lambda: ran.told)
        ran.line.put(notice("b"))
        await ran.until(lambda: ran.line.waiting == 0)
        assert "the key is wrong" in ran.line.trouble
        assert ran.value("sansheng_pager_receiver_up", "scripted") == 0


@pytest.mark.parametrize(
    ("no", "is_unsure"),
    [
        (RetryError("no answer within 10 s", maybe=True), True),
        (KeyError("a fault of ours, wherever it was"), True),
        (RetryError("HTTP 429", 3.0), False),
        (RefusedError("the key is wrong (look at its url)"), False),
    ],
)
async def test_it_is_said_what_may_have_been_taken(no: Exception, is_unsure: bool) -> None:
    receiver = Scripted(lambda _, tries: no if tries == 1 else None)
    async with running(receiver) as ran:
        ran.line.put(notice())
        await ran.until(lambda: ran.told)
        assert ran.perhaps == ["a1.opened.1"] * is_unsure


@pytest.mark.parametrize(
    ("called_after_s", "took_s"), [(2.0, 9.0), (CALLED_LATER_S, CALLED_LATER_S + 7), (8 * 3600.0, 7.0)]
)
async def test_hours_in_which_nobody_was_to_be_called_do_not_count(called_after_s: float, took_s: float) -> None:
    receiver = Scripted(lambda _, tries: RetryError("busy") if tries <= 3 else None)  # 1, 2 and 4 s
    clock = Clock()
    clock.now += called_after_s
    async with running(receiver, clock) as ran:
        assert ran.value("sansheng_pager_delivery_seconds_count", "scripted") == 0
        ran.line.put(notice())
        await ran.until(lambda: ran.told)
        assert ran.value("sansheng_pager_delivery_seconds_sum", "scripted") == pytest.approx(took_s)
        assert ran.value("sansheng_pager_delivery_seconds_count", "scripted") == 1


async def test_what_was_put_off_counts_from_when_it_is_called_again() -> None:
    held = [False]
    receiver = Scripted(lambda *_: RetryError("down") if not clock.now > 20_000 else None)
    clock = Clock()
    async with running(receiver, clock, wanted=lambda _: not held[0]) as ran:
        ran.line.put(notice())
        await ran.until(lambda: receiver.tried)
        held[0] = True  # quiet hours
        await ran.until(lambda: ran.line.waiting == 0)
        held[0], clock.now = False, 30_000.0
        ran.line.put(notice())
        await ran.until(lambda: ran.told)
        assert ran.value("sansheng_pager_delivery_seconds_sum", "scripted") == 0
        assert ran.value("sansheng_pager_delivery_seconds_count", "scripted") == 1


async def test_a_refusal_is_told_and_the_line_goes_on() -> None:
    receiver = Scripted(
        lambda one, _: RefusedError("the key is wrong (look at its url)") if one.page.id == "a" else None
    )
    async with running(receiver) as ran:
        assert ran.value("sansheng_pager_receiver_up", "scripted") == 1
        assert ran.value("sansheng_pager_deliveries_total", "scripted", "refused") == 0
        ran.line.put(notice("a"))
        await ran.until(lambda: ran.told == [("a.opened.1", "refused")])
        since = "since 2023-11-14 22:13:20 UTC, 0 waiting"
        wanted = f"receiver scripted: refused the last message: the key is wrong (look at its url); {since}"
        await ran.until(lambda: ran.line.trouble == wanted)
        assert ran.value("sansheng_pager_receiver_up", "scripted") == 0
        ran.line.put(notice("b"))
        await ran.until(lambda: len(ran.told) == 2)
        assert ran.line.trouble == ""
        assert ran.value("sansheng_pager_receiver_up", "scripted") == 1
        assert ran.value("sansheng_pager_deliveries_total", "scripted", "refused") == 1


async def test_a_fault_of_a_receiver_ends_nothing_and_shows_no_text(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Scripted(lambda _, tries: KeyError("https://robot?key=s3cret") if tries == 1 else None)
    async with running(receiver) as ran:
        ran.line.put(notice())
        await ran.until(lambda: ran.told)
        assert ran.told == [("a1.opened.1", "sent")]
        assert "the pager's own fault, KeyError" in caplog.text
        assert "s3cret" not in caplog.text


async def test_keeping_to_a_limit_is_no_failure() -> None:
    receiver, clock = Scripted(lambda *_: None), Clock()
    receiver.limits = (Limit(2, 12.5),)
    async with running(receiver, clock) as ran:
        ran.line.share(1.0)
        for page in ("a", "b", "c"):
            ran.line.put(notice(page))
        await ran.until(lambda: len(ran.told) == 3)
        assert clock.waits == [12.5]
        assert not ran.perhaps
        assert ran.value("sansheng_pager_deliveries_total", "scripted", "failed") == 0
        assert ran.value("sansheng_pager_receiver_up", "scripted") == 1


async def test_what_a_predecessor_told_counts() -> None:
    receiver, clock = Scripted(lambda *_: None), Clock()
    receiver.limits = (Limit(3, 60.0),)
    async with running(receiver, clock) as ran:
        ran.line.share(1.0, [AT - 61, AT - 50, AT - 20, AT + 5])  # the last one by a clock before ours
        ran.line.put(notice())
        await ran.until(lambda: ran.told)
        assert clock.waits == [10.0]


async def test_more_of_the_limit_is_used_at_once() -> None:
    receiver, clock = Scripted(lambda *_: None), Clock()
    receiver.limits = (Limit(2, 60.0),)
    made = Running(receiver, clock)
    made.line = Line(receiver, Metrics("pager"), made._take, lambda _: True, clock.world._replace(pause=_really))
    task = asyncio.create_task(made.line.run())
    made.line.share(0.5)
    made.line.put(notice("a"))
    await asyncio.sleep(0.05)
    assert not made.told, "half of it, and somebody else may have used that up"
    made.line.share(1.0)
    await made.until(lambda: made.told == [("a.opened.1", "sent")])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_trouble_names_how_many_wait() -> None:
    receiver = Scripted(lambda *_: RetryError("HTTP 500", 30.0))
    stopped = Clock()
    held = World(stopped.world.clock, stopped.world.steady, stopped.world.draw)  # real pauses: it stays at the first
    made = Running(receiver, stopped)
    made.line = Line(receiver, Metrics("pager"), made._take, lambda _: True, held)
    task = asyncio.create_task(made.line.run())
    for page in ("a", "b", "c"):
        made.line.put(notice(page))
    await made.until(lambda: made.line.trouble)
    assert made.line.trouble == "receiver scripted: HTTP 500; since 2023-11-14 22:13:20 UTC, 3 waiting"
    assert made.line.waiting == 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# --------------------------------------------------------------------------------- at a real receiver


async def test_a_receiver_that_is_too_busy_is_left_alone_for_as_long_as_it_says() -> None:
    clock = Clock(draw=0.5)
    with PagerReceiver() as receiver:
        in_a_minute = formatdate(time.time() + 61, usegmt=True)
        receiver.will(
            answer(429, headers={"Retry-After": "7"}),
            answer(503, headers={"Retry-After": in_a_minute}),
            answer(429, headers={"Retry-After": "soon"}),
            answer(425),
            answer(408),
            answer(302, headers={"Location": "http://127.0.0.1:1/"}),
            answer(500, b"x" * 10_000_000),
        )
        async with running(webhook(receiver.url("webhook")), clock) as ran:
            ran.line.put(notice())
            await ran.until(lambda: ran.told)
        assert clock.waits[0] == 7
        assert 55 < clock.waits[1] <= 61
        assert clock.waits[2:] == [2, 4, 8, 16, 32]
        assert receiver.news_of("a1") == ["opened"]
        assert receiver.requests == 8


async def test_an_answer_that_breaks_off_gives_a_double_with_the_same_key() -> None:
    with PagerReceiver() as receiver:
        receiver.will(CUT)
        async with running(webhook(receiver.url("webhook")), Clock()) as ran:
            ran.line.put(notice())
            await ran.until(lambda: ran.told)
            assert ran.perhaps == ["a1.opened.1"]
        assert receiver.news_of("a1") == ["opened", "opened"]
        assert {got.key for got in receiver.taken} == {"a1.opened.1"}


async def test_a_receiver_that_hangs_is_given_up_and_asked_again() -> None:
    with PagerReceiver() as receiver:
        receiver.will(HANG)
        async with running(webhook(receiver.url("webhook"), timeout_s=0.2), Clock(draw=0)) as ran:
            ran.line.put(notice())
            await ran.until(lambda: ran.told)
            assert ran.value("sansheng_pager_deliveries_total", "duty", "failed") == 1
        assert receiver.news_of("a1") == ["opened"]


async def test_a_receiver_that_dies_gets_everything_when_it_is_back() -> None:
    receiver = PagerReceiver()
    receiver.start()
    dead: Callable[[], Awaitable[None]] = lambda: asyncio.to_thread(receiver.kill)  # noqa: E731
    async with running(webhook(receiver.url("webhook")), Clock(draw=0.01)) as ran:
        ran.line.put(notice("first"))
        await ran.until(lambda: len(ran.told) == 1)
        await dead()
        for page in ("a", "b", "c"):
            ran.line.put(notice(page))
            ran.line.put(notice(page, "resolved"))
        await ran.until(lambda: ran.value("sansheng_pager_deliveries_total", "duty", "failed") > 5)
        assert ran.line.trouble.startswith("receiver duty: no connection: Connection refused; since ")
        assert ran.line.trouble.endswith("6 waiting")
        assert "http" not in ran.line.trouble
        await asyncio.to_thread(receiver.start)
        await ran.until(lambda: len(ran.told) == 7)
        assert ran.line.trouble == ""
    assert receiver.pages() == {"first": ["opened"], **{page: ["opened", "resolved"] for page in ("a", "b", "c")}}
    await dead()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 422])
async def test_what_is_refused_for_ever_is_not_tried_again(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with PagerReceiver() as receiver:
        receiver.always(answer(status, {"error": "no"}))
        url = f"{receiver.url('webhook')}?key={TOKEN}"
        async with running(webhook(url), Clock()) as ran:
            ran.line.put(notice())
            await ran.until(lambda: ran.told)
            assert ran.told == [("a1.opened.1", "refused")]
            assert f"HTTP {status}" in ran.line.trouble
            assert TOKEN not in ran.line.trouble + caplog.text
        assert receiver.requests == 1
