"""The Faust worker against a real broker: takeovers, redelivery, bad input, and the same alerts as replay."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from faust.exceptions import PartitionsMismatch
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from streams.alerts import AlertChange
from streams.events import (
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    render,
)
from streams.metrics import Metrics
from streams.replay import replay
from streams.rulebook.book import load
from streams.settings import Settings
from streams.shell.dead_letters import LARGEST
from streams.shell.detector import Detector
from streams.shell.kafka import free_port
from tests.shell_tools import PARTITIONS, PATIENCE_S, STRICT, System, at_the_edge

CALLS = [f"call-{n}" for n in range(12)]
HOLD_LIMIT_S = 5.0  # of the strict rulebook


@pytest.fixture
async def system(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[System]:
    async with System(kafka, prefix, tmp_path) as system:
        yield system


async def begin_calls(system: System) -> float:
    """Every call is answered and put on hold now; answers when."""
    now = time.time()
    for call in CALLS:
        for event in talking(call, now - 20):
            await system.send(event)
        await system.send(CallHeld(call=call, at=now))
    return now


def talking(call: str, at: float) -> list[AnyEvent]:
    return [
        CallOffered(call=call, at=at, queue="hotline"),
        AgentRinging(call=call, at=at, agent="101", agent_name="王芳"),
        CallAnswered(call=call, at=at + 2, agent="101"),
    ]


async def end_holds(system: System) -> float:
    now = time.time()
    for call in CALLS:
        await system.send(CallResumed(call=call, at=now))
    return now


def of(changes: list[AlertChange], state: str) -> dict[str, float]:
    """call -> stamp, in milliseconds precision."""
    return {c.call: round(c.at, 3) for c in changes if c.rule == "long-hold" and c.state == state}


def all_have(state: str):
    return lambda changes: set(of(changes, state)) == set(CALLS)


async def test_the_worker_gives_what_replay_gives(system: System) -> None:
    """Property 6: the same record, once live and once offline, twelve calls mixed together."""
    record = [event for n, call in enumerate(CALLS) for event in life(call, time.time() - 3600 + n)]
    record.sort(key=lambda event: event.at)
    expected = [c for c in replay(load([STRICT]), record) if isinstance(c, AlertChange)]
    system.start("detect")
    for event in record:
        await system.send(event)
    seen = await system.alerts(lambda changes: len(at_the_edge(changes)) >= len(at_the_edge(expected)))
    assert at_the_edge(seen) == at_the_edge(expected)
    assert {(c.id, c.says) for c in seen} == {(c.id, c.says) for c in expected}


def life(call: str, at: float) -> list[AnyEvent]:
    return [
        CallOffered(call=call, at=at, queue="hotline"),
        AgentRinging(call=call, at=at, agent="101"),
        CallAnswered(call=call, at=at + 4, agent="101"),
        CallHeld(call=call, at=at + 10),
        CallResumed(call=call, at=at + 300),
        CallEnded(call=call, at=at + 310, by="agent"),
    ]


async def test_a_second_worker_in_mid_hold_loses_and_doubles_nothing(system: System) -> None:
    """::

    worker A ─────────────────────────────
    worker B        ├─ joins, rebalance ──
    hold     0 s ────────── 5 s opened ────── resumed: cleared
    """
    system.start("detect")
    await system.working(1)
    held_at = await begin_calls(system)
    system.start("detect")
    await system.working(2)
    opened = await system.alerts(all_have("opened"))
    resumed_at = await end_holds(system)
    changes = await system.alerts(all_have("cleared"))
    assert set(of(opened, "opened").values()) == {round(held_at + HOLD_LIMIT_S, 3)}
    assert set(of(changes, "cleared").values()) == {round(resumed_at, 3)}
    holds = [edge for edge in at_the_edge(changes) if edge[1] == "long-hold"]
    assert len(holds) == 2 * len(CALLS)


async def test_a_worker_killed_in_mid_hold_is_replaced_without_a_loss(system: System) -> None:
    """kill -9 while every call is on hold; the survivor stamps each alert at its deadline, not at its takeover."""
    doomed = system.start("detect")
    await system.working(1)
    system.start("detect")
    await system.working(2)
    held_at = await begin_calls(system)
    await asyncio.sleep(1.5)
    system.kill(doomed)
    opened = await system.alerts(all_have("opened"))
    assert set(of(opened, "opened").values()) == {round(held_at + HOLD_LIMIT_S, 3)}
    await end_holds(system)
    changes = await system.alerts(all_have("cleared"))
    assert len([edge for edge in at_the_edge(changes) if edge[1] == "long-hold"]) == 2 * len(CALLS)


async def test_what_comes_in_while_nobody_has_the_partition_is_not_lost(system: System) -> None:
    """The partitions of the killed worker have no committed offset yet: nothing but a heartbeat was ever in them."""
    doomed = system.start("detect")
    await system.working(1)
    system.start("detect")
    await system.working(2)
    system.kill(doomed)
    held_at = await begin_calls(system)
    opened = await system.alerts(all_have("opened"))
    assert set(of(opened, "opened").values()) == {round(held_at + HOLD_LIMIT_S, 3)}


async def test_a_worker_stopped_and_started_in_mid_hold_finds_its_calls_in_the_table(system: System) -> None:
    first = system.start("detect")
    await system.working(1)
    held_at = await begin_calls(system)
    await asyncio.sleep(1.5)
    assert system.kill(first, signal.SIGTERM) == 0
    system.start("detect")
    opened = await system.alerts(all_have("opened"))
    assert set(of(opened, "opened").values()) == {round(held_at + HOLD_LIMIT_S, 3)}


async def test_events_delivered_again_change_nothing(system: System) -> None:
    """The group's offsets are set back to the beginning, as if no commit had ever been made."""
    worker = system.start("detect")
    await system.working(1)
    await begin_calls(system)
    await system.alerts(all_have("opened"))
    await end_holds(system)
    before = await system.alerts(all_have("cleared"))
    assert system.kill(worker, signal.SIGTERM) == 0
    await rewind(system)
    system.start("detect")
    await system.send(CallEnded(call=CALLS[0], at=time.time(), by="agent"))
    after = await system.alerts(lambda changes: any(c.rule == "agent-hung-up-first" for c in changes))
    assert [e for e in at_the_edge(after) if e[1] != "agent-hung-up-first"] == at_the_edge(before)


async def rewind(system: System) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.bootstrap, group_id=f"{system.prefix}sansheng-detect", enable_auto_commit=False
    )
    parts = [TopicPartition(f"{system.prefix}calls", p) for p in range(PARTITIONS)]
    await consumer.start()
    consumer.assign(parts)
    await consumer.commit({part: OffsetAndMetadata(0, "") for part in parts})
    await consumer.stop()


BAD = [
    (b"bad", b"{broken", "broken JSON"),
    (b"bad", b'{"type":"call.exploded","call":"bad","at":1}', "unknown event"),
    (b"bad", b'{"type":"call.answered","call":"bad","at":1}', "is missing"),
    (b"bad", b'{"type":"call.held","call":"bad","at":"noon"}', "Expected `float`"),
    (b"bad", b'{"type":"call.held","call":"bad","at":1795313624042}', "milliseconds"),
    (b"other", render(CallHeld(call="bad", at=1.0)), "key is not the call id"),
    (None, render(CallHeld(call="bad", at=1.0)), "key is not the call id"),
    (b"bad", render(CallHeld(call="bad", at=4e9)), "in the future"),
    (b"bad", None, "broken JSON"),
]


async def test_bad_messages_become_dead_letters_and_stop_nothing_else(system: System) -> None:
    system.start("detect")
    for key, value, _ in BAD:
        await system.send_raw(key, value, partition=0)
    await begin_calls(system)
    await system.alerts(all_have("opened"))
    letters = await system.read("dead-letters", lambda seen: len(seen) >= len(BAD))
    told = sorted((dict(m.headers)["reason"].decode(), m.value or None) for m in letters)
    assert len(told) == len(BAD)
    for (_, value, reason), (said, raw) in zip(sorted(BAD, key=lambda b: _reason(b, told)), told, strict=True):
        assert reason in said
        assert raw == value
    assert all(dict(m.headers)["source"].decode() == f"{system.prefix}calls" for m in letters)


def _reason(bad: tuple[bytes | None, bytes | None, str], told: list[tuple[str, bytes | None]]) -> int:
    return next(n for n, (said, raw) in enumerate(told) if bad[2] in said and raw == bad[1])


async def test_a_message_of_a_megabyte_is_cut_and_put_aside(system: System) -> None:
    """Garbage as large as a broker takes, and an event whose fields are: neither may stop the worker."""
    large = [b"x" * 1_000_000, render(CallOffered(call="bad", at=1.0, queue="q" * 600_000))]
    system.start("detect")
    for value in large:
        await system.send_raw(b"bad", value, partition=0)
    await begin_calls(system)
    await system.alerts(all_have("opened"))
    letters = await system.read("dead-letters", lambda seen: len(seen) >= len(large))
    assert [len(m.value or b"") for m in letters] == [LARGEST, LARGEST]
    assert [int(dict(m.headers)["cut_from"]) for m in letters] == [len(value) for value in large]


async def test_a_worker_refuses_topics_with_other_partitions_than_its_settings_say(system: System) -> None:
    worker = system.start("detect", PARTITIONS="8")
    assert await asyncio.to_thread(worker.wait, 30) == 1
    assert "partitions" in system.logs()
    assert "Traceback" not in system.logs()


async def test_what_waits_is_told_by_the_worker_that_has_the_partition_and_by_no_other(system: System) -> None:
    every = {(topic, str(partition)) for topic in ("calls", "subjects") for partition in range(PARTITIONS)}
    ports = free_port(), free_port()
    system.start("detect", METRICS__DETECT=str(ports[0]))
    await eventually(lambda: lags(ports[0]).keys() == every)
    system.start("detect", METRICS__DETECT=str(ports[1]))
    await eventually(lambda: lags(ports[1]) and lags(ports[0]).keys() ^ lags(ports[1]).keys() == every)
    await eventually(lambda: not any((lags(ports[0]) | lags(ports[1])).values()))


def lags(port: int) -> dict[tuple[str, str], float]:
    """Topic and partition -> what waits there."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            told = re.findall(
                r'^sansheng_lag_messages\{partition="(\d+)",topic="(\w+)"\} (\S+)$', answer.read().decode(), re.M
            )
    except (URLError, ConnectionError):  # it has only just been started
        return {}
    return {(topic, partition): float(behind) for partition, topic, behind in told}


async def eventually(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(true):
        assert time.monotonic() < end
        await asyncio.sleep(0.5)


async def test_an_idle_floor_stays_well(system: System) -> None:
    """Each partition hears from a heartbeat only every so often: that is no lack of progress."""
    system.start("detect")
    beats = await system.read("heartbeats", lambda seen: len(seen) > PARTITIONS + 1)
    assert [json.loads(m.value)["detail"] for m in beats] == [""] * len(beats)


async def test_the_changelog_is_compacted_and_nothing_else(system: System) -> None:
    """#176: a changelog that also deletes by time would forget calls that are still up."""
    system.start("detect")
    await system.working(1)
    admin = KafkaAdminClient(bootstrap_servers=system.bootstrap)
    name = f"{system.prefix}sansheng-detect-call-states-changelog"
    told = str(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)]))
    admin.close()
    assert "compact" in told
    assert "compact,delete" not in told


async def test_a_table_that_takes_nothing_ends_the_worker_and_puts_no_message_aside(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EndedError(BaseException):
        """The process would be gone."""

    lane = Detector(Settings(topic_prefix=prefix, run_dir=tmp_path), load([STRICT]), Metrics("detect")).calls
    [offered, *_] = talking("call-1", time.time())
    key, value = offered.call.encode(), render(offered)
    message = SimpleNamespace(key=key, value=value, topic="calls", partition=0, offset=7, timestamp=time.time())
    put_aside = AsyncMock()
    monkeypatch.setattr(lane, "_take", AsyncMock(side_effect=PartitionsMismatch("changelog has 0 partitions")))
    monkeypatch.setattr(lane, "_put_aside", put_aside)
    monkeypatch.setattr("os._exit", Mock(side_effect=EndedError))
    with pytest.raises(EndedError):
        await lane._handle(message)
    put_aside.assert_not_awaited()


async def test_heartbeats_travel_the_whole_way(system: System) -> None:
    system.start("detect")
    beats = await system.read("heartbeats", lambda seen: len(seen) >= 2)
    ticks = await system.read("calls", lambda seen: len(seen) >= 2)
    assert all(json.loads(m.value)["ok"] for m in beats)
    assert {json.loads(m.value)["type"] for m in ticks} == {"tick"}
