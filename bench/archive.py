"""``python -m bench.archive``: a week archived, searched, judged again and half forgotten, under SIGKILL.

``make bench-archive``. A real broker is filled with the week of ``archive_week``; the real ``sansheng archive`` takes
it into each store and is killed with -9 on the way; then the store is compared with the week, row by row
(``archive_truth``). Its days are exported and back-tested, words of three days and some customers are forgotten, again
under SIGKILL, and what is left is compared again. Anything lost, double or wrong: it is told, and the exit is 1. A full
run writes its tables into ``docs/bench.md``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import search
from bench.archive_system import BenchError, Caught, System, catch_up, killed_while, settle
from bench.archive_truth import TOLD, Compared, Gone, compare, compare_days, compare_found, traces_left
from bench.archive_week import TOPICS, ZONE, Filled, Week, fill
from bench.lab.tables import Table, markdown, show, write
from bench.wall_week import PARTITIONS
from streams.alerts import AlertChange
from streams.events import BadEventError, parse
from streams.settings import Settings
from streams.shell.kafka import EmbeddedKafka
from tests.postgres import postgres

PAGE, LIBS = Path("docs/bench.md"), Path(".run/kafka")
PREFIX = "bench-archive-"
STORES = ("sqlite", "postgres")
#: Of customers' pseudonyms.
KEY = b"sansheng's bench of the archive."
#: One rule that judges otherwise, for the back-test.
CHANGE = "change: {ring-over-three: {thresholds: [{after: 5 s, severity: warning}]}}"
CHANGED = "ring-over-three"
#: Of the seven days, the words of the first so many are forgotten.
WORDLESS = 3


class Size(NamedTuple):
    """How much a run does. ``talks``: conversations; ``back``: days that are judged again; ``customers``: forgotten."""

    calls: int
    talks: int
    kills: int
    back: int
    customers: int


FULL, QUICK = Size(100_000, 2400, 20, 7, 8), Size(2000, 120, 20, 1, 6)


class Row(NamedTuple):
    """Of a store's table. ``ratio``: to the baseline above it."""

    what: str
    figure: str
    ratio: str = ""


class Bare(NamedTuple):
    """The baseline of the taking: messages a second that a bare consumer reads and parses; ``size``: bytes of them."""

    rate: float
    size: int


def main(  # noqa: PLR0913 - each is an option of its own
    store: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(STORES)}; may be given twice")] = None,
    calls: Annotated[int | None, typer.Option(help="calls of the week")] = None,
    kills: Annotated[int | None, typer.Option(help="how often the archivist is killed while it catches up")] = None,
    back: Annotated[int | None, typer.Option(min=1, max=7, help="days that are judged again")] = None,
    customers: Annotated[int | None, typer.Option(min=1, help="customers that are forgotten on request")] = None,
    quick: Annotated[bool, typer.Option(help="2,000 calls, one day back-tested; writes nothing")] = False,
    seed: Annotated[int, typer.Option(help="of the week and of the moments of the kills")] = 6,
) -> None:
    """Prove the archive on a made week and print the tables; a full run writes them into docs/bench.md."""
    size = QUICK if quick else FULL
    given = {"calls": calls, "kills": kills, "back": back, "customers": customers}
    size = size._replace(**{name: value for name, value in given.items() if value is not None})
    logging.disable(logging.WARNING)
    console = Console(width=120)
    bench = Bench(size, seed, console)
    try:
        with bench.broker():
            tables = [table for name in store or STORES for table in bench.shown(name)]
    except BenchError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    for fault in bench.faults:
        console.print(fault, style="red", markup=False, soft_wrap=True)
    if bench.faults:
        raise typer.Exit(1)
    console.print("nothing lost, nothing double, nothing left that was to be forgotten")
    if size == FULL and not store:
        write(
            PAGE, "archive", f"Measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores.\n\n{markdown(tables)}"
        )
        console.print(f"written into {PAGE}")


class Bench:
    """One run: a week in a broker, and what each store made of it."""

    def __init__(self, size: Size, seed: int, console: Console) -> None:
        """Nothing is made yet."""
        self._size, self._seed, self._console = size, seed, console
        self.faults: list[str] = []
        self._judged = False

    @contextmanager
    def broker(self) -> Iterator[None]:
        """Make the week, and fill a broker with it."""
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sansheng-bench-")))
            quiet = Console(stderr=True, quiet=True)
            kafka = stack.enter_context(EmbeddedKafka(self._folder / "kafka", libs=LIBS, console=quiet))
            self._bootstrap = kafka.bootstrap
            with self._doing("the week: judging its conversations") as tell:
                self._week = Week(self._size.calls, now=time.time(), key=KEY, seed=self._seed, talks=self._size.talks)
                tell("the week: filling the topics")
                self._filled = asyncio.run(fill(kafka.bootstrap, PREFIX, self._week, lambda n: tell(messages=n)))
                tell("a bare consumer")
                self._bare = asyncio.run(_bare(kafka.bootstrap, sum(self._filled.sent.values())))
            self._say(_told_week(self._week, self._filled))
            yield

    def shown(self, name: str) -> list[Table]:
        """The tables of a store, printed as soon as they are known."""
        tables = self.prove(name)
        for table in tables:
            show(self._console, table)
        return tables

    def prove(self, name: str) -> list[Table]:
        """Everything on one store; its tables."""
        with ExitStack() as stack:
            folder = self._folder / name
            folder.mkdir()
            (folder / "pseudonym.key").write_bytes(KEY)
            url = stack.enter_context(postgres()).new() if name == "postgres" else ""
            system = _system(self._bootstrap, folder, url)
            stack.callback(system.store.close)
            stack.callback(system.stop)
            chance = random.Random(f"{self._seed}:{name}")  # noqa: S311 - not for secrets
            rows, whole = self._taken(name, system, chance)
            found = self._searched(name, system)
            rows += self._judged_again(name, system)
            own, left = self._forgotten(name, system, chance)
        title = f"{_NAMES[name]}: {self._size.calls:,} calls of a week, {sum(self._filled.sent.values()):,} messages"
        figures = Table(title, ("", "figure", "of the baseline"), [*rows, *own], _NOTES[name])
        return [figures, _both(_NAMES[name], whole, left), found]

    # ------------------------------------------------------------------------------------------ parts

    def _taken(self, name: str, system: System, chance: random.Random) -> tuple[list[Row], Compared]:
        total = sum(self._filled.sent.values())
        on_days = self._size.kills // 5
        with self._doing(f"{name}: archiving") as tell:
            caught = catch_up(
                system, total, self._size.kills - on_days, chance, lambda n, k: tell(messages=n, of=total, kills=k)
            )
            tell(f"{name}: days as Parquet")
            begun = time.monotonic()
            on_days = settle(system, on_days, chance, lambda left, k: tell(kills=caught.kills + k))
            settled_s = time.monotonic() - begun
            system.stop()
            tell(f"{name}: comparing with the week")
            compared = compare(system.settings, self._week)
            faults = (*compared.faults, *compare_days(system.settings.archive_folder, self._week))
            faults += tuple(line for line in system.said().splitlines() if " ERROR " in line)
        self._note(name, faults)
        rate = sum(self._filled.sent.values()) / caught.took_s
        rows = [
            Row("a bare consumer that parses (baseline)", f"{self._bare.rate:,.0f} messages/s", "1.00"),
            Row("archived, while it ran", f"{caught.rate:,.0f} messages/s", f"{caught.rate / self._bare.rate:.2f}"),
            Row(f"archived, {caught.kills} kills -9 in it", _span(caught, rate), f"{rate / self._bare.rate:.2f}"),
            Row(f"then settled, {on_days} kills -9 while it wrote days", f"{settled_s:,.0f} s"),
            Row("the messages themselves (baseline)", _mb(self._bare.size), "1.00"),
            Row("store, index included", _mb(system.size()), f"{system.size() / self._bare.size:.2f}"),
            Row("days as Parquet", _mb(system.days_size()), f"{system.days_size() / self._bare.size:.2f}"),
        ]
        return rows, compared

    def _searched(self, name: str, system: System) -> Table:
        with self._doing(f"{name}: finding calls"):
            figures = search.measure(system.store)
            faults = compare_found(system.settings, self._week)
        late = [f"search: {each.name}: {each.p50_s:.3f} s" for each in figures if each.p50_s > search.LIMIT_S]
        self._note(name, [*faults, *late])
        return search.table(f"{_NAMES[name]}: finding calls among {self._size.calls:,}", figures)

    def _judged_again(self, name: str, system: System) -> list[Row]:
        back = 1 if self._judged else self._size.back  # the days of every store are the same
        self._judged = True
        days = [day.isoformat() for day in self._week.days][-back:]
        first = [day.isoformat() for day in self._week.days][2]
        overlay, record = system.settings.run_dir / "new.yaml", system.settings.run_dir / "day.ndjson"
        overlay.write_text(CHANGE, "utf-8")
        calls = dict.fromkeys([*days, first], 0)
        for n in range(self._week.size):
            if self._week.day(n) in calls:
                calls[self._week.day(n)] += 1
        books = ("--rulebook", str(overlay), "--against", "default", "--format", "ndjson")
        with self._doing(f"{name}: exporting the week") as tell:
            span = f"{self._week.days[0]}..{self._week.days[-1]}"
            export_s, _ = _timed(system, "archive", "export", "--days", span, "--force")
            tell(f"{name}: a day as NDJSON, judged again")
            _write_record(self._week, first, record)
            plain_s, plain = _timed(system, "replay", str(record), *books)
            tell(f"{name}: the same day from the archive")
            day_s, day = _timed(system, "replay", "--from", "archive", "--days", first, *books)
            faults = [] if _counts(plain) == _counts(day) else [f"back-test of {first}: not as that of its NDJSON"]
            tell(f"{name}: every alert of that day")
            _, alerts = _timed(system, "replay", "--from", "archive", "--days", first)
            faults += _alerts_differ(alerts, self._week.judged([first]), first)
            tell(f"{name}: {len(days)} days judged again")
            week_s, week = _timed(system, "replay", "--from", "archive", "--days", f"{days[0]}..{days[-1]}", *books)
            faults += _counts_differ(week, self._week.judged(days), days)
        self._note(name, faults)
        base, rate, all_rate = calls[first] / plain_s, calls[first] / day_s, sum(calls[d] for d in days) / week_s
        return [
            Row("export of the week by command", f"{export_s:,.1f} s"),
            Row(f"back-test of a day as NDJSON, {calls[first]:,} calls (baseline)", f"{base:,.0f} calls/s", "1.00"),
            Row("back-test of that day from the archive", f"{rate:,.0f} calls/s", f"{rate / base:.2f}"),
            Row(
                f"back-test of {len(days)} days from the archive",
                f"{all_rate:,.0f} calls/s, {week_s:,.0f} s",
                f"{all_rate / base:.2f}",
            ),
        ]

    def _forgotten(self, name: str, system: System, chance: random.Random) -> tuple[list[Row], Compared]:
        gone, numbers = self._to_forget(chance)
        zone = ZoneInfo(ZONE)
        kept_from = self._week.days[WORDLESS]
        keeps = {"SANSHENG_ARCHIVE__WORDS_DAYS": str((datetime.now(zone).date() - kept_from).days)}
        before, days_before = system.size(), system.days_size()
        with self._doing(f"{name}: forgetting the words of {WORDLESS} days") as tell:
            begun = time.monotonic()
            kills = on_words = killed_while(system, 3, chance, "archive", "keep", **keeps)
            tell(kills=kills)
            system.run("archive", "keep", **keeps)
            words_s = time.monotonic() - begun
            tell(f"{name}: forgetting {len(numbers)} customers")
            begun = time.monotonic()
            for n, number in enumerate(numbers):
                forget = ("archive", "forget", "--caller", number, "--yes")
                kills += killed_while(system, int(n < 3), chance, *forget, **keeps)
                _forget(system, forget, keeps)
                tell(messages=n + 1, of=len(numbers), kills=kills)
            callers_s, on_callers = (time.monotonic() - begun) / len(numbers), kills - on_words
            tell(f"{name}: days as Parquet, anew")
            kills += settle(system, 2, chance, lambda left, k: tell(kills=kills + k), **keeps)
            system.stop()
            tell(f"{name}: comparing what is left with the week")
            compared = compare(system.settings, self._week, gone)
            faults = (*compared.faults, *compare_days(system.settings.archive_folder, self._week, gone))
            faults += traces_left(system.settings, self._week, gone)
            faults += compare_found(system.settings, self._week, gone)
        self._note(f"{name}, after forgetting", faults)
        wordless = sum(self._week.day(n) in gone.days for n in range(self._week.size))
        rows = [
            Row(f"words of {wordless:,} calls forgotten, {on_words} kills -9 in it", f"{words_s:,.0f} s"),
            Row(f"one of {len(numbers)} customers forgotten, {on_callers} kills -9 in it", f"{callers_s:,.1f} s"),
            Row("store afterwards", _mb(system.size()), f"{system.size() / before:.2f} of before"),
            Row("Parquet afterwards", _mb(system.days_size()), f"{system.days_size() / days_before:.2f} of before"),
        ]
        return rows, compared

    def _to_forget(self, chance: random.Random) -> tuple[Gone, list[str]]:
        """Some customers, whose calls are told from others' where they were seen to come in."""
        by_number: dict[str, list[int]] = defaultdict(list)
        for n in range(self._week.size):
            if self._week.offered(n):
                by_number[self._week.number(n)].append(n)
        numbers = chance.sample(sorted(by_number), min(self._size.customers, len(by_number) // 2))
        days = frozenset(day.isoformat() for day in self._week.days[:WORDLESS])
        return Gone(days, frozenset(n for number in numbers for n in by_number[number])), numbers

    # ------------------------------------------------------------------------------------------ telling

    def _note(self, name: str, faults: Sequence[str]) -> None:
        self.faults += [f"{name}: {fault}" for fault in faults[:TOLD]]
        if len(faults) > TOLD:
            self.faults.append(f"{name}: and {len(faults) - TOLD:,} more")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)

    @contextmanager
    def _doing(self, what: str) -> Iterator[Any]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[more]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(what, total=None, more="")
            if not self._console.is_terminal:
                self._say(f"{datetime.now(UTC):%H:%M:%S} {what} …")
            kills_so_far = 0

            def tell(
                what: str = "", *, messages: int | None = None, of: int | None = None, kills: int | None = None
            ) -> None:
                nonlocal kills_so_far
                if what:
                    bar.reset(task, description=what, total=None)
                    if not self._console.is_terminal:
                        self._say(f"{datetime.now(UTC):%H:%M:%S} {what} …")
                kills_so_far = kills_so_far if kills is None else kills
                more = f"{messages:,}" if messages is not None else ""
                bar.update(
                    task, completed=messages, total=of, more=f"{more} killed {kills_so_far}" if kills_so_far else more
                )

            yield tell


_NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
_NOTES = {
    "sqlite": "Broker, archivist and bench share the machine. The archivist's baseline is a consumer of the same "
    "messages that parses them and stores nothing; that of the sizes is the messages' own.",
    "postgres": "As above; PostgreSQL is Debian's, on loopback, without fsync.",
}


def _told_week(week: Week, filled: Filled) -> str:
    sent, rate = sum(filled.sent.values()), sum(filled.sent.values()) / filled.took_s
    odd = Counter(week.talk(n).kind for n in range(week.size))
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in odd.most_common())
    topics = ", ".join(f"{filled.sent[topic]:,} {topic}" for topic in TOPICS)
    return f"{week.days[0]} to {week.days[-1]}: {topics}; {sent:,} messages at {rate:,.0f}/s. Calls: {kinds}."


_COUNTED = {
    "calls": "calls",
    "events": "events of their records",
    "lines": "sentences",
    "alerts": "alerts",
    "changes": "changes of alerts",
    "judgements": "judgements",
    "reads": "entries of who read what",
    "hash": "hash of all of it",
}


def _both(name: str, whole: Compared, left: Compared) -> Table:
    """What was counted on both sides, and the hashes."""
    sides = (whole.stored, whole.true, left.stored, left.true)
    rows = [(told, *(_cell(getattr(side, each)) for side in sides)) for each, told in _COUNTED.items()]
    columns = ("", "stored", "the week itself", "after forgetting", "the week without that")
    return Table(f"{name}: nothing lost, nothing double", columns, rows)


def _cell(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def _span(caught: Caught, rate: float) -> str:
    return f"{rate:,.0f} messages/s, {caught.took_s:,.0f} s"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


# ----------------------------------------------------------------------------------------------------- the system


def _system(bootstrap: str, folder: Path, url: str) -> System:
    mine = {
        "KAFKA": bootstrap,
        "TOPIC_PREFIX": PREFIX,
        "RUN_DIR": str(folder),
        "PARTITIONS": str(PARTITIONS),
        "WALL__TIMEZONE": ZONE,
        "ARCHIVE__URL": url,
        "ARCHIVE__DAYS_AFTER_S": "1",
        "METRICS__ARCHIVE": "0",
    }
    settings = Settings(
        kafka=bootstrap,
        topic_prefix=PREFIX,
        run_dir=folder,
        partitions=PARTITIONS,
        wall={"timezone": ZONE},  # type: ignore[arg-type] # pydantic makes it one
        archive={"url": url, "days_after_s": 1},  # type: ignore[arg-type]
    )
    return System(settings, {f"SANSHENG_{name}": value for name, value in mine.items()}, folder / "archivist.log")


async def _bare(bootstrap: str, total: int) -> Bare:
    """Read everything with aiokafka and parse it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    read = size = 0
    async with consumer:
        places = [TopicPartition(f"{PREFIX}{topic}", n) for topic in TOPICS[:3] for n in range(PARTITIONS)]
        consumer.assign([*places, TopicPartition(f"{PREFIX}audit", 0)])
        begun = time.monotonic()
        while read < total:
            for records in (await consumer.getmany(timeout_ms=500, max_records=4000)).values():
                for record in records:
                    value = record.value or b""
                    read, size = read + 1, size + len(value)
                    try:
                        parse(value)
                    except BadEventError:
                        continue  # alerts and verdicts are none
    return Bare(read / (time.monotonic() - begun), size)


def _timed(system: System, *arguments: str) -> tuple[float, str]:
    begun = time.monotonic()
    said = system.run(*arguments)
    return time.monotonic() - begun, said


def _forget(system: System, forget: Sequence[str], keeps: dict[str, str]) -> None:
    """Once more, where it was killed: what is left of the customer, or of what had been begun."""
    try:
        system.run(*forget, **keeps)
    except BenchError:
        system.run("archive", "forget", "--again", "--yes", **keeps)


# ------------------------------------------------------------------------------------------------- judged again


def _write_record(week: Week, day: str, path: Path) -> None:
    """The calls of a day as NDJSON, one after the other."""
    with path.open("w", encoding="utf-8") as out:
        for n in range(week.size):
            if week.day(n) == day:
                out.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in week.record(n))


def _counts(said: str) -> dict[str, tuple[int, int]]:
    """By rule: alerts by the book before, and now."""
    rows = [json.loads(line) for line in said.splitlines()]
    fired = {row["rule"]: (row["fired"]["before"], row["fired"]["now"]) for row in rows if row["type"] == "rule"}
    return {rule: both for rule, both in fired.items() if any(both)}


def _counts_differ(said: str, wanted: dict[str, list[AlertChange]], days: Sequence[str]) -> list[str]:
    true, found = Counter(changes[0].rule for changes in wanted.values()), _counts(said)
    before = {rule: both[0] for rule, both in found.items() if both[0]}
    now = {rule: both[1] for rule, both in found.items() if both[1] and rule != CHANGED}
    span, faults = f"back-test of {days[0]} to {days[-1]}", list[str]()
    for rule in sorted({*true, *before}):
        if before.get(rule, 0) != true[rule]:
            faults.append(f"{span}: {rule}: {before.get(rule, 0):,} alerts, not {true[rule]:,}")
        if rule != CHANGED and now.get(rule, 0) != true[rule]:
            faults.append(f"{span}: {rule}: {now.get(rule, 0):,} alerts by the new book, which does not change it")
    if found.get(CHANGED, (0, 0))[1] <= true[CHANGED]:
        faults.append(f"{span}: the new book, which is stricter, finds no more of {CHANGED}")
    return faults


def _alerts_differ(said: str, wanted: dict[str, list[AlertChange]], day: str) -> list[str]:
    """Every change of every alert, to the sentence."""
    found: dict[str, list[Any]] = defaultdict(list)
    for line in said.splitlines():
        row = json.loads(line)
        found[row["id"]].append([row["at"], row["state"], row["severity"], row["call"], row["says"]])
    true = {each: sorted([c.at, c.state, c.severity, c.call, c.says] for c in own) for each, own in wanted.items()}
    wrong = [each for each in {*true, *found} if true.get(each) != sorted(found.get(each, []))]
    rules = Counter(wanted[each][0].rule if each in wanted else "not of the week" for each in wrong)
    told = ", ".join(f"{count} of {rule}" for rule, count in rules.items())
    return [f"replay of {day}: {len(wrong):,} alerts of {len(true):,} are not as they were: {told}"] if wrong else []


if __name__ == "__main__":
    typer.run(main)
