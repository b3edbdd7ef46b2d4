"""What is replayed: shipped and own candles, hours walked as minutes, loops, openings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.clock import FixedClock
from sandbox.bars import BAR_MS, BadReplay, NoReplay, read_series, sample_series, series_of
from sandbox.venue import SandboxVenue
from tests.fixtures.candles import SAMPLE, made_up
from tests.sandbox.harness import standing

if TYPE_CHECKING:
    from pathlib import Path


def test_hours_walked_as_minutes_keep_open_high_low_and_close() -> None:
    venue = standing(symbols=("ETH/USDT",))
    symbol = venue.listing.symbols["ETHUSDT"]
    source = pl.read_parquet(SAMPLE / "ETH-EUR_1h.parquet")
    first = symbol.replay.anchor_ms
    for number in range(200):
        minutes = [symbol.replay.bar(number * 60 + one) for one in range(60)]
        seen = (
            minutes[0].open,
            max(one.high for one in minutes),
            min(one.low for one in minutes),
            minutes[-1].close,
        )
        row = source.row(number, named=True)
        scale = 10**symbol.replay.series.tick_decimals
        wanted = [row[name] * scale for name in ("open", "high", "low", "close")]
        assert seen == pytest.approx(wanted, abs=1), number
        assert sum(one.volume for one in minutes) == pytest.approx(row["volume"])
    assert first == int(source["time"][0].timestamp() * 1_000)


def test_candles_after_the_last_one_begin_anew_while_times_go_on() -> None:
    series = {"X/USDT": series_of(made_up(30))}
    venue = SandboxVenue((), series=series, history=10, speed=60,
                         clock=FixedClock(datetime(2026, 1, 1, tzinfo=UTC)))  # fmt: skip
    symbol = venue.listing.symbols["XUSDT"]
    venue.advance(70)
    rows = symbol.klines("1m", None, None, 1_000, venue.clock.now_ms())
    assert [row[0] for row in rows] == [rows[0][0] + BAR_MS * one for one in range(81)]
    assert [row[1:6] for row in rows[:30]] == [row[1:6] for row in rows[30:60]]


def test_minutes_that_the_source_lacks_are_flat_and_empty() -> None:
    frame = made_up(10)
    series = series_of(frame.filter(~pl.col("time").is_in(frame["time"][3:5].to_list())))
    assert series.minutes == 10
    assert series.volumes[3:5].tolist() == [0, 0]
    assert set(series.ticks[3].tolist()) == {int(series.ticks[2][3])}


def test_venue_opened_at_speed_one_stands_in_the_middle_of_its_candles() -> None:
    now = datetime(2026, 5, 1, 10, 30, 20, tzinfo=UTC)
    venue = SandboxVenue(clock=FixedClock(now))
    symbol = venue.listing.symbols["BTCUSDT"]
    assert venue.clock.now_ms() == int(now.timestamp() * 1_000)
    assert symbol.replay.number(venue.clock.now_ms()) == 720
    assert len(symbol.klines("1m", None, None, 1_000, venue.clock.now_ms())) == 721


def test_venue_opened_again_goes_on_where_it_would_have_been(tmp_path: Path) -> None:
    beneath = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))

    def opened() -> SandboxVenue:
        return SandboxVenue(speed=60, clock=beneath, folder=tmp_path, keeps_ledger=True)

    began = opened().clock.now_ms()
    anchors: set[int] = set()
    for number in range(1, 4):
        beneath.at += timedelta(seconds=10)
        venue = opened()
        anchors.add(venue.listing.symbols["BTCUSDT"].replay.anchor_ms)
        assert venue.clock.now_ms() == began + number * 600_000
    assert len(anchors) == 1


def test_own_file_is_replayed_from_csv_as_from_parquet(tmp_path: Path) -> None:
    frame = made_up(50)
    csv, parquet = tmp_path / "a.csv", tmp_path / "a.parquet"
    frame.with_columns(pl.col("time").dt.epoch("ms")).write_csv(csv)
    frame.write_parquet(parquet)
    one, other = read_series(csv), read_series(parquet)
    assert (one.ticks == other.ticks).all()
    assert one.first_ms == other.first_ms


def test_candles_that_cannot_be_replayed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoReplay):
        sample_series("SOL/USDT")
    with pytest.raises(BadReplay):
        series_of(made_up(1))
    with pytest.raises(BadReplay):
        series_of(made_up(5).with_columns(close=pl.lit(0.0)))
    with pytest.raises(BadReplay):
        series_of(made_up(5).drop("volume"))
    broken = tmp_path / "a.parquet"
    broken.write_bytes(b"no candles")
    with pytest.raises(BadReplay):
        read_series(broken)


def test_made_up_symbols_are_listed_and_trade_at_prices_of_their_own() -> None:
    venue = standing(listed=3_400)
    now = venue.clock.now_ms()
    assert len(venue.listing.symbols) == 3_401
    prices = {
        one.price_at(one.step_number(now)) for one in list(venue.listing.symbols.values())[:50]
    }
    assert len(prices) > 40
