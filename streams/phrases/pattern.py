"""A phrase as managers write it.

====================  =====================================================================
``有什么事快说``        these characters; marks, spaces, 您 or 你 make no difference
``叫(你们|你)领导``      one of several
``没[有]办法``          may be missing
``叫…领导来``           up to eight characters between
``^喂``  ``什么$``      only at the beginning, only at the end of what was said in one go
``工号#``  ``#{11}``    a digit, written or spoken; so many digits in a row (``#{16-19}``)
``<电话>`` ``<phone>``  a number, name or address of that kind: hidden (``*``), or such digits where nobody hides them
``<315>``             this number in all its readings, 三百一十五 too (``315`` alone: only digit by digit)
====================  =====================================================================

Owns this grammar. Each phrase is read into a tree. From it come a regular expression over normalised text, and
*needles*: pieces of which at least one stands in every match, for a quick search first; ``sound`` makes a graph of
syllables of the same tree, and ``examples`` makes sentences.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from streams.events import PersonalKind
from streams.phrases.normal import STARS, normal

#: How many characters ``…`` stands for at most.
GAP = 8
#: What ``<…>`` may name.
PERSONAL: dict[str, PersonalKind] = {
    "电话": "phone",
    "身份证": "id_card",
    "银行卡": "bank_card",
    "车牌": "plate",
    "地址": "address",
    "姓名": "name",
    "号码": "number",
    **{kind: kind for kind in STARS},
}
#: The kinds that hide digits, and how many of them one of that kind may have.
_DIGITS_OF: dict[PersonalKind, tuple[int, ...]] = {
    "phone": (7, 8, 10, 11, 12),
    "id_card": (15, 18),
    "bank_card": (16, 17, 18, 19),
    "number": (),
}
DIGIT = "[0-9零一二三四五六七八九幺两" + "".join(STARS[kind] for kind in _DIGITS_OF) + "]"
#: The form of what nobody has hidden; addresses and names have none.
_RAW: dict[PersonalKind, str] = {
    "phone": "(?:1[0-9]{10}|0[0-9]{9,11})",
    "id_card": "[0-9]{17}[0-9x叉]",
    "bank_card": "[0-9]{16,19}",
    "plate": "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][a-z][a-z0-9]{5,6}",
    "number": "[0-9]{6,}",
}
_REPEAT = re.compile(r"\{(\d+)(?:-(\d+))?\}")
_NAMED = re.compile(r"<([^<>]*)>")
_MARKS = "()[]|^$#<>"
_NUMERALS = "零一二三四五六七八九"


class PatternError(ValueError):
    """A phrase that cannot be read; the message says the mend."""


class Text(NamedTuple):
    """These characters: as ``written``, and in their ``plain`` form."""

    written: str
    plain: str


class Row(NamedTuple):
    """One part behind the other."""

    parts: tuple[Node, ...]


class OneOf(NamedTuple):
    """One of several."""

    options: tuple[Node, ...]


class Maybe(NamedTuple):
    """May be missing."""

    inner: Node


class Gap(NamedTuple):
    """Up to ``GAP`` characters."""


class Edge(NamedTuple):
    """``^``: nothing before; ``$``: nothing behind."""

    sign: str


class Digits(NamedTuple):
    """So many digits; ``alone``: with no further ones around them."""

    least: int
    most: int
    alone: bool


class Personal(NamedTuple):
    """Personal data of that kind."""

    kind: PersonalKind


Node = Text | Row | OneOf | Maybe | Gap | Edge | Digits | Personal


class Pattern(NamedTuple):
    """``regex`` over normalised text. ``needles`` empty: every text has to be tried. ``tree``: the phrase as read."""

    regex: re.Pattern[str]
    needles: frozenset[str]
    tree: Node


@lru_cache(maxsize=16_384)
def compile_phrase(phrase: str) -> Pattern:
    """Read one phrase.

    Raises:
        PatternError: unbalanced brackets, an unknown ``<…>``, or nothing in it to be found.
    """
    text = unicodedata.normalize("NFKC", phrase)
    tree, rest = _alternatives(text, 0, phrase)
    if rest < len(text):
        raise PatternError(f"{phrase!r}: {text[rest]!r} closes nothing")
    found = re.compile(expression(tree))
    if found.match(""):
        raise PatternError(f"{phrase!r} has no word in it")
    return Pattern(found, _needles(tree), tree)


# ------------------------------------------------------------------------------------------------- reading


def _alternatives(text: str, at: int, phrase: str) -> tuple[Node, int]:
    options: list[Node] = []
    while True:
        option, at = _sequence(text, at, phrase)
        options.append(option)
        if at >= len(text) or text[at] != "|":
            return (options[0] if len(options) == 1 else OneOf(tuple(options))), at
        at += 1


def _sequence(text: str, at: int, phrase: str) -> tuple[Node, int]:
    parts: list[Node] = []
    while at < len(text) and text[at] not in "|)]":
        part, at = _part(text, at, phrase)
        parts.append(part)
    return Row(tuple(parts)), at


def _part(text: str, at: int, phrase: str) -> tuple[Node, int]:  # noqa: PLR0911 - one for each kind of part
    char = text[at]
    if char in "([":
        inner, end = _alternatives(text, at + 1, phrase)
        if end >= len(text) or text[end] != {"(": ")", "[": "]"}[char]:
            raise PatternError(f"{phrase!r}: {char!r} is not closed")
        return (inner if char == "(" else Maybe(inner)), end + 1
    if char == "#":
        repeat = _REPEAT.match(text, at + 1)
        if not repeat:
            return Digits(1, 1, alone=False), at + 1
        return Digits(int(repeat[1]), int(repeat[2] or repeat[1]), alone=True), repeat.end()
    if char in "<>":
        return _named(text, at, phrase)
    if char in "^$":
        return Edge(char), at + 1
    if text.startswith("...", at):
        return Gap(), at + 3
    return _words(text, at)


def _named(text: str, at: int, phrase: str) -> tuple[Node, int]:
    found = _NAMED.match(text, at)
    if not found:
        raise PatternError(f"{phrase!r}: {text[at]!r} is not closed, or closes nothing")
    name = found[1].strip().lower()
    if name.isascii() and name.isdigit():
        return OneOf(tuple(Text(each, normal(each).text) for each in readings(name))), found.end()
    if name not in PERSONAL:
        raise PatternError(f"{phrase!r}: unknown <{name}>, one of {' '.join(PERSONAL)}, or a number")
    return Personal(PERSONAL[name]), found.end()


def readings(number: str) -> list[str]:
    """A number as digits and, up to 9999, as an amount: 三百一十五, and 三百十五, 三百一 where people say so."""
    if number.startswith("0") or not 1 < len(number) <= 4:
        return [number]
    units = ["", "十", "百", "千"]
    spoken = "".join(
        _NUMERALS[int(digit)] + (units[len(number) - 1 - n] if digit != "0" else "") for n, digit in enumerate(number)
    )
    spoken = re.sub("零+", "零", spoken).rstrip("零")
    ways = [spoken, spoken.replace("一十", "十"), re.sub("二(?=[百千])", "两", spoken)]
    if len(number) > 2 and number[-2] != "0" and number.endswith("0"):
        ways.append(spoken[:-1])
    return list(dict.fromkeys([number, *ways]))


def _words(text: str, at: int) -> tuple[Node, int]:
    end = at
    while end < len(text) and text[end] not in _MARKS and not text.startswith("...", end):
        end += 1
    return Text(text[at:end], normal(text[at:end]).text), end


# --------------------------------------------------------------------------------------------- expressions


def expression(node: Node) -> str:  # noqa: PLR0911 - one for each kind of part
    """The part as a regular expression over normal text."""
    match node:
        case Text():
            return re.escape(node.plain)
        case Row():
            return "".join(map(expression, node.parts))
        case OneOf():
            return f"(?:{'|'.join(map(expression, node.options))})"
        case Maybe():
            return f"(?:{expression(node.inner)})?"
        case Gap():
            return f".{{0,{GAP}}}"
        case Edge():
            return node.sign
        case Digits():
            return _digits(node)
        case Personal():
            return _personal(node.kind)


def _digits(node: Digits) -> str:
    if not node.alone:
        return DIGIT
    hidden = [
        _stars(kind) for kind, lengths in _DIGITS_OF.items() if any(node.least <= n <= node.most for n in lengths)
    ]
    return f"(?:{'|'.join([f'(?<!{DIGIT}){DIGIT}{{{node.least},{node.most}}}(?!{DIGIT})', *hidden])})"


def _stars(kind: PersonalKind) -> str:
    """The whole of what is hidden: how many stars there are says little, for 一百三十八 has more than 138."""
    return f"(?<!{STARS[kind]}){STARS[kind]}+"


def _personal(kind: PersonalKind) -> str:
    raw = _RAW.get(kind)
    if raw is None:
        return _stars(kind)
    return f"(?:{_stars(kind)}|(?<![0-9]){raw}(?![0-9]))"


def _needles(node: Node) -> frozenset[str]:
    """Pieces of which one stands in every match; none: there are no such pieces."""
    match node:
        case Text():
            return frozenset([node.plain] if node.plain else [])
        case Row():
            known = [found for found in map(_needles, node.parts) if found]
            return max(known, key=lambda n: (min(map(len, n)), -len(n)), default=frozenset())
        case OneOf():
            options = list(map(_needles, node.options))
            return frozenset(chain.from_iterable(options)) if all(options) else frozenset()
        case _:
            return frozenset()
