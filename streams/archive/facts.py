"""What is kept of a call beside its record: its figures and what was said. Pure: events in, structs out.

Owns nothing that is not in the record: everything here can be made again from it. Times are Unix seconds, durations
seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from streams.call import IN_TIME_S, LATE_S, Call, Stretch, is_telephony, spent
from streams.core import SILENT_S, CallState, NoRules, step
from streams.events import (
    AgentMissed,
    AnyEvent,
    Direction,
    LegTapped,
    Party,
    Role,
    Tick,
    Transcript,
)
from streams.numbers import mask
from streams.phrases.normal import masked

#: ``up``: it goes on; ``lost``: its end never came, and it was taken for ended after ``SILENT_S``.
State = Literal["up", "ended", "lost"]

_NO_RULES = NoRules()
#: A longer name fits into no index.
_NAME = 256


class Line(Struct, frozen=True, omit_defaults=True):
    """One sentence; ``by_sound``: only its sound was heard, and the characters are a reading of it."""

    role: Role
    start: float
    end: float
    text: str
    by_sound: bool = False


class Part(Struct, frozen=True, omit_defaults=True):
    """What one agent had of the call. ``spoke`` False: the phone only rang. ``missed``: rings without an answer."""

    agent: str
    name: str = ""
    spoke: bool = False
    ring_s: float = 0.0
    missed: int = 0
    talk_s: float = 0.0
    held_s: float = 0.0


class Facts(Struct, frozen=True, omit_defaults=True):
    """One call. ``agent``: who spoke with the customer last, or whose phone rang where nobody did.

    ``wait_s``: from its coming to an answer, or to its end; ``transfer_s``: the customer waited to be passed on.
    ``in_time``: answered within ``IN_TIME_S``; None: nobody can know (found talking), or it is outbound.
    ``listened``: there were ears on it.
    """

    id: str
    state: State
    began_at: float
    heard_at: float
    direction: Direction = "inbound"
    queue: str = ""
    caller: str = ""
    caller_key: str = ""
    agent: str = ""
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: Party | None = None
    cause: str = ""
    in_time: bool | None = None
    abandoned: bool = False
    wait_s: float = 0.0
    ring_s: float = 0.0
    talk_s: float = 0.0
    held_s: float = 0.0
    transfer_s: float = 0.0
    transfers: int = 0
    listened: bool = False
    parts: tuple[Part, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def duration_s(self) -> float:
        """From its coming to its end, or to what was last heard of it."""
        return max(0.0, (self.heard_at if self.ended_at is None else self.ended_at) - self.began_at)


def facts(events: Iterable[AnyEvent], now: float | None = None) -> Facts | None:
    """Of the record of one call, in the order in which it was logged; None: it tells nothing of a call.

    ``now``: as of when; a call that has fallen silent by then is lost. None: as of its last event.
    """
    fold = _Fold()
    for event in events:
        fold.take(event)
    return fold.facts(now)


class _Fold:
    """The record so far."""

    def __init__(self) -> None:
        self._state: CallState | None = None
        self._heard_at = 0.0
        self._rang: dict[str, float] = defaultdict(float)
        self._missed: dict[str, int] = defaultdict(int)
        self._said: dict[tuple[Role, float], Transcript] = {}
        self._listened = False
        self._transfers = 0

    def take(self, event: AnyEvent) -> None:
        if isinstance(event, Tick | LegTapped):
            return
        if isinstance(event, Transcript):
            self._hear(event)
        self._heard_at = max(self._heard_at, event.at)
        if not is_telephony(event):
            if self._state:  # a call that is spoken in goes on
                self._state = replace(self._state, heard_at=max(self._state.heard_at, event.at))
            return
        call = self._call
        if call and call.ended_at is not None and event.at > call.ended_at + LATE_S:
            return  # what comes so late is of no call that anybody knows
        self._state = step(_NO_RULES, self._state, event).state or self._state
        self._transfers += bool(self._call and self._call.phase == "transferring" and not _is_passed(call))
        if call and self._call:
            self._count_rings(call, self._call, event)

    @property
    def _call(self) -> Call | None:
        return self._state.fold.call if self._state else None

    def _count_rings(self, before: Call, after: Call, event: AnyEvent) -> None:
        for agent in before.ringing.keys() - after.ringing.keys():
            self._rang[agent] += max(0.0, event.at - before.ringing[agent])
        if isinstance(event, AgentMissed) and event.agent in before.ringing:
            self._missed[event.agent] += 1

    def _hear(self, event: Transcript) -> None:
        """A sentence's final takes the place of its partials; a partial stays where its final never came."""
        self._listened = True
        key = (event.role, event.start)
        unfinished = [k for k, said in self._said.items() if k[0] == event.role and not said.final]
        if event.text and (event.final or key not in self._said or key in unfinished):
            for gone in {*unfinished, key}:
                self._said.pop(gone, None)
            self._said[key] = event
        elif event.final or not event.text:  # a watermark: a guess before it was wrong
            through = event.start if event.through is None else event.through
            for gone in unfinished:
                if gone[1] < through:
                    self._said.pop(gone)

    def facts(self, now: float | None) -> Facts | None:
        call = self._call
        if call is None or self._state is None:
            return None
        is_lost = call.ended_at is None and now is not None and now >= self._heard_at + SILENT_S
        if is_lost:
            tick = Tick(call=call.id, at=self._heard_at + SILENT_S)
            call = (step(_NO_RULES, self._state, tick).state or self._state).fold.call
        stretches = _stretches(call, self._heard_at)
        is_inbound = call.direction == "inbound"
        return Facts(
            id=call.id,
            state="lost" if is_lost else "up" if call.ended_at is None else "ended",
            began_at=call.came_at,
            heard_at=self._heard_at,
            direction=call.direction,
            queue=call.queue or "",
            caller=mask((call.caller if is_inbound else call.called) or ""),
            caller_key=call.caller_key or "",
            agent=_whose(call),
            answered_at=call.answered_at,
            ended_at=call.ended_at,
            ended_by=call.ended_by,
            cause=call.cause or "",
            in_time=_in_time(call) if is_inbound else None,
            abandoned=is_inbound and not call.was_answered and call.ended_by == "customer",
            wait_s=_wait_s(call, self._heard_at),
            ring_s=spent(stretches, "ringing"),
            talk_s=spent(stretches, "talking"),
            held_s=spent(stretches, "held"),
            transfer_s=spent(stretches, "transferring"),
            transfers=self._transfers,
            listened=self._listened,
            parts=tuple(self._parts(call, stretches)),
            lines=tuple(_line(said) for said in sorted(self._said.values(), key=lambda each: (each.start, each.end))),
        )

    def _parts(self, call: Call, stretches: Sequence[Stretch]) -> Iterable[Part]:
        spoke = dict.fromkeys(each.agent for each in stretches if each.agent and each.phase != "ringing")
        for agent in dict.fromkeys((*spoke, *self._rang, *call.ringing)):
            own = [each for each in stretches if each.agent == agent]
            yield Part(
                agent=mask(agent),
                name=(call.name_of(agent) or "")[:_NAME],
                spoke=agent in spoke,
                ring_s=self._rang.get(agent, 0.0),
                missed=self._missed.get(agent, 0),
                talk_s=spent(own, "talking"),
                held_s=spent(own, "held"),
            )


def _is_passed(call: Call | None) -> bool:
    return call is not None and call.phase == "transferring"


def _stretches(call: Call, heard_at: float) -> tuple[Stretch, ...]:
    """The phases up to the end, or to what was last heard."""
    if call.phase == "ended":
        return call.stretches
    present = call.present
    return (*call.stretches, Stretch(present.phase, present.since, max(present.since, heard_at), present.agent))


def _whose(call: Call) -> str:
    spoke = [each.agent for each in (*call.stretches, call.present) if each.agent]
    return mask((spoke or [*call.ringing] or [""])[-1])


def _in_time(call: Call) -> bool | None:
    if call.answered_at is not None:
        return call.answered_at - call.came_at <= IN_TIME_S
    return None if call.was_answered or call.phase != "ended" else False


def _wait_s(call: Call, heard_at: float) -> float:
    until = call.answered_at if call.answered_at is not None else call.ended_at
    if call.was_answered and call.answered_at is None:
        return 0.0  # found talking
    return max(0.0, (heard_at if until is None else until) - call.came_at)


def _line(said: Transcript) -> Line:
    return Line(said.role, said.start, max(said.start, said.end), masked(said.text), said.by_sound)
