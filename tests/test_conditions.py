"""Conditions of ``when`` and ``unless``: each field on both sides, joined, unknown, and explained."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from streams.days import NAMES
from streams.detectors.conditions import (
    Condition,
    Day,
    Explained,
    Facts,
    Moment,
    Site,
    Words,
    all_of,
    any_of,
    as_said,
    negate,
)
from streams.detectors.units import decode
from streams.events import AnyEvent
from streams.talk import GRACE_S, Truth
from tests.drive import T0, answered, ended, held, offered, resumed, rings
from tests.test_talk import gap, listen, said, starts, stops

YES, NO, WAIT, NEVER = Truth.YES, Truth.NO, Truth.WAIT, Truth.NEVER
#: 2023-11-15 06:13:20 in Beijing, a Wednesday
CALL = (offered(0, queue="vip", direction="inbound"), rings(1, "8026"), answered(4, "8026"))


def condition(**written: Any) -> Condition:
    """As it stands in the YAML; ``not_`` is written ``not``."""
    return msgspec.convert({k.rstrip("_"): v for k, v in written.items()}, Condition, dec_hook=decode)


def asked(written: dict[str, Any], *events: AnyEvent, at: float = 10, now: float | None = None, **moment: Any) -> Truth:
    talk, call = listen(*CALL, *events)
    facts = Facts(call, talk, T0 + (at if now is None else now), Site(groups={"new": ("80*", "9001")}))
    return condition(**written).truth(facts, Moment(at=T0 + at, **moment))


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ({}, YES),
        ({"direction": "inbound"}, YES),
        ({"direction": "outbound"}, NO),
        ({"queue": ["vip"]}, YES),
        ({"queue": ["sales", "v*"]}, YES),
        ({"queue": ["sales"]}, NO),
        ({"agent": ["80*"]}, YES),
        ({"agent": ["90*"]}, NO),
        ({"agent": ["@new"]}, YES),
        ({"agent": ["@old"]}, NO),
        ({"hours": ["06:00-07:00"]}, YES),
        ({"hours": ["22:00-06:00", "12:00-13:00"]}, NO),
        ({"days": ["workday"]}, YES),
        ({"days": ["holiday", "weekend"]}, NO),
        ({"phase": ["talking"]}, YES),
        ({"phase": ["held", "ringing"]}, NO),
        ({"answered": True}, YES),
        ({"answered": False}, NO),
        ({"ended_by": ["agent"]}, NO),
        ({"first": "6 s"}, YES),
        ({"first": "5.9 s"}, NO),
        ({"lasted": "10 s"}, NO),
        ({"queue": ["vip"], "direction": "outbound"}, NO),
        ({"any": [{"queue": ["sales"]}, {"queue": ["vip"]}]}, YES),
        ({"all": [{"queue": ["sales"]}, {"queue": ["vip"]}]}, NO),
        ({"not_": {"queue": ["sales"]}}, YES),
        ({"not_": {"any": [{"queue": ["vip"]}]}}, NO),
    ],
)
def test_what_the_phone_and_the_calendar_tell(written: dict[str, Any], answer: Truth) -> None:
    assert asked(written) is answer


def test_how_long_the_phase_before_lasted() -> None:
    assert asked({"lasted": "10 s"}, lasted=10.0) is YES
    assert asked({"lasted": "10 s"}, lasted=9.9) is NO


def test_who_ended_the_call_and_why() -> None:
    over = ended(9, "system", cause="Network out of order")
    assert asked({"ended_by": ["system"], "cause": ["network*"]}, over) is YES
    assert asked({"ended_by": ["system"], "cause": ["normal*"]}, over) is NO


def test_the_agent_of_the_moment_goes_before_the_present_one() -> None:
    assert asked({"agent": ["90*"]}, agent="9001") is YES


# --------------------------------------------------------------------------------------------------- words


SORRY = {"words": ["sorry"], "by": "agent"}


# 4 |answered   5 抱歉 6 ......... 10?
@pytest.mark.parametrize(("within", "answer"), [(None, YES), ("4 s", YES), ("3.9 s", NO)])
def test_words_within_a_time_before(within: str | None, answer: Truth) -> None:
    more = {"within": within} if within else {}
    assert asked({"said": SORRY | more}, said(5, 6, "抱歉"), said(9, 11), now=11) is answer


def test_words_that_are_not_yet_known_and_words_that_never_will_be() -> None:
    assert asked({"said": SORRY}, said(5, 6)) is WAIT
    assert asked({"said": SORRY}, said(5, 6, "抱歉")) is YES
    assert asked({"said": SORRY}, gap(5, 6), said(9, 11), now=11) is NEVER
    assert asked({"not_": {"said": SORRY}}, said(5, 6)) is WAIT
    assert asked({"said": SORRY}, said(5, 6, "抱歉", "customer"), said(9, 11), now=11) is NO
    assert asked({"said": SORRY | {"by": None}}, said(5, 6, "抱歉", "customer"), said(9, 11), now=11) is YES


def test_words_after_the_moment_and_so_many_times() -> None:
    later = said(12, 13, "抱歉")
    assert asked({"said": SORRY}, later, now=13) is NO
    assert asked({"said": SORRY | {"after": "2 s"}}, later, now=13) is YES
    twice = (said(5, 6, "抱歉"), said(7, 8, "抱歉"), said(9, 11))
    assert asked({"said": SORRY | {"times": 2}}, *twice, now=11) is YES
    assert asked({"said": SORRY | {"times": 3}}, *twice, now=11) is NO


@pytest.mark.parametrize(
    ("words", "names", "known", "answer"),
    [
        (Words(any=("a", "b")), "b", YES, YES),
        (Words(any=("a", "b")), "", YES, NO),
        (Words(any=("a", "b")), "", WAIT, WAIT),
        (Words(any=("a", "b", "c"), at_least=2), "a", YES, NO),
        (Words(any=("a", "b", "c"), at_least=2), "ac", YES, YES),
        (Words(all=("a", "b")), "a", YES, NO),
        (Words(all=("a", "b")), "ba", WAIT, YES),
        (Words(any=("a",), none=("b",)), "a", WAIT, WAIT),
        (Words(any=("a",), none=("b",)), "a", YES, YES),
        (Words(any=("a",), none=("b",)), "ab", WAIT, NO),
        (Words(none=("b",)), "", YES, YES),
        (Words(none=("b",)), "", NEVER, NEVER),
    ],
)
def test_any_all_none_and_at_least(words: Words, names: str, known: Truth, answer: Truth) -> None:
    hits = [hit for hit in listen(*CALL, said(5, 6, "抱歉"))[0].hits for _ in names]
    renamed = [msgspec.structs.replace(hit, name=name) for hit, name in zip(hits, names, strict=True)]
    assert as_said(words, renamed, known) is answer


def test_words_of_the_very_sentence() -> None:
    events = (said(5, 6, "抱歉"), said(7, 8, "请稍等"))
    assert asked({"utterance": ["wait"]}, *events, utterance=("agent", T0 + 7)) is YES
    assert asked({"utterance": ["wait"]}, *events, utterance=("agent", T0 + 5)) is NO
    assert asked({"utterance": {"any": ["wait"], "none": ["sorry"]}}, *events, utterance=("agent", T0 + 7)) is YES
    assert asked({"utterance": ["wait"]}, *events) is NO


# 4 |answered  agent 5 ■■ 6 ............. 10?
def test_silence_for_a_while_and_since_the_answer() -> None:
    heard_later = said(12, 13, role="customer")
    events = (starts(5), stops(6), said(5, 6), heard_later)
    now = 10 + GRACE_S
    assert asked({"silent": {"for": "4 s"}}, *events, now=now) is YES
    assert asked({"silent": {"for": "4.1 s"}}, *events, now=now) is NO
    assert asked({"silent": {"by": "customer"}}, *events, now=now) is YES
    assert asked({"silent": {"by": "agent"}}, *events, now=now) is NO
    assert asked({"silent": {"by": "customer"}}, said(5, 6)) is WAIT
    assert asked({"silent": {"by": "customer", "for": "2 s"}}, starts(9, "customer")) is NO


def test_what_is_said_during_a_hold_is_not_said_to_the_customer() -> None:
    events = (held(5), said(6, 7, "抱歉"), resumed(8), said(9, 11))
    assert asked({"said": SORRY}, *events, now=11) is NO


# ------------------------------------------------------------------------------------------------- joining


@pytest.mark.parametrize(
    ("answers", "every", "some"),
    [
        ((), YES, NO),
        ((YES, YES), YES, YES),
        ((YES, NO), NO, YES),
        ((YES, WAIT), WAIT, YES),
        ((NO, WAIT), NO, WAIT),
        ((WAIT, NEVER), WAIT, WAIT),
        ((YES, NEVER), NEVER, YES),
        ((NO, NEVER), NO, NEVER),
    ],
)
def test_unknown_answers_join_as_they_must(answers: tuple[Truth, ...], every: Truth, some: Truth) -> None:
    assert all_of(answers) is every
    assert any_of(answers) is some
    assert negate(all_of(answers)) is any_of(map(negate, answers))


def test_an_explanation_names_each_condition_its_answer_and_its_reason() -> None:
    talk, call = listen(*CALL, said(5, 6, "抱歉"))
    asked_of = condition(queue=["vip"], any=[{"said": SORRY}, {"hours": ["09:00-18:00"]}])
    told = asked_of.explain(Facts(call, talk, T0 + 10), Moment(at=T0 + 10))
    assert (told.asks, told.answer) == ("when", "yes")
    parts = {part.asks: part for part in told.parts}
    assert (parts["queue: vip"].answer, parts["queue: vip"].because) == ("yes", "vip")
    inner = [deeper for part in parts["any"].parts for deeper in part.parts]
    assert [(part.asks, part.answer) for part in inner] == [
        ("said: any sorry by agent", "yes"),
        ("hours: 09:00-18:00", "no"),
    ]
    assert "抱歉" in inner[0].because
    assert inner[1].because == "06:13"
    assert msgspec.json.decode(msgspec.json.encode(told), type=Explained) == told


def test_every_festival_may_be_named() -> None:
    assert set(get_args(Day)) == {"workday", "day-off", "weekend", "holiday", *NAMES}


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({"days": ["friday"]}, "Invalid enum value 'friday'"),
        ({"hours": ["9-18"]}, "write 09:00-18:00"),
        ({"said": {"words": {"at_least": 2, "any": ["a"]}}}, "at_least must be"),
        ({"said": {"words": {}}}, "must name at least one"),
        ({"said": {"words": ["a"], "within": 20}}, "unit missing"),
        ({"quee": ["vip"]}, "unknown field `quee`"),
    ],
)
def test_what_cannot_be_asked_is_refused(written: dict[str, Any], problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        condition(**written)
