"""The figures of a result, from the sums of its equity curve and its trades."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.errors import DataError
from candela.metrics.calendar import YEAR_S
from candela.metrics.sums import EQUITY_SUMS
from candela.metrics.trades import TRADE_SUMS

__all__ = ["CURVE_METRICS", "METRICS", "TRADE_METRICS", "BadSums", "figures", "vector_figures"]

Sums = npt.NDArray[np.void]

_FIGURES: Final = np.dtype(
    [
        ("initial_equity", np.float64),
        ("final_equity", np.float64),
        ("total_return", np.float64),
        ("cagr", np.float64),
        ("volatility", np.float64),
        ("sharpe", np.float64),
        ("sortino", np.float64),
        ("calmar", np.float64),
        ("max_drawdown", np.float64),
        ("longest_drawdown_bars", np.int64),
        ("longest_drawdown_s", np.float64),
        ("trades", np.int64),
        ("closed_trades", np.int64),
        ("open_trades", np.int64),
        ("orders", np.int64),
        ("rejected_orders", np.int64),
        ("win_rate", np.float64),
        ("profit_factor", np.float64),
        ("expectancy", np.float64),
        ("expectancy_ratio", np.float64),
        ("average_win", np.float64),
        ("average_loss", np.float64),
        ("best_trade", np.float64),
        ("worst_trade", np.float64),
        ("longest_win_streak", np.int64),
        ("longest_loss_streak", np.int64),
        ("exposure", np.float64),
        ("turnover", np.float64),
        ("fees", np.float64),
        ("slippage", np.float64),
        ("funding", np.float64),
        ("benchmark_return", np.float64),
        ("skewness", np.float64),
        ("kurtosis", np.float64),
        ("bars", np.int64),
        ("bars_per_year", np.float64),
    ]
)

METRICS: Final = tuple(_FIGURES.names or ())
"""The names of all figures, in the order in which they are shown."""

TRADE_METRICS: Final = (
    "trades",
    "closed_trades",
    "open_trades",
    "win_rate",
    "profit_factor",
    "expectancy",
    "expectancy_ratio",
    "average_win",
    "average_loss",
    "best_trade",
    "worst_trade",
    "longest_win_streak",
    "longest_loss_streak",
)
"""The figures that need trades; a sweep may do without."""

CURVE_METRICS: Final = tuple(name for name in METRICS if name not in TRADE_METRICS)
"""The figures of the equity curve alone."""

# Sums lose what the mean square has in digits over the variance: below this share of it a variance
# is rounding, and counts as none. A ratio of mean to deviation above 30,000 a bar is no market.
_NO_VARIANCE: Final = 1e-9

_YEAR_S: Final = float(YEAR_S)


class BadSums(DataError):
    """The sums handed in are not those of equity and trades of the same results."""

    code = "bad_sums"


def figures(
    equity_sums: Sums,
    trade_sums: Sums,
    *,
    bars_per_year: float,
    span_s: float,
    timeframe_s: float,
    benchmark_return: float = float("nan"),
) -> dict[str, float | int]:
    """Return every figure of one result by name, in the order of ``METRICS``.

    A figure that is not defined is NaN, and none is infinite.

    Parameters
    ----------
    equity_sums, trade_sums
        ``(1,)`` of ``EQUITY_SUMS`` and of ``TRADE_SUMS``.
    bars_per_year
        From ``candela.metrics.calendar``.
    span_s
        Seconds from the start of the first bar to the end of the last, gaps and nights included.
    timeframe_s
        Seconds of a bar.
    benchmark_return
        Of buying and holding over the same bars.

    Raises
    ------
    BadSums
        Not one record each, or of other fields.
    """
    if equity_sums.shape != (1,):
        message = f"Figures are of one result, not of {equity_sums.shape} of them."
        raise BadSums(message, "Use vector_figures for many.")
    _refuse_unlike(equity_sums, trade_sums)
    out = np.empty(1, _FIGURES)
    _fill(
        equity_sums,
        trade_sums,
        float(bars_per_year),
        float(span_s),
        float(timeframe_s),
        float(benchmark_return),
        out,
    )
    return dict(zip(METRICS, out.item(), strict=True))


def vector_figures(
    equity_sums: Sums,
    trade_sums: Sums | None = None,
    *,
    bars_per_year: float,
    span_s: float,
    timeframe_s: float,
    benchmark_return: float = float("nan"),
) -> dict[str, npt.NDArray[Any]]:
    """Return the figures of k results as arrays ``(k,)`` by name; by the code of ``figures``.

    Parameters
    ----------
    equity_sums
        ``(k,)`` of ``EQUITY_SUMS``.
    trade_sums
        ``(k,)`` of ``TRADE_SUMS``; without them only ``CURVE_METRICS`` are returned.
    bars_per_year, span_s, timeframe_s, benchmark_return
        As in ``figures``, the same for all.

    Raises
    ------
    BadSums
        Not as many of the one as of the other, or of other fields.
    """
    trades = np.zeros(equity_sums.shape, TRADE_SUMS) if trade_sums is None else trade_sums
    _refuse_unlike(equity_sums, trades)
    out = np.empty(equity_sums.shape, _FIGURES)
    _fill(
        np.ascontiguousarray(equity_sums),
        np.ascontiguousarray(trades),
        float(bars_per_year),
        float(span_s),
        float(timeframe_s),
        float(benchmark_return),
        out,
    )
    names = CURVE_METRICS if trade_sums is None else METRICS
    return {name: np.ascontiguousarray(out[name]) for name in names}


def _refuse_unlike(equity_sums: Sums, trade_sums: Sums) -> None:
    if equity_sums.dtype != EQUITY_SUMS or trade_sums.dtype != TRADE_SUMS:
        message = f"Sums have the fields {equity_sums.dtype.names} and {trade_sums.dtype.names}."
        raise BadSums(message, "Give EQUITY_SUMS and TRADE_SUMS.")
    if equity_sums.ndim != 1 or equity_sums.shape != trade_sums.shape:
        message = f"Sums of {equity_sums.shape} curves do not fit {trade_sums.shape} of trades."
        raise BadSums(message, "Give one record of each for every result.")


@compiled
def _ratio(above: float, below: float) -> float:
    """Divide; NaN where that is not defined, or too large for a number."""
    if below == 0.0:
        return np.nan
    result = above / below
    return result if np.isfinite(result) else np.nan


@compiled
def _growth_a_year(growth: float, years: float) -> float:
    if years <= 0.0:
        return np.nan
    if growth <= 0.0:
        return -1.0
    result = growth ** (1.0 / years) - 1.0
    return result if np.isfinite(result) else np.nan


@compiled
def _fill(
    equity_sums: Sums,
    trade_sums: Sums,
    bars_per_year: float,
    span_s: float,
    timeframe_s: float,
    benchmark_return: float,
    out: Sums,
) -> None:
    years = span_s / _YEAR_S
    for row in range(equity_sums.shape[0]):
        figure = out[row]
        _fill_curve(equity_sums[row], bars_per_year, years, figure)
        _fill_trades(trade_sums[row], figure)
        figure["longest_drawdown_s"] = figure["longest_drawdown_bars"] * timeframe_s
        figure["benchmark_return"] = benchmark_return
        figure["bars_per_year"] = bars_per_year


@compiled
def _fill_curve(sums: Any, bars_per_year: float, years: float, figure: Any) -> None:
    bars = sums["bars"]
    initial = sums["initial"]
    growth = _ratio(sums["final"], initial)
    cagr = _growth_a_year(growth, years)
    figure["initial_equity"] = initial
    figure["final_equity"] = sums["final"]
    figure["total_return"] = growth - 1.0
    figure["cagr"] = cagr
    figure["max_drawdown"] = sums["max_drawdown"]
    figure["calmar"] = _ratio(cagr, sums["max_drawdown"])
    figure["longest_drawdown_bars"] = sums["longest_drawdown"]
    figure["exposure"] = np.nan if sums["exposed"] < 0 else _ratio(sums["exposed"], bars)
    figure["turnover"] = _ratio(_ratio(sums["traded"], initial), years)
    figure["orders"] = sums["orders"]
    figure["rejected_orders"] = sums["rejected"]
    figure["fees"] = sums["fees"]
    figure["slippage"] = sums["slippage"]
    figure["funding"] = sums["funding"]
    figure["bars"] = bars

    mean = _ratio(sums["sum_r"], bars)
    spread = sums["sum_r2"] - sums["sum_r"] * mean  # sum of squared deviations
    if bars > 0 and spread <= _NO_VARIANCE * sums["sum_r2"]:
        spread = 0.0
    deviation = np.sqrt(spread / (bars - 1)) if bars > 1 else np.nan
    down = np.sqrt(sums["sum_down2"] / bars) if bars > 1 else np.nan
    yearly = np.sqrt(bars_per_year)
    figure["volatility"] = _ratio(deviation * yearly, 1.0)
    figure["sharpe"] = _ratio(mean, deviation) * yearly
    figure["sortino"] = _ratio(mean, down) * yearly

    # Central moments from raw ones; bars 0 leave NaN.
    variance = _ratio(spread, bars)
    second = _ratio(sums["sum_r2"], bars)
    third = _ratio(sums["sum_r3"], bars)
    fourth = _ratio(sums["sum_r4"], bars)
    skewed = third - 3.0 * mean * second + 2.0 * mean**3
    tailed = fourth - 4.0 * mean * third + 6.0 * mean**2 * second - 3.0 * mean**4
    figure["skewness"] = _ratio(skewed, variance**1.5)
    figure["kurtosis"] = _ratio(tailed, variance**2)


@compiled
def _fill_trades(sums: Any, figure: Any) -> None:
    closed = sums["closed"]
    is_any = closed > 0
    figure["trades"] = closed + sums["open"]
    figure["closed_trades"] = closed
    figure["open_trades"] = sums["open"]
    figure["win_rate"] = _ratio(sums["wins"], closed)
    figure["profit_factor"] = _ratio(sums["gained"], sums["lost"])
    figure["expectancy"] = _ratio(sums["gained"] - sums["lost"], closed)
    figure["expectancy_ratio"] = _ratio(sums["returns"], closed)
    figure["average_win"] = _ratio(sums["win_returns"], sums["wins"])
    figure["average_loss"] = _ratio(sums["loss_returns"], sums["losses"])
    figure["best_trade"] = sums["best"] if is_any else np.nan
    figure["worst_trade"] = sums["worst"] if is_any else np.nan
    figure["longest_win_streak"] = sums["longest_wins"]
    figure["longest_loss_streak"] = sums["longest_losses"]
