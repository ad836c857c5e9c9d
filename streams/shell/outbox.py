"""What a worker sends, and that it arrives: everything waits for the broker's acknowledgement, however long."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import faust
from aiokafka.partitioner import murmur2

from streams import alerts, events, heartbeat
from streams.alerts import AlertChange
from streams.events import AnyEvent, Mark, Tick
from streams.heartbeat import Heartbeat
from streams.metrics import Figures
from streams.settings import Settings
from streams.shell.dead_letters import DeadLetter

log = logging.getLogger("sansheng.detect")


def partition_of(key: bytes, partitions: int) -> int:
    """Where every producer of the system puts a key (murmur2, as Kafka's own clients do)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class Outbox:
    """The topics that a worker writes to."""

    def __init__(self, app: faust.App, settings: Settings) -> None:
        """Nothing is sent before ``app`` runs."""
        self._app, self._settings = app, settings
        self._alerts = self.topic("alerts")
        self._subjects = self.topic("subjects")
        self._dead_letters = self.topic("dead-letters")
        self._heartbeats = self.topic("heartbeats")

    def topic(self, name: str) -> Any:
        """A topic of this system, of raw bytes."""
        return self._app.topic(
            self._settings.topic(name),
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            allow_empty=True,
        )

    async def alert(self, change: AlertChange, cause: AnyEvent, figures: Figures) -> None:
        """Put an alert's change where its call lives, so that all changes of one alert come in order; one across calls
        stays with the call that opened it. ``cause`` brought it.
        """
        await self._keyed(self._alerts, change.call, alerts.render(change))
        figures.count("sansheng_alerts_total", change.rule, change.severity, change.state)
        if not isinstance(cause, Tick):  # how late a tick was is counted where it arrives
            figures.observe("sansheng_event_to_alert_seconds", max(0.0, time.time() - change.at))

    async def mark(self, mark: Mark, figures: Figures) -> None:
        """Tell a subject what one of its calls has contributed."""
        await self._keyed(self._subjects, mark.call, events.render(mark))
        figures.count("sansheng_marks_total", mark.rule)

    async def letter(self, letter: DeadLetter) -> None:
        """Put aside what cannot be read."""
        await self._send(self._dead_letters, letter.source.encode(), letter.value, None, headers=letter.headers())

    async def beat(self, beat: Heartbeat) -> None:
        """Prove that this process works."""
        await self._send(self._heartbeats, beat.instance.encode(), heartbeat.render(beat), 0)

    async def _keyed(self, topic: Any, key: str, value: bytes) -> None:
        await self._send(topic, key.encode(), value, partition_of(key.encode(), self._settings.partitions))

    async def _send(self, topic: Any, key: bytes, value: bytes, partition: int | None, **more: Any) -> None:
        """Send and wait for the broker's acknowledgement, however long it takes: nothing may be lost."""
        wait_s = 0.1
        while True:
            try:
                await (await topic.send(key=key, value=value, partition=partition, **more))
                return
            except Exception as error:
                log.warning("%s: not sent (%s), again in %.1f s", topic.get_topic_name(), type(error).__name__, wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, 5.0)
