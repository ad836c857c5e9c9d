"""The line before a receiver: order, back-off, Retry-After, and that nothing keeps anything else waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from streams.metrics import Metrics
from streams.pager.line import FIRST_S, LONGEST_S, Line, Turns, World
from streams.pager.page import News, Notice, Page
from streams.pager.receiver import Receiver, RefusedError, RetryError
from streams.pager.receivers import receivers
from streams.pager.receivers.pace import PacedError
from streams.settings import PagerSettings, ReceiverSettings, Settings
from tests.pager_receiver import CUT, HANG, TOKEN, PagerReceiver, answer

AT = 1.7e9
PAGE = Page(
    id="a1",
    rule="hold-long",
    title="保持超过 240 秒",
    title_en="On hold for more than 240 s",
    severity="critical",
    queue="support",
    site="main",
    clause="《服务规范》4.2",
    at=AT,
    link="http://wall.example/alerts/a1",
)


def notice(page: str = "a1", news: News = "opened", level: int = 1, at: float = AT) -> Notice:
    made = Page(
        **{**{f: getattr(PAGE, f) for f in PAGE.__struct_fields__}, "id": page, "link": f"http://w/alerts/{page}"}
    )
    return Notice(page=made, news=news, level=level, at=at)


class Scripted:
    """A receiver that does as it is told; what it took is in ``got``."""

    name, repeats_s, tells = "scripted", 0.0, frozenset({"opened", "resolved"})

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


class Running:
    """A line that runs, with what it told and its metrics."""

    def __init__(self, receiver: Receiver, clock: Clock, wanted: Callable[[Notice], bool] = lambda _: True) -> None:
        self.told: list[tuple[str, str]] = []
        self.troubles: list[str] = []
        self.metrics = Metrics("pager")
        self.line = Line(receiver, self.metrics, self._take, wanted, clock.world)

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
    receiver = Scripted(lambda _, tries: PacedError(12.5) if tries == 1 else None)
    clock = Clock()
    async with running(receiver, clock) as ran:
        ran.line.put(notice())
        await ran.until(lambda: ran.told)
        assert clock.waits == [12.5]
        assert ran.value("sansheng_pager_deliveries_total", "scripted", "failed") == 0
        assert ran.value("sansheng_pager_receiver_up", "scripted") == 1


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
