"""Kind ``must_not``: something happened that may not.

A fact about the call, judged when it is known and once: it does not clear itself, except that news which
comes late may prove it wrong (an answer that was logged after the end of the call).

Where an exemption asks for words, it waits until they are known. In a call whose words nobody recognises none can
exempt, and none is waited for.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from streams.alerts import Severity
from streams.call import Call, is_telephony
from streams.detectors.base import PHONE, SPEECH, Facts, Finding, Memory, Moment, Result, Rule, Truth, Unjudged, named
from streams.detectors.conditions import Explained, clock
from streams.detectors.wording import DIRECTION_ZH, PARTY_ZH, SEVERITY_ZH, answer_of
from streams.events import AnyEvent, Direction, Party
from streams.talk import GRACE_S


class MustNotMemory(Memory, frozen=True, tag="must_not"):
    """``fired``: the violation has been reported; ``given_up``: it could not be judged; ``open``: words may come."""

    fired: bool = False
    given_up: bool = False
    open: bool = False


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
    waits_for_words = True

    @property
    def listens(self) -> frozenset[str]:  # type: ignore[override]
        """Telephony; speech too where an exemption asks for it."""
        return PHONE | SPEECH if self.when or self.unless else PHONE

    def stirs(self, event: AnyEvent, names: frozenset[str], memory: MustNotMemory) -> bool:
        """News of the telephone; of words only while the end waits for them, or to take an alert back."""
        return memory.open or memory.fired or is_telephony(event)

    def due(self, facts: Facts, memory: MustNotMemory) -> float | None:
        """When the last words of an ended call must have come."""
        if memory.fired or memory.given_up or not self._ended(facts.call) or facts.call.ended_at is None:
            return None
        last = facts.call.ended_at + GRACE_S
        return last if last > facts.now and self._broken(facts) is Truth.WAIT else None

    def on_wake(self, facts: Facts, memory: MustNotMemory) -> tuple[MustNotMemory, list[Result]]:
        """What can be known of the words is known."""
        return self._judge(facts, memory)

    def on_event(self, facts: Facts, memory: MustNotMemory, event: AnyEvent) -> tuple[MustNotMemory, list[Result]]:
        """Fires, or takes back, as the facts of the end become known."""
        return self._judge(facts, memory)

    def in_words(self) -> str:
        """When it fires, for a quality manager."""
        direction = f"{DIRECTION_ZH[self.direction]}的" if self.direction else ""
        state = "接听之后" if self.answered else "接听之前"
        return f"{direction}电话在{state}由{PARTY_ZH[self.ended_by]}先挂机,即为{SEVERITY_ZH[self.severity]}"

    def account(self, facts: Facts, memory: MustNotMemory) -> list[Explained]:
        """How the call ended, and the conditions at that moment."""
        call, at = facts.call, facts.call.ended_at
        ended = "还没有结束" if at is None else f"{clock(facts, at)} {PARTY_ZH.get(call.ended_by or '', '')}挂机"
        found = [
            Explained(f"ended_by: {self.ended_by}", answer_of(call.ended_by == self.ended_by), ended, at=at),
            Explained(f"answered: {self.answered}", answer_of(call.was_answered == self.answered), at=at),
        ]
        if self.direction:
            fits = answer_of(call.direction == self.direction)
            found.append(Explained(f"direction: {self.direction}", fits, call.direction, at=at))
        conditions = self.explain(facts, Moment(at=facts.now if at is None else at, agent=call.agent))
        return found + [replace(each, at=at) for each in conditions]

    def _judge(self, facts: Facts, memory: MustNotMemory) -> tuple[MustNotMemory, list[Result]]:
        broken = self._broken(facts)
        if broken is Truth.NEVER and not memory.fired:
            at = facts.call.ended_at or facts.now
            return MustNotMemory(given_up=True), [] if memory.given_up else [Unjudged(at)]
        if broken in (Truth.WAIT, Truth.NEVER) or (broken is Truth.YES) == memory.fired:
            return replace(memory, open=broken is Truth.WAIT), []
        return MustNotMemory(fired=broken is Truth.YES), [self._finding(facts, broken is Truth.YES)]

    def _finding(self, facts: Facts, broken: bool) -> Finding:
        call = facts.call
        ended_at = facts.now if call.ended_at is None else call.ended_at
        begun = call.talk_began_at if self.measured_from == "answered" else call.came_at
        seconds = max(0.0, ended_at - begun)
        severity = self.severity if broken else None
        return Finding(at=ended_at, severity=severity, seconds=seconds, agents=named(call.agent))

    def _ended(self, call: Call) -> bool:
        return (
            call.ended_by == self.ended_by
            and call.was_answered == self.answered
            and self.direction in (None, call.direction)
        )

    def _broken(self, facts: Facts) -> Truth:
        call = facts.call
        if not self._ended(call) or call.ended_at is None:
            return Truth.NO
        return self.applies_at_end(facts, Moment(at=call.ended_at, agent=call.agent))
