"""The catalogue: what venues list, kept in the database, delisted symbols too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from candela.errors import BrokerError, RateLimited
from candela.market.instrument import BadInstrument, Instrument
from candela.venues.answers import ListedSymbol
from candela.venues.shipped import shipped_symbols, shipped_venues

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from candela.venues.client import VenueClient

__all__ = [
    "CatalogueReport",
    "fallback_symbols",
    "fallback_venues",
    "refresh_catalogue",
    "write_catalogue",
]

_STAGE: Final = """
CREATE TEMPORARY TABLE listed_stage (
    symbol text NOT NULL, kind text NOT NULL, base_ccy text, quote_ccy text,
    is_active boolean NOT NULL, price_tick double precision, amount_step double precision,
    minimum_cost double precision
) ON COMMIT DROP
"""
_COPY: Final = (
    "COPY listed_stage (symbol, kind, base_ccy, quote_ccy, is_active, price_tick, amount_step,"
    " minimum_cost) FROM STDIN"
)
_VENUE: Final = """
INSERT INTO market.venues AS v (venue, kind, refreshed_at, source)
VALUES (%(venue)s, 'exchange', %(at)s, %(source)s)
ON CONFLICT (venue) DO UPDATE SET
    kind = 'exchange', refreshed_at = excluded.refreshed_at, source = excluded.source
"""
# A row is touched only where something about it changed, or once an hour for last_seen_at: a
# refresh every five minutes of thousands of symbols would else be a table rewritten each time.
_LIST: Final = """
INSERT INTO market.instruments AS i
    (venue, symbol, kind, base_ccy, quote_ccy, is_active, price_tick, amount_step, minimum_cost,
     first_seen_at, last_seen_at)
SELECT %(venue)s, s.symbol, s.kind, s.base_ccy, s.quote_ccy, s.is_active, s.price_tick::numeric,
    s.amount_step::numeric, s.minimum_cost::numeric, %(at)s, %(at)s
FROM listed_stage AS s
ORDER BY s.symbol
ON CONFLICT (venue, symbol) DO UPDATE SET
    kind = excluded.kind, base_ccy = excluded.base_ccy, quote_ccy = excluded.quote_ccy,
    is_active = excluded.is_active, price_tick = excluded.price_tick,
    amount_step = excluded.amount_step, minimum_cost = excluded.minimum_cost,
    last_seen_at = excluded.last_seen_at
WHERE (i.kind, i.base_ccy, i.quote_ccy, i.is_active, i.price_tick, i.amount_step, i.minimum_cost)
    IS DISTINCT FROM
    (excluded.kind, excluded.base_ccy, excluded.quote_ccy, excluded.is_active,
     excluded.price_tick, excluded.amount_step, excluded.minimum_cost)
    OR i.last_seen_at < excluded.last_seen_at - interval '1 hour'
RETURNING (xmax = 0)
"""
_DELIST: Final = """
UPDATE market.instruments AS i SET is_active = false
WHERE i.venue = %(venue)s AND i.is_active
  AND NOT EXISTS (SELECT 1 FROM listed_stage AS s WHERE s.symbol = i.symbol)
"""


@dataclass(frozen=True, slots=True)
class CatalogueReport:
    """What a refresh did to one venue.

    Parameters
    ----------
    source
        ``venue``; ``fallback``: the venue did not answer and nothing was known of it yet;
        ``kept``: it did not answer, and what was known stays as it is.
    reason
        Why the venue was not the source.
    """

    venue: str
    source: Literal["venue", "fallback", "kept"]
    listed: int
    new: int = 0
    changed: int = 0
    delisted: int = 0
    reason: str | None = None


def refresh_catalogue(
    connection: psycopg.Connection, client: VenueClient, *, now: datetime
) -> CatalogueReport:
    """Bring a venue's part of the catalogue up to date.

    A venue that does not answer changes nothing; where it was never read, the list that ships
    with Candela stands in for it, marked as such.

    Parameters
    ----------
    connection
        As candela_pipelines; not in a transaction.

    Raises
    ------
    UnknownVenue
        ccxt has no exchange of that id.
    BrokerError
        The venue does not answer, nothing is known of it, and the list that ships lacks it.
    RateLimited
        Likewise; the venue, or the shared budget, says wait.
    """
    try:
        listed = client.symbols(reload=True)
        if _active(connection, client.venue) - {one.symbol for one in listed}:
            # A venue of several parts may leave one out by mistake: a symbol is taken for
            # delisted only when two readings in a row lack it.
            found = {one.symbol: one for one in listed}
            listed = list(
                (found | {one.symbol: one for one in client.symbols(reload=True)}).values()
            )
    except (BrokerError, RateLimited) as error:
        known = _known(connection, client.venue)
        if known:
            return CatalogueReport(client.venue, "kept", known, reason=error.message)
        shipped = fallback_symbols(client.venue)
        if not shipped:
            raise
        report = write_catalogue(connection, client.venue, shipped, source="fallback", now=now)
        return CatalogueReport(
            client.venue, "fallback", report.listed, report.new, reason=error.message
        )
    return write_catalogue(connection, client.venue, listed, source="venue", now=now)


def write_catalogue(
    connection: psycopg.Connection,
    venue: str,
    listed: list[ListedSymbol],
    *,
    source: Literal["venue", "fallback"],
    now: datetime,
) -> CatalogueReport:
    """Write what a venue lists; symbols that it does not list any more become inactive."""
    rows = [one for one in listed if _is_nameable(venue, one.symbol)]
    values = {"venue": venue, "at": now, "source": source}
    with connection.transaction(), connection.cursor() as cursor:
        # One refresh of a venue at a time: two would find each other's new rows in the way.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (venue,))
        cursor.execute(_VENUE, values)
        cursor.execute(_STAGE)
        with cursor.copy(_COPY) as copy:
            for one in rows:
                copy.write_row(
                    (
                        one.symbol,
                        one.kind,
                        one.base,
                        one.quote,
                        one.is_active,
                        one.price_tick,
                        one.amount_step,
                        one.minimum_cost,
                    )
                )
        written = [bool(is_new) for (is_new,) in cursor.execute(_LIST, values).fetchall()]
        # The list that ships is not whole, so it delists nothing.
        delisted = cursor.execute(_DELIST, values).rowcount if source == "venue" else 0
    return CatalogueReport(
        venue, source, len(rows), written.count(True), written.count(False), delisted
    )


def fallback_venues() -> tuple[str, ...]:
    """Return the venues that the shipped list knows."""
    return shipped_venues()


def fallback_symbols(venue: str) -> list[ListedSymbol]:
    """Return the shipped symbols of a venue; none where it is not in the list.

    Notes
    -----
    Well-known symbols only, without ticks and steps, which change: enough to start on.
    """
    found: list[ListedSymbol] = []
    for symbol in shipped_symbols(venue):
        pair, colon, _ = symbol.partition(":")
        base, _, quote = pair.partition("/")
        kind = "perpetual" if colon else "spot"
        found.append(ListedSymbol(symbol, kind, base, quote, True, None, None, None))  # noqa: FBT003 - a row
    return found


def _known(connection: psycopg.Connection, venue: str) -> int:
    with connection.transaction():
        row = connection.execute(
            "SELECT count(*) FROM market.instruments AS i INNER JOIN market.venues AS v"
            " USING (venue) WHERE i.venue = %s AND v.refreshed_at IS NOT NULL",
            (venue,),
        ).fetchone()
    return cast("int", row[0]) if row is not None else 0


def _active(connection: psycopg.Connection, venue: str) -> set[str]:
    with connection.transaction():
        rows = connection.execute(
            "SELECT symbol FROM market.instruments WHERE venue = %s AND is_active", (venue,)
        ).fetchall()
    return {cast("str", symbol) for (symbol,) in rows}


def _is_nameable(venue: str, symbol: str) -> bool:
    """Whether the symbol can be written as exchange:SYMBOL; a few venues list odd ones."""
    try:
        Instrument(venue, symbol)
    except BadInstrument:
        return False
    return True
