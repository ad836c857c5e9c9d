"""What the evening compares with: each fault that it must find is put before it, and what is right beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from bench import evening_alerts, evening_pages, evening_truth
from bench.evening_alerts import Expect, Fired, Span
from bench.evening_pages import Life, Outage, Told
from bench.evening_system import overlay, scaled
from bench.evening_tables import Figure
from bench.evening_truth import Counted, Message
from streams.alerts import AlertChange, Clause
from streams.events import AgentRinging, CallEnded, CallOffered, Tick, render
from streams.rulebook.book import load

EVENING, EARLY = Span(1000.0, 2000.0), Span(1200.0, 1400.0)


def change(id_: str = "a", state: str = "opened", severity: str = "critical", at: float = 10.0) -> AlertChange:
    return AlertChange(
        id=id_,
        rule="ring-over-three",
        severity=severity,  # type: ignore[arg-type]
        state=state,  # type: ignore[arg-type]
        call="c",
        agent="101",
        queue="hotline",
        at=at,
        title="",
        says="",
        clause=Clause(manual="002", section="1"),
        rulebook="r",
    )


# ------------------------------------------------------------------------------------------- the record


def message(offset: int, event: object, at: float) -> Message:
    return Message(0, offset, at, b"", render(event))  # type: ignore[arg-type]


def ringing(folder: Path) -> evening_truth.Truth:
    """A phone that rings for 2.5 s, by limits of 1 s and 2 s; a heartbeat and a broken line are among it."""
    record = [
        message(0, CallOffered(call="c", at=100.0, queue="hotline"), 100.0),
        message(1, AgentRinging(call="c", at=100.5, agent="101"), 100.5),
        message(2, Tick(call="~beat:0", at=100.6), 100.6),
        Message(0, 3, 100.7, b"", b"rubbish"),
        message(4, CallEnded(call="c", at=103.0, by="customer"), 103.0),
    ]
    return evening_truth.truth(load([overlay(folder)]), record, 200.0)


def test_the_record_is_judged_by_limits_of_a_tenth(tmp_path: Path) -> None:
    found = ringing(tmp_path)
    rings = [(c.state, c.severity, c.at) for c in found.changes if c.rule == "ring-over-three"]
    assert rings == [("opened", "warning", 101.5), ("raised", "critical", 102.5), ("cleared", "critical", 103.0)]
    assert (found.events, found.unreadable) == (3, 1)


def test_a_tick_that_came_late_changes_nothing_and_can_be_left_out(tmp_path: Path) -> None:
    book, record = (
        load([overlay(tmp_path)]),
        [
            message(0, CallOffered(call="c", at=100.0, queue="hotline"), 100.0),
            message(1, AgentRinging(call="c", at=100.5, agent="101"), 100.5),
            message(2, Tick(call="c", at=102.0), 102.0),
            message(3, CallEnded(call="c", at=103.0, by="customer"), 103.0),
        ],
    )
    lived, exact = (evening_truth.truth(book, record, 200.0, ticks=ticks) for ticks in (True, False))
    assert (lived.events, exact.events) == (4, 3)
    found = evening_truth.compare(lived.changes, exact.changes, 200.0)
    assert found.wanted > 0
    assert not found.lost + found.made_up + found.differ


def test_calls_are_counted_as_a_worker_counts_them(tmp_path: Path) -> None:
    assert [(c.name, c.queue, c.at) for c in ringing(tmp_path).counted] == [
        ("sansheng_calls_offered_total", "hotline", 103.0),
        ("sansheng_calls_abandoned_total", "hotline", 103.0),
    ]


def test_limits_are_divided_whatever_their_unit() -> None:
    limits = scaled([{"after": "10 s", "severity": "warning"}, {"after": "15 min", "severity": "critical"}])
    assert limits == [{"after": "1 s", "severity": "warning"}, {"after": "90 s", "severity": "critical"}]


def test_nothing_is_lost_or_made_up_where_both_are_the_same_and_one_came_twice() -> None:
    found = evening_truth.compare([change()], [change(), change()], 100)
    assert (found.wanted, found.found, found.doubles) == (1, 1, 1)
    assert not found.lost + found.made_up + found.differ


def test_what_is_lost_made_up_or_not_the_same_is_found() -> None:
    must = [change("a"), change("b"), change("late", at=101.0)]
    was = [change("b"), replace(change("b"), at=11.0), change("c"), change("later", at=102.0)]
    found = evening_truth.compare(must, was, until=100.0)
    assert [c.id for c in found.lost] == ["a"]
    assert [c.id for c in found.made_up] == ["c"]
    assert found.differ == (("b", "opened", "critical"),)


def test_who_must_be_called() -> None:
    given = [
        change("warning", severity="warning"),
        replace(change("wanted", severity="notice"), page=True),
        replace(change("trial"), trial=True),
        change("raised", "raised"),
        change("over", "cleared"),
    ]
    assert set(evening_truth.paging(given)) == {"wanted", "raised"}


# ------------------------------------------------------------------------------------------- counters


def test_a_counter_that_began_again_is_summed_over_its_lives() -> None:
    assert evening_alerts.total([2, 5, 5, 1, 4]) == 5 + 4
    assert evening_alerts.total([]) == 0
    found = [
        {"metric": {"rule": "r", "instance": "a"}, "values": [[0, "1"], [10, "3"]]},
        {"metric": {"rule": "r", "instance": "b"}, "values": [[0, "4"], [10, "2"]]},
        {"metric": {"rule": "zero", "instance": "b"}, "values": [[0, "0"]]},
    ]
    assert evening_alerts.totals(found, ["rule"], {}) == {("r",): 9.0}


def test_a_life_that_begins_where_the_one_before_ended_is_another_one() -> None:
    found = [{"metric": {"rule": "r", "instance": "a"}, "values": [[10, "1"], [20, "1"], [50, "1"], [60, "2"]]}]
    assert evening_alerts.totals(found, ["rule"], {"a": [30.0]}) == {("r",): 1 + 2}


@pytest.mark.parametrize(
    ("figure", "fault"),
    [
        (Figure(("r",), 9, 9, 9, 0, 0), ""),
        (Figure(("r",), 9, 9, 7, 2, 0), ""),
        (Figure(("r",), 9, 8, 8, 0, 1), ""),
        (Figure(("r",), 9, 8, 8, 0, 0), "+1 beside the record"),
        (Figure(("r",), 9, 10, 10, 0, 5), "-1 beside the record"),
        (Figure(("r",), 9, 9, 8, 0, 5), "Prometheus and the processes do not agree"),
    ],
)
def test_a_figure_is_right_to_the_last_one(figure: Figure, fault: str) -> None:
    assert figure.fault == fault


# ------------------------------------------------------------------------------------------- alerts at Prometheus


def fired(name: str, begun: float, ended: float) -> Fired:
    return Fired(name, "", Span(begun, ended))


def expect(kind: evening_alerts.Kind, within: Span = EARLY, *, over: bool = True) -> Expect:
    return Expect("A", kind, within, "because", over)


@pytest.mark.parametrize(
    ("expected", "was", "fault"),
    [
        (expect("must"), [fired("A", 1300, 1500)], ""),
        (expect("must"), [], "did not fire"),
        (expect("must"), [fired("A", 1500, 1600)], "fired at another time"),
        (expect("must"), [fired("A", 1300, 1999)], "did not resolve"),
        (expect("must", over=False), [fired("A", 1300, 1999)], ""),
        (expect("may"), [], ""),
        (expect("may"), [fired("A", 1300, 1500)], ""),
        (expect("must not"), [], ""),
        (expect("must not"), [fired("A", 1300, 1500)], "fired"),
    ],
)
def test_an_alert_beside_what_was_expected_of_it(expected: Expect, was: list[Fired], fault: str) -> None:
    [row] = evening_alerts.compare([expected], was, EVENING.ended)
    assert row.fault == fault


def test_an_alert_that_nobody_expected_is_a_fault() -> None:
    [_, row] = evening_alerts.compare([expect("may")], [fired("B", 1300, 1500)], EVENING.ended)
    assert (row.name, row.fault) == ("B", "fired")


def test_the_same_alert_may_be_expected_twice() -> None:
    twice = [expect("must"), expect("must", Span(1700.0, 1800.0))]
    [row] = evening_alerts.compare(twice, [fired("A", 1300, 1350), fired("A", 1750, 1790)], EVENING.ended)
    assert not row.fault


def test_an_alert_that_fires_twice_has_two_spans() -> None:
    series = {"metric": {"alertname": "A", "alertstate": "firing", "queue": "hotline"}}
    values = [[at, "1"] for at in (0, 5, 10, 40, 45)]
    assert evening_alerts.spans_of([{**series, "values": values}], 5) == [
        Fired("A", "queue=hotline", Span(0, 10)),
        Fired("A", "queue=hotline", Span(40, 45)),
    ]


def test_how_long_a_condition_held() -> None:
    assert evening_alerts.held(lambda at: 1150 <= at <= 1300, EVENING) == 150
    assert evening_alerts.held(lambda at: False, EVENING) == 0


@pytest.mark.parametrize(("seconds", "kind"), [(104, "must not"), (105, "may"), (169, "may"), (170, "must")])
def test_what_lasted_hardly_long_enough_may_fire(seconds: float, kind: str) -> None:
    assert evening_alerts.lasted(seconds, 120) == kind


def callers(late: int, every: int = 10) -> list[Counted]:
    """A caller each 2 s, of whom so many of ``every`` are abandoned and the others answered in time."""
    found = []
    for n in range(500):
        how = "sansheng_calls_abandoned_total" if n % every < late else "sansheng_calls_in_time_total"
        at = EVENING.begun + 2 * n
        found += [Counted(at, "sansheng_calls_offered_total", "hotline"), Counted(at, how, "hotline")]
    return found


@pytest.mark.parametrize(
    ("late", "burn", "abandoned"), [(0, "must not", "must not"), (3, "must not", "must"), (8, "must", "must")]
)
def test_the_service_level_by_the_record(late: int, burn: str, abandoned: str) -> None:
    kinds = {e.name: e.kind for e in evening_alerts.of_callers(callers(late), EVENING)}
    assert kinds["SanshengServiceLevelFastBurn"] == kinds["SanshengQueueServiceLevel"] == burn
    assert kinds["SanshengAbandonRate"] == abandoned


# ------------------------------------------------------------------------------------------- pages


def opened(*pages: str) -> list[Told]:
    return [Told(page, "opened", 50.0) for page in pages]


def test_one_page_each_and_its_end() -> None:
    told = [*opened("a", "b"), Told("a", "claimed", 55.0), Told("a", "resolved", 60.0)]
    lives = {"a": Life(50, 60, "resolved"), "b": Life(50, None, "")}
    found = evening_pages.compare("r", ["a", "b"], told, lives)
    assert (found.wanted, found.once, found.resolved) == (2, 2, 1)
    assert found.is_right


def test_missing_double_strange_and_unresolved_pages_are_found() -> None:
    lives = {page: Life(50, 60, "resolved") for page in "abc"}
    found = evening_pages.compare("r", ["a", "b", "gone"], [*opened("a", "a", "c"), Told("a", "resolved", 61)], lives)
    assert found.missing == ("b", "gone")
    assert found.double == ("a",)
    assert found.strange == ("c",)
    assert found.unresolved == ("c",)
    assert not found.is_right


def test_two_ends_of_one_page_are_double() -> None:
    told = [*opened("a"), Told("a", "resolved", 60), Told("a", "resolved", 61)]
    assert evening_pages.compare("r", ["a"], told, {"a": Life(50, 60, "resolved")}).double == ("a",)


@pytest.mark.parametrize(
    ("life", "is_missing"),
    [
        (Life(50, 52, "resolved"), False),  # over before anybody could be called
        (Life(50, 60, "resolved"), True),
        (Life(150, 250, "resolved"), False),  # while the receiver was dead
        (Life(150, 400, "resolved"), True),
        (Life(150, None, ""), True),
    ],
)
def test_nobody_is_called_for_what_is_over(life: Life, is_missing: bool) -> None:
    found = evening_pages.compare("r", ["a"], [], {"a": life}, Outage(100, 300))
    assert bool(found.missing) == is_missing
    assert found.over_before == (not is_missing)


def test_personal_data_in_a_body_is_found_and_numbers_inside_others_are_none() -> None:
    secrets = ["101", "Ana Lopez", "\u738b\u82b3", "138****5678", "1795314178.68"]
    clean = {"title": "\u7535\u8bdd\u54cd\u94c3\u8d85\u8fc7\u4e09\u58f0", "id": "f101a0", "n": 1011}
    link = {"link": "http://127.0.0.1:40101/alerts/0a101"}
    assert evening_pages.personal_in([clean, link], secrets) == ()
    bad = [
        {"a": "\u5750\u5e2d\u738b\u82b3\u7684\u7535\u8bdd"},
        {"b": ["Ana Lopez (101)"]},
        {"c": "138****5678"},
        {"d": "1795314178.68"},
    ]
    assert set(evening_pages.personal_in(bad, secrets)) == set(secrets)
