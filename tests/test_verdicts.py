"""How an alert stands after all that people said about it."""

from __future__ import annotations

from itertools import count
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dashboards.wall.snoozes import Snoozes
from streams.verdicts import (
    MOST_SAID,
    REFUSED,
    Action,
    Judgement,
    Precision,
    Snooze,
    Standing,
    judge,
    key_of,
    makes_sense,
    parse,
    precision,
    render,
)

ACTIONS: tuple[Action, ...] = get_args(Action)
_ids = count()


def said(action: Action, by: str = "li", **fields: Any) -> Judgement:
    whole = {"id": f"j{next(_ids)}", "alert": "a1", "call": "c1", "rule": "long-hold", "at": 100.0, **fields}
    return Judgement(**whole, action=action, by=by, by_name=by.title())


def after(*actions: Action) -> Standing:
    standing = Standing()
    for action in actions:
        standing = judge(standing, said(action))
    return standing


#: The whole life, to check by eye: what may follow on what, and what it makes of claim, finding and appeal.
LIFE: dict[tuple[Action, ...], tuple[str, str, str]] = {
    (): ("", "open", "none"),
    ("claimed",): ("li", "open", "none"),
    ("claimed", "released"): ("", "open", "none"),
    ("claimed", "resolved"): ("li", "true", "none"),
    ("resolved",): ("", "true", "none"),
    ("false_alarm",): ("", "false", "none"),
    ("claimed", "resolved", "reopened"): ("", "open", "none"),
    ("resolved", "appealed"): ("", "true", "open"),
    ("appealed",): ("", "open", "open"),
    ("appealed", "resolved"): ("", "true", "open"),
    ("appealed", "false_alarm"): ("", "false", "upheld"),
    ("resolved", "appealed", "upheld"): ("", "false", "upheld"),
    ("resolved", "appealed", "dismissed"): ("", "true", "dismissed"),
    ("resolved", "appealed", "dismissed", "reopened"): ("", "open", "none"),
    ("resolved", "appealed", "reopened"): ("", "open", "open"),
    ("resolved", "appealed", "upheld", "reopened", "resolved", "appealed"): ("", "true", "open"),
    ("commented",): ("", "open", "none"),
}


@pytest.mark.parametrize("actions", LIFE, ids="-".join)
def test_the_life_of_a_verdict(actions: tuple[Action, ...]) -> None:
    standing = after(*actions)
    assert (standing.claimed_by, standing.finding, standing.appeal) == LIFE[actions]
    assert [j.action for j in standing.history] == list(actions)


@pytest.mark.parametrize(
    "actions",
    [
        ("claimed", "claimed"),
        ("released",),
        ("resolved", "claimed"),
        ("resolved", "released"),
        ("resolved", "false_alarm"),
        ("false_alarm", "resolved"),
        ("reopened",),
        ("upheld",),
        ("dismissed",),
        ("false_alarm", "appealed"),
        ("appealed", "appealed"),
        ("appealed", "dismissed", "appealed"),
        ("appealed", "dismissed", "upheld"),
    ],
    ids="-".join,
)
def test_what_makes_no_sense_changes_nothing(actions: tuple[Action, ...]) -> None:
    standing = after(*actions[:-1])
    assert not makes_sense(standing, actions[-1])
    told = judge(standing, said(actions[-1]))
    assert msgspec.structs.replace(told, refused=()) == standing


def test_of_two_who_decide_at_the_same_time_the_first_counts_and_stays_so_when_both_come_again() -> None:
    first, second, reopened = said("resolved", "li"), said("false_alarm", "wu", reason="rule"), said("reopened")
    standing = judge(judge(Standing(), first), second)
    assert (standing.finding, standing.reason, standing.decided_at) == ("true", None, 100.0)
    standing = judge(standing, reopened)
    for again in (first, second, reopened):
        standing = judge(standing, again)
    assert (standing.finding, standing.decided_at) == ("open", None)
    assert standing.history == (first, reopened)


def test_a_false_alarm_has_a_reason_until_it_is_reopened() -> None:
    standing = judge(Standing(), said("false_alarm", reason="misheard"))
    assert standing.reason == "misheard"
    assert judge(standing, said("reopened")).reason is None
    assert judge(Standing(), said("false_alarm")).reason == "other"


def test_what_was_decided_last_says_when() -> None:
    standing = judge(Standing(), said("resolved", at=10.0))
    standing = judge(judge(standing, said("appealed", at=20.0)), said("commented", at=25.0, text="见录音"))
    assert (standing.decided_at, standing.comments) == (10.0, 1)
    assert judge(standing, said("upheld", at=30.0)).decided_at == 30.0


def test_nobody_can_say_so_much_about_one_alert_that_it_fills_the_walls() -> None:
    record = [said("commented", text="吵") for _ in range(MOST_SAID + 5)]
    standing = Standing()
    for each in (*record, *record):
        standing = judge(standing, each)
    assert (standing.history, standing.comments) == (tuple(record[:MOST_SAID]), MOST_SAID)
    assert not makes_sense(standing, "commented")
    assert makes_sense(replace(standing, history=standing.history[1:]), "commented")


def test_what_was_refused_is_not_remembered_without_end() -> None:
    assert len(after(*["reopened"] * (REFUSED + 5)).refused) == REFUSED


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(("li", "wu"))), max_size=15), st.data())
def test_a_record_that_comes_again_from_any_place_changes_nothing(
    told: list[tuple[Action, str]], data: st.DataObject
) -> None:
    record = [said(action, by) for action, by in told]
    standing = Standing()
    for each in record:
        standing = judge(standing, each)
    again = standing
    for each in record[data.draw(st.integers(0, len(record))) :]:
        again = judge(again, each)
    assert again == standing


@given(st.lists(st.sampled_from(ACTIONS), max_size=15))
def test_an_alert_that_was_found_false_leaves_no_appeal_open(actions: list[Action]) -> None:
    standing = after(*actions)
    assert not (standing.finding == "false" and standing.appeal == "open")
    assert (standing.decided_at is None) == (standing.finding == "open")


# snoozes


def snooze(**fields: Any) -> Snooze:
    whole = {"id": "s1", "rule": "long-hold", "queue": "售后", "at": 100.0, "until": 200.0, **fields}
    return Snooze(**whole, by="li", by_name="李")


@pytest.mark.parametrize(
    ("fields", "now", "held"),
    [
        ({}, 100.0, True),
        ({}, 199.9, True),
        ({}, 200.0, False),
        ({"queue": ""}, 150.0, True),
        ({"queue": "售前"}, 150.0, False),
        ({"rule": "other"}, 150.0, False),
        ({"until": 100.0}, 100.0, False),
    ],
)
def test_what_a_snooze_holds_back(fields: dict[str, Any], now: float, held: bool) -> None:
    until = Snoozes([snooze(**fields)]).until("long-hold", "售后", now)
    assert until == (200.0 if held else None)


def test_both_kinds_travel_and_keep_their_order() -> None:
    for verdict in (said("false_alarm", reason="rule", text="班组会"), snooze()):
        assert parse(render(verdict)) == verdict
    assert (key_of(said("claimed")), key_of(snooze())) == ("c1", "~snooze:long-hold:售后")
    assert not key_of(snooze()).startswith("~heartbeat")
    with pytest.raises(msgspec.MsgspecError):
        parse(b'{"type": "judgement", "id": "1"}')


# figures


def test_precision_is_of_what_was_judged() -> None:
    assert precision(["true", "true", "false", "open"]) == Precision(2, 1, 1)
    assert precision(["true", "true", "false", "open"]).share == pytest.approx(2 / 3)
    assert precision(["open"]).share is None
