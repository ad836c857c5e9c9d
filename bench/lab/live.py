"""The spoken calls through everything: websocket → listen → Kafka → recognise → detect → wall, in their own time.

Three at a time on one machine, the broker and the player of the calls included. What their records give is the truth.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from bench.lab import clips
from bench.lab.tables import Table
from streams import alerts
from streams.alerts import AlertChange
from streams.detectors.says import Says
from streams.replay import replay
from streams.rulebook.book import Rulebook, load
from streams.settings import ListenSettings, Settings
from streams.shell import topics
from streams.shell.beats import until_awake
from streams.shell.demo import SPOKEN
from streams.shell.kafka import EmbeddedKafka, free_port
from streams.shell.publisher import Publisher
from streams.shell.spoken import LINES, Player, SpokenCall, spoken_calls
from tests.wall_client import Screen, Seen

TOKEN = "bench"  # noqa: S105 - of services on loopback
PROCESSES = ("detect", "listen", "recognise", "wall")
#: After the last call rules wait for words that are still on their way, seconds.
AFTER_S = 20.0


def tables() -> list[Table]:
    """Each call beside its record, and how soon the wall knew."""
    book, calls = load(), spoken_calls(SPOKEN, clips.SPEECH / "calls")
    told, seen = asyncio.run(_run(calls))
    return [_calls(calls, book, told), _delays(book, seen)]


async def _run(calls: Sequence[SpokenCall]) -> tuple[list[AlertChange], list[Seen]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedKafka(Path(folder) / "kafka", libs=Path(".run/kafka")) as broker,
    ):
        listen = ListenSettings(websocket=free_port(), audiosocket=free_port(), token=SecretStr(TOKEN))
        settings = Settings(kafka=broker.bootstrap, run_dir=Path(folder) / "run", listen=listen)
        settings.wall.port, settings.wall.token = free_port(), SecretStr(TOKEN)
        topics.apply(settings.bootstrap, topics.specs(settings.partitions))
        screen = Screen(settings.wall.port, TOKEN)
        with _processes(settings):
            async with asyncio.timeout(120):
                await until_awake(settings, ("detect", "listen", "recognise"))
            watching = asyncio.create_task(_watch(screen))
            async with Publisher(settings.bootstrap) as publisher, asyncio.TaskGroup() as group:
                player = Player(settings, publisher)
                for number in range(LINES):
                    group.create_task(_line(player, calls[number::LINES], number))
            await asyncio.sleep(AFTER_S)
            watching.cancel()
            return await _alerts(settings), screen.seen


@contextmanager
def _processes(settings: Settings) -> Iterator[None]:
    mine = {**os.environ, **settings.as_environment()}
    mine |= {f"SANSHENG_METRICS__{name.upper()}": "0" for name in PROCESSES}
    quiet = subprocess.DEVNULL
    commands = [[sys.executable, "-m", "streams.cli", name] for name in PROCESSES]
    children = [subprocess.Popen(command, env=mine, stdout=quiet, stderr=quiet) for command in commands]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


async def _line(player: Player, calls: Sequence[SpokenCall], number: int) -> None:
    for call in calls:
        await player.play(call, number, call.name)


async def _watch(screen: Screen) -> None:
    while True:
        with suppress(OSError):
            await screen.follow(lambda _: False)
        await asyncio.sleep(0.2)


async def _alerts(settings: Settings) -> list[AlertChange]:
    topic = settings.topic("alerts")
    async with AIOKafkaConsumer(topic, bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest") as consumer:
        batches = await consumer.getmany(timeout_ms=5_000, max_records=100_000)
        return [alerts.parse(message.value or b"") for batch in batches.values() for message in batch]


def _calls(calls: Iterable[SpokenCall], book: Rulebook, told: Iterable[AlertChange]) -> Table:
    heard: dict[str, set[str]] = {}
    for change in told:
        heard.setdefault(change.call, set()).update({change.rule} if change.severity and not change.trial else ())
    rows = []
    for call in calls:
        wanted = {c.rule for c in replay(book, call.events) if isinstance(c, AlertChange) and not c.trial}
        found = heard.get(call.name, set())
        rows.append((call.name, _names(wanted), _names(wanted - found), _names(found - wanted)))
    return Table("Whole calls, live: rules that the record sets off", ("call", "record", "missed", "besides"), rows)


def _names(rules: Iterable[str]) -> str:
    return ", ".join(sorted(rules)) or "\u2013"


def _delays(book: Rulebook, seen: Iterable[Seen]) -> Table:
    words = {rule.id for rule in book.rules if isinstance(rule, Says)}
    late = sorted(each.seen_at - each.at for each in seen if each.rule in words and each.state == "opened")
    p50, p95 = (statistics.quantiles(late, n=20, method="inclusive")[n] for n in (9, 18)) if len(late) > 1 else (0, 0)
    row = ("end of the phrase to the wall", str(len(late)), f"{p50:.2f} s", f"{p95:.2f} s")
    return Table("How soon the wall knows, live", ("", "alerts", "p50 (aim 0.6 s)", "p95 (aim 1.2 s)"), [row])
