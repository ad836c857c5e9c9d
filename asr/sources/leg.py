"""One leg on its way to the topic: pieces of sound with their times of arrival become frames.

Owns the leg's time, which is its sample count. Two things keep that true to the world's:

- A source that stops sending (hold, no silence sent) must not date all later words too early. When sound comes more
  than ``LATE_S`` late it is kept back for ``PROOF_S``: if the rest follows at once the line was only stuck and nothing
  was missing; if it stays late, that much silence is put before it (``Frame.silent``).
- While nothing comes for ``QUIET_S``, silence is written as it passes, so that an open sentence ends.

No I/O and no clock; ``now`` is Unix seconds of a clock that never jumps.
"""

from __future__ import annotations

import uuid

from asr.audio import FRAME_S, WIDTH, Frame
from streams.events import Role

#: Sound that comes later than its sample count says by more than this, seconds, is late.
LATE_S = 0.5
#: So long, seconds, late sound must stay late before silence is believed.
PROOF_S = 0.5
#: After so much nothing, seconds, silence is written while it lasts.
QUIET_S = 1.5
#: The first piece of sound was heard just before it came; a longer one, seconds, is no live sound.
FIRST_S = 0.5
#: Lost sound beyond this, seconds, is a number that cannot be: the source counts wrong.
MOST_LOST_S = 600.0
#: So does a source that tells of a longer silence, seconds, than any call lasts.
MOST_SILENT_S = 4 * 3600.0


class Leg:
    """Frames of one party from one connection, at one rate."""

    def __init__(self, call: str, role: Role, rate: int) -> None:
        self.call, self.role, self.rate = call, role, rate
        self.stream = uuid.uuid4().hex[:12]
        self.begun: float | None = None
        self._offset = self._silent = 0
        self._sound = bytearray()
        self._late = bytearray()
        self._late_since = self._late_by = 0.0
        self._filled_s = 0.0  # silence written since the last sound, because time passed

    def take(self, pcm: bytes, now: float) -> list[Frame]:
        """Sound has come: whole samples."""
        if self.begun is None:
            self.begun = max(now - min(self._seconds(pcm), FIRST_S), 0.0)
        frames = self._settle(now)
        late_s = self._behind(now) - self._seconds(pcm)
        self._filled_s = 0.0
        if self._late:
            self._late += pcm
            self._late_by = min(self._late_by, late_s)
            return frames + (self._release(0.0) if late_s <= LATE_S else [])
        if late_s > LATE_S:
            self._late, self._late_since, self._late_by = bytearray(pcm), now, late_s
            return frames
        self._sound += pcm
        return frames + self._whole()

    def tick(self, now: float) -> list[Frame]:
        """Time has passed. To be called some times a second."""
        frames = self._settle(now)
        if self.begun is None or self._late or self._behind(now) < QUIET_S:
            return frames
        self._filled_s += self._behind(now) - LATE_S
        return [*frames, *self._skip(self._behind(now) - LATE_S, silent=True), self._frame(b"")]

    def silence(self, seconds: float) -> list[Frame]:
        """So much silence was not sent. It is told with the next frame."""
        return self._missing(min(seconds, MOST_SILENT_S), silent=True)

    def lose(self, seconds: float) -> list[Frame]:
        """So much sound got lost."""
        return self._missing(min(seconds, MOST_LOST_S), silent=False)

    def finish(self) -> list[Frame]:
        """Nothing follows; nothing at all is said of a leg that never had any sound."""
        if self.begun is None:
            return []
        frames = self._release(self._late_by) if self._late else []
        return [*frames, self._frame(bytes(self._sound), last=True)]

    def ahead(self, now: float) -> float:
        """How far the sound has run ahead of the clock, seconds."""
        return -self._behind(now) if self.begun is not None else 0.0

    @property
    def end_at(self) -> float:
        """When the last sample that went out was heard, Unix seconds."""
        return (self.begun or 0.0) + self._offset / self.rate

    def opening(self) -> Frame:
        """Nothing, at sample 0: what follows it at a later sample shows how much is missing."""
        return self._frame(b"", offset=0)

    def _behind(self, now: float) -> float:
        waiting_s = self._seconds(self._sound) + self._seconds(self._late)
        return now - (self.begun or 0.0) - self._offset / self.rate - waiting_s

    def _seconds(self, pcm: bytes | bytearray) -> float:
        return len(pcm) / WIDTH / self.rate

    def _missing(self, seconds: float, *, silent: bool) -> list[Frame]:
        """What the source says was not sent; time that has passed meanwhile may be written already."""
        frames = self._release(self._late_by) if self._late else []
        seconds, self._filled_s = seconds - self._filled_s, 0.0
        return frames + self._skip(seconds, silent=silent)

    def _settle(self, now: float) -> list[Frame]:
        due = bool(self._late) and now - self._late_since >= PROOF_S
        return self._release(self._late_by) if due else []

    def _release(self, silence_s: float) -> list[Frame]:
        frames = self._skip(silence_s, silent=True)
        self._sound += self._late
        self._late = bytearray()
        return frames + self._whole()

    def _skip(self, seconds: float, *, silent: bool) -> list[Frame]:
        samples = round(seconds * self.rate)
        if samples <= 0 or self.begun is None:
            return []
        frames = [self._frame(bytes(self._sound))] if self._sound else []
        self._offset += samples
        if silent:
            self._silent += samples
        return frames

    def _whole(self) -> list[Frame]:
        size = WIDTH * round(self.rate * FRAME_S)
        count = len(self._sound) // size
        return [self._frame(bytes(self._sound[:size])) for _ in range(count)]

    def _frame(self, pcm: bytes, *, last: bool = False, offset: int | None = None) -> Frame:
        at = self._offset if offset is None else offset
        silent = self._silent if offset is None else 0
        frame = Frame(
            call=self.call, role=self.role, stream=self.stream, begun=self.begun or 0.0, rate=self.rate,
            offset=at, pcm=pcm, silent=silent, last=last,
        )  # fmt: skip
        if offset is None:
            del self._sound[: len(pcm)]
            self._offset += frame.samples
            self._silent = 0
        return frame
