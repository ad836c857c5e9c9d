"""Twilio Media Streams, without I/O: ``connected``, ``start``, ``media``, ``stop``, ``mark``, ``dtmf``.

``media.payload`` is µ-law at 8000 Hz in base64; ``track`` says whose: *inbound* is what Twilio hears of the call's
party, *outbound* what it plays to it. ``media.chunk`` counts the messages of a track from 1: a number that is left out
is sound that got lost. The call is the custom parameter ``call``, else ``callSid``.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from asr.audio import WIDTH
from streams.events import Role

from . import codec
from .items import (
    Ended,
    Fault,
    Item,
    Lost,
    Opened,
    Sound,
    Source,
    call_id,
    head,
    is_token,
    json_object,
    role_named,
    section,
)

#: Twilio's coding where ``start`` does not say.
ENCODING: codec.Encoding = "mulaw"
_TRACKS = ("inbound", "outbound")
_IGNORED = frozenset({"connected", "mark", "dtmf"})
#: More chunks than that cannot be missing: a call has fewer.
_MOST_LOST = 1_000_000


class Twilio:
    """One stream. ``token``: what ``start.customParameters.token`` must say; empty: the handshake has shown it."""

    source: Source = "twilio"

    def __init__(self, token: str = "") -> None:
        self._token = token
        self._started = False
        self._rate, self._encoding = 8_000, ENCODING
        self._roles: dict[str, Role] = {"inbound": "customer", "outbound": "agent"}
        self._chunk: dict[str, int] = {}

    def receive(self, message: str | bytes) -> list[Item]:
        """One message in."""
        if isinstance(message, bytes):
            return [Fault("unknown", "a binary message: Twilio sends text", b"binary")]
        told = json_object(message)
        if isinstance(told, Fault):
            return [told]
        event = str(told.get("event"))
        if event == "media":
            return self._media(section(told, "media"))
        if event == "start":
            return self._start(section(told, "start"))
        if event == "stop":
            return [Ended()]
        return [] if event in _IGNORED else [Fault("unknown", "an event of unknown kind: left out", head(message))]

    def end(self) -> list[Item]:
        """The connection is over."""
        return []

    def _start(self, start: dict[str, Any]) -> list[Item]:
        custom, form = section(start, "customParameters"), section(start, "mediaFormat")
        if self._token and not is_token(str(custom.get("token", "")), self._token):
            return [Fault("token", "customParameters.token is wrong or missing", fatal=True)]
        encoding = codec.NAMES.get(str(form.get("encoding", ENCODING)))
        if encoding is None or form.get("sampleRate", 8_000) != 8_000 or form.get("channels", 1) != 1:
            return [Fault("rate", "mediaFormat is not µ-law or A-law, 8000 Hz, one channel", fatal=True)]
        call = call_id(custom.get("call")) or call_id(start.get("callSid"))
        if not call:
            return [Fault("unreadable", "start names no call (callSid)", fatal=True)]
        inbound = role_named(custom.get("inbound"))
        if inbound == "agent":
            self._roles = {"inbound": "agent", "outbound": "customer"}
        self._encoding, self._started = encoding, True
        return [Opened(call)]

    def _media(self, media: dict[str, Any]) -> list[Item]:
        track = media.get("track")
        if not self._started:
            return [Fault("hello", "media before start: which call is it?", fatal=True)]
        if track not in _TRACKS:
            return [Fault("unreadable", "media.track is neither inbound nor outbound")]
        try:
            pcm = codec.decode(self._encoding, base64.b64decode(media.get("payload", ""), validate=True))
        except (binascii.Error, TypeError, ValueError):
            return [Fault("unreadable", "media.payload is no base64")]
        role = self._roles[track]
        items = self._missing(track, media.get("chunk"), len(pcm) / WIDTH / self._rate)
        return [*items, Sound(pcm, self._rate, role)] if pcm else items

    def _missing(self, track: str, chunk: object, seconds: float) -> list[Item]:
        """What lies between the last chunk of this track and this one. Chunks are all of one length."""
        try:
            number = int(str(chunk))
        except ValueError:
            return [Fault("sequence", "media.chunk is no number")]
        before = self._chunk.get(track)
        self._chunk[track] = max(number, before or 0)
        if before is None or number == before + 1:
            return []
        if number <= before:
            return [Fault("sequence", "media.chunk goes back")]
        lost = min(number - before - 1, _MOST_LOST)
        return [Fault("sequence", f"{lost} chunks are missing"), Lost(lost * seconds, self._roles[track])]
