"""Indicators: TA-Lib's, remembered while a sweep runs, and the exact simple mean.

Each takes (n,) float64, oldest first, and returns (n,) float64 that nobody may write into, NaN
while warming up. Row i uses rows 0 to i only. After a NaN (a candle that another instrument lacks)
an indicator begins anew with the rows that follow it.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from candela.errors import StrategyError
from candela.market.arrays import frozen_floats
from strategies.bars import Bars
from strategies.deviations import deviations_of_sums
from strategies.means import decimal_sums, means_of_sums, wide_means_of_sums
from strategies.memory import remember, sealed
from strategies.stretches import on_stretches
from strategies.talib_door import talib

__all__ = [
    "BadWindow",
    "atr",
    "bollinger",
    "donchian",
    "ema",
    "ema_settles",
    "highest",
    "lowest",
    "macd",
    "mean",
    "rsi",
    "sma",
    "stddev",
    "talib_function",
    "wilder_settles",
]

Floats = npt.NDArray[np.float64]
MeanKind = Literal["simple", "exponential"]

_LARGEST_ROOT: Final = 3.0e9  # of a signed 64-bit integer
_LARGEST_EXACT: Final = 2.0**53  # whole numbers below it are doubles
_LARGEST_SUM: Final = 2.0**63
_LARGEST_DIVISOR: Final = 2.0**43  # of means in more than 53 bits
_Sums = tuple[npt.NDArray[np.int64], float, float]


class BadWindow(StrategyError):
    """An indicator was asked for a length it is not defined for."""

    code = "bad_window"


def _checked(name: str, window: int, least: int = 1) -> int:
    if window != int(window) or window < least:
        message = f"{name} of {window!r} bars is not defined."
        raise BadWindow(message, f"Give a whole number of bars, {least} or more.")
    return int(window)


def ema_settles(window: int) -> int:
    """Return after how many bars an exponential mean has forgotten where it began (to 1e-14)."""
    return 16 * (window + 1)


def wilder_settles(window: int) -> int:
    """Return after how many bars Wilder's smoothing has forgotten where it began (to 1e-14)."""
    return 32 * window


def sma(values: Floats, window: int) -> Floats:
    """Return the simple mean of the last ``window`` values.

    Notes
    -----
    Decimal prices are summed as whole ticks, so that the mean is the double nearest to the true
    one: the same from wherever the data begin, and equal where the true means are equal. Other
    values (indicators of indicators) go through TA-Lib's running sum.
    """
    window = _checked("The simple mean", window)
    return remember(("sma", window), values, lambda: _sma(values, window))


def _sma(values: Floats, window: int) -> Floats:
    sums = remember("sums", values, lambda: _sums(values))
    found = _exact_means(sums, window, len(values))
    if found is None:
        # Not decimals, or not all known: each stretch between unknown values is tried alone.
        found = on_stretches(lambda part: _mean_of_stretch(part, window), values)
    return sealed(found)


def _mean_of_stretch(values: Floats, window: int) -> Floats:
    found = _exact_means(_sums(values), window, len(values))
    if found is not None:
        return found
    return talib().SMA(frozen_floats(values), timeperiod=window) if window > 1 else values.copy()


def _exact_means(sums: _Sums, window: int, rows: int) -> Floats | None:
    running, scale, bound = sums
    if scale == 0.0:
        return None
    means = np.empty(rows)
    if window * bound < _LARGEST_EXACT:
        means_of_sums(running, window, scale, means)
    elif window * bound < _LARGEST_SUM and window * scale < _LARGEST_DIVISOR:
        wide_means_of_sums(running, window, scale, means)
    else:
        return None
    return means


def _sums(values: Floats) -> _Sums:
    sums = np.empty(len(values) + 1, dtype=np.int64)
    scale, bound = decimal_sums(frozen_floats(values), sums)
    return sealed(sums if scale else np.empty(0, np.int64)), scale, bound


def ema(values: Floats, window: int) -> Floats:
    """Return the exponential mean with the weight 2 / (window + 1) of the newest value.

    Source: TA-Lib EMA, begun with the simple mean of the first ``window`` values.
    """
    window = _checked("The exponential mean", window, 2)
    return talib_function("EMA", values, timeperiod=window)


def mean(values: Floats, window: int, kind: MeanKind) -> Floats:
    """Return the simple or the exponential mean."""
    return sma(values, window) if kind == "simple" else ema(values, window)


def rsi(
    values: Floats, window: int = 14, smoothing: Literal["wilder", "simple"] = "wilder"
) -> Floats:
    """Return the relative strength index, 0 to 100; NaN where nothing moved.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems, 1978 (TA-Lib RSI); ``simple``
    takes plain means of rises and falls instead (Cutler).
    """
    window = _checked("RSI", window, 2)
    if smoothing == "wilder":
        return talib_function("RSI", values, timeperiod=window)
    return remember(
        ("cutler", window),
        values,
        lambda: sealed(on_stretches(lambda part: _cutler(part, window), values)),
    )


def _cutler(values: Floats, window: int) -> Floats:
    sums, scale, bound = remember("sums", values, lambda: _sums(values))
    if scale and len(values) > window and 2.0 * window * bound < _LARGEST_EXACT:
        # In whole ticks, so that an index of exactly 50 is 50 from wherever the data begin.
        ticks = np.diff(np.diff(sums), prepend=sums[1])
        rises = _last(np.maximum(ticks, 0), window)
        falls = _last(np.maximum(-ticks, 0), window)
    else:
        moves = np.diff(values, prepend=np.nan)[: len(values)]
        rises = talib().SMA(np.maximum(moves, 0.0), timeperiod=window)
        falls = talib().SMA(np.maximum(-moves, 0.0), timeperiod=window)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 100.0 * rises / (rises + falls)


def _last(ticks: npt.NDArray[np.int64], window: int) -> Floats:
    """Return the sums of the last ``window`` ticks, NaN where the first move is unknown."""
    total = np.cumsum(ticks)
    return np.append(np.full(window, np.nan), total[window:] - total[:-window])


def macd(
    values: Floats, fast: int = 12, slow: int = 26, signal: int = 9
) -> tuple[Floats, Floats, Floats]:
    """Return the difference of two exponential means, its exponential mean, and their gap.

    Source: G. Appel, The Moving Average Convergence Divergence Method, 1979 (TA-Lib MACD).

    Raises
    ------
    BadWindow
        ``slow`` is not above ``fast``.
    """
    _checked("The fast mean of MACD", fast, 2)
    _checked("The signal of MACD", signal)
    if slow <= fast:
        message = f"MACD needs a slow mean longer than the fast one; given {fast} and {slow}."
        raise BadWindow(message, f"Give slow above {fast}.")

    def lines(part: Floats) -> Floats:
        if not len(part):
            return np.empty((3, 0))
        return np.array(
            talib().MACD(frozen_floats(part), fastperiod=fast, slowperiod=slow, signalperiod=signal)
        )

    line, mean_line, gap = remember(
        ("macd", fast, slow, signal),
        values,
        lambda: tuple(sealed(part) for part in on_stretches(lines, values)),
    )
    return line, mean_line, gap


def stddev(values: Floats, window: int) -> Floats:
    """Return the standard deviation of the last ``window`` values (divided by their number).

    Notes
    -----
    Of decimal prices it is computed in whole ticks, as the mean is: prices on coarse ticks lie
    exactly on a band of two deviations, and a running sum would decide by its rounding.
    """
    window = _checked("Deviation", window, 2)
    return remember(
        ("stddev", window),
        values,
        lambda: sealed(on_stretches(lambda part: _stddev(part, window), values)),
    )


def _stddev(values: Floats, window: int) -> Floats:
    if not len(values):
        return np.empty(0)
    sums, scale, _ = remember("sums", values, lambda: _sums(values))
    if scale == 0.0 or not _fits(values, window, scale):
        return talib().STDDEV(frozen_floats(values), timeperiod=window)
    deviations = np.empty(len(values))
    deviations_of_sums(sums, window, scale, deviations)
    return deviations


def _fits(values: Floats, window: int, scale: float) -> bool:
    """Whether the variance of any window, times the window's square, fits 64 bits."""
    if len(values) < window:
        return True
    widest = np.nanmax(highest(values, window) - lowest(values, window))
    return bool(window * widest * scale / 2 < _LARGEST_ROOT)


def bollinger(
    values: Floats, window: int = 20, width: float = 2.0
) -> tuple[Floats, Floats, Floats]:
    """Return the upper band, the simple mean and the lower band.

    Source: J. Bollinger, Bollinger on Bollinger Bands, 2001.
    """
    middle = sma(values, window)
    spread = width * stddev(values, window)
    return sealed(middle + spread), middle, sealed(middle - spread)


def highest(values: Floats, window: int) -> Floats:
    """Return the highest of the last ``window`` values."""
    return talib_function("MAX", values, timeperiod=_checked("The highest", window, 2))


def lowest(values: Floats, window: int) -> Floats:
    """Return the lowest of the last ``window`` values."""
    return talib_function("MIN", values, timeperiod=_checked("The lowest", window, 2))


def donchian(bars: Bars, window: int) -> tuple[Floats, Floats]:
    """Return the highest high and the lowest low of the ``window`` bars before each bar.

    The bar itself is left out, so that a close can break out of the channel.
    Source: R. Donchian's four-week rule, 1960.
    """
    return _before(highest(bars.high, window)), _before(lowest(bars.low, window))


def _before(values: Floats) -> Floats:
    def shifted() -> Floats:
        return sealed(np.append(np.nan, values[:-1])[: len(values)])

    return remember("before", values, shifted)


def atr(bars: Bars, window: int = 14) -> Floats:
    """Return the average true range, in quote per base.

    Source: J. W. Wilder, 1978 (TA-Lib ATR).
    """
    window = _checked("The average true range", window)

    def ranges(part: Floats) -> Floats:
        return talib().ATR(*part, timeperiod=window)

    return remember(
        ("atr", window),
        bars.kept,
        lambda: sealed(on_stretches(ranges, np.array([bars.high, bars.low, bars.close]))),
    )


def talib_function(name: str, values: Floats, **options: Any) -> Floats:
    """Return any function of TA-Lib of one array, such as ``talib_function("ROC", close, ...)``.

    Raises
    ------
    BadWindow
        TA-Lib has no such function, or refuses the options.
    """
    key = (name, tuple(sorted(options.items())))
    return remember(
        key,
        values,
        lambda: sealed(on_stretches(lambda part: _call(name, part, options), values)),
    )


def _call(name: str, values: Floats, options: dict[str, Any]) -> Floats:
    function = getattr(talib(), name, None)
    if function is None:
        message = f"TA-Lib has no function {name}."
        raise BadWindow(message, "Its functions are named in capitals, such as ROC or LINEARREG.")
    if not len(values):
        return np.empty(0)
    try:
        result: Any = function(frozen_floats(values), **options)
    except Exception as error:
        said = ", ".join(f"{key}={value}" for key, value in options.items())
        message = f"TA-Lib's {name} refuses {said}: {error}."
        raise BadWindow(message, "See its documentation for what it takes.") from error
    if isinstance(result, tuple):
        message = f"TA-Lib's {name} gives several lines."
        raise BadWindow(message, "Call talib() for functions of several lines.")
    return np.ascontiguousarray(result, dtype=np.float64)
