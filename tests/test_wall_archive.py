"""What is older than the wall knows comes from the archive: pages, scopes, the audit, searching, and an archive that is
down. On both stores.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from dashboards.wall import archive as asked_in_threads
from dashboards.wall import lookback, protocol, server
from dashboards.wall.access import Scope
from dashboards.wall.archive import Archive, ArchiveBusyError, ArchiveDownError, NoArchiveError
from dashboards.wall.archive_records import ArchiveRecords, JoinedRecords
from dashboards.wall.finding import PAGE, in_words, query_of
from dashboards.wall.protocol import Find, parse
from streams.alerts import AlertChange
from streams.archive import forget, keeping, migrations, past, search
from streams.archive.store import Store
from streams.events import AnyEvent, CallOffered
from streams.settings import ArchiveSettings, Settings
from streams.shell.entries import Entries
from streams.verdicts import Judgement
from tests.postgres import postgres
from tests.test_wall_access import STAFF, Browser, browser_at
from tests.test_wall_kafka import event, everything, made, putting
from tests.test_wall_server import Json
from tests.wall_records import bygone, spoken, tell
from tests.wall_script import DESK_TOKEN, Floor, Running, change, running_wall, wall_settings

DAY_S = 86_400.0
ZONE = ZoneInfo("Asia/Shanghai")
#: The agent of the spoken calls and their queue are nobody's team in STAFF; here they have one.
TEAMS = {**STAFF["teams"], "热线": {"agents": ["8026"], "queues": ["hotline"]}}
USERS = [
    *STAFF["users"],
    {"login": "zhou", "name": "周班长", "role": "supervisor", "teams": ["热线"], "token": "of-zhou"},
    {"login": "8026", "name": "何静", "role": "agent", "agent": "8026", "token": "of-8026"},
    {"login": "8030", "name": "吴越", "role": "agent", "agent": "8030", "token": "of-8030"},
]
OLD: Json = {"teams": TEAMS, "users": USERS}


Do = Callable[[], Any]


class Kept:
    """What was put into the archive: the floor of that time, and when the spoken calls ended."""

    def __init__(self, floor: Floor, ended_at: float) -> None:
        self.floor, self.ended_at = floor, ended_at

    def alert(self, rule: str, call: str) -> AlertChange:
        return next(c for c in self.floor.changes if c.rule == rule and c.call == call)


def kept(store: Store, ago_days: float = 30.0) -> Kept:
    """Two spoken calls, one of them twice, of a month ago, and what was done with one of their alerts."""
    floor, keep = bygone(store)
    ended_at = noon(-ago_days)
    tell(floor, spoken("rude-agent"), ended_at - 2 * DAY_S, "before")
    tell(floor, spoken("rude-agent"), ended_at)
    tell(floor, spoken("escalation"), ended_at + 600)
    made = Kept(floor, ended_at)
    alert = made.alert("forbidden-summons", "rude-agent")
    by = {"alert": alert.id, "call": "rude-agent", "rule": alert.rule, "agent": "8026", "queue": "hotline"}
    li = {"by": "li", "by_name": "李敏"}
    floor.verdict(Judgement(id="v1", action="claimed", at=ended_at + 60, **li, **by))
    floor.verdict(Judgement(id="v2", action="commented", at=ended_at + 70, text="老客户", **li, **by))
    floor.verdict(Judgement(id="v3", action="resolved", at=ended_at + 80, **li, **by))
    keep()
    return made


def noon(days: float) -> float:
    """Of the day so many days from today, there."""
    today = datetime.now(ZONE).replace(hour=12, minute=0, second=0, microsecond=0)
    return today.timestamp() + days * DAY_S


def day_at(at: float) -> str:
    return datetime.fromtimestamp(at, ZONE).date().isoformat()


@asynccontextmanager
async def looking(archived: Settings, **more: Any) -> AsyncIterator[Running]:
    async with running_wall(archived=archived, **{**OLD, **more}) as wall:
        wall.floor.begin()
        yield wall


async def ask(browser: Browser, what: str, id_: str, **more: Any) -> Json:
    """The page, or {"problem": ...}."""
    await browser.say(type="ask", ask=1, what=what, id=id_, **more)
    answer = await browser.next("answer")
    page: Json = answer.get("page") or {"problem": answer["problem"]}
    return page


async def find(browser: Browser, **asked: Any) -> Json:
    await browser.say(type="find", ask=1, **asked)
    answer = await browser.next("answer")
    found: Json = answer["page"] if "page" in answer else {"problem": answer["problem"]}
    return found


def ids(found: Json) -> list[str]:
    return [each["line"]["id"] for each in found.get("calls", [])]


# ------------------------------------------------------------------------------------------------ records


class Topics:
    """What the topics have; counts what it is asked."""

    def __init__(self, events: tuple[AnyEvent, ...] = (), changes: tuple[AlertChange, ...] = ()) -> None:
        self.events, self.changes, self.asked = events, changes, 0

    async def call(self, call: str, since: float, until: float | None) -> tuple[AnyEvent, ...]:
        self.asked += 1
        return tuple(event for event in self.events if event.call == call)

    async def alerts(self, call: str, since: float, until: float | None) -> tuple[AlertChange, ...]:
        self.asked += 1
        return tuple(change for change in self.changes if change.call == call)

    async def alert(self, alert_id: str) -> tuple[AlertChange, ...]:
        self.asked += 1
        return tuple(change for change in self.changes if change.id == alert_id)


@pytest.fixture
def archive(archived: Settings, store: Store) -> Any:
    made = Archive(archived)
    yield made
    made.close()


async def test_a_call_and_its_alerts_are_read_as_they_were_logged(archive: Archive, store: Store) -> None:
    was = kept(store)
    records = ArchiveRecords(archive)
    found = await records.call("rude-agent", 0, None)
    with store.reading() as connection:
        assert found == tuple(past.record(connection, "rude-agent"))
    assert isinstance(found[0], CallOffered)
    assert [event.seq for event in found] == sorted({event.seq for event in found if event.seq is not None})
    told = [c for c in was.floor.changes if c.call == "rude-agent"]
    assert {c.id for c in await records.alerts("rude-agent", 0, None)} == {c.id for c in told}
    assert await records.alert(told[0].id) == tuple(c for c in told if c.id == told[0].id)
    assert await records.call("nobody", 0, None) == await records.alerts("nobody", 0, None) == ()


async def test_what_the_topics_have_whole_never_asks_the_archive(archive: Archive, store: Store) -> None:
    kept(store)
    with store.reading() as connection:
        whole = tuple(past.record(connection, "rude-agent"))
    records = JoinedRecords(Topics(whole), Refusing())
    assert await records.call("rude-agent", time.time() - 60, None) == whole


class Refusing(Topics):
    """An archive that is not to be asked."""

    async def call(self, call: str, since: float, until: float | None) -> tuple[AnyEvent, ...]:
        raise AssertionError("it was asked")


async def test_a_beginning_that_retention_has_cut_is_taken_from_the_archive(archive: Archive, store: Store) -> None:
    kept(store)
    floor, keep = bygone(store)
    at = noon(-7)
    changes = (change("a1", call="rude-agent", at=at), change("a1", "cleared", call="rude-agent", at=at + 9))
    for each in changes:
        floor.alert(each)
    keep()
    with store.reading() as connection:
        whole = tuple(past.record(connection, "rude-agent"))
    records = JoinedRecords(Topics(whole[4:], changes[1:]), ArchiveRecords(archive))
    assert await records.call("rude-agent", time.time() - 60, None) == whole
    assert [c for c in await records.alerts("rude-agent", time.time() - 60, None) if c.id == "a1"] == [*changes]
    assert await records.alert("a1") == changes


async def test_what_is_older_than_the_week_is_not_looked_for_in_the_topics(archive: Archive, store: Store) -> None:
    was, topics = kept(store), Topics()
    records = JoinedRecords(topics, ArchiveRecords(archive))
    assert await records.call("rude-agent", was.ended_at - 60, was.ended_at)
    assert topics.asked == 0


async def test_while_the_archive_is_down_the_topics_answer_alone(archived: Settings, store: Store) -> None:
    kept(store)
    with store.reading() as connection:
        part = tuple(past.record(connection, "rude-agent"))[4:]
    down = Archive(without_way(archived))
    records = JoinedRecords(Topics(part), ArchiveRecords(down))
    assert await records.call("rude-agent", time.time() - 60, None) == part
    assert await records.alerts("rude-agent", time.time() - 60, None) == ()
    with pytest.raises(ArchiveDownError):
        await records.call("another", time.time() - 60, None)
    down.close()


async def test_where_no_archivist_ever_ran_nothing_is_amiss(tmp_path: Path) -> None:
    archive = Archive(Settings(run_dir=tmp_path / "nothing"))
    records = JoinedRecords(Topics(), ArchiveRecords(archive))
    assert await records.call("c1", time.time() - 60, None) == ()
    assert await records.alert("a1") == ()
    with pytest.raises(NoArchiveError):
        await archive.ask(lambda _, connection: 1)
    assert not (tmp_path / "nothing").exists()  # a reader makes none
    archive.close()


async def test_a_store_of_another_version_is_not_read(archived: Settings, store: Store) -> None:
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    archive = Archive(archived)
    with pytest.raises(ArchiveDownError, match="migrate"):
        await archive.ask(lambda _, connection: 1)
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": migrations.head()})
    assert await archive.ask(lambda _, connection: 1) == 1
    archive.close()


def without_way(settings: Settings) -> Settings:
    """The same archive where nothing is: a file that is not there, a port where nobody listens."""
    url = settings.archive_url
    gone = url + ".gone" if url.startswith("sqlite") else "postgresql://sansheng@127.0.0.1:1/nothing"
    return settings.model_copy(update={"archive": ArchiveSettings(url=SecretStr(gone))})


def _endless(store: Store, connection: Any) -> Any:
    if not store.is_sqlite:
        return connection.scalar(text("SELECT pg_sleep(60)"))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    return connection.scalar(text(endless))


async def test_a_question_without_end_ends_and_leaves_room_for_others(
    archive: Archive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.ask(lambda _, connection: 1)
    monkeypatch.setattr(asked_in_threads, "LIMIT_S", 0.4)
    begun, beats = time.monotonic(), 0
    questions = [asyncio.create_task(archive.ask(_endless)) for _ in range(asked_in_threads.AT_A_TIME + 2)]
    while not all(question.done() for question in questions):
        await asyncio.sleep(0.02)  # the loop goes on
        beats += 1
    assert time.monotonic() - begun < 20  # its own end would be a minute away, or never come
    assert beats >= 5
    assert all(isinstance(question.exception(), ArchiveDownError) for question in questions)
    monkeypatch.setattr(asked_in_threads, "LIMIT_S", 4.0)
    assert await archive.ask(lambda _, connection: 1) == 1  # it was the question, and not the store


async def test_one_slow_question_shuts_the_archive_for_nobody(
    archive: Archive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.ask(lambda _, connection: 1)
    begun = threading.Event()

    def endless(store: Store, connection: Any) -> Any:
        begun.set()
        return _endless(store, connection)

    monkeypatch.setattr(asked_in_threads, "LIMIT_S", 1.0)
    slow = asyncio.create_task(archive.ask(endless))
    assert await asyncio.to_thread(begun.wait, 30)
    monkeypatch.setattr(asked_in_threads, "LIMIT_S", 30.0)  # the others may be slow, too, on a busy machine
    while not slow.done():
        assert await archive.ask(lambda _, connection: 1) == 1
        await asyncio.sleep(0.02)
    assert isinstance(slow.exception(), ArchiveDownError)
    for _ in range(5):
        assert await archive.ask(lambda _, connection: 1) == 1


async def test_who_finds_no_turn_is_told_that_others_ask(
    archive: Archive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.ask(lambda _, connection: 1)
    go = threading.Event()
    under_way = [
        asyncio.create_task(archive.ask(lambda _, connection: go.wait(10))) for _ in range(asked_in_threads.AT_A_TIME)
    ]
    await asyncio.sleep(0.05)
    monkeypatch.setattr(asked_in_threads, "LIMIT_S", 0.3)
    with pytest.raises(ArchiveBusyError):
        await archive.ask(lambda _, connection: 1)
    go.set()
    assert await asyncio.gather(*under_way) == [True] * asked_in_threads.AT_A_TIME
    assert await archive.ask(lambda _, connection: 1) == 1


#: Asks a wall's archive whose server then hangs, and ends: says which backend is its own, and waits to be told.
_HANGING = """
import asyncio, sys, time
from pathlib import Path
from pydantic import SecretStr
from dashboards.wall import archive
from streams.settings import ArchiveSettings, Settings

async def main():
    archive.LIMIT_S = 60.0  # the first answer takes what it takes
    asked = archive.Archive(Settings(run_dir=Path(sys.argv[2]), archive=ArchiveSettings(url=SecretStr(sys.argv[1]))))
    print(await asked.ask(lambda _, c: c.exec_driver_sql("SELECT pg_backend_pid()").scalar()), flush=True)
    archive.LIMIT_S = 1.0
    sys.stdin.readline()
    for _ in range(2):
        begun = time.monotonic()
        try:
            print(await asked.ask(lambda _, c: 1), flush=True)
        except archive.ArchiveDownError:
            print("down" if time.monotonic() - begun < 0.8 else "waited", flush=True)
    asked.close()

asyncio.run(main())
"""


async def test_a_server_that_hangs_is_left_alone_and_holds_no_process(tmp_path: Path) -> None:
    with postgres() as server:
        url = server.new()
        store = Store(Settings(run_dir=tmp_path, archive=ArchiveSettings(url=SecretStr(url))))
        migrations.upgrade(store)
        store.close()
        wall = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _HANGING, url, tmp_path, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert wall.stdin
        assert wall.stdout
        backend = int(await wall.stdout.readline())
        os.kill(backend, signal.SIGSTOP)
        try:
            wall.stdin.write(b"go on\n")
            said = [(await wall.stdout.readline()).decode().strip() for _ in range(2)]
            begun = time.monotonic()
            async with asyncio.timeout(20):
                await wall.wait()
        finally:
            os.kill(backend, signal.SIGCONT)
            if wall.returncode is None:
                wall.kill()
        assert said == ["waited", "down"]
        assert time.monotonic() - begun < 15
        assert wall.returncode == 0


# ------------------------------------------------------------------------------------------------ an old alert


async def test_the_permanent_page_of_an_alert_outlives_the_week(archived: Settings, store: Store) -> None:
    was = kept(store)
    alert = was.alert("forbidden-summons", "rude-agent")
    async with looking(archived) as wall, browser_at(wall) as browser:
        page = await ask(browser, "alert", alert.id)
        assert page["archived"]
        card = page["card"]
        assert (card["says"], card["severity"], card["finding"]) == (alert.says, "warning", "true")
        assert card["claimed"] == {"id": "li", "name": "李敏"}
        assert "ongoing" not in card
        assert [one["action"] for one in page["history"]] == ["claimed", "commented", "resolved"]
        assert [(one["call"], one["rule"]) for one in page["earlier"]] == [("before", "forbidden-summons")]
        assert page["steps"][0]["says"] == alert.says
        assert page["why"][0]["answer"] == "yes"
        assert len(page["call"]["lines"]) == 7
        assert {mark["alert"] for line in page["call"]["lines"] for mark in line.get("marks", [])} >= {alert.id}
        assert {one["call"] for one in page["call"]["alerts"]} == {"rude-agent"}
        entries = [(entry.what, entry.id, entry.by) for entry in wall.people.audits]
        assert entries == [("alert", alert.id, "desk")]


async def test_a_rulebook_that_is_lost_is_said_of_an_old_alert(archived: Settings, store: Store) -> None:
    floor, keep = bygone(store)
    floor.say("call.offered", "c9", noon(-20), queue="售后")
    floor.say("call.ended", "c9", noon(-20) + 9, by="customer")
    floor.alert(change("lone", call="c9", at=noon(-20) + 5, rulebook="000000000000"))
    keep()
    async with looking(archived) as wall, browser_at(wall) as browser:
        page = await ask(browser, "alert", "lone")
        assert page["why_not"] == "rulebook"
        assert page["call"]["ended_by"] == "customer"


async def test_each_sees_of_old_alerts_what_belongs_to_the_own_team(archived: Settings, store: Store) -> None:
    alert = kept(store).alert("forbidden-summons", "rude-agent").id
    async with looking(archived) as wall:
        for token, sees in (("of-zhou", True), ("of-8026", True), ("of-zhao", False), ("of-101", False)):
            async with browser_at(wall, token) as browser:
                page = await ask(browser, "alert", alert)
                assert ("card" in page) == sees, token
                assert sees or page == {"problem": "unknown"}  # as one that there never was
        async with browser_at(wall, "of-8026") as browser:
            page = await ask(browser, "alert", alert)
            assert "comments" not in page["card"]
            assert [(one["action"], one["by"]) for one in page["history"]] == [("resolved", "")]
        assert [entry.by for entry in wall.people.audits] == ["zhou", "8026", "8026"]  # and of those refused, none


async def test_nothing_old_is_shown_that_the_audit_does_not_have(archived: Settings, store: Store) -> None:
    was = kept(store)
    alert = was.alert("forbidden-summons", "rude-agent").id
    async with looking(archived) as wall, browser_at(wall) as browser:
        wall.people.down = True
        for what, of, more in (
            ("alert", alert, {}),
            ("call", "rude-agent", {}),
            ("agent", "8026", {"day": day_at(was.ended_at)}),
        ):
            assert await ask(browser, what, of, **more) == {"problem": "unavailable"}
        assert await find(browser, text="有什么事快说") == {"problem": "unavailable"}


# ------------------------------------------------------------------------------------------------ an old call


async def test_a_call_is_found_by_its_id_alone(archived: Settings, store: Store) -> None:
    was = kept(store)
    async with looking(archived) as wall:
        for token in (DESK_TOKEN, "of-zhou", "of-8026"):
            async with browser_at(wall, token) as browser:
                page = await ask(browser, "call", "rude-agent")
                assert (page["phase"], page["ended_by"]) == ("ended", "agent"), token
                assert abs(page["ended_at"] - was.ended_at) < 0.01
                assert len(page["lines"]) == 7
                assert page["alerts"]
                assert "gone" not in page
        async with browser_at(wall, "of-zhao") as browser:
            assert await ask(browser, "call", "rude-agent") == {"problem": "unknown"}  # that it is there is not told
            assert await ask(browser, "call", "nobody-knows") == {"problem": "unknown"}
        assert all(entry.what == "call" for entry in wall.people.audits)
        assert wall.records.asked == []  # a week of a topic was not read for it


async def test_a_call_that_the_topics_have_and_the_archive_not_yet_is_shown(archived: Settings, store: Store) -> None:
    async with looking(archived) as wall, browser_at(wall) as browser:
        tell(wall.floor, spoken("rude-agent"), time.time() - 60)
        assert len((await ask(browser, "call", "rude-agent"))["lines"]) == 7


async def test_words_past_retention_are_said_to_be_gone(archived: Settings, store: Store) -> None:
    was = kept(store, ago_days=100)
    while keeping.keep(store, archived, time.time()).more:
        pass
    alert = was.alert("forbidden-summons", "rude-agent")
    async with looking(archived) as wall, browser_at(wall) as browser:
        page = await ask(browser, "call", "rude-agent")
        assert page["gone"] == "words"
        assert not page.get("lines")
        assert [span["phase"] for span in page["spans"]] == ["ringing", "talking"]  # how it went is kept
        page = await ask(browser, "alert", alert.id)
        assert page["card"]["says"] == alert.title  # and no word that was said
        assert page["call"]["gone"] == "words"
        assert page["why_not"] == "words"
        assert not page.get("proofs")
        assert "有什么事" not in msgspec.json.encode(without_the_manual(page)).decode()
        assert await find(browser, text="有什么事快说") == {}


#: The manual and the rule quote what may not be said.
_OF_THE_MANUAL = ("clause", "also", "fires", "advice")


def without_the_manual(page: Any) -> Any:
    if isinstance(page, list):
        return [without_the_manual(one) for one in page]
    if not isinstance(page, dict):
        return page
    return {name: without_the_manual(value) for name, value in page.items() if name not in _OF_THE_MANUAL}


async def test_where_only_the_figures_are_left_these_are_shown(archived: Settings, store: Store) -> None:
    kept(store, ago_days=100)
    with store.writing() as connection:
        connection.execute(text("DELETE FROM records"))
        connection.execute(text("DELETE FROM words"))
    async with looking(archived) as wall, browser_at(wall, "of-zhou") as browser:
        page = await ask(browser, "call", "rude-agent")
        assert page["gone"] == "record"
        assert page["figures"]["talk_s"] > 20
        assert page["agents"] == [{"id": "8026"}]
        assert page["ended_by"] == "agent"


async def test_what_was_deleted_on_request_is_said_to_be_so(archived: Settings, store: Store) -> None:
    was = kept(store)
    found = forget.of_call(store, "rude-agent")
    forget.remove(store, archived, found, asked="call", by="op", role="operator")
    async with looking(archived) as wall:
        async with browser_at(wall) as browser:
            assert await ask(browser, "call", "rude-agent") == {"problem": "forgotten"}
            gone = await ask(browser, "alert", was.alert("forbidden-summons", "rude-agent").id)
            assert gone["problem"] in ("forgotten", "unknown")
            assert ids(await find(browser, text="有什么事快说")) == ["before"]
        async with browser_at(wall, "of-zhou") as browser:  # whose it was nobody knows any more
            assert await ask(browser, "call", "rude-agent") == {"problem": "unknown"}


async def heard(browser: Browser, call: str) -> Json:
    """The first message to whoever follows it."""
    await browser.say(type="follow", call=call)
    return await browser.next("lines")


async def test_what_was_deleted_on_request_is_not_shown_from_the_topics_either(
    archived: Settings, store: Store
) -> None:
    floor, keep = bygone(store)
    tell(floor, spoken("rude-agent"), time.time() - 60)
    tell(floor, spoken("rude-agent"), time.time() - 120, "before")
    keep()
    async with looking(archived) as wall:
        tell(wall.floor, spoken("rude-agent"), time.time() - 60)
        tell(wall.floor, spoken("rude-agent"), time.time() - 120, "before")
        opened = {(c.call, c.rule): c.id for c in wall.floor.changes if c.state == "opened"}
        alert, earlier = (opened[call, "forbidden-summons"] for call in ("rude-agent", "before"))
        async with browser_at(wall) as browser:
            assert (await ask(browser, "call", "before"))["lines"]
            assert earlier in {card["id"] for card in (await ask(browser, "alert", alert))["earlier"]}
            assert (await heard(browser, "before"))["lines"]
        forget.remove(store, archived, forget.of_call(store, "before"), asked="call", by="op", role="operator")
        noted = len(wall.people.audits)
        async with browser_at(wall) as browser:
            assert await ask(browser, "call", "before") == {"problem": "forgotten"}
            assert await ask(browser, "alert", earlier) == {"problem": "forgotten"}
            assert (await heard(browser, "before"))["problem"] == "forgotten"
            assert len(wall.people.audits) == noted  # nothing was shown
            assert (await ask(browser, "call", "rude-agent"))["lines"]
            assert earlier not in {card["id"] for card in (await ask(browser, "alert", alert)).get("earlier", [])}
        async with browser_at(wall, "of-zhou") as browser:
            assert await ask(browser, "call", "before") == {"problem": "unknown"}
            assert await ask(browser, "alert", earlier) == {"problem": "forgotten"}


async def test_while_the_archive_hangs_a_page_of_the_week_is_made_all_the_same(
    archived: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookback, "ASIDE_S", 0.1)
    monkeypatch.setattr(asked_in_threads, "LIMIT_S", 0.5)
    monkeypatch.setattr(Archive, "_answer", lambda *_: time.sleep(0.7))
    async with looking(archived) as wall, browser_at(wall) as browser:
        tell(wall.floor, spoken("rude-agent"), time.time() - 60)
        for _ in range(3):
            assert (await ask(browser, "call", "rude-agent"))["lines"]
        assert (await heard(browser, "rude-agent"))["lines"]


# ------------------------------------------------------------------------------------------------ an earlier day


async def test_an_agents_earlier_day_has_its_calls_and_alerts(archived: Settings, store: Store) -> None:
    was = kept(store)
    day = day_at(was.ended_at)
    async with looking(archived) as wall:
        for token in (DESK_TOKEN, "of-zhou", "of-8026"):
            async with browser_at(wall, token) as browser:
                page = await ask(browser, "agent", "8026", day=day)
                assert page["day"] == day
                assert [line["id"] for line in page["calls"]] == ["escalation", "rude-agent"]
                told = [c for c in was.floor.changes if c.agent == "8026" and day_at(c.at) == day and not c.trial]
                assert {card["id"] for card in page["alerts"]} == {c.id for c in told}
                rude = page["calls"][1]
                own = [c for c in was.floor.changes if c.call == "rude-agent" and c.state == "opened" and not c.trial]
                assert rude["alerts"] == len(own)
                assert rude["worst"] == "critical"
        async with browser_at(wall) as browser:
            page = await ask(browser, "agent", "8026", day=day_at(was.ended_at - DAY_S))
            assert "calls" not in page
            page = await ask(browser, "agent", "8026")
            assert (page["day"], page["today"]) == (day_at(time.time()),) * 2
            assert page["first"] == day_at(noon(-730))
            for bad in ("2026-02-30", "1999-01-01", day_at(noon(2)), "x"):
                assert await ask(browser, "agent", "8026", day=bad) == {"problem": "unknown"}, bad
            assert await ask(browser, "agent", "777", day=day) == {"problem": "unknown"}
        for token in ("of-zhao", "of-101", "of-8030"):
            async with browser_at(wall, token) as browser:
                assert await ask(browser, "agent", "8026", day=day) == {"problem": "not_allowed"}


async def test_a_phone_that_only_rang_tells_nothing_of_others_talk(archived: Settings, store: Store) -> None:
    floor, keep = bygone(store)
    at = noon(-3)
    floor.say("call.offered", "c1", at, queue="售后")
    floor.say("agent.ringing", "c1", at + 1, agent="101")
    floor.say("agent.missed", "c1", at + 20, agent="101", reason="timeout")
    floor.say("agent.ringing", "c1", at + 21, agent="102")
    floor.say("call.answered", "c1", at + 22, agent="102")
    floor.say("call.ended", "c1", at + 60, by="agent")
    keep()
    async with looking(archived) as wall:
        async with browser_at(wall, "of-101") as browser:
            [line] = (await ask(browser, "agent", "101", day=day_at(at)))["calls"]
            assert "agents" not in line
            assert line.get("talk_s", 0) == 0
            assert await ask(browser, "call", "c1") == {"problem": "unknown"}
        async with browser_at(wall, "of-zhao") as browser:
            [line] = (await ask(browser, "agent", "102", day=day_at(at)))["calls"]
            assert line["talk_s"] == 38


# ------------------------------------------------------------------------------------------------ looking for calls


async def test_calls_are_found_by_what_was_said_and_how_it_sounds(archived: Settings, store: Store) -> None:
    was = kept(store)
    async with looking(archived) as wall, browser_at(wall) as browser:
        found = await find(browser, text="有什么事快说")
        assert ids(found) == ["rude-agent", "before"]  # newest first
        [line] = found["calls"][0]["lines"]
        assert (line["role"], line["text"]) == ("agent", "喂，有什么事快说")
        [[start, end]] = line["marks"]
        assert line["text"][start:end] == "有什么事快说"
        assert was.ended_at - 60 < line["at"] < was.ended_at
        assert found["calls"][0]["line"]["worst"] == "critical"
        assert ids(await find(browser, text="游什么是")) == []
        assert ids(await find(browser, text="游什么是", by_sound=True)) == ["rude-agent", "before"]
        assert ids(await find(browser, text="投诉 领导")) == ["escalation", "rude-agent", "before"]
        assert ids(await find(browser, text="投诉 领导", role="customer")) == ["escalation"]


async def test_the_filters_are_about_the_call_or_one_of_its_alerts(archived: Settings, store: Store) -> None:
    was = kept(store)
    day = day_at(was.ended_at)
    async with looking(archived) as wall, browser_at(wall) as browser:
        everything = ["escalation", "rude-agent", "before"]
        for asked, wanted in (
            ({"since": day, "until": day}, everything[:2]),
            ({"until": day_at(was.ended_at - DAY_S)}, ["before"]),
            ({"queue": "hotline"}, everything),
            ({"queue": "售后"}, []),
            ({"agent": "8030"}, ["escalation"]),
            ({"rule": "forbidden-summons"}, ["rude-agent", "before"]),
            ({"rule": "forbidden-summons", "verdict": "true"}, ["rude-agent"]),
            ({"verdict": "false"}, []),
            ({"severity": "critical", "agent": "8026"}, everything),
            ({"shortest_s": 60}, ["escalation"]),
            ({"longest_s": 60}, ["rude-agent", "before"]),
        ):
            assert ids(await find(browser, **asked)) == wanted, asked


async def test_alerts_whose_appeal_is_open_are_found(archived: Settings, store: Store) -> None:
    floor, keep = bygone(store)
    tell(floor, spoken("rude-agent"), noon(-9))
    tell(floor, spoken("rude-agent"), noon(-10), "before")
    alert = next(c for c in floor.changes if c.call == "before" and c.rule == "forbidden-summons")
    of = {"alert": alert.id, "call": "before", "rule": alert.rule, "agent": "8026", "queue": "hotline"}
    floor.verdict(Judgement(id="v1", action="resolved", at=noon(-9), by="li", by_name="李敏", **of))
    floor.verdict(Judgement(id="v2", action="appealed", at=noon(-8), by="8026", by_name="何静", text="不是我", **of))
    keep()
    async with looking(archived) as wall, browser_at(wall, "of-zhou") as browser:
        found = await find(browser, verdict="appealed")
        assert ids(found) == ["before"]
        waits = [one for one in found["calls"][0]["alerts"] if one.get("appealed")]
        assert [one["id"] for one in waits] == [alert.id]


async def test_nobody_finds_what_belongs_to_others(archived: Settings, store: Store) -> None:
    kept(store)
    async with looking(archived) as wall:
        everything = ["escalation", "rude-agent", "before"]
        for token, sees in (
            ("of-qian", everything),
            ("of-zhou", everything),
            ("of-8026", everything),
            ("of-8030", ["escalation"]),
            ("of-zhao", []),
            ("of-101", []),
        ):
            async with browser_at(wall, token) as browser:
                assert ids(await find(browser, since="2020-01-01")) == sees, token
        async with browser_at(wall, "of-8030") as browser:
            [call] = (await find(browser, agent="8030"))["calls"]
            assert "alerts" not in call  # they are about the colleague who had it before
            assert await find(browser, severity="notice") == {}  # nor do they make it one that is found
        async with browser_at(wall, "of-qian", team="售后") as browser:
            assert ids(await find(browser, since="2020-01-01", team="售后")) == []
            assert ids(await find(browser, since="2020-01-01", team="热线")) == everything
        async with browser_at(wall, "of-zhao") as browser:
            assert ids(await find(browser, since="2020-01-01", team="热线")) == []  # not one of the own teams


async def test_a_waiting_call_belongs_to_its_queue(archived: Settings, store: Store) -> None:
    floor, keep = bygone(store)
    for call, queue in (("w1", "售后"), ("w2", "投诉")):
        floor.say("call.offered", call, noon(-9), queue=queue)
        floor.say("call.ended", call, noon(-9) + 50, by="customer")
    keep()
    async with looking(archived) as wall, browser_at(wall, "of-zhao") as browser:
        assert ids(await find(browser, since="2020-01-01")) == ["w1"]
        assert (await ask(browser, "call", "w1"))["ended_by"] == "customer"
        assert await ask(browser, "call", "w2") == {"problem": "unknown"}


async def test_each_search_is_noted_with_what_was_asked(archived: Settings, store: Store) -> None:
    kept(store)
    async with looking(archived) as wall, browser_at(wall, "of-zhou") as browser:
        await find(browser, text="电话 13812345678", role="customer", queue="hotline")
        [entry] = wall.people.audits
        assert (entry.by, entry.role, entry.what) == ("zhou", "supervisor", "find")
        asked = msgspec.json.decode(entry.id)
        assert (asked["role"], asked["queue"]) == ("customer", "hotline")
        assert asked["text"].startswith("电话 138****")


async def test_no_number_reaches_the_audit_by_any_field(archived: Settings, store: Store) -> None:
    kept(store)
    async with looking(archived) as wall, browser_at(wall, "of-zhou") as browser:
        number, fields = "13812345678", ("text", "queue", "agent", "rule", "team")
        await find(browser, **dict.fromkeys(fields, number), since="2026-11-01", until="1381234567")
        [entry] = wall.people.audits
        asked = msgspec.json.decode(entry.id)
        assert {asked[field] for field in fields} == {"138****78"}
        assert asked["since"] == "2026-11-01"  # and what is no number can be read
        assert "1234567" not in entry.id


async def test_who_asks_for_too_much_is_told_how_far_it_went_and_goes_on(
    archived: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(store)
    async with looking(archived) as wall, browser_at(wall) as browser:
        whole = ids(await find(browser, since="2020-01-01"))
        ticks = itertools.count()
        monkeypatch.setattr(search, "_now", lambda: next(ticks) * lookback.FIND_S / 5)
        seen, after, cuts = [], "", 0
        for _ in range(20):
            found = await find(browser, since="2020-01-01", after=after)
            seen += ids(found)
            cuts += found.get("cut", False)
            assert not found.get("cut") or found["reached"] > 0
            if not (after := found.get("after", "")):
                break
        assert seen == whole
        assert cuts


async def test_pages_follow_each_other_without_a_gap(archived: Settings, store: Store) -> None:
    floor, keep = bygone(store)
    wanted = [f"c{n}" for n in range(2 * PAGE + 5)]
    for n, call in enumerate(wanted):
        floor.say("call.offered", call, noon(-9) - 60 * n, queue="售后")
        floor.say("call.ended", call, noon(-9) - 60 * n + 20, by="customer")
    keep()
    async with looking(archived) as wall, browser_at(wall) as browser:
        seen: list[str] = []
        after = ""
        while True:
            found = await find(browser, queue="售后", after=after)
            assert len(ids(found)) <= PAGE
            seen += ids(found)
            after = found.get("after", "")
            if not after:
                break
        assert seen == wanted


@pytest.mark.parametrize(
    "asked",
    [
        {"text": "\u0000\u200b\ufffd"},
        {"text": "……"},
        {"text": " ".join("一二三四五六七")},
        {"text": "'; DROP TABLE calls; --"},
        {"text": '"* OR 1 NEAR('},
        {"text": "𠮷" * 100},
        {"text": "好" * 200},
        {"text": "%_%"},
        {"after": "1e400:1"},
        {"after": "nan:99999999999999999999999"},
        {"after": "1:2:3"},
        {"since": "9999-12-31", "until": "9999-12-31"},
        {"since": "2026-11-22", "until": "2026-11-01"},
        {"since": "tomorrow"},
        {"shortest_s": 600, "longest_s": 1},
        {"queue": "\u0000"},
        {"agent": "' OR ''='"},
        {"team": "nobody's"},
        {"limit": 10**9, "scope": None},
    ],
)
async def test_odd_questions_are_answered_or_refused(archived: Settings, store: Store, asked: Json) -> None:
    kept(store)
    async with looking(archived) as wall, browser_at(wall, "of-zhao") as browser:
        found = await find(browser, **asked)
        assert found in ({}, {"problem": "bad"}), found  # never what is others', never "unavailable"
        assert ids(await find(browser, since="2020-01-01")) == []
    with store.reading() as connection:
        assert past.record(connection, "rude-agent")


@pytest.mark.parametrize(
    "asked", [{"text": "好" * 201}, {"queue": "x" * 129}, {"shortest_s": -1}, {"verdict": "maybe"}, {"role": "system"}]
)
async def test_what_no_page_of_ours_asks_ends_the_connection(tmp_path: Path, asked: Json) -> None:
    async with looking(Settings(run_dir=tmp_path)) as wall, browser_at(wall) as browser:
        await browser.say(type="find", ask=1, **asked)
        assert await browser.is_closed_with() == 4400


async def test_where_there_is_no_archive_a_search_says_so(tmp_path: Path) -> None:
    async with looking(Settings(run_dir=tmp_path)) as wall, browser_at(wall) as browser:
        assert await find(browser, text="退款") == {"problem": "no_archive"}
        assert await ask(browser, "alert", "0000000000000000") == {"problem": "unknown"}
        wall.floor.beat("archive")  # somebody has made one, and it is not there
        assert await find(browser, text="退款") == {"problem": "archive"}


def test_the_scope_is_part_of_the_question() -> None:
    asked = msgspec.structs.replace(msgspec.convert({"type": "find", "ask": 1, "text": "退款 多久"}, Find))
    query = query_of(asked, Scope(frozenset({"101"}), frozenset({"售后"}), "x"), ZONE, show_trial=False)
    assert query.scope == search.Scope(("101",), ("售后",))
    assert [said.text for said in query.said] == ["退款", "多久"]
    assert query_of(asked, Scope(), ZONE, show_trial=False).scope is None
    assert query_of(asked, Scope(name="empty"), ZONE, show_trial=False).scope == search.Scope()
    assert in_words(asked) == '{"text":"退款 多久"}'
    assert isinstance(parse(b'{"type":"find","ask":1,"limit":5}'), Find)


# ------------------------------------------------------------------------------------------------ whose a call is

#: Whom the users of the two teams may see: 售后 has agents 101 and 102 and the queue 售后; 热线 has 8026 and hotline.
#: 8030 is in no team. Of each call: who may see it, found and as a page; ``*``: only who sees the whole floor.
FLOOR: dict[str, set[str]] = {
    "own": {"zhao", "101"},
    "other": {"zhou", "8026"},
    "transferred": {"zhao", "101", "zhou", "8026"},
    "rang-only": {"zhou", "8026"},  # 101's phone rang, 8026 answered
    "waited": {"zhao"},
    "waited-elsewhere": set(),
    "taken-over": {"zhou", "8026"},  # waited in 售后, answered by 热线
    "lent": {"zhao", "101"},  # waited in hotline, answered by 售后
    "outbound": {"zhao", "101"},
    "outbound-other": {"zhou", "8026"},
    "outbound-nobodys": set(),
    "found-talking": {"zhao"},  # nobody knows who: it waited in 售后
    "found-elsewhere": set(),
    "nowhere": set(),  # no agent and no queue
    "teamless": {"8030"},
}
TOKENS = {"zhao": "of-zhao", "zhou": "of-zhou", "101": "of-101", "8026": "of-8026", "8030": "of-8030"}
#: Who may see an alert: it is about an agent, or about nobody in a queue.
ALERTS: dict[str, tuple[str, str | None, str, set[str]]] = {
    "about-101": ("transferred", "101", "hotline", {"zhao", "101"}),
    "about-8026": ("transferred", "8026", "hotline", {"zhou", "8026"}),
    "while-waiting": ("taken-over", None, "售后", {"zhao"}),
    "in-the-other-queue": ("lent", None, "hotline", {"zhou"}),
    "of-a-phone": ("rang-only", "101", "hotline", {"zhao", "101"}),
    "of-nobody": ("nowhere", None, "", set()),
    "of-teamless": ("teamless", "8030", "投诉", {"8030"}),
}


def secret(call: str) -> str:
    """What is said in that call alone."""
    return "甲乙丙丁戊己庚辛壬癸子丑寅卯辰"[list(FLOOR).index(call)] * 3


def _floor_of(store: Store, at: float) -> None:
    floor, keep = bygone(store)
    begin = {
        "own": ("售后", ["101"]),
        "other": ("hotline", ["8026"]),
        "transferred": ("hotline", ["8026"]),
        "rang-only": ("hotline", ["8026"]),
        "waited": ("售后", []),
        "waited-elsewhere": ("投诉", []),
        "taken-over": ("售后", ["8026"]),
        "lent": ("hotline", ["101"]),
        "outbound": ("", ["101"]),
        "outbound-other": ("", ["8026"]),
        "outbound-nobodys": ("", []),
        "found-talking": ("售后", []),
        "found-elsewhere": ("投诉", []),
        "nowhere": ("", []),
        "teamless": ("投诉", ["8030"]),
    }
    for n, (call, (queue, agents)) in enumerate(begin.items()):
        began = at + 100 * n
        more = {"direction": "outbound"} if call.startswith("outbound") else {}
        floor.say("call.offered", call, began, **({"queue": queue} if queue else {}), **more)
        if call == "rang-only":
            floor.say("agent.ringing", call, began + 0.5, agent="101")
            floor.say("agent.missed", call, began + 0.8, agent="101", reason="timeout")
        for agent in agents:
            floor.say("agent.ringing", call, began + 1, agent=agent)
            floor.say("call.answered", call, began + 2, agent=agent)
        if call.startswith("found"):
            floor.say("call.held", call, began + 2)
            floor.say("call.resumed", call, began + 3)
        spoken_at = began + 5
        floor.say(
            "transcript",
            call,
            spoken_at + 1,
            role="customer",
            text=secret(call),
            start=spoken_at,
            end=spoken_at + 1,
            final=True,
        )
        if call == "transferred":
            floor.say("call.transferring", call, began + 20, agent="8026", to="101")
            floor.say("agent.ringing", call, began + 21, agent="101")
            floor.say("call.transferred", call, began + 22, agent="101")
        floor.say("call.ended", call, began + 60, by="customer")
    for id_, (call, agent, queue, _) in ALERTS.items():
        began = at + 100 * list(FLOOR).index(call)
        more = {"agent": agent, "agent_name": "", "queue": queue, "says": f"说的是{id_}", "title": f"标题{id_}"}
        floor.alert(change(id_, call=call, at=began + 30, rule=f"rule-{id_}", **more))
        floor.alert(change(id_, "cleared", call=call, at=began + 40, rule=f"rule-{id_}", **more))
    keep()


def _told_in(page: Any) -> str:
    return msgspec.json.encode(page).decode()


async def test_nobody_is_told_anything_of_what_is_others(
    archived: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By finding, by a call's page, by an alert's, by an agent's day: calls, sentences, alerts, their number."""
    monkeypatch.setattr(protocol, "BURST", 1000)
    at = noon(-30)
    _floor_of(store, at)
    async with looking(archived) as wall:
        for user, token in TOKENS.items():
            async with browser_at(wall, token) as browser:
                calls = {call for call, who in FLOOR.items() if user in who}
                fired = {id_ for id_, (*_, who) in ALERTS.items() if user in who}
                await _finds_only(browser, user, calls, fired)
                await _opens_only(browser, user, calls, fired, day_at(at))


async def _finds_only(browser: Browser, user: str, calls: set[str], fired: set[str]) -> None:
    everything = await find(browser, since="2020-01-01")
    assert set(ids(everything)) == calls, user
    for each in everything["calls"]:
        own = {id_ for id_ in fired if ALERTS[id_][0] == each["line"]["id"]}
        assert {one["id"] for one in each.get("alerts", [])} >= own, user
        assert {one["id"] for one in each.get("alerts", [])} & set(ALERTS) == own, user
        assert each["line"].get("alerts", 0) == len(each.get("alerts", [])), user
    for call in FLOOR:
        assert ids(await find(browser, text=secret(call))) == ([call] if call in calls else []), (user, call)
        assert ids(await find(browser, text=secret(call), by_sound=True)) == ([call] if call in calls else [])
    for id_, (call, *_) in ALERTS.items():
        is_found = id_ in fired and call in calls
        assert ids(await find(browser, rule=f"rule-{id_}")) == ([call] if is_found else []), (user, id_)
    for agent in ("101", "8026", "8030", ""):
        assert set(ids(await find(browser, agent=agent, since="2020-01-01"))) <= calls, (user, agent)


async def _opens_only(browser: Browser, user: str, calls: set[str], fired: set[str], day: str) -> None:
    for call in FLOOR:
        page = await ask(browser, "call", call)
        if call not in calls:
            assert page == {"problem": "unknown"}, (user, call)
            continue
        assert secret(call) in _told_in(page)
        told = {card["id"] for card in page.get("alerts", [])} & set(ALERTS)
        assert told == {id_ for id_ in fired if ALERTS[id_][0] == call}, (user, call)
        assert not [id_ for id_ in set(ALERTS) - fired if f"说的是{id_}" in _told_in(page)], (user, call)
    for id_, (call, *_) in ALERTS.items():
        page = await ask(browser, "alert", id_)
        if id_ not in fired:
            assert page == {"problem": "unknown"}, (user, id_)
            continue
        assert page["card"]["id"] == id_
        assert (secret(call) in _told_in(page)) == (call in calls), (user, id_)
        assert not [other for other in set(ALERTS) - fired if f"说的是{other}" in _told_in(page)], (user, id_)
    for agent in ("101", "102", "8026", "8030"):
        page = await ask(browser, "agent", agent, day=day)
        is_own = agent == user or agent in {"zhao": ("101", "102"), "zhou": ("8026",)}.get(user, ())
        if not is_own:
            assert page == {"problem": "not_allowed"}, (user, agent)
            continue
        told = _told_in(page)
        assert not [call for call in FLOOR if secret(call) in told], (user, agent)
        assert not [id_ for id_ in set(ALERTS) - fired if f"说的是{id_}" in told], (user, agent)
        for line in page.get("calls", []):
            counted = line.get("alerts", 0)
            of_call = [id_ for id_ in fired if ALERTS[id_][0] == line["id"]]
            assert counted >= len(of_call), (user, agent, line)
            if line["id"] not in calls:  # the phone only rang
                assert "agents" not in line
                assert counted == len(of_call)


# ------------------------------------------------------------------------------------------------ when it is down


@asynccontextmanager
async def a_store_that_can_go(kind: str, folder: Path) -> AsyncIterator[tuple[Settings, Do, Do]]:
    """Settings, and what takes the store away and brings it back."""
    if kind == "sqlite":
        settings = Settings(run_dir=folder / "run")
        here = folder / "run" / "archive"
        yield settings, lambda: shutil.move(here, folder / "away"), lambda: shutil.move(folder / "away", here)
        return
    with postgres() as server:
        settings = Settings(run_dir=folder / "run", archive=ArchiveSettings(url=SecretStr(server.new())))
        yield settings, server.stop, server.start


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_the_archive_goes_and_comes_back_while_the_live_wall_goes_on(tmp_path: Path, kind: str) -> None:
    async with a_store_that_can_go(kind, tmp_path) as (settings, take_away, bring_back):
        store = Store(settings)
        migrations.upgrade(store)
        old = kept(store).alert("forbidden-summons", "rude-agent").id
        store.close()
        async with looking(settings) as wall, browser_at(wall) as browser:
            wall.floor.beat("archive")
            assert "card" in await ask(browser, "alert", old)
            await asyncio.to_thread(take_away)
            wall.floor.beat("archive", ok=False, detail="store gone")
            tell(wall.floor, spoken("rude-agent"), time.time() - 120, "today")
            new = next(c.id for c in wall.floor.changes if c.rule == "forbidden-summons")
            begun = time.monotonic()
            assert await ask(browser, "alert", old) == {"problem": "archive"}
            assert await ask(browser, "call", "rude-agent") == {"problem": "archive"}
            assert await ask(browser, "agent", "8026", day=day_at(noon(-30))) == {"problem": "archive"}
            assert await find(browser, text="有什么事快说") == {"problem": "archive"}
            assert time.monotonic() - begun < 12  # one of them waits for the archive, the others know
            page = await ask(browser, "alert", new)  # the week's pages go on as before
            assert len(page["call"]["lines"]) == 7
            assert len((await ask(browser, "call", "today"))["lines"]) == 7
            assert (await ask(browser, "agent", "8026"))["calls"][0]["id"] == "today"
            status = wall.server.house.wall.status
            assert (status.feed.state, status.archive.state, status.detect.state) == ("live", "trouble", "ok")
            await asyncio.to_thread(bring_back)
            async with asyncio.timeout(30):
                while "card" not in await ask(browser, "alert", old):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.1)
            assert ids(await find(browser, text="有什么事快说"))


async def test_the_real_wall_joins_the_topics_and_the_archive(kafka: str, prefix: str, tmp_path: Path) -> None:
    on_topics = await asyncio.to_thread(made, kafka, prefix)
    wall = wall_settings(**OLD)
    settings = on_topics.model_copy(update={"run_dir": tmp_path / "run", "wall": wall.wall, "metrics": wall.metrics})
    store = Store(settings)
    migrations.upgrade(store)
    old = kept(store).alert("forbidden-summons", "rude-agent").id
    async with putting(settings) as put, served(settings) as running:
        await put("calls", "today", event("today", queue="hotline"))
        await put("calls", "today", event("today", "call.ended", by="customer"))
        async with browser_at(running) as browser:
            async with asyncio.timeout(30):
                while "problem" in (page := await ask(browser, "call", "today")):  # noqa: ASYNC110 - as long as it may
                    await asyncio.sleep(0.1)
            assert page["ended_by"] == "customer"
            assert len((await ask(browser, "call", "rude-agent"))["lines"]) == 7
            assert (await ask(browser, "alert", old))["archived"]
            assert ids(await find(browser, text="有什么事快说"))
        audits = [msgspec.json.decode(message.value) for message in await everything(settings, "audit")]
        assert {(each["what"], each["by"]) for each in audits} == {(what, "desk") for what in ("call", "alert", "find")}


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Any]:
    """The wall as ``sansheng wall`` runs it."""
    ready: asyncio.Future[Entries] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(server.run(settings, ready=ready.set_result))
    try:
        await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
        base = ready.result().wall.partition("/#")[0]
        yield SimpleNamespace(base=base, socket=base.replace("http", "ws", 1) + "/live")
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_the_archivists_trouble_is_a_part_of_its_own(tmp_path: Path) -> None:
    from dashboards.wall.health import Health  # noqa: PLC0415
    from dashboards.wall.views import Feed  # noqa: PLC0415
    from streams.heartbeat import DEAD_AFTER_S, Heartbeat  # noqa: PLC0415

    health = Health(started_at=1000.0)
    assert health.status(Feed("live"), 0, 5000.0).archive.state == "absent"
    health.take(Heartbeat(component="archive", instance="1", at=1000.0), 1000.0)
    assert health.status(Feed("live"), 0, 1001.0).archive.state == "ok"
    health.take(Heartbeat(component="archive", instance="1", at=1005.0, ok=False, detail="store full"), 1005.0)
    part = health.status(Feed("live"), 0, 1006.0).archive
    assert (part.state, part.since, part.detail) == ("trouble", 1005.0, "store full")
    assert health.status(Feed("live"), 0, 1005.0 + DEAD_AFTER_S + 0.1).archive.state == "dead"
