"""Bollinger breakout: buy strength beyond a band of deviations, leave at the mean."""

from __future__ import annotations

import numpy as np

from strategies.bars import Bars
from strategies.conditions import Mask
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import bollinger
from strategies.signals import Signals

__all__ = ["bollinger_breakout"]


class BollingerBreakout(Parameters):
    """Window and width of the band, and a stop."""

    window: int = parameter(20, "Bars of mean and deviation.", ge=2, le=5_000, unit="bars")
    width: float = parameter(2.0, "Deviations from mean to band.", ge=0.1, le=10, step=0.1)
    stop: float = parameter(0.0, "Stop-loss; 0: none.", ge=0, le=0.9, unit="ratio", step=0.005)
    short: bool = parameter(default=False, words="Also sell short below the lower band.")


def _begins(beyond: Mask) -> Mask:
    # No crossing: with a band of no width, rounding would say on which side the close has been.
    return beyond & ~np.append(False, beyond)[:-1]


@strategy(
    name="bollinger_breakout",
    parameters=BollingerBreakout,
    warm_up=lambda parameters: parameters.window + 1,
    source="J. Bollinger, Bollinger on Bollinger Bands, 2001, method I (volatility breakout)",
)
def bollinger_breakout(bars: Bars, parameters: BollingerBreakout) -> Signals:
    """Buy when the close breaks above the upper Bollinger band, sell when it is below the mean."""
    upper, middle, lower = bollinger(bars.close, parameters.window, parameters.width)
    return Signals(
        long_entries=_begins(bars.close > upper),
        long_exits=bars.close < middle,
        short_entries=_begins(bars.close < lower) if parameters.short else None,
        short_exits=bars.close > middle if parameters.short else None,
        stop_loss=parameters.stop or None,
        panes={"upper band": upper, "mean": middle, "lower band": lower},
    )
