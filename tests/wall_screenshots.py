"""Makes the wall's pictures for the documentation: `python -m tests.wall_screenshots docs` (needs Chromium)."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path

from playwright.async_api import Page

from streams.alerts import AlertChange
from streams.verdicts import Action, Judgement, Snooze
from tests.browser_tools import launched, take
from tests.wall_script import Floor, Running, change, running_wall

NAMES = {
    "101": "王芳", "102": "李强", "103": "张敏", "104": "刘洋", "105": "陈静", "106": "杨磊", "107": "赵丽",
    "108": "黄伟", "109": "周婷", "110": "吴昊", "111": "徐娟", "112": "孙浩",
}  # fmt: skip


class Morning:
    """Two hours of a hotline: what is over, and fourteen calls that go on."""

    def __init__(self, floor: Floor, now: float) -> None:
        self.floor, self.now, self.count = floor, now, 0

    def offered(self, ago: float, queue: str) -> str:
        self.count += 1
        call = f"1767000000.{self.count}"
        caller = f"1{30 + self.count % 60}****{(7919 * self.count) % 10000:04d}"
        self.floor.say("call.offered", call, self.now - ago, caller=caller, called="95000", queue=queue)
        return call

    def ringing(self, ago: float, queue: str, *agents: str, rang: float = 2) -> str:
        call = self.offered(ago + rang, queue)
        for agent in agents:
            self.floor.say("agent.ringing", call, self.now - ago, agent=agent, agent_name=NAMES.get(agent))
        return call

    def talking(self, ago: float, queue: str, agent: str, rang: float = 4) -> str:
        call = self.ringing(ago + rang, queue, agent)
        self.floor.say("call.answered", call, self.now - ago, agent=agent)
        return call

    def held(self, ago: float, queue: str, agent: str) -> str:
        call = self.talking(ago + 95, queue, agent)
        self.floor.say("call.held", call, self.now - ago)
        return call

    def over(self, ago: float, queue: str, agent: str, *, rang: float, lasted: float, by: str = "customer") -> None:
        call = self.talking(ago + lasted, queue, agent, rang)
        self.floor.say("call.ended", call, self.now - ago, by=by)

    def past(self) -> None:
        """Calls of this morning, oldest first."""
        queues, agents = ["售后", "业务咨询", "投诉"], list(NAMES)
        for i in range(180):
            rang = 4 + (i * 7) % 6 if i % 9 else 12.5
            self.over(7000 - 36 * i, queues[i % 3], agents[i % 12], rang=rang, lasted=90 + i % 50)
        for i in range(6):
            call = self.ringing(3000 - 400 * i, queues[i % 3], agents[i], rang=3)
            self.floor.say("call.ended", call, self.now - 2980 + 400 * i, by="customer")

    def busy(self) -> None:
        """The floor as it is now."""
        self.over(410, "投诉", "112", rang=6, lasted=184, by="agent")
        gave_up = self.ringing(149, "售后", "104", "105")
        self.floor.say("call.ended", gave_up, self.now - 128, by="customer")
        self.ringing(26, "售后", "101")
        self.ringing(13, "业务咨询", "102")
        self.ringing(4, "售后", "106", "107", "108")
        self.offered(9, "投诉")
        self.offered(3, "业务咨询")
        self.held(252, "投诉", "103")
        self.held(131, "售后", "104")
        self.held(96, "业务咨询", "105")
        passing_on = self.talking(240, "业务咨询", "109")
        self.floor.say("call.transferring", passing_on, self.now - 71, agent="109", to="110", mode="attended")
        self.floor.say("agent.ringing", passing_on, self.now - 69, agent="110", agent_name=NAMES["110"])
        for ago, queue, agent in [
            (18, "售后", "111"),
            (74, "售后", "112"),
            (215, "投诉", "113"),
            (388, "业务咨询", "108"),
        ]:
            self.talking(ago, queue, agent)
        short = self.held(110, "业务咨询", "107")
        self.floor.wait(self.now - 9)
        self.floor.say("call.resumed", short, self.now - 8)
        self.over(3, "售后", "106", rang=5, lasted=97)
        self.floor.wait(self.now)

    def people(self) -> None:
        """One supervisor is on the longest hold, another has snoozed a rule; some of yesterday's alerts were wrong."""
        for n in range(14):
            alert = change(f"old{n}", call=f"old{n}", at=self.now - 90_000, agent="113", agent_name="")
            self.floor.alert(alert)
            self.floor.verdict(judged(alert, "resolved" if n % 5 else "false_alarm", self.now - 80_000))
        rule, since, until = "repeat-caller", self.now - 900, self.now + 2700
        self.floor.verdict(Snooze(id="s", rule=rule, queue="", until=until, by="wang", by_name="王班长", at=since))
        for n in range(3):
            self.floor.alert(change(f"hushed{n}", call=f"hushed{n}", rule=rule, title="同一客户再次来电"))
        longest = next(c for c in self.floor.changes if c.rule == "long-hold" and c.severity == "critical")
        self.floor.verdict(judged(longest, "claimed", self.now - 40))


def judged(alert: AlertChange, action: Action, at: float) -> Judgement:
    """What supervisor Li did with it."""
    return Judgement(
        id=f"{alert.id} {action}",
        alert=alert.id,
        call=alert.call,
        rule=alert.rule,
        action=action,
        by="li",
        by_name="李主管",
        at=at,
    )


SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = ("芳", "强", "敏", "洋", "静", "磊", "丽娜", "伟", "婷", "若兰", "昊", "晓燕", "浩", "明", "国强")


class Hall:
    """Four hundred agents on a Monday morning: 320 calls, and more alerts than anybody likes."""

    def __init__(self, floor: Floor, now: float) -> None:
        self.floor, self.now = floor, now
        self.dice = random.Random(4)  # noqa: S311 - a picture, no secret

    def fill(self) -> None:
        """The floor as it is now."""
        for i in range(320):
            self._call(i)
        self.floor.wait(self.now)
        held = [c for c in self.floor.changes if c.rule == "long-hold" and c.severity == "critical"]
        for change_, ago in zip(held[::2], (70, 30, 12), strict=False):
            self.floor.verdict(judged(change_, "claimed", self.now - ago))

    def _call(self, i: int) -> None:
        call, dice = f"1767009999.{i}", self.dice
        agent = {"agent": str(1001 + i), "agent_name": SURNAMES[i % 20] + GIVEN[(i // 20 + i * 7) % 15]}
        since = self.now - (250 + 9 * i if i < 5 else 122 + 4 * i if i < 15 else 92 + i if i < 17 else 6)
        if i < 17:  # on hold for long
            self._answered(call, since - 60, agent)
            self.floor.say("call.held", call, since)
        elif i < 25:  # ringing for long
            self._rings(call, self.now - (21 + i if i < 19 else 11 + i / 10), agent)
        elif i % 14 == 0:
            self._offered(call, self.now - dice.uniform(0, 8))
        elif i % 11 == 0:
            self._rings(call, self.now - dice.uniform(0, 8), agent)
        else:
            since = self.now - 5 - 880 * dice.random() ** 2
            self._answered(call, since, agent)
            if i % 9 == 0:
                self.floor.say("call.held", call, max(since, self.now - dice.uniform(1, 80)))

    def _offered(self, call: str, at: float) -> None:
        queue = self.dice.choice(("售后", "业务咨询", "投诉"))
        self.floor.say("call.offered", call, at, caller="138****0001", called="95000", queue=queue)

    def _rings(self, call: str, at: float, agent: dict[str, str]) -> None:
        self._offered(call, at - 1)
        self.floor.say("agent.ringing", call, at, **agent)

    def _answered(self, call: str, at: float, agent: dict[str, str]) -> None:
        self._rings(call, at - 4, agent)
        self.floor.say("call.answered", call, at, **agent)


class LongDay:
    """A hotline after hours: five calls on the floor, 130 alerts that linger, of which five go on."""

    #: Rule, severity, title, what is said after the agent's name, and the same two in English.
    HAPPENED = (
        (
            "arrogance",
            "critical",
            "态度傲慢或顶撞客户",
            "态度傲慢或顶撞客户，说了“你到底听不听得懂我说的话”",
            "Arrogance",
            "was arrogant or talked back to the customer: “你到底听不听得懂”",
        ),
        (
            "no-invitation",
            "warning",
            "未邀请客户评价",
            "结束通话前没有邀请客户评价",
            "No invitation to rate",
            "did not invite the customer to rate the service",
        ),
        (
            "no-greeting",
            "warning",
            "开场白不完整",
            "接通后 10 秒内没有说完整的开场白（问候并询问需求）",
            "Greeting incomplete",
            "gave no full greeting (salutation and offer of help) within 10 s of answering",
        ),
        (
            "vague",
            "notice",
            "含糊作答",
            "在 2 分钟内 3 次含糊作答：“可能吧”",
            "Vague answers",
            "answered vaguely 3 times in 2 min: “可能吧”",
        ),
    )
    NOW = (
        (
            "arrogance",
            "critical",
            "态度傲慢或顶撞客户",
            "态度傲慢或顶撞客户，说了“我已经跟你说过三遍了，你自己看合同去”",
            "Arrogance",
            "was arrogant or talked back to the customer: “我已经跟你说过三遍了”",
        ),
        (
            "regulator",
            "critical",
            "客户要向监管部门投诉",
            "的客户要向监管或消费维权部门投诉：“你们再不处理我就打一二三零零”",
            "Customer goes to a regulator",
            "has a customer who threatens to go to a regulator: “我就打一二三零零”",
        ),
        (
            "long-hold",
            "critical",
            "客户保持等待过久",
            "已让客户保持等待 4 分钟，尚未恢复通话",
            "Long hold",
            "has kept the customer on hold for 4 min",
        ),
        (
            "leaving",
            "warning",
            "客户有离网意向",
            "的客户有离网或销户意向：“那我把这个号注销了吧”",
            "Customer about to leave",
            "has a customer who is about to leave: “那我把这个号注销了吧”",
        ),
        (
            "repeat-caller",
            "notice",
            "同一客户再次来电",
            "的客户 24 小时内第 3 次来电",
            "The same customer calls again",
            "has a customer who calls for the 3rd time in 24 h",
        ),
    )

    def __init__(self, floor: Floor, now: float) -> None:
        self.floor, self.now = floor, now

    def fill(self) -> None:
        """The floor as it is now; a supervisor is on the second alert, and one was a false alarm."""
        calls = Morning(self.floor, self.now)
        calls.count = 5000
        queues, agents = ("售后", "业务咨询", "投诉"), list(NAMES)
        for i in range(125):
            what = self.HAPPENED[(i * 7) % 20 % 4]
            self._alert(f"past{i}", f"over{i}", agents[i % 12], queues[i % 3], 20 + 4.4 * i, what)
        for i in range(8):
            self._unanswered(f"lost{i}", queues[i % 2], 30 + 60 * i)
        going = [calls.talking(70 + 40 * i, queues[i % 3], agents[i + 2]) for i in range(4)]
        going.append(calls.held(95, "售后", "109"))
        calls.ringing(4, "售后", "101")
        for i, (call, what) in enumerate(zip(going, self.NOW, strict=True)):
            self._alert(f"now{i}", call, agents[i + 2] if i < 4 else "109", queues[i % 3], 60 - 9 * i, what)
        self.floor.verdict(judged(self.floor.changes[-4], "claimed", self.now - 20))
        self.floor.verdict(judged(self.floor.changes[1], "false_alarm", self.now - 10))

    def _alert(self, id_: str, call: str, agent: str, queue: str, ago: float, what: tuple[str, ...]) -> None:
        rule, severity, title, says, en_title, en_says = what
        name = NAMES[agent]
        en = {"title": en_title, "says": f"{name} ({agent}) {en_says}"}
        fields = {"rule": rule, "title": title, "says": f"{name}（{agent}）{says}", "en": en, "queue": queue}
        at = self.now - ago
        self.floor.alert(change(id_, severity=severity, call=call, at=at, agent=agent, agent_name=name, **fields))

    def _unanswered(self, id_: str, queue: str, ago: float) -> None:
        said = {"title": "客户未等到接听就挂机", "says": f"{queue}队列的客户等候 41 秒后挂机，无人接听"}
        en = {"title": "Customer gave up", "says": f"A customer in queue {queue} gave up after 41 s without an answer"}
        at = self.now - ago
        self.floor.alert(
            change(id_, rule="gave-up", call=id_, at=at, agent=None, agent_name=None, queue=queue, en=en, **said)
        )


async def _open(page: Page, wall: Running, state: str) -> None:
    await page.goto(wall.address)
    await page.wait_for_selector(f'body[data-state="{state}"]')


async def _take(page: Page, folder: Path, name: str) -> None:
    await take(page, folder, f"wall-{name}", rest_ms=1500)


async def _busy(page: Page, folder: Path) -> None:
    """One morning in every state: as it should be, deaf, blind, cut off from the topics, cut off from the server."""
    async with running_wall() as wall:
        await _fill(wall.floor, busy=True)
        await _open(page, wall, "live")
        await _take(page, folder, "live")
        wall.floor.beat("recognise", ok=False, detail="recogniser behind by 12 s")
        await page.wait_for_selector('body[data-state="ears"]')
        await _take(page, folder, "ears")
        wall.floor.beat("recognise")
        wall.floor.beat("detect", ok=False, detail="cannot answer")
        await page.wait_for_selector('body[data-state="engine"]')
        await _take(page, folder, "engine")
        wall.source.sink.gone("no answer from the broker within 4 s")
        await page.wait_for_selector('body[data-state="stale"]')
        await _take(page, folder, "stale")
        wall.floor = Floor(wall.source)
        await _fill(wall.floor, busy=True)
        await page.wait_for_selector('body[data-state="live"]')
    await page.wait_for_selector('body[data-state="disconnected"]')
    await _take(page, folder, "disconnected")


async def _hall(page: Page, folder: Path) -> None:
    async with running_wall() as wall:
        await _fill(wall.floor, busy=False)
        Hall(wall.floor, time.time()).fill()
        await _open(page, wall, "live")
        await _take(page, folder, "400-agents")


async def _long_day(page: Page, folder: Path) -> None:
    async with running_wall() as wall:
        await _fill(wall.floor, busy=False)
        for call in list(wall.floor.states):
            wall.floor.say("call.ended", call, time.time() - 60, by="customer")
        LongDay(wall.floor, time.time()).fill()
        await _open(page, wall, "live")
        await _take(page, folder, "long-day")
        await page.locator("#language").click()
        await _take(page, folder, "long-day-en")
        await page.locator("#language").click()


async def _quiet(page: Page, folder: Path) -> None:
    async with running_wall() as wall:
        await _fill(wall.floor, busy=False)
        await _open(page, wall, "live")
        await _take(page, folder, "quiet")
        await page.goto(f"{wall.base}/#token=wrong")
        await page.wait_for_selector('body[data-state="denied"]')
        await _take(page, folder, "denied")


async def _fill(floor: Floor, *, busy: bool) -> None:
    floor.begin()
    floor.source.sink.reading()
    morning = Morning(floor, time.time())
    morning.past()
    if busy:
        morning.busy()
        morning.people()
    else:
        for ago, queue, agent in [
            (18, "售后", "111"),
            (74, "投诉", "103"),
            (215, "投诉", "112"),
            (388, "业务咨询", "108"),
        ]:
            morning.talking(ago, queue, agent)
        morning.ringing(3, "售后", "101")
    floor.source.sink.live()
    floor.beat("detect")
    floor.beat("asterisk")


async def main(folder: Path) -> None:
    """All pictures."""
    async with launched() as browser:
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        await page.add_init_script(
            "window.AudioContext = class { state = 'running'; async resume() {} };"
        )  # a television
        page.on("console", lambda message: print("console:", message.text))
        page.on("pageerror", lambda error: print("page error:", error))
        await _busy(page, folder)
        await _hall(page, folder)
        await _long_day(page, folder)
        await _quiet(page, folder)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")))
