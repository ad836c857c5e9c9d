"""A caller's request: everything of their calls is deleted, in the store, the search index and the Parquet files.

Owns what belongs to a call (``Found``), the order in which it goes, and the account of it (``Account``), which holds
no personal data. Order: first the list beside the store (``list_file``) and the tombstones, so that whatever is
interrupted can be done again (``of_list``, ``finish``) and nothing comes back from Kafka; then the rows, a portion a
transaction; then the files of the days; last the pages of the database. Everything blocks; the archivist may write at
the same time. The list, the files and the pages: ``forget_list``, ``forget_days``, ``forget_pages``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, LargeBinary, func, insert, literal, select, update

from streams.archive import forget_days, past, quoted
from streams.archive import reads as audit
from streams.archive.facts import Line
from streams.archive.forget_list import list_file, listed, write_list
from streams.archive.forget_pages import scrub, spread, verified
from streams.archive.keeping import DAMAGED, delete_alerts, delete_calls, rewrite
from streams.archive.schema import (
    alerts,
    calls,
    forgotten,
    judgements,
    parts,
    reads,
    records,
    words,
)
from streams.archive.store import Store, chunks, patiently
from streams.archive.taking import mark_changed
from streams.events import SUBJECT
from streams.settings import Settings
from streams.shell import topics

#: Calls that are deleted in one transaction.
CALLS = 100
#: The clocks of telephone and ears differ by less, seconds.
CLOCKS_S = 60.0
#: So many pieces of what was deleted are looked for in the file of the store.
SAMPLES = 24

Kind = Literal["calls", "parts", "records", "words", "alerts", "judgements", "shared", "reads"]
Asked = Literal["caller", "call", "again"]


class Call(Struct, frozen=True):
    """What is known of a call that is to go."""

    no: int
    id: str
    day: str
    span: quoted.Span


class Found(Struct, frozen=True):
    """What is to be deleted. ``alerts``: about the caller; ``shared``: about several calls, which lose these;
    ``ids``: everything that tells of them: of calls, of alerts, the caller's key.
    """

    calls: tuple[Call, ...] = ()
    alerts: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing of it."""
        return not (self.calls or self.alerts or self.shared)

    @property
    def days(self) -> tuple[str, ...]:
        """Of the calls, oldest first."""
        return tuple(sorted({call.day for call in self.calls}))


class Removed(Struct, frozen=True):
    """So many rows of a kind went, of that day; ``shared``: alerts that lost a call."""

    kind: Kind
    day: str
    count: int


class Left(Struct, frozen=True):
    """What this does not reach, and until when it is there at the latest, a date; empty: nobody knows."""

    where: str
    until: str


class Account(Struct, frozen=True, kw_only=True):
    """What was removed and what was not. ``verified``: none of ``samples`` pieces of it is in the store's file any
    more; None: such a store cannot be looked into. ``known_until``: what was logged later was not there yet.
    """

    at: str
    by: str
    asked: Asked
    reason: str
    calls: int
    first_day: str
    last_day: str
    known_until: str
    removed: tuple[Removed, ...]
    parquet: tuple[str, ...]
    samples: int
    verified: bool | None
    left: tuple[Left, ...]


# ------------------------------------------------------------------------------------------ what there is


def of_caller(store: Store, keys: Sequence[str]) -> Found:
    """Everything of the callers with these keys (``telephony.pseudonym``). Raises StoreError."""
    with store.reading() as connection:
        found = list(connection.scalars(select(calls.c.id).where(calls.c.caller_key.in_(keys))))
        ends = tuple(f":caller:{key}" for key in keys)
        told = select(alerts.c.id, alerts.c.call).where(alerts.c.call.startswith(SUBJECT, autoescape=True))
        theirs = [row.id for row in connection.execute(told) if row.call.endswith(ends)]
        return _found(connection, found, theirs, keys)


def of_call(store: Store, call: str) -> Found:
    """Everything of one call. Raises StoreError."""
    with store.reading() as connection:
        return _found(connection, [call], [], [])


def of_list(store: Store, file: Path) -> Found:
    """What was deleted once, by the tombstones and by the list, and is there all the same. Raises StoreError."""
    known = _known(store, file)
    with store.reading() as connection:
        theirs = list[str]()
        for part in chunks(sorted(known)):
            rows = connection.execute(select(alerts.c.id, alerts.c.opened_at).where(alerts.c.id.in_(part)))
            theirs += [row.id for row in rows if row.opened_at <= known[row.id]]
        told = select(alerts.c.id, alerts.c.call, alerts.c.opened_at)
        for row in connection.execute(told.where(alerts.c.call.startswith(SUBJECT, autoescape=True))):
            _, about, key = row.call.rpartition(":caller:")
            if about and row.opened_at <= known.get(key, float("-inf")):
                theirs.append(row.id)
        return _found(connection, sorted(known), theirs, [])


def _known(store: Store, file: Path) -> dict[str, float]:
    """Every id that was deleted once, and the keys of those who asked for it: when."""
    known = dict(listed(file))
    with store.reading() as connection:
        return known | {row.call: row.at for row in connection.execute(select(forgotten.c.call, forgotten.c.at))}


def _found(connection: Connection, asked: Sequence[str], theirs: Sequence[str], keys: Sequence[str]) -> Found:
    found, own = list[Call](), list[str]()
    for part in chunks(asked):
        rows = connection.execute(select(calls).where(calls.c.id.in_(part)).order_by(calls.c.no))
        found += [Call(row.no, row.id, row.day, _span(row.began_at, row.heard_at)) for row in rows]
        own += connection.scalars(select(alerts.c.id).where(alerts.c.call.in_(part)))
    gone, shared = dict.fromkeys(asked, quoted.EVER), list[str]()
    told = select(alerts.c.id, alerts.c.changes).where(_names_several(connection))
    for row in connection.execute(told) if gone else ():
        try:
            changes = past.changes_in(row.changes)
        except DAMAGED:
            continue  # nobody can read what it is about; its time comes
        if any(call in gone for change in changes for call in change.calls):
            (shared if quoted.without(changes, gone) else own).append(row.id)
    about = tuple(dict.fromkeys((*own, *theirs)))
    return Found(
        calls=tuple(sorted(found, key=lambda call: call.span)),
        alerts=about,
        shared=tuple(each for each in shared if each not in set(about)),
        ids=frozenset((*asked, *about, *keys)),
    )


def _names_several(connection: Connection) -> ColumnElement[bool]:
    """Of alerts: they are about several calls, as the text of their changes says; no column does."""
    listed = literal(b'"calls":["', LargeBinary)
    if connection.dialect.name == "sqlite":
        return func.instr(alerts.c.changes, listed) > 0
    return func.position(listed.op("IN")(alerts.c.changes)) > 0


def _span(began_at: float, heard_at: float) -> quoted.Span:
    """When words of a call may have been said, by the clocks of all who hear it."""
    return began_at - CLOCKS_S, max(began_at, heard_at) + CLOCKS_S


# ------------------------------------------------------------------------------------------ deleting


Progress = Callable[[str], None]


def remove(  # noqa: PLR0913 - what, why, who
    store: Store,
    settings: Settings,
    found: Found,
    *,
    asked: Asked,
    by: str,
    role: str,
    reason: str = "",
    now: float | None = None,
    tell: Progress = lambda what: None,
) -> Account:
    """Delete it everywhere; the account of it. ``reason``: without personal data; ``tell``: what it is doing.

    Raises StoreError: what has not gone yet goes with ``again``.
    """
    now = time.time() if now is None else now
    write_list(settings, sorted({call.id for call in found.calls} | found.ids), now)
    samples, removed = list[bytes](), Counter[tuple[Kind, str]]()
    tell("rows")
    for part in chunks(found.calls, CALLS):
        patiently(lambda part=part: _calls_go(store, part, now, samples, removed))  # type: ignore[misc]
    patiently(lambda: _alerts_go(store, found, now, removed))
    patiently(lambda: _reads_lose(store, found, removed))
    patiently(lambda: _noted(store, asked, found, by, role, reason, now))
    tell("days")
    folder = settings.archive_folder
    stale = forget_days.stale(store, folder) if asked == "again" else set(found.days)
    written = forget_days.renew(store, folder, stale | {day for kind, day in removed if day and kind != "reads"})
    tell("pages")
    scrub(store)
    tell("check")
    needles = spread(samples, SAMPLES)
    return Account(
        at=_clock(store, now),
        by=by,
        asked=asked,
        reason=reason,
        calls=len(found.calls),
        first_day=found.days[0] if found.calls else "",
        last_day=found.days[-1] if found.calls else "",
        known_until=_known_until(store),
        removed=tuple(Removed(kind, day, count) for (kind, day), count in sorted(removed.items())),
        parquet=written,
        samples=len(needles),
        verified=verified(store, needles) if store.is_sqlite else None,
        left=left_over(settings, store, now),
    )


def _bury(store: Store, connection: Connection, names: Iterable[str], now: float) -> None:
    store.upsert(connection, forgotten, [{"call": name, "at": now} for name in names])


def _calls_go(
    store: Store, part: Sequence[Call], now: float, samples: list[bytes], removed: Counter[tuple[Kind, str]]
) -> None:
    """One portion of calls, with all that hangs on them."""
    with store.writing() as connection:
        _bury(store, connection, [call.id for call in part], now)
        own, sampled = _counted(connection, part)
        gone = {call.no: call.id for call in part}
        changed = delete_calls(store, connection, gone)
        mark_changed(store, connection, {*changed, *(call.day for call in part)}, now)
    removed.update(own)
    samples.extend(sampled)


def _counted(connection: Connection, part: Sequence[Call]) -> tuple[Counter[tuple[Kind, str]], list[bytes]]:
    """How much hangs on these calls, by day; and bytes that only these calls have in the store's file."""
    on, nos, ids = {call.no: call.day for call in part}, [call.no for call in part], [call.id for call in part]
    found, samples = Counter[tuple[Kind, str]](), list[bytes]()
    there = set(connection.scalars(select(calls.c.no).where(calls.c.no.in_(nos))))
    found.update(("calls", on[no]) for no in there)
    found.update(
        ("parts", on[no]) for no in connection.scalars(select(parts.c.call_no).where(parts.c.call_no.in_(nos)))
    )
    for row in connection.execute(select(records).where(records.c.call_no.in_(nos))):
        found["records", on[row.call_no]] += 1
        samples.append(bytes(row.lines[len(row.lines) // 2 :][:48]))
    for row in connection.execute(select(words).where(words.c.call_no.in_(nos))):
        found["words", on[row.call_no]] += 1
        with suppress(*DAMAGED):  # what cannot be read goes all the same
            said = past.lines_in(row.lines)
            samples.extend(_in_file(line) for line in said[len(said) // 2 :][:1])
    theirs = list(connection.execute(select(alerts.c.id, alerts.c.day).where(alerts.c.call.in_(ids))))
    found.update(("alerts", row.day) for row in theirs)
    whose = judgements.c.call.in_(ids) | judgements.c.alert.in_([row.id for row in theirs])
    found["judgements", ""] += len(list(connection.scalars(select(judgements.c.id).where(whose))))
    return +found, samples


def _in_file(line: Line) -> bytes:
    """A sentence with its times: nobody else said it just then."""
    return msgspec.json.encode(line)


def _alerts_go(store: Store, found: Found, now: float, removed: Counter[tuple[Kind, str]]) -> None:
    """Alerts about the caller go; those about several calls lose these, and go where none is left."""
    spans = dict.fromkeys(found.ids, quoted.EVER) | {call.id: call.span for call in found.calls}
    own = Counter[tuple[Kind, str]]()
    with store.writing() as connection:
        gone, values = list(found.alerts), list[dict[str, Any]]()
        for part in chunks(found.shared):
            for row in connection.execute(select(alerts).where(alerts.c.id.in_(part))):
                left = quoted.without(past.changes_in(row.changes), spans)
                if not left:
                    gone.append(row.id)
                    continue
                says = row.says if row.says in {change.says for change in left} else left[-1].says
                values.append({"_id": row.id, "says": says, "changes": msgspec.json.encode(left)})
                own["shared", row.day] += 1
        _bury(store, connection, gone, now)
        for part in chunks(gone):
            own.update(("alerts", day) for day in connection.scalars(select(alerts.c.day).where(alerts.c.id.in_(part))))
            theirs = judgements.c.alert.in_(part)
            own["judgements", ""] += len(list(connection.scalars(select(judgements.c.id).where(theirs))))
        delete_alerts(connection, gone)
        rewrite(connection, alerts, values)
        mark_changed(store, connection, {day for _, day in own if day}, now)
    removed.update(+own)


def _reads_lose(store: Store, found: Found, removed: Counter[tuple[Kind, str]]) -> None:
    """Who read it stays; what it was does not."""
    if not found.ids:
        return
    tells = audit.teller(found.ids)
    own = Counter[tuple[Kind, str]]()
    with store.reading() as connection:
        asked = select(reads.c.id, reads.c.at, reads.c.of).where(reads.c.of != quoted.MARKER)
        rows = connection.execution_options(yield_per=5000).execute(asked)
        theirs = [(row.id, row.at) for row in rows if tells(row.of)]
    own.update(("reads", store.day_of(at)) for _, at in theirs)
    for part in chunks([each for each, _ in theirs]):
        with store.writing() as connection:
            connection.execute(update(reads).where(reads.c.id.in_(part)).values(of=quoted.MARKER))
    removed.update(own)


def _noted(store: Store, asked: Asked, found: Found, by: str, role: str, reason: str, now: float) -> None:  # noqa: PLR0913
    told = audit.written("forget", {"asked": asked, "done": True, "count": len(found.calls), "reason": reason})
    entry = {"id": uuid4().hex, "at": now, "by": by, "role": role, "what": "forget", "of": told}
    with store.writing() as connection:
        connection.execute(insert(reads), [entry])


# ------------------------------------------------------------------------------------------ afterwards


def finish(store: Store, settings: Settings) -> tuple[str, ...]:
    """What an interruption may have left undone: the audit, files of days that are older than their rows, pages; which
    days. Raises StoreError.
    """
    found = Found(ids=frozenset(_known(store, list_file(settings))))
    patiently(lambda: _reads_lose(store, found, Counter()))
    folder = settings.archive_folder
    written = forget_days.renew(store, folder, forget_days.stale(store, folder))
    scrub(store)
    return written


# ------------------------------------------------------------------------------------------ the account


def _clock(store: Store, at: float) -> str:
    return datetime.fromtimestamp(at, store.zone).isoformat(timespec="seconds")


def _known_until(store: Store) -> str:
    """Up to when the archive had heard anything at all."""
    with store.reading() as connection:
        at = connection.scalar(select(calls.c.heard_at).order_by(calls.c.heard_at.desc()).limit(1))
    return _clock(store, at) if at is not None else ""


def left_over(settings: Settings, store: Store, now: float) -> tuple[Left, ...]:
    """What is elsewhere, and until when."""
    kept = {spec.name: spec for spec in topics.specs(settings.partitions, settings.topic_prefix)}

    def until(topic: str) -> str:
        spec = kept[settings.topic(topic)]
        return store.day_of(now + (spec.retention_s or 0) + spec.segment_s)

    names = ("calls", "alerts", "verdicts", "audit", "subjects", "dead-letters", "wall", "audio")
    found = [Left(f"kafka:{name}", until(name)) for name in names]
    return (*found, Left("states", until("calls")), Left("backups", ""), Left("exports", ""))


__all__ = [
    "Account",
    "Asked",
    "Call",
    "Found",
    "Left",
    "Removed",
    "finish",
    "list_file",
    "of_call",
    "of_caller",
    "of_list",
    "remove",
    "scrub",
]
