"""``sansheng …``: the command line. Owns options, printing and exit codes; the work is done elsewhere."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from streams import alerts, events, metrics_page
from streams.alerts import AlertChange
from streams.backtest.traces import expand
from streams.problem import Problem
from streams.replay import replay
from streams.settings import SettingsError, config_file, read_settings
from streams.shell.running import UnreadyError, flatten, until_told
from streams.terminal import Files, Format, From, FromAnywhere, Reading, Source, book_of, conclude, print_table, say

Traces = Annotated[list[Path], typer.Argument(help="Trace files, or folders of them.", exists=True, readable=True)]

app = typer.Typer(
    name="sansheng",
    help="三声 Sansheng: watches every call of a hotline live and says which written rule is being broken.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("replay")
def replay_command(  # noqa: PLR0913 - each is an option of its own
    files: Traces = [],  # noqa: B006 - typer's way
    source: FromAnywhere = Source.record,
    days: Annotated[
        str, typer.Option("--days", "--day", help="Of the archive: 2026-11-21, or 2026-11-01..2026-11-21.")
    ] = "",
    rulebook: Annotated[list[Path], typer.Option(help="Folder or file laid over the default rulebook.")] = [],  # noqa: B006 - typer's way
    output: Annotated[
        Format | None, typer.Option("--format", help="ndjson or table.", show_default="ndjson; a back-test: table")
    ] = None,
    against: Annotated[
        list[Path],
        typer.Option(help="Back-test: the overlay to compare with, or `default` for the default book alone."),
    ] = [],  # noqa: B006 - typer's way
    html: Annotated[Path | None, typer.Option(help="Back-test: write a report with pictures to this file.")] = None,
    pictures: Annotated[int, typer.Option(min=0, help="Back-test: draw at most so many calls in the report.")] = 200,
    workers: Annotated[
        int, typer.Option(min=0, help="Back-test: so many processes; 0: one for each core.", show_default="0")
    ] = 0,
) -> None:
    """Judge recorded calls by the rulebook and print the alert changes; needs no broker.

    With --against it is a back-test: what the rulebook finds now, and what another one found, rule by rule.
    With --from archive the calls are those of the archive's --days.
    """
    wanted_days = _days(files, source, days)
    overlays = rulebook or read_settings().rulebook
    if against:
        from streams.backtest import command  # noqa: PLC0415 - templates and processes, which no other command needs

        wanted = command.Options(
            source=source,
            output=output or Format.table,
            html=html,
            pictures=pictures,
            workers=workers,
            days=wanted_days,
        )
        command.run(files, overlays, against, wanted)
        return
    if html is not None:
        say("--html is the report of a back-test: add --against", style="red")
        raise typer.Exit(2)
    book = book_of(overlays)
    if source is Source.archive:
        from streams.backtest import command  # noqa: PLC0415 - as above

        found = command.changes(book, wanted_days, workers)
        _print_changes(list(found.changes), output or Format.ndjson)
        conclude(len(found.problems), found.unread, source)
        return
    changes, reading = [], Reading(expand(files, source.value), source)
    for item in replay(book, reading):
        if isinstance(item, Problem):
            reading.tell(item)
        else:
            changes.append(item)
    changes.sort(key=lambda change: (change.at, change.call))
    _print_changes(changes, output or Format.ndjson)
    reading.conclude()


def _days(files: list[Path], source: Source, days: str) -> tuple[str, ...]:
    """The days asked for, empty where files are; or exit 2 where the two do not fit."""
    if source is Source.archive:
        from streams.archive.day_files import days_of  # noqa: PLC0415 - Arrow takes a while to import

        if files:
            _refuse("the archive has its own files: give --days 2026-11-01..2026-11-21 and no file")
        if not days:
            _refuse("say which days of the archive: --days 2026-11-21, or --days 2026-11-01..2026-11-21")
        try:
            return days_of(days)
        except ValueError as error:
            _refuse(f"--days: {error}")
    if days:
        _refuse("--days are of the archive: add --from archive")
    if not files:
        _refuse("say which files to replay, or --from archive --days 2026-11-21")
    return ()


def _refuse(why: str) -> NoReturn:
    say(why, style="red")
    raise typer.Exit(2)


def _print_changes(changes: list[AlertChange], output: Format) -> None:
    if output is Format.ndjson:
        for change in changes:
            sys.stdout.write(alerts.render(change).decode() + "\n")
        return
    rows = ((f"{c.at:.2f}", c.severity, c.state, c.rule, c.agent or "", c.says) for c in changes)
    print_table(("time", "severity", "state", "rule", "agent", "says"), rows, f"{len(changes)} alert changes")


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
    print_table(("setting", "value", "variable"), _rows("SANSHENG_", "", values), f"file: {config_file()}")


def _rows(prefix: str, path: str, values: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _rows(f"{prefix}{name.upper()}__", f"{path}{name}.", value)
        else:
            yield f"{path}{name}", str(value), f"{prefix}{name.upper()}"


@app.command("metrics")
def metrics_command() -> None:
    """Print the page of metrics as Markdown: what they answer, how they count, and all of them."""
    sys.stdout.write(metrics_page.as_markdown())


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
    """Run the supervisors' wall and print its addresses: of the televisions and of the desk."""
    from dashboards.wall import server  # noqa: PLC0415 - as above
    from streams.shell.entries import Entries, without_given  # noqa: PLC0415 - as above

    logs()
    settings = read_settings(kafka=kafka)

    def ready(entries: Entries) -> None:
        shown = without_given(entries, settings.wall)  # whoever set a token has it; it must not land in a log
        typer.echo(f"{shown.wall}\n{shown.desk}")

    run_until_told(server.run(settings, ready=ready))


@app.command()
def up(kafka: Kafka = None, rulebook: Overlays = None) -> None:
    """Run everything on this machine: the broker (unless --kafka), a worker, the gateways, the ears and the wall.

    Calls are listened to where a speech model is present; otherwise they are judged by the telephone alone.
    """
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
    """Show the whole system on recorded PBX traffic and recorded talk, until Ctrl-C."""
    from streams.shell import demo as show  # noqa: PLC0415 - as above

    logs()
    run_until_told(show.run(read_settings(), say, speed=speed, port=port))


def _mount() -> None:
    """The commands that other modules bring."""
    from asr import commands  # noqa: PLC0415 - as above
    from streams import rules_cli  # noqa: PLC0415 - as above
    from streams.archive import archive_cli, calls_cli, days_cli, figures_cli, forget_cli  # noqa: F401, PLC0415 - as above; brings commands
    from streams.pager import pager_cli  # noqa: PLC0415 - as above
    from streams.shell import kafka_cli, topics_cli  # noqa: PLC0415 - as above
    from streams.telephony import pbx_cli  # noqa: PLC0415 - as above

    commands.mount(app)
    app.add_typer(rules_cli.app, name="rules")
    archive_cli.mount(app, _run)
    pager_cli.mount(app, _run)
    app.add_typer(calls_cli.app, name="calls")
    app.add_typer(figures_cli.app, name="figures")
    app.add_typer(kafka_cli.app, name="kafka")
    app.add_typer(topics_cli.app, name="topics")
    app.add_typer(pbx_cli.app, name="pbx")


def _run(work: Coroutine[Any, Any, None]) -> None:
    logs()
    run_until_told(work)


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
