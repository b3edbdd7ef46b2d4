"""Continuous aggregates on real TimescaleDB: equal to the plain views whatever is written when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.candles.rollups import refresh_rollups
from candela.db.connect import Role
from candela.market.instrument import Instrument
from candela.market.timeframe import ROLLUPS
from tests.fixtures.candles import BTC, HOUR, batch, made_up, sample, without
from tests.sql.rollup_checks import (
    compress_everything,
    differing_buckets,
    store,
    unequal_reads,
)

if TYPE_CHECKING:
    from candela.db.connect import Database

pytestmark = pytest.mark.node

ADA = Instrument("binance", "ADA/USDT:USDT")
EQUAL = {timeframe.name: 0 for timeframe in ROLLUPS}


def _later(frame: pl.DataFrame, rows: list[int]) -> pl.DataFrame:
    return frame.with_row_index("number").filter(pl.col("number").is_in(rows)).drop("number")


def test_rollups_of_real_candles_when_refreshed_then_equal_the_plain_views(
    timescale: Database,
) -> None:
    store(
        timescale,
        batch(sample("ADA-USDT-perp_1m_2022-12-13"), instrument=ADA),
        batch(sample("BTC-BUSD_1m_2022-12-13")),
        batch(sample("BTC-EUR_1h").head(4_000), timeframe=HOUR),
    )
    assert all(differing_buckets(timescale).values()), "nothing is there before the refresh"
    report = refresh_rollups(timescale)
    assert report.variant == "timescale"
    assert differing_buckets(timescale) == EQUAL
    with timescale.connect(Role.ANALYST) as connection:
        count = connection.execute("SELECT count(*), sum(candles) FROM market.candles_4h")
        assert count.fetchone() == (2 * 6 + 1_000, 2 * 1_440 + 4_000)


def test_rollups_when_candles_come_late_then_read_right_before_and_after_the_refresh(
    timescale: Database,
) -> None:
    frame = sample("ADA-USDT-perp_1m_2022-12-13")
    late = [0, 7, 299, 300, 301, 720, 1_439]
    store(timescale, batch(without(frame, late), instrument=ADA))
    refresh_rollups(timescale)
    written = store(timescale, batch(_later(frame, late), instrument=ADA))
    assert written[0].new == len(late)
    assert differing_buckets(timescale)["5m"] > 0, "the aggregate does not know of them yet"
    assert unequal_reads(timescale, 1, 60) == EQUAL, "the reading functions do"
    report = refresh_rollups(timescale)
    assert report.spans == ((frame["time"][0], frame["time"][-1] + timedelta(minutes=1)),), (
        "one batch is one span"
    )
    assert differing_buckets(timescale) == EQUAL
    assert unequal_reads(timescale, 1, 60) == EQUAL


def test_rollups_when_only_one_day_changed_then_no_other_day_is_refreshed(
    timescale: Database,
) -> None:
    start = datetime(2023, 3, 1, tzinfo=UTC)
    first, third = (made_up(1_440, start=start + timedelta(days=day)) for day in (0, 2))
    store(timescale, batch(first), batch(third))
    refresh_rollups(timescale)
    # A change that no batch tells of stays unknown: proof that the refresh keeps to its spans.
    with timescale.connect(autocommit=True) as connection:
        connection.execute(
            "UPDATE market.candles SET high = high + 1 WHERE time = %s", (third["time"][0],)
        )
    changed = first.with_columns(high=pl.col("high") + 1)
    store(timescale, batch(changed))
    refresh_rollups(timescale)
    assert differing_buckets(timescale) == dict.fromkeys(EQUAL, 2), "one bucket, seen twice"


def test_rollups_when_chunks_are_compressed_and_candles_change_then_stay_equal(
    timescale: Database,
) -> None:
    start = datetime(2023, 3, 1, tzinfo=UTC)
    frame = made_up(8 * 1_440, start=start)
    late = list(range(1_000, 1_100))
    store(timescale, batch(without(frame, late)), batch(frame.head(3_000), instrument=ADA))
    refresh_rollups(timescale)
    assert compress_everything(timescale) >= 6
    changed = frame.with_columns(
        close=pl.when(pl.col("time").dt.minute() == 7).then("high").otherwise("close")
    )
    (written,) = store(timescale, batch(changed))
    # Of the 192 minutes that are the seventh of their hour, two were absent before.
    assert (written.new, written.changed) == (100, 190)
    refresh_rollups(timescale)
    assert differing_buckets(timescale) == EQUAL
    with timescale.connect(Role.ANALYST) as connection:
        counts = connection.execute(
            "SELECT count(*), count(DISTINCT (instrument_id, time)),"
            " count(*) FILTER (WHERE close = high AND extract(minute FROM time) = 7"
            " AND instrument_id = 1) FROM market.candles"
        ).fetchone()
    assert counts == (frame.height + 3_000, frame.height + 3_000, 192)


def test_compressed_candles_when_a_late_row_made_the_chunk_partial_then_updates_touch_all(
    timescale: Database,
) -> None:
    """The canary for updates that silently touch no row of a partly compressed chunk."""
    frame = made_up(3_000, start=datetime(2023, 3, 1, tzinfo=UTC))
    store(timescale, batch(without(frame, [1_500])))
    compress_everything(timescale)
    store(timescale, batch(_later(frame, [1_500])))
    times = [frame["time"][row] for row in (10, 1_500, 2_900)]
    with timescale.connect(Role.PIPELINES) as connection:
        for condition in ("time = ANY(%s)", "time IN (SELECT unnest(%s::timestamptz[]))"):
            touched = connection.execute(
                f"UPDATE market.candles SET flags = 1 WHERE instrument_id = 1"
                f" AND timeframe_s = 60 AND {condition}".encode(),
                (times,),
            ).rowcount
            assert touched == len(times)


def test_buckets_when_the_session_has_another_zone_then_start_at_midnight_utc(
    timescale: Database,
) -> None:
    store(timescale, batch(made_up(2 * 1_440, start=datetime(2023, 3, 25, tzinfo=UTC))))
    refresh_rollups(timescale)
    with timescale.connect(Role.ANALYST) as connection:
        connection.execute("SET timezone = 'Europe/Berlin'")
        days = connection.execute(
            "SELECT time AT TIME ZONE 'UTC', candles FROM market.candles_1d ORDER BY time"
        ).fetchall()
    assert days == [(datetime(2023, 3, 25), 1_440), (datetime(2023, 3, 26), 1_440)]  # noqa: DTZ001


def test_instrument_when_named_by_its_first_then_reads_of_the_other_stay_its_own(
    timescale: Database,
) -> None:
    start = datetime(2023, 3, 1, tzinfo=UTC)
    store(timescale, batch(made_up(600, start=start), instrument=BTC))
    refresh_rollups(timescale)
    store(timescale, batch(made_up(900, start=start, seed=2), instrument=ADA))
    with timescale.connect(Role.ANALYST) as connection:
        rows = [
            connection.execute(
                "SELECT count(*), sum(candles) FROM market.read_candles_1h(%s, 60, %s, %s)",
                (instrument, start + timedelta(hours=2), start + timedelta(hours=12)),
            ).fetchone()
            for instrument in (1, 2)
        ]
    assert rows == [(8, 480), (10, 600)]
