"""What the Asterisk tests share: the captures and their truth, records as short rows, and a small PBX.

The captures stand in ``../shared/calls/asterisk`` of the project's workspace; where that is missing, the
copies in ``traces/asterisk`` are used (the same blocks without CEL, CDR, VarSet and RTCP).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.events import AnyEvent, LegTapped, to_dict
from streams.telephony.asterisk import Translator

HERE = Path(__file__).parent
SHARED = HERE.parents[1] / "shared" / "calls" / "asterisk"
OWN = HERE / "traces" / "asterisk"
FOLDER = SHARED if SHARED.is_dir() else OWN
NAMES = sorted(path.name.removesuffix(".truth.json") for path in FOLDER.glob("*.truth.json"))
T0 = 1_800_000_000.0

Block = dict[str, Any]
Timed = list[tuple[float, Block]]


def capture(name: str, folder: Path = FOLDER) -> Timed:
    """The blocks of a capture with their times of arrival."""
    lines = (folder / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [(row["t"], row["event"]) for row in map(json.loads, lines)]


def without(blocks: Timed, *events: str) -> Timed:
    """The blocks but for these events."""
    return [(at, block) for at, block in blocks if block.get("Event") not in events]


def record(blocks: Iterable[tuple[float, Block]], translator: Translator | None = None) -> list[AnyEvent]:
    """The record of these blocks; no problem may come of them."""
    translator = translator or Translator()
    events = [event for at, block in blocks for event in translator.feed(block, at)]
    events += translator.flush()
    assert translator.take_problems() == []
    return events


def calls_of(events: Iterable[AnyEvent]) -> dict[str, list[dict[str, Any]]]:
    """The record by call, as dicts, each call in the order of ``at``. Taps apart: one alone makes no call."""
    calls: dict[str, list[dict[str, Any]]] = {}
    for event in (event for event in events if not isinstance(event, LegTapped)):
        calls.setdefault(event.call, []).append(to_dict(event))
    return {call: sorted(rows, key=lambda row: row["at"]) for call, rows in calls.items()}


def rows(events: Iterable[AnyEvent], zero: float = T0, *, speech: bool = False) -> list[str]:
    """Short rows: second, type and what matters, in the order in which the events came out."""
    return [_row(to_dict(event), zero) for event in events if speech or not _speech(event)]


def bare(events: Iterable[AnyEvent]) -> list[dict[str, Any]]:
    """The record without speech marks."""
    return [to_dict(event) for event in events if not _speech(event)]


def _speech(event: AnyEvent) -> bool:
    return to_dict(event)["type"].startswith("speech.")


_SHOWN = ("direction", "queue", "agent", "to", "mode", "by", "reason", "role")


def _row(row: dict[str, Any], zero: float) -> str:
    facts = [str(row[key]) for key in _SHOWN if key in row]
    marks = [mark for mark in ("consult", "snapshot") if row.get(mark)]
    by = ["agent"] if row["type"] in ("call.held", "call.resumed") and "by" not in row else []
    return " ".join([f"{row['at'] - zero:.2f}", row["type"], *facts, *by, *marks])


@dataclass
class Chan:
    """A channel of the small PBX."""

    uid: str
    name: str
    number: str
    person: str
    context: str
    exten: str
    linkedid: str
    state: str = "0"
    other: str = "<unknown>"


@dataclass
class Pbx:
    """Writes AMI blocks as Asterisk 22 does, in the order seen in the captures. ``at`` counts from ``T0``."""

    at: float = 0.0
    blocks: Timed = field(default_factory=list)
    serial: int = 0
    names: dict[str, str] = field(default_factory=lambda: {"101": "Ana Lopez", "102": "Ben Ortiz", "103": "Carla Ruiz"})

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.at += seconds

    def say(self, event: str, chan: Chan | None = None, dest: Chan | None = None, **more: str) -> None:
        """One event; channels are spelt out as Asterisk does."""
        block: Block = {"Event": event, "Privilege": "call,all"}
        for prefix, one in (("", chan), ("Dest", dest)):
            if one is not None:
                block |= self.fields(one, prefix)
        self.blocks.append((T0 + self.at, block | more))

    @staticmethod
    def fields(chan: Chan, prefix: str = "") -> Block:
        """A channel's keys."""
        keys = {
            "Channel": chan.name, "ChannelState": chan.state, "CallerIDNum": chan.number or "<unknown>",
            "CallerIDName": chan.person or "<unknown>", "ConnectedLineNum": chan.other, "Context": chan.context,
            "Exten": chan.exten, "Uniqueid": chan.uid, "Linkedid": chan.linkedid,
        }  # fmt: skip
        return {prefix + key: value for key, value in keys.items()}

    def channel(self, name: str, number: str, context: str, exten: str, linkedid: str = "", person: str = "") -> Chan:
        """Newchannel. A channel without a given Linkedid starts one."""
        self.serial += 1
        uid = f"{int(T0 + self.at)}.{self.serial}"
        if ";" not in name:
            name = f"{name}-{self.serial:08x}"
        chan = Chan(uid, name, number, person, context, exten, linkedid or uid, "4" if not linkedid else "0")
        self.say("Newchannel", chan)
        return chan

    def caller(self, exten: str = "800", number: str = "34600000001") -> Chan:
        """Somebody calls in over the trunk."""
        chan = self.channel("PJSIP/trunk", number, "from-trunk", exten)
        chan.state = "6"
        self.say("Newstate", chan)
        return chan

    def phone(self, agent: str, linkedid: str) -> Chan:
        """The channel to an agent's phone, dialled by somebody."""
        return self.channel(f"PJSIP/agent{agent}", agent, "agents", "s", linkedid, self.names.get(agent, ""))

    def line(self, agent: str, exten: str) -> Chan:
        """An agent takes a (second) line and dials."""
        return self.channel(f"PJSIP/agent{agent}", agent, "agents", exten, person=self.names.get(agent, ""))

    def join(self, caller: Chan, queue: str = "hotline") -> None:
        """The caller enters a queue."""
        self.say("QueueCallerJoin", caller, Queue=queue, Position="1", Count="1")
        self.say("MusicOnHoldStart", caller, Class="default")

    def call_agent(self, caller: Chan, agent: str, queue: str = "hotline") -> Chan:
        """The queue rings an agent."""
        phone = self.phone(agent, caller.linkedid)
        who = {"Queue": queue, "Interface": f"PJSIP/agent{agent}", "MemberName": self.names.get(agent, agent)}
        self.say("AgentCalled", caller, phone, **who)
        self.say("DialBegin", caller, phone, DialString=f"PJSIP/agent{agent}")
        self._rings(phone)
        return phone

    def dial(self, caller: Chan, agent: str) -> Chan:
        """The dialplan dials an agent's phone."""
        phone = self.phone(agent, caller.linkedid)
        self.say("DialBegin", caller, phone, DialString=f"agent{agent}")
        self._rings(phone)
        return phone

    def dial_out(self, agent: Chan, number: str) -> Chan:
        """The dialplan dials a customer over the trunk, for an agent."""
        out = self.channel("PJSIP/trunk", "", "from-trunk", "s", agent.linkedid)
        out.other = agent.number
        self.say("DialBegin", agent, out, DialString=f"{number}@trunk")
        self._rings(out)
        return out

    def _rings(self, phone: Chan) -> None:
        phone.state = "5"
        self.say("Newstate", phone)

    def answer(self, caller: Chan, phone: Chan, queue: str = "hotline") -> str:
        """The phone is picked up and the two are bridged; the bridge's id. Empty ``queue``: by Dial."""
        self.pick_up(caller, phone)
        if queue:
            self.say("MusicOnHoldStop", caller)
            self.say("QueueCallerLeave", caller, Queue=queue, Count="0", Position="1")
            who = {"Queue": queue, "Interface": "PJSIP/x", "MemberName": "PJSIP/x", "RingTime": "0", "HoldTime": "0"}
            self.say("AgentConnect", caller, phone, **who)
        return self.bridge(phone, caller)

    def pick_up(self, caller: Chan, phone: Chan) -> None:
        """The phone is picked up."""
        phone.state = "6"
        self.say("Newstate", phone)
        self.say("DialEnd", caller, phone, DialStatus="ANSWER")

    def bridge(self, *chans: Chan) -> str:
        """A new bridge with these in it."""
        self.serial += 1
        bridge = f"bridge-{self.serial}"
        for chan in chans:
            self.enter(bridge, chan)
        return bridge

    def enter(self, bridge: str, chan: Chan, swap: Chan | None = None) -> None:
        """BridgeEnter."""
        chan.state = "6"
        self.say("BridgeEnter", chan, BridgeUniqueid=bridge, **({"SwapUniqueid": swap.uid} if swap else {}))

    def leave(self, bridge: str, *chans: Chan) -> None:
        """BridgeLeave of each."""
        for chan in chans:
            self.say("BridgeLeave", chan, BridgeUniqueid=bridge)

    def stop_ringing(self, caller: Chan, phone: Chan, *statuses: str, cause: str = "0") -> None:
        """DialEnd (twice as a rule: trap 6) and Hangup."""
        for status in statuses:
            self.say("DialEnd", caller, phone, DialStatus=status)
        self.gone(phone, cause=cause)

    def gone(self, *chans: Chan, cause: str = "16") -> None:
        """Hangup of each."""
        for chan in chans:
            self.say("Hangup", chan, **{"Cause": cause, "Cause-txt": "Normal Clearing" if cause == "16" else "Unknown"})

    def bye(self, who: Chan, bridge: str, *legs: Chan) -> None:
        """``who`` hangs up, and with it all ``legs``, the last one last."""
        self.say("HangupRequest", who, Cause="16")
        self.leave(bridge, *legs)
        self.gone(*legs)

    def talk(self, agent: str = "101", ring_s: float = 2.0) -> tuple[Chan, Chan, str]:
        """The usual beginning: caller in the queue, the agent rings ``ring_s`` and answers."""
        caller = self.caller()
        self.join(caller)
        phone = self.call_agent(caller, agent)
        self.wait(ring_s)
        return caller, phone, self.answer(caller, phone)

    def local(self, exten: str, linkedid: str) -> tuple[Chan, Chan]:
        """A Local pair to ``exten`` in context agents."""
        self.serial += 1
        base = f"Local/{exten}@agents-{self.serial:08x}"
        one = self.channel(f"{base};1", "", "agents", exten, linkedid)
        two = self.channel(f"{base};2", "", "agents", exten, linkedid)
        more = self.fields(one, "LocalOne") | self.fields(two, "LocalTwo")
        self.say("LocalBridge", Context="agents", Exten=exten, LocalOptimization="Yes", **more)
        return one, two

    def record(self, translator: Translator | None = None) -> list[str]:
        """The record as rows."""
        return rows(record(self.blocks, translator))


def edited(blocks: Timed, edit: Callable[[Block], None]) -> Timed:
    """A copy of the blocks with ``edit`` applied to each."""
    copy = [(at, dict(block)) for at, block in blocks]
    for _, block in copy:
        edit(block)
    return copy
