"""Planted leaks: each a mistake that strategies are published with, and what it must be found as.

``python -m tests.strategies.leaks`` prints the table.
"""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from strategies.bars import Bars
from strategies.conditions import Cross, crossed_above, crossed_below
from strategies.equivalence.check import check_equivalence
from strategies.indicators import ema, highest, rsi, sma
from strategies.memory import remember
from strategies.signals import Signals
from tests.strategies.foresight import FORESIGHT, ahead
from tests.strategies.planting import ETH, Case, Plain, bars_of_a_season, case

__all__ = ["LEAKS"]

LEAKS: Final[list[Case]] = [*FORESIGHT]


@case(LEAKS, "repainting")
def entry_taken_back(bars: Bars, parameters: Plain) -> Signals:
    """Crosses means rightly, and takes an entry back when the next bar falls by a hundredth."""
    cross = Cross(sma(bars.close, 10), sma(bars.close, 40))
    failed = ahead(bars.close) < 0.99 * bars.close
    return Signals(long_entries=cross.above & ~failed, long_exits=cross.below)


@case(LEAKS, "repainting")
def last_bar_special(bars: Bars, parameters: Plain) -> Signals:
    """Treats the newest bar by a looser rule than the others."""
    mean = sma(bars.close, parameters.window)
    entries = bars.close > 1.02 * mean
    if len(entries):
        entries[-1] = bars.close[-1] > mean[-1]
    return Signals(long_entries=entries, long_exits=bars.close < mean)


@case(LEAKS, "repainting")
def last_bar_left_out(bars: Bars, parameters: Plain) -> Signals:
    """Decides nothing at the newest bars, whichever they are."""
    entries = bars.close > 1.01 * sma(bars.close, parameters.window)
    entries[-2:] = False
    return Signals(long_entries=entries)


@case(LEAKS, "repainting")
def provisional_pivot(bars: Bars, parameters: Plain) -> Signals:
    """Buys at the lowest low of eleven bars, provisional while fewer have followed."""
    series = pl.Series(bars.low)
    before = series.rolling_min(6, min_samples=1)
    after = series.reverse().rolling_min(6, min_samples=1).reverse()
    is_pivot = (bars.low <= before.to_numpy()) & (bars.low <= after.to_numpy())
    return Signals(long_entries=is_pivot)


@case(LEAKS, "repainting")
def zigzag(bars: Bars, parameters: Plain) -> Signals:
    """Buys at the troughs of a zigzag of 2 %, the last of which moves on with each lower low."""
    entries = np.zeros(len(bars), dtype=np.bool_)
    trough, peak, is_down = 0, 0, True
    for row, close in enumerate(bars.close):
        if is_down and close <= bars.close[trough]:
            trough = row
        elif is_down and close > 1.02 * bars.close[trough]:
            entries[trough] = True
            is_down, peak = False, row
        elif not is_down and close >= bars.close[peak]:
            peak = row
        elif not is_down and close < 0.98 * bars.close[peak]:
            is_down, trough = True, row
    if is_down and len(entries):
        entries[trough] = True
    return Signals(long_entries=entries)


_highest_seen: list[float] = []


@case(LEAKS, "hidden_state")
def cache_between_calls(bars: Bars, parameters: Plain) -> Signals:
    """Keeps the highest close ever seen, in a global."""
    _highest_seen.append(max([float(bars.close.max()), *_highest_seen]))
    return Signals(long_entries=bars.close > 0.95 * _highest_seen[-1])


_mean_of_the_first_call: dict[str, float] = {}


@case(LEAKS, "hidden_state")
def kept_since_the_first_call(bars: Bars, parameters: Plain) -> Signals:
    """Keeps the mean of the first bars it ever saw."""
    if not _mean_of_the_first_call:
        _mean_of_the_first_call["mean"] = float(bars.close.mean())
    return Signals(long_entries=bars.close > _mean_of_the_first_call["mean"])


# Filled before any check, as in a notebook where the strategy has run: no call changes it more.
kept_since_the_first_call(bars_of_a_season(), Plain())


def _made_with_a_counter() -> None:
    calls = 0

    @case(LEAKS, "hidden_state")
    def counter_in_a_closure(bars: Bars, parameters: Plain) -> Signals:
        """Trades on every third call."""
        nonlocal calls
        calls += 1
        return Signals(long_entries=np.full(len(bars), calls % 3 == 0))

    assert counter_in_a_closure


_made_with_a_counter()
_shared_chance = np.random.default_rng(7)


@case(LEAKS, "hidden_state")
def generator_of_the_module(bars: Bars, parameters: Plain) -> Signals:
    """Draws from one seeded generator, call after call."""
    return Signals(long_entries=_shared_chance.random(len(bars)) < 0.05)


@case(LEAKS, "hidden_state")
def key_without_parameter(bars: Bars, parameters: Plain) -> Signals:
    """Remembers a mean under a key that leaves its window out."""
    mean = remember("my mean", bars.close, lambda: np.asarray(sma(bars.close, parameters.window)))
    return Signals(long_entries=bars.close > mean)


@case(LEAKS, "hidden_state")
def key_of_shared_times(bars: Bars, parameters: Plain) -> Signals:
    """Remembers means of two instruments under their times, which are one array."""

    def level(one: Bars) -> npt.NDArray[np.float64]:
        return remember(
            ("my level", parameters.window), one.time, lambda: sma(one.close, parameters.window)
        )

    other = bars.other(ETH)
    return Signals(
        long_entries=(bars.close > level(bars)) & (other.close > level(other)),
        long_exits=other.close < level(other),
    )


@case(LEAKS, "non_determinism")
def unseeded_chance(bars: Bars, parameters: Plain) -> Signals:
    """Enters by chance."""
    return Signals(long_entries=np.random.default_rng().random(len(bars)) < 0.05)


@case(LEAKS, "non_determinism")
def clock_as_seed(bars: Bars, parameters: Plain) -> Signals:
    """Enters by chance that is seeded from the clock."""
    chance = np.random.default_rng(time.perf_counter_ns())
    return Signals(long_entries=chance.random(len(bars)) < 0.05)


@case(LEAKS, "mutation")
def writes_into_bars(bars: Bars, parameters: Plain) -> Signals:
    """Smooths the closes in place."""
    closes = bars.close
    closes[1:] = 0.5 * (closes[1:] + closes[:-1])
    return Signals(long_entries=closes > bars.open)


@case(LEAKS, "mutation")
def replaces_a_column(bars: Bars, parameters: Plain) -> Signals:
    """Puts other closes into the bars."""
    bars.close = ema(bars.close, 10)
    return Signals(long_entries=bars.close > bars.open)


@case(LEAKS, "warm_up_too_short", warm_up=20)
def mean_not_settled(bars: Bars, parameters: Plain) -> Signals:
    """Uses an exponential mean as if it forgot its beginning after its window."""
    cross = Cross(bars.close, ema(bars.close, parameters.window))
    return Signals(long_entries=cross.above, long_exits=cross.below)


@case(LEAKS, "warm_up_too_short")
def counted_from_first_bar(bars: Bars, parameters: Plain) -> Signals:
    """Buys every 24 bars, counted from the first one there is."""
    return Signals(long_entries=np.arange(len(bars)) % 24 == 0)


@case(LEAKS, "warm_up_too_short")
def total_since_start(bars: Bars, parameters: Plain) -> Signals:
    """Follows volume summed since the first bar with a limited warm-up."""
    total = np.cumsum(np.sign(np.diff(bars.close, prepend=bars.close[:1])) * bars.volume)
    return Signals(long_entries=total > 0, long_exits=total < 0)


@case(LEAKS, "warm_up_too_short", warm_up=50)
def one_bar_short(bars: Bars, parameters: Plain) -> Signals:
    """Looks back 51 bars and declares 50."""
    high = np.append(np.full(1, np.nan), highest(bars.high, 51)[:-1])
    return Signals(long_entries=bars.close > high)


@case(LEAKS, "calendar")
def best_day_by_date(bars: Bars, parameters: Plain) -> Signals:
    """Trades rightly, but only after the date of a low."""
    low_was = 1_681_084_800_000_000  # 2023-04-10
    return Signals(
        long_entries=crossed_below(rsi(bars.close), 35) & (bars.time > low_was),
        long_exits=crossed_above(rsi(bars.close), 60),
    )


@case(LEAKS, "raises")
def needs_many_bars(bars: Bars, parameters: Plain) -> Signals:
    """Takes for granted that there are a hundred bars."""
    return Signals(long_entries=bars.close > bars.close[99] * (bars.time >= bars.time[99]))


def table_of_leaks(bars: Bars) -> list[dict[str, Any]]:
    """Return a row for each leak: what it must be found as, and what was found."""
    rows: list[dict[str, Any]] = []
    for one in LEAKS:
        report = check_equivalence(one.strategy, one.parameters, bars)
        first = report.findings[0] if report.findings else None
        rows.append(
            {
                "leak": one.name,
                "expected": one.kind,
                "found": first.kind if first else "nothing",
                "bar": first.bar if first else None,
                "column": first.column if first else "",
                "words": first.words if first else "",
                "remedy": first.remedy if first else "",
            }
        )
    return rows


if __name__ == "__main__":
    from candela.commands.output import table

    found = table_of_leaks(bars_of_a_season())
    shown = ["leak", "expected", "found", "bar", "column"]
    print(table(shown, [[row[name] for name in shown] for row in found]))  # noqa: T201
    print(f"{sum(row['expected'] == row['found'] for row in found)} of {len(found)}")  # noqa: T201
