"""The nightly upkeep as an asset, with how much was removed."""

from typing import Any

import dagster as dg

from pipelines.defs.upkeep.old_rows import remove_old_rows
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["old_rows"]


@dg.asset(
    group_name="upkeep",
    kinds={"postgres"},
    description=(
        "Removed each night: keys of requests after two days; links, sessions with their tokens,"
        " mails and notifications after 90 days; logs of bots as their tenant's plan keeps them."
    ),
)
def old_rows(platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    """Remove what nobody needs any more; harmless twice."""
    with explained():
        removed = remove_old_rows(platform.database, platform.clock)
    return dg.MaterializeResult(metadata={**removed, "removed": sum(removed.values())})
