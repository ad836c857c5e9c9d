"""Real pagers on a real broker: killed, doubled, fed with nonsense; a real receiver counts what it is told, by id."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from streams import alerts, heartbeat, verdicts
from streams.pager import deciding
from streams.shell.kafka import EmbeddedKafka
from tests.conftest import LIBS, Run
from tests.pager_receiver import PagerReceiver
from tests.pager_tools import PERSONAL, alert, judgement
from tests.shell_tools import System

KILLS = 20
SECRET = "s3cret"  # noqa: S105 - of a receiver in a test


@pytest.fixture
async def system(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[System]:
    async with System(kafka, prefix, tmp_path) as made:
        yield made


class Floor:
    """Alerts and verdicts of one system, and one receiver that is both the lead and the manager."""

    def __init__(self, system: System, receiver: PagerReceiver, **pager: Any) -> None:
        self.system, self.receiver = system, receiver
        url = receiver.url("webhook")
        both = [{"name": name, "kind": "webhook", "url": url, "secret": SECRET} for name in ("lead", "manager")]
        given = {"receivers": both, "routes": [{"levels": [["lead"], ["manager"]]}], "escalate_after_s": 600.0}
        self.variables = {"METRICS__PAGER": "0"}
        for name, value in {**given, **pager}.items():
            self.variables[f"PAGER__{name.upper()}"] = value if isinstance(value, str) else json.dumps(value)

    def pager(self, **more: str) -> Any:
        """A process of its own."""
        return self.system.start("pager", **{**self.variables, **more})

    async def alert(self, name: str, state: str = "opened", **more: Any) -> None:
        """One call an alert."""
        change = alert(name, state, **{"at": time.time(), "call": f"c-{name}", **more})
        await self.system.send_raw(change.call.encode(), alerts.render(change), topic="alerts")

    async def verdict(self, action: Any, name: str) -> None:
        """What somebody does with it."""
        said = judgement(action, name, time.time(), call=f"c-{name}")
        await self.system.send_raw(said.call.encode(), verdicts.render(said), topic="verdicts")

    def keys(self) -> Counter[str]:
        """How often each notice was taken."""
        return Counter(got.key for got in self.receiver.taken)

    async def until(self, *keys: str, patience_s: float = 90) -> None:
        """Until all those notices were taken."""
        came = await self.receiver.until(lambda _: set(keys) <= self.keys().keys(), patience_s)
        assert came, f"never told: {sorted(set(keys) - self.keys().keys())}\n{self.system.logs()}"

    async def recorded(self, receiver: str, *names: str) -> None:
        """Until the pager has noted of all those pages that the receiver was told."""

        def noted(seen: list[Any]) -> set[str]:
            states = [deciding.parse(message.value) for message in seen if message.value]
            return {state.id for state in states if receiver in state.contacts and state.contacts[receiver].knows}

        await self.system.read("pages", lambda seen: set(names) <= noted(seen))

    async def working(self, pagers: int = 1) -> None:
        """Until so many have said that they work."""
        await self.system.read("heartbeats", lambda seen: _working(seen) >= pagers)


def _working(seen: list[Any]) -> int:
    beats = [heartbeat.parse(message.value) for message in seen]
    return len({beat.instance for beat in beats if beat.component == "pager" and beat.ok})


@pytest.mark.timeout(900)
async def test_twenty_kills_lose_no_page(system: System) -> None:
    chance = random.Random(7)  # noqa: S311 - chance, not secrets
    kinds: dict[str, str] = {}
    with PagerReceiver(SECRET) as receiver:
        floor, is_enough = Floor(system, receiver, escalate_after_s=2.0), asyncio.Event()

        async def feed() -> None:
            while not is_enough.is_set():
                name, kind = f"p{len(kinds)}", chance.choice(["open", "open", "claimed", "cleared"])
                kinds[name] = kind
                await floor.alert(name)
                await asyncio.sleep(chance.uniform(0.02, 0.8))
                if kind == "claimed":
                    await floor.verdict("claimed", name)
                elif kind == "cleared":
                    await floor.alert(name, "cleared")

        feeding = asyncio.create_task(feed())
        for _ in range(KILLS):
            pager, told = floor.pager(), len(receiver.taken)
            await receiver.until(lambda got, before=told: len(got.taken) > before, 90)  # type: ignore[misc]
            await asyncio.sleep(chance.uniform(0, 1.5))
            system.kill(pager)
        is_enough.set()
        await feeding
        floor.pager()
        kept = [name for name, kind in kinds.items() if kind == "open"]
        await floor.until(*(f"{name}.{news}" for name in kept for news in ("opened.1", "escalated.2")))
        keys = floor.keys()
        ended = [name for name, kind in kinds.items() if kind != "open" and keys[f"{name}.opened.1"]]
        ends = {"claimed": "claimed.1", "cleared": "resolved.1"}
        await floor.until(*(f"{name}.{ends[kinds[name]]}" for name in ended))
    doubles = {key: count - 1 for key, count in floor.keys().items() if count > 1}
    told = sum(floor.keys().values())
    print(f"\n{KILLS} kills, {len(kinds)} alerts, {told} notices, {sum(doubles.values())} told again: {doubles}")
    assert len(kept) > KILLS
    assert all(got.page in kinds for got in receiver.taken)
    text = json.dumps([got.body for got in receiver.taken], ensure_ascii=False)
    assert not [found for found in PERSONAL if found in text]
    # a kill costs at most what was under way: one notice a line, and records that were not acknowledged yet
    assert sum(doubles.values()) <= 5 * KILLS


@pytest.mark.timeout(300)
async def test_two_pagers_page_once_and_one_that_is_killed_is_stood_in_for(system: System) -> None:
    with PagerReceiver(SECRET) as receiver:
        floor = Floor(system, receiver)
        floor.pager()
        await floor.working()
        coming = asyncio.create_task(_send(floor, "a", 60, every_s=0.1))
        second = floor.pager()  # joins while pages come
        await floor.working(2)
        await coming
        await floor.until(*(f"a{number}.opened.1" for number in range(60)))
        assert set(floor.keys().values()) == {1}, "a pager that joins makes nobody be called twice"
        await floor.recorded("lead", *(f"a{number}" for number in range(60)))
        system.kill(second)
        await _send(floor, "b", 40)
        await floor.until(*(f"b{number}.opened.1" for number in range(40)))
        assert {floor.keys()[f"b{number}.opened.1"] for number in range(40)} == {1}
        assert floor.keys().total() == 100, "nor does one that is killed when all is told and recorded"
        third = floor.pager()
        await floor.working(3)
        coming = asyncio.create_task(_send(floor, "c", 40, every_s=0.1))
        await floor.until("c5.opened.1")
        assert system.kill(third, signal.SIGTERM) == 0
        await coming
        await floor.until(*(f"c{number}.opened.1" for number in range(40)))
        assert floor.keys().total() == 140, "nor one that is stopped while pages come"


async def _send(floor: Floor, name: str, count: int, every_s: float = 0) -> None:
    for number in range(count):
        await floor.alert(f"{name}{number}")
        await asyncio.sleep(every_s)


async def test_a_claim_stops_the_escalation_and_a_kill_forgets_no_claim(system: System) -> None:
    with PagerReceiver(SECRET) as receiver:
        floor = Floor(system, receiver, escalate_after_s=3.0)
        pager = floor.pager()
        await floor.working()
        await floor.alert("mine")
        await floor.verdict("claimed", "mine")
        await floor.alert("other")
        await floor.until("other.escalated.2")
        await floor.recorded("manager", "other")  # or it would be told again, under the same id
        system.kill(pager)
        floor.pager()
        await floor.alert("last")
        await floor.until("last.escalated.2")
        assert not floor.keys()["mine.escalated.2"]
        assert floor.keys()["other.opened.1"] == floor.keys()["other.escalated.2"] == 1
        await floor.verdict("resolved", "other")
        await floor.until("other.resolved.1", "other.resolved.2")


async def test_released_and_reopened_on_a_real_broker_is_told_under_a_new_id(system: System) -> None:
    with PagerReceiver(SECRET) as receiver:
        floor = Floor(system, receiver)
        pager = floor.pager()
        await floor.alert("one")
        await floor.until("one.opened.1")
        await floor.verdict("claimed", "one")
        await floor.until("one.claimed.1")
        await floor.recorded("lead", "one")
        system.kill(pager)
        await floor.verdict("released", "one")
        floor.pager()
        await floor.until("one.opened.1.1")
        await floor.verdict("resolved", "one")
        await floor.until("one.resolved.1.1")
        await floor.verdict("reopened", "one")
        await floor.until("one.opened.1.2")


@pytest.mark.timeout(300)
async def test_a_pager_that_was_frozen_reads_first_and_then_calls(system: System) -> None:
    """As a machine that slept: what became due meanwhile has been claimed meanwhile."""
    with PagerReceiver(SECRET) as receiver:
        floor, names = Floor(system, receiver, escalate_after_s=4.0), [f"n{number}" for number in range(30)]
        pager = floor.pager()
        await floor.working()
        await asyncio.gather(*map(floor.alert, names))
        await floor.until(*(f"{name}.opened.1" for name in names))
        pager.send_signal(signal.SIGSTOP)
        for name in names:
            await floor.verdict("claimed", name)
        await asyncio.sleep(4.5)  # the group waits longer
        pager.send_signal(signal.SIGCONT)
        await floor.until(*(f"{name}.claimed.1" for name in names))
        assert not [got.key for got in receiver.taken if "escalated" in got.key]


async def test_what_cannot_be_read_is_put_aside_and_passed(system: System) -> None:
    wrong = alerts.render(alert()).replace(b'"critical"', b'"13812345678"')
    bad = [b"", b"{", b"\xff", b'{"id":"13812345678"}', json.dumps({"type": "snooze"}).encode(), wrong]
    with PagerReceiver(SECRET) as receiver:
        floor = Floor(system, receiver)
        floor.pager()
        await floor.working()
        for topic in ("alerts", "verdicts"):
            for value in bad:
                await system.send_raw(b"c-good", value, topic=topic)
        await system.send_raw(b"c-good", None, topic="alerts")
        await floor.verdict("claimed", "never-seen")
        await floor.alert("good")
        await floor.until("good.opened.1")
        letters = await system.read("dead-letters", lambda seen: len(seen) >= 2 * len(bad) + 1)
    reasons = {dict(letter.headers)["reason"] for letter in letters}
    assert reasons == {b"no change of an alert", b"no verdict"}
    assert {letter.value for letter in letters} == {b""}, "nothing of what was in them is kept"
    assert {dict(letter.headers)["field"] for letter in letters} == {b"", b"$.severity"}
    assert all(int(dict(letter.headers)["offset"]) >= 0 for letter in letters)
    assert "13812345678" not in system.logs()


async def test_a_first_start_wakes_nobody_for_what_is_old_or_over(system: System) -> None:
    with PagerReceiver(SECRET) as receiver:
        floor = Floor(system, receiver)
        await floor.alert("old", at=time.time() - 7200)
        await floor.alert("over")
        await floor.alert("taken")
        await floor.verdict("claimed", "taken")
        await floor.alert("fresh", at=time.time() - 60)
        for number in range(40):  # in every partition, behind the others
            await floor.alert(f"more{number}")
        await floor.alert("over", "cleared")
        floor.pager()
        await floor.until("fresh.opened.1", *(f"more{number}.opened.1" for number in range(40)))
        assert {got.page for got in receiver.taken} == {"fresh", *(f"more{number}" for number in range(40))}


async def test_links_lead_to_the_wall_and_hours_are_those_of_its_zone(system: System) -> None:
    zone = ZoneInfo("America/St_Johns")  # half an hour off
    now = datetime.now(zone)
    quiet = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"
    with PagerReceiver(SECRET) as receiver:
        floor = Floor(system, receiver, wall_url="https://wall.example/floor/")
        both = json.loads(floor.variables["PAGER__RECEIVERS"])
        both[0]["quiet"] = quiet
        floor.pager(PAGER__RECEIVERS=json.dumps(both), WALL__TIMEZONE=zone.key)
        await floor.alert("a1")
        await floor.until("a1.escalated.2")
        assert floor.keys() == {"a1.escalated.2": 1}, "the lead has quiet hours, so the manager is called at once"
        assert receiver.taken[0].body["page"]["link"] == "https://wall.example/floor/alerts/a1"


async def test_status_shows_open_pages_and_whom_they_reached(
    system: System, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PagerReceiver(SECRET) as receiver:
        floor = Floor(system, receiver, wall_url="https://wall.example/floor/")
        floor.pager()
        for name in ("open", "claimed", "cleared"):
            await floor.alert(name, queue=f"queue-{name}")
        await floor.until("open.opened.1", "claimed.opened.1", "cleared.opened.1")
        await floor.verdict("claimed", "claimed")
        await floor.alert("cleared", "cleared")
        await floor.until("claimed.claimed.1", "cleared.resolved.1")
        variables = {n: v for n, v in system.environment(**floor.variables).items() if n.startswith("SANSHENG_")}
        await system.read("pages", lambda seen: b"cleared" in {message.key for message in seen})
        chinese = await asyncio.to_thread(run, "pager", "status", **variables)
        english = await asyncio.to_thread(run, "pager", "status", "--english", **variables)
    assert chinese.code == english.code == 0, chinese.err
    assert "\u5ba2\u6237\u88ab\u8fb1\u9a82" in chinese.out
    rows = {line.split("\u2502")[4].strip(): line for line in english.out.splitlines() if "queue-" in line}
    assert set(rows) == {"queue-open", "queue-claimed"}
    assert "level 1" in rows["queue-open"]
    assert "lead" in rows["queue-open"]
    assert " yes " in rows["queue-claimed"]
    links = dict(line.split() for line in english.out.splitlines() if "https://" in line)
    assert sorted(links.values()) == [f"https://wall.example/floor/alerts/{name}" for name in ("claimed", "open")]
    for number, link in links.items():
        queue = f"queue-{link.rpartition('/')[2]}"
        assert rows[queue].split("\u2502")[1].strip() == number, "the link of that row"
    assert " no " in rows["queue-open"]


@pytest.mark.timeout(300)
async def test_while_the_broker_is_away_the_lines_go_on(tmp_path: Path, prefix: str) -> None:
    """A receiver is dead, the broker dies, the receiver is told when it is back, and then the broker is too."""

    def embedded(port: int = 0) -> EmbeddedKafka:
        return EmbeddedKafka(tmp_path / "kafka", port=port, libs=LIBS, console=Console(quiet=True))

    broker = embedded()
    port = int(broker.start().bootstrap.rpartition(":")[2])
    receiver = PagerReceiver(SECRET)
    try:
        async with System(broker.bootstrap, prefix, tmp_path) as system:
            floor = Floor(system, receiver)
            floor.pager()
            await floor.working()
            await floor.alert("first")
            await system.read("pages", lambda seen: b"first" in {message.key for message in seen})
            broker.stop()
            receiver.start()
            await floor.until("first.opened.1")
            broker = embedded(port)
            broker.start()
            await floor.alert("second")
            await floor.until("second.opened.1")
            assert floor.keys() == {"first.opened.1": 1, "second.opened.1": 1}
    finally:
        receiver.stop()
        broker.stop()
