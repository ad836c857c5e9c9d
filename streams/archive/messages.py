"""Messages of the topics, read: what of them may be stored, and in what form.

Owns what is refused (as the detector and the wall refuse it, and what one of the stores could not take) and counted.
Knows neither the store nor Kafka. Numbers are masked once more (``personal``): not every source of the record does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from streams import alerts as alerting
from streams import audit, verdicts
from streams.alerts import AlertChange
from streams.archive.personal import change_kept, kept, verdict_kept
from streams.events import AnyEvent, BadEventError, CallOffered, CallTransferring, Tick, parse
from streams.verdicts import Judgement

Topic = Literal["calls", "alerts", "verdicts", "audit"]
TOPICS: tuple[Topic, ...] = ("calls", "alerts", "verdicts", "audit")


class Message(NamedTuple):
    """One message. ``topic`` without prefix; ``logged_at``: the broker's time, Unix seconds."""

    topic: Topic
    partition: int
    offset: int
    logged_at: float
    key: bytes
    value: bytes


#: (topic, partition) -> the next offset to read.
Offsets = dict[tuple[str, int], int]


class Batch:
    """Messages, read: by call and by alert, each in the order in which it came; ``unreadable`` are counted by topic."""

    def __init__(self, messages: Iterable[Message], key: bytes, ahead_s: float) -> None:
        """``key``: of callers' pseudonyms; ``ahead_s``: what lies further in the future than that is not believed."""
        self.calls: dict[str, list[AnyEvent]] = {}
        self.alerts: dict[str, list[AlertChange]] = {}
        self.judgements: list[tuple[Judgement, Message]] = []
        self.snoozes: list[dict[str, Any]] = []
        self.reads: list[dict[str, Any]] = []
        self.unreadable: dict[str, int] = {}
        self._key, self._ahead_s = key, ahead_s
        takes = {"calls": self._call, "alerts": self._alert, "verdicts": self._verdict, "audit": self._read}
        for message in messages:
            try:
                takes[message.topic](message)
            except (BadEventError, msgspec.MsgspecError, ValueError, RecursionError):
                self.unreadable[message.topic] = self.unreadable.get(message.topic, 0) + 1

    def _call(self, message: Message) -> None:
        if message.key.startswith(b"~"):
            return  # heartbeats; no call's id begins so
        event = parse(_plain(message.value))
        if event.call.encode() != message.key or event.at > message.logged_at + self._ahead_s:
            raise ValueError("the detector refused it too")
        if isinstance(event, CallOffered):
            _fit(event.queue or "", most=NAME)  # no index takes more
        if isinstance(event, CallTransferring):
            _fit(event.agent or "", event.to or "", most=NAME)
        if not isinstance(event, Tick):  # wakes are made anew by every replay
            event = replace(kept(event, self._key), seq=message.offset, logged_at=message.logged_at)
            self.calls.setdefault(event.call, []).append(event)

    def _alert(self, message: Message) -> None:
        change = change_kept(alerting.parse(_plain(message.value)))
        self._look(message, change.call, change.at)
        _fit(change.id, change.rulebook, most=_ID)
        _fit(change.call, change.rule, change.agent or "", change.queue or "", most=NAME)
        self.alerts.setdefault(change.id, []).append(change)

    def _verdict(self, message: Message) -> None:
        verdict = verdict_kept(verdicts.parse(_plain(message.value)))
        self._look(message, verdicts.key_of(verdict), verdict.at)
        _fit(verdict.id, most=_ID)
        if isinstance(verdict, Judgement):
            _fit(verdict.alert, most=_ID)
            _fit(verdict.call, most=NAME)
            self.judgements.append((verdict, message))
        else:
            self.snoozes.append({"id": verdict.id, "at": verdict.at, "snooze": msgspec.to_builtins(verdict)})

    def _read(self, message: Message) -> None:
        entry = audit.parse(_plain(message.value))
        _fit(entry.role, most=_ROLE)
        self.reads.append(
            {
                "id": f"{message.partition}:{message.offset}:{message.logged_at:.3f}",
                "at": min(
                    max(0.0, entry.at), message.logged_at
                ),  # an entry is kept whatever the clock of its wall says
                "by": entry.by,
                "role": entry.role,
                "what": entry.what,
                "of": entry.id,
            }
        )

    def _look(self, message: Message, key: str, at: float) -> None:
        """As the wall does: what has another key came past its partition's order; nothing lies in the future."""
        if key.encode() != message.key:
            raise ValueError("the message has another key")
        if not 0 <= at <= message.logged_at + self._ahead_s:
            raise ValueError("not a time of this log")


#: The lengths of columns (``schema``); SQLite would take more, PostgreSQL would not.
_ID, NAME, _ROLE = 64, 256, 16
#: A NUL in a JSON text, behind an even number of backslashes: PostgreSQL stores none, and no name or sentence has one.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def _plain(value: bytes) -> bytes:
    return _NUL.sub(rb"\1", value) if b"u0000" in value else value


def _fit(*texts: str, most: int) -> None:
    if any(len(text) > most for text in texts):
        raise ValueError("longer than any of ours")
