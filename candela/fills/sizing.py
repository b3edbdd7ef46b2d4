"""Sizes of entries: what the model wants, and what cash, leverage, volume and lot leave of it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.fills.prices import rounded_down
from candela.fills.state import Size

__all__ = ["affordable_units", "entry_units", "kelly_share", "volatility_at"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

# Compiled code takes plain numbers.
FRACTION: Final = int(Size.FRACTION)
FIXED_VALUE: Final = int(Size.FIXED_VALUE)
FIXED_UNITS: Final = int(Size.FIXED_UNITS)
RISK: Final = int(Size.RISK)
VOLATILITY_TARGET: Final = int(Size.VOLATILITY_TARGET)
KELLY: Final = int(Size.KELLY)


@compiled
def affordable_units(
    terms: np.void, units: float, equity: float, held: float, price: float, fee: float
) -> float:
    """Cap units by buying power: leverage times equity, less the value held."""
    power = terms["leverage"] * equity - held
    return max(min(units, power / (price * (1.0 + fee))), 0.0)


@compiled
def entry_units(
    state: np.void,
    terms: np.void,
    equity: float,
    held: float,
    price: float,
    fee: float,
    volume: float,
) -> float:
    """Return the units of an entry, 0 where nothing can be bought or sold.

    Parameters
    ----------
    state, terms
        A row of ``STATE`` with the order, and of ``TERMS``.
    equity, held
        Quote: the account's equity, and the value of its positions.
    price
        Quote per base, without impact.
    fee
        Fee of the order, a ratio.
    volume
        Of the bar of the fill; NaN where unknown.
    """
    if not equity > 0.0 or not price > 0.0:
        return 0.0
    wanted = _wanted_units(state, terms, equity, price, fee)
    if not wanted > 0.0:
        return 0.0
    units = affordable_units(terms, wanted, equity, held, price, fee)
    limit = terms["share_limit"]
    if not math.isnan(limit):
        units = min(units, limit * volume) if volume > 0.0 else 0.0
    return rounded_down(units, terms["lot"], terms["lots_per_unit"])


@compiled
def _wanted_units(  # noqa: PLR0911 - one a kind
    state: np.void, terms: np.void, equity: float, price: float, fee: float
) -> float:
    kind = terms["kind"]
    value = terms["value"] if math.isnan(state["size"]) else state["size"]
    gross = price * (1.0 + fee)
    if kind == FRACTION:
        return value * equity / gross
    if kind == FIXED_VALUE:
        return value / price
    if kind == FIXED_UNITS:
        return value
    cap = terms["cap"]
    most = cap * equity / gross
    if kind == RISK:
        stop, trailing = state["order_stop"], state["order_trailing"]
        distance = trailing if math.isnan(stop) or trailing < stop else stop
        return min(value * equity / (price * distance), most) if distance > 0.0 else 0.0
    if kind == VOLATILITY_TARGET:
        volatility = state["volatility"]
        if volatility == 0.0:
            return most
        return min(value / volatility * equity / gross, most) if volatility > 0.0 else 0.0
    if kind == KELLY:
        return min(value * state["kelly"] * equity / gross, most)
    return value * terms["factor"] ** state["ladder"] / price


@compiled
def kelly_share(
    returns: Floats, instruments: Ints, count: int, instrument: int, window: int, cap: float
) -> float:
    """Return W - (1 - W) / R over the last closed trades of an instrument; the cap with too few.

    Source: J. L. Kelly, A New Interpretation of Information Rate, Bell System Technical Journal 35
    (1956), for a bet that wins R times what it loses with probability W.

    Parameters
    ----------
    returns, instruments
        ``return_ratio`` and ``instrument`` of trades in the order of their ends.
    count
        How many there are.
    """
    wins = seen = 0
    won = lost = 0.0
    row = count - 1
    while row >= 0 and seen < window:
        if instruments[row] == instrument:
            seen += 1
            if returns[row] > 0.0:
                wins += 1
                won += returns[row]
            else:
                lost -= returns[row]
        row -= 1
    if seen < window:
        return cap
    share = wins / window
    if lost <= 0.0:
        return share
    if wins == 0:
        return 0.0
    return share - (1.0 - share) / (won / wins / (lost / (window - wins)))


@compiled
def volatility_at(close: Floats, bar: int, window: int, bars_per_year: float) -> float:
    """Return the annual volatility of the last returns up to a bar; NaN with too few of them."""
    if bar < window:
        return math.nan
    mean = 0.0
    for row in range(bar - window + 1, bar + 1):
        mean += close[row] / close[row - 1] - 1.0
    mean /= window
    squares = 0.0
    for row in range(bar - window + 1, bar + 1):
        squares += (close[row] / close[row - 1] - 1.0 - mean) ** 2
    return math.sqrt(squares / (window - 1) * bars_per_year)
