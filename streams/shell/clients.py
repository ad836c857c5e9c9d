"""Clients that read partitions without a group: which there are, and how a client is stopped without waiting long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Never

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.shell.kafka import BrokerError
from streams.shell.running import is_cancelled

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S, STOP_TIMEOUT_S = 10.0, 5.0
#: Between two tries to read on, seconds.
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)


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


async def follow_forever(
    follow: Callable[[], Awaitable[None]], place: Callable[[], object], lost: Callable[[str], None]
) -> Never:
    """Follow anew whenever that breaks off, until cancelled.

    ``place``: how far it has come, by value; where it moved between two breaks, the back-off begins anew. ``lost`` is
    told why it broke off.
    """
    tries = 0
    while True:
        before, reason = place(), ""
        try:
            await follow()
        except asyncio.CancelledError:  # aiokafka lets it out of its own tasks
            if is_cancelled():
                raise
            reason = "the connection to the broker broke off"
        except (LostError, BrokerError, KafkaError, OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
        lost(reason)
        tries = 0 if place() != before else tries
        await asyncio.sleep(BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)])
        tries += 1


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
