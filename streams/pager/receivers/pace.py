"""How often a receiver may be told: robots refuse those who are too quick, some of them for ten minutes.

Pagers do not know of each other's messages, so each keeps to its share of what a robot takes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from streams.pager.receiver import RetryError

#: So many pagers may tell one robot at once without being too quick for it.
PAGERS = 2


class PacedError(RetryError):
    """Not sent, so as to stay within the receiver's limit. Nothing is wrong; ``after_s`` says when there is room."""

    def __init__(self, after_s: float) -> None:
        self.after_s: float = after_s
        super().__init__("waits for the receiver's limit of messages", after_s)


class Pace:
    """At most ``limits``: (messages, seconds) each."""

    def __init__(self, *limits: tuple[int, float], steady: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._steady = limits, steady
        self._sent: deque[float] = deque(maxlen=max(count for count, _ in limits))

    def take(self) -> None:
        """A message is about to be sent. Raises PacedError where that is too soon."""
        now = self._steady()
        sent = list(self._sent)
        free_at = max((sent[-count] + span for count, span in self._limits if len(sent) >= count), default=now)
        if free_at > now:
            raise PacedError(free_at - now)
        self._sent.append(now)
