"""One cash pool over many instruments, bar by bar: every rule but limits and finer bars."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.fills.decide import ENTRY, EXIT, REVERSE, decide, fill_at_close, instruct
from candela.fills.loop import post
from candela.fills.orders import NONE, close_by_market
from candela.fills.records import Reason
from candela.fills.sizing import KELLY, VOLATILITY_TARGET, kelly_share, volatility_at
from candela.fills.state import FILLS_A_BAR, Book
from candela.fills.step import enter_at_open, inside, leave_at_open, pay_funding

__all__ = ["run_pool"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]
Tables = tuple[Floats, Floats, Floats, Floats, Floats]

LIQUIDATION: Final = int(Reason.LIQUIDATION)


@compiled
def run_pool(
    states: Records,
    terms: Records,
    slips: Records,
    book: Book,
    tables: Tables,
    last: Floats,
    events: tuple[Rows, Rows, Rows, Rows],
    cursors: Rows,
    ends: Rows,
    numbers: tuple[Floats, Floats, Floats, Floats, Floats],
    funding: Floats,
    pool: Floats,
    equity: Floats,
    cash: Floats,
    held: Rows,
    start: int,
) -> int:
    """Simulate the bars of all instruments; return the bars done, fewer where the book is full.

    Parameters
    ----------
    states
        (m,) rows of ``STATE``.
    terms, slips
        One row each of ``TERMS`` and ``SLIP``.
    tables
        Open, high, low, close, volume, (m, n) each; NaN where an instrument has no bar.
    last
        (m,) last close of each instrument, kept here; NaN before its first.
    events
        Rising rows of long entries, long exits, short entries and short exits, instrument after
        instrument.
    cursors, ends
        (4, m) the next event of each, moved on here, and where they end.
    numbers
        Size, stop, target, trailing stop, exit share: (m, n), (m, 1), (1, n) or (1, 1).
    funding
        (m, n) rates paid in each bar, or (1, 1).
    pool
        (1,) the cash, kept here.
    equity, cash, held
        (n,), written: at each close, and the number of positions.
    """
    term = terms[0]
    slip = slips[0]
    open_, high, low, close, volume = tables
    room = FILLS_A_BAR * close.shape[0]
    for bar in range(start, close.shape[1]):
        if _leave_all(states, term, slip, book, bar, open_, close, volume, funding, pool):
            _enter_all(states, term, slip, book, bar, open_, close, volume, last, pool)
        if _go_inside(states, term, slip, book, bar, tables, pool):
            _liquidate(states, term, slip, book, bar, high, low, volume, last, pool)
        is_asked = _decide_all(states, term, book, bar, close, last, events, cursors, ends, numbers)
        if is_asked and not term["next_open"]:
            _leave_at_close(states, term, slip, book, bar, close, volume, pool)
            _enter_all(states, term, slip, book, bar, close, close, volume, last, pool)
        value = pool[0]
        positions = 0
        for place in range(close.shape[0]):
            units = states[place]["units"]
            if units != 0.0:
                positions += 1
                value += units * last[place]
        held[bar] = positions
        cash[bar] = pool[0]
        equity[bar] = max(value, 0.0)
        if (
            book.counts[0] + room > book.fills.shape[0]
            or book.counts[1] + room > book.trades.shape[0]
        ):
            return bar + 1
    return close.shape[1]


@compiled
def _leave_all(
    states: Records,
    term: np.void,
    slip: np.void,
    book: Book,
    bar: int,
    open_: Floats,
    close: Floats,
    volume: Floats,
    funding: Floats,
    pool: Floats,
) -> bool:
    """Pay funding and leave at the open where that is due; return whether orders are left."""
    pays = funding.shape[1] > 1
    is_left = False
    for place in range(states.shape[0]):
        row = states[place]
        units = row["units"]
        if (units == 0.0 and row["order"] == NONE) or math.isnan(close[place, bar]):
            continue
        row["cash"] = pool[0]
        if pays and units != 0.0 and funding[place, bar] != 0.0:
            pay_funding(row, term, open_[place, bar], funding[place, bar])
        leave_at_open(row, term, slip, bar, open_[place, bar], volume[place, bar])
        post(slip, bar, place, book)
        pool[0] = row["cash"]
        is_left = is_left or row["order"] != NONE
    return is_left


@compiled
def _go_inside(
    states: Records,
    term: np.void,
    slip: np.void,
    book: Book,
    bar: int,
    tables: Tables,
    pool: Floats,
) -> bool:
    """Let stops and targets happen; return whether the account can be liquidated."""
    open_, high, low, close, volume = tables
    is_short = False
    for place in range(states.shape[0]):
        row = states[place]
        if row["units"] == 0.0:
            continue
        if not math.isnan(close[place, bar]):
            row["cash"] = pool[0]
            inside(
                row,
                term,
                slip,
                bar,
                open_[place, bar],
                high[place, bar],
                low[place, bar],
                close[place, bar],
                volume[place, bar],
            )
            post(slip, bar, place, book)
            pool[0] = row["cash"]
        is_short = is_short or row["units"] < 0.0
    return is_short or term["leverage"] > 1.0


@compiled
def _decide_all(
    states: Records,
    term: np.void,
    book: Book,
    bar: int,
    close: Floats,
    last: Floats,
    events: tuple[Rows, Rows, Rows, Rows],
    cursors: Rows,
    ends: Rows,
    numbers: tuple[Floats, Floats, Floats, Floats, Floats],
) -> bool:
    """Take the decisions of this bar; return whether there is an order."""
    size, stop, target, trailing, fraction = numbers
    kind = term["kind"]
    is_asked = False
    for place in range(states.shape[0]):
        long_entry = _holds(events[0], cursors, ends, 0, place, bar)
        long_exit = _holds(events[1], cursors, ends, 1, place, bar)
        short_entry = _holds(events[2], cursors, ends, 2, place, bar)
        short_exit = _holds(events[3], cursors, ends, 3, place, bar)
        if math.isnan(close[place, bar]):
            continue
        row = states[place]
        last[place] = close[place, bar]
        order = decide(row, term, long_entry, long_exit, short_entry, short_exit)
        if order == NONE:
            continue
        is_asked = True
        volatility = kelly = math.nan
        if kind == VOLATILITY_TARGET:
            volatility = volatility_at(close[place], bar, term["window"], term["bars_per_year"])
        if kind == KELLY:
            kelly = kelly_share(
                book.trades["return_ratio"],
                book.trades["instrument"],
                book.counts[1],
                place,
                term["window"],
                term["cap"],
            )
        instruct(
            row,
            term,
            math.nan,
            _number(size, place, bar),
            _number(stop, place, bar),
            _number(target, place, bar),
            _number(trailing, place, bar),
            _number(fraction, place, bar),
            volatility,
            kelly,
        )
    return is_asked


@compiled
def _leave_at_close(
    states: Records,
    term: np.void,
    slip: np.void,
    book: Book,
    bar: int,
    close: Floats,
    volume: Floats,
    pool: Floats,
) -> None:
    """Fill exits at the close, before any entry at it."""
    for place in range(states.shape[0]):
        row = states[place]
        if row["order"] == EXIT and not math.isnan(close[place, bar]):
            row["cash"] = pool[0]
            fill_at_close(row, term, slip, bar, close[place, bar], volume[place, bar])
            post(slip, bar, place, book)
            pool[0] = row["cash"]


@compiled
def _number(values: Floats, place: int, bar: int) -> float:
    return values[min(place, values.shape[0] - 1), min(bar, values.shape[1] - 1)]


@compiled
def _holds(rows: Rows, cursors: Rows, ends: Rows, kind: int, place: int, bar: int) -> bool:
    """Return whether a condition holds on this bar, and go past it."""
    cursor = cursors[kind, place]
    if cursor < ends[kind, place] and rows[cursor] == bar:
        cursors[kind, place] = cursor + 1
        return True
    return False


@compiled
def _enter_all(
    states: Records,
    term: np.void,
    slip: np.void,
    book: Book,
    bar: int,
    price: Floats,
    close: Floats,
    volume: Floats,
    last: Floats,
    pool: Floats,
) -> None:
    """Fill entries and reversals at these prices, in the order of instruments."""
    for place in range(states.shape[0]):
        row = states[place]
        order = row["order"]
        if (order != ENTRY and order != REVERSE) or math.isnan(close[place, bar]):  # noqa: PLR1714
            continue
        others = worth = 0.0
        for other in range(states.shape[0]):
            units = states[other]["units"]
            if other != place and units != 0.0:
                mark = price[other, bar]
                if math.isnan(mark):
                    mark = last[other]
                others += units * mark
                worth += abs(units) * mark
        row["other_equity"] = others
        row["other_value"] = worth
        row["cash"] = pool[0]
        if term["next_open"]:
            enter_at_open(row, term, slip, bar, price[place, bar], volume[place, bar])
        else:
            fill_at_close(row, term, slip, bar, price[place, bar], volume[place, bar])
        post(slip, bar, place, book)
        pool[0] = row["cash"]


@compiled
def _liquidate(
    states: Records,
    term: np.void,
    slip: np.void,
    book: Book,
    bar: int,
    high: Floats,
    low: Floats,
    volume: Floats,
    last: Floats,
    pool: Floats,
) -> None:
    """Close everything at each bar's worst price, where the account would not bear them all."""
    worst = pool[0]
    worth = 0.0
    for place in range(states.shape[0]):
        units = states[place]["units"]
        if units != 0.0:
            mark = _worst(units, high[place, bar], low[place, bar], last[place])
            worst += units * mark
            worth += abs(units) * mark
    if worth == 0.0 or worst >= max(term["maintenance"] * worth, 0.0):
        return
    for place in range(states.shape[0]):
        row = states[place]
        units = row["units"]
        if units != 0.0:
            row["order"] = NONE
            row["cash"] = pool[0]
            mark = _worst(units, high[place, bar], low[place, bar], last[place])
            close_by_market(row, term, slip, LIQUIDATION, abs(units), mark, volume[place, bar])
            post(slip, bar, place, book)
            pool[0] = row["cash"]
    if pool[0] < 0.0:  # the venue bears what the account has not
        trade = book.trades[book.counts[1] - 1]
        pnl = trade["pnl"] - pool[0]
        trade["pnl"] = pnl
        trade["return_ratio"] = pnl / (trade["units"] * trade["entry_price"])
        pool[0] = 0.0


@compiled
def _worst(units: float, high: float, low: float, last: float) -> float:
    mark = low if units > 0.0 else high
    return last if math.isnan(mark) else mark
