"""Numbers, spans and instants as text."""

from __future__ import annotations

import math

import pytest

from backtest.report.numerals import (
    amount,
    count,
    day,
    instant,
    iso,
    percent,
    plain,
    span,
    tone,
    units,
)


@pytest.mark.parametrize(
    ("value", "decimals", "unit", "text"),
    [
        (12_345.678, 2, "EUR", "12,345.68 EUR"),
        (-0.001, 2, "", "-0.00100"),
        (0.0000123456, 2, "BTC", "0.0000123 BTC"),
        (-0.0, 2, "", "0.00"),
        (0.0, 2, "EUR", "0.00 EUR"),
        (1.5, 3, "", "1.500"),
        (math.nan, 2, "EUR", "undefined"),
        (math.inf, 2, "", "infinite"),
        (-math.inf, 2, "", "-infinite"),
    ],
)
def test_amount_of_any_size_reads_as_stated(
    value: float, decimals: int, unit: str, text: str
) -> None:
    assert amount(value, decimals, unit) == text


def test_percent_of_a_ratio_reads_as_stated() -> None:
    assert percent(0.12345) == "12.35 %"
    assert percent(0.1, signed=True) == "+10.00 %"
    assert percent(-0.00001) == "0.00 %"
    assert percent(0.00001, signed=True) == "0.00 %"
    assert percent(12.5, 0) == "1,250 %"
    assert percent(math.nan) == "undefined"


def test_plain_number_keeps_its_decimals() -> None:
    assert [plain(value) for value in (-0.0316, -0.001, 12_345.678, math.nan, math.inf)] == [
        "-0.03", "0.00", "12,345.68", "undefined", "infinite",
    ]  # fmt: skip


def test_units_of_any_size_never_read_in_powers_of_ten() -> None:
    sizes = (0.0, 0.2711634, 0.00001234, 1_234_567.8, 100.0, 1e-14)
    assert [units(size) for size in sizes] == [
        "0", "0.271163", "0.00001234", "1,234,568", "100", "0",
    ]  # fmt: skip


def test_count_and_tone_of_numbers_read_as_stated() -> None:
    assert count(17_505.0) == "17,505"
    assert count(math.nan) == "undefined"
    assert [tone(value) for value in (1.0, -1.0, 0.0, math.nan)] == ["gain", "loss", "", ""]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (3_600, "1 h"),
        (90_061, "1 d 1 h"),
        (86_400 + 60, "1 d"),
        (365 * 86_400 * 2.5, "2.5 years"),
        (math.nan, "undefined"),
    ],
)
def test_span_of_seconds_names_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_instant_in_microseconds_reads_in_utc() -> None:
    at = 1_643_637_600_000_000
    assert (instant(at), day(at), iso(at)) == (
        "2022-01-31 14:00",
        "2022-01-31",
        "2022-01-31T14:00:00Z",
    )
    assert instant(at + 5_000_000) == "2022-01-31 14:00:05"
    assert day(-1_000_000) == "1969-12-31"
