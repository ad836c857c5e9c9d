"""Where the pages' records come from: the contract between the pages and what keeps the past.

The topics' own records are in :mod:`dashboards.wall.kafka_records`; an archive of older calls fits here too.
"""

from __future__ import annotations

from typing import Protocol

from streams.alerts import AlertChange
from streams.events import AnyEvent


class UnavailableError(Exception):
    """The record cannot be read or written now, or not within its time limit; the message is for the operator."""


class Records(Protocol):
    """The past of calls and alerts. Several may ask at once; a question that is cancelled costs nothing further."""

    async def call(self, call: str, since: float, until: float | None) -> tuple[AnyEvent, ...]:
        """Everything logged of ``call`` between these times (Unix seconds of the world), in order; ``until`` None: to
        now. Each event's ``seq`` is its offset, by which a live follower knows it, ``logged_at`` the broker's time.

        What cannot be read is left out; empty where nothing is known of it. Raises UnavailableError.
        """

    async def alerts(self, call: str, since: float, until: float | None) -> tuple[AlertChange, ...]:
        """Every change logged of alerts of ``call`` between these times, oldest first. Raises UnavailableError."""

    async def alert(self, alert_id: str) -> tuple[AlertChange, ...]:
        """Every change of an alert of the last seven days, oldest first; empty: unknown. Raises UnavailableError.

        Takes longer than ``alerts``; for an alert whose call was so long ago that nobody knows when it was.
        """
