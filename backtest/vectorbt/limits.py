"""What vectorbt's simulator cannot express, of a fill model or of what happened in a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from backtest.result import Result
from backtest.vectorbt.asked import Asked
from backtest.vectorbt.collisions import collisions
from candela.fills.records import Reason

__all__ = ["inexpressible"]

_SMALLEST: Final = 1e-9


def inexpressible(result: Result) -> tuple[str, ...]:
    """Return why vectorbt cannot do what this run did; empty where it can.

    Some rules differ only where two things meet in one bar. They are looked up in the run itself:
    up to the first such bar both engines hold the same account, so a run without one is the same
    in both.
    """
    asked = Asked.of(result)
    return (*_of_model(asked), *_of_decisions(asked), *_of_run(asked, result))


def _of_model(asked: Asked) -> Iterator[str]:
    execution, costs = asked.model.execution, asked.model.costs
    rules, sizing = asked.model.rules, asked.model.sizing
    if execution.intrabar == "minutes":
        yield "vectorbt knows no finer bars inside a bar"
    if costs.impact_bps:
        yield "vectorbt has no impact that grows with the order"
    if costs.volume_share_limit is not None:
        yield "vectorbt's largest size binds exits as well as entries"
    if costs.funding:
        yield "vectorbt pays no funding"
    if rules.lot:
        yield "vectorbt rounds exits to lots as well, and 0.3 in lots of 0.1 down to 0.2"
    if rules.tick:
        yield "vectorbt has no price ticks"
    if rules.minimum_notional:
        yield "vectorbt's smallest order is in units, not in money"
    if rules.leverage > 1:
        yield "vectorbt has no leverage"
    if sizing.kind in {"kelly", "martingale"}:
        yield f"vectorbt's sizes do not depend on trades before, as {sizing.kind} does"


def _of_decisions(asked: Asked) -> Iterator[str]:
    if not np.isnan(asked.limit).all():
        yield "vectorbt's signals have no limit orders that may not be reached"
    if asked.legs > 1:
        yield f"vectorbt does not count legs: it cannot stop at {asked.legs}"
    if asked.has_part_exits and (asked.has_shorts or asked.shares is None or asked.has_levels):
        yield "vectorbt closes parts only of longs sized by a share of cash, without stops"
    if not np.isnan(asked.trailing).all():
        if asked.next_open:
            yield "vectorbt's trailing stop does not see the best price of the bar of entry"
        if not np.isnan(asked.stop).all():
            yield "vectorbt has either a stop or a trailing stop"


def _of_run(asked: Asked, result: Result) -> Iterator[str]:
    trades, reasons = result.trades, result.trades["reason"]
    if (reasons == Reason.LIQUIDATION).any():
        yield _at("vectorbt does not liquidate", trades[reasons == Reason.LIQUIDATION])
    elif (result.equity <= 0).any():
        yield "vectorbt lets the account fall below nothing"
    if len(result.fills) and result.fills["units"].min() < _SMALLEST:
        yield "vectorbt takes sizes and cash near 1e-12 as none"
    shares, turned = asked.shares, trades[reasons == Reason.REVERSAL]
    if len(turned) and shares is not None and not (shares[_entered(asked)] >= 1).all():
        yield _at("vectorbt cannot reverse into a share of cash", turned)
    if not asked.has_levels:
        return
    is_target = reasons == Reason.TARGET
    is_stop = (reasons == Reason.STOP) | (reasons == Reason.TRAILING)
    if is_target.any() and asked.model.costs.maker_bps != asked.model.costs.taker_fee_bps:
        yield _at("vectorbt has no other fee for targets", trades[is_target])
    if asked.adverse > 0 and is_target.any() and is_stop.any():
        yield _at("vectorbt has one slippage for stops and targets", trades[is_target])
    on_entry = (is_stop | is_target) & (trades["entry_bar"] == trades["exit_bar"])
    if asked.next_open and on_entry.any():
        yield _at("vectorbt looks at no stop on the bar of entry", trades[on_entry])
    yield from collisions(asked, trades)


def _entered(asked: Asked) -> npt.NDArray[np.bool_]:
    return asked.long_entries | asked.short_entries


def _at(reason: str, trades: npt.NDArray[np.void]) -> str:
    count = f"{len(trades)} times, first " if len(trades) > 1 else ""
    return f"{reason} ({count}in bar {trades['exit_bar'][0]})"
