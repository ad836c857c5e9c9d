"""A recorded PBX: serves captures over TCP as Asterisk would, with their own timing, login included.

So that the AMI client, the demo and the tests talk to a socket and not to a file. Owns the play time and the
server's side of AMI; knows nothing of calls as the record sees them.

A capture is what one AMI client once received. What was said to *that* client (banner, answers, lists) is not
played again; its events are, to every client that is logged in. Recorded lists, and the events themselves, teach a
:class:`Switchboard` what is up, and from that the server answers the lists that a client asks for, at any time.

Three clocks: a capture's offset (seconds since its first block), the timeline (offsets of all captures laid
out side by side or one after the other), and wall time = start + timeline / speed. All durations that a client
is told (Duration, Seconds, Wait) are wall time, as it would measure them itself.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import re
import socket
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from streams.problem import Problem
from streams.telephony.capture import TimedBlock, read_capture

log = logging.getLogger(__name__)

Fields = dict[str, str | list[str]]

BANNER: Final = b"Asterisk Call Manager/11.0.0\r\n"
#: Garbage as a broken proxy makes it: no header, no block.
GARBAGE: Final = b"\x00\xff\xfe%%% not AMI %%%\r\nneither: key\x80\x81nor value\r\n\r\n"
#: Bytes that a client may be behind before it is cut off, as Asterisk cuts off who does not read.
LAG_LIMIT: Final = 1 << 20
#: A longer step between two blocks is a clock that was set, not half an hour without a call.
LONGEST_SILENCE_S: Final = 1800.0
#: Blocks sent in one go before the other tasks have a turn.
BURST: Final = 64


class NothingToPlayError(ValueError):
    """A capture without a single block that can be played; the text says why."""


# ---------------------------------------------------------------------------------------------- captures


@dataclass(frozen=True, slots=True)
class Moment:
    """One recorded block. ``t``: its arrival in Unix seconds; ``offset_s`` never runs backwards.

    ``spoken``: an event for every client. The others, items of recorded lists, only teach the switchboard.
    """

    offset_s: float
    t: float
    block: Fields
    spoken: bool


@dataclass(frozen=True, slots=True)
class Capture:
    """A recording ready to be played.

    ``before``: what was already up when it began, as far as it can be told. ``births``: Uniqueid → offset.
    """

    name: str
    moments: tuple[Moment, ...]
    before: tuple[Moment, ...]
    ids: frozenset[str]
    births: dict[str, float]
    problems: tuple[str, ...]

    @property
    def start(self) -> float:
        """Arrival of the first block, Unix seconds."""
        return self.moments[0].t - self.moments[0].offset_s

    @property
    def length_s(self) -> float:
        """From the first block to the last one."""
        return self.moments[-1].offset_s

    @property
    def spoken(self) -> int:
        """Number of blocks that a client receives."""
        return sum(moment.spoken for moment in self.moments)


LIST_ITEMS: Final = frozenset(
    {
        "QueueParams", "QueueMember", "QueueEntry", "QueueStatusComplete", "CoreShowChannel",
        "CoreShowChannelsComplete", "BridgeListItem", "BridgeListComplete", "Status", "StatusComplete",
        "QueueSummary", "QueueSummaryComplete",
    }
)  # fmt: skip


def load(path: Path) -> Capture:
    """Read a capture as far as it can be read.

    Raises:
        OSError: the file cannot be opened.
        NothingToPlayError: it holds no block with a time.
    """
    problems: list[str] = []
    moments = tuple(_moments(_timed(path, problems), path.name, problems))
    if not any(moment.spoken for moment in moments):
        raise NothingToPlayError(f"{path.name}: no block that can be played" + "".join(f"; {p}" for p in problems[:1]))
    before = tuple(_already_up(moments))
    return Capture(path.name, moments, before, _ids(moments), _births(moments), tuple(problems))


def _timed(path: Path, problems: list[str]) -> Iterator[TimedBlock]:
    for item in read_capture(path):
        if isinstance(item, Problem):
            problems.append(str(item))
        else:
            yield item


def _moments(timed: Iterable[TimedBlock], name: str, problems: list[str]) -> Iterator[Moment]:
    offset_s, last = 0.0, None
    answers: set[str] = set()
    for item in timed:
        step_s = item.at - last if last is not None else 0.0
        if not -1 < step_s < LONGEST_SILENCE_S:
            problems.append(f"{name}:{item.line}: the clock jumps by {step_s:+.0f} s (played as no time at all)")
        offset_s += step_s if 0 < step_s < LONGEST_SILENCE_S else 0.0
        last, block = item.at, _clean(item.block)
        if "_banner" in block or _one(block, "Event") == "FullyBooted":
            continue
        if "Event" not in block:
            answers.add(_one(block, "ActionID"))
            continue
        listed = _one(block, "ActionID") in answers or _one(block, "Event") in LIST_ITEMS
        yield Moment(offset_s, item.at, block, spoken=not listed or _one(block, "Event") == "OriginateResponse")


def _clean(block: Mapping[str, object]) -> Fields:
    """Headers as text, whatever a hand-made capture has in their place."""
    return {
        key: [str(v) for v in value] if isinstance(value, list) else str(value)
        for key, value in block.items()
        if value is not None
    }


def _already_up(moments: Sequence[Moment]) -> Iterator[Moment]:
    """Recorded list items about channels and bridges that the capture never saw begin, and the queues' staff."""
    begun: set[str] = set()
    staff: set[tuple[str, ...]] = set()
    for moment in moments:
        event, block = _one(moment.block, "Event"), moment.block
        if event in ("Newchannel", "BridgeCreate"):
            begun.add(_one(block, "Uniqueid") or _one(block, "BridgeUniqueid"))
        elif event in ("CoreShowChannel", "Status", "QueueEntry", "BridgeListItem"):
            if (_one(block, "Uniqueid") or _one(block, "BridgeUniqueid")) not in begun:
                yield moment
        elif (key := _staff_key(event, block)) and key not in staff:
            staff.add(key)
            if event != "QueueMemberAdded":
                yield Moment(moment.offset_s, moment.t, _at_rest(event, block), spoken=False)


def _staff_key(event: str, block: Fields) -> tuple[str, ...] | None:
    if event == "QueueParams":
        return "queue", _one(block, "Queue")
    if event in ("QueueMember", "QueueMemberStatus", "QueueMemberAdded"):
        return "member", _one(block, "Queue"), _one(block, "Location") or _one(block, "Interface")
    return None


def _at_rest(event: str, block: Fields) -> Fields:
    """A member's state before its first event: not in use (1), as nothing else is known."""
    return block if event != "QueueMemberStatus" else {**block, "Status": "1", "InCall": "0"}


# ---------------------------------------------------------------------------------------------- renewed ids

_BRIDGE_ID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_CALL_ID = r"(?<![\d.])\d{9,11}\.\d+(?!\d)"
_CHANNEL = r"[A-Za-z0-9]+/[^\s,;&|\"()=/]+-[0-9a-f]{8}(?![0-9a-f-])"
TOKEN: Final = re.compile(f"{_BRIDGE_ID}|{_CALL_ID}|{_CHANNEL}")
_ID_KEY: Final = re.compile(r"(uniqueid|linkedid|channel|bridgeid)$", re.IGNORECASE)

#: Serials never repeat within this process, and start anew from the clock with the next one.
_serials = itertools.count(int(time.time() * 1000) % 86_400_000)


def _ids(moments: Iterable[Moment]) -> frozenset[str]:
    """Every id of a call, channel or bridge. Only these are renewed: an AudioSocket's UUID only looks like one."""
    values = (v for m in moments for k, value in m.block.items() if _ID_KEY.search(k) for v in _all(value))
    return frozenset(token for value in values for token in TOKEN.findall(value))


def _births(moments: Iterable[Moment]) -> dict[str, float]:
    blocks = ((m.block, m.offset_s) for m in moments if _one(m.block, "Event") == "Newchannel")
    return {uid: at_s for block, at_s in blocks for uid in TOKEN.findall(_one(block, "Uniqueid"))}


class Renamer:
    """Gives every id of one capture a new one for one round, the same wherever it stands, also inside JSON.

    ``birth`` tells the Unix time, in the present play, at which the channel of a Uniqueid is made: its whole
    second is the first part of the new Uniqueid, as it is of every real one.
    """

    def __init__(self, ids: frozenset[str], birth: Callable[[str], float]) -> None:
        self._ids, self._birth = ids, birth
        self._new: dict[str, str] = {}

    def block(self, block: Fields) -> Fields:
        """The block under its new ids."""
        return {key: self._value(value) for key, value in block.items()}

    def _value(self, value: str | list[str]) -> str | list[str]:
        if isinstance(value, list):
            return [TOKEN.sub(self._swap, v) for v in value]
        return TOKEN.sub(self._swap, value)

    def _swap(self, found: re.Match[str]) -> str:
        old = found.group()
        if old not in self._ids:
            return old
        if old not in self._new:
            self._new[old] = self._fresh(old)
        return self._new[old]

    def _fresh(self, old: str) -> str:
        if "/" in old:
            return f"{old[:-8]}{next(_serials) & 0xFFFFFFFF:08x}"
        if "-" in old:
            return str(uuid.uuid4())
        return f"{int(self._birth(old))}.{next(_serials)}"


# ---------------------------------------------------------------------------------------------- what is up

CHANNEL_KEYS: Final = (
    "Channel", "ChannelState", "ChannelStateDesc", "CallerIDNum", "CallerIDName", "ConnectedLineNum",
    "ConnectedLineName", "Language", "AccountCode", "Context", "Exten", "Priority", "Uniqueid", "Linkedid",
)  # fmt: skip
BRIDGE_KEYS: Final = (
    "BridgeUniqueid", "BridgeType", "BridgeTechnology", "BridgeCreator", "BridgeName", "BridgeNumChannels",
    "BridgeVideoSourceMode",
)  # fmt: skip
MEMBER_KEYS: Final = (
    "Queue", "Name", "Location", "StateInterface", "Membership", "Penalty", "CallsTaken", "LastCall", "LastPause",
    "LoginTime", "InCall", "Status", "Paused", "PausedReason", "Wrapuptime",
)  # fmt: skip
QUEUE_DEFAULTS: Final[Fields] = {
    "Max": "0", "Strategy": "ringall", "Calls": "0", "Holdtime": "0", "TalkTime": "0", "Completed": "0",
    "Abandoned": "0", "ServiceLevel": "0", "ServicelevelPerf": "0.0", "ServicelevelPerf2": "0.0", "Weight": "0",
}  # fmt: skip
#: Where other events carry a second channel that may be brought up to date.
OTHER_CHANNELS: Final = ("Dest", "LocalOne", "LocalTwo", "Source")


@dataclass(slots=True)
class Channel:
    """A channel that is up, as last seen. ``since_s``: offset of its birth, negative when before the capture."""

    seen: Fields
    since_s: float
    bridge: str = ""
    application: str = ""
    data: str = ""
    dialled: str = ""


@dataclass(slots=True)
class Queue:
    """A queue, its staff by interface, and who waits in it (Uniqueid → offset of joining), in order."""

    params: Fields
    members: dict[str, Fields] = field(default_factory=dict)
    waiting: dict[str, float] = field(default_factory=dict)


class Switchboard:
    """What is up on the PBX at this point of one capture; the lists are answered from it.

    Speaks the capture's own terms: its ids and its offsets. ``start`` is its first block's Unix second.
    """

    def __init__(self, start: float, before: Iterable[Moment] = ()) -> None:
        self._start = start
        self.channels: dict[str, Channel] = {}
        self.bridges: dict[str, Fields] = {}
        self.queues: dict[str, Queue] = {}
        self._gone: set[str] = set()
        for moment in before:
            self.learn(moment.block, moment.offset_s)

    def learn(self, block: Fields, at_s: float) -> None:
        """Take in one block, event or recorded list item, in the order of the capture."""
        event = _one(block, "Event")
        self._see_channels(block, event, at_s)
        if learner := self._LEARNERS.get(event):
            learner(self, block, at_s)

    # ---- answers, oldest first; ``now_s`` is an offset, ``speed`` turns its seconds into wall time

    def core_show_channels(self, now_s: float, speed: float) -> list[Fields]:
        """One CoreShowChannel a channel."""
        return [
            {
                "Event": "CoreShowChannel", **channel.seen, "Application": channel.application,
                "ApplicationData": channel.data, "Duration": _hms((now_s - channel.since_s) / speed),
                "BridgeId": channel.bridge,
            }
            for channel in self.channels.values()
        ]  # fmt: skip

    def status(self, now_s: float, speed: float) -> list[Fields]:
        """One Status a channel."""
        return [
            {
                "Event": "Status", "Privilege": "Call", **channel.seen,
                "Type": _one(channel.seen, "Channel").partition("/")[0], "DNID": channel.dialled,
                "EffectiveConnectedLineNum": channel.seen["ConnectedLineNum"],
                "EffectiveConnectedLineName": channel.seen["ConnectedLineName"],
                "TimeToHangup": "0", "BridgeID": channel.bridge, "Application": channel.application,
                "Data": channel.data, "Nativeformats": "(ulaw)", "Readformat": "ulaw", "Readtrans": "",
                "Writeformat": "ulaw", "Writetrans": "", "Callgroup": "0", "Pickupgroup": "0",
                "Seconds": str(int((now_s - channel.since_s) / speed)),
            }
            for channel in self.channels.values()
        ]  # fmt: skip

    def bridge_list(self, _now_s: float, _speed: float) -> list[Fields]:
        """One BridgeListItem a bridge."""
        return [{"Event": "BridgeListItem", **bridge} for bridge in self.bridges.values()]

    def queue_status(self, now_s: float, speed: float) -> list[Fields]:
        """For each queue its QueueParams, QueueMembers and QueueEntries."""
        items: list[Fields] = []
        for name, queue in self.queues.items():
            callers = self._callers(queue)
            items.append({"Event": "QueueParams", **queue.params, "Queue": name, "Calls": str(len(callers))})
            items += [{"Event": "QueueMember", **member} for member in queue.members.values()]
            items += [
                _queue_entry(name, place, channel.seen, (now_s - since_s) / speed)
                for place, (channel, since_s) in enumerate(callers, 1)
            ]
        return items

    def queue_summary(self, now_s: float, speed: float) -> list[Fields]:
        """One QueueSummary a queue."""
        return [
            {
                "Event": "QueueSummary", "Queue": name, "LoggedIn": str(len(queue.members)),
                "Available": str(sum(_is_free(member) for member in queue.members.values())),
                "Callers": str(len(queue.waiting)), "HoldTime": queue.params["Holdtime"],
                "TalkTime": queue.params["TalkTime"],
                "LongestHoldTime": str(int(max((now_s - s for s in queue.waiting.values()), default=0.0) / speed)),
            }
            for name, queue in self.queues.items()
        ]  # fmt: skip

    def _callers(self, queue: Queue) -> list[tuple[Channel, float]]:
        return [(self.channels[uid], since_s) for uid, since_s in queue.waiting.items() if uid in self.channels]

    # ---- learning

    def _see_channels(self, block: Fields, event: str, at_s: float) -> None:
        uid = _one(block, "Uniqueid")
        if uid and uid not in self._gone and "ChannelState" in block:
            channel = self.channels.get(uid) or self._new_channel(uid, block, event, at_s)
            channel.seen.update(_pick(block, CHANNEL_KEYS))
        for prefix in OTHER_CHANNELS:
            other = self.channels.get(_one(block, f"{prefix}Uniqueid"))
            if other and f"{prefix}ChannelState" in block:
                other.seen.update({key: block[f"{prefix}{key}"] for key in CHANNEL_KEYS if f"{prefix}{key}" in block})

    def _new_channel(self, uid: str, block: Fields, event: str, at_s: float) -> Channel:
        age_s = _age_s(block)
        since_s = at_s if event == "Newchannel" else self._birth_s(uid, at_s, age_s)
        channel = Channel(dict.fromkeys(CHANNEL_KEYS, ""), since_s)
        if event == "Newchannel":
            channel.dialled = _one(block, "Exten")
        self.channels[uid] = channel
        return channel

    def _birth_s(self, uid: str, at_s: float, age_s: float | None) -> float:
        """Offset of a channel's birth, from its Uniqueid's second and, where a list told it, its age.

        Both are whole seconds rounded down, so that each leaves a second open; the Uniqueid decides unless
        the two contradict each other.
        """
        epoch_s = _epoch(uid) - self._start
        if age_s is None:
            return min(epoch_s, at_s) if at_s - epoch_s < 86_400 else at_s
        return epoch_s if at_s - age_s - 1 <= epoch_s <= at_s - age_s else at_s - age_s - 0.5

    def _on_exten(self, block: Fields, _at_s: float) -> None:
        if channel := self.channels.get(_one(block, "Uniqueid")):
            channel.application, channel.data = _one(block, "Application"), _one(block, "AppData")

    def _on_dial(self, block: Fields, _at_s: float, application: str) -> None:
        callee = self.channels.get(_one(block, "DestUniqueid"))
        if callee and not (callee.application and application == "AppDial"):
            callee.application, callee.data, callee.dialled = application, "(Outgoing Line)", ""

    def _on_listed_channel(self, block: Fields, _at_s: float) -> None:
        if channel := self.channels.get(_one(block, "Uniqueid")):
            channel.application = _one(block, "Application")
            channel.data = _one(block, "ApplicationData") or _one(block, "Data")
            channel.bridge = _one(block, "BridgeId") or _one(block, "BridgeID")
            channel.dialled = _one(block, "DNID") or channel.dialled

    def _on_bridge(self, block: Fields, _at_s: float) -> None:
        bridge_id = _one(block, "BridgeUniqueid")
        self.bridges.setdefault(bridge_id, {}).update(_pick(block, BRIDGE_KEYS))
        channel = self.channels.get(_one(block, "Uniqueid"))
        if channel and _one(block, "Event") == "BridgeEnter":
            channel.bridge = bridge_id

    def _on_bridge_leave(self, block: Fields, at_s: float) -> None:
        bridge_id = _one(block, "BridgeUniqueid")
        channel = self.channels.get(_one(block, "Uniqueid"))
        if channel and channel.bridge == bridge_id:
            channel.bridge = ""
        if bridge_id in self.bridges:
            self._on_bridge(block, at_s)

    def _on_bridge_destroy(self, block: Fields, _at_s: float) -> None:
        bridge_id = _one(block, "BridgeUniqueid")
        self.bridges.pop(bridge_id, None)
        for channel in self.channels.values():
            channel.bridge = "" if channel.bridge == bridge_id else channel.bridge

    def _on_hangup(self, block: Fields, _at_s: float) -> None:
        uid = _one(block, "Uniqueid")
        self._gone.add(uid)
        self.channels.pop(uid, None)
        for queue in self.queues.values():
            queue.waiting.pop(uid, None)

    def _queue(self, block: Fields) -> Queue:
        name = _one(block, "Queue")
        return self.queues.setdefault(name, Queue({"Queue": name, **QUEUE_DEFAULTS}))

    def _on_join(self, block: Fields, at_s: float) -> None:
        self._queue(block).waiting.setdefault(_one(block, "Uniqueid"), at_s)

    def _on_listed_caller(self, block: Fields, at_s: float) -> None:
        uid = _one(block, "Uniqueid")
        if uid not in self._gone:
            since_s = self._birth_s(uid, at_s, _number(block, "Wait"))
            self._queue(block).waiting.setdefault(uid, since_s)

    def _on_leave(self, block: Fields, _at_s: float) -> None:
        self._queue(block).waiting.pop(_one(block, "Uniqueid"), None)

    def _on_count(self, block: Fields, at_s: float, counter: str) -> None:
        self._on_leave(block, at_s)
        params = self._queue(block).params
        params[counter] = str(int(_number(params, counter)) + 1)

    def _on_params(self, block: Fields, _at_s: float) -> None:
        self._queue(block).params.update({k: v for k, v in block.items() if k not in ("Event", "ActionID")})

    def _on_member(self, block: Fields, _at_s: float) -> None:
        renamed = {"Name": block.get("MemberName", ""), "Location": block.get("Interface", ""), **block}
        self._queue(block).members[_one(renamed, "Location")] = _pick(renamed, MEMBER_KEYS)

    def _on_member_removed(self, block: Fields, _at_s: float) -> None:
        self._queue(block).members.pop(_one(block, "Interface"), None)

    _LEARNERS: Final[dict[str, Callable[[Switchboard, Fields, float], None]]] = {
        "Newexten": _on_exten,
        "AgentCalled": partial(_on_dial, application="AppQueue"),
        "DialBegin": partial(_on_dial, application="AppDial"),
        "CoreShowChannel": _on_listed_channel,
        "Status": _on_listed_channel,
        "BridgeCreate": _on_bridge,
        "BridgeEnter": _on_bridge,
        "BridgeListItem": _on_bridge,
        "BridgeLeave": _on_bridge_leave,
        "BridgeDestroy": _on_bridge_destroy,
        "Hangup": _on_hangup,
        "QueueCallerJoin": _on_join,
        "QueueEntry": _on_listed_caller,
        "QueueCallerLeave": _on_leave,
        "AgentConnect": _on_leave,
        "QueueCallerAbandon": partial(_on_count, counter="Abandoned"),
        "AgentComplete": partial(_on_count, counter="Completed"),
        "QueueParams": _on_params,
        "QueueMember": _on_member,
        "QueueMemberStatus": _on_member,
        "QueueMemberAdded": _on_member,
        "QueueMemberPause": _on_member,
        "QueueMemberPenalty": _on_member,
        "QueueMemberRemoved": _on_member_removed,
    }


def _queue_entry(queue: str, place: int, seen: Fields, wait_s: float) -> Fields:
    named = {key: _one(seen, key).replace("<unknown>", "unknown") for key in CHANNEL_KEYS}
    keys = ("CallerIDNum", "CallerIDName", "ConnectedLineNum", "ConnectedLineName")
    return {
        "Event": "QueueEntry", "Queue": queue, "Position": str(place), "Channel": named["Channel"],
        "Uniqueid": named["Uniqueid"], **{key: named[key] for key in keys}, "Wait": str(int(wait_s)), "Priority": "0",
    }  # fmt: skip


def _is_free(member: Fields) -> bool:
    return _one(member, "Status") == "1" and _one(member, "Paused") != "1"


def _age_s(block: Fields) -> float | None:
    """Age of a channel in a list item: ``Duration`` (HH:MM:SS) or ``Seconds``."""
    text = _one(block, "Duration") if _one(block, "Event") == "CoreShowChannel" else _one(block, "Seconds")
    parts = text.split(":")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return float(sum(int(part) * 60**power for power, part in enumerate(reversed(parts))))


def _epoch(uid: str) -> float:
    """The second of birth in a Uniqueid (``[system-]epoch.serial``); 0 when it is none."""
    text = uid.rpartition("-")[2].partition(".")[0]
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _number(block: Fields, key: str) -> float:
    """A figure of the capture; 0 where it is none."""
    text = _one(block, key)
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _hms(seconds: float) -> str:
    whole = max(int(seconds), 0)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


# ---------------------------------------------------------------------------------------------- the timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """How captures are laid out in time. Seconds are recorded seconds: ``speed`` divides them all.

    ``together``: side by side, each ``stagger_s`` after the one before; else one after the other with ``gap_s``
    between them. ``loop``: again and again, from the second round under new ids. ``renew_ids``: from the first.
    ``at_once``: start without waiting for a client to log in.
    """

    speed: float = 1.0
    loop: bool = False
    together: bool = False
    stagger_s: float = 0.0
    gap_s: float = 2.0
    renew_ids: bool = False
    at_once: bool = False

    def __post_init__(self) -> None:
        if not self.speed > 0 or self.gap_s < 0 or self.stagger_s < 0:
            raise ValueError("speed must be above 0; gap and stagger not below 0")


class Run:
    """One capture in one round: where it lies on the timeline, its ids, and what is up in it."""

    def __init__(self, capture: Capture, begin_s: float, speed: float, zero: float, renew: bool) -> None:
        self.capture, self.begin_s = capture, begin_s
        self._speed, self._zero = speed, zero
        self._renamer = Renamer(capture.ids, self._birth) if renew else None
        self.board = Switchboard(capture.start, capture.before)

    def steps(self) -> Iterator[tuple[float, Run, Moment]]:
        """All moments with their instants on the timeline."""
        return ((self.begin_s + moment.offset_s, self, moment) for moment in self.capture.moments)

    def tell(self, moment: Moment) -> Fields:
        """The block as a client gets it now: present ids, present Timestamp."""
        block = self._renewed(moment.block)
        with suppress(ValueError):
            lead_s = float(_one(block, "Timestamp")) - moment.t
            block = {**block, "Timestamp": f"{self._wall(moment.offset_s) + lead_s:.6f}"}
        return block

    def answer(self, action: str, now_s: float) -> list[Fields]:
        """The items of a list, ``now_s`` on the timeline."""
        offset_s = max(now_s - self.begin_s, 0.0)
        board = self.board
        answers: dict[str, Callable[[float, float], list[Fields]]] = {
            "queuestatus": board.queue_status,
            "queuesummary": board.queue_summary,
            "coreshowchannels": board.core_show_channels,
            "status": board.status,
            "bridgelist": board.bridge_list,
        }
        return [self._renewed(item) for item in answers[action](offset_s, self._speed)]

    def _renewed(self, block: Fields) -> Fields:
        return self._renamer.block(block) if self._renamer else block

    def _birth(self, uid: str) -> float:
        return self._wall(self.capture.births.get(uid, _epoch(uid) - self.capture.start))

    def _wall(self, offset_s: float) -> float:
        """Unix time at which an offset of this run is played."""
        return self._zero + (self.begin_s + offset_s) / self._speed


def lay_out(captures: Sequence[Capture], programme: Programme, begin_s: float, zero: float, again: bool) -> list[Run]:
    """The runs of one round. A file given twice gets new ids the second time: no call twice."""
    runs: list[Run] = []
    used: set[str] = set()
    for capture in captures:
        renew = again or programme.renew_ids or not used.isdisjoint(capture.ids)
        runs.append(Run(capture, begin_s, programme.speed, zero, renew))
        used |= capture.ids
        begin_s += programme.stagger_s if programme.together else capture.length_s + programme.gap_s
    return runs


# ---------------------------------------------------------------------------------------------- the server


class Session:
    """One client's connection. ``muted``: it is sent nothing any more but stays open, like a dead peer."""

    def __init__(self, writer: asyncio.StreamWriter, lag_limit: int) -> None:
        self._writer, self._lag_limit = writer, lag_limit
        self.peer = writer.get_extra_info("peername")
        self.logged_in = False
        self.events = True
        self.muted = False
        self._ended = False
        if (sock := writer.get_extra_info("socket")) is not None:
            # A small kernel buffer, so that a client that does not read is seen here and not hidden there.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)

    def send(self, data: bytes) -> None:
        """Queue bytes; never waits. A client too far behind is cut off, the others are not kept waiting."""
        if self.muted or self._ended or self._writer.is_closing():
            return
        self._writer.write(data)
        if self._writer.transport.get_write_buffer_size() > self._lag_limit:
            log.warning("recorded PBX: client %s does not read, cut off", self.peer)
            self._writer.transport.abort()

    def hang_up(self) -> None:
        """Send what is queued, then end our side.

        Not a close: with questions still unread that is a reset, which takes from the client what it has not read.
        """
        self.logged_in = False
        if not (self._ended or self._writer.is_closing()):
            self._ended = True
            with suppress(OSError):  # gone by itself
                self._writer.write_eof()

    def close(self) -> None:
        """Send what is queued, then close."""
        self._writer.close()

    async def closed(self) -> None:
        """Wait a second for the close at most, then abort."""
        try:
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            self._writer.transport.abort()


class RecordedPbx:
    """Captures behind an AMI port.

    ::

        async with RecordedPbx([Path("e_hold.jsonl")], port=0, programme=Programme(speed=10)) as pbx:
            ...connect to 127.0.0.1:pbx.port...
            await pbx.wait_done()

    The timeline runs from the first login and goes on while nobody is connected: what a client misses is missed,
    as with a real PBX. After its end the server goes on answering until :meth:`stop`. A call that a capture leaves
    open stays up until the round ends.

    Faults for tests count the blocks played: ``drop_after(40)`` acts when 40 blocks have been sent.

    Raises from the constructor: OSError, NothingToPlayError when no file can be played (others: ``problems``).
    """

    def __init__(  # noqa: PLR0913 - keyword-only settings of one server
        self,
        files: Sequence[Path | str],
        *,
        host: str = "127.0.0.1",
        port: int = 5038,
        username: str = "monitor",
        secret: str = "secret",  # noqa: S107 - the captures' own made-up one, for loopback
        programme: Programme | None = None,
        lag_limit: int = LAG_LIMIT,
    ) -> None:
        self.host, self.port = host, port
        self.programme = programme or Programme()
        self.captures = [load(Path(file)) for file in files]
        if not self.captures:
            raise NothingToPlayError("no capture given")
        self.problems = [problem for capture in self.captures for problem in capture.problems]
        self.connected = asyncio.Event()
        #: Progress: blocks played, timeline second reached, round (from 1), blocks of one round, its length.
        self.played = 0
        self.at_s = 0.0
        self.round = 0
        self.blocks_a_round = sum(capture.spoken for capture in self.captures)
        self.logins = 0
        #: Names of the actions asked so far, oldest first.
        self.asked: deque[str] = deque(maxlen=1000)
        self._username, self._secret, self._lag_limit = username, secret, lag_limit
        self._sessions: set[Session] = set()
        self._faults: list[tuple[int, Callable[[bytes], bytes]]] = []
        self._runs: list[Run] = []
        self._go = asyncio.Event()
        self._zero_mono = self._zero_wall = 0.0
        self._born = time.monotonic()
        self._server: asyncio.Server | None = None
        self._player: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; ``port`` 0 becomes the port that was free. Raises OSError when the port is taken."""
        self._runs = lay_out(self.captures, self.programme, 0.0, time.time(), again=False)
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._player = asyncio.create_task(self._play(), name="recorded PBX")
        if self.programme.at_once:
            self._go.set()

    async def stop(self) -> None:
        """Stop playing, close the port and every connection."""
        if self._player:
            self._player.cancel()
        if self._server:
            self._server.close()
        sessions = list(self._sessions)
        for session in sessions:
            session.close()
        await asyncio.gather(*(session.closed() for session in sessions))
        if self._player:
            await asyncio.gather(self._player, return_exceptions=True)

    async def wait_done(self) -> None:
        """Wait for the last block; for ever under ``loop``. Raises what stopped the player."""
        if self._player:
            await asyncio.shield(self._player)

    @property
    def clients(self) -> int:
        """Clients logged in at present."""
        return sum(session.logged_in for session in self._sessions)

    @property
    def length_s(self) -> float:
        """Length of one round on the timeline, seconds."""
        return max((run.begin_s + run.capture.length_s for run in self._runs), default=0.0)

    # ---- faults

    def drop_after(self, blocks: int) -> None:
        """Close all connections once that many blocks have been played."""
        self._on_block(blocks, self._fault_drop)

    def cut_after(self, blocks: int) -> None:
        """Send half of the next block, then close all connections."""
        self._on_block(blocks, self._fault_cut)

    def garbage_after(self, blocks: int, garbage: bytes = GARBAGE) -> None:
        """Send bytes that are no AMI before the next block."""
        self._on_block(blocks, lambda data: garbage + data)

    def mute_after(self, blocks: int) -> None:
        """Send nothing more on the present connections but keep them open, like a host that lost its power."""
        self._on_block(blocks, self._fault_mute)

    def drop_clients(self) -> None:
        """Close all connections now."""
        for session in self._sessions:
            session.hang_up()

    def _on_block(self, blocks: int, fault: Callable[[bytes], bytes]) -> None:
        self._faults.append((blocks, fault))

    def _fault_drop(self, _data: bytes) -> bytes:
        self.drop_clients()
        return b""

    def _fault_cut(self, data: bytes) -> bytes:
        self._send_all(data[: len(data) // 2])
        return self._fault_drop(data)

    def _fault_mute(self, _data: bytes) -> bytes:
        for session in self._sessions:
            session.muted = True
        return b""

    # ---- playing

    async def _play(self) -> None:
        await self._go.wait()
        self._zero_mono, self._zero_wall = time.monotonic(), time.time()
        begin_s = 0.0
        for self.round in itertools.count(1):
            self._runs = lay_out(self.captures, self.programme, begin_s, self._zero_wall, again=self.round > 1)
            for number, step in enumerate(heapq.merge(*(run.steps() for run in self._runs), key=lambda step: step[0])):
                await self._step(*step, polite=number % BURST == 0)
            if not self.programme.loop:
                return
            begin_s = self.length_s + max(self.programme.gap_s, 0.1)

    async def _step(self, at_s: float, run: Run, moment: Moment, *, polite: bool) -> None:
        wait_s = self._zero_mono + at_s / self.programme.speed - time.monotonic()
        if wait_s > 0 or polite:
            await asyncio.sleep(max(wait_s, 0))
        self.at_s = at_s
        run.board.learn(moment.block, moment.offset_s)
        if moment.spoken:
            self._broadcast(render(run.tell(moment)))

    def _broadcast(self, data: bytes) -> None:
        for fault in [fault for blocks, fault in self._faults if blocks == self.played]:
            data = fault(data)
        self.played += 1
        self._send_all(data)

    def _send_all(self, data: bytes) -> None:
        for session in self._sessions:
            if session.logged_in and session.events:
                session.send(data)

    def _now_s(self) -> float:
        """The timeline's second; 0 before the start."""
        return (time.monotonic() - self._zero_mono) * self.programme.speed if self._zero_mono else 0.0

    # ---- serving

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(writer, self._lag_limit)
        self._sessions.add(session)
        session.send(BANNER)
        try:
            async for action in _actions(reader):
                if not self._answer(session, action):
                    break
        except (OSError, ValueError):
            log.info("recorded PBX: client %s went away", session.peer)
        finally:
            self._sessions.discard(session)
            session.close()
            if not self.clients:
                self.connected.clear()

    def _answer(self, session: Session, action: dict[str, str]) -> bool:
        """Answer one action; False ends the connection."""
        name = action.get("action", "").lower()
        self.asked.append(action.get("action", ""))
        reply = partial(self._reply, session, action)
        if name == "login":
            return self._log_in(session, action)
        if name == "logoff":
            reply({"Response": "Goodbye"}, {"Message": "Thanks for all the fish."})
            return False
        if not session.logged_in:
            reply({"Response": "Error"}, {"Message": "Permission denied"})
        elif name == "ping":
            reply({"Response": "Success"}, {"Ping": "Pong", "Timestamp": f"{time.time():.6f}"})
        elif name == "events":
            session.events = action.get("eventmask", "on").lower() not in ("off", "")
            reply({"Response": "Success"}, {"Events": "On" if session.events else "Off"})
        elif name in LISTS:
            self._answer_list(session, action, LISTS[name])
        else:
            message = "Invalid/unknown command" if name else "Missing action in request"
            reply({"Response": "Error"}, {"Message": message})
        return True

    def _log_in(self, session: Session, action: dict[str, str]) -> bool:
        if (action.get("username"), action.get("secret")) != (self._username, self._secret):
            self._reply(session, action, {"Response": "Error"}, {"Message": "Authentication failed"})
            return False
        self._reply(session, action, {"Response": "Success"}, {"Message": "Authentication accepted"})
        uptime = str(int(time.monotonic() - self._born))
        session.events = action.get("events", "on").lower() != "off"
        if session.events:
            session.send(render({
                "Event": "FullyBooted", "Privilege": "system,all", "Uptime": uptime, "LastReload": uptime,
                "Status": "Fully Booted",
            }))  # fmt: skip
        session.logged_in = True
        self.logins += 1
        self.connected.set()
        self._go.set()
        return True

    def _answer_list(self, session: Session, action: dict[str, str], answer: ListAnswer) -> None:
        now_s = self._now_s()
        begun = [run for run in self._runs if run.begin_s <= now_s]
        items = [item for run in begun for item in run.answer(action["action"].lower(), now_s)]
        items = answer.select(items, action)
        self._reply(session, action, {"Response": "Success"}, {"EventList": "start", "Message": answer.message})
        for item in items:
            self._reply(session, action, {"Event": item["Event"]}, item)
        count = str(len(items))
        tail: Fields = {
            "EventList": "Complete",
            "ListItems": count,
            **({"Items": count} if answer.counted_twice else {}),
        }
        self._reply(session, action, {"Event": answer.end}, tail)

    def _reply(self, session: Session, action: dict[str, str], head: Fields, rest: Fields) -> None:
        own: Fields = {"ActionID": action["actionid"]} if "actionid" in action else {}
        session.send(render({**head, **own, **rest}))


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """The frame of a list, and the header by which a client may ask for a part of it."""

    message: str
    end: str
    by: str
    counted_twice: bool = False

    def select(self, items: list[Fields], action: dict[str, str]) -> list[Fields]:
        """What the client asked for; one queue that several captures know is told once."""
        wanted = action.get(self.by.lower(), "")
        merged: dict[tuple[str, ...], Fields] = {}
        for item in items:
            if not wanted or _one(item, self.by) == wanted:
                merged[_identity(item)] = item
        return list(merged.values())


LISTS: Final = {
    "queuestatus": ListAnswer("Queue status will follow", "QueueStatusComplete", "Queue"),
    "queuesummary": ListAnswer("Queue summary will follow", "QueueSummaryComplete", "Queue"),
    "coreshowchannels": ListAnswer("Channels will follow", "CoreShowChannelsComplete", "Channel"),
    "status": ListAnswer("Channel status will follow", "StatusComplete", "Channel", counted_twice=True),
    "bridgelist": ListAnswer("Bridge listing will follow", "BridgeListComplete", "BridgeType"),
}


def _identity(item: Fields) -> tuple[str, ...]:
    keys = ("Event", "Queue", "Location", "Uniqueid", "BridgeUniqueid")
    return tuple(_one(item, key) for key in keys)


async def _actions(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, str]]:
    """Actions as they come, keys in lower case; the secret among them is logged nowhere."""
    action: dict[str, str] = {}
    while line := await reader.readline():
        key, colon, value = line.decode("utf-8", "replace").strip().partition(":")
        if colon:
            action[key.strip().lower()] = value.strip()
        elif not key and action:
            yield action
            action = {}


def render(block: Fields) -> bytes:
    """A block as bytes; a list is the same header several times."""
    lines = (f"{_line(key)}: {_line(v)}\r\n" for key, value in block.items() for v in _all(value))
    text = "".join(lines) + "\r\n"
    try:
        return text.encode("utf-8", "surrogateescape")  # the very bytes that were not UTF-8
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")


def _all(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _one(block: Fields, key: str) -> str:
    value = block.get(key, "")
    return value if isinstance(value, str) else value[-1] if value else ""


def _pick(block: Fields, keys: Iterable[str]) -> Fields:
    return {key: block[key] for key in keys if key in block}
