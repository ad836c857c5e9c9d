"""Every capture against its truth: the log of the scripted phones, which knows nothing of Asterisk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from streams.events import AnyEvent, parse, render
from streams.telephony.asterisk import Translator
from streams.telephony.capture import record_capture
from tests.asterisk_tools import FOLDER, NAMES, OWN, bare, calls_of, capture, record, without
from tests.truth import truths

#: seconds by which the record may differ from the phones' own log
TOLERANCE_S = 0.1
#: of times that come from ages in whole seconds (a call that was there before the monitor)
SNAPSHOT_S = 1.0
EXTRAS = ("CEL", "Cdr", "ChannelTalkingStart", "ChannelTalkingStop", "RTCPSent", "RTCPReceived", "VarSet")
NO_CALL = {"audiosocket_call"}


# -- the record ----------------------------------------------------------------------------------------------


def by_caller(events: list[AnyEvent]) -> dict[str, list[dict[str, Any]]]:
    return {rows[0]["caller"]: rows for rows in calls_of(events).values()}


def rings_of(rows: list[dict[str, Any]]) -> Iterator[tuple[str, float, float, str, bool]]:
    for i, row in enumerate(rows):
        if row["type"] == "agent.ringing" and not _said_again(rows[:i], row):
            agent = row["agent"]
            last = next(x for x in rows[i:] if _stops(x, agent))
            taken = last["type"] in ("call.answered", "call.transferred") and last["agent"] == agent
            yield agent, row["at"], last["at"], "answered" if taken else "cancelled", row.get("snapshot", False)


def _said_again(before: list[dict[str, Any]], row: dict[str, Any]) -> bool:
    """A listed ring whose true start became known later: in order of time the true one stands first."""
    return row.get("snapshot", False) and any(
        x["type"] == "agent.ringing" and x["agent"] == row["agent"] and x.get("snapshot") for x in before
    )


def _stops(row: dict[str, Any], agent: str) -> bool:
    if row["type"] in ("agent.missed", "call.transferred") or row.get("consult"):
        return row.get("agent") == agent and row["type"] != "agent.ringing"
    return row["type"] in ("call.answered", "call.ended")


def holds_of(rows: list[dict[str, Any]]) -> Iterator[tuple[float, float]]:
    for i, row in enumerate(rows):
        if row["type"] == "call.held":
            ends = ("call.resumed", "call.transferring", "call.transferred", "call.ended")
            yield row["at"], next(x["at"] for x in rows[i:] if x["type"] in ends)


def waits_of(rows: list[dict[str, Any]]) -> Iterator[tuple[float, float]]:
    """From the request to the colleague's answer: in an attended transfer that comes before the connection."""
    for i, row in enumerate(rows):
        if row["type"] == "call.transferring":
            done = next(x for x in rows[i:] if x["type"] in ("call.answered", "call.transferred"))
            yield row["at"], done["at"]


def same(ours: list[tuple[float, float]], truth: list[tuple[float, float]]) -> bool:
    lasts = [abs((a[1] - a[0]) - (b[1] - b[0])) for a, b in zip(ours, truth, strict=True)]
    return all(off <= TOLERANCE_S for off in lasts) and all(
        abs(x - y) <= TOLERANCE_S for a, b in zip(ours, truth, strict=True) for x, y in zip(a, b, strict=True)
    )


# -- the tests -----------------------------------------------------------------------------------------------


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_exactly_the_calls_of_the_truth_are_in_the_record(name: str) -> None:
    expected = set() if name in NO_CALL else set(truths(name))
    assert set(by_caller(record(capture(name)))) == expected


def test_each_call_is_offered_first_ended_last_and_once(name: str) -> None:
    for rows in calls_of(record(capture(name))).values():
        types = [row["type"] for row in rows]
        assert types[0] == "call.offered"
        assert types[-1] == "call.ended"
        assert types.count("call.offered") == types.count("call.ended") == 1


def test_rings_are_as_long_as_in_the_truth(name: str) -> None:
    begun = capture(name)[0][0]
    for caller, rows in by_caller(record(capture(name))).items():
        truth = [ring for ring in sorted(truths(name)[caller].rings) if ring[2] > begun]
        ours = sorted(rings_of(rows))
        assert [(ring[0], ring[3]) for ring in ours] == [(ring[0], ring[3]) for ring in truth]
        for (agent, start, end, _, listed), (_, true_start, true_end, _) in zip(ours, truth, strict=True):
            within = SNAPSHOT_S if listed else TOLERANCE_S
            assert abs(start - true_start) <= within, agent
            assert abs(end - true_end) <= TOLERANCE_S, agent
            assert abs((end - start) - (true_end - true_start)) <= within, agent


def test_holds_are_as_long_as_in_the_truth(name: str) -> None:
    for caller, rows in by_caller(record(capture(name))).items():
        assert same(list(holds_of(rows)), truths(name)[caller].holds)


def test_transfers_wait_as_long_as_in_the_truth(name: str) -> None:
    for caller, rows in by_caller(record(capture(name))).items():
        assert same(list(waits_of(rows)), truths(name)[caller].waits)


def test_the_right_party_hung_up_at_the_right_time(name: str) -> None:
    for caller, rows in by_caller(record(capture(name))).items():
        truth = truths(name)[caller]
        assert (rows[-1]["by"], abs(rows[-1]["at"] - truth.ended) <= TOLERANCE_S) == (truth.by, True)


def test_the_record_is_the_same_without_what_a_default_install_does_not_send(name: str) -> None:
    assert bare(record(without(capture(name), *EXTRAS))) == bare(record(capture(name)))


def test_the_copies_in_this_repository_give_the_same_record(name: str) -> None:
    assert bare(record(capture(name, OWN))) == bare(record(capture(name)))


def test_speech_marks_alternate_and_never_run_during_a_hold(name: str) -> None:
    for rows in calls_of(record(capture(name))).values():
        for role in ("agent", "customer"):
            marks = [row["type"] for row in rows if row.get("role") == role]
            assert all(a != b for a, b in pairwise(marks))
        for start, end in holds_of(rows):
            assert not [r for r in rows if r["type"] == "speech.started" and start < r["at"] < end]


def test_every_event_can_be_written_and_read(name: str) -> None:
    for event in record(capture(name)):
        assert parse(render(event)) == event


def test_nothing_is_remembered_when_all_calls_have_ended(name: str) -> None:
    translator = Translator()
    record(capture(name), translator)
    assert (translator.open_calls, translator.remembered) == (0, 0)


def test_the_file_reader_gives_the_same_record(name: str) -> None:
    assert list(record_capture(FOLDER / f"{name}.jsonl")) == record(capture(name))


def test_twenty_overlapping_calls_follow_their_plan() -> None:
    name = "h_twenty_overlapping"
    log = json.loads((FOLDER / f"{name}.truth.json").read_text("utf-8"))["log"]
    plan = log[0]["plan"]
    ours = by_caller(record(capture(name)))
    assert set(ours) == set(plan)
    for caller, planned in plan.items():
        rows = ours[caller]
        answered = [row for row in rows if row["type"] == "call.answered"]
        if planned["abandon"]:
            assert not answered
            assert rows[-1]["at"] - rows[0]["at"] == pytest.approx(planned["abandon"], abs=TOLERANCE_S)
            continue
        ring = next(ring for ring in rings_of(rows) if ring[3] == "answered")
        assert ring[2] - ring[1] == pytest.approx(planned["ring"], abs=TOLERANCE_S)
        assert [end - start for start, end in holds_of(rows)] == pytest.approx(
            [planned["hold"]] if planned["hold"] else [], abs=TOLERANCE_S
        )
        assert rows[-1]["by"] == {"caller": "customer", "agent": "agent"}[planned["hang"]]


def test_all_captures_at_once_give_what_each_gives_alone() -> None:
    """All begin in the same second, on one connection; each call has the record it has alone."""
    stream, alone = [], []
    for name in NAMES:
        blocks = [(at, {k: v for k, v in block.items() if k != "Timestamp"}) for at, block in capture(name)]
        moved = [(1_800_000_000.0 + at - blocks[0][0], block) for at, block in blocks]
        stream += moved
        alone += record(moved)
    stream.sort(key=lambda one: one[0])
    together = calls_of(record(stream))
    for call, rows in calls_of(alone).items():
        assert [row for row in together[call] if not row.get("snapshot")] == [
            row for row in rows if not row.get("snapshot")
        ]
    assert set(together) == set(calls_of(alone))


def test_the_twenty_calls_over_and_over_leave_nothing_behind() -> None:
    """Ids renewed each time; an hour of calls may not leave a trace in memory."""
    translator, blocks = Translator(), without(capture("h_twenty_overlapping"), *EXTRAS)
    length = blocks[-1][0] - blocks[0][0] + 1.0
    keys = ("Uniqueid", "Linkedid", "DestUniqueid", "DestLinkedid", "BridgeUniqueid")
    for turn in range(10):
        for at, block in blocks:
            renewed = {k: f"{v}-{turn}" if k in keys else v for k, v in block.items()}
            translator.feed(renewed, at + turn * length)
    translator.flush()
    assert (translator.open_calls, translator.remembered, translator.take_problems()) == (0, 0, [])
