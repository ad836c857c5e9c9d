"""The files of days that have lost something: which are to be written anew, and which nobody knows any more.

Goes by what lies in the folder, not by what the store says was written: a store that was made anew, or a file that was
found damaged, must not leave words behind. Whoever calls has changed the rows before.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select

from streams.archive import days as parquet
from streams.archive.schema import days
from streams.archive.store import Store

log = logging.getLogger("sansheng.archive")


def stale(store: Store, folder: Path) -> set[str]:
    """Days whose files are older than their rows: an interruption may have left them so. Raises StoreError."""
    with store.reading() as connection:
        return set(connection.scalars(select(days.c.day).where(days.c.changed > days.c.written))) & _there(folder)


def unknown(store: Store, folder: Path, before: str = "9999-99-99") -> set[str]:
    """Days before ``before`` that lie in the folder, and of which the store has never heard. Raises StoreError."""
    there = {day for day in _there(folder) if day < before}
    if not there:
        return set()
    with store.reading() as connection:
        return there - set(connection.scalars(select(days.c.day)))


def renew(store: Store, folder: Path, changed: Iterable[str], *, unknown_too: bool = True) -> tuple[str, ...]:
    """Write these days anew, or remove them where nothing is left, and any that the store does not know; which.

    Days without files get none by this. What a crash left under temporary names goes in any case. Raises DownError.
    """
    parquet.sweep(folder)  # and who has begun to write a day before the rows changed is done by now
    strays = unknown(store, folder) if unknown_too else set()
    written = sorted((set(changed) & _there(folder)) | strays)
    for day in written:
        _again(store, folder, day)
    return tuple(written)


def drop_unknown(store: Store, folder: Path, before: str) -> tuple[str, ...]:
    """Remove the files of days before ``before`` that the store does not know; which. Raises DownError."""
    gone = sorted(unknown(store, folder, before))
    for day in gone:
        _again(store, folder, day)
    return tuple(day for day in gone if day not in _there(folder))


def _again(store: Store, folder: Path, day: str) -> None:
    """A day that cannot be written has no files then: the old ones hold what is to go."""
    try:
        parquet.write_day(store, folder, day)
    except parquet.BadDayError as error:
        parquet.drop(folder, day)
        log.error("%s; its files were removed, they held what was to go", error)


def _there(folder: Path) -> set[str]:
    return parquet.on_disk(folder) if folder.is_dir() else set()
