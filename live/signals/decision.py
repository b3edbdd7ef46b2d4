"""The decision of the newest bar, out of signals on all bars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from strategies.conditions import Events

if TYPE_CHECKING:
    from strategies.bars import Bars
    from strategies.signals import Signals

__all__ = ["decide_last"]

_CONDITIONS: Final = {
    "long_entry": "long_entries",
    "long_exit": "long_exits",
    "short_entry": "short_entries",
    "short_exit": "short_exits",
    "call": "calls",
    "put": "puts",
}
_NUMBERS: Final = (
    "size", "stop_loss", "take_profit", "trailing_stop", "limit_price", "exit_fraction",
)  # fmt: skip


def decide_last(signals: Signals, bars: Bars) -> dict[str, Any]:
    """Return what is decided at the close of the last bar, as JSON holds it.

    Conditions are booleans, numbers are numbers or None; ``expiry_bars`` is None without a bet,
    ``volume`` is None where the venue gives none.
    """
    decision: dict[str, Any] = {
        key: _holds(getattr(signals, name)) for key, name in _CONDITIONS.items()
    }
    decision |= {name: _number(getattr(signals, name)) for name in _NUMBERS}
    decision["legs"] = int(signals.legs)
    has_bet = signals.calls is not None or signals.puts is not None
    decision["expiry_bars"] = int(signals.expiry) if has_bet else None
    decision["close"] = float(bars.close[-1])
    decision["volume"] = _number(bars.volume)
    return decision


def _holds(condition: Any) -> bool:
    if condition is None:
        return False
    if isinstance(condition, Events):
        return bool(len(condition.rows)) and int(condition.rows[-1]) == condition.length - 1
    return bool(condition[-1])


def _number(value: Any) -> float | None:
    if value is None:
        return None
    last = float(value[-1]) if np.ndim(value) else float(value)
    return None if math.isnan(last) else last
