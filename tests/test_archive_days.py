"""Days as Parquet: what stands in them, that they are whole or not there, which are due, and that DuckDB reads them."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow.parquet as pq
import pytest
from msgspec import structs
from sqlalchemy import delete, select, update

from bench.day import write_day as make_day
from streams.alerts import AlertChange
from streams.archive import day_files, days
from streams.archive.day_files import TABLES, DayError, Table, days_of, file_of
from streams.archive.reads import fields_of
from streams.archive.schema import calls, reads, records
from streams.archive.schema import days as days_table
from streams.archive.store import DownError, Store
from streams.events import AnyEvent, parse, render
from streams.problem import Problem
from streams.replay import read_record, replay
from streams.rulebook.book import load
from streams.settings import Settings
from streams.verdicts import Judgement
from tests.archive_tools import Log, taken
from tests.conftest import Run

SPEECH = Path(__file__).parent / "traces/speech"
DOCS = Path(__file__).parents[1] / "docs/archive.md"
ZONE = ZoneInfo("Asia/Shanghai")
#: Of the spoken calls.
DAY = "2026-11-22"
NOON = datetime(2026, 11, 22, 12, tzinfo=ZONE).timestamp()


def spoken(name: str) -> list[AnyEvent]:
    return [item for item in read_record(SPEECH / f"{name}.ndjson") if not isinstance(item, Problem)]


def judgement(alert: AlertChange, **fields: str) -> Judgement:
    made = {"id": "j1", "alert": alert.id, "call": alert.call, "rule": alert.rule, "by": "chen", "by_name": "陈静"}
    return Judgement(**{"action": "false_alarm", "reason": "misheard", "text": "没有说", "at": NOON, **made, **fields})  # type: ignore[arg-type]


def fill(store: Store, *names: str) -> list[AlertChange]:
    """The spoken calls, their alerts, and one judgement; the alerts."""
    told, log = list[AlertChange](), Log()
    for name in names:
        events = spoken(name)
        told += [item for item in replay(load(), events) if isinstance(item, AlertChange)]
        log.calls(events)
    taken(store, log.alerts(told).verdicts([judgement(told[0])]).messages)
    return told


def rows(folder: Path, table: Table, day: str = DAY) -> list[dict[str, object]]:
    found: list[dict[str, object]] = pq.read_table(file_of(folder, table, day)).to_pylist()
    return found


@pytest.fixture
def folder(archived: Settings) -> Path:
    return archived.archive_folder


# ------------------------------------------------------------------------------------------ what stands in it


def test_a_day_holds_what_the_store_holds(store: Store, folder: Path) -> None:
    told = fill(store, "rude-agent", "escalation")
    wrote = days.write_day(store, folder, DAY)
    assert wrote.rows == {table: len(rows(folder, table)) for table in TABLES}
    (call,) = [row for row in rows(folder, "calls") if row["call"] == "escalation"]
    began = spoken("escalation")[0].at
    assert call["began_at"] == datetime.fromtimestamp(began, ZONE)
    assert (call["agent"], call["transfers"], call["in_time"], call["state"]) == ("8030", 1, True, "ended")
    assert [agent["agent"] for agent in call["agents"]] == ["8026", "8030"]  # type: ignore[attr-defined]
    first = next(row for row in rows(folder, "lines") if row["call"] == "escalation")
    assert (first["role"], str(first["text"])[:2]) == ("agent", "您好")
    assert 0 < first["start_s"] < first["end_s"] < 30  # type: ignore[operator]
    assert {row["alert"] for row in rows(folder, "alerts")} == {change.id for change in told}
    judged = next(row for row in rows(folder, "alerts") if row["alert"] == told[0].id)
    assert (judged["finding"], judged["reason"]) == ("false", "misheard")
    assert [(c["state"], c["says"]) for c in judged["changes"]] == [  # type: ignore[attr-defined]
        (change.state, change.says) for change in told if change.id == told[0].id
    ]
    (verdict,) = rows(folder, "verdicts")
    assert (verdict["alert"], verdict["action"], verdict["by_name"]) == (told[0].id, "false_alarm", "陈静")


def test_events_stand_call_by_call_in_the_order_of_the_log(store: Store, folder: Path) -> None:
    mixed = sorted((*spoken("rude-agent"), *spoken("escalation"), *spoken("dead-air")), key=lambda event: event.at)
    taken(store, Log().calls(mixed).messages, batch=7)
    days.write_day(store, folder, DAY)
    found = rows(folder, "events")
    assert [row["call"] for row in found] == sorted((row["call"] for row in found), key=[e.call for e in mixed].index)
    for name in ("rude-agent", "escalation", "dead-air"):
        own = [row for row in found if row["call"] == name]
        assert [parse(str(row["event"])).at for row in own] == [event.at for event in spoken(name)]
        assert [row["seq"] for row in own] == sorted(row["seq"] for row in own)  # type: ignore[type-var]


def test_a_call_is_never_split_between_two_groups(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(day_files._GROUP, "events", 150)
    make_day(tmp_path / "day.ndjson", calls=30)
    events = [item for item in read_record(tmp_path / "day.ndjson") if not isinstance(item, Problem)]
    taken(store, Log().calls(events).messages)
    day = "2026-11-20"
    days.write_day(store, folder, day)
    path = file_of(folder, "events", day)
    groups = pq.ParquetFile(path)
    assert groups.num_row_groups > 3
    seen = [set(groups.read_row_group(n, columns=["call"])["call"].to_pylist()) for n in range(groups.num_row_groups)]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 30
    stamp = day_files.stamp(path)
    spans = list(day_files.spans(path, stamp))
    assert [span.begins for span in spans] == sorted(span.begins for span in spans)
    for span in spans:
        own = [parse(line) for line in day_files.event_lines(path, stamp, span.row, span.rows)]
        assert {event.call for event in own} == {span.call}
        assert (min(e.at for e in own), max(e.at for e in own)) == (span.begins, span.ends)
    assert sum(span.rows for span in spans) == len(events)


def test_a_call_that_goes_on_stands_in_no_file(store: Store, folder: Path) -> None:
    taken(store, Log().calls([*spoken("rude-agent"), *spoken("escalation")[:-1]]).messages)
    days.write_day(store, folder, DAY)
    assert {row["call"] for row in rows(folder, "calls")} == {"rude-agent"}
    assert {row["call"] for row in rows(folder, "events")} == {"rude-agent"}


def test_only_its_owner_reads_a_day(store: Store, folder: Path) -> None:
    fill(store, "rude-agent")
    days.write_day(store, folder, DAY)
    for table in TABLES:
        assert (folder / table).stat().st_mode & 0o777 == 0o700
        assert file_of(folder, table, DAY).stat().st_mode & 0o777 == 0o600


# -------------------------------------------------------------------------------------------- which are due


def changed_at(store: Store, day: str = DAY) -> float:
    with store.reading() as connection:
        return float(connection.scalar(select(days_table.c.changed_at).where(days_table.c.day == day)) or 0)


def test_a_day_is_written_when_it_has_settled_and_once(store: Store, archived: Settings) -> None:
    fill(store, "rude-agent")
    settles = changed_at(store) + archived.archive.days_after_s
    assert days.write_due(store, archived, settles - 0.01) == ((), 1, ())
    assert days.write_due(store, archived, settles) == ((DAY,), 0, ())
    assert days.write_due(store, archived, settles + 1) == ((), 0, ())
    taken_later = Log()
    taken_later.messages = (
        Log().calls([*spoken("rude-agent"), *spoken("dead-air")]).messages[len(spoken("rude-agent")) :]
    )
    taken(store, taken_later.messages)
    assert days.write_due(store, archived, settles + 7200) == ((DAY,), 0, ())
    assert {row["call"] for row in rows(archived.archive_folder, "calls")} == {"rude-agent", "dead-air"}


def two_days(store: Store) -> tuple[str, str]:
    """The spoken calls' day, and before it one whose record is damaged; the damaged one first."""
    fill(store, "rude-agent")
    early = "2026-11-20"
    moved = [structs.replace(event, at=event.at - 2 * 86_400, call="early") for event in spoken("dead-air")]
    taken(store, Log().calls(moved).messages)
    with store.writing() as connection:
        no = connection.scalar(select(calls.c.no).where(calls.c.id == "early"))
        connection.execute(update(records).where(records.c.call_no == no).values(lines=b"xx"))
    return early, DAY


def test_a_damaged_day_does_not_keep_the_others_back(
    store: Store, archived: Settings, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    early, later = two_days(store)
    for _ in range(2):
        with store.writing() as connection:
            connection.execute(update(days_table).where(days_table.c.day == later).values(written=0))
        wrote = days.write_due(store, archived, NOON + 86_400)
        assert (wrote.written, wrote.failed, wrote.pending) == ((later,), (early,), 1)
    assert rows(folder, "events", later)
    assert not file_of(folder, "events", early).exists()
    assert list(day_files.leftovers(folder)) == []
    assert [f"a record of {early} cannot be read" in r.getMessage() for r in caplog.records] == [True]  # told once


def test_a_day_that_failed_comes_after_the_others(
    store: Store, archived: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes to find that it is damaged."""
    early, later = two_days(store)
    monkeypatch.setattr(days, "BUSY_S", -1.0)
    assert days.write_due(store, archived, NOON + 86_400) == ((), 2, (early,))
    assert days.write_due(store, archived, NOON + 86_400) == ((later,), 1, ())


def test_files_of_a_damaged_day_go_once_its_words_have_gone(store: Store, archived: Settings, folder: Path) -> None:
    fill(store, "rude-agent")
    days.write_day(store, folder, DAY)
    with store.writing() as connection:
        connection.execute(update(records).values(lines=b"xx"))
        connection.execute(update(days_table).values(changed=days_table.c.changed + 1))
    assert days.write_due(store, archived, NOON * 2) == ((), 1, (DAY,))
    assert days.files_of(folder, DAY)  # nothing has gone of it: the only copy of that record may be here
    with store.writing() as connection:
        connection.execute(update(days_table).values(wordless=days_table.c.changed))
    assert days.write_due(store, archived, NOON * 2) == ((), 1, (DAY,))
    assert days.files_of(folder, DAY) == ()


def test_days_are_found_dropped_and_swept_whatever_the_store_knows(store: Store, folder: Path) -> None:
    assert (days.drop(folder, DAY), days.sweep(folder), days.on_disk(folder)) == (False, 0, set())
    assert not folder.exists()
    fill(store, "rude-agent")
    days.write_day(store, folder, DAY)
    file_of(folder, "calls", DAY).write_bytes(b"damaged")
    file_of(folder, "lines", "2026-01-01").write_bytes(b"of a store that is gone")
    (folder / "lines" / "notes.parquet").touch()
    left = folder / "lines" / f".{DAY}.parquet.part"
    left.touch()
    assert days.on_disk(folder) == {DAY, "2026-01-01"}
    assert len(days.files_of(folder, DAY)) == len(TABLES)
    assert (days.sweep(folder), left.exists()) == (1, False)
    assert days.drop(folder, DAY)
    assert days.on_disk(folder) == {"2026-01-01"}


def test_what_stops_every_day_still_raises(store: Store, archived: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, "rude-agent")
    monkeypatch.setattr(days, "_LOCK_S", 0.1)
    archived.archive_folder.mkdir(parents=True)
    with (archived.archive_folder / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownError, match="is being written by another process"):
            days.write_due(store, archived, NOON + 86_400)


def test_more_days_than_fit_into_one_question(store: Store, folder: Path) -> None:
    fill(store, "rude-agent")
    assert days.due_of(store, folder, days_of("1800-01-01..2026-11-22")) == (DAY,)


def test_a_day_that_changes_while_it_is_written_is_due_again(store: Store, folder: Path) -> None:
    fill(store, "rude-agent")

    def late(done: int, of: int) -> None:
        if done == of:
            with store.writing() as connection:
                connection.execute(update(days_table).values(changed=days_table.c.changed + 1))

    before = days.due_of(store, folder, [DAY])
    days.write_day(store, folder, DAY, late)
    assert before == days.due_of(store, folder, [DAY]) == (DAY,)
    days.write_day(store, folder, DAY)
    assert days.due_of(store, folder, [DAY]) == ()


def test_of_a_day_without_calls_and_alerts_nothing_is_left(store: Store, archived: Settings, folder: Path) -> None:
    taken(store, Log().calls(spoken("rude-agent")).messages)
    days.write_day(store, folder, DAY)
    with store.writing() as connection:
        connection.execute(delete(calls))
        connection.execute(update(days_table).values(changed=days_table.c.changed + 1))
    assert days.write_due(store, archived, NOON * 2) == ((DAY,), 0, ())
    assert list(folder.glob("*/*.parquet")) == []
    assert days.renew(store, folder) == days.due_of(store, folder, [DAY]) == ()


@pytest.mark.parametrize("harm", ["gone", "cut", "empty", "foreign", "of another state"])
@pytest.mark.parametrize("table", ["calls", "events"])
def test_a_file_that_is_harmed_is_told_and_written_anew(
    store: Store, archived: Settings, folder: Path, table: Table, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, "rude-agent")
    days.write_day(store, folder, DAY)
    file = file_of(folder, table, DAY)
    whole = file.read_bytes()
    if harm == "gone":
        file.unlink()
    elif harm == "cut":
        file.write_bytes(whole[: len(whole) * 2 // 3])
    elif harm == "empty":
        file.write_bytes(b"")
    elif harm == "foreign":
        duckdb.sql("SELECT 1 AS call").write_parquet(str(file))
    else:
        with store.writing() as connection:
            connection.execute(update(days_table).values(written=days_table.c.written + 7))
    if harm != "of another state":
        with pytest.raises(DayError, match=re.escape(str(file)) + ".*sansheng archive export --day 2026-11-22"):
            day_files.about(file)
    monkeypatch.setattr(days, "_looked_at", set())  # as when the archivist starts
    assert days.write_due(store, archived, NOON * 2) == ((DAY,), 0, ())
    assert day_files.about(file).day == DAY
    assert days.renew(store, folder) == ()


def test_damage_in_the_middle_is_told_with_its_rows(store: Store, folder: Path) -> None:
    fill(store, "rude-agent")
    days.write_day(store, folder, DAY)
    file = file_of(folder, "events", DAY)
    stamp = day_files.stamp(file)
    column = pq.ParquetFile(file).metadata.row_group(0).column(5)
    with file.open("r+b") as out:
        out.seek(column.data_page_offset + column.total_compressed_size // 2)
        out.write(b"\xff\x00\xff\x00")
    os.utime(file, ns=(0, 0))
    stamp = day_files.stamp(file)
    (span,) = day_files.spans(file, stamp)
    with pytest.raises(DayError, match=f"rows 1 to {span.rows} are damaged .*export --day 2026-11-22"):
        day_files.event_lines(file, stamp, span.row, span.rows)


def test_a_later_version_s_file_is_not_guessed_at(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, "rude-agent")
    monkeypatch.setattr(day_files, "FORMAT", 2)
    days.write_day(store, folder, DAY)
    monkeypatch.undo()
    with pytest.raises(DayError, match="written by a later version, format 2"):
        day_files.about(file_of(folder, "events", DAY))


def test_a_file_that_is_open_stays_readable_when_its_day_is_written_anew(store: Store, folder: Path) -> None:
    fill(store, "rude-agent")
    days.write_day(store, folder, DAY)
    file = file_of(folder, "events", DAY)
    stamp = day_files.stamp(file)
    (span,) = day_files.spans(file, stamp)
    days.write_day(store, folder, DAY)
    assert day_files.stamp(file) != stamp
    assert len(day_files.event_lines(file, stamp, span.row, span.rows)) == span.rows
    day_files._hold.cache_clear()
    day_files._group.cache_clear()
    with pytest.raises(DayError, match="has been written anew meanwhile"):
        day_files.event_lines(file, stamp, span.row, span.rows)


# -------------------------------------------------------------------------------------------- whole or not there


KILLED = """
import os, signal, sys
from streams.archive import days
from streams.archive.store import Store
from streams.settings import read_settings
settings = read_settings()
def die(done, of):
    if done:
        os.kill(os.getpid(), signal.SIGKILL)
days.write_day(Store(settings), settings.archive_folder, "2026-11-22", die)
"""


def test_killed_in_the_middle_it_leaves_the_day_as_it_was(store: Store, archived: Settings, folder: Path) -> None:
    fill(store, "rude-agent")
    days.write_day(store, folder, DAY)
    before = {table: file_of(folder, table, DAY).read_bytes() for table in TABLES}
    done = subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, **archived.as_environment()}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(day_files.leftovers(folder))) == len(TABLES)
    assert before == {table: file_of(folder, table, DAY).read_bytes() for table in TABLES}
    days.write_day(store, folder, DAY)
    assert list(day_files.leftovers(folder)) == []


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow beyond a few hundred bytes, as on a disk that is full."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_where_there_is_no_room_the_day_stays_as_it_was_and_due(store: Store, folder: Path) -> None:
    fill(store, "rude-agent")
    days.write_day(store, folder, DAY)
    before = file_of(folder, "events", DAY).read_bytes()
    with store.writing() as connection:
        connection.execute(update(days_table).values(changed=days_table.c.changed + 1))
    with store.reading(), no_room(), pytest.raises(DownError, match=re.escape(str(folder))):  # SQLite has its room
        days.write_day(store, folder, DAY)
    assert file_of(folder, "events", DAY).read_bytes() == before
    assert list(day_files.leftovers(folder)) == []
    assert days.due_of(store, folder, [DAY]) == (DAY,)


def test_a_file_in_the_folder_s_way_is_told(store: Store, tmp_path: Path) -> None:
    fill(store, "rude-agent")
    (tmp_path / "file").touch()
    with pytest.raises(DownError, match="is no folder: move that file away"):
        days.write_day(store, tmp_path / "file", DAY)


def test_two_processes_do_not_write_at_once(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, "rude-agent")
    days.write_day(store, folder, DAY)
    monkeypatch.setattr(days, "_LOCK_S", 0.2)
    with (folder / ".lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownError, match="is being written by another process"):
            days.write_day(store, folder, DAY)
    days.write_day(store, folder, DAY)


# -------------------------------------------------------------------------------------------------- commands


def variables(archived: Settings) -> dict[str, str]:
    """Of the settings' archive."""
    url = archived.archive.url.get_secret_value()
    return {"SANSHENG_RUN_DIR": str(archived.run_dir), **({"SANSHENG_ARCHIVE__URL": url} if url else {})}


def test_export_writes_what_is_due_and_says_so(store: Store, archived: Settings, folder: Path, run: Run) -> None:
    fill(store, "rude-agent")
    done = run("archive", "export", "--all", **variables(archived))
    assert (done.code, done.err) == (0, "1 day(s) written\n")
    assert re.search(rf"│ {DAY} +│ 1 +│", done.out)
    assert "total" in done.out
    done = run("archive", "export", "--days", "2026-11-01..2026-11-22", **variables(archived))
    assert (done.code, done.out) == (0, "")
    assert done.err == (
        "2026-11-01..2026-11-21: the archive knows nothing of it\n0 day(s) written, 1 were as the store has them\n"
    )
    written = day_files.about(file_of(folder, "calls", DAY)).written_at
    assert "1 day(s) written" in run("archive", "export", "--all", "--force", **variables(archived)).err
    assert "1 day(s) written" in run("archive", "export", "--day", DAY, **variables(archived)).err
    assert day_files.about(file_of(folder, "calls", DAY)).written_at > written


def test_a_replay_reads_the_days_that_can_be_exported(store: Store, archived: Settings, folder: Path, run: Run) -> None:
    early, later = two_days(store)
    done = run("replay", "--from", "archive", "--days", f"{early}..{later}", **variables(archived))
    assert done.code == 0
    assert f"a record of {early} cannot be read" in done.err
    assert "no calls of 2026-11-20..2026-11-21" in done.err
    assert day_files.days_in(folder) == [later]
    assert done.out


def test_export_is_noted_and_tells_the_day_that_it_cannot_write(store: Store, archived: Settings, run: Run) -> None:
    early, later = two_days(store)
    done = run("archive", "export", "--all", **variables(archived))
    assert (done.code, later in done.out) == (1, True)
    assert f"a record of {early} cannot be read; restore a backup" in done.err
    assert "1 day(s) written, 1 could not be written" in done.err
    with store.reading() as connection:
        ((what, of),) = connection.execute(select(reads.c.what, reads.c.of)).all()
    assert (what, fields_of(of)) == ("export", {"days": f"{early}, {later}"})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "say which days"),
        (("--all", "--day", DAY), "say which days"),
        (("--day", "yesterday"), "not days: 'yesterday' (write 2026-11-21, or 2026-11-01..2026-11-21)"),
        (("--days", "2026-11-22..2026-11-01"), "2026-11-22 comes after 2026-11-01 (write the earlier day first)"),
        (("--day", "2026-11-01..2026-11-02"), "--day takes one day (use --days for several)"),
    ],
)
def test_export_refuses_what_it_does_not_understand(run: Run, asked: tuple[str, ...], said: str) -> None:
    done = run("archive", "export", *asked)
    assert done.code == 2
    assert said in done.err


def test_days_are_read_and_told() -> None:
    assert days_of("2026-02-27..2026-03-01") == ("2026-02-27", "2026-02-28", "2026-03-01")
    assert days_of("2026-02-27") == ("2026-02-27",)
    assert day_files.told(["2026-03-01", "2026-02-28", "2026-03-05"]) == "2026-02-28..2026-03-01, 2026-03-05"
    assert day_files.told([]) == ""


# ---------------------------------------------------------------------------------------------------- DuckDB


QUERIES = re.findall(
    r"```sql\n(.*?)```", DOCS.read_text("utf-8").partition("section: days")[2].partition("<!-- section")[0], re.S
)


@pytest.fixture
def week(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every spoken call as a day, where the documentation's queries are asked."""
    fill(store, *(trace.stem for trace in sorted(SPEECH.glob("*.ndjson"))))
    days.write_day(store, folder, DAY)
    monkeypatch.chdir(folder)
    return folder


def test_the_queries_of_the_documentation_run_and_find_something(week: Path) -> None:
    assert len(QUERIES) >= 5
    found = [duckdb.connect().execute(query).fetchall() for query in QUERIES]
    assert [query for query, rows in zip(QUERIES, found, strict=True) if not rows] == []


def test_duckdb_reads_times_of_the_site_and_events_that_can_be_parsed(week: Path) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Shanghai'")
    asked = "SELECT strftime(began_at, '%Y-%m-%d %H:%M') FROM 'calls/*.parquet' WHERE call = 'escalation'"
    began = datetime.fromtimestamp(spoken("escalation")[0].at, ZONE)
    assert connection.execute(asked).fetchone() == (f"{began:%Y-%m-%d %H:%M}",)
    lines = connection.execute("SELECT event FROM 'events/*.parquet' WHERE call = 'escalation' ORDER BY seq").fetchall()
    assert [parse(line).at for (line,) in lines] == [event.at for event in spoken("escalation")]
    assert render(parse(lines[0][0])).decode() == lines[0][0]
