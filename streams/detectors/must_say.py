"""Kind ``must_say``: around something that happens, somebody has to say something, and has not.

::

    answered 0 s ─────────── 8 s                      within 8 s after the answer: a greeting
                             └ judged as soon as the agent is heard through it, stamped 8 s

           ─────────── held                           in the 20 s before a hold: may I ask you to wait
           20 s before

Words that come later than they were said still count for when they were said. What the ears lost is not judged. If the
customer ends the call before the time is up, nobody is blamed; if the agent does, his time was up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from streams.alerts import Severity
from streams.call import Call, Phase
from streams.detectors.base import (
    PHONE,
    SPEECH,
    Duration,
    Facts,
    Finding,
    Memory,
    Moment,
    Result,
    Rule,
    Truth,
    Unjudged,
)
from streams.detectors.conditions import AnyWords, all_of, as_said, evidence_of, words_of
from streams.events import AnyEvent, Role
from streams.talk import Hit, heard, look_again

Happening = Literal["answered", "held", "resumed", "transferring", "transferred", "ended"]
#: So many anchors of a call are remembered as judged.
REMEMBERED = 16


class SaidAnchor(Struct, frozen=True, forbid_unknown_fields=True):
    """The ``nth`` time that ``by`` said the ``words`` (0: each time)."""

    said: AnyWords
    by: Role
    nth: int = 0


class MustSayMemory(Memory, frozen=True, tag="must_say"):
    """``judged``: anchors that are finished with; ``floor``: none before this is looked at; ``count``: alerts."""

    judged: tuple[float, ...] = ()
    floor: float = 0.0
    count: int = 0


class Anchor(Struct, frozen=True):
    """What happened at ``at``, with whom, after a phase that ``lasted`` so long; ``hit``: the words that were said."""

    at: float
    agent: str | None
    lasted: float = 0.0
    hit: Hit | None = None


class MustSay(Rule, frozen=True, kw_only=True, tag="must_say"):
    """Fires when ``by`` has not said ``words`` from ``before`` the anchor until ``after`` it.

    Neither given: at any time of the call before the anchor.
    """

    anchor: Happening | SaidAnchor
    by: Role
    words: AnyWords
    severity: Severity
    before: Duration | None = None
    after: Duration | None = None

    memory_type = MustSayMemory
    listens = PHONE | SPEECH
    figures = ("window", "trigger")

    def phrase_names(self) -> Iterator[str]:
        """The words to be said, those of the anchor, and those of the conditions."""
        yield from words_of(self.words).names
        if isinstance(self.anchor, SaidAnchor):
            yield from words_of(self.anchor.said).names
        yield from super().phrase_names()

    def due(self, facts: Facts, memory: MustSayMemory) -> float | None:
        """The end of the next window, or the instant at which what was said in one may be known."""
        moments: list[float] = []
        for anchor in self._pending(facts, memory):
            _, until = self._window(facts.call, anchor)
            if until > facts.now:
                moments.append(until)
            else:
                again = look_again(facts.talk, facts.call, self.by, until, facts.now)
                moments += [again] if again is not None else []
        return min(moments, default=None)

    def on_wake(self, facts: Facts, memory: MustSayMemory) -> tuple[MustSayMemory, list[Result]]:
        """A window is over, or its words are known."""
        return self._judge(facts, memory)

    def on_event(self, facts: Facts, memory: MustSayMemory, event: AnyEvent) -> tuple[MustSayMemory, list[Result]]:
        """Something happened that asks for words, or words came."""
        return self._judge(facts, memory)

    def _judge(self, facts: Facts, memory: MustSayMemory) -> tuple[MustSayMemory, list[Result]]:
        found: list[Result] = []
        for anchor in self._pending(facts, memory):
            verdict = self._verdict(facts, anchor)
            if verdict is Truth.WAIT:
                continue
            nth = memory.count + 1
            if verdict is Truth.NO:
                found.append(self._finding(facts, anchor, nth))
            elif verdict is Truth.NEVER:
                found.append(Unjudged(self._window(facts.call, anchor)[1]))
            memory = _noted(memory, anchor.at, nth if verdict is Truth.NO else memory.count)
        return memory, found

    def _verdict(self, facts: Facts, anchor: Anchor) -> Truth:
        """YES: said, or nothing to be said; NO: it is missing; WAIT; NEVER: it cannot be known."""
        since, until = self._window(facts.call, anchor)
        known = heard(facts.talk, facts.call, self.by, since, until, facts.now)
        hits = facts.talk.hits_of(words_of(self.words).names, self.by)
        said = as_said(words_of(self.words), [h for h in hits if h.end >= since and h.start <= until], known)
        if said is Truth.YES:
            return said
        if self._is_moot(facts.call, anchor):
            return Truth.YES
        if facts.now < until:
            return Truth.WAIT
        utterance = (anchor.hit.role, anchor.hit.said) if anchor.hit else None
        moment = Moment(at=anchor.at, agent=anchor.agent, lasted=anchor.lasted, utterance=utterance)
        applies = self.applies(facts, moment)
        if applies is Truth.NO:
            return Truth.YES
        broken = all_of([applies, Truth.YES if said is Truth.NO else said])
        return Truth.NO if broken is Truth.YES else broken

    def _is_moot(self, call: Call, anchor: Anchor) -> bool:
        """The customer, or the line, ended the call before the agent's time was up."""
        if self.anchor == "ended" or not self.after or call.ended_at is None:
            return False
        return call.ended_at < anchor.at + self.after and call.ended_by != "agent"

    def _window(self, call: Call, anchor: Anchor) -> tuple[float, float]:
        since = anchor.at - self.before if self.before is not None else anchor.at
        if self.before is None and self.after is None:
            since = call.begun_at
        until = anchor.at + (self.after or 0.0)
        return since, until if call.ended_at is None else min(until, max(call.ended_at, anchor.at))

    def _pending(self, facts: Facts, memory: MustSayMemory) -> list[Anchor]:
        anchors = self._anchors(facts)
        return [a for a in anchors if a.at > memory.floor and a.at not in memory.judged]

    def _anchors(self, facts: Facts) -> list[Anchor]:
        if isinstance(self.anchor, SaidAnchor):
            return self._said_anchors(facts, self.anchor)
        return happened(facts.call, self.anchor)

    def _said_anchors(self, facts: Facts, anchor: SaidAnchor) -> list[Anchor]:
        words, groups = words_of(anchor.said), dict[float, list[Hit]]()
        for hit in facts.talk.hits_of(words.names, anchor.by):
            groups.setdefault(hit.said, []).append(hit)
        fits = [hits for hits in groups.values() if words.wanted(h.name for h in hits)]
        found = [Anchor(hits[-1].end, hits[-1].agent, hit=hits[-1]) for hits in fits if all(h.final for h in hits)]
        return found[anchor.nth - 1 : anchor.nth] if anchor.nth else found

    def _finding(self, facts: Facts, anchor: Anchor, nth: int) -> Finding:
        _, until = self._window(facts.call, anchor)
        at = max(anchor.at, until)
        return Finding(
            at=at,
            severity=self.severity,
            seconds=anchor.lasted,
            agents=(anchor.agent,) if anchor.agent else (),
            values={
                "window": float(self.after or self.before or 0.0),
                "trigger": anchor.hit.match if anchor.hit else "",
            },
            evidence=evidence_of([anchor.hit] if anchor.hit else []),
            nth=nth,
        )


def happened(call: Call, what: Happening) -> list[Anchor]:
    """Each time that it happened in this call, oldest first."""
    if what == "ended":
        answered = call.begun_at if call.answered_at is None else call.answered_at
        if call.ended_at is None or not call.was_answered:
            return []
        return [Anchor(call.ended_at, call.agent, max(0.0, call.ended_at - answered))]
    if what == "answered":
        if call.answered_at is None:
            return []
        first = call.first_rang_at if call.first_rang_at is not None else call.offered_at
        stretch = call.stretch_at(call.answered_at)
        waited = max(0.0, call.answered_at - (call.answered_at if first is None else first))
        return [Anchor(call.answered_at, stretch.agent or call.agent, waited)]
    return list(_phases(call, what))


def _phases(call: Call, what: Happening) -> Iterator[Anchor]:
    """Beginnings and ends of holds and transfers."""
    phase: Phase = "held" if what in ("held", "resumed") else "transferring"
    stretches = (*call.stretches, call.present)
    for stretch, after in zip(stretches, (*stretches[1:], None), strict=True):
        if stretch.phase != phase or (phase == "held" and stretch.held_by == "customer"):
            continue
        if what in ("held", "transferring"):
            yield Anchor(stretch.since, stretch.agent)
        elif after is not None and after.phase == "talking":
            yield Anchor(stretch.until, after.agent, stretch.until - stretch.since)


def _noted(memory: MustSayMemory, at: float, count: int) -> MustSayMemory:
    judged = sorted({*memory.judged, at})
    floor = max([memory.floor, *judged[:-REMEMBERED]])
    return MustSayMemory(judged=tuple(judged[-REMEMBERED:]), floor=floor, count=count)
