"""Movements of money: what an execution adds to the ledger, to the digit that is kept."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from candela.money import EXACT, ZERO
from candela.orders.records import Account, Intent, LedgerEntry
from candela.orders.words import Execution

__all__ = ["as_stored", "movements"]

_PLACES: Final = 18
_SCALE: Final = Decimal("1e-18")


def movements(account: Account, intent: Intent, execution: Execution) -> tuple[LedgerEntry, ...]:
    """Return what an execution moves: base, quote, and the fee in whatever it was taken."""
    base, quote = execution.symbol.split("/", 1)
    sign = execution.side.sign
    key = f"fill:{execution.symbol}:{execution.trade_id}"
    value = as_stored(EXACT.multiply(execution.quantity, execution.price))
    moves = [
        ("base", base, execution.quantity * sign, "fill"),
        ("quote", quote, EXACT.subtract(ZERO, value) if sign > 0 else value, "fill"),
    ]
    if execution.fee:
        moves.append(("fee", execution.fee_ccy, -execution.fee, "fee"))
    return tuple(
        LedgerEntry(
            account=account.key,
            entry_key=f"{key}:{part}",
            ccy=ccy,
            amount=amount,
            kind="fee" if kind == "fee" else "fill",
            occurred_at=execution.executed_at,
            bot_id=intent.bot_id,
        )
        for part, ccy, amount, kind in moves
    )


def as_stored(value: Decimal) -> Decimal:
    """Round to what the database keeps, so that a sum here is the sum there."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_PLACES:
        return value.quantize(_SCALE, context=EXACT)
    return value
