"""The timelines of all rules, and the runner itself: a timeline that is wrong must fail, and say where.

The rule under test of the runner is ``ring-over-three``: a warning at 10 s of ringing, critical at 20 s.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streams import timelines
from streams.events import (
    AgentMissed,
    AgentRinging,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    CallTransferred,
    CallTransferring,
    Gap,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    TransferFailed,
    render,
)
from streams.replay import read_record
from streams.rulebook.book import load
from streams.timelines import PROVES, Change, Outcome, Sheet, Timeline

BOOK = load()
KNOWN = [rule.id for rule in BOOK.rules]
SHEETS = [timelines.read(file, KNOWN) for file in timelines.files_in([Path(__file__).parent / "rules"])]

Write = Callable[..., Sheet]


# ---------------------------------------------------------------------------------------------- all rules


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.file.stem)
def test_a_file_of_timelines_has_no_fault_and_proves_all_three(sheet: Sheet) -> None:
    assert [str(fault) for fault in sheet.faults] == []
    assert {timeline.proves for timeline in sheet.timelines} == set(PROVES)


@pytest.mark.parametrize(
    "timeline",
    [timeline for sheet in SHEETS for timeline in sheet.timelines],
    ids=lambda timeline: f"{timeline.rule}: {timeline.name}",
)
def test_timeline(timeline: Timeline) -> None:
    by = timelines.trying(BOOK, timeline.rule)
    if by is None:
        pytest.skip("the rule is retired")
    outcome = timelines.run(by, timeline)
    assert outcome.passed, str(outcome)


# ---------------------------------------------------------------------------------------------- the runner

GOOD = """\
rule: ring-over-three
timelines:
  - name: one
    proves: positive
    events:
      - 0 s 来电
      - 0 s 响铃 8026
      - 23 s 接听 8026
    expect:
      - 9.9 s: 无
      - 10 s: 警告 8026 号坐席的电话已响铃 10 秒,仍无人接听
      - 20 s: 升级 严重
      - 23 s: 解除
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file of timelines with the text given, read."""

    def written(text: str, name: str = "ring-over-three.yaml") -> Sheet:
        file = tmp_path / name
        file.write_text(text, "utf-8")
        return timelines.read(file, KNOWN)

    return written


def only(sheet: Sheet) -> Timeline:
    assert sheet.faults == ()
    (timeline,) = sheet.timelines
    return timeline


def judged(sheet: Sheet) -> Outcome:
    return timelines.run(BOOK, only(sheet))


def told(outcome: Outcome) -> list[tuple[int, str, str]]:
    return [(d.line, d.expected, d.came) for d in outcome.differences]


def test_a_right_timeline_passes(write: Write) -> None:
    assert judged(write(GOOD)).passed


NONE = "nothing of the kind"
OPENED = "10 s: 警告 8026 号坐席的电话已响铃 10 秒，仍无人接听"
RAISED = "20 s: 升级 严重 8026 号坐席的电话已响铃 20 秒，仍无人接听"
CLEARED = "23 s: 解除 8026 号坐席的电话响铃 23 秒后结束：已接听"


@pytest.mark.parametrize(
    ("right", "wrong", "difference"),
    [
        ("已响铃 10 秒", "已响铃 11 秒", (11, OPENED.replace("铃 10", "铃 11"), OPENED)),
        ("- 20 s: 升级 严重", "- 20.06 s: 升级 严重", (12, "20.06 s: 升级 严重", RAISED)),
        ("- 20 s: 升级 严重", "- 20 s: 升级 警告", (12, "20 s: 升级 警告", RAISED)),
        ("- 20 s: 升级 严重", "- 20 s: 严重", (12, "20 s: 严重", RAISED)),
        ("      - 20 s: 升级 严重\n", "", (12, "nothing more", RAISED)),
        ("- 23 s: 解除", "- 23 s: 解除\n      - 24 s: 警告", (14, "24 s: 警告", NONE)),
        ("- 23 s: 解除", "- 22 s: 警告\n      - 23 s: 解除", (13, "22 s: 警告", NONE)),
        ("      - 23 s: 解除\n", "", (4, "nothing more", CLEARED)),
        ("- 9.9 s: 无", "- 10 s: 无", (10, "10 s: 无", OPENED)),
        ("- 20 s: 升级 严重", "- 20 s: 升级 严重\n      - 21 s: 未判定", (13, "21 s: 未判定", NONE)),
        ("- 20 s: 升级", "- 20 s [B]: 升级", (12, "20 s [B]: 升级 严重", RAISED)),
    ],
)
def test_a_wrong_timeline_fails_and_says_on_which_line(
    write: Write, right: str, wrong: str, difference: tuple[int, str, str]
) -> None:
    assert GOOD.count(right) == 1
    outcome = judged(write(GOOD.replace(right, wrong)))
    assert not outcome.passed
    found = told(outcome)
    if difference[0] == 4:  # a surplus change behind the last line: it is told of the line before, or of the timeline
        assert [(expected, came) for _, expected, came in found] == [difference[1:]]
    else:
        assert difference in found
    assert ":3: ring-over-three: one" in str(outcome)


def test_a_wrong_nothing_leaves_the_alert_missing_too(write: Write) -> None:
    outcome = judged(write(GOOD.replace("- 9.9 s: 无", "- 10 s: 无")))
    assert [d.expected for d in outcome.differences] == ["10 s: 无", OPENED]


def test_a_time_is_right_within_a_twentieth_of_a_second(write: Write) -> None:
    assert judged(write(GOOD.replace("- 20 s: 升级", "- 20.05 s: 升级"))).passed
    assert judged(write(GOOD.replace("- 20 s: 升级", "- 19.95 s: 升级"))).passed
    assert not judged(write(GOOD.replace("- 20 s: 升级", "- 19.94 s: 升级"))).passed


def test_time_passes_up_to_the_last_nothing_or_end_and_no_further(write: Write) -> None:
    rings = GOOD.replace("      - 23 s 接听 8026\n", "")
    rings = rings[: rings.index("      - 20 s: 升级")]
    assert not judged(write(rings)).passed
    assert judged(write(rings + "      - 19.9 s: 无\n")).passed
    assert judged(write(rings.replace("    expect", "      - 10 s 结束\n    expect"))).passed
    late = judged(write(rings.replace("    expect", "      - 20 s 结束\n    expect")))
    assert [came for _, _, came in told(late)] == [RAISED]


def test_a_timeline_without_alert_fails_where_one_comes(write: Write) -> None:
    head = GOOD[: GOOD.index("    expect")].replace("positive", "near-miss")
    outcome = judged(write(head + "    expect: []\n"))
    assert [came for _, _, came in told(outcome)] == [OPENED, RAISED, CLEARED]


def test_what_other_rules_say_does_not_matter(write: Write) -> None:
    """The agent hangs up first: that is another rule's."""
    assert judged(write(GOOD.replace("    expect", "      - 60 s 挂机 坐席\n    expect"))).passed


def test_several_calls_are_told_apart_by_their_tags(write: Write) -> None:
    more = "      - 5 s [B] 来电\n      - 5 s [B] 响铃 8027\n      - 16 s [B] 接听 8027\n    expect"
    two = GOOD.replace("    expect", more).replace(
        "      - 20 s: 升级", "      - 15 s [B]: 警告\n      - 16 s [B]: 解除\n      - 20 s: 升级"
    )
    assert judged(write(two)).passed
    assert not judged(write(two.replace("15 s [B]: 警告", "15 s [通话]: 警告"))).passed


def test_not_judged_is_expected_like_anything_else(write: Write) -> None:
    lost = """\
rule: late-answer-no-apology
timelines:
  - name: lost
    proves: exemption
    events:
      - 0 s 来电
      - 0 s 响铃 8026
      - 12 s 接听 8026
      - 12 s - 40 s 听不到 坐席
      - 40 s 挂机 客户
    expect:
      - 27 s: 未判定
"""
    assert judged(write(lost, "late-answer-no-apology.yaml")).passed
    silent = judged(write(lost.replace("      - 27 s: 未判定\n", "      - 40 s: 无\n"), "late-answer-no-apology.yaml"))
    assert told(silent) == [(12, "40 s: 无", "27 s: 未判定")]


def test_a_draft_is_tried_and_a_retired_rule_is_not(write: Write, tmp_path: Path) -> None:
    overlay = tmp_path / "site.yaml"
    overlay.write_text("change: {ring-over-three: {status: draft}}\n")
    tried = timelines.trying(load([overlay]), "ring-over-three")
    assert tried is not None
    assert timelines.run(tried, only(write(GOOD))).passed
    overlay.write_text("change: {ring-over-three: {status: retired, retired_because: x}}\n")
    assert timelines.trying(load([overlay]), "ring-over-three") is None
    assert timelines.trying(BOOK, "ring-over-three") is BOOK


# ---------------------------------------------------------------------------------------------- the format


def events_of(sheet: Sheet) -> list[object]:
    return list(only(sheet).events)


def lines(*events: str, head: str = "") -> str:
    listed = "".join(f"      - {event}\n" for event in events)
    return (
        "rule: ring-over-three\ntimelines:\n  - name: one\n    proves: near-miss\n"
        f"    start: 1970-01-01 08:00\n{head}    events:\n{listed}    expect: []\n"
    )


def test_every_event_becomes_what_the_record_says(write: Write) -> None:
    c = timelines.CALL
    text = lines(
        "0 s 来电 13800000000",
        "1 s 响铃 8026",
        "2 s 未接 8026",
        "3 s 接听 8027",
        "4 s 保持",
        "5 s 恢复",
        "6 s 保持 客户",
        "7 s 恢复 客户",
        "8 s 转接 9001",
        "9 s 响铃 9001 咨询",
        "10 s 转接失败",
        "11 s 转接 9002 咨询转",
        "12 s 接通 9002",
        "13 s - 14.5 s 听不到 客户",
        "1 min 30 s 挂机 系统 call dropped",
        "2 h 结束",
        head="    call: {queue: hotline, called: 10000}\n",
    )
    assert events_of(write(text)) == [
        CallOffered(call=c, at=0, caller="13800000000", called="10000", queue="hotline"),
        AgentRinging(call=c, at=1, agent="8026"),
        AgentMissed(call=c, at=2, agent="8026"),
        CallAnswered(call=c, at=3, agent="8027"),
        CallHeld(call=c, at=4, by="agent"),
        CallResumed(call=c, at=5, by="agent"),
        CallHeld(call=c, at=6, by="customer"),
        CallResumed(call=c, at=7, by="customer"),
        CallTransferring(call=c, at=8, to="9001", mode="blind"),
        AgentRinging(call=c, at=9, agent="9001", extra={"consult": True}),
        TransferFailed(call=c, at=10),
        CallTransferring(call=c, at=11, to="9002", mode="attended"),
        CallTransferred(call=c, at=12, agent="9002"),
        Gap(call=c, at=14.5, role="customer", start=13, end=14.5),
        CallEnded(call=c, at=90, by="system", cause="call dropped"),
    ]
    assert only(write(text)).until == 7200


def test_speech_is_marks_and_a_finished_sentence(write: Write) -> None:
    text = lines(
        "0 s 来电",
        "1 s 接听 8026",
        "2 s 坐席: 您好,请问",
        "5 s - 7 s 客户：喂",
        "8 s - 9 s 坐席 出声",
        "10 s 听到",
        "11 s 客户 出声",
    )
    c = timelines.CALL

    def said(role: str, text: str, start: float, end: float) -> Transcript:
        at = end + 0.4
        return Transcript(call=c, at=at, role=role, text=text, start=start, end=end, final=True, through=at)

    def heard(role: str) -> Transcript:
        return Transcript(call=c, at=10, role=role, text="", start=10, end=10, final=True, through=10)

    assert events_of(write(text))[2:] == [
        SpeechStarted(call=c, at=2, role="agent"),
        SpeechEnded(call=c, at=3, role="agent"),  # four characters, four a second
        said("agent", "您好,请问", 2, 3),
        SpeechStarted(call=c, at=5, role="customer"),
        SpeechEnded(call=c, at=7, role="customer"),
        said("customer", "喂", 5, 7),
        SpeechStarted(call=c, at=8, role="agent"),
        SpeechEnded(call=c, at=9, role="agent"),
        heard("agent"),
        heard("customer"),
        SpeechStarted(call=c, at=11, role="customer"),  # it goes on
    ]


def test_a_call_out_and_the_fields_of_one_call(write: Write) -> None:
    text = lines(
        "0 s 呼出 13900000000", "0 s [B] 来电", head="    calls: {B: {queue: vip}}\n    call: {caller: '8026'}\n"
    )
    assert events_of(write(text)) == [
        CallOffered(call=timelines.CALL, at=0, caller="8026", called="13900000000", direction="outbound"),
        CallOffered(call="B", at=0, caller="8026", queue="vip"),
    ]


def test_it_begins_on_a_plain_friday_morning_in_beijing(write: Write) -> None:
    assert only(write(GOOD)).start == 1795140000.0  # 2026-11-20T02:00:00Z


@pytest.mark.parametrize(
    ("right", "wrong", "line", "said"),
    [
        ("rule: ring", "rule: bring", 1, "unknown rule 'bring-over-three' (did you mean ring-over-three?)"),
        ("rule: ring-over-three", "rule: long-hold", 1, "call the file long-hold.yaml"),
        ("timelines:", "timeline:", 1, "timelines missing (add `timelines:`)"),
        ("name: one", "nam: one", 3, "unknown field 'nam' (did you mean name?)"),
        ("    proves: positive\n", "", 3, "proves missing (add `proves:`)"),
        ("proves: positive", "proves: positiv", 4, "unknown `proves` 'positiv' (did you mean positive?)"),
        ("proves: positive", "proves: positive\n    proves: exemption", 5, "'proves' stands here a second time"),
        (
            "proves: positive",
            "proves: positive\n    start: gestern",
            5,
            "not a time: 'gestern' (write 2026-11-20 10:00)",
        ),
        ("proves: positive", "proves: positive\n    call: {ques: a}", 5, "unknown field 'ques' (did you mean queue?)"),
        (
            "proves: positive",
            "proves: positive\n    call: {direction: in}",
            5,
            "unknown direction 'in' (one of inbound",
        ),
        ("0 s 来电", "0 来电", 6, "unit missing in '0 来电' (write 0 s)"),
        ("0 s 来电", "来电", 6, "no time in '来电' (begin with"),
        ("0 s 来电", "0 s", 6, "no event behind the time"),
        ("0 s 响铃 8026", "0 s 响零 8026", 7, "unknown event '响零' (did you mean `0 s 响铃 8026`?)"),
        ("0 s 响铃 8026", "0 s 响铃", 7, "响铃: too few words (like `0 s 响铃 8026`)"),
        ("0 s 响铃 8026", "0 s 响铃 8026 8027 8028", 7, "响铃: too many words"),
        ("0 s 响铃 8026", "0 s 响铃 8026 8027", 7, "响铃: unknown word '8027' (only 咨询"),
        ("0 s 响铃 8026", "0 s - 2 s 响铃 8026", 7, "响铃 is one moment and takes no time"),
        ("0 s 响铃 8026", "5 s - 2 s 坐席: 喂", 7, "ends before it has begun"),
        ("0 s 响铃 8026", "5 s 坐席: '...'", 7, "speech without a word"),
        ("0 s 响铃 8026", "5 s 听不到 坐席", 7, "听不到 takes time (like `5 s - 15 s 听不到 坐席`)"),
        ("0 s 响铃 8026", "5 s - 8 s 班长 出声", 7, "出声: unknown word '班长' (one of 坐席, 客户"),
        ("0 s 响铃 8026", "5 s 挂机 顾客", 7, "挂机: unknown word '顾客'"),
        ("0 s 响铃 8026", "5 s [坐席]: [a]", 7, "not one line of text (quote it"),
        ("- 20 s: 升级 严重", "- 20 s: 升级 严肃", 12, "unknown word '严肃' in '20 s: 升级 严肃' (one of 严重, "),
        ("- 20 s: 升级 严重", "- 20 s: 升机", 12, "unknown word '升机' in '20 s: 升机'"),
        ("- 20 s: 升级 严重", "- 20 s 升级 严重", 12, "no `:` after the time"),
        ("- 20 s: 升级 严重", "- 1 s - 20 s: 升级 严重", 12, "a span of time is not expected"),
        ("- 20 s: 升级 严重", "- 9 s: 升级 严重", 12, "earlier than the line above"),
        ("- 9.9 s: 无", "- 9.9 s: 无 告警", 10, "无 has no sentence"),
        ("    expect:\n", "    expected:\n", 9, "unknown field 'expected' (did you mean expect?)"),
        ("    expect:\n", "    expect: 无\n    events:\n", 10, "'events' stands here a second time"),
        ("仍无人接听", "仍: 无人接听", 11, "not YAML: mapping values are not allowed here"),
    ],
)
def test_a_fault_is_told_with_its_line_and_the_mend(write: Write, right: str, wrong: str, line: int, said: str) -> None:
    assert GOOD.count(right) == 1
    sheet = write(GOOD.replace(right, wrong))
    assert any(fault.line == line and said in str(fault) for fault in sheet.faults), list(map(str, sheet.faults))
    assert sheet.timelines == () or "call the file" in said


def test_all_faults_are_told_at_once_and_the_other_timelines_run(write: Write) -> None:
    bad = GOOD.replace("来电", "来店").replace("接听 8026", "接听").replace("升级", "生级").replace("one", "two")
    sheet = write(GOOD + bad[bad.index("  - name") :])
    assert [fault.line for fault in sheet.faults] == [17, 19, 23]
    assert [timeline.name for timeline in sheet.timelines] == ["one"]


def test_two_timelines_may_not_have_one_name(write: Write) -> None:
    sheet = write(GOOD + GOOD[GOOD.index("  - name") :])
    assert [str(f).partition(": ")[2] for f in sheet.faults] == ["a second timeline 'one' (give each its own name)"]


def test_a_positive_timeline_expects_an_alert(write: Write) -> None:
    sheet = write(GOOD[: GOOD.index("    expect")] + "    expect: []\n")
    assert "a positive timeline that expects no alert" in str(sheet.faults[0])


@pytest.mark.parametrize("missing", ["0 s 来电", "23 s 接听 8026"])
def test_speech_in_a_call_that_nobody_answered_is_a_fault(write: Write, missing: str) -> None:
    text = GOOD.replace(missing, "24 s 坐席: 您好")
    assert "somebody speaks in a call that nobody has answered (write `0 s 来电`" in str(write(text).faults[0])


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    (fault,) = timelines.read(tmp_path / "ring-over-three.yaml", KNOWN).faults
    assert "cannot be read" in str(fault)


def test_differences_keep_step_behind_a_surplus_and_a_missing_change() -> None:
    a, b, c = (Change(at=float(t), what="opened", severity="notice") for t in (1, 2, 3))
    assert [(d.expected, d.came) for d in timelines.differences([a, c], [a, b, c])] == [("nothing more", str(b))]
    assert [(d.expected, d.came) for d in timelines.differences([a, b, c], [a, c])] == [(str(b), NONE)]
    assert list(timelines.differences([], [])) == []


def test_a_written_dialogue_has_the_form_of_a_recorded_one(write: Write, tmp_path: Path) -> None:
    """As bytes and back: what a timeline makes is a record."""
    events = events_of(write(lines("0 s 来电", "1 s 接听 8026", "2 s 坐席: 您好")))
    record = tmp_path / "record.ndjson"
    record.write_bytes(b"".join(render(event) + b"\n" for event in events))  # type: ignore[arg-type]
    assert list(read_record(record)) == events
