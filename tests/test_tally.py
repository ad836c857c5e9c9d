"""What events mean in figures: rings by how they ended, holds, transfers, talks and the service level, by queue."""

from __future__ import annotations

import pytest

from streams.call import apply, begin
from streams.events import (
    AgentMissed,
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    CallTransferred,
    CallTransferring,
)
from streams.metrics import Metrics
from streams.shell.tally import tally

OFFERED = CallOffered(call="c", at=0)
RINGS = [AgentRinging(call="c", at=1, agent=agent) for agent in ("101", "102")]
ANSWERED = CallAnswered(call="c", at=5, agent="101")


def tallied(*events: AnyEvent) -> Metrics:
    """As the lane does: of the first event nothing was known before."""
    metrics, fold, before = Metrics("detect"), begin(events[0]), None
    for event in events:
        fold = apply(fold, event)
        tally(metrics, before, fold.call, event)
        before = fold.call
    return metrics


def counted(*events: AnyEvent) -> dict[str, float]:
    """outcome -> rings."""
    metrics = tallied(*events)
    name, outcomes = "sansheng_ring_seconds_count", ("answered", "elsewhere", "unanswered")
    found = {o: metrics.registry.get_sample_value(name, {"queue": "direct", "outcome": o}) for o in outcomes}
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


def seconds(metrics: Metrics, what: str, queue: str) -> tuple[float | None, float | None]:
    """How often, and how long all in all."""
    name, labels = f"sansheng_{what}_seconds", {"queue": queue}
    return tuple(metrics.registry.get_sample_value(f"{name}_{part}", labels) for part in ("count", "sum"))  # type: ignore[return-value]


def test_holds_and_transfers_are_left_out_of_the_talk() -> None:
    """::

    0 offered   5 answered      30 held        50 resumed    60 transferring   72 transferred     100 ended
                   25 s talk       20 s hold      10 s talk     12 s transfer     28 s talk
    """
    metrics = tallied(
        CallOffered(call="c", at=0, queue="hotline"),
        CallAnswered(call="c", at=5, agent="101"),
        CallHeld(call="c", at=30),
        CallResumed(call="c", at=50),
        CallTransferring(call="c", at=60, to="102"),
        CallTransferred(call="c", at=72, agent="102"),
        CallEnded(call="c", at=100, by="customer"),
    )
    assert seconds(metrics, "talk", "hotline") == (1, 25 + 10 + 28)
    assert seconds(metrics, "hold", "hotline") == (1, 20)
    assert seconds(metrics, "transfer", "hotline") == (1, 12)
    assert seconds(metrics, "talk", "direct") == (0, 0)


def test_a_call_that_nobody_answered_was_no_talk() -> None:
    metrics = tallied(OFFERED, RINGS[0], CallEnded(call="c", at=9, by="customer"))
    assert seconds(metrics, "talk", "direct") == (0, 0)


def test_a_talk_is_observed_when_the_call_ends_and_once() -> None:
    talk = [OFFERED, ANSWERED, CallHeld(call="c", at=10)]
    assert seconds(tallied(*talk), "talk", "direct") == (0, 0)
    end = CallEnded(call="c", at=20, by="agent")
    assert seconds(tallied(*talk, end, end), "talk", "direct") == (1, 5)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([CallAnswered(call="c", at=10.0, agent="101")], (1, 1, 0)),
        ([CallAnswered(call="c", at=10.1, agent="101")], (1, 0, 0)),
        ([CallEnded(call="c", at=10.0, by="customer")], (1, 0, 1)),
        ([CallEnded(call="c", at=10.0, by="system")], (1, 0, 0)),
        ([], (0, 0, 0)),
    ],
)
def test_the_service_level_is_counted_by_queue_when_the_wait_is_over(
    events: list[AnyEvent], expected: tuple[float, float, float]
) -> None:
    metrics = tallied(CallOffered(call="c", at=0, queue="hotline"), *events)
    names = ("offered", "in_time", "abandoned")
    of = {queue: [_calls(metrics, name, queue) for name in names] for queue in ("hotline", "direct")}
    assert of == {"hotline": list(expected), "direct": [0, 0, 0]}


def _calls(metrics: Metrics, what: str, queue: str) -> float | None:
    return metrics.registry.get_sample_value(f"sansheng_calls_{what}_total", {"queue": queue})
