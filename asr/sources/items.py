"""What the protocols of audio sources have in common: the things that a client's bytes turn out to say.

Each protocol is a class without I/O: bytes or messages in, these items out. Fault texts go to the log: no audio, no
digits that were pressed, no names and numbers of callers are in them.
"""

from __future__ import annotations

import hmac
import json
import re
from typing import Any, Literal, Protocol

from msgspec import Struct

from streams.events import Id, Role

#: Kinds of source; a metric's label.
Source = Literal["audiosocket", "vosk", "twilio", "audiohook"]

#: What can be wrong; a metric's label. ``docs/audio.md`` explains each.
Reason = Literal[
    "hello",  # the beginning is not that of the protocol
    "half",  # half a frame or half a sample
    "unknown",  # a kind of message that is not known
    "unreadable",  # no JSON, no base64, a field missing or wrong
    "rate",  # a rate or a coding that is not taken
    "sequence",  # numbers that do not follow each other
    "peer",  # the other side reports an error
    "unmatched",  # a leg without a call
    "twice",  # a UUID in use
    "nothing",  # no audio came
    "idle",  # no more audio came
    "large",  # a message too large
    "faster",  # faster than time
    "slow",  # does not take our answers
    "endless",  # longer than any call
    "token",  # wrong or missing
    "full",  # too many connections
    "address",  # a path or a query that means nothing
    "ours",  # a fault of ours
]

#: Calls whose ids begin so are the system's own.
RESERVED = "~"
#: Of what could not be read, so many bytes are kept.
HEAD = 120

_DIGITS = re.compile(rb"\d{3,}")
_PAYLOAD = re.compile(rb'"payload".*', re.DOTALL)


class Opened(Struct, frozen=True):
    """The call that the following sound belongs to."""

    call: Id


class Tapped(Struct, frozen=True):
    """The sound comes in under this UUID; whose it is the PBX tells (``leg.tapped``)."""

    uuid: str


class Sound(Struct, frozen=True):
    """PCM of one party; ``role`` None: of the party that the UUID names."""

    pcm: bytes
    rate: int
    role: Role | None = None


class Lost(Struct, frozen=True):
    """So much of that party's sound got lost."""

    seconds: float
    role: Role


class Paused(Struct, frozen=True):
    """So much silence was not sent."""

    seconds: float
    role: Role


class Reply(Struct, frozen=True):
    """To be sent back."""

    text: str


class Asked(Struct, frozen=True):
    """The client waits for an answer; ``final``: with all that has not been told; ``over``: of all that it has sent."""

    final: bool = False
    over: bool = False


class Fault(Struct, frozen=True):
    """``head``: the beginning of what could not be read, fit to be stored. ``fatal``: the connection is of no use."""

    reason: Reason
    text: str
    head: bytes = b""
    fatal: bool = False


class Ended(Struct, frozen=True):
    """The source has said that nothing follows."""


Item = Opened | Tapped | Sound | Lost | Paused | Reply | Asked | Fault | Ended


class Conversation(Protocol):
    """A websocket protocol without I/O."""

    @property
    def source(self) -> Source:
        """Its name in metrics."""

    def receive(self, message: str | bytes) -> list[Item]:
        """One message in. Never raises, whatever it is."""

    def end(self) -> list[Item]:
        """The connection is over: what was left half-read."""


def head(raw: str | bytes) -> bytes:
    """The beginning of ``raw`` without audio and without digits that could be somebody's number."""
    data = raw.encode(errors="backslashreplace") if isinstance(raw, str) else raw
    return _DIGITS.sub(b"*", _PAYLOAD.sub(b'"payload":...', data[: 4 * HEAD]))[:HEAD]


def json_object(text: str) -> dict[str, Any] | Fault:
    """A message that is one JSON object."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return Fault("unreadable", "a message is no JSON", head(text))
    return message if isinstance(message, dict) else Fault("unreadable", "a message is no JSON object", head(text))


def is_token(shown: str, token: str) -> bool:
    """Whether a client shows the right token; how long it takes tells nothing. ``shown`` may be any text at all."""
    return hmac.compare_digest(shown.encode(errors="surrogatepass"), token.encode())


def section(message: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside a message; empty where there is none."""
    found = message.get(name)
    return found if isinstance(found, dict) else {}


def call_id(text: object) -> str:
    """A call's id as a client gives it; empty where it cannot be one."""
    if not isinstance(text, str) or not text.isprintable() or text.startswith(RESERVED):
        return ""
    return text if 0 < len(text) <= 256 else ""


def role_named(text: object) -> Role | None:
    """A role as a client gives it."""
    return "agent" if text == "agent" else "customer" if text == "customer" else None
