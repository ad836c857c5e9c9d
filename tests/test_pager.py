"""The pager's decisions: when somebody is called, who, and what every receiver is told; and its settings."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec import json
from msgspec.structs import replace

from streams.hours import ends_at, hours_of, lies_in
from streams.pager import deciding
from streams.pager.deciding import CLAIMED_S, KEPT_S
from streams.pager.desk import Desk
from streams.pager.duty import Called, Plan, Route
from streams.pager.page import Notice
from streams.pager.pager_cli import _test_page
from streams.pager.reading import UnreadableError, alert_of, judgement_of
from streams.pager.receiver import RetryError
from streams.settings import Settings
from tests.conftest import Run
from tests.pager_tools import (
    ALL,
    NOON,
    PERSONAL,
    SHANGHAI,
    Life,
    alert,
    as_text,
    desk,
    is_cleared,
    judgement,
    plan,
    state_of,
    told,
)

DOCS = Path(__file__).parents[1] / "docs"
TWO = plan(["lead", "desk"], ["manager"])


def take(of: Desk, now: float = NOON) -> list[tuple[str, str, int]]:
    """Wake it, and have every receiver take what it is told."""
    of.wake(now)
    work = of.drain()
    for put in work.puts:
        if of.wanted(put.receiver, put.notice, now):
            of.told(put.receiver, put.notice, "sent", now)
    more = of.drain()
    return told(work) + told(more)


# ------------------------------------------------------------------------------------------- what pages


@pytest.mark.parametrize(
    ("change", "is_one"),
    [
        (alert(), True),
        (alert(state="raised"), True),
        (alert(severity="warning"), False),
        (alert(severity="warning", page=True), True),
        (alert(severity="notice", page=True), True),
        (alert(trial=True), False),
        (alert(severity="warning", page=True, trial=True), False),
        (alert(state="cleared"), False),
        (alert(state="claimed"), False),
    ],
)
def test_a_page_is_what_is_critical_or_marked_and_not_on_trial(change: Any, is_one: bool) -> None:
    own = desk(TWO)
    own.alert(0, change, NOON)
    assert bool(take(own)) is is_one


def test_all_of_the_first_level_are_called_at_once_and_the_second_when_nobody_claims() -> None:
    """::

    0 s opened ── 299.9 s nobody ── 300 s the manager ── no more levels
    """
    own = desk(TWO)
    own.alert(0, alert(), NOON)
    assert take(own) == [("lead", "opened", 1), ("desk", "opened", 1)]
    assert take(own, NOON + 299.9) == []
    assert take(own, NOON + 300) == [("manager", "escalated", 2)]
    assert take(own, NOON + 3000) == []


def test_one_page_an_alert_whatever_comes_again() -> None:
    own = desk(TWO)
    for change in (alert(), alert(), alert(state="raised"), alert(state="cleared"), alert(), alert(state="raised")):
        own.alert(0, change, NOON)
        take(own)
    assert state_of(own).is_over
    assert not own.figures()


@pytest.mark.parametrize("action", ["resolved", "false_alarm", "upheld"])
def test_a_decision_ends_the_page_and_those_who_know_of_it_are_told(action: Any) -> None:
    own = desk(TWO)
    own.alert(0, alert(), NOON)
    take(own)
    if action == "upheld":
        own.verdict(0, judgement("appealed"), NOON + 1)
    own.verdict(0, judgement(action), NOON + 1)
    assert take(own, NOON + 1) == [("lead", "resolved", 1), ("desk", "resolved", 1)]
    assert take(own, NOON + 9000) == []


def test_an_end_before_somebody_was_reached_is_told_to_nobody() -> None:
    own = desk(TWO)
    own.alert(0, alert(), NOON)
    own.wake(NOON)
    opened = own.drain().puts
    own.alert(0, alert(state="cleared"), NOON + 5)
    ends = own.drain().puts
    assert [put.notice.news for put in ends] == ["resolved", "resolved"]
    assert not any(own.wanted(put.receiver, put.notice, NOON + 6) for put in (*opened, *ends))
    assert all("resolved" in contact.refused for contact in state_of(own).contacts.values()), "a successor is told"


def test_an_end_that_comes_while_a_receiver_is_being_told_is_told_to_it() -> None:
    own = desk(plan(["lead"]))
    own.alert(0, alert(), NOON)
    own.wake(NOON)
    ((_, opened),) = own.drain().puts
    assert own.wanted("lead", opened, NOON)
    own.alert(0, alert(state="cleared"), NOON + 1)
    own.drain()
    own.told("lead", opened, "sent", NOON + 2)
    ((_, end),) = own.drain().puts
    assert end.news == "resolved"
    assert own.wanted("lead", end, NOON + 2)


def test_a_claim_stops_the_calling_until_it_is_released() -> None:
    """::

    0 opened ─ 100 claimed ─ 5000 released: it is open again ─ 5299.9 nobody ─ 5300 the manager
    """
    own = desk(TWO)
    own.alert(0, alert(), NOON)
    take(own)
    own.verdict(0, judgement("claimed"), NOON + 100)
    assert take(own, NOON + 100) == [("lead", "claimed", 1), ("desk", "claimed", 1)]
    assert take(own, NOON + 4999) == []
    own.verdict(0, judgement("released"), NOON + 5000)
    assert take(own, NOON + 5000) == [("lead", "opened", 1), ("desk", "opened", 1)]
    assert take(own, NOON + 5299.9) == []
    assert take(own, NOON + 5300) == [("manager", "escalated", 2)]


def test_who_was_not_reached_before_a_claim_is_called_after_a_release_only() -> None:
    own = desk(plan(["lead"]))
    own.alert(0, alert(), NOON)
    own.wake(NOON)
    ((_, opened),) = own.drain().puts
    own.verdict(0, judgement("claimed"), NOON + 1)
    own.drain()
    assert not own.wanted("lead", opened, NOON + 2)
    own.verdict(0, judgement("released"), NOON + 3)
    assert take(own, NOON + 3) == [("lead", "opened", 1)]


def test_reopened_it_goes_on_where_it_was_and_who_took_it_for_over_is_told() -> None:
    own = desk(TWO)
    own.alert(0, alert(), NOON)
    take(own)
    own.verdict(0, judgement("resolved"), NOON + 1)
    take(own, NOON + 1)
    own.verdict(0, judgement("reopened"), NOON + 1000)
    assert take(own, NOON + 1000) == [("lead", "opened", 1), ("desk", "opened", 1)]
    assert take(own, NOON + 1299) == []
    assert take(own, NOON + 1300) == [("manager", "escalated", 2)]
    own.alert(0, alert(state="cleared"), NOON + 1400)
    assert sorted(take(own, NOON + 1400)) == [
        ("desk", "resolved", 1),
        ("lead", "resolved", 1),
        ("manager", "resolved", 2),
    ]


def test_with_one_level_whoever_was_told_hears_of_each_round_under_an_id_of_its_own() -> None:
    own, ids, when = desk(plan(["lead"])), [], NOON
    own.alert(0, alert(), NOON)
    for action in ("", "claimed", "released", "claimed", "released", "resolved", "reopened"):
        when += 60
        if action:
            own.verdict(0, judgement(action, at=when), when)  # type: ignore[arg-type]
        own.wake(when)
        for put in own.drain().puts:
            assert own.wanted(put.receiver, put.notice, when)
            own.told(put.receiver, put.notice, "sent", when)
            ids.append(put.notice.id)
    assert ids == [
        "a1.opened.1",
        "a1.claimed.1",
        "a1.opened.1.1",
        "a1.claimed.1.1",
        "a1.opened.1.2",
        "a1.resolved.1.2",
        "a1.opened.1.3",
    ]


def test_released_above_the_first_level_those_who_were_told_are_told_that_it_is_open_not_escalated() -> None:
    own = desk(TWO)
    own.alert(0, alert(), NOON)
    take(own)
    take(own, NOON + 300)
    own.verdict(0, judgement("claimed"), NOON + 400)
    take(own, NOON + 400)
    own.verdict(0, judgement("released"), NOON + 500)
    assert take(own, NOON + 500) == [("lead", "opened", 1), ("desk", "opened", 1), ("manager", "opened", 2)]


def test_an_old_round_is_told_no_more_and_its_answers_mean_nothing() -> None:
    own = desk(plan(["lead"]))
    own.alert(0, alert(), NOON)
    take(own)
    own.verdict(0, judgement("claimed"), NOON + 1)
    ((_, claimed),) = own.drain().puts
    assert own.wanted("lead", claimed, NOON + 1)
    own.verdict(0, judgement("released"), NOON + 2)  # while the lead is being told that it is claimed
    own.told("lead", claimed, "sent", NOON + 3)
    assert not own.wanted("lead", claimed, NOON + 4)
    assert take(own, NOON + 4) == [("lead", "opened", 1)]
    assert state_of(own).contacts["lead"].told == {"opened"}


@pytest.mark.parametrize("news", ["opened", "claimed", "resolved"])
def test_who_may_have_taken_what_was_not_answered_is_told_how_it_goes_on(news: str) -> None:
    """The answer is lost; before the next try the page takes its next turn."""
    own, actions = desk(plan(["lead"])), {"opened": "", "claimed": "claimed", "resolved": "resolved"}
    own.alert(0, alert(), NOON)
    if news != "opened":
        take(own)
        own.verdict(0, judgement(actions[news]), NOON + 1)  # type: ignore[arg-type]
    own.wake(NOON + 1)
    ((_, lost),) = own.drain().puts
    assert own.wanted("lead", lost, NOON + 1)
    own.landed("lead", lost)
    own.perhaps("lead", lost, NOON + 1)
    assert own.drain().records, "a successor has to know"
    if news == "opened":
        own.alert(0, alert(state="cleared"), NOON + 2)
    else:
        own.verdict(0, judgement("released" if news == "claimed" else "reopened"), NOON + 2)
    ((_, next_one),) = own.drain().puts
    assert next_one.news == ("resolved" if news == "opened" else "opened")
    assert own.wanted("lead", next_one, NOON + 2)


def test_a_verdict_that_comes_before_its_alert_counts() -> None:
    own = desk(TWO)
    own.verdict(0, judgement("claimed"), NOON)
    own.alert(0, alert(), NOON)
    assert take(own, NOON + 3000) == []
    own.verdict(0, judgement("released"), NOON + 3000)
    assert take(own, NOON + 3000) == [("lead", "opened", 1), ("desk", "opened", 1)]


@pytest.mark.parametrize(("late_s", "calls"), [(1800.0, True), (1800.1, False)])
def test_what_is_heard_of_too_late_wakes_nobody_for_ever(late_s: float, calls: bool) -> None:
    own = desk(TWO)
    own.alert(0, alert(at=NOON - late_s), NOON)
    own.wake(NOON)
    work = own.drain()
    assert bool(work.puts) is calls
    assert [count.label for count in work.counts] == ["opened" if calls else "too-late"]
    own.alert(0, alert(at=NOON), NOON)
    assert bool(take(own)) is False, "it is remembered"


def test_a_page_that_nothing_ends_expires() -> None:
    own = desk(plan(["lead"]))
    own.alert(0, alert(), NOON)
    take(own)
    assert take(own, NOON + 14_399) == []
    own.wake(NOON + 14_400)
    work = own.drain()
    assert told(work) == [("lead", "resolved", 1)]
    assert work.puts[0].notice.over == "expired", "not the same as an end"
    assert [count.label for count in work.counts] == ["expired"]
    assert state_of(own).outcome == "expired"


def test_what_somebody_has_is_not_missed_and_is_followed_for_as_long_as_the_wall_does() -> None:
    own = desk(plan(["lead"]))
    own.alert(0, alert(), NOON)
    take(own)
    own.verdict(0, judgement("claimed"), NOON + 14_000)
    take(own, NOON + 14_000)
    assert take(own, NOON + 14_000 + CLAIMED_S - 1) == []
    assert own.figures() == {"claimed": 1}
    own.wake(NOON + 14_000 + CLAIMED_S)
    work = own.drain()
    assert [(put.notice.news, put.notice.over) for put in work.puts] == [("resolved", "")]
    assert [count.label for count in work.counts] == ["resolved"]


def test_released_it_has_its_whole_time_anew() -> None:
    own = desk(plan(["lead"]))
    own.alert(0, alert(), NOON)
    take(own)
    own.verdict(0, judgement("claimed"), NOON + 10)
    own.verdict(0, judgement("released"), NOON + 20_000)
    take(own, NOON + 20_000)
    assert take(own, NOON + 34_399) == []
    assert take(own, NOON + 34_400) == [("lead", "resolved", 1)]


@pytest.mark.parametrize(
    ("action", "counted"), [("resolved", ["opened", "resolved"]), ("claimed", ["opened", "claimed"])]
)
def test_a_page_whose_verdict_came_first_is_counted_to_its_end(action: Any, counted: list[str]) -> None:
    own = desk(TWO)
    own.verdict(0, judgement(action), NOON)
    own.alert(0, alert(), NOON)
    assert [count.label for count in own.drain().counts] == counted


def test_a_page_is_forgotten_a_day_after_its_end() -> None:
    own = desk(plan(["lead"]))
    own.alert(0, alert(), NOON)
    own.alert(0, alert(state="cleared"), NOON + 60)
    own.drain()
    own.wake(NOON + 60 + KEPT_S - 1)
    assert own.drain().records == ()
    own.wake(NOON + 60 + KEPT_S)
    ((_, name, state, _),) = own.drain().records
    assert (name, state) == ("a1", None)


def test_a_level_that_refuses_for_ever_is_passed_at_once() -> None:
    own = desk(plan(["lead"], ["manager"]))
    own.alert(0, alert(), NOON)
    own.wake(NOON)
    ((_, opened),) = own.drain().puts
    own.told("lead", opened, "refused", NOON + 1)
    own.wake(NOON + 1)
    work = own.drain()
    assert told(work) == [("manager", "escalated", 2)]
    assert [count.label for count in work.counts] == ["refused"]


def test_a_graver_page_is_told_again_only_to_who_shows_its_severity() -> None:
    shows = Called("am", ALL | {"still"}, None, 240.0)
    both = plan(["lead", "am"], receivers={"lead": Called("lead", ALL), "am": shows})
    own = desk(both)
    own.alert(0, alert(severity="warning", page=True), NOON)
    take(own)
    own.alert(0, alert(state="raised"), NOON + 1)
    work = own.drain()
    assert told(work) == [("am", "still", 1)]
    assert work.puts[0].notice.page.severity == "critical"
    own.alert(0, alert(state="raised", severity="warning", page=True), NOON + 2)
    assert state_of(own).page.severity == "critical", "severity only goes up"  # type: ignore[union-attr]


def test_open_pages_of_the_same_labels_have_slots_of_their_own() -> None:
    own = desk(TWO)
    for name in ("a1", "a2", "a3"):
        own.alert(0, alert(name), NOON)
    own.alert(0, alert("b1", queue="sales"), NOON)
    slots = {name: state_of(own, name).page.slot for name in ("a1", "a2", "a3", "b1")}  # type: ignore[union-attr]
    assert slots == {"a1": 1, "a2": 5, "a3": 9, "b1": 1}
    own.alert(0, alert("a2", "cleared"), NOON)
    own.alert(0, alert("a4"), NOON)
    assert state_of(own, "a4").page.slot == 5, "nobody had been told of a2"  # type: ignore[union-attr]


def slot_of(of: Desk, name: str) -> int:
    page = state_of(of, name).page
    assert page
    return page.slot


def test_a_slot_is_free_when_the_end_is_told_and_not_before() -> None:
    """Else the end of the old page, which waits for a receiver in trouble, would end the new one there."""
    own = desk(plan(["lead"]))
    own.alert(0, alert(), NOON)
    take(own)
    own.alert(0, alert(state="cleared"), NOON + 1)
    ((_, end),) = own.drain().puts
    own.alert(0, alert("a2"), NOON + 2)
    assert slot_of(own, "a2") == 5
    heir = Desk(plan(["lead"]), "main", "", 4)
    heir.take_over(0, [state_of(own), state_of(own, "a2")], NOON + 2)
    heir.alert(0, alert("a3"), NOON + 2)
    assert slot_of(heir, "a3") == 9, "a successor keeps to it"
    own.wanted("lead", end, NOON + 3)
    own.told("lead", end, "sent", NOON + 3)
    own.alert(0, alert("a3"), NOON + 4)
    assert slot_of(own, "a3") == 1


def test_a_graver_page_keeps_its_slot_and_so_does_one_that_is_opened_anew() -> None:
    own = desk(plan(["lead"]))
    for name in ("a1", "a2"):
        own.alert(0, alert(name, severity="warning", page=True), NOON)
    take(own)
    own.alert(0, alert("a2", state="raised"), NOON)
    own.verdict(0, judgement("resolved", "a2"), NOON + 1)
    take(own, NOON + 1)
    own.verdict(0, judgement("reopened", "a2"), NOON + 2)
    assert slot_of(own, "a2") == 5
    own.verdict(0, judgement("resolved", "a2", NOON + 3), NOON + 3)
    take(own, NOON + 3)
    own.alert(0, alert("a3"), NOON + 4)
    assert slot_of(own, "a3") == 5
    own.verdict(0, judgement("reopened", "a2", NOON + 5), NOON + 5)
    assert slot_of(own, "a2") == 9, "somebody else has it by now"


def test_thousands_of_pages_are_told_and_counted_in_no_time() -> None:
    own = desk(plan(["lead"], quiet={"lead": "13:00-14:00"}))
    begun = time.process_time()
    for number in range(3000):
        own.alert(0, alert(f"a{number}", queue=f"q{number % 300}"), NOON)
    own.wake(NOON)
    for put in own.drain().puts:
        own.wanted(put.receiver, put.notice, NOON)
        own.told(put.receiver, put.notice, "sent", NOON)
        assert own.figures() == {"open": 3000}
    assert time.process_time() - begun < 2.5


def test_that_thousands_are_held_for_quiet_hours_is_found_in_no_time() -> None:
    of = plan(["lead"], quiet={"lead": "11:59-11:58"})
    own, heir = desk(of), Desk(of, "main", "", 4)
    for number in range(2000):
        own.alert(0, alert(f"a{number}", queue=f"q{number}"), NOON)
    begun = time.process_time()
    heir.take_over(0, list(own._states()), NOON)
    heir.begin(0, NOON)
    assert heir.figures() == {"held": 2000}
    assert time.process_time() - begun < 1.0


def test_two_partitions_never_give_the_same_slot() -> None:
    own = desk(TWO)
    own.take_over(1, (), NOON)
    for number in range(6):
        own.alert(number % 2, alert(f"a{number}"), NOON)
    slots = [state_of(own, f"a{number}").page.slot for number in range(6)]  # type: ignore[union-attr]
    assert len(set(slots)) == 6


def test_an_id_of_another_partition_is_not_believed() -> None:
    own = desk(TWO)
    own.take_over(1, (), NOON)
    own.alert(0, alert(), NOON)
    own.alert(1, alert(state="cleared"), NOON)
    assert not state_of(own).is_over


def test_where_there_may_be_a_backlog_again_nobody_is_called_before_it_is_read() -> None:
    own = desk(TWO)
    own.alert(0, alert(), NOON)
    own.wake(NOON)
    puts = own.drain().puts
    own.pause(0)
    assert not any(own.wanted(put.receiver, put.notice, NOON + 400) for put in puts), (
        "not even those that are tried again"
    )
    own.wake(NOON + 400)
    assert own.drain().puts == ()
    own.verdict(0, judgement("claimed"), NOON + 400)
    own.begin(0, NOON + 400)
    assert {news for _, news, _ in take(own, NOON + 400)} <= {"claimed"}
    own.verdict(0, judgement("released"), NOON + 500)
    assert take(own, NOON + 500) == [("lead", "opened", 1), ("desk", "opened", 1)]


def test_a_backlog_is_read_before_anybody_is_called() -> None:
    own = Desk(TWO, "main", "", 4)
    own.take_over(0, (), NOON)
    own.alert(0, alert(), NOON)
    own.wake(NOON)
    assert own.drain().puts == ()
    own.alert(0, alert(state="cleared"), NOON)
    own.begin(0, NOON)
    assert take(own) == []


# ------------------------------------------------------------------------------------------- hours and routes


def at(text: str, zone: str = "Asia/Shanghai") -> float:
    """Unix seconds of a wall-clock time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("text", "clock", "within"),
    [
        ("08:30-20:00", "08:29", False),
        ("08:30-20:00", "08:30", True),
        ("08:30-20:00", "19:59", True),
        ("08:30-20:00", "20:00", False),
        ("20:00-08:30", "20:00", True),
        ("20:00-08:30", "00:00", True),
        ("20:00-08:30", "08:29", True),
        ("20:00-08:30", "08:30", False),
        ("20:00-24:00", "23:59", True),
        ("20:00-24:00", "00:00", False),
        ("20:00-00:00", "23:59", True),
        ("20:00-00:00", "00:00", False),
        ("00:00-24:00", "03:00", True),
        ("8:30 \u2013 9:00", "08:45", True),
    ],
)
def test_hours(text: str, clock: str, within: bool) -> None:
    assert lies_in(hours_of(text), datetime.fromisoformat(f"2026-11-20T{clock}")) is within


@pytest.mark.parametrize(
    "text",
    ["", "8-20", "08:30", "25:00-08:00", "08:60-09:00", "24:00-08:00", "08:00-08:00", "00:00-24:01", "\u0668:00-9:00"],
)
def test_hours_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"hours|clock|ends"):
        hours_of(text)


@pytest.mark.parametrize(
    ("hours", "begin", "end"),
    [
        ("22:00-07:00", "2026-11-20T23:10:30", "2026-11-21T07:00:00"),
        ("22:00-07:00", "2026-03-28T23:00:00", "2026-03-29T07:00:00"),  # an hour shorter
        ("22:00-07:00", "2026-10-24T23:00:00", "2026-10-25T07:00:00"),  # an hour longer
        ("22:00-02:30", "2026-03-29T01:00:00", "2026-03-29T03:00:00"),  # no clock shows 02:30: over when it is put on
        ("12:00-13:00", "2026-11-20T14:00:00", "2026-11-20T14:00:00"),
    ],
)
def test_where_hours_end_when_the_clock_is_changed(hours: str, begin: str, end: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert ends_at(hours_of(hours), at(begin, "Europe/Berlin"), berlin) == at(end, "Europe/Berlin")


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 3 * 86_400))
def test_hours_end_at_the_first_minute_outside(begins: int, ends: int, after_s: int) -> None:
    if begins == ends:
        return
    hours = hours_of(f"{begins // 60:02}:{begins % 60:02}-{ends // 60:02}:{ends % 60:02}")
    zone, now = ZoneInfo("Europe/Berlin"), at("2026-10-24T00:00", "Europe/Berlin") + after_s
    end = ends_at(hours, now, zone)
    assert not lies_in(hours, datetime.fromtimestamp(end, zone))
    assert end == now or lies_in(hours, datetime.fromtimestamp(end - 1, zone))


def test_quiet_receivers_are_passed_over_and_a_quiet_level_is_passed_at_once() -> None:
    of = plan(["lead", "desk"], ["manager"], quiet={"lead": "11:00-13:00"})
    own = desk(of)
    own.alert(0, alert(), NOON)
    assert take(own) == [("desk", "opened", 1)]
    own = desk(plan(["lead", "desk"], ["manager"], quiet={"lead": "11:00-13:00", "desk": "12:00-12:01"}))
    own.alert(0, alert(), NOON)
    own.wake(NOON)
    work = own.drain()
    assert told(work) == [("manager", "escalated", 2)]
    assert [c.label for c in work.counts if c.metric == "sansheng_pager_escalations_total"] == ["quiet"]


@pytest.mark.parametrize("ended_by", ["", "cleared", "claimed"])
def test_where_all_are_quiet_the_page_is_held_to_the_first_end(ended_by: str) -> None:
    """::

    12:00 held ─ 12:59:59 nobody ─ 13:00 the manager, unless it is over or claimed by then
    """
    own = desk(plan(["lead"], ["manager"], quiet={"lead": "11:00-14:00", "manager": "11:00-13:00"}))
    own.alert(0, alert(), NOON)
    assert take(own) == []
    assert own.figures() == {"held": 1}
    if ended_by == "cleared":
        own.alert(0, alert(state="cleared"), NOON + 60)
    elif ended_by:
        own.verdict(0, judgement("claimed"), NOON + 60)
    assert take(own, NOON + 3599) == []
    assert take(own, NOON + 3600) == ([] if ended_by else [("manager", "escalated", 2)])


@pytest.mark.parametrize("expires_s", [3600.0, 14_400.0])
def test_what_is_held_does_not_expire_before_somebody_could_see_it(expires_s: float) -> None:
    """::

    22:00 held ─ 02:00 it would have expired ─ 08:00 the lead is called ─ expires_s later it is over
    """
    evening, morning = at("2026-11-20T22:00"), at("2026-11-21T08:00")
    own = desk(plan(["lead"], quiet={"lead": "21:00-08:00"}, expires_s=expires_s), evening)
    own.alert(0, alert(at=evening), evening)
    assert take(own, morning - 1) == []
    assert take(own, morning) == [("lead", "opened", 1)]
    assert take(own, morning + expires_s - 1) == []
    assert take(own, morning + expires_s) == [("lead", "resolved", 1)]


def test_a_try_that_failed_is_not_repeated_in_quiet_hours_but_when_they_end() -> None:
    """::

    20:59 the lead does not answer ─ 21:00 quiet, and the only one ─ 00:59 not expired, nobody saw it ─ 08:00 the lead
    """
    evening, morning = at("2026-11-20T20:59"), at("2026-11-21T08:00")
    own = desk(plan(["lead"], quiet={"lead": "21:00-08:00"}), evening)
    own.alert(0, alert(at=evening), evening)
    own.wake(evening)
    ((_, opened),) = own.drain().puts
    assert own.wanted("lead", opened, evening)
    own.landed("lead", opened)
    assert not own.wanted("lead", opened, evening + 60)
    assert take(own, evening + 15_000) == []
    assert take(own, morning - 1) == []
    assert not state_of(own).is_over
    assert take(own, morning) == [("lead", "opened", 1)]
    assert take(own, morning + 14_400) == [("lead", "resolved", 1)]


def test_whose_quiet_hours_begin_before_he_is_reached_is_passed_over() -> None:
    evening = at("2026-11-20T20:59")
    own = desk(plan(["lead"], ["manager"], quiet={"lead": "21:00-08:00"}), evening)
    own.alert(0, alert(at=evening), evening)
    own.wake(evening)
    ((_, opened),) = own.drain().puts
    assert not own.wanted("lead", opened, evening + 60)
    own.wake(evening + 60)
    work = own.drain()
    assert told(work) == [("manager", "escalated", 2)]
    assert [count.label for count in work.counts] == ["quiet"]


@pytest.mark.parametrize("is_killed", [False, True])
def test_an_end_is_not_told_in_quiet_hours_but_when_they_end(is_killed: bool) -> None:
    evening, morning = at("2026-11-20T20:50"), at("2026-11-21T08:00")
    of = plan(["lead"], quiet={"lead": "21:00-08:00"})
    own = desk(of, evening)
    own.alert(0, alert(at=evening), evening)
    assert take(own, evening) == [("lead", "opened", 1)]
    own.alert(0, alert(state="cleared"), evening + 3600)
    assert take(own, evening + 3600) == []
    if is_killed:
        heir = Desk(of, "main", "", 4)
        heir.take_over(0, [state_of(own)], evening + 7200)
        heir.begin(0, evening + 7200)
        own = heir
    assert take(own, morning - 1) == []
    assert take(own, morning) == [("lead", "resolved", 1)]
    assert take(own, morning + 60) == []


def routed() -> Plan:
    names = ("day", "night", "fire", "all")
    return Plan(
        receivers={name: Called(name, ALL) for name in names},
        routes=(
            Route((("fire",),), frozenset({"fire"})),
            Route((("night",),), frozenset(), frozenset({"fri"}), hours_of("20:00-08:30")),
            Route((("day",),), frozenset({"support", ""}), frozenset(), hours_of("08:30-20:00")),
        ),
        zone=SHANGHAI,
        escalate_after_s=300,
        too_late_s=1800,
        expires_s=14_400,
    )


@pytest.mark.parametrize(
    ("queue", "when", "who"),
    [
        ("fire", "2026-11-20T23:00", ("fire",)),
        ("support", "2026-11-20T12:00", ("day",)),
        ("", "2026-11-20T12:00", ("day",)),
        ("support", "2026-11-20T20:00", ("night",)),
        ("support", "2026-11-21T08:29", ("night",)),  # Friday's night
        ("support", "2026-11-20T08:29", ("day", "night", "fire", "all")),  # Thursday's: no route, so everybody
        ("sales", "2026-11-20T12:00", ("day", "night", "fire", "all")),
    ],
)
def test_the_first_route_that_fits_queue_and_time(queue: str, when: str, who: tuple[str, ...]) -> None:
    assert routed().levels(queue, at(when)) == (who,)


@pytest.mark.parametrize("queue", ["4008123456", "support-20240101", "q" * 300])
def test_a_route_for_a_queue_that_pages_name_in_part_only_fits_it(queue: str) -> None:
    of = plan(["lead"], receivers={name: Called(name, ALL) for name in ("lead", "manager")})
    of = replace(of, routes=(Route((("lead",),), frozenset({queue})), Route((("manager",),))))
    own = desk(of)
    own.alert(0, alert(queue=queue), NOON)
    assert take(own) == [("lead", "opened", 1)]
    assert queue not in deciding.render(state_of(own)).decode()
    own.alert(0, alert("a2", queue="support"), NOON)
    assert take(own) == [("manager", "opened", 1)]


def test_a_page_stays_on_the_route_on_which_it_began() -> None:
    of = Plan(
        receivers={name: Called(name, ALL) for name in ("day1", "day2", "night")},
        routes=(Route((("day1",), ("day2",)), hours=hours_of("08:30-20:00")), Route((("night",),))),
        zone=SHANGHAI,
        escalate_after_s=300,
        too_late_s=1800,
        expires_s=14_400,
    )
    evening = at("2026-11-20T19:58")
    own = desk(of, evening)
    own.alert(0, alert(at=evening), evening)
    assert take(own, evening) == [("day1", "opened", 1)]
    assert take(own, evening + 300) == [("day2", "escalated", 2)]


# ------------------------------------------------------------------------------------------- properties

_names = st.sampled_from(["a1", "a2"])
_changes = st.builds(
    alert,
    _names,
    st.sampled_from(["opened", "raised", "raised", "cleared"]),
    severity=st.sampled_from(["critical", "critical", "warning"]),
    page=st.booleans(),
)
_actions = st.sampled_from(["claimed", "claimed", "released", "released", "resolved", "false_alarm", "reopened"])
#: Of lead and desk, which are the first level.
_quiet = st.sampled_from([{}, {"lead": "12:05-12:20"}, {"lead": "12:05-12:20", "desk": "12:05-12:10"}])
_judgements = st.builds(judgement, _actions, _names, st.integers(0, 1_000_000).map(float))
_kills = st.sampled_from(["", "", "", "folded", "recorded", "told"])
_steps = st.one_of(
    st.tuples(st.just("read"), st.integers(0, 1), st.sampled_from([1, 1, 1, 3]), _kills),
    st.tuples(st.just("deliver")),
    st.tuples(st.just("lose")),
    st.tuples(st.just("tell"), st.sampled_from(["sent", "sent", "failed", "lost", "lost", "slow", "killed"])),
    st.tuples(st.just("time"), st.sampled_from([1.0, 299.0, 301.0]), _kills),
    st.tuples(st.just("kill")),
)


def live(quiet: dict[str, str], alerts: list[Any], verdicts: list[Any], steps: list[Any]) -> Life:
    """A pager's life with those kills, and then none."""
    of = plan(["lead", "desk"], ["manager"], quiet=quiet, expires_s=1e9, too_late_s=1e9)
    life = Life(of, alerts, verdicts)
    for what, *how in steps:
        if what == "read":
            life.read(*how)
        elif what == "tell":
            life.tell(*how)
        elif what == "deliver":
            while life.line or life.flight:
                life.tell("sent")
        elif what == "lose":  # and before it is told again the page takes its turn
            life.tell("lost")
            life.read(0, 1)
            life.read(1, 1)
        elif what == "kill":
            life.begin()
        else:
            life.now += how[0]
            life.tick(how[1])
    life.finish()
    return life


def last_heard(life: Life, name: str) -> dict[str, str]:
    """What each receiver was told last of a page; escalated is opened."""
    said = ((receiver, notice.news) for receiver, notice in life.sent if notice.page.id == name)
    return {receiver: "opened" if news == "escalated" else news for receiver, news in said}


def everybody_once(quiet: dict[str, str], alerts: list[Any], verdicts: list[Any], steps: list[Any]) -> None:
    life = live(quiet, alerts, verdicts, steps)
    for (receiver, name), count in life.got.items():
        if name.split(".")[1] in ("opened", "escalated"):
            most = 1 + life.doubtful[receiver, name]
            assert count <= most, f"{receiver} was told {name} {count} times, at most {most}"
    for name in {change.id for change in alerts if deciding.pages(change)}:
        standing, heard = life.standing(name, 99), last_heard(life, name)
        is_over = is_cleared(alerts, name) or standing.finding != "open"
        stands = "resolved" if is_over else "claimed" if standing.claimed_by else "opened"
        assert set(heard.values()) <= {stands}, f"{name} is {stands}, and last heard was {heard}"
        if stands == "opened":
            missing = {"lead", "desk", "manager"} - heard.keys() - quiet.keys()
            assert not missing, f"{missing} were never told {name}"
            assert heard, f"nobody was told {name}"
    for _, notice in life.sent:
        assert not [found for found in PERSONAL if found in as_text(notice)]
    for record in life.records.values():
        assert not [found for found in PERSONAL if found in record.decode()]


@st.composite
def _told_alerts(draw: st.DrawFn) -> list[Any]:
    """Alerts as a detector sends them: opened, raised, cleared; what it sent last may be sent again after a kill."""
    streams = []
    for name in ("a1", "a2"):
        severities = draw(st.lists(st.sampled_from(["warning", "critical"]), min_size=1, max_size=3).map(sorted))
        own = [alert(name, "raised", severity=each, page=draw(st.booleans())) for each in reversed(severities)]
        own[0] = alert(name, "opened", severity=own[0].severity, page=own[0].page)
        streams.append([*own, alert(name, "cleared")] if draw(st.booleans()) else own)
    sent: list[Any] = []
    while any(streams):
        own = draw(st.sampled_from([stream for stream in streams if stream]))
        sent.append(own.pop(0))
        sent += sent[len(sent) - draw(st.integers(0, min(2, len(sent)))) :]
    return sent[:9]


#: What can follow what; each at random may come at any time too.
_FOLLOWS = {"claimed": ("released", "released", "resolved"), "resolved": ("reopened",)}


@st.composite
def _sensible(draw: st.DrawFn) -> list[Any]:
    """One alert that is taken and given back, decided and reopened."""
    said, action = [], "released"
    for number in range(draw(st.integers(0, 5))):
        action = draw(st.sampled_from(_FOLLOWS.get(action, ("claimed", "claimed", "resolved"))))
        said.append(judgement(action, "a1", float(number)))  # type: ignore[arg-type]
    return said


_said = st.one_of(_sensible(), st.lists(_judgements, max_size=6))
_days = st.one_of(st.lists(_steps, max_size=40), st.lists(_steps, min_size=15, max_size=40))  # the first are short
_lives = (_quiet, _told_alerts(), _said, _days)


@settings(max_examples=400, deadline=None)
@given(*_lives)
def test_whatever_is_killed_or_lost_each_is_told_once_and_heard_last_what_is_true(
    quiet: dict[str, str], alerts: list[Any], verdicts: list[Any], steps: list[Any]
) -> None:
    """Nobody is called after a claim or the end, nor in his quiet hours, and who took it for settled is told anew."""
    everybody_once(quiet, alerts, verdicts, steps)


def _forget_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.pager.deciding.on_told", lambda plan, before, *_: deciding.Step(before))


def _call_the_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding.PagerState, "is_claimed", property(lambda _: False))


def _tell_what_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.pager.deciding.wanted", lambda *_: True)


def _commit_first(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Life.tick

    def tick(self: Life, stops_at: str = "") -> None:
        self.committed = list(self.at)
        real(self, stops_at)

    def store(self: Life, work: Any) -> None:
        if not work.puts:  # the record follows the telling
            real_store(self, work)

    real_store = Life.store
    monkeypatch.setattr(Life, "tick", tick)
    monkeypatch.setattr(Life, "store", store)


def _say_who(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.pager.deciding._nameless", lambda judgement: judgement)


def _forget_what_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.pager.deciding.on_perhaps", lambda before, *_: before)


def _say_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.pager.deciding._told_anew", lambda contact, _: contact)


def _wake_who_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desk, "_is_hushed", lambda *_: False)


def _forget_who_was_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desk, "_end_quiet", lambda *_: None)


FAULTS = [
    _forget_told,
    _call_the_claimed,
    _tell_what_is_over,
    _commit_first,
    _say_who,
    _forget_what_was_lost,
    _say_nothing_anew,
    _wake_who_is_quiet,
    _forget_who_was_quiet,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_property_catches(fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)
    quick = settings(max_examples=2000, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        quick(given(*_lives)(everybody_once))()


@given(_changes, st.text(max_size=30), st.sampled_from(PERSONAL))
def test_nothing_about_people_is_in_a_page(change: Any, words: str, personal: str) -> None:
    given = replace(change, says=f"{words} {personal}", agent_name=personal, call=personal, agent=personal)
    page = deciding.page_of(given, "main", "https://wall.example", NOON)
    text = as_text(Notice(page=page, news="opened", at=NOON))
    assert not [found for found in PERSONAL if found in text]


def test_a_queue_that_is_somebodys_number_is_masked() -> None:
    page = deciding.page_of(alert(queue="13812345678"), "main", "", NOON)
    assert page.queue == "138****5678"


@given(st.lists(_changes, max_size=5), st.lists(_judgements, max_size=5))
def test_a_state_through_its_record_and_back_is_the_same(alerts: list[Any], verdicts: list[Any]) -> None:
    own = desk(TWO)
    for change in alerts:
        own.alert(0, change, NOON)
    for said in verdicts:
        own.verdict(0, said, NOON)
    take(own)
    for state in own._states():
        assert deciding.parse(deciding.render(state)) == state


def test_a_late_record_of_an_earlier_turn_means_nothing() -> None:
    from streams.pager.records import Notes  # noqa: PLC0415 - used here only

    own = desk(TWO)
    own.alert(0, alert(), NOON)
    old = state_of(own)
    heir = Desk(TWO, "main", "", 4)
    heir.take_over(0, [old], NOON)
    heir.verdict(0, judgement("claimed"), NOON)
    notes = Notes()
    for state in (old, state_of(heir), old):
        notes.note("a1", deciding.render(state))
    assert notes.pages["a1"].is_claimed


def test_turns_differ_and_what_is_open_is_recorded_as_of_the_new_one_before_anybody_is_called() -> None:
    from streams.pager.records import Notes, headers  # noqa: PLC0415 - used here only

    first = Desk(TWO, "main", "", 4)
    first.take_over(0, (), NOON)
    second = Desk(TWO, "main", "", 4)
    second.take_over(0, (), NOON + 1)  # nothing had been recorded by then
    for own in (first, second):
        own.alert(0, alert(), NOON + 1)
    second.verdict(0, judgement("claimed"), NOON + 1)
    notes = Notes()
    for own in (second, first):  # the first is late
        notes.note("a1", deciding.render(state_of(own)))
    assert notes.pages["a1"].is_claimed
    third = Desk(TWO, "main", "", 4)
    third.take_over(0, [state_of(second)], NOON)  # by a clock that is behind
    ((_, name, state, epoch),) = third.drain().records
    assert name == "a1"
    assert state
    assert state.epoch == epoch > state_of(second).epoch
    notes.note("a1", None, headers(epoch))
    assert not notes.pages
    notes.note("a1", deciding.render(state_of(second)))
    assert not notes.pages, "what comes late after its end means nothing"
    notes.note("a1", deciding.render(replace(state, epoch=epoch + 1)))
    notes.note("a1", None, headers(epoch))
    assert notes.pages, "nor does a late end"


async def test_what_is_not_being_told_any_more_holds_up_nobody_who_gives_partitions_away() -> None:
    """A receiver that wants to be left alone: the notice waits, and is not under way."""
    from streams.metrics import Metrics  # noqa: PLC0415 - used here only
    from streams.pager.pager import Pager  # noqa: PLC0415 - used here only

    class Busy:
        name, repeats_s, tells, limits, tried = "lead", 0.0, ALL, (), asyncio.Event()

        async def tell(self, notice: Notice) -> None:
            self.tried.set()
            raise RetryError("too quick", 40)

        async def close(self) -> None:
            """It holds nothing."""

    receiver = Busy()
    own = Pager(Settings(), {"lead": receiver}, Metrics("pager"))
    own._desk.take_over(0, (), NOON)
    own._desk.begin(0, NOON)
    own._desk.alert(0, alert(at=time.time()), time.time())
    own._desk.wake(time.time())
    own._hand_over(own._desk.drain())
    line = asyncio.create_task(own._lines["lead"].run())
    async with asyncio.timeout(10):
        await receiver.tried.wait()
    await asyncio.sleep(0)
    assert own._desk.flying == frozenset()
    line.cancel()


# ------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"id": 3}',
        json.encode(alert(name="")),
        json.encode(alert(name="x" * 201)),
    ],
)
def test_unreadable_alerts_are_told_without_what_is_in_them(value: bytes | None) -> None:
    with pytest.raises(UnreadableError) as found:
        alert_of(value)
    assert "x" * 9 not in str(found.value)


def test_the_field_is_named_and_its_value_is_not() -> None:
    bad = json.encode(alert()).replace(b'"critical"', b'"13812345678"')
    with pytest.raises(UnreadableError) as found:
        alert_of(bad)
    assert found.value.field == "$.severity"
    assert "13812345678" not in str(found.value)
    with pytest.raises(UnreadableError):
        judgement_of(b'{"type": "judgement"}')


@pytest.mark.parametrize("when", [1e308, -1e308, NOON + 86_400])
def test_a_mad_time_makes_no_mad_page(when: float) -> None:
    own = desk(TWO)
    own.alert(0, alert(at=when), NOON)
    take(own)
    assert state_of(own).page.at <= NOON  # type: ignore[union-attr]
    assert take(own, NOON + 14_400) == ([] if when < 0 else [(n, "resolved", level) for n, level in LEVELS])


LEVELS = (("lead", 1), ("desk", 1))


def test_the_longest_texts_make_a_record_that_a_broker_takes() -> None:
    from streams.shell.publisher import LARGEST  # noqa: PLC0415 - used here only

    own = desk(TWO)
    own.alert(0, alert(title="\U0001f600" * 900_000, rule="r" * 900_000, queue="q" * 900_000), NOON)
    for number in range(300):
        own.verdict(0, judgement("claimed" if number % 2 else "released", at=number, id="v" * 190 + str(number)), NOON)
    assert len(deciding.render(state_of(own))) < LARGEST / 4


# ------------------------------------------------------------------------------------------- settings, commands

_TOML = """
[[pager.receivers]]
name = "lead"
kind = "webhook"
url = "http://127.0.0.1:9/lead"
quiet = "{quiet}"
[[pager.receivers]]
name = "manager"
kind = "webhook"
url = "http://127.0.0.1:9/manager"
[[pager.routes]]
queues = ["support"]
hours = "{hours}"
levels = {levels}
[pager]
wall_url = "{wall}"
"""
_GOOD = {"quiet": "", "hours": "00:00-24:00", "levels": '[["lead"], ["manager"]]', "wall": "https://wall.example"}


@pytest.mark.parametrize(
    ("bad", "names"),
    [
        ({"quiet": "22:00"}, ('pager.receivers "lead", quiet', "20:00-08:30")),
        ({"quiet": "00:00-24:00"}, ('pager.receivers "lead", quiet', "take the receiver out")),
        ({"hours": "8-20"}, ("pager.routes, the first, hours", "08:30-20:00")),
        ({"levels": "[[]]"}, ("pager.routes, the first, levels", "level 1")),
        ({"levels": '[["lead"], ["lead"]]'}, ("pager.routes, the first, levels", "twice", "lead")),
        ({"levels": '[["boss"]]'}, ("pager.routes, the first, levels", "boss", "lead, manager")),
        ({"wall": "wall.example"}, ("pager.wall_url", "https://")),
        ({"wall": "https://wall.example/#token=s3cret"}, ("pager.wall_url", "without a token")),
    ],
)
def test_bad_settings_are_refused_by_name(run: Run, bad: dict[str, str], names: tuple[str, ...]) -> None:
    Path("sansheng.toml").write_text(_TOML.format(**{**_GOOD, **bad}))
    found = run("pager", "check")
    assert found.code == 2
    assert all(name in found.err for name in names), found.err
    assert "s3cret" not in found.err


def test_an_alertmanager_has_no_quiet_hours(run: Run) -> None:
    receiver = 'name = "am"\nkind = "alertmanager"\nurl = "http://127.0.0.1:9093"\nquiet = "22:00-06:00"\n'
    Path("sansheng.toml").write_text(f"[[pager.receivers]]\n{receiver}")
    found = run("pager", "check")
    assert found.code == 2
    assert "never quiet" in found.err


def test_without_a_receiver_the_pager_says_what_to_write(run: Run) -> None:
    for command in (("pager",), ("pager", "check")):
        found = run(*command)
        assert found.code == 1
        assert "[[pager.receivers]]" in found.err
        assert 'kind = "webhook"' in found.err


def test_check_says_who_would_be_called_now(run: Run) -> None:
    Path("sansheng.toml").write_text(_TOML.format(**_GOOD))
    found = run("pager", "check")
    assert found.code == 0, found.err
    assert "support" in found.out
    assert "lead \u2192 manager" in found.out
    assert "\u5176\u4ed6\u961f\u5217" in found.out
    assert "https://wall.example/alerts/" in found.err
    english = run("pager", "check", "--english")
    assert "any other queue" in english.out
    assert "lead, manager" in english.out, "no route: everybody"


def test_check_says_which_queues_cannot_be_told_apart_and_who_is_called_for_them(run: Run) -> None:
    written = _TOML.format(**_GOOD).replace('queues = ["support"]', 'queues = ["4008123456"]')
    route = '[[pager.routes]]\nqueues = ["4008999956", "sales"]\nlevels = [["manager"]]\n'
    Path("sansheng.toml").write_text(written.replace("[pager]", f"{route}[pager]"))
    found = run("pager", "check", "--english")
    assert found.code == 0, found.err
    rows = {line.split("\u2502")[1].strip(): line for line in found.out.splitlines() if "\u2502" in line}
    assert "lead \u2192 manager" in rows["4008123456"]
    assert "lead \u2192 manager" in rows["4008999956"], "as it will be"
    assert "4008123456, 4008999956: the same" in found.err
    assert "4008123456, 4008999956\uff1a" in run("pager", "check").err


def test_the_example_of_the_documentation_can_be_used(run: Run) -> None:
    section = (DOCS / "pager.md").read_text().partition("### A whole example")[2]
    Path("sansheng.toml").write_text(section.partition("```toml\n")[2].partition("```")[0])
    found = run("pager", "check", "--english")
    assert found.code == 0, found.err
    assert {"support", "sales", "duty-lead", "manager"} <= set(re.findall(r"[a-z-]+", found.out))


def test_a_test_page_is_plainly_one_and_goes_to_a_known_receiver(run: Run) -> None:
    assert "\u6d4b\u8bd5\u901a\u77e5" in _test_page(Settings(), NOON).title
    Path("sansheng.toml").write_text(_TOML.format(**_GOOD))
    found = run("pager", "test", "boss")
    assert found.code == 2
    assert "lead, manager" in found.err
    dead = run("pager", "test", "lead")  # nothing listens there
    assert dead.code == 1
    assert "lead" in dead.err


def test_puts_are_only_for_known_receivers() -> None:
    own = desk(TWO)
    own.alert(0, alert(), NOON)
    take(own)
    heir = desk(plan(["lead"]))
    heir.take_over(0, [state_of(own)], NOON)
    heir.begin(0, NOON)
    heir.alert(0, alert(state="cleared"), NOON + 1)
    assert [put.receiver for put in heir.drain().puts] == ["lead"]
