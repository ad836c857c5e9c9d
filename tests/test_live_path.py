"""Recorded PBX → AMI client → Kafka → Faust → websocket and browser: the same alerts as ``replay``.

All captures are played side by side in their own time (speed 1, about 75 s), once for the whole module.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.async_api import expect
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from streams.alerts import AlertChange
from streams.events import AnyEvent, CallAnswered
from streams.problem import Problem
from streams.replay import replay
from streams.rulebook.book import load
from streams.shell.kafka import free_port
from streams.telephony.capture import record_capture
from streams.telephony.pbx import Programme, RecordedPbx
from tests.asterisk_tools import OWN
from tests.browser_tools import launched, needs_chromium
from tests.shell_tools import PATIENCE_S, System, at_the_edge
from tests.wall_client import Screen

LIMITS = Path(__file__).parent / "rulebooks" / "live"
TOKEN = "a token for the tests"  # noqa: S105 - of a wall on loopback
SECRET = "secret"  # noqa: S105 - of the recorded PBX
#: k is about connecting in mid-call; here everybody is connected from the start, so it would tell another story.
NAMES = sorted(f.stem for f in OWN.glob("*.jsonl") if not f.stem.startswith("k_"))
MINUTES = 60.0


def expected() -> list[AlertChange]:
    """What replay says of each capture."""
    book = load([LIMITS])
    items = (item for name in NAMES for item in replay(book, record_capture(OWN / f"{name}.jsonl")))
    return [item for item in items if isinstance(item, AlertChange)]


def facts(changes: list[AlertChange]) -> Counter[tuple[str, str, str, str, str | None]]:
    """What must be the same live and offline: everything but the clock, each change once."""
    once = {(c.id, c.state, c.severity): c for c in changes}
    return Counter((c.call, c.rule, c.state, c.severity, c.agent) for c in once.values())


@pytest.fixture
async def system(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[System]:
    async with System(kafka, prefix, tmp_path) as system:
        yield system


@pytest.mark.timeout(400)
@needs_chromium
async def test_live_gives_what_replay_gives_and_a_tile_turns_red(system: System) -> None:
    wanted, port = expected(), free_port()
    metrics = {name: free_port() for name in ("detect", "asterisk", "wall")}
    captures = [OWN / f"{name}.jsonl" for name in NAMES]
    async with RecordedPbx(captures, port=0, programme=Programme(together=True)) as pbx:
        limits = {"RULEBOOK": f'["{LIMITS}"]', "WALL__PORT": str(port), "WALL__TOKEN": TOKEN}
        limits |= {f"METRICS__{name.upper()}": str(at) for name, at in metrics.items()}
        system.start("detect", **limits)
        system.start("wall", **limits)
        await system.working(1)
        system.start("asterisk", ASTERISK__PORT=str(pbx.port), ASTERISK__SECRET=SECRET, **limits)
        async with asyncio.timeout(5 * MINUTES):
            browser = asyncio.create_task(see_red(port))
            screen = await Screen(port, TOKEN).follow(
                lambda seen: len(seen) >= sum(1 for _ in facts(wanted).elements())
            )
            await browser
    told = await system.alerts(lambda changes: len(at_the_edge(changes)) >= len(facts(wanted)))
    assert facts(told) == facts(wanted)
    assert Counter((s.call, s.rule, s.state, s.severity, s.agent) for s in screen) == facts(wanted)
    await metrics_tell_the_same(metrics, told)


async def metrics_tell_the_same(ports: dict[str, int], told: list[AlertChange]) -> None:
    """What Prometheus would read from each process agrees with what happened."""
    detect, gateway, wall = [await asyncio.to_thread(scrape, ports[name]) for name in ("detect", "asterisk", "wall")]
    for change, sent in Counter((c.rule, c.severity, c.state) for c in told).items():
        labels = dict(zip(("rule", "severity", "state"), change, strict=True))
        assert value(detect, "sansheng_alerts_total", **labels) == sent
    answered = Counter(e.call for e in recorded() if isinstance(e, CallAnswered) and not e.extra.get("consult"))
    assert total(detect, "sansheng_ring_seconds_count", outcome="answered") >= len(answered)
    assert total(detect, "sansheng_calls_abandoned_total") == sum(c.rule == "abandoned-while-ringing" for c in told)
    assert total(detect, "sansheng_calls_in_time_total") < total(detect, "sansheng_calls_offered_total")
    assert time.time() - value(detect, "sansheng_last_commit_timestamp_seconds") < PATIENCE_S
    assert total(detect, "sansheng_dead_letters_total", source="calls") == 0
    assert value(gateway, "sansheng_pbx_connects_total") == 1
    assert value(gateway, "sansheng_pbx_blocks_total") > 0
    assert value(wall, "sansheng_wall_lag_seconds_count") > 0


def recorded() -> list[AnyEvent]:
    """The record of all captures."""
    items = (item for name in NAMES for item in record_capture(OWN / f"{name}.jsonl"))
    return [item for item in items if not isinstance(item, Problem)]


def scrape(port: int) -> list[Sample]:
    """All samples of one process."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return [sample for family in families for sample in family.samples]


def value(samples: list[Sample], name: str, **labels: str) -> float:
    """One sample's value; 0 where it has never been counted."""
    found = (s.value for s in samples if s.name == name and labels.items() <= s.labels.items())
    return next(found, 0.0)


def total(samples: list[Sample], name: str, **labels: str) -> float:
    """The sum over the labels that are not named: queues, reasons."""
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


async def see_red(port: int) -> None:
    """A browser sees a call's tile turn amber, then red, then calm again."""
    async with launched() as browser:
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        await page.goto(f"http://127.0.0.1:{port}/#token={TOKEN}")
        red = page.locator('.tile[data-severity="critical"]')
        await expect(page.locator('.tile[data-severity="warning"]').first).to_be_visible(timeout=120_000)
        await expect(red.first).to_be_visible(timeout=120_000)
        call = await red.first.get_attribute("data-call")
        await expect(page.locator(f'.tile[data-call="{call}"][data-severity="critical"]')).to_have_count(
            0, timeout=120_000
        )
