"""The words in a text, by a segmenter with its own dictionary (jieba), and how far each character is to be trusted.

For one purpose: a phrase that is found by its sound must not begin or end inside a word, and what the recogniser wrote
as a word is hardly a misheard other one; while characters that make no word show where it was at a loss.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import rjieba

#: A character that is a word by itself is found alone at least so often in jieba's corpus.
_ALONE = 3_000


class Trust(IntEnum):
    """``PART`` of a word of several characters; a ``WORD`` by itself; ``DOUBTFUL``: hardly anybody uses it alone."""

    DOUBTFUL = 0
    WORD = 1
    PART = 2


class Word(NamedTuple):
    """The characters ``start`` to ``end`` of a text are a word of the dictionary, or digits in a row."""

    start: int
    end: int
    trust: Trust


def words_of(text: str) -> list[Word]:
    """For each character the word to which it belongs; one that belongs to none is a word of its own."""
    found: list[Word] = []
    for word, start, end in rjieba.tokenize(text, "default", hmm=False):
        trust = Trust.PART if end - start > 1 else _alone(word)
        found += [Word(start, end, trust)] * (end - start)
    return found


@lru_cache(maxsize=16_384)
def _alone(char: str) -> Trust:
    known = not char.isalpha() or char.isascii() or rjieba.suggest_freq(char) >= _ALONE
    return Trust.WORD if known else Trust.DOUBTFUL
