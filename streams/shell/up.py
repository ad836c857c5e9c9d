"""The whole system on one machine: broker, topics, then each process, watched and stopped together.

A process that dies is started again with back-off; its log lies under ``<run_dir>/logs``. When this parent
dies, even by kill -9, the kernel ends the children (:mod:`streams.shell.watched`). Prometheus and Alertmanager
run beside them where they are installed; nothing waits for these two.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from streams import heartbeat
from streams.settings import Settings, WallSettings
from streams.shell import monitoring, topics
from streams.shell.entries import entries, with_tokens, without_given
from streams.shell.kafka import EmbeddedKafka, running
from streams.shell.running import UnreadyError, die_with, make_private, port_trouble
from streams.shell.watched import Process, Say, keep_running

#: A speech model that takes longer to load, seconds, is of no use.
_CHECK_S = 180.0
#: The ports on which sound comes in.
_ENTRANCES = ("audiosocket", "websocket")

PROCESSES = tuple(Process(name, (name,)) for name in ("detect", "asterisk", "wall", "archive"))
PAGER = Process("pager", ("pager",))


def always_there(settings: Settings) -> tuple[Process, ...]:
    """The processes that run with ears and without; the pager where there is somebody to tell."""
    return (*PROCESSES, PAGER) if settings.pager.receivers else PROCESSES


def ear_processes(settings: Settings) -> tuple[Process, ...]:
    """The gateway of audio and the recognisers, each with a port of its own for its metrics."""
    listen = Process("listen", ("listen",))
    return (
        listen,
        *(
            Process(f"recognise-{n + 1}", ("recognise", "--metrics-port", str(_metrics_port(settings, n))))
            for n in range(settings.ears.workers)
        ),
    )


def _metrics_port(settings: Settings, n: int) -> int:
    first = settings.metrics.recognise
    return first + n if first else 0


async def _check_pager(settings: Settings) -> None:
    """Refuse receivers that the pager would refuse, before anything runs. Raises UnreadyError with its text."""
    if not settings.pager.receivers:
        return
    check = await _ask(settings, "pager", "check")
    try:
        _, problem = await check.communicate()
    finally:
        await end_check(check)
    if check.returncode:
        told = problem.decode(errors="replace").strip()
        raise UnreadyError(told or f"`sansheng pager check` ended with {check.returncode}")


async def begin_check(settings: Settings) -> asyncio.subprocess.Process | None:
    """Have a child load what calls are listened to with; it takes some seconds. None: nobody wants to listen."""
    return await _ask(settings, "recognise", "--check") if settings.ears.workers else None


async def _ask(settings: Settings, *command: str) -> asyncio.subprocess.Process:
    """One of our own commands as a child."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams.cli", *command),
        env={**os.environ, **settings.as_environment()},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=die_with(os.getpid()),
    )


async def what_hears(check: asyncio.subprocess.Process | None, say: Say) -> bool:
    """Whether calls can be listened to, by that check. Says with what, or why not."""
    alone = "ears: none; calls are judged by the telephone alone"
    if check is None:
        say(f"{alone} (ears.workers is 0)")
        return False
    try:
        async with asyncio.timeout(_CHECK_S):
            out, problem = await check.communicate()
    except TimeoutError:
        say(f"{alone}\nthe speech model was not loaded within {_CHECK_S:g} s")
        return False
    finally:
        await end_check(check)
    if check.returncode:
        lines = problem.decode(errors="replace").splitlines() or [f"the check ended with {check.returncode}"]
        say(f"{alone}\n{lines[-1]}")
        return False
    say(f"ears: {out.decode().strip()}")
    return True


async def end_check(check: asyncio.subprocess.Process | None) -> None:
    """Stop the check where it goes on."""
    if check is not None and check.returncode is None:
        check.kill()
        await check.wait()


async def run(
    settings: Settings,
    say: Say,
    beside: Callable[[bool], Coroutine[None, None, None]] | None = None,
    libs: Path | None = None,
) -> None:
    """Broker, topics, processes, until cancelled; ``beside`` runs next to them once the wall answers.

    ``beside`` is told whether calls are listened to.

    Raises:
        UnreadyError: the broker cannot be had, a port is taken, or a receiver of pages is none; the text says the mend.
    """
    given = settings.wall
    settings = settings.model_copy(update={"wall": with_tokens(given)})
    _free_ports(_ports(settings))
    await _check_pager(settings)
    settings = monitoring.unless_taken(monitoring.installed(settings, say), say)
    make_private(settings.run_dir)
    check = await begin_check(settings)  # while the broker starts
    broker = None
    try:
        broker = _broker(settings, say, libs or settings.run_dir / "kafka")
        settings = settings.model_copy(update={"kafka": broker.bootstrap if broker else settings.bootstrap})
        if hears := await what_hears(check, say):
            _free_ports(_ear_ports(settings))
        _make_topics(settings, say)
        async with asyncio.TaskGroup() as group:
            processes = (*always_there(settings), *(ear_processes(settings) if hears else ()))
            beside_them = monitoring.processes(settings, processes)
            group.create_task(keep_running(settings, say, (*processes, *beside_them)))
            group.create_task(_tell_health(settings, say))
            if broker:
                group.create_task(_watch(broker, say))
            await _tell_addresses(settings, given, say)
            if beside:
                group.create_task(beside(hears))
    finally:
        await end_check(check)
        if broker:
            broker.stop()


def _make_topics(settings: Settings, say: Say) -> None:
    made = topics.apply(settings.bootstrap, topics.specs(settings.partitions, settings.topic_prefix))
    say(f"topics: {len(made)} made or changed")
    topics.must_fit(settings)


_Ports = dict[str, tuple[str, int]]


def _ports(settings: Settings) -> _Ports:
    """What is bound in any case: setting -> host and port."""
    exported = (monitoring.exported_at(settings, process) for process in always_there(settings))
    metrics = {f"metrics.{component}": port for component, port in exported}
    return {"wall.port": (settings.wall.host, settings.wall.port)} | {
        name: (settings.metrics.host, port) for name, port in metrics.items()
    }


def _ear_ports(settings: Settings) -> _Ports:
    ports = {f"listen.{name}": (settings.listen.host, getattr(settings.listen, name)) for name in _ENTRANCES}
    ports["metrics.listen"] = (settings.metrics.host, settings.metrics.listen)
    for n in range(settings.ears.workers):
        name = "metrics.recognise" + (f" + {n}" if n else "")
        ports[name] = (settings.metrics.host, _metrics_port(settings, n))
    return ports


def _free_ports(ports: _Ports) -> None:
    for name, (host, port) in ports.items():
        if port and port_trouble(host, port):
            variable = f"SANSHENG_{name.partition(' ')[0].upper().replace('.', '__')}"
            raise UnreadyError(f"port {port} ({name}) is in use; stop what uses it or set {variable} to another one")


def _broker(settings: Settings, say: Say, libs: Path) -> EmbeddedKafka | None:
    """Our own broker, started, for as long as we run; None where the settings name one, or a daemon is up already."""
    data = settings.run_dir / "kafka" / "data"
    daemon = None if settings.kafka else running(data)  # of `sansheng kafka start`: it outlives us
    if settings.kafka or (daemon and daemon.port == settings.kafka_port):
        say(f"Kafka: {settings.bootstrap}, not ours")
        return None
    broker = EmbeddedKafka(data, settings.kafka_port, libs=libs)
    started = broker.start()
    say(f"Kafka: {started.engine} {started.version} on {started.bootstrap}")
    return broker


async def _watch(broker: EmbeddedKafka, say: Say) -> None:
    """Start the broker again on the same folder and port when it has died; everybody else waits for it."""
    while True:
        await asyncio.sleep(1)
        if not broker.alive():
            say("Kafka has ended; starting it again …")
            broker.stop()
            broker.start()  # from this thread: the broker is to end with it
            say("Kafka is back")


async def _tell_health(settings: Settings, say: Say) -> None:
    """Say when a process changes between working and not working, and why; the heartbeats know.

    A worker whose changed rulebook was refused works on by the old one, and says that too.
    """
    consumer = AIOKafkaConsumer(settings.topic("heartbeats"), bootstrap_servers=settings.bootstrap)
    told: dict[tuple[str, str], str] = {}
    async with consumer:
        async for message in consumer:
            beat = heartbeat.parse(message.value or b"")
            well = f"works, but: {beat.detail}" if beat.detail else "works"
            news, who = well if beat.ok else f"does not work: {beat.detail}", (beat.component, beat.instance)
            if told.get(who, "works") != news and beat.detail != "connecting":
                say(f"{beat.component} {news}")
                told[who] = news


async def _tell_addresses(settings: Settings, given: WallSettings, say: Say) -> None:
    """Say where the wall and the desk are as soon as they answer; of ``given`` tokens only whose they are."""
    host, port = settings.wall.host, settings.wall.port
    while not await _answers(host, port):  # noqa: ASYNC110 - another process's port gives no event to wait for
        await asyncio.sleep(0.2)
    shown = without_given(entries(settings.wall, port), given)
    say(
        "\n".join(
            ("", f"the wall: {shown.wall}", f"the desk: {shown.desk}", *monitoring.links(settings.monitoring), "")
        )
    )
    if hint := monitoring.how_to_page(settings):
        say(hint)
    say(f"logs: {settings.run_dir / 'logs'}   stop: Ctrl-C\n")


async def _answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
