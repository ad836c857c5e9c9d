"""Where the wall's messages come from: the contract between a source and the wall.

The real source is :mod:`dashboards.wall.kafka_source`; tests feed the wall from a script.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

Topic = Literal["calls", "alerts", "verdicts", "heartbeats"]
TOPICS: tuple[Topic, ...] = ("calls", "alerts", "verdicts", "heartbeats")


class Message(Struct, frozen=True):
    """One message of a topic (without prefix). ``logged_at``: the broker's time, Unix seconds."""

    topic: Topic
    key: bytes
    value: bytes
    offset: int
    logged_at: float


class Sink(Protocol):
    """What a source calls, always from the event loop; nothing here blocks or raises::

        restart ─▶ restore? ─▶ reading ─▶ take … ─▶ live ─▶ take … dump … ─▶ gone ─▶ reading ─▶ take …

    The past comes partition by partition: a verdict may be taken before its alert, an alert before its call. What
    lies behind a checkpoint comes once; without one, calls come from midnight, alerts and verdicts of seven days.
    """

    def restart(self) -> None:
        """The record is read anew: forget everything."""

    def restore(self, state: bytes) -> bool:
        """Become what ``dump`` once gave, here or in another wall. False: unreadable, of another version or of other
        settings; everything is as after ``restart`` then. Follows upon ``restart``, perhaps several times.
        """

    def dump(self) -> bytes | Callable[[], bytes]:
        """All that was taken so far, in a form for ``restore``. Only asked for while live.

        Where packing it takes long: what packs it as it is at this moment, to be called in a thread.
        """

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
