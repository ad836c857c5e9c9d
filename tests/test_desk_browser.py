"""The desk in a real Chromium, over the real server, fed by a script."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from axe_playwright_python.async_playwright import Axe
from msgspec.structs import replace
from playwright.async_api import Browser, Locator, Page, WebSocketRoute, expect

from streams import alerts
from streams.verdicts import Judgement, Snooze
from tests.browser_tools import Open, needs_chromium, opening, state_is
from tests.wall_script import DESK_TOKEN, TOKEN, Running, change, running_wall

pytestmark = needs_chromium

USERS = [
    {"login": "wang", "name": "王主管", "role": "supervisor", "token": "token-wang"},
    {"login": "li", "name": "李经理", "role": "manager", "token": "token-li"},
    {"login": "zhao", "name": "赵班长", "role": "supervisor", "teams": ["售后"], "token": "token-zhao"},
    {"login": "a101", "name": "王芳", "role": "agent", "agent": "101", "token": "token-101"},
]
TEAMS = {"售后": {"agents": ["101"], "queues": ["售后"]}, "投诉": {"agents": ["103"], "queues": ["投诉"]}}


@pytest.fixture
async def show(browser: Browser) -> AsyncIterator[Open]:
    """Open an address on the screen of a desk."""
    async with opening(browser, (1600, 900)) as open_:
        yield open_


@pytest.fixture
async def wall() -> AsyncIterator[Running]:
    async with running_wall(users=USERS, teams=TEAMS) as wall:
        wall.floor.begin()
        yield wall


def alert(id_: str, **fields: Any) -> alerts.AlertChange:
    """An alert of a call and an agent of its own, so that it makes no group."""
    whole = {"call": f"call-{id_}", "agent": None, "agent_name": None, "says": f"客户保持等待 {id_}", **fields}
    return change(id_, **whole)


def desk(wall: Running, token: str, state: str = "open") -> str:
    """The desk of that user; most alerts of these tests have no call on the floor, so they are not going on."""
    return f"{wall.base}/desk?state={state}#token={token}"


def row(page: Page, id_: str) -> Locator:
    return page.locator(f'.row[data-alert="{id_}"]')


def rows(page: Page) -> Locator:
    return page.locator(".row")


def action(page: Page, name: str) -> Locator:
    return page.locator(f'.preview [data-action="{name}"]')


def toast(page: Page) -> Locator:
    return page.locator(".toast").last


async def ids(page: Page) -> list[str]:
    return [str(await one.get_attribute("data-alert")) for one in await rows(page).all()]


def judgements(wall: Running) -> list[Judgement]:
    return [verdict for verdict in wall.people.verdicts if isinstance(verdict, Judgement)]


# who does what, seen by all


async def test_a_claim_on_one_screen_is_seen_on_another_and_can_be_given_back(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1"))
    mine, other = await show(desk(wall, "token-wang", "all")), await show(desk(wall, "token-li", "all"))
    await expect(row(other, "a1").locator(".standing")).to_have_text("待处理")
    await row(mine, "a1").click()
    await action(mine, "claimed").click()
    await expect(toast(mine)).to_contain_text("已认领")
    await expect(row(mine, "a1").locator(".standing")).to_have_text("我在处理")
    await expect(row(other, "a1").locator(".standing")).to_have_text("王主管处理中")
    await row(other, "a1").click()
    await action(other, "takeOver").click()
    await expect(row(mine, "a1").locator(".standing")).to_have_text("李经理处理中")
    await action(other, "released").click()
    await expect(row(mine, "a1").locator(".standing")).to_have_text("待处理")
    assert [(j.action, j.by) for j in judgements(wall)] == [
        ("claimed", "wang"),
        ("released", "li"),
        ("claimed", "li"),
        ("released", "li"),
    ]


async def test_a_false_alarm_needs_a_reason_and_is_seen_with_it(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1"))
    mine, other = await show(desk(wall, "token-wang")), await show(f"{wall.base}/desk?state=all#token=token-li")
    await row(mine, "a1").click()
    await action(mine, "false_alarm").click()
    dialog = mine.get_by_role("dialog")
    await expect(dialog).to_contain_text("判定为误报")
    await dialog.get_by_role("button", name="判为误报").click()
    await expect(dialog.locator(".problem")).to_have_text("请选择原因")
    await dialog.get_by_label("听错了").check()
    await dialog.get_by_role("textbox").fill("客户说的是“账单”，电话 13812345678")
    await dialog.get_by_role("button", name="判为误报").click()
    await expect(dialog).to_be_hidden()
    await expect(row(mine, "a1")).to_have_count(0)  # it is no longer open
    await expect(row(other, "a1").locator(".standing")).to_have_text("误报 · 听错了")
    await row(other, "a1").click()
    await expect(other.locator(".preview .history")).to_contain_text("王主管 判定误报 听错了")
    [judgement] = judgements(wall)
    assert judgement.reason == "misheard"
    assert "账单" in judgement.text and "13812345678" not in judgement.text


async def test_a_reason_of_its_own_must_be_written(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1"))
    page = await show(desk(wall, "token-wang"))
    await row(page, "a1").click()
    await page.keyboard.press("f")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("其他").check()
    await dialog.get_by_role("button", name="判为误报").click()
    await expect(dialog.locator(".problem")).to_have_text("请填写说明")
    await dialog.get_by_role("textbox").fill("演练")
    await dialog.get_by_role("button", name="判为误报").click()
    await expect(toast(page)).to_contain_text("已判为误报")
    assert [(j.action, j.reason, j.text) for j in judgements(wall)] == [("false_alarm", "other", "演练")]


async def test_a_comment_is_counted_on_every_screen(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1"))
    mine, other = await show(desk(wall, "token-wang")), await show(desk(wall, "token-li"))
    await row(mine, "a1").click()
    await mine.keyboard.press("m")
    await mine.get_by_role("dialog").get_by_role("textbox").fill("已提醒王芳")
    await mine.keyboard.press("Control+Enter")
    await expect(toast(mine)).to_contain_text("备注已保存")
    await expect(row(other, "a1").locator(".comments")).to_contain_text("1 条备注")
    await row(other, "a1").click()
    await expect(other.locator(".preview .history")).to_contain_text("已提醒王芳")


async def test_a_slip_is_taken_back(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1"))
    page = await show(desk(wall, "token-wang"))
    await row(page, "a1").click()
    await page.keyboard.press("r")
    await expect(row(page, "a1")).to_have_count(0)
    await toast(page).get_by_role("button", name="撤销").click()
    await expect(row(page, "a1").locator(".standing")).to_have_text("待处理")
    assert [j.action for j in judgements(wall)] == ["resolved", "reopened"]


async def test_repeats_of_one_agent_and_rule_are_one_row_and_nothing_else_is(wall: Running, show: Open) -> None:
    now = time.time()
    wall.floor.alert(alert("a1", agent="101", call="c1", at=now - 40))
    wall.floor.alert(alert("a2", agent="101", call="c2", at=now - 30))
    wall.floor.alert(alert("b1", agent="103", call="c3", at=now - 20))
    wall.floor.alert(alert("c1", agent="101", call="c2", at=now - 10, rule="agent-hung-up-first"))
    page = await show(desk(wall, "token-wang"))
    await expect(rows(page)).to_have_count(3)
    assert await ids(page) == ["c1", "b1", "a2"]
    await expect(row(page, "a2").locator(".more")).to_have_text("同类另有 1 条")
    await expect(row(page, "a2").locator(".same-call")).to_have_text("同一通话另有 1 条")
    await expect(row(page, "c1").locator(".same-call")).to_have_text("同一通话另有 1 条")
    await expect(row(page, "b1").locator(".more, .same-call")).to_have_count(0)
    await row(page, "a2").click()
    await page.keyboard.press("ArrowRight")
    await expect(row(page, "a1")).to_be_visible()
    await expect(row(page, "a2")).to_have_attribute("aria-expanded", "true")
    await page.keyboard.press("ArrowLeft")
    await expect(row(page, "a1")).to_have_count(0)


async def repeats(wall: Running) -> None:
    """Two repeats of what Wang Fang did, and what must not be judged with it: her other rule, her colleague, nobody."""
    now = time.time()
    wall.floor.alert(alert("a1", agent="101", call="c1", at=now - 40))
    wall.floor.alert(alert("a2", agent="101", call="c2", at=now - 30))
    wall.floor.alert(alert("a3", agent="101", call="c3", at=now - 20))
    wall.floor.alert(alert("rule", agent="101", call="c3", at=now - 10, rule="agent-hung-up-first"))
    wall.floor.alert(alert("colleague", agent="103", call="c3", at=now - 10))
    wall.floor.alert(alert("nobody", call="c3", at=now - 10))


async def test_a_false_alarm_on_a_row_with_repeats_judges_one_alert(wall: Running, show: Open) -> None:
    await repeats(wall)
    page = await show(desk(wall, "token-wang"))
    await row(page, "a3").click()
    await page.keyboard.press("f")
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("checkbox")).to_have_count(2)
    await expect(dialog.get_by_role("checkbox", checked=True)).to_have_count(0)
    await dialog.get_by_label("听错了").check()
    await dialog.get_by_role("button", name="判为误报").click()
    await expect(toast(page)).to_contain_text("已判为误报")
    await expect(row(page, "a2")).to_be_visible()  # the next of the repeats leads now
    await page.keyboard.press("r")
    await expect(toast(page)).to_contain_text("已判定属实")
    assert [(j.action, j.alert) for j in judgements(wall)] == [("false_alarm", "a3"), ("resolved", "a2")]


async def test_ticking_judges_exactly_the_ticked_and_undo_takes_back_the_same(wall: Running, show: Open) -> None:
    await repeats(wall)
    page = await show(desk(wall, "token-wang"))
    await row(page, "a3").click()
    await page.keyboard.press("f")
    dialog = page.get_by_role("dialog")
    offered = await dialog.get_by_role("checkbox").evaluate_all("all => all.map(e => e.value)")
    assert offered == ["a2", "a1"]
    await expect(dialog.locator(".others label").first).to_contain_text(re.compile(r"\d\d:\d\d:\d\d\s*客户保持等待 a2"))
    await dialog.get_by_label("客户保持等待 a1").check()
    await dialog.get_by_label("听错了").check()
    await dialog.get_by_role("button", name="判为误报").click()
    await expect(toast(page)).to_contain_text("已判为误报（2 条）")
    assert [j.alert for j in judgements(wall)] == ["a3", "a1"]
    await toast(page).get_by_role("button", name="撤销").click()
    await expect(toast(page)).to_contain_text("已重新打开（2 条）")
    assert [(j.action, j.alert) for j in judgements(wall)[2:]] == [("reopened", "a3"), ("reopened", "a1")]


async def test_what_is_under_way_is_counted_and_the_dialog_keeps_its_subject(
    wall: Running, show: Open, browser: Browser
) -> None:
    await repeats(wall)
    page = await browser.new_page()
    late: list[tuple[WebSocketRoute, str | bytes]] = []
    held = True

    def hold_done(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()

        def hand_over(message: str | bytes) -> None:
            if held and msgspec.json.decode(message)["type"] == "done":
                late.append((socket, message))
            else:
                socket.send(message)

        upstream.on_message(hand_over)

    await page.route_web_socket(re.compile("/live$"), hold_done)
    await page.goto(desk(wall, "token-wang"))
    await row(page, "a3").click()
    await page.keyboard.press("f")
    dialog = page.get_by_role("dialog")
    for box in await dialog.get_by_role("checkbox").all():
        await box.check()
    wall.floor.alert(alert("a4", agent="101", call="c4"))  # comes too late to be meant
    await dialog.get_by_label("听错了").check()
    await dialog.get_by_role("button", name="判为误报").click()
    await expect(dialog.get_by_role("status")).to_have_text("已提交 0 / 3")
    for n in (1, 2):
        while not late:
            await page.wait_for_timeout(50)
        socket, message = late.pop()
        socket.send(message)
        await expect(dialog.get_by_role("status")).to_have_text(f"已提交 {n} / 3")
        await expect(dialog.locator(".about")).to_have_text("客户保持等待 a3")
        await expect(dialog.get_by_role("checkbox")).to_have_count(2)
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_visible()
    assert await page.evaluate("() => !dispatchEvent(new Event('beforeunload', { cancelable: true }))")
    held = False
    while not late:
        await page.wait_for_timeout(50)
    socket, message = late.pop()
    socket.send(message)
    await expect(dialog).to_be_hidden()
    assert await page.evaluate("() => dispatchEvent(new Event('beforeunload', { cancelable: true }))")
    assert [j.alert for j in judgements(wall)] == ["a3", "a2", "a1"]


async def test_who_claims_takes_the_alerts_of_the_call_and_no_others(wall: Running, show: Open) -> None:
    await repeats(wall)
    page = await show(desk(wall, "token-wang", "all"))
    await row(page, "a3").click()
    await page.keyboard.press("c")
    await expect(toast(page)).to_contain_text("已认领（4 条）")
    assert {j.alert for j in judgements(wall)} == {"a3", "rule", "colleague", "nobody"}
    await expect(row(page, "a3")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("r")
    await expect(toast(page)).to_contain_text("已判定属实")
    assert [j.alert for j in judgements(wall) if j.action == "resolved"] == ["a3"]


async def test_who_comes_second_is_told_who_was_first(wall: Running, show: Open, browser: Browser) -> None:
    wall.floor.alert(alert("a1"))
    held: list[Any] = []
    slow = await browser.new_page()

    def hold_changes(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()

        def hand_over(message: str | bytes) -> None:
            if msgspec.json.decode(message)["type"] == "change":
                held.append(message)
            elif msgspec.json.decode(message)["type"] != "beat" or not held:
                socket.send(message)

        upstream.on_message(hand_over)

    await slow.route_web_socket(re.compile("/live$"), hold_changes)
    await slow.goto(desk(wall, "token-li"))
    await row(slow, "a1").click()
    quick = await show(desk(wall, "token-wang"))
    await row(quick, "a1").click()
    await quick.keyboard.press("r")
    await expect(toast(quick)).to_contain_text("已判定属实")
    await slow.keyboard.press("r")
    await expect(toast(slow)).to_contain_text("已被王主管处理")
    assert len(judgements(wall)) == 1


async def test_what_was_not_delivered_says_so_and_can_be_tried_again(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1"))
    page = await show(desk(wall, "token-wang"))
    wall.people.down = True
    await row(page, "a1").click()
    await page.keyboard.press("c")
    await expect(toast(page)).to_contain_text("没有送达")
    await page.keyboard.press("m")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").fill("写了很久的备注")
    await dialog.get_by_role("button", name="保存备注").click()
    await expect(dialog.locator(".problem")).to_contain_text("没有送达")
    await expect(dialog.get_by_role("textbox")).to_have_value("写了很久的备注")
    wall.people.down = False
    await dialog.get_by_role("button", name="保存备注").click()
    await expect(dialog).to_be_hidden()
    await page.locator('.toast[data-kind="failed"]').get_by_role("button", name="重试").click()
    await expect(row(page, "a1").locator(".standing")).to_have_text("我在处理")


# fatigue


async def test_a_snooze_hides_from_the_wall_is_counted_and_can_be_lifted(wall: Running, show: Open) -> None:
    at = time.time() - 25
    wall.floor.say("call.offered", "c1", at, queue="售后")
    wall.floor.say("agent.ringing", "c1", at, agent="101", agent_name="王芳")
    wall.floor.wait(time.time())
    television, page = await show(wall.address), await show(wall.desk_of("token-wang"))
    await expect(television.locator(".card")).to_have_count(1)
    await rows(page).first.click()
    await page.keyboard.press("s")
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_label("仅售后队列")).to_be_checked()
    await dialog.get_by_label("15 分钟").check()
    await dialog.get_by_role("textbox").fill("系统升级")
    await dialog.get_by_role("button", name="静音", exact=True).click()
    await expect(television.locator(".card")).to_have_count(0)
    await expect(page.locator(".snoozes")).to_contain_text(
        re.compile(r"电话响铃超过三声 · 售后队列 · 至 \d\d:\d\d · 王主管")
    )
    await expect(page.locator(".snoozes")).to_contain_text("系统升级")
    await expect(page.locator(".snoozes b")).to_have_text("已静音 1 条")
    await expect(rows(page)).to_have_attribute("aria-selected", "true")  # what was looked at stays in the hand
    await page.locator('[data-state-filter="snoozed"]').click()
    await expect(rows(page).first.locator('[data-standing="snoozed"]')).to_have_text("已静音")
    await page.get_by_role("button", name="解除静音").click()
    await expect(page.locator(".snoozes")).to_have_count(0)
    await expect(television.locator(".card")).to_have_count(1)
    [snooze, lifted] = [verdict for verdict in wall.people.verdicts if isinstance(verdict, Snooze)]
    assert (snooze.queue, round(snooze.until - snooze.at)) == ("售后", 15 * 60)
    assert lifted.until == lifted.at


async def test_a_supervisor_of_one_team_snoozes_only_its_queues(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1", agent="101", queue="售后"))
    wall.floor.alert(alert("a2", agent="101", queue="投诉", rule="other"))
    wall.floor.alert(alert("a3", agent="103", queue="投诉"))
    page = await show(desk(wall, "token-zhao"))
    await expect(rows(page)).to_have_count(2)
    await row(page, "a1").click()
    await page.keyboard.press("s")
    await expect(page.get_by_role("dialog")).to_contain_text("仅售后队列")
    await expect(page.get_by_role("dialog")).not_to_contain_text("所有队列")
    await page.keyboard.press("Escape")
    await row(page, "a2").click()
    await expect(action(page, "resolved")).to_be_visible()
    await expect(action(page, "snooze")).to_have_count(0)


async def test_a_supervisor_of_one_team_lifts_no_snooze_of_all_queues(wall: Running, show: Open) -> None:
    now = time.time()
    all_over = Snooze(id="s1", rule="long-hold", queue="", until=now + 900, by="li", by_name="李经理", at=now)
    wall.floor.alert(alert("a1", agent="101", queue="售后"))
    wall.floor.verdict(all_over)
    page = await show(desk(wall, "token-zhao"))
    await expect(page.locator(".snoozes li")).to_have_count(1)
    await expect(page.locator(".snoozes button")).to_have_count(0)
    await page.goto(f"{wall.base}/rules")
    await expect(page.locator(".panel-snoozes li")).to_have_count(1)
    await expect(page.locator(".panel-snoozes button")).to_have_count(0)
    wall.floor.verdict(replace(all_over, id="s2", queue="售后"))
    await expect(page.locator(".panel-snoozes button")).to_have_count(1)
    await page.goto(f"{wall.base}/desk")
    await expect(page.locator(".snoozes li")).to_have_count(2)
    await expect(page.locator(".snoozes button")).to_have_count(1)


async def test_the_desk_and_the_television_agree_on_who_waits(wall: Running, show: Open) -> None:
    now = time.time()
    wall.floor.say("call.offered", "in", now - 40, queue="售后", direction="inbound")
    wall.floor.say("call.offered", "out", now - 300, direction="outbound")
    wall.floor.say("call.offered", "soon", now - 30, queue="售后", direction="inbound")
    wall.floor.say("call.answered", "soon", now - 25, agent="101", agent_name="王芳")
    wall.floor.say("call.offered", "late", now - 30, queue="售后", direction="inbound")
    wall.floor.say("call.answered", "late", now - 10, agent="102", agent_name="李强")
    page, television = await show(desk(wall, "token-wang")), await show(f"{wall.base}/#token={TOKEN}")
    await expect(television.locator('[data-number="queue"] .value').first).to_have_text("1")
    await expect(television.locator('[data-number="lately"] .value')).to_have_text("50%")
    await expect(page.locator('[data-figure="queued"] b')).to_have_text("1")
    await expect(page.locator('[data-figure="longest"] .wait')).to_have_text(re.compile(r"^00:[45]\d|^01:"))
    await expect(page.locator('[data-figure="level"] b')).to_have_text("50%")


# the list


async def test_filters_are_in_the_address_and_survive_reload_and_back(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1", severity="critical", queue="售后", agent="101", agent_name="王芳"))
    wall.floor.alert(alert("a2", severity="warning", queue="投诉", agent="103", agent_name="张敏"))
    wall.floor.alert(alert("a3", severity="critical", queue="投诉", agent="104", agent_name="刘洋"))
    page = await show(desk(wall, "token-wang"))
    await expect(rows(page)).to_have_count(3)
    await page.locator('.filters [data-severity="critical"]').click()
    await expect(rows(page)).to_have_count(2)
    await page.get_by_label("队列").select_option("投诉")
    await expect(rows(page)).to_have_count(1)
    await page.reload()
    await expect(rows(page)).to_have_count(1)
    assert await ids(page) == ["a3"]
    await expect(page.get_by_label("队列")).to_have_value("投诉")
    await row(page, "a3").click()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/alerts/a3"))
    await page.go_back()
    await expect(page).to_have_url(re.compile("severity=critical&queue="))
    await expect(row(page, "a3")).to_have_attribute("aria-selected", "true")
    await page.go_back()
    await expect(rows(page)).to_have_count(2)
    await expect(page.get_by_label("队列")).to_have_value("")
    await page.keyboard.press("/")
    await page.keyboard.type("刘洋")
    await expect(rows(page)).to_have_count(1)
    await page.reload()
    await expect(page.get_by_role("searchbox")).to_have_value("刘洋")
    await expect(rows(page)).to_have_count(1)
    assert await ids(page) == ["a3"]
    await page.get_by_role("button", name="清除筛选").click()
    await expect(rows(page)).to_have_count(3)


def on_the_floor(wall: Running, *calls: str) -> None:
    for call in calls:
        wall.floor.say("call.offered", call, queue="售后")


async def test_states_mean_on_a_filter_what_they_mean_on_a_row(wall: Running, show: Open) -> None:
    on_the_floor(wall, "call-a1", "call-a2")
    for id_ in ("a1", "a2", "a3", "a4", "a5"):
        wall.floor.alert(alert(id_))
    boss = await show(desk(wall, "token-li", "all"))
    page = await show(wall.desk_of("token-wang"))
    await expect(page.locator('[data-state-filter="now"]')).to_have_attribute("aria-pressed", "true")  # as usual
    await row(page, "a1").click()
    await page.keyboard.press("c")
    await expect(row(page, "a1").locator(".standing")).to_have_text("我在处理")
    await row(boss, "a3").click()
    await boss.keyboard.press("c")
    await expect(row(boss, "a3").locator(".standing")).to_have_text("我在处理")
    await row(boss, "a4").click()
    await boss.keyboard.press("r")
    await expect(row(boss, "a4").locator(".standing")).to_have_text("属实")
    expected: dict[str, tuple[list[str], str]] = {
        "now": (["a1", "a2"], ""),
        "open": (["a2", "a5"], "待处理"),
        "mine": (["a1"], "我在处理"),
        "claimed": (["a1", "a3"], "处理"),
        "decided": (["a4"], "属实"),
        "appealed": ([], ""),
        "snoozed": ([], ""),
        "all": (["a1", "a2", "a3", "a4", "a5"], ""),
    }
    for state, (found, word) in expected.items():
        tab = page.locator(f'[data-state-filter="{state}"]')
        await expect(tab.locator("b")).to_have_text(str(len(found)))
        await tab.click()
        await expect(tab).to_have_attribute("aria-pressed", "true")
        await expect(rows(page)).to_have_count(len(found))
        assert sorted(await ids(page)) == found
        for one in await rows(page).all() if word else ():
            await expect(one.locator(".standing")).to_contain_text(word)


async def test_what_goes_on_comes_first_and_what_is_cleared_is_not_red(wall: Running, show: Open) -> None:
    now = time.time()
    on_the_floor(wall, "call-w1", "call-w2")
    wall.floor.alert(alert("cleared", severity="critical", at=now - 50))
    wall.floor.alert(alert("cleared", severity="critical", at=now - 5, state="cleared"))
    wall.floor.alert(alert("judged", severity="critical", at=now - 45))
    wall.floor.alert(alert("c1", severity="critical", at=now - 60))
    wall.floor.alert(alert("w1", at=now - 30))
    wall.floor.alert(alert("w2", at=now - 40))
    wall.floor.alert(alert("n1", severity="notice", at=now - 10))
    page = await show(desk(wall, "token-wang", "all"))
    await row(page, "judged").click()
    await page.keyboard.press("r")
    await expect(row(page, "judged").locator(".standing")).to_have_text("属实")
    await page.reload()
    await expect(rows(page)).to_have_count(6)
    assert await ids(page) == ["w2", "w1", "cleared", "c1", "n1", "judged"]
    titles = page.locator(".section, .row")
    assert await titles.evaluate_all("all => all.map(e => e.dataset.alert ?? e.textContent.trim())") == [
        *("正在发生", "w2", "w1"),
        *("已发生，待判定", "cleared", "c1", "n1"),
        *("已判定", "judged"),
    ]
    ground = "e => getComputedStyle(e).backgroundColor"
    assert await row(page, "cleared").evaluate(ground) != await row(page, "c1").evaluate(ground)
    assert await row(page, "cleared").evaluate(ground) == await row(page, "w1").evaluate(ground)
    await expect(row(page, "cleared")).to_contain_text("已解除")


async def test_the_bar_counts_what_the_wall_counts(wall: Running, show: Open) -> None:
    now = time.time()
    on_the_floor(wall, "call-a0", "call-a1", "call-a2")
    for n, severity in enumerate(("critical", "critical", "warning")):
        wall.floor.alert(alert(f"a{n}", severity=severity, at=now - 20))
    wall.floor.alert(alert("a1", severity="critical", at=now - 5, state="cleared"))
    wall.floor.alert(alert("past", severity="critical", at=now - 20))
    television, page = await show(wall.address), await show(wall.desk_of("token-wang"))
    await expect(television.locator("#alerts-count")).to_have_text("2")
    await expect(page.locator('.floor [data-figure="now"]')).to_have_text("正在发生2")
    await expect(page.locator('.floor [data-figure="critical"] b')).to_have_text("1")
    await expect(page.locator('.floor [data-figure="warning"] b')).to_have_text("1")


async def test_new_alerts_wait_while_somebody_reads(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1", at=time.time() - 20))
    wall.floor.alert(alert("a2", at=time.time() - 30))
    page = await show(desk(wall, "token-wang"))
    await expect(rows(page)).to_have_count(2)
    wall.floor.alert(alert("a0", at=time.time() - 10))
    await expect(rows(page)).to_have_count(3)  # nobody reads yet: it comes in where it belongs
    assert await ids(page) == ["a0", "a1", "a2"]
    await row(page, "a1").click()
    before = await row(page, "a1").bounding_box()
    wall.floor.alert(alert("b1"))
    wall.floor.alert(alert("b2", severity="critical", says="坐席打断客户"))
    pill = page.locator(".pill")
    await expect(pill).to_have_text("2 条新告警（严重 1）")
    await expect(page.locator('[aria-live="assertive"]')).to_have_text("新的严重告警：坐席打断客户")
    assert await ids(page) == ["a0", "a1", "a2"]
    assert await row(page, "a1").bounding_box() == before
    other = await show(desk(wall, "token-li"))
    await row(other, "a2").click()
    await other.keyboard.press("r")
    await expect(row(page, "a2").locator(".standing")).to_have_text("属实")  # said, but it stays where it is
    assert await ids(page) == ["a0", "a1", "a2"]
    await pill.click()
    await expect(pill).to_have_count(0)
    assert await ids(page) == ["b2", "b1", "a0", "a1"]
    await expect(row(page, "a1")).to_have_attribute("aria-selected", "true")


async def test_two_thousand_alerts_stay_quick(wall: Running, show: Open) -> None:
    wall.source.sink.reading()
    now = time.time()
    for n in range(2000):
        wall.floor.alert(alert(f"a{n:04}", at=now - n, agent=f"{n % 400}", rule=f"rule-{n // 400}"))
    wall.source.sink.live()
    wall.floor.beat("detect")
    wall.floor.beat("asterisk")
    page = await show(desk(wall, "token-wang"))
    await expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", "2000")
    assert await rows(page).count() < 60
    await page.keyboard.press("j")
    await expect(row(page, "a0000")).to_be_focused()
    took_ms = await page.evaluate(
        """async () => {
          const began = performance.now();
          for (let i = 0; i < 20; i += 1) {
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
            await new Promise(requestAnimationFrame);
          }
          return (performance.now() - began) / 20;
        }"""
    )
    assert took_ms < 200
    await expect(row(page, "a0020")).to_be_focused()
    await page.keyboard.press("End")
    await expect(row(page, "a1999")).to_be_focused()
    await expect(row(page, "a1999")).to_be_in_viewport()
    await page.mouse.move(500, 500)
    await page.mouse.wheel(0, -200_000)
    await expect(row(page, "a0000")).to_be_in_viewport()
    assert await rows(page).count() < 60


# keys


async def test_everything_from_login_to_resolved_by_keyboard_alone(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1", severity="warning"))
    wall.floor.alert(alert("a2", severity="critical", says="坐席辱骂客户"))
    page = await show(f"{wall.base}/desk?state=open")
    await expect(page.get_by_label("口令")).to_be_focused()
    await page.keyboard.type("token-wang")
    await page.keyboard.press("Enter")
    await expect(rows(page)).to_have_count(2)
    await page.keyboard.press("ArrowDown")
    await expect(row(page, "a2")).to_be_focused()
    await page.keyboard.press("j")
    await expect(row(page, "a1")).to_be_focused()
    await page.keyboard.press("k")
    await expect(row(page, "a2")).to_be_focused()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="键盘快捷键")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(row(page, "a2")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/alerts/a2"))
    await expect(page.locator("h1")).to_contain_text("坐席辱骂客户")
    await page.keyboard.press("c")
    await expect(toast(page)).to_contain_text("已认领")
    await page.keyboard.press("Escape")
    await expect(row(page, "a2")).to_be_focused()
    await page.keyboard.press("m")
    await expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    await page.keyboard.type("jjj 先提醒")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(row(page, "a2")).to_be_focused()
    await page.keyboard.press("r")
    await expect(row(page, "a2")).to_have_count(0)
    await expect(row(page, "a1")).to_be_focused()  # the next one takes its place
    assert [(j.action, j.alert, j.text) for j in judgements(wall)] == [
        ("claimed", "a2", ""),
        ("commented", "a2", "jjj 先提醒"),
        ("resolved", "a2", ""),
    ]


async def test_tab_reaches_one_row_and_every_button_and_what_has_focus_is_seen(wall: Running, show: Open) -> None:
    for n in range(5):
        wall.floor.alert(alert(f"a{n}"))
    page = await show(desk(wall, "token-wang"))
    await expect(rows(page)).to_have_count(5)
    await page.keyboard.press("j")
    await expect(action(page, "snooze")).to_be_visible()
    seen: list[str] = []
    for _ in range(80):
        await page.keyboard.press("Tab")
        here = await page.evaluate(
            """() => {
              const e = document.activeElement;
              if (e === document.body) return ["", true];
              const ring = e.matches(":focus-visible") && getComputedStyle(e).outlineStyle !== "none";
              return [e.closest("[data-alert].row") ? "row" : e.dataset.action ?? e.name ?? e.textContent.trim(), ring];
            }"""
        )
        if here[0]:
            assert here[1], f"{here[0]} has focus, and nothing shows it"
            seen.append(here[0])
    cycle = seen[: seen.index("row", seen.index("row") + 1)]
    assert cycle.count("row") == 1
    assert {"claimed", "resolved", "false_alarm", "commented", "snooze", "rule", "queue", "agent", "sort", "q"} <= set(
        cycle
    )


# getting in


async def test_a_wrong_token_shows_the_form_and_a_right_one_gets_in(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1"))
    page = await show(f"{wall.base}/alerts/a1#token=wrong")
    await state_is(page, "denied")
    await expect(page.locator(".login .problem")).to_have_text("口令不正确，或已经更换。请核对后重新输入。")
    assert "wrong" not in page.url
    await expect(page.locator("main")).not_to_contain_text("客户保持等待")
    await page.get_by_label("口令").fill(TOKEN)
    await page.get_by_role("button", name="进入").click()
    await expect(page.locator(".login .problem")).to_contain_text("只能打开监控墙")
    await page.get_by_label("口令").fill("token-wang")
    await page.get_by_role("button", name="进入").click()
    await state_is(page, "live")
    await expect(page.locator("h1")).to_contain_text("客户保持等待 a1")  # the page that was asked for
    await expect(page.locator(".me")).to_have_text("王主管（主管）")
    await page.reload()
    await state_is(page, "live")
    await page.get_by_role("button", name="退出").click()
    await state_is(page, "denied")
    await expect(page.locator("body")).not_to_contain_text("王主管")


async def test_a_link_in_a_new_tab_needs_no_new_login(wall: Running, browser: Browser) -> None:
    wall.floor.alert(alert("a1"))
    context = await browser.new_context()
    first = await context.new_page()
    await first.goto(desk(wall, "token-wang"))
    await expect(rows(first)).to_have_count(1)
    second = await context.new_page()
    await second.goto(f"{wall.base}/alerts/a1")
    await expect(second.locator("h1")).to_contain_text("客户保持等待 a1")
    await expect(second.locator(".me")).to_contain_text("王主管")
    await first.get_by_role("button", name="退出").click()
    await state_is(first, "denied")
    await state_is(second, "denied")
    await first.get_by_label("口令").fill("token-li")
    await first.keyboard.press("Enter")
    await state_is(first, "live")
    await first.close()
    await second.close()
    third = await context.new_page()  # nobody is there to ask: it is not kept on the machine
    await third.goto(f"{wall.base}/desk")
    await state_is(third, "denied")


async def test_the_token_leaves_the_address_and_no_request_carries_it(wall: Running, browser: Browser) -> None:
    page = await browser.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("console", lambda message: complaints.append(message.text))
    await page.goto(wall.desk)
    await state_is(page, "live")
    assert DESK_TOKEN not in page.url
    assert all(url.startswith((wall.base, wall.socket)) for url in asked)
    assert not any(DESK_TOKEN in url.partition("#")[0] for url in asked)
    assert complaints == []


async def test_an_agent_sees_the_own_alerts_and_appeals_and_is_answered(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1", agent="101", agent_name="王芳", says="王芳抢话"))
    wall.floor.alert(alert("a2", agent="103", agent_name="张敏", says="张敏抢话"))
    agent, boss = await show(desk(wall, "token-101")), await show(desk(wall, "token-li"))
    await expect(rows(agent)).to_have_count(1)
    await expect(agent.locator("main")).not_to_contain_text("张敏")
    await row(agent, "a1").click()
    assert await agent.locator(".preview [data-action]").evaluate_all("all => all.map(e => e.dataset.action)") == [
        "appealed"
    ]
    for key in "crfms":
        await agent.keyboard.press(key)
    await expect(agent.get_by_role("dialog")).to_be_hidden()
    await agent.keyboard.press("a")
    await agent.get_by_role("dialog").get_by_label("申诉理由").fill("客户先打断的")
    await agent.get_by_role("button", name="提交申诉").click()
    await expect(toast(agent)).to_contain_text("申诉已提交")
    await expect(boss.locator('[data-state-filter="appealed"] b')).to_have_text("1")
    await boss.locator('[data-state-filter="appealed"]').click()
    await row(boss, "a1").click()
    await expect(boss.locator(".preview .history")).to_contain_text("客户先打断的")
    await action(boss, "answer").click()
    dialog = boss.get_by_role("dialog")
    await dialog.get_by_role("button", name="提交答复").click()
    await expect(dialog.locator(".problem")).to_have_text("请选择结论")
    await dialog.get_by_label("申诉成立").first.check()
    await dialog.get_by_role("textbox").fill("听过录音")
    await dialog.get_by_role("button", name="提交答复").click()
    await expect(row(agent, "a1")).to_contain_text("申诉成立")
    await expect(row(agent, "a1")).to_contain_text("误报")
    assert [(j.action, j.by) for j in judgements(wall)] == [("appealed", "a101"), ("upheld", "li")]


async def test_who_may_not_see_a_page_is_told_why_as_it_concerns_them(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a2", agent="103", agent_name="张敏", queue="投诉"))
    agent = await show(desk(wall, "token-101"))
    for path, why in (("/agents/103", "其他坐席的记录"), ("/alerts/a2", "其他坐席的告警")):
        await agent.goto(wall.base + path)
        await expect(agent.locator(".page-problem")).to_contain_text(f"这是{why}，您只能查看自己的。")
    leader = await show(desk(wall, "token-zhao"))
    await leader.goto(f"{wall.base}/agents/103")
    await expect(leader.locator(".page-problem")).to_contain_text("这位坐席不在您负责的班组里")


async def test_a_team_is_chosen_in_the_address_and_filtered_by_the_server(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1", agent="101", queue="售后"))
    wall.floor.alert(alert("a2", agent="103", queue="投诉", rule="other"))
    page = await show(desk(wall, "token-li"))
    await expect(rows(page)).to_have_count(2)
    await page.get_by_label("班组").select_option("投诉")
    await expect(rows(page)).to_have_count(1)
    assert await ids(page) == ["a2"]
    await page.reload()
    await expect(page.get_by_label("班组")).to_have_value("投诉")
    await expect(rows(page)).to_have_count(1)
    await page.go_back()
    await expect(rows(page)).to_have_count(2)
    await expect(page.get_by_label("班组")).to_have_value("")


# hostile text


async def test_hostile_text_is_text(wall: Running, show: Open) -> None:
    script = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    turned = "\u202e绝对安全\u202d\u2067abc"
    wall.floor.alert(alert("a1", says=script, title="<b>粗</b>"))
    wall.floor.alert(alert("a2", says=turned, agent="102", agent_name=turned))
    wall.floor.alert(alert("a3", says="长" * 10_000, queue="队" * 100, at=time.time() - 60))
    wall.floor.alert(alert("a4", says="W" * 10_000, title="题" * 300, at=time.time() - 61))
    page = await show(desk(wall, "token-wang"))
    await expect(row(page, "a1").locator(".says")).to_have_text(script)
    await expect(row(page, "a1").locator(".title b")).to_have_text("<b>粗</b>")
    for id_ in ("a1", "a2", "a3", "a4"):
        box = await row(page, id_).bounding_box()
        assert box and box["height"] < 90 and box["x"] + box["width"] <= 1600
        await row(page, id_).click()
        await expect(page.locator(f'.preview [data-alert="{id_}"]')).to_be_visible()
        assert await page.locator(".preview").evaluate("e => e.scrollWidth <= e.clientWidth")
        assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        await expect(action(page, "claimed")).to_be_in_viewport()
    # a mark that turns text around ends with its own text: the queue beside it reads as ever
    assert await row(page, "a2").locator(".cell-who p").last.inner_text() == "售后队列"
    assert await row(page, "a2").locator("bdi").first.evaluate("e => getComputedStyle(e).unicodeBidi") == "isolate"
    assert "taken" not in await page.title()


# reconnecting, honest states


async def test_after_the_server_was_killed_nothing_is_missed_and_nothing_is_double(show: Open) -> None:
    async with running_wall(users=USERS, teams=TEAMS) as wall:
        wall.floor.begin()
        wall.floor.alert(alert("a1"))
        wall.floor.alert(alert("a2"))
        page = await show(desk(wall, "token-wang"))
        await expect(rows(page)).to_have_count(2)
        port, log = int(wall.base.rpartition(":")[2]), wall.source.log
    await state_is(page, "disconnected")
    await expect(page.locator(".banner")).to_contain_text("与监控服务的连接已断开")
    await page.keyboard.press("j")
    await page.keyboard.press("c")
    await expect(toast(page)).to_contain_text("连接中断")
    async with running_wall(port=port, users=USERS, teams=TEAMS) as wall:
        wall.source.sink.restart()
        for message in log:
            if message.topic == "alerts":
                wall.source.put("alerts", message.value, key=message.key)
        wall.floor.alert(alert("a3"))
        wall.source.sink.live()
        wall.floor.beat("detect")
        wall.floor.beat("asterisk")
        await state_is(page, "live")
        await page.keyboard.press(".")
        await expect(rows(page)).to_have_count(3)
        assert sorted(await ids(page)) == ["a1", "a2", "a3"]
        await page.keyboard.press("c")
        await expect(page.locator(".toast").last).to_contain_text("已认领")
        assert len(judgements(wall)) == 1


async def test_a_lost_line_is_resumed_where_it_stopped(wall: Running, show: Open, browser: Browser) -> None:
    heard: list[str] = []
    sockets: list[WebSocketRoute] = []

    def watch(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        upstream = socket.connect_to_server()

        def hand_over(message: str | bytes) -> None:
            heard.append(msgspec.json.decode(message)["type"])
            socket.send(message)

        upstream.on_message(hand_over)

    wall.floor.alert(alert("a1"))
    stays = await show(desk(wall, "token-li"))  # so that the board is still there
    page = await browser.new_page()
    await page.route_web_socket(re.compile("/live$"), watch)
    await page.goto(desk(wall, "token-wang"))
    await expect(rows(page)).to_have_count(1)
    await expect(rows(stays)).to_have_count(1)
    heard.clear()
    await sockets[0].close(code=1011)
    await state_is(page, "disconnected")
    wall.floor.alert(alert("a2"))
    await expect(rows(page)).to_have_count(2)
    assert heard[0] == "welcome" and "change" in heard and "snapshot" not in heard


async def test_a_dead_detector_or_a_silent_topic_is_not_a_quiet_desk(wall: Running, show: Open) -> None:
    page = await show(wall.desk_of("token-wang"))
    await state_is(page, "live")
    await expect(page.locator(".empty")).to_contain_text("目前没有正在发生的告警")
    await expect(page.locator(".engine")).to_contain_text(re.compile(r"检测引擎 \d+ 秒前"))
    screens = {await page.screenshot()}
    wall.floor.beat("detect", ok=False, detail="rulebook not found")
    await state_is(page, "engine")
    await expect(page.locator(".banner")).to_contain_text("rulebook not found")
    await expect(page.locator(".empty")).to_contain_text("无法判断是否有告警")
    screens.add(await page.screenshot())
    wall.floor.beat("detect")
    await state_is(page, "live")
    wall.floor.beat("recognise", ok=False, detail="behind by 9 s")
    await state_is(page, "ears")
    screens.add(await page.screenshot())
    wall.floor.beat("recognise")
    await state_is(page, "live")
    wall.source.sink.gone("no answer")
    await state_is(page, "stale")
    await expect(page.locator(".banner")).to_contain_text("监控服务读不到话务数据")
    screens.add(await page.screenshot())
    assert len(screens) == 4


async def test_who_waits_for_a_page_in_vain_is_told_on_the_desk(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1"))
    page = await show(desk(wall, "token-wang"))
    await expect(rows(page)).to_have_count(1)
    chip = page.locator(".top .pager")
    await expect(chip).to_have_count(0)  # none was ever heard of
    wall.floor.beat("pager", ok=False, detail="connecting")  # it has just started
    wall.floor.beat("archive", ok=False, detail="store full")
    await expect(page.locator(".top .archive")).to_have_text("归档已满")
    await expect(chip).to_have_count(0)
    wall.floor.beat("pager", detail="receiver night does not answer")
    await expect(chip).to_have_text("值班通知受限")
    assert "\uff0c" in str(await chip.get_attribute("title"))  # full-width, as everywhere
    shape = page.locator(".top .pager [data-shape]")
    await expect(shape).to_have_attribute("data-shape", "pager")
    parts = (".top .pager", ".top .archive", ".top .engine", ".top .chip")
    colours = {await page.locator(part).evaluate("e => getComputedStyle(e).color") for part in parts}
    assert len(colours) == len(parts)
    await state_is(page, "live")  # what is live goes on
    await expect(page.locator(".banner")).to_have_count(0)
    await expect(row(page, "a1")).to_be_visible()
    violations = (await Axe().run(page)).response["violations"]
    assert [one["id"] for one in violations if one["impact"] in ("serious", "critical")] == []
    await page.get_by_role("button", name="EN", exact=True).click()
    await expect(chip).to_have_text("Paging limited")
    assert await page.locator(".top").evaluate(
        "e => [...e.children].every((part) => part.getBoundingClientRect().right <= innerWidth + .5)"
    )
    wall.floor.beat("pager")
    await expect(chip).to_have_count(0)


async def test_english_by_a_switch(wall: Running, show: Open) -> None:
    wall.floor.alert(alert("a1"))
    page = await show(desk(wall, "token-wang"))
    await page.get_by_role("button", name="EN", exact=True).click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await row(page, "a1").click()
    await expect(action(page, "resolved")).to_contain_text("Resolve")
    await page.keyboard.press("f")
    await expect(page.get_by_role("dialog")).to_contain_text("Misheard")


# for everybody


async def violations(page: Page) -> list[str]:
    """What axe finds, the serious and the critical, as rule: element."""
    found = (await Axe().run(page)).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.fixture
async def trial_wall() -> AsyncIterator[Running]:
    async with running_wall(users=USERS, teams=TEAMS, show_trial=True) as wall:
        wall.floor.begin()
        yield wall


async def test_axe_finds_nothing_serious(trial_wall: Running, show: Open) -> None:
    wall = trial_wall
    page = await show(f"{wall.base}/desk?state=open")
    await state_is(page, "denied")
    assert await violations(page) == []
    await page.get_by_label("口令").fill("token-wang")
    await page.keyboard.press("Enter")
    await state_is(page, "live")
    assert await violations(page) == []  # quiet
    for severity in ("critical", "warning", "notice"):
        wall.floor.alert(alert(f"{severity}1", severity=severity, call="c1"))
        wall.floor.alert(alert(f"{severity}2", severity=severity, trial=severity == "notice"))
    for id_ in ("again1", "again2"):
        wall.floor.alert(alert(id_, agent="101"))
    await expect(rows(page)).to_have_count(7)
    await page.keyboard.press("j")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("m")
    assert await violations(page) == []
    await page.get_by_role("dialog").get_by_role("textbox").fill("看过")
    await page.keyboard.press("Control+Enter")
    await expect(toast(page)).to_be_visible()
    wall.floor.alert(alert("new", severity="critical"))
    await expect(page.locator(".pill")).to_be_visible()
    assert await violations(page) == []
    other = await show(desk(wall, "token-li"))
    await row(other, "warning2").click()
    await other.keyboard.press("r")
    await expect(row(page, "warning2").locator(".standing")).to_have_text("属实")
    assert await violations(page) == []
    await row(page, "again2").click()
    for key in ("f", "s", "?"):
        await page.keyboard.press(key)
        await expect(page.get_by_role("dialog")).to_be_visible()
        assert await violations(page) == []
        await page.keyboard.press("Escape")
    await page.keyboard.press("r")
    await page.locator('[data-state-filter="all"]').click()
    await expect(rows(page).first).to_be_visible()
    assert await violations(page) == []
    wall.floor.beat("detect", ok=False, detail="x")
    await state_is(page, "engine")
    assert await violations(page) == []
    wall.source.sink.gone("no answer")
    await state_is(page, "stale")
    assert await violations(page) == []
