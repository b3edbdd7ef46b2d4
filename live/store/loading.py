"""What an executor reads when it takes over an account: all that is needed to go on trading it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from candela.orders.records import AccountBook
from live.store.fencing import lock_accounts
from live.store.rows import (
    ACCOUNT,
    BALANCES,
    HALTS,
    INTENTS,
    ORDERS,
    POSITIONS,
    account_of,
    balance_of,
    halt_of,
    intent_of,
    order_of,
    position_of,
    reservation_of,
)

if TYPE_CHECKING:
    from uuid import UUID

    from candela.orders.records import AccountKey, Halt
    from live.store.pool import ConnectionPool

__all__ = ["halts", "load"]

_OPEN_INTENTS: Final = f"""{INTENTS}
WHERE i.tenant_id = %s AND i.account_id = %s AND i.state IN ('committed', 'working')
ORDER BY i.created_at, i.intent_id
"""
# In two parts, each of which an index gives: attempts that are not over, and those of open intents.
_ORDERS_AT_WORK: Final = f"""
{ORDERS}
WHERE
    o.tenant_id = %s AND o.account_id = %s
    AND o.state IN ('created', 'sending', 'unknown', 'open', 'canceling')
UNION
{ORDERS}
INNER JOIN trading.intents AS i USING (tenant_id, intent_id)
WHERE i.tenant_id = %s AND i.account_id = %s AND i.state IN ('committed', 'working')
ORDER BY created_at, client_id
"""
_POSITIONS: Final = f"""{POSITIONS}
WHERE p.tenant_id = %s AND p.account_id = %s
ORDER BY p.bot_id, p.symbol
"""
# From symbol to symbol along the index: an account has few, and may have a million fills.
_LAST_EXECUTIONS: Final = """
WITH RECURSIVE symbols AS (
    SELECT min(f.symbol) AS symbol FROM trading.fills AS f
    WHERE f.tenant_id = %(tenant)s AND f.account_id = %(account)s
    UNION ALL
    SELECT (
        SELECT min(f.symbol) FROM trading.fills AS f
        WHERE
            f.tenant_id = %(tenant)s AND f.account_id = %(account)s AND f.symbol > s.symbol
    )
    FROM symbols AS s
    WHERE s.symbol IS NOT NULL
)

SELECT s.symbol, (
    SELECT max(f.executed_at) FROM trading.fills AS f
    WHERE f.tenant_id = %(tenant)s AND f.account_id = %(account)s AND f.symbol = s.symbol
)
FROM symbols AS s
WHERE s.symbol IS NOT NULL
"""


async def load(pool: ConnectionPool, account: AccountKey) -> AccountBook:
    """Do what `live.store.port.Store.load` says, in one round trip.

    Raises
    ------
    AccountNotFound
        There is no such account, or it is another tenant's.
    """
    place = (account.tenant_id, account.account_id)
    async with pool.transaction((account.tenant_id,)) as connection:
        # Nothing of the account is written meanwhile: all that is read is of one moment.
        await lock_accounts(connection, (account,))
        owners = await connection.execute(ACCOUNT, place)
        balances = await connection.execute(BALANCES, place)
        intents = await connection.execute(_OPEN_INTENTS, place)
        orders = await connection.execute(_ORDERS_AT_WORK, (*place, *place))
        positions = await connection.execute(_POSITIONS, place)
        names: dict[str, UUID] = {"tenant": account.tenant_id, "account": account.account_id}
        last = await connection.execute(_LAST_EXECUTIONS, names)
    owner = await owners.fetchone()
    intent_rows = await intents.fetchall()
    return AccountBook(
        account=account_of(account, owner),
        balances={
            ccy: balance_of(total, reserved) for ccy, total, reserved in await balances.fetchall()
        },
        reservations=tuple(reservation_of(row) for row in intent_rows),
        intents=tuple(intent_of(row) for row in intent_rows),
        orders=tuple(order_of(row) for row in await orders.fetchall()),
        positions=tuple(position_of(row) for row in await positions.fetchall()),
        last_execution_at=dict(await last.fetchall()),
        reconciled_at=None if owner is None else owner[10],
    )


async def halts(pool: ConnectionPool, tenant_id: UUID) -> tuple[Halt, ...]:
    """Do what `live.store.port.Store.halts` says."""
    async with pool.transaction((tenant_id,)) as connection:
        found = await connection.execute(HALTS)
    return tuple(halt_of(row) for row in await found.fetchall())
