"""A clip in the middle of a well-formed call: everything around it is as it should be, so only its own words can fire.

The call is that of the written corpora (``tests/corpora.py``); its middle utterance is taken out and the ear hears
the clip there. Phone events and the other utterances are given as they truly are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from asr.audio import Frame
from bench.lab.clips import Clip, pcm
from streams.events import AnyEvent, Event, Transcript
from tests.corpora import PAUSE_S, well_formed

_PLACE = "甲乙丙丁"
#: Frames as they come from a gateway, seconds.
FRAME_S = 0.1


class Framed(NamedTuple):
    """``before``, then the ear on ``frames``, then ``after``; all on one clock."""

    before: tuple[AnyEvent, ...]
    frames: tuple[Frame, ...]
    after: tuple[AnyEvent, ...]


def framed(clip: Clip) -> Framed:
    """The call around a clip."""
    events = well_formed(_PLACE, clip.role, name=clip.name).events
    (place,) = (e for e in events if isinstance(e, Transcript) and e.text == _PLACE)
    middle = [e for e in events if _is_of(e, place)]
    begun = place.start
    later = clip.lasts_s + PAUSE_S - (place.end - place.start)
    before = tuple(e for e in events if e.at < begun and e not in middle)
    after = tuple(_shifted(e, later) for e in events if e.at >= begun and e not in middle)
    return Framed(before, tuple(frames(clip, place.call, begun)), after)


def frames(clip: Clip, call: str, begun: float) -> Iterable[Frame]:
    """The clip as it comes from a gateway."""
    size = round(FRAME_S * clip.rate)
    for offset in range(0, len(clip.sound), size):
        sound = pcm(clip.sound[offset : offset + size])
        last = offset + size >= len(clip.sound)
        yield Frame(
            call=call, role=clip.role, stream="lab", begun=begun, rate=clip.rate, offset=offset, pcm=sound, last=last
        )


def _is_of(event: AnyEvent, place: Transcript) -> bool:
    """Whether it belongs to the utterance that is taken out: its transcript and its two marks."""
    marks = event.__struct_config__.tag in ("speech.started", "speech.ended")
    same_time = abs(event.at - place.start) < 0.01 or abs(event.at - place.end) < 0.01
    return event is place or (marks and getattr(event, "role", "") == place.role and same_time)


def _shifted(event: AnyEvent, by: float) -> AnyEvent:
    moved: Event = replace(event, at=event.at + by)
    if isinstance(moved, Transcript):
        through = None if moved.through is None else moved.through + by
        moved = replace(moved, start=moved.start + by, end=moved.end + by, through=through)
    return moved
