"""Instruments ranked by turnover and by change over 24 hours."""

from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from candela.candles.sources import list_sources
from candela.errors import BrokerError, RateLimited
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["instrument_rankings"]

_SHOWN = 10


@dg.asset(
    group_name="market_data",
    deps=["instruments"],
    kinds={"postgres"},
    description=(
        "Every symbol of the venues in use, ranked by turnover and by change of the last 24 hours;"
        " a row an instant. Only venues with a registered exchange source are asked."
    ),
)
def instrument_rankings(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Rank the symbols of every venue that is a source."""
    ranked_count = 0
    unreachable: dict[str, str] = {}
    lines = ["| venue | symbol | turnover rank | change |", "|---|---|---|---|"]
    with explained(), platform.writer() as connection:
        venues = sorted(
            {one.location for one in list_sources(connection) if one.kind == "exchange"}
        )
        for venue in venues:
            from candela.venues.rankings import refresh_rankings

            try:
                with platform.venue(venue) as client:
                    ranked = refresh_rankings(connection, client, now=platform.clock.now())
            except (BrokerError, RateLimited) as error:
                context.log.warning("%s: %s", venue, error)
                unreachable[venue] = str(error)
                continue
            ranked_count += len(ranked)
            best = sorted(
                (one for one in ranked if one.volume_rank is not None),
                key=lambda one: one.volume_rank or 0,
            )
            for one in best[:_SHOWN]:
                change = "-" if one.change_ratio is None else f"{one.change_ratio:+.2%}"
                lines.append(f"| {venue} | {one.symbol} | {one.volume_rank} | {change} |")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": ranked_count,
            "largest": dg.MetadataValue.md("\n".join(lines)),
            "unreachable": dg.MetadataValue.json(unreachable),
        }
    )
