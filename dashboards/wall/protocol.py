"""What a browser may say on the websocket (protocol 3), and how much of it; ``docs/wall.md`` explains the shapes.

Unknown fields are let pass, for pages newer than this server.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from dashboards.wall.boards import Mode
from streams.verdicts import Action, Reason

#: The longest message, bytes; a text of 500 characters fits in three times over.
MOST_BYTES = 16 * 1024
#: Messages at once, and a second in the long run.
BURST, PER_S = 20, 5.0

Id = Annotated[str, Meta(min_length=1, max_length=256)]
Name = Annotated[str, Meta(max_length=128)]
Seconds = Annotated[float, Meta(ge=0, le=1_000_000)]
What = Literal["alert", "call", "agent"]


class Hello(Struct, frozen=True, tag_field="type", tag="hello"):
    """The first message. ``stream`` and ``n``: the last change that was seen, when coming back.

    Protocol 3 has all of 2, so a page of the version before goes on until it is loaded anew.
    """

    protocol: Literal[2, 3]
    ticket: str
    mode: Mode = "wall"
    team: Name = ""
    stream: Name = ""
    n: int = -1


class Ask(Struct, frozen=True, tag_field="type", tag="ask"):
    """A page is wanted. ``at``: about when it was, Unix seconds, where that is known; ``day``: of an agent, the site's
    date, "" is today.
    """

    ask: int
    what: What
    id: Id
    at: float | None = None
    day: Annotated[str, Meta(max_length=10)] = ""


class Find(Struct, frozen=True, tag_field="type", tag="find"):
    """Calls are looked for. What is empty does not matter; ``since`` and ``until`` are days of the site, both included.

    ``by_sound``: ``text`` is compared by how it is spoken; ``severity``, ``rule`` and ``verdict`` ask for an alert that
    has all of them; ``after``: where the answer before ended.
    """

    ask: int
    text: Annotated[str, Meta(max_length=200)] = ""
    by_sound: bool = False
    role: Literal["", "agent", "customer"] = ""
    since: Annotated[str, Meta(max_length=10)] = ""
    until: Annotated[str, Meta(max_length=10)] = ""
    queue: Name = ""
    agent: Name = ""
    rule: Name = ""
    severity: Literal["", "notice", "warning", "critical"] = ""
    verdict: Literal["", "open", "true", "false", "appealed"] = ""
    shortest_s: Seconds | None = None
    longest_s: Seconds | None = None
    team: Name = ""
    after: Name = ""


class Act(Struct, frozen=True, tag_field="type", tag="act"):
    """Something done with an alert. ``reason``: why it was false."""

    act: int
    alert: Id
    action: Action
    reason: Reason | None = None
    text: str = ""


class Quiet(Struct, frozen=True, tag_field="type", tag="snooze"):
    """Alerts of ``rule`` in ``queue`` ("": in all) stay off the walls for so many minutes; 0: no longer."""

    act: int
    rule: Id
    minutes: Annotated[int, Meta(ge=0)]
    queue: Name = ""
    text: str = ""


class Follow(Struct, frozen=True, tag_field="type", tag="follow"):
    """Lines of that call as they come; "": no more."""

    call: Annotated[str, Meta(max_length=256)] = ""


Said = Ask | Find | Act | Quiet | Follow

_hello = msgspec.json.Decoder(Hello)
_said = msgspec.json.Decoder(Ask | Find | Act | Quiet | Follow)


def parse_hello(message: bytes | str) -> Hello:
    """Raises msgspec.MsgspecError."""
    return _hello.decode(message)


def parse(message: bytes | str) -> Said:
    """Raises msgspec.MsgspecError."""
    said: Said = _said.decode(message)
    return said


class Pace:
    """How much one browser may still say: ``BURST`` at once, then ``PER_S`` a second."""

    def __init__(self, now: float) -> None:
        """``now``: seconds of any steady clock."""
        self._left, self._at = float(BURST), now

    def allows(self, now: float) -> bool:
        """Whether one more may come at ``now``; it is counted."""
        self._left = min(float(BURST), self._left + (now - self._at) * PER_S)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
