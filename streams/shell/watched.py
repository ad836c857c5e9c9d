"""One child that is kept running: started, started again after each end with back-off, stopped, its log kept.

When the parent dies, even by kill -9, the kernel ends the child.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from streams.settings import Settings
from streams.shell.running import die_with

Say = Callable[[str], None]

SANSHENG = (sys.executable, "-m", "streams.cli")

#: Seconds a process gets to end after SIGTERM; Faust leaves its group and flushes in about one.
STOP_S = 10.0
_BACKOFF_S = (0.5, 1, 2, 5, 10, 30)
#: A process that lived this long, seconds, has started well: its back-off begins anew.
_SETTLED_S = 30.0


class Process(Struct, frozen=True):
    """A child: ``<program> <arguments>`` under ``name``. Settings hold secrets: only our own program is told them."""

    name: str
    arguments: tuple[str, ...]
    program: tuple[str, ...] = SANSHENG


class Watched:
    """One child that is kept running."""

    def __init__(self, process: Process, settings: Settings, say: Say) -> None:
        """``say`` tells the operator about ends and restarts."""
        self._process, self._settings, self._say = process, settings, say
        self._child: asyncio.subprocess.Process | None = None
        self.log = settings.run_dir / "logs" / f"{process.name}.log"

    async def run(self) -> None:
        """Start, and start again after each end, until cancelled; then stop the child."""
        failures = 0
        try:
            while True:
                begun = time.monotonic()
                how, words = await self._ended()
                failures = 0 if time.monotonic() - begun > _SETTLED_S else failures + 1
                wait_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
                self._say(f"{self._process.name} {how}; again in {wait_s:g} s{words}")
                await asyncio.sleep(wait_s)
        finally:
            await end(self._child, signal.SIGTERM, STOP_S)

    async def _ended(self) -> tuple[str, str]:
        """Run it once: how that ended, and its last words.

        What cannot be started (its package is gone, the disk is full) has ended, too: the others live on.
        """
        try:
            code = await self._once()
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            return f"cannot be started: {error.strerror or error}{where}", ""
        return f"ended with {code}", f"\n{self._last_words()}"

    async def _once(self) -> int:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch(mode=0o600)
        with self.log.open("ab") as out:
            self._child = await asyncio.create_subprocess_exec(
                *(*self._process.program, *self._process.arguments),
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=die_with(os.getpid()),
            )
        return await self._child.wait()

    def _environment(self) -> dict[str, str]:
        if self._process.program == SANSHENG:
            return {**os.environ, **self._settings.as_environment()}
        return {name: value for name, value in os.environ.items() if not name.upper().startswith("SANSHENG_")}

    def _last_words(self, lines: int = 5) -> str:
        with suppress(OSError):
            return "\n".join(f"  {line}" for line in _tail(self.log, lines))
        return ""


async def end(child: asyncio.subprocess.Process | None, sign: signal.Signals, patience_s: float) -> None:
    """Tell a child to end, if it runs; kill it where it does not."""
    if child is None or child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        child.send_signal(sign)
    try:
        async with asyncio.timeout(patience_s):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


def _tail(file: Path, lines: int) -> list[str]:
    with file.open("rb") as log:
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - 8192))
        return log.read().decode(errors="replace").splitlines()[-lines:]


async def keep_running(settings: Settings, say: Say, processes: tuple[Process, ...]) -> None:
    """Run the processes until cancelled, then stop them all."""
    async with asyncio.TaskGroup() as group:
        for process in processes:
            group.create_task(Watched(process, settings, say).run())
