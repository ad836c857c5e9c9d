"""Consumers of the wall, without a group, for given partitions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.shell.clients import stop


def new_consumer(bootstrap: str, wait_ms: int = 200) -> AIOKafkaConsumer:
    """One that commits nothing; not started. ``wait_ms``: how long a fetch waits for more; other requests wait too."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=wait_ms,
        metadata_max_age_ms=30_000,
    )


@asynccontextmanager
async def open_consumer(bootstrap: str, partitions: Sequence[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer of these partitions; positions are still to be set. Raises KafkaError, OSError."""
    consumer = new_consumer(bootstrap, wait_ms=20)
    try:
        await consumer.start()
        consumer.assign(list(partitions))
        yield consumer
    finally:
        await stop(consumer)
