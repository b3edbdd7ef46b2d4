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
# # Backtest and report
#
# One strategy over two years of hours: figures, curves, trades, costs and the report. Runs on the
# sample that ships with Candela. Every run is kept and counts as a trial of its family.

# %%
# %matplotlib inline
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

from backtest.report import plots, render_report
from backtest.workbench import Workbench
from candela.metrics.words import WORDS
from candela.notebook import open_candela

bench = Workbench(open_candela().database)
strategy = bench.strategy("ma_cross")
print(strategy.summary, "-", strategy.source)
pl.DataFrame(
    [
        {"parameter": name, "default": str(one.get("default")), "what": one["description"]}
        for name, one in strategy.schema["properties"].items()
    ]
)

# %% [markdown]
# ## Run
#
# Decisions are made on closed bars and filled at the next open; a fee of 10 and a slippage of 2
# basis points are paid on each side.

# %%
asked = {
    "strategy": "ma_cross",
    "instruments": ("bitvavo:BTC/EUR",),
    "timeframe": "1h",
    "parameters": {"fast": 50, "slow": 200},
    "costs": {"taker_fee_bps": 10, "slippage_bps": 2},
    "cash": 10_000,
}
result = bench.backtest(asked)
shown = ("final_equity", "total_return", "benchmark_return", "sharpe", "max_drawdown", "trades")
pl.DataFrame(
    [
        {"figure": WORDS[name].label, "value": result.metrics[name], "what": WORDS[name].definition}
        for name in shown
    ]
)

# %% [markdown]
# ## What decided it
#
# The manifest holds everything that decides the outcome; its hash is the run's identity. The same
# run again is the same identity with the same trades.

# %%
gaps = result.manifest["gaps"]
print("run   ", result.manifest["id"])
print("data  ", result.manifest["data_digest"])
print("trades", result.trades_digest)
print(f"absent {gaps['missing']} of {gaps['expected']} candles, {gaps['share']:.2%}")
again = bench.backtest(asked)
assert again.manifest["id"] == result.manifest["id"]
assert again.trades_digest == result.trades_digest

# %%
plots.plot_equity(result)

# %%
plots.plot_drawdown(result)

# %%
plots.plot_monthly(result)

# %% [markdown]
# ## Trades and costs

# %%
trades = result.trades_frame()
trades.select(
    "entry_at", "exit_at", "side", "entry_price", "exit_price", "fees", "pnl", "reason"
).tail()

# %%
plots.plot_trades(result)

# %% [markdown]
# What is left when trading is free, and what each cost takes:

# %%
ladder = [("free", {}), ("fees", {"taker_fee_bps": 10})]
ladder.append(("fees and slippage", {"taker_fee_bps": 10, "slippage_bps": 2}))
costs = []
for name, paid in ladder:
    run = bench.backtest({**asked, "costs": paid})
    costs.append(
        {"costs": name, **{one: run.metrics[one] for one in ("total_return", "fees", "slippage")}}
    )
pl.DataFrame(costs)

# %% [markdown]
# ## With a stop
#
# A stop of the run takes the place of what the strategy gives; inside a bar the worst comes first.

# %%
stops = [None, 0.02, 0.05, 0.1]
runs = [bench.backtest({**asked, "protection": {"stop_loss": stop}}) for stop in stops]
figure, axis = plt.subplots(figsize=(11, 3.6), layout="constrained")
for stop, run in zip(stops, runs, strict=True):
    label = "no stop" if stop is None else f"stop at {stop:.0%}"
    axis.plot(run.bars.time.view("datetime64[us]"), run.equity, linewidth=0.9, label=label)
axis.set_ylabel("equity, EUR")
axis.set_title("ma_cross on bitvavo:BTC/EUR: equity by stop")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## The report
#
# One HTML file that needs nothing else: candles with trades, equity against buy and hold,
# drawdown, months, exposure, distribution of trades, costs.

# %%
path = Path(tempfile.mkdtemp()) / "report.html"
path.write_text(render_report(result), encoding="utf-8")
print(f"{path.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# ## Kept, and found again

# %%
pl.DataFrame(
    [
        {
            "run": line.run_id[:12],
            "family": str(line.family),
            "parameters": str(dict(line.parameters)),
            "return": line.metrics["total_return"],
            "sharpe": line.metrics["sharpe"],
        }
        for line in bench.ledger.runs(strategy="ma_cross")
    ]
)
