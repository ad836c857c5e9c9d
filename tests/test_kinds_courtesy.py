"""What the rules of the courtesy and escalation chapters need of their kinds, each at its boundary.

Figures are seconds after the call was offered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streams import timelines
from streams.alerts import AlertChange, Clause
from streams.detectors.base import Rule
from streams.detectors.conditions import Condition
from streams.detectors.must_say import MustSay, SaidAnchor
from streams.detectors.procedure import Procedure, ProcedureStep, Trigger
from streams.detectors.says import Says
from streams.detectors.units import Duration
from streams.events import AnyEvent, Role, Transcript
from streams.replay import Driver
from streams.rulebook.book import Rulebook, load
from tests.drive import T0, answered, ended, held, offered, rings, transferring

TALK = (offered(0), rings(0), answered(2))


def speaks(role: Role, start: float, end: float, text: str, final: bool = True) -> Transcript:
    """Words, told 0.4 s after their end."""
    told = T0 + end + 0.4
    through = told if final else T0 + start
    return Transcript(
        call="c1", at=told, role=role, text=text, start=T0 + start, end=T0 + end, final=final, through=through
    )


def heard(t: float) -> list[AnyEvent]:
    """Both recognisers have heard everything up to ``t``."""
    roles: tuple[Role, ...] = ("agent", "customer")
    return [
        Transcript(call="c1", at=T0 + t, role=r, text="", start=T0 + t, end=T0 + t, final=True, through=T0 + t)
        for r in roles
    ]


def about(kind: Any, **fields: Any) -> Any:
    """A rule of that kind, with what does not matter here filled in."""
    return kind(id="r", title="t", clause=Clause("000", "s"), **{"says": "{agent}"} | fields)


def changes(rule: Rule, *events: AnyEvent) -> list[AlertChange]:
    driver = Driver(Rulebook(version="v", rules=(rule,)))
    found = [change for event in (*TALK, *events) for change in driver.feed(event)]
    return found + driver.finish(max(e.at for e in events) + 60)


def told(rule: Rule, *events: AnyEvent) -> list[tuple[str, float]]:
    """States of the rule's alerts, and when."""
    return [(c.state, round(c.at - T0, 3)) for c in changes(rule, *events)]


# ------------------------------------------------------------------ must_say after words of the other party

ANSWER = about(
    MustSay,
    anchor=SaidAnchor(said=("你工号多少",), by="customer"),
    by="agent",
    words=("工号#",),
    after=Duration(15.0),
    severity="warning",
)


def test_time_to_answer_begins_when_the_other_has_finished_the_sentence():
    #  customer ■ 你工号多少 ■■■■■■■■■■■ 30          45
    #  agent                                  44 ■ answers
    question = speaks("customer", 10, 30, "你工号多少啊我问你你到底是谁我要记下来")
    assert told(ANSWER, question, speaks("agent", 44, 46, "工号8026"), *heard(60)) == []
    assert told(ANSWER, question, speaks("agent", 45.5, 46, "工号8026"), *heard(60)) == [("opened", 45.0)]


def test_a_customer_who_hangs_up_before_his_answer_is_due_blames_nobody():
    question = speaks("customer", 10, 30, "你工号多少啊我问你你到底是谁我要记下来")
    assert told(ANSWER, question, *heard(43), ended(44, by="customer")) == []
    assert told(ANSWER, question, *heard(43), ended(44, by="agent")) == [("opened", 44.0)]


@pytest.mark.parametrize(
    ("second", "alerts"),
    [(69.9, [25.0]), (70.0, [25.0, 85.0])],
)
def test_again_after_counts_from_the_anchor_of_the_last_alert(second: float, alerts: list[float]):
    rule = about(
        MustSay,
        anchor=SaidAnchor(said=("你工号多少",), by="customer"),
        by="agent",
        words=("工号#",),
        after=Duration(15.0),
        again_after=Duration(60.0),
        severity="warning",
    )
    asks = [speaks("customer", t - 1, t, "你工号多少") for t in (10, second)]
    assert told(rule, *asks, *heard(120)) == [("opened", at) for at in alerts]


def test_without_again_after_each_time_is_an_alert():
    asks = [speaks("customer", t - 1, t, "你工号多少") for t in (10, 30)]
    assert told(ANSWER, *asks, *heard(120)) == [("opened", 25.0), ("opened", 45.0)]


# ------------------------------------------------------------------ the phase in which a call ended

CLOSING = about(
    MustSay,
    anchor="ended",
    by="agent",
    words=("再见",),
    severity="warning",
    unless=Condition(phase=("held", "transferring")),
)


@pytest.mark.parametrize(
    ("last", "alerts"),
    [
        ([], [("opened", 20.0)]),
        ([held(15)], []),
        ([transferring(15, agent="101", to="9001")], []),
    ],
)
def test_the_phase_at_the_end_of_a_call_is_the_one_that_it_ended(last: list[AnyEvent], alerts: list[Any]):
    assert told(CLOSING, *heard(14), *last, ended(20, by="customer")) == alerts


# ------------------------------------------------------------------ a procedure that never began

ABUSE = about(
    Procedure,
    trigger=Trigger(words=("滚",)),
    steps=(ProcedureStep(words=("文明",)),),
    announce="warning",
    says_started="{words} {step}/{steps}",
    says_cleared="{outcome}",
    severity="critical",
)


def test_an_announcement_is_withdrawn_when_the_finished_sentence_has_not_the_words():
    partial, final = speaks("customer", 10, 11, "屏幕滚", final=False), speaks("customer", 10, 13, "屏幕亮了")
    assert told(ABUSE, partial, final, ended(30, by="agent")) == [("opened", 11.0), ("cleared", 13.4)]


def test_after_a_withdrawal_it_may_begin_in_earnest():
    partial, final = speaks("customer", 10, 11, "屏幕滚", final=False), speaks("customer", 10, 13, "屏幕亮了")
    in_earnest = speaks("customer", 20, 21, "你滚")
    found = changes(ABUSE, partial, final, in_earnest, ended(30, by="agent"))
    assert [(c.state, c.severity) for c in found] == [
        ("opened", "warning"),
        ("cleared", "warning"),
        ("opened", "warning"),
        ("raised", "critical"),
    ]
    assert found[0].id != found[2].id


# ------------------------------------------------------------------ one sentence, the graver alert

COMPLAINT = about(Says, by="customer", words=("要投诉",), unless=Condition(utterance=("工信部",)), severity="warning")


def test_a_complaint_is_withdrawn_when_the_sentence_goes_on_to_something_graver():
    partial = speaks("customer", 10, 12, "我要投诉", final=False)
    assert told(COMPLAINT, partial, speaks("customer", 10, 14, "我要投诉到工信部")) == [
        ("opened", 12.0),
        ("cleared", 12.0),
    ]
    assert told(COMPLAINT, partial, speaks("customer", 10, 12, "我要投诉")) == [("opened", 12.0)]


# ------------------------------------------------------------------ drafts

DRAFT = """rule: greeting-morning
timelines:
  - name: 上午只说您好
    proves: positive
    events: [0 s 来电, 3 s 接听 8026, "4 s - 6 s 坐席: 您好,请问有什么可以帮您", 20 s 听到]
    expect: ["11 s: 提示"]
"""


def test_a_draft_is_proven_by_its_timelines_before_it_fires(tmp_path: Path):
    file = tmp_path / "greeting-morning.yaml"
    file.write_text(DRAFT, "utf-8")
    book = load()
    rule = book.rule("greeting-morning")
    assert rule is not None and rule.status == "draft"
    [timeline] = timelines.read(file, ["greeting-morning"]).timelines
    assert timelines.run(book, timeline).passed
    driver = Driver(book)
    live = [change.rule for event in timeline.events for change in driver.feed(event)]
    assert "greeting-morning" not in live
