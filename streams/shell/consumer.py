"""Faust's consumer with two holes mended, through which messages were lost while partitions change hands.

Faust then throws away what it has fetched already and goes back to the committed offset.

- For a partition without one (a new system, a topic in which little happens) aiokafka goes back to nowhere: it reads
  on behind the messages that were thrown away. Here it goes back to the beginning.
- Faust throws away *after* it has gone back, while its fetcher reads: what arrives in between is thrown away as well,
  and never read again. Here nothing gets into the streams from before it goes back until they are cleared; Faust lets
  the flow go on right afterwards, whoever asked for it.

What had been worked off and comes again is known by its offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import faust
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP


class _Thread(driver.AIOKafkaConsumerThread):
    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Called by Faust after a rebalance and whenever it throws messages away."""
        self.app.flow_control.suspend()
        found: Mapping[TP, int] = await self.call_thread(self._seek)
        return found

    async def _seek(self) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()
        try:
            committed: Mapping[TP, int] = await consumer.seek_to_committed()
        except IllegalStateError:  # partitions left while it asked for their offsets: the next rebalance seeks again
            return {}
        changelogs, own = self.app.tables.changelog_topics, consumer.assignment()
        for tp, offset in committed.items():
            if not offset and tp in own and tp.topic not in changelogs:  # changelogs are never committed
                consumer.seek(tp, 0)
        return committed


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class Transport(driver.Transport):
    """Faust's Kafka transport with that consumer."""

    Consumer: ClassVar[Any] = _Consumer


def mend(app: faust.App) -> None:
    """Have ``app``, which has not been used yet, consume without the hole."""
    app.transport = Transport(app.conf.broker_consumer, app)
