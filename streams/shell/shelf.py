"""The versions of the rulebook that calls in progress were begun with, in memory and on disk.

A call is judged to its end by the version it began with: what an agent may do must not change while he does it. So a
worker keeps each version that one of its calls still needs, and writes every version it takes into a folder, where it
finds it after a restart, and where the other workers of this machine find it when they take over a call.

Owns which versions there are; does not know what a call is.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from streams.rulebook.book import Rulebook
from streams.rulebook.stored import dump, restore

log = logging.getLogger("sansheng.detect")

#: A stored version that no worker has needed for this long, seconds, is deleted. A call of which nothing is heard is
#: over after four hours (``core.SILENT_S``), so a worker that was down for longer needs none.
KEPT_S = 24 * 3600.0
#: How often, seconds, a worker says which stored versions it needs, and deletes what nobody does.
TIDY_S = 3600.0
_VERSION = re.compile("[0-9a-f]{4,64}")


class Shelf:
    """``current`` judges the calls that begin now; :meth:`of` finds the others."""

    def __init__(self, folder: Path, current: Rulebook) -> None:
        """``folder`` is made where it is missing; ``current`` is stored in it."""
        self._folder = folder
        self._books: dict[str, Rulebook] = {}
        self._tidied_at = time.time()
        self.store(current)
        self.current = current

    def __len__(self) -> int:
        return len(self._books.keys() | {self.current.version})

    def take(self, book: Rulebook) -> None:
        """Judge calls that begin from now on by ``book``, which is stored already."""
        self._books[self.current.version] = self.current
        self.current = book

    def of(self, version: str) -> Rulebook | None:
        """That version, from memory or else from the folder; None: it is lost."""
        if version == self.current.version:
            return self.current
        book = self._books.get(version) or read_stored(self._folder, version)
        if book:
            self._books[version] = book
        return book

    def fetch(self, versions: Iterable[str]) -> None:
        """Read these versions ahead, off the event loop."""
        for version in versions:
            self.of(version)

    def keep(self, needed: set[str]) -> None:
        """Drop from memory the versions that no call needs any more; now and then tidy the folder too."""
        self._books = {version: book for version, book in self._books.items() if version in needed}
        if time.time() > self._tidied_at + TIDY_S:
            self._tidied_at = time.time()
            self._tidy(needed | {self.current.version})

    def store(self, book: Rulebook) -> None:
        """Write ``book`` into the folder, whole or not at all. A disk that refuses is told in the log only."""
        file = self._folder / book.version
        draft = file.with_name(f".{book.version}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(dump(book))
            draft.replace(file)
        except OSError as error:
            log.error("rulebook %s cannot be stored (%s): its calls would move on at a restart", book.version, error)

    def _tidy(self, needed: set[str]) -> None:
        """Stored versions count as needed for a day after a worker, of any process, last said so."""
        for file in self._folder.glob("*"):
            with suppress(OSError):
                if file.name in needed:
                    file.touch()
                elif file.stat().st_mtime < time.time() - KEPT_S:
                    file.unlink()


def read_stored(folder: Path, version: str) -> Rulebook | None:
    """That version, as a worker has stored it in ``folder``; None: it is not there, or of no use."""
    if not _VERSION.fullmatch(version):
        return None
    try:
        book = restore((folder / version).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.error("stored rulebook %s cannot be used: %s", version, error)
        return None
    return book if book.version == version else None
