"""``sansheng kafka …``: the embedded broker as a daemon. It stays until ``sansheng kafka stop``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from streams.settings import read_settings
from streams.shell import kafka

NOT_RUNNING = 3

app = typer.Typer(help="The embedded Kafka: a real broker on this machine, on loopback.", no_args_is_help=True)

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        default_factory=lambda: read_settings().run_dir / "kafka" / "data",
        help="folder of the broker; one broker a folder",
    ),
]
Port = Annotated[
    int,
    typer.Option(
        "--port", default_factory=lambda: read_settings().kafka_port, min=1, max=65535, help="port on loopback"
    ),
]


@app.command()
def start(data: Data, port: Port) -> None:
    """Start the broker and come back when it answers. It stays until `sansheng kafka stop`."""
    begun = time.monotonic()
    try:
        broker = kafka.EmbeddedKafka(data, port, libs=read_settings().run_dir / "kafka", outlive=True).start()
    except kafka.BrokerError as error:
        _fail(error)
    typer.echo(f"{_line(broker, data)}, ready after {time.monotonic() - begun:.1f} s")


@app.command()
def stop(data: Data) -> None:
    """Stop the broker, cleanly; fine where none runs."""
    try:
        broker = kafka.stop(data)
    except kafka.BrokerError as error:
        _fail(error)
    typer.echo(f"stopped (pid {broker.pid})" if broker else f"no broker runs on {data}")


@app.command()
def status(data: Data) -> None:
    """Say whether the broker runs. Exit code 0: it does; 3: it does not."""
    try:
        broker = kafka.running(data)
    except kafka.BrokerError as error:
        _fail(error, NOT_RUNNING)
    if broker is None:
        typer.echo(f"no broker runs on {data}")
        raise typer.Exit(NOT_RUNNING)
    typer.echo(_line(broker, data))


def _line(broker: kafka.Running, data: Path) -> str:
    return f"{broker.engine} {broker.version} on {broker.bootstrap} (pid {broker.pid}), data in {data.absolute()}"


def _fail(error: Exception, code: int = 1) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(code)
