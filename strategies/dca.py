"""Dollar-cost averaging: buy in even steps of time, or on dips, and sell above the mean price."""

from __future__ import annotations

import numpy as np

from strategies.bars import Bars
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import sma
from strategies.signals import Signals

__all__ = ["dca"]

_SECOND = 1_000_000


class Dca(Parameters):
    """How often, how deep, how much, and when to leave."""

    every: int = parameter(24, "Bars between two buys.", ge=1, le=10_000, unit="bars")
    dip: float = parameter(
        0.0, "Buy only so far below the mean; 0: always.", ge=0, le=0.9, unit="ratio", step=0.005
    )
    window: int = parameter(168, "Bars of that mean.", ge=2, le=10_000, unit="bars")
    legs: int = parameter(20, "Buys in one position at most.", ge=1, le=1_000)
    share: float = parameter(
        0.05, "Size of a buy, in the unit of the run's sizing (share of equity); 0: the run's own.",
        ge=0, le=1, step=0.01,
    )  # fmt: skip
    target: float = parameter(
        0.05, "Sell so far above the mean price paid; 0: never.", ge=0, le=9, unit="ratio",
        step=0.005,
    )  # fmt: skip
    stop: float = parameter(
        0.0, "Sell so far below the mean price paid; 0: never.", ge=0, le=0.9, unit="ratio",
        step=0.005,
    )  # fmt: skip


@strategy(
    name="dca",
    parameters=Dca,
    warm_up=lambda parameters: parameters.window if parameters.dip else 1,
    source="B. Graham, The Intelligent Investor, 1949, chapter 5 (dollar-cost averaging);"
    " G. Constantinides, A note on the suboptimality of dollar-cost averaging as an investment"
    " policy, J. of Financial and Quantitative Analysis 14, 1979",
)
def dca(bars: Bars, parameters: Dca) -> Signals:
    """Buy every so many bars, if wanted only on dips, and sell all at a gain on the mean price."""
    # Counted from 1970, not from the first bar: the same bars are bought wherever data begin.
    period = bars.time // (bars.timeframe.seconds * _SECOND * parameters.every)
    buys = np.diff(period, prepend=period[:1]) > 0
    panes = {}
    if parameters.dip:
        level = sma(bars.close, parameters.window) * (1.0 - parameters.dip)
        buys &= bars.close < level
        panes = {"buy below": level}
    return Signals(
        long_entries=buys,
        size=parameters.share or None,
        legs=parameters.legs,
        take_profit=parameters.target or None,
        stop_loss=parameters.stop or None,
        panes=panes,
    )
