"""The archive's processes as they are run for the bench: the archivist, commands, and SIGKILL at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, select, text

from streams.archive import day_files
from streams.archive.schema import calls, days, progress
from streams.archive.store import Store, StoreError
from streams.settings import Settings

POLL_S, LOOK_S, STALLED_S = 0.05, 0.5, 300.0
#: A process is killed at most so long after it was started to be killed while it starts, seconds.
STARTING_S = 4.0


class BenchError(RuntimeError):
    """Something did not work at all; the message says what."""


class System:
    """One store, the settings that lead to it, and what runs on it."""

    def __init__(self, settings: Settings, environment: dict[str, str], log: Path) -> None:
        """``environment``: the variables that give other processes these settings."""
        self.settings, self._log = settings, log
        self._environment = {**os.environ, **environment}
        self.store = Store(settings)
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0

    def start(self, **more: str) -> None:
        """``sansheng archive``; ``more``: variables beside."""
        self.started_at = time.time()
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                self._command("archive"), env=self._environment | more, stderr=out, stdout=out
            )

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise BenchError(
                f"the archivist has ended by itself, exit {self.process.returncode}:\n{self.said()[-2000:]}"
            )
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As an operator does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def run(self, *arguments: str, **more: str) -> str:
        """A command to its end; what it printed. Raises BenchError where it failed."""
        done = subprocess.run(
            self._command(*arguments), env=self._environment | more, capture_output=True, check=False, text=True
        )
        if done.returncode:
            raise BenchError(f"sansheng {' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def begin(self, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        """A command that goes on."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self._command(*arguments), env=self._environment | more, stdout=quiet, stderr=quiet)

    def said(self) -> str:
        """Everything that the archivist has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def stored(self) -> int:
        """How many messages the store has taken."""
        try:
            with self.store.reading() as connection:
                return int(connection.scalar(select(func.sum(progress.c.next))) or 0)
        except StoreError:
            return 0

    def unsettled(self) -> int:
        """Calls that are still up, and days that are not written as they are."""
        with self.store.reading() as connection:
            up = connection.scalar(select(func.count()).select_from(calls).where(calls.c.state == "up")) or 0
            due = connection.scalar(select(func.count()).select_from(days).where(days.c.changed > days.c.written)) or 0
        return up + due

    def size(self) -> int:
        """Bytes of the store."""
        if not self.store.is_sqlite:
            with self.store.reading() as connection:
                return connection.scalar(text("SELECT pg_database_size(current_database())")) or 0
        return sum(file.stat().st_size for file in Path(self.store.where).parent.glob("calls.db*"))

    def days_size(self) -> int:
        """Bytes of the Parquet files."""
        return sum(file.stat().st_size for file in self.settings.archive_folder.rglob("*.parquet"))

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "streams.cli", *arguments]


class Caught(NamedTuple):
    """How it caught up: seconds, with all that came between; messages a second while it took; kills on the way."""

    took_s: float
    rate: float
    kills: int


def catch_up(system: System, total: int, kills: int, chance: random.Random, tell: Callable[[int, int], None]) -> Caught:
    """Run the archivist until it has taken all; kill it so often on the way, one time in six while it starts.

    ``tell``: what is stored, and how often it was killed. Raises BenchError where it ends or stands still.
    """
    begun, taken, busy_s, killed = time.monotonic(), 0, 0.0, 0
    for target in _targets(total, kills, chance):
        at, moving_at, started_at = system.stored(), None, time.monotonic()
        system.start()
        for now in _watched(system, total):
            tell(now, killed)
            if now > at and moving_at is None:
                moving_at = time.monotonic()
            is_late = target < 0 and time.monotonic() - started_at > -target
            if is_late or (0 <= target <= now) or now >= total:
                break
        if moving_at is not None:
            taken, busy_s = taken + now - at, busy_s + time.monotonic() - moving_at
        if target > total:
            break
        time.sleep(chance.uniform(0.0, 0.3))
        system.kill()
        killed += 1
    return Caught(time.monotonic() - begun, taken / max(busy_s, 0.001), killed)


def _targets(total: int, kills: int, chance: random.Random) -> Iterator[float]:
    """When to kill: at so many messages, or (negative) so many seconds after the start. The last is never reached."""
    starting = kills // 6
    marks = sorted(chance.uniform(0.01, 0.97) * total for _ in range(kills - starting))
    for n, mark in enumerate(marks):
        yield mark
        if n < starting:
            yield -chance.uniform(0.2, STARTING_S)
    yield from (-chance.uniform(0.2, STARTING_S) for _ in range(starting - len(marks)))
    yield total + 1.0


def _watched(system: System, total: int) -> Iterator[int]:
    """What is stored, now and again, until all is."""
    moved_at, before = time.monotonic(), -1
    while True:
        now = system.stored()
        moved_at, before = (time.monotonic(), now) if now != before else (moved_at, before)
        yield now
        if now > total:
            raise BenchError(f"the store says it has taken {now:,} messages of {total:,}")
        if system.process is not None and system.process.poll() is not None:
            raise BenchError(f"the archivist has ended by itself:\n{system.said()[-2000:]}")
        if time.monotonic() - moved_at > STALLED_S:
            raise BenchError(f"the archivist stands still at {now:,} of {total:,}:\n{system.said()[-2000:]}")
        time.sleep(POLL_S)


def settle(system: System, kills: int, chance: random.Random, tell: Callable[[int, int], None], **more: str) -> int:
    """Wait until every call is over and every day written; kill it so often while it writes days. How often it was.

    Raises BenchError where that never comes.
    """
    killed = 0
    while True:
        if system.process is None or system.process.poll() is not None:
            system.start(**more)
        until, changed = time.monotonic() + STALLED_S, -1
        while (left := system.unsettled()) and time.monotonic() < until:
            tell(left, killed)
            until, changed = (time.monotonic() + STALLED_S, left) if left != changed else (until, changed)
            if killed >= kills:
                time.sleep(LOOK_S)
            elif _writes_day(system):
                break
        if not left:
            return killed
        if time.monotonic() >= until:
            raise BenchError(f"{left} calls or days are never settled:\n{system.said()[-2000:]}")
        time.sleep(chance.uniform(0.0, 0.2))
        system.kill()
        killed += 1


def _writes_day(system: System) -> bool:
    """Whether the process makes a file of a day, within some moments; older ones are of one that was killed."""
    assert system.process is not None
    until = time.monotonic() + LOOK_S
    while time.monotonic() < until:
        if any(_written_at(part) > system.started_at for part in day_files.leftovers(system.settings.archive_folder)):
            return True
        if system.process.poll() is not None:
            raise BenchError(f"the archivist has ended by itself:\n{system.said()[-2000:]}")
        time.sleep(0.005)
    return False


def _written_at(part: Path) -> float:
    try:
        return part.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def killed_while(system: System, kills: int, chance: random.Random, *arguments: str, **more: str) -> int:
    """Run a command and kill it at a random moment, so often; how often it had not ended before."""
    killed = 0
    for _ in range(kills):
        process = system.begin(*arguments, **more)
        try:
            process.wait(chance.uniform(1.0, 4.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    return killed
