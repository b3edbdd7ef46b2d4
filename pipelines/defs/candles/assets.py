"""The candles of each series and month: brought in, judged at the gate, stored by version."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
from dagster import AssetExecutionContext

from candela.candles.fetching import FetchProgress, fetch_candles
from candela.candles.importing import ImportProgress, import_file
from candela.candles.store import CandleStore
from pipelines.lib.failures import explained
from pipelines.lib.feeds import Feed, feeds_by_series, feeds_of, names_of, options_of, version
from pipelines.lib.figures import MonthFigures, month_figures
from pipelines.lib.partitions import PARTITIONS, Span, month_key, selected
from pipelines.resources import Platform

__all__ = ["candles"]

# A run takes up to a year of a series in one reading of its file; a run that dies repeats no more.
_MONTHS_PER_RUN = 12


@dg.asset(
    group_name="market_data",
    partitions_def=PARTITIONS,
    backfill_policy=dg.BackfillPolicy.multi_run(_MONTHS_PER_RUN),
    deps=["instruments"],
    kinds={"postgres"},
    pool="candles",
    description=(
        "Candles of one series within one month, from every source registered for it: files are"
        " read, venues are asked page by page. Each row has passed the data contract; what it"
        " refused is in the quarantine. Doing a partition again changes only what differs."
    ),
)
def candles(
    context: AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    """Bring the selected months up to what their sources give now."""
    spans = selected(context.partition_keys)
    total = Counter[str]()
    versions: set[str] = set()
    with explained(), platform.writer() as connection:
        feeds = feeds_by_series(feeds_of(connection))
        for span in spans:
            group = feeds.get(span.series, [])
            for feed in group:
                if any(feed.covers(month) for month in span.months):
                    total += _bring(context, platform, connection, feed, span)
            names = names_of(group)
            now = platform.clock.now()
            for month, figures in month_figures(connection, span, names).items():
                state = version(group, month, now)
                versions.add(state)
                context.add_asset_metadata(
                    _metadata(figures, group, month, state),
                    partition_key=span.series.partition(month),
                )
    return dg.MaterializeResult(
        metadata={f"run_{name}": count for name, count in sorted(total.items())},
        # Dagster takes one version a run; the plan looks for that of the month among them.
        data_version=dg.DataVersion("+".join(sorted(versions))),
    )


def _bring(
    context: AssetExecutionContext,
    platform: Platform,
    connection: psycopg.Connection,
    feed: Feed,
    span: Span,
) -> Counter[str]:
    """Take what one source has for the span; return the counts of rows."""
    series = span.series
    if feed.is_file:

        def show_file(done: ImportProgress) -> None:
            platform.progress(str(series), done.share, done.rows)

        report = import_file(
            connection,
            Path(feed.source.location),
            options_of(feed),
            clock=platform.clock,
            run_id=context.run.run_id,
            months=(span.start, span.end),
            progress=show_file,
        )
        done = report.series.get((series.instrument, series.timeframe))
        context.log.info("%s: %s", feed.source.location, done)
        if done is None:
            return Counter()
    else:

        def show_venue(done: FetchProgress) -> None:
            platform.progress(str(series), done.share, done.rows)

        with platform.venue(feed.source.location) as client:
            done = fetch_candles(
                CandleStore(connection, platform.clock),
                client,
                series.instrument,
                series.timeframe,
                max(span.start, feed.source.since_at),
                span.end,
                connection=connection,
                clock=platform.clock,
                progress=show_venue,
                run_id=context.run.run_id,
            )
        context.log.info("%s: %s", feed.source.location, done)
    return Counter(
        new=done.new,
        changed=done.changed,
        unchanged=done.unchanged,
        refused=done.refused,
        flagged=done.flagged,
    )


def _metadata(
    figures: MonthFigures, group: list[Feed], month: datetime, state: str
) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/partition_row_count": dg.MetadataValue.int(figures.rows),
        "flagged": dg.MetadataValue.int(figures.flagged),
        "refused": dg.MetadataValue.int(sum(figures.refused.values())),
        "missing": dg.MetadataValue.int(figures.missing),
        "sources": dg.MetadataValue.text(
            ", ".join(Path(one.source.location).name for one in group if one.covers(month))
            or "none covers this month"
        ),
        "source_version": dg.MetadataValue.text(state),
        "month": dg.MetadataValue.text(month_key(month)),
    }
    if figures.first_at is not None and figures.last_at is not None:
        metadata["first"] = dg.MetadataValue.timestamp(figures.first_at)
        metadata["last"] = dg.MetadataValue.timestamp(figures.last_at)
    if figures.refused:
        metadata["refused_by_check"] = dg.MetadataValue.json(dict(figures.refused))
    return metadata
