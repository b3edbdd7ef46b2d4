"""Paper orders that rest, by the price at which they are reached."""

from __future__ import annotations

import heapq
from decimal import Decimal
from typing import TYPE_CHECKING

from candela.orders.words import OrderKind, Quote, Side

if TYPE_CHECKING:
    from candela.brokers.paper_account import PaperOrder

__all__ = ["PaperBook"]

_Heap = list[tuple[Decimal, int, "PaperOrder"]]


class PaperBook:
    """Order heaps: a look at a quote costs four comparisons, however many orders rest.

    Cancelled orders stay until they come to the top.
    """

    def __init__(self) -> None:
        self._heaps: dict[tuple[str, Side, bool], _Heap] = {}
        self._turn = 0

    def add(self, order: PaperOrder) -> None:
        """Let an order rest."""
        request = order.request
        level = _level(order)
        rises = _is_reached_rising(order)
        self._turn += 1
        heap = self._heaps.setdefault((request.symbol, request.side, rises), [])
        # The lowest level is reached first by a rising price, the highest by a falling one.
        heapq.heappush(heap, (level if rises else -level, self._turn, order))

    def reached(self, quote: Quote) -> PaperOrder | None:
        """Take out and return an order that the quote reaches; None where it reaches none."""
        for side in Side:
            # A buy meets the ask, a sell the bid.
            price = quote.ask if side is Side.BUY else quote.bid
            for rises in (False, True):
                heap = self._heaps.get((quote.symbol, side, rises))
                while heap and not heap[0][2].is_open:
                    heapq.heappop(heap)
                if not heap:
                    continue
                level = heap[0][0] if rises else -heap[0][0]
                if price >= level if rises else price <= level:
                    return heapq.heappop(heap)[2]
        return None


def _level(order: PaperOrder) -> Decimal:
    request = order.request
    level = request.stop_price if request.stop_price is not None else request.price
    if level is None:
        message = f"order {request.client_id} has no price to rest at"
        raise ValueError(message)
    return level


def _is_reached_rising(order: PaperOrder) -> bool:
    request = order.request
    is_buy = request.side is Side.BUY
    if request.stop_price is None:
        return not is_buy
    is_loss = request.kind in {OrderKind.STOP_LOSS, OrderKind.STOP_LOSS_LIMIT}
    return is_loss is is_buy
