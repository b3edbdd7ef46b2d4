"""The catalogue of instruments: what the venues in use list, and what files brought."""

from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from candela.candles.sources import list_sources
from candela.errors import BrokerError, RateLimited
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["instruments"]

_COUNT = """
SELECT i.venue, v.kind, count(*), count(*) FILTER (WHERE i.is_active), v.source, v.refreshed_at
FROM market.instruments AS i INNER JOIN market.venues AS v USING (venue)
GROUP BY i.venue, v.kind, v.source, v.refreshed_at ORDER BY i.venue
"""


@dg.asset(
    group_name="market_data",
    kinds={"postgres"},
    description=(
        "Instruments by venue, delisted ones kept. Only venues with a registered exchange source"
        " are asked; one that does not answer changes nothing, and where it was never read the"
        " list that ships stands in, marked as such."
    ),
)
def instruments(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Refresh the catalogue of every venue that is a source."""
    unreachable: dict[str, str] = {}
    with explained(), platform.writer() as connection:
        venues = sorted(
            {one.location for one in list_sources(connection) if one.kind == "exchange"}
        )
        for venue in venues:
            # ccxt is large and not needed where all sources are files.
            from candela.venues.catalogue import refresh_catalogue

            try:
                with platform.venue(venue) as client:
                    report = refresh_catalogue(connection, client, now=platform.clock.now())
            except (BrokerError, RateLimited) as error:
                unreachable[venue] = str(error)
                continue
            context.log.info("%s", report)
            if report.reason is not None:
                unreachable[venue] = report.reason
        rows = connection.execute(_COUNT).fetchall()
    lines = ["| venue | kind | instruments | active | from | at |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {venue} | {kind} | {count} | {active} | {source or 'files'} | {at or '-'} |"
        for venue, kind, count, active, source, at in rows
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(int(row[2]) for row in rows),
            "venues": dg.MetadataValue.md("\n".join(lines)),
            "unreachable": dg.MetadataValue.json(unreachable),
        }
    )
