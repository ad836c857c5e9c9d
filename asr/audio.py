"""Sound on its way: frames of one leg, as they lie on the ``audio`` topic.

A *leg* is one party of one call. Its time is its sample count: sample ``n`` was heard at ``begun + n / rate``, whatever
a clock says. Owns that arithmetic and the form on the topic; knows nothing of protocols or recognisers.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from streams.events import Id, Role, Seconds

#: Bytes of one sample: 16 bit, signed, little-endian, mono.
WIDTH = 2
#: A frame on the topic is this long, seconds: more messages cost the broker, longer ones delay the words.
FRAME_S = 0.1
#: Rates that are taken, samples a second.
RATES = (8_000, 48_000)


#: What can be wrong with a message; a metric's label.
Slug = Literal["unreadable", "half", "misplaced", "mixed"]


class BadFrameError(ValueError):
    """A message of the ``audio`` topic that is no frame; the text says why, ``slug`` the same in a word."""

    def __init__(self, problem: str, slug: Slug) -> None:
        super().__init__(problem)
        self.slug = slug


class Frame(Struct, frozen=True, kw_only=True, array_like=True):
    """``pcm`` is what was heard from sample ``offset`` on.

    ``stream`` tells connections apart: a source that comes back for the same leg counts its samples anew.
    ``begun``: Unix seconds of sample 0. ``silent``: so many samples just before ``offset`` were never sent by the
    source (it was paused, or sends no silence): they count as silence. Any other jump of ``offset`` is sound that got
    lost. ``last``: nothing follows; ``pcm`` may then be empty.
    """

    call: Id
    role: Role
    stream: str
    begun: Seconds
    rate: Annotated[int, Meta(ge=RATES[0], le=RATES[1])]
    offset: Annotated[int, Meta(ge=0)]
    pcm: bytes
    silent: Annotated[int, Meta(ge=0)] = 0
    last: bool = False

    @property
    def leg(self) -> str:
        """The key on the topic."""
        return leg_key(self.call, self.role)

    @property
    def samples(self) -> int:
        """How many samples the frame has."""
        return len(self.pcm) // WIDTH

    @property
    def end(self) -> int:
        """The sample after its last one."""
        return self.offset + self.samples

    def at(self, sample: int) -> float:
        """When that sample was heard, Unix seconds."""
        return self.begun + sample / self.rate


def leg_key(call: str, role: Role) -> str:
    """The key of a leg on the ``audio`` topic."""
    return f"{call}:{role}"


_decoder = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """As MessagePack."""
    return msgspec.msgpack.encode(frame)


def decode(message: bytes) -> Frame:
    """Raises BadFrameError, and nothing else, whatever the bytes are."""
    try:
        frame = _decoder.decode(message)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadFrameError(f"no frame: {error}", "unreadable") from None
    if len(frame.pcm) % WIDTH:
        raise BadFrameError(f"half a sample: {len(frame.pcm)} bytes of PCM", "half")
    return frame
