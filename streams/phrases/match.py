"""Sets of phrases, and finding all of them in a sentence at once.

One pass of Aho-Corasick over the needles of all phrases says which phrases can be there at all; only those are
tried. Owns the search; knows nothing of who speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import ahocorasick
from msgspec import Struct

from streams.phrases.normal import normal
from streams.phrases.pattern import Pattern, compile_phrase


class PhraseSet(Struct, frozen=True, forbid_unknown_fields=True):
    """A named list of phrases. A find inside one of ``but_not`` is none (没有办法 inside 没有办法律)."""

    phrases: tuple[str, ...]
    title: str = ""
    but_not: tuple[str, ...] = ()


class Found(NamedTuple):
    """Phrase set ``name`` was found at the characters ``start`` to ``end`` of the original text."""

    name: str
    start: int
    end: int


class _Entry(NamedTuple):
    name: str
    pattern: Pattern
    innocent: bool


class Matcher:
    """Finds any number of phrase sets in a text."""

    def __init__(self, sets: dict[str, PhraseSet]) -> None:
        """Raises PatternError where a phrase cannot be read."""
        self._entries = [
            _Entry(name, compile_phrase(phrase), innocent)
            for name, each in sets.items()
            for phrases, innocent in ((each.phrases, False), (each.but_not, True))
            for phrase in phrases
        ]
        self._always = [n for n, entry in enumerate(self._entries) if not entry.pattern.needles]
        self._automaton = self._built()

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

    def find(self, text: str) -> list[Found]:
        """Every set that is in ``text``, with its places, in order of the text."""
        plain = normal(text)
        spans: dict[str, list[tuple[int, int]]] = {}
        innocent: dict[str, list[tuple[int, int]]] = {}
        for n in sorted({*self._always, *self._candidates(plain.text)}):
            entry = self._entries[n]
            into = innocent if entry.innocent else spans
            into.setdefault(entry.name, []).extend(found.span() for found in entry.pattern.regex.finditer(plain.text))
        return sorted(
            (
                Found(name, plain.origin[start], plain.origin[end - 1] + 1)
                for name, found in spans.items()
                for start, end in _apart(found, innocent.get(name, []))
            ),
            key=lambda found: (found.start, found.end, found.name),
        )

    def _candidates(self, text: str) -> Iterator[int]:
        if self._automaton is not None:
            for _, numbers in self._automaton.iter(text):
                yield from numbers


def _apart(spans: Iterable[tuple[int, int]], innocent: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest of those that overlap, without those that lie inside an innocent one."""
    kept: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        covered = any(a <= start and end <= b for a, b in innocent)
        if end > start and not covered and (not kept or start >= kept[-1][1]):
            kept.append((start, end))
    return kept
