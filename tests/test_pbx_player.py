"""The recorded PBX behaves as the PBX that was recorded: same blocks, same order, same timing, true lists."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.telephony.pbx import (
    NothingToPlayError,
    Programme,
    RecordedPbx,
    Renamer,
    Switchboard,
    load,
    render,
)
from streams.telephony.pbx_cli import app

REPO = Path(__file__).resolve().parent.parent
SHARED = REPO.parent / "shared" / "calls" / "asterisk"
CAPTURES = SHARED if SHARED.is_dir() else REPO / "tests" / "traces" / "asterisk"
SECRET = "secret"  # noqa: S105 - the player's made-up default
Block = dict[str, str | list[str]]


def capture(name: str) -> Path:
    return CAPTURES / f"{name}.jsonl"


def all_captures() -> list[Path]:
    return sorted(path for path in CAPTURES.glob("*.jsonl") if not path.name.endswith(".ari.jsonl"))


def recorded(name: str) -> list[tuple[float, Block]]:
    """The blocks that every AMI client would have seen, with seconds since the capture began."""
    lines = [json.loads(line) for line in capture(name).read_text().splitlines()]
    answers = {line["event"].get("ActionID") for line in lines if "Event" not in line["event"]}
    return [
        (line["t"] - lines[0]["t"], line["event"])
        for line in lines
        if line["event"].get("Event", "FullyBooted") != "FullyBooted"
        and (line["event"].get("ActionID", "") not in answers or "ActionID" not in line["event"])
    ]


def without(blocks: Iterable[Block], *keys: str) -> list[Block]:
    return [{key: value for key, value in block.items() if key not in keys} for block in blocks]


class Peer:
    """A bare AMI client for tests, which keeps what it got and when (seconds since it connected)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.banner = b""
        self.blocks: list[Block] = []
        self.times: list[float] = []
        self.raw = b""
        self.eof = asyncio.Event()
        self.begin = time.monotonic()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while data := await reader.read(1 << 16):
            rest += data
            self.raw += data
            if not self.banner:
                self.banner, _, rest = rest.partition(b"\r\n")
            *whole, rest = rest.split(b"\r\n\r\n")
            for text in whole:
                self.times.append(time.monotonic() - self.begin)
                self.blocks.append(parsed(text))
            self._news.set()
        self.eof.set()
        self._news.set()

    def ask(self, action: str, **headers: str) -> None:
        lines = {"Action": action, **headers}
        self.writer.write("".join(f"{key}: {value}\r\n" for key, value in lines.items()).encode() + b"\r\n")

    async def until(self, seen: Callable[[Block], bool]) -> Block:
        """The first block, past or to come, for which ``seen`` holds."""
        at = 0
        while True:
            for block in self.blocks[at:]:
                if seen(block):
                    return block
            at = len(self.blocks)
            if self.eof.is_set():
                raise AssertionError("connection closed before the block came")
            self._news.clear()
            await self._news.wait()

    async def log_in(self, secret: str = SECRET, events: str = "on") -> Block:
        self.ask("Login", ActionID="in", Username="monitor", Secret=secret, Events=events)
        return await self.until(lambda block: block.get("ActionID") == "in")

    async def list(self, action: str, action_id: str, **headers: str) -> list[Block]:
        self.ask(action, ActionID=action_id, **headers)
        await self.until(lambda block: block.get("ActionID") == action_id and block.get("EventList") == "Complete")
        return [block for block in self.blocks if block.get("ActionID") == action_id][1:-1]

    @property
    def events(self) -> list[Block]:
        """What came unasked after the login."""
        return [b for b in self.blocks if "ActionID" not in b and b.get("Event") != "FullyBooted"]

    async def got(self, count: int) -> list[Block]:
        """The events, once there are that many."""
        await self.until(lambda _block: len(self.events) >= count)
        return self.events


def parsed(text: bytes) -> Block:
    block: Block = {}
    for line in text.decode("utf-8", "surrogateescape").split("\r\n"):
        key, _, value = line.partition(": ")
        held = block.get(key)
        block[key] = value if held is None else [*([held] if isinstance(held, str) else held), value]
    return block


@asynccontextmanager
async def connected(pbx: RecordedPbx, *, log_in: bool = True) -> AsyncIterator[Peer]:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", pbx.port))
    try:
        if log_in:
            await peer.log_in()
        yield peer
    finally:
        peer.writer.close()
        await peer.eof.wait()


def player(*names: str, speed: float = 100, **programme: float | bool) -> RecordedPbx:
    return RecordedPbx([capture(n) for n in names], port=0, programme=Programme(speed=speed, **programme))


@pytest.mark.parametrize("name", ["d2_abandon_cancel", "f4_atxfer_ami", "h_twenty_overlapping", "k_connect_mid_call"])
async def test_a_client_receives_every_event_of_a_capture_in_order(name: str) -> None:
    expected = [block for _, block in recorded(name)]
    async with player(name, speed=200) as pbx, connected(pbx) as peer:
        assert await peer.got(len(expected)) == expected
        await pbx.wait_done()
        assert pbx.played == pbx.blocks_a_round == len(expected)


async def test_no_block_comes_before_its_time() -> None:
    """Late is the machine's business; early would be ours."""
    expected = recorded("e_hold")
    async with player("e_hold", speed=50) as pbx, connected(pbx) as peer:
        await peer.got(len(expected))
        times = peer.times[-len(expected) :]
    early = [(offset_s / 50, at_s) for (offset_s, _), at_s in zip(expected, times, strict=True) if at_s < offset_s / 50]
    assert early == []


async def test_greets_logs_in_and_says_fully_booted() -> None:
    async with player("d2_abandon_cancel") as pbx, connected(pbx, log_in=False) as peer:
        answer = await peer.log_in()
        assert peer.banner == b"Asterisk Call Manager/11.0.0"
        assert answer == {"Response": "Success", "ActionID": "in", "Message": "Authentication accepted"}
        assert (await peer.until(lambda block: "Event" in block))["Event"] == "FullyBooted"
        assert pbx.connected.is_set()


async def test_a_wrong_secret_is_refused_and_the_connection_closed() -> None:
    async with player("d2_abandon_cancel") as pbx, connected(pbx, log_in=False) as peer:
        answer = await peer.log_in(SECRET[::-1])
        await peer.eof.wait()
    assert answer == {"Response": "Error", "ActionID": "in", "Message": "Authentication failed"}
    assert len(peer.blocks) == 1
    assert pbx.played == 0


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("Ping", {"Response": "Success", "Ping": "Pong"}),
        ("Dance", {"Response": "Error", "Message": "Invalid/unknown command"}),
        ("Events", {"Response": "Success", "Events": "On"}),
        ("Logoff", {"Response": "Goodbye", "Message": "Thanks for all the fish."}),
    ],
)
async def test_answers_as_asterisk_does_to_the_clients_own_action_id(action: str, answer: Block) -> None:
    async with player("d2_abandon_cancel") as pbx, connected(pbx) as peer:
        peer.ask(action, ActionID="x-7")
        assert without([await peer.until(lambda b: b.get("ActionID") == "x-7")], "Timestamp", "ActionID") == [answer]


async def test_nothing_is_answered_before_the_login() -> None:
    async with player("d2_abandon_cancel") as pbx, connected(pbx, log_in=False) as peer:
        peer.ask("CoreShowChannels", ActionID="early")
        assert (await peer.until(lambda _: True))["Message"] == "Permission denied"


async def test_a_client_without_events_gets_answers_only() -> None:
    async with player("d2_abandon_cancel") as pbx, connected(pbx, log_in=False) as peer:
        await peer.log_in(events="off")
        await pbx.wait_done()
        await peer.list("CoreShowChannels", "late")
        assert peer.events == []


#: What changes with the moment at which a list is asked for.
AGES = ("Duration", "Seconds", "Wait", "LongestHoldTime")


@pytest.mark.parametrize("action", ["QueueStatus", "CoreShowChannels", "BridgeList", "Status", "QueueSummary"])
async def test_recorded_lists_are_the_answers_in_k_connect_mid_call(action: str) -> None:
    events = [json.loads(line)["event"] for line in capture("k_connect_mid_call").read_text().splitlines()]
    number = 2 + ["QueueStatus", "CoreShowChannels", "BridgeList", "Status", "QueueSummary"].index(action)
    then = [e for e in events if e.get("ActionID") == f"tb-{number}"]
    async with player("k_connect_mid_call", speed=1) as pbx, connected(pbx) as peer:
        items = await peer.list(action, "mine")
        last = next(b for b in peer.blocks if b.get("EventList") == "Complete")
    formats = ("Writeformat", "Writetrans")
    assert without(items, "ActionID", *AGES, *formats) == without(then[1:-1], "ActionID", *AGES, *formats)
    assert without([last], "ActionID") == without(then[-1:], "ActionID")


def test_ages_in_a_list_are_those_of_that_moment() -> None:
    """The caller of k_connect_mid_call came 6 s before the recorder; 4.5 s later Asterisk would say 10 s."""
    k = load(capture("k_connect_mid_call"))
    board = Switchboard(k.start, k.before)
    ages = [channel["Duration"] for channel in board.core_show_channels(4.5, 1.0)]
    assert ages == ["00:00:07", "00:00:10", "00:00:07", "00:00:10"]
    assert board.queue_status(4.5, 1.0)[4]["Wait"] == "7"
    assert board.core_show_channels(4.5, 10.0)[1]["Duration"] == "00:00:01"


def board_at(name: str, offset_s: float) -> Switchboard:
    recording = load(capture(name))
    board = Switchboard(recording.start, recording.before)
    for moment in recording.moments:
        if moment.offset_s <= offset_s:
            board.learn(moment.block, moment.offset_s)
    return board


def test_a_call_in_the_queue_is_listed_while_its_agent_rings() -> None:
    # a_caller_hangs_up: |0 call, agent101 rings --4 s--> answers ----15 s----> caller hangs up
    board = board_at("a_caller_hangs_up", 2.5)
    entries = [item for item in board.queue_status(2.5, 1) if item["Event"] == "QueueEntry"]
    assert [(e["Queue"], e["CallerIDNum"], e["Position"], e["Wait"]) for e in entries] == [
        ("hotline", "34600000001", "1", "2")
    ]
    ringing = board.core_show_channels(2.5, 1)[1]
    assert (ringing["ChannelStateDesc"], ringing["Application"]) == ("Ringing", "AppQueue")


def test_a_running_call_is_listed_with_both_legs_in_their_bridge() -> None:
    legs = board_at("a_caller_hangs_up", 12).status(12, 1)
    assert [(leg["Uniqueid"], leg["Linkedid"], leg["ChannelStateDesc"]) for leg in legs] == [
        ("1795313624.4", "1795313624.4", "Up"),
        ("1795313624.5", "1795313624.4", "Up"),
    ]
    assert legs[0]["BridgeID"] == legs[1]["BridgeID"] != ""
    assert {leg["Seconds"] for leg in legs} <= {"11", "12"}


def test_members_added_in_mid_capture_are_in_the_queue_from_then_on() -> None:
    def staff(offset_s: float) -> set[object]:
        return {i["Name"] for i in board_at("h_twenty_overlapping", offset_s).queue_status(0, 1) if "Location" in i}

    assert "Extra 104" not in staff(0.0) | staff(-1)
    assert "Extra 104" in staff(5.0)


@pytest.mark.parametrize("path", all_captures(), ids=lambda path: path.stem)
def test_nothing_is_up_when_a_capture_has_ended(path: Path) -> None:
    board = board_at(path.stem, float("inf"))
    assert board.core_show_channels(0, 1) == []
    assert board.bridge_list(0, 1) == []
    assert [item for item in board.queue_status(0, 1) if item["Event"] == "QueueEntry"] == []


async def test_a_client_that_comes_in_mid_play_is_told_what_is_up() -> None:
    async with player("e_hold", speed=5) as pbx, connected(pbx) as first:
        entered = await first.until(lambda b: b.get("Event") == "BridgeEnter" and "trunk" in b["Channel"])
        async with connected(pbx) as second:
            channels = await second.list("CoreShowChannels", "c")
    assert {c["BridgeId"] for c in channels} == {entered["BridgeUniqueid"]}
    assert {c["Linkedid"] for c in channels} == {entered["Linkedid"]}


async def test_what_happens_while_nobody_is_connected_is_missed() -> None:
    expected = [block for _, block in recorded("e_hold")]
    async with player("e_hold", speed=60) as pbx:
        pbx.drop_after(30)
        async with connected(pbx) as first:
            await first.eof.wait()
        await eventually(lambda: pbx.played > 40)
        async with connected(pbx) as second:
            await pbx.wait_done()
            await second.list("BridgeList", "last")  # its answer comes after all events
    assert first.events == expected[:30]
    assert len(second.events) < len(expected) - 40
    assert second.events == expected[len(expected) - len(second.events) :]


async def test_half_a_block_then_a_cut() -> None:
    async with player("e_hold", speed=100) as pbx:
        pbx.cut_after(30)
        async with connected(pbx) as peer:
            await peer.eof.wait()
    expected = render(recorded("e_hold")[30][1])
    assert peer.raw.endswith(expected[: len(expected) // 2])
    assert len(peer.events) == 30


async def test_garbage_stands_between_two_whole_blocks() -> None:
    expected = [block for _, block in recorded("d2_abandon_cancel")]
    async with player("d2_abandon_cancel") as pbx:
        pbx.garbage_after(10, b"rubbish\r\n\r\n")
        async with connected(pbx) as peer:
            events = await peer.got(len(expected) + 1)
    assert [i for i, block in enumerate(events) if "rubbish" in block] == [10]
    assert [block for block in events if "rubbish" not in block] == expected


async def test_a_client_that_does_not_read_is_cut_off_and_keeps_nobody_waiting() -> None:
    files = [capture("h_twenty_overlapping")] * 2
    pbx = RecordedPbx(files, port=0, programme=Programme(speed=1000, gap_s=0), lag_limit=100_000)
    async with pbx, connected(pbx) as peer, deaf_client(pbx.port):
        await eventually(lambda: pbx.logins == 2)
        await peer.got(pbx.blocks_a_round)
        await eventually(lambda: pbx.clients == 1)


@asynccontextmanager
async def deaf_client(port: int) -> AsyncIterator[None]:
    """Logs in and never reads; a small receive buffer, so that the kernel does not read for it."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", port))
        await loop.sock_sendall(deaf, b"Action: Login\r\nUsername: monitor\r\nSecret: secret\r\n\r\n")
        yield


async def eventually(true: Callable[[], bool]) -> None:
    """Wait for something that has no event of its own; pytest's timeout is the limit."""
    while not true():  # noqa: ASYNC110 - a test looks, nobody tells it
        await asyncio.sleep(0.005)


async def test_two_rounds_share_no_id_and_are_otherwise_the_same() -> None:
    count = len(recorded("f2_attended_sip"))
    async with player("f2_attended_sip", speed=500, loop=True, gap_s=0) as pbx, connected(pbx) as peer:
        events = await peer.got(2 * count)
    first, second = events[:count], events[count : 2 * count]
    assert ids(first).isdisjoint(ids(second))
    assert shape(first) == shape(second)


async def test_two_plays_with_renewed_ids_share_no_uniqueid() -> None:
    seen: list[set[str]] = []
    for _ in range(2):
        async with player("f1_blind_sip", speed=500, renew_ids=True) as pbx, connected(pbx) as peer:
            seen.append(ids(await peer.got(pbx.blocks_a_round)))
    assert seen[0].isdisjoint(seen[1])
    assert (seen[0] | seen[1]).isdisjoint(ids(block for _, block in recorded("f1_blind_sip")))


async def test_lists_speak_the_renewed_ids_too() -> None:
    async with player("k_connect_mid_call", speed=1, renew_ids=True) as pbx, connected(pbx) as peer:
        channels = await peer.list("CoreShowChannels", "c")
        bridges = await peer.list("BridgeList", "b")
    old = load(capture("k_connect_mid_call")).ids
    assert ids(channels).isdisjoint(old)
    assert {b["BridgeUniqueid"] for b in bridges} == {c["BridgeId"] for c in channels if c["BridgeId"]}
    assert all(0 <= time.time() - born(channel) < 60 for channel in channels)


async def test_a_renewed_uniqueid_begins_with_the_second_in_which_it_is_played() -> None:
    before = time.time()
    async with player("h_twenty_overlapping", speed=50, renew_ids=True) as pbx, connected(pbx) as peer:
        events = await peer.got(pbx.blocks_a_round)
    births = [born(event) for event in events if event["Event"] == "Newchannel"]
    assert births == sorted(births)
    assert int(before) <= births[0]
    assert births[-1] <= time.time()


def born(block: Block) -> float:
    return float(str(block["Uniqueid"]).partition(".")[0])


@pytest.mark.parametrize("path", all_captures(), ids=lambda path: path.stem)
def test_renewed_ids_leave_no_old_one_anywhere_and_are_one_to_one(path: Path) -> None:
    recording = load(path)
    renamer = Renamer(recording.ids, lambda _uid: 1.9e9)
    old = [moment.block for moment in recording.moments]
    new = [renamer.block(block) for block in old]
    text = b"".join(map(render, new)).decode()
    assert [token for token in recording.ids if re.search(rf"{re.escape(token)}(?![0-9])", text)] == []
    assert shape(old) == shape(new)


def test_the_uuid_by_which_audio_finds_its_call_is_kept() -> None:
    recording = load(capture("audiosocket_tap"))
    renamer = Renamer(recording.ids, lambda _uid: 1.9e9)
    text = b"".join(render(renamer.block(moment.block)) for moment in recording.moments)
    assert b"11111111-1111-" in text


def ids(blocks: Iterable[Block]) -> set[str]:
    key = re.compile("(uniqueid|linkedid|channel|bridgeid)$", re.IGNORECASE)
    return {
        str(v) for block in blocks for k, v in block.items() if key.search(k) and re.search(r"-[0-9a-f]|\.\d", str(v))
    }


def shape(blocks: Iterable[Block]) -> list[Block]:
    """The blocks with every id replaced by the order in which it first appears."""
    numbers: dict[str, int] = {}
    token = re.compile(
        r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![\d.])\d{9,11}\.\d+(?!\d)|(?<=[a-z0-9]-)[0-9a-f]{8}(?![0-9a-f-])"
    )
    return [
        {k: token.sub(lambda m: f"#{numbers.setdefault(m.group(), len(numbers))}", str(v)) for k, v in block.items()}
        for block in blocks
    ]


async def test_files_play_side_by_side_or_one_after_the_other() -> None:
    a, b = "a2_trunk_not_answered", "d2_abandon_cancel"
    lengths = [load(capture(name)).length_s for name in (a, b)]
    async with player(a, b, speed=200, gap_s=3) as pbx, connected(pbx) as peer:
        one_by_one = await peer.got(pbx.blocks_a_round)
        assert pbx.length_s == pytest.approx(sum(lengths) + 3)
    async with player(a, b, speed=200, together=True, stagger_s=1) as pbx, connected(pbx) as peer:
        mixed = await peer.got(pbx.blocks_a_round)
        assert pbx.length_s == pytest.approx(max(lengths[0], lengths[1] + 1))
    parts = [[block for _, block in recorded(name)] for name in (a, b)]
    assert one_by_one == parts[0] + parts[1]
    assert mixed != one_by_one
    legs = [[block for block in part if "Uniqueid" in block] for part in parts]
    assert [block for block in mixed if block in legs[0]] == legs[0]
    assert [block for block in mixed if block in legs[1]] == legs[1]


async def test_a_file_given_twice_is_two_different_calls() -> None:
    name = "d2_abandon_cancel"
    async with player(name, name, speed=200, together=True) as pbx, connected(pbx) as peer:
        events = await peer.got(pbx.blocks_a_round)
    calls = {e["Uniqueid"] for e in events if e["Event"] == "QueueCallerJoin"}
    assert len(calls) == 2


async def test_time_stamps_are_those_of_the_play() -> None:
    before = time.time()
    async with player("a4_timestampevents", speed=100) as pbx, connected(pbx) as peer:
        events = await peer.got(pbx.blocks_a_round)
    stamps = [float(str(event["Timestamp"])) for event in events]
    assert len(stamps) == pbx.blocks_a_round
    assert before - 1 < min(stamps)
    assert max(stamps) < time.time() + 1


def test_a_capture_cut_in_the_middle_plays_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    lines = capture("e_hold").read_text().splitlines()
    lines[20:20] = ["%%% not JSON"]
    file = tmp_path / "cut.jsonl"
    file.write_text("\n".join(lines[:60]) + '\n{"t": 1795313805.1, "event": {"Event": "Ho')
    recording = load(file)
    assert len(recording.moments) == 59 - 3  # without banner, login response and FullyBooted
    assert len(recording.problems) == 2
    assert "cut.jsonl" in recording.problems[0]
    assert "cut.jsonl:21" in recording.problems[0]
    assert "cut off" in recording.problems[1]


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_clock_that_is_set_moves_no_block_and_is_reported(tmp_path: Path, jump_s: float) -> None:
    events = [json.loads(line) for line in capture("e_hold").read_text().splitlines()]
    step_s = events[40]["t"] - events[39]["t"]
    for line in events[40:]:
        line["t"] += jump_s
    file = tmp_path / "jump.jsonl"
    file.write_text("\n".join(map(json.dumps, events)))
    recording = load(file)
    offsets = [moment.offset_s for moment in recording.moments]
    assert offsets == sorted(offsets)
    assert offsets[-1] == pytest.approx(load(capture("e_hold")).length_s - step_s)
    assert [problem for problem in recording.problems if f"jump.jsonl:41: the clock jumps by {jump_s:+}" in problem]


def test_raw_bytes_play_where_they_carry_times_and_say_what_is_missing_where_not(tmp_path: Path) -> None:
    blocks = [block for _, block in recorded("a4_timestampevents")]
    file = tmp_path / "raw.ami.txt"
    file.write_bytes(b"Asterisk Call Manager/11.0.0\r\n" + b"".join(map(render, blocks)))
    assert [moment.block for moment in load(file).moments] == blocks
    file.write_bytes(b"".join(map(render, without(blocks, "Timestamp"))))
    with pytest.raises(NothingToPlayError, match="no times in this capture"):
        load(file)


def test_odd_values_in_a_capture_are_played_as_text(tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    odd = {"Event": "Newchannel", "Uniqueid": 7, "Channel": ["a", 1], "ChannelState": None, "Exten": "1\r\nEvent: x"}
    file.write_text(json.dumps({"t": 1.5, "event": odd}))
    block = load(file).moments[0].block
    assert (
        render(block) == b"Event: Newchannel\r\nUniqueid: 7\r\nChannel: a\r\nChannel: 1\r\nExten: 1  Event: x\r\n\r\n"
    )


@pytest.mark.parametrize("text", ["", "garbage\nmore garbage\n", '{"t": 1, "event": {"_banner": "Asterisk"}}\n'])
def test_a_file_without_a_block_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_text(text)
    with pytest.raises(NothingToPlayError, match=r"empty\.jsonl: no block"):
        RecordedPbx([file])


def test_pbx_play_ends_when_the_files_are_played() -> None:
    arguments = ["play", str(capture("d2_abandon_cancel")), "--port", "0", "--speed", "500", "--at-once"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "Recorded PBX on 127.0.0.1:" in result.output
    assert "Played." in result.output


def test_pbx_play_says_that_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["play", str(capture("d2_abandon_cancel")), "--port", port])
    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.output
    assert "--port" in result.output


def test_pbx_play_wants_a_speed_above_zero() -> None:
    result = CliRunner().invoke(app, ["play", str(capture("d2_abandon_cancel")), "--speed", "0"])
    assert result.exit_code == 2
