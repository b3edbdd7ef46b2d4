"""Equity, position and fills of a quick run, drawn from its trades when somebody asks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.fills.records import FILL, Reason

__all__ = ["curve_of_trades", "fills_of_trades"]

Floats = npt.NDArray[np.float64]
Records = npt.NDArray[np.void]


@compiled
def curve_of_trades(
    trades: Records, close: Floats, cash: float, taker: float, equity: Floats, position: Floats
) -> None:
    """Write equity and units held at each close, from trades of one leg that follow each other."""
    rows = len(close)
    row = 0
    for number in range(len(trades)):
        trade = trades[number]
        entry = trade["entry_bar"]
        while row < entry:
            equity[row] = cash
            position[row] = 0.0
            row += 1
        units = trade["units"] * trade["direction"]
        value = trade["units"] * trade["entry_price"]
        held = cash - trade["direction"] * value - value * taker
        leaves = trade["exit_bar"] if trade["exit_bar"] >= 0 else rows
        while row < leaves:
            equity[row] = max(held + units * close[row], 0.0)
            position[row] = units
            row += 1
        cash += trade["pnl"]
    while row < rows:
        equity[row] = cash
        position[row] = 0.0
        row += 1


def fills_of_trades(trades: Records, taker: float, maker: float, slippage: float) -> Records:
    """Return the fills of trades of one leg: both sides of a reversal are one fill."""
    closed = trades[trades["exit_bar"] >= 0]
    fills = np.empty(len(trades) + len(closed), FILL)
    entries, exits = fills[: len(trades)], fills[len(trades) :]
    for part, source, bar, price, sign in (
        (entries, trades, "entry_bar", "entry_price", 1),
        (exits, closed, "exit_bar", "exit_price", -1),
    ):
        part["bar"] = source[bar]
        part["instrument"] = source["instrument"]
        part["side"] = sign * source["direction"]
        part["units"] = source["units"]
        part["price"] = source[price]
    entries["reason"] = Reason.SIGNAL
    exits["reason"] = closed["reason"]
    limited = closed["reason"] == Reason.TARGET
    entries["fee"] = trades["units"] * trades["entry_price"] * taker
    exits["fee"] = closed["units"] * closed["exit_price"] * np.where(limited, maker, taker)
    for part, market in ((entries, np.ones(len(trades), bool)), (exits, ~limited)):
        worse = part["side"] * slippage
        part["slippage"] = np.where(
            market, part["units"] * part["price"] * slippage / (1.0 + worse), 0.0
        )
    # Trades follow each other: entry, exit, next entry, whatever the bars.
    order = np.argsort(np.concatenate((2 * np.arange(len(trades)), 2 * np.arange(len(closed)) + 1)))
    return _joined(fills[order])


def _joined(fills: Records) -> Records:
    """Join the halves of reversals: the exit by reversal and the entry in the same bar."""
    turns = np.flatnonzero(fills["reason"] == Reason.REVERSAL)
    turns = turns[turns + 1 < len(fills)]
    turns = turns[fills["bar"][turns + 1] == fills["bar"][turns]]
    for name in ("units", "fee", "slippage"):
        fills[name][turns] += fills[name][turns + 1]
    return np.delete(fills, turns + 1)
