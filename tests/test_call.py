"""The phases of a call: the transition table, and the disorder that real PBXs produce."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.call import LATE_S, PHASES, TABLE, Call, Fold, apply, begin, is_stale
from streams.events import AnyEvent, Gap, SpeechEnded, SpeechStarted, Transcript
from tests.drive import (
    T0,
    answered,
    consulted,
    ended,
    failed,
    held,
    missed,
    offered,
    resumed,
    rings,
    tick,
    transferred,
    transferring,
)


def fold(events: Iterable[AnyEvent]) -> Fold:
    """The events in their order of arrival."""
    events = list(events)
    state = begin(events[0])
    for event in events:
        state = apply(state, event)
    return state


def call(*events: AnyEvent) -> Call:
    """What is known of the call after these events, in their order of arrival."""
    return fold(events).call


def seconds(t: float | None) -> float | None:
    """Seconds after ``T0``."""
    return None if t is None else t - T0


# ---------------------------------------------------------------------------------------------- the table

SCENES: dict[str, list[AnyEvent]] = {
    "offered": [offered(0)],
    "ringing": [offered(0), rings(1)],
    "talking": [offered(0), rings(1), answered(2)],
    "held": [offered(0), rings(1), answered(2), held(3)],
    "transferring": [offered(0), rings(1), answered(2), transferring(3)],
    "ended": [offered(0), rings(1), answered(2), ended(3)],
}
O, R, T, H, X, E = PHASES  # noqa: E741 - the letters of the phases, X for transferring
#: What the event at 20 s makes of each scene, in the order of SCENES. To be checked by eye.
EXPECTED: dict[str, tuple[AnyEvent, str]] = {
    #                                              O R T H X E
    "call.offered": (offered(20), "O R T H X E"),
    "agent.ringing": (rings(20, "102"), "R R T H X E"),
    "agent.missed": (missed(20, "101"), "O O T H X E"),
    "call.answered": (answered(20, "101"), "T T T H T E"),
    "consult.answered": (consulted(20, "102"), "O R T H X E"),
    "call.held": (held(20), "H H H H X E"),
    "call.resumed": (resumed(20), "T T T T T E"),
    "call.transferring": (transferring(20), "X X X X X E"),
    "call.transferred": (transferred(20), "T T T T T E"),
    "transfer.failed": (failed(20), "O R T H T E"),
    "call.ended": (ended(20), "E E E E E E"),
}
LETTERS = dict(zip("ORTHXE", PHASES, strict=True))


@pytest.mark.parametrize("row", EXPECTED)
@pytest.mark.parametrize("scene", SCENES)
def test_the_table_says_what_each_event_makes_of_each_phase(row: str, scene: str) -> None:
    event, letters = EXPECTED[row]
    before, after = fold(SCENES[scene]), fold([*SCENES[scene], event])
    assert before.call.phase == scene
    assert after.call.phase == LETTERS[letters.split()[PHASES.index(scene)]]
    assert after.call.since == (before.call.since if after.call.phase == scene else event.at)


def test_every_row_of_the_table_has_a_line_here() -> None:
    assert list(EXPECTED) == list(TABLE)


@pytest.mark.parametrize(
    "event",
    [
        SpeechStarted(call="c1", at=T0 + 20, role="agent"),
        SpeechEnded(call="c1", at=T0 + 20, role="agent"),
        Transcript(call="c1", at=T0 + 20, role="agent", text="您好", start=T0, end=T0, final=True),
        Gap(call="c1", at=T0 + 20, role="agent", start=T0, end=T0),
        tick(20),
    ],
)
@pytest.mark.parametrize("scene", SCENES)
def test_speech_and_ticks_change_no_phase(event: AnyEvent, scene: str) -> None:
    assert fold([*SCENES[scene], event]).call == fold(SCENES[scene]).call


def test_the_call_keeps_who_wants_what_and_who_talked() -> None:
    known = call(
        offered(0, caller="138", called="10086", queue="sales"),
        rings(1, agent_name="Ana"),
        answered(3.5),
        held(10, "customer"),
        resumed(15),
        transferring(20, "102", mode="attended"),
        rings(21, "102", agent_name="Bo"),
        transferred(30, "102"),
        ended(60, "agent", cause="16"),
    )
    assert (known.caller, known.called, known.queue, known.direction) == ("138", "10086", "sales", "inbound")
    assert [seconds(t) for t in (known.begun_at, known.offered_at, known.answered_at, known.ended_at)] == [
        0,
        0,
        3.5,
        60,
    ]
    assert (known.agent, known.name_of("101"), known.name_of("102"), known.name_of("103")) == ("102", "Ana", "Bo", None)
    assert (known.transfer_to, known.transfer_mode) == ("102", "attended")
    assert (known.ended_by, known.ended_from, known.cause) == ("agent", "talking", "16")
    assert known.was_answered


# ------------------------------------------------------------------------------------------- several phones


def test_ring_all_one_answers_and_the_losers_stop() -> None:
    both = [offered(0), rings(1, "101"), rings(1.5, "102"), rings(1.5, "103")]
    known = call(*both)
    assert list(known.ringing) == ["101", "102", "103"]
    assert (min(known.ringing, key=known.ringing.__getitem__), seconds(known.ringing_since)) == ("101", 1)
    known = call(*both, answered(4, "102"), missed(4, "101"), missed(4.25, "103"))
    assert (known.phase, known.agent, known.ringing) == ("talking", "102", {})


def test_ring_all_goes_on_ringing_while_one_phone_does() -> None:
    known = call(offered(0), rings(1, "101"), rings(3, "102"), missed(9, "101"))
    assert (known.phase, seconds(known.since)) == ("ringing", 1)
    assert (min(known.ringing, key=known.ringing.__getitem__), seconds(known.ringing_since)) == ("102", 3)
    assert call(offered(0), rings(1, "101"), rings(3, "102"), missed(9, "101"), missed(9, "102")).phase == "offered"


def test_losers_that_are_reported_before_the_winner_change_nothing_else() -> None:
    early = call(offered(0), rings(1, "101"), rings(1, "102"), missed(4, "101"), answered(4.25, "102"))
    late = call(offered(0), rings(1, "101"), rings(1, "102"), answered(4.25, "102"), missed(4.5, "101"))
    assert early == late


def test_a_second_ring_of_the_same_phone_begins_anew() -> None:
    known = call(offered(0), rings(1), missed(16), rings(21))
    assert (known.phase, seconds(known.since), seconds(known.ringing_since)) == ("ringing", 21, 21)


# ------------------------------------------------------------------------------------ consult and transfer


def test_a_colleague_who_is_asked_during_a_hold_rings_and_answers_while_the_customer_stays_on_hold() -> None:
    scene = [*SCENES["held"], rings(20, "102")]
    assert (call(*scene).phase, min(call(*scene).ringing)) == ("held", "102")
    for answer in (consulted(25, "102"), answered(25, "102")):
        known = call(*scene, answer)
        assert (known.phase, known.agent, known.ringing, seconds(known.since)) == ("held", "101", {}, 3)
        assert call(*scene, answer, resumed(30)).phase == "talking"


def test_a_colleague_who_is_asked_during_a_transfer_does_not_yet_have_the_customer() -> None:
    known = call(*SCENES["transferring"], rings(20, "102"), consulted(25, "102"))
    assert (known.phase, known.agent, known.ringing, seconds(known.since)) == ("transferring", "101", {}, 3)
    known = call(*SCENES["transferring"], rings(20, "102"), consulted(25, "102"), transferred(30, "102"))
    assert (known.phase, known.agent, seconds(known.answered_at)) == ("talking", "102", 2)


def test_a_failed_transfer_goes_back_to_the_first_agent() -> None:
    known = call(*SCENES["transferring"], rings(20, "102"), failed(25))
    assert (known.phase, known.agent, known.ringing, seconds(known.since)) == ("talking", "101", {}, 25)


def test_a_failed_transfer_of_a_call_that_nobody_answered_goes_back_to_the_queue() -> None:
    known = call(offered(0), transferring(5), rings(6, "102"), failed(25))
    assert (known.phase, known.ringing, known.was_answered) == ("offered", {}, False)


def test_a_transfer_out_of_a_hold_ends_the_hold() -> None:
    known = call(*SCENES["held"], transferring(20))
    assert (known.phase, known.held_by, seconds(known.since)) == ("transferring", None, 20)


# ---------------------------------------------------------------------------------------------------- late


def test_late_an_answer_that_arrives_before_its_ring() -> None:
    assert call(offered(0), answered(4), rings(1)) == call(offered(0), rings(1), answered(4))


def test_late_a_ring_that_arrives_before_its_offer() -> None:
    assert call(rings(1), offered(0)) == call(offered(0), rings(1))
    assert call(missed(1), offered(0)) == call(offered(0), missed(1))


def test_late_an_offer_that_arrives_after_the_first_words() -> None:
    greeting = SpeechStarted(call="c1", at=T0 + 0.25, role="customer")
    assert call(greeting, offered(0), rings(1)) == call(offered(0), greeting, rings(1))


def test_late_a_hold_that_arrives_after_its_end() -> None:
    known = call(*SCENES["talking"], resumed(14), held(10))
    assert (known.phase, seconds(known.since)) == ("talking", 14)


def test_late_an_answer_that_arrives_after_the_end() -> None:
    known = call(offered(0), rings(1), ended(10), answered(9))
    assert (known.phase, seconds(known.answered_at), known.agent, known.ended_from) == ("ended", 9, "101", "talking")


@pytest.mark.parametrize(("late", "placed"), [(LATE_S, True), (LATE_S + 0.125, False)])
def test_late_events_are_placed_up_to_the_limit_and_left_out_beyond_it(late: float, placed: bool) -> None:
    state = fold([offered(0), rings(1), ended(30)])
    answer = answered(30 - late)
    assert is_stale(state, answer) is not placed
    assert apply(state, answer).call.was_answered is placed


def test_late_an_end_counts_however_late_it_is_but_does_not_lie_in_the_past() -> None:
    known = call(offered(0), rings(1), answered(2), held(100), ended(50))
    assert (known.phase, seconds(known.ended_at), known.ended_from) == ("ended", 100, "held")


def test_late_events_that_have_been_left_behind_by_words_alone_are_left_out_too() -> None:
    state = fold([*SCENES["talking"], SpeechStarted(call="c1", at=T0 + 60, role="agent")])
    assert is_stale(state, held(54))
    assert apply(state, held(54)).call.phase == "talking"
    assert apply(state, held(56)).call.phase == "held"


# ------------------------------------------------------------------------------------------------- doubled

WHOLE = [
    offered(0, queue="sales"), rings(1), rings(1, "102"), missed(3, "102"), answered(4), held(10), resumed(14),
    transferring(20), rings(21, "102"), failed(30), transferring(31, "103"), rings(32, "103"), consulted(33, "103"),
    transferred(36, "103"), ended(50),
]  # fmt: skip


@pytest.mark.parametrize("n", range(len(WHOLE)), ids=[type(e).__name__ for e in WHOLE])
def test_doubled_events_change_nothing_at_once_and_nothing_later(n: int) -> None:
    at_once = [*WHOLE[: n + 1], WHOLE[n], *WHOLE[n + 1 :]]
    later = [*WHOLE[: n + 2], WHOLE[n], *WHOLE[n + 2 :]]
    at_the_end = [*WHOLE, WHOLE[n]]
    assert call(*at_once) == call(*later) == call(*at_the_end) == call(*WHOLE)


@pytest.mark.parametrize("n", range(len(WHOLE)), ids=[type(e).__name__ for e in WHOLE])
def test_doubled_reports_a_moment_apart_keep_the_first_time(n: int) -> None:
    report = WHOLE[n]
    again = replace(report, at=report.at + 0.25)
    known, plain = call(*WHOLE[: n + 1], again), call(*WHOLE[: n + 1])
    assert (known.phase, known.since, known.ringing) == (plain.phase, plain.since, plain.ringing)


# ------------------------------------------------------------------------------------------------- missing


def test_missing_ring_before_the_answer() -> None:
    known = call(offered(0), answered(4))
    assert (known.phase, known.agent, seconds(known.answered_at)) == ("talking", "101", 4)


def test_missing_offer_before_the_ring() -> None:
    known = call(rings(1))
    assert (known.phase, known.direction, seconds(known.begun_at), known.offered_at) == ("ringing", "inbound", 1, None)


def test_missing_hold_before_its_end() -> None:
    known = call(*SCENES["talking"], resumed(20))
    assert (known.phase, seconds(known.since)) == ("talking", 2)


@pytest.mark.parametrize("event", [held(20), resumed(20)])
def test_missing_answer_before_a_hold_the_phone_rings_no_more(event: AnyEvent) -> None:
    known = call(offered(0), rings(1), rings(1, "102"), event)
    assert known.phase in ("held", "talking")
    assert known.ringing == {}
    assert known.was_answered


def test_missing_answer_before_a_transfer_only_the_colleague_still_rings() -> None:
    known = call(offered(0), rings(1, "101"), rings(19, "102"), transferring(20, "102"))
    assert known.phase == "transferring"
    assert list(known.ringing) == ["102"]


def test_missing_start_of_a_transfer() -> None:
    known = call(*SCENES["talking"], transferred(20, "102"))
    assert (known.phase, known.agent, seconds(known.since)) == ("talking", "102", 2)


def test_missing_everything_but_the_transfer() -> None:
    known = call(transferred(20, "102"))
    assert (known.phase, known.agent, seconds(known.answered_at), known.was_answered) == ("talking", "102", 20, True)


def test_missing_everything_but_the_end() -> None:
    known = call(ended(20, "agent"))
    assert (known.phase, known.ended_by, known.ended_from, known.was_answered) == ("ended", "agent", "offered", False)


def test_missing_report_that_a_phone_stopped_before_another_answers() -> None:
    assert call(offered(0), rings(1), rings(5, "102"), answered(9, "102")).ringing == {}


def test_missing_report_of_a_transfer_a_second_answer_ends_it() -> None:
    known = call(*SCENES["transferring"], answered(20, "102"))
    assert (known.phase, known.agent, seconds(known.answered_at)) == ("talking", "102", 2)


def test_a_failed_transfer_that_was_never_begun_leaves_a_ringing_phone_ringing() -> None:
    known = call(offered(0), rings(1), failed(20))
    assert (known.phase, list(known.ringing)) == ("ringing", ["101"])


# ---------------------------------------------------------------------------------- attached in mid-call


def test_attached_in_mid_call_speech_means_that_somebody_talks() -> None:
    known = call(SpeechStarted(call="c1", at=T0 + 20, role="agent"))
    assert (known.phase, known.was_answered, known.answered_at) == ("talking", True, None)
    known = call(SpeechStarted(call="c1", at=T0 + 20, role="agent"), ended(40, "agent"))
    assert (known.ended_from, known.was_answered) == ("talking", True)


@pytest.mark.parametrize(
    ("event", "phase"), [(held(0), "held"), (transferring(0), "transferring"), (rings(0), "ringing")]
)
def test_attached_in_mid_call_the_first_event_tells_the_phase(event: AnyEvent, phase: str) -> None:
    known = call(event)
    assert (known.phase, seconds(known.since)) == (phase, 0)


# ---------------------------------------------------------------------------------------------- properties

AGENTS = st.sampled_from(["101", "102", "103"])
KINDS: list[Any] = [
    lambda t, a: offered(t, queue=a),
    rings,
    missed,
    answered,
    consulted,
    lambda t, a: held(t, "agent" if a == "101" else "customer"),
    lambda t, _: resumed(t),
    transferring,
    transferred,
    lambda t, _: failed(t),
    lambda t, a: ended(t, "agent" if a == "101" else "customer"),
    lambda t, _: SpeechStarted(call="c1", at=T0 + t, role="agent"),
]
kinds = st.sampled_from(KINDS)


def events_within(seconds: float, *, distinct: bool) -> st.SearchStrategy[list[AnyEvent]]:
    """Any events of one call, on a grid of 1/8 s."""
    moments = st.tuples(st.integers(0, int(seconds * 8)), kinds, AGENTS)
    unique = (lambda moment: moment[0]) if distinct else None
    return st.lists(moments, min_size=1, max_size=12, unique_by=unique).map(
        lambda found: [kind(eighths / 8, agent) for eighths, kind, agent in found]
    )


@given(events_within(LATE_S, distinct=True), st.randoms(use_true_random=False))
def test_any_order_of_arrival_within_the_limit_gives_the_same_call(events: list[AnyEvent], random: Any) -> None:
    in_order = sorted(events, key=lambda event: event.at)
    random.shuffle(events)
    assert fold(events).call == fold(in_order).call


@given(events_within(LATE_S, distinct=True), st.data())
def test_any_order_of_arrival_at_the_end_of_a_longer_call_gives_the_same_call(
    events: list[AnyEvent], data: st.DataObject
) -> None:
    before = data.draw(events_within(60, distinct=False))
    before = [replace(event, at=event.at - 61) for event in sorted(before, key=lambda event: event.at)]
    in_order = sorted(events, key=lambda event: event.at)
    assert fold(before + data.draw(st.permutations(events))).call == fold(before + in_order).call


@given(events_within(30, distinct=True), st.data())
def test_doubling_any_events_changes_nothing(events: list[AnyEvent], data: st.DataObject) -> None:
    events = sorted(events, key=lambda event: event.at)
    twice = [data.draw(st.booleans()) for _ in events]
    doubled = [e for event, again in zip(events, twice, strict=True) for e in ([event, event] if again else [event])]
    assert fold(doubled).call == fold(events).call


@given(events_within(30, distinct=True), st.data())
def test_delivering_any_events_of_the_call_again_changes_nothing(events: list[AnyEvent], data: st.DataObject) -> None:
    events = sorted(events, key=lambda event: event.at)
    again = data.draw(st.lists(st.sampled_from(events)))
    assert fold(events + again).call == fold(events).call


@given(events_within(30, distinct=False))
def test_any_sequence_of_events_leaves_a_call_that_makes_sense(events: list[AnyEvent]) -> None:
    state = begin(events[0])
    for event in events:
        state = apply(state, event)
        known = state.call
        assert known.since <= max(state.latest, known.begun_at)
        assert known.phase != "ringing" or known.ringing
        assert known.phase not in ("offered", "ended") or not known.ringing
        assert known.phase != "held" or known.held_by
        assert (known.phase == "ended") == (known.ended_at is not None) == (known.ended_by is not None)
        assert [e.at for e in state.recent] == sorted(e.at for e in state.recent)


@given(events_within(30, distinct=False))
def test_a_fold_is_the_same_after_its_stored_form(events: list[AnyEvent]) -> None:
    state = fold(events)
    assert msgspec.json.decode(msgspec.json.encode(state), type=Fold) == state
