"""The records of pages on the topic ``pages``: reading all of some partitions to their present end.

A record is known by the epoch of the turn that wrote it: one that a pager of an earlier turn still writes, because it
has not noticed yet that its partitions are another's, is passed over. A tombstone has its epoch in a header.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.pager import deciding
from streams.pager.deciding import PagerState
from streams.settings import Settings
from streams.shell.clients import CONNECT_TIMEOUT_S, LostError, stop

log = logging.getLogger("sansheng.pager")

#: All records are read within this time, seconds, or the broker is taken for gone.
READ_S = 60.0
_EPOCH = "epoch"

Pages = dict[str, PagerState]
Headers = Sequence[tuple[str, bytes]]


def headers(epoch: int) -> tuple[tuple[str, bytes], ...]:
    """Of a tombstone."""
    return ((_EPOCH, str(epoch).encode()),)


class Notes:
    """The records of one partition, folded in the order in which they were written."""

    def __init__(self) -> None:
        """None yet."""
        self.pages: Pages = {}
        self._forgotten: dict[str, int] = {}

    def note(self, name: str, value: bytes | None, told: Headers = ()) -> bool:
        """Fold one record in; ``told``: its headers. False: it cannot be read, and is passed over."""
        if value is None:
            self._forget(name, _epoch_of(told))
            return True
        try:
            state = deciding.parse(value)
        except msgspec.MsgspecError:
            log.error("a record of a page cannot be read and is passed over (a pager of a later version?)")
            return False
        if name == state.id and state.epoch >= self._epoch(name):
            self.pages[name] = state
        return True

    def _forget(self, name: str, epoch: int | None) -> None:
        if epoch is None:  # somebody else's hand: believed
            self.pages.pop(name, None)
        elif epoch >= self._epoch(name):
            self.pages.pop(name, None)
            self._forgotten[name] = epoch

    def _epoch(self, name: str) -> int:
        """Of the newest turn that has said something of that page."""
        held = self.pages[name].epoch if name in self.pages else 0
        return max(held, self._forgotten.get(name, 0))


def _epoch_of(told: Headers) -> int | None:
    value = dict(told).get(_EPOCH, b"")
    return int(value) if value.isdigit() else None


async def read(
    settings: Settings, partitions: Iterable[int], unreadable: Callable[[], None] = lambda: None
) -> dict[int, Pages]:
    """The newest record of each page. Raises LostError, KafkaError, OSError, TimeoutError."""
    topic = settings.topic("pages")
    own = [TopicPartition(topic, number) for number in partitions]
    found = {tp.partition: Notes() for tp in own}
    if not own:
        return {}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await consumer.start()
        async with asyncio.timeout(READ_S):
            await _read(consumer, own, found, unreadable)
    except TimeoutError:
        raise LostError(f"the records of pages could not be read within {READ_S:g} s") from None
    finally:
        await stop(consumer)
    return {number: notes.pages for number, notes in found.items()}


async def _read(
    consumer: AIOKafkaConsumer, own: list[TopicPartition], found: dict[int, Notes], unreadable: Callable[[], None]
) -> None:
    consumer.assign(own)
    ends = await consumer.end_offsets(own)
    await consumer.seek_to_beginning(*own)
    behind = {tp for tp in own if await consumer.position(tp) < ends[tp]}
    while behind:
        batch = await consumer.getmany(*behind, timeout_ms=100)
        for tp, messages in batch.items():
            for message in messages:
                name = (message.key or b"").decode(errors="replace")
                if not found[tp.partition].note(name, message.value, message.headers):
                    unreadable()
        behind = {tp for tp in behind if await consumer.position(tp) < ends[tp]}
