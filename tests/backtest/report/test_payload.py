"""The charts get what the run holds: prices exactly, extremes kept when aggregated."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backtest.report.drawdowns import under_water
from backtest.report.payload import MOST_BARS, chart_payload, display_timeframe, price_decimals
from candela.fills.records import FILL
from candela.market.timeframe import Timeframe
from tests.backtest.report.example import CASH, ExampleBars, Floats, hours, minutes, run
from tests.fixtures.candles import sample


def unpacked(column: Any) -> Floats:
    dtype = {"int32": "<i4", "float32": "<f4", "float64": "<f8"}[column["type"]]
    values = np.frombuffer(base64.b64decode(column["data"]), dtype=dtype).astype(np.float64)
    return values / column.get("scale", 1)


def test_prices_of_real_candles_come_back_exactly() -> None:
    example = run(hours())
    packed = chart_payload(example, CASH, price_decimals(example.bars))
    for name in ("open", "high", "low", "close"):
        assert unpacked(packed[name]).tolist() == getattr(example.bars, name).tolist()
    assert unpacked(packed["time"]).tolist() == (example.bars.time // 1_000_000).tolist()
    assert unpacked(packed["equity"]) == pytest.approx(example.equity, rel=1e-6)


def test_prices_beyond_any_step_come_back_exactly() -> None:
    example = run(minutes(500))
    packed: Any = chart_payload(example, CASH, price_decimals(example.bars))
    assert packed["close"]["type"] == "float64"
    assert unpacked(packed["close"]).tolist() == example.bars.close.tolist()


def test_aggregated_candles_keep_first_last_and_extremes() -> None:
    example = run(minutes(50_001))
    bars = example.bars
    packed: Any = chart_payload(example, CASH, 4)
    assert packed["seconds"] == 180
    shown = {name: unpacked(packed[name]) for name in ("open", "high", "low", "close", "under")}
    assert len(shown["open"]) == 16_667 <= MOST_BARS
    for number in (0, 1, 777, 16_666):
        rows = slice(number * 3, number * 3 + 3)
        assert shown["open"][number] == bars.open[rows][0]
        assert shown["close"][number] == bars.close[rows][-1]
        assert shown["high"][number] == bars.high[rows].max()
        assert shown["low"][number] == bars.low[rows].min()
    assert shown["under"].min() == pytest.approx(under_water(example.equity, CASH).min(), rel=1e-6)
    exposure = unpacked(packed["exposure"])
    whole = example.position * bars.close / example.equity
    assert exposure[5] == pytest.approx(whole[15:18].mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "timeframe", "shown"),
    [
        (20_000, "1m", "1m"),
        (20_001, "1m", "2m"),
        (525_600, "1m", "30m"),
        (5_256_000, "1m", "6h"),
        (30_000, "7m", "14m"),
        (30_000, "1h", "2h"),
    ],
)
def test_timeframe_shown_is_the_finest_that_fits(rows: int, timeframe: str, shown: str) -> None:
    one = hours(1)
    column = np.zeros(rows)
    bars = ExampleBars(
        time=np.arange(rows, dtype=np.int64),
        open=column,
        high=column,
        low=column,
        close=column,
        volume=column,
        instrument=one.instrument,
        timeframe=Timeframe.parse(timeframe),
    )
    assert display_timeframe(bars) == Timeframe.parse(shown)


def test_lines_named_with_a_pane_are_drawn_in_it() -> None:
    bars = hours(300)
    example = replace(run(bars), panes={"mean": bars.close, "macd/signal": bars.close})
    packed: Any = chart_payload(example, CASH, 2)
    assert [(one["pane"], one["name"]) for one in packed["panes"]] == [
        (None, "mean"),
        ("macd", "signal"),
    ]


def test_fills_inside_a_trade_are_kept_apart_from_its_ends() -> None:
    example = run(hours(400), fast=4, slow=12)
    trade = example.trades[1]
    inner = np.zeros(1, dtype=FILL)
    inner["bar"] = trade["entry_bar"] + 1
    inner["side"], inner["price"], inner["units"] = 1, 41_000.5, 0.25
    added = replace(example, fills=np.concatenate([example.fills, inner]))
    assert chart_payload(example, CASH, 2)["legs"] == []
    at = int(example.bars.time[trade["entry_bar"] + 1] // 1_000_000)
    assert chart_payload(added, CASH, 2)["legs"] == [[at, 1, 41_000.5, 0.25]]


def test_decimals_of_prices_are_those_they_have() -> None:
    assert price_decimals(hours()) == 2
    closes = np.array([1.23456, 1.2])
    small = replace(hours(2), open=closes, close=closes)
    assert price_decimals(small) == 5
    assert price_decimals(replace(small, open=closes / 1e5, close=closes / 1e5)) == 10
    assert price_decimals(replace(small, open=closes / 7, close=closes / 7)) == 7
    assert sample("BTC-EUR_1h")["close"][0] == hours(1).close[0]
