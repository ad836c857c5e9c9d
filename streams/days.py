"""Days and hours as they count for a hotline in mainland China.

Public holidays with their moved working days come from the ``holidays`` library; a site overrides single days. Pure:
a day is a function of an instant and of the site's settings.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
from msgspec import Struct

#: All of mainland China keeps one time.
ZONE = ZoneInfo("Asia/Shanghai")
#: The festivals that a rule may name, by what the library's names begin with.
FESTIVALS = {
    "元旦": "元旦",
    "农历除夕": "春节",
    "春节": "春节",
    "清明": "清明节",
    "劳动": "劳动节",
    "端午": "端午节",
    "中秋": "中秋节",
    "国庆": "国庆节",
}
NAMES = tuple(dict.fromkeys(FESTIVALS.values()))
#: A free day next to a festival belongs to it; the longest run of free days is eight or nine.
_NEAR_DAYS = 9
_HOURS = re.compile(r"\s*([01]?\d|2[0-4]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)\s*")


class Hours(str):
    """``09:00-18:00``: from the first time of day to before the second; the other way round it goes over midnight."""

    __slots__ = ("end", "start")
    start: int
    end: int

    @classmethod
    def parse(cls, text: object) -> Hours:
        """Read ``09:00-18:00``. Raises ValueError with the mend."""
        found = _HOURS.fullmatch(text) if isinstance(text, str) else None
        if not found:
            raise ValueError(f"not hours: {text!r} (write 09:00-18:00)")
        hours = cls(str(text).strip())
        first, second, third, fourth = map(int, found.groups())
        hours.start, hours.end = first * 60 + second, third * 60 + fourth
        return hours

    def hold(self, moment: datetime) -> bool:
        """Whether the time of day of ``moment`` is inside."""
        minute = moment.hour * 60 + moment.minute
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


class Calendar(Struct, frozen=True, forbid_unknown_fields=True):
    """The site's own days, over those of the country: ``holidays`` date -> name, ``workdays`` dates."""

    holidays: dict[date, str] = {}
    workdays: tuple[date, ...] = ()

    def local(self, at: float) -> datetime:
        """The wall clock of the hotline at ``at``, Unix seconds."""
        return datetime.fromtimestamp(at, ZONE)

    def is_workday(self, at: float) -> bool:
        """Whether people work that day: moved working days count, festivals and their free days do not."""
        day = self.local(at).date()
        if day in self.holidays or day in self.workdays:
            return day in self.workdays
        return not _is_free(day)

    def festival(self, at: float) -> str | None:
        """The festival whose holiday that day belongs to; None: none. A free day belongs to the nearest before it."""
        day = self.local(at).date()
        if day in self.holidays:
            return self.holidays[day]
        return None if day in self.workdays else _festival(day)

    def matches(self, at: float, day: str) -> bool:
        """Whether the day of ``at`` is ``workday``, ``weekend``, ``day-off``, ``holiday`` or that festival."""
        if day == "workday":
            return self.is_workday(at)
        if day == "day-off":
            return not self.is_workday(at)
        if day == "weekend":
            return self.local(at).weekday() >= 5
        return (self.festival(at) is not None) if day == "holiday" else self.festival(at) == day


@lru_cache(maxsize=8)
def _year(year: int) -> holidays.HolidayBase:
    return holidays.country_holidays("CN", years=[year], language="zh_CN")


@lru_cache(maxsize=1024)
def _is_free(day: date) -> bool:
    return not _year(day.year).is_working_day(day)


@lru_cache(maxsize=1024)
def _festival(day: date) -> str | None:
    """A day's own festival; or, of a free day in one run with a festival, that one: looking back, then ahead."""
    for step in (-1, 1):
        near = day
        for _ in range(_NEAR_DAYS):
            if not _is_free(near):
                break
            name = str(_year(near.year).get(near) or "")
            for begins, festival in FESTIVALS.items():
                if name.startswith(begins):
                    return festival
            near += timedelta(days=step)
    return None
