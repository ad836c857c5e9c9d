"""Phrases that a spotter hears while the sentence goes on: one hit with the recogniser's, in whatever order they come.

Figures are seconds after the call was offered; ``■`` is speech, ``◆`` a spotted phrase, ``!`` an alert.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from streams import call as calls
from streams.alerts import AlertChange
from streams.core import CallState, dump, load, step
from streams.detectors.conditions import Condition, Words
from streams.detectors.must_say import MustSay, SaidAnchor
from streams.detectors.procedure import Procedure, ProcedureStep, Trigger
from streams.detectors.says import Says
from streams.detectors.surge import Surge
from streams.detectors.units import Duration
from streams.events import AnyEvent, Gap, LegTapped, Role, Spotted, Tick, Transcript
from streams.explain import Record
from streams.replay import Driver
from streams.rulebook.book import Rulebook
from streams.rulebook.book import load as load_book
from streams.talk import Talk, Truth, hear
from streams.timelines import read, run
from tests.drive import T0, answered, ended, held, offered, resumed, transferred, transferring
from tests.test_kinds_telephony import TALK, about, heard, judged, told
from tests.test_talk import MATCHER, TALKING, asked, said, sounds, starts, stops

QUICK, SORRY = "有什么事快说", "抱歉"
RUDE = about(Says, by="agent", words=(QUICK,), severity="warning", says="{words}")


def spot(
    start: float, end: float, text: str = QUICK, role: Role = "agent", *, lag: float = 0.0, **more: Any
) -> Spotted:
    """A spotter tells of a phrase ``lag`` after its end."""
    return Spotted(call="c1", at=T0 + end + lag, role=role, text=text, start=T0 + start, end=T0 + end, **more)


def guess(start: float, end: float, text: str, role: Role = "agent", *, lag: float = 0.3) -> Transcript:
    """A partial transcript: nothing of it is known for sure."""
    return said(start, end, text, role, lag=lag, final=False, through=T0 + start)


def mark(t: float, role: Role = "agent") -> Transcript:
    """The recogniser of that party is so far, and has no word."""
    return said(t, t, "", role, final=False)


def listen(*events: AnyEvent) -> Talk:
    """The log after these events."""
    talk, fold = Talk(), calls.begin(events[0])
    for event in events:
        fold = calls.apply(fold, event)
        found = MATCHER.find(event.text) if isinstance(event, Transcript | Spotted) else ()
        talk = hear(talk, fold.call, event, found)
    return talk


def changes_of(rule: Any, events: list[AnyEvent]) -> list[AlertChange]:
    """What came of the events in the order in which they stand, whatever their times."""
    driver = Driver(Rulebook(version="v", rules=(rule,)))
    return [c for event in events for c in driver.feed(event)] + driver.finish(T0 + 2000)


def states(rule: Any, events: list[AnyEvent]) -> list[tuple[str, float]]:
    return [(c.state, round(c.at - T0, 3)) for c in changes_of(rule, events)]


# ------------------------------------------------------------------------------------- confirmed and withdrawn


# 5 ■■■■■◆ 7 ■■■■ 9 ........ 9.5 the sentence
def test_a_spotted_phrase_is_an_alert_before_its_sentence_is_finished() -> None:
    assert states(RUDE, [*TALK, starts(5), spot(5.5, 7)]) == [("opened", 7)]


def test_the_finished_sentence_confirms_it_and_the_two_are_one_alert() -> None:
    record = [*TALK, starts(5), spot(5.5, 7), stops(9), said(5, 9, f"喂{QUICK}我忙着呢", lag=0.5), ended(60)]
    assert states(RUDE, record) == [("opened", 7)]


def test_the_finished_sentence_withdraws_it() -> None:
    record = [*TALK, starts(5), spot(5.5, 7), stops(9), said(5, 9, "有什么事我可以帮您", lag=0.5), ended(60)]
    assert states(RUDE, record) == [("opened", 7), ("cleared", 7)]


def test_a_finished_sentence_without_a_word_withdraws_it_too() -> None:
    assert states(RUDE, [*TALK, spot(5.5, 7), said(5, 9, "", lag=0.5)])[-1] == ("cleared", 7)


def test_a_spotted_phrase_that_stands_by_itself_is_not_withdrawn() -> None:
    record = [*TALK, spot(5.5, 7, final=True), said(5, 9, "有什么事我可以帮您", lag=0.5), ended(60)]
    assert states(RUDE, record) == [("opened", 7)]


# ◆ 5.5-7 and the recogniser's word at 7.9: within a second, the same; at 8.1 it is another one
@pytest.mark.parametrize(("start", "count"), [(7.875, 1), (8.125, 2)])
@pytest.mark.parametrize("final", [False, True])
def test_times_that_differ_by_up_to_a_second_are_one_hit(start: float, count: int, final: bool) -> None:
    words = said(start, start + 1, SORRY, lag=0.5)
    talk = listen(*TALKING, spot(5.5, 7, SORRY, final=True), replace(words, start=T0 + start))
    assert len(talk.hits) == count


def test_the_same_words_of_the_other_party_confirm_nothing() -> None:
    talk = listen(*TALKING, spot(5.5, 7, SORRY), said(5, 9, "抱歉", "customer"))
    assert [(hit.role, hit.spotted) for hit in talk.hits] == [("customer", False), ("agent", True)]


def test_a_sentence_before_it_decides_nothing() -> None:
    talk = listen(*TALKING, spot(5.5, 7, SORRY), said(2, 4, "您好", lag=4))
    assert [hit.spotted for hit in talk.hits] == [True]


# ◆ 5-6 ......... through 7: a word would have been heard by then; at 6.9 it may still come
def test_a_recogniser_that_has_listened_beyond_it_without_a_word_withdraws_it() -> None:
    assert len(listen(*TALKING, spot(5, 6, SORRY), mark(6.875)).hits) == 1
    assert listen(*TALKING, spot(5, 6, SORRY), mark(7)).hits == ()
    assert len(listen(*TALKING, spot(5, 6, SORRY, final=True), mark(7)).hits) == 1


def test_while_its_sentence_goes_on_nothing_is_withdrawn() -> None:
    open_sentence = [*TALKING, guess(4, 5, "那个"), spot(5, 6, SORRY)]
    assert len(listen(*open_sentence, mark(9)).hits) == 1
    open_sound = [*TALKING, starts(4), spot(5, 6, SORRY)]
    assert len(listen(*open_sound, mark(9)).hits) == 1
    assert len(listen(*open_sound, mark(9), stops(9.5)).hits) == 1
    assert listen(*open_sound, mark(9), stops(9.5), mark(10)).hits == ()


# ------------------------------------------------------------------------------------- whatever the order


ONE = [
    starts(5),
    guess(5, 6, "有什么"),
    spot(5.5, 7),
    guess(5, 7.5, f"{QUICK}我"),
    guess(5, 8, f"{QUICK}我忙"),
    stops(9),
    said(5, 9, f"{QUICK}我忙着呢", lag=0.5),
]


def orders(final: bool) -> list[list[AnyEvent]]:
    """The sentence's events with the spotted phrase at each place."""
    spotted = replace(spot(5.5, 7), final=final)
    others = [event for event in ONE if not isinstance(event, Spotted)]
    return [[*others[:n], spotted, *others[n:]] for n in range(len(others) + 1)]


@pytest.mark.parametrize("final", [False, True])
def test_whatever_comes_first_there_is_one_alert(final: bool) -> None:
    for order in orders(final):
        found = changes_of(RUDE, [*TALK, *order, ended(60)])
        assert [c.state for c in found] == ["opened"]


@pytest.mark.parametrize("final", [False, True])
def test_what_is_delivered_again_changes_nothing(final: bool) -> None:
    for order in orders(final):
        again = [*TALK, *order, *order, ended(60)]
        assert [c.state for c in changes_of(RUDE, again)] == ["opened"]
    doubled = [spot(5, 6, SORRY, final=final)] * 2
    assert listen(*TALKING, *doubled) == listen(*TALKING, *doubled[:1])


def test_what_was_withdrawn_stays_withdrawn_when_it_is_delivered_again() -> None:
    wrong = [spot(5.5, 7), said(5, 9, "有什么事我可以帮您", lag=0.5)]
    for order in permutations([*wrong, wrong[0]]):
        found = states(RUDE, [*TALK, *order, ended(60)])
        assert found in ([], [("opened", 7), ("cleared", 7)])
    assert states(RUDE, [*TALK, wrong[1], wrong[0]]) == []


# ■■■■◆ 7 ■ 7.5: the sentence is through only to 7.5, but it is finished, and a late word about it changes nothing
def test_a_phrase_at_the_very_end_of_a_finished_sentence_comes_too_late() -> None:
    assert states(RUDE, [*TALK, said(5, 7.5, "有什么事我可以帮您"), spot(5.5, 7, lag=1)]) == []


def test_partials_do_not_take_a_spotted_phrase_away() -> None:
    talk = listen(*TALKING, guess(4, 5, "您好"), spot(5, 6, SORRY), guess(4, 6, "您好抱一"), guess(4, 7, "您好包起来"))
    assert [hit.spotted for hit in talk.hits] == [True]


def test_a_partial_that_has_it_hides_it_and_one_that_has_lost_it_shows_it_again() -> None:
    known = [*TALKING, guess(4, 5, "您好"), spot(5, 6, SORRY), guess(4, 6, "您好抱歉")]
    assert [(hit.spotted, hit.said - T0) for hit in listen(*known).hits] == [(False, 4)]
    assert [(hit.spotted, hit.said - T0) for hit in listen(*known, guess(4, 7, "您好包起来")).hits] == [(True, 4)]


def test_two_phrases_of_one_set_at_one_time_are_one_hit() -> None:
    talk = listen(*TALKING, spot(5, 6, "真抱歉"), spot(5.25, 6, SORRY))
    assert len(talk.hits) == len(talk.spots) == 1
    assert len(listen(*TALKING, spot(5, 6, SORRY), spot(6.125, 7, SORRY)).hits) == 2


def test_one_that_is_told_again_for_good_stands() -> None:
    talk = listen(*TALKING, spot(5, 6, SORRY), spot(5, 6, SORRY, final=True), said(4, 7, "您好"))
    assert [(hit.spotted, hit.final) for hit in talk.hits] == [(True, True)]


# a long way of words after it, then the same sentence corrected: it stands
def test_a_standing_phrase_shows_again_when_the_sentence_is_corrected() -> None:
    record = [*TALKING, spot(5, 6, SORRY, final=True), said(4, 7, "您好抱歉"), said(4, 7, "您好包起来")]
    assert [(hit.spotted, hit.said - T0) for hit in listen(*record).hits] == [(True, 4)]


# ◆ and ◆ in one sentence: one utterance, one alert, as the recogniser alone would have it
@pytest.mark.parametrize("known", [T0 + 5, None])
def test_several_phrases_of_one_sentence_are_one_alert(known: float | None) -> None:
    rule = about(Says, by="agent", words=(QUICK, "我忙着呢"), severity="warning", says="{words}")
    spots = [spot(5.5, 7, said=known), spot(7.5, 8.5, "我忙着呢", said=known)]
    final = said(5, 9, f"{QUICK}我忙着呢", lag=0.5)
    record = [*TALK, starts(5), spots[0], guess(5, 7.5, "有什么"), spots[1], stops(9), final, ended(60)]
    assert states(rule, record) == [("opened", 7)]


# nothing marks the sound; the ear itself says which sentence it is
def test_the_ear_may_say_in_which_sentence_a_phrase_stands() -> None:
    rule = about(Says, by="agent", words=(QUICK, "我忙着呢"), severity="warning", says="{words}")
    spots = [spot(5.5, 7, said=T0 + 5), spot(7.5, 8.5, "我忙着呢", said=T0 + 5)]
    assert states(rule, [*TALK, *spots, said(5, 9, f"{QUICK}我忙着呢", lag=0.5), ended(60)]) == [("opened", 7)]


# two sentences, a spot in each that came before any word of it: the first final must not decide the second spot
def test_each_sentence_decides_about_its_own_phrase() -> None:
    record = [
        *TALK,
        starts(5),
        spot(5.5, 7),
        stops(7.25),
        starts(7.75),
        spot(8, 9.5),
        said(5, 7.25, "有什么事我可以帮您", lag=2.5),
        stops(10),
        said(7.75, 10, QUICK, lag=0.5),
    ]
    assert states(RUDE, record) == [("opened", 7), ("opened", 9.5), ("cleared", 7)]


# ------------------------------------------------------------------------------------- no utterance, no proof


def test_a_spotted_phrase_is_no_utterance_and_proves_no_listening() -> None:
    talk = listen(*TALKING, spot(5, 6, SORRY), spot(7, 8, SORRY, final=True))
    assert (talk.agent, talk.alive, talk.recognised) == (Talk().agent, 0, False)
    assert sounds(talk) == []
    assert asked(*TALKING, ended(20), until=8, now=40) is Truth.NEVER


@pytest.mark.parametrize("away", [(held(4), resumed(8)), (transferring(4), transferred(8))])
def test_what_is_spotted_while_the_customer_is_held_or_transferred_is_no_talk(away: tuple[AnyEvent, ...]) -> None:
    assert listen(*TALKING, away[0], spot(5, 6, SORRY), away[1]).hits == ()
    assert len(listen(*TALKING, *away, spot(8, 9, SORRY)).hits) == 1


def test_the_flood_of_a_long_call_leaves_the_state_small() -> None:
    many = [event for n in range(200) for event in (spot(5 + 3 * n, 6 + 3 * n, SORRY, final=True), mark(6 + 3 * n))]
    talk = listen(*TALKING, *many)
    assert len(talk.hits) == len(talk.spots) <= 16
    flood = listen(*TALKING, *(mark(2 + n / 4, role) for n in range(4000) for role in ("agent", "customer")))
    assert flood == replace(Talk(), agent=flood.agent, customer=flood.customer, alive=T0 + 2 + 3999 / 4, paced=True)
    assert flood.agent == replace(Talk().agent, through=flood.alive) == flood.customer


# ------------------------------------------------------------------------------------- the other kinds


ASK = about(
    MustSay,
    anchor=SaidAnchor(said=(QUICK,), by="agent"),
    by="agent",
    words=("抱歉",),
    after=Duration(10),
    severity="warning",
)


@pytest.mark.parametrize("final", [False, True])
def test_an_anchor_that_was_spotted_and_recognised_is_judged_once(final: bool) -> None:
    for order in orders(final):
        assert [c.state for c in changes_of(ASK, [*TALK, *order, *heard(30), ended(60)])] == ["opened"]


def test_an_anchor_that_stands_and_was_judged_is_not_judged_again_by_its_late_words() -> None:
    late = said(5, 9, f"喂{QUICK}我忙", lag=0.5)
    record = [*TALK, spot(5.5, 7, final=True), *heard(30), replace(late, at=T0 + 31), *heard(40), ended(60)]
    assert [c.state for c in changes_of(ASK, record)] == ["opened"]


def test_an_anchor_that_was_judged_by_its_words_is_not_judged_again_by_a_late_spot() -> None:
    words = said(5, 9, f"喂{QUICK}我忙", lag=0.5)
    late = replace(spot(5.5, 7, final=True), at=T0 + 31)
    again = replace(words, at=T0 + 32)
    record = [*TALK, words, *heard(30), late, again, *heard(40), ended(60)]
    assert [c.state for c in changes_of(ASK, record)] == ["opened"]


# the words that must be said count when they were spotted, and not if the sentence withdraws them
@pytest.mark.parametrize(("text", "expected"), [("真抱歉", []), ("真包起来", [("opened", 10)])])
def test_words_that_must_be_said_may_be_spotted(text: str, expected: list[Any]) -> None:
    rule = about(MustSay, anchor="answered", by="agent", words=("抱歉",), after=Duration(8), severity="warning")
    assert told(rule, [*TALK, spot(5, 6, SORRY), said(4, 7, text, lag=0.5), *heard(20), ended(60)]) == expected


def test_a_procedure_begins_with_a_spotted_phrase() -> None:
    rule = about(
        Procedure,
        trigger=Trigger(words=(SORRY,)),
        steps=(ProcedureStep(words=("再见",)),),
        severity="warning",
        announce="notice",
        says_started="{step}",
    )
    record = [*TALK, spot(5, 6, SORRY, "customer")]
    assert told(rule, record) == [("opened", 6)]
    assert [state for state, _ in told(rule, [*record, said(4, 7, "您好", "customer")])] == ["opened", "cleared"]


def test_a_rule_across_calls_counts_what_is_sure_once() -> None:
    rule = about(
        Surge, subject="queue", counts="words", words=(QUICK,), by="agent", at_least=2, within=Duration(60),
        severity="notice",
    )  # fmt: skip
    call = [replace(TALK[0], queue="hotline"), *TALK[1:]]
    driver = Driver(Rulebook(version="v", rules=(rule,)))
    for event in [*call, spot(5.5, 7)]:
        driver.feed(event)
    assert driver.marks == []
    for event in [said(5, 9, QUICK, lag=0.5), spot(5.5, 7, final=True)]:
        driver.feed(event)
    assert len(driver.marks) == 1


def test_a_condition_about_the_sentence_sees_the_spotted_phrase_in_it() -> None:
    rule = replace(RUDE, unless=Condition(utterance=Words(any=(SORRY,))))
    record = [*TALK, guess(5, 6, "那个"), spot(6, 7, SORRY, final=True), said(5, 9, f"包起来{QUICK}", lag=0.5)]
    assert states(rule, record) == []


# ------------------------------------------------------------------------------------- empty partials


# 5 ■■ 抱歉 ■■ (open) ... 6 the recogniser says how far it is ... 9 the sentence
def test_how_far_the_recogniser_is_takes_back_no_word_of_the_open_sentence() -> None:
    talk = listen(*TALKING, guess(5, 6, "真抱歉"), mark(6))
    assert [hit.name for hit in talk.hits] == ["sorry"]
    assert talk.agent.through == T0 + 6
    rule = about(Says, by="agent", words=(SORRY,), severity="warning", says="{words}")
    record = [*TALK, guess(5, 6, "真抱歉"), mark(6), guess(5, 8, "真抱歉啊"), mark(8), said(5, 9, "真抱歉啊")]
    assert [c.state for c in changes_of(rule, record)] == ["opened"]


# the recogniser has heard nothing for sure but its start: `through` is where the sentence begins
def test_a_mark_at_the_very_start_of_the_open_sentence_takes_nothing_back() -> None:
    talk = listen(*TALKING, guess(5, 6, "真抱歉"), replace(mark(5), at=T0 + 6.5))
    assert [hit.name for hit in talk.hits] == ["sorry"]


def test_an_empty_partial_of_that_very_sentence_takes_its_words_back() -> None:
    assert listen(*TALKING, guess(5, 6, "真抱歉"), guess(5, 7, "")).hits == ()
    assert len(listen(*TALKING, guess(5, 6, "真抱歉"), guess(5.5, 7, "")).hits) == 1


# a worker that was killed hears the sentence again, after its words were published
def test_a_guess_about_a_finished_sentence_comes_too_late() -> None:
    known = [*TALKING, said(5, 9, "真抱歉", lag=0.5)]
    assert listen(*known, guess(5, 6, "真"), guess(5, 7, "真抱")) == listen(*known)


def test_a_mark_has_a_rule_judged_that_waited_for_it() -> None:
    rule = about(MustSay, anchor="answered", by="agent", words=("你好",), after=Duration(8), severity="warning")
    record = [*TALK, mark(3), mark(9.5)]
    assert states(rule, [*record, *(mark(t, "customer") for t in (3, 12))]) == []  # his own ear is what counts
    assert [c.state for c in judged(rule, [*record, mark(10)], until=10)[0]] == ["opened"]


def test_lost_sound_leaves_a_missing_word_unjudged() -> None:
    rule = about(MustSay, anchor="answered", by="agent", words=("你好",), after=Duration(8), severity="warning")
    lost = Gap(call="c1", at=T0 + 6, role="agent", start=T0 + 4, end=T0 + 6)
    assert told(rule, [*TALK, mark(3), lost, mark(20), ended(60)]) == [("not judged", 10)]


# ------------------------------------------------------------------------------------- by sound, masked


def test_evidence_says_that_the_words_were_heard_by_sound() -> None:
    final = said(5, 9, f"{QUICK}我的号码是***", lag=0.5, by_sound=True)
    (change,) = changes_of(RUDE, [*TALK, final])
    assert [(e.text, e.by_sound) for e in change.evidence] == [(f"{QUICK}我的号码是***", True)]
    (early,) = changes_of(RUDE, [*TALK, spot(5.5, 7)])
    assert [(e.text, e.match, e.by_sound) for e in early.evidence] == [(QUICK, QUICK, True)]
    (plain,) = changes_of(RUDE, [*TALK, said(5, 9, QUICK)])
    assert [e.by_sound for e in plain.evidence] == [False]


def test_an_explanation_says_so_too() -> None:
    rule = replace(RUDE, when=Condition(utterance=Words(any=(QUICK,))))
    book = Rulebook(version="v", rules=(rule, about(Says, id="s", by="customer", words=(QUICK,), severity="notice")))
    explanation = Record(book, [*TALK, said(5, 9, QUICK, by_sound=True)]).rule("s", "c1")
    assert explanation is not None
    assert "据音听写" in explanation.account[0].because


# ------------------------------------------------------------------------------------- stored, shifted, first of a call


def test_spotted_phrases_survive_the_stored_form() -> None:
    book = Rulebook(version="v", rules=(RUDE,))
    for order in orders(False):
        changes, state = list[AlertChange](), None
        for seq, event in enumerate([*TALK, *order, *order[-2:], ended(60)]):
            taken = step(book, load(dump(state)) if state else None, replace(event, seq=seq))
            state, changes = taken.state, [*changes, *taken.changes]
        assert [c.state for c in changes] == ["opened"]


def test_after_a_clock_that_jumped_back_spotted_phrases_move_with_the_rest() -> None:
    def shifted(event: AnyEvent) -> AnyEvent:
        return replace(event, at=event.at - 3600, start=event.start - 3600, end=event.end - 3600)  # type: ignore[union-attr,call-arg]

    record = [*TALK, Tick(call="c1", at=T0 + 3), shifted(spot(3, 4)), shifted(said(3, 4, QUICK, through=None, lag=0.5))]
    found = changes_of(RUDE, record)
    assert [(c.state, c.at - T0 > 0) for c in found] == [("opened", True)]


def test_a_call_first_heard_of_by_a_spotted_phrase_has_been_answered() -> None:
    assert calls.begin(spot(5, 6)).call.phase == "talking"


# ------------------------------------------------------------------------------------- taps


TAP = LegTapped(call="c1", at=T0 + 1, role="agent", leg="40325ec2-5efd-4bd3-805f-53576e581d13")


def test_a_tap_begins_no_call() -> None:
    assert step(load_book(), None, TAP).state is None
    assert Record(load_book(), [TAP]).calls == ()


@pytest.mark.parametrize("at", [-10_000, 0.5, 5, 10_000])
def test_a_tap_is_no_fact_of_the_call(at: float) -> None:
    book, tap = load_book(), replace(TAP, at=T0 + at)

    def taken(*events: AnyEvent) -> tuple[CallState | None, list[AlertChange]]:
        changes, state = list[AlertChange](), None
        for event in events:
            result = step(book, state, event)
            state, changes = result.state, [*changes, *result.changes]
        return state, changes

    record = [offered(0), answered(15), spot(20, 21), said(19, 22, QUICK), ended(30)]
    for n in range(len(record) + 1):
        assert taken(*record[:n], tap, *record[n:]) == taken(*record)


# ------------------------------------------------------------------------------------- timelines

SHEET = """
rule: {rule}
timelines:
  - name: 听见即报
    proves: positive
    events:
      - 0 s 来电
      - 3 s 接听 8026
      - {line}
      - "4 s - 8 s 坐席: {text}"
      - 20 s 结束
    expect:
      - 5.9 s: 无
      - 6 s: 警告
{after}
"""


@pytest.mark.parametrize(
    ("text", "after"), [(QUICK, ""), ("有什么事我可以帮您", "      - 6 s: 解除")], ids=["confirmed", "withdrawn"]
)
def test_a_timeline_has_a_line_for_a_spotted_phrase(tmp_path: Path, text: str, after: str) -> None:
    book = Rulebook(version="v", rules=(RUDE,))
    file = tmp_path / f"{RUDE.id}.yaml"
    line = f"5 s - 6 s 听见 坐席: {QUICK}"
    file.write_text(SHEET.format(rule=RUDE.id, line=line, text=text, after=after), "utf-8")
    sheet = read(file, [RUDE.id])
    assert sheet.faults == ()
    (timeline,) = sheet.timelines
    spots = [event for event in timeline.events if isinstance(event, Spotted)]
    assert [(e.at - timeline.start, e.start - timeline.start, e.final) for e in spots] == [(6, 5, False)]
    assert str(run(book, timeline)).endswith("nothing") is False
    assert run(book, timeline).passed, str(run(book, timeline))


@pytest.mark.parametrize(
    ("line", "problem", "mend"),
    [
        ("5 s - 6 s 听见 坐席", "unknown event '听见'", "did you mean `5 s - 6 s 听见 坐席: "),
        ('"5 s 听见 坐席: ,"', "speech without a word", "write what is said"),
    ],
)
def test_a_line_that_spots_nothing_is_told(tmp_path: Path, line: str, problem: str, mend: str) -> None:
    file = tmp_path / f"{RUDE.id}.yaml"
    file.write_text(SHEET.format(rule=RUDE.id, line=line, text=QUICK, after=""), "utf-8")
    faults = read(file, [RUDE.id]).faults
    assert [(fault.problem, fault.mend[: len(mend)]) for fault in faults] == [(problem, mend)]
