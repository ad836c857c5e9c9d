"""Asterisk's AudioSocket, without I/O: bytes in pieces of any size to items.

A frame is one byte of kind, two bytes of length (big-endian) and the payload. The first frame is the UUID. Sound is
16 bit, *little*-endian, mono. Frames and rates as in Asterisk's ``res_audiosocket.h`` (22.10); Asterisk sends no
hang-up when the caller hangs up, the connection just ends.
"""

from __future__ import annotations

import uuid
from typing import Final

from asr.audio import WIDTH

from . import codec
from .items import Ended, Fault, Item, Sound, Tapped

HANG_UP, UUID, DTMF, ERROR = 0x00, 0x01, 0x03, 0xFF
#: Samples a second of each kind of sound: slin, slin12, slin16, slin24, slin32, slin44, slin48, slin96, slin192.
AUDIO: Final = {
    0x10: 8_000, 0x11: 12_000, 0x12: 16_000, 0x13: 24_000, 0x14: 32_000,
    0x15: 44_100, 0x16: 48_000, 0x17: 96_000, 0x18: 192_000,
}  # fmt: skip
_HEADER = 3


class AudioSocket:
    """One connection. Never raises, whatever comes; nothing is read after a fatal fault or a hang-up."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._named = self._over = False
        self._strange: set[int] = set()

    def receive(self, data: bytes) -> list[Item]:
        """Take bytes; answers with what they complete, in order."""
        self._buffer += data
        items: list[Item] = []
        while not self._over and (frame := self._next()) is not None:
            items += self._take(*frame)
        return items

    def end(self) -> list[Item]:
        """The connection is over."""
        left = len(self._buffer)
        if self._over or not left:
            return []
        self._over = True
        return [Fault("half", f"the connection ended inside a frame: {left} bytes of it came")]

    def _next(self) -> tuple[int, bytes] | None:
        if not self._named and self._buffer and self._buffer[:_HEADER] != b"\x01\x00\x10"[: len(self._buffer)]:
            return self._buffer[0], b""  # no AudioSocket at all: do not wait for the length that it seems to have
        end = _HEADER + int.from_bytes(self._buffer[1:_HEADER], "big")
        if len(self._buffer) < _HEADER or len(self._buffer) < end:
            return None
        kind, payload = self._buffer[0], bytes(self._buffer[_HEADER:end])
        del self._buffer[:end]
        return kind, payload

    def _take(self, kind: int, payload: bytes) -> list[Item]:
        if not self._named:
            return self._name(kind, payload)
        if kind in AUDIO:
            return self._sound(kind, payload)
        if kind == HANG_UP:
            self._over = True
            return [Ended()]
        if kind == ERROR:
            return [Fault("peer", f"Asterisk reports error {payload[:1].hex() or 'without a code'}")]
        if kind == DTMF:
            return []  # keys may spell an identity card's number: nobody needs them here
        return self._unknown(kind, payload)

    def _name(self, kind: int, payload: bytes) -> list[Item]:
        if kind == UUID and len(payload) == 16:
            self._named = True
            return [Tapped(str(uuid.UUID(bytes=payload)))]
        self._over = True
        start = bytes(self._buffer[:_HEADER]) or bytes([kind])
        text = "the first frame is no UUID: is this Asterisk's AudioSocket?"
        return [Fault("hello", text, b"starts with " + start.hex(" ").encode(), fatal=True)]

    def _sound(self, kind: int, payload: bytes) -> list[Item]:
        odd = len(payload) % WIDTH
        pcm, rate = codec.slower(payload[: len(payload) - odd], AUDIO[kind])
        items: list[Item] = [Sound(pcm, rate)] if pcm else []
        return [*items, Fault("half", f"a frame of {len(payload)} bytes ends with half a sample")] if odd else items

    def _unknown(self, kind: int, payload: bytes) -> list[Item]:
        """Told once for each kind: newer Asterisks may send more of it."""
        if kind in self._strange:
            return []
        self._strange.add(kind)
        again = kind == UUID
        text = "a second UUID" if again else f"a frame of unknown kind 0x{kind:02x}, {len(payload)} bytes: left out"
        return [Fault("unknown", text, f"kind {kind:02x}, length {len(payload)}".encode())]
