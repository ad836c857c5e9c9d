"""Clients that read partitions without a group: which there are, and how a client is stopped without waiting long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.shell.running import is_cancelled

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S, STOP_TIMEOUT_S = 10.0, 5.0


class LostError(Exception):
    """The topics cannot be read (any more); the message says why, for the operator."""


async def partitions_of(bootstrap: str, topics: Sequence[str]) -> list[TopicPartition]:
    """Every partition of those topics. Raises LostError where a topic is missing, KafkaError, OSError, TimeoutError."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await client.bootstrap()
            cluster = await client.fetch_all_metadata()
    finally:
        await client.close()
    found = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
    if missing := [topic for topic, numbers in found.items() if not numbers]:
        raise LostError(f"topics missing: {', '.join(missing)} (run `sansheng topics apply`)")
    return [TopicPartition(topic, number) for topic, numbers in found.items() for number in sorted(numbers)]


async def stop(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Stop, but do not wait for ever for a broker that is gone, nor take its troubles for ours."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await client.stop()
    except asyncio.CancelledError:
        if is_cancelled():
            raise
    except (TimeoutError, KafkaError, OSError) as error:
        log.debug("%s did not stop: %s", type(client).__name__, error)
