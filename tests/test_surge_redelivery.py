"""After a crash a call tells its subjects once more: whenever that arrives, the rules across calls find nothing new."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alerts import AlertChange
from streams.core import CallState, dump, step
from streams.core import load as load_state
from streams.events import SUBJECT, Mark, Tick
from streams.replay import Driver
from streams.rulebook.book import Rulebook, load
from streams.shell.outbox import partition_of
from tests.drive import T0

SURGE = Path(__file__).parent / "rulebooks" / "surge"
SUBJECTS = {"test-outage": "words:test-fault", "test-repeat": "caller:7f3a", "test-no-callback": "caller:7f3a"}


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return load([SURGE])


#: A surge of the shipped rule is over by then, seconds.
OVER_S = 600.0
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


def told(book: Rulebook, marks: list[Mark], further_s: float = 60) -> list[AlertChange]:
    driver = Driver(book)
    changes = [change for mark in marks for change in driver.feed(mark)]
    return changes + driver.finish(max(mark.at for mark in marks) + further_s)


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


@pytest.fixture(scope="module")
def shipped() -> Rulebook:
    return load()


def incident(gaps: list[int]) -> list[Mark]:
    """Marks of the shipped rule: so many seconds after one another, each of another customer."""
    ats = [T0 + sum(gaps[: n + 1]) for n in range(len(gaps))]
    subject = f"{SUBJECT}major-incident:words:fault-network"
    return [
        Mark(call=subject, at=at, rule="major-incident", source=f"call-{n}", who=f"caller-{n}")
        for n, at in enumerate(ats)
    ]


def live(book: Rulebook, marks: list[Mark]) -> list[AlertChange]:
    """As a worker judges them: in the order in which they come, the state stored and loaded in between."""
    changes: list[AlertChange] = []
    state: CallState | None = None
    for seq, mark in enumerate(marks):
        while state is not None and state.wake and state.wake <= mark.at:
            taken = step(book, state, Tick(call=mark.call, at=state.wake))
            changes, state = [*changes, *taken.changes], taken.state and load_state(dump(taken.state))
        taken = step(book, state, msgspec.structs.replace(mark, seq=seq))
        changes, state = [*changes, *taken.changes], taken.state and load_state(dump(taken.state))
    while state is not None and state.wake:
        taken = step(book, state, Tick(call=marks[0].call, at=state.wake))
        changes, state = [*changes, *taken.changes], taken.state
    return changes


def alerts_of(changes: list[AlertChange]) -> dict[str, list[AlertChange]]:
    """Each alert's changes, as they came."""
    found: dict[str, list[AlertChange]] = {}
    for change in changes:
        found.setdefault(change.id, []).append(change)
    return found


def assert_each_in_one_partition(changes: list[AlertChange]) -> None:
    for own in alerts_of(changes).values():
        assert own[0].state == "opened"
        assert {change.call for change in own} == {own[0].calls[-1]}
        assert len({partition_of(change.call.encode(), 16) for change in own}) == 1


@given(gaps=st.lists(st.integers(0, 400), min_size=5, max_size=30), data=st.data())
def test_all_changes_of_a_major_incident_lie_in_one_partition_replayed_and_live(
    shipped: Rulebook, gaps: list[int], data: st.DataObject
) -> None:
    marks = incident(gaps)
    assert_each_in_one_partition(told(shipped, marks, OVER_S))
    assert_each_in_one_partition(live(shipped, data.draw(st.permutations(marks))))


def test_a_major_incident_of_ten_customers_is_raised_and_cleared_where_it_was_opened(shipped: Rulebook) -> None:
    """The property above would hold of alerts that are never told of again."""
    marks = incident([10] * 12)
    by_replay = told(shipped, marks, OVER_S)
    assert [(c.state, c.call, c.calls[-1]) for c in by_replay] == [
        ("opened", "call-4", "call-4"),
        ("raised", "call-4", "call-9"),
        ("cleared", "call-4", "call-11"),
    ]
    assert len({partition_of(c.calls[-1].encode(), 16) for c in by_replay}) == 3  # where they lay by the newest call
    assert live(shipped, marks) == by_replay
    ((_, own),) = alerts_of(by_replay).items()
    assert own == by_replay


def test_an_end_of_a_surge_names_its_calls_and_not_the_subject(book: Rulebook) -> None:
    over = told(book, marks_of("test-outage", [(1, n, False, False) for n in range(3)]))[-1]
    assert (over.state, over.call, over.calls) == ("cleared", "call-2", ("call-0", "call-1", "call-2"))
