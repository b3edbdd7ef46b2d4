"""The nightly proof: it is kept in the books, and a defect that somebody plants is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from candela.clock import FixedClock
from candela.db.connect import Role
from pipelines.defs.parity.assets import bot_parity, every_gap_is_explained
from tests.backtest.parity.afternoon import a_rehearsal
from tests.backtest.parity.rehearsal import rehearse

if TYPE_CHECKING:
    from candela.db.connect import Database
    from pipelines.resources import Platform

BARS = 30


def materialize(instance: dg.DagsterInstance, platform: Platform) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [bot_parity, every_gap_is_explained], resources={"platform": platform}, instance=instance
    )


def is_explained(done: dg.ExecuteInProcessResult) -> bool:
    (check,) = done.get_asset_check_evaluations()
    return check.passed


def metadata(done: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (made,) = done.asset_materializations_for_node("bot_parity")
    return {name: value.value for name, value in made.metadata.items()}


def test_bot_parity_when_a_fill_was_changed_behind_its_back_then_the_check_fails(
    database: Database, platform: Platform, instance: dg.DagsterInstance
) -> None:
    rehearsal = a_rehearsal(database)
    rehearsal.bot(
        "bot",
        "ma_cross",
        parameters={"fast": 3, "slow": 8},
        sizing={"kind": "fixed_value", "value": 5_000.0},
    )
    rehearse(rehearsal, BARS)
    platform = replace(platform, clock=FixedClock(rehearsal.clock.now()))

    done = materialize(instance, platform)
    assert done.success
    assert is_explained(done)
    assert metadata(done)["bots"] == metadata(done)["explained"] == 1
    (kept,) = rehearsal.rows("SELECT is_explained, gap, report FROM trading.parity")
    assert kept["is_explained"]
    assert str(kept["gap"]) in kept["report"]["gap"]
    assert kept["report"]["matched"] >= 2

    with database.connect(Role.OWNER) as connection:
        connection.execute("ALTER TABLE trading.fills NO FORCE ROW LEVEL SECURITY")
        changed = connection.execute(
            "UPDATE trading.fills SET price = price * 0.99 WHERE side = 'buy'"
        ).rowcount
        connection.execute("ALTER TABLE trading.fills FORCE ROW LEVEL SECURITY")
    assert changed
    platform = replace(platform, clock=FixedClock(platform.clock.now() + timedelta(seconds=1)))
    done = materialize(instance, platform)
    assert done.success
    assert not is_explained(done)
    assert metadata(done)["unexplained"] == 1
    latest = rehearsal.rows("SELECT report FROM trading.parity ORDER BY created_at DESC")[0]
    assert "the books say" in str(latest["report"]["differences"])
