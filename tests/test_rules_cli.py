"""``sansheng rules test``, ``list``, ``show`` and ``explain``: what they print and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from streams import terminal, timelines
from streams.alerts import AlertChange
from streams.detectors import KINDS
from streams.detectors.base import Rule
from streams.events import AnyEvent, render
from streams.explain import Record
from streams.replay import Driver, read_record, replay
from streams.rulebook.book import read
from streams.rulebook.page import page
from streams.rulebook.places import places
from streams.timelines import Timeline
from tests.conftest import Result, Run

RULES = Path(__file__).parent / "rules"
DEMO = Path(__file__).parent.parent / "deploy" / "demo" / "short-limits.yaml"
DRAFT, BOOK = read()
KNOWN = [rule.id for rule in BOOK.rules]
TIMELINES = [t for file in timelines.files_in([RULES]) for t in timelines.read(file, KNOWN).timelines]


@pytest.fixture
def rules(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``sansheng rules …``; the default book is read once for all tests."""
    assert DRAFT.faults == []
    monkeypatch.setattr(terminal, "read", lambda overlays: read(overlays) if list(overlays) else (DRAFT, BOOK))
    return partial(run, "rules")


RIGHT = """\
rule: ring-over-three
timelines:
  - name: one
    proves: positive
    events: [0 s 来电, 0 s 响铃 8026, 12 s 接听 8026]
    expect:
      - 10 s: 警告
      - 12 s: 解除
"""
WRONG = RIGHT.replace("10 s: 警告", "11 s: 警告")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site's own timelines, where ``rules test`` looks for them."""
    found = tmp_path / "tests" / "rules"
    found.mkdir(parents=True)
    (found / "ring-over-three.yaml").write_text(RIGHT)
    return found


# -------------------------------------------------------------------------------------------------- test


def test_right_timelines_are_a_line_a_rule(rules: Run, folder: Path) -> None:
    done = rules("test")
    assert done == Result(
        0,
        "ok     ring-over-three: 1 of 1 timelines (1 positive, 0 near-miss, 0 exemption)\n"
        "1 rules, 1 timelines, 0 failed\n",
        "",
    )


def test_a_wrong_timeline_is_told_with_all_that_came(rules: Run, folder: Path) -> None:
    (folder / "ring-over-three.yaml").write_text(WRONG)
    done = rules("test")
    assert done.code == 1
    assert done.out.splitlines()[:4] == [
        "FAILED ring-over-three: 0 of 1 timelines (1 positive, 0 near-miss, 0 exemption)",
        "  tests/rules/ring-over-three.yaml:3: ring-over-three: one",
        "    line 7: expected 11 s: 警告",
        "                came 10 s: 警告 8026 号坐席的电话已响铃 10 秒，仍无人接听",
    ]
    assert "all that came: 10 s: 警告 8026" in done.out
    assert done.out.endswith("1 rules, 1 timelines, 1 failed\n")


def test_a_fault_of_one_file_does_not_hide_the_others(rules: Run, folder: Path) -> None:
    (folder / "long-hold.yaml").write_text(RIGHT.replace("ring-over-three", "long-hold").replace("来电", "来店"))
    done = rules("test")
    assert done.code == 1
    assert "  tests/rules/long-hold.yaml:5: unknown event '来店' (did you mean `0 s 来电 13800000000`?)" in done.out
    assert "ok     ring-over-three" in done.out
    assert done.out.endswith("1 fault(s) in files\n")
    assert rules("test", "ring-over-three").code == 0


def test_only_the_rules_that_are_named_are_run(rules: Run, folder: Path) -> None:
    assert rules("test", "ring-over-three").code == 0
    done = rules("test", "long-hold")
    assert (done.code, done.err) == (2, "tests/rules: there are no timelines of long-hold\n")
    done = rules("test", "ring-over-tree")
    assert (done.code, done.err) == (2, "unknown rule 'ring-over-tree' (did you mean ring-over-three?)\n")


def test_no_timelines_are_told(rules: Run) -> None:
    done = rules("test")
    assert (done.code, done.out) == (2, "")
    assert "tests/rules: there are no timelines (give their folder with --timelines)" in done.err


def test_folders_add_up_and_an_overlay_is_tried(rules: Run, folder: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "ring-over-three.yaml").write_text(RIGHT)
    assert "2 rules, 2 timelines, 0 failed" in rules("test", "--timelines", "tests/rules", "--timelines", "more").out
    (tmp_path / "site.yaml").write_text("change: {ring-over-three: {thresholds: [{after: 11 s, severity: warning}]}}\n")
    assert rules("test", "--rulebook", "site.yaml").code == 1
    (folder / "ring-over-three.yaml").write_text(WRONG)
    assert rules("test", "--rulebook", "site.yaml").code == 0


def test_a_retired_rule_is_not_run(rules: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "ring-over-three.yaml").write_text(WRONG)
    (tmp_path / "site.yaml").write_text("change: {ring-over-three: {status: retired, retired_because: x}}\n")
    done = rules("test", "--rulebook", "site.yaml")
    assert done.code == 0
    assert "-      ring-over-three: retired, its 1 timelines were not run" in done.out


# --------------------------------------------------------------------------------------------------- list


def rows(done: Result) -> list[dict[str, object]]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_the_list_has_every_rule_with_its_place_and_timelines(rules: Run, folder: Path) -> None:
    listed = rows(rules("list", "--format", "ndjson"))
    assert [row["id"] for row in listed] == KNOWN
    ring = next(row for row in listed if row["id"] == "ring-over-three")
    assert ring["severities"] == [
        {"severity": "warning", "after_s": 10.0},
        {"severity": "critical", "after_s": 20.0},
    ]
    assert (ring["kind"], ring["status"], ring["chapter"], ring["timelines"]) == ("lasts", "live", "telephony", 1)
    assert (
        Path(str(ring["file"])).read_text("utf-8").splitlines()[int(str(ring["line"])) - 1] == "  - id: ring-over-three"
    )


@pytest.mark.parametrize(
    ("option", "value", "holds"),
    [
        ("kind", "surge", lambda row: row["kind"] == "surge"),
        ("status", "live", lambda row: row["status"] == "live"),
        ("chapter", "telephony", lambda row: row["chapter"] == "telephony"),
        ("severity", "critical", lambda row: "critical" in [s["severity"] for s in row["severities"]]),
    ],
)
def test_the_list_is_cut_by_each_filter(
    rules: Run, option: str, value: str, holds: Callable[[dict[str, object]], bool]
) -> None:
    everything = rows(rules("list", "--format", "ndjson"))
    listed = rows(rules("list", f"--{option}", value, "--format", "ndjson"))
    assert listed == [row for row in everything if holds(row)] != []


def test_the_table_has_its_columns_and_counts(rules: Run) -> None:
    done = rules("list", "--kind", "lasts", "--chapter", "telephony")
    assert done.code == 0
    assert "10 s warning, 20 s critical" in done.out
    assert "002 第19篇 第六十条" in done.out
    assert f"of {len(KNOWN)} rules, rulebook {BOOK.version}" in done.out


def test_an_unknown_chapter_is_told_with_the_nearest(rules: Run) -> None:
    done = rules("list", "--chapter", "telefony")
    assert (done.code, done.err) == (2, "unknown chapter 'telefony' (did you mean telephony?)\n")


# --------------------------------------------------------------------------------------------------- show


def test_a_page_says_everything_that_the_rule_says(rules: Run, folder: Path) -> None:
    done = rules("show", "ring-over-three")
    assert done.code == 0
    rule = BOOK.rule("ring-over-three")
    assert rule is not None
    for text in (
        "坐席的电话持续响铃：满 10 秒为警告，满 20 秒为严重",
        rule.clause.quote,
        rule.also[0].quote,
        "- one(positive)",
    ):
        assert text in done.out
    assert done.out.startswith("电话响铃超过三声  ring-over-three\n")
    assert "telephony.yaml:" in done.out


def test_a_page_says_what_an_overlay_changed_and_why(rules: Run) -> None:
    done = rules("show", "ring-over-three", "--rulebook", str(DEMO))
    assert "满 3 秒" in done.out
    assert f"{DEMO.name}:" in done.out
    assert "(原为 [{after: 10 s, severity: warning}, {after: 20 s, severity: critical}])" in done.out
    assert "理由:演示用" in done.out


@pytest.mark.parametrize(
    ("status", "said"),
    [("status: live", "触发后呼叫值班人员"), ("status: trial", "试行期间不呼叫"), ("page: false", "")],
)
def test_a_page_says_whether_the_rule_wakes_somebody(rules: Run, tmp_path: Path, status: str, said: str) -> None:
    page = "" if status.startswith("page") else "page: true, "
    (tmp_path / "site.yaml").write_text(f"change:\n  ring-over-three: {{{page}{status}}}\n", "utf-8")
    lines = [line.strip() for line in rules("show", "ring-over-three", "--rulebook", "site.yaml").out.splitlines()]
    assert [line for line in lines if line in ("触发后呼叫值班人员", "试行期间不呼叫")] == ([said] if said else [])


def test_a_page_shows_phrases_that_a_site_added(rules: Run, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("why: 本地说法\nadd:\n  apology: [不好意思哈]\n")
    done = rules("show", "late-answer-no-apology", "--rulebook", "site.yaml")
    assert "不好意思哈" in done.out.split("词语\n")[1].splitlines()[1]
    assert "site.yaml:3  〔apology〕:[不好意思哈](新增)\n      理由:本地说法\n" in done.out


def test_every_rule_has_a_page_in_words_without_a_field_left_raw(rules: Run) -> None:
    done = rules("show")
    assert done.code == 0
    where = places(DRAFT)
    for rule in BOOK.rules:
        sections = dict(page(BOOK, rule, where[rule.id], []))
        said = "".join(sections["什么时候报警"])
        assert "Duration" not in said and "Words(" not in said and "None" not in said, said
        assert f"{rule.title}  {rule.id}" in done.out
        assert sections["依据"][0].startswith(rule.clause.manual)


def test_every_kind_says_in_its_own_words_when_it_fires() -> None:
    assert [kind for kind, cls in KINDS.items() if cls.in_words is Rule.in_words] == []
    assert [kind for kind, cls in KINDS.items() if cls.account is Rule.account] == []


def test_an_unknown_rule_is_told_with_the_nearest(rules: Run) -> None:
    assert rules("show", "ring-over-tree").err == "unknown rule 'ring-over-tree' (did you mean ring-over-three?)\n"


# ------------------------------------------------------------------------------------------------ explain


def record_of(tmp_path: Path, timeline: str) -> str:
    """The record that a timeline makes, as a file."""
    file = tmp_path / "tests.yaml"
    file.write_text(timeline, "utf-8")
    (found,) = timelines.read(file, KNOWN).timelines
    record = tmp_path / "record.ndjson"
    record.write_bytes(b"".join(render(event) + b"\n" for event in found.events))
    return str(record)


LATE = """\
rule: late-answer-no-apology
timelines:
  - name: one
    proves: positive
    events:
      - 0 s 来电
      - 0 s 响铃 8026
      - 12 s 接听 8026
      - 13 s 坐席: 您好,请问有什么可以帮您
      - 40 s 坐席: 让您久等了
      - 60 s 挂机 客户
    expect: [27 s: 警告]
"""


def test_an_alert_is_explained_by_its_window_words_and_conditions(rules: Run, tmp_path: Path) -> None:
    record = record_of(tmp_path, LATE)
    changes = {change.rule: change for change in changes_of(record)}
    done = rules("explain", changes["late-answer-no-apology"].id, record)
    assert done.code == 0, done.err
    lines = [line.strip() for line in done.out.splitlines()]
    assert "通话 通话,2026-11-20 10:00:00.0(+0.0 s) 开始" in lines
    assert any(line.startswith("10:00:27.0(+27.0 s)  警告  电话响铃 12 秒才由 8026 号坐席接听") for line in lines)
    assert "是  anchor: answered  10:00:12.0(+12.0 s)" in lines
    assert "是  heard: agent  10:00:12.0(+12.0 s) 至 10:00:27.0(+27.0 s),15 秒" in lines
    assert any(line.startswith("否  words: ") and "没有说过" in line for line in lines)
    assert "是  lasted: 10 s  12.0 s" in lines


def test_a_rule_that_gave_no_alert_is_explained_too(rules: Run, tmp_path: Path) -> None:
    record = record_of(tmp_path, LATE.replace("您好,请问有什么可以帮您", "让您久等了,您好"))
    done = rules("explain", "--rule", "late-answer-no-apology", "--call", "通话", record)
    assert done.code == 0, done.err
    assert "没有报警;到记录结束时" in done.out
    assert "“久等”" in done.out
    done = rules("explain", "--rule", "long-hold", "--call", "通话", record)
    assert "否  phase: held  通话中没有出现过" in done.out


BEGINS = ["0 s 来电 13800000000", "0 s 响铃 8026", "2 s 接听 8026"]


def explained(rules: Run, tmp_path: Path, rule: str, *events: str) -> list[str]:
    """What ``explain --rule`` says of a call."""
    listed = "".join(f"      - {event}\n" for event in (*BEGINS, *events))
    text = f"rule: {rule}\ntimelines:\n  - name: one\n    proves: near-miss\n    expect: []\n    events:\n{listed}"
    done = rules("explain", "--rule", rule, "--call", "通话", record_of(tmp_path, text))
    assert done.code == 0, done.err
    return [line.strip() for line in done.out.splitlines()]


def test_lasts_tells_each_stretch_and_how_long_it_was(rules: Run, tmp_path: Path) -> None:
    said = explained(
        rules, tmp_path, "long-hold", "10 s 保持", "70 s 恢复", "80 s 保持", "180 s 恢复", "200 s 挂机 客户"
    )
    assert "否  phase: held  10:00:10.0(+10.0 s) 至 10:01:10.0(+70.0 s),1 分钟" in said
    assert "是  phase: held  10:01:20.0(+80.0 s) 至 10:03:00.0(+180.0 s),1 分 40 秒" in said
    assert "是  after: 90 s (notice)  10:02:50.0(+170.0 s)" in said
    assert any(line.startswith("10:02:50.0(+170.0 s)  提示  8026 号坐席已让客户保持等待") for line in said)


def test_silence_tells_whether_both_were_heard(rules: Run, tmp_path: Path) -> None:
    talk = ("3 s - 5 s 坐席: 您好", "6 s - 8 s 客户: 你好")
    said = explained(rules, tmp_path, "dead-air", *talk, "19 s - 21 s 坐席: 再见", "22 s 挂机 客户")
    assert "是  heard: both  坐席是,客户是" in said
    said = explained(
        rules, tmp_path, "dead-air", *talk, "8 s - 19 s 听不到 客户", "19 s - 21 s 坐席: 再见", "22 s 挂机 客户"
    )
    assert "否  heard: both  坐席是,客户无从得知" in said
    said = explained(rules, tmp_path, "dead-air", *talk, "12 s - 14 s 坐席: 再见", "15 s 挂机 客户")
    assert "否  phase: silence  10:00:08.0(+8.0 s) 至 10:00:12.0(+12.0 s),4 秒" in said


def test_says_tells_what_was_said_and_that_it_was_the_other_one(rules: Run, tmp_path: Path) -> None:
    said = explained(rules, tmp_path, "forbidden-arrogance", "5 s - 8 s 坐席: 不行就是不行", "20 s 挂机 客户")
    assert any(line.startswith("是  words: ") and "10:00:08.0(+8.0 s) 不行就是不行" in line for line in said)
    said = explained(rules, tmp_path, "forbidden-arrogance", "5 s - 8 s 客户: 不行就是不行", "20 s 挂机 客户")
    assert any("只有对方说过:客户 10:00:05.0(+5.0 s)“不行就是不行”" in line for line in said)


def test_must_say_tells_words_that_came_outside_the_window(rules: Run, tmp_path: Path) -> None:
    said = explained(
        rules, tmp_path, "hold-without-consent", "30 s 保持", "40 s 恢复", "41 s 坐席: 请稍等", "60 s 听到"
    )
    assert any(line.startswith("否  words: ") and line.endswith(";都不在时限内") for line in said)
    said = explained(rules, tmp_path, "hold-without-consent", "20 s 挂机 客户")
    assert "否  anchor: held  没有发生过" in said


def test_must_not_tells_who_hung_up_and_each_exemption(rules: Run, tmp_path: Path) -> None:
    said = explained(
        rules, tmp_path, "agent-hung-up-first", "5 s 坐席: 您好", "8 s 客户: 喂", "20 s 听到", "20 s 挂机 坐席"
    )
    assert "是  ended_by: agent  10:00:20.0(+20.0 s) 坐席挂机" in said
    assert "否  unless" in said
    assert any(line.startswith("否  said: any 〔道别〕 by agent  没有说过") for line in said)


def test_procedure_tells_how_far_it_came(rules: Run, tmp_path: Path) -> None:
    prompts = ("3 s - 4 s 坐席: 您好", "10 s - 11 s 坐席: 您好", "17 s 听到", "18 s 挂机 坐席")
    said = explained(rules, tmp_path, "silent-call-procedure", *prompts)
    assert "是  trigger: silent  没有出声" in said
    assert "否  steps: 3  走完 2 步;坐席 10:00:03.0(+3.0 s)“您好”;坐席 10:00:10.0(+10.0 s)“您好”" in said
    said = explained(rules, tmp_path, "silent-call-procedure", "6 s - 7 s 客户: 喂", *prompts)
    assert "否  trigger: silent  10:00:06.0(+6.0 s) 出声" in said


def test_measure_tells_the_worst_figure_of_a_call_that_is_over(rules: Run, tmp_path: Path) -> None:
    over = [f"{t} s - {t + 8} s 客户 出声" for t in (10, 40)] + [f"{t} s - {t + 8} s 坐席 出声" for t in (15, 45)]
    said = explained(rules, tmp_path, "talk-over", *over, "300 s - 301 s 坐席 出声", "310 s 挂机 客户")
    assert "否  overlaps of agent: above 3  最突出时 2,10:00:46.5(+46.5 s)" in said


def test_surge_tells_the_call_and_the_count_of_its_subject(rules: Run, tmp_path: Path) -> None:
    second = ("60 s 挂机 客户", "100 s [B] 来电 13800000000", "101 s [B] 接听 8027", "120 s [B] 挂机 客户")
    said = explained(rules, tmp_path, "repeat-caller", *second)
    assert "是  caller:13800000000: answered  10:00:02.0(+2.0 s)" in said
    assert any(line.startswith("是  at_least: 2 within 86400 s  2 通") for line in said)
    assert [line.split()[1] for line in said if line.startswith(("是  通话 ", "是  B "))] == ["通话", "B"] * 2


def test_an_alert_that_is_not_there_is_told_with_those_that_are(rules: Run, tmp_path: Path) -> None:
    record = record_of(tmp_path, LATE)
    done = rules("explain", "0123456789abcdef", record)
    assert done.code == 1
    assert "alert '0123456789abcdef' is not in the record; it has " in done.err
    assert {line.split()[0] for line in done.out.splitlines()} == {change.id for change in changes_of(record)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rule", "long-hold", "--call", "c9", "RECORD"], "call 'c9' is not in the record"),
        (["--rule", "long-holt", "--call", "通话", "RECORD"], "unknown rule 'long-holt' (did you mean long-hold?)"),
        (["--rule", "long-hold", "RECORD"], "--rule and --call belong together"),
        (["RECORD"], "no record given (RECORD is a file; write"),
        (["0123456789abcdef", "no.ndjson"], "no such file: no.ndjson"),
    ],
)
def test_what_is_missing_is_told(rules: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    record = record_of(tmp_path, LATE)
    done = rules("explain", *(record if each == "RECORD" else each for each in arguments))
    assert done.code in (1, 2)
    assert said.replace("RECORD", record) in done.err


def test_a_capture_is_explained_like_a_record(rules: Run) -> None:
    capture = str(Path(__file__).parent / "traces" / "asterisk" / "d_abandon.jsonl")
    done = rules("explain", "x", capture, "--from", "asterisk")
    assert done.code == 1
    assert "add `--from asterisk`" in rules("explain", "x", capture).err
    alert = done.out.split()[0]
    assert rules("explain", alert, capture, "--from", "asterisk").code == 0


def test_a_rule_that_may_not_fire_says_so(rules: Run, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("change: {late-answer-no-apology: {status: draft}}\n")
    record = record_of(tmp_path, LATE)
    options = ("--rule", "late-answer-no-apology", "--call", "通话", "--rulebook", "site.yaml")
    assert "规则状态:草稿(不报警)" in rules("explain", *options, record).out


def changes_of(record: str) -> list[AlertChange]:
    return [change for change in replay(BOOK, read_record(Path(record))) if isinstance(change, AlertChange)]


@pytest.mark.parametrize("timeline", TIMELINES, ids=lambda timeline: f"{timeline.rule}: {timeline.name}")
def test_explaining_judges_as_replay_does_and_every_verdict_has_its_reasons(timeline: Timeline) -> None:
    events: tuple[AnyEvent, ...] = timeline.events
    driver = Driver(BOOK)
    changes = [change for event in events for change in driver.feed(event)]
    changes += driver.finish(max(event.at for event in events))
    record = Record(BOOK, events)
    assert record.changes.keys() == {change.id for change in changes}
    for change in (change for change in changes if change.rule == timeline.rule):
        found = record.alert(change.id)
        assert found is not None
        assert all(verdict.account for verdict in found.verdicts)
        assert [v.told for v in found.verdicts] == [c for c in changes if c.id == change.id]
    for call in record.calls:
        stands = record.rule(timeline.rule, call)
        assert stands is not None
        assert stands.account
