"""The one table of metrics: every row can be made, named as Prometheus wants it, and says nothing of a person."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from streams.metrics import TABLE, Metric, Metrics, as_markdown

PROCESSES = sorted({process for metric in TABLE for process in metric.where})
ids = {"ids": lambda metric: metric.name}


@pytest.mark.parametrize("process", PROCESSES)
def test_each_process_makes_its_own_rows_and_no_other(process: str) -> None:
    metrics = Metrics(process)
    served = generate_latest(metrics.registry).decode()
    described = set(re.findall(r"^# HELP (\S+) ", served, re.MULTILINE))
    own = {metric.name for metric in TABLE if process in metric.where}
    assert {name for name in described if not name.endswith("_created")} == own


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
    assert re.fullmatch(r"sansheng(_[a-z0-9]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(r"_(ms|milliseconds|minutes|sum|count|bucket)$", metric.name)
    assert metric.kind != "histogram" or metric.name.endswith("_seconds")
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    assert not metric.help.endswith(".")
    assert metric.where


@pytest.mark.parametrize("metric", TABLE, **ids)
def test_no_label_tells_of_a_call_a_person_or_a_text(metric: Metric) -> None:
    known = {"type", "rule", "severity", "state", "phase", "outcome", "source", "reason", "version", "process", "topic"}
    known |= {"mode", "action", "what", "finding", "kind", "revision"}
    assert set(metric.labels) <= known, "a new label needs a small closed set of values: add it here with that in mind"
    assert all(re.fullmatch("[a-z]+", label) for label in metric.labels)


@pytest.mark.parametrize("metric", [m for m in TABLE if m.kind == "histogram"], **ids)
def test_the_edges_of_a_histogram_climb(metric: Metric) -> None:
    assert metric.buckets
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize("limit", [10, 20, 60, 90, 120, 240])
def test_the_limits_of_the_manual_are_edges_of_the_telephony_histograms(limit: float) -> None:
    for name in ("sansheng_ring_seconds", "sansheng_hold_seconds", "sansheng_transfer_seconds"):
        (metric,) = [m for m in TABLE if m.name == name]
        assert limit in metric.buckets


def test_the_documentation_lists_each_row_once() -> None:
    lines = as_markdown().splitlines()
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
    page = Path(__file__).parent.parent / "docs" / "metrics.md"
    assert as_markdown() in page.read_text("utf-8"), "print it anew with `sansheng metrics`"


def test_a_metric_of_another_process_is_not_known() -> None:
    with pytest.raises(KeyError):
        Metrics("wall").count("sansheng_events_total", "tick")
