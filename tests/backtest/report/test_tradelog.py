"""The list of trades: CSV, words and lengths."""

from __future__ import annotations

import base64
import csv
import io

import numpy as np
import pytest

from backtest.report.tradelog import REASONS, csv_link, holdings, reason_word, table_rows
from candela.fills.records import TRADE, Reason
from tests.backtest.report.example import hours, run

BARS = hours(400)


def trades(*lengths: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    made = np.zeros(len(lengths), dtype=TRADE)
    made["exit_bar"] = lengths
    made["direction"] = 1
    made["pnl"] = 1.0
    return made


def test_reason_of_every_kind_has_a_word() -> None:
    assert set(REASONS) == set(Reason)
    assert reason_word(Reason.STOP) == "stop"
    assert reason_word(99) == "reason 99"


def test_csv_of_trades_keeps_full_precision() -> None:
    example = run(BARS, fast=4, slow=12)
    link = csv_link(example.trades, BARS, ["bitvavo:BTC/EUR"])
    rows = list(
        csv.DictReader(io.StringIO(base64.b64decode(link.partition("base64,")[2]).decode()))
    )
    for trade, row in zip(example.trades, rows, strict=True):
        assert float(row["units"]) == trade["units"]
        assert float(row["return"]) == trade["return_ratio"]
        entered = np.datetime64(row["entry_time"].removesuffix("Z"), "us").astype(np.int64)
        assert entered == BARS.time[trade["entry_bar"]]
        assert (row["exit_time"] == "") == (trade["exit_bar"] < 0)


def test_open_trade_is_shown_as_open() -> None:
    made = trades(-1)
    made["reason"] = Reason.STILL_OPEN
    row = table_rows(made, BARS, ["bitvavo:BTC/EUR"], 2)[0]
    assert (row.left, row.reason, row.held) == ("still open", "still open", "16 d 15 h")


def test_costs_of_a_trade_count_funding_received_against_them() -> None:
    made = trades(3)
    made["fees"], made["slippage"], made["funding"] = 5.0, 2.0, 3.0
    assert table_rows(made, BARS, [], 2)[0].costs == "4.00"


def test_trade_on_another_instrument_bears_its_name() -> None:
    made = trades(3, 4)
    made["instrument"] = [1, 7]
    names = [row.instrument for row in table_rows(made, BARS, ["a:X", "b:Y"], 2)]
    assert names == ["b:Y", "7"]


@pytest.mark.parametrize(
    ("length", "label"),
    [(0, "0"), (1, "1"), (2, "2-5"), (5, "2-5"), (6, "6-20"), (51, "51-200"), (9_999, "201+")],
)
def test_length_of_a_trade_falls_into_its_class(length: int, label: str) -> None:
    assert [(one.label, one.trades) for one in holdings(trades(length))] == [(label, 1)]


def test_classes_of_length_count_every_closed_trade_once() -> None:
    example = run(hours(), fast=4, slow=12)
    closed = example.trades[example.trades["exit_bar"] >= 0]
    classes = holdings(example.trades)
    assert sum(one.trades for one in classes) == len(closed)
    assert sum(one.pnl for one in classes) == pytest.approx(float(closed["pnl"].sum()))
