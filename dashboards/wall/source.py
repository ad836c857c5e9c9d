"""Where the wall's messages come from: the contract between a source and the wall.

The real source is :mod:`dashboards.wall.kafka_source`; tests feed the wall from a script.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

Topic = Literal["calls", "alerts", "heartbeats"]
TOPICS: tuple[Topic, ...] = ("calls", "alerts", "heartbeats")


class Message(Struct, frozen=True):
    """One message of a topic (without prefix). ``logged_at``: the broker's time, Unix seconds."""

    topic: Topic
    key: bytes
    value: bytes
    offset: int
    logged_at: float


class Sink(Protocol):
    """What a source calls, always from the event loop; nothing here blocks or raises."""

    def restart(self) -> None:
        """The record is read anew from the beginning of the day: forget everything."""

    def reading(self) -> None:
        """Connected; what comes now is the past, until ``live``."""

    def live(self) -> None:
        """All that was logged when the reading began has been handed over."""

    def gone(self, reason: str) -> None:
        """The broker cannot be reached or the topics cannot be read; ``reason`` is for the operator."""

    def take(self, messages: Sequence[Message]) -> None:
        """Messages in the order of each partition."""


class Source(Protocol):
    """Feeds one sink until it is cancelled, and comes back by itself after trouble."""

    async def run(self, sink: Sink) -> None:
        """Read until cancelled."""
