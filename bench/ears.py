"""``python -m bench.ears``: how well the ears hear, how soon they tell, and what they cost. ``make bench-ears``.

Parts: ``lab`` (recall, false alarms, delay, misheard syllables, through everything that lines do), ``text`` (injected
character errors), ``calls`` (the spoken calls beside their truth), ``live`` (the same through gateway, Kafka,
recogniser, detector and wall), ``cost`` (channels a core, memory). Every figure has its baseline in the same table. A
full run writes the tables into ``docs/accuracy.md``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from asr.ear import Engine
from bench.lab import clips, report, spoil
from bench.lab.clips import Clip
from bench.lab.tables import Table, markdown, show, write
from bench.lab.trial import POLITE, Lab, Outcome
from streams.rulebook.book import load

PAGE = Path("docs/accuracy.md")
PARTS = ("lab", "text", "calls", "live", "cost")
#: A quick run looks at these only, and at every third clip.
QUICK = ("clean", "babble 10 dB", "street 10 dB", "hold music 10 dB")
QUICK_STEP = 3
#: Clips that a process takes at a time.
CHUNK = 8


class Asked(NamedTuple):
    """What a run was asked for."""

    quick: bool
    jobs: int
    only: tuple[str, ...]
    keep: Path | None


def main(
    part: Annotated[
        list[str] | None, typer.Option(help=f"one of {', '.join(PARTS)}; may be given several times")
    ] = None,
    quick: Annotated[bool, typer.Option(help="a third of the clips, four conditions; writes nothing")] = False,
    jobs: Annotated[int, typer.Option(help="processes for the lab")] = 2,
    condition: Annotated[list[str] | None, typer.Option(help="only these conditions of the lab")] = None,
    keep: Annotated[Path | None, typer.Option(help="write what came of each clip of the lab here, as NDJSON")] = None,
) -> None:
    """Measure the ears and print the tables; a full run writes them into docs/accuracy.md."""
    console = Console(width=150)
    chosen = tuple(part or PARTS)
    if strangers := sorted(set(chosen) - set(PARTS)):
        raise typer.BadParameter(f"{', '.join(strangers)}: no part (there are {', '.join(PARTS)})")
    if not clips.SPEECH.exists():
        console.print(f"no speech at {clips.SPEECH}: nothing to measure")
        raise typer.Exit(1)
    logging.disable(logging.WARNING)
    try:
        asked = Asked(quick, jobs, tuple(condition or ()), keep)
        measured = {name: list(_part(name, console, asked)) for name in PARTS if name in chosen}
    except spoil.MissingToolError as error:
        console.print(str(error))
        raise typer.Exit(1) from None
    for tables in measured.values():
        for table in tables:
            show(console, table)
    if not (quick or condition):
        for name, tables in measured.items():
            write(PAGE, name, _stamp() + markdown(tables))
        console.print(f"written into {PAGE}")


def quiet_engines() -> dict[str, Engine]:
    """The engines in this process."""
    _quiet()
    from bench.lab.engines import engines  # noqa: PLC0415 - the libraries are loaded where they are needed

    return engines(load())


def _part(name: str, console: Console, asked: Asked) -> Iterator[Table]:
    quick = asked.quick
    if name == "lab":
        wanted = asked.only or (QUICK if quick else ())
        outcomes = measure(console, wanted, QUICK_STEP if quick else 1, asked.jobs)
        if asked.keep:
            asked.keep.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in outcomes))
        yield from report.tables(report.Results(outcomes))
    elif name == "text":
        from bench.lab import text  # noqa: PLC0415 - each part loads its own libraries

        with console.status("text with injected errors …"):
            yield from text.tables(quick=quick)
    elif name == "calls":
        from bench.lab import whole_calls  # noqa: PLC0415 - as above

        with console.status("whole calls …"):
            yield whole_calls.table(load(), quiet_engines()["both"])
    elif name == "live":
        from bench.lab import live  # noqa: PLC0415 - as above

        with console.status("whole calls, live …"):
            yield from live.tables()
    else:
        from bench.lab import cost  # noqa: PLC0415 - as above

        with console.status("channels a core, memory …"):
            yield from cost.tables(quiet_engines(), quick=quick)


# -- the lab ------------------------------------------------------------------------------------------


def measure(console: Console, only: Iterable[str], step: int, jobs: int) -> list[Outcome]:
    """All clips in all conditions (or ``only`` these), on ``jobs`` processes."""
    names = [c.name for c in the_conditions()]
    if strangers := sorted(set(only) - set(names)):
        raise typer.BadParameter(f"{', '.join(strangers)}: no condition (there are {', '.join(names)})")
    wanted = [name for name in names if not only or name in set(only)]
    numbers = list(range(0, len(the_clips()), step))
    work = [(name, tuple(numbers[at : at + CHUNK])) for name in wanted for at in range(0, len(numbers), CHUNK)]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    outcomes: list[Outcome] = []
    with (
        Progress(*columns, console=console, transient=True) as progress,
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin) as pool,
    ):
        task = progress.add_task("lab", total=len(work))
        for (name, _), found in zip(work, pool.map(_outcomes, work), strict=True):
            outcomes += found
            progress.update(task, advance=1, description=f"lab: {name}")
    return outcomes


def the_clips() -> list[Clip]:
    """Sentences, and the real recordings on each leg."""
    return clips.sentences() + clips.real(role="agent") + clips.real(role="customer")


def the_conditions() -> list[spoil.Condition]:
    """With voices for babble in whose mouth nothing is forbidden, whatever the leg: polite ones and the real ones."""
    every = clips.sentences() + clips.real()
    return spoil.conditions([clip.sound for clip in every if clip.wants in POLITE | {"real"}])


_at_work: tuple[Lab, list[Clip], dict[str, spoil.Condition]] | None = None


def _begin() -> None:
    """In a process of the pool: load everything once."""
    global _at_work  # noqa: PLW0603 - a process has one
    logging.disable(logging.WARNING)
    _quiet()
    from bench.lab.engines import engines  # noqa: PLC0415 - the libraries are loaded in the pool only

    book = load()
    _at_work = Lab(book, engines(book)), the_clips(), {c.name: c for c in the_conditions()}


def _outcomes(work: tuple[str, tuple[int, ...]]) -> list[Outcome]:
    condition, numbers = work
    if _at_work is None:
        raise RuntimeError("the process was not begun")
    lab, all_clips, conditions = _at_work
    chosen = [all_clips[number] for number in numbers]
    return [out for clip in chosen for out in lab.outcomes(condition, clip, conditions[condition].apply(clip))]


def _quiet() -> None:
    """The C++ libraries write to the terminal whatever the log level is."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _stamp() -> str:
    return f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench-ears`, {os.cpu_count()} cores.\n\n"


if __name__ == "__main__":
    typer.run(main)
