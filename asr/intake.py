"""Sound as sherpa-onnx's models want it: 16,000 samples a second, as loud as what they were trained with.

Lines differ by 20 dB and more, and a model hears a quiet one worse (wrong syllables of the synthetic sentences at a
quarter of their level: 8.6 instead of 5.3 %). So each utterance is amplified by its loudest moment so far. That needs
no look ahead: no model says anything before it has heard :data:`FIRST_S`.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]

#: Samples a second that the models take.
RATE_HZ = 16_000
#: The amplification of an utterance's beginning is told from so much of it.
FIRST_S = 0.4
#: The loudest moment becomes so loud (of full scale, effective), by at most that factor.
_TARGET, _MOST = 0.25, 8.0
_BLOCKS_A_SECOND = 50
#: How fast the measured power follows the sound, a block: half of it is the block's own (a click is no speech).
_FOLLOW = 0.5
_SILENT = 1e-9


class Intake:
    """One utterance's way in. What comes out depends on the samples alone, not on how they were cut."""

    def __init__(self, rate: int) -> None:
        self._block = rate // _BLOCKS_A_SECOND
        self._first = round(FIRST_S * _BLOCKS_A_SECOND) * self._block
        self._waiting = np.zeros(0, np.float32)
        self._begun = False
        self._power = self._loudest = _SILENT
        # with a variable rate soxr hands out sound after 30 ms, otherwise in lumps of 120 ms
        self._resampled = None if rate == RATE_HZ else soxr.ResampleStream(rate, RATE_HZ, 1, dtype="float32", vr=True)

    def take(self, pcm: bytes) -> Samples:
        """What is ready of the sound so far."""
        self._waiting = np.concatenate([self._waiting, np.frombuffer(pcm, "<i2").astype(np.float32) / 32768])
        if len(self._waiting) < (self._block if self._begun else self._first):
            return np.zeros(0, np.float32)
        whole = len(self._waiting) // self._block * self._block if self._begun else self._first
        ready, self._waiting = self._waiting[:whole], self._waiting[whole:]
        return np.concatenate([self._out(ready), self.take(b"")])

    def rest(self) -> Samples:
        """What was still waiting; nothing may follow."""
        ready = self._levelled(self._waiting)
        return self._resampled.resample_chunk(ready, last=True) if self._resampled else ready

    def _out(self, sound: Samples) -> Samples:
        ready = self._levelled(sound)
        return self._resampled.resample_chunk(ready) if self._resampled else ready

    def _levelled(self, sound: Samples) -> Samples:
        blocks = [sound[at : at + self._block] for at in range(0, len(sound), self._block)]
        gains = [self._gain(block) for block in blocks]
        if not self._begun and gains:
            gains = [gains[-1]] * len(gains)
        self._begun = True
        return np.concatenate([block * gain for block, gain in zip(blocks, gains, strict=True)] or [sound])

    def _gain(self, block: Samples) -> np.float32:
        self._power += _FOLLOW * (float(np.dot(block, block)) / len(block) - self._power)
        self._loudest = max(self._loudest, self._power)
        return np.float32(min(_TARGET / self._loudest**0.5, _MOST))
