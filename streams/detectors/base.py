"""What a detector is: a rule of one kind, pure, told of events and of wakes.

After bytewax's StatefulLogic: ``on_event``, ``on_wake``, ``due``, and a memory that is small, frozen and
serialisable. A rule of the rulebook *is* the detector, with the manager's parameters filled in. It reads no
clock and keeps no words: it asks the :class:`Facts` of the call, which are the same however they arrived.

A new kind is one file in this folder with one subclass of :class:`Rule`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

from msgspec import Struct

from streams.alerts import Clause, Severity
from streams.call import TABLE
from streams.detectors.conditions import Condition, Explained, Facts, Moment, Site, all_of, negate
from streams.detectors.units import Duration
from streams.events import AnyEvent, Evidence
from streams.talk import GRACE_S, Truth

Status = Literal["draft", "trial", "live", "retired"]

#: What a rule may listen to, by the type of the event. Ticks are nobody's: time comes by ``on_wake``.
PHONE = frozenset(TABLE)
WORDS = frozenset({"transcript", "phrase.spotted", "gap"})
SPEECH = WORDS | {"speech.started", "speech.ended"}


class Sentences(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Title and sentences of a rule in English."""

    title: str
    says: str
    says_cleared: str = ""
    says_started: str = ""
    says_graver: str = ""


class Finding(Struct, frozen=True, kw_only=True):
    """What a detector has found. ``severity`` None: what was found before is over.

    ``at`` is the instant at which it became true, ``seconds`` the duration that the sentence names, ``agents``
    whom it is about, ``ended_by`` the kind of event that ended it (``call.row_of``; empty: time alone), ``values``
    further figures of the sentence, ``evidence`` the words.

    ``nth``: which of this rule's alerts in the call it is about (1, 2, …); None: the present one, or the next.
    ``news``: tell it even if the alert is open and no graver than before. ``sentence``: which one is said.
    """

    at: float
    severity: Severity | None
    seconds: float = 0.0
    agents: tuple[str, ...] = ()
    ended_by: str = ""
    values: dict[str, Any] = {}
    evidence: tuple[Evidence, ...] = ()
    calls: tuple[str, ...] = ()
    nth: int | None = None
    news: bool = False
    sentence: Literal["says", "says_started", "says_graver"] = "says"


class Unjudged(Struct, frozen=True):
    """The rule could not be judged at ``at``, because of ``why``: what was said then is not known."""

    at: float
    why: str = "not heard"


class Contribution(Struct, frozen=True):
    """What a call tells a rule that looks across calls: ``subject`` is whom or what it is about.

    ``grave``: it makes the alert graver; ``answers``: it ends the wait for this caller.
    """

    subject: str
    at: float
    evidence: tuple[Evidence, ...] = ()
    grave: bool = False
    answers: bool = False


Result = Finding | Unjudged | Contribution


def named(agent: str | None) -> tuple[str, ...]:
    """Whom a finding is about, where it is one agent's affair, or nobody's who is known."""
    return (agent,) if agent else ()


class Memory(Struct, frozen=True, omit_defaults=True, tag_field="kind"):
    """What a detector remembers of one call between events. Subclasses carry ``tag=<kind>``."""


class Rule(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, dict=True):
    """One rule of the rulebook. Subclasses add a kind's parameters and say when it fires."""

    id: str
    title: str
    says: str
    says_cleared: str = ""
    clause: Clause
    also: tuple[Clause, ...] = ()
    status: Status = "live"
    status_because: str = ""
    retired_because: str = ""
    en: Sentences | None = None
    known_misses: tuple[str, ...] = ()
    false_alarms: tuple[str, ...] = ()
    advice: str = ""
    page: bool = False
    when: Condition | None = None
    unless: Condition | None = None

    memory_type: ClassVar[type[Memory]] = Memory
    #: types of events after which the rule is asked; it is not disturbed by others
    listens: ClassVar[frozenset[str]] = PHONE | SPEECH
    #: figures of the sentence beside agent, duration, queue, to and outcome
    figures: ClassVar[tuple[str, ...]] = ()
    #: whether speech without one of its phrase sets leaves it cold, as long as it remembers nothing of the call
    waits_for_words: ClassVar[bool] = False
    #: what is said where its alert is over and the rule has no sentence of its own for that, Chinese and English
    taken_back: ClassVar[tuple[str, str]] = ("", "")
    #: whether it judges what many calls have told (``mark`` events) instead of one call
    crosses_calls: ClassVar[bool] = False

    @property
    def remembers_s(self) -> float:
        """How long, seconds, a mark matters to a rule that crosses calls."""
        return 0.0

    def due(self, facts: Facts, memory: Any) -> float | None:
        """The next instant after ``facts.now`` at which the rule wants to be woken; None: not by time alone."""
        return None

    def on_wake(self, facts: Facts, memory: Any) -> tuple[Any, list[Result]]:
        """Time has reached ``facts.now``, the instant that ``due`` asked for."""
        return memory, []

    def on_event(self, facts: Facts, memory: Any, event: AnyEvent) -> tuple[Any, list[Result]]:
        """``event`` has been folded into ``facts``."""
        return memory, []

    @cached_property
    def names(self) -> frozenset[str]:
        """The same as ``phrase_names``, at hand for each event."""
        return frozenset(self.phrase_names())

    @cached_property
    def blank(self) -> Memory:
        """What is remembered of a call of which nothing is remembered."""
        return self.memory_type()

    def remembered(self, memories: Mapping[str, Any]) -> Any:
        """What this rule keeps among ``memories`` (by rule id), if its kind wrote it."""
        kept = memories.get(self.id)
        return kept if isinstance(kept, self.memory_type) else self.blank

    def stirs(self, event: AnyEvent, names: frozenset[str], memory: Any) -> bool:
        """Whether ``event``, with the phrase sets ``names`` in it, can change the rule's mind: a quick look that
        spares most rules most events. Saying yes too often costs time only.
        """
        return True

    def phrase_names(self) -> Iterator[str]:
        """The phrase sets, or phrases, that the rule needs to be listened for."""
        for condition in (self.when, self.unless):
            if condition:
                yield from condition.phrase_names()

    def applies(self, facts: Facts, moment: Moment) -> Truth:
        """``when`` holds and ``unless`` does not."""
        parts = [self.when.truth(facts, moment)] if self.when else []
        parts += [negate(self.unless.truth(facts, moment))] if self.unless else []
        return all_of(parts)

    def applies_at_end(self, facts: Facts, moment: Moment) -> Truth:
        """``applies`` at the end of a call, ``moment``. Where nobody recognises words, none can exempt, and none is
        waited for; where somebody hears sounds, these are.
        """
        applies = self.applies(facts, moment)
        if facts.talk.recognised or applies in (Truth.YES, Truth.NO):
            return applies
        waits = applies is Truth.WAIT and facts.talk.alive and facts.now < moment.at + GRACE_S
        return Truth.WAIT if waits else Truth.YES

    def in_words(self) -> str:
        """When it fires, for a quality manager: the kind's own part in Chinese, without ``when`` and ``unless``."""
        own = [name for name in self.__struct_fields__ if name not in Rule.__struct_fields__]
        return ";".join(f"{name} {getattr(self, name)}" for name in own)

    def account(self, facts: Facts, memory: Any) -> list[Explained]:
        """Why it has fired, or has not, as far as ``facts`` go: each thing it looked at, with its conditions."""
        return self.explain(facts, Moment(at=facts.now, agent=facts.call.agent))

    def explain(self, facts: Facts, moment: Moment) -> list[Explained]:
        """Each condition at that moment: what it asks, its answer, and what it rests on."""
        found = [self.when.explain(facts, moment)] if self.when else []
        return found + ([self.unless.explain(facts, moment, label="unless")] if self.unless else [])


__all__ = [
    "PHONE",
    "SPEECH",
    "WORDS",
    "Clause",
    "Contribution",
    "Duration",
    "Evidence",
    "Facts",
    "Finding",
    "Memory",
    "Moment",
    "Result",
    "Rule",
    "Sentences",
    "Severity",
    "Site",
    "Status",
    "Truth",
    "Unjudged",
    "named",
]
