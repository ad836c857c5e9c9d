"""The broker is killed in the middle of everything and comes back: nothing is lost, nothing changes its order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from streams.shell.kafka import EmbeddedKafka
from streams.shell.publisher import Message, Publisher
from tests.conftest import LIBS
from tests.shell_tools import System, at_the_edge
from tests.test_detector import CALLS, HOLD_LIMIT_S, all_have, begin_calls, of


class Broker:
    """A broker of the test's own, which may be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kafka = EmbeddedKafka(folder, 0, libs=LIBS, outlive=True)
        self.pid = self._kafka.start().pid
        self.address = self._kafka.bootstrap

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._kafka.stop()

    def again(self) -> None:
        self._kafka = EmbeddedKafka(self._folder, int(self.address.split(":")[1]), libs=LIBS, outlive=True)
        self.pid = self._kafka.start().pid

    def stop(self) -> None:
        self._kafka.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker")
    yield broker
    broker.stop()


async def put_for_ever(publisher: Publisher, topic: str, sent: list[int]) -> None:
    while True:
        await publisher.put(Message(topic, b"key", b"%d" % len(sent)))
        sent.append(len(sent))
        await asyncio.sleep(0.02)


async def test_a_killed_broker_costs_no_message_and_no_alert(broker: Broker, tmp_path: Path) -> None:
    """::

    worker    calls on hold ── broker killed ──────── broker back ── every hold alert, stamped at its deadline
    publisher ─ messages ────────────────────────────────────────── all of them, in order
    """
    sent: list[int] = []
    async with System(broker.address, "", tmp_path) as system:
        system.start("detect")
        await system.working(1)
        async with Publisher(broker.address) as publisher:
            putting = asyncio.create_task(put_for_ever(publisher, "verdicts", sent))
            held_at = await begin_calls(system)
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(3)
            await asyncio.to_thread(broker.again)
            opened = await system.alerts(all_have("opened"))
            putting.cancel()
            with suppress(asyncio.CancelledError):
                await putting
            await publisher.flush()
        assert set(of(opened, "opened").values()) == {round(held_at + HOLD_LIMIT_S, 3)}
        assert len([edge for edge in at_the_edge(opened) if edge[1] == "long-hold"]) == len(CALLS)
        read = await system.read("verdicts", lambda seen: len({m.value for m in seen}) >= len(sent))
        assert list(dict.fromkeys(int(m.value) for m in read)) == sent
