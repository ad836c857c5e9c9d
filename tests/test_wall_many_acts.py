"""Much that one supervisor does at once over one websocket: each is answered and taken once, also by a slow broker."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest
from aiokafka.conn import AIOKafkaConnection
from websockets.asyncio.client import connect

from dashboards.wall import acts, kafka_desk, sessions
from dashboards.wall.kafka_desk import KafkaDesk
from dashboards.wall.protocol import BURST, PER_S
from dashboards.wall.records import UnavailableError
from streams import alerts, verdicts
from streams.settings import Settings
from streams.shell.kafka import free_port
from streams.verdicts import Judgement, Verdict
from tests.test_wall_access import Browser
from tests.test_wall_kafka import everything, judgement
from tests.test_wall_server import Json, kafka_settings, producer_at, until, value_of, wall_on
from tests.wall_client import ticket_at
from tests.wall_script import DESK_TOKEN, Running, change, running_wall

MANY = [f"a{n}" for n in range(BURST)]


@asynccontextmanager
async def desk_at(socket: str) -> AsyncIterator[Browser]:
    """A desk that shows all of the alerts."""
    base = socket.replace("ws", "http", 1).removesuffix("/live")
    ticket = await asyncio.to_thread(ticket_at, base, DESK_TOKEN)
    async with connect(socket, proxy=None, max_size=None) as connection:
        browser, shown = Browser(connection), set[str]()
        await browser.say(type="hello", protocol=3, ticket=ticket, mode="desk")
        async with asyncio.timeout(30):
            while not shown.issuperset(MANY):
                message: Json = msgspec.json.decode(await connection.recv())
                shown |= {card["id"] for card in message.get("set", message).get("alerts", ())}
        yield browser


async def claim(browser: Browser, *ids: str) -> None:
    """All of them at once; the number of each is its place."""
    for number, alert in enumerate(ids):
        await browser.say(type="act", act=number, alert=alert, action="claimed")


async def outcomes(browser: Browser, count: int) -> dict[int, str]:
    """The next answers by number; one that is answered twice fails."""
    told: dict[int, str] = {}
    for _ in range(count):
        done = await browser.next("done")
        assert done["act"] not in told
        told[done["act"]] = done.get("problem", "done")
    return told


def slow_down(monkeypatch: pytest.MonkeyPatch, latency_s: float) -> None:
    """From now on each answer of the broker takes that much longer, for all clients of this process."""
    send = AIOKafkaConnection.send

    def slowly(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
        answer = send(self, request, expect_response)

        async def late() -> Any:
            try:
                return await answer
            finally:
                await asyncio.sleep(latency_s)

        return late()

    monkeypatch.setattr(AIOKafkaConnection, "send", slowly)


@asynccontextmanager
async def scripted() -> AsyncIterator[Running]:
    """A wall without a broker, with all of the alerts."""
    async with running_wall() as wall:
        wall.floor.begin()
        for alert in MANY:
            wall.floor.alert(change(alert, call=f"c{alert}"))
        yield wall


class Held:
    """A log that takes nothing before ``free``; the verdicts that have got that far are ``waiting``."""

    def __init__(self, wall: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free, self.waiting, self._write = asyncio.Event(), list[Verdict](), wall.people.judge
        monkeypatch.setattr(wall.people, "judge", self._judge)

    async def _judge(self, verdict: Verdict) -> None:
        self.waiting.append(verdict)
        await self.free.wait()
        await self._write(verdict)


@pytest.mark.parametrize("latency_s", [0.0, 1.5])
async def test_all_that_is_claimed_at_once_is_taken_once(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch, latency_s: float
) -> None:
    settings = await asyncio.to_thread(kafka_settings, kafka, prefix)
    async with producer_at(settings) as put:
        for alert in MANY:
            await put("alerts", f"c{alert}".encode(), alerts.render(change(alert, call=f"c{alert}")))
        async with wall_on(settings) as address, desk_at(address) as browser:
            slow_down(monkeypatch, latency_s)
            await claim(browser, *MANY)
            told = await outcomes(browser, len(MANY))
            monkeypatch.undo()
    assert told == dict.fromkeys(range(len(MANY)), "done")
    kept = [verdicts.parse(message.value) for message in await everything(settings, "verdicts")]
    assert Counter(verdict.alert for verdict in kept if isinstance(verdict, Judgement)) == Counter(MANY)


async def test_none_waits_for_another_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted() as wall, desk_at(wall.socket) as browser:
        held = Held(wall, monkeypatch)
        await claim(browser, *MANY)
        await until(lambda: len(held.waiting) == len(MANY))  # nobody has been answered yet
        held.free.set()
        assert await outcomes(browser, len(MANY)) == dict.fromkeys(range(len(MANY)), "done")
        assert value_of(wall, "sansheng_wall_acts_total", action="claimed", outcome="done") == len(MANY)


async def test_what_is_done_with_one_alert_is_done_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted() as wall, desk_at(wall.socket) as browser:
        held = Held(wall, monkeypatch)
        for number, (alert, action) in enumerate((("a0", "claimed"), ("a0", "released"), ("a1", "claimed"))):
            await browser.say(type="act", act=number, alert=alert, action=action)
        await until(lambda: len(held.waiting) == 2)
        assert [(v.alert, v.action) for v in held.waiting if isinstance(v, Judgement)] == [
            ("a0", "claimed"),
            ("a1", "claimed"),
        ]
        held.free.set()
        assert await outcomes(browser, 3) == dict.fromkeys(range(3), "done")
        last = held.waiting[-1]
        assert isinstance(last, Judgement)
        assert (last.alert, last.action) == ("a0", "released")


async def test_beyond_the_bound_it_is_said_to_be_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_ACTS", 3)
    async with scripted() as wall, desk_at(wall.socket) as browser:
        held = Held(wall, monkeypatch)
        await claim(browser, *MANY[:5])
        assert await outcomes(browser, 2) == {3: "busy", 4: "busy"}
        assert value_of(wall, "sansheng_wall_acts_total", action="claimed", outcome="busy") == 2
        held.free.set()
        assert await outcomes(browser, 3) == dict.fromkeys(range(3), "done")
        assert len(wall.people.verdicts) == 3
        assert await browser.act("claimed", MANY[4]) == "done"


async def test_questions_and_what_is_done_take_no_place_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted() as wall, desk_at(wall.socket) as browser:
        held = Held(wall, monkeypatch)
        await claim(browser, *MANY[: sessions.MOST_AT_ONCE])
        await until(lambda: len(held.waiting) == sessions.MOST_AT_ONCE)
        assert (await browser.ask("alert", "nothing"))["problem"] == "unknown"
        held.free.set()
        assert set((await outcomes(browser, sessions.MOST_AT_ONCE)).values()) == {"done"}


def test_who_keeps_the_pace_is_never_busy() -> None:
    """Each of what is done takes so long at the most, where the broker does not answer."""
    assert BURST + PER_S * (kafka_desk.ANSWER_S + acts.BACK_S) <= sessions.MOST_ACTS


async def test_a_broker_that_is_slow_to_connect_to_is_connected_all_the_same(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """::

    desk      connects: ─── 0.4 s ─── 0.4 s ─── ... ──▶ there
    claim     ├────── 1 s: unavailable                   ├─ 0.4 s: done
    """
    settings = await asyncio.to_thread(kafka_settings, kafka, prefix)
    monkeypatch.setattr(kafka_desk, "ANSWER_S", 1.0)
    slow_down(monkeypatch, 0.4)
    desk = KafkaDesk(settings)
    verdict = judgement()
    with pytest.raises(UnavailableError):
        await desk.judge(verdict)
    async with asyncio.timeout(30):
        while not await is_taken(desk, verdict):
            pass
    await desk.close()


async def is_taken(desk: KafkaDesk, verdict: Verdict) -> bool:
    with suppress(UnavailableError):
        await desk.judge(verdict)
        return True
    return False


async def test_a_desk_that_connects_in_vain_ends_cleanly(caplog: pytest.LogCaptureFixture) -> None:
    desk = KafkaDesk(Settings(kafka=f"127.0.0.1:{free_port()}"))
    desk.connect()
    await asyncio.sleep(0)
    await desk.close()
    desk.connect()
    with pytest.raises(UnavailableError):
        await desk.judge(judgement())
    await desk.close()
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]
