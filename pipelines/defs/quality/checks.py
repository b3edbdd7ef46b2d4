"""Asset checks: the data contract looked at again in what is stored, partition by partition."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl
from dagster import AssetCheckExecutionContext
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from candela.candles.read import read_candles
from candela.candles.series import NoSuchInstrument, NoSuchSeries
from candela.market.candle import CANDLE_SCHEMA
from candela.quality.neighbours import CONTEXT
from pipelines.defs.quality.picture import picture
from pipelines.defs.quality.suite import SuiteResult, remarks_frame, run_suite
from pipelines.lib.failures import explained
from pipelines.lib.feeds import feeds_by_series, feeds_of, names_of
from pipelines.lib.figures import MonthFigures, Refusal, month_figures, open_refusals
from pipelines.lib.partitions import PARTITIONS, Span, month_of, selected
from pipelines.resources import Platform

__all__ = ["contract_checks"]

_CANDLES = dg.AssetKey("candles")
REFUSED = dg.AssetCheckSpec(
    "nothing_refused",
    asset=_CANDLES,
    partitions_def=PARTITIONS,
    additional_deps=["candle_gaps"],
    description=(
        "No row of the month was refused by the data contract, and every stored candle still"
        " passes it."
    ),
)
FLAGGED = dg.AssetCheckSpec(
    "nothing_flagged",
    asset=_CANDLES,
    partitions_def=PARTITIONS,
    additional_deps=["candle_gaps"],
    description="No stored candle of the month carries a remark, and none is absent.",
)
_SEVERITY = {
    REFUSED.name: ("refuse", dg.AssetCheckSeverity.ERROR),
    FLAGGED.name: ("flag", dg.AssetCheckSeverity.WARN),
}


@dg.multi_asset_check(
    name="contract_checks",
    specs=[REFUSED, FLAGGED],
    can_subset=True,
    description="The suite of Great Expectations that the list of checks generates.",
)
def contract_checks(
    context: AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
) -> Iterator[Any]:
    """Judge what is stored of the selected months."""
    chosen = [spec for spec in (REFUSED, FLAGGED) if spec.key in context.selected_asset_check_keys]
    keys = list(context.op_execution_context.partition_keys)
    targets = _latest(context.instance, keys)
    with explained():
        for span in selected(keys):
            for key, result, metadata in _judge(platform, span):
                for spec in chosen:
                    yield _evaluation(spec, key, result, metadata, targets.get(key))
    # A run of many partitions has one output a check, and an evaluation for each partition: those
    # are yielded as such, since a result of Dagster's own would stand for the run as a whole.
    for spec in chosen:
        yield dg.Output(None, output_name=spec.get_python_identifier())


def _judge(
    platform: Platform, span: Span
) -> Iterator[tuple[str, SuiteResult, dict[str, dg.MetadataValue]]]:
    stored = _stored(platform, span)
    with platform.writer() as connection:
        group = feeds_by_series(feeds_of(connection)).get(span.series, [])
        names = names_of(group)
        figures = month_figures(connection, span, names)
        refusals = open_refusals(connection, span, names)
    now = platform.clock.now()
    frames: dict[str, pl.DataFrame] = {}
    parts: dict[str, tuple[pl.DataFrame, MonthFigures, list[Refusal]]] = {}
    for month, one in figures.items():
        key = span.series.partition(month)
        inside = (pl.col("time").dt.truncate("1mo")) == month
        own = [it for it in refusals if it.time is None or month_of(it.time) == month]
        candles = stored.filter(inside)
        start, end = candles["time"].min() or month, candles["time"].max() or month
        frames[key] = remarks_frame(
            candles,
            span.series.timeframe,
            now,
            one,
            own,
            before=stored.filter(pl.col("time") < start).tail(CONTEXT),
            after=stored.filter(pl.col("time") > end).head(CONTEXT),
        )
        parts[key] = (candles, one, own)
    for key, result in run_suite(frames).items():
        candles, one, own = parts[key]
        yield key, result, _metadata(key, result, candles, one, own)


def _stored(platform: Platform, span: Span) -> pl.DataFrame:
    """Return the span's candles with what surrounds them, which some checks look at."""
    series = span.series
    around = series.timeframe.delta * CONTEXT
    try:
        found = read_candles(
            platform.database,
            series.instrument,
            series.timeframe,
            span.start - around,
            span.end + around,
        )
    except (NoSuchInstrument, NoSuchSeries):
        return pl.DataFrame(schema=CANDLE_SCHEMA)
    # A coarser series may be rolled up from a finer one: then nothing is stored of this one.
    if found.source_timeframe != series.timeframe:
        return pl.DataFrame(schema=CANDLE_SCHEMA)
    return found.frame.select(list(CANDLE_SCHEMA)).cast(dict(CANDLE_SCHEMA))  # pyright: ignore[reportArgumentType]


def _metadata(
    key: str,
    result: SuiteResult,
    candles: pl.DataFrame,
    figures: MonthFigures,
    refusals: list[Refusal],
) -> dict[str, dg.MetadataValue]:
    lines = ["| check | severity | rows | for example |", "|---|---|---:|---|"]
    lines += [
        f"| {one.check.name} | {one.check.severity} | {one.found} |"
        f" {_cell(one.examples[0]) if one.examples else one.check.summary} |"
        for one in sorted(result.results, key=lambda one: -one.found)
    ]
    return {
        "candles": dg.MetadataValue.int(candles.height),
        "refused_rows": dg.MetadataValue.int(len(refusals)),
        "flagged_rows": dg.MetadataValue.int(candles.filter(pl.col("flags") != 0).height),
        "absent_candles": dg.MetadataValue.int(figures.missing),
        "checks": dg.MetadataValue.md("\n".join(lines)),
        "picture": dg.MetadataValue.md(picture(candles, figures, refusals, key)),
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:160]


def _evaluation(
    spec: dg.AssetCheckSpec,
    key: str,
    result: SuiteResult,
    metadata: dict[str, dg.MetadataValue],
    target: AssetCheckEvaluationTargetMaterializationData | None,
) -> dg.AssetCheckEvaluation:
    kind, severity = _SEVERITY[spec.name]
    failed = result.failed(kind)
    said = ", ".join(f"{one.found} x {one.check.name}" for one in failed)
    return dg.AssetCheckEvaluation(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=not failed,
        severity=severity,
        description=said or f"{sum(one.check.severity == kind for one in result.results)} checks",
        metadata=metadata,
        target_materialization_data=target,
        partition=key,
    )


def _latest(
    instance: dg.DagsterInstance, keys: list[str]
) -> dict[str, AssetCheckEvaluationTargetMaterializationData]:
    """Return for each partition the materialisation that is judged."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=_CANDLES, asset_partitions=keys), limit=4 * len(keys)
    ).records
    found: dict[str, AssetCheckEvaluationTargetMaterializationData] = {}
    for one in records:  # newest first
        if one.partition_key is not None:
            found.setdefault(
                one.partition_key,
                AssetCheckEvaluationTargetMaterializationData(
                    storage_id=one.storage_id, run_id=one.run_id, timestamp=one.timestamp
                ),
            )
    return found
