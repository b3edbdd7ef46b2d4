"""Trials count once, whatever tried them, and nobody can take one back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.ledger import Family, Trial
from backtest.ledger.identity import trial_base, trial_key
from candela.db.connect import Role
from tests.backtest.ledger.made import FAMILY, MANIFEST, METRICS, made, point

if TYPE_CHECKING:
    from backtest.ledger import Ledger
    from candela.db.connect import Database

SWEEP = "5a" * 32


def test_trial_when_a_sweep_tried_it_and_then_a_run_then_one(ledger: Ledger) -> None:
    import polars as pl

    ledger.open_sweep(SWEEP, {"fast": [19, 20, 21]}, 3, FAMILY, surface="cli")
    points = [point(number) for number in (19, 20, 21)]
    ledger.record_chunk(SWEEP, 0, 0, pl.DataFrame({"fast": [19, 20, 21]}), points)
    assert ledger.trial_count(FAMILY) == 3
    result = made(engine="vectorbt", as_of="2026-01-01T00:00:00Z", versions={"candela": "9"})
    assert ledger.record_run(result, surface="notebook")
    assert ledger.trial_count(FAMILY) == 3
    frame = ledger.trials(FAMILY).sort(pl.col("parameters").struct.field("fast"))
    assert frame["run_id"].to_list() == [None, result.manifest["id"], None]
    assert frame["sweep_id"].to_list() == [SWEEP] * 3
    assert frame["sharpe"].to_list() == [0.19, 0.20, 0.21]


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"fast": 21, "slow": 50}},
        {"strategy": {"name": "ma_cross", "source_digest": "sha256:bb"}},
        {"data_digest": "sha256:ee"},
        {"costs": {"taker_fee_bps": 11.0}},
        {"seed": 1},
        {"protection": {"stop_loss": 0.05, "take_profit": None}},
        {"what_comes_later": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_trial_when_anything_that_decides_differs_then_another(
    ledger: Ledger, change: dict[str, Any]
) -> None:
    ledger.record_run(made(), surface="cli")
    ledger.record_run(made(**change), surface="cli")
    assert ledger.trial_count(FAMILY) == 2


def test_trial_when_a_sweep_tried_the_stop_and_then_a_run_has_it_then_one(ledger: Ledger) -> None:
    import polars as pl

    point, stop = {"fast": 20, "slow": 50}, {"stop_loss": 0.05}
    protection = {"stop_loss": 0.05, "take_profit": None}
    key = trial_key(trial_base(MANIFEST | {"protection": protection}), point)
    ledger.open_sweep(SWEEP, {}, 1, FAMILY, surface="cli")
    ledger.record_chunk(
        SWEEP, 0, 0, pl.DataFrame(point | stop), [Trial(key, point | stop, 100, 0.1, 0.1)]
    )
    ledger.record_run(made(protection=protection), surface="cli")
    assert ledger.trials(FAMILY)["parameters"].to_list() == [point | stop]
    ledger.record_run(made(protection=protection | {"stop_loss": 0.06}), surface="cli")
    assert ledger.trial_count(FAMILY) == 2


def test_trial_when_of_another_family_then_counted_there(ledger: Ledger) -> None:
    ledger.record_run(made(), surface="cli")
    ledger.record_run(made(timeframe="4h"), surface="cli")
    ledger.record_run(made(instruments=["b:B/C", "a:A/C"]), surface="cli")
    assert ledger.families() == [
        (Family("ma_cross", ("a:A/C", "b:B/C"), "1h"), 1),
        (FAMILY, 1),
        (Family("ma_cross", FAMILY.instruments, "4h"), 1),
    ]
    assert ledger.trial_count(Family("ma_cross", ("b:B/C", "a:A/C"), "1h")) == 1
    assert ledger.trial_count(Family("other", ("a:A/C",), "1h")) == 0


def test_trials_when_read_then_sharpe_per_bar_and_null_where_undefined(ledger: Ledger) -> None:
    ledger.record_run(made(), surface="cli")
    (row,) = ledger.trials(FAMILY).to_dicts()
    assert row["sharpe"] == METRICS["sharpe"] / math.sqrt(METRICS["bars_per_year"])
    assert (row["skewness"], row["kurtosis"], row["round_trips"]) == (None, 3.25, 2)
    assert row["parameters"] == {"fast": 20, "slow": 50}
    empty = ledger.trials(Family("other", ("a:A/C",), "1h"))
    assert (empty.height, empty.columns) == (0, ledger.trials(FAMILY).columns)


def test_trials_when_versions_have_other_parameters_then_all_are_in_the_table(
    ledger: Ledger,
) -> None:
    ledger.record_run(made(parameters={"fast": 1}), surface="cli")
    ledger.record_run(made(parameters={"fast": 1.5, "kind": "ema"}), surface="cli")
    parameters = ledger.trials(FAMILY).unnest("parameters").select("fast", "kind").rows()
    assert sorted(parameters, key=str) == [(1.0, None), (1.5, "ema")]


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)),
        max_size=4,
    )
)
def test_trial_key_when_numbers_are_written_otherwise_then_the_same(
    parameters: dict[str, float],
) -> None:
    base = trial_base(MANIFEST)
    otherwise = {
        name: int(value) if float(value).is_integer() else value
        for name, value in reversed(parameters.items())
    }
    assert trial_key(base, parameters) == trial_key(base, otherwise)
    assert trial_key(base, parameters) != trial_key(base, parameters | {"one more": 1})


@pytest.mark.parametrize("role", [Role.ANALYST, Role.PIPELINES])
def test_evidence_when_somebody_would_take_it_back_then_refused(
    ledger: Ledger, database: Database, role: Role
) -> None:
    ledger.record_run(made(), surface="cli", report_html="<p>")
    with database.connect(role, autocommit=True) as connection:
        for table in ("families", "trials", "runs", "run_reports", "sweeps", "sweep_chunks"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"DELETE FROM research.{table}".encode())
        for statement in (
            "UPDATE research.trials SET sharpe = 9",
            "UPDATE research.runs SET metrics = '{}'",
            "UPDATE research.sweeps SET total = 1",
            "UPDATE research.strategy_sources SET source = ''",
            "TRUNCATE research.trials",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_evidence_when_the_app_would_write_it_then_refused_and_reading_goes(
    ledger: Ledger, database: Database
) -> None:
    ledger.record_run(made(), surface="cli")
    with database.connect(Role.APP, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM research.trials").fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO research.families VALUES (DEFAULT, 'a', '{b}', '1h')")


def test_tables_when_migrated_then_belong_to_the_owner(database: Database) -> None:
    with database.connect() as connection:
        owners = connection.execute(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'research'"
        ).fetchall()
    assert owners == [("candela_owner",)]
