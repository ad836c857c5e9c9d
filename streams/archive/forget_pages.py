"""The pages of the database after something was deleted: nothing of it may be left in them.

Owns how either store is swept, and how SQLite's file is looked through afterwards. Everything blocks.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from streams.archive import search
from streams.archive.keeping import tidy
from streams.archive.store import DownError, Store

#: Somebody else's transaction may be in the way so often; between two tries, seconds.
TRIES, PAUSE_S = 40, 0.5
#: A transaction is waited for so long before the write-ahead log is emptied, milliseconds.
WAIT_MS = 5000
#: So often the file of the store is looked at before it is said that something is left.
LOOKS = 6
_VACUUM = "VACUUM calls, parts, records, words, grams, alerts, judgements, reads"


def scrub(store: Store) -> None:
    """Leave nothing of what was deleted in the database's pages. Raises DownError.

    SQLite overwrites what is deleted, but not what it has moved from page to page before: the file is written anew,
    while whoever writes waits. PostgreSQL: VACUUM; what its pages keep is overwritten in time.
    """
    search.scrub(store)
    if store.is_sqlite:
        _renew(store)
        tidy(store, WAIT_MS)
        return
    try:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(_VACUUM)
    except DBAPIError as error:
        raise DownError(f"the store {store.where} could not be vacuumed: {type(error.orig).__name__}") from None


def _renew(store: Store) -> None:
    """The temporary copy may be as large as the store: on disk, not in memory."""
    for left in reversed(range(TRIES)):
        try:
            with store.engine.connect() as connection:
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA temp_store=FILE")
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("BEGIN")
            return
        except DBAPIError as error:
            if "locked" in str(error.orig) and left:
                time.sleep(PAUSE_S)
                continue
            text = f"the file {store.where} could not be written anew ({error.orig})"
            mend = "make as much room as it takes, beside it and in /var/tmp, and run `sansheng archive forget --again`"
            raise DownError(f"{text}: {mend}") from None


def spread(samples: Sequence[bytes], most: int) -> list[bytes]:
    """So many of these pieces of what was deleted, from all over."""
    long = [each for each in samples if len(each) >= 24]
    return [long[at * len(long) // most] for at in range(most)] if len(long) > most else long


def verified(store: Store, needles: Sequence[bytes]) -> bool:
    """Whether nothing of it is left; who reads just now keeps the write-ahead log from being emptied for a moment."""
    for _ in range(LOOKS):
        if _is_clean(store, needles):
            return True
        time.sleep(PAUSE_S)
        tidy(store, WAIT_MS)
    return _is_clean(store, needles)


def _is_clean(store: Store, needles: Sequence[bytes]) -> bool:
    """Whether the bytes are in neither the file nor its write-ahead log."""
    file = Path(store.where)
    return not any(
        needle in piece
        for path in (file, file.with_name(file.name + "-wal"))
        for piece in _pieces(path)
        for needle in needles
    )


def _pieces(path: Path, size: int = 1 << 24, overlap: int = 4096) -> Iterator[bytes]:
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        for at in range(0, len(whole), size):
            yield whole[max(0, at - overlap) : at + size]
