"""Kind ``lasts``: a call stays in one condition for at least a duration.

Live: it opens at the first threshold, is raised at each further one and clears itself when the condition
ends. A threshold reached exactly counts (a ring of 10.0 s has lasted 10 s), so the answer never depends on
whether the wake or the event came first::

    ring   0 s ────────── 10 s ────────── 20 s ── 23 s answered
                          opened          raised  cleared
                          warning         critical

``silence`` needs proof that both ears were listening; see ``silence.py``, which this file uses.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from streams.alerts import Severity, duration_zh
from streams.call import Call, row_of
from streams.detectors import silence
from streams.detectors.base import PHONE, SPEECH, Facts, Finding, Memory, Moment, Result, Rule, Truth, named
from streams.detectors.conditions import Explained, clock
from streams.detectors.units import Duration
from streams.detectors.wording import SEVERITY_ZH, answer_of, span_zh
from streams.events import AnyEvent, Role

#: Phones that begin to ring within this time, seconds, ring together: it is nobody's phone in particular.
TOGETHER_S = 0.5

Lasting = Literal["ringing", "held", "transferring", "talking", "offered", "silence", "call"]

_LASTING_ZH: dict[Lasting, str] = {
    "ringing": "坐席的电话持续响铃",
    "held": "客户一直处于保持",
    "transferring": "客户一直在等待转接",
    "talking": "双方一直通话(中间没有保持或转接)",
    "offered": "来电一直排队,没有电话响铃",
    "silence": "通话中双方一直没有出声",
    "call": "通话从接听起一直没有结束",
}
_BY_ZH: dict[tuple[Lasting, Role | None], str] = {
    ("held", "agent"): "坐席让客户一直保持等待",
    ("held", "customer"): "客户让坐席一直保持等待",
}


class Threshold(Struct, frozen=True, forbid_unknown_fields=True):
    """From ``after`` on, the alert has at least this severity."""

    after: Duration
    severity: Severity


class LastsMemory(Memory, frozen=True, tag="lasts"):
    """``level``: thresholds passed so far in this stretch; ``since``, ``agents``: the stretch and whose it is.

    ``done``: silences that began before this are finished with; ``lost``: the start of the last one that could not be
    judged.
    """

    level: int = 0
    since: float = 0.0
    agents: tuple[str, ...] = ()
    done: float = 0.0
    lost: float = 0.0


class Lasts(Rule, frozen=True, kw_only=True, tag="lasts"):
    """Fires while ``phase`` lasts longer than the ``thresholds`` (ascending).

    ``ringing`` is each agent's phone, whatever the call does meanwhile (a colleague's phone rings during a
    transfer). ``by`` limits ``held`` to the side that pressed hold. ``call`` is from the answer to the end;
    ``silence``: nobody speaks while the customer is on the line. If ``when`` comes true only after a threshold has
    passed, the rule fires then.
    """

    phase: Lasting
    thresholds: tuple[Threshold, ...]
    by: Role | None = None

    memory_type = LastsMemory

    def __post_init__(self) -> None:
        """Refuse thresholds that cannot be climbed."""
        times = [t.after for t in self.thresholds]
        if not times or times != sorted(set(times)):
            raise ValueError("thresholds must be at least one, in ascending order of `after`")

    @property
    def listens(self) -> frozenset[str]:  # type: ignore[override]
        """Telephony; speech too where words or silence matter."""
        hears = self.phase == "silence" or self.when is not None or self.unless is not None
        return PHONE | SPEECH if hears else PHONE

    def since(self, call: Call) -> float | None:
        """When the condition that holds now began; None: it does not hold."""
        if self.phase == "ringing":
            return call.ringing_since if call.direction == "inbound" else None
        if self.phase == "call":
            return call.answered_at if call.phase != "ended" else None
        if call.phase != self.phase or (self.by and call.held_by != self.by):
            return None
        return call.since

    def due(self, facts: Facts, memory: LastsMemory) -> float | None:
        """The instant of the next threshold."""
        if self.phase == "silence":
            return silence.due(self, facts, memory)
        since = self.since(facts.call)
        if since is None:
            return None
        return next((since + t.after for t in self.thresholds[memory.level :] if since + t.after > facts.now), None)

    def on_wake(self, facts: Facts, memory: LastsMemory) -> tuple[LastsMemory, list[Result]]:
        """A threshold has been reached."""
        if self.phase == "silence":
            return silence.judge(self, facts, memory)
        return self._climb(facts, memory)

    def on_event(self, facts: Facts, memory: LastsMemory, event: AnyEvent) -> tuple[LastsMemory, list[Result]]:
        """Clears when the condition no longer holds, or holds anew and younger than the first threshold.

        If it holds anew but long enough (the first phone gave up, another has rung for 10 s too), the alert goes
        on and is about that stretch.
        """
        if self.phase == "silence":
            return silence.judge(self, facts, memory)
        since = self.since(facts.call)
        if not memory.level:
            return self._climb(facts, memory) if since is not None else (memory, [])
        if since is not None and (since <= memory.since or facts.now >= since + self.thresholds[0].after):
            stays = LastsMemory(level=memory.level, since=since, agents=self._agents(facts.call))
            return self._climb(facts, stays)
        lasted = max(0.0, facts.now - memory.since)
        over = Finding(at=facts.now, severity=None, seconds=lasted, agents=memory.agents, ended_by=row_of(event))
        return LastsMemory(), [over]

    def in_words(self) -> str:
        """When it fires, for a quality manager."""
        what = _BY_ZH.get((self.phase, self.by)) or _LASTING_ZH[self.phase]
        steps = ",".join(f"满 {duration_zh(t.after)}为{SEVERITY_ZH[t.severity]}" for t in self.thresholds)
        return f"{what}:{steps};情况结束时告警自动解除"

    def account(self, facts: Facts, memory: LastsMemory) -> list[Explained]:
        """Each stretch of the call in that condition, and the thresholds it has reached."""
        stretches = silence.stretches(self, facts) if self.phase == "silence" else self._stretches(facts.call)
        if not stretches:
            return [Explained(f"phase: {self.phase}", answer_of(False), "通话中没有出现过")]
        return [self._account(facts, since, until) for since, until in stretches]

    def _stretches(self, call: Call) -> list[tuple[float, float | None]]:
        """From when to when the condition held; None: it goes on. Of phones that stopped only the phases tell."""
        if self.phase == "call":
            return [] if call.answered_at is None else [(call.answered_at, call.ended_at)]
        found: list[tuple[float, float | None]] = [
            (s.since, s.until) for s in call.stretches if s.phase == self.phase and self.by in (None, s.held_by)
        ]
        since = self.since(call)
        return found if since is None else [*found, (since, None)]

    def _account(self, facts: Facts, since: float, until: float | None) -> Explained:
        reached = [t for t in self.thresholds if since + t.after <= (facts.now if until is None else until)]
        parts = [self._threshold(facts, since, t, t in reached) for t in self.thresholds]
        because = span_zh(facts, since, until)
        at = since + reached[-1].after if reached else None
        return Explained(f"phase: {self.phase}", answer_of(bool(reached)), because, tuple(parts), at=at)

    def _threshold(self, facts: Facts, since: float, threshold: Threshold, reached: bool) -> Explained:
        at = since + threshold.after
        asks = f"after: {threshold.after:g} s ({threshold.severity})"
        agent = facts.call.stretch_at(since).agent or facts.call.agent
        conditions = self.explain(facts, Moment(at=at, agent=agent, lasted=threshold.after)) if reached else []
        if reached and self.phase == "silence":
            conditions = [silence.proof(facts, since, at), *conditions]
        return Explained(asks, answer_of(reached), clock(facts, at), tuple(conditions))

    def _climb(self, facts: Facts, memory: LastsMemory) -> tuple[LastsMemory, list[Result]]:
        """Every threshold that has been reached and not yet told."""
        since, found = self.since(facts.call), list[Result]()
        agents = memory.agents if memory.level else self._agents(facts.call)
        for threshold in self.thresholds[memory.level :]:
            if since is None or since + threshold.after > facts.now:
                break
            at = self._true_at(facts, since + threshold.after)
            if at is None:
                break
            found.append(Finding(at=at, severity=threshold.severity, seconds=at - since, agents=agents))
            memory = LastsMemory(level=memory.level + 1, since=since, agents=agents)
        return memory, found

    def _true_at(self, facts: Facts, due: float) -> float | None:
        """When the conditions held first since ``due``: at once, or only now; None: not yet."""
        for at in (due, facts.now) if self.when or self.unless else ():
            if self.applies(facts, Moment(at=at, lasted=at - (self.since(facts.call) or at))) is Truth.YES:
                return at
        return None if self.when or self.unless else due

    def _agents(self, call: Call) -> tuple[str, ...]:
        if self.phase != "ringing":
            return named(call.agent)
        first = call.ringing_since or 0.0
        return tuple(agent for agent, since in call.ringing.items() if since <= first + TOGETHER_S)
