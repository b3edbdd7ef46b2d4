"""Each bar is told of exactly once, in order, whatever the venue answers and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from live.feed.progress import GRACE, SeriesProgress, is_fresh

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
            since, until = progress.span(now)
            covered = until - withheld * MINUTE
            if covered > progress.unread_from:
                assert since <= progress.unread_from
                told += progress.expected(covered)
                progress.answered(covered)
                assert progress.unread_from == covered
        while (given_up := progress.overdue(now)) is not None:
            assert now >= given_up + MINUTE + GRACE
            told.append(given_up)
    assert told == [first + MINUTE * number for number in range(len(told))]
    assert progress.next_at == first + MINUTE * len(told)


def test_begin_when_the_last_bar_closed_long_ago_then_the_next_one_is_first() -> None:
    fresh = SeriesProgress.begin(SERIES, START + timedelta(seconds=29))
    late = SeriesProgress.begin(SERIES, START + timedelta(seconds=31))
    assert fresh.next_at == START - MINUTE
    assert late.next_at == START
    assert late.due_at() == START + MINUTE + timedelta(seconds=2)


def test_fresh_when_a_bar_is_short_then_it_has_five_seconds() -> None:
    assert is_fresh(START, timedelta(seconds=1), START + timedelta(seconds=5))
    assert not is_fresh(START, timedelta(seconds=1), START + timedelta(seconds=5.1))
    assert not is_fresh(START, timedelta(hours=1), START + timedelta(minutes=30, seconds=1))
