"""Who may see and do what on the wall, over its real sockets: tokens, tickets, roles, teams, limits and the audit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from dashboards.wall import entrance, reading, sessions
from dashboards.wall.access import Door, Scope, User, scope_of
from dashboards.wall.acts import shown
from dashboards.wall.protocol import BURST, MOST_BYTES, PER_S, Pace
from dashboards.wall.tickets import GOOD_FOR_S, MOST_TICKETS, MOST_WRONG, WRONG_WITHIN_S, Guesses, Tickets
from streams.settings import Team, WallSettings
from streams.shell.entries import entries, with_tokens, without_given
from streams.verdicts import Judgement, Snooze
from tests.test_wall_server import Json, get, until, value_of
from tests.wall_client import ticket_at
from tests.wall_script import DESK_TOKEN, TOKEN, Running, change, running_wall

TEAMS = {"售后": {"agents": ["101", "102"], "queues": ["售后"]}, "投诉": {"agents": ["201"], "queues": ["投诉"]}}
USERS = [
    {"login": "zhao", "name": "赵敏", "role": "supervisor", "teams": ["售后"], "token": "of-zhao"},
    {"login": "qian", "name": "钱进", "role": "manager", "token": "of-qian"},
    {"login": "101", "name": "王芳", "role": "agent", "agent": "101", "token": "of-101"},
    {"login": "sun", "name": "孙总", "role": "supervisor"},
]
STAFF: Json = {"teams": TEAMS, "users": USERS}


class Browser:
    """A desk that keeps what it hears, by type."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[Json] = []
        self._number = 0

    async def say(self, **message: Any) -> None:
        await self.socket.send(msgspec.json.encode(message), text=True)

    async def next(self, type_: str, true: Callable[[Json], object] = lambda _: True) -> Json:
        """The next message of that type for which it is true."""
        async with asyncio.timeout(30):
            while True:
                message: Json = msgspec.json.decode(await self.socket.recv())
                self.heard.append(message)
                if message["type"] == type_ and true(message):
                    return message

    async def ask(self, what: str, id_: str, at: float | None = None) -> Json:
        self._number += 1
        await self.say(type="ask", ask=self._number, what=what, id=id_, at=at)
        return await self.next("answer", lambda m: m["ask"] == self._number)

    async def act(self, action: str, alert: str = "a1", **more: Any) -> str:
        """The problem, or "done"."""
        return await self._do(type="act", alert=alert, action=action, **more)

    async def snooze(self, queue: str, minutes: int = 30, rule: str = "long-hold") -> str:
        return await self._do(type="snooze", rule=rule, queue=queue, minutes=minutes)

    async def _do(self, **message: Any) -> str:
        self._number += 1
        await self.say(act=self._number, **message)
        problem: str = (await self.next("done", lambda m: m["act"] == self._number)).get("problem", "done")
        return problem

    async def is_closed_with(self) -> int | None:
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(30):
                while True:
                    await self.socket.recv()
        return self.socket.close_code


@asynccontextmanager
async def browser_at(wall: Running, token: str = DESK_TOKEN, **hello: Any) -> AsyncIterator[Browser]:
    """A desk that has said hello."""
    ticket = await asyncio.to_thread(ticket_at, wall.base, token)
    async with connect(wall.socket, proxy=None, max_size=None) as socket:
        browser = Browser(socket)
        await browser.say(**{"type": "hello", "protocol": 2, "ticket": ticket, "mode": "desk", **hello})
        yield browser


@asynccontextmanager
async def staffed(**more: Any) -> AsyncIterator[Running]:
    """A wall with users and teams, a call and an alert of each team, and one call that waits in a queue."""
    async with running_wall(**{**STAFF, **more}) as wall:
        wall.floor.begin()
        for call, agent, queue in (("c1", "101", "售后"), ("c2", "201", "投诉")):
            wall.floor.say("call.offered", call, caller="138****0001", queue=queue)
            wall.floor.say("agent.ringing", call, agent=agent)
            wall.floor.say("call.answered", call, agent=agent)
        wall.floor.say("call.offered", "c3", queue="投诉")
        wall.floor.alert(change("a1", call="c1"))
        wall.floor.alert(change("a2", call="c2", agent="201", agent_name="李雷", queue="投诉"))
        yield wall


def said(text: str, at: float, *, final: bool = True) -> Json:
    return {"role": "customer", "text": text, "start": at, "end": at + 1, "final": final}


# tokens


def test_each_token_opens_for_its_own_and_nothing_else_opens() -> None:
    door = Door(WallSettings.model_validate({"token": TOKEN, "desk_token": DESK_TOKEN, **STAFF}))
    opened = {token: door.by_token(token) for token in (TOKEN, DESK_TOKEN, "of-zhao", "of-qian", "of-101")}
    logins = {token: user.login for token, user in opened.items() if user}
    assert logins == {TOKEN: "wall", DESK_TOKEN: "desk", "of-zhao": "zhao", "of-qian": "qian", "of-101": "101"}
    for wrong in ("", "of-zha", "of-zhao ", "OF-ZHAO", "错", "\ud800"):
        assert door.by_token(wrong) is None


def test_a_token_is_made_only_where_nobody_could_come_in_otherwise() -> None:
    made = with_tokens(WallSettings())
    assert len(made.token.get_secret_value()) >= 20
    assert len(made.desk_token.get_secret_value()) >= 20
    assert made.token != with_tokens(WallSettings()).token
    for settings in ({"users": USERS, "teams": TEAMS}, {"user_header": "X-User"}):
        given = with_tokens(WallSettings.model_validate(settings))
        assert not given.desk_token.get_secret_value()
        assert given.token.get_secret_value()


def test_only_tokens_that_were_made_are_printed() -> None:
    for given in ({}, {"token": TOKEN}, {"desk_token": DESK_TOKEN}, STAFF):
        settings = WallSettings.model_validate(given)
        made = with_tokens(settings)
        printed = without_given(entries(made, 8300), settings)
        assert printed.wall.startswith("http://127.0.0.1:8300/")
        assert printed.desk.startswith("http://127.0.0.1:8300/desk")
        assert ("#token=" in printed.wall) == ("token" not in given)
        assert ("#token=" in printed.desk) == ("desk_token" not in given and "users" not in given)
        assert TOKEN not in printed.wall
        assert DESK_TOKEN not in printed.desk
    assert entries(WallSettings(host="::"), 1).wall == "http://[::1]:1/"


# tickets


def test_a_ticket_is_good_once_and_for_thirty_seconds() -> None:
    tickets, user = Tickets(), User("zhao", "赵敏", "supervisor")
    ticket = tickets.give(user, 0.0)
    assert ticket
    assert tickets.take("another", 0.0) is None
    assert tickets.take(ticket, GOOD_FOR_S - 0.1) == user
    assert tickets.take(ticket, GOOD_FOR_S - 0.1) is None
    late = tickets.give(user, 0.0)
    assert late
    assert tickets.take(late, GOOD_FOR_S) is None


def test_tickets_that_nobody_uses_do_not_pile_up() -> None:
    tickets, user = Tickets(), User("zhao", "赵敏", "supervisor")
    assert all(tickets.give(user, 0.0) for _ in range(MOST_TICKETS))
    assert tickets.give(user, GOOD_FOR_S - 0.1) is None
    assert tickets.give(user, GOOD_FOR_S + 0.1)


def test_an_address_that_guesses_waits_for_the_rest_of_the_minute() -> None:
    guesses = Guesses()
    for n in range(MOST_WRONG):
        assert not guesses.are_too_many("one", n)
        guesses.add("one", n)
    assert guesses.are_too_many("one", WRONG_WITHIN_S - 0.1)
    assert not guesses.are_too_many("other", WRONG_WITHIN_S - 0.1)
    assert not guesses.are_too_many("one", WRONG_WITHIN_S)


async def test_a_ticket_opens_one_websocket_only() -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        ticket = await asyncio.to_thread(ticket_at, wall.base, DESK_TOKEN)
        async with browser_at(wall, ticket=ticket) as first, browser_at(wall, ticket=ticket) as second:
            assert (await first.next("welcome"))["you"]["login"] == "desk"
            assert await second.is_closed_with() == sessions.NOT_ALLOWED
        assert value_of(wall, "sansheng_wall_refused_total", reason="ticket") == 1


@pytest.mark.parametrize(
    "hello",
    [b"{", b"[]", b'{"type":"hello"}', b'{"type":"hello","protocol":1,"token":"only-for-tests"}', b"\xff\xfe", "{错"],
)
async def test_who_does_not_greet_properly_is_turned_away(hello: bytes | str) -> None:
    async with running_wall() as wall, connect(wall.socket, proxy=None) as socket:
        await socket.send(hello)
        assert await Browser(socket).is_closed_with() == sessions.NOT_ALLOWED


async def test_who_does_not_greet_at_all_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "HELLO_S", 0.05)
    async with running_wall() as wall, connect(wall.socket, proxy=None) as socket:
        assert await Browser(socket).is_closed_with() == sessions.NOT_ALLOWED


async def test_a_browser_shows_who_it_is_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LASTS_S", 0.2)
    async with running_wall() as wall, browser_at(wall) as browser:
        assert await browser.is_closed_with() == sessions.AGAIN


async def test_tickets_are_given_for_a_right_token_and_only_to_our_own_page() -> None:
    async with running_wall() as wall:
        url, right = wall.base + "/ticket", {"Authorization": f"Bearer {DESK_TOKEN}", "X-Sansheng": "1"}
        status, headers, body = await get(url, **right)
        assert (status, headers["Cache-Control"]) == (200, "no-store")
        assert msgspec.json.decode(body)["you"] == {"login": "desk", "name": "值班主管", "role": "supervisor"}
        for wrong, refusal, problem in (
            ({**right, "X-Sansheng": ""}, 403, "header"),
            ({"X-Sansheng": "1"}, 401, "token"),
            ({**right, "Authorization": "Bearer guess"}, 401, "token"),
            ({**right, "Authorization": f"Basic {DESK_TOKEN}"}, 401, "token"),
        ):
            status, _, body = await get(url, **wrong)
            assert (status, msgspec.json.decode(body)) == (refusal, {"problem": problem})
        assert value_of(wall, "sansheng_wall_refused_total", reason="token") == 3


async def test_guessing_ends_with_too_many_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "REFUSE_AFTER_S", 0)
    async with running_wall() as wall:
        url, guess = wall.base + "/ticket", {"Authorization": "Bearer guess", "X-Sansheng": "1"}
        assert [(await get(url, **guess))[0] for _ in range(MOST_WRONG)] == [401] * MOST_WRONG
        assert (await get(url, **guess))[0] == 429
        assert (await get(url, **{**guess, "Authorization": f"Bearer {TOKEN}"}))[0] == 429


async def test_only_its_own_page_may_open_the_websocket() -> None:
    async with running_wall() as wall:
        async with connect(wall.socket, proxy=None, origin=Origin(wall.base)):
            pass
        for origin in ("https://evil.example", "http://127.0.0.1:1", "null"):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(wall.socket, proxy=None, origin=Origin(origin)):
                    pass
            assert refused.value.response.status_code == 403
        assert value_of(wall, "sansheng_wall_refused_total", reason="origin") == 3


# a proxy that names the user


async def test_a_proxy_that_is_trusted_names_the_user() -> None:
    async with running_wall(**STAFF, user_header="X-Forwarded-User") as wall:
        url = wall.base + "/ticket"
        status, _, body = await get(url, **{"X-Sansheng": "1", "X-Forwarded-User": "sun"})
        assert (status, msgspec.json.decode(body)["you"]["name"]) == (200, "孙总")
        status, _, body = await get(url, **{"X-Sansheng": "1", "X-Forwarded-User": "nobody"})
        assert (status, msgspec.json.decode(body)["problem"]) == (401, "user")
        assert (await get(url, **{"X-Sansheng": "1"}))[0] == 401
        assert (await get(url, **{"X-Forwarded-User": "sun"}))[0] == 403


@pytest.mark.parametrize("wall", [{"user_header": ""}, {"user_header": "X-Forwarded-User", "proxies": ["10.0.0.7"]}])
async def test_anybody_elses_word_for_a_user_counts_for_nothing(wall: Json) -> None:
    async with running_wall(**STAFF, **wall) as running:
        headers = {"X-Sansheng": "1", "X-Forwarded-User": "sun", "X-Forwarded-For": "127.0.0.1"}
        assert (await get(running.base + "/ticket", **headers))[0] == 401


async def test_two_names_from_a_proxy_are_none() -> None:
    async with running_wall(**STAFF, user_header="X-Forwarded-User") as wall:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(wall.base.rpartition(":")[2]))
        names = b"X-Forwarded-User: 101\r\nX-Forwarded-User: sun\r\n"
        writer.write(b"GET /ticket HTTP/1.1\r\nHost: wall\r\nX-Sansheng: 1\r\n" + names + b"\r\n")
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()


# what a browser may send


async def test_a_browser_that_says_too_much_is_turned_away() -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        async with browser_at(wall) as browser:
            for _ in range(BURST * 3):
                await browser.say(type="follow", call="")
            assert await browser.is_closed_with() == sessions.UNEXPECTED
        assert value_of(wall, "sansheng_wall_refused_total", reason="rate") == 1


def test_the_pace_of_a_browser() -> None:
    pace = Pace(0.0)
    assert [pace.allows(0.0) for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert not pace.allows(0.9 / PER_S)
    assert pace.allows(1 / PER_S)
    assert [pace.allows(1000.0) for _ in range(BURST + 1)] == [True] * BURST + [False]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"more", sessions.UNEXPECTED),
        (b'{"type":"act","act":1,"alert":"a1","action":"deleted"}', sessions.UNEXPECTED),
        (b'{"type":"ask","ask":1,"what":"alert","id":""}', sessions.UNEXPECTED),
        (b'{"type":"hello","protocol":2,"ticket":""}', sessions.UNEXPECTED),
        (b" " * (MOST_BYTES + 1), 1009),
    ],
)
async def test_what_is_no_message_ends_the_connection(message: bytes, code: int) -> None:
    async with running_wall() as wall:
        wall.floor.begin()
        async with browser_at(wall) as browser:
            await browser.next("snapshot")
            await browser.socket.send(message, text=True)
            assert await browser.is_closed_with() == code


async def test_more_questions_than_it_can_wait_for_are_answered_busy() -> None:
    async with staffed() as wall, browser_at(wall) as browser:
        wall.records.gate.clear()
        for n in range(sessions.MOST_AT_ONCE + 1):
            await browser.say(type="ask", ask=n, what="call", id="c1")
        assert (await browser.next("answer"))["problem"] == "busy"
        wall.records.gate.set()
        answered = [await browser.next("answer") for _ in range(sessions.MOST_AT_ONCE)]
        assert {a["ask"] for a in answered} == set(range(sessions.MOST_AT_ONCE))
        assert all("page" in a for a in answered)


# roles


async def test_a_television_looks_and_does_nothing() -> None:
    async with staffed() as wall:
        async with browser_at(wall, TOKEN) as browser:
            assert await browser.is_closed_with() == sessions.NOT_ALLOWED
        assert value_of(wall, "sansheng_wall_refused_total", reason="role") == 1
        async with browser_at(wall, TOKEN, mode="wall") as browser:
            assert (await browser.next("welcome"))["can"] == []
            assert await browser.act("claimed") == "not_allowed"
            assert await browser.snooze("售后") == "not_allowed"
            for what, id_ in (("alert", "a1"), ("call", "c1"), ("agent", "101")):
                assert (await browser.ask(what, id_))["problem"] == "not_allowed"
            await browser.say(type="follow", call="c1")
            assert (await browser.next("lines"))["problem"] == "not_allowed"
        assert wall.people.verdicts == wall.people.audits == []


@pytest.mark.parametrize(
    ("token", "can", "cannot"),
    [
        ("of-zhao", ["claimed", "released", "commented", "false_alarm", "reopened"], ["appealed"]),
        ("of-qian", ["claimed", "resolved", "reopened"], ["appealed"]),
        ("of-101", ["appealed"], ["claimed", "resolved", "commented", "dismissed", "false_alarm"]),
    ],
)
async def test_each_role_may_do_its_own_things(token: str, can: list[str], cannot: list[str]) -> None:
    async with staffed() as wall, browser_at(wall, token) as browser:
        assert set(can) <= set((await browser.next("welcome"))["can"])
        for action in can:
            assert await browser.act(action, reason="other", text="因为") == "done"
        for action in cannot:
            assert await browser.act(action, reason="other", text="因为") == "not_allowed"
        done = [v.action for v in wall.people.verdicts if isinstance(v, Judgement)]
        assert done == can


async def test_an_appeal_is_answered_by_a_supervisor() -> None:
    async with staffed() as wall, browser_at(wall, "of-101") as agent, browser_at(wall, "of-zhao") as supervisor:
        assert await supervisor.act("upheld") == "too_late"
        assert await agent.act("appealed", text="客户自己要求等") == "done"
        await supervisor.next("change", lambda m: m["set"]["alerts"][0].get("appeal") == "open")
        assert await supervisor.act("upheld") == "done"
        upheld = await agent.next("change", lambda m: m["set"]["alerts"][0].get("appeal") == "upheld")
        assert upheld["set"]["alerts"][0]["finding"] == "false"


# teams


async def test_a_team_is_all_that_its_supervisor_sees() -> None:
    async with staffed() as wall:
        async with browser_at(wall, "of-zhao") as browser:
            welcome = await browser.next("welcome")
            assert (welcome["teams"], welcome["team"], welcome["queues"]) == (["售后"], "", ["售后"])
            first = await browser.next("snapshot")
            assert ([c["id"] for c in first["calls"]], [a["id"] for a in first["alerts"]]) == (["c1"], ["a1"])
            assert first["counts"]["offered"] == 1
            wall.floor.alert(change("a3", call="c2", agent="201", queue="投诉"))
            wall.floor.alert(change("a4", call="c1"))
            told = await browser.next("change", lambda m: m["set"].get("alerts"))
            assert [a["id"] for a in told["set"]["alerts"]] == ["a4"]
            assert await browser.act("claimed", "a2") == "not_allowed"
            for what, id_ in (("alert", "a2"), ("call", "c2"), ("call", "c3"), ("agent", "201")):
                assert (await browser.ask(what, id_))["problem"] == "not_allowed"
            for what, id_ in (("alert", "a1"), ("call", "c1"), ("agent", "101")):
                assert "page" in await browser.ask(what, id_)
        async with browser_at(wall, "of-zhao", team="投诉") as browser:
            assert (await browser.next("welcome"))["team"] == ""
            assert [c["id"] for c in (await browser.next("snapshot"))["calls"]] == ["c1"]


async def test_who_sees_every_team_may_look_at_one() -> None:
    async with staffed() as wall, browser_at(wall, "of-qian", team="投诉") as browser:
        welcome = await browser.next("welcome")
        assert (welcome["teams"], welcome["team"]) == (["售后", "投诉"], "投诉")
        assert {c["id"] for c in (await browser.next("snapshot"))["calls"]} == {"c2", "c3"}
        assert "page" in await browser.ask("call", "c1")  # looking at one is a choice, not a limit


def test_a_team_without_anybody_sees_nothing_rather_than_everything() -> None:
    nobody = scope_of(User("li", "李", "supervisor", ("空",)), {"空": Team()})
    assert not nobody.is_all
    assert not nobody.covers(("101",), "售后")
    assert not nobody.covers((), "售后")
    assert scope_of(User("li", "李", "supervisor", ("没有",)), {}).is_all is False
    assert scope_of(User("li", "李", "supervisor"), {"空": Team()}) == Scope()


async def test_an_agent_sees_the_own_calls_only() -> None:
    async with staffed() as wall:
        wall.floor.alert(change("a5", call="c1", agent="102"))
        async with browser_at(wall, "of-101") as browser:
            first = await browser.next("snapshot")
            assert ([c["id"] for c in first["calls"]], [a["id"] for a in first["alerts"]]) == (["c1"], ["a1"])
            for what, id_ in (("alert", "a2"), ("alert", "a5"), ("call", "c2"), ("agent", "102")):
                assert (await browser.ask(what, id_))["problem"] == "not_allowed"
            page = (await browser.ask("call", "c1"))["page"]
            assert [a["id"] for a in page["alerts"]] == ["a1"]
            assert "page" in await browser.ask("agent", "101")
            assert await browser.act("appealed", "a5", text="不是我") == "not_allowed"


async def test_an_agent_whose_phone_was_not_answered_does_not_read_the_others_talk() -> None:
    async with running_wall(**STAFF) as wall:
        wall.floor.begin()
        now = time.time()
        wall.floor.say("call.offered", "c1", now - 60, queue="售后")
        wall.floor.say("agent.ringing", "c1", now - 58, agent="101")
        wall.floor.say("agent.missed", "c1", now - 30, agent="101", outcome="timeout")
        wall.floor.say("agent.ringing", "c1", now - 29, agent="102")
        wall.floor.say("call.answered", "c1", now - 25, agent="102")
        wall.floor.say("transcript", "c1", now - 20, **said("我要退货", now - 21))
        wall.floor.alert(change("a1", call="c1", agent="101"))
        async with browser_at(wall, "of-101") as agent, browser_at(wall, "of-zhao") as supervisor:
            theirs, whole = (await agent.ask("alert", "a1"))["page"], (await supervisor.ask("alert", "a1"))["page"]
            assert "lines" not in theirs["call"]
            assert theirs["call"]["spans"] == whole["call"]["spans"]
            assert [line["text"] for line in whole["call"]["lines"]] == ["我要退货"]


# the audit


async def test_nobody_sees_a_page_before_the_audit_has_it() -> None:
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        for what, id_ in (("alert", "a1"), ("call", "c1"), ("agent", "101")):
            wall.people.down = True
            assert (await browser.ask(what, id_))["problem"] == "unavailable"
            wall.people.down = False
            assert "page" in await browser.ask(what, id_)
        await browser.say(type="follow", call="c1")
        await browser.next("lines")
        assert {(e.by, e.role) for e in wall.people.audits} == {("zhao", "supervisor")}
        opened = [(e.what, e.id) for e in wall.people.audits]
        assert opened == [("alert", "a1"), ("call", "c1"), ("agent", "101"), ("lines", "c1")]
        assert all(abs(e.at - time.time()) < 60 for e in wall.people.audits)
        assert value_of(wall, "sansheng_wall_pages_total", what="alert", outcome="shown") == 1
        assert value_of(wall, "sansheng_wall_pages_total", what="alert", outcome="unavailable") == 1


async def test_what_is_not_known_or_cannot_be_read_is_said() -> None:
    async with staffed() as wall, browser_at(wall, "of-qian") as browser:
        for what in ("alert", "call", "agent"):
            assert (await browser.ask(what, "nothing"))["problem"] == "unknown"
        wall.records.down = True
        for what, id_ in (("alert", "a1"), ("call", "c1")):
            assert (await browser.ask(what, id_))["problem"] == "unavailable"
        assert wall.people.audits == []


# verdicts


async def test_what_one_does_every_screen_shows() -> None:
    async with staffed() as wall, browser_at(wall, "of-zhao") as one, browser_at(wall, "of-qian") as other:
        await other.next("snapshot")
        assert await one.act("claimed") == "done"
        for browser in (one, other):
            told = next((m for m in browser.heard if m["type"] == "change"), None) or await browser.next("change")
            assert told["set"]["alerts"][0]["claimed"] == {"id": "zhao", "name": "赵敏"}
        assert await other.act("claimed") == "too_late"
        assert await other.act("false_alarm", reason="misheard", text="\u202e我的电话是13800138000\x00") == "done"
        (_, verdict) = wall.people.verdicts
        assert isinstance(verdict, Judgement)
        assert (verdict.by, verdict.reason, verdict.call, verdict.agent) == ("qian", "misheard", "c1", "101")
        assert verdict.text == "我的电话是***********"
        assert await one.act("resolved") == "too_late"
        assert await one.act("reopened") == "done"
        assert value_of(wall, "sansheng_wall_acts_total", action="claimed", outcome="too_late") == 1
        await until(lambda: value_of(wall, "sansheng_rule_alerts", rule="long-hold", finding="open") == 2)


async def test_of_two_who_decide_before_the_log_answers_the_second_is_told() -> None:
    async with staffed() as wall, browser_at(wall, "of-zhao") as one, browser_at(wall, "of-qian") as other:
        wall.people.loops = False
        assert await one.act("resolved") == "done"
        assert await other.act("false_alarm", reason="rule") == "too_late"
        assert len(wall.people.verdicts) == 1


async def test_a_verdict_that_was_not_written_is_said_and_does_not_count() -> None:
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        wall.people.down = True
        assert await browser.act("resolved") == "unavailable"
        wall.people.down = False
        assert await browser.act("resolved") == "done"


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"action": "claimed", "alert": "a9"}, "unknown"),
        ({"action": "commented", "text": " \u200b "}, "bad"),
        ({"action": "false_alarm"}, "bad"),
        ({"action": "commented", "text": "长" * 501}, "too_long"),
        ({"action": "commented", "text": "长" * 500}, "done"),
        ({"action": "released"}, "too_late"),
        ({"action": "dismissed"}, "too_late"),
    ],
)
async def test_what_makes_no_sense_is_not_written(message: Json, problem: str) -> None:
    async with staffed() as wall, browser_at(wall, "of-qian") as browser:
        assert await browser.act(**message) == problem
        assert len(wall.people.verdicts) == (problem == "done")


def test_what_others_read_hides_what_is_personal_and_cannot_turn_text_around() -> None:
    assert shown("  客户的手机号是13800138000，已回电 ") == "客户的手机号是***********，已回电"
    assert shown("a\u202eb\u2066c\x07d\ne") == "abcd\ne"
    assert shown(" \u200b ") == ""


async def test_a_snooze_is_of_the_own_queues_and_ends() -> None:
    async with staffed() as wall, browser_at(wall, "of-zhao") as one, browser_at(wall, "of-qian") as other:
        assert await one.snooze("投诉") == "not_allowed"
        assert await one.snooze("") == "not_allowed"  # every queue is also the other team's
        assert await one.snooze("售后", minutes=481) == "bad"
        assert await one.snooze("售后", rule="nothing") == "unknown"
        assert await one.snooze("售后") == "done"
        told = await other.next("change", lambda m: m["set"].get("snoozes"))
        [hush] = told["set"]["snoozes"]
        assert (hush["rule"], hush["queue"], hush["by_name"], hush["held_back"]) == ("long-hold", "售后", "赵敏", 1)
        assert {a["id"]: a.get("snoozed") for a in told["set"]["alerts"]} == {"a1": True}
        assert await other.snooze("") == "done"
        assert await one.snooze("售后", minutes=0) == "done"
        first, _, last = wall.people.verdicts
        assert isinstance(first, Snooze)
        assert isinstance(last, Snooze)
        assert (first.until - first.at, last.until - last.at) == (1800, 0)


# following a call


async def test_no_line_is_lost_or_doubled_where_the_record_meets_the_present() -> None:
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        now = time.time()
        wall.floor.say("transcript", "c1", now, **said("一", now - 9))
        wall.records.gate.clear()
        await browser.say(type="follow", call="c1")
        await until(lambda: wall.records.asked)
        wall.floor.say("transcript", "c1", now, **said("二", now - 7))  # in the record, and heard live
        wall.records.gate.set()
        wall.floor.say("transcript", "c1", now, **said("三", now - 5))
        first = await browser.next("lines")
        assert first["call"] == "c1"
        assert first["spans"][-1]["phase"] == "talking"
        wall.floor.say("transcript", "c1", now, **said("四", now - 3))
        wall.floor.say("transcript", "c2", now, **said("别人的", now - 3))
        await browser.next("lines", lambda m: "四" in str(m["lines"]))
        texts = [line["text"] for m in browser.heard if m["type"] == "lines" for line in m["lines"]]
        assert texts == ["一", "二", "三", "四"]


async def test_partials_come_four_times_a_second_at_most_and_end_in_the_final_line() -> None:
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        now = time.time()
        await browser.say(type="follow", call="c1")
        await browser.next("lines")
        begun = time.monotonic()
        for n in range(1, 31):
            wall.floor.say("transcript", "c1", now, **said("好" * n, now - 1, final=n == 30))
            await asyncio.sleep(0.02)
        last = await browser.next("lines", lambda m: m["lines"][-1]["text"] == "好" * 30)
        assert last["lines"][-1].get("final", True)
        told = [m for m in browser.heard if m["type"] == "lines"]
        assert len(told) <= 2 + (time.monotonic() - begun) / reading.LINES_EVERY_S
        assert any(line.get("final") is False for m in told for line in m["lines"])


async def test_only_calls_in_the_own_scope_are_followed_and_one_at_a_time() -> None:
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        now = time.time()
        for call, problem in (("c2", "not_allowed"), ("nothing", "unknown")):
            await browser.say(type="follow", call=call)
            assert (await browser.next("lines"))["problem"] == problem
        await browser.say(type="follow", call="c1")
        await browser.next("lines", lambda m: m["call"] == "c1")
        await browser.say(type="follow", call="")
        assert "page" in await browser.ask("agent", "101")  # the server has heard that
        wall.floor.say("transcript", "c1", now, **said("没人听", now - 1))
        wall.floor.alert(change("a6", call="c1"))
        await browser.next("change")
        assert "没人听" not in str(browser.heard)


async def test_who_follows_a_ringing_call_hears_nothing_once_another_has_answered() -> None:
    async with staffed() as wall, browser_at(wall, "of-101") as agent:
        now = time.time()
        wall.floor.say("call.offered", "c9", now - 9, queue="售后")
        for phone in ("101", "102"):
            wall.floor.say("agent.ringing", "c9", now - 8, agent=phone)
        await agent.say(type="follow", call="c9")
        await agent.next("lines", lambda m: "problem" not in m)
        wall.floor.say("call.answered", "c9", now - 3, agent="102")
        wall.floor.say("transcript", "c9", now, **said("别人的话", now - 2))
        assert (await agent.next("lines", lambda m: "problem" in m))["problem"] == "not_allowed"
        wall.floor.say("transcript", "c9", now, **said("还是别人的话", now - 1))
        assert "page" in await agent.ask("agent", "101")
        assert "别人的话" not in str(agent.heard)


async def test_comments_among_supervisors_are_not_for_whom_they_are_about() -> None:
    async with staffed() as wall, browser_at(wall, "of-101") as agent, browser_at(wall, "of-zhao") as supervisor:
        assert await supervisor.act("commented", text="下周谈话") == "done"
        assert await supervisor.act("resolved", text="属实") == "done"
        theirs, whole = (await agent.ask("alert", "a1"))["page"], (await supervisor.ask("alert", "a1"))["page"]
        assert [each["action"] for each in whole["history"]] == ["commented", "resolved"]
        assert [each["action"] for each in theirs["history"]] == ["resolved"]


async def test_a_record_that_cannot_be_read_is_said_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "AGAIN_S", 0.05)
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        wall.records.down = True
        await browser.say(type="follow", call="c1")
        assert (await browser.next("lines"))["problem"] == "unavailable"
        wall.records.down = False
        assert (await browser.next("lines", lambda m: "problem" not in m))["spans"]
