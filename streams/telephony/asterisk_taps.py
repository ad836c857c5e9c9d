"""Which AudioSocket carries the sound of which party: the PBX's taps, joined from both of their ends.

A tap is a channel that runs ``AudioSocket(uuid,…)``, or an AudioSocket channel, and a ``ChanSpy`` on a party's channel.
Originated with ``Local/…``, the two ends are the halves of one Local pair; the halves of several taps come mixed, so
they are joined by name and told by UUID. A customer's own channel may run AudioSocket too: then it taps itself.

Owns that and nothing else: no tap ever is a party of a call. Newexten and ChanSpyStart are needed (in manager.conf
``read=`` with ``dialplan`` and ``call``); VarSet is not.
"""

from __future__ import annotations

import uuid

from streams.events import Role

from .asterisk_calls import Calls
from .asterisk_channels import Channels, Directory, Leg

_SOCKET, _SPY = "AudioSocket", "ChanSpy"
_UUID_LENGTH = 36


class Taps:
    """The taps that are up."""

    def __init__(self, channels: Channels, directory: Directory, calls: Calls) -> None:
        self._channels, self._directory, self._calls = channels, directory, calls
        self._sockets: dict[str, str] = {}  # Uniqueid of the channel that holds it: UUID
        self._spied: dict[str, str] = {}  # Uniqueids: who spies, on whom
        self._untold: set[str] = set()

    def __len__(self) -> int:
        return len(self._sockets) + len(self._spied) + len(self._untold)

    def runs(self, leg: Leg, application: str, data: str) -> None:
        """``leg`` runs a dialplan application (Newexten, or a list of running channels)."""
        if application == _SOCKET:
            self._socket(leg, _uuid(data.partition(",")[0]))
        elif application == _SPY:
            self._listed_spy(leg, data.partition(",")[0])

    def spies(self, spy: Leg, party: Leg) -> None:
        """ChanSpyStart."""
        self._spied[spy.uid] = party.uid
        if spy.name.startswith(f"{_SOCKET}/"):  # AudioSocket/host:port-uuid
            self._socket(spy, _uuid(spy.name[-_UUID_LENGTH:]))

    def gone(self, leg: Leg) -> None:
        """It hung up."""
        self._sockets.pop(leg.uid, None)
        self._spied.pop(leg.uid, None)
        self._untold.discard(leg.uid)

    def settle(self, at: float, shift_s: float) -> None:
        """Tell of the taps whose both ends and whose call are known by now."""
        for uid in sorted(self._untold):
            socket = self._channels.get(uid)
            if socket is None or self._tell(socket, self._sockets[uid], at, shift_s):
                self._untold.discard(uid)

    def _socket(self, leg: Leg, name: str) -> None:
        if name and self._sockets.get(leg.uid) != name:
            self._sockets[leg.uid] = name
            self._untold.add(leg.uid)

    def _listed_spy(self, spy: Leg, wanted: str) -> None:
        """ChanSpy takes the beginning of a channel's name; a list does not tell which channel it has found."""
        found = [leg for leg in self._channels.legs.values() if wanted and leg.name.startswith(wanted)]
        if len(found) == 1:
            self.spies(spy, found[0])

    def _tell(self, socket: Leg, name: str, at: float, shift_s: float) -> bool:
        party = self._party(socket)
        call = self._calls.of(party)
        if party is not None and call is not None:
            role: Role = "customer" if party.uid == call.customer else "agent"
            self._calls.tapped(call.id, role, name, at - call.anchor)
            return True
        if party is socket and not self._directory.is_agent(party):  # a customer who talks with a machine
            self._calls.tapped(party.linkedid or party.uid, "customer", name, at - shift_s)
            return True
        return False

    def _party(self, socket: Leg) -> Leg | None:
        """Whose sound goes into that socket."""
        other = self._channels.partner(socket)
        for end in (socket, other):
            if end is not None and end.uid in self._spied:
                return self._channels.get(self._spied[end.uid])
        return socket if socket.real else None


def _uuid(text: str) -> str:
    """The UUID in its usual form; empty where it is none."""
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        return ""
