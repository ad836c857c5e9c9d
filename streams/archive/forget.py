"""A caller's request: everything of their calls is deleted, in the store, the search index and the Parquet files.

Owns what belongs to a call (``Found``), the order in which it goes, and the account of it (``Account``), which holds
no personal data. Order: first the list beside the store (``list_file``) and the tombstones, so that whatever is
interrupted can be done again (``of_list``, ``finish``) and nothing comes back from Kafka; then the rows, a portion a
transaction; then the files of the days; last the pages of the database. Everything blocks; the archivist may write at
the same time.
"""

from __future__ import annotations

import mmap
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import DBAPIError

from streams.archive import days as parquet
from streams.archive import past, quoted, search
from streams.archive.facts import Line
from streams.archive.keeping import delete_alerts, delete_calls, mark_changed, rewrite, tidy
from streams.archive.schema import (
    alerts,
    calls,
    days,
    forgotten,
    judgements,
    parts,
    reads,
    records,
    words,
)
from streams.archive.store import ConflictError, DownError, Store, StoreError, chunks
from streams.events import SUBJECT
from streams.settings import Settings
from streams.shell import topics
from streams.shell.running import make_private

#: Calls that are deleted in one transaction.
CALLS = 100
#: The clocks of telephone and ears differ by less, seconds.
CLOCKS_S = 60.0
#: Somebody else's transaction may be in the way so often; between two tries, seconds.
TRIES, PAUSE_S = 40, 0.5
#: Stands in ``reads.of`` in place of what was deleted: that somebody read it stays.
MARKER = "~forgotten"
#: A transaction is waited for so long before the write-ahead log is emptied, milliseconds.
WAIT_MS = 5000
#: So often the file of the store is looked at before it is said that something is left.
LOOKS = 6
#: So many pieces of what was deleted are looked for in the file of the store.
SAMPLES = 24
_VACUUM = "VACUUM calls, parts, records, words, grams, alerts, judgements, reads"
_DAY_S = 86_400.0

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
    with store.reading() as connection:
        known = dict(_listed(file))
        known |= {row.call: row.at for row in connection.execute(select(forgotten.c.call, forgotten.c.at))}
        theirs = list[str]()
        for part in chunks(sorted(known)):
            rows = connection.execute(select(alerts.c.id, alerts.c.opened_at).where(alerts.c.id.in_(part)))
            theirs += [row.id for row in rows if row.opened_at <= known[row.id]]
        return _found(connection, sorted(known), theirs, [])


def _found(connection: Connection, asked: Sequence[str], theirs: Sequence[str], keys: Sequence[str]) -> Found:
    found, own = list[Call](), list[str]()
    for part in chunks(asked):
        rows = connection.execute(select(calls).where(calls.c.id.in_(part)).order_by(calls.c.no))
        found += [Call(row.no, row.id, row.day, _span(row.began_at, row.heard_at)) for row in rows]
        own += connection.scalars(select(alerts.c.id).where(alerts.c.call.in_(part)))
    gone, shared = dict.fromkeys(asked, quoted.EVER), list[str]()
    told = select(alerts.c.id, alerts.c.changes).where(alerts.c.call.startswith(SUBJECT, autoescape=True))
    for row in connection.execute(told) if gone else ():
        changes = past.changes_in(row.changes)
        if any(call in gone for change in changes for call in change.calls):
            (shared if quoted.without(changes, gone) else own).append(row.id)
    about = tuple(dict.fromkeys((*own, *theirs)))
    return Found(
        calls=tuple(sorted(found, key=lambda call: call.span)),
        alerts=about,
        shared=tuple(each for each in shared if each not in set(about)),
        ids=frozenset((*asked, *about, *keys)),
    )


def _span(began_at: float, heard_at: float) -> quoted.Span:
    """When words of a call may have been said, by the clocks of all who hear it."""
    return began_at - CLOCKS_S, max(began_at, heard_at) + CLOCKS_S


# ------------------------------------------------------------------------------------------ the list beside the store


def list_file(settings: Settings) -> Path:
    """Ids and times of what was deleted: so that a backup that is put back can be rid of it again."""
    return settings.run_dir / "archive" / "forgotten.csv"


def _listed(file: Path) -> list[tuple[str, float]]:
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeError) as error:
        raise StoreError(f"the list {file} cannot be read: {error}") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        name, _, at = line.rpartition(",")
        try:
            found.append((name, float(at)))
        except ValueError:
            raise StoreError(f"{file}:{number}: not `id,time` (mend or delete that line)") from None
    return found


def _write_list(settings: Settings, names: Iterable[str], now: float) -> None:
    """Whole or not at all; what no copy can hold any more is left out."""
    file = list_file(settings)
    oldest = now - (settings.archive.figures_days + 1) * _DAY_S
    known = {name: at for name, at in _listed(file) if at > oldest} | dict.fromkeys(names, now)
    try:
        make_private(file.parent)
        part = file.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.writelines(f"{name},{at:.3f}\n" for name, at in known.items())
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)
    except OSError as error:
        raise StoreError(f"the list {file} cannot be written: {error.strerror}; nothing was deleted") from None


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
    _write_list(settings, sorted({call.id for call in found.calls} | set(found.alerts)), now)
    samples, removed = list[bytes](), Counter[tuple[Kind, str]]()
    tell("rows")
    for part in chunks(found.calls, CALLS):
        _patiently(lambda part=part: _calls_go(store, part, now, samples, removed))  # type: ignore[misc]
    _patiently(lambda: _alerts_go(store, found, now, removed))
    _patiently(lambda: _reads_lose(store, found, removed))
    _patiently(lambda: _noted(store, asked, found, by, role, reason, now))
    tell("days")
    stale = _stale(store) if asked == "again" else set(found.days)
    written = _days(store, settings, stale | {day for kind, day in removed if day and kind != "reads"})
    tell("pages")
    scrub(store)
    tell("check")
    needles = _spread(samples, SAMPLES)
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
        verified=_verified(store, needles) if store.is_sqlite else None,
        left=left_over(settings, store, now),
    )


def _patiently(work: Callable[[], None]) -> None:
    """Do it, after whoever else writes just now."""
    for _ in range(TRIES):
        try:
            work()
            return
        except ConflictError:
            time.sleep(PAUSE_S)
    work()


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
    names = re.compile(
        "|".join(rf"(?<![\w.-]){re.escape(each)}(?![\w-])" for each in sorted(found.ids, key=len, reverse=True))
    )
    own = Counter[tuple[Kind, str]]()
    with store.reading() as connection:
        asked = select(reads.c.id, reads.c.at, reads.c.of).where(reads.c.of != MARKER)
        rows = connection.execution_options(yield_per=5000).execute(asked)
        theirs = [(row.id, row.at) for row in rows if names.search(row.of)]
    own.update(("reads", store.day_of(at)) for _, at in theirs)
    for part in chunks([each for each, _ in theirs]):
        with store.writing() as connection:
            connection.execute(update(reads).where(reads.c.id.in_(part)).values(of=MARKER))
    removed.update(own)


def _noted(store: Store, asked: Asked, found: Found, by: str, role: str, reason: str, now: float) -> None:  # noqa: PLR0913
    told = f"{asked}: {len(found.calls)} calls" + (f"; {reason}" if reason else "")
    entry = {"id": uuid4().hex, "at": now, "by": by, "role": role, "what": "forget", "of": told[:500]}
    with store.writing() as connection:
        connection.execute(insert(reads), [entry])


# ------------------------------------------------------------------------------------------ files and pages


def _stale(store: Store) -> set[str]:
    """Days whose files are older than their rows: an interruption may have left them so."""
    with store.reading() as connection:
        asked = select(days.c.day).where(days.c.changed > days.c.written, days.c.written > 0)
        return set(connection.scalars(asked))


def _days(store: Store, settings: Settings, changed: set[str]) -> tuple[str, ...]:
    """Write the days anew that had been written; the others get no file by this."""
    folder = settings.archive_folder
    with store.reading() as connection:
        asked = select(days.c.day).where(days.c.day.in_(sorted(changed)), days.c.written > 0)
        had = list(connection.scalars(asked.order_by(days.c.day)))
    for day in had:
        parquet.write_day(store, folder, day)
    return tuple(had)


def finish(store: Store, settings: Settings) -> tuple[str, ...]:
    """What an interruption may have left undone: files of days that are older than their rows, pages; which days."""
    written = _days(store, settings, _stale(store))
    scrub(store)
    return written


def scrub(store: Store) -> None:
    """Leave nothing of what was deleted in the database's pages. Raises DownError.

    SQLite overwrites what is deleted, but not what it has moved from page to page before: the file is written anew,
    while whoever writes waits. PostgreSQL: VACUUM; what its pages keep is overwritten in time.
    """
    search.scrub(store)
    if store.is_sqlite:
        _renew(store)
        tidy(store, WAIT_MS)
        return
    try:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(_VACUUM)
    except DBAPIError as error:
        raise DownError(f"the store {store.where} could not be vacuumed: {type(error.orig).__name__}") from None


def _renew(store: Store) -> None:
    """The temporary copy may be as large as the store: on disk, not in memory."""
    for left in reversed(range(TRIES)):
        try:
            with store.engine.connect() as connection:
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA temp_store=FILE")
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("BEGIN")
            return
        except DBAPIError as error:
            if "locked" in str(error.orig) and left:
                time.sleep(PAUSE_S)
                continue
            text = f"the file {store.where} could not be written anew ({error.orig})"
            mend = "make as much room as it takes, beside it and in /var/tmp, and run `sansheng archive forget --again`"
            raise DownError(f"{text}: {mend}") from None


def _spread(samples: Sequence[bytes], most: int) -> list[bytes]:
    """So many of them, from all over."""
    long = [each for each in samples if len(each) >= 24]
    return [long[at * len(long) // most] for at in range(most)] if len(long) > most else long


def _verified(store: Store, needles: Sequence[bytes]) -> bool:
    """Whether nothing of it is left; who reads just now keeps the write-ahead log from being emptied for a moment."""
    for _ in range(LOOKS):
        if _is_clean(store, needles):
            return True
        time.sleep(PAUSE_S)
        tidy(store, WAIT_MS)
    return _is_clean(store, needles)


def _is_clean(store: Store, needles: Sequence[bytes]) -> bool:
    """Whether the bytes are in neither the file nor its write-ahead log."""
    file = Path(store.where)
    return not any(
        needle in piece
        for path in (file, file.with_name(file.name + "-wal"))
        for piece in _pieces(path)
        for needle in needles
    )


def _pieces(path: Path, size: int = 1 << 24, overlap: int = 4096) -> Iterator[bytes]:
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        for at in range(0, len(whole), size):
            yield whole[max(0, at - overlap) : at + size]


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
