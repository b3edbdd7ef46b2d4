"""Fees: how much of which asset a fill costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Final

from sandbox.records import ZERO

if TYPE_CHECKING:
    from sandbox.listing import Symbol
    from sandbox.records import Account, Order

__all__ = ["Fees"]

_SMALLEST: Final = Decimal("0.00000001")


@dataclass(slots=True)
class Fees:
    """What a fill costs.

    Parameters
    ----------
    bps
        Hundredths of a percent of the fill's value.
    asset
        ``received`` charges what the fill brings, ``base`` and ``quote`` that side, another name
        such as BNB a third asset at ``third_price`` units of the quote, where there is enough.
    """

    bps: Decimal = Decimal(10)
    asset: str = "received"
    third_price: Decimal = Decimal(300)

    def due(
        self, account: Account, order: Order, symbol: Symbol, price: Decimal, quantity: Decimal
    ) -> tuple[str, Decimal]:
        """Return the asset and the amount that a fill is charged, rounded down to eight decimals.

        Where there is not enough of the chosen asset, what the fill brings is charged.
        """
        rate = self.bps / 10_000
        value = price * quantity
        got, amount = (symbol.base, quantity) if order.is_buy else (symbol.quote, value)
        given = {symbol.quote: value} if order.is_buy else {symbol.base: quantity}
        match self.asset:
            case "received":
                asset, due = got, amount
            case "base":
                asset, due = symbol.base, quantity
            case "quote":
                asset, due = symbol.quote, value
            case other:
                asset, due = other, value / self.third_price
        fee = (due * rate).quantize(_SMALLEST, ROUND_DOWN)
        if asset != got:
            held = order.taken(price, quantity) if order.held_asset == asset else ZERO
            if account.balance(asset).free + held < fee + given.get(asset, ZERO):
                return got, (amount * rate).quantize(_SMALLEST, ROUND_DOWN)
        return asset, fee
