"""How a long-running command runs: until a signal, cleanly, with faults told in words."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1


class UnreadyError(RuntimeError):
    """Something that the system needs is missing or does not answer; the text says what and the mend."""


def instance() -> str:
    """What this process calls itself in its heartbeats: host and process id."""
    return f"{socket.gethostname()}-{os.getpid()}"


def port_trouble(host: str, port: int) -> str:
    """Why nothing can listen there; empty where it can. Connections that linger do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def make_private(folder: Path) -> None:
    """Make ``folder``, and those above it that are missing, for their owner alone; one that exists stays as it is."""
    for part in (*reversed(folder.absolute().parents), folder):
        part.mkdir(mode=0o700, exist_ok=True)  # `parents=True` would give only the last one the mode


async def until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` until it ends, or until SIGINT or SIGTERM cancel it."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def is_cancelled() -> bool:
    """Whether somebody cancelled this task: aiokafka lets its own CancelledError out when a connection breaks."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def flatten(error: BaseException) -> Iterator[BaseException]:
    """The errors inside an exception group, however deep."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from flatten(inner)
    else:
        yield error


def die_with(parent: int) -> Callable[[], None] | None:
    """For the child, before it becomes another program: have the kernel stop it when its parent dies (Linux only)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return arm
