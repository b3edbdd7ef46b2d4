"""The fill model on real candles and real funding rates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from candela.fills.full import Funding, simulate
from candela.fills.intents import Intents
from candela.fills.model import FillModel
from tests.candela.fills.made import HourBars, hours, model_of, run
from tests.candela.fills.plain import PlainSimulation
from tests.fixtures.candles import SHARED, sample

ROWS = 3000


def candles(name: str) -> HourBars:
    frame = sample(name).head(ROWS)
    columns = ("open", "high", "low", "close", "volume")
    open_, high, low, close, volume = (frame[one].to_numpy().astype(float) for one in columns)
    return HourBars(open_, high, low, close, volume)


def crossing(close: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[list[bool], list[bool]]:
    """Return where the mean of 10 closes comes to lie above that of 40, and below."""
    sums = np.concatenate([[0.0], close.cumsum()])
    rows = np.arange(40, len(close) + 1)
    above = (sums[rows] - sums[rows - 10]) / 10 > (sums[rows] - sums[rows - 40]) / 40
    up = [False] * 40 + (above[1:] & ~above[:-1]).tolist()
    down = [False] * 40 + (~above[1:] & above[:-1]).tolist()
    return up, down


MODELS = {
    "plain": model_of(costs={"taker_fee_bps": 25}),
    "close": model_of({"fill": "close"}, {"taker_fee_bps": 25, "slippage_bps": 3}),
    "venue": model_of(
        costs={"taker_fee_bps": 25, "maker_fee_bps": 15, "spread_bps": 4, "impact_bps": 20},
        rules={"tick": 0.01, "lot": 0.0001, "minimum_notional": 5, "leverage": 2},
    ),
    "risk": model_of(costs={"taker_fee_bps": 5}, sizing={"kind": "risk", "value": 0.01}),
}


@pytest.mark.parametrize("name", ["BTC-EUR_1h", "ETH-EUR_1h"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
@pytest.mark.parametrize("shorts", [False, True])
def test_simulation_of_real_hours_equals_the_plain_one(
    name: str,
    model: FillModel,
    shorts: bool,  # noqa: FBT001
) -> None:
    bars = candles(name)
    up, down = crossing(bars.close)
    never = [False] * ROWS
    conditions = {
        "long_entry": up,
        "long_exit": down,
        "short_entry": down if shorts else never,
        "short_exit": up if shorts else never,
    }
    stops: dict[str, Any] = {"stop_loss": 0.02, "take_profit": 0.05, "trailing_stop": 0.03}
    wanted: dict[str, Any] = {key: np.array(where) for key, where in conditions.items()}
    ours = simulate(bars, Intents(**wanted, **stops), model, 10_000.0)
    absent = ("size", "limit_price", "exit_fraction")
    numbers = {key: [value] * ROWS for key, value in stops.items()}
    numbers |= {key: [np.nan] * ROWS for key in absent}
    theirs = PlainSimulation(bars.rows(), {**conditions, **numbers}, model, 10_000.0).finish()
    assert len(theirs.fills) > 50
    keys = [(bar, side, reason) for bar, side, reason, *_ in theirs.fills]
    names = ("bar", "side", "reason")
    assert list(zip(*(ours.fills[one].tolist() for one in names), strict=True)) == keys
    for column, key in ((3, "units"), (4, "price")):
        expected = [fill[column] for fill in theirs.fills]
        np.testing.assert_allclose(ours.fills[key], expected, rtol=1e-9)
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-9)


RATES = SHARED / "funding" / "BTC_funding.parquet"


@pytest.mark.skipif(not RATES.exists(), reason="the shared funding rates are not here")
def test_real_funding_is_paid_at_every_settlement_held() -> None:
    frame = (
        pl.read_parquet(RATES)
        .filter(pl.col("exchange") == "binance", pl.col("time") >= datetime(2021, 1, 1, tzinfo=UTC))
        .sort("time")
        .head(300)
    )
    begin = int(frame["time"].dt.epoch("us")[0])
    times = frame["time"].dt.epoch("us").to_numpy() - begin
    rates = frame["funding_rate"].to_numpy()
    model = model_of(costs={"funding": True}, sizing={"kind": "fixed_units", "value": 1.0})
    simulation = run(
        hours(*[100.0] * 2400), model=model, long_entry=(0,), funding=Funding(times, rates)
    )
    # Entered at the open of the second hour: the settlement of the first is not paid.
    paid = -100 * rates[(times > 0) & (times < 2400 * 3_600_000_000)].sum()
    assert simulation.trades["funding"][0] == pytest.approx(paid, rel=1e-12)
    assert simulation.equity[-1] == pytest.approx(1000 + paid, rel=1e-12)
