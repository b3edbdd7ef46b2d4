"""Planted leaks that look ahead: decisions that nobody could have made at their bar."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from strategies.bars import Bars
from strategies.conditions import Cross, crossed_above
from strategies.indicators import rsi, sma
from strategies.signals import Signals
from tests.strategies.planting import ETH, Case, Plain, case

__all__ = ["FORESIGHT", "ahead"]

Floats = npt.NDArray[np.float64]

FORESIGHT: Final[list[Case]] = []
_HOUR: Final = 3_600_000_000
_DAY: Final = 24 * _HOUR


def ahead(values: Floats, by: int = 1) -> Floats:
    """Return for each row the value ``by`` rows later, NaN at the end."""
    return np.append(values[by:], np.full(by, np.nan))


@case(FORESIGHT, "look_ahead")
def negative_shift(bars: Bars, parameters: Plain) -> Signals:
    """Buys when the next close is higher."""
    return Signals(
        long_entries=ahead(bars.close) > bars.close, long_exits=ahead(bars.close) < bars.close
    )


@case(FORESIGHT, "look_ahead")
def shift_of_a_filter(bars: Bars, parameters: Plain) -> Signals:
    """Crosses means rightly, but confirms with the RSI of the next bar."""
    cross = Cross(sma(bars.close, 10), sma(bars.close, 40))
    return Signals(long_entries=cross.above & (ahead(rsi(bars.close)) > 50), long_exits=cross.below)


@case(FORESIGHT, "look_ahead")
def roll_wraps_around(bars: Bars, parameters: Plain) -> Signals:
    """Takes the bar before by np.roll, which gives the first bar the last one."""
    return Signals(long_entries=np.roll(bars.close, 1) > bars.close)


@case(FORESIGHT, "look_ahead")
def centred_window(bars: Bars, parameters: Plain) -> Signals:
    """Compares the close with a mean that is centred on it."""
    mean = pl.Series(bars.close).rolling_mean(parameters.window + 1, center=True).to_numpy()
    return Signals(long_entries=bars.close > mean, long_exits=bars.close < mean)


@case(FORESIGHT, "look_ahead")
def forward_window(bars: Bars, parameters: Plain) -> Signals:
    """Buys where the lowest low of the coming bars is not lower."""
    lows = pl.Series(bars.low).reverse().rolling_min(5).reverse().to_numpy()
    return Signals(long_entries=lows >= bars.low)


@case(FORESIGHT, "look_ahead")
def whole_z_score(bars: Bars, parameters: Plain) -> Signals:
    """Scales by mean and deviation of all bars."""
    score = (bars.close - bars.close.mean()) / max(bars.close.std(), 1e-9)
    return Signals(long_entries=score < -1, long_exits=score > 1)


@case(FORESIGHT, "look_ahead")
def whole_min_max(bars: Bars, parameters: Plain) -> Signals:
    """Scales to the lowest and highest close of all bars."""
    low, high = bars.close.min(), bars.close.max()
    place = (bars.close - low) / max(high - low, 1e-9)
    return Signals(long_entries=place < 0.05, long_exits=place > 0.95)


@case(FORESIGHT, "look_ahead")
def whole_quantile(bars: Bars, parameters: Plain) -> Signals:
    """Calls a volume large by the quantile of all bars."""
    return Signals(long_entries=bars.volume > np.quantile(bars.volume, 0.99))


@case(FORESIGHT, "look_ahead")
def whole_rank(bars: Bars, parameters: Plain) -> Signals:
    """Ranks moves among all moves."""
    moves = bars.close / bars.open
    ranks = np.argsort(np.argsort(moves)) / len(moves)
    return Signals(long_entries=ranks < 0.01, long_exits=ranks > 0.99)


@case(FORESIGHT, "look_ahead")
def widest_of_all(bars: Bars, parameters: Plain) -> Signals:
    """Buys once, at the widest bar of all, and sells at the one of the largest volume."""
    rows = np.arange(len(bars))
    return Signals(
        long_entries=rows == (bars.high - bars.low).argmax(),
        long_exits=rows == bars.volume.argmax(),
    )


@case(FORESIGHT, "look_ahead")
def fitted_trend(bars: Bars, parameters: Plain) -> Signals:
    """Trades around a straight line fitted through all bars."""
    rows = np.arange(len(bars), dtype=np.float64)
    centred = rows - rows.mean()
    slope = (centred @ bars.close) / max(centred @ centred, 1.0)
    rest = bars.close - bars.close.mean() - slope * centred
    return Signals(long_entries=rest < -300, long_exits=rest > 300)


@case(FORESIGHT, "look_ahead")
def fourier_smoothing(bars: Bars, parameters: Plain) -> Signals:
    """Smooths by dropping high frequencies of the transform of all bars."""
    spectrum = np.fft.rfft(bars.close)
    spectrum[max(len(spectrum) // 20, 2) :] = 0
    smooth = np.fft.irfft(spectrum, n=len(bars))
    return Signals(long_entries=smooth > bars.close, long_exits=smooth < bars.close)


@case(FORESIGHT, "look_ahead")
def both_ways_filter(bars: Bars, parameters: Plain) -> Signals:
    """Smooths forwards and then backwards, to have no lag."""
    series = pl.Series(bars.close).ewm_mean(span=8, adjust=False)
    smooth = series.reverse().ewm_mean(span=8, adjust=False).reverse().to_numpy()
    return Signals(long_entries=bars.close < smooth * 0.99, long_exits=bars.close > smooth)


@case(FORESIGHT, "look_ahead")
def reversed_maximum(bars: Bars, parameters: Plain) -> Signals:
    """Sells at highs that are not exceeded any more."""
    coming = np.maximum.accumulate(bars.high[::-1])[::-1]
    falling = np.minimum.accumulate(bars.low[::-1])[::-1]
    return Signals(long_entries=bars.low <= falling, long_exits=bars.high >= coming)


@case(FORESIGHT, "look_ahead")
def trained_on_all(bars: Bars, parameters: Plain) -> Signals:
    """Fits next moves to the last two moves over all bars, then trades the fit on the same bars."""
    moves = np.diff(np.log(bars.close), prepend=np.log(bars.close[:1]))
    table = np.column_stack([moves, np.append(0.0, moves[:-1]), np.ones(len(moves))])
    weights = np.linalg.lstsq(table[:-1], moves[1:], rcond=None)[0]
    guess = table @ weights
    return Signals(long_entries=guess > 0.0005, long_exits=guess < 0)


@case(FORESIGHT, "look_ahead")
def day_known_at_dawn(bars: Bars, parameters: Plain) -> Signals:
    """Gives every hour the close of its day, which is still open."""
    frame = pl.DataFrame({"day": bars.time // _DAY, "close": bars.close})
    closes = frame.select(pl.col("close").last().over("day"))["close"].to_numpy()
    return Signals(long_entries=closes > bars.close, long_exits=closes < bars.close)


@case(FORESIGHT, "look_ahead")
def wrong_label(bars: Bars, parameters: Plain) -> Signals:
    """Rolls up to four hours labelled by their start, and joins them to that start."""
    frame = pl.DataFrame({"time": bars.time, "close": bars.close}).with_columns(
        pl.col("time").cast(pl.Datetime("us"))
    )
    four = frame.group_by_dynamic("time", every="4h", label="left").agg(last=pl.col("close").last())
    joined = frame.join_asof(four, on="time")["last"].to_numpy()
    return Signals(long_entries=joined > bars.close * 1.002, long_exits=joined < bars.close)


@case(FORESIGHT, "look_ahead")
def next_higher_bar(bars: Bars, parameters: Plain) -> Signals:
    """Aligns longer bars by their number instead of by their end, one too early."""
    longer = bars.higher("4h")
    rows = np.minimum(longer.last_closed + 1, len(longer.bars) - 1)
    close = longer.bars.close[rows] if len(longer.bars) else np.full(len(bars), np.nan)
    return Signals(long_entries=close > bars.close, long_exits=close < bars.close)


@case(FORESIGHT, "look_ahead")
def backfilled(bars: Bars, parameters: Plain) -> Signals:
    """Fills the warm-up of an indicator from its first value."""
    index = pl.Series(rsi(bars.close)).fill_nan(None).fill_null(strategy="backward").to_numpy()
    return Signals(long_entries=index > 40, long_exits=index < 40)


@case(FORESIGHT, "look_ahead")
def interpolated(bars: Bars, parameters: Plain) -> Signals:
    """Joins the highs of every tenth bar by straight lines."""
    place = bars.time // (10 * _HOUR)
    knots = np.flatnonzero(np.diff(place, prepend=place[:1] - 1))
    line = np.interp(np.arange(len(bars)), knots, bars.high[knots])
    return Signals(long_entries=bars.close > line, long_exits=bars.close < line)


@case(FORESIGHT, "look_ahead")
def volume_to_come(bars: Bars, parameters: Plain) -> Signals:
    """Buys before the three bars of large volume."""
    coming = ahead(bars.volume, 1) + ahead(bars.volume, 2) + ahead(bars.volume, 3)
    return Signals(long_entries=coming > 12 * sma(bars.volume, 100))


@case(FORESIGHT, "look_ahead")
def limit_at_next_open(bars: Bars, parameters: Plain) -> Signals:
    """Crosses means rightly, and bids just below the open of the next bar."""
    cross = Cross(sma(bars.close, 10), sma(bars.close, 40))
    return Signals(
        long_entries=cross.above, long_exits=cross.below, limit_price=ahead(bars.open) * 0.999
    )


@case(FORESIGHT, "look_ahead")
def stop_below_coming_low(bars: Bars, parameters: Plain) -> Signals:
    """Crosses means rightly, with a stop that the next ten bars do not reach."""
    cross = Cross(sma(bars.close, 10), sma(bars.close, 40))
    lows = pl.Series(bars.low).reverse().rolling_min(10).reverse().to_numpy()
    stop = np.clip(1 - ahead(lows) / bars.close * 0.999, 0.0005, 0.9)
    return Signals(long_entries=cross.above, long_exits=cross.below, stop_loss=stop)


@case(FORESIGHT, "look_ahead")
def size_by_outcome(bars: Bars, parameters: Plain) -> Signals:
    """Crosses means rightly, and buys more before gains."""
    cross = Cross(sma(bars.close, 10), sma(bars.close, 40))
    size = np.where(ahead(bars.close, 5) > bars.close, 1.0, 0.1)
    return Signals(long_entries=cross.above, long_exits=cross.below, size=size)


@case(FORESIGHT, "look_ahead")
def rare_foresight(bars: Bars, parameters: Plain) -> Signals:
    """Crosses means rightly, and leaves before the few crashes of more than 3 %."""
    cross = Cross(sma(bars.close, 10), sma(bars.close, 40))
    return Signals(
        long_entries=cross.above, long_exits=cross.below | (ahead(bars.close) < 0.97 * bars.close)
    )


@case(FORESIGHT, "look_ahead")
def foresight_never_needed(bars: Bars, parameters: Plain) -> Signals:
    """Leaves before the price halves within a bar, which it does not on these bars."""
    cross = Cross(sma(bars.close, 10), sma(bars.close, 40))
    return Signals(
        long_entries=cross.above, long_exits=cross.below | (ahead(bars.close) < 0.5 * bars.close)
    )


@case(FORESIGHT, "look_ahead")
def hole_known_before(bars: Bars, parameters: Plain) -> Signals:
    """Leaves on the bar before candles are missing."""
    before_hole = np.append(np.diff(bars.time) > _HOUR, False)
    return Signals(
        long_entries=crossed_above(bars.close, sma(bars.close, 20)), long_exits=before_hole
    )


@case(FORESIGHT, "look_ahead")
def other_market_ahead(bars: Bars, parameters: Plain) -> Signals:
    """Follows another instrument by its next bar, as if its clock were an hour off."""
    other = bars.other(ETH)
    move = ahead(other.close) / other.close
    return Signals(long_entries=move > 1.005, long_exits=move < 1.0)


@case(FORESIGHT, "look_ahead")
def pane_of_the_future(bars: Bars, parameters: Plain) -> Signals:
    """Decides rightly, and draws a line that is centred."""
    line = pl.Series(bars.close).rolling_mean(11, center=True).to_numpy()
    return Signals(
        long_entries=crossed_above(bars.close, sma(bars.close, 20)), panes={"smooth": line}
    )
