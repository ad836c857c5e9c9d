"""Files of sound as frames: WAV of any coding that libsndfile reads (PCM, A-law, µ-law, float …), one or two parties.

Two channels are the agent (left) and the customer (right); one channel takes the role it is given.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from asr.audio import FRAME_S, RATES, Frame
from streams.events import Role

#: Whose the channels of a file with two are.
CHANNELS: tuple[Role, ...] = ("agent", "customer")


#: From here on, bytes, a chunk's size says that whoever wrote it did not know it (sox: 0x7ffff000 and a little more).
_UNKNOWN_SIZE = 0x7FFF0000


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
        #: the share of the sound which the header tells of that is there
        self._there = _share_there(path)

    @property
    def breaks_off(self) -> bool:
        """Whether the header tells of more sound than there is."""
        return bool(self.seconds / self._there - self.seconds >= FRAME_S)

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

        ``begun``: Unix seconds of the first sample. Raises BadSoundError where the file breaks off.
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
                        last=offset + len(pcm) >= total and not self.breaks_off,
                    )
                offset += len(pcm)
        except soundfile.LibsndfileError as error:
            where = f"after {offset / self.rate:.1f} s"
            raise BadSoundError(f"{self._path}: cannot be read {where}: {error.error_string}") from None
        if self.breaks_off:
            whole = self.seconds / self._there
            raise BadSoundError(
                f"{self._path}: breaks off after {self.seconds:.1f} of {whole:.1f} s (copy it again from where it came)"
            )


def _share_there(path: Path) -> float:
    """The share of a WAV's sound that is there, by the size of its data chunk; libsndfile does not tell."""
    with path.open("rb") as file:
        kind = file.read(12)
        if kind[:4] != b"RIFF" or kind[8:] != b"WAVE":
            return 1.0
        told = _data_size(file)
        there = path.stat().st_size - file.tell()
    return there / told if 0 < there < told < _UNKNOWN_SIZE else 1.0


def _data_size(file: BinaryIO) -> int:
    """What the header says; afterwards ``file`` stands where the data begins. 0: there is no such chunk."""
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            return int(size)
        file.seek(size + size % 2, 1)  # chunks begin at even places
    return 0
