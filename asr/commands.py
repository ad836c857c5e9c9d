"""``sansheng listen``, ``recognise``, ``hear`` and ``models``: options, printing and exit codes of the ears.

What a command needs is imported when it runs: recognisers take a while.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Party(StrEnum):
    """Whose a single channel is."""

    agent = "agent"
    customer = "customer"


def mount(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(listen)
    app.command()(recognise)
    app.command()(hear)
    app.add_typer(_models(), name="models")


def listen(
    kafka: Annotated[str | None, typer.Option(help="host:port of a broker to use instead of the embedded one.")] = None,
) -> None:
    """Run the gateway of audio: AudioSocket, vosk-server's protocol, Twilio and Genesys in, `audio` out."""
    from asr import gateway  # noqa: PLC0415 - the Kafka client takes a while to import
    from streams.cli import logs, run_until_told  # noqa: PLC0415 - it mounts us
    from streams.settings import read_settings  # noqa: PLC0415 - as above

    logs()
    run_until_told(gateway.run(read_settings(kafka=kafka), ready=lambda told: typer.echo("\n".join(told))))


def recognise(
    kafka: Annotated[str | None, typer.Option(help="host:port of a broker to use instead of the embedded one.")] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Of several on one machine each needs its own; 0: none.", show_default=False
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Load the model, print its name, and end.")] = False,
) -> None:
    """Run a recogniser: `audio` in, words, sounds and silences on `calls` out. Start several to share the legs."""
    from asr import engines, worker  # noqa: PLC0415 - as above
    from asr.recogniser import ModelError  # noqa: PLC0415 - as above
    from asr.renew import Ears  # noqa: PLC0415 - as above
    from streams.cli import logs, run_until_told  # noqa: PLC0415 - it mounts us
    from streams.settings import read_settings  # noqa: PLC0415 - as above
    from streams.shell.running import UnreadyError  # noqa: PLC0415 - as above
    from streams.terminal import book_of  # noqa: PLC0415 - as above

    logs()
    settings = read_settings(kafka=kafka)
    try:
        ears = Ears(settings, book_of(settings.rulebook), lambda book: engines.load(settings, book))
    except ModelError as error:
        raise UnreadyError(str(error)) from None
    if check:
        typer.echo(engines.name(ears.engine))
        return
    run_until_told(ears.beside(worker.run(settings, ears, metrics_port=metrics_port)))


class Shown(StrEnum):
    """How `hear` prints."""

    text = "text"
    ndjson = "ndjson"


def hear(
    files: Annotated[list[Path], typer.Argument(help="WAV files; two channels: agent left, customer right.")],
    role: Annotated[Party | None, typer.Option(help="Whose the one channel is: agent or customer.")] = None,
    output: Annotated[Shown, typer.Option("--format", help="text for people; ndjson: record and alerts.")] = Shown.text,
    events: Annotated[
        Path | None,
        typer.Option(
            help="The record of the calls: what the telephone told is taken, words are not.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    speed: Annotated[float, typer.Option(min=0, help="So many times real time; 0: as fast as it can.")] = 0.0,
    rulebook: Annotated[list[Path] | None, typer.Option(help="Laid over the default rulebook.")] = None,
) -> None:
    """Hear calls from files and print words and alert changes as they come; needs no broker."""
    from asr import engines  # noqa: PLC0415 - recognisers take a while to import
    from asr import hear as hearing  # noqa: PLC0415 - as above
    from asr.recogniser import ModelError  # noqa: PLC0415 - as above
    from streams.settings import read_settings  # noqa: PLC0415 - as above
    from streams.shell.running import UnreadyError  # noqa: PLC0415 - as above
    from streams.terminal import book_of  # noqa: PLC0415 - as above

    settings = read_settings(rulebook=rulebook)
    book = book_of(settings.rulebook)
    try:
        engine = engines.load(settings, book)
    except ModelError as error:
        raise UnreadyError(str(error)) from None
    wanted = hearing.Options(role.value if role else None, output.value, events, speed)
    raise typer.Exit(hearing.run(files, wanted, engine, book))


def _models() -> typer.Typer:
    group = typer.Typer(help="Models of speech.", no_args_is_help=True)
    group.command("list")(models_list)
    group.command("fetch")(models_fetch)
    return group


def models_list() -> None:
    """Print the models that are there, and those that can be fetched."""
    from asr import engines, fetch, models  # noqa: PLC0415 - as above
    from streams.settings import read_settings  # noqa: PLC0415 - as above
    from streams.terminal import print_table  # noqa: PLC0415 - as above

    where = engines.model_places(read_settings())
    there = models.installed(where)
    rows: list[tuple[str, ...]] = [(m.name, m.engine, m.kind, f"{m.bytes / 1e6:.0f} MB", str(m.folder)) for m in there]
    names = {model.name for model in there}
    rows += [
        (k.name, k.engine, k.about, f"{k.size} MB, {k.licence}", f"sansheng models fetch {k.name}")
        for k in fetch.KNOWN.values()
        if k.name not in names
    ]
    print_table(("model", "engine", "kind", "size", "where"), rows, f"looked in {', '.join(map(str, where))}")


def models_fetch(
    name: Annotated[str, typer.Argument(help="A name of `sansheng models list`.")],
    url: Annotated[str | None, typer.Option(help="Another address of the same archive, such as a mirror.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The archive must have this checksum.")] = None,
) -> None:
    """Download a model from its publisher into the folder of the setting `models`, else into your own data folder."""
    from msgspec.structs import replace  # noqa: PLC0415 - as above
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    from asr import fetch, models  # noqa: PLC0415 - as above
    from asr.recogniser import ModelError  # noqa: PLC0415 - as above
    from streams.settings import read_settings  # noqa: PLC0415 - as above
    from streams.shell.running import UnreadyError  # noqa: PLC0415 - as above
    from streams.terminal import err, say  # noqa: PLC0415 - as above

    known = fetch.KNOWN.get(name)
    if known is None:
        raise UnreadyError(f"unknown model {name!r} (one of {', '.join(fetch.KNOWN)})")
    known = replace(known, url=url or known.url, sha256=(sha256 or known.sha256).lower())
    settings = read_settings()
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    try:
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task(name, total=None)
            model = fetch.fetch(
                known,
                settings.models or models.users_place(),
                lambda done, total: progress.update(task, completed=done, total=total),
            )
    except ModelError as error:
        raise UnreadyError(str(error)) from None
    say(f"{model.folder}: {model.bytes / 1e6:.0f} MB, {known.licence}")
