"""What a recogniser and a spotter are to the rest of the ears.

An engine loads its model once a process and gives a *stream* for each utterance. Times are seconds from the first
sample that the stream was fed. Sound is PCM, 16 bit, mono, at the rate for which the stream was asked.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from streams.events import Role


class ModelError(RuntimeError):
    """A model is missing or broken; the text says which, where it was looked for, and the mend."""


class Heard(Struct, frozen=True):
    """One word (of an engine that hears by sound: one syllable).

    ``text`` may be empty where only ``sound`` (toned pinyin, ``ni3``) is known. ``confidence`` from 0 to 1.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None
    sound: str | None = None


class Capabilities(Struct, frozen=True):
    """``by_sound``: hears syllables, no characters. ``language`` as BCP 47."""

    by_sound: bool = False
    word_times: bool = True
    confidence: bool = False
    language: str = "zh"


class Stream(Protocol):
    """One utterance in the making."""

    def feed(self, pcm: bytes) -> None:
        """Take the next sound, of any length."""

    @property
    def heard(self) -> tuple[Heard, ...]:
        """What it takes the sound so far for; later words may still change."""

    @property
    def through(self) -> float:
        """Up to here, seconds, every word that was said is in ``heard``."""

    def finish(self) -> tuple[Heard, ...]:
        """The last word on the utterance; the stream is over then."""


class Recogniser(Protocol):
    """A loaded engine. Streams of one engine are fed in turn, from one thread."""

    @property
    def name(self) -> str:
        """Engine and model, for logs and the wall."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def stream(self, rate: int) -> Stream:
        """A new utterance of ``rate`` samples a second."""


class Spot(Struct, frozen=True):
    """``text``: the phrase in characters, as it was given to the spotter."""

    text: str
    start: float
    end: float
    confidence: float | None = None


class SpotterStream(Protocol):
    """One utterance in the making."""

    def feed(self, pcm: bytes) -> list[Spot]:
        """Take the next sound; the phrases that ended in it."""

    def finish(self) -> list[Spot]:
        """Phrases at the very end; the stream is over then."""


class Spotter(Protocol):
    """A loaded spotter: phrases are given when it is made, for each role its own."""

    def stream(self, rate: int, role: Role) -> SpotterStream:
        """A new utterance of that party."""
