"""How a long-running command runs: until a signal, cleanly, with faults told in words."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import Any


class UnreadyError(RuntimeError):
    """Something that the system needs is missing or does not answer; the text says what and the mend."""


async def until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` until it ends, or until SIGINT or SIGTERM cancel it."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def flatten(error: BaseException) -> Iterator[BaseException]:
    """The errors inside an exception group, however deep."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from flatten(inner)
    else:
        yield error
