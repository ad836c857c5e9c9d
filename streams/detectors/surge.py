"""Kind ``surge``: many calls tell of the same thing, or one caller comes again.

It looks across calls in two halves, both run by the same ``step``. Each call *contributes* when ``when`` holds for it
and what is counted happens; the contributions about one subject (a caller, a queue, a kind of fault) are ``mark``
events of a record of their own, in which the rule counts::

    call 1 ──┐ mark
    call 2 ──┼──▶ subject "caller 7f3a" ──▶ at least 2 within 24 h: alert
    call 3 ──┘

With ``unanswered_for`` it is the other way round: one contribution is enough, unless the caller is spoken to again in
that time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import Evidence, Severity
from streams.detectors.base import (
    PHONE,
    SPEECH,
    Contribution,
    Duration,
    Facts,
    Finding,
    Memory,
    Moment,
    Result,
    Rule,
    Truth,
)
from streams.detectors.conditions import AnyWords, Condition, evidence_of, words_of
from streams.events import AnyEvent, Mark, Role

#: So many calls of one subject are remembered; more than any threshold that makes sense.
MOST = 500
#: So many calls are named in an alert.
NAMED = 20


class Entry(Struct, frozen=True, array_like=True):
    """One call that contributed: ``who`` is counted once. ``nth``: the alert about it; 0: none."""

    call: str
    who: str
    at: float
    agent: str | None = None
    nth: int = 0
    grave: bool = False


class SurgeMemory(Memory, frozen=True, tag="surge"):
    """Of a call: the subjects told (``told``) and those told gravely. Of a subject: its ``entries`` and alerts."""

    told: tuple[str, ...] = ()
    grave: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    count: int = 0
    open_at: float = 0.0
    shown: int = 0


class Graver(Struct, frozen=True, forbid_unknown_fields=True):
    """A contributing call for which ``when`` holds too makes its alert that severe."""

    when: Condition
    severity: Severity


class Surge(Rule, frozen=True, kw_only=True, tag="surge"):
    """Fires when ``at_least`` different calls or callers tell of one ``subject`` ``within`` a while.

    ``counts``: what each call contributes by: being ``offered``, being ``answered``, its ``end``, or ``words`` that
    ``by`` said. ``each``: every further call is an alert of its own.
    """

    subject: Literal["caller", "queue", "words"]
    counts: Literal["offered", "answered", "ended", "words"]
    severity: Severity
    at_least: int = 1
    within: Duration = Duration(0)
    words: AnyWords = ()
    by: Role = "customer"
    each: bool = False
    graver: Graver | None = None
    unanswered_for: Duration | None = None

    memory_type = SurgeMemory
    listens = PHONE | SPEECH
    figures = ("count", "window", "words")
    crosses_calls = True

    def __post_init__(self) -> None:
        """Refuse what can never fire."""
        if (self.counts == "words") != bool(self.words) or (self.subject == "words" and not self.words):
            raise ValueError("words belong to `counts: words`, and only there")
        if self.unanswered_for is None and (self.at_least < 2 or not self.within):
            raise ValueError("at_least must be 2 or more, within some time; or give unanswered_for")
        if self.unanswered_for is not None and (self.at_least > 1 or self.subject != "caller"):
            raise ValueError("unanswered_for waits for one caller: subject caller, no at_least")

    def phrase_names(self) -> Iterator[str]:
        """The words that count, and those of the conditions."""
        if self.words:
            yield from words_of(self.words).names
        if self.graver:
            yield from self.graver.when.phrase_names()
        yield from super().phrase_names()

    @property
    def remembers_s(self) -> float:
        """How long a contribution matters, seconds."""
        return max(self.within, self.unanswered_for or 0.0)

    def due(self, facts: Facts, memory: SurgeMemory) -> float | None:
        """When an unanswered call is one, or a surge is over."""
        if self.unanswered_for is not None:
            waiting = [e.at + self.unanswered_for for e in memory.entries if not e.nth]
        else:
            waiting = [memory.entries[-1].at + self.within] if memory.open_at and memory.entries else []
        return min((moment for moment in waiting if moment > facts.now), default=None)

    def on_wake(self, facts: Facts, memory: SurgeMemory) -> tuple[SurgeMemory, list[Result]]:
        """Nobody answered in time; or no further call came for a whole window."""
        if self.unanswered_for is not None:
            return self._unanswered(facts, memory)
        over = Finding(at=facts.now, severity=None, seconds=facts.now - memory.open_at, nth=memory.count)
        return replace(memory, open_at=0.0, entries=(), shown=0), [over]

    def on_event(self, facts: Facts, memory: SurgeMemory, event: AnyEvent) -> tuple[SurgeMemory, list[Result]]:
        """A call's own event: it may contribute. A mark: count it."""
        if isinstance(event, Mark):
            return self._count(facts, memory, event)
        return self._contribute(facts, memory, event)

    # -- in the call ----------------------------------------------------------------------------

    def _contribute(self, facts: Facts, memory: SurgeMemory, event: AnyEvent) -> tuple[SurgeMemory, list[Result]]:
        found: list[Result] = []
        for subject, at, evidence in self._subjects(facts):
            moment = Moment(at=at, agent=facts.call.agent)
            grave = (
                self.graver is not None and self.graver.when.truth(facts, moment._replace(at=facts.now)) is Truth.YES
            )
            if subject in memory.told and (not grave or subject in memory.grave):
                continue
            if self.applies(facts, moment) is Truth.YES:
                found.append(Contribution(subject=subject, at=at, evidence=evidence, grave=grave))
                told = tuple(dict.fromkeys((*memory.told, subject)))
                memory = replace(memory, told=told, grave=(*memory.grave, subject) if grave else memory.grave)
        caller = facts.call.caller_key
        if self.unanswered_for is not None and caller and "answers" not in memory.told:
            answered_at = facts.call.begun_at if facts.call.offered_at is None else facts.call.offered_at
            found.append(Contribution(subject=f"caller:{caller}", at=answered_at, answers=True))
            memory = replace(memory, told=(*memory.told, "answers"))
        return memory, found

    def _subjects(self, facts: Facts) -> Iterator[tuple[str, float, tuple[Evidence, ...]]]:
        """What the call tells of by now, and since when."""
        call = facts.call
        at = {"offered": call.offered_at, "answered": call.answered_at, "ended": call.ended_at}.get(self.counts)
        if self.counts == "words":
            for hit in facts.talk.hits_of(words_of(self.words).names, self.by):
                subject = hit.name if self.subject == "words" else self._of_call(facts)
                if subject and hit.final:
                    yield subject if self.subject != "words" else f"words:{hit.name}", hit.end, evidence_of([hit])
        elif at is not None and (subject := self._of_call(facts)):
            yield subject, at, ()

    def _of_call(self, facts: Facts) -> str | None:
        name = facts.call.caller_key if self.subject == "caller" else facts.call.queue
        return f"{self.subject}:{name}" if name else None

    # -- in the subject's record ----------------------------------------------------------------

    def _count(self, facts: Facts, memory: SurgeMemory, mark: Mark) -> tuple[SurgeMemory, list[Result]]:
        if mark.answers:
            earlier = tuple(e for e in memory.entries if e.nth or e.at >= mark.at or e.call == mark.source)
            return replace(memory, entries=earlier), []
        who = mark.source if self.subject == "caller" else mark.who or mark.source
        known = next((e for e in memory.entries if e.who == who), None)
        entry = Entry(mark.source, who, mark.at, mark.agent, known.nth if known else 0, mark.grave)
        others = [e for e in memory.entries if e.who != who]
        entries = sorted((*others, entry), key=lambda e: e.at)
        newest = entries[-1].at
        kept = tuple(e for e in entries if e.at > newest - self.remembers_s or self.unanswered_for is not None)[-MOST:]
        memory = replace(memory, entries=kept)
        if self.unanswered_for is not None:
            return memory, []
        if self.each:
            return self._each(memory, entry, mark)
        return self._surge(memory, mark)

    def _each(self, memory: SurgeMemory, entry: Entry, mark: Mark) -> tuple[SurgeMemory, list[Result]]:
        before = [e for e in memory.entries if e.at <= entry.at]
        if len(before) < self.at_least:
            return memory, []
        severity = self.graver.severity if self.graver and mark.grave else self.severity
        nth = entry.nth or memory.count + 1
        entries = tuple(replace(e, nth=nth) if e.who == entry.who else e for e in memory.entries)
        found = self._finding(mark.at, severity, (*(e for e in before if e.who != entry.who), entry), mark, nth)
        return replace(memory, entries=entries, count=max(memory.count, nth)), [found]

    def _surge(self, memory: SurgeMemory, mark: Mark) -> tuple[SurgeMemory, list[Result]]:
        size = len(memory.entries)
        if size < self.at_least or (memory.open_at and size < 2 * memory.shown):
            return memory, []
        nth = memory.count if memory.open_at else memory.count + 1
        found = self._finding(memory.entries[-1].at, self.severity, memory.entries, mark, nth)
        opened_at = memory.open_at or memory.entries[-1].at
        return replace(memory, count=nth, open_at=opened_at, shown=size), [found]

    def _unanswered(self, facts: Facts, memory: SurgeMemory) -> tuple[SurgeMemory, list[Result]]:
        found: list[Result] = []
        for entry in memory.entries:
            at = entry.at + (self.unanswered_for or 0.0)
            if not entry.nth and at <= facts.now:
                nth = memory.count + 1
                found.append(self._finding(at, self.severity, (entry,), None, nth))
                entries = tuple(replace(e, nth=nth) if e is entry else e for e in memory.entries)
                memory = replace(memory, entries=entries, count=nth)
        return memory, found

    def _finding(
        self, at: float, severity: Severity, entries: tuple[Entry, ...], mark: Mark | None, nth: int
    ) -> Finding:
        agent = entries[-1].agent
        evidence = tuple(Evidence(s.role, s.text, s.start, s.end, s.match) for s in mark.evidence) if mark else ()
        return Finding(
            at=at,
            severity=severity,
            seconds=float(self.unanswered_for or self.within),
            agents=(agent,) if agent and (self.each or self.unanswered_for) else (),
            values={
                "count": len(entries),
                "window": float(self.unanswered_for or self.within),
                "words": tuple(dict.fromkeys(e.match for e in evidence)),
            },
            evidence=evidence,
            calls=tuple(e.call for e in entries)[-NAMED:],
            nth=nth,
            news=True,
        )
