"""Shorthand for tests that drive calls through ``step``: events by the second, and alerts as short rows.

Times here are seconds after ``T0``; on a grid of 1/8 s, sums of them are exact in floating point.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from hypothesis import settings

from streams.alerts import AlertChange, Severity, State
from streams.core import Book
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
    Event,
    Tick,
    TransferFailed,
)
from streams.replay import Driver

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("hunt", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

T0 = 1_700_000_000.0


def _event(kind: type[Event], t: float, call: str, fields: dict[str, Any]) -> Any:
    return kind(call=call, at=T0 + t, **fields)


def offered(t: float, call: str = "c1", **fields: Any) -> CallOffered:
    """The call reaches a queue."""
    return _event(CallOffered, t, call, fields)


def rings(t: float, agent: str = "101", call: str = "c1", **fields: Any) -> AgentRinging:
    """That agent's phone begins to ring."""
    return _event(AgentRinging, t, call, {"agent": agent, **fields})


def missed(t: float, agent: str = "101", call: str = "c1", **fields: Any) -> AgentMissed:
    """That agent's phone stops ringing."""
    return _event(AgentMissed, t, call, {"agent": agent, **fields})


def answered(t: float, agent: str = "101", call: str = "c1", **fields: Any) -> CallAnswered:
    """That agent picks up."""
    return _event(CallAnswered, t, call, {"agent": agent, **fields})


def consulted(t: float, agent: str = "102", call: str = "c1") -> CallAnswered:
    """A colleague picks up who is only being asked; the customer still waits."""
    return answered(t, agent, call, extra={"consult": True})


def held(t: float, by: str = "agent", call: str = "c1") -> CallHeld:
    """One side presses hold."""
    return _event(CallHeld, t, call, {"by": by})


def resumed(t: float, by: str = "agent", call: str = "c1") -> CallResumed:
    """The hold is over."""
    return _event(CallResumed, t, call, {"by": by})


def transferring(t: float, to: str | None = "102", agent: str = "101", call: str = "c1", **fields: Any) -> Any:
    """``agent`` passes the customer on."""
    return _event(CallTransferring, t, call, {"agent": agent, "to": to, **fields})


def transferred(t: float, agent: str = "102", call: str = "c1", **fields: Any) -> CallTransferred:
    """The customer is with the new agent."""
    return _event(CallTransferred, t, call, {"agent": agent, **fields})


def failed(t: float, reason: str | None = None, call: str = "c1") -> TransferFailed:
    """Nobody took the transfer."""
    return _event(TransferFailed, t, call, {"reason": reason})


def ended(t: float, by: str = "customer", call: str = "c1", **fields: Any) -> CallEnded:
    """The customer's line is released."""
    return _event(CallEnded, t, call, {"by": by, **fields})


def tick(t: float, call: str = "c1") -> Tick:
    """A wake in the record."""
    return _event(Tick, t, call, {})


class Row(NamedTuple):
    """An alert change as a test wants to read it; ``t`` in seconds after ``T0``."""

    rule: str
    state: State
    severity: Severity
    t: float


def rows(changes: Iterable[AlertChange]) -> list[Row]:
    """The changes without their words."""
    return [Row(c.rule, c.state, c.severity, round(c.at - T0, 6)) for c in changes]


def drive(book: Book, events: Iterable[AnyEvent], *, until: float | None = None) -> list[AlertChange]:
    """All changes of a record; then, with ``until`` (seconds after ``T0``), the wakes up to there."""
    driver = Driver(book)
    changes = [change for event in events for change in driver.feed(event)]
    return changes if until is None else changes + driver.finish(T0 + until)
