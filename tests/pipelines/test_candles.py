"""Partitions of candles: brought in as the file has them, once, and again when it changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest

from candela.candles.series import find_series
from candela.db.connect import Role
from pipelines.definitions import defs
from pipelines.resources import platform_resource
from tests.fixtures.candles import BTC, HOUR, SAMPLE, SHARED, made_up, sample, without
from tests.pipelines.bringing import CANDLES, add, bring, checks, count, plan, stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import dagster as dg

    from pipelines.resources import Platform

SERIES = "bitvavo:BTC/EUR@1h"
YEAR = made_up(24 * 366, timeframe=HOUR)


def test_partition_when_materialised_then_the_month_of_the_file(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    add(platform, SAMPLE / "BTC-EUR_1h.parquet")
    instance.add_dynamic_partitions("candle_series", [SERIES])
    result = defs.resolve_job_def("update_candles").execute_in_process(
        instance=instance,
        partition_key=f"2022-03|{SERIES}",
        resources={"platform": platform_resource(lambda: platform)},
    )
    assert result.success
    wanted = sample("BTC-EUR_1h").filter(
        pl.col("time").is_between(
            datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 4, 1, tzinfo=UTC), closed="left"
        )
    )
    assert stored(platform).drop("flags").equals(wanted.drop("flags"))
    with platform.writer() as connection:
        (run_id,) = connection.execute("SELECT DISTINCT run_id FROM market.batches").fetchall()
    assert run_id == (result.run_id,)


def test_candles_when_brought_in_then_each_month_tells_its_rows(
    instance: dg.DagsterInstance, platform: Platform, candle_file: Callable[..., Path]
) -> None:
    add(platform, candle_file(YEAR))
    done = bring(instance, platform)
    assert [one.succeeded for one in done.spans] == [True]
    assert stored(platform).equals(YEAR)
    rows = {
        record.partition_key: record.asset_materialization.metadata["dagster/partition_row_count"]
        for record in instance.fetch_materializations(CANDLES, limit=100).records
        if record.asset_materialization is not None
    }
    assert len(rows) == 12
    february = rows[f"2024-02|{SERIES}"]
    assert february.value == 29 * 24


def test_candles_when_brought_in_again_then_nothing_is_done(
    instance: dg.DagsterInstance, platform: Platform, candle_file: Callable[..., Path]
) -> None:
    add(platform, candle_file(YEAR))
    bring(instance, platform)
    batches = count(platform.database, "SELECT max(batch_id) FROM market.batches")
    again = bring(instance, platform)
    assert (again.spans, again.plan.done) == ([], 12)
    assert count(platform.database, "SELECT max(batch_id) FROM market.batches") == batches


def test_candles_when_materialised_twice_then_the_second_writes_nothing(
    instance: dg.DagsterInstance, platform: Platform, candle_file: Callable[..., Path]
) -> None:
    add(platform, candle_file(YEAR))
    bring(instance, platform)
    before = count(platform.database, "SELECT count(*) FROM market.batches")
    result = defs.resolve_job_def("update_candles").execute_in_process(
        instance=instance,
        partition_key=f"2024-02|{SERIES}",
        resources={"platform": platform_resource(lambda: platform)},
    )
    assert result.success
    # The month on its own answers for less than the year did, so it leaves a batch without rows.
    after = count(platform.database, "SELECT count(*) FROM market.batches")
    assert after - before <= 1
    assert count(platform.database, "SELECT count(*) FROM market.candle_revisions") == 0
    assert stored(platform).equals(YEAR)


def test_candles_when_the_file_changes_then_its_months_come_again_and_old_values_stay(
    instance: dg.DagsterInstance, platform: Platform, candle_file: Callable[..., Path]
) -> None:
    add(platform, candle_file(YEAR.head(24 * 60)))
    bring(instance, platform)
    at = datetime(2024, 1, 20, 5, tzinfo=UTC)
    revised = YEAR.head(24 * 70).with_columns(
        volume=pl.when(pl.col("time") == at).then(77.0).otherwise(pl.col("volume"))
    )
    candle_file(revised)
    changed = plan(instance, platform)
    assert [span.keys for span in changed.spans] == [
        [f"{month}|{SERIES}" for month in ("2024-01", "2024-02", "2024-03")]
    ]
    bring(instance, platform)
    assert stored(platform).equals(revised)
    assert count(platform.database, "SELECT count(*) FROM market.candle_revisions") == 1
    assert plan(instance, platform).partitions == 0


def test_candles_when_the_file_is_gone_then_they_stay_and_it_is_said(
    instance: dg.DagsterInstance, platform: Platform, candle_file: Callable[..., Path]
) -> None:
    path = candle_file(YEAR.head(24 * 40))
    add(platform, path)
    bring(instance, platform)
    path.unlink()
    done = bring(instance, platform)
    assert done.spans == []
    assert [one.location for one in done.plan.missing_files] == [str(path)]
    assert stored(platform).height == 24 * 40


def test_candles_when_the_file_holds_two_series_then_each_has_its_partitions(
    instance: dg.DagsterInstance, platform: Platform, tmp_path: Path
) -> None:
    frame = YEAR.head(24 * 40)
    both = pl.concat(
        [
            frame.select(
                pl.lit(symbol).alias("symbol"),
                pl.lit("bitvavo").alias("exchange"),
                pl.exclude("flags"),
            )
            for symbol in ("BTC/EUR", "ETH/EUR")
        ]
    )
    both.write_parquet(tmp_path / "both.parquet")
    add(platform, tmp_path / "both.parquet")
    done = bring(instance, platform)
    assert [one.succeeded for one in done.spans] == [True, True]
    assert count(platform.database, "SELECT count(*) FROM market.candles") == 2 * frame.height
    assert plan(instance, platform).partitions == 0


def test_gaps_when_candles_are_absent_then_recorded_with_the_month(
    instance: dg.DagsterInstance, platform: Platform, candle_file: Callable[..., Path]
) -> None:
    add(platform, candle_file(without(YEAR.head(24 * 60), range(100, 103))))
    bring(instance, platform)
    with platform.database.connect(Role.ANALYST) as connection:
        gaps = connection.execute(
            "SELECT from_at, candles_missing, reason FROM market.gaps"
        ).fetchall()
        assert find_series(connection, BTC)
    assert gaps == [(YEAR["time"][100], 3, "source_hole")]
    passed, severity, metadata = checks(instance, "nothing_flagged")[f"2024-01|{SERIES}"]
    assert (passed, severity, metadata["absent_candles"]) == (False, "WARN", 3)
    assert checks(instance, "nothing_flagged")[f"2024-02|{SERIES}"][0]


def test_checks_when_rows_were_refused_then_fail_in_their_month_only(
    instance: dg.DagsterInstance, platform: Platform, candle_file: Callable[..., Path]
) -> None:
    broken = YEAR.head(24 * 60).with_row_index("number")
    broken = broken.with_columns(
        low=pl.when(pl.col("number").is_in([30, 31])).then(-1.0).otherwise(pl.col("low"))
    )
    add(platform, candle_file(broken.drop("number")))
    bring(instance, platform)
    results = checks(instance, "nothing_refused")
    passed, severity, metadata = results[f"2024-01|{SERIES}"]
    assert (passed, severity, metadata["refused_rows"]) == (False, "ERROR", 2)
    assert "| negative_price | refuse | 2 |" in str(metadata["checks"])
    assert "data:image/png;base64," in str(metadata["picture"])
    assert results[f"2024-02|{SERIES}"][:2] == (True, "ERROR")


def test_checks_when_the_file_is_mended_then_pass(
    instance: dg.DagsterInstance, platform: Platform, candle_file: Callable[..., Path]
) -> None:
    frame = YEAR.head(24 * 20)
    row = pl.int_range(pl.len()) == 30
    add(platform, candle_file(frame.with_columns(high=pl.when(row).then(1.0).otherwise("high"))))
    bring(instance, platform)
    assert not checks(instance, "nothing_refused")[f"2024-01|{SERIES}"][0]
    candle_file(frame)
    bring(instance, platform)
    assert checks(instance, "nothing_refused")[f"2024-01|{SERIES}"][0]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the corrupt files beside the repository")
@pytest.mark.parametrize(
    ("file", "check", "severity"),
    [
        ("high_below_low.csv", "high_lt_low", "ERROR"),
        ("null_values.csv", "null", "ERROR"),
        ("duplicate_timestamps.csv", "duplicate_timestamp", "ERROR"),
        ("spike_100x.csv", "spike", "WARN"),
        ("gap_3h.csv", "gap", "WARN"),
    ],
)
def test_checks_when_a_file_is_corrupt_then_name_its_defect(
    file: str, check: str, severity: str, instance: dg.DagsterInstance, platform: Platform
) -> None:
    from candela.candles.filesources import add_file
    from candela.files.options import ReadOptions
    from candela.market.instrument import Instrument

    with platform.writer() as connection:
        add_file(
            connection,
            SHARED / "corrupt" / file,
            ReadOptions(instrument=Instrument("bitfinex", "BTC/USD")),
            clock=platform.clock,
        )
    done = bring(instance, platform)
    assert [one.error for one in done.spans] == [None]
    name = "nothing_refused" if severity == "ERROR" else "nothing_flagged"
    ((passed, said, metadata),) = checks(instance, name).values()
    assert (passed, said) == (False, severity)
    (line,) = [
        one for one in str(metadata["checks"]).splitlines() if one.startswith(f"| {check} |")
    ]
    assert int(line.split("|")[3]) > 0
