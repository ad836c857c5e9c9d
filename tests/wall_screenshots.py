"""Makes the wall's pictures for the documentation: `python -m tests.wall_screenshots docs` (needs Chromium)."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path

from playwright.async_api import Page, async_playwright

from tests.wall_script import Floor, Running, running_wall

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = {
    "101": "王芳", "102": "李强", "103": "张敏", "104": "刘洋", "105": "陈静", "106": "杨磊", "107": "赵丽",
    "108": "黄伟", "109": "周婷", "110": "吴昊", "111": "徐娟", "112": "孙浩",
}  # fmt: skip


def chromium() -> str | None:
    """Where the browser is, if it is installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


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


async def _open(page: Page, wall: Running, state: str) -> None:
    await page.goto(wall.address)
    await page.wait_for_selector(f'body[data-state="{state}"]')


async def _take(page: Page, folder: Path, name: str) -> None:
    await page.wait_for_timeout(900)
    picture = folder / f"wall-{name}.png"
    await page.screenshot(path=picture)
    if squeeze := shutil.which("pngquant"):
        tool = await asyncio.create_subprocess_exec(squeeze, "--force", "--ext", ".png", "--speed", "1", picture)
        await tool.wait()
    print(f"{picture}: {picture.stat().st_size // 1024} KiB")


async def _live(page: Page, folder: Path) -> None:
    async with running_wall() as wall:
        await _fill(wall.floor, busy=True)
        await _open(page, wall, "live")
        await _take(page, folder, "live")
        wall.source.sink.gone("no answer from the broker within 4 s")
        await page.wait_for_selector('body[data-state="stale"]')
        await _take(page, folder, "stale")
        wall.floor = Floor(wall.source)
        await _fill(wall.floor, busy=True)
        await page.wait_for_selector('body[data-state="live"]')
    await page.wait_for_selector('body[data-state="disconnected"]')
    await _take(page, folder, "disconnected")


async def _quiet(page: Page, folder: Path) -> None:
    async with running_wall() as wall:
        await _fill(wall.floor, busy=False)
        await _open(page, wall, "live")
        await _take(page, folder, "quiet")


async def _fill(floor: Floor, *, busy: bool) -> None:
    floor.begin()
    floor.source.sink.reading()
    morning = Morning(floor, time.time())
    morning.past()
    if busy:
        morning.busy()
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
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        page.on("console", lambda message: print("console:", message.text))
        page.on("pageerror", lambda error: print("page error:", error))
        await _live(page, folder)
        await _quiet(page, folder)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")))
