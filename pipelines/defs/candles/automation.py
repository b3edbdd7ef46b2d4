"""What brings candles in by itself: files when they change, venues every few minutes."""

import json
from pathlib import Path

import dagster as dg
from dagster import ScheduleEvaluationContext, SensorEvaluationContext

from pipelines.defs.candles.jobs import keep_candles_current, update_candles
from pipelines.lib.feeds import feeds_of
from pipelines.lib.partitions import SERIES, SeriesKey, Span, chunks, month_of
from pipelines.lib.plan import make_plan
from pipelines.resources import Platform

__all__ = ["changed_files", "keep_current", "unfinished_months"]

_MONTHS_A_RUN = 12
_RUNS_A_TICK = 10
_COVERED = """
SELECT max(b.to_at) FROM market.batches AS b
INNER JOIN market.instruments AS i USING (instrument_id)
WHERE i.venue = %s AND i.symbol = %s AND b.timeframe_s = %s
"""


@dg.sensor(  # pyright: ignore[reportUnknownMemberType]
    job=update_candles,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for the months of files that are new or whose bytes changed.",
)
def changed_files(
    context: SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult | dg.SkipReason:
    """Look at the size and age of every source file; read only those that differ."""
    with platform.writer() as connection:
        seen = json.dumps(_stats(connection), sort_keys=True)
        if seen == context.cursor:
            return dg.SkipReason("No file changed.")
        plan = make_plan(context.instance, connection, platform.clock, kinds=("file",))
    for error in plan.unreadable:
        context.log.warning("%s", error)
    return dg.SensorResult(
        run_requests=[
            _request(part) for span in plan.spans for part in chunks(span, _MONTHS_A_RUN)
        ],
        dynamic_partitions_requests=_new_series(context.instance, plan.series),
        cursor=seen,
    )


@dg.sensor(  # pyright: ignore[reportUnknownMemberType]
    job=update_candles,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for the past months that a venue was never asked for, oldest first.",
)
def unfinished_months(
    context: SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult | dg.SkipReason:
    """Ask for some months at a time, so that a long history leaves room for everything else."""
    if _is_busy(context.instance, update_candles.name):
        return dg.SkipReason("Earlier months are under way.")
    with platform.writer() as connection:
        if not any(feed.source.kind == "exchange" for feed in feeds_of(connection)):
            return dg.SkipReason("No venue is a source; `candela sources add` adds one.")
        plan = make_plan(context.instance, connection, platform.clock, kinds=("exchange",))
    if not plan.spans:
        return dg.SkipReason("Every month is there.")
    parts = [part for span in plan.spans for part in chunks(span, _MONTHS_A_RUN)][:_RUNS_A_TICK]
    return dg.SensorResult(
        run_requests=[_request(part) for part in parts],
        dynamic_partitions_requests=_new_series(context.instance, plan.series),
    )


@dg.schedule(  # pyright: ignore[reportUnknownMemberType]
    job=keep_candles_current,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Fetches what the venues have closed since; only series that have a venue source.",
)
def keep_current(
    context: ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for the present month of each venue series that a closed candle is due for."""
    now = platform.clock.now()
    wanted: list[dg.RunRequest] = []
    known = set(context.instance.get_dynamic_partitions(str(SERIES.name)))
    with platform.writer() as connection:
        for feed in feeds_of(connection):
            if feed.is_file or not feed.covers(month_of(now)) or str(feed.series) not in known:
                continue
            series = feed.series
            row = connection.execute(
                _COVERED,
                (series.instrument.venue, series.instrument.symbol, series.timeframe.seconds),
            ).fetchone()
            if row is not None and row[0] is not None and row[0] + series.timeframe.delta > now:
                continue
            wanted.append(_request(Span(series, (month_of(now),))))
    return wanted or dg.SkipReason("No candle of a venue source is due.")


def _stats(connection: object) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for feed in feeds_of(connection):  # pyright: ignore[reportArgumentType]
        if feed.is_file:
            try:
                stat = Path(feed.source.location).stat()
            except FileNotFoundError:
                found[feed.source.location] = []
            else:
                found[feed.source.location] = [stat.st_size, stat.st_mtime_ns]
    return found


def _request(span: Span) -> dg.RunRequest:
    # No run key: a month is asked for again when it has grown, and the plan knows what is done.
    return dg.RunRequest(
        tags=span.run_tags() | {"candela/venue": span.series.instrument.venue},
    )


def _new_series(
    instance: dg.DagsterInstance, series: list[SeriesKey]
) -> list[dg.AddDynamicPartitionsRequest]:
    known = set(instance.get_dynamic_partitions(str(SERIES.name)))
    new = [str(one) for one in series if str(one) not in known]
    return [SERIES.build_add_request(new)] if new else []


def _is_busy(instance: dg.DagsterInstance, job: str) -> bool:
    filters = dg.RunsFilter(
        job_name=job,
        statuses=[
            dg.DagsterRunStatus.QUEUED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
        ],
    )
    return bool(instance.get_run_ids(filters, limit=1))
