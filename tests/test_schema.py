"""The JSON Schema of the rulebook: fresh, true of every file of rules, and told by typical mistakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from streams.detectors import KINDS
from streams.rulebook.book import DEFAULT_RULES
from streams.rulebook.schema import as_json, schema

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "streams" / "rulebook" / "rulebook.schema.json"
FILES = [
    *sorted(DEFAULT_RULES.glob("*.yaml")),
    *sorted((ROOT / "tests" / "rulebooks").rglob("*.yaml")),
    *sorted((ROOT / "deploy" / "demo").glob("*.yaml")),
]
VALIDATOR = jsonschema.Draft7Validator(schema())


class EditorsYaml(yaml.SafeLoader):
    """YAML as editors read it: a date is a text."""


EditorsYaml.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def errors(text: str) -> list[tuple[str, str]]:
    """Where and what, as an editor would underline it."""
    found = VALIDATOR.iter_errors(yaml.load(text, EditorsYaml))  # noqa: S506 - a SafeLoader
    return sorted((".".join(map(str, leaf.absolute_path)), leaf.message) for error in found for leaf in leaves(error))


def leaves(error: jsonschema.ValidationError) -> Iterator[jsonschema.ValidationError]:
    if not error.context:
        yield error
    for inner in error.context or ():
        yield from leaves(inner)


RULE = """\
rules:
  - id: held-too-long
    title: 保持过久
    says: "{agent}让客户等待 {duration}"
    kind: lasts
    phase: held
    thresholds:
      - {after: 90 s, severity: notice}
    when:
      any:
        - {said: {words: {any: [greeting]}, by: agent, within: 20 s}}
        - {hours: ["09:00-18:00"], days: [workday]}
    clause: {manual: "002", section: 第16篇 3.2.9, quote: 不应超过2分钟}
  - id: morning
    title: 问候
    says: "{agent}没有问候"
    kind: must_say
    anchor: answered
    by: agent
    words: [greeting]
    after: 8 s
    severity: notice
    clause: {manual: "002", section: 第16篇 3.2.1, quote: 主动问候客户}
"""
SITE = """\
why: 试点
change:
  held-too-long: {thresholds: [{after: 60 s, severity: warning}], status: trial}
phrases: {greeting: [你好], farewell: {phrases: [再见], but_not: [再见一面]}}
add: {greeting: [早上好]}
groups: {news: ["90*"]}
calendar: {holidays: {2026-10-11: 店庆}, workdays: [2026-10-10]}
manuals: {"900": {title: 本中心规范, clauses: [{section: 第一条, text: 接听}]}}
"""


def test_the_committed_schema_is_that_of_the_types() -> None:
    assert COMMITTED.read_text("utf-8") == as_json(), "make it anew: sansheng rules schema > " + str(COMMITTED)


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(as_json()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_of_rules_is_valid(file: Path) -> None:
    assert errors(file.read_text("utf-8")) == []


@pytest.mark.parametrize("text", [RULE, SITE])
def test_what_the_following_tests_break_is_valid(text: str) -> None:
    assert errors(text) == []


@pytest.mark.parametrize("file", sorted(DEFAULT_RULES.glob("*.yaml")), ids=lambda file: file.name)
def test_each_chapter_names_its_schema(file: Path) -> None:
    first = file.read_text("utf-8").partition("\n")[0]
    assert first == "# yaml-language-server: $schema=../rulebook.schema.json"
    assert (file.parent / first.partition("=")[2]).resolve() == COMMITTED


@pytest.mark.parametrize(
    ("text", "old", "new", "where", "what"),
    [
        (RULE, "title: 保", "titel: 保", "rules.0", "'titel' was unexpected"),
        (RULE, "title: 保", "titel: 保", "rules.0", "'title' is a required property"),
        (RULE, "within", "wihtin", "rules.0.when.any.0.said", "'wihtin' was unexpected"),
        (RULE, "{any: [g", "{ayn: [g", "rules.0.when.any.0.said.words", "'ayn' was unexpected"),
        (RULE, "section: 第16篇 3.2.9", "setcion: x", "rules.0.clause", "'setcion' was unexpected"),
        (RULE, "90 s", "90", "rules.0.thresholds.0.after", "90 is not of type 'string'"),
        (RULE, "90 s", '"90"', "rules.0.thresholds.0.after", "'90' does not match"),
        (RULE, "90 s", "90 sec", "rules.0.thresholds.0.after", "'90 sec' does not match"),
        (RULE, "8 s", "8", "rules.1.after", "8 is not of type 'string'"),
        (RULE, "severity: notice}", "severity: grave}", "rules.0.thresholds.0.severity", "'grave' is not one of"),
        (RULE, "severity: notice\n", "severity: info\n", "rules.1.severity", "'info' is not one of"),
        (RULE, "phase: held", "phase: hold", "rules.0.phase", "'hold' is not one of"),
        (RULE, "kind: lasts", "kind: last", "rules.0.kind", "'last' is not one of"),
        (RULE, "    kind: lasts\n", "", "rules.0", "'kind' is a required property"),
        (RULE, "  - id: morning\n    title", "  - title", "rules.1", "'id' is a required property"),
        (RULE, "09:00-18:00", "9-18", "rules.0.when.any.1.hours.0", "'9-18' does not match"),
        (RULE, "[workday]", "[sunday]", "rules.0.when.any.1.days.0", "'sunday' is not one of"),
        (RULE, '"002", section: 第16篇 3.2.9', "2, section: x", "rules.0.clause.manual", "2 is not of type 'string'"),
        (RULE, "words: [greeting]", "words: greeting", "rules.1.words", "'greeting' is not of type 'array'"),
        (RULE, "anchor: answered", "anchor: answer", "rules.1.anchor", "'answer' is not one of"),
        (RULE, "rules:", "ruels:", "", "'ruels' was unexpected"),
        (SITE, "status: trial", "status: on", "change.held-too-long.status", "True is not one of"),
        (SITE, "thresholds", "treshold", "change.held-too-long", "'treshold' was unexpected"),
        (SITE, "60 s", "60", "change.held-too-long.thresholds.0.after", "60 is not of type 'string'"),
        (SITE, "but_not", "butnot", "phrases.farewell", "'butnot' was unexpected"),
        (SITE, "workdays", "workday", "calendar", "'workday' was unexpected"),
        (SITE, '["90*"]', "[90]", "groups.news.0", "90 is not of type 'string'"),
        (SITE, "title: 本", "titel: 本", "manuals.900", "'title' is a required property"),
    ],
)
def test_a_mistake_is_told_where_it_stands(text: str, old: str, new: str, where: str, what: str) -> None:
    assert old in text
    assert any(place == where and what in message for place, message in errors(text.replace(old, new, 1)))


def test_every_field_of_every_kind_is_in_it_and_what_all_rules_have_is_explained() -> None:
    definitions: dict[str, Any] = schema()["definitions"]
    for cls in KINDS.values():
        fields = definitions[cls.__name__]["properties"]
        assert set(fields) == {"kind", *cls.__struct_fields__}
        unexplained = [name for name in fields if name != "kind" and not fields[name].get("description")]
        assert len(unexplained) < len(fields) / 2, unexplained
        assert fields["advice"]["description"] == "班长此刻可以做什么"
