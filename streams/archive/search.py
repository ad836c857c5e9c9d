"""Calls are found: by what was said, by how it sounded, by what fired, by figures.

Owns the way in which a question (``question``) is answered. Exact: a term is found wherever its normal form stands in
the normal form of one sentence, and nowhere else; by sound the same of folded syllables (``grams``). Newest calls
first; of those that began in the same instant, the one heard of later. Everything blocks and raises StoreError; what
cannot be asked raises BadQueryError, whose text says why.

Three plans lead to the same answer. A rare word: the index names all of its calls, and the filters are asked about
these. A frequent one, or none: calls are gone through from the newest on as the filters leave them, in portions that
grow, and the index tells which of a portion have the word; that ends as soon as a page is full. Where the store takes
long to name a portion (filters that leave hardly anything), it goes through all calls, slice by slice.

Whoever gives it little time gets what was found until then, and from where on to ask again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, false, func, or_, select

from streams.alerts import SEVERITIES
from streams.archive import grams as by
from streams.archive import past, word_index
from streams.archive.facts import Line
from streams.archive.limits import OverError, limited
from streams.archive.question import (
    PAGE,
    Agent,
    BadQueryError,
    Fired,
    Found,
    Hit,
    Place,
    Query,
    Said,
    Scope,
    Sentence,
    checked,
    place,
    terms,
)
from streams.archive.schema import alerts, calls, parts, words
from streams.archive.store import Store, chunks
from streams.archive.word_index import index, scrub, unindex

__all__ = [
    "PAGE",
    "Agent",
    "BadQueryError",
    "Fired",
    "Found",
    "Hit",
    "Plan",
    "Query",
    "Said",
    "Scope",
    "Sentence",
    "find",
    "find_in",
    "index",
    "scrub",
    "unindex",
]

Plan = Literal["index", "walk", "slices"]

#: A word that more calls have is frequent.
FREQUENT = 2000
#: Calls are gone through in portions of this many, each four times the one before, up to the most.
_FIRST, _GROWTH, _MOST = 200, 4, 20_000
#: So many of the newest calls are asked for their own alerts, before all of a rule are looked for.
_NEWEST = 2000
#: Calls lie close together where, on average, one of so many numbers is theirs.
_CLOSE = 16
#: What may lead nowhere (naming a word's calls, or those that filters leave) gets this part of the time that is left.
_SHARE = 0.25
#: Telling what was found takes no longer, seconds.
_TOLD_S = 1.0

_now = time.monotonic


def find(store: Store, query: Query, plan: Plan | None = None, within_s: float | None = None) -> Found:
    """The newest calls that are as asked for; ``plan``: the way there, which is chosen otherwise.

    ``within_s``: what is found so far is answered then (``Found.cut``), and telling it takes a second at most; None:
    it takes as long as it takes. Raises BadQueryError where that makes no sense, StoreError where the store cannot say.
    """
    with store.reading() as connection:
        return find_in(store, connection, query, plan, within_s)


def find_in(
    store: Store, connection: Connection, query: Query, plan: Plan | None = None, within_s: float | None = None
) -> Found:
    """The same in a transaction of the caller's."""
    asked = terms(query)
    checked(query)
    until = None if within_s is None else _now() + within_s
    return _Search(store, connection, query, asked, until).found(plan)


class _Portion(NamedTuple):
    """Calls, newest first, of all down to the place ``upto``, and that one; None: to the oldest."""

    places: Sequence[Place]
    upto: Place | None


class _Search:
    """One question within one transaction, until that time of the steady clock."""

    def __init__(
        self, store: Store, connection: Connection, query: Query, asked: tuple[by.Term, ...], until: float | None
    ) -> None:
        self._store, self._connection, self._until = store, connection, until
        self._query, self._terms = query, asked
        self._from = place(query.after) if query.after else None

    def found(self, plan: Plan | None) -> Found:
        wanted, hits = self._query.limit + 1, dict[Place, Hit]()
        reached = self._from
        try:
            for portion in self._portions(plan):
                for part in chunks(portion.places, 2 * wanted):
                    for where, hit in self._matching(part):
                        if hit:
                            hits[where] = hit
                        if len(hits) >= wanted:
                            return self._page(hits)
                        reached = where
                reached = portion.upto or reached
        except OverError:
            return self._cut(hits, reached)
        return self._page(hits)

    def _page(self, hits: dict[Place, Hit]) -> Found:
        page = list(hits)[: self._query.limit]
        more = len(hits) > len(page)
        return Found(self._told({where: hits[where] for where in page}), more, str(page[-1]) if more else "")

    def _cut(self, hits: dict[Place, Hit], reached: Place | None) -> Found:
        """What there is; where not one call could be looked at, asking the same again leads nowhere."""
        told = self._told(hits)
        if reached is None or reached == self._from:
            return Found(told, cut=True)
        return Found(told, more=True, next=str(reached), cut=True, reached=reached.began_at)

    # ------------------------------------------------------------------------------------------ the time

    def _rows(self, asked: Select[Any], share: float = 1.0) -> Sequence[Row[Any]]:
        """What the store has, within that part of the time that is left. Raises OverError."""
        left_s = None if self._until is None else (self._until - _now()) * share
        with limited(self._store, self._connection, left_s):
            return self._connection.execute(asked).all()

    def _look_at_the_clock(self) -> None:
        if self._until is not None and _now() >= self._until:
            raise OverError("the question takes longer than it may")

    # ------------------------------------------------------------------------------------------ which calls

    def _portions(self, plan: Plan | None) -> Iterator[_Portion]:
        """The calls that may be it, newest first."""
        if not self._terms or plan in ("walk", "slices"):
            return self._walk(sliced=plan == "slices")
        named = self._rare() if plan is None else self._nos(word_index.naming(self._store, self._terms))
        return self._walk() if named is None else iter([_Portion(self._left(named), None)])

    def _rare(self) -> Sequence[int] | None:
        """The numbers that the index has; None: they are many, or it takes long to say."""
        try:
            named = self._nos(word_index.naming(self._store, self._terms).limit(FREQUENT + 1), _SHARE)
        except OverError:
            return None
        return named if len(named) <= FREQUENT else None

    def _left(self, nos: Sequence[int]) -> list[Place]:
        """Those of the calls that the filters leave."""
        found: list[Place] = []
        for part in chunks(nos):
            theirs = [calls.c.no.in_(part), *_of_calls(self._query), *_of_each(self._query), *_before(self._from)]
            found += self._places(select(calls.c.began_at, calls.c.no).where(*theirs))
        return sorted(found, reverse=True)

    def _walk(self, *, sliced: bool = False) -> Iterator[_Portion]:
        """Through all that the filters leave.

        The newest few thousand calls are asked for their own alerts first: a frequent rule has a page among them, and
        all calls of such a rule are many to sort.
        """
        last, size = self._from, _FIRST
        portion = self._slice(last, _NEWEST) if _fired(self._query) and not sliced else None
        while True:
            if portion is None and not sliced:
                portion = self._portion(last, size)
            if portion is None:
                sliced, portion = True, self._slice(last, size)
            yield _Portion(self._having(portion.places) if self._terms else portion.places, portion.upto)
            if portion.upto is None:
                return
            last, size, portion = portion.upto, min(_MOST, size * _GROWTH), None

    def _portion(self, last: Place | None, size: int) -> _Portion | None:
        """The next calls that the filters leave; None: it takes long to say which."""
        left = [*_of_calls(self._query), *_of_all(self._query), *_before(last)]
        try:
            found = self._places(
                select(calls.c.began_at, calls.c.no).where(*left).order_by(*_ORDER).limit(size), _SHARE
            )
        except OverError:
            return None
        return _Portion(found, found[-1] if len(found) == size else None)

    def _slice(self, last: Place | None, size: int) -> _Portion:
        """Of the next calls, whatever they are, those that the filters leave."""
        around = [*_of_times(self._query), *_before(last)]
        oldest = select(calls.c.began_at, calls.c.no).where(*around).order_by(*_ORDER).offset(size - 1).limit(1)
        upto = next(iter(self._places(oldest)), None)
        own = [*_of_calls(self._query), *_of_each(self._query), *_before(last), *_from(upto)]
        return _Portion(self._places(select(calls.c.began_at, calls.c.no).where(*own).order_by(*_ORDER)), upto)

    def _having(self, portion: Sequence[Place]) -> list[Place]:
        """Those of the calls that the index names; where they lie far apart, each is asked about by itself."""
        if not portion:
            return []
        nos = sorted(each.no for each in portion)
        lie_close = nos[-1] - nos[0] < _CLOSE * len(nos)
        within = nos[0], nos[-1]
        named = set(
            self._nos(word_index.naming(self._store, self._terms, within)) if lie_close else self._each(nos),
        )
        return [each for each in portion if each.no in named]

    def _each(self, nos: Sequence[int]) -> Iterator[int]:
        """Those of the calls whose grams are those of all terms."""
        for part in chunks(nos):
            for row in self._rows(word_index.few(self._store, self._terms, part)):
                self._look_at_the_clock()
                if word_index.has(self._store, self._terms, row):
                    yield row.call_no

    def _nos(self, asked: Select[tuple[int]], share: float = 1.0) -> list[int]:
        return [no for (no,) in self._rows(asked, share)]

    def _places(self, asked: Select[Any], share: float = 1.0) -> list[Place]:
        return [Place(row.began_at, row.no) for row in self._rows(asked, share)]

    # ------------------------------------------------------------------------------------------ what they are

    def _matching(self, places: Sequence[Place]) -> Iterator[tuple[Place, Hit | None]]:
        """In their order, with the terms where they do stand in it, or None."""
        asked = select(calls, words.c.lines).outerjoin(words).where(calls.c.no.in_([each.no for each in places]))
        rows = {row.no: row for row in self._rows(asked)}
        for each in places:
            self._look_at_the_clock()
            row = rows[each.no]
            sentences = self._sentences(row.began_at, past.lines_in(row.lines) if row.lines and self._terms else ())
            yield each, None if sentences is None else _hit(row, sentences)

    def _sentences(self, began_at: float, lines: Sequence[Line]) -> tuple[Sentence, ...] | None:
        """Where the terms stand; None: one of them does not."""
        marked: dict[int, list[tuple[int, int]]] = {}
        for term in self._terms:
            its = [
                (n, span)
                for n, line in enumerate(lines)
                if term.role in (None, line.role)
                for span in by.spans(term, line.text)
            ]
            if not its:
                return None
            for n, span in its:
                marked.setdefault(n, []).append(span)
        told = ((lines[n], _joined(marked[n])) for n in sorted(marked))
        return tuple(
            Sentence(line.role, round(line.start - began_at, 3), line.text, spans, line.by_sound)
            for line, spans in told
        )

    def _told(self, hits: Mapping[Place, Hit]) -> tuple[Hit, ...]:
        """With who took part and what fired. Raises OverError."""
        if not hits:
            return ()
        with limited(self._store, self._connection, None if self._until is None else _TOLD_S):
            return self._whole(hits)

    def _whole(self, hits: Mapping[Place, Hit]) -> tuple[Hit, ...]:
        agents: dict[int, list[Agent]] = {}
        asked = select(parts).where(parts.c.call_no.in_([each.no for each in hits])).order_by(parts.c.agent)
        for row in self._connection.execute(asked):
            agents.setdefault(row.call_no, []).append(Agent(row.agent, row.name, row.spoke))
        fired: dict[str, list[Fired]] = {}
        of = alerts.c.call.in_([hit.call for hit in hits.values()])
        for row in self._connection.execute(select(alerts).where(of).order_by(alerts.c.opened_at, alerts.c.id)):
            fired.setdefault(row.call, []).append(_copied(Fired, row))
        return tuple(
            replace(hit, agents=tuple(agents.get(each.no, ())), alerts=tuple(fired.get(hit.call, ())))
            for each, hit in hits.items()
        )


_ORDER = calls.c.began_at.desc(), calls.c.no.desc()


def _before(last: Place | None) -> list[ColumnElement[bool]]:
    if last is None:
        return []
    older = or_(calls.c.began_at < last.began_at, calls.c.no < last.no)
    return [calls.c.began_at <= last.began_at, older]


def _from(oldest: Place | None) -> list[ColumnElement[bool]]:
    if oldest is None:
        return []
    newer = or_(calls.c.began_at > oldest.began_at, calls.c.no >= oldest.no)
    return [calls.c.began_at >= oldest.began_at, newer]


def _of_times(query: Query) -> list[ColumnElement[bool]]:
    """What is asked of when they began."""
    bounds = ((query.since, calls.c.began_at.__ge__), (query.until, calls.c.began_at.__lt__))
    return [holds(value) for value, holds in bounds if value is not None]


def _of_calls(query: Query) -> list[ColumnElement[bool]]:
    """What is asked of the rows of ``calls`` themselves."""
    equal = {
        calls.c.id: query.call,
        calls.c.day: query.day,
        calls.c.queue: query.queue,
        calls.c.direction: query.direction,
        calls.c.state: query.state,
        calls.c.abandoned: query.abandoned,
    }
    found = [column == value for column, value in equal.items() if value is not None]
    if query.state is None:
        found.append(calls.c.state != "up")
    bounds = (
        (query.longer_s, calls.c.duration_s.__ge__),
        (query.shorter_s, calls.c.duration_s.__le__),
    )
    found += [*_of_times(query), *(holds(value) for value, holds in bounds if value is not None)]
    return [*found, _in_scope(query.scope)] if query.scope is not None else found


def _in_scope(scope: Scope) -> ColumnElement[bool]:
    """Most calls are in it, or many: so each call is asked, in whatever plan."""
    came = [parts.c.call_no == calls.c.no, parts.c.spoke]
    theirs = exists().where(*came, parts.c.agent.in_(scope.agents))
    return or_(theirs, and_(calls.c.queue.in_(scope.queues), ~exists().where(*came)))


def _of_all(query: Query) -> list[ColumnElement[bool]]:
    """What is asked of agents and alerts, where no call is known yet: theirs lead to the calls."""
    found: list[ColumnElement[bool]] = []
    if took_part := _took_part(query):
        found.append(calls.c.no.in_(select(parts.c.call_no).where(*took_part)))
    if fired := _fired(query):
        found.append(calls.c.id.in_(select(alerts.c.call).where(*fired)))
    return found


def _of_each(query: Query) -> list[ColumnElement[bool]]:
    """The same where a few calls are known already: each is asked for its own."""
    found: list[ColumnElement[bool]] = []
    if took_part := _took_part(query):
        found.append(exists().where(parts.c.call_no == calls.c.no, *took_part))
    unindexed = func.coalesce(alerts.c.rule, "")  # SQLite would go through all alerts of the rule, for each call anew
    if fired := _fired(query, unindexed):
        found.append(exists().where(alerts.c.call == calls.c.id, *fired))
    return found


def _took_part(query: Query) -> list[ColumnElement[bool]]:
    """Of the rows of ``parts``."""
    return [or_(parts.c.agent == query.agent, parts.c.name == query.agent)] if query.agent is not None else []


def _fired(query: Query, rule: ColumnElement[str] = alerts.c.rule) -> list[ColumnElement[bool]]:
    """Of the rows of ``alerts``."""
    equal = {rule: query.rule, alerts.c.finding: query.finding, alerts.c.appeal: query.appeal}
    found = [column == value for column, value in equal.items() if value is not None]
    if query.severity is not None:
        found.append(alerts.c.severity.in_(SEVERITIES[SEVERITIES.index(query.severity) :]))
    if found and query.scope is not None:
        nobodys = and_(alerts.c.agent == "", alerts.c.queue.in_(query.scope.queues))
        found.append(or_(alerts.c.agent.in_(query.scope.agents), nobodys))
    if found and not query.trial:
        found.append(alerts.c.trial == false())
    return found


def _joined(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """None over another, in order."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return tuple(found)


def _hit(row: Row[Any], sentences: tuple[Sentence, ...]) -> Hit:
    made = {name: getattr(row, name) for name in _HIT}
    return Hit(call=row.id, sentences=sentences, **made)


def _copied(kind: type[Fired], row: Row[Any]) -> Fired:
    return kind(**{name: getattr(row, name) for name in kind.__struct_fields__})


_HIT = [name for name in Hit.__struct_fields__ if name in calls.c]
