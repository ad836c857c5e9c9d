"""Genesys AudioHook (version 2), without I/O: ``open``, ``ping``, ``paused``, ``resumed``, ``discarded``, ``close``.

Messages as in Genesys' reference implementation (``audiohook-reference-implementation``, ``protocol/message.ts``).
Sound comes as binary messages, PCMU or L16 (16 bit, little-endian, as the reference reads it), one channel or two
interleaved: *external* is the customer, *internal* the agent. Time of a pause was not sent: it counts as silence; what
was discarded is lost. The call is ``customConfig.call``, else ``conversationId``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from asr.audio import RATES
from streams.events import Role

from . import codec
from .items import Ended, Fault, Item, Lost, Opened, Paused, Reply, Sound, Source, call_id, head, json_object, section

_ROLES: Mapping[str, Role] = {"external": "customer", "internal": "agent"}
_FORMATS: Mapping[str, codec.Encoding] = {"PCMU": "mulaw", "L16": "pcm"}
_DURATION = re.compile(r"PT(\d+(?:\.\d+)?)S")
#: Genesys probes a new integration with a session of this conversation, without sound.
_PROBE = "00000000-0000-0000-0000-000000000000"


class AudioHook:
    """One session."""

    source: Source = "audiohook"

    def __init__(self) -> None:
        self._id = ""
        self._seq = self._client_seq = 0
        self._encoding: codec.Encoding = "mulaw"
        self._rate = 8_000
        self._roles: tuple[Role, ...] = ()
        self._handlers = {
            "open": self._open, "ping": self._ping, "close": self._close, "paused": self._nothing,
            "resumed": self._resumed, "discarded": self._discarded, "update": self._update, "error": self._error,
        }  # fmt: skip

    def receive(self, message: str | bytes) -> list[Item]:
        """One message in."""
        if isinstance(message, bytes):
            return self._sound(message)
        told = json_object(message)
        if isinstance(told, Fault):
            return [told]
        handler = self._handlers.get(str(told.get("type")))
        return [*self._count(told), *(handler(told) if handler else self._unknown(message))]

    def end(self) -> list[Item]:
        """The connection is over."""
        return []

    def _count(self, message: dict[str, Any]) -> list[Item]:
        seq, expected = message.get("seq"), self._client_seq + 1
        self._client_seq = seq if isinstance(seq, int) else expected
        self._id = self._id or str(message.get("id", ""))[:64]
        return [] if seq == expected else [Fault("sequence", "seq does not follow the one before")]

    def _unknown(self, message: str) -> list[Item]:
        return [Fault("unknown", "a message of unknown type: left out", head(message))]

    def _open(self, message: dict[str, Any]) -> list[Item]:
        parameters = section(message, "parameters")
        call = call_id(section(parameters, "customConfig").get("call")) or call_id(parameters.get("conversationId"))
        offered = parameters.get("media")
        media = _best(offered if isinstance(offered, list) else [])
        if self._roles or not call:
            return self._refuse("unreadable", "a second open" if self._roles else "open names no conversationId")
        if media is None:
            return self._refuse("rate", "open offers neither PCMU nor L16 of external or internal")
        self._encoding, self._rate = _FORMATS[media["format"]], media["rate"]
        self._roles = tuple(_ROLES[channel] for channel in media["channels"])
        opened = self._reply("opened", {"startPaused": False, "media": [media]})
        return [opened] if call == _PROBE else [Opened(call), opened]

    def _refuse(self, reason: Any, text: str) -> list[Item]:
        return [self._reply("disconnect", {"reason": "error", "info": text}), Fault(reason, text, fatal=True)]

    def _sound(self, data: bytes) -> list[Item]:
        size = len(self._roles) * codec.width(self._encoding)
        if not size:
            return [Fault("hello", "sound before open: which call is it?", fatal=True)]
        whole = len(data) - len(data) % size
        pcm = codec.decode(self._encoding, data[:whole])
        parts = codec.channels(pcm, len(self._roles)) if whole else []
        items: list[Item] = [Sound(part, self._rate, role) for role, part in zip(self._roles, parts, strict=False)]
        if whole != len(data):
            items.append(Fault("half", f"a message of {len(data)} bytes ends with half a sample"))
        return items

    def _ping(self, message: dict[str, Any]) -> list[Item]:
        return [self._reply("pong", {})]

    def _close(self, message: dict[str, Any]) -> list[Item]:
        return [self._reply("closed", {}), Ended()]

    def _update(self, message: dict[str, Any]) -> list[Item]:
        return [self._reply("updated", {})]

    def _nothing(self, message: dict[str, Any]) -> list[Item]:
        return []

    def _resumed(self, message: dict[str, Any]) -> list[Item]:
        seconds = _seconds(section(message, "parameters").get("discarded"))
        return [Paused(seconds, role) for role in self._roles] if seconds else []

    def _discarded(self, message: dict[str, Any]) -> list[Item]:
        seconds = _seconds(section(message, "parameters").get("discarded"))
        if seconds is None:
            return [Fault("unreadable", "parameters.discarded is no duration (PT1.5S)")]
        return [Lost(seconds, role) for role in self._roles]

    def _error(self, message: dict[str, Any]) -> list[Item]:
        code = section(message, "parameters").get("code")
        return [Fault("peer", f"Genesys reports error {code if isinstance(code, int) else 'without a code'}")]

    def _reply(self, kind: str, parameters: dict[str, Any]) -> Reply:
        self._seq += 1
        numbers = {"seq": self._seq, "clientseq": self._client_seq}
        return Reply(json.dumps({"version": "2", "type": kind, "id": self._id, **numbers, "parameters": parameters}))


def _best(offered: list[Any]) -> dict[str, Any] | None:
    """The offer with most channels that can be taken; the first of equals."""
    fit = [media for media in offered if isinstance(media, dict) and _fits(media)]
    return max(fit, key=lambda media: len(media["channels"]), default=None)


def _fits(media: dict[str, Any]) -> bool:
    channels, rate = media.get("channels"), media.get("rate")
    if not isinstance(channels, list) or not channels:
        return False
    named = [str(channel) for channel in channels]
    rated = isinstance(rate, int) and RATES[0] <= rate <= RATES[1]
    once = len(set(named)) == len(named) and set(named) <= _ROLES.keys()
    return once and rated and str(media.get("format")) in _FORMATS


def _seconds(duration: object) -> float | None:
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    return float(found.group(1)) if found else None
