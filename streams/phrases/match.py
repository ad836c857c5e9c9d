"""Sets of phrases, and finding all of them in a sentence at once: by their characters, and by their sounds.

Characters are exact and trusted: one pass of Aho-Corasick over the needles of all phrases says which phrases can be
there at all, and only those are tried. Sounds find what the recogniser has misheard (``sound``); where characters find
the phrase, sounds add nothing. Owns the search; knows nothing of who speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, NamedTuple

import ahocorasick
from msgspec import Meta, Struct

from streams.events import Masked
from streams.phrases.heard import Heard
from streams.phrases.likeness import TURNING, Near, token
from streams.phrases.normal import Normal, normal
from streams.phrases.pattern import Pattern, compile_phrase
from streams.phrases.sound import Sounds, best
from streams.phrases.words import words_of

#: So many answers are remembered: the last partial of a sentence and its final are mostly the same text.
_REMEMBERED = 256

#: What was heard to the letter is innocent only by words that hardly differ, hundredths of a syllable.
SURE = 10

Span = tuple[int, int]


#: Whether phrases are looked for by sound, too; or how far apart a find may be at most.
Nearness = bool | Annotated[float, Meta(ge=0, le=1)]


class PhraseSet(Struct, frozen=True, forbid_unknown_fields=True):
    """A named list of phrases. A find inside one of ``but_not`` is none (没有办法 inside 没有办法律).

    ``sound``: whether they are looked for by sound too, or how far apart (0 to 1) a find may be.
    """

    phrases: tuple[str, ...]
    title: str = ""
    but_not: tuple[str, ...] = ()
    sound: Nearness = True


class Found(NamedTuple):
    """Phrase set ``name`` was found at the characters ``start`` to ``end`` of the original text.

    By sound: ``meant`` are the words of the phrase, ``distance`` says how far they are from what was heard (0: the same
    sounds, 1: nothing in common). By characters: these are empty and 0.
    """

    name: str
    start: int
    end: int
    meant: str = ""
    distance: float = 0.0


#: Stands between what was meant and what was heard, in words that an alert names.
LIKE = "\u2248"


def as_told(heard: str, meant: str) -> str:
    """Words as an alert's figures carry them: with what was meant, where that is written otherwise."""
    return f"{meant}{LIKE}{heard}" if meant else heard


class _Entry(NamedTuple):
    name: str
    pattern: Pattern
    innocent: bool
    limit: float


class Matcher:
    """Finds any number of phrase sets in a text."""

    def __init__(self, sets: dict[str, PhraseSet]) -> None:
        """Raises PatternError where a phrase cannot be read."""
        self._entries = [
            _Entry(name, compile_phrase(phrase), innocent, float(each.sound))
            for name, each in sets.items()
            for phrases, innocent in ((each.phrases, False), (each.but_not, True))
            for phrase in phrases
        ]
        self._always = [n for n, entry in enumerate(self._entries) if not entry.pattern.needles]
        self._automaton = self._built()
        by_sound = {name for name, each in sets.items() if each.sound is not False}
        self._sounds = Sounds([each.pattern.tree if each.name in by_sound else None for each in self._entries])
        self._guilty = sum(1 << n for n, entry in enumerate(self._entries) if not entry.innocent)
        self._innocents = {
            name: [n for n, e in enumerate(self._entries) if e.innocent and e.name == name] for name in sets
        }
        self._known: dict[tuple[str, tuple[str, ...], tuple[Masked, ...]], list[Found]] = {}

    def _built(self) -> ahocorasick.Automaton | None:
        by_needle: dict[str, list[int]] = {}
        for n, entry in enumerate(self._entries):
            for needle in entry.pattern.needles:
                by_needle.setdefault(needle, []).append(n)
        automaton = ahocorasick.Automaton()
        for needle, numbers in by_needle.items():
            automaton.add_word(needle, numbers)
        automaton.make_automaton()
        return automaton if by_needle else None

    def forget(self) -> None:
        """Forget the answers given, to measure what they cost."""
        self._known.clear()

    def find(self, text: str, sounds: Sequence[str] = (), masked: Sequence[Masked] = ()) -> list[Found]:
        """Every set that is in ``text``, with its places, in order of the text.

        ``sounds``: what was heard for each character (toned pinyin; empty: not known), where the recogniser hears by
        sound. ``masked``: what the stars of the text hide.
        """
        asked = (text, tuple(sounds), tuple(masked))
        known = self._known.get(asked)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[asked] = self._find(*asked)
        return list(known)

    def _find(self, text: str, sounds: Sequence[str], masked: Sequence[Masked]) -> list[Found]:
        plain = normal(text, masked)
        if not plain.text:
            return []
        spans, innocent = self._by_characters(plain.text)
        near = list(self._by_sound(text, plain, sounds, spans, innocent))
        exact = [Found(name, *_place(plain, *span)) for name, found in spans.items() for span in found]
        return sorted([*exact, *near], key=lambda found: (found.start, found.end, found.name))

    def _by_characters(self, plain: str) -> tuple[dict[str, list[Span]], dict[str, list[Span]]]:
        """The finds of each set, and its innocent places."""
        spans: dict[str, list[Span]] = {}
        innocent: dict[str, list[Span]] = {}
        for n in sorted({*self._always, *self._candidates(plain)}):
            entry = self._entries[n]
            into = innocent if entry.innocent else spans
            into.setdefault(entry.name, []).extend(found.span() for found in entry.pattern.regex.finditer(plain))
        return {name: _apart(found, innocent.get(name, [])) for name, found in spans.items()}, innocent

    def _candidates(self, text: str) -> Iterator[int]:
        if self._automaton is not None:
            for _, numbers in self._automaton.iter(text):
                yield from numbers

    def _heard(self, text: str, plain: Normal, sounds: Sequence[str]) -> Heard:
        known, words = sounds or ("",) * len(text), words_of(text)
        tokens = [
            token(char, known[index], words[index].trust) for char, index in zip(plain.text, plain.origin, strict=True)
        ]
        inside = sum(
            1 << n for n in range(1, len(plain.origin)) if words[plain.origin[n]] == words[plain.origin[n - 1]]
        )
        return self._sounds.heard(plain.text, tokens, inside)

    def _by_sound(
        self,
        text: str,
        plain: Normal,
        sounds: Sequence[str],
        exact: dict[str, list[Span]],
        innocent: dict[str, list[Span]],
    ) -> Iterator[Found]:
        """The finds by sound that characters did not make; those that sound innocent are taken out everywhere."""
        heard = self._heard(text, plain, sounds)
        candidates = self._sounds.candidates(heard)
        near: dict[str, list[tuple[Near, int]]] = {}
        for n in _bits(candidates & self._guilty):
            entry = self._entries[n]
            for each in self._sounds.find(n, heard):
                if each.distance <= entry.limit and not _over(exact.get(entry.name, ()), each.start, each.end):
                    near.setdefault(entry.name, []).append((each, n))
        for name in near.keys() | {name for name, found in exact.items() if found}:
            numbers = dict(near.get(name, ()))
            sounding = {
                each: n
                for n in self._innocents[name]
                if candidates >> n & 1
                for each in self._sounds.find(n, heard, innocent=True)
            }
            sure = [
                (each.start, each.end)
                for each, n in sounding.items()
                if each.cost <= SURE and (sounds or self._is_written(n, heard, each))
            ]
            quiet = [span for span in exact.get(name, ()) if _inside(sure, *span)]
            exact[name] = [span for span in exact.get(name, ()) if span not in quiet]
            written = innocent.get(name, ())
            guilty = [
                n for n in numbers if not _inside(written, n.start, n.end) and not _mostly(sounding, n.start, n.end)
            ]
            for each in best(guilty):
                meant = self._sounds.meant(numbers[each], heard, each)
                yield Found(name, *_place(plain, each.start, each.end), meant, each.distance)

    def _is_written(self, n: int, heard: Heard, near: Near) -> bool:
        """Whether what turns that phrase round (不, 没) stands there in its own character: 部门 is no 不."""
        written = heard.plain[near.start : near.end]
        return all(char in written for char in self._sounds.meant(n, heard, near) if char in TURNING)


def _bits(number: int) -> Iterator[int]:
    """The places of the ones."""
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low


def _place(plain: Normal, start: int, end: int) -> Span:
    return plain.origin[start], plain.origin[end - 1] + 1


def _over(spans: Iterable[Span], start: int, end: int) -> bool:
    return any(a < end and start < b for a, b in spans)


def _inside(spans: Iterable[Span], start: int, end: int) -> bool:
    return any(a <= start and end <= b for a, b in spans)


def _mostly(near: Iterable[Near], start: int, end: int) -> bool:
    """Whether one of those that sound innocent takes up most of it; where they begin is never quite sure."""
    more = (each for each in near if each.start < start or end < each.end or (each.start, each.end) == (start, end))
    return any(min(each.end, end) - max(each.start, start) >= 0.6 * (end - start) for each in more)


def _apart(spans: Iterable[Span], innocent: Sequence[Span]) -> list[Span]:
    """The longest of those that overlap, without those that lie inside an innocent one."""
    kept: list[Span] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if end > start and not _inside(innocent, start, end) and (not kept or start >= kept[-1][1]):
            kept.append((start, end))
    return kept
