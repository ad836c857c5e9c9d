"""A recogniser for tests: what it hears is written into the sound itself.

:func:`speak` codes characters as PCM, one block a character; :class:`ScriptedRecogniser` reads them back. So a test
needs no model, hears exactly the words that were spoken, with their times, and may begin anywhere: a stream that
starts in mid-sentence hears the characters that begin after that. A character whose block is damaged (a lost frame,
a cut) is not heard; sign and rough level are all that counts, so A-law and µ-law do no harm, resampling does.

======================================  ==========================================================================
``speak("您好 请讲")``                   PCM, 0.25 s a character; a space or a mark is so long a silence
``speak_at([("您好", 0.5, 1.0)], 3.0)``  words at their times in so many seconds of sound
``silence(1.5)``                        so much silence
``ScriptedRecogniser(delay_s=0.3)``     hears a character 0.3 s after its end
``ScriptedRecogniser(by_sound=True)``   hears ``ni3`` and no character, as an engine that hears by sound
``ScriptedRecogniser(revises={"投": "头"})``  takes 投 for 头 until the utterance ends
``ScriptedSpotter({"agent": ["挂机"]})``  spots phrases at their last character
``LoudDetector(rate)``                  says that anything louder than a whisper is speech; others may not think so
======================================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asr.recogniser import Capabilities, Heard, Spot
from streams.events import Role

Samples = NDArray[np.int16]

#: Three samples that begin a character; nothing else is as loud.
_MARK = np.array([28_000, -28_000, 28_000], np.int16)
_MARK_FROM = 20_000
#: The level of bits and of what fills a block up; half of it is still read.
_LEVEL = 9_000
_CODE_BITS, _LENGTH_BITS = 21, 16
_HEADER = len(_MARK) + _CODE_BITS + _LENGTH_BITS
_WEIGHTS = 2 ** np.arange(_CODE_BITS + _LENGTH_BITS, dtype=np.int64)


def speak(text: str, seconds_per_char: float = 0.25, rate: int = 8000) -> bytes:
    """``text`` as sound; what is neither a letter nor a digit is silent."""
    return speak_at([(text, 0.0, len(text) * seconds_per_char)], len(text) * seconds_per_char, rate)


def speak_at(words: Iterable[tuple[str, float, float]], seconds: float, rate: int = 8000) -> bytes:
    """Words (text, start, end) in ``seconds`` of sound, a word's characters shared out evenly over its time."""
    sound = np.zeros(round(seconds * rate), np.int16)
    for text, start, end in words:
        edges = [round((start + (end - start) * n / len(text)) * rate) for n in range(len(text) + 1)]
        for char, first, last in zip(text, edges, edges[1:], strict=False):
            if char.isalnum():
                sound[first:last] = _block(char, last - first)
    return sound.tobytes()


def silence(seconds: float, rate: int = 8000) -> bytes:
    """So much silence."""
    return bytes(2 * round(seconds * rate))


def _block(char: str, length: int) -> Samples:
    if not _HEADER <= length < 2**_LENGTH_BITS:
        raise ValueError(f"{char!r} cannot be {length} samples long ({_HEADER} to {2**_LENGTH_BITS - 1})")
    bits = (ord(char) | length << _CODE_BITS) & _WEIGHTS
    code = np.where(bits > 0, _LEVEL, -_LEVEL).astype(np.int16)
    filler = np.where(np.arange(length - _HEADER) % 16 < 8, _LEVEL, -_LEVEL).astype(np.int16)
    return np.concatenate([_MARK, code, filler])


class _Reading:
    """Reads characters (char, first sample, end sample) from sound that comes in pieces."""

    def __init__(self) -> None:
        self.fed = 0
        self._rest = np.zeros(0, np.int16)

    def feed(self, pcm: bytes) -> list[tuple[str, int, int]]:
        sound = np.concatenate([self._rest, np.frombuffer(pcm, "<i2")])
        self.fed += len(pcm) // 2
        begun = self.fed - len(sound)
        whole = len(sound) - _HEADER + 1  # headers that begin before that are complete
        loud = np.flatnonzero(sound[: max(whole, 0)] >= _MARK_FROM)
        found = [self._read(sound[at : at + _HEADER], begun + int(at)) for at in loud]
        self._rest = sound[max(whole, 0) :]
        return [char for char in found if char is not None]

    @property
    def through(self) -> int:
        """Every character that begins before this sample has been read."""
        loud = np.flatnonzero(self._rest >= _MARK_FROM)
        return self.fed - len(self._rest) + int(loud[0]) if len(loud) else self.fed

    def _read(self, header: Samples, at: int) -> tuple[str, int, int] | None:
        bits = header[len(_MARK) :]
        marked = header[1] <= -_MARK_FROM and header[2] >= _MARK_FROM
        if not marked or np.abs(bits.astype(np.int32)).min() < _LEVEL // 2:
            return None
        value = int(_WEIGHTS[bits > 0].sum())
        return chr(value & (2**_CODE_BITS - 1)), at, at + (value >> _CODE_BITS)


class ScriptedRecogniser:
    """Hears what :func:`speak` says, ``delay_s`` after it was said. For the options see the table above."""

    name = "scripted"

    def __init__(
        self, *, delay_s: float = 0.0, by_sound: bool = False, revises: Mapping[str, str] | None = None
    ) -> None:
        self.delay_s, self.revises = delay_s, revises or {}
        self.capabilities = Capabilities(by_sound=by_sound, confidence=True)

    def stream(self, rate: int) -> ScriptedStream:
        """A new utterance."""
        return ScriptedStream(self, rate)


class ScriptedStream:
    """An utterance; see :class:`asr.recogniser.Stream`."""

    def __init__(self, engine: ScriptedRecogniser, rate: int) -> None:
        self._engine, self._rate = engine, rate
        self._reading = _Reading()
        self._said: list[tuple[str, int, int]] = []

    def feed(self, pcm: bytes) -> None:
        """Take the next sound."""
        self._said += self._reading.feed(pcm)

    @property
    def heard(self) -> tuple[Heard, ...]:
        """The characters that ended at least ``delay_s`` ago."""
        revises = self._engine.revises
        return tuple(self._heard(revises.get(char, char), start, end) for char, start, end in self._known())

    @property
    def through(self) -> float:
        """Sure up to ``delay_s`` ago, or to the beginning of a character that goes on."""
        waiting = self._said[len(self._known()) :]
        begun = waiting[0][1] if waiting else self._reading.through
        return max(min(self._sure(), begun), 0) / self._rate

    def finish(self) -> tuple[Heard, ...]:
        """All characters that began, as they are really written."""
        fed = self._reading.fed
        return tuple(self._heard(char, start, min(end, fed)) for char, start, end in self._said)

    def _sure(self) -> int:
        return self._reading.fed - round(self._engine.delay_s * self._rate)

    def _known(self) -> list[tuple[str, int, int]]:
        return [said for said in self._said if said[2] <= self._sure()]

    def _heard(self, char: str, start: int, end: int) -> Heard:
        by_sound = self._engine.capabilities.by_sound
        sound = _sound_of(char) if by_sound else None
        return Heard("" if by_sound else char, start / self._rate, end / self._rate, 1.0, sound)


def _sound_of(char: str) -> str:
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415 - its dictionary takes a while to load

    return str(lazy_pinyin(char, style=Style.TONE3, neutral_tone_with_five=True)[0])


class ScriptedSpotter:
    """Spots phrases, each role its own, in what :func:`speak` says."""

    def __init__(self, phrases: Mapping[Role, Sequence[str]]) -> None:
        self.phrases = phrases

    def stream(self, rate: int, role: Role) -> ScriptedSpotterStream:
        """A new utterance of that party."""
        return ScriptedSpotterStream(self.phrases.get(role, ()), rate)


class ScriptedSpotterStream:
    """An utterance; see :class:`asr.recogniser.SpotterStream`."""

    def __init__(self, phrases: Sequence[str], rate: int) -> None:
        self._phrases = {phrase: "".join(filter(str.isalnum, phrase)) for phrase in phrases}
        self._rate = rate
        self._reading = _Reading()
        self._said: list[tuple[str, int, int]] = []
        self._told = 0

    def feed(self, pcm: bytes) -> list[Spot]:
        """Phrases whose last character ended in this sound."""
        self._said += self._reading.feed(pcm)
        return self._new(self._reading.fed)

    def finish(self) -> list[Spot]:
        """Phrases whose last character was cut short."""
        return self._new(max((end for _, _, end in self._said), default=0))

    def _new(self, until: int) -> list[Spot]:
        ended = [said for said in self._said if said[2] <= until]
        found = [spot for n in range(self._told, len(ended)) for spot in self._ending_at(n)]
        self._told = len(ended)
        return found

    def _ending_at(self, n: int) -> list[Spot]:
        text = "".join(char for char, _, _ in self._said[: n + 1])
        end = min(self._said[n][2], self._reading.fed)
        return [
            Spot(phrase, self._said[n + 1 - len(chars)][1] / self._rate, end / self._rate, 1.0)
            for phrase, chars in self._phrases.items()
            if chars and text.endswith(chars)
        ]


class LoudDetector:
    """A speech detector for this sound: a block with anything loud in it is speech."""

    def __init__(self, rate: int) -> None:
        #: Samples of a block: 20 ms.
        self.block = rate // 50

    def speech(self, pcm: bytes) -> bool:
        """Whether this block is speech."""
        sound = np.frombuffer(pcm, "<i2")
        return bool(len(sound)) and int(np.abs(sound.astype(np.int32)).max()) > _LEVEL // 2

    def reset(self) -> None:
        """It remembers nothing."""
