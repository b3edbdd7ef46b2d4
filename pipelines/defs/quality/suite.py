"""The suite of Great Expectations, generated from the one list of checks of the data contract."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl

from candela.quality.contract import CHECKS
from candela.quality.judge import judge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from candela.market.timeframe import Timeframe
    from candela.quality.contract import Check
    from pipelines.lib.figures import MonthFigures, Refusal

__all__ = ["CheckResult", "SuiteResult", "remarks_frame", "run_suite"]

_EXAMPLES: Final = 3
_ROWS_AT_ONCE: Final = 50_000


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the suite found about one check: rows with a remark, and the first few remarks."""

    check: Check
    found: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """What the suite found about one partition.

    Parameters
    ----------
    rows
        Rows looked at: candles, refusals and gaps.
    results
        One a check, in the order of the contract.
    """

    rows: int
    results: tuple[CheckResult, ...]

    def failed(self, severity: str) -> list[CheckResult]:
        """Return the checks of a severity that some row breaks."""
        return [one for one in self.results if one.found and one.check.severity == severity]


def remarks_frame(
    stored: pl.DataFrame,
    timeframe: Timeframe,
    now: datetime,
    figures: MonthFigures,
    refusals: list[Refusal],
    *,
    before: pl.DataFrame | None = None,
    after: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return one row for each candle, refusal and gap, with a column of remarks for each check.

    The stored candles pass the same gate again as when they came in, so the suite has no rules of
    its own that could differ; what was refused then, and what is absent, stands beside them.
    """
    verdict = judge(stored, timeframe, now, before=before, after=after)
    remarks: list[tuple[datetime | None, str, str]] = [
        (finding.time, finding.check, f"{finding.message} ({finding.value})")
        for finding in (*verdict.refused, *verdict.flagged)
    ]
    apart = [
        (one.time, one.check, f"{one.source} row {one.row}: {one.message} ({one.value})")
        for one in refusals
    ]
    apart += [
        (start, "gap", f"{missing} candles absent up to {end:%Y-%m-%d %H:%M}: {reason}")
        for start, end, missing, reason in figures.gaps
    ]
    schema: dict[str, Any] = {"time": pl.Datetime("us", "UTC")}
    schema |= {check.name: pl.String() for check in CHECKS}
    judged = stored.select("time")
    if remarks:
        wide = (
            pl.DataFrame(remarks, schema=["time", "check", "remark"], orient="row")
            .with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
            .pivot(on="check", index="time", values="remark", aggregate_function="first")
        )
        judged = judged.join(wide, on="time", how="left")
    rows = pl.DataFrame(
        [{"time": time, check: remark} for time, check, remark in apart], schema=schema
    )
    return pl.concat([judged, rows], how="diagonal_relaxed").select(
        pl.col(name).cast(kind)
        if name in judged.columns or rows.height
        else pl.lit(None, kind).alias(name)
        for name, kind in schema.items()
    )


def run_suite(frames: Mapping[str, pl.DataFrame]) -> dict[str, SuiteResult]:
    """Run the suite over the remarks of partitions: every check's column must be empty.

    A validation has a fixed price of some 0.2 s, so partitions share one while they are small;
    each finding goes back to its own by name.
    """
    results: dict[str, SuiteResult] = {}
    waiting: dict[str, pl.DataFrame] = {}
    rows = 0
    for name, frame in frames.items():
        if waiting and rows + frame.height > _ROWS_AT_ONCE:
            results |= _validate(waiting)
            waiting, rows = {}, 0
        waiting[name] = frame
        rows += frame.height
    return results | _validate(waiting) if waiting else results


def _validate(frames: Mapping[str, pl.DataFrame]) -> dict[str, SuiteResult]:
    table = pl.concat(
        [frame.with_columns(partition=pl.lit(name)) for name, frame in frames.items()]
    )
    outcome = (
        _batches()
        .get_batch(batch_parameters={"dataframe": table.to_pandas()})
        .validate(
            _suite(),
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": ["partition"],
            },
        )
    )
    found: dict[tuple[str, str], list[str]] = {}
    for one in outcome.results:
        name = cast("str", one.expectation_config.kwargs["column"])
        entries = cast("list[dict[str, str]]", one.result.get("unexpected_index_list") or [])
        for entry in entries:
            found.setdefault((entry["partition"], name), []).append(entry[name])
    return {
        partition: SuiteResult(
            frame.height,
            tuple(
                CheckResult(check, len(remarks), tuple(remarks[:_EXAMPLES]))
                for check in CHECKS
                for remarks in (found.get((partition, check.name), []),)
            ),
        )
        for partition, frame in frames.items()
    }


@cache
def _suite() -> Any:
    """Make the suite: one expectation a check, its severity and what it says in the notes."""
    # Great Expectations takes seconds to load and 230 MiB: only where checks run.
    import great_expectations as gx
    from great_expectations.expectations.core.expect_column_values_to_be_null import (
        ExpectColumnValuesToBeNull,
    )
    from great_expectations.expectations.metadata_types import FailureSeverity

    _batches()
    return gx.ExpectationSuite(
        name="data_contract",
        expectations=[
            ExpectColumnValuesToBeNull(
                column=check.name,
                severity=(
                    FailureSeverity.CRITICAL
                    if check.severity == "refuse"
                    else FailureSeverity.WARNING
                ),
                notes=check.summary,
            )
            for check in CHECKS
        ],
    )


@cache
def _batches() -> Any:
    """Open a context in memory, silent, without pages of its own, that takes frames."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        analytics_enabled=False,
    )
    return (
        gx.get_context(project_config=config, mode="ephemeral")
        .data_sources.add_pandas("candela")
        .add_dataframe_asset("partition")
        .add_batch_definition_whole_dataframe("whole")
    )
