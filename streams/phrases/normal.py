"""Text as it is compared: without marks and spaces, one form for each character, numbers in digits.

Managers write a phrase with commas, a recogniser without; one says 您 and the other 你, 12315 or 幺二三一五. All of
these are one text here. Each character remembers where it came from, so that a match can be shown in the original.
Personal data that was hidden before (stars) stays hidden: here each kind of it has a star of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, get_args

from streams.events import Masked, PersonalKind

#: One form for what nobody can tell apart by ear, or means the same in a service rule.
_SAME = str.maketrans({"您": "你", "妳": "你", "她": "他", "它": "他", "〇": "零"})
_DIGITS = str.maketrans("零一二三四五六七八九幺", "01234567891")
#: Digits that are read out one by one; with 十 百 千 between them it is an amount, and one or two are a word.
_READ_OUT = re.compile(r"[0-9零一二三四五六七八九幺]{3,}")
_PERSONAL = re.compile(r"[0-9零〇一二三四五六七八九幺](?:[ -]?[0-9零〇一二三四五六七八九幺Xx]){6,}")
#: What a hidden character looks like in a transcript, and in a normal text: one private character for each kind.
STAR = "*"
STARS: dict[PersonalKind, str] = {kind: chr(0xE000 + n) for n, kind in enumerate(get_args(PersonalKind))}


class Normal(NamedTuple):
    """``text`` to compare; ``origin[n]`` is the index in the original of its character ``n``."""

    text: str
    origin: tuple[int, ...]


def normal(text: str, masked: Sequence[Masked] = ()) -> Normal:
    """The comparable form of ``text``; ``masked`` says what its stars hide."""
    kept = [
        (form, index)
        for index, char in enumerate(text)
        for form in unicodedata.normalize("NFKC", char).lower()
        if form.isalnum() or form == STAR
    ]
    plain = "".join(form for form, _ in kept).translate(_SAME)
    plain = _READ_OUT.sub(lambda run: run.group().translate(_DIGITS), plain)
    origin = tuple(index for _, index in kept)
    return Normal(_by_kind(plain, origin, masked) if masked and STAR in plain else plain, origin)


def _by_kind(plain: str, origin: Sequence[int], masked: Sequence[Masked]) -> str:
    kinds = {index: STARS[span.kind] for span in masked for index in range(span.start, min(span.end, origin[-1] + 1))}
    return "".join(kinds.get(index, char) if char == STAR else char for char, index in zip(plain, origin, strict=True))


def hidden(text: str) -> str:
    """``text`` with a star for each character of such a number."""
    return _PERSONAL.sub(lambda number: STAR * len(number.group()), text)


def masked(text: str) -> str:
    """``text`` with every number of seven digits or more, written or spoken, hidden but for its ends."""
    return _PERSONAL.sub(lambda number: f"{number.group()[:3]}****{number.group()[-2:]}", text)
