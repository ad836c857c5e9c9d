"""The back-test: what differs between two books on the same calls, however they are shared out, and how it is told."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from bench.day import write_day
from streams.archive import day_files, days
from streams.archive.schema import reads
from streams.archive.store import Store
from streams.archive.taking import kept
from streams.backtest import command
from streams.backtest.judge import Books
from streams.backtest.run import Outcome, Row, backtest, chosen
from streams.events import render
from streams.problem import Problem
from streams.replay import read_record, replay
from streams.rulebook.book import load
from streams.settings import Settings
from tests.archive_tools import KEY, Log, taken
from tests.browser_tools import needs_chromium
from tests.conftest import Run

CAPTURES = Path(__file__).parent / "traces" / "asterisk"
#: 2026-11-20 10:00, Beijing.
T0 = 1795140000.0
LOWERED = (
    "change: {ring-over-three: {thresholds: [{after: 6 s, severity: warning}, {after: 20 s, severity: critical}]}}"
)
RETIRED = "change: {ring-over-three: {status: retired, retired_because: 试验}}"
GRAVER = "change: {agent-hung-up-first: {severity: critical}}"
HOUSE = """
phrases: {{house-words: [{words}]}}
rules:
  - id: house-rule
    title: 自订用语
    says: "{{agent}}说了{{words}}"
    kind: says
    by: agent
    words: [house-words]
    severity: notice
    clause: {{manual: "000", section: 一(二), quote: "电话响铃3声内接听"}}
"""
AGAIN = """
rules:
  - id: house-again
    title: 多次来电
    says: "同一客户来电 {{count}} 次"
    kind: surge
    subject: caller
    counts: offered
    at_least: {at_least}
    within: 24 h
    severity: warning
    clause: {{manual: "000", section: 一(二), quote: "电话响铃3声内接听"}}
"""


class Trace:
    """Writes a trace, its times relative to T0."""

    def __init__(self, path: Path) -> None:
        self.path, self._lines = path, list[str]()

    def say(self, kind: str, call: str, at: float, **fields: Any) -> None:
        self._lines.append(json.dumps({"type": kind, "call": call, "at": T0 + at, **fields}, ensure_ascii=False))

    def rings(self, call: str, at: float, lasts: float, **offered: Any) -> None:
        """A call that rings and is answered."""
        self.say("call.offered", call, at, queue="hotline", **offered)
        self.say("agent.ringing", call, at, agent="8026")
        self.say("call.answered", call, at + lasts, agent="8026")

    def says(self, call: str, at: float, text: str, role: str = "agent") -> None:
        """A sentence of two seconds, heard half a second later."""
        self.say("speech.started", call, at, role=role)
        self.say("speech.ended", call, at + 2, role=role)
        words = {"start": T0 + at, "end": T0 + at + 2, "final": True, "through": T0 + at + 2.5}
        self.say("transcript", call, at + 2.5, role=role, text=text, **words)

    def ends(self, call: str, at: float, by: str = "customer") -> None:
        self.say("call.ended", call, at, by=by)

    def raw(self, line: str) -> None:
        self._lines.append(line)

    def write(self) -> Path:
        self.path.write_text("\n".join(self._lines) + "\n", "utf-8")
        return self.path


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return Trace(tmp_path / "day.ndjson")


def book(folder: Path, name: str, *parts: str) -> Path:
    """An overlay of these texts."""
    where = folder / name
    where.mkdir()
    for n, part in enumerate(parts):
        (where / f"{n}.yaml").write_text(part, "utf-8")
    return where


def outcome_of(tmp_path: Path, traces: Path | Iterable[Path], old: str, new: str, **options: Any) -> Outcome:
    overlays = [[book(tmp_path, name, text)] if text else [] for name, text in (("old", old), ("new", new))]
    paths = [traces] if isinstance(traces, Path) else list(traces)
    return backtest(paths, Books(load(overlays[0]), load(overlays[1])), **options)


def row(outcome: Outcome, rule: str) -> Row:
    return next(row for row in outcome.rows if row.rule == rule)


def told(outcome: Outcome) -> list[tuple[str, str, str]]:
    return [(change.kind, change.alert.rule, change.alert.call) for change in outcome.changes]


# ------------------------------------------------------------------------------------------- what differs


def test_a_lowered_threshold_gives_new_alerts_and_moves_those_that_were(tmp_path: Path, trace: Trace) -> None:
    trace.rings("short", 0, 8)
    trace.ends("short", 30)
    trace.rings("long", 100, 15)
    trace.ends("long", 130)
    trace.rings("quick", 200, 3)
    trace.ends("quick", 230)
    outcome = outcome_of(tmp_path, trace.write(), "", LOWERED)
    rings = row(outcome, "ring-over-three")
    assert (rings.before, rings.now, rings.new, rings.gone, rings.changed) == (1, 2, 1, 0, 1)
    assert told(outcome) == [("new", "ring-over-three", "short"), ("changed", "ring-over-three", "long")]
    new, moved = outcome.changes
    assert new.place is not None
    assert (new.place.line, new.place.into_s, new.place.file) == (2, pytest.approx(6), str(trace.path))
    assert moved.what == ("time", "sentence")
    assert moved.before is not None
    assert (moved.before.at - T0, moved.alert.at - T0) == (pytest.approx(110), pytest.approx(106))


def test_a_retired_rule_is_gone_and_judges_no_call(tmp_path: Path, trace: Trace) -> None:
    trace.rings("a", 0, 25)
    trace.ends("a", 40)
    outcome = outcome_of(tmp_path, trace.write(), "", RETIRED)
    rings = row(outcome, "ring-over-three")
    assert told(outcome) == [("gone", "ring-over-three", "a")]
    assert (rings.status_before, rings.status_now) == ("live", "retired")
    assert (rings.judged_before, rings.judged, rings.not_judged) == (1, 0, 0)
    assert [stage.severity for stage in outcome.changes[0].alert.stages] == ["warning", "critical", "critical"]


def test_another_severity_is_a_change_and_nothing_else(tmp_path: Path, trace: Trace) -> None:
    trace.rings("a", 0, 2)
    for n in range(6):
        trace.says("a", 4 + 5 * n, "好的", "customer" if n % 2 else "agent")
    trace.ends("a", 40, by="agent")
    outcome = outcome_of(tmp_path, trace.write(), "", GRAVER)
    assert [(change.kind, change.what) for change in outcome.changes] == [("changed", ("severity",))]


def test_a_phrase_that_is_added_shifts_no_alert_that_was_there(tmp_path: Path, trace: Trace) -> None:
    """The new alert is the first of its call, so that the two others have other numbers than before."""
    trace.rings("a", 0, 2)
    trace.says("a", 4, "我忙着呢")
    trace.says("a", 14, "现在没空")
    trace.says("a", 24, "真的没空")
    trace.ends("a", 60)
    outcome = outcome_of(tmp_path, trace.write(), HOUSE.format(words="没空"), HOUSE.format(words="没空, 忙着呢"))
    house = row(outcome, "house-rule")
    assert (house.before, house.now, house.new, house.gone, house.changed) == (2, 3, 1, 0, 0)
    (change,) = outcome.changes
    assert change.alert.evidence[0].text == "我忙着呢"
    assert change.place is not None
    assert trace.path.read_text("utf-8").splitlines()[change.place.line - 1].find("我忙着呢") > 0


def test_another_sentence_is_a_change(tmp_path: Path, trace: Trace) -> None:
    trace.rings("a", 0, 12)
    trace.ends("a", 30)
    outcome = outcome_of(tmp_path, trace.write(), "", 'change: {ring-over-three: {says: "{agent}响铃太久"}}')
    assert [(change.kind, change.what) for change in outcome.changes] == [("changed", ("sentence",))]


def test_a_rule_that_one_book_lacks_is_counted(tmp_path: Path, trace: Trace) -> None:
    trace.rings("a", 0, 2)
    trace.says("a", 4, "现在没空")
    trace.ends("a", 60)
    outcome = outcome_of(tmp_path, trace.write(), "", HOUSE.format(words="没空"))
    house = row(outcome, "house-rule")
    assert (house.status_before, house.status_now, house.before, house.now, house.judged_before) == (
        "",
        "live",
        0,
        1,
        0,
    )


def test_the_same_book_changes_nothing(tmp_path: Path) -> None:
    write_day(tmp_path / "day.ndjson", calls=12)
    outcome = outcome_of(tmp_path, tmp_path / "day.ndjson", LOWERED, f"why: 另一份\n{LOWERED}")
    assert outcome.changes == ()
    assert sum(row.now for row in outcome.rows) > 0
    assert outcome.before.version == outcome.now.version


# ------------------------------------------------------------------------------------------ what is judged


def test_rules_that_need_ears_are_not_judged_where_nobody_listened(tmp_path: Path, trace: Trace) -> None:
    trace.rings("deaf", 0, 2)
    trace.ends("deaf", 30)
    trace.rings("heard", 0, 2)
    trace.says("heard", 4, "您好")
    trace.ends("heard", 30)
    outcome = outcome_of(tmp_path, trace.write(), "", HOUSE.format(words="没空"))
    assert (outcome.calls, outcome.deaf) == (2, 1)
    assert (row(outcome, "house-rule").judged, row(outcome, "house-rule").not_judged) == (1, 1)
    assert (row(outcome, "ring-over-three").judged, row(outcome, "ring-over-three").not_judged) == (2, 0)


def test_a_rule_that_the_engine_could_not_judge_is_counted_as_such(tmp_path: Path, trace: Trace) -> None:
    """The opening words were lost: nobody knows whether the agent greeted."""
    trace.rings("gap", 0, 2)
    gap = {"role": "agent", "start": T0 + 2, "end": T0 + 25}
    trace.say("gap", "gap", 25, **gap)
    trace.says("gap", 26, "谢谢您的来电")
    trace.ends("gap", 60)
    must = """
rules:
  - id: house-greeting
    title: 问候
    says: "{agent}未问候"
    kind: must_say
    by: agent
    words: [你好啊朋友]
    anchor: answered
    after: 10 s
    severity: notice
    clause: {manual: "000", section: 一(二), quote: "电话响铃3声内接听"}
"""
    outcome = outcome_of(tmp_path, trace.write(), "", must)
    assert (row(outcome, "house-greeting").judged, row(outcome, "house-greeting").not_judged) == (0, 1)


def test_a_call_without_an_end_is_judged_up_to_the_end_of_its_trace(tmp_path: Path) -> None:
    """Not beyond: another trace that ends later says nothing about this call."""
    short, long, later = (Trace(tmp_path / f"{name}.ndjson") for name in ("short", "long", "later"))
    for trace, call, end in ((short, "a", 5), (long, "b", 12)):
        trace.say("call.offered", call, 0)
        trace.say("agent.ringing", call, 0, agent="8026")
        trace.rings(f"other-{call}", end - 2, 2)
    later.rings("c", 4000, 2)
    outcome = outcome_of(tmp_path, [short.write(), long.write(), later.write()], RETIRED, "")
    assert told(outcome) == [("new", "ring-over-three", "b")]


def test_a_call_that_goes_on_in_the_next_file_is_one_call(tmp_path: Path) -> None:
    first, second = Trace(tmp_path / "1.ndjson"), Trace(tmp_path / "2.ndjson")
    first.say("call.offered", "a", 0)
    first.say("agent.ringing", "a", 0, agent="8026")
    second.say("call.answered", "a", 15, agent="8026")
    second.ends("a", 40)
    outcome = outcome_of(tmp_path, [first.write(), second.write()], RETIRED, "")
    assert outcome.calls == 1
    (change,) = outcome.changes
    assert [stage.state for stage in change.alert.stages] == ["opened", "cleared"]


# ---------------------------------------------------------------------------------- across calls and files


@pytest.mark.parametrize("workers", [1, 2])
def test_rules_across_calls_count_over_files_and_processes(tmp_path: Path, workers: int) -> None:
    traces = []
    for n in range(24):
        trace = Trace(tmp_path / f"{n:02}.ndjson")
        trace.rings(f"call-{n}", 600 * n, 2, caller="13800000001" if n % 8 == 0 else f"138000001{n:02}")
        trace.ends(f"call-{n}", 600 * n + 60)
        traces.append(trace.write())
    outcome = outcome_of(
        tmp_path, reversed(traces), AGAIN.format(at_least=4), AGAIN.format(at_least=2), workers=workers, pictures=5
    )
    again = row(outcome, "house-again")
    assert (again.before, again.now, again.judged, again.not_judged) == (0, 1, 24, 0)
    (change,) = [change for change in outcome.changes if change.alert.rule == "house-again"]
    assert change.place is not None
    assert (change.kind, change.alert.calls[0]) == ("new", "call-0")
    assert (change.place.file, change.alert.call) in {(str(tmp_path / f"{n:02}.ndjson"), f"call-{n}") for n in (8, 16)}
    assert change.alert.call in {drawn.call for drawn in outcome.drawn}


def test_any_number_of_processes_gives_the_same(tmp_path: Path) -> None:
    write_day(tmp_path / "1.ndjson", calls=35, seed=1)
    write_day(tmp_path / "2.ndjson", calls=15, seed=2)  # the same names of calls: they go on
    paths = [tmp_path / "1.ndjson", tmp_path / "2.ndjson"]
    with paths[0].open("a") as lines:
        lines.writelines(f'{{"type": "exploded", "call": "day-{n:05}", "at": {T0}}}\n' for n in range(35))
    books = Books(load(), load([book(tmp_path, "new", LOWERED, HOUSE.format(words="你好"))]))
    one, two, three = (backtest(paths, books, workers=n, pictures=10) for n in (1, 2, 3))
    assert one.changes
    assert len(one.problems) == 35
    assert one == two == three


SITE = """
groups: {{new-staff: ["{agents}"]}}
calendar: {{holidays: {{{day}: 店庆}}}}
rules:
  - id: house-ring
    title: 新人接听
    says: "{{agent}}的电话已响铃 {{duration}}"
    kind: lasts
    phase: call
    thresholds: [{{after: 10 s, severity: notice}}]
    when: {when}
    clause: {{manual: "000", section: 一(二), quote: "电话响铃3声内接听"}}
"""
BY_GROUP, BY_DAY = ("{agent: ['@new-staff']}", "{days: [holiday]}")
#: What differs between two books, and the rule whose alerts must.
CHANGES = {
    "a rule": ("", LOWERED, "ring-over-three"),
    "a phrase": (HOUSE.format(words="没空"), HOUSE.format(words="马上为您查询"), "house-rule"),
    "a procedure": ("", "change: {silent-call-procedure: {severity: notice}}", ""),
    "a group": (
        SITE.format(agents="80*", day="2026-11-19", when=BY_GROUP),
        SITE.format(agents="81*", day="2026-11-19", when=BY_GROUP),
        "house-ring",
    ),
    "the calendar": (
        SITE.format(agents="80*", day="2026-11-19", when=BY_DAY),
        SITE.format(agents="80*", day="2026-11-20", when=BY_DAY),
        "house-ring",
    ),
    "a surge": (AGAIN.format(at_least=3), AGAIN.format(at_least=2), "house-again"),
    "nothing": ("why: 无", "", ""),
}


@pytest.mark.parametrize("what", CHANGES)
def test_rules_that_are_the_same_are_judged_once_to_the_same_end(tmp_path: Path, what: str) -> None:
    write_day(tmp_path / "day.ndjson", calls=30)
    old, new, differs = CHANGES[what]
    books = Books(*(load([book(tmp_path, name, text)] if text else []) for name, text in (("old", old), ("new", new))))
    once, twice = (backtest([tmp_path / "day.ndjson"], books, share=share) for share in (True, False))
    assert once == twice
    assert {change.alert.rule for change in once.changes} == ({differs} if differs else set())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_rule_across_calls_that_is_the_same_in_both_books_is_counted_in_both(tmp_path: Path, workers: int) -> None:
    write_day(tmp_path / "day.ndjson", calls=40)
    same = AGAIN.format(at_least=2)
    overlays = book(tmp_path, "old", same), book(tmp_path, "new", same, LOWERED)
    outcome = backtest([tmp_path / "day.ndjson"], Books(*(load([each]) for each in overlays)), workers=workers)
    again = row(outcome, "house-again")
    assert again.before == again.now > 0
    assert (again.new, again.gone, again.changed) == (0, 0, 0)


def test_fires_now_is_what_replay_finds(tmp_path: Path) -> None:
    path = tmp_path / "day.ndjson"
    write_day(path, calls=40)
    new = book(tmp_path, "new", LOWERED)
    outcome = backtest([path], Books(load(), load([new])))
    changes = [c for c in replay(load([new]), read_record(path)) if hasattr(c, "rule")]
    opened: dict[str, set[str]] = {}
    for change in changes:
        opened.setdefault(change.rule, set()).add(change.id)
    assert {row.rule: row.now for row in outcome.rows if row.now} == {rule: len(ids) for rule, ids in opened.items()}


def test_a_day_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    lines = [write_day(tmp_path / name, calls=30, seed=seed) for name, seed in (("a", 5), ("b", 5), ("c", 6))]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()
    assert lines[0] == len((tmp_path / "a").read_bytes().splitlines())
    times = [json.loads(line)["at"] for line in (tmp_path / "a").read_bytes().splitlines()]
    assert times == sorted(times)


def test_no_rule_crowds_another_out_of_the_pictures(tmp_path: Path, trace: Trace) -> None:
    for n in range(6):
        trace.rings(f"ring-{n}", 100 * n, 8)
        trace.ends(f"ring-{n}", 100 * n + 30)
    trace.rings("words", 700, 2)
    trace.says("words", 704, "现在没空")
    trace.ends("words", 730)
    outcome = outcome_of(tmp_path, trace.write(), "", LOWERED + HOUSE.format(words="没空"), pictures=2)
    assert {drawn.call for drawn in outcome.drawn} == {"ring-0", "words"} == set(chosen(outcome.changes, 2))


# ------------------------------------------------------------------------------------------ the command line


@pytest.fixture
def cli_replay(run: Run) -> Run:
    """``sansheng replay …``."""
    return partial(run, "replay")


def test_the_table_names_each_rule_and_the_sums(cli_replay: Run, tmp_path: Path, trace: Trace) -> None:
    trace.rings("a", 0, 8)
    trace.ends("a", 30)
    trace.write()
    done = cli_replay(
        trace.path, "--rulebook", book(tmp_path, "new", LOWERED), "--against", "default", "--workers", "1"
    )
    assert done.code == 0
    line = next(line for line in done.out.splitlines() if "ring-over-three" in line)
    assert re.findall(r"│ (\d+) ", line) == ["0", "1", "1", "0", "0", "1", "0"]
    assert re.search(r"│ total +│ +│ 0 +│ 1 +│ 1 +│ 0 +│ 0 ", done.out)
    assert "day.ndjson:2" in done.out
    assert done.err == ""


def test_ndjson_is_an_object_a_rule_and_then_an_object_a_changed_alert(
    cli_replay: Run, tmp_path: Path, trace: Trace
) -> None:
    trace.rings("a", 0, 8)
    trace.ends("a", 30)
    trace.write()
    new = book(tmp_path, "new", LOWERED)
    done = cli_replay(trace.path, "--rulebook", new, "--against", "default", "--format", "ndjson", "--html", "r.html")
    objects = [json.loads(line) for line in done.out.splitlines()]
    rules, alerts = objects[:-1], objects[-1:]
    assert {each["type"] for each in rules} == {"rule"}
    assert [each["rule"] for each in rules] == [rule.id for rule in load([new]).rules]
    assert next(each for each in rules if each["rule"] == "ring-over-three") == {
        "type": "rule",
        "rule": "ring-over-three",
        "title": "电话响铃超过三声",
        "books": {"before": load().version, "now": load([new]).version},
        "status": {"before": "live", "now": "live"},
        "fired": {"before": 0, "now": 1},
        "new": 1,
        "gone": 0,
        "changed": 0,
        "judged": {"before": 1, "now": 1},
        "not_judged": {"before": 0, "now": 0},
    }
    (alert,) = alerts
    stages = alert["now"].pop("stages")
    assert [(stage["state"], stage["severity"]) for stage in stages] == [("opened", "warning"), ("cleared", "warning")]
    identity = alert["now"].pop("id")
    assert re.fullmatch("[0-9a-f]{16}", identity)
    assert alert == {
        "type": "alert",
        "change": "new",
        "what": [],
        "rule": "ring-over-three",
        "call": "a",
        "calls": [],
        "at": T0 + 6,
        "into_s": 6.0,
        "file": str(trace.path),
        "line": 2,
        "anchor": "#c1-1",
        "before": None,
        "now": {"severity": "warning", "at": T0 + 6, "says": "8026 号坐席的电话已响铃 6 秒，仍无人接听"},
    }
    assert 'id="c1-1"' in Path("r.html").read_text("utf-8")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_line_that_cannot_be_read_is_told_with_its_place_and_stops_nothing(
    cli_replay: Run, tmp_path: Path, trace: Trace, workers: str
) -> None:
    for n in range(15):
        trace.rings(f"a{n}", n, 8)
    trace.raw("nonsense")
    trace.raw('{"type": "call.exploded", "call": "a1", "at": 1795140001}')
    trace.raw('{"type": "tick", "at": 1795140001}')
    trace.raw('{"type": "call.ended", "call": "a1", "at": 1895140001, "by": "agent"}')
    for n in range(15):
        trace.ends(f"a{n}", n + 40)
    trace.write()
    new = book(tmp_path, "new", LOWERED)
    done = cli_replay(trace.path, "--rulebook", new, "--against", "default", "--workers", workers)
    assert done.code == 0
    places = [line.partition(": ")[0] for line in done.err.splitlines()[:-1]]
    assert sorted(places) == [f"{trace.path}:{number}" for number in (46, 47, 48, 49)]
    assert done.err.splitlines()[-1] == "4 problem(s) were met; everything else was taken"
    assert "│ total " in done.out
    assert "15 calls" in done.out


def test_every_fault_of_both_books_is_told(cli_replay: Run, tmp_path: Path, trace: Trace) -> None:
    trace.rings("a", 0, 8)
    trace.write()
    old, new = book(tmp_path, "old", "change: {no-such: {}}"), book(tmp_path, "new", "chnge: {}", "rules: {}\nwhat: 1")
    done = cli_replay(trace.path, "--rulebook", new, "--against", old)
    assert (done.code, done.out) == (2, "")
    assert {line.partition(":")[0] for line in done.err.splitlines()} == {"--against", "--rulebook"}
    assert "unknown rule 'no-such'" in done.err
    assert "unknown section 'chnge'" in done.err
    assert "unknown section 'what'" in done.err


def test_the_same_book_twice_is_said_to_be_nothing_to_compare(cli_replay: Run, tmp_path: Path, trace: Trace) -> None:
    trace.rings("a", 0, 8)
    trace.write()
    new = book(tmp_path, "new", LOWERED)
    for given in (("--rulebook", new, "--against", new), ("--against", "default")):
        done = cli_replay(trace.path, *given)
        assert done.code == 2
        assert "are the same" in done.err
    done = cli_replay(trace.path, "--rulebook", new, "--against", book(tmp_path, "copy", LOWERED))
    assert done.code == 0
    assert "both books say the same" in done.err


def test_no_trace_and_no_call_are_said(cli_replay: Run, tmp_path: Path) -> None:
    new, empty = book(tmp_path, "new", LOWERED), tmp_path / "empty"
    empty.mkdir()
    done = cli_replay(empty, "--rulebook", new, "--against", "default")
    assert (done.code, done.err) == (2, f"no trace in {empty}: looked for .ndjson and .jsonl files\n")
    (empty / "x.ndjson").write_text("\n")
    done = cli_replay(empty, "--rulebook", new, "--against", "default")
    assert (done.code, done.err) == (1, "there is no call in these traces: nothing was compared\n")


def test_a_report_needs_a_back_test_and_a_folder(cli_replay: Run, tmp_path: Path, trace: Trace) -> None:
    trace.rings("a", 0, 8)
    trace.write()
    assert cli_replay(trace.path, "--html", "r.html").code == 2
    new = book(tmp_path, "new", LOWERED)
    done = cli_replay(trace.path, "--rulebook", new, "--against", "default", "--html", "nowhere/r.html")
    assert (done.code, done.err) == (2, "--html: there is no folder nowhere\n")
    done = cli_replay(trace.path, "--rulebook", new, "--against", "default", "--html", tmp_path)
    assert (done.code, done.err) == (2, f"--html: {tmp_path} cannot be written\n")


def test_what_cannot_be_read_twice_is_refused(cli_replay: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = cli_replay(tmp_path / "pipe", "--rulebook", book(tmp_path, "new", LOWERED), "--against", "default")
    assert done.code == 2
    assert "not a file that can be read twice" in done.err


def test_a_worker_that_dies_is_told(cli_replay: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Outcome:
        raise BrokenProcessPool

    monkeypatch.setattr(command, "backtest", broken)
    (tmp_path / "x.ndjson").write_text("\n")
    done = cli_replay(tmp_path / "x.ndjson", "--rulebook", book(tmp_path, "new", LOWERED), "--against", "default")
    assert done.code == 1
    assert "try fewer --workers" in done.err


def test_captures_are_back_tested_and_each_moment_is_a_line_of_the_capture(cli_replay: Run, tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    for name in ("b_slow_answer_agent_hangs_up", "e_hold"):
        (folder / f"{name}.jsonl").write_bytes((CAPTURES / f"{name}.jsonl").read_bytes())
    (folder / "notes.truth.json").write_text("{}")
    new = book(tmp_path, "new", "change: {ring-over-three: {thresholds: [{after: 3 s, severity: warning}]}}")
    done = cli_replay(folder, "--from", "asterisk", "--rulebook", new, "--against", "default", "--format", "ndjson")
    assert done.code == 0
    alerts = [each for each in map(json.loads, done.out.splitlines()) if each["type"] == "alert"]
    assert alerts
    for alert in alerts:
        lines = Path(alert["file"]).read_text().splitlines()
        assert json.loads(lines[alert["line"] - 1])["t"] <= alert["at"] + 0.2


def test_captures_without_their_option_are_recognised(cli_replay: Run, tmp_path: Path) -> None:
    new = book(tmp_path, "new", LOWERED)
    done = cli_replay(CAPTURES / "e_hold.jsonl", "--rulebook", new, "--against", "default")
    assert done.code == 1
    assert "add `--from asterisk`" in done.err


def test_ctrl_c_ends_the_command_and_its_processes(tmp_path: Path) -> None:
    write_day(tmp_path / "day.ndjson", calls=2000)
    new = book(tmp_path, "new", LOWERED)
    options = ["--rulebook", str(new), "--against", "default", "--html", str(tmp_path / "r.html"), "--workers", "2"]
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # its parent may ignore it
    program = f"{listening}; from streams.cli import main; main()"
    line = [sys.executable, "-c", program, "replay", str(tmp_path / "day.ndjson"), *options]
    running = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        while len(group(running.pid)) < 4 and time.monotonic() < until:  # itself, the tracker, two workers
            time.sleep(0.1)
        time.sleep(1)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: all of them
        out, err = running.communicate(timeout=60)
        assert (running.returncode, out, err) == (130, "", "stopped; nothing was written\n")
        until = time.monotonic() + 20  # the last of them notices a moment later that it is alone
        while group(running.pid) and time.monotonic() < until:
            time.sleep(0.1)
        assert group(running.pid) == []
        assert not (tmp_path / "r.html").exists()
    finally:
        for pid in group(running.pid):
            os.kill(pid, signal.SIGKILL)


def group(leader: int) -> list[int]:
    """The processes of a group that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


# ---------------------------------------------------------------------------------------------- the archive


def archived_day(store: Store, path: Path, calls: int) -> None:
    """A trace as gateways and ears log it, callers by their key, numbers masked; and its calls in the archive."""
    write_day(path, calls=calls)
    events = [kept(item, KEY) for item in read_record(path) if not isinstance(item, Problem)]
    path.write_bytes(b"".join(render(event) + b"\n" for event in events))
    taken(store, Log().calls(events).messages)


def variables(archived: Settings) -> dict[str, str]:
    """Of the settings' archive."""
    url = archived.archive.url.get_secret_value()
    return {"SANSHENG_RUN_DIR": str(archived.run_dir), **({"SANSHENG_ARCHIVE__URL": url} if url else {})}


def without_places(outcome: Outcome) -> Outcome:
    """All but where a moment stands: a line of the trace, or a row of the day."""
    changes = tuple(replace(change, place=None) for change in outcome.changes)
    drawn = tuple(replace(d, items=tuple(replace(i, change=None) for i in d.items)) for d in outcome.drawn)  # type: ignore[arg-type]
    return replace(outcome, changes=changes, drawn=drawn)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_day_of_the_archive_gives_what_its_record_gives(
    store: Store, archived: Settings, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same counts, alerts, order and pictures; each moment stands in the row that it names."""
    monkeypatch.setitem(day_files._GROUP, "events", 400)
    trace, day = tmp_path / "day.ndjson", "2026-11-20"
    archived_day(store, trace, 45)
    days.write_day(store, archived.archive_folder, day)
    path = day_files.file_of(archived.archive_folder, "events", day)
    new = book(tmp_path, "new", LOWERED, HOUSE.format(words="马上为您查询"), AGAIN.format(at_least=2))
    books = Books(load(), load([new]))
    from_record = backtest([trace], books, pictures=4)
    from_day = backtest([path], books, source="archive", workers=workers, pictures=4)
    assert from_day.changes
    one, other = without_places(from_day), without_places(from_record)
    assert [name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)] == []
    rows = pq.read_table(path).to_pylist()
    for change, same in zip(from_day.changes, from_record.changes, strict=True):
        assert change.place is not None
        assert same.place is not None
        assert (change.place.file, change.place.into_s) == (str(path), same.place.into_s)
        row = rows[change.place.line - 1]
        line = json.loads(trace.read_text("utf-8").splitlines()[same.place.line - 1])
        assert (row["call"], row["type"], json.loads(row["event"])["at"]) == (line["call"], line["type"], line["at"])


def test_a_call_that_stands_in_two_days_counts_once(store: Store, archived: Settings, tmp_path: Path) -> None:
    """It has moved: the day on which it stood is not written yet. The longer record counts."""
    trace, folder = tmp_path / "day.ndjson", archived.archive_folder
    archived_day(store, trace, 5)
    days.write_day(store, folder, "2026-11-20")
    path = day_files.file_of(folder, "events", "2026-11-20")
    books = Books(load(), load([book(tmp_path, "new", LOWERED)]))
    once = backtest([path], books, source="archive")
    assert once.calls == 5
    assert replace(backtest([path, path], books, source="archive"), files=1) == once


def test_a_damaged_group_is_told_once_and_the_other_calls_are_judged(
    store: Store, archived: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(day_files._GROUP, "events", 300)
    archived_day(store, tmp_path / "day.ndjson", 30)
    days.write_day(store, archived.archive_folder, "2026-11-20")
    path = day_files.file_of(archived.archive_folder, "events", "2026-11-20")
    column = pq.ParquetFile(path).metadata.row_group(1).column(5)
    with path.open("r+b") as out:
        out.seek(column.data_page_offset + column.total_compressed_size // 2)
        out.write(b"\xff\x00\xff\x00")
    books = Books(load(), load([book(tmp_path, "new", LOWERED)]))
    outcome = backtest([path], books, source="archive", workers=2)
    assert 0 < outcome.calls < 30
    (problem,) = outcome.problems
    assert "are damaged (`sansheng archive export --day 2026-11-20` writes it anew)" in problem.text
    path.write_bytes(path.read_bytes()[:-100])
    outcome = backtest([path], books, source="archive")
    assert (outcome.calls, outcome.unread) == (0, (path,))


def test_days_are_exported_first_and_the_reading_is_noted(
    cli_replay: Run, store: Store, archived: Settings, tmp_path: Path
) -> None:
    archived_day(store, tmp_path / "day.ndjson", 12)
    new = book(tmp_path, "new", LOWERED)
    options = ("--from", "archive", "--days", "2026-11-19..2026-11-20", "--rulebook", new)
    done = cli_replay(*options, "--against", "default", "--html", "r.html", **variables(archived))
    assert done.code == 0
    assert "exported first: 2026-11-20\n" in done.err
    assert "no calls of 2026-11-19 in " in done.err
    assert "12 calls" in done.out
    assert "2026-11-20.parquet:" in done.out
    plain = cli_replay(*options, **variables(archived))
    assert "exported first" not in plain.err
    wanted = cli_replay(tmp_path / "day.ndjson", "--rulebook", new)
    assert plain.out == wanted.out != ""
    with store.reading() as connection:
        noted = connection.execute(select(reads.c.what, reads.c.of)).all()
    assert noted == [("record", '{"days":"2026-11-19..2026-11-20"}')] * 2


def test_without_the_store_what_was_exported_is_read_and_said_to_be_stale(
    cli_replay: Run, store: Store, archived: Settings, tmp_path: Path
) -> None:
    archived_day(store, tmp_path / "day.ndjson", 12)
    days.write_day(store, archived.archive_folder, "2026-11-20")
    gone = {"SANSHENG_RUN_DIR": str(archived.run_dir), "SANSHENG_ARCHIVE__URL": "sqlite:////nowhere/calls.db"}
    done = cli_replay("--from", "archive", "--days", "2026-11-20..2026-11-21", **gone)
    assert done.code == 0
    assert "/nowhere/calls.db is not there" in done.err
    assert "read as last exported, and may be stale: 2026-11-20 (the oldest of 20" in done.err
    assert "no calls of 2026-11-21 in " in done.err
    assert done.out
    done = cli_replay("--from", "archive", "--days", "2026-11-01..2026-11-03", **gone)
    assert (done.code, done.out) == (2, "")
    assert "no calls of 2026-11-01..2026-11-03 in " in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "archive"), "say which days of the archive: --days 2026-11-21"),
        (("--from", "archive", "--days", "2026-11-20", "x.ndjson"), "the archive has its own files"),
        (("--from", "archive", "--days", "20.11."), "--days: not days: '20.11.'"),
        (("--days", "2026-11-20", "x.ndjson"), "--days are of the archive: add --from archive"),
        ((), "say which files to replay, or --from archive --days 2026-11-21"),
    ],
)
def test_files_and_days_are_not_mixed_up(cli_replay: Run, options: tuple[str, ...], said: str) -> None:
    Path("x.ndjson").write_text("")
    done = cli_replay(*options)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


# ----------------------------------------------------------------------------------------------- the report


@pytest.fixture
def report(cli_replay: Run, tmp_path: Path, trace: Trace) -> Path:
    """Four changed calls, of which three are drawn."""
    trace.rings("a<b>'\"&", 0, 8)
    trace.says("a<b>'\"&", 12, "喂,我没空,打幺三八零零一二三四五六吧")
    trace.says("a<b>'\"&", 16, "我的号码是13812345678", "customer")
    trace.ends("a<b>'\"&", 40)
    for n in range(3):
        trace.rings(f"next-{n}", 100 * n + 100, 15)
        trace.ends(f"next-{n}", 100 * n + 140)
    trace.write()
    new = book(tmp_path, "new", f"why: 试行\n{LOWERED}", HOUSE.format(words="没空"))
    old = book(tmp_path, "old", HOUSE.format(words="没有空"))
    done = cli_replay(trace.path, "--rulebook", new, "--against", old, "--html", "report.html", "--pictures", "3")
    assert done.code == 0
    return tmp_path / "report.html"


def test_the_report_loads_nothing_runs_nothing_and_shows_no_number(report: Path) -> None:
    text = report.read_text("utf-8")
    assert not re.search(r"(src|href)=\"(?!#|data:,)|url\(|@import|<script| on\w+=", text)
    assert "13812345678" not in text
    assert "幺三八零零一二三四五六" not in text
    assert "a<b>" not in text


@needs_chromium
async def test_the_report_shows_each_changed_call_with_its_moment(browser: Browser, report: Path) -> None:
    said: list[str] = []
    page: Page = await browser.new_page(viewport={"width": 1200, "height": 900})
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request", lambda request: said.append(request.url) if not request.url.startswith(("file:", "data:")) else 0
    )
    await page.goto(report.as_uri())
    await expect(page.locator("svg.picture")).to_have_count(3)
    await expect(page.get_by_text("绘出 3 个，另有 1 个未绘出")).to_be_visible()
    first = page.locator("section.call").first
    await expect(first.locator("h2")).to_contain_text("a<b>'\"&")
    await expect(first.locator(".phase")).to_have_count(2)
    await expect(first.locator("rect.speech.agent")).to_have_count(1)
    await expect(first.locator("rect.speech.customer")).to_have_count(1)
    await expect(first.locator(".flag circle")).to_have_count(2)
    await expect(first.locator("path.sign.now.new")).to_have_count(2)
    await expect(first.locator("mark")).to_have_text(["没空"])
    moved = page.locator("section.call").nth(1)
    for run_name in ("before", "now"):
        await expect(moved.locator(f"path.sign.{run_name}.changed")).to_have_count(1)
    await expect(moved.locator(".words")).to_have_count(0)
    hollow = await moved.locator("path.sign.before").evaluate("e => getComputedStyle(e).fill")
    filled = await moved.locator("path.sign.now").evaluate("e => getComputedStyle(e).fill")
    assert (hollow, filled) == ("rgb(255, 255, 255)", "rgb(224, 154, 0)")
    await page.locator(".listed a").first.click()
    assert page.url.endswith("#c1-1")
    await expect(page.locator("#c1-1")).to_be_in_viewport()
    assert said == []


@needs_chromium
async def test_signs_stand_where_their_moment_is(browser: Browser, report: Path) -> None:
    """The alert of 6 s, in a call that rings for 8 s, stands at three quarters of the ring."""
    page = await browser.new_page(viewport={"width": 1200, "height": 900})
    await page.goto(report.as_uri())
    first = page.locator("section.call").first
    ring = await first.locator(".phase.ringing rect").bounding_box()
    sign = await first.locator("path.sign.now.new.warning").bounding_box()
    assert ring is not None
    assert sign is not None
    assert sign["x"] + sign["width"] / 2 == pytest.approx(ring["x"] + ring["width"] * 6 / 8, abs=1.5)


@needs_chromium
async def test_the_switch_turns_the_report_english(browser: Browser, report: Path) -> None:
    page = await browser.new_page(viewport={"width": 1200, "height": 900})
    await page.goto(report.as_uri())
    await expect(page.get_by_text("Rule by rule")).to_be_hidden()
    await page.locator("header label").click()
    await expect(page.get_by_text("Rule by rule")).to_be_visible()
    await expect(page.get_by_text("各规则结果")).to_be_hidden()
    await expect(page.get_by_text("Phone rings past three rings").first).to_be_visible()
