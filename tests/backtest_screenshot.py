"""Makes the report's picture for the documentation: `python -m tests.backtest_screenshot docs` (needs Chromium)."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from bench.day import write_day
from streams.backtest.judge import Books
from streams.backtest.report import render
from streams.backtest.run import backtest
from streams.rulebook.book import load
from tests.browser_tools import launched

CALLS, SEED = 60, 11
OVERLAY = """
why: 试行:响铃时限改为 8 秒,补充一种致歉说法,停用复述安抚话的规则
change:
  ring-over-three:
    thresholds: [{after: 8 s, severity: warning}, {after: 20 s, severity: critical}]
  repeated-apology: {status: retired, retired_because: 误报较多}
add:
  apology: [我会尽快为您处理]
"""


def report(folder: Path) -> Path:
    """A report of a made morning under a changed book."""
    trace, overlay, page = folder / "2026-11-20.ndjson", folder / "site.yaml", folder / "report.html"
    write_day(trace, CALLS, SEED)
    overlay.write_text(OVERLAY, "utf-8")
    page.write_text(render(backtest([trace], Books(load(), load([overlay])), pictures=40)), "utf-8")
    return page


async def main(folder: Path) -> None:
    """Write backtest.png: the head of the report above one call."""
    with tempfile.TemporaryDirectory() as work, chdir(work):
        async with launched() as browser:
            page = await browser.new_page(viewport={"width": 1120, "height": 1500})
            await page.goto(report(Path()).absolute().as_uri())
            await page.evaluate(KEEP)
            await page.screenshot(path=folder / "backtest.png", full_page=True)


#: Of the lists and the calls only what one picture can hold: the shortest of the calls with the most kinds of change.
KEEP = """() => {
  const kinds = call => new Set([...call.querySelectorAll("h4 .tag")].map(tag => tag.className)).size;
  const calls = [...document.querySelectorAll("section.call")];
  calls.sort((a, b) => kinds(b) - kinds(a) || a.clientHeight - b.clientHeight).slice(1).forEach(call => call.remove());
  document.querySelectorAll(".listed").forEach(list => [...list.children].slice(2).forEach(li => li.remove()));
}"""


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).resolve()))
