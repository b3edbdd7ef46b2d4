"""Books that look on: at moves that the graph does not have, and at what is called external."""

from __future__ import annotations

from decimal import Decimal

from candela.money import EXACT, ZERO
from candela.orders.graph import may_move
from candela.orders.records import Intent, LedgerEntry, Order
from live.store.memory_books import MemoryBooks

__all__ = ["WatchedBooks"]


class WatchedBooks(MemoryBooks):
    """Books that note each move of an order that the graph does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.breaches: list[str] = []
        self.true_external: dict[str, list[Decimal]] = {}
        self._adopted: dict[str, Decimal] = {}

    def keep_entry(self, entry: LedgerEntry) -> None:
        """Write a movement, looking whether what is called external ever was."""
        if entry.kind == "external":
            adopted = EXACT.add(self._adopted.get(entry.ccy, ZERO), entry.amount)
            self._adopted[entry.ccy] = adopted
            if adopted not in self.true_external.get(entry.ccy, ()):
                self.breaches.append(f"4 {adopted} {entry.ccy} were never external")
        super().keep_entry(entry)

    def note_external_truth(self, ccy: str, amount: Decimal) -> None:
        """Note what somebody else did to the account."""
        history = self.true_external.setdefault(ccy, [ZERO])
        history.append(EXACT.add(history[-1], amount))

    def add_intent(self, intent: Intent) -> None:
        """Write an intent, looking at whose it is."""
        if intent.epoch != self.epochs[intent.shard]:
            self.breaches.append(f"7 intent {intent.intent_id} was committed after its lease")
        super().add_intent(intent)

    def keep_order(self, order: Order) -> None:
        """Write an attempt, looking at where it comes from."""
        before = self.orders[order.client_id].state
        if order.state is not before and not may_move(before, order.state, by_late_fill=True):
            self.breaches.append(f"{order.client_id} went from {before} to {order.state}")
        super().keep_order(order)
