"""Looking for calls, an old alert and an earlier day in a real Chromium, in front of a real archive."""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, WebSocketRoute, expect

from dashboards.wall import lookback
from streams.archive import keeping, migrations, search
from streams.archive.store import Store
from streams.settings import Settings
from tests.browser_tools import Open, needs_chromium, opening, state_is
from tests.test_wall_archive import DAY_S, OLD, Kept, day_at, kept, noon
from tests.wall_records import bygone, spoken, tell
from tests.wall_script import DESK_TOKEN, Running, running_wall

pytestmark = needs_chromium


@pytest.fixture
async def show(browser: Browser) -> AsyncIterator[Open]:
    """Open a page of the desk: ``show(wall, path, user, **options)``."""
    async with opening(browser, (1366, 768)) as open_:
        yield lambda wall, path, user="", **options: open_(
            f"{wall.base}{path}#token={f'of-{user}' if user else DESK_TOKEN}", **options
        )


@pytest.fixture
def archived(tmp_path: Path) -> Settings:
    """The usual archive: SQLite in the run folder. What pages show of PostgreSQL is the same (test_wall_archive)."""
    return Settings(run_dir=tmp_path / "run")


@pytest.fixture
def store(archived: Settings) -> Store:
    made = Store(archived)
    migrations.upgrade(made)
    return made


def looking(archived: Settings) -> AbstractAsyncContextManager[Running]:
    return running_wall(archived=archived, **OLD)


async def no_wider_than_the_window(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.locator("main").evaluate("e => e.scrollWidth <= e.clientWidth")


async def is_accessible(page: Page) -> None:
    found = (await Axe().run(page)).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in serious] == []


# -- looking for calls -------------------------------------------------------------------------------------


async def test_words_are_found_and_lead_to_where_they_were_said(show: Open, archived: Settings, store: Store) -> None:
    was = kept(store)
    async with looking(archived) as wall:
        wall.floor.begin()
        page = await show(wall, "/search")
        field = page.get_by_role("searchbox")
        await expect(field).to_be_focused()
        await expect(page.locator(".find-hint")).to_contain_text("填写条件后按回车查找")
        assert wall.people.audits == []  # nothing was asked
        await field.fill("有什么事快说")
        assert wall.people.audits == []  # nor while he types
        await page.keyboard.press("Enter")
        await expect(page.locator(".found > li")).to_have_count(2)
        await expect(page.locator(".count")).to_have_text("共 2 通")
        first = page.locator(".found > li").first
        await expect(first.locator("mark")).to_have_text("有什么事快说")
        await expect(first).to_contain_text("8026 号坐席")
        await expect(first.locator(".fired a").first).to_contain_text("态度傲慢、顶撞、厌烦 \u00d73")
        assert [entry.what for entry in wall.people.audits] == ["find"]
        await expect(page).to_have_title("查找通话 \u00b7 三声")
        await is_accessible(page)
        await no_wider_than_the_window(page)
        await first.locator(".said a").click()
        await expect(page).to_have_url(re.compile(r"/calls/rude-agent\?at="))
        sought = page.locator(".transcript .line").first
        await expect(sought).to_contain_text("有什么事快说")
        await page.keyboard.press("Escape")
        await expect(page.locator(".found > li")).to_have_count(2)
        assert [entry.what for entry in wall.people.audits] == ["find", "call"]  # it was kept, and not asked again
        assert was.ended_at < time.time()


async def test_the_address_holds_what_was_asked(show: Open, archived: Settings, store: Store) -> None:
    was = kept(store)
    day = day_at(was.ended_at)
    async with looking(archived) as wall:
        wall.floor.begin()
        page = await show(wall, "/search")
        await page.get_by_role("searchbox").fill("游什么是")
        await page.keyboard.press("Enter")
        await expect(page.locator(".find-hint")).to_contain_text("没有符合条件的通话")
        await page.get_by_role("radio", name="按读音").check()
        await expect(page.locator(".found > li")).to_have_count(2)
        await page.locator("input[name=since]").fill(day)
        await expect(page.locator(".found > li")).to_have_count(1)
        await page.get_by_label("级别").select_option("critical")
        await page.get_by_label("判定").select_option("申诉中")
        await expect(page.locator(".find-hint")).to_contain_text("没有符合条件的通话")
        assert "verdict=appealed" in page.url
        await page.get_by_label("判定").select_option("open")
        await page.locator("input[name=agent]").fill("8026")
        await page.keyboard.press("Enter")
        await expect(page.locator(".found > li")).to_have_count(1)
        for part in ("by=sound", f"since={day}", "severity=critical", "verdict=open", "agent=8026"):
            assert part in page.url
        again = await show(wall, page.url.removeprefix(wall.base).partition("#")[0])
        await expect(again.locator(".found > li")).to_have_count(1)
        await expect(again.get_by_role("searchbox")).to_have_value("游什么是")
        await expect(again.locator("input[name=by]:checked")).to_have_value("sound")
        await again.get_by_role("button", name="清空条件").click()
        await expect(again.locator(".find-hint")).to_contain_text("填写条件")
        assert "?" not in again.url.replace("?lang=zh", "")


async def test_keys_go_through_what_was_found(show: Open, archived: Settings, store: Store) -> None:
    kept(store)
    async with looking(archived) as wall:
        wall.floor.begin()
        page = await show(wall, "/search?agent=8026")
        await expect(page.locator(".found > li")).to_have_count(3)
        await page.keyboard.press("Escape")
        await page.locator("h1").click(force=True, position={"x": 0, "y": 0})
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await expect(page.locator(".found > li").nth(1)).to_have_attribute("data-selected", "")
        await expect(page.locator(".found > li").nth(1).locator(".to-call")).to_be_focused()
        await page.keyboard.press("k")
        await expect(page.locator(".found > li").first).to_have_attribute("data-selected", "")
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.press("Escape")
        await page.keyboard.press("j")
        await expect(page.locator(".found > li").nth(1).locator(".to-call")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("/calls/rude-agent"))


#: A loaded machine: what is seen is told a while later; until then it may be taken back, as the standard has it.
LATE_TO_TELL = """
window.told = [];
window.waiting = 0;
window.IntersectionObserver = class extends IntersectionObserver {
  #seen = [];
  constructor(tell, options) {
    super((seen) => {
      this.#seen.push(...seen);
      waiting += 1;
      setTimeout(() => {
        waiting -= 1;
        const late = this.#seen.splice(0);
        if (late.length) tell(late, this);
        told.push(...late.map((one) => one.isIntersecting));
      }, 300);
    }, options);
  }
  takeRecords() {
    return [...super.takeRecords(), ...this.#seen.splice(0)];
  }
};
"""


@pytest.mark.parametrize("late", [False, True])
async def test_more_comes_as_one_reads_on(show: Open, archived: Settings, store: Store, *, late: bool) -> None:
    """Thirty each time that the end comes near and no more, also where the browser is late to tell how near it was."""
    floor, keep = bygone(store)
    for n in range(75):
        floor.say("call.offered", f"c{n}", noon(-9) - 60 * n, queue="售后")
        floor.say("call.ended", f"c{n}", noon(-9) - 60 * n + 20, by="customer")
    keep()
    asked: list[str] = []
    answers: list[int] = []

    def slowly(socket: WebSocketRoute) -> None:
        """Each answer comes some frames after its question, so that the page is drawn in between."""
        upstream = socket.connect_to_server()

        def ask(frame: str | bytes) -> None:
            if (message := msgspec.json.decode(frame))["type"] == "find":
                asked.append(message["after"])
            upstream.send(frame)

        def answer(frame: str | bytes) -> None:
            message = msgspec.json.decode(frame)
            if message["type"] == "answer":
                answers.append(len(message["page"]["calls"]))
                asyncio.get_running_loop().call_later(0.1, socket.send, frame)
            else:
                socket.send(frame)

        socket.on_message(ask)
        upstream.on_message(answer)

    async with looking(archived) as wall:
        wall.floor.begin()
        page = await show(wall, "/desk")
        await page.route_web_socket(re.compile("/live$"), slowly)
        if late:
            await page.add_init_script(LATE_TO_TELL)
        await page.goto(f"{wall.base}/search?queue=%E5%94%AE%E5%90%8E")
        cards = page.locator(".found > li")
        await expect(cards).to_have_count(30)
        await expect(page.locator(".count")).to_have_text("前 30 通\uff0c后面还有")
        if late:
            await page.wait_for_function("() => told.at(-1) === false && !waiting")
        await cards.last.scroll_into_view_if_needed()
        await expect(cards.nth(59)).to_be_attached()
        if late:  # it was told that the end was near, and that it no longer is
            await page.wait_for_function("() => told.includes(true) && told.at(-1) === false && !waiting")
            assert len(asked) == 2
            await expect(cards).to_have_count(60)
        await cards.last.scroll_into_view_if_needed()
        await expect(cards).to_have_count(75)
        await expect(page.locator(".count")).to_have_text("共 75 通")
        assert answers == [30, 30, 15]
        assert len(set(asked)) == 3
        assert len(set(await cards.evaluate_all("all => all.map(e => e.dataset.call)"))) == 75


async def test_who_asks_for_too_much_sees_how_far_it_went_and_goes_on_when_meant(
    show: Open, archived: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(store)
    ticks = itertools.count()
    async with looking(archived) as wall:
        wall.floor.begin()
        monkeypatch.setattr(search, "_now", lambda: next(ticks) * lookback.FIND_S / 4)
        page = await show(wall, "/search?since=2020-01-01")
        await expect(page.locator(".found-cut")).to_contain_text("条件太宽\uff0c还没有查完")
        await expect(page.locator(".found-cut .soft")).to_contain_text("更早的还没有查")
        await expect(page.locator(".found-cut time")).to_be_visible()
        assert await page.locator(".found > li").count() < 3
        await page.wait_for_timeout(500)
        await expect(page.locator(".found-cut")).to_be_visible()  # not by itself: each asks the archive anew
        await is_accessible(page)
        monkeypatch.setattr(search, "_now", time.monotonic)
        await page.get_by_role("button", name="接着往前查").click()
        await expect(page.locator(".found > li")).to_have_count(3)
        await expect(page.locator(".found-cut")).to_have_count(0)
        await expect(page.locator(".count")).to_have_text("共 3 通")
        monkeypatch.setattr(lookback, "FIND_S", 0.0)
        page = await show(wall, "/search?since=2020-01-01")
        await expect(page.locator(".found-cut")).to_contain_text("没能查出结果")
        await expect(page.locator(".found-end")).to_have_count(0)


async def test_an_agent_looks_for_own_calls_only(show: Open, archived: Settings, store: Store) -> None:
    kept(store)
    async with looking(archived) as wall:
        wall.floor.begin()
        page = await show(wall, "/search?since=2020-01-01", user="8030")
        await expect(page.locator(".found > li")).to_have_count(1)
        await expect(page.locator(".fired")).to_have_count(0)
        await expect(page.locator("input[name=agent]")).to_have_count(0)
        page = await show(wall, "/search?since=2020-01-01", user="zhao")
        await expect(page.locator(".find-hint")).to_contain_text("没有符合条件的通话")


async def test_a_hostile_address_harms_nobody(show: Open, archived: Settings, store: Store) -> None:
    kept(store)
    async with looking(archived) as wall:
        wall.floor.begin()
        long = "%E5%A5%BD" * 300
        odd = "severity=all&verdict=%22&min=-1&max=1e999&role=system"
        page = await show(wall, f"/search?q={long}&agent={'x' * 900}&{odd}")
        await expect(page.locator(".find-hint, .page-problem")).to_be_visible()
        page = await show(wall, "/search?q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
        await expect(page.locator(".find-hint, .page-problem")).to_be_visible()
        assert await page.locator(".page-search img").count() == 0
        await state_is(page, "live")


async def test_a_search_while_the_archive_is_down_says_so_and_goes_on_by_itself(
    show: Open, archived: Settings, store: Store, tmp_path: Path
) -> None:
    kept(store)
    store.close()
    async with looking(archived) as wall:
        wall.floor.begin()
        wall.floor.beat("archive")
        page = await show(wall, "/search?agent=8026")
        await expect(page.locator(".found > li")).to_have_count(3)
        await expect(page.locator(".top .archive")).to_have_count(0)
        shutil.move(tmp_path / "run" / "archive", tmp_path / "away")
        wall.floor.beat("archive", ok=False, detail="store gone")
        await expect(page.locator(".top .archive")).to_have_text("归档故障")
        await state_is(page, "live")  # the live wall goes on
        await page.get_by_role("searchbox").fill("投诉")
        await page.keyboard.press("Enter")
        await expect(page.locator(".page-problem h1")).to_have_text("归档暂不可用")
        await expect(page.locator(".page-problem")).to_contain_text("今天的通话也一样")
        yesterday = await show(wall, f"/agents/8026?day={day_at(time.time() - DAY_S)}")
        await expect(yesterday.locator(".page-problem h1")).to_have_text("归档暂不可用")
        await expect(yesterday.locator(".page-problem")).to_contain_text("今天以前的通话和告警存放在归档里")
        shutil.move(tmp_path / "away", tmp_path / "run" / "archive")
        wall.floor.beat("archive")
        await expect(page.locator(".found > li")).to_have_count(3)
        await expect(page.locator(".top .archive")).to_have_count(0)


async def test_the_wall_says_that_the_archive_is_full_and_goes_on(browser: Browser) -> None:
    async with running_wall() as wall, opening(browser, (1920, 1080)) as open_:
        wall.floor.begin()
        page = await open_(wall.address)
        await state_is(page, "live")
        await expect(page.locator("#archive")).to_have_count(0)  # none was ever heard of
        wall.floor.beat("archive", ok=False, detail="store full")
        await expect(page.locator("#archive")).to_have_text("归档已满")
        await state_is(page, "live")
        await expect(page.locator("#banner")).to_be_hidden()
        wall.floor.beat("archive")
        await expect(page.locator("#archive")).to_have_count(0)


# -- an old alert, an earlier day --------------------------------------------------------------------------


async def test_the_page_of_an_old_alert_is_read_and_not_judged(show: Open, archived: Settings, store: Store) -> None:
    alert = kept(store).alert("forbidden-summons", "rude-agent")
    async with looking(archived) as wall:
        wall.floor.begin()
        page = await show(wall, f"/alerts/{alert.id}")
        await expect(page.locator("h1")).to_have_text("8026 号坐席呼喝客户\uff0c说了\u201c喂\uff0c有什么事快说\u201d")
        stands = page.locator(".panel-stands")
        await expect(stands).to_contain_text("已超过 7 天")
        await expect(stands.locator(".standings")).to_contain_text("属实")
        await expect(stands.locator(".history li")).to_have_count(3)
        await expect(stands.locator("button")).to_have_count(0)
        await expect(page.locator(".panel-earlier")).to_contain_text("此前 7 天同类告警")
        await expect(page.locator(".panel-earlier li")).to_have_count(1)
        await expect(page.locator(".panel-proof mark[data-mine]")).to_have_text("喂\uff0c有什么事快说")
        await expect(page.locator(".panel-why [data-answer=yes]").first).to_be_visible()
        await page.keyboard.press("c")  # nothing is claimed any more
        await expect(page.locator(".toast")).to_have_count(0)
        assert wall.people.verdicts == []
        await is_accessible(page)
        await no_wider_than_the_window(page)


async def test_a_page_whose_words_are_gone_says_so(show: Open, archived: Settings, store: Store) -> None:
    was = kept(store, ago_days=100)
    while keeping.keep(store, archived, time.time()).more:
        pass
    async with looking(archived) as wall:
        wall.floor.begin()
        page = await show(wall, "/calls/rude-agent")
        await expect(page.locator(".panel-words")).to_contain_text("对话文字已按规定清除")
        await expect(page.locator(".panel-course .timeline")).to_be_visible()
        page = await show(wall, f"/alerts/{was.alert('forbidden-summons', 'rude-agent').id}")
        await expect(page.locator(".panel-proof")).to_contain_text("对话文字已按规定清除")
        await expect(page.locator(".panel-why .note")).to_contain_text("对话文字已按规定清除")
        assert "有什么事" not in await page.locator(".page-head, .panel-proof").all_inner_texts()


async def test_an_old_page_without_the_archive_says_so(
    show: Open, archived: Settings, store: Store, tmp_path: Path
) -> None:
    alert = kept(store).alert("forbidden-summons", "rude-agent")
    store.close()
    async with looking(archived) as wall:
        wall.floor.begin()
        wall.floor.beat("archive", ok=False, detail="store gone")
        shutil.move(tmp_path / "run" / "archive", tmp_path / "away")
        page = await show(wall, f"/alerts/{alert.id}")
        await expect(page.locator(".page-problem[data-problem=archive] h1")).to_have_text("归档暂不可用")
        await expect(page.locator(".page-problem")).to_contain_text("本周的告警不受影响")
        shutil.move(tmp_path / "away", tmp_path / "run" / "archive")
        await expect(page.locator("h1")).to_contain_text("呼喝客户")  # by itself


async def test_one_goes_from_day_to_day(show: Open, archived: Settings, store: Store) -> None:
    was: Kept = kept(store, ago_days=1)
    yesterday, before = day_at(was.ended_at), day_at(was.ended_at - DAY_S)
    async with looking(archived) as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("rude-agent"), time.time() - 60, "today")
        page = await show(wall, "/agents/8026", user="zhou")
        await expect(page.locator("tr[data-call]")).to_have_count(1)
        await expect(page.locator(".days .off")).to_have_text("后一天")
        await page.get_by_role("link", name="前一天").click()
        await expect(page).to_have_url(re.compile(f"/agents/8026\\?day={yesterday}"))
        await expect(page.locator("tr[data-call]")).to_have_count(2)
        await expect(page.locator(".page-head .tag")).to_have_count(0)
        await expect(page.locator(".figures")).to_contain_text("2 / 2")
        await is_accessible(page)
        await page.keyboard.press("[")
        await expect(page).to_have_url(re.compile(f"day={before}"))
        await expect(page.locator(".note").first).to_contain_text("这一天没有电话")
        await page.keyboard.press("]")
        await expect(page.locator("tr[data-call]")).to_have_count(2)
        await page.locator("tr[data-call] a").last.click()
        await expect(page.locator(".transcript .line")).to_have_count(7)
        await page.get_by_role("link", name="8026 号坐席", exact=True).click()
        await expect(page).to_have_url(re.compile(f"day={yesterday}"))  # of the call's day
        await page.locator("input[name=day]").fill(day_at(time.time()))
        await expect(page).to_have_url(re.compile(r"/agents/8026$"))
        await expect(page.locator("tr[data-call]")).to_have_count(1)
