"""Why a rule fired in a recorded call, or did not.

Owns replaying one call at a time and keeping what was known when each verdict fell. What a verdict rests on, each kind
says itself (``Rule.account``). Prints nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import AlertChange
from streams.call import Call
from streams.core import KEEP_ENDED_S, Book, CallState, NotJudged, Step, step
from streams.detectors.base import Facts, Rule
from streams.detectors.conditions import Explained
from streams.events import AnyEvent, LegTapped, Mark, Tick, is_subject
from streams.rulebook.book import Rulebook


class Verdict(Struct, frozen=True):
    """A change of an alert, or that nothing could be judged, and what it rests on; ``known_at``: when it was told."""

    told: AlertChange | NotJudged
    known_at: float
    account: tuple[Explained, ...]

    @property
    def about(self) -> tuple[Explained, ...]:
        """What of the account is about that very moment; all of it, where nothing names the moment."""
        exactly = tuple(each for each in self.account if each.at is not None and abs(each.at - self.told.at) < 1e-3)
        return exactly or self.account


class Explanation(Struct, frozen=True):
    """One rule in one call (or in the record of a subject): its verdicts, and how it stands at the end."""

    rule: Rule
    facts: Facts
    verdicts: tuple[Verdict, ...]
    account: tuple[Explained, ...]

    @property
    def call(self) -> Call:
        """The call, as it was last known."""
        return self.facts.call


class _Only:
    """A rulebook of which one rule judges, and all words are heard: what another rule found changes no verdict."""

    def __init__(self, book: Rulebook, rule: str) -> None:
        self.version, self.site, self.find = book.version, book.site, book.find
        self._book, self._rule = book, rule
        self.judges: Sequence[Rule] = [judge] if (judge := book.judge(rule)) else []

    def listeners(self, tag: str) -> Sequence[Rule]:
        return [rule for rule in self._book.listeners(tag) if rule.id == self._rule]

    def judge(self, rule: str) -> Rule | None:
        return self._book.judge(rule) if rule == self._rule else None


class Record:
    """A record, judged call by call by ``book``."""

    def __init__(self, book: Rulebook, events: Iterable[AnyEvent], only: str = "") -> None:
        """Reads and judges all of ``events``; ``only`` by that rule, which takes a fraction of the time."""
        self._book = book
        self._judges: Book = _Only(book, only) if only else book
        self._titles = {name: phrases.title for name, phrases in book.phrases.items() if phrases.title}
        longest_first = sorted(self._titles, key=len, reverse=True)
        self._names = re.compile(f"(?<![\\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\\w-])")
        self._end = 0.0
        self._calls: dict[str, list[AnyEvent]] = {}
        for event in events:
            if isinstance(event, LegTapped):
                continue
            self._end = max(self._end, event.at)
            self._calls.setdefault(event.call, []).append(event)
        self.changes: dict[str, AlertChange] = {}
        self._heard_of: dict[str, str] = {}
        marks = [mark for call in list(self._calls) for mark in self._judge(call)]
        for mark in sorted(marks, key=lambda mark: mark.at):
            self._calls.setdefault(mark.call, []).append(mark)
        for subject in filter(is_subject, list(self._calls)):
            self._judge(subject)

    @property
    def calls(self) -> tuple[str, ...]:
        """The ids of all calls."""
        return tuple(call for call in self._calls if not is_subject(call))

    def alert(self, alert_id: str) -> Explanation | None:
        """Why that alert came; None: there is none of that id."""
        change = self.changes.get(alert_id)
        if change is None:
            return None
        return self.rule(change.rule, self._heard_of[alert_id], only=alert_id)

    def rule(self, rule_id: str, call: str, only: str = "") -> Explanation | None:
        """Why that rule fired or did not in that call (``only``: this alert of it); None: no such rule or call."""
        rule = self._book.rule(rule_id)
        if rule is None or call not in self._calls:
            return None
        verdicts: list[Verdict] = []
        facts, state = None, None
        for now, taken in self._steps(call):
            state = taken.state or state
            if state is None:
                continue
            facts = Facts(state.fold.call, state.talk, now, self._book.site)
            news: tuple[AlertChange | NotJudged, ...] = (*taken.changes, *taken.not_judged)
            for told in news:
                if told.rule == rule_id and (not only or getattr(told, "id", "") == only):
                    verdicts.append(Verdict(told, now, self._account(rule, facts, state)))
        if facts is None or state is None:
            return None
        now = facts.now if facts.call.ended_at is None else max(facts.now, facts.call.ended_at + KEEP_ENDED_S)
        facts = facts._replace(now=now)
        return Explanation(rule, facts, tuple(verdicts), self._account(rule, facts, state))

    def subjects(self, rule_id: str, call: str) -> list[str]:
        """The records of subjects to which that call contributed under that rule."""
        told = [(key, e) for key, events in self._calls.items() if is_subject(key) for e in events]
        found = [key for key, e in told if isinstance(e, Mark) and e.source == call and e.rule == rule_id]
        return list(dict.fromkeys(found))

    def _account(self, rule: Rule, facts: Facts, state: CallState) -> tuple[Explained, ...]:
        return tuple(self._titled(found) for found in rule.account(facts, rule.remembered(state.memory)))

    def _titled(self, found: Explained) -> Explained:
        """With the titles of phrase sets in place of their names, which only those who write rules know."""

        def put(text: str) -> str:
            return self._names.sub(lambda name: f"〔{self._titles[name.group()]}〕", text) if self._titles else text

        parts = tuple(map(self._titled, found.parts))
        return replace(found, asks=put(found.asks), because=put(found.because), parts=parts)

    def _judge(self, call: str) -> list[Mark]:
        marks: list[Mark] = []
        for _, taken in self._steps(call):
            for change in taken.changes:
                self.changes.setdefault(change.id, change)
                self._heard_of[change.id] = call
            marks += taken.marks
        return marks

    def _steps(self, call: str) -> Iterator[tuple[float, Step]]:
        """Every step of one call with its time; wakes exactly when they are due, up to the end of the record."""
        state: CallState | None = None
        for event in self._calls[call]:
            for now, taken in self._wakes(state, event.at):
                state = taken.state
                yield now, taken
            taken = step(self._judges, state, event)
            state = taken.state
            yield event.at, taken
        ended = state is not None and state.fold.call.phase == "ended"
        until = max(self._end, state.heard_at + KEEP_ENDED_S) if ended and state is not None else self._end
        yield from self._wakes(state, until)

    def _wakes(self, state: CallState | None, until: float) -> Iterator[tuple[float, Step]]:
        while state is not None and state.wake and state.wake <= until:
            now = state.wake
            taken = step(self._judges, state, Tick(call=state.fold.call.id, at=now))
            state = taken.state
            yield now, taken
