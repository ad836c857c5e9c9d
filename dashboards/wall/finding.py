"""Calls that are looked for: what a browser asks as a question to the archive, and what it found as a browser draws it.

Owns that a scope is part of the question, so that nothing outside it is ever read. Pure.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from dashboards.wall.access import Scope
from dashboards.wall.pages import CallLine
from dashboards.wall.protocol import Find
from dashboards.wall.views import Person
from streams.alerts import SEVERITIES, Severity
from streams.archive import search
from streams.archive.search import BadQueryError, Query, Said
from streams.events import Role
from streams.phrases.normal import masked
from streams.verdicts import Finding

#: Calls on one page; who wants more asks for the next.
PAGE = 30
#: Words that are looked for at once, and sentences of one call that are shown.
MOST_WORDS, MOST_LINES = 6, 3
_DATE = re.compile(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]")
#: What ``search.Found.next`` looks like; numbers that no store holds are none of ours.
_CURSOR = re.compile(r"\d{1,12}(\.\d{1,20})?:\d{1,18}")


class FoundLine(Struct, frozen=True, omit_defaults=True):
    """A sentence in which the words stand. ``marks``: from where to where, in UTF-16 units, as JavaScript counts."""

    role: Role
    at: float
    text: str
    marks: tuple[tuple[int, int], ...] = ()
    by_sound: bool = False


class FoundAlert(Struct, frozen=True, omit_defaults=True):
    """One alert of the call."""

    id: str
    severity: Severity
    title: str
    en: str = ""
    finding: Finding = "open"
    appealed: bool = False
    trial: bool = False


class FoundCall(Struct, frozen=True, omit_defaults=True):
    """One call. ``further``: so many more sentences have the words."""

    line: CallLine
    duration_s: float
    lines: tuple[FoundLine, ...] = ()
    further: int = 0
    alerts: tuple[FoundAlert, ...] = ()


class Found(Struct, frozen=True, omit_defaults=True):
    """The newest calls first. ``after``: how the next page is asked for, "" where there is none.

    ``cut``: its time was over before all was looked at; ``reached``: what began later than that, Unix seconds, was.
    """

    calls: tuple[FoundCall, ...] = ()
    after: str = ""
    cut: bool = False
    reached: float | None = None


def query_of(find: Find, scope: Scope, zone: ZoneInfo, *, show_trial: bool) -> Query:
    """The question, within the scope. Raises BadQueryError."""
    if any("\0" in text for text in (find.text, find.queue, find.agent, find.rule)):
        raise BadQueryError("no name and no sentence has a NUL")
    if find.after and not _CURSOR.fullmatch(find.after):
        raise BadQueryError("that leads to no page")
    said = tuple(Said(word, find.role or None) for word in find.text.split())
    if len(said) > MOST_WORDS:
        raise BadQueryError(f"{len(said)} words; {MOST_WORDS} at most")
    since, until = _midnight(find.since, zone), _midnight(find.until, zone, after=1)
    limits = search.Scope(tuple(sorted(scope.agents)), tuple(sorted(scope.queues)))
    return Query(
        said=() if find.by_sound else said,
        sounds=said if find.by_sound else (),
        since=since,
        until=until,
        queue=find.queue or None,
        agent=find.agent or None,
        rule=find.rule or None,
        severity=find.severity or None,
        finding=None if find.verdict == "appealed" else find.verdict or None,
        appeal="open" if find.verdict == "appealed" else None,
        longer_s=find.shortest_s,
        shorter_s=find.longest_s,
        limit=PAGE,
        after=find.after,
        scope=None if scope.is_all else limits,
        trial=show_trial,
    )


def found_of(found: search.Found, scope: Scope, *, show_trial: bool) -> Found:
    """What the browser is told; of alerts only those in the scope."""
    told = tuple(_call(hit, scope, show_trial) for hit in found.hits)
    return Found(told, found.next if found.more else "", found.cut, found.reached)


def in_words(find: Find) -> str:
    """What was asked, for the audit: numbers masked, wherever somebody wrote one, as whoever reads the audit is not to
    learn them either.
    """
    asked = {name: _in_words(value) for name, value in msgspec.structs.asdict(find).items() if value}
    for name in ("ask", "after"):
        asked.pop(name, None)
    return msgspec.json.encode(asked).decode()


def _in_words(value: Any) -> Any:
    """A date looks like a number, too, and is to be read."""
    return masked(value) if isinstance(value, str) and not _DATE.fullmatch(value) else value


def _midnight(day: str, zone: ZoneInfo, after: int = 0) -> float | None:
    """When that day begins, Unix seconds, or so many days ``after`` it; None: no day is given."""
    if not day:
        return None
    try:
        wanted = date.fromisoformat(day) + timedelta(days=after)
        return datetime(wanted.year, wanted.month, wanted.day, tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        raise BadQueryError("no day is written so: 2026-11-22") from None


def _call(hit: search.Hit, scope: Scope, show_trial: bool) -> FoundCall:
    fired = [
        FoundAlert(
            each.id, each.severity, each.title, each.title_en, each.finding, each.appeal == "open", trial=each.trial
        )
        for each in hit.alerts
        if scope.covers_alert(each.agent or None, each.queue) and (show_trial or not each.trial)
    ]
    spoke = sorted((each for each in hit.agents if each.spoke), key=lambda each: each.agent == hit.agent)
    return FoundCall(
        line=CallLine(
            id=hit.call,
            began_at=hit.began_at,
            phase="ended",
            direction=hit.direction,
            queue=hit.queue,
            caller=hit.caller,
            ended_at=hit.began_at + hit.duration_s if hit.ended_at is None else hit.ended_at,
            ended_by=hit.ended_by,
            agents=tuple(Person(each.agent, each.name) for each in spoke),
            ring_s=hit.ring_s,
            talk_s=hit.talk_s,
            held_s=hit.held_s,
            alerts=len(fired),
            worst=max((each.severity for each in fired), key=SEVERITIES.index, default=None),
        ),
        duration_s=hit.duration_s,
        lines=tuple(_line(each, hit.began_at) for each in hit.sentences[:MOST_LINES]),
        further=max(0, len(hit.sentences) - MOST_LINES),
        alerts=tuple(fired),
    )


def _line(said: search.Sentence, began_at: float) -> FoundLine:
    marks = tuple((_in_utf16(said.text, start), _in_utf16(said.text, end)) for start, end in said.spans)
    return FoundLine(said.role, began_at + said.at_s, said.text, marks, said.by_sound)


def _in_utf16(text: str, index: int) -> int:
    return index + sum(char > "\uffff" for char in text[:index])
