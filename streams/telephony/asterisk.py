"""Asterisk's AMI in, the record out: a pure function of the blocks and their times.

Owns the meaning of each AMI event. No I/O, no clock, no asyncio: :meth:`Translator.feed` takes one block and
the time at which it arrived. The model behind it is in ``asterisk_channels`` (legs, bridges) and
``asterisk_calls`` (calls, what is written when); lists of running calls are read in ``asterisk_snapshot``.
Trap numbers are those of the capture notes; ``tests/test_asterisk_traps.py`` has a test for each.

How the parties of a call are found: the channel that joins a queue, or that dials an agent's phone from
outside, is the *customer*; what the queue or the customer's channel dials is an *agent*. Who talks with whom
is followed through bridges and Local pairs, not through Linkedid, which changes (trap 8), nor through
AgentComplete, which blames the wrong party (trap 2). CEL, CDR, RTCP, VarSet and ChannelTalking events are
never needed; ChannelTalkingStart/Stop give speech marks where they come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from streams.events import AnyEvent, MissedReason, Party
from streams.problem import Problem

from .asterisk_blocks import NEEDS, Block, lacking, seconds, text
from .asterisk_calls import SAME_MOMENT_S, Call, Calls, Transfer
from .asterisk_channels import Channels, Directory, Leg
from .asterisk_clock import Clock
from .asterisk_snapshot import Snapshot
from .asterisk_taps import Taps

#: between two digits of a feature code, and from the last one to the hold (features.conf: transferdigittimeout)
CODE_GAP_S = 3.0
_DIAL_STATUS: dict[str, MissedReason] = {
    "NOANSWER": "timeout",
    "BUSY": "rejected",
    "DONTCALL": "rejected",
    "TORTURE": "rejected",
    "CONGESTION": "unavailable",
    "CHANUNAVAIL": "unavailable",
    "INVALIDARGS": "unavailable",
}
#: Q.850 causes of a leg that never answered. 16 and 26 say nothing about the phone: 26 is "answered elsewhere".
_UNAVAILABLE = ("1", "2", "3", "18", "20", "22", "27", "28", "34", "38", "41", "42", "44", "58")
_CAUSES: dict[str, MissedReason] = {"17": "rejected", "21": "rejected", "19": "timeout"}
_CAUSES.update((cause, "unavailable") for cause in _UNAVAILABLE)
#: Newchannel is read by _on_newchannel, QueueCallerJoin by _on_queue_caller_join, DTMFEnd by _on_dtmf_end
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_REFUSALS = frozenset({"16", "17", "21"})

_Handler = Callable[[Block, float], None]


class Translator:
    """AMI blocks of one PBX to events of the record.

    ``agent_contexts``: the dialplan contexts of agents' phones (``context=`` of their endpoints); queue members
    are known as agents anyway. ``attended_code`` and ``blind_code``: ``atxfer`` and ``blindxfer`` of
    features.conf, with which a transfer begins at its first digit.
    """

    def __init__(
        self,
        *,
        agent_contexts: tuple[str, ...] = ("agents",),
        attended_code: str = "*2",
        blind_code: str = "#1",
    ) -> None:
        self._codes = tuple(code for code in (attended_code, blind_code) if code)
        self._clock = Clock()
        self._channels = Channels()
        self._directory = Directory(agent_contexts)
        self._calls = Calls(self._channels, self._directory)
        self._taps = Taps(self._channels, self._directory, self._calls)
        self._snapshot = Snapshot(self._channels, self._directory, self._calls, self)
        self._problems: list[Problem] = []
        self._handlers: dict[str, _Handler] = {
            event: getattr(self, f"_on_{_WORDS.sub('_', event).lower()}") for event in NEEDS
        }

    # -- for the caller -----------------------------------------------------------------------------------

    def feed(self, block: Block, arrived: float) -> list[AnyEvent]:
        """One block in, zero or more events out, in the order in which they became certain.

        ``arrived``: Unix seconds. A ``Timestamp`` header is used instead where it agrees with that. Never
        raises: what cannot be read is told by :meth:`take_problems`. An event may come out some tenths of a
        second after its block (with its own ``at``): call :meth:`flush` when no block comes.
        """
        if not isinstance(block, Mapping):
            self._problem("a block is no mapping", "give AMI blocks as dicts")
            return []
        at = self._clock.read(arrived, text(block, "Timestamp"))
        self._problems += self._clock.take_problems()
        self._calls.settle(at)
        event: Any = block.get("Event", "")
        if isinstance(event, str):
            self._dispatch(event, block, at)
        else:
            self._problem(f"Event is a {type(event).__name__}, not text", "the block is left out")
        self._taps.settle(at, self._clock.shift_s)
        return self._calls.take()

    def flush(self, now: float | None = None) -> list[AnyEvent]:
        """What has waited long enough to be explained by a later block; None: all that waits (the stream's end).

        ``now``: Unix seconds. To be called when no block has come for some tenths of a second.
        """
        self._calls.settle(None if now is None else now + self._clock.shift_s)
        return self._calls.take()

    def take_problems(self) -> list[Problem]:
        """The problems met since the last call."""
        taken, self._problems = self._problems, []
        return taken

    def reset_for_snapshot(self) -> None:
        """To be called after each (re)connect, before asking for QueueStatus, CoreShowChannels and Status.

        Calls that are open now and that the lists no longer show will be ended by ``system``.
        """
        self._channels.generation += 1
        self._snapshot.reset()

    @property
    def open_calls(self) -> int:
        """How many calls are open."""
        return sum(1 for _ in self._calls)

    @property
    def clock_jumps(self) -> int:
        """How often a clock had to be corrected."""
        return self._clock.jumps

    @property
    def remembered(self) -> int:
        """How much is kept about calls and channels; 0 when all have ended. For tests of leaks."""
        return len(self._calls) + len(self._channels) + len(self._snapshot) + len(self._taps)

    # -- dispatch -----------------------------------------------------------------------------------------

    def _dispatch(self, event: str, block: Block, at: float) -> None:
        handler = self._handlers.get(event)
        if handler is None:
            if not event and text(block, "Response") == "Error":
                self._problem(
                    f"the PBX refused an action: {text(block, 'Message') or 'no reason given'}",
                    "check read and write of the account in manager.conf",
                )
            return
        problem = lacking(block, event)
        if problem is not None:
            self._problems.append(problem)
            return
        handler(block, at)

    def _problem(self, problem: str, mend: str) -> None:
        self._problems.append(Problem(problem, mend))

    def _see(self, block: Block, prefix: str = "", *, make: bool = False) -> Leg | None:
        leg = self._channels.see(block, prefix, make=make)
        call = self._calls.of(leg)
        if leg is not None and call is not None and leg.linkedid not in call.linkedids:
            self._calls.join(call, leg)
        return leg

    # -- channels and bridges -----------------------------------------------------------------------------

    def _on_newchannel(self, block: Block, at: float) -> None:
        leg = self._channels.born(block, at)
        if leg is not None:
            self._directory.learn_phone(leg)

    def _on_newstate(self, block: Block, at: float) -> None:
        self._see(block)

    def _on_newexten(self, block: Block, at: float) -> None:
        """Only for taps; where a channel stands in the dialplan is read elsewhere."""
        leg = self._channels.get(text(block, "Uniqueid"))
        if leg is not None:
            self._taps.runs(leg, text(block, "Application"), text(block, "AppData"))

    def _on_chan_spy_start(self, block: Block, at: float) -> None:
        spy = self._channels.get(text(block, "SpyerUniqueid"))
        party = self._channels.get(text(block, "SpyeeUniqueid"))
        if spy is not None and party is not None:
            self._taps.spies(spy, party)

    def _on_rename(self, block: Block, at: float) -> None:
        leg = self._see(block)
        if leg is not None:
            self._channels.rename(leg, text(block, "Newname"))

    def _on_local_bridge(self, block: Block, at: float) -> None:
        leg = self._see(block, "LocalOne", make=True)
        self._see(block, "LocalTwo", make=True)
        call = self._calls.linked(leg.linkedid) if leg is not None else None
        if call is not None and ("agent" in call.held or call.code is not None):
            self._ask_colleague(call, at, text(block, "Exten"))

    def _on_bridge_enter(self, block: Block, at: float) -> None:
        leg = self._see(block, make=True)
        if leg is None:
            return
        self._channels.enter(text(block, "BridgeUniqueid"), leg, text(block, "SwapUniqueid"))
        own = self._calls.of_customer(leg)
        if own is not None:
            own.left_at = None
        self._reconcile_around([leg], at)

    def _on_bridge_leave(self, block: Block, at: float) -> None:
        leg = self._see(block)
        if leg is None:
            return
        bridge = text(block, "BridgeUniqueid")
        entered_at = leg.entered_at_exten
        self._channels.leave(bridge, leg)
        self._redirected(leg, entered_at, at)
        self._reconcile_around([leg, *self._channels.members(bridge)], at)

    def _on_bridge_destroy(self, block: Block, at: float) -> None:
        self._channels.destroy(text(block, "BridgeUniqueid"))

    def _reconcile_around(self, legs: list[Leg], at: float) -> None:
        """Bring the calls up to date whose customers are connected with these legs, or were."""
        calls: dict[str, Call] = {}
        for leg in legs:
            for near in (leg, *self._channels.reach(leg)):
                call = self._calls.of(near)
                if call is not None:
                    calls[call.id] = call
        for call in calls.values():
            self.reconcile(call, at)

    def reconcile(self, call: Call, at: float) -> None:
        """Compare who talks with whom: the customer may have come to another agent, or back to the first."""
        customer = self._channels.get(call.customer)
        if customer is None:
            return
        here = [leg for leg in self._channels.reach(customer) if self._calls.of_customer(leg) is None]
        if call.transfer is not None and self._back(call.transfer, here):
            if call.transfer.away:
                self._calls.fail_transfer(call, at, self._channels.get(call.transfer.leg))
            return
        if call.transfer is not None:
            call.transfer.away = True
        talking = self._channels.get(call.talking)
        if here and talking is not None and talking.local:
            call.talking = here[0].uid  # only now we see which phone the Local member leads to
            self._calls.join(call, here[0])
        elif here and all(leg.uid != call.talking for leg in here):
            self._calls.connect(call, here[0], at)

    @staticmethod
    def _back(transfer: Transfer, here: list[Leg]) -> bool:
        return any(leg.uid == transfer.leg for leg in here)

    def _redirected(self, leg: Leg, entered_at: tuple[str, str], at: float) -> None:
        """AMI Redirect gives no transfer event: the customer leaves the bridge for another exten (trap 12)."""
        call = self._calls.of_customer(leg)
        if call is None or not call.answered or call.transfer is not None or self._hanging_up(call):
            return
        if call.left_at is None:
            call.left_at = at
        if entered_at[1] and (leg.context, leg.exten) != entered_at:
            self._calls.transferring(call, "blind", at, self._last_agent(call), leg.exten)

    def _hanging_up(self, call: Call) -> bool:
        customer = self._channels.get(call.customer)
        return call.released is not None or (customer is not None and customer.hangup is not None)

    def _last_agent(self, call: Call) -> Leg | None:
        return self._channels.get(call.talking) or self._channels.get((call.last_agent or ("",))[0])

    # -- a call begins ------------------------------------------------------------------------------------

    def _on_queue_caller_join(self, block: Block, at: float) -> None:
        leg = self._see(block, make=True)
        if leg is None:
            return
        held = self._calls.consulted_by(leg) if self._directory.is_agent(leg) else None
        if self._calls.of_customer(leg) is not None:
            self._queued_again(leg, at)
        elif held is not None:
            leg.consult = held.id  # an agent asks a queue for a colleague while the customer waits
        else:
            self.offer(leg, at, queue=text(block, "Queue"))

    def offer(self, leg: Leg, at: float, *, queue: str = "", dialler: Leg | None = None) -> Call:
        """A customer comes in, or (``dialler``) is called by this agent.

        The caller id is what the customer's leg shows now: the dialplan may have looked it up.
        """
        if dialler is None:
            return self._calls.offer(leg, at, self._clock.shift_s, leg.caller, leg.dialled, queue=queue)
        number, _ = self._directory.who(dialler)
        call = self._calls.offer(leg, at, self._clock.shift_s, number, dialler.dialled, direction="outbound")
        call.dialler = dialler.uid
        self._calls.join(call, dialler)
        return call

    def _queued_again(self, leg: Leg, at: float) -> None:
        """A second queue, in the same call: no second offer. After a talk it is the end of a transfer, or one."""
        call = self._calls.of_customer(leg)
        if call is None:
            return
        if call.transfer is not None and call.transfer.tried:
            self._calls.fail_transfer(call, at, None)
        else:
            self._left_for(call, leg)

    def _left_for(self, call: Call, leg: Leg) -> None:
        """The customer left the talk and goes on in the dialplan though nobody hung up (trap 12)."""
        if call.left_at is None or call.transfer is not None or self._hanging_up(call):
            return
        self._calls.transferring(call, "blind", call.left_at, self._last_agent(call), leg.exten)

    def _on_agent_called(self, block: Block, at: float) -> None:
        caller, phone = self._see(block, make=True), self._see(block, "Dest", make=True)
        if caller is None or phone is None:
            return
        self._member(block, phone)
        phone.dialled_by = caller.uid
        root = self._channels.root(caller)
        if phone.real and root.real:
            call = self._calls.of_customer(root) or self._held_for(root)
            if call is None:
                call = self.offer(root, at, queue=text(block, "Queue"))
            self._ring(call, root, phone, at, from_queue=True)

    def _member(self, block: Block, phone: Leg) -> None:
        """What the queue knows about the member that it calls: the name staff gave, the interface."""
        interface, name = text(block, "Interface"), text(block, "MemberName")
        self._directory.learn_member(interface, name)
        if name and name != interface:
            phone.member = name
        user, at_sign, _ = interface.partition("/")[2].partition("@")
        if at_sign and phone.real:
            phone.alias = user

    def _held_for(self, root: Leg) -> Call | None:
        """The held call for which this agent's leg asks a colleague."""
        for call in self._calls:
            if call.id == root.consult and call.talking:
                return call
        return None

    def _on_dial_begin(self, block: Block, at: float) -> None:
        phone = self._see(block, "Dest", make=True)
        caller = self._see(block, make=True)
        if phone is None or caller is None:
            return
        phone.dialled_by = caller.uid
        if phone.real:
            self._dialled(self._channels.root(caller), phone, at)

    def _dialled(self, root: Leg, phone: Leg, at: float) -> None:
        """A real phone is dialled; ``root`` is who dials, seen through Local pairs."""
        call = self._calls.of_customer(root)
        if call is not None:
            self._left_for(call, root)
            self._ring(call, root, phone, at)
        elif root.local:
            self._dialled_for(self._calls.linked(root.linkedid), root, phone, at)
        elif self._directory.is_agent(root):
            self._dialled_by_agent(root, phone, at)
        elif root.real and self._directory.is_agent(phone):
            self._ring(self.offer(root, at), root, phone, at)

    def _dialled_for(self, call: Call | None, root: Leg, phone: Leg, at: float) -> None:
        """Nobody dials but the PBX itself, inside a call: a feature-code transfer asks a colleague (or recalls)."""
        if call is not None:
            if call.talking is not None:
                self._ask_colleague(call, at, root.dialled)
            self._ring(call, root, phone, at)

    def _dialled_by_agent(self, root: Leg, phone: Leg, at: float) -> None:
        call = self._held_for(root) or self._calls.consulted_by(root)
        if call is not None:
            root.consult = call.id
            if self._directory.is_agent(phone):
                self._ring(call, root, phone, at)
        elif not self._directory.is_agent(phone):
            self._call_out(root, phone, at)

    def _call_out(self, agent: Leg, customer: Leg, at: float) -> None:
        """An agent calls a customer. A second trunk tried for the same call is the same call."""
        for call in self._calls:
            if call.dialler == agent.uid and not call.answered:
                self._calls.join(call, customer)
                if call.lost is not None:
                    call.customer, call.lost = customer.uid, None
                return
        if agent.call is None:
            self.offer(customer, at, dialler=agent)

    def _ring(self, call: Call, root: Leg, phone: Leg, at: float, *, from_queue: bool = False) -> None:
        through = self._channels.get(phone.dialled_by) or root
        pair = self._channels.partner(through)
        if pair is not None and not phone.member:
            phone.member = pair.member  # the member is the Local channel, the phone is what it leads to
        if not self._directory.is_agent(phone) and not phone.alias:
            phone.alias = self._number_of_stranger(call, through, phone, from_queue)
        attended = call.transfer is not None and call.transfer.mode == "attended"
        consult = root.uid != call.customer and call.talking is not None and (attended or "agent" in call.held)
        self._calls.ring(call, phone, at, consult=consult, from_queue=from_queue)

    def _number_of_stranger(self, call: Call, through: Leg, phone: Leg, from_queue: bool) -> str:
        """Who is called at a phone that nobody told us is an agent's: on a trunk that is the number dialled."""
        customer = self._channels.get(call.customer)
        trunk = customer is not None and customer.endpoint == phone.endpoint
        dialled = "" if from_queue else through.exten
        return (dialled or phone.number) if trunk else (phone.number or dialled)

    # -- answers and refusals -----------------------------------------------------------------------------

    def _on_dial_end(self, block: Block, at: float) -> None:
        phone = self._see(block, "Dest")
        call = self._calls.of(phone)
        status = text(block, "DialStatus")
        if phone is None:
            return
        phone.up = phone.up or status == "ANSWER"
        if call is None or not phone.real:
            return
        if call.dialler is not None and not call.answered:
            self._called_out(call, phone, status, at)
        elif status == "ANSWER":
            self._picked_up(call, phone, at)
        else:
            self._calls.stop(call, phone.uid, at, _DIAL_STATUS.get(status))

    def _picked_up(self, call: Call, phone: Leg, at: float) -> None:
        if phone.uid in call.rings:
            self._calls.pick_up(call, phone, at)

    def _called_out(self, call: Call, customer: Leg, status: str, at: float) -> None:
        agent = self._channels.get(call.dialler)
        if status == "ANSWER" and agent is not None:
            call.customer = customer.uid
            self._calls.connect(call, agent, at)

    def _on_agent_connect(self, block: Block, at: float) -> None:
        caller, member = self._see(block, make=True), self._see(block, "Dest", make=True)
        if caller is None or member is None:
            return
        self._member(block, member)
        root = self._channels.root(caller)
        call = self._calls.of_customer(root) or self._held_for(root)
        if call is None:
            call = self._known_late(block, root, at)
        phone = self._channels.phone(member)
        if call is not None and (phone.uid in call.rings or call.talking is None):
            self._calls.pick_up(call, phone, at)

    def _known_late(self, block: Block, root: Leg, at: float) -> Call | None:
        """The caller joined the queue before we were connected, and no list has told of it."""
        if not root.real:
            return None
        self._calls.snapshot = True
        call = self.offer(root, at - (seconds(block, "HoldTime") or 0.0), queue=text(block, "Queue"))
        self._calls.snapshot = False
        return call

    def _on_agent_ring_no_answer(self, block: Block, at: float) -> None:
        member = self._see(block, "Dest")
        if member is not None:
            phone = self._channels.phone(member)
            call = self._calls.of(phone)
            if call is not None:
                rang_ms = seconds(block, "RingTime")  # exact here, in milliseconds (trap 1)
                if rang_ms:
                    self._calls.rang_since(call, phone, at - rang_ms / 1000)
                # why, the leg's own cause tells: a rejected offer looks the same here (trap 11)
                self._calls.stop(call, phone.uid, at, "timeout")

    # -- hold and speech ----------------------------------------------------------------------------------

    def _on_hold(self, block: Block, at: float) -> None:
        leg = self._see(block)
        call = self._calls.of(leg)
        if leg is None or call is None or not call.answered:
            return
        if leg.uid == call.customer:
            self._calls.hold(call, "customer", at)
        elif leg.uid == call.talking and call.transfer is None:
            self._calls.hold(call, "agent", at, self._code_dialled(leg, at))
            if "agent" in call.held:
                self._consult_under_way(call, leg, at)

    def _on_unhold(self, block: Block, at: float) -> None:
        leg = self._see(block)
        call = self._calls.of(leg)
        if leg is None or call is None:
            return
        if leg.uid == call.customer:
            self._calls.unhold(call, "customer", at)
        elif leg.uid == call.talking:
            self._calls.unhold(call, "agent", at)

    def _consult_under_way(self, call: Call, agent: Leg, at: float) -> None:
        """Some phones dial the colleague first and put the customer on hold an instant later."""
        for leg in list(self._channels.legs.values()):
            if leg.endpoint != agent.endpoint or leg.uid == agent.uid or leg.call is not None:
                continue
            for phone in self._channels.dialled_by(leg.uid):
                if phone.real and not phone.up and phone.call is None:
                    self._dialled_by_agent(leg, phone, at)

    def _on_dtmf_end(self, block: Block, at: float) -> None:
        leg = self._see(block)
        if leg is not None and text(block, "Direction") != "Sent":
            leg.digits.append((at, text(block, "Digit")))

    def _code_dialled(self, leg: Leg, at: float) -> float | None:
        """When the first digit of a feature code was pressed, if the last digits before ``at`` are one."""
        digits = list(leg.digits)
        for code in self._codes:
            tail = digits[-len(code) :]
            times = [when for when, _ in tail] + [at]
            if "".join(digit for _, digit in tail) == code and all(
                later - earlier <= CODE_GAP_S for earlier, later in pairwise(times)
            ):
                return tail[0][0]
        return None

    def _on_channel_talking_start(self, block: Block, at: float) -> None:
        self._speaks(block, at, at)

    def _on_channel_talking_stop(self, block: Block, at: float) -> None:
        self._speaks(block, at, None)

    def _speaks(self, block: Block, at: float, since: float | None) -> None:
        leg = self._see(block)
        if leg is not None:
            leg.speaking_since = since
            call = self._calls.of(leg)
            if call is not None:
                self._calls.listen(call, at)

    # -- transfers ----------------------------------------------------------------------------------------

    def _on_blind_transfer(self, block: Block, at: float) -> None:
        agent, customer = self._see(block, "Transferer"), self._see(block, "Transferee")
        call = self._calls.of_customer(customer) or self._calls.of(agent)
        if text(block, "Result") != "Success" or agent is None or call is None or not call.answered:
            return
        if agent.uid != call.customer:
            asked_at = call.code.at if call.code is not None else at
            self._calls.transferring(call, "blind", asked_at, agent, text(block, "Extension"))

    def _ask_colleague(self, call: Call, at: float, to: str) -> None:
        """A transfer by feature code: it began with the code's first digit, or with the hold that follows it."""
        if call.transfer is None and call.talking is not None:
            asked_at = call.code.at if call.code is not None else call.held.get("agent", at)
            self._calls.transferring(call, "attended", asked_at, self._channels.get(call.talking), to)

    def _on_attended_transfer(self, block: Block, at: float) -> None:
        """The legs have been joined before or will be in a moment (trap 7); the bridges tell the same story."""
        if text(block, "Result") != "Success":
            return
        legs = [self._see(block, prefix) for prefix in ("Transferee", "TransferTarget")]
        agent = self._see(block, "OrigTransferer")
        for customer, other in (legs, legs[::-1]):
            call = self._calls.of_customer(customer)
            if call is not None and call.answered:
                self._handed_over(call, agent, other and self._channels.phone(other), at)
                return

    def _handed_over(self, call: Call, agent: Leg | None, colleague: Leg | None, at: float) -> None:
        """To ``colleague``; None: to whatever the agent's other line was doing, most often still dialling."""
        if colleague is not None and colleague.uid == call.talking:
            return
        if colleague is not None and colleague.real and colleague.up and colleague.uid not in call.rings:
            self._calls.connect(call, colleague, at)
            return
        # the agent did not wait for the colleague's answer
        to = next((ring.agent for ring in call.rings.values() if ring.consult), "")
        self._calls.transferring(call, "attended", at, agent, to)
        self._calls.let_go(call)

    # -- the end ------------------------------------------------------------------------------------------

    def _on_hangup_request(self, block: Block, at: float) -> None:
        leg = self._see(block)
        if leg is None or not leg.real:
            return  # Local halves pass on what the others did (trap 10)
        if leg.hangup is None:
            leg.hangup = (at, self._calls.next_order())
        call = self._calls.of(leg)
        if call is None:
            return
        if leg.uid in call.rings:
            self._calls.stop(call, leg.uid, at, _CAUSES.get(text(block, "Cause")))
        elif leg.uid == call.talking:
            self._agent_leaves(call, leg)

    def _agent_leaves(self, call: Call, leg: Leg) -> None:
        """The agent hung up: the end of the call, unless that hands the customer over to a colleague."""
        handing_over = call.transfer is not None and any(
            self._channels.get(uid) is not None for uid in call.transfer.colleagues
        )
        if handing_over:
            self._calls.let_go(call)
        elif call.released is None:
            call.released = leg.hangup

    def _on_hangup(self, block: Block, at: float) -> None:
        leg = self._see(block)
        if leg is not None:
            cause, words = text(block, "Cause"), text(block, "Cause-txt")
            self.hung_up(leg, at, cause, f"{cause} {words}".strip())

    def hung_up(self, leg: Leg, at: float, cause: str, words: str) -> None:
        """A channel is gone: with the customer's the call ends."""
        call = self._calls.of(leg)
        if call is not None:
            if leg.uid == call.customer:
                self._customer_gone(call, leg, at, cause, words)
            elif leg.uid == call.dialler and not call.answered:
                self._gave_up_calling(call, leg, at, words)
            elif leg.uid in call.rings:
                self._calls.stop(call, leg.uid, at, _CAUSES.get(cause))
                self._calls.silent(call, leg.uid)
            else:
                self._agent_gone(call, leg, at)
        self._taps.gone(leg)
        self._channels.drop(leg)

    def _agent_gone(self, call: Call, leg: Leg, at: float) -> None:
        if call.transfer is not None:
            call.transfer.colleagues.discard(leg.uid)
            if leg.uid == call.transfer.leg:
                self._calls.let_go(call)
        if leg.uid == call.talking and call.transfer is None:
            call.talking = None
            self._calls.listen(call, at)

    def _customer_gone(self, call: Call, leg: Leg, at: float, cause: str, words: str) -> None:
        agent = self._channels.get(call.dialler)
        if call.dialler is not None and not call.answered and agent is not None:
            # another trunk may be tried; the agent's leg decides
            refused = leg.hangup is not None and cause in _REFUSALS and agent.hangup is None
            call.lost = (at, "customer" if refused else "system")
            return
        by, asked_at = self._who_ended(call, leg)
        self._calls.end(call, asked_at if 0 <= at - asked_at <= SAME_MOMENT_S else at, by, words)

    def _who_ended(self, call: Call, customer: Leg) -> tuple[Party, float]:
        """The first who asked to hang up of those who were connected at the end; nobody: the PBX (trap 10)."""
        asked = [(*customer.hangup, "customer")] if customer.hangup else []
        if call.released is not None:
            asked.append((*call.released, "agent"))
        if not asked:
            return "system", -1.0
        at, _, by = min(asked)
        return ("agent" if by == "agent" else "customer"), at

    def _gave_up_calling(self, call: Call, agent: Leg, at: float, words: str) -> None:
        by: Party = call.lost[1] if call.lost is not None else "system"
        if agent.hangup is not None and (call.lost is None or agent.hangup[0] <= call.lost[0]):
            by = "agent"
        self._calls.end(call, at, by, words)

    # -- lists --------------------------------------------------------------------------------------------

    def _on_queue_member(self, block: Block, at: float) -> None:
        self._directory.learn_member(text(block, "Location"), text(block, "Name"), text(block, "StateInterface"))

    def _on_queue_member_added(self, block: Block, at: float) -> None:
        name = text(block, "MemberName")
        self._directory.learn_member(text(block, "Interface"), name, text(block, "StateInterface"))

    _on_queue_member_status = _on_queue_member_added

    def _on_queue_entry(self, block: Block, at: float) -> None:
        self._snapshot.waiting(block, at)

    def _on_core_show_channel(self, block: Block, at: float) -> None:
        self._snapshot.channel(block, at, seconds(block, "Duration"))

    def _on_status(self, block: Block, at: float) -> None:
        self._snapshot.channel(block, at, seconds(block, "Seconds"))

    def _on_core_show_channels_complete(self, block: Block, at: float) -> None:
        self._snapshot.complete(at)
        for leg in list(self._channels.legs.values()):
            self._taps.runs(leg, leg.application, leg.data)

    _on_status_complete = _on_core_show_channels_complete
