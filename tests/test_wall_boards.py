"""Boards: what each of several people sees of one floor, and what verdicts and snoozes make of the cards."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dashboards.wall import boards, state
from dashboards.wall import cards as alarms
from dashboards.wall.access import Scope, User, scope_of
from dashboards.wall.boards import DESK_MOST, HOURS, Board, Mode, Roll
from dashboards.wall.floor import LATELY_S
from dashboards.wall.state import CLEARED_SHOWN_S, Wall, midnight_before
from dashboards.wall.views import Card, Counts, Hour, Hush, Person, RuleFigures
from streams.core import KEEP_ENDED_S
from streams.settings import Team
from streams.verdicts import WEEK_S
from tests.wall_board import LINGER_S, NOW, ZONE, anything, as_shown, cards, judgement, say, snooze, talk, tiles
from tests.wall_script import change

DAY_S = 86400.0
AFTER_SALES = Scope(agents=frozenset({"101", "102"}), queues=frozenset({"售后"}), name="售后")
PRE_SALES = Scope(agents=frozenset({"201"}), queues=frozenset({"售前"}), name="售前")
TEAMS = {"售后": Team(agents=("101", "102"), queues=("售后",)), "售前": Team(agents=("201",), queues=("售前",))}
HERSELF = scope_of(User("chen", "陈静", "agent", agent="101"), TEAMS)


@pytest.fixture
def wall() -> Wall:
    return Wall(zone=ZONE, linger_s=LINGER_S, now=NOW)


def look(wall: Wall, at: float, mode: Mode = "desk", scope: Scope | None = None) -> Board:
    """A board that begins now; what it shows must not depend on when it began."""
    board = Board(wall, mode, scope or Scope())
    board.collect(at)
    return board


def rules(board: Board) -> tuple[RuleFigures, ...]:
    found: tuple[RuleFigures, ...] = board.snapshot()["rules"]
    return found


def hushes(board: Board) -> tuple[Hush, ...]:
    found: tuple[Hush, ...] = board.snapshot()["snoozes"]
    return found


def ended(wall: Any, call: str, at: float, **fields: Any) -> None:
    talk(wall, at - 60, call, **fields)
    say(wall, "call.ended", at, call, by="customer")


# whose is it


def test_a_team_sees_the_calls_of_its_agents_and_those_that_wait_for_it(wall: Wall) -> None:
    ours, theirs, everybody = (Board(wall, "desk", scope) for scope in (AFTER_SALES, PRE_SALES, Scope()))
    talk(wall, NOW, "ours", agent="101")
    talk(wall, NOW, "lent", agent="201")  # waited for us, but theirs picked it up
    say(wall, "call.offered", NOW, "waits", queue="售后")
    say(wall, "call.offered", NOW, "elsewhere", queue="投诉")
    for board in (ours, theirs, everybody):
        board.collect(NOW)
    assert tiles(ours).keys() == {"ours", "waits"}
    assert tiles(theirs).keys() == {"lent"}
    assert tiles(everybody).keys() == {"ours", "lent", "waits", "elsewhere"}
    assert [board.counts.offered for board in (ours, theirs, everybody)] == [2, 1, 4]


def test_a_tile_that_leaves_the_team_is_gone_and_is_counted_where_it_went(wall: Wall) -> None:
    ours, theirs = Board(wall, "desk", AFTER_SALES), Board(wall, "desk", PRE_SALES)
    say(wall, "call.offered", NOW, "c1", queue="售后")
    ours.collect(NOW)
    assert (ours.counts.offered, tiles(ours).keys()) == (1, {"c1"})
    say(wall, "call.answered", NOW + 3, "c1", agent="201")
    left = [c for c in ours.collect(NOW + 3) if c.kind == "calls"]
    theirs.collect(NOW + 3)
    assert [(c.id, c.view) for c in left] == [("c1", None)]
    assert (ours.counts.offered, theirs.counts.offered, theirs.counts.in_time) == (0, 1, 1)


def test_a_call_that_is_passed_on_is_of_both_teams(wall: Wall) -> None:
    ours, theirs = Board(wall, "desk", AFTER_SALES), Board(wall, "desk", PRE_SALES)
    talk(wall, NOW, "c1", agent="101")
    say(wall, "call.transferring", NOW + 5, "c1", agent="101", to="201")
    assert all("c1" in {c.id for c in board.collect(NOW + 5)} for board in (ours, theirs))
    say(wall, "call.transferred", NOW + 9, "c1", agent="201")
    for board in (ours, theirs):
        board.collect(NOW + 9)
    assert (tiles(ours).keys(), tiles(theirs).keys()) == (set(), {"c1"})
    assert (ours.counts.answered, theirs.counts.answered) == (1, 1)


def test_an_agent_sees_own_calls_and_alerts_only(wall: Wall) -> None:
    talk(wall, NOW, "mine", agent="101")
    talk(wall, NOW, "hers", agent="102")
    say(wall, "call.offered", NOW, "waits", queue="售后")
    wall.take_alert(change("a1", call="mine", at=NOW, agent="101"))
    wall.take_alert(change("a2", call="hers", at=NOW, agent="102"))
    wall.take_alert(change("a3", call="waits", at=NOW, agent=None, agent_name=None))
    board = look(wall, NOW, scope=Scope(agents=frozenset({"101"})))
    assert (tiles(board).keys(), cards(board).keys()) == ({"mine"}, {"a1"})
    assert (board.counts.offered, board.counts.warning, rules(board)[0].undecided) == (1, 1, 1)


def test_an_alert_that_turns_out_to_be_of_another_team_leaves(wall: Wall) -> None:
    board = Board(wall, "wall", AFTER_SALES)
    wall.take_alert(change("a1", agent=None, agent_name=None, at=NOW, severity="notice"))
    board.collect(NOW)
    assert "a1" in cards(board)
    wall.take_alert(change("a1", state="raised", agent="201", at=NOW + 5))
    [left] = [c for c in board.collect(NOW + 5) if c.kind == "alerts"]
    assert left.view is None
    assert (board.counts.warning, board.counts.notice, rules(board)) == (0, 0, ())


# a television and a desk


def test_a_television_shows_what_is_open_and_a_desk_the_day(wall: Wall) -> None:
    wall.take_alert(change("over", state="cleared", at=NOW - 3600))
    wall.take_alert(change("open", at=NOW))
    assert cards(look(wall, NOW, "wall")).keys() == {"open"}
    desk = cards(look(wall, NOW, "desk"))
    assert {id_: card.shown for id_, card in desk.items()} == {"over": False, "open": True}


def test_a_desk_keeps_of_the_week_what_is_not_settled(wall: Wall) -> None:
    long_ago = NOW - 3 * DAY_S
    for name in ("forgotten", "claimed", "resolved", "appealed", "dismissed"):
        wall.take_alert(change(name, state="cleared", at=long_ago, call=name))
    wall.take_verdict(judgement("claimed", "claimed", long_ago))
    for name in ("resolved", "appealed", "dismissed"):
        wall.take_verdict(judgement("resolved", name, long_ago))
    for name in ("appealed", "dismissed"):
        wall.take_verdict(judgement("appealed", name, long_ago))
    wall.take_verdict(judgement("dismissed", "dismissed", long_ago))
    assert cards(look(wall, NOW)).keys() == {"claimed", "appealed"}
    assert cards(look(wall, NOW, "wall")) == {}


def test_a_team_that_looks_for_the_first_time_is_told_nothing_of_what_was_forgotten(wall: Wall) -> None:
    ended(wall, "old", NOW)
    wall.take_alert(change(call="old", at=NOW))
    assert look(wall, NOW, scope=AFTER_SALES).counts.offered == 1
    for days in (1, 2, 8):
        wall.collect(NOW + days * DAY_S)
        wall.collect(NOW + days * DAY_S + 60)
    board = look(wall, NOW + 8 * DAY_S + 60, scope=AFTER_SALES)
    assert (board.counts.offered, cards(board), rules(board)) == (0, {}, ())
    assert (wall.known("a1"), wall.call_lines("101", anything), wall.when("old")) == (None, [], None)


def test_a_desk_lists_the_newest_and_an_older_one_comes_back_when_one_leaves(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DESK_MOST == 2000
    monkeypatch.setattr(boards, "DESK_MOST", 3)
    board = Board(wall, "desk")
    for i in range(5):
        wall.take_alert(change(f"a{i}", at=NOW + i, call=f"c{i}"))
        board.collect(NOW + 4)
    assert cards(board).keys() == {"a2", "a3", "a4"}
    assert board.counts.warning == 5
    wall.take_alert(change("a4", state="raised", severity="critical", at=NOW - 5, call="c4"))  # opened earlier, it says
    board.collect(NOW + 5)
    assert cards(board).keys() == {"a1", "a2", "a3"}


def test_a_roll_says_who_came_in_and_who_fell_out() -> None:
    draw, roll = random.Random(5), Roll(4)  # noqa: S311 - not for secrets
    inside: set[str] = set()
    there: dict[str, float] = {}
    for i in range(300):
        touched = set(roll.settle())
        if there and draw.random() < 0.45:
            gone = draw.choice(sorted(there))
            roll.remove((there.pop(gone), gone))
            touched.add(gone)
        else:
            there[f"e{i}"] = draw.randrange(20)
            roll.add((there[f"e{i}"], f"e{i}"))
            touched.add(f"e{i}")
        touched |= set(roll.settle())
        now = {e for e in touched | inside if e in there and roll.has((there[e], e))}
        newest = sorted(there, key=lambda e: (there[e], e))[-4:]
        assert now == set(newest) == set(roll.newest())
        assert inside ^ now <= touched
        inside = now


# verdicts


def test_a_claim_is_seen_on_every_board(wall: Wall) -> None:
    wall.take_alert(change(at=NOW))
    screens = [Board(wall, "wall"), Board(wall, "desk", AFTER_SALES)]
    wall.take_verdict(judgement("claimed", at=NOW + 1))
    for screen in screens:
        [told] = [c for c in screen.collect(NOW + 1) if c.kind == "alerts"]
        assert isinstance(told.view, Card)
        assert (told.view.claimed, told.urgent) == (Person("li", "Li"), True)


def test_a_verdict_that_comes_before_its_alert_waits_for_it(wall: Wall) -> None:
    wall.take_verdict(judgement("false_alarm", at=NOW, reason="misheard"))
    board = look(wall, NOW)
    assert (cards(board), rules(board)) == ({}, ())
    wall.take_alert(change(at=NOW))
    board.collect(NOW)
    assert (cards(board)["a1"].finding, cards(board)["a1"].reason) == ("false", "misheard")
    assert rules(board)[0].wrong == 1


def test_an_agent_is_not_told_how_much_supervisors_say_to_each_other(wall: Wall) -> None:
    wall.take_alert(change(at=NOW))
    own, desk = Board(wall, "desk", HERSELF), Board(wall, "desk", AFTER_SALES)
    own.collect(NOW)
    wall.take_verdict(judgement("commented", text="先不告诉她"))
    assert own.collect(NOW + 1) == ()
    desk.collect(NOW + 1)
    assert (cards(own)["a1"].comments, cards(desk)["a1"].comments) == (0, 1)


def test_two_verdicts_at_once_end_as_the_first_says(wall: Wall) -> None:
    wall.take_alert(change(at=NOW))
    board = Board(wall, "desk")
    wall.take_verdict(judgement("resolved", at=NOW + 1, by="li"))
    wall.take_verdict(judgement("false_alarm", at=NOW + 1, by="wu", reason="rule"))
    board.collect(NOW + 1)
    assert (cards(board)["a1"].finding, cards(board)["a1"].reason) == ("true", None)
    assert (rules(board)[0].right, rules(board)[0].wrong) == (1, 0)
    assert [j.by for j in wall.standing("a1").history] == ["li"]


@pytest.mark.parametrize("action", ["resolved", "false_alarm"])
def test_what_was_decided_leaves_the_television_soon_and_stays_at_the_desk(wall: Wall, action: Any) -> None:
    talk(wall, NOW)
    wall.take_alert(change(at=NOW))
    tv, desk = Board(wall, "wall"), Board(wall, "desk")
    wall.take_verdict(judgement(action, at=NOW + 60))
    for at, is_there in ((60, True), (60 + CLEARED_SHOWN_S - 0.1, True), (60 + CLEARED_SHOWN_S, False)):
        tv.collect(NOW + at)
        assert ("a1" in cards(tv)) is is_there
    desk.collect(NOW + 90)
    assert (cards(desk)["a1"].shown, cards(desk)["a1"].ongoing) == (False, True)
    assert [card.id for card in tv.snapshot()["recent"]] == ["a1"]
    wall.take_verdict(judgement("reopened", at=NOW + 100))
    tv.collect(NOW + 100)
    assert "a1" in cards(tv)
    assert tv.snapshot()["recent"] == ()


def test_what_was_decided_does_not_come_back_when_it_is_cleared(wall: Wall) -> None:
    talk(wall, NOW)
    wall.take_alert(change(at=NOW))
    wall.take_verdict(judgement("resolved", at=NOW + 5))
    tv = Board(wall, "wall")
    tv.collect(NOW + 60)
    wall.take_alert(change(state="cleared", at=NOW + 60))
    tv.collect(NOW + 60)
    assert cards(tv) == {}


def test_the_figures_of_a_rule_are_those_of_a_week(wall: Wall) -> None:
    for i, day in enumerate((0, 1, 2, 6)):
        wall.take_alert(change(f"a{i}", at=NOW - day * DAY_S, call=f"c{i}"))
    wall.take_alert(change("b", rule="other", title="其他", at=NOW, en={"title": "Other", "says": ""}, call="cb"))
    for alert, actions in {"a0": ("resolved",), "a1": ("false_alarm",), "a2": ("resolved", "appealed")}.items():
        for action in actions:
            wall.take_verdict(judgement(action, alert))  # type: ignore[arg-type]
    board = look(wall, NOW)
    figures = RuleFigures("long-hold", "客户保持等待过久", right=2, wrong=1, undecided=1, appeals=1)
    assert rules(board) == (figures, RuleFigures("other", "其他", "Other", undecided=1))
    wall.take_alert(change("a3", state="raised", severity="critical", at=NOW - 5 * DAY_S, call="c3"))
    board.collect(NOW + 60 + WEEK_S - 6 * DAY_S)  # the oldest opened more than a week ago now
    assert rules(board)[0].undecided == 0


@pytest.mark.parametrize("show_trial", [False, True])
def test_a_rule_on_trial_is_judged_though_nobody_sees_its_cards(show_trial: bool) -> None:
    wall = Wall(zone=ZONE, linger_s=LINGER_S, now=NOW, show_trial=show_trial)
    wall.take_alert(change(at=NOW, trial=True))
    wall.take_verdict(judgement("resolved"))
    board = look(wall, NOW)
    assert rules(board) == (RuleFigures("long-hold", "客户保持等待过久", trial=True, right=1),)
    assert (len(cards(board)), board.counts.warning, len(wall.alerts_of("c1"))) == (3 * (int(show_trial),))
    assert wall.card("a1")


# snoozes


def test_a_snooze_keeps_alerts_off_the_television_until_it_ends(wall: Wall) -> None:
    talk(wall, NOW)
    wall.take_alert(change("before", at=NOW))
    tv, desk = Board(wall, "wall"), Board(wall, "desk")
    wall.take_verdict(snooze(NOW + 10, 30, text="系统割接"))
    wall.take_alert(change("during", at=NOW + 60))
    wall.take_alert(change("other", rule="other", at=NOW + 60))
    for board in (tv, desk):
        board.collect(NOW + 60)
    assert cards(tv).keys() == {"other"}
    assert {i: (c.shown, c.snoozed) for i, c in cards(desk).items()} == {
        "before": (False, True), "during": (False, True), "other": (True, False),
    }  # fmt: skip
    [hush] = hushes(tv)
    assert (hush.title, hush.held_back, hush.by_name, hush.until) == ("客户保持等待过久", 2, "李", NOW + 1810)
    assert (tv.counts.snoozed, tv.counts.warning, tv.snapshot()["recent"]) == (2, 3, ())
    tv.collect(NOW + 1809.9)
    assert cards(tv).keys() == {"other"}
    tv.collect(NOW + 1810)
    assert cards(tv).keys() == {"before", "during", "other"}
    assert (hushes(tv), tv.counts.snoozed) == ((), 2)


def test_a_snooze_is_for_one_queue_or_for_all(wall: Wall) -> None:
    wall.take_alert(change("a1", queue="售后", at=NOW))
    wall.take_alert(change("a2", queue="售前", at=NOW, call="c2"))
    wall.take_verdict(snooze(NOW + 1, queue="售后"))
    assert cards(look(wall, NOW + 1, "wall")).keys() == {"a2"}
    wall.take_verdict(snooze(NOW + 2, queue=""))
    board = look(wall, NOW + 2, "wall")
    assert cards(board) == {}
    assert [(h.queue, h.held_back) for h in hushes(board)] == [("售后", 1), ("", 2)]


def test_a_snooze_is_replaced_and_lifted(wall: Wall) -> None:
    wall.take_alert(change(at=NOW))
    board = Board(wall, "wall")
    wall.take_verdict(snooze(NOW, 30))
    wall.take_verdict(snooze(NOW + 60, 120, by_name="吴"))
    board.collect(NOW + 60)
    assert [(h.by_name, h.until) for h in hushes(board)] == [("吴", NOW + 60 + 7200)]
    wall.take_verdict(snooze(NOW + 90, 0))
    board.collect(NOW + 90)
    assert (hushes(board), cards(board).keys()) == ((), {"a1"})


def test_an_older_snooze_that_comes_again_ends_nothing(wall: Wall) -> None:
    wall.take_alert(change(at=NOW))
    first, second = snooze(NOW, 30), snooze(NOW + 60, 120)
    for each in (first, second, first, second):
        wall.take_verdict(each)
    board = look(wall, NOW + 60, "wall")
    assert [h.until for h in hushes(board)] == [second.until]
    disordered = Wall(zone=ZONE, linger_s=LINGER_S, now=NOW)
    for each in (second, first):
        disordered.take_verdict(each)
    assert [h.until for h in hushes(look(disordered, NOW + 60))] == [second.until]


def test_what_was_over_before_the_snooze_was_not_held_back_by_it(wall: Wall) -> None:
    wall.take_alert(change("over", state="cleared", at=NOW - CLEARED_SHOWN_S))
    wall.take_verdict(snooze(NOW))
    board = look(wall, NOW)
    assert (hushes(board)[0].held_back, board.counts.snoozed) == (0, 0)


def test_a_snooze_is_told_where_it_matters_and_never_to_agents(wall: Wall) -> None:
    for queue in ("", "售后", "售前"):
        wall.take_verdict(snooze(NOW, queue=queue, text=f"新人培训{queue}", by_name="赵班长"))
    team = scope_of(User("wu", "吴", "supervisor", teams=("售后",)), TEAMS)
    seen = {scope.name: [h.queue for h in hushes(look(wall, NOW, scope=scope))] for scope in (Scope(), team, HERSELF)}
    assert {name: sorted(queues) for name, queues in seen.items()} == {
        "": ["", "售前", "售后"],
        "售后": ["", "售后"],
        "chen": [],
    }
    for scope, secrets in ((team, ("培训售前",)), (HERSELF, ("培训", "赵班长"))):
        board = Board(wall, "desk", scope)
        on_the_wire = msgspec.json.encode((board.snapshot(), board.collect(NOW + 1))).decode()
        assert not [secret for secret in secrets if secret in on_the_wire]


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the alerts that were worked out anew."""
    ids: list[str] = []
    really = alarms.look

    def look(known: alarms.Known, *rest: Any, **more: Any) -> Any:
        ids.append(known.newest.id)
        return really(known, *rest, **more)

    monkeypatch.setattr(alarms, "look", look)
    return ids


def test_a_snooze_costs_nothing_for_alerts_that_nobody_sees_any_more(wall: Wall, looked_at: list[str]) -> None:
    for i in range(20):
        wall.take_alert(change(f"old{i}", state="cleared", at=NOW - 3 * DAY_S + i, call=f"c{i}"))
    wall.take_verdict(judgement("claimed", "old0"))  # so a desk lists it
    talk(wall, NOW, "runs")
    wall.take_alert(change("still open", at=NOW - DAY_S, call="runs"))
    wall.take_alert(change("today", state="cleared", at=NOW - 3600, call="c"))
    wall.take_alert(change("elsewhere", state="cleared", at=NOW - 3600, call="c", queue="售前"))
    desk = Board(wall, "desk")
    desk.collect(NOW)
    for at, made in ((10, snooze(NOW + 10, 30, "售后")), (20, snooze(NOW + 20, 0, "售后"))):
        looked_at.clear()
        wall.take_verdict(made)
        desk.collect(NOW + at)
        assert sorted(looked_at) == ["still open", "today"]
        assert {id_ for id_, card in cards(desk).items() if card.snoozed} == (
            {"still open", "today"} if at < 20 else set()
        )
        assert as_shown(desk) == as_shown(look(wall, NOW + at))
    wall.take_verdict(snooze(NOW + 30))
    wall.take_verdict(judgement("commented", "old0", text="周一再看"))
    desk.collect(NOW + 30)
    assert (cards(desk)["old0"].comments, cards(desk)["old0"].snoozed) == (1, False)


def test_of_much_news_at_once_a_board_is_told_no_more_than_concerns_it(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MANY", 5)
    for i in range(20):
        wall.take_alert(change(f"a{i}", rule="other" if i % 2 else "long-hold", at=NOW, call=f"c{i}"))
    wall.take_alert(change("b", agent="201", at=NOW, call="d"))
    seen = {scope: Board(wall, "wall", scope) for scope in (Scope(), AFTER_SALES, PRE_SALES)}
    told_anew: list[Scope] = []
    for scope, board in seen.items():
        monkeypatch.setattr(board, "begin", partial(_noted, told_anew, scope, board.begin))
    wall.take_verdict(snooze(NOW + 1))
    for board in seen.values():
        board.collect(NOW + 1)
    assert told_anew == [PRE_SALES]
    assert [len(cards(board)) for board in seen.values()] == [10, 10, 0]
    for scope, board in seen.items():
        assert as_shown(board) == as_shown(look(wall, NOW + 1, "wall", scope))


def _noted(told: list[Scope], scope: Scope, begin: Callable[[], None]) -> None:
    told.append(scope)
    begin()


def test_a_snooze_that_is_heard_of_late_counts_what_it_held_back_of_yesterday() -> None:
    midnight = midnight_before(NOW, ZONE)
    wall = Wall(zone=ZONE, linger_s=LINGER_S, now=midnight - 60)
    board = Board(wall)
    wall.take_alert(change(at=midnight - 60))
    wall.take_alert(change(state="cleared", at=midnight + 60))
    board.collect(midnight + 300)
    wall.take_verdict(snooze(midnight, 30))
    board.collect(midnight + 300)
    assert [h.held_back for h in hushes(board)] == [1]


def test_midnight_costs_what_the_day_had_not_what_the_week_had(looked_at: list[str]) -> None:
    midnight = midnight_before(NOW, ZONE) + DAY_S
    wall = Wall(zone=ZONE, linger_s=LINGER_S, now=midnight - 60)
    for i in range(20):
        wall.take_alert(change(f"old{i}", state="cleared", at=NOW - 3 * DAY_S + i, call=f"c{i}"))
    wall.take_alert(change("evening", "cleared", at=midnight - 7200, call="c"))
    board = Board(wall, "desk")
    board.collect(midnight - 1)
    wall.take_alert(change("early", at=midnight + 1, call="d"))  # by the clock of who sent it
    board.collect(midnight - 1)
    looked_at.clear()
    n = board.n
    changes = board.collect(midnight)
    assert looked_at == ["evening", "early"]
    assert {(c.kind, c.id) for c in changes} <= {("alerts", "evening"), ("recent", ""), ("counts", ""), ("status", "")}
    assert (board.counts.day, board.counts.warning, cards(board).keys()) == ("2026-03-06", 1, {"early"})
    assert [hour.warning for hour in board.counts.hours[-3:]] == [1, 0, 1]
    assert board.n == n + len(changes)
    assert as_shown(board) == as_shown(look(wall, midnight))


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Australia/Lord_Howe", "Europe/Berlin"])
def test_hours_are_those_of_the_local_day_also_where_the_clock_is_put_on(zone: str) -> None:
    """Lord Howe's clocks go back by half an hour in the night of 5 April, Berlin's forward by one on 29 March."""
    local = ZoneInfo(zone)
    for day in (28, 29, 35, 36):
        begun = datetime(2026, 3, 1, 22, 40, tzinfo=local).timestamp() + (day - 1) * DAY_S
        wall = Wall(zone=local, linger_s=LINGER_S, now=begun)
        board = Board(wall, "desk")
        wall.take_alert(change(at=begun))
        for hours in range(1, 8):
            board.collect(begun + hours * 3600)
        assert as_shown(board) == as_shown(look(wall, begun + 7 * 3600))
        assert {(hour.at - wall.midnight) % 3600 for hour in board.counts.hours} == {0.0}
        [opened_in] = [hour.at for hour in board.counts.hours if hour.warning]
        assert opened_in <= begun < opened_in + 3600


# figures


def test_the_last_half_hour_is_counted_by_when_the_wait_ended(wall: Wall) -> None:
    board = Board(wall, "wall")
    talk(wall, NOW, "quick", rang=10)
    talk(wall, NOW + 60, "slow", rang=11)
    say(wall, "call.offered", NOW + 70, "gone")
    say(wall, "call.ended", NOW + 120, "gone", by="customer")
    seen = {}
    for at in (120, LATELY_S - 1, LATELY_S, LATELY_S + 60, LATELY_S + 120):
        board.collect(NOW + at)
        seen[at] = (board.counts.lately_decided, board.counts.lately_in_time)
    assert seen == {120: (3, 1), LATELY_S - 1: (3, 1), LATELY_S: (2, 0), LATELY_S + 60: (1, 0), LATELY_S + 120: (0, 0)}
    assert (board.counts.decided, board.counts.in_time) == (3, 1)


def test_the_last_half_hour_goes_over_midnight() -> None:
    midnight = midnight_before(NOW, ZONE)
    wall = Wall(zone=ZONE, linger_s=LINGER_S, now=midnight - 100)
    board = Board(wall)
    ended(wall, "c1", midnight - 30)
    board.collect(midnight - 10)
    assert (board.counts.decided, board.counts.lately_decided) == (1, 1)
    board.collect(midnight + 1)
    assert (board.counts.decided, board.counts.lately_decided, board.counts.lately_in_time) == (0, 1, 1)
    board.collect(midnight - 90 + LATELY_S)
    assert board.counts.lately_decided == 0


def test_calls_that_agents_made_and_calls_that_still_wait_are_no_part_of_the_service_level(wall: Wall) -> None:
    say(wall, "call.offered", NOW, "out", direction="outbound")
    say(wall, "call.answered", NOW + 1, "out", agent="101")
    say(wall, "call.offered", NOW, "waits")
    board = look(wall, NOW + 1)
    assert (board.counts.offered, board.counts.decided, board.counts.lately_decided) == (1, 0, 0)


def test_alerts_by_the_hour(wall: Wall) -> None:
    for i, (hours, severity) in enumerate(
        [(0, "critical"), (1, "warning"), (1, "notice"), (11, "notice"), (12, "notice")]
    ):
        wall.take_alert(change(f"a{i}", at=NOW - hours * 3600 + 5, severity=severity, call=f"c{i}"))
    board = look(wall, NOW + 5)
    hours = board.counts.hours
    assert [hour.at for hour in hours] == [NOW - 3600 * back for back in range(HOURS - 1, -1, -1)]
    assert (hours[-1].critical, hours[-2], hours[0].notice) == (1, Hour(NOW - 3600, 0, 1, 1), 1)
    assert (board.counts.critical, board.counts.warning, board.counts.notice) == (1, 1, 1)  # since midnight
    board.collect(NOW + 3599)
    [turned] = board.collect(NOW + 3600)
    assert isinstance(turned.view, Counts)
    assert (turned.view.hours[-1], turned.view.hours[-2]) == (Hour(NOW + 3600), Hour(NOW, 1))


# what pages ask


def test_an_agents_day(wall: Wall) -> None:
    ended(wall, "c1", NOW)
    talk(wall, NOW + 10, "c2", agent="101")
    say(wall, "call.held", NOW + 20, "c2")
    say(wall, "call.resumed", NOW + 50, "c2")
    say(wall, "call.transferring", NOW + 60, "c2", agent="101", to="102")
    say(wall, "call.transferred", NOW + 70, "c2", agent="102", agent_name="陈静")
    say(wall, "call.offered", NOW, "missed")
    say(wall, "agent.ringing", NOW, "missed", agent="101")
    say(wall, "agent.missed", NOW + 20, "missed", agent="101")
    talk(wall, NOW, "hers", agent="102")
    wall.take_alert(change("a1", call="c2", at=NOW + 50, severity="notice"))
    wall.take_alert(change("a2", call="c2", at=NOW + 55, severity="critical"))
    wall.collect(NOW + 100)
    lines = {line.id: line for line in wall.call_lines("101", anything)}
    assert list(lines) == ["c1", "missed", "c2"]
    assert (lines["c2"].ring_s, lines["c2"].talk_s, lines["c2"].held_s) == (5, 10 + 10 + 30, 30)
    assert lines["c2"].agents == (Person("101", "王芳"), Person("102", "陈静"))
    assert (lines["c2"].alerts, lines["c2"].worst, lines["c1"].worst) == (2, "critical", None)
    assert (lines["c1"].phase, lines["c1"].ended_at, lines["c1"].talk_s) == ("ended", NOW, 60)
    assert lines["missed"].agents == ()
    assert [card.id for card in wall.alerts_of_agent("101")] == ["a1", "a2"]
    assert (wall.name_of("102"), wall.name_of("999")) == ("陈静", "")
    before = wall.call_lines("101", anything)
    wall.collect(NOW + KEEP_ENDED_S + 120)  # the calls are put away, their lines stay
    assert wall.call_lines("101", anything)[:2] == before[:2]


def test_a_call_begun_before_midnight_is_of_the_day_before() -> None:
    midnight = midnight_before(NOW, ZONE)
    wall = Wall(zone=ZONE, linger_s=LINGER_S, now=midnight - 300)
    talk(wall, midnight - 240, "ended")
    say(wall, "call.ended", midnight - 200, "ended", by="customer")
    talk(wall, midnight - 120, "goes on")
    talk(wall, midnight + 60, "today")
    wall.collect(midnight + 90)
    assert [line.id for line in wall.call_lines("101", anything)] == ["goes on", "today"]
    say(wall, "call.ended", midnight + 100, "goes on", by="customer")
    wall.collect(midnight + 110)
    assert [line.id for line in wall.call_lines("101", anything)] == ["today"]


def test_an_agents_day_tells_nothing_of_calls_that_others_took(wall: Wall) -> None:
    say(wall, "call.offered", NOW - 20, "rang", queue="售后")
    say(wall, "agent.ringing", NOW - 20, "rang", agent="101", agent_name="王芳")
    say(wall, "agent.ringing", NOW - 20, "rang", agent="102", agent_name="陈静")
    say(wall, "call.answered", NOW - 10, "rang", agent="102")
    say(wall, "call.held", NOW - 5, "rang")
    talk(wall, NOW, "passed on", agent="101")
    say(wall, "call.transferring", NOW + 5, "passed on", agent="101", to="201")
    say(wall, "call.transferred", NOW + 9, "passed on", agent="201")
    wall.take_alert(change("hers", call="rang", at=NOW, agent="102", severity="critical"))
    wall.take_alert(change("theirs", call="passed on", at=NOW + 20, agent="201", severity="critical"))
    wall.take_alert(change("mine", call="passed on", at=NOW + 5, agent="101", severity="notice"))
    wall.collect(NOW + 30)

    def told(scope: Scope) -> dict[str, tuple[int, str | None]]:
        lines = wall.call_lines("101", lambda card: scope.covers_alert(card.agent and card.agent.id, card.queue))
        assert {line.id: line.agents == () and line.talk_s + line.held_s == 0 for line in lines} == {
            "rang": True,
            "passed on": False,
        }
        return {line.id: (line.alerts, line.worst) for line in lines}

    assert told(HERSELF) == {"rang": (0, None), "passed on": (1, "notice")}
    assert told(AFTER_SALES) == {"rang": (1, "critical"), "passed on": (1, "notice")}
    assert told(Scope()) == {"rang": (1, "critical"), "passed on": (2, "critical")}


def test_a_late_redelivery_of_a_call_that_was_put_away_counts_nothing_anew(wall: Wall) -> None:
    board = Board(wall)
    for seq, (type_, at) in enumerate((("call.offered", -60), ("call.answered", -50), ("call.ended", 0))):
        fields = {"agent": "101"} if type_ == "call.answered" else {"by": "agent"} if type_ == "call.ended" else {}
        say(wall, type_, NOW + at, seq=seq, **fields)
    board.collect(NOW + KEEP_ENDED_S + 120)
    before = board.counts
    say(wall, "call.offered", NOW - 60, seq=0)
    board.collect(NOW + KEEP_ENDED_S + 121)
    assert (board.counts, tiles(board), len(wall.call_lines("101", anything))) == (before, {}, 1)


def test_earlier_alerts_of_the_same_agent_and_rule(wall: Wall) -> None:
    for i, fields in enumerate(({}, {"agent": "102"}, {"rule": "other"}, {}, {})):
        wall.take_alert(change(f"a{i}", at=NOW - DAY_S + i, call=f"c{i}", **fields))
    assert [card.id for card in wall.earlier("101", "long-hold", NOW - DAY_S + 4)] == ["a3", "a0"]
    assert wall.earlier(None, "long-hold", NOW) == []


def test_when_a_call_was(wall: Wall) -> None:
    talk(wall, NOW, "c1")
    assert wall.when("c1") == (NOW - 5, None)
    wall.take_alert(change(at=NOW))
    say(wall, "call.ended", NOW + 60, "c1", by="agent")
    assert (wall.when("c1"), wall.when("unknown")) == ((NOW - 5, NOW + 60), None)
    wall.collect(NOW + DAY_S)
    wall.collect(NOW + DAY_S + 120)
    assert wall.call_lines("101", anything) == []
    assert wall.when("c1") == (NOW - 5, NOW + 60)  # its alert remembers
    wall.take_alert(change("a9", call="c9", at=NOW))
    begun, until = wall.when("c9") or (0.0, None)
    assert begun < NOW - 3600
    assert until
    assert until > NOW


def test_a_card_is_as_of_now_though_nobody_has_collected(wall: Wall) -> None:
    assert wall.card("a1") is None
    wall.take_alert(change(at=NOW))
    wall.collect(NOW)
    wall.take_verdict(judgement("claimed"))
    card = wall.card("a1")
    assert card
    assert card.claimed == Person("li", "Li")


# many boards


def busy(wall: Wall, seed: int, seconds: int = 300) -> list[float]:
    """A floor in which something happens each second; the seconds."""
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    for i in range(seconds):
        at, call = NOW + i, f"c{draw.randrange(i // 5 + 1)}"
        agent = draw.choice(["101", "102", "201", "301"])
        kind = draw.choice(["offered", "ringing", "answered", "held", "ended", "alert", "alert", "verdict", "snooze"])
        if kind == "alert":
            severity = draw.choice(["notice", "warning", "critical"])
            state = draw.choice(["opened", "raised", "cleared"])
            rule = draw.choice(["long-hold", "other"])
            wall.take_alert(change(f"a-{call}-{rule}", state, severity, rule=rule, call=call, agent=agent, at=at))
        elif kind == "verdict":
            wall.take_verdict(judgement(draw.choice(["claimed", "resolved", "appealed"]), f"a-{call}-other", at))
        elif kind == "snooze":
            wall.take_verdict(snooze(at, draw.choice([0, 1, 2]), draw.choice(["", "售后"])))
        elif kind == "ended":
            say(wall, "call.ended", at, call, by="agent")
        elif kind in ("offered", "held"):
            say(
                wall,
                f"call.{kind}",
                at,
                call,
                **({"queue": draw.choice(["售前", "售后"])} if kind == "offered" else {}),
            )
        else:
            say(wall, "agent.ringing" if kind == "ringing" else "call.answered", at, call, agent=agent)
        yield at


SCOPES = (Scope(), AFTER_SALES, PRE_SALES, Scope(agents=frozenset({"101"})))


@pytest.mark.parametrize("seed", range(6))
def test_a_board_that_followed_shows_what_one_that_begins_now_shows(wall: Wall, seed: int) -> None:
    followed = [Board(wall, mode, scope) for mode in ("wall", "desk") for scope in SCOPES]  # type: ignore[arg-type]
    told: list[dict[tuple[str, str], Any]] = [{} for _ in followed]
    for i, at in enumerate(busy(wall, seed)):
        for board, known in zip(followed, told, strict=True):
            known.update({(c.kind, c.id): c.view for c in board.collect(at)})
        if i % 60 == 0:
            for board in followed:
                assert as_shown(board) == as_shown(look(wall, at, board.mode, board.scope))
    for board, known in zip(followed, told, strict=True):
        left = {id_: view for (kind, id_), view in known.items() if kind == "alerts" and view is not None}
        assert left == cards(board)


def test_nothing_is_kept_of_agents_and_hours_of_which_nothing_is_left(wall: Wall) -> None:
    board = Board(wall)
    for i in range(5):
        ended(wall, f"c{i}", NOW + i, agent=f"9{i}")
        wall.take_alert(change(f"a{i}", call=f"c{i}", at=NOW + i, agent=f"9{i}"))
    wall.take_verdict(snooze(NOW + 10))
    board.collect(NOW + 10)
    assert len(wall._items_by) >= 5
    for days in (1, 2, 8):
        board.collect(NOW + days * DAY_S)
        board.collect(NOW + days * DAY_S + 60)
    assert (wall._items_by, dict(board._hours), dict(board._held)) == ({}, {}, {})


def test_a_board_that_is_closed_is_told_nothing_more_and_one_can_turn_to_another_wall(wall: Wall) -> None:
    talk(wall, NOW)
    board, closed = Board(wall), Board(wall)
    closed.close()
    n = board.n
    anew = Wall(zone=ZONE, linger_s=LINGER_S, now=NOW)
    talk(anew, NOW, "c2")
    board.turn_to(anew)
    changes = board.collect(NOW + 1)
    assert {(c.id, c.view is None) for c in changes if c.kind == "calls"} == {("c1", True), ("c2", False)}
    assert tiles(board).keys() == {"c2"}
    assert [c.n for c in changes] == list(range(n + 1, board.n + 1))
    say(wall, "call.ended", NOW, by="agent")
    wall.collect(NOW + 60)
    assert tiles(closed)["c1"].phase == "talking"
