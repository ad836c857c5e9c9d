"""Retention: what is older than its kind is kept goes, a bounded portion at a time.

By whole days of the site: of a day that lies ``words_days`` back, words go when the next day begins; so everything is
kept at least as long as the settings say, and less than a day longer. Words are transcripts, the search index, the
spoken part of the record, and what alerts and people's comments quote; figures are everything else of calls and
alerts; the audit is who read what.

Owns the order of the work and where it is (table ``keeping``): each portion is a transaction, and a kill anywhere
loses nothing of it. What costs time (unpacking) is done before that transaction, so that whoever writes meanwhile
waits for some milliseconds. A day that somebody changes afterwards (a comment, offsets set back) is looked through
again: ``days.wordless`` says up to which change it was seen to hold no words. What cannot be read (a damaged page) may
hold words, too: it goes when it is due, and is told; the rest goes on.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from sqlalchemy import (
    Connection,
    Row,
    Select,
    Table,
    bindparam,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from streams import verdicts
from streams.alerts import AlertChange
from streams.archive import forget_days, past, quoted, search
from streams.archive.schema import (
    alerts,
    calls,
    days,
    forgotten,
    judgements,
    keeping,
    reads,
    records,
    snoozes,
    words,
)
from streams.archive.store import ConflictError, Store, chunks
from streams.archive.taking import close, mark_changed
from streams.settings import Settings
from streams.verdicts import Judgement

log = logging.getLogger("sansheng.archive")

#: A row holds something else than was written.
DAMAGED = (zlib.error, msgspec.MsgspecError, ValueError, RecursionError)

#: Portions follow each other for so long, seconds; then the archivist takes what has come meanwhile.
BUSY_S = 0.3
#: Calls of a portion, and rows of a portion of anything else.
CALLS = 50
ROWS = 500
#: A reader or writer is waited for so long, milliseconds, before the write-ahead log is emptied another time.
_CHECKPOINT_MS = 100


class Kept(NamedTuple):
    """What went: calls whose words went, calls that went whole, entries of the audit. ``more``: there is work left."""

    words: int = 0
    calls: int = 0
    reads: int = 0
    more: bool = False


class Limits(NamedTuple):
    """The first days, ``YYYY-MM-DD``, of which each kind is still kept."""

    words: str
    figures: str
    audit: str


def limits(store: Store, settings: Settings, now: float) -> Limits:
    """As of ``now``, Unix seconds."""
    today, own = date.fromisoformat(store.day_of(now)), settings.archive
    return Limits(*(_before(today, each) for each in (own.words_days, own.figures_days, own.audit_days)))


def _before(today: date, span_days: int) -> str:
    try:
        return (today - timedelta(days=span_days)).isoformat()
    except OverflowError:
        return date.min.isoformat()  # kept for ever


def keep(store: Store, settings: Settings, now: float) -> Kept:
    """Remove what has become too old by ``now``, Unix seconds, for less than half a second. Raises DownError."""
    limit, done, until = limits(store, settings, now), Kept(), time.monotonic() + BUSY_S
    while True:
        try:
            step = _step(store, settings, limit, now)
        except ConflictError:
            step = Kept()  # the archivist was quicker
        if step is None:
            tidy(store)
            return done
        done = Kept(done.words + step.words, done.calls + step.calls, done.reads + step.reads, more=True)
        if time.monotonic() >= until:
            return done


def _step(store: Store, settings: Settings, limit: Limits, now: float) -> Kept | None:
    """One portion; None: nothing is too old. What goes whole need not be looked through first."""
    steps: Sequence[Callable[[], Kept | None]] = (
        lambda: _audit(store, limit.audit),
        lambda: _whole_calls(store, limit.figures, now),
        lambda: _whole_alerts(store, limit.figures, now),
        lambda: _rest(store, limit.figures),
        lambda: _silent_calls(store, limit.words, now),
        lambda: _words(store, limit.words, now),
        lambda: _comments(store, limit.words),
        lambda: Kept() if forget_days.drop_unknown(store, settings.archive_folder, limit.words) else None,
    )
    return next((done for step in steps if (done := step()) is not None), None)


def midnight(store: Store, day: str) -> float:
    """When that day of the site begins, Unix seconds."""
    return datetime.combine(date.fromisoformat(day), clock(), store.zone).timestamp() if day > "0002" else 0.0


# ------------------------------------------------------------------------------------------ what goes whole


def _audit(store: Store, before: str) -> Kept | None:
    old = select(reads.c.id).where(reads.c.at < midnight(store, before)).limit(ROWS)
    gone = _delete(store, reads, old)
    return Kept(reads=gone) if gone else None


def _rest(store: Store, before: str) -> Kept | None:
    """Snoozes, judgements of what nobody knows, tombstones (any copy that could bring such a call back is too old
    itself), and days of which neither a row nor a file is left.
    """
    until = midnight(store, before)
    for table in (snoozes, judgements, forgotten):
        key = next(iter(table.primary_key))
        if _delete(store, table, select(key).where(table.c.at < until).limit(ROWS)):
            return Kept()
    is_empty = ~exists().where(calls.c.day == days.c.day) & ~exists().where(alerts.c.day == days.c.day)
    is_written = days.c.written >= days.c.changed
    old = select(days.c.day).where((days.c.day < before) & is_written & is_empty).limit(ROWS)
    return Kept() if _delete(store, days, old) else None


def _delete(store: Store, table: Table, asked: Select[Any]) -> int:
    """Delete the rows whose keys are asked for; how many. Nobody is held up where there are none."""
    with store.reading() as connection:
        keys = list(connection.scalars(asked))
    if keys:
        with store.writing() as connection:
            connection.execute(delete(table).where(next(iter(table.primary_key)).in_(keys)))
    return len(keys)


def _whole_calls(store: Store, before: str, now: float) -> Kept | None:
    asked = select(calls.c.no, calls.c.id, calls.c.day).where(calls.c.day < before).order_by(calls.c.day).limit(CALLS)
    with store.reading() as connection:
        found = list(connection.execute(asked))
    if not found:
        return None
    with store.writing() as connection:
        changed = delete_calls(store, connection, {row.no: row.id for row in found})
        mark_changed(store, connection, {*changed, *(row.day for row in found)}, now)
    return Kept(calls=len(found))


def _whole_alerts(store: Store, before: str, now: float) -> Kept | None:
    """Of calls that were never heard of, and about several calls."""
    asked = select(alerts.c.id, alerts.c.day).where(alerts.c.day < before).order_by(alerts.c.day).limit(ROWS)
    with store.reading() as connection:
        found = list(connection.execute(asked))
    if not found:
        return None
    with store.writing() as connection:
        delete_alerts(connection, [row.id for row in found])
        mark_changed(store, connection, {row.day for row in found}, now)
    return Kept()


def delete_calls(store: Store, connection: Connection, gone: dict[int, str]) -> set[str]:
    """Delete calls, number to id, and everything that hangs on them; the days of their alerts."""
    changed: set[str] = set()
    for part in chunks(list(gone)):
        search.unindex(store, connection, part)
        connection.execute(delete(calls).where(calls.c.no.in_(part)))  # parts, records and words go with it
        ids = [gone[no] for no in part]
        found = list(connection.execute(select(alerts.c.id, alerts.c.day).where(alerts.c.call.in_(ids))))
        delete_alerts(connection, [row.id for row in found])
        connection.execute(delete(judgements).where(judgements.c.call.in_(ids)))
        changed.update(row.day for row in found)
    return changed


def delete_alerts(connection: Connection, gone: Sequence[str]) -> None:
    """And what people made of them."""
    for part in chunks(gone):
        connection.execute(delete(judgements).where(judgements.c.alert.in_(part)))
        connection.execute(delete(alerts).where(alerts.c.id.in_(part)))


# ------------------------------------------------------------------------------------------ words


def _silent_calls(store: Store, before: str, now: float) -> Kept | None:
    """A call without an end is lost by now; nobody may have been there to say so."""
    is_old = (calls.c.day < before) & (calls.c.heard_at < midnight(store, before))
    asked = select(calls.c.no, calls.c.id, calls.c.day).where((calls.c.state == "up") & is_old).limit(CALLS)
    with store.reading() as connection:
        found = list(connection.execute(asked))
    if not found:
        return None
    close(store, {row.no: (row.id, row.day) for row in found}, now)
    return Kept()


class _Place(NamedTuple):
    """Where the work is: the row of ``keeping``, and how often the day has changed by now."""

    day: str
    began: int
    of: str
    after: str
    changed: int


class _Portion(NamedTuple):
    """What is to be removed. ``after``: None: the day has no more of that."""

    calls: int = 0
    nos: Sequence[int] = ()
    pieces: Sequence[dict[str, Any]] = ()
    emptied: Sequence[tuple[int, int]] = ()
    alerts: Sequence[dict[str, Any]] = ()
    days: frozenset[str] = frozenset()
    comments: Sequence[dict[str, Any]] = ()
    after: str | None = None


def _words(store: Store, before: str, now: float) -> Kept | None:
    with store.reading() as connection:
        place = _place(connection, before)
        if place is None:
            return None
        looks = _of_calls if place.of == "calls" else _of_alerts
        portion = looks(connection, place)
    with store.writing() as connection:
        changed = connection.scalar(select(days.c.changed).where(days.c.day == place.day).with_for_update())
        if changed != place.changed:  # somebody was quicker: what was read may be of before
            return Kept()
        _remove(store, connection, portion)
        mark_changed(store, connection, portion.days - {place.day}, now)
        _go_on(store, connection, place, portion.after, now)
    return Kept(words=portion.calls)


def _place(connection: Connection, before: str) -> _Place | None:
    """Where the work on words goes on: the day that was begun, or the oldest that may hold any."""
    old = (days.c.day < before) & (days.c.wordless < days.c.changed)
    begun = connection.execute(
        select(keeping, days.c.changed.label("now"))
        .join(days, days.c.day == keeping.c.day)
        .where((keeping.c.what == "words") & old)
    ).first()
    if begun:
        return _Place(begun.day, begun.changed, begun.of, begun.after, begun.now)
    day = connection.execute(select(days.c.day, days.c.changed).where(old).order_by(days.c.day).limit(1)).first()
    return _Place(day.day, day.changed, "calls", "", day.changed) if day else None


def _go_on(store: Store, connection: Connection, place: _Place, after: str | None, now: float) -> None:
    """Note where it goes on; after the last alert of the day it is done, unless it has changed since it was begun."""
    row = {"what": "words", "day": place.day, "changed": place.began, "of": place.of, "after": after or ""}
    if after is None and place.of == "calls":
        row["of"] = "alerts"
    elif after is None:
        connection.execute(delete(keeping).where(keeping.c.what == "words"))
        mark_changed(store, connection, [place.day], now)
        if place.changed == place.began:
            connection.execute(update(days).where(days.c.day == place.day).values(wordless=days.c.changed))
        return
    store.upsert(connection, keeping, [row])


def _of_calls(connection: Connection, place: _Place) -> _Portion:
    mine = (calls.c.day == place.day) & (calls.c.no > int(place.after or -1)) & (calls.c.state != "up")
    found = connection.execute(select(calls.c.no, calls.c.id).where(mine).order_by(calls.c.no).limit(CALLS)).all()
    nos, ids = [row.no for row in found], [row.id for row in found]
    spoken = list(connection.scalars(select(words.c.call_no).where(words.c.call_no.in_(nos))))
    pieces = connection.execute(select(records).where(records.c.call_no.in_(nos)))
    left = [(row, shorter) for row in pieces if (shorter := _silent(row, place.day)) is not None]
    later = connection.execute(select(alerts).where(alerts.c.call.in_(ids) & (alerts.c.day != place.day))).all()
    told = _quoting(later)
    return _Portion(
        calls=len({*spoken, *(row.call_no for row, _ in left)}),
        nos=nos,
        pieces=[
            {"_no": row.call_no, "_seq": row.first_seq, "lines": shorter.lines, "events": shorter.events}
            for row, shorter in left
            if shorter.events
        ],
        emptied=[(row.call_no, row.first_seq) for row, shorter in left if not shorter.events],
        alerts=told,
        days=frozenset(row.day for row in later if row.id in {each["_id"] for each in told}),
        comments=_comments_of(connection, judgements.c.call.in_(ids)),
        after=str(nos[-1]) if nos else None,
    )


def _silent(row: Row[Any], day: str) -> quoted.Left | None:
    """A piece that cannot be read goes whole."""
    try:
        return quoted.silent(row.lines)
    except DAMAGED:
        log.error("call %d of %s: a piece of its record cannot be read; it is removed with its words", row.call_no, day)
        return quoted.Left(b"", 0)


def _of_alerts(connection: Connection, place: _Place) -> _Portion:
    mine = (alerts.c.day == place.day) & (alerts.c.id > place.after)
    found = connection.execute(select(alerts).where(mine).order_by(alerts.c.id).limit(ROWS)).all()
    ids = [row.id for row in found]
    comments = _comments_of(connection, judgements.c.alert.in_(ids))
    return _Portion(alerts=_quoting(found), comments=comments, after=ids[-1] if ids else None)


def _quoting(found: Iterable[Row[Any]]) -> list[dict[str, Any]]:
    """New values for those alerts that quote."""
    made = []
    for row in found:
        try:
            changes = past.changes_in(row.changes)
        except DAMAGED:
            log.error("an alert of %s cannot be read; its title is kept", row.day)
            made.append({"_id": row.id, "says": row.title, "changes": b"[]"})
            continue
        plain = quoted.wordless(changes)
        if plain != changes:
            made.append(alert_values(row.id, plain))
    return made


def alert_values(alert_id: str, changes: Sequence[AlertChange]) -> dict[str, Any]:
    """Of an alert whose sentences have become its title."""
    return {"_id": alert_id, "says": changes[-1].title, "changes": msgspec.json.encode(changes)}


def _comments_of(connection: Connection, whose: Any) -> list[dict[str, Any]]:
    found = connection.execute(select(judgements.c.id, judgements.c.judgement).where(whose))
    return [made for row in found if (made := _uncommented(row)) is not None]


def _uncommented(row: Any) -> dict[str, Any] | None:
    """``judgement`` None: it cannot be read, and is to go."""
    try:
        made = verdicts.parse(row.judgement)
    except DAMAGED:
        return {"_id": row.id, "judgement": None}
    if not isinstance(made, Judgement) or not made.text:
        return None
    return {"_id": row.id, "judgement": verdicts.render(replace(made, text=""))}


def _remove(store: Store, connection: Connection, portion: _Portion) -> None:
    if portion.nos:
        search.unindex(store, connection, portion.nos)
        connection.execute(delete(words).where(words.c.call_no.in_(portion.nos)))
    if portion.pieces:
        own = (records.c.call_no == bindparam("_no")) & (records.c.first_seq == bindparam("_seq"))
        connection.execute(update(records).where(own), list(portion.pieces))
    for no, seq in portion.emptied:
        connection.execute(delete(records).where((records.c.call_no == no) & (records.c.first_seq == seq)))
    rewrite(connection, alerts, portion.alerts)
    _rewrite_comments(connection, portion.comments)


def _rewrite_comments(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
    gone = [each["_id"] for each in values if each["judgement"] is None]
    for part in chunks(gone):
        log.error("%d judgement(s) cannot be read; they are removed", len(part))
        connection.execute(delete(judgements).where(judgements.c.id.in_(part)))
    rewrite(connection, judgements, [each for each in values if each["judgement"] is not None])


def rewrite(connection: Connection, table: Table, values: Sequence[dict[str, Any]]) -> None:
    """Give rows new values; each names its row by ``_id``."""
    if values:
        connection.execute(update(table).where(table.c.id == bindparam("_id")), list(values))


def _comments(store: Store, before: str) -> Kept | None:
    """What was said about alerts and calls that nobody knows: looked through once a day, it hangs on no day."""
    row = {"what": "comments", "day": before}
    with store.reading() as connection:
        if connection.scalar(select(keeping.c.day).where(keeping.c.what == "comments")) == before:
            return None
        is_known = exists().where(alerts.c.id == judgements.c.alert) | exists().where(calls.c.id == judgements.c.call)
        values = _comments_of(connection, (judgements.c.at < midnight(store, before)) & ~is_known)
    with store.writing() as connection:
        _rewrite_comments(connection, values)
        store.upsert(connection, keeping, [row])
    return Kept()


# ------------------------------------------------------------------------------------------ afterwards


def tidy(store: Store, wait_ms: int = _CHECKPOINT_MS) -> None:
    """SQLite: what was deleted still stands in the write-ahead log until that is emptied; whoever reads goes first."""
    if not store.is_sqlite:
        return
    try:
        with store.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql(f"PRAGMA busy_timeout={wait_ms:d}")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
    except DBAPIError:
        return  # an hour later, then


def pending(store: Store, settings: Settings, now: float) -> int:
    """How many calls the work that is due now looks at. Raises StoreError."""
    limit = limits(store, settings, now)
    due = select(days.c.day).where((days.c.day < limit.words) & (days.c.wordless < days.c.changed))
    looked_at = select(func.count().label("n")).select_from(calls).where(calls.c.day.in_(due))
    with store.reading() as connection:
        return connection.scalar(looked_at) or 0


__all__ = ["BUSY_S", "Kept", "Limits", "keep", "limits", "pending"]
