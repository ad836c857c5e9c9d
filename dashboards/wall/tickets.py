"""What opens one websocket: tickets that are good once and soon, and a limit on guessing what they are given for.

A browser cannot send a header with a websocket, and what stands in an address is logged by proxies; so the token goes
over a request of its own, and the websocket shows the ticket that it was answered with. Reads no clock.
"""

from __future__ import annotations

import hashlib
import secrets

from dashboards.wall import crowd
from dashboards.wall.access import User

#: A ticket not used within this time, seconds, is none.
GOOD_FOR_S = 30.0
#: Unused tickets at one time; more are not given.
MOST_TICKETS = 5000
#: Different wrong tokens of one address within this time, seconds, before it is sent away for the rest of it.
WRONG_WITHIN_S, MOST_WRONG = 60.0, 20
#: Addresses that are remembered; beyond that the oldest is forgotten.
MOST_ADDRESSES = 10_000


class Tickets:
    """Given out and not used yet."""

    def __init__(self) -> None:
        """None."""
        self._given: dict[str, tuple[User, float]] = {}

    def give(self, user: User, now: float) -> str | None:
        """A new one; None: too many wait already. ``now``: seconds of any steady clock.

        Who has as many as may sit here under that name loses the oldest: a page that is loaded again and again.
        """
        while self._given and self._given[oldest := next(iter(self._given))][1] <= now:
            del self._given[oldest]
        own = [ticket for ticket, (of, _) in self._given.items() if of.login == user.login]
        for ticket in own[: max(0, len(own) + 1 - crowd.most_of(user))]:
            del self._given[ticket]
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
    """Wrong tokens by address, each once: who shows the same again and again guesses nothing.

    A television with an old token tries for ever, and a house of them may stand behind one address.
    """

    def __init__(self) -> None:
        """None so far."""
        self._wrong: dict[str, dict[bytes, float]] = {}  # of each token's digest, when it was shown first

    def add(self, address: str, token: str, now: float) -> None:
        """A wrong one."""
        shown = {digest: at for digest, at in self._wrong.pop(address, {}).items() if now - at < WRONG_WITHIN_S}
        shown.setdefault(hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest(), now)
        self._wrong[address] = shown  # the newest last
        if len(self._wrong) > MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]

    def are_too_many(self, address: str, now: float) -> bool:
        """Whether that address has guessed enough for now."""
        shown = self._wrong.get(address, {})
        return sum(now - at < WRONG_WITHIN_S for at in shown.values()) >= MOST_WRONG
