"""Makes the pictures of managers' figures for the documentation: `python -m tests.figures_screenshots docs`.

Needs Chromium. The floor is made: four days of calls, with alerts and verdicts as a site may have them.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from streams.alerts import AlertChange
from streams.archive import (
    figures_days,
    figures_of_agent,
    figures_of_floor,
    figures_of_rule,
    figures_page,
    figures_rows,
    migrations,
)
from streams.archive.figures_agent import agent_report
from streams.archive.figures_floor import floor_report
from streams.archive.figures_report import Report
from streams.archive.figures_rule import rule_report
from streams.archive.store import Store
from streams.detectors.base import Rule
from streams.events import (
    AgentMissed,
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    Transcript,
)
from streams.rulebook.book import load
from streams.settings import Settings
from streams.verdicts import Judgement
from tests.archive_tools import Log, taken
from tests.browser_tools import launched, take

ZONE = ZoneInfo("Asia/Shanghai")
FIRST, DAYS, A_DAY, SEED = datetime(2026, 11, 17, tzinfo=ZONE), 4, 420, 7
AGENTS = {"101": "王芳", "102": "李强", "103": "张敏", "104": "刘洋", "105": "陈静", "106": "杨帆", "107": "赵磊"}
RULES = ("ring-over-three", "dead-air", "greeting-missing", "hold-without-consent", "forbidden-summons")


def made(store: Store) -> None:
    """Fill the store."""
    chance, log = random.Random(SEED), Log()  # noqa: S311 - not for secrets
    book = {rule.id: rule for rule in load().rules}
    rules = [book[name] for name in RULES if name in book]
    for day in range(DAYS):
        for n in range(A_DAY):
            at = (FIRST + timedelta(days=day, hours=8.5)).timestamp() + 36_000 * chance.betavariate(1.7, 1.9)
            call = f"{day}-{n}"
            who = chance.choice(list(AGENTS))
            log.calls(_call(call, at, who, chance))
            if chance.random() < 0.16:
                _fire(log, chance.choice(rules), call, at + 20, who, chance)
    taken(store, log.messages)


def _call(call: str, at: float, who: str, chance: random.Random) -> Iterator[AnyEvent]:
    yield CallOffered(
        call=call,
        at=at,
        caller=f"138{chance.randrange(10**8):08d}",
        queue=chance.choice(("热线", "热线", "投诉", "贵宾")),
    )
    yield AgentRinging(call=call, at=at + 1, agent=who, agent_name=AGENTS[who])
    if chance.random() < 0.05:
        yield CallEnded(call=call, at=at + 1 + chance.uniform(5, 40), by="customer")
        return
    if chance.random() < 0.06:
        yield AgentMissed(call=call, at=at + 16, agent=who)
        yield AgentRinging(call=call, at=at + 17, agent=who, agent_name=AGENTS[who])
        at += 16
    at += 1 + chance.lognormvariate(1.5, 0.5)
    yield CallAnswered(call=call, at=at, agent=who, agent_name=AGENTS[who])
    if chance.random() < 0.94:
        yield Transcript(call=call, at=at + 2, role="agent", text="您好", start=at + 1, end=at + 2, final=True)
    talk = chance.lognormvariate(4.9, 0.7)
    if chance.random() < 0.2:
        held = chance.expovariate(1 / 35)
        yield CallHeld(call=call, at=at + talk / 2)
        yield CallResumed(call=call, at=at + talk / 2 + held)
        at += held
    yield CallEnded(call=call, at=at + talk, by=chance.choice(("customer", "customer", "agent")))


def _fire(log: Log, rule: Rule, call: str, at: float, who: str, chance: random.Random) -> None:
    alert = AlertChange(
        id=f"{call}-{rule.id}"[:60],
        rule=rule.id,
        severity=chance.choice(("warning", "warning", "critical", "notice")),
        state="opened",
        call=call,
        agent=who,
        agent_name=AGENTS[who],
        queue="热线",
        at=at,
        title=rule.title,
        says=rule.title,
        clause=rule.clause,
        rulebook="5f0c1d2e" if at < (FIRST + timedelta(days=2)).timestamp() else "9ab34c77",
    )
    log.alerts([alert])
    what = chance.choice(("resolved",) * 6 + ("false_alarm",) * 2 + ("", "", "appealed"))
    if what:
        log.verdicts(
            [
                Judgement(
                    id=f"{alert.id}-j",
                    alert=alert.id,
                    call=call,
                    rule=rule.id,
                    action=what,  # type: ignore[arg-type]
                    by="li",
                    by_name="Li",
                    at=at + chance.expovariate(1 / 900),
                    reason=chance.choice(("misheard", "misheard", "exempt", "rule")) if what == "false_alarm" else None,
                )
            ]
        )


def reports(store: Store) -> Iterator[tuple[str, Report]]:
    """Name and report of each picture."""
    last = (FIRST + timedelta(days=DAYS - 1)).date()
    one, all_days = figures_days.Span(last, last), figures_days.Span(FIRST.date(), last)
    now = (FIRST + timedelta(days=DAYS, hours=8)).timestamp()
    with store.reading() as connection:
        rows = figures_rows.of_agent(connection, one, "101", figures_rows.name_of(connection, "101"))
        yield "figures-agent", agent_report(figures_of_agent.agent_figures(rows, one, {}, ZONE), now, ZONE)
        named = figures_rows.rule_named(connection, "dead-air")
        assert named
        found = figures_of_rule.rule_figures(figures_rows.of_rule(connection, all_days, named), all_days, ZONE)
        yield "figures-rule", rule_report(found, AGENTS, now, ZONE)
        floor = figures_of_floor.floor_figures(figures_rows.of_floor(connection, one), one, ZONE)
        yield "figures-floor", floor_report(floor, now, ZONE)


def pages(folder: Path) -> dict[str, Path]:
    """Name and file of each page, written to ``folder``."""
    store = Store(Settings(run_dir=folder / "run"))
    migrations.upgrade(store)
    made(store)
    files = {}
    for name, report in reports(store):
        files[name] = folder / f"{name}.html"
        files[name].write_text(figures_page.render(report), "utf-8")
    store.close()
    return files


async def main(folder: Path) -> None:
    """Write figures-*.png: the head of each report."""
    with tempfile.TemporaryDirectory() as work:
        async with launched() as browser:
            for name, file in pages(Path(work)).items():
                page = await browser.new_page(viewport={"width": 1120, "height": 1280})
                await page.goto(file.as_uri())
                await take(page, folder, name, 200)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).resolve()))
