"""Compiles every simulator loop once, so that nobody waits later: ``python -m backtest.warm``.

Runs a few hundred made-up bars through each way of simulating, with the types of arrays that real
runs have; what is compiled already is loaded from the disk.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.evidence.samples import BlockSums
from backtest.evidence.trialset import TrialSet
from backtest.evidence.verdict import judge
from backtest.payout import run_payout
from backtest.portfolio import backtest_portfolio
from backtest.run import backtest
from backtest.spec import Protection
from backtest.sweep.evaluate import evaluate
from candela.compiled import cache_folder, prune_cache
from candela.fills.full import FinerBars, Funding
from candela.fills.model import Costs, Execution, FillModel, Sizing
from candela.market.timeframe import Timeframe
from candela.metrics.curves import drawdown_of, returns_of, sums_of, underwater_of
from candela.metrics.figures import vector_figures
from strategies.bars import Bars
from strategies.registry import find

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main", "warm"]

_ROWS = 600
_CASH = 10_000.0


def warm(say: Callable[[str], None] = lambda _: None) -> None:
    """Run every kind of simulation once."""
    bars = _made_up(7, "warm:ONE/USD")
    strategy = find("ma_cross")
    both = {"fast": 3, "slow": 9, "short": True}
    costs = Costs(taker_fee_bps=10)
    say("quick simulator")
    result = backtest(strategy, bars, both, model=FillModel(costs=costs), cash=_CASH)
    _ = (result.equity, result.fills, result.manifest, result.trades_digest)
    points = [{"fast": 3, "slow": slow, "stop_loss": 0.02} for slow in (9, 12)]
    found = evaluate(strategy, bars, points, model=FillModel(costs=costs), cash=_CASH)
    vector_figures(
        found.sums, found.trade_sums, bars_per_year=8_760, span_s=3_600, timeframe_s=3_600
    )
    say("full simulator")
    finer = FinerBars(bars.time, bars.open, bars.high, bars.low, bars.close)
    backtest(
        strategy,
        bars,
        both,
        cash=_CASH,
        model=FillModel(
            costs=Costs(taker_fee_bps=10, funding=True),
            execution=Execution(intrabar="minutes"),
            sizing=Sizing(kind="kelly"),
        ),
        protection=Protection(trailing_stop=0.05),
        funding=Funding(bars.time[::8], np.full(len(bars.time[::8]), 1e-4)),
        finer=finer,
    )
    for name in ("grid", "dca", "rsi_reversion", "donchian_breakout", "bollinger_breakout"):
        backtest(find(name), bars, cash=_CASH)
    say("portfolio")
    members = {one.instrument: one for one in (bars, _made_up(8, "warm:TWO/USD"))}
    for model in (
        FillModel(sizing=Sizing(kind="fixed_value", value=100)),
        FillModel(sizing=Sizing(kind="fraction", value=0.5)),
    ):
        backtest_portfolio(strategy, members, both | {"short": False}, cash=_CASH, model=model)
    say("figures and fixed payouts")
    equity = np.ascontiguousarray(result.equity)
    sums_of(equity, _CASH, result.position)
    returns_of(equity, _CASH)
    drawdown_of(equity, _CASH)
    underwater_of(equity, _CASH)
    run_payout(find("rsi_payout"), bars).summary()
    say("verdicts")
    returns = np.random.default_rng(9).normal(0, 0.01, (_ROWS, 4))
    common: dict[str, Any] = {"bars_per_year": 8_760.0, "benchmark": returns[:, 3].copy()}
    own = returns[:, 0].copy()
    blocks = BlockSums.of_returns(returns, 32)
    for trials in (
        TrialSet.of_returns(returns, 0, **common),
        TrialSet.of_blocks(blocks, 0, own, **common),
        TrialSet.of_run(own, trials_ever=3, trade_returns=own[:40].copy(), **common),
    ):
        judge(trials, draws=20)


def _made_up(seed: int, instrument: str) -> Bars:
    # Prices on ticks, as real ones are: exact means take another way than those of other numbers.
    close = np.round(100.0 * np.exp(np.random.default_rng(seed).normal(0, 0.01, _ROWS).cumsum()), 2)
    open_ = np.concatenate(([100.0], close[:-1]))
    return Bars(
        time=np.arange(_ROWS, dtype=np.int64) * 3_600_000_000,
        open=open_,
        high=np.maximum(open_, close) + 0.2,
        low=np.minimum(open_, close) - 0.2,
        close=close,
        volume=np.ones(_ROWS),
        timeframe=Timeframe(3_600),
        instrument=instrument,
    )


def main() -> None:
    """Compile, say how long it took and where it is kept."""
    began = time.perf_counter()
    warm(lambda part: _say(f"Compiling: {part}"))
    prune_cache()
    seconds = time.perf_counter() - began
    _say(f"Compiled loops are in {cache_folder()} ({seconds:.1f} s).")


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")


if __name__ == "__main__":
    main()
