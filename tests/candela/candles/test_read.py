"""The reading path: any timeframe and span, now and as of then, one digest for equal candles."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.candles.duck import BadTableName, CandleSQL
from candela.candles.read import read_candles
from candela.candles.rollups import refresh_rollups
from candela.candles.series import NoSuchInstrument, NoSuchSeries
from candela.candles.spans import BadSpan
from candela.candles.store import CandleStore
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from candela.market.instrument import Instrument
from candela.market.timeframe import ROLLUPS, Timeframe
from tests.fixtures.candles import BTC, HOUR, MINUTE, START, batch, made_up, sample, without

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2024, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def store(database: Database, clock: FixedClock) -> Iterator[CandleStore]:
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        yield CandleStore(connection, clock)


def rolled_up(frame: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """Recompute a rollup in polars, independently of SQL."""
    return (
        frame.group_by(
            time=pl.from_epoch(
                pl.col("time").dt.epoch("s") - timeframe.origin_s
                - (pl.col("time").dt.epoch("s") - timeframe.origin_s) % timeframe.seconds
                + timeframe.origin_s,
                time_unit="s",
            ).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            maintain_order=True,
        )
        .agg(
            open=pl.col("open").first(), high=pl.col("high").max(), low=pl.col("low").min(),
            close=pl.col("close").last(), volume=pl.col("volume").sum(),
            candles=pl.len().cast(pl.Int64),
        )
        .sort("time")
    )  # fmt: skip


def same(left: pl.DataFrame, right: pl.DataFrame) -> None:
    exact = ["time", "open", "high", "low", "close", "candles"]
    assert left.select(exact).equals(right.select(exact))
    assert left["volume"].to_numpy() == pytest.approx(right["volume"].to_numpy(), rel=1e-12)


@pytest.mark.parametrize("name", ["5m", "15m", "1h", "4h", "1d", "30m", "2h", "3m"])
def test_read_when_rolled_up_then_equals_recomputation(
    store: CandleStore, database: Database, name: str
) -> None:
    frame = without(made_up(4 * 1440), [0, 1, 2, 100, 101, *range(2_000, 2_400), 5_000])
    store.write(batch(frame, span=(START, START + 4 * DAY)))
    refresh_rollups(database)
    timeframe = Timeframe.parse(name)
    candles = read_candles(database, BTC, timeframe)
    assert candles.relation == (f"candles_{name}" if timeframe in ROLLUPS else "computed")
    same(candles.frame, rolled_up(frame, timeframe))


def test_read_when_week_then_begins_on_monday(store: CandleStore, database: Database) -> None:
    frame = made_up(24 * 30, timeframe=HOUR)
    store.write(batch(frame, timeframe=HOUR))
    weeks = read_candles(database, BTC, Timeframe.parse("1w")).frame
    assert weeks["time"].dt.weekday().to_list() == [1, 1, 1, 1]
    assert weeks["candles"].to_list() == [168] * 4


def test_read_when_last_candle_is_not_closed_then_leaves_it_out(
    store: CandleStore, database: Database
) -> None:
    store.write(batch(made_up(150)))
    refresh_rollups(database)
    for name in ("1h", "30m"):
        times = read_candles(database, BTC, Timeframe.parse(name)).frame["time"]
        assert times[-1] + Timeframe.parse(name).delta <= START + timedelta(minutes=150)
    assert read_candles(database, BTC, HOUR).frame.height == 2


@pytest.mark.parametrize("name", ["1m", "1h", "2h"])
def test_read_when_span_is_given_then_is_half_open_and_candles_are_whole(
    store: CandleStore, database: Database, name: str
) -> None:
    frame = made_up(1440)
    store.write(batch(frame))
    refresh_rollups(database)
    since, until = START + timedelta(minutes=90), START + timedelta(hours=10, minutes=30)
    timeframe = Timeframe.parse(name)
    part = read_candles(database, BTC, timeframe, since, until).frame
    whole = read_candles(database, BTC, timeframe).frame
    assert part.equals(whole.filter((pl.col("time") >= since) & (pl.col("time") < until)))
    assert part.height > 0


def test_read_when_stored_in_two_timeframes_then_prefers_the_stored_one(
    store: CandleStore, database: Database
) -> None:
    store.write(batch(made_up(180)))
    hours = made_up(3, timeframe=HOUR, seed=9)
    store.write(batch(hours, timeframe=HOUR))
    candles = read_candles(database, BTC, HOUR)
    assert (candles.relation, candles.source_timeframe) == ("candles", HOUR)
    assert candles.frame.equals(hours)


def test_read_when_as_of_earlier_then_gives_what_was_known_then(
    store: CandleStore, database: Database, clock: FixedClock
) -> None:
    first, second = made_up(600), made_up(600, seed=2)
    store.write(batch(first[:400]))
    clock.at = NOW + DAY
    store.write(batch(second[300:600]))
    clock.at = NOW + 2 * DAY
    store.write(batch(first[350:450]))
    expected = {
        NOW - DAY: first[:0],
        NOW: first[:400],
        NOW + DAY / 2: first[:400],
        NOW + DAY: pl.concat([first[:300], second[300:600]]),
        NOW + 2 * DAY: pl.concat([first[:300], second[300:350], first[350:450], second[450:600]]),
    }
    for instant, frame in expected.items():
        assert read_candles(database, BTC, MINUTE, as_of=instant).frame.equals(frame), instant
    assert read_candles(database, BTC, MINUTE).frame.equals(expected[NOW + 2 * DAY])
    hours = read_candles(database, BTC, HOUR, as_of=NOW + DAY)
    same(hours.frame, rolled_up(expected[NOW + DAY], HOUR))


def test_read_when_repeated_as_of_its_own_instant_then_digest_is_equal_after_revisions(
    store: CandleStore, database: Database, clock: FixedClock
) -> None:
    store.write(batch(made_up(300)))
    before = read_candles(database, BTC, MINUTE)
    hours_before = read_candles(database, BTC, HOUR)
    clock.at = NOW + DAY
    store.write(batch(made_up(600, seed=5)))
    refresh_rollups(database)
    assert read_candles(database, BTC, MINUTE).digest != before.digest
    assert read_candles(database, BTC, MINUTE, as_of=before.as_of).digest == before.digest
    assert read_candles(database, BTC, HOUR, as_of=before.as_of).digest == hours_before.digest


def test_read_when_late_rows_arrive_then_rollups_follow(
    store: CandleStore, database: Database
) -> None:
    frame = made_up(3 * 1440)
    early = pl.concat([frame[:100], frame[1440:]])
    store.write(batch(early, span=(START, START + 3 * DAY)))
    refresh_rollups(database)
    store.write(batch(frame[100:1440]))
    refresh_rollups(database)
    for timeframe in ROLLUPS:
        same(read_candles(database, BTC, timeframe).frame, rolled_up(frame, timeframe))


def test_read_when_instrument_is_unknown_then_names_near_ones(
    store: CandleStore, database: Database
) -> None:
    store.write(batch(made_up(10)))
    with pytest.raises(NoSuchInstrument, match=r"kraken:BTC/EUR.*Known are bitvavo:BTC/EUR"):
        read_candles(database, Instrument("kraken", "BTC/EUR"), MINUTE)


@pytest.mark.parametrize("name", ["30s", "90s"])
def test_read_when_nothing_stored_fills_the_timeframe_then_says_what_is(
    store: CandleStore, database: Database, name: str
) -> None:
    store.write(batch(made_up(10)))
    with pytest.raises(NoSuchSeries, match=r"Stored: 1m"):
        read_candles(database, BTC, Timeframe.parse(name))


def test_read_when_span_is_empty_or_naive_then_refuses(database: Database) -> None:
    with pytest.raises(BadSpan, match="is empty"):
        read_candles(database, BTC, MINUTE, NOW, NOW)
    with pytest.raises(BadSpan, match="no time zone"):
        read_candles(database, BTC, MINUTE, datetime(2024, 1, 1))  # noqa: DTZ001 - the fault


def test_sql_when_candles_are_named_then_duckdb_reads_them(
    store: CandleStore, database: Database
) -> None:
    frame = sample("BTC-EUR_1h")
    store.write(batch(frame, timeframe=HOUR))
    lab = CandleSQL(database)
    lab.table("btc", "bitvavo:BTC/EUR", "1h")
    days = lab.sql(
        "SELECT date_trunc('day', time) AS day, max(high) AS high FROM btc GROUP BY 1 ORDER BY 1"
    ).pl()
    assert (
        days["high"].to_list()
        == (
            frame.group_by(pl.col("time").dt.date()).agg(pl.col("high").max()).sort("time")["high"]
        ).to_list()
    )
    with pytest.raises(BadTableName, match="drop table"):
        lab.table("drop table x", "bitvavo:BTC/EUR", "1h")
    lab.close()
