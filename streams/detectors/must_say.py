"""Kind ``must_say``: around something that happens, somebody has to say something, and has not.

::

    answered 0 s ─────────── 8 s                      within 8 s after the answer: a greeting
                             └ judged as soon as the agent is heard through it, stamped 8 s

           ─────────── held                           in the 20 s before a hold: may I ask you to wait
           20 s before

The time before is time in which the two could talk: a hold in between is skipped, so that what was announced before a
hold still counts for the transfer behind it.

Words that come later than they were said still count for when they were said, and a sentence counts for when it began:
nobody is blamed in the middle of his greeting. What the ears lost is not judged. Words that come after their alert
take it back. If the customer ends the call before the time is up, nobody is blamed; if the agent does, his time was up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import Severity, duration_zh
from streams.call import Call, Phase, is_telephony
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
    named,
)
from streams.detectors.conditions import (
    AnyWords,
    Explained,
    all_of,
    as_said,
    by_words,
    clock,
    evidence_of,
    hits_zh,
    words_of,
)
from streams.detectors.wording import PARTY_ZH, SEVERITY_ZH, answer_of, span_zh, truth_of, words_zh
from streams.events import AnyEvent, Role
from streams.phrases.match import as_told
from streams.talk import GRACE_S, Hit, by_utterance, heard, look_again, unfinished

Happening = Literal["answered", "held", "resumed", "transferring", "transferred", "ended"]
_ANCHOR_ZH: dict[Happening, str] = {
    "answered": "接听",
    "held": "转入保持",
    "resumed": "从保持恢复",
    "transferring": "开始转接",
    "transferred": "转接接通",
    "ended": "通话结束",
}
#: So many anchors of a call are remembered as judged.
REMEMBERED = 16


class SaidAnchor(Struct, frozen=True, forbid_unknown_fields=True):
    """The ``nth`` time that ``by`` said the ``words`` (0: each time)."""

    said: AnyWords
    by: Role
    nth: int = 0


class MustSayMemory(Memory, frozen=True, tag="must_say"):
    """``judged``: anchors that are finished with; ``floor``: none before this is looked at; ``count``: alerts;
    ``open``: anchors not finished with; ``until``: when the first of their windows is over; ``last``: the anchor of the
    last alert, Unix seconds; ``blamed``: the anchor of each alert that stands, and which one it is.
    """

    judged: tuple[float, ...] = ()
    floor: float = 0.0
    count: int = 0
    open: int = 0
    until: float = 0.0
    last: float = 0.0
    blamed: tuple[tuple[float, int], ...] = ()


class Anchor(Struct, frozen=True):
    """What happened at ``at``, with whom, after a phase that ``lasted`` so long; ``hit``: the words that were said, in
    a sentence that was ``over`` then: who listens to it need not interrupt.
    """

    at: float
    agent: str | None
    lasted: float = 0.0
    hit: Hit | None = None
    over: float | None = None

    @property
    def turn(self) -> float:
        """From when on the other party can speak, Unix seconds."""
        return self.at if self.over is None else self.over

    @property
    def moment(self) -> Moment:
        """What the rule's conditions are asked about."""
        utterance = (self.hit.role, self.hit.utterance) if self.hit else None
        return Moment(at=self.at, agent=self.agent, lasted=self.lasted, utterance=utterance)


class MustSay(Rule, frozen=True, kw_only=True, tag="must_say"):
    """Fires when ``by`` has not said ``words`` from ``before`` the anchor until ``after`` it.

    Neither given: at any time of the call before the anchor. ``again_after``: no further alert in this call for
    anchors that come sooner after that of the last one.
    """

    anchor: Happening | SaidAnchor
    by: Role
    words: AnyWords
    severity: Severity
    before: Duration | None = None
    after: Duration | None = None
    again_after: Duration | None = None

    memory_type = MustSayMemory
    waits_for_words = True
    listens = PHONE | SPEECH
    figures = ("window", "trigger")
    taken_back = ("撤销:语音识别来晚了,该说的话当时已经说了", "Withdrawn: the words came late; they had been said")

    def phrase_names(self) -> Iterator[str]:
        """The words to be said, those of the anchor, and those of the conditions."""
        yield from words_of(self.words).names
        if isinstance(self.anchor, SaidAnchor):
            yield from words_of(self.anchor.said).names
        yield from super().phrase_names()

    def stirs(self, event: AnyEvent, names: frozenset[str], memory: MustSayMemory) -> bool:
        """Something happened on the telephone, its words fell, or its time is up and it waits for words."""
        waits = memory.open > 0 and event.at >= memory.until
        return waits or is_telephony(event) or not names.isdisjoint(self.names)

    def due(self, facts: Facts, memory: MustSayMemory) -> float | None:
        """The end of the next window, or the instant at which what was said in one may be known.

        While no recogniser has told anything time alone decides nothing: the first word asks again.
        """
        if memory.open and self._is_deaf(facts):
            return None
        moments: list[float] = []
        for anchor in _pending(self._anchors(facts), memory):
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

    def in_words(self) -> str:
        """When it fires, for a quality manager."""
        what = "通话结束前的任何时候"
        if self.before is not None or self.after is not None:
            before = f"前 {duration_zh(self.before)}" if self.before is not None else ""
            after = f"后 {duration_zh(self.after)}" if self.after is not None else ""
            what = f"{_anchor_zh(self.anchor)}{'到'.join(filter(None, (before, after)))}内"
        elif self.anchor != "ended":
            what = f"{_anchor_zh(self.anchor)}之前的任何时候"
        again = f";{duration_zh(self.again_after)}内不再重复" if self.again_after is not None else ""
        return f"{what},{PARTY_ZH[self.by]}须说{words_zh(self.words)};没有说,即为{SEVERITY_ZH[self.severity]}{again}"

    def account(self, facts: Facts, memory: MustSayMemory) -> list[Explained]:
        """Each time that it should have been said: the window, what was said in it, and the conditions."""
        anchors = self._anchors(facts)
        if not anchors:
            return [Explained(f"anchor: {_anchor(self.anchor)}", answer_of(False), "没有发生过")]
        return [self._account(facts, memory, anchor) for anchor in anchors]

    def _account(self, facts: Facts, memory: MustSayMemory, anchor: Anchor) -> Explained:
        since, until = self._window(facts.call, anchor)
        hits = list(facts.talk.hits_of(words_of(self.words).names, self.by))
        inside = [h for h in hits if _counts(h, since, until)]
        known = heard(facts.talk, facts.call, self.by, since, until, facts.now)
        said = as_said(words_of(self.words), inside, known)
        because = hits_zh(facts, inside or hits) + (";都不在时限内" if hits and not inside else "")
        parts = [
            Explained(f"heard: {self.by}", truth_of(known), span_zh(facts, since, until)),
            Explained(f"words: {by_words(self.words)} by {self.by}", truth_of(said), because),
        ]
        if self._is_moot(facts.call, anchor):
            parts.append(Explained("moot", answer_of(True), "时限未到,通话已由对方结束"))
        if self.again_after is not None and memory.last < anchor.at < memory.last + self.again_after:
            last = f"上一次在 {clock(facts, memory.last)}"
            parts.append(Explained(f"again_after: {self.again_after:g} s", answer_of(False), last))
        happened_at = clock(facts, anchor.at) + (f"“{anchor.hit.match}”" if anchor.hit else "")
        asks = f"anchor: {_anchor(self.anchor)}"
        at = max(anchor.at, until)
        return Explained(asks, answer_of(True), happened_at, (*parts, *self.explain(facts, anchor.moment)), at=at)

    def _judge(self, facts: Facts, memory: MustSayMemory) -> tuple[MustSayMemory, list[Result]]:
        anchors = self._anchors(facts)
        memory, found = self._take_back(facts, memory, anchors)
        still_open, pending = list[float](), _pending(anchors, memory)
        if self._is_deaf(facts):
            return replace(memory, open=len(pending)), found  # no word is known yet: nothing to be decided
        for anchor in pending:
            verdict = self._verdict(facts, anchor)
            if verdict is Truth.WAIT:
                still_open.append(self._window(facts.call, anchor)[1])
                continue
            if verdict is Truth.NO and not self._is_soon(memory, anchor):
                nth = memory.count + 1
                blamed = (*memory.blamed, (anchor.at, nth))[-REMEMBERED:]
                memory = replace(memory, count=nth, last=anchor.at, blamed=blamed)
                found.append(self._finding(facts, anchor, nth))
            elif verdict is Truth.NEVER:
                found.append(Unjudged(self._window(facts.call, anchor)[1]))
            memory = _noted(memory, anchor.at)
        return replace(memory, open=len(still_open), until=min(still_open, default=0.0)), found

    def _take_back(
        self, facts: Facts, memory: MustSayMemory, anchors: Sequence[Anchor]
    ) -> tuple[MustSayMemory, list[Result]]:
        """Words that came after the alert, and were said in time, or exempt."""
        found: list[Result] = []
        by_time = {anchor.at: anchor for anchor in anchors} if memory.blamed else {}
        for at, nth in memory.blamed:
            if at in by_time and self._is_excused(facts, by_time[at]):
                blamed = tuple(each for each in memory.blamed if each != (at, nth))
                memory = replace(memory, blamed=blamed, last=0.0 if memory.last == at else memory.last)
                found.append(Finding(at=self._alert_at(facts, by_time[at]), severity=None, nth=nth))
        return memory, found

    def _is_excused(self, facts: Facts, anchor: Anchor) -> bool:
        final = [hit for hit in self._inside(facts, anchor) if hit.final]
        if as_said(words_of(self.words), final, Truth.YES) is Truth.YES:
            return True
        return self.unless is not None and self.unless.truth(facts, anchor.moment) is Truth.YES

    def _inside(self, facts: Facts, anchor: Anchor) -> list[Hit]:
        """What was said in the window of what is to be said."""
        since, until = self._window(facts.call, anchor)
        hits = facts.talk.hits_of(words_of(self.words).names, self.by)
        return [hit for hit in hits if _counts(hit, since, until)]

    def _is_deaf(self, facts: Facts) -> bool:
        return not facts.talk.recognised and facts.call.ended_at is None

    def _verdict(self, facts: Facts, anchor: Anchor) -> Truth:
        """YES: said, or nothing to be said; NO: it is missing; WAIT; NEVER: it cannot be known."""
        since, until = self._window(facts.call, anchor)
        known = heard(facts.talk, facts.call, self.by, since, until, facts.now)
        said = as_said(words_of(self.words), self._inside(facts, anchor), known)
        if said is Truth.YES:
            return said
        if self._is_moot(facts.call, anchor):
            return Truth.YES
        if facts.now < until or self._may_finish(facts, until):
            return Truth.WAIT
        applies = self.applies(facts, anchor.moment)
        if applies is Truth.NO:
            return Truth.YES
        broken = all_of([applies, Truth.YES if said is Truth.NO else said])
        return Truth.NO if broken is Truth.YES else broken

    def _may_finish(self, facts: Facts, until: float) -> bool:
        """Who is in the middle of a sentence when his time is up is heard to its end."""
        ended = facts.call.ended_at
        if not self.after or (ended is not None and facts.now >= ended + GRACE_S):
            return False
        return unfinished(facts.talk.leg(self.by), until, facts.now)

    def _is_soon(self, memory: MustSayMemory, anchor: Anchor) -> bool:
        return self.again_after is not None and anchor.at < memory.last + self.again_after

    def _is_moot(self, call: Call, anchor: Anchor) -> bool:
        """The customer, or the line, ended the call before the agent's time was up."""
        if self.anchor == "ended" or not self.after or call.ended_at is None:
            return False
        return call.ended_at < anchor.turn + self.after and call.ended_by != "agent"

    def _window(self, call: Call, anchor: Anchor) -> tuple[float, float]:
        since = _talk_before(call, anchor.at, self.before) if self.before is not None else anchor.at
        if self.before is None and self.after is None:
            since = call.begun_at
        until = anchor.turn + (self.after or 0.0)
        return since, until if call.ended_at is None else min(until, max(call.ended_at, anchor.at))

    def _alert_at(self, facts: Facts, anchor: Anchor) -> float:
        """When the time for it was up, Unix seconds."""
        _, until = self._window(facts.call, anchor)
        return max(anchor.at, until)

    def _anchors(self, facts: Facts) -> list[Anchor]:
        if isinstance(self.anchor, SaidAnchor):
            return self._said_anchors(facts, self.anchor)
        return happened(facts.call, self.anchor)

    def _said_anchors(self, facts: Facts, anchor: SaidAnchor) -> list[Anchor]:
        words = words_of(anchor.said)
        utterances = by_utterance(facts.talk.hits_of(words.names, anchor.by))
        fits = [hits for hits in utterances if words.wanted(h.name for h in hits)]
        over = {u.start: u.end for u in facts.talk.leg(anchor.by).said}
        found = [
            Anchor(hits[-1].end, hits[-1].agent, hit=hits[-1], over=over.get(hits[-1].said))
            for hits in fits
            if all(h.final for h in hits)
        ]
        return found[anchor.nth - 1 : anchor.nth] if anchor.nth else found

    def _finding(self, facts: Facts, anchor: Anchor, nth: int) -> Finding:
        return Finding(
            at=self._alert_at(facts, anchor),
            severity=self.severity,
            seconds=anchor.lasted,
            agents=named(anchor.agent),
            values={
                "window": float(self.after or self.before or 0.0),
                "trigger": as_told(anchor.hit.match, anchor.hit.meant) if anchor.hit else "",
            },
            evidence=evidence_of([anchor.hit] if anchor.hit else []),
            nth=nth,
        )


def _pending(anchors: Sequence[Anchor], memory: MustSayMemory) -> list[Anchor]:
    return [a for a in anchors if a.at > memory.floor and a.at not in memory.judged]


def _counts(hit: Hit, since: float, until: float) -> bool:
    """Whether the words began in the window, or stand in a sentence that did."""
    return hit.end >= since and (hit.start <= until or since <= hit.said <= until)


def _anchor(anchor: Happening | SaidAnchor) -> str:
    return f"said {by_words(anchor.said)} by {anchor.by}" if isinstance(anchor, SaidAnchor) else anchor


def _anchor_zh(anchor: Happening | SaidAnchor) -> str:
    if not isinstance(anchor, SaidAnchor):
        return _ANCHOR_ZH[anchor]
    nth = f"第 {anchor.nth} 次" if anchor.nth else "每次"
    return f"{PARTY_ZH[anchor.by]}{nth}说{words_zh(anchor.said)}"


def _talk_before(call: Call, at: float, length: float) -> float:
    """The instant, Unix seconds, from which the two could talk for ``length`` seconds until ``at``."""
    for stretch in reversed(call.stretches):
        if stretch.phase in ("held", "transferring") and stretch.until <= at:
            if at - stretch.until >= length:
                break
            length, at = length - (at - stretch.until), stretch.since
    return at - length


def happened(call: Call, what: Happening) -> list[Anchor]:
    """Each time that it happened in this call, oldest first."""
    if what == "ended":
        if call.ended_at is None or not call.was_answered:
            return []
        return [Anchor(call.ended_at, call.agent, max(0.0, call.ended_at - call.talk_began_at))]
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


def _noted(memory: MustSayMemory, at: float) -> MustSayMemory:
    judged = sorted({*memory.judged, at})
    floor = max([memory.floor, *judged[:-REMEMBERED]])
    return replace(memory, judged=tuple(judged[-REMEMBERED:]), floor=floor)
