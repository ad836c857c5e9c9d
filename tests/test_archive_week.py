"""The archive's made week: always the same, in order of time, with every odd thing in it, and all of it kept."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from bench.archive_talk import ODD, stock
from bench.archive_truth import Gone, compare
from bench.archive_week import SCRIPTS, TOPICS, Week
from streams.archive.store import Store
from streams.archive.taking import Taking
from streams.settings import Settings
from tests.archive_tools import KEY, Log, taken

CALLS, TALKS = 300, 60
NOW = 1_795_400_000.0


@pytest.fixture(scope="module")
def week() -> Week:
    return Week(CALLS, now=NOW, key=KEY, talks=TALKS)


def logged(week: Week) -> Log:
    """The messages as a broker would number them, all logged now."""
    log = Log()
    for message in week.messages():
        log.add(message.topic, message.key, message.value, NOW)
    return log


def test_the_same_seed_gives_the_same_bytes_in_order_of_time(week: Week) -> None:
    again = Week(CALLS, now=NOW, key=KEY, talks=TALKS)
    first, second = list(week.messages()), list(again.messages())
    assert first == second
    assert [m.sent_at for m in first] == sorted(m.sent_at for m in first)
    assert stock(TALKS, 6) == week.talks != stock(TALKS, 7)


def test_every_odd_thing_is_in_it(week: Week) -> None:
    kinds = Counter(week.talk(n).kind for n in range(CALLS))
    assert set(ODD) < set(kinds)
    messages = list(week.messages())
    assert {m.topic for m in messages} == set(TOPICS) == {m.topic for m in messages if m.bad}
    sent = Counter((m.topic, m.key, m.value) for m in messages)
    assert {topic for (topic, *_), times in sent.items() if times > 1} >= {"calls", "alerts", "verdicts"}
    found = list(week.alerts())
    assert len({alert.id for alert in found}) == len(found)
    assert {alert.outcome for alert in found if alert.judgements} == {outcome for _, outcome in SCRIPTS}
    assert any(alert.changes[0].call.startswith("week-unknown") for alert in found)
    assert {week.state(n) for n in range(CALLS)} == {"ended", "lost"}
    assert len({week.number(n) for n in range(CALLS)}) < CALLS  # callers return
    assert any("*" in line.text for n in range(CALLS) for line in week.lines(n))


def test_the_days_have_a_curve_and_end_yesterday(week: Week) -> None:
    days = Counter(week.day(n) for n in range(CALLS))
    assert len(days) == 7
    assert sum(count for day, count in days.items() if day in ("2026-11-21", "2026-11-22")) < CALLS / 5
    assert max(placed.at for placed in week.plan) < NOW - 6 * 3600


def test_all_of_it_is_kept_once_and_what_is_missing_or_double_is_found(
    week: Week, archived: Settings, store: Store
) -> None:
    log = logged(week)
    found = taken(store, log.messages)
    unreadable = Counter({topic: sum(took.unreadable.get(topic, 0) for took in found) for topic in TOPICS})
    assert unreadable == Counter(message.topic for message in week.messages() if message.bad)
    Taking(store, KEY, ahead_s=60).close_lost(time.time())
    compared = compare(archived, week)
    assert compared.faults == ()
    assert compared.stored == compared.true

    with store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM words WHERE call_no = (SELECT min(call_no) FROM words)")
        connection.exec_driver_sql("DELETE FROM alerts WHERE id = (SELECT min(id) FROM alerts)")
        connection.exec_driver_sql("DELETE FROM judgements WHERE id = (SELECT max(id) FROM judgements)")
        connection.exec_driver_sql("DELETE FROM calls WHERE no = (SELECT max(no) FROM calls)")
    compared = compare(archived, week, Gone())
    assert compared.stored.digest != compared.true.digest
    told = " ".join(compared.faults)
    assert all(word in told for word in ("lost", "sentences", "what people did", f"{CALLS - 1:,} calls"))
