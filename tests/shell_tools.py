"""Real workers and a real broker for the tests of the shell: start, kill, feed, collect."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams import alerts
from streams.alerts import AlertChange
from streams.events import AnyEvent, render
from streams.shell import topics

STRICT = Path(__file__).parent / "rulebooks" / "strict"
PARTITIONS = 4
PATIENCE_S = 90.0


class System:
    """Topics of one test on the shared broker, and whatever the test starts on them."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path) -> None:
        self.bootstrap, self.prefix, self.folder = bootstrap, prefix, folder
        self._children: list[subprocess.Popen[bytes]] = []
        self._killed: list[subprocess.Popen[bytes]] = []
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(topics.apply, self.bootstrap, topics.specs(PARTITIONS, self.prefix))
        self._producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._producer:
            await self._producer.stop()
        for child in self._children:
            child.kill()
            child.wait()

    def environment(self, **more: str) -> dict[str, str]:
        """What a process of this system needs; the strict rulebook, metrics off."""
        mine = {
            "KAFKA": self.bootstrap,
            "TOPIC_PREFIX": self.prefix,
            "PARTITIONS": str(PARTITIONS),
            "RUN_DIR": str(self.folder / "run"),
            "RULEBOOK": json.dumps([str(STRICT)]),
            "METRICS__DETECT": "0",
            "METRICS__ASTERISK": "0",
            "METRICS__WALL": "0",
            "METRICS__ARCHIVE": "0",
            **more,
        }
        return {**os.environ, **{f"SANSHENG_{name}": value for name, value in mine.items()}}

    def start(self, *arguments: str, module: str = "streams.cli", **more: str) -> subprocess.Popen[bytes]:
        """``sansheng <arguments>`` as a process of its own; its log lies beside the test."""
        log = (self.folder / f"{arguments[0]}-{len(self._children)}.log").open("wb")
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        self._children.append(child)
        return child

    def kill(self, child: subprocess.Popen[bytes], sign: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end."""
        self._killed.append(child)
        child.send_signal(sign)
        return child.wait(30)

    def _living(self) -> list[subprocess.Popen[bytes]]:
        return [child for child in self._children if child not in self._killed]

    def logs(self) -> str:
        """What the processes said, for a failing test's message."""
        return "\n".join(f"== {f.name}\n{f.read_text(errors='replace')[-3000:]}" for f in self.folder.glob("*.log"))

    async def send(self, event: AnyEvent) -> None:
        """Put an event on ``calls``, keyed by its call."""
        await self.send_raw(event.call.encode(), render(event))

    async def send_raw(
        self, key: bytes | None, value: bytes | None, partition: int | None = None, topic: str = "calls"
    ) -> None:
        """Put any bytes on ``calls``, or on another topic."""
        assert self._producer
        await self._producer.send_and_wait(f"{self.prefix}{topic}", value, key=key, partition=partition)

    async def read(self, topic: str, enough: Callable[[list[Any]], bool], patience_s: float = PATIENCE_S) -> list[Any]:
        """Everything on ``topic`` from its beginning until ``enough``; fails with the logs when that never comes."""
        seen: list[Any] = []
        consumer = AIOKafkaConsumer(
            f"{self.prefix}{topic}", bootstrap_servers=self.bootstrap, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            end = time.monotonic() + patience_s
            while not enough(seen):
                batch = await consumer.getmany(timeout_ms=200)
                seen += [message for messages in batch.values() for message in messages]
                assert not any(c.poll() for c in self._living()), f"a process died\n{self.logs()}"
                assert time.monotonic() < end, f"{len(seen)} messages on {topic}, not enough\n{self.logs()}"
            return seen
        finally:
            await consumer.stop()

    async def alerts(
        self, enough: Callable[[list[AlertChange]], bool], patience_s: float = PATIENCE_S
    ) -> list[AlertChange]:
        """All alert changes so far, as sent (doubles included), once there are ``enough``."""
        messages = await self.read("alerts", lambda seen: enough([alerts.parse(m.value) for m in seen]), patience_s)
        return [alerts.parse(m.value) for m in messages]

    async def alerts_by_now(self) -> list[AlertChange]:
        """Every alert change on the topic at this moment, as sent."""
        topic = f"{self.prefix}alerts"
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        await consumer.start()
        ends = await consumer.end_offsets([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
        await consumer.stop()
        return await self.alerts(lambda seen: len(seen) >= sum(ends.values()))

    async def working(self, workers: int = 1) -> None:
        """Wait until ``workers`` different workers have answered a heartbeat."""
        await self.read("heartbeats", lambda seen: len({json.loads(m.value)["instance"] for m in seen}) >= workers)


def at_the_edge(changes: Iterable[AlertChange]) -> list[tuple[str, str, str, str, float]]:
    """What a wall or pager makes of the changes: each once, whatever was sent twice."""
    return sorted({(c.call, c.rule, c.state, c.severity, round(c.at, 6)) for c in changes})
