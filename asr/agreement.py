"""Whether the recogniser, too, has heard a phrase that was spotted, if not quite.

Where it has heard just the phrase's syllables, the final words decide, with all that a rulebook knows of contexts.
Where it has heard something else, the spotter was wrong. In between, one of the two has misheard a syllable; two
engines that nearly agree are seldom both wrong, and the phrase stands. Knows sounds only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pypinyin import lazy_pinyin

from asr.pinyin import READ_OUT, parts, toneless

#: A shorter phrase, syllables, sounds like too much else.
LEAST = 4
#: So much of a phrase may have been heard otherwise, as a share of its syllables. Chosen on half of the sentences.
MOST = 0.3
#: Another syllable with the same initial or the same final, against one that has nothing in common.
HALF = 0.5


def nearly(phrase: str, sounds: Sequence[str]) -> bool:
    """Whether ``phrase``, in characters, stands in the toned syllables that were heard, nearly and not exactly."""
    wanted = _syllables(phrase)
    return len(wanted) >= LEAST and 0 < _distance(wanted, [toneless(each) for each in sounds]) <= MOST * len(wanted)


def _distance(wanted: Sequence[str], heard: Sequence[str]) -> float:
    """Of ``wanted`` from the stretch of ``heard`` that is most like it."""
    row = [0.0] * (len(heard) + 1)  # it may begin anywhere
    for syllable in wanted:
        before, row = row, [row[0] + 1]
        for n, other in enumerate(heard):
            row.append(min(before[n] + _cost(syllable, other), before[n + 1] + 1, row[n] + 1))
    return min(row)


@lru_cache(maxsize=16_384)
def _cost(one: str, other: str) -> float:
    if one == other:
        return 0.0
    (*initial, final), (*initial2, final2) = parts(one), parts(other)
    return HALF if final == final2 or (initial and initial == initial2) else 1.0


@lru_cache(maxsize=4096)
def _syllables(phrase: str) -> tuple[str, ...]:
    return tuple(lazy_pinyin(phrase.translate(READ_OUT), errors="ignore"))
