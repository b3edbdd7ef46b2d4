"""What a quote makes of a position: stop, target and trailing stop, further legs, part sales."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from candela.money import EXACT, ZERO
from candela.orders.records import Position, PositionTerms
from candela.orders.words import InstrumentRules, Quote
from candela.risk.dca import due_legs, planned_legs
from candela.risk.exits import ExitStage, plan_stages
from candela.risk.limits import RiskLimits
from candela.risk.protection import Protection

__all__ = ["Due", "FirstFill", "Guard", "guard_of"]

_NEAR: Final = Decimal("1.002")


@dataclass(frozen=True, slots=True)
class FirstFill:
    """The first entry of a position, by which its further legs are fixed.

    Parameters
    ----------
    price, amount
        Quote per base, and quote.
    legs, stages
        Further legs and part sales that were ordered already.
    """

    price: Decimal
    amount: Decimal
    legs: int = 0
    stages: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """What a quote has triggered.

    Parameters
    ----------
    reason
        ``stop``, ``trailing``, ``target``: all is sold; ``stage``: a part; ``leg``: more is bought.
    amount
        Quote of a leg, base of a part.
    number
        Of the leg or part, from 1.
    """

    reason: Literal["stop", "trailing", "target", "stage", "leg"]
    price: Decimal
    amount: Decimal = ZERO
    number: int = 0


@dataclass(frozen=True, slots=True)
class Guard:
    """The watch over one position.

    Parameters
    ----------
    floor, ceiling
        Bids at or below, and at or above which something is due: what lies between needs no look.
    """

    protection: Protection
    limits: RiskLimits
    rules: InstrumentRules
    held: Decimal
    first: FirstFill | None
    floor: Decimal | None
    ceiling: Decimal | None

    @property
    def follows(self) -> bool:
        """Whether the best price matters: a trailing stop rises with it."""
        return self.protection.trailing_stop_ratio is not None

    def due(self, quote: Quote) -> Due | None:
        """Return what a quote triggers: the stop before the target, then parts, then legs."""
        trigger = self.protection.trigger(quote)
        if trigger is not None:
            return Due(trigger.reason, trigger.price)
        first = self.first
        if first is None:
            return None
        stages = self.stages()
        if len(stages) > first.stages and quote.bid >= stages[first.stages].price > 0:
            stage = stages[first.stages]
            return Due("stage", quote.bid, stage.quantity, first.stages + 1)
        legs = planned_legs(self.limits.dca, first.price, first.amount)
        reached = due_legs(legs, first.legs, quote)
        if reached:
            return Due("leg", quote.ask, reached[0].amount, reached[0].number)
        return None

    def stages(self) -> tuple[ExitStage, ...]:
        """Return the part sales in order; those that were ordered already have no price."""
        first = self.first
        if first is None or not self.limits.partial_exits:
            return ()
        mean = self.protection.mean
        rest = self.limits.partial_exits[first.stages :]
        planned = plan_stages(self.held, mean, rest, self.rules)
        return (ExitStage(ZERO, ZERO),) * first.stages + planned


def guard_of(
    position: Position,
    limits: RiskLimits,
    rules: InstrumentRules,
    first: FirstFill | None,
) -> Guard | None:
    """Return the watch over a position; None where it is flat or nothing is asked of quotes."""
    if position.quantity <= 0 or position.mean_price <= 0:
        return None
    terms = position.terms
    if terms == PositionTerms() and not limits.dca and not limits.partial_exits:
        return None
    protection = Protection(
        side=1,
        mean=position.mean_price,
        best=position.best_price or position.mean_price,
        stop_loss_ratio=terms.stop_loss,
        take_profit_ratio=terms.take_profit,
        trailing_stop_ratio=terms.trailing_stop,
        tick=rules.tick,
    )
    stop, target = protection.stop, protection.target
    guard = Guard(protection, limits, rules, position.quantity, first, None, None)
    lows = [] if stop is None else [stop[0]]
    highs = [] if target is None else [target]
    if first is not None:
        planned = planned_legs(limits.dca, first.price, first.amount)
        # Legs compare with the ask, which is above the bid: a bid a little higher is looked at too.
        lows += [EXACT.multiply(leg.price, _NEAR) for leg in planned[first.legs : first.legs + 1]]
        highs += [stage.price for stage in guard.stages()[first.stages : first.stages + 1]]
    return Guard(
        protection,
        limits,
        rules,
        position.quantity,
        first,
        max(lows, default=None),
        min(highs, default=None),
    )
