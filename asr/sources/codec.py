"""Telephone codings to PCM, 16 bit, little-endian, mono.

µ-law and A-law by the tables of ITU-T G.711: 256 values each, looked up by numpy (``audioop`` has left Python).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from asr.audio import RATES, WIDTH

Encoding = Literal["pcm", "mulaw", "alaw"]

#: How others call them, in lower case.
NAMES: dict[str, Encoding] = {
    "pcm": "pcm", "s16le": "pcm", "linear16": "pcm", "l16": "pcm", "slin": "pcm",
    "mulaw": "mulaw", "ulaw": "mulaw", "pcmu": "mulaw", "audio/x-mulaw": "mulaw",
    "alaw": "alaw", "pcma": "alaw", "audio/x-alaw": "alaw",
}  # fmt: skip

_PCM = np.dtype("<i2")


def _mulaw() -> npt.NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + 0x84) << ((code & 0x70) >> 4)
    return np.where(code & 0x80, 0x84 - magnitude, magnitude - 0x84).astype(_PCM)


def _alaw() -> npt.NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment = ((code & 0x70) >> 4).astype(np.int32)
    step = (code & 0x0F).astype(np.int32) << 4
    magnitude = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(_PCM)


_TABLES = {"mulaw": _mulaw(), "alaw": _alaw()}


def width(encoding: Encoding) -> int:
    """Bytes of one sample."""
    return WIDTH if encoding == "pcm" else 1


def decode(encoding: Encoding, data: bytes) -> bytes:
    """As PCM. ``data`` holds whole samples."""
    return data if encoding == "pcm" else _TABLES[encoding][np.frombuffer(data, np.uint8)].tobytes()


def channels(pcm: bytes, count: int) -> list[bytes]:
    """The channels of interleaved PCM; ``pcm`` holds whole samples of all of them."""
    if count == 1:
        return [pcm]
    samples = np.frombuffer(pcm, _PCM).reshape(-1, count)
    return [samples[:, channel].tobytes() for channel in range(count)]


def slower(pcm: bytes, rate: int) -> tuple[bytes, int]:
    """The same sound at a rate that frames can have, halved as often as need be; neighbours are averaged.

    Speech has next to nothing above 24 kHz that could fold down.
    """
    by = 1
    while rate // by > RATES[1]:
        by *= 2
    if by == 1:
        return pcm, rate
    samples = np.frombuffer(pcm, _PCM)
    whole = samples[: len(samples) // by * by].astype(np.int32).reshape(-1, by)
    return (whole.sum(axis=1) // by).astype(_PCM).tobytes(), rate // by
