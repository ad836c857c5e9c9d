"""The Faust worker on a backlog of calls, against a bare consumer that reads the same topic."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.fold import telephony
from streams.events import parse
from streams.shell import topics

PREFIX = "bench-worker-"
PARTITIONS = 4


async def run(bootstrap: str) -> list[tuple[str, str, str]]:
    """Rows of the table."""
    topics.apply(bootstrap, topics.specs(PARTITIONS, PREFIX))
    sent = await fill(bootstrap, telephony())
    bare = await drain(bootstrap, sent)
    faust = await worker(bootstrap, sent)
    return [
        ("bare aiokafka consumer, parse only (baseline)", f"{bare:,.0f} events/s", "1.00"),
        ("sansheng detect: step, table, alerts acknowledged", f"{faust:,.0f} events/s", f"{faust / bare:.2f}"),
    ]


async def fill(bootstrap: str, messages: list[bytes]) -> int:
    """Put the backlog on ``calls``."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20) as producer:
        sent = [await producer.send(f"{PREFIX}calls", m, key=parse(m).call.encode()) for m in messages]
        await asyncio.gather(*sent)
    return len(messages)


async def drain(bootstrap: str, expected: int) -> float:
    """Read it all without doing anything."""
    consumer = AIOKafkaConsumer(f"{PREFIX}calls", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        begun, seen = time.perf_counter(), 0
        async for message in consumer:
            parse(message.value or b"")
            seen += 1
            if seen == expected:
                return expected / (time.perf_counter() - begun)
    raise AssertionError("the backlog ended early")


async def worker(bootstrap: str, expected: int) -> float:
    """From the first event that was processed to the last: start-up is left out."""
    with tempfile.TemporaryDirectory() as folder:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streams.cli", "detect", "--kafka", bootstrap),
            env={
                **os.environ,
                "SANSHENG_TOPIC_PREFIX": PREFIX,
                "SANSHENG_PARTITIONS": str(PARTITIONS),
                "SANSHENG_RUN_DIR": folder,
                "SANSHENG_METRICS__DETECT": "0",
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            return await changelog_rate(bootstrap, expected)
        finally:
            child.kill()
            await child.wait()


async def changelog_rate(bootstrap: str, expected: int) -> float:
    """Each event writes its call's state once: the changelog's own time stamps tell the pace."""
    name = f"{PREFIX}sansheng-detect-call-states-changelog"
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", metadata_max_age_ms=500)
    async with consumer:
        consumer.subscribe([name])
        first, last, seen = float("inf"), 0.0, 0
        async for message in consumer:
            first, last, seen = min(first, message.timestamp), max(last, message.timestamp), seen + 1
            if seen >= expected:
                return seen / max(last - first, 1) * 1000
    raise AssertionError("the changelog ended early")
