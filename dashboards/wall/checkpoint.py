"""A wall's knowledge as bytes, so that one that starts has not to read a week again.

Owns the format: a line with its number, then zlib over JSON. Whoever changes a struct that is stored here in a way
that an older text does not fit, or would be misread, counts ``FORMAT`` up; walls of another format read the record.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import msgspec
from msgspec import Struct

from dashboards.wall.cards import Known
from dashboards.wall.floor import Told
from dashboards.wall.health import Beat
from streams.core import CallState
from streams.verdicts import Snooze, Standing

#: The number of this format.
FORMAT = 2
#: No checkpoint is larger than this once it is unpacked, bytes: one that claims to be is rubbish.
LARGEST = 512 * 1024 * 1024

_MAGIC = f"sansheng-wall {FORMAT}\n".encode()
#: Fast rather than small: it is packed once a minute, beside a loop that wants the processor.
_LEVEL = 1


class Title(NamedTuple):
    """What a rule was called at ``at``, in Chinese and English, and whether it was on trial."""

    at: float
    title: str
    en: str
    trial: bool


class State(Struct, kw_only=True, omit_defaults=True):
    """Everything that a wall knows. ``now``: as of when; ``forget_at``: when it next forgets. Times in Unix seconds."""

    now: float
    started_at: float
    forget_at: float
    last_event_at: float | None = None
    unreadable: int = 0
    calls: dict[str, CallState] = {}
    told: dict[str, Told] = {}
    alerts: dict[str, Known] = {}
    standings: dict[str, Standing] = {}
    snoozes: list[Snooze] = []
    beats: dict[str, dict[str, Beat]] = {}
    titles: dict[str, Title] = {}


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(State)


def pack(state: State) -> bytes:
    """As bytes; alerts of one rule stand together, since they say the same and so take little room."""
    together = sorted(state.alerts.items(), key=lambda item: (item[1].newest.rule, item[0]))
    ordered = msgspec.structs.replace(state, alerts=dict(together))
    return _MAGIC + zlib.compress(_encoder.encode(ordered), _LEVEL)


def unpack(stored: bytes) -> State:
    """The inverse of ``pack``. Raises ValueError where it is of another format, or rubbish."""
    if not stored.startswith(_MAGIC):
        raise ValueError("the checkpoint is of another format")
    try:
        unzip = zlib.decompressobj()
        text = unzip.decompress(stored[len(_MAGIC) :], LARGEST)
        if not unzip.eof:
            raise ValueError("the checkpoint is cut off, or too large")
        return _decoder.decode(text)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"the checkpoint cannot be read: {type(error).__name__}") from None
