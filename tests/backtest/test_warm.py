"""What `make` compiles is all that later work calls: nobody waits for a compiler afterwards."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.tree import ROOT

CODE = """
import gc
from backtest.warm import warm
warm()
from numba.core.dispatcher import Dispatcher


def versions():
    return {
        (one.py_func.__module__, one.py_func.__name__, str(signature))
        for one in gc.get_objects() if isinstance(one, Dispatcher) for signature in one.signatures
    }


before = versions()
import numpy as np
from backtest.evidence.trialset import TrialSet
from backtest.evidence.verdict import judge
from backtest.payout import run_payout
from backtest.portfolio import backtest_portfolio
from backtest.run import backtest
from backtest.spec import Protection
from candela.fills.model import Costs, FillModel, Sizing, VenueRules
from strategies.registry import find, shipped
from strategies.sample import sample_bars

names = ("bitvavo:BTC/EUR", "bitvavo:ETH/EUR")
members = {name: sample_bars(name)[:1500] for name in names}
bars = members["bitvavo:BTC/EUR"]
strict = FillModel(
    costs=Costs(taker_fee_bps=10, impact_bps=3, volume_share_limit=0.1),
    rules=VenueRules(lot=0.001, tick=0.01, leverage=3, minimum_notional=10),
    sizing=Sizing(kind="risk", value=0.01),
)
stops = Protection(stop_loss=0.02, take_profit=0.03, trailing_stop=0.05)
for one in shipped():
    if one.kind == "fixed_payout":
        run_payout(one, bars).summary()
        continue
    result = backtest(one, bars)
    _ = (result.equity, result.fills, result.trades_digest)
    backtest(one, bars, model=strict, protection=stops)
cross = find("ma_cross")
backtest_portfolio(cross, members, cash=1e4)
backtest_portfolio(cross, members, {"short": True}, cash=1e4, protection=stops)
returns = np.random.default_rng(1).normal(0, 0.01, (1500, 5))
judge(TrialSet.of_returns(returns, 0, bars_per_year=8760.0), draws=20)
print(sorted(versions() - before))
"""


def test_work_when_the_loops_are_warm_then_none_is_compiled() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
