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
# # Fixed payout and martingale: what a stake is worth, and when a ladder ruins
#
# A call wins when the price is higher at expiry, a put when it is lower. A win pays a fixed share
# of the stake, a loss costs all of it. So one number decides everything: the share of contracts
# that must win for nothing to be lost.
#
# Runs on the sample that ships with Candela: `make up` imports it.

# %%
from decimal import Decimal

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

from backtest.payout import run_payout
from candela.notebook import open_candela
from candela.payout.assessment import RuinCapExceeded, assess
from candela.payout.breakeven import break_even_rate, edge_ratio, kelly_fraction
from candela.payout.ladder import Ladder
from candela.payout.ruin import ruin_within
from candela.payout.rules import PayoutRules, StakeSizing
from strategies.bars import Bars
from strategies.rsi_payout import rsi_payout

candela = open_candela()
GREEN, RED, GREY, BLUE = "#2a7f62", "#b5443c", "#8a8f98", "#34618f"

# %% [markdown]
# ## The break-even rate
#
# With a payout of 0.85 a win of 85 has to pay for a loss of 100: 54.05 % must win. A fair coin
# loses 7.5 % of every stake.

# %%
payouts = np.linspace(0.6, 1.0, 81)
needed = np.array([break_even_rate(payout) for payout in payouts])
figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
axis.plot(payouts * 100, needed * 100, color=BLUE, linewidth=2)
axis.fill_between(payouts * 100, needed * 100, 65, color=GREEN, alpha=0.12)
axis.fill_between(payouts * 100, 48, needed * 100, color=RED, alpha=0.10)
axis.axhline(50, color=GREY, linewidth=1, linestyle="--")
axis.annotate("a coin", (60.5, 50.25), color=GREY)
axis.annotate("gains on average", (88, 60.5), color=GREEN)
axis.annotate("loses on average", (66, 52), color=RED)
axis.plot([85], [break_even_rate(0.85) * 100], "o", color=BLUE)
axis.annotate("85 % pays: 54.05 % must win", (85.6, 54.4), color=BLUE)
axis.set(xlim=(60, 100), ylim=(48, 65), xlabel="payout, % of the stake", ylabel="win rate, %")
axis.set_title("Break-even win rate of a fixed payout")
plt.show()

# %%
for win_rate in (0.50, 0.54, 0.56, 0.60):
    edge = edge_ratio(0.85, win_rate)
    kelly = kelly_fraction(0.85, win_rate)
    print(f"win rate {win_rate:.0%}: {edge:+.2%} of each stake, Kelly stake {kelly:.2%} of cash")

# %% [markdown]
# ## Calls and puts by RSI, on real hours
#
# `rsi_payout` calls when the RSI comes back above a low level and puts when it comes back below a
# high one; decided at the close, entered at the next open, expired four hours later at a close.
# First with the same stake each time.

# %%
hours = candela.candles("bitvavo:BTC/EUR", "1h")
bars = Bars.from_frame(hours.frame, "1h", "bitvavo:BTC/EUR")
print(hours.digest)
bet = {"window": 7, "low": 30, "high": 70, "expiry": 4}

flat = PayoutRules(payout=Decimal("0.85"), sizing=StakeSizing(value=Decimal(10)))
steady = run_payout(rsi_payout, bars, bet, rules=flat, cash=1000)
shown = ("decided", "ties", "win_rate", "win_rate_low", "win_rate_high", "break_even_rate", "edge")
print({name: round(steady.metrics[name], 4) for name in (*shown, "final_equity")})
print(steady.contracts_digest)
steady.contracts_frame().head()

# %% [markdown]
# The interval of the win rate is the honest part: if it reaches below the break-even rate, then
# these contracts do not show that the rule gains. And these are prices of trades, which jump
# between bid and ask: a rule that bets on a turn wins some contracts by that alone, and would not
# at a broker's quotes.
#
# ## The ladder: after each loss twice the stake
#
# The ladder is meant to win back every loss with the first win. At a payout of 0.85 it does so for
# three steps; from the fourth on the win is smaller than the losses before it. What it needs and
# how often it fails is known beforehand, exactly, for any win rate.

# %%
ladder = Ladder(first_stake=Decimal(10), payout=Decimal("0.85"), bankroll=Decimal(1000), steps=6)
print("stakes:", *ladder.stakes)
print("won at each step:", *ladder.nets, "- lost whole:", -ladder.capital)
for win_rate in (0.50, 0.54, 0.56):
    print(f"\nwin rate {win_rate:.0%}")
    print("\n".join(assess(ladder, win_rate).words))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
rates = {0.50: RED, 0.52: "#c98a3d", 0.54: GREY, 0.56: BLUE, 0.60: GREEN}
for win_rate, colour in rates.items():
    course = ruin_within(ladder, win_rate, 1_000)
    left.plot(course.ruin * 100, color=colour, label=f"{win_rate:.0%}")
left.set(xlabel="rounds", ylabel="probability of ruin, %", xlim=(0, 1_000), ylim=(0, 100))
left.set_title("Six steps from 10, bankroll 1,000: ruin by rounds")
left.legend(title="win rate", loc="upper left", frameon=False)

course = ruin_within(ladder, 0.52, 100)
edges = np.arange(0, 2_001, 50)
mass, _ = np.histogram(course.bankrolls, edges, weights=course.probabilities)
colours = [RED if edge < 1_000 else GREEN for edge in edges[:-1]]
right.bar(edges[:-1], mass * 100, width=46, align="edge", color=colours)
right.axvline(course.expected_bankroll, color="black", linewidth=1)
right.annotate(
    f"mean {course.expected_bankroll:,.0f}",
    (course.expected_bankroll - 30, mass.max() * 92),
    ha="right",
)
right.set(xlabel="bankroll after 100 rounds", ylabel="probability, %", xlim=(0, 2_000))
right.set_title("Win rate 52 %: most end higher, the mean lower")
plt.show()
below = course.at_most(999.99)
print(f"ends higher: {1 - below:.1%}, lower: {below:.1%}, mean {course.expected_bankroll:,.2f}")

# %% [markdown]
# ## The same decisions on the ladder
#
# Nothing but the stake changes. For months it looks far better than the same stake each time.

# %%
doubling = flat.model_copy(
    update={"sizing": StakeSizing(kind="martingale", value=Decimal(10), steps=6)}
)
climbed = run_payout(rsi_payout, bars, bet, rules=doubling, cash=1000)
times = bars.time.astype("datetime64[us]")
best = int(climbed.equity.argmax())
last = climbed.metrics["ruin_bar"]

figure, (equity, stakes) = plt.subplots(
    2, 1, figsize=(11, 6), sharex=True, height_ratios=(3, 1), layout="constrained"
)
equity.plot(times, climbed.equity, color=RED, linewidth=1.2, label="ladder of six steps")
equity.plot(times, steady.equity, color=BLUE, linewidth=1.2, label="the same stake each time")
equity.axhline(1_000, color=GREY, linewidth=0.8, linestyle="--")
equity.annotate(
    f"looks fine: {climbed.equity[best]:,.2f}",
    (times[best], climbed.equity[best]),
    xytext=(-10, -2),
    textcoords="offset points",
    ha="right",
)
if last >= 0:
    equity.annotate(
        f"cannot pay the next stake: {climbed.equity[last]:,.2f} left",
        (times[last], climbed.equity[last]),
        xytext=(8, 8),
        textcoords="offset points",
        color=RED,
    )
equity.set(ylabel="EUR", ylim=(0, None))
equity.legend(frameon=False, loc="upper right")
equity.set_title("bitvavo:BTC/EUR, RSI calls and puts over four hours")
entered = times[climbed.contracts["entry_bar"]]
stakes.vlines(entered, 0, climbed.contracts["stake"], color=RED, linewidth=0.6)
stakes.set_ylabel("stake, EUR")
plt.show()
print(climbed.contracts_digest)

# %% [markdown]
# The contracts it could still pay won more often than the break-even rate, and the bankroll is gone
# nevertheless: what counts is the worst row of losses, not the mean.

# %%
pl.DataFrame(
    [
        {"stakes": name}
        | {
            one: round(result.metrics[one], 4)
            for one in (*shown, "final_equity", "max_drawdown", "longest_loss_streak")
        }
        for name, result in (("same", steady), ("ladder", climbed))
    ]
)

# %% [markdown]
# ## The gate
#
# A bot with a ladder does not start above the cap on its ruin. The cautious win rate is the lower
# end of the interval that was seen.

# %%
ruin = climbed.ruin
if ruin is not None:
    for name in ("at_lowest", "observed", "at_highest"):
        estimate = getattr(ruin, name)
        after = estimate.ruin_after(1_000)
        print(f"win rate {estimate.win_rate:.2%}. {after.words}")
    try:
        ruin.at_lowest.refuse_above(0.05)
    except RuinCapExceeded as refusal:
        print(f"\nrefused ({refusal.code}): {refusal}")
