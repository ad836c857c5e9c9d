"""How many browsers may be connected: those who have said who they are, and those who have not yet.

Who shows no ticket must not take the place of who has one, and nobody all the places. Knows no sockets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dashboards.wall.access import User

#: Browsers that were let in; beyond that one is asked to come back later.
MOST_GUESTS = 1000
#: Of those under one name, and under a name that many share.
MOST_OF_ONE, MOST_OF_SHARED = 20, 700
#: Browsers that have not greeted yet, of all addresses and of one; greeting takes one round trip.
MOST_STRANGERS, MOST_STRANGERS_OF_ONE = 200, 20


class FullError(Exception):
    """There is no place left."""


def most_of(user: User) -> int:
    """How many browsers may be connected under that name."""
    return MOST_OF_SHARED if user.is_shared else MOST_OF_ONE


class Crowd:
    """Everybody who is connected."""

    def __init__(self) -> None:
        """Nobody."""
        self._strangers: Counter[str] = Counter()
        self._guests: Counter[str] = Counter()

    @contextmanager
    def stranger(self, address: str) -> Iterator[None]:
        """While a browser from ``address`` says who it is. Raises FullError."""
        if self._strangers.total() >= MOST_STRANGERS or self._strangers[address] >= MOST_STRANGERS_OF_ONE:
            raise FullError
        with _counted(self._strangers, address):
            yield

    @contextmanager
    def guest(self, user: User) -> Iterator[None]:
        """While a browser of ``user`` is connected. Raises FullError."""
        if self._guests.total() >= MOST_GUESTS or self._guests[user.login] >= most_of(user):
            raise FullError
        with _counted(self._guests, user.login):
            yield


@contextmanager
def _counted(of: Counter[str], key: str) -> Iterator[None]:
    of[key] += 1
    try:
        yield
    finally:
        of[key] -= 1
        if not of[key]:
            del of[key]
