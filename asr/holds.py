"""When the parties of a call could not hear each other: hold music on a held leg, a colleague on a transferring one.

Follows the telephony of all calls with the engine's own fold. Knows nothing of Kafka; forgets what is long over.
"""

from __future__ import annotations

from typing import NamedTuple

from streams.call import SILENT_PHASES, Fold, apply, begin, is_telephony
from streams.events import AnyEvent

#: A call that has ended is remembered so long, seconds: its last sound is still under way.
ENDED_KEPT_S = 600.0
#: A call of which nothing more is heard is forgotten after so long, seconds.
SILENT_S = 4 * 3600.0
#: Between two rounds of forgetting, seconds of the record.
_SWEEP_S = 60.0


class Stretch(NamedTuple):
    """From ``start`` to ``end``, Unix seconds; None: it goes on."""

    start: float
    end: float | None


class Holds:
    """The muted stretches of the calls that go on."""

    def __init__(self) -> None:
        """Nothing is known of any call."""
        self._folds: dict[str, Fold] = {}
        self._stretches: dict[str, tuple[Stretch, ...]] = {}
        self._swept_at = 0.0

    def take(self, event: AnyEvent) -> list[Stretch]:
        """Fold one event in; the stretches of its call that are new or have changed.

        A late event may move the start of one that went on: the old one is then told again, as empty.
        """
        if not is_telephony(event):
            return []
        self._forget(event.at)
        fold = apply(self._folds.get(event.call) or begin(event), event)
        self._folds[event.call] = fold
        before, now = self._stretches.get(event.call, ()), _muted(fold)
        self._stretches[event.call] = now
        starts = {stretch.start for stretch in now}
        moved = [Stretch(old.start, old.start) for old in before if old.start not in starts]
        return moved + [stretch for stretch in now if stretch not in before]

    def of(self, call: str) -> tuple[Stretch, ...]:
        """The muted stretches of that call, oldest first."""
        return self._stretches.get(call, ())

    def ended_at(self, call: str) -> float | None:
        """When the call ended, Unix seconds; None: it goes on, or nobody told."""
        fold = self._folds.get(call)
        return fold.call.ended_at if fold else None

    def _forget(self, now: float) -> None:
        if abs(now - self._swept_at) < _SWEEP_S:
            return
        self._swept_at = now
        for call, fold in list(self._folds.items()):
            if now - fold.latest > (SILENT_S if fold.call.ended_at is None else ENDED_KEPT_S):
                del self._folds[call]
                self._stretches.pop(call, None)


def _muted(fold: Fold) -> tuple[Stretch, ...]:
    call = fold.call
    past = [Stretch(s.since, s.until) for s in call.stretches if s.phase in SILENT_PHASES]
    return (*past, Stretch(call.since, None)) if call.phase in SILENT_PHASES else tuple(past)
