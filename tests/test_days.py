"""Holidays, moved working days and hours of mainland China, and a site's own days over them."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from streams.days import NAMES, ZONE, Calendar, Hours


def at(text: str) -> float:
    """Unix seconds of a time of day in Beijing."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


@pytest.mark.parametrize(
    ("day", "works", "festival"),
    [
        ("2026-11-20", True, None),  # a Friday
        ("2026-11-22", False, None),  # a Sunday
        ("2026-01-01", False, "元旦"),
        ("2026-01-04", True, None),  # a Sunday, worked for 2 January
        ("2026-02-15", False, "春节"),  # the first free day
        ("2026-02-17", False, "春节"),
        ("2026-02-23", False, "春节"),
        ("2026-02-28", True, None),  # a Saturday, worked
        ("2026-05-01", False, "劳动节"),
        ("2026-09-25", False, "中秋节"),
        ("2026-10-01", False, "国庆节"),
        ("2026-10-04", False, "国庆节"),  # the Sunday inside
        ("2026-10-07", False, "国庆节"),
        ("2026-10-08", True, None),
        ("2026-10-10", True, None),  # a Saturday, worked
    ],
)
def test_the_days_of_2026_are_as_the_state_council_set_them(day: str, works: bool, festival: str | None) -> None:
    calendar, noon = Calendar(), at(f"{day} 12:00")
    assert (calendar.is_workday(noon), calendar.festival(noon)) == (works, festival)
    assert calendar.matches(noon, "workday") is works
    assert calendar.matches(noon, "day-off") is not works
    assert calendar.matches(noon, "holiday") is (festival is not None)
    assert [name for name in NAMES if calendar.matches(noon, name)] == ([festival] if festival else [])


def test_a_day_begins_at_midnight_in_beijing() -> None:
    calendar = Calendar()
    assert calendar.is_workday(at("2026-09-30 23:59"))
    assert not calendar.is_workday(at("2026-10-01 00:00"))
    assert calendar.matches(at("2026-11-21 00:00"), "weekend")
    assert not calendar.matches(at("2026-11-20 23:59"), "weekend")


def test_a_site_overrides_single_days() -> None:
    calendar = Calendar(holidays={date(2026, 11, 20): "店庆"}, workdays=(date(2026, 10, 1),))
    assert calendar.festival(at("2026-11-20 09:00")) == "店庆"
    assert not calendar.is_workday(at("2026-11-20 09:00"))
    assert calendar.is_workday(at("2026-10-01 09:00"))
    assert calendar.festival(at("2026-10-01 09:00")) is None


@pytest.mark.parametrize(
    ("hours", "time", "inside"),
    [
        ("09:00-18:00", "08:59", False),
        ("09:00-18:00", "09:00", True),
        ("09:00-18:00", "17:59", True),
        ("09:00-18:00", "18:00", False),
        ("22:00-06:00", "23:30", True),
        ("22:00-06:00", "05:59", True),
        ("22:00-06:00", "06:00", False),
        ("0:00-24:00", "23:59", True),
    ],
)
def test_hours_hold_from_the_first_minute_to_before_the_last(hours: str, time: str, inside: bool) -> None:
    assert Hours.parse(hours).hold(Calendar().local(at(f"2026-11-20 {time}"))) is inside


@pytest.mark.parametrize("text", ["9-18", "09:00", "25:00-26:00", "09:60-10:00", 9, None])
def test_what_are_no_hours_is_refused_with_the_mend(text: object) -> None:
    with pytest.raises(ValueError, match="write 09:00-18:00"):
        Hours.parse(text)
