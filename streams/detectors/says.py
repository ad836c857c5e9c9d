"""Kind ``says``: somebody says what should be noticed.

Each utterance that contains the words is one alert, stamped with the end of the words; its phrases are its evidence.
With ``times`` it takes so many hits ``within`` a while, and then so many again. A word that the recogniser takes back
in the finished sentence takes its alert back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import Severity, duration_zh
from streams.detectors.base import (
    WORDS,
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
from streams.detectors.conditions import AnyWords, Explained, by_words, clock, evidence_of, hits_zh, words_of
from streams.detectors.wording import PARTY_ZH, SEVERITY_ZH, answer_of, words_zh
from streams.events import AnyEvent, Role
from streams.phrases.match import as_told
from streams.phrases.normal import normal
from streams.talk import ROLES, Hit, by_utterance, look_again

#: So many of the last alerts are remembered, to know them again when their sentence is corrected.
REMEMBERED = 12


class Told(Struct, frozen=True, array_like=True):
    """Alert number ``nth`` was about the utterance ``said`` (``Hit.utterance``); ``sure`` once that was finished.

    ``nth`` 0: the utterance was looked at and is none. ``at``: the end of its words.
    """

    said: float
    nth: int
    at: float
    sure: bool


class SaysMemory(Memory, frozen=True, tag="says"):
    """``told``: the last utterances that were decided, all of them later than ``floor``; ``count``: alerts so far;
    ``last``: when the last one was; ``open``: utterances that could not be decided yet.
    """

    told: tuple[Told, ...] = ()
    count: int = 0
    last: float = 0.0
    floor: float = 0.0
    open: int = 0


class Says(Rule, frozen=True, kw_only=True, tag="says"):
    """Fires when ``by`` says ``words`` in one utterance, or ``times`` ``within`` a while.

    ``same``: it must be the same phrase each time. ``again_after``: no further alert in this call before that long
    after the last one.
    """

    by: Role
    words: AnyWords
    severity: Severity
    times: int = 1
    within: Duration | None = None
    same: bool = False
    again_after: Duration | None = None

    memory_type = SaysMemory
    waits_for_words = True
    listens = WORDS | {"call.ended"}
    figures = ("words", "count")

    def __post_init__(self) -> None:
        """Refuse a count without a window, and the other way round."""
        if (self.times > 1) != (self.within is not None):
            raise ValueError("times and within belong together: so many hits in so long a time")

    def phrase_names(self) -> Iterator[str]:
        """The words to be noticed, and those of the conditions."""
        yield from words_of(self.words).names
        yield from super().phrase_names()

    def stirs(self, event: AnyEvent, names: frozenset[str], memory: SaysMemory) -> bool:
        """Its words fell, or it waits for words, or a sentence may be corrected."""
        return memory.open > 0 or not names.isdisjoint(self.names) or any(not told.sure for told in memory.told)

    def due(self, facts: Facts, memory: SaysMemory) -> float | None:
        """When the conditions of an undecided utterance may be known, at the latest after the end of the call."""
        known = {told.said for told in memory.told}
        ends = [hits[-1].end for hits in self._utterances(facts, memory) if hits[0].utterance not in known]
        again = (look_again(facts.talk, facts.call, role, end, facts.now) for end in ends for role in ROLES)
        return min((moment for moment in again if moment is not None), default=None)

    def on_wake(self, facts: Facts, memory: SaysMemory) -> tuple[SaysMemory, list[Result]]:
        """Look again at what was not decided."""
        return self._judge(facts, memory)

    def on_event(self, facts: Facts, memory: SaysMemory, event: AnyEvent) -> tuple[SaysMemory, list[Result]]:
        """Look at what was said, and at what is no longer said."""
        return self._judge(facts, memory)

    def in_words(self) -> str:
        """When it fires, for a quality manager."""
        often = f"{duration_zh(self.within)}内 {self.times} 次" if self.within is not None else ""
        often += ",每次是同一说法" if self.same else ""
        again = f";{duration_zh(self.again_after)}内不再重复" if self.again_after is not None else ""
        said = f"{PARTY_ZH[self.by]}{often and often + ' '}说出{words_zh(self.words)}"
        return f"{said},即为{SEVERITY_ZH[self.severity]}{again}"

    def account(self, facts: Facts, memory: SaysMemory) -> list[Explained]:
        """Each utterance of that party with such words, whether they are enough, and its conditions."""
        words = words_of(self.words)
        asks = f"words: {by_words(self.words)} by {self.by}"
        utterances = by_utterance(facts.talk.hits_of(words.names, self.by))
        if not utterances:
            others = list(facts.talk.hits_of(words.names, None))
            because = f"只有对方说过:{hits_zh(facts, others)}" if others else "没有说过"
            return [Explained(asks, answer_of(False), because)]
        return [self._account(facts, memory, asks, hits) for hits in utterances]

    def _account(self, facts: Facts, memory: SaysMemory, asks: str, hits: list[Hit]) -> Explained:
        words, names, at = words_of(self.words), [hit.name for hit in hits], hits[-1].end
        fits = words.wanted(names) and not words.barred(names)
        told = next((t for t in memory.told if t.said == hits[0].utterance), None)
        parts = self.explain(facts, Moment(at=at, agent=hits[0].agent, utterance=(self.by, hits[0].utterance)))
        if self.within is not None:
            window = [h for h in facts.talk.hits_of(words.names, self.by) if at - self.within <= h.end <= at]
            enough = answer_of(bool(told and told.nth) or len(window) >= self.times)
            parts.insert(0, Explained(f"times: {self.times} within {self.within:g} s", enough, hits_zh(facts, window)))
        if told and not told.nth and self.again_after is not None and at < memory.last + self.again_after:
            last = f"上一次在 {clock(facts, memory.last)}"
            parts.append(Explained(f"again_after: {self.again_after:g} s", answer_of(False), last))
        return Explained(asks, answer_of(fits), f"{clock(facts, at)} {hits[0].text}", tuple(parts), at=at)

    def _judge(self, facts: Facts, memory: SaysMemory) -> tuple[SaysMemory, list[Result]]:
        if not memory.told and not any(True for _ in facts.talk.hits_of(words_of(self.words).names, self.by)):
            return memory, []
        utterances = self._utterances(facts, memory)
        memory, found = self._take_back(memory, {hits[0].utterance for hits in utterances})
        for hits in utterances:
            memory = self._decide(facts, memory, hits, found)
        known = {told.said for told in memory.told}
        return replace(memory, open=sum(hits[0].utterance not in known for hits in utterances)), found

    def _utterances(self, facts: Facts, memory: SaysMemory) -> list[list[Hit]]:
        """The hits of each utterance that has the words and is not finished with, oldest first."""
        words = words_of(self.words)
        news = (hit for hit in facts.talk.hits_of(words.names, self.by) if hit.utterance > memory.floor)
        fits = [hits for hits in by_utterance(news) if words.wanted(h.name for h in hits)]
        return [hits for hits in fits if not words.barred(h.name for h in hits)]

    def _take_back(self, memory: SaysMemory, said: set[float]) -> tuple[SaysMemory, list[Result]]:
        gone = [told for told in memory.told if not told.sure and told.said not in said]
        kept = tuple(told for told in memory.told if told not in gone)
        found: list[Result] = [Finding(at=t.at, severity=None, nth=t.nth) for t in gone if t.nth]
        return replace(memory, told=kept), found

    def _decide(self, facts: Facts, memory: SaysMemory, hits: list[Hit], found: list[Result]) -> SaysMemory:
        said, at, sure = hits[0].utterance, hits[-1].end, all(hit.final for hit in hits)
        known = next((told for told in memory.told if told.said == said), None)
        if known and (known.sure or not sure):
            return memory
        nth = known.nth if known else 0
        hits = self._enough(facts, hits, memory.last if not nth else 0.0)
        applies = self.applies(facts, Moment(at=at, agent=hits[0].agent if hits else None, utterance=(self.by, said)))
        if applies is Truth.WAIT:
            return memory
        last = memory.last
        if not nth and applies is Truth.YES and hits and not self._is_soon(memory, at):
            nth, last = memory.count + 1, at
            found.append(self._finding(hits, at, nth))
        elif nth and (applies is Truth.NO or not hits):
            found.append(Finding(at=at, severity=None, nth=nth))
        elif applies is Truth.NEVER and hits:
            found.append(Unjudged(at))
        told = sorted((*(t for t in memory.told if t is not known), Told(said, nth, at, sure)), key=lambda t: t.said)
        floor = max([memory.floor, *(t.said for t in told[:-REMEMBERED])])
        kept = tuple(told[-REMEMBERED:])
        return replace(memory, told=kept, count=max(memory.count, nth), last=last, floor=floor)

    def _enough(self, facts: Facts, hits: list[Hit], last: float) -> list[Hit]:
        """The hits that make up an alert with those of this utterance, later than ``last``; none: they are too few."""
        if self.within is None:
            return hits
        at = hits[-1].end
        since = max(at - self.within, last + 1e-6)
        window = [h for h in facts.talk.hits_of(words_of(self.words).names, self.by) if since <= h.end <= at]
        if self.same:
            phrase, _ = Counter(_phrase(hit) for hit in window).most_common(1)[0] if window else ("", 0)
            window = [hit for hit in window if _phrase(hit) == phrase]
        return window if len(window) >= self.times else []

    def _is_soon(self, memory: SaysMemory, at: float) -> bool:
        return self.again_after is not None and at < memory.last + self.again_after

    def _finding(self, hits: list[Hit], at: float, nth: int) -> Finding:
        words = tuple(dict.fromkeys(as_told(hit.match, hit.meant) for hit in hits))
        return Finding(
            at=at,
            severity=self.severity,
            seconds=float(self.within or 0.0),
            agents=named(hits[-1].agent),
            values={"words": words, "count": len(hits)},
            evidence=evidence_of(hits),
            nth=nth,
        )


def _phrase(hit: Hit) -> str:
    """What was said, in its comparable form: the same words misheard are the same words."""
    return normal(hit.meant or hit.match).text
