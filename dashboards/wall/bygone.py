"""What the archive knows for the pages: alerts as cards, calls as lines, an agent's day. Blocks: for a thread.

Owns how a row becomes what the screens show of today, by the same folds. Knows nothing of who may see it: scopes are
for ``reading``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, exists, select

from dashboards.wall import cards
from dashboards.wall.pages import CallLine
from dashboards.wall.views import Card, Person
from streams.alerts import AlertChange
from streams.archive import past
from streams.archive.schema import alerts, calls, forgotten, parts, words
from streams.archive.store import Store, chunks
from streams.events import AnyEvent
from streams.verdicts import WEEK_S, Standing

#: So many alerts of one agent and rule, or of one day, are shown at most.
MOST = 500


class Bygone(NamedTuple):
    """One alert: its card, every change, oldest first, and how it stands."""

    card: Card
    changes: tuple[AlertChange, ...]
    standing: Standing


class Kept(NamedTuple):
    """One call. ``party``: whose it is; ``rang``: whose phones rang besides; ``has_words``: what was said is kept."""

    line: CallLine
    state: str
    heard_at: float
    party: tuple[str, ...] = ()
    rang: tuple[str, ...] = ()
    listened: bool = False
    has_words: bool = False


class Past(NamedTuple):
    """All that the page of one alert needs. ``call`` None: nothing is known of its call, or it is forgotten."""

    alert: Bygone
    beside: tuple[Bygone, ...]
    earlier: tuple[Bygone, ...]
    call: Kept | None
    record: tuple[AnyEvent, ...]


class Day(NamedTuple):
    """An agent's day, both oldest first; ``name`` as the newest call has it. ``is_known``: ever heard of."""

    calls: tuple[Kept, ...]
    alerts: tuple[Card, ...]
    name: str
    is_known: bool


def alert(_: Store, connection: Connection, alert_id: str) -> Past | None:
    """The alert and everything around it; None: it is not known."""
    found = _alerts(connection, _ALERT.where(alerts.c.id == alert_id))
    if not found:
        return None
    card = found[0].card
    before = _earlier(connection, card.agent.id, card.rule, card.opened_at) if card.agent else ()
    return Past(
        alert=found[0],
        beside=alerts_of(connection, [card.call]),
        earlier=before,
        call=call(connection, card.call),
        record=tuple(past.record(connection, card.call)),
    )


def alerts_of(connection: Connection, call_ids: Sequence[str]) -> tuple[Bygone, ...]:
    """The alerts of these calls, by their opening."""
    found: list[Bygone] = []
    for part in chunks(call_ids):
        found += _alerts(connection, _ALERT.where(alerts.c.call.in_(part)))
    return tuple(sorted(found, key=lambda each: (each.card.opened_at, each.card.id)))


def call(connection: Connection, call_id: str) -> Kept | None:
    """What is known of a call beside its record; None: nothing."""
    found = _calls(connection, select(calls).where(calls.c.id == call_id))
    return found[0] if found else None


def is_forgotten(connection: Connection, of: str) -> bool:
    """Whether that call, or that alert, was deleted on request."""
    return bool(forgotten_of(connection, (of,)))


def forgotten_of(connection: Connection, names: Sequence[str]) -> frozenset[str]:
    """Those of these calls and alerts that were deleted on request."""
    found: set[str] = set()
    for part in chunks(names):
        found |= set(connection.scalars(select(forgotten.c.call).where(forgotten.c.call.in_(part))))
    return frozenset(found)


def day(connection: Connection, agent: str, since: float, until: float) -> Day:
    """What an agent had between these times, Unix seconds."""
    of_day = (calls.c.began_at >= since) & (calls.c.began_at < until)
    own = select(calls).join(parts).where(parts.c.agent == agent, of_day).order_by(calls.c.began_at, calls.c.id)
    opened = (alerts.c.agent == agent) & (alerts.c.opened_at >= since) & (alerts.c.opened_at < until)
    fired = _alerts(connection, _ALERT.where(opened).order_by(alerts.c.opened_at.desc()).limit(MOST))
    took_part = exists().where(parts.c.agent == agent)
    is_known = bool(
        connection.scalar(select(took_part)) or connection.scalar(select(exists().where(alerts.c.agent == agent)))
    )
    named = select(parts.c.name).where(parts.c.agent == agent, parts.c.name != "").order_by(parts.c.call_no.desc())
    return Day(
        calls=tuple(_calls(connection, own.limit(10 * MOST))),
        alerts=tuple(each.card for each in reversed(fired)),
        name=connection.scalar(named.limit(1)) or "",
        is_known=is_known,
    )


_ALERT = select(alerts.c.id, alerts.c.changes)


def _earlier(connection: Connection, agent: str, rule: str, before: float) -> tuple[Bygone, ...]:
    """Those of the same agent and rule in the seven days before, the newest first."""
    same = (alerts.c.agent == agent) & (alerts.c.rule == rule)
    lately = (alerts.c.opened_at >= before - WEEK_S) & (alerts.c.opened_at < before)
    return tuple(_alerts(connection, _ALERT.where(same, lately).order_by(alerts.c.opened_at.desc()).limit(MOST)))


def _alerts(connection: Connection, asked: Select[Any]) -> list[Bygone]:
    rows = {row.id: past.changes_in(row.changes) for row in connection.execute(asked)}
    done = past.judged(connection, list(rows))
    return [_bygone(changes, past.stands(done.get(alert_id, ()))) for alert_id, changes in rows.items()]


def _bygone(changes: tuple[AlertChange, ...], standing: Standing) -> Bygone:
    known = reduce(cards.further, changes[1:], cards.first(changes[0]))
    return Bygone(cards.card_of(known, standing, is_up=False), changes, standing)


def _calls(connection: Connection, asked: Select[Any]) -> list[Kept]:
    rows = list(connection.execute(asked))
    nos = [row.no for row in rows]
    who: dict[int, list[Any]] = {}
    said: set[int] = set()
    for part in chunks(nos):
        for row in connection.execute(select(parts).where(parts.c.call_no.in_(part))):
            who.setdefault(row.call_no, []).append(row)
        said |= set(connection.scalars(select(words.c.call_no).where(words.c.call_no.in_(part))))
    return [_kept(row, who.get(row.no, ()), has_words=row.no in said) for row in rows]


def _kept(row: Any, took_part: Iterable[Any], *, has_words: bool) -> Kept:
    """Who spoke last, and is told last, the row itself says; of the others no order is kept."""
    people = sorted(took_part, key=lambda part: (part.agent == row.agent, part.agent))
    spoke = [part for part in people if part.spoke]
    line = CallLine(
        id=row.id,
        began_at=row.began_at,
        phase="ended" if row.state != "up" else "talking",
        direction=row.direction,
        queue=row.queue,
        caller=row.caller,
        ended_at=row.ended_at if row.ended_at is not None or row.state == "up" else row.heard_at,
        ended_by=row.ended_by,
        agents=tuple(Person(part.agent, part.name) for part in spoke),
        ring_s=row.ring_s,
        talk_s=row.talk_s,
        held_s=row.held_s,
    )
    return Kept(
        line=line,
        state=row.state,
        heard_at=row.heard_at,
        party=tuple(part.agent for part in spoke),
        rang=tuple(part.agent for part in people if not part.spoke),
        listened=row.listened,
        has_words=has_words,
    )
