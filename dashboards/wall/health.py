"""Whether the others are alive: heartbeats in, the health of each part out. Reads no clock."""

from __future__ import annotations

from msgspec import Struct

from dashboards.wall.views import Feed, Part, Status
from streams.heartbeat import DEAD_AFTER_S, Component, Heartbeat

#: A system may do without these, but one that worked and fell silent is dead.
_OPTIONAL: frozenset[Component] = frozenset({"listen", "recognise", "archive", "pager"})


class Beat(Struct, frozen=True, omit_defaults=True):
    """The newest heartbeat of one process, when it was heard, and since when it says that it cannot work (0: it can).

    Both by the clock that heard it: a process whose own clock is wrong is in trouble since then all the same.
    """

    beat: Heartbeat
    heard_at: float
    since: float = 0.0


Beats = dict[str, dict[str, Beat]]


class Health:
    """The heartbeats of all processes, by component and instance."""

    def __init__(self, started_at: float, beats: Beats | None = None) -> None:
        """``started_at``: who has not been heard of is waited for from then on; ``beats``: as an earlier one had."""
        self.started_at = started_at
        self.beats: Beats = beats or {}

    def take(self, beat: Heartbeat, heard_at: float) -> None:
        """Note that a process is alive; its own clock may be wrong, so ``heard_at`` is the broker's or the wall's."""
        instances = self.beats.setdefault(beat.component, {})
        before = instances.get(beat.instance)
        goes_on = before is not None and _is_troubled(before.beat) and heard_at - before.heard_at <= DEAD_AFTER_S
        since = before.since if before and goes_on else heard_at
        instances[beat.instance] = Beat(beat, heard_at, since if _is_troubled(beat) else 0.0)

    def status(self, feed: Feed, unreadable: int, now: float) -> Status:
        """The health of all parts at ``now``."""
        listen, recognise = self._part("listen", now), self._part("recognise", now)
        beside = (self._part("archive", now), self._part("pager", now))
        return Status(
            feed, self._part("detect", now), self._part("asterisk", now), unreadable, listen, recognise, *beside
        )

    def forget(self, now: float) -> None:
        """Drop processes that are gone, but the last of each component: it says since when there is none."""
        for beats in self.beats.values():
            newest = max(beats.values(), key=lambda b: b.heard_at, default=None)
            for instance, heard in list(beats.items()):
                if heard is not newest and now - heard.heard_at > DEAD_AFTER_S:
                    del beats[instance]

    def _part(self, component: Component, now: float) -> Part:
        """Alive while any process is; in trouble when a living one says so."""
        beats = self.beats.get(component, {}).values()
        if not beats:
            return self._unheard(component, now)
        heard_at = max(b.heard_at for b in beats)
        living = [b for b in beats if now - b.heard_at <= DEAD_AFTER_S]
        troubled = [b for b in living if _is_troubled(b.beat)]
        if troubled:
            return Part("trouble", min(b.since for b in troubled), troubled[0].beat.detail, heard_at)
        return Part("ok", heard_at=heard_at) if living else Part("dead", heard_at, heard_at=heard_at)

    def _unheard(self, component: Component, now: float) -> Part:
        if component in _OPTIONAL:
            return Part("absent")
        return Part("waiting" if now - self.started_at <= DEAD_AFTER_S else "dead", self.started_at)


def _is_troubled(beat: Heartbeat) -> bool:
    """Whether its work is not whole. A pager that works but for one receiver says so in the detail: who relies on
    being woken there has to know.
    """
    return not beat.ok or (beat.component == "pager" and bool(beat.detail))
