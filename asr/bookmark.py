"""What a worker leaves its successor beside the committed offset: how far each stream of sound is done with.

Legs lie interleaved in one partition, so its offset can only be that of the oldest frame that any of them still needs.
Frames of the others behind it have been heard, and would be heard twice. The metadata of a commit (a string, at most
4,096 bytes) says for each stream up to which sample. Names are shortened to hashes: 28 characters a stream, room for
148 streams a partition, several times what a core can hear.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

#: Kafka's ``offset.metadata.max.bytes``.
LARGEST = 4096
_VERSION = "1:"
_ENTRY = struct.Struct(">6s3sBIQ")
_DONE = 1


class StreamId(NamedTuple):
    """Which stream of which leg, shortened."""

    leg: bytes
    stream: bytes


class Place(NamedTuple):
    """Every sample before ``safe`` is done with; that one was heard at ``at_ms``, Unix. ``done``: nothing follows."""

    safe: int
    at_ms: int
    done: bool = False


def stream_id(leg: str, stream: str) -> StreamId:
    """The short name of a stream."""
    return StreamId(
        blake2b(leg.encode(), digest_size=6).digest(), blake2b(f"{leg}\n{stream}".encode(), digest_size=3).digest()
    )


def write(places: Iterable[tuple[StreamId, Place]]) -> str | None:
    """As the metadata of a commit; None: there are too many."""
    packed = b"".join(
        _ENTRY.pack(*name, _DONE if place.done else 0, min(place.safe, 0xFFFFFFFF), place.at_ms)
        for name, place in places
    )
    text = _VERSION + base64.b85encode(packed).decode("ascii")
    return text if len(text) <= LARGEST else None


def read(text: str) -> dict[StreamId, Place]:
    """What :func:`write` wrote. Raises ValueError where it is something else."""
    if not text:
        return {}
    if not text.startswith(_VERSION):
        raise ValueError("not a bookmark of this version")
    try:
        packed = base64.b85decode(text.removeprefix(_VERSION))
        entries = list(_ENTRY.iter_unpack(packed))
    except (ValueError, binascii.Error, struct.error):
        raise ValueError("a broken bookmark") from None
    return {
        StreamId(leg, stream): Place(safe, at_ms, bool(flags & _DONE)) for leg, stream, flags, safe, at_ms in entries
    }
