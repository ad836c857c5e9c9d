"""Records of calls and alerts out of the archive, and joined with those of the topics.

The topics have the week, and are never behind; the archive has what is older, and what retention has cut from them.
While the archive is down, what the topics have is answered all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from dashboards.wall.archive import Archive, ArchiveDownError, NoArchiveError
from dashboards.wall.records import Records
from streams.alerts import AlertChange
from streams.archive import past
from streams.events import AnyEvent, CallOffered
from streams.verdicts import WEEK_S


class ArchiveRecords:
    """What the archive has; see ``Records``. Raises ArchiveDownError."""

    def __init__(self, archive: Archive) -> None:
        """Of that archive."""
        self._archive = archive

    async def call(self, call: str, since: float, until: float | None) -> tuple[AnyEvent, ...]:
        """See ``Records``. A call is one record, whenever it was: the times are not looked at."""
        return tuple(await self._archive.ask(lambda _, connection: past.record(connection, call)))

    async def alerts(self, call: str, since: float, until: float | None) -> tuple[AlertChange, ...]:
        """See ``Records``."""
        found = await self._archive.ask(lambda _, connection: past.alerts_of(connection, call))
        return tuple(sorted(found, key=lambda change: change.at))

    async def alert(self, alert_id: str) -> tuple[AlertChange, ...]:
        """See ``Records``."""
        return await self._archive.ask(lambda _, connection: past.alert(connection, alert_id))


class JoinedRecords:
    """The topics first, the archive for what they do not have; see ``Records``."""

    def __init__(self, topics: Records, archive: Records, clock: Callable[[], float] = time.time) -> None:
        """``clock``: Unix seconds."""
        self._topics, self._archive, self._clock = topics, archive, clock

    async def call(self, call: str, since: float, until: float | None) -> tuple[AnyEvent, ...]:
        """See ``Records``."""
        recent = () if self._is_old(until) else await self._topics.call(call, since, until)
        if _is_whole(recent):
            return recent
        try:
            return joined(await self._archive.call(call, since, until), recent)
        except NoArchiveError:
            return recent
        except ArchiveDownError:
            if recent:
                return recent
            raise

    async def alerts(self, call: str, since: float, until: float | None) -> tuple[AlertChange, ...]:
        """See ``Records``."""
        recent = () if self._is_old(until) else await self._topics.alerts(call, since, until)
        if recent and _all_opened(recent):
            return recent
        try:
            return merged(await self._archive.alerts(call, since, until), recent)
        except ArchiveDownError:  # they are marks beside words
            return recent

    async def alert(self, alert_id: str) -> tuple[AlertChange, ...]:
        """See ``Records``; here also of one that is older."""
        recent = await self._topics.alert(alert_id)
        if recent and _all_opened(recent):
            return recent
        try:
            return merged(await self._archive.alert(alert_id), recent)
        except NoArchiveError:
            return recent
        except ArchiveDownError:
            if recent:
                return recent
            raise

    def _is_old(self, until: float | None) -> bool:
        """Whether the topics cannot have anything of it any more."""
        return until is not None and until < self._clock() - WEEK_S


def joined(old: Sequence[AnyEvent], recent: Sequence[AnyEvent]) -> tuple[AnyEvent, ...]:
    """One record of two: of the old one what was logged before the recent one begins."""
    if not recent:
        return tuple(old)
    begins = _logged(recent[0])
    return (*(event for event in old if _logged(event) < begins), *recent)


def merged(old: Iterable[AlertChange], recent: Iterable[AlertChange]) -> tuple[AlertChange, ...]:
    """Each change once, oldest first."""
    once = {(change.id, change.state, change.severity, change.at): change for change in (*old, *recent)}
    return tuple(sorted(once.values(), key=lambda change: change.at))


def _is_whole(record: Sequence[AnyEvent]) -> bool:
    """Whether its beginning is there; of a call that was found talking nobody can tell."""
    return any(isinstance(event, CallOffered) for event in record)


def _all_opened(changes: Iterable[AlertChange]) -> bool:
    ids = {change.id: False for change in changes}
    ids |= {change.id: True for change in changes if change.state == "opened"}
    return all(ids.values())


def _logged(event: AnyEvent) -> tuple[float, int]:
    return (event.logged_at or event.at, -1 if event.seq is None else event.seq)
