"""What tests of troubles share: a bot on an afternoon of real minutes, and its proof."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from backtest.parity.keeping import prove_all
from backtest.parity.words import Cause
from candela.fills.model import Costs
from candela.market.instrument import Instrument
from candela.orders.words import InstrumentRules
from live.feed.replay import ReplaySeries
from strategies.bars import Bars
from strategies.registry import find
from tests.backtest.parity.house import Troubles
from tests.backtest.parity.rehearsal import Rehearsal, rehearse
from tests.fixtures.candles import MINUTE, sample

if TYPE_CHECKING:
    from backtest.parity.attribution import Parity
    from candela.db.connect import Database

START = datetime(2022, 12, 13, 13, 30, tzinfo=UTC)
BTC = Instrument("binance", "BTC/BUSD")
RULES = InstrumentRules(
    "BTC/BUSD",
    "BTC",
    "BUSD",
    lot=Decimal("0.00001"),
    tick=Decimal("0.01"),
    minimum_quantity=Decimal("0.00001"),
    minimum_notional=Decimal(5),
    taker_fee=Decimal("0.001"),
)
CROSS = {"fast": 3, "slow": 8}
BARS = 90
SIZING = {"kind": "fixed_value", "value": 5_000.0}
MARKET = {Cause.LATENCY, Cause.SLIPPAGE}


def series() -> ReplaySeries:
    frame = sample("BTC-BUSD_1m_2022-12-13")
    return ReplaySeries(BTC, MINUTE, frame.filter(pl.col("time") < START + timedelta(hours=4)))


def entries() -> list[datetime]:
    """Return the bars on which the strategy buys, of the time that is rehearsed."""
    bars = Bars.from_frame(series().frame, MINUTE, str(BTC))
    strategy = find("ma_cross")
    said = strategy.signals(bars, strategy.with_values(CROSS)).mask("long_entries", len(bars))
    times = [datetime.fromtimestamp(int(one) // 1_000_000, UTC) for one in bars.time[said]]
    return [one for one in times if START <= one < START + timedelta(minutes=BARS - 15)]


def a_rehearsal(database: Database, troubles: Troubles | None = None) -> Rehearsal:
    # Quotes stand at the open of the bar, half the expected spread away: what is left is lots.
    return Rehearsal(
        database, series(), RULES, start=START, troubles=troubles, latency=timedelta(0)
    )


def prove(
    database: Database, troubles: Troubles | None = None, *, bars: int = BARS, **config: Any
) -> Parity:
    rehearsal = a_rehearsal(database, troubles)
    values: dict[str, Any] = {
        "parameters": CROSS,
        "sizing": SIZING,
        **config,
    }
    rehearsal.bot("bot", "ma_cross", **values)
    rehearse(rehearsal, bars)
    return proved(rehearsal)


def proved(rehearsal: Rehearsal) -> Parity:
    """Return what the proof of the one bot says; nothing of it may be left over."""
    attempt = prove_all(rehearsal.database, rehearsal.clock)[0]
    assert attempt.proof is not None, attempt
    parity = attempt.proof.parity
    assert sum(parity.causes.values(), Decimal(0)) == parity.gap
    assert parity.is_explained, [one for one in parity.differences if one.cause is Cause.DEFECT]
    assert parity.matched > 2
    return parity


def named(parity: Parity) -> set[Cause]:
    """Return the causes that are worth a hundredth, besides the ways of the market."""
    return {
        cause
        for cause, amount in parity.causes.items()
        if abs(amount) > Decimal("0.01") and cause not in MARKET
    }


COSTS = Costs(taker_fee_bps=10.0, spread_bps=2.0, slippage_bps=1.0)
