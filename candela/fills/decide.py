"""Decisions: what the conditions of a closed bar ask for, given the position held."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from candela.compiled import compiled
from candela.fills.orders import NONE, fill_entry, fill_exit, fill_reversal
from candela.fills.prices import limit_price
from candela.fills.state import Order

__all__ = ["ENTRY", "EXIT", "REVERSE", "decide", "fill_at_close", "instruct"]

ENTRY: Final = int(Order.ENTRY)
REVERSE: Final = int(Order.REVERSAL)
EXIT: Final = int(Order.EXIT)


@compiled
def decide(
    state: np.void,
    terms: np.void,
    long_entry: bool,  # noqa: FBT001 - compiled code takes no keywords quickly
    long_exit: bool,  # noqa: FBT001
    short_entry: bool,  # noqa: FBT001
    short_exit: bool,  # noqa: FBT001
) -> int:
    """Return the order that the conditions of a closed bar ask for, and put it into the state.

    What the order needs to know (limit, size, ratios, share, volatility) is for ``instruct``.
    """
    if long_entry and long_exit:
        long_entry = long_exit = False
    if short_entry and short_exit:
        short_entry = short_exit = False
    if long_entry and short_entry:
        long_entry = short_entry = False
    units = state["units"]
    side = 1 if long_entry else -1
    order = NONE
    if units == 0.0:
        if long_entry or short_entry:
            order = ENTRY
    elif short_entry if units > 0.0 else long_entry:
        order = REVERSE
    elif long_exit if units > 0.0 else short_exit:
        order = EXIT
    elif (long_entry or short_entry) and state["legs"] < terms["legs"]:
        order = ENTRY
    state["order"] = order
    state["side"] = side
    return order


@compiled
def instruct(
    state: np.void,
    terms: np.void,
    limit: float,
    size: float,
    stop: float,
    target: float,
    trailing: float,
    fraction: float,
    volatility: float,
    kelly: float,
) -> None:
    """Complete the order just decided; NaN means not given.

    Parameters
    ----------
    state, terms
        A row of ``STATE``, changed in place, and of ``TERMS``.
    limit
        Price of a limit entry; put on the tick grid here.
    size
        In place of ``Sizing.value``.
    stop, target, trailing
        Ratios of the fill price.
    fraction
        Share of the units that an exit closes.
    volatility
        Annual, at the decision; only sizing by volatility reads it.
    kelly
        The Kelly share of the trades closed by then; only sizing by Kelly reads it.
    """
    side = state["side"]
    if state["order"] == EXIT or math.isnan(limit):
        state["limit"] = math.nan
    else:
        state["limit"] = limit_price(terms, limit, side)
    state["size"] = size
    state["order_stop"] = stop
    state["order_target"] = target
    state["order_trailing"] = trailing
    state["fraction"] = 1.0 if math.isnan(fraction) else fraction
    state["volatility"] = volatility
    state["kelly"] = kelly


@compiled
def fill_at_close(
    state: np.void,
    terms: np.void,
    slip: np.void,
    bar: int,
    close: float,
    volume: float,
) -> None:
    """Fill the market order just decided at the close of its bar; a limit order goes on resting."""
    order = state["order"]
    if order == NONE or not math.isnan(state["limit"]):
        return
    if order == EXIT:
        fill_exit(state, terms, slip, close, volume)
    elif order == REVERSE:
        fill_reversal(state, terms, slip, bar, close, volume)
    else:
        fill_entry(state, terms, slip, bar, close, volume)
