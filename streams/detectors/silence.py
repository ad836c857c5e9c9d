"""Dead air, for kind ``lasts``: stretches in which nobody speaks, and the proof that somebody listened.

::

    customer ──■■■■■■──────────────────────────────────■■■──
    agent    ────────■■──────────────────────────────────────
                       ├─ quiet ── 10 s ──── 20 s ─────┤
                                   opened    raised    cleared

A threshold counts once both legs are heard through it. So an ear that has died gives no dead air, and a sound that is
told late takes back what it disproves.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from streams.call import Stretch
from streams.detectors.base import Facts, Finding, Moment, Result, Truth
from streams.talk import ROLES, Sound, heard, look_again

if TYPE_CHECKING:  # the rule uses this module, and its types are only named here
    from streams.detectors.lasts import Lasts, LastsMemory


class Quiet(NamedTuple):
    """Nobody spoke from ``start`` to ``end`` (None: it goes on)."""

    start: float
    end: float | None


def judge(rule: Lasts, facts: Facts, memory: LastsMemory) -> tuple[LastsMemory, list[Result]]:
    """Look at every silence that is not yet finished with."""
    found: list[Result] = []
    stretches = quiets(facts, memory.done)
    if memory.level and all(quiet.start != memory.since for quiet in stretches):
        memory = _over(facts, memory, facts.now, found)  # a sound was told late: it was no such silence
    for quiet in stretches:
        if memory.level and quiet.start != memory.since:
            continue
        memory = _climb(rule, facts, memory, quiet, found)
        if quiet.end is not None and _is_known(facts, quiet.start, quiet.end):
            memory = _over(facts, memory, quiet.end, found)
    if memory.level and facts.call.phase != "talking":
        memory = _over(facts, memory, facts.now, found)
    return memory, found


def due(rule: Lasts, facts: Facts, memory: LastsMemory) -> float | None:
    """The next threshold of the silence that goes on, or the instant at which its proof may be complete."""
    moments: list[float] = []
    for quiet in quiets(facts, memory.done):
        level = memory.level if quiet.start == memory.since else 0
        for threshold in rule.thresholds[level:]:
            reached = quiet.start + threshold.after
            if quiet.end is not None and reached > quiet.end:
                break
            if reached > facts.now:
                moments.append(reached)
                break
            again = (look_again(facts.talk, facts.call, role, reached, facts.now) for role in ROLES)
            moments += [moment for moment in again if moment is not None]
    return min(moments, default=None)


def quiets(facts: Facts, done: float) -> list[Quiet]:
    """The silences that ended after ``done``, within the phases in which both sides can talk."""
    talking = [s for s in (*facts.call.stretches, facts.call.present) if s.phase == "talking" and s.until > done]
    return [quiet for stretch in talking for quiet in _within(facts, stretch, done)]


def _within(facts: Facts, stretch: Stretch, done: float) -> list[Quiet]:
    start, goes_on = max(stretch.since, done), True
    ends = stretch.until if stretch.until <= facts.now else None
    found: list[Quiet] = []
    for sound in _sounds(facts, start, stretch.until):
        if sound.start > start:
            found.append(Quiet(start, sound.start))
        goes_on = sound.end is not None
        start = max(start, sound.end or start)
        if not goes_on:
            break
    if goes_on and (ends is None or ends > start):
        found.append(Quiet(start, ends))
    return found


def _sounds(facts: Facts, since: float, until: float) -> list[Sound]:
    both = chain(facts.talk.agent.sounds, facts.talk.customer.sounds)
    inside = [s for s in both if s.start < until and (s.end is None or s.end > since)]
    return sorted(inside, key=lambda s: (s.start, s.end is None))


def _climb(rule: Lasts, facts: Facts, memory: LastsMemory, quiet: Quiet, found: list[Result]) -> LastsMemory:
    call = facts.call
    for threshold in rule.thresholds[memory.level :]:
        at = quiet.start + threshold.after
        if at > (facts.now if quiet.end is None else quiet.end) or not _is_known(facts, quiet.start, at):
            break
        agent = call.stretch_at(quiet.start).agent or call.agent
        if rule.applies(facts, Moment(at=at, agent=agent, lasted=threshold.after)) is not Truth.YES:
            break
        agents = (agent,) if agent else ()
        found.append(Finding(at=at, severity=threshold.severity, seconds=threshold.after, agents=agents))
        memory = type(memory)(level=memory.level + 1, since=quiet.start, agents=agents, done=memory.done)
    return memory


def _is_known(facts: Facts, since: float, until: float) -> bool:
    """Both legs are heard, by a detector of speech or by a recogniser that says how far it is."""
    talk, call = facts.talk, facts.call
    listened = talk.agent.marks or talk.customer.marks or min(talk.agent.through, talk.customer.through) >= until
    return listened and all(heard(talk, call, role, since, until, facts.now) is Truth.YES for role in ROLES)


def _over(facts: Facts, memory: LastsMemory, at: float, found: list[Result]) -> LastsMemory:
    """The silence is finished with; the alert about it, if there is one, clears."""
    if memory.level:
        lasted = max(0.0, at - memory.since)
        found.append(Finding(at=at, severity=None, seconds=lasted, agents=memory.agents, ended_by="speech.started"))
    return type(memory)(done=max(memory.done, at))
