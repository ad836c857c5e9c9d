"""A checkpoint on the ``wall`` topic: cut into messages that a broker takes, and put together again.

Owns the form of those messages; what is in a state, and how it is packed, only the wall knows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from uuid import uuid4

import msgspec
from msgspec import Struct

#: Of these messages; another number is another program's.
FORM = 1
#: A message of the topic holds this much of a state, bytes; a broker takes 1 MiB.
PIECE = 500_000
#: No checkpoint has more pieces than this: a gigabyte.
MOST = 2000

#: Topic (without prefix) -> for each partition the offset of the first message that is not in the state.
Offsets = dict[str, list[int]]


class BrokenError(ValueError):
    """No checkpoint can be had from these bytes."""


class Checkpoint(Struct, frozen=True):
    """The wall as it was when everything before ``offsets`` had been read.

    ``at``: Unix seconds; ``kind``: which walls can use it (version of the state and what it depends on).
    """

    at: float
    kind: str
    offsets: Offsets
    state: bytes


class Piece(Struct, frozen=True, array_like=True):
    """One message. ``checksum``: CRC-32 of the whole state, so that two checkpoints never mix."""

    form: int
    id: str
    part: int
    count: int
    at: float
    kind: str
    checksum: int
    offsets: Offsets
    data: bytes

    @property
    def is_last(self) -> bool:
        """Whether its checkpoint is complete with it; pieces are written in order."""
        return self.part == self.count - 1


_decoder = msgspec.msgpack.Decoder(Piece)


def cut(checkpoint: Checkpoint) -> list[bytes]:
    """The messages of a checkpoint, in order."""
    state = checkpoint.state
    parts = [state[at : at + PIECE] for at in range(0, len(state), PIECE)]
    name, checksum = uuid4().hex, zlib.crc32(state)
    pieces = (
        Piece(FORM, name, n, len(parts), checkpoint.at, checkpoint.kind, checksum, checkpoint.offsets, part)
        for n, part in enumerate(parts)
    )
    return [msgspec.msgpack.encode(piece) for piece in pieces]


def parse(message: bytes) -> Piece:
    """Raises BrokenError where it is no piece of this form."""
    try:
        piece = _decoder.decode(message)
    except msgspec.MsgspecError as error:
        raise BrokenError(f"not a piece of a checkpoint: {error}") from None
    if piece.form != FORM or not 0 <= piece.part < piece.count <= MOST:
        raise BrokenError("a piece of another form")
    return piece


def join(pieces: Iterable[Piece]) -> Checkpoint:
    """The checkpoint of pieces with one id. Raises BrokenError where one is missing or changed."""
    parts = {piece.part: piece for piece in pieces}
    first = next(iter(parts.values()))
    if missing := first.count - len(parts):
        raise BrokenError(f"{missing} of {first.count} parts are missing")
    state = b"".join(parts[n].data for n in range(first.count))
    if zlib.crc32(state) != first.checksum:
        raise BrokenError("its parts do not belong together")
    return Checkpoint(first.at, first.kind, first.offsets, state)


def newest_first(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """The pieces of each checkpoint, the last written one first."""
    found: dict[str, list[Piece]] = {}
    for piece in reversed(pieces):
        found.setdefault(piece.id, []).append(piece)
    return list(found.values())
