"""Recorded calls played as live ones: the same call to the rules, another one to everybody else."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from pathlib import Path

import pytest

from streams.alerts import AlertChange
from streams.events import AnyEvent, CallAnswered, CallOffered
from streams.replay import replay
from streams.rulebook.book import load
from streams.shell.demo import SPOKEN
from streams.shell.spoken import FIRST, LINES, Line, SpokenCall, _chunks, shifted, spoken_calls

CALLS = spoken_calls(SPOKEN, None)
BOOK = load([])


def alerts(events: Iterable[AnyEvent], shift_s: float = 0.0) -> list[tuple[str, str, str, float]]:
    changes = [item for item in replay(BOOK, events) if isinstance(item, AlertChange)]
    return sorted((c.rule, c.state, c.severity, round(c.at - shift_s, 3)) for c in changes)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_call_played_as_another_one_gives_the_same_alerts(call: SpokenCall) -> None:
    """Moved by whole days: some rules look at the time of day."""
    line = Line(2, "other", 7 * 86_400.0, "13812345678")
    assert alerts([shifted(e, line) for e in call.events], line.shift_s) == alerts(call.events)


def test_no_two_lines_share_an_agent_and_every_agent_has_a_name() -> None:
    agents: dict[int, set[str]] = {}
    for number in range(LINES):
        line = Line(number, "c", 0.0, "13800000000")
        for event in (shifted(e, line) for call in CALLS for e in call.events):
            if isinstance(event, CallAnswered):
                agents.setdefault(number, set()).add(event.agent)
                assert event.agent_name
            if isinstance(event, CallOffered):
                assert event.caller == "13800000000"
    assert len(set.union(*agents.values())) == sum(map(len, agents.values()))


def test_the_calls_with_most_to_see_come_first_one_on_each_line() -> None:
    assert [call.name for call in CALLS[: len(FIRST)]] == sorted(FIRST)
    assert len(FIRST) <= LINES


def test_each_party_has_a_channel_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / f"{CALLS[0].name}.wav"
    with wave.open(str(file), "wb") as out:
        out.setparams((2, 2, 8000, 0, "NONE", ""))
        out.writeframes(b"\x01\x00\x02\x00" * 1000)
    assert [call.sound for call in spoken_calls(SPOKEN, tmp_path)] == [file, *[None] * (len(CALLS) - 1)]
    for channel in (0, 1):
        with wave.open(str(file)) as sound:
            chunks = list(_chunks(sound, channel))
        assert [len(chunk) for chunk in chunks] == [1600, 400]
        assert set(b"".join(chunks)[::2]) == {channel + 1}
