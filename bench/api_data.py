"""Tenants with trades for the bench of the API: 200 of them with 1,000,000 trades, made in SQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from uuid import UUID

from candela.db.connect import Role
from candela.desk.opening import add_paper
from candela.desk.session import tenant_session
from candela.desk.users import create_user
from candela.money import ZERO

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.desk.users import User

__all__ = ["make_tenants", "make_trades"]

BOTS: Final = 5
# Ten symbols, a trade each ten minutes; prices with the digits that venues have.
_BOTS: Final = """
WITH made AS (
    INSERT INTO trading.bots (tenant_id, bot_id, name, account_id, version, created_at)
    SELECT a.tenant_id, gen_random_uuid(), 'bot ' || n, a.account_id, 1, %(at)s
    FROM trading.accounts AS a, generate_series(1, %(bots)s) AS n
    RETURNING tenant_id, bot_id
)
INSERT INTO trading.bot_versions (tenant_id, bot_id, version, config, definition_id, created_by)
SELECT tenant_id, bot_id, 1, '{}', 'bench', 'bench' FROM made
"""
_TRADES: Final = """
INSERT INTO trading.trades (
    tenant_id, trade_id, account_id, bot_id, mode, symbol, direction, status, quantity,
    entry_price, exit_price, entry_value, exit_quantity, exit_value, fees, pnl, exit_reason,
    entry_bar_at, opened_at, closed_at
)
SELECT b.tenant_id, gen_random_uuid(), b.account_id, b.bot_id, 'paper', t.symbol,
    'long', 'closed', t.units, t.price, t.sold, t.units * t.price, t.units, t.units * t.sold,
    t.units * t.price * 0.002, t.units * (t.sold - t.price * 1.002),
    CASE WHEN t.sold > t.price THEN 'target' ELSE 'stop' END,
    t.at - interval '1 minute', t.at, t.at + interval '37 minutes'
FROM (
    SELECT tenant_id, account_id, bot_id, row_number() OVER (PARTITION BY tenant_id) AS place
    FROM trading.bots
) AS b,
    LATERAL (
        SELECT
            (ARRAY['BTC','ETH','SOL','ADA','XRP','DOT','LTC','BNB','TRX','LINK'])[1 + n %% 10]
                || '/USDT' AS symbol,
            %(at)s - interval '10 minutes' * (n * %(bots)s + b.place) AS at,
            round((0.001 + n %% 97 * 0.01)::numeric, 5) AS units,
            round((100 + n %% 1009 * 1.37 + b.place)::numeric, 2) AS price,
            round((100 + n %% 1009 * 1.37 + b.place + (n %% 13 - 6) * 0.9)::numeric, 2) AS sold
        FROM generate_series(1, %(each)s) AS n
    ) AS t
"""


def make_tenants(database: Database, tenants: int, *, clock: Clock) -> list[User]:
    """Sign up tenants with a paper account each."""
    users = [
        create_user(database, f"bench{n}@example.com", clock=clock, plan="pro")
        for n in range(tenants)
    ]
    for user in users:
        with tenant_session(database, user.tenant_id) as session:
            add_paper(session, name="paper", venue="binance", opening=ZERO + 1000, clock=clock)
    return users


def make_trades(database: Database, trades: int, *, clock: Clock) -> float:
    """Give the tenants bots and, in all, so many trades; return the seconds it took."""
    began = time.perf_counter()
    with database.connect() as connection:
        values = {"at": clock.now(), "bots": BOTS}
        connection.execute(_BOTS, values)
        row = connection.execute("SELECT count(*) FROM trading.bots").fetchone()
        bots = int(row[0]) if row else 1
        connection.execute(_TRADES, values | {"each": trades // bots})
    with database.connect(autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE trading.trades")
        connection.execute("ANALYZE")
    return time.perf_counter() - began


def bots_of(database: Database, tenant_id: UUID) -> list[UUID]:
    """Return the bots of a tenant."""
    with database.connect(Role.OWNER) as connection:
        rows = connection.execute(
            "SELECT bot_id FROM trading.bots WHERE tenant_id = %s", (tenant_id,)
        ).fetchall()
    return [row[0] for row in rows]


def add_sessions(database: Database, users: list[User], *, clock: Clock) -> None:
    """Give each user a session; its id is that of the user."""
    now = clock.now()
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO identity.sessions (tenant_id, session_id, user_id, created_at, seen_at,"
            " expires_at) VALUES (%s, %s, %s, %s, %s, %s + interval '7 days')",
            [(one.tenant_id, one.user_id, one.user_id, now, now, now) for one in users],
        )
