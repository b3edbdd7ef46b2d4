"""What can be wrong with an order by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.errors import Conflict, StrategyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.kit.problems import Fault

__all__ = ["OrderRefused", "PayoutOrdersNotOffered"]


class OrderRefused(StrategyError):
    """A field of the order that cannot be used."""

    code = "order_refused"

    def __init__(self, message: str, hint: str | None, faults: Sequence[Fault]) -> None:
        super().__init__(message, hint)
        self.faults = tuple(faults)


class PayoutOrdersNotOffered(Conflict):
    """Contracts with a fixed payout are staked by bots alone."""

    code = "payout_orders_not_offered"
