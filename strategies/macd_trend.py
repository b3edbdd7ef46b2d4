"""MACD trend: long while the difference of two exponential means lies above its own mean."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from strategies.bars import Bars
from strategies.conditions import TIES, Cross
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import ema_settles, macd
from strategies.signals import Signals

__all__ = ["macd_trend"]


class MacdTrend(Parameters):
    """Three windows, and whether the trend must already point the same way."""

    fast: int = parameter(12, "Bars of the fast mean.", ge=2, le=1_000, unit="bars")
    slow: int = parameter(26, "Bars of the slow mean.", ge=3, le=2_000, unit="bars")
    signal: int = parameter(9, "Bars of the mean of the difference.", ge=2, le=500, unit="bars")
    with_trend: bool = parameter(
        default=False, words="Enter only on the side of zero that the position bets on."
    )
    short: bool = parameter(default=False, words="Also sell short on the crossing below.")

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast >= self.slow:
            message = f"fast={self.fast} is not below slow={self.slow}"
            raise ValueError(message)
        return self


def _warm_up(parameters: MacdTrend) -> int:
    settles = ema_settles(parameters.slow) + ema_settles(parameters.signal)
    return parameters.slow + parameters.signal + settles + TIES


@strategy(
    name="macd_trend",
    parameters=MacdTrend,
    warm_up=_warm_up,
    source="G. Appel, The Moving Average Convergence Divergence Method, 1979",
)
def macd_trend(bars: Bars, parameters: MacdTrend) -> Signals:
    """Buy when the MACD crosses above its signal line, sell when it crosses below."""
    line, mean_line, gap = macd(bars.close, parameters.fast, parameters.slow, parameters.signal)
    cross = Cross(line, mean_line)
    up = cross.above & (line > 0) if parameters.with_trend else cross.above
    down = cross.below & (line < 0) if parameters.with_trend else cross.below
    return Signals(
        long_entries=up,
        long_exits=cross.below,
        short_entries=down if parameters.short else None,
        short_exits=cross.above if parameters.short else None,
        panes={"macd/MACD": line, "macd/signal": mean_line, "macd/gap": gap},
    )
