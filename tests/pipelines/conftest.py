"""Fixtures of the pipelines' tests: an instance of Dagster, the platform, files to bring in."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
import pytest
from psycopg import sql

from candela.clock import FixedClock
from candela.embedded.bootstrap import create_database
from pipelines.resources import Platform
from pipelines.up.home import Home, open_home
from tests.fixtures.candles import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from candela.db.connect import Database


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in files, for what does not depend on its storage."""
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def platform(database: Database, redis_url: str) -> Platform:
    """The test's database and Valkey, a year after the made-up candles begin."""
    return Platform(
        database=database, redis_url=redis_url, clock=FixedClock(START.replace(year=2027))
    )


@pytest.fixture
def storage_url(server: Database, worker_number: int) -> Iterator[str]:
    """A database for Dagster's storage, as SQLAlchemy wants its address."""
    name = f"candela_dagster_{worker_number}_{secrets.token_hex(4)}"
    made = create_database(server, name, owner=None)
    yield "postgresql+psycopg2" + made.login_url(None).removeprefix("postgresql")
    with server.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def home(tmp_path: Path, storage_url: str) -> Home:
    """A home of Dagster with the project's configuration, and PostgreSQL for its storage."""
    return open_home(tmp_path / "state", storage_url)


@pytest.fixture
def candle_file(tmp_path: Path) -> Callable[..., Path]:
    """Write candles as a Parquet file of one market."""

    def write(frame: pl.DataFrame, name: str = "hours.parquet", symbol: str = "BTC/EUR") -> Path:
        path = tmp_path / name
        frame.select(
            pl.lit(symbol).alias("symbol"),
            pl.lit("bitvavo").alias("exchange"),
            *("time", "open", "high", "low", "close", "volume"),
        ).write_parquet(path)
        return path

    return write
