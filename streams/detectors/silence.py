"""Dead air, for kind ``lasts``: stretches in which nobody speaks, and the proof that somebody listened.

::

    customer ──■■■■■■──────────────────────────────────■■■──
    agent    ────────■■──────────────────────────────────────
                       ├─ quiet ── 10 s ──── 20 s ─────┤
                                   opened    raised    cleared

A threshold counts once both legs are heard through it. So an ear that has died gives no dead air, and a sound that is
told late takes back what it disproves. A silence of which sound was lost is not judged.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from streams.call import Stretch
from streams.detectors.base import Facts, Finding, Moment, Result, Truth, Unjudged, named
from streams.detectors.conditions import Explained
from streams.detectors.wording import ANSWER_ZH, PARTY_ZH, truth_of
from streams.talk import ROLES, Sound, listened, look_again

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
        _over(facts, memory, facts.now, found)  # a sound was told late: it was no such silence, maybe a shorter one
        memory = type(memory)(done=memory.done, lost=memory.lost)
    for quiet in stretches:
        if memory.level and quiet.start != memory.since:
            continue
        memory = _climb(rule, facts, memory, quiet, found)
        memory = _doubt(rule, facts, memory, quiet, found)
        if quiet.end is not None and (_is_told(rule, memory, quiet) or _is_known(facts, quiet.start, quiet.end)):
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


def stretches(rule: Lasts, facts: Facts) -> list[tuple[float, float | None]]:
    """For an account: the silences of the whole call that reached the first threshold, or else the longest."""
    lengths = {(q.start, q.end): (facts.now if q.end is None else q.end) - q.start for q in quiets(facts, 0.0)}
    reached = [quiet for quiet, length in lengths.items() if length >= rule.thresholds[0].after]
    return reached or sorted(lengths, key=lambda quiet: -lengths[quiet])[:1]


def proof(facts: Facts, since: float, until: float) -> Explained:
    """Whether both legs were listened to."""
    known = Truth.YES if _is_known(facts, since, until) else Truth.NO
    legs = {role: listened(facts.talk, facts.call, role, since, until, facts.now) for role in ROLES}
    told = ",".join(f"{PARTY_ZH[role]}{ANSWER_ZH[truth_of(answer)]}" for role, answer in legs.items())
    return Explained("heard: both", truth_of(known), told)


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
    return sorted(inside, key=lambda s: s.start)


def _climb(rule: Lasts, facts: Facts, memory: LastsMemory, quiet: Quiet, found: list[Result]) -> LastsMemory:
    call = facts.call
    for threshold in rule.thresholds[memory.level :]:
        at = quiet.start + threshold.after
        if at > (facts.now if quiet.end is None else quiet.end) or not _is_known(facts, quiet.start, at):
            break
        agent = call.stretch_at(quiet.start).agent or call.agent
        if rule.applies(facts, Moment(at=at, agent=agent, lasted=threshold.after)) is not Truth.YES:
            break
        agents = named(agent)
        found.append(Finding(at=at, severity=threshold.severity, seconds=threshold.after, agents=agents))
        memory = replace(memory, level=memory.level + 1, since=quiet.start, agents=agents)
    return memory


def _doubt(rule: Lasts, facts: Facts, memory: LastsMemory, quiet: Quiet, found: list[Result]) -> LastsMemory:
    """Say once of a silence that is long enough that sound of it was lost: somebody may have spoken."""
    at = quiet.start + rule.thresholds[0].after
    if memory.level or memory.lost == quiet.start or at > (facts.now if quiet.end is None else quiet.end):
        return memory
    lost = any(gap.start < at and gap.end > quiet.start for gap in facts.talk.gaps)
    agent = facts.call.stretch_at(quiet.start).agent or facts.call.agent
    if not lost or rule.applies(facts, Moment(at=at, agent=agent, lasted=at - quiet.start)) is Truth.NO:
        return memory
    found.append(Unjudged(at))
    return replace(memory, lost=quiet.start)


def _is_told(rule: Lasts, memory: LastsMemory, quiet: Quiet) -> bool:
    """Whether the alert about it is open and can climb no further, because somebody has spoken; or it is in doubt."""
    left = rule.thresholds[memory.level :]
    if memory.lost == quiet.start:
        return True
    return memory.level > 0 and quiet.end is not None and (not left or quiet.start + left[0].after > quiet.end)


def _is_known(facts: Facts, since: float, until: float) -> bool:
    """Both legs are heard, by a recogniser that says how far it is, or by a detector of speech. That one is believed
    from its first sound on: in a call that was already running when it began to listen, somebody may have spoken.
    """
    talk, call = facts.talk, facts.call
    firsts = [leg.first_sound for leg in (talk.agent, talk.customer) if leg.marks and leg.first_sound is not None]
    proven = since >= min(firsts, default=until) or min(talk.agent.through, talk.customer.through) >= until
    known = (listened(talk, call, role, since, until, facts.now) for role in ROLES)
    return proven and all(answer is Truth.YES for answer in known)


def _over(facts: Facts, memory: LastsMemory, at: float, found: list[Result]) -> LastsMemory:
    """The silence is finished with; the alert about it, if there is one, clears."""
    if memory.level:
        lasted = max(0.0, at - memory.since)
        phase = facts.call.stretch_at(at).phase
        ended_by = "speech.started" if phase == "talking" else f"call.{phase}"
        found.append(Finding(at=at, severity=None, seconds=lasted, agents=memory.agents, ended_by=ended_by))
    return type(memory)(done=max(memory.done, at), lost=memory.lost)
