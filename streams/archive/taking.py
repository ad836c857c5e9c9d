"""What comes from the topics, put into the store: one batch, one transaction, the offsets with it.

So nothing is lost and nothing stored twice, wherever the archivist is killed. What comes again all the same (offsets
set back, an engine that sends at least once) is known by its id or its offset and changes nothing. Owns what is kept
of messages that were read (``messages``); knows no Kafka.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from streams import verdicts
from streams.alerts import SEVERITIES, AlertChange
from streams.archive import past, quoted, search
from streams.archive import reads as audited
from streams.archive.facts import Facts, facts
from streams.archive.messages import NAME, TOPICS, Batch, Message, Offsets, Topic
from streams.archive.personal import kept
from streams.archive.schema import (
    alerts,
    calls,
    days,
    forgotten,
    judgements,
    parts,
    progress,
    reads,
    records,
    snoozes,
    words,
)
from streams.archive.store import DownError, Store, StoreError, chunks
from streams.core import SILENT_S
from streams.events import AnyEvent, CallEnded
from streams.verdicts import Judgement

log = logging.getLogger("sansheng.archive")

#: A call is lost this long after it should have been, seconds: the detector's own end of it comes first.
LOST_AFTER_S = SILENT_S + 120.0
#: So many lost calls are closed in one transaction.
LOST_AT_ONCE = 1000
_CLOSING = frozenset({"cleared", "resolved", "false_alarm"})


class Took(NamedTuple):
    """What a batch brought: calls that ended or changed after their end, alerts, verdicts, entries of the audit; and by
    topic what could not be read.
    """

    ended: int = 0
    alerts: int = 0
    verdicts: int = 0
    reads: int = 0
    unreadable: dict[str, int] = {}  # noqa: RUF012 - never changed


class TakenOverError(StoreError):
    """Another archivist has written meanwhile: two on one store would each think the other's work undone."""


class Taking:
    """Writes batches into one store."""

    def __init__(self, store: Store, key: bytes, ahead_s: float) -> None:
        """``key``: of callers' pseudonyms; ``ahead_s``: what lies further in the future than that is not believed."""
        self._store, self._key, self._ahead_s = store, key, ahead_s

    def offsets(self, cluster: str) -> Offsets:
        """From where to read on. Raises StoreError."""
        asked = select(progress.c.topic, progress.c.partition, progress.c.next).where(progress.c.cluster == cluster)
        with self._store.reading() as connection:
            return {(topic, partition): at for topic, partition, at in connection.execute(asked)}

    def take(self, cluster: str, messages: Sequence[Message], was: Offsets, now: Offsets) -> Took:
        """Store a batch, which leads from the offsets ``was`` (all that there are) to ``now`` (those that change).

        Raises TakenOverError where the store is elsewhere, DownError where it cannot be written: nothing is stored.
        """
        batch = Batch(messages, self._key, self._ahead_s)
        with self._store.writing() as connection:
            _advance(self._store, connection, cluster, was, now)
            writer = Writer(self._store, connection)
            ended = writer.calls(batch.calls)
            writer.alerts(batch.alerts)
            writer.judgements(batch.judgements)
            self._store.upsert(connection, snoozes, batch.snoozes, only=())
            self._store.upsert(connection, reads, writer.reads(batch.reads), only=())
            writer.settle(max((message.logged_at for message in messages), default=0.0))
        done = len(batch.judgements) + len(batch.snoozes)
        return Took(ended, len(batch.alerts), done, len(batch.reads), batch.unreadable)

    def close_lost(self, now: float) -> int:
        """End calls of which nothing has been heard for hours as of ``now``, Unix seconds; how many.

        To be asked only when everything logged so far has been taken. Raises DownError.
        """
        silent = (calls.c.state == "up") & (calls.c.heard_at < now - LOST_AFTER_S)
        asked = select(calls.c.id, calls.c.no, calls.c.day).where(silent).order_by(calls.c.no).limit(LOST_AT_ONCE)
        with self._store.reading() as connection:
            found = {row.no: (row.id, row.day) for row in connection.execute(asked)}
        if found:
            close(self._store, found, now)
        return len(found)


def close(store: Store, found: dict[int, tuple[str, str]], now: float) -> None:
    """End these calls, number to id and day, of which nothing has been heard for hours as of ``now``, Unix seconds.

    Raises DownError; one that cannot be read keeps no other open.
    """
    try:
        _close(store, found, now)
    except DownError:
        raise
    except Exception:
        for no, own in found.items():
            _close_alone(store, no, own, now)


def _close(store: Store, found: dict[int, tuple[str, str]], now: float) -> None:
    with store.writing() as connection:
        writer = Writer(store, connection)
        writer.derive(found, now)
        writer.settle(now)


def _close_alone(store: Store, no: int, own: tuple[str, str], now: float) -> None:
    """A call whose record cannot be read is over too, with what was known of it; it is not tried again."""
    try:
        _close(store, {no: own}, now)
    except DownError:
        raise
    except Exception as error:  # whatever it is: a damaged record raises anything
        log.error("the record of call number %d cannot be read (%s): closed without it", no, type(error).__name__)
        with store.writing() as connection:
            connection.execute(update(calls).where(calls.c.no == no).values(state="lost"))
            mark_changed(store, connection, [own[1]], now)


def mark_changed(store: Store, connection: Connection, changed: Iterable[str], now: float) -> None:
    """These days are to be written as Parquet again. ``now``: Unix seconds."""
    for day in sorted(set(changed)):
        store.upsert(connection, days, [{"day": day, "changed_at": now}], only=("changed_at",))
        connection.execute(update(days).where(days.c.day == day).values(changed=days.c.changed + 1))


def _advance(store: Store, connection: Connection, cluster: str, was: Offsets, now: Offsets) -> None:
    """Compare and set: who is not where the store is must not write. All places are compared, and locked where others
    could write meanwhile (PostgreSQL), so of two archivists exactly one finds out.
    """
    asked = select(progress.c.topic, progress.c.partition, progress.c.next).where(progress.c.cluster == cluster)
    stored = {(topic, partition): at for topic, partition, at in connection.execute(asked.with_for_update())}
    for place in sorted({**stored, **was}):
        if stored.get(place) != was.get(place):
            raise TakenOverError(
                f"another archivist has written {place[0]} {place[1]} up to {stored.get(place)}, and not up to "
                f"{was.get(place)}: run one on each store"
            )
    rows = [
        {"cluster": cluster, "topic": topic, "partition": partition, "next": at}
        for (topic, partition), at in now.items()
        if stored.get((topic, partition)) != at
    ]
    store.upsert(connection, progress, rows)


# ------------------------------------------------------------------------------------------- writing rows


class Writer:
    """Writes rows within one transaction, and notes which days they change."""

    def __init__(self, store: Store, connection: Connection) -> None:
        """``connection``: of ``Store.writing``."""
        self._store, self._connection = store, connection
        self._days: set[str] = set()

    def settle(self, now: float) -> None:
        """At the end: tell the days that they have changed. ``now``: Unix seconds."""
        mark_changed(self._store, self._connection, self._days, now)

    def calls(self, found: dict[str, list[AnyEvent]]) -> int:
        """Add events to their calls; how many calls have ended by then."""
        gone = self._forgotten(list(found))
        found = {call: events for call, events in found.items() if call not in gone}
        known = self._known(list(found))
        new = sorted((call for call in found if call not in known), key=lambda call: found[call][0].at)
        if new:
            self._connection.execute(insert(calls), [self._first(call, found[call]) for call in new])
        before, known = known, known | self._known(new)
        found = {call: past.once(events) for call, events in found.items()}
        self._pieces({known[call][0]: events for call, events in found.items()})
        over = {
            c for c, events in found.items() if known[c][2] != "up" or any(isinstance(e, CallEnded) for e in events)
        }
        self._heard({known[call][0]: max(e.at for e in found[call]) for call in found if call not in over})
        whole = {known[call][0]: found[call] for call in over if call not in before}
        # what comes late of a lost call does not bring it back, unless it goes on now
        as_of = {known[c][0]: max(e.logged_at or 0.0 for e in found[c]) for c in over if known[c][2] == "lost"}
        self.derive({known[call][0]: (call, known[call][1]) for call in found if call in over}, None, whole, as_of)
        return len(over)

    def derive(
        self,
        over: dict[int, tuple[str, str]],
        now: float | None,
        whole: dict[int, list[AnyEvent]] | None = None,
        as_of: dict[int, float] | None = None,
    ) -> None:
        """Write what comes of the records of these calls, number to id and day; ``whole``: what is all of a record.

        ``now``: a call without an end that has been silent by then is lost; None: as of its last event. ``as_of``: the
        same for single ones.
        """
        at = as_of or {}
        events = dict(whole or {})
        events |= past.records_of(self._connection, [no for no in over if no not in events])
        again = [no for no in over if whole is None or no not in whole]
        made = self._as_known({no: facts(events[no], at.get(no, now)) if no in events else None for no in over}, again)
        self._one_piece({no: events[no] for no in again if no in events})
        self._rows(over, made)
        for part in chunks(again):
            self._connection.execute(delete(parts).where(parts.c.call_no.in_(part)))
        for no, each in made.items():
            self._days |= {over[no][1], *([self._store.day_of(each.began_at)] if each else [])}
        taking = [
            {"call_no": no, **msgspec.structs.asdict(part)} for no, each in made.items() if each for part in each.parts
        ]
        self._store.upsert(self._connection, parts, taking)
        self._withdraw([no for no in again if not (each := made[no]) or not each.lines])
        self.words({no: each for no, each in made.items() if each})

    def _withdraw(self, silent: Sequence[int]) -> None:
        """A late watermark may have taken back all that was heard. (Where retention took the words none are left.)"""
        for part in chunks(silent):
            of_these = select(words.c.call_no).where(words.c.call_no.in_(part))
            if stale := list(self._connection.scalars(of_these)):
                search.unindex(self._store, self._connection, stale)
                self._connection.execute(delete(words).where(words.c.call_no.in_(stale)))

    def _as_known(self, made: dict[int, Facts | None], again: Sequence[int]) -> dict[int, Facts | None]:
        """What only its words told of a call stays known when they have been forgotten."""
        for part in chunks(again):
            asked = select(calls.c.no, calls.c.listened, calls.c.heard_at).where(calls.c.no.in_(part))
            for no, listened, heard_at in self._connection.execute(asked):
                if each := made[no]:
                    later = max(heard_at, each.heard_at)
                    made[no] = replace(each, listened=listened or each.listened, heard_at=later)
        return made

    def words(self, made: dict[int, Facts]) -> None:
        """Write what was said in these calls."""
        said = [{"call_no": no, "lines": msgspec.json.encode(each.lines)} for no, each in made.items() if each.lines]
        self._store.upsert(self._connection, words, said)
        search.index(self._store, self._connection, {no: each.lines for no, each in made.items() if each.lines})

    def alerts(self, found: dict[str, list[AlertChange]]) -> None:
        """Add changes to their alerts; a change that is there already adds nothing."""
        told = [change for changes in found.values() for change in changes]
        gone = self._forgotten([name for change in told for name in (change.id, change.call, *change.calls)])
        left = {each: list(quoted.taken(changes, gone)) for each, changes in found.items()}
        found = {each: changes for each, changes in left.items() if changes}
        known: dict[str, tuple[AlertChange, ...]] = {}
        on: dict[str, str] = {}
        for part in chunks(list(found)):
            asked = select(alerts.c.id, alerts.c.day, alerts.c.changes).where(alerts.c.id.in_(part))
            for row in self._connection.execute(asked):
                known[row.id], on[row.id] = past.changes_in(row.changes), row.day
        merged = {each: _merged((*known.get(each, ()), *changes)) for each, changes in found.items()}
        fresh = {each: changes for each, changes in merged.items() if changes != known.get(each)}
        rows = [self._alert(changes) for changes in fresh.values()]
        self._store.upsert(self._connection, alerts, rows)
        self._days.update(str(row["day"]) for row in rows)
        self._days.update(on[each] for each in fresh if each in on)
        self._judge([each for each in fresh if each not in known])

    def judgements(self, made: Sequence[tuple[Judgement, Message]]) -> None:
        """Add what people did; one that is there already adds nothing."""
        gone = self._forgotten([name for each, _ in made for name in (each.alert, each.call)])
        rows = [
            {
                "id": each.id,
                "alert": each.alert,
                "call": each.call,
                "at": each.at,
                "by": each.by,
                "partition": message.partition,
                "seq": message.offset,
                "judgement": verdicts.render(each),
            }
            for each, message in made
            if each.call not in gone and each.at > gone.get(each.alert, float("-inf"))
        ]
        self._store.upsert(self._connection, judgements, rows, only=())
        self._judge(list(dict.fromkeys(str(row["alert"]) for row in rows)))

    def reads(self, made: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Who saw what, as it may be stored: that somebody read what is forgotten stays, what it was does not."""

        named = [_named(row["of"]) for row in made]
        gone = self._forgotten([name for names in named for name in names if len(name) <= NAME])
        return [
            row | {"of": quoted.MARKER} if any(name in gone for name in names) else row
            for row, names in zip(made, named, strict=True)
        ]

    # ------------------------------------------------------------------------------------------

    def _forgotten(self, asked: Sequence[str]) -> dict[str, float]:
        """Those of these calls and alerts that were deleted on request, and when."""
        found: dict[str, float] = {}
        for part in chunks(list(dict.fromkeys(asked))):
            rows = self._connection.execute(select(forgotten.c.call, forgotten.c.at).where(forgotten.c.call.in_(part)))
            found |= {row.call: row.at for row in rows}
        return found

    def _known(self, asked: Sequence[str]) -> dict[str, tuple[int, str, str]]:
        """Number, day and state of those calls that are there."""
        found: dict[str, tuple[int, str, str]] = {}
        for part in chunks(asked):
            rows = self._connection.execute(
                select(calls.c.id, calls.c.no, calls.c.day, calls.c.state).where(calls.c.id.in_(part))
            )
            found |= {row.id: (row.no, row.day, row.state) for row in rows}
        return found

    def _first(self, call: str, events: Sequence[AnyEvent]) -> dict[str, Any]:
        at = events[0].at
        return {"id": call, "state": "up", "day": self._store.day_of(at), "began_at": at, "heard_at": at}

    def _piece(self, no: int, events: Sequence[AnyEvent]) -> dict[str, Any]:
        return {
            "call_no": no,
            "first_seq": events[0].seq,
            "last_seq": max(event.seq or 0 for event in events),
            "events": len(events),
            "lines": past.pack(events),
        }

    def _pieces(self, found: dict[int, list[AnyEvent]]) -> None:
        """Store what has come. One that is there under its number is the same, or another log's: they are joined."""
        there: dict[tuple[int, int], bytes] = {}
        first = {no: events[0].seq for no, events in found.items()}
        for part in chunks(list(found)):
            keys = self._connection.execute(
                select(records.c.call_no, records.c.first_seq).where(records.c.call_no.in_(part))
            )
            for no in [no for no, seq in keys if seq == first[no]]:
                own = (records.c.call_no == no) & (records.c.first_seq == first[no])
                there[no, first[no] or 0] = self._connection.execute(select(records.c.lines).where(own)).scalar_one()
        pieces = []
        for no, events in found.items():
            before = there.get((no, first[no] or 0))
            every = past.once([*past.unpack(before), *events]) if before else events
            pieces.append(self._piece(no, every) | {"first_seq": first[no]})
        self._store.upsert(self._connection, records, pieces)

    def _one_piece(self, whole: dict[int, list[AnyEvent]]) -> None:
        """A record that came in many pieces is stored as one."""
        for part in chunks(list(whole)):
            self._connection.execute(delete(records).where(records.c.call_no.in_(part)))
        pieces = [self._piece(no, events) for no, events in whole.items() if events]
        self._store.upsert(self._connection, records, pieces)

    def _heard(self, heard: dict[int, float]) -> None:
        if not heard:
            return
        later = (calls.c.no == bindparam("_no")) & (calls.c.heard_at < bindparam("_at"))
        changed = update(calls).where(later).values(heard_at=bindparam("_at"))
        self._connection.execute(changed, [{"_no": no, "_at": at} for no, at in heard.items()])

    def _rows(self, over: dict[int, tuple[str, str]], made: dict[int, Facts | None]) -> None:
        rows = [_call_row(no, each, self._store.day_of(each.began_at)) for no, each in made.items() if each]
        self._store.upsert(self._connection, calls, rows)
        empty = [
            no for no in over if made[no] is None
        ]  # an end without a call, words of a call that was never heard of
        for part in chunks(empty):
            self._connection.execute(update(calls).where(calls.c.no.in_(part)).values(state="lost"))

    def _alert(self, changes: Sequence[AlertChange]) -> dict[str, Any]:
        """``says`` is the sentence of the gravest change, or of the end."""
        worst = max(changes, key=lambda change: SEVERITIES.index(change.severity))
        over = next((change for change in changes if change.state in _CLOSING), None)
        newest, opened_at = over or worst, min(change.at for change in changes)
        return {
            "id": newest.id,
            "call": newest.call,
            "rule": newest.rule,
            "severity": worst.severity,
            "day": self._store.day_of(opened_at),
            "opened_at": opened_at,
            "over_at": over.at if over else None,
            "agent": newest.agent or "",
            "agent_name": newest.agent_name or "",
            "queue": newest.queue or "",
            "title": newest.title,
            "title_en": newest.en.title if newest.en else "",
            "says": newest.says,
            "trial": newest.trial,
            "rulebook": newest.rulebook,
            "changes": msgspec.json.encode(changes),
        }

    def _judge(self, alert_ids: Sequence[str]) -> None:
        """Write how these alerts stand."""
        done = past.judged(self._connection, alert_ids)
        for alert_id, own in done.items():
            stands = past.stands(own)
            values = {
                "finding": stands.finding,
                "reason": stands.reason,
                "appeal": stands.appeal,
                "decided_at": stands.decided_at,
            }
            self._connection.execute(update(alerts).where(alerts.c.id == alert_id).values(**values))
        for part in chunks(list(done)):
            self._days.update(self._connection.scalars(select(alerts.c.day).where(alerts.c.id.in_(part)).distinct()))


def _named(of: str) -> list[str]:
    """Whatever an entry of the audit may name: it is an id, some words, or a JSON object of fields."""
    values = (audited.fields_of(of) or {}).values()
    listed = [str(each) for value in values for each in (value if isinstance(value, list) else [value])]
    return [of, *of.split(), *listed]


def _merged(changes: Iterable[AlertChange]) -> tuple[AlertChange, ...]:
    """Each change once: the engine sends at least once."""
    once: dict[tuple[str, str, float], AlertChange] = {}
    for change in changes:
        once.setdefault((change.state, change.severity, change.at), change)
    return tuple(once.values())


def _call_row(no: int, made: Facts, day: str) -> dict[str, Any]:
    own = {name: getattr(made, name) for name in _CALL_COLUMNS if name not in ("no", "day")}
    return {"no": no, "day": day, **own}


_CALL_COLUMNS = tuple(column.name for column in calls.columns)

__all__ = ["TOPICS", "Message", "Offsets", "TakenOverError", "Taking", "Took", "Topic", "Writer", "kept"]
