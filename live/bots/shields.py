"""The stop at a venue: the order that should rest there, and the one that does."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from candela.money import EXACT
from candela.orders.words import OrderKind

__all__ = ["Level", "Shield"]

_STEP: Final = Decimal("0.002")
"""Rise of a trailing level that is worth a cancellation and a new order."""


@dataclass(frozen=True, slots=True)
class Level:
    """The order that should rest.

    Parameters
    ----------
    limit
        None: it sells at whatever the market gives.
    """

    kind: OrderKind
    quantity: Decimal
    stop: Decimal
    limit: Decimal | None


@dataclass(frozen=True, slots=True)
class Shield:
    """A stop of a bot that is not final.

    Parameters
    ----------
    rests
        Whether the venue has it for certain, so that quotes need not be watched for it.
    sells
        Whether it was triggered and has sold a part.
    """

    intent_id: UUID
    quantity: Decimal
    stop: Decimal
    limit: Decimal | None
    rests: bool
    sells: bool = False

    def is_for(self, level: Level) -> bool:
        """Return whether it does for what should rest now."""
        if self.sells:
            return True
        if self.quantity != level.quantity:
            return False
        step = EXACT.multiply(self.stop, _STEP)
        return self.stop - step < level.stop < self.stop + step

    def covers(self, bid: Decimal) -> bool:
        """Return whether it sells at a price: one with a limit does not far below."""
        return self.rests and (self.limit is None or bid >= self.limit)
