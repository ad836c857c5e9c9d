"""Phrases that go on from one finished sentence of a party into the next: 我要投诉 … 你们.

A recogniser ends a sentence at a short pause, people do not. So the end of the last finished sentence is kept, with the
time and the sound of each character and its numbers hidden, and the next one is searched together with it. Nothing is
found twice: what lies before the border has been found in its own sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from streams.events import Masked, Transcript, Word
from streams.phrases.match import Found
from streams.phrases.normal import STAR, hidden

#: An unfinished sentence of so few characters may still become anything.
SHORT = 2
#: The next sentence begins within so many seconds, and so many characters are kept of the one before.
JOIN_S, CHARS = 2.0, 12

Find = Callable[[str, Sequence[str], Sequence[Masked]], Sequence[Found]]


class Tail(Struct, frozen=True, array_like=True):
    """The end of a sentence that began at ``said``; for each character its time and, where it was heard, its sound."""

    said: float
    end: float
    text: str
    times: tuple[float, ...]
    sounds: tuple[str, ...] = ()
    masked: tuple[Masked, ...] = ()

    def goes_on(self, event: Transcript) -> bool:
        """Whether that sentence follows so soon that a phrase may reach into it."""
        return self.said < event.start and event.start - self.end < JOIN_S


def tail_of(event: Transcript, end: float, time_of: Callable[[int], float]) -> Tail:
    """What is kept of a finished sentence; ``time_of`` tells when a character of it was said."""
    since = max(0, len(event.text) - CHARS)
    return Tail(
        said=event.start,
        end=end,
        text=hidden(event.text)[since:],
        times=tuple(round(time_of(n), 3) for n in range(since, len(event.text))),
        sounds=sounds_of(event)[since:],
        masked=_moved(event.masked, -since),
    )


def find_across(find: Find, tail: Tail | None, event: Transcript, known: Callable[[Found], bool]) -> Sequence[Found]:
    """The phrases in a sentence, and those that reach into it from ``tail``: their ``start`` is negative.

    ``known``: whether a phrase was found in the sentence before already.
    """
    sounds = sounds_of(event)
    found = find(event.text, sounds, event.masked)
    if tail is None or not tail.goes_on(event):
        return found
    length, silent = len(tail.text), ("",) * len(event.text)
    together = find(
        tail.text + event.text,
        (*(tail.sounds or ("",) * length), *(sounds or silent)) if tail.sounds or sounds else (),
        (*tail.masked, *_moved(event.masked, length)),
    )
    placed = [each._replace(start=each.start - length, end=each.end - length) for each in together]
    across = [each for each in placed if each.start < 0 < each.end and not known(each)]
    gone = {each for each in found if each not in placed and not any(_overlap(each, other) for other in across)}
    if gone:  # by the words before them; but what may only stand at the beginning stays
        behind = find(STAR + event.text, ("", *sounds) if sounds else (), _moved(event.masked, 1))
        gone &= {each._replace(start=each.start - 1, end=each.end - 1) for each in behind}
    kept = [each for each in found if each not in gone]
    return [*(each for each in across if not any(_overlap(each, other) for other in kept)), *kept]


def so_far(find: Find) -> Find:
    """``find`` for a sentence that goes on: what may only stand at its end is not known yet, nor its first word."""

    def found(text: str, sounds: Sequence[str], masked: Sequence[Masked]) -> Sequence[Found]:
        if len(text) <= SHORT:
            return []
        here = find(text + STAR, (*sounds, "") if sounds else (), masked)
        return [each for each in here if each.end <= len(text)]

    return found


def sounds_of(event: Transcript) -> tuple[str, ...]:
    """What was heard for each character of the text; empty where the recogniser does not hear by sound."""
    if not any(word.sound for word in event.words):
        return ()
    if "".join(word.text for word in event.words).replace(" ", "") != event.text.replace(" ", ""):
        return ()
    sounds = iter([sound for word in event.words for sound in _sounds(word)])
    return tuple("" if char == " " else next(sounds) for char in event.text)


def _sounds(word: Word) -> list[str]:
    """A sound for each character, where there are as many."""
    text, sounds = word.text.replace(" ", ""), (word.sound or "").split()
    return [sound.strip(STAR) for sound in sounds] if len(sounds) == len(text) else [""] * len(text)


def _moved(spans: Iterable[Masked], by: int) -> tuple[Masked, ...]:
    moved = (Masked(each.kind, max(0, each.start + by), max(0, each.end + by)) for each in spans)
    return tuple(each for each in moved if each.end > each.start)


def _overlap(one: Found, other: Found) -> bool:
    return one.name == other.name and one.start < other.end and other.start < one.end
