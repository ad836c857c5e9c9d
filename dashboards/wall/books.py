"""The rulebooks by which alerts were judged, for those who ask why. Reads what the workers stored; writes nothing."""

from __future__ import annotations

import threading
from pathlib import Path

from streams.rulebook.book import Rulebook
from streams.shell.shelf import read_stored

#: So many versions besides the present one are kept in memory; each knows its phrases, which takes a second to build.
KEPT = 4


class Books:
    """The present version and earlier ones. May be asked from several threads."""

    def __init__(self, current: Rulebook, folder: Path | None = None) -> None:
        """``folder``: where workers store the versions that they judge by; None: nowhere."""
        self.current = current
        self._folder = folder
        self._others: dict[str, Rulebook] = {}
        self._lock = threading.Lock()

    def of(self, version: str) -> Rulebook | None:
        """That version; None: it is lost. Reads a file where it is not at hand, so not for the event loop."""
        if version == self.current.version:
            return self.current
        with self._lock:
            book = self._others.pop(version, None) or (read_stored(self._folder, version) if self._folder else None)
            if book is not None:
                self._others[version] = book
            while len(self._others) > KEPT:
                del self._others[next(iter(self._others))]
            return book
