"""One utterance in the making: from sound to partials, spotted phrases and the final words of the record.

Masks what is personal before anything leaves. Knows one party's recogniser and spotter streams; nothing of silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from asr.agreement import nearly
from asr.audio import WIDTH, Frame
from asr.privacy import mask
from asr.reading import spelt
from asr.recogniser import Heard, Recogniser, Spot, Spotter
from asr.vad import Detector, SpeechDetector
from streams.events import AnyEvent, Masked, Spotted, Transcript, Word

#: Engines are fed pieces of this length, seconds: smaller ones cost more, larger ones come later.
PIECE_S = 0.1


class Reads(Protocol):
    """Makes characters of syllables; see :class:`asr.reading.Reader`."""

    def read(self, sounds: Sequence[str]) -> tuple[str, ...]:
        """One text for each syllable."""


class Engine(NamedTuple):
    """What an ear hears with. Without ``recogniser`` it only spots phrases, which then stand by themselves.

    ``partial_every_s``: an unfinished sentence is told so often at most. ``detector`` makes one for a rate.
    """

    recogniser: Recogniser | None
    spotter: Spotter | None = None
    reader: Reads | None = None
    partial_every_s: float = 0.5
    detector: Callable[[int], Detector] = SpeechDetector


class Utterance:
    """What a party says from sample ``start`` on; its speech was noticed at ``onset``."""

    def __init__(self, leg: Frame, engine: Engine, start: int, onset: int, before: str) -> None:
        """``before``: the masked text of the sentence that it may go on from."""
        self.start, self.onset = start, onset
        self._leg, self._engine, self._before = leg, engine, before
        self._words = engine.recogniser.stream(leg.rate) if engine.recogniser else None
        self._spots = engine.spotter.stream(leg.rate, leg.role) if engine.spotter else None
        self._piece, self._fed = bytearray(), start
        self._so_far: list[Spot] = []
        self._told: list[tuple[str, str | None]] = []
        self._told_at: int | None = None

    @property
    def told(self) -> bool:
        """Whether a partial has been published."""
        return self._told_at is not None

    def feed(self, pcm: bytes) -> list[AnyEvent]:
        """The next sound."""
        self._piece += pcm
        return self._decode() if len(self._piece) >= PIECE_S * self._leg.rate * WIDTH * 0.9 else []

    def end(self, until: int, through: int, at: int) -> tuple[list[AnyEvent], Transcript | None]:
        """What is still to be told, and the final words; None: there are none.

        It ends at sample ``until``. What it takes for said after ``through`` will be heard again, by another. ``at``:
        the last sample that came in.
        """
        events = self._decode() if self._piece else []
        events += self._told_spots(self._spots.finish() if self._spots else [], at)
        heard = self._words.finish() if self._words else ()
        words = [word for word in heard if self._sample((word.start + word.end) / 2) < through]
        events += self._confirmed(words, at)
        return events, self._transcript(words, until, at, through=through, final=True) if words else None

    def _confirmed(self, words: Sequence[Heard], at: int) -> list[AnyEvent]:
        """Spotted phrases that the final words all but hold: they stand by themselves."""
        sounds = [sound for word in words for sound in (word.sound or "").split()]
        agreed = [spot for spot in self._so_far if nearly(spot.text, sounds)]
        return [self._spotted(spot, at, final=True) for spot in agreed]

    def _decode(self) -> list[AnyEvent]:
        piece, self._piece = bytes(self._piece), bytearray()
        self._fed += len(piece) // WIDTH
        spots = self._spots.feed(piece) if self._spots else []
        events: list[AnyEvent] = self._told_spots(spots, self._fed)
        if self._words:
            self._words.feed(piece)
            events += self._partial(self._words.heard)
        return events

    def _partial(self, words: Sequence[Heard]) -> list[AnyEvent]:
        """Told at once where it is new and the last one is old enough."""
        new, wait = [(word.text, word.sound) for word in words], self._engine.partial_every_s * self._leg.rate
        if new == self._told or (self._told_at is not None and self._fed - self._told_at < wait):
            return []
        self._told, self._told_at = new, self._fed
        return [self._transcript(words, self._fed, self._fed, through=self.start, final=False)]

    def _transcript(self, words: Sequence[Heard], until: int, at: int, *, through: int, final: bool) -> Transcript:
        by_sound = self._engine.recogniser is not None and self._engine.recogniser.capabilities.by_sound
        hidden = mask(self._read(words) if by_sound else words, self._before, final=final)
        text, masked = joined(hidden.words, hidden.masked, spaced=self._is_spaced)
        sure = [word.confidence for word in words if word.confidence is not None]
        return Transcript(
            call=self._leg.call,
            role=self._leg.role,
            at=self._leg.at(at),
            text=text,
            start=self._leg.at(self.onset),
            end=self._leg.at(until),
            final=final,
            through=self._leg.at(through),
            confidence=round(sum(sure) / len(sure), 3) if sure else None,
            words=tuple(map(self._word, hidden.words)),
            masked=masked,
            by_sound=by_sound,
        )

    def _read(self, words: Sequence[Heard]) -> list[Heard]:
        """With a character for each syllable; where there is no reader, the syllables are spelt."""
        sounds = [word.sound or "" for word in words]
        texts = self._engine.reader.read(sounds) if self._engine.reader else spelt(sounds)
        return [replace(word, text=text) for word, text in zip(words, texts, strict=True)]

    @property
    def _is_spaced(self) -> bool:
        """Whether the language is written with spaces."""
        language = self._engine.recogniser.capabilities.language if self._engine.recogniser else "zh"
        return language.partition("-")[0] not in ("zh", "ja", "th")

    def _word(self, word: Heard) -> Word:
        start, end = self._leg.at(self.start) + word.start, self._leg.at(self.start) + word.end
        return Word(word.text, start, max(start, end), word.confidence, word.sound)

    def _told_spots(self, spots: Sequence[Spot], at: int) -> list[AnyEvent]:
        self._so_far += spots
        return [self._spotted(spot, at, final=self._words is None) for spot in spots]

    def _spotted(self, spot: Spot, at: int, *, final: bool) -> Spotted:
        """Phrases are the rulebook's own words: nothing personal is in them."""
        start, end = self._leg.at(self.start) + spot.start, self._leg.at(self.start) + spot.end
        return Spotted(
            call=self._leg.call,
            role=self._leg.role,
            at=self._leg.at(at),
            text=spot.text,
            start=start,
            end=max(start, end),
            final=final,
            said=self._leg.at(self.onset),
            confidence=spot.confidence,
        )

    def _sample(self, seconds: float) -> float:
        return self.start + seconds * self._leg.rate


def joined(words: Sequence[Heard], masked: Sequence[Masked], *, spaced: bool) -> tuple[str, tuple[Masked, ...]]:
    """The text of ``words``, and what is masked in it, whose places so far count no spaces between words."""
    if not spaced:
        return "".join(word.text for word in words), tuple(masked)
    places = [n for n, word in enumerate(words) for _ in word.text]  # of each character: how many spaces stand before
    moved = (
        replace(each, start=each.start + places[each.start], end=each.end + places[each.end - 1]) for each in masked
    )
    return " ".join(word.text for word in words), tuple(moved)
