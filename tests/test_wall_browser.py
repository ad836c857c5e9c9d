"""The wall's page in a real Chromium, over the real server, fed by a script."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from playwright.async_api import Browser, Page, WebSocketRoute, async_playwright, expect

from dashboards.wall import hub, server
from streams.events import Evidence
from streams.heartbeat import DEAD_AFTER_S
from tests.wall_screenshots import CHROMIUM_FLAGS, chromium
from tests.wall_script import Running, change, running_wall

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium: apt-get install chromium fonts-noto-cjk")

#: Two loaded cores may take long; nothing here waits for a time to pass.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        yield await playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)


@pytest.fixture
async def show(browser: Browser) -> AsyncIterator[Open]:
    """Open an address on a screen; an error of the page's own fails the test."""
    errors: list[str] = []

    async def open_(address: str, width: int = 1920, height: int = 1080, **options: Any) -> Page:
        page = await browser.new_page(viewport={"width": width, "height": height}, **options)
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(address)
        return page

    yield open_
    assert errors == []


async def state_is(page: Page, state: str) -> None:
    await expect(page.locator("body")).to_have_attribute("data-state", state)


def tile(page: Page, call: str) -> Any:
    return page.locator(f'.tile[data-call="{call}"]')


def card(page: Page, alert: str) -> Any:
    return page.locator(f'.card[data-alert="{alert}"]')


async def colour(locator: Any) -> str:
    return str(await locator.evaluate("e => getComputedStyle(e).backgroundColor"))


def ring(wall: Running, call: str = "c1", *, since: float = 1, **fields: Any) -> float:
    """A call that rings at 王芳's since that many seconds; when it began to."""
    at = time.time() - since
    wall.floor.say("call.offered", call, at, queue="售后", caller="138****0001", **fields)
    wall.floor.say("agent.ringing", call, at, agent="101", agent_name="王芳")
    return at


# what is wrong, who, since when


async def test_a_tile_turns_amber_and_red_while_it_rings_and_calm_when_it_is_answered(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        at = ring(wall)
        one = tile(page, "c1")
        await expect(one).to_contain_text("振铃")
        await expect(one).to_contain_text("王芳 101")
        await expect(one).to_contain_text("售后 · 138****0001")
        calm = await colour(one)
        wall.floor.wait(at + 10)
        await expect(one).to_have_attribute("data-severity", "warning")
        await expect(one).to_contain_text("警告")
        amber = await colour(one)
        wall.floor.wait(at + 20)
        await expect(one).to_have_attribute("data-severity", "critical")
        await expect(one).to_contain_text("严重")
        red = await colour(one)
        assert len({calm, amber, red}) == 3
        [alert] = {c.id for c in wall.floor.changes}
        await expect(card(page, alert)).to_contain_text("王芳（101）的电话已响铃 20 秒，仍无人接听")
        await expect(card(page, alert)).to_contain_text("第19篇 第六十条")
        await expect(page.locator('[data-number="critical"] .value')).to_have_text("1")
        wall.floor.say("call.answered", "c1", at + 21, agent="101")
        await expect(one).to_contain_text("通话")
        await expect(one).not_to_have_attribute("data-severity", re.compile(""))
        assert await colour(one) == calm
        await expect(card(page, alert)).to_have_attribute("data-life", "cleared")
        await expect(card(page, alert)).to_contain_text("已解除")
        await expect(page.locator("#quiet-word")).to_have_text("目前无告警")


async def test_clocks_run_in_the_browser_between_messages(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        ring(wall, since=3)
        page = await show(wall.address)
        first = await tile(page, "c1").locator(".clock").inner_text()
        await expect(tile(page, "c1").locator(".clock")).not_to_have_text(first)


async def test_people_are_named_and_no_raw_id_is_on_the_screen(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        at = ring(wall, "1767000000.42")
        wall.floor.say("agent.ringing", "1767000000.42", at, agent="102")
        wall.floor.say("call.offered", "1767000000.43", at)
        wall.floor.say("call.answered", "1767000000.43", at, agent="103")
        wall.floor.wait(at + 10)
        page = await show(wall.address)
        await expect(tile(page, "1767000000.42")).to_contain_text("王芳 101 等 2 人")
        await expect(tile(page, "1767000000.43")).to_contain_text("103 号坐席")
        text = await page.locator("body").inner_text()
        assert "1767000000" not in text
        assert not any(c.id in text or c.rule in text for c in wall.floor.changes)


async def test_what_cannot_be_undone_is_told_apart_from_what_goes_on(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        at = ring(wall, since=30)
        wall.floor.say("call.answered", "c1", at + 4, agent="101")
        wall.floor.say("call.ended", "c1", at + 25, by="agent")
        ring(wall, "c2")
        wall.floor.alert(change("now", call="c2"))
        page = await show(wall.address)
        past = page.locator('.card[data-life="past"]')
        await expect(past).to_contain_text("坐席先于客户挂机")
        await expect(past).to_contain_text("发生于")
        await expect(page.locator(".card").first).to_have_attribute("data-alert", "now")


# honest states


async def test_an_alert_of_a_rule_on_trial_says_so_where_it_is_shown(show: Open) -> None:
    async with running_wall(show_trial=True) as wall:
        wall.floor.begin()
        page = await show(wall.address)
        wall.floor.alert(change("a1", says="语速过快", at=time.time(), trial=True))
        wall.floor.alert(change("a2", says="保持过久", at=time.time()))
        await expect(card(page, "a1").locator(".says")).to_have_text("[试行] 语速过快")
        await expect(card(page, "a2").locator(".says")).to_have_text("保持过久")


async def test_a_sentence_with_words_written_by_sound_says_so(show: Open) -> None:
    words = Evidence(role="agent", text="有什么是快说", start=1.0, end=2.0, match="有什么是快说", by_sound=True)
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        wall.floor.alert(change("a1", says="坐席说“有什么是快说”", at=time.time(), evidence=(words,)))
        wall.floor.alert(change("a2", says="坐席说“有什么事快说”", at=time.time()))
        badge = card(page, "a1").locator(".by-sound")
        await expect(badge).to_have_text("据音")
        await expect(badge).to_have_attribute("title", "据音听写")
        await expect(card(page, "a1").locator(".says")).to_have_text("坐席说“有什么是快说”")
        await expect(card(page, "a2").locator(".says")).to_have_text("坐席说“有什么事快说”")
        await expect(card(page, "a2").locator(".by-sound")).to_be_hidden()
        for n in range(20):  # so many that each has but one line: there, too, it is seen
            wall.floor.alert(change(f"b{n}", says="坐席说“有什么是快说”", at=time.time(), evidence=(words,)))
        await expect(page.locator('.card[data-detail="line"] .by-sound').last).to_be_visible()


async def test_quiet_stale_and_disconnected_are_three_different_screens(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        await state_is(page, "live")
        await expect(page.locator("#quiet-word")).to_have_text("目前无告警")
        await expect(page.locator("#banner")).to_be_hidden()
        quiet = await page.screenshot()
        wall.source.sink.gone("no answer")
        await state_is(page, "stale")
        await expect(page.locator("#quiet-word")).to_have_text("无法判断是否有告警")
        await expect(page.locator("#banner")).to_contain_text("监控服务读不到话务数据")
        await expect(page.locator("#chip")).to_contain_text(re.compile(r"数据陈旧 自 \d\d:\d\d:\d\d"))
        stale = await page.screenshot()
    await state_is(page, "disconnected")
    await expect(page.locator("#chip")).to_contain_text("已断开")
    await expect(page.locator("#banner")).to_contain_text("与监控服务的连接已断开")
    assert len({quiet, stale, await page.screenshot()}) == 3


async def test_clocks_stop_when_the_server_is_gone_and_all_is_well_when_it_is_back(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        ring(wall, since=3)
        page = await show(wall.address)
        await expect(tile(page, "c1")).to_be_visible()
        port = int(wall.base.rpartition(":")[2])
    await state_is(page, "disconnected")
    clock = tile(page, "c1").locator(".clock")
    stopped = await clock.inner_text()
    time_of_day = await page.locator("#time").inner_text()
    await expect(page.locator("#time")).not_to_have_text(time_of_day)
    await expect(page.locator("#time")).not_to_have_text(await page.locator("#time").inner_text())
    assert await clock.inner_text() == stopped
    async with running_wall(port=port) as wall:
        wall.floor.begin()
        ring(wall, "c2")
        await state_is(page, "live")
        await expect(tile(page, "c2")).to_be_visible()
        await expect(tile(page, "c1")).to_have_count(0)


@pytest.mark.parametrize(
    ("component", "says"),
    [
        ("detect", "检测引擎报告故障"),
        ("asterisk", "话务接口断开"),
        ("listen", "语音接入报告故障"),
        ("recognise", "语音识别报告故障"),
    ],
)
async def test_a_part_in_trouble_is_said_with_its_reason(show: Open, component: Any, says: str) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        await state_is(page, "live")
        wall.floor.beat(component, ok=False, detail="login refused")
        await state_is(page, "stale")
        await expect(page.locator("#banner")).to_contain_text(says)
        await expect(page.locator("#banner")).to_contain_text("login refused")
        wall.floor.beat(component)
        await state_is(page, "live")


async def test_a_dead_detector_is_not_a_quiet_floor(show: Open) -> None:
    shift_s = 0.0
    async with running_wall(clock=lambda: time.time() + shift_s) as wall:
        wall.floor.begin()
        ring(wall)
        page = await show(wall.address)
        await state_is(page, "live")
        shift_s = 2 * DEAD_AFTER_S
        wall.floor.beat("asterisk")
        await state_is(page, "stale")
        await expect(page.locator("#banner")).to_contain_text("检测引擎无响应")
        await expect(page.locator("#banner-since")).to_contain_text(re.compile(r"自 \d\d:\d\d:\d\d"))
        await expect(page.locator("#quiet-word")).to_have_text("无法判断是否有告警")
        clock = tile(page, "c1").locator(".clock")
        await expect(clock).not_to_have_text(await clock.inner_text())  # calls still come, so their clocks run
        wall.floor.beat("detect")
        await state_is(page, "live")


async def test_parts_that_were_never_heard_of_are_waited_for(show: Open) -> None:
    async with running_wall() as wall:
        page = await show(wall.address)
        await state_is(page, "connecting")
        wall.source.sink.restart()
        await expect(page.locator("#banner")).to_contain_text("正在读取今日记录")
        wall.source.sink.live()
        await expect(page.locator("#banner")).to_contain_text("正在等待检测引擎和话务接口的信号")
        await expect(page.locator("#quiet-word")).to_have_text("正在取得告警")
        wall.floor.beat("detect")
        wall.floor.beat("asterisk")
        await state_is(page, "live")


async def test_a_server_that_falls_silent_is_noticed(show: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "BEAT_S", 1000)
    monkeypatch.setattr(server, "BEAT_S", 0.5)  # what the page is told to expect
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        await state_is(page, "stale")
        await expect(page.locator("#banner")).to_contain_text("监控服务无响应")


async def test_a_missed_change_brings_a_new_snapshot(show: Open, browser: Browser) -> None:
    dropped: list[str] = []

    def pass_on(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()

        def hand_over(message: str | bytes) -> None:
            if not dropped and msgspec.json.decode(message)["type"] == "change":
                dropped.append("once")
            else:
                socket.send(message)

        upstream.on_message(hand_over)

    async with running_wall() as wall:
        wall.floor.begin()
        page = await browser.new_page()
        await page.route_web_socket(re.compile("/live$"), pass_on)
        await page.goto(wall.address)
        await state_is(page, "live")
        ring(wall, "missed")
        await expect(page.locator("body")).to_be_visible()
        while not dropped:
            await page.wait_for_timeout(20)
        ring(wall, "next")
        await expect(tile(page, "missed")).to_be_visible()
        await expect(tile(page, "next")).to_be_visible()


# access


@pytest.mark.parametrize("end", ["#token=wrong", "#", ""])
async def test_without_the_right_token_nothing_is_shown_but_what_to_do(show: Open, end: str) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        ring(wall)
        page = await show(f"{wall.base}/{end}")
        await state_is(page, "denied")
        await expect(page.locator("#denied")).to_contain_text("无权访问")
        await expect(page.locator("#denied")).to_contain_text("向系统管理员索取监控墙的完整地址")
        await expect(page.locator(".tile")).to_have_count(0)
        await page.goto(wall.address)  # only the fragment changes: no reload
        await state_is(page, "live")
        await expect(tile(page, "c1")).to_be_visible()


async def test_no_request_leaves_the_server_and_none_carries_the_token(show: Open, browser: Browser) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await browser.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(wall.address)
        await state_is(page, "live")
        own = (wall.base, wall.socket)
        assert all(url.startswith(own) for url in asked)
        assert not any("only-for-tests" in url.partition("#")[0] for url in asked)
        assert complaints == []


async def test_hostile_text_is_only_text(show: Open) -> None:
    evil = '<script>document.title="owned"</script><img src=x onerror=\'document.title="owned"\'>\u202e'
    async with running_wall() as wall:
        wall.floor.begin()
        at = time.time() - 1
        for n, name in enumerate((evil, "很" * 10_000)):
            call = f"{evil}{n}"
            wall.floor.say("call.offered", call, at, queue=evil, caller=evil)
            wall.floor.say("agent.ringing", call, at, agent=str(n), agent_name=name)
        wall.floor.wait(at + 20)
        page = await show(wall.address)
        await expect(page.locator(".tile")).to_have_count(2)
        await expect(page.locator(".tile .who").first).to_contain_text("<script>")
        await expect(page.locator(".card .says").first).to_contain_text("<script>")
        assert await page.locator("main img, main script").count() == 0
        assert "owned" not in await page.title()
        await fits(page, 1920, 1080)


# size


async def fits(page: Page, width: int, height: int) -> None:
    """Nothing scrolls, and every tile and card lies whole on the screen."""
    await expect(page.locator("#time")).not_to_be_empty()  # the clock's first second
    assert await page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]") == [width, height]
    for what in (".tile", ".card", ".number", "#chip", "#time"):
        # in one go: between finding and measuring, a card may have made way for another
        for box in await page.evaluate(
            "what => [...document.querySelectorAll(what)].map(e => e.getBoundingClientRect().toJSON())", what
        ):
            assert box["width"] > 0, (what, box)
            assert min(box["left"], box["top"]) >= 0
            assert box["right"] <= width + 1
            assert box["bottom"] <= height + 1


def crowd(wall: Running, size: int) -> None:
    """That many calls in all phases; each tenth rings since 15 s, each twentieth since 25 s."""
    now = time.time()
    for i in range(size):
        call, agent = f"c{i}", {"agent": str(100 + i), "agent_name": "欧阳若兰"}
        since = now - (25 if i % 20 == 0 else 15 if i % 10 == 0 else 3)
        wall.floor.say("call.offered", call, since, queue="业务咨询", caller="138****0001")
        if i % 7:
            wall.floor.say("agent.ringing", call, since, **agent)
        if i % 10 and i % 3:
            wall.floor.say("call.answered", call, since, **agent)
            if i % 4 == 0:
                wall.floor.say("call.held", call, since)
    wall.floor.wait(now)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160), (1366, 768)])
async def test_sixty_calls_fit_without_scrolling(show: Open, width: int, height: int) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        crowd(wall, 60)
        page = await show(wall.address, width, height)
        await expect(page.locator(".tile[data-call]")).to_have_count(60)
        await expect(page.locator("#floor-count")).to_have_text("60")
        await fits(page, width, height)
        for name in (".tile .who", ".tile .clock"):
            sizes = await page.locator(name).evaluate_all(
                "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))"
            )
            assert min(sizes) >= 14 * height / 1080


async def test_beyond_what_fits_the_worst_come_first_and_the_rest_is_counted(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        crowd(wall, 400)
        page = await show(wall.address)
        await expect(page.locator("#floor-count")).to_have_text("400")
        shown = await page.locator(".tile[data-call]").count()
        await expect(page.locator(".tile[data-overflow]")).to_have_text(f"另有 {400 - shown} 通")
        severities = await page.locator(".tile[data-call]").evaluate_all(
            "all => all.map(e => e.dataset.severity ?? '')"
        )
        worst = [("critical", "warning", "notice", "").index(s) for s in severities]
        assert worst == sorted(worst)
        assert severities.count("critical") == 17
        await expect(page.locator("#cards-more")).to_contain_text(re.compile(r"另有 \d+ 条告警"))
        await fits(page, 1920, 1080)


async def test_a_screen_that_is_turned_or_shrunk_still_fits(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        crowd(wall, 30)
        page = await show(wall.address)
        await expect(page.locator(".tile[data-call]")).to_have_count(30)
        await page.set_viewport_size({"width": 1280, "height": 720})
        await expect(page.locator("h1")).to_be_visible()
        await page.wait_for_function(
            "document.getElementById('tiles').scrollHeight <= document.getElementById('tiles').clientHeight"
        )
        await fits(page, 1280, 720)


# language and motion


async def test_the_language_is_switched_and_remembered(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        at = ring(wall)
        wall.floor.wait(at + 10)
        page = await show(wall.address)
        await expect(page.locator("#chip")).to_have_text("实时")
        await page.locator("#language").click()
        await expect(page.locator("#chip")).to_have_text("Live")
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        await expect(page.locator(".card")).to_contain_text("The phone of 王芳 (101) has been ringing for 10 s")
        await expect(tile(page, "c1")).to_contain_text("Ringing")
        await page.reload()
        await expect(page.locator("#chip")).to_have_text("Live")
        await page.goto(f"{wall.base}/?lang=zh#token=only-for-tests")
        await expect(page.locator("#chip")).to_have_text("实时")


async def test_a_new_critical_alert_pulses_unless_motion_is_unwanted(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        still = await show(wall.address, reduced_motion="reduce")
        await state_is(still, "live")
        ring(wall)
        wall.floor.alert(change("new", severity="critical"))
        for screen, animation in ((page, "pulse"), (still, "none")):
            await expect(card(screen, "new")).to_have_attribute("data-fresh", "true")
            await expect(card(screen, "new")).to_have_css("animation-name", animation)
