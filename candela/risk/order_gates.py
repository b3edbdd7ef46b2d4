"""Gates on what the venue takes: steps, smallest orders, and whether it can be sold again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.gates import Gate, ask
from candela.money import EXACT, floored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from candela.orders.words import InstrumentRules
    from candela.risk.facts import EntryRequest, ExitRequest, RiskFacts
    from candela.risk.limits import RiskLimits

__all__ = ["entry_order_gates", "exit_order_gates"]


def entry_order_gates(
    request: EntryRequest, facts: RiskFacts, limits: RiskLimits
) -> Iterator[Gate]:
    """Give the gates on an entry's order, in order; a contract has none of these rules."""
    rules = request.rules
    if rules is None or request.kind != "spot":
        return
    state = "trading" if rules.is_trading else "halted"
    yield ask(
        "instrument_state",
        state,
        "equal",
        "trading",
        "The instrument is {value}; it has to be {limit}.",
    )
    yield from _size_gates(request.quantity, request.price, rules)
    kept = EXACT.multiply(request.quantity, 1 - request.fee_in_base_ratio)
    later = floored(EXACT.add(facts.held, kept), rules.lot)
    yield ask(
        "sellable_quantity",
        later,
        "at_least",
        max(rules.minimum_quantity, rules.lot) or None,
        "{value} could be sold later, after the fee; the venue takes {limit} or more.",
    )
    fall = max(limits.stop_loss_ratio or 0, limits.trailing_stop_ratio or 0)
    low = EXACT.multiply(request.price, 1 - max(fall, limits.sell_headroom_ratio))
    yield ask(
        "sellable_value",
        EXACT.multiply(later, low),
        "at_least",
        rules.minimum_notional or None,
        "It would be worth {value} at the lowest price of exit; the venue takes {limit} or more.",
    )


def exit_order_gates(request: ExitRequest) -> Iterator[Gate]:
    """Give the gates on an exit's order: that it is held, and that the venue can take it."""
    phrase = "The exit closes {value}; {limit} are held."
    yield ask("exit_held", request.quantity, "at_most", request.held, phrase)
    yield from _size_gates(request.quantity, request.price, request.rules)


def _size_gates(quantity: Decimal, price: Decimal, rules: InstrumentRules) -> Iterator[Gate]:
    yield ask("quantity", quantity, "above", 0, "The quantity is {value}; it is above {limit}.")
    yield ask(
        "lot",
        quantity,
        "equal",
        floored(quantity, rules.lot) if rules.lot else None,
        "The quantity is {value}; on the venue's grid it is {limit}.",
    )
    yield ask(
        "minimum_quantity",
        quantity,
        "at_least",
        rules.minimum_quantity or None,
        "The quantity is {value}; the venue takes {limit} or more.",
    )
    yield ask(
        "maximum_quantity",
        quantity,
        "at_most",
        rules.maximum_quantity or None,
        "The quantity is {value}; the venue takes {limit} or less.",
    )
    yield ask(
        "minimum_notional",
        EXACT.multiply(quantity, price),
        "at_least",
        rules.minimum_notional or None,
        "The order is worth {value}; the venue takes {limit} or more.",
    )
