"""Writes verdicts and the audit to Kafka, each acknowledged by every replica before the sender hears that it is done.

:class:`streams.shell.publisher.Publisher` keeps what it cannot send and sends it later; a person at a screen must hear
at once that nothing was written, and try again. What timed out may still have been written: verdicts carry an id, and
one that comes twice counts once.

Connecting takes five round trips, more than a slow broker makes while somebody waits: it begins with the wall, and goes
on when who wanted to write has given up.
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
#: A broker that takes longer to connect to, seconds, is tried anew.
_CONNECT_S = 30.0
#: What is done at once goes out at once, however long the texts: a partition's second batch waits for its first.
_LINGER_MS, _BATCH_BYTES = 5, 256 * 1024


class KafkaDesk:
    """Connects when it is told to, at the latest when something is written, and anew after trouble. One event loop."""

    def __init__(self, settings: Settings) -> None:
        """Nothing happens before the first call."""
        self._bootstrap = settings.bootstrap
        self._verdicts, self._audit = settings.topic("verdicts"), settings.topic("audit")
        self._connection: asyncio.Task[AIOKafkaProducer] | None = None
        self._endings: set[asyncio.Task[None]] = set()

    def connect(self) -> None:
        """Begin to, where it is not begun; returns at once. The first to write need not wait for it then."""
        self._connected()

    async def judge(self, verdict: Verdict) -> None:
        """Returns when every replica has it. Raises UnavailableError, within about 5 s."""
        await self._write(self._verdicts, verdicts.key_of(verdict), verdicts.render(verdict))

    async def audit(self, entry: Audit) -> None:
        """Returns when every replica has it. Raises UnavailableError, within about 5 s."""
        await self._write(self._audit, entry.by, audit.render(entry))

    async def close(self) -> None:
        """Disconnect; what is written afterwards connects again."""
        if self._connection:
            self._connection.cancel()
            await asyncio.wait({self._connection})
            self._drop(self._connection)
        if self._endings:
            await asyncio.wait(set(self._endings))

    async def _write(self, topic: str, key: str, value: bytes) -> None:
        connection = self._connected()
        is_suspect = connection.done()  # who waits for the connection has less than the whole time to write
        try:
            async with asyncio.timeout(ANSWER_S):
                producer = await asyncio.shield(connection)
                await producer.send_and_wait(topic, value, key=key.encode())
            return
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            reason, is_suspect = "the connection to the broker broke off", True
        except TimeoutError:
            reason = "no answer"
        except (KafkaError, OSError) as error:
            reason, is_suspect = type(error).__name__, True
        log.warning("kafka at %s: %s: not written: %s", self._bootstrap, topic, reason)
        if is_suspect:
            self._drop(connection)
        raise UnavailableError(f"not written: {reason}")

    def _connected(self) -> asyncio.Task[AIOKafkaProducer]:
        if self._connection is None or _has_failed(self._connection):
            self._connection = asyncio.create_task(self._connect())
            self._connection.add_done_callback(_has_failed)  # so that it is no news: who writes tells of it
        return self._connection

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            request_timeout_ms=_GIVE_UP_MS,
            linger_ms=_LINGER_MS,
            max_batch_size=_BATCH_BYTES,
        )
        try:
            async with asyncio.timeout(_CONNECT_S):
                await producer.start()
                topics = (self._verdicts, self._audit)
                await asyncio.gather(*map(producer.partitions_for, topics), return_exceptions=True)  # writing says why
        except BaseException:
            self._end(producer)
            raise
        return producer

    def _drop(self, connection: asyncio.Task[AIOKafkaProducer]) -> None:
        """Have the next one connect anew; others may have done so already."""
        if connection is self._connection and connection.done():
            self._connection = None
            if not _has_failed(connection):
                self._end(connection.result())

    def _end(self, producer: AIOKafkaProducer) -> None:
        """Stopping waits for what is under way: not in the way of anybody."""
        task = asyncio.create_task(stop(producer))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)


def _has_failed(connection: asyncio.Task[AIOKafkaProducer]) -> bool:
    return connection.done() and (connection.cancelled() or connection.exception() is not None)
