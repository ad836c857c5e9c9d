"""The dead-man's tick: each process proves on the ``heartbeats`` topic that it works.

The detector's heartbeat is not sent by a timer: a tick travels through ``calls`` and the agent answers it, so
it proves the whole way. A wall that misses heartbeats must say so instead of looking quiet.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

Component = Literal["detect", "asterisk", "listen", "recognise", "archive", "pager"]

#: How often a process sends one, seconds; three missed in a row mean that it is down.
EVERY_S = 5.0
DEAD_AFTER_S = 3 * EVERY_S

#: Ticks of this pseudo-call travel through ``calls`` for the detector's heartbeat; ``:<partition>`` follows.
CALL = "~heartbeat"


class Heartbeat(Struct, frozen=True, kw_only=True):
    """``ok`` False: the process runs but cannot do its work, ``detail`` says why. ``at``: Unix seconds."""

    component: Component
    instance: str
    at: float
    ok: bool = True
    detail: str = ""
    rulebook: str = ""


_decoder = msgspec.json.Decoder(Heartbeat)


def render(beat: Heartbeat) -> bytes:
    """As JSON."""
    return msgspec.json.encode(beat)


def parse(line: bytes | str) -> Heartbeat:
    """Raises msgspec.MsgspecError where it is none."""
    return _decoder.decode(line)
