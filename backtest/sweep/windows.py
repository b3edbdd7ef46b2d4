"""A strategy on a window of bars, warmed up on the bars before it and flat when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from strategies.bars import Bars
from strategies.conditions import Events
from strategies.definition import Parameters, Strategy
from strategies.signals import CONDITIONS, RATIOS, Condition, Signals

__all__ = ["Window", "cut_signals"]

Floats = npt.NDArray[np.float64]
Fill = Literal["next_open", "close"]


@dataclass(frozen=True, slots=True)
class Window:
    """Rows to decide on within bars that begin earlier and end with them.

    Attributes
    ----------
    bars
        (lead + n,) what the strategy sees: the window and what came before it, nothing after.
    lead
        Bars before the window.
    fill
        When orders fill: it decides which decision is the last that can still be left again.
    """

    bars: Bars
    lead: int
    fill: Fill = "next_open"

    @property
    def inside(self) -> Bars:
        """The (n,) bars of the window."""
        return self.bars[self.lead :]

    def strategy(self, strategy: Strategy[Any]) -> Strategy[Any]:
        """Return the strategy as it decides inside the window.

        Its indicators are computed on all bars and cut. No entry is made that could not be left
        again, and at the last decision that can be filled whatever is open is closed.
        """

        def decide(_inside: Bars, parameters: Parameters) -> Signals:
            whole = strategy.signals(self.bars, parameters)
            return cut_signals(whole, len(self.bars), self.lead, self.fill)

        return replace(strategy, function=decide)


def cut_signals(signals: Signals, length: int, lead: int, fill: Fill) -> Signals:
    """Return the decisions from row ``lead`` on, flat at the end.

    Orders that fill at the next open are last left by the decision before the last bar, those that
    fill at the close by the last one.
    """
    rows = length - lead
    last = rows - 2 if fill == "next_open" else rows - 1
    changed: dict[str, Any] = {}
    for name in CONDITIONS:
        condition = getattr(signals, name)
        if condition is not None:
            changed[name] = _cut_condition(condition, lead, rows)
    for side in ("long", "short"):
        entries = changed.get(f"{side}_entries")
        if entries is not None:
            changed[f"{side}_entries"] = _only_before(entries, last)
            changed[f"{side}_exits"] = _also_at(changed.get(f"{side}_exits"), last, rows)
    for name in RATIOS:
        value = getattr(signals, name)
        if isinstance(value, np.ndarray) and value.ndim:
            changed[name] = value[lead:]
    if signals.exit_fraction is not None and last >= 0:
        fraction = np.array(np.broadcast_to(signals.exit_fraction, (length,))[lead:], np.float64)
        fraction[last] = 1.0
        changed["exit_fraction"] = fraction
    if signals.limit_price is not None:
        changed["limit_price"] = signals.limit_price[lead:]
    panes: Mapping[str, Floats] = {name: line[lead:] for name, line in signals.panes.items()}
    return replace(signals, **changed, panes=panes)


def _cut_condition(condition: Condition, lead: int, rows: int) -> Condition:
    if isinstance(condition, Events):
        first = int(np.searchsorted(condition.rows, lead))
        return Events(condition.rows[first:] - lead, rows)
    return np.asarray(condition, dtype=np.bool_)[lead:]


def _only_before(condition: Condition, last: int) -> Condition:
    if isinstance(condition, Events):
        after = int(np.searchsorted(condition.rows, max(last, 0)))
        return Events(condition.rows[:after], condition.length)
    kept = condition.copy()
    kept[max(last, 0) :] = False
    return kept


def _also_at(condition: Condition | None, last: int, rows: int) -> Condition:
    if last < 0:
        return Events(np.empty(0, np.int64), rows)
    if condition is None:
        return Events(np.array([last], np.int64), rows)
    if isinstance(condition, Events):
        before = int(np.searchsorted(condition.rows, last))
        return Events(np.append(condition.rows[:before], last), rows)
    kept = condition.copy()
    kept[last] = True
    return kept
