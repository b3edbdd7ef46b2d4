"""Prices of fills: rounding to a grid, and what a market order pays beyond the market."""

from __future__ import annotations

import math

import numpy as np

from candela.compiled import compiled

__all__ = [
    "limit_price",
    "market_price",
    "rounded_down",
    "rounded_up",
    "share_of_volume",
    "snapped",
]


@compiled
def snapped(value: float, step: float, inverse: float) -> float:
    """Return the point of the grid that a value all but is, else the value.

    100.1 / 0.1 is 1000.9999999999999, and 100 * 1.1 is 110.00000000000001: what lies within a
    billionth of a step of an integer tick is that tick.

    Parameters
    ----------
    step, inverse
        Step of the grid, 0 for none, and steps per 1 where that is whole, else 0.
    """
    if step <= 0.0:
        return value
    steps = value * inverse if inverse > 0.0 else value / step
    nearest = np.rint(steps)
    if abs(steps - nearest) > 1e-9 + 1e-15 * abs(steps):
        return value
    return nearest / inverse if inverse > 0.0 else nearest * step


@compiled
def rounded_down(value: float, step: float, inverse: float) -> float:
    """Round down to a point of the grid."""
    if step <= 0.0:
        return value
    steps = value * inverse if inverse > 0.0 else value / step
    whole = np.rint(steps)
    if abs(steps - whole) > 1e-9 + 1e-15 * abs(steps):
        whole = float(math.floor(steps))
    return whole / inverse if inverse > 0.0 else whole * step


@compiled
def rounded_up(value: float, step: float, inverse: float) -> float:
    """Round up to a point of the grid."""
    return -rounded_down(-value, step, inverse)


@compiled
def share_of_volume(units: float, volume: float) -> float:
    """Return units over the volume of the bar, 1 at most and where the volume is 0 or unknown."""
    return min(units / volume, 1.0) if volume > 0.0 else 1.0


@compiled
def market_price(terms: np.void, raw: float, side: int, share: float) -> float:
    """Return what a market order gets: slippage, half the spread and impact against the trader."""
    adverse = terms["adverse"] + terms["impact"] * share
    tick, inverse = terms["tick"], terms["ticks_per_quote"]
    if side > 0:
        return rounded_up(raw * (1.0 + adverse), tick, inverse)
    return max(rounded_down(raw * (1.0 - adverse), tick, inverse), 0.0)


@compiled
def limit_price(terms: np.void, limit: float, side: int) -> float:
    """Return where a limit order rests: on the grid, away from the market."""
    tick, inverse = terms["tick"], terms["ticks_per_quote"]
    return rounded_down(limit, tick, inverse) if side > 0 else rounded_up(limit, tick, inverse)
