"""Recogniser processes on a real broker: killed, shared out, left behind, fed with rubbish."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from asr.audio import Frame, encode
from asr.hearing import Hears, Left, Listener, Moment, Partition
from asr.holds import Holds
from asr.scripted import silence, speak
from asr.worker import COMMIT_EVERY_S, HEAD
from streams.events import (
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallResumed,
    Gap,
    SpeechStarted,
    Transcript,
    parse,
    render,
)
from streams.shell.kafka import free_port
from streams.shell.publisher import Message, Publisher
from tests.ears_tools import BEGUN, RATE, PlainEar, frames_of, leg_of, real_ear
from tests.shell_tools import PARTITIONS, System
from tests.test_broker_outage import Broker, broker

__all__ = ["broker"]  # a fixture

WORKER = "tests.scripted_worker"
KILLS = 50


@pytest.fixture
async def system(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[System]:
    async with System(kafka, prefix, tmp_path) as system:
        yield system


async def send(system: System, frames: Iterable[Frame]) -> None:
    """Put frames on ``audio``, all at once."""
    sent = [system.send_raw(frame.leg.encode(), encode(frame), topic="audio") for frame in frames]
    await asyncio.gather(*sent)


async def record(system: System, enough: Callable[[list[AnyEvent]], bool]) -> list[AnyEvent]:
    """What lies on ``calls`` once that is ``enough``."""
    messages = await system.read("calls", lambda seen: enough([parse(m.value) for m in seen]))
    return [parse(m.value) for m in messages]


async def all_told(system: System, wanted: set[bytes]) -> set[bytes]:
    """What lies on ``calls``, each line once, when nothing of ``wanted`` is missing any more."""
    messages = await system.read("calls", lambda seen: wanted <= {m.value for m in seen})
    return {m.value for m in messages}


def texts(events: Iterable[AnyEvent], call: str) -> list[str]:
    """Finished sentences of a call, each once, in order of time."""
    said = {(e.start, e.text) for e in events if isinstance(e, Transcript) and e.final and e.call == call}
    return [text for _, text in sorted(said)]


def gaps(events: Iterable[AnyEvent], call: str) -> list[str | None]:
    return [e.reason for e in events if isinstance(e, Gap) and e.call == call]


def truth(log: Iterable[Frame], ear: Callable[[Frame], Listener] = PlainEar) -> set[bytes]:
    """Every event that an ear which is never disturbed gives."""
    part = Partition(Hears(ear, Holds(), lambda: True, 20), Left({}, 0, 0.0))
    return {render(event) for frame in log for event in part.take(frame, Moment(0, 0.0, 0.0))}


def long_leg(call: str, seconds: float, dice: random.Random) -> list[Frame]:
    """Sentences of one to five seconds, each with its number in it."""
    pcm, n = b"", 0
    while len(pcm) < seconds * 2 * RATE:
        text = f"{call}{n:03}" + "一二三四五六七八九十"[: dice.randrange(11)] * 4
        pcm, n = pcm + silence(dice.uniform(0.5, 1.5)) + speak(text, 0.1), n + 1
    return list(frames_of(pcm[: round(seconds * RATE) * 2], call=call, begun=time.time()))


@pytest.mark.timeout(400)
async def test_workers_killed_at_fifty_moments_lose_nothing_and_tell_nothing_else(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Five systems side by side, for a broker misses the dead only after six seconds; in each two workers share the
    legs of three calls while people speak, and one of them is killed ten times.
    """
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(kill_ten_times(kafka, f"{prefix}{seed}-", tmp_path, seed)) for seed in range(5)]
    assert sum(run.result() for run in runs) > KILLS  # events told again: sentences were indeed cut in the middle


async def kill_ten_times(kafka: str, prefix: str, folder: Path, seed: int) -> int:
    dice = random.Random(seed)  # noqa: S311 - no secret
    (folder / prefix).mkdir()
    log = sorted((f for call in ("alpha", "beta", "gamma") for f in long_leg(call, 100.0, dice)), key=lambda f: f.end)
    wanted = truth(log, real_ear)
    async with System(kafka, prefix, folder / prefix) as system:
        workers = [start(system, "real") for _ in range(2)]
        feeding = asyncio.create_task(feed(system, log, seconds=100))
        for _ in range(KILLS // 5):
            await more_told(system)
            await asyncio.sleep(dice.uniform(0, 2))
            n = dice.randrange(2)
            system.kill(workers[n])
            workers[n] = start(system, "real")
        await feeding
        told = [render(event) for event in await record(system, lambda told: wanted <= {render(e) for e in told})]
    assert set(told) == wanted  # byte for byte: what was told again is the same
    return len(told) - len(wanted)


def start(system: System, ear: str = "plain", **more: str) -> Any:
    """A recogniser process; never behind unless told so: the machine may be busy."""
    return system.start(ear, module=WORKER, **{"METRICS__RECOGNISE": "0", "EARS__BEHIND_S": "300", **more})


async def more_told(system: System) -> None:
    """Wait until every worker hears and something new was said."""
    async with AIOKafkaConsumer(bootstrap_servers=system.bootstrap) as consumer:
        own = [TopicPartition(f"{system.prefix}calls", n) for n in range(PARTITIONS)]
        before = sum((await consumer.end_offsets(own)).values())
        while sum((await consumer.end_offsets(own)).values()) <= before + 3:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


async def feed(system: System, log: list[Frame], seconds: float) -> None:
    """Send frames evenly over that time."""
    begun = time.monotonic()
    for n in range(0, len(log), 10):
        await send(system, log[n : n + 10])
        await asyncio.sleep(max(0.0, begun + seconds * n / len(log) - time.monotonic()))


async def test_two_workers_share_the_legs_and_one_that_leaves_is_replaced_at_once(system: System) -> None:
    legs = [list(leg_of(["您好", "请讲", "再见"], call=f"call{n}")) for n in range(12)]
    workers = [start(system) for _ in range(2)]
    await hearing(system, 2)
    for leg in legs:
        await send(system, leg[:17])  # in the middle of the second sentence
    await record(system, lambda told: all(texts(told, f"call{n}") == ["您好"] for n in range(12)))
    system.kill(workers[0], signal.SIGTERM)
    for leg in legs:
        await send(system, leg[17:])
    wanted = truth(frame for leg in legs for frame in leg)
    assert await all_told(system, wanted) == wanted


async def test_what_the_topic_has_forgotten_before_anybody_heard_it_is_a_gap(system: System) -> None:
    leg = list(leg_of(["您好", "一二三四五六七八九十", "再见"], call="c"))
    worker = start(system)
    await hearing(system)
    await send(system, leg[:25])
    await record(
        system, lambda told: texts(told, "c") == ["您好"] and any(e.at >= leg[0].at(round(2.2 * RATE)) for e in told)
    )
    await asyncio.sleep(2 * COMMIT_EVERY_S)
    system.kill(worker)
    await send(system, leg[25:35])
    await expire(system)
    await send(system, leg[35:])
    start(system)
    told = await record(system, lambda told: "再见" in texts(told, "c"))
    [gap] = [event for event in told if isinstance(event, Gap)]
    assert (gap.reason, gap.start, gap.end) == ("expired", leg[0].at(round(2.2 * RATE)), leg[35].at(leg[35].offset))
    assert texts(told, "c") == ["您好", "再见"]


async def test_a_worker_without_cpu_skips_old_sound_says_so_and_is_up_to_date_again(system: System) -> None:
    port = free_port()
    start(system, "slow", EARS__BEHIND_S="3", METRICS__RECOGNISE=str(port))
    await hearing(system)
    leg = list(frames_of(speak("一二三四五六七八九十" * 12, 0.1), call="c", begun=time.time()))
    await feed(system, leg, 12)
    told = await record(system, lambda told: "behind" in gaps(told, "c") and bool(texts(told, "c")))
    beats = await system.read("heartbeats", lambda seen: any(not json.loads(m.value)["ok"] for m in seen))
    [why] = {beat["detail"] for m in beats if not (beat := json.loads(m.value))["ok"]}
    assert why.startswith("recogniser behind")
    figures = await asyncio.to_thread(scrape, port)
    assert figures["sansheng_ears_gap_seconds_total", "behind"] > 1
    assert figures["sansheng_ears_lag_seconds", ""] >= 0
    assert len("".join(texts(told, "c"))) < 120


async def test_what_is_no_frame_is_put_aside_without_its_sound_and_the_legs_hear_on(system: System) -> None:
    start(system)
    await hearing(system)
    leg = list(leg_of(["您好", "再见"], call="c"))
    loud = replace(leg[12], rate=16000, pcm=b"\x11\x11" * 40_000)
    for n, bad in enumerate([b"rubbish" * 1000, None, encode(loud), encode(replace(leg[12], pcm=b"\x11" * 801))]):
        await send(system, leg[5 * n : 5 * n + 5])
        await system.send_raw(b"c:agent", bad, topic="audio")
    await send(system, leg[20:])
    wanted = truth(leg)
    assert await all_told(system, wanted) == wanted
    letters = await system.read("dead-letters", lambda seen: len(seen) == 4)
    assert all(len(m.value) <= HEAD for m in letters)
    assert all(b"\x11\x11" not in m.value for m in letters[2:3])  # what can be told apart is left out whole
    assert all(dict(m.headers)["source"] == b"audio" for m in letters)


async def test_a_recogniser_that_fails_on_one_leg_leaves_a_gap_there_and_its_words_in_no_log(system: System) -> None:
    start(system, "broken")
    await hearing(system)
    await send(system, leg_of(["您好"], call="broken"))
    await send(system, leg_of(["您好"], call="c"))
    told = await record(system, lambda told: texts(told, "c") == ["您好"] and "fault" in gaps(told, "broken"))
    assert gaps(told, "c") == []
    assert "words that no log may tell" not in system.logs()


async def test_nothing_is_heard_while_the_phone_says_that_the_call_is_held(system: System) -> None:
    """The hold is told before its sound comes; one that was told before the worker began counts as well."""
    for call, begun in (("old", BEGUN), ("new", BEGUN + 100)):
        await system.send(CallAnswered(call=call, at=begun, agent="101"))
        await system.send(CallHeld(call=call, at=begun + 2))
        if call == "old":
            start(system)
            await hearing(system)
        await system.send(CallResumed(call=call, at=begun + 3))
        await asyncio.sleep(1)  # nothing tells when the worker has read it
        await send(system, leg_of(["您好", "音乐", "再见"], call=call, begun=begun))
    told = await record(system, lambda told: all("再见" in texts(told, call) for call in ("old", "new")))
    assert texts(told, "old") == texts(told, "new") == ["您好", "再见"]


async def test_silence_is_told_too_so_that_rules_about_missing_words_can_be_judged(system: System) -> None:
    start(system)
    await hearing(system)
    await send(system, frames_of(silence(5), call="c", begun=BEGUN))
    told = await record(
        system, lambda told: any(isinstance(e, Transcript) and (e.through or 0) >= BEGUN + 5 for e in told)
    )
    assert not [e for e in told if isinstance(e, SpeechStarted)]


async def test_a_client_that_went_away_in_mid_sentence_has_it_finished(system: System) -> None:
    start(system)
    await hearing(system)
    await system.send(CallEnded(call="c", at=BEGUN + 1.6, by="customer"))
    await asyncio.sleep(1)
    await send(system, list(leg_of(["一二三四五六"], call="c"))[:15])
    assert texts(await record(system, lambda told: bool(texts(told, "c"))), "c") == ["一二三四五"]


async def test_a_broker_that_is_killed_in_mid_sentence_costs_no_word(broker: Broker, tmp_path: Path) -> None:
    dice = random.Random(7)  # noqa: S311 - no secret
    log = sorted((f for call in ("alpha", "beta") for f in long_leg(call, 20.0, dice)), key=lambda f: f.end)
    wanted = truth(log)
    async with System(broker.address, "", tmp_path) as system:
        start(system)
        await hearing(system)
        async with Publisher(broker.address) as publisher:
            for n, frame in enumerate(log):
                await publisher.put(Message("audio", frame.leg.encode(), encode(frame)))
                await asyncio.sleep(0.03)
                if n == len(log) // 3:
                    await asyncio.to_thread(broker.kill)
                if n == len(log) // 2:
                    await asyncio.to_thread(broker.again)
            assert await all_told(system, wanted) == wanted


# ------------------------------------------------------------------------------------------------- tools


async def hearing(system: System, workers: int = 1) -> None:
    """Wait until so many workers share all partitions; their logs say how many each has."""
    async with asyncio.timeout(60):
        while not all(shares := shares_of(system, workers)) or sum(shares) != PARTITIONS:  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.1)


def shares_of(system: System, workers: int) -> list[int]:
    """How many partitions each worker took when they were last shared out."""
    logs = [file.read_text() for file in sorted(system.folder.glob("*.log"))]
    shares = [int(found[-1]) for log in logs if (found := re.findall(r"hears (\d+) partitions", log))]
    return shares + [0] * (workers - len(shares))


async def expire(system: System) -> None:
    """Have the broker forget all sound that it holds."""
    topic = f"{system.prefix}audio"
    async with AIOKafkaConsumer(bootstrap_servers=system.bootstrap) as consumer:
        ends = await consumer.end_offsets([TopicPartition(topic, n) for n in range(PARTITIONS)])
    admin = AIOKafkaAdminClient(bootstrap_servers=system.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({tp: RecordsToDelete(before_offset=end) for tp, end in ends.items() if end})
    finally:
        await admin.close()


def scrape(port: int) -> dict[tuple[str, str], float]:
    """What Prometheus would read: (name, the only label) -> value."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        families = text_string_to_metric_families(page.read().decode())
        return {(s.name, next(iter(s.labels.values()), "")): s.value for f in families for s in f.samples}
