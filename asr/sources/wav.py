"""Files of sound as frames: WAV of any coding that libsndfile reads (PCM, A-law, µ-law, float …), one or two parties.

Two channels are the agent (left) and the customer (right); one channel takes the role it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from asr.audio import FRAME_S, RATES, Frame
from streams.events import Role

#: Whose the channels of a file with two are.
CHANNELS: tuple[Role, ...] = ("agent", "customer")


class BadSoundError(ValueError):
    """A file that cannot be heard; the text names it and the mend."""


class WavFile:
    """An opened file of sound. Raises BadSoundError where it cannot be heard."""

    def __init__(self, path: Path, role: Role | None = None) -> None:
        """``role`` is whose a single channel is."""
        self._path = path
        if not path.is_file():
            raise BadSoundError(f"{path}: is no file")
        try:
            about = soundfile.info(str(path))
        except (soundfile.LibsndfileError, OSError) as error:
            why = getattr(error, "error_string", None) or str(error)
            raise BadSoundError(f"{path}: no file of sound that can be read: {why}") from None
        self.rate, self.seconds = about.samplerate, about.frames / about.samplerate
        self.roles = self._roles(about.channels, role)
        if not RATES[0] <= self.rate <= RATES[1]:
            raise BadSoundError(
                f"{path}: {self.rate} samples a second (between {RATES[0]} and {RATES[1]}; resample it)"
            )
        if not about.frames:
            raise BadSoundError(f"{path}: holds no sound")

    def _roles(self, channels: int, role: Role | None) -> tuple[Role, ...]:
        if channels > len(CHANNELS):
            raise BadSoundError(f"{self._path}: {channels} channels (one, or two: agent left, customer right)")
        if channels == len(CHANNELS):
            if role is not None:
                raise BadSoundError(f"{self._path}: two channels are agent and customer (leave --role out)")
            return CHANNELS
        if role is None:
            raise BadSoundError(f"{self._path}: one channel: whose is it? (--role agent or --role customer)")
        return (role,)

    def frames(self, call: str, begun: float) -> Iterator[Frame]:
        """Frames of 0.1 s in order of time, the parties in turn; the last ones are marked.

        ``begun``: Unix seconds of the first sample. Raises BadSoundError where the file breaks off inside its coding.
        """
        size, offset = round(self.rate * FRAME_S), 0
        total = round(self.seconds * self.rate)
        try:
            for block in soundfile.blocks(str(self._path), blocksize=size, dtype="float32", always_2d=True):
                pcm = np.clip(np.rint(block * 32768), -32768, 32767).astype("<i2")
                for channel, role in enumerate(self.roles):
                    yield Frame(
                        call=call,
                        role=role,
                        stream=self._path.name,
                        begun=begun,
                        rate=self.rate,
                        offset=offset,
                        pcm=pcm[:, channel].tobytes(),
                        last=offset + len(pcm) >= total,
                    )
                offset += len(pcm)
        except soundfile.LibsndfileError as error:
            where = f"after {offset / self.rate:.1f} s"
            raise BadSoundError(f"{self._path}: cannot be read {where}: {error.error_string}") from None
