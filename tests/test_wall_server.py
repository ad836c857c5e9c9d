"""The wall's server over its real sockets: protocol, access, health, and the topics of a real broker."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from dashboards.wall import deflate, house, kafka_source, server, web
from dashboards.wall import hub as hubs
from dashboards.wall.boards import Board
from dashboards.wall.hub import Hub
from dashboards.wall.views import Change, Counts
from streams import alerts, heartbeat, verdicts
from streams.settings import Settings
from streams.shell import topics
from streams.shell.entries import Entries
from streams.shell.kafka import EmbeddedKafka
from streams.verdicts import Judgement, Snooze
from tests.conftest import LIBS
from tests.wall_client import ticket_at
from tests.wall_script import (
    DESK_TOKEN,
    TOKEN,
    Running,
    ScriptedDesk,
    ScriptedRecords,
    ScriptedSource,
    change,
    running_wall,
    wall_settings,
)

Json = dict[str, Any]


class Screen:
    """A browser without a picture: it applies messages as the page does, and refuses a gap."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.n = -1
        self.parts: dict[str, Any] = {}
        self.alerts: dict[str, Json] = {}
        self.calls: dict[str, Json] = {}
        self.messages: list[Json] = []
        self.told: list[str] = []  # ids of alerts, as often as they were sent
        self.welcome: Json = {}
        self.stream = ""

    async def next(self) -> Json:
        """The next message about the floor; the welcome comes before all."""
        message: Json = msgspec.json.decode(await asyncio.wait_for(self.socket.recv(), 30))
        if message["type"] == "welcome":
            assert not self.messages
            self.welcome = message
            return await self.next()
        assert self.welcome
        self.messages.append(message)
        if message["type"] == "snapshot":
            self.alerts = {a["id"]: a for a in message["alerts"]}
            self.calls = {c["id"]: c for c in message["calls"]}
            self.parts = {part: message[part] for part in ("counts", "status", "recent", "rules", "snoozes")}
            self.stream = message["stream"]
        elif message["type"] == "change":
            assert message["after"] == self.n
            self._change(message["set"], message["gone"])
        self.n = message["n"]
        return message

    async def until(self, true: Callable[[Screen], object]) -> None:
        async with asyncio.timeout(30):
            while not (self.messages and true(self)):
                await self.next()

    def _change(self, put: Json, gone: Json) -> None:
        self.told += [a["id"] for a in put.get("alerts", [])]
        self.alerts |= {a["id"]: a for a in put.get("alerts", [])}
        self.calls |= {c["id"]: c for c in put.get("calls", [])}
        for what, ids in gone.items():
            for one in ids:
                del getattr(self, what)[one]
        self.parts |= {part: view for part, view in put.items() if part not in ("alerts", "calls")}


@asynccontextmanager
async def screen_at(socket: str, token: str = TOKEN, **hello: Any) -> AsyncIterator[Screen]:
    """A screen in wall mode, unless ``hello`` says otherwise."""
    ticket = await asyncio.to_thread(ticket_at, socket.replace("ws", "http", 1).removesuffix("/live"), token)
    async with connect(socket, proxy=None, max_size=None) as connection:
        greeting = {"type": "hello", "protocol": 2, "ticket": ticket, "mode": "wall", **hello}
        await connection.send(msgspec.json.encode(greeting), text=True)
        yield Screen(connection)


async def get(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    def ask() -> tuple[int, dict[str, str], bytes]:
        try:
            asked = Request(url, method=method, headers=headers)  # noqa: S310 # our own server
            with urlopen(asked, timeout=10) as answer:  # noqa: S310 # as above
                return answer.status, dict(answer.headers), answer.read()
        except HTTPError as error:
            return error.code, dict(error.headers), error.read()

    return await asyncio.to_thread(ask)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 # metrics and boards ring no bell
            await asyncio.sleep(0.02)


def value_of(wall: Running, name: str, **labels: str) -> float | None:
    return wall.server.metrics.registry.get_sample_value(name, labels)


# protocol


async def test_a_snapshot_comes_first_then_numbered_changes() -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        wall.floor.say("call.offered", "c1", caller="138****0001", queue="售后")
        async with screen_at(wall.socket) as screen:
            first = await screen.next()
            assert first["type"] == "snapshot"
            assert abs(first["now"] - time.time()) < 30
            assert {c["id"] for c in first["calls"]} == {"c1"}
            wall.floor.say("agent.ringing", "c1", agent="101", agent_name="王芳")
            await screen.until(lambda s: s.calls["c1"]["phase"] == "ringing")
            assert screen.calls["c1"]["agents"] == [{"id": "101", "name": "王芳"}]


async def test_two_screens_end_with_the_same_picture_as_a_late_one() -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        async with screen_at(wall.socket) as early, screen_at(wall.socket) as other:
            now = time.time()
            for i in range(40):
                wall.floor.say("call.offered", f"c{i}", now - 30)
                wall.floor.say("agent.ringing", f"c{i}", now - 30 + i / 2, agent=str(i))
                if i % 3 == 0:
                    wall.floor.say("call.ended", f"c{i}", now, by="customer")
                await asyncio.sleep(0)
            wall.floor.wait(now)
            wall.floor.alert(change("last", call="c1"))
            await early.until(lambda s: "last" in s.alerts)
            await other.until(lambda s: "last" in s.alerts)
            async with screen_at(wall.socket) as late:
                await late.next()
                assert (early.calls, early.alerts, early.parts) == (late.calls, late.alerts, late.parts)
                assert (other.calls, other.alerts, other.parts) == (late.calls, late.alerts, late.parts)


async def test_an_alert_delivered_twice_is_told_once() -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        async with screen_at(wall.socket) as screen:
            await screen.next()
            for _ in range(3):
                wall.floor.alert(change("a1"))
            wall.floor.alert(change("a2"))
            await screen.until(lambda s: "a2" in s.alerts)
            assert screen.told == ["a1", "a2"]
            assert screen.parts["counts"]["warning"] == 2


async def test_without_news_there_is_a_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "BEAT_S", 0.05)
    async with running_wall() as wall:
        wall.floor.begin()
        async with screen_at(wall.socket) as screen:
            await screen.until(lambda s: [m["type"] for m in s.messages[-2:]] == ["beat", "beat"])
            assert screen.messages[-1]["n"] == screen.messages[-2]["n"]
            assert screen.messages[-1]["now"] > screen.messages[-2]["now"]


async def test_unreadable_messages_are_counted_and_the_others_go_on() -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        future = msgspec.json.encode({"type": "call.offered", "call": "future", "at": time.time() + 3600})
        for bad in (b"", b"\xff\x00", b"{", b"[]", b'{"type":"call.sung","call":"c","at":1}', future):
            wall.source.put("calls", bad, key=b"c")
        for bad in (b"", b"{}", b"[" * 100_000):
            wall.source.put("alerts", bad)
            wall.source.put("heartbeats", bad)
        wall.floor.say("call.offered", "c1")
        async with screen_at(wall.socket) as screen:
            await screen.until(lambda s: "c1" in s.calls)
            assert screen.parts["status"]["unreadable"] == 12
            assert screen.calls.keys() == {"c1"}


async def test_what_lies_in_the_future_or_has_another_key_is_left_out() -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        ahead = time.time() + wall_settings().ahead_s + 30
        said: Json = {"id": "j1", "alert": "a1", "call": "c1", "rule": "long-hold", "by": "li", "by_name": "李"}
        hush: Json = {"id": "s1", "rule": "long-hold", "queue": "", "by": "li", "by_name": "李"}
        now = time.time()
        wall.floor.alert(change("a1"))
        wall.floor.alert(change("future", at=ahead))
        wall.source.put("alerts", alerts.render(change("elsewhere")), key=b"c2")
        wall.floor.verdict(Judgement(**said, action="resolved", at=ahead))
        wall.floor.verdict(Snooze(**hush, at=ahead, until=ahead + 60))
        verdict = verdicts.render(Judgement(**said, action="resolved", at=now))
        wall.source.put("verdicts", verdict, key=b"c2")
        wall.source.put("verdicts", verdicts.render(Snooze(**hush, at=now, until=now + 60)), key=b"c1")
        async with screen_at(wall.socket) as screen:
            first = await screen.next()
            assert ([a["id"] for a in first["alerts"]], first["snoozes"]) == (["a1"], [])
            assert first["status"]["unreadable"] == 6
            wall.source.put("verdicts", verdict, key=b"c1")
            await screen.until(lambda s: s.alerts["a1"].get("finding") == "true")
        assert value_of(wall, "sansheng_wall_unreadable_total", topic="alerts") == 2
        assert value_of(wall, "sansheng_wall_unreadable_total", topic="verdicts") == 4


async def test_a_view_that_cannot_be_made_ends_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    collect = Board.collect

    def fails_for_desks(board: Board, now: float) -> tuple[Change, ...]:
        if board.mode == "desk" and board.wall.alerts_of("c1"):
            raise KeyError("13800138000")
        return collect(board, now)

    monkeypatch.setattr(Board, "collect", fails_for_desks)
    async with running_wall() as wall, screen_at(wall.socket, DESK_TOKEN, mode="desk") as desk:
        await desk.next()
        wall.floor.begin()
        wall.floor.alert(change("a1"))
        async with screen_at(wall.socket) as screen:
            await screen.until(lambda s: "a1" in s.alerts and s.parts["status"]["unreadable"])
        await until(lambda: (value_of(wall, "sansheng_wall_unreadable_total", topic="views") or 0) > 2)
    assert caplog.text.count("views could not be made") < value_of(
        wall, "sansheng_wall_unreadable_total", topic="views"
    )
    assert "13800138000" not in caplog.text


async def test_the_figures_of_alerts_on_their_way_are_those_of_the_present_only() -> None:
    """What the wall reads of the past says nothing of how late it is, and no snooze of then keeps anything off now."""
    now = time.time()
    hush = Snooze(id="s1", rule="long-hold", queue="售后", until=now + 600, by="li", by_name="李主管", at=now - 60)
    async with running_wall() as wall:
        wall.source.sink.restart()
        wall.floor.verdict(hush)
        wall.floor.alert(change("past", call="c0", at=now - 3600))
        wall.source.sink.live()
        for alert in (change("a1"), change("a1", "raised", "critical"), change("a1"), change("a2", queue="投诉")):
            wall.floor.alert(alert)
        await until(lambda: wall.server.house.wall.known("a2"))
        assert value_of(wall, "sansheng_wall_snoozed_total", rule="long-hold") == 1
        assert value_of(wall, "sansheng_event_to_wall_seconds_count") == 4
        assert value_of(wall, "sansheng_wall_lag_seconds_count") == 4
        assert value_of(wall, "sansheng_wall_last_message_timestamp_seconds") >= now


async def test_the_alerts_of_a_rule_are_told_by_severity_and_finding_those_that_nobody_made_too() -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        wall.floor.alert(change("a1"))
        told = {"rule": "long-hold", "finding": "open"}
        await until(lambda: value_of(wall, "sansheng_rule_alerts", severity="warning", **told) == 1)
        assert value_of(wall, "sansheng_rule_alerts", rule="long-hold", severity="warning", finding="false") == 0
        wall.floor.alert(change("a1", "raised", "critical"))
        await until(lambda: value_of(wall, "sansheng_rule_alerts", severity="critical", **told) == 1)
        assert value_of(wall, "sansheng_rule_alerts", severity="warning", **told) is None


async def test_the_detectors_own_ticks_are_no_calls() -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        tick = msgspec.json.encode({"type": "call.offered", "call": f"{heartbeat.CALL}:3", "at": time.time()})
        wall.source.put("calls", tick, key=heartbeat.CALL.encode())
        wall.source.put("calls", tick)
        async with screen_at(wall.socket) as screen:
            assert (await screen.next())["calls"] == []


async def test_the_past_is_told_as_one_snapshot() -> None:
    async with running_wall() as wall, screen_at(wall.socket) as screen:
        await screen.until(lambda s: s.parts["status"]["feed"]["state"] == "connecting")
        wall.source.sink.restart()
        await screen.until(lambda s: s.parts["status"]["feed"]["state"] == "reading")
        for i in range(50):
            wall.floor.say("call.offered", f"c{i}")
        wall.source.sink.live()
        await screen.until(lambda s: s.parts["status"]["feed"]["state"] == "live")
        assert screen.messages[-1]["type"] == "snapshot"
        assert len(screen.calls) == 50
        assert not [m for m in screen.messages if m["type"] == "change" and m["set"].get("calls")]


# slow screens


class _Stage:
    def snapshot(self) -> Json:
        return {"whole": True}

    def stamp(self) -> Json:
        return {"now": 0}


class _SlowLine:
    """Messages wait in it until the test takes them; `send` blocks while `open` is not set."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Json] = asyncio.Queue()
        self.open = asyncio.Event()

    async def send(self, message: bytes) -> None:
        self.sent.put_nowait(msgspec.json.decode(message))
        await self.open.wait()


async def test_a_slow_screen_is_given_a_snapshot_instead_of_a_queue_without_end() -> None:
    resyncs: list[int] = []
    hub, line = Hub(_Stage(), log=10, on_resync=lambda: resyncs.append(1)), _SlowLine()
    feed = asyncio.create_task(hub.feed(line.send))
    assert (await line.sent.get())["n"] == 0
    hub.publish(Change(n, "counts", "", Counts("d", offered=n), urgent=True) for n in range(1, 500))
    line.open.set()
    late = await line.sent.get()
    assert (late["type"], late["n"], resyncs) == ("snapshot", 499, [1])
    hub.publish([Change(500, "counts", "", Counts("d", offered=500), urgent=True)])
    following = await line.sent.get()
    assert (following["type"], following["after"], following["n"]) == ("change", 499, 500)
    feed.cancel()


async def test_many_changes_of_one_thing_are_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "GATHER_S", 1000)
    monkeypatch.setattr(hubs, "BEAT_S", 1000)
    hub, line = Hub(_Stage()), _SlowLine()
    line.open.set()
    feed = asyncio.create_task(hub.feed(line.send))
    assert (await line.sent.get())["n"] == 0
    for n in range(1, 31):
        hub.publish([Change(n, "counts", "", Counts("d", offered=n))])
        await asyncio.sleep(0)
    hub.publish([Change(31, "alerts", "a1", None, urgent=True)])  # at once, and everything before it with it
    told = await asyncio.wait_for(line.sent.get(), 30)
    assert (told["after"], told["n"], told["set"]["counts"]["offered"]) == (0, 31, 30)
    assert told["gone"] == {"alerts": ["a1"]}
    feed.cancel()


# coming back


async def test_who_comes_back_goes_on_where_it_was() -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        async with screen_at(wall.socket) as before:
            await before.until(lambda s: s.messages[-1]["type"] == "snapshot")
            wall.floor.alert(change("a1"))
            await before.until(lambda s: "a1" in s.alerts)
        wall.floor.alert(change("a2"))
        async with screen_at(wall.socket, stream=before.stream, n=before.n) as after:
            after.n, after.alerts = before.n, before.alerts
            first = await after.next()
            assert (first["type"], first["after"]) == ("change", before.n)
            assert after.alerts.keys() == {"a1", "a2"}
            assert after.told == ["a2"]


@pytest.mark.parametrize("seen", [{"stream": "elsewhere", "n": 3}, {"stream": None, "n": 10_000}])
async def test_who_saw_another_numbering_gets_a_snapshot(seen: Json) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        async with screen_at(wall.socket) as before:
            await before.next()
        async with screen_at(wall.socket, **{**seen, "stream": seen["stream"] or before.stream}) as after:
            assert (await after.next())["type"] == "snapshot"


async def test_a_board_that_nobody_looks_at_is_kept_for_who_comes_back_and_then_dropped() -> None:
    now = [time.time()]
    async with running_wall(clock=lambda: now[0]) as wall:
        wall.floor.begin()
        async with screen_at(wall.socket, DESK_TOKEN, mode="desk") as desk:
            await desk.next()
        await until(lambda: value_of(wall, "sansheng_wall_clients", mode="desk") == 0)
        now[0] += house.KEPT_S - 1
        async with screen_at(wall.socket, DESK_TOKEN, mode="desk", stream=desk.stream, n=desk.n) as again:
            assert (await again.next())["type"] != "snapshot"
        await until(lambda: value_of(wall, "sansheng_wall_clients", mode="desk") == 0)
        now[0] += house.KEPT_S + 1
        await until(lambda: value_of(wall, "sansheng_wall_boards") == 1)  # the whole wall's own
        async with screen_at(wall.socket, DESK_TOKEN, mode="desk", stream=desk.stream, n=desk.n) as late:
            assert (await late.next())["type"] == "snapshot"


async def test_a_checkpoint_is_gone_on_from_and_rubbish_is_not() -> None:
    async with running_wall() as wall, running_wall() as other:
        wall.floor.begin()
        wall.floor.say("call.offered", "c1")
        wall.floor.alert(change("a1"))
        stored = packed() if callable(packed := wall.source.sink.dump()) else packed
        async with screen_at(other.socket) as screen:
            other.source.sink.restart()
            assert not other.source.sink.restore(b"rubbish")
            assert other.source.sink.restore(stored)
            other.source.sink.live()
            await screen.until(lambda s: s.parts["status"]["feed"]["state"] == "live")
            assert (screen.calls.keys(), screen.alerts.keys()) == ({"c1"}, {"a1"})


async def test_texts_for_many_are_compressed_once_and_read_by_all() -> None:
    async with running_wall() as wall, AsyncExitStack() as stack:
        wall.floor.begin()
        for i in range(50):
            wall.floor.say("call.offered", f"c{i}")
        screens = [await stack.enter_async_context(screen_at(wall.socket)) for _ in range(3)]
        plain = await stack.enter_async_context(connect(wall.socket, proxy=None, compression=None))
        ticket = await asyncio.to_thread(ticket_at, wall.base, TOKEN)
        await plain.send(msgspec.json.encode({"type": "hello", "protocol": 2, "ticket": ticket}), text=True)
        screens.append(Screen(plain))
        for screen in screens:
            assert len((await screen.next())["calls"]) == 50
        wall.floor.alert(change("a1"))
        for screen in screens:
            await screen.until(lambda s: "a1" in s.alerts)


def test_what_was_pressed_is_what_anybody_unpacks() -> None:
    pressed, text = deflate.Pressed(), b'{"type":"change"}' * 100
    for bits in (9, 15):
        unpacked = zlib.decompressobj(wbits=-bits)
        assert unpacked.decompress(pressed.of(text, bits) + b"\x00\x00\xff\xff") == text
    assert pressed.of(text, 15) is pressed.of(bytes(bytearray(text)), 15)
    newest = [b"%d" % n for n in range(deflate.KEPT)]
    kept = [pressed.of(text, 15) for text in newest]
    assert all(pressed.of(text, 15) is form for text, form in zip(newest, kept, strict=True))
    pressed.of(b"one more", 15)
    assert pressed.of(newest[0], 15) is not kept[0]  # the oldest has made place


async def test_nothing_personal_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="dashboards")
    async with running_wall() as wall:
        wall.floor.begin()
        wall.source.put("calls", b'{"type":"call.offered","caller":"13800138000","call":"c"}')
        wall.source.put("alerts", '{"agent_name":"王芳"}'.encode())
        with pytest.raises(HTTPError):
            await asyncio.to_thread(ticket_at, wall.base, "guess")
        async with screen_at(wall.socket, DESK_TOKEN, mode="desk") as screen:
            await screen.next()
            wall.people.down = True
            await screen.socket.send(
                msgspec.json.encode({"type": "ask", "ask": 1, "what": "agent", "id": "101"}), text=True
            )
            await screen.socket.recv()
    for secret in ("13800138000", "王芳", TOKEN, DESK_TOKEN, "guess", "101"):
        assert secret not in caplog.text


# pages and health


async def test_pages_carry_their_guards() -> None:
    async with running_wall() as wall:
        for path, kind in (("/", "text/html"), ("/wall.css", "text/css"), ("/wall.js", "text/javascript")):
            status, headers, body = await get(wall.base + path)
            assert (status, headers["Content-Type"].partition(";")[0]) == (200, kind)
            assert body
            assert headers["Content-Security-Policy"].startswith("default-src 'self';")
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cache-Control"] == "no-cache"


async def test_each_address_is_its_page_and_a_file_is_sent_once() -> None:
    async with running_wall() as wall:
        for path in ("/desk", "/rules", "/alerts/a1", "/calls/c%2F1?at=1", "/agents/101"):
            status, headers, body = await get(wall.base + path)
            assert (status, body) == (200, (await get(wall.base + "/desk.html"))[2])
        status, headers, body = await get(wall.base + "/vendor/lit-html.js")
        assert status == 200
        status, again, nothing = await get(wall.base + "/vendor/lit-html.js", **{"If-None-Match": headers["ETag"]})
        assert (status, nothing, again["ETag"]) == (304, b"", headers["ETag"])
        status, packed, data = await get(wall.base + "/vendor/lit-html.js", **{"Accept-Encoding": "gzip, br"})
        assert (status, packed["Content-Encoding"], gzip.decompress(data)) == (200, "gzip", body)
        assert packed["ETag"] != headers["ETag"]


async def test_a_page_has_nothing_inline_and_names_no_other_host() -> None:
    static = Path(server.__file__).parent / "static"
    page = (static / "index.html").read_text("utf-8")
    assert "style=" not in page
    assert "<style" not in page
    assert "<script>" not in page
    for file in (file for kind in ("*.html", "*.js", "*.css", "*.svg") for file in static.rglob(kind)):
        if "vendor" in file.parts:
            continue  # not ours; the policy holds for it too
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text


async def test_a_page_names_every_module_that_it_will_import() -> None:
    def file(text: str) -> web.File:
        return web.File("", "", text.encode())

    found = web.with_needs(
        {
            "/page.html": file('<script type="module" src="/a.js"></script>'),
            "/a.js": file('import { b } from "./deep/b.js";\nimport "/c.js";\nconst text = "import \'./no.js\'";\n'),
            "/deep/b.js": file('import {\n  c,\n  d,\n} from "../c.js";\nexport * from "./d.js";\n'),
            "/c.js": file('import { a } from "/a.js"; // a circle ends\n'),
            "/deep/d.js": file('const later = () => import("/c.js");\nimport { x } from "/nowhere.js";\n'),
            "/no.js": file('export const path = "/no.js";'),
            "/small.js": file('import{a}from"./a.js";import{n}from"./no.js";export{a}from"/c.js";'),
        }
    )
    assert found["/page.html"].needs == ("/a.js", "/c.js", "/deep/b.js", "/deep/d.js")
    small = web.with_needs({**found, "/s.html": file('<script type="module" src="/small.js"></script>')})
    assert set(small["/s.html"].needs) == {"/small.js", "/a.js", "/no.js", "/c.js", "/deep/b.js", "/deep/d.js"}
    async with running_wall() as wall:
        _, headers, _ = await get(wall.base + "/desk")
        assert "</vendor/lit-html.js>; rel=modulepreload" in headers["Link"]


async def test_other_paths_lead_nowhere() -> None:
    async with running_wall() as wall:
        for path in (
            "/server.py",
            "/../server.py",
            "/static/wall.js",
            "/%2e%2e/server.py",
            "/wall.js/",
            "//etc/passwd",
        ):
            assert (await get(wall.base + path))[0] == 404
        status, _, body = await get(wall.base + "/", "HEAD")
        assert (status, body) == (200, b"")


async def test_healthz_says_whether_the_wall_is_live_and_why_not() -> None:
    async with running_wall() as wall:
        assert (await get(wall.base + "/healthz"))[0] == 503
        wall.floor.begin()
        status, _, body = await get(wall.base + "/healthz")
        assert (status, msgspec.json.decode(body)["detect"]) == (200, "ok")
        wall.floor.beat("pager", ok=False, detail="no broker")  # stops nothing of what is live
        async with asyncio.timeout(30):
            while msgspec.json.decode(body)["pager"] != "trouble":
                status, _, body = await get(wall.base + "/healthz")
        assert status == 200
        wall.source.sink.gone("no answer")
        status, _, body = await get(wall.base + "/healthz")
        assert (status, msgspec.json.decode(body)["reason"]) == (503, "no answer")


async def test_a_port_in_use_is_said_at_once() -> None:
    async with running_wall() as wall:
        port = int(wall.base.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await server.run(wall_settings(port=port))


async def test_a_source_that_ends_ends_the_wall() -> None:
    class Ending:
        async def run(self, _sink: object) -> None:
            raise asyncio.CancelledError

    source = ScriptedSource()
    wall = server.WallServer(wall_settings(), Ending(), ScriptedRecords(source), ScriptedDesk(source))
    with pytest.raises(ExceptionGroup, match="unhandled errors"):
        await wall.run()


async def test_it_ends_cleanly_and_tells_its_screens() -> None:
    async with running_wall() as wall:
        connection = await connect(wall.socket, proxy=None)
        ticket = await asyncio.to_thread(ticket_at, wall.base, TOKEN)
        await connection.send(msgspec.json.encode({"type": "hello", "protocol": 2, "ticket": ticket}), text=True)
        await connection.recv()
    with pytest.raises(ConnectionClosed):
        while True:
            await connection.recv()
    assert connection.close_code == 1001


# the topics of a real broker


def kafka_settings(bootstrap: str, prefix: str) -> Settings:
    topics.apply(bootstrap, topics.specs(3, prefix))
    return Settings(
        kafka=bootstrap,
        topic_prefix=prefix,
        partitions=3,
        wall={"port": 0, "token": TOKEN, "desk_token": DESK_TOKEN},
        metrics={"wall": 0},
    )


@asynccontextmanager
async def wall_on(settings: Settings) -> AsyncIterator[str]:
    """The real thing, as `sansheng wall` runs it; gives the websocket's address."""
    entries: asyncio.Future[Entries] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(server.run(settings, ready=entries.set_result))
    try:
        base = (await asyncio.wait_for(entries, 30)).wall.partition("/#")[0]
        yield base.replace("http", "ws", 1) + "/live"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def producer_at(settings: Settings) -> AsyncIterator[Callable[[str, bytes, bytes], Any]]:
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap)
    await producer.start()
    try:
        yield lambda topic, key, value: producer.send_and_wait(settings.topic(topic), value, key)
    finally:
        await producer.stop()


def audited(settings: Settings) -> list[Json]:
    """All that the audit has."""
    consumer = KafkaConsumer(
        settings.topic("audit"),
        bootstrap_servers=settings.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=2000,
    )
    try:
        return [msgspec.json.decode(message.value) for message in consumer]
    finally:
        consumer.close()


def offered(call: str) -> bytes:
    return msgspec.json.encode({"type": "call.offered", "call": call, "at": time.time()})


async def test_a_wall_reads_what_was_then_what_comes(kafka: str, prefix: str) -> None:
    settings = await asyncio.to_thread(kafka_settings, kafka, prefix)
    async with producer_at(settings) as put:
        for i in range(20):
            await put("calls", f"c{i}".encode(), offered(f"c{i}"))
        await put("calls", b"c0", b"not an event")
        await put("alerts", b"c1", alerts.render(change("a1", call="c1")))
        async with wall_on(settings) as address, screen_at(address) as screen:
            await screen.until(lambda s: s.parts["status"]["feed"]["state"] == "live")
            assert screen.calls.keys() == {f"c{i}" for i in range(20)}
            assert list(screen.alerts) == ["a1"]
            assert screen.parts["status"]["unreadable"] == 1
            beat = heartbeat.Heartbeat(component="detect", instance="1", at=time.time())
            await put("heartbeats", b"1", heartbeat.render(beat))
            await put(
                "calls",
                b"c1",
                msgspec.json.encode({"type": "agent.ringing", "call": "c1", "at": time.time(), "agent": "101"}),
            )
            await put("alerts", b"c1", alerts.render(change("a1", call="c1", state="cleared", at=time.time())))
            await screen.until(lambda s: "over_at" in s.alerts["a1"] and s.calls["c1"]["phase"] == "ringing")
            await screen.until(lambda s: s.parts["status"]["detect"]["state"] == "ok")


async def test_two_walls_show_the_same(kafka: str, prefix: str) -> None:
    settings = await asyncio.to_thread(kafka_settings, kafka, prefix)
    async with AsyncExitStack() as stack:
        put = await stack.enter_async_context(producer_at(settings))
        screens = []
        for _ in range(2):
            address = await stack.enter_async_context(wall_on(settings))
            screens.append(await stack.enter_async_context(screen_at(address)))
        await put("calls", b"c1", offered("c1"))
        for screen in screens:
            await screen.until(lambda s: "c1" in s.calls)
        assert screens[0].calls == screens[1].calls


async def test_a_verdict_at_one_wall_is_seen_at_the_other_and_a_page_comes_from_the_log(
    kafka: str, prefix: str
) -> None:
    settings = await asyncio.to_thread(kafka_settings, kafka, prefix)
    async with AsyncExitStack() as stack:
        put = await stack.enter_async_context(producer_at(settings))
        await put("calls", b"c1", offered("c1"))
        await put("alerts", b"c1", alerts.render(change("a1", call="c1")))
        here, there = [await stack.enter_async_context(wall_on(settings)) for _ in range(2)]
        one = await stack.enter_async_context(screen_at(here, DESK_TOKEN, mode="desk"))
        other = await stack.enter_async_context(screen_at(there))
        for screen in (one, other):
            await screen.until(lambda s: "a1" in s.alerts)
        act = {"type": "act", "act": 1, "alert": "a1", "action": "claimed"}
        ask = {"type": "ask", "ask": 2, "what": "alert", "id": "a1"}
        for message in (act, ask):
            await one.socket.send(msgspec.json.encode(message), text=True)
        await other.until(lambda s: s.alerts["a1"].get("claimed", {}).get("id") == "desk")
        heard: dict[str, Json] = {}
        async with asyncio.timeout(30):
            while not {"done", "answer"} <= heard.keys():
                message = msgspec.json.decode(await one.socket.recv())
                heard[message["type"]] = message
        assert "problem" not in heard["done"]
        page = heard["answer"]["page"]
        assert (page["card"]["id"], page["call"]["id"], page["why_not"]) == ("a1", "c1", "rulebook")
        await one.socket.close()
        noted = await asyncio.to_thread(audited, settings)
        assert [(e["by"], e["what"], e["id"]) for e in noted] == [("desk", "alert", "a1")]


async def test_missing_topics_are_said_and_waited_for(kafka: str, prefix: str) -> None:
    settings = Settings(kafka=kafka, topic_prefix=prefix, wall={"port": 0, "token": TOKEN}, metrics={"wall": 0})
    async with wall_on(settings) as address, screen_at(address) as screen:
        await screen.until(lambda s: s.parts["status"]["feed"]["state"] == "gone")
        assert f"{prefix}alerts" in screen.parts["status"]["feed"]["detail"]
        await asyncio.to_thread(topics.apply, kafka, topics.specs(3, prefix))
        await screen.until(lambda s: s.parts["status"]["feed"]["state"] == "live")


async def test_a_broker_that_goes_is_missed_and_read_on_when_it_is_back(
    tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_source, "PROBE_TIMEOUT_S", 1.0)
    broker = EmbeddedKafka(tmp_path, port=0, libs=LIBS, outlive=True)
    await asyncio.to_thread(broker.start)
    try:
        settings = await asyncio.to_thread(kafka_settings, broker.bootstrap, prefix)
        async with wall_on(settings) as address, screen_at(address) as screen:
            async with producer_at(settings) as put:
                await put("calls", b"before", offered("before"))
                await screen.until(lambda s: "before" in s.calls)
            await asyncio.to_thread(broker.stop)
            await screen.until(lambda s: s.parts["status"]["feed"]["state"] == "gone")
            assert "before" in screen.calls
            await asyncio.to_thread(broker.start)
            async with producer_at(settings) as put:
                await put("calls", b"after", offered("after"))
            await screen.until(lambda s: s.parts["status"]["feed"]["state"] == "live" and "after" in s.calls)
            assert screen.calls.keys() == {"before", "after"}
            assert screen.parts["counts"]["offered"] == 2
    finally:
        await asyncio.to_thread(broker.stop)
