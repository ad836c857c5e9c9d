"""The store's own ground: one transaction or nothing, and every trouble in words that an operator can use."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import func, insert, select

from streams.archive import migrations
from streams.archive import store as stores
from streams.archive.schema import calls, reads
from streams.archive.store import ConflictError, DownError, RefusedError, Store, StoreError
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
    missing = Store(of(database.url("nowhere"), tmp_path))
    with pytest.raises(DownError, match="is not there as it should be"), missing.reading():
        pass


def test_the_same_revision_is_reached_from_every_earlier_one(archived: Settings) -> None:
    store = Store(archived)
    assert migrations.upgrade(store, "0001") == ""
    assert migrations.upgrade(store) == "0001"
    assert migrations.upgrade(store) == migrations.revision(store) == migrations.head()
    store.close()
