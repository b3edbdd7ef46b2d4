"""Stop, target and trailing stop of a position: their prices, and when a quote triggers one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Final, Literal

from candela.money import EXACT, ceiled, floored

if TYPE_CHECKING:
    from candela.orders.words import Quote

__all__ = ["Protection", "Trigger", "TriggerReason"]

TriggerReason = Literal["stop", "trailing", "target"]

_NEAR: Final = Decimal("1e-9")
_NEAR_ITSELF: Final = Decimal("1e-15")
"""Of a tick, and of the level: one as near to a grid point is that point, as in backtests."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A level that the market reached.

    Parameters
    ----------
    level
        The price that was to be touched.
    price
        What the quote offers for the position: worse than the level after a jump.
    """

    reason: TriggerReason
    level: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The levels of one position, by the rules of docs/concepts/fills.md, section 3.

    Longs are closed at the bid and shorts at the ask, so those are what levels are compared with.
    Shares are those of the position's first entry: legs do not bring their own.

    Parameters
    ----------
    side
        +1 for a long, -1 for a short.
    mean
        Average price of the units held, slippage inside; see `with_leg`.
    best
        Highest bid since entry (lowest ask of a short); at entry the price of the fill.
    tick
        Grid of prices; 0 is none.
    """

    side: int
    mean: Decimal
    best: Decimal
    stop_loss_ratio: Decimal | None = None
    take_profit_ratio: Decimal | None = None
    trailing_stop_ratio: Decimal | None = None
    tick: Decimal = Decimal(0)

    @property
    def stop(self) -> tuple[Decimal, TriggerReason] | None:
        """The nearer of stop and trailing stop, the stop on a tie; None: neither was given."""
        levels: list[tuple[Decimal, TriggerReason]] = []
        if self.stop_loss_ratio is not None:
            levels.append((self._level(self.mean, -self.stop_loss_ratio), "stop"))
        if self.trailing_stop_ratio is not None:
            levels.append((self._level(self.best, -self.trailing_stop_ratio), "trailing"))
        return max(levels, key=lambda level: self.side * level[0], default=None)

    @property
    def target(self) -> Decimal | None:
        """The price of the target, on the tick grid away from the market."""
        if self.take_profit_ratio is None:
            return None
        level = self._level(self.mean, self.take_profit_ratio)
        return ceiled(level, self.tick) if self.side > 0 else floored(level, self.tick)

    def trigger(self, quote: Quote) -> Trigger | None:
        """Return which level a quote reaches, the stop before the target; touching is reaching."""
        price = self._closing_price(quote)
        if price <= 0:
            return None  # no side of the book: nothing is known of the price
        stop = self.stop
        if stop is not None and self.side * (price - stop[0]) <= 0:
            return Trigger(stop[1], stop[0], price)
        target = self.target
        # A short's target below 0 is never reached.
        if target is not None and target > 0 and self.side * (price - target) >= 0:
            return Trigger("target", target, price)
        return None

    def seen(self, quote: Quote) -> Protection:
        """Return the protection after a quote that triggered nothing: it may be the best yet."""
        price = self._closing_price(quote)
        if price <= 0 or self.side * (price - self.best) <= 0:
            return self
        return replace(self, best=price)

    def with_leg(self, held: Decimal, quantity: Decimal, price: Decimal) -> Protection:
        """Return the protection after a leg has filled: the mean moves, the best price does not.

        Parameters
        ----------
        held
            Base held before; a partial exit changes it and nothing else.
        """
        cost = EXACT.add(EXACT.multiply(held, self.mean), EXACT.multiply(quantity, price))
        return replace(self, mean=EXACT.divide(cost, EXACT.add(held, quantity)))

    def _level(self, price: Decimal, ratio: Decimal) -> Decimal:
        level = EXACT.multiply(price, 1 + self.side * ratio)
        if self.tick <= 0:
            return level
        steps = EXACT.divide(level, self.tick)
        whole = steps.to_integral_value(rounding=ROUND_HALF_EVEN)
        near = _NEAR + abs(whole) * _NEAR_ITSELF
        return EXACT.multiply(whole, self.tick) if abs(steps - whole) <= near else level

    def _closing_price(self, quote: Quote) -> Decimal:
        return quote.bid if self.side > 0 else quote.ask
