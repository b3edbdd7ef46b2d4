"""Many instruments on one axis of time, trading out of one pool of cash."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from candela.fills.book import write_open_trade
from candela.fills.full import Funding, NoSimulation, funding_of_bars, yearly_bars
from candela.fills.loop import post
from candela.fills.model import FillModel
from candela.fills.pool_bars import run_pool
from candela.fills.pool_events import bucket_events, value_positions, walk_pool
from candela.fills.pool_intents import Events, PoolIntents
from candela.fills.state import SLIP, Book, new_book, new_state, packed_terms, with_room
from candela.market.arrays import frozen_floats
from candela.metrics.curves import sums_of

__all__ = ["PoolBars", "PortfolioSimulation", "simulate_portfolio"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]

_PRICES: Final = ("open", "high", "low", "close")
_ROOM: Final = 1024


class PoolBars(Protocol):
    """(m, n) candles of m instruments on the same (n,) times in microseconds UTC.

    A row of NaN is a bar that an instrument does not have.
    """

    @property
    def time(self) -> Rows: ...  # noqa: D102
    @property
    def open(self) -> Floats: ...  # noqa: D102
    @property
    def high(self) -> Floats: ...  # noqa: D102
    @property
    def low(self) -> Floats: ...  # noqa: D102
    @property
    def close(self) -> Floats: ...  # noqa: D102
    @property
    def volume(self) -> Floats: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class PortfolioSimulation:
    """What a simulation of many instruments did.

    Parameters
    ----------
    fills, trades
        ``FILL`` in order of time, ``TRADE`` in order of entry, each with its instrument's row.
    equity, cash
        ``(n,)`` quote at each close.
    held
        ``(n,)`` number of positions at each close.
    sums
        One ``EQUITY_SUMS``.
    """

    fills: Records
    trades: Records
    equity: Floats
    cash: Floats
    held: Rows
    sums: Records


def simulate_portfolio(
    bars: PoolBars,
    intents: PoolIntents,
    model: FillModel,
    cash: float,
    *,
    funding: Sequence[Funding | None] | None = None,
    bars_per_year: float | None = None,
) -> PortfolioSimulation:
    """Simulate instruments that share one pool of cash.

    Parameters
    ----------
    bars, intents
        Candles, and what is wanted of each instrument at the close of each bar.
    model
        How orders fill, what they cost and how large they are; the same for all.
    cash
        Quote, before the first bar.
    funding
        One an instrument, None for those without; needed where ``model.costs.funding``.
    bars_per_year
        For sizing by volatility; by default as in ``simulate``.

    Raises
    ------
    NoSimulation
        There are no bars, the tables differ in shape, a price is no positive number, the cash is
        not positive, finer bars are to decide, or funding or stops that the model needs are not
        there.
    BadIntents
        A condition or number cannot be used.
    """
    count, rows = _checked_shape(bars)
    if not 0 < cash < math.inf:
        message = f"A simulation cannot start with {cash} in cash."
        raise NoSimulation(message, "Give a positive amount.")
    if model.execution.intrabar == "minutes":
        message = "Finer bars cannot decide for many instruments at once."
        raise NoSimulation(message, "Choose the worst case, or simulate each by itself.")
    if model.costs.funding and (funding is None or len(funding) != count):
        message = f"The costs include funding, and there are no rates for {count} instruments."
        raise NoSimulation(message, "Give one entry an instrument, None where it has no funding.")
    events = intents.events(count, rows)
    if _is_plain(model, intents, events):
        found = _by_events(bars, events, model, cash)
        if found is not None:
            return found
    return _by_bars(bars, intents, events, model, cash, funding, bars_per_year)


def _checked_shape(bars: PoolBars) -> tuple[int, int]:
    shape = bars.close.shape
    if len(shape) != 2 or 0 in shape:  # noqa: PLR2004 - a table
        message = f"Bars of the shape {shape} are no table of instruments and bars."
        raise NoSimulation(message, "Give (instruments, bars), one of each at least.")
    _refuse_unlike(bars, ("open",))
    if bars.time.shape != shape[1:]:
        message = f"There are {bars.time.size} times for {shape[1]} bars."
        raise NoSimulation(message, "Give one time a bar, shared by all instruments.")
    return shape[0], shape[1]


def _refuse_unlike(bars: PoolBars, names: tuple[str, ...]) -> None:
    for name in names:
        other = getattr(bars, name).shape
        if other != bars.close.shape:
            message = f"{name} has the shape {other}, close {bars.close.shape}."
            raise NoSimulation(message, "Give all of them on the same bars.")


def _is_plain(model: FillModel, intents: PoolIntents, events: tuple[Events, ...]) -> bool:
    """Return whether nothing happens between events, and long positions are paid in full."""
    costs, rules = model.costs, model.rules
    return (
        model.sizing.kind in {"fixed_value", "fixed_units"}
        and intents.has_no_numbers()
        and intents.legs == 1
        and not len(events[2].rows)
        and costs.impact_bps == 0
        and costs.volume_share_limit is None
        and not costs.funding
        and rules.lot == 0
        and rules.tick == 0
        and rules.leverage == 1
    )


def _by_events(
    bars: PoolBars, events: tuple[Events, ...], model: FillModel, cash: float
) -> PortfolioSimulation | None:
    count, rows = bars.close.shape
    close = frozen_floats(bars.close)
    delay = 1 if model.execution.fill == "next_open" else 0
    price = frozen_floats(bars.open) if delay else close
    entries, exits = events[0], events[1]
    room = len(entries.rows) + len(exits.rows)
    starts = np.zeros(2 * rows + 1, np.int64)
    instruments, prices = np.empty(room, np.int64), np.empty(room)
    if bucket_events(
        entries.rows,
        entries.offsets,
        exits.rows,
        exits.offsets,
        price,
        close,
        delay,
        starts,
        instruments,
        prices,
    ):
        return None
    placed = prices[: starts[-1]]
    if len(placed) and not (placed.min() > 0 and placed.max() < np.inf):
        return None  # the other way names the bar
    terms = packed_terms(model)[0]
    book = new_book(len(placed), len(placed))
    money, held = np.empty(rows), np.empty(rows, np.int64)
    of_trade = np.empty(count, np.int64)
    rejected = walk_pool(
        starts,
        instruments,
        prices,
        delay,
        cash,
        model.sizing.value,
        model.sizing.kind == "fixed_value",
        float(terms["taker"]),
        float(terms["adverse"]),
        model.rules.minimum_notional,
        book,
        money,
        held,
        of_trade,
    )
    equity = np.empty(rows)
    follows = np.empty(int(book.counts[1]), np.int64)
    if not value_positions(book, close, money, follows, of_trade, equity):
        return None
    return _result(book, rejected, equity, money, held, cash)


def _by_bars(
    bars: PoolBars,
    intents: PoolIntents,
    events: tuple[Events, Events, Events, Events],
    model: FillModel,
    cash: float,
    funding: Sequence[Funding | None] | None,
    bars_per_year: float | None,
) -> PortfolioSimulation:
    count, rows = bars.close.shape
    tables = _checked_tables(bars)
    numbers = intents.numbers(count, rows)
    if model.sizing.kind == "risk":
        intents.refuse_entries_without_stop(events)
    if bars_per_year is None:
        needs = model.sizing.kind == "volatility_target"
        bars_per_year = yearly_bars(bars.time) if needs else math.nan
    rates = np.zeros((1, 1))
    if model.costs.funding and funding is not None:
        closes = zip(tables[3], funding, strict=True)
        rates = np.stack([_rates_of(bars.time, close, one) for close, one in closes])
    terms = packed_terms(model, intents.legs, bars_per_year)
    terms["liquidates"] = False  # the account as a whole does
    states, slip = new_state(0.0, count), np.zeros(1, SLIP)
    room = max(_ROOM, 8 * count)
    book = new_book(room, room)
    cursors = np.stack([one.offsets[:-1] for one in events])
    ends = np.stack([one.offsets[1:] for one in events])
    pool, last = np.array([cash]), np.full(count, np.nan)
    equity, money, held = np.empty(rows), np.empty(rows), np.empty(rows, np.int64)
    done = 0
    while done < rows:
        if done:
            book = with_room(book)
        done = run_pool(
            states,
            terms,
            slip,
            book,
            tables,
            last,
            (events[0].rows, events[1].rows, events[2].rows, events[3].rows),
            cursors,
            ends,
            numbers,
            frozen_floats(rates),
            pool,
            equity,
            money,
            held,
            done,
        )
    for place in np.flatnonzero(states["units"]):
        write_open_trade(states[place], slip[0], float(last[place]))
        post(slip[0], rows - 1, int(place), book)
    # They were written as they ended.
    ended = book.trades[: book.counts[1]]
    ended[:] = ended[np.lexsort((ended["instrument"], ended["entry_bar"]))]
    return _result(book, int(slip["rejected"][0]), equity, money, held, cash)


def _checked_tables(bars: PoolBars) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    # The way by events never asks for these: bars may make them when they are wanted.
    _refuse_unlike(bars, ("high", "low", "volume"))
    open_, high, low, close = (frozen_floats(getattr(bars, name)) for name in _PRICES)
    absent = np.isnan(close)
    for name, table in zip(_PRICES, (open_, high, low, close), strict=True):
        bad = ~((table > 0) & (table < np.inf)) & ~absent
        if bad.any():
            place, bar = (int(one) for one in np.argwhere(bad)[0])
            message = f"The {name} of instrument {place} at bar {bar} is {table[place, bar]}."
            raise NoSimulation(
                message, "Prices are positive; a bar that is not there is NaN throughout."
            )
    return open_, high, low, close, frozen_floats(bars.volume)


def _rates_of(time: Rows, close: Floats, funding: Funding | None) -> Floats:
    """Return the rates of one instrument; what is settled in a hole is paid at its next bar."""
    rates = np.zeros(len(time))
    present = ~np.isnan(close)
    if funding is not None and present.any():
        rates[present] = funding_of_bars(time[present], funding)
    return rates


def _result(
    book: Book, rejected: int, equity: Floats, cash: Floats, held: Rows, initial: float
) -> PortfolioSimulation:
    fills, trades = book.fills[: book.counts[0]], book.trades[: book.counts[1]]
    sums = sums_of(equity, initial)
    row = sums[0]
    row["exposed"] = np.count_nonzero(held)
    row["traded"] = (fills["units"] * fills["price"]).sum()
    row["fees"] = fills["fee"].sum()
    row["slippage"] = fills["slippage"].sum()
    row["funding"] = trades["funding"].sum()
    row["orders"] = len(fills)
    row["rejected"] = rejected
    return PortfolioSimulation(fills, trades, equity, cash, held, sums)
