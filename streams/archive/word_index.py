"""The index of what was said: tables ``grams`` and, in SQLite, ``grams_fts``. Calls are put in, taken out and named.

Owns how either store is asked for grams. Whatever it names is compared with the text itself by who asks (``search``):
two texts may share a gram. Everything blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    and_,
    delete,
    insert,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY

from streams.archive import grams as by
from streams.archive.facts import Line
from streams.archive.grams import ROLES, Term
from streams.archive.schema import grams, grams_fts
from streams.archive.store import Store, chunks
from streams.events import Role

#: Pages of SQLite's index that are merged in one transaction, so that nobody waits for long.
_MERGED = 500


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


# ------------------------------------------------------------------------------------------------ asking it


def naming(store: Store, terms: Sequence[Term], within: tuple[int, int] | None = None) -> Select[tuple[int]]:
    """The numbers of calls that have the grams of all terms; ``within``: from one to the other, and both."""
    no = grams_fts.c.rowid if store.is_sqlite else grams.c.call_no
    asked: Select[tuple[int]] = select(no).where(_match(store, terms))
    return asked.where(no >= within[0], no <= within[1]) if within else asked


def few(store: Store, terms: Sequence[Term], nos: Sequence[int]) -> Select[Any]:
    """Of these few calls those that may have the grams of all terms: whether they do, ``has`` says of each row."""
    theirs = select(grams).where(grams.c.call_no.in_(nos))
    if store.is_sqlite:
        return theirs
    own = theirs.cte("own", nesting=True).prefix_with("MATERIALIZED", dialect="postgresql")
    return select(own.c.call_no).where(*(_array(own.c.grams, term) for term in terms))


def has(store: Store, terms: Sequence[Term], row: Row[Any]) -> bool:
    """Whether that call (a row of ``few``) has the grams of all terms; PostgreSQL has compared them itself."""
    return not store.is_sqlite or all(by.has(row.grams, term) for term in terms)


def _match(store: Store, terms: Sequence[Term]) -> ColumnElement[bool]:
    if store.is_sqlite:
        return grams_fts.c.grams_fts.op("MATCH", is_comparison=True)(" AND ".join(map(_fts, terms)))
    return and_(*(_array(grams.c.grams, term) for term in terms))


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
