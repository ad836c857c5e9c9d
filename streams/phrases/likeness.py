"""How easily one syllable of a phrase is taken for another, gets lost or comes in too much: all prices in one place.

Prices are hundredths of a syllable. What a text recogniser wrote counts by its sound, and by how far it knew what it
wrote (``words.Trust``); where the sound itself was heard, by that alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from streams.phrases import syllables
from streams.phrases.words import Trust

#: Polite fillers and hesitations: said inside a phrase they cost next to nothing.
FILLERS = frozenset("啊嘛呢了呀吧嗯呃哦噢哎诶么")
_FILLED_PAUSES = ("那个", "这个", "就是")
#: Words of a phrase that say little: dropped without much loss, and no proof when heard.
WEAK = frozenset("的了啊呢嘛呀哦地得")
#: What turns a sentence round: it is neither missing nor misheard.
TURNING = frozenset("不没别吗无非未勿甭")
INSERTED, FILLER, PAUSE, DOUBLED = 75, 3, 8, 10
MISSING, WEAK_MISSING = 65, 25
#: The same sound in another character; and where that character is part of a word that fits what stands around it, the
#: recogniser was hardly in doubt: by the same syllable, by another tone, by a syllable that folding makes alike.
CHARACTER, WORD, WORD_TONE, WORD_FOLDED = 2, 7, 12, 40
#: A character that nobody uses alone: in place of another one, or where none belongs.
DOUBTFUL, DOUBTFUL_INSERTED = 50, 40
TONES = syllables.TONE + 2 * syllables.RARE
#: A word of fewer characters than that misses none of them.
WHOLE = 3
#: What cannot be.
NEVER = 500
#: Length, in hundredths of a syllable.
SYLLABLE, COMMON_SYLLABLE, WEAK_SYLLABLE, ANCHOR = 100, 70, 40, 60
#: Words that are in every other sentence: heard, they prove little.
COMMON = frozenset("和跟与对像让把被从你我他们是不一有这那个要就都也还在给去来说好没可以能会到上下")
COMMON |= frozenset("什么怎请问想再")
#: A phrase may be apart by a fifth of its length, less a third of a syllable: four syllables by one that is near, six
#: by any one. The shortest ones must sound the same.
LEAST, SHORT, SHORT_ALLOWED = 200, 300, 5
SHARE, OFF, MOST = 5, 35, 250
#: No find is worth less than this: its cost against its length.
WORTH = SHORT_ALLOWED - LEAST // SHARE
#: A phrase of several pieces, with anything between them, is the sooner found where nobody said it: so much less each.
ANYTHING = 12
#: What makes words innocent must be nearer than what accuses, per cent.
INNOCENT = 65

# A state of the search is one number, so that the smaller is the better: cost against length won (signed), then cost,
# length, and the start.
START, LENGTH_BITS, COST_BITS = 17, 17, 14
LENGTH_AT, COST_AT, KEY_AT = START, START + LENGTH_BITS, START + LENGTH_BITS + COST_BITS
NONE = 1 << 90


def allowed(length: int) -> int:
    """The distance that a phrase of that length (hundredths of a syllable) may have; negative: none is near enough."""
    if length < SHORT:
        return SHORT_ALLOWED if length >= LEAST else -1
    return min(MOST, length // SHARE - OFF)


class Token(NamedTuple):
    """One character of a normal text and how it sounded: all of its readings, or what was heard (``known``).

    ``trust``: whether the recogniser knew what it wrote.
    """

    char: str
    sounds: tuple[str, ...]
    known: bool = False
    trust: Trust = Trust.WORD


class Near(NamedTuple):
    """The tokens ``start`` to ``end`` sound like a phrase: ``cost`` hundredths of syllables apart, of ``length``."""

    start: int
    end: int
    cost: int
    length: int

    @property
    def distance(self) -> float:
        """0: the same sounds; 1: nothing in common."""
        return round(min(1.0, self.cost / max(self.length, 1)), 3)

    @property
    def rank(self) -> int:
        """The smaller, the better the find."""
        return self.cost - self.length // SHARE


@lru_cache(maxsize=16_384)
def token(char: str, heard: str = "", trust: Trust = Trust.WORD) -> Token:
    """A character; ``heard`` is toned pinyin where the recogniser hears by sound."""
    return Token(char, (heard,), known=True) if heard else Token(char, syllables.readings(char), trust=trust)


def delta_of(cost: int, length: int = 0) -> int:
    """What a step adds to a state of the search."""
    return ((cost - length // SHARE) << KEY_AT) + (cost << COST_AT) + (length << LENGTH_AT)


#: What is free, or the loss of a weak word.
SLIGHT = delta_of(WEAK_MISSING)


class Symbol(NamedTuple):
    """A syllable of a phrase; ``alone``: by itself it is one of several words that may stand there."""

    char: str
    sounds: tuple[str, ...]
    folds: tuple[int, ...]
    length: int
    alone: bool
    number: int


_numbers: dict[tuple[str, tuple[str, ...], bool], int] = {}


@lru_cache(maxsize=16_384)
def symbol_of(char: str, sounds: tuple[str, ...], alone: bool = False) -> Symbol:
    """A syllable of a phrase, by its character and the readings that it has there."""
    folds = tuple(dict.fromkeys(syllables.fold(syllables.split(each)[0]) for each in sounds))
    length = WEAK_SYLLABLE if char in WEAK else COMMON_SYLLABLE if char in COMMON else SYLLABLE
    return Symbol(char, sounds, folds, length, alone, _numbers.setdefault((char, sounds, alone), len(_numbers)))


def substituted(symbol: Symbol, heard: Token) -> int:
    """What it costs to have heard ``heard`` for ``symbol``."""
    if symbol.char == heard.char and not heard.known:
        return 0
    if not heard.sounds or not symbol.sounds or (heard.char.isdigit() and symbol.char.isdigit()):
        return 0 if symbol.char == heard.char else NEVER
    return min(
        _as_heard(symbol, heard, meant, sound) + syllables.RARE * (bool(n) + bool(m))
        for n, meant in enumerate(symbol.sounds)
        for m, sound in enumerate(heard.sounds)
    )


def _as_heard(symbol: Symbol, heard: Token, meant: str, sound: str) -> int:
    """One syllable for another."""
    cost = syllables.cost(meant, sound)
    if cost >= syllables.NEAR:
        return _another(symbol, heard, cost)
    if heard.known:
        return cost
    alike = syllables.split(meant)[0] == syllables.split(sound)[0]
    word = WORD if meant == sound else WORD_TONE if alike else WORD_FOLDED
    return cost + CHARACTER + (word if heard.trust is Trust.PART else 0)


def _another(symbol: Symbol, heard: Token, cost: int) -> int:
    """A syllable that sounds otherwise. A small word is either there or not: it is not heard by half, nor in place of
    another; but a character that hardly anybody uses alone was not meant at all."""
    near = cost <= syllables.NEAR + TONES
    if not near and (symbol.alone or symbol.char in TURNING):
        return NEVER
    if symbol.char in TURNING and heard.trust is not Trust.DOUBTFUL:
        return NEVER
    if heard.trust is Trust.DOUBTFUL and not heard.known:
        return min(cost * 3 // 4, DOUBTFUL)
    small = symbol.length < SYLLABLE or heard.char in COMMON or heard.char in WEAK
    return NEVER if small or heard.trust is Trust.PART else cost


def letter(number: int) -> str:
    """A folded syllable as a character, so that a search for strings finds syllables."""
    return chr(0x100 + number)
