"""Calendar days and trading hours, through changes of a zone's offset."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.risk.hours import (
    BadTradingHours,
    UnknownZone,
    day_bounds,
    hours_open,
    local_words,
    trading_day,
    window_of,
    zone_named,
)

# Changes at midnight too: Santiago and Cairo skip it, Havana repeats it; halves and no change.
ZONES = [
    "UTC", "Europe/Madrid", "America/New_York", "America/Santiago", "America/Havana",
    "Africa/Cairo", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Kiritimati", "America/St_Johns",
]  # fmt: skip
instants = st.datetimes(datetime(2012, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
clock = st.integers(0, 95).map(lambda quarter: quarter * 15)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@settings(deadline=None)
@given(instants, st.sampled_from(ZONES))
def test_day_of_any_instant_then_its_bounds_hold_it_and_touch_the_next(
    instant: datetime, zone: str
) -> None:
    day = trading_day(instant, zone)
    first, end = day_bounds(day, zone)
    assert first <= instant < end
    assert trading_day(first, zone) == day
    assert trading_day(first - timedelta(microseconds=1), zone) == day - timedelta(days=1)
    assert day_bounds(day + timedelta(days=1), zone)[0] == end
    assert timedelta(hours=23) <= end - first <= timedelta(hours=25)


@pytest.mark.parametrize(
    ("zone", "day", "first", "hours"),
    [
        ("Europe/Madrid", "2026-03-29", "2026-03-28T23:00", 23),
        ("Europe/Madrid", "2026-10-25", "2026-10-24T22:00", 25),
        ("America/Santiago", "2024-09-08", "2024-09-08T04:00", 23),  # begins at 01:00
        ("America/Havana", "2024-11-03", "2024-11-03T04:00", 25),  # midnight comes twice
        ("Asia/Kolkata", "2026-01-01", "2025-12-31T18:30", 24),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00", 0),  # never was
    ],
)
def test_day_when_the_offset_changes_then_shorter_or_longer(
    zone: str, day: str, first: str, hours: int
) -> None:
    begins, ends = day_bounds(date.fromisoformat(day), zone)
    assert begins == at(first)
    assert ends - begins == timedelta(hours=hours)


@settings(deadline=None)
@given(
    instants,
    st.sampled_from(ZONES),
    st.integers(0, 6),
    st.integers(0, 6),
    clock,
    clock | st.just(1440),
)
def test_window_of_any_hours_then_open_as_the_wall_clock_says(
    instant: datetime, zone: str, first: int, length: int, start: int, end: int
) -> None:
    names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    days = [names[(first + ahead) % 7] for ahead in range(length + 1)]
    hours = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    window = f"{days[0]}-{days[-1]} {hours}" if length else f"{days[0]} {hours}"
    local = instant.astimezone(zone_named(zone))
    # Another way: the spans of this and the day before, in naive wall clock time.
    now = local.replace(tzinfo=None)
    expected = False
    for begins in (now.date() - timedelta(days=1), now.date()):
        if names[begins.weekday()] in days:
            opens = datetime.combine(begins, time()) + timedelta(minutes=start)
            closes = datetime.combine(begins, time()) + timedelta(minutes=end)
            closes += timedelta(days=0 if end > start else 1)
            expected |= opens <= now < closes
    assert hours_open(instant, (window,), zone) is expected


@pytest.mark.parametrize(
    ("instant", "is_open"),
    [
        ("2026-03-27T20:59:59", False),  # Friday in Madrid, UTC+1
        ("2026-03-27T21:00:00", True),
        ("2026-03-28T04:59:59", True),  # Saturday morning belongs to Friday
        ("2026-03-28T05:00:00", False),
        ("2026-03-28T21:30:00", False),
        # Clocks went forward: the same window in UTC+2.
        ("2026-04-03T19:59:59", False),
        ("2026-04-03T20:00:00", True),
        ("2026-04-04T03:59:59", True),
        ("2026-04-04T04:00:00", False),
    ],
)
def test_overnight_window_then_ends_on_the_next_day_by_the_clock_of_its_zone(
    instant: str, *, is_open: bool
) -> None:
    assert hours_open(at(instant), ("fri 22:00-06:00",), "Europe/Madrid") is is_open


@pytest.mark.parametrize(
    ("instant", "is_open"),
    [
        ("2026-10-25T00:30:00", True),  # 02:30 for the first time
        ("2026-10-25T01:30:00", True),  # and again
        ("2026-10-25T02:00:00", False),
        ("2026-03-29T00:59:59", False),  # 01:59:59
        ("2026-03-29T01:00:00", False),  # 03:00: 02:00 to 03:00 did not happen
    ],
)
def test_hour_when_repeated_or_skipped_then_traded_twice_or_never(
    instant: str, *, is_open: bool
) -> None:
    assert hours_open(at(instant), ("sun 02:00-03:00",), "Europe/Madrid") is is_open


@pytest.mark.parametrize("text", ["daily 00:00-24:00", "DAILY 00:00-00:00", " mon-sun 07:00-07:00"])
def test_window_of_all_hours_then_always_open(text: str) -> None:
    monday = at("2026-03-02T00:00:00")
    assert all(hours_open(monday + timedelta(hours=hour), (text,), "UTC") for hour in range(168))


@pytest.mark.parametrize(
    "text",
    ["", "mon", "mon 9:00-17:00", "mon 09:00-17:60", "mon 24:00-06:00", "mon 09:00-24:01",
     "moon 09:00-17:00", "mon-moon 09:00-17:00", "mon,,tue 09:00-17:00"],
)  # fmt: skip
def test_window_when_not_readable_then_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadTradingHours, match="mon-fri 09:00-17:30"):
        window_of(text)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/hosts", "Europe"])
def test_zone_when_unknown_then_refused(name: str) -> None:
    with pytest.raises(UnknownZone, match="Europe/Madrid"):
        zone_named(name)


def test_words_of_an_instant_name_day_time_and_zone() -> None:
    told = local_words(at("2026-03-29T01:10:00"), "Europe/Madrid")
    assert told == "sun 2026-03-29 03:10:00 Europe/Madrid"
