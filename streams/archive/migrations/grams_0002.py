"""How revision 0002 filled the index of words: a copy of what the program did then. Never changed.

The program's own (``streams.archive.grams``) may become another one; a later revision then fills the index anew. Only
the readings of characters are the library's.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import product

import msgspec
from msgspec import Struct
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT
from pypinyin.contrib.tone_convert import to_tone3


class Line(Struct, frozen=True):
    """Of a stored sentence, what goes into the index."""

    role: str
    text: str


lines_in = msgspec.json.Decoder(tuple[Line, ...]).decode

# ------------------------------------------------------------------------------------------ the normal form

_SAME = str.maketrans({"您": "你", "妳": "你", "她": "他", "它": "他", "〇": "零"})
_DIGITS = str.maketrans("零一二三四五六七八九幺", "01234567891")
_READ_OUT = re.compile(r"[0-9零一二三四五六七八九幺]{3,}")


@lru_cache(maxsize=8192)
def _normal(text: str) -> str:
    forms = (form for char in text for form in unicodedata.normalize("NFKC", char).lower())
    plain = "".join(form for form in forms if form.isalnum() or form == "*").translate(_SAME)
    return _READ_OUT.sub(lambda run: run.group().translate(_DIGITS), plain)


# ------------------------------------------------------------------------------------------ sounds

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
_ALIKE = {"zh": "z", "ch": "c", "sh": "s", "n": "l", "r": "l", "f": "h"}
_RIMES = {"ang": "an", "eng": "en"}


@lru_cache(maxsize=16_384)
def _sounds(char: str) -> frozenset[str]:
    return frozenset(_folded(_toneless(each)) for each in _readings(char)) or frozenset(char)


def _toneless(syllable: str) -> str:
    return syllable[:-1] if syllable[-1:].isdigit() else syllable


@lru_cache(maxsize=4096)
def _folded(base: str) -> str:
    initial, medial, rime = _parts_of(base)
    initial, medial = _ALIKE.get(initial, initial), "u" if medial == "v" else medial
    if initial == "h" and medial == "u" and rime:
        medial = ""
    return f"{initial}-{medial}-{_RIMES.get(rime, rime)}"


def _parts_of(base: str) -> tuple[str, str, str]:
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
    if final.startswith("yu"):
        return "vn" if final == "yun" else f"v{final[2:]}"
    if final.startswith("y"):
        return final[1:] if final[1:2] == "i" else f"i{final[1:]}"
    return {"wu": "u", "wo": "uo"}.get(final, f"u{final[1:]}")


def _readings(char: str) -> tuple[str, ...]:
    if char in _SPOKEN_DIGITS:
        return _SPOKEN_DIGITS[char]
    listed = PINYIN_DICT.get(ord(char), "") if len(char) == 1 else ""
    usual, *others = dict.fromkeys(_toned(each) for each in listed.split(","))
    return (usual, *(each for each in others if each in _in_words().get(char, ()))) if usual else ()


@lru_cache(maxsize=1)
def _in_words() -> dict[str, frozenset[str]]:
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
    syllable = to_tone3(marked, v_to_u=False, neutral_tone_with_five=True).replace("ü", "v")
    return unicodedata.normalize("NFKD", syllable).encode("ascii", "ignore").decode()


# ------------------------------------------------------------------------------------------ grams

_OF_ROLE = {"agent": 0x2AAA_AAAA, "customer": 0}


def of(lines: Sequence[Line]) -> list[int]:
    """All grams of what was said, in order, each once."""
    found: set[int] = set()
    for role, mark in _OF_ROLE.items():
        said = [_normal(line.text) for line in lines if line.role == role]
        pairs = {text[at : at + 2] for text in said for at in range(len(text))}
        found.update(gram ^ mark for pair in pairs for gram in _of_pair(pair))
    return sorted(found)


def packed(made: Sequence[int]) -> bytes:
    """Four bytes each, big end first."""
    found = array("I", made)
    if sys.byteorder == "little":
        found.byteswap()
    return found.tobytes()


@lru_cache(maxsize=65_536)
def _of_pair(pair: str) -> tuple[int, ...]:
    return tuple(map(_number, _keys(pair)))


def _keys(pair: str) -> Iterator[str]:
    for text in dict.fromkeys((pair[0], pair)):
        yield f"={text}"
        for way in product(*(sorted(_sounds(char)) for char in text)):
            yield f"~{' '.join(way)}"


def _number(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=4).digest(), "big") & 0x7FFF_FFFF
