"""The PBX's channels and bridges as the AMI shows them, and who the agents are.

Owns legs (one per channel, keyed by Uniqueid), which of them are bridged, who dialled whom, and the
directory of agents' phones. Knows nothing of calls: ``Leg.call`` is only carried here.

Local channels come in pairs ``;1`` and ``;2`` that pass everything through; a queue member
``Local/101@agents/n`` puts one pair between the caller and the phone (trap 9). :meth:`Channels.root` and
:meth:`Channels.reach` look through them, so that the rest never has to.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from .asterisk_blocks import LONGEST_ID, Block, person, text

#: technologies behind which nobody sits: pairs, recorders, taps, external media
_MACHINES = frozenset(
    {"Announcer", "AsyncGoto", "AudioSocket", "CBAnn", "CBRec", "Conference", "Local", "Message", "MulticastRTP"}
    | {"Parked", "Recorder", "Snoop", "Surrogate", "UnicastRTP", "WebSocket"}
)
_SERIAL = re.compile(r"-[0-9a-fA-F]+$")
_PAIR = re.compile(r"^(Local/.+);([12])$")
_LOCAL = re.compile(r"^Local/([^@/]+)@([^/;]+?)(?:-[0-9a-fA-F]+)?(?:/[a-z]+)?$")
_UNUSABLE_EXTENS = frozenset({"", "s", "h", "i", "t"})
#: hung-up channels remembered, so that a late event or list does not bring them back
_GONE_KEPT = 2048


@dataclass(slots=True, eq=False)
class Leg:
    """One channel. Times are steady seconds; ``hangup`` is when and in which order its party hung up."""

    uid: str
    name: str
    linkedid: str = ""
    number: str = ""  # the caller id it was born with: an agent's own number
    person: str = ""
    caller: str = ""  # the caller id it shows now
    born_context: str = ""
    born_exten: str = ""
    context: str = ""
    exten: str = ""
    alias: str = ""  # what it was dialled as, where the endpoint does not tell (a trunk)
    member: str = ""
    application: str = ""
    data: str = ""
    up: bool = False
    ringing: bool = False
    dialled_by: str | None = None
    bridge: str | None = None
    entered_at_exten: tuple[str, str] = ("", "")
    hangup: tuple[float, int] | None = None
    call: str | None = None
    consult: str | None = None
    speaking_since: float | None = None
    digits: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=8))
    born: tuple[float, float] | None = None  # earliest, latest
    seen: int = 0

    @property
    def endpoint(self) -> str:
        """``PJSIP/agent101`` of ``PJSIP/agent101-0000001d``."""
        return _SERIAL.sub("", self.name)

    @property
    def local(self) -> bool:
        """One half of a Local pair."""
        return self.name.startswith("Local/")

    @property
    def real(self) -> bool:
        """Somebody may sit at the other end."""
        return self.name.partition("/")[0] not in _MACHINES

    @property
    def dialled(self) -> str:
        """The number that this channel dialled when it came in; empty where unknown."""
        for exten in (self.born_exten, self.exten):
            if exten not in _UNUSABLE_EXTENS:
                return exten
        return ""


class Directory:
    """Agents' phones: which endpoints they are, the number and the name that staff know.

    Only trustworthy sources: the caller id with which a phone's own channel is born, and the queues' members.
    ``DestCallerIDNum`` is not one: for a Local member it is the number that the *caller* dialled (802).
    """

    def __init__(self, agent_contexts: tuple[str, ...]) -> None:
        self.contexts = frozenset(agent_contexts)
        self._agents: set[str] = set()
        self._numbers: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._members: dict[str, str] = {}

    def learn_phone(self, leg: Leg) -> None:
        """A channel was born; if in an agents' context, it is an agent's phone."""
        if not leg.real or leg.born_context not in self.contexts:
            return
        self._agents.add(leg.endpoint)
        if leg.number:
            self._numbers[leg.endpoint] = leg.number
        if leg.person:
            self._names[leg.endpoint] = leg.person

    def learn_member(self, interface: str, name: str, state_interface: str = "") -> None:
        """A queue has this member. ``PJSIP/0912@trunk`` is an agent, but the trunk is not."""
        local = _LOCAL.match(interface)
        endpoint = (state_interface or interface) if local else interface
        if not endpoint or endpoint.startswith("Local/") or "@" in endpoint:
            return
        self._agents.add(endpoint)
        if local and endpoint not in self._numbers:
            self._numbers[endpoint] = local.group(1)
        if name and name != interface:
            self._members[endpoint] = name

    def is_agent(self, leg: Leg) -> bool:
        """Whether this is an agent's phone, whatever it does at the moment."""
        return leg.real and (leg.endpoint in self._agents or leg.born_context in self.contexts)

    def who(self, leg: Leg) -> tuple[str, str | None]:
        """(number, name) of the person at this leg."""
        endpoint = leg.endpoint
        known = endpoint in self._agents
        number = leg.alias or (self._numbers.get(endpoint) if known else "") or leg.number
        name = leg.member or self._members.get(endpoint) or self._names.get(endpoint) or leg.person
        return (number or _bare(endpoint) or leg.uid)[:LONGEST_ID], name or None


def _bare(endpoint: str) -> str:
    """``agent101`` of ``PJSIP/agent101``, ``101`` of ``Local/101@agents``."""
    local = _LOCAL.match(endpoint.partition(";")[0])
    return local.group(1) if local else endpoint.partition("/")[2] or endpoint


class Channels:
    """The legs that exist now and how they hang together."""

    def __init__(self) -> None:
        self.legs: dict[str, Leg] = {}
        self.generation = 0
        self._names: dict[str, str] = {}
        self._bridges: dict[str, set[str]] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self.legs) + len(self._names) + len(self._bridges)

    def get(self, uid: str | None) -> Leg | None:
        """The leg, or None."""
        return self.legs.get(uid) if uid else None

    def is_gone(self, uid: str) -> bool:
        """It has hung up before."""
        return uid in self._gone

    def see(self, block: Block, prefix: str = "", *, make: bool = True) -> Leg | None:
        """The leg that ``{prefix}Uniqueid`` names, refreshed; made if need be, unless it is known to be gone."""
        uid = text(block, f"{prefix}Uniqueid")
        leg = self.legs.get(uid)
        if leg is None:
            name = text(block, f"{prefix}Channel")
            if not (make and uid and name) or uid in self._gone:
                return None
            leg = self._make(uid, name)
            if prefix == "Dest":
                leg.born_context = text(block, "DestContext")
                leg.number = self._own_number(block)
                leg.person = person(block, "DestCallerIDName")
        self._refresh(leg, block, prefix)
        return leg

    def born(self, block: Block, at: float) -> Leg | None:
        """Newchannel: the only block whose caller id, context and exten are surely the channel's own."""
        leg = self.see(block)
        if leg is not None:
            leg.number = person(block, "CallerIDNum")
            leg.person = person(block, "CallerIDName")
            leg.born_context, leg.born_exten = text(block, "Context"), text(block, "Exten")
            leg.born = (at, at)
        return leg

    def rename(self, leg: Leg, name: str) -> None:
        """A masquerade gave the channel another name."""
        if self._names.get(leg.name) == leg.uid:
            del self._names[leg.name]
        leg.name = name
        self._names[name] = leg.uid

    def drop(self, leg: Leg) -> None:
        """It hung up."""
        self.leave(leg.bridge, leg)
        self.legs.pop(leg.uid, None)
        if self._names.get(leg.name) == leg.uid:
            del self._names[leg.name]
        self._gone[leg.uid] = None
        while len(self._gone) > _GONE_KEPT:
            self._gone.popitem(last=False)

    def enter(self, bridge: str, leg: Leg, swap: str = "") -> None:
        """``leg`` joins ``bridge``, in the place of ``swap`` if that is given (trap 8)."""
        if leg.bridge != bridge:
            self.leave(leg.bridge, leg)
        swapped = self.legs.get(swap)
        if swapped is not None:
            self.leave(bridge, swapped)
        leg.bridge, leg.up, leg.ringing = bridge, True, False
        leg.entered_at_exten = (leg.context, leg.exten)
        self._bridges.setdefault(bridge, set()).add(leg.uid)

    def leave(self, bridge: str | None, leg: Leg) -> None:
        """``leg`` is no longer in ``bridge``; one that has moved on already stays where it is."""
        if bridge is None:
            return
        if leg.bridge == bridge:
            leg.bridge = None
        members = self._bridges.get(bridge)
        if members is not None:
            members.discard(leg.uid)
            if not members:
                del self._bridges[bridge]

    def destroy(self, bridge: str) -> None:
        """The bridge is gone, with whatever we still believed to be in it."""
        for leg in self.members(bridge):
            self.leave(bridge, leg)

    def members(self, bridge: str | None) -> list[Leg]:
        """Who is in this bridge."""
        return [self.legs[uid] for uid in self._bridges.get(bridge or "", ()) if uid in self.legs]

    def partner(self, leg: Leg) -> Leg | None:
        """The other half of a Local pair. By name: some blocks of Local channels carry no Uniqueid (trap 9)."""
        pair = _PAIR.match(leg.name)
        if pair is None:
            return None
        other = "2" if pair.group(2) == "1" else "1"
        return self.get(self._names.get(f"{pair.group(1)};{other}"))

    def root(self, leg: Leg) -> Leg:
        """Who really dials: looks through Local pairs back to the leg that called them."""
        for _ in range(8):
            pair = self.partner(leg) if leg.local else None
            dialler = self.get(pair.dialled_by) if pair else None
            if dialler is None:
                return leg
            leg = dialler
        return leg

    def reach(self, leg: Leg) -> list[Leg]:
        """The people that ``leg`` is connected with, through bridges and Local pairs, in the order found."""
        seen, edge, found = {leg.uid}, deque([leg]), []
        while edge:
            here = edge.popleft()
            for near in self._near(here):
                if near.uid not in seen:
                    seen.add(near.uid)
                    edge.append(near)
                    if near.real:
                        found.append(near)
        return found

    def phone(self, leg: Leg) -> Leg:
        """The real phone behind ``leg``: itself, or what a Local pair leads to; ``leg`` where there is none yet."""
        other = self.partner(leg) if leg.local else None
        if other is None:
            return leg
        for far in self._beyond(other):
            if far.real:
                return far
        return leg

    def dialled_by(self, uid: str) -> Iterator[Leg]:
        """The legs that ``uid`` dialled. Looks through all legs: for rare events only."""
        return (leg for leg in list(self.legs.values()) if leg.dialled_by == uid)

    def _beyond(self, leg: Leg) -> Iterator[Leg]:
        answered = sorted(self.dialled_by(leg.uid), key=lambda far: not far.up)
        yield from answered
        yield from (far for far in self.members(leg.bridge) if far.uid != leg.uid)

    def _near(self, leg: Leg) -> list[Leg]:
        near = sorted(self.members(leg.bridge), key=lambda member: member.uid)
        other = self.partner(leg)
        return [*near, other] if other else near

    def _make(self, uid: str, name: str) -> Leg:
        leg = Leg(uid, name)
        self.legs[uid] = leg
        self._names[name] = uid
        return leg

    def _refresh(self, leg: Leg, block: Block, prefix: str) -> None:
        leg.seen = self.generation
        leg.linkedid = text(block, f"{prefix}Linkedid")[:LONGEST_ID] or leg.linkedid
        leg.context = text(block, f"{prefix}Context") or leg.context
        leg.exten = text(block, f"{prefix}Exten") or leg.exten
        leg.caller = person(block, f"{prefix}CallerIDNum") or leg.caller
        state = text(block, f"{prefix}ChannelState")
        leg.up = leg.up or state == "6"
        leg.ringing = state == "5" or (leg.ringing and state == "")

    @staticmethod
    def _own_number(block: Block) -> str:
        """DestCallerIDNum, unless it is only what the caller dialled or the caller's own number (a stale field)."""
        number = person(block, "DestCallerIDNum")
        return "" if number in (text(block, "Exten"), person(block, "CallerIDNum")) else number
