"""Makes the pictures of the desk and its pages: `python -m tests.desk_screenshots docs` (needs Chromium)."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from playwright.async_api import Browser, Page

from streams.archive import migrations
from streams.archive.store import Store
from streams.settings import Settings
from streams.verdicts import Judgement
from tests.browser_tools import launched, take
from tests.wall_records import bygone, spoken, tell
from tests.wall_screenshots import Morning
from tests.wall_script import Running, running_wall

USERS = [
    {"login": "wang", "name": "王主管", "role": "supervisor", "token": "token-wang"},
    {"login": "li", "name": "李经理", "role": "manager", "token": "token-li"},
    {"login": "a101", "name": "王芳", "role": "agent", "agent": "101", "token": "token-101"},
]
TEAMS = {
    "售后": {"agents": ["101", "104", "106", "111"], "queues": ["售后"]},
    "投诉": {"agents": ["103", "112", "113"], "queues": ["投诉"]},
}


def _fill(wall: Running) -> None:
    wall.floor.begin()
    wall.source.sink.reading()
    morning = Morning(wall.floor, time.time())
    morning.past()
    morning.busy()
    wall.source.sink.live()
    _beat(wall)


def _beat(wall: Running) -> None:
    """All is well, for as long as a part may be silent: shorter than all the pictures take."""
    wall.floor.beat("detect")
    wall.floor.beat("asterisk")


async def _take(page: Page, folder: Path, name: str) -> None:
    await take(page, folder, name, rest_ms=900)


async def _open(browser: Browser, address: str, width: int = 1600, height: int = 900) -> Page:
    page = await browser.new_page(viewport={"width": width, "height": height})
    page.on("console", lambda message: print("console:", message.text))
    page.on("pageerror", lambda error: print("page error:", error))
    await page.goto(address)
    await page.wait_for_selector(".row, .login")
    return page


async def _press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)
        await page.wait_for_timeout(400)


async def _people(browser: Browser, wall: Running, folder: Path) -> None:
    other = await _open(browser, wall.desk_of("token-li"))
    await _press(other, "j", "j", "j", "j", "c")
    await other.locator('[data-state-filter="open"]').click()
    await _press(other, "Escape", "End", "r", "End", "f", "Control+Enter")
    await other.get_by_role("radio").first.check()
    await _press(other, "Control+Enter")
    await other.close()
    agent = await _open(browser, wall.desk_of("token-101"))
    await _press(agent, "j")
    await _take(agent, folder, "desk-agent")
    await agent.close()


async def _states(page: Page, wall: Running, folder: Path) -> None:
    _beat(wall)
    wall.floor.beat("recognise", ok=False, detail="behind by 9 s")
    await _take(page, folder, "desk-ears")
    wall.floor.beat("recognise")
    wall.floor.beat("detect", ok=False, detail="rulebook not found")
    await _take(page, folder, "desk-engine")
    wall.source.sink.gone("no answer from the broker within 4 s")
    await _take(page, folder, "desk-stale")


async def _pages(browser: Browser, folder: Path) -> None:
    """Of calls that people spoke, told as of just now; one goes on. The archive behind them has nothing yet."""
    with TemporaryDirectory() as run:
        archived = Settings(run_dir=Path(run))
        migrations.upgrade(Store(archived))
        await _pages_of(browser, folder, archived)


async def _pages_of(browser: Browser, folder: Path, archived: Settings) -> None:
    async with running_wall(archived=archived) as wall:
        wall.floor.begin()
        for ago in (9000, 5400, 1800):
            tell(wall.floor, spoken("rude-agent"), time.time() - ago, f"before-{ago}")
        tell(wall.floor, spoken("rude-agent"), time.time() - 300)
        half = [event for event in spoken("escalation") if event.at <= spoken("escalation")[0].at + 62]
        tell(wall.floor, half, time.time(), "live", settle=False)
        alert = next(c.id for c in wall.floor.changes if c.rule == "forbidden-summons" and c.call == "rude-agent")
        page = await _open(browser, wall.desk)
        await _press(page, "j", "c", "j", "r", "j", "r", "j", "f", "Enter")
        for name, path in (
            ("page-alert", f"/alerts/{alert}"),
            ("page-call", f"/calls/live?at={time.time():.0f}"),
            ("page-agent", "/agents/8026"),
            ("page-rules", "/rules"),
        ):
            _beat(wall)
            await page.goto(f"{wall.base}{path}")
            await page.wait_for_selector(".page")
            await _take(page, folder, name)


def _month(store: Store) -> str:
    """A month of spoken calls in an archive; one alert of three weeks ago, which somebody has judged."""
    floor, keep = bygone(store)
    names = ("rude-agent", "escalation", "hold-without-consent")
    for n, ago in enumerate(range(40)):
        for at, name in enumerate(names):
            tell(floor, spoken(name), time.time() - 86_400 * (1 + ago) - 3600 * at - n * 977 % 20_000, f"{name}-{n}")
    alert = next(c for c in floor.changes if c.rule == "forbidden-summons" and c.call == "rude-agent-20")
    about = {"alert": alert.id, "call": alert.call, "rule": alert.rule, "agent": alert.agent, "queue": alert.queue}
    done = (("claimed", ""), ("commented", "已与坐席复听录音。"), ("resolved", ""))
    for n, (action, text) in enumerate(done):
        made = {"id": f"v{n}", "action": action, "text": text, "at": alert.at + 60 * (n + 1), "type": "judgement"}
        floor.verdict(msgspec.convert({**made, "by": "li", "by_name": "李经理", **about}, Judgement))
    keep()
    return alert.id


async def _archive(browser: Browser, folder: Path) -> None:
    """What comes from the archive: looking for calls, an old alert, an earlier day."""
    with TemporaryDirectory() as run:
        archived = Settings(run_dir=Path(run))
        store = Store(archived)
        migrations.upgrade(store)
        alert = _month(store)
        async with running_wall(archived=archived, users=USERS, teams=TEAMS) as wall:
            wall.floor.begin()
            page = await browser.new_page(viewport={"width": 1600, "height": 900})
            for name, path, there in (
                ("page-search", "/search?q=%E6%8A%95%E8%AF%89#token=token-wang", ".found"),
                ("page-old-alert", f"/alerts/{alert}", ".panel-stands"),
            ):
                _beat(wall)
                await page.goto(f"{wall.base}{path}")
                await page.wait_for_selector(there)
                await _take(page, folder, name)
            _beat(wall)
            wall.floor.beat("archive", ok=False, detail="store full")
            await _take(page, folder, "desk-archive")


async def main(folder: Path) -> None:
    """All pictures."""
    async with launched() as browser:
        async with running_wall(users=USERS, teams=TEAMS) as wall:
            _fill(wall)
            await _take(await _open(browser, f"{wall.base}/desk"), folder, "desk-login")
            await _people(browser, wall, folder)
            page = await _open(browser, f"{wall.base}/desk?state=all#token=token-wang")
            _beat(wall)
            await _press(page, "j", "j")
            await _take(page, folder, "desk-list")
            await _press(page, "f")
            await _take(page, folder, "desk-false-alarm")
            await _press(page, "Escape", "s")
            await _take(page, folder, "desk-snooze")
            await _press(page, "Escape")
            await _states(page, wall, folder)
        await page.wait_for_selector('body[data-state="disconnected"]')
        await _take(page, folder, "desk-disconnected")
        await _pages(browser, folder)
        await _archive(browser, folder)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")))
