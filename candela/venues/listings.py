"""What a venue offers for one instrument: asked of it, or as it was last known."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from candela.bots.market import Market
from candela.errors import BrokerError, RateLimited
from candela.market.fees import venue_fees
from candela.money import ZERO, decimal_of
from candela.orders.words import InstrumentRules
from candela.venues.known import require_venue

if TYPE_CHECKING:
    import psycopg

    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from candela.venues.client import VenueClient

__all__ = ["market_of"]

_KNOWN: Final = """
SELECT i.is_active, i.base_ccy, i.quote_ccy, i.price_tick, i.amount_step, i.minimum_cost
FROM market.instruments AS i INNER JOIN market.venues AS v USING (venue)
WHERE i.venue = %s AND i.symbol = %s AND v.refreshed_at IS NOT NULL
"""
_BPS: Final = Decimal(10_000)


def market_of(
    connection: psycopg.Connection[Any],
    client: VenueClient,
    instrument: Instrument,
    timeframe: Timeframe | None = None,
) -> Market:
    """Return what the venue says of an instrument, in bars of a length that it offers.

    A venue that does not answer is taken at the word of the catalogue, where that knows the symbol.

    Parameters
    ----------
    connection
        May read schema market.
    timeframe
        None: bars do not matter.

    Raises
    ------
    UnknownVenue, UnknownSymbol, TimeframeNotOffered
        There is no such exchange, or it does not have it; the hint says what there is.
    BrokerError
        It does not answer, and the catalogue does not know the symbol.
    RateLimited
        It says wait, or this machine has asked enough; and neither does the catalogue know it.
    """
    require_venue(instrument.venue)
    try:
        if timeframe is not None:
            client.require(instrument.symbol, timeframe)
        listed = client.listing(instrument.symbol)
    except (BrokerError, RateLimited):
        row = connection.execute(_KNOWN, (instrument.venue, instrument.symbol)).fetchone()
        if row is None:
            raise
        is_active, base, quote, *steps = cast("tuple[Any, ...]", row)
        amounts = [Decimal(step) if step is not None else ZERO for step in steps]
        return _market(instrument, base, quote, amounts, is_active=is_active, is_assumed=True)
    steps = (listed.price_tick, listed.amount_step, listed.minimum_cost)
    amounts = [ZERO if step is None else decimal_of(step) for step in steps]
    return _market(
        instrument,
        listed.base,
        listed.quote,
        amounts,
        is_active=listed.is_active,
        is_assumed=False,
    )


def _market(
    instrument: Instrument,
    base: str | None,
    quote: str | None,
    amounts: list[Decimal],
    *,
    is_active: bool,
    is_assumed: bool,
) -> Market:
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
