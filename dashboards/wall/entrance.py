"""``GET /ticket``: who asks is known by a token or by a trusted proxy, and is given a ticket for the websocket.

Owns who is turned away and why; knows requests, no sockets. No token, login or address reaches a log line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request

from dashboards.wall.access import Door, User
from dashboards.wall.tickets import Guesses, Tickets

#: The header that no other site can send: a browser would first have to ask, and is not answered.
OWN_HEADER = "X-Sansheng"
#: A wrong token costs this long, seconds.
REFUSE_AFTER_S = 0.5
#: In which a proxy says for whom it asks.
_FORWARDED = "X-Forwarded-For"
_BEARER = "bearer "


class Answer(NamedTuple):
    """JSON with its status."""

    status: HTTPStatus
    body: bytes


class Entrance:
    """Gives tickets out and takes them back."""

    def __init__(self, door: Door, on_refused: Callable[[str], None]) -> None:
        """``on_refused`` is called with the reason."""
        self._door, self._on_refused = door, on_refused
        self._tickets, self._guesses = Tickets(), Guesses()

    async def answer(self, request: Request, peer: str) -> Answer:
        """``peer``: the address that the connection comes from."""
        headers = request.headers
        try:
            if not headers.get(OWN_HEADER):
                return self._refuse(HTTPStatus.FORBIDDEN, "header")
            if self._guesses.are_too_many(address := self.address(headers, peer), time.monotonic()):
                return self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "busy")
            if token := _token(headers):
                user, problem = self._door.by_token(token), "token"
            else:
                user, problem = self._named(headers, peer)
        except MultipleValuesError:  # which of them the proxy wrote nobody can say
            return self._refuse(HTTPStatus.BAD_REQUEST, "header")
        if user is None:
            if token:
                self._guesses.add(address, token, time.monotonic())
                await asyncio.sleep(REFUSE_AFTER_S)
            return self._refuse(HTTPStatus.UNAUTHORIZED, problem)
        return self._admit(user)

    def take(self, ticket: str) -> User | None:
        """Whose ticket it is; it is used up."""
        return self._tickets.take(ticket, time.monotonic())

    def address(self, headers: Headers, peer: str) -> str:
        """For whom a trusted proxy asks, else who asks. The last one is what the proxy itself wrote."""
        if not self._door.is_proxy(peer):
            return peer
        return ",".join(headers.get_all(_FORWARDED)).rpartition(",")[2].strip() or peer

    def _admit(self, user: User) -> Answer:
        ticket = self._tickets.give(user, time.monotonic())
        if ticket is None:
            return self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "busy")
        return Answer(HTTPStatus.OK, msgspec.json.encode({"ticket": ticket, "you": user}))

    def _named(self, headers: Headers, peer: str) -> tuple[User | None, str]:
        """Whom the proxy names. Somebody whom it knows and we do not can mend that with no token."""
        name = headers.get(self._door.header) if self._door.may_name(peer) else None
        if not name:
            return None, "token"
        return self._door.by_name(_text(name)), "user"

    def _refuse(self, status: HTTPStatus, problem: str) -> Answer:
        self._on_refused(problem)
        return Answer(status, msgspec.json.encode({"problem": problem}))


def _token(headers: Headers) -> str:
    given = headers.get("Authorization", "")
    return _text(given[len(_BEARER) :].strip()) if given.lower().startswith(_BEARER) else ""


def _text(value: str) -> str:
    """A header's value as UTF-8; the library reads ASCII and keeps the other bytes as surrogates."""
    return value.encode("ascii", "surrogateescape").decode("utf-8", "replace")
