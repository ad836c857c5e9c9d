"""Where verdicts and the audit go: the contract between the server and what writes for it.

The real desk is :mod:`dashboards.wall.kafka_desk`.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from streams.verdicts import Verdict

#: What was opened or followed.
Opened = Literal["alert", "call", "agent", "lines"]


class Audit(Struct, frozen=True, kw_only=True):
    """``by`` (a login) saw the page ``what`` of ``id``. ``at``: Unix seconds."""

    by: str
    role: str
    what: Opened
    id: str
    at: float


def render(entry: Audit) -> bytes:
    """As JSON."""
    return msgspec.json.encode(entry)


class Desk(Protocol):
    """Writes what people did. Raises ``dashboards.wall.records.UnavailableError`` where it was not acknowledged."""

    async def judge(self, verdict: Verdict) -> None:
        """Returns when every replica has it; everybody, the sender too, then learns it from the topic."""

    async def audit(self, entry: Audit) -> None:
        """Returns when it is written: nobody sees a page before that."""
