"""AudioSocket: the recorded bytes of a real Asterisk, every kind of bad input, and the time of a leg."""

from __future__ import annotations

import asyncio
import time
import uuid as uuids
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.audio import Frame
from asr.gateway import FRESH_S, Taps
from asr.scripted import silence, speak
from asr.sources import codec, session, tcp
from asr.sources.audiosocket import AUDIO, AudioSocket
from asr.sources.items import Ended, Fault, Item, Sound, Tapped
from asr.sources.leg import LATE_S, MOST_SILENT_S, PROOF_S, QUIET_S, Leg
from asr.sources.tcp import AudioSocketServer
from streams.events import Gap, LegTapped, Transcript
from tests.ears_tools import real_ear
from tests.listen_tools import OWN, SHARED, FakeDesk, pcm

CALLER = "40325ec2-5efd-4bd3-805f-53576e581d13"
AGENT, CUSTOMER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
UUIDS = {
    "audiosocket": CALLER,
    "audiosocket_tap_agent": AGENT,
    "audiosocket_tap_caller": CUSTOMER,
}
#: 20 ms frames in the whole captures; the copies have two seconds.
WHOLE = {"audiosocket": 400, "audiosocket_tap_agent": 369, "audiosocket_tap_caller": 369}


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


def hello(uuid: str = AGENT) -> bytes:
    return frame(0x01, uuids.UUID(uuid).bytes)


def decoded(*chunks: bytes) -> list[Item]:
    protocol = AudioSocket()
    return [item for chunk in chunks for item in protocol.receive(chunk)] + protocol.end()


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Fault)]


# -- the captures --------------------------------------------------------------------------------------------


@pytest.fixture(params=[(name, folder) for name in UUIDS for folder in (OWN, SHARED)], ids=lambda p: f"{p[0]}")
def recorded(request: pytest.FixtureRequest) -> tuple[str, bytes, int]:
    name, folder = request.param
    file: Path = folder / f"{name}.bin"
    if not file.exists():
        pytest.skip(f"{file} is not here: only the copies of two seconds are tried")
    return UUIDS[name], file.read_bytes(), 100 if folder is OWN else WHOLE[name]


def test_a_capture_gives_its_uuid_and_every_sample(recorded: tuple[str, bytes, int]) -> None:
    uuid, data, frames = recorded
    items = decoded(data)
    assert items[0] == Tapped(uuid)
    assert all(isinstance(item, Sound) and item.rate == 8000 for item in items[1:])
    assert [len(item.pcm) for item in items[1:] if isinstance(item, Sound)] == [320] * frames


def test_chunking_changes_nothing(recorded: tuple[str, bytes, int]) -> None:
    _, data, _ = recorded
    part = data[: 19 + 323 * 5 + 7]
    whole = decoded(part)
    assert decoded(*(part[n : n + 1] for n in range(len(part)))) == whole
    for size in (2, 3, 18, 20, 322, 324, 1000):
        assert decoded(*(part[n : n + size] for n in range(0, len(part), size))) == whole


def test_the_sound_is_little_endian() -> None:
    """Read the wrong way round, speech is noise: its neighbours differ by as much as its loudness."""
    [_, *sound] = decoded((OWN / "audiosocket_tap_agent.bin").read_bytes())
    samples = np.frombuffer(b"".join(item.pcm for item in sound if isinstance(item, Sound)), "<i2").astype(int)
    assert abs(np.diff(samples)).mean() < 0.8 * abs(samples).mean()


# -- kinds of frames, good and bad ---------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "rate"), [(kind, rate) for kind, rate in AUDIO.items() if rate <= 48_000])
def test_each_kind_of_sound_has_its_rate(kind: int, rate: int) -> None:
    assert decoded(hello(), frame(kind, pcm(0.02, rate))) == [Tapped(AGENT), Sound(pcm(0.02, rate), rate)]


@pytest.mark.parametrize(("kind", "by"), [(0x17, 2), (0x18, 4)])
def test_rates_beyond_48_khz_are_halved(kind: int, by: int) -> None:
    steps = b"".join((n // by).to_bytes(2, "little") for n in range(1920))
    [_, sound] = decoded(hello(), frame(kind, steps))
    assert sound == Sound(b"".join(n.to_bytes(2, "little") for n in range(1920 // by)), 48_000)


def test_a_key_that_was_pressed_is_not_kept() -> None:
    assert decoded(hello(), frame(0x03, b"7")) == [Tapped(AGENT)]


def test_nothing_is_read_after_a_hang_up() -> None:
    assert decoded(hello(), frame(0x00, b"") + frame(0x10, pcm(0.02))) == [Tapped(AGENT), Ended()]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (hello() + frame(0xFF, b"\x01"), "peer"),
        (hello() + frame(0x42, b"what"), "unknown"),
        (hello() + hello(CUSTOMER), "unknown"),
        (hello() + frame(0x10, b"123"), "half"),
        (hello() + b"\x10\x01\x40" + bytes(100), "half"),
        (hello() + b"\x10", "half"),
        (hello()[:10], "half"),
        (frame(0x10, pcm(0.02)), "hello"),
        (frame(0x01, b"short"), "hello"),
        (frame(0x01, AGENT.encode()), "hello"),
        (b"GET / HTTP/1.1\r\n\r\n", "hello"),
        (b"\x16\x03\x01", "hello"),
    ],
)
def test_bad_input_is_one_fault_with_its_reason(data: bytes, reason: str) -> None:
    assert reasons(decoded(data)) == [reason]
    assert reasons(decoded(*(data[n : n + 1] for n in range(len(data))))) == [reason]


def test_sound_goes_on_after_a_bad_frame() -> None:
    items = decoded(hello(), frame(0x42, b"x"), frame(0x10, b"abc"), frame(0x10, pcm(0.02)))
    assert items[-1] == Sound(pcm(0.02), 8000)
    assert Sound(b"ab", 8000) in items


def test_what_is_kept_of_bad_input_has_no_sound_in_it() -> None:
    for item in decoded(hello(), frame(0x42, b"secret sound")) + decoded(b"secret sound"):
        assert not isinstance(item, Fault) or b"sound" not in item.head


@given(st.lists(st.binary(max_size=400), max_size=8), st.booleans())
def test_any_bytes_at_all_are_read_without_an_exception(chunks: list[bytes], named: bool) -> None:
    items = decoded(*([hello()] if named else []), *chunks)
    assert all(len(item.pcm) % 2 == 0 for item in items if isinstance(item, Sound))


# -- codings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "name"), [("mulaw", "ulaw2lin"), ("alaw", "alaw2lin")])
def test_the_tables_are_those_of_g711(encoding: codec.Encoding, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip(
            "audioop", reason="audioop has left this Python; the known values are tried below"
        )
    every = bytes(range(256))
    assert codec.decode(encoding, every) == getattr(audioop, name)(every, 2)


def test_known_values_of_g711() -> None:
    def values(encoding: codec.Encoding, data: bytes) -> list[int]:
        return [int(v) for v in np.frombuffer(codec.decode(encoding, data), "<i2")]

    assert values("mulaw", bytes([0xFF, 0x7F, 0x00, 0x80])) == [0, 0, -32124, 32124]
    assert values("alaw", bytes([0xD5, 0x55, 0x2A, 0xAA])) == [8, -8, -32256, 32256]


# -- the time of a leg ---------------------------------------------------------------------------------------
#
#   sent    |####|          |####|####|            samples sent
#   time    0    1    2    3    4    5
#   leg     |####|.silent...|####|####|            sample count and time agree again

T = 1_800_000_000.0


def fed(leg: Leg, *pieces: tuple[float, float]) -> list[Frame]:
    """``pieces``: (when it came, how long it is); a length of 0 is a tick."""
    frames: list[Frame] = []
    for at, seconds in pieces:
        frames += leg.take(pcm(seconds), T + at) if seconds else leg.tick(T + at)
    return frames


def live(start: float, end: float, late: float = 0.0) -> list[tuple[float, float]]:
    """20 ms pieces of a source that sends in time, or ``late``."""
    return [(start + 0.02 * (n + 1) + late, 0.02) for n in range(round((end - start) / 0.02))]


def seconds(frame: Frame) -> float:
    return round(frame.at(frame.offset) - T, 3)


def test_frames_are_a_tenth_of_a_second_and_nothing_is_missing_between_them() -> None:
    leg = Leg("c", "agent", 8000)
    frames = fed(leg, *live(0, 1.06)) + leg.finish()
    assert [f.samples for f in frames] == [800] * 10 + [480]
    assert all(a.end == b.offset for a, b in pairwise(frames))
    assert [f.last for f in frames] == [False] * 10 + [True]
    assert {(f.begun, f.stream) for f in frames} == {(T, frames[0].stream)}
    assert b"".join(f.pcm for f in frames) == b"".join(pcm(0.02) for _ in range(53))


def test_sound_that_a_source_did_not_send_counts_as_silence() -> None:
    leg = Leg("c", "agent", 8000)
    frames = fed(leg, *live(0, 1), *live(3, 4)) + leg.finish()
    [after] = [f for f in frames if f.silent]
    assert (seconds(after), after.silent) == (3.0, 2 * 8000)
    assert seconds(frames[-1]) == pytest.approx(4.0, abs=0.1)


def test_sound_that_was_only_stuck_is_not_torn_apart() -> None:
    """A second of nothing, then all of it at once, then in time."""
    leg = Leg("c", "agent", 8000)
    stuck = [(2.0, 0.02) for _ in range(50)]
    frames = fed(leg, *live(0, 1), *stuck, *live(2, 3)) + leg.finish()
    assert not [f for f in frames if f.silent]
    assert all(a.end == b.offset for a, b in pairwise(frames))


@pytest.mark.parametrize(("late_s", "silent"), [(LATE_S - 0.01, False), (LATE_S + 0.03, True)])
def test_a_little_late_is_in_time(late_s: float, silent: bool) -> None:
    frames = fed(Leg("c", "agent", 8000), *live(0, 1), *live(1, 3, late=late_s))
    assert bool([f for f in frames if f.silent]) is silent


def test_late_sound_is_kept_back_no_longer_than_its_proof_takes() -> None:
    leg = Leg("c", "agent", 8000)
    fed(leg, *live(0, 1), (3.0, 0.02))
    assert leg.tick(T + 3.0 + PROOF_S - 0.01) == []
    [frame] = leg.tick(T + 3.0 + PROOF_S) + leg.finish()
    assert (frame.silent, frame.samples, frame.last) == (round((3 - 0.02 - 1) * 8000), 160, True)


def test_silence_is_written_while_it_lasts_so_that_a_sentence_can_end() -> None:
    leg = Leg("c", "agent", 8000)
    before = fed(leg, *live(0, 1))
    frames = fed(leg, *((1 + n / 2, 0) for n in range(1, 12)))
    assert before[-1].end == 8000
    assert fed(Leg("c", "agent", 8000), *live(0, 1), (1 + QUIET_S - 0.01, 0))[-1].silent == 0
    assert all(f.silent and not f.pcm for f in frames)
    assert 6.5 - QUIET_S <= frames[-1].at(frames[-1].end) - T <= 6.5
    later = fed(leg, *live(8, 10))
    assert seconds(later[-1]) == pytest.approx(9.9, abs=0.05)


def test_lost_sound_is_a_jump_that_is_not_silent() -> None:
    leg = Leg("c", "agent", 8000)
    frames = fed(leg, *live(0, 0.2)) + leg.lose(0.06) + fed(leg, *live(0.26, 0.46)) + leg.finish()
    jumps = [(b.offset - a.end, b.silent) for a, b in pairwise(frames) if a.end != b.offset]
    assert jumps == [(480, 0)]


def test_a_pause_that_the_source_tells_of_is_silent_and_not_counted_twice() -> None:
    leg = Leg("c", "agent", 8000)
    frames = fed(leg, *live(0, 1), *((1 + n / 2, 0) for n in range(1, 9)))
    frames += leg.silence(4.0) + fed(leg, *live(5, 6)) + leg.finish()
    assert sum(f.silent for f in frames) == 4 * 8000
    assert seconds(frames[-1]) == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize("seconds", [1e9, float("inf")])
def test_a_pause_longer_than_any_call_is_not_believed(seconds: float) -> None:
    leg = Leg("c", "agent", 8000)
    frames = fed(leg, *live(0, 0.1)) + leg.silence(seconds) + fed(leg, *live(0.1, 0.2)) + leg.finish()
    assert frames[-1].end <= MOST_SILENT_S * 8000 + 1600


def test_a_leg_that_had_no_sound_says_nothing() -> None:
    leg = Leg("c", "agent", 8000)
    assert fed(leg, (1.0, 0), (9.0, 0)) + leg.lose(1.0) + leg.finish() == []


# -- taps ----------------------------------------------------------------------------------------------------


def tap(uuid: str = AGENT, call: str = "c1") -> LegTapped:
    return LegTapped(call=call, at=T, role="agent", leg=uuid)


def test_a_tap_may_be_told_before_or_after_its_connection() -> None:
    taps = Taps(lambda: T)
    taps.learn(tap(), T - 5)
    assert (taps.claim(AGENT), taps.whose(AGENT)) == (True, ("c1", "agent"))
    assert (taps.claim(CUSTOMER), taps.whose(CUSTOMER)) == (True, None)
    taps.learn(tap(CUSTOMER, "c2"), T + 50)
    assert taps.whose(CUSTOMER) == ("c2", "agent")


def test_a_uuid_serves_one_connection_and_one_call() -> None:
    """A dialplan with one UUID for all calls must never put one call's words into another."""
    taps = Taps(lambda: T)
    taps.learn(tap(call="first"), T)
    taps.claim(AGENT)
    assert taps.whose(AGENT) == ("first", "agent")
    taps.learn(tap(call="second"), T + 1)
    assert taps.whose(AGENT) == ("first", "agent")
    assert taps.claim(AGENT) is False
    taps.release(AGENT)
    assert (taps.claim(AGENT), taps.whose(AGENT)) == (True, None)


@pytest.mark.parametrize(("age_s", "known"), [(FRESH_S, True), (FRESH_S + 1, False)])
def test_what_was_told_long_before_the_connection_belongs_to_another(age_s: float, known: bool) -> None:
    taps = Taps(lambda: T)
    taps.learn(tap(), T - age_s)
    taps.claim(AGENT)
    assert (taps.whose(AGENT) is not None) is known


# -- over real sockets ---------------------------------------------------------------------------------------


_OPEN: list[asyncio.StreamWriter] = []  # a writer that nobody holds closes its connection


@asynccontextmanager
async def server(desk: FakeDesk) -> AsyncIterator[int]:
    async with AudioSocketServer("127.0.0.1", 0, desk) as listening:
        yield listening.port
    _OPEN.clear()


async def connect(port: int, *data: bytes) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    _OPEN.append(writer)
    for chunk in data:
        writer.write(chunk)
    await writer.drain()
    return writer


async def test_a_tapped_party_comes_out_under_its_call_with_every_sample() -> None:
    desk = FakeDesk()
    desk.tap(CUSTOMER, "c1", "customer", time.time())
    data = (OWN / "audiosocket_tap_caller.bin").read_bytes()
    async with server(desk) as port:
        writer = await connect(port, data)
        writer.close()
        await desk.until(lambda: desk.frames and desk.frames[-1].last)
    sound = b"".join(item.pcm for item in decoded(data) if isinstance(item, Sound))
    assert desk.sound("c1", "customer") == sound
    assert desk.inside == 0


async def test_sound_waits_for_the_call_and_nothing_of_it_is_lost() -> None:
    desk = FakeDesk()
    async with server(desk) as port:
        writer = await connect(port, hello(), frame(0x10, pcm(0.5)))
        await desk.until(lambda: desk.inside)
        assert desk.frames == []
        desk.tap(AGENT, "c1", "agent", time.time())
        writer.close()
        await desk.until(lambda: desk.frames and desk.frames[-1].last)
    assert desk.sound("c1", "agent") == pcm(0.5)
    assert desk.frames[0].offset == 0
    assert desk.reasons() == []


async def test_a_leg_without_a_call_is_told_once_and_heard_from_when_the_call_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "HELD_S", 0.5)
    desk = FakeDesk()
    async with server(desk) as port:
        writer = await connect(port, hello())
        for _ in range(10):
            writer.write(frame(0x10, pcm(0.1)))
            await asyncio.sleep(0.1)
        await desk.until(lambda: desk.reasons() == ["unmatched"])
        assert desk.frames == []
        desk.tap(AGENT, "late", "agent", time.time())
        writer.write(frame(0x10, pcm(0.1)))
        await desk.until(lambda: len(desk.frames) > 2)
        writer.close()
        await desk.until(lambda: desk.frames[-1].last)
    opening, first = desk.frames[:2]
    assert (opening.samples, opening.offset, opening.call) == (0, 0, "late")
    assert first.offset > 0  # an ear sees that the beginning is missing
    assert first.silent == 0
    assert AGENT in desk.faults[0][1].text


async def test_sound_of_a_connection_that_is_over_waits_for_its_call_all_the_same() -> None:
    desk = FakeDesk()
    async with server(desk) as port:
        (await connect(port, hello(), frame(0x10, pcm(0.5)))).close()
        await desk.until(lambda: desk.inside)
        await asyncio.sleep(0.2)
        desk.tap(AGENT, "c1", "agent", time.time())
        await desk.until(lambda: desk.inside == 0)
    assert desk.sound("c1", "agent") == pcm(0.5)
    assert desk.reasons() == []


async def test_a_connection_that_ended_without_a_call_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HELD_S", 0.2)
    desk = FakeDesk()
    async with server(desk) as port:
        (await connect(port, hello(), frame(0x10, pcm(0.1)))).close()
        await desk.until(lambda: desk.reasons() == ["unmatched"])
        await desk.until(lambda: desk.inside == 0)
    assert desk.frames == []


async def test_one_broken_client_disturbs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HELD_S", 0.2)
    desk = FakeDesk()
    desk.tap(AGENT, "c1", "agent", time.time())
    async with server(desk) as port:
        good = await connect(port, hello(), frame(0x10, pcm(0.1)))
        for bad in (b"GET / HTTP/1.0\r\n\r\n", hello(CUSTOMER) + frame(0x10, b"odd"), hello(CALLER) + b"\x10\xff"):
            (await connect(port, bad)).close()
        await desk.until(lambda: len(desk.faults) == 4)
        good.write(frame(0x10, pcm(0.1)))
        await desk.until(lambda: len(desk.sound("c1", "agent")) == 2 * 1600)
        good.close()
        await desk.until(lambda: desk.inside == 0)
    assert sorted(desk.reasons()) == ["half", "half", "hello", "unmatched"]
    assert {frame.call for frame in desk.frames} == {"c1"}


async def test_a_second_connection_with_the_same_uuid_is_refused() -> None:
    desk = FakeDesk()
    desk.tap(AGENT, "c1", "agent", time.time())
    async with server(desk) as port:
        first = await connect(port, hello(), frame(0x10, pcm(0.1)))
        await desk.until(lambda: desk.frames)
        second = await connect(port, hello(), frame(0x10, pcm(0.1)))
        await desk.until(lambda: desk.reasons() == ["twice"])
        first.write(frame(0x10, pcm(0.1)))
        await desk.until(lambda: len(desk.sound("c1", "agent")) == 2 * 1600)
        first.close()
        second.close()


async def test_a_client_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HELLO_S", 0.2)
    monkeypatch.setattr(session, "TICK_S", 0.1)
    desk = FakeDesk()
    async with server(desk) as port:
        await connect(port)
        await desk.until(lambda: desk.reasons() == ["nothing"])
        await desk.until(lambda: desk.inside == 0)


@pytest.mark.parametrize(("data", "reason"), [(hello(), "nothing"), (hello() + frame(0x10, pcm(0.1)), "idle")])
async def test_a_client_that_falls_silent_for_long_is_let_go(
    monkeypatch: pytest.MonkeyPatch, data: bytes, reason: str
) -> None:
    monkeypatch.setattr(session, "IDLE_S", 0.3)
    monkeypatch.setattr(session, "TICK_S", 0.1)
    desk = FakeDesk()
    desk.tap(AGENT, "c1", "agent", time.time())
    async with server(desk) as port:
        await connect(port, data)
        await desk.until(lambda: desk.reasons() == [reason])
        await desk.until(lambda: desk.inside == 0)
    assert not desk.frames or desk.frames[-1].last


async def test_a_connection_longer_than_any_call_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LONGEST_S", 0.3)
    monkeypatch.setattr(session, "TICK_S", 0.1)
    desk = FakeDesk()
    async with server(desk) as port:
        await connect(port, hello(), frame(0x10, pcm(0.1)))
        await desk.until(lambda: desk.reasons() == ["endless"])


async def test_sound_of_a_wrong_rate_is_slowed_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 kHz sent as 8 kHz: twice as much as time."""
    monkeypatch.setattr(session, "TOO_FAST_S", 0.5)
    monkeypatch.setattr(session, "LIVE_AHEAD_S", 0.1)
    desk = FakeDesk()
    desk.tap(AGENT, "c1", "agent", time.time())
    async with server(desk) as port:
        writer = await connect(port, hello(), *(frame(0x10, pcm(0.1)) for _ in range(15)))
        await desk.until(lambda: desk.reasons() == ["faster"])
        assert all(f.at(f.end) <= time.time() + 0.3 for f in desk.frames)
        writer.close()


async def test_sound_that_waited_while_we_slept_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for seconds finds the sound in its sockets: nothing of it was missing."""
    desk = FakeDesk()
    clock = [time.time()]
    monkeypatch.setattr(session.Steady, "now", lambda _: clock[0])
    one = session.Session("audiosocket", "127.0.0.1", desk)
    desk.tap(AGENT, "c1", "agent", clock[0])
    await one.take([Tapped(AGENT), Sound(pcm(0.1), 8000)])
    clock[0] += 2.5
    await one.tick()
    await one.take([Sound(pcm(0.1), 8000)] * 25)
    assert not [f for f in desk.frames if f.silent]
    clock[0] += 1.9
    await one.tick()
    assert desk.frames[-1].silent  # now nothing came though we were awake


async def test_too_many_connections_are_turned_away() -> None:
    desk = FakeDesk(room=1)
    async with server(desk) as port:
        first = await connect(port, hello())
        await desk.until(lambda: desk.inside == 1)
        await connect(port, hello(CUSTOMER))
        await desk.until(lambda: desk.reasons() == ["full"])
        first.close()
        await desk.until(lambda: desk.inside == 0)
        await connect(port, hello(CUSTOMER))
        await desk.until(lambda: desk.inside == 1)


async def test_a_change_of_rate_begins_a_new_stream() -> None:
    desk = FakeDesk()
    desk.tap(AGENT, "c1", "agent", time.time())
    async with server(desk) as port:
        writer = await connect(port, hello(), frame(0x10, pcm(0.1)), frame(0x12, pcm(0.1, 16_000)))
        writer.close()
        await desk.until(lambda: desk.inside == 0 and len(desk.frames) > 2)
    assert [(f.rate, f.offset, f.samples, f.last) for f in desk.frames] == [
        (8000, 0, 800, False),
        (8000, 800, 0, True),
        (16_000, 0, 1600, False),
        (16_000, 1600, 0, True),
    ]
    assert len({f.stream for f in desk.frames}) == 2


async def test_of_two_taps_of_one_party_the_newer_is_heard_until_it_ends() -> None:
    """A colleague is consulted: both agents' phones are tapped, and the customer may come back to the first."""
    desk = FakeDesk()
    desk.tap(AGENT, "c1", "agent", time.time())
    desk.tap(CUSTOMER, "c1", "agent", time.time())
    one, two = pcm(0.1, level=10), pcm(0.1, level=20)
    async with server(desk) as port:
        first = await connect(port, hello(AGENT), frame(0x10, one))
        await desk.until(lambda: len(desk.frames) == 1)
        second = await connect(port, hello(CUSTOMER), frame(0x10, two))
        await desk.until(lambda: len(desk.frames) == 2)
        first.write(frame(0x10, one))
        second.write(frame(0x10, two))
        await desk.until(lambda: len(desk.frames) == 3)
        second.close()
        await desk.until(lambda: desk.inside == 1)
        while desk.frames[-1].pcm != one:
            first.write(frame(0x10, one))
            await asyncio.sleep(0.1)
        first.close()
    sounds = [f.pcm for f in desk.frames if f.pcm]
    assert sounds[:4] == [one, two, two, one]
    assert len({f.stream for f in desk.frames}) == 3


async def test_leaving_the_server_ends_every_leg(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = FakeDesk()
    desk.tap(AGENT, "c1", "agent", time.time())
    async with server(desk) as port:
        await connect(port, hello(), frame(0x10, pcm(0.15)))
        await desk.until(lambda: desk.frames)
    assert (desk.frames[-1].last, desk.sound("c1", "agent"), desk.inside) == (True, pcm(0.15), 0)


async def test_a_fault_of_ours_ends_one_connection_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(AudioSocket):
        def receive(self, data: bytes) -> list[Item]:
            raise KeyError("boom")

    desk = FakeDesk()
    async with server(desk) as port:
        with monkeypatch.context() as here:
            here.setattr(tcp, "AudioSocket", Broken)
            await connect(port, hello())
            await desk.until(lambda: desk.reasons() == ["ours"])
        await connect(port, hello(CUSTOMER))
        await desk.until(lambda: desk.inside == 1)


# -- what the ear makes of it --------------------------------------------------------------------------------


def test_a_sentence_ends_while_its_source_sends_nothing_and_the_next_words_are_dated_right() -> None:
    """The source stops in the middle of things and comes back six seconds later."""
    leg = Leg("c1", "agent", 8000)
    spoken = silence(0.5, 8000) + speak("您好", 0.2, 8000)
    frames = leg.take(spoken, T + 1.0)
    start = leg.begun or 0.0
    frames += [frame for n in range(12) for frame in leg.tick(start + 1.0 + n / 2)]
    before = len(frames)
    back = speak("再见", 0.2, 8000) + silence(1.5, 8000)
    for n in range(0, len(back), 320):
        frames += leg.take(back[n : n + 320], start + 7.0 + (n + 320) / 16_000)
    ear = real_ear(frames[0])
    finals: list[tuple[str, float]] = []
    for number, frame in enumerate(frames):
        events = [e for e in ear.hear(frame) if isinstance(e, Transcript) and e.final]
        finals += [(e.text, round(e.start - start, 1)) for e in events]
        if number == before - 1:
            assert finals == [("您好", 0.5)]
    assert finals == [("您好", 0.5), ("再见", 7.0)]


def test_an_ear_that_comes_too_late_tells_what_it_has_missed() -> None:
    leg = Leg("c1", "agent", 8000)
    frames = [frame for at, length in live(0, 4) for frame in leg.take(pcm(length), T + at)]
    ear = real_ear(leg.opening())
    gaps = [e for frame in [leg.opening(), *frames[20:]] for e in ear.hear(frame) if isinstance(e, Gap)]
    assert [(gap.start - T, gap.end - T) for gap in gaps] == [(0.0, 2.0)]
