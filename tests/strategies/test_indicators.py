"""Indicators equal TA-Lib and polars, and the simple mean is exact on decimal prices."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strategies.bars import Bars
from strategies.indicators import (
    BadWindow,
    atr,
    bollinger,
    donchian,
    ema,
    ema_settles,
    highest,
    lowest,
    macd,
    mean,
    rsi,
    sma,
    stddev,
    talib_function,
    wilder_settles,
)
from strategies.memory import remembering
from strategies.sample import sample_bars
from strategies.talib_door import talib

Floats = npt.NDArray[np.float64]

BARS = sample_bars()[:2_000]
TICKS = hnp.arrays(np.int64, st.integers(1, 120), elements=st.integers(1, 10**7))


@settings(deadline=None)
@given(TICKS, st.integers(1, 30), st.sampled_from([1, 10, 100, 1_000, 10**5]))
def test_mean_of_decimal_prices_when_computed_then_nearest_double_of_the_true_one(
    ticks: npt.NDArray[np.int64], window: int, scale: int
) -> None:
    found = sma(ticks / scale, window)
    for row in range(len(ticks)):
        if row < window - 1:
            assert np.isnan(found[row])
            continue
        total = int(ticks[row + 1 - window : row + 1].sum())
        assert found[row] == float(Fraction(total, window * scale))


@settings(deadline=None)
@given(TICKS, st.integers(1, 10), st.integers(0, 60))
def test_mean_when_data_begin_later_then_same_bits(
    ticks: npt.NDArray[np.int64], window: int, start: int
) -> None:
    prices = ticks / 100
    later = prices[start:].copy()
    skip = window - 1
    assert np.array_equal(sma(later, window)[skip:], sma(prices, window)[start + skip :])


@settings(deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8), st.integers(2, 5))
def test_means_of_two_windows_when_equal_then_equal_doubles(pattern: list[int], times: int) -> None:
    prices = np.array(pattern * times) / 100
    assert sma(prices, len(pattern))[-1] == sma(prices, len(prices))[-1]


def test_mean_when_values_are_no_decimals_then_talib_answers() -> None:
    values = np.sqrt(np.arange(1.0, 100.0))
    assert np.array_equal(sma(values, 7), talib().SMA(values, timeperiod=7), equal_nan=True)
    assert np.array_equal(sma(values, 1), values)


CLOSE, HIGH, LOW = BARS.close, BARS.high, BARS.low
TA: Any = talib()

BESIDE_TALIB: dict[str, tuple[Floats, Floats]] = {
    "ema": (ema(CLOSE, 20), TA.EMA(CLOSE, timeperiod=20)),
    "rsi": (rsi(CLOSE, 14), TA.RSI(CLOSE, timeperiod=14)),
    "atr": (atr(BARS, 14), TA.ATR(HIGH, LOW, CLOSE, timeperiod=14)),
    "stddev": (stddev(CLOSE, 20), TA.STDDEV(CLOSE, timeperiod=20)),
    "highest": (highest(HIGH, 9), TA.MAX(HIGH, timeperiod=9)),
    "lowest": (lowest(LOW, 9), TA.MIN(LOW, timeperiod=9)),
    "macd": (macd(CLOSE)[0], TA.MACD(CLOSE)[0]),
    "macd gap": (macd(CLOSE)[2], TA.MACD(CLOSE)[2]),
    "upper band": (bollinger(CLOSE)[0], TA.BBANDS(CLOSE, 20, 2, 2)[0]),
    "lower band": (bollinger(CLOSE)[2], TA.BBANDS(CLOSE, 20, 2, 2)[2]),
    "mean": (mean(CLOSE, 30, "simple"), TA.SMA(CLOSE, timeperiod=30)),
}
BESIDE_POLARS = {
    "mean": (sma(CLOSE, 50), pl.Series(CLOSE).rolling_mean(50)),
    "highest": (highest(HIGH, 20), pl.Series(HIGH).rolling_max(20)),
    "stddev": (stddev(CLOSE, 20), pl.Series(CLOSE).rolling_std(20, ddof=0)),
    "channel high": (donchian(BARS, 20)[0], pl.Series(HIGH).rolling_max(20).shift(1)),
    "channel low": (donchian(BARS, 20)[1], pl.Series(LOW).rolling_min(20).shift(1)),
}


@pytest.mark.parametrize("name", BESIDE_TALIB)
def test_indicator_when_computed_then_equals_talib(name: str) -> None:
    ours, theirs = BESIDE_TALIB[name]
    # TA-Lib's running sums of squares are good to a millionth of a euro here.
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("name", BESIDE_POLARS)
def test_indicator_when_computed_then_equals_polars(name: str) -> None:
    ours, theirs = BESIDE_POLARS[name]
    np.testing.assert_allclose(ours, theirs.to_numpy(), rtol=1e-7)


@given(TICKS, st.integers(2, 30), st.sampled_from([1, 100, 10**5]))
@settings(deadline=None)
def test_deviation_of_decimal_prices_when_computed_then_nearest_double_of_the_true_one(
    ticks: npt.NDArray[np.int64], window: int, scale: int
) -> None:
    found = stddev(ticks / scale, window)
    assert np.isnan(found[: window - 1]).all()
    for row in range(window - 1, len(ticks)):
        inside = [int(tick) for tick in ticks[row + 1 - window : row + 1]]
        scaled = window * sum(tick * tick for tick in inside) - sum(inside) ** 2
        assert found[row] == pytest.approx(math.sqrt(scaled) / (window * scale), rel=1e-15, abs=0)


@given(TICKS, st.integers(2, 10), st.integers(0, 60))
@settings(deadline=None)
def test_deviation_when_data_begin_later_then_same_bits(
    ticks: npt.NDArray[np.int64], window: int, start: int
) -> None:
    prices = ticks / 100
    later = stddev(prices[start:].copy(), window)[window - 1 :]
    assert np.array_equal(later, stddev(prices, window)[start + window - 1 :])


def test_deviation_when_too_large_for_whole_ticks_or_no_decimals_then_talib_answers() -> None:
    wide = np.where(np.arange(200) % 2 == 0, 1.0, 9e7) + 0.01
    for values, window in ((wide, 100), (np.sqrt(CLOSE), 20)):
        theirs = TA.STDDEV(values, timeperiod=window)
        assert np.array_equal(stddev(values, window), theirs, equal_nan=True)


def cutler(ticks: npt.NDArray[np.int64], window: int, row: int) -> float:
    moves = np.diff(ticks[row - window : row + 1])
    rises, falls = int(moves[moves > 0].sum()), -int(moves[moves < 0].sum())
    return 100.0 * rises / (rises + falls) if rises + falls else float("nan")


@settings(deadline=None)
@given(TICKS, st.integers(2, 10))
def test_simple_rsi_when_prices_are_decimal_then_exact(
    ticks: npt.NDArray[np.int64], window: int
) -> None:
    found = rsi(ticks / 100, window, "simple")
    assert np.isnan(found[:window]).all()
    for row in range(window, len(ticks)):
        np.testing.assert_equal(found[row], cutler(ticks, window, row))


def test_simple_rsi_when_values_are_no_decimals_then_near_the_same() -> None:
    values = np.sqrt(BARS.close)
    found = rsi(values, 14, "simple")
    moves = np.diff(values[100:115])
    expected = 100 * moves[moves > 0].sum() / np.abs(moves).sum()
    assert found[114] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("window", [2, 14, 50])
def test_exponential_mean_when_settled_then_has_forgotten_its_beginning(window: int) -> None:
    settled = window + ema_settles(window)
    later = ema(CLOSE[100:].copy(), window)
    assert later[settled] == pytest.approx(ema(CLOSE, window)[100 + settled], rel=1e-13)
    assert later[window] != pytest.approx(ema(CLOSE, window)[100 + window], rel=1e-9)


@pytest.mark.parametrize("window", [2, 14, 50])
def test_wilder_smoothing_when_settled_then_has_forgotten_its_beginning(window: int) -> None:
    settled = window + wilder_settles(window)
    later = rsi(CLOSE[100:].copy(), window)
    assert later[settled] == pytest.approx(rsi(CLOSE, window)[100 + settled], rel=1e-12)
    assert later[window] != pytest.approx(rsi(CLOSE, window)[100 + window], rel=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: sma(BARS.close, 0),
        lambda: sma(BARS.close, 2.5),  # pyright: ignore[reportArgumentType]
        lambda: ema(BARS.close, 1),
        lambda: rsi(BARS.close, 1),
        lambda: macd(BARS.close, 26, 12),
        lambda: highest(BARS.high, 1),
        lambda: talib_function("NO_SUCH", BARS.close),
        lambda: talib_function("ROC", BARS.close, timeperiod=-1),
        lambda: talib_function("MACD", BARS.close),
    ],
)
def test_indicator_when_not_defined_then_refused(call: Any) -> None:
    with pytest.raises(BadWindow):
        call()


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_indicator_when_bars_are_few_then_unknown(rows: int) -> None:
    few = BARS[:rows]
    for line in (sma(few.close, 5), ema(few.close, 5), rsi(few.close, 5), atr(few, 5)):
        assert len(line) == rows
        assert np.isnan(line).all()
    assert np.isnan(rsi(few.close, 5, "simple")).all()
    assert all(np.isnan(line).all() for line in macd(few.close))


def test_indicator_when_given_then_cannot_be_written_into() -> None:
    for line in (sma(BARS.close, 5), ema(BARS.close, 5), rsi(BARS.close), atr(BARS)):
        with pytest.raises(ValueError, match="read-only"):
            line[0] = 1.0


def bars_of(high: Floats, low: Floats, close: Floats) -> Bars:
    rows = len(close)
    return Bars(
        time=BARS.time[:rows],
        open=close,
        high=high,
        low=low,
        close=close,
        volume=np.ones(rows),
        timeframe=BARS.timeframe,
    )


def test_true_range_when_bars_share_their_closes_alone_then_each_has_its_own() -> None:
    wider = bars_of(HIGH * 1.1, LOW * 0.9, CLOSE)
    with remembering(BARS.memory):
        ours, theirs = atr(BARS, 5), atr(wider, 5)
        assert atr(BARS, 5) is ours
    assert np.array_equal(
        theirs, TA.ATR(HIGH * 1.1, LOW * 0.9, CLOSE, timeperiod=5), equal_nan=True
    )
    assert theirs[-1] > ours[-1]


WIDE = st.integers(10**14, 10**15)


@settings(deadline=None)
@given(hnp.arrays(np.int64, st.integers(20, 120), elements=WIDE), st.integers(2, 60))
def test_mean_when_sums_pass_53_bits_then_still_nearest_double_of_the_true_one(
    ticks: npt.NDArray[np.int64], window: int
) -> None:
    for sign in (1, -1):
        found = sma(sign * ticks / 10**8, window)
        assert np.isnan(found[: window - 1]).all()
        for row in range(window - 1, len(ticks)):
            total = sign * int(ticks[row + 1 - window : row + 1].sum())
            assert found[row] == float(Fraction(total, window * 10**8))


def test_means_when_large_then_equal_wherever_they_are_and_whatever_follows() -> None:
    random = np.random.default_rng(1)
    ticks = np.tile(random.integers(10**14, 10**15, 7), 3_000)
    prices = ticks / 10**8
    fast, slow = sma(prices, 7), sma(prices, 1_400)
    assert np.array_equal(fast[1_400:], slow[1_400:])
    # 21,000 values of 10^15 ticks pass 2^63: neither sums nor the choice of path may depend on it.
    assert np.array_equal(sma(prices[:2_000].copy(), 7), fast[:2_000], equal_nan=True)


def test_mean_when_beyond_whole_numbers_then_talib_answers() -> None:
    ticks = np.full(6_000, 1.9e15)
    found = sma(ticks, 5_000)
    np.testing.assert_allclose(found[4_999:], 1.9e15, rtol=1e-12)
    wide = rsi(np.tile([1.0e15, 1.5e15], 100), 50, "simple")
    assert wide[-1] == pytest.approx(50.0)


HOLES: dict[str, Callable[[Bars], Floats]] = {
    "sma": lambda bars: sma(bars.close, 9),
    "sma of no decimals": lambda bars: sma(np.sqrt(bars.close), 9),
    "sma of 1 of no decimals": lambda bars: sma(np.sqrt(bars.close), 1),
    "ema": lambda bars: ema(bars.close, 9),
    "rsi": lambda bars: rsi(bars.close, 9),
    "simple rsi": lambda bars: rsi(bars.close, 9, "simple"),
    "stddev": lambda bars: stddev(bars.close, 9),
    "highest": lambda bars: highest(bars.high, 9),
    "macd": lambda bars: macd(bars.close, 3, 6, 3)[2],
    "atr": lambda bars: atr(bars, 9),
    "lower band": lambda bars: bollinger(bars.close, 9)[2],
    "slope": lambda bars: talib_function("LINEARREG_SLOPE", bars.close, timeperiod=9),
}


@pytest.mark.parametrize("name", HOLES)
def test_indicator_when_candles_are_missing_then_begins_anew_after_each_hole(name: str) -> None:
    present = np.ones(400, dtype=np.bool_)
    present[[0, 1, 100, 101, 102, 105, 250, 399]] = False
    holed = bars_of(*(np.where(present, part[:400], np.nan) for part in (HIGH, LOW, CLOSE)))
    found = HOLES[name](holed)
    assert np.isnan(found[~present]).all()
    for start, stop in ((2, 100), (103, 105), (106, 250), (251, 399)):
        alone = HOLES[name](bars_of(HIGH[start:stop], LOW[start:stop], CLOSE[start:stop]))
        assert np.array_equal(found[start:stop], alone, equal_nan=True)
    assert np.isfinite(found[300:399]).all()


def test_indicator_when_nothing_is_known_then_neither_is_it() -> None:
    nothing = bars_of(*(np.full(30, np.nan),) * 3)
    for compute in HOLES.values():
        assert np.isnan(compute(nothing)).all()


def test_mean_of_one_when_values_are_no_decimals_then_a_copy() -> None:
    values = np.sqrt(np.arange(1.0, 9.0))
    found = sma(values, 1)
    values[0] = 7.0
    assert found[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1.0
