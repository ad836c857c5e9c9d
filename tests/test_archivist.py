"""The archivist against a real broker and real stores: killed, starved, contradicted, and still exact.

``kept`` is each time what an archivist that nobody disturbs makes of the same topics.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka import TopicPartition as KafkaPartition
from pydantic import SecretStr
from sqlalchemy import delete, select, text, update

from streams import heartbeat
from streams.archive import archivist, archivist_store, migrations, taking
from streams.archive import store as stores
from streams.archive.archivist_store import Pen
from streams.archive.facts import Facts
from streams.archive.schema import calls, forgotten, progress, reads
from streams.archive.store import DownError, Store
from streams.archive.taking import Taking, Took, Writer
from streams.events import AnyEvent
from streams.metrics import Metrics
from streams.settings import ArchiveSettings, MetricsSettings, Settings
from streams.shell.kafka import EmbeddedKafka
from streams.shell.running import UnreadyError
from tests.archivist_tools import (
    PARTITIONS,
    Floor,
    archiving,
    begun,
    in_one_go,
    must_be,
    position,
    traffic,
    until,
    whole,
)
from tests.conftest import LIBS, Run
from tests.postgres import postgres

KILLS = 20
New = Callable[[], Store]


@pytest.fixture
def settings(archived: Settings, kafka: str, prefix: str) -> Settings:
    """Of an archivist with topics of its own, on a store of each kind in turn."""
    more = {"kafka": kafka, "topic_prefix": prefix, "partitions": PARTITIONS, "metrics": MetricsSettings(archive=0)}
    return archived.model_copy(update=more)


@pytest.fixture
def other(settings: Settings, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A second, empty store of the same kind."""
    is_postgres = bool(settings.archive.url.get_secret_value())
    url = request.getfixturevalue("database").new() if is_postgres else f"sqlite:///{tmp_path}/other.db"
    made = Store(settings.model_copy(update={"archive": ArchiveSettings(url=SecretStr(url))}))
    migrations.upgrade(made)
    yield made
    made.close()


async def test_killed_twenty_times_it_has_everything_once(
    settings: Settings, store: Store, other: Store, tmp_path: Path
) -> None:
    """::

    topics     ── written all the while ─────────────────────────────▶
    archivist  ─── 9 ─── 9 ─────── 9 ─ …  each time at some moment between two batches or within one
    """
    chance = random.Random(7)  # noqa: S311 - not for secrets
    sent, log = traffic(tmp_path, 150, is_endless=True), tmp_path / "archivist.log"
    gone = ["day-00003", "day-00007"]
    with store.writing() as connection:
        for call in gone:
            connection.execute(forgotten.insert().values(call=call, at=0.0))
    async with Floor(settings) as floor:
        await floor.put(sent[:2000])
        writing = asyncio.create_task(_slowly(floor, sent[2000:]))
        for _ in range(KILLS):
            before = position(store)
            process = begun(settings, log, batch=20)
            await until(lambda b=before: position(store) > b, log.read_text() if log.exists() else "")
            await asyncio.sleep(chance.uniform(0, 0.15))
            process.kill()
            await asyncio.to_thread(process.join)
            assert process.exitcode == -9
            assert position(store) < len(sent), "it was through before it was killed: nothing was tried"
        await writing
        process = begun(settings, log)
        await until(lambda: position(store) == len(sent))
        process.terminate()
        await asyncio.to_thread(process.join)
        assert process.exitcode == 0
        expected = await in_one_go(floor, other, gone)
    must_be(store, expected)
    for made in (store, other):
        Taking(made, b"", 60).close_lost(4e9)
    assert whole(store) == whole(other)


async def _slowly(floor: Floor, sent: list) -> None:  # type: ignore[type-arg]
    for at in range(0, len(sent), 200):
        await floor.put(sent[at : at + 200])
        await asyncio.sleep(0.1)


# ------------------------------------------------------------------------------------------- troubles of a store


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tests that cannot wait: a locked store is given up after a moment, and asked again soon."""
    monkeypatch.setattr(stores, "BUSY_S", 0.3)
    monkeypatch.setattr(archivist_store, "LONGEST_S", 0.5)
    monkeypatch.setattr(archivist, "LOOK_EVERY_S", 0.3)
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.2)
    monkeypatch.setattr(archivist, "BATCH", 100)


def in_file(folder: Path, kafka: str, prefix: str, url: str = "") -> Settings:
    return Settings(
        run_dir=folder / "run",
        kafka=kafka,
        topic_prefix=prefix,
        partitions=PARTITIONS,
        metrics={"archive": 0},
        archive=ArchiveSettings(url=SecretStr(url)),
    )


def empty(settings: Settings, url: str) -> Store:
    made = Store(settings.model_copy(update={"archive": ArchiveSettings(url=SecretStr(url))}))
    migrations.upgrade(made)
    return made


async def says(floor: Floor, detail: str) -> None:
    """Returns when the archivist's newest heartbeat says that; empty: that all is well."""
    for _ in range(200):
        beats = await floor.beats()
        if beats and (beats[-1].detail, beats[-1].ok) == (detail, not detail):
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"its heartbeat says {beats[-1].detail!r} and not {detail!r}" if beats else "no heartbeat")


def errors(caplog: pytest.LogCaptureFixture, sign: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "sansheng.archive" and sign in r.getMessage()]


async def test_a_locked_store_is_waited_for_and_nothing_is_skipped(
    patient: None, kafka: str, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings, sent = in_file(tmp_path, kafka, prefix), traffic(tmp_path, 20)
    store = empty(settings, "")
    async with Floor(settings) as floor, archiving(settings):
        await floor.put(sent[:500])
        await until(lambda: position(store) == 500)
        with sqlite3.connect(settings.run_dir / "archive/calls.db", isolation_level=None) as another:
            another.execute("BEGIN IMMEDIATE")
            await floor.put(sent[500:])
            await says(floor, "store locked")
            assert position(store) == 500
            another.execute("ROLLBACK")
        await until(lambda: position(store) == len(sent))
        await says(floor, "")
        kept = await in_one_go(floor, empty(settings, f"sqlite:///{tmp_path}/other.db"))
    must_be(store, kept)
    assert len(errors(caplog, "nothing is archived")) == len(errors(caplog, "can be written again")) == 1


async def test_a_file_that_is_gone_is_waited_for_and_not_made_anew(
    patient: None, kafka: str, prefix: str, tmp_path: Path
) -> None:
    """A disk that is not mounted just now: a new, empty store in its place would be a second truth."""
    settings, sent = in_file(tmp_path, kafka, prefix), traffic(tmp_path, 20)
    store, file = empty(settings, ""), settings.run_dir / "archive/calls.db"
    async with Floor(settings) as floor, archiving(settings):
        await floor.put(sent[:500])
        await until(lambda: position(store) == 500)
        file.rename(tmp_path / "away.db")
        await floor.put(sent[500:])
        await says(floor, "store gone")
        assert not file.exists()
        (tmp_path / "away.db").rename(file)
        await until(lambda: position(store) == len(sent))
        kept = await in_one_go(floor, empty(settings, f"sqlite:///{tmp_path}/other.db"))
    must_be(store, kept)


async def test_where_a_backup_is_put_in_its_place_it_reads_on_from_there(
    patient: None, kafka: str, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings, sent = in_file(tmp_path, kafka, prefix), traffic(tmp_path, 20)
    store, file = empty(settings, ""), settings.run_dir / "archive/calls.db"
    async with Floor(settings) as floor, archiving(settings):
        await floor.put(sent[:500])
        await until(lambda: position(store) == 500)
        with sqlite3.connect(file) as source, sqlite3.connect(tmp_path / "backup.db") as target:
            source.backup(target)
        await floor.put(sent[500:900])
        await until(lambda: position(store) == 900)
        for end in ("-wal", "-shm"):
            file.with_name(file.name + end).unlink(missing_ok=True)
        (tmp_path / "backup.db").rename(file)
        await floor.put(sent[900:])
        await until(lambda: position(store) == len(sent))
        kept = await in_one_go(floor, empty(settings, f"sqlite:///{tmp_path}/other.db"))
    must_be(store, kept)
    assert errors(caplog, "reading on from where it is")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 3 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this user cannot mount; the quota's test stands for it")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


async def test_a_full_disk_and_one_that_cannot_be_written_are_waited_for(
    patient: None, kafka: str, prefix: str, tmp_path: Path, small_disk: Path
) -> None:
    url = f"sqlite:///{small_disk}/calls.db"
    settings, sent = in_file(tmp_path, kafka, prefix, url), traffic(tmp_path, 40)
    store = empty(settings, url)
    async with Floor(settings) as floor, archiving(settings):
        await floor.put(sent[:500])
        await until(lambda: position(store) == 500)
        (small_disk / "rubbish").write_bytes(b"x" * (free_bytes(small_disk) - 4096))
        await floor.put(sent[500:])
        await says(floor, "store full")
        (small_disk / "rubbish").unlink()
        await until(lambda: position(store) == len(sent))
        await says(floor, "")
        await asyncio.to_thread(mounted, small_disk, "remount,ro")
        await says(floor, "store not writable")
        await asyncio.to_thread(mounted, small_disk, "remount,rw")
        await says(floor, "")
        kept = await in_one_go(floor, empty(settings, f"sqlite:///{tmp_path}/other.db"))
    must_be(store, kept)


def mounted(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", how, disk], check=True)


def free_bytes(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_bsize


async def test_a_quota_that_is_used_up_is_waited_for(kafka: str, prefix: str, tmp_path: Path) -> None:
    settings, sent = in_file(tmp_path, kafka, prefix), traffic(tmp_path, 20)
    store = empty(settings, "")
    used = (settings.run_dir / "archive/calls.db").stat().st_size
    async with Floor(settings) as floor:
        await floor.put(sent)
        process = begun(settings, tmp_path / "archivist.log", batch=100, largest=used + 100_000)
        await says(floor, "store full or broken")
        assert position(store) < len(sent)
        assert process.pid
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until(lambda: position(store) == len(sent))
        process.kill()
        await asyncio.to_thread(process.join)
        kept = await in_one_go(floor, empty(settings, f"sqlite:///{tmp_path}/other.db"))
    must_be(store, kept)


async def test_postgres_that_is_killed_and_comes_back_costs_nothing(
    patient: None, kafka: str, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """::

    archivist  ── batches of 100 ── PostgreSQL killed in the middle of them ── back ── killed ── back ── all of it, once
    """
    with postgres() as server:
        url = server.new()
        settings, sent = in_file(tmp_path, kafka, prefix, url), traffic(tmp_path, 60)
        store = empty(settings, url)
        async with Floor(settings) as floor, archiving(settings):
            await floor.put(sent[:1000])
            writing = asyncio.create_task(_slowly(floor, sent[1000:]))
            for _ in range(3):
                before = position(store)
                await until(lambda b=before: position(store) > b)
                await asyncio.to_thread(server.stop, signal.SIGKILL)
                await says(floor, "store not reached")
                await asyncio.to_thread(server.start)
                await says(floor, "")
            await writing
            await until(lambda: position(store) == len(sent))
            kept = await in_one_go(floor, empty(settings, server.new()))
        must_be(store, kept)
        assert len(errors(caplog, "nothing is archived")) == len(errors(caplog, "can be written again"))
        store.close()


async def test_an_answer_that_was_lost_after_the_commit_is_no_second_archivist(
    settings: Settings, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Planted: every third batch is stored, and then the store says that it has gone."""
    sent, batches, take = traffic(tmp_path, 20), iter(range(10_000)), Taking.take

    def cut(self: Taking, *given: Any) -> Took:
        done = take(self, *given)
        if next(batches) % 3 == 0:
            raise DownError("the connection broke before the answer came", "not reached")
        return done

    monkeypatch.setattr(archivist, "BATCH", 100)
    monkeypatch.setattr(archivist_store, "FIRST_S", 0.01)
    monkeypatch.setattr(Taking, "take", cut)
    async with Floor(settings) as floor, archiving(settings) as task:
        await floor.put(sent)
        await until(lambda: position(store) == len(sent))
        assert not task.done()
        monkeypatch.setattr(Taking, "take", take)
        kept = await in_one_go(floor, other)
    assert next(batches) > 9
    must_be(store, kept)


async def test_one_message_that_nobody_thought_of_stops_nobody_else(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Planted: the figures of one call cannot be made; only the message that asks for them is left out."""
    sent, made = traffic(tmp_path, 20, is_endless=True), taking.facts

    def odd(events: Sequence[AnyEvent], now: float | None = None) -> Facts | None:
        if events[0].call == "day-00004":
            raise OverflowError("138 1234 5678 said something odd")
        return made(events, now)

    monkeypatch.setattr(taking, "facts", odd)
    async with Floor(settings) as floor, archiving(settings):
        await floor.put(sent)
        await until(lambda: position(store) == len(sent))
    with store.reading() as connection:
        states = {row.id: row.state for row in connection.execute(select(calls.c.id, calls.c.state))}
    assert {call for call, state in states.items() if state == "up"} == {"day-00004", "day-00010"}
    [told] = errors(caplog, "left out")
    assert "calls partition" in told
    assert "OverflowError" in told
    assert "5678" not in caplog.text


async def test_where_every_message_fails_it_stops_and_skips_no_more(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(_: Writer, found: dict[str, Any]) -> int:
        if found:
            raise KeyError("a fault of ours")
        return 0

    monkeypatch.setattr(Writer, "calls", never)
    monkeypatch.setattr(archivist_store, "MOST_REFUSED", 3)
    async with Floor(settings) as floor:
        await floor.put(traffic(tmp_path, 5))
        with pytest.raises(UnreadyError, match=r"4 of \d+ messages cannot be stored \(KeyError\)"):
            await asyncio.wait_for(archivist.run(settings), 20)
    with store.reading() as connection:
        assert sum(connection.scalars(select(progress.c.next).where(progress.c.topic == "calls"))) <= 5


# ------------------------------------------------------------------------------------------- at the start


async def test_a_store_of_an_earlier_version_is_brought_up(settings: Settings, tmp_path: Path) -> None:
    old = Store(settings)
    migrations.upgrade(old, "0001")
    assert migrations.revision(old) != migrations.head(), "there is no newer revision to try this with"
    with old.writing() as connection:
        connection.execute(
            text("INSERT INTO reads (id, at, \"by\", role, what, \"of\") VALUES ('1', 5, 'li', 'x', 'call', 'c')")
        )
    sent = traffic(tmp_path, 5)
    async with Floor(settings) as floor, archiving(settings):
        await floor.put(sent)
        await until(lambda: migrations.revision(old) == migrations.head())
        await until(lambda: position(old) == len(sent))
    with old.reading() as connection:
        assert connection.scalar(select(reads.c.by).where(reads.c.id == "1")) == "li"
    old.close()


async def test_a_store_of_a_newer_version_is_refused_in_words(settings: Settings, store: Store) -> None:
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    async with Floor(settings):
        with pytest.raises(UnreadyError, match="newer version of Sansheng \\(revision 9999\\): update this one"):
            await asyncio.wait_for(archivist.run(settings), 20)


async def test_a_store_that_is_not_there_yet_is_waited_for(
    patient: None, kafka: str, prefix: str, tmp_path: Path
) -> None:
    with postgres() as server:
        url, sent = server.new(), traffic(tmp_path, 5)
        server.stop()
        settings = in_file(tmp_path, kafka, prefix, url)
        async with Floor(settings) as floor, archiving(settings):
            await floor.put(sent)
            await says(floor, "store not reached")
            await asyncio.to_thread(server.start)
            await says(floor, "")
            made = Store(settings)
            await until(lambda: position(made) == len(sent))
            made.close()


async def test_of_two_archivists_on_one_store_one_stops_and_says_why(
    settings: Settings, store: Store, other: Store, tmp_path: Path
) -> None:
    sent, log = traffic(tmp_path, 30), tmp_path / "archivist.log"
    async with Floor(settings) as floor:
        both = [begun(settings, log, batch=10) for _ in range(2)]
        for at in range(0, len(sent), 100):
            await floor.put(sent[at : at + 100])
            await asyncio.sleep(0.02)
        await until(lambda: sum(each.exitcode is None for each in both) == 1, log.read_text())
        [ended] = [each for each in both if each.exitcode is not None]
        assert ended.exitcode == 1
        assert "another archivist" in log.read_text()
        assert "run one on each store" in log.read_text()
        await until(lambda: position(store) == len(sent))
        for each in both:
            each.kill()
            await asyncio.to_thread(each.join)
        kept = await in_one_go(floor, other)
    must_be(store, kept)


async def test_the_newcomer_ends_at_once_and_before_it_asks_for_the_port(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    """Both are given the same metrics port, whose own message would send the operator astray."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = settings.model_copy(update={"metrics": MetricsSettings(archive=port)})
    log = tmp_path / "archivist.log"
    async with Floor(settings):
        first = begun(shared, log)
        await until(lambda: position_rows(store))
        with pytest.raises(UnreadyError, match=r"another archivist writes into .* run one on each store"):
            await asyncio.wait_for(archivist.run(shared), 30)
        assert first.is_alive()
        first.kill()
        await asyncio.to_thread(first.join)
        async with archiving(settings) as task:  # its death has freed it
            await asyncio.sleep(2)
            assert not task.done()


def position_rows(store: Store) -> int:
    with store.reading() as connection:
        return len(connection.execute(select(progress)).all())


async def test_it_ends_within_seconds_while_postgres_hangs(kafka: str, prefix: str, tmp_path: Path) -> None:
    with postgres() as server:
        settings = in_file(tmp_path, kafka, prefix, server.new())
        store = empty(settings, settings.archive_url)
        async with Floor(settings) as floor:
            process = begun(settings, tmp_path / "archivist.log")
            await until(lambda: position_rows(store))
            with store.reading() as connection:
                others = "datname = current_database() AND pid != pg_backend_pid()"
                frozen = list(connection.scalars(text(f"SELECT pid FROM pg_stat_activity WHERE {others}")))  # noqa: S608
            assert frozen
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            try:
                await floor.put(traffic(tmp_path, 5))
                await asyncio.sleep(3)
                process.terminate()
                await asyncio.to_thread(process.join, 12)
                assert process.exitcode == 0
            finally:
                for pid in frozen:
                    os.kill(pid, signal.SIGCONT)
        store.close()


async def test_only_a_store_that_is_written_is_said_not_to_answer(
    archived: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chore takes its time, and so does a migration; a batch does not."""
    monkeypatch.setattr(archivist_store, "SILENT_S", 0.1)
    pen, begun, go_on = Pen(archived, b"", Metrics("archive")), threading.Event(), threading.Event()

    def long(answer: Any = None) -> Any:
        begun.set()
        assert go_on.wait(60)
        return answer

    async def while_it_lasts(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        begun.clear()
        go_on.clear()
        task = asyncio.create_task(work)
        assert await asyncio.to_thread(begun.wait, 60)
        await asyncio.sleep(0.3)  # longer than a batch may be silent
        return task

    try:
        chore = await while_it_lasts(pen.aside(long))
        assert pen.why_not == ""
        go_on.set()
        await chore
        monkeypatch.setattr(pen._taking, "offsets", lambda _: long({}))
        asked = await while_it_lasts(pen.offsets("c"))
        assert pen.why_not == "store does not answer"
        go_on.set()
        await asked
        assert pen.why_not == ""
        monkeypatch.setattr(migrations, "revision", lambda _: "0001")
        monkeypatch.setattr(migrations, "upgrade", lambda _: long("0001"))
        opened = await while_it_lasts(pen.open())
        assert (pen.why_not, pen.is_migrating, pen.but) == ("", True, "the store is brought up to this version")
        go_on.set()
        await opened
        assert (pen.is_migrating, pen.but) == (False, "")
    finally:
        go_on.set()
        pen.close()


# ------------------------------------------------------------------------------------------- troubles of the broker


async def test_a_place_that_the_broker_has_not_is_told_and_nothing_doubles(
    settings: Settings, store: Store, other: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The store is further than the log (another one under the same id), then behind what retention has left."""
    sent = traffic(tmp_path, 20)
    async with Floor(settings) as floor:
        async with archiving(settings):
            await floor.put(sent)
            await until(lambda: position(store) == len(sent))
        before = whole(store)
        with store.writing() as connection:
            connection.execute(update(progress).where(progress.c.topic == "calls").values(next=1_000_000))
        async with archiving(settings):
            await until(lambda: position(store) == len(sent))
        assert whole(store) == before == await in_one_go(floor, other)
        assert len(errors(caplog, "this is another log")) == PARTITIONS
        with store.writing() as connection:
            connection.execute(update(progress).where(progress.c.topic == "calls").values(next=5))
        ends = {(m.partition): m.offset + 1 for m in await floor.logged() if m.topic == "calls"}
        await asyncio.to_thread(_delete_before, settings, {n: end - 10 for n, end in ends.items()})
        async with archiving(settings):
            await until(lambda: position(store) == len(sent))
    assert whole(store) == before
    assert len(errors(caplog, "the broker no longer has 5 to")) == PARTITIONS


def _delete_before(settings: Settings, offsets: dict[int, int]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    try:
        admin.delete_records({KafkaPartition(settings.topic("calls"), n): at for n, at in offsets.items()})
    finally:
        admin.close()


async def test_offsets_set_back_to_the_beginning_double_nothing(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sent = traffic(tmp_path, 20)
    async with Floor(settings) as floor:
        for batch in (1000, 37):
            monkeypatch.setattr(archivist, "BATCH", batch)
            async with archiving(settings):
                await floor.put(sent if batch == 1000 else [])
                await until(lambda: position(store) == len(sent))
            if batch == 1000:
                before = whole(store)
                with store.writing() as connection:
                    connection.execute(delete(progress))
    assert whole(store) == before


async def test_a_broker_that_goes_and_comes_back_is_waited_for(tmp_path: Path, patient: None) -> None:
    broker = EmbeddedKafka(tmp_path / "broker", 0, libs=LIBS, outlive=True)
    pid = broker.start().pid
    settings, sent = in_file(tmp_path, broker.bootstrap, ""), traffic(tmp_path, 20)
    store = empty(settings, "")
    try:
        async with Floor(settings) as floor:
            await floor.put(sent[:500])
        async with archiving(settings) as task:
            await until(lambda: position(store) == 500)
            os.kill(pid, signal.SIGKILL)
            broker.stop()
            await asyncio.sleep(3)
            broker = EmbeddedKafka(tmp_path / "broker", int(settings.kafka.split(":")[1]), libs=LIBS, outlive=True)
            broker.start()
            assert not task.done()
            async with Floor(settings) as floor:
                await floor.put(sent[500:])
                await until(lambda: position(store) == len(sent))
                kept = await in_one_go(floor, empty(settings, f"sqlite:///{tmp_path}/other.db"))
        must_be(store, kept)
    finally:
        broker.stop()


# ------------------------------------------------------------------------------------------- the command


async def test_it_is_told_how_far_the_archive_is(settings: Settings, store: Store, tmp_path: Path, run: Run) -> None:
    async with Floor(settings) as floor:
        sent = traffic(tmp_path, 20, is_endless=True)
        await floor.put(sent)
        async with archiving(settings):
            await until(lambda: position(store) == len(sent))
        await floor.put(sent[:7])
        variables = {name: value for name, value in settings.as_environment().items() if name.startswith("SANSHENG_")}
        told = await asyncio.to_thread(run, "archive", "status", **variables)
        assert told.code == 0, told.err
        shown = dict(line.split("\u2502")[1:3] for line in told.out.splitlines() if line.count("\u2502") == 3)
        shown = {name.strip(): value.strip() for name, value in shown.items()}
        assert shown["calls"] == "19 ended, 0 whose end was lost, 1 going on"
        assert sum(int(value) for name, value in shown.items() if name.startswith("waiting in ")) == 7
        assert shown["alerts of unknown calls"] == "0 (older than a day)"
        assert shown["kept"] == "words 90 days, figures 730, who read what 730"
        assert "2026-11-20" in shown["from, to"]
        assert "password" not in told.out


def test_the_state_is_told_without_kafka_too(archived: Settings, store: Store, run: Run) -> None:
    variables = archived.as_environment() | {"SANSHENG_KAFKA": "127.0.0.1:9"}
    told = run("archive", "status", **variables)
    assert told.code == 0, told.err
    assert "not known: Kafka at 127.0.0.1:9 does not answer" in told.out
    assert "Traceback" not in told.err


def test_without_a_broker_the_archivist_says_so(run: Run) -> None:
    told = run("archive", SANSHENG_KAFKA="127.0.0.1:9", SANSHENG_METRICS__ARCHIVE="0")
    assert told.code == 1
    assert "127.0.0.1:9" in told.err
    assert "Traceback" not in told.err
