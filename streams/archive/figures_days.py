"""Days as a manager asks for them: one, several, a month. Owns how they are written and read."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

from msgspec import Struct

_MOST_DAYS = 3660


class Span(Struct, frozen=True):
    """Days of the site, both ends included."""

    first: date
    last: date

    @property
    def dates(self) -> tuple[date, ...]:
        """Every one of them."""
        return tuple(self.first + timedelta(n) for n in range((self.last - self.first).days + 1))

    @property
    def is_month(self) -> bool:
        """A whole month of the calendar."""
        return self == month(f"{self.first:%Y-%m}")

    def __str__(self) -> str:
        """``2026-11-20``, ``2026-11`` or ``2026-11-01..2026-11-21``."""
        if self.first == self.last:
            return str(self.first)
        return f"{self.first:%Y-%m}" if self.is_month else f"{self.first}..{self.last}"


def day(text: str) -> Span:
    """``2026-11-20``. Raises ValueError with the mend."""
    found = _date(text)
    return Span(found, found)


def days(text: str) -> Span:
    """``2026-11-01..2026-11-21``. Raises ValueError with the mend."""
    first, dots, last = text.partition("..")
    if not dots:
        raise ValueError(f"not days: {text!r} (write 2026-11-01..2026-11-21)")
    span = Span(_date(first), _date(last))
    if span.last < span.first:
        raise ValueError(f"{text}: the last day is before the first")
    if (span.last - span.first).days >= _MOST_DAYS:
        raise ValueError(f"{text}: more than ten years")
    return span


def month(text: str) -> Span:
    """``2026-11``. Raises ValueError with the mend."""
    found = re.fullmatch(r"(\d{4})-(\d{2})", text)
    if not found or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1:
        raise ValueError(f"not a month: {text!r} (write 2026-11)")
    first = date(int(found[1]), int(found[2]), 1)
    return Span(first, first.replace(day=calendar.monthrange(first.year, first.month)[1]))


def _date(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
        raise ValueError(f"not a day: {text!r} (write 2026-11-20)")
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()}: there is no such day") from None
