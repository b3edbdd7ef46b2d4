"""Troubles of a bot with its bars: each alone is named in the report, and nothing is left over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from backtest.parity.words import Cause
from candela.db.connect import Role
from tests.backtest.parity.afternoon import (
    BARS,
    CROSS,
    SIZING,
    START,
    a_rehearsal,
    entries,
    named,
    prove,
    proved,
    series,
)
from tests.backtest.parity.house import Troubles
from tests.backtest.parity.rehearsal import rehearse

if TYPE_CHECKING:
    from candela.db.connect import Database


def test_nothing_when_all_goes_well_is_left_to_explain(database: Database) -> None:
    parity = prove(database)
    assert named(parity) == set()
    assert parity.only_bot == parity.only_backtest == 0
    assert abs(parity.gap) < 1


def test_bar_when_it_was_missing_as_a_trade_was_due_is_a_missed_bar(database: Database) -> None:
    parity = prove(database, Troubles(missing=frozenset({entries()[1]})))
    assert named(parity) == {Cause.MISSED_BAR}
    assert parity.only_backtest == 1


def test_bar_when_it_was_quarantined_as_a_trade_was_due_is_a_missed_bar(
    database: Database,
) -> None:
    parity = prove(database, Troubles(broken=frozenset({entries()[1]})))
    assert named(parity) == {Cause.MISSED_BAR}


def test_hour_when_nobody_evaluated_is_an_outage(database: Database) -> None:
    at = entries()[1]
    outage = (at, at + timedelta(minutes=20))
    parity = prove(database, Troubles(outage=outage))
    assert named(parity) == {Cause.OUTAGE}


def test_candle_when_it_was_corrected_afterwards_is_a_data_revision(database: Database) -> None:
    at = entries()[1]
    before = series().frame.filter(pl.col("time") == at)["close"][0]
    parity = prove(database, Troubles(corrected={at: before * 0.998}))
    assert named(parity) == {Cause.DATA_REVISION}


def test_signals_when_the_executor_was_gone_are_an_outage(database: Database) -> None:
    at = entries()[1]
    gone, back = at, at + timedelta(minutes=20)
    rehearsal = a_rehearsal(database, Troubles(deaf=(gone, back)))
    rehearsal.bot("bot", "ma_cross", parameters=CROSS, sizing=SIZING)
    rehearse(rehearsal, BARS)
    # As the books look after a takeover.
    with rehearsal.session() as session:
        session.run(
            "INSERT INTO trading.bot_runs (tenant_id, run_id, bot_id, version, executor,"
            " started_at) SELECT tenant_id, gen_random_uuid(), bot_id, version, 'next', %(back)s"
            " FROM trading.bot_runs",
            {"back": back},
        )
        session.run(
            "UPDATE trading.bot_runs SET stopped_at = %(back)s, stop_reason = 'taken over'"
            " WHERE executor = 'test'",
            {"back": back},
        )
    with database.connect(Role.EXECUTOR) as connection:
        connection.execute(
            "INSERT INTO live.executors (executor, host, pid, started_at, seen_at)"
            " VALUES ('test', 'here', 1, %s, %s), ('next', 'here', 2, %s, %s)",
            (START, gone, back, rehearsal.clock.now()),
        )
    assert named(proved(rehearsal)) == {Cause.OUTAGE}
