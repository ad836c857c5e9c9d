"""Kind ``surge``: many calls tell of the same thing, or one caller comes again.

It looks across calls in two halves, both run by the same ``step``. Each call *contributes* when ``when`` holds for it
and what is counted happens; the contributions about one subject (a caller, a queue, a kind of fault) are ``mark``
events of a record of their own, in which the rule counts::

    call 1 ──┐ mark
    call 2 ──┼──▶ subject "caller 7f3a" ──▶ at least 2 within 24 h: alert
    call 3 ──┘

With ``unanswered_for`` it is the other way round: one contribution is enough, unless there is a further call of that
caller, from him or to him, in that time; one that comes later clears the alert.

Where a condition of a call's end asks for words, the call contributes when they are known. In a call whose words
nobody recognises none can exempt, and none is waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import Severity, duration_zh
from streams.call import is_telephony
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
    named,
)
from streams.detectors.conditions import AnyWords, Condition, Explained, clock, evidence_of, words_of
from streams.detectors.wording import PARTY_ZH, SEVERITY_ZH, answer_of, condition_zh, truth_of, words_zh
from streams.events import AnyEvent, Evidence, Mark, Role, is_subject
from streams.phrases.match import as_told
from streams.talk import GRACE_S

#: So many calls of one subject are remembered; more than any threshold that makes sense.
MOST = 500
#: So many calls are named in an alert.
NAMED = 20


_SUBJECT_ZH = {"caller": "同一位客户", "queue": "同一队列", "words": "同一类情况"}
_COUNTS_ZH = {"offered": "打进来", "answered": "接通", "ended": "结束"}


class Entry(Struct, frozen=True, array_like=True):
    """One call that contributed: ``who`` is counted once. ``nth``: the alert about it; 0: none."""

    call: str
    who: str
    at: float
    agent: str | None = None
    nth: int = 0
    grave: bool = False


class SurgeMemory(Memory, frozen=True, tag="surge"):
    """Of a call: the subjects told (``told``) and those told gravely. Of a subject: its ``entries`` and alerts;
    ``settled``: what happened before then, Unix seconds, has been answered or counted and is not counted again.
    """

    told: tuple[str, ...] = ()
    grave: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    count: int = 0
    open_at: float = 0.0
    shown: int = 0
    settled: float = 0.0


class Graver(Struct, frozen=True, forbid_unknown_fields=True):
    """A contributing call for which ``when`` holds too makes its alert that severe."""

    when: Condition
    severity: Severity


class Surge(Rule, frozen=True, kw_only=True, tag="surge"):
    """Fires when ``at_least`` different calls or callers tell of one ``subject`` ``within`` a while.

    ``counts``: what each call contributes by: being ``offered``, being ``answered``, its ``end``, or ``words`` that
    ``by`` said. ``each``: every further call is an alert of its own. ``says_graver``: the sentence of what is graver.
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
    says_graver: str = ""
    unanswered_for: Duration | None = None

    memory_type = SurgeMemory
    waits_for_words = True
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
        if self.says_graver and not self.graver:
            raise ValueError("says_graver is the sentence of `graver`, which is missing")

    def phrase_names(self) -> Iterator[str]:
        """The words that count, and those of the conditions."""
        if self.words:
            yield from words_of(self.words).names
        if self.graver:
            yield from self.graver.when.phrase_names()
        yield from super().phrase_names()

    def stirs(self, event: AnyEvent, names: frozenset[str], memory: SurgeMemory) -> bool:
        """News of the telephone, its words, or a mark."""
        return isinstance(event, Mark) or is_telephony(event) or not names.isdisjoint(self.names)

    @property
    def remembers_s(self) -> float:
        """How long a contribution matters, seconds."""
        return max(self.within, self.unanswered_for or 0.0)

    def due(self, facts: Facts, memory: SurgeMemory) -> float | None:
        """When an unanswered call is one, or a surge is over."""
        if not memory.entries:
            return self._words_known(facts, memory)
        if self.unanswered_for is not None:
            waiting = [e.at + self.unanswered_for for e in memory.entries if not e.nth]
        else:
            waiting = [memory.entries[-1].at + self.within] if memory.open_at and memory.entries else []
        return min((moment for moment in waiting if moment > facts.now), default=None)

    def on_wake(self, facts: Facts, memory: SurgeMemory) -> tuple[SurgeMemory, list[Result]]:
        """Of a call: its last words are known. Of a subject: nobody answered in time, or the surge is over."""
        if not memory.entries:
            return self._contribute(facts, memory)
        if self.unanswered_for is not None:
            return self._unanswered(facts, memory)
        over = Finding(
            at=facts.now,
            severity=None,
            seconds=facts.now - memory.open_at,
            values=self._values(memory.entries),
            calls=tuple(e.call for e in memory.entries)[-NAMED:],
            nth=memory.count,
        )
        settled = max(memory.settled, memory.entries[-1].at)
        return replace(memory, open_at=0.0, entries=(), shown=0, settled=settled), [over]

    def on_event(self, facts: Facts, memory: SurgeMemory, event: AnyEvent) -> tuple[SurgeMemory, list[Result]]:
        """A call's own event: it may contribute. A mark: count it."""
        if isinstance(event, Mark):
            return self._count(facts, memory, event)
        return self._contribute(facts, memory)

    def in_words(self) -> str:
        """When it fires, for a quality manager."""
        said = f"{PARTY_ZH[self.by]}说到{words_zh(self.words)}" if self.words else _COUNTS_ZH[self.counts]
        severity = SEVERITY_ZH[self.severity]
        if self.unanswered_for is not None:
            return f"电话{said}后 {duration_zh(self.unanswered_for)}内没有再与这位客户通话,即为{severity}"
        each = ";此后每一通都单独报警" if self.each else ""
        graver = f";若{condition_zh(self.graver.when)},则为{SEVERITY_ZH[self.graver.severity]}" if self.graver else ""
        counted = f"{_SUBJECT_ZH[self.subject]}在 {duration_zh(self.within)}内有 {self.at_least} 通电话{said}"
        return f"{counted},即为{severity}{each}{graver}"

    def account(self, facts: Facts, memory: SurgeMemory) -> list[Explained]:
        """Of a call: what it contributes, or why not. Of a subject: who has contributed so far."""
        if is_subject(facts.call.id):
            return [self._count_account(facts, memory)]
        found: list[Explained] = []
        for subject, at, evidence in self._subjects(facts):
            parts = tuple(self.explain(facts, Moment(at=at, agent=facts.call.agent)))
            because = ";".join([clock(facts, at), *(f"“{e.match}”" for e in evidence)])
            found.append(Explained(f"{subject}: {self.counts}", answer_of(subject in memory.told), because, parts))
        return found or [Explained(f"{self.subject}: {self.counts}", answer_of(False), "这通电话没有计入")]

    def _count_account(self, facts: Facts, memory: SurgeMemory) -> Explained:
        calls = tuple(Explained(e.call, answer_of(True), clock(facts, e.at)) for e in memory.entries)
        if self.unanswered_for is not None:
            waits = Truth.YES if calls else Truth.NO
            return Explained(f"unanswered_for: {self.unanswered_for:g} s", truth_of(waits), f"{len(calls)} 通", calls)
        enough = answer_of(len(calls) >= self.at_least)
        return Explained(f"at_least: {self.at_least} within {self.within:g} s", enough, f"{len(calls)} 通", calls)

    # -- in the call ----------------------------------------------------------------------------

    def _words_known(self, facts: Facts, memory: SurgeMemory) -> float | None:
        """When the last words of a call that has ended must have come, if its contribution waits for them."""
        ended_at = facts.call.ended_at
        if ended_at is None or ended_at + GRACE_S <= facts.now:
            return None
        waits = any(
            subject not in memory.told and self._holds(facts, at) is Truth.WAIT
            for subject, at, _ in self._subjects(facts)
        )
        return ended_at + GRACE_S if waits else None

    def _holds(self, facts: Facts, at: float) -> Truth:
        """Whether ``when`` and ``unless`` let the call contribute."""
        moment = Moment(at=at, agent=facts.call.agent)
        return self.applies_at_end(facts, moment) if self.counts == "ended" else self.applies(facts, moment)

    def _contribute(self, facts: Facts, memory: SurgeMemory) -> tuple[SurgeMemory, list[Result]]:
        found: list[Result] = []
        grave = self._grave(facts)
        for subject, at, evidence in self._subjects(facts):
            if subject in memory.told and (not grave or subject in memory.grave):
                continue
            if self._holds(facts, at) is Truth.YES:
                since, why = grave or (at, ())
                found.append(Contribution(subject, max(at, since), evidence or why, grave=grave is not None))
                told = tuple(dict.fromkeys((*memory.told, subject)))
                memory = replace(memory, told=told, grave=(*memory.grave, subject) if grave else memory.grave)
        caller = facts.call.caller_key
        if self.unanswered_for is not None and caller and "answers" not in memory.told:
            found.append(Contribution(subject=f"caller:{caller}", at=facts.call.came_at, answers=True))
            memory = replace(memory, told=(*memory.told, "answers"))
        return memory, found

    def _grave(self, facts: Facts) -> tuple[float, tuple[Evidence, ...]] | None:
        """Since when ``graver`` holds for the call, and the words that made it so; None: it does not."""
        if self.graver is None:
            return None
        names = tuple(self.graver.when.phrase_names())
        hits = (hit for hit in facts.talk.hits_of(names, None) if hit.final)
        moments = ((hit.end, evidence_of([hit])) for hit in hits) if names else iter([(facts.now, ())])
        holds = (m for m in moments if self.graver.when.truth(facts, Moment(m[0], facts.call.agent)) is Truth.YES)
        return next(holds, None)

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
            return self._answered(memory, mark)
        who = mark.source if self.subject == "caller" else mark.who or mark.source
        known = next((e for e in memory.entries if e.who == who), None)
        if self._told_already(memory, known, mark):
            return memory, []
        at = known.at if known and known.call == mark.source else mark.at
        entry = Entry(mark.source, who, at, mark.agent, known.nth if known else 0, mark.grave)
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

    def _told_already(self, memory: SurgeMemory, known: Entry | None, mark: Mark) -> bool:
        """Whether the mark brings nothing new: after a crash a call is told once more, and not always in order."""
        if known is None:
            return mark.at < memory.settled
        if known.call == mark.source:
            return known.grave or not mark.grave
        return mark.at <= known.at

    def _answered(self, memory: SurgeMemory, mark: Mark) -> tuple[SurgeMemory, list[Result]]:
        """There is a further call of this caller: what waited for it waits no more, what was told of clears."""
        answered = [e for e in memory.entries if e.at < mark.at and e.call != mark.source]
        found: list[Result] = [
            Finding(
                at=mark.at,
                severity=None,
                seconds=mark.at - e.at,
                agents=_agents(e),
                values=self._values((e,)),
                calls=(e.call,),
                nth=e.nth,
            )
            for e in answered
            if e.nth
        ]
        entries = tuple(e for e in memory.entries if e not in answered)
        return replace(memory, entries=entries, settled=max(memory.settled, mark.at)), found

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
        grave = mark is not None and mark.grave and bool(self.says_graver)
        evidence = mark.evidence if mark else ()
        return Finding(
            at=at,
            severity=severity,
            seconds=float(self.unanswered_for or self.within),
            agents=_agents(entries[-1]) if self.each or self.unanswered_for else (),
            values=self._values(entries, evidence),
            evidence=evidence,
            calls=tuple(e.call for e in entries)[-NAMED:],
            nth=nth,
            news=True,
            sentence="says_graver" if grave else "says",
        )

    def _values(self, entries: tuple[Entry, ...], evidence: tuple[Evidence, ...] = ()) -> dict[str, Any]:
        return {
            "count": len(entries),
            "window": float(self.unanswered_for or self.within),
            "words": tuple(dict.fromkeys(as_told(e.match, e.meant) for e in evidence)),
        }


def _agents(entry: Entry) -> tuple[str, ...]:
    return named(entry.agent)
