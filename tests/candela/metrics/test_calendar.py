"""Bars of a year, on paper and on real candles."""

from __future__ import annotations

import polars as pl
import pytest

from candela.market.instrument import BadInstrument
from candela.metrics.calendar import (
    ALWAYS,
    EQUITY,
    FX,
    METAL,
    YEAR_S,
    BadCalendar,
    Calendar,
    bars_per_year,
    calendar_of,
)
from tests.fixtures.candles import SHARED

MINUTE, HOUR, DAY, WEEK = 60, 3_600, 86_400, 604_800


@pytest.mark.parametrize(
    ("calendar", "timeframe_s", "bars"),
    [
        (ALWAYS, MINUTE, 525_600),
        (ALWAYS, HOUR, 8_760),
        (ALWAYS, DAY, 365),
        (ALWAYS, WEEK, 365 / 7),
        (EQUITY, MINUTE, 252 * 390),
        (EQUITY, 1_800, 252 * 13),
        (EQUITY, HOUR, 252 * 7),
        (EQUITY, DAY, 252),
        (EQUITY, 3 * DAY, 365 / 3),
        (EQUITY, WEEK, 365 / 7),
        (FX, HOUR, 6_240),
        (FX, DAY, 312),
        (FX, WEEK, 365 / 7),
        (METAL, HOUR, 260 * 23),
        (METAL, MINUTE, 260 * 1_380),
    ],
)
def test_bars_per_year_of_market_equal_its_convention(
    calendar: Calendar, timeframe_s: int, bars: float
) -> None:
    assert bars_per_year(timeframe_s, calendar) == pytest.approx(bars, rel=1e-12)


def test_bars_per_year_without_calendar_are_around_the_clock() -> None:
    assert bars_per_year(HOUR) == 8_760


@pytest.mark.parametrize(
    ("instrument", "kind", "calendar"),
    [
        ("bitfinex:BTC/USD", None, ALWAYS),
        ("bybit:BTC/USDT:USDT", None, ALWAYS),
        ("oanda:EUR/USD", None, FX),
        ("oanda:XAU/USD", None, METAL),
        ("usa:SPY", None, EQUITY),
        ("kraken:EUR/USD", "spot", ALWAYS),  # a currency pair at an exchange for crypto
        ("bitmex:XBTUSD", "perpetual", ALWAYS),
        ("somewhere:THING/USD", "other", ALWAYS),
        ("cboe:VIX/USD", "equity", EQUITY),
    ],
)
def test_calendar_of_instrument_follows_its_kind_before_its_symbol(
    instrument: str, kind: str | None, calendar: Calendar
) -> None:
    assert calendar_of(instrument, kind) is calendar


def test_calendar_of_no_instrument_is_refused_naming_the_text() -> None:
    with pytest.raises(BadInstrument, match="nonsense"):
        calendar_of("nonsense")


@pytest.mark.parametrize("timeframe_s", [0, -60, float("nan"), float("inf")])
def test_bars_per_year_of_no_timeframe_are_refused_naming_it(timeframe_s: float) -> None:
    with pytest.raises(BadCalendar, match=f"timeframe of {timeframe_s} "):
        bars_per_year(timeframe_s)


@pytest.mark.parametrize(
    ("sessions", "session_s", "daily"),
    [(0, DAY, 365), (367, DAY, 365), (252, 0, 252), (252, DAY + 1, 252), (252, DAY, 400)],
)
def test_calendar_of_impossible_numbers_is_refused_naming_them(
    sessions: int, session_s: int, daily: int
) -> None:
    with pytest.raises(BadCalendar, match=f"Calendar odd has {sessions} sessions of {session_s} s"):
        Calendar("odd", sessions, session_s, daily)


@pytest.mark.parametrize(
    ("file", "symbol", "calendar", "timeframe_s"),
    [
        ("equities/us_1h", "SPY", EQUITY, HOUR),
        ("equities/us_1d", "SPY", EQUITY, DAY),
        ("fx/EUR-USD_1h", "EUR/USD", FX, HOUR),
        ("fx/EUR-USD_1d", "EUR/USD", FX, DAY),
        ("fx/XAU-USD_1h", "XAU/USD", METAL, HOUR),
    ],
)
def test_bars_per_year_of_real_candles_are_within_two_per_cent_of_convention(
    file: str, symbol: str, calendar: Calendar, timeframe_s: int
) -> None:
    path = SHARED / f"{file}.parquet"
    if not path.exists():
        pytest.skip("the shared candles are not on this machine")
    times = pl.read_parquet(path).filter(pl.col("symbol") == symbol)["time"]
    years = (times[-1] - times[0]).total_seconds() / YEAR_S
    assert bars_per_year(timeframe_s, calendar) == pytest.approx(times.len() / years, rel=0.02)
