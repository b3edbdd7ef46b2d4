"""The market's words: timeframes with their grid, instruments with their likely kind."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from candela.market.instrument import BadInstrument, Instrument, likely_kind
from candela.market.timeframe import Timeframe, UnknownTimeframe


@pytest.mark.parametrize(
    ("text", "seconds", "name"),
    [("1m", 60, "1m"), ("60m", 3_600, "1h"), ("24h", 86_400, "1d"), ("7d", 604_800, "1w"),
     ("14d", 1_209_600, "14d"), ("90s", 90, "90s"), (" 4h ", 14_400, "4h")],
)  # fmt: skip
def test_timeframe_when_parsed_then_has_its_length_and_shortest_name(
    text: str, seconds: int, name: str
) -> None:
    timeframe = Timeframe.parse(text)
    assert (timeframe.seconds, timeframe.name) == (seconds, name)
    assert Timeframe.parse(timeframe.name) == timeframe


@pytest.mark.parametrize("text", ["", "m", "0m", "1", "1M", "1.5h", "-1m", "1m1s", "367d", "9" * 9])
def test_timeframe_when_text_is_none_then_refuses(text: str) -> None:
    with pytest.raises(UnknownTimeframe):
        Timeframe.parse(text)


@pytest.mark.parametrize(
    ("name", "start"),
    [("5m", datetime(2024, 5, 9, 17, 40, tzinfo=UTC)), ("1d", datetime(2024, 5, 9, tzinfo=UTC)),
     ("1w", datetime(2024, 5, 6, tzinfo=UTC))],
)  # fmt: skip
def test_floor_when_inside_a_candle_then_gives_its_start(name: str, start: datetime) -> None:
    assert Timeframe.parse(name).floor(datetime(2024, 5, 9, 17, 44, 59, tzinfo=UTC)) == start
    assert Timeframe.parse(name).floor(start) == start


def test_instrument_when_symbol_holds_a_colon_then_only_the_first_parts() -> None:
    instrument = Instrument.parse("Bybit:BTC/USDT:USDT")
    assert (instrument.venue, instrument.symbol) == ("bybit", "BTC/USDT:USDT")
    assert Instrument.parse(str(instrument)) == instrument


@pytest.mark.parametrize("text", ["", "BTC/USD", ":BTC", "a:", "a b:BTC", "a:BTC USD", "a:'--"])
def test_instrument_when_text_names_none_then_refuses(text: str) -> None:
    with pytest.raises(BadInstrument):
        Instrument.parse(text)


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [("BTC/EUR", "spot"), ("EUR/USD", "fx"), ("XAU/USD", "metal"), ("SPY", "equity"),
     ("BTC/USDT:USDT", "perpetual"), ("USDT/USD", "spot")],
)  # fmt: skip
def test_likely_kind_when_nobody_says_then_follows_the_symbol(symbol: str, kind: str) -> None:
    assert likely_kind(symbol) == kind
