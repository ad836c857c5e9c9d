"""Real records for the wall's pages: captures of Asterisk and spoken calls, told to a scripted floor as of just now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from dashboards.wall.source import Topic
from streams.archive.store import Store
from streams.events import AnyEvent, LegTapped, parse, to_dict
from tests.archive_tools import Log, taken
from tests.asterisk_tools import capture, record
from tests.wall_script import Floor, ScriptedSource

SPEECH = Path(__file__).parent / "traces" / "speech"
_TIMES = frozenset({"at", "start", "end", "through"})
#: Every deadline of a rule lies within this of the last event, seconds.
SETTLED_S = 30.0


def spoken(name: str) -> list[AnyEvent]:
    """One of the spoken calls."""
    lines = (SPEECH / f"{name}.ndjson").read_text("utf-8").splitlines()
    return [parse(line) for line in lines if line.strip()]


def pbx(name: str) -> list[AnyEvent]:
    """A capture of Asterisk as a record."""
    return record(capture(name))


def tell(floor: Floor, events: Iterable[AnyEvent], ends: float, call: str = "", *, settle: bool = True) -> float:
    """Tell the events so that the last happens at ``ends``, perhaps under another id; answers how far they moved."""
    told = sorted((event for event in events if not isinstance(event, LegTapped)), key=lambda event: event.at)
    by = ends - told[-1].at
    for event in told:
        fields = _moved(to_dict(event), by)
        type_, own, at = (fields.pop(name) for name in ("type", "call", "at"))
        floor.wait(at)
        floor.say(type_, call or own, at, **{k: v for k, v in fields.items() if k not in ("seq", "logged_at")})
    if settle:
        floor.wait(ends + SETTLED_S)
    return by


class Shelf(ScriptedSource):
    """What is told to it is for the archive, as if it had been logged just after it happened."""

    def __init__(self) -> None:
        super().__init__()
        self.told = Log()

    def put(self, topic: Topic, value: bytes, *, key: bytes = b"", logged_at: float | None = None) -> None:
        at = msgspec.json.decode(value)["at"] if logged_at is None else logged_at
        if topic in ("calls", "alerts", "verdicts"):
            self.told.add(topic, key, value, at + 0.05)


def bygone(store: Store) -> tuple[Floor, Callable[[], None]]:
    """A floor of earlier days, and what stores it: to be called once, when all of it has been told."""
    shelf = Shelf()
    return Floor(shelf), lambda: taken(store, shelf.told.messages) and None


def _moved(value: Any, by: float) -> Any:
    if isinstance(value, list | tuple):
        return [_moved(one, by) for one in value]
    if not isinstance(value, dict):
        return value
    return {k: v + by if k in _TIMES and isinstance(v, int | float) else _moved(v, by) for k, v in value.items()}
