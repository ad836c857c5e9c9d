"""What a sentence is found by: each character, each two neighbours, and the same of how they sound. Pure.

Owns the *folding* of sounds and the numbers under which all of this is looked up (grams). Both are stored: whoever
changes them makes a migration that fills the index anew. Therefore the folding is not that of the rules
(``phrases.syllables``), which may become another one any day.

Folded, a syllable has no tone, and what the line or a dialect makes alike is one::

    zh z    ch c    sh s    n l r    f h (hu)        an ang    en eng    in ing    ian iang    uan uang    ü u

A gram is 31 bits of a hash, another one for each role, so two texts may share one: whatever the index finds is compared
with the text itself before it is shown. Texts are compared in their normal form (``phrases.normal``), sentence by
sentence; a character that is read in several ways sounds like each of them.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import product

from msgspec import Struct

from streams.archive.facts import Line
from streams.events import Role
from streams.phrases.normal import Normal, normal
from streams.phrases.syllables import parts_of, readings, split

ROLES: tuple[Role, ...] = ("agent", "customer")

_INITIALS = {"zh": "z", "ch": "c", "sh": "s", "n": "l", "r": "l", "f": "h"}
_MEDIALS = {"v": "u"}
_RIMES = {"ang": "an", "eng": "en"}
_BITS = 0x7FFF_FFFF
#: What makes the agent's grams others than the customer's.
_OF_ROLE: dict[Role, int] = {"agent": 0x2AAA_AAAA, "customer": 0}
#: Neighbours, characters and sentences of which the results are kept: a hotline's talk repeats itself.
_PAIRS, _CHARACTERS, _SENTENCES = 65_536, 16_384, 8192


class Term(Struct, frozen=True):
    """Words that must occur in one sentence. ``text`` is normal and not empty; ``role`` None: whoever said them."""

    text: str
    role: Role | None = None
    by_sound: bool = False


@lru_cache(maxsize=4096)
def folded(base: str) -> str:
    """A toneless syllable as it is compared: ``zhuang`` and ``zuan`` are ``z-u-an``."""
    initial, medial, rime = parts_of(base)
    initial, medial = _INITIALS.get(initial, initial), _MEDIALS.get(medial, medial)
    if initial == "h" and medial == "u" and rime:
        medial = ""  # 飞 and 灰, 风 and 轰
    return f"{initial}-{medial}-{_RIMES.get(rime, rime)}"


@lru_cache(maxsize=_CHARACTERS)
def sounds(char: str) -> frozenset[str]:
    """How a normal character may sound, folded; what has no reading (a letter, a star) sounds like itself."""
    return frozenset(folded(split(each)[0]) for each in readings(char)) or frozenset(char)


def of(lines: Sequence[Line]) -> list[int]:
    """All grams of what was said, in order, each once."""
    found: set[int] = set()
    for role, mark in _OF_ROLE.items():
        said = [plain(line.text).text for line in lines if line.role == role]
        pairs = {text[at : at + 2] for text in said for at in range(len(text))}
        found.update([gram ^ mark for gram in set().union(*map(_of_pair, pairs))])
    return sorted(found)


def packed(made: Sequence[int]) -> bytes:
    """Four bytes each, big end first."""
    found = array("I", made)
    if sys.byteorder == "little":
        found.byteswap()
    return found.tobytes()


@lru_cache(maxsize=256)
def asked(term: Term, role: Role) -> list[tuple[int, ...]]:
    """The grams that a call has wherever ``role`` said this: of each of the tuples at least one."""
    text, mark = term.text, _OF_ROLE[role]
    pairs = [text[at : at + 2] for at in range(max(1, len(text) - 1))]
    ways = (_sound_keys(pair) if term.by_sound else (f"={pair}",) for pair in dict.fromkeys(pairs))
    return [tuple(_number(key) ^ mark for key in keys) for keys in ways]


def has(own: bytes, term: Term) -> bool:
    """Whether a call with these grams (``packed``) has those of the term."""
    theirs = array("I", own)
    if sys.byteorder == "little":
        theirs.byteswap()
    every = set(theirs)
    return any(
        all(not every.isdisjoint(either) for either in asked(term, role)) for role in ROLES if term.role in (None, role)
    )


def spans(term: Term, text: str) -> list[tuple[int, int]]:
    """Where it stands in the text as it was written, none over another: first index, and the one after the last."""
    said = plain(text)
    found: list[tuple[int, int]] = []
    after = 0
    for at in _places(term, said.text):
        if at >= after:
            after = at + len(term.text)
            found.append((said.origin[at], said.origin[after - 1] + 1))
    return found


@lru_cache(maxsize=_SENTENCES)
def plain(text: str) -> Normal:
    """The normal form; those of the last sentences are remembered."""
    return normal(text)


def _places(term: Term, text: str) -> Iterator[int]:
    if term.by_sound:
        wanted, heard = [sounds(char) for char in term.text], [sounds(char) for char in text]
        for at in range(len(heard) - len(wanted) + 1):
            if not any(one.isdisjoint(heard[at + n]) for n, one in enumerate(wanted)):
                yield at
        return
    at = text.find(term.text)
    while at >= 0:
        yield at
        at = text.find(term.text, at + 1)


@lru_cache(maxsize=_PAIRS)
def _of_pair(pair: str) -> tuple[int, ...]:
    """Of two neighbours and of the first alone; the last character of a sentence has no neighbour."""
    keys: list[str] = [f"={pair[0]}", *_sound_keys(pair[0])]
    if len(pair) == 2:
        keys += [f"={pair}", *_sound_keys(pair)]
    return tuple(map(_number, keys))


def _sound_keys(text: str) -> Sequence[str]:
    """Every way in which these characters may sound together."""
    return [f"~{' '.join(way)}" for way in product(*(sorted(sounds(char)) for char in text))]


def _number(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=4).digest(), "big") & _BITS
