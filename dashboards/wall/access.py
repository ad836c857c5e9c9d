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

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from streams.settings import Team, WallSettings
from streams.verdicts import Action

Role = Literal["wall", "supervisor", "manager", "agent"]
#: The login of whoever shows the desk's own token, and of the televisions.
DESK, TELEVISION = "desk", "wall"

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
    def is_shared(self) -> bool:
        """Whether many come in under this name at the same time: televisions, and who shows the desk's own token."""
        return self.role == "wall" or self.login == DESK

    @property
    def may_snooze(self) -> bool:
        """Whether this user may keep a rule's alerts off the walls."""
        return self.role in ("supervisor", "manager")

    def may(self, action: Action) -> bool:
        """Whether the role allows the action at all."""
        return action in _ACTIONS[self.role]


class Scope(Struct, frozen=True):
    """What part of the floor somebody looks at. Without a name: all of it.

    ``agents`` and ``queues`` are those of a team: a call belongs to it by its agents, or, while it
    has none, by its queue. A team that has neither sees nothing, not everything. ``own``: whoever looks is the agent
    whom it is about, and is not shown what supervisors tell each other.
    """

    agents: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    name: str = ""
    own: bool = False

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not self.name and not self.agents and not self.queues

    def covers(self, agents: tuple[str, ...], queue: str) -> bool:
        """Whether a call or an alert with these people, waiting in that queue, belongs to it."""
        if self.is_all:
            return True
        return any(agent in self.agents for agent in agents) if agents else queue in self.queues

    def covers_alert(self, agent: str | None, queue: str | None) -> bool:
        """Whether an alert about that agent, or about nobody in that queue, belongs to it."""
        return self.covers((agent,) if agent else (), queue or "")

    def covers_snooze(self, queue: str) -> bool:
        """Whether a snooze of that queue ("": of all) is told: it says who made it, and why."""
        return not self.own and (self.is_all or not queue or queue in self.queues)


def rights_of(user: User) -> tuple[str, ...]:
    """The actions that the user's role allows, "snooze" and "pages"; what the page offers goes by it."""
    also = (("snooze", user.may_snooze), ("pages", user.sees_pages))
    return (*sorted(_ACTIONS[user.role]), *(name for name, may in also if may))


def teams_of(user: User, teams: Mapping[str, Team]) -> tuple[str, ...]:
    """The teams among which the user may choose."""
    if user.role == "agent":
        return ()
    return user.teams if user.role == "supervisor" and user.teams else tuple(teams)


def scope_of(user: User, teams: Mapping[str, Team], wanted: str = "") -> Scope:
    """What the user sees: the ``wanted`` team where it is one of the own, else everything that is open to the user."""
    if user.role == "agent":
        return Scope(frozenset({user.agent}), name=user.login, own=True)
    own = teams_of(user, teams)
    if wanted in own:
        return _scope((wanted,), teams)
    return _scope(own, teams) if user.role == "supervisor" and user.teams else Scope()


def _scope(names: tuple[str, ...], teams: Mapping[str, Team]) -> Scope:
    known = [teams[name] for name in names if name in teams]
    return Scope(
        agents=frozenset(agent for team in known for agent in team.agents),
        queues=frozenset(queue for team in known for queue in team.queues),
        name="+".join(names),
    )


class Door:
    """Knows everybody who may come in, by a token or by the name that a proxy gives."""

    def __init__(self, settings: WallSettings) -> None:
        """``settings`` with the tokens that were made for this run."""
        self._header, self._proxies = settings.user_header, frozenset(settings.proxies)
        self._users = {u.login: _user(u.login, u.name, u.role, u.teams, u.agent) for u in settings.users}
        self._keys: list[tuple[bytes, User]] = [
            (_digest(given.token.get_secret_value()), self._users[given.login])
            for given in settings.users
            if given.token.get_secret_value()
        ]
        if token := settings.token.get_secret_value():
            self._keys.append((_digest(token), User(TELEVISION, "大屏", "wall")))
        if token := settings.desk_token.get_secret_value():
            self._keys.append((_digest(token), User(DESK, "值班主管", "supervisor")))

    def by_token(self, token: str) -> User | None:
        """Whose token it is. Takes as long for a nearly right one as for any other."""
        found, digest = None, _digest(token)
        for known, user in self._keys:
            if hmac.compare_digest(known, digest):
                found = user
        return found

    @property
    def header(self) -> str:
        """In which header a proxy names the user; "": none does."""
        return self._header

    def is_proxy(self, address: str) -> bool:
        """Whether what comes from that address comes through a proxy, which is believed for whom it asks."""
        return address.removeprefix("::ffff:") in self._proxies

    def may_name(self, address: str) -> bool:
        """Whether a proxy at that address is believed, too, who the user is."""
        return bool(self._header) and self.is_proxy(address)

    def by_name(self, login: str) -> User | None:
        """Whom a proxy named; to be asked only where it ``may_name``."""
        return self._users.get(login)


def _user(login: str, name: str, role: Role, teams: tuple[str, ...], agent: str) -> User:
    return User(login, name or login, role, teams, agent)


def _digest(token: str) -> bytes:
    """Of one length, so that comparing tells nothing of a token's."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
