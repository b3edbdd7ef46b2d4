"""Each bar is told of exactly once, in order, whatever the venue answers and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from live.feed.progress import GRACE, SeriesProgress, is_fresh
from live.signals.age import oldest_age

SERIES = (Instrument("binance", "BTC/USDT"), Timeframe(60))
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@given(
    steps=st.lists(st.tuples(st.floats(0.1, 200.0), st.booleans(), st.integers(0, 5)), max_size=40)
)
def test_progress_when_the_venue_comes_and_goes_then_each_bar_is_told_once_in_order(
    steps: list[tuple[float, bool, int]],
) -> None:
    now = START + timedelta(seconds=3)
    progress = SeriesProgress.begin(SERIES, now)
    first = progress.next_at
    told: list[datetime] = []
    for seconds, answers, withheld in steps:
        now += timedelta(seconds=seconds)
        if answers:
            progress.asked(now)
            since, until = progress.span(now)
            covered = until - withheld * MINUTE
            if covered > progress.unread_from:
                assert since <= progress.unread_from
                told += progress.expected(covered)
                progress.answered(covered)
                assert progress.unread_from == covered
        while (given_up := progress.overdue(now)) is not None:
            at, why = given_up
            assert now >= at + MINUTE + GRACE
            if why == "missing":
                assert progress.asked_at is not None
                assert progress.asked_at >= at + MINUTE + GRACE
            else:
                assert now >= at + MINUTE + oldest_age(MINUTE)
            told.append(at)
    assert told == [first + MINUTE * number for number in range(len(told))]
    assert progress.next_at == first + MINUTE * len(told)


def test_begin_when_the_last_bar_closed_long_ago_then_the_next_one_is_first() -> None:
    minute = SeriesProgress.begin(SERIES, START + timedelta(seconds=59))
    hours = (SERIES[0], Timeframe(3_600))
    fresh = SeriesProgress.begin(hours, START + timedelta(minutes=29))
    late = SeriesProgress.begin(hours, START + timedelta(minutes=31))
    assert minute.next_at == START - MINUTE
    assert fresh.next_at == START - timedelta(hours=1)
    assert late.next_at == START
    assert late.due_at() == START + timedelta(hours=1, seconds=2)


def test_begin_when_an_executor_comes_late_then_the_bar_is_asked_for_before_it_is_given_up() -> (
    None
):
    now = START + timedelta(seconds=40)
    progress = SeriesProgress.begin(SERIES, now)
    assert progress.overdue(now) is None
    assert now >= progress.due_at()
    _, until = progress.span(now)
    assert progress.expected(until) == [START - MINUTE]


@pytest.mark.parametrize(
    ("asked_s", "now_s", "expected"),
    [
        (None, 89, None),
        (None, 90, "stale"),
        (7, 60, None),
        (8, 8, "missing"),
        (7, 90, "stale"),
    ],
)
def test_overdue_when_the_venue_was_asked_or_not_then_only_what_it_lacks_is_missing(
    asked_s: int | None, now_s: int, expected: str | None
) -> None:
    progress = SeriesProgress(SERIES, START - MINUTE, START - MINUTE)
    if asked_s is not None:
        progress.asked(START + timedelta(seconds=asked_s))
    told = progress.overdue(START + timedelta(seconds=now_s))
    assert told == (None if expected is None else (START - MINUTE, expected))


def test_overdue_when_the_venue_refuses_the_symbol_then_it_is_missing_unasked() -> None:
    progress = SeriesProgress(SERIES, START - MINUTE, START - MINUTE, is_refused=True)
    assert progress.overdue(START + timedelta(seconds=7)) is None
    assert progress.overdue(START + timedelta(seconds=8)) == (START - MINUTE, "missing")
    progress.asked(START + timedelta(seconds=30))
    assert progress.overdue(START + timedelta(seconds=69)) is None


def test_fresh_when_a_bar_is_short_then_it_has_a_minute() -> None:
    assert is_fresh(START, timedelta(seconds=1), START + timedelta(seconds=60))
    assert not is_fresh(START, timedelta(seconds=1), START + timedelta(seconds=60.1))
    assert not is_fresh(START, timedelta(hours=1), START + timedelta(minutes=30, seconds=1))
