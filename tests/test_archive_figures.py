"""Figures for managers: a small floor counted by hand, on both stores; what is fair; CSV, and the page on paper."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page
from pydantic import SecretStr
from sqlalchemy import delete, select, update

from bench.day import write_day
from streams.alerts import AlertChange, Clause, Wording
from streams.archive import (
    figures_days,
    figures_facts,
    figures_numbers,
    figures_of_agent,
    figures_of_floor,
    figures_of_rule,
    figures_page,
    figures_rows,
    migrations,
)
from streams.archive.figures_agent import agent_report
from streams.archive.figures_cli import as_csv
from streams.archive.figures_facts import FAIR_AGENTS, FAIR_CALLS
from streams.archive.figures_floor import floor_report
from streams.archive.figures_of_rule import FAIR_HITS
from streams.archive.figures_report import Report, Table, Words, interval, percent, timely, unfinished
from streams.archive.figures_rule import rule_report
from streams.archive.reads import fields_of
from streams.archive.schema import alerts, calls, parts, reads, words
from streams.archive.store import Store
from streams.archive.taking import Taking
from streams.events import (
    AgentMissed,
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    CallTransferred,
    CallTransferring,
    Event,
    Party,
    Transcript,
)
from streams.replay import read_record
from streams.settings import ArchiveSettings, Settings, WallSettings
from streams.verdicts import Action, Judgement, Precision, Reason
from tests.archive_tools import KEY, Log, taken
from tests.browser_tools import needs_chromium
from tests.conftest import Run

ZONE = ZoneInfo("Asia/Shanghai")
DAY = figures_days.day("2026-11-20")


def clock(text: str, day: str = "2026-11-20", zone: ZoneInfo = ZONE) -> float:
    """Unix seconds of a time of day."""
    return datetime.fromisoformat(f"{day}T{text}").replace(tzinfo=zone).timestamp()


# ---------------------------------------------------------------------------------------------- a scripted floor


def talked(  # the shape of most calls
    call: str,
    at: float,
    agent: str = "101",
    *,
    wait: float = 5.0,
    talk: float = 60.0,
    queue: str = "hotline",
    by: Party = "customer",
    name: str | None = None,
    listened: bool = True,
) -> Iterator[AnyEvent]:
    """Rings at once, is answered after ``wait``, talks for ``talk``."""
    yield CallOffered(call=call, at=at, caller="13812345678", queue=queue)
    yield AgentRinging(call=call, at=at, agent=agent, agent_name=name)
    yield CallAnswered(call=call, at=at + wait, agent=agent, agent_name=name)
    if listened:
        at_word = at + wait + 1
        yield Transcript(call=call, at=at_word, role="agent", text="您好", start=at_word, end=at_word + 0.5, final=True)
    yield CallEnded(call=call, at=at + wait + talk, by=by)


def scripted() -> list[AnyEvent]:
    """::

    a  09:00:00  answered after exactly 10 s            in time
    b  09:10:00  after 10.001 s, held 20 s, deaf        late
    c  10:00:00  101 misses, the customer gives up      abandoned
    d  23:59:50  over midnight                          in time, of this day
    e  11:00:00  its end never comes                    lost
    f  23:58:00  goes on                                up
    g  13:00:00  outbound
    h  14:00:00  vip, 102, passed on to 103             in time
    i  15:00:00  the system ends it                     other
    j  16:00:00  found talking                          answered, its wait unknown
    y  the day before, 23:59:59;  z  the day after, 00:00:00
    """
    found: list[AnyEvent] = [*talked("a", clock("09:00:00"), wait=10.0, name="Ana")]
    at = clock("09:10:00")
    found += [
        CallOffered(call="b", at=at, caller="13812345678", queue="hotline"),
        AgentRinging(call="b", at=at, agent="101"),
        CallAnswered(call="b", at=at + 10.001, agent="101"),
        CallHeld(call="b", at=at + 40.001),
        CallResumed(call="b", at=at + 60.001),
        CallEnded(call="b", at=at + 70.001, by="agent"),
    ]
    at = clock("10:00:00")
    found += [
        CallOffered(call="c", at=at, caller="13812345678", queue="hotline"),
        AgentRinging(call="c", at=at, agent="101"),
        AgentMissed(call="c", at=at + 15, agent="101"),
        CallEnded(call="c", at=at + 20, by="customer"),
    ]
    found += talked("d", clock("23:59:50"), talk=120.0, name="Ana Lopez")
    found += list(talked("e", clock("11:00:00")))[:-1]
    at = clock("13:00:00")
    found += [
        CallOffered(call="g", at=at, caller="101", called="13900001111", direction="outbound"),
        CallAnswered(call="g", at=at + 8, agent="101"),
        CallEnded(call="g", at=at + 48, by="agent"),
    ]
    at = clock("14:00:00")
    found += [
        CallOffered(call="h", at=at, caller="13812345678", queue="vip"),
        AgentRinging(call="h", at=at, agent="102"),
        CallAnswered(call="h", at=at + 3, agent="102"),
        CallTransferring(call="h", at=at + 23, agent="102", to="103"),
        CallTransferred(call="h", at=at + 31, agent="103"),
        CallEnded(call="h", at=at + 51, by="customer"),
    ]
    at = clock("15:00:00")
    found += [
        CallOffered(call="i", at=at, caller="13812345678", queue="hotline"),
        CallEnded(call="i", at=at + 4, by="system"),
    ]
    at = clock("16:00:00")
    found += [CallResumed(call="j", at=at), CallEnded(call="j", at=at + 30, by="customer")]
    found += list(talked("f", clock("23:58:00"), "104"))[:-1]
    found += talked("y", clock("23:59:59", "2026-11-19"))
    found += talked("z", clock("00:00:00", "2026-11-21"))
    return found


def alert(
    alert_id: str,
    call: str,
    at: float,
    rule: str = "dead-air",
    agent: str = "101",
    *,
    trial: bool = False,
    severity: str = "warning",
    rulebook: str = "v1",
    queue: str = "hotline",
) -> AlertChange:
    return AlertChange(
        id=alert_id, rule=rule, severity=severity, state="opened",  # type: ignore[arg-type]
        call=call, agent=agent, queue=queue, at=at,
        title={"dead-air": "冷场"}.get(rule, f"规则{rule}"), says="没有人说话",
        en=Wording(f"Title of {rule}", "Nobody speaks"), trial=trial, rulebook=rulebook,
        clause=Clause("002", "第十条" if rule == "dead-air" else "第二条", title="范文"),
    )  # fmt: skip


def judged(
    of: AlertChange, *actions: Action, after_s: float = 60.0, reason: Reason = "misheard"
) -> Iterator[Judgement]:
    for n, action in enumerate(actions):
        yield Judgement(
            id=f"{of.id}-{n}", alert=of.id, call=of.call, rule=of.rule, action=action, by="li", by_name="Li",
            at=of.at + after_s + n, agent=of.agent, reason=reason if action == "false_alarm" else None,
        )  # fmt: skip


def filled(store: Store) -> Store:
    """The scripted floor with its alerts: of 101 one right, one false, one open, one appealed, one right on trial."""
    made = [
        (alert("t1", "a", clock("09:00:30")), ("claimed", "resolved")),
        (alert("f1", "b", clock("09:10:30"), severity="critical"), ("false_alarm",)),
        (alert("o1", "b", clock("09:10:40"), rulebook="v2"), ()),
        (alert("p1", "d", clock("23:59:59"), "summons"), ("resolved", "appealed")),
        (alert("u1", "d", clock("00:00:30", "2026-11-21"), "summons"), ("resolved",)),
        (alert("n1", "d", clock("00:01:00", "2026-11-21"), "late-one"), ()),
        (alert("x1", "a", clock("09:00:40"), "tryout", trial=True), ("resolved",)),
        (alert("d1", "h", clock("14:00:10"), agent="102", queue="vip"), ("resolved", "appealed", "dismissed")),
        (alert("w1", "h", clock("14:00:20"), agent="103", queue="vip"), ("appealed", "upheld")),
    ]
    log = Log().calls(scripted()).alerts([each for each, _ in made])
    for each, actions in made:
        log.verdicts(judged(each, *actions))
    taken(store, log.messages)
    assert Taking(store, KEY, 60).close_lost(clock("23:59:00")) == 1
    return store


def floor(store: Store, span: figures_days.Span = DAY) -> figures_of_floor.FloorFigures:
    with store.reading() as connection:
        return figures_of_floor.floor_figures(figures_rows.of_floor(connection, span), span, store.zone)


def agent(
    store: Store, who: str = "101", span: figures_days.Span = DAY, teams: dict[str, Sequence[str]] | None = None
) -> figures_of_agent.AgentFigures:
    with store.reading() as connection:
        name = figures_rows.name_of(connection, who)
        return figures_of_agent.agent_figures(
            figures_rows.of_agent(connection, span, who, name), span, teams or {}, store.zone
        )


def rule(store: Store, which: str = "dead-air", span: figures_days.Span = DAY) -> figures_of_rule.RuleFigures:
    with store.reading() as connection:
        named = figures_rows.rule_named(connection, which)
        assert named
        return figures_of_rule.rule_figures(figures_rows.of_rule(connection, span, named), span, store.zone)


# ------------------------------------------------------------------------------------------- counted by hand


def test_the_floor_is_as_counted_by_hand(store: Store) -> None:
    found = floor(filled(store))
    assert (found.total.offered, found.total.answered, found.total.abandoned, found.total.other) == (7, 5, 1, 1)
    assert (found.total.known, found.total.in_time, found.total.level) == (6, 3, 0.5)
    assert (found.outbound, found.outbound_answered, found.up, found.lost) == (1, 1, 1, 1)
    assert (found.answered, found.deaf) == (6, 4)  # b, g, h, j
    offers = {offer.name: (offer.offered, offer.answered, offer.known, offer.in_time) for offer in found.by_queue}
    assert offers == {"": (1, 1, 0, 0), "hotline": (5, 3, 5, 2), "vip": (1, 1, 1, 1)}
    assert {offer.name: offer.offered for offer in found.by_hour if offer.offered} == {
        "09": 2, "10": 1, "14": 1, "15": 1, "16": 1, "23": 1,
    }  # fmt: skip
    assert [offer.name for offer in found.by_hour] == [f"{hour:02}" for hour in range(9, 24)]
    assert [(offer.name, offer.offered) for offer in found.by_day] == [("2026-11-20", 7)]


def test_the_floors_times_are_as_counted_by_hand(store: Store) -> None:
    s = floor(filled(store)).spreads
    assert (s["wait"].n, s["wait"].longest_s) == (4, pytest.approx(10.001))
    assert s["wait"].total_s == pytest.approx(10 + 10.001 + 5 + 3)
    assert (s["gave_up"].n, s["gave_up"].total_s) == (1, pytest.approx(20))
    assert (s["talk"].n, s["talk"].total_s) == (5, pytest.approx(60 + 40 + 120 + 40 + 30))
    assert (s["hold"].n, s["hold"].total_s) == (1, pytest.approx(20))
    assert (s["transfer"].n, s["transfer"].total_s) == (1, pytest.approx(8))
    assert (s["talk_out"].n, s["talk_out"].total_s) == (1, pytest.approx(40))
    assert s["wait"].median_s is None


def test_the_floors_alerts_are_told_by_rule_and_clause(store: Store) -> None:
    found = floor(filled(store))
    told = {r.rule: (r.total, r.by_severity, r.sure.judged, r.appealed) for r in found.rules}
    assert told == {
        "dead-air": (5, (1, 4, 0), Precision(2, 2, 1), 0),
        "summons": (1, (0, 1, 0), Precision(1, 0, 0), 1),
    }
    assert [(r.rule, r.total) for r in found.trial] == [("tryout", 1)]
    assert [(c.clause, c.rules, c.right, c.wrong, c.open) for c in found.clauses] == [
        ("《范文》第十条", 1, 2, 2, 1),
        ("《范文》第二条", 1, 0, 0, 1),  # its appeal is open
    ]
    assert found.unclear == 0


def test_a_call_over_midnight_belongs_to_the_day_it_began_and_an_alert_to_the_day_it_opened(store: Store) -> None:
    filled(store)
    days = {str(d): floor(store, figures_days.day(str(d))) for d in figures_days.days("2026-11-19..2026-11-21").dates}
    assert {day: each.total.offered for day, each in days.items()} == {
        "2026-11-19": 1, "2026-11-20": 7, "2026-11-21": 1,
    }  # fmt: skip
    assert {day: sum(r.total for r in each.rules) for day, each in days.items()} == {
        "2026-11-19": 0, "2026-11-20": 6, "2026-11-21": 2,
    }  # fmt: skip
    whole = floor(store, figures_days.days("2026-11-19..2026-11-21"))
    assert whole.total.offered == 9
    assert [offer.offered for offer in whole.by_day] == [1, 7, 1]
    assert rule(store, "summons").with_it == 1  # d, whose second alert is of the next day
    late = [rule(store, "late-one", figures_days.day(f"2026-11-{n}")) for n in (20, 21)]
    assert [(each.with_it, each.alerts) for each in late] == [(1, 0), (0, 1)]


def test_an_agents_day_is_as_counted_by_hand(store: Store) -> None:
    found = agent(filled(store))
    assert found.name == "Ana Lopez"
    assert [row.call for row in found.calls] == ["a", "b", "c", "g", "d"]
    assert (found.sums.taken, found.sums.calls, found.outbound, found.lost, found.up) == (3, 4, 1, 1, 0)
    assert (found.sums.rings, found.sums.missed, found.sums.held, found.sums.transferred) == (3, 1, 1, 0)
    assert found.ring.total_s == pytest.approx(10 + 10.001 + 5)
    assert (found.talk.n, found.talk.total_s, found.talk.longest_s) == (3, pytest.approx(220), pytest.approx(120))
    assert (found.hold.n, found.hold.longest_s) == (1, pytest.approx(20))
    assert (found.talk_out.n, found.talk_out.total_s) == (1, pytest.approx(40))
    assert {label: (spoke, missed) for label, spoke, missed in found.bars if spoke or missed} == {
        "09": (2, 0), "10": (0, 1), "13": (1, 0), "23": (1, 0),
    }  # fmt: skip


def test_nothing_counts_against_an_agent_that_is_false_open_appealed_or_on_trial(store: Store) -> None:
    filled(store)
    found = agent(store)
    assert {r.rule: r.verdicts for r in found.rules} == {
        "dead-air": figures_facts.Verdicts(counted=1, wrong=1, undecided=1),
        "summons": figures_facts.Verdicts(appealed=1),
    }
    assert [(r.rule, r.verdicts.total) for r in found.trial] == [("tryout", 1)]
    assert found.sums.counted == 1
    assert agent(store, "102").sums.counted == 1  # the appeal was dismissed: it stands
    assert agent(store, "103").sums.counted == 0  # upheld
    assert found.alerts["b"] == figures_facts.Verdicts(wrong=1, undecided=1)
    said = " ".join(words.zh for words in agent_report(found, 0.0, ZONE).summary)
    assert "告警 4 条：属实 1 条，误报 1 条（不计入），待判定 1 条，申诉中 1 条" in said
    assert "试行规则的告警 1 条，不计入" in said
    assert "有 2 通电话没有语音识别" in said  # b and g


def test_alerts_per_100_calls_are_of_those_calls(store: Store) -> None:
    """25 clean inbound calls; alerts in outbound, lost, missed and earlier ones are no part of the rate (p5)."""
    log = Log()
    for n in range(25):
        log.calls(talked(f"in-{n}", clock("09:00:00") + 60 * n))
    for n in range(10):
        at = clock("10:00:00") + 60 * n
        log.calls([
            CallOffered(call=f"out-{n}", at=at, caller="101", called="13900001111", direction="outbound"),
            CallAnswered(call=f"out-{n}", at=at + 8, agent="101"),
            CallEnded(call=f"out-{n}", at=at + 48, by="agent"),
        ])  # fmt: skip
    log.calls(list(talked("lost", clock("08:00:00")))[:-1])
    log.calls(talked("before", clock("23:59:00", "2026-11-19"), talk=300))
    fired = [alert(f"o{n}", f"out-{n}", clock("10:00:30") + 60 * n) for n in range(10)]
    fired += [alert("l", "lost", clock("08:00:30")), alert("b", "before", clock("00:01:00"))]
    fired += [alert("i", "in-3", clock("09:03:30"))]
    log.alerts(fired)
    for each in fired:
        log.verdicts(judged(each, "resolved"))
    taken(store, log.messages)
    Taking(store, KEY, 60).close_lost(clock("23:59:00"))
    found = agent(store)
    assert (found.sums.taken, found.sums.counted) == (25, 1)
    assert found.verdicts.counted == 13  # told one by one, nothing is left out
    rate = next(each for each in found.compared if each.name == "alerts")
    assert rate.own == pytest.approx(4)


def test_a_transferred_call_is_both_agents(store: Store) -> None:
    filled(store)
    for who, talk in (("102", 20), ("103", 20)):
        found = agent(store, who)
        assert (found.sums.taken, found.sums.transferred) == (1, 1)
        assert found.talk.total_s == pytest.approx(talk)


def test_a_rules_day_is_as_counted_by_hand(store: Store) -> None:
    found = rule(filled(store))
    assert (found.alerts, found.trial, found.ended, found.listened, found.with_it, found.with_it_heard) == (
        5, 0, 8, 2, 3, 1,
    )  # fmt: skip
    assert found.sure.judged == Precision(2, 2, 1)
    assert found.sure.share is None  # four judged ones say nothing
    assert found.reasons == {"misheard": 1, "other": 1}
    assert {k: n for k, n in found.appeals.items() if k != "none"} == {"dismissed": 1, "upheld": 1}
    assert [(p.name, p.total) for p in found.by_version] == [("v1", 4), ("v2", 1)]
    assert {p.name: p.total for p in found.by_severity} == {"critical": 1, "warning": 4, "notice": 0}
    assert {p.name: p.total for p in found.by_hour if p.total} == {"09": 3, "14": 2}
    assert found.decided.n == 4
    assert found.decided.longest_s == pytest.approx(61)  # claimed at 60 s, resolved at 61 s
    assert rule(store, "tryout").trial == 1


def test_figures_outlive_the_words(store: Store) -> None:
    """Retention takes the words, and what alerts quote."""
    before = floor(filled(store)), agent(store), rule(store)
    with store.writing() as connection:
        connection.execute(delete(words))
        connection.execute(update(alerts).values(says=""))
    assert (floor(store), agent(store), rule(store)) == before
    with store.writing() as connection:
        connection.execute(update(alerts).values(changes=b"[]"))
    found = floor(store)
    assert (found.clauses, found.unclear, found.total) == ((), 6, before[0].total)


def test_an_hour_that_comes_twice_and_a_day_of_25_hours(archived: Settings) -> None:
    """New York, 2026-11-01: 01:59:59 EDT is followed by 01:00:00 EST. ::

    00:00 EDT   01:30 EDT   01:30 EST   23:59:59 EST   00:00 EST
      │ p          │ q         │ r           │ s           │ t
    04:00 UTC   05:30       06:30        04:59:59      05:00:00
    """
    zone = ZoneInfo("America/New_York")
    store = Store(archived.model_copy(update={"wall": WallSettings(timezone="America/New_York")}))
    migrations.upgrade(store)
    at = {
        "o": datetime(2026, 11, 1, 3, 59, 59), "p": datetime(2026, 11, 1, 4), "q": datetime(2026, 11, 1, 5, 30),
        "r": datetime(2026, 11, 1, 6, 30), "s": datetime(2026, 11, 2, 4, 59, 59), "t": datetime(2026, 11, 2, 5),
    }  # fmt: skip
    log = Log()
    for call, moment in at.items():
        log.calls(talked(call, moment.replace(tzinfo=ZoneInfo("UTC")).timestamp()))
    taken(store, log.messages)
    found = floor(store, figures_days.day("2026-11-01"))
    assert found.total.offered == 4
    assert {offer.name: offer.offered for offer in found.by_hour if offer.offered} == {"00": 1, "01": 2, "23": 1}
    report = agent_report(agent(store, "101", figures_days.day("2026-11-01")), 0.0, zone)
    rows = list(csv.reader(io.StringIO(as_csv(report, table(report, "calls"), english=True).decode("utf-8-sig"))))
    assert [row[0] for row in rows[2:4]] == ["2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"]
    store.close()


def test_a_made_morning_is_the_same_counted_another_way(store: Store, tmp_path: Path) -> None:
    """Rows added up in Python against what the store added up."""
    write_day(tmp_path / "day.ndjson", 120, 5)
    events = [each for each in read_record(tmp_path / "day.ndjson") if isinstance(each, Event)]
    taken(store, Log().calls(events).messages)  # type: ignore[arg-type]
    found = floor(store)
    with store.reading() as connection:
        rows = [r for r in connection.execute(select(calls)) if r.state == "ended" and r.direction == "inbound"]
        own = list(connection.execute(select(parts, calls.c.state, calls.c.direction).join_from(parts, calls)))
    assert len(rows) > 100
    assert found.total.offered == len(rows)
    assert found.total.in_time == sum(r.in_time is True for r in rows)
    assert found.total.abandoned == sum(r.abandoned for r in rows)
    assert Counter({o.name: o.offered for o in found.by_queue}) == Counter(r.queue for r in rows)
    waits = sorted(r.wait_s for r in rows if r.answered_at is not None)
    assert found.spreads["wait"].n == len(waits)
    assert found.spreads["wait"].total_s == pytest.approx(sum(waits))
    assert found.spreads["wait"].median_s == pytest.approx(waits[(len(waits) + 1) // 2 - 1], abs=0.051)
    with store.reading() as connection:
        sums = {s.agent: s for s in figures_rows.sums(connection, DAY)}
    inbound = [r for r in own if r.state == "ended" and r.direction == "inbound"]
    assert {a: s.missed for a, s in sums.items() if s.missed} == dict(
        sum((Counter({r.agent: r.missed}) for r in inbound if r.missed), Counter())
    )
    assert sum(s.talk_s for s in sums.values()) == pytest.approx(sum(r.talk_s for r in inbound if r.spoke))


# ------------------------------------------------------------------------------------------------ what is fair


def team(count: int, each: int, talk: float = 60.0, first: int = 201) -> Log:
    """So many agents with so many calls each."""
    log = Log()
    for n in range(count):
        for m in range(each):
            log.calls(talked(f"{first + n}-{m}", clock("09:00:00") + 60 * m + n, str(first + n), talk=talk + 10 * n))
    return log


@pytest.mark.parametrize(("own", "is_compared"), [(FAIR_CALLS - 1, False), (FAIR_CALLS, True)])
def test_who_has_few_calls_is_not_compared(store: Store, own: int, is_compared: bool) -> None:
    log = team(FAIR_AGENTS, FAIR_CALLS)
    for m in range(own):
        log.calls(talked(f"own-{m}", clock("09:30:00") + 60 * m, talk=100))
    taken(store, log.messages)
    talk = next(each for each in agent(store).compared if each.name == "talk")
    assert (talk.own, talk.of, talk.agents) == (pytest.approx(100), own, FAIR_AGENTS)
    assert talk.others == (pytest.approx(80) if is_compared else None)  # 60, 70, 80, 90, 100
    cells = [
        row
        for row in table(agent_report(agent(store), 0.0, ZONE), "compared").rows
        if row[0] == Words("平均通话时长", "mean talk")
    ]
    assert ("不足 20 通" in str(cells[0][5])) is not is_compared


@pytest.mark.parametrize(("others", "is_compared"), [(FAIR_AGENTS - 1, False), (FAIR_AGENTS, True)])
def test_nobody_is_compared_with_few_others_or_with_who_has_few_calls(
    store: Store, others: int, is_compared: bool
) -> None:
    log = team(others + 1, FAIR_CALLS)  # the first of them is compared with the rest
    for m in range(FAIR_CALLS - 1):
        log.calls(talked(f"few-{m}", clock("10:00:00") + m, "301", talk=999))
    taken(store, log.messages)
    talk = agent(store, "201").compared[0]
    assert (talk.agents, talk.others is not None) == (others, is_compared)


def test_an_agent_is_compared_with_the_team_where_it_is_large_enough(store: Store) -> None:
    taken(store, [*team(FAIR_AGENTS + 1, FAIR_CALLS).messages])
    everyone = [str(201 + n) for n in range(FAIR_AGENTS + 1)]
    assert agent(store, "201", teams={"early": everyone}).team == "early"
    assert agent(store, "201", teams={"early": everyone[:-1]}).team == ""
    assert agent(store, "201", teams={"early": everyone[1:]}).team == ""


def test_only_who_lies_clearly_above_is_told() -> None:
    crowd = {str(200 + n): (10, 1000) for n in range(20)}
    *_, looked_at = found = figures_of_rule.above(crowd | {"101": (40, 1000), "102": (15, 1000), "103": (0, 5)})
    assert [e.name for e in found[1]] == ["101"]
    assert looked_at == 22
    rare = {str(200 + n): (0, 2000) for n in range(50)}
    assert figures_of_rule.above(rare | {"101": (FAIR_HITS - 1, 2000)})[1] == ()  # few hits prove nothing
    assert [e.name for e in figures_of_rule.above(rare | {"101": (FAIR_HITS, 2000)})[1]] == ["101"]
    assert figures_of_rule.above({str(n): (20 * n, 1000) for n in range(FAIR_AGENTS - 1)})[1] == ()


def test_how_likely_so_many_are() -> None:
    assert figures_numbers.tail(5, 10, 0.5) == pytest.approx(0.623046875)
    assert figures_numbers.tail(1, 10, 0.1) == pytest.approx(1 - 0.9**10)
    assert figures_numbers.tail(0, 10, 0.1) == 1
    assert figures_numbers.tail(10, 10, 0.5) == pytest.approx(0.5**10)
    assert figures_numbers.tail(40, 100_000, 0.0001) == pytest.approx(1.6e-12, rel=0.5)


# --------------------------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (20, 20, 0.8389, 1.0), (0, 10, 0.0, 0.2775), (15, 148, 0.0624, 0.1605)],
)
def test_the_interval_is_wilsons(hits: int, of: int, low: float, high: float) -> None:
    """The last is an example of Newcombe (1998), table I."""
    found = figures_numbers.wilson(hits, of)
    assert found == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_no_precision_is_told_of_few_judged_alerts() -> None:
    assert figures_facts.sure(Precision(19, 0, 50)).share is None
    found = figures_facts.sure(Precision(18, 2, 50))
    assert found.share == 0.9
    assert found.within == (pytest.approx(0.699, abs=1e-3), pytest.approx(0.972, abs=1e-3))
    assert figures_numbers.wilson(0, 0) is None


def test_percentiles_are_nearest_ranks_of_enough_calls() -> None:
    found = figures_numbers.spread_of(range(20, 0, -1))
    assert (found.median_s, found.p90_s, found.longest_s, found.mean_s) == (10, 18, 20, 10.5)
    few = figures_numbers.spread_of(range(19))
    assert (few.median_s, few.p90_s, few.longest_s) == (None, None, 18)
    assert figures_numbers.spread_of([]) == figures_numbers.Spread()


def test_a_share_is_never_rounded_to_all_or_nothing() -> None:
    assert [percent(v) for v in (1.0, 0.99999, 0.5, 0.8571, 0.0001, 0.0)] == [
        "100%",
        "99.9%",
        "50%",
        "85.7%",
        "<0.1%",
        "0%",
    ]
    assert interval((0.6999, 0.9721)) == "69%\u201398%"
    assert interval((0.0031, 0.0119)) == "0.3%\u20131.2%"


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2026-02", ("2026-02-01", "2026-02-28")),
        ("2028-02", ("2028-02-01", "2028-02-29")),
        ("2026-12", ("2026-12-01", "2026-12-31")),
    ],
)
def test_a_month_is_all_its_days(text: str, means: tuple[str, str]) -> None:
    span = figures_days.month(text)
    assert (str(span.first), str(span.last), str(span)) == (*means, text)
    assert len(span.dates) == span.last.day


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026", "26-01", "2026-1", "0000-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a month"):
        figures_days.month(text)


@pytest.mark.parametrize(
    "text", ["2026-11-21..2026-11-20", "2026-11-20", "2026-02-30..2026-03-01", "..", "2000-01-01..2026-01-01"]
)
def test_what_are_no_days_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        figures_days.days(text)


# ---------------------------------------------------------------------------------------------------- commands


def table(report: Report, name: str) -> Table:
    found = report.table(name)
    assert found, name
    return found


def asking(store: Store, archived: Settings) -> dict[str, str]:
    store.engine.dispose()
    return {"SANSHENG_RUN_DIR": str(archived.run_dir), "SANSHENG_ARCHIVE__URL": archived.archive_url}


def test_a_manager_reads_the_day_in_chinese_or_english(store: Store, archived: Settings, run: Run) -> None:
    given = asking(filled(store), archived)
    zh = run("figures", "floor", "--day", "2026-11-20", **given)
    assert zh.code == 0
    assert "来电 7 通，接通 5 通，客户放弃 1 通，由系统释放 1 通；10 秒接通率 50%（3/6）。" in zh.out
    assert "《客户客服对话范文》第19篇 第六十条" in zh.out
    assert "另有 1 通电话没有收到结束信号（记录中断），未计入" in zh.out
    en = run("figures", "floor", "--day", "2026-11-20", "--english", **given)
    assert "7 calls came, 5 were answered, 1 abandoned, 1 ended by the system; 50% were answered within 10 s" in en.out
    outside_names = re.sub("《范文》\\S+", "", en.out)
    assert not re.search("[\u4e00-\u9fff]", outside_names)
    assert run("figures", "agent", "Ana Lopez", "--day", "2026-11-20", **given).out.startswith("Ana Lopez")
    assert run("figures", "rule", "冷场", "--day", "2026-11-20", **given).out.startswith("冷场（dead-air）")
    with store.reading() as connection:
        noted = [(row.what, fields_of(row.of)) for row in connection.execute(select(reads).order_by(reads.c.at))]
    assert noted == [
        ("figures", {"days": "2026-11-20"}),
        ("figures", {"days": "2026-11-20"}),  # of an agent the number, whatever was typed: who asks for it finds this
        ("figures", {"agent": "101", "agent_name": "Ana Lopez", "days": "2026-11-20"}),
        ("figures", {"rule": "dead-air", "rule_title": "冷场", "days": "2026-11-20"}),
    ]


@pytest.mark.parametrize("kind", ["agent", "rule"])
def test_a_number_that_is_typed_for_nobody_is_not_noted(store: Store, archived: Settings, run: Run, kind: str) -> None:
    done = run("figures", kind, "13800138000", "--day", "2026-11-20", **asking(filled(store), archived))
    assert (done.code, done.out) == (2, "")
    with store.reading() as connection:
        assert connection.execute(select(reads)).all() == []


def test_a_page_of_days_that_are_not_over_says_so(store: Store) -> None:
    filled(store)
    noon = clock("12:00:00", "2026-11-21")
    month = figures_days.month("2026-11")
    for made in (rule_report(rule(store, span=month), {}, noon, ZONE), floor_report(floor(store, month), noon, ZONE)):
        report = timely(made, month, date(2026, 11, 19))
        page = figures_page.render(report)
        assert "统计期还没有结束，数字截至 11月21日 12:00，还会变。" in page
        rows = {row[0]: row[1:] for row in table(report, "days").rows}
        assert set(rows["2026-11-18"]) == {None} == set(rows["2026-11-22"])
        assert None not in rows["2026-11-19"][:2]
        assert len(rows) == 30
        csv_ = as_csv(report, table(report, "days"), english=False).decode("utf-8-sig")
        assert re.search("^2026-11-18,+\r$", csv_, re.MULTILINE)
    today = figures_days.day("2026-11-21")
    (said,) = unfinished(floor_report(floor(store, today), noon, ZONE), today)
    assert said.zh == "这一天还没有过完，数字截至 12:00，还会变。"
    assert unfinished(floor_report(floor(store), noon, ZONE), DAY) == ()


def test_no_sentence_has_chinese_beside_latin_punctuation(store: Store) -> None:
    filled(store)
    for report in reports(store):
        said = [w.zh for w in (*report.summary, *report.notes, *(t.note for t in report.tables))]
        assert [s for s in said if re.search("[\u4e00-\u9fff][,;:()]|[,;:()][\u4e00-\u9fff]", s)] == []


def test_csv_reads_back(store: Store, archived: Settings, run: Run) -> None:
    given = asking(filled(store), archived)
    done = run(
        "figures", "agent", "101", "--day", "2026-11-20", "--format", "csv", "--table", "calls", "--english", **given
    )
    assert done.out.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(done.out.removeprefix("\ufeff"))))
    assert [row["call"] for row in rows] == ["a", "b", "c", "g", "d"]
    assert rows[0]["began"] == "2026-11-20T09:00:00+08:00"
    assert [float(row["talk"]) for row in rows] == pytest.approx([60, 40, 0, 40, 120])
    assert float(rows[1]["ring"]) == pytest.approx(10.001)
    assert (rows[4]["ended"], rows[0]["customer"]) == ("2026-11-21T00:01:55+08:00", "138****5678")
    figures_ = run("figures", "floor", "--day", "2026-11-20", "--format", "csv", **given)
    first = list(csv.reader(io.StringIO(figures_.out.removeprefix("\ufeff"))))
    assert first[0] == ["指标", "数值", "单位", "占比", "分母", "分母数"]
    assert ["10 秒内接通", "3", "个", "0.5", "等待时长可知的来电", "6"] in first
    for name in ("times", "queues", "days", "hours", "alerts", "clauses", "trial"):
        out = run("figures", "floor", "--day", "2026-11-20", "--format", "csv", "--table", name, **given).out
        widths = {len(row) for row in csv.reader(io.StringIO(out.removeprefix("\ufeff")))}
        assert len(widths) == 1, name


def test_a_name_that_is_a_formula_is_a_text_in_the_spreadsheet(store: Store) -> None:
    taken(store, Log().calls(talked("a", clock("09:00:00"), queue="=1+2")).messages)
    report = floor_report(floor(store), 0.0, ZONE)
    rows = list(csv.reader(io.StringIO(as_csv(report, table(report, "queues"), english=False).decode("utf-8-sig"))))
    assert rows[1][0] == "'=1+2"


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        (("agent", "1011", "--day", "2026-11-20"), 2, "归档里没有坐席 1011：是不是 101？"),
        (("rule", "dead-ari", "--day", "2026-11-20", "--english"), 2, "did you mean dead-air?"),
        (("agent", "101", "--day", "2026-11-10"), 1, "2026-11-10（周二）Ana Lopez没有通话；归档中有 2026-11-19 至"),
        (("floor", "--month", "2026-10"), 1, "2026 年 10 月没有通话"),
        (("floor", "--month", "2026-13"), 2, "not a month: '2026-13' (write 2026-11)"),
        (("floor", "--day", "2026-11-20", "--month", "2026-11"), 2, "give one of --day, --days and --month"),
        (("floor", "--day", "2026-11-20", "--table", "nope"), 2, "there is no table nope here: figures, times"),
        (("floor", "--day", "2026-11-20", "--format", "csv", "--html", "x.html"), 2, "give one of them"),
        (("floor", "--day", "2026-11-20", "--table", "days", "--html", "x.html"), 2, "leave --table out"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_said_in_words(
    store: Store, archived: Settings, run: Run, asked: tuple[str, ...], code: int, says: str
) -> None:
    done = run("figures", *asked, **asking(filled(store), archived))
    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_a_rule_without_an_alert_in_these_days_says_so_in_figures(store: Store, archived: Settings, run: Run) -> None:
    given = asking(filled(store), archived)
    done = run("figures", "rule", "dead-air", "--day", "2026-11-19", **given)
    assert done.code == 0
    assert "告警 0 条，涉及 0 通电话，占已结束的 1 通的 0%" in done.out


def test_a_page_is_written_where_it_is_asked_for(store: Store, archived: Settings, run: Run) -> None:
    given = asking(filled(store), archived)
    done = run("figures", "floor", "--day", "2026-11-20", "--html", "floor.html", **given)
    assert (done.code, done.out, done.err) == (0, "", "floor.html\n")
    assert "10 秒接通率 50%（3/6）" in Path("floor.html").read_text("utf-8")
    refused = run("figures", "floor", "--day", "2026-11-20", "--html", "no/floor.html", **given)
    assert (refused.code, refused.err) == (1, "no/floor.html: there is no folder no (make it first)\n")


def test_an_empty_archive_says_who_fills_it(store: Store, archived: Settings, run: Run) -> None:
    done = run("figures", "floor", "--month", "2026-10", **asking(store, archived))
    assert (done.code, "归档里还没有通话" in done.err) == (1, True)


# ------------------------------------------------------------------------------------------------------- paper


def reports(store: Store) -> list[Report]:
    at = clock("08:00:00", "2026-11-21")
    return [
        agent_report(agent(store), at, ZONE),
        rule_report(rule(store), {}, at, ZONE),
        floor_report(floor(store), at, ZONE),
        floor_report(floor(store, figures_days.month("2026-11")), at, ZONE),
        rule_report(rule(store, span=figures_days.month("2026-11")), {}, at, ZONE),
    ]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pages of the scripted floor with a busy month added, and an agent whose name is trouble."""
    folder = tmp_path_factory.mktemp("pages")
    store = Store(Settings(run_dir=folder / "run", archive=ArchiveSettings(url=SecretStr(""))))
    migrations.upgrade(store)
    filled(store)
    log = team(FAIR_AGENTS + 1, FAIR_CALLS)
    made = [
        alert(f"m{n}", f"20{1 + n % 6}-{n % 20}", clock("09:00:00") + 60 * (n % 20), agent=f"20{1 + n % 6}")
        for n in range(60)
    ]
    log.alerts(made)
    for n, each in enumerate(made):
        log.verdicts(judged(each, "resolved" if n % 3 else "false_alarm"))
    log.calls(
        talked("nasty", clock("17:00:00"), "101", name="<b>Ana</b> & \u201cLopez\u201d的一个非常非常非常长的名字")
    )
    moved = [m._replace(offset=m.offset + 10_000) for m in log.messages]
    taken(store, moved)
    files = []
    for n, report in enumerate(reports(store)):
        for english in (False, True):
            files.append(folder / f"{n}-{english}.html")
            files[-1].write_text(figures_page.render(report, english=english), "utf-8")
    store.close()
    return files


def test_the_page_loads_nothing_runs_nothing_and_escapes(pages: list[Path]) -> None:
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.search(r"(src|href)=\"(?!#|data:,)|url\(|@import|<script| on\w+=", text)
        assert "<b>Ana" not in text
        assert "13812345678" not in text
    assert "&lt;b&gt;Ana" in pages[0].read_text("utf-8")


#: Texts that are cut or stand out of their box, or of the sheet.
CUT = """() => {
  const bad = [], wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide) bad.push("the page: " + document.documentElement.scrollWidth);
  for (const e of document.querySelectorAll("h1, h2, h3, p, td, th, b, small, li, .tiles div, table, label"))
    if (e.offsetParent && (e.clientWidth && e.scrollWidth > e.clientWidth + 1
        || e.getBoundingClientRect().right > wide + 0.5))
      bad.push(e.tagName + ": " + e.textContent.trim().slice(0, 40));
  for (const t of document.querySelectorAll("svg[role=img] text")) {
    const box = t.getBBox(), view = t.ownerSVGElement.viewBox.baseVal;
    if (box.x < -0.5 || box.x + box.width > view.width + 0.5 || box.y + box.height > view.height + 0.5)
      bad.push("svg: " + t.textContent);
  }
  for (const axis of document.querySelectorAll(".axis")) {
    const boxes = [...axis.querySelectorAll("text")].map(t => t.getBBox());
    boxes.slice(1).forEach((box, n) => { if (box.x < boxes[n].x + boxes[n].width) bad.push("labels meet"); });
  }
  return bad;
}"""


async def opened(browser: Browser, file: Path, width: int) -> tuple[Page, list[str]]:
    said: list[str] = []
    page = await browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda r: said.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    await page.goto(file.as_uri())
    return page, said


@needs_chromium
async def test_nothing_is_cut_on_a_screen_and_axe_finds_nothing_serious(browser: Browser, pages: list[Path]) -> None:
    for file in pages:
        page, said = await opened(browser, file, 1120)
        assert await page.evaluate(CUT) == [], file
        violations = (await Axe().run(page)).response["violations"]
        serious = [v for v in violations if v["impact"] in ("serious", "critical")]
        assert [
            f"{file.name} {v['id']}: {n['target']} {n['failureSummary']}" for v in serious for n in v["nodes"]
        ] == []
        assert said == []
        await page.close()


@needs_chromium
async def test_it_prints_on_a4_without_cut_tables(browser: Browser, pages: list[Path], tmp_path: Path) -> None:
    """A4 less its margins is 188 mm wide, 711 CSS pixels."""
    for file in pages:
        page, _ = await opened(browser, file, 710)
        await page.emulate_media(media="print")
        assert await page.evaluate(CUT) == [], file
        assert await page.locator("header label").is_hidden()
        rules = await page.evaluate("""() => [...new Set([...document.querySelectorAll("tr, figure, .tiles")]
            .map(e => getComputedStyle(e).breakInside))]""")
        assert rules == ["avoid"]
        printed = await page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
        boxes = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed))
        assert {(round(float(w)), round(float(h))) for w, h in boxes} == {(595, 842)}  # points of A4
        await page.close()


@needs_chromium
async def test_the_switch_turns_the_page_english(browser: Browser, pages: list[Path]) -> None:
    page, _ = await opened(browser, pages[4], 1120)
    assert await page.get_by_text("口径说明").is_visible()
    await page.locator("header label").click()
    assert await page.get_by_text("How it is counted").is_visible()
    assert not await page.get_by_text("口径说明").is_visible()
    english, _ = await opened(browser, pages[5], 1120)
    assert await english.get_by_text("How it is counted").is_visible()


@needs_chromium
async def test_bars_are_as_high_as_their_counts(browser: Browser, pages: list[Path]) -> None:
    """Of the floor's hours: nine o'clock has most; each piece is in the proportion of what it stands for."""
    page, _ = await opened(browser, pages[4], 1120)
    pieces = await page.evaluate("""() => [...document.querySelector("figure svg").querySelectorAll("rect")].map(e =>
        [e.querySelector("title").textContent, e.x.baseVal.value, e.y.baseVal.value, e.height.baseVal.value])""")
    units = [height / int(re.search(r"(\d+) /", title)[1]) for title, _, _, height in pieces]  # type: ignore[index]
    assert len(units) > 5
    assert max(units) - min(units) < 0.15 * max(units)
    stacked = [(below, above) for below, above in pairwise(pieces) if below[1] == above[1]]
    assert stacked
    for (_, _, foot, _), (_, _, top, height) in stacked:
        assert top + height == pytest.approx(foot, abs=0.2)
