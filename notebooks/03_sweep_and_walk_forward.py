# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Sweep and walk-forward
#
# Many points of a strategy on two years of hours, what the best of them is worth, and what comes
# of choosing on the past and running on what follows. Runs on the sample that ships with Candela.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import polars as pl

from backtest.sweep.spec import sweep_spec
from backtest.walkforward.spec import walk_forward_spec
from backtest.workbench import Workbench
from candela.notebook import open_candela

bench = Workbench(open_candela().database)
strategy = bench.strategy("ma_cross")
base = {
    "strategy": "ma_cross",
    "instruments": ("bitvavo:BTC/EUR",),
    "timeframe": "1h",
    "costs": {"taker_fee_bps": 10, "slippage_bps": 2},
}

# %% [markdown]
# ## Every point of a grid
#
# Indicators are computed once for each distinct parameter; the strategy does nothing for it.
# Combinations that contradict themselves are left out and counted. Each point is kept and counts
# as a trial: the same sweep again computes nothing.

# %%
spec = sweep_spec(strategy, base, ["fast=4:80:4", "slow=20:300:10"])
swept = bench.sweep(spec)
print(f"{swept.total} points, {swept.skipped} left out, {swept.seconds:.2f} s")
print(bench.sweep(spec).computed, "points computed the second time")
swept.top(5).select("fast", "slow", "sharpe", "total_return", "max_drawdown", "trades")

# %%
swept.plot("fast", "slow")

# %% [markdown]
# ## Plateau or peak
#
# The best of many points is in part the luckiest. Its neighbours say how much of its lead is more
# than that.

# %%
print(swept.stability().words)
best, plateau = swept.point(swept.best_row), swept.point(swept.plateau_row)
print("best:", best, "best with its neighbours:", plateau)

# %%
figure, axis = plt.subplots(figsize=(11, 3.4), layout="constrained")
axis.hist(swept.frame["sharpe"].to_numpy(), bins=60, color="#8a8f98")
axis.axvline(swept.frame["sharpe"].max(), color="#b5443c", label="the best point")
axis.axvline(swept.frame["sharpe"].median(), color="#2a7f62", label="the median point")
axis.set_xlabel("Sharpe ratio")
axis.set_ylabel("points")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## By chance, and learning
#
# Where a grid is too large: points drawn by a seed, or a search that learns where to look (the
# tree-structured Parzen estimator of Optuna). Both give the same points for the same seed.

# %%
axes = ["fast=2:150:1", "slow=20:1000:5", "kind", "stop_loss=0.01:0.2:0.01"]
searches = {}
for method in ("random", "optuna"):
    searches[method] = bench.sweep(
        sweep_spec(strategy, base, axes, method=method, trials=96, seed=1)
    )
pl.DataFrame(
    [
        {
            "method": name,
            "points": one.total,
            **one.best,
            "sharpe": one.figures(one.best_row)["sharpe"],
        }
        for name, one in searches.items()
    ]
)

# %%
figure, axis = plt.subplots(figsize=(11, 3.2), layout="constrained")
for name, one in searches.items():
    axis.plot(one.frame["sharpe"].fill_nan(None).cum_max().to_numpy(), label=name)
axis.set_xlabel("points tried")
axis.set_ylabel("best Sharpe ratio so far")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Walk-forward
#
# Learn on 180 days, run the choice on the next 60, go on. Indicators are warm when a window
# begins, every window begins and ends without a position, and no window sees what comes after it.

# %%
walked = bench.walk_forward(
    walk_forward_spec(
        sweep_spec(strategy, base, ["fast=4:80:4", "slow=20:300:20"]), train="180d", test="60d"
    )
)
pl.DataFrame(
    [
        {
            "test from": line["test_from"][:10],
            **line["parameters"],
            "sharpe in training": line["in_sample"]["sharpe"],
            "sharpe in test": line["out_of_sample"]["sharpe"],
            "return in test": line["out_of_sample"]["total_return"],
        }
        for line in walked.summary()["windows"]
    ]
)

# %%
walked.plot()

# %%
figures = walked.result.metrics
print(walked.result.trades_digest)
print(f"out of sample {figures['total_return']:.1%}, held {figures['benchmark_return']:.1%}")
print(f"efficiency {walked.efficiency:.2f}; {walked.profitable_share:.0%} of the windows gained")
pl.DataFrame(
    [
        {
            "axis": one.name,
            "most common": one.most_common,
            "share": one.share,
            "different": one.distinct,
        }
        for one in walked.stability()
    ]
)

# %% [markdown]
# ## What the best point is worth
#
# Weighed against every trial of the family: the sweeps above count, whatever they were for.

# %%
judged = bench.sweep_verdict(swept.sweep_id)
print(judged.verdict.words)
pl.DataFrame(
    [
        {"check": one.name, "value": one.value, "bound": one.threshold, "passed": one.passed}
        for one in judged.verdict.checks
    ]
)
