"""Kind ``measure``: a figure of the conversation leaves its range.

==============  ===========================================================================================
``pace``        characters a minute over the last ``over`` of the party's own speech
``overlaps``    how often within ``over`` the party began to speak while the other spoke, and both went on for
                ``keeps_on``; it is over when that has not happened for as long
``monologue``   how long, seconds, the party speaks without a sound of the other (pauses under 2 s are part of it)
``silence``     share, 0 to 1, of the last ``over`` in which nobody spoke
``length``      how long, seconds, one utterance of the party is
==============  ===========================================================================================

It opens when the figure is known to be out of range, and clears when it is back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from msgspec.structs import replace

from streams.alerts import Severity, duration_zh
from streams.detectors.base import PHONE, SPEECH, Duration, Facts, Finding, Memory, Moment, Result, Rule, Truth, named
from streams.detectors.conditions import Explained, clock
from streams.detectors.wording import PARTY_ZH, SEVERITY_ZH, answer_of, truth_of
from streams.events import AnyEvent, Role, SpeechEnded, SpeechStarted, Transcript
from streams.talk import ROLES, Leg, Sound, listened, look_again

Figure = Literal["pace", "overlaps", "monologue", "silence", "length"]
_FIGURE_ZH: dict[Figure, tuple[str, str]] = {
    "pace": ("语速", " 字每分钟"),
    "overlaps": ("抢话", " 次"),
    "monologue": ("不停地说话", " 秒"),
    "silence": ("所在通话的静音比例", ""),
    "length": ("一句话的时长", " 秒"),
}
#: A speaker who pauses for less, seconds, has not finished.
BREATH_S = 2.0
#: Fewer characters than this give no pace: numbers and names are read slowly.
LEAST_CHARS = 20


class Value(NamedTuple):
    """A figure, known ``at`` that instant."""

    figure: float
    at: float


class MeasureMemory(Memory, frozen=True, tag="measure"):
    """``since``: when the alert that is open was opened, about ``agents``; ``last``: when the last one was."""

    since: float = 0.0
    last: float = 0.0
    agents: tuple[str, ...] = ()


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

    def stirs(self, event: AnyEvent, names: frozenset[str], memory: MeasureMemory) -> bool:
        """A figure of words changes with finished words of the party; the others with every sound."""
        if self.figure in ("pace", "length") and isinstance(event, Transcript | SpeechStarted | SpeechEnded):
            return isinstance(event, Transcript) and event.final and event.role == self.by
        return True

    def due(self, facts: Facts, memory: MeasureMemory) -> float | None:
        """When a monologue that goes on reaches its limit, or what is needed may be known."""
        if self.figure == "overlaps":
            over_at = _overlaps(self, facts).at + self.over if memory.since else 0.0
            return over_at if over_at > facts.now else None
        if self.figure != "monologue" or facts.call.phase != "talking" or memory.since:
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

    def in_words(self) -> str:
        """When it fires, for a quality manager."""
        window = f"最近 {duration_zh(self.over)}内" if self.figure not in ("monologue", "length") else ""
        name, unit = _FIGURE_ZH[self.figure]
        low = f"低于 {self.below:g}{unit}" if self.below is not None else ""
        at_least = "达到" if self.figure in ("overlaps", "monologue") else "超过"
        high = f"{at_least} {self.above:g}{unit}" if self.above is not None else ""
        limits = "或".join(filter(None, (low, high)))
        again = f";恢复后 {duration_zh(self.again_after)}内不再重复"
        again += f";双方同时说话超过 {duration_zh(self.keeps_on)}算一次" if self.figure == "overlaps" else ""
        return f"{window}{PARTY_ZH[self.by]}{name}{limits},即为{SEVERITY_ZH[self.severity]}{again}"

    def account(self, facts: Facts, memory: MeasureMemory) -> list[Explained]:
        """The figure as it is now, or was at its worst in a call that is over, against its limits; the conditions."""
        over = facts.call.phase == "ended"
        value = self._worst(facts) if over else _FIGURES[self.figure](self, facts)
        limits = [f"below {self.below:g}"] if self.below is not None else []
        limits += [f"above {self.above:g}"] if self.above is not None else []
        asks = f"{self.figure} of {self.by}: {', '.join(limits)}"
        if value is None:
            return [Explained(asks, truth_of(Truth.WAIT), "还没有足够的语音可以计算,或有一方没有听到")]
        told = f"{'最突出时 ' * over}{value.figure:.4g},{clock(facts, value.at)}"
        parts = self.explain(facts, Moment(at=value.at, agent=facts.call.agent))
        return [Explained(asks, answer_of(self._is_out(value.figure)), told, tuple(parts), at=value.at)]

    def _worst(self, facts: Facts) -> Value | None:
        """The figure that was farthest out of range, of all moments at which the party fell silent."""
        leg = facts.talk.leg(self.by)
        ends = {s.end for s in leg.sounds if s.end is not None} | {u.end for u in leg.said}
        values = [_FIGURES[self.figure](self, self._as_of(facts, at)) for at in sorted(ends)]
        return max((value for value in values if value is not None), key=self._excess, default=None)

    def _as_of(self, facts: Facts, at: float) -> Facts:
        """What had been heard at ``at``; whether it is known is asked now, but of figures that look back from then."""
        stretch, talk = facts.call.stretch_at(at), facts.talk
        call = replace(facts.call, phase=stretch.phase, since=stretch.since, agent=stretch.agent or facts.call.agent)
        legs = {role: _leg_as_of(talk.leg(role), at) for role in ROLES}
        now = at if self.figure in ("overlaps", "silence") else facts.now
        return facts._replace(call=call, talk=replace(talk, **legs, alive=min(talk.alive, at)), now=now)

    def _excess(self, value: Value) -> float:
        over = [] if self.above is None else [value.figure - self.above]
        return max([*over, *([] if self.below is None else [self.below - value.figure])])

    def _judge(self, facts: Facts, memory: MeasureMemory) -> tuple[MeasureMemory, list[Result]]:
        value = _FIGURES[self.figure](self, facts)
        ended = facts.call.phase == "ended"
        gone = ended or memory.agents != self._agents(facts)
        if memory.since and (gone or (value is not None and not self._is_out(value.figure))):
            over = Finding(at=facts.now, severity=None, seconds=facts.now - memory.since, agents=memory.agents)
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
        return MeasureMemory(since=value.at, last=value.at, agents=self._agents(facts)), [finding]

    def _is_out(self, figure: float) -> bool:
        at_least = self.figure in ("overlaps", "monologue")
        high = self.above is not None and (figure >= self.above if at_least else figure > self.above)
        return high or (self.below is not None and figure < self.below)

    def _agents(self, facts: Facts) -> tuple[str, ...]:
        return named(facts.call.agent)


def _leg_as_of(leg: Leg, at: float) -> Leg:
    """The leg as it was at ``at``; a sound that went on then has no end."""
    sounds = [Sound(s.start, s.end if s.end is not None and s.end <= at else None) for s in leg.sounds if s.start < at]
    return replace(leg, sounds=tuple(sounds), said=tuple(u for u in leg.said if u.end <= at))


def _other(role: Role) -> Role:
    return "customer" if role == "agent" else "agent"


def _pace(rule: Measure, facts: Facts) -> Value | None:
    chars, spoken, said = 0, 0.0, [u for u in facts.talk.leg(rule.by).said if u.final and u.end > u.start]
    for utterance in reversed(said):
        if rule.by == "agent" and not _is_present(facts, utterance.start):
            break
        chars, spoken = chars + utterance.chars, spoken + utterance.end - utterance.start
        if spoken >= rule.over:
            return Value(chars * 60 / spoken, said[-1].end) if chars >= LEAST_CHARS else None
    return None


def _overlaps(rule: Measure, facts: Facts) -> Value:
    others = facts.talk.leg(_other(rule.by)).sounds
    found: list[float] = []
    for mine in reversed(facts.talk.leg(rule.by).sounds):
        if mine.start + rule.keeps_on <= facts.now - 2 * rule.over:
            break  # too early for a window that still counts
        for other in others:
            since, until = max(mine.start, other.start), min(_end(mine, facts), _end(other, facts))
            if other.start < mine.start and until - since > rule.keeps_on:
                found.append(mine.start + rule.keeps_on)
    found = sorted(at for at in found if rule.by != "agent" or _is_present(facts, at))
    if not found or found[-1] + rule.over <= facts.now:
        return Value(0.0, facts.now)
    recent = [at for at in found if at > found[-1] - rule.over]
    return Value(float(len(recent)), recent[-1])


def _is_present(facts: Facts, at: float) -> bool:
    """Whether the agent of that instant is on the line now: nobody answers for a colleague who passed the call on."""
    return facts.call.stretch_at(at).agent in (None, facts.call.agent)


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
    known = listened(facts.talk, facts.call, _other(rule.by), start, limit, facts.now)
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
    known = (listened(facts.talk, facts.call, role, since, until, facts.now) for role in ROLES)
    if any(answer is not Truth.YES for answer in known):
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
