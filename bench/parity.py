"""Parity: bots rehearsed over a week of real minutes, and the proof of each, cause by cause.

Run it as ``python -m bench --only parity``, or for other spans as ``python -m bench.parity``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from backtest.commands.parity import text_of
from backtest.parity.keeping import prove_all
from bench.minutes import repeat
from candela.db.migrate import migrate
from candela.embedded import open_places, stop_servers
from candela.embedded.bootstrap import create_database
from candela.fills.model import Costs
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from candela.orders.words import InstrumentRules
from candela.settings import load_settings
from live.feed.replay import ReplaySeries
from tests.backtest.parity.house import Troubles
from tests.backtest.parity.rehearsal import Rehearsal, rehearse
from tests.fixtures.candles import SAMPLE, SHARED

if TYPE_CHECKING:
    from backtest.parity.keeping import Attempt
    from candela.db.connect import Database

__all__ = ["run_parity"]

_REAL: Final = SHARED / "candles" / "BTC-USD_1m.parquet"
_SAMPLE: Final = SAMPLE / "BTC-BUSD_1m_2022-12-13.parquet"
_WEEK: Final = 7 * 24 * 60
_BEFORE: Final = 2_000
_START: Final = datetime(2018, 2, 20, tzinfo=UTC)
_RULES: Final = InstrumentRules(
    "BTC/USD",
    "BTC",
    "USD",
    lot=Decimal("0.00001"),
    tick=Decimal("0.01"),
    minimum_quantity=Decimal("0.00001"),
    minimum_notional=Decimal(5),
    taker_fee=Decimal("0.001"),
)
_BOTS: Final[dict[str, dict[str, Any]]] = {
    "cross": {
        "strategy": "ma_cross",
        "parameters": {"fast": 5, "slow": 20},
        "sizing": {"kind": "fraction", "value": 0.5},
    },
    "revert": {
        "strategy": "rsi_reversion",
        "parameters": {"enter": 35, "leave": 55},
        "sizing": {"kind": "fixed_value", "value": 2_000.0},
        "stop_loss": "0.004",
    },
    "grid": {
        "strategy": "grid",
        "parameters": {"window": 60, "spacing": 0.0015, "lines": 4, "share": 0.2},
        "sizing": {"kind": "fraction", "value": 0.2},
    },
    "dca": {
        "strategy": "dca",
        "parameters": {"every": 30, "share": 0.1, "target": 0.005, "stop": 0.01, "legs": 6},
        "sizing": {"kind": "fraction", "value": 0.1},
    },
}


def main() -> None:
    """Measure on an embedded server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=_WEEK)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="candela-bench-"))
    settings = load_settings().model_copy(
        update={"state_dir": folder / "state", "database_url": None, "redis_url": None}
    )
    try:
        server = open_places(settings).database
        run_parity(server, given.bars)
    finally:
        stop_servers(settings.state_dir)
        shutil.rmtree(folder, ignore_errors=True)


def run_parity(server: Database, bars: int = _WEEK) -> None:
    """Rehearse four bots, without and with troubles, and print what the proofs say."""
    series = _series(bars)
    start = series.frame["time"][_BEFORE]
    for name, troubles in (("calm", Troubles()), ("troubled", _troubles(series, start, bars))):
        made = create_database(server, f"candela_parity_{name}_{os.getpid()}", owner=None)
        migrate(made)
        _run(made, series, start, bars, troubles, name)


def _run(
    database: Database,
    series: ReplaySeries,
    start: datetime,
    bars: int,
    troubles: Troubles,
    name: str,
) -> None:
    rehearsal = Rehearsal(database, series, _RULES, start=start, troubles=troubles)
    for bot, config in _BOTS.items():
        rehearsal.bot(bot, **config)
    began = time.perf_counter()
    rehearse(rehearsal, bars)
    played = time.perf_counter()
    attempts = prove_all(database, rehearsal.clock)
    proved = time.perf_counter()
    print(
        f"\n{name}: {rehearsal.bars:,} real minutes with {len(_BOTS)} bots in"
        f" {played - began:.0f} s, {(played - began) / bars * 1_000:.1f} ms a bar; proofs"
        f" {proved - played:.1f} s; largest part without a cause {_unexplained(attempts)}\n"
    )
    print(text_of(attempts))


def _unexplained(attempts: list[Attempt]) -> float:
    """Return the largest amount, in quote, that one proof leaves to a defect."""
    left = [0.0]
    for one in attempts:
        if one.proof is not None:
            found = one.proof.parity.differences
            left.append(float(sum(abs(part.amount) for part in found if part.cause == "defect")))
    return max(left)


def _series(bars: int) -> ReplaySeries:
    """Return minutes of a week without a hole on, or the shipped day repeated."""
    if _REAL.exists():
        frame = pl.read_parquet(_REAL).filter(pl.col("time") >= _START - timedelta(minutes=_BEFORE))
    else:
        frame = repeat(pl.read_parquet(_SAMPLE), _BEFORE + bars + 10)
    kept = frame.head(_BEFORE + bars + 10).select(
        pl.col("time").cast(pl.Datetime("us", "UTC")), "open", "high", "low", "close", "volume"
    )
    return ReplaySeries(Instrument("bitfinex", "BTC/USD"), Timeframe.parse("1m"), kept)


def _troubles(series: ReplaySeries, start: datetime, bars: int) -> Troubles:
    """Return troubles of each kind throughout the time, and an hour when nobody was there."""

    def at(minute: int) -> datetime:
        return start + timedelta(minutes=minute)

    hour = at(bars // 2)
    corrected = series.frame.filter(pl.col("time") == at(bars // 3))
    return Troubles(
        missing=frozenset(at(one) for one in range(90, bars, 180)),
        broken=frozenset(at(one) for one in range(133, bars, 420)),
        refused=frozenset(at(one) for one in range(7, bars, 11)),
        halved=frozenset(at(one) for one in range(3, bars, 13)),
        outage=(hour, hour + timedelta(hours=1)),
        charged=Costs(taker_fee_bps=16.0, spread_bps=2.0, slippage_bps=4.0),
        corrected={at(bars // 3): corrected["close"][0] * 0.999},
    )


if __name__ == "__main__":
    main()
