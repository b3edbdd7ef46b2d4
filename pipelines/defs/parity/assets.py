"""The proof that bots did what their backtests promise, and the check that all is explained."""

from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from backtest.parity.keeping import Attempt, prove_all
from candela.db.connect import Role
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["bot_parity", "every_gap_is_explained"]

_UNEXPLAINED = """
SELECT count(*) FROM (
    SELECT DISTINCT ON (tenant_id, bot_id) is_explained
    FROM trading.parity
    ORDER BY tenant_id, bot_id, until_at DESC, created_at DESC
) AS latest
WHERE NOT is_explained
"""


@dg.asset(
    group_name="trading",
    deps=[dg.AssetDep("candles", partition_mapping=dg.AllPartitionMapping())],
    kinds={"postgres"},
    description=(
        "Each bot, run again on the bars it saw, as it saw them, through the fill model: trades"
        " matched one by one, and the gap in money cut into data revision, missed bar, outage,"
        " risk gate, reject, latency, slippage, fee and defect, which sum to it exactly."
    ),
)
def bot_parity(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Prove every bot that ran lately."""

    def show(done: int, total: int) -> None:
        platform.progress("parity", done / total, done)

    with explained():
        attempts = prove_all(platform.database, platform.clock, progress=show)
    for one in attempts:
        if one.error is not None:
            # Names of bots are their owners': a log of the platform says ids.
            context.log.warning("%s cannot be proved: %s", one.bot.bot_id, one.error)
    failed = [one for one in attempts if one.error is not None]
    return dg.MaterializeResult(
        metadata={
            "bots": len(attempts),
            "explained": sum(
                one.proof is not None and one.proof.parity.is_explained for one in attempts
            ),
            "unexplained": sum(
                one.proof is not None and not one.proof.parity.is_explained for one in attempts
            ),
            "nothing_to_compare": sum(one.skipped is not None for one in attempts),
            "failed": len(failed),
            "gaps": dg.MetadataValue.md(_table(attempts)),
        }
    )


def _table(attempts: list[Attempt]) -> str:
    lines = ["| bot | version | bars | trades | gap | largest cause |", "|---|---|---|---|---|---|"]
    for one in attempts:
        if one.proof is None:
            continue
        found = one.proof.parity
        cause = max(found.causes, key=lambda name: abs(found.causes[name]))
        lines.append(
            f"| {one.bot.bot_id} | {one.bot.version} | {one.proof.bars:,} | {found.matched} |"
            f" {found.gap:+.8f} {one.bot.quote} | {cause if found.gap else '-'} |"
        )
    return "\n".join(lines)


@dg.asset_check(
    asset=bot_parity,
    name="every_gap_is_explained",
    blocking=False,
    description="No bot's latest proof leaves a unit of its gap to a defect.",
)
def every_gap_is_explained(platform: dg.ResourceParam[Platform]) -> dg.AssetCheckResult:
    """Count the bots whose latest proof has an unexplained part."""
    with platform.database.connect(Role.PIPELINES, autocommit=True) as connection:
        row = connection.execute(_UNEXPLAINED).fetchone()
    count = int(row[0]) if row else 0
    return dg.AssetCheckResult(passed=count == 0, metadata={"unexplained_bots": count})
