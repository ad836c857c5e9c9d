"""Who saw what of a call: the ``audit`` topic, and the reads that the archive keeps.

Owns the form of an entry. It is written before anything is shown.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

#: What was opened, followed, looked for, or taken out; ``export``: whole days, as files; ``forget``: deleted on
#: request, ``reads``: who read what.
Opened = Literal["alert", "call", "agent", "lines", "find", "figures", "record", "export", "forget", "reads"]


class Audit(Struct, frozen=True, kw_only=True):
    """``by`` (a login) saw ``what`` of ``id``: an id, or what was asked for. ``at``: Unix seconds."""

    by: str
    role: str
    what: Opened
    id: str
    at: float


def render(entry: Audit) -> bytes:
    """As JSON."""
    return msgspec.json.encode(entry)


_decoder = msgspec.json.Decoder(Audit)


def parse(line: bytes | str) -> Audit:
    """Raises msgspec.MsgspecError where it is none."""
    return _decoder.decode(line)
