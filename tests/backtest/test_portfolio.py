"""Several instruments on one pool of cash."""

from __future__ import annotations

import numpy as np
import pytest

from backtest.portfolio import backtest_portfolio
from backtest.run import backtest
from backtest.spec import BadSpec
from candela.fills.model import Costs, FillModel, Sizing
from strategies.bars import Bars
from strategies.ma_cross import ma_cross
from tests.fixtures.candles import sample

SMALL = FillModel(costs=Costs(taker_fee_bps=10), sizing=Sizing(kind="fixed_value", value=500))


@pytest.fixture(scope="module")
def members() -> dict[str, Bars]:
    return {
        f"bitvavo:{coin}/EUR": Bars.from_frame(
            sample(f"{coin}-EUR_1h").slice(skipped, 6_000), "1h", f"bitvavo:{coin}/EUR"
        )
        for coin, skipped in (("BTC", 0), ("ETH", 7))
    }


def test_portfolio_when_cash_is_ample_then_it_is_the_sum_of_its_members(
    members: dict[str, Bars],
) -> None:
    whole = backtest_portfolio(ma_cross, members, cash=20_000.0, model=SMALL)
    alone = [backtest(ma_cross, bars, cash=10_000.0, model=SMALL) for bars in members.values()]
    first, second = members.values()
    assert not np.array_equal(first.time, second.time), "the members miss different hours"
    assert whole.metrics["trades"] == sum(one.metrics["trades"] for one in alone)
    assert whole.metrics["final_equity"] == pytest.approx(
        sum(float(one.metrics["final_equity"]) for one in alone), rel=1e-12
    )
    names = list(members)
    for row, one in enumerate(alone):
        own = whole.trades[whole.trades["instrument"] == row]
        bars = members[names[row]]
        assert np.array_equal(whole.time[own["entry_bar"]], bars.time[one.trades["entry_bar"]])
        assert own["pnl"] == pytest.approx(one.trades["pnl"], rel=1e-9, abs=1e-9)


def test_portfolio_when_cash_is_scarce_then_entries_are_refused_and_cash_never_negative(
    members: dict[str, Bars],
) -> None:
    scarce = backtest_portfolio(ma_cross, members, cash=700.0, model=SMALL)
    assert scarce.metrics["rejected_orders"] > 0 or scarce.trades["units"].min() > 0
    assert scarce.cash_curve.min() >= -1e-9
    assert scarce.held.max() == 2


def test_portfolio_when_shown_then_index_and_trades_name_instruments(
    members: dict[str, Bars],
) -> None:
    whole = backtest_portfolio(ma_cross, members, cash=20_000.0, model=SMALL)
    assert set(whole.trades_frame()["instrument"].unique()) == set(members)
    index = whole.bars
    index.check()
    assert index.open[0] == pytest.approx(100.0)
    assert whole.benchmark[-1] / 20_000 - 1 == pytest.approx(whole.metrics["benchmark_return"])
    assert whole.manifest["instruments"] == list(members)
    assert whole.manifest["kind"] == "portfolio"


def test_portfolio_when_a_member_begins_later_then_its_part_of_the_benchmark_waits_as_cash(
    members: dict[str, Bars],
) -> None:
    (first, long), (second, short) = members.items()
    late = {first: long, second: short[3_000:]}
    whole = backtest_portfolio(ma_cross, late, cash=20_000.0, model=SMALL)
    begins = int((whole.time < short.time[3_000]).sum())
    alone = long.close[long.time < short.time[3_000]][-1] / long.open[0]
    assert whole.benchmark[begins - 1] == pytest.approx(20_000 * (alone + 1.0) / 2.0)
    steps = np.abs(np.diff(whole.benchmark) / whole.benchmark[:-1])
    parts = [np.abs(np.diff(bars.close) / bars.close[:-1]).max() for bars in late.values()]
    assert steps.max() <= max(parts) * 1.01, "no jump where it begins"
    assert whole.benchmark[-1] / 20_000 - 1 == pytest.approx(whole.metrics["benchmark_return"])


def test_portfolio_when_nothing_is_given_then_it_says_so() -> None:
    with pytest.raises(BadSpec, match="instruments with bars"):
        backtest_portfolio(ma_cross, {}, cash=1.0)


def test_portfolio_when_currencies_differ_then_each_is_named(members: dict[str, Bars]) -> None:
    bars = next(iter(members.values()))
    mixed = {"bitvavo:BTC/EUR": bars, "bybit:BTC/USDT:USDT": bars}
    with pytest.raises(BadSpec, match="BTC/EUR in EUR, bybit:BTC/USDT:USDT in USDT"):
        backtest_portfolio(ma_cross, mixed, cash=1_000.0)


def test_portfolio_when_held_then_its_position_is_worth_what_is_not_cash(
    members: dict[str, Bars],
) -> None:
    whole = backtest_portfolio(ma_cross, members, cash=20_000.0, model=SMALL)
    worth = whole.position * whole.bars.close
    assert worth == pytest.approx(whole.equity - whole.cash_curve)
    assert ((worth > 1e-9) == (whole.held > 0)).all()
