"""`sansheng listen` on a real broker: sources in, frames on `audio`, taps and transcripts from `calls`."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import time
import uuid
from pathlib import Path
from typing import Any, get_args

import pytest
from websockets.asyncio.client import connect

from asr import audio
from asr.audio import Frame
from asr.gateway import Gateway, Taps
from asr.sources.items import Fault, Reason
from streams import heartbeat
from streams.events import LegTapped, Transcript
from streams.metrics import Metrics
from streams.settings import Settings
from tests.conftest import Run
from tests.listen_tools import OWN, PATIENCE_S, pcm
from tests.shell_tools import System

AGENT, CUSTOMER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


class Listening:
    """A gateway as a process of its own."""

    def __init__(self, system: System, **more: str) -> None:
        ports = {"LISTEN__AUDIOSOCKET": "0", "LISTEN__WEBSOCKET": "0", "METRICS__LISTEN": "0", **more}
        before = set(system.folder.glob("listen-*.log"))
        self._system = system
        self.process = system.start("listen", **ports)
        [self._log] = set(system.folder.glob("listen-*.log")) - before
        self.audiosocket, self.websocket = 0, ""

    async def ready(self) -> Listening:
        """Wait until it has told its addresses."""
        for _ in range(600):
            told = self._log.read_text(errors="replace")
            if found := re.search(r"AudioSocket +127\.0\.0\.1:(\d+)[\s\S]*(ws://127\.0\.0\.1:\d+)/twilio", told):
                self.audiosocket, self.websocket = int(found[1]), found[2]
                return self
            assert self.process.poll() is None, told
            await asyncio.sleep(0.1)
        raise AssertionError(told)

    def told(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace")

    async def send(self, *data: bytes) -> asyncio.StreamWriter:
        """Over AudioSocket."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.audiosocket)
        for chunk in data:
            writer.write(chunk)
        await writer.drain()
        return writer


async def frames(system: System, legs: int) -> dict[str, list[Frame]]:
    """What is on `audio`, once so many legs have ended, by leg."""

    def ended(seen: list[Any]) -> bool:
        return sum(audio.decode(message.value).last for message in seen) >= legs

    found: dict[str, list[Frame]] = {}
    for message in await system.read("audio", ended):
        frame = audio.decode(message.value)
        assert message.key.decode() == frame.leg
        found.setdefault(frame.leg, []).append(frame)
    return found


def sound(leg: list[Frame]) -> bytes:
    return b"".join(frame.pcm for frame in leg)


def recorded(name: str) -> tuple[bytes, bytes]:
    """The bytes of a capture, and the sound in them."""
    data = (OWN / f"{name}.bin").read_bytes()
    return data, b"".join(data[at + 3 : at + 323] for at in range(19, len(data), 323))


async def test_a_tapped_call_and_a_vosk_client_go_all_the_way(kafka: str, prefix: str, tmp_path: Path) -> None:
    agent, agent_sound = recorded("audiosocket_tap_agent")
    customer, customer_sound = recorded("audiosocket_tap_caller")
    async with System(kafka, prefix, tmp_path) as system:
        # told before the gateway runs: it reads from some minutes back
        await system.send(LegTapped(call="c1", at=time.time(), role="agent", leg=AGENT))
        listening = await Listening(system).ready()
        writers = [await listening.send(agent), await listening.send(customer)]
        await system.send(LegTapped(call="c1", at=time.time(), role="customer", leg=CUSTOMER))
        async with connect(f"{listening.websocket}/?call=c2&role=agent", proxy=None) as client:
            told = []
            await client.send(pcm(0.2))
            told.append(json.loads(await client.recv()))
            begun = time.time()
            heard = {"call": "c2", "role": "agent", "text": "您好", "start": begun, "end": begun}
            await system.send(Transcript(at=begun, final=True, through=begun + 60, **heard))  # type: ignore[arg-type]
            async with asyncio.timeout(PATIENCE_S):
                while told[-1] != {"text": "您好"}:
                    await client.send(pcm(0.2))
                    told.append(json.loads(await client.recv()))
            await client.send('{"eof" : 1}')
            assert json.loads(await client.recv()) == {"text": ""}
        for writer in writers:
            writer.close()
        legs = await frames(system, 3)
        assert (sound(legs["c1:agent"]), sound(legs["c1:customer"])) == (agent_sound, customer_sound)
        assert sound(legs["c2:agent"]) == pcm(0.2) * len(told)
        beats = await system.read("heartbeats", lambda seen: any(heartbeat.parse(m.value).ok for m in seen))
        assert {heartbeat.parse(message.value).component for message in beats} == {"listen"}
        assert "words" not in listening.told()
        assert "您好" not in listening.told()


async def test_a_broken_client_is_a_dead_letter_and_disturbs_nobody(kafka: str, prefix: str, tmp_path: Path) -> None:
    data, whole = recorded("audiosocket_tap_agent")
    async with System(kafka, prefix, tmp_path) as system:
        await system.send(LegTapped(call="c1", at=time.time(), role="agent", leg=AGENT))
        listening = await Listening(system).ready()
        good = await listening.send(data[: len(data) // 2])
        await listening.send(b"GET /private/13812345678 HTTP/1.1\r\n")
        await listening.send(data)  # the same UUID again
        [letter] = await system.read("dead-letters", lambda seen: len(seen) >= 1)
        headers = {name: value.decode() for name, value in letter.headers}
        assert (headers["source"], headers["field"]) == ("listen/audiosocket", "hello")
        assert letter.value == b"starts with 47 45 54"
        good.write(data[len(data) // 2 :])
        good.close()
        legs = await frames(system, 1)
        assert sound(legs["c1:agent"]) == whole
        assert "in use" in listening.told()


async def test_the_gateway_ends_cleanly_and_with_it_every_leg(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with System(kafka, prefix, tmp_path) as system:
        listening = await Listening(system).ready()
        client = await connect(f"{listening.websocket}/?call=c1&answers=no", proxy=None)
        await client.send(pcm(0.25))
        await system.read("audio", lambda seen: len(seen) >= 2)
        assert system.kill(listening.process, signal.SIGTERM) == 0
        legs = await frames(system, 1)
        assert sound(legs["c1:customer"]) == pcm(0.25)
        assert "Traceback" not in listening.told()
        await client.close()


async def test_after_a_kill_a_new_gateway_takes_the_sources_that_come_back(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    async with System(kafka, prefix, tmp_path) as system:
        listening = await Listening(system).ready()
        client = await connect(f"{listening.websocket}/?call=c1&answers=no", proxy=None)
        await client.send(pcm(0.2))
        await system.read("audio", lambda seen: len(seen) >= 2)
        system.kill(listening.process)
        again = await Listening(system).ready()
        async with connect(f"{again.websocket}/?call=c1&answers=no", proxy=None) as back:
            await back.send(pcm(0.2))
            await back.send('{"eof": 1}')
            legs = await frames(system, 1)
        assert len({frame.stream for frame in legs["c1:customer"]}) == 2
        assert sound(legs["c1:customer"]) == pcm(0.2) * 2


async def test_a_port_in_use_is_told_in_words(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with System(kafka, prefix, tmp_path) as system:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for name in ("AUDIOSOCKET", "WEBSOCKET"):
                listening = Listening(system, **{f"LISTEN__{name}": str(port)})
                assert await asyncio.to_thread(listening.process.wait, 60) == 1
                assert f"nothing can listen on 127.0.0.1:{port}" in listening.told()
                assert f"SANSHENG_LISTEN__{name}" in listening.told()
                assert "Traceback" not in listening.told()
                system.kill(listening.process)


def test_ears_are_not_opened_to_the_network_without_a_token(run: Run) -> None:
    result = run("listen", SANSHENG_LISTEN__HOST="0.0.0.0")  # noqa: S104 - that is the point
    assert result.code == 1
    assert "SANSHENG_LISTEN__TOKEN" in result.err


# -- the desk, without a broker ------------------------------------------------------------------------------


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def test_faults_sound_and_silence_are_counted_by_source() -> None:
    metrics = Metrics("listen")
    gateway = Gateway(Settings(), metrics)
    frame = Frame(call="c", role="agent", stream="s", begun=0.0, rate=8000, offset=4000, pcm=pcm(0.1), silent=4000)
    await gateway.send(frame, "twilio")
    for told in (True, False):
        await gateway.fault("twilio", "127.0.0.1", Fault("half", "half a sample", b"x"), told=told)
    gateway.slowed("vosk", 1.5)
    assert gateway.enter("vosk")
    assert value(metrics, "sansheng_listen_audio_seconds_total", source="twilio") == pytest.approx(0.1)
    assert value(metrics, "sansheng_listen_silence_seconds_total", source="twilio") == pytest.approx(0.5)
    assert value(metrics, "sansheng_listen_faults_total", source="twilio", reason="half") == 2
    assert value(metrics, "sansheng_dead_letters_total", source="listen", reason="half") == 1
    assert value(metrics, "sansheng_listen_slowed_seconds_total", source="vosk") == 1.5
    assert value(metrics, "sansheng_listen_connections", source="vosk") == 1
    gateway.leave("vosk")
    assert value(metrics, "sansheng_listen_connections", source="vosk") == 0


def test_every_reason_is_explained_to_operators() -> None:
    page = (Path(__file__).parents[1] / "docs" / "audio.md").read_text("utf-8")
    assert [reason for reason in get_args(Reason) if f"| `{reason}` |" not in page] == []


def test_taps_that_nobody_asks_for_do_not_pile_up() -> None:
    taps = Taps()
    for n in range(10_050):
        taps.learn(LegTapped(call=f"c{n}", at=1.0, role="agent", leg=str(uuid.UUID(int=n))), time.time())
    first, last = str(uuid.UUID(int=0)), str(uuid.UUID(int=10_049))
    assert (taps.claim(first), taps.claim(last)) == (True, True)
    assert (taps.whose(first), taps.whose(last)) == (None, ("c10049", "agent"))
