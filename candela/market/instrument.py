"""Instruments: what is traded and where, named ``exchange:SYMBOL``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from candela.errors import DataError

__all__ = ["BadInstrument", "Instrument", "likely_kind"]

_VENUE: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")
# The currencies that trade around the clock on weekdays only, against each other and metals.
# fmt: off
_FIAT: Final = frozenset({
    "AUD", "BRL", "CAD", "CHF", "CNH", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS",
    "INR", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "RUB", "SEK", "SGD",
    "THB", "TRY", "TWD", "USD", "ZAR",
})
# fmt: on
_METALS: Final = frozenset({"XAG", "XAU", "XPD", "XPT"})
_SYMBOL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:$+-]{0,59}")


class BadInstrument(DataError):
    """The text does not name an instrument."""

    code = "bad_instrument"


@dataclass(frozen=True, slots=True, order=True)
class Instrument:
    """A symbol at a venue, such as ``bitfinex:BTC/USD`` or ``bybit:BTC/USDT:USDT``.

    The venue is a ccxt exchange id in lower case, or the name of a file source; the symbol is
    ccxt's unified symbol and may itself hold a colon (the settlement currency).
    """

    venue: str
    symbol: str

    def __post_init__(self) -> None:
        if not _VENUE.fullmatch(self.venue) or not _SYMBOL.fullmatch(self.symbol):
            message = f"{self.venue}:{self.symbol} does not name an instrument."
            raise BadInstrument(message, "Write exchange:SYMBOL, as in bitfinex:BTC/USD.")

    @classmethod
    def parse(cls, text: str) -> Instrument:
        """Read ``exchange:SYMBOL``.

        Raises
        ------
        BadInstrument
            No colon, or a part with characters that no venue or symbol has.
        """
        venue, colon, symbol = text.strip().partition(":")
        if not colon:
            message = f"{text!r} does not name an instrument."
            raise BadInstrument(message, "Write exchange:SYMBOL, as in bitfinex:BTC/USD.")
        return cls(venue.lower(), symbol)

    def __str__(self) -> str:
        return f"{self.venue}:{self.symbol}"


def likely_kind(symbol: str) -> str:
    """Return what a symbol most likely is, where nobody says: for files, which name no kind.

    ``perpetual`` with a settlement currency, ``fx`` and ``metal`` by their currencies, ``equity``
    without a quote currency, else ``spot``.
    """
    pair, _, settlement = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if settlement:
        return "perpetual"
    if not slash:
        return "equity"
    if quote in _FIAT and base in _METALS:
        return "metal"
    return "fx" if quote in _FIAT and base in _FIAT else "spot"
