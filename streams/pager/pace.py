"""How often a receiver is told: robots refuse those who are too quick, some of them for ten minutes.

Pagers do not know of each other's messages, so each keeps to its share of what a receiver takes: as much as it has of
the partitions. Who has all of them finds in the records what everybody has told. Who gets more of them beside others
does not know what was told of that part, and takes it for used up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple


class Limit(NamedTuple):
    """At most ``messages`` in any ``span_s`` seconds."""

    messages: int
    span_s: float


class Pace:
    """When there is room for the next message. Times are seconds of any clock that only goes forward."""

    def __init__(self, limits: Iterable[Limit]) -> None:
        """Nothing is ours yet, so nothing is held back."""
        self._limits, self._share = tuple(limits), 0.0
        self._sent: list[float] = []

    def wait_s(self, now: float) -> float:
        """How long until the next message may be sent; 0: now."""
        return max((free_at - now for free_at in self._free_at()), default=0.0)

    def sent(self, now: float) -> None:
        """A message is being sent."""
        longest_s = max((limit.span_s for limit in self._own_limits()), default=0.0)
        self._sent = [now, *(at for at in self._sent if at > now - longest_s)]

    def share(self, of: float, now: float, sent: Iterable[float] = ()) -> None:
        """Keep to a part of the limits from now on: 0, nothing is ours, to 1.

        ``sent``: when messages for what is ours were sent, ours among them, so the row of messages is as late as either
        says, place by place. That counts only where all is ours; else there are others of which it says nothing.
        """
        if of == 1:
            rows = zip_longest(self._sent, sorted(sent, reverse=True), fillvalue=float("-inf"))
            self._sent = [max(at) for at in rows]
        else:
            gained = (int(limit.messages * of) - int(limit.messages * self._share) for limit in self._limits)
            self._sent = [now] * max((max(more, 0) for more in gained), default=0) + self._sent
        self._share = of

    def _free_at(self) -> Iterator[float]:
        for messages, span_s in self._own_limits():
            if len(self._sent) >= messages:
                yield self._sent[messages - 1] + span_s

    def _own_limits(self) -> Iterator[Limit]:
        """Where the share is less than a message, one in a longer time: the mean is kept, not each single span."""
        for limit in self._limits if self._share else ():
            own = limit.messages * self._share
            yield Limit(int(own), limit.span_s) if own >= 1 else Limit(1, limit.span_s / own)
