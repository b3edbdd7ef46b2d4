"""The books of one position: fills and trades written, cash, average cost and levels kept."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from candela.compiled import compiled
from candela.fills.prices import limit_price, snapped
from candela.fills.records import Reason

__all__ = [
    "add_units",
    "book_flow",
    "levels",
    "take_units",
    "write_fill",
    "write_open_trade",
    "write_trade",
]

STILL_OPEN: Final = int(Reason.STILL_OPEN)


@compiled
def write_fill(
    slip: np.void,
    side: int,
    reason: int,
    units: float,
    price: float,
    fee: float,
    slippage: float,
) -> None:
    """Append one fill to the slip."""
    row = slip["fills"]
    slip["fills"] = row + 1
    slip["fill_side"][row] = side
    slip["fill_reason"][row] = reason
    slip["fill_units"][row] = units
    slip["fill_price"][row] = price
    slip["fill_fee"][row] = fee
    slip["fill_slippage"][row] = slippage


@compiled
def book_flow(state: np.void, amount: float) -> None:
    """Move cash of the trade; positive: received."""
    state["cash"] = state["cash"] + amount
    state["flow"] = state["flow"] + amount


@compiled
def levels(state: np.void, terms: np.void) -> None:
    """Compute the prices of stop, target and liquidation anew, after anything that moves them."""
    units = state["units"]
    side = 1.0 if units > 0.0 else -1.0
    mean = state["mean"]
    # A price that is never reached: below everything for a long's stop, above for its target.
    stop = -side * math.inf
    target = side * math.inf
    liquidation = -side * math.inf
    if not math.isnan(state["stop"]):
        level = mean * (1.0 - side * state["stop"])
        stop = snapped(level, terms["tick"], terms["ticks_per_quote"])
    if not math.isnan(state["target"]):
        level = mean * (1.0 + side * state["target"])
        target = limit_price(terms, level, -1 if units > 0.0 else 1)
    if terms["liquidates"]:
        cash = state["cash"]
        if units < 0.0:
            liquidation = cash / (-units * (1.0 + terms["maintenance"]))
        elif cash < 0.0:
            liquidation = -cash / (units * (1.0 - terms["maintenance"]))
    state["stop_level"] = stop
    state["target_level"] = target
    state["liquidation_level"] = liquidation


@compiled
def add_units(
    state: np.void,
    terms: np.void,
    bar: int,
    side: int,
    units: float,
    price: float,
    fee: float,
    slippage: float,
) -> None:
    """Open a position, or add a leg to it."""
    held = abs(state["units"])
    value = units * price
    if side > 0:
        book_flow(state, -(value + fee))
    else:
        book_flow(state, value - fee)
    if held == 0.0:
        state["opened"] = bar
        state["best"] = price
        state["stop"] = state["order_stop"]
        state["target"] = state["order_target"]
        state["trailing"] = state["order_trailing"]
        state["mean"] = price
    else:
        state["mean"] = (held * state["mean"] + value) / (held + units)
    state["units"] = state["units"] + side * units
    state["legs"] = state["legs"] + 1
    state["entry_units"] = state["entry_units"] + units
    state["entry_value"] = state["entry_value"] + value
    state["fees"] = state["fees"] + fee
    state["slippage"] = state["slippage"] + slippage
    levels(state, terms)


@compiled
def take_units(
    state: np.void,
    terms: np.void,
    slip: np.void,
    reason: int,
    units: float,
    price: float,
    fee: float,
    slippage: float,
) -> None:
    """Reduce the position by units; where nothing is left, the trade ends."""
    held = state["units"]
    value = units * price
    if held > 0.0:
        book_flow(state, value - fee)
    else:
        book_flow(state, -(value + fee))
    state["exit_units"] = state["exit_units"] + units
    state["exit_value"] = state["exit_value"] + value
    state["fees"] = state["fees"] + fee
    state["slippage"] = state["slippage"] + slippage
    if units < abs(held):
        state["units"] = held - units if held > 0.0 else held + units
        levels(state, terms)
        return
    if terms["liquidates"] and state["cash"] < 0.0:
        book_flow(state, -state["cash"])  # the venue bears what the account has not
    _end_trade(state, terms, slip, reason)


@compiled
def _end_trade(state: np.void, terms: np.void, slip: np.void, reason: int) -> None:
    pnl = state["flow"]
    write_trade(state, slip, reason, state["exit_value"], pnl)
    if pnl < 0.0 and state["ladder"] + 1 < terms["steps"]:
        state["ladder"] = state["ladder"] + 1
    else:
        state["ladder"] = 0
    state["units"] = 0.0
    state["legs"] = 0
    state["entry_units"] = 0.0
    state["entry_value"] = 0.0
    state["exit_units"] = 0.0
    state["exit_value"] = 0.0
    state["fees"] = 0.0
    state["slippage"] = 0.0
    state["funding"] = 0.0
    state["flow"] = 0.0


@compiled
def write_trade(state: np.void, slip: np.void, reason: int, exit_value: float, pnl: float) -> None:
    """Append the trade of the position to the slip."""
    units = state["entry_units"]
    value = state["entry_value"]
    row = slip["trades"]
    slip["trades"] = row + 1
    slip["trade_entry_bar"][row] = state["opened"]
    slip["trade_direction"][row] = 1 if state["units"] > 0.0 else -1
    slip["trade_reason"][row] = reason
    slip["trade_legs"][row] = state["legs"]
    slip["trade_units"][row] = units
    slip["trade_entry_price"][row] = value / units
    slip["trade_exit_price"][row] = exit_value / units
    slip["trade_fees"][row] = state["fees"]
    slip["trade_slippage"][row] = state["slippage"]
    slip["trade_funding"][row] = state["funding"]
    slip["trade_pnl"][row] = pnl
    slip["trade_return_ratio"][row] = pnl / value


@compiled
def write_open_trade(state: np.void, slip: np.void, close: float) -> None:
    """Append the trade of a position that is still open, valued at a close."""
    units = state["units"]
    value = state["exit_value"] + abs(units) * close
    write_trade(state, slip, STILL_OPEN, value, state["flow"] + units * close)
