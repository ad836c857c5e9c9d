"""The questions that figures put to the store. What is large is added up there; rows come out of one agent or rule.

Owns the SQL, the same for both stores. Needs nobody's words: figures outlive them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Integer, and_, case, cast, func, or_, select

from streams.archive import figures_facts, figures_numbers, past
from streams.archive.figures_days import Span
from streams.archive.figures_facts import AgentRows, Alike, Fired, FloorRows, Named, RuleRows, Slot, Sums, Took, With
from streams.archive.figures_numbers import Spread
from streams.archive.schema import alerts, calls, parts
from streams.archive.store import chunks

#: Durations of many calls are counted in tenths of a second.
_TENTHS = 10

#: SQLite would rather look for all that is ``ended``, which is nearly all of the store, than for the days.
_ENDED = and_(calls.c.state != "up", calls.c.state != "lost")
_IS_IN = calls.c.direction == "inbound"
#: A call found talking was answered, nobody knows when (``in_time`` is null); so is an outbound one with talk.
_WAS_ANSWERED = or_(
    calls.c.answered_at.is_not(None),
    and_(_IS_IN, _ENDED, calls.c.in_time.is_(None)),
    and_(~_IS_IN, calls.c.talk_s > 0),
)


def _within(span: Span) -> ColumnElement[bool]:
    return calls.c.day.between(str(span.first), str(span.last))


def _opened_within(span: Span) -> ColumnElement[bool]:
    return alerts.c.day.between(str(span.first), str(span.last))


def _floor(connection: Connection, value: ColumnElement[Any]) -> ColumnElement[int]:
    """Rounded down, of what is not negative. A cast does so in SQLite; PostgreSQL's would round to the nearest."""
    return cast(value if connection.dialect.name == "sqlite" else func.floor(value), Integer)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _total(column: ColumnElement[Any], condition: ColumnElement[bool]) -> ColumnElement[float]:
    return func.sum(case((condition, column), else_=0.0))


# ------------------------------------------------------------------------------------------------- all of each


def of_agent(connection: Connection, span: Span, agent: str, name: str) -> AgentRows:
    """Everything for ``figures_of_agent.agent_figures``."""
    own = took(connection, span, agent), fired_of_agent(connection, span, agent)
    return AgentRows(agent, name, *own, sums(connection, span))


def of_rule(connection: Connection, span: Span, rule: tuple[str, str, str]) -> RuleRows:
    """Everything for ``figures_of_rule.rule_figures``; ``rule``: as ``rule_named`` gives it."""
    return RuleRows(
        *rule,
        fired_of_rule(connection, span, rule[0]),
        slots(connection, span),
        *with_rule(connection, span, rule[0]),
    )


def of_floor(connection: Connection, span: Span) -> FloorRows:
    """Everything for ``figures_of_floor.floor_figures``."""
    return FloorRows(
        slots(connection, span), spreads(connection, span), alike(connection, span), named(connection, span)
    )


# ------------------------------------------------------------------------------------------------------- floor


def slots(connection: Connection, span: Span) -> list[Slot]:
    """Every call of these days, added up by quarters of an hour."""
    key = (
        calls.c.day,
        _floor(connection, calls.c.began_at / float(figures_facts.SLOT_S)).label("slot"),
        calls.c.queue,
        calls.c.direction,
        calls.c.state,
    )
    asked = select(
        *key,
        func.count(),
        _count(_WAS_ANSWERED),
        _count(calls.c.in_time.is_not(None)),
        _count(calls.c.in_time.is_(True)),
        _count(calls.c.abandoned.is_(True)),
        _count(calls.c.listened.is_(True)),
        _count(and_(_WAS_ANSWERED, calls.c.listened.is_(False))),
    )
    grouped = asked.where(_within(span)).group_by(*(column.name if column is key[1] else column for column in key))
    return [Slot(*row) for row in connection.execute(grouped)]


def spreads(connection: Connection, span: Span) -> dict[str, Spread]:
    """How long callers waited, were talked with, held and passed on, in calls that have ended."""
    asked = {
        "wait": (calls.c.wait_s, and_(_IS_IN, calls.c.answered_at.is_not(None))),
        "gave_up": (calls.c.wait_s, and_(_IS_IN, calls.c.abandoned.is_(True))),
        "talk": (calls.c.talk_s, and_(_IS_IN, _WAS_ANSWERED)),
        "hold": (calls.c.held_s, and_(_IS_IN, calls.c.held_s > 0)),
        "transfer": (calls.c.transfer_s, and_(_IS_IN, calls.c.transfer_s > 0)),
        "talk_out": (calls.c.talk_s, and_(~_IS_IN, _WAS_ANSWERED)),
    }
    return {name: _spread(connection, span, column, which) for name, (column, which) in asked.items()}


def _spread(connection: Connection, span: Span, column: ColumnElement[Any], which: ColumnElement[bool]) -> Spread:
    tenth = _floor(connection, column * float(_TENTHS) + 0.5).label("tenth")
    asked = select(tenth, func.count(), cast(func.sum(column), Float), func.max(column))
    ended = asked.where(_within(span), _ENDED, which).group_by("tenth")
    rows = list(connection.execute(ended))
    counts = {row[0] / _TENTHS: row[1] for row in rows}
    return figures_numbers.spread(counts, sum(row[2] for row in rows), max((row[3] for row in rows), default=0.0))


def alike(connection: Connection, span: Span) -> list[Alike]:
    """Every alert of these days, added up."""
    key = (
        alerts.c.rule,
        alerts.c.rulebook,
        alerts.c.severity,
        alerts.c.trial,
        alerts.c.finding,
        alerts.c.appeal,
    )
    asked = select(*key, func.count()).where(_opened_within(span)).group_by(*key)
    return [Alike(*row) for row in connection.execute(asked)]


def named(connection: Connection, span: Span) -> dict[tuple[str, str], Named]:
    """Rule and version of the rulebook -> its wording, read from one of its alerts."""
    key = (alerts.c.rule, alerts.c.rulebook)
    one = [
        row[0] for row in connection.execute(select(func.max(alerts.c.id)).where(_opened_within(span)).group_by(*key))
    ]
    found = {}
    for part in chunks(one):
        asked = select(*key, alerts.c.title, alerts.c.title_en, alerts.c.changes).where(alerts.c.id.in_(part))
        for rule, rulebook, title, title_en, changes in connection.execute(asked):
            found[rule, rulebook] = Named(title, title_en, _clause(changes))
    return found


def _clause(changes: bytes) -> str:
    """``《客户客服对话范文》第19篇 第六十条``; empty: the changes are not kept any more."""
    clause = next((change.clause for change in past.changes_in(changes)), None) if changes else None
    if clause is None or not (clause.title or clause.manual or clause.section):
        return ""
    return f"{f'《{clause.title}》' if clause.title else clause.manual}{clause.section}"


def kept(connection: Connection) -> tuple[str, str] | None:
    """The first and the last day of which the store holds calls; None: it holds none."""
    first, last = connection.execute(select(func.min(calls.c.day), func.max(calls.c.day))).one()
    return (first, last) if first else None


# ------------------------------------------------------------------------------------------------------- agent


def took(connection: Connection, span: Span, agent: str) -> list[Took]:
    """Every call of these days in which the agent took part."""
    asked = select(
        calls.c.id,
        calls.c.state,
        calls.c.day,
        calls.c.began_at,
        calls.c.ended_at,
        calls.c.direction,
        calls.c.queue,
        calls.c.caller,
        calls.c.ended_by,
        calls.c.transfers,
        calls.c.listened,
        parts.c.spoke,
        parts.c.ring_s,
        parts.c.missed,
        parts.c.talk_s,
        parts.c.held_s,
    ).join_from(parts, calls)
    return [Took(*tuple(row)) for row in connection.execute(asked.where(parts.c.agent == agent, _within(span)))]


def sums(connection: Connection, span: Span) -> list[Sums]:
    """Every agent's sums of the inbound calls of these days that have ended."""
    after_ring = and_(parts.c.spoke.is_(True), parts.c.ring_s > 0)
    took_it = parts.c.spoke.is_(True)
    asked = select(
        parts.c.agent,
        func.count(),
        _count(took_it),
        _count(after_ring),
        _total(parts.c.ring_s, after_ring),
        func.sum(parts.c.missed),
        _total(parts.c.talk_s, took_it),
        _count(and_(took_it, parts.c.held_s > 0)),
        _total(parts.c.held_s, took_it),
        _count(and_(took_it, calls.c.transfers > 0)),
    ).join_from(parts, calls)
    by_agent = asked.where(_within(span), _ENDED, _IS_IN).group_by(parts.c.agent)
    against = _against(connection, span)
    return [Sums(*row)._replace(counted=against.get(row[0], 0)) for row in connection.execute(by_agent)]


#: The same as ``figures_facts.counts_against``.
_COUNTS = and_(alerts.c.finding == "true", alerts.c.appeal != "open", alerts.c.trial.is_(False))


def _against(connection: Connection, span: Span) -> dict[str, int]:
    """Agent -> alerts of these days that count, of the very calls that ``Sums.taken`` counts."""
    asked = select(alerts.c.call, alerts.c.agent, func.count())
    counting = asked.where(_opened_within(span), _COUNTS, alerts.c.agent != "")
    rows = connection.execute(counting.group_by(alerts.c.call, alerts.c.agent))
    fired = {(row[0], row[1]): row[2] for row in rows}
    found = Counter[str]()
    for part in chunks(sorted({call for call, _ in fired})):
        took_it = select(calls.c.id, parts.c.agent).join_from(parts, calls).where(calls.c.id.in_(part))
        for call, agent in connection.execute(took_it.where(_within(span), _ENDED, _IS_IN, parts.c.spoke.is_(True))):
            found[agent] += fired.get((call, agent), 0)
    return found


def fired_of_agent(connection: Connection, span: Span, agent: str) -> list[Fired]:
    """Every alert of these days about the agent, as it opened."""
    return _fired(connection, and_(_opened_within(span), alerts.c.agent == agent))


def _fired(connection: Connection, which: ColumnElement[bool]) -> list[Fired]:
    asked = select(*(alerts.c[name] for name in Fired._fields)).where(which).order_by(alerts.c.opened_at, alerts.c.id)
    return [Fired(*row) for row in connection.execute(asked)]


def agent_named(connection: Connection, given: str) -> tuple[str, str] | None:
    """The number and the newest name of the agent of that number, or of that name; None: nobody is."""
    number = select(parts.c.agent).where(parts.c.agent == given).limit(1)
    about = select(alerts.c.agent).where(alerts.c.agent == given).limit(1)
    agent = connection.scalar(number) or connection.scalar(about)
    if agent is None:
        found = set(connection.scalars(select(parts.c.agent).where(parts.c.name == given).distinct()))
        if len(found) != 1:
            return None
        agent = found.pop()
    return agent, name_of(connection, agent)


def name_of(connection: Connection, agent: str) -> str:
    """The agent's newest name; empty: nobody said it."""
    of_calls = select(parts.c.name).where(parts.c.agent == agent, parts.c.name != "")
    of_alerts = select(alerts.c.agent_name).where(alerts.c.agent == agent, alerts.c.agent_name != "")
    newest = connection.scalar(of_calls.order_by(parts.c.call_no.desc()).limit(1))
    return newest or connection.scalar(of_alerts.order_by(alerts.c.opened_at.desc()).limit(1)) or ""


def agents(connection: Connection) -> list[str]:
    """Every number of an agent; outside lines are left out."""
    return sorted(each for each in connection.scalars(select(parts.c.agent).distinct()) if "*" not in each)


# -------------------------------------------------------------------------------------------------------- rule


def fired_of_rule(connection: Connection, span: Span, rule: str) -> list[Fired]:
    """Every alert of these days of the rule, as it opened."""
    return _fired(connection, and_(_opened_within(span), alerts.c.rule == rule))


def with_rule(connection: Connection, span: Span, rule: str) -> tuple[list[With], dict[str, tuple[int, int]]]:
    """How many of the ended calls of these days have an alert of the rule, whenever it opened.

    And agent -> calls with an alert that counts against the agent, and all the agent took part in. Asked in small steps
    by key: as one join, PostgreSQL without fresh statistics took minutes of a month.
    """
    fired = _near(connection, span, rule)
    found = _ended(connection, span, list(fired))
    queues, heard = (
        Counter(queue for _, queue, _ in found.values()),
        Counter(q for _, q, heard in found.values() if heard),
    )
    against = {found[call][0]: agents for call, agents in fired.items() if call in found and agents}
    hits = _took_part(connection, against)
    every = select(parts.c.agent, func.count()).join_from(parts, calls).where(_within(span), _ENDED)
    in_all = {row[0]: row[1] for row in connection.execute(every.group_by(parts.c.agent))}
    return [With(q, n, heard[q]) for q, n in queues.items()], {agent: (hits[agent], n) for agent, n in in_all.items()}


def _near(connection: Connection, span: Span, rule: str) -> dict[str, set[str]]:
    """Call -> the agents against whom an alert counts there; it may open on the day after its call began."""
    near = alerts.c.day.between(str(span.first), str(span.last + timedelta(days=1)))
    asked = select(alerts.c.call, case((_COUNTS, alerts.c.agent), else_="")).where(alerts.c.rule == rule, near)
    found: dict[str, set[str]] = {}
    for call, agent in connection.execute(asked):
        found.setdefault(call, set()).update({agent} - {""})
    return found


def _ended(connection: Connection, span: Span, ids: Sequence[str]) -> dict[str, tuple[int, str, bool]]:
    """Number, queue and whether somebody listened, of those of these calls that count."""
    found = {}
    for part in chunks(ids):
        asked = select(calls.c.id, calls.c.no, calls.c.queue, calls.c.listened).where(calls.c.id.in_(part))
        for row in connection.execute(asked.where(_within(span), _ENDED)):
            found[row[0]] = (row[1], row[2], row[3])
    return found


def _took_part(connection: Connection, agents: Mapping[int, set[str]]) -> Counter[str]:
    """Agent -> in how many of these calls, by number, the agent took part."""
    found = Counter[str]()
    for part in chunks(list(agents)):
        for no, agent in connection.execute(select(parts.c.call_no, parts.c.agent).where(parts.c.call_no.in_(part))):
            found[agent] += agent in agents[no]
    return found


def rule_named(connection: Connection, given: str) -> tuple[str, str, str] | None:
    """Id and newest titles of the rule of that id, or of that title; None: no alert is kept of it."""
    asked = select(alerts.c.rule, alerts.c.title, alerts.c.title_en).order_by(alerts.c.opened_at.desc()).limit(1)
    row = connection.execute(asked.where(alerts.c.rule == given)).first()
    row = row or connection.execute(asked.where(alerts.c.title == given)).first()
    return (row[0], row[1], row[2]) if row else None


def rules(connection: Connection) -> list[str]:
    """Every rule of which an alert is kept."""
    return sorted(connection.scalars(select(alerts.c.rule).distinct()))
