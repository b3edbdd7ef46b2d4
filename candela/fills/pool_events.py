"""One cash pool over many instruments, walked from event to event: long, no stops, fixed sizes."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.fills.records import Reason
from candela.fills.state import Book

__all__ = ["bucket_events", "value_positions", "walk_pool"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Tables = npt.NDArray[np.float64]

SIGNAL: Final = int(Reason.SIGNAL)
STILL_OPEN: Final = int(Reason.STILL_OPEN)


@compiled
def bucket_events(  # noqa: C901, PLR0912 - one merge, counted and placed by the same words
    entries: Rows,
    entries_from: Rows,
    exits: Rows,
    exits_from: Rows,
    price: Tables,
    close: Tables,
    delay: int,
    starts: Rows,
    instruments: Rows,
    prices: Floats,
) -> int:
    """Sort the events of all instruments by bar, exits before entries; return the first bad event.

    Parameters
    ----------
    entries, entries_from
        Rising rows of decisions, instrument after instrument, and (m + 1,) where each begins.
    exits, exits_from
        The same of exits.
    price
        (m, n) price of the fill, ``delay`` bars after the decision.
    close
        (m, n); an instrument without a close has no bar.
    starts
        (2 n + 1,) written: where the exits of bar i (2 i) and its entries (2 i + 1) begin.
    instruments, prices
        Written: instrument and price of each event, in the order of bars, then instruments.

    Returns
    -------
    out
        0, or 1 where an instrument has no bar at a decision or its fill.
    """
    rows = price.shape[1]
    # Counting sort: once to count, once to place; within a bucket the order of instruments stays.
    for is_placing in range(2):
        for instrument in range(price.shape[0]):
            entry, last_entry = entries_from[instrument], entries_from[instrument + 1]
            leave, last_leave = exits_from[instrument], exits_from[instrument + 1]
            while entry < last_entry or leave < last_leave:
                at_entry = entries[entry] if entry < last_entry else rows
                at_leave = exits[leave] if leave < last_leave else rows
                if at_entry == at_leave:  # entry and exit of one bar: both are ignored
                    entry += 1
                    leave += 1
                    continue
                row = min(at_entry, at_leave)
                bucket = 2 * row
                if at_entry < at_leave:
                    bucket += 1
                    entry += 1
                else:
                    leave += 1
                if row + delay >= rows:
                    continue
                if is_placing:
                    raw = price[instrument, row + delay]
                    if math.isnan(raw) or math.isnan(close[instrument, row]):
                        return 1
                    place = starts[bucket]
                    starts[bucket] = place + 1
                    instruments[place] = instrument
                    prices[place] = raw
                else:
                    starts[bucket + 1] += 1
        if not is_placing:
            for bucket in range(1, starts.shape[0]):
                starts[bucket] += starts[bucket - 1]
    # Placing moved each start to its end: the start of the next.
    for bucket in range(starts.shape[0] - 1, 0, -1):
        starts[bucket] = starts[bucket - 1]
    starts[0] = 0
    return 0


@compiled
def _write_fill(
    fill: np.void,
    bar: int,
    instrument: int,
    side: int,
    units: float,
    price: float,
    fee: float,
    slippage: float,
) -> None:
    fill["bar"] = bar
    fill["instrument"] = instrument
    fill["side"] = side
    fill["reason"] = SIGNAL
    fill["units"] = units
    fill["price"] = price
    fill["fee"] = fee
    fill["slippage"] = slippage


@compiled
def _open_trade(
    trade: np.void,
    bar: int,
    instrument: int,
    units: float,
    price: float,
    fee: float,
    slippage: float,
) -> None:
    trade["entry_bar"] = bar
    trade["exit_bar"] = -1
    trade["instrument"] = instrument
    trade["direction"] = 1
    trade["reason"] = STILL_OPEN
    trade["legs"] = 1
    trade["units"] = units
    trade["entry_price"] = price
    trade["fees"] = fee
    trade["slippage"] = slippage
    trade["funding"] = 0.0


@compiled
def walk_pool(  # noqa: PLR0915 - one loop: arrays handed on are counted at each call
    starts: Rows,
    instruments: Rows,
    prices: Floats,
    delay: int,
    initial: float,
    value: float,
    is_value: bool,  # noqa: FBT001 - compiled code takes no keywords quickly
    taker: float,
    adverse: float,
    minimum: float,
    book: Book,
    cash: Floats,
    held: Rows,
    of_trade: Rows,
) -> int:
    """Fill the events in order; return the rejected entries.

    Parameters
    ----------
    starts, instruments, prices
        As ``bucket_events`` left them.
    delay
        Bars from a decision to its fill.
    value, is_value
        Of an entry: quote (True) or base.
    taker, adverse
        Fee, and slippage with half the spread, as ratios.
    minimum
        Smallest value of an entry.
    book
        Room for every event; trades are written in order of entry.
    cash, held
        (n,), written: after each bar's fills, and instruments held.
    of_trade
        (m,), written: the open trade of each instrument, -1 for none.
    """
    money = initial
    open_now = rejected = fills = trades = 0
    rows = cash.shape[0]
    of_trade[:] = -1
    for bar in range(rows):
        decided = bar - delay
        if decided >= 0 and starts[2 * decided + 2] > starts[2 * decided]:
            for event in range(starts[2 * decided], starts[2 * decided + 1]):
                instrument = instruments[event]
                number = of_trade[instrument]
                if number < 0:
                    continue
                raw = prices[event]
                price = max(raw * (1.0 - adverse), 0.0)
                trade = book.trades[number]
                units = trade["units"]
                fee = units * price * taker
                slippage = units * abs(price - raw)
                received = units * price - fee
                money = money + received
                trade["exit_bar"] = bar
                trade["reason"] = SIGNAL
                trade["exit_price"] = price
                trade["fees"] += fee
                trade["slippage"] += slippage
                pnl = trade["pnl"] + received  # so far what the entry cost
                trade["pnl"] = pnl
                trade["return_ratio"] = pnl / (units * trade["entry_price"])
                of_trade[instrument] = -1
                open_now -= 1
                _write_fill(
                    book.fills[fills], bar, instrument, -1, float(units), price, fee, slippage
                )
                fills += 1
            for event in range(starts[2 * decided + 1], starts[2 * decided + 2]):
                instrument = instruments[event]
                if of_trade[instrument] >= 0:
                    continue
                raw = prices[event]
                price = raw * (1.0 + adverse)
                units = min(value / price if is_value else value, money / (price * (1.0 + taker)))
                if not units > 0.0 or units * price < minimum:
                    rejected += 1
                    continue
                fee = units * price * taker
                slippage = units * abs(price - raw)
                paid = units * price + fee
                money = money - paid
                trade = book.trades[trades]
                of_trade[instrument] = trades
                trades += 1
                open_now += 1
                _open_trade(trade, bar, instrument, units, price, fee, slippage)
                trade["pnl"] = -paid
                _write_fill(book.fills[fills], bar, instrument, 1, units, price, fee, slippage)
                fills += 1
        cash[bar] = money
        held[bar] = open_now
    book.counts[0] = fills
    book.counts[1] = trades
    return rejected


@compiled
def value_positions(
    book: Book, close: Tables, cash: Floats, follows: Rows, newest: Rows, equity: Floats
) -> bool:
    """Add the value of all positions to the cash, and end what is open; False with a bar absent.

    Parameters
    ----------
    follows, newest
        (trades,) and (m,), to be written: trades are valued instrument after instrument, since the
        closes of one lie together.
    equity
        (n,), written.
    """
    rows = close.shape[1]
    equity[:] = cash
    newest[:] = -1
    for number in range(book.counts[1] - 1, -1, -1):
        instrument = book.trades[number]["instrument"]
        follows[number] = newest[instrument]
        newest[instrument] = number
    for instrument in range(close.shape[0]):
        number = newest[instrument]
        closes = close[instrument]
        while number >= 0:
            trade = book.trades[number]
            units = trade["units"]
            last = trade["exit_bar"]
            if last < 0:
                last = rows
                price = closes[rows - 1]
                pnl = trade["pnl"] + units * price
                trade["exit_price"] = price
                trade["pnl"] = pnl
                trade["return_ratio"] = pnl / (units * trade["entry_price"])
            # Slices: their rows cannot be negative, so several are added at once.
            held, worth = closes[trade["entry_bar"] : last], equity[trade["entry_bar"] : last]
            for bar in range(len(held)):
                worth[bar] += units * held[bar]
            number = follows[number]
    return not math.isnan(equity.sum())
