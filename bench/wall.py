"""``python -m bench.wall``: what the wall costs, and how soon it tells. ``make bench-wall``.

The wall is the real process on a real broker, fed with a floor of 400 agents at 20 events a second; its screens are a
process of their own, the raw baseline a third. Everything shares this machine. Parts: ``fan`` (from the broker's time
of an event to its receipt on each screen, memory a screen, CPU) and ``start`` (a week in the topics, from the start of
the process until it is live). A full run writes its tables into ``docs/bench.md``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rich.console import Console

from bench import wall_week
from bench.lab.score import quantile
from bench.lab.tables import Table, markdown, show, write
from bench.wall_clients import Noted, Plan, View
from bench.wall_floor import AGENTS, CALLS, TEAMS, Floor, Said, of_alert, teams
from bench.wall_week import Week
from dashboards.wall import pieces
from dashboards.wall.kafka_records import KafkaRecords
from streams import heartbeat
from streams.heartbeat import Component, Heartbeat
from streams.settings import Settings
from streams.shell import topics
from streams.shell.kafka import EmbeddedKafka, free_port

PAGE, LIBS = Path("docs/bench.md"), Path(".run/kafka")
PARTS = ("fan", "start")
WALL_TOKEN, DESK_TOKEN = "bench-wall", "bench-desk"
#: Telephone events a second; one in so many brings an alert.
RATE, ALERT_EVERY = 20.0, 20
#: Alerts that the day has seen already: a desk lists them.
EARLIER = 1000
SETTLE_S = 5.0
READY_S = 300.0
PARTITIONS = 16


class Size(NamedTuple):
    """How much a run does."""

    screens: int
    seconds: float
    events: int
    starts: int


FULL, QUICK = Size(500, 60.0, 6_048_000, 3), Size(50, 10.0, 140_000, 1)


class Run(NamedTuple):
    """One measurement of the fan-out. Delays in seconds, ``cpu`` as a share of a core, ``rss``: bytes a screen."""

    calls: list[float]
    alerts: list[float]
    cpu: float
    rss: float
    noted: Noted


def main(
    quick: Annotated[bool, typer.Option(help="50 screens, 10 s, a small week; writes nothing")] = False,
    part: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(PARTS)}; may be given twice")] = None,
    events: Annotated[int | None, typer.Option(help="telephone events of the week")] = None,
) -> None:
    """Measure the wall and print the tables; a full run writes them into docs/bench.md."""
    size = QUICK if quick else FULL
    size = size._replace(events=events or size.events)
    logging.disable(logging.WARNING)
    console = Console(width=130)
    tables = asyncio.run(measure(size, set(part or PARTS), console))
    for table in tables:
        show(console, table)
    if not quick and not part:
        write(PAGE, "wall", f"Measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores.\n\n{markdown(tables)}")
        console.print(f"written into {PAGE}")


async def measure(size: Size, parts: set[str], console: Console) -> list[Table]:
    """The tables of these parts."""
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        broker = EmbeddedKafka(Path(folder), libs=LIBS, console=Console(stderr=True, quiet=True))
        broker.start()
        try:
            if "fan" in parts:
                tables.append(await fan(broker.bootstrap, folder, size, console))
            if "start" in parts:
                tables += await start(broker.bootstrap, folder, size, console)
        finally:
            broker.stop()
    return tables


# fan-out


async def fan(bootstrap: str, folder: str, size: Size, console: Console) -> Table:
    """One screen, all of them, and as many that are merely broadcast to."""
    prefix = "bench-wall-"
    topics.apply(bootstrap, topics.specs(PARTITIONS, prefix))
    with console.status("one screen …"):
        one = await watched(bootstrap, f"{prefix}", folder, [View("desk")], size.seconds / 2)
    with console.status(f"{size.screens} screens …"):
        many = await watched(bootstrap, prefix, folder, mix(size.screens), size.seconds)
    with console.status("raw broadcast …"):
        raw, raw_cpu, raw_rss = await broadcast(size, many.noted)
    rows = [
        row("raw broadcast of the same number and size of messages (baseline)", raw, raw_cpu, raw_rss, raw),
        row("alerts, one screen", one.alerts, one.cpu, None, raw),
        row(f"alerts, {size.screens} screens", many.alerts, many.cpu, many.rss, raw),
        row("calls, one screen: gathered for 0.1 s on purpose", one.calls, one.cpu, None, raw),
        row(f"calls, {size.screens} screens", many.calls, many.cpu, many.rss, raw),
    ]
    title = f"Fan-out: {AGENTS} agents, {CALLS} calls at a time, {RATE:g} events a second, {size.screens} screens"
    note = (
        "From the broker's time of an event (to the millisecond) to its receipt. The screens: a tenth each in wall "
        f"mode of everything and of one of {TEAMS} teams, three tenths desks of everything, half desks of one team; "
        f"the day has had {EARLIER} alerts. A screen of everything is sent {many.noted.messages / size.seconds:.1f} "
        f"messages a second of {many.noted.size / 1000:.1f} kB. Broker, wall, screens and feeder share the machine; "
        "CPU is the server's."
    )
    return Table(title, ("", "p50", "p99", "p50 / baseline", "CPU of a core", "memory a screen"), rows, note)


def row(what: str, delays: list[float], cpu: float, rss: float | None, base: list[float]) -> tuple[str, ...]:
    """Of the fan-out's table."""
    ratio = quantile(delays, 0.5) / quantile(base, 0.5)
    memory = "" if rss is None else f"{rss / 1000:.0f} kB"
    return what, ms(quantile(delays, 0.5)), ms(quantile(delays, 0.99)), f"{ratio:.2f}", f"{cpu:.0%}", memory


def mix(screens: int) -> list[View]:
    """What they look at; the first at all of it."""
    names = list(teams())
    of_ten = [View("desk")] * 3 + [View("wall")] + [View("wall", "team")] + [View("desk", "team")] * 5
    views = [of_ten[n % 10] for n in range(screens)]
    return [msgspec.structs.replace(v, team=names[n // 10 % TEAMS] if v.team else "") for n, v in enumerate(views)]


async def watched(bootstrap: str, prefix: str, folder: str, views: list[View], seconds: float) -> Run:
    """Run a wall with these screens, on a floor that goes on."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        feed = Feed(producer, prefix, Floor(f"f{time.time_ns()}"))
        await feed.fill()
        async with walled(bootstrap, prefix, folder, "Asia/Shanghai") as wall, feeding(feed):
            await wall.live()
            await asyncio.sleep(SETTLE_S)
            before = wall.rss()
            plan = Plan(wall.base, {"wall": WALL_TOKEN, "desk": DESK_TOKEN}, views)
            async with child("bench.wall_clients") as screens:
                await screens.tell(msgspec.json.encode(plan).decode(), "ready")
                await asyncio.sleep(SETTLE_S)
                rss = (wall.rss() - before) / len(views)
                await screens.tell("note", "noting")
                from_, cpu = time.monotonic(), wall.cpu()
                feed.sent.clear()
                await asyncio.sleep(seconds)
                share = (wall.cpu() - cpu) / (time.monotonic() - from_)
                noted = msgspec.json.decode(await screens.tell("stop"), type=Noted)
    delays = {mark: [t - feed.sent[mark] for t in times] for mark, times in noted.seen.items() if mark in feed.sent}
    alerts = [d for mark, each in delays.items() if mark.startswith("a:") for d in each]
    calls = [d for mark, each in delays.items() if not mark.startswith("a:") for d in each]
    return Run(calls, alerts, share, rss, noted)


async def broadcast(size: Size, noted: Noted) -> tuple[list[float], float, float]:
    """Delays, CPU and memory of the baseline."""
    port, messages = free_port(), max(10, noted.messages)
    arguments = (port, messages, round(noted.size), size.seconds / messages)
    async with child("bench.wall_raw", *arguments) as server:
        await server.hear("ready")
        before = rss_of(server.pid)
        plan = Plan(f"http://127.0.0.1:{port}", {}, [View("wall")] * size.screens)
        async with child("bench.wall_clients") as screens:
            await screens.tell(msgspec.json.encode(plan).decode(), "ready")
            await asyncio.sleep(1)
            rss = (rss_of(server.pid) - before) / size.screens
            from_, cpu = time.monotonic(), cpu_of(server.pid)
            sent = msgspec.json.decode(await server.tell("go"), type=list[float])
            share = (cpu_of(server.pid) - cpu) / (time.monotonic() - from_)
            await asyncio.sleep(1)
            got = msgspec.json.decode(await screens.tell("stop"), type=Noted)
    return [t - at for n, at in enumerate(sent) for t in got.seen.get(f"r:{n}", ())], share, rss


class Feed:
    """Puts the floor's messages on the broker and keeps the broker's time of each."""

    def __init__(self, producer: AIOKafkaProducer, prefix: str, floor: Floor) -> None:
        self._producer, self._prefix, self._floor = producer, prefix, floor
        self.sent: dict[str, float] = {}

    async def fill(self) -> None:
        """Everybody talks, and the day has had its alerts."""
        now = time.time()
        said = [*self._floor.fill(now - 60), *(of_alert(self._floor.alert(now - 60)) for _ in range(EARLIER))]
        await asyncio.gather(*[await self._producer.send(*self._message(one)) for one in said])

    async def run(self) -> None:
        """At the pace of the floor, until cancelled."""
        begun, n = time.monotonic(), 0
        while True:
            await asyncio.sleep(max(0.0, begun + n / RATE - time.monotonic()))
            await self._put(self._floor.next(time.time()))
            if n % ALERT_EVERY == 0:
                await self._put(of_alert(self._floor.alert(time.time())))
            if n % round(heartbeat.EVERY_S * RATE) == 0:
                await self._beat("detect")
                await self._beat("asterisk")
            n += 1

    async def _put(self, said: Said) -> None:
        answer = await self._producer.send_and_wait(*self._message(said))
        self.sent[said.mark] = answer.timestamp / 1000

    async def _beat(self, component: Component) -> None:
        beat = heartbeat.render(Heartbeat(component=component, instance="1", at=time.time()))
        await self._producer.send_and_wait(f"{self._prefix}heartbeats", beat, b"1")

    def _message(self, said: Said) -> tuple[str, bytes, bytes]:
        return f"{self._prefix}{said.topic}", said.value, said.key


@asynccontextmanager
async def feeding(feed: Feed) -> AsyncIterator[None]:
    """The floor goes on meanwhile."""
    task = asyncio.create_task(feed.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# restarts


async def start(bootstrap: str, folder: str, size: Size, console: Console) -> list[Table]:
    """A week in the topics: until the wall is live without and with a checkpoint, and what a page of it takes."""
    zone = wall_week.evening()
    topics.apply(bootstrap, topics.specs(PARTITIONS, "bench-empty-"))
    with console.status(f"filling a week of {size.events:,} events in …"):
        week = await wall_week.fill(bootstrap, "bench-week-", size.events)
    with console.status("starting walls …"):
        empty = [await until_live(bootstrap, "bench-empty-", folder, zone) for _ in range(size.starts)]
        without = await until_live(bootstrap, "bench-week-", folder, zone, checkpoint=True)
        stored = await stored_bytes(bootstrap, "bench-week-wall")
        await a_minute_more(bootstrap)
        with_ = [await until_live(bootstrap, "bench-week-", folder, zone) for _ in range(size.starts)]
    rows = [
        start_row("without a checkpoint (baseline)", [without], without),
        start_row("with the checkpoint of a minute before", with_, without),
        start_row("nothing in the topics: the process alone", empty, without),
    ]
    title = f"Start of the wall with a week in the topics: {week.events:,} events, {week.today:,} of them today"
    note = (
        f"From the start of the process until /healthz says that it is live. Also {week.alerts:,} messages of alerts "
        f"and {week.verdicts:,} verdicts; all were filled in within {week.took_s:.0f} s. The checkpoint: "
        f"{stored / 1e6:.1f} MB."
    )
    first = Table(title, ("", "until live", "against the baseline", "memory of the process"), rows, note)
    with console.status("opening pages …"):
        return [first, await pages(bootstrap, week)]


def start_row(what: str, starts: list[Start], base: Start) -> tuple[str, ...]:
    """The median start."""
    took_s = statistics.median(one.took_s for one in starts)
    rss = statistics.median(one.rss for one in starts)
    return what, f"{took_s:.2f} s", f"{took_s / base.took_s:.3f}", f"{rss / 1e6:.0f} MB"


class Start(NamedTuple):
    """One start: seconds until live, bytes in use then."""

    took_s: float
    rss: float


async def until_live(bootstrap: str, prefix: str, folder: str, zone: str, *, checkpoint: bool = False) -> Start:
    """Start a wall and stop it; ``checkpoint``: not before it has left one."""
    begun = time.monotonic()
    async with walled(bootstrap, prefix, folder, zone) as wall:
        await wall.live()
        found = Start(time.monotonic() - begun, wall.rss())
        async with asyncio.timeout(READY_S):
            while checkpoint and not await stored_bytes(bootstrap, f"{prefix}wall"):  # noqa: ASYNC110 - in a process
                await asyncio.sleep(0.5)
    return found


async def stored_bytes(bootstrap: str, topic: str) -> int:
    """The newest whole checkpoint on a topic of one partition; 0: there is none, or it is still being written."""
    partition, size, is_whole = TopicPartition(topic, 0), 0, False
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=20) as consumer:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, 0)
        while await consumer.position(partition) < end:
            for message in (await consumer.getmany(timeout_ms=100)).get(partition, []):
                piece = pieces.parse(message.value or b"")
                size = len(piece.data) + (size if piece.part else 0)
                is_whole = piece.is_last
    return size if is_whole else 0


async def a_minute_more(bootstrap: str) -> None:
    """What happens while a wall is away."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        feed = Feed(producer, "bench-week-", Floor("later"))
        await feed.fill()


async def pages(bootstrap: str, week: Week) -> Table:
    """How long the records of calls and alerts of that week take to read."""
    settings = Settings(kafka=bootstrap, topic_prefix="bench-week-", partitions=PARTITIONS)
    records = KafkaRecords(settings)
    try:
        bare = [await timed(records.call("nobody", time.time() + 3600, None)) for _ in week.calls]
        calls = [await timed(records.call(call, at - 600, at + 600)) for call, at in week.calls]
        alerts = [await timed(records.alert(alert)) for alert in week.alert_ids]
        strangers = [await timed(records.alert(f"0000{n}")) for n in range(5)]
    finally:
        await records.close()
    rows = [
        page_row("an empty stretch: questions to the broker alone (baseline)", bare, bare),
        page_row("record of a call of twenty minutes, somewhere in the week", calls, bare),
        page_row("an alert by its id alone, somewhere in the week", alerts, bare),
        page_row("an alert that does not exist: the whole week", strangers, bare),
    ]
    return Table("Records behind the pages, the same week", ("", "p50", "longest", "p50 / baseline"), rows)


async def timed(work: Any) -> float:
    """Seconds that it takes."""
    begun = time.monotonic()
    await work
    return time.monotonic() - begun


def page_row(what: str, times: list[float], base: list[float]) -> tuple[str, ...]:
    """Of the pages' table."""
    ratio = quantile(times, 0.5) / quantile(base, 0.5)
    return what, ms(quantile(times, 0.5)), ms(max(times)), f"{ratio:.1f}"


# processes


class Child:
    """A process that is told lines and answers with lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin and process.stdout
        self._in, self._out, self.pid = process.stdin, process.stdout, process.pid

    async def tell(self, line: str, expect: str = "") -> bytes:
        """Say something and wait for the answer."""
        self._in.write(f"{line}\n".encode())
        await self._in.drain()
        return await self.hear(expect)

    async def hear(self, expect: str = "") -> bytes:
        """The next line. Raises RuntimeError where it is not ``expect``."""
        async with asyncio.timeout(READY_S):
            answer = (await self._out.readline()).strip()
        if not answer or (expect and answer != expect.encode()):
            raise RuntimeError(f"expected {expect or 'an answer'}, got {answer[:200]!r}")
        return answer


@asynccontextmanager
async def child(module: str, *arguments: object) -> AsyncIterator[Child]:
    """``python -m module``, killed at the end."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, arguments), stdin=pipe, stdout=pipe, limit=1 << 30
    )
    try:
        yield Child(process)
    finally:
        await ended(process)


class Walled(NamedTuple):
    """A wall's process."""

    base: str
    pid: int

    async def live(self) -> None:
        """Wait for it."""
        async with asyncio.timeout(READY_S):
            while not await asyncio.to_thread(answers, f"{self.base}/healthz"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)

    def rss(self) -> int:
        """Bytes."""
        return rss_of(self.pid)

    def cpu(self) -> float:
        """Seconds."""
        return cpu_of(self.pid)


def answers(url: str) -> bool:
    """Whether it says 200."""
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - our own
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@asynccontextmanager
async def walled(bootstrap: str, prefix: str, folder: str, zone: str) -> AsyncIterator[Walled]:
    """``sansheng wall`` on a free port, killed at the end."""
    port = free_port()
    mine = {
        "KAFKA": bootstrap,
        "TOPIC_PREFIX": prefix,
        "RUN_DIR": folder,
        "PARTITIONS": PARTITIONS,
        "WALL__PORT": port,
        "WALL__TOKEN": WALL_TOKEN,
        "WALL__DESK_TOKEN": DESK_TOKEN,
        "WALL__TIMEZONE": zone,
        "WALL__TEAMS": msgspec.json.encode({name: team.model_dump() for name, team in teams().items()}).decode(),
        "METRICS__WALL": 0,
    }
    environment = {**os.environ, **{f"SANSHENG_{key}": str(value) for key, value in mine.items()}}
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streams.cli", "wall", env=environment, stdout=quiet, stderr=quiet
    )
    try:
        yield Walled(f"http://127.0.0.1:{port}", process.pid)
    finally:
        await ended(process)


async def ended(process: asyncio.subprocess.Process) -> None:
    """Kill it, if need be, and wait."""
    if process.returncode is None:
        process.kill()
    await process.wait()


def rss_of(pid: int) -> int:
    """Bytes of memory in use (Linux)."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def cpu_of(pid: int) -> float:
    """Seconds of CPU used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ms(seconds: float) -> str:
    """As milliseconds."""
    return f"{seconds * 1000:.1f} ms"


if __name__ == "__main__":
    typer.run(main)
