"""``sansheng rules list``: what people made of each rule's alerts, from a real broker and without one."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from dashboards.wall.boards import Board
from dashboards.wall.state import Wall
from streams import alerts, terminal, verdicts
from streams.alerts import AlertChange, Clause
from streams.rulebook.book import read
from streams.settings import read_settings
from streams.shell import judged, topics
from streams.shell.judged import Count, UnansweredError, read_judged
from streams.verdicts import Action, Judgement, Precision, Snooze, Verdict
from tests.conftest import Result, Run
from tests.shell_tools import PARTITIONS, System

DRAFT, BOOK = read()
RULE, OTHER = "ring-over-three", "long-hold"
DAY = 86_400.0


@pytest.fixture
def rules(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``sansheng rules …``; the default book is read once for all tests."""
    monkeypatch.setattr(terminal, "read", lambda overlays: read(overlays) if list(overlays) else (DRAFT, BOOK))
    return partial(run, "rules")


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def alert(name: str, rule: str = RULE, *, at: float | None = None, **more: Any) -> AlertChange:
    plain: dict[str, Any] = {"severity": "warning", "state": "opened", "agent": "801", "queue": "hotline"}
    plain |= {"title": "", "says": "", "clause": Clause("000", "1"), "rulebook": BOOK.version}
    return AlertChange(id=name, rule=rule, call=f"call-{name}", at=time.time() if at is None else at, **(plain | more))


def verdict(of: str, action: Action, rule: str = RULE, **more: Any) -> Judgement:
    plain: dict[str, Any] = {"id": f"{of}-{action}", "by": "li", "by_name": "李敏", "at": time.time()}
    return Judgement(alert=of, call=f"call-{of}", rule=rule, action=action, **(plain | more))


WEEK: list[AlertChange | Verdict] = [
    alert("right"),
    alert("wrong"),
    alert("nobody"),
    alert("reopened"),
    alert("on hold", OTHER),
    alert("on hold", OTHER, state="raised", severity="critical"),
    alert("on hold", OTHER, state="cleared"),
    alert("on hold", OTHER),  # delivered again
    alert("long ago", at=time.time() - 8 * DAY),
    verdict("right", "claimed"),
    verdict("right", "resolved"),
    verdict("wrong", "false_alarm", reason="misheard"),
    verdict("wrong", "false_alarm", reason="misheard"),
    verdict("reopened", "resolved"),
    verdict("reopened", "reopened"),
    verdict("on hold", "appealed", OTHER),
    verdict("on hold", "upheld", OTHER, reason="rule"),
    verdict("long ago", "false_alarm"),
    Snooze(id="s", rule=RULE, queue="", until=time.time() + 60, by="li", by_name="李敏", at=time.time()),
]
BROKEN = (b"", b"{", b"null", b'{"type": "judgement"}', b'{"id": 1}', b"\xff")


async def fill(bootstrap: str, prefix: str, folder: Path) -> None:
    async with System(bootstrap, prefix, folder) as system:
        for thing in WEEK:
            if isinstance(thing, AlertChange):
                await system.send_raw(thing.call.encode(), alerts.render(thing), topic="alerts")
            else:
                await system.send_raw(verdicts.key_of(thing).encode(), verdicts.render(thing), topic="verdicts")
        for value in BROKEN:
            await system.send_raw(b"broken", value, topic="alerts")
            await system.send_raw(b"broken", value, topic="verdicts")


def rows(done: Result) -> dict[str, dict[str, Any]]:
    assert done.code == 0, done.err
    return {row["id"]: row["last_7_days"] for row in map(json.loads, done.out.splitlines())}


def cells(done: Result, rule: str) -> list[str]:
    """The last four columns of a rule."""
    line = next(line for line in done.out.splitlines() if line.startswith(f"│ {rule} "))
    return [cell.strip() for cell in line.strip("│").split("│")][-4:]


def test_the_list_says_what_people_found_in_the_last_seven_days(
    rules: Run, kafka: str, prefix: str, tmp_path: Path
) -> None:
    asyncio.run(fill(kafka, prefix, tmp_path))
    listing = partial(rules, "list", SANSHENG_KAFKA=kafka, SANSHENG_TOPIC_PREFIX=prefix)
    found = rows(listing("--format", "ndjson"))
    assert found.pop(RULE) == {"right": 1, "wrong": 1, "open": 2, "precision": 0.5}
    assert found.pop(OTHER) == {"right": 0, "wrong": 1, "open": 0, "precision": 0.0}
    assert {tuple(figures.values()) for figures in found.values()} == {(0, 0, 0, None)}
    done = listing()
    assert done.err == ""
    assert cells(done, RULE) == ["1", "1", "2", "50%"]
    assert cells(done, OTHER) == ["0", "1", "0", "0%"]
    assert cells(done, "dead-air") == ["0", "0", "0", "–"]


@pytest.mark.timeout(60)
def test_without_a_broker_the_list_comes_at_once_with_dashes(rules: Run, nobody: str) -> None:
    done = rules("list", SANSHENG_KAFKA=nobody)
    assert done.code == 0
    assert cells(done, RULE) == ["–"] * 4
    assert done.err == f"right, wrong, open and precision are not known: no broker answers at {nobody}\n"
    assert set(rows(rules("list", "--format", "ndjson", SANSHENG_KAFKA=nobody)).values()) == {None}


@pytest.mark.timeout(60)
def test_who_listens_and_says_nothing_is_no_broker(rules: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        done = rules("list", SANSHENG_KAFKA=address)
    assert done.err == f"right, wrong, open and precision are not known: no broker answers at {address}\n"


def test_a_broker_without_the_topics_is_told_apart(rules: Run, kafka: str, prefix: str) -> None:
    done = rules("list", SANSHENG_KAFKA=kafka, SANSHENG_TOPIC_PREFIX=prefix)
    assert done.code == 0
    assert done.err == (
        "right, wrong, open and precision are not known: "
        f"the broker at {kafka} has no topic {prefix}verdicts, {prefix}alerts\n"
    )


def test_where_the_alerts_take_too_long_what_was_judged_is_told(
    rules: Run, kafka: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(fill(kafka, prefix, tmp_path))
    really = judged._read_topic

    async def slow(consumer: AIOKafkaConsumer, topic: str, *rest: Any) -> None:
        await really(consumer, topic, *rest)
        if topic.endswith("alerts"):
            await asyncio.sleep(60)

    monkeypatch.setattr(judged, "_read_topic", slow)
    monkeypatch.setattr(read_judged, "__defaults__", (2.0,))
    done = rules("list", SANSHENG_KAFKA=kafka, SANSHENG_TOPIC_PREFIX=prefix)
    assert cells(done, RULE) == ["1", "2", "–", "33%"]
    assert done.err == "there were more alerts than could be read in time: how many are open is not known\n"


def test_where_not_even_the_verdicts_come_in_time_nothing_is_told(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics.apply(kafka, topics.specs(PARTITIONS, prefix))
    monkeypatch.setenv("SANSHENG_KAFKA", kafka)
    monkeypatch.setenv("SANSHENG_TOPIC_PREFIX", prefix)
    with pytest.raises(UnansweredError, match="could not be read within 0 s"):
        read_judged(read_settings(), lambda _: None, limit_s=0)


def counted(things: Sequence[AlertChange | Verdict], *, whole: bool = True) -> dict[str, Precision]:
    count = Count(time.time() - 7 * DAY)
    take: dict[bool, Callable[[bytes], None]] = {True: count.take_alert, False: count.take_verdict}
    for thing in things:
        is_alert = isinstance(thing, AlertChange)
        take[is_alert](msgspec.json.encode(thing))
    return count.figures(whole=whole).rules


def test_verdicts_count_whether_they_are_read_before_their_alerts_or_after() -> None:
    expected = {RULE: Precision(1, 1, 2), OTHER: Precision(0, 1, 0)}
    assert counted(WEEK) == expected
    assert counted([*filter(lambda t: not isinstance(t, AlertChange), WEEK), *WEEK]) == expected


def test_of_alerts_that_are_not_all_known_only_the_judged_ones_count() -> None:
    assert counted([alert("a"), verdict("a", "claimed"), verdict("b", "resolved")], whole=False) == {
        RULE: Precision(1, 0, 0)
    }


def test_the_wall_counts_the_same_alerts_also_those_that_went_on_into_the_week() -> None:
    """A week is one by when an alert opened, whatever was told of it later."""
    now = time.time()
    wall = Wall(zone=ZoneInfo("Asia/Shanghai"), linger_s=600, now=now - 8 * DAY)
    opened = {"before": now - 7 * DAY - 60, "within": now - 7 * DAY + 60, "today": now - 60}
    told: list[AlertChange | Verdict] = []
    for name, at in opened.items():
        raised = alert(name, state="raised", severity="critical", at=min(now, at + DAY))
        told += [alert(name, at=at), raised, verdict(name, "resolved")]
    for thing in told:
        wall.take_alert(thing) if isinstance(thing, AlertChange) else wall.take_verdict(thing)
    board = Board(wall)
    board.collect(now)
    shown = {row.id: Precision(row.right, row.wrong, row.undecided) for row in board.snapshot()["rules"]}
    assert shown == counted(told) == {RULE: Precision(2, 0, 0)}
