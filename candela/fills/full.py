"""The full simulation of one instrument: every rule of the fill model, bar by bar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from candela.errors import StrategyError
from candela.fills.book import write_open_trade
from candela.fills.intents import Intents
from candela.fills.loop import post, run_bars
from candela.fills.model import FillModel
from candela.fills.state import SLIP, Book, new_book, new_state, packed_terms, with_room
from candela.market.arrays import frozen_floats, frozen_rows
from candela.metrics.curves import sums_of

__all__ = [
    "FinerBars",
    "Funding",
    "NoSimulation",
    "PriceBars",
    "Simulation",
    "funding_of_bars",
    "simulate",
    "yearly_bars",
]

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]

_ROOM: Final = 1024
_YEAR_US: Final = 365.25 * 86_400 * 1e6
_NO_PRICES: Final = frozen_floats(np.empty(0))
_NO_FUNDING: Final = frozen_floats(np.zeros(1))
_NO_ROWS: Final = frozen_rows(np.zeros(1, np.int64))


class NoSimulation(StrategyError):
    """The bars, the cash or what a fill model asks for do not allow a simulation."""

    code = "no_simulation"


class PriceBars(Protocol):
    """(n,) candles as arrays; time in microseconds UTC, the start of each bar."""

    @property
    def time(self) -> Times: ...  # noqa: D102
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


class Funding(NamedTuple):
    """Settlements of a perpetual: (k,) rising times in microseconds UTC, (k,) rates."""

    times: Times
    rates: Floats


class FinerBars(NamedTuple):
    """Finer bars of the same instrument; time in microseconds UTC, rising."""

    time: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a simulation did.

    Parameters
    ----------
    fills, trades
        ``FILL`` in order of time, ``TRADE`` in order of entry.
    equity, position
        ``(n,)`` quote and units at each close.
    sums
        One ``EQUITY_SUMS``.
    """

    fills: Records
    trades: Records
    equity: Floats
    position: Floats
    sums: Records


def simulate(
    bars: PriceBars,
    intents: Intents,
    model: FillModel,
    cash: float,
    *,
    funding: Funding | None = None,
    finer: FinerBars | None = None,
    bars_per_year: float | None = None,
) -> Simulation:
    """Simulate one instrument.

    Parameters
    ----------
    bars, intents
        Candles, and what is wanted at the close of each.
    model
        How orders fill, what they cost and how large they are.
    cash
        Quote, before the first bar.
    funding
        Needed where ``model.costs.funding``.
    finer
        Needed where ``model.execution.intrabar`` is ``minutes``.
    bars_per_year
        For sizing by volatility; by default as many as the usual distance of bars allows around
        the clock.

    Raises
    ------
    NoSimulation
        There are no bars, a price is no positive number, the cash is not positive, or funding,
        finer bars or stops that the model needs are not there.
    BadIntents
        A condition or number cannot be used.
    """
    rows = len(bars.close)
    prices = _checked_prices(bars)
    if not 0 < cash < math.inf:
        message = f"A simulation cannot start with {cash} in cash."
        raise NoSimulation(message, "Give a positive amount.")
    conditions, numbers = intents.conditions(rows), intents.numbers(rows)
    _refuse_risk_without_stop(model, conditions, numbers)
    if bars_per_year is None:
        needs = model.sizing.kind == "volatility_target"
        bars_per_year = yearly_bars(bars.time) if needs else math.nan
    state = new_state(cash)
    equity, position = np.empty(rows), np.empty(rows)
    finer_prices, first_finer = _finer_of(bars, model, finer)
    terms = packed_terms(model, intents.legs, bars_per_year)
    rates = _funding_of(bars, model, funding)
    slip = np.zeros(1, SLIP)
    book = new_book(_ROOM, _ROOM)
    done = 0
    while done < rows:
        if done:
            book = with_room(book)
        done = run_bars(
            state,
            terms,
            slip,
            book,
            prices,
            conditions,
            numbers,
            rates,
            finer_prices,
            first_finer,
            equity,
            position,
            done,
        )
    if state["units"][0]:
        write_open_trade(state[0], slip[0], float(prices[3][-1]))
        post(slip[0], rows - 1, 0, book)
    return _result(book, int(slip["rejected"][0]), equity, position, cash)


def yearly_bars(time: Times) -> float:
    """Return how many bars of the usual distance a year of 365.25 days has; NaN for one bar."""
    return _YEAR_US / float(np.median(np.diff(time))) if len(time) > 1 else math.nan


def funding_of_bars(time: Times, funding: Funding) -> Floats:
    """Return the (n,) sum of the rates settled from the end of the bar before to that of each bar.

    The length of a bar is the smallest distance of two; one bar alone has no end.

    Raises
    ------
    NoSimulation
        Times and rates do not fit together, or a rate is no number.
    """
    rows = len(time)
    times, rates = np.asarray(funding.times), np.asarray(funding.rates, dtype=np.float64)
    if times.shape != rates.shape or (np.diff(times) <= 0).any():
        message = f"{len(times)} settlement times and {len(rates)} rates do not fit together."
        raise NoSimulation(message, "Give one rate a time, in rising order.")
    if not np.isfinite(rates).all():
        place = int((~np.isfinite(rates)).argmax())
        message = f"The funding rate of settlement {place} is {rates[place]}."
        raise NoSimulation(message, "Leave out settlements without a rate.")
    length = int(np.diff(time).min()) if rows > 1 else np.iinfo(np.int64).max - int(time[0])
    bar = np.searchsorted(time + length, times, side="right")
    counted = (times >= time[0]) & (bar < rows)
    paid = np.zeros(rows)
    np.add.at(paid, bar[counted], rates[counted])
    return paid


def _checked_prices(bars: PriceBars) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    rows = len(bars.close)
    if rows == 0:
        message = "There are no bars to simulate."
        raise NoSimulation(message, "Choose a span that holds candles.")
    prices = tuple(frozen_floats(column) for column in (bars.open, bars.high, bars.low, bars.close))
    for name, column in zip(("open", "high", "low", "close"), prices, strict=True):
        if not column.min() > 0 or not column.max() < np.inf:  # NaN is neither
            bar = int((~((column > 0) & (column < np.inf))).argmax())
            message = f"The {name} of bar {bar} is {column[bar]}, which nothing can fill at."
            raise NoSimulation(message, "Prices are positive; leave such a candle out.")
    open_, high, low, close = prices
    return open_, high, low, close, frozen_floats(bars.volume)


def _refuse_risk_without_stop(
    model: FillModel, conditions: tuple[npt.NDArray[np.bool_], ...], numbers: tuple[Floats, ...]
) -> None:
    if model.sizing.kind != "risk":
        return
    entries = conditions[0] | conditions[2]
    lacking = entries & np.isnan(numbers[1]) & np.isnan(numbers[3])
    if lacking.any():
        message = f"The entry at bar {int(lacking.argmax())} has no stop, so its risk is unknown."
        raise NoSimulation(message, "Give stop_loss or trailing_stop, or another kind of sizing.")


def _funding_of(bars: PriceBars, model: FillModel, funding: Funding | None) -> Floats:
    if not model.costs.funding:
        return _NO_FUNDING
    if funding is None:
        message = "The costs include funding, and there are no funding rates."
        raise NoSimulation(message, "Give the rates, or costs without funding.")
    return frozen_floats(funding_of_bars(bars.time, funding))


def _finer_of(
    bars: PriceBars, model: FillModel, finer: FinerBars | None
) -> tuple[tuple[Floats, Floats, Floats, Floats], Times]:
    if model.execution.intrabar == "worst_case":
        return (_NO_PRICES, _NO_PRICES, _NO_PRICES, _NO_PRICES), _NO_ROWS
    if finer is None:
        message = "Finer bars are to decide inside each bar, and there are none."
        raise NoSimulation(message, "Give them, or choose the worst case.")
    time = np.asarray(bars.time)
    length = int(np.diff(time).min()) if len(time) > 1 else np.iinfo(np.int64).max - int(time[0])
    # Rows in a hole of the series belong to no bar; the last one ends after the bar's length.
    first = np.searchsorted(finer.time, np.append(time, time[-1] + length), side="left")
    prices = (
        frozen_floats(finer.open),
        frozen_floats(finer.high),
        frozen_floats(finer.low),
        frozen_floats(finer.close),
    )
    return prices, frozen_rows(first)


def _result(book: Book, rejected: int, equity: Floats, position: Floats, cash: float) -> Simulation:
    fills = book.fills[: book.counts[0]]
    trades = book.trades[: book.counts[1]]
    sums = sums_of(equity, cash, position)
    row = sums[0]
    row["traded"] = (fills["units"] * fills["price"]).sum()
    row["fees"] = fills["fee"].sum()
    row["slippage"] = fills["slippage"].sum()
    row["funding"] = trades["funding"].sum()
    row["orders"] = len(fills)
    row["rejected"] = rejected
    return Simulation(fills, trades, equity, position, sums)
