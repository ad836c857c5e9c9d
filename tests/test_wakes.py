"""Wakes: how late a tick is."""

from __future__ import annotations

from streams.shell.wakes import Wake, Wakes


def test_a_tick_is_late_from_its_deadline_on() -> None:
    wakes = Wakes()
    wakes.set("c", 3, 100.0, now=90.0)
    assert wakes.lateness("c", 100.0, 100.25) == 0.25
    assert wakes.lateness("c", 100.0, 99.0) == 0.0


def test_one_that_was_asked_for_after_its_deadline_is_late_from_then_on() -> None:
    """Words that come late ask for wakes in the past: the delay was not the tick's."""
    wakes = Wakes()
    wakes.set("c", 3, 100.0, now=130.0)
    wakes.set("c", 3, 100.0, now=140.0)  # asked again, it is no newer
    assert wakes.lateness("c", 100.0, 130.5) == 0.5


def test_only_the_tick_that_is_waited_for_counts() -> None:
    wakes = Wakes()
    assert wakes.lateness("c", 100.0, 101.0) is None
    wakes.set("c", 3, 100.0, now=90.0)
    wakes.set("c", 3, 105.0, now=101.0)
    assert wakes.lateness("c", 100.0, 106.0) is None


def test_after_a_takeover_the_time_without_a_worker_counts() -> None:
    wakes = Wakes()
    wakes.replace([Wake(100.0, "c", 3)])
    assert wakes.lateness("c", 100.0, 160.0) == 60.0
