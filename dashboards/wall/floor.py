"""The calls of the floor and of the day: a fold of events, with what each call adds to the figures.

Owns which call is on the floor, what its tile says, and the list of the day's calls. Knows no alerts, and reads no
clock. A call is kept as the detector keeps it until ``KEEP_ENDED_S`` after its end; then one line of it is left, until
midnight.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from dashboards.wall.pages import CallLine, agents_of, on_the_line
from dashboards.wall.views import Person, Tile, person_of
from streams.call import IN_TIME_S, Call, is_telephony, spent
from streams.core import CallState, NoRules, step
from streams.events import AnyEvent, LegTapped, Tick
from streams.numbers import mask

#: A call that has ended stays on the floor this long, seconds, so that one sees how it went.
ENDED_SHOWN_S = 8.0
#: ``lately`` in the counts, seconds.
LATELY_S = 1800.0

#: The wall folds the calls as the detector does, and judges nothing.
_NO_RULES = NoRules()


class Tally(NamedTuple):
    """What one call adds to the counts."""

    offered: int = 0
    answered: int = 0
    in_time: int = 0
    abandoned: int = 0
    decided: int = 0
    lately_decided: int = 0
    lately_in_time: int = 0


class Called(NamedTuple):
    """One call as the screens need it: ``agents`` are on its tile, ``party`` is whose call it is in the counts.

    ``tile`` None: it is not on the floor any more.
    """

    tile: Tile | None
    agents: tuple[str, ...]
    party: tuple[str, ...]
    queue: str
    tally: Tally

    def whose(self) -> set[str]:
        """Under what a board that shows a part of the floor finds it: agents, or the queue while there are none."""
        found = {f"agent {agent}" for agent in (*self.agents, *self.party)}
        return found if self.agents and self.party else found | {f"queue {self.queue}"}


class Told(Struct, frozen=True, omit_defaults=True):
    """What is left of a call for the day, made anew with each of its events.

    ``rang``: everybody whose phone rang; ``decided_at``: when its wait ended, None also where nobody knows when;
    ``seq``: its last offset.
    """

    line: CallLine
    party: tuple[str, ...] = ()
    rang: tuple[str, ...] = ()
    answered: bool = False
    in_time: bool = False
    decided_at: float | None = None
    seq: int = -1


class Floor:
    """All calls that run, or came today."""

    def __init__(self, calls: dict[str, CallState] | None = None, told: dict[str, Told] | None = None) -> None:
        """``calls``, ``told``: as an earlier one had them."""
        self.calls: dict[str, CallState] = calls or {}
        self.told: dict[str, Told] = told or {}

    def take(self, event: AnyEvent) -> bool | None:
        """Fold one event in; whether anything may look different, None: the event is nothing to the floor.

        Ticks and taps say nothing new. Speech puts no call on the floor and changes none there, but shows that it
        goes on; it comes several times a second.
        """
        before = self.calls.get(event.call)
        if isinstance(event, Tick | LegTapped) or (before is None and not is_telephony(event)):
            return None
        if before is None and self._is_of_the_past(event):
            return None
        if before is not None and not is_telephony(event):
            self.calls[event.call] = replace(before, heard_at=max(before.heard_at, event.at))
            return False
        self._keep(event.call, step(_NO_RULES, before, event).state)
        return True

    def _is_of_the_past(self, event: AnyEvent) -> bool:
        """It came before, and its call has been put away since."""
        told = self.told.get(event.call)
        return told is not None and event.seq is not None and event.seq <= told.seq

    def _keep(self, call_id: str, state: CallState | None) -> None:
        if state is None:
            self.calls.pop(call_id, None)
            return
        before = self.told.get(call_id)
        self.calls[call_id] = state
        self.told[call_id] = _told(state.fold.call, state.seq, before.rang if before else ())

    def put_away(self, now: float, midnight: float, most: int) -> list[str]:
        """Forget what ended long ago or fell silent, ``most`` calls of each at a time; the calls that this changes."""
        woken = list(islice((call for call, state in self.calls.items() if state.wake <= now), most))
        for call_id in woken:
            self._keep(call_id, step(_NO_RULES, self.calls[call_id], Tick(call=call_id, at=now)).state)
        past = (i for i, told in self.told.items() if i not in self.calls and _is_past(told, now, midnight))
        over = list(islice(past, most))
        for call_id in over:
            del self.told[call_id]
        return woken + over

    def look(self, call_id: str, now: float, midnight: float) -> tuple[Called | None, float | None]:
        """The call as it is at ``now``, and when time alone will change that."""
        told = self.told.get(call_id)
        if told is None:
            return None, None
        state = self.calls.get(call_id)
        call = state.fold.call if state else None
        off_at = call.ended_at + ENDED_SHOWN_S if call and call.ended_at is not None else None
        on_tile = call if call and (off_at is None or now < off_at) else None
        tile = _tile(on_tile) if on_tile else None
        agents = _on_tile(on_tile) if on_tile else ()
        late = told.decided_at + LATELY_S if told.decided_at is not None else None
        tally = _tally(told, midnight, lately=late is not None and now < late)
        seen = Called(tile, agents, told.party, told.line.queue, tally)
        return seen, min((at for at in (off_at, late) if at is not None and at > now), default=None)

    def is_up(self, call_id: str) -> bool:
        """Whether it is on the floor and has not ended."""
        state = self.calls.get(call_id)
        return state is not None and state.fold.call.phase != "ended"

    def span(self, call_id: str) -> tuple[float, float | None] | None:
        """From when to when it went; None as the end: it goes on."""
        told = self.told.get(call_id)
        return (told.line.began_at, told.line.ended_at) if told else None

    def lines(self, agent: str, now: float) -> list[CallLine]:
        """The calls of the day that this agent took part in, or whose phone rang for them; oldest first.

        Where it only rang, the talk is others', and is not told.
        """
        own = [self.line(i, now) for i, told in self.told.items() if agent in told.party]
        rang = (i for i, told in self.told.items() if agent in told.rang and agent not in told.party)
        others = (replace(self.line(i, now), agents=(), talk_s=0.0, held_s=0.0) for i in rang)
        return sorted((*own, *others), key=lambda line: (line.began_at, line.id))

    def line(self, call_id: str, now: float) -> CallLine:
        """One call of the day; the phase that goes on counts up to ``now``. Raises KeyError."""
        line = self.told[call_id].line
        state = self.calls.get(call_id)
        if state is None or state.fold.call.phase == "ended":
            return line
        return _line(state.fold.call, now)


def _is_past(told: Told, now: float, midnight: float) -> bool:
    return told.line.began_at < midnight and now >= (told.decided_at or 0.0) + LATELY_S


def _tally(told: Told, midnight: float, *, lately: bool) -> Tally:
    """The counts of an inbound call; those of the day where it was offered at ``midnight`` or later."""
    line = told.line
    if line.direction != "inbound":
        return Tally()
    late = {"lately_decided": int(lately), "lately_in_time": int(lately and told.in_time)}
    if line.began_at < midnight:
        return Tally(**late)
    abandoned = line.phase == "ended" and not told.answered and line.ended_by == "customer"
    decided = told.decided_at is not None
    return Tally(1, int(told.answered), int(told.in_time), int(abandoned), int(decided), **late)


def _told(call: Call, seq: int, rang: tuple[str, ...]) -> Told:
    answered = call.was_answered
    new = (agent for agent in call.ringing if agent not in rang)
    return Told(
        line=_line(call, call.since),
        party=agents_of(call),
        rang=(*rang, *new),
        answered=answered,
        in_time=call.answered_at is not None and call.answered_at - call.came_at <= IN_TIME_S,
        decided_at=_decided_at(call),
        seq=seq,
    )


def _decided_at(call: Call) -> float | None:
    """When the wait ended; of a call that was found talking nobody knows how long it waited, so it judges no level."""
    if call.was_answered:
        return call.answered_at
    return call.ended_at if call.phase == "ended" else None


def _line(call: Call, now: float) -> CallLine:
    present = replace(call.present, until=max(now, call.since))
    stretches = (*call.stretches, present) if call.phase != "ended" else call.stretches
    return CallLine(
        id=call.id,
        began_at=call.came_at,
        phase=call.phase,
        direction=call.direction,
        queue=call.queue or "",
        caller=mask(call.caller or ""),
        ended_at=call.ended_at,
        ended_by=call.ended_by,
        agents=_people(call, on_the_line(call)),
        ring_s=spent(stretches, "ringing"),
        talk_s=spent(stretches, "talking"),
        held_s=spent(stretches, "held"),
    )


def _people(call: Call, agents: Iterable[str | None]) -> tuple[Person, ...]:
    found = (person_of(agent, call.name_of(agent)) for agent in agents)
    return tuple(person for person in found if person)


def _at_phones(call: Call) -> list[str | None]:
    """Who rings, the longest first, or who is on the line."""
    return [*sorted(call.ringing, key=call.ringing.__getitem__)] if call.phase == "ringing" else [call.agent]


def _passed_to(call: Call) -> str | None:
    return call.transfer_to if call.phase == "transferring" else None


def _on_tile(call: Call) -> tuple[str, ...]:
    """Whose the tile is: the numbers, of which the tile itself shows outside ones only in part."""
    return tuple(agent for agent in (*_at_phones(call), _passed_to(call)) if agent)


def _tile(call: Call) -> Tile:
    to = _passed_to(call)
    since = call.since if call.phase != "ringing" else call.ringing_since or call.since
    return Tile(
        id=call.id,
        phase=call.phase,
        since=since,
        begun_at=call.came_at,
        agents=_people(call, _at_phones(call)),
        to=person_of(to, call.name_of(to)),
        queue=call.queue or "",
        caller=mask(call.caller or ""),
        direction=call.direction,
        answered=call.was_answered,
        ended_at=call.ended_at,
        ended_by=call.ended_by,
    )
