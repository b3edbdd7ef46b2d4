"""A run to report on: moving averages crossing on shipped candles, filled at the next open."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from candela.fills.model import Costs, Execution, Sizing, VenueRules
from candela.fills.records import FILL, TRADE, Reason
from candela.market.timeframe import Timeframe
from strategies.signals import Signals
from tests.fixtures.candles import made_up, sample

Floats = npt.NDArray[np.float64]
CASH = 10_000.0
FEE = 0.001
SLIPPAGE = 0.0005


@dataclass(frozen=True)
class ExampleBars:
    """Candles as arrays."""

    time: npt.NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    instrument: str
    timeframe: Timeframe

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class ExampleSection:
    """A part that a run adds."""

    title: str
    figures: Mapping[str, object]
    svg: str | None = None


@dataclass(frozen=True)
class ExampleCheck:
    """One test of a finding."""

    passed: bool
    sentence: str


@dataclass(frozen=True)
class ExampleVerdict:
    """A finding."""

    outcome: str
    words: str
    checks: Sequence[ExampleCheck] = ()


@dataclass(frozen=True)
class ExampleRun:
    """A result with every attribute that a report reads."""

    manifest: dict[str, Any]
    metrics: dict[str, float]
    trades: npt.NDArray[np.void]
    fills: npt.NDArray[np.void]
    bars: ExampleBars
    equity: Floats
    benchmark: Floats
    position: Floats
    signals: object
    panes: dict[str, Floats]
    trades_digest: str = "sha256:" + "5e" * 32
    extra_sections: list[ExampleSection] = field(default_factory=list[ExampleSection])


def bars_of(frame: pl.DataFrame, timeframe: str, instrument: str) -> ExampleBars:
    columns = {
        name: frame[name].to_numpy().astype(np.float64)
        for name in ("open", "high", "low", "close", "volume")
    }
    time = frame["time"].dt.cast_time_unit("us").to_physical().to_numpy().astype(np.int64)
    return ExampleBars(
        time=time, **columns, instrument=instrument, timeframe=Timeframe.parse(timeframe)
    )


def hours(rows: int | None = None) -> ExampleBars:
    """Return the shipped hours of BTC/EUR, the first of them where a number is given."""
    frame = sample("BTC-EUR_1h")
    return bars_of(frame if rows is None else frame.head(rows), "1h", "bitvavo:BTC/EUR")


def minutes(rows: int) -> ExampleBars:
    """Return made-up minutes without a gap."""
    return bars_of(made_up(rows), "1m", "made:UP/EUR")


def mean(values: Floats, length: int) -> Floats:
    sums = np.cumsum(np.concatenate([[0.0], values]))
    found = np.full(len(values), np.nan)
    found[length - 1 :] = (sums[length:] - sums[:-length]) / length
    return found


def run(bars: ExampleBars, fast: int = 24, slow: int = 96, **changes: Any) -> ExampleRun:
    """Hold the instrument while the fast average stands above the slow one."""
    quick, slack = mean(bars.close, fast), mean(bars.close, slow)
    above = np.nan_to_num(quick) > np.nan_to_num(slack, nan=np.inf)
    entries = above & ~np.concatenate([[False], above[:-1]])
    exits = ~above & np.concatenate([[False], above[:-1]])
    cash, units = CASH, 0.0
    equity, position = np.empty(len(bars)), np.zeros(len(bars))
    fills: list[tuple[Any, ...]] = []
    trades: list[list[Any]] = []
    for bar in range(len(bars)):
        raw = bars.open[bar]
        if bar and entries[bar - 1] and not units:
            price = raw * (1 + SLIPPAGE)
            units = cash / (price * (1 + FEE))
            fee = units * price * FEE
            cash -= units * price + fee
            fills.append((bar, 0, 1, Reason.SIGNAL, units, price, fee, units * raw * SLIPPAGE))
            trades.append([bar, -1, 0, 1, Reason.STILL_OPEN, 1, units, price])
        elif bar and exits[bar - 1] and units:
            price = raw * (1 - SLIPPAGE)
            fee = units * price * FEE
            cash += units * price - fee
            fills.append((bar, 0, -1, Reason.SIGNAL, units, price, fee, units * raw * SLIPPAGE))
            trades[-1][1], trades[-1][4] = bar, Reason.SIGNAL
            trades[-1] += _ending(trades[-1], price, fills[-2], fills[-1])
            units = 0.0
        equity[bar], position[bar] = cash + units * bars.close[bar], units
    if units:
        nothing = (0, 0, 0, 0, 0, 0.0, 0.0, 0.0)
        trades[-1] += _ending(trades[-1], bars.close[-1], fills[-1], nothing)
    records = np.array([tuple(trade) for trade in trades], dtype=TRADE)
    return ExampleRun(
        manifest={**_manifest(bars, fast, slow), **changes},
        metrics=_metrics(bars, equity, position, records, len(fills)),
        trades=records,
        fills=np.array(fills, dtype=FILL),
        bars=bars,
        equity=equity,
        benchmark=CASH * bars.close / bars.open[0],
        position=position,
        signals=Signals(long_entries=entries, long_exits=exits),
        panes={f"mean of {fast}": quick, f"mean of {slow}": slack},
    )


def _ending(trade: list[Any], price: float, bought: Any, sold: Any) -> list[float]:
    units, entry = trade[6], trade[7]
    fees = bought[6] + sold[6]
    pnl = units * (price - entry) - fees
    return [price, fees, bought[7] + sold[7], 0.0, pnl, pnl / (units * entry)]


def _manifest(bars: ExampleBars, fast: int, slow: int) -> dict[str, Any]:
    return {
        "id": "sha256:" + "c0ffee" * 10 + "1234",
        "strategy": {"name": "ma_cross", "source_digest": "sha256:" + "ab" * 32},
        "parameters": {"fast": fast, "slow": slow, "kind": "simple"},
        "instruments": [bars.instrument],
        "timeframe": str(bars.timeframe),
        "since": "2022-01-01T00:00:00Z",
        "until": "2024-01-01T00:00:00Z",
        "as_of": "2026-11-22T12:00:00Z",
        "data_digest": "sha256:" + "d1" * 32,
        "rows": len(bars),
        "gaps": {"missing": 15, "expected": len(bars) + 15, "share": 15 / (len(bars) + 15)},
        "engine": "kernel",
        "execution": Execution.model_validate({}).model_dump(mode="json"),
        "costs": Costs.model_validate({"taker_fee_bps": 10, "slippage_bps": 5}).model_dump(
            mode="json"
        ),
        "rules": VenueRules.model_validate({}).model_dump(mode="json"),
        "sizing": Sizing.model_validate({}).model_dump(mode="json"),
        "cash": CASH,
        "seed": 1,
        "versions": {"candela": "0.1.0", "numpy": np.__version__},
    }


def _metrics(
    bars: ExampleBars, equity: Floats, position: Floats, trades: npt.NDArray[np.void], orders: int
) -> dict[str, float]:
    returns = np.diff(equity, prepend=CASH) / np.concatenate([[CASH], equity[:-1]])
    peak = np.maximum(np.maximum.accumulate(equity), CASH)
    closed = trades[trades["exit_bar"] >= 0]
    won = closed["pnl"][closed["pnl"] > 0]
    lost = closed["pnl"][closed["pnl"] <= 0]
    year = 365 * 86_400 / bars.timeframe.seconds
    spread = float(returns.std(ddof=1))
    total = float(equity[-1] / CASH - 1)
    return {
        "initial_equity": CASH,
        "final_equity": float(equity[-1]),
        "total_return": total,
        "cagr": (1 + total) ** (year / len(bars)) - 1,
        "volatility": spread * math.sqrt(year),
        "sharpe": float(returns.mean()) / spread * math.sqrt(year) if spread else math.nan,
        "sortino": 0.52,
        "max_drawdown": float((1 - equity / peak).max()),
        "longest_drawdown_bars": 4_000,
        "longest_drawdown_s": 4_000.0 * bars.timeframe.seconds,
        "trades": len(trades),
        "closed_trades": len(closed),
        "open_trades": len(trades) - len(closed),
        "orders": orders,
        "rejected_orders": 0,
        "win_rate": len(won) / len(closed) if len(closed) else math.nan,
        "profit_factor": float(won.sum()) / -float(lost.sum()) if len(lost) else math.nan,
        "expectancy": float(closed["pnl"].mean()) if len(closed) else math.nan,
        "exposure": np.count_nonzero(position) / len(position),
        "fees": float(trades["fees"].sum()),
        "slippage": float(trades["slippage"].sum()),
        "funding": 0.0,
        "benchmark_return": float(bars.close[-1] / bars.open[0] - 1),
        "bars": len(bars),
        "bars_per_year": year,
    }
