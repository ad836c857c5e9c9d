"""Several sites, and several instances of a process in one: what the dashboards and docs/metrics.md make of them.

Two sites are looked at together (All is chosen), and their instances are called alike. What an instance tells of its
own share is summed; what instances of a site tell alike is taken once a site, and then summed over the sites.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NamedTuple

import pytest

from streams.metrics_page import ANSWERS
from tests.grafana_tools import BOARDS, Asked, Recorded, asked, boards, recorded

START_S, LENGTH_S, SCRAPE_S = 1_795_000_000, 1200, 15
#: From here on Prometheus has the rules with the hotline's own objective.
RULES_AT_S = START_S + 600
#: Gauges that each instance sets for what it alone has: partitions, connections, queues of its own.
OF_A_SHARE = (
    "sansheng_calls",
    "sansheng_ears_legs",
    "sansheng_listen_connections",
    "sansheng_pager_lag_messages",
    "sansheng_pager_pages_in_progress",
    "sansheng_pager_waiting",
    "sansheng_wall_clients",
)


class Told(NamedTuple):
    """What one series says: all the time (a gauge), or at its end, evenly risen from zero (a counter)."""

    name: str
    site: str
    instance: str
    labels: Mapping[str, str]
    value: float

    def samples(self) -> Iterator[str]:
        """As OpenMetrics has them."""
        labels = {"site": self.site, "instance": self.instance, "job": "sansheng", **self.labels}
        series = self.name + "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
        for after_s in range(0, LENGTH_S + 1, SCRAPE_S):
            share = after_s / LENGTH_S if self.name.endswith("_total") else 1
            yield f"{series} {self.value * share:g} {START_S + after_s}"


def _told(name: str, north: tuple[float, ...], south: float, **labels: str) -> list[Told]:
    """By instances one and two of the site north, and instance one of the south."""
    by_north = [
        Told(name, "north", here, labels, value) for here, value in zip(("one:1", "two:1"), north, strict=False)
    ]
    return [*by_north, Told(name, "south", "one:1", labels, south)]


RULE = "long-hold"
SERIES = [
    *_told("sansheng_pager_pages_in_progress", (2, 3), 4, state="open"),
    *_told("sansheng_pager_waiting", (1, 2), 4, receiver="phone"),
    *_told("sansheng_pager_lag_messages", (10, 20), 40, topic="alerts"),
    *_told("sansheng_archive_lag_messages", (5,), 7, topic="calls"),
    # a partition changes hands: two workers tell of it
    *_told("sansheng_lag_messages", (3, 2), 8, topic="calls", partition="0", process="detect"),
    # the second wall is a little behind
    *_told("sansheng_rule_alerts", (5, 4), 3, rule=RULE, severity="warning", finding="true"),
    *_told("sansheng_rule_alerts", (1, 1), 3, rule=RULE, severity="warning", finding="false"),
    *_told("sansheng_rule_alerts", (6, 6), 1, rule=RULE, severity="warning", finding="open"),
    *_told("sansheng_wall_snoozed_total", (6, 6), 2, rule=RULE),
    *_told("sansheng_calls_offered_total", (400, 200), 600, queue="support"),
    *_told("sansheng_calls_in_time_total", (100, 100), 400, queue="support"),
    *_told("sansheng_ears_lag_seconds", (1, 2), 3),
    *_told("process_resident_memory_bytes", (100, 200), 300, process="detect"),
]

Found = dict[tuple[str, ...], float]
#: Title of a panel -> the labels that are shown, and what each series must say.
PANELS: dict[str, tuple[tuple[str, ...], Found]] = {
    "未结束的通知": (("state",), {("open",): 9}),
    "等待送出": (("receiver",), {("phone",): 7}),
    "值班通知落后的消息": (("topic",), {("alerts",): 70}),
    "归档落后的消息": (("topic",), {("calls",): 12}),
    "等待处理的消息\uff0c按分区": (
        ("site", "topic", "partition"),
        {("north", "calls", "0"): 3, ("south", "calls", "0"): 8},
    ),
    "准确率\uff08近 7 天\uff09": ((), {(): 8 / 12}),
    "误报\uff08近 7 天\uff09": ((), {(): 4}),
    "未处理\uff08近 7 天\uff09": ((), {(): 7}),
    "准确率最低的规则\uff08近 7 天\uff09": (("rule",), {(RULE,): 8 / 12}),
    "处理结果\uff08近 7 天的告警\uff09": (("finding",), {("true",): 8, ("false",): 4, ("open",): 7}),
    "静音的告警\uff08所选时段\uff09": ((), {(): 8}),
    "静音的告警\uff0c按规则\uff08所选时段\uff09": (("rule",), {(RULE,): 8}),
    "落后": (("site", "instance"), {("north", "one:1"): 1, ("north", "two:1"): 2, ("south", "one:1"): 3}),
    "内存": (
        ("site", "process", "instance"),
        {("north", "detect", "one:1"): 100, ("north", "detect", "two:1"): 200, ("south", "detect", "one:1"): 300},
    ),
}
#: Question of docs/metrics.md -> the same.
QUESTIONS: dict[str, tuple[tuple[str, ...], Found]] = {
    "alerts by what people found": (("finding",), {("true",): 8, ("false",): 4, ("open",): 7}),
    "precision of a rule": (("rule",), {(RULE,): 8 / 12}),
    "alerts that a snooze kept off the walls": (("rule",), {(RULE,): 8}),
    "how far the recogniser is behind": PANELS["落后"],
    "what waits, by partition": PANELS["等待处理的消息\uff0c按分区"],
    "what waits for the archive": (("topic",), {("calls",): 12}),
    "what waits for the pager, and for a receiver": (("topic",), {("alerts",): 70}),
}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """A Prometheus that scraped both; two of its kind evaluate the rules of the objective."""
    folder = tmp_path_factory.mktemp("sites")
    rules = [
        f'sansheng:service_level_objective:ratio{{replica="{replica}"}} 0.9 {at}'
        for replica in "ab"
        for at in range(RULES_AT_S, START_S + LENGTH_S + 1, SCRAPE_S)
    ]
    lines = [*chain.from_iterable(each.samples() for each in SERIES), *rules, "# EOF", ""]
    recording = folder / "sites.om.xz"
    recording.write_bytes(lzma.compress("\n".join(lines).encode()))
    with recorded(folder, recording) as here:
        yield here


def _expressions() -> Iterator[Asked]:
    for name, board in boards("zh").items():
        yield from asked(name, board)


def _found(sites: Recorded, one: Asked, labels: tuple[str, ...], at: float | None = None) -> Found:
    series = sites.ask("query", query=sites.filled_in(one), time=at or sites.until)["result"]
    found = {tuple(each["metric"].get(name, "") for name in labels): float(each["value"][1]) for each in series}
    assert len(found) == len(series), f"two lines of one name: {series}"
    return found


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_over_two_sites(title: str, sites: Recorded) -> None:
    labels, wanted = PANELS[title]
    first = next(one for one in _expressions() if one.panel == title)
    assert _found(sites, first, labels) == pytest.approx(wanted)


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_over_two_sites(question: str, sites: Recorded) -> None:
    labels, wanted = QUESTIONS[question]
    [expr] = [answer.expression for answer in ANSWERS if answer.question == question]
    assert _found(sites, Asked("", question, expr, True, SCRAPE_S), labels) == pytest.approx(wanted)


def test_late_answers_are_measured_by_the_objective_that_the_alerts_have(sites: Recorded) -> None:
    """Half of the callers are in time: of the 20 % that 80 % allow 2.5 times, of the 10 % that 90 % allow 5 times."""
    title = "未及时接起\uff1a是允许的几倍"
    burns = [one for one in _expressions() if one.panel == title]
    [answer] = [answer.expression for answer in ANSWERS if answer.question == "how fast the error budget burns"]
    burns.append(Asked("", "", answer, True, SCRAPE_S))
    assert len(burns) == 5
    for one in burns:
        assert _found(sites, one, (), RULES_AT_S - SCRAPE_S) == pytest.approx({(): 2.5})
        assert _found(sites, one, ()) == pytest.approx({(): 5})


def _every_expression() -> list[tuple[str, str]]:
    """What is shown or documented: of a panel or a mark, or of docs/metrics.md."""
    shown = [(f"{one.board}: {one.panel}", one.expr) for one in _expressions()]
    return shown + [(f"metrics.md: {answer.question}", answer.expression) for answer in ANSWERS]


def test_the_greatest_is_never_taken_over_sites() -> None:
    """Or the larger site would hide the other one; ages and readiness, the worst of all, are asked for without `by`."""
    by = [
        (where, by.split(", ")) for where, expr in _every_expression() for by in re.findall(r"max by \(([^)]*)", expr)
    ]
    assert len(by) > len(BOARDS)
    assert not [(where, labels) for where, labels in by if "site" not in labels]


def test_what_each_instance_tells_of_its_own_share_is_summed() -> None:
    asked_for = {
        (name, where): before
        for where, expr in _every_expression()
        for name in OF_A_SHARE
        for before in re.findall(rf"(.*?)\b{name}\b", expr)
    }
    assert {name for name, _ in asked_for} == set(OF_A_SHARE)
    assert not [key for key, before in asked_for.items() if not re.search(r"\bsum(\(| by \([^)]*\) \()$", before)]
