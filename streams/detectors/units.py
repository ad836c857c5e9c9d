"""Quantities as managers write them: a number with its unit, ``10 s``, ``2 min``, ``1.5 h``."""

from __future__ import annotations

import re

from streams.days import Hours

_UNITS_S = {"s": 1.0, "秒": 1.0, "min": 60.0, "分钟": 60.0, "h": 3600.0, "小时": 3600.0}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+|秒|分钟|小时)\s*")


class Duration(float):
    """A length of time in seconds, written with its unit in the rulebook."""

    @classmethod
    def parse(cls, text: object) -> Duration:
        """Read ``10 s``.

        Raises:
            ValueError: no unit, an unknown unit, or no number; the message says the mend.
        """
        if isinstance(text, int | float) and not isinstance(text, bool):
            raise ValueError(f"unit missing: write {text:g} s, {text:g} min or {text:g} h")
        found = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
        if not found or found[2] not in _UNITS_S:
            raise ValueError(f"not a duration: {text!r} (a number and s, min or h, such as 10 s)")
        return cls(float(found[1]) * _UNITS_S[found[2]])


def decode(kind: type, value: object) -> object:
    """msgspec's ``dec_hook`` for the rulebook's own types."""
    if kind is Duration:
        return Duration.parse(value)
    if kind is Hours:
        return Hours.parse(value)
    raise NotImplementedError(f"no reader for {kind}")
