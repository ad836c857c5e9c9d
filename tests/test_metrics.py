"""The one table of metrics: every row can be made, is named as Prometheus wants it, is used rightly by the code, stands
at zero where its labels are known, and says nothing of a person.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import yaml
from prometheus_client import generate_latest

from asr import audio
from asr.sources import items
from dashboards.wall import acts, boards, protocol, reading, source
from streams.archive import messages
from streams.events import SLUGS
from streams.metrics import (
    DIRECT,
    EVERYWHERE,
    LONGEST_QUEUE,
    MOST_QUEUES,
    OTHER,
    TABLE,
    Later,
    Metric,
    Metrics,
)
from streams.metrics_page import ANSWERS, as_markdown
from streams.rulebook.book import load
from streams.settings import Settings
from streams.shell.detector import Detector, queues_named
from streams.verdicts import Action

ROOT = Path(__file__).parent.parent
ROWS = {metric.name: metric for metric in TABLE}
ids = {"ids": lambda metric: metric.name}
#: What `prometheus_client` tells of the process itself.
OWN = re.compile(r"process_|python_info$")
#: Labels whose values the rulebook, the settings or the calls bring; and why they are not many.
BROUGHT = {
    "rule": "the rulebook's",
    "version": "of the rulebook, or of this program: the one that is in force",
    "revision": "of the store: one",
    "partition": "this worker's own",
    "receiver": "the settings' pager.receivers",
    "queue": f"at most {MOST_QUEUES} and two",
}

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (prometheus)")


def served(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


@pytest.mark.parametrize("process", EVERYWHERE)
def test_each_process_makes_its_own_rows_and_no_other(process: str) -> None:
    described = set(re.findall(r"^# HELP (\S+) ", served(Metrics(process)), re.MULTILINE))
    assert {name for name in described if not OWN.match(name)} == {m.name for m in TABLE if process in m.where}


@pytest.mark.parametrize("process", EVERYWHERE)
def test_each_process_tells_its_version_and_what_it_takes(process: str) -> None:
    told = served(Metrics(process))
    assert re.search(r'^sansheng_build_info\{version="\d+\.\d+[^"]*"\} 1\.0$', told, re.MULTILINE)
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"} <= set(
        re.findall(r"^(process_\w+) [\d.e+]+$", told, re.MULTILINE)
    )


@pytest.mark.parametrize("process", EVERYWHERE)
@needs_promtool
def test_promtool_has_nothing_against_what_a_process_serves(process: str) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=served(Metrics(process)), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(("process", "metric"), [(p, m) for m in TABLE for p in m.where])
def test_each_row_can_be_used_and_is_served(process: str, metric: Metric) -> None:
    metrics = Metrics(process)
    labels = [f"a-{label}" for label in metric.labels]
    if metric.kind == "counter":
        metrics.count(metric.name, *labels)
        metrics.count(metric.name, *labels, by=2)
        suffix, value = "", 3.0
    elif metric.kind == "gauge":
        metrics.set(metric.name, 3.0, *labels)
        suffix, value = "", 3.0
    else:
        metrics.observe(metric.name, 3.0, *labels)
        suffix, value = "_sum", 3.0
    named = dict(zip(metric.labels, labels, strict=True))
    assert metrics.registry.get_sample_value(metric.name + suffix, named) == value


def test_no_name_stands_twice() -> None:
    names = [metric.name for metric in TABLE]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("metric", TABLE, **ids)
def test_names_and_helps_follow_the_conventions(metric: Metric) -> None:
    """Base units and their names at the end; a counter without a unit counts things, a gauge without one is a number
    of things. `_share` is of 1, `_up`, `_connected` and the like are 0 or 1.
    """
    assert re.fullmatch(r"sansheng(_[a-z0-9]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(
        r"_(ms|millis\w*|minutes?|hours?|days?|kb|mb|percent|sum|count|bucket|created)(_|$)", metric.name
    )
    assert "seconds" not in metric.name or re.search(r"_seconds(_total)?$", metric.name)
    assert metric.kind != "histogram" or metric.name.endswith("_seconds")
    assert not metric.name.endswith("_info") or (metric.kind, len(metric.labels)) == ("gauge", 1)
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    assert len(metric.help) >= 10 or metric.help == "Speech in it"
    assert not metric.help.endswith(".")
    assert metric.where
    assert set(metric.where) <= set(EVERYWHERE)


@pytest.mark.parametrize("metric", TABLE, **ids)
def test_no_label_tells_of_a_call_a_person_or_a_text(metric: Metric) -> None:
    known = {"type", "rule", "severity", "state", "phase", "outcome", "source", "reason", "version", "topic", "why"}
    known |= {"mode", "action", "what", "finding", "kind", "revision", "queue", "partition", "receiver"}
    assert set(metric.labels) <= known, "a new label needs a small closed set of values: add it here with that in mind"
    assert all(re.fullmatch("[a-z]+", label) for label in metric.labels)


# -- known before: at zero from the start


@pytest.mark.parametrize(("process", "metric"), [(p, m) for m in TABLE for p in m.where if m.labels])
def test_labels_that_are_known_before_stand_at_zero_from_the_start(process: str, metric: Metric) -> None:
    values = metric.values_in.get(process, metric.values)
    if not values:
        assert set(metric.labels) & BROUGHT.keys(), "its labels are known before: write their values into the table"
        return
    assert len(values) == len(metric.labels)
    told = Metrics(process)
    suffix = "_count" if metric.kind == "histogram" else ""
    for labels in product(*values):
        named = dict(zip(metric.labels, labels, strict=True))
        expected = 1 if metric.name == "sansheng_build_info" else 0
        assert told.registry.get_sample_value(metric.name + suffix, named) == expected


def values_of(name: str, label: str, process: str = "") -> set[str]:
    metric = ROWS[name]
    values = metric.values_in[process] if process else metric.values
    return set(values[metric.labels.index(label)])


def test_the_values_in_the_table_are_those_that_the_code_can_say() -> None:
    assert values_of("sansheng_dead_letters_total", "reason", "detect") == set(SLUGS)
    assert values_of("sansheng_dead_letters_total", "reason", "listen") == set(get_args(items.Reason))
    assert values_of("sansheng_dead_letters_total", "reason", "recognise") == set(get_args(audio.Slug))
    assert values_of("sansheng_listen_faults_total", "reason") == set(get_args(items.Reason))
    assert values_of("sansheng_listen_faults_total", "source") == set(get_args(items.Source))
    assert values_of("sansheng_listen_connections", "source") == set(get_args(items.Source))
    assert values_of("sansheng_wall_clients", "mode") == set(get_args(boards.Mode))
    assert values_of("sansheng_wall_unreadable_total", "topic") == {*source.TOPICS, "views"}
    assert values_of("sansheng_wall_acts_total", "action") == {*get_args(Action), "snoozed"}
    assert values_of("sansheng_wall_acts_total", "outcome") == {"done", *get_args(acts.Problem)}
    assert values_of("sansheng_wall_pages_total", "what") == {*get_args(protocol.What), "find"}
    assert values_of("sansheng_wall_pages_total", "outcome") == {"shown", *get_args(reading.Problem)}
    assert values_of("sansheng_archive_lag_messages", "topic") == set(messages.TOPICS)


def test_the_reasons_for_which_the_wall_refuses_are_those_in_the_table() -> None:
    """They are words in the code of who refuses."""
    folder, said = (
        ROOT / "dashboards" / "wall",
        r"(?:TurnedAway|_refuse|_on_refused|_turn_away)\((?:[^\"()]*, )?\"(\w+)\"\)",
    )
    found = {reason for file in folder.glob("*.py") for reason in re.findall(said, file.read_text("utf-8"))}
    entrance = (folder / "entrance.py").read_text("utf-8")
    found |= set(re.findall(r"(?:problem =|None|_text\(name\)\)).*, \"(\w+)\"$", entrance, re.MULTILINE))
    assert found == values_of("sansheng_wall_refused_total", "reason")


def test_a_queue_is_laid_at_zero_when_it_is_first_heard_of() -> None:
    metrics = Metrics("detect")
    assert metrics.queue("hotline") == "hotline"
    by_queue = [metric for metric in TABLE if "queue" in metric.labels]
    assert len(by_queue) >= 7
    for metric in by_queue:
        suffix = "_count" if metric.kind == "histogram" else ""
        for _, *others in metric.at_zero("detect"):
            labels = dict(zip(metric.labels, ("hotline", *others), strict=True))
            assert metrics.registry.get_sample_value(metric.name + suffix, labels) == 0


def test_queues_that_the_settings_name_stand_at_zero_before_any_call(tmp_path: Path) -> None:
    settings = Settings(
        run_dir=tmp_path,
        wall={"teams": {"one": {"queues": ["sales", "hotline"]}, "two": {"agents": ["201"]}}},
        pager={
            "receivers": [{"name": "lead", "kind": "webhook", "url": "http://localhost/"}],
            "routes": [{"queues": ["hotline", "night"], "levels": [["lead"]]}, {"levels": [["lead"]]}],
        },
    )
    assert queues_named(settings) == ["sales", "hotline", "night"]
    metrics = Metrics("detect")
    Detector(settings, load(), metrics)
    told = dict(re.findall(r'sansheng_calls_offered_total\{queue="([^"]+)"\} (\S+)', served(metrics)))
    assert told == dict.fromkeys((DIRECT, OTHER, "sales", "hotline", "night"), "0.0")


def test_a_call_without_a_queue_is_direct_and_the_fifty_first_queue_is_another() -> None:
    metrics = Metrics("detect")
    assert metrics.queue(None) == metrics.queue("") == metrics.queue("direct") == DIRECT
    assert metrics.queue("q" * (LONGEST_QUEUE + 1)) == OTHER
    assert [metrics.queue(f"q{n}") for n in range(MOST_QUEUES)] == [f"q{n}" for n in range(MOST_QUEUES)]
    assert metrics.queue("one more") == OTHER
    assert metrics.queue("q0") == "q0"
    told = set(re.findall(r'sansheng_calls_offered_total\{queue="([^"]+)"\}', served(metrics)))
    assert len(told) == MOST_QUEUES + 2


def test_what_waits_is_counted_when_it_is_safe_and_once() -> None:
    metrics, name = Metrics("detect"), "sansheng_calls_offered_total"
    later = Later(metrics)
    later.count(name, later.queue("hotline"))
    later.observe("sansheng_hold_seconds", 3.0, "hotline")
    assert metrics.registry.get_sample_value(name, {"queue": "hotline"}) == 0
    later.apply()
    later.apply()
    assert metrics.registry.get_sample_value(name, {"queue": "hotline"}) == 1
    assert metrics.registry.get_sample_value("sansheng_hold_seconds_sum", {"queue": "hotline"}) == 3


def test_a_partition_that_has_gone_is_served_no_more() -> None:
    metrics = Metrics("detect")
    metrics.only("sansheng_lag_messages", {("calls", "0"): 3, ("calls", "1"): 4})
    metrics.only("sansheng_lag_messages", {("calls", "1"): 5, ("subjects", "1"): 0})
    told = re.findall(r'sansheng_lag_messages\{partition="(\d)",topic="(\w+)"\} ([\d.]+)', served(metrics))
    assert sorted(told) == [("1", "calls", "5.0"), ("1", "subjects", "0.0")]


# -- what the code does with them


class Use(NamedTuple):
    """A call of ``count`` and its like with a metric's name; ``labels``: how many, None where that cannot be told."""

    where: str
    how: str
    name: str
    labels: int | None


#: How a metric is used -> its kind, and how many arguments are no labels.
USES = {
    "count": ("counter", 1),
    "Count": ("counter", 1),
    "set": ("gauge", 2),
    "observe": ("histogram", 2),
    "drop": ("gauge", 1),
}


def uses() -> Iterator[Use]:
    for file in (file for package in ("streams", "asr", "dashboards") for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if use := _use(node, f"{file.relative_to(ROOT)}"):
                yield use


def _use(node: ast.AST, file: str) -> Use | None:
    if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
        return None
    name: Any = node.args[0].value
    how = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
    if how not in (*USES, "only") or not str(name).startswith("sansheng_"):
        return None
    is_open = how == "only" or any(isinstance(argument, ast.Starred) for argument in node.args)
    return Use(f"{file}:{node.lineno}", how, name, None if is_open else len(node.args) - USES[how][1])


def test_the_code_uses_each_metric_as_the_table_says() -> None:
    faults = []
    for use in uses():
        metric = ROWS.get(use.name)
        kind = "gauge" if use.how == "only" else USES[use.how][0]
        if metric is None:
            faults.append(f"{use.where}: {use.name} is not in the table")
        elif metric.kind != kind:
            faults.append(f"{use.where}: {use.how} on {use.name}, a {metric.kind}")
        elif use.labels not in (None, len(metric.labels)):
            faults.append(f"{use.where}: {use.name} takes {len(metric.labels)} labels, not {use.labels}")
    assert not faults, "\n".join(faults)


def test_each_metric_is_used() -> None:
    used = {use.name for use in uses() if use.how != "drop"}
    assert ROWS.keys() - used == set(), "nobody sets them"


def test_no_name_of_a_metric_is_put_together_where_it_is_used() -> None:
    """Or these tests would not see it."""
    found = [
        f"{file}: {line.strip()}"
        for package in ("streams", "asr", "dashboards/wall")
        for file in (ROOT / package).rglob("*.py")
        for line in file.read_text("utf-8").splitlines()
        if re.search(r"f[\"']sansheng_\w*\{", line)
    ]
    assert not found


# -- edges


@pytest.mark.parametrize("metric", [m for m in TABLE if m.kind == "histogram"], **ids)
def test_the_edges_of_a_histogram_climb(metric: Metric) -> None:
    assert metric.buckets
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize("limit", [10, 20, 60, 90, 120, 240])
def test_the_limits_of_the_manual_are_edges_of_the_telephony_histograms(limit: float) -> None:
    for name in ("sansheng_ring_seconds", "sansheng_hold_seconds", "sansheng_transfer_seconds"):
        (metric,) = [m for m in TABLE if m.name == name]
        assert limit in metric.buckets


# -- the page


def test_the_documentation_lists_each_row_once() -> None:
    _, _, table = as_markdown().partition("## All of them\n\n")
    lines = table.splitlines()
    assert lines[0].startswith("| metric | kind |")
    assert len(lines) == len(TABLE) + 2
    for metric, line in zip(TABLE, lines[2:], strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells == [
            f"`{metric.name}`",
            metric.kind,
            ", ".join(metric.labels),
            ", ".join(metric.where),
            metric.help,
        ]


def test_the_page_in_docs_is_the_table_of_this_version() -> None:
    page = ROOT / "docs" / "metrics.md"
    assert page.read_text("utf-8") == as_markdown(), "print it anew: `sansheng metrics > docs/metrics.md`"


def test_each_answer_is_made_of_metrics_that_there_are() -> None:
    for answer in ANSWERS:
        names = re.findall(r"sansheng_\w+", answer.expression)
        assert names, answer.question
        assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in names} <= ROWS.keys(), answer.question


@needs_promtool
def test_prometheus_can_read_each_answer(tmp_path: Path) -> None:
    rules = [{"record": f"answer:{n}", "expr": answer.expression} for n, answer in enumerate(ANSWERS)]
    file = tmp_path / "answers.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "answers", "rules": rules}]}), "utf-8")
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert (done.returncode, f"{len(rules)} rules found" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_metric_of_another_process_is_not_known() -> None:
    with pytest.raises(KeyError):
        Metrics("wall").count("sansheng_events_total", "tick")
