"""Telephone numbers as people may see them: a person's number is shown only in part."""

from __future__ import annotations

import re

#: Fewer digits than this are an extension, not a person's number.
PERSONAL_DIGITS = 7
_HIDDEN = "****"
_ABROAD = re.compile(r"(?:\+|00)86(?=1\d{10}$)")


def mask(number: str) -> str:
    """``13812345678`` -> ``138****5678``; extensions, names of lines and masked numbers stay.

    At least four digits are hidden: ``62345678`` -> ``62****78``. Pauses and marks between digits are dropped.
    """
    digits = re.sub(r"\D", "", _ABROAD.sub("", number))
    if len(digits) < PERSONAL_DIGITS or _HIDDEN in number:
        return number
    tail = 4 if len(digits) > 10 else 2
    head = min(3, len(digits) - 4 - tail)
    return f"{digits[:head]}{_HIDDEN}{digits[-tail:]}"


def is_outside(number: str) -> bool:
    """Whether this is a telephone number of the outside world, masked or not, and no extension."""
    return _HIDDEN in number or len(re.sub(r"\D", "", number)) >= PERSONAL_DIGITS
