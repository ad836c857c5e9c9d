"""The grammar of conditions: what ``when`` and ``unless`` of a rule may ask of a call.

All that stands in one mapping must hold; a list holds if one of it does; ``all``, ``any`` and ``not`` join
conditions. An answer may be *not yet known* or *never known* (``talk.Truth``), because words come late or are lost.

Owns asking and explaining. Knows nothing of alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from streams.alerts import by_sound_zh
from streams.call import Call, Phase
from streams.days import Calendar, Hours
from streams.detectors.units import Duration
from streams.events import Direction, Evidence, Party, Role
from streams.talk import ROLES, Hit, Talk, Truth, heard, listened

_PARTY_ZH: dict[Role, str] = {"agent": "坐席", "customer": "客户"}
#: A sort of day, or a festival (``days.NAMES``).
Day = Literal[
    "workday", "day-off", "weekend", "holiday", "元旦", "春节", "清明节", "劳动节", "端午节", "中秋节", "国庆节"
]


class Completes(Protocol):
    """A rule that others may refer to by ``done``."""

    def done(self, facts: Facts, at: float) -> Truth:
        """Whether its last step had been reached at ``at``."""


class Site(Struct, frozen=True):
    """What conditions need beside the call: calendar, named groups of agents, and procedures by rule id."""

    calendar: Calendar = Calendar()
    groups: Mapping[str, tuple[str, ...]] = {}
    procedures: Mapping[str, Any] = {}


class Facts(NamedTuple):
    """All that is known of one call at ``now``, Unix seconds."""

    call: Call
    talk: Talk
    now: float
    site: Site = Site()


class Moment(NamedTuple):
    """What a condition is asked about: the instant ``at``, the ``agent`` then on the line, how long the phase before
    it ``lasted``, and the utterance in question (party and ``Hit.utterance``).
    """

    at: float
    agent: str | None = None
    lasted: float = 0.0
    utterance: tuple[Role, float] | None = None


class Explained(Struct, frozen=True, omit_defaults=True):
    """One condition: what it asks, as it is written in the rule, and the answer (yes, no, wait, never); what the answer
    rests on, the conditions inside it, and the moment it is about, where it is about one.
    """

    asks: str
    answer: str
    because: str = ""
    parts: tuple[Explained, ...] = ()
    at: float | None = None


def clock(facts: Facts, at: float) -> str:
    """The moment ``at`` on the hotline's clock to the tenth, and seconds after the call began."""
    tenths = round(at * 10) / 10
    local = facts.site.calendar.local(tenths)
    return f"{local:%H:%M:%S}.{local.microsecond // 100_000}({at - facts.call.begun_at:+.1f} s)"


def hits_zh(facts: Facts, hits: Iterable[Hit]) -> str:
    """Who said what when, in Chinese."""
    told = (f"{_PARTY_ZH[h.role]} {clock(facts, h.start)}“{h.match}”{by_sound_zh(h.by_sound)}" for h in hits)
    return ";".join(told) or "没有说过"


class Words(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Phrase sets by name, or phrases: one of ``any`` (or ``at_least`` so many), each of ``all``, none of ``none``."""

    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    at_least: int = 1

    def __post_init__(self) -> None:
        """Refuse what can never or always be said."""
        if not (self.any or self.all or self.none):
            raise ValueError("any, all or none must name at least one phrase set or phrase")
        if self.at_least < 1 or (self.at_least > 1 and self.at_least > len(self.any)):
            raise ValueError("at_least must be at least 1 and not more than `any` has")

    @property
    def names(self) -> tuple[str, ...]:
        """All sets and phrases in it."""
        return (*self.any, *self.all, *self.none)

    def wanted(self, said: Iterable[str]) -> bool:
        """Whether what has to be there is in ``said`` (``none`` aside)."""
        names = set(said)
        enough = not self.any or len(names.intersection(self.any)) >= self.at_least
        return enough and names.issuperset(self.all)

    def barred(self, said: Iterable[str]) -> bool:
        """Whether something of ``none`` is in ``said``."""
        return not set(said).isdisjoint(self.none)


#: As written: a list means ``any``.
AnyWords = tuple[str, ...] | Words


def words_of(written: AnyWords) -> Words:
    """The words meant by a list or a mapping."""
    return written if isinstance(written, Words) else Words(any=written)


def as_said(words: Words, hits: Iterable[Hit], known: Truth) -> Truth:
    """Whether ``words`` were said, given the hits so far and whether more may come."""
    names = [hit.name for hit in hits]
    missing = Truth.NO if known is Truth.YES else known
    clean = Truth.YES if known is Truth.YES or not words.none else known
    return all_of(
        [Truth.YES if words.wanted(names) else missing, Truth.NO if words.barred(names) else clean],
    )


class Said(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``by`` said the words (so many ``times``) from ``within`` before the moment until ``after`` behind it.

    Without ``within``: since the call began.
    """

    words: AnyWords
    by: Role | None = None
    within: Duration | None = None
    after: Duration = Duration(0)
    times: int = 1

    def hits(self, facts: Facts, at: float) -> list[Hit]:
        """The hits of these words in the window."""
        since, until = self._window(facts, at)
        found = facts.talk.hits_of(words_of(self.words).names, self.by)
        return [hit for hit in found if hit.end >= since and hit.start <= until]

    def truth(self, facts: Facts, at: float) -> Truth:
        """The answer at the moment ``at``."""
        since, until = self._window(facts, at)
        roles = (self.by,) if self.by else ROLES
        known = all_of([heard(facts.talk, facts.call, role, since, until, facts.now) for role in roles])
        hits = self.hits(facts, at)
        answer = as_said(words_of(self.words), hits, known)
        if answer is Truth.YES and len(hits) < self.times:
            return Truth.NO if known is Truth.YES else known
        return answer

    def _window(self, facts: Facts, at: float) -> tuple[float, float]:
        return (facts.call.begun_at if self.within is None else at - self.within), at + self.after


class Silent(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename={"lasting": "for"}):
    """``by`` (both where absent) made no sound ``for`` so long before the moment; without ``for``: since the answer."""

    by: Role | None = None
    lasting: Duration | None = None

    def truth(self, facts: Facts, at: float) -> Truth:
        """The answer at the moment ``at``."""
        call, talk = facts.call, facts.talk
        since = call.talk_began_at if self.lasting is None else at - self.lasting
        roles = (self.by,) if self.by else ROLES
        for role in roles:
            leg = talk.leg(role)
            if self.lasting is None and leg.first_sound is not None and leg.first_sound < at:
                return Truth.NO
            if any(s.start < at and (s.end is None or s.end > since) for s in leg.sounds):
                return Truth.NO
        return all_of([listened(talk, call, role, since, at, facts.now) for role in roles])


class Condition(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename={"no": "not"}):
    """All fields that are given must hold. Patterns: ``80*``; ``@name`` is a group of agents.

    ``lasted``: the ring, hold, transfer or wait that ended at the moment took at least so long. ``first``: not later
    than so long after the answer. ``utterance``: words in the very sentence in question. ``done``: the procedure of
    that rule had been gone through.
    """

    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    no: Condition | None = None
    direction: Direction | None = None
    queue: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    hours: tuple[Hours, ...] = ()
    days: tuple[Day, ...] = ()
    phase: tuple[Phase, ...] = ()
    answered: bool | None = None
    ended_by: tuple[Party, ...] = ()
    cause: tuple[str, ...] = ()
    lasted: Duration | None = None
    first: Duration | None = None
    said: Said | None = None
    utterance: AnyWords = ()
    silent: Silent | None = None
    done: str = ""

    def phrase_names(self) -> Iterator[str]:
        """All phrase sets and phrases in it, at any depth."""
        for inner in (*self.all, *self.any, *((self.no,) if self.no else ())):
            yield from inner.phrase_names()
        if self.said:
            yield from words_of(self.said.words).names
        if self.utterance:
            yield from words_of(self.utterance).names

    def truth(self, facts: Facts, moment: Moment) -> Truth:
        """The answer at the moment."""
        return all_of(answer for _, answer, _ in self._answers(facts, moment))

    def explain(self, facts: Facts, moment: Moment, label: str = "when") -> Explained:
        """The same with its reasons."""
        parts = tuple(
            Explained(asks, answer.name.lower(), because if isinstance(because, str) else "", _parts(because))
            for asks, answer, because in self._answers(facts, moment)
        )
        return Explained(label, self.truth(facts, moment).name.lower(), parts=parts)

    def _answers(self, facts: Facts, moment: Moment) -> Iterator[tuple[str, Truth, Any]]:
        """Each field that is given: what it asks, its answer, and what it rests on (a text, or inner conditions)."""
        yield from self._joined(facts, moment)
        call, site = facts.call, facts.site
        if self.direction:
            yield f"direction: {self.direction}", _truth(call.direction == self.direction), call.direction
        if self.queue:
            yield f"queue: {_list(self.queue)}", _truth(_fits(call.queue, self.queue, {})), call.queue or "没有"
        if self.agent:
            agent = moment.agent or call.agent
            yield f"agent: {_list(self.agent)}", _truth(_fits(agent, self.agent, site.groups)), agent or "没有"
        yield from self._times(facts, moment)
        yield from self._phone(facts, moment)
        yield from self._heard(facts, moment)

    def _joined(self, facts: Facts, moment: Moment) -> Iterator[tuple[str, Truth, Any]]:
        if self.all:
            yield "all", all_of(c.truth(facts, moment) for c in self.all), (self.all, facts, moment)
        if self.any:
            yield "any", any_of(c.truth(facts, moment) for c in self.any), (self.any, facts, moment)
        if self.no:
            yield "not", negate(self.no.truth(facts, moment)), ((self.no,), facts, moment)

    def _times(self, facts: Facts, moment: Moment) -> Iterator[tuple[str, Truth, Any]]:
        calendar = facts.site.calendar
        if self.hours:
            local = calendar.local(moment.at)
            yield f"hours: {_list(self.hours)}", _truth(any(h.hold(local) for h in self.hours)), f"{local:%H:%M}"
        if self.days:
            day = calendar.festival(moment.at) or ("workday" if calendar.is_workday(moment.at) else "day-off")
            yield f"days: {_list(self.days)}", _truth(any(calendar.matches(moment.at, d) for d in self.days)), day

    def _phone(self, facts: Facts, moment: Moment) -> Iterator[tuple[str, Truth, Any]]:
        call = facts.call
        if self.phase:
            phase = _phase(call, moment.at)
            yield f"phase: {_list(self.phase)}", _truth(phase in self.phase), phase
        if self.answered is not None:
            yield f"answered: {self.answered}", _truth(call.was_answered == self.answered), str(call.was_answered)
        if self.ended_by:
            yield f"ended_by: {_list(self.ended_by)}", _truth(call.ended_by in self.ended_by), str(call.ended_by)
        if self.cause:
            fits = _fits((call.cause or "").lower(), tuple(c.lower() for c in self.cause), {})
            yield f"cause: {_list(self.cause)}", _truth(fits), str(call.cause)
        if self.lasted is not None:
            enough = _truth(moment.lasted >= self.lasted)
            yield f"lasted: {self.lasted:g} s", enough, f"{moment.lasted:.1f} s"
        if self.first is not None:
            passed = moment.at - call.talk_began_at
            yield f"first: {self.first:g} s", _truth(passed <= self.first), f"接听后 {passed:.1f} s"

    def _heard(self, facts: Facts, moment: Moment) -> Iterator[tuple[str, Truth, Any]]:
        if self.said:
            hits = self.said.hits(facts, moment.at)
            because = hits_zh(facts, hits)
            asks = f"said: {by_words(self.said.words)} by {self.said.by or 'either'}"
            yield asks, self.said.truth(facts, moment.at), because
        if self.utterance:
            role, said = moment.utterance or (None, None)
            names = [hit.name for hit in facts.talk.hits if (hit.role, hit.utterance) == (role, said)]
            words = words_of(self.utterance)
            fits = words.wanted(names) and not words.barred(names)
            yield f"utterance: {by_words(self.utterance)}", _truth(fits), _list(names) or "都没有"
        if self.silent:
            who = self.silent.by or "both"
            yield f"silent: {who}", self.silent.truth(facts, moment.at), f"截至 {clock(facts, moment.at)}"
        if self.done:
            procedure: Completes = facts.site.procedures[self.done]
            yield f"done: {self.done}", procedure.done(facts, moment.at), f"截至 {clock(facts, moment.at)}"


def _parts(because: Any) -> tuple[Explained, ...]:
    if isinstance(because, str):
        return ()
    conditions, facts, moment = because
    return tuple(c.explain(facts, moment, label="condition") for c in conditions)


def _phase(call: Call, at: float) -> Phase:
    """The phase at that instant; at the end of the call, the one in which it ended."""
    phase = call.stretch_at(at).phase
    return call.ended_from or phase if phase == "ended" else phase


def _truth(value: bool) -> Truth:
    return Truth.YES if value else Truth.NO


def _list(items: Iterable[str]) -> str:
    return ", ".join(items)


def by_words(written: AnyWords) -> str:
    """Words as they are written in the rule, on one line."""
    words = words_of(written)
    return "; ".join(
        f"{name} {_list(items)}" for name in ("any", "all", "none") if (items := msgspec.structs.asdict(words)[name])
    )


def _fits(value: str | None, patterns: Iterable[str], groups: Mapping[str, tuple[str, ...]]) -> bool:
    if value is None:
        return False
    for pattern in patterns:
        inner = groups.get(pattern[1:], ()) if pattern.startswith("@") else (pattern,)
        if any(fnmatchcase(value, each) for each in inner):
            return True
    return False


def all_of(answers: Iterable[Truth]) -> Truth:
    """NO if one is; else unknown if one is; else YES (also of none)."""
    found = set(answers)
    return next((t for t in (Truth.NO, Truth.WAIT, Truth.NEVER) if t in found), Truth.YES)


def any_of(answers: Iterable[Truth]) -> Truth:
    """YES if one is; else unknown if one is; else NO (also of none)."""
    found = set(answers)
    return next((t for t in (Truth.YES, Truth.WAIT, Truth.NEVER) if t in found), Truth.NO)


def negate(answer: Truth) -> Truth:
    """YES and NO change places; unknown stays."""
    return {Truth.YES: Truth.NO, Truth.NO: Truth.YES}.get(answer, answer)


def evidence_of(hits: Iterable[Hit]) -> tuple[Evidence, ...]:
    """The hits as an alert shows them."""
    return tuple(
        Evidence(
            role=h.role,
            text=h.text,
            start=h.start,
            end=h.end,
            match=h.match,
            by_sound=h.by_sound,
            meant=h.meant,
            distance=h.distance,
        )
        for h in hits
    )
