"""A real Chromium, for tests and for pictures. Imported only where one is needed: the rest goes without playwright."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

#: Two loaded cores may take long; nothing here waits for a time to pass.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: Opens an address: ``show(address, width, height, **options)``.
Open = Callable[..., Awaitable[Page]]


def chromium() -> str | None:
    """Where the browser is, if it is installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


needs_chromium = pytest.mark.skipif(chromium() is None, reason="no Chromium: apt-get install chromium fonts-noto-cjk")


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """A browser of its own."""
    async with async_playwright() as playwright:
        yield await playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)


@asynccontextmanager
async def opening(browser: Browser, screen: tuple[int, int]) -> AsyncIterator[Open]:
    """Each address on a screen of its own, of that width and height; an error of a page's own fails the test."""
    errors: list[str] = []

    async def open_(address: str, width: int = screen[0], height: int = screen[1], **options: Any) -> Page:
        page = await browser.new_page(viewport={"width": width, "height": height}, **options)
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(address)
        return page

    yield open_
    assert errors == [], errors


async def state_is(page: Page, state: str) -> None:
    await expect(page.locator("body")).to_have_attribute("data-state", state)


async def take(page: Page, folder: Path, name: str, rest_ms: float) -> None:
    """A picture of the page after it has had so long to come to rest, as small as it can be."""
    await page.wait_for_timeout(rest_ms)
    picture = folder / f"{name}.png"
    await page.screenshot(path=picture)
    if squeeze := shutil.which("pngquant"):
        tool = await asyncio.create_subprocess_exec(squeeze, "--force", "--ext", ".png", "--speed", "1", picture)
        await tool.wait()
    print(f"{picture}: {picture.stat().st_size // 1024} KiB")
