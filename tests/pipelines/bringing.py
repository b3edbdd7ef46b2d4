"""What the pipelines' tests do with files: make them sources, bring them in, look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

import dagster as dg

from candela.candles.filesources import add_file
from candela.candles.read import read_candles
from candela.db.connect import Role
from candela.files.options import ReadOptions
from pipelines.lib.plan import make_plan
from pipelines.up.materialise import materialise
from tests.fixtures.candles import BTC, HOUR

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from candela.db.connect import Database
    from pipelines.lib.plan import Plan
    from pipelines.resources import Platform
    from pipelines.up.materialise import Done

CANDLES = dg.AssetKey("candles")


def add(platform: Platform, path: Path) -> None:
    """Make a file the source of the series in it."""
    with platform.writer() as connection:
        add_file(connection, path, ReadOptions(), clock=platform.clock)


def bring(instance: dg.DagsterInstance, platform: Platform) -> Done:
    """Materialise what is not as its sources are."""
    return materialise(instance, platform, progress=_show_nothing)


def _show_nothing(what: str, share: float, rows: int) -> None:
    """Take the progress and leave it."""


def plan(instance: dg.DagsterInstance, platform: Platform) -> Plan:
    """Return what would be materialised."""
    with platform.writer() as connection:
        return make_plan(instance, connection, platform.clock)


def stored(platform: Platform) -> pl.DataFrame:
    """Return the stored candles of the made-up market."""
    return read_candles(platform.database, BTC, HOUR).frame


def count(database: Database, query: LiteralString) -> int:
    """Return the one number that a query gives."""
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def checks(
    instance: dg.DagsterInstance, name: str
) -> dict[str, tuple[bool, str, dict[str, object]]]:
    """Return the last evaluation of a check for each partition: passed, severity, metadata."""
    found: dict[str, tuple[bool, str, dict[str, object]]] = {}
    records = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(CANDLES, name), limit=1000
    )
    for record in records:  # newest first
        assert record.event is not None
        event = record.event.dagster_event
        assert event is not None
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            continue  # its run was killed before it got there
        evaluation = event.asset_check_evaluation_data
        metadata: dict[str, object] = {
            key: value.value for key, value in evaluation.metadata.items()
        }
        assert evaluation.partition is not None
        found.setdefault(
            evaluation.partition, (evaluation.passed, evaluation.severity.value, metadata)
        )
    return found
