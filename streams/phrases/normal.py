"""Text as it is compared: without marks and spaces, one form for each character, numbers in digits.

Managers write a phrase with commas, a recogniser without; one says 您 and the other 你, 12315 or 幺二三一五. All of
these are one text here. Each character remembers where it came from, so that a match can be shown in the original.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

#: One form for what nobody can tell apart by ear, or means the same in a service rule.
_SAME = str.maketrans({"您": "你", "妳": "你", "她": "他", "它": "他", "〇": "零"})
_DIGITS = str.maketrans("零一二三四五六七八九幺", "01234567891")
#: Digits that are read out one by one; with 十 百 千 between them it is an amount, and one or two are a word.
_READ_OUT = re.compile(r"[0-9零一二三四五六七八九幺]{3,}")
_PERSONAL = re.compile(r"[0-9零〇一二三四五六七八九幺](?:[ -]?[0-9零〇一二三四五六七八九幺Xx]){6,}")


class Normal(NamedTuple):
    """``text`` to compare; ``origin[n]`` is the index in the original of its character ``n``."""

    text: str
    origin: tuple[int, ...]


def normal(text: str) -> Normal:
    """The comparable form of ``text``."""
    kept = [
        (form, index)
        for index, char in enumerate(text)
        for form in unicodedata.normalize("NFKC", char).lower()
        if form.isalnum()
    ]
    plain = "".join(form for form, _ in kept).translate(_SAME)
    return Normal(_READ_OUT.sub(lambda run: run.group().translate(_DIGITS), plain), tuple(index for _, index in kept))


def masked(text: str) -> str:
    """``text`` with every number of seven digits or more, written or spoken, hidden but for its ends."""
    return _PERSONAL.sub(lambda number: f"{number.group()[:3]}****{number.group()[-2:]}", text)
