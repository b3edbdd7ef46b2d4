"""Fixtures of the SQL tests: TimescaleDB under Node with the whole of sql/."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from candela.db.migrate import migrate
from candela.market.timeframe import ROLLUPS
from tests.fixtures.timescale.wasm import OLDEST_TIMESCALE, serve_timescale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candela.db.connect import Database


@pytest.fixture(scope="module")
def timescale_server() -> Iterator[Database]:
    """TimescaleDB with the schema of sql/; one client at a time."""
    with serve_timescale() as database:
        migrate(database, oldest_timescale=OLDEST_TIMESCALE)
        yield database


@pytest.fixture
def timescale(timescale_server: Database) -> Iterator[Database]:
    """The same server, its market emptied after the test."""
    yield timescale_server
    with timescale_server.connect(autocommit=True) as connection:
        connection.execute(
            "TRUNCATE market.candles, market.candle_revisions, market.batches, market.quarantine,"
            " market.rollup_ranges, market.instruments, market.venues RESTART IDENTITY CASCADE"
        )
        for timeframe in ROLLUPS:
            connection.execute(f"TRUNCATE market.candles_{timeframe}".encode())
