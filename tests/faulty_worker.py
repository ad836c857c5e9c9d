"""``python -m tests.faulty_worker FAULT``: a detection worker with a planted fault in its shell, or in its broker.

The property that holds for the real worker must catch each fault of the shell, and hold under those of the broker.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from prometheus_client import generate_latest

from streams.cli import app
from streams.core import CallState
from streams.shell import lane
from streams.shell.detector import Detector
from streams.shell.lane import CallLane, Lane
from streams.shell.telling_table import TellingTable
from tests.test_properties import stamped_at_the_tick


def shared_state() -> None:
    """One state for all calls of the worker."""
    kept: dict[str, CallState] = {}
    store: Callable[..., bool] = Lane._store

    def remember(self: Lane, key: bytes, result: Any, *rest: Any) -> bool:
        if result.state is not None:
            kept["one"] = result.state
        return store(self, key, result, *rest)

    Lane._store = remember  # type: ignore[method-assign]
    Lane._state = lambda self, key: kept.get("one")  # type: ignore[method-assign]


def stamped_late() -> None:
    """Ticks carry the clock instead of the deadline, and alerts carry the tick."""
    send: Callable[..., Any] = Lane.send_tick

    async def late(self: Lane, call: str, partition: int, at: float) -> None:
        await send(self, call, partition, time.time())

    Lane.send_tick = late  # type: ignore[method-assign]
    lane.step = stamped_at_the_tick  # type: ignore[assignment]


def counted_at_once() -> None:
    """Figures do not wait until the state that contains them is stored."""
    unwritten()
    TellingTable.when_written = lambda self, then: then()  # type: ignore[method-assign]


#: So many states reach the broker of a worker whose broker takes no more.
WRITTEN = 30


def uncommitted() -> None:
    """Not the worker's fault: the broker takes none of its offsets."""
    make: Callable[..., Any] = Detector._make_app

    def without_commits(self: Detector) -> Any:
        made = make(self)
        made.conf.broker_commit_interval = 3600.0
        return made

    Detector._make_app = without_commits  # type: ignore[method-assign]


class Never(asyncio.Future[None]):
    """What Faust is told of a message that is never acknowledged."""

    message = SimpleNamespace(partition=0)


def unwritten() -> None:
    """As ``uncommitted``, and after some states it takes no more of them."""
    uncommitted()
    send: Callable[..., Any] = TellingTable.send_changelog
    written = itertools.count()

    def swallow(self: TellingTable, *what: Any, **more: Any) -> Any:
        if next(written) < WRITTEN:
            return send(self, *what, **more)
        self._newest = Never(loop=asyncio.get_running_loop())
        return self._newest

    TellingTable.send_changelog = swallow  # type: ignore[method-assign]


#: A worker that dies does so before its event of this number, and its last scrape is in this file of its run_dir.
DIES_AT, LAST_SCRAPE = 150, "last-scrape.prom"


def dies() -> None:
    """kill -9 in full flow, and a scrape at the very instant before."""
    handle: Callable[..., Any] = CallLane._handle
    handled = itertools.count(1)

    async def until(self: CallLane, message: Any) -> None:
        if b'"tick"' not in message.value and next(handled) == DIES_AT:
            (self.settings.run_dir / LAST_SCRAPE).write_bytes(generate_latest(self.metrics.registry))
            os.kill(os.getpid(), signal.SIGKILL)
        await handle(self, message)

    CallLane._handle = until  # type: ignore[method-assign]


FAULTS = {
    "shared-state": shared_state,
    "stamped-late": stamped_late,
    "counted-at-once": counted_at_once,
    "unwritten": unwritten,
    "uncommitted": uncommitted,
    "dies": dies,
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    app(["detect"])
