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

from streams.shell.running import is_cancelled

log = logging.getLogger("sansheng.publisher")

#: Messages that may wait for the broker; at 20 events a second that is over an hour.
QUEUE = 100_000
_BATCH = 500
#: A broker takes 1 MiB with key and headers.
LARGEST = 900_000
_MAX_WAIT_S = 5.0
_PATIENCE_S = 10.0


class Message(NamedTuple):
    """One message to send. The key decides the partition (murmur2) where none is given; no value: a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


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
        self._producer = self._new_producer()
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
        """Hand a message over; waits only while the queue is full.

        Raises:
            ValueError: the message is too large for a broker.
            RuntimeError: nothing is sent any more (a fault of ours); better to end than to collect in silence.
        """
        if message.value is not None and len(message.value) > LARGEST:
            raise ValueError(f"a message of {len(message.value)} bytes; at most {LARGEST}")
        if self._task is None or self._task.done():
            raise RuntimeError("the publisher has ended")
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
            pending = [await self._begin(self._producer, message) for message in batch]
            results = await asyncio.gather(*pending, return_exceptions=True)
        except (KafkaError, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            results = [error]
        failed = next((n for n, result in enumerate(results) if isinstance(result, BaseException)), len(batch))
        if failed < len(batch):
            log.warning("not sent: %s", type(results[failed]).__name__)
            await self._renew()
        return failed

    @staticmethod
    async def _begin(producer: AIOKafkaProducer, message: Message) -> asyncio.Future[None]:
        topic, key, value, headers, partition = message
        begun: asyncio.Future[None] = await producer.send(
            topic, value, key=key, headers=list(headers), partition=partition
        )
        return begun

    async def _renew(self) -> None:
        """A producer that has lost its sequence never recovers: a new one takes its place."""
        old, self._producer = self._producer, self._new_producer()
        for end in (old.stop, self._producer.start) if old else (self._producer.start,):
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await end()
            except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
                if is_cancelled():
                    raise
                log.warning("the broker does not answer: %s", type(error).__name__)

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(bootstrap_servers=self._bootstrap, enable_idempotence=True, acks="all", linger_ms=0)
