"""How ended calls are told on a terminal, in a spreadsheet, and where their words are gone."""

from __future__ import annotations

import io
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from rich.console import Console

from streams.alerts import AlertChange, Clause
from streams.archive import calls_cli, keeping
from streams.archive.calls_told import Story, Told
from streams.archive.search import Agent, Fired, Hit, Query, Said, Sentence
from streams.archive.store import Store
from streams.events import AnyEvent, Transcript
from streams.problem import Problem
from streams.replay import read_record
from streams.settings import Settings
from streams.verdicts import Standing
from tests.archive_tools import Log, taken
from tests.conftest import Run

ZONE = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 11, 22, 9, 0, tzinfo=ZONE).timestamp()
ID = "rude-agent-10-cf2216-and-a-long-end"
ZH, EN = Told(ZONE, english=False), Told(ZONE, english=True)
DAYS_S = 86_400.0


def fired(n: int, rule: str = "shouting", **fields: Any) -> Fired:
    return Fired(id=f"a{n}", rule=rule, severity="warning", opened_at=AT, title="呼喝客户", title_en="Shouts", **fields)


HIT = Hit(
    call=ID, state="ended", day="2026-11-22", began_at=AT, direction="inbound", queue="hotline", caller="138****5678",
    agent="8030", duration_s=95.5, wait_s=1, ring_s=1, talk_s=90, held_s=0, transfer_s=0, transfers=1, abandoned=False,
    agents=(Agent("8026", "王芳", True), Agent("8030", "李静", True), Agent("8031", "赵敏", False)),
    alerts=(fired(1), fired(2), fired(3), fired(4, finding="false")),
    sentences=tuple(Sentence("customer", float(n), "我要投诉", ((2, 4),)) for n in range(5)),
)  # fmt: skip


def test_a_transferred_call_names_all_who_spoke_and_equal_alerts_are_folded() -> None:
    row = ZH.row(HIT)
    assert row[1] == "王芳（8026） → 李静（8030）"
    assert row[4].splitlines() == ["▲ 呼喝客户 ×3", "▲ 呼喝客户（误报）"]
    assert row[-1] == ID
    assert "、" not in row[1]  # whose phone only rang is not told


def printed(width: int) -> str:
    out = io.StringIO()
    calls_cli._print([HIT], ZH, Console(file=out, force_terminal=True, width=width, color_system=None, highlight=False))
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 200])
def test_an_id_and_a_time_can_be_copied_whatever_the_width(width: int) -> None:
    lines = printed(width).splitlines()
    assert any(ID in line for line in lines)
    assert any("2026-11-22 09:00:00" in line for line in lines)
    assert len(lines) < 25


def test_a_narrow_terminal_has_a_block_for_each_call() -> None:
    assert printed(80).splitlines()[0] == f"2026-11-22 09:00:00  {ID}"
    assert "│" not in printed(80)
    assert "│" in printed(200)


def test_a_spreadsheet_has_seconds_iso_times_and_one_line_a_cell() -> None:
    row = ZH.csv_row(HIT)
    assert len(row) == len(ZH.csv_columns) == len(EN.csv_columns)
    assert row[0] == "2026-11-22T09:00:00+08:00"
    assert (row[3], row[4]) == (95.5, 4)
    assert row[5] == "警告 呼喝客户 ×3；警告 呼喝客户（误报）"
    assert str(row[6]).count("投诉") == 5
    assert not any("\n" in str(cell) for cell in row)


@pytest.mark.parametrize(
    ("query", "says", "never"),
    [
        (Query(said=(Said("13800138000", None),)), "不能按号码查找", "--sounds-like"),
        (Query(said=(Said("投诉", None),)), "说过的话只保存 90 天", "不能按号码"),
        (Query(sounds=(Said("投诉", "agent"),)), "坐席说了读音像“投诉”的话", "听起来像"),
        (Query(), "不限条件", "90 天"),
    ],
)
def test_nothing_found_says_what_may_help(query: Query, says: str, never: str) -> None:
    told = ZH.nothing(query, 90)
    assert says in told
    assert never not in told
    assert EN.nothing(query, 90)


def test_words_that_are_gone_are_told_apart_from_silence() -> None:
    story = Story(HIT, (), (), (), listened=True)
    assert "无人说话" in "\n".join(ZH.story(story))
    gone = "\n".join(ZH.story(story._replace(words_gone=90)))
    assert "对话文字只保存 90 天，已按期删除" in gone
    assert "无人说话" not in gone


def test_an_alert_without_its_words_has_its_title_once() -> None:
    change = AlertChange(
        id="a", rule="shouting", severity="warning", state="opened", call=ID, agent="8026", queue="hotline", at=AT,
        title="呼喝客户", says="王芳说了“闭嘴”", clause=Clause("002", "第十条", title="范文"), rulebook="v1",
    )  # fmt: skip
    told = list(ZH.story(Story(HIT, (), (), [((replace(change, says=change.title),), Standing())], listened=True)))
    assert sum("呼喝客户" in line for line in told) == 1


@pytest.mark.parametrize("kept_days", [1, 3650])
def test_a_call_whose_words_retention_took_says_so(store: Store, archived: Settings, run: Run, kept_days: int) -> None:
    path = Path(__file__).parent / "traces/speech/rude-agent.ndjson"
    events = [event for event in read_record(path) if not isinstance(event, Problem)]
    early = events[0].at - time.time() + 30 * DAYS_S  # so that it lies thirty days back
    taken(store, Log().calls(_moved(event, -early) for event in events).messages)
    archive = archived.archive.model_copy(update={"words_days": kept_days, "figures_days": 3650})
    while keeping.keep(store, archived.model_copy(update={"archive": archive}), time.time()).more:
        pass
    store.engine.dispose()
    done = run(
        "calls", "show", "rude-agent",
        SANSHENG_RUN_DIR=str(archived.run_dir), SANSHENG_ARCHIVE__URL=archived.archive_url,
        SANSHENG_ARCHIVE__WORDS_DAYS=str(kept_days), SANSHENG_ARCHIVE__FIGURES_DAYS="3650",
    )  # fmt: skip
    assert done.code == 0
    assert ("对话文字只保存 1 天，已按期删除" in done.out) is (kept_days == 1)
    assert "无人说话" not in done.out


def _moved(event: AnyEvent, by_s: float) -> AnyEvent:
    if isinstance(event, Transcript):
        event = replace(event, start=event.start + by_s, end=event.end + by_s)
    return replace(event, at=event.at + by_s)
