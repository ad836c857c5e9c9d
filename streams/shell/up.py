"""The whole system on one machine: broker, topics, then each process, watched and stopped together.

A process that dies is started again with back-off; its log lies under ``<run_dir>/logs``. When this parent
dies, even by kill -9, the kernel ends the children.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct
from pydantic import SecretStr

from streams.settings import Settings
from streams.shell import topics
from streams.shell.kafka import BrokerError, EmbeddedKafka, running
from streams.shell.running import UnreadyError, die_with

Say = Callable[[str], None]

#: Seconds a process gets to end after SIGTERM; Faust leaves its group and flushes in about one.
STOP_S = 10.0
_BACKOFF_S = (0.5, 1, 2, 5, 10, 30)
#: A process that lived this long, seconds, has started well: its back-off begins anew.
_SETTLED_S = 30.0


class Process(Struct, frozen=True):
    """A child: ``sansheng <arguments>`` under ``name``."""

    name: str
    arguments: tuple[str, ...]


PROCESSES = (Process("detect", ("detect",)), Process("asterisk", ("asterisk",)), Process("wall", ("wall",)))


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
                code = await self._once()
                failures = 0 if time.monotonic() - begun > _SETTLED_S else failures + 1
                wait_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
                self._say(f"{self._process.name} ended with {code}; again in {wait_s:g} s\n{self._last_words()}")
                await asyncio.sleep(wait_s)
        finally:
            await self._stop()

    async def _once(self) -> int:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **self._settings.as_environment()}
        with self.log.open("ab") as out:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "streams.cli", *self._process.arguments),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=die_with(os.getpid()),
            )
        return await self._child.wait()

    async def _stop(self) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        child.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()

    def _last_words(self, lines: int = 5) -> str:
        with suppress(OSError):
            return "\n".join(f"  {line}" for line in _tail(self.log, lines))
        return ""


def _tail(file: Path, lines: int) -> list[str]:
    with file.open("rb") as log:
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - 8192))
        return log.read().decode(errors="replace").splitlines()[-lines:]


async def run(
    settings: Settings,
    say: Say,
    beside: Callable[[], Coroutine[None, None, None]] | None = None,
    libs: Path | None = None,
) -> None:
    """Broker, topics, processes, until cancelled; ``beside`` runs next to them once the wall answers.

    Raises:
        UnreadyError: the broker cannot be had, or a port is taken; the text says the mend.
    """
    if not settings.wall.token.get_secret_value():
        wall = settings.wall.model_copy(update={"token": SecretStr(secrets.token_urlsafe(24))})
        settings = settings.model_copy(update={"wall": wall})
    _free_ports(settings)
    with _broker(settings, say, libs or settings.run_dir / "kafka") as bootstrap:
        settings = settings.model_copy(update={"kafka": bootstrap})
        made = topics.apply(bootstrap, topics.specs(settings.partitions, settings.topic_prefix))
        say(f"topics: {len(made)} made or changed")
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_running(settings, say))
            await _tell_address(settings, say)
            if beside:
                group.create_task(beside())


def _free_ports(settings: Settings) -> None:
    ports = {"wall.port": (settings.wall.host, settings.wall.port)}
    for name in ("detect", "asterisk", "wall"):
        ports[f"metrics.{name}"] = (settings.metrics.host, getattr(settings.metrics, name))
    for name, (host, port) in ports.items():
        if port and not _is_free(host, port):
            variable = f"SANSHENG_{name.upper().replace('.', '__')}"
            raise UnreadyError(f"port {port} ({name}) is in use; stop what uses it or set {variable} to another one")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


@contextmanager
def _broker(settings: Settings, say: Say, libs: Path) -> Iterator[str]:
    """The address of the broker to use: the one of the settings, or our own for as long as we run."""
    if settings.kafka:
        say(f"Kafka: {settings.kafka}")
        yield settings.kafka
        return
    data = settings.run_dir / "kafka" / "data"
    if daemon := running(data):  # of `sansheng kafka start`: it outlives us
        say(f"Kafka: {daemon.engine} {daemon.version} on {daemon.bootstrap}, already running")
        yield daemon.bootstrap
        return
    broker = EmbeddedKafka(data, settings.kafka_port, libs=libs)
    try:
        started = broker.start()
    except BrokerError as error:
        raise UnreadyError(str(error)) from None
    try:
        say(f"Kafka: {started.engine} {started.version} on {started.bootstrap}")
        yield started.bootstrap
    finally:
        broker.stop()


async def _tell_address(settings: Settings, say: Say) -> None:
    """Say where the wall is as soon as it answers."""
    host, port = settings.wall.host, settings.wall.port
    while not await _answers(host, port):  # noqa: ASYNC110 - another process's port gives no event to wait for
        await asyncio.sleep(0.2)
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    say(f"\nthe wall: http://{shown}:{port}/#token={settings.wall.token.get_secret_value()}\n")
    say(f"logs: {settings.run_dir / 'logs'}   stop: Ctrl-C\n")


async def _answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def keep_running(settings: Settings, say: Say, processes: tuple[Process, ...] = PROCESSES) -> None:
    """Run the processes until cancelled, then stop them all."""
    async with asyncio.TaskGroup() as group:
        for process in processes:
            group.create_task(Watched(process, settings, say).run())
