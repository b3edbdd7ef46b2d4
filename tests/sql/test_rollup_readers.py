"""The reading functions of the rollups give what the views give, whatever the bounds and zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from candela.candles.rollups import refresh_rollups
from candela.candles.store import CandleStore
from candela.clock import SystemClock
from candela.db.connect import Role
from candela.market.timeframe import ROLLUPS
from tests.fixtures.candles import HOUR, batch, made_up, without
from tests.sql.rollup_checks import unequal_reads

if TYPE_CHECKING:
    from candela.db.connect import Database

START = datetime(2024, 3, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize("is_refreshed", [True, False])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_readers_when_bounds_cut_buckets_then_give_the_buckets_that_start_within(
    database: Database, zone: str, *, is_refreshed: bool
) -> None:
    """The clocks of Berlin skip an hour within these candles."""
    frame = without(made_up(3 * 1_440, start=START), [5, 700, 701, 702, 2_000])
    with database.connect(Role.PIPELINES) as connection:
        store = CandleStore(connection, SystemClock())
        store.write(batch(frame))
        store.write(batch(made_up(48, start=START, timeframe=HOUR), timeframe=HOUR))
    if is_refreshed:
        refresh_rollups(database)
    for timeframe_s in (60, 3_600):
        assert set(unequal_reads(database, 1, timeframe_s).values()) == {0}
    since, until = START + timedelta(minutes=61, seconds=1), START + timedelta(days=2, hours=3)
    with database.connect(Role.ANALYST) as connection:
        connection.execute("SELECT set_config('timezone', %s, false)", (zone,))
        for timeframe in ROLLUPS:
            rows = connection.execute(
                f"SELECT time, candles FROM market.read_candles_{timeframe}(1, 60, %s, %s)"
                " ORDER BY time".encode(),
                (since, until),
            ).fetchall()
            starts = sorted({timeframe.floor(at) for at in frame["time"]})
            wanted = [start for start in starts if since <= start < until]
            assert [row[0] for row in rows] == wanted
            assert [row[1] for row in rows] == [
                sum(start <= at < start + timeframe.delta for at in frame["time"])
                for start in wanted
            ]
