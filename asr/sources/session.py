"""One connection of any protocol: what its client says becomes frames of legs, in order and in time.

Owns the limits that are the same for all sources. Knows the gateway only as a :class:`Desk`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Protocol

from msgspec.structs import replace

from asr.audio import Frame, leg_key
from streams.events import Role

from .items import Ended, Fault, Item, Lost, Opened, Paused, Reason, Sound, Source, Tapped
from .leg import Leg

#: A leg's sound runs ahead of the clock by at most this, seconds; whoever sends faster is made to wait. Live sources
#: have more room: what was stuck on the line comes all at once, and should be heard at once.
AHEAD_S, LIVE_AHEAD_S = 1.0, 3.0
#: A live source that was made to wait for longer than this, seconds, sends at a wrong rate.
TOO_FAST_S = 5.0
#: Sound of a UUID of which the PBX has not told yet is kept so long, seconds; then the oldest is dropped.
HELD_S = 5.0
#: How often a name is looked for when a connection has ended, seconds.
LOOK_S = 0.1
#: How often time alone is looked at, seconds; after longer we were asleep ourselves, and the sound is still to be read.
TICK_S, ASLEEP_S = 0.5, 2.0
#: The first message has to come within this, seconds.
HELLO_S = 10.0
#: A connection from which nothing comes for so long, seconds, is over.
IDLE_S = 300.0
#: No call is longer, seconds: the engine declares it ended, too.
LONGEST_S = 4 * 3600.0
#: Of each reason so many faults of a connection are told; all are counted.
TOLD = 3
#: Sources that send as somebody speaks, and never faster.
_LIVE: frozenset[Source] = frozenset({"audiosocket", "twilio", "audiohook"})


class Desk(Protocol):
    """The gateway, as its sources see it."""

    def enter(self, source: Source) -> bool:
        """A connection more; False where there are too many."""

    def leave(self, source: Source) -> None:
        """It is over."""

    async def send(self, frame: Frame, source: Source) -> None:
        """Publish a frame; waits while the broker does not keep up."""

    async def fault(self, source: Source, peer: str, fault: Fault, *, told: bool) -> None:
        """Count a fault; ``told``: say it, too."""

    def slowed(self, source: Source, seconds: float) -> None:
        """A client was made to wait."""

    def speaks(self, leg: str, session: object) -> bool:
        """Whether this session's sound of that leg counts: the newest of several does."""

    def hangs_up(self, session: object) -> None:
        """Its legs are free for others."""

    def claim(self, uuid: str) -> bool:
        """Take a UUID for one connection; False while another one has it."""

    def release(self, uuid: str) -> None:
        """That connection is over."""

    def tapped(self, uuid: str) -> tuple[str, Role] | None:
        """Whose sound that is, as far as the PBX has told."""


class Steady:
    """Unix seconds of a clock that never jumps."""

    def __init__(self) -> None:
        self._shift = time.time() - time.monotonic()

    def now(self) -> float:
        """Unix seconds."""
        return time.monotonic() + self._shift


class Session:
    """``peer``: the other side's address, for the log. ``over``: nothing more is taken; ``fatal`` says why."""

    def __init__(self, source: Source, peer: str, desk: Desk) -> None:
        self.over = False
        self.fatal = ""
        self._source, self._peer, self._desk = source, peer, desk
        self._now = Steady().now
        self._began = self._heard = self._ticked = self._now()
        self._call = self._uuid = ""
        self._legs: dict[Role | None, Leg] = {}
        self._held: deque[Frame] = deque()
        self._cut = self._greeted = False
        self._slowed_s = 0.0
        self._faults: Counter[Reason] = Counter()
        self._behind_scenes: set[str] = set()

    @property
    def patience_s(self) -> float:
        """How long to wait for the next message before :meth:`tick`."""
        return max(self._ticked + TICK_S - self._now(), 0.01)

    def leg(self, role: Role) -> Leg | None:
        """The leg of that party, once it has sound."""
        return self._legs.get(role)

    async def take(self, items: Iterable[Item]) -> None:
        """What the client said, in order. Ends with the first fatal fault."""
        self._heard, self._greeted = self._now(), True
        for item in items:
            if not self.over:
                await self._take(item)
        if self._now() - self._ticked >= TICK_S:
            await self.tick()

    async def tick(self) -> None:
        """Time has passed: write silence, find out whose sound it is, notice who says nothing."""
        now = self._now()
        asleep, self._ticked = now - self._ticked > ASLEEP_S, now
        for leg in [] if asleep else list(self._legs.values()):
            await self._send(leg, leg.tick(now))
        if now - self._heard > (IDLE_S if self._greeted else HELLO_S):
            await self._fatal("idle" if self._legs else "nothing", f"nothing came for {now - self._heard:.0f} s")
        elif now - self._began > IDLE_S and not self._legs:
            await self._fatal("nothing", f"no sound came in {IDLE_S:.0f} s")
        elif now - self._began > LONGEST_S:
            await self._fatal("endless", f"it lasted more than {LONGEST_S / 3600:.0f} h")

    async def wait_for_a_name(self) -> None:
        """The other side has ended: whose sound it was may still be told, for as long as it is kept."""
        until = self._now() + HELD_S
        nameless = any(not leg.call for leg in self._legs.values())
        while nameless and self._desk.tapped(self._uuid) is None and self._now() < until:  # noqa: ASYNC110 - once, briefly
            await asyncio.sleep(LOOK_S)

    async def end(self) -> None:
        """The connection is over: the rest of the sound, and the end of each leg."""
        self.over = True
        for leg in self._legs.values():
            await self._send(leg, leg.finish())
        if self._held:
            await self._unmatched("the connection is over")
        self._legs.clear()
        self._desk.hangs_up(self)
        if self._uuid:
            self._desk.release(self._uuid)
            self._uuid = ""

    async def fault(self, fault: Fault) -> None:
        """Count and tell it; a fatal one ends the connection."""
        self._faults[fault.reason] += 1
        if fault.fatal:
            self.over, self.fatal = True, fault.text
        await self._desk.fault(self._source, self._peer, fault, told=self._faults[fault.reason] <= TOLD)

    async def _fatal(self, reason: Reason, text: str) -> None:
        await self.fault(Fault(reason, text, fatal=True))

    async def _take(self, item: Item) -> None:
        match item:
            case Sound():
                await self._sound(item)
            case Opened():
                self._call = item.call
            case Tapped():
                await self._tap(item.uuid)
            case Lost() | Paused():
                await self._skip(item)
            case Fault():
                await self.fault(item)
            case Ended():
                self.over = True

    async def _tap(self, uuid: str) -> None:
        if self._desk.claim(uuid):
            self._uuid = uuid
        else:
            await self._fatal("twice", f"UUID {uuid} is in use by another connection: make a new one for each tap")

    async def _sound(self, item: Sound) -> None:
        leg = self._legs.get(item.role)
        if leg is None:
            leg = self._legs[item.role] = Leg(self._call, item.role or "customer", item.rate)
        elif leg.rate != item.rate:
            await self._send(leg, leg.finish())
            leg = self._legs[item.role] = Leg(leg.call, leg.role, item.rate)
        await self._send(leg, leg.take(item.pcm, self._now()))

    async def _skip(self, item: Lost | Paused) -> None:
        leg = self._legs.get(item.role)
        if leg is not None:
            skipped = leg.lose(item.seconds) if isinstance(item, Lost) else leg.silence(item.seconds)
            await self._send(leg, skipped)

    async def _send(self, leg: Leg, frames: list[Frame]) -> None:
        if not leg.call:
            frames = await self._matched(leg, frames)
        for frame in frames:
            if not self._desk.speaks(frame.leg, self):
                self._behind_scenes.add(frame.leg)
                continue
            if frame.leg in self._behind_scenes:
                self._come_back(leg)
                return
            await self._keep_pace(frame)
            await self._desk.send(frame, self._source)

    def _come_back(self, leg: Leg) -> None:
        """Another connection spoke for this party and has ended: count anew."""
        self._behind_scenes.discard(leg_key(leg.call, leg.role))
        for key, known in self._legs.items():
            if known is leg:
                self._legs[key] = Leg(leg.call, leg.role, leg.rate)

    async def _keep_pace(self, frame: Frame) -> None:
        live = self._source in _LIVE
        wait_s = frame.at(frame.end) - self._now() - (LIVE_AHEAD_S if live else AHEAD_S)
        if wait_s <= 0:
            return
        self._slowed_s += wait_s
        self._desk.slowed(self._source, wait_s)
        if live and self._slowed_s > TOO_FAST_S and not self._faults["faster"]:
            await self.fault(Fault("faster", f"sound of {frame.rate} Hz comes faster than time: is that its rate?"))
        await asyncio.sleep(wait_s)

    async def _matched(self, leg: Leg, frames: list[Frame]) -> list[Frame]:
        """The frames, with those that waited, under the call's name; none while nobody has told it."""
        self._held.extend(frames)
        known = self._desk.tapped(self._uuid)
        if known is None:
            await self._hold()
            return []
        leg.call, leg.role = known
        held, self._held = list(self._held), deque()
        opening = [leg.opening()] if self._cut else []  # the ear shall know that something is missing
        return [replace(frame, call=leg.call, role=leg.role) for frame in [*opening, *held]]

    async def _hold(self) -> None:
        """Keep the newest sound; some of what was there is gone for good when it lasts."""
        while self._held and self._held[-1].at(self._held[-1].end) - self._held[0].at(self._held[0].offset) > HELD_S:
            self._held.popleft()
            self._cut = True
        if self._cut:
            await self._unmatched("its sound is dropped until one is")

    async def _unmatched(self, outcome: str) -> None:
        if not self._faults["unmatched"]:
            text = f"the PBX has not told whose sound UUID {self._uuid} is (docs/audio.md); {outcome}"
            await self.fault(Fault("unmatched", text))
