"""What opens one websocket: tickets that are good once and soon, and a limit on guessing what they are given for.

A browser cannot send a header with a websocket, and what stands in an address is logged by proxies; so the token goes
over a request of its own, and the websocket shows the ticket that it was answered with. Reads no clock.
"""

from __future__ import annotations

import secrets
from collections import deque

from dashboards.wall.access import User

#: A ticket not used within this time, seconds, is none.
GOOD_FOR_S = 30.0
#: Unused tickets at one time; more are not given.
MOST_TICKETS = 5000
#: Wrong tokens of one address within this time, seconds, before it is sent away for the rest of it.
WRONG_WITHIN_S, MOST_WRONG = 60.0, 20
#: Addresses that are remembered; beyond that the oldest is forgotten.
MOST_ADDRESSES = 10_000


class Tickets:
    """Given out and not used yet."""

    def __init__(self) -> None:
        """None."""
        self._given: dict[str, tuple[User, float]] = {}

    def give(self, user: User, now: float) -> str | None:
        """A new one; None: too many wait already. ``now``: seconds of any steady clock."""
        while self._given and self._given[oldest := next(iter(self._given))][1] <= now:
            del self._given[oldest]
        if len(self._given) >= MOST_TICKETS:
            return None
        ticket = secrets.token_urlsafe(24)
        self._given[ticket] = (user, now + GOOD_FOR_S)
        return ticket

    def take(self, ticket: str, now: float) -> User | None:
        """Whose it is, once; None: it is none, was used, or is too old."""
        user, until = self._given.pop(ticket, (None, 0.0))
        return user if now < until else None


class Guesses:
    """Wrong tokens by address."""

    def __init__(self) -> None:
        """None so far."""
        self._wrong: dict[str, deque[float]] = {}

    def add(self, address: str, now: float) -> None:
        """Another wrong one."""
        times = self._wrong.pop(address, None) or deque(maxlen=MOST_WRONG)
        times.append(now)
        self._wrong[address] = times  # the newest last
        if len(self._wrong) > MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]

    def are_too_many(self, address: str, now: float) -> bool:
        """Whether that address has guessed enough for now."""
        times = self._wrong.get(address)
        return times is not None and len(times) == MOST_WRONG and now - times[0] < WRONG_WITHIN_S
