"""Reading single calls and alerts out of the store: the record, the changes, how an alert stands."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, select

from streams import verdicts
from streams.alerts import AlertChange
from streams.archive.facts import Line
from streams.archive.schema import alerts, calls, judgements, records, words
from streams.archive.store import chunks
from streams.events import AnyEvent, parse, render
from streams.verdicts import Judgement, Standing, judge

_LEVEL = 6
_changes = msgspec.json.Decoder(tuple[AlertChange, ...])
_lines = msgspec.json.Decoder(tuple[Line, ...])


def pack(events: Iterable[AnyEvent]) -> bytes:
    """A piece of a record, as it is stored: zlib over NDJSON."""
    return zlib.compress(b"\n".join(map(render, events)), _LEVEL)


def unpack(piece: bytes) -> list[AnyEvent]:
    """The inverse of ``pack``."""
    return [parse(line) for line in zlib.decompress(piece).split(b"\n") if line]


def joined(pieces: Iterable[bytes]) -> list[AnyEvent]:
    """The events of a record's pieces, each once, in the order in which they were logged."""
    return once([event for piece in pieces for event in unpack(piece)])


def once(events: Sequence[AnyEvent]) -> list[AnyEvent]:
    """The same. Offsets alone tell neither: a topic made anew counts from 0 again, a mirrored one counts otherwise.

    Where they fall back they are counted on, because whoever folds the record takes a lower one for a redelivery.
    """
    kept: dict[tuple[type, float], list[AnyEvent]] = {}
    found: list[AnyEvent] = []
    last = -1
    for event in sorted(events, key=_logged):
        like = kept.setdefault((type(event), event.at), [])
        if like and any(_is_same(event, each) for each in like):
            continue
        like.append(event)
        if event.seq is not None and event.seq <= last:
            event = replace(event, seq=last + 1)  # noqa: PLW2901 - as it is numbered here
        last = last if event.seq is None else event.seq
        found.append(event)
    return found


def _logged(event: AnyEvent) -> tuple[float, int]:
    return event.logged_at or 0.0, -1 if event.seq is None else event.seq


def _is_same(one: AnyEvent, other: AnyEvent) -> bool:
    return replace(one, seq=other.seq, logged_at=other.logged_at) == other


def record(connection: Connection, call: str) -> list[AnyEvent]:
    """Everything that was logged of a call, ticks left out; empty: it is not known."""
    asked = select(records.c.lines).join(calls).where(calls.c.id == call).order_by(records.c.first_seq)
    return joined(connection.scalars(asked))


def records_of(connection: Connection, nos: Sequence[int]) -> dict[int, list[AnyEvent]]:
    """The same for many calls, by their numbers."""
    pieces: dict[int, list[bytes]] = {}
    for part in chunks(nos):
        for no, lines in connection.execute(
            select(records.c.call_no, records.c.lines).where(records.c.call_no.in_(part))
        ):
            pieces.setdefault(no, []).append(lines)
    return {no: joined(own) for no, own in pieces.items()}


def lines(connection: Connection, call: str) -> tuple[Line, ...]:
    """What was said in a call, oldest first; empty: nothing was heard, or it is forgotten."""
    found = connection.scalar(select(words.c.lines).join(calls).where(calls.c.id == call))
    return _lines.decode(found) if found else ()


def lines_in(stored: bytes) -> tuple[Line, ...]:
    """Of a row of ``words``."""
    return _lines.decode(stored)


def changes_in(stored: bytes) -> tuple[AlertChange, ...]:
    """Of a row of ``alerts``."""
    return _changes.decode(stored)


def alert(connection: Connection, alert_id: str) -> tuple[AlertChange, ...]:
    """Every change of an alert, oldest first; empty: it is not known."""
    found = connection.scalar(select(alerts.c.changes).where(alerts.c.id == alert_id))
    return _changes.decode(found) if found else ()


def alerts_of(connection: Connection, call: str) -> tuple[AlertChange, ...]:
    """Every change of the alerts of a call, by their opening."""
    asked = select(alerts.c.changes).where(alerts.c.call == call).order_by(alerts.c.opened_at, alerts.c.id)
    return tuple(change for stored in connection.scalars(asked) for change in _changes.decode(stored))


def judged(connection: Connection, alert_ids: Sequence[str]) -> dict[str, list[Judgement]]:
    """What was done with these alerts, in the order in which it was done."""
    found: dict[str, list[Judgement]] = {}
    for part in chunks(alert_ids):
        own = select(judgements.c.judgement).where(judgements.c.alert.in_(part))
        for stored in connection.scalars(own.order_by(judgements.c.partition, judgements.c.seq)):
            verdict = verdicts.parse(stored)
            if isinstance(verdict, Judgement):
                found.setdefault(verdict.alert, []).append(verdict)
    return found


def standing(connection: Connection, alert_id: str) -> Standing:
    """How an alert stands."""
    return stands(judged(connection, [alert_id]).get(alert_id, ()))


def stands(done: Iterable[Judgement]) -> Standing:
    """What comes of what was done with one alert, in order."""
    found = Standing()
    for judgement in done:
        found = judge(found, judgement)
    return found
