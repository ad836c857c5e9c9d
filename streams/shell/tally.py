"""What a step means in figures: rings, holds, transfers and the service level, for Prometheus."""

from __future__ import annotations

from streams.call import IN_TIME_S, Call
from streams.events import AnyEvent, CallAnswered, CallTransferred
from streams.metrics import Metrics


def tally(metrics: Metrics, before: Call | None, after: Call, event: AnyEvent) -> None:
    """Observe what ``event`` brought to an end."""
    if before is None:
        return
    for agent in before.ringing.keys() - after.ringing.keys():
        metrics.observe("sansheng_ring_seconds", max(0.0, event.at - before.ringing[agent]), _outcome(agent, event))
    if before.phase != after.phase:
        _phase_left(metrics, before, event.at)
        _wait_over(metrics, before, after)


def _outcome(agent: str, event: AnyEvent) -> str:
    """How a ring ended: answered (by a consulted colleague too), elsewhere (another phone was), or unanswered."""
    if not isinstance(event, CallAnswered | CallTransferred):
        return "unanswered"
    return "answered" if event.agent == agent else "elsewhere"


def _phase_left(metrics: Metrics, before: Call, at: float) -> None:
    name = {"held": "sansheng_hold_seconds", "transferring": "sansheng_transfer_seconds"}.get(before.phase)
    if name:
        metrics.observe(name, max(0.0, at - before.since))


def _wait_over(metrics: Metrics, before: Call, after: Call) -> None:
    waiting = ("offered", "ringing")
    if after.direction != "inbound" or before.phase not in waiting or after.phase in waiting:
        return
    if before.answered_at is not None:  # back in the queue after a failed transfer: counted before
        return
    metrics.count("sansheng_calls_offered_total")
    if after.answered_at is not None:
        if after.answered_at - after.came_at <= IN_TIME_S:
            metrics.count("sansheng_calls_in_time_total")
    elif after.ended_by == "customer":
        metrics.count("sansheng_calls_abandoned_total")
