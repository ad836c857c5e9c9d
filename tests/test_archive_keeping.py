"""Retention: what is too old goes, all of it and nothing else, wherever it is interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from pydantic import SecretStr
from sqlalchemy import insert, select, update

from streams.archive import days as parquet
from streams.archive import forget, keeping, past, quoted
from streams.archive.schema import alerts, calls, days, forgotten, judgements, parts, reads, words
from streams.archive.schema import keeping as place
from streams.archive.store import DownError, Store
from streams.call import is_telephony
from streams.events import CallEnded, Gap, SpeechStarted, Spotted, Transcript
from streams.settings import ArchiveSettings, Settings
from streams.verdicts import Judgement
from tests.archive_tools import Log, taken
from tests.conftest import Run
from tests.forgetting_tools import (
    DAY_S,
    NOW,
    call,
    damage,
    everything,
    filled,
    fired,
    found_by,
    in_parquet,
    judged,
    kept,
    of_calls,
    on_disk,
    quoting,
    readable,
    rows,
)

OLD, EDGE, YOUNG = "old-call", "edge-call", "young-call"
SECRET = {OLD: "石榴树下埋着铜钥匙", EDGE: "屋檐底下挂着旧灯笼", YOUNG: "渡口船家藏了白酒坛"}
AT = {OLD: NOW - 91 * DAY_S, EDGE: NOW - 90 * DAY_S, YOUNG: NOW - 89 * DAY_S}


def three(store: Store) -> Log:
    return filled(store, [(name, AT[name], f"1380013800{n}", SECRET[name]) for n, name in enumerate(SECRET)])


def written(store: Store, settings: Settings) -> None:
    """The files of all days, as they are now."""
    with store.reading() as connection:
        due = list(connection.scalars(select(days.c.day).where(days.c.changed > days.c.written)))
    for day in due:
        parquet.write_day(store, settings.archive_folder, day)


def test_the_words_of_an_old_call_are_nowhere_and_all_the_rest_is_as_it_was(archived: Settings, store: Store) -> None:
    three(store)
    written(store, archived)
    assert SECRET[OLD] in readable(store)
    assert SECRET[OLD] in in_parquet(archived.archive_folder)
    before, others = {table.name: rows(store, table) for table in (calls, parts)}, of_calls(store, [EDGE, YOUNG])
    with store.reading() as connection:
        record = past.record(connection, OLD)
        sentences = {line.text for line in past.lines(connection, OLD)} - {
            line.text for line in past.lines(connection, YOUNG)
        }
        standing = past.standing(connection, f"q-{OLD}")

    assert kept(store, archived, NOW).words == 1
    written(store, archived)

    assert SECRET[OLD] in sentences
    for text in (readable(store), in_parquet(archived.archive_folder)):
        assert SECRET[OLD] not in text
        assert SECRET[OLD][:4] not in text
        assert SECRET[YOUNG] in text
    forget.scrub(store)  # as `archive keep` does
    assert SECRET[OLD].encode() not in on_disk(store, archived.archive_folder)
    assert not found_by(store, SECRET[OLD][:4])
    assert not of_calls(store, [OLD])["grams"]
    assert found_by(store, SECRET[YOUNG][:4]) == [YOUNG]
    assert {table.name: rows(store, table) for table in (calls, parts)} == before
    assert of_calls(store, [EDGE, YOUNG]) == others
    with store.reading() as connection:
        assert past.lines(connection, OLD) == ()
        left = past.record(connection, OLD)
        assert left == [event for event in record if not isinstance(event, Transcript | Spotted)]
        assert {type(event) for event in left} >= {SpeechStarted, Gap, CallEnded}
        assert past.standing(connection, f"q-{OLD}").finding == standing.finding == "true"
        changes = past.alert(connection, f"q-{OLD}")
        assert [(c.state, c.says, c.evidence, c.clause.quote) for c in changes] == [
            ("opened", "禁语", (), "不得如此"),
            ("cleared", "禁语", (), "不得如此"),
        ]
        assert connection.scalar(select(alerts.c.says).where(alerts.c.id == f"q-{OLD}")) == "禁语"


def test_what_is_left_of_a_record_is_judged_as_a_call_without_ears(archived: Settings, store: Store) -> None:
    """A rule about missing words must not take removed ones for silence."""
    log = three(store)
    whole = {change.rule for change in fired(call(OLD, AT[OLD], "1", SECRET[OLD]))}
    kept(store, archived, NOW)
    with store.reading() as connection:
        left = past.record(connection, OLD)
    phone = [event for event in left if is_telephony(event)]
    assert log.messages
    assert [c.rule for c in fired(left)] == [c.rule for c in fired([e for e in left if not isinstance(e, Transcript)])]
    assert {change.rule for change in fired(left)} <= whole
    assert {change.rule for change in fired(left)} == {change.rule for change in fired(phone)}


@pytest.mark.parametrize(("after_s", "goes"), [(-1, False), (0, True)])
def test_words_go_with_the_first_moment_of_the_91st_day_of_the_site(
    archived: Settings, store: Store, after_s: int, goes: bool
) -> None:
    """
    day of the call | 90 whole days | here they go
    ----------------|---------------|------------- midnight of the site, and not of UTC
    """
    three(store)
    midnight = keeping.midnight(store, store.day_of(AT[EDGE] + 91 * DAY_S))
    assert store.day_of(midnight - 1) == store.day_of(AT[EDGE] + 90 * DAY_S)
    kept(store, archived, midnight + after_s)
    assert (found_by(store, SECRET[EDGE]) == []) is goes
    assert (SECRET[EDGE] in readable(store)) is not goes


def test_nothing_to_do_changes_nothing_and_a_second_time_neither(archived: Settings, store: Store) -> None:
    three(store)
    before = everything(store, but=["keeping"])
    assert kept(store, archived, NOW - 2 * DAY_S) == keeping.Kept()
    assert everything(store, but=["keeping"]) == before
    kept(store, archived, NOW)
    after = everything(store)
    assert kept(store, archived, NOW) == keeping.Kept()
    assert everything(store) == after


def test_only_a_day_that_lost_something_is_written_anew(archived: Settings, store: Store) -> None:
    three(store)
    written(store, archived)
    kept(store, archived, NOW)
    with store.reading() as connection:
        due = list(connection.scalars(select(days.c.day).where(days.c.changed > days.c.written)))
    assert due == [store.day_of(AT[OLD])]


def many(store: Store, count: int = 12) -> None:
    filled(
        store, [(f"c{n}", AT[OLD] + 60 * n, f"1390000{n:04}", f"{SECRET[OLD]}{chr(0x4E00 + n)}") for n in range(count)]
    )


@pytest.mark.parametrize("fault", ["remove", "go_on", "unpack"])
def test_it_goes_on_after_whatever_breaks_off_between_and_within_portions(
    archived: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    many(store)
    figures = rows(store, calls)
    monkeypatch.setattr(keeping, "CALLS", 5)
    monkeypatch.setattr(keeping, "ROWS", 3)
    owner, name = {"remove": (keeping, "_remove"), "go_on": (keeping, "_go_on"), "unpack": (quoted, "silent")}[fault]
    real, asked = getattr(owner, name), 0

    def breaks(*args: object) -> object:
        nonlocal asked
        asked += 1
        if asked % 3 == 2:
            raise DownError("broken off")
        return real(*args)

    monkeypatch.setattr(owner, name, breaks)
    broken = 0
    for _ in range(200):
        try:
            if not keeping.keep(store, archived, NOW).more:
                break
        except DownError:
            broken += 1
            if fault == "unpack":
                asked = 0 if broken > 3 else asked
                monkeypatch.setattr(owner, name, real) if broken > 3 else None
    assert broken
    assert SECRET[OLD] not in readable(store)
    assert not found_by(store, SECRET[OLD])
    assert rows(store, calls) == figures
    assert not rows(store, words)
    assert [row[0] for row in rows(store, place)] == ["comments"]


_LOOP = """
import sys
from pathlib import Path
from pydantic import SecretStr
from streams.archive import keeping
from streams.archive.store import Store
from streams.settings import ArchiveSettings, Settings
keeping.CALLS, keeping.ROWS, keeping.BUSY_S = 1, 1, 0.0
settings = Settings(run_dir=Path(sys.argv[1]), archive=ArchiveSettings(url=SecretStr(sys.argv[2])))
store = Store(settings)
while keeping.keep(store, settings, float(sys.argv[3])).more:
    print("portion", flush=True)
"""


def test_killed_with_9_in_the_middle_it_goes_on(archived: Settings, store: Store) -> None:
    many(store, 20)
    figures = rows(store, calls)
    command = [sys.executable, "-c", _LOOP, str(archived.run_dir), archived.archive_url, str(NOW)]
    for portions in (1, 4, 7):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
        assert process.stdout
        for _ in range(portions):
            assert process.stdout.readline() == b"portion\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    left = len(rows(store, words))
    assert 0 < left < 20
    assert kept(store, archived, NOW).words <= left + 1
    assert SECRET[OLD] not in readable(store)
    assert rows(store, calls) == figures
    forget.scrub(store)  # as `archive keep` does
    assert SECRET[OLD].encode() not in on_disk(store, archived.archive_folder)


def test_what_is_said_of_an_old_alert_later_goes_with_the_next_pass(archived: Settings, store: Store) -> None:
    log = three(store)
    kept(store, archived, NOW)
    before = len(log.messages)
    alert = quoting(OLD, AT[OLD], SECRET[OLD])[0]
    log.verdicts([replace(judged(alert, 3, "commented", f"再听一遍{SECRET[OLD]}"), at=NOW)])
    taken(store, log.messages[before:])
    assert SECRET[OLD] in readable(store)
    kept(store, archived, NOW + 60)
    assert SECRET[OLD] not in readable(store)
    with store.reading() as connection:
        assert len(past.judged(connection, [alert.id])[alert.id]) == 3


def test_words_that_come_again_go_again(store: Store, archived: Settings) -> None:
    """A day is the shortest retention, and Kafka keeps a week: offsets that are set back bring all of it again."""
    short = archived.model_copy(update={"archive": archived.archive.model_copy(update={"words_days": 1})})
    log = filled(store, [(OLD, NOW - 3 * DAY_S, "13800138000", SECRET[OLD])])
    figures = rows(store, calls)
    kept(store, short, NOW)
    assert SECRET[OLD] not in readable(store)
    again = [message._replace(offset=message.offset) for message in log.messages]
    with store.writing() as connection:
        from streams.archive.schema import progress  # noqa: PLC0415 - used here alone

        connection.execute(progress.delete())
    taken(store, again)
    assert found_by(store, SECRET[OLD]) == [OLD]
    kept(store, short, NOW)
    assert SECRET[OLD] not in readable(store)
    assert not found_by(store, SECRET[OLD])
    assert rows(store, calls) == figures


def test_an_old_call_whose_end_never_came_loses_its_words_too(store: Store, archived: Settings) -> None:
    events = [event for event in call(OLD, AT[OLD], "1", SECRET[OLD]) if not isinstance(event, CallEnded)]
    only_words = [event for event in call("no-call", AT[OLD], "1", SECRET[OLD]) if isinstance(event, Transcript)]
    taken(store, Log().calls(events).calls(only_words).messages)
    assert SECRET[OLD] in readable(store)
    kept(store, archived, NOW)
    assert SECRET[OLD] not in readable(store)
    assert {row.id: row.state for row in _calls(store)} == {OLD: "lost", "no-call": "lost"}


def _calls(store: Store) -> list:  # type: ignore[type-arg]
    with store.reading() as connection:
        return list(connection.execute(select(calls)))


def test_comments_on_what_nobody_knows_go_too(store: Store, archived: Settings) -> None:
    made = judged(replace(quoting("never-heard-of", AT[OLD], SECRET[OLD])[0]), 1, "commented", SECRET[OLD])
    young = replace(made, id="young", at=NOW, text=SECRET[YOUNG])
    taken(store, Log().verdicts([made, young]).messages)
    kept(store, archived, NOW)
    assert SECRET[OLD] not in readable(store)
    assert SECRET[YOUNG] in readable(store)


def test_an_alert_on_the_day_after_its_call_goes_with_it(store: Store, archived: Settings) -> None:
    """The call began before midnight, and the alert came after it."""
    late = keeping.midnight(store, store.day_of(AT[OLD])) + DAY_S - 20
    log = Log().calls(call(OLD, late, "1", SECRET[OLD])).alerts(quoting(OLD, late, SECRET[OLD]))
    taken(store, log.messages)
    with store.reading() as connection:
        assert connection.scalar(select(alerts.c.day)) == store.day_of(AT[EDGE])
    written(store, archived)
    kept(store, archived, NOW)
    assert SECRET[OLD] not in readable(store)
    written(store, archived)
    assert SECRET[OLD] not in in_parquet(archived.archive_folder)


def test_a_sentence_of_figures_alone_stays(store: Store, archived: Settings) -> None:
    quiet = replace(
        quoting(OLD, AT[OLD], "x")[0], id="quiet", evidence=(), says="响铃 34 秒后接听", en=None, rule="late-answer"
    )
    taken(store, Log().calls(call(OLD, AT[OLD], "1", SECRET[OLD])).alerts([quiet]).messages)
    kept(store, archived, NOW)
    with store.reading() as connection:
        assert [change.says for change in past.alert(connection, "quiet")] == ["响铃 34 秒后接听"]


def test_what_the_archivist_writes_between_reading_and_removing_is_not_lost(
    store: Store, archived: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late events make one piece of a record while a portion of it is being unpacked."""
    log = filled(store, [(OLD, AT[OLD], "13800138000", SECRET[OLD])])
    real, before = quoted.silent, len(log.messages)
    with store.reading() as connection:
        ended = past.record(connection, OLD)[-1].at
    late = SpeechStarted(call=OLD, at=ended + 1, role="customer")
    log.calls([late])
    come = [log.messages[before:]]

    def meanwhile(piece: bytes) -> quoted.Left | None:
        if come:
            other = Store(archived)
            taken(other, come.pop())
            other.close()
        return real(piece)

    monkeypatch.setattr(quoted, "silent", meanwhile)
    kept(store, archived, NOW)
    assert not come
    assert SECRET[OLD] not in readable(store)
    with store.reading() as connection:
        assert past.record(connection, OLD)[-1].at == late.at


def test_a_call_that_changes_behind_the_work_is_looked_at_again(
    store: Store, archived: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    portion:      c0   c1   c2 ...                 again from c0
    archivist:            ▲ a sentence of c0 comes late
    """
    monkeypatch.setattr(keeping, "CALLS", 1)
    monkeypatch.setattr(keeping, "BUSY_S", 0.0)
    made = [(f"c{n}", AT[OLD] + 60 * n, f"1390000{n:04}", SECRET[OLD]) for n in range(4)]
    log = filled(store, made)
    before = len(log.messages)
    for _ in range(2):
        assert keeping.keep(store, archived, NOW).words == 1
    log.calls([each for each in call("c0", AT[OLD], "1", SECRET[EDGE]) if isinstance(each, Transcript)])
    taken(store, log.messages[before:])
    assert SECRET[EDGE] in readable(store)
    kept(store, archived, NOW)
    for name in (OLD, EDGE):
        assert SECRET[name] not in readable(store)


def test_after_two_years_nothing_is_left_but_what_is_younger(store: Store, archived: Settings) -> None:
    three(store)
    written(store, archived)
    with store.writing() as connection:
        entry = {"by": "li", "role": "supervisor", "what": "call", "of": OLD}
        connection.execute(
            insert(reads), [{"id": "1", "at": AT[OLD], **entry}, {"id": "2", "at": AT[YOUNG], **entry, "of": YOUNG}]
        )
        connection.execute(insert(forgotten), [{"call": "x", "at": AT[OLD]}, {"call": "y", "at": AT[YOUNG]}])
    others = of_calls(store, [YOUNG])
    now = AT[YOUNG] + 730 * DAY_S  # those of EDGE and OLD are a day and two days older
    own = archived.model_copy(update={"archive": archived.archive.model_copy(update={"words_days": 1000})})
    done = kept(store, own, now)
    assert (done.calls, done.reads) == (2, 1)
    assert of_calls(store, [YOUNG]) == others
    text = readable(store)
    assert OLD not in text
    assert EDGE not in text
    assert [row[0] for row in rows(store, reads)] == ["2"]
    assert [row[0] for row in rows(store, forgotten)] == ["y"]
    assert not found_by(store, SECRET[EDGE])
    written(store, own)
    kept(store, own, now)
    assert [row[0] for row in rows(store, days)] == [store.day_of(AT[YOUNG])]
    assert {file.stem for file in own.archive_folder.rglob("*.parquet")} == {store.day_of(AT[YOUNG])}


def test_the_days_portions_are_short(store: Store, archived: Settings) -> None:
    """Whoever writes waits for one transaction of a portion at most; half a second is all the time that it may take."""
    filled(store, [(f"c{n}", AT[OLD] + n, f"1390000{n:04}", SECRET[OLD]) for n in range(60)])
    longest, more = 0.0, True
    while more:
        begun = time.monotonic()
        more = keeping.keep(store, archived, NOW).more
        longest = max(longest, time.monotonic() - begun)
    assert longest < 2.0  # 0.5 s on a machine that does nothing else


def test_by_hand(store: Store, archived: Settings, run: Run) -> None:
    now = time.time()
    filled(store, [("a", now - 100 * DAY_S, "1", SECRET[OLD]), ("b", now - DAY_S, "2", SECRET[YOUNG])])
    written(store, archived)
    store.close()
    own = {"SANSHENG_RUN_DIR": str(archived.run_dir), "SANSHENG_ARCHIVE__URL": archived.archive_url}
    done = run("archive", "keep", **own)
    assert done.code == 0, done.err
    assert "words of 1 call(s)" in done.err
    assert SECRET[OLD] not in readable(store)
    assert SECRET[OLD] not in in_parquet(archived.archive_folder)
    assert SECRET[YOUNG] in in_parquet(archived.archive_folder)


def test_kept_for_ever_is_a_setting_too(tmp_path: Path) -> None:
    settings = Settings(
        run_dir=tmp_path, archive=ArchiveSettings(url=SecretStr(""), words_days=10**7, figures_days=10**9)
    )
    store = Store(settings)
    limit = keeping.limits(store, settings, NOW)
    assert (limit.words, limit.figures) == ("0001-01-01", "0001-01-01")
    assert keeping.midnight(store, limit.words) == 0.0


def test_a_piece_without_words_is_not_touched() -> None:
    events = [event for event in call("a", NOW, "1", SECRET[OLD]) if not isinstance(event, Transcript | Spotted)]
    assert quoted.silent(past.pack(events)) is None
    only = [event for event in call("a", NOW, "1", SECRET[OLD]) if isinstance(event, Transcript)]
    left = quoted.silent(past.pack(only))
    assert left is not None
    assert left.events == 0


def test_judgement_keeps_all_but_its_text(store: Store, archived: Settings) -> None:
    three(store)
    before = {row[0]: row for row in rows(store, judgements)}
    kept(store, archived, NOW)
    from streams import verdicts  # noqa: PLC0415 - used here alone

    for each in rows(store, judgements):
        was, now = (verdicts.parse(row[-1]) for row in (before[each[0]], each))
        assert isinstance(was, Judgement)
        assert now == (replace(was, text="") if was.call == OLD else was)


def test_what_cannot_be_read_goes_when_it_is_due_and_stops_nothing(
    archived: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged record, alert and comment on the oldest day; the next day's words go all the same."""
    three(store)
    filled(store, [("later-old", AT[OLD] + 600, "13900000000", "石榴花开满院子")])
    damage(store, OLD)
    with store.writing() as connection:
        connection.execute(update(alerts).where(alerts.c.id == f"q-{OLD}").values(changes=b"xx"))
        connection.execute(update(judgements).where(judgements.c.id == f"q-{OLD}-2").values(judgement=b"xx"))
    kept(store, archived, NOW)
    text = readable(store)
    assert SECRET[OLD] not in text
    assert "石榴花开满院子" not in text
    assert SECRET[YOUNG] in text
    assert found_by(store, SECRET[YOUNG][:4]) == [YOUNG]
    with store.reading() as connection:
        assert connection.scalar(select(alerts.c.says).where(alerts.c.id == f"q-{OLD}")) == "禁语"
        assert not list(connection.scalars(select(judgements.c.id).where(judgements.c.id == f"q-{OLD}-2")))
    written(store, archived)
    assert SECRET[OLD] not in in_parquet(archived.archive_folder)
    assert f"of {store.day_of(AT[OLD])}: a piece of its record cannot be read" in caplog.text
    assert OLD not in caplog.text
    assert kept(store, archived, NOW) == keeping.Kept()


def test_a_call_without_an_end_that_cannot_be_read_is_lost_and_the_others_are_as_they_are(
    archived: Settings, store: Store
) -> None:
    three(store)
    filled(store, [("later-old", AT[OLD] + 600, "13900000000", "石榴花开满院子")])
    with store.writing() as connection:
        connection.execute(update(calls).where(calls.c.id.in_([OLD, "later-old"])).values(state="up"))
    damage(store, OLD)
    kept(store, archived, NOW)
    with store.reading() as connection:
        states = {row.id: row.state for row in connection.execute(select(calls.c.id, calls.c.state))}
    assert (states[OLD], states["later-old"]) == ("lost", "ended")
    assert SECRET[OLD] not in readable(store)
    assert "石榴花开满院子" not in readable(store)


def test_old_files_of_days_that_the_store_does_not_know_go_and_young_ones_stay(
    archived: Settings, store: Store
) -> None:
    """The file of the store was lost and made anew; what Kafka has no more cannot be written again."""
    three(store)
    written(store, archived)
    own, young = archived.archive_folder / "lines", store.day_of(NOW - 80 * DAY_S)
    for day in (store.day_of(NOW - 200 * DAY_S), young):
        shutil.copy(own / f"{store.day_of(AT[YOUNG])}.parquet", own / f"{day}.parquet")
    (own / "notes.parquet").write_bytes(b"mine")
    kept(store, archived, NOW)
    assert {file.stem for file in own.glob("*.parquet")} >= {young, store.day_of(AT[YOUNG]), "notes"}
    assert not (own / f"{store.day_of(NOW - 200 * DAY_S)}.parquet").exists()
    assert kept(store, archived, NOW) == keeping.Kept()
