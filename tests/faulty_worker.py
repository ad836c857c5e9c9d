"""``python -m tests.faulty_worker FAULT``: a detection worker with a planted fault in its shell.

The property that holds for the real worker must catch each of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from streams.cli import app
from streams.core import CallState
from streams.shell import lane
from streams.shell.lane import Lane
from tests.test_properties import stamped_at_the_tick


def shared_state() -> None:
    """One state for all calls of the worker."""
    kept: dict[str, CallState] = {}
    store: Callable[..., None] = Lane._store

    def remember(self: Lane, key: bytes, result: Any, *rest: Any) -> None:
        if result.state is not None:
            kept["one"] = result.state
        store(self, key, result, *rest)

    Lane._store = remember  # type: ignore[method-assign]
    Lane._state = lambda self, key: kept.get("one")  # type: ignore[method-assign]


def stamped_late() -> None:
    """Ticks carry the clock instead of the deadline, and alerts carry the tick."""
    send: Callable[..., Any] = Lane.send_tick

    async def late(self: Lane, call: str, partition: int, at: float) -> None:
        await send(self, call, partition, time.time())

    Lane.send_tick = late  # type: ignore[method-assign]
    lane.step = stamped_at_the_tick  # type: ignore[assignment]


FAULTS = {"shared-state": shared_state, "stamped-late": stamped_late}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    app(["detect"])
