"""The quick simulator: one account or many on the same decisions, in a step for each event."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, cast

import numpy as np
import numpy.typing as npt

from candela.fills.events import walk_events
from candela.fills.exits import clean_events
from candela.fills.model import FillModel
from candela.fills.records import TRADE
from candela.fills.spans import BLOCK, block_extremes, returns_sums
from candela.market.arrays import frozen_floats
from candela.metrics.sums import EQUITY_SUMS
from candela.metrics.trades import TRADE_SUMS

__all__ = ["Decisions", "PriceBars", "QuickRun", "is_quick", "simulate_quick"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]
Detail = Literal["returns", "sweep", "all"]

_SIZINGS: Final = {"fraction": 0.0, "fixed_value": 1.0, "fixed_units": 2.0}
_DETAILS: Final[dict[Detail, float]] = {"returns": 0.0, "sweep": 1.0, "all": 2.0}
_WHOLE_BPS: Final = 1e4
_LARGEST_MOVE: Final = 4e6
"""Largest square of a return beside the usual one. Each addition to a running sum rounds to 1.1e-16
of the largest: beside the usual square that is 4e-10, and a sum of squares is good to 1e-9."""
_SAMPLE: Final = 4_096
_NO_BLOCKS: Final = frozen_floats(np.empty((2, 0)))
_NO_TRADES: Final = np.empty(0, TRADE)
_NO_RETURNS: Final = frozen_floats(np.empty((3, 0)))


class PriceBars(Protocol):
    """(n,) bars as read-only float64 arrays, and a place for what is prepared once."""

    @property
    def open(self) -> Floats: ...  # noqa: D102
    @property
    def high(self) -> Floats: ...  # noqa: D102
    @property
    def low(self) -> Floats: ...  # noqa: D102
    @property
    def close(self) -> Floats: ...  # noqa: D102
    @property
    def kept(self) -> MutableMapping[str, object]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Decisions:
    """Rising rows at which a strategy decided; one stop and target for each account."""

    long_entries: Rows
    long_exits: Rows
    short_entries: Rows
    short_exits: Rows
    stops: Floats
    targets: Floats


@dataclass(frozen=True, slots=True)
class QuickRun:
    """What (k,) accounts came to; trades are those of the last one, where asked for."""

    sums: Records
    trade_sums: Records
    trades: Records


def is_quick(model: FillModel) -> bool:
    """Whether the model needs no look at the bars between events."""
    costs, rules = model.costs, model.rules
    return (
        model.sizing.kind in _SIZINGS
        and (model.sizing.kind != "fraction" or model.sizing.value <= 1.0)
        and model.execution.intrabar == "worst_case"
        and costs.impact_bps == 0.0
        and costs.volume_share_limit is None
        # Beyond that a sale fetches less than nothing; the full simulator stops at a price of 0.
        and costs.slippage_bps + costs.spread_bps / 2.0 < _WHOLE_BPS
        and not costs.funding
        and rules.lot == rules.tick == rules.minimum_notional == 0.0
        and rules.leverage == 1.0
    )


def simulate_quick(
    bars: PriceBars,
    decisions: Decisions,
    model: FillModel,
    cash: float,
    *,
    with_trades: bool,
    detail: Detail = "all",
) -> QuickRun:
    """Simulate an account for each stop and target.

    Parameters
    ----------
    cash
        Quote at the start.
    with_trades
        Keep the trades of the last account.
    detail
        ``returns``: final equity, costs and orders only. ``sweep``: all but the third and fourth
        moments; returns then come from running sums over each holding period, prepared once for
        the bars (bar by bar where one move is so large that others would be lost in the sums).
        ``all``: everything, bar by bar.
    """
    costs, execution, sizing = model.costs, model.execution, model.sizing
    numbers = np.array(
        [
            cash,
            costs.taker_fee_bps / 1e4,
            costs.maker_bps / 1e4,
            (costs.slippage_bps + costs.spread_bps / 2.0) / 1e4,
            _SIZINGS[sizing.kind],
            sizing.value,
            model.rules.maintenance_ratio,
            _DETAILS[detail],
        ]
    )
    has_shorts = len(decisions.short_entries) > 0
    entries, exits, sales, covers = (
        decisions.long_entries,
        decisions.long_exits,
        *_shorts(decisions),
    )
    if len(exits) or has_shorts:
        entries, exits, sales, covers = clean_events(entries, exits, sales, covers)
    runs = len(decisions.stops)
    sums, trade_sums = np.empty(runs, EQUITY_SUMS), np.empty(runs, TRADE_SUMS)
    trades = np.empty(len(entries) + len(sales) + 1, TRADE) if with_trades else _NO_TRADES
    needs_blocks = has_shorts or _any_level(decisions)
    from_sums = detail == "sweep"
    written = walk_events(
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        entries,
        exits,
        sales,
        covers,
        frozen_floats(decisions.stops),
        frozen_floats(decisions.targets),
        execution.fill == "close",
        execution.entry_bar_stops,
        numbers,
        _blocks(bars) if needs_blocks else _NO_BLOCKS,
        _returns(bars) if from_sums else _NO_RETURNS,
        sums,
        trade_sums,
        trades,
    )
    return QuickRun(sums, trade_sums, trades[:written] if with_trades else trades)


def _shorts(decisions: Decisions) -> tuple[Rows, Rows]:
    return decisions.short_entries, decisions.short_exits


def _any_level(decisions: Decisions) -> bool:
    if len(decisions.stops) == 1:
        return decisions.stops[0] > 0.0 or decisions.targets[0] > 0.0
    return not (np.isnan(decisions.stops).all() and np.isnan(decisions.targets).all())


def _blocks(bars: PriceBars) -> Floats:
    found = bars.kept.get("blocks")
    if found is None:
        made = np.empty((2, (len(bars.close) + BLOCK - 1) // BLOCK))
        unused = np.empty(made.shape[1])
        block_extremes(bars.low, made[0], unused)
        block_extremes(bars.high, unused, made[1])
        found = bars.kept["blocks"] = frozen_floats(made)
    return cast("Floats", found)


def _returns(bars: PriceBars) -> Floats:
    found = bars.kept.get("returns")
    if found is None:
        made = np.empty((3, len(bars.close)))
        largest = 0.0
        if len(bars.close):
            largest = returns_sums(bars.close, made[0], made[1], made[2])
        kept = made if largest <= _LARGEST_MOVE * _usual_square(bars.close) else _NO_RETURNS
        found = bars.kept["returns"] = frozen_floats(kept)
    return cast("Floats", found)


def _usual_square(close: Floats) -> float:
    """Return the median square of the returns that are not 0, of at most some thousand of them."""
    rows = np.arange(1, len(close), len(close) // _SAMPLE + 1)
    moves = close[rows] / close[rows - 1] - 1.0
    moved = moves[moves != 0.0]
    return float(np.median(moved * moved)) if moved.size else 0.0
