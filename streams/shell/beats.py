"""Heartbeats on their topic: the one that a gateway or recogniser sends, and waiting for those of others."""

from __future__ import annotations

import time
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer

from streams import heartbeat
from streams.heartbeat import Component, Heartbeat
from streams.settings import Settings
from streams.shell.publisher import Message


def beat(settings: Settings, component: Component, instance: str, why_not: str, but: str = "") -> Message:
    """The process is alive, and does its work unless ``why_not`` says otherwise; ``but``: what else goes wrong."""
    detail = why_not or but
    told = Heartbeat(component=component, instance=instance, at=time.time(), ok=not why_not, detail=detail)
    return Message(settings.topic("heartbeats"), instance.encode(), heartbeat.render(told))


async def until_awake(settings: Settings, components: Iterable[Component]) -> None:
    """Return once each of them has said that it does its work."""
    waiting = set(components)
    consumer = AIOKafkaConsumer(
        settings.topic("heartbeats"), bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest"
    )
    async with consumer:
        while waiting:
            told = heartbeat.parse((await consumer.getone()).value or b"")
            waiting -= {told.component} if told.ok else set()
