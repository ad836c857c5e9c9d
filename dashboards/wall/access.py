"""Who may see and do what on the wall. Owns the roles and their rights; knows no sockets.

=============  =====================================================================
role           may
=============  =====================================================================
``wall``       look at the floor (a television): no transcript, no page, no verdict
``supervisor``  all of that, pages and transcripts of the own teams, verdicts, snoozes
``manager``    as a supervisor, of every team; answer appeals
``agent``      own calls and own alerts, their pages; appeal
=============  =====================================================================
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from streams.verdicts import Action

Role = Literal["wall", "supervisor", "manager", "agent"]
Right = Literal["pages", "snooze", "act"]

_ACTIONS: dict[Role, frozenset[Action]] = {
    "wall": frozenset(),
    "supervisor": frozenset(
        ("claimed", "released", "resolved", "false_alarm", "reopened", "commented", "upheld", "dismissed")
    ),
    "manager": frozenset(
        ("claimed", "released", "resolved", "false_alarm", "reopened", "commented", "upheld", "dismissed")
    ),
    "agent": frozenset(("appealed",)),
}


class User(Struct, frozen=True, omit_defaults=True):
    """Somebody who was let in. ``login`` is unique; ``teams``: those of a supervisor (none: every team); ``agent``: the
    number of an agent, who sees nothing but the own calls.
    """

    login: str
    name: str
    role: Role
    teams: tuple[str, ...] = ()
    agent: str = ""

    @property
    def sees_pages(self) -> bool:
        """Whether pages and transcripts are open to this user, each within what the user's scope covers."""
        return self.role != "wall"

    @property
    def may_snooze(self) -> bool:
        """Whether this user may keep a rule's alerts off the walls."""
        return self.role in ("supervisor", "manager")

    def may(self, action: Action) -> bool:
        """Whether the role allows the action at all."""
        return action in _ACTIONS[self.role]


class Scope(Struct, frozen=True):
    """What part of the floor somebody looks at. Empty: all of it.

    ``agents`` and ``queues`` are those of a team: a call belongs to it by its agents, or, while it
    has none, by its queue.
    """

    agents: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    name: str = ""

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not self.agents and not self.queues

    def covers(self, agents: tuple[str, ...], queue: str) -> bool:
        """Whether a call or an alert with these people, waiting in that queue, belongs to it."""
        if self.is_all:
            return True
        return any(agent in self.agents for agent in agents) if agents else queue in self.queues
