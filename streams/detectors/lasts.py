"""Kind ``lasts``: a call stays in one condition for at least a duration.

Live: it opens at the first threshold, is raised at each further one and clears itself when the condition
ends. A threshold reached exactly counts (a ring of 10.0 s has lasted 10 s), so the answer never depends on
whether the wake or the event came first::

    ring   0 s ────────── 10 s ────────── 20 s ── 23 s answered
                          opened          raised  cleared
                          warning         critical
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from streams.alerts import Severity
from streams.call import Call, row_of
from streams.detectors.base import Finding, Memory, Rule
from streams.detectors.units import Duration
from streams.events import AnyEvent, Role

#: Phones that begin to ring within this time, seconds, ring together: it is nobody's phone in particular.
TOGETHER_S = 0.5

Condition = Literal["ringing", "held", "transferring", "talking", "offered"]


class Threshold(Struct, frozen=True, forbid_unknown_fields=True):
    """From ``after`` on, the alert has at least this severity."""

    after: Duration
    severity: Severity


class LastsMemory(Memory, frozen=True, tag="lasts"):
    """``level``: thresholds passed so far in this stretch; ``since``, ``agents``: the stretch and whose it is."""

    level: int = 0
    since: float = 0.0
    agents: tuple[str, ...] = ()


class Lasts(Rule, frozen=True, kw_only=True, tag="lasts"):
    """Fires while ``phase`` lasts longer than the ``thresholds`` (ascending).

    ``ringing`` is each agent's phone, whatever the call does meanwhile (a colleague's phone rings during a
    transfer). ``by`` limits ``held`` to the side that pressed hold.
    """

    phase: Condition
    thresholds: tuple[Threshold, ...]
    by: Role | None = None

    memory_type = LastsMemory

    def __post_init__(self) -> None:
        """Refuse thresholds that cannot be climbed."""
        times = [t.after for t in self.thresholds]
        if not times or times != sorted(set(times)):
            raise ValueError("thresholds must be at least one, in ascending order of `after`")

    def since(self, call: Call) -> float | None:
        """When the condition that holds now began; None: it does not hold."""
        if self.phase == "ringing":
            return call.ringing_since if call.direction == "inbound" else None
        if call.phase != self.phase or (self.by and call.held_by != self.by):
            return None
        return call.since

    def due(self, call: Call, memory: LastsMemory) -> float | None:
        """The instant of the next threshold."""
        since = self.since(call)
        if since is None or memory.level >= len(self.thresholds):
            return None
        return since + self.thresholds[memory.level].after

    def on_wake(self, call: Call, memory: LastsMemory, at: float) -> tuple[LastsMemory, list[Finding]]:
        """A threshold has been reached."""
        threshold = self.thresholds[memory.level]
        agents = memory.agents if memory.level else self._agents(call)
        since = self.since(call)
        reached = LastsMemory(level=memory.level + 1, since=at if since is None else since, agents=agents)
        return reached, [Finding(at=at, severity=threshold.severity, seconds=threshold.after, agents=agents)]

    def on_event(self, call: Call, memory: LastsMemory, event: AnyEvent) -> tuple[LastsMemory, list[Finding]]:
        """Clears when the condition no longer holds, or holds anew and younger than the first threshold.

        If it holds anew but long enough (the first phone gave up, another has rung for 10 s too), the alert goes
        on and is about that stretch.
        """
        if not memory.level:
            return memory, []
        since = self.since(call)
        if since is not None and (since <= memory.since or event.at >= since + self.thresholds[0].after):
            return LastsMemory(level=memory.level, since=since, agents=self._agents(call)), []
        lasted = max(0.0, event.at - memory.since)
        over = Finding(at=event.at, severity=None, seconds=lasted, agents=memory.agents, ended_by=row_of(event))
        return LastsMemory(), [over]

    def _agents(self, call: Call) -> tuple[str, ...]:
        if self.phase != "ringing":
            return (call.agent,) if call.agent else ()
        first = call.ringing_since or 0.0
        return tuple(agent for agent, since in call.ringing.items() if since <= first + TOGETHER_S)
