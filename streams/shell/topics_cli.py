"""``sansheng topics …``: lay the topics on a broker, and see where it differs."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from streams.settings import read_settings
from streams.shell import topics
from streams.shell.kafka import BrokerError

DRIFTED = 1
#: Not ``DRIFTED``: a script must see that nothing was compared.
UNREACHABLE = 2

app = typer.Typer(help="The topics: create them, and report where a broker differs.", no_args_is_help=True)

Bootstrap = Annotated[
    str, typer.Option("--kafka", default_factory=lambda: read_settings().bootstrap, help="host:port of the broker")
]
Partitions = Annotated[
    int,
    typer.Option(
        "--partitions",
        default_factory=lambda: read_settings().partitions,
        min=1,
        help="of all topics but dead-letters and heartbeats",
    ),
]
Prefix = Annotated[
    str,
    typer.Option("--prefix", default_factory=lambda: read_settings().topic_prefix, help="put before each topic's name"),
]


@app.command()
def apply(bootstrap: Bootstrap, partitions: Partitions, prefix: Prefix) -> None:
    """Create missing topics and set what differs. Exit code 1: something is left that only you may change."""
    wanted = topics.specs(partitions, prefix)
    try:
        changes, left = topics.apply(bootstrap, wanted), topics.check(bootstrap, wanted)
    except BrokerError as error:
        _unreachable(error)
    for change in changes:
        typer.echo(str(change))
    if not changes and not left:
        typer.echo(f"all {len(wanted)} topics are as they should be")
    _report(left)


@app.command()
def check(bootstrap: Bootstrap, partitions: Partitions, prefix: Prefix) -> None:
    """Report where the broker differs; change nothing. Exit code 0: nowhere; 1: drift; 2: no broker."""
    wanted = topics.specs(partitions, prefix)
    try:
        drifts = topics.check(bootstrap, wanted)
    except BrokerError as error:
        _unreachable(error)
    _report(drifts)
    typer.echo(f"all {len(wanted)} topics are as they should be")


def _report(drifts: list[topics.Drift]) -> None:
    for drift in drifts:
        typer.echo(str(drift), err=True)
    if drifts:
        raise typer.Exit(DRIFTED)


def _unreachable(error: BrokerError) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(UNREACHABLE)
