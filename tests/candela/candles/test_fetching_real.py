"""Fetching of real candles, from the shipped sample, through an exchange in another process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.candles.fetching import fetch_candles
from candela.candles.store import CandleStore
from candela.clock import SystemClock
from candela.db.connect import Role
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from candela.venues.budget import RequestBudget
from candela.venues.client import VenueClient
from candela.venues.gateway import VenueGateway
from tests.fixtures.candles import SAMPLE
from tests.fixtures.exchange.harness import FIGURES, stored
from tests.fixtures.exchange.plugin import FAST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candela.db.connect import Database

ROOT = Path(__file__).parents[3]


@pytest.fixture
def sandbox(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[VenueGateway]:
    """The exchange as a process of its own, with the files and the time of the test."""
    paths, now = request.param
    port_file = tmp_path / "port.json"
    command = [sys.executable, "-m", "tests.fixtures.exchange", "--port-file", str(port_file)]
    command += ["--folder", str(tmp_path), "--now", now, "--log-file", str(tmp_path / "log")]
    command += ["--fault-probability", "0.1", "--data", *map(str, paths)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        deadline = time.monotonic() + 60
        while not port_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        place = json.loads(port_file.read_text())
        yield VenueGateway.parse(place["gateway"], Path(place["authority"]))
        process.terminate()
        process.wait(30)


def check(
    database: Database,
    sandbox: VenueGateway,
    instrument: Instrument,
    timeframe: Timeframe,
    path: Path,
) -> None:
    """Fetch all that a file holds, and compare."""
    file = pl.read_parquet(path).select(pl.col("time").cast(pl.Datetime("ms", "UTC")), *FIGURES)
    first, last = file["time"][0], file["time"][-1]
    clock = SystemClock()
    with (
        database.connect(Role.PIPELINES, autocommit=True) as connection,
        VenueClient(
            instrument.venue,
            budget=RequestBudget(instrument.venue, None),
            clock=clock,
            gateway=sandbox,
            policy=FAST,
        ) as client,
    ):
        report = fetch_candles(
            CandleStore(connection, clock),
            client,
            instrument,
            timeframe,
            first,
            last + timedelta(seconds=timeframe.seconds),
            connection=connection,
            clock=clock,
        )
        found = stored(connection, instrument, timeframe.seconds)
    assert report.refused == 0
    assert found.height == file.height
    # Binance sends eight decimals.
    for name in FIGURES:
        difference = (found[name] - file[name]).abs()
        assert (difference <= 5.1e-9).all()
    assert found["time"].equals(file["time"])


@pytest.mark.parametrize(
    "sandbox", [([SAMPLE / "BTC-EUR_1h.parquet"], "2024-01-02")], indirect=True
)
def test_fetch_of_the_sample_through_another_process_gives_the_file(
    database: Database, sandbox: VenueGateway
) -> None:
    path = SAMPLE / "BTC-EUR_1h.parquet"
    check(database, sandbox, Instrument("binance", "BTC/EUR"), Timeframe(3_600), path)


@pytest.mark.parametrize(
    "sandbox",
    [([SAMPLE / "ADA-USDT-perp_1m_2022-12-13.parquet"], "2022-12-14T00:01")],
    indirect=True,
)
def test_fetch_of_a_perpetual_gives_the_file(database: Database, sandbox: VenueGateway) -> None:
    path = SAMPLE / "ADA-USDT-perp_1m_2022-12-13.parquet"
    check(database, sandbox, Instrument("binance", "ADA/USDT:USDT"), Timeframe(60), path)
