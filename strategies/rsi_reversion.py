"""RSI reversion: buy what has fallen too fast, sell it when it has recovered."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from strategies.bars import Bars
from strategies.conditions import TIES, crossed_above, crossed_below
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import rsi, wilder_settles
from strategies.signals import Signals

__all__ = ["rsi_reversion"]


class RsiReversion(Parameters):
    """Window, the two levels, and how far a position may go against and for it."""

    window: int = parameter(14, "Bars of the index.", ge=2, le=500, unit="bars")
    smoothing: Literal["wilder", "simple"] = parameter(
        "wilder", "Wilder's smoothing, or plain means of rises and falls (Cutler)."
    )
    enter: float = parameter(30.0, "Buy when the index falls below.", ge=1, le=99, step=1)
    leave: float = parameter(55.0, "Sell when the index rises above.", ge=1, le=99, step=1)
    stop: float = parameter(0.0, "Stop-loss; 0: none.", ge=0, le=0.9, unit="ratio", step=0.005)
    target: float = parameter(0.0, "Take-profit; 0: none.", ge=0, le=9, unit="ratio", step=0.005)

    @model_validator(mode="after")
    def _leaves_above_entry(self) -> Self:
        if self.enter >= self.leave:
            message = f"enter={self.enter:g} is not below leave={self.leave:g}"
            raise ValueError(message)
        return self


def _warm_up(parameters: RsiReversion) -> int:
    settles = wilder_settles(parameters.window) if parameters.smoothing == "wilder" else 1
    return parameters.window + settles + TIES


@strategy(
    name="rsi_reversion",
    parameters=RsiReversion,
    warm_up=_warm_up,
    source="J. W. Wilder, New Concepts in Technical Trading Systems, 1978;"
    " L. Connors, C. Alvarez, Short Term Trading Strategies That Work, 2008",
)
def rsi_reversion(bars: Bars, parameters: RsiReversion) -> Signals:
    """Buy when the RSI falls below one level, sell when it rises above another."""
    index = rsi(bars.close, parameters.window, parameters.smoothing)
    return Signals(
        long_entries=crossed_below(index, parameters.enter),
        long_exits=crossed_above(index, parameters.leave),
        stop_loss=parameters.stop or None,
        take_profit=parameters.target or None,
        panes={f"rsi/RSI {parameters.window}": index},
    )
