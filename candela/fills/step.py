"""One bar of one instrument: what a pending order and an open position meet in it, in order."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.fills.book import book_flow, levels
from candela.fills.orders import (
    NONE,
    close_at_target,
    close_by_market,
    fill_entry,
    fill_exit,
    fill_reversal,
)
from candela.fills.prices import snapped
from candela.fills.records import Reason
from candela.fills.state import Order

__all__ = [
    "enter_at_open",
    "inside",
    "leave_at_open",
    "pay_funding",
    "step",
    "step_by_finer",
    "trailing_level",
]

Floats = npt.NDArray[np.float64]

STOP: Final = int(Reason.STOP)
TRAILING: Final = int(Reason.TRAILING)
LIQUIDATION: Final = int(Reason.LIQUIDATION)
ENTRY: Final = int(Order.ENTRY)
REVERSE: Final = int(Order.REVERSAL)
EXIT: Final = int(Order.EXIT)


@compiled
def step(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    open_: float,
    high: float,
    low: float,
    close: float,
    volume: float,
    funding: float,
) -> None:
    """Let one bar happen, up to its close: funding, the open, the inside.

    Parameters
    ----------
    state, terms
        A row of ``STATE``, changed in place, and of ``TERMS``.
    slip
        A row of ``SLIP``; what the bar brings is appended.
    bar
        Its number; the bar of entry is remembered by it.
    open_, high, low, close, volume
        The bar; a volume that is unknown is NaN.
    funding
        Sum of the funding rates settled since the end of the bar before; 0 for none.
    """
    _begin(state, terms, slip, bar, open_, volume, funding)
    inside(state, terms, slip, bar, open_, high, low, close, volume)
    state["order"] = NONE  # what was not filled in its bar lapses


@compiled
def step_by_finer(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    open_: float,
    high: float,
    low: float,
    close: float,
    volume: float,
    funding: float,
    finer: tuple[Floats, Floats, Floats, Floats],
    first: int,
    last: int,
) -> None:
    """Let one bar happen whose inside is told by finer bars, where they cover it.

    Parameters
    ----------
    state, terms, slip, bar, open_, high, low, close, volume, funding
        As in ``step``.
    finer
        Open, high, low, close of finer bars; rows ``first`` to ``last`` (not included) are inside
        this one.
    """
    starts, highs, lows, closes = finer
    if last <= first or lows[first:last].min() != low or highs[first:last].max() != high:
        step(state, terms, slip, bar, open_, high, low, close, volume, funding)
        return
    _begin(state, terms, slip, bar, open_, volume, funding)
    for row in range(first, last):
        start = starts[row]
        leave_at_open(state, terms, slip, bar, start, volume)
        enter_at_open(state, terms, slip, bar, start, volume)
        inside(state, terms, slip, bar, start, highs[row], lows[row], closes[row], volume)
    state["order"] = NONE


@compiled
def _begin(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    open_: float,
    volume: float,
    funding: float,
) -> None:
    if funding != 0.0 and state["units"] != 0.0:
        pay_funding(state, terms, open_, funding)
    leave_at_open(state, terms, slip, bar, open_, volume)
    enter_at_open(state, terms, slip, bar, open_, volume)


@compiled
def pay_funding(state: np.void, terms: np.void, mark: float, rate: float) -> None:
    """Pay (or receive) funding on the units held, at this mark."""
    paid = state["units"] * mark * rate
    book_flow(state, -paid)
    state["funding"] = state["funding"] - paid
    levels(state, terms)


@compiled
def _reaches(side: int, price: float, level: float) -> bool:
    """Return whether a price is at a level or beyond: below for side 1, above for side -1."""
    return price <= level if side > 0 else price >= level


@compiled
def trailing_level(state: np.void, terms: np.void) -> float:
    """Return the price of the trailing stop; NaN without one."""
    ratio = state["trailing"]
    level = state["best"] * (1.0 - ratio if state["units"] > 0.0 else 1.0 + ratio)
    return snapped(level, terms["tick"], terms["ticks_per_quote"])


@compiled
def _stop_of(state: np.void, terms: np.void, bar: int) -> tuple[float, int]:
    """Return the nearest level that closes the position at a loss, and its reason."""
    is_long = state["units"] > 0.0
    level = -math.inf if is_long else math.inf
    reason = STOP
    if terms["entry_bar_stops"] or state["opened"] != bar:
        level = state["stop_level"]
        if not math.isnan(state["trailing"]):
            trail = trailing_level(state, terms)
            if (trail > level) == is_long and trail != level:
                level = trail
                reason = TRAILING
    liquidation = state["liquidation_level"]
    if (liquidation > level) == is_long and liquidation != level:
        level = liquidation
        reason = LIQUIDATION
    return level, reason


@compiled
def leave_at_open(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    open_: float,
    volume: float,
) -> None:
    """Let the position held before meet the open: gap through the stop, exit, gap to the target."""
    units = state["units"]
    if units == 0.0:
        return
    side = 1 if units > 0.0 else -1
    level, reason = _stop_of(state, terms, bar)
    if _reaches(side, open_, level):
        state["order"] = NONE
        close_by_market(state, terms, slip, reason, abs(units), open_, volume)
        return
    order = state["order"]
    if order == EXIT:
        fill_exit(state, terms, slip, open_, volume)
    elif order == REVERSE and _is_filled_at(state, open_):
        return  # before the target, and by its own turn
    if state["units"] != 0.0 and _reaches(-side, open_, _target_of(state, terms, bar)):
        close_at_target(state, terms, slip, open_)


@compiled
def enter_at_open(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    open_: float,
    volume: float,
) -> None:
    """Fill a pending entry, leg or reversal that fills at this open."""
    order = state["order"]
    if order in (NONE, EXIT) or not _is_filled_at(state, open_):
        return
    if order == REVERSE:
        fill_reversal(state, terms, slip, bar, open_, volume)
    else:
        fill_entry(state, terms, slip, bar, open_, volume)


@compiled
def _is_filled_at(state: np.void, open_: float) -> bool:
    limit = state["limit"]
    return math.isnan(limit) or _reaches(state["side"], open_, limit)


@compiled
def inside(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    open_: float,
    high: float,
    low: float,
    close: float,
    volume: float,
) -> None:
    """Let the inside of a bar happen, worst case first; limits that rest are not at the open."""
    held = state["units"]
    # After a limit order filled inside the bar, its favourable extreme may lie before the fill.
    is_fresh = state["order"] == ENTRY and _enter_inside(state, terms, slip, bar, high, low, volume)
    start = state["limit"] if is_fresh else open_
    if state["units"] == 0.0 or _is_stopped(state, terms, slip, bar, start, high, low, volume):
        return
    if state["order"] == REVERSE and _turns_inside(state, terms, slip, bar, high, low, volume):
        is_fresh = True
        held = 0.0
        start = state["limit"]
        if state["units"] == 0.0 or _is_stopped(state, terms, slip, bar, start, high, low, volume):
            return
    side = 1 if state["units"] > 0.0 else -1
    best = high if side > 0 else low
    target = _target_of(state, terms, bar)
    if _reaches(-side, close if is_fresh else best, target):
        close_at_target(state, terms, slip, target)
        return
    if is_fresh and held == 0.0:
        best = close
    state["best"] = max(state["best"], best) if side > 0 else min(state["best"], best)


@compiled
def _enter_inside(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    high: float,
    low: float,
    volume: float,
) -> bool:
    """Fill a resting entry, or a resting leg that lies nearer than the stop, where reached."""
    limit, side = state["limit"], state["side"]
    if not _reaches(side, low if side > 0 else high, limit):
        return False
    if state["units"] != 0.0:
        level = _stop_of(state, terms, bar)[0]
        if level >= limit if side > 0 else level <= limit:
            return False
    return fill_entry(state, terms, slip, bar, limit, volume)


@compiled
def _turns_inside(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    high: float,
    low: float,
    volume: float,
) -> bool:
    """Fill a resting reversal that lies nearer than the target, where reached."""
    limit, side = state["limit"], state["side"]
    target = _target_of(state, terms, bar)
    if limit <= target if side > 0 else limit >= target:
        return False
    if not _reaches(side, low if side > 0 else high, limit):
        return False
    fill_reversal(state, terms, slip, bar, limit, volume)
    return True


@compiled
def _target_of(state: np.void, terms: np.void, bar: int) -> float:
    if terms["entry_bar_stops"] or state["opened"] != bar:
        return state["target_level"]
    return math.inf if state["units"] > 0.0 else -math.inf


@compiled
def _is_stopped(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    start: float,
    high: float,
    low: float,
    volume: float,
) -> bool:
    units = state["units"]
    level, reason = _stop_of(state, terms, bar)
    if units > 0.0:
        is_hit = low <= level
        raw = min(level, start)
    else:
        is_hit = high >= level
        raw = max(level, start)
    if is_hit:
        state["order"] = NONE
        close_by_market(state, terms, slip, reason, abs(units), raw, volume)
    return is_hit
