"""Bars in which a signal and a level meet, where vectorbt takes another one first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from backtest.vectorbt.asked import Asked
from candela.fills.records import Reason

__all__ = ["collisions"]

Floats = npt.NDArray[np.float64]
Records = npt.NDArray[np.void]


def collisions(asked: Asked, trades: Records) -> Iterator[str]:
    """Return which meetings happened in a run with stops or targets.

    vectorbt asks whether a bar reaches a stop, then a target, and only then whether a signal is
    due, one order a bar. The fill model goes by time: what is due at the open fills there.
    """
    closed = trades[trades["exit_bar"] >= 0]
    bar, reason = closed["exit_bar"], closed["reason"]
    by_signal = (reason == Reason.SIGNAL) | (reason == Reason.REVERSAL)
    by_target = reason == Reason.TARGET
    stopped, aimed = _reached(asked, closed)
    if asked.next_open:
        yield from _told(
            "vectorbt takes a stop or target inside a bar before the signal due at its open",
            bar[by_signal & (stopped | aimed)],
        )
    else:
        again = np.zeros(len(closed), np.bool_)
        again[: len(trades) - 1] = trades["entry_bar"][1:] == bar[: len(trades) - 1]
        yield from _told(
            "vectorbt does not enter at the close of a bar in which a stop or target was hit",
            bar[again & ~by_signal],
        )
    yield from _told(
        "vectorbt takes a stop inside a bar before the target that its open has passed",
        bar[by_target & stopped],
    )


def _reached(asked: Asked, closed: Records) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return for each trade whether its last bar reaches its stop, and its target."""
    bars = asked.bars
    bar, side, price = closed["exit_bar"], closed["direction"], closed["entry_price"]
    decided = closed["entry_bar"] - (1 if asked.next_open else 0)
    is_long = side > 0
    worst = np.where(is_long, bars.low[bar], bars.high[bar]) * side
    best = np.where(is_long, bars.high[bar], bars.low[bar]) * side
    stop = price * (1 - side * asked.stop[decided]) * side
    trail = _best_before(asked, closed) * (1 - side * asked.trailing[decided]) * side
    target = price * (1 + side * asked.target[decided]) * side
    # A bar in which the position was opened is not looked at, here as in vectorbt.
    later = closed["entry_bar"] < bar
    with np.errstate(invalid="ignore"):
        return later & (worst <= np.fmax(stop, trail)), later & (best >= target)


def _best_before(asked: Asked, closed: Records) -> Floats:
    """Return the best price of each trade from its entry to the bar before its exit."""
    best = closed["entry_price"].copy()
    if np.isnan(asked.trailing).all():
        return best
    for row, trade in enumerate(closed):
        # At the close of its bar an entry has seen nothing of that bar.
        seen = slice(trade["entry_bar"] + (0 if asked.next_open else 1), trade["exit_bar"])
        if seen.start < seen.stop and trade["direction"] > 0:
            best[row] = max(best[row], asked.bars.high[seen].max())
        elif seen.start < seen.stop:
            best[row] = min(best[row], asked.bars.low[seen].min())
    return best


def _told(words: str, bars: npt.NDArray[np.int64]) -> Iterator[str]:
    if len(bars):
        count = f"{len(bars)} times, first " if len(bars) > 1 else ""
        yield f"{words} ({count}in bar {bars[0]})"
