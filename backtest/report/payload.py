"""What the charts draw, packed: typed columns in base64, aggregated where there are many bars."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from backtest.report.drawdowns import under_water
from backtest.report.reportable import Candles, Floats, Reportable
from candela.market.timeframe import Timeframe

__all__ = ["MOST_BARS", "chart_payload", "display_timeframe", "price_decimals"]

MOST_BARS: Final = 20_000
"""More bars than this are aggregated for display."""

_LADDER_S: Final = (
    60, 120, 180, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 28_800, 43_200,
    86_400, 604_800,
)  # fmt: skip
_FEWEST_DECIMALS: Final = 2
_MOST_DECIMALS: Final = 12
_DIGITS: Final = 7
_INT32: Final = 2**31 - 1


def price_decimals(bars: Candles) -> int:
    """Return how many decimals to show prices with: those they have, while seven digits do."""
    prices = np.concatenate([bars.open[-2_000:], bars.close[-2_000:]])
    prices = prices[np.isfinite(prices) & (prices > 0)]
    if not len(prices):
        return _FEWEST_DECIMALS
    size = math.floor(math.log10(float(np.median(prices))))
    most = min(max(_DIGITS - 1 - size, _FEWEST_DECIMALS), _MOST_DECIMALS)
    for decimals in range(_FEWEST_DECIMALS, most):
        scaled = prices * 10.0**decimals
        if np.all(np.abs(scaled - np.rint(scaled)) <= 1e-9 * np.maximum(scaled, 1)):
            return decimals
    return most


def display_timeframe(bars: Candles) -> Timeframe:
    """Return the timeframe that the charts show: the bars' own, or a multiple where many."""
    own = bars.timeframe
    if len(bars) <= MOST_BARS:
        return own
    least = own.seconds * len(bars) / MOST_BARS
    # A usual timeframe where one is near, else the plain multiple.
    usual = (size for size in _LADDER_S if least <= size <= 4 * least and size % own.seconds == 0)
    return Timeframe(next(usual, own.seconds * -(-len(bars) // MOST_BARS)))


def chart_payload(result: Reportable, initial: float, decimals: int) -> dict[str, object]:
    """Return what the page's script draws: times, candles and curves as packed columns.

    Aggregated candles keep the first, highest, lowest and last price; curves their last value,
    the drawdown its deepest, the exposure its mean.
    """
    bars = result.bars
    shown = display_timeframe(bars)
    starts = _starts(bars, shown)
    ends = np.append(starts[1:], len(bars))[: len(starts)] - 1
    water = under_water(result.equity, initial)
    exposure = np.zeros(len(bars))
    value = result.position * bars.close
    np.divide(value, result.equity, out=exposure, where=result.equity > 0)
    seconds = bars.time // 1_000_000
    if len(starts) == len(bars):
        times, exposed = seconds, exposure
    else:
        times = _floored(seconds[starts], shown)
        exposed = np.add.reduceat(exposure, starts) / (ends - starts + 1)
    return {
        "time": _packed(times),
        "open": _packed(bars.open[starts], decimals),
        "high": _packed(np.maximum.reduceat(bars.high, starts), decimals),
        "low": _packed(np.minimum.reduceat(bars.low, starts), decimals),
        "close": _packed(bars.close[ends], decimals),
        "equity": _packed(result.equity[ends]),
        "benchmark": _packed(result.benchmark[ends]),
        "under": _packed(np.minimum.reduceat(water, starts)),
        "exposure": _packed(exposed),
        "panes": _panes(result.panes, ends),
        "decimals": decimals,
        "seconds": shown.seconds,
        "legs": _legs(result, seconds),
    }


def _floored(seconds: npt.NDArray[np.int64], shown: Timeframe) -> npt.NDArray[np.int64]:
    since = seconds - shown.origin_s
    return since - since % shown.seconds + shown.origin_s


def _starts(bars: Candles, shown: Timeframe) -> npt.NDArray[np.int64]:
    if shown == bars.timeframe:
        return np.arange(len(bars), dtype=np.int64)
    group = _floored(bars.time // 1_000_000, shown)
    return np.flatnonzero(np.append(np.True_, group[1:] != group[:-1])).astype(np.int64)


def _legs(result: Reportable, seconds: npt.NDArray[np.int64]) -> list[list[object]]:
    """Return the fills that neither open nor close a trade: added legs and partial exits."""
    trades = result.trades[result.trades["instrument"] == 0]
    fills = result.fills[result.fills["instrument"] == 0]
    inner = fills[~np.isin(fills["bar"], np.union1d(trades["entry_bar"], trades["exit_bar"]))]
    return [
        [int(seconds[row["bar"]]), int(row["side"]), float(row["price"]), float(row["units"])]
        for row in inner
    ]


def _panes(panes: Mapping[str, Floats], ends: npt.NDArray[np.int64]) -> list[dict[str, object]]:
    drawn: list[dict[str, object]] = []
    for name, values in panes.items():
        pane, slash, line = name.partition("/")
        drawn.append(
            {
                "pane": pane if slash else None,
                "name": line if slash else name,
                "values": _packed(np.asarray(values, dtype=np.float64)[ends]),
            }
        )
    return drawn


def _packed(
    values: Floats | npt.NDArray[np.int64], decimals: int | None = None
) -> dict[str, object]:
    """Return a column in base64: whole numbers and prices exactly, curves with seven digits."""
    if decimals is not None:
        scale = 10.0**decimals
        whole = np.rint(values * scale)
        if np.all(np.abs(whole) <= _INT32) and np.array_equal(whole / scale, values):
            return {"type": "int32", "scale": scale, "data": _text(whole.astype("<i4"))}
        return {"type": "float64", "data": _text(values.astype("<f8"))}
    if values.dtype.kind == "i":
        if np.all(np.abs(values) <= _INT32):
            return {"type": "int32", "scale": 1, "data": _text(values.astype("<i4"))}
        return {"type": "float64", "data": _text(values.astype("<f8"))}
    return {"type": "float32", "data": _text(values.astype("<f4"))}


def _text(column: npt.NDArray[np.generic]) -> str:
    return base64.b64encode(column.tobytes()).decode("ascii")
