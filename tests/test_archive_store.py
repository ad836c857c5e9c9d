"""The store's own ground: one transaction or nothing, and every trouble in words that an operator can use."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr
from sqlalchemy import func, insert, select
from sqlalchemy.exc import OperationalError

from streams.archive import migrations
from streams.archive import store as stores
from streams.archive.alone import Alone
from streams.archive.schema import calls, reads
from streams.archive.store import ConflictError, DownError, RefusedError, Store, StoreError
from streams.archive.taking import TakenOverError
from streams.settings import ArchiveSettings, Settings
from tests.postgres import Postgres


def of(url: str, tmp_path: Path) -> Settings:
    return Settings(run_dir=tmp_path / "run", archive=ArchiveSettings(url=SecretStr(url)))


def a_read(name: str, by: str = "li") -> dict[str, object]:
    return {"id": name, "at": 1.0, "by": by, "role": "manager", "what": "call", "of": "c"}


def test_what_fails_half_way_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyError), store.writing() as connection:
        connection.execute(insert(reads), [a_read("1")])
        raise KeyError("a fault of ours")
    with store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(reads)) == 0


def test_a_shorter_piece_never_takes_the_place_of_a_longer_one(store: Store) -> None:
    rows = [a_read("1", by="long"), a_read("1", by="a"), a_read("1", by="zz")]
    with store.writing() as connection:
        for row in rows:
            store.upsert(connection, reads, [row], longest=reads.c.by)
    with store.reading() as connection:
        assert connection.scalar(select(reads.c.by)) == "zz"


def test_what_can_never_be_stored_is_told_from_a_store_in_trouble(store: Store) -> None:
    """A row without what it must have; and the text of neither error holds its values."""
    with pytest.raises(RefusedError) as refused, store.writing() as connection:
        connection.execute(insert(reads), [a_read("1", by=None) | {"of": "13812345678"}])  # type: ignore[arg-type]
    assert "refuses a value" in str(refused.value)
    assert "13812345678" not in str(refused.value)


def test_two_that_want_the_same_row_are_told_apart_from_a_fault(store: Store) -> None:
    """PostgreSQL finds out at the second; SQLite lets one wait for the other."""
    with store.writing() as connection:
        connection.execute(insert(reads), [a_read("1")])
    met: list[Exception] = []

    def change(by: str, wait_s: float) -> None:
        try:
            with store.writing() as connection:
                connection.execute(select(reads)).all()
                time.sleep(wait_s)
                connection.execute(reads.update().values(by=by))
        except StoreError as error:
            met.append(error)

    both = [threading.Thread(target=change, args=(by, 0.3)) for by in ("a", "b")]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert [type(error) for error in met] == ([] if store.is_sqlite else [ConflictError])


def test_a_locked_file_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "BUSY_S", 0.1)
    store = Store(of("", tmp_path))
    migrations.upgrade(store)
    with sqlite3.connect(store.where, isolation_level=None) as another:
        another.execute("BEGIN IMMEDIATE")
        with pytest.raises(DownError, match="is locked by another program: end it") as down, store.writing():
            pass
        with store.reading() as connection:  # whoever only reads never waits
            assert connection.scalar(select(func.count()).select_from(calls)) == 0
        another.execute("ROLLBACK")
    assert down.value.brief == "locked"
    with store.writing():
        pass


def test_a_full_file_is_told_in_words_and_can_be_written_again(tmp_path: Path) -> None:
    store = Store(of("", tmp_path))
    migrations.upgrade(store)
    with pytest.raises(DownError, match="is full: make room") as down, store.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        connection.execute(insert(reads), [a_read(str(n), by="x" * 1000) for n in range(100)])
    assert down.value.brief == "full"
    with store.writing() as connection:
        connection.execute(insert(reads), [a_read("1")])


def test_a_file_that_is_gone_damaged_or_none_of_ours_is_told_in_words(tmp_path: Path) -> None:
    store = Store(of("", tmp_path))
    with pytest.raises(DownError, match="is not there: put it back") as down, store.reading():
        pass
    assert down.value.brief == "gone"
    migrations.upgrade(store)
    Path(store.where).write_bytes(b"a letter to my aunt, which is certainly no database of anybody's. " * 100)
    with pytest.raises(DownError, match="is no SQLite database") as down, store.reading() as connection:
        connection.scalar(select(func.count()).select_from(calls))
    assert down.value.brief == "damaged"


def test_a_store_without_tables_says_who_makes_them(tmp_path: Path) -> None:
    store = Store(of("", tmp_path))
    store.prepare()
    with pytest.raises(DownError, match="start `sansheng archive`") as down, store.reading() as connection:
        connection.scalar(select(func.count()).select_from(calls))
    assert down.value.brief == "without tables"
    with pytest.raises(DownError, match="of revision none"):
        migrations.check(store)


def test_the_file_and_its_folder_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = Store(of("", tmp_path))
    migrations.upgrade(store)
    assert Path(store.where).stat().st_mode & 0o777 == 0o600
    assert Path(store.where).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "cannot be read"),
        ("mysql://a:geheim@b/c", "mysql is not known|cannot be read"),
        ("sqlite://", "names no file"),
    ],
)
def test_a_url_that_names_no_store_is_refused_in_words(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(StoreError, match=told) as refused:
        Store(of(url, tmp_path))
    assert "geheim" not in str(refused.value)


def test_a_server_that_is_not_there_or_has_no_such_database_is_told_without_its_password(
    tmp_path: Path, database: Postgres
) -> None:
    gone = Store(of("postgresql://li:geheim@127.0.0.1:9/calls", tmp_path))
    with pytest.raises(DownError, match="cannot be reached: start PostgreSQL") as down, gone.reading():
        pass
    assert down.value.brief == "not reached"
    assert "geheim" not in str(down.value)
    # a name that is also what some trouble is called
    missing = Store(of(database.url("the-lock-timeout-is-full"), tmp_path))
    with pytest.raises(DownError, match="is not there as it should be"), missing.reading():
        pass


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://li:geheim@db.site:5433/calls", "postgresql://db.site:5433/calls"),
        ("postgresql://db.site/calls?user=li&password=geheim", "postgresql://db.site/calls"),
        ("postgresql:///calls?host=/run/pg&port=5433&password=geheim", "postgresql:///run/pg:5433/calls"),
        ("postgresql://?host=a&host=b&dbname=calls&sslpassword=geheim", "postgresql://a,b/calls"),
    ],
)
def test_where_a_store_is_is_told_without_who_we_are_there(tmp_path: Path, url: str, where: str) -> None:
    assert Store(of(url, tmp_path)).where == where


def test_troubles_are_known_by_their_codes_and_not_by_names_in_the_text(tmp_path: Path, database: Postgres) -> None:
    store = Store(of("postgresql://full@locked.invalid:9/readonly", tmp_path))
    with pytest.raises(DownError, match="cannot be reached: start PostgreSQL") as down, store.reading():
        pass
    assert down.value.brief == "not reached"
    made = Store(of(database.new(), tmp_path))
    for statement, brief in (
        ('SELECT * FROM "is full"', "without tables"),
        ('SELECT "locked" FROM pg_class', "without tables"),
        ("SET TRANSACTION READ ONLY; CREATE TABLE connection (a int)", "not writable"),
        ("DO $$ BEGIN RAISE 'locked' USING ERRCODE = '53100'; END $$", "full"),
        ("DO $$ BEGIN RAISE 'it is full' USING ERRCODE = '57P01'; END $$", "not reached"),
        ("DO $$ BEGIN RAISE 'it is full' USING ERRCODE = 'P0001'; END $$", "in trouble"),
    ):
        with pytest.raises(DownError) as down, made.reading() as connection:
            connection.exec_driver_sql(statement)
        assert down.value.brief == brief, statement
    made.close()


def test_the_same_revision_is_reached_from_every_earlier_one(archived: Settings) -> None:
    store = Store(archived)
    assert migrations.upgrade(store, "0001") == ""
    assert migrations.upgrade(store) == "0001"
    assert migrations.upgrade(store) == migrations.revision(store) == migrations.head()
    store.close()


def test_a_host_that_nobody_knows_is_told_with_the_mend(tmp_path: Path) -> None:
    store = Store(of("postgresql://li:geheim@nohost.invalid/calls", tmp_path))
    with (
        pytest.raises(DownError, match="cannot be reached: start PostgreSQL") as down,
        store.reading(),
    ):
        pass
    assert down.value.brief == "not reached"


@pytest.mark.parametrize("name", ["SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR_WRITE"])
def test_a_disk_that_is_mounted_read_only_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Planted: what the system says of the disk, and what SQLite makes of that."""
    store, of_disk = Store(of("", tmp_path)), os.statvfs(tmp_path)
    migrations.upgrade(store)

    def refused() -> DownError:
        with pytest.raises(DownError) as down, store.told():
            cause = sqlite3.OperationalError("unable to open database file")
            cause.sqlite_errorname = name  # type: ignore[misc]
            raise OperationalError("SELECT 1", {}, cause)
        return down.value

    assert "mend its" not in str(refused()).partition("mend its path, its owner")[2]
    flags = SimpleNamespace(f_flag=os.ST_RDONLY, f_bavail=of_disk.f_bavail, f_frsize=of_disk.f_frsize)
    monkeypatch.setattr(stores.os, "statvfs", lambda _: flags)
    assert "is mounted read-only: mount it writable" in str(refused())
    assert refused().brief == "not writable"


# ------------------------------------------------------------------------------------------ one archivist


@pytest.fixture
def twice(archived: Settings) -> Iterator[tuple[Alone, Alone]]:
    both = [Store(archived) for _ in range(2)]
    locks = [Alone(each) for each in both]
    yield locks[0], locks[1]
    for lock, store in zip(locks, both, strict=True):
        lock.release()
        store.close()


def test_of_two_archivists_the_newcomer_is_told_at_once_what_to_do(twice: tuple[Alone, Alone]) -> None:
    first, second = twice
    first.hold()
    with pytest.raises(TakenOverError, match="run one on each store; end the other one, or give this one a store"):
        second.hold()
    first.look()
    first.release()
    second.hold()
    with pytest.raises(TakenOverError):
        first.look()


def test_a_lock_that_was_lost_with_its_server_or_its_disk_is_taken_again(
    twice: tuple[Alone, Alone], archived: Settings
) -> None:
    first, second = twice
    first.hold()
    store = Store(archived)
    if store.file:
        store.file.with_name(f"{store.file.name}.lock").unlink()
    else:
        with store.reading() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            connection.exec_driver_sql(others)
    store.close()
    first.look()
    with pytest.raises(TakenOverError):
        second.hold()


def test_a_death_frees_the_lock(archived: Settings, twice: tuple[Alone, Alone]) -> None:
    code = (
        "import sys, time; from streams.archive.alone import Alone; from streams.archive.store import Store\n"
        "from streams.settings import read_settings\n"
        "lock = Alone(Store(read_settings())); lock.hold(); print('held', flush=True); time.sleep(60)"
    )
    environment = os.environ | archived.as_environment()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdout
        assert other.stdout.readline().strip() == "held"
        with pytest.raises(TakenOverError):
            twice[0].hold()
        other.kill()
    twice[0].hold()
