"""Who may see and do what on the wall, over its real sockets: tokens, tickets, roles, teams, limits and the audit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from dashboards.wall import acts, crowd, entrance, reading, sessions
from dashboards.wall.access import Door, Scope, User, scope_of
from dashboards.wall.acts import shown
from dashboards.wall.protocol import BURST, MOST_BYTES, PER_S, Pace
from dashboards.wall.tickets import GOOD_FOR_S, MOST_TICKETS, MOST_WRONG, WRONG_WITHIN_S, Guesses, Tickets
from streams import alerts
from streams.settings import Team, WallSettings
from streams.shell.entries import entries, with_tokens, without_given
from streams.verdicts import Action, Judgement, Snooze, Verdict
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
    async with greeted(wall, connect(wall.socket, proxy=None, max_size=None), token, **hello) as browser:
        yield browser


@asynccontextmanager
async def greeted(wall: Running, connecting: connect, token: str = DESK_TOKEN, **hello: Any) -> AsyncIterator[Browser]:
    """A desk that has said hello over that connection."""
    ticket = await asyncio.to_thread(ticket_at, wall.base, token)
    async with connecting as socket:
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


# alerts across calls


async def test_an_alert_across_calls_is_told_whole_and_judged_where_it_was_opened() -> None:
    """It goes on long after the call that opened it; the call that it heard of last is in another partition."""
    async with running_wall(**STAFF) as wall:
        wall.floor.begin()
        began = time.time() - 3000
        for type_, at, more in (
            ("offered", 0, {"queue": "售后"}),
            ("answered", 5, {"agent": "101"}),
            ("ended", 60, {"by": "customer"}),
        ):
            wall.floor.say(f"call.{type_}", "c1", began + at, **more)
        for state, at, calls in (
            ("opened", 50, ("c0", "c1")),
            ("raised", 900, ("c1", "c8")),
            ("cleared", 2500, ("c9",)),
        ):
            told = change("a1", state, call="c1", calls=calls, agent=None, agent_name=None, at=began + at)
            wall.source.put("alerts", alerts.render(told), key=b"c1", logged_at=began + at)
        async with browser_at(wall, DESK_TOKEN) as browser:
            page = (await browser.ask("alert", "a1"))["page"]
            assert [step["state"] for step in page["steps"]] == ["opened", "raised", "cleared"]
            assert (page["card"]["call"], page["call"]["id"], page["others"]) == ("c1", "c1", ["c0", "c8", "c9"])
            assert await browser.act("claimed") == "done"
        assert [verdict.call for verdict in wall.people.verdicts if isinstance(verdict, Judgement)] == ["c1"]


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
    tickets = Tickets()
    users = [User(f"{n}", "", "supervisor") for n in range(MOST_TICKETS)]
    assert all(tickets.give(user, 0.0) for user in users)
    assert tickets.give(User("late", "", "supervisor"), GOOD_FOR_S - 0.1) is None
    assert tickets.give(User("late", "", "supervisor"), GOOD_FOR_S + 0.1)


@pytest.mark.parametrize(
    ("user", "most"),
    [
        (User("zhao", "", "supervisor"), crowd.MOST_OF_ONE),
        (User("desk", "", "supervisor"), crowd.MOST_OF_SHARED),
        (User("lobby", "", "wall"), crowd.MOST_OF_SHARED),
    ],
)
def test_one_name_has_so_many_tickets_and_loses_the_oldest(user: User, most: int) -> None:
    tickets, other = Tickets(), User("qian", "", "manager")
    of_other = tickets.give(other, 0.0)
    given = [tickets.give(user, 0.0) for _ in range(most + 1)]
    assert [ticket for ticket in given if tickets.take(ticket or "", 1.0) is None] == given[:1]
    assert tickets.take(of_other or "", 1.0) == other


def test_an_address_that_guesses_waits_for_the_rest_of_the_minute() -> None:
    guesses = Guesses()
    for n in range(MOST_WRONG):
        assert not guesses.are_too_many("one", n)
        guesses.add("one", f"guess {n}", n)
    assert guesses.are_too_many("one", WRONG_WITHIN_S - 0.1)
    assert not guesses.are_too_many("other", WRONG_WITHIN_S - 0.1)
    assert not guesses.are_too_many("one", WRONG_WITHIN_S)


def test_who_shows_the_same_wrong_token_again_and_again_guesses_nothing() -> None:
    guesses = Guesses()
    for at in range(1000):
        guesses.add("one", "of last year", at)
        assert not guesses.are_too_many("one", at)
    for n in range(MOST_WRONG - 1):
        guesses.add("one", f"guess {n}", 1000)
    assert guesses.are_too_many("one", 1000)


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
        assert [await knock(wall, "old") for _ in range(MOST_WRONG + 1)] == [401] * (MOST_WRONG + 1)
        assert [await knock(wall, f"guess {n}") for n in range(MOST_WRONG - 1)] == [401] * (MOST_WRONG - 1)
        assert await knock(wall, "guess") == 429
        assert await knock(wall, TOKEN) == 429


@pytest.mark.parametrize("user_header", ["", "X-Forwarded-User"])
async def test_who_guesses_behind_a_proxy_locks_out_nobody_else(
    monkeypatch: pytest.MonkeyPatch, user_header: str
) -> None:
    """The proxy adds who asks; what stands before that the browser may have written itself."""
    monkeypatch.setattr(entrance, "REFUSE_AFTER_S", 0)
    async with running_wall(user_header=user_header) as wall:
        for n in range(MOST_WRONG):
            assert await knock(wall, f"guess {n}", asks=f"10.9.9.{n}, 10.0.0.66") == 401
        assert await knock(wall, TOKEN, asks="10.0.0.66") == 429
        assert await knock(wall, TOKEN, asks="10.0.0.7") == 200


async def test_whom_an_unknown_machine_asks_for_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "REFUSE_AFTER_S", 0)
    async with running_wall(proxies=["10.0.0.1"]) as wall:
        for n in range(MOST_WRONG):
            assert await knock(wall, f"guess {n}", asks=f"10.9.9.{n}") == 401
        assert await knock(wall, TOKEN, asks="10.0.0.7") == 429


async def knock(wall: Running, token: str, asks: str = "") -> int:
    """The answer to that token, as a proxy passes it on."""
    headers = {"Authorization": f"Bearer {token}", "X-Sansheng": "1", **({"X-Forwarded-For": asks} if asks else {})}
    return (await get(wall.base + "/ticket", **headers))[0]


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


@pytest.mark.parametrize(
    ("path", "origin", "status"), [("/live", "http://[", 403), ("//[", "http://wall", 404), ("/live", "", 403)]
)
async def test_what_is_no_address_is_refused(path: str, origin: str, status: int) -> None:
    async with running_wall() as wall:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(wall.base.rpartition(":")[2]))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: wall\r\nOrigin: {origin}\r\n\r\n".encode())
        assert int((await reader.readline()).split()[1]) == status
        writer.close()


# how many may come


async def test_who_says_nothing_takes_nobodys_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "MOST_GUESTS", 2)
    async with running_wall() as wall, AsyncExitStack() as stack:
        wall.floor.begin()
        for _ in range(crowd.MOST_STRANGERS_OF_ONE):
            await stack.enter_async_context(connect(wall.socket, proxy=None))
        async with connect(wall.socket, proxy=None) as one_more:
            assert await Browser(one_more).is_closed_with() == sessions.FULL
        for n in range(2):  # others, for whom a proxy asks
            other = connect(wall.socket, proxy=None, additional_headers={"X-Forwarded-For": f"10.0.0.{n}"})
            browser = await stack.enter_async_context(greeted(wall, other))
            assert (await browser.next("welcome"))["you"]["login"] == "desk"
        other = connect(wall.socket, proxy=None, additional_headers={"X-Forwarded-For": "10.0.0.9"})
        async with greeted(wall, other) as third:
            assert await third.is_closed_with() == sessions.FULL
        assert value_of(wall, "sansheng_wall_refused_total", reason="full") == 2


async def test_who_has_greeted_leaves_the_door_to_the_next() -> None:
    async with running_wall() as wall, AsyncExitStack() as stack:
        wall.floor.begin()
        for _ in range(crowd.MOST_STRANGERS_OF_ONE + 1):
            browser = await stack.enter_async_context(browser_at(wall))
            await browser.next("welcome")


def test_of_all_addresses_only_so_many_may_stand_at_the_door() -> None:
    all_of_them = crowd.Crowd()
    with ExitStack() as stack:
        for n in range(crowd.MOST_STRANGERS):
            stack.enter_context(all_of_them.stranger(f"10.0.0.{n}"))
        with pytest.raises(crowd.FullError), all_of_them.stranger("10.0.1.1"):
            pass
    with all_of_them.stranger("10.0.1.1"):
        pass


async def test_nobody_takes_all_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "MOST_OF_ONE", 2)
    async with staffed() as wall, AsyncExitStack() as stack:
        for _ in range(2):
            mine = await stack.enter_async_context(browser_at(wall, "of-101"))
            await mine.next("welcome")
        async with browser_at(wall, "of-101") as one_more:
            assert await one_more.is_closed_with() == sessions.FULL
        for _ in range(3):
            shared = await stack.enter_async_context(browser_at(wall))
            await shared.next("welcome")
        await mine.socket.close()
        await until(lambda: value_of(wall, "sansheng_wall_clients", mode="desk") == 4)
        async with browser_at(wall, "of-101") as again:
            await again.next("welcome")


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
            assert await browser.act(action, reason="other", text="因为" * (action in acts._SAYS)) == "done"
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


async def test_a_call_that_nobody_knows_is_looked_for_only_where_it_could_be_told() -> None:
    async with staffed() as wall:
        for token in ("of-101", "of-zhao"):
            async with browser_at(wall, token) as browser:
                for at in (None, time.time()):
                    assert (await browser.ask("call", "nothing", at))["problem"] == "unknown"
                await browser.say(type="follow", call="nothing")
                assert (await browser.next("lines"))["problem"] == "unknown"
        assert wall.records.asked == []
        async with browser_at(wall, "of-qian") as manager:
            assert (await manager.ask("call", "nothing"))["problem"] == "unknown"
        assert len(wall.records.asked) == 2  # a day, then a week


async def test_one_name_reads_one_thing_at_a_time() -> None:
    async with staffed() as wall, AsyncExitStack() as stack:
        mine = [await stack.enter_async_context(browser_at(wall, "of-101")) for _ in range(2)]
        other = await stack.enter_async_context(browser_at(wall, "of-qian"))
        wall.records.gate.clear()
        for n in (1, 2):
            for browser in mine:
                await browser.say(type="ask", ask=n, what="call", id="c1")
        await mine[0].say(type="follow", call="c1")
        await mine[0].next("beat")
        assert len(wall.records.asked) == 1
        asking = asyncio.create_task(other.ask("call", "c2"))
        await until(lambda: len(wall.records.asked) == 2)
        wall.records.gate.set()
        assert "page" in await asking
        for browser in mine:
            assert all(["page" in await browser.next("answer") for _ in range(2)])
        await mine[0].next("lines", lambda m: "problem" not in m)


async def test_a_page_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WITHIN_S", 0.1)
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        wall.records.gate.clear()
        assert (await browser.ask("call", "c1"))["problem"] == "unavailable"
        await browser.say(type="follow", call="c1")
        assert (await browser.next("lines"))["problem"] == "unavailable"
        monkeypatch.setattr(reading, "WITHIN_S", 30)
        wall.records.gate.set()
        assert "page" in await browser.ask("call", "c1")
        assert [entry.what for entry in wall.people.audits] == ["call"]  # nothing went on for nobody


async def test_of_an_agent_only_today_is_known() -> None:
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        midnight = wall.server.house.wall.midnight
        assert (await browser.ask("agent", "101", midnight - 1))["problem"] == "unknown"
        for at in (midnight, time.time(), None):
            assert (await browser.ask("agent", "101", at))["page"]["agent"]["id"] == "101"


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
        await until(
            lambda: value_of(wall, "sansheng_rule_alerts", rule="long-hold", severity="warning", finding="open") == 2
        )


async def test_who_was_second_at_another_wall_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """::

    this wall     checks ─▶ writes ───────────────────▶ acknowledged ─▶ back: refused ─▶ too_late
    another wall        writes ─▶ in the log before it
    """
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        write = wall.people.judge

        async def second(verdict: Verdict) -> None:
            wall.floor.verdict(judged("resolved", by="qian"))
            await write(verdict)

        monkeypatch.setattr(wall.people, "judge", second)
        assert await browser.act("false_alarm", reason="rule") == "too_late"
        assert value_of(wall, "sansheng_wall_acts_total", action="false_alarm", outcome="too_late") == 1


async def test_what_is_long_on_its_way_back_is_waited_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "BACK_S", 0.1)
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        wall.people.loops = False
        assert await browser.act("claimed") == "done"  # it is written
        monkeypatch.setattr(acts, "BACK_S", 30)
        acting = asyncio.create_task(browser.act("resolved"))
        await until(lambda: len(wall.people.verdicts) == 2)
        for verdict in wall.people.verdicts:
            assert not acting.done()
            wall.floor.verdict(verdict)
        assert await acting == "done"


def judged(action: Action, by: str, **fields: Any) -> Judgement:
    """What somebody did at another wall."""
    whole: Json = {"id": f"of {by}", "alert": "a1", "call": "c1", "rule": "long-hold", "by_name": by, "at": time.time()}
    return Judgement(**whole, action=action, by=by, **fields)


async def test_of_two_who_decide_before_the_log_answers_the_second_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "BACK_S", 0.05)
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
        ({"action": "claimed", "text": "下周谈话"}, "bad"),
        ({"action": "released", "text": "下周谈话"}, "bad"),
        ({"action": "reopened", "text": "下周谈话"}, "bad"),
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


async def test_only_a_queue_that_there_is_can_be_silenced() -> None:
    async with staffed() as wall, browser_at(wall, "of-qian") as browser:
        wall.floor.say("call.offered", "c4", queue="夜班")
        wall.floor.alert(change("a4", call="c5", queue="外呼"))
        for queue, answer in (("没有", "unknown"), ("夜班", "done"), ("外呼", "done"), ("投诉", "done"), ("", "done")):
            assert await browser.snooze(queue) == answer
        assert [v.queue for v in wall.people.verdicts] == ["夜班", "外呼", "投诉", ""]


async def test_so_many_snoozes_are_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "MOST_SNOOZES", 2)
    async with staffed() as wall, browser_at(wall, "of-qian") as browser:
        assert [await browser.snooze(queue) for queue in ("售后", "投诉", "")] == ["done", "done", "bad"]
        assert await browser.snooze("投诉", minutes=60) == "done"  # instead of the one before
        assert await browser.snooze("售后", minutes=0) == "done"
        await browser.next("change", lambda m: len(m["set"].get("snoozes", "  ")) == 1)
        assert await browser.snooze("") == "done"


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


async def test_who_turns_from_call_to_call_waits_for_nothing_and_reads_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "FOLLOW_EVERY_S", 2.0)
    async with staffed() as wall, browser_at(wall) as browser:
        for call in ("c1", "c2", "c3", "c1", "c2"):
            await browser.say(type="follow", call=call)
            assert "page" in await browser.ask("agent", "101")  # the server has heard that
        await browser.next("lines", lambda m: m["call"] == "c2")
        assert [entry.id for entry in wall.people.audits if entry.what == "lines"] == ["c1", "c2"]


async def test_a_browser_is_heard_while_what_it_followed_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer that leaves a broker may take long."""
    left = asyncio.Event()

    async def stuck(*_: object) -> tuple[()]:
        try:
            return await asyncio.Future[tuple[()]]()
        finally:
            await left.wait()

    async with staffed() as wall, browser_at(wall) as browser:
        read = wall.records.call
        monkeypatch.setattr(wall.records, "call", stuck)
        await browser.say(type="follow", call="c1")
        await browser.next("beat")
        monkeypatch.setattr(wall.records, "call", read)
        await browser.say(type="follow", call="")
        assert "page" in await browser.ask("agent", "101")
        left.set()


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


async def test_what_supervisors_tell_each_other_is_not_for_whom_it_is_about() -> None:
    async with staffed() as wall, browser_at(wall, "of-101") as agent, browser_at(wall, "of-zhao") as supervisor:
        for action, text in (("commented", "下周谈话"), ("claimed", ""), ("released", ""), ("resolved", "老问题")):
            assert await supervisor.act(action, text=text) == "done"
        assert await agent.act("appealed", text="线路中断") == "done"
        assert await supervisor.act("dismissed", text="录音清楚") == "done"
        assert await supervisor.act("reopened") == "done"
        assert await supervisor.act("false_alarm", reason="misheard", text="别告诉他") == "done"
        theirs, whole = (await agent.ask("alert", "a1"))["page"], (await supervisor.ask("alert", "a1"))["page"]
        assert len(whole["history"]) == 8
        told = [(one["action"], one["by"], one.get("text", ""), one.get("reason")) for one in theirs["history"]]
        assert told == [
            ("resolved", "", "", None),
            ("appealed", "", "线路中断", None),
            ("dismissed", "", "录音清楚", None),
            ("false_alarm", "", "", "misheard"),
        ]
        assert whole["card"]["comments"] == 5
        for page in (theirs, (await agent.ask("call", "c1"))["page"], (await agent.ask("agent", "101"))["page"]):
            assert "comments" not in str(page)
            for text in ("下周谈话", "老问题", "别告诉他", "zhao"):
                assert text not in str(page)


async def test_the_own_appeal_only_is_read() -> None:
    async with staffed() as wall, browser_at(wall, "of-101") as agent:
        wall.floor.verdict(judged("appealed", by="102", text="别人的申诉"))
        assert "history" not in (await agent.ask("alert", "a1"))["page"]


async def test_a_record_that_cannot_be_read_is_said_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "AGAIN_S", 0.05)
    async with staffed() as wall, browser_at(wall, "of-zhao") as browser:
        wall.records.down = True
        await browser.say(type="follow", call="c1")
        assert (await browser.next("lines"))["problem"] == "unavailable"
        wall.records.down = False
        assert (await browser.next("lines", lambda m: "problem" not in m))["spans"]
