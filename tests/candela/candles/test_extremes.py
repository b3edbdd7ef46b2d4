"""Values at the edge of a float, whole chunks revised, and servers with settings of their own."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest
from psycopg import sql

from candela.candles.read import read_candles
from candela.candles.rollups import refresh_rollups
from candela.candles.store import CandleStore
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from candela.market.instrument import Instrument
from candela.market.timeframe import ROLLUPS, Timeframe
from candela.quality.finding import Finding
from tests.fixtures.candles import BTC, HOUR, MINUTE, START, batch, made_up, without

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2024, 6, 1, tzinfo=UTC)
SECOND = Timeframe(1)


@pytest.fixture
def store(database: Database) -> Iterator[CandleStore]:
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        yield CandleStore(connection, FixedClock(NOW))


def extreme(rows: int) -> pl.DataFrame:
    """Return candles whose values are as small, large and long as floats can be."""
    prices = [1e-18, 0.1 + 0.2, 123456.789012345678, 1e17, 2**53 + 2.0, 1.7e308, 5e-324]
    volumes = [1e-18, 1e17, 0.1 + 0.2, None, 0.0, 1e300, 9007199254740993.0, 1 / 3]
    price = pl.Series([prices[number % len(prices)] for number in range(rows)])
    volume = pl.Series([volumes[number % len(volumes)] for number in range(rows)])
    return made_up(rows).with_columns(open=price, high=price, low=price, close=price, volume=volume)


def test_read_when_values_are_extreme_then_every_way_gives_the_same_bits(
    store: CandleStore, database: Database
) -> None:
    frame = extreme(3 * 1440)
    store.write(batch(frame))
    candles = read_candles(database, BTC, MINUTE)
    assert candles.frame.equals(frame)
    pending = {one: read_candles(database, BTC, one).digest for one in ROLLUPS}
    refresh_rollups(database)
    for one in ROLLUPS:
        refreshed = read_candles(database, BTC, one)
        computed = read_candles(database, BTC, one, as_of=candles.as_of)
        assert (refreshed.relation, computed.relation) == (f"candles_{one}", "computed")
        assert refreshed.digest == computed.digest == pending[one], one


def test_write_when_values_are_extreme_and_repeated_then_nothing_differs(
    store: CandleStore,
) -> None:
    frame = extreme(1000)
    store.write(batch(frame))
    again = store.write(batch(frame[10:900]))
    assert (again.new, again.changed, again.unchanged) == (0, 0, 890)


@pytest.mark.parametrize("name", ["1d", "1w"])
def test_read_as_of_when_candles_are_days_or_weeks_then_gives_the_versions_of_then(
    store: CandleStore, database: Database, name: str
) -> None:
    timeframe = Timeframe.parse(name)
    # A Monday; the last Sunday of March, when clocks are set forward, lies within.
    old = made_up(60, timeframe=timeframe)
    store.write(batch(old, timeframe=timeframe))
    before = read_candles(database, BTC, timeframe)
    new = old.with_columns(high=pl.col("high") + 1)
    store.write(batch(new, timeframe=timeframe))
    assert read_candles(database, BTC, timeframe).frame.equals(new)
    assert read_candles(database, BTC, timeframe, as_of=before.as_of).frame.equals(old)


def test_store_and_read_when_the_server_has_a_zone_and_isolation_of_its_own_then_no_difference(
    store: CandleStore, database: Database
) -> None:
    frame = made_up(5 * 1440, start=datetime(2024, 3, 8, tzinfo=UTC))
    store.write(batch(frame))
    refresh_rollups(database)
    usual = {one: read_candles(database, BTC, one).digest for one in (MINUTE, *ROLLUPS)}
    name = sql.Identifier(database.name)
    with database.connect(autocommit=True) as connection:
        for setting, value in (
            ("timezone", "America/New_York"),
            ("default_transaction_isolation", "serializable"),
        ):
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    name, sql.Identifier(setting), sql.Literal(value)
                )
            )
        try:
            with database.connect(Role.PIPELINES) as session:
                shown = session.execute(
                    "SELECT current_setting('timezone'), current_setting('transaction_isolation')"
                ).fetchone()
            odd = {one: read_candles(database, BTC, one).digest for one in (MINUTE, *ROLLUPS)}
        finally:
            connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(name))
    assert shown == ("UTC", "read committed")
    assert odd == usual


def test_write_when_symbols_differ_in_case_only_then_they_are_two(
    store: CandleStore, database: Database
) -> None:
    lower, upper = Instrument("made", "Lit/EUR"), Instrument("made", "LIT/EUR")
    store.write(batch(made_up(10), instrument=lower))
    store.write(batch(made_up(20, seed=2), instrument=upper))
    assert read_candles(database, lower, MINUTE).frame.equals(made_up(10))
    assert read_candles(database, upper, MINUTE).frame.equals(made_up(20, seed=2))


def test_quarantine_when_the_same_bytes_are_of_two_instruments_then_keeps_both(
    store: CandleStore, database: Database
) -> None:
    finding = Finding(
        row=3, line=4, column="close", check="negative_price", value="-1", message="it is negative",
        time=START + timedelta(minutes=2),
    )  # fmt: skip
    several = [Instrument("made", "A/EUR"), Instrument("made", "B/EUR")]
    for _ in range(2):
        for one in several:
            part = batch(without(made_up(10), [2]), instrument=one)
            store.write(replace(part, refused=(finding,)))
    with database.connect(Role.ANALYST) as connection:
        kept = connection.execute(
            "SELECT instrument FROM market.quarantine ORDER BY instrument"
        ).fetchall()
    assert kept == [(str(one),) for one in several]


def test_write_when_more_than_100000_compressed_seconds_are_revised_then_all_are(
    store: CandleStore, database: Database
) -> None:
    with database.connect(autocommit=True) as connection:
        chunks = "SELECT to_regclass('timescaledb_information.chunks') IS NOT NULL"
        if connection.execute(chunks).fetchone() != (True,):
            pytest.skip("the server has no TimescaleDB")
        old = made_up(150_000, timeframe=SECOND)
        store.write(batch(old, timeframe=SECOND))
        for (chunk,) in connection.execute("SELECT show_chunks('market.candles')::text").fetchall():
            connection.execute("CALL convert_to_columnstore(%s::regclass)", (chunk,))
    # One in each compressed batch of a thousand is enough to open all of them.
    new = old.with_columns(
        high=pl.when(pl.int_range(pl.len()) % 100 == 3).then(pl.col("high") + 1).otherwise("high")
    )
    written = store.write(batch(new, timeframe=SECOND))
    assert (written.new, written.changed, written.unchanged) == (0, 1_500, 148_500)
    assert read_candles(database, BTC, SECOND).frame.equals(new)
    refresh_rollups(database)
    hours = read_candles(database, BTC, HOUR)
    assert hours.digest == read_candles(database, BTC, HOUR, as_of=hours.as_of).digest
