"""That no receiver is told more than it takes, however many pagers there are and whenever they change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.pager.deciding import LATELY_S
from streams.pager.pace import Limit, Pace

PARTITIONS = 8
LIMITS = (Limit(18, 60.0), Limit(8, 10.0))

times = st.floats(0, 40, allow_nan=False)
members = st.lists(st.integers(0, 5), min_size=1, max_size=PARTITIONS, unique=True)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("later"), times),
        st.tuples(st.just("flood"), st.integers(0, PARTITIONS - 1)),
        st.tuples(st.just("members"), members),
        st.tuples(st.just("killed"), st.integers(0, 5)),
    ),
    max_size=60,
)


class Group:
    """Pagers that come, go and are killed; ``sent``: every message's time and partition, as the records tell it."""

    def __init__(self) -> None:
        self.now, self.sent = 0.0, []
        self.paces: dict[int, Pace] = {}
        self.own: dict[int, list[int]] = {}

    def share_out(self, names: list[int]) -> None:
        for name in self.paces.keys() - set(names):
            self.paces[name].share(0, self.now)  # a spare, or gone
        self.own = {name: list(range(place, PARTITIONS, len(names))) for place, name in enumerate(names)}
        for name, own in self.own.items():
            told = [at for at, partition in self.sent if partition in own and at > self.now - LATELY_S]
            self.paces.setdefault(name, Pace(LIMITS)).share(len(own) / PARTITIONS, self.now, told)

    def flood(self, partition: int) -> None:
        """Its pager tells what it may."""
        name = next((name for name, own in self.own.items() if partition in own), None)
        while name is not None and self.paces[name].wait_s(self.now) <= 0:
            self.paces[name].sent(self.now)
            self.sent.append((self.now, partition))

    def kill(self, name: int) -> None:
        """What it knew is lost with it."""
        self.paces.pop(name, None)
        self.share_out([other for other in self.own if other != name])

    def do(self, what: str, how: Any) -> None:
        if what == "later":
            self.now += how
        else:
            {"flood": self.flood, "members": self.share_out, "killed": self.kill}[what](how)


@given(steps)
def test_all_pagers_together_stay_within_the_limits(steps: list[tuple[str, Any]]) -> None:
    group = Group()
    group.share_out([0])
    for what, how in steps:
        group.do(what, how)
    for limit in LIMITS:
        for at, _ in group.sent:
            assert sum(at <= other < at + limit.span_s for other, _ in group.sent) <= limit.messages


def test_one_alone_has_all_of_it_at_once_and_again_when_the_oldest_is_old_enough() -> None:
    group = Group()
    group.share_out([0])
    group.flood(3)
    assert len(group.sent) == 8
    group.now = 10.0
    group.flood(3)
    assert len(group.sent) == 16
    group.now = 20.0
    group.flood(5)
    assert len(group.sent) == 18
    assert group.paces[0].wait_s(group.now) == 40.0


def test_who_joins_tells_nothing_of_what_was_used_and_then_its_half() -> None:
    group = Group()
    group.share_out([0])
    group.flood(0)
    group.share_out([0, 1])
    group.flood(1)
    assert len(group.sent) == 8
    assert group.paces[1].wait_s(0.0) == 60.0
    group.now = 60.0
    group.flood(1)
    assert len(group.sent) == 8 + 4


@pytest.mark.parametrize("partitions", [1, 2])
def test_less_than_a_message_is_one_in_a_longer_time(partitions: int) -> None:
    pace = Pace([Limit(2, 60.0)])
    pace.share(partitions / PARTITIONS, 0.0)
    waits = 0.0
    for _ in range(10):
        waits += pace.wait_s(waits)
        pace.sent(waits)
    assert waits == pytest.approx(9 * 60.0 / (2 * partitions / PARTITIONS))


def test_who_has_no_limits_never_waits() -> None:
    pace = Pace(())
    pace.share(0.5, 0.0)
    for _ in range(1000):
        pace.sent(0.0)
    assert pace.wait_s(0.0) == 0.0
