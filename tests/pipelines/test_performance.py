"""Figures are those of the books whatever came late; summaries are told once a day and user."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import dagster as dg
import pytest
from psycopg.rows import dict_row

from candela.clock import FixedClock
from candela.db.connect import Role
from candela.desk.users import create_user
from candela.ids import new_id
from pipelines.defs.performance.assets import EVERYBODY, daily_summaries, metric_rollups
from pipelines.defs.performance.keeping import roll_up
from pipelines.defs.performance.summaries import summarise_days
from pipelines.resources import Platform
from tests.fixtures.desk import Desk

if TYPE_CHECKING:
    from candela.db.connect import Database

NOW = datetime(2026, 3, 27, 12, tzinfo=UTC)
KEYS = ("tenant_id", "scope", "scope_id", "mode", "currency")


def a_desk(database: Database, name: str, zone: str = "Europe/Madrid") -> Desk:
    clock = FixedClock(NOW)
    user = create_user(database, f"{name}@example.com", clock=clock, plan="pro", zone=zone)
    desk = Desk(database, user, clock)
    desk.paper()
    return desk


def add_trade(desk: Desk, bot: UUID | None, pnl: str, closed_at: datetime) -> UUID:
    """Write a closed trade and its fill, as the executor books them."""
    trade = new_id(closed_at)
    values: dict[str, Any] = {
        "tenant": desk.user.tenant_id,
        "id": trade,
        "bot": bot,
        "pnl": Decimal(pnl),
        "opened": closed_at - timedelta(minutes=5),
        "closed": closed_at,
        "client": str(trade),
        "booked": desk.clock.now(),
    }
    statements = (
        (
            "INSERT INTO trading.trades (tenant_id, trade_id, account_id, bot_id, mode, symbol,"
            " direction, status, quantity, entry_value, fees, pnl, opened_at, closed_at)"
            " SELECT %(tenant)s, %(id)s, account_id, %(bot)s, 'paper', 'BTC/USDT', 'long',"
            " 'closed',"
            " 1, 100, 0.1, %(pnl)s, %(opened)s, %(closed)s FROM trading.accounts"
            " WHERE tenant_id = %(tenant)s"
        ),
        (
            "INSERT INTO trading.intents (tenant_id, intent_id, account_id, bot_id, symbol, bar_at,"
            " leg, source, side, kind, quantity, shard, epoch, created_at)"
            " SELECT %(tenant)s, %(id)s, account_id, %(bot)s, 'BTC/USDT', %(closed)s,"
            " %(id)s::uuid::text, 'signal', 'sell', 'market', 1, 0, 0, %(closed)s"
            " FROM trading.accounts WHERE tenant_id = %(tenant)s"
        ),
        (
            "INSERT INTO trading.orders (tenant_id, client_id, intent_id, account_id,"
            " attempt, symbol,"
            " side, kind, quantity, state, created_at)"
            " SELECT %(tenant)s, %(client)s, %(id)s, account_id, 1, 'BTC/USDT', 'sell',"
            " 'market', 1,"
            " 'filled', %(closed)s FROM trading.accounts WHERE tenant_id = %(tenant)s"
        ),
        (
            "INSERT INTO trading.fills (tenant_id, account_id, symbol, trade_id, client_id, bot_id,"
            " side, quantity, price, fee, fee_ccy, is_maker, executed_at, booked_at)"
            " SELECT %(tenant)s, account_id, 'BTC/USDT', %(client)s, %(client)s, %(bot)s,"
            " 'sell', 1,"
            " 100, 0, 'USDT', false, %(closed)s, %(booked)s FROM trading.accounts"
            " WHERE tenant_id = %(tenant)s"
        ),
    )
    with desk.database.connect() as connection:
        for statement in statements:
            connection.execute(statement.encode(), values)
    return trade


def kept(database: Database) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return all figures and points by key."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    with database.connect() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        for table, more in (
            ("metric_rollups", ("period", "starts_on")),
            ("equity_points", ("day",)),
        ):
            for row in cursor.execute(f"SELECT * FROM trading.{table}".encode()).fetchall():
                found[table, *(row[name] for name in (*KEYS, *more))] = row
    return found


def without_time(rows: dict[tuple[Any, ...], dict[str, Any]]) -> dict[tuple[Any, ...], Any]:
    return {
        key: {name: value for name, value in row.items() if name != "computed_at"}
        for key, row in rows.items()
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_figures_when_trades_are_booked_late_and_in_any_order_then_are_those_from_nothing(
    database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    desks = [a_desk(database, name) for name in ("one", "two")]
    bots: list[tuple[Desk, UUID | None]] = []
    for desk in desks:
        bots += [(desk, None), (desk, desk.bot("a").bot_id), (desk, desk.bot("b").bot_id)]
    clock = FixedClock(NOW)
    for _ in range(6):
        clock.at += timedelta(minutes=chance.randrange(1, 900))
        for desk, bot in chance.sample(bots, k=chance.randrange(3)):
            desk.clock.at = clock.at
            late = timedelta(hours=chance.choice([0, 1, 30, 24 * 20, 24 * 60]))
            add_trade(desk, bot, str(chance.randrange(-900, 900) / 100), clock.at - late)
        before = kept(database)
        clock.at += timedelta(seconds=30)
        roll_up(database, clock)
        after = kept(database)
        plain, earlier = without_time(after), without_time(before)
        for key, row in after.items():
            is_new = plain[key] != earlier.get(key)
            assert (row["computed_at"] == clock.at) == is_new, key
    incremental = without_time(kept(database))
    with database.connect() as connection:
        connection.execute("TRUNCATE trading.metric_rollups, trading.equity_points")
    roll_up(database, clock, everybody=True)
    assert without_time(kept(database)) == incremental
    assert len(incremental) > 20


def test_figures_when_one_tenant_trades_then_no_row_of_others_or_of_other_bots_changes(
    database: Database,
) -> None:
    mine, other = a_desk(database, "mine"), a_desk(database, "other")
    bot, quiet = mine.bot("a").bot_id, mine.bot("b").bot_id
    for desk, which in ((mine, bot), (mine, quiet), (other, other.bot("a").bot_id)):
        add_trade(desk, which, "1", NOW - timedelta(days=40))
    roll_up(database, FixedClock(NOW))
    add_trade(mine, bot, "2", NOW - timedelta(days=40, minutes=1))
    later = NOW + timedelta(minutes=1)
    report = roll_up(database, FixedClock(later))
    touched = [key for key, row in kept(database).items() if row["computed_at"] == later]
    assert report.written == len(touched) > 0
    assert {key[3] for key in touched} <= {bot, mine.user.tenant_id} | {
        key[3] for key in touched if key[2] == "account"
    }
    assert {key[1] for key in touched} == {mine.user.tenant_id}
    again = roll_up(database, FixedClock(later + timedelta(seconds=1)))
    assert (again.written, again.removed) == (0, 0)


def test_figures_when_the_zone_changes_then_days_are_those_of_the_new_one(
    database: Database,
) -> None:
    desk = a_desk(database, "one", zone="UTC")
    add_trade(desk, desk.bot("a").bot_id, "1", datetime(2026, 3, 20, 23, 30, tzinfo=UTC))
    roll_up(database, FixedClock(NOW))
    with database.connect() as connection:
        connection.execute("UPDATE tenancy.tenants SET zone = 'Asia/Tokyo'")
    roll_up(database, FixedClock(NOW + timedelta(hours=1)))
    days = {
        key[-1].isoformat()
        for key, row in kept(database).items()
        if key[0] == "metric_rollups" and key[-2] == "day" and row["trades"]
    }
    assert days == {"2026-03-21"}


def test_figures_when_modes_and_currencies_differ_then_are_never_added_up(
    database: Database,
) -> None:
    desk = a_desk(database, "one")
    trades = [add_trade(desk, None, "1", NOW - timedelta(days=1)) for _ in range(3)]
    with database.connect() as connection:
        connection.execute(
            "UPDATE trading.trades SET mode = 'live' WHERE trade_id = %s", (trades[0],)
        )
        connection.execute(
            "UPDATE trading.trades SET symbol = 'BTC/EUR' WHERE trade_id = %s", (trades[1],)
        )
    roll_up(database, FixedClock(NOW))
    counted = {
        (key[4], key[5]): row["trades"]
        for key, row in kept(database).items()
        if key[0] == "metric_rollups" and key[2] == "user" and key[-2] == "all"
    }
    assert counted == {("live", "USDT"): 1, ("paper", "EUR"): 1, ("paper", "USDT"): 1}


def test_summary_when_days_end_around_the_world_then_each_user_is_told_once_of_each_day(
    database: Database,
) -> None:
    zones = ("Pacific/Auckland", "Europe/Madrid", "Asia/Kolkata", "America/Los_Angeles")
    desks = {zone: a_desk(database, zone.rpartition("/")[2].lower(), zone) for zone in zones}
    with database.connect() as connection:
        connection.execute("UPDATE tenancy.users SET language = 'es' WHERE email LIKE 'madrid%'")
    # Two days around the night in which Madrid's clocks go forward.
    start = datetime(2026, 3, 28, 0, tzinfo=UTC)
    for desk in desks.values():
        for hours in range(0, 48, 6):
            add_trade(desk, None, "1.5", start + timedelta(hours=hours, minutes=30))
    clock = FixedClock(start)
    told: dict[tuple[str, str], datetime] = {}
    for _ in range(24 * 4):
        roll_up(database, clock)
        summarise_days(database, clock)
        summarise_days(database, clock)
        clock.at += timedelta(hours=1)
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT t.zone, m.once_key, m.created_at, m.language, m.params, n.params"
            " FROM notify.mails AS m INNER JOIN tenancy.tenants AS t USING (tenant_id)"
            " INNER JOIN notify.notifications AS n USING (tenant_id, user_id, once_key)"
        ).fetchall()
    for zone, once, created_at, language, params, noted in rows:
        assert (zone, once) not in told
        told[zone, once] = created_at
        assert language == ("es" if zone == "Europe/Madrid" else "en")
        assert params == noted
        assert [(book["mode"], book["currency"]) for book in params["books"]] == [("paper", "USDT")]
    assert told["Europe/Madrid", "daily:2026-03-28"] == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert told["Europe/Madrid", "daily:2026-03-29"] == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert told["Asia/Kolkata", "daily:2026-03-28"] == datetime(2026, 3, 28, 19, tzinfo=UTC)
    trades = dict.fromkeys(zones, 0)
    for zone, _, _, _, params, _ in rows:
        trades[zone] += params["books"][0]["trades"]
    assert trades == dict.fromkeys(zones, 8)


def test_assets_when_materialized_then_say_what_they_did(
    database: Database, redis_url: str, instance: dg.DagsterInstance
) -> None:
    desk = a_desk(database, "one")
    add_trade(desk, desk.bot("a").bot_id, "1", NOW - timedelta(days=1))
    platform = Platform(database=database, redis_url=redis_url, clock=FixedClock(NOW))
    done = dg.materialize(
        [metric_rollups, daily_summaries],
        resources={"platform": platform},
        instance=instance,
        tags={EVERYBODY: "yes"},
    )
    assert done.success
    (made,) = done.asset_materializations_for_node("metric_rollups")
    assert made.metadata["tenants"].value == 1
    assert made.metadata["everybody"].value is True
    (told,) = done.asset_materializations_for_node("daily_summaries")
    assert told.metadata["users"].value == 1
    text = str(made.metadata) + str(told.metadata)
    assert "example.com" not in text


def test_pipelines_when_they_look_at_people_then_see_no_address(database: Database) -> None:
    with database.connect(Role.PIPELINES) as connection:
        row = connection.execute(
            "SELECT has_column_privilege('tenancy.users', 'email', 'SELECT'),"
            " has_column_privilege('notify.mails', 'params', 'SELECT'),"
            " has_column_privilege('tenancy.users', 'language', 'SELECT')"
        ).fetchone()
    assert row == (False, False, True)
