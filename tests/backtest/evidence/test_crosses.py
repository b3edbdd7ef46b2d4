"""The power study's quick trials are those that the engine would have run."""

from __future__ import annotations

import numpy as np
import pytest

from backtest.run import backtest
from bench.luck import WARM_UP, crosses
from candela.fills.model import Execution, FillModel
from candela.market.timeframe import Timeframe
from candela.metrics.curves import returns_of
from strategies.bars import Bars
from strategies.ma_cross import ma_cross


def test_crosses_beside_a_plain_loop_are_the_same() -> None:
    moves = np.random.default_rng(7).normal(0, 0.01, 420)
    found = crosses(moves, 1000, cost=0.001)
    prices = np.exp(np.cumsum(moves))
    lengths = np.unique(np.geomspace(1, 300, 62).astype(int))[-46:]
    fast, slow = int(lengths[0]), int(lengths[1])
    held = 0.0
    for bar in range(300, 420):
        means = [prices[bar - length : bar].mean() for length in (fast, slow)]
        now = 1.0 if means[0] > means[1] else -1.0
        gain = now * (prices[bar] / prices[bar - 1] - 1) - 0.001 * abs(now - held)
        assert found[bar - 300, 0] == pytest.approx(gain, abs=1e-12)
        held = now


@pytest.mark.parametrize("trial", [60, 100, 500, 900])
def test_crosses_beside_the_engine_return_the_same(trial: int) -> None:
    moves = np.random.default_rng(3).normal(0, 0.012, 2300)
    close = 100.0 * np.exp(np.cumsum(moves))
    start = np.concatenate(([100.0], close[:-1]))
    bars = Bars(
        time=np.arange(close.size) * 86_400_000_000,
        open=start,
        high=np.maximum(start, close),
        low=np.minimum(start, close),
        close=close,
        volume=np.ones_like(close),
        timeframe=Timeframe.parse("1d"),
    )
    lengths = np.unique(np.geomspace(1, WARM_UP, 62).astype(np.int64))[-46:]
    fast, slow = np.triu_indices(lengths.size, 1)
    place = round(trial * (fast.size - 1) / 999)
    result = backtest(
        ma_cross,
        bars,
        {"fast": int(lengths[fast[place]]), "slow": int(lengths[slow[place]])},
        model=FillModel(execution=Execution(fill="close")),
    )
    theirs = returns_of(result.equity, result.cash)[WARM_UP:]
    ours = crosses(moves, 1000, out=0.0)[:, trial]
    # The engine waits for the first cross; before it, it holds nothing.
    first = int(np.flatnonzero(theirs)[0])
    assert len(result.trades) > 4
    assert first < 200
    assert theirs[first:] == pytest.approx(ours[first:], abs=1e-11)
