"""A text made ready to be compared by sound."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from streams.phrases import syllables
from streams.phrases.likeness import (
    _FILLED_PAUSES,
    DOUBLED,
    DOUBTFUL_INSERTED,
    FILLER,
    FILLERS,
    INSERTED,
    NEVER,
    PAUSE,
    Symbol,
    Token,
    delta_of,
    letter,
)
from streams.phrases.words import Trust


class Heard:
    """A text made ready to be compared: its tokens, what each costs when it is too much, which syllables it has."""

    def __init__(self, plain: str, tokens: Sequence[Token], inside: int, costs: dict[Token, dict[int, int]]) -> None:
        self.plain, self.tokens, self.inside = plain, tokens, inside
        self.rows = [costs.setdefault(each, {}) for each in tokens]
        self.inserted = [delta_of(cost) for cost in _inserted(tokens)]
        self.folds = [folds_of(each) for each in tokens]
        self.where: dict[int, int] = {}
        for n, folds in enumerate(self.folds):
            for number in folds:
                self.where[number] = self.where.get(number, 0) | 1 << n
        self.has = sum(1 << number for number in self.where)
        self.chars: dict[str, int] = {}
        for n, each in enumerate(tokens):
            self.chars[each.char] = self.chars.get(each.char, 0) | 1 << n
        self.places: dict[int, int] = {}
        self.forms: dict[str, list[tuple[int, int]]] = {}
        self.fillers = sum(1 << n for n, cost in enumerate(_inserted(tokens)) if cost <= DOUBLED)

    def places_of(self, symbol: Symbol) -> int:
        """Where in the text it may stand, as bits; what is no syllable goes by its character."""
        known = self.chars.get(symbol.char, 0)
        for number in symbol.folds:
            known |= self.where.get(number, 0)
        self.places[symbol.number] = known
        return known

    def spans_of(self, regex: re.Pattern[str]) -> list[tuple[int, int]]:
        """Where digits or personal data of that form stand."""
        known = self.forms.get(regex.pattern)
        if known is None:
            known = self.forms[regex.pattern] = [found.span() for found in regex.finditer(self.plain)]
        return known

    def letters(self) -> str:
        """The folded syllables as text to be searched, and once more with every other reading, and without fillers."""
        usual = "".join(letter(folds[0]) if folds else "\0" for folds in self.folds)
        others = [
            f"{usual[max(0, n - 1) : n]}{letter(number)}{usual[n + 1 : n + 2]}"
            for n, folds in enumerate(self.folds)
            for number in folds[1:]
        ]
        fluent = "".join(letter for letter, each in zip(usual, self.tokens, strict=True) if each.char not in FILLERS)
        return "\0".join([usual, *others, *([fluent] if len(fluent) < len(usual) else [])])


@lru_cache(maxsize=16_384)
def folds_of(each: Token) -> tuple[int, ...]:
    """Its folded syllables, of no more than three readings."""
    return tuple(dict.fromkeys(syllables.fold(syllables.split(sound)[0]) for sound in each.sounds))[:3]


def _inserted(tokens: Sequence[Token]) -> list[int]:
    """What each token costs inside a phrase to which it does not belong."""
    too_many = {Trust.PART: NEVER, Trust.WORD: INSERTED, Trust.DOUBTFUL: DOUBTFUL_INSERTED}
    costs = [FILLER if each.char in FILLERS else too_many[each.trust] for each in tokens]
    for n in range(1, len(tokens)):
        if tokens[n - 1].char + tokens[n].char in _FILLED_PAUSES:
            costs[n - 1 : n + 1] = [PAUSE, PAUSE]
        elif folds_of(tokens[n])[:1] == folds_of(tokens[n - 1])[:1] != ():
            costs[n] = min(costs[n], DOUBLED)
    return costs
