"""The kind ``says`` where words are counted, compared, corrected or lost."""

from __future__ import annotations

from typing import Any

import pytest

from streams.alerts import Clause
from streams.detectors.conditions import Condition, Said
from streams.detectors.says import Says
from streams.detectors.units import Duration
from streams.events import Gap, Transcript
from streams.replay import Driver
from streams.rulebook.book import Rulebook
from tests.drive import T0, answered, ended, offered, rings

FILLER = ("啦", "嘛")


def heard(t: float, text: str, *, start: float, final: bool = True, role: Any = "agent") -> Transcript:
    """The recogniser's words, told at ``t``."""
    through = T0 + t if final else T0 + start
    end = T0 + start + len(text) / 4
    return Transcript(
        call="c1", at=T0 + t, role=role, text=text, start=T0 + start, end=end, final=final, through=through
    )


def rule(**fields: Any) -> Says:
    """A rule about the agent's words."""
    given = {"words": FILLER, "times": 3, "within": Duration(60.0)} | fields
    return Says(
        id="r", title="t", says="{words} {count}", clause=Clause("002", "s"), by="agent", severity="notice", **given
    )


def judged(of: Says, *events: Any) -> tuple[list[str], int]:
    """States of the alert as they change, and how often it could not be judged."""
    driver = Driver(Rulebook(version="v", rules=(of,)))
    changes = [c.state for event in (offered(0), rings(0), answered(1), *events) for c in driver.feed(event)]
    changes += [change.state for change in driver.finish(T0 + 120)]
    return changes, len(driver.not_judged)


def test_words_that_a_partial_has_not_yet_count_in_the_finished_sentence():
    growing = [heard(3, "好啦", start=2, final=False), heard(6, "好啦就是嘛快啦", start=2)]
    assert judged(rule(), *growing) == (["opened"], 0)


def test_an_alert_by_count_is_taken_back_when_the_finished_sentence_has_too_few():
    shrinking = [heard(4, "好啦就是嘛快啦", start=2, final=False), heard(6, "好啦就是吗快了", start=2)]
    assert judged(rule(), *shrinking) == (["opened", "cleared"], 0)


def test_an_alert_by_count_that_the_finished_sentence_confirms_stays_one():
    same = [heard(4, "好啦就是嘛快啦", start=2, final=False), heard(6, "好啦就是嘛快啦", start=2)]
    assert judged(rule(), *same) == (["opened"], 0)


@pytest.mark.parametrize(("text", "not_judged"), [("好啦", 0), ("好啦就是嘛快啦", 1)])
def test_too_few_words_need_no_verdict_on_what_was_lost(text: str, not_judged: int):
    asked = Condition(said=Said(words=("多少",), by="customer", within=Duration(10.0)))
    lost = Gap(call="c1", at=T0 + 2, role="customer", start=T0 + 1, end=T0 + 2)
    assert judged(rule(when=asked), lost, heard(5, text, start=3), ended(30)) == ([], not_judged)


@pytest.mark.parametrize(
    ("second", "states"),
    [
        ("给您带来不便", ["opened"]),
        ("给你,带来不便", ["opened"]),
        ("给您造成困扰", []),
    ],
)
def test_the_same_words_are_the_same_however_the_recogniser_writes_them(second: str, states: list[str]):
    sorry = rule(words=("给你带来不便", "给你造成困扰"), times=2, same=True)
    assert judged(sorry, heard(5, "给您带来不便", start=3), heard(15, second, start=12)) == (states, 0)
