"""The rulebook: what it holds, how overlays change it, and that every fault is found with its line and mend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from streams import alerts
from streams.alerts import FIGURES, SEVERITIES, AlertChange, figures_en, figures_zh
from streams.call import Call
from streams.detectors import KINDS
from streams.detectors.base import Rule
from streams.detectors.lasts import Lasts
from streams.detectors.units import Duration
from streams.events import CallAnswered, CallHeld, CallOffered, CallResumed
from streams.phrases.examples import examples
from streams.phrases.normal import normal
from streams.phrases.pattern import compile_phrase
from streams.replay import replay
from streams.rulebook import book, lint
from streams.rulebook.book import DEFAULT_RULES, Rulebook, RulebookError, load
from streams.rulebook.sources import plain, read_sources

ROOT = Path(__file__).parent.parent
MANUALS = ROOT.parent / "shared" / "manuals"
STRICT = Path(__file__).parent / "rulebooks" / "strict"

BOOK = load()
each_rule = pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.id)

TELEPHONY = {"ring-over-three", "abandoned-while-ringing", "long-hold", "transfer-wait", "agent-hung-up-first"}


def thresholds(rules: Rulebook, rule_id: str) -> list[tuple[float, str]]:
    rule = rules.rule(rule_id)
    assert isinstance(rule, Lasts)
    return [(float(t.after), t.severity) for t in rule.thresholds]


def overlay(folder: Path, text: str, name: str = "site.yaml") -> Path:
    """A folder with one file, to be laid over the default book."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, "utf-8")
    return folder


def faults(*overlays: Path) -> list[str]:
    with pytest.raises(RulebookError) as caught:
        load(overlays)
    assert str(caught.value) == "\n".join(str(fault) for fault in caught.value.faults)
    return [str(fault) for fault in caught.value.faults]


GOOD = """\
rules:
  - id: new-rule
    title: 新规则
    says: "{agent}让客户等待 {duration}"
    kind: lasts
    phase: held
    thresholds:
      - {after: 10 s, severity: warning}
      - {after: 1 min, severity: critical}
    clause: {manual: "000", section: 一(二), quote: "电话响铃3声内接听"}
"""


# ------------------------------------------------------------------------------------------- the default book


def test_the_telephony_rules_are_there_and_judge() -> None:
    assert {rule.id for rule in load().judges} >= TELEPHONY
    assert load().rule("no-such-rule") is None


@each_rule
def test_each_rule_has_both_languages_and_every_figure_fills(rule: Rule) -> None:
    call = Call(id="c1", phase="talking", since=0, begun_at=0)
    assert rule.en
    assert rule.title
    assert rule.en.title
    assert bool(rule.says_cleared) == bool(rule.en.says_cleared)
    values = dict.fromkeys(rule.figures, 3)
    for text, figures in (
        (rule.says, figures_zh),
        (rule.says_cleared, figures_zh),
        (rule.en.says, figures_en),
        (rule.en.says_cleared, figures_en),
    ):
        said = text.format_map(figures(call, ["101"], 90, values=values))
        assert "{" not in said
        if "{duration}" in text:
            assert "1 分 30 秒" in said or "1 min 30 s" in said
    assert re.search("[一-鿿]", rule.says)
    assert not re.search("[一-鿿]", rule.en.says + rule.en.says_cleared + rule.en.title)


def test_the_figures_are_those_that_a_sentence_may_name() -> None:
    call = Call(id="c1", phase="talking", since=0, begun_at=0)
    assert set(figures_zh(call, (), 0)) == set(figures_en(call, (), 0)) == set(FIGURES)


@each_rule
def test_each_severity_climbs(rule: Rule) -> None:
    if isinstance(rule, Lasts):
        climbs = [SEVERITIES.index(t.severity) for t in rule.thresholds]
        assert climbs == sorted(set(climbs))


@each_rule
def test_each_list_of_remarks_was_written_as_whole_remarks(rule: Rule) -> None:
    """In YAML an unquoted comma inside [...] or {...} cuts a sentence in two."""
    for remark in (*rule.known_misses, *rule.false_alarms):
        assert len(remark) > 5, remark


@pytest.mark.skipif(not MANUALS.is_dir(), reason="the manuals are not here")
@each_rule
def test_each_quote_stands_in_the_manual_that_is_cited(rule: Rule) -> None:
    manuals = read_sources()
    for clause in (rule.clause, *rule.also):
        assert clause.quote, f"{rule.id} cites {clause.manual} {clause.section} without its words"
        words = plain((MANUALS / manuals[clause.manual].file).read_text("utf-8"))
        for part in filter(None, plain(clause.quote).split("...")):
            assert part in words, clause.quote


@each_rule
def test_a_clause_carries_the_title_of_its_manual(rule: Rule) -> None:
    titles = {name: manual.title for name, manual in read_sources().items()}
    assert [clause.title for clause in (rule.clause, *rule.also)] == [
        titles[clause.manual] for clause in (rule.clause, *rule.also)
    ]
    assert titles["000"] == "客户服务接听标准与技巧手册"


def test_the_default_book_is_clean() -> None:
    found = lint.check([], [Path(__file__).parent / "rules"])
    assert not found.faults, "\n".join(map(str, found.faults))
    assert not found.warnings, "\n".join(map(str, found.warnings))


def test_every_phrase_of_the_book_has_an_example_that_it_matches() -> None:
    phrases = [phrase for each in BOOK.phrases.values() for phrase in (*each.phrases, *each.but_not)]
    assert phrases
    for phrase in phrases:
        assert examples(phrase), phrase
        assert all(compile_phrase(phrase).regex.search(normal(way).text) for way in examples(phrase))


# ---------------------------------------------------------------------------------------------- overlays


def test_the_strict_book_has_short_limits_and_keeps_the_others() -> None:
    strict = load([STRICT])
    assert thresholds(strict, "ring-over-three") == [(3, "warning"), (20, "critical")]
    assert thresholds(strict, "long-hold") == [(5, "warning"), (240, "critical")]
    assert thresholds(strict, "transfer-wait") == [(5, "warning"), (120, "critical")]
    assert len(strict.why) == 1
    assert strict.version != load().version
    default, changed = load().rule("long-hold"), strict.rule("long-hold")
    assert default
    assert changed
    assert (changed.says, changed.clause) == (default.says, default.clause)


def test_an_overlay_may_be_one_file_and_may_add_rules(tmp_path: Path) -> None:
    added = load([overlay(tmp_path, GOOD) / "site.yaml"])
    assert thresholds(added, "new-rule") == [(10, "warning"), (60, "critical")]
    assert len(added.rules) == len(load().rules) + 1


def test_later_overlays_win_and_every_why_is_kept(tmp_path: Path) -> None:
    change = "why: {0}\nchange:\n  long-hold:\n    thresholds: [{{after: {0}, severity: notice}}]\n"
    first = overlay(tmp_path / "a", change.format("7 s"))
    second = overlay(tmp_path / "b", change.format("2 min"))
    assert thresholds(load([first, second]), "long-hold") == [(120, "notice")]
    assert thresholds(load([second, first]), "long-hold") == [(7, "notice")]
    assert load([first, second]).why == ("7 s", "2 min")


def test_a_retired_or_draft_rule_does_not_judge_and_a_trial_rule_does(tmp_path: Path) -> None:
    retired = overlay(tmp_path, "change:\n  long-hold: {status: retired, retired_because: 改为新规则}\n")
    assert "long-hold" not in {rule.id for rule in load([retired]).judges}
    assert load([retired]).rule("long-hold")
    draft = overlay(tmp_path, "change:\n  long-hold: {status: draft}\n")
    assert "long-hold" not in {rule.id for rule in load([draft]).judges}
    trial = overlay(tmp_path, "change:\n  long-hold: {status: trial}\n")
    assert "long-hold" in {rule.id for rule in load([trial]).judges}


HELD = (
    CallOffered(call="c", at=0.0, queue="hotline"),
    CallAnswered(call="c", at=5.0, agent="101"),
    CallHeld(call="c", at=10.0),
    CallResumed(call="c", at=300.0),
)


@pytest.mark.parametrize("pages", [True, False])
def test_an_overlay_makes_a_rule_wake_somebody_and_every_change_of_its_alerts_says_so(
    tmp_path: Path, pages: bool
) -> None:
    laid = load([overlay(tmp_path, f"change:\n  long-hold: {{page: {str(pages).lower()}}}\n")])
    told = [change for change in replay(laid, HELD) if isinstance(change, AlertChange) and change.rule == "long-hold"]
    assert {change.state for change in told} >= {"opened", "cleared"}
    assert {change.page for change in told} == {pages}
    assert {alerts.parse(alerts.render(change)).page for change in told} == {pages}


@each_rule
def test_no_rule_of_the_default_book_wakes_anybody_but_by_its_severity(rule: Rule) -> None:
    assert not rule.page


def test_page_must_be_yes_or_no(tmp_path: Path) -> None:
    [fault] = faults(overlay(tmp_path, "change:\n  long-hold: {page: 2}\n"))
    assert fault.startswith("site.yaml:2")
    assert "bool" in fault


# ----------------------------------------------------------------------------------------------- version


def test_the_version_changes_with_the_rules_and_with_nothing_else(tmp_path: Path) -> None:
    plainly = load().version
    remark = overlay(tmp_path, "why: 只是说明\n# a remark\n")
    assert load([remark]).version == plainly
    other = overlay(tmp_path, "change:\n  long-hold: {title: 保持过久}\n")
    assert load([other]).version != plainly
    assert re.fullmatch("[0-9a-f]{10}", plainly)


def test_the_version_does_not_depend_on_folders_files_or_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [yaml.safe_load(file.read_bytes()) for file in sorted(DEFAULT_RULES.glob("*.yaml"))]
    rules = [rule for file in files for rule in file.get("rules", [])]
    plainly, folder = load().version, tmp_path / "elsewhere"
    folder.mkdir()
    for n, rule in enumerate(reversed(rules)):
        backwards = dict(reversed(rule.items()))
        (folder / f"{n}.yaml").write_text(yaml.safe_dump({"rules": [backwards]}, sort_keys=False), "utf-8")
    for n, (name, words) in enumerate(pair for file in files for pair in file.get("phrases", {}).items()):
        (folder / f"words-{n}.yaml").write_text(yaml.safe_dump({"phrases": {name: words}}), "utf-8")
    monkeypatch.setattr(book, "DEFAULT_RULES", folder)
    assert load().version == plainly


# ------------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            GOOD.replace("title:", "titel:"),
            ["site.yaml:3: unknown field 'titel' (did you mean title?)", "site.yaml:2: rule new-rule: Object missing"],
        ),
        (GOOD + "    serverity: x\n", ["site.yaml:11: unknown field 'serverity'"]),
        (
            GOOD.replace("after: 10 s", "afer: 10 s"),
            ["site.yaml:8: unknown field 'afer' (did you mean after?)", "site.yaml:8: rule new-rule: Object missing"],
        ),
        (GOOD.replace("quote:", "qoute:"), ["site.yaml:10: unknown field 'qoute' (did you mean quote?)"]),
        (
            GOOD.replace("manual:", "manaul:"),
            ["site.yaml:10: unknown field 'manaul' (did you mean manual?)", "site.yaml:10: rule new-rule: Object"],
        ),
        (
            GOOD.replace('"电话响铃3声内接听"', "原则上,客户等待"),
            ["site.yaml:10: unknown field '客户等待' (one of manual, quote, section"],
        ),
        (GOOD.replace("new-rule", "long-hold"), ["site.yaml:2: duplicate id 'long-hold' (first in telephony.yaml:"]),
        (GOOD.replace("10 s", "10"), ["site.yaml:8: rule new-rule: unit missing: write 10 s, 10 min or 10 h"]),
        (GOOD.replace("10 s", "10 sec"), ["site.yaml:8: rule new-rule: not a duration: '10 sec' (a number and s, min"]),
        (GOOD.replace("10 s", "ten s"), ["site.yaml:8: rule new-rule: not a duration: 'ten s'"]),
        (GOOD.replace('"000"', '"0O0"'), ["site.yaml:10: unknown manual '0O0' (did you mean 00"]),
        (
            GOOD
            + '    also:\n      - {manual: "000", section: 一(二), quote: 内接听}\n      - {manual: "007", section: x}',
            ["site.yaml:13: unknown manual '007'"],
        ),
        (GOOD.replace("{agent}", "{agnet}"), ["site.yaml:4: {agnet} is no figure of a sentence (did you mean agent?)"]),
        (GOOD.replace("{agent}", "{}"), ["site.yaml:4: {} is no figure of a sentence"]),
        (GOOD.replace("{agent}", "{agent.x}"), ["site.yaml:4: {agent.x} is no figure of a sentence"]),
        (GOOD.replace("{agent}", "{agent"), ["site.yaml:4: the braces do not match (each figure is {name};"]),
        (GOOD.replace("{agent}", "{agent}}"), ["site.yaml:4: the braces do not match"]),
        (GOOD.replace("{agent}", "{{agent}"), ["site.yaml:4: the braces do not match"]),
        (GOOD.replace("{agent}", "{x!r}"), ["site.yaml:4: {x!r} is no figure of a sentence"]),
        (GOOD.replace("{agent}", "{agent!r}"), ["site.yaml:4: the sentence cannot be filled: {agent!r} (only {name}"]),
        (GOOD.replace("{agent}", "{agent:d}"), ["site.yaml:4: the sentence cannot be filled"]),
        (GOOD.replace("{agent}", "{agent:{x}}"), ["site.yaml:4: the sentence cannot be filled"]),
        (GOOD + '    en: {title: x, says: "{who}"}\n', ["site.yaml:11: {who} is no figure of a sentence"]),
        (
            GOOD.replace("severity: warning", "severity: bad"),
            ["site.yaml:8: rule new-rule: Invalid enum value 'bad' (one of critical, notice, warning)"],
        ),
        (GOOD + "    status: retired\n", ["site.yaml:11: retired without a reason (add `retired_because:`)"]),
        (
            GOOD + "    status: living\n",
            ["site.yaml:11: rule new-rule: Invalid enum value 'living' (one of draft, live, retired, trial)"],
        ),
        (
            GOOD.replace("    kind: lasts\n", ""),
            ["site.yaml:2: kind is missing (one of lasts, measure, must_not, must_say"],
        ),
        (GOOD.replace("kind: lasts", "kind: last"), ["site.yaml:5: unknown kind 'last' (did you mean lasts?)"]),
        (GOOD.replace("kind: lasts", "kind: [a]"), ["site.yaml:5: unknown kind ['a']"]),
        (GOOD.replace("1 min", "10 s"), ["site.yaml:7: rule new-rule: thresholds must be at least one, in ascending"]),
        (GOOD.replace("1 min", "9 s"), ["site.yaml:7: rule new-rule: thresholds must be at least one, in ascending"]),
        (
            re.sub(r"    thresholds:\n(      .*\n)+", "    thresholds: []\n", GOOD),
            ["site.yaml:7: rule new-rule: thresh"],
        ),
        (
            GOOD.replace("phase: held", "phase: heldd"),
            ["site.yaml:6: rule new-rule: Invalid enum value 'heldd' (one of"],
        ),
        (GOOD + "   bad indent: [\n", ["site.yaml:11: not YAML: "]),
        ("rules: [\n", ["site.yaml:2: not YAML: "]),
        ("rules: !!python/object:os.system {}\n", ["site.yaml:1: not YAML: "]),
        ("rules: \x00\n", ["site.yaml:1: cannot be read: "]),
        ("", ["site.yaml:1: not a mapping (begin with `rules:` or `change:`)"]),
        ("- id: x\n", ["site.yaml:1: not a mapping"]),
        ("ruels: []\n", ["site.yaml:1: unknown section 'ruels' (did you mean rules?)"]),
        ("7: []\n", ["site.yaml:1: unknown section 7"]),
        ("rules: {id: x}\n", ["site.yaml:1: `rules` is not a list (begin each rule with `- id:`)"]),
        ("rules:\n  - title: x\n", ["site.yaml:2: a rule without an id (add `id:` with a short name)"]),
        ("rules:\n  - id: 7\n", ["site.yaml:2: a rule without an id"]),
        ("rules:\n  - x\n", ["site.yaml:2: a rule without an id"]),
        ("change: [a]\n", ["site.yaml:1: `change` is not a mapping (rule id: {field: value})"]),
        ("change:\n  long-hodl: {title: x}\n", ["site.yaml:2: unknown rule 'long-hodl' (did you mean long-hold?)"]),
        ("change:\n  long-hold: 5\n", ["site.yaml:2: not a mapping (field: value)"]),
        ("change:\n  long-hold:\n    titel: x\n", ["site.yaml:3: unknown field 'titel' (did you mean title?)"]),
        ("change:\n  long-hold:\n    title: 5\n", ["site.yaml:3: rule long-hold: Expected `str`, got `int`"]),
        (
            "change:\n  long-hold: {title: a}\nwhy: x\nchange:\n  long-hold: {title: b}\n",
            ["site.yaml:4: 'change' stands here a second time"],
        ),
        (GOOD + "    title: 又一个\n", ["site.yaml:11: 'title' stands here a second time"]),
        ("rules: &a\n  - *a\n", ["site.yaml:1: a rule without an id"]),
    ],
)
def test_a_fault_is_told_with_its_line_and_its_mend(tmp_path: Path, text: str, fault: list[str]) -> None:
    found = faults(overlay(tmp_path, text))
    assert len(found) == len(fault), found
    for expected in fault:
        assert any(line.startswith(expected) for line in found), found


def test_all_faults_of_all_files_are_found_at_once(tmp_path: Path) -> None:
    overlay(tmp_path, GOOD.replace("10 s", "10"), "a.yaml")
    overlay(tmp_path, "rules: [", "b.yaml")
    overlay(tmp_path, "change:\n  long-hold: {titel: x, status: retired}\n  nothing: {}\n", "c.yaml")
    found = faults(tmp_path)
    assert [line.split(" ")[0] for line in sorted(found)] == [
        "a.yaml:8:",
        "b.yaml:1:",
        "c.yaml:2:",
        "c.yaml:2:",
        "c.yaml:3:",
    ]


def test_one_fault_hides_no_other_in_the_same_rule(tmp_path: Path) -> None:
    text = GOOD.replace("{after: 10 s, severity: warning}", "{after: 15, severity: warnin}")
    text = text.replace("phase: held", "phase: heldd").replace("{agent}", "{agnet}{}").replace('"000"', '"0O0"')
    text = text.replace("    title: 新规则\n", "").replace("1 min", "1 m") + "    also: [{quote: 5}, 7]\n"
    assert sorted(line.partition(" (")[0].removeprefix("site.yaml:") for line in faults(overlay(tmp_path, text))) == [
        "10: rule new-rule: Expected `object`, got `int`",
        "10: rule new-rule: Expected `str`, got `int`",
        "10: rule new-rule: Object missing required field `manual`",
        "10: rule new-rule: Object missing required field `section`",
        "2: rule new-rule: Object missing required field `title`",
        "3: {agnet} is no figure of a sentence",
        "3: {} is no figure of a sentence",
        "5: rule new-rule: Invalid enum value 'heldd'",
        "7: rule new-rule: Invalid enum value 'warnin'",
        "7: rule new-rule: unit missing: write 15 s, 15 min or 15 h",
        "8: rule new-rule: not a duration: '1 m'",
        "9: unknown manual '0O0'",
    ]


def test_the_rules_that_the_readme_shows_can_be_used(tmp_path: Path) -> None:
    new, change = re.findall("```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(load([overlay(tmp_path / "change", change)]).why) == 1
    new = "rules:\n" + new.replace("id: ring-over-three", "id: shown")
    assert load([overlay(tmp_path / "new", new)]).rule("shown")


def test_a_fault_that_an_overlay_brings_points_into_the_overlay_and_the_rest_into_the_book(tmp_path: Path) -> None:
    (line,) = faults(
        overlay(tmp_path, "why: x\nchange:\n  long-hold:\n    thresholds:\n      - {after: 5, severity: notice}\n")
    )
    assert line.startswith("site.yaml:5: rule long-hold: unit missing")


def test_a_rule_that_was_changed_before_it_is_written_again_is_a_duplicate(tmp_path: Path) -> None:
    change = overlay(tmp_path / "a", "change:\n  long-hold: {title: x}\n")
    again = overlay(tmp_path / "b", GOOD.replace("new-rule", "long-hold"))
    (line,) = faults(change, again)
    assert line.startswith("site.yaml:2: duplicate id 'long-hold'")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gbk.yaml").write_bytes("why: 说明".encode("gbk"))
    (line,) = faults(tmp_path)
    assert line.startswith("gbk.yaml:1: cannot be read: ")
    assert line.endswith("(a UTF-8 text file)")


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    for nowhere in (tmp_path, tmp_path / "missing"):
        (line,) = faults(nowhere)
        assert line == f"{nowhere}:1: no rules here (a folder with .yaml files, or one such file)"


# ------------------------------------------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10 s", 10), ("10s", 10), ("1.5 h", 5400), ("2 min", 120), ("10 秒", 10), ("2分钟", 120), (" 1 小时 ", 3600)],
)
def test_durations_are_read_with_their_unit(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1 s", "1,5 s", "10 S", "10 s s", "1 m", "٣ s x", None, True, [], 10, 10.5])
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match=r"unit missing|not a duration"):
        Duration.parse(text)


def test_each_kind_has_a_name_and_a_memory_of_the_same_name() -> None:
    for kind, cls in KINDS.items():
        assert cls.memory_type.__struct_config__.tag == kind
