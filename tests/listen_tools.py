"""What the tests of audio sources share: a desk without a broker, and the small captures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from asr.audio import Frame, leg_key
from asr.gateway import Taps
from asr.sources.items import Fault, Source
from asr.sources.vosk import Answers
from streams.events import LegTapped, Role, Transcript

HERE = Path(__file__).parent
SHARED = HERE.parents[1] / "shared" / "calls" / "asterisk"
OWN = HERE / "traces" / "audiosocket"
PATIENCE_S = 30.0


class FakeDesk:
    """Keeps what the gateway would publish. ``room``: so many connections fit."""

    def __init__(self, room: int = 100) -> None:
        self.taps = Taps()
        self.frames: list[Frame] = []
        self.faults: list[tuple[Source, Fault, bool]] = []
        self.slowed_s = 0.0
        self.followed: dict[str, list[Answers]] = {}
        self.speakers: dict[str, list[object]] = {}
        self.inside = 0
        self._room = room

    def enter(self, source: Source) -> bool:
        if self.inside >= self._room:
            return False
        self.inside += 1
        return True

    def leave(self, source: Source) -> None:
        self.inside -= 1

    async def send(self, frame: Frame, source: Source) -> None:
        self.frames.append(frame)

    async def fault(self, source: Source, peer: str, fault: Fault, *, told: bool) -> None:
        self.faults.append((source, fault, told))

    def slowed(self, source: Source, seconds: float) -> None:
        self.slowed_s += seconds

    def speaks(self, leg: str, session: object) -> bool:
        speakers = self.speakers.setdefault(leg, [])
        if session not in speakers:
            speakers.append(session)
        return speakers[-1] is session

    def hangs_up(self, session: object) -> None:
        for speakers in self.speakers.values():
            if session in speakers:
                speakers.remove(session)

    def claim(self, uuid: str) -> bool:
        return self.taps.claim(uuid)

    def release(self, uuid: str) -> None:
        self.taps.release(uuid)

    def tapped(self, uuid: str) -> tuple[str, Role] | None:
        return self.taps.whose(uuid)

    def follow(self, leg: str, answers: Answers) -> None:
        self.followed.setdefault(leg, []).append(answers)

    def unfollow(self, leg: str, answers: Answers) -> None:
        self.followed[leg].remove(answers)

    # for the tests

    def tap(self, uuid: str, call: str, role: Role, at: float) -> None:
        """The PBX tells whose sound that is."""
        self.taps.learn(LegTapped(call=call, at=at, role=role, leg=uuid), at)

    def hear(self, call: str, role: Role, text: str, **more: object) -> None:
        """A recogniser publishes; ``start`` and ``end`` count from the leg's first sample."""
        begun = self.leg(call, role)[0].begun
        times = {name: begun + float(str(more.pop(name, 0.0))) for name in ("start", "end", "through")}
        heard = Transcript(call=call, at=times["end"], role=role, text=text, **{"final": False, **times, **more})  # type: ignore[arg-type]
        for answers in self.followed.get(leg_key(call, role), []):
            answers.take(heard)

    def leg(self, call: str, role: Role) -> list[Frame]:
        """The frames of a leg."""
        return [frame for frame in self.frames if (frame.call, frame.role) == (call, role)]

    def sound(self, call: str, role: Role) -> bytes:
        """The sound of a leg."""
        return b"".join(frame.pcm for frame in self.leg(call, role))

    def reasons(self) -> list[str]:
        """What was wrong, in order."""
        return [fault.reason for _, fault, _ in self.faults]

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something to happen."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110 - anything may be waited for
                await asyncio.sleep(0.01)


def pcm(seconds: float, rate: int = 8000, level: int = 1000) -> bytes:
    """A staircase that shows each lost or doubled sample."""
    return b"".join((n % level).to_bytes(2, "little") for n in range(round(seconds * rate)))
