"""Where verdicts and the audit go: the contract between the server and what writes for it.

The real desk is :mod:`dashboards.wall.kafka_desk`.
"""

from __future__ import annotations

from typing import Protocol

from streams.audit import Audit
from streams.verdicts import Verdict


class Desk(Protocol):
    """Writes what people did. Raises ``dashboards.wall.records.UnavailableError`` where it was not acknowledged."""

    async def judge(self, verdict: Verdict) -> None:
        """Returns when every replica has it; everybody, the sender too, then learns it from the topic."""

    async def audit(self, entry: Audit) -> None:
        """Returns when it is written: nobody sees a page before that."""
