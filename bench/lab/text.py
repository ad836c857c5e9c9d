"""The tables of ``bench.phrases`` (characters put wrong in the written sentences), for the page of the ears."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from bench import phrases
from bench.lab.tables import Table, from_rich
from streams.rulebook.book import load

#: What a character becomes: another of the same sound; or anything that recognisers make of it.
KINDS = {
    "homophones": phrases.HOMOPHONES,
    "homophones, near ones, any other, lost and added ones": phrases.SHARES,
}


def tables(*, quick: bool = False) -> Iterator[Table]:
    """Recall by rule, false alarms, and what a search costs; without errors (0 %) is the baseline."""
    rates = (0.0, 0.3) if quick else phrases.RATES
    given, book = Namespace(half="report", rounds=1 if quick else 3, rates=rates), load()
    for kind, shares in KINDS.items():
        yield from_rich(
            phrases.recall_table(book, given, shares),
            f"Recall by the share of wrong characters ({kind}), report half (in brackets: alerts of other rules). "
            "Aim: 0.90 at 30 %.",
        )
        yield from_rich(
            phrases.false_table(book, given, shares),
            f"False alarms by the share of wrong characters ({kind}). Aim: at most one an hour at 30 %.",
        )
    if not quick:
        rows = phrases.costs()
        yield Table("What a search costs, CPU time", ("", "cost", "against the baseline"), rows)
