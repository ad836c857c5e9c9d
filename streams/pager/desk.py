"""All pages of the partitions that a pager has: their states, when each is due, and what has to be stored and told.

Pure like the fold beneath it (:mod:`streams.pager.deciding`). Owns slots and wakes, and that a partition whose backlog
has not been read yet calls nobody: what was opened while no pager ran may be over further on. The shell takes the
``Work`` and stores its records before it hands over its notices.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streams.alerts import AlertChange
from streams.pager import deciding
from streams.pager.deciding import Answer, Count, PagerState, Put, Step, restored
from streams.pager.duty import Plan
from streams.pager.page import Notice, Page
from streams.verdicts import Judgement


class Record(NamedTuple):
    """A page's state for the topic ``pages``; None: it is forgotten."""

    partition: int
    id: str
    state: PagerState | None


class Work(NamedTuple):
    """What the shell has to do, in this order."""

    records: tuple[Record, ...]
    puts: tuple[Put, ...]
    counts: tuple[Count, ...]


class Desk:
    """The pages of some partitions."""

    def __init__(self, plan: Plan, site: str, wall_url: str, partitions: int) -> None:
        """``partitions``: of the topics, all pagers' together."""
        self.plan = plan
        self._site, self._wall_url, self._stripes = site, wall_url, partitions
        self._pages: dict[int, dict[str, PagerState]] = {}
        self._epochs: dict[int, int] = {}
        self._calling: set[int] = set()
        self._lives_in: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._records: dict[tuple[int, str], PagerState | None] = {}
        self._puts: list[Put] = []
        self._counts: list[Count] = []

    # --------------------------------------------------------------------------------------- partitions

    @property
    def partitions(self) -> frozenset[int]:
        """Those that are held."""
        return frozenset(self._pages)

    def take_over(self, partition: int, records: Iterable[PagerState], now: float) -> None:
        """Hold a partition, with the newest record of each page; nobody is called before ``begin``."""
        self.let_go(partition)
        states = list(records)
        self._epochs[partition] = 1 + max((state.epoch for state in states), default=0)
        own = self._pages[partition] = {}
        for state in states:
            own[state.id] = restored(state, self._epochs[partition])
            self._lives_in[state.id] = partition
            self._schedule(own[state.id], now)

    def begin(self, partition: int, now: float) -> None:
        """The backlog is read: tell what is still to be told, and call from now on."""
        if partition in self._calling:
            return
        self._calling.add(partition)
        for state in self._pages[partition].values():
            self._puts += deciding.pending(self.plan, state, now)
            self._schedule(state, now)

    def let_go(self, partition: int) -> None:
        """Somebody else has it: nothing of it is told here any more."""
        self._calling.discard(partition)
        for name in self._pages.pop(partition, {}):
            self._lives_in.pop(name, None)
            self._due.pop(name, None)
        self._records = {key: state for key, state in self._records.items() if key[0] != partition}

    # --------------------------------------------------------------------------------------- what is heard

    def alert(self, partition: int, change: AlertChange, now: float) -> None:
        """A change of an alert has come."""
        if self._is_mine(partition, change.id):
            before = self._pages[partition].get(change.id)
            page = deciding.page_of(change, self._site, self._wall_url, now)
            slot = self._slot(partition, change.id)
            self._do(partition, change.id, deciding.on_alert(self.plan, before, page, change, now, slot), now)

    def verdict(self, partition: int, judgement: Judgement, now: float) -> None:
        """Somebody has done something with an alert."""
        if self._is_mine(partition, judgement.alert):
            before = self._pages[partition].get(judgement.alert)
            slot = self._slot(partition, judgement.alert)
            self._do(partition, judgement.alert, deciding.on_verdict(self.plan, before, judgement, now, slot), now)

    def _is_mine(self, partition: int, name: str) -> bool:
        """An id belongs to one call, and so to one partition; whoever sends it in another one is not believed."""
        return partition in self._pages and self._lives_in.get(name, partition) == partition

    def told(self, receiver: str, notice: Notice, answer: Answer, now: float) -> None:
        """A receiver has taken a notice, or never will."""
        state = self._of(notice.page.id)
        if state:
            step = deciding.on_told(self.plan, state, receiver, notice, answer, now)
            self._do(self._lives_in[state.id], state.id, step, now)

    def wanted(self, receiver: str, notice: Notice, now: float) -> bool:
        """Whether that receiver is still to be told that."""
        state = self._of(notice.page.id)
        if state is None:
            return False
        if deciding.wanted(state, receiver, notice.news):
            return True
        step = deciding.on_unwanted(state, receiver, notice.news)
        self._do(self._lives_in[state.id], state.id, step, now)
        return False

    def _of(self, name: str) -> PagerState | None:
        partition = self._lives_in.get(name)
        return None if partition is None else self._pages[partition].get(name)

    # --------------------------------------------------------------------------------------- time

    def wake(self, now: float) -> None:
        """Do what is due in the partitions that call."""
        due: list[str] = []
        while self._heap and self._heap[0][0] <= now:
            at, name = heapq.heappop(self._heap)
            if self._due.get(name) == at:  # or it has been set anew since
                del self._due[name]
                due.append(name)
        for name in due:
            self._wake(self._lives_in[name], name, now)

    def _wake(self, partition: int, name: str, now: float) -> None:
        if partition not in self._calling:
            return  # ``begin`` will see to it
        step = deciding.on_time(self.plan, self._pages[partition][name], now, self._slot(partition, name))
        self._do(partition, name, step, now)
        if state := self._of(name):
            self._schedule(state, now)

    def next_wake(self) -> float | None:
        """When ``wake`` has something to do, Unix seconds; it may turn out to be nothing."""
        return self._heap[0][0] if self._heap else None

    def _schedule(self, state: PagerState, now: float) -> None:
        due = deciding.next_due(self.plan, state, now)
        if self._due.get(state.id) != due:
            self._due[state.id] = due
            heapq.heappush(self._heap, (due, state.id))

    # --------------------------------------------------------------------------------------- what follows

    def _do(self, partition: int, name: str, step: Step, now: float) -> None:
        self._puts += step.puts
        self._counts += step.counts
        own, before = self._pages[partition], self._pages[partition].get(name)
        if step.state is before:
            return
        if step.state is None:
            own.pop(name, None)
            self._lives_in.pop(name, None)
            self._due.pop(name, None)
            self._records[partition, name] = None
            return
        state = deciding.of_epoch(step.state, self._epochs[partition])
        own[name], self._lives_in[name] = state, partition
        self._records[partition, name] = state
        self._schedule(state, now)

    def drain(self) -> Work:
        """What has to be done since the last time; a page's record is its newest one only."""
        records = tuple(Record(*key, state) for key, state in self._records.items())
        work = Work(records, tuple(self._puts), tuple(self._counts))
        self._records, self._puts, self._counts = {}, [], []
        return work

    def stills(self, receiver: str, now: float) -> Iterator[Put]:
        """All open pages that this receiver would forget otherwise."""
        for state in self._states():
            yield from (put for put in deciding.stills(self.plan, state, now) if put.receiver == receiver)

    def figures(self) -> Counter[str]:
        """How many pages are open, claimed, held."""
        found = (_standing(state) for state in self._states() if state.page and not state.is_over)
        return Counter(found)

    def _states(self) -> Iterator[PagerState]:
        for pages in self._pages.values():
            yield from pages.values()

    def _slot(self, partition: int, name: str) -> deciding.Slot:
        """The lowest of the partition's own numbers that is free among open pages of the same labels."""

        def slot(page: Page) -> int:
            others = (s.page for s in self._pages[partition].values() if s.page and not s.is_over and s.id != name)
            taken = {o.slot for o in others if (o.rule, o.queue, o.severity) == (page.rule, page.queue, page.severity)}
            number = partition + 1
            while number in taken:
                number += self._stripes
            return number

        return slot


def _standing(state: PagerState) -> str:
    if state.is_claimed:
        return "claimed"
    return "open" if state.level else "held"
