"""Attempts in the database: begun under the lease, moved by news, and the end of their intents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from candela.orders.graph import moved
from live.store.fencing import Fence, lock_accounts
from live.store.rows import ORDERS, columns, order_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from candela.orders.records import AccountKey, Order
    from candela.orders.words import IntentState
    from live.store.pool import ConnectionPool
    from live.store.port import Lease, OrderChange

__all__ = ["begin", "change", "finish", "write_orders"]

# Says the lease once more, so that it can be sent with the commit, before the fence has answered.
_BEGIN: Final = """
WITH begun AS (
    INSERT INTO trading.orders (
        tenant_id, account_id, client_id, intent_id, attempt, symbol, side, kind, quantity, price,
        stop_price, state, created_at, venue_order_id, state_reason, executed, venue_executed,
        sent_at, fence_at
    )
    SELECT
        i.tenant_id, i.account_id, %s, i.intent_id, %s, %s, %s, %s, %s::numeric, %s::numeric,
        %s::numeric, 'sending', %s, %s, %s, %s::numeric, %s::numeric, %s::timestamptz,
        %s::timestamptz
    FROM trading.intents AS i
    WHERE
        i.tenant_id = %s AND i.intent_id = %s AND i.account_id = %s
        AND i.state IN ('committed', 'working')
        AND NOT EXISTS (
            SELECT 1 FROM trading.orders AS o
            WHERE
                o.tenant_id = i.tenant_id AND o.intent_id = i.intent_id
                AND o.state IN ('sending', 'unknown', 'open', 'canceling')
        )
        AND EXISTS (
            SELECT 1 FROM live.shards AS s
            WHERE
                s.kind = 'trade' AND s.shard = %s AND s.epoch = %s AND s.owner = %s
                AND s.expires_at > clock_timestamp()
        )
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, intent_id
)

UPDATE trading.intents AS i SET state = 'working'
FROM begun
WHERE i.tenant_id = begun.tenant_id AND i.intent_id = begun.intent_id
RETURNING i.intent_id
"""
_FIND: Final = f"""{ORDERS}
INNER JOIN unnest(%s::uuid[], %s::uuid[], %s::text[]) AS k (tenant_id, account_id, client_id)
    USING (tenant_id, account_id, client_id)
"""
_WRITE: Final = """
UPDATE trading.orders AS o
SET
    state = k.state, venue_order_id = k.venue_order_id, state_reason = k.state_reason,
    executed = k.executed, venue_executed = k.venue_executed, answered_at = k.answered_at,
    final_at = k.final_at
FROM unnest(
    %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::numeric[], %s::numeric[],
    %s::timestamptz[], %s::timestamptz[]
) AS k (
    tenant_id, client_id, state, venue_order_id, state_reason, executed, venue_executed,
    answered_at, final_at
)
WHERE o.tenant_id = k.tenant_id AND o.client_id = k.client_id
"""
_FINISH: Final = """
WITH ended AS (
    UPDATE trading.intents AS i SET state = %s, state_reason = %s, final_at = %s
    WHERE
        i.tenant_id = %s AND i.account_id = %s AND i.intent_id = %s
        AND i.state IN ('committed', 'working')
    RETURNING i.tenant_id, i.intent_id
),

held AS (
    SELECT r.tenant_id, r.intent_id, r.account_id, r.ccy, r.amount
    FROM trading.reservations AS r
    INNER JOIN ended USING (tenant_id, intent_id)
),

released AS (
    UPDATE trading.reservations AS r SET amount = 0
    FROM held
    WHERE r.tenant_id = held.tenant_id AND r.intent_id = held.intent_id AND r.amount <> 0
),

freed AS (
    UPDATE trading.balances AS b SET reserved = b.reserved - held.amount, updated_at = now()
    FROM held
    WHERE
        b.tenant_id = held.tenant_id AND b.account_id = held.account_id AND b.ccy = held.ccy
        AND held.amount <> 0
)

SELECT ended.intent_id FROM ended
"""


async def begin(pool: ConnectionPool, lease: Lease, order: Order) -> bool:
    """Do what `live.store.port.Store.begin` says, in one round trip.

    Raises
    ------
    LeaseLost
        Nothing was written, and nothing may be sent.
    """
    account = order.account
    async with pool.transaction((account.tenant_id,)) as connection:
        fence = await Fence.ask(connection, lease)
        await lock_accounts(connection, (account,))
        begun = await connection.execute(
            _BEGIN,
            (
                order.client_id,
                order.attempt,
                order.symbol,
                order.side.value,
                order.kind.value,
                order.quantity,
                order.price,
                order.stop_price,
                order.created_at,
                order.venue_order_id,
                order.reason,
                order.executed,
                order.venue_executed,
                order.sent_at,
                order.fence_at,
                account.tenant_id,
                order.intent_id,
                account.account_id,
                lease.shard,
                lease.epoch,
                lease.owner,
            ),
        )
        fence.refuse_others((account.tenant_id,))
    await fence.check()
    return await begun.fetchone() is not None


async def change(pool: ConnectionPool, changes: Sequence[OrderChange]) -> tuple[Order, ...]:
    """Do what `live.store.port.Store.change` says, in two round trips for any number."""
    if not changes:
        return ()
    keys = sorted({(*_key(news.account), news.client_id) for news in changes})
    async with pool.transaction(sorted({key[0] for key in keys})) as connection:
        await lock_accounts(connection, (news.account for news in changes))
        found = await connection.execute(_FIND, columns(keys, 3))
        orders = {
            (order.account, order.client_id): order
            for order in map(order_of, await found.fetchall())
        }
        changed: dict[tuple[AccountKey, str], Order] = {}
        for news in changes:
            place = (news.account, news.client_id)
            if place not in orders:
                continue
            after = moved(
                orders[place],
                news.state,
                news.at,
                reason=news.reason,
                venue_order_id=news.venue_order_id,
                venue_executed=news.venue_executed,
            )
            if after is not None:
                orders[place] = changed[place] = after
        await write_orders(connection, changed.values())
    return tuple(changed.values())


async def write_orders(connection: AsyncConnection[TupleRow], orders: Iterable[Order]) -> None:
    """Write what can change of attempts."""
    rows: list[tuple[Any, ...]] = [
        (
            order.account.tenant_id,
            order.client_id,
            order.state.value,
            order.venue_order_id,
            order.reason,
            order.executed,
            order.venue_executed,
            order.answered_at,
            order.final_at,
        )
        for order in orders
    ]
    if rows:
        await connection.execute(_WRITE, columns(rows, 9))


async def finish(
    pool: ConnectionPool,
    account: AccountKey,
    intent_id: UUID,
    state: IntentState,
    reason: str | None,
    now: datetime,
) -> bool:
    """Do what `live.store.port.Store.finish` says, in one round trip."""
    async with pool.transaction((account.tenant_id,)) as connection:
        await lock_accounts(connection, (account,))
        ended = await connection.execute(
            _FINISH, (state.value, reason, now, *_key(account), intent_id)
        )
    return await ended.fetchone() is not None


def _key(account: AccountKey) -> tuple[UUID, UUID]:
    return (account.tenant_id, account.account_id)
