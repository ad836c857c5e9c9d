"""Running a back-test: index the traces, share the calls out over processes, put the answers together.

Owns the processes. A worker gets both books once, and then batches of calls; what it answers is added in the order of
the calls, so that any number of workers gives the same result. Workers leave Ctrl-C to the parent, and end with it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import AlertChange
from streams.backtest.compare import Change, Side, compare, order
from streams.backtest.judge import (
    Batch,
    Books,
    Plan,
    Told,
    judge,
    judge_subjects,
    place,
    subject_changes,
    tell,
    verdict,
)
from streams.backtest.picture import Drawn, draw
from streams.backtest.traces import CallLines, File, Index, Indexer, Line, hold, read_lines
from streams.detectors.base import Rule
from streams.problem import Problem
from streams.rulebook.book import Rulebook

#: A worker gets so many calls at a time: less than a second of work, so that Ctrl-C need not wait long for it.
BATCH_CALLS = 10
#: Told how many of how many calls are done.
Progress = Callable[[int, int], None]


class Row(Struct, frozen=True):
    """One rule in both runs. ``judged`` and ``not_judged`` count calls; the status is empty where a book lacks it."""

    rule: str
    title: str
    title_en: str
    status_before: str
    status_now: str
    before: int
    now: int
    new: int
    gone: int
    changed: int
    judged_before: int
    not_judged_before: int
    judged: int
    not_judged: int
    crosses_calls: bool = False

    @property
    def differs(self) -> bool:
        """Whether any alert of it is not as it was."""
        return bool(self.new or self.gone or self.changed)


class BookFacts(Struct, frozen=True):
    """What is told of a book. ``why``: what its overlays are for; ``changed``: what they change, where it says so."""

    version: str
    rules: int
    why: tuple[str, ...]
    changed: tuple[str, ...]


class Outcome(Struct, frozen=True):
    """The whole of a back-test."""

    before: BookFacts
    now: BookFacts
    files: int
    calls: int
    deaf: int
    events: int
    begins: float
    ends: float
    rows: tuple[Row, ...]
    changes: tuple[Change, ...]
    drawn: tuple[Drawn, ...]
    problems: tuple[Problem, ...]
    unread: tuple[Path, ...]


def backtest(  # noqa: PLR0913 - each is a choice of its own
    paths: Sequence[Path],
    books: Books,
    *,
    source: str = "record",
    workers: int = 1,
    pictures: int = 0,
    share: bool = True,
    progress: Progress = lambda done, of: None,
) -> Outcome:
    """Judge the traces by both books. ``pictures``: how many of the calls with a changed alert are drawn at most.
    ``share`` False: rules that are the same in both books are judged twice all the same.

    Raises:
        OSError: a trace cannot be opened.
    """
    with TemporaryDirectory(prefix="sansheng-") as folder:
        index = _index(paths, source, Path(folder))
        plan = Plan(books, share=share)
        total = Batch()
        for answer in _judged(_Work(books, bool(plan.shared), index.files), judge, index, workers, progress):
            total.add(answer)
        _across_calls(plan, index, total)
        changes = tuple(sorted(total.changes, key=order))
        drawn = tuple(_drawn(books, index, changes, pictures))
    return Outcome(
        before=_facts(books.before),
        now=_facts(books.now),
        files=len(index.files),
        calls=total.calls,
        deaf=total.deaf,
        events=index.events,
        begins=index.begins,
        ends=index.ends,
        rows=tuple(_rows(books, total, changes)),
        changes=changes,
        drawn=drawn,
        problems=tuple(dict.fromkeys((*index.problems, *total.problems))),
        unread=index.unread,
    )


class Changes(Struct, frozen=True):
    """What days of the archive give under one book: alert changes in order of time, and in each call as they came."""

    changes: tuple[AlertChange, ...]
    calls: int
    problems: tuple[Problem, ...]
    unread: tuple[Path, ...]


def replay_days(
    paths: Sequence[Path], book: Rulebook, *, workers: int = 1, progress: Progress = lambda done, of: None
) -> Changes:
    """Judge days of the archive by one book: the alert changes as ``streams.replay`` gives them for a record."""
    index = _index(paths, "archive", Path())
    told, work = Told(), _Work(Books(book, book), True, index.files)
    for answer in _judged(work, _tell, index, workers, progress):
        told.add(answer)
    told.changes += (change for _, change in subject_changes(book, told.marks, index.ends))
    changes = sorted(told.changes, key=lambda change: (change.at, change.call))
    problems = tuple(dict.fromkeys((*index.problems, *told.problems)))
    return Changes(tuple(changes), told.calls, problems, index.unread)


def _index(paths: Sequence[Path], source: str, folder: Path) -> Index:
    """``folder``: for records of captures."""
    indexer = Indexer()
    for path in paths:
        if source == "record":
            indexer.add_record(path)
        elif source == "archive":
            indexer.add_day(path)
        else:
            indexer.add_capture(path, folder)
    return indexer.index()


def cores() -> int:
    """How many processes this one may keep busy."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ----------------------------------------------------------------------------------------------- processes


class _Work(Struct):
    """What is the same for all calls: a worker is given it when it begins."""

    books: Books
    share: bool
    files: tuple[File, ...]

    def plan(self) -> Plan:
        """Made in each process: it is not sent."""
        return Plan(self.books, share=self.share)


_Answer = TypeVar("_Answer")
_Do = Callable[[Plan, Sequence[File], Sequence[CallLines]], _Answer]


def _judged(work: _Work, do: _Do[_Answer], index: Index, workers: int, progress: Progress) -> Iterator[_Answer]:
    """What becomes of the calls, batch by batch in their order."""
    calls = index.calls
    batches = [calls[n : n + BATCH_CALLS] for n in range(0, len(calls), BATCH_CALLS)]
    workers = min(workers, len(batches))
    progress(0, len(calls))
    if workers > 1:
        answers = _in_workers(work, do, batches, workers)
    else:
        plan = work.plan()
        answers = (do(plan, work.files, batch) for batch in batches)
    done = 0
    for batch, answer in zip(batches, answers, strict=True):
        yield answer
        done += len(batch)
        progress(done, len(calls))


def _in_workers(
    work: _Work, do: _Do[_Answer], batches: Sequence[Sequence[CallLines]], workers: int
) -> Iterator[_Answer]:
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(work,))
    try:
        with _deaf_to_interrupts():  # processes inherit that, so that Ctrl-C finds none of them unprepared
            answers = [pool.submit(_do, do, batch) for batch in batches]
        yield from _in_order(answers)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(answers: list[Future[_Answer]]) -> Iterator[_Answer]:
    answers.reverse()
    while answers:  # an answer that has been taken need not be kept
        yield answers.pop().result()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:  # one that came meanwhile comes now
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


#: Of a worker.
_given: list[tuple[Plan, tuple[File, ...]]] = []


def _begin(work: _Work) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hold(work.files)
    _given[:] = [(work.plan(), work.files)]
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _do(do: _Do[_Answer], calls: Sequence[CallLines]) -> _Answer:
    return do(*_given[0], calls)


def _tell(plan: Plan, files: Sequence[File], calls: Sequence[CallLines]) -> Told:
    return tell(plan.now, files, calls)


# ------------------------------------------------------------------------------------------ putting together


def _across_calls(plan: Plan, index: Index, total: Batch) -> None:
    """Judge the subjects of rules across calls, and add their alerts."""
    now = judge_subjects(plan.now, total.now_marks, index.ends)
    own = judge_subjects(plan.before, total.before_marks, index.ends)
    shared = [alert for alert in now if alert.rule in plan.shared]
    for side, alerts in (("before", [*own, *shared]), ("now", now)):
        for alert in alerts:
            getattr(total.count(alert.rule), side).fired += 1
    changes = compare(own, [alert for alert in now if alert.rule not in plan.shared])
    lines = _Lines(index)
    for change in changes:
        found = lines.of(change.alert.call)
        where = place(change.alert, index.files, found) if found else None
        total.changes.append(replace(change, place=where))


class _Lines:
    """Reads single calls again; keeps none."""

    def __init__(self, index: Index) -> None:
        self._files = index.files
        self._calls = {call.call: call for call in index.calls}

    def of(self, call: str) -> list[Line]:
        """What can be read of that call."""
        known = self._calls.get(call)
        items = read_lines(self._files, known) if known else ()
        return [item for item in items if isinstance(item, Line)]

    def until(self, call: str) -> float:
        """The end of that call's trace, Unix seconds."""
        return self._calls[call].until


def _drawn(books: Books, index: Index, changes: Sequence[Change], most: int) -> Iterator[Drawn]:
    lines, by_call = _Lines(index), defaultdict[str, list[Change]](list)
    for change in changes:
        by_call[change.alert.call].append(change)
    for call in chosen(changes, most):
        if found := lines.of(call):
            until = lines.until(call)
            before, now = (verdict(book, found, until).alerts for book in (books.before, books.now))
            yield draw(found, by_call[call], before, now)


def chosen(changes: Iterable[Change], most: int) -> list[str]:
    """The calls to draw, at most so many: of each rule in turn its next one, so that no rule crowds out another."""
    waiting: dict[str, list[str]] = {}
    for change in changes:
        waiting.setdefault(change.alert.rule, []).append(change.alert.call)
    queues = [list(dict.fromkeys(calls)) for calls in waiting.values()]
    turns = (queue[n] for n in range(max(map(len, queues), default=0)) for queue in queues if n < len(queue))
    return list(dict.fromkeys(turns))[:most]


def _facts(book: Rulebook) -> BookFacts:
    changed = getattr(book, "changed", ())
    return BookFacts(book.version, len(book.judges), book.why, tuple(str(each) for each in changed))


def _rows(books: Books, total: Batch, changes: Iterable[Change]) -> Iterator[Row]:
    kinds: dict[str, dict[str, int]] = {}
    for change in changes:
        of_rule = kinds.setdefault(change.alert.rule, {"new": 0, "gone": 0, "changed": 0})
        of_rule[change.kind] += 1
    rules: dict[str, Rule] = {rule.id: rule for book in (books.before, books.now) for rule in book.rules}
    for rule in rules.values():
        yield _row(books, total, rule, kinds.get(rule.id, {}))


def _row(books: Books, total: Batch, rule: Rule, kinds: dict[str, int]) -> Row:
    count = total.count(rule.id)
    judged = [
        _calls(book.judge(rule.id), side, total.calls)
        for book, side in ((books.before, count.before), (books.now, count.now))
    ]
    old, new = books.before.rule(rule.id), books.now.rule(rule.id)
    return Row(
        rule=rule.id,
        title=rule.title,
        title_en=rule.en.title if rule.en else "",
        status_before=old.status if old else "",
        status_now=new.status if new else "",
        before=count.before.fired,
        now=count.now.fired,
        new=kinds.get("new", 0),
        gone=kinds.get("gone", 0),
        changed=kinds.get("changed", 0),
        judged_before=judged[0][0],
        not_judged_before=judged[0][1],
        judged=judged[1][0],
        not_judged=judged[1][1],
        crosses_calls=rule.crosses_calls,
    )


def _calls(rule: Rule | None, side: Side, calls: int) -> tuple[int, int]:
    """In how many calls the rule was judged, and in how many it was not; none where it may not fire."""
    if rule is None:
        return 0, 0
    return side.told if rule.crosses_calls else calls - side.not_judged, side.not_judged
