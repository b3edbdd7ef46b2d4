"""The fill model of paper orders: that of the backtests, on quotes instead of bars."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from candela.fills.model import FillModel, VenueRules
from candela.fills.prices import market_price
from candela.fills.state import packed_terms
from candela.money import EXACT, ZERO, decimal_of, floored, quotient
from candela.orders.words import Execution, InstrumentRules, OrderKind, OrderRequest, Quote, Side

if TYPE_CHECKING:
    from datetime import datetime

    from candela.fills.model import Costs

__all__ = ["PAPER_KINDS", "PaperTerms", "without_trigger"]

PAPER_KINDS: Final = frozenset(OrderKind)
_WITH_TRIGGER: Final = {
    OrderKind.STOP_LOSS: OrderKind.MARKET,
    OrderKind.TAKE_PROFIT: OrderKind.MARKET,
    OrderKind.STOP_LOSS_LIMIT: OrderKind.LIMIT,
    OrderKind.TAKE_PROFIT_LIMIT: OrderKind.LIMIT,
}
_LOSSES: Final = frozenset({OrderKind.STOP_LOSS, OrderKind.STOP_LOSS_LIMIT})
_PRICED: Final = frozenset(
    {
        OrderKind.LIMIT,
        OrderKind.LIMIT_MAKER,
        OrderKind.IOC,
        OrderKind.STOP_LOSS_LIMIT,
        OrderKind.TAKE_PROFIT_LIMIT,
    }
)
_BPS: Final = Decimal(10_000)
# The grid's own rounding was done on doubles; the decimal is put on the very point.
_HALF: Final = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class PaperTerms:
    """Costs and rules of one instrument.

    Parameters
    ----------
    packed
        One ``TERMS`` row; slippage is in it, the spread is not, for quotes bring their own.
    half_spread, taker, maker
        Ratios.
    """

    rules: InstrumentRules
    packed: Any
    half_spread: Decimal
    taker: Decimal
    maker: Decimal

    @classmethod
    def of(cls, costs: Costs | None, rules: InstrumentRules) -> PaperTerms:
        """Return the terms of costs on an instrument; without costs, the fees that it lists."""
        grid = VenueRules(
            lot=float(rules.lot),
            tick=float(rules.tick),
            minimum_notional=float(rules.minimum_notional),
        )
        if costs is None:
            model = FillModel(rules=grid)
            taker, maker, half = rules.taker_fee, rules.maker_fee, ZERO
        else:
            model = FillModel(costs=costs.model_copy(update={"spread_bps": 0.0}), rules=grid)
            taker = decimal_of(costs.taker_fee_bps) / _BPS
            maker = decimal_of(costs.maker_bps) / _BPS
            half = decimal_of(costs.spread_bps) / 2 / _BPS
        return cls(
            rules=replace(rules, taker_fee=taker, maker_fee=maker, kinds=PAPER_KINDS),
            packed=packed_terms(model)[0],
            half_spread=half,
            taker=taker,
            maker=maker,
        )

    def refusal(self, request: OrderRequest, quote: Quote) -> str | None:
        """Return why a venue would not take the order: a code, then words; None where it would."""
        rules, quantity, kind = self.rules, request.quantity, request.kind
        value = quantity * self._reference(request, quote)
        largest = rules.maximum_quantity or quantity
        found = {
            f"halted {rules.symbol} is not traded now": not rules.is_trading,
            f"lot quantity {quantity} is not on the grid of {rules.lot}": (
                quantity <= 0 or quantity != floored(quantity, rules.lot)
            ),
            f"lot quantity {quantity} is not {rules.minimum_quantity} to {largest}": (
                not rules.minimum_quantity <= quantity <= largest
            ),
            f"tick price {request.price} is not on the grid of {rules.tick}": (
                kind in _PRICED and not self._is_price(request.price)
            ),
            f"tick trigger {request.stop_price} is not on the grid of {rules.tick}": (
                kind in _WITH_TRIGGER and not self._is_price(request.stop_price)
            ),
            f"notional value {value} is below {rules.minimum_notional}": (
                value < rules.minimum_notional
            ),
            "maker the order would take": (
                kind is OrderKind.LIMIT_MAKER and self._crosses(request, quote)
            ),
            "trigger the order would trigger at once": (
                kind in _WITH_TRIGGER and self.is_triggered(request, quote)
            ),
        }
        return next((words for words, is_so in found.items() if is_so), None)

    def taken_at(self, request: OrderRequest, quote: Quote) -> Decimal | None:
        """Return the price at which the order is filled at once; None where it rests.

        A market order pays the quote, or the configured spread around its middle where that is
        worse, and the slippage on top. A limit order takes the quote.
        """
        if request.kind is OrderKind.MARKET:
            return self._market_price(request.side, quote)
        if request.kind in {OrderKind.LIMIT, OrderKind.IOC} and self._crosses(request, quote):
            return quote.ask if request.side is Side.BUY else quote.bid
        return None

    def is_triggered(self, request: OrderRequest, quote: Quote) -> bool:
        """Return whether a quote has reached the trigger of a protective order."""
        if request.stop_price is None:
            return False
        is_buy = request.side is Side.BUY
        price = quote.ask if is_buy else quote.bid
        rises = (request.kind in _LOSSES) is is_buy
        return price >= request.stop_price if rises else price <= request.stop_price

    def fee(self, value: Decimal, *, maker: bool) -> Decimal:
        """Return the fee of a value, in the quote currency, as the backtests take it."""
        return quotient(EXACT.multiply(value, self.maker if maker else self.taker), Decimal(1))

    def needed(self, request: OrderRequest, quantity: Decimal, quote: Quote | None) -> Decimal:
        """Return what a buy of so much may cost at most, fee included, in the quote currency."""
        price = request.price or request.stop_price
        if quote is not None and request.kind is OrderKind.MARKET:
            price = self._market_price(request.side, quote)
        value = EXACT.multiply(quantity, price or ZERO)
        return value + max(self.fee(value, maker=False), self.fee(value, maker=True))

    def execution(
        self,
        request: OrderRequest,
        price: Decimal,
        quantity: Decimal,
        at: datetime,
        *,
        maker: bool,
    ) -> Execution:
        """Return the execution of all that is left of an order; its id follows from the order."""
        return Execution(
            trade_id=f"paper-{request.client_id}-1",
            venue_order_id=f"paper-{request.client_id}",
            client_id=request.client_id,
            symbol=request.symbol,
            side=request.side,
            quantity=quantity,
            price=price,
            fee=self.fee(EXACT.multiply(quantity, price), maker=maker),
            fee_ccy=self.rules.quote,
            is_maker=maker,
            executed_at=at,
        )

    def _is_price(self, price: Decimal | None) -> bool:
        return price is not None and price > 0 and price == floored(price, self.rules.tick)

    def _market_price(self, side: Side, quote: Quote) -> Decimal:
        if side is Side.BUY:
            raw = max(quote.ask, quote.mid * (1 + self.half_spread))
        else:
            raw = min(quote.bid, quote.mid * (1 - self.half_spread))
        price = decimal_of(market_price(self.packed, float(raw), side.sign, 0.0))
        tick = self.rules.tick
        return floored(price + tick * _HALF, tick) if tick > 0 else price

    def _crosses(self, request: OrderRequest, quote: Quote) -> bool:
        if request.price is None:
            return False
        if request.side is Side.BUY:
            return request.price >= quote.ask
        return request.price <= quote.bid

    def _reference(self, request: OrderRequest, quote: Quote) -> Decimal:
        if request.kind in _PRICED and request.price is not None:
            return request.price
        return request.stop_price or quote.mid


def without_trigger(request: OrderRequest) -> OrderRequest:
    """Return the order that a protective one becomes when it is triggered."""
    kind = _WITH_TRIGGER.get(request.kind, request.kind)
    return replace(request, kind=kind, stop_price=None)
