"""The writer of candles: exactly once, versioned, whole batches, under concurrency."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, LiteralString

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candela.candles.store import Batch, BatchOutOfSpan, CandleStore, Source
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from candela.market.candle import CANDLE_SCHEMA
from candela.quality.finding import Finding
from tests.fixtures.candles import BTC, HOUR, MINUTE, START, batch, made_up, sample

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def store(database: Database, clock: FixedClock) -> Iterator[CandleStore]:
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        yield CandleStore(connection, clock)


def stored(database: Database, table: LiteralString = "candles") -> pl.DataFrame:
    with database.connect(Role.ANALYST) as connection:
        rows = connection.execute(
            f"SELECT time, open, high, low, close, volume, flags FROM market.{table} ORDER BY time"
        ).fetchall()
    return pl.DataFrame(rows, schema=CANDLE_SCHEMA, orient="row")


def count(database: Database, table: LiteralString) -> int:
    with database.connect(Role.ANALYST) as connection:
        row = connection.execute(f"SELECT count(*) FROM market.{table}").fetchone()
    assert row is not None
    return row[0]


def test_write_when_new_then_stores_every_value_bit_for_bit(
    store: CandleStore, database: Database
) -> None:
    frame = sample("BTC-BUSD_1m_2022-12-13")
    written = store.write(batch(frame))
    assert (written.new, written.changed, written.unchanged) == (1440, 0, 0)
    assert stored(database).equals(frame)


def test_write_when_price_is_tiny_then_survives_the_round_trip(
    store: CandleStore, database: Database
) -> None:
    frame = made_up(3).with_columns(
        open=pl.lit(0.00000812), high=pl.lit(0.00000813), low=pl.lit(0.00000789),
        close=pl.lit(0.0000081234567), volume=pl.lit(123456789012.12345),
    )  # fmt: skip
    store.write(batch(frame))
    assert stored(database).equals(frame)


def test_write_when_repeated_then_writes_nothing(store: CandleStore, database: Database) -> None:
    frame = made_up(500)
    store.write(batch(frame))
    again = store.write(batch(frame))
    assert again.batch_id is None
    assert again.unchanged == 500
    assert count(database, "batches") == 1
    assert count(database, "candle_revisions") == 0


def test_write_when_span_differs_but_rows_are_equal_then_no_candle_changes(
    store: CandleStore, database: Database
) -> None:
    frame = made_up(500)
    first = store.write(batch(frame))
    again = store.write(batch(frame[100:400]))
    assert (again.new, again.changed, again.unchanged) == (0, 0, 300)
    with database.connect(Role.ANALYST) as connection:
        owners = connection.execute("SELECT DISTINCT batch_id FROM market.candles").fetchall()
    assert owners == [(first.batch_id,)]


def test_write_when_values_change_then_keeps_the_predecessors(
    store: CandleStore, database: Database
) -> None:
    old = made_up(100)
    store.write(batch(old))
    new = old.with_columns(
        high=pl.when(pl.int_range(pl.len()) % 10 == 3).then(pl.col("high") + 1).otherwise("high")
    )
    written = store.write(batch(new))
    assert (written.new, written.changed, written.unchanged) == (0, 10, 90)
    assert stored(database).equals(new)
    assert stored(database, "candle_revisions").equals(old.filter(pl.int_range(pl.len()) % 10 == 3))


def test_write_when_volume_is_not_reported_then_stores_null_and_compares_it(
    store: CandleStore, database: Database
) -> None:
    frame = made_up(50).with_columns(volume=pl.lit(None, pl.Float64))
    store.write(batch(frame))
    mixed = frame.with_columns(
        volume=pl.when(pl.int_range(pl.len()) == 7).then(1.5).otherwise(None)
    )
    written = store.write(batch(mixed))
    assert (written.changed, written.unchanged) == (1, 49)
    assert stored(database).equals(mixed)


def test_write_when_also_fails_then_nothing_is_stored(
    store: CandleStore, database: Database
) -> None:
    def fail(_cursor: psycopg.Cursor) -> None:
        message = "the cursor could not move"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="could not move"):
        store.write(batch(made_up(100)), also=fail)
    assert [count(database, name) for name in ("candles", "batches", "rollup_ranges")] == [0, 0, 0]


def test_write_when_rows_lie_outside_the_span_then_refuses(store: CandleStore) -> None:
    frame = made_up(10)
    span = (START, START + timedelta(minutes=9))
    with pytest.raises(BatchOutOfSpan, match="outside the span"):
        store.write(batch(frame, span=span))


@pytest.mark.parametrize("order", [[1, 0], [0, 0]], ids=["descending", "twice"])
def test_write_when_times_are_not_strictly_ascending_then_refuses(
    store: CandleStore, order: list[int]
) -> None:
    frame = made_up(2)[order]
    with pytest.raises(BatchOutOfSpan, match="strict order"):
        store.write(batch(frame, span=(START, START + timedelta(hours=1))))


def test_write_when_rows_were_refused_then_quarantine_keeps_each_once(
    store: CandleStore, database: Database
) -> None:
    finding = Finding(
        row=7, line=8, column="close", check="negative_price", value="-1\x00", message="bad",
        time=START,
    )  # fmt: skip
    given_batch = batch(made_up(10))
    refused = Batch(
        **{
            name: getattr(given_batch, name)
            for name in ("instrument", "timeframe", "frame", "covered_from", "covered_to")
        },
        source=Source("file", "made.csv", "sha256:1"),
        rows_read=11,
        refused=(finding,),
    )
    store.write(refused)
    store.write(refused)
    with database.connect(Role.ANALYST) as connection:
        rows = connection.execute(
            "SELECT source, row_number, line_number, check_name, value, instrument"
            " FROM market.quarantine"
        ).fetchall()
    assert rows == [("made.csv", 7, 8, "negative_price", "-1\\0", "bitvavo:BTC/EUR")]


def test_write_when_clock_goes_back_then_known_at_still_ascends(
    store: CandleStore, database: Database, clock: FixedClock
) -> None:
    store.write(batch(made_up(10)))
    clock.at = NOW - timedelta(days=1)
    store.write(batch(made_up(10, seed=2)))
    with database.connect(Role.ANALYST) as connection:
        known = [
            row[0]
            for row in connection.execute("SELECT known_at FROM market.batches ORDER BY batch_id")
        ]
    assert known == [NOW, NOW + timedelta(microseconds=1)]


def test_write_when_two_writers_overlap_then_one_waits_and_every_key_exists_once(
    database: Database,
) -> None:
    frame = made_up(2_000)
    results: list[int] = []

    def work(start: int) -> None:
        with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
            store = CandleStore(connection, FixedClock(NOW))
            for offset in range(start, 1_500, 100):
                written = store.write(batch(frame[offset : offset + 500]))
                results.append(written.new)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(results) == 2_000 - 50
    assert stored(database).equals(frame[:1_950])
    assert count(database, "candle_revisions") == 0


def test_write_when_timeframes_differ_then_series_stay_apart(
    store: CandleStore, database: Database
) -> None:
    store.write(batch(made_up(10)))
    store.write(batch(made_up(10, timeframe=HOUR), timeframe=HOUR))
    with database.connect(Role.ANALYST) as connection:
        rows = connection.execute(
            "SELECT timeframe_s, count(*) FROM market.candles GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert rows == [(60, 10), (3600, 10)]


def test_ensure_instrument_when_a_file_venue_is_asked_as_exchange_then_it_is_one(
    database: Database,
) -> None:
    kinds: list[str] = []
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        for kind in ("file", "exchange", "file"):
            CandleStore(connection, FixedClock(NOW)).ensure_instrument(BTC, kind)
            row = connection.execute("SELECT kind FROM market.venues").fetchone()
            assert row is not None
            kinds.append(row[0])
    assert kinds == ["file", "exchange", "exchange"]


def test_ensure_instrument_when_raced_then_gives_one_id(database: Database) -> None:
    ids: list[int] = []

    def work() -> None:
        with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
            ids.append(CandleStore(connection, FixedClock(NOW)).ensure_instrument(BTC))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6
    assert len(set(ids)) == 1


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 40), st.integers(1, 3)), min_size=1, max_size=8
    )
)
def test_write_when_any_history_then_last_value_wins_and_none_is_lost(
    database: Database, steps: list[tuple[int, int, int]]
) -> None:
    """Against a dictionary: the newest value of each time, and every value that it replaced."""
    with database.connect(autocommit=True) as connection:
        connection.execute("TRUNCATE market.candles, market.batches, market.candle_revisions")
    newest: dict[datetime, float] = {}
    replaced: list[tuple[datetime, float]] = []
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        store = CandleStore(connection, FixedClock(NOW))
        for start, length, seed in steps:
            frame = made_up(80, seed=seed)[start : start + length]
            for time, close in frame.select("time", "close").iter_rows():
                if time in newest and newest[time] != close:
                    replaced.append((time, newest[time]))
                newest[time] = close
            store.write(batch(frame, timeframe=MINUTE))
    now = stored(database).select("time", "close")
    assert dict(now.iter_rows()) == newest
    then = stored(database, "candle_revisions").select("time", "close")
    assert sorted(then.iter_rows()) == sorted(replaced)
