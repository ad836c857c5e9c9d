"""What a step means in figures: rings, holds, transfers and the service level, for Prometheus."""

from __future__ import annotations

from streams.call import IN_TIME_S, Call, spent
from streams.events import AnyEvent, CallAnswered, CallTransferred
from streams.metrics import Figures


def tally(figures: Figures, before: Call | None, after: Call, event: AnyEvent) -> None:
    """Observe what ``event`` brought to an end."""
    queue = figures.queue(after.queue)
    if before is None:
        return
    for agent in before.ringing.keys() - after.ringing.keys():
        rang_s = max(0.0, event.at - before.ringing[agent])
        figures.observe("sansheng_ring_seconds", rang_s, queue, _outcome(agent, event))
    if before.phase != after.phase:
        _phase_left(figures, before, event.at, queue)
        _wait_over(figures, before, after, queue)
        _ended(figures, after, queue)


def _outcome(agent: str, event: AnyEvent) -> str:
    """How a ring ended: answered (by a consulted colleague too), elsewhere (another phone was), or unanswered."""
    if not isinstance(event, CallAnswered | CallTransferred):
        return "unanswered"
    return "answered" if event.agent == agent else "elsewhere"


def _phase_left(figures: Figures, before: Call, at: float, queue: str) -> None:
    if before.phase == "held":
        figures.observe("sansheng_hold_seconds", max(0.0, at - before.since), queue)
    elif before.phase == "transferring":
        figures.observe("sansheng_transfer_seconds", max(0.0, at - before.since), queue)


def _ended(figures: Figures, after: Call, queue: str) -> None:
    """The talk of a call that somebody answered; one of which only the end was heard has none."""
    if after.phase == "ended" and any(stretch.phase == "talking" for stretch in after.stretches):
        figures.observe("sansheng_talk_seconds", max(0.0, spent(after.stretches, "talking")), queue)


def _wait_over(figures: Figures, before: Call, after: Call, queue: str) -> None:
    waiting = ("offered", "ringing")
    if after.direction != "inbound" or before.phase not in waiting or after.phase in waiting:
        return
    if before.answered_at is not None:  # back in the queue after a failed transfer: counted before
        return
    figures.count("sansheng_calls_offered_total", queue)
    if after.answered_at is not None:
        if after.answered_at - after.came_at <= IN_TIME_S:
            figures.count("sansheng_calls_in_time_total", queue)
    elif after.ended_by == "customer":
        figures.count("sansheng_calls_abandoned_total", queue)
