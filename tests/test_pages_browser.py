"""The pages behind the wall in a real Chromium: an alert, a call, an agent's day, the rules. Fed with real records."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import msgspec
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page, WebSocketRoute, expect

from streams.verdicts import Judgement
from tests.browser_tools import Open, needs_chromium, opening
from tests.wall_records import pbx, spoken, tell
from tests.wall_script import DESK_TOKEN, Running, change, running_wall

pytestmark = needs_chromium

#: Of a supervisor of another team.
OTHER_TOKEN = "only-for-another-team"  # noqa: S105 - says so itself


@pytest.fixture
async def show(browser: Browser) -> AsyncIterator[Open]:
    """Open a page of the desk: ``show(wall, path, token, **options)``."""
    async with opening(browser, (1366, 768)) as open_:
        yield lambda wall, path, token=DESK_TOKEN, **options: open_(
            f"{wall.base}{path}{f'#token={token}' if token else ''}", **options
        )


def alert_of(wall: Running, rule: str, call: str) -> str:
    return next(c.id for c in wall.floor.changes if c.rule == rule and c.call == call)


def panel(page: Page, name: str) -> Locator:
    return page.locator(f".panel-{name}")


async def no_wider_than_the_window(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.locator("main").evaluate("e => e.scrollWidth <= e.clientWidth")


# -- an alert ------------------------------------------------------------------------------------------------


async def test_the_page_of_an_alert_says_what_was_broken_why_and_on_what_it_rests(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        for earlier in (3, 2, 1):
            tell(wall.floor, spoken("rude-agent"), time.time() - 3600 * earlier, f"before-{earlier}")
        tell(wall.floor, spoken("rude-agent"), time.time() - 300)
        page = await show(wall, f"/alerts/{alert_of(wall, 'forbidden-summons', 'rude-agent')}")
        await expect(page.locator("h1")).to_have_text("8026 号坐席呼喝客户，说了“喂，有什么事快说”")
        head = page.locator(".page-head")
        for told in ("警告", "呼喝客户", "8026 号坐席", "hotline 队列", "138****0000"):
            await expect(head).to_contain_text(told)
        await expect(panel(page, "clause")).to_contain_text("《客户客服对话范文》第5篇 常规开头语")
        await expect(panel(page, "clause").locator("> blockquote")).to_contain_text("有什么事快说!不说我挂线啦")
        await expect(panel(page, "proof").locator("mark[data-mine]")).to_have_text("喂，有什么事快说")
        await expect(panel(page, "proof").locator(".line")).to_have_count(3)
        await expect(panel(page, "proof").locator(".left")).to_have_text("略去 4 句")
        await expect(panel(page, "course").locator(".sign[data-mine]")).to_have_count(1)
        why = panel(page, "why")
        await expect(why.locator(".fires")).to_contain_text("坐席说出〔呼喝〕")
        await expect(why.locator(".asks").first).to_have_text("说到\uff1a〔呼喝〕 \u00b7 坐席")
        assert not re.search("[A-Za-z_]{2}", " ".join(await why.locator(".asks").all_inner_texts()))
        assert not re.search("[\u4e00-\u9fff][,;]|[,;][\u4e00-\u9fff]", await why.inner_text())
        await expect(why.locator("[data-answer=yes]").first).to_contain_text("喂，有什么事快说")
        await expect(why.locator("[data-answer=no]").first).to_contain_text("否")
        await expect(panel(page, "advice")).to_contain_text("规范问候")
        await expect(panel(page, "earlier").locator("li")).to_have_count(3)
        await expect(panel(page, "stands")).to_contain_text("还没有人处理")
        await expect(page.locator(".rulebook")).to_contain_text(wall.floor.book.version)
        await no_wider_than_the_window(page)


async def test_the_whole_call_opens_in_place_and_on_its_own_page(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("rude-agent"), time.time() - 300)
        page = await show(wall, f"/alerts/{alert_of(wall, 'forbidden-summons', 'rude-agent')}")
        await page.get_by_role("button", name="展开整通对话").click()
        await expect(panel(page, "proof").locator(".line")).to_have_count(7)
        await page.get_by_role("button", name="只看相关部分").click()
        await expect(panel(page, "proof").locator(".line")).to_have_count(3)
        await page.get_by_role("link", name="打开这通电话").click()
        await expect(page).to_have_url(re.compile(r"/calls/rude-agent\?at="))
        await expect(page.locator(".transcript .line")).to_have_count(7)


async def test_a_moment_of_the_picture_opens_the_whole_call_there(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("rude-agent"), time.time() - 300)
        page = await show(wall, f"/alerts/{alert_of(wall, 'forbidden-summons', 'rude-agent')}")
        await expect(panel(page, "proof").locator(".line")).to_have_count(3)
        scrub = page.get_by_role("slider", name="时间轴")
        await scrub.focus()
        await page.keyboard.press("End")
        await page.keyboard.press("Enter")
        await expect(panel(page, "proof").locator(".line")).to_have_count(7)
        await expect(page.locator(".transcript [data-sought]")).to_be_in_viewport()
        assert float(await page.locator(".transcript [data-sought]").get_attribute("data-at") or 0) > time.time() - 310


async def test_an_alert_about_words_that_were_not_said_shows_its_moment(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("hold-without-consent"), time.time() - 300)
        page = await show(wall, f"/alerts/{alert_of(wall, 'hold-without-consent', 'hold-without-consent')}")
        await expect(panel(page, "proof")).to_contain_text("依据不是某一句话")
        await expect(panel(page, "proof").locator(".alert-line[data-mine]")).to_contain_text("未征求同意就让客户等待")
        await expect(panel(page, "proof").locator(".line")).to_contain_text(["账号说一下", "尾号是六六八八"])
        await expect(panel(page, "why").locator("[data-answer=no]")).to_contain_text("没有说过")


async def test_a_permanent_link_opens_cold(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("rude-agent"), time.time() - 300)
        address = f"/alerts/{alert_of(wall, 'forbidden-summons', 'rude-agent')}"
        page = await show(wall, address, token="")
        await page.locator("input[name=token]").fill(DESK_TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_contain_text("呼喝客户")
        assert page.url == wall.base + address
        await page.reload()
        await expect(page.locator("h1")).to_contain_text("呼喝客户")


async def test_what_somebody_else_does_with_it_is_told_at_once(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("rude-agent"), time.time() - 300)
        alert = alert_of(wall, "forbidden-summons", "rude-agent")
        page = await show(wall, f"/alerts/{alert}")
        await expect(panel(page, "stands")).to_contain_text("待处理")
        said = {"alert": alert, "call": "rude-agent", "rule": "forbidden-summons", "by": "li", "by_name": "李敏"}
        wall.floor.verdict(Judgement(id="1", action="claimed", at=time.time(), **said))
        await expect(panel(page, "stands")).to_contain_text("李敏处理中")
        wall.floor.verdict(
            Judgement(id="2", action="false_alarm", reason="exempt", text="老客户，熟人", at=time.time(), **said)
        )
        await expect(panel(page, "stands").locator(".standings")).to_contain_text("误报 · 情有可原")
        await expect(panel(page, "stands").locator(".history li")).to_contain_text(["李敏 认领", "老客户，熟人"])


async def test_the_buttons_of_the_page_decide_the_alert(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("rude-agent"), time.time() - 300)
        page = await show(wall, f"/alerts/{alert_of(wall, 'forbidden-summons', 'rude-agent')}")
        await panel(page, "stands").locator("[data-action=resolved]").click()
        await expect(panel(page, "stands").locator(".standings")).to_contain_text("属实")
        await expect(panel(page, "stands").locator(".history li")).to_contain_text(["判定属实"])


async def test_a_page_that_cannot_be_had_says_what_and_why(show: Open) -> None:
    users = [{"login": "zhao", "name": "赵班长", "role": "supervisor", "teams": ["投诉"], "token": OTHER_TOKEN}]
    teams = {"投诉": {"agents": ["900"], "queues": ["投诉"]}}
    async with running_wall(users=users, teams=teams) as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("rude-agent"), time.time() - 300)
        alert = alert_of(wall, "forbidden-summons", "rude-agent")
        page = await show(wall, "/alerts/0000000000000000")
        await expect(page.locator(".page-problem[data-problem=unknown] h1")).to_have_text("找不到这条告警")
        page = await show(wall, "/calls/nobody-knows")
        await expect(page.locator(".page-problem[data-problem=unknown] h1")).to_have_text("找不到这通电话")
        page = await show(wall, "/calls/rude-agent", token=OTHER_TOKEN)
        await expect(page.locator(".page-problem")).to_be_visible()
        assert "有什么事快说" not in await page.locator("body").inner_text()
        wall.records.down = True
        page = await show(wall, f"/alerts/{alert}")
        await expect(page.locator(".page-problem[data-problem=unavailable] h1")).to_have_text("暂时读不到记录")
        wall.records.down = False
        await expect(page.locator("h1")).to_contain_text("呼喝客户")  # it asks again by itself


async def test_an_alert_whose_call_is_not_kept_shows_what_the_alert_itself_kept(show: Open) -> None:
    proof = {"role": "agent", "text": "你到底要不要办", "start": 1.0, "end": 2.0, "match": "到底要不要"}
    async with running_wall() as wall:
        wall.floor.begin()
        wall.floor.alert(change("lone", call="gone", says="坐席责问客户", evidence=[proof]))
        page = await show(wall, "/alerts/lone")
        await expect(page.locator("h1")).to_have_text("坐席责问客户")
        await expect(panel(page, "proof")).to_contain_text("记录已过保存期限")
        await expect(panel(page, "proof").locator("mark")).to_have_text("到底要不要")
        await expect(panel(page, "why").locator(".note")).to_contain_text("无法逐条核对")
        await expect(page.locator(".timeline")).to_have_count(0)


# -- a call --------------------------------------------------------------------------------------------------


def talking(wall: Running, call: str = "c1", *, since: float = 20) -> float:
    """A call that goes on; when it was answered."""
    at = time.time() - since
    wall.floor.say("call.offered", call, at - 5, queue="售后", caller="138****0001")
    wall.floor.say("agent.ringing", call, at - 4, agent="101", agent_name="王芳")
    wall.floor.say("call.answered", call, at, agent="101")
    return at


def utter(wall: Running, start: float, text: str, role: str = "agent", call: str = "c1", **fields: Any) -> None:
    end = fields.pop("end", start + 1)
    final = fields.pop("final", True)
    wall.floor.say("transcript", call, end, role=role, text=text, start=start, end=end, final=final, **fields)


async def test_words_appear_while_they_are_spoken_grey_until_they_are_final(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        at = talking(wall)
        utter(wall, at + 1, "您好，请问有什么可以帮您")
        page = await show(wall, "/calls/c1")
        lines = page.locator(".transcript .line")
        await expect(lines).to_have_text([re.compile("您好，请问有什么可以帮您")])
        utter(wall, at + 3, "我的宽带", "customer", final=False)
        await expect(lines.nth(1)).to_contain_text("我的宽带")
        await expect(lines.nth(1)).to_have_attribute("data-partial", "")
        grey = await lines.nth(1).locator(".text").evaluate("e => getComputedStyle(e).color")
        utter(wall, at + 3, "我的宽带上不了网", "customer", end=at + 5, by_sound=True)
        await expect(lines).to_have_count(2)
        await expect(lines.nth(1).locator(".text")).to_have_text("我的宽带上不了网")
        await expect(lines.nth(1)).not_to_have_attribute("data-partial", "")
        await expect(lines.nth(1).locator(".by-sound")).to_have_text("据音")
        assert await lines.nth(1).locator(".text").evaluate("e => getComputedStyle(e).color") != grey
        await expect(page.locator(".page-head .phase")).to_contain_text("通话")
        wall.floor.say("call.ended", "c1", by="customer")
        await expect(page.locator(".page-head")).to_contain_text("客户挂机")
        await expect(page.locator(".transcript:not([data-live]) .line")).to_have_count(2)


async def test_a_call_that_is_opened_before_the_floor_is_known_is_followed_too(show: Open, browser: Browser) -> None:
    sockets: list[WebSocketRoute] = []

    def hold_the_floor(socket: WebSocketRoute) -> None:
        def hand_over(message: str | bytes) -> None:
            if msgspec.json.decode(message)["type"] not in ("snapshot", "change", "beat"):
                socket.send(message)

        sockets.append(socket)
        socket.connect_to_server().on_message(hand_over)

    async with running_wall() as wall:
        wall.floor.begin()
        at = talking(wall)
        utter(wall, at + 1, "您好")
        page = await browser.new_page()
        await page.route_web_socket(re.compile("/live$"), hold_the_floor)
        await page.goto(f"{wall.base}/calls/c1#token={DESK_TOKEN}")
        await expect(page.locator(".transcript .line")).to_have_count(1)
        utter(wall, at + 3, "我的宽带上不了网", "customer")
        await expect(page.locator(".transcript .line")).to_have_count(2)
        assert len(sockets) == 1  # not only after a new beginning


async def test_a_page_that_is_read_anew_goes_on_hearing_its_call(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        at = talking(wall)
        utter(wall, at + 1, "喂，有什么事快说")
        wall.floor.wait(at + 10)
        alert = alert_of(wall, "forbidden-summons", "c1")
        sent: list[Any] = []
        page = await show(wall, "/rules")
        page.on("websocket", lambda line: line.on("framesent", lambda frame: sent.append(msgspec.json.decode(frame))))
        await page.goto(f"{wall.base}/alerts/{alert}")
        await expect(page.locator(".following")).to_be_visible()
        for action in ("claimed", "released"):
            await panel(page, "stands").locator(f"[data-action={action}]").click()
            await expect(panel(page, "stands").locator(f".history [data-action={action}]")).to_have_count(1)
        await page.get_by_role("button", name="展开整通对话").click()
        utter(wall, at + 15, "您怎么这样说话", "customer")
        await expect(page.locator(".transcript")).to_contain_text("您怎么这样说话")
        assert [message["call"] for message in sent if message["type"] == "follow"] == ["c1"]
        assert len([message for message in sent if message["type"] == "ask"]) == 3


async def test_a_live_transcript_follows_its_end_unless_somebody_reads_further_up(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        at = talking(wall, since=90)
        for n in range(30):
            utter(wall, at + 2 * n, f"第 {n} 句话", "agent" if n % 2 else "customer")
        page = await show(wall, "/calls/c1")
        box = page.locator(".transcript .scroll")
        await expect(page.locator(".transcript .line")).to_have_count(30)
        gap = "e => e.scrollHeight - e.scrollTop - e.clientHeight"
        utter(wall, at + 70, "第一句新话")
        await expect(page.locator(".transcript .line")).to_have_count(31)
        await expect(page.get_by_text("第一句新话")).to_be_in_viewport()
        assert await box.evaluate(gap) < 40
        await box.evaluate("e => { e.scrollTop = 0; }")
        await page.wait_for_function("document.querySelector('.transcript .scroll').scrollTop === 0")
        utter(wall, at + 75, "第二句新话", "customer")
        await expect(page.locator(".newer")).to_contain_text("有新的内容")
        assert await box.evaluate("e => e.scrollTop") == 0
        await page.locator(".newer").click()
        await expect(page.get_by_text("第二句新话")).to_be_in_viewport()


async def test_gaps_and_hidden_numbers_are_told_as_such(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        at = talking(wall, since=60)
        hidden = [{"kind": "phone", "start": 4, "end": 15}]
        utter(wall, at + 1, "我的电话***********", "customer", masked=hidden)
        wall.floor.say("gap", "c1", at + 30, role="customer", start=at + 18, end=at + 30)
        page = await show(wall, "/calls/c1")
        await expect(page.locator(".transcript .hidden-kinds")).to_have_text("已隐去电话号码")
        await expect(page.locator(".transcript .stars")).to_have_text("***********")
        await expect(page.locator(".transcript .gap")).to_contain_text("此处 12 秒没有听到客户一侧的声音")
        await expect(page.locator(".timeline .legend, .timeline pattern[id$=unheard]")).not_to_have_count(0)


async def test_hostile_text_stays_text(show: Open) -> None:
    script = "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'>"
    async with running_wall() as wall:
        wall.floor.begin()
        at = talking(wall, since=120)
        utter(wall, at + 1, script)
        utter(wall, at + 5, "\u202e倒着写的话\u2066", "customer")
        utter(wall, at + 9, "正常的话")
        utter(wall, at + 20, "长" * 10_000, "customer")
        utter(wall, at + 30, "a" * 10_000)
        utter(wall, at + 40, "😀😀 喂，有什么事快说", "agent")
        wall.floor.wait(at + 60)
        page = await show(wall, "/calls/c1")
        lines = page.locator(".transcript .line")
        await expect(lines).to_have_count(6)
        await expect(lines.nth(0).locator(".text")).to_have_text(script)
        assert await page.evaluate("window.broken") is None
        await expect(lines.nth(1).locator(".text > bdi")).to_have_count(1)
        await expect(lines.nth(5).locator("mark").first).to_have_text("喂，有什么事快说")  # counted past the emoji
        await no_wider_than_the_window(page)
        assert await page.locator(".transcript .scroll").evaluate("e => e.scrollWidth <= e.clientWidth")
        await page.goto(f"{wall.base}/alerts/{alert_of(wall, 'forbidden-summons', 'c1')}")
        await expect(page.locator(".panel-proof mark[data-mine]")).to_have_text("喂，有什么事快说")
        await no_wider_than_the_window(page)


async def test_a_real_call_of_asterisk_with_its_transfer_and_alerts(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tell(wall.floor, pbx("f2_attended_sip"), time.time() - 600)
        [call] = {c.call for c in wall.floor.changes}
        page = await show(wall, f"/calls/{call}")
        await expect(page.locator("h1 a")).to_have_text(["Ana Lopez 101", "Ben Ortiz 102"])
        phases = page.locator(".timeline .phase")
        assert [await p.get_attribute("data-phase") for p in await phases.all()] == [
            "ringing",
            "talking",
            "held",
            "talking",
        ]
        await expect(phases.nth(2)).to_contain_text("保持 00:21")
        await expect(page.locator(".figures [data-phase=held] dd")).to_have_text("21 秒")
        await expect(panel(page, "alerts").locator("li")).to_have_count(2)
        await expect(page.locator(".timeline .sign")).to_have_count(2)
        await expect(panel(page, "words")).to_contain_text("没有接入语音")
        events = panel(page, "words").locator(".event")
        await expect(events).to_contain_text(
            ["开始振铃", "接通", "客户进入保持", "转接后接通 · Ben Ortiz", "通话结束 · 坐席挂机"]
        )
        rows = page.locator(".timeline .unseen tbody tr")  # the same for those who do not see the picture
        assert any("保持 21 秒" in text for text in await rows.all_inner_texts())
        await page.locator(".timeline .sign .halo").first.click()
        await expect(page).to_have_url(re.compile(r"/alerts/"))
        await expect(page.locator("h1")).to_contain_text("Ben Ortiz（102）的电话响铃 15 秒后结束")


async def test_a_click_on_the_picture_shows_what_was_said_then_and_so_do_the_keys(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("hold-without-consent"), time.time() - 300)
        page = await show(wall, "/calls/hold-without-consent")
        sought = page.locator(".transcript [data-sought]")
        scrub = page.get_by_role("slider", name="时间轴")
        box = await scrub.bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] * 0.97, box["y"] + 10)
        await expect(sought).to_be_in_viewport()
        await expect(sought).to_have_attribute("data-key", re.compile("agent said"))
        await scrub.focus()
        await page.keyboard.press("Home")
        await expect(scrub).to_have_attribute("aria-valuetext", re.compile(r"^00:00 .*振铃"))
        for _ in range(4):
            await page.keyboard.press("PageUp")
        await expect(scrub).to_have_attribute("aria-valuetext", re.compile(r"^00:20 .*保持 35 秒"))
        await page.keyboard.press("Enter")
        await expect(sought).to_be_in_viewport()


SCALES = """async ([seconds, width, running]) => {
  const { Scale } = await import("/pages/scale.js");
  const scale = new Scale(1000, 1000 + seconds, width, running);
  const xs = scale.ticks().map((s) => scale.x(1000 + s));
  return { step: scale.step, apart: Math.min(...xs.slice(1).map((x, i) => x - xs[i])), count: xs.length,
    end: scale.x(1000 + seconds), right: scale.x(scale.until), until: scale.until - 1000 };
}"""


async def test_the_axis_has_readable_ticks_from_ten_seconds_to_hours(show: Open) -> None:
    async with running_wall() as wall:
        page = await show(wall, "/rules")
        for seconds, width, running in product((0.4, 10, 75, 600, 7200, 36_000), (600, 1250, 2400), (False, True)):
            scale = await page.evaluate(SCALES, [seconds, width, running])
            assert scale["apart"] >= 60
            assert scale["count"] <= width / 60
            assert scale["end"] <= scale["right"] <= width
            assert scale["until"] <= max(seconds * 1.35, seconds + 12)  # little empty room even for one that grows


async def test_talk_of_a_long_call_is_drawn_as_shares_and_nothing_is_lost(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        page = await show(wall, "/rules")
        path = await page.evaluate("""async () => {
          const { Scale, talkPath } = await import("/pages/scale.js");
          const talk = Array.from({ length: 900 }, (_, i) => ({ role: "agent", start: 8 * i, end: 8 * i + 3 }));
          return talkPath(talk, "agent", new Scale(0, 7200, 1250, false), [0, 20]);
        }""")
        assert 300 < path.count("M") < 500  # one column for three pixels, not 900 slivers
        assert "NaN" not in path


# -- an agent's day, the rules -------------------------------------------------------------------------------


async def test_an_agents_day_with_calls_alerts_and_findings(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        now = time.time()
        tell(wall.floor, spoken("rude-agent"), now - 60)
        tell(wall.floor, spoken("hold-without-consent"), now - 30)
        alert = alert_of(wall, "hold-without-consent", "hold-without-consent")
        verdict = {"alert": alert, "call": "hold-without-consent", "rule": "hold-without-consent"}
        wall.floor.verdict(Judgement(id="1", action="resolved", by="li", by_name="李敏", at=now, **verdict))
        page = await show(wall, "/agents/8026")
        await expect(page.locator("h1")).to_have_text("8026 号坐席")
        figures = page.locator(".figures")
        await expect(figures).to_contain_text("2 / 2")
        await expect(figures).to_contain_text("35 秒")
        await expect(page.locator(".strip .call")).to_have_count(2)
        await expect(page.locator(".panel-calls tbody tr")).to_have_count(2)
        await expect(page.locator(f"tr[data-alert='{alert}']")).to_contain_text("属实")
        await expect(page.locator(".page-head a")).to_have_count(0)  # of other days nothing is known
        await page.locator("tr[data-call='rude-agent'] a").first.click()
        await expect(page).to_have_url(re.compile(r"/calls/rude-agent"))
        await expect(page.locator(".transcript .line")).to_have_count(7)
        await page.locator("h1 a").click()
        await expect(page).to_have_url(f"{wall.base}/agents/8026")


async def test_the_rules_with_what_people_found_and_snoozes_that_can_be_lifted(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        now = time.time()
        for n, action in enumerate(("resolved", "resolved", "resolved", "false_alarm", None)):
            wall.floor.alert(change(f"a{n}", at=now - 60))
            if action:
                told = {"alert": f"a{n}", "call": "c1", "rule": "long-hold", "by": "li", "by_name": "李敏", "at": now}
                wall.floor.verdict(Judgement(id=f"v{n}", action=action, **told))
        page = await show(wall, "/rules")
        row = page.locator("tr[data-rule='long-hold']")
        await expect(row.locator(".precision")).to_contain_text("75%")
        await expect(row.locator(".precision")).to_contain_text("仅 4 次判定")
        await expect(row.get_by_role("img")).to_have_attribute("aria-label", "属实 3，误报 1，待判定 1")
        await expect(panel(page, "snoozes")).to_contain_text("没有静音的规则")
        await page.goto(f"{wall.base}/alerts/a4")
        await page.locator("[data-action=snooze]").click()
        await page.locator("#dialog button[type=submit]").click()
        await page.get_by_role("link", name="规则", exact=True).click()
        await expect(panel(page, "snoozes").locator("li")).to_contain_text(["客户保持等待过久"])
        await panel(page, "snoozes").get_by_role("button", name="解除静音").click()
        await expect(panel(page, "snoozes")).to_contain_text("没有静音的规则")


# -- for everybody -------------------------------------------------------------------------------------------


async def test_the_pages_are_in_english_too(show: Open) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("rude-agent"), time.time() - 300)
        page = await show(wall, f"/alerts/{alert_of(wall, 'forbidden-summons', 'rude-agent')}?lang=en")
        await expect(page.locator("h1")).to_contain_text("agent 8026 called out to the customer")
        for name, title in {
            "clause": "Clause",
            "proof": "Evidence",
            "course": "Course",
            "why": "Why it fired",
        }.items():
            await expect(panel(page, name).locator("h2")).to_contain_text(title)
        await expect(panel(page, "why").locator(".asks").first).to_have_text("words: any 〔呼喝〕 by agent")


@pytest.mark.parametrize("name", ["alert", "call", "agent", "rules", "unknown"])
async def test_no_serious_barrier_on_any_page(show: Open, name: str) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tell(wall.floor, spoken("rude-agent"), time.time() - 100)
        tell(wall.floor, spoken("hold-without-consent"), time.time() - 50)
        alert = alert_of(wall, "forbidden-summons", "rude-agent")
        path, there = {
            "alert": (f"/alerts/{alert}", ".panel-why .why-tree"),
            "call": ("/calls/hold-without-consent", ".transcript .line"),
            "agent": ("/agents/8026", ".strip .call"),
            "rules": ("/rules", ".panel-rules tbody tr"),
            "unknown": ("/alerts/0000", ".page-problem"),
        }[name]
        page = await show(wall, path)
        await expect(page.locator(there).first).to_be_visible()
        found = await Axe().run(page)
        serious = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [n["html"][:200] for n in v["nodes"]][:3]) for v in serious] == []
