"""Watching the rulebook's files and taking them while the worker runs.

::

    files ── changed, and the same at two looks in a row ──▶ read and checked in a thread ─┬─ sound: taken
                                                                                           └─ broken: refused, the old
                                                                                              one stays, all are told

Files are compared by what is in them. A state of the files that changes from one look to the next is somebody's save
under way and is left alone. Owns when to reload and what to tell; does not know what a call is.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path

from streams.alerts import State
from streams.metrics import Metrics
from streams.rulebook.book import DEFAULT_RULES, SOURCES, Rulebook, RulebookError, load
from streams.rulebook.page import severities
from streams.shell.shelf import Shelf

log = logging.getLogger("sansheng.detect")

#: What becomes of an alert here; what people make of it is on ``verdicts``.
_STATES: tuple[State, ...] = ("opened", "raised", "cleared")


def fingerprint(places: Iterable[Path]) -> str:
    """Names and contents of all rulebook files in ``places`` (folders or files); what cannot be read is empty."""
    digest = hashlib.sha256()
    for place in places:
        for file in sorted(place.glob("*.yaml")) if place.is_dir() else [place]:
            try:
                content = file.read_bytes()
            except OSError:
                content = b""
            digest.update(f"{file}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


class Reloader:
    """Keeps a shelf's current rulebook the one on disk. ``refused`` says why it is not; empty: it is."""

    def __init__(self, overlays: Sequence[Path], shelf: Shelf, metrics: Metrics) -> None:
        """The first look reads the files once more: they may have changed since the worker's start began."""
        self._overlays, self._shelf, self._metrics = tuple(overlays), shelf, metrics
        self._places = (DEFAULT_RULES, SOURCES, *overlays)
        self._seen = self._judged = ""
        self.refused = ""
        self._tell_metrics(shelf.current)

    async def look(self) -> None:
        """Take the files if they have changed and nobody is changing them now."""
        now = await asyncio.to_thread(fingerprint, self._places)
        stable, self._seen = now == self._seen, now
        if stable and now != self._judged:
            await self._reload(now)

    async def now(self) -> None:
        """Take the files as they are at this moment."""
        self._seen = await asyncio.to_thread(fingerprint, self._places)
        await self._reload(self._seen)
        log.info("told to look at the rulebook: %s judges calls that begin now", self._shelf.current.version)

    async def _reload(self, state: str) -> None:
        verdict = await asyncio.to_thread(self._read)
        if await asyncio.to_thread(fingerprint, self._places) != state:
            return  # changed while it was read: the next looks will see
        self._judged = state
        verdict()

    def _read(self) -> Callable[[], None]:
        """Off the event loop: read and check the files, store and warm the book. The answer is run on the loop."""
        try:
            book = load(self._overlays)
            book.find("")  # builds the search for all phrases
            self._shelf.store(book)
        except RulebookError as error:
            faults = [str(fault) for fault in error.faults]
            return lambda: self._refuse(faults)
        except Exception as error:
            log.exception("the rulebook could not be read")
            fault = f"{type(error).__name__}: {error}"
            return lambda: self._refuse([fault])
        return lambda: self._take(book)

    def _take(self, book: Rulebook) -> None:
        mended, self.refused = bool(self.refused), ""
        self._metrics.set("sansheng_rulebook_refused", 0)
        old = self._shelf.current
        if book.version == old.version:
            if mended:
                log.info("the rulebook's files are sound again: %s, as before", old.version)
            return
        self._shelf.take(book)
        self._metrics.drop("sansheng_rulebook_info", old.version)
        self._metrics.count("sansheng_rulebook_reloads_total", "taken")
        self._tell_metrics(book)
        log.info(
            "rulebook %s taken for calls that begin now (%d rules); %s ends", book.version, len(book.rules), old.version
        )

    def _refuse(self, faults: list[str]) -> None:
        stays = self._shelf.current.version
        self.refused = f"rulebook refused, {stays} stays: {len(faults)} fault(s), first: {faults[0]}"
        self._metrics.set("sansheng_rulebook_refused", 1)
        self._metrics.count("sansheng_rulebook_reloads_total", "refused")
        for fault in faults:
            log.error("rulebook refused: %s", fault)
        log.error("the rulebook's files have %d fault(s); %s stays in force", len(faults), stays)

    def _tell_metrics(self, book: Rulebook) -> None:
        """The version, and each rule's counters from zero, so that their first count is a rise."""
        self._metrics.set("sansheng_rulebook_info", 1, book.version)
        for rule in book.judges:
            self._metrics.count("sansheng_not_judged_total", rule.id, by=0)
            for (severity, _), state in product(severities(rule), _STATES):
                self._metrics.count("sansheng_alerts_total", rule.id, severity, state, by=0)
            if rule.crosses_calls:
                self._metrics.count("sansheng_marks_total", rule.id, by=0)
