"""Repair of gaps on schedule: venues are asked again for what they did not give."""

import dagster as dg
from dagster import OpExecutionContext, ScheduleEvaluationContext

from candela.candles.repairing import GapAnswer, repair_gaps
from candela.candles.sources import list_sources
from candela.candles.store import CandleStore
from candela.errors import BrokerError, RateLimited
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["ask_for_gaps", "repair_candle_gaps", "repair_every_hour"]


@dg.op(description="Ask each venue that is a source again for the gaps of its series.")
def ask_for_gaps(context: OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
    """Ask again; a gap that was tried five times is left alone."""
    outcomes: dict[str, int] = {}
    lines = ["| series | from (UTC) | to | outcome | found |", "|---|---|---|---|---|"]
    unreachable: dict[str, str] = {}
    with explained(), platform.writer() as connection:
        store = CandleStore(connection, platform.clock)
        for source in list_sources(connection):
            if source.kind != "exchange" or source.location in unreachable:
                continue
            series = f"{source.instrument}@{source.timeframe}"
            answers: list[GapAnswer] = []
            try:
                with platform.venue(source.location) as client:
                    answers = repair_gaps(
                        store,
                        client,
                        source.instrument,
                        source.timeframe,
                        connection=connection,
                        clock=platform.clock,
                        run_id=context.run.run_id,
                    )
            except (BrokerError, RateLimited) as error:
                unreachable[source.location] = str(error)
            for one in answers:
                outcomes[one.outcome] = outcomes.get(one.outcome, 0) + 1
                lines.append(
                    f"| {series} | {one.from_at:%Y-%m-%d %H:%M} | {one.to_at:%Y-%m-%d %H:%M} |"
                    f" {one.outcome} | {one.found} |"
                )
    context.add_output_metadata(
        {
            "outcomes": dg.MetadataValue.json(outcomes),
            "unreachable": dg.MetadataValue.json(unreachable),
            "answers": dg.MetadataValue.md("\n".join(lines)),
        }
    )


@dg.job(tags={"candela/exclusive": "repair"})  # pyright: ignore[reportUnknownMemberType]
def repair_candle_gaps() -> None:
    """Ask the venues again for gaps."""
    ask_for_gaps()


@dg.schedule(  # pyright: ignore[reportUnknownMemberType]
    job=repair_candle_gaps,
    cron_schedule="17 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Asks venues that are sources again for their gaps; without one it asks nobody.",
)
def repair_every_hour(
    context: ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest | dg.SkipReason:
    """Ask where there is a gap of a venue source that may still be filled."""
    with platform.writer() as connection:
        row = connection.execute(
            "SELECT count(*) FROM market.gaps AS g"
            " INNER JOIN market.candle_sources AS s USING (instrument_id, timeframe_s)"
            " WHERE s.kind = 'exchange' AND s.is_active"
            " AND g.reason IN ('not_fetched', 'source_hole')"
            " AND g.repair_attempts < 5"
        ).fetchone()
    if row is None or not row[0]:
        return dg.SkipReason("No gap of a venue source is open.")
    context.log.info("%s gaps are open", row[0])
    return dg.RunRequest()
