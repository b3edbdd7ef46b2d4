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
# # Write a strategy of your own, and prove that it does live what it did in the backtest
#
# A strategy is a pure function of closed bars: `(bars, parameters) -> Signals`. Row i of its
# signals may use bars 0 to i, nothing else. The same object runs here, in a backtest over years and
# bar by bar in live trading; so what it decides must not depend on bars that come later, on where
# the bars begin, or on what was computed before. Whether that holds is checked, not believed.
#
# Runs on the two years of hours that ship with Candela; no database is needed.

# %%
import matplotlib.pyplot as plt
import numpy as np
import polars as pl

from backtest.run import backtest
from candela.fills.model import Costs, FillModel
from strategies.bars import Bars
from strategies.conditions import TIES, crossed_above, crossed_below
from strategies.definition import Parameters, parameter, strategy
from strategies.equivalence.check import check_equivalence
from strategies.indicators import atr, mean, wilder_settles
from strategies.sample import sample_bars
from strategies.signals import Signals

bars = sample_bars("bitvavo:BTC/EUR")
print(f"{len(bars):,} bars of {bars.instrument} {bars.timeframe}, {bars.at(0)} to {bars.at(-1)}")

# %% [markdown]
# ## Define it
#
# Parameters are declared once, with default, words, bounds and unit. A form, a JSON schema and the
# axes of a sweep are made from that. The warm-up says how many bars are needed before a decision is
# the same from wherever the bars begin.


# %%
class ChannelParameters(Parameters):
    """A mean, and how many true ranges lie between it and the line to break."""

    window: int = parameter(48, "Bars of the mean.", ge=5, le=500, unit="bars", step=1)
    ranges: float = parameter(2.0, "From mean to line.", ge=0.5, le=10, unit="ATR", step=0.25)
    stop: float = parameter(0.04, "Stop-loss.", ge=0.002, le=0.5, unit="ratio", step=0.002)


@strategy(
    name="range_breakout",
    parameters=ChannelParameters,
    warm_up=lambda p: max(p.window, 15 + wilder_settles(14)) + TIES,
    source="C. Keltner, How to Make Money in Commodities, 1960 (channel of ranges around a mean)",
)
def range_breakout(bars: Bars, parameters: ChannelParameters) -> Signals:
    """Buy when the close breaks above its mean by so many true ranges, sell below the mean."""
    level = mean(bars.close, parameters.window, "simple")
    line = level + parameters.ranges * atr(bars, 14)
    return Signals(
        long_entries=crossed_above(bars.close, line),
        long_exits=crossed_below(bars.close, level),
        stop_loss=parameters.stop,
        panes={"mean": level, "line": line},
    )


print(range_breakout.source_digest)
pl.DataFrame(
    [{"parameter": name, **field} for name, field in range_breakout.schema["properties"].items()]
)

# %% [markdown]
# ## Check it
#
# The check computes the strategy on beginnings of the bars, on stretches that have just the
# warm-up before them, on made-up continuations and on other dates, and compares every column with
# that of all bars.

# %%
report = check_equivalence(range_breakout, range_breakout.with_values(), bars)
print(
    f"ok={report.ok}: {report.decisions:,} bars with a decision, {report.prefixes} beginnings,"
    f" {report.windows:,} stretches, {report.futures} continuations"
)
assert report.ok

# %% [markdown]
# ## A leak, and what the check says of it
#
# An innocent change: the breakout shall be confirmed by the volume *around* it, so the mean of the
# volume is centred. Each decision now knows twelve hours of the future.


# %%
@strategy(
    name="confirmed_breakout",
    parameters=ChannelParameters,
    warm_up=lambda p: max(p.window, 15 + wilder_settles(14)) + TIES,
)
def leaking(bars: Bars, parameters: ChannelParameters) -> Signals:
    """Buy breakouts amid large volume, seen from both sides."""
    found = range_breakout.function(bars, parameters)
    around = pl.Series(bars.volume).rolling_mean(25, center=True).to_numpy()
    before = pl.Series(bars.volume).rolling_mean(100).to_numpy()
    return Signals(
        long_entries=found.mask("long_entries", len(bars)) & (around > 1.5 * before),
        long_exits=found.long_exits,
        stop_loss=parameters.stop,
        panes=found.panes,
    )


leaked = check_equivalence(leaking, leaking.with_values(), bars)
finding = leaked.findings[0]
print(f"{finding.kind} in {finding.column} at bar {finding.bar} ({finding.at})\n")
print(finding.words, "\n")
print(finding.remedy)
assert finding.kind == "look_ahead"

# %% [markdown]
# ## Mend it
#
# A trailing mean asks the same question of the bars that were there.


# %%
@strategy(
    name="confirmed_breakout",
    parameters=ChannelParameters,
    warm_up=lambda p: max(p.window, 15 + wilder_settles(14)) + TIES,
)
def mended(bars: Bars, parameters: ChannelParameters) -> Signals:
    """Buy breakouts after large volume."""
    found = range_breakout.function(bars, parameters)
    lately = pl.Series(bars.volume).rolling_mean(25).to_numpy()
    before = pl.Series(bars.volume).rolling_mean(100).to_numpy()
    return Signals(
        long_entries=found.mask("long_entries", len(bars)) & (lately > 1.5 * before),
        long_exits=found.long_exits,
        stop_loss=parameters.stop,
        panes=found.panes,
    )


assert check_equivalence(mended, mended.with_values(), bars).ok

# %% [markdown]
# ## Look at the decisions

# %%
span = bars[1_000:1_500]
signals = mended.signals(bars, mended.with_values())
times = span.time.astype("datetime64[us]")
figure, axis = plt.subplots(figsize=(11, 4.5), layout="constrained")
axis.vlines(times, span.low, span.high, color="#8a8f98", linewidth=0.6)
axis.plot(times, span.close, color="#34618f", linewidth=0.9, label="close")
for name, style in (("mean", "-"), ("line", "--")):
    pane = signals.panes[name][1_000:1_500]
    axis.plot(times, pane, style, color="#b8860b", linewidth=1.1, label=name)
for name, mark, colour, offset in (
    ("long_entries", "^", "#2a7f62", 0.985),
    ("long_exits", "v", "#b5443c", 1.015),
):
    rows = np.flatnonzero(signals.mask(name, len(bars))[1_000:1_500])
    axis.plot(times[rows], span.close[rows] * offset, mark, color=colour, markersize=7, label=name)
axis.set_ylabel("EUR")
axis.set_title("confirmed_breakout: decisions at the close of each bar")
axis.legend(loc="upper left", ncols=5, frameon=False)
plt.show()

# %% [markdown]
# ## What the leak was worth
#
# The same bars, costs and fills for all three. The backtest of the leaking one is a promise that no
# account can keep.

# %%
model = FillModel(costs=Costs(taker_fee_bps=10, slippage_bps=2))
results = {
    name: backtest(one, bars, cash=10_000, model=model)
    for name, one in (("plain", range_breakout), ("leaking", leaking), ("mended", mended))
}
figures = ("total_return", "sharpe", "max_drawdown", "trades", "win_rate")
pl.DataFrame(
    [
        {"strategy": name, **{figure: result.metrics[figure] for figure in figures}}
        for name, result in results.items()
    ]
)

# %% [markdown]
# To keep a strategy, put it in a file: `candela strategy new my_breakout` writes one to begin with,
# `candela strategy check my_breakout` is the check above, `candela backtest my_breakout ...` runs
# it on stored candles.
