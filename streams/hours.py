"""Hours of the day as settings write them (``20:00-08:30``), on a clock that is put forward and back. Pure.

Wall-clock time: an hour that a clock shows twice belongs to a stretch twice, and one that it leaves out not at all.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from functools import lru_cache

from msgspec import Struct

_MINUTE_S, _DAY_MIN = 60, 24 * 60
_WRITTEN = re.compile(r"(\d{1,2}):(\d{2})\s*[-\u2013]\s*(\d{1,2}):(\d{2})", re.ASCII)


class Hours(Struct, frozen=True):
    """From minute ``begins`` of a day, included, to minute ``ends``, not included; past midnight where that is less."""

    begins: int
    ends: int

    @property
    def is_all_day(self) -> bool:
        """Whether it has no end."""
        return (self.begins, self.ends) == (0, _DAY_MIN)

    @property
    def goes_past_midnight(self) -> bool:
        """Whether it ends on the next day."""
        return self.ends < self.begins

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.begins, self.ends))


def hours_of(text: str) -> Hours:
    """``20:00-08:30``. Raises ValueError, with the mend, where it is none."""
    found = _WRITTEN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} are no hours; write them as 08:30-20:00, or past midnight as 20:00-08:30")
    begins, ends = (int(hour) * 60 + int(minute) for hour, minute in (found.group(1, 2), found.group(3, 4)))
    if max(int(found[2]), int(found[4])) > 59 or begins >= _DAY_MIN or ends > _DAY_MIN:
        raise ValueError(f"{text!r} names a time that no clock shows; a day goes from 00:00 to 24:00")
    if begins == ends % _DAY_MIN and (begins, ends) != (0, _DAY_MIN):
        raise ValueError(f"{text!r} begins when it ends; write 00:00-24:00 for the whole day")
    return Hours(begins, ends)


def lies_in(hours: Hours, local: datetime) -> bool:
    """Whether a clock that shows ``local`` is within ``hours``."""
    minute = local.hour * 60 + local.minute
    if hours.goes_past_midnight:
        return minute >= hours.begins or minute < hours.ends
    return hours.begins <= minute < hours.ends


def ends_at(hours: Hours, at: float, zone: tzinfo) -> float:
    """The first moment not before ``at``, Unix seconds, that is not within ``hours``; to the minute.

    A minute's answer is kept, for whoever asks does so for many pages at once.
    """
    if not lies_in(hours, datetime.fromtimestamp(at, zone)):
        return at
    return _ends_after(hours, int(at // _MINUTE_S + 1) * _MINUTE_S, zone)


@lru_cache(maxsize=256)
def _ends_after(hours: Hours, minute: int, zone: tzinfo) -> float:
    """Minute by minute, so that no change of the clock can be got wrong: at most a day and an hour of them."""
    last = minute + 2 * _DAY_MIN * _MINUTE_S
    while minute < last and lies_in(hours, datetime.fromtimestamp(minute, zone)):
        minute += _MINUTE_S
    return float(minute)
