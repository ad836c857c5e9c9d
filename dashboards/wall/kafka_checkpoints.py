"""Checkpoints of the walls on the ``wall`` topic: the newest is found at a start, and now and then one is written.

Any wall may use what any other has written. Which of them writes is not agreed on: whoever finds that the newest one is
``EVERY_S`` old writes, and some jitter sees to it that it is mostly one. Two at a time do no harm.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from dashboards.wall import pieces
from dashboards.wall.kafka_tools import open_consumer
from dashboards.wall.pieces import BrokenError, Checkpoint, Offsets, Piece
from streams.settings import Settings
from streams.shell.running import is_cancelled

log = logging.getLogger(__name__)

#: The newest checkpoint is to be about this young, seconds.
EVERY_S = 60.0
#: And no younger than this for each of its pieces, seconds: at most some 4 GB of them are written in a day.
PIECE_S = 10.0
#: The first one comes so long after a start, seconds: a wall that has just read a day still holds what it will put
#: away within a minute (``dashboards.wall.state.FORGET_EVERY_S``).
FIRST_S = 70.0
#: Up to this much longer, seconds, so that walls do not write together.
JITTER_S = 10.0
#: An older one is not worth the reading behind it, seconds.
OLDEST_S = 86_400.0
#: Looking for one may take this long, seconds; then the wall reads everything.
FIND_S = 15.0
WRITE_S = 20.0
#: Messages that are looked through at a time, from the end backwards; each time twice as many.
BLOCK, LARGEST_BLOCK = 8, 64

#: A state, or what packs it.
State = bytes | Callable[[], bytes]


class KafkaCheckpoints:
    """The ``wall`` topic of one broker, as seen by walls of one ``kind``."""

    def __init__(self, settings: Settings, kind: str, clock: Callable[[], float] = time.time) -> None:
        """``kind``: see ``Checkpoint``; ``clock``: Unix seconds."""
        self._bootstrap, self._kind, self._clock = settings.bootstrap, kind, clock
        self._partition = TopicPartition(settings.topic("wall"), 0)

    async def newest_first(self) -> AsyncGenerator[Checkpoint]:
        """Every usable checkpoint of the last day, the newest first; those that are none are said in the log.

        Raises KafkaError, OSError.
        """
        async with open_consumer(self._bootstrap, [self._partition]) as consumer:
            first, end = await self._bounds(consumer)
            cut_off, block = list[Piece](), BLOCK
            while end > first:
                start = max(first, end - block)
                found = await self._pieces(consumer, start, end)
                groups = [g for g in pieces.newest_first([*found, *cut_off]) if self._is_ours(g[0])]
                begun = [g for g in groups if start == first or any(piece.part == 0 for piece in g)]
                for group in begun:
                    if checkpoint := self._joined(group):
                        yield checkpoint
                if found and found[0].at < self._clock() - OLDEST_S:
                    return
                cut_off = [piece for group in groups if group not in begun for piece in reversed(group)]
                end, block = start, min(2 * block, LARGEST_BLOCK)

    async def keep(self, take: Callable[[], tuple[Offsets, State]]) -> None:
        """See that there is always a young one, until cancelled. ``take``: offsets and state of this moment."""
        await asyncio.sleep(FIRST_S)
        while True:
            wait_s = EVERY_S
            try:
                wait_s = await self._until_due()
                if wait_s <= 0:
                    await self._write(*take())
                    wait_s = EVERY_S
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
            except Exception as error:  # a wall without checkpoints is slower at its next start, and no worse
                log.warning("no checkpoint was written: %s", str(error) or type(error).__name__)
            await asyncio.sleep(wait_s + random.uniform(0, JITTER_S))  # noqa: S311 - not for secrets

    async def _until_due(self) -> float:
        """How long until one must be written, seconds; the newest message tells."""
        async with asyncio.timeout(FIND_S), open_consumer(self._bootstrap, [self._partition]) as consumer:
            first, end = await self._bounds(consumer)
            newest = await self._pieces(consumer, max(first, end - 1), end)
        if not newest or not self._is_ours(newest[0]) or not newest[0].is_last:
            return 0.0
        return newest[0].at + max(EVERY_S, PIECE_S * newest[0].count) - self._clock()

    async def _write(self, offsets: Offsets, state: State) -> None:
        begun, at = time.monotonic(), self._clock()
        packed = await asyncio.to_thread(state) if callable(state) else state
        messages = pieces.cut(Checkpoint(at, self._kind, offsets, packed))
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, acks="all", request_timeout_ms=10_000)
        async with asyncio.timeout(WRITE_S):
            try:
                await producer.start()
                for message in messages:
                    await producer.send_and_wait(self._partition.topic, message, partition=0)
            finally:
                await producer.stop()
        log.info("checkpoint of %d bytes written in %.1f s", len(packed), time.monotonic() - begun)

    async def _bounds(self, consumer: AIOKafkaConsumer) -> tuple[int, int]:
        first = await consumer.beginning_offsets([self._partition])
        end = await consumer.end_offsets([self._partition])
        return first[self._partition], end[self._partition]

    async def _pieces(self, consumer: AIOKafkaConsumer, start: int, end: int) -> list[Piece]:
        """What can be read of the messages from ``start`` to before ``end``."""
        found = list[Piece]()
        if start < end:
            consumer.seek(self._partition, start)
        while start < end:
            for message in (await consumer.getmany(timeout_ms=500)).get(self._partition, []):
                start = message.offset + 1
                if message.offset < end and (piece := self._piece(message.offset, message.value or b"")):
                    found.append(piece)
        return found

    def _piece(self, offset: int, message: bytes) -> Piece | None:
        try:
            return pieces.parse(message)
        except BrokenError as error:
            log.warning("checkpoint passed over at offset %d: %s", offset, error)
            return None

    def _is_ours(self, piece: Piece) -> bool:
        if piece.kind != self._kind and piece.is_last:
            log.info("checkpoint %s passed over: of another kind of wall", piece.id[:8])
        return piece.kind == self._kind

    def _joined(self, group: list[Piece]) -> Checkpoint | None:
        if group[0].at < self._clock() - OLDEST_S:
            return None
        try:
            return pieces.join(group)
        except BrokenError as error:
            log.warning("checkpoint %s passed over: %s", group[0].id[:8], error)
            return None
