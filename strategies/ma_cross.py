"""Moving-average cross: long while a fast mean lies above a slow one."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from strategies.bars import Bars
from strategies.conditions import TIES, Cross
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import MeanKind, ema_settles, mean
from strategies.signals import Signals

__all__ = ["ma_cross"]


class MaCross(Parameters):
    """Two windows and the kind of mean."""

    fast: int = parameter(20, "Bars of the fast mean.", ge=2, le=5_000, unit="bars")
    slow: int = parameter(100, "Bars of the slow mean.", ge=3, le=10_000, unit="bars")
    kind: MeanKind = parameter("simple", "Simple or exponential mean.")
    short: bool = parameter(default=False, words="Also sell short while fast lies below slow.")

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast >= self.slow:
            message = f"fast={self.fast} is not below slow={self.slow}"
            raise ValueError(message)
        return self


def _warm_up(parameters: MaCross) -> int:
    settles = 1 if parameters.kind == "simple" else ema_settles(parameters.slow)
    return parameters.slow + settles + TIES


@strategy(
    name="ma_cross",
    parameters=MaCross,
    warm_up=_warm_up,
    source="R. Donchian, Trend-following methods in commodity price analysis, 1957;"
    " W. Brock, J. Lakonishok, B. LeBaron, Simple technical trading rules, J. of Finance 47, 1992",
)
def ma_cross(bars: Bars, parameters: MaCross) -> Signals:
    """Buy when the fast mean crosses above the slow one, sell when it crosses below."""
    fast = mean(bars.close, parameters.fast, parameters.kind)
    slow = mean(bars.close, parameters.slow, parameters.kind)
    cross = Cross(fast, slow)
    return Signals(
        long_entries=cross.above,
        long_exits=cross.below,
        short_entries=cross.below if parameters.short else None,
        short_exits=cross.above if parameters.short else None,
        panes={f"mean {parameters.fast}": fast, f"mean {parameters.slow}": slow},
    )
