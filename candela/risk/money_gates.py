"""Gates on money: the day, breakers, positions and exposure, the balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.gates import Gate, ask
from candela.money import EXACT, ZERO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candela.risk.facts import EntryRequest, RiskFacts
    from candela.risk.limits import RiskLimits

__all__ = ["breaker_gates", "day_gates", "exposure_gates"]


def day_gates(request: EntryRequest, facts: RiskFacts, limits: RiskLimits) -> Iterator[Gate]:
    """Give the gates on the user's calendar day, in order."""
    yield ask(
        "trades_per_day",
        facts.trades_today + (not request.is_leg),
        "at_most",
        limits.trades_per_day,
        "{value} trades today with this one; at most {limit}.",
    )
    # Open gains may vanish and do not count; open losses and stakes may come true and do.
    lost = EXACT.subtract(facts.open_stakes, facts.realised_today)
    lost = EXACT.subtract(lost, min(facts.open_mark, ZERO))
    if request.kind == "fixed_payout":
        yield ask(
            "daily_loss",
            EXACT.add(lost, request.stake),
            "at_most",
            limits.daily_loss,
            "The day loses {value} if this and every open stake is lost; at most {limit}.",
        )
    else:
        yield ask(
            "daily_loss",
            lost,
            "below",
            limits.daily_loss,
            "The day has lost {value}, open losses included; entries stop at {limit}.",
        )
    yield ask(
        "daily_profit",
        facts.realised_today,
        "below",
        limits.daily_profit,
        "The day has gained {value}; entries stop at {limit}.",
    )


def breaker_gates(facts: RiskFacts, limits: RiskLimits) -> Iterator[Gate]:
    """Give the breakers, which stay open until a person resets them."""
    yield ask(
        "loss_streak",
        facts.loss_streak,
        "below",
        limits.loss_streak,
        "{value} losses in a row; entries stop at {limit}.",
    )
    peak = max(facts.peak_equity, facts.equity)
    ratio = limits.drawdown_ratio
    yield ask(
        "drawdown",
        EXACT.subtract(peak, facts.equity),
        "below",
        # Without equity there is nothing to fall from, and nothing to trade with either.
        None if ratio is None else EXACT.multiply(peak, ratio),
        "Equity is {value} below its peak; entries stop at {limit}.",
    )


def exposure_gates(request: EntryRequest, facts: RiskFacts, limits: RiskLimits) -> Iterator[Gate]:
    """Give the gates on size, positions, exposure and the balance, in order."""
    amount = request.amount
    yield ask("size", amount, "above", 0, "The order is worth {value}; it has to be above {limit}.")
    yield ask(
        "open_positions",
        facts.open_positions + (not request.is_leg),
        "at_most",
        limits.open_positions,
        "{value} open positions with this one; at most {limit}.",
    )
    position = facts.position_cost if request.is_leg else ZERO
    for name, before, limit, what in (
        ("capital_per_trade", position, limits.capital_per_trade, "The position costs"),
        ("symbol_exposure", facts.symbol_exposure, limits.symbol_exposure, "The symbol costs"),
        ("total_exposure", facts.exposure, limits.total_exposure, "All positions cost"),
    ):
        cost = EXACT.add(before, amount)
        yield ask(
            name, cost, "at_most", limit, f"{what} {{value}} with this one; at most {{limit}}."
        )
    fee = ZERO
    if request.rules is not None and request.kind == "spot":
        fee = EXACT.multiply(amount, request.rules.taker_fee)
    yield ask(
        "balance",
        EXACT.add(amount, fee),
        "at_most",
        facts.free,
        "The order costs {value} with its fee; {limit} are free.",
    )
