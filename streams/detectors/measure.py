"""Kind ``measure``: a figure of the conversation leaves its range.

==============  ===========================================================================================
``pace``        characters a minute over the last ``over`` of the party's own speech
``overlaps``    how often in the last ``over`` the party began to speak while the other spoke, and both went on
                for ``keeps_on``
``monologue``   how long, seconds, the party speaks without a sound of the other (pauses under 2 s are part of it)
``silence``     share, 0 to 1, of the last ``over`` in which nobody spoke
``length``      how long, seconds, one utterance of the party is
==============  ===========================================================================================

It opens when the figure is known to be out of range, and clears when it is back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from streams.alerts import Severity
from streams.detectors.base import PHONE, SPEECH, Duration, Facts, Finding, Memory, Moment, Result, Rule, Truth
from streams.events import AnyEvent, Role
from streams.talk import ROLES, Sound, heard, look_again

Figure = Literal["pace", "overlaps", "monologue", "silence", "length"]
#: A speaker who pauses for less, seconds, has not finished.
BREATH_S = 2.0
#: Fewer characters than this give no pace: numbers and names are read slowly.
LEAST_CHARS = 20


class Value(NamedTuple):
    """A figure, known ``at`` that instant."""

    figure: float
    at: float


class MeasureMemory(Memory, frozen=True, tag="measure"):
    """``since``: when the alert that is open was opened; ``last``: when the last one was."""

    since: float = 0.0
    last: float = 0.0


class Measure(Rule, frozen=True, kw_only=True, tag="measure"):
    """Fires when ``figure`` of ``by`` is ``below`` or ``above`` a number. ``above`` 3 overlaps means at the third."""

    figure: Figure
    by: Role
    severity: Severity
    below: float | None = None
    above: float | None = None
    over: Duration = Duration(60)
    keeps_on: Duration = Duration(1.5)
    again_after: Duration = Duration(60)

    memory_type = MeasureMemory
    listens = PHONE | SPEECH
    figures = ("figure", "window")

    def __post_init__(self) -> None:
        """Refuse a figure without a range."""
        if self.below is None and self.above is None:
            raise ValueError("below or above: at least one of them")

    def due(self, facts: Facts, memory: MeasureMemory) -> float | None:
        """When a monologue that goes on reaches its limit, or what is needed may be known."""
        if self.figure not in ("monologue", "silence") or facts.call.phase != "talking" or memory.since:
            return None
        if self.figure == "silence":
            return None
        sounds = facts.talk.leg(self.by).sounds
        if not sounds or self.above is None or sounds[-1].end is not None:
            return None
        limit = _monologue_start(facts, self.by) + self.above
        if limit > facts.now:
            return limit
        return look_again(facts.talk, facts.call, _other(self.by), limit, facts.now)

    def on_wake(self, facts: Facts, memory: MeasureMemory) -> tuple[MeasureMemory, list[Result]]:
        """The figure may have reached its limit."""
        return self._judge(facts, memory)

    def on_event(self, facts: Facts, memory: MeasureMemory, event: AnyEvent) -> tuple[MeasureMemory, list[Result]]:
        """The figure may have changed."""
        return self._judge(facts, memory)

    def _judge(self, facts: Facts, memory: MeasureMemory) -> tuple[MeasureMemory, list[Result]]:
        value = _FIGURES[self.figure](self, facts)
        ended = facts.call.phase == "ended"
        if memory.since and (ended or (value is not None and not self._is_out(value.figure))):
            over = Finding(at=facts.now, severity=None, seconds=facts.now - memory.since, agents=self._agents(facts))
            return MeasureMemory(last=memory.last), [over]
        if memory.since or ended or value is None or not self._is_out(value.figure):
            return memory, []
        if memory.last and value.at < memory.last + self.again_after:
            return memory, []
        if self.applies(facts, Moment(at=value.at, agent=facts.call.agent)) is not Truth.YES:
            return memory, []
        finding = Finding(
            at=value.at,
            severity=self.severity,
            seconds=value.figure if self.figure in ("monologue", "length") else float(self.over),
            agents=self._agents(facts),
            values={
                "figure": value.figure * 100 if self.figure == "silence" else value.figure,
                "window": float(self.over),
            },
        )
        return MeasureMemory(since=value.at, last=value.at), [finding]

    def _is_out(self, figure: float) -> bool:
        at_least = self.figure in ("overlaps", "monologue")
        high = self.above is not None and (figure >= self.above if at_least else figure > self.above)
        return high or (self.below is not None and figure < self.below)

    def _agents(self, facts: Facts) -> tuple[str, ...]:
        return (facts.call.agent,) if facts.call.agent else ()


def _other(role: Role) -> Role:
    return "customer" if role == "agent" else "agent"


def _pace(rule: Measure, facts: Facts) -> Value | None:
    chars, spoken, said = 0, 0.0, [u for u in facts.talk.leg(rule.by).said if u.final and u.end > u.start]
    for utterance in reversed(said):
        chars, spoken = chars + utterance.chars, spoken + utterance.end - utterance.start
        if spoken >= rule.over:
            return Value(chars * 60 / spoken, said[-1].end) if chars >= LEAST_CHARS else None
    return None


def _overlaps(rule: Measure, facts: Facts) -> Value | None:
    others = facts.talk.leg(_other(rule.by)).sounds
    found: list[float] = []
    for mine in facts.talk.leg(rule.by).sounds:
        for other in others:
            since, until = max(mine.start, other.start), min(_end(mine, facts), _end(other, facts))
            if other.start < mine.start and until - since > rule.keeps_on:
                found.append(mine.start + rule.keeps_on)
    recent = [at for at in found if at > facts.now - rule.over]
    return Value(float(len(recent)), recent[-1] if recent else facts.now)


def _end(sound: Sound, facts: Facts) -> float:
    """The end of a sound; of one that goes on, the last moment at which it was known to."""
    return facts.talk.alive if sound.end is None else sound.end


def _monologue(rule: Measure, facts: Facts) -> Value | None:
    sounds = facts.talk.leg(rule.by).sounds
    if not sounds:
        return None
    start = _monologue_start(facts, rule.by)
    until = facts.now if sounds[-1].end is None else sounds[-1].end
    limit = start + (rule.above or 0.0)
    if until < limit or facts.now < limit:
        return Value(max(0.0, until - start), until)
    known = heard(facts.talk, facts.call, _other(rule.by), start, limit, facts.now)
    return Value(limit - start, limit) if known is Truth.YES else None


def _monologue_start(facts: Facts, role: Role) -> float:
    """When the speech that goes on began: after the last sound of the other and after the last real pause."""
    sounds = facts.talk.leg(role).sounds
    start = sounds[-1].start
    for before, after in zip(reversed(sounds[:-1]), reversed(sounds), strict=False):
        if before.end is None or after.start - before.end >= BREATH_S:
            break
        start = before.start
    others = [_end(s, facts) for s in facts.talk.leg(_other(role)).sounds if _end(s, facts) > start]
    return max([start, *others])


def _silence(rule: Measure, facts: Facts) -> Value | None:
    until = facts.talk.alive
    since = until - rule.over
    if facts.call.phase != "talking" or since < facts.call.since:
        return None
    if any(heard(facts.talk, facts.call, role, since, until, facts.now) is not Truth.YES for role in ROLES):
        return None
    spans = sorted(
        (max(s.start, since), min(_end(s, facts), until)) for role in ROLES for s in facts.talk.leg(role).sounds
    )
    spoken, reached = 0.0, since
    for start, end in spans:
        spoken += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return Value(1.0 - spoken / rule.over, until)


def _length(rule: Measure, facts: Facts) -> Value | None:
    said = [u for u in facts.talk.leg(rule.by).said if u.final]
    return Value(said[-1].end - said[-1].start, said[-1].end) if said else None


_FIGURES: dict[Figure, Callable[[Measure, Facts], Value | None]] = {
    "pace": _pace,
    "overlaps": _overlaps,
    "monologue": _monologue,
    "silence": _silence,
    "length": _length,
}
