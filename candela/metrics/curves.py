"""One pass over an equity curve: its sums, returns, drawdown and spans under water."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.errors import DataError
from candela.metrics.sums import EQUITY_SUMS

__all__ = ["UNDERWATER", "BadEquity", "drawdown_of", "returns_of", "sums_of", "underwater_of"]

Floats = npt.NDArray[np.float64]

UNDERWATER: Final = np.dtype(
    [
        ("start", np.int64),  # first bar below the peak before
        ("trough", np.int64),  # bar of the lowest equity
        ("recovery", np.int64),  # first bar at the peak again or above; -1: not yet
        ("bars", np.int64),  # bars below the peak
        ("depth", np.float64),  # 0..1, of the peak
    ]
)
"""One span below the highest equity before it, in order of time; the initial equity is a peak."""

_NOTHING: Final = np.empty(0)


class BadEquity(DataError):
    """An equity curve holds what is no amount of money."""

    code = "bad_equity"


def sums_of(equity: Floats, initial: float, position: Floats | None = None) -> npt.NDArray[np.void]:
    """Return the sums of a whole curve as an array of one ``EQUITY_SUMS``.

    Parameters
    ----------
    equity
        ``(n,)`` quote, at the close of each bar; never negative.
    initial
        Quote, before the first bar; positive.
    position
        ``(n,)`` units held at each close; without it ``exposed`` is -1.

    Returns
    -------
    out
        ``(1,)``; ``traded``, ``fees``, ``slippage``, ``funding``, ``orders`` and ``rejected`` are
        0: a curve does not tell them.

    Raises
    ------
    BadEquity
        A value is NaN, infinite or negative, or the initial equity is not positive.
    """
    curve = _array(equity)
    _refuse_bad_initial(initial)
    held = _NOTHING if position is None else _array(position)
    if position is not None and held.shape != curve.shape:
        message = f"There are {held.size} positions for {curve.size} bars of equity."
        raise BadEquity(message, "Give the units held at each close, one a bar.")
    out = np.zeros(1, EQUITY_SUMS)
    if not _sum_curve(curve, float(initial), out):
        _refuse_bad_value(curve)
    out["exposed"] = -1 if position is None else _count_held(held)
    return out


def returns_of(equity: Floats, initial: float) -> Floats:
    """Return the ``(n,)`` returns of the bars, the first against the initial equity.

    After an equity of 0 every return is 0.

    Raises
    ------
    BadEquity
        As in ``sums_of``.
    """
    curve = _checked(equity, initial)
    return _returns(curve, float(initial))


def drawdown_of(equity: Floats, initial: float) -> Floats:
    """Return how far below its highest value before the equity is, ``(n,)``, 0 to 1.

    Raises
    ------
    BadEquity
        As in ``sums_of``.
    """
    curve = _checked(equity, initial)
    return _drawdown(curve, float(initial))


def underwater_of(equity: Floats, initial: float) -> npt.NDArray[np.void]:
    """Return the spans below the highest equity before, as ``UNDERWATER`` in order of time.

    Raises
    ------
    BadEquity
        As in ``sums_of``.
    """
    curve = _checked(equity, initial)
    # A span and its recovery take two bars at least; the last one may lack its recovery.
    out = np.zeros((curve.size + 1) // 2, UNDERWATER)
    return out[: _underwater(curve, float(initial), out)]


def _array(values: Floats) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float64)


def _checked(equity: Floats, initial: float) -> Floats:
    curve = _array(equity)
    _refuse_bad_initial(initial)
    _refuse_bad_value(curve)
    return curve


def _refuse_bad_initial(initial: float) -> None:
    if not 0 < initial < np.inf:
        message = f"The initial equity is {initial}, which no return can be counted from."
        raise BadEquity(message, "Start with a positive amount of cash.")


def _refuse_bad_value(curve: Floats) -> None:
    bar = _first_bad(curve)
    if bar >= 0:
        message = f"Equity is {curve[bar]} at bar {bar}, which is no amount of money."
        raise BadEquity(message, "Look at the prices and fills of that bar: one is NaN or wrong.")


@compiled
def _sum_curve(equity: Floats, initial: float, out: npt.NDArray[np.void]) -> bool:
    """Fill the sums of returns and the drawdown; return False where a value may be bad.

    Drawdown is divided once a span, not once a bar: a division costs as much as all the rest.
    """
    bars = equity.shape[0]
    first = second = third = fourth = down = 0.0
    before = peak = low = initial
    deepest = 0.0
    peak_bar = -1
    longest = 0
    for bar in range(bars):
        value = equity[bar]
        change = (value - before) / before if before > 0.0 else 0.0
        square = change * change
        first += change
        second += square
        third += square * change
        fourth += square * square
        if change < 0.0:
            down += square
        if value >= peak:
            if low < peak:
                deepest = max(deepest, (peak - low) / peak)
                longest = max(longest, bar - 1 - peak_bar)
            peak = low = value
            peak_bar = bar
        elif value < low:
            low = value
        before = value
    if low < peak:
        deepest = max(deepest, (peak - low) / peak)
        longest = max(longest, bars - 1 - peak_bar)
    record = out[0]
    record["bars"] = bars
    record["initial"] = initial
    record["final"] = before
    record["sum_r"] = first
    record["sum_r2"] = second
    record["sum_r3"] = third
    record["sum_r4"] = fourth
    record["sum_down2"] = down
    record["max_drawdown"] = deepest
    record["longest_drawdown"] = longest
    # A NaN or an infinity makes the sum of squares one; a negative value a drawdown over 1.
    return second < np.inf and deepest <= 1.0


@compiled
def _count_held(position: Floats) -> int:
    held = 0
    for bar in range(position.shape[0]):
        if position[bar] != 0.0:
            held += 1
    return held


@compiled
def _first_bad(equity: Floats) -> int:
    for bar in range(equity.shape[0]):
        if not 0.0 <= equity[bar] < np.inf:
            return bar
    return -1


@compiled
def _returns(equity: Floats, initial: float) -> Floats:
    out = np.empty(equity.shape[0])
    before = initial
    for bar in range(equity.shape[0]):
        value = equity[bar]
        out[bar] = (value - before) / before if before > 0.0 else 0.0
        before = value
    return out


@compiled
def _drawdown(equity: Floats, initial: float) -> Floats:
    out = np.empty(equity.shape[0])
    peak = initial
    for bar in range(equity.shape[0]):
        peak = max(peak, equity[bar])
        out[bar] = (peak - equity[bar]) / peak
    return out


@compiled
def _underwater(equity: Floats, initial: float, out: npt.NDArray[np.void]) -> int:
    spans = 0
    peak = low = initial
    start = trough = -1
    for bar in range(equity.shape[0] + 1):
        is_end = bar == equity.shape[0]
        if not is_end and equity[bar] < peak:
            if start < 0:
                start = bar
                low = peak
            if equity[bar] < low:
                low = equity[bar]
                trough = bar
            continue
        if start >= 0:
            record = out[spans]
            record["start"] = start
            record["trough"] = trough
            record["recovery"] = -1 if is_end else bar
            record["bars"] = bar - start
            record["depth"] = (peak - low) / peak
            spans += 1
            start = -1
        if not is_end:
            peak = equity[bar]
    return spans
