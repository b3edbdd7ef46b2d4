"""What sql/ makes on real TimescaleDB: tables, policies, rights, and the way there from plain."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from candela.candles.rollups import refresh_rollups
from candela.db.connect import Role
from candela.db.migrate import migrate
from candela.errors import MigrationError
from candela.market.timeframe import ROLLUPS
from tests.fixtures.candles import batch, sample
from tests.fixtures.timescale.wasm import OLDEST_TIMESCALE, serve_timescale
from tests.sql.rollup_checks import differing_buckets, store

if TYPE_CHECKING:
    from candela.db.connect import Database

pytestmark = pytest.mark.node

AGGREGATES = {f"candles_{timeframe}" for timeframe in ROLLUPS}


def test_schema_when_applied_twice_then_the_second_run_does_nothing(timescale: Database) -> None:
    report = migrate(timescale, oldest_timescale=OLDEST_TIMESCALE)
    assert (report.applied, report.reapplied, report.variant) == ([], [], "timescale")


def test_extension_when_older_than_the_floor_then_refused(timescale: Database) -> None:
    with pytest.raises(MigrationError, match=r"TimescaleDB 2\.23.*Upgrade it to 2\.25"):
        migrate(timescale)


def test_candles_when_migrated_then_a_hypertable_in_the_columnstore(timescale: Database) -> None:
    with timescale.connect() as connection:
        dimensions = connection.execute(
            "SELECT hypertable_name, column_name, time_interval"
            " FROM timescaledb_information.dimensions"
            " WHERE hypertable_schema = 'market' ORDER BY 1"
        ).fetchall()
        settings = connection.execute(
            "SELECT segmentby, orderby FROM timescaledb_information.hypertable_columnstore_settings"
            " WHERE hypertable = 'market.candles'::regclass"
        ).fetchall()
        indexes = connection.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'market'"
            " AND tablename IN ('candles', 'rankings') ORDER BY 1"
        ).fetchall()
    assert dimensions == [
        ("candles", "time", timedelta(days=30)),
        ("rankings", "ranked_at", timedelta(days=7)),
    ]
    assert [(segment, order.strip('"')) for segment, order in settings] == [
        ("instrument_id,timeframe_s", "time")
    ]
    assert indexes == [("pk_candles",), ("pk_rankings",)], "no index beside the keys"


def test_aggregates_when_migrated_then_owned_and_refreshable_by_pipelines_alone(
    timescale: Database,
) -> None:
    with timescale.connect() as connection:
        made = connection.execute(
            "SELECT view_name, view_owner, materialized_only"
            " FROM timescaledb_information.continuous_aggregates"
        ).fetchall()
    assert {row[0] for row in made} == AGGREGATES
    assert {row[1:] for row in made} == {("candela_pipelines", True)}
    refresh = "CALL refresh_continuous_aggregate('market.candles_1h', NULL, NULL)"
    with timescale.connect(Role.PIPELINES, autocommit=True) as connection:
        connection.execute(refresh)
    with (
        timescale.connect(Role.ANALYST, autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(refresh)


def test_policies_when_migrated_then_compress_refresh_and_keep_the_candles(
    timescale: Database,
) -> None:
    """The background workers that would run them are absent here; that they exist is not."""
    with timescale.connect() as connection:
        jobs = connection.execute(
            "SELECT j.proc_name, coalesce(a.view_name, j.hypertable_name), j.owner::text,"
            " j.config - 'mat_hypertable_id' - 'hypertable_id'"
            " FROM timescaledb_information.jobs AS j"
            " LEFT JOIN timescaledb_information.continuous_aggregates AS a"
            " ON a.materialization_hypertable_name = j.hypertable_name"
            " OR a.view_name = j.hypertable_name"
            " WHERE j.job_id >= 1000"
        ).fetchall()
    found = {(name, relation): (owner, config) for name, relation, owner, config in jobs}
    compress, refresh = "policy_compression", "policy_refresh_continuous_aggregate"
    assert set(found) == {
        (compress, "candles"),
        (compress, "rankings"),
        ("policy_retention", "rankings"),
        *((compress, name) for name in AGGREGATES),
        *((refresh, name) for name in AGGREGATES),
    }
    assert found[compress, "candles"] == ("candela_owner", {"compress_after": "7 days"})
    for name in AGGREGATES:
        owner, config = found[refresh, name]
        assert owner == "candela_pipelines"
        assert config["start_offset"] is None, "late candles may be of any year"
        assert config["buckets_per_batch"] == 0


def test_retention_when_set_and_unset_then_a_policy_comes_and_goes(timescale: Database) -> None:
    policies = (
        "SELECT config ->> 'drop_after' FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_retention' AND hypertable_name = 'candles'"
    )
    seen: list[list[tuple[str]]] = []
    for days in (400, 500, None):
        with timescale.connect(Role.PIPELINES, autocommit=True) as connection:
            connection.execute(
                "UPDATE market.retention SET keep_for = make_interval(days => %s)"
                " WHERE relation = 'candles'",
                (days,),
            )
            connection.execute("SELECT market.apply_retention()")
        with timescale.connect() as connection:
            seen.append(connection.execute(policies).fetchall())
    assert seen == [[("400 days",)], [("500 days",)], []]


@pytest.mark.parametrize("role", [Role.APP, Role.ANALYST])
def test_readers_when_they_write_then_refused(timescale: Database, role: Role) -> None:
    with timescale.connect(role, autocommit=True) as connection:
        for relation in ("candles", "candles_1h", "series", "data_quality", "gaps", "rankings"):
            connection.execute(f"SELECT * FROM market.{relation} LIMIT 1".encode())
        for statement in (
            "INSERT INTO market.venues (venue, kind) VALUES ('a', 'file')",
            "UPDATE market.candles SET high = 1",
            "CREATE TABLE market.mine (a integer)",
            "SELECT market.apply_retention()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_plain_database_when_the_server_gains_the_extension_then_upgraded_on_demand() -> None:
    """Candles, rights and later refreshes survive the way from views to aggregates."""
    with serve_timescale(with_extension=False) as database:
        assert migrate(database).variant == "plain"
        frame = sample("ADA-USDT-perp_1m_2022-12-13")
        store(database, batch(frame))
        assert refresh_rollups(database).variant == "plain"
        with database.connect(autocommit=True) as connection:
            connection.execute("CREATE EXTENSION timescaledb")
        assert refresh_rollups(database).variant == "plain"
        report = migrate(database, oldest_timescale=OLDEST_TIMESCALE)
        assert (report.variant, report.can_upgrade, report.applied) == ("plain", True, [])
        report = migrate(database, oldest_timescale=OLDEST_TIMESCALE, upgrade=True)
        assert (report.variant, report.can_upgrade) == ("timescale", False)
        assert "timescale/0001_create_hypertable.sql" in report.applied
        assert refresh_rollups(database).variant == "timescale"
        assert differing_buckets(database) == {timeframe.name: 0 for timeframe in ROLLUPS}
        with database.connect(Role.ANALYST) as connection:
            row = connection.execute("SELECT sum(candles) FROM market.candles_1d").fetchone()
        assert row == (frame.height,)
