"""How rings are counted: answered, elsewhere, unanswered."""

from __future__ import annotations

import pytest

from streams.call import apply, begin
from streams.events import AgentMissed, AgentRinging, AnyEvent, CallAnswered, CallEnded, CallHeld, CallOffered
from streams.metrics import Metrics
from streams.shell.tally import tally

OFFERED = CallOffered(call="c", at=0)
RINGS = [AgentRinging(call="c", at=1, agent=agent) for agent in ("101", "102")]
ANSWERED = CallAnswered(call="c", at=5, agent="101")


def counted(*events: AnyEvent) -> dict[str, float]:
    """outcome -> rings."""
    metrics, fold = Metrics("detect"), begin(events[0])
    for event in events:
        before, fold = fold.call, apply(fold, event)
        tally(metrics, before, fold.call, event)
    name, outcomes = "sansheng_ring_seconds_count", ("answered", "elsewhere", "unanswered")
    found = {o: metrics.registry.get_sample_value(name, {"outcome": o}) for o in outcomes}
    return {outcome: rings for outcome, rings in found.items() if rings}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([OFFERED, RINGS[0], ANSWERED], {"answered": 1}),
        ([OFFERED, *RINGS, ANSWERED], {"answered": 1, "elsewhere": 1}),
        ([OFFERED, RINGS[0], AgentMissed(call="c", at=9, agent="101")], {"unanswered": 1}),
        ([OFFERED, RINGS[0], CallEnded(call="c", at=9, by="customer")], {"unanswered": 1}),
    ],
)
def test_each_ring_is_counted_by_how_it_ended(events: list[AnyEvent], expected: dict[str, float]) -> None:
    assert counted(*events) == expected


def test_a_colleague_who_is_consulted_has_answered() -> None:
    asked = AgentRinging(call="c", at=8, agent="102", extra={"consult": True})
    told = CallAnswered(call="c", at=20, agent="102", extra={"consult": True})
    assert counted(OFFERED, RINGS[0], ANSWERED, CallHeld(call="c", at=7), asked, told) == {"answered": 2}
