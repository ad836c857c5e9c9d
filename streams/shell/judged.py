"""What people made of each rule's alerts in the last seven days, read from the topics for one look at them.

Owns the question, its time limit and the counting; a wall keeps the same figures as it goes. Reads without a group.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from msgspec import Struct

from streams import verdicts
from streams.settings import Settings
from streams.shell.lookback import seek_back
from streams.verdicts import WEEK_S, Judgement, Precision, Standing, judge, precision

#: A broker that takes longer than this, seconds, to say a first word is not there.
ANSWER_S = 1.0
#: The reading takes this long at most, seconds.
LIMIT_S = 10.0
_WAIT_MS = 500


class UnansweredError(Exception):
    """There are no figures; the message says why."""


class Judged(Struct, frozen=True):
    """Figures of each rule that had an alert. ``whole``: all alerts were read; otherwise only judged ones are known."""

    rules: dict[str, Precision]
    whole: bool


class Count:
    """Alerts that opened at ``since`` (Unix seconds) or later, and how each stands."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._rules: dict[str, str] = {}
        self._standings: dict[str, tuple[str, Standing]] = {}

    def take_alert(self, value: bytes) -> None:
        """One message of ``alerts``; what cannot be read, and what is not an alert's beginning, is left out."""
        with suppress(msgspec.MsgspecError, UnicodeError):
            change = _opened.decode(value)
            if change.state == "opened" and change.at >= self._since:
                self._rules[change.id] = change.rule

    def take_verdict(self, value: bytes) -> None:
        """One message of ``verdicts``; what cannot be read, and snoozes, are left out."""
        with suppress(msgspec.MsgspecError, UnicodeError):
            verdict = verdicts.parse(value)
            if isinstance(verdict, Judgement):
                _, standing = self._standings.get(verdict.alert, ("", Standing()))
                self._standings[verdict.alert] = (verdict.rule, judge(standing, verdict))

    def figures(self, *, whole: bool) -> Judged:
        """By rule. Where the alerts are not read to the end (``whole``), every judged one counts, and no other."""
        if whole:
            findings = {alert: self._standings.get(alert, (rule, Standing())) for alert, rule in self._rules.items()}
        else:
            findings = {alert: each for alert, each in self._standings.items() if each[1].finding != "open"}
        by_rule: dict[str, list[verdicts.Finding]] = {}
        for rule, standing in findings.values():
            by_rule.setdefault(rule, []).append(standing.finding)
        return Judged({rule: precision(found) for rule, found in by_rule.items()}, whole)


class _Opened(Struct):
    """What of an alert's change is needed here; the rest is skipped."""

    id: str
    rule: str
    state: str
    at: float


_opened = msgspec.json.Decoder(_Opened)
#: Told how many messages have been read.
Progress = Callable[[int], None]


def read_judged(settings: Settings, progress: Progress, limit_s: float = LIMIT_S) -> Judged:
    """The figures of the last seven days, from the configured broker.

    Raises:
        UnansweredError: there is no broker, it has no such topics, or not even the verdicts came in time.
    """
    return asyncio.run(_read(settings, progress, limit_s))


async def _read(settings: Settings, progress: Progress, limit_s: float) -> Judged:
    count, read = Count(time.time() - WEEK_S), 0

    def took(messages: int) -> None:
        nonlocal read
        read += messages
        progress(read)

    topics = [settings.topic("verdicts"), settings.topic("alerts")]
    partitions = await _partitions(settings.bootstrap, topics)
    whole = False
    try:
        async with _consumer(settings.bootstrap) as consumer:
            over_at = asyncio.get_running_loop().time() + limit_s
            async with asyncio.timeout_at(over_at):
                await _read_topic(consumer, topics[0], partitions[0], count.take_verdict, took)
            with suppress(TimeoutError):  # then what was judged is known, and what was not judged is not
                async with asyncio.timeout_at(over_at):
                    await _read_topic(consumer, topics[1], partitions[1], count.take_alert, took)
                    whole = True
    except TimeoutError:
        raise UnansweredError(f"the verdicts could not be read within {limit_s:g} s") from None
    except (KafkaError, OSError) as error:
        raise UnansweredError(f"the broker at {settings.bootstrap} does not let us read: {error}") from error
    return count.figures(whole=whole)


async def _partitions(bootstrap: str, topics: Sequence[str]) -> list[int]:
    """How many partitions each has. Raises UnansweredError at once where nobody answers."""
    await _must_answer(bootstrap)
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    try:
        async with asyncio.timeout(2 * ANSWER_S):
            await client.bootstrap()
            known = await client.fetch_all_metadata()
    except (TimeoutError, KafkaError, OSError) as error:
        raise UnansweredError(f"no broker answers at {bootstrap}") from error
    finally:
        await client.close()
    found = [len(known.partitions_for_topic(topic) or ()) for topic in topics]
    if missing := [topic for topic, number in zip(topics, found, strict=True) if not number]:
        raise UnansweredError(f"the broker at {bootstrap} has no topic {', '.join(missing)}")
    return found


async def _must_answer(bootstrap: str) -> None:
    """The client alone would try, and log, for long."""
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        with suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            return
    raise UnansweredError(f"no broker answers at {bootstrap}")


@asynccontextmanager
async def _consumer(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _read_topic(
    consumer: AIOKafkaConsumer, topic: str, partitions: int, take: Callable[[bytes], None], took: Progress
) -> None:
    """Everything of the last seven days that is there now."""
    ahead = await seek_back(consumer, topic, partitions, WEEK_S)
    while ahead:
        for messages in (await consumer.getmany(timeout_ms=_WAIT_MS)).values():
            for message in messages:
                take(message.value or b"")
            took(len(messages))
        for partition in list(ahead):
            if await consumer.position(partition) >= ahead[partition]:
                del ahead[partition]
