"""Rankings: a venue's symbols by turnover and by change over 24 hours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from candela.venues.answers import Ticker
    from candela.venues.client import VenueClient

__all__ = ["Ranked", "rank", "refresh_rankings", "write_rankings"]

_INSERT: Final = """
INSERT INTO market.rankings
    (ranked_at, venue, symbol, volume_rank, change_rank, quote_volume_24h, change_24h_ratio,
     last_price)
SELECT s.ranked_at, s.venue, s.symbol, s.volume_rank, s.change_rank, s.quote_volume_24h,
    s.change_24h_ratio, s.last_price
FROM ranking_stage AS s
ON CONFLICT (ranked_at, venue, symbol) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A symbol's places in its venue; None where the venue does not give the figure.

    Parameters
    ----------
    volume_rank
        1 is the largest turnover, in units of the symbol's own quote currency: only symbols of
        one quote currency can be compared by it.
    change_rank
        1 is the largest rise.
    """

    symbol: str
    volume_rank: int | None
    change_rank: int | None
    quote_volume: float | None
    change_ratio: float | None
    last: float | None


def rank(tickers: list[Ticker]) -> list[Ranked]:
    """Rank tickers by turnover and by change, equal figures by symbol; in order of symbol."""
    by_volume = _places(tickers, lambda one: one.quote_volume)
    by_change = _places(tickers, lambda one: one.change_ratio)
    return [
        Ranked(
            one.symbol,
            by_volume.get(one.symbol),
            by_change.get(one.symbol),
            one.quote_volume,
            one.change_ratio,
            one.last,
        )
        for one in sorted(tickers, key=lambda one: one.symbol)
    ]


def refresh_rankings(
    connection: psycopg.Connection, client: VenueClient, *, now: datetime
) -> list[Ranked]:
    """Rank a venue's symbols by its tickers and store the ranking under an instant.

    Raises
    ------
    VenueUnsupported
        The venue has no call for all tickers at once.
    VenueUnavailable, VenueAnswerInvalid, VenueThrottled, VenueRefused, BudgetExhausted
        See `VenueSession.call`.
    """
    ranked = rank(client.tickers())
    write_rankings(connection, client.venue, ranked, now=now)
    return ranked


def write_rankings(
    connection: psycopg.Connection, venue: str, ranked: list[Ranked], *, now: datetime
) -> int:
    """Store a ranking; one of the same instant stays. Returns how many rows are new."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE ranking_stage (LIKE market.rankings) ON COMMIT DROP")
        with cursor.copy(
            "COPY ranking_stage (ranked_at, venue, symbol, volume_rank, change_rank,"
            " quote_volume_24h, change_24h_ratio, last_price) FROM STDIN"
        ) as copy:
            for one in ranked:
                copy.write_row(
                    (
                        now,
                        venue,
                        one.symbol,
                        one.volume_rank,
                        one.change_rank,
                        one.quote_volume,
                        one.change_ratio,
                        one.last,
                    )
                )
        return cursor.execute(_INSERT).rowcount


def _places(tickers: list[Ticker], figure: Callable[[Ticker], float | None]) -> dict[str, int]:
    known = [
        (-value, one.symbol)
        for one in tickers
        if (value := figure(one)) is not None and math.isfinite(value)
    ]
    return {symbol: place for place, (_, symbol) in enumerate(sorted(known), start=1)}
