"""What a detector is: a rule of one kind, pure, told of events and of wakes.

After bytewax's StatefulLogic: ``on_event``, ``on_wake``, ``due``, and a memory that is small, frozen and
serialisable. A rule of the rulebook *is* the detector, with the manager's parameters filled in. It reads no
clock: time comes with the event or the wake.

A new kind is one file in this folder with one subclass of :class:`Rule`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from msgspec import Struct

from streams.alerts import Clause, Severity
from streams.call import Call
from streams.detectors.units import Duration
from streams.events import AnyEvent

Status = Literal["draft", "trial", "live", "retired"]


class Sentences(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Title and sentences of a rule in English."""

    title: str
    says: str
    says_cleared: str = ""


class Finding(Struct, frozen=True):
    """What a detector has found. ``severity`` None: what was found before is over.

    ``at`` is the instant at which it became true, ``seconds`` the duration that the sentence names, ``agents``
    whom it is about, ``ended_by`` the kind of event that ended it (``call.row_of``; empty: time alone).
    """

    at: float
    severity: Severity | None
    seconds: float
    agents: tuple[str, ...] = ()
    ended_by: str = ""


class Memory(Struct, frozen=True, omit_defaults=True, tag_field="kind"):
    """What a detector remembers of one call between events. Subclasses carry ``tag=<kind>``."""


class Rule(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """One rule of the rulebook. Subclasses add a kind's parameters and say when it fires."""

    id: str
    title: str
    says: str
    says_cleared: str = ""
    clause: Clause
    also: tuple[Clause, ...] = ()
    status: Status = "live"
    retired_because: str = ""
    en: Sentences | None = None
    known_misses: tuple[str, ...] = ()
    false_alarms: tuple[str, ...] = ()
    advice: str = ""

    memory_type: ClassVar[type[Memory]] = Memory

    def due(self, call: Call, memory: Any) -> float | None:
        """The next instant at which the rule wants to be woken, Unix seconds; None: not by time alone."""
        return None

    def on_wake(self, call: Call, memory: Any, at: float) -> tuple[Any, list[Finding]]:
        """Time has reached ``at``, the instant that ``due`` asked for."""
        return memory, []

    def on_event(self, call: Call, memory: Any, event: AnyEvent) -> tuple[Any, list[Finding]]:
        """``event`` has been folded into ``call``."""
        return memory, []


__all__ = ["Clause", "Duration", "Finding", "Memory", "Rule", "Sentences", "Severity", "Status"]
