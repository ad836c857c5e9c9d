"""The wall's state: what is on the screen, told by events alone and by time that the test gives."""

from __future__ import annotations

import random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.structs import replace

from dashboards.wall.boards import RECENT
from dashboards.wall.state import CLEARED_SHOWN_S, ENDED_SHOWN_S, midnight_before
from dashboards.wall.views import Change, Feed, Person, Tile
from streams.core import KEEP_ENDED_S, SILENT_S
from streams.events import Evidence
from streams.heartbeat import DEAD_AFTER_S, Component, Heartbeat
from streams.verdicts import WEEK_S
from tests.wall_board import LINGER_S, NOW, ZONE, Screen, anything, beat, cards, say, talk, tiles
from tests.wall_script import change


@pytest.fixture
def wall() -> Screen:
    return Screen()


def counts(wall: Screen) -> dict[str, int]:
    found = wall.snapshot()["counts"]
    return {name: getattr(found, name) for name in found.__struct_fields__ if name not in ("day", "hours")}


# the floor


def test_a_call_is_a_tile_that_says_who_and_since_when(wall: Screen) -> None:
    talk(wall, NOW)
    wall.collect(NOW)
    assert tiles(wall)["c1"] == Tile(
        id="c1", phase="talking", since=NOW, begun_at=NOW - 5, agents=(Person("101", "王芳"),),
        queue="售后", caller="138****0001", answered=True,
    )  # fmt: skip


def test_several_phones_ring_and_the_clock_is_that_of_the_longest_ring(wall: Screen) -> None:
    say(wall, "call.offered", NOW - 9)
    say(wall, "agent.ringing", NOW - 8, agent="101")
    say(wall, "agent.ringing", NOW - 6, agent="102")
    say(wall, "agent.missed", NOW - 1, agent="101")
    wall.collect(NOW)
    tile = tiles(wall)["c1"]
    assert (tile.phase, tile.since, tile.agents) == ("ringing", NOW - 6, (Person("102"),))


def test_a_transfer_names_where_it_goes(wall: Screen) -> None:
    talk(wall, NOW - 9)
    say(wall, "call.transferring", NOW, agent="101", to="102")
    wall.collect(NOW)
    assert (tiles(wall)["c1"].agents, tiles(wall)["c1"].to) == ((Person("101", "王芳"),), Person("102"))


def test_an_ended_call_is_shown_briefly_then_leaves(wall: Screen) -> None:
    talk(wall, NOW - 60)
    say(wall, "call.ended", NOW, by="agent")
    wall.collect(NOW + ENDED_SHOWN_S - 0.1)
    assert (tiles(wall)["c1"].phase, tiles(wall)["c1"].ended_by) == ("ended", "agent")
    [left] = [c for c in wall.collect(NOW + ENDED_SHOWN_S) if c.kind == "calls"]
    assert (left.id, left.view) == ("c1", None)
    assert tiles(wall) == {}


def test_ticks_words_and_ends_of_unknown_calls_put_nothing_on_the_floor(wall: Screen) -> None:
    say(wall, "tick", NOW, "t")
    say(wall, "transcript", NOW, "w", role="agent", text="您好", start=NOW, end=NOW, final=True)
    say(wall, "call.ended", NOW, "e", by="customer")
    wall.collect(NOW)
    assert tiles(wall) == {}


def test_speech_changes_no_tile_but_keeps_a_call_on_the_floor(wall: Screen) -> None:
    talk(wall, NOW)
    wall.collect(NOW)
    spoken = {"role": "agent", "text": "您好", "start": NOW, "end": NOW + 1}
    say(wall, "speech.started", NOW, role="agent")
    say(wall, "transcript", NOW + 1, **spoken, final=False)
    say(wall, "phrase.spotted", NOW + 1, **spoken)
    say(wall, "transcript", NOW + SILENT_S - 1, **spoken, final=True)
    assert not [c for c in wall.collect(NOW + 1) if c.kind == "calls"]
    assert wall.last_event_at == NOW + SILENT_S - 1
    wall.collect(NOW + SILENT_S + 61)
    assert "c1" in tiles(wall)
    wall.collect(NOW + 2 * SILENT_S + 61)
    assert tiles(wall) == {}


def test_a_tap_is_nothing_to_the_wall(wall: Screen) -> None:
    say(wall, "leg.tapped", NOW, role="agent", leg="40325ec2-5efd-4bd3-805f-53576e581d13")
    wall.collect(NOW)
    assert (tiles(wall), wall.last_event_at) == ({}, None)


def test_a_card_says_whether_its_words_were_written_by_sound(wall: Screen) -> None:
    for name, by_sound in (("a1", True), ("a2", False)):
        words = Evidence(role="agent", text="***您好", start=NOW, end=NOW + 1, match="您好", by_sound=by_sound)
        wall.take_alert(change(name, at=NOW, evidence=(words,)))
    wall.collect(NOW)
    assert {card.id: card.by_sound for card in cards(wall).values()} == {"a1": True, "a2": False}


def test_what_was_heard_by_sound_stays_so_when_it_is_over_whatever_comes_first(wall: Screen) -> None:
    words = Evidence(role="agent", text="***您好", start=NOW, end=NOW + 1, match="您好", by_sound=True)
    opened, cleared = change(at=NOW, evidence=(words,)), change(state="cleared", at=NOW + 5)
    for name, changes in (("a1", (opened, cleared)), ("a2", (cleared, opened))):
        for each in changes:
            wall.take_alert(replace(each, id=name))
    wall.collect(NOW + 5)
    assert {card.id: card.by_sound for card in cards(wall).values()} == {"a1": True, "a2": True}


def test_an_outside_number_is_masked_wherever_the_wall_names_somebody(wall: Screen) -> None:
    talk(wall, NOW - 9)
    say(wall, "call.transferring", NOW, agent="101", to="13812345678")
    wall.collect(NOW)
    assert tiles(wall)["c1"].to == Person("138****5678")
    say(wall, "call.transferred", NOW + 5, agent="13812345678")
    wall.take_alert(change(at=NOW + 6, agent="13812345678", agent_name=None))
    wall.collect(NOW + 6)
    assert tiles(wall)["c1"].agents == (Person("138****5678"),)
    assert cards(wall)["a1"].agent == Person("138****5678")
    shown = (wall.snapshot(), wall.call_lines("101", anything), wall.alerts_of("c1"))
    assert "12345" not in msgspec.json.encode(shown).decode()


def test_a_call_that_fell_silent_leaves_the_floor(wall: Screen) -> None:
    talk(wall, NOW)
    wall.collect(NOW + SILENT_S - 1)
    assert "c1" in tiles(wall)
    wall.collect(NOW + SILENT_S + 61)
    wall.collect(NOW + SILENT_S + 61 + ENDED_SHOWN_S)
    assert tiles(wall) == {}


def test_a_redelivered_event_and_a_clock_that_jumps_back_change_no_tile(wall: Screen) -> None:
    say(wall, "call.offered", NOW, seq=1)
    say(wall, "agent.ringing", NOW + 1, agent="101", seq=2)
    say(wall, "call.answered", NOW + 5, agent="101", seq=3)
    wall.collect(NOW + 6)
    before = tiles(wall)
    say(wall, "agent.ringing", NOW + 1, agent="101", seq=2)
    assert [c for c in wall.collect(NOW + 6) if c.kind == "calls"] == []
    assert tiles(wall) == before
    say(wall, "call.held", NOW - 3600, seq=4)  # the sender's clock is now an hour behind
    wall.collect(NOW + 6)
    assert tiles(wall)["c1"].phase == "held"


# alerts


def test_an_alert_is_opened_raised_cleared_and_leaves_after_a_while(wall: Screen) -> None:
    talk(wall, NOW - 300)
    wall.take_alert(change(severity="notice", at=NOW))
    wall.take_alert(change(state="raised", severity="warning", at=NOW + 30, says="两分钟"))
    wall.collect(NOW + 31)
    card = cards(wall)["a1"]
    assert (card.severity, card.opened_at, card.says, card.ongoing) == ("warning", NOW, "两分钟", True)
    wall.take_alert(change(state="cleared", severity="warning", at=NOW + 40, says="结束"))
    wall.collect(NOW + 41)
    assert (cards(wall)["a1"].over_at, cards(wall)["a1"].says) == (NOW + 40, "结束")
    wall.collect(NOW + 40 + CLEARED_SHOWN_S - 0.1)
    assert "a1" in cards(wall)
    wall.collect(NOW + 40 + CLEARED_SHOWN_S)
    assert cards(wall) == {}
    assert [c.id for c in wall.snapshot()["recent"]] == ["a1"]


@pytest.mark.parametrize("show_trial", [False, True])
def test_alerts_of_rules_on_trial_are_left_out_unless_they_are_wanted(show_trial: bool) -> None:
    wall = Screen(show_trial=show_trial)
    talk(wall, NOW - 300)
    wall.take_alert(change(at=NOW, trial=True))
    wall.collect(NOW + 1)
    assert [card.trial for card in cards(wall).values()] == [True] * show_trial


LIFE = [
    change(severity="notice", at=NOW),
    change(state="raised", severity="warning", at=NOW + 30),
    change(state="raised", severity="critical", at=NOW + 60),
    change(state="cleared", severity="critical", at=NOW + 90, says="结束"),
]


def test_changes_delivered_again_change_nothing(wall: Screen) -> None:
    talk(wall, NOW - 300)
    for n, life in enumerate(LIFE):
        wall.take_alert(life)
        wall.collect(NOW + 91)
        for old in LIFE[: n + 1]:
            wall.take_alert(old)
        assert wall.collect(NOW + 91) == ()


@pytest.mark.parametrize("seed", range(12))
def test_disorder_ends_in_the_same_place(wall: Screen, seed: int) -> None:
    talk(wall, NOW - 300)
    for life in random.Random(seed).sample(LIFE * 2, k=2 * len(LIFE)):  # noqa: S311 - not for secrets
        wall.take_alert(life)
    wall.collect(NOW + 91)
    card = cards(wall)["a1"]
    assert (card.severity, card.opened_at, card.over_at, card.says) == ("critical", NOW, NOW + 90, "结束")
    assert counts(wall)["critical"] == 1


def test_a_late_older_change_never_reopens(wall: Screen) -> None:
    wall.take_alert(LIFE[-1])
    wall.collect(NOW + 90 + CLEARED_SHOWN_S)
    assert cards(wall) == {}
    wall.take_alert(LIFE[0])
    wall.take_alert(LIFE[1])
    wall.collect(NOW + 90 + CLEARED_SHOWN_S)
    assert cards(wall) == {}


def test_a_late_raise_counts_but_does_not_change_the_sentence_of_the_end(wall: Screen) -> None:
    wall.take_alert(change(state="cleared", at=NOW, says="结束"))
    wall.take_alert(change(state="raised", severity="critical", at=NOW - 1))
    wall.collect(NOW)
    assert (cards(wall)["a1"].says, cards(wall)["a1"].over_at) == ("结束", NOW)
    assert (counts(wall)["critical"], counts(wall)["warning"]) == (1, 0)


def test_what_cannot_be_undone_lingers_then_becomes_history(wall: Screen) -> None:
    talk(wall, NOW - 60)
    say(wall, "call.ended", NOW, by="agent")
    wall.take_alert(change(rule="agent-hung-up-first", at=NOW))
    wall.collect(NOW + LINGER_S - 1)
    assert (cards(wall)["a1"].ongoing, cards(wall)["a1"].over_at) == (False, None)
    wall.collect(NOW + LINGER_S)
    assert cards(wall) == {}
    assert [c.id for c in wall.snapshot()["recent"]] == ["a1"]
    assert counts(wall)["warning"] == 1


def test_an_alert_of_a_running_call_stays_however_long(wall: Screen) -> None:
    talk(wall, NOW - 60)
    wall.take_alert(change(at=NOW))
    wall.collect(NOW + 3 * LINGER_S)
    assert cards(wall)["a1"].ongoing


def test_an_alert_that_comes_before_its_call_becomes_ongoing_with_it(wall: Screen) -> None:
    wall.take_alert(change(at=NOW))
    wall.collect(NOW)
    assert not cards(wall)["a1"].ongoing
    talk(wall, NOW)
    wall.collect(NOW)
    assert cards(wall)["a1"].ongoing


def test_recent_holds_the_newest_even_when_they_were_over_before_the_wall_began(wall: Screen) -> None:
    for i in range(RECENT + 5):
        wall.take_alert(change(f"a{i}", state="cleared", at=NOW - 3000 + i, call=f"c{i}"))
    wall.collect(NOW)
    assert [c.id for c in wall.snapshot()["recent"]] == [f"a{i}" for i in range(RECENT + 4, 4, -1)]
    assert cards(wall) == {}


def test_a_redelivery_of_something_long_forgotten_is_left_out(wall: Screen) -> None:
    wall.take_alert(change(at=NOW - WEEK_S - 1))
    wall.collect(NOW)
    assert cards(wall) == {}


# the day's counts


def test_counts_of_the_day(wall: Screen) -> None:
    talk(wall, NOW - 100, "quick", rang=10)
    talk(wall, NOW - 100, "slow", rang=10.1)
    say(wall, "call.offered", NOW - 50, "gone")
    say(wall, "call.ended", NOW - 20, "gone", by="customer")
    say(wall, "call.offered", NOW - 50, "timeout")
    say(wall, "call.ended", NOW - 20, "timeout", by="system")
    say(wall, "call.offered", NOW - 2, "waits")
    say(wall, "call.offered", NOW - 2, "out", direction="outbound")
    wall.take_alert(change("a1", severity="notice", at=NOW - 9))
    wall.take_alert(change("a1", state="raised", severity="critical", at=NOW - 5))
    wall.take_alert(change("a2", call="c2", at=NOW - 5))
    wall.collect(NOW)
    assert counts(wall) == {
        "offered": 5, "answered": 2, "in_time": 1, "abandoned": 1, "decided": 4,
        "critical": 1, "warning": 1, "notice": 0,
        "lately_decided": 4, "lately_in_time": 1, "snoozed": 0,
    }  # fmt: skip


def test_an_answer_that_is_logged_after_the_end_is_still_counted(wall: Screen) -> None:
    say(wall, "call.offered", NOW - 20)
    say(wall, "agent.ringing", NOW - 9, agent="101")
    say(wall, "call.ended", NOW, by="customer")
    wall.collect(NOW)
    assert counts(wall)["abandoned"] == 1
    say(wall, "call.answered", NOW - 3, agent="101")
    wall.collect(NOW)
    assert (counts(wall)["abandoned"], counts(wall)["answered"]) == (0, 1)


def test_calls_that_were_found_talking_judge_no_service_level(wall: Screen) -> None:
    """A gateway that begins anew finds calls of which nobody knows how long they waited."""
    say(wall, "call.held", NOW - 60, "held", agent="101")
    say(wall, "call.resumed", NOW - 60, "talks")
    talk(wall, NOW - 20, "quick", rang=3)
    for _ in range(2):
        wall.collect(NOW)
        found = counts(wall)
        assert (found["offered"], found["answered"], found["in_time"], found["decided"]) == (3, 3, 1, 1)
        assert (found["lately_in_time"], found["lately_decided"]) == (1, 1)
        for call in ("held", "talks", "quick"):
            say(wall, "call.ended", NOW, call, by="customer")


def test_a_call_that_was_found_talking_is_put_away_like_any_other(wall: Screen) -> None:
    say(wall, "call.resumed", NOW, "talks")
    say(wall, "call.ended", NOW + 60, "talks", by="customer")
    tomorrow = midnight_before(NOW, ZONE) + 86400
    wall.collect(tomorrow - 60)
    assert wall.when("talks")
    wall.collect(tomorrow)
    wall.collect(tomorrow + 60)
    assert wall.when("talks") is None


def test_counts_outlive_the_call(wall: Screen) -> None:
    talk(wall, NOW - 60)
    say(wall, "call.ended", NOW, by="customer")
    wall.collect(NOW)
    wall.collect(NOW + KEEP_ENDED_S + 120)
    assert counts(wall)["answered"] == 1


def test_yesterdays_calls_do_not_count_and_midnight_begins_anew(wall: Screen) -> None:
    midnight = midnight_before(NOW, ZONE)
    early = Screen(midnight + 60)
    talk(early, midnight - 1, "yesterday")
    talk(early, midnight + 10, "today", rang=3)
    early.take_alert(change("old", call="yesterday", at=midnight - 1))
    early.take_alert(change("new", call="today", at=midnight + 20))
    early.collect(midnight + 60)
    assert (counts(early)["offered"], counts(early)["warning"]) == (1, 1)
    assert {"old", "new"} <= cards(early).keys()
    early.collect(midnight + 86400 + 1)
    assert (counts(early)["offered"], counts(early)["warning"]) == (0, 0)
    assert early.snapshot()["counts"].day == "2026-03-06"


@pytest.mark.parametrize(
    ("zone", "day"), [("Asia/Shanghai", "2026-03-05"), ("America/New_York", "2026-03-04"), ("UTC", "2026-03-05")]
)
def test_today_is_the_hotlines_day(zone: str, day: str) -> None:
    wall = Screen(zone=ZoneInfo(zone))
    wall.collect(NOW)
    assert wall.snapshot()["counts"].day == day


# numbers


def test_changes_are_numbered_without_a_gap_and_lead_to_the_snapshot(wall: Screen) -> None:
    seen: list[Change] = []
    first, shown = wall.n, dict[tuple[str, str], Any]()
    for i in range(30):
        talk(wall, NOW + i, f"c{i % 7}-{i}")
        if i % 2:
            say(wall, "call.ended", NOW + i, f"c{i % 7}-{i}", by="customer")
        wall.take_alert(change(f"a{i}", call=f"c{i % 7}-{i}", at=NOW + i))
        seen += wall.collect(NOW + i)
    seen += wall.collect(NOW + 60)
    assert [c.n for c in seen] == list(range(first + 1, wall.n + 1))
    for c in seen:
        shown[c.kind, c.id] = c.view
    left = {key: view for key, view in shown.items() if view is not None}
    assert {i: v for (kind, i), v in left.items() if kind == "calls"} == tiles(wall)
    assert {i: v for (kind, i), v in left.items() if kind == "alerts"} == cards(wall)
    assert left["counts", ""] == wall.snapshot()["counts"]


def test_nothing_new_is_no_change(wall: Screen) -> None:
    talk(wall, NOW)
    wall.take_alert(change(at=NOW))
    wall.collect(NOW)
    assert wall.collect(NOW + 1) == ()


def test_only_alerts_and_health_are_urgent(wall: Screen) -> None:
    talk(wall, NOW)
    wall.take_alert(change(at=NOW))
    beat(wall, "detect", NOW)
    assert {c.kind for c in wall.collect(NOW) if c.urgent} == {"alerts", "status"}


# health


def part(wall: Screen, at: float) -> tuple[str, float]:
    """The detector's state and since when, at that time."""
    wall.collect(at)
    return wall.status.detect.state, wall.status.detect.since


def test_the_detector_is_waited_for_then_dead_then_alive(wall: Screen) -> None:
    assert part(wall, NOW + DEAD_AFTER_S) == ("waiting", NOW)
    assert part(wall, NOW + DEAD_AFTER_S + 0.1) == ("dead", NOW)
    beat(wall, "detect", NOW + 20)
    assert part(wall, NOW + 20 + DEAD_AFTER_S) == ("ok", 0)
    assert part(wall, NOW + 20.1 + DEAD_AFTER_S) == ("dead", NOW + 20)


def test_one_of_two_detectors_is_enough(wall: Screen) -> None:
    beat(wall, "detect", NOW, instance="1")
    beat(wall, "detect", NOW + 30, instance="2")
    wall.collect(NOW + 40)
    assert wall.status.detect.state == "ok"


def test_a_gateway_in_trouble_says_since_when_and_why(wall: Screen) -> None:
    beat(wall, "asterisk", NOW, ok=False, detail="login refused")
    wall.collect(NOW)
    beat(wall, "asterisk", NOW + 5, ok=False, detail="login refused")
    wall.collect(NOW + 5)
    assert (wall.status.pbx.state, wall.status.pbx.since, wall.status.pbx.detail) == ("trouble", NOW, "login refused")
    beat(wall, "asterisk", NOW + 10)
    wall.collect(NOW + 10)
    assert wall.status.pbx.state == "ok"


def test_a_system_without_ears_misses_none(wall: Screen) -> None:
    wall.collect(NOW + 10 * DEAD_AFTER_S)
    assert (wall.status.listen.state, wall.status.recognise.state) == ("absent", "absent")


@pytest.mark.parametrize("component", ["listen", "recognise"])
def test_ears_that_worked_and_fell_silent_are_dead(wall: Screen, component: Component) -> None:
    beat(wall, component, NOW)
    wall.collect(NOW + DEAD_AFTER_S)
    assert getattr(wall.status, component).state == "ok"
    wall.collect(NOW + DEAD_AFTER_S + 0.1)
    assert (getattr(wall.status, component).state, getattr(wall.status, component).since) == ("dead", NOW)


def test_a_system_without_a_pager_misses_none_and_one_that_fell_silent_is_dead(wall: Screen) -> None:
    wall.collect(NOW + 10 * DEAD_AFTER_S)
    assert wall.status.pager.state == "absent"
    beat(wall, "pager", NOW)
    wall.collect(NOW + DEAD_AFTER_S)
    assert wall.status.pager.state == "ok"
    wall.collect(NOW + DEAD_AFTER_S + 0.1)
    assert (wall.status.pager.state, wall.status.pager.since) == ("dead", NOW)


@pytest.mark.parametrize("ok", [True, False])  # it tells the others all the same, or it can do nothing
def test_a_pager_that_says_that_a_receiver_does_not_answer_is_in_trouble_since_then(wall: Screen, ok: bool) -> None:
    beat(wall, "pager", NOW)
    beat(wall, "pager", NOW + 5, ok=ok, detail="receiver night does not answer")
    beat(wall, "pager", NOW + 10, ok=ok, detail="receiver night does not answer")
    wall.collect(NOW + 10)
    part = wall.status.pager
    assert (part.state, part.since, part.detail) == ("trouble", NOW + 5, "receiver night does not answer")
    assert (wall.status.feed, wall.status.archive.state) == (wall.feed, "absent")  # and nothing else is
    beat(wall, "pager", NOW + 15)
    wall.collect(NOW + 15)
    assert wall.status.pager.state == "ok"


@pytest.mark.parametrize("component", ["detect", "asterisk", "listen", "recognise", "archive"])
def test_others_that_work_but_for_something_still_work(wall: Screen, component: Component) -> None:
    beat(wall, component, NOW, detail="rulebook: the changed book was refused")
    wall.collect(NOW)
    assert getattr(wall.status, "pbx" if component == "asterisk" else component).state == "ok"


def test_one_recogniser_that_is_behind_is_told_though_another_is_not(wall: Screen) -> None:
    beat(wall, "recognise", NOW, instance="1")
    beat(wall, "recognise", NOW, instance="2", ok=False, detail="recogniser behind")
    wall.collect(NOW)
    assert (wall.status.recognise.state, wall.status.recognise.detail) == ("trouble", "recogniser behind")


def test_a_heartbeat_that_brings_no_news_says_when_it_was_heard_and_is_not_urgent(wall: Screen) -> None:
    beat(wall, "detect", NOW)
    beat(wall, "asterisk", NOW)
    wall.collect(NOW)
    beat(wall, "detect", NOW + 5)
    [told] = wall.collect(NOW + 5)
    assert (told.kind, told.urgent) == ("status", False)
    assert (wall.status.detect.heard_at, wall.status.pbx.heard_at, wall.status.listen.heard_at) == (NOW + 5, NOW, 0)


def test_trouble_that_comes_back_begins_anew(wall: Screen) -> None:
    for at, ok in ((0, False), (5, True), (10, False), (15, False)):
        beat(wall, "detect", NOW + at, ok=ok)
    assert part(wall, NOW + 15) == ("trouble", NOW + 10)
    beat(wall, "detect", NOW + 16 + 2 * DEAD_AFTER_S, ok=False)
    assert part(wall, NOW + 16 + 2 * DEAD_AFTER_S) == ("trouble", NOW + 16 + 2 * DEAD_AFTER_S)


def test_trouble_begins_when_it_is_heard_of_though_the_sender_has_another_clock(wall: Screen) -> None:
    ahead = Heartbeat(component="detect", instance="1", at=NOW + 3600, ok=False, detail="disk full")
    wall.take_heartbeat(ahead, NOW + 2)
    assert part(wall, NOW + 3) == ("trouble", NOW + 2)


def test_trouble_with_the_topics_and_unreadable_messages_are_told(wall: Screen) -> None:
    wall.set_feed(Feed("gone", NOW, "no answer"))
    wall.take_unreadable()
    [told] = [c for c in wall.collect(NOW) if c.kind == "status"]
    assert (told.view.feed.state, told.view.unreadable) == ("gone", 1)  # type: ignore[union-attr]
