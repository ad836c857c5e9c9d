"""The AMI client keeps a PBX's stream whole and in order, across everything that a network does to it."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streams.telephony.ami import (
    SNAPSHOT,
    AmiClient,
    AmiError,
    Block,
    Connected,
    Conversation,
    Disconnected,
    Idle,
    Item,
    LoginRefusedError,
    Patience,
    Problem,
    SnapshotDone,
)
from streams.telephony.pbx import Programme, RecordedPbx, render

REPO = Path(__file__).resolve().parent.parent
SHARED = REPO.parent / "shared" / "calls" / "asterisk"
CAPTURES = SHARED if SHARED.is_dir() else REPO / "tests" / "traces" / "asterisk"
SECRET = "s3cr3t-nobody-may-see"  # noqa: S105 - made up for these tests
#: Long waits for what shall not happen by itself, short ones for what shall be tried again.
QUICK = Patience(backoff_first_s=0.01, backoff_limit_s=0.05, refused_wait_s=60)


def capture(name: str) -> Path:
    return CAPTURES / f"{name}.jsonl"


def events_of(name: str) -> list[dict[str, str]]:
    """What a PBX tells every client; not what it answered to the recorder."""
    blocks = [json.loads(line)["event"] for line in capture(name).read_text().splitlines()]
    return [b for b in blocks if "Event" in b and "ActionID" not in b and b["Event"] != "FullyBooted"]


def pbx_of(name: str, speed: float = 100, port: int = 0, **programme: bool) -> RecordedPbx:
    settings = Programme(speed=speed, **programme)
    return RecordedPbx([capture(name)], port=port, secret=SECRET, programme=settings)


class Follower:
    """Reads a client's stream to a list in the background."""

    def __init__(self, client: AmiClient) -> None:
        self.client = client
        self.items: list[Item] = []
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for item in self.client.blocks():
            self.items.append(item)
            self._news.set()

    async def until(self, kind: type[Item], count: int = 1) -> Item:
        """The ``count``-th item of that kind, past or to come."""
        while len(found := [item for item in self.items if isinstance(item, kind)]) < count:
            self._news.clear()
            await self._news.wait()
        return found[count - 1]

    async def got(self, count: int) -> list[dict[str, str]]:
        """The events, once there are that many."""
        while len(self.events) < count:
            self._news.clear()
            await self._news.wait()
        return self.events

    def all(self, kind: type[Item]) -> list[Item]:
        return [item for item in self.items if isinstance(item, kind)]

    @property
    def events(self) -> list[dict[str, str]]:
        fields = [item.fields for item in self.items if isinstance(item, Block)]
        return [f for f in fields if "ActionID" not in f and f.get("Event", "FullyBooted") != "FullyBooted"]


@asynccontextmanager
async def following(
    port: int, *, secret: str = SECRET, patience: Patience = QUICK, backlog_limit: int = 100_000
) -> AsyncIterator[Follower]:
    client = AmiClient("127.0.0.1", port, "monitor", secret, patience=patience, backlog_limit=backlog_limit)
    async with client:
        yield Follower(client)


async def test_hands_on_every_block_of_a_play_in_order_and_stamped() -> None:
    expected = events_of("f4_atxfer_ami")
    begin = time.time()
    async with pbx_of("f4_atxfer_ami") as pbx, following(pbx.port) as stream:
        assert await stream.got(len(expected)) == expected
        stamps = [item.arrived for item in stream.items if isinstance(item, Block)]
        assert begin <= min(stamps)
        assert max(stamps) <= time.time()
        assert stream.all(Problem) == []


async def test_login_then_five_lists_then_the_snapshot_is_done() -> None:
    async with pbx_of("k_connect_mid_call", speed=1) as pbx, following(pbx.port) as stream:
        done = await stream.until(SnapshotDone)
        assert isinstance(stream.items[0], Connected)
        assert stream.items[0].banner == "Asterisk Call Manager/11.0.0"
        assert list(pbx.asked) == ["Login", *SNAPSHOT]
        assert isinstance(done, SnapshotDone)
        assert done.missing == ()
        answers = [i.fields for i in stream.items if isinstance(i, Block) and "ActionID" in i.fields]
    listed = [fields.get("Event") for fields in answers]
    counts = {event: listed.count(event) for event in ("CoreShowChannel", "Status", "QueueEntry", "BridgeListItem")}
    assert counts == {"CoreShowChannel": 4, "Status": 4, "QueueEntry": 1, "BridgeListItem": 1}


async def test_answers_to_our_own_login_and_ping_are_not_handed_on() -> None:
    patience = Patience(idle_ping_s=0.02, ping_timeout_s=30)
    async with pbx_of("d2_abandon_cancel", speed=20) as pbx, following(pbx.port, patience=patience) as stream:
        await eventually(lambda: "Ping" in pbx.asked)
        await stream.got(len(events_of("d2_abandon_cancel")))
        fields = [item.fields for item in stream.items if isinstance(item, Block)]
    assert [f for f in fields if "Pong" in f.values() or f.get("Message") == "Authentication accepted"] == []


async def test_after_a_drop_in_mid_play_it_connects_again_and_asks_again_what_is_up() -> None:
    expected = events_of("e_hold")
    async with pbx_of("e_hold", speed=50) as pbx:
        pbx.drop_after(30)
        async with following(pbx.port) as stream:
            again = await stream.until(Connected, count=2)
            await eventually(
                lambda: any(isinstance(i, SnapshotDone) for i in stream.items[stream.items.index(again) :])
            )
            await pbx.wait_done()
            lost = await stream.until(Disconnected)
            assert list(pbx.asked)[-6:] == ["Login", *SNAPSHOT]
    assert stream.events[:30] == expected[:30]
    rest = stream.events[30:]
    assert any(rest == expected[at : at + len(rest)] for at in range(30, len(expected) + 1))
    assert isinstance(lost, Disconnected)
    assert "closed" in lost.reason
    assert not lost.refused


async def test_half_a_block_before_a_cut_is_reported_and_not_handed_on() -> None:
    async with pbx_of("e_hold", speed=50) as pbx:
        pbx.cut_after(30)
        async with following(pbx.port) as stream:
            problem = await stream.until(Problem)
            await stream.until(Connected, count=2)
    assert isinstance(problem, Problem)
    assert "inside a block" in problem.text
    assert stream.events[:30] == events_of("e_hold")[:30]
    assert all(event in events_of("e_hold") for event in stream.events)


async def test_garbage_between_blocks_is_counted_and_the_stream_goes_on() -> None:
    expected = events_of("d2_abandon_cancel")
    async with pbx_of("d2_abandon_cancel") as pbx:
        pbx.garbage_after(10)
        async with following(pbx.port) as stream:
            await stream.got(len(expected))
            await stream.until(Problem)
            assert stream.client.unreadable_count >= 1
    assert stream.events == expected
    assert stream.all(Disconnected) == []


async def test_a_pbx_that_is_not_there_yet_is_tried_until_it_comes() -> None:
    port = free_port()
    async with following(port) as stream:
        await stream.until(Disconnected, count=3)
        async with pbx_of("d2_abandon_cancel", port=port) as pbx:
            expected = events_of("d2_abandon_cancel")
            assert await stream.got(len(expected)) == expected
            assert pbx.logins == 1
    first = stream.items[0]
    assert isinstance(first, Disconnected)
    assert "manager.conf" in first.reason


async def test_a_peer_that_died_without_a_word_is_noticed() -> None:
    patience = Patience(idle_ping_s=0.2, ping_timeout_s=0.2, backoff_first_s=0.01)
    async with pbx_of("e_hold", speed=5) as pbx:
        pbx.mute_after(30)
        async with following(pbx.port, patience=patience) as stream:
            lost = await stream.until(Disconnected)
            await stream.until(Connected, count=2)
    assert isinstance(lost, Disconnected)
    assert "no sign of life" in lost.reason


async def test_a_refused_login_names_the_mend_and_is_not_hammered(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with pbx_of("d2_abandon_cancel") as pbx, following(pbx.port, secret=f"not-{SECRET}") as stream:
            refused = await stream.until(Disconnected)
            await asyncio.sleep(0.1)
            assert list(pbx.asked) == ["Login"]
            told = f"{stream.client!r} {vars(pbx).keys()} {refused} {caplog.text}"
    assert isinstance(refused, Disconnected)
    assert refused.refused
    assert refused.retry_in_s >= 60
    assert "manager.conf" in refused.reason
    assert "[monitor]" in refused.reason
    assert SECRET not in told


async def test_the_secret_is_not_told_to_what_is_no_pbx() -> None:
    heard = bytearray()

    async def ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        heard.extend(await reader.read())
        writer.close()

    async with serving(ssh) as port, following(port) as stream:
        lost = await stream.until(Disconnected)
        await stream.until(Disconnected, count=2)
    assert isinstance(lost, Disconnected)
    assert "not an AMI port" in lost.reason
    assert not heard


async def test_a_port_that_never_says_anything_is_given_up() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    patience = Patience(login_timeout_s=0.05, backoff_first_s=0.01)
    async with serving(silence) as port, following(port, patience=patience) as stream:
        lost = await stream.until(Disconnected)
    assert isinstance(lost, Disconnected)
    assert "no greeting" in lost.reason


async def test_blocks_are_stamped_on_arrival_however_late_they_are_read() -> None:
    async with pbx_of("d2_abandon_cancel", speed=200) as pbx:
        client = AmiClient("127.0.0.1", pbx.port, "monitor", SECRET, patience=QUICK)
        stream = client.blocks()
        assert isinstance(await anext(stream), Connected)
        expected = len(events_of("d2_abandon_cancel"))
        await eventually(lambda: pbx.played == expected and client.block_count > expected)
        read_at = time.time()
        arrived = []
        while len(arrived) < expected:
            item = await anext(stream)
            arrived += [item.arrived] if isinstance(item, Block) and "ActionID" not in item.fields else []
        await client.stop()
    assert max(arrived) <= read_at
    assert arrived == sorted(arrived)


async def test_a_reader_far_behind_loses_the_connection_and_is_given_a_new_snapshot() -> None:
    async with pbx_of("h_twenty_overlapping", speed=50) as pbx:
        client = AmiClient("127.0.0.1", pbx.port, "monitor", SECRET, patience=QUICK, backlog_limit=100)
        stream = client.blocks()
        await anext(stream)
        await eventually(lambda: pbx.played > 400)
        seen: list[Item] = []
        while sum(isinstance(item, SnapshotDone) for item in seen) < 2:
            seen.append(await anext(stream))
        await client.stop()
    lost = next(item for item in seen if isinstance(item, Disconnected))
    assert "behind" in lost.reason
    assert pbx.logins == 2


async def test_silence_is_told_where_it_is_wanted() -> None:
    async with pbx_of("e_hold", speed=1) as pbx:
        client = AmiClient("127.0.0.1", pbx.port, "monitor", SECRET, patience=QUICK, idle_s=0.05)
        async with client:
            stream = Follower(client)
            await stream.until(Idle, count=2)
    assert isinstance(stream.items[0], Connected)


async def test_stop_logs_off_and_ends_the_stream() -> None:
    async with pbx_of("e_hold", speed=1) as pbx:
        async with following(pbx.port) as stream:
            await stream.until(SnapshotDone)
        await stream._task
        await eventually(lambda: pbx.clients == 0)
        await eventually(lambda: "Logoff" in pbx.asked)


async def test_a_second_reader_is_refused() -> None:
    async with pbx_of("e_hold", speed=1) as pbx, following(pbx.port) as stream:
        await stream.until(Connected)
        with pytest.raises(RuntimeError, match="one reader"):
            await anext(stream.client.blocks())


@pytest.mark.parametrize(("name", "secret"), [("monitor", "a\r\nAction: Command"), ("mon\nitor", "a"), ("", "a")])
def test_a_name_or_secret_that_would_break_the_header_is_refused(name: str, secret: str) -> None:
    with pytest.raises(ValueError, match="line breaks"):
        AmiClient("127.0.0.1", 5038, name, secret)


def test_back_off_doubles_from_half_a_second_to_five() -> None:
    patience = Patience()
    assert [patience.backoff_s(n, 0.0) for n in (1, 2, 3, 6, 7, 50)] == [0.5, 1, 2, 5, 5, 5]
    assert 0.5 < patience.backoff_s(1, 0.99) < 0.63
    assert patience.backoff_s(99, 0.99) == 5


# ---- the conversation without a socket


BANNER = b"Asterisk Call Manager/11.0.0\r\n"


def talk(patience: Patience | None = None) -> Conversation:
    return Conversation("monitor", SECRET, patience or Patience(), now=0.0)


def say(conversation: Conversation, data: bytes, now: float = 1.0) -> list[Item]:
    return conversation.receive(data, at=1000.0 + now, now=now)


def answer(action_id: int, **fields: str) -> bytes:
    return render({"Response": "Success", "ActionID": f"sansheng-{action_id}", **fields})


def test_nothing_is_said_before_the_greeting() -> None:
    conversation = talk()
    assert conversation.data_to_send() == b""
    say(conversation, BANNER)
    assert conversation.data_to_send().startswith(b"Action: Login\r\n")


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
def test_the_size_of_the_pieces_changes_nothing(size: int) -> None:
    stream = BANNER + answer(1) + b"".join(render(e) for e in events_of("d2_abandon_cancel"))
    stream += answer(2, EventList="start") + render({"Event": "QueueStatusComplete", "ActionID": "sansheng-2"})
    conversation = talk()
    items = [i for at in range(0, len(stream), size) for i in say(conversation, stream[at : at + size])]
    whole = say(talk(), stream)
    assert items == whole
    assert len(items) == 1 + len(events_of("d2_abandon_cancel")) + 2


def test_a_list_that_is_refused_or_never_answered_is_named() -> None:
    conversation = talk()
    say(conversation, BANNER + answer(1))
    refused = render({"Response": "Error", "ActionID": "sansheng-2", "Message": "Permission denied"})
    rest = b"".join(render({"Event": "XComplete", "ActionID": f"sansheng-{n}"}) for n in (3, 4, 5))
    assert [type(i) for i in say(conversation, refused + rest)] == [Block] * 4
    assert conversation.due() < 1 + Patience().snapshot_timeout_s
    say(conversation, render({"Event": "Hold"}), now=15.5)
    done = conversation.tick(at=1016.0, now=16.0)
    assert done == [SnapshotDone(1016.0, ("QueueStatus: Permission denied", "QueueSummary: no complete answer"))]


def test_pings_only_when_nothing_is_heard_and_gives_up_when_nothing_comes_back() -> None:
    # |0 login ....10 s idle... Ping at 11 ...5 s... dead at 16
    conversation = talk()
    say(conversation, BANNER + answer(1) + b"".join(answer(n, EventList="Complete", Event="x") for n in range(2, 7)))
    conversation.data_to_send()
    assert conversation.due() == 11.0
    conversation.tick(at=0, now=10.9)
    assert conversation.data_to_send() == b""
    conversation.tick(at=0, now=11.0)
    assert b"Action: Ping" in conversation.data_to_send()
    assert conversation.due() == 16.0
    conversation.tick(at=0, now=15.9)
    with pytest.raises(AmiError, match="no sign of life for 15"):
        conversation.tick(at=0, now=16.0)


def test_any_byte_is_a_sign_of_life() -> None:
    conversation = talk()
    say(conversation, BANNER + answer(1) + b"".join(answer(n, EventList="Complete", Event="x") for n in range(2, 7)))
    conversation.tick(at=0, now=11.0)
    say(conversation, b"E", now=15.9)
    conversation.tick(at=0, now=16.0)
    assert conversation.due() == 25.9


def test_a_refusal_carries_what_the_pbx_said() -> None:
    denied = render({"Response": "Error", "ActionID": "sansheng-1", "Message": "Authentication failed"})
    conversation = talk()
    with pytest.raises(LoginRefusedError, match="Authentication failed"):
        say(conversation, BANNER + denied)


# ---- helpers


@asynccontextmanager
async def serving(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def eventually(true: Callable[[], bool]) -> None:
    """Wait for something that has no event of its own; pytest's timeout is the limit."""
    while not true():  # noqa: ASYNC110 - a test looks, nobody tells it
        await asyncio.sleep(0.005)
