"""The compiled loop over the bars of one instrument."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.fills.book import STILL_OPEN
from candela.fills.decide import EXIT, decide, fill_at_close, instruct
from candela.fills.orders import NONE
from candela.fills.sizing import KELLY, VOLATILITY_TARGET, kelly_share, volatility_at
from candela.fills.state import FILLS_A_BAR, Book
from candela.fills.step import step, step_by_finer, trailing_level

__all__ = ["post", "run_bars", "value_at"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Records = npt.NDArray[np.void]


@compiled
def value_at(values: Floats, bar: int) -> float:
    """Return the value of a bar, or the one that stands for all of them."""
    return values[min(bar, values.shape[0] - 1)]


@compiled
def post(slip: np.void, bar: int, instrument: int, book: Book) -> None:
    """Move what a slip holds into the book."""
    for number in range(slip["fills"]):
        fill = book.fills[book.counts[0]]
        book.counts[0] += 1
        fill["bar"] = bar
        fill["instrument"] = instrument
        fill["side"] = slip["fill_side"][number]
        fill["reason"] = slip["fill_reason"][number]
        fill["units"] = slip["fill_units"][number]
        fill["price"] = slip["fill_price"][number]
        fill["fee"] = slip["fill_fee"][number]
        fill["slippage"] = slip["fill_slippage"][number]
    for number in range(slip["trades"]):
        reason = slip["trade_reason"][number]
        trade = book.trades[book.counts[1]]
        book.counts[1] += 1
        trade["entry_bar"] = slip["trade_entry_bar"][number]
        trade["exit_bar"] = -1 if reason == STILL_OPEN else bar
        trade["instrument"] = instrument
        trade["direction"] = slip["trade_direction"][number]
        trade["reason"] = reason
        trade["legs"] = slip["trade_legs"][number]
        trade["units"] = slip["trade_units"][number]
        trade["entry_price"] = slip["trade_entry_price"][number]
        trade["exit_price"] = slip["trade_exit_price"][number]
        trade["fees"] = slip["trade_fees"][number]
        trade["slippage"] = slip["trade_slippage"][number]
        trade["funding"] = slip["trade_funding"][number]
        trade["pnl"] = slip["trade_pnl"][number]
        trade["return_ratio"] = slip["trade_return_ratio"][number]
    slip["fills"] = 0
    slip["trades"] = 0


@compiled
def _is_full(book: Book) -> bool:
    """Return whether the next bar may find no room."""
    return (
        book.counts[0] + FILLS_A_BAR > book.fills.shape[0]
        or book.counts[1] + FILLS_A_BAR > book.trades.shape[0]
    )


@compiled
def _is_quiet(row: np.void, term: np.void, high: float, low: float) -> bool:
    """Return whether a bar touches no level of the position."""
    if not math.isnan(row["trailing"]):
        if term["minutes"]:
            return False  # the level moves inside the bar
        trail = trailing_level(row, term)
        if low <= trail if row["units"] > 0.0 else high >= trail:
            return False
    if row["units"] > 0.0:
        return (
            low > row["stop_level"]
            and low > row["liquidation_level"]
            and high < row["target_level"]
        )
    return (
        high < row["stop_level"] and high < row["liquidation_level"] and low > row["target_level"]
    )


@compiled
def run_bars(  # noqa: C901, PLR0912 - one loop: arrays handed on are counted at each call
    state: Records,
    terms: Records,
    slip: Records,
    book: Book,
    bars: tuple[Floats, Floats, Floats, Floats, Floats],
    conditions: tuple[Bools, Bools, Bools, Bools],
    numbers: tuple[Floats, Floats, Floats, Floats, Floats, Floats],
    funding: Floats,
    finer: tuple[Floats, Floats, Floats, Floats],
    first_finer: Ints,
    equity: Floats,
    position: Floats,
    start: int,
) -> int:
    """Simulate the bars of one instrument; return the number of bars done.

    Fewer are done than there are where the book is full: make room, and go on from there. (Arrays
    that the loop itself replaced would be counted anew at every bar, which costs ten times the
    simulation.)

    Parameters
    ----------
    state, terms, slip
        One row each of ``STATE``, ``TERMS`` and ``SLIP``.
    bars
        Open, high, low, close, volume, (n,) each.
    conditions
        Long entry and exit, short entry and exit; (n,), or (1,) where they never hold.
    numbers
        Size, stop, target, trailing stop, limit, exit share; (n,), or (1,) for all bars.
    funding
        (n,) funding rate paid in each bar, or (1,) with 0.
    finer, first_finer
        Open, high, low, close of finer bars, and (n + 1,) the first of each bar (or (1,)).
    equity, position
        (n,), written here.
    start
        The first bar to do.
    """
    row = state[0]
    term = terms[0]
    note = slip[0]
    open_, high, low, close, volume = bars
    long_entry, long_exit, short_entry, short_exit = conditions
    size, stop, target, trailing, limit, fraction = numbers
    pays = 1 if funding.shape[0] > 1 else 0
    enters_long = 1 if long_entry.shape[0] > 1 else 0
    leaves_long = 1 if long_exit.shape[0] > 1 else 0
    enters_short = 1 if short_entry.shape[0] > 1 else 0
    leaves_short = 1 if short_exit.shape[0] > 1 else 0
    minutes = term["minutes"]
    next_open = term["next_open"]
    kind = term["kind"]
    for bar in range(start, open_.shape[0]):
        if row["units"] != 0.0 or row["order"] != NONE:
            rate = funding[bar * pays]
            if row["order"] == NONE and rate == 0.0 and _is_quiet(row, term, high[bar], low[bar]):
                if row["units"] > 0.0:
                    row["best"] = max(row["best"], high[bar])
                else:
                    row["best"] = min(row["best"], low[bar])
            elif minutes:
                step_by_finer(
                    row,
                    term,
                    note,
                    bar,
                    open_[bar],
                    high[bar],
                    low[bar],
                    close[bar],
                    volume[bar],
                    rate,
                    finer,
                    first_finer[bar],
                    first_finer[bar + 1],
                )
            else:
                step(
                    row,
                    term,
                    note,
                    bar,
                    open_[bar],
                    high[bar],
                    low[bar],
                    close[bar],
                    volume[bar],
                    rate,
                )
        is_eventful = note["fills"] > 0
        if is_eventful:
            post(note, bar, 0, book)
        enter_long, leave_long = long_entry[bar * enters_long], long_exit[bar * leaves_long]
        enter_short, leave_short = short_entry[bar * enters_short], short_exit[bar * leaves_short]
        if enter_long or enter_short or ((leave_long or leave_short) and row["units"] != 0.0):
            order = decide(row, term, enter_long, leave_long, enter_short, leave_short)
            if order != NONE:
                volatility = kelly = math.nan
                if kind == KELLY and order != EXIT:
                    kelly = kelly_share(
                        book.trades["return_ratio"],
                        book.trades["instrument"],
                        book.counts[1],
                        0,
                        term["window"],
                        term["cap"],
                    )
                if kind == VOLATILITY_TARGET and order != EXIT:
                    volatility = volatility_at(close, bar, term["window"], term["bars_per_year"])
                instruct(
                    row,
                    term,
                    value_at(limit, bar),
                    value_at(size, bar),
                    value_at(stop, bar),
                    value_at(target, bar),
                    value_at(trailing, bar),
                    value_at(fraction, bar),
                    volatility,
                    kelly,
                )
                if not next_open:
                    fill_at_close(row, term, note, bar, close[bar], volume[bar])
        units = row["units"]
        position[bar] = units
        equity[bar] = max(row["cash"] + units * close[bar], 0.0)
        if note["fills"] > 0:
            is_eventful = True
            post(note, bar, 0, book)
        if is_eventful and _is_full(book):
            return bar + 1
    return open_.shape[0]
