"""AMI bytes to blocks, and capture files to the record: chunking changes nothing, broken input is told and left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.problem import Problem
from streams.telephony.asterisk_blocks import person, seconds, text
from streams.telephony.capture import BlockParser, TimedBlock, read_capture, record_capture
from tests.asterisk_tools import FOLDER, NAMES, OWN, SHARED, capture, record

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
LOGIN = b"Response: Success\r\nActionID: tb-1\r\nMessage: Authentication accepted\r\n\r\n"
HANGUP = b"Event: Hangup\r\nUniqueid: 1.1\r\nCause-txt: Normal Clearing\r\n\r\n"
RAW_MISSING = pytest.mark.skipif(not SHARED.is_dir(), reason="the raw captures are only in the workspace")


def parse(data: bytes, size: int = 0, largest: int = 1 << 20) -> tuple[list[object], list[str]]:
    """Blocks and problems of ``data`` fed in pieces of ``size`` bytes (0: whole), to its end."""
    parser = BlockParser(largest=largest)
    blocks: list[object] = []
    for i in range(0, len(data), size or len(data) or 1):
        blocks += parser.feed(data[i : i + (size or len(data))])
    parser.close()
    return blocks, [str(problem) for problem in parser.take_problems()]


# -- blocks --------------------------------------------------------------------------------------------------


def test_the_banner_is_a_line_with_no_empty_line_after_it() -> None:
    blocks, problems = parse(BANNER + LOGIN)
    assert blocks[0] == {"_banner": "Asterisk Call Manager/11.0.0"}
    assert blocks[1] == {"Response": "Success", "ActionID": "tb-1", "Message": "Authentication accepted"}
    assert problems == []


def test_line_feeds_alone_will_do() -> None:
    assert parse((BANNER + HANGUP).replace(b"\r\n", b"\n")) == parse(BANNER + HANGUP)


def test_a_key_that_comes_twice_has_the_list_of_its_values() -> None:
    (block,), _ = parse(b"Event: X\r\nVariable: a=1\r\nVariable: b=2\r\nVariable: c=3\r\nEmpty:\r\n\r\n")
    assert block == {"Event": "X", "Variable": ["a=1", "b=2", "c=3"], "Empty": ""}


def test_values_may_hold_colons_and_bytes_that_are_not_utf_8() -> None:
    (block,), problems = parse(b"Event: X\r\nAppData: a: b::c\r\nName: \xff\xe4\xbd\xa0\r\n\r\n")
    assert block == {"Event": "X", "AppData": "a: b::c", "Name": "\ufffd你"}
    assert problems == []


@pytest.mark.parametrize("garbage", [b"\x00\x01\xff\r\n", b"no colon here\r\n", b": \r\n", b"\xc3\x28: x\r\n\r\n"])
def test_garbage_between_blocks_is_told_with_its_offset_and_costs_nothing_else(garbage: bytes) -> None:
    blocks, problems = parse(BANNER + LOGIN + garbage + HANGUP)
    assert len(blocks) == 3
    assert problems == [f"byte {len(BANNER + LOGIN)}: garbage between the lines of the AMI (it is left out)"]


def test_garbage_inside_a_block_leaves_the_rest_of_it() -> None:
    (block,), problems = parse(b"Event: X\r\n%%%\r\n%%%\r\nKey: v\r\n\r\n")
    assert block == {"Event": "X", "Key": "v"}
    assert len(problems) == 1


def test_a_block_that_is_cut_off_by_the_next_one_is_left_out() -> None:
    blocks, problems = parse(b"Event: Hangup\r\nUniqueid: 9\r\n" + HANGUP)
    assert blocks == parse(HANGUP)[0]
    assert problems == ["byte 0: a block is cut off by the next one (it is left out)"]


def test_a_response_key_inside_an_event_is_no_cut() -> None:
    (block,), problems = parse(b"Event: OriginateResponse\r\nResponse: Success\r\n\r\n")
    assert (block, problems) == ({"Event": "OriginateResponse", "Response": "Success"}, [])


@pytest.mark.parametrize("end", [b"Event: Hangup\r\nUniq", b"Event: Hangup\r\nUniqueid: 1\r\n", b"Even"])
def test_an_unfinished_block_at_the_end_is_told(end: bytes) -> None:
    blocks, problems = parse(BANNER + LOGIN + end)
    assert len(blocks) == 2
    at = len(BANNER + LOGIN)
    assert problems == [f"byte {at}: the stream ends inside a block (everything before it counts)"]


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_both_sides_of_the_size_limit(spare: int) -> None:
    block = b"Event: X\r\nKey: " + b"v" * 50 + b"\r\n"
    blocks, problems = parse(HANGUP + block + b"\r\n" + HANGUP, largest=len(block) + spare)
    whole = spare >= 0
    assert (len(blocks), problems == []) == ((3, True) if whole else (2, False))
    if not whole:
        assert "larger than" in problems[0]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    parser = BlockParser(largest=1000)
    for _ in range(100):
        assert parser.feed(b"x" * 999) == []
        assert len(parser._buffer) <= 1000
    assert parser.feed(b"\r\n\r\n" + HANGUP) == parse(HANGUP)[0]
    assert [p.where for p in parser.take_problems()] == ["byte 0"]


PIECES = st.sampled_from(
    [BANNER, LOGIN, HANGUP, b"\r\n", b"\n", b"\r", b"\x00\xff", b"Event: A\r\n", b"junk\r\n", b"Key: " + b"v" * 90]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=12), max_size=12), st.integers(1, 40), st.sampled_from([60, 100, 1 << 20]))
def test_chunking_changes_nothing(pieces: list[bytes], size: int, largest: int) -> None:
    """Whole, byte by byte, and in pieces of any size: the same blocks and the same problems."""
    data = b"".join(pieces)
    assert parse(data, 1, largest) == parse(data, size, largest) == parse(data, 0, largest)


@given(st.lists(PIECES, max_size=6), st.binary(max_size=30))
def test_a_tail_changes_nothing_of_what_came_before(pieces: list[bytes], tail: bytes) -> None:
    parser, longer = BlockParser(), BlockParser()
    data = b"".join(pieces) + b"\r\n\r\n"
    before = parser.feed(data)
    assert longer.feed(data + tail)[: len(before)] == before


@RAW_MISSING
@pytest.mark.parametrize("name", NAMES)
def test_the_raw_bytes_give_the_blocks_of_the_jsonl(name: str) -> None:
    data = (FOLDER / f"{name}.ami.txt").read_bytes()
    assert parse(data) == ([block for _, block in capture(name)], [])
    if len(data) < 100_000:
        assert parse(data, 1) == parse(data)


# -- fields --------------------------------------------------------------------------------------------------


def test_fields_are_read_as_asterisk_means_them() -> None:
    block = {"A": " x ", "B": "<unknown>", "C": ["1", "2"], "D": [], "E": "unknown"}
    assert [text(block, key) for key in "ABCDEF"] == ["x", "", "2", "", "unknown", ""]
    assert [person(block, key) for key in "ABE"] == ["x", "", ""]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("7", 7.0),
        ("00:01:07", 67.0),
        ("7.5", 7.5),
        ("", None),
        ("x", None),
        ("nan", None),
        ("-3", None),
        ("1:1:1:1", None),
    ],
)
def test_durations(written: str, read: float | None) -> None:
    assert seconds({"D": written}, "D") == read


# -- files ---------------------------------------------------------------------------------------------------


def items(path: Path) -> tuple[int, list[str]]:
    """(number of blocks, problems)."""
    found = list(read_capture(path))
    blocks = [item for item in found if isinstance(item, TimedBlock)]
    return len(blocks), [str(item) for item in found if isinstance(item, Problem)]


def test_a_jsonl_cut_in_the_middle_of_a_line_counts_up_to_there(tmp_path: Path) -> None:
    lines = (OWN / "a_caller_hangs_up.jsonl").read_bytes().splitlines(keepends=True)
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b"".join(lines[:20]) + lines[20][:40])
    number, problems = items(path)
    assert number == 20
    (problem,) = problems
    assert problem.startswith("cut.jsonl:21: broken JSON")
    assert "cut off here; everything before counts" in problem


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "broken JSON"),
        ("[1]", "not a JSON object"),
        ('{"event": {}}', "t is missing"),
        ('{"t": true, "event": {}}', "t is missing"),
        ('{"t": 1.5}', "event is missing"),
        ('{"t": 1.5, "event": []}', "event is missing"),
    ],
)
def test_each_broken_line_is_told_and_the_others_count(tmp_path: Path, line: str, why: str) -> None:
    good = (OWN / "d_abandon.jsonl").read_text("utf-8").splitlines()
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join([*good[:5], line, "", *good[5:]]) + "\n", "utf-8")
    found = list(record_capture(path))
    (problem,) = [item for item in found if isinstance(item, Problem)]
    assert (problem.where, why in problem.text) == ("x.jsonl:6", True)
    assert [item for item in found if not isinstance(item, Problem)] == record(capture("d_abandon", OWN))


def test_problems_of_the_translator_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    rows = [{"t": 1.8e9, "event": {"Event": "Nonsense"}}, {"t": 1.8e9, "event": {"Event": "Hangup"}}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert next(str(item) for item in record_capture(path)).startswith("x.jsonl:2: Hangup: Uniqueid is missing")


def as_bytes(name: str, *, stamps: bool = True) -> bytes:
    """A capture as AMI bytes, with Timestamp headers."""
    out = BANNER
    for at, block in capture(name, OWN)[1:]:
        keys = block | ({"Timestamp": f"{at:.6f}"} if stamps and "Event" in block else {})
        lines = [
            f"{key}: {one}" for key, value in keys.items() for one in (value if isinstance(value, list) else [value])
        ]
        out += "\r\n".join(lines).encode() + b"\r\n\r\n"
    return out


def test_raw_bytes_with_time_stamps_give_the_same_record(tmp_path: Path) -> None:
    path = tmp_path / "e.ami.txt"
    path.write_bytes(as_bytes("e_hold"))
    assert list(record_capture(path)) == list(record_capture(OWN / "e_hold.jsonl"))


def test_raw_bytes_without_time_stamps_are_told_to_have_no_times(tmp_path: Path) -> None:
    path = tmp_path / "e.ami.txt"
    path.write_bytes(as_bytes("e_hold", stamps=False))
    (problem,) = record_capture(path)
    assert isinstance(problem, Problem)
    assert "timestampevents=yes" in problem.mend


def test_raw_bytes_cut_in_the_middle_name_the_line(tmp_path: Path) -> None:
    data = as_bytes("e_hold")
    path = tmp_path / "e.ami.txt"
    path.write_bytes(data[: len(data) // 2])
    *_, problem = read_capture(path)
    assert isinstance(problem, Problem)
    line = data[: len(data) // 2].count(b"\n") + 1
    assert problem.where.startswith(f"e.ami.txt:{line}, byte ")
    assert problem.text == "the stream ends inside a block"


def test_an_empty_file_is_an_empty_capture(tmp_path: Path) -> None:
    for name in ("x.jsonl", "x.ami.txt"):
        (tmp_path / name).write_bytes(b"")
        assert items(tmp_path / name) == (0, [])
