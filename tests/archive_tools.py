"""What tests of the archive share: stores of both kinds (fixtures in conftest), and filling them without a broker."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from streams import alerts, events, verdicts
from streams.alerts import AlertChange
from streams.archive.store import Store
from streams.archive.taking import Message, Offsets, Taking, Took, Topic
from streams.events import AnyEvent
from streams.verdicts import Verdict

PARTITIONS = 4
CLUSTER = "test-cluster"
#: Of the callers' pseudonyms.
KEY = b"k" * 32


class Log:
    """Messages as a broker would number them, and what of them the store has taken."""

    def __init__(self) -> None:
        """Nothing has been written."""
        self.messages: list[Message] = []
        self._ends: dict[tuple[str, int], int] = {}

    def calls(self, made: Iterable[AnyEvent], late_s: float = 0.05) -> Log:
        """Events, each logged so long after it happened, seconds."""
        for event in made:
            self.add("calls", event.call.encode(), events.render(event), event.at + late_s)
        return self

    def alerts(self, made: Iterable[AlertChange], late_s: float = 0.05) -> Log:
        """Changes of alerts."""
        for change in made:
            self.add("alerts", change.call.encode(), alerts.render(change), change.at + late_s)
        return self

    def verdicts(self, made: Iterable[Verdict], late_s: float = 0.05) -> Log:
        """What people did."""
        for verdict in made:
            self.add("verdicts", verdicts.key_of(verdict).encode(), verdicts.render(verdict), verdict.at + late_s)
        return self

    def add(self, topic: Topic, key: bytes, value: bytes, logged_at: float) -> None:
        """One message, whatever it is."""
        partition = zlib.crc32(key) % PARTITIONS
        offset = self._ends.get((topic, partition), 0)
        self._ends[topic, partition] = offset + 1
        self.messages.append(Message(topic, partition, offset, logged_at, key, value))


def taken(store: Store, messages: Sequence[Message], batch: int = 1000) -> list[Took]:
    """Store messages that follow what was stored before, so many at a time."""
    taking, found = Taking(store, KEY, ahead_s=60), []
    was = taking.offsets(CLUSTER)
    for at in range(0, len(messages), batch):
        part = messages[at : at + batch]
        now: Offsets = was | {(m.topic, m.partition): m.offset + 1 for m in part}
        found.append(taking.take(CLUSTER, part, was, now))
        was = now
    return found
