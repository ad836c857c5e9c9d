"""``sansheng …``: the command line. Owns options, printing and exit codes; the work is done elsewhere."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Coroutine, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from streams import alerts, events, metrics
from streams.alerts import AlertChange
from streams.events import AnyEvent
from streams.problem import Problem
from streams.replay import read_record, replay
from streams.rulebook.book import Rulebook, RulebookError, load
from streams.settings import SettingsError, config_file, read_settings
from streams.shell.running import UnreadyError, flatten, until_told
from streams.telephony.capture import read_capture, record_capture

app = typer.Typer(
    name="sansheng",
    help="三声 Sansheng: watches every call of a hotline live and says which written rule is being broken.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
err = Console(stderr=True, highlight=False)


class Source(StrEnum):
    """Where a trace comes from."""

    record = "record"
    asterisk = "asterisk"


class Format(StrEnum):
    """How results are printed."""

    ndjson = "ndjson"
    table = "table"


Files = Annotated[list[Path], typer.Argument(help="Trace files.", exists=True, dir_okay=False, readable=True)]
From = Annotated[
    Source, typer.Option("--from", help="record: NDJSON of the contract; asterisk: AMI captures (.jsonl or .ami.txt).")
]


def book_of(overlays: Iterable[Path]) -> Rulebook:
    """The rulebook, or every fault in it on stderr and exit 2."""
    try:
        book = load(overlays)
    except RulebookError as error:
        for fault in error.faults:
            say(str(fault), style="red")
        err.print(f"the rulebook has {len(error.faults)} fault(s); nothing was run")
        raise typer.Exit(2) from None
    for why in book.why:
        say(f"overlay: {why}", style="yellow")
    return book


class Reading:
    """Trace files, read one after the other; ``unread`` are those in which nothing could be read."""

    def __init__(self, files: list[Path], source: Source) -> None:
        self._files, self._source = files, source
        self._read = read_record if source is Source.record else record_capture
        self.unread: list[Path] = []
        self.problems = 0

    def __iter__(self) -> Iterator[AnyEvent | Problem]:
        """The events and problems of all files."""
        for file in self._files:
            met = events_met = 0
            for item in self._read(file):
                met, events_met = met + 1, events_met + (not isinstance(item, Problem))
                yield item
            if met and not events_met and not self._has_blocks(file):
                self.unread.append(file)

    def tell(self, problem: Problem) -> None:
        """Say it and count it."""
        self.problems += 1
        say(str(problem), style="yellow")

    def conclude(self) -> None:
        """Say how many problems were met; exit 1 where nothing at all could be read from a file."""
        if self.problems:
            say(f"{self.problems} problem(s) were met; everything else was taken", style="yellow")
        for file in self.unread:
            say(f"{file}: nothing could be read from it", style="red")
        if self._source is Source.record and any(map(_looks_like_ami, self.unread)):
            say("this looks like a capture of AMI traffic: add `--from asterisk`")
        if self.unread:
            raise typer.Exit(1)

    def _has_blocks(self, file: Path) -> bool:
        """A capture that can be read may still hold no call."""
        return self._source is Source.asterisk and not all(isinstance(item, Problem) for item in read_capture(file))


def _looks_like_ami(file: Path) -> bool:
    """Whether the first line with anything on it is one of a capture."""
    with file.open("rb") as lines:
        first = next((line for line in lines if line.strip()), b"")
    try:
        row = json.loads(first)
    except ValueError:
        return first.startswith((b"Asterisk Call Manager/", b"Event: ", b"Response: "))
    return isinstance(row, dict) and {"t", "event"} <= row.keys()


@app.command("replay")
def replay_command(
    files: Files,
    source: From = Source.record,
    rulebook: Annotated[list[Path], typer.Option(help="Folder or file laid over the default rulebook.")] = [],  # noqa: B006 - typer's way
    output: Annotated[Format, typer.Option("--format", help="ndjson or table.")] = Format.ndjson,
) -> None:
    """Judge recorded calls by the rulebook and print the alert changes; needs no broker."""
    book = book_of(rulebook or read_settings().rulebook)
    changes, reading = [], Reading(files, source)
    for item in replay(book, reading):
        if isinstance(item, Problem):
            reading.tell(item)
        else:
            changes.append(item)
    changes.sort(key=lambda change: change.at)
    _print_changes(changes, output)
    reading.conclude()


def _print_changes(changes: list[AlertChange], output: Format) -> None:
    if output is Format.ndjson:
        for change in changes:
            sys.stdout.write(alerts.render(change).decode() + "\n")
        return
    rows = ((f"{c.at:.2f}", c.severity, c.state, c.rule, c.agent or "", c.says) for c in changes)
    _print_table(("time", "severity", "state", "rule", "agent", "says"), rows, f"{len(changes)} alert changes")


def _print_table(columns: Iterable[str], rows: Iterable[Iterable[str]], title: str) -> None:
    """On stdout. Square brackets are text; what is too long folds, and in a pipe the lines are as long as need be."""
    table, console = Table(title=escape(title)), Console()
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    if not console.is_terminal:
        console = Console(width=console.measure(table, options=console.options.update(max_width=10_000)).maximum)
    console.print(table)


@app.command("record")
def record_command(files: Files, source: From = Source.asterisk) -> None:
    """Print the record (NDJSON) that a capture of PBX traffic gives."""
    reading = Reading(files, source)
    for item in reading:
        if isinstance(item, Problem):
            reading.tell(item)
        else:
            sys.stdout.write(events.render(item).decode() + "\n")
    reading.conclude()


config = typer.Typer(help="Settings.", no_args_is_help=True)
app.add_typer(config, name="config")


@config.command("show")
def config_show(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Print every setting as it is in force; secrets are shown as stars."""
    values = read_settings().model_dump(mode="json")
    if as_json:
        sys.stdout.write(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
        return
    _print_table(("setting", "value", "variable"), _rows("SANSHENG_", "", values), f"file: {config_file()}")


def _rows(prefix: str, path: str, values: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _rows(f"{prefix}{name.upper()}__", f"{path}{name}.", value)
        else:
            yield f"{path}{name}", str(value), f"{prefix}{name.upper()}"


@app.command("metrics")
def metrics_command() -> None:
    """Print the table of metrics as Markdown."""
    sys.stdout.write(metrics.as_markdown())


rules = typer.Typer(help="The rulebook.", no_args_is_help=True)
app.add_typer(rules, name="rules")


@rules.command("check")
def rules_check(
    overlays: Annotated[list[Path], typer.Argument(help="Folders or files to lay over the default rulebook.")] = [],  # noqa: B006 - typer's way
) -> None:
    """Find every fault of the rulebook, with file, line and the mend; exit 2 where there is one."""
    book = book_of(overlays or read_settings().rulebook)
    typer.echo(f"rulebook {book.version}: {len(book.rules)} rules, no faults")


Kafka = Annotated[str | None, typer.Option(help="host:port of a broker to use instead of the embedded one.")]
Overlays = Annotated[list[Path] | None, typer.Option(help="Folder or file laid over the default rulebook.")]


@app.command()
def detect(kafka: Kafka = None, rulebook: Overlays = None) -> None:
    """Run a detection worker: calls in, alerts out. Start several to share the work."""
    from streams.shell import detector  # noqa: PLC0415 - Faust takes a second to import

    logs()
    settings = read_settings(kafka=kafka, rulebook=rulebook)
    detector.run(settings, book_of(settings.rulebook))


@app.command()
def asterisk(kafka: Kafka = None) -> None:
    """Run the gateway of an Asterisk PBX: AMI in, the record on `calls` out."""
    from streams.shell import gateway  # noqa: PLC0415 - the Kafka client takes a while to import

    logs()
    run_until_told(gateway.run(read_settings(kafka=kafka)))


@app.command()
def wall(kafka: Kafka = None) -> None:
    """Run the supervisors' wall and print its address."""
    from dashboards.wall import server  # noqa: PLC0415 - as above

    logs()
    settings = read_settings(kafka=kafka)
    given = bool(settings.wall.token.get_secret_value())
    # whoever gave the token has it; it must not land in a log
    run_until_told(
        server.run(settings, ready=lambda address: typer.echo(address.partition("#")[0] if given else address))
    )


@app.command()
def up(kafka: Kafka = None, rulebook: Overlays = None) -> None:
    """Run everything on this machine: the broker (unless --kafka), a worker, the gateway and the wall."""
    from streams.shell import up as system  # noqa: PLC0415 - as above

    logs()
    settings = read_settings(kafka=kafka, rulebook=rulebook)
    book_of(settings.rulebook)
    run_until_told(system.run(settings, say))


@app.command()
def demo(
    speed: Annotated[float, typer.Option(min=0.1, max=100, help="How fast the recorded traffic is played.")] = 1.0,
    port: Annotated[int | None, typer.Option(help="The wall's port; 0 takes a free one.")] = None,
) -> None:
    """Show the whole system on recorded PBX traffic, until Ctrl-C."""
    from streams.shell import demo as show  # noqa: PLC0415 - as above

    logs()
    run_until_told(show.run(read_settings(), say, speed=speed, port=port))


def _mount() -> None:
    """The commands that other modules bring."""
    from streams.shell import kafka_cli, topics_cli  # noqa: PLC0415 - as above
    from streams.telephony import pbx_cli  # noqa: PLC0415 - as above

    app.add_typer(kafka_cli.app, name="kafka")
    app.add_typer(topics_cli.app, name="topics")
    app.add_typer(pbx_cli.app, name="pbx")


def say(text: str, *, style: str | None = None) -> None:
    """Tell the operator, on stderr; square brackets are text."""
    err.print(text, style=style, markup=False, soft_wrap=True)


def logs() -> None:
    """Log warnings and worse, and our own news, with a time; what repeats is said now and then."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(Sparing())
    logging.getLogger("sansheng").setLevel(logging.INFO)


class Sparing(logging.Filter):
    """Lets a message of one wording pass every ten seconds: clients of a broker that is away repeat themselves."""

    every_s = 10.0

    def __init__(self) -> None:
        """Nothing has been said yet."""
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this one is to be written."""
        key = (record.name, str(record.msg))
        if record.created - self._said.get(key, 0.0) < self.every_s and record.name.startswith("aiokafka"):
            return False
        self._said[key] = record.created
        return True


def run_until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGINT or SIGTERM, which end it with exit 0; what an operator can mend is said in words, exit 1."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - as above

    try:
        asyncio.run(until_told(work))
    except* (OSError, KafkaError, UnreadyError) as group:
        for error in flatten(group):
            say(str(error) or type(error).__name__)
        raise typer.Exit(1) from None


def main() -> None:
    """Entry point of the console script."""
    _mount()
    try:
        app()
    except SettingsError as error:
        for fault in error.faults:
            say(fault, style="red")
        raise SystemExit(2) from None
    except (UnreadyError, OSError) as error:
        say(str(error), style="red")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
