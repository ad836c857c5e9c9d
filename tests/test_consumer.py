"""What was fetched and thrown away comes again, also where nothing was ever committed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalStateError
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from streams.shell import consumer, topics


@pytest.mark.parametrize(("committed", "position"), [(None, 0), (0, 0), (2, 2)])
async def test_going_back_goes_to_the_commit_or_to_the_beginning(
    kafka: str, prefix: str, committed: int | None, position: int
) -> None:
    topics.apply(kafka, topics.specs(1, prefix))
    calls, changelog = TopicPartition(f"{prefix}calls", 0), TopicPartition(f"{prefix}alerts", 0)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for part in (calls, changelog):
            for _ in range(3):
                await producer.send_and_wait(part.topic, b"x")
    reader = AIOKafkaConsumer(
        bootstrap_servers=kafka, group_id=f"{prefix}group", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    async with reader:
        reader.assign([calls, changelog])
        if committed is not None:
            await reader.commit({calls: committed})
        for _ in range(6 - (committed or 0)):
            await reader.getone()
        await reader.seek_to_committed()
        assert await reader.position(calls) == (committed or 3)  # the hole: only a commit is gone back to
        tables = SimpleNamespace(changelog_topics={changelog.topic})
        thread = SimpleNamespace(_ensure_consumer=lambda: reader, app=SimpleNamespace(tables=tables))
        await consumer._Thread._seek(thread)  # type: ignore[arg-type]
        assert await reader.position(calls) == position
        assert await reader.position(changelog) == 3


class Leaving:
    """A consumer whose partitions go away while it is asked for their commits."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.sought = error, list[TopicPartition]()

    async def seek_to_committed(self) -> dict[TopicPartition, int | None]:
        if self.error:
            raise self.error
        return {TopicPartition("calls", 0): None, TopicPartition("calls", 1): None}

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("calls", 1)}

    def seek(self, tp: TopicPartition, _offset: int) -> None:
        self.sought.append(tp)


@pytest.mark.parametrize("error", [None, IllegalStateError("Partition is not assigned")])
async def test_partitions_that_leave_meanwhile_do_not_end_the_worker(error: Exception | None) -> None:
    leaving = Leaving(error)
    app = SimpleNamespace(tables=SimpleNamespace(changelog_topics=set()))
    thread = SimpleNamespace(_ensure_consumer=lambda: leaving, app=app)
    committed = await consumer._Thread._seek(thread)  # type: ignore[arg-type]
    assert leaving.sought == ([] if error else [TopicPartition("calls", 1)])
    assert len(committed) == (0 if error else 2)


async def test_what_arrives_while_it_goes_back_is_not_thrown_away_with_the_rest() -> None:
    """As Faust does it: the fetcher puts a message into a stream's queue, and the flow is let go on after the seek."""
    flow = FlowControlEvent(initially_suspended=False)
    stream: ThrowableQueue[str] = ThrowableQueue(flow_control=flow, clear_on_resume=True)
    stream.put_nowait("fetched before")

    async def arrive() -> None:
        await flow.acquire()
        stream.put_nowait("fetched again")

    arriving: list[asyncio.Task[None]] = []

    async def call_thread(*_: Any) -> dict[TopicPartition, int]:
        arriving.append(asyncio.create_task(arrive()))
        await asyncio.sleep(0.01)
        return {}

    thread = SimpleNamespace(app=SimpleNamespace(flow_control=flow), call_thread=call_thread, _seek=None)
    await consumer._Thread.seek_to_committed(thread)  # type: ignore[arg-type]
    flow.resume()
    await asyncio.gather(*arriving)
    assert [stream.get_nowait() for _ in range(stream.qsize())] == ["fetched again"]
