"""What vectorbt cannot express is told, and other indeed; its figures are there all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtest import engine
from backtest.engine import Inexpressible, inexpressible, to_portfolio
from backtest.result import Result
from backtest.run import backtest
from backtest.spec import Protection
from backtest.vectorbt import door
from candela.fills.full import FinerBars, Funding
from candela.fills.model import Costs, Execution, FillModel, Sizing, VenueRules
from strategies.bars import Bars
from strategies.conditions import crossed_below
from strategies.indicators import rsi, sma
from strategies.ma_cross import ma_cross
from strategies.registry import find
from tests.backtest.quick_cases import bars_of, deciding
from tests.backtest.real_bars import hours, minutes, needs_minutes

FEES = Costs(taker_fee_bps=10)


def model(*, stops_on_entry: bool = False, fill: Any = "next_open", **parts: Any) -> FillModel:
    return FillModel(execution=Execution(fill=fill, entry_bar_stops=stops_on_entry), **parts)


def halves(bars: Bars) -> FinerBars:
    """Return two bars inside each: up and down again, or the other way round."""
    half = bars.timeframe.seconds * 500_000
    time = np.column_stack((bars.time, bars.time + half)).ravel()
    middle = np.where(np.arange(len(bars)) % 2 == 0, bars.high, bars.low)
    prices = (
        (bars.open, middle),
        (np.maximum(bars.open, middle), np.maximum(bars.high, bars.close)),
        (np.minimum(bars.open, middle), np.minimum(bars.low, bars.close)),
        (middle, bars.close),
    )
    return FinerBars(time, *(np.column_stack(pair).ravel() for pair in prices))


CROSSES: dict[str, Any] = {"short": True, "fast": 5, "slow": 40}
BOTH_LEVELS = Protection(stop_loss=0.01, take_profit=0.02)
SLIPPING = Costs(taker_fee_bps=10, slippage_bps=5)
# Words of the reason; model, protection, strategy where the crosses do not show it.
TWICE = {"rules": VenueRules(leverage=2), "sizing": Sizing(value=2)}
REASONS: list[tuple[str, dict[str, Any], Protection, Any]] = [
    ("no impact", {"costs": Costs(impact_bps=500)}, Protection(), None),
    ("largest size", {"costs": Costs(volume_share_limit=0.001)}, Protection(), None),
    ("rounds exits to lots", {"rules": VenueRules(lot=0.1)}, Protection(), None),
    ("price ticks", {"rules": VenueRules(tick=10.0)}, Protection(), None),
    ("smallest order", {"rules": VenueRules(minimum_notional=9_500.0)}, Protection(), None),
    ("no leverage", TWICE, Protection(), None),
    ("as kelly does", {"sizing": Sizing(kind="kelly", window=3)}, Protection(), None),
    ("as martingale does", {"sizing": Sizing(kind="martingale", value=100)}, Protection(), None),
    ("pays no funding", {"costs": Costs(funding=True)}, Protection(), None),
    ("before the signal due", {"costs": FEES}, Protection(stop_loss=0.01), None),
    ("at the close of a bar", {"costs": FEES, "fill": "close"}, Protection(stop_loss=0.01), None),
    ("on the bar of entry", {"costs": FEES, "stops_on_entry": True}, BOTH_LEVELS, None),
    ("one slippage", {"costs": SLIPPING}, BOTH_LEVELS, None),
    ("no other fee", {"costs": Costs(taker_fee_bps=10, maker_fee_bps=2)}, BOTH_LEVELS, None),
    ("the bar of entry", {"costs": FEES}, Protection(trailing_stop=0.01), None),
    ("either a stop or", {"fill": "close"}, Protection(stop_loss=0.01, trailing_stop=0.02), None),
    ("limit orders", {}, Protection(), "grid"),
    ("count legs", {}, Protection(), "dca"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "parts", "protection", "strategy"), REASONS, ids=[one[0] for one in REASONS]
)
def test_reason_that_vectorbt_cannot_is_one_that_changes_the_run(
    words: str, parts: dict[str, Any], protection: Protection, strategy: str | None
) -> None:
    bars = hours()
    funding = Funding(bars.time[::8].copy(), np.full(len(bars.time[::8]), 0.001))
    result = backtest(
        find(strategy) if strategy else ma_cross,
        bars,
        None if strategy else CROSSES,
        model=model(**parts),
        protection=protection,
        funding=funding,
    )
    assert any(words in reason for reason in inexpressible(result))
    assert_differs(result)


def assert_differs(result: Result) -> None:
    """Run the case in vectorbt as far as its words go: it comes to another outcome."""
    theirs = door._simulated(result, "auto").value().iloc[-1]
    assert abs(theirs - result.equity[-1]) > 1e-6 * result.cash


def test_reversal_into_a_share_of_cash_is_refused_by_vectorbt_itself() -> None:
    half = Sizing(value=0.5)
    result = backtest(ma_cross, hours(), CROSSES, model=model(costs=FEES, sizing=half))
    assert inexpressible(result)[0].startswith("vectorbt cannot reverse into a share of cash")
    with pytest.raises(
        door._vectorbt().portfolio.enums.RejectedOrderError, match="position reversal"
    ):
        door._simulated(result, "auto")


def test_minutes_inside_a_bar_are_beyond_vectorbt() -> None:
    bars = hours()
    asked = FillModel(execution=Execution(intrabar="minutes"), costs=FEES)
    result = backtest(
        ma_cross, bars, CROSSES, model=asked, protection=BOTH_LEVELS, finer=halves(bars)
    )
    assert "vectorbt knows no finer bars inside a bar" in inexpressible(result)
    assert_differs(result)


def test_short_that_is_liquidated_is_beyond_vectorbt() -> None:
    close = np.array([10.0, 10.0, 12.0, 25.0, 5.0, 5.0])
    bars = bars_of(close, close + 1, close - 1, close)
    result = backtest(deciding(short_entries=close == 10.0), bars)
    assert inexpressible(result) == ("vectorbt does not liquidate (in bar 3)",)
    assert_differs(result)


def test_parts_of_a_short_position_are_beyond_vectorbt() -> None:
    bars = hours(500)
    row = np.arange(len(bars)) % 50
    decided = deciding(short_entries=row == 10, short_exits=row % 20 == 0, exit_fraction=0.5)
    result = backtest(decided, bars, model=model(costs=FEES))
    assert "closes parts only of longs" in inexpressible(result)[0]
    assert_differs(result)


def test_units_that_vectorbt_takes_as_none_are_beyond_it() -> None:
    row = np.arange(500)
    asked = model(sizing=Sizing(kind="fixed_units", value=1e-13))
    result = backtest(deciding(long_entries=row == 1), hours(500), model=asked)
    assert result.metrics["orders"] == 1
    assert inexpressible(result) == ("vectorbt takes sizes and cash near 1e-12 as none",)
    assert len(door._simulated(result, "auto").order_records) == 0


def test_target_passed_by_the_open_before_a_stop_inside_is_beyond_vectorbt() -> None:
    open_ = np.array([10.0, 10.0, 10.0, 12.0, 10.0])
    high, low = open_ + 0.1, np.array([9.9, 9.9, 9.9, 8.0, 9.9])
    enters = np.arange(5) == 0
    result = backtest(
        deciding(long_entries=enters, stop_loss=0.1, take_profit=0.1),
        bars_of(open_, high, low, open_),
        model=model(),
    )
    assert result.trades["exit_price"][0] == 12.0
    words = "vectorbt takes a stop inside a bar before the target that its open has passed"
    assert inexpressible(result) == (f"{words} (in bar 3)",)
    assert_differs(result)


def test_inexpressible_run_is_refused_with_its_reasons() -> None:
    result = backtest(find("grid"), hours(500), model=FillModel(rules=VenueRules(lot=0.001)))
    with pytest.raises(Inexpressible, match=r"limit orders.*legs") as caught:
        to_portfolio(result)
    assert caught.value.hint is not None
    assert "portfolio_of_orders" in caught.value.hint
    comparison = engine.compare(result)
    assert not comparison.agrees
    assert comparison.inexpressible == inexpressible(result)


def test_comparison_of_runs_that_differ_names_the_orders() -> None:
    result = backtest(ma_cross, hours(1_000), model=FillModel(costs=FEES))
    result.fills["units"][1] *= 1.001
    comparison = engine.compare(result)
    assert not comparison.agrees
    assert not comparison.orders_equal
    assert comparison.differences[0].startswith("order 1: sold ")


# --- portfolios of our orders, of any run --------------------------------------------------------


ANY_RUN: list[tuple[str, dict[str, Any], Protection]] = [
    ("ma_cross", {"costs": SLIPPING, "stops_on_entry": True}, BOTH_LEVELS),
    ("grid", {"costs": SLIPPING, "rules": VenueRules(lot=0.0001)}, Protection()),
    ("dca", {"costs": SLIPPING, "fill": "close"}, Protection()),
    ("donchian_breakout", {"costs": Costs(impact_bps=100), "rules": VenueRules(leverage=3)},
     Protection(trailing_stop=0.03)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parts", "protection"), ANY_RUN)
def test_portfolio_of_orders_has_the_equity_and_trades_of_any_run(
    name: str, parts: dict[str, Any], protection: Protection
) -> None:
    bars = hours()
    result = backtest(find(name), bars, model=model(**parts), protection=protection)
    portfolio = engine.portfolio_of_orders(result)
    np.testing.assert_allclose(portfolio.value().to_numpy(), result.equity, rtol=1e-9)
    positions, trades = portfolio.positions.values, result.trades
    np.testing.assert_array_equal(positions["entry_idx"], trades["entry_bar"])
    for theirs, ours in (("pnl", "pnl"), ("return", "return_ratio"), ("entry_price",) * 2):
        np.testing.assert_allclose(positions[theirs], trades[ours], rtol=1e-7, atol=1e-7)


def test_portfolio_of_orders_counts_funding_in_the_fee_of_the_last_fill() -> None:
    bars = hours()
    funding = Funding(bars.time[::8].copy(), np.full(len(bars.time[::8]), 0.0005))
    asked = FillModel(costs=Costs(taker_fee_bps=10, funding=True))
    result = backtest(ma_cross, bars, CROSSES, model=asked, funding=funding)
    assert abs(result.metrics["funding"]) > 1.0
    portfolio = engine.portfolio_of_orders(result)
    assert portfolio.final_value() == pytest.approx(result.equity[-1], rel=1e-9)
    pnl = portfolio.positions.values["pnl"]
    # One fill turns a position round, and its fee is split by units: sums agree, halves nearly.
    assert pnl.sum() == pytest.approx(result.trades["pnl"].sum(), rel=1e-9)


def test_portfolio_of_a_liquidated_account_ends_with_nothing() -> None:
    close = np.array([10.0, 10.0, 12.0, 12.0, 5.0, 5.0])
    open_ = np.array([10.0, 10.0, 12.0, 30.0, 5.0, 5.0])
    bars = bars_of(open_, open_ + 1, close - 1, close)
    result = backtest(deciding(short_entries=close == 10.0), bars, cash=1_000.0)
    assert result.equity[-1] == 0.0
    portfolio = engine.portfolio_of_orders(result)
    assert portfolio.final_value() == pytest.approx(0.0, abs=1e-9)


def test_portfolio_of_a_run_without_orders_keeps_its_cash() -> None:
    result = backtest(deciding(), hours(50), cash=123.0)
    assert engine.portfolio_of_orders(result).final_value() == 123.0
    assert to_portfolio(result).final_value() == 123.0


def test_portfolio_of_orders_is_drawn_by_vectorbt() -> None:
    result = backtest(find("grid"), hours(500), model=FillModel(rules=VenueRules(lot=0.001)))
    figure = engine.portfolio_of_orders(result).plot(subplots=["orders", "drawdowns"])
    assert {"Buy", "Sell"} <= {trace.name for trace in figure.data}


# --- figures, and the traps that engines disagree on ---------------------------------------------


@pytest.mark.parametrize("name", ["ma_cross", "rsi_reversion", "macd_trend", "bollinger_breakout"])
def test_figures_of_a_run_equal_those_of_vectorbt(name: str) -> None:
    result = backtest(find(name), hours(), model=FillModel(costs=SLIPPING))
    portfolio = to_portfolio(result)
    figures = portfolio.stats(silence_warnings=True)
    ours = result.metrics
    pairs = {
        "Total Return [%]": 100 * ours["total_return"],
        "Max Drawdown [%]": 100 * ours["max_drawdown"],
        "Sharpe Ratio": ours["sharpe"],
        "Sortino Ratio": ours["sortino"],
        "Calmar Ratio": ours["calmar"],
        "Win Rate [%]": 100 * ours["win_rate"],
        "Profit Factor": ours["profit_factor"],
        "Expectancy": ours["expectancy"],
        "Total Trades": ours["trades"],
        "Total Closed Trades": ours["closed_trades"],
        "Best Trade [%]": 100 * ours["best_trade"],
        "Worst Trade [%]": 100 * ours["worst_trade"],
        "Avg Winning Trade [%]": 100 * ours["average_win"],
        "Avg Losing Trade [%]": 100 * ours["average_loss"],
        "Total Fees Paid": ours["fees"],
        "End Value": ours["final_equity"],
    }
    for words, value in pairs.items():
        assert float(figures[words]) == pytest.approx(value, rel=1e-9), words


def test_means_equal_on_ticks_cross_otherwise_in_vectorbt_but_fill_alike() -> None:
    random = np.random.default_rng(3)
    # Steps of a cent that float64 cannot hold: sums that run along drift apart from exact ones.
    close = np.round(100 + 0.01 * random.integers(-2, 3, 20_000).cumsum(), 2)
    bars = bars_of(close, close + 0.01, close - 0.01, close)
    fast, slow = sma(bars.close, 4), sma(bars.close, 12)
    exact = np.rint(close * 100).astype(np.int64).cumsum()
    equal = np.zeros(len(close), np.bool_)
    equal[12:] = 3 * (exact[12:] - exact[8:-4]) == exact[12:] - exact[:-12]
    assert equal.sum() > 100
    assert (fast[equal] == slow[equal]).all()
    run = door._vectorbt().MA.run
    theirs = (run(close, 4).ma.to_numpy(), run(close, 12).ma.to_numpy())
    assert (theirs[0][equal] != theirs[1][equal]).any()
    result = backtest(ma_cross, bars, {"fast": 4, "slow": 12}, model=FillModel(costs=FEES))
    assert engine.compare(result).agrees


@needs_minutes
def test_crosses_of_fifty_thousand_minutes_end_as_measured_in_every_engine() -> None:
    result = backtest(ma_cross, minutes(50_000), cash=100_000.0, model=FillModel(costs=FEES))
    assert result.metrics["orders"] == 721
    assert result.metrics["final_equity"] == pytest.approx(48571.28928, abs=5e-6)
    assert result.metrics["sharpe"] == pytest.approx(-17.935, abs=5e-4)
    comparison = engine.compare(result)
    assert comparison.agrees
    assert comparison.their_orders == 721


@needs_minutes
@pytest.mark.parametrize(("stops_on_entry", "ends"), [(True, 112_048.22), (False, 111_400.03)])
def test_stops_on_the_bar_of_entry_end_as_measured(*, stops_on_entry: bool, ends: float) -> None:
    bars = minutes(500_000)
    falls = crossed_below(rsi(bars.close, 14, "simple"), 30.0)
    result = backtest(
        deciding(long_entries=falls, stop_loss=0.02, take_profit=0.04),
        bars,
        cash=100_000.0,
        model=model(stops_on_entry=stops_on_entry, costs=FEES),
    )
    assert result.metrics["orders"] == 885
    assert result.metrics["final_equity"] == pytest.approx(ends, abs=5e-3)
    if stops_on_entry:
        assert "on the bar of entry" in inexpressible(result)[0]
    else:
        assert engine.compare(result).agrees


@pytest.mark.slow
def test_numba_engine_of_vectorbt_agrees_as_the_rust_one_does() -> None:
    bars = hours(1_000)
    result = backtest(
        ma_cross, bars, CROSSES, model=model(costs=SLIPPING, fill="close"),
        protection=Protection(take_profit=0.05),
    )  # fmt: skip
    assert engine.compare(result, engine="numba").agrees
