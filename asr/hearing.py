"""One partition of ``audio``: its streams of sound, an ear for each, and from where a successor would have to hear.

Frames come in the order of the log; events go out. The same frames from the same place on give the same events, so that
a successor tells nothing new of what was told already. No Kafka and no clock::

    frames ──▶ stream (leg + connection) ──▶ ear ──▶ events
                  │ safe: every sample before it is done with
                  └──▶ bookmark: the offset of the oldest frame that is still needed, and each stream's safe sample

What cannot be heard becomes a gap: frames that the topic no longer has, sound that is skipped because the worker is
behind, a connection that broke and came back, an ear that failed.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from asr.audio import WIDTH, BadFrameError, Frame
from asr.bookmark import Place, StreamId, stream_id, write
from streams.events import AnyEvent, Gap, SpeechEnded, SpeechStarted

log = logging.getLogger("sansheng.recognise")

#: A stream of which nothing comes for so long, seconds, has its sentence ended; it may go on later.
IDLE_S = 15.0
#: The same for a call that has ended.
IDLE_ENDED_S = 2.0
#: Sound that comes so long after the end of its call, seconds, is not of it any more. Sound is dated by its arrival, so
#: the last words may seem to fall after the end.
AFTER_S = 3.0
#: A stream is remembered so long after its last frame, seconds: as long as the topic keeps audio.
KEPT_S = 600.0
#: A successor hears a sentence again from its start: what lay in the topic when it took over may be that much older
#: than the limit behind which sound is skipped, seconds.
REHEAR_S = 60.0
#: Skipping ends with sound that is not older than this, seconds.
CAUGHT_UP_S = 2.0
#: An ear that failed is followed by a new one after so much sound, seconds.
REST_S = 1.0
#: Time between two connections of one leg from which it is told as a gap, seconds.
BROKEN_S = 0.05
#: So many frames may wait for the end of their sentence; older ones the topic has forgotten anyway.
_WAITING = 6000

#: A leg has at most so many samples: a day at the highest rate.
_LAST_SAMPLE = 2**32 - 1
#: Ids that begin so are the system's own: no call is called that.
_OWN_ID = "~"


class Listener(Protocol):
    """An ear; see :class:`asr.ear.Ear`."""

    def hear(self, frame: Frame) -> list[AnyEvent]:
        """The next sound."""

    def finish(self) -> list[AnyEvent]:
        """The leg is over."""

    def lose(self, until: int, reason: str) -> list[AnyEvent]:
        """Sound up to that sample cannot be heard."""

    def mute(self, start: float, end: float | None) -> None:
        """The leg is held or transferring, Unix seconds."""

    @property
    def safe(self) -> int:
        """Every sample before it is done with."""


class Phone(Protocol):
    """What the telephone tells; see :class:`asr.holds.Holds`."""

    def of(self, call: str) -> Iterable[tuple[float, float | None]]:
        """Muted stretches of that call."""

    def ended_at(self, call: str) -> float | None:
        """When it ended."""


class Hears(NamedTuple):
    """What a partition needs: ``ear`` makes one that begins with the (empty) frame; ``room`` says whether one more may
    be made. ``behind_s``: sound older than that is skipped.
    """

    ear: Callable[[Frame], Listener]
    phone: Phone
    room: Callable[[], bool]
    behind_s: float


class Left(NamedTuple):
    """What a predecessor left: its bookmark. Frames before offset ``backlog_end`` lay there ``now`` (Unix seconds)."""

    places: Mapping[StreamId, Place]
    backlog_end: int
    now: float


class Moment(NamedTuple):
    """Where a frame lies in the log, how old it is by the broker's clock, and the worker's clock, Unix seconds."""

    offset: int
    age_s: float
    now: float


class Stream:
    """One connection's sound of one leg."""

    def __init__(self, first: Frame, name: StreamId, left: Place | None, moment: Moment) -> None:
        """``left``: where a predecessor left off, if one has heard it."""
        self.first, self.name, self.at = first, name, left.safe if left else 0
        self.inherited = left is not None
        self.ear: Listener | None = None
        self.done, self.fresh = False, True
        #: why sound since the ear's last is passed over; empty: it is heard
        self.skips = ""
        self.rest_until = 0
        self.speaking = False
        self.seen_at, self.last_offset = moment.now, moment.offset
        #: (sample after its last one, offset in the log) of the frames that a successor would need
        self.waiting: deque[tuple[int, int]] = deque(maxlen=_WAITING)
        self._safe = self.at

    @property
    def safe(self) -> int:
        """Every sample before it is done with."""
        return self.ear.safe if self.ear else self._safe

    @property
    def place(self) -> Place:
        """For the bookmark."""
        safe = self.at if self.done else self.safe
        return Place(safe, round(self.first.at(safe) * 1000), self.done)

    def needs(self) -> int | None:
        """The offset of the oldest frame that is not done with; None: of none."""
        safe = self.safe
        while self.waiting and self.waiting[0][0] <= safe:
            self.waiting.popleft()
        return self.waiting[0][1] if self.waiting and not self.done else None

    def park(self) -> None:
        """It goes on without an ear until its next frame; all that came is done with."""
        self.ear, self._safe, self.skips, self.speaking = None, self.at, "", False
        self.waiting.clear()


class Partition:
    """The streams of one partition, from the place at which somebody left off."""

    def __init__(self, hears: Hears, left: Left) -> None:
        """Nothing has been heard yet."""
        self._hears, self._left, self._backlog_end = hears, dict(left.places), left.backlog_end
        self._left_until = left.now + KEPT_S
        self._streams: dict[tuple[str, str], Stream] = {}
        self._of_leg: dict[str, Stream] = {}
        self._next: int | None = None
        self._skipping = False
        #: since the last look: ears that failed, streams for which there was no room
        self.faults = self.refused = 0

    @property
    def legs(self) -> int:
        """Streams that are being heard."""
        return sum(stream.ear is not None for stream in self._streams.values())

    @property
    def skipping(self) -> bool:
        """Whether sound is being passed over because it is too old."""
        return self._skipping

    # -- sound --------------------------------------------------------------------------------------

    def take(self, frame: Frame, moment: Moment) -> list[AnyEvent]:
        """Hear the next frame of the log.

        Raises:
            BadFrameError: it does not belong to its stream; it is passed over.
        """
        self._next = moment.offset + 1
        self._note_age(moment)
        stream = self._streams.get((frame.leg, frame.stream))
        _must_fit(frame, stream)
        events: list[AnyEvent] = []
        if stream is None:
            stream = self._open(frame, moment, events)
        stream.seen_at, stream.last_offset = moment.now, moment.offset
        if not stream.done:
            self._take(stream, frame, moment, events)
        return events

    def passed(self, offset: int) -> None:
        """The message there was no frame and is done with."""
        self._next = offset + 1

    def _note_age(self, moment: Moment) -> None:
        limit_s = self._hears.behind_s + (REHEAR_S if moment.offset < self._backlog_end else 0.0)
        if moment.age_s > limit_s:
            self._skipping = True
        elif moment.age_s <= min(CAUGHT_UP_S, self._hears.behind_s / 2):
            self._skipping = False

    def _open(self, frame: Frame, moment: Moment, events: list[AnyEvent]) -> Stream:
        name = stream_id(frame.leg, frame.stream)
        left = self._left.pop(name, None)
        stream = Stream(frame, name, left, moment)
        stream.done = left is not None and left.done
        if left is None:
            self._replace_connection(frame, events)
        self._streams[frame.leg, frame.stream] = self._of_leg[frame.leg] = stream
        return stream

    def _replace_connection(self, frame: Frame, events: list[AnyEvent]) -> None:
        """A leg that comes anew ends its earlier connection; what was said in between nobody heard."""
        old = self._of_leg.get(frame.leg)
        since = None
        if old is not None and not old.done:
            events += self._finish(old)
            since = old.first.at(old.at)
            old.done = True
        leg = stream_id(frame.leg, "").leg
        for name in [name for name, place in self._left.items() if name.leg == leg and not place.done]:
            since = max(since or 0.0, self._left[name].at_ms / 1000)
            self._left[name] = self._left[name]._replace(done=True)
        begins = frame.at(frame.offset - frame.silent)
        if since is not None and begins - since > BROKEN_S:
            events.append(SpeechEnded(call=frame.call, role=frame.role, at=since))
            events.append(
                Gap(call=frame.call, role=frame.role, at=begins, start=since, end=begins, reason="reconnected")
            )

    def _take(self, stream: Stream, frame: Frame, moment: Moment, events: list[AnyEvent]) -> None:
        if not frame.last and frame.end <= stream.at:
            return  # delivered again, or heard by a predecessor
        ended_at = self._hears.phone.ended_at(frame.call)
        if ended_at is not None and frame.at(frame.offset) >= ended_at + AFTER_S:
            self._end(stream, events)
            return
        frame = _from(frame, stream.at)
        why = "behind" if self._skipping else "fault" if frame.end <= stream.rest_until else ""
        if not self._has_ear(stream, frame):
            return
        stream.waiting.append((frame.end, moment.offset))
        if why:
            stream.skips = stream.skips or why
        else:
            events += self._guarded(stream, frame, lambda ear: self._hear(stream, ear, frame))
        stream.at = max(stream.at, frame.end)
        if frame.last:
            self._end(stream, events)

    def _hear(self, stream: Stream, ear: Listener, frame: Frame) -> list[AnyEvent]:
        events: list[AnyEvent] = []
        if stream.skips == "expired":  # whoever heard it may have been in the middle of a sound
            events.append(SpeechEnded(call=frame.call, role=frame.role, at=frame.at(stream.at)))
        if stream.skips:
            events += ear.lose(frame.offset - frame.silent, stream.skips)
        stream.skips = ""
        return events + ear.hear(frame)

    def _has_ear(self, stream: Stream, frame: Frame) -> bool:
        """Give it an ear that begins where the last one left off; False: there are too many."""
        if stream.ear is not None:
            return True
        if not self._hears.room():
            self.refused += 1
            return False
        stream.ear = self._new_ear(frame, stream.at)
        if stream.fresh and frame.offset - frame.silent > stream.at:
            stream.skips = "expired" if stream.inherited else "lost"
        stream.fresh = False
        return True

    def _new_ear(self, frame: Frame, at: int) -> Listener:
        ear = self._hears.ear(replace(frame, offset=at, pcm=b"", silent=0, last=False))
        for start, end in self._hears.phone.of(frame.call):
            ear.mute(start, end)
        return ear

    # -- ends ---------------------------------------------------------------------------------------

    def _end(self, stream: Stream, events: list[AnyEvent]) -> None:
        events += self._finish(stream)
        stream.done = True

    def _finish(self, stream: Stream) -> list[AnyEvent]:
        """End what is being said; sound that was passed over at the end is lost."""
        events: list[AnyEvent] = []
        if stream.ear is not None:
            if stream.skips:
                reason = stream.skips
                events += self._guarded(stream, stream.first, lambda ear: ear.lose(stream.at, reason))
            events += self._guarded(stream, stream.first, lambda ear: ear.finish())
        stream.park()
        return events

    def rest(self, now: float) -> list[AnyEvent]:
        """End what is being said on streams of which nothing comes any more, and forget those long over."""
        events: list[AnyEvent] = []
        for key, stream in list(self._streams.items()):
            silent_s = now - stream.seen_at
            over = stream.done or self._hears.phone.ended_at(stream.first.call) is not None
            if stream.ear is not None and silent_s > (IDLE_ENDED_S if over else IDLE_S):
                events += self._finish(stream)
            if silent_s > KEPT_S:
                self._forget(key)
        if now > self._left_until:
            self._left.clear()
        return events

    def _forget(self, key: tuple[str, str]) -> None:
        stream = self._streams.pop(key)
        if self._of_leg.get(key[0]) is stream:
            del self._of_leg[key[0]]

    def mute(self, call: str, stretches: Iterable[tuple[float, float | None]]) -> None:
        """Both parties of that call cannot hear each other, from..to (Unix seconds; None: it goes on)."""
        told = list(stretches)
        for stream in self._streams.values():
            if stream.ear is not None and stream.first.call == call:
                for start, end in told:
                    stream.ear.mute(start, end)

    # -- ears that fail -----------------------------------------------------------------------------

    def _guarded(self, stream: Stream, frame: Frame, work: Callable[[Listener], list[AnyEvent]]) -> list[AnyEvent]:
        """What ``work`` gives; if it fails, a gap, and a new ear after a little rest."""
        ear = stream.ear
        assert ear is not None  # noqa: S101 - callers have seen to it
        try:
            events = work(ear)
        except Exception as error:  # whatever an engine does to one leg, the others go on
            log.warning("an ear failed: %s", type(error).__name__)  # its text may hold what was said
            self.faults += 1
            events = self._broken(stream, max(stream.at, frame.end))
        for event in events:
            if isinstance(event, SpeechStarted | SpeechEnded):
                stream.speaking = isinstance(event, SpeechStarted)
        return events

    def _broken(self, stream: Stream, until: int) -> list[AnyEvent]:
        first, start, end = stream.first, stream.first.at(stream.safe), stream.first.at(until)
        events: list[AnyEvent] = []
        if stream.speaking:
            events.append(SpeechEnded(call=first.call, role=first.role, at=end))
        events.append(Gap(call=first.call, role=first.role, at=end, start=start, end=end, reason="fault"))
        stream.ear = self._new_ear(first, until)
        stream.rest_until = until + round(REST_S * first.rate)
        stream.skips = ""
        return events

    # -- the place for a successor ------------------------------------------------------------------

    def bookmark(self) -> tuple[int, str] | None:
        """Offset and metadata to commit; None: nothing to commit, or more streams than a commit can name."""
        if self._next is None:
            return None
        needed = [offset for stream in self._streams.values() if (offset := stream.needs()) is not None]
        offset = min([*needed, self._next])
        if offset >= self._backlog_end:
            self._left = {name: place for name, place in self._left.items() if not place.done}
        again = (s for s in self._streams.values() if not s.done or s.last_offset >= offset)
        places = [(stream.name, stream.place) for stream in again]
        metadata = write([*self._left.items(), *places])
        return None if metadata is None else (offset, metadata)


def _must_fit(frame: Frame, stream: Stream | None) -> None:
    """Raises BadFrameError where a frame cannot be of its stream."""
    if frame.call.startswith(_OWN_ID):
        raise BadFrameError(f"a call's id must not begin with {_OWN_ID}", "misplaced")
    if frame.end > _LAST_SAMPLE or frame.silent > frame.offset:
        raise BadFrameError(f"no place on a leg: sample {frame.offset}, {frame.silent} silent before it", "misplaced")
    if stream is not None and (stream.first.rate, stream.first.begun) != (frame.rate, frame.begun):
        raise BadFrameError("another rate or beginning than the stream's other frames have", "mixed")


def _from(frame: Frame, sample: int) -> Frame:
    """The frame without what lies before ``sample``."""
    begins = frame.offset - frame.silent
    if begins >= sample:
        return frame
    cut = min(max(sample - frame.offset, 0), frame.samples)
    offset = max(frame.offset, min(sample, frame.end))
    return replace(frame, offset=offset, pcm=frame.pcm[cut * WIDTH :], silent=max(0, frame.offset - sample))
