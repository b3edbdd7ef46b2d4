"""What a venue offers for one instrument: asked of it, or as it was last known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from candela.errors import BrokerError, RateLimited
from candela.money import ZERO, decimal_of
from candela.venues.known import require_venue
from candela.venues.stored import known_market, market_from

if TYPE_CHECKING:
    import psycopg

    from candela.bots.market import Market
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from candela.venues.client import VenueClient

__all__ = ["market_of"]


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
        stored = known_market(connection, instrument)
        if stored is None:
            raise
        return stored
    steps = (listed.price_tick, listed.amount_step, listed.minimum_cost)
    amounts = [ZERO if step is None else decimal_of(step) for step in steps]
    return market_from(
        instrument,
        listed.base,
        listed.quote,
        amounts,
        is_active=listed.is_active,
        is_assumed=False,
    )
