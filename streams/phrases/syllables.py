"""Mandarin syllables, and how easily one is taken for another.

A syllable is toned pinyin: ``zhong1``, tone 1 to 5, ü as ``v``. Owns the readings of characters (pypinyin's tables),
the distances between syllables, and *folding*: one number for syllables that a telephone line or a dialect makes alike,
so that a quick search can find them. Costs are hundredths: 0 sounds the same, ``OTHER`` has nothing in common.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache
from itertools import product

from pypinyin import Style, lazy_pinyin
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT
from pypinyin.contrib.tone_convert import to_tone3

#: Different tones; a neutral tone says little.
TONE, NEUTRAL = 4, 2
#: A reading that is not the character's usual one.
RARE = 5
#: Syllables that folding does not make alike: near ones, those that share their first or their last part, others.
NEAR, HALF, OTHER = 40, 50, 80
_NEAR_UP_TO, _HALF_UP_TO = 35, 60

_SPOKEN_DIGITS = {
    "0": ("ling2", "dong4"),
    "1": ("yi1", "yao1"),
    "2": ("er4", "liang3"),
    "3": ("san1",),
    "4": ("si4",),
    "5": ("wu3",),
    "6": ("liu4",),
    "7": ("qi1", "guai3"),
    "8": ("ba1",),
    "9": ("jiu3",),
}
_INITIALS = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcs")
#: The confusions of the line and of dialects.
CHEAP = 10
_CHEAP_INITIALS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("n", "l"), ("r", "l"), ("f", "h"))
_NEAR_INITIALS = {
    25: ("b p", "d t", "g k", "j q", "z c", "zh ch", "n r"),
    35: (
        "zh c",
        "z ch",
        "m n",
        "j zh",
        "j z",
        "q ch",
        "q c",
        "x sh",
        "x s",
        "s c",
        "sh ch",
        "h k",
        "h ~",
        "g ~",
        "r ~",
        "f ~",
    ),
    40: ("b d", "p t", "g d", "k t", "b m", "d n", "d l", "zh sh", "z s", "j x", "q x", "n ~", "m ~", "l ~"),
}
_OTHER_INITIAL = 55
_MEDIALS = {("u", "v"): CHEAP, ("", "v"): 35, ("i", "v"): 20, ("", "i"): 25, ("", "u"): 20, ("i", "u"): 35}
_RIMES = {
    CHEAP: ("an ang", "en eng"),
    15: ("o e", "~ ih"),
    20: ("eng ong", "o ou"),
    25: ("en ong", "ai ei", "ao ou", "e ih"),
    30: ("en an", "ê ~", "ei ~", "ou ~", "ao a", "er e", "ê ei", "ê e", "en ~", "eng ~"),
    35: ("eng ang", "an a", "ang a", "ai a", "ai an", "ei en", "ao o", "e en", "e eng", "ong ou", "ê a"),
}
_OTHER_RIME = 60
#: Finals as medial and rime; pinyin writes some of them short.
_WRITTEN = {
    "iu": "iou",
    "ui": "uei",
    "un": "uen",
    "ong": "uong",
    "iong": "vong",
    "in": "ien",
    "ing": "ieng",
    "vn": "ven",
}


def _pairs(costs: dict[int, tuple[str, ...]]) -> dict[tuple[str, str], int]:
    found = {}
    for cost, pairs in costs.items():
        for pair in pairs:
            one, other = (each.replace("~", "") for each in pair.split())
            found[one, other] = found[other, one] = cost
    return found


_INITIAL_COSTS = {**_pairs(_NEAR_INITIALS), **_pairs({CHEAP: tuple(" ".join(pair) for pair in _CHEAP_INITIALS)})}
_RIME_COSTS = _pairs(_RIMES)
_MEDIAL_COSTS = {**_MEDIALS, **{(b, a): cost for (a, b), cost in _MEDIALS.items()}}


@lru_cache(maxsize=2048)
def parts_of(base: str) -> tuple[str, str, str]:
    """Initial, medial and rime of a toneless syllable: ``zhuang`` is ``zh u ang``, ``yue`` is nothing, ``v``, ``ê``."""
    if base in ("er", "r"):
        return "", "", "er"
    initial = next((i for i in _INITIALS if base.startswith(i)), "")
    final = base[len(initial) :].replace("ü", "v")
    if not initial and final[:1] in ("y", "w"):
        final = _spelt_out(final)
    if final == "i" and initial in ("zh", "ch", "sh", "r", "z", "c", "s"):
        return initial, "", "ih"
    if initial in ("j", "q", "x") and final.startswith("u"):
        final = f"v{final[1:]}"
    final = _WRITTEN.get(final, final)
    medial = final[0] if final[:1] in ("i", "u", "v") else ""
    rime = final[len(medial) :]
    if rime == "e" and medial:
        return initial, "v" if medial == "u" else medial, "ê"
    return initial, medial, rime


def _spelt_out(final: str) -> str:
    """``ya`` is ``ia``, ``yi`` is ``i``, ``yu`` is ``v``, ``wu`` is ``u``."""
    if final.startswith("yu"):
        return "vn" if final == "yun" else f"v{final[2:]}"
    if final.startswith("y"):
        return final[1:] if final[1:2] == "i" else f"i{final[1:]}"
    return {"wu": "u", "wo": "uo"}.get(final, f"u{final[1:]}")


@lru_cache(maxsize=200_000)
def base_cost(one: str, other: str) -> int:
    """How far two toneless syllables are apart."""
    if one == other:
        return 0
    (i1, m1, r1), (i2, m2, r2) = parts_of(one), parts_of(other)
    initial = 0 if i1 == i2 else _INITIAL_COSTS.get((i1, i2), _OTHER_INITIAL)
    medial = 0 if m1 == m2 or {i1, i2} == {"f", "h"} else _MEDIAL_COSTS[m1, m2]
    rime = 0 if r1 == r2 else _RIME_COSTS.get((r1, r2), _OTHER_RIME)
    apart = initial + min(_OTHER_RIME, medial + rime)
    if fold(one) == fold(other):
        return min(apart, 2 * CHEAP)
    return NEAR if apart <= _NEAR_UP_TO else HALF if apart <= _HALF_UP_TO else OTHER


def split(syllable: str) -> tuple[str, str]:
    """``zhong1`` as base and tone; without a figure the tone is neutral."""
    return (syllable[:-1], syllable[-1]) if syllable[-1:].isdigit() else (syllable, "5")


@lru_cache(maxsize=200_000)
def cost(one: str, other: str) -> int:
    """How far two toned syllables are apart; the tone is a weak cue."""
    (base, tone), (base2, tone2) = split(one), split(other)
    tones = 0 if tone == tone2 else NEUTRAL if "5" in (tone, tone2) else TONE
    return min(OTHER, base_cost(base, base2) + tones)


@lru_cache(maxsize=16_384)
def readings(char: str) -> tuple[str, ...]:
    """The readings of a normal character, the usual one first; of what is no Chinese character: none.

    Of the many that dictionaries list only those that some word has (有 is you3, and in no word wei3).
    """
    if char in _SPOKEN_DIGITS:
        return _SPOKEN_DIGITS[char]
    listed = PINYIN_DICT.get(ord(char), "") if len(char) == 1 else ""
    usual, *others = dict.fromkeys(_toned(each) for each in listed.split(","))
    return (usual, *(each for each in others if each in _in_words().get(char, ()))) if usual else ()


@lru_cache(maxsize=1)
def _in_words() -> dict[str, frozenset[str]]:
    """For each character the readings that it has in at least a few words of pypinyin's dictionary."""
    count: dict[str, Counter[str]] = {}
    for word, sounds in PHRASES_DICT.items():
        for char, (sound, *_) in zip(word, sounds, strict=False):
            count.setdefault(char, Counter())[sound] += 1
    return {
        char: frozenset(_toned(sound) for sound, times in each.items() if times * 20 >= each.total())
        for char, each in count.items()
        if len(each) > 1
    }


@lru_cache(maxsize=8192)
def _toned(marked: str) -> str:
    """``zhōng`` as ``zhong1``."""
    syllable = to_tone3(marked, v_to_u=False, neutral_tone_with_five=True).replace("ü", "v")
    return unicodedata.normalize("NFKD", syllable).encode("ascii", "ignore").decode()


@lru_cache(maxsize=16_384)
def in_context(text: str) -> tuple[tuple[str, ...], ...]:
    """The readings of each character of a phrase, the one that it has in these words first."""
    if all(len(readings(char)) < 2 for char in text):
        return tuple(readings(char) for char in text)
    here = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)
    first = [each.replace("ü", "v") for each in here]
    if len(first) != len(text):
        return tuple(readings(char) for char in text)
    return tuple(
        tuple(dict.fromkeys((here, *all_of))) if (all_of := readings(char)) and char not in _SPOKEN_DIGITS else all_of
        for char, here in zip(text, first, strict=True)
    )


# ---------------------------------------------------------------------------------------------- folding

_CLASS = {
    **{initial: initial for initial in (*_INITIALS, "")},
    "zh": "z",
    "ch": "c",
    "sh": "s",
    "n": "l",
    "r": "l",
    "f": "h",
}
_RIME_CLASS = {"ang": "an", "eng": "en"}


def _folded(base: str) -> str:
    initial, medial, rime = parts_of(base)
    initial, medial = _CLASS[initial], "u" if medial == "v" else medial
    medial = "" if initial == "h" and medial == "u" and rime else medial
    return f"{initial}-{medial}-{_RIME_CLASS.get(rime, rime)}"


def _all_bases() -> list[str]:
    marked = {each for listed in PINYIN_DICT.values() for each in listed.split(",")}
    return sorted({split(_toned(each))[0] for each in marked})


_BASES = _all_bases()
_NUMBER = {form: n for n, form in enumerate(sorted({_folded(base) for base in _BASES}))}
#: How many folded syllables there are.
FOLDS = len(_NUMBER)


@lru_cache(maxsize=4096)
def fold(base: str) -> int:
    """The number of a toneless syllable, the same for those that cheap confusions make alike; unknown: the last one."""
    return _NUMBER.get(_folded(base), FOLDS)


@lru_cache(maxsize=1024)
def alike(number: int) -> int:
    """The folded syllables of which one is not wholly another than one of fold ``number``, as a bit set."""
    mine = [base for base in _BASES if fold(base) == number]
    return sum({1 << fold(other) for base, other in product(mine, _BASES) if base_cost(base, other) < OTHER})
