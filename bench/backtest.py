"""The back-test: calls a second under two books, against one process that judges every rule twice."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.day import write_day
from streams.backtest.judge import Books
from streams.backtest.run import backtest, cores
from streams.backtest.traces import Indexer
from streams.rulebook.book import load

CALLS, DAY = 500, 20_000
CHANGE = "change: {ring-over-three: {thresholds: [{after: 8 s, severity: warning}]}}"


def run() -> list[tuple[str, str, str]]:
    """Rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        trace, overlay = Path(folder) / "day.ndjson", Path(folder) / "new.yaml"
        lines = write_day(trace, CALLS)
        overlay.write_text(CHANGE, "utf-8")
        books = Books(load(), load([overlay]))
        baseline = rate(trace, books, workers=1, share=False)
        one, all_cores = rate(trace, books, workers=1), rate(trace, books, workers=cores())
        reading = index_rate(trace)
    return [
        ("one process, every rule by both books (baseline)", f"{baseline:,.0f} calls/s", "1.00"),
        row("one process", one, baseline),
        row(f"{cores()} processes, as `sansheng replay --against` does", all_cores, baseline),
        row(f"sharing out the lines ({lines / CALLS:.0f} a call), always one process", reading, baseline),
        (f"– a day of {DAY:,} calls at that rate", f"{DAY / all_cores / 60:.1f} min", ""),
    ]


def row(what: str, figure: float, baseline: float) -> tuple[str, str, str]:
    """One row with its ratio."""
    return what, f"{figure:,.0f} calls/s", f"{figure / baseline:.2f}"


def rate(trace: Path, books: Books, *, workers: int, share: bool = True) -> float:
    """Calls a second, start of the processes included."""
    begun = time.perf_counter()
    calls = backtest([trace], books, workers=workers, share=share).calls
    return calls / (time.perf_counter() - begun)


def index_rate(trace: Path) -> float:
    """Calls a second of the one part that is not shared out."""
    begun, indexer = time.perf_counter(), Indexer()
    indexer.add_record(trace)
    return len(indexer.index().calls) / (time.perf_counter() - begun)
