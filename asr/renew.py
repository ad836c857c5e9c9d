"""Ears for the rulebook that is in force: changed rule files are taken while calls go on.

A call that begins is listened to for the phrases of the present book; ears that are at work keep what they began with.
A book with faults changes nothing here; the detector refuses it and tells.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from asr.audio import Frame
from asr.ear import Ear, Engine
from asr.recogniser import ModelError
from streams.rulebook.book import DEFAULT_RULES, Rulebook, RulebookError, load
from streams.settings import Settings
from streams.shell.reload import fingerprint

log = logging.getLogger("sansheng.recognise")


class Ears:
    """Makes ears; ``engine_of`` loads what they hear with for a rulebook."""

    def __init__(self, settings: Settings, book: Rulebook, engine_of: Callable[[Rulebook], Engine]) -> None:
        """Load the engine. Raises ModelError."""
        self._settings, self._version, self._engine_of = settings, book.version, engine_of
        self._places = (DEFAULT_RULES, *settings.rulebook)
        self._seen = self._judged = fingerprint(self._places)
        self.engine = engine_of(book)

    def __call__(self, first: Frame) -> Ear:
        """An ear that begins with that frame."""
        return Ear(first, self.engine)

    async def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do ``work`` and look at the files meanwhile."""
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._look_forever())
            await work
            watch.cancel()

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.rulebook_poll_s)
            await self.look()

    async def look(self) -> None:
        """Take the files if they have changed and were the same at the last look: nobody is saving them now."""
        now = await asyncio.to_thread(fingerprint, self._places)
        stable, self._seen = now == self._seen, now
        if stable and now != self._judged:
            self._judged = now
            await asyncio.to_thread(self._renew)

    def _renew(self) -> None:
        """Off the event loop: loading a model takes a second, most of it in C++."""
        try:
            book = load(self._settings.rulebook)
            if book.version != self._version:
                self.engine, self._version = self._engine_of(book), book.version
                log.info("calls that begin now are listened to for the phrases of rulebook %s", book.version)
        except RulebookError as error:
            log.warning("the rulebook has %d fault(s): the phrases of %s stay", len(error.faults), self._version)
        except ModelError as error:
            log.warning("the model could not be loaded again, the phrases of %s stay: %s", self._version, error)
        except Exception:  # a full disk, say: it must not end the calls that are being heard
            log.exception("the rulebook could not be taken, the phrases of %s stay", self._version)
