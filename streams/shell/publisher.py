"""Ordered, acknowledged sending to Kafka for processes that are not Faust workers.

What was handed over is sent in order and again until the broker has acknowledged it; while the broker is
away it waits in memory, up to a limit, and then the sender waits.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

log = logging.getLogger("sansheng.publisher")

#: Messages that may wait for the broker; at 20 events a second that is over an hour.
QUEUE = 100_000
_BATCH = 500
_MAX_WAIT_S = 5.0


class Message(NamedTuple):
    """One message to send. The key decides the partition (murmur2)."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Publisher:
    """``async with Publisher(bootstrap) as publisher: await publisher.put(message)``."""

    def __init__(self, bootstrap: str) -> None:
        """``bootstrap``: host:port[,host:port]."""
        self._bootstrap = bootstrap
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUE)
        self._producer: AIOKafkaProducer | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            KafkaError: the broker cannot be reached.
        """
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, enable_idempotence=True, acks="all", linger_ms=0
        )
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        self._task = asyncio.create_task(self._send_forever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what still waits (at most 10 s) and disconnect."""
        try:
            async with asyncio.timeout(10):
                await self.flush()
        except TimeoutError:
            log.error("%d messages could not be sent before the end", self._queue.qsize())
        if self._task:
            self._task.cancel()
        if self._producer:
            await self._producer.stop()

    async def put(self, message: Message) -> None:
        """Hand a message over; waits only while the queue is full."""
        await self._queue.put(message)

    async def flush(self) -> None:
        """Wait until everything handed over has been acknowledged."""
        await self._queue.join()

    async def _send_forever(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._send_all(batch)
            for _ in batch:
                self._queue.task_done()

    async def _send_all(self, batch: list[Message]) -> None:
        """Send in order; after a failure everything from the failed message on goes again (doubles are harmless)."""
        wait_s = 0.1
        while batch:
            done = await self._send_some(batch)
            batch = batch[done:]
            if batch:
                log.warning("the broker does not take messages; %d wait, again in %.1f s", len(batch), wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _MAX_WAIT_S)

    async def _send_some(self, batch: list[Message]) -> int:
        assert self._producer is not None  # noqa: S101 - put() is only reachable inside the context
        try:
            pending = [await self._producer.send(m.topic, m.value, key=m.key, headers=list(m.headers)) for m in batch]
        except KafkaError as error:
            log.warning("not sent: %s", type(error).__name__)
            return 0
        results = await asyncio.gather(*pending, return_exceptions=True)
        return next((n for n, result in enumerate(results) if isinstance(result, BaseException)), len(batch))
