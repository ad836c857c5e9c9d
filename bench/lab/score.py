"""Counting: recall, false alarms, delays. Knows outcomes only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.lab.trial import Outcome


class Count(NamedTuple):
    """``hits`` of ``bad`` sentences; false alarms that stood, and that were taken back, in ``harmless_s`` of speech."""

    bad: int
    hits: int
    false: int
    flashes: int
    harmless_s: float
    others: int

    @property
    def recall(self) -> float:
        """Share of bad sentences whose rule fired."""
        return self.hits / self.bad if self.bad else float("nan")

    @property
    def false_an_hour(self) -> float:
        """False alarms that stood, an hour of harmless speech."""
        return self.false / self.harmless_s * 3600 if self.harmless_s else float("nan")


def count(outcomes: Iterable[Outcome]) -> Count:
    """Hits on bad clips, false alarms on harmless ones; ``others``: alerts of a wrong rule on a bad one."""
    rows = list(outcomes)
    bad, harmless = [row for row in rows if row.bad], [row for row in rows if not row.bad]
    return Count(
        bad=len(bad),
        hits=sum(row.hit for row in bad),
        false=sum(len(row.standing) for row in harmless),
        flashes=sum(len(row.flashes) for row in harmless),
        harmless_s=sum(row.speech_s for row in harmless),
        others=sum(len(row.standing) for row in bad),
    )


def delays(outcomes: Iterable[Outcome], *, after_speech: bool = False) -> list[float]:
    """Seconds from the end of the phrase (or of the sentence) to the alert that was wanted and stood."""
    return [
        alarm.after_speech_s if after_speech else alarm.after_words_s
        for row in outcomes
        for alarm in row.alarms
        if alarm.rule == row.wants and not alarm.taken_back and alarm.after_words_s
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] if ordered else float("nan")
