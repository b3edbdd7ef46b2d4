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
# # Luck or skill: what the best of many trials is worth
#
# Try two hundred settings, keep the best, and it looks good: that is what "best" means. This
# notebook asks of a result how well the best of as many trials does by luck alone, and what of it
# was good in years that it was not chosen on. `docs/concepts/luck-or-skill.md` explains each test.
#
# Runs on the sample that ships with Candela: `make up` imports it.

# %%
from datetime import UTC, datetime

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

from backtest.evidence.overfitting import overfitting
from backtest.evidence.reality import superior_ability
from backtest.evidence.samples import BlockSums
from backtest.evidence.sharpe import expected_maximum
from backtest.evidence.splits import combinatorial_purged
from backtest.evidence.trialset import TrialSet
from backtest.evidence.verdict import Verdict, judge
from backtest.result import Result
from backtest.run import backtest
from candela.fills.model import Costs, FillModel
from candela.metrics.curves import returns_of
from candela.notebook import open_candela
from strategies.bars import Bars
from strategies.ma_cross import ma_cross

candela = open_candela()
GREEN, RED, GREY, BLUE = "#2a7f62", "#b5443c", "#8a8f98", "#34618f"

# %% [markdown]
# ## A family of trials
#
# Moving-average crosses on hours of Bitcoin in euros, every pair of a grid, with fees. A run
# belongs to the family whoever asked for it; here all of them run at once.

# %%
hours = candela.candles("bitvavo:BTC/EUR", "1h", datetime(2022, 1, 1, tzinfo=UTC))
bars = Bars.from_frame(hours.frame, "1h", "bitvavo:BTC/EUR")
print(f"{len(bars):,} hours, {bars.digest}")

model = FillModel(costs=Costs(taker_fee_bps=10, slippage_bps=2))
pairs = [
    (fast, slow)
    for fast in (5, 8, 12, 18, 26, 38, 55, 80, 115, 165)
    for slow in (30, 45, 65, 95, 140, 200, 290, 420, 600)
    if slow > 1.5 * fast
]


def run_family(on: Bars, with_model: FillModel) -> tuple[list[Result], np.ndarray]:
    """Return the result of each pair and the matrix of their bar returns."""
    results = [
        backtest(ma_cross, on, {"fast": fast, "slow": slow}, model=with_model)
        for fast, slow in pairs
    ]
    return results, np.column_stack([returns_of(one.equity, one.cash) for one in results])


results, returns = run_family(bars, model)
sharpes = np.array([one.metrics["sharpe"] for one in results])
best = int(np.nanargmax(sharpes))
print(f"{len(pairs)} trials; the best is {pairs[best]} with a Sharpe ratio of {sharpes[best]:.2f}")
print(results[best].trades_digest)

# %% [markdown]
# ## What luck makes of the best
#
# Hours are drawn again in blocks, for all trials at once, so that trials which always did alike
# still do; and every mean is set to nothing. The best of each draw is what luck can do here.

# %%
luck = superior_ability(returns, draws=1000)
figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
axis.hist(luck.luck, bins=40, color=GREY, label="best of all trials, by luck")
axis.axvline(luck.statistics[best], color=BLUE, linewidth=2, label="the best as it was")
axis.axvline(np.quantile(luck.luck, 0.95), color=RED, linestyle="--", label="95 % of luck")
axis.set_xlabel("mean return over its error")
axis.set_title("Is the best better than luck?")
axis.legend()
plt.show()

# %% [markdown]
# ## The verdict
#
# One decision from all tests. What holding the coin explains is taken away first: a rule that is
# long in a rising market has not shown skill by that.


# %%
def family_of(matrix: np.ndarray, chosen: int, one: Result) -> TrialSet:
    """Return what the verdict asks for."""
    closed = one.trades[one.trades["exit_bar"] >= 0]
    return TrialSet.of_returns(
        matrix,
        chosen,
        bars_per_year=one.metrics["bars_per_year"],
        trade_returns=closed["return_ratio"],
        benchmark=returns_of(one.benchmark, one.cash),
    )


def table(verdict: Verdict) -> pl.DataFrame:
    """Return the checks as a table."""
    return pl.DataFrame(
        [
            {"check": one.name, "passed": one.passed, "value": one.value, "bound": one.threshold}
            for one in verdict.checks
        ]
    )


verdict = judge(family_of(returns, best, results[best]))
print(verdict.words)
for check in verdict.checks:
    print("+" if check.passed else "-", check.sentence)
table(verdict)

# %% [markdown]
# ## Best in one half of the time, and in the other?
#
# The two years are cut into 16 parts and split in halves in all 12,870 ways. Each point is the
# trial that was best in one half: across, how good it was there; up, how good in the other half.

# %%
split = overfitting(BlockSums.of_returns(returns, 16))
year = np.sqrt(results[best].metrics["bars_per_year"])
figure, (scatter, ranks) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
scatter.plot(split.inside * year, split.outside * year, ".", color=BLUE, alpha=0.05)
scatter.axhline(0, color=GREY, linewidth=1)
scatter.set_xlabel("Sharpe ratio in the half it was chosen on")
scatter.set_ylabel("in the other half")
scatter.set_title(f"It lost in {split.probability_of_loss:.0%} of splits")
ranks.hist(split.logits, bins=30, color=GREY)
ranks.axvline(0, color=RED, linestyle="--")
ranks.set_xlabel("rank in the other half: left of the line, in the worse half of trials")
ranks.set_title(f"Probability of overfitting {split.probability:.0%}")
plt.show()

# %% [markdown]
# ## The same on noise, and on an edge that was planted
#
# First the coin without a memory: its own hours in random order, their mean taken away. Then the
# same with trends in them, up and down, 150 hours long on average. Neither pays fees.

# %%
generator = np.random.default_rng(7)
moves = np.diff(np.log(bars.close))
moves = generator.permutation(moves - moves.mean())
turns = np.cumprod(np.where(generator.random(moves.size) < 1 / 150, -1.0, 1.0))


def bars_of(log_returns: np.ndarray) -> Bars:
    """Return bars whose prices move so."""
    close = 20_000 * np.exp(np.cumsum(log_returns))
    opens = np.concatenate(([20_000.0], close[:-1]))
    frame = hours.frame.tail(close.size).with_columns(
        open=pl.Series(opens),
        high=pl.Series(np.maximum(opens, close)),
        low=pl.Series(np.minimum(opens, close)),
        close=pl.Series(close),
    )
    return Bars.from_frame(frame, "1h", "bitvavo:BTC/EUR")


for name, log_returns in (
    ("noise", moves),
    ("planted trends", moves + 0.10 * moves.std() * turns),
):
    found, matrix = run_family(bars_of(log_returns), FillModel())
    top = int(np.nanargmax([one.metrics["sharpe"] for one in found]))
    said = judge(family_of(matrix, top, found[top]))
    print(f"{name}: Sharpe ratio {said.figures['sharpe']:.2f} of the best. {said.words}")

# %% [markdown]
# ## How long must a record be?
#
# The more was tried, the longer it takes to tell a good rule from a lucky one. Days, normal
# returns, a confidence of 95 %.

# %%
counts = np.geomspace(1, 10_000, 60)
luckiest = np.array([expected_maximum(count) for count in counts])
figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
for sharpe, colour in ((1.0, RED), (1.5, GREY), (2.0, BLUE), (3.0, GREEN)):
    # In units of its error, which shrinks with the root of the years, a Sharpe ratio has to exceed
    # the best of luck by the 1.645 that leave a twentieth.
    years = ((luckiest + 1.645) / sharpe) ** 2
    axis.plot(counts, years, color=colour, label=f"Sharpe ratio {sharpe:g}")
axis.set_xscale("log")
axis.set_ylim(0, 25)
axis.set_xlabel("independent trials")
axis.set_ylabel("years of record")
axis.legend()
plt.show()

# %% [markdown]
# ## Splits that do not leak
#
# Whoever learns on some of the time and tests on the rest must not learn from positions that reach
# into the test. Six groups, two of them tested, every position held for up to 300 hours, and 100
# hours left out after each test: what is learned on (green), tested on (blue), left out (white).

# %%
rows = len(bars)
ends = np.minimum(np.arange(rows) + 300, rows - 1)
purged = combinatorial_purged(ends, groups=6, tested=2, embargo=100)
figure, axis = plt.subplots(figsize=(11, 3.6), layout="constrained")
for number, one in enumerate(purged.splits):
    for spans, colour in ((one.train, GREEN), (one.test, BLUE)):
        axis.broken_barh(
            [(span.start, len(span)) for span in spans], (number + 0.1, 0.8), color=colour
        )
axis.set_xlabel("hour")
axis.set_ylabel("split")
axis.set_title(f"{len(purged.splits)} splits, which make {len(purged.paths)} whole histories")
plt.show()
