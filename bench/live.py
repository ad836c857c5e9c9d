"""How soon the wall knows: recorded PBX → AMI client → Kafka → Faust → websocket, in real time.

Two kinds of delay are told apart: of what an event brought about (from the moment at which the PBX said it),
and of what time alone brought about (from the deadline; the lateness of timers). The baseline is a message
that only travels through the broker.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.lab.score import quantile
from streams.settings import Settings
from streams.shell import topics
from streams.shell.kafka import free_port
from streams.telephony.pbx import Programme, RecordedPbx
from tests.wall_client import Screen, Seen

PREFIX = "bench-live-"
CAPTURES = sorted(Path("tests/traces/asterisk").glob("*.jsonl"))
LIMITS = Path("tests/rulebooks/live")
TOKEN = "bench"  # noqa: S105 - of a wall on loopback
SECONDS = 60.0
TIMED = ("ring-over-three", "long-hold", "transfer-wait")


async def run(bootstrap: str) -> list[tuple[str, str, str]]:
    """Rows of the table."""
    topics.apply(bootstrap, topics.specs(16, PREFIX))
    base = await through_kafka(bootstrap)
    seen = await watch(bootstrap)
    # opened at a deadline carries it as `at`; a raise is stamped by the screen and tells nothing here
    timers = [s.seen_at - s.at for s in seen if s.rule in TIMED and s.state == "opened"]
    events = [s.seen_at - s.at for s in seen if s.state == "cleared" or s.rule not in TIMED]
    held_back = [s.seen_at - s.at for s in seen if s.state == "cleared" and s.rule == "long-hold"]
    delay = Settings.model_fields["tick_delay_s"].default
    return [
        row("through Kafka only (baseline)", base, base),
        row("event to wall", events, base),
        row("  of these, ends of a hold: held back 0.15 s on purpose", held_back, base),
        row("  all others", [e for e in events if e not in held_back], base),
        row("deadline to wall (timers)", timers, base),
        row(f"  beyond the chosen tick_delay_s of {delay * 1000:.0f} ms", [t - delay for t in timers], base),
    ]


def row(what: str, delays: list[float], base: list[float]) -> tuple[str, str, str]:
    """p50 and p99 in ms, and the medians' ratio."""
    p50, p99 = quantile(delays, 0.5), quantile(delays, 0.99)
    figure = f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, n {len(delays)}"
    return what, figure, f"{p50 / quantile(base, 0.5):.1f}"


async def through_kafka(bootstrap: str, messages: int = 200) -> list[float]:
    """Delays of messages that are produced, acknowledged and read again, at the pace of a busy floor."""
    topic, delays = f"{PREFIX}verdicts", list[float]()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="latest")
    async with consumer, AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await consumer.seek_to_end()
        await producer.send_and_wait(topic, b"0")
        await consumer.getone()
        for _ in range(messages):
            sent = time.time()
            await producer.send(topic, str(sent).encode())
            message = await consumer.getone()
            delays.append(time.time() - float(message.value or b"0"))
            await asyncio.sleep(0.02)
    return delays


async def watch(bootstrap: str) -> list[Seen]:
    """Play all captures side by side and note when each change of an alert reached a screen."""
    port, screen = free_port(), None
    with tempfile.TemporaryDirectory() as folder:
        async with RecordedPbx(CAPTURES, port=0, programme=Programme(together=True, stagger_s=1)) as pbx:
            children = [start(name, bootstrap, folder, pbx.port, port) for name in ("detect", "wall", "asterisk")]
            try:
                screen = Screen(port, TOKEN)
                async with asyncio.timeout(SECONDS):
                    await follow(screen)
            except TimeoutError:
                pass
            finally:
                for child in children:
                    child.kill()
                    child.wait()
    return screen.seen if screen else []


async def follow(screen: Screen) -> None:
    """Try until the wall answers, then watch for ever."""
    while True:
        try:
            await screen.follow(lambda _: False)
        except OSError:
            await asyncio.sleep(0.2)


def start(name: str, bootstrap: str, folder: str, pbx_port: int, wall_port: int) -> subprocess.Popen[bytes]:
    """One process of the system."""
    mine = {
        "KAFKA": bootstrap,
        "TOPIC_PREFIX": PREFIX,
        "RUN_DIR": folder,
        "RULEBOOK": f'["{LIMITS}"]',
        "WALL__PORT": str(wall_port),
        "WALL__TOKEN": TOKEN,
        "ASTERISK__PORT": str(pbx_port),
        "ASTERISK__SECRET": "secret",
        **{f"METRICS__{process}": "0" for process in ("DETECT", "ASTERISK", "WALL")},
    }
    environment = {**os.environ, **{f"SANSHENG_{key}": value for key, value in mine.items()}}
    command = [sys.executable, "-m", "streams.cli", name]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
