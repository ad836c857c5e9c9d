"""``sansheng pbx``: play recorded PBX traffic on an AMI port."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from streams.telephony.pbx import NothingToPlayError, Programme, RecordedPbx

app = typer.Typer(help="A recorded PBX: captures served as a live Asterisk Manager Interface.", no_args_is_help=True)
console = Console(stderr=True)

Files = Annotated[
    list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, help="Captures (.jsonl, or .ami.txt).")
]
Speed = Annotated[float, typer.Option(help="10 plays a minute in six seconds.")]
Port = Annotated[int, typer.Option(help="TCP port; 0 takes a free one.", min=0, max=65535)]
Loop = Annotated[bool, typer.Option("--loop", help="Play again and again, each round under new call ids.")]
Together = Annotated[bool, typer.Option("--together", help="Side by side instead of one after the other.")]
Stagger = Annotated[float, typer.Option(min=0, help="With --together: recorded seconds between the starts.")]
Gap = Annotated[float, typer.Option(min=0, help="Recorded seconds between two files, and between two rounds.")]
Renew = Annotated[bool, typer.Option("--renew-ids", help="New call ids in the first round already.")]
AtOnce = Annotated[bool, typer.Option("--at-once", help="Do not wait for the first client to log in.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
User = Annotated[str, typer.Option(help="The AMI user who may log in.")]
Secret = Annotated[str, typer.Option(envvar="SANSHENG_PBX_SECRET", help="That user's secret.")]


@app.callback()
def pbx() -> None:
    """A recorded PBX: captures served as a live Asterisk Manager Interface."""


@app.command()
def play(  # noqa: PLR0913 - one argument an option
    files: Files,
    speed: Speed = 1.0,
    port: Port = 5038,
    loop: Loop = False,
    together: Together = False,
    stagger: Stagger = 0.0,
    gap: Gap = 2.0,
    renew_ids: Renew = False,
    at_once: AtOnce = False,
    host: Host = "127.0.0.1",
    username: User = "monitor",
    secret: Secret = "secret",  # noqa: S107 - the captures' own made-up one, for loopback
) -> None:
    """Serve FILES with their own timing. Starts when a client logs in; ends when played, unless --loop."""
    _must_be_numbers(speed=speed, stagger=stagger, gap=gap)
    if speed <= 0:
        raise typer.BadParameter("must be above 0", param_hint="--speed")
    programme = Programme(
        speed=speed, loop=loop, together=together, stagger_s=stagger, gap_s=gap, renew_ids=renew_ids, at_once=at_once
    )
    try:
        asyncio.run(_serve(files, host, port, username, secret, programme))
    except KeyboardInterrupt:
        console.print("Stopped.")
    except NothingToPlayError as error:
        raise _fail(str(error)) from None
    except OSError as error:
        raise _fail(f"{host}:{port}: {error.strerror or error} (another PBX on it? --port takes another one)") from None


def _must_be_numbers(**options: float) -> None:
    """``nan`` and ``inf`` read as numbers, pass every range, and play nothing."""
    for name, value in options.items():
        if not math.isfinite(value):
            raise typer.BadParameter(f"must be a finite number, not {value}", param_hint=f"--{name}")


async def _serve(files: list[Path], host: str, port: int, username: str, secret: str, programme: Programme) -> None:
    pbx = RecordedPbx(files, host=host, port=port, username=username, secret=secret, programme=programme)
    for problem in pbx.problems:
        console.print(problem, style="yellow", markup=False, highlight=False)
    async with pbx:
        console.print(
            f"Recorded PBX on {pbx.host}:{pbx.port}, AMI user {username}; {_summary(pbx)}",
            highlight=False,
            soft_wrap=True,
        )
        await _watch(pbx)
    console.print("Played.")


def _summary(pbx: RecordedPbx) -> str:
    count = len(pbx.captures)
    length_s = pbx.length_s / pbx.programme.speed
    return f"{count} capture{'s' * (count > 1)}, {pbx.blocks_a_round} blocks, {length_s:.0f} s a round"


async def _watch(pbx: RecordedPbx) -> None:
    """Show the progress until the player ends."""
    done = asyncio.ensure_future(pbx.wait_done())
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} blocks"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        bar = progress.add_task("", total=pbx.blocks_a_round)
        while not done.done():
            _show(progress, bar, pbx)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(done), timeout=0.25)
    await done


def _show(progress: Progress, bar: TaskID, pbx: RecordedPbx) -> None:
    played = pbx.played - max(pbx.round - 1, 0) * pbx.blocks_a_round
    clients = f"{pbx.clients} client{'s' * (pbx.clients != 1)}"
    state = f"round {pbx.round}" if pbx.round else "waiting for a client to log in"
    progress.update(bar, completed=played, description=f"{state}, {clients}")


def _fail(message: str) -> typer.Exit:
    console.print(message, style="red", markup=False, highlight=False)
    return typer.Exit(1)
