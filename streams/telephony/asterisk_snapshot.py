"""Calls that were already running when the monitor connected, from the answers to its questions.

Owns the lists: QueueEntry (who waits since when), CoreShowChannel and Status (which channels, since when, in
which bridge). Rows are collected until their ...Complete event; then new calls are added to the book and
calls that are no longer listed are ended.

The PBX tells ages in whole seconds. Ages of several lists and the second in the Uniqueid are intersected and
the middle is taken, so a backdated time is right to about half a second; every event made from a list
carries ``"snapshot": true``. What cannot be known: when a running call was answered (taken: when the agent's
leg was made, so no ring time), and whether it is on hold now.
"""

from __future__ import annotations

import math
from typing import Protocol

from .asterisk_blocks import Block, person, text
from .asterisk_calls import Call, Calls
from .asterisk_channels import Channels, Directory, Leg

GONE = "no longer listed after the monitor reconnected"


class Book(Protocol):
    """What the translator does for the lists."""

    def offer(self, leg: Leg, at: float, *, queue: str = "", dialler: Leg | None = None) -> Call:
        """A customer's call."""

    def reconcile(self, call: Call, at: float) -> None:
        """Compare who talks with whom."""

    def hung_up(self, leg: Leg, at: float, cause: str, words: str) -> None:
        """A channel is gone."""


class Snapshot:
    """Rows of the lists in the making."""

    def __init__(self, channels: Channels, directory: Directory, calls: Calls, book: Book) -> None:
        self._channels = channels
        self._directory = directory
        self._calls = calls
        self._book = book
        self._waiting: dict[str, tuple[str, float, float]] = {}
        self._listed: set[str] = set()
        self._pruned = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._listed)

    def reset(self) -> None:
        """A new connection: lists that broke off count for nothing."""
        self._waiting.clear()
        self._listed.clear()

    def waiting(self, block: Block, at: float) -> None:
        """QueueEntry. It carries no Linkedid: the call is made when the channels are listed."""
        try:
            wait_s = int(text(block, "Wait"))
        except ValueError:
            wait_s = 0
        since = math.floor(at) - wait_s  # both ends of Wait are whole seconds of the PBX's clock
        self._waiting[text(block, "Uniqueid")] = (text(block, "Queue"), since, since + 1.0)

    def channel(self, block: Block, at: float, age_s: float | None) -> None:
        """CoreShowChannel or Status."""
        known = self._channels.get(text(block, "Uniqueid"))
        fresh = known is not None and known.seen == self._channels.generation and known.bridge is not None
        leg = self._channels.see(block)
        if leg is None:
            return
        self._listed.add(leg.uid)
        leg.application = text(block, "Application")
        leg.data = text(block, "ApplicationData") or text(block, "Data")
        leg.born_exten = leg.born_exten or text(block, "DNID")
        if known is None and leg.caller != leg.exten:  # without callerid= a phone shows what the customer dialled
            leg.number, leg.person = leg.caller, person(block, "CallerIDName")
        if age_s is not None:
            leg.born = _narrowed(leg, at, age_s)
        bridge = text(block, "BridgeId") or text(block, "BridgeID")
        if not fresh and bridge:
            self._channels.enter(bridge, leg)
        elif not fresh:
            self._channels.leave(leg.bridge, leg)

    def complete(self, at: float) -> None:
        """A list of channels has come to its end."""
        listed = [leg for uid in sorted(self._listed) if (leg := self._channels.get(uid)) is not None]
        self._calls.snapshot = True
        if self._pruned != self._channels.generation:
            self._pruned = self._channels.generation
            self._prune(at)
        for leg in listed:
            self._customer(leg, listed, at)
        for call in self._calls:
            self._ringing(call, listed, at)
        self._calls.snapshot = False
        self.reset()

    def _prune(self, at: float) -> None:
        lost = [leg for leg in self._channels.legs.values() if leg.seen < self._channels.generation]
        for leg in sorted(lost, key=lambda one: self._calls.of_customer(one) is None):
            self._book.hung_up(leg, at, "", GONE)

    def _customer(self, leg: Leg, listed: list[Leg], at: float) -> None:
        call = self._calls.of_customer(leg)
        if call is None:
            if not leg.real or leg.call is not None or not self._is_customer(leg, listed):
                return
            call = self._offer(leg, self._dialler(leg, listed), at)
        self._connect(call, leg, at)

    def _dialler(self, leg: Leg, listed: list[Leg]) -> Leg | None:
        """The agent who called this customer, if so it was."""
        if leg.application != "AppDial":
            return None
        return next((one for one in listed if self._dials(one, leg)), None)

    def _dials(self, agent: Leg, customer: Leg) -> bool:
        return agent.application == "Dial" and agent.linkedid == customer.linkedid and self._is_agent(agent)

    def _offer(self, leg: Leg, dialler: Leg | None, at: float) -> Call:
        queue, earliest, _ = self._waiting.get(leg.uid, ("", -math.inf, math.inf))
        born = leg.born or (earliest, math.inf)
        if not queue and leg.application == "Queue":
            queue = leg.data.partition(",")[0]
        since = max(born[0], earliest)  # the earliest possible: nothing that is learnt later may come before it
        return self._book.offer(leg, since if math.isfinite(since) else at, queue=queue, dialler=dialler)

    def _connect(self, call: Call, leg: Leg, at: float) -> None:
        """A new call is answered since the agent's leg exists; a known one, since now."""
        agents = self._channels.reach(leg)
        if call.answered or not agents:
            self._book.reconcile(call, at)
        else:
            since = _middle(*agents[0].born) if agents[0].born and not call.rings else at
            self._calls.connect(call, agents[0], max(since, call.open_since))

    def _is_customer(self, leg: Leg, listed: list[Leg]) -> bool:
        """Who waits in a queue, or is connected with an agent, or calls one, and is no agent himself."""
        if self._is_agent(leg):
            return False
        if leg.application == "Queue" or leg.uid in self._waiting:
            return True
        if any(self._is_agent(other) for other in self._channels.reach(leg)) or self._dialler(leg, listed):
            return True
        return leg.application == "Dial" and any(self._rings_for(other, leg) for other in listed)

    def _is_agent(self, leg: Leg) -> bool:
        if self._directory.is_agent(leg) or leg.application == "AppQueue":
            return True
        return leg.application == "AppDial" and leg.context in self._directory.contexts

    def _rings_for(self, phone: Leg, customer: Leg) -> bool:
        alone = phone.ringing and phone.real and phone.bridge is None and phone.call is None
        return alone and phone.linkedid == customer.linkedid and self._is_agent(phone)

    def _ringing(self, call: Call, listed: list[Leg], at: float) -> None:
        customer = self._channels.get(call.customer)
        for phone in listed:
            if customer is not None and self._rings_for(phone, customer):
                since = _middle(*phone.born) if phone.born else at
                consult = call.talking is not None
                self._calls.ring(call, phone, max(since, call.open_since), consult=consult)


def _narrowed(leg: Leg, at: float, age_s: float) -> tuple[float, float]:
    """When the channel was made: its age is rounded down; its Uniqueid starts with that second."""
    span = leg.born or (-math.inf, math.inf)
    for other in ((at - age_s - 1.0, at - age_s), _second_of(leg.uid)):
        both = (max(span[0], other[0]), min(span[1], other[1]))
        span = both if both[0] <= both[1] else span
    return span


def _second_of(uid: str) -> tuple[float, float]:
    try:
        second = float(int(uid.rpartition("-")[2].partition(".")[0]))
    except ValueError:
        return -math.inf, math.inf
    return second, second + 1.0


def _middle(earliest: float, latest: float) -> float:
    return (earliest + latest) / 2
