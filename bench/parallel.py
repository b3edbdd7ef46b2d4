"""A sweep in one process and in two: wall time, since that is what a second core is for."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from backtest.sweep.parallel import Crew
from backtest.sweep.run import run_sweep
from backtest.sweep.spec import sweep_spec
from bench.candles import timed
from strategies.ma_cross import ma_cross

if TYPE_CHECKING:
    from bench.candles import Bench
    from strategies.bars import Bars

__all__ = ["run_parallel"]


def run_parallel(bench: Bench, bars: Bars) -> None:
    """Sweep 10,000 pairs by one process and by two, in turns."""
    base = {"strategy": "ma_cross", "instruments": ["bench:BTC/USD"], "timeframe": "1m"}
    spec = sweep_spec(ma_cross, base, ["fast=5:104:1", "slow=110:308:2"])
    spent: dict[int, list[float]] = {1: [], 2: []}
    with Crew(1) as one, Crew(2) as two:
        for turn in range(bench.turns + 1):
            for crew in (one, two):
                seconds = timed(lambda crew=crew: run_sweep(ma_cross, bars, spec, crew=crew))
                if turn:  # the first one starts the other process
                    spent[crew.workers].append(seconds)
    alone, together = (statistics.median(spent[workers]) for workers in (1, 2))
    bench.add(
        f"sweep of 10,000 pairs x {len(bars):,} rows, two processes",
        f"{together:.2f} s = {alone / together:.2f} x faster than one ({alone:.2f} s)",
        ">= 1.8 x",
    )
