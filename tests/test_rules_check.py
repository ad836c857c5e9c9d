"""`rules check`: what needs the whole book, or stands deep inside a rule, is found with its file, line and mend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.phrases.examples import examples
from streams.rulebook import book
from streams.rulebook.book import load
from streams.rulebook.lint import Checked, check, summary

SAYS = """\
phrases:
  rude: [磨蹭到]
rules:
  - id: rude-words
    title: 催促客户
    says: "{agent}说了{words}"
    kind: says
    by: agent
    words: [rude]
    severity: notice
    status: trial
    clause: {manual: "002", section: 第16篇 6.6.5, quote: 快点讲}
"""

DEEP = """\
rules:
  - id: deep
    title: 深处
    says: "{agent}没有说"
    kind: must_say
    by: agent
    status: trial
    severity: notice
    words: {any: [apology]}
    anchor: {said: [complaint-words], by: customer}
    when:
      any:
        - {said: {words: {any: [greeting], none: [farewell]}, by: agent, within: 20 s}}
        - not: {silent: {by: agent, for: 5 s}}
    unless:
      utterance: [restating]
    clause: {manual: "002", section: 第16篇 6.6.5, quote: 快点讲}
"""

STEPS = """\
rules:
  - id: stepwise
    title: 步骤
    says: "{agent}未走完步骤"
    kind: procedure
    status: trial
    severity: notice
    trigger: {silent: true}
    steps:
      - {words: [greeting], pause: 5 s}
      - {words: [apology], again: true}
    clause: {manual: "002", section: 第16篇 6.6.5, quote: 快点讲}
"""


BOOK = """\
phrases:
  greeting: [你好]
  apology: [抱歉, 不好意思]
  farewell: [再见]
  complaint-words: [我要投诉]
  restating: [你是说]
  swearing: [混蛋]
groups: {news: ["90*"]}
rules:
  - id: long-hold
    title: 保持过久
    says: "{agent}让客户等待 {duration}"
    kind: lasts
    phase: held
    thresholds: [{after: 90 s, severity: notice}]
    clause: {manual: "002", section: 第16篇 3.2.9, quote: 不应超过2分钟}
    unless: {said: {words: [greeting, farewell, complaint-words, restating], by: agent}}
  - id: abuse
    title: 辱骂
    says: "{agent}未走完步骤"
    kind: procedure
    status: trial
    severity: notice
    trigger: {words: [swearing]}
    steps: [{words: [apology]}]
    clause: {manual: "002", section: 第16篇 3.3.4, quote: 可作适当提醒}
"""
SILENT = "{silent: {by: agent, for: 5 s}}"
EXEMPT = "utterance: [restating]"
CLAUSE = '    clause: {manual: "002", section: 第16篇 6.6.5, quote: 快点讲}\n'
ELSEWHERE = "the quote does not stand in 第16篇 6.6.5 of 客户客服对话范文"


@pytest.fixture(autouse=True)
def small_book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A default book that does not grow."""
    folder = tmp_path_factory.mktemp("default")
    (folder / "book.yaml").write_text(BOOK, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "DEFAULT_RULES", folder)
        yield


def checked(folder: Path, text: str, *, name: str = "site.yaml", timelines: Path | None = None) -> Checked:
    (folder / name).write_text(text, "utf-8")
    return check([folder], [timelines] if timelines else [])


def faults(folder: Path, text: str) -> list[str]:
    return [str(fault) for fault in checked(folder, text).faults]


@pytest.mark.parametrize("text", [SAYS, DEEP, STEPS])
def test_what_the_following_tests_break_is_clean(tmp_path: Path, text: str) -> None:
    found = checked(tmp_path, text)
    assert not found.faults
    assert not found.warnings


# ------------------------------------------------------------------------------------------- deep inside a rule


FIELDS = [
    (DEEP, "within", "wihtin", "13: unknown field 'wihtin' (did you mean within?)"),
    (DEEP, "none: [", "nune: [", "13: unknown field 'nune' (did you mean none?)"),
    (DEEP, "not: {silent", "nto: {silent", "14: unknown field 'nto' (did you mean not?)"),
    (DEEP, "for: 5 s", "fro: 5 s", "14: unknown field 'fro' (did you mean for?)"),
    (DEEP, "utterance", "utterence", "16: unknown field 'utterence' (did you mean utterance?)"),
    (DEEP, "customer}", "customer, nht: 2}", "10: unknown field 'nht' (did you mean nth?)"),
    (DEEP, "{any: [apology]}", "{ayn: [x], any: [apology]}", "9: unknown field 'ayn' (did you mean any?)"),
    (STEPS, "pause", "pauze", "10: unknown field 'pauze' (did you mean pause?)"),
    (STEPS, "silent: true", "silent: true, slient: 1", "8: unknown field 'slient' (did you mean silent?)"),
    (
        SAYS,
        "[磨蹭到]",
        "{phrase: [], phrases: [磨蹭到]}",
        "2: phrase set rude: unknown field 'phrase' (did you mean phr",
    ),
    (DEEP, "20 s", "20", "13: rule deep: unit missing: write 20 s, 20 min or 20 h"),
    (STEPS, "5 s", "5", "10: rule stepwise: unit missing"),
    (DEEP, SILENT, "{hours: [9-18]}", "14: rule deep: not hours: '9-18'"),
    (DEEP, SILENT, "{days: [sunday]}", "14: rule deep: Invalid enum value 'sunday' (one of"),
]
NAMES = [
    (DEEP, "[greeting]", "[greting]", "13: unknown phrase set 'greting' (did you mean greeting?)"),
    (DEEP, "[complaint-words]", "[complaint]", "10: unknown phrase set 'complaint' (did you mean complaint-words?)"),
    (DEEP, "[restating]", "[(没完]", "16: '(没完': '(' is not closed"),
    (SAYS, "磨蹭到", "(磨蹭", "2: '(磨蹭': '(' is not closed"),
    (DEEP, EXEMPT, "done: abusive", "16: unknown procedure 'abusive' (did you mean abuse?)"),
    (DEEP, EXEMPT, "done: long-hold", "16: unknown procedure 'long-hold' (one of abuse)"),
    (DEEP, EXEMPT, 'agent: ["8*", "@new"]', "16: unknown group of agents '@new' (did you mean news?)"),
    (SAYS, CLAUSE, "", "4: rule rude-words: Object missing required field `clause` (each rule cites one"),
    (SAYS, ", quote: 快点讲", "", "12: a clause without its words (add `quote:`"),
    (SAYS, "quote: 快点讲", "quote: 快点儿讲", f"12: {ELSEWHERE} (copy the words"),
    (SAYS, "quote: 快点讲", "quote: 讲清楚点啦", f"12: {ELSEWHERE} (it stands in 第16篇 6.6.4)"),
    (SAYS, "6.6.5", "6.6.55", "12: unknown section '第16篇 6.6.55' (the words stand in 第16篇 6.6.5)"),
    (
        SAYS,
        "6.6.5, quote: 快点讲",
        "6.6.77, quote: 无此原文",
        "12: unknown section '第16篇 6.6.77' (did you mean 第16篇 6.6.",
    ),
    (SAYS, '"002"', "002", "12: rule rude-words: Expected `str`, got `int` (a number that is a name stands in quotes"),
]
SITE = [
    ("groups: {a: [80]}\n", "1: group a: not a list of texts"),
    ("groups: [a]\n", "1: `groups` is not a mapping"),
    ("calendar:\n  holidays:\n    2026-10-11: 店庆\n    十月一日: 错\n", "4: calendar: '十月一日' is no date"),
    ("calendar:\n  workday: [2026-10-11]\n", "2: calendar: unknown field 'workday' (did you mean workdays?)"),
    ('manuals: {"000": {title: 又一本}}\n', "1: duplicate manual '000'"),
    ('manuals:\n  "900":\n    titel: x\n    title: x\n', "3: manual 900: unknown field 'titel' (did you mean title?)"),
    ("add:\n  apology:\n    - 真是抱歉得很哪\n    - (歉\n", "4: '(歉': '(' is not closed"),
    ("add:\n  apologies: [x]\n", "2: unknown phrase set 'apologies' (did you mean apology?)"),
    ("phrases:\n  apology: [x]\n", "2: duplicate phrase set 'apology' (first in book.yaml:3;"),
]


@pytest.mark.parametrize(("text", "old", "new", "fault"), [*FIELDS, *NAMES])
def test_a_fault_in_a_rule_is_told_with_its_line_and_its_mend(
    tmp_path: Path, text: str, old: str, new: str, fault: str
) -> None:
    assert old in text
    (found,) = faults(tmp_path, text.replace(old, new))
    assert found.startswith(f"site.yaml:{fault}")


@pytest.mark.parametrize(("text", "fault"), SITE)
def test_a_fault_in_another_section_is_told_with_its_line_and_its_mend(tmp_path: Path, text: str, fault: str) -> None:
    (found,) = faults(tmp_path, text)
    assert found.startswith(f"site.yaml:{fault}")


def test_a_procedure_that_does_not_judge_cannot_be_done(tmp_path: Path) -> None:
    text = STEPS.replace("status: trial", "status: draft") + DEEP.removeprefix("rules:\n")
    (found,) = faults(tmp_path, text.replace("utterance: [restating]", "done: stepwise"))
    assert found.startswith("site.yaml:27: the procedure 'stepwise' is draft (make it live or trial)")


def test_marks_and_spaces_make_no_difference_to_a_quote_and_dots_leave_words_out(tmp_path: Path) -> None:
    for quote in ("“ 啰啰嗦嗦、快点讲!”", "“啰啰嗦嗦、快点讲!”", "「啰啰嗦嗦、 快点讲!」", "啰啰…快点讲", "啰啰……讲"):
        assert not faults(tmp_path, SAYS.replace("quote: 快点讲", f"quote: {quote}"))
    for quote in ("讲…啰啰", "啰啰…快点说", "啰啰嗦嗦快点讲"):
        assert len(faults(tmp_path, SAYS.replace("quote: 快点讲", f"quote: {quote}"))) == 1


def test_a_site_may_cite_its_own_manual(tmp_path: Path) -> None:
    own = SAYS.replace('"002", section: 第16篇 6.6.5', '"900", section: 第三条').replace("快点讲", "不催促")
    manual = 'manuals:\n  "900": {title: 本中心规范, clauses: [{section: 第三条, text: 不催促客户。}]}\n'
    assert not faults(tmp_path, own + manual)
    assert load([tmp_path]).rule("rude-words").clause.title == "本中心规范"  # type: ignore[union-attr]
    (found,) = faults(tmp_path, own.replace("第三条", "第四条") + manual)
    assert found == "site.yaml:12: unknown section '第四条' (the words stand in 第三条)"
    # a manual without its clauses is taken at its word
    assert not faults(tmp_path, own + 'manuals:\n  "900": {title: 本中心规范}\n')


# ----------------------------------------------------------------------------------------------------- phrases


def test_a_phrase_that_stands_twice_is_told_where_it_stands_again(tmp_path: Path) -> None:
    text = SAYS.replace("[磨蹭到]", "\n    - 磨蹭到\n    - 别磨蹭了\n    - 磨蹭,到!")
    (found,) = faults(tmp_path, text)
    assert found.startswith("site.yaml:5: phrase set rude: '磨蹭,到!' stands here a second time (first in site.yaml:3;")


def test_a_phrase_that_an_overlay_adds_again_is_told_in_the_overlay(tmp_path: Path) -> None:
    (found,) = faults(tmp_path, "add:\n  apology:\n    - 真是抱歉得很哪\n    - 不好意思\n")
    assert found.startswith(
        "site.yaml:4: phrase set apology: '不好意思' stands here a second time (first in book.yaml:"
    )


def second(words: str, more: str = "") -> str:
    """``SAYS`` with another rule of forbidden words behind it, from line 13."""
    rule = SAYS.partition("rules:\n")[2].replace("rude-words", "ruder-words").replace("[rude]", words)
    return SAYS + rule + more


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("[磨蹭到]", 18),  # the same
        ("[你磨蹭到行不行]", 18),  # a longer one holds it
        ('["(磨|拖)蹭[到]"]', 18),  # one of its ways
        ("{all: [磨蹭到, 行不行]}", 18),  # with what has to stand beside it
        ("[rude]", 2),  # the same set
    ],
)
def test_a_phrase_that_another_rule_forbids_already_is_told(tmp_path: Path, words: str, line: int) -> None:
    (found,) = faults(tmp_path, second(words))
    assert found.startswith(f"site.yaml:{line}: ")
    assert "forbidden by ruder-words, is forbidden by rude-words already" in found


@pytest.mark.parametrize(
    "text",
    [
        second("[磨蹭]"),  # the shorter phrase is not forbidden by the longer: but the longer is, by the shorter
        second("[rude]").replace("severity: notice", "times: 3\n    within: 1 min\n    severity: notice", 1),
    ],
)
def test_it_is_told_of_the_rule_whose_phrase_is_superfluous(tmp_path: Path, text: str) -> None:
    (found,) = faults(tmp_path, text)
    assert "forbidden by rude-words, is forbidden by ruder-words already" in found


@pytest.mark.parametrize(
    "text",
    [
        second("[你磨蹭到行不行]", "    unless: {utterance: [rude]}\n"),
        second("[你磨蹭到行不行]", "    unless: {any: [{direction: outbound}, {utterance: [rude]}]}\n"),
        second("[你磨蹭到行不行]", "    when: {not: {utterance: [rude]}}\n"),
        second("[你磨蹭到行不行]").replace("[磨蹭到]", "{phrases: [磨蹭到], but_not: [磨蹭到行不行]}"),
        second("[磨蹭到]").replace("by: agent", "by: customer", 1),
        second("[磨蹭到]").replace("status: trial", "status: draft", 1),
        second("[磨蹭到]").replace("severity: notice", "times: 3\n    within: 1 min\n    severity: notice"),
    ],
)  # fmt: skip
def test_it_is_no_fault_where_only_one_of_them_fires(tmp_path: Path, text: str) -> None:
    assert not faults(tmp_path, text)


def test_an_exemption_that_does_not_rest_on_the_sentence_yields_nothing(tmp_path: Path) -> None:
    for more in ("unless: {direction: outbound}", "unless: {all: [{utterance: [rude]}, {queue: [vip]}]}"):
        assert len(faults(tmp_path, second("[你磨蹭到行不行]", f"    {more}\n"))) == 1


def test_a_phrase_set_that_no_rule_uses_is_a_warning(tmp_path: Path) -> None:
    assert not checked(tmp_path, SAYS).warnings
    found = checked(tmp_path, "phrases:\n  spare: [备用的话]\n")
    assert not found.faults
    assert [str(w) for w in found.warnings] == [
        "site.yaml:2: no rule uses the phrase set 'spare' (name it in a rule, or take it out)"
    ]


@pytest.mark.parametrize(
    ("phrase", "sentences"),
    [
        ("没[有]办法", ["没办法", "没有办法"]),
        ("(甲|乙[丙])说", ["甲说", "乙说", "乙丙说"]),
        ("^叫…领导$", ["叫领导"]),
        ("工号#", ["工号5"]),
        ("#{2-6}号", ["55号"]),
    ],
)
def test_examples_are_the_ways_through_a_phrase(phrase: str, sentences: list[str]) -> None:
    assert examples(phrase) == sentences


# --------------------------------------------------------------------------------------------------- timelines


def test_a_live_rule_needs_a_timeline_and_a_trial_rule_none(tmp_path: Path) -> None:
    timelines = tmp_path / "timelines"
    timelines.mkdir()
    site = tmp_path / "site"
    site.mkdir()
    live = SAYS.replace("    status: trial\n", "")
    (fault,) = checked(site, live, timelines=timelines).faults
    mend = f"write {timelines}/rude-words.yaml, or let it begin with `status: trial`"
    assert str(fault) == f"site.yaml:4: rule rude-words is live without a timeline ({mend})"
    assert not checked(site, SAYS, timelines=timelines).faults
    (timelines / "any-name.yaml").write_text("rule: rude-words\ntimelines: []\n", "utf-8")
    assert len(checked(site, live, timelines=timelines).faults) == 1
    (timelines / "any-name.yaml").write_text("rule: rude-words\ntimelines:\n  - name: x\n", "utf-8")
    assert not checked(site, live, timelines=timelines).faults


def test_without_a_folder_of_timelines_it_is_a_warning(tmp_path: Path) -> None:
    found = checked(tmp_path, SAYS.replace("    status: trial\n", ""))
    assert not found.faults
    assert [str(w).partition(" (")[0] for w in found.warnings] == [
        "site.yaml:4: rule rude-words is live without a timeline"
    ]


def test_an_overlay_that_only_changes_thresholds_needs_no_timeline(tmp_path: Path) -> None:
    text = "change:\n  long-hold:\n    thresholds: [{after: 7 s, severity: notice}]\n"
    (tmp_path / "timelines").mkdir()
    assert not checked(tmp_path, text, timelines=tmp_path / "timelines").faults
    # the default book itself needs them
    untested = [fault for fault in check([], [tmp_path / "timelines"]).faults if "without a timeline" in fault.problem]
    assert [fault.problem for fault in untested] == ["rule long-hold is live without a timeline"]


def test_faults_of_the_form_hide_none_of_the_whole(tmp_path: Path) -> None:
    text = second("[磨蹭到]").replace("rude: [磨蹭到]", "rude: [磨蹭到, 磨蹭到, '(磨']")
    found = faults(tmp_path, text + STEPS.removeprefix("rules:\n").replace("title:", "titel:"))
    assert sorted(line.split(": ")[1].split(" ")[0] for line in found) == [
        "'(磨'",
        "'磨蹭到',",
        "phrase",
        "rule",
        "unknown",
    ]


# ---------------------------------------------------------------------------------------------------- overlays


def test_what_an_overlay_changes_is_told(tmp_path: Path) -> None:
    text = """\
why: 试点
change:
  long-hold:
    thresholds: [{after: 7 s, severity: notice}]
    status: trial
    title: 保持过久
add: {apology: [真是抱歉得很哪]}
groups: {new-staff: ["90*"]}
calendar: {workdays: [2026-10-11]}
"""
    (tmp_path / "a.yaml").write_text(text, "utf-8")
    (tmp_path / "b.yaml").write_text(
        SAYS + "change:\n  long-hold:\n    status: retired\n    retired_because: 试完了\n", "utf-8"
    )
    laid = load([tmp_path])
    told = [(c.rule, c.field, c.old, c.new, f"{c.file}:{c.line}", c.why) for c in laid.changed if c.rule]
    before = "[{after: 90 s, severity: notice}]"
    assert told == [
        ("long-hold", "thresholds", before, "[{after: 7 s, severity: notice}]", "a.yaml:4", "试点"),
        ("long-hold", "status", "", "trial", "a.yaml:5", "试点"),
        ("rude-words", "", "", "催促客户", "b.yaml:4", ""),
        ("long-hold", "status", "trial", "retired", "b.yaml:15", ""),
        ("long-hold", "retired_because", "", "试完了", "b.yaml:16", ""),
    ]
    assert [(c.section, c.name, c.new) for c in laid.changed if not c.rule] == [
        ("add", "apology", "[真是抱歉得很哪]"),
        ("groups", "new-staff", "[90*]"),
        ("calendar", "workdays", "[2026-10-11]"),
        ("phrases", "rude", "[磨蹭到]"),
    ]
    assert load().changed == ()
    lines = list(summary(laid))
    assert lines[0] == "overlay a.yaml: 试点"
    assert f"  a.yaml:4: long-hold thresholds: {before} → [{{after: 7 s, severity: notice}}]" in lines
    assert "overlay b.yaml: it does not say why" in lines
    assert "  b.yaml:4: rude-words: new: 催促客户" in lines


def test_an_overlay_that_changes_nothing_says_its_reason(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("why: 备用\nchange:\n  long-hold: {title: 保持过久}\n", "utf-8")
    assert list(summary(load([tmp_path]))) == ["overlay: 备用"]


def test_later_days_are_laid_over_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("calendar: {holidays: {2026-11-02: 店庆, 2026-11-03: 店庆}}\n", "utf-8")
    (tmp_path / "b.yaml").write_text("calendar: {workdays: [2026-11-03], holidays: {2026-11-04: 盘点}}\n", "utf-8")
    calendar = load([tmp_path]).calendar
    assert {str(day): name for day, name in calendar.holidays.items()} == {"2026-11-02": "店庆", "2026-11-04": "盘点"}
    assert [str(day) for day in calendar.workdays] == ["2026-11-03"]
