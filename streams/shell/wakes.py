"""When which call wants to be woken: the worker's heap of wakes for its own partitions.

Pure and clockless; ``detector.py`` asks it what is due and sends the ticks. A tick counts as delivered only
when the call has been stepped and has asked for another wake: until then it is offered again every
``RETRY_S``, so that a lost tick is late and not lost.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

#: Seconds after which a tick that has had no effect is sent again.
RETRY_S = 5.0


class Wake(NamedTuple):
    """``call`` wants a tick at ``due`` (Unix seconds); it lives in ``partition`` of the calls topic.

    ``asked``: when it said so, which may be after ``due`` (words that came late); 0: an earlier worker may know.
    """

    due: float
    call: str
    partition: int
    asked: float = 0.0


class Wakes:
    """One wake per call; setting it anew replaces the old one."""

    def __init__(self) -> None:
        """Nobody wants to be woken."""
        self._wanted: dict[str, Wake] = {}
        self._heap: list[tuple[float, Wake]] = []

    def __len__(self) -> int:
        return len(self._wanted)

    def set(self, call: str, partition: int, due: float, now: float) -> None:
        """``call`` wants to be woken at ``due``; it says so ``now``."""
        known = self._wanted.get(call)
        if known is None or (known.due, known.partition) != (due, partition):
            wake = self._wanted[call] = Wake(due, call, partition, now)
            heapq.heappush(self._heap, (due, wake))

    def lateness(self, call: str, at: float, now: float) -> float | None:
        """How late, seconds, the tick of ``at`` is that has come ``now``; None: another one is waited for, or none."""
        wake = self._wanted.get(call)
        return None if wake is None or wake.due != at else max(0.0, now - max(wake.due, wake.asked))

    def drop(self, call: str) -> None:
        """``call`` is over or lives elsewhere."""
        self._wanted.pop(call, None)

    def replace(self, wakes: Iterable[Wake]) -> None:
        """Start anew, after a rebalance, with these."""
        self._wanted = {wake.call: wake for wake in wakes}
        self._heap = [(wake.due, wake) for wake in self._wanted.values()]
        heapq.heapify(self._heap)

    def next(self) -> float | None:
        """When something may be due next, Unix seconds; None: never."""
        self._skip_outdated()
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> list[Wake]:
        """The wakes that are due; each comes again after ``RETRY_S`` unless it is set anew or dropped."""
        due: list[Wake] = []
        self._skip_outdated()
        while self._heap and self._heap[0][0] <= now:
            _, wake = heapq.heappop(self._heap)
            due.append(wake)
            self._skip_outdated()
        for wake in due:
            heapq.heappush(self._heap, (now + RETRY_S, wake))
        return due

    def _skip_outdated(self) -> None:
        while self._heap and self._wanted.get(self._heap[0][1].call) is not self._heap[0][1]:
            heapq.heappop(self._heap)
