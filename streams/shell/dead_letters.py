"""What could not be read: the raw bytes, where they came from, why, and the mend.

The value of a dead letter is the message as it was, so that it can be mended and sent again; the rest is in
its headers. The raw bytes may hold personal data: they are never logged.
"""

from __future__ import annotations

from msgspec import Struct

from streams.events import BadEventError

#: A broker takes messages of 1 MiB; of what is longer, the beginning is kept.
LARGEST = 512 * 1024
_LARGEST_HEADER = 1024


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
        told = [(name, str(getattr(self, name)).encode()[:_LARGEST_HEADER]) for name in names]
        return [*told, ("cut_from", str(len(self.raw)).encode())] if len(self.raw) > LARGEST else told

    @property
    def value(self) -> bytes:
        """The raw bytes, cut where they are too long for a message."""
        return self.raw[:LARGEST]

    def __str__(self) -> str:
        where = f"{self.source}[{self.partition}]@{self.offset}" if self.offset >= 0 else self.source
        field = f" {self.field}:" if self.field else ""
        return f"{where}:{field} {self.reason}" + (f" ({self.mend})" if self.mend else "")


def of_message(source: str, partition: int, offset: int, raw: bytes, error: BadEventError, at: float) -> DeadLetter:
    """The dead letter of a Kafka message that gave ``error``."""
    return DeadLetter(raw, source, error.problem, at, error.field, error.mend, partition, offset)
