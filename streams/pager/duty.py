"""Who is called for a page, and when: routes, levels, quiet hours. Pure; time and zone are given.

Knows no settings file, no page and no receiver's protocol. Hours that go past midnight belong to the day on which they
began: ``fri`` with ``20:00-08:30`` is Friday's night, Saturday morning included.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from streams.hours import Hours, ends_at, lies_in
from streams.numbers import mask

#: The longest name of a queue that goes into a page, characters.
_LONGEST = 200
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def shown(queue: str) -> str:
    """A queue as pages name it: where it is called by a number, only in part."""
    return mask(queue[:_LONGEST])


class Called(Struct, frozen=True):
    """A receiver as far as it matters here. ``quiet`` None: never; the rest is as ``Receiver`` has it."""

    name: str
    tells: frozenset[str]
    quiet: Hours | None = None
    repeats_s: float = 0.0


class Route(Struct, frozen=True):
    """Who is called, level by level, for pages of ``queues`` (none: all) on ``days`` (none: all) in ``hours``."""

    levels: tuple[tuple[str, ...], ...]
    queues: frozenset[str] = frozenset()
    days: frozenset[str] = frozenset()
    hours: Hours | None = None

    def fits(self, queue: str, local: datetime) -> bool:
        """Whether it is for a page of ``queue`` ("": none) when a clock shows ``local``.

        Queues are known as pages name them, for nothing else of them is kept.
        """
        return (not self.queues or shown(queue) in map(shown, self.queues)) and self._is_on(local)

    def _is_on(self, local: datetime) -> bool:
        if self.hours and not lies_in(self.hours, local):
            return False
        begun = local
        if self.hours and self.hours.goes_past_midnight and local.hour * 60 + local.minute < self.hours.ends:
            begun = local - timedelta(days=1)
        return not self.days or DAYS[begun.weekday()] in self.days


class Plan(Struct, frozen=True, kw_only=True):
    """All that decides who is called: the receivers by name, the routes, and how long is waited, seconds."""

    receivers: Mapping[str, Called]
    routes: tuple[Route, ...]
    zone: Any
    escalate_after_s: float
    too_late_s: float
    expires_s: float

    def levels(self, queue: str, at: float) -> tuple[tuple[str, ...], ...]:
        """The first route that fits; where none does, everybody at once: rather one call too many than none."""
        local = datetime.fromtimestamp(at, self.zone)
        route = next((route for route in self.routes if route.fits(queue, local)), None)
        if route is None:
            return (tuple(self.receivers),)
        known = (tuple(name for name in level if name in self.receivers) for level in route.levels)
        return tuple(level for level in known if level) or (tuple(self.receivers),)

    def is_quiet(self, name: str, at: float) -> bool:
        """Whether that receiver has quiet hours."""
        return self.quiet_until(name, at) is not None

    def quiet_until(self, name: str, at: float) -> float | None:
        """When its quiet hours end, Unix seconds; None: it has none now."""
        called = self.receivers.get(name)
        until = ends_at(called.quiet, at, self.zone) if called and called.quiet else at
        return until if until > at else None

    def awake(self, level: tuple[str, ...], at: float) -> tuple[str, ...]:
        """Those of a level who can be called."""
        return tuple(name for name in level if not self.is_quiet(name, at))

    def first_awake_at(self, levels: tuple[tuple[str, ...], ...], at: float) -> float:
        """When the first of all those, who are quiet now, can be called."""
        quiet = [self.receivers[name].quiet for level in levels for name in level]
        return min((ends_at(hours, at, self.zone) if hours else at for hours in quiet), default=at)
