"""No telephone number is stored in clear."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.alerts import agent_en, agent_zh
from streams.events import AgentRinging, AnyEvent, CallEnded, CallOffered, CallTransferred, CallTransferring, render
from streams.numbers import is_outside, mask
from streams.telephony.pseudonym import key_from, masked, pseudonymise

KEY = b"a key"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("13812345678", "138****5678"),
        ("+8613812345678", "138****5678"),
        ("008613812345678", "138****5678"),
        ("010-62345678", "010****5678"),
        ("62345678", "62****78"),
        ("6234567", "6****67"),
        ("101", "101"),
        ("hotline", "hotline"),
        ("138****5678", "138****5678"),
    ],
)
def test_at_least_four_digits_of_a_number_are_hidden(number: str, shown: str) -> None:
    assert mask(number) == shown


def test_an_extension_is_no_outside_line_and_a_number_is() -> None:
    assert [is_outside(number) for number in ("101", "13812345678", "138****5678")] == [False, True, True]


def test_a_customer_is_recognised_by_the_key_and_not_by_the_number() -> None:
    first, again, other = (
        pseudonymise(CallOffered(call="c", at=1, caller=n), KEY) for n in ("13812345678",) * 2 + ("1",)
    )
    assert isinstance(first, CallOffered)
    assert first.caller == "138****5678"
    assert first.extra["customer_key"] == again.extra["customer_key"] != other.extra["customer_key"]


@pytest.mark.parametrize(
    "event",
    [
        CallOffered(call="c", at=1, caller="101", called="13812345678", direction="outbound"),
        CallTransferring(call="c", at=1, agent="101", to="13812345678"),
        AgentRinging(call="c", at=1, agent="13812345678"),
        CallTransferred(call="c", at=1, agent="13812345678"),
    ],
)
def test_no_event_carries_a_number_in_clear(event: AnyEvent) -> None:
    assert b"12345678" not in render(pseudonymise(event, KEY))


def test_other_events_are_left_as_they_are() -> None:
    event = CallEnded(call="1795313624.4", at=1, by="agent")
    assert pseudonymise(event, KEY) is event


def test_a_block_is_put_aside_without_numbers_and_with_its_ids() -> None:
    block = {
        "Event": "QueueCallerJoin",
        "CallerIDNum": "13812345678",
        "Uniqueid": "1795313624.4",
        "AppData": ["x,13812345678"],
    }
    assert masked(block) == {**block, "CallerIDNum": "138****5678", "AppData": ["x,138****5678"]}


def test_an_outside_line_is_named_as_one() -> None:
    assert agent_zh("138****5678", None) == "外线 138****5678"
    assert agent_en("13812345678", None) == "the outside line 138****5678"


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    assert key_from(tmp_path) == key_from(tmp_path)
    assert (tmp_path / "pseudonym.key").stat().st_mode & 0o077 == 0


def test_processes_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    """The gateway and the archivist do: a key that is read while it is being written would be another one."""
    with ThreadPoolExecutor(8) as threads:
        for n in range(100):
            keys = set(threads.map(lambda _, n=n: key_from(tmp_path / str(n)), range(8)))
            assert [len(key) for key in keys] == [32]
            assert [file.name for file in (tmp_path / str(n)).iterdir()] == ["pseudonym.key"]
