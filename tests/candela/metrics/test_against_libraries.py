"""The figures of real curves equal those of vectorbt and empyrical; each difference is held too."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from candela.fills.records import TRADE
from candela.metrics.curves import drawdown_of, returns_of, sums_of, underwater_of
from candela.metrics.figures import figures
from candela.metrics.trades import sums_of_trades
from tests.fixtures.candles import sample

HOUR = 3_600
HOURS_A_YEAR = 8_760
CASH = 10_000.0
FLAT = np.full(100, CASH)


class Run(NamedTuple):
    """A crossing of two means on real hours, as vectorbt trades it, and our figures of it."""

    portfolio: Any
    equity: npt.NDArray[np.float64]
    figures: dict[str, float | int]


def our_figures(
    equity: npt.NDArray[np.float64],
    position: npt.NDArray[np.float64] | None = None,
    trades: npt.NDArray[np.void] | None = None,
) -> dict[str, float | int]:
    return figures(
        sums_of(equity, CASH, position),
        sums_of_trades(np.zeros(0, TRADE) if trades is None else trades),
        bars_per_year=HOURS_A_YEAR,
        span_s=equity.size * HOUR,
        timeframe_s=HOUR,
    )


def library(name: str) -> Any:
    """Import a library whose types are not known, and only once a test runs."""
    return import_module(name)


def vectorbt_returns(equity: npt.NDArray[np.float64]) -> Any:
    library("vectorbt")  # hangs its accessor onto series
    series = library("pandas").Series(returns_of(equity, CASH))
    return series.vbt.returns(freq="1h", year_freq="365 days")


def run(name: str, fast: int, slow: int, fees: float) -> Run:
    close = library("pandas").Series(sample(name)["close"].to_numpy())
    is_above = close.rolling(fast).mean() > close.rolling(slow).mean()
    was_above = is_above.shift(1, fill_value=False)
    portfolio = library("vectorbt").Portfolio.from_signals(
        close,
        entries=is_above & ~was_above,
        exits=~is_above & was_above,
        init_cash=CASH,
        fees=fees,
        freq="1h",
        direction="both" if slow > 150 else "longonly",
    )
    equity = portfolio.value().to_numpy()
    records = portfolio.trades.values
    trades = np.zeros(len(records), TRADE)
    trades["exit_bar"] = np.where(records["status"] == 1, records["exit_idx"], -1)
    trades["pnl"], trades["return_ratio"] = records["pnl"], records["return"]
    position = portfolio.assets().to_numpy()
    return Run(portfolio, equity, our_figures(equity, position, trades))


@pytest.fixture(
    scope="module",
    params=[
        ("BTC-EUR_1h", 20, 50, 0.001),
        ("ETH-EUR_1h", 50, 200, 0.0005),
        ("BTC-EUR_1h", 5, 9, 0.0),
    ],
    ids=["long-with-fees", "both-ways", "long-without-fees"],
)
def traded(request: pytest.FixtureRequest) -> Run:
    return run(*request.param)


def test_figures_of_real_curve_equal_those_of_vectorbt(traded: Run) -> None:
    portfolio, ours = traded.portfolio, traded.figures
    theirs = {
        "final_equity": portfolio.final_value(),
        "total_return": portfolio.total_return(),
        "cagr": portfolio.annualized_return(),
        "volatility": portfolio.annualized_volatility(),
        "sharpe": portfolio.sharpe_ratio(),
        "sortino": portfolio.sortino_ratio(),
        "calmar": portfolio.calmar_ratio(),
        "max_drawdown": -portfolio.max_drawdown(),
        "longest_drawdown_bars": portfolio.drawdowns.duration.max(),
        "exposure": (portfolio.assets() != 0).mean(),
    }
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-9)


def test_figures_of_real_trades_equal_those_of_vectorbt(traded: Run) -> None:
    trades, ours = traded.portfolio.trades, traded.figures
    closed = trades.closed
    theirs = {
        "trades": trades.count(),
        "closed_trades": closed.count(),
        "open_trades": trades.open.count(),
        "win_rate": closed.win_rate(),
        "profit_factor": closed.profit_factor(),
        "expectancy": closed.expectancy(),
        "average_win": closed.winning.returns.mean(),
        "average_loss": closed.losing.returns.mean(),
        "best_trade": closed.returns.max(),
        "worst_trade": closed.returns.min(),
        "longest_win_streak": closed.winning_streak.max(),
        "longest_loss_streak": closed.losing_streak.max(),
        "expectancy_ratio": closed.returns.mean(),
    }
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-9)
    assert ours["closed_trades"] > 20


def test_spans_under_water_of_real_curve_equal_records_of_vectorbt(traded: Run) -> None:
    theirs = traded.portfolio.drawdowns.values
    ours = underwater_of(traded.equity, CASH)
    is_recovered = theirs["status"] == 1
    assert ours["start"].tolist() == theirs["start_idx"].tolist()
    assert ours["trough"].tolist() == theirs["valley_idx"].tolist()
    assert ours["recovery"].tolist() == np.where(is_recovered, theirs["end_idx"], -1).tolist()
    assert ours["depth"] == pytest.approx(1 - theirs["valley_val"] / theirs["peak_val"], rel=1e-9)


def test_figures_of_real_curve_equal_those_of_empyrical(traded: Run) -> None:
    empyrical = library("empyrical")
    returns = returns_of(traded.equity, CASH)
    theirs = {
        "total_return": empyrical.cum_returns_final(returns),
        "cagr": empyrical.annual_return(returns, annualization=HOURS_A_YEAR),
        "volatility": empyrical.annual_volatility(returns, annualization=HOURS_A_YEAR),
        "sharpe": empyrical.sharpe_ratio(returns, annualization=HOURS_A_YEAR),
        "sortino": empyrical.sortino_ratio(returns, annualization=HOURS_A_YEAR),
        "calmar": empyrical.calmar_ratio(returns, annualization=HOURS_A_YEAR),
        "max_drawdown": -empyrical.max_drawdown(returns),
    }
    assert {name: traded.figures[name] for name in theirs} == pytest.approx(theirs, rel=1e-9)
    drawdown = drawdown_of(traded.equity, CASH)
    assert drawdown.max() == pytest.approx(theirs["max_drawdown"], rel=1e-9)


def test_moments_of_real_curve_equal_those_of_scipy_and_of_vectorbt_once_corrected(
    traded: Run,
) -> None:
    stats = library("scipy.stats")
    returns = returns_of(traded.equity, CASH)
    skewness, kurtosis = traded.figures["skewness"], traded.figures["kurtosis"]
    assert skewness == pytest.approx(stats.skew(returns), rel=1e-9)
    assert kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-9)
    bars = returns.size
    corrected = traded.portfolio.returns()
    assert corrected.skew() == pytest.approx(
        skewness * np.sqrt(bars * (bars - 1)) / (bars - 2), rel=1e-9
    )
    assert corrected.kurtosis() == pytest.approx(
        (bars - 1) / ((bars - 2) * (bars - 3)) * ((bars + 1) * (kurtosis - 3) + 6), rel=1e-9
    )


def test_drawdown_of_curve_below_its_start_is_smaller_in_vectorbt_and_equal_in_empyrical() -> None:
    empyrical = library("empyrical")
    equity = np.array([9_000.0, 9_500.0, 9_200.0, 9_400.0])
    theirs = vectorbt_returns(equity)
    assert our_figures(equity)["max_drawdown"] == pytest.approx(0.1)
    assert -empyrical.max_drawdown(returns_of(equity, CASH)) == pytest.approx(0.1)
    assert -theirs.max_drawdown() == pytest.approx(300 / 9_500)


def test_figures_of_flat_curve_are_undefined_where_vectorbt_is_infinite() -> None:
    theirs = vectorbt_returns(FLAT)
    ours = our_figures(FLAT)
    assert np.isinf(theirs.sharpe_ratio())
    assert np.isinf(theirs.sortino_ratio())
    assert np.isnan(theirs.calmar_ratio())
    assert np.isnan([ours["sharpe"], ours["sortino"], ours["calmar"]]).all()


def test_sharpe_of_equal_returns_is_undefined_where_vectorbt_divides_by_rounding() -> None:
    steady = np.array([CASH * 1.000_1**bar for bar in range(1, 1_001)])
    assert vectorbt_returns(steady).sharpe_ratio() > 1e9
    assert np.isnan(our_figures(steady)["sharpe"])
