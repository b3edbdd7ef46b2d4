"""RSI call or put: bets of a fixed payout on the index coming back from an extreme."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from strategies.bars import Bars
from strategies.conditions import TIES, crossed_above, crossed_below
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import rsi, wilder_settles
from strategies.signals import Signals

__all__ = ["rsi_payout"]


class RsiPayout(Parameters):
    """Window, the two levels, and how long a contract lasts."""

    window: int = parameter(14, "Bars of the index.", ge=2, le=500, unit="bars")
    smoothing: Literal["wilder", "simple"] = parameter(
        "wilder", "Wilder's smoothing, or plain means of rises and falls (Cutler)."
    )
    low: float = parameter(30.0, "Call when the index rises above.", ge=1, le=99, step=1)
    high: float = parameter(70.0, "Put when the index falls below.", ge=1, le=99, step=1)
    expiry: int = parameter(5, "Bars until a contract is settled.", ge=1, le=10_000, unit="bars")

    @model_validator(mode="after")
    def _low_is_lower(self) -> Self:
        if self.low >= self.high:
            message = f"low={self.low:g} is not below high={self.high:g}"
            raise ValueError(message)
        return self


def _warm_up(parameters: RsiPayout) -> int:
    settles = wilder_settles(parameters.window) if parameters.smoothing == "wilder" else 1
    return parameters.window + settles + TIES


@strategy(
    name="rsi_payout",
    parameters=RsiPayout,
    warm_up=_warm_up,
    source="J. W. Wilder, New Concepts in Technical Trading Systems, 1978 (the index leaving its"
    " extremes)",
    kind="fixed_payout",
)
def rsi_payout(bars: Bars, parameters: RsiPayout) -> Signals:
    """Call when the RSI comes back above a low level, put when it comes back below a high one."""
    index = rsi(bars.close, parameters.window, parameters.smoothing)
    return Signals(
        calls=crossed_above(index, parameters.low),
        puts=crossed_below(index, parameters.high),
        expiry=parameters.expiry,
        panes={f"rsi/RSI {parameters.window}": index},
    )
