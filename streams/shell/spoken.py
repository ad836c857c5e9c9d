"""Recorded calls with their talk, played again and again as if they were live.

Each call is a record (``.ndjson``). Where its sound is at hand (two channels: agent, customer), the telephone's events
go to ``calls`` and the sound goes to the gateway of audio as any client's does, so that the ears have to hear it.
Otherwise the recorded transcripts and speech marks go to ``calls`` as well.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import wave
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from streams.call import is_telephony
from streams.events import AnyEvent, CallAnswered, CallOffered, Role, parse, render
from streams.settings import Settings
from streams.shell.publisher import Message, Publisher
from streams.telephony.pseudonym import key_from, pseudonymise

log = logging.getLogger("sansheng.demo")

#: So many calls at a time; each line has its own agents, begins a little later, and rests between two calls.
LINES, LATER_S, GAP_S = 3, 7.0, 4.0
#: Those with most to see come first.
FIRST = ("escalation", "rude-agent", "hold-without-consent")
_NAMES = {"8026": "王芳", "8030": "李静", "8036": "张伟", "8040": "刘洋", "8046": "陈敏", "8050": "赵磊"}
_CHUNK_S = 0.1
_ROLES: tuple[Role, ...] = ("agent", "customer")
_TIMES = ("at", "start", "end", "through")


class SpokenCall(Struct, frozen=True):
    """``sound``: None where only its transcripts can be played."""

    name: str
    events: tuple[AnyEvent, ...]
    sound: Path | None = None


class Line(Struct, frozen=True):
    """One of the calls that go on at a time: whose events, shifted by so much, seconds."""

    number: int
    call: str
    shift_s: float
    caller: str


def spoken_calls(records: Path, sounds: Path | None) -> list[SpokenCall]:
    """The calls in folder ``records``, with their sound where folder ``sounds`` has it.

    Raises:
        BadEventError: a line is none of the record.
    """
    files = sorted(records.glob("*.ndjson"), key=lambda file: (file.stem not in FIRST, file.stem))
    return [SpokenCall(file.stem, tuple(map(parse, _lines(file))), _sound(sounds, file.stem)) for file in files]


def _lines(file: Path) -> Iterator[bytes]:
    return (line for line in file.read_bytes().splitlines() if line)


def _sound(folder: Path | None, name: str) -> Path | None:
    file = folder / f"{name}.wav" if folder else None
    return file if file and file.is_file() else None


async def play(settings: Settings, calls: Sequence[SpokenCall]) -> None:
    """Play them round after round, each time as new calls, until cancelled."""
    async with Publisher(settings.bootstrap) as publisher, asyncio.TaskGroup() as group:
        player = Player(settings, publisher)
        for number in range(LINES):
            group.create_task(player.play_forever(number, calls[number::LINES]))


class Player:
    """Puts calls on the record and into the gateway of audio, in their own time."""

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        """``publisher`` is connected."""
        self._settings, self._publisher = settings, publisher
        self._key = key_from(settings.run_dir)

    async def play_forever(self, number: int, calls: Sequence[SpokenCall]) -> None:
        """Play the calls of one line."""
        await asyncio.sleep(number * LATER_S)
        for turn in count(1) if calls else ():
            for call in calls:
                await self.play(call, number, f"{call.name}-{turn}-{secrets.token_hex(3)}")
                await asyncio.sleep(GAP_S)

    async def play(self, call: SpokenCall, number: int, name: str) -> None:
        """Play one call, now, under that id."""
        line = Line(number, name, time.time() - call.events[0].at, f"138{secrets.randbelow(10**8):08}")
        async with asyncio.TaskGroup() as group:
            for event in call.events:
                if call.sound and not is_telephony(event):
                    continue  # the ears will say what they hear
                live = shifted(event, line)
                await asyncio.sleep(live.at - time.time())
                if call.sound and isinstance(event, CallAnswered):
                    for role in _ROLES:
                        group.create_task(self._speak(call.sound, role, name))
                line_out = render(pseudonymise(live, self._key))
                await self._publisher.put(Message(self._settings.topic("calls"), name.encode(), line_out))

    async def _speak(self, sound: Path, role: Role, call: str) -> None:
        """Be the client that brings one party's sound."""
        listen = self._settings.listen
        with wave.open(str(sound)) as file:
            address = f"ws://{listen.host}:{listen.websocket}/?call={call}&role={role}&rate={file.getframerate()}"
            headers = {"Authorization": f"Bearer {listen.token.get_secret_value()}"}
            try:
                async with connect(f"{address}&answers=no", additional_headers=headers, compression=None) as socket:
                    begun = time.monotonic()
                    for n, chunk in enumerate(_chunks(file, _ROLES.index(role)), 1):
                        await asyncio.sleep(begun + n * _CHUNK_S - time.monotonic())  # it comes when it has been said
                        await socket.send(chunk)
                    await socket.send('{"eof": 1}')
                    await socket.wait_closed()
            except (OSError, WebSocketException) as error:
                log.warning("the sound of %s (%s) did not arrive: %s", call, role, error)


def _chunks(file: wave.Wave_read, channel: int) -> Iterator[bytes]:
    while frames := file.readframes(round(_CHUNK_S * file.getframerate())):
        yield memoryview(frames).cast("h")[channel :: file.getnchannels()].tobytes()


def shifted(event: AnyEvent, line: Line) -> AnyEvent:
    """The event as one of that line's call: another id, now, with agents and a caller of its own."""
    news: dict[str, Any] = {"call": line.call}
    news |= {name: at + line.shift_s for name in _TIMES if (at := getattr(event, name, None)) is not None}
    if words := getattr(event, "words", ()):
        news["words"] = tuple(replace(w, start=w.start + line.shift_s, end=w.end + line.shift_s) for w in words)
    for name in ("agent", "to"):
        if number := getattr(event, name, None):
            news[name] = str(int(number) + 10 * line.number)
    if "agent" in news and hasattr(event, "agent_name"):
        news["agent_name"] = _NAMES.get(news["agent"])
    if isinstance(event, CallOffered):
        news["caller"] = line.caller
    return replace(event, **news)
