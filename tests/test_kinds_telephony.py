"""What the rules of the telephony and manners chapters need of their kinds, each at its boundary.

Figures are seconds after the call was offered; ``|`` is an event, ``■`` speech, ``!`` an alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from streams.alerts import AlertChange, Clause
from streams.detectors.base import Rule, Sentences
from streams.detectors.conditions import Condition, Said, Silent
from streams.detectors.lasts import Lasts, Threshold
from streams.detectors.measure import Measure
from streams.detectors.must_not import MustNot
from streams.detectors.must_say import MustSay
from streams.detectors.surge import Graver, Surge
from streams.detectors.units import Duration
from streams.events import AnyEvent, Role, SpeechEnded, SpeechStarted, Transcript
from streams.replay import Driver
from streams.rulebook.book import Rulebook
from tests.drive import (
    T0,
    answered,
    ended,
    failed,
    held,
    offered,
    resumed,
    rings,
    transferred,
    transferring,
)

CALLS = Path(__file__).parents[2] / "shared" / "speech" / "calls"
CHAPTERS = ("telephony.yaml", "manners.yaml")
TALK = [offered(0, caller="13800000001"), rings(0), answered(2)]


def sounds(role: Role, start: float, end: float, call: str = "c1") -> list[AnyEvent]:
    """A detector of speech tells of a sound."""
    return [SpeechStarted(call=call, at=T0 + start, role=role), SpeechEnded(call=call, at=T0 + end, role=role)]


def speaks(role: Role, start: float, end: float, text: str, call: str = "c1") -> list[AnyEvent]:
    """A sound, and its words 0.4 s after it."""
    told = T0 + end + 0.4
    words = Transcript(
        call=call, at=told, role=role, text=text, start=T0 + start, end=T0 + end, final=True, through=told
    )
    return [*sounds(role, start, end, call), words]


def heard(t: float, call: str = "c1") -> list[AnyEvent]:
    """Both recognisers have heard everything up to ``t``."""
    return [
        Transcript(call=call, at=T0 + t, role=r, text="", start=T0 + t, end=T0 + t, final=True, through=T0 + t)
        for r in ("agent", "customer")
    ]


def said(*phrases: str, by: Role = "agent", within: float = 30) -> Condition:
    return Condition(said=Said(words=phrases, by=by, within=Duration(within)))


def about(kind: Any, **fields: Any) -> Any:
    """A rule of that kind, with what does not matter here filled in."""
    given = {"id": "r", "title": "t", "says": "{agent} {duration}", "says_cleared": "{duration} {outcome}"}
    return kind(clause=Clause("000", "s"), **given | fields)


def told(rule: Rule, events: Iterable[AnyEvent], until: float = 2000) -> list[tuple[str, float]]:
    """States of the rule's alerts and when, seconds after ``T0``; ``not judged`` too."""
    changes, not_judged = judged(rule, events, until)
    both = [*((c.state, c.at - T0) for c in changes), *(("not judged", at - T0) for at in not_judged)]
    return [(state, round(at, 3)) for state, at in both]


def judged(rule: Rule, events: Iterable[AnyEvent], until: float = 2000) -> tuple[list[AlertChange], list[float]]:
    driver = Driver(Rulebook(version="v", rules=(rule,)))
    changes = [c for event in sorted(events, key=lambda e: e.at) for c in driver.feed(event)]
    return changes + driver.finish(T0 + until), [n.at for n in driver.not_judged]


# --------------------------------------------------------------------------------- surge: a call back, a graver word

CALL_BACK = about(
    Surge,
    subject="caller",
    counts="ended",
    when=Condition(ended_by=("system",), answered=True),
    unless=said("再见"),
    unanswered_for=Duration(300),
    severity="warning",
)
CUT = [*TALK, *speaks("customer", 50, 55, "我的号码是"), ended(60, "system")]


# 60 |cut off ............. 360 ! ...... 420 |a call to that number: cleared, 6 min after the cut
def test_a_call_back_that_comes_late_clears_the_alert() -> None:
    back = offered(420, call="c2", direction="outbound", called="13800000001")
    changes, _ = judged(CALL_BACK, [*CUT, back])
    assert [(c.state, c.at - T0, c.call, c.says) for c in changes] == [
        ("opened", 360, "c1", "101 号坐席 5 分钟"),
        ("cleared", 420, "c1", "6 分钟 情况已解除"),
    ]
    assert changes[0].id == changes[1].id


# ... the call that was cut off is not its own call back, and a second one after the clearing opens nothing
def test_a_call_back_is_another_call_and_clears_once() -> None:
    more = [offered(t, call=f"c{t}", caller="13800000001") for t in (420, 500)]
    assert told(CALL_BACK, [*CUT, *more]) == [("opened", 360), ("cleared", 420)]


# ■ 52 goodbye |60 cut off ... 65 its words are known: nothing is owed
@pytest.mark.parametrize(("words", "expected"), [("感谢来电再见", []), ("我再查一下", [("opened", 360)])])
def test_an_exemption_by_words_is_waited_for_at_the_end_of_the_call(words: str, expected: list[Any]) -> None:
    late = speaks("agent", 52, 60, words)  # the words arrive after the end
    assert told(CALL_BACK, [*TALK, *late, ended(60, "system")]) == expected


@pytest.mark.parametrize("ears", [[], sounds("customer", 50, 55)])
def test_where_no_words_are_recognised_none_exempts_from_calling_back(ears: list[AnyEvent]) -> None:
    assert told(CALL_BACK, [*TALK, *ears, ended(60, "system")]) == [("opened", 360)]


REPEATS = about(
    Surge,
    says="第 {count} 次",
    says_graver="第 {count} 次,{words}",
    en=Sentences("t", "call {count}", "{duration}", says_graver="call {count}, {words}"),
    subject="caller",
    counts="answered",
    at_least=2,
    within=Duration(86400),
    each=True,
    severity="notice",
    graver=Graver(when=Condition(said=Said(words=("要投诉",), by="customer")), severity="warning"),
)
TWICE = [*TALK, ended(60), offered(600, call="c2", caller="13800000001"), answered(605, "102", call="c2")]


# 605 |answered ! notice ...... ■ 610-614 ! raised with the end of the words, in a sentence of its own
def test_a_graver_word_is_stamped_when_it_was_said_and_has_its_own_sentence() -> None:
    words = speaks("customer", 610, 614, "我要投诉", call="c2")
    changes, _ = judged(REPEATS, [*TWICE, *words, *speaks("customer", 620, 624, "我就要投诉", call="c2"), ended(900)])
    assert [(c.state, c.severity, c.at - T0, c.says) for c in changes] == [
        ("opened", "notice", 605, "第 2 次"),
        ("raised", "warning", 614, "第 2 次，“要投诉”"),
    ]
    assert [c.en.says for c in changes if c.en] == ["call 2", "call 2, “要投诉”"]
    assert [(e.role, e.match) for e in changes[1].evidence] == [("customer", "要投诉")]
    assert [c.call for c in changes] == ["c2", "c2"]


def test_a_sentence_for_what_is_graver_needs_something_graver() -> None:
    with pytest.raises(ValueError, match="says_graver"):
        about(
            Surge,
            subject="caller",
            counts="answered",
            at_least=2,
            within=Duration(9),
            severity="notice",
            says_graver="x",
        )


# -------------------------------------------------------------------------- must_say: time before an anchor is talk

ANNOUNCED = about(
    MustSay, anchor="transferring", by="agent", words=("为你转接",), before=Duration(20), severity="warning"
)


# ■ 10-12 I shall transfer you  15 |hold ... 55 |transfer: 3 s of talk lie between; the length of the hold is no matter
@pytest.mark.parametrize("hold_s", [40, 400])
def test_what_was_announced_before_a_hold_counts_for_the_transfer_behind_it(hold_s: float) -> None:
    words = speaks("agent", 10, 12, "我为您转接")
    record = [*TALK, *words, held(15), transferring(15 + hold_s), transferred(20 + hold_s), ended(1000)]
    assert told(ANNOUNCED, record) == []


# ■ 10-12 announced  15 |hold  55 |resumed .. 70.9 |transfer: 19.9 s of talk   72.1: 20.1 s
@pytest.mark.parametrize(("at", "expected"), [(71.9, []), (72.1, [("opened", 72.1)])])
def test_the_time_before_is_counted_in_talk(at: float, expected: list[Any]) -> None:
    words = speaks("agent", 10, 12, "我为您转接")
    record = [*TALK, *words, held(15), resumed(55), transferring(at), transferred(80), *heard(90), ended(100)]
    assert told(ANNOUNCED, record) == expected


# 30 |transfer 90 |failed  95 |transfer again: the 5 s of talk are not 20, the announcement of 25 still counts
def test_a_transfer_that_failed_is_skipped_too() -> None:
    words = speaks("agent", 25, 27, "我为您转接")
    record = [*TALK, *words, transferring(30), failed(90), transferring(95), transferred(99), *heard(110), ended(120)]
    assert told(ANNOUNCED, record) == []


# ---------------------------------------------------------------------------- measure: whose figure, and of which time

OVERLAPS = about(
    Measure, figure="overlaps", by="agent", above=3, over=Duration(120), keeps_on=Duration(1.5), severity="warning"
)
PACE = about(Measure, figure="pace", by="agent", above=180, over=Duration(30), severity="notice")


def talked_over(*starts: float, length: float = 10) -> list[AnyEvent]:
    """The agent begins at each of these and the customer, who began before, goes on for 3 s."""
    pairs = [[*sounds("customer", t - 5, t + 3), *sounds("agent", t, t + length)] for t in starts]
    return [event for pair in pairs for event in pair]


# 17 ... 47 ... 136.9 (119.9 after the first; its end is known only at 139.9) ! ... 258.4 cleared
@pytest.mark.parametrize(("third", "expected"), [(136.9, [138.4, 258.4]), (137.1, [])])
def test_the_time_of_overlaps_ends_with_the_newest_and_not_with_the_news(third: float, expected: list[float]) -> None:
    found = told(OVERLAPS, [*TALK, *talked_over(17, 47, third), ended(500)])
    assert found == list(zip(["opened", "cleared"], expected, strict=False))


# 17 47 by 101 |60 transfer 70| 90 by 102: nobody has talked over anybody three times
def test_nobody_answers_for_a_colleague_who_passed_the_call_on() -> None:
    passed = [transferring(60), transferred(70)]
    assert told(OVERLAPS, [*TALK, *talked_over(17, 47), *passed, *talked_over(90), ended(300)]) == []
    fast = "这句话一共有二十个汉字用来计算说话的速度"
    record = [*speaks("agent", 10, 14, fast), *speaks("agent", 16, 32, fast * 4), *passed]
    assert told(PACE, [*TALK, *record, *speaks("agent", 80, 95, fast * 5), ended(300)]) == []


# 101 speaks too fast ! |transfer |102 answers: the alert about 101 clears, naming 101
def test_an_alert_about_an_agent_ends_when_he_has_passed_the_call_on() -> None:
    rule = about(Measure, **{f: getattr(PACE, f) for f in ("figure", "by", "above", "over", "severity")})
    record = [*speaks("agent", 10, 41, "快" * 120), transferring(60), transferred(70), ended(300)]
    changes, _ = judged(rule, [*TALK, *record])
    assert [(c.state, c.at - T0, c.agent) for c in changes] == [("opened", 41, "101"), ("cleared", 70, "101")]


# ---------------------------------------------------------------------------- silence: what ended it, who listened

DEAD_AIR = about(
    Lasts,
    phase="silence",
    thresholds=(Threshold(Duration(10), "notice"), Threshold(Duration(20), "warning")),
)


# ■ 5-9 ......... 19 ! .... 24 |hold, transfer, end: that ended it
@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (held(24), "客户已转入保持"),
        (transferring(24), "已开始转接"),
        (ended(24), "客户已挂机"),
        (sounds("customer", 24, 25), "已有人说话"),
    ],
)
def test_an_alert_about_silence_says_what_ended_it(event: Any, outcome: str) -> None:
    events = event if isinstance(event, list) else [event]
    changes, _ = judged(DEAD_AIR, [*TALK, *sounds("agent", 5, 9), *heard(23), *events, ended(60)])
    assert [(c.state, c.at - T0) for c in changes][:2] == [("opened", 19), ("cleared", 24)]
    assert changes[1].says == f"15 秒 {outcome}"


# 2 |answered ......... ■ 15: the detector of speech tells of its first sound; whether it listened before, nobody knows
def test_a_detector_of_speech_is_believed_from_its_first_sound_on() -> None:
    late = [*sounds("agent", 15, 17), *sounds("customer", 30, 31), ended(60)]
    assert told(DEAD_AIR, [*TALK, *late], until=300) == [("opened", 27), ("cleared", 30)]
    assert told(DEAD_AIR, [*TALK, *heard(14), *late])[:2] == [("opened", 12), ("cleared", 15)]


# ---------------------------------------------------------------------------------------- words that nobody recognises

GREETED = about(MustSay, anchor="answered", by="agent", words=("你好",), after=Duration(8), severity="warning")
HUNG_UP = about(
    MustNot,
    ended_by="agent",
    answered=True,
    severity="warning",
    unless=Condition(any=(said("再见"), Condition(silent=Silent(by="customer")))),
)


def test_sounds_alone_never_tell_that_words_are_missing() -> None:
    record = [*TALK, *sounds("agent", 3, 5), *sounds("customer", 6, 8), *sounds("agent", 20, 25), ended(60)]
    assert told(GREETED, record) == [("not judged", 10)]
    assert told(GREETED, [*record, *speaks("agent", 30, 32, "好的")]) == [("opened", 10)]


# ■ the customer spoke |60 the agent hangs up ... 65: no words can exempt !     the customer made no sound: exempt
def test_where_only_sounds_are_heard_these_exempt_and_words_are_not_waited_for() -> None:
    spoke = [*TALK, *sounds("agent", 3, 5), *sounds("customer", 6, 8), *sounds("agent", 52, 55), ended(60, "agent")]
    assert told(HUNG_UP, spoke) == [("opened", 60)]
    assert told(HUNG_UP, spoke, until=0) == [("opened", 60)]
    silent = [*TALK, *sounds("agent", 3, 5), *sounds("agent", 52, 55), ended(60, "agent")]
    assert told(HUNG_UP, silent) == []
    assert told(HUNG_UP, [*TALK, ended(60, "agent")]) == [("opened", 60)]
