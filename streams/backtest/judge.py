"""Judging calls by two books at once, in any number of processes.

Owns what happens to one batch of calls: it is read once, each call is folded once by each book, and only what differs
goes back, with the counts and the marks for rules across calls. Those are judged when all calls are done, in order of
time, so that it makes no difference how the calls were shared out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import AlertChange
from streams.backtest.compare import Alert, Change, Count, Place, Side, compare, gather
from streams.backtest.traces import CallLines, File, Line, read_lines
from streams.core import Book
from streams.detectors.base import Rule
from streams.detectors.conditions import Condition
from streams.events import Evidence, LegTapped, Mark, SpeechEnded, SpeechStarted, Spotted, Transcript
from streams.problem import Problem
from streams.replay import Driver
from streams.rulebook.book import Rulebook

#: Kinds that judge nothing but speech.
_HEARING = frozenset({"says", "must_say", "procedure", "measure"})


class Books(Struct, frozen=True):
    """The two books of a back-test: the one in force before, and the one to be tried."""

    before: Rulebook
    now: Rulebook


class Part:
    """Some rules of a book, on the site of the whole."""

    def __init__(self, book: Rulebook, rules: frozenset[str]) -> None:
        """``rules``: the ids of those that judge."""
        self.version, self.site = book.version, book.site
        self._part = replace(book, rules=tuple(rule for rule in book.rules if rule.id in rules))
        self.find, self.listeners, self.judge = self._part.find, self._part.listeners, self._part.judge
        self.judges = self._part.judges


class Plan:
    """How a call is judged by both books: rules that are the same in both, with all that they refer to, only once.

    A rule sees the call, its own memory, phrases, groups, calendar and procedures, and nothing of other rules; so what
    it finds is the same in both books where those are.
    """

    def __init__(self, books: Books, *, share: bool = True) -> None:
        """``share`` False: all rules are judged twice."""
        self.now = books.now
        self.shared = _alike(books) if share else frozenset()
        self.before = Part(books.before, frozenset(rule.id for rule in books.before.judges) - self.shared)
        self.ears_before = frozenset(rule.id for rule in books.before.judges if needs_ears(rule))
        self.ears_now = frozenset(rule.id for rule in books.now.judges if needs_ears(rule))


def _alike(books: Books) -> frozenset[str]:
    """The rules that find the same under both books."""
    before, now = books.before, books.now
    procedures = before.site.procedures.keys() | now.site.procedures.keys()
    if (before.groups, before.calendar) != (now.groups, now.calendar) or not all(_same(books, p) for p in procedures):
        return frozenset()
    return frozenset(rule.id for rule in now.judges if _same(books, rule.id))


def _same(books: Books, rule_id: str) -> bool:
    before, now = books.before.rule(rule_id), books.now.rule(rule_id)
    names = () if now is None else now.phrase_names()
    return before == now and all(books.before.phrases.get(name) == books.now.phrases.get(name) for name in names)


class Verdict(Struct, frozen=True):
    """What one call gave under one book."""

    alerts: tuple[Alert, ...]
    marks: tuple[Mark, ...]
    not_judged: frozenset[str]
    notes: tuple[str, ...]

    def of(self, rules: frozenset[str]) -> Verdict:
        """What these rules gave."""
        return Verdict(
            tuple(alert for alert in self.alerts if alert.rule in rules),
            tuple(mark for mark in self.marks if mark.rule in rules),
            self.not_judged & rules,
            (),
        )

    def joined(self, other: Verdict) -> Verdict:
        """What these and other rules gave."""
        return Verdict(
            (*self.alerts, *other.alerts),
            (*self.marks, *other.marks),
            self.not_judged | other.not_judged,
            self.notes,
        )


class Batch(Struct):
    """What some calls gave. ``counts`` by rule; marks are in the order of the calls, those of before without those of
    rules that are judged once.
    """

    calls: int = 0
    deaf: int = 0
    counts: dict[str, Count] = {}
    changes: list[Change] = []
    before_marks: list[Mark] = []
    now_marks: list[Mark] = []
    problems: list[Problem] = []

    def add(self, other: Batch) -> None:
        """Add what other calls gave."""
        self.calls, self.deaf = self.calls + other.calls, self.deaf + other.deaf
        for rule, count in other.counts.items():
            mine = self.count(rule)
            for side, more in ((mine.before, count.before), (mine.now, count.now)):
                side.fired += more.fired
                side.not_judged += more.not_judged
                side.told += more.told
        self.changes += other.changes
        self.before_marks += other.before_marks
        self.now_marks += other.now_marks
        self.problems += other.problems

    def count(self, rule: str) -> Count:
        """The counts of that rule."""
        return self.counts.setdefault(rule, Count(Side(), Side()))


def judge(plan: Plan, files: Sequence[File], calls: Iterable[CallLines]) -> Batch:
    """Read and judge calls by both books."""
    batch = Batch()
    for call in calls:
        if lines := _read(files, call, batch.problems):
            _judge_call(plan, files, call, lines, batch)
    return batch


class Told(Struct):
    """What some calls told under one book: alert changes by call, in the order in which they came."""

    calls: int = 0
    changes: list[AlertChange] = []
    marks: list[Mark] = []
    problems: list[Problem] = []

    def add(self, other: Told) -> None:
        """Add what other calls told."""
        self.calls += other.calls
        self.changes += other.changes
        self.marks += other.marks
        self.problems += other.problems


def tell(book: Book, files: Sequence[File], calls: Iterable[CallLines]) -> Told:
    """Read and judge calls by one book."""
    told = Told()
    for call in calls:
        if lines := _read(files, call, told.problems):
            driver, changes = driven(book, lines, call.until)
            told.changes += changes
            told.marks += driver.marks
            told.problems += (Problem(note) for note in driver.notes)
            told.calls += 1
    return told


def _read(files: Sequence[File], call: CallLines, problems: list[Problem]) -> list[Line]:
    lines: list[Line] = []
    for item in read_lines(files, call):
        if isinstance(item, Problem):
            problems.append(item)
        elif not isinstance(item.event, LegTapped):
            lines.append(item)
    return lines


def _judge_call(plan: Plan, files: Sequence[File], call: CallLines, lines: Sequence[Line], batch: Batch) -> None:
    now, own = verdict(plan.now, lines, call.until), Verdict((), (), frozenset(), ())
    if plan.before.judges:
        own = verdict(plan.before, lines, call.until)
    before = own.joined(now.of(plan.shared))
    deaf = not any(isinstance(line.event, SpeechStarted | SpeechEnded | Transcript | Spotted) for line in lines)
    batch.calls, batch.deaf = batch.calls + 1, batch.deaf + deaf
    for side, given, ears in (("before", before, plan.ears_before), ("now", now, plan.ears_now)):
        for alert in given.alerts:
            getattr(batch.count(alert.rule), side).fired += 1
        for rule in given.not_judged | ears if deaf else given.not_judged:
            getattr(batch.count(rule), side).not_judged += 1
        for rule in {mark.rule for mark in given.marks if not mark.answers}:
            getattr(batch.count(rule), side).told += 1
    batch.before_marks += own.marks
    batch.now_marks += now.marks
    changes = compare(own.alerts, [alert for alert in now.alerts if alert.rule not in plan.shared])
    batch.changes += (replace(change, place=place(change.alert, files, lines)) for change in changes)
    batch.problems += (Problem(note) for note in now.notes)


def verdict(book: Book, lines: Sequence[Line], until: float) -> Verdict:
    """Judge one call alone, up to ``until`` where it has no end."""
    driver, changes = driven(book, lines, until)
    call = lines[0].event.call
    return Verdict(
        alerts=tuple(gather((call, change) for change in changes)),
        marks=tuple(driver.marks),
        not_judged=frozenset(each.rule for each in driver.not_judged),
        notes=tuple(driver.notes),
    )


def driven(book: Book, lines: Sequence[Line], until: float) -> tuple[Driver, list[AlertChange]]:
    """Judge one call alone as ``verdict`` does: the changes as they came, and who tells the rest."""
    driver = Driver(book)
    changes = [change for line in lines for change in driver.feed(line.event)]
    return driver, changes + driver.finish_calls(until)


def judge_subjects(book: Book, marks: Iterable[Mark], until: float) -> list[Alert]:
    """The alerts of rules across calls: each subject's marks in order of time."""
    return gather(subject_changes(book, marks, until))


def subject_changes(book: Book, marks: Iterable[Mark], until: float) -> Iterable[tuple[str, AlertChange]]:
    """The same as they come, each with its subject."""
    subjects: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        subjects[mark.call].append(mark)
    return chain.from_iterable(_subject(book, each, until) for each in subjects.values())


def _subject(book: Book, marks: list[Mark], until: float) -> Iterable[tuple[str, AlertChange]]:
    driver = Driver(book)
    driver.marks = marks
    return ((marks[0].call, change) for change in driver.subjects(until))


def needs_ears(rule: Rule) -> bool:
    """Whether the rule cannot be judged in a call to which nobody listened. Rules across calls are counted apart."""
    if rule.crosses_calls:
        return False
    hears = str(rule.__struct_config__.tag) in _HEARING or getattr(rule, "phase", None) == "silence"
    return hears or any(rule.phrase_names()) or any(c is not None and _asks(c) for c in (rule.when, rule.unless))


def _asks(condition: Condition) -> bool:
    """Whether a condition asks for words or silence, at any depth."""
    inner = (*condition.all, *condition.any, *((condition.no,) if condition.no else ()))
    own = condition.silent or condition.said or condition.utterance or condition.done
    return bool(own) or any(map(_asks, inner))


def place(alert: Alert, files: Sequence[File], lines: Sequence[Line]) -> Place:
    """Where the alert stands in its call's trace: at the words that prove it, else at the last event before it."""
    heard = [line for line in lines if any(_holds(line, words) for words in alert.evidence[-1:])]
    passed = [line for line in lines if line.event.at <= alert.at + 1e-6]
    line = (heard or passed or list(lines[:1]))[-1]
    return Place(files[line.file].name, line.line, alert.at - min(each.event.at for each in lines))


def _holds(line: Line, words: Evidence) -> bool:
    event = line.event
    if not isinstance(event, Transcript | Spotted):
        return False
    return event.role == words.role and event.start <= words.start <= event.end
