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
# # Candles: what is stored, how good it is, how to read it
#
# Runs on the sample that ships with Candela: `make up` imports it, or
# `candela candles import data/sample/*.parquet`. Everything here reads with the rights of an
# analyst: nothing can be changed from a notebook.

# %%
from datetime import UTC, datetime, timedelta

import matplotlib.pyplot as plt
import polars as pl

from candela.market.candle import Flag
from candela.notebook import open_candela

candela = open_candela()
candela.series()

# %% [markdown]
# ## Read candles
#
# Any instrument, any timeframe that whole stored candles fill, any span. The frame comes from the
# database as Arrow, without a detour through Python objects. The digest is equal for equal
# candles; a run that keeps it can prove later which data it saw.

# %%
btc = candela.candles("bitvavo:BTC/EUR", "1h", datetime(2022, 1, 1, tzinfo=UTC))
print(f"{btc.frame.height:,} candles from {btc.relation}, known at {btc.as_of}")
print(btc.digest)
btc.frame.head()

# %%
days = candela.candles("bitvavo:BTC/EUR", "1d").frame

figure, (price, volume) = plt.subplots(
    2, 1, figsize=(11, 6), sharex=True, height_ratios=(3, 1), layout="constrained"
)
up = days["close"] >= days["open"]
colour = ["#2a7f62" if is_up else "#b5443c" for is_up in up]
times = days["time"].to_numpy()
price.vlines(times, days["low"].to_numpy(), days["high"].to_numpy(), colors=colour, linewidth=0.6)
price.vlines(times, days["open"].to_numpy(), days["close"].to_numpy(), colors=colour, linewidth=2)
price.set_ylabel("EUR")
price.set_title("bitvavo:BTC/EUR, days rolled up from hours")
volume.bar(times, days["volume"].to_numpy(), width=timedelta(days=1), color="#8a8f98")
volume.set_ylabel("BTC a day")
plt.show()

# %% [markdown]
# ## Data quality
#
# A candle that breaks the data contract is refused into the quarantine with its file, row, check
# and value. One that is merely odd is stored with a flag. Nothing disappears.

# %%
candela.quarantine()

# %%
names = candela.series()["instrument"].to_list()
lengths = candela.series()["timeframe"].to_list()
flagged = []
for name, length in zip(names, lengths, strict=True):
    frame = candela.candles(name, length).frame
    flagged.append(
        {"instrument": name, "timeframe": length, "candles": frame.height}
        | {
            flag.name.lower(): int((frame["flags"] & flag.value != 0).sum())
            for flag in Flag
            if flag.name
        }
    )
pl.DataFrame(flagged)

# %% [markdown]
# ## Gaps
#
# Every absent candle lies in one recorded gap, with the reason as far as it can be known: no
# trades, a hole at the source, an outage of the venue, a closed market, not fetched yet.

# %%
gaps = candela.gaps("bitvavo:BTC/EUR", "1h")
gaps.sort("candles_missing", descending=True).head(10)

# %%
present = (
    btc.frame.group_by(month=pl.col("time").dt.truncate("1mo"))
    .agg(candles=pl.len())
    .sort("month")
    .with_columns(hours=pl.col("month").dt.days_in_month().cast(pl.Int64) * 24)
    .with_columns(share=pl.col("candles") / pl.col("hours"))
)
figure, axis = plt.subplots(figsize=(11, 2.6), layout="constrained")
absent = 100 * (1 - present["share"].to_numpy())
axis.bar(present["month"].to_numpy(), absent, width=timedelta(days=25), align="edge")
axis.set_ylabel("hours absent, %")
axis.set_title("bitvavo:BTC/EUR: completeness by month")
plt.show()

# %% [markdown]
# ## As of then
#
# A value that changed keeps its predecessor. Reading as of an instant gives what was known at it,
# so a result can be computed again from the very same candles.

# %%
again = candela.candles("bitvavo:BTC/EUR", "1h", datetime(2022, 1, 1, tzinfo=UTC), as_of=btc.as_of)
before = candela.candles("bitvavo:BTC/EUR", "1h", as_of=btc.as_of - timedelta(days=3650))
print(again.digest == btc.digest, before.frame.height)
assert again.digest == btc.digest

# %% [markdown]
# ## The same in SQL
#
# DuckDB sees the frames that were read as tables; `.pl()` brings an answer back as polars.

# %%
lab = candela.sql()
lab.table("btc", "bitvavo:BTC/EUR", "1h")
lab.table("eth", "bitvavo:ETH/EUR", "1h")
together = lab.sql(
    """
    WITH moves AS (
        SELECT time, btc.close / btc.open - 1 AS btc_move, eth.close / eth.open - 1 AS eth_move
        FROM btc INNER JOIN eth USING (time)
    )
    SELECT date_trunc('month', time) AS month, corr(btc_move, eth_move) AS correlation
    FROM moves GROUP BY 1 ORDER BY 1
    """
).pl()

figure, axis = plt.subplots(figsize=(11, 2.6), layout="constrained")
axis.plot(together["month"].to_numpy(), together["correlation"].to_numpy(), marker="o")
axis.set_title("Hourly moves of BTC and ETH: correlation by month")
axis.set_ylim(0, 1)
plt.show()
lab.close()
