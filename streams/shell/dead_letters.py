"""What could not be read: the raw bytes, where they came from, why, and the mend.

The value of a dead letter is the message as it was, so that it can be mended and sent again; the rest is in
its headers. The raw bytes may hold personal data: they are never logged.
"""

from __future__ import annotations

from msgspec import Struct

from streams.events import BadEventError


class DeadLetter(Struct, frozen=True):
    """``offset`` -1 where the source has none (a PBX). ``at``: Unix seconds when it was put aside."""

    raw: bytes
    source: str
    reason: str
    at: float
    field: str = ""
    mend: str = ""
    partition: int = -1
    offset: int = -1

    def headers(self) -> list[tuple[str, bytes]]:
        """Everything but the raw bytes, as Kafka headers."""
        names = ("source", "partition", "offset", "field", "reason", "mend", "at")
        return [(name, str(getattr(self, name)).encode()) for name in names]

    def __str__(self) -> str:
        where = f"{self.source}[{self.partition}]@{self.offset}" if self.offset >= 0 else self.source
        field = f" {self.field}:" if self.field else ""
        return f"{where}:{field} {self.reason}" + (f" ({self.mend})" if self.mend else "")


def of_message(source: str, partition: int, offset: int, raw: bytes, error: BadEventError, at: float) -> DeadLetter:
    """The dead letter of a Kafka message that gave ``error``."""
    return DeadLetter(raw, source, error.problem, at, error.field, error.mend, partition, offset)
