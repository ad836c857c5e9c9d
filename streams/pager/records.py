"""The records of pages on the topic ``pages``: reading all of some partitions to their present end.

A record is known by the epoch of the turn that wrote it: one that a pager of an earlier turn still writes, because it
has not noticed yet that its partitions are another's, is passed over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.pager import deciding
from streams.pager.deciding import PagerState
from streams.settings import Settings
from streams.shell.clients import CONNECT_TIMEOUT_S, LostError, stop

log = logging.getLogger("sansheng.pager")

#: All records are read within this time, seconds, or the broker is taken for gone.
READ_S = 60.0

Pages = dict[str, PagerState]


async def read(
    settings: Settings, partitions: Iterable[int], unreadable: Callable[[], None] = lambda: None
) -> dict[int, Pages]:
    """The newest record of each page. Raises LostError, KafkaError, OSError, TimeoutError."""
    topic = settings.topic("pages")
    own = [TopicPartition(topic, number) for number in partitions]
    found: dict[int, Pages] = {tp.partition: {} for tp in own}
    if not own:
        return found
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
    return found


async def _read(
    consumer: AIOKafkaConsumer, own: list[TopicPartition], found: dict[int, Pages], unreadable: Callable[[], None]
) -> None:
    consumer.assign(own)
    ends = await consumer.end_offsets(own)
    await consumer.seek_to_beginning(*own)
    behind = {tp for tp in own if await consumer.position(tp) < ends[tp]}
    while behind:
        batch = await consumer.getmany(*behind, timeout_ms=100)
        for tp, messages in batch.items():
            for message in messages:
                if not note(found[tp.partition], (message.key or b"").decode(errors="replace"), message.value):
                    unreadable()
        behind = {tp for tp in behind if await consumer.position(tp) < ends[tp]}


def note(pages: Pages, name: str, value: bytes | None) -> bool:
    """Fold one record in; False: it cannot be read, and is passed over."""
    if value is None:
        pages.pop(name, None)
        return True
    try:
        state = deciding.parse(value)
    except msgspec.MsgspecError:
        log.error("a record of a page cannot be read and is passed over (a pager of a later version?)")
        return False
    if name == state.id and state.epoch >= (pages[name].epoch if name in pages else 0):
        pages[name] = state
    return True
