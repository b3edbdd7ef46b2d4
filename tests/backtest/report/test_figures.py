"""Costs, falls and headline figures, worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from backtest.report.figures import cost_rows, fall_rows, in_a_sentence, quote_currency, tiles
from backtest.report.vocabulary import every_figure
from candela.metrics.words import WORDS
from tests.backtest.report.example import hours, run

METRICS = {
    "initial_equity": 1_000.0,
    "final_equity": 1_060.0,
    "fees": 25.0,
    "slippage": 10.0,
    "funding": -5.0,
}


def test_costs_are_shares_of_the_profit_before_them() -> None:
    assert [(row.name, row.money, row.share) for row in cost_rows(METRICS, "EUR")] == [
        ("Profit before costs", "100.00 EUR", "100 %"),
        ("Fees", "25.00 EUR", "25.0 %"),
        ("Slippage, spread and impact", "10.00 EUR", "10.0 %"),
        ("Funding paid (negative: received)", "5.00 EUR", "5.0 %"),
        ("All costs", "40.00 EUR", "40.0 %"),
        ("Profit after costs", "60.00 EUR", "60.0 %"),
    ]


def test_costs_of_a_loss_have_no_profit_to_share() -> None:
    rows = cost_rows({**METRICS, "final_equity": 900.0}, "")
    assert rows[0] == ("Profit before costs", "-60.00", "")
    assert {row.share for row in rows[1:]} == {"-"}


def test_falls_in_words_name_peak_lowest_and_return() -> None:
    bars = hours(6)
    example = replace(
        run(hours(400)), bars=bars, equity=np.array([99.0, 100.0, 110.0, 55.0, 110.0, 104.5])
    )
    assert [tuple(row) for row in fall_rows(example, 100.0)] == [
        ("50.00 %", "2022-01-01 02:00", "2022-01-01 03:00", "2022-01-01 04:00", "2 h"),
        ("5.00 %", "2022-01-01 04:00", "2022-01-01 05:00", "not yet", "2 h"),
        ("1.00 %", "the start", "2022-01-01 00:00", "2022-01-01 01:00", "1 h"),
    ]


@pytest.mark.parametrize(
    ("instrument", "currency"),
    [
        ("bitvavo:BTC/EUR", "EUR"),
        ("bybit:BTC/USDT:USDT", "USDT"),
        ("bybit:BTC/USD:BTC", "BTC"),
        ("file:AAPL", ""),
        ("", ""),
    ],
)
def test_money_of_an_instrument_is_its_settlement_or_quote(instrument: str, currency: str) -> None:
    assert quote_currency(instrument) == currency


def test_tiles_of_undefined_figures_say_so() -> None:
    shown = {tile.label: tile for tile in tiles({**METRICS, "sharpe": math.nan}, "EUR")}
    assert shown["Sharpe"].value == "undefined"
    assert shown["Costs"].value == "40.00 EUR"
    assert len(shown) == 12


def test_sentence_of_a_run_without_a_fall_tells_none() -> None:
    example = run(hours(400))
    rising = replace(example, metrics={**example.metrics, "max_drawdown": 0.0})
    assert "below an earlier peak" in in_a_sentence(example, "EUR")
    assert "below an earlier peak" not in in_a_sentence(rising, "EUR")


def test_every_figure_keeps_the_order_and_words_of_the_kernel() -> None:
    metrics = {**dict.fromkeys(reversed(list(WORDS)), 1.0), "of_its_own": 2.5}
    rows = every_figure(metrics, "EUR")
    assert [row.name for row in rows] == [*WORDS, "of_its_own"]
    assert rows[0].definition == next(iter(WORDS.values())).definition
    assert rows[-1][:3] == ("of_its_own", "of its own", "2.500000")
    assert next(row.value for row in rows if row.name == "max_drawdown") == "100.00 %"
