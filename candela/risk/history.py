"""What settled trades say, in their order: the step of a ladder, the row of losses, the day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from candela.money import EXACT, ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Outcome",
    "Settled",
    "in_order",
    "ladder_step",
    "last_loss_at",
    "loss_streak",
    "outcome_of_pnl",
    "realised_between",
]

Outcome = Literal["win", "loss", "draw", "unknown"]
"""A draw is a refund or a trade without gain; unknown is neither a win nor a loss."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A trade that is over.

    Parameters
    ----------
    trade_id
        Ours; the same trade told twice counts once.
    pnl
        In the currency of the account, fees inside; 0 while the outcome is unknown.
    """

    trade_id: str
    settled_at: datetime
    outcome: Outcome
    pnl: Decimal = ZERO


def outcome_of_pnl(pnl: Decimal) -> Outcome:
    """Return the outcome of a spot trade, which its money decides."""
    return "win" if pnl > 0 else "loss" if pnl < 0 else "draw"


def in_order(trades: Iterable[Settled]) -> list[Settled]:
    """Return each trade once, in the order of settlement.

    Of a trade told several times, what is known counts before what is not, then the earliest
    telling; known outcomes that contradict each other make an unknown one.
    """
    tellings: dict[str, list[Settled]] = {}
    for trade in trades:
        tellings.setdefault(trade.trade_id, []).append(trade)
    once = [told[0] if len(told) == 1 else _one_of(told) for told in tellings.values()]
    return sorted(once, key=lambda trade: (trade.settled_at, trade.trade_id))


def ladder_step(
    trades: Iterable[Settled],
    steps: int,
    *,
    after_draw: Literal["stay", "reset"] = "stay",
    after_unknown: Literal["wait", "loss"] = "wait",
) -> int | None:
    """Return the step, from 0, that the next stake of a ladder stands on; None: not known yet.

    A win begins anew, a loss goes one step up, and after the last step lost it begins anew too.
    Nothing else is remembered, so a crash, a repeated result or a late one cannot move the step.
    The trades since the last win are enough.

    Parameters
    ----------
    after_draw
        ``stay``: a refunded contract is staked again; ``reset``: as after a win.
    after_unknown
        ``wait``: while an outcome is unknown nothing is staked, unless a later win began anew;
        ``loss``: it counts as one.
    """
    step: int | None = 0
    for trade in in_order(trades):
        outcome = trade.outcome
        if outcome == "unknown":
            outcome = "loss" if after_unknown == "loss" else "unknown"
        if outcome == "win" or (outcome == "draw" and after_draw == "reset"):
            step = 0
        elif outcome == "unknown":
            step = None
        elif outcome == "loss" and step is not None:
            step = (step + 1) % steps
    return step


def loss_streak(trades: Iterable[Settled], *, since: datetime | None = None) -> int:
    """Return how many losses in a row came last; draws and unknown outcomes do not count.

    Parameters
    ----------
    since
        When the breaker was reset by hand: earlier trades are forgotten.
    """
    streak = 0
    for trade in in_order(trades):
        if since is not None and trade.settled_at < since:
            continue
        if trade.outcome == "win":
            streak = 0
        elif trade.outcome == "loss":
            streak += 1
    return streak


def last_loss_at(trades: Iterable[Settled]) -> datetime | None:
    """Return when the last loss was settled."""
    losses = [trade.settled_at for trade in in_order(trades) if trade.outcome == "loss"]
    return losses[-1] if losses else None


def realised_between(trades: Iterable[Settled], first: datetime, end: datetime) -> Decimal:
    """Return what trades settled from an instant to before another have gained together."""
    total = ZERO
    for trade in in_order(trades):
        if first <= trade.settled_at < end:
            total = EXACT.add(total, trade.pnl)
    return total


def _one_of(told: list[Settled]) -> Settled:
    ordered = sorted(told, key=lambda trade: (trade.settled_at, trade.outcome, trade.pnl))
    known = [trade for trade in ordered if trade.outcome != "unknown"]
    if len({trade.outcome for trade in known}) > 1:
        return replace(known[0], outcome="unknown", pnl=ZERO)
    return (known or ordered)[0]
