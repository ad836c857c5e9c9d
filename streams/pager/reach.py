"""Which routes and receivers can ever be called by a plan, whatever the day and the hour. Pure.

Looks at one week, at every minute at which some route begins or ends: between two of them nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from streams.pager.duty import DAYS, Plan

#: Any Monday, on a wall's clock.
_MONDAY = datetime(2026, 1, 5)
_DAY_MIN = 24 * 60


class Reach(Struct, frozen=True):
    """``idle``: routes that never come into effect, counted from 0; ``never``: receivers that are never called.

    ``last``: receivers of no route that comes into effect, called only where none fits and everybody is.
    """

    idle: tuple[int, ...] = ()
    never: tuple[str, ...] = ()
    last: tuple[str, ...] = ()


def reach_of(plan: Plan, queues: Iterable[str]) -> Reach:
    """For those queues; name all of the routes, "" for direct calls, and one that no route names."""
    if not plan.routes:
        return Reach()
    moments = list(_moments(plan))
    effective = {_route(plan, queue, local) for queue in queues for local in moments}
    routed = {
        name for number in effective if number is not None for level in plan.routes[number].levels for name in level
    }
    others = tuple(name for name in plan.receivers if name not in routed)
    return Reach(
        idle=tuple(number for number in range(len(plan.routes)) if number not in effective),
        never=() if None in effective else others,
        last=others if None in effective else (),
    )


def _route(plan: Plan, queue: str, local: datetime) -> int | None:
    return next((number for number, route in enumerate(plan.routes) if route.fits(queue, local)), None)


def _moments(plan: Plan) -> Iterator[datetime]:
    hours = [route.hours for route in plan.routes if route.hours]
    minutes = sorted({0, *(minute % _DAY_MIN for one in hours for minute in (one.begins, one.ends))})
    for day in range(len(DAYS)):
        for minute in minutes:
            yield _MONDAY + timedelta(days=day, minutes=minute)
