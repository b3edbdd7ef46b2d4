"""The venue's clock: never ahead of the truth, and noticed when it is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from candela.clock import FixedClock
from candela.venues.server_clock import ServerClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def header(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


@pytest.fixture
def measured() -> ServerClock:
    """A clock five seconds ahead of ours, measured with a Date header that agrees."""
    clock = ServerClock("venue", FixedClock(NOW))
    clock.set_measured(NOW + 5 * SECOND, NOW, header(NOW + 5 * SECOND))
    return clock


def test_clock_after_a_measurement_tells_the_venues_time(measured: ServerClock) -> None:
    assert measured.now() == NOW + 5 * SECOND
    assert measured.offset == 5 * SECOND
    assert not measured.is_stale


def test_clock_of_an_answer_dated_earlier_than_believed_goes_by_the_answer(
    measured: ServerClock,
) -> None:
    set_back = header(NOW - 55 * SECOND)
    assert measured.at_answer(set_back, NOW) == NOW - 54 * SECOND
    measured.note_answer(set_back, NOW)
    assert measured.is_stale


def test_clock_of_an_answer_dated_later_than_believed_stays_behind(measured: ServerClock) -> None:
    ahead = header(NOW + 65 * SECOND)
    assert measured.at_answer(ahead, NOW) == NOW + 5 * SECOND
    measured.note_answer(ahead, NOW)
    assert measured.is_stale


@pytest.mark.parametrize("date", [None, "", "soon", "Sun, 99 Foo 2026"])
def test_clock_of_an_answer_without_a_date_goes_by_the_measurement(
    measured: ServerClock, date: str | None
) -> None:
    measured.note_answer(date, NOW)
    assert not measured.is_stale
    assert measured.at_answer(date, NOW) == NOW + 5 * SECOND
    assert not measured.set_from_date(date, NOW)


def test_clock_whose_dates_contradict_the_measurement_believes_no_dates() -> None:
    clock = ServerClock("venue", FixedClock(NOW))
    cached = header(NOW - timedelta(hours=1))
    clock.set_measured(NOW + SECOND, NOW, cached)
    clock.note_answer(cached, NOW)
    assert not clock.is_stale
    assert clock.at_answer(cached, NOW) == NOW + SECOND


def test_clock_before_a_measurement_is_ours_and_stale() -> None:
    clock = ServerClock("venue", FixedClock(NOW))
    assert clock.now() == NOW
    assert clock.is_stale
    assert clock.set_from_date(header(NOW - 30 * SECOND), NOW)
    assert clock.now() == NOW - 30 * SECOND
