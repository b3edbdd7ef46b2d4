"""What a bot's owner sees: who works on it, why it did nothing, and what it made today."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.types.json import Jsonb

from candela.db.connect import Role
from candela.desk.bots import bot_named
from candela.desk.halts import kill
from candela.desk.reads import decisions_of, logs_of, orders_of, positions_of, trades_of
from candela.desk.running import start_bot
from candela.desk.status import status_of
from candela.desk.users import create_user
from candela.ids import new_id, shard_of
from tests.fixtures.desk import NOW, Desk

if TYPE_CHECKING:
    from candela.desk.status import BotStatus

GATES = [
    {"gate": "plan_mode", "passed": True, "words": "The account is paper."},
    {"gate": "daily_loss", "passed": False, "words": "Loss of today 51; limit: 50."},
]


def status(desk: Desk) -> BotStatus:
    with desk.session() as session:
        return status_of(session, bot_named(session, "one"), clock=desk.clock)


def keep(desk: Desk, *, lease_s: float, seen_s: float) -> None:
    """Let an executor hold the tenant's shard for so long, seen so long ago."""
    with desk.database.connect(Role.EXECUTOR) as connection:
        connection.execute(
            "INSERT INTO live.executors (executor, host, pid, started_at, seen_at)"
            " VALUES ('exec-1', 'here', 1, %(seen)s, %(seen)s)"
            " ON CONFLICT (executor) DO UPDATE SET seen_at = excluded.seen_at",
            {"seen": NOW - timedelta(seconds=seen_s)},
        )
        connection.execute(
            "UPDATE live.shards SET owner = 'exec-1', expires_at = %s"
            " WHERE kind = 'trade' AND shard = %s",
            (NOW + timedelta(seconds=lease_s), shard_of(desk.user.tenant_id)),
        )


def put(desk: Desk, statement: str, **values: Any) -> None:
    with desk.session() as session:
        bot = bot_named(session, "one")
        given = {"bot": bot.bot_id, "account": bot.account_id, "now": NOW, "id": new_id(NOW)}
        session.run(statement, given | values)  # pyright: ignore[reportArgumentType]


def trade(desk: Desk, pnl: str, closed_at: datetime) -> None:
    put(
        desk,
        "INSERT INTO trading.trades (tenant_id, trade_id, account_id, bot_id, mode, symbol,"
        " direction, status, pnl, opened_at, closed_at) VALUES (%(tenant)s, %(id)s, %(account)s,"
        " %(bot)s, 'paper', 'BTC/USDT', 'long', 'closed', %(pnl)s, %(at)s, %(at)s)",
        pnl=Decimal(pnl),
        at=closed_at,
    )


@pytest.mark.parametrize(
    ("lease_s", "seen_s", "is_alive"),
    [(10, 1, True), (-1, 1, False), (10, 17, False), (10, 15, True)],
)
def test_status_when_an_executor_holds_the_shard_then_alive_only_with_lease_and_heartbeat(
    desk: Desk, lease_s: float, seen_s: float, *, is_alive: bool
) -> None:
    desk.bot("one")
    with desk.session() as session:
        start_bot(session, "one", clock=desk.clock)
    assert status(desk).keeper.executor is None
    assert "no executor is alive" in status(desk).words
    keep(desk, lease_s=lease_s, seen_s=seen_s)
    found = status(desk)
    assert (found.keeper.executor, found.keeper.is_alive) == ("exec-1", is_alive)
    assert found.words == ("starting" if is_alive else found.words)


@pytest.mark.parametrize("state", ["running", "blocked", "error"])
def test_status_when_the_executor_says_so_then_its_words(desk: Desk, state: str) -> None:
    desk.bot("one")
    with desk.session() as session:
        start_bot(session, "one", clock=desk.clock)
    keep(desk, lease_s=10, seen_s=1)
    put(
        desk,
        "UPDATE trading.bots SET state = %(state)s, state_reason = 'why' WHERE bot_id = %(bot)s",
        state=state,
    )
    assert status(desk).words == ("running" if state == "running" else f"{state}: why")
    with desk.session() as session:
        kill(session, by="me", reason="smoke", clock=desk.clock, bot="one")
    assert "kill switch of bot one (smoke)" in status(desk).words


def test_status_when_its_strategy_broke_then_says_why(desk: Desk) -> None:
    desk.bot("one")
    with desk.session() as session:
        start_bot(session, "one", clock=desk.clock)
    keep(desk, lease_s=10, seen_s=1)
    with desk.database.connect(Role.EXECUTOR) as connection:
        connection.execute(
            "UPDATE live.definitions SET broken_since = now(), broken_reason = 'it raised'"
        )
    assert status(desk).words == "its strategy failed: it raised"


def test_status_when_trades_closed_then_today_is_the_day_of_the_users_zone(
    desk: Desk,
) -> None:
    desk.bot("one")
    with desk.session() as session:
        session.run(
            "UPDATE tenancy.tenants SET zone = 'Asia/Tokyo' WHERE tenant_id = %(tenant)s", {}
        )
    # 21:00 in Tokyo; its day began at 15:00 UTC the day before.
    for pnl, at in (
        ("100", datetime(2026, 3, 1, 14, 59, tzinfo=UTC)),
        ("1", datetime(2026, 3, 1, 15, 0, tzinfo=UTC)),
        ("-0.25", datetime(2026, 3, 2, 11, 59, tzinfo=UTC)),
    ):
        trade(desk, pnl, at)
    found = status(desk)
    assert (found.pnl_today, found.trades_today, found.zone) == (Decimal("0.75"), 2, "Asia/Tokyo")


def test_status_when_a_decision_was_refused_then_why_is_the_gate_that_decided(desk: Desk) -> None:
    desk.bot("one")
    put(
        desk,
        "INSERT INTO trading.decisions (tenant_id, decision_id, bot_id, symbol, bar_at, leg,"
        " action, outcome, decided_by, gates, decided_at) VALUES (%(tenant)s, %(id)s, %(bot)s,"
        " 'BTC/USDT', %(now)s, 'entry', 'enter', 'refused', 'daily_loss', %(gates)s, %(now)s)",
        gates=Jsonb(GATES),
    )
    found = status(desk).last_decision
    assert found is not None
    assert (found.outcome, found.decided_by) == ("refused", "daily_loss")
    assert found.why == "Loss of today 51; limit: 50."
    with desk.session() as session:
        bot = bot_named(session, "one")
        assert len(decisions_of(session, bot.bot_id, only_refused=True)) == 1


def test_reads_when_of_another_tenant_then_nothing(desk: Desk) -> None:
    desk.bot("one")
    trade(desk, "1", NOW)
    put(
        desk,
        "INSERT INTO trading.positions (tenant_id, bot_id, symbol, account_id, quantity,"
        " mean_price, updated_at) VALUES (%(tenant)s, %(bot)s, 'BTC/USDT', %(account)s, 1, 2,"
        " %(now)s)",
    )
    other = Desk(
        desk.database, create_user(desk.database, "o@example.com", clock=desk.clock), desk.clock
    )
    with desk.session() as session:
        assert (len(trades_of(session)), len(positions_of(session))) == (1, 1)
    with other.session() as session:
        found = trades_of(session), positions_of(session), orders_of(session), logs_of(session)
    assert found == ([], [], [], [])


def test_logs_when_many_then_the_last_ones_in_order_from_a_level_on(desk: Desk) -> None:
    desk.bot("one")
    for number, level in enumerate(("info", "debug", "error", "warning", "info")):
        put(
            desk,
            "INSERT INTO trading.bot_logs (tenant_id, bot_id, log_id, logged_at, level, event,"
            " message) VALUES (%(tenant)s, %(bot)s, %(id)s, %(at)s, %(level)s, 'e', %(message)s)",
            at=NOW + timedelta(seconds=number),
            level=level,
            message=str(number),
        )
    with desk.session() as session:
        assert [one.message for one in logs_of(session, limit=3)] == ["2", "3", "4"]
        assert [one.message for one in logs_of(session, least="warning")] == ["2", "3"]
        since = NOW + timedelta(seconds=4)
        assert [one.message for one in logs_of(session, since=since)] == ["4"]
        assert len(logs_of(session, least="debug")) == 5
