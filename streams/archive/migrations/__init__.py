"""How an older store becomes one of this version: Alembic, driven from here.

A revision is a file in ``versions``; it says in DDL, and where need be in data, what is to be done. It never imports
``schema``, which will be another one by then.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from streams.archive.store import DownError, Store, StoreError


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The revision of this version of the program."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    return str(found)


def revision(store: Store) -> str:
    """That of the store; empty: it holds nothing yet. Raises StoreError."""
    with store.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def upgrade(store: Store, to: str = "head") -> str:
    """Make the tables, or bring older ones up; the revision before. One transaction, or nothing. Raises StoreError."""
    store.prepare()
    before = revision(store)
    _known(store, before)
    with store.writing() as connection:
        command.upgrade(_config(connection), to)
    return before


def check(store: Store) -> None:
    """Raises StoreError where the store is not of this version, DownError where it cannot be asked."""
    found = revision(store)
    _known(store, found)
    if found != head():
        text = f"the store {store.where} is of revision {found or 'none'}, this version needs {head()}"
        raise DownError(f"{text}: `sansheng archive migrate`, or let `sansheng archive` do it")


def _known(store: Store, found: str) -> None:
    known = {each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found and found not in known:
        raise StoreError(
            f"the store {store.where} is of a newer version of Sansheng (revision {found}): update this one"
        )
