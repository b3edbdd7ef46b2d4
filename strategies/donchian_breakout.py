"""Donchian breakout: the turtles' rule of two channels and a stop of so many true ranges."""

from __future__ import annotations

import numpy as np

from strategies.bars import Bars
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import atr, donchian, wilder_settles
from strategies.signals import Signals

__all__ = ["donchian_breakout"]

_WIDEST_STOP = 0.95


class DonchianBreakout(Parameters):
    """The channel to enter by, the one to leave by, and the stop."""

    enter: int = parameter(20, "Bars of the channel to enter by.", ge=2, le=5_000, unit="bars")
    leave: int = parameter(10, "Bars of the channel to leave by.", ge=2, le=5_000, unit="bars")
    stop_ranges: float = parameter(
        2.0, "Stop-loss in average true ranges; 0: none.", ge=0, le=50, unit="ATR", step=0.25
    )
    range_window: int = parameter(20, "Bars of the true range.", ge=1, le=500, unit="bars")
    short: bool = parameter(default=False, words="Also sell short below the channel.")


def _warm_up(parameters: DonchianBreakout) -> int:
    channel = max(parameters.enter, parameters.leave) + 1
    settles = parameters.range_window + wilder_settles(parameters.range_window) + 1
    return max(channel, settles) if parameters.stop_ranges else channel


@strategy(
    name="donchian_breakout",
    parameters=DonchianBreakout,
    warm_up=_warm_up,
    source="R. Donchian's four-week rule, 1960; C. Faith, The Original Turtle Trading Rules, 2003"
    " (system 1: 20 bars in, 10 bars out, a stop of 2 N)",
)
def donchian_breakout(bars: Bars, parameters: DonchianBreakout) -> Signals:
    """Buy a close above the channel of the bars before, sell a close below the shorter channel."""
    high, low = donchian(bars, parameters.enter)
    leave_high, leave_low = donchian(bars, parameters.leave)
    stop = None
    entered = bars.close > high, bars.close < low
    if parameters.stop_ranges:
        reach = parameters.stop_ranges * atr(bars, parameters.range_window) / bars.close
        stop = np.minimum(np.where(reach > 0, reach, np.nan), _WIDEST_STOP)
        # An entry whose stop is not known yet is none.
        entered = entered[0] & ~np.isnan(stop), entered[1] & ~np.isnan(stop)
    return Signals(
        long_entries=entered[0],
        long_exits=bars.close < leave_low,
        short_entries=entered[1] if parameters.short else None,
        short_exits=bars.close > leave_high if parameters.short else None,
        stop_loss=stop,
        panes={"channel high": high, "channel low": low, "exit low": leave_low},
    )
