"""Bets in PostgreSQL: every call of the port is one transaction with the executor's rights."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from candela.errors import NotFound
from candela.money import ZERO
from candela.orders.bet_booking import Ended, bet_opened, bet_settled, order_moved
from candela.orders.bets import BetBook
from candela.orders.words import OrderState
from live.store.bet_commits import commit_bets
from live.store.bet_rows import BET_INTENTS, BET_ORDERS, BETS, bet_of, intent_of, order_of
from live.store.fencing import Fence, lock_accounts
from live.store.rows import ACCOUNT, account_of, balance_of
from live.store.writing import add_to_ledger, move_balances

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from candela.orders.bets import Bet, BetEnding, BetIntent, BetOrder, BetShown
    from candela.orders.records import Account, AccountKey
    from live.store.bets_port import BetCommit
    from live.store.pool import ConnectionPool
    from live.store.port import Lease, Placed

__all__ = ["BetNotFound", "PostgresBetStore"]

_KNOWN: Final = timedelta(days=2)
_OPEN_INTENTS: Final = f"""{BET_INTENTS}
WHERE i.tenant_id = %s AND i.account_id = %s AND i.state IN ('committed', 'working')
ORDER BY i.created_at, i.intent_id
"""
_INTENT: Final = f"{BET_INTENTS} WHERE i.tenant_id = %s AND i.account_id = %s AND i.intent_id = %s"
_ORDERS_OF: Final = f"{BET_ORDERS} WHERE o.tenant_id = %s AND o.intent_id = ANY(%s::uuid[])"
_ORDER: Final = f"{BET_ORDERS} WHERE o.tenant_id = %s AND o.account_id = %s AND o.client_id = %s"
_UNSETTLED: Final = f"""{BETS}
WHERE
    t.tenant_id = %s AND t.account_id = %s AND t.kind = 'fixed_payout'
    AND t.status IN ('open', 'unknown')
"""
_BET: Final = f"{BETS} WHERE t.tenant_id = %s AND t.account_id = %s AND t.trade_id = %s"
_SINCE: Final = f"""{BETS}
WHERE
    t.tenant_id = %s AND t.account_id = %s AND t.kind = 'fixed_payout' AND t.opened_at >= %s
ORDER BY t.opened_at, t.trade_id
"""
_BALANCE: Final = """
SELECT total, reserved FROM trading.balances
WHERE tenant_id = %s AND account_id = %s AND ccy = %s
"""
# Says the lease once more, so that it can be sent with the commit, before the fence has answered.
_BEGIN: Final = """
WITH begun AS (
    INSERT INTO trading.orders (
        tenant_id, account_id, client_id, intent_id, attempt, symbol, side, kind, quantity, state,
        created_at, sent_at, fence_at
    )
    SELECT
        i.tenant_id, i.account_id, %s, i.intent_id, %s, i.symbol, i.side, 'bet', i.quantity,
        'sending', %s, %s, %s
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
_WRITE_ORDER: Final = """
UPDATE trading.orders SET
    state = %s, state_reason = %s, venue_order_id = %s, answered_at = %s, final_at = %s
WHERE tenant_id = %s AND client_id = %s
"""
_END: Final = """
UPDATE trading.intents SET state = %s, state_reason = %s, final_at = %s
WHERE tenant_id = %s AND intent_id = %s AND state IN ('committed', 'working')
RETURNING intent_id
"""
_RELEASE: Final = """
WITH held AS (
    SELECT r.tenant_id, r.intent_id, r.account_id, r.ccy, r.amount
    FROM trading.reservations AS r WHERE r.tenant_id = %s AND r.intent_id = %s AND r.amount <> 0
),

released AS (
    UPDATE trading.reservations AS r SET amount = 0
    FROM held
    WHERE r.tenant_id = held.tenant_id AND r.intent_id = held.intent_id
)

UPDATE trading.balances AS b SET reserved = b.reserved - held.amount, updated_at = now()
FROM held
WHERE b.tenant_id = held.tenant_id AND b.account_id = held.account_id AND b.ccy = held.ccy
"""
_ALIVE: Final = """
SELECT 1 FROM trading.orders
WHERE
    tenant_id = %s AND intent_id = %s AND state IN ('sending', 'unknown', 'open', 'canceling')
"""
_ADD_BET: Final = """
INSERT INTO trading.trades (
    tenant_id, trade_id, account_id, bot_id, kind, mode, symbol, direction, status, entry_price,
    entry_value, entry_bar_at, opened_at, stake, payout_ratio, expires_at, venue_trade_id,
    ladder_step
) VALUES (%s, %s, %s, %s, 'fixed_payout', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_WRITE_BET: Final = """
UPDATE trading.trades SET
    status = %s, exit_price = %s, exit_value = %s, pnl = %s, exit_reason = %s, closed_at = %s
WHERE tenant_id = %s AND trade_id = %s
"""


class BetNotFound(NotFound):
    """An account has no bet, or no attempt of one, under that id."""

    code = "bet_not_found"


class PostgresBetStore:
    """`live.store.bets_port.BetStore` over a pool of connections."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def load_bets(self, account: AccountKey, now: datetime) -> BetBook:
        """Return what is known of an account's bets."""
        place = (account.tenant_id, account.account_id)
        async with self._pool.transaction((account.tenant_id,)) as connection:
            # Waits for what is being written.
            await lock_accounts(connection, (account,))
            row = await _account(connection, account)
            intents = await connection.execute(_OPEN_INTENTS, place)
            bets = await connection.execute(_UNSETTLED, place)
            recent = await connection.execute(_SINCE, (*place, now - _KNOWN))
            balance = await connection.execute(_BALANCE, (*place, row.quote_ccy))
            found = [intent_of(one) for one in await intents.fetchall()]
            ids = [one.intent_id for one in found]
            orders = await connection.execute(_ORDERS_OF, (account.tenant_id, ids))
            return BetBook(
                account=row,
                balance=balance_of(*(await balance.fetchone() or (ZERO, ZERO))),
                intents=tuple(found),
                orders=tuple(order_of(one) for one in await orders.fetchall()),
                bets=tuple(bet_of(one) for one in await bets.fetchall()),
                known=frozenset(bet_of(one).venue_bet_id for one in await recent.fetchall()),
            )

    async def commit_bets(self, lease: Lease, commits: Sequence[BetCommit]) -> tuple[Placed, ...]:
        """Write decisions, intents and reservations, each wholly or not at all."""
        return await commit_bets(self._pool, lease, commits)

    async def begin_bet(self, lease: Lease, order: BetOrder) -> bool:
        """Write an attempt as SENDING, just before it is sent; its intent becomes WORKING."""
        account = order.account
        async with self._pool.transaction((account.tenant_id,)) as connection:
            fence = await Fence.ask(connection, lease)
            await lock_accounts(connection, (account,))
            begun = await connection.execute(
                _BEGIN,
                (
                    order.client_id,
                    order.attempt,
                    order.created_at,
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

    async def move_bet(
        self,
        account: AccountKey,
        client_id: str,
        state: OrderState,
        reason: str | None,
        now: datetime,
        *,
        ends: bool,
    ) -> bool:
        """Move an attempt that was not accepted along the declared graph; False: it was not."""
        async with self._pool.transaction((account.tenant_id,)) as connection:
            await lock_accounts(connection, (account,))
            order = await _order(connection, account, client_id)
            after = order_moved(order, state, now, reason=reason)
            if after is None:
                return False
            await _write_order(connection, after)
            if ends:
                await _end(connection, account, order.intent_id, "failed", reason, now)
        return True

    async def lapse_bet(
        self, account: AccountKey, intent_id: UUID, reason: str, now: datetime
    ) -> bool:
        """Fail an intent that no attempt of is alive, and release its stake; False: it is final."""
        async with self._pool.transaction((account.tenant_id,)) as connection:
            await lock_accounts(connection, (account,))
            await _intent(connection, account, intent_id)
            alive = await connection.execute(_ALIVE, (account.tenant_id, intent_id))
            if await alive.fetchone() is not None:
                return False
            return await _end(connection, account, intent_id, "failed", reason, now)

    async def open_bet(
        self, account: AccountKey, client_id: str, shown: BetShown, now: datetime
    ) -> Bet | None:
        """Book an accepted bet: attempt OPEN, trade row, stake in the ledger, nothing reserved."""
        async with self._pool.transaction((account.tenant_id,)) as connection:
            await lock_accounts(connection, (account,))
            order = await _order(connection, account, client_id)
            after = order_moved(order, OrderState.OPEN, now, venue_bet_id=shown.venue_bet_id)
            if after is None or await _bet(connection, account, order.intent_id) is not None:
                return None
            intent = await _intent(connection, account, order.intent_id)
            bet, entry = bet_opened(await _account(connection, account), intent, shown)
            await _write_order(connection, after)
            await _add_bet(connection, bet)
            await connection.execute(_RELEASE, (account.tenant_id, order.intent_id))
            await add_to_ledger(connection, [entry])
            totals = {entry.ccy: entry.amount}
            await move_balances(connection, account, totals, {}, known=totals)
        return bet

    async def settle_bet(
        self,
        account: AccountKey,
        trade_id: UUID,
        ending: BetEnding,
        now: datetime,
        *,
        by_hand: bool = False,
    ) -> Ended:
        """Book a result: trade row, payout in the ledger, attempt FILLED and intent DONE."""
        async with self._pool.transaction((account.tenant_id,)) as connection:
            await lock_accounts(connection, (account,))
            intent = await _intent(connection, account, trade_id)
            bet = await _bet(connection, account, trade_id)
            if bet is None:
                raise _missing(account, str(trade_id))
            ended = bet_settled(bet, ending, intent.ccy, now, by_hand=by_hand)
            if ended.kind == "same":
                return ended
            await _write_bet(connection, ended.bet)
            if ended.entry is not None:
                totals = {intent.ccy: ended.entry.amount}
                await add_to_ledger(connection, [ended.entry])
                await move_balances(connection, account, totals, {}, known=totals)
            if ended.kind == "settled":
                orders = await connection.execute(_ORDERS_OF, (account.tenant_id, [trade_id]))
                for order in [order_of(row) for row in await orders.fetchall()]:
                    after = order_moved(order, OrderState.FILLED, now)
                    if order.state is OrderState.OPEN and after is not None:
                        await _write_order(connection, after)
                await _end(connection, account, trade_id, "done", ended.bet.reason, now)
        return ended

    async def bets_since(self, account: AccountKey, since: datetime) -> tuple[Bet, ...]:
        """Return bets of an account opened since an instant, oldest first."""
        place = (account.tenant_id, account.account_id)
        async with self._pool.transaction((account.tenant_id,)) as connection:
            rows = await connection.execute(_SINCE, (*place, since))
            return tuple(bet_of(row) for row in await rows.fetchall())


def _missing(account: AccountKey, what: str) -> BetNotFound:
    return BetNotFound(
        f"account {account.account_id} has no bet {what}",
        "`candela bot trades` shows those there are.",
    )


async def _account(connection: AsyncConnection[TupleRow], account: AccountKey) -> Account:
    found = await connection.execute(ACCOUNT, (account.tenant_id, account.account_id))
    return account_of(account, await found.fetchone())


async def _order(
    connection: AsyncConnection[TupleRow], account: AccountKey, client_id: str
) -> BetOrder:
    found = await connection.execute(_ORDER, (account.tenant_id, account.account_id, client_id))
    row = await found.fetchone()
    if row is None:
        raise _missing(account, client_id)
    return order_of(row)


async def _intent(
    connection: AsyncConnection[TupleRow], account: AccountKey, intent_id: UUID
) -> BetIntent:
    found = await connection.execute(_INTENT, (account.tenant_id, account.account_id, intent_id))
    row = await found.fetchone()
    if row is None:
        raise _missing(account, str(intent_id))
    return intent_of(row)


async def _bet(
    connection: AsyncConnection[TupleRow], account: AccountKey, trade_id: UUID
) -> Bet | None:
    found = await connection.execute(_BET, (account.tenant_id, account.account_id, trade_id))
    row = await found.fetchone()
    return None if row is None else bet_of(row)


async def _write_order(connection: AsyncConnection[TupleRow], order: BetOrder) -> None:
    values: tuple[Any, ...] = (
        order.state.value,
        order.reason,
        order.venue_bet_id,
        order.answered_at,
        order.final_at,
        order.account.tenant_id,
        order.client_id,
    )
    await connection.execute(_WRITE_ORDER, values)


async def _end(
    connection: AsyncConnection[TupleRow],
    account: AccountKey,
    intent_id: UUID,
    state: str,
    reason: str | None,
    now: datetime,
) -> bool:
    ended = await connection.execute(_END, (state, reason, now, account.tenant_id, intent_id))
    if await ended.fetchone() is None:
        return False
    await connection.execute(_RELEASE, (account.tenant_id, intent_id))
    return True


async def _add_bet(connection: AsyncConnection[TupleRow], bet: Bet) -> None:
    values: tuple[Any, ...] = (
        bet.account.tenant_id,
        bet.trade_id,
        bet.account.account_id,
        bet.bot_id,
        bet.mode,
        bet.asset,
        bet.side.value,
        bet.status.value,
        bet.entry_price,
        bet.stake,
        bet.bar_at,
        bet.opened_at,
        bet.stake,
        bet.payout_ratio,
        bet.expires_at,
        bet.venue_bet_id,
        bet.ladder_step,
    )
    await connection.execute(_ADD_BET, values)


async def _write_bet(connection: AsyncConnection[TupleRow], bet: Bet) -> None:
    values: tuple[Any, ...] = (
        bet.status.value,
        bet.exit_price,
        bet.paid,
        bet.pnl,
        bet.reason,
        bet.closed_at,
        bet.account.tenant_id,
        bet.trade_id,
    )
    await connection.execute(_WRITE_BET, values)
