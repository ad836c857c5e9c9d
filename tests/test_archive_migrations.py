"""A store of an earlier version becomes one of this: all of it is kept, and what is new is filled."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, func, insert, inspect, select, text

from streams.archive import migrations, schema
from streams.archive.facts import Line
from streams.archive.migrations import grams_0002
from streams.archive.search import Query, Said, find
from streams.archive.store import DownError, Store, StoreError
from streams.settings import Settings
from tests.conftest import Run

BEGAN = 1_763_900_000.0
#: More than the portion in which words are put into the index.
MANY = 1203


@pytest.fixture
def old(archived: Settings) -> Iterator[Store]:
    """A store as revision 0001 was, with calls in it; every tenth has no words."""
    made = Store(archived)
    migrations.upgrade(made, "0001")
    tables = MetaData()
    with made.writing() as connection:
        tables.reflect(connection)
        connection.execute(insert(tables.tables["calls"]), [_call(no) for no in range(1, MANY + 1)])
        connection.execute(insert(tables.tables["words"]), [_words(no) for no in range(1, MANY + 1) if no % 10])
        connection.execute(
            insert(tables.tables["parts"]),
            [{"call_no": 7, "agent": "8026", "spoke": True, "ring_s": 3, "missed": 0, "talk_s": 9, "held_s": 0}],
        )
        connection.execute(
            insert(tables.tables["records"]),
            [{"call_no": 7, "first_seq": 1, "last_seq": 2, "events": 2, "lines": b"\x00\x01"}],
        )
        connection.execute(insert(tables.tables["progress"]).values(cluster="c", topic="calls", partition=0, next=9))
        connection.execute(
            insert(tables.tables["reads"]).values(id="r", at=1.0, by="wang", role="operator", what="call", of="call-7")
        )
    yield made
    made.close()


def _call(no: int) -> dict[str, Any]:
    at = BEGAN + no
    return {"no": no, "id": f"call-{no}", "state": "ended", "day": "2026-11-20", "began_at": at, "heard_at": at + 60}


def _words(no: int) -> dict[str, Any]:
    lines = [
        Line("agent", BEGAN + no, BEGAN + no + 2, "您好,请问有什么可以帮您?"),
        Line("customer", BEGAN + no + 3, BEGAN + no + 5, f"我的单号是{_word(no)}"),
    ]
    return {"call_no": no, "lines": msgspec.json.encode(lines)}


def _word(no: int) -> str:
    """Another one for each call."""
    return "".join(chr(0x6000 + int(digit, 16)) for digit in f"{no:04x}")


def _rows(store: Store, only: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    """Everything in the store, or in those tables."""
    with store.reading() as connection:
        tables = MetaData()
        tables.reflect(connection, only=lambda name, _: not name.startswith("grams") and name != "alembic_version")
        return {
            name: sorted((dict(row._mapping) for row in connection.execute(select(table))), key=repr)
            for name, table in tables.tables.items()
            if not only or name in only
        }


def test_the_words_of_an_older_store_are_found_and_nothing_is_lost(old: Store) -> None:
    before = _rows(old)
    assert migrations.upgrade(old) == "0001"
    assert migrations.revision(old) == migrations.head()
    after = _rows(old, tuple(before))
    for name, rows in before.items():
        kept = [{column: row[column] for column in rows[0]} for row in after[name]] if rows else after[name]
        assert sorted(kept, key=repr) == rows, name
    for no in (1, 499, 501, 999, 1001, MANY):
        for query in (Query(said=(Said(_word(no), "customer"),)), Query(said=(Said(_word(no)),), call=f"call-{no}")):
            assert f"call-{no}" in [hit.call for hit in find(old, query).hits]
    with old.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.grams)) == MANY - MANY // 10
    page = find(old, Query(said=(Said("请问"),), limit=1000))
    assert (len(page.hits), page.more) == (1000, True)
    rest = find(old, Query(said=(Said("请问"),), limit=1000, after=page.next))
    assert len(rest.hits) == MANY - MANY // 10 - 1000
    assert not rest.more
    by_sound = find(old, Query(sounds=(Said("晴文"),), limit=1))
    assert by_sound.hits[0].call == f"call-{MANY}"


def test_what_comes_of_migrating_is_what_the_program_expects(old: Store) -> None:
    migrations.upgrade(old)
    with old.reading() as connection:
        # SQLite's full-text index is many tables of its own; PostgreSQL's index of grams is not there
        only_here = ("grams_fts", "ix_grams_grams") if old.is_sqlite else ()
        opts = {"include_object": lambda _, name, *__: not str(name).startswith(only_here), "compare_type": True}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, schema.metadata) == []


def test_upgrading_again_changes_nothing(old: Store) -> None:
    migrations.upgrade(old)
    before = _rows(old)
    assert migrations.upgrade(old) == migrations.head()
    assert _rows(old) == before


def test_a_migration_that_fails_leaves_the_store_as_it_was(old: Store) -> None:
    before = _rows(old)
    with old.writing() as connection:
        connection.execute(text("UPDATE words SET lines = :broken WHERE call_no = 1201"), {"broken": b"{"})
    with pytest.raises(msgspec.DecodeError):
        migrations.upgrade(old)
    assert migrations.revision(old) == "0001"
    with old.reading() as connection:
        assert not [name for name in inspect(connection).get_table_names() if name.startswith("grams")]
    with old.writing() as connection:
        connection.execute(
            text("UPDATE words SET lines = :mended WHERE call_no = 1201"), {"mended": _words(1201)["lines"]}
        )
    assert _rows(old) == before
    migrations.upgrade(old)
    assert find(old, Query(said=(Said(_word(1201)),))).hits


def test_an_older_store_is_told_and_one_command_mends_it(old: Store, archived: Settings, run: Run) -> None:
    with pytest.raises(DownError, match="revision 0001"):
        migrations.check(old)
    url = archived.archive_url
    asked = run("calls", "find", "请问", SANSHENG_ARCHIVE__URL=url)
    assert asked.code == 1
    assert "sansheng archive migrate" in asked.err
    assert run("archive", "migrate", SANSHENG_ARCHIVE__URL=url).code == 0
    assert run("calls", "find", "请问", SANSHENG_ARCHIVE__URL=url).code == 0


def test_a_store_of_a_newer_version_is_left_alone(old: Store) -> None:
    with old.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer version"):
        migrations.upgrade(old)
    with pytest.raises(StoreError, match="newer version"):
        migrations.check(old)


def test_what_an_earlier_revision_did_is_frozen() -> None:
    """The program of today may change; a store of then must become what the revisions after it expect."""
    said = [
        grams_0002.Line("agent", "您好,请问有什么可以帮您?幺二三一五"),
        grams_0002.Line("customer", "我要投诉,绿色通道没人接 VIP12"),
    ]
    made = grams_0002.packed(grams_0002.of(said))
    assert hashlib.sha256(made).hexdigest()[:32] == "06ec695cbf40dbaf552352fb27b32c06"
    folder = Path(migrations.__file__).parent
    for file in (*folder.glob("versions/*.py"), *folder.glob("*_0*.py")):
        names = {node.module for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)}
        ours = {name for name in names if name and name.startswith("streams")}
        assert ours <= {"streams.archive.migrations"}, file.name
