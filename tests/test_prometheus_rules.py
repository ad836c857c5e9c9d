"""The rules for Prometheus: promtool accepts them, each alert is tried on both sides."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.metrics import TABLE

HERE = Path(__file__).parents[1] / "dashboards"
RULES = tuple(sorted((HERE / "prometheus").glob("*.rules.yml")))
TESTS = tuple(sorted((HERE / "prometheus" / "tests").glob("*.test.yml")))
METRICS = {metric.name: metric for metric in TABLE}
#: What Prometheus itself puts on a series, ours on a target, and those of Prometheus' and Alertmanager's own metrics.
TARGET_LABELS = {"job", "instance", "process", "site", "le"}
FOREIGN = re.compile(r"\b(?:prometheus|alertmanager)_\w+")
FOREIGN_LABELS = {"integration"}
#: Labels of an alert become labels of a page: only those that our own table bounds, and those of a target.
UNBOUNDED = {"version", "partition", "rule"}


@cache
def rules() -> list[dict[str, Any]]:
    return [rule for file in RULES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def cases() -> Iterator[tuple[str, list[str]]]:
    """For each question that the tests ask: the alert, and the states that it should be in."""
    for file in TESTS:
        for group in yaml.safe_load(file.read_text())["tests"]:
            for asked in group["promql_expr_test"]:
                alert = re.search(r'alertname="(\w+)"', asked["expr"])
                assert alert is not None, f"{file.name}: {asked['expr']} asks for no alert"
                states = [re.findall(r'alertstate="(\w+)"', sample["labels"])[0] for sample in asked["exp_samples"]]
                yield alert.group(1), states


def promtool(*arguments: str, folder: Path) -> tuple[int, str]:
    done = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_promtool_accepts_the_rules() -> None:
    code, said = promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES), folder=HERE)
    assert code == 0, said


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_promtool_finds_each_alert_as_expected(file: Path, tmp_path: Path) -> None:
    """With the rules that the file is about and what these read: all of them would take four times as long."""
    (tmp_path / file.name).write_text(yaml.safe_dump(_with_needed_rules(file, tmp_path), allow_unicode=True))
    code, said = promtool("test", "rules", file.name, folder=tmp_path)
    assert code == 0, said


def _with_needed_rules(file: Path, folder: Path) -> dict[str, Any]:
    """That file of tests, on a copy of the rules that it needs."""
    test: dict[str, Any] = yaml.safe_load(file.read_text())
    needed = _needed({"sansheng:runbook:info", *(group["name"].split(":")[0] for group in test["tests"])})
    groups = []
    for rule_file in test["rule_files"]:
        for group in yaml.safe_load((file.parent / rule_file).read_text())["groups"]:
            kept = [rule for rule in group["rules"] if {rule.get("alert"), rule.get("record")} & needed]
            groups += [{**group, "rules": kept}] if kept else []
    (folder / f"{file.name}.rules").write_text(yaml.safe_dump({"groups": groups}, allow_unicode=True))
    return {**test, "rule_files": [f"{file.name}.rules"]}


def _needed(names: set[str]) -> set[str]:
    """Those alerts and recorded series, and whatever they are made of."""
    read = {n for r in rules() if {r.get("alert"), r.get("record")} & names for n, _ in _series(r["expr"])}
    return names if read <= names else _needed(names | read)


def test_each_alert_is_tried_before_at_and_beside_its_boundary() -> None:
    asked = list(cases())
    wanted = {"pending": ["pending"], "firing": ["firing"], "nothing": []}
    missing = [
        f"{alert}: no test expects {name}"
        for alert in alerts()
        for name, states in wanted.items()
        if not any(told == alert and sorted(set(got)) == states for told, got in asked)
    ]
    assert not missing, missing
    assert not {told for told, _ in asked} - set(alerts()), "tests of alerts that do not exist"


def test_each_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on() -> None:
    anchors = {
        line.removeprefix("## ").split()[0].lower()
        for line in (HERE / "runbook.md").read_text().splitlines()
        if line.startswith("## ")
    }
    faults = []
    for name, alert in alerts().items():
        notes = alert["annotations"]
        faults += [f"{name}: severity"] if alert["labels"].get("severity") not in {"critical", "warning"} else []
        faults += [f"{name}: no `for`"] if not alert.get("for") else []
        faults += [f"{name}: {key}" for key in ("summary", "description") if not re.search("[一-鿿]", notes[key])]
        faults += [f"{name}: summary_en"] if re.search("[一-鿿]", notes["summary_en"]) else []
        faults += [f"{name}: ASCII marks in Chinese"] if re.search("[一-鿿][,;:!?()]", notes["description"]) else []
        faults += [f"{name}: runbook"] if notes["runbook_url"].partition("#")[2] != name.lower() else []
        faults += [f"{name}: not in runbook.md"] if name.lower() not in anchors else []
    assert not faults, faults
    assert not anchors - {name.lower() for name in alerts()}, "chapters of alerts that do not exist"


def _without_strings(expr: str) -> str:
    return re.sub(r'"[^"]*"', '""', expr)


@cache
def _labels_of_recorded() -> dict[str, set[str]]:
    """The labels that each recorded series has: those that it is summed by, or has from what it reads."""
    return {
        rule["record"]: {*rule.get("labels", {}), *_labels_in(rule["expr"])} for rule in rules() if "record" in rule
    }


def _labels_in(expr: str) -> set[str]:
    found = re.findall(r"(?:by|on) \(([^)]*)\)", expr)
    return {label.strip() for names in found for label in names.split(",") if label.strip()}


def _series(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Each series that ``expr`` reads, with the labels of its matchers."""
    for name, matchers in re.findall(
        r"(?<![\w:])((?:[a-z_]+:)?sansheng[\w:]*)(?:\{([^}]*)\})?", _without_strings(expr)
    ):
        yield name, set(re.findall(r"(\w+)\s*[=!]", matchers))


def test_rules_use_only_metrics_and_labels_that_are_in_the_table() -> None:
    recorded, faults = {rule["record"] for rule in rules() if "record" in rule}, []
    for rule in rules():
        title, expr = rule.get("alert") or rule["record"], rule["expr"]
        known = set(TARGET_LABELS)
        for name, matched in _series(expr):
            metric = METRICS.get(name) or METRICS.get(re.sub("_(bucket|sum|count)$", "", name))
            if name in recorded:
                labels = set(TARGET_LABELS) | _labels_behind(name)
            elif metric:
                labels = {*metric.labels, *TARGET_LABELS}
            else:
                faults.append(f"{title}: no metric {name}")
                continue
            known |= labels
            faults += [f"{title}: {name} has no label {label}" for label in matched - labels]
        known |= FOREIGN_LABELS if FOREIGN.search(expr) else set()
        faults += [f"{title}: by {label}, which nothing there has" for label in _labels_in(expr) - known]
    assert not faults, faults


def _labels_behind(name: str) -> set[str]:
    """Labels of a recorded series, through what it is recorded from."""
    expr = "\n".join(rule["expr"] for rule in rules() if rule.get("record") == name)
    deeper = [_labels_behind(other) for other, _ in _series(expr) if other in _labels_of_recorded() and other != name]
    return _labels_of_recorded()[name].union(*deeper)


def test_no_alert_carries_a_label_without_bounds() -> None:
    outer = {name: _labels_in(alert["expr"].split("\n")[0]) for name, alert in alerts().items()}
    outer["SanshengRulebooksDiffer"] -= {"version"}  # counted away by the outer `count by (site)`
    assert not {name: labels & UNBOUNDED for name, labels in outer.items() if labels & UNBOUNDED}


def test_annotations_can_be_rendered(tmp_path: Path) -> None:
    """promtool prints what it got where nothing was expected: each text, as a person would get it."""
    texts = "".join(_rendered(file, tmp_path) for file in TESTS)
    missing = [name for name in alerts() if f'{name.lower()}"' not in texts]
    assert not missing, missing
    assert "<error" not in texts
    assert "<no value>" not in texts
    assert "dashboards/runbook.md#sanshengpbxdisconnected" in texts


def _rendered(file: Path, folder: Path) -> str:
    """What promtool says to one firing alert of each name."""
    test, groups = _with_needed_rules(file, folder), {}
    for group in test["tests"]:
        name, asked = group["name"].split(":")[0], group.pop("promql_expr_test")
        firing = [a["eval_time"] for a in asked if any("firing" in sample["labels"] for sample in a["exp_samples"])]
        if firing and name not in groups:
            ask = {"eval_time": firing[0], "alertname": name, "exp_alerts": []}
            groups[name] = {**group, "alert_rule_test": [ask]}
    (folder / file.name).write_text(yaml.safe_dump({**test, "tests": list(groups.values())}, allow_unicode=True))
    return promtool("test", "rules", file.name, folder=folder)[1]
