"""Writes verdicts and the audit to Kafka, each acknowledged by every replica before the sender hears that it is done.

:class:`streams.shell.publisher.Publisher` keeps what it cannot send and sends it later; a person at a screen must hear
at once that nothing was written, and try again. What timed out may still have been written: verdicts carry an id, and
one that comes twice counts once.
"""

from __future__ import annotations

import asyncio
import logging

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from dashboards.wall.records import UnavailableError
from streams import audit, verdicts
from streams.audit import Audit
from streams.settings import Settings
from streams.shell.clients import stop
from streams.shell.running import is_cancelled
from streams.verdicts import Verdict

log = logging.getLogger(__name__)

#: A broker that has not acknowledged within this long, seconds, does not answer.
ANSWER_S = 5.0
#: The client gives a message up before we do, so that it is not sent when nobody expects it any more.
_GIVE_UP_MS = 4000


class KafkaDesk:
    """Connects when something is first written, and anew after trouble. One event loop."""

    def __init__(self, settings: Settings) -> None:
        """Nothing happens before the first call."""
        self._bootstrap = settings.bootstrap
        self._verdicts, self._audit = settings.topic("verdicts"), settings.topic("audit")
        self._producer: AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()
        self._endings: set[asyncio.Task[None]] = set()

    async def judge(self, verdict: Verdict) -> None:
        """Returns when every replica has it. Raises UnavailableError, within about 5 s."""
        await self._write(self._verdicts, verdicts.key_of(verdict), verdicts.render(verdict))

    async def audit(self, entry: Audit) -> None:
        """Returns when every replica has it. Raises UnavailableError, within about 5 s."""
        await self._write(self._audit, entry.by, audit.render(entry))

    async def close(self) -> None:
        """Disconnect; what is written afterwards connects again."""
        self._drop(self._producer)
        if self._endings:
            await asyncio.wait(set(self._endings))

    async def _write(self, topic: str, key: str, value: bytes) -> None:
        producer = None
        try:
            async with asyncio.timeout(ANSWER_S):
                producer = await self._open()
                await producer.send_and_wait(topic, value, key=key.encode())
            return
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            reason = "the connection to the broker broke off"
        except (TimeoutError, KafkaError, OSError) as error:
            reason = type(error).__name__
        log.warning("kafka at %s: %s: not written: %s", self._bootstrap, topic, reason)
        self._drop(producer)
        raise UnavailableError(f"not written: {reason}")

    async def _open(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap, acks="all", request_timeout_ms=_GIVE_UP_MS
                )
                try:
                    await producer.start()
                except BaseException:
                    self._end(producer)
                    raise
                self._producer = producer
            return self._producer

    def _drop(self, producer: AIOKafkaProducer | None) -> None:
        """Have the next one connect anew; others may have done so already."""
        if producer is not None and producer is self._producer:
            self._producer = None
            self._end(producer)

    def _end(self, producer: AIOKafkaProducer) -> None:
        """Stopping waits for what is under way: not in the way of anybody."""
        task = asyncio.create_task(stop(producer))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
