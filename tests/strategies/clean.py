"""Strategies without a fault, of many kinds: none of them may raise an alarm."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from strategies.bars import Bars
from strategies.conditions import Cross, crossed_above, crossed_below
from strategies.definition import ALL_BARS
from strategies.indicators import atr, bollinger, ema, highest, lowest, rsi, sma, talib_function
from strategies.memory import remember
from strategies.registry import find, shipped
from strategies.signals import Signals
from tests.strategies.planting import ETH, Case, Plain, case

__all__ = ["CLEAN"]

CLEAN: Final[list[Case]] = []
_HOUR: Final = 3_600_000_000
_DAY: Final = 24 * _HOUR

VARIANTS: Final[dict[str, list[dict[str, Any]]]] = {
    "ma_cross": [
        {"fast": 5, "slow": 20},
        {"fast": 2, "slow": 3, "short": True},
        {"fast": 10, "slow": 30, "kind": "exponential"},
    ],
    "rsi_reversion": [
        {"smoothing": "simple"},
        {"smoothing": "simple", "window": 2, "enter": 10, "leave": 70, "stop": 0.02},
        {"window": 7, "enter": 20, "leave": 80, "target": 0.03},
    ],
    "macd_trend": [
        {"with_trend": True, "short": True},
        {"fast": 5, "slow": 15, "signal": 3},
    ],
    "bollinger_breakout": [
        {"short": True, "stop": 0.03},
        {"window": 50, "width": 1.0},
        {"window": 5, "width": 1.5},
    ],
    "donchian_breakout": [
        {"enter": 55, "leave": 20, "short": True},
        {"stop_ranges": 0, "enter": 10, "leave": 5},
        {"range_window": 5, "stop_ranges": 4},
    ],
    "mtf_trend": [
        {"longer": 24, "trend": 10},
        {"longer": 2, "trend": 5, "kind": "exponential"},
        {"longer": 168, "trend": 3},
        {"longer": 7, "trend": 10, "entry": 5},
    ],
    "grid": [
        {"window": 24, "spacing": 0.005, "lines": 10},
        {"share": 0, "sold": 1, "lines": 1},
    ],
    "dca": [
        {"every": 7, "target": 0, "stop": 0.1},
        {"dip": 0.01, "every": 1},
        {"dip": 0.02, "every": 24, "window": 48},
        {"every": 500},
    ],
    "ensemble": [{"needed": 1}, {"needed": 5, "memory": 50}],
    "rsi_payout": [{"expiry": 1, "low": 20, "high": 80}, {"smoothing": "simple"}],
}

for _one in shipped():
    CLEAN.append(Case(_one, _one.with_values()))
for _name, _variants in VARIANTS.items():
    for _values in _variants:
        _found = find(_name)
        CLEAN.append(Case(_found, _found.with_values(_values)))


@case(CLEAN, warm_up=ALL_BARS)
def expanding_mean(bars: Bars, parameters: Plain) -> Signals:
    """Compares the close with the mean of all closes so far."""
    mean = np.cumsum(bars.close) / np.arange(1, len(bars) + 1)
    return Signals(long_entries=bars.close > mean, long_exits=bars.close < mean)


@case(CLEAN, warm_up=ALL_BARS)
def expanding_score(bars: Bars, parameters: Plain) -> Signals:
    """Scales by mean and deviation of the closes so far."""
    count = np.arange(1, len(bars) + 1)
    mean = np.cumsum(bars.close) / count
    spread = np.sqrt(np.maximum(np.cumsum(bars.close**2) / count - mean**2, 0.0))
    return Signals(long_entries=bars.close < mean - spread, long_exits=bars.close > mean + spread)


@case(CLEAN, warm_up=ALL_BARS)
def drawdown_so_far(bars: Bars, parameters: Plain) -> Signals:
    """Buys a tenth below the highest close so far."""
    peak = np.maximum.accumulate(bars.close)
    return Signals(long_entries=bars.close < 0.9 * peak, long_exits=bars.close >= peak)


@case(CLEAN, warm_up=ALL_BARS)
def balance_of_volume(bars: Bars, parameters: Plain) -> Signals:
    """Follows volume summed since the first bar, and says so by its warm-up."""
    total = np.cumsum(np.sign(np.diff(bars.close, prepend=bars.close[:1])) * bars.volume)
    return Signals(long_entries=total > 0, long_exits=total < 0, panes={"volume/total": total})


@case(CLEAN, warm_up=ALL_BARS)
def walk_with_state_of_its_own(bars: Bars, parameters: Plain) -> Signals:
    """Walks bar by bar with variables that end with the call: a zigzag seen when confirmed."""
    entries = np.zeros(len(bars), dtype=np.bool_)
    trough = np.inf
    for row, close in enumerate(bars.close):
        trough = min(trough, close)
        if close > 1.02 * trough:
            entries[row] = True
            trough = close
    return Signals(long_entries=entries)


@case(CLEAN, warm_up=48)
def price_of_the_day(bars: Bars, parameters: Plain) -> Signals:
    """Compares the close with the volume-weighted mean price since midnight."""
    day = bars.time // _DAY
    frame = pl.DataFrame({"day": day, "value": bars.typical * bars.volume, "volume": bars.volume})
    sums = frame.select(pl.col("value", "volume").cum_sum().over("day"))
    price = (sums["value"] / sums["volume"]).to_numpy()
    return Signals(
        long_entries=bars.close > 1.002 * price,
        long_exits=bars.close < price,
        panes={"price of the day": price},
    )


@case(CLEAN, warm_up=48)
def high_of_the_day_so_far(bars: Bars, parameters: Plain) -> Signals:
    """Buys new highs of the day after its sixth hour; starts anew at midnight."""
    frame = pl.DataFrame({"day": bars.time // _DAY, "high": bars.high})
    so_far = frame.select(pl.col("high").cum_max().shift(1).over("day"))["high"].to_numpy()
    hour = bars.time // _HOUR % 24
    return Signals(long_entries=(bars.close > so_far) & (hour >= 6), long_exits=hour == 23)


@case(CLEAN, warm_up=72)
def high_of_yesterday(bars: Bars, parameters: Plain) -> Signals:
    """Buys above the high of the last closed day, sells below its low."""
    days = bars.higher("1d")
    high, low = days.align(days.bars.high), days.align(days.bars.low)
    return Signals(long_entries=bars.close > high, long_exits=bars.close < low)


@case(CLEAN, warm_up=24 * 7 * 3)
def week_before(bars: Bars, parameters: Plain) -> Signals:
    """Buys when the last closed week rose."""
    weeks = bars.higher("1w")
    rose = weeks.align(weeks.bars.close - weeks.bars.open)
    return Signals(long_entries=rose > 0, long_exits=rose < 0)


@case(CLEAN, warm_up=0)
def hours_of_the_day(bars: Bars, parameters: Plain) -> Signals:
    """Holds over night."""
    hour = bars.time // _HOUR % 24
    return Signals(long_entries=hour == 21, long_exits=hour == 6)


@case(CLEAN, warm_up=0)
def days_of_the_week(bars: Bars, parameters: Plain) -> Signals:
    """Holds from Friday to Monday."""
    day = (bars.time // _DAY + 3) % 7
    return Signals(long_entries=day == 4, long_exits=day == 0)


@case(CLEAN, warm_up=0)
def turn_of_the_month(bars: Bars, parameters: Plain) -> Signals:
    """Holds the last days of a month and the first of the next, by the calendar."""
    day = pl.Series(bars.time).cast(pl.Datetime("us")).dt.day().to_numpy()
    return Signals(long_entries=day >= 28, long_exits=(day >= 4) & (day < 28))


@case(CLEAN, warm_up=1)
def after_a_hole(bars: Bars, parameters: Plain) -> Signals:
    """Leaves on the bar that shows that others before it are missing."""
    after_hole = np.append(False, np.diff(bars.time) > _HOUR)[: len(bars)]
    return Signals(long_entries=bars.close > bars.open, long_exits=after_hole)


@case(CLEAN, warm_up=3)
def three_rising(bars: Bars, parameters: Plain) -> Signals:
    """Buys after three rising bars, sells after two falling ones."""
    rises = np.append(False, np.diff(bars.close) > 0)[: len(bars)]
    falls = np.append(False, np.diff(bars.close) < 0)[: len(bars)]
    padded, fell = np.concatenate([[False] * 2, rises]), np.append(False, falls)
    return Signals(
        long_entries=padded[2:] & padded[1:-1] & padded[:-2], long_exits=fell[1:] & fell[:-1]
    )


@case(CLEAN, warm_up=1)
def inside_bar(bars: Bars, parameters: Plain) -> Signals:
    """Buys after a bar that lies inside the one before it."""
    inside = np.zeros(len(bars), dtype=np.bool_)
    inside[1:] = (bars.high[1:] < bars.high[:-1]) & (bars.low[1:] > bars.low[:-1])
    return Signals(long_entries=inside, stop_loss=0.01, take_profit=0.02)


@case(CLEAN, warm_up=101)
def surge_of_volume(bars: Bars, parameters: Plain) -> Signals:
    """Buys when the volume is four times its mean."""
    return Signals(long_entries=bars.volume > 4 * sma(bars.volume, 100), trailing_stop=0.02)


@case(CLEAN, warm_up=100)
def quantile_of_a_window(bars: Bars, parameters: Plain) -> Signals:
    """Buys below the fifth percentile of the last hundred closes."""
    level = pl.Series(bars.close).rolling_quantile(0.05, window_size=100).to_numpy()
    return Signals(long_entries=bars.close < level, long_exits=bars.close > sma(bars.close, 100))


@case(CLEAN, warm_up=60)
def score_of_a_window(bars: Bars, parameters: Plain) -> Signals:
    """Scales by mean and deviation of the last fifty closes."""
    upper, _, lower = bollinger(bars.close, 50, 2.0)
    return Signals(long_entries=crossed_below(bars.close, lower), long_exits=bars.close > upper)


@case(CLEAN, warm_up=40)
def line_of_a_window(bars: Bars, parameters: Plain) -> Signals:
    """Follows the slope of a line through the last thirty closes."""
    slope = talib_function("LINEARREG_SLOPE", bars.close, timeperiod=30)
    return Signals(long_entries=slope > 5.0, long_exits=slope < -5.0)


@case(CLEAN, warm_up=20)
def rate_of_change(bars: Bars, parameters: Plain) -> Signals:
    """Buys a rise of 2 % in twelve bars."""
    change = talib_function("ROC", bars.close, timeperiod=12)
    return Signals(long_entries=change > 2.0, long_exits=change < 0.0)


@case(CLEAN, warm_up=600)
def channel_of_true_ranges(bars: Bars, parameters: Plain) -> Signals:
    """Buys above an exponential mean plus two true ranges, with that as its stop (Keltner)."""
    reach = 2 * atr(bars, 14)
    line = ema(bars.close, 20)
    return Signals(
        long_entries=bars.close > line + reach,
        long_exits=bars.close < line,
        stop_loss=np.clip(reach / bars.close, 1e-4, 0.9),
    )


@case(CLEAN, warm_up=500)
def weighted_by_age(bars: Bars, parameters: Plain) -> Signals:
    """Takes exponential means from polars."""
    fast = pl.Series(bars.close).ewm_mean(span=5, adjust=False).to_numpy()
    slow = pl.Series(bars.close).ewm_mean(span=20, adjust=False).to_numpy()
    cross = Cross(fast, slow)
    return Signals(long_entries=cross.above, long_exits=cross.below)


@case(CLEAN, warm_up=21)
def bid_at_the_low(bars: Bars, parameters: Plain) -> Signals:
    """Bids at the low of twenty bars, in three legs, and sells in halves."""
    low = lowest(bars.low, 20)
    return Signals(
        long_entries=bars.close > low,
        long_exits=crossed_above(bars.close, sma(bars.close, 10)),
        limit_price=low,
        exit_fraction=0.5,
        legs=3,
        size=0.3,
    )


@case(CLEAN, warm_up=0)
def chance_by_time(bars: Bars, parameters: Plain) -> Signals:
    """Enters by chance that follows from the time of a bar alone."""
    mixed = (bars.time // _HOUR * 2_654_435_761) % 2**32
    return Signals(long_entries=mixed < 2**32 // 50, long_exits=mixed > 2**32 // 50 * 49)


@case(CLEAN, warm_up=30)
def remembered_rightly(bars: Bars, parameters: Plain) -> Signals:
    """Remembers a line of its own under a key with its window."""

    def line() -> npt.NDArray[np.float64]:
        return np.asarray(highest(bars.high, parameters.window) * 0.99)

    level = remember(("my line", parameters.window), bars.high, line)
    return Signals(long_entries=bars.close < level, panes={"line": level})


@case(CLEAN, warm_up=500)
def decides_nothing(bars: Bars, parameters: Plain) -> Signals:
    """Draws the RSI and trades nothing."""
    return Signals(panes={"rsi/RSI": rsi(bars.close)})


@case(CLEAN, warm_up=0)
def holds_from_the_start(bars: Bars, parameters: Plain) -> Signals:
    """Is always long."""
    return Signals(long_entries=np.ones(len(bars), dtype=np.bool_))


@case(CLEAN, warm_up=50)
def other_market(bars: Bars, parameters: Plain) -> Signals:
    """Follows another instrument on the same times."""
    other = bars.other(ETH)
    return Signals(
        long_entries=other.close / other.open > 1.01,
        long_exits=bars.close / bars.open > 1.01,
        panes={"ratio/ETH in BTC": other.close / bars.close},
    )


@case(CLEAN, warm_up=3)
def calls_and_puts(bars: Bars, parameters: Plain) -> Signals:
    """Bets against the last bar."""
    return Signals(calls=bars.close < bars.open, puts=bars.close > bars.open, expiry=3)
