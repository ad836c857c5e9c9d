"""What managers ask for, counted, by one name: an agent's days, a rule's days, the hotline's.

Owns nothing; what counts and against whom is in ``figures_facts``, the arithmetic in ``figures_numbers``. How anything
is told is in ``figures_agent``, ``figures_rule`` and ``figures_floor``.
"""

from __future__ import annotations

from streams.archive.figures_days import Span, day, days, month
from streams.archive.figures_facts import (
    FAIR_AGENTS,
    FAIR_CALLS,
    FAIR_JUDGED,
    SLOT_S,
    AgentRows,
    Alike,
    Fired,
    FloorRows,
    Named,
    RuleRows,
    Slot,
    Sums,
    Sure,
    Took,
    Verdicts,
    With,
    counts_against,
    hours_between,
    labels,
    sure,
    verdicts_of,
)
from streams.archive.figures_numbers import CONFIDENCE, ENOUGH, Spread, share, spread, spread_of, tail, wilson
from streams.archive.figures_of_agent import AgentFigures, Compared, RuleOfAgent, agent_figures
from streams.archive.figures_of_floor import ClauseBroken, FloorFigures, Offer, RuleOfFloor, floor_figures
from streams.archive.figures_of_rule import FAIR_HITS, Exposed, Part, RuleFigures, above, rule_figures

__all__ = [
    "CONFIDENCE",
    "ENOUGH",
    "FAIR_AGENTS",
    "FAIR_CALLS",
    "FAIR_HITS",
    "FAIR_JUDGED",
    "SLOT_S",
    "AgentFigures",
    "AgentRows",
    "Alike",
    "ClauseBroken",
    "Compared",
    "Exposed",
    "Fired",
    "FloorFigures",
    "FloorRows",
    "Named",
    "Offer",
    "Part",
    "RuleFigures",
    "RuleOfAgent",
    "RuleOfFloor",
    "RuleRows",
    "Slot",
    "Span",
    "Spread",
    "Sums",
    "Sure",
    "Took",
    "Verdicts",
    "With",
    "above",
    "agent_figures",
    "counts_against",
    "day",
    "days",
    "floor_figures",
    "hours_between",
    "labels",
    "month",
    "rule_figures",
    "share",
    "spread",
    "spread_of",
    "sure",
    "tail",
    "verdicts_of",
    "wilson",
]
