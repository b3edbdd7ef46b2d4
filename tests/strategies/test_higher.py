"""Longer bars are made of whole buckets, seen only when closed, wherever the bars begin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candela.market.timeframe import Timeframe
from strategies.alignment import beside
from strategies.bars import BadTimeframe, Bars
from strategies.memory import remembering
from strategies.sample import sample_bars

HOUR = 3_600_000_000
MONDAY = 1_704_067_200_000_000  # 2024-01-01, a Monday


def hours(numbers: npt.NDArray[np.int64]) -> Bars:
    """Return bars at those hours after a Monday, each price telling its hour."""
    price = 100.0 + numbers.astype(np.float64)
    return Bars(
        time=MONDAY + numbers * HOUR,
        open=price,
        high=price + 0.5,
        low=price - 0.5,
        close=price + 0.25,
        volume=np.ones(len(numbers)),
        timeframe=Timeframe.parse("1h"),
    )


HOLED = st.tuples(st.integers(0, 200), st.sets(st.integers(0, 120), min_size=1)).map(
    lambda drawn: np.array(sorted(drawn[1]), dtype=np.int64) + drawn[0]
)
LONGER = st.sampled_from(["2h", "4h", "7h", "1d", "1w"])


@settings(deadline=None)
@given(HOLED, LONGER)
def test_longer_bars_when_hours_are_missing_then_made_of_those_there(
    numbers: npt.NDArray[np.int64], name: str
) -> None:
    bars, timeframe = hours(numbers), Timeframe.parse(name)
    found = bars.higher(timeframe)
    origin = timeframe.origin_s * 1_000_000
    length = timeframe.seconds * 1_000_000
    start = (bars.time - origin) // length * length + origin
    whole = [one for one in np.unique(start) if one in bars.time or one != start[0]]
    closed = [one for one in whole if one + length <= bars.time[-1] + HOUR]
    assert found.bars.time.tolist() == closed
    for row, one in enumerate(closed):
        inside = np.flatnonzero(start == one)
        assert found.bars.open[row] == bars.open[inside[0]]
        assert found.bars.close[row] == bars.close[inside[-1]]
        assert found.bars.high[row] == bars.high[inside].max()
        assert found.bars.low[row] == bars.low[inside].min()
        assert found.bars.volume[row] == len(inside)


@settings(deadline=None)
@given(HOLED, LONGER)
def test_aligned_value_when_seen_then_its_bar_had_closed_and_no_later_one(
    numbers: npt.NDArray[np.int64], name: str
) -> None:
    bars, timeframe = hours(numbers), Timeframe.parse(name)
    found = bars.higher(timeframe)
    length = timeframe.seconds * 1_000_000
    ends = found.bars.time + length
    for row, value in enumerate(found.align(ends.astype(np.float64))):
        closed = ends[ends <= bars.time[row] + HOUR]
        assert value == closed[-1] if closed.size else np.isnan(value)


@settings(deadline=None)
@given(HOLED, LONGER, st.integers(1, 121))
def test_aligned_value_when_bars_are_added_then_stays(
    numbers: npt.NDArray[np.int64], name: str, length: int
) -> None:
    bars = hours(numbers)
    whole = bars.higher(name)
    part = bars[:length].higher(name)
    rows = len(bars[:length])
    assert np.array_equal(
        part.align(part.bars.close), whole.align(whole.bars.close)[:rows], equal_nan=True
    )


def test_week_when_rolled_up_then_begins_on_monday() -> None:
    weeks = hours(np.arange(24 * 15)).higher("1w")
    assert [weeks.bars.at(row)[:10] for row in range(len(weeks.bars))] == [
        "2024-01-01",
        "2024-01-08",
    ]


def test_first_bucket_when_entered_in_the_middle_then_left_out() -> None:
    bars = hours(np.arange(5, 60))
    assert bars.higher("1d").bars.at(0)[:10] == "2024-01-02"


@pytest.mark.parametrize("name", ["1h", "30m", "90m"])
def test_timeframe_when_not_made_of_whole_bars_then_refused(name: str) -> None:
    with pytest.raises(BadTimeframe, match=f"{Timeframe.parse(name)} is not made of whole bars"):
        hours(np.arange(10)).higher(name)


def test_align_when_values_are_of_other_bars_then_refused() -> None:
    longer = hours(np.arange(48)).higher("1d")
    with pytest.raises(BadTimeframe, match="3 values for 2 bars"):
        longer.align(np.zeros(3))


def test_longer_bars_when_asked_again_in_an_evaluation_then_made_once() -> None:
    bars = sample_bars()[:500]
    with remembering(bars.memory):
        assert bars.higher("4h") is bars.higher("4h")
        assert bars.higher("4h") is not bars.higher("1d")
    assert bars.memory.computed == 2


def test_longer_bars_when_instruments_share_their_times_then_each_has_its_own() -> None:
    first, second = sample_bars()[:500], sample_bars("bitvavo:ETH/EUR")[:500]
    bars = beside(first, {"eth": second})
    other = bars.other("eth")
    assert other.time is bars.time
    with remembering(bars.memory):
        ours, theirs = bars.higher("4h"), other.higher("4h")
        assert other.higher("4h") is theirs
        assert bars.typical is not other.typical
    assert np.array_equal(ours.bars.close, first.higher("4h").bars.close)
    assert np.array_equal(theirs.bars.close, second.higher("4h").bars.close)
