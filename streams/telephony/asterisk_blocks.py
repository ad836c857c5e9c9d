"""One AMI block at a time: reading its fields, and saying what is wrong with it.

Owns the list of keys that the translator needs for each event. Knows nothing of calls.

A block is what stands between two blank lines of the Asterisk Manager Interface, as a dict; a key that came
twice in one block has the list of its values. Asterisk writes ``<unknown>`` for "none" (trap 13).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from streams.problem import Problem

Block = Mapping[str, "str | list[str]"]

#: ids longer than this cannot be written to the record (``streams.events.Id``)
LONGEST_ID = 256
_NOBODY = frozenset({"", "<unknown>", "unknown"})


#: What each event must carry to be of any use. Events that are not listed here are never looked at.
NEEDS: dict[str, tuple[str, ...]] = {
    "AgentCalled": ("Channel", "Uniqueid", "Linkedid", "DestChannel", "DestUniqueid"),
    "AgentConnect": ("Channel", "Uniqueid", "Linkedid", "DestChannel", "DestUniqueid"),
    "AgentRingNoAnswer": ("DestUniqueid",),
    "AttendedTransfer": ("OrigTransfererUniqueid", "SecondTransfererUniqueid", "Result"),
    "BlindTransfer": ("TransfererUniqueid", "Result"),
    "BridgeDestroy": ("BridgeUniqueid",),
    "BridgeEnter": ("BridgeUniqueid", "Channel", "Uniqueid"),
    "BridgeLeave": ("BridgeUniqueid", "Uniqueid"),
    "ChanSpyStart": ("SpyerUniqueid", "SpyeeUniqueid"),
    "ChannelTalkingStart": ("Uniqueid",),
    "ChannelTalkingStop": ("Uniqueid",),
    "CoreShowChannel": ("Channel", "Uniqueid", "Linkedid"),
    "CoreShowChannelsComplete": (),
    "DTMFEnd": ("Uniqueid", "Digit"),
    "DialBegin": ("DestChannel", "DestUniqueid"),
    "DialEnd": ("DestUniqueid", "DialStatus"),
    "Hangup": ("Uniqueid",),
    "HangupRequest": ("Uniqueid",),
    "Hold": ("Uniqueid",),
    "LocalBridge": ("LocalOneChannel", "LocalOneUniqueid", "LocalTwoChannel", "LocalTwoUniqueid"),
    "Newchannel": ("Channel", "Uniqueid", "Linkedid"),
    "Newexten": ("Uniqueid",),
    "Newstate": ("Uniqueid",),
    "QueueCallerJoin": ("Channel", "Uniqueid", "Linkedid", "Queue"),
    "QueueEntry": ("Queue", "Uniqueid"),
    "QueueMember": ("Location",),
    "QueueMemberAdded": ("Interface",),
    "QueueMemberStatus": ("Interface",),
    "Rename": ("Uniqueid", "Newname"),
    "Status": ("Channel", "Uniqueid", "Linkedid"),
    "StatusComplete": (),
    "Unhold": ("Uniqueid",),
}


def text(block: Block, key: str) -> str:
    """The value of ``key``; empty where it is missing or ``<unknown>``; the last one of a doubled key."""
    value: Any = block.get(key, "")
    if isinstance(value, list):
        value = value[-1] if value else ""
    if not isinstance(value, str):
        return ""
    value = value.strip()
    return "" if value == "<unknown>" else value


def person(block: Block, key: str) -> str:
    """A caller's number or name; empty where Asterisk knows none (``<unknown>``, or ``unknown`` in QueueEntry)."""
    value = text(block, key)
    return "" if value in _NOBODY else value


def seconds(block: Block, key: str) -> float | None:
    """A duration as seconds: ``7``, ``7.5`` or ``00:00:07``. None where it is none."""
    parts = text(block, key).split(":")
    try:
        total = sum(float(part) * 60**power for power, part in enumerate(reversed(parts)))
    except ValueError:
        return None
    return total if len(parts) <= 3 and math.isfinite(total) and 0 <= total < 1e9 else None


def lacking(block: Block, event: str) -> Problem | None:
    """What keeps this block from being used, or None. Names the event and the key."""
    for key in NEEDS[event]:
        fault = _fault(block, key)
        if fault:
            return Problem(
                f"{event}: {key} {fault}",
                mend="the block is left out; other calls go on. Is something between the PBX and here cutting blocks?",
            )
    return None


def _fault(block: Block, key: str) -> str:
    if key not in block:
        return "is missing"
    value: Any = block[key]
    if not isinstance(value, str | list):
        return f"is a {type(value).__name__}, not text"
    read = text(block, key)
    if not read:
        return "is empty"
    return f"is longer than {LONGEST_ID} characters" if len(read) > LONGEST_ID else ""
