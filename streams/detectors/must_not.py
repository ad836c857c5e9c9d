"""Kind ``must_not``: something happened that may not.

A fact about the call, judged when it is known and once: it does not clear itself, except that news which
comes late may prove it wrong (an answer that was logged after the end of the call).
"""

from __future__ import annotations

from typing import Literal

from streams.alerts import Severity
from streams.call import Call
from streams.detectors.base import Finding, Memory, Rule
from streams.events import AnyEvent, Direction, Party


class MustNotMemory(Memory, frozen=True, tag="must_not"):
    """``fired``: the violation has been reported."""

    fired: bool = False


class MustNot(Rule, frozen=True, kw_only=True, tag="must_not"):
    """Fires when the call was ended ``ended_by`` that party, ``answered`` or not.

    ``measured_from``: what the sentence's duration counts from.
    """

    ended_by: Party
    answered: bool
    severity: Severity
    direction: Direction | None = None
    measured_from: Literal["offered", "answered"] = "answered"

    memory_type = MustNotMemory

    def on_event(self, call: Call, memory: MustNotMemory, event: AnyEvent) -> tuple[MustNotMemory, list[Finding]]:
        """Fires, or takes back, as the facts of the end become known."""
        broken = self._broken(call)
        if broken == memory.fired:
            return memory, []
        ended_at = event.at if call.ended_at is None else call.ended_at
        begun = call.answered_at if self.measured_from == "answered" else call.offered_at
        seconds = max(0.0, ended_at - (call.begun_at if begun is None else begun))
        finding = Finding(
            at=ended_at,
            severity=self.severity if broken else None,
            seconds=seconds,
            agents=(call.agent,) if call.agent else (),
        )
        return MustNotMemory(fired=broken), [finding]

    def _broken(self, call: Call) -> bool:
        return (
            call.ended_by == self.ended_by
            and call.was_answered == self.answered
            and self.direction in (None, call.direction)
        )
