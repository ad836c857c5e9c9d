"""Kind ``procedure``: an ordered procedure is left before its last step.

It begins when its cause appears (the customer makes no sound; the customer swears), its steps are things that the
agent says, some with a pause after them, and it is broken when the agent ends the call before the last one::

    answered  prompt 1 ─ 5 s ─ prompt 2 ─ 5 s ─ prompt 3 ─ 5 s ─ may hang up
                                           └ hangs up here: two of three steps

How far it has come is not remembered but read from what was said, so that a late word counts for its moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import Severity, duration_zh
from streams.call import is_telephony
from streams.detectors.base import (
    PHONE,
    SPEECH,
    Duration,
    Facts,
    Finding,
    Memory,
    Moment,
    Result,
    Rule,
    Truth,
    Unjudged,
    named,
)
from streams.detectors.conditions import (
    AnyWords,
    Explained,
    Silent,
    all_of,
    by_words,
    clock,
    evidence_of,
    hits_zh,
    words_of,
)
from streams.detectors.wording import PARTY_ZH, SEVERITY_ZH, answer_of, truth_of, words_zh
from streams.events import AnyEvent, Role
from streams.talk import GRACE_S, ROLES, Hit, by_utterance, heard

#: A detector of speech is this much, seconds, off at both ends of a pause.
PAUSE_SLACK_S = 0.5


class Trigger(Struct, frozen=True, forbid_unknown_fields=True):
    """What begins the procedure: ``by`` says ``words``, or ``silent``: the customer makes no sound."""

    words: AnyWords = ()
    by: Role = "customer"
    silent: bool = False

    def __post_init__(self) -> None:
        """Refuse a trigger that is nothing, or two things."""
        if bool(self.words) == self.silent:
            raise ValueError("words or silent: exactly one of them begins a procedure")


class ProcedureStep(Struct, frozen=True, forbid_unknown_fields=True):
    """The agent says ``words``; then, for ``pause``, neither he nor the customer speaks. ``again``: only after the
    trigger has come once more.
    """

    words: AnyWords
    pause: Duration = Duration(0)
    again: bool = False


def _step_zh(step: ProcedureStep) -> str:
    pause = f",再停 {duration_zh(step.pause)}" if step.pause else ""
    return f"{'对方再次如此后,' if step.again else ''}{words_zh(step.words)}{pause}"


class Progress(NamedTuple):
    """``begun``: hits that began it (empty for silence); ``done``: steps gone through; ``last``: the latest news."""

    begun: tuple[Hit, ...]
    done: int
    last: float


class ProcedureMemory(Memory, frozen=True, tag="procedure"):
    """``told``: steps told so far, -1 before it began; ``over``: judged at the end of the call; ``open``: the end
    waits for words.
    """

    told: int = -1
    over: bool = False
    open: bool = False
    begun: float = 0.0


class Procedure(Rule, frozen=True, kw_only=True, tag="procedure"):
    """Fires when the agent ends the call before the last of ``steps``.

    ``announce``: an alert of that severity already says that it has begun, and each step. ``released_by``: if the
    customer says so, the agent may end the call.
    """

    trigger: Trigger
    steps: tuple[ProcedureStep, ...]
    severity: Severity
    says_started: str = ""
    announce: Severity | None = None
    released_by: AnyWords = ()

    memory_type = ProcedureMemory
    waits_for_words = True
    listens = PHONE | SPEECH
    figures = ("step", "steps", "words")

    def __post_init__(self) -> None:
        """Refuse a procedure without steps, or an announcement without its sentence."""
        if not self.steps:
            raise ValueError("steps must be at least one")
        if bool(self.announce) != bool(self.says_started):
            raise ValueError("announce and says_started belong together")

    def phrase_names(self) -> Iterator[str]:
        """Those of the trigger, of the steps, of the release, and of the conditions."""
        for written in (self.trigger.words, self.released_by, *(step.words for step in self.steps)):
            if written:
                yield from words_of(written).names
        yield from super().phrase_names()

    def stirs(self, event: AnyEvent, names: frozenset[str], memory: ProcedureMemory) -> bool:
        """News of the telephone, its words, or anything at all while it goes on."""
        under_way = memory.open or memory.told >= 0 or not names.isdisjoint(self.names)
        return not memory.over and (under_way or is_telephony(event))

    def due(self, facts: Facts, memory: ProcedureMemory) -> float | None:
        """The end of the pause under way, and the instant at which the last words of the call are known."""
        moments = [facts.call.ended_at + GRACE_S] if facts.call.ended_at is not None and not memory.over else []
        if self.announce and facts.call.ended_at is None:
            last = max(
                (leg.sounds[-1].end or 0.0 for leg in (facts.talk.agent, facts.talk.customer) if leg.sounds),
                default=0.0,
            )
            moments += [last + step.pause - PAUSE_SLACK_S for step in self.steps if step.pause]
        return min((moment for moment in moments if moment > facts.now), default=None)

    def on_wake(self, facts: Facts, memory: ProcedureMemory) -> tuple[ProcedureMemory, list[Result]]:
        """A pause is over, or the call can be judged."""
        return self._judge(facts, memory)

    def on_event(self, facts: Facts, memory: ProcedureMemory, event: AnyEvent) -> tuple[ProcedureMemory, list[Result]]:
        """Something was said, or the call ended."""
        return self._judge(facts, memory)

    def done(self, facts: Facts, at: float) -> Truth:
        """Whether it had begun and gone through to its last step, or the customer let the agent go, at ``at``."""
        known = self._known(facts, at)
        progress = self._progress(facts, at) if self._begun(facts, at) in (Truth.YES, Truth.WAIT) else None
        if progress is None:
            return self._begun(facts, at)
        complete = progress.done >= len(self.steps) or self._released(facts, progress, at)
        return all_of([self._begun(facts, at), Truth.YES if complete else (Truth.NO if known is Truth.YES else known)])

    def in_words(self) -> str:
        """When it fires, for a quality manager."""
        begins = "客户一直没有出声"
        if not self.trigger.silent:
            begins = f"{PARTY_ZH[self.trigger.by]}说出{words_zh(self.trigger.words)}"
        steps = ";".join(f"第 {n} 步 {_step_zh(step)}" for n, step in enumerate(self.steps, 1))
        freed = f";客户说出{words_zh(self.released_by)}后可以挂机" if self.released_by else ""
        told = f";开始时和每走一步先报{SEVERITY_ZH[self.announce]}" if self.announce else ""
        left = f"没有走完坐席就挂机,即为{SEVERITY_ZH[self.severity]}"
        return f"{begins}时,坐席须依次说:{steps}。{left}{freed}{told}"

    def account(self, facts: Facts, memory: ProcedureMemory) -> list[Explained]:
        """What began it, the steps gone through, and how the call ended."""
        call, at = facts.call, facts.now if facts.call.ended_at is None else facts.call.ended_at
        begun, progress = self._begun_account(facts, at), self._progress(facts, at)
        if progress is None:
            return [begun]
        since = progress.begun[0].start if progress.begun else call.begun_at
        spoken = hits_zh(facts, [hit for hit, _ in self._agent_said(facts, since, at)])
        complete = answer_of(progress.done >= len(self.steps))
        by = PARTY_ZH.get(call.ended_by or "", "")
        ended = "还没有挂机" if call.ended_at is None else f"{clock(facts, at)} {by}挂机"
        freed = Explained("released_by", answer_of(self._released(facts, progress, at)))
        return [
            begun,
            Explained(f"steps: {len(self.steps)}", complete, f"走完 {progress.done} 步;{spoken}"),
            Explained("ended_by: agent", answer_of(call.ended_by == "agent" and call.was_answered), ended),
            *([freed] if self.released_by else []),
            Explained("heard: both", truth_of(self._known(facts, at)), f"截至 {clock(facts, at)}"),
            *self.explain(facts, Moment(at=at, agent=call.agent)),
        ]

    def _begun_account(self, facts: Facts, at: float) -> Explained:
        answer = truth_of(self._begun(facts, at))
        if not self.trigger.silent:
            asks = f"trigger: {by_words(self.trigger.words)} by {self.trigger.by}"
            return Explained(asks, answer, hits_zh(facts, self._triggers(facts, at)))
        first = facts.talk.customer.first_sound
        return Explained("trigger: silent", answer, "没有出声" if first is None else f"{clock(facts, first)} 出声")

    def _judge(self, facts: Facts, memory: ProcedureMemory) -> tuple[ProcedureMemory, list[Result]]:
        if memory.over:
            return memory, []
        found: list[Result] = []
        if self.announce:
            memory = self._tell(facts, memory, found)
        if facts.call.ended_at is not None:
            memory = self._conclude(facts, memory, facts.call.ended_at, found)
        return memory, found

    def _tell(self, facts: Facts, memory: ProcedureMemory, found: list[Result]) -> ProcedureMemory:
        """Say that it has begun, and each step."""
        progress = self._progress(facts, facts.now if facts.call.ended_at is None else facts.call.ended_at)
        moment = Moment(at=facts.now, agent=facts.call.agent)
        if progress is None and memory.told >= 0:  # the recogniser has taken back the words that began it
            found.append(Finding(at=facts.now, severity=None, agents=self._agents(facts)))
            return ProcedureMemory()
        if progress is None or not progress.begun or progress.done <= memory.told:
            return memory
        if memory.told < 0 and self.applies(facts, moment) is not Truth.YES:
            return memory
        at = progress.last if progress.done else progress.begun[0].end
        found.append(self._finding(facts, progress, at, self.announce, "says_started"))
        return ProcedureMemory(told=progress.done, begun=progress.begun[0].end)

    def _conclude(self, facts: Facts, memory: ProcedureMemory, at: float, found: list[Result]) -> ProcedureMemory:
        left = facts.call.ended_by == "agent" and facts.call.was_answered
        broken = all_of([self._begun(facts, at), self._left_early(facts, at)]) if left else Truth.NO
        if broken is Truth.YES:
            broken = self.applies(facts, Moment(at=at, agent=facts.call.agent))
        if broken is Truth.WAIT:
            return replace(memory, open=True)
        if broken is Truth.NEVER:
            found.append(Unjudged(at))
        progress = self._progress(facts, at)
        if broken is Truth.YES and progress is not None:
            found.append(self._finding(facts, progress, at, self.severity, "says"))
        elif memory.told >= 0:
            found.append(
                Finding(
                    at=at, severity=None, seconds=at - memory.begun, ended_by="call.ended", agents=self._agents(facts)
                )
            )
        return ProcedureMemory(told=memory.told, over=True, begun=memory.begun)

    def _left_early(self, facts: Facts, at: float) -> Truth:
        progress = self._progress(facts, at)
        if progress is None or progress.done >= len(self.steps) or self._released(facts, progress, at):
            return Truth.NO
        return self._known(facts, at)

    def _known(self, facts: Facts, at: float) -> Truth:
        since = facts.call.begun_at
        return all_of([heard(facts.talk, facts.call, role, since, at, facts.now) for role in ROLES])

    def _begun(self, facts: Facts, at: float) -> Truth:
        if self.trigger.silent:
            return Silent(by="customer").truth(facts, at) if facts.call.was_answered else Truth.NO
        return Truth.YES if self._triggers(facts, at) else Truth.NO

    def _triggers(self, facts: Facts, at: float) -> list[Hit]:
        """The first hit of each utterance that triggers it."""
        if not self.trigger.words:
            return []
        hits = facts.talk.hits_of(words_of(self.trigger.words).names, self.trigger.by)
        return [first for first, *_ in by_utterance(hit for hit in hits if hit.end <= at)]

    def _progress(self, facts: Facts, at: float) -> Progress | None:
        """How far it had come at ``at``; None: it had not begun."""
        triggers = self._triggers(facts, at)
        if not self.trigger.silent and not triggers:
            return None
        begun = facts.call.begun_at if self.trigger.silent else self._since(triggers[0])
        done, last = 0, begun
        for said, until in self._agent_said(facts, begun, at):
            step = self.steps[done] if done < len(self.steps) else None
            if step is None:
                break
            came_again = not step.again or any(last < t.end <= said.end for t in triggers)
            names = [h.name for h in facts.talk.hits if h.role == "agent" and h.said == said.said]
            if came_again and words_of(step.words).wanted(names) and self._paused(facts, said, until, step):
                done, last = done + 1, said.end + step.pause
        return Progress(tuple(triggers), done, max(last, triggers[-1].end if triggers else last))

    def _since(self, trigger: Hit) -> float:
        """From when on steps count: an agent may ask in the same sentence, and before he says why."""
        return trigger.said if self.trigger.by == "agent" else trigger.start

    def _agent_said(self, facts: Facts, begun: float, at: float) -> Iterator[tuple[Hit, float]]:
        """A hit of each utterance of the agent with words of a step, and when he spoke again or the time was up."""
        names = [name for step in self.steps for name in words_of(step.words).names]
        inside = (hit for hit in facts.talk.hits_of(names, "agent") if begun <= hit.start and hit.end <= at)
        for first, *_ in by_utterance(inside):
            later = [u.start for u in facts.talk.agent.said if u.start > first.said]
            yield first, min([*later, at])

    def _paused(self, facts: Facts, said: Hit, until: float, step: ProcedureStep) -> bool:
        if not step.pause:
            return True
        end = next((u.end for u in facts.talk.agent.said if u.start == said.said), said.end)
        spoke = [s.start for s in facts.talk.customer.sounds if s.start >= end]
        return min([until, *spoke]) - end >= step.pause - PAUSE_SLACK_S

    def _released(self, facts: Facts, progress: Progress, at: float) -> bool:
        if not self.released_by:
            return False
        since = progress.begun[0].end if progress.begun else 0.0
        names = [
            h.name for h in facts.talk.hits_of(words_of(self.released_by).names, "customer") if since <= h.start <= at
        ]
        return words_of(self.released_by).wanted(names)

    def _agents(self, facts: Facts) -> tuple[str, ...]:
        return named(facts.call.agent)

    def _finding(
        self, facts: Facts, progress: Progress, at: float, severity: Severity | None, sentence: str
    ) -> Finding:
        words = tuple(dict.fromkeys(hit.match for hit in progress.begun))
        return Finding(
            at=at,
            severity=severity,
            seconds=max(0.0, at - facts.call.begun_at),
            agents=self._agents(facts),
            values={"step": progress.done, "steps": len(self.steps), "words": words},
            evidence=evidence_of(progress.begun),
            news=True,
            sentence="says" if sentence == "says" else "says_started",
        )
