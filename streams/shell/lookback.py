"""Reading a topic from some time back, without a group: each reader for itself."""

from __future__ import annotations

import time

from aiokafka import AIOKafkaConsumer, TopicPartition


async def seek_back(
    consumer: AIOKafkaConsumer, topic: str, partitions: int, back_s: float
) -> dict[TopicPartition, int]:
    """Have ``consumer``, which is started, read all of ``topic`` from ``back_s`` seconds ago.

    Answers with the partitions in which something waits already, and the offset behind it.
    """
    own = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(own)
    ends = await consumer.end_offsets(own)  # asked first: what comes meanwhile is not skipped
    found = await consumer.offsets_for_times(dict.fromkeys(own, int((time.time() - back_s) * 1000)))
    starts = {tp: found[tp].offset if found.get(tp) else ends[tp] for tp in own}
    for tp, offset in starts.items():
        consumer.seek(tp, offset)
    return {tp: ends[tp] for tp in own if starts[tp] < ends[tp]}
