"""A phrase as managers write it.

====================  =====================================================================
``有什么事快说``        these characters; marks, spaces, 您 or 你 make no difference
``叫(你们|你)领导``      one of several
``没[有]办法``          may be missing
``叫…领导来``           up to eight characters between
``^喂``  ``什么$``      only at the beginning, only at the end of what was said in one go
``工号#``  ``#{11}``    a digit, written or spoken; so many digits in a row (``#{16-19}``)
====================  =====================================================================

Owns this grammar. Each phrase becomes a regular expression over normalised text, and *needles*: pieces of which at
least one stands in every match, for a quick search first.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from streams.phrases.normal import normal

#: How many characters ``…`` stands for at most.
GAP = 8
_DIGIT = "[0-9零一二三四五六七八九幺两]"
_REPEAT = re.compile(r"\{(\d+)(?:-(\d+))?\}")
_MARKS = "()[]|^$#"


class PatternError(ValueError):
    """A phrase that cannot be read; the message says the mend."""


class Pattern(NamedTuple):
    """``regex`` over normalised text. ``needles`` empty: every text has to be tried."""

    regex: re.Pattern[str]
    needles: frozenset[str]


class _Node(NamedTuple):
    """A part of a phrase: its expression, its needles, and whether it can match nothing."""

    regex: str
    needles: frozenset[str] = frozenset()


@lru_cache(maxsize=16_384)
def compile_phrase(phrase: str) -> Pattern:
    """Read one phrase.

    Raises:
        PatternError: unbalanced brackets, or nothing in it to be found.
    """
    text = unicodedata.normalize("NFKC", phrase)
    node, rest = _alternatives(text, 0, phrase)
    if rest < len(text):
        raise PatternError(f"{phrase!r}: {text[rest]!r} closes nothing")
    found = re.compile(node.regex)
    if found.match(""):
        raise PatternError(f"{phrase!r} has no word in it")
    return Pattern(found, node.needles)


def _alternatives(text: str, at: int, phrase: str) -> tuple[_Node, int]:
    options: list[_Node] = []
    while True:
        option, at = _sequence(text, at, phrase)
        options.append(option)
        if at >= len(text) or text[at] != "|":
            break
        at += 1
    if len(options) == 1:
        return options[0], at
    needles = frozenset(chain.from_iterable(o.needles for o in options)) if all(o.needles for o in options) else None
    return _Node(f"(?:{'|'.join(o.regex for o in options)})", needles or frozenset()), at


def _sequence(text: str, at: int, phrase: str) -> tuple[_Node, int]:
    parts: list[_Node] = []
    while at < len(text) and text[at] not in "|)]":
        part, at = _part(text, at, phrase)
        parts.append(part)
    best = max((p.needles for p in parts if p.needles), key=lambda n: (min(map(len, n)), -len(n)), default=frozenset())
    return _Node("".join(p.regex for p in parts), best), at


def _part(text: str, at: int, phrase: str) -> tuple[_Node, int]:
    char = text[at]
    if char in "([":
        inner, end = _alternatives(text, at + 1, phrase)
        if end >= len(text) or text[end] != {"(": ")", "[": "]"}[char]:
            raise PatternError(f"{phrase!r}: {char!r} is not closed")
        return (inner if char == "(" else _Node(f"(?:{inner.regex})?")), end + 1
    if char == "#":
        repeat = _REPEAT.match(text, at + 1)
        if not repeat:
            return _Node(_DIGIT), at + 1
        return _Node(f"(?<!{_DIGIT}){_DIGIT}{{{repeat[1]},{repeat[2] or repeat[1]}}}(?!{_DIGIT})"), repeat.end()
    if char in "^$":
        return _Node("^" if char == "^" else "$"), at + 1
    if text.startswith("...", at):
        return _Node(f".{{0,{GAP}}}"), at + 3
    return _words(text, at)


def _words(text: str, at: int) -> tuple[_Node, int]:
    end = at
    while end < len(text) and text[end] not in _MARKS and not text.startswith("...", end):
        end += 1
    plain = normal(text[at:end]).text
    return _Node(re.escape(plain), frozenset([plain] if plain else [])), end
