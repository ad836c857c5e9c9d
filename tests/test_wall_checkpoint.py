"""A wall that stopped and went on from its checkpoint shows what one does that never stopped."""

from __future__ import annotations

import time
import zlib
from datetime import datetime
from itertools import accumulate
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.wall import checkpoint, state
from dashboards.wall.access import Scope
from dashboards.wall.boards import Board, Mode
from dashboards.wall.state import Wall
from dashboards.wall.views import Feed
from streams import events
from streams.events import Evidence
from streams.heartbeat import Heartbeat
from streams.verdicts import Action
from tests.wall_board import LINGER_S, NOW, ZONE, anything, as_shown, cards, dump, judgement, say, snooze, talk
from tests.wall_script import change

CALLS, AGENTS, QUEUES, RULES = ("c1", "c2", "c3"), ("101", "102"), ("售后", "售前"), ("long-hold", "other")
LOOKS: list[tuple[Mode, Scope]] = [
    ("wall", Scope()),
    ("desk", Scope()),
    ("desk", Scope(frozenset({"101"}), frozenset({"售后"}))),
    ("wall", Scope(frozenset({"102"}))),
]
#: Seconds between two things: at once, a while, past the limits of what is shown, past what is kept.
PAUSES = (0.0, 0.0, 0.5, 3.0, 8.0, 20.0, 61.0, 300.0, 601.0, 1800.0, 4 * 3600.0, 86400.0)

#: Late in the evening, so that midnight comes into it.
EVENING = datetime(2026, 3, 5, 23, 50, tzinfo=ZONE).timestamp()


def telephony(draw: st.DrawFn, at: float) -> tuple[str, dict[str, Any]]:
    type_ = draw(st.sampled_from(["call.offered", "agent.ringing", "call.answered", "call.held", "call.ended"]))
    agent = {"agent": draw(st.sampled_from(AGENTS)), "agent_name": "王芳"}
    fields = {
        "call.offered": {"queue": draw(st.sampled_from(QUEUES))},
        "agent.ringing": agent,
        "call.answered": agent,
        "call.held": {},
        "call.ended": {"by": "customer"},
    }
    return "call", {"type": type_, "call": draw(st.sampled_from(CALLS)), "at": at, **fields[type_]}


def alert(draw: st.DrawFn, at: float) -> tuple[str, dict[str, Any]]:
    call, rule = draw(st.sampled_from(CALLS)), draw(st.sampled_from(RULES))
    return "alert", {
        "id_": f"{call}-{rule}-{draw(st.integers(1, 2))}",
        "state": draw(st.sampled_from(["opened", "raised", "cleared"])),
        "severity": draw(st.sampled_from(["notice", "warning", "critical"])),
        "call": call,
        "rule": rule,
        "agent": draw(st.sampled_from((*AGENTS, None))),
        "queue": draw(st.sampled_from(QUEUES)),
        "trial": rule == "other" and draw(st.booleans()),
        "title": draw(st.sampled_from(["保持过久", "保持太久"])),
        "at": at - draw(st.sampled_from([0.0, 1.0, 30.0])),
    }


def verdict(draw: st.DrawFn, at: float) -> tuple[str, dict[str, Any]]:
    call, rule = draw(st.sampled_from(CALLS)), draw(st.sampled_from(RULES))
    said = {"alert": f"{call}-{rule}-{draw(st.integers(1, 2))}", "call": call, "rule": rule}
    return "judgement", {**said, "action": draw(st.sampled_from(get_args(Action))), "at": at}


def hush(draw: st.DrawFn, at: float) -> tuple[str, dict[str, Any]]:
    minutes = draw(st.sampled_from([0, 1, 30, 480]))
    queue, rule = draw(st.sampled_from(("", *QUEUES))), draw(st.sampled_from(RULES))
    return "snooze", {"at": at, "minutes": minutes, "queue": queue, "rule": rule}


def heart(draw: st.DrawFn, at: float) -> tuple[str, dict[str, Any]]:
    component, ok = draw(st.sampled_from(["detect", "asterisk", "recognise"])), draw(st.booleans())
    return "beat", {"component": component, "instance": draw(st.sampled_from("12")), "at": at, "ok": ok}


def passing(_draw: st.DrawFn, at: float) -> tuple[str, dict[str, Any]]:
    return "collect", {"now": at}


@st.composite
def records(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """What a wall takes, in its order; `collect` is time that passes."""
    makers = (telephony, telephony, telephony, alert, alert, verdict, verdict, hush, heart, passing, passing)
    pauses = draw(st.lists(st.sampled_from(PAUSES), min_size=2, max_size=40))
    made = [draw(st.sampled_from(makers))(draw, EVENING + at) for at in accumulate(pauses)]
    return [(kind, _made(kind, fields, seq)) for seq, (kind, fields) in enumerate(made)]


def _made(kind: str, fields: dict[str, Any], seq: int) -> Any:
    if kind == "call":
        return msgspec.structs.replace(events.from_dict(fields), seq=seq)
    makers: dict[str, Any] = {
        "alert": change,
        "judgement": judgement,
        "snooze": snooze,
        "beat": Heartbeat,
        "collect": dict,
    }
    return makers[kind](**fields)


def take(wall: Wall, entry: tuple[str, Any]) -> None:
    kind, what = entry
    takes: dict[str, Any] = {
        "call": wall.take_call,
        "alert": wall.take_alert,
        "judgement": wall.take_verdict,
        "snooze": wall.take_verdict,
        "beat": lambda beat: wall.take_heartbeat(beat, beat.at),
        "collect": lambda passed: wall.collect(passed["now"]),
    }
    takes[kind](what)


def new_wall(now: float = EVENING) -> Wall:
    wall = Wall(zone=ZONE, linger_s=LINGER_S, now=now)
    wall.set_feed(Feed("live", EVENING, known=True))
    return wall


def everything(wall: Wall, now: float) -> dict[str, Any]:
    boards = [Board(wall, mode, scope) for mode, scope in LOOKS]
    for board in boards:
        board.collect(now)
    return {
        "boards": [as_shown(board) for board in boards],
        "days": {agent: wall.call_lines(agent, anything) for agent in AGENTS},
        "when": {call: wall.when(call) for call in CALLS},
        "standings": {card.id: wall.standing(card.id) for board in boards for card in cards(board).values()},
        "last": wall.last_event_at,
    }


@settings(max_examples=150, deadline=None)
@given(record=records(), data=st.data())
def test_restored_and_the_rest_is_as_if_it_had_never_stopped(
    record: list[tuple[str, Any]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(record)), label="cut")
    late = data.draw(st.sampled_from(PAUSES), label="looked at so much later")
    steady, before = new_wall(), new_wall()
    for entry in record[:cut]:
        take(steady, entry)
        take(before, entry)
    restored = new_wall(EVENING + 12345)
    restored.restore(dump(before))
    followers = [Board(restored, mode, scope) for mode, scope in LOOKS]
    for entry in record[cut:]:
        take(steady, entry)
        take(restored, entry)
    now = max([EVENING, *(w["now"] if k == "collect" else w.at for k, w in record)]) + late
    assert everything(restored, now) == everything(steady, now)
    for board in followers:
        board.collect(now)
    assert [as_shown(board) for board in followers] == everything(steady, now)["boards"]


@settings(max_examples=60, deadline=None)
@given(record=records(), data=st.data())
def test_what_comes_twice_around_the_cut_changes_nothing(record: list[tuple[str, Any]], data: st.DataObject) -> None:
    record = [entry for entry in record if entry[0] != "collect"]
    cut = data.draw(st.integers(0, len(record)), label="cut")
    back = data.draw(st.integers(0, cut), label="read again from")
    steady, before = new_wall(), new_wall()
    for entry in record:
        take(steady, entry)
    for entry in record[:cut]:
        take(before, entry)
    restored = new_wall()
    restored.restore(dump(before))
    for entry in (*record[back:cut], *record[cut:]):
        take(restored, entry)
    now = max([EVENING, *(what.at for _, what in record)])
    shown, expected = everything(restored, now), everything(steady, now)
    for each in (shown, expected):
        for board in each["boards"]:
            del board["status"]  # a heartbeat that is told again begins its trouble again
    assert shown == expected


def test_boards_that_are_attached_begin_anew() -> None:
    wall, other = new_wall(NOW), new_wall(NOW)
    board = Board(wall)
    talk(wall, NOW, "old")
    board.collect(NOW)
    talk(other, NOW, "new")
    other.take_alert(change(at=NOW))
    n = board.n
    wall.restore(dump(other))
    changes = board.collect(NOW)
    assert {c.id: c.view is None for c in changes if c.kind == "calls"} == {"old": True, "new": False}
    assert [c.n for c in changes] == list(range(n + 1, board.n + 1))
    assert "a1" in cards(board)


def test_what_a_rule_was_called_last_and_what_could_not_be_read_are_known_still() -> None:
    wall, again = new_wall(NOW), new_wall(NOW)
    wall.take_alert(change(title="新名称", at=NOW))
    wall.take_alert(change(state="cleared", title="旧名称", at=NOW - 5))
    assert wall.take_unreadable() == 1
    again.restore(dump(wall))
    for each in (wall, again):
        board = Board(each, "desk")
        [rule] = board.snapshot()["rules"]
        assert (rule.title, cards(board)["a1"].title, each.take_unreadable()) == ("新名称", "旧名称", 2)


def test_a_frozen_state_stays_as_it_was_while_the_floor_goes_on() -> None:
    wall = new_wall(NOW)
    talk(wall, NOW)
    wall.take_alert(change(at=NOW))
    wall.take_verdict(judgement("claimed"))
    wall.take_heartbeat(Heartbeat(component="detect", instance="1", at=NOW), NOW)
    frozen, stored = wall.freeze(), dump(wall)
    say(wall, "call.held", NOW + 1)
    wall.take_alert(change("a2", at=NOW))
    wall.take_verdict(judgement("resolved"))
    wall.take_verdict(snooze(NOW))
    wall.take_heartbeat(Heartbeat(component="detect", instance="1", at=NOW + 5), NOW + 5)
    wall.collect(NOW + 86400)
    assert checkpoint.pack(frozen) == stored != dump(wall)


def test_more_than_a_board_is_told_piece_by_piece_comes_to_it_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MANY", 3)
    wall = new_wall(NOW)
    boards = [Board(wall, mode, scope) for mode, scope in LOOKS]
    for i in range(5):
        talk(wall, NOW, f"c{i}", agent=AGENTS[i % 2])
        wall.take_alert(change(f"a{i}", call=f"c{i}", agent=AGENTS[i % 2], at=NOW))
    wall.take_alert(change("a9", call="c9", agent=None, at=NOW))
    for board in boards:
        board.collect(NOW)
    assert [len(cards(board)) for board in boards] == [6, 6, 4, 2]
    assert [as_shown(board) for board in boards] == everything(wall, NOW)["boards"]


def test_words_of_customers_are_not_in_it() -> None:
    wall = new_wall(NOW)
    words = Evidence(role="customer", text="我住在朝阳区", start=NOW, end=NOW + 1, match="朝阳")
    wall.take_alert(change(at=NOW, evidence=(words,)))
    text = zlib.decompress(dump(wall).partition(b"\n")[2]).decode()
    assert "保持等待" in text
    assert "朝阳" not in text


def _other_format(stored: bytes) -> bytes:
    number = f" {checkpoint.FORMAT}\n".encode()
    return stored.replace(number, f" {checkpoint.FORMAT + 1}\n".encode(), 1)


@pytest.mark.parametrize(
    "spoil",
    [
        _other_format,
        lambda stored: b"",
        lambda stored: b"rubbish",
        lambda stored: stored[:-1],
        lambda stored: stored[: len(stored) // 2],
        lambda stored: stored.partition(b"\n")[0] + b"\n" + zlib.compress(b"{}"),
        lambda stored: stored.partition(b"\n")[0] + b"\n" + zlib.compress(b'{"now": "soon"}'),
        lambda stored: stored.partition(b"\n")[0] + b"\n" + zlib.compress(b"\xff\xfe"),
        lambda stored: stored.partition(b"\n")[0] + b"\nnot zlib",
    ],
)
def test_rubbish_is_refused_and_changes_nothing(spoil: Any) -> None:
    wall = new_wall(NOW)
    talk(wall, NOW)
    stored = dump(wall)
    board = Board(wall)
    say(wall, "call.held", NOW + 1)
    with pytest.raises(ValueError, match="checkpoint"):
        wall.restore(spoil(stored))
    board.collect(NOW + 1)
    assert as_shown(board)["calls"]["c1"].phase == "held"


def test_what_claims_to_be_larger_than_any_checkpoint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = dump(new_wall(NOW))
    monkeypatch.setattr(checkpoint, "LARGEST", 10)
    with pytest.raises(ValueError, match="too large"):
        checkpoint.unpack(stored)


def test_a_week_of_a_large_floor_is_stored_and_read_soon() -> None:
    wall = new_wall(NOW)
    for i in range(3000):
        wall.take_alert(change(f"a{i}", at=NOW - i * 200, call=f"k{i}", rule=f"rule-{i % 20}"))
    for i in range(3000):
        talk(wall, NOW - i, f"c{i}", agent=f"{100 + i % 400}")
        say(wall, "call.ended", NOW - i + 100, f"c{i}", by="customer")
    begun = time.perf_counter()
    stored = dump(wall)
    again = new_wall(NOW)
    again.restore(stored)
    assert time.perf_counter() - begun < 5
    assert len(stored) < 2_000_000
    assert everything(again, NOW) == everything(wall, NOW)
