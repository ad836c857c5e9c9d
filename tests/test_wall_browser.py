"""The wall's page in a real Chromium, over the real server, fed by a script."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, WebSocketRoute, expect

from dashboards.wall import house, hub
from streams.events import Evidence
from streams.heartbeat import DEAD_AFTER_S
from streams.verdicts import Judgement, Snooze
from tests.browser_tools import PATIENCE_MS, Open, needs_chromium, opening, state_is
from tests.wall_screenshots import LongDay
from tests.wall_script import Running, change, running_wall

pytestmark = needs_chromium


@pytest.fixture
async def show(browser: Browser) -> AsyncIterator[Open]:
    """Open an address on a television."""
    async with opening(browser, (1920, 1080)) as open_:
        yield open_


async def until(page: Page, condition: str) -> None:
    """Wait until that expression is true; the page's own policy forbids the browser to evaluate it by itself."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not await page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        await page.wait_for_timeout(50)


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
        wall.floor.alert(change("a2", says="保持过久", at=time.time(), call="c2", agent="102"))
        await expect(card(page, "a1").locator(".says")).to_have_text("[试行] 语速过快")
        await expect(card(page, "a2").locator(".says")).to_have_text("保持过久")


async def test_a_sentence_with_words_written_by_sound_says_so(show: Open) -> None:
    words = Evidence(role="agent", text="有什么是快说", start=1.0, end=2.0, match="有什么是快说", by_sound=True)
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        wall.floor.alert(change("a1", says="坐席说“有什么是快说”", at=time.time(), evidence=(words,)))
        wall.floor.alert(change("a2", says="坐席说“有什么事快说”", at=time.time(), call="c2", agent="102"))
        badge = card(page, "a1").locator(".by-sound")
        await expect(badge).to_have_text("据音")
        await expect(badge).to_have_attribute("title", "据音听写")
        await expect(card(page, "a1").locator(".says")).to_have_text("坐席说“有什么是快说”")
        await expect(card(page, "a2").locator(".says")).to_have_text("坐席说“有什么事快说”")
        await expect(card(page, "a2").locator(".by-sound")).to_have_count(0)
        for n in range(20):  # so many that each has but half a line: there, too, it is seen
            who = {"call": f"b{n}", "agent": f"{200 + n}"}
            wall.floor.alert(change(f"b{n}", says="坐席说“有什么是快说”", at=time.time(), evidence=(words,), **who))
        await expect(page.locator('.card[data-detail="mini"] .by-sound').last).to_be_visible()


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


async def looks(page: Page) -> tuple[str, str, str, str, str]:
    """What tells this state from others: its word, the lamp's form, the banner's icon and dress, the panel's word."""
    style = "e => { const s = getComputedStyle(e); return [%s].map((name) => s[name]).join() }"
    lamp = style % "'borderRadius', 'width', 'height', 'borderStyle', 'transform', 'backgroundImage'"
    dress = style % "'backgroundImage', 'backgroundColor', 'borderStyle'"
    banner = page.locator("#banner")
    icon = await banner.locator(".icon").get_attribute("data-shape") if await banner.is_visible() else None
    return (
        await page.locator("#chip-word").inner_text(),
        await page.locator(".lamp").evaluate(lamp),
        icon or "none",
        await banner.evaluate(dress),
        await page.locator("#quiet-word").inner_text() if await page.locator("#quiet-word").is_visible() else "",
    )


async def test_every_state_has_a_word_a_shape_and_a_dress_of_its_own(show: Open) -> None:
    seen: dict[str, tuple[str, ...]] = {}
    shots: set[bytes] = set()

    async def see(page: Page, state: str) -> None:
        await state_is(page, state)
        seen[state] = await looks(page)
        shots.add(await page.screenshot())

    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        await see(page, "live")
        await expect(page.locator("body")).to_have_attribute("data-quiet", "true")
        wall.floor.beat("recognise", ok=False, detail="behind by 12 s")
        await see(page, "ears")
        wall.floor.beat("detect", ok=False, detail="cannot answer")
        await see(page, "engine")
        wall.source.sink.gone("no answer")
        await see(page, "stale")
        wall.source.sink.restart()
        await see(page, "connecting")
        await see(await show(f"{wall.base}/#token=wrong"), "denied")
    await see(page, "disconnected")
    await expect(page.locator("#engine")).to_have_text("检测引擎 –")  # old news proves nothing
    assert len(shots) == len(seen) == 7
    for part in (0, 2):
        assert len({looked[part].partition(" ")[0] for looked in seen.values()}) >= 6 + (part == 0), seen
    dresses = [looked[3] for state, looked in seen.items() if state not in ("live", "denied")]
    assert len(set(dresses)) == 5
    assert [state for state, looked in seen.items() if looked[4] == "目前无告警"] == ["live"]
    assert not await page.locator("body").get_attribute("data-quiet")


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
    ("component", "state", "says"),
    [
        ("detect", "engine", "检测引擎报告故障"),
        ("asterisk", "stale", "话务接口断开"),
        ("listen", "ears", "语音接入报告故障"),
        ("recognise", "ears", "语音识别跟不上或有故障"),
    ],
)
async def test_a_part_in_trouble_is_said_with_its_reason(show: Open, component: Any, state: str, says: str) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        await state_is(page, "live")
        wall.floor.beat(component, ok=False, detail="login refused")
        await state_is(page, state)
        await expect(page.locator("#banner")).to_contain_text(says)
        await expect(page.locator("#banner")).to_contain_text("login refused")
        wall.floor.beat(component)
        await state_is(page, "live")


async def test_a_pager_and_an_archive_in_trouble_are_said_beside_a_wall_that_goes_on(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        await state_is(page, "live")
        await expect(page.locator("#pager")).to_have_count(0)  # none was ever heard of
        wall.floor.beat("pager", detail="receiver night does not answer")
        wall.floor.beat("archive", ok=False, detail="store full")
        await expect(page.locator("#pager")).to_have_text("值班通知受限")
        await expect(page.locator("#archive")).to_have_text("归档已满")
        await page.locator("#language").click()
        await expect(page.locator("#pager")).to_have_text("Paging limited")
        assert await page.locator("header").evaluate(
            "e => [...e.children].every((part) => part.getBoundingClientRect().right <= innerWidth + .5)"
        )
        await state_is(page, "live")
        await expect(page.locator("#banner")).to_be_hidden()
        wall.floor.beat("pager")
        await expect(page.locator("#pager")).to_have_count(0)


async def test_a_dead_detector_is_not_a_quiet_floor(show: Open) -> None:
    shift_s = 0.0
    async with running_wall(clock=lambda: time.time() + shift_s) as wall:
        wall.floor.begin()
        ring(wall)
        page = await show(wall.address)
        await state_is(page, "live")
        shift_s = 2 * DEAD_AFTER_S
        wall.floor.beat("asterisk")
        await state_is(page, "engine")
        await expect(page.locator("#banner")).to_contain_text("检测引擎无响应")
        await expect(page.locator("#engine")).to_contain_text(re.compile(r"检测引擎 自 \d\d:\d\d:\d\d 无信号"))
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
    monkeypatch.setattr(house, "BEAT_S", 0.5)  # what the page is told to expect
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


LATE_FETCH = """
const real = window.fetch;
window.fetch = (...asked) => window.failLate ? real(...asked)
  : new Promise((_, reject) => { window.failLate = () => reject(new TypeError("late")); });
"""
#: Every state that the page has shown.
STATES = """() => {
  window.states = [];
  new MutationObserver(() => states.push(document.body.dataset.state))
    .observe(document.body, { attributeFilter: ["data-state"] });
}"""


async def test_a_late_failure_of_an_older_attempt_leaves_the_connection_alone(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show("about:blank")
        lines: list[str] = []
        page.on("websocket", lambda socket: lines.append(socket.url))
        await page.add_init_script(LATE_FETCH)
        await page.goto(wall.address)
        await state_is(page, "connecting")
        await page.evaluate("dispatchEvent(new Event('online'))")
        await state_is(page, "live")
        await page.evaluate(STATES)
        await page.evaluate("failLate()")
        ring(wall)
        await expect(tile(page, "c1")).to_be_visible()
        assert len(lines) == 1
        assert set(await page.evaluate("states")) <= {"live"}


async def test_a_screen_that_was_too_slow_goes_on_at_once(show: Open) -> None:
    sockets: list[WebSocketRoute] = []

    def pass_on(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    async with running_wall() as wall:
        wall.floor.begin()
        page = await show("about:blank")
        await page.route_web_socket(re.compile("/live$"), pass_on)
        await page.goto(wall.address)
        await state_is(page, "live")
        await page.evaluate(STATES)
        await sockets[0].close(code=4408)
        ring(wall)
        await expect(tile(page, "c1")).to_be_visible()
        assert len(sockets) == 2
        assert set(await page.evaluate("states")) <= {"live"}


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
        page.on("console", lambda message: None if "AudioContext" in message.text else complaints.append(message.text))
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
        await expect(page.locator(".card .says", has_text="<script>")).to_have_count(1)
        assert await page.locator("main img, main script").count() == 0
        assert "owned" not in await page.title()
        await fits(page, 1920, 1080)


# what the supervisor sees beside single alerts


async def test_alerts_of_one_call_are_one_card(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        ring(wall)
        now = time.time()
        wall.floor.alert(change("hold", at=now - 60))
        wall.floor.alert(
            change("boss", severity="critical", rule="wants-superior", title="客户要求上级接听", at=now - 5)
        )
        page = await show(wall.address)
        await expect(page.locator(".card")).to_have_count(1)
        await expect(card(page, "boss").locator(".also")).to_contain_text("客户保持等待过久")
        await expect(page.locator("#alerts-count")).to_have_text("2")
        wall.floor.alert(change("boss", "cleared", "critical", rule="wants-superior", at=now))
        await expect(page.locator(".card").first).to_have_attribute("data-alert", "hold")  # now that leads


async def test_the_same_alert_of_an_agent_in_several_calls_is_one_card(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        now = time.time()
        for n, ago in enumerate((300, 200, 100)):
            wall.floor.alert(change(f"a{n}", call=f"c{n}", at=now - ago))
        wall.floor.alert(change("other", call="c9", agent="102", agent_name="李强", at=now - 50))
        page = await show(wall.address)
        await expect(page.locator(".card")).to_have_count(2)
        await expect(card(page, "a2")).to_contain_text("近期 3 次")
        await expect(card(page, "a2").locator(".also")).to_contain_text(re.compile(r"另有 2 通：\d\d:\d\d \d\d:\d\d"))
        await expect(card(page, "other").locator(".alike")).to_have_count(0)


async def test_who_is_on_it_is_seen_on_the_card_and_on_the_tile(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        ring(wall)
        wall.floor.alert(change("a1", severity="critical"))
        page = await show(wall.address)
        await expect(card(page, "a1")).to_contain_text("无人处理")
        wall.floor.verdict(judgement("a1", "claimed"))
        await expect(card(page, "a1").locator(".claimed")).to_have_text("李主管 处理中")
        await expect(tile(page, "c1").locator('[data-shape="person"]')).to_be_visible()
        await expect(card(page, "a1")).not_to_contain_text("无人处理")
        wall.floor.verdict(judgement("a1", "released"))
        await expect(card(page, "a1")).to_contain_text("无人处理")


def judgement(alert: str, action: Any, **fields: Any) -> Judgement:
    """What Li did with an alert of the floor."""
    known = {"call": "c1", "rule": "long-hold", "by": "li", "by_name": "李主管", "at": time.time(), **fields}
    return Judgement(id=f"{alert} {action} {known['at']}", alert=alert, action=action, **known)


async def test_what_is_snoozed_and_what_it_held_back_is_counted(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        now = time.time()
        snooze = Snooze(id="s1", rule="long-hold", queue="售后", until=now + 600, by="li", by_name="李主管", at=now)
        wall.floor.alert(change("seen", call="c1", rule="other", title="坐席先于客户挂机"))
        wall.floor.verdict(snooze)
        wall.floor.alert(change("hushed", call="c2", title="客户保持等待过久"))
        page = await show(wall.address)
        await expect(card(page, "seen")).to_be_visible()
        await expect(card(page, "hushed")).to_have_count(0)
        await expect(page.locator("#hush")).to_contain_text("已静音 1 条规则、1 条告警")
        await expect(page.locator("#hush")).to_contain_text(re.compile(r"售后 · 至 \d\d:\d\d（李主管）"))
        wall.floor.verdict(
            Snooze(id="s2", rule="long-hold", queue="售后", until=0, by="li", by_name="李主管", at=now + 1)
        )
        await expect(page.locator("#hush")).to_contain_text("今日已静音 1 条告警")


async def test_the_queue_says_how_many_wait_and_how_long(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        queue = page.locator('[data-number="queue"]')
        await expect(queue).to_contain_text("无人等候")
        wall.floor.say("call.offered", "c1", time.time() - 1, queue="投诉")
        ring(wall, "c2", since=0.5)
        wall.floor.say("call.offered", "c3", time.time() - 99, direction="outbound")  # nobody waits for us there
        await expect(queue.locator(".value").first).to_have_text("2")
        await expect(queue).to_contain_text("投诉")
        first = await queue.locator(".clock").inner_text()
        await expect(queue.locator(".clock")).not_to_have_text(first)
        await expect(queue).not_to_have_attribute("data-late", "true")
        await expect(queue).to_have_attribute("data-late", "true")  # after ten seconds, without any message
        await expect(queue).to_contain_text("已超 10 秒")
        wall.floor.say("call.answered", "c1", agent="101")
        await expect(queue).not_to_contain_text("投诉")
        wall.floor.say("call.answered", "c2", agent="102")
        await expect(queue).to_contain_text("无人等候")


async def test_the_service_level_of_the_half_hour_and_of_the_day(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        now = time.time()
        for n, (ago, rang) in enumerate(((2400, 20), (300, 5), (200, 5), (100, 20))):
            wall.floor.say("call.offered", f"c{n}", now - ago, queue="售后")
            wall.floor.say("agent.ringing", f"c{n}", now - ago, agent="101")
            wall.floor.say("call.answered", f"c{n}", now - ago + rang, agent="101")
            wall.floor.say("call.ended", f"c{n}", now - ago + 30, by="customer")
        page = await show(wall.address)
        lately, today = (page.locator(f'[data-number="{name}"]') for name in ("lately", "level"))
        await expect(lately).to_contain_text("67%")
        await expect(lately).to_contain_text("近 30 分钟")
        if datetime.fromtimestamp(now, ZoneInfo("Asia/Shanghai")).hour:  # else some of it was yesterday
            await expect(today).to_contain_text("50%")
            await expect(today).to_contain_text("2/4")


async def test_the_chart_tells_hours_and_severities_apart_without_colour(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        for n, severity in enumerate(("critical", "warning", "warning", "notice")):
            wall.floor.alert(change(f"a{n}", severity=severity, call=f"c{n}", agent=f"{n}"))
        page = await show(wall.address)
        bars = page.locator('.bars [data-now="true"]')
        await expect(bars.locator(".total")).to_have_text("4")
        await expect(bars.locator(".bar")).to_have_count(3)
        heights = {
            await bar.get_attribute("data-severity"): float(await bar.get_attribute("height") or 0)
            for bar in await bars.locator(".bar").all()
        }
        assert heights["warning"] == pytest.approx(2 * heights["critical"])
        fills = await bars.locator(".bar").evaluate_all("all => all.map(e => e.getAttribute('fill'))")
        assert len(set(fills)) == 3
        drawn = await page.locator(".bars pattern").evaluate_all(
            "all => all.map(e => e.innerHTML.replace(/<!--.*?-->/g, ''))"
        )
        assert len(set(drawn)) == 3
        await expect(page.locator(".bars")).to_have_attribute("aria-label", re.compile("严重 1 警告 2 提示 1"))


async def test_the_detector_proves_that_it_is_alive(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        tick = page.locator("#engine")
        await expect(tick).to_have_text(re.compile(r"检测引擎 [3-9] 秒前"))  # it grows between heartbeats
        wall.floor.beat("detect")
        await expect(tick).to_have_text(re.compile(r"检测引擎 [01] 秒前"))


async def test_a_rule_that_is_often_wrong_says_so_on_the_card(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        ring(wall)
        for n in range(3):
            wall.floor.alert(change(f"a{n}", call=f"x{n}"))
        wall.floor.verdict(judgement("a0", "false_alarm", call="x0", reason="misheard"))
        wall.floor.verdict(judgement("a1", "resolved", call="x1"))
        wall.floor.alert(change("now"))
        page = await show(wall.address)
        await expect(page.locator(".precision").first).to_have_text("近 7 天 4 条，误报 1")


# sound

#: A sound card that counts tones. `?blocked`: it stays silent until it is resumed by a click.
AUDIO = """
window.tones = 0;
const ramp = { setValueAtTime() {}, linearRampToValueAtTime() {}, exponentialRampToValueAtTime() {} };
window.AudioContext = class {
  state = location.search.includes("blocked") ? "suspended" : "running";
  currentTime = 0;
  destination = {};
  async resume() { if (navigator.userActivation.hasBeenActive) this.state = "running"; }
  createOscillator() { return { frequency: {}, connect: (to) => to, start() { window.tones += 1; }, stop() {} }; }
  createGain() { return { gain: ramp, connect: (to) => to }; }
};
"""


@pytest.fixture
async def listen(show: Open, browser: Browser) -> Open:
    """As `show`, with a sound card that counts."""

    async def open_(address: str, **options: Any) -> Page:
        page = await show("about:blank", **options)
        await page.add_init_script(AUDIO)
        await page.goto(address)
        await state_is(page, "live")
        return page

    return open_


async def test_a_new_critical_alert_sounds_once(listen: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        wall.floor.alert(change("old", severity="critical"))
        page = await listen(wall.address)
        await expect(card(page, "old")).to_be_visible()
        assert await page.evaluate("tones") == 0  # the first picture is no news
        wall.floor.alert(change("mild", call="c2", agent="102"))
        await expect(card(page, "mild")).to_be_visible()
        assert await page.evaluate("tones") == 0
        wall.floor.alert(change("mild", "raised", "critical", call="c2", agent="102"))
        await until(page, "tones === 2")
        await expect(page.locator("#announce")).to_contain_text("已让客户保持等待")
        await page.wait_for_timeout(3200)  # so that nothing is swallowed because it comes too soon after another
        wall.floor.begin()  # the server starts anew and tells the same alerts again
        for alert, call in (("old", "c1"), ("mild", "c2")):
            wall.floor.alert(change(alert, severity="critical", call=call, agent=call))
        wall.floor.alert(change("last", call="c4", agent="104"))
        await expect(card(page, "last")).to_be_visible()  # so the others have been heeded
        assert await page.evaluate("tones") == 2
        wall.floor.alert(change("next", severity="critical", call="c3", agent="103"))
        await until(page, "tones === 4")


async def test_a_critical_alert_sounds_in_a_tab_that_nobody_looks_at(listen: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await listen(wall.address)
        await page.evaluate("window.requestAnimationFrame = () => 0")  # as in a hidden tab
        wall.floor.alert(change("new", severity="critical"))
        await until(page, "tones === 2")
        await expect(page.locator("#announce")).to_contain_text("已让客户保持等待")
        await expect(card(page, "new")).to_have_count(0)


async def test_the_button_says_whether_one_would_hear_it(listen: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await listen(wall.address.replace("/#", "/?blocked#"))
        button = page.locator("#sound")
        await expect(button).to_have_text("声音 被浏览器拦截")
        wall.floor.alert(change("unheard", severity="critical"))
        await expect(card(page, "unheard")).to_be_visible()
        assert await page.evaluate("tones") == 0
        await button.click()
        await expect(button).to_have_text("声音 开")
        await until(page, "tones === 2")  # so that one hears how loud it is
        await button.click()
        await expect(button).to_have_text("声音 关")
        await page.reload()
        await state_is(page, "live")
        await expect(button).to_have_text("声音 关")  # remembered
        wall.floor.alert(change("second", severity="critical", call="c2", agent="102"))
        await expect(card(page, "second")).to_be_visible()
        assert await page.evaluate("tones") == 0


# size

#: What lies outside of the screen, or is cut off by the box that it lies in (an ellipsis is meant to be there).
SPILLS = """() => {
  const found = [];
  const tell = (why, e) => found.push(`${why}: ${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 30)}`);
  const isCut = ({ textOverflow, webkitLineClamp }) => textOverflow === "ellipsis" || webkitLineClamp !== "none";
  const boxes = "#cards, #tiles, #chips, #hush, #recent, .card, .tile, .chip, .number, main > section";
  for (const e of document.querySelectorAll("body *:not(#announce):not(defs *)")) {
    const box = e.getBoundingClientRect();
    if (!box.width || e instanceof SVGElement) continue;
    if (Math.min(box.left, box.top) < -1) tell("off screen", e);
    if (box.right > innerWidth + 1 || box.bottom > innerHeight + 1) tell("off screen", e);
    const style = getComputedStyle(e);
    if (style.display === "inline") continue;
    if (!isCut(style) && e.scrollWidth > e.clientWidth + 2) tell("too wide", e);
    const room = e.parentElement.closest(boxes)?.getBoundingClientRect();
    if (room && (box.bottom > room.bottom + 1.5 || box.top < room.top - 1.5)) tell("too tall", e);
  }
  return found;
}"""


async def fits(page: Page, width: int, height: int) -> None:
    """Nothing scrolls, everything lies whole on the screen and within its own box."""
    await expect(page.locator("#time")).not_to_be_empty()  # the clock's first second
    assert await page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]") == [width, height]
    assert await page.evaluate(SPILLS) == []


async def smallest(page: Page, what: str) -> float:
    """The smallest writing among these elements, as a share of the screen's height."""
    sizes = "all => Math.min(...all.map(e => parseFloat(getComputedStyle(e).fontSize))) / innerHeight"
    return float(await page.locator(what).evaluate_all(sizes))


#: A share of the screen's height: 2 % is 13 mm on a television of 55 inches, to be read from five metres.
FROM_FIVE_METRES = 0.02
SURNAMES, GIVEN = "王李张刘陈杨赵黄周吴", ("芳", "强", "敏", "若兰", "静", "磊", "丽娜", "伟", "婷", "昊")


def crowd(wall: Running, size: int, *, red: int, amber: int) -> None:
    """That many calls in all phases; the first ``red`` ring since 25 s, then ``amber`` since 15 s."""
    now = time.time()
    for i in range(size):
        name = "欧阳若兰" if i % 37 == 0 else SURNAMES[i % 10] + GIVEN[i // 10 % 10]
        call, agent = f"c{i}", {"agent": str(1000 + i), "agent_name": name}
        since = now - (25 if i < red else 15 if i < red + amber else 3)
        wall.floor.say("call.offered", call, since, queue=("业务咨询", "售后", "投诉")[i % 3], caller="138****0001")
        if i % 12 or i < red + amber:
            wall.floor.say("agent.ringing", call, since, **agent)
        if i >= red + amber and i % 6:
            wall.floor.say("call.answered", call, since, **agent)
            if i % 8 == 0:
                wall.floor.say("call.held", call, since)
    wall.floor.wait(now)


#: Agents, calls at once, and how many of those have a critical alert or a warning.
HALL, BIG_HALL = (40, 30, 3, 6), (400, 320, 8, 17)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160), (1366, 768)])
@pytest.mark.parametrize(("agents", "calls", "red", "amber"), [HALL, BIG_HALL])
async def test_a_floor_fits_one_screen(
    show: Open, width: int, height: int, agents: int, calls: int, red: int, amber: int
) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        crowd(wall, calls, red=red, amber=amber)
        page = await show(wall.address, width, height)
        await expect(page.locator("#floor [data-call]")).to_have_count(calls)
        await expect(page.locator("[data-overflow]")).to_have_count(0)
        await expect(page.locator("#floor-count")).to_have_text(str(calls))
        await expect(page.locator("#alerts-count")).to_have_text(str(red + amber))
        await fits(page, width, height)
        await expect(page.locator('.card[data-severity="critical"]')).to_have_count(red)
        await expect(page.locator(".tile[data-severity]")).to_have_count(red + amber)
        worst = '.card[data-severity="critical"] .says, .card[data-severity="critical"] .age'
        assert await smallest(page, worst) >= FROM_FIVE_METRES
        assert await smallest(page, ".tile[data-severity] .clock") >= FROM_FIVE_METRES
        assert await smallest(page, ".tile[data-severity] .who") >= 0.0175
        if agents == 400:  # the calm calls: not for five metres, but for whoever walks up to the screen
            assert await smallest(page, ".chip .clock") >= 0.0115
            await expect(page.locator(".chip-phase")).to_have_count(4)
            await expect(page.locator('.chip-phase[data-phase="held"] .chip-head')).to_contain_text("保持")


async def test_beyond_what_fits_the_worst_come_first_and_the_rest_is_counted(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        crowd(wall, 900, red=30, amber=60)
        page = await show(wall.address)
        await expect(page.locator("#floor-count")).to_have_text("900")
        hidden = await page.locator("#floor [data-overflow]").all_inner_texts()
        counted = sum(int(re.sub(r"\D", "", text)) for text in hidden)
        assert counted > 0
        assert await page.locator("#floor [data-call]").count() + counted == 900
        severities = await page.locator(".tile[data-call]").evaluate_all("all => all.map(e => e.dataset.severity)")
        assert severities == sorted(severities)  # critical before warning
        assert severities.count("critical") == 30
        await expect(page.locator("#cards-more")).to_contain_text(re.compile(r"另有 \d+ 条告警"))
        await fits(page, 1920, 1080)


#: Of each card in the order of the screen: what it is, how much of it is shown, who is on it, and whether it is cut.
CARDS = """() => [...document.querySelectorAll(".card")].map((e) => {
  const says = e.querySelector(".says");
  return {
    life: e.dataset.life, severity: e.dataset.severity, detail: e.dataset.detail, says: says.textContent,
    handler: e.querySelector(".claimed, .unclaimed")?.textContent.trim() ?? "",
    cut: says.scrollHeight > says.clientHeight + 2 || says.scrollWidth > says.clientWidth + 1,
    top: e.getBoundingClientRect().top,
  };
})"""
LIVES, SEVERITIES = ("now", "past", "cleared"), ("critical", "warning", "notice")
DETAILS = ("full", "brief", "line", "mini")


def graver(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether one is as grave as the other and as fresh, or more so."""
    ranks = ((LIVES, "life"), (SEVERITIES, "severity"))
    return all(order.index(one[name]) <= order.index(other[name]) for order, name in ranks)


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_after_a_long_day_one_still_reads_what_is_wrong_now_who_is_on_it_and_why(show: Open, lang: str) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        LongDay(wall.floor, time.time()).fill()
        page = await show(wall.address.replace("/#", f"/?lang={lang}#"))
        await expect(page.locator("#alerts-count")).to_have_text("5")
        await expect(page.locator("#past-count")).to_have_text(re.compile(r"13\d"))
        await expect(page.locator("body")).to_have_attribute("data-crowd", "few")
        wide = "[...document.querySelectorAll('main > section')].map((e) => e.getBoundingClientRect().width)"
        alerts, floor = await page.evaluate(wide)
        assert alerts > 1.5 * floor
        cards = await page.evaluate(CARDS)
        spoken = {change.en.says if lang == "en" and change.en else change.says for change in wall.floor.changes}
        for one in cards[:4]:  # the fifth is a notice
            assert one["says"] in spoken
            assert not one["cut"]
            assert one["handler"] in ("无人处理", "李主管 处理中", "Nobody on it", "李主管 is on it")
        assert [one["life"] for one in cards] == sorted((one["life"] for one in cards), key=LIVES.index)
        for i, one in enumerate(cards):
            more = [
                o
                for o in cards[i + 1 :]
                if graver(one, o) and DETAILS.index(o["detail"]) < DETAILS.index(one["detail"])
            ]
            assert more == []
            assert not any(graver(o, one) and not graver(one, o) for o in cards[i + 1 :])
        assert sum(one["life"] == "past" for one in cards) >= 4
        assert await page.locator("#past").evaluate("e => e.getBoundingClientRect().top") > cards[4]["top"]
        await fits(page, 1920, 1080)


async def test_the_floor_takes_its_room_back_when_it_fills(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        for calls, crowded in ((5, "few"), (10, "few"), (16, "some"), (30, "usual"), (170, "packed")):
            crowd(wall, calls, red=0, amber=0)
            await expect(page.locator("body")).to_have_attribute("data-crowd", crowded)
            await expect(page.locator("#floor [data-call]")).to_have_count(calls)
            await fits(page, 1920, 1080)


async def test_alerts_without_an_agent_are_one_card_a_queue(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        now = time.time()
        for n in range(5):
            lost: dict[str, Any] = {"agent": None, "agent_name": None, "queue": ("售后", "投诉")[n == 4]}
            wall.floor.alert(change(f"a{n}", call=f"c{n}", at=now - 100 + n, **lost))
        page = await show(wall.address)
        await expect(page.locator(".card")).to_have_count(2)
        await expect(card(page, "a3")).to_contain_text("近期 4 次")
        await expect(page.locator("#past-count")).to_have_text("5")


async def test_a_false_alarm_is_not_crossed_off_as_done(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        for n, action in enumerate(("false_alarm", "resolved")):
            wall.floor.alert(change(f"a{n}", call=f"c{n}", agent=f"{n}"))
            wall.floor.verdict(judgement(f"a{n}", action, call=f"c{n}"))
        page = await show(wall.address)
        shapes = [card(page, f"a{n}").locator(".icon").first for n in range(2)]
        await expect(card(page, "a0")).to_contain_text("误报")
        await expect(shapes[0]).to_have_attribute("data-shape", "close")
        await expect(shapes[1]).to_have_attribute("data-shape", "check")


async def test_what_a_client_library_threw_is_on_no_screen(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall.address)
        await state_is(page, "live")
        wall.source.sink.gone("KafkaConnectionError: Unable to bootstrap")
        await expect(page.locator("#banner")).to_contain_text("请通知系统管理员检查消息系统")
        await expect(page.locator("body")).not_to_contain_text("KafkaConnectionError")


async def test_those_who_wait_are_told_apart_as_over_the_tiles(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        ring(wall)
        page = await show(wall.address)
        queue = page.locator('[data-number="queue"]')
        await expect(queue.locator(".value").first).to_have_text("1")
        await expect(queue.locator("[data-phase]")).to_have_text(["排队 0", "振铃 1"])


async def test_a_screen_that_is_turned_or_shrunk_still_fits(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        crowd(wall, 30, red=1, amber=2)
        page = await show(wall.address)
        await expect(page.locator(".tile[data-call]")).to_have_count(30)
        for width, height in ((1280, 720), (1080, 1920)):
            await page.set_viewport_size({"width": width, "height": height})
            last = f"at-{width}"
            wall.floor.say("call.offered", last, time.time())
            await expect(page.locator(f'[data-call="{last}"]')).to_be_visible()  # drawn at this size
            await fits(page, width, height)


async def test_all_clocks_step_together_once_a_second(show: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred clocks cost one repaint a second, not three hundred."""
    monkeypatch.setattr(hub, "BEAT_S", 1000)  # a beat would tell the page of a time that its own clock has not reached
    monkeypatch.setattr(house, "BEAT_S", 1000)  # and it waits for none
    async with running_wall() as wall:
        wall.floor.begin()
        crowd(wall, 320, red=0, amber=0)
        page = await show("about:blank")
        await page.clock.install()
        await page.goto(wall.address)
        await expect(page.locator(".chip")).to_have_count(320)
        await page.evaluate("""() => {
            window.steps = [];
            new MutationObserver((changes) => steps.push(changes.length))
                .observe(document.getElementById("chips"), { subtree: true, childList: true, characterData: true });
        }""")
        await until(page, "steps.length >= 1")
        await page.clock.pause_at(await page.evaluate("Date.now() / 1000 + 1"))
        await page.evaluate("steps.length = 0")
        await page.clock.run_for(3000)
        steps = await page.evaluate("steps")
        assert len(steps) == 3
        assert min(steps) >= 320


# for everybody


@pytest.mark.parametrize("calls", [0, 30, 320])
async def test_axe_finds_nothing_serious(show: Open, calls: int) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        crowd(wall, calls, red=min(3, calls), amber=min(5, calls))
        page = await show(wall.address, bypass_csp=True)  # axe is a script of the test's own
        await expect(page.locator("#floor [data-call]")).to_have_count(calls)
        await state_is(page, "live")
        violations = (await Axe().run(page)).response["violations"]
        serious = [v for v in violations if v["impact"] in ("serious", "critical")]
        assert [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in serious for n in v["nodes"]] == []


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


async def test_the_page_fits_in_english_too(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        crowd(wall, 320, red=8, amber=17)
        page = await show(wall.address.replace("/#", "/?lang=en#"))
        await expect(page.locator("#floor [data-call]")).to_have_count(320)
        await fits(page, 1920, 1080)


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
        await expect(still.locator(".lamp")).to_have_css("animation-name", "none")
        moving = """() => document.getAnimations().filter(a => a.playState === "running").length"""
        assert await still.evaluate(moving) == 0
