"""All pages of the partitions that a pager has: their states, when each is due, and what has to be stored and told.

Pure like the fold beneath it (:mod:`streams.pager.deciding`). Owns slots and wakes; that a partition whose backlog
has not been read yet calls nobody, for what was opened while no pager ran may be over further on; and that a receiver
is told nothing in its quiet hours, neither for the first time nor again. The shell takes the ``Work`` and stores its
records before it hands over its notices.
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
    """A page's state for the topic ``pages``, None: it is forgotten; ``epoch``: of the turn that says so."""

    partition: int
    id: str
    state: PagerState | None
    epoch: int


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
        self._figures: Counter[str] = Counter()
        self._slots: dict[tuple[int, str, str], dict[int, str]] = {}
        self._flying: set[Put] = set()
        self._hushed: dict[str, dict[str, float]] = {}
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
        """Hold a partition, with the newest record of each page; nobody is called before ``begin``.

        Pages that are not done with are recorded at once, as of this turn: what an earlier one still writes, because it
        has not noticed that it is over, is then known to be old. Where there are none, the clock tells the turns apart.
        """
        self.let_go(partition)
        states = list(records)
        epoch = self._epochs[partition] = max(int(now * 1000), 1 + max((state.epoch for state in states), default=0))
        self._pages[partition] = {}
        for found in states:
            state = restored(found, epoch)
            self._keep(partition, state.id, state)
            self._schedule(state, now)
            if deciding.holds_slot(self.plan, state):
                self._records[partition, state.id] = state

    def begin(self, partition: int, now: float) -> None:
        """The backlog is read: tell what is still to be told, and call from now on."""
        if partition in self._calling:
            return
        self._calling.add(partition)
        for state in self._pages[partition].values():
            for put in deciding.pending(self.plan, state, now):
                self._put(put, now)
            self._schedule(state, now)

    def pause(self, partition: int) -> None:
        """There may be a backlog again: nobody is called and nothing told before ``begin``."""
        self._calling.discard(partition)

    def let_go(self, partition: int) -> None:
        """Somebody else has it: nothing of it is told here any more."""
        self.pause(partition)
        for name in list(self._pages.get(partition, ())):
            self._keep(partition, name, None)
        self._pages.pop(partition, None)
        self._records = {key: state for key, state in self._records.items() if key[0] != partition}

    # --------------------------------------------------------------------------------------- what is heard

    def alert(self, partition: int, change: AlertChange, now: float) -> None:
        """A change of an alert has come."""
        if self._is_mine(partition, change.id):
            before = self._unsure(change.id)
            page = deciding.page_of(change, self._site, self._wall_url, now)
            slot = self._slot(partition, change.id)
            self._do(partition, change.id, deciding.on_alert(self.plan, before, page, change, now, slot), now)

    def verdict(self, partition: int, judgement: Judgement, now: float) -> None:
        """Somebody has done something with an alert."""
        if self._is_mine(partition, judgement.alert):
            before = self._unsure(judgement.alert)
            slot = self._slot(partition, judgement.alert)
            self._do(partition, judgement.alert, deciding.on_verdict(self.plan, before, judgement, now, slot), now)

    def _is_mine(self, partition: int, name: str) -> bool:
        """An id belongs to one call, and so to one partition; whoever sends it in another one is not believed."""
        return partition in self._pages and self._lives_in.get(name, partition) == partition

    def _unsure(self, name: str) -> PagerState | None:
        """The page as it is; who is being told this moment that it is settled may have taken it."""
        state = self._of(name)
        for receiver, notice in self._flying if state else ():
            if state and notice.page.id == name and notice.news in ("claimed", "resolved"):
                state = deciding.on_perhaps(state, receiver, notice)
        return state

    # --------------------------------------------------------------------------------------- what is told

    def wanted(self, receiver: str, notice: Notice, now: float) -> bool:
        """Whether that receiver is still to be told that, now; if so it is taken for being told until it ``landed``."""
        state = self._of(notice.page.id)
        if state is None or self._lives_in[state.id] not in self._calling:
            return False  # ``begin`` asks for it again
        if not deciding.wanted(state, receiver, notice):
            step = deciding.on_unwanted(state, receiver, notice)
            self._do(self._lives_in[state.id], state.id, step, now)
            return False
        if self._is_hushed(state.id, receiver, now):
            self._schedule(state, now)
            return False
        self._flying.add(Put(receiver, notice))
        return True

    def landed(self, receiver: str, notice: Notice) -> None:
        """It is not being told any more."""
        self._flying.discard(Put(receiver, notice))

    @property
    def flying(self) -> frozenset[str]:
        """The receivers that are being told something."""
        return frozenset(put.receiver for put in self._flying)

    def told(self, receiver: str, notice: Notice, answer: Answer, now: float) -> None:
        """A receiver has taken a notice, or never will."""
        self.landed(receiver, notice)
        if state := self._of(notice.page.id):
            step = deciding.on_told(self.plan, state, receiver, notice, answer, now)
            self._do(self._lives_in[state.id], state.id, step, now)

    def perhaps(self, receiver: str, notice: Notice, now: float) -> None:
        """A receiver may have taken a notice; its answer was lost."""
        if state := self._of(notice.page.id):
            after = deciding.on_perhaps(state, receiver, notice)
            self._do(self._lives_in[state.id], state.id, Step(after), now)

    def _of(self, name: str) -> PagerState | None:
        partition = self._lives_in.get(name)
        return None if partition is None else self._pages[partition].get(name)

    # --------------------------------------------------------------------------------------- time

    def wake(self, now: float) -> None:
        """Do what is due. A page may be due again at once, and is taken up again the next time."""
        due = []
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
            self._end_quiet(state, now)
            self._schedule(state, now)

    def next_wake(self) -> float | None:
        """When ``wake`` has something to do, Unix seconds; it may turn out to be nothing."""
        return self._heap[0][0] if self._heap else None

    def _schedule(self, state: PagerState, now: float) -> None:
        due = min((deciding.next_due(self.plan, state, now), *self._hushed.get(state.id, {}).values()))
        if self._due.get(state.id) != due:
            self._due[state.id] = due
            heapq.heappush(self._heap, (due, state.id))

    # --------------------------------------------------------------------------------------- quiet hours

    def _put(self, put: Put, now: float) -> None:
        """Have it told, or have it asked again what is to be told there when its quiet hours end."""
        if not self._is_hushed(put.notice.page.id, put.receiver, now):
            self._puts.append(put)

    def _is_hushed(self, name: str, receiver: str, now: float) -> bool:
        until = self.plan.quiet_until(receiver, now)
        if until is None:
            return False
        self._hushed.setdefault(name, {})[receiver] = until
        return True

    def _end_quiet(self, state: PagerState, now: float) -> None:
        """Tell whose quiet hours are over what there still is to be told."""
        waiting = self._hushed.get(state.id, {})
        awake = {receiver for receiver, until in waiting.items() if until <= now}
        for receiver in awake:
            del waiting[receiver]
        for put in deciding.pending(self.plan, state, now) if awake else ():
            if put.receiver in awake:
                self._put(put, now)
        if not waiting:
            self._hushed.pop(state.id, None)

    # --------------------------------------------------------------------------------------- what follows

    def _do(self, partition: int, name: str, step: Step, now: float) -> None:
        self._counts += step.counts
        if step.state is self._pages[partition].get(name):
            return
        state = step.state and deciding.of_epoch(step.state, self._epochs[partition])
        self._keep(partition, name, state)
        self._records[partition, name] = state
        for put in step.puts:
            self._put(put, now)
        if state:
            self._schedule(state, now)

    def _keep(self, partition: int, name: str, state: PagerState | None) -> None:
        """The only place where a page comes, changes or goes: figures and slots are kept with it."""
        own = self._pages[partition]
        if before := own.pop(name, None):
            self._figures.subtract(_standing(before))
            self._free_slot(partition, before)
        if state is None:
            for kept in (self._lives_in, self._due, self._hushed):
                kept.pop(name, None)
            return
        own[name], self._lives_in[name] = state, partition
        self._figures.update(_standing(state))
        if state.page and deciding.holds_slot(self.plan, state):
            self._slots.setdefault(_series(partition, state.page), {}).setdefault(state.page.slot, name)

    def _free_slot(self, partition: int, state: PagerState) -> None:
        if state.page is None:
            return
        series = _series(partition, state.page)
        taken = self._slots.get(series, {})
        if taken.get(state.page.slot) == state.id:
            del taken[state.page.slot]
        if not taken:
            self._slots.pop(series, None)

    def _slot(self, partition: int, name: str) -> deciding.Slot:
        """Its own number, or the lowest of the partition's that is free among pages of the same rule and queue."""

        def slot(page: Page) -> int:
            taken = self._slots.get(_series(partition, page), {})
            number = page.slot if page.slot % self._stripes == (partition + 1) % self._stripes else partition + 1
            if taken.get(number, name) != name:
                number = partition + 1
            while taken.get(number, name) != name:
                number += self._stripes
            return number

        return slot

    def drain(self) -> Work:
        """What has to be done since the last time; a page's record is its newest one only."""
        records = tuple(Record(*key, state, self._epochs[key[0]]) for key, state in self._records.items())
        work = Work(records, tuple(self._puts), tuple(self._counts))
        self._records, self._puts, self._counts = {}, [], []
        return work

    def stills(self, receiver: str, now: float) -> Iterator[Put]:
        """All open pages that this receiver would forget otherwise."""
        for state in self._states():
            yield from (put for put in deciding.stills(self.plan, state, now) if put.receiver == receiver)

    def lately(self, receiver: str) -> Iterator[float]:
        """When that receiver was last told something, Unix seconds, by whoever had the partitions then."""
        for state in self._states():
            if contact := state.contacts.get(receiver):
                yield from contact.lately

    def figures(self) -> Counter[str]:
        """How many pages are open, claimed, held."""
        return +self._figures

    def _states(self) -> Iterator[PagerState]:
        for pages in self._pages.values():
            yield from pages.values()


def _series(partition: int, page: Page) -> tuple[int, str, str]:
    """What slots count within: the severity may rise, and the slot stays."""
    return (partition, page.rule, page.queue)


def _standing(state: PagerState) -> tuple[str, ...]:
    """As what it is counted, if it is."""
    if state.page is None or state.is_over:
        return ()
    return ("claimed" if state.is_claimed else "open" if state.level else "held",)
