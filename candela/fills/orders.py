"""Orders filled at a price of the market: entries, legs, reversals, exits, stops and targets."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from candela.compiled import compiled
from candela.fills.book import add_units, take_units, write_fill
from candela.fills.prices import market_price, rounded_down, share_of_volume
from candela.fills.records import Reason
from candela.fills.sizing import affordable_units, entry_units
from candela.fills.state import Order

__all__ = ["close_at_target", "close_by_market", "fill_entry", "fill_exit", "fill_reversal"]

SIGNAL: Final = int(Reason.SIGNAL)
REVERSAL: Final = int(Reason.REVERSAL)
TARGET: Final = int(Reason.TARGET)
LIMIT: Final = int(Reason.LIMIT)
NONE: Final = int(Order.NONE)
_DUST: Final = 1e-3


@compiled
def close_by_market(
    state: np.void,
    terms: np.void,
    slip: np.void,
    reason: int,
    units: float,
    raw: float,
    volume: float,
) -> None:
    """Close units of the position by a market order: a signal, a stop, a liquidation."""
    side = -1 if state["units"] > 0.0 else 1
    price = market_price(terms, raw, side, share_of_volume(units, volume))
    fee = units * price * terms["taker"]
    slippage = units * abs(price - raw)
    write_fill(slip, side, reason, units, price, fee, slippage)
    take_units(state, terms, slip, reason, units, price, fee, slippage)


@compiled
def close_at_target(state: np.void, terms: np.void, slip: np.void, price: float) -> None:
    """Close the position by the limit order that rests at its target, or better."""
    units = state["units"]
    side = -1 if units > 0.0 else 1
    units = abs(units)
    fee = units * price * terms["maker"]
    state["order"] = NONE
    write_fill(slip, side, TARGET, units, price, fee, 0.0)
    take_units(state, terms, slip, TARGET, units, price, fee, 0.0)


@compiled
def fill_exit(
    state: np.void,
    terms: np.void,
    slip: np.void,
    raw: float,
    volume: float,
) -> None:
    """Fill the pending exit, of all units or a share of them."""
    state["order"] = NONE
    held = abs(state["units"])
    fraction = state["fraction"]
    units = held
    if fraction < 1.0:
        units = min(rounded_down(held * fraction, terms["lot"], terms["lots_per_unit"]), held)
        if units <= 0.0:
            return
        # Halving again and again would trade dust to the end of time.
        if held - units < _DUST * state["entry_units"]:
            units = held
    close_by_market(state, terms, slip, SIGNAL, units, raw, volume)


@compiled
def fill_entry(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    raw: float,
    volume: float,
) -> bool:
    """Fill the pending entry or leg at this price of the market; return False where rejected."""
    state["order"] = NONE
    side = state["side"]
    is_limit = not math.isnan(state["limit"])
    fee = terms["maker"] if is_limit else terms["taker"]
    price = raw if is_limit else market_price(terms, raw, side, 0.0)
    equity = state["cash"] + state["units"] * raw + state["other_equity"]
    held = abs(state["units"]) * raw + state["other_value"]
    units = entry_units(state, terms, equity, held, price, fee, volume)
    if not is_limit and terms["impact"] > 0.0 and units > 0.0:
        price = market_price(terms, raw, side, share_of_volume(units, volume))
        units = affordable_units(terms, units, equity, held, price, fee)
        units = rounded_down(units, terms["lot"], terms["lots_per_unit"])
    if units <= 0.0 or units * price < terms["minimum_notional"]:
        slip["rejected"] = slip["rejected"] + 1
        return False
    paid = units * price * fee
    slippage = units * abs(price - raw)
    reason = LIMIT if is_limit else SIGNAL
    write_fill(slip, side, reason, units, price, paid, slippage)
    add_units(state, terms, bar, side, units, price, paid, slippage)
    return True


@compiled
def fill_reversal(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    raw: float,
    volume: float,
) -> None:
    """Fill the pending reversal: close everything and open the other side, in one fill."""
    state["order"] = NONE
    side = state["side"]
    is_limit = not math.isnan(state["limit"])
    rate = terms["maker"] if is_limit else terms["taker"]
    closed = abs(state["units"])
    # The size of what opens depends on what closing leaves, and so on the price: twice the closed
    # units stand for both halves.
    price = raw
    if not is_limit:
        price = market_price(terms, raw, side, share_of_volume(2.0 * closed, volume))
    lost = abs(price - raw)
    fee = closed * price * rate
    take_units(state, terms, slip, REVERSAL, closed, price, fee, closed * lost)
    equity = state["cash"] + state["other_equity"]
    units = entry_units(state, terms, equity, state["other_value"], price, rate, volume)
    if units <= 0.0 or units * price < terms["minimum_notional"]:
        slip["rejected"] = slip["rejected"] + 1
        units = 0.0
    both = closed + units
    write_fill(slip, side, REVERSAL, both, price, both * price * rate, both * lost)
    if units > 0.0:
        add_units(state, terms, bar, side, units, price, units * price * rate, units * lost)
