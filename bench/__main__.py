"""``python -m bench``: how fast the fold, the back-test and the worker are, and how soon the wall knows.

No figure stands alone: each is printed beside its baseline, measured in the same run on the same machine.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import backtest, fold, live, worker
from streams.shell.kafka import EmbeddedKafka

LIBS = Path(".run/kafka")


def main() -> None:
    """Run all benches and print their tables."""
    logging.disable(logging.ERROR)  # topics that have just been made are not found at once
    console = Console(width=110)
    with console.status("step on one core …"):
        show(console, "step, one core", fold.run())
    with console.status("two rulebooks on a part of a day …"):
        show(console, f"back-test, {backtest.CALLS} calls of a made day, one rule changed", backtest.run())
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka(Path(folder), libs=LIBS) as broker:
        with console.status("the Faust worker on a backlog …"):
            show(console, "Faust worker on a backlog, one process", asyncio.run(worker.run(broker.bootstrap)))
        with console.status("recorded PBX to wall, 60 s in real time …"):
            show(
                console, "from the event to the wall, recorded PBX at speed 1", asyncio.run(live.run(broker.bootstrap))
            )


def show(console: Console, title: str, rows: list[tuple[str, str, str]]) -> None:
    """One table: what, figure, ratio to the baseline."""
    table = Table("what", "figure", "against the baseline", title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main()
