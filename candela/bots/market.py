"""What a venue offers for one instrument, as far as a bot's making depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from candela.market.instrument import Instrument
from candela.orders.words import InstrumentRules

__all__ = ["Market", "usd_per"]

_DOLLARS: Final = frozenset(
    {"USD", "USDT", "USDC", "FDUSD", "TUSD", "USDP", "PYUSD", "DAI", "BUSD"}
)


@dataclass(frozen=True, slots=True)
class Market:
    """A symbol that its venue lists, in bars that it offers.

    Parameters
    ----------
    is_assumed
        The venue did not answer: its rules are those last read, or none.
    """

    instrument: Instrument
    rules: InstrumentRules
    is_assumed: bool = False


def usd_per(ccy: str) -> Decimal | None:
    """Return what a unit of a currency is worth in US dollars; None: not known without a quote.

    Tokens that stand for a dollar count as one.
    """
    return Decimal(1) if ccy in _DOLLARS else None
