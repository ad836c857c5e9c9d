"""Calls are found: by what was said, by how it sounded, by what fired, by figures.

Owns the index of words (tables ``grams`` and, in SQLite, ``grams_fts``) and the way in which a question is answered.
Exact: a term is found wherever its normal form stands in the normal form of one sentence, and nowhere else; by sound
the same of folded syllables (``grams``). Newest calls first; of those that began in the same instant, the one heard of
later. Everything blocks and raises StoreError; what cannot be asked raises BadQueryError, whose text says why.

Two plans lead to the same answer. A rare word: the index names all of its calls, and the filters are asked about
these. A frequent one, or none: calls are gone through from the newest on as the filters leave them, in portions that
grow, and the index tells which of a portion have the word; that ends as soon as a page is full.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    and_,
    delete,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY

from streams.alerts import SEVERITIES, Severity
from streams.archive import grams as by
from streams.archive import past
from streams.archive.facts import Line, State
from streams.archive.grams import ROLES, Term
from streams.archive.schema import alerts, calls, grams, grams_fts, parts, words
from streams.archive.store import Store, chunks
from streams.events import Direction, Party, Role
from streams.verdicts import Appeal, Finding

Plan = Literal["index", "walk"]

#: A word that more calls have is frequent.
FREQUENT = 2000
#: Calls are gone through in portions of this many, each four times the one before, up to the most.
_FIRST, _GROWTH, _MOST = 200, 4, 20_000
#: Calls lie close together where, on average, one of so many numbers is theirs.
_CLOSE = 16
#: The longest page, and the longest term, characters.
PAGE, LONGEST = 1000, 100
#: Pages of SQLite's index that are merged in one transaction, so that nobody waits for long.
_MERGED = 500


class BadQueryError(ValueError):
    """That cannot be asked; the text says why and the mend."""


class Said(Struct, frozen=True, omit_defaults=True):
    """Words that someone said in one sentence; ``role`` None: whoever."""

    text: str
    role: Role | None = None


class Scope(Struct, frozen=True, omit_defaults=True):
    """What part of the floor whoever asks may see: calls of which one of these ``agents`` was on the line, or to which
    nobody came and which waited in one of ``queues``; alerts about one of the agents, or about nobody in such a queue.
    """

    agents: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


class Query(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is looked for; all of it must be so, and what is None may be anything.

    ``said``, ``sounds`` (words that sound like these): each somewhere in the call. ``since`` to before ``until``, Unix
    seconds: when it began; ``day``: that date of the site. ``agent``: number or name of one who took part, or whose
    phone rang. ``rule``, ``severity`` (that or graver), ``finding``, ``appeal``: of one and the same alert.
    ``state`` None: all but those that go on. ``after``: ``Found.next`` of the page before. ``scope``: nothing else is
    found, and no alert outside it makes a call one that is looked for; ``trial``: nor one of a rule on trial, if False.
    """

    said: tuple[Said, ...] = ()
    sounds: tuple[Said, ...] = ()
    since: float | None = None
    until: float | None = None
    day: str | None = None
    queue: str | None = None
    agent: str | None = None
    rule: str | None = None
    severity: Severity | None = None
    finding: Finding | None = None
    appeal: Appeal | None = None
    longer_s: float | None = None
    shorter_s: float | None = None
    direction: Direction | None = None
    state: State | None = None
    abandoned: bool | None = None
    call: str | None = None
    limit: int = 20
    after: str = ""
    scope: Scope | None = None
    trial: bool = True


class Sentence(Struct, frozen=True, omit_defaults=True):
    """A sentence in which something was found. ``at_s``: seconds after the call began; ``spans``: what to mark of
    ``text``, first index and the one after the last, none over another.
    """

    role: Role
    at_s: float
    text: str
    spans: tuple[tuple[int, int], ...]
    by_sound: bool = False


class Agent(Struct, frozen=True, omit_defaults=True):
    """One who took part; ``spoke`` False: the phone only rang."""

    agent: str
    name: str = ""
    spoke: bool = False


class Fired(Struct, frozen=True, omit_defaults=True):
    """One alert of the call, and how it stands. ``agent``: whom it is about; "": nobody."""

    id: str
    rule: str
    severity: Severity
    opened_at: float
    title: str
    title_en: str = ""
    agent: str = ""
    queue: str = ""
    finding: Finding = "open"
    appeal: Appeal = "none"
    trial: bool = False


class Hit(Struct, frozen=True, omit_defaults=True):
    """One call: its figures (``schema.calls``), who took part, what fired, and the sentences that were looked for."""

    call: str
    state: State
    day: str
    began_at: float
    direction: Direction
    queue: str
    caller: str
    agent: str
    duration_s: float
    wait_s: float
    ring_s: float
    talk_s: float
    held_s: float
    transfer_s: float
    transfers: int
    abandoned: bool
    in_time: bool | None = None
    ended_at: float | None = None
    ended_by: Party | None = None
    agents: tuple[Agent, ...] = ()
    alerts: tuple[Fired, ...] = ()
    sentences: tuple[Sentence, ...] = ()

    @property
    def agent_name(self) -> str:
        """Of the agent who spoke last, where the PBX said it."""
        return next((each.name for each in self.agents if each.agent == self.agent), "")


class Found(Struct, frozen=True):
    """One page. ``more``: there is another one, and ``next`` leads there (``Query.after``)."""

    hits: tuple[Hit, ...]
    more: bool = False
    next: str = ""


# ------------------------------------------------------------------------------------------------ the index


def index(store: Store, connection: Connection, said: Mapping[int, Sequence[Line]]) -> None:
    """Put what was said in these calls, by their numbers, into the index, in place of what is there of them."""
    unindex(store, connection, list(said))
    made = {no: by.of(lines) for no, lines in said.items() if lines}
    if not made:
        return
    if not store.is_sqlite:
        connection.execute(insert(grams), [{"call_no": no, "grams": own} for no, own in made.items()])
        return
    packed = {no: by.packed(own) for no, own in made.items()}
    connection.execute(insert(grams), [{"call_no": no, "grams": own} for no, own in packed.items()])
    connection.execute(insert(grams_fts), [{"rowid": no, "grams": _words(own)} for no, own in packed.items()])


def unindex(store: Store, connection: Connection, nos: Sequence[int]) -> None:
    """Take calls out, before they are deleted themselves; those that are not in it change nothing."""
    for part in chunks(nos):
        theirs = grams.c.call_no.in_(part)
        if store.is_sqlite:
            gone = [
                {"grams_fts": "delete", "rowid": no, "grams": _words(own)}
                for no, own in connection.execute(select(grams.c.call_no, grams.c.grams).where(theirs))
            ]
            if gone:
                connection.execute(insert(grams_fts), gone)
        connection.execute(delete(grams).where(theirs))


def scrub(store: Store) -> None:
    """After calls were taken out: leave nothing of them in the index's pages. Raises DownError.

    SQLite: the index only notes what was taken out of it until it is merged; that is done here in short transactions,
    and the file's write-ahead log is emptied (unless somebody reads just now; then the next time). PostgreSQL: VACUUM.
    """
    if store.is_sqlite:
        _merge(store)
        with store.writing() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
    else:
        with store.reading() as connection, connection.engine.connect() as own:  # VACUUM is a transaction by itself
            own.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM grams")


def _merge(store: Store) -> None:
    """A negative number begins to bring all into one piece, positive ones go on with it, until nothing changes."""
    amount = -_MERGED
    while True:
        with store.writing() as connection:
            before = connection.scalar(text("SELECT total_changes()"))
            connection.execute(
                text("INSERT INTO grams_fts (grams_fts, rank) VALUES ('merge', :amount)"), {"amount": amount}
            )
            if connection.scalar(text("SELECT total_changes()")) - before < 2:
                return
        amount = _MERGED


def _words(packed: bytes) -> str:
    """Grams as words of a full-text index."""
    return packed.hex(" ", -4)


# ------------------------------------------------------------------------------------------------ the question


def find(store: Store, query: Query, plan: Plan | None = None) -> Found:
    """The newest calls that are as asked for; ``plan``: the way there, which is chosen otherwise.

    Raises BadQueryError where that makes no sense, StoreError where the store cannot say.
    """
    with store.reading() as connection:
        return find_in(store, connection, query, plan)


def find_in(store: Store, connection: Connection, query: Query, plan: Plan | None = None) -> Found:
    """The same in a transaction of the caller's."""
    terms = _terms(query)
    _checked(query)
    return _Search(store, connection, query, terms).found(plan)


def _checked(query: Query) -> None:
    if not 1 <= query.limit <= PAGE:
        raise BadQueryError(f"limit {query.limit}: 1 to {PAGE} calls a page")
    if query.since is not None and query.until is not None and query.since >= query.until:
        raise BadQueryError("the time ends before it begins")
    if query.longer_s is not None and query.shorter_s is not None and query.longer_s > query.shorter_s:
        raise BadQueryError(f"no call is longer than {query.longer_s:g} s and shorter than {query.shorter_s:g} s")


def _terms(query: Query) -> tuple[Term, ...]:
    """The normal forms of what is looked for."""
    made = []
    for by_sound, asked in ((False, query.said), (True, query.sounds)):
        for each in asked:
            normal = by.plain(each.text).text
            if not normal:
                raise BadQueryError(f"{each.text!r} has no character that anybody could say")
            if len(normal) > LONGEST:
                raise BadQueryError(f"a term of {len(normal)} characters; {LONGEST} at most")
            made.append(Term(normal, each.role, by_sound))
    return tuple(dict.fromkeys(made))


class _Place(NamedTuple):
    """Where a call stands in the order of all: newest first."""

    began_at: float
    no: int

    def __str__(self) -> str:
        return f"{self.began_at!r}:{self.no}"


def _place(cursor: str) -> _Place:
    began_at, _, no = cursor.partition(":")
    try:
        place = _Place(float(began_at), int(no))
    except ValueError:
        place = _Place(math.nan, 0)
    if not (math.isfinite(place.began_at) and 0 <= place.no < 1 << 63):  # it may come from a browser
        raise BadQueryError(f"{cursor[:50]!r} leads to no page: give what the page before said")
    return place


class _Search:
    """One question within one transaction."""

    def __init__(self, store: Store, connection: Connection, query: Query, terms: Sequence[Term]) -> None:
        self._connection, self._query, self._terms = connection, query, terms
        self._is_sqlite = store.is_sqlite
        self._from = _place(query.after) if query.after else None

    def found(self, plan: Plan | None) -> Found:
        wanted, hits = self._query.limit + 1, dict[_Place, Hit]()
        for places in self._portions(plan):
            for part in chunks(places, 2 * wanted):
                hits |= self._matching(part)
                if len(hits) >= wanted:
                    return self._page(hits)
        return self._page(hits)

    def _page(self, hits: dict[_Place, Hit]) -> Found:
        page = list(hits)[: self._query.limit]
        more = len(hits) > len(page)
        return Found(self._told({place: hits[place] for place in page}), more, str(page[-1]) if more else "")

    # ------------------------------------------------------------------------------------------ which calls

    def _portions(self, plan: Plan | None) -> Iterator[Sequence[_Place]]:
        """The calls that may be it, newest first."""
        if not self._terms or plan == "walk":
            return self._walk()
        named = self._named(None if plan == "index" else FREQUENT + 1)
        return self._walk() if plan is None and len(named) > FREQUENT else iter([self._left(named)])

    def _left(self, nos: Sequence[int]) -> list[_Place]:
        """Those of the calls that the filters leave."""
        found = []
        for part in chunks(nos):
            theirs = [calls.c.no.in_(part), *_of_calls(self._query), *_of_each(self._query), *_before(self._from)]
            asked = select(calls.c.began_at, calls.c.no).where(*theirs)
            found += [_Place(*row) for row in self._connection.execute(asked)]
        return sorted(found, reverse=True)

    def _walk(self) -> Iterator[Sequence[_Place]]:
        """Through all that the filters leave."""
        last, size = self._from, _FIRST
        order = calls.c.began_at.desc(), calls.c.no.desc()
        while True:
            left = [*_of_calls(self._query), *_of_all(self._query), *_before(last)]
            asked = select(calls.c.began_at, calls.c.no).where(*left).order_by(*order).limit(size)
            portion = [_Place(*row) for row in self._connection.execute(asked)]
            yield self._having(portion) if self._terms else portion
            if len(portion) < size:
                return
            last, size = portion[-1], min(_MOST, size * _GROWTH)

    def _having(self, portion: Sequence[_Place]) -> list[_Place]:
        """Those of the calls that the index names; where they lie far apart, each is asked about by itself."""
        if not portion:
            return []
        nos = sorted(place.no for place in portion)
        lie_close = nos[-1] - nos[0] < _CLOSE * len(nos)
        named = set(self._named(None, (nos[0], nos[-1])) if lie_close else self._each(nos))
        return [place for place in portion if place.no in named]

    def _each(self, nos: Sequence[int]) -> Iterator[int]:
        """Those of the calls whose grams are those of all terms."""
        for part in chunks(nos):
            theirs = select(grams).where(grams.c.call_no.in_(part))
            if self._is_sqlite:
                found = self._connection.execute(theirs)
                yield from (no for no, own in found if all(by.has(own, term) for term in self._terms))
            else:
                own = theirs.cte("own", nesting=True).prefix_with("MATERIALIZED", dialect="postgresql")
                has = (_array(own.c.grams, term) for term in self._terms)
                yield from self._connection.scalars(select(own.c.call_no).where(*has))

    def _named(self, most: int | None, within: tuple[int, int] | None = None) -> Sequence[int]:
        """The numbers that the index has for all terms; ``within``: from one to the other, and both."""
        no = grams_fts.c.rowid if self._is_sqlite else grams.c.call_no
        asked = select(no).where(self._match())
        if within:
            asked = asked.where(no >= within[0], no <= within[1])
        return self._connection.scalars(asked.limit(most) if most else asked).all()

    def _match(self) -> ColumnElement[bool]:
        if self._is_sqlite:
            return grams_fts.c.grams_fts.op("MATCH", is_comparison=True)(" AND ".join(map(_fts, self._terms)))
        return and_(*(_array(grams.c.grams, term) for term in self._terms))

    # ------------------------------------------------------------------------------------------ what they are

    def _matching(self, places: Sequence[_Place]) -> dict[_Place, Hit]:
        """Those in which the terms do stand, in their order."""
        asked = select(calls, words.c.lines).outerjoin(words).where(calls.c.no.in_([place.no for place in places]))
        rows = {row.no: row for row in self._connection.execute(asked)}
        found = {}
        for place in places:
            row = rows[place.no]
            sentences = self._sentences(row.began_at, past.lines_in(row.lines) if row.lines and self._terms else ())
            if sentences is not None:
                found[place] = _hit(row, sentences)
        return found

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

    def _told(self, hits: Mapping[_Place, Hit]) -> tuple[Hit, ...]:
        """With who took part and what fired."""
        agents: dict[int, list[Agent]] = {}
        asked = select(parts).where(parts.c.call_no.in_([place.no for place in hits])).order_by(parts.c.agent)
        for row in self._connection.execute(asked):
            agents.setdefault(row.call_no, []).append(Agent(row.agent, row.name, row.spoke))
        fired: dict[str, list[Fired]] = {}
        of = alerts.c.call.in_([hit.call for hit in hits.values()])
        for row in self._connection.execute(select(alerts).where(of).order_by(alerts.c.opened_at, alerts.c.id)):
            fired.setdefault(row.call, []).append(_copied(Fired, row))
        return tuple(
            replace(hit, agents=tuple(agents.get(place.no, ())), alerts=tuple(fired.get(hit.call, ())))
            for place, hit in hits.items()
        )


def _fts(term: Term) -> str:
    """As SQLite's index is asked for it."""
    ways = []
    for role in _roles(term):
        each = (" OR ".join(f'"{gram:08x}"' for gram in either) for either in by.asked(term, role))
        ways.append(" AND ".join(f"({one})" for one in each))
    return "(" + " OR ".join(f"({way})" for way in ways) + ")"


def _array(own: ColumnElement[Any], term: Term) -> ColumnElement[bool]:
    """As PostgreSQL is asked for it, of a column of grams."""
    theirs, ways = type_coerce(own, ARRAY(Integer)), []
    for role in _roles(term):
        asked = by.asked(term, role)
        sure = [either[0] for either in asked if len(either) == 1]
        ways.append(
            and_(
                *([theirs.contains(sure)] if sure else []),
                *(theirs.overlap(list(either)) for either in asked if len(either) > 1),
            )
        )
    return or_(*ways)


def _roles(term: Term) -> Sequence[Role]:
    return (term.role,) if term.role else ROLES


def _before(place: _Place | None) -> list[ColumnElement[bool]]:
    if place is None:
        return []
    older = or_(calls.c.began_at < place.began_at, calls.c.no < place.no)
    return [calls.c.began_at <= place.began_at, older]


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
        (query.since, calls.c.began_at.__ge__),
        (query.until, calls.c.began_at.__lt__),
        (query.longer_s, calls.c.duration_s.__ge__),
        (query.shorter_s, calls.c.duration_s.__le__),
    )
    found += [holds(value) for value, holds in bounds if value is not None]
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
