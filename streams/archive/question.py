"""What can be asked about ended calls, and what is answered. Pure.

Owns what makes sense to ask (``checked``, ``terms``) and how a page says where the next one begins (``Place``).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from msgspec import Struct

from streams.alerts import Severity
from streams.archive import grams as by
from streams.archive.facts import State
from streams.archive.grams import Term
from streams.events import Direction, Party, Role
from streams.verdicts import Appeal, Finding

#: The longest page, and the longest term, characters.
PAGE, LONGEST = 1000, 100


class BadQueryError(ValueError):
    """That cannot be asked; the text says why and the mend."""


class Said(Struct, frozen=True, omit_defaults=True):
    """Words that someone said in one sentence; ``role`` None: whoever."""

    text: str
    role: Role | None = None


class Scope(Struct, frozen=True, omit_defaults=True):
    """What part of the floor whoever asks may see: calls of which one of these ``agents`` was on the line, or to which
    nobody came and which waited in one of ``queues``; alerts about one of the agents, or about nobody in such a queue.
    """

    agents: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


class Query(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is looked for; all of it must be so, and what is None may be anything.

    ``said``, ``sounds`` (words that sound like these): each somewhere in the call. ``since`` to before ``until``, Unix
    seconds: when it began; ``day``: that date of the site. ``agent``: number or name of one who took part, or whose
    phone rang. ``rule``, ``severity`` (that or graver), ``finding``, ``appeal``: of one and the same alert.
    ``state`` None: all but those that go on. ``after``: ``Found.next`` of the page before. ``scope``: nothing else is
    found, and no alert outside it makes a call one that is looked for; ``trial``: nor one of a rule on trial, if False.
    """

    said: tuple[Said, ...] = ()
    sounds: tuple[Said, ...] = ()
    since: float | None = None
    until: float | None = None
    day: str | None = None
    queue: str | None = None
    agent: str | None = None
    rule: str | None = None
    severity: Severity | None = None
    finding: Finding | None = None
    appeal: Appeal | None = None
    longer_s: float | None = None
    shorter_s: float | None = None
    direction: Direction | None = None
    state: State | None = None
    abandoned: bool | None = None
    call: str | None = None
    limit: int = 20
    after: str = ""
    scope: Scope | None = None
    trial: bool = True


class Sentence(Struct, frozen=True, omit_defaults=True):
    """A sentence in which something was found. ``at_s``: seconds after the call began; ``spans``: what to mark of
    ``text``, first index and the one after the last, none over another.
    """

    role: Role
    at_s: float
    text: str
    spans: tuple[tuple[int, int], ...]
    by_sound: bool = False


class Agent(Struct, frozen=True, omit_defaults=True):
    """One who took part; ``spoke`` False: the phone only rang."""

    agent: str
    name: str = ""
    spoke: bool = False


class Fired(Struct, frozen=True, omit_defaults=True):
    """One alert of the call, and how it stands. ``agent``: whom it is about; "": nobody."""

    id: str
    rule: str
    severity: Severity
    opened_at: float
    title: str
    title_en: str = ""
    agent: str = ""
    queue: str = ""
    finding: Finding = "open"
    appeal: Appeal = "none"
    trial: bool = False


class Hit(Struct, frozen=True, omit_defaults=True):
    """One call: its figures (``schema.calls``), who took part, what fired, and the sentences that were looked for."""

    call: str
    state: State
    day: str
    began_at: float
    direction: Direction
    queue: str
    caller: str
    agent: str
    duration_s: float
    wait_s: float
    ring_s: float
    talk_s: float
    held_s: float
    transfer_s: float
    transfers: int
    abandoned: bool
    in_time: bool | None = None
    ended_at: float | None = None
    ended_by: Party | None = None
    agents: tuple[Agent, ...] = ()
    alerts: tuple[Fired, ...] = ()
    sentences: tuple[Sentence, ...] = ()

    @property
    def agent_name(self) -> str:
        """Of the agent who spoke last, where the PBX said it."""
        return next((each.name for each in self.agents if each.agent == self.agent), "")


class Found(Struct, frozen=True):
    """One page. ``more``: there is another one, or may be; ``next`` leads there (``Query.after``).

    ``cut``: its time was over before all was looked at, so the page may be short; ``reached``: calls that began later
    than that, Unix seconds, have been looked at (None: none at all, so there is no ``next`` either).
    """

    hits: tuple[Hit, ...]
    more: bool = False
    next: str = ""
    cut: bool = False
    reached: float | None = None


class Place(NamedTuple):
    """Where a call stands in the order of all: newest first."""

    began_at: float
    no: int

    def __str__(self) -> str:
        return f"{self.began_at!r}:{self.no}"


def place(cursor: str) -> Place:
    """What a page said. Raises BadQueryError."""
    began_at, _, no = cursor.partition(":")
    try:
        found = Place(float(began_at), int(no))
    except ValueError:
        found = Place(math.nan, 0)
    if not (math.isfinite(found.began_at) and 0 <= found.no < 1 << 63):  # it may come from a browser
        raise BadQueryError(f"{cursor[:50]!r} leads to no page: give what the page before said")
    return found


def checked(query: Query) -> None:
    """Raises BadQueryError where its figures make no sense."""
    if not 1 <= query.limit <= PAGE:
        raise BadQueryError(f"limit {query.limit}: 1 to {PAGE} calls a page")
    if query.since is not None and query.until is not None and query.since >= query.until:
        raise BadQueryError("the time ends before it begins")
    if query.longer_s is not None and query.shorter_s is not None and query.longer_s > query.shorter_s:
        raise BadQueryError(f"no call is longer than {query.longer_s:g} s and shorter than {query.shorter_s:g} s")


def terms(query: Query) -> tuple[Term, ...]:
    """The normal forms of the words that are looked for. Raises BadQueryError."""
    made = []
    for by_sound, asked in ((False, query.said), (True, query.sounds)):
        for each in asked:
            normal = by.plain(each.text).text
            if not normal:
                raise BadQueryError(f"{each.text!r} has no character that anybody could say")
            if len(normal) > LONGEST:
                raise BadQueryError(f"a term of {len(normal)} characters; {LONGEST} at most")
            made.append(Term(normal, each.role, by_sound))
    return tuple(dict.fromkeys(made))
