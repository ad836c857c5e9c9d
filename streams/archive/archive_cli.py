"""``sansheng archive …``: the archivist, and what is done to its store by hand. Each part adds its own commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from streams.archive import migrations
from streams.archive.store import Store, StoreError
from streams.settings import Settings, read_settings
from streams.terminal import say

app = typer.Typer(help="Ended calls: kept, exported, and forgotten in time.")


@contextmanager
def opened(*, is_current: bool = True) -> Iterator[tuple[Store, Settings]]:
    """The store of the settings, closed at the end; its troubles are said in words, exit 1.

    ``is_current``: it must be of this version's revision.
    """
    settings = read_settings()
    try:
        store = Store(settings)
        try:
            if is_current:
                migrations.check(store)
            yield store, settings
        finally:
            store.close()
    except StoreError as error:
        say(str(error), style="red")
        raise typer.Exit(1) from None


@app.command()
def migrate() -> None:
    """Make the store, or bring one of an earlier version up; the archivist does it by itself."""
    with opened(is_current=False) as (store, _):
        before = migrations.upgrade(store)
        now = migrations.revision(store)
        say(f"{store.where}: {before or 'new'} → {now}" if before != now else f"{store.where}: {now}, nothing to do")
