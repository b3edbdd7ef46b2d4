"""Ensemble vote: long while enough of the other strategies are."""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from strategies.bars import Bars
from strategies.bollinger_breakout import bollinger_breakout
from strategies.definition import Parameters, Strategy, parameter, strategy
from strategies.donchian_breakout import donchian_breakout
from strategies.ma_cross import ma_cross
from strategies.macd_trend import macd_trend
from strategies.rsi_reversion import rsi_reversion
from strategies.signals import Signals

__all__ = ["ensemble"]

_VOTERS: Final[tuple[Strategy[Any], ...]] = (
    ma_cross,
    macd_trend,
    rsi_reversion,
    bollinger_breakout,
    donchian_breakout,
)
_DEFAULTS: Final = {voter.name: cast("Strategy[Any]", voter).with_values() for voter in _VOTERS}


class Ensemble(Parameters):
    """How many votes are needed, and how long one lasts."""

    needed: int = parameter(3, "Votes needed to be long.", ge=1, le=len(_VOTERS))
    memory: int = parameter(
        200, "Bars for which a vote lasts at most after its entry.", ge=1, le=5_000, unit="bars"
    )


def _votes(signals: Signals, length: int, memory: int) -> npt.NDArray[np.bool_]:
    """Return where the last entry is later than the last exit, and not too long ago."""
    row = np.arange(length)
    last_entry = np.maximum.accumulate(np.where(signals.mask("long_entries", length), row, -1))
    last_exit = np.maximum.accumulate(np.where(signals.mask("long_exits", length), row, -1))
    # Without an end to a vote its state would depend on where the bars begin.
    return (last_entry > last_exit) & (row - last_entry < memory)


@strategy(
    name="ensemble",
    parameters=Ensemble,
    warm_up=lambda parameters: (
        parameters.memory + max(one.warm_up(_DEFAULTS[one.name]) for one in _VOTERS)
    ),
    source="T. G. Dietterich, Ensemble methods in machine learning, LNCS 1857, 2000 (majority"
    " vote); the voters are the shipped strategies at their defaults",
)
def ensemble(bars: Bars, parameters: Ensemble) -> Signals:
    """Buy when enough of five strategies are long, sell when they no longer are."""
    length = len(bars)
    votes = np.zeros(length)
    for voter in _VOTERS:
        votes += _votes(voter.signals(bars, _DEFAULTS[voter.name]), length, parameters.memory)
    enough = votes >= parameters.needed
    return Signals(long_entries=enough, long_exits=~enough, panes={"votes/long": votes})
