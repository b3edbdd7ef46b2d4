"""What is known of an instrument without asking its venue."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import tuple_row

from candela.bots.market import Market
from candela.errors import DataError
from candela.market.fees import venue_fees
from candela.money import ZERO, decimal_of
from candela.orders.words import InstrumentRules
from candela.venues.known import require_venue
from candela.venues.shipped import shipped_symbols

if TYPE_CHECKING:
    import psycopg

    from candela.market.instrument import Instrument

__all__ = ["InstrumentNotKnown", "known_market", "market_from", "stored_market_of"]

_KNOWN: Final = """
SELECT i.is_active, i.base_ccy, i.quote_ccy, i.price_tick, i.amount_step, i.minimum_cost
FROM market.instruments AS i INNER JOIN market.venues AS v USING (venue)
WHERE i.venue = %s AND i.symbol = %s AND v.refreshed_at IS NOT NULL
"""
_BPS: Final = Decimal(10_000)


class InstrumentNotKnown(DataError):
    """Nobody has read from the venue that it lists the symbol."""

    code = "instrument_not_known"


def stored_market_of(connection: psycopg.Connection[Any], instrument: Instrument) -> Market:
    """Return what is known of an instrument without asking its venue.

    Taken from the catalogue in the database, else from the list that ships, which has no steps and
    minima: orders are held against the venue's own rules by the executor in any case.

    Parameters
    ----------
    connection
        May read schema market.

    Raises
    ------
    UnknownVenue
        There is no such exchange.
    InstrumentNotKnown
        Neither the catalogue nor the shipped list has the symbol.
    """
    require_venue(instrument.venue)
    stored = known_market(connection, instrument)
    if stored is not None:
        return stored
    if instrument.symbol in shipped_symbols(instrument.venue):
        none = [ZERO, ZERO, ZERO]
        return market_from(instrument, None, None, none, is_active=True, is_assumed=True)
    message = f"{instrument} is not in the catalogue."
    hint = "Take a symbol that the catalogue lists; it is read from the venues every few minutes."
    raise InstrumentNotKnown(message, hint)


def known_market(connection: psycopg.Connection[Any], instrument: Instrument) -> Market | None:
    """Return what the catalogue says of an instrument; None where its venue was never read."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_KNOWN, (instrument.venue, instrument.symbol)).fetchone()
    if row is None:
        return None
    is_active, base, quote, *steps = row
    amounts = [Decimal(step) if step is not None else ZERO for step in steps]
    return market_from(instrument, base, quote, amounts, is_active=is_active, is_assumed=True)


def market_from(
    instrument: Instrument,
    base: str | None,
    quote: str | None,
    amounts: list[Decimal],
    *,
    is_active: bool,
    is_assumed: bool,
) -> Market:
    """Return a market of what its venue said.

    Parameters
    ----------
    amounts
        Steps of price and of quantity, and least value of an order; 0: not known.
    """
    pair = instrument.symbol.partition(":")[0].partition("/")
    tick, lot, minimum_notional = amounts
    fees = venue_fees(instrument)
    rules = InstrumentRules(
        symbol=instrument.symbol,
        base=base or pair[0],
        quote=quote or pair[2],
        lot=lot,
        tick=tick,
        minimum_quantity=lot,
        minimum_notional=minimum_notional,
        taker_fee=ZERO if fees is None else decimal_of(fees.taker_bps) / _BPS,
        maker_fee=ZERO if fees is None else decimal_of(fees.maker_bps) / _BPS,
        is_trading=is_active,
    )
    return Market(instrument, rules, is_assumed=is_assumed)
