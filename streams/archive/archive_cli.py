"""``sansheng archive …``: the archivist, and what is done to its store by hand. Each part adds its own commands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from streams.archive import migrations
from streams.archive.store import Store, StoreError
from streams.settings import Settings, read_settings
from streams.terminal import print_table, say

#: Runs work with logs until a signal; what an operator can mend is said in words, exit 1.
Run = Callable[[Coroutine[Any, Any, None]], None]

app = typer.Typer(help="Ended calls: kept, exported, and forgotten in time.")


def mount(parent: typer.Typer, run: Run) -> None:
    """``sansheng archive``, which runs the archivist, and its commands."""

    @app.callback(invoke_without_command=True)
    def archive(
        context: typer.Context,
        kafka: Annotated[str | None, typer.Option(help="host:port of a broker to use, not the embedded one.")] = None,
    ) -> None:
        """Keep every call that has ended: follow the topics and store what comes. One archivist on each store."""
        if context.invoked_subcommand is None:
            from streams.archive import archivist  # noqa: PLC0415 - the Kafka client takes a while to import

            run(archivist.run(read_settings(kafka=kafka)))

    parent.add_typer(app, name="archive")


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


@app.command("status")
def status_command() -> None:
    """Print how much the archive holds, how far it is, and how large it has grown."""
    from streams.archive.status import rows, status  # noqa: PLC0415 - only this command needs it

    with opened() as (store, settings):
        print_table(("what", "how much"), rows(status(store, settings), settings, _lag(store, settings)), "the archive")


def _lag(store: Store, settings: Settings) -> dict[str, int] | str:
    """What waits in Kafka by topic, or why that cannot be said."""
    from streams.archive import archivist  # noqa: PLC0415 - the Kafka client takes a while to import
    from streams.archive.taking import Taking  # noqa: PLC0415 - only this command needs it

    for client in ("aiokafka", "kafka"):
        logging.getLogger(client).setLevel(logging.CRITICAL)  # they repeat what we say in a word
    taking = Taking(store, b"", settings.ahead_s)
    return asyncio.run(archivist.lag(settings, taking.offsets))
