"""The sums that every figure of a list of trades is made of."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.errors import DataError

__all__ = ["TRADE_SUMS", "BadTrade", "sums_of_trades"]

TRADE_SUMS: Final = np.dtype(
    [
        ("closed", np.int64),
        ("open", np.int64),  # still open at the end: in no other field
        ("wins", np.int64),  # pnl above 0
        ("losses", np.int64),  # pnl below 0; a pnl of 0 is neither
        ("gained", np.float64),  # quote, of the wins
        ("lost", np.float64),  # quote, of the losses, positive
        ("win_returns", np.float64),  # of return ratios
        ("loss_returns", np.float64),  # of return ratios, negative
        ("returns", np.float64),  # of return ratios, all closed trades
        ("best", np.float64),  # return ratio; NaN without a closed trade
        ("worst", np.float64),
        ("longest_wins", np.int64),  # in a row, in order of entry
        ("longest_losses", np.int64),
    ]
)
"""A list of trades in sums."""


class BadTrade(DataError):
    """A trade holds what is no amount of money."""

    code = "bad_trade"


def sums_of_trades(trades: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return the sums of trades as an array of one ``TRADE_SUMS``.

    Parameters
    ----------
    trades
        Records with ``exit_bar`` (-1: still open), ``pnl`` and ``return_ratio``, in order of entry.

    Raises
    ------
    BadTrade
        A closed trade's ``pnl`` or ``return_ratio`` is NaN or infinite.
    """
    out = np.zeros(1, TRADE_SUMS)
    bad = _sum_trades(trades, out)
    if bad >= 0:
        pnl, ratio = trades["pnl"][bad], trades["return_ratio"][bad]
        message = f"Trade {bad} has a pnl of {pnl} and a return of {ratio}: no amounts of money."
        raise BadTrade(message, "Look at the prices of its fills: one is NaN or wrong.")
    return out


@compiled
def _sum_trades(trades: npt.NDArray[np.void], out: npt.NDArray[np.void]) -> int:
    """Fill the sums; return the row of the first trade with a bad value, or -1."""
    closed = wins = losses = 0
    row_wins = row_losses = longest_wins = longest_losses = 0
    gained = lost = win_returns = loss_returns = returns = 0.0
    best = worst = np.nan
    for number in range(trades.shape[0]):
        trade = trades[number]
        if trade["exit_bar"] < 0:
            continue
        pnl = trade["pnl"]
        ratio = trade["return_ratio"]
        if not (np.isfinite(pnl) and np.isfinite(ratio)):
            return number
        closed += 1
        returns += ratio
        best = ratio if closed == 1 else max(best, ratio)
        worst = ratio if closed == 1 else min(worst, ratio)
        if pnl > 0.0:
            wins += 1
            gained += pnl
            win_returns += ratio
        elif pnl < 0.0:
            losses += 1
            lost -= pnl
            loss_returns += ratio
        row_wins = row_wins + 1 if pnl > 0.0 else 0
        row_losses = row_losses + 1 if pnl < 0.0 else 0
        longest_wins = max(longest_wins, row_wins)
        longest_losses = max(longest_losses, row_losses)
    record = out[0]
    record["closed"] = closed
    record["open"] = trades.shape[0] - closed
    record["wins"] = wins
    record["losses"] = losses
    record["gained"] = gained
    record["lost"] = lost
    record["win_returns"] = win_returns
    record["loss_returns"] = loss_returns
    record["returns"] = returns
    record["best"] = best
    record["worst"] = worst
    record["longest_wins"] = longest_wins
    record["longest_losses"] = longest_losses
    return -1
