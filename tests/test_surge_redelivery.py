"""After a crash a call tells its subjects once more: whenever that arrives, the rules across calls find nothing new."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alerts import AlertChange
from streams.events import SUBJECT, Mark
from streams.replay import Driver
from streams.rulebook.book import Rulebook, load
from tests.drive import T0

SURGE = Path(__file__).parent / "rulebooks" / "surge"
SUBJECTS = {"test-outage": "words:test-fault", "test-repeat": "caller:7f3a", "test-no-callback": "caller:7f3a"}


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return load([SURGE])


#: Of each call: seconds after the one before, who it is, whether it is grave, whether it answers earlier ones.
tales = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=10)
#: Which mark comes again, and how many further marks are in between.
again = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6)


def marks_of(rule: str, tale: list[tuple[int, int, bool, bool]]) -> list[Mark]:
    """What the calls tell, each once, in the order of time; a grave call says so after it was counted."""
    found, at = [], T0
    for n, (gap, who, grave, answers) in enumerate(tale):
        at += gap + 0.5
        plain = Mark(
            call=f"{SUBJECT}{rule}:{SUBJECTS[rule]}", at=at, rule=rule, source=f"call-{n}", who=f"caller-{who}"
        )
        if rule == "test-no-callback" and answers:
            found.append(Mark(call=plain.call, at=at, rule=rule, source=plain.source, answers=True))
        else:
            found.append(plain)
        if rule == "test-repeat" and grave:
            at += 0.25
            found.append(Mark(call=plain.call, at=at, rule=rule, source=plain.source, who=plain.who, grave=True))
    return found


def told(book: Rulebook, marks: list[Mark]) -> list[AlertChange]:
    driver = Driver(book)
    changes = [change for mark in marks for change in driver.feed(mark)]
    return changes + driver.finish(max(mark.at for mark in marks) + 60)


@pytest.mark.parametrize("rule", SUBJECTS)
@given(tale=tales, repeats=again)
def test_a_mark_that_comes_again_changes_nothing(
    book: Rulebook, rule: str, tale: list[tuple[int, int, bool, bool]], repeats: list[tuple[int, int]]
) -> None:
    marks = marks_of(rule, tale)
    doubled = list(marks)
    for which, later in repeats:
        first = doubled.index(marks[which % len(marks)])
        doubled.insert(first + 1 + later % (len(doubled) - first), doubled[first])
    assert told(book, doubled) == told(book, marks)


@pytest.mark.parametrize("rule", SUBJECTS)
def test_the_calls_of_the_tales_do_fire(book: Rulebook, rule: str) -> None:
    """The property above would hold for rules that never say anything."""
    marks = marks_of(rule, [(1, n, True, False) for n in range(4)])
    states = [change.state for change in told(book, marks)]
    assert states.count("opened") >= 1
    assert ("raised" in states) == (rule == "test-repeat")
    assert ("cleared" in states) == (rule == "test-outage")


def test_an_end_of_a_surge_names_its_calls_and_not_the_subject(book: Rulebook) -> None:
    over = told(book, marks_of("test-outage", [(1, n, False, False) for n in range(3)]))[-1]
    assert (over.state, over.call, over.calls) == ("cleared", "call-2", ("call-0", "call-1", "call-2"))
