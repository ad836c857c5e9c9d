"""How much was misheard, by the sound: syllables without tones, as said and as heard.

Owns the alignment. What was added is counted apart: through babble a recogniser hears the others, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from pypinyin import Style, lazy_pinyin

_NO_HAN = re.compile(r"[^\u4e00-\u9fff]")
_TONE = re.compile(r"[0-9]")


class Errors(NamedTuple):
    """Of ``said`` syllables so many were heard as another, not at all; and so many heard that nobody said."""

    said: int = 0
    wrong: int = 0
    missed: int = 0
    added: int = 0

    @property
    def rate(self) -> float:
        """Wrong and missed ones, as a share."""
        return (self.wrong + self.missed) / self.said if self.said else 0.0

    @property
    def distance(self) -> int:
        """Levenshtein's: all errors together."""
        return self.wrong + self.missed + self.added

    @property
    def rate_added(self) -> float:
        """Added ones, against those said."""
        return self.added / self.said if self.said else 0.0


def total(each: Iterable[Errors]) -> Errors:
    """Summed up."""
    columns = list(zip(*each, strict=True))
    return Errors(*(sum(column) for column in columns)) if columns else Errors()


def of_text(text: str) -> list[str]:
    """The syllables of Chinese characters, toneless; the digit 幺 as it is spoken."""
    han = _NO_HAN.sub("", unicodedata.normalize("NFKC", text)).replace("幺", "腰")
    return [plain(each) for each in lazy_pinyin(han, style=Style.TONE3, v_to_u=False)]


def plain(sound: str) -> str:
    """A syllable without its tone, ü as v."""
    return _TONE.sub("", sound).replace("ü", "v").lower()


def compare(said: Sequence[str], heard: Sequence[str]) -> Errors:
    """Levenshtein's alignment."""
    rows, columns = len(said) + 1, len(heard) + 1
    cost = np.zeros((rows, columns), int)
    cost[:, 0], cost[0, :] = range(rows), range(columns)
    for i in range(1, rows):
        for j in range(1, columns):
            other = cost[i - 1, j - 1] + (said[i - 1] != heard[j - 1])
            cost[i, j] = min(other, cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    return _back(cost, said, heard)


def _back(cost: np.ndarray, said: Sequence[str], heard: Sequence[str]) -> Errors:
    i, j, wrong, missed, added = len(said), len(heard), 0, 0, 0
    while i or j:
        differs = i > 0 and j > 0 and said[i - 1] != heard[j - 1]
        if i and j and cost[i, j] == cost[i - 1, j - 1] + differs:
            wrong, i, j = wrong + differs, i - 1, j - 1
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            missed, i = missed + 1, i - 1
        else:
            added, j = added + 1, j - 1
    return Errors(len(said), wrong, missed, added)
