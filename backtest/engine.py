"""A second engine beside our own: the same run in vectorbt, and whether the two agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from backtest.result import Result
from backtest.vectorbt.door import (
    Inexpressible,
    VectorbtAbsent,
    is_available,
    outcome_of,
    portfolio_of_orders,
    to_portfolio,
)
from backtest.vectorbt.limits import inexpressible

__all__ = [
    "Comparison",
    "Inexpressible",
    "VectorbtAbsent",
    "compare",
    "inexpressible",
    "is_available",
    "portfolio_of_orders",
    "to_portfolio",
]

TOLERANCE: Final = 1e-9
"""Largest relative difference of two numbers that count as equal."""

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run in two engines.

    Attributes
    ----------
    agrees
        Orders and equity are equal to nine digits.
    inexpressible
        Why vectorbt could not be asked; then nothing below is known.
    orders, their_orders
        How many orders filled, here and in vectorbt.
    orders_equal
        Bars and sides are equal, units, prices and fees to nine digits.
    equity_max_relative
        Largest difference of equity at any close, as a ratio of ours.
    differences
        The first orders that differ, in words.
    """

    agrees: bool
    inexpressible: tuple[str, ...]
    orders: int
    their_orders: int
    orders_equal: bool
    equity_max_relative: float
    differences: tuple[str, ...]


def compare(result: Result, *, engine: Literal["auto", "numba", "rust"] = "auto") -> Comparison:
    """Run a result's decisions through vectorbt and compare order by order, bar by bar.

    Raises
    ------
    VectorbtAbsent
        vectorbt is not installed.
    """
    reasons = inexpressible(result)
    if reasons:
        return Comparison(
            agrees=False,
            inexpressible=reasons,
            orders=len(result.fills),
            their_orders=0,
            orders_equal=False,
            equity_max_relative=np.nan,
            differences=(),
        )
    theirs, equity = outcome_of(to_portfolio(result, engine=engine))
    differences = _differences(result.fills, theirs)
    gap = np.abs(equity - result.equity)
    relative = float(np.max(gap / np.maximum(result.equity, TOLERANCE * result.cash)))
    return Comparison(
        agrees=not differences and relative <= TOLERANCE,
        inexpressible=(),
        orders=len(result.fills),
        their_orders=len(theirs),
        orders_equal=not differences,
        equity_max_relative=relative,
        differences=differences,
    )


def _differences(ours: npt.NDArray[np.void], theirs: npt.NDArray[np.void]) -> tuple[str, ...]:
    both = min(len(ours), len(theirs))
    one, two = ours[:both], theirs[:both]
    differs = (one["bar"] != two["idx"]) | ((one["side"] < 0) != (two["side"] == 1))
    for mine, other in (("units", "size"), ("price", "price"), ("fee", "fees")):
        scale = np.maximum(np.abs(one[mine]), np.abs(two[other]))
        differs |= np.abs(one[mine] - two[other]) > TOLERANCE * scale
    found = [
        f"order {row}: {_told(ours, row, ('side', 1, 'units', 'bar'))} here,"
        f" {_told(theirs, row, ('side', 0, 'size', 'idx'))} in vectorbt"
        for row in np.flatnonzero(differs)[:_SHOWN].tolist()
    ]
    if len(ours) != len(theirs):
        found.append(f"{len(ours)} orders here, {len(theirs)} in vectorbt")
    return tuple(found)


def _told(orders: npt.NDArray[np.void], row: int, words: tuple[str, int, str, str]) -> str:
    side, buys, units, bar = words
    word = "bought" if orders[side][row] == buys else "sold"
    price = orders["price"][row]
    return f"{word} {orders[units][row]:.10g} at {price:.10g} in bar {orders[bar][row]}"
