"""Sentences that a phrase matches, as short as they can be: one for each way through its alternatives.

For checking phrases against each other. Follows the grammar of ``pattern``; a phrase must be readable there.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import islice, product

from streams.phrases.normal import normal
from streams.phrases.pattern import compile_phrase

#: A phrase with more ways through it than this is looked at by the first of them.
MOST = 256
_DIGITS = re.compile(r"\{(\d+)(?:-\d+)?\}")


def examples(phrase: str) -> list[str]:
    """Sentences in which ``phrase`` is found; marks as they stand in it."""
    ways, _ = _alternatives(unicodedata.normalize("NFKC", phrase), 0)
    regex = compile_phrase(phrase).regex
    return [way for way in ways if regex.search(normal(way).text)]


def _alternatives(text: str, at: int) -> tuple[list[str], int]:
    found: list[str] = []
    while True:
        ways, at = _sequence(text, at)
        found += ways
        if at >= len(text) or text[at] != "|":
            return list(dict.fromkeys(found))[:MOST], at
        at += 1


def _sequence(text: str, at: int) -> tuple[list[str], int]:
    parts: list[list[str]] = []
    while at < len(text) and text[at] not in "|)]":
        part, at = _part(text, at)
        parts.append(part)
    return ["".join(way) for way in islice(product(*parts), MOST)], at


def _part(text: str, at: int) -> tuple[list[str], int]:
    char = text[at]
    if char in "([":
        inner, end = _alternatives(text, at + 1)
        return (inner if char == "(" else ["", *inner]), end + 1
    if char == "#":
        repeat = _DIGITS.match(text, at + 1)
        return ["5" * int(repeat[1]) if repeat else "5"], repeat.end() if repeat else at + 1
    if char in "^$":
        return [""], at + 1
    return ([""], at + 3) if text.startswith("...", at) else ([char], at + 1)
