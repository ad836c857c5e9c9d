"""The book of open calls: turns what happens to legs into events of the record.

Owns the state of each call (who talks, whose phones ring, hold, transfer) and the rule *when an event is
written*. Knows legs (``asterisk_channels``), but no AMI block and no event name of Asterisk.

Some facts show only by what follows within milliseconds: an Unhold is the end of a hold, or the first sign of
a transfer (trap 5); a phone that stops ringing was cancelled because another answered, because the caller
gave up, or because the queue's limit was reached (traps 3, 6). Such facts *settle*: they are written when
``SETTLE_S`` have passed without a better explanation, always with the time at which they happened.

Times are steady seconds (``asterisk_clock``); ``Call.anchor`` makes Unix seconds of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from streams.events import (
    AgentMissed,
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    CallTransferred,
    CallTransferring,
    Direction,
    LegTapped,
    MissedReason,
    Party,
    Role,
    SpeechEnded,
    SpeechStarted,
    TransferFailed,
    TransferMode,
)

from .asterisk_channels import Channels, Directory, Leg

#: near-simultaneous AMI events change order within about 10 ms (trap 7)
SETTLE_S = 0.15
#: from the feature code to the colleague's number: the agent may dial slowly
DIALLING_S = 15.0
#: a request to hang up and the hang-up itself belong together when they are closer than this
SAME_MOMENT_S = 1.0
_ROLES: tuple[Role, Role] = ("customer", "agent")
_WEIGHT: dict[MissedReason | None, int] = {None: 0, "timeout": 1, "unavailable": 2, "rejected": 3}


#: Lists tell ages in whole seconds: a start that differs by more, seconds, is not believed.
_LISTED_WITHIN_S = 1.0


@dataclass(slots=True)
class Ring:
    """A phone that rings, or has just stopped. ``consult``: a colleague is being asked while the customer waits."""

    uid: str
    agent: str
    consult: bool
    from_queue: bool
    listed_at: float | None = None  # its start as far as the lists tell, to the second
    stopped_at: float | None = None
    reason: MissedReason | None = None


@dataclass(slots=True)
class Transfer:
    """The customer is on the way from ``leg`` (``agent``) to somebody else."""

    mode: TransferMode
    leg: str
    agent: str | None
    away: bool = False
    tried: bool = False
    consulted: bool = False
    colleagues: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Code:
    """A feature code was dialled and a hold followed: an attended transfer, as soon as the number is known."""

    at: float
    held_at: float


@dataclass(slots=True, eq=False)
class Call:
    """One open call. ``customer`` and ``talking`` are Uniqueids; ``released``: when the agent in talk hung up."""

    id: str
    customer: str
    anchor: float
    direction: Direction = "inbound"
    answered: bool = False
    talking: str | None = None
    dialler: str | None = None  # outbound: the agent's leg that dialled
    lost: tuple[float, Party] | None = None  # outbound: the customer's leg was released before it answered
    last_agent: tuple[str, str] | None = None  # uid, number
    rings: dict[str, Ring] = field(default_factory=dict)
    held: dict[Role, float] = field(default_factory=dict)
    resuming: dict[Role, float] = field(default_factory=dict)
    code: Code | None = None
    transfer: Transfer | None = None
    released: tuple[float, int] | None = None
    left_at: float | None = None
    open_since: float = 0.0
    speaking: set[Role] = field(default_factory=set)
    linkedids: set[str] = field(default_factory=set)
    legs: set[str] = field(default_factory=set)

    @property
    def unsettled(self) -> bool:
        """Something waits to be explained."""
        return bool(self.resuming or self.code or any(r.stopped_at is not None for r in self.rings.values()))


class Calls:
    """All open calls, and the events they have given since :meth:`take`."""

    def __init__(self, channels: Channels, directory: Directory) -> None:
        self._channels = channels
        self._directory = directory
        self._open: dict[str, Call] = {}
        self._linked: dict[str, str] = {}
        self._unsettled: set[str] = set()
        self._out: list[AnyEvent] = []
        self._order = count()
        self.snapshot = False  # written into each event while a list of running calls is read

    def __len__(self) -> int:
        return len(self._open) + len(self._linked) + len(self._unsettled)

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._open.values()))

    def take(self) -> list[AnyEvent]:
        """The events since the last call, in the order in which they became certain."""
        taken, self._out = self._out, []
        return taken

    # -- finding ------------------------------------------------------------------------------------------

    def of(self, leg: Leg | None) -> Call | None:
        """The call that this leg is a party of."""
        return self._open.get(leg.call) if leg is not None and leg.call else None

    def of_customer(self, leg: Leg | None) -> Call | None:
        """The call whose customer this leg is."""
        call = self.of(leg)
        return call if call is not None and leg is not None and call.customer == leg.uid else None

    def linked(self, linkedid: str) -> Call | None:
        """The call one of whose legs carries this Linkedid at present (they change: trap 8)."""
        return self._open.get(self._linked.get(linkedid, ""))

    def consulted_by(self, leg: Leg) -> Call | None:
        """The call that this phone keeps on hold on another of its lines."""
        best: Call | None = None
        for call in self._open.values():
            talking = self._channels.get(call.talking)
            if talking is None or talking.uid == leg.uid or talking.endpoint != leg.endpoint:
                continue
            if "agent" in call.held and (best is None or call.held["agent"] > best.held["agent"]):
                best = call
        return best

    def join(self, call: Call, leg: Leg) -> None:
        """``leg`` is a party of ``call``; remembers its Linkedid."""
        leg.call = call.id
        call.legs.add(leg.uid)
        if leg.linkedid:
            call.linkedids.add(leg.linkedid)
            self._linked[leg.linkedid] = call.id

    # -- the life of a call -------------------------------------------------------------------------------

    def offer(  # noqa: PLR0913 - what the record says about a new call
        self,
        leg: Leg,
        at: float,
        shift_s: float,
        caller: str,
        called: str,
        *,
        queue: str = "",
        direction: Direction = "inbound",
    ) -> Call:
        """A customer's call begins: ``leg`` is the customer. The id is its Linkedid at first sight."""
        name = leg.linkedid or leg.uid
        if name in self._open:
            name = leg.uid
        call = Call(name, leg.uid, shift_s, direction, open_since=at)
        self._open[name] = call
        self.join(call, leg)
        self._write(
            CallOffered(
                call=name,
                at=self._unix(call, at),
                caller=caller or None,
                called=called or None,
                queue=queue or None,
                direction=direction,
                extra=self._extra(),
            )
        )
        return call

    def ring(self, call: Call, leg: Leg, at: float, *, consult: bool = False, from_queue: bool = False) -> None:
        """An agent's phone begins to ring; once per leg, whatever says so."""
        if leg.uid in call.rings or leg.call == call.id:
            return
        agent, name = self._directory.who(leg)
        self.join(call, leg)
        call.rings[leg.uid] = Ring(leg.uid, agent, consult, from_queue, at if self.snapshot else None)
        if call.transfer is not None:
            call.transfer.colleagues.add(leg.uid)
        self._write(
            AgentRinging(
                call=call.id, at=self._unix(call, at), agent=agent, agent_name=name, extra=self._extra(consult)
            )
        )

    def rang_since(self, call: Call, leg: Leg, at: float) -> None:
        """The true start of a ring that was only listed when we connected: said again with its time."""
        ring = call.rings.get(leg.uid)
        if ring is None or ring.listed_at is None or abs(ring.listed_at - at) > _LISTED_WITHIN_S:
            return
        ring.listed_at = None
        self._write(AgentRinging(call=call.id, at=self._unix(call, at), agent=ring.agent, extra={"snapshot": True}))

    def stop(self, call: Call, uid: str, at: float, reason: MissedReason | None) -> None:
        """That phone rings no more. ``reason`` None: unknown; the weightiest of several reports counts (trap 11)."""
        ring = call.rings.get(uid)
        if ring is None:
            return
        if ring.stopped_at is None:
            ring.stopped_at = at
        if _WEIGHT[reason] > _WEIGHT[ring.reason]:
            ring.reason = reason
        self._unsettled.add(call.id)

    def silent(self, call: Call, uid: str) -> None:
        """Its channel is gone, nothing more will be said about it: write it if the reason is known."""
        ring = call.rings.get(uid)
        if ring is not None and ring.reason is not None:
            self._missed(call, ring)

    def pick_up(self, call: Call, leg: Leg, at: float) -> None:
        """The phone ``leg`` was answered."""
        ring = call.rings.get(leg.uid)
        if ring is not None and ring.consult:
            del call.rings[leg.uid]
            if call.transfer is not None:
                call.transfer.consulted = True
            self._answered(call, leg, at, consult=True)
        elif call.transfer is not None or call.talking is None:
            self.connect(call, leg, at)

    def connect(self, call: Call, leg: Leg, at: float) -> None:
        """The customer and the agent at ``leg`` are connected."""
        if call.talking == leg.uid:
            return
        transfer, before = call.transfer, call.talking
        agent, name = self._directory.who(leg)
        self._take(call, leg, at, agent)
        if transfer is not None and transfer.agent == agent:
            self._write(self._failure(call, at, "nobody took it"))
            self._answered(call, leg, at)
        elif transfer is not None or before is not None:
            self._write(
                CallTransferred(
                    call=call.id, at=self._unix(call, at), agent=agent, agent_name=name, extra=self._extra()
                )
            )
        else:
            self._answered(call, leg, at)
        self.listen(call, at)

    def hold(self, call: Call, role: Role, at: float, code_at: float | None = None) -> None:
        """One side put the other on hold. With ``code_at`` it is the start of a transfer by feature code."""
        if role in call.resuming:
            self._settle_holds(call)
        if role in call.held or (role == "agent" and call.code is not None):
            return
        if code_at is not None:
            call.code = Code(code_at, at)
            self._unsettled.add(call.id)
        else:
            call.held[role] = at
            self._write(CallHeld(call=call.id, at=self._unix(call, at), by=role, extra=self._extra()))
        self.listen(call, at)

    def unhold(self, call: Call, role: Role, at: float) -> None:
        """The hold seems to be over. Without a hold it means nothing (trap 5)."""
        if role in call.held or (role == "agent" and call.code is not None):
            call.resuming.setdefault(role, at)
            self._unsettled.add(call.id)

    def transferring(self, call: Call, mode: TransferMode, at: float, leg: Leg | None, to: str) -> None:
        """``leg`` asked for the customer to be passed on. A second report of the same changes nothing."""
        if call.transfer is not None:
            return
        agent = self._directory.who(leg)[0] if leg is not None else (call.last_agent or ("", ""))[1]
        self._forget_hold(call)
        uid = leg.uid if leg is not None else (call.last_agent or ("", ""))[0]
        call.transfer = Transfer(mode, uid, agent or None)
        call.left_at = None
        self._write(
            CallTransferring(
                call=call.id, at=self._unix(call, at), agent=agent or None, to=to or None, mode=mode,
                extra=self._extra(),
            )
        )  # fmt: skip
        if mode == "blind":
            call.talking = None
        self.listen(call, at)

    def let_go(self, call: Call) -> None:
        """In an attended transfer the transferring agent leaves; who still rings, rings for the customer now."""
        if call.transfer is None:
            return
        call.transfer.away = True
        call.talking = None
        for ring in call.rings.values():
            ring.consult = ring.consult and ring.stopped_at is not None

    def fail_transfer(self, call: Call, at: float, back: Leg | None) -> None:
        """Nobody took it: the customer is with ``back`` again, or (None) in a queue."""
        if call.transfer is None:
            return
        reason = "given up" if call.transfer.consulted else "no answer"
        for ring in list(call.rings.values()):
            if ring.consult:
                ring.stopped_at = ring.stopped_at or at
                ring.reason = ring.reason or "timeout"
                self._missed(call, ring)
        call.transfer = None
        call.talking = back.uid if back is not None else None
        call.open_since = at
        self._write(self._failure(call, at, reason))
        self.listen(call, at)

    def end(self, call: Call, at: float, by: Party, cause: str) -> None:
        """The customer's line is released."""
        self._settle_holds(call)
        self._give_up_code(call)
        for ring in list(call.rings.values()):
            if ring.reason is not None:
                self._missed(call, ring)
        self._write(CallEnded(call=call.id, at=self._unix(call, at), by=by, cause=cause or None, extra=self._extra()))
        self._forget(call)

    def tapped(self, call: str, role: Role, leg: str, at: float) -> None:
        """The sound of that party comes in under the name ``leg``. ``at``: Unix seconds."""
        self._write(LegTapped(call=call, at=round(max(at, 0.0), 6), role=role, leg=leg, extra=self._extra()))

    def next_order(self) -> int:
        """A number that grows: decides which of two requests with the same time came first."""
        return next(self._order)

    # -- settling -----------------------------------------------------------------------------------------

    def settle(self, now: float | None) -> None:
        """Write what has waited for ``SETTLE_S``; None: everything."""
        for name in sorted(self._unsettled):
            call = self._open.get(name)
            if call is not None:
                self._settle(call, now)
            if call is None or not call.unsettled:
                self._unsettled.discard(name)

    def _settle(self, call: Call, now: float | None) -> None:
        for ring in list(call.rings.values()):
            if ring.stopped_at is not None and _over(ring.stopped_at, SETTLE_S, now):
                self._missed(call, ring)
        if any(_over(at, SETTLE_S, now) for at in call.resuming.values()):
            self._settle_holds(call)
        if call.code is not None and _over(call.code.held_at, DIALLING_S, now):
            self._give_up_code(call)

    def _settle_holds(self, call: Call) -> None:
        for role, at in sorted(call.resuming.items()):
            if role == "agent":
                self._give_up_code(call)
            call.held.pop(role, None)
            call.open_since = at
            self._write(CallResumed(call=call.id, at=self._unix(call, at), by=role, extra=self._extra()))
        if call.resuming:
            latest = max(call.resuming.values())
            call.resuming.clear()
            self.listen(call, latest)

    def _give_up_code(self, call: Call) -> None:
        """No number followed the feature code: then it was a hold."""
        if call.code is not None:
            held_at, call.code = call.code.held_at, None
            call.held["agent"] = held_at
            self._write(CallHeld(call=call.id, at=self._unix(call, held_at), extra=self._extra()))

    # -- speech -------------------------------------------------------------------------------------------

    def listen(self, call: Call, at: float) -> None:
        """Bring the speech marks up to date: they run only while both sides hear each other (trap 17)."""
        customer = self._channels.get(call.customer)
        if call.released is not None or (customer is not None and customer.hangup is not None):
            return  # call.ended, with the time of that request, ends all speech
        hear = bool(call.talking and not call.held and not call.transfer and not call.code)
        for role in _ROLES:
            leg = self._channels.get(call.customer if role == "customer" else call.talking)
            since = leg.speaking_since if hear and leg is not None else None
            if since is not None and role not in call.speaking:
                call.speaking.add(role)
                start = self._unix(call, max(since, call.open_since))
                self._write(SpeechStarted(call=call.id, at=start, role=role))
            elif since is None and role in call.speaking:
                call.speaking.discard(role)
                self._write(SpeechEnded(call=call.id, at=self._unix(call, at), role=role))

    # -- inside -------------------------------------------------------------------------------------------

    def _take(self, call: Call, leg: Leg, at: float, agent: str) -> None:
        """``leg`` talks with the customer from now on: whatever waited to be explained is explained by that."""
        call.talking = None
        self.listen(call, at)
        self._forget_hold(call)
        for ring in list(call.rings.values()):
            if ring.reason is not None and ring.uid != leg.uid:
                self._missed(call, ring)
        call.rings.clear()
        call.transfer = None
        call.answered, call.talking, call.last_agent = True, leg.uid, (leg.uid, agent)
        call.released, call.left_at, call.lost = None, None, None
        call.open_since = at
        self.join(call, leg)

    def _forget_hold(self, call: Call) -> None:
        """A transfer ends the agent's hold and implies it: no call.resumed. The customer's own hold stays."""
        call.held.pop("agent", None)
        call.resuming.pop("agent", None)
        call.code = None

    def _missed(self, call: Call, ring: Ring) -> None:
        """Write that the phone was not answered, unless the caller has given up: then call.ended says all."""
        call.rings.pop(ring.uid, None)
        customer = self._channels.get(call.customer)
        if customer is not None and customer.hangup is not None:
            return
        if call.transfer is not None and not ring.from_queue:
            call.transfer.tried = True
        self._write(
            AgentMissed(
                call=call.id,
                at=self._unix(call, ring.stopped_at or 0.0),
                agent=ring.agent,
                reason=ring.reason or "timeout",
                extra=self._extra(ring.consult),
            )
        )

    def _answered(self, call: Call, leg: Leg, at: float, *, consult: bool = False) -> None:
        agent, name = self._directory.who(leg)
        self._write(
            CallAnswered(
                call=call.id, at=self._unix(call, at), agent=agent, agent_name=name, extra=self._extra(consult)
            )
        )

    def _failure(self, call: Call, at: float, reason: str) -> TransferFailed:
        return TransferFailed(call=call.id, at=self._unix(call, at), reason=reason, extra=self._extra())

    def _forget(self, call: Call) -> None:
        self._open.pop(call.id, None)
        self._unsettled.discard(call.id)
        for linkedid in call.linkedids:
            if self._linked.get(linkedid) == call.id:
                del self._linked[linkedid]
        for uid in call.legs:
            leg = self._channels.get(uid)
            if leg is not None and leg.call == call.id:
                leg.call = None

    def _extra(self, consult: bool = False) -> dict[str, bool]:
        return ({"consult": True} if consult else {}) | ({"snapshot": True} if self.snapshot else {})

    def _unix(self, call: Call, at: float) -> float:
        return round(max(at - call.anchor, 0.0), 6)

    def _write(self, event: AnyEvent) -> None:
        self._out.append(event)


def _over(since: float, wait_s: float, now: float | None) -> bool:
    return now is None or now - since > wait_s
