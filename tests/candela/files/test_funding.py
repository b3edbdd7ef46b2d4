"""Funding files: rates are taken or refused row by row."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from candela.files.funding import FUNDING_SCHEMA, read_funding
from candela.files.unreadable import FileUnreadable
from tests.candela.files.making import CLOCK, SHARED

START = datetime(2023, 1, 1, tzinfo=UTC)
STEP = 8 * 3_600_000


def lines(*changes: tuple[int, str]) -> list[str]:
    rows = [
        f"BTC/USDT:USDT,binance,{int(START.timestamp() * 1000) + at * STEP},{(at - 3) / 10_000}"
        for at in range(10)
    ]
    for row, text in changes:
        rows[row - 1] = text
    return ["symbol,exchange,time,funding_rate", *rows]


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("".join(row + "\n" for row in rows))
    return path


def test_clean_rates_are_all_taken(tmp_path: Path) -> None:
    found = read_funding(write(tmp_path / "a.csv", lines()), CLOCK)
    assert (found.refused, found.rows) == ([], 10)
    assert dict(found.frame.schema) == FUNDING_SCHEMA
    assert found.frame["time"][0] == START
    assert found.frame["funding_rate"].to_list() == [(at - 3) / 10_000 for at in range(10)]


def test_odd_rates_are_refused_with_their_line(tmp_path: Path) -> None:
    head = "BTC/USDT:USDT,binance"
    rows = lines(
        (2, f"{head},1672560000000,"),
        (3, f"{head},1672588800000,inf"),
        (4, f"{head},1672617600000,1.5"),
        (5, f"{head},1672617600000,abc"),
        (6, f"{head},,0.0001"),
        (7, f"{head},1672531200000,0.0002"),
        (8, ",binance,1672732800000,0.0002"),
        (9, f"{head},4102444800000,0.0002"),
    )
    found = read_funding(write(tmp_path / "a.csv", rows), CLOCK)
    assert [(one.row, one.line, one.check, one.column) for one in found.refused] == [
        (2, 3, "null", "funding_rate"),
        (3, 4, "infinite", "funding_rate"),
        (4, 5, "out_of_range", "funding_rate"),
        (5, 6, "non_numeric", "funding_rate"),
        (6, 7, "null", "timestamp"),
        (7, 8, "duplicate_timestamp", "timestamp"),
        (8, 9, "bad_instrument", "symbol,exchange"),
        (9, 10, "future_timestamp", "timestamp"),
    ]
    assert found.frame.height + len(found.refused) == found.rows == 10


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "empty_file"),
        ("symbol,exchange,time,funding_rate\n", "empty_file"),
        ("symbol,exchange,time\na,b,1\n", "wrong_header"),
        ("symbol,exchange,time,funding_rate\nA/B,b,1672531200,0.1\n", "timestamp_unit_seconds"),
        ("symbol,exchange,time,funding_rate\nA/B,b,1,2,3,4,5\n", "ragged_row"),
    ],
)
def test_unreadable_file_is_one_error(text: str, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(FileUnreadable) as caught:
        read_funding(path, CLOCK)
    assert caught.value.finding.check == rule


def test_parquet_and_text_agree(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", lines())
    frame = pl.read_csv(path).with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))
    frame.write_parquet(tmp_path / "a.parquet")
    one, other = read_funding(path, CLOCK), read_funding(tmp_path / "a.parquet", CLOCK)
    assert one.frame.equals(other.frame)


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_real_rates_are_all_taken(coin: str) -> None:
    path = SHARED / "funding" / f"{coin}_funding.parquet"
    if not path.exists():
        pytest.skip("../shared/data/funding is not here")
    found = read_funding(path, CLOCK)
    assert (found.refused, found.frame.height) == ([], 39_332)
