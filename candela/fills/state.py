"""What a simulation carries from bar to bar, and the fill model packed for compiled code."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from candela.fills.model import FillModel
from candela.fills.records import FILL, TRADE

__all__ = [
    "FILLS_A_BAR",
    "SLIP",
    "STATE",
    "TERMS",
    "Book",
    "Order",
    "Size",
    "new_book",
    "new_state",
    "packed_terms",
    "with_room",
]

Ints = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]


class Order(IntEnum):
    """What is on its way to be filled; one order at most."""

    NONE = 0
    ENTRY = 1  # opens, or adds a leg
    REVERSAL = 2
    EXIT = 3


class Size(IntEnum):
    """``Sizing.kind`` as a number."""

    FRACTION = 0
    FIXED_VALUE = 1
    FIXED_UNITS = 2
    RISK = 3
    VOLATILITY_TARGET = 4
    KELLY = 5
    MARTINGALE = 6


STATE: Final = np.dtype(
    [
        ("cash", np.float64),  # quote
        ("units", np.float64),  # base held; negative: short
        ("mean", np.float64),  # average cost of the units held
        ("best", np.float64),  # best price since entry
        ("stop", np.float64),  # ratios of the position; NaN: none
        ("target", np.float64),
        ("trailing", np.float64),
        ("stop_level", np.float64),  # prices; an infinity where there is none
        ("target_level", np.float64),
        ("liquidation_level", np.float64),
        ("opened", np.int64),  # bar of entry
        ("legs", np.int64),
        # the trade so far
        ("entry_units", np.float64),
        ("entry_value", np.float64),
        ("exit_units", np.float64),
        ("exit_value", np.float64),
        ("fees", np.float64),
        ("slippage", np.float64),
        ("funding", np.float64),
        ("flow", np.float64),  # all cash it moved
        # the order on its way
        ("order", np.int64),
        ("side", np.int64),  # of the position it opens, +1 or -1
        ("limit", np.float64),  # NaN: a market order
        ("size", np.float64),  # NaN: that of the model
        ("order_stop", np.float64),
        ("order_target", np.float64),
        ("order_trailing", np.float64),
        ("fraction", np.float64),  # of an exit
        ("volatility", np.float64),  # annual, at the decision
        ("kelly", np.float64),  # the Kelly share, at the decision
        # what sizing remembers
        ("ladder", np.int64),  # step of the martingale
        # the rest of a shared account, at the price of the moment
        ("other_equity", np.float64),
        ("other_value", np.float64),
    ]
)
"""One instrument's position, trade and order."""

TERMS: Final = np.dtype(
    [
        ("next_open", np.bool_),
        ("entry_bar_stops", np.bool_),
        ("minutes", np.bool_),
        ("liquidates", np.bool_),  # each position by itself; a shared account does so as a whole
        ("taker", np.float64),  # fees as ratios
        ("maker", np.float64),
        ("adverse", np.float64),  # slippage and half the spread, a ratio
        ("impact", np.float64),
        ("share_limit", np.float64),  # NaN: none
        ("lot", np.float64),
        ("lots_per_unit", np.float64),  # where whole, else 0
        ("tick", np.float64),
        ("ticks_per_quote", np.float64),  # where whole, else 0
        ("minimum_notional", np.float64),
        ("leverage", np.float64),
        ("maintenance", np.float64),
        ("kind", np.int64),
        ("value", np.float64),
        ("cap", np.float64),
        ("window", np.int64),
        ("factor", np.float64),
        ("steps", np.int64),
        ("legs", np.int64),
        ("bars_per_year", np.float64),
    ]
)
"""A fill model as compiled code reads it."""

FILLS_A_BAR: Final = 4
"""At least the fills that one instrument can have in one bar."""


def _slots(kind: type[np.generic]) -> tuple[type[np.generic], tuple[int]]:
    return kind, (FILLS_A_BAR,)


SLIP: Final = np.dtype(
    [
        ("fills", np.int64),
        ("trades", np.int64),
        ("rejected", np.int64),
        *(("fill_" + name, *_slots(np.float64)) for name in ("units", "price", "fee", "slippage")),
        *(("fill_" + name, *_slots(np.int64)) for name in ("side", "reason")),
        *(
            ("trade_" + name, *_slots(np.int64))
            for name in ("entry_bar", "direction", "reason", "legs")
        ),
        *(
            ("trade_" + name, *_slots(np.float64))
            for name in (
                "units",
                "entry_price",
                "exit_price",
                "fees",
                "slippage",
                "funding",
                "pnl",
                "return_ratio",
            )
        ),
    ]
)
"""The fills of one bar and the trades that ended in it; a record, since arrays handed from
function to function are counted at each, which costs more than the simulation."""


class Book(NamedTuple):
    """Where fills and trades of a whole simulation are written."""

    fills: Records
    trades: Records
    counts: Ints  # fills, trades


def packed_terms(model: FillModel, legs: int = 1, bars_per_year: float = math.nan) -> Records:
    """Return the model as an array of one ``TERMS``."""
    costs, rules, sizing = model.costs, model.rules, model.sizing
    terms = np.zeros(1, TERMS)
    row = terms[0]
    row["next_open"] = model.execution.fill == "next_open"
    row["entry_bar_stops"] = model.execution.entry_bar_stops
    row["minutes"] = model.execution.intrabar == "minutes"
    row["liquidates"] = True
    row["taker"] = costs.taker_fee_bps / 10_000
    row["maker"] = costs.maker_bps / 10_000
    row["adverse"] = (costs.slippage_bps + costs.spread_bps / 2) / 10_000
    row["impact"] = costs.impact_bps / 10_000
    row["share_limit"] = math.nan if costs.volume_share_limit is None else costs.volume_share_limit
    row["lot"], row["lots_per_unit"] = rules.lot, _whole_inverse(rules.lot)
    row["tick"], row["ticks_per_quote"] = rules.tick, _whole_inverse(rules.tick)
    row["minimum_notional"] = rules.minimum_notional
    row["leverage"] = rules.leverage
    row["maintenance"] = rules.maintenance_ratio
    row["kind"] = Size[sizing.kind.upper()]
    row["value"] = sizing.value
    row["cap"] = sizing.cap
    row["window"] = sizing.window
    row["factor"] = sizing.factor
    row["steps"] = sizing.steps
    row["legs"] = legs
    row["bars_per_year"] = bars_per_year
    return terms


def new_state(cash: float, instruments: int = 1) -> Records:
    """Return flat ``STATE`` rows, each with this cash."""
    state = np.zeros(instruments, STATE)
    state["cash"] = cash
    state["order"] = Order.NONE
    return state


def new_book(fills: int, trades: int) -> Book:
    """Return an empty book with room for so many fills and trades."""
    return Book(np.empty(fills, FILL), np.empty(trades, TRADE), np.zeros(2, np.int64))


def with_room(book: Book) -> Book:
    """Return the book in arrays twice as long."""
    return Book(
        np.resize(book.fills, 2 * len(book.fills)),
        np.resize(book.trades, 2 * len(book.trades)),
        book.counts,
    )


def _whole_inverse(step: float) -> float:
    # 1001 / 10 is 100.1 to the last bit, 1001 * 0.1 is not.
    if step <= 0:
        return 0.0
    inverse = round(1 / step)
    return float(inverse) if inverse >= 1 and abs(1 / step - inverse) <= 1e-9 * inverse else 0.0
