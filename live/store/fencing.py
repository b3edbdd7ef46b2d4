"""The fence around what is written under a lease, and the locks that give writers their order.

Locks are always taken in this order, each set sorted: lease, halts, tenants, accounts, bots,
balances. Whatever writes about an account locks its row first, so that transactions of one account
come one after the other and those of several cannot wait for each other in a circle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from candela.ids import shard_of
from live.store.port import Lease, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from psycopg import AsyncConnection, AsyncCursor
    from psycopg.rows import TupleRow

    from candela.orders.records import AccountKey

__all__ = ["Fence", "lock_accounts"]

# FOR SHARE: nobody takes the part over before this transaction has ended.
_FENCE: Final = """
SELECT 1 FROM live.shards
WHERE
    kind = %s AND shard = %s AND epoch = %s AND owner = %s AND expires_at > clock_timestamp()
FOR SHARE
"""
_LOCK_ACCOUNTS: Final = """
SELECT a.tenant_id, a.account_id, a.state, a.state_reason
FROM trading.accounts AS a
INNER JOIN unnest(%s::uuid[], %s::uuid[]) AS k (tenant_id, account_id)
    USING (tenant_id, account_id)
ORDER BY a.tenant_id, a.account_id
FOR NO KEY UPDATE OF a
"""


class Fence:
    """A question to the database whether a lease holds; asked first, answered when looked at."""

    def __init__(self, lease: Lease, cursor: AsyncCursor[TupleRow]) -> None:
        self._lease = lease
        self._cursor = cursor

    @classmethod
    async def ask(
        cls, connection: AsyncConnection[TupleRow], lease: Lease, kind: str = "trade"
    ) -> Fence:
        """Lock the lease until the end of the transaction.

        Parameters
        ----------
        kind
            Of the part: ``trade``, ``signals`` or ``feed``.
        """
        values = (kind, lease.shard, lease.epoch, lease.owner)
        return cls(lease, await connection.execute(_FENCE, values))

    def refuse_others(self, tenants: Iterable[UUID]) -> None:
        """Refuse tenants of another part than the lease is of, without asking the database.

        Raises
        ------
        LeaseLost
            Nothing may be written.
        """
        for tenant in tenants:
            if shard_of(tenant) != self._lease.shard:
                raise LeaseLost(
                    f"tenant {tenant} is of part {shard_of(tenant)}, not {self._lease.shard}",
                    "Write under the lease of the tenant's own part.",
                )

    async def check(self) -> None:
        """Refuse where the lease does not hold.

        Raises
        ------
        LeaseLost
            Nothing may be written.
        """
        if await self._cursor.fetchone() is None:
            lease = self._lease
            raise LeaseLost(
                f"epoch {lease.epoch} of part {lease.shard} does not hold for {lease.owner}",
                "Another executor has taken the part over; this one lets go of it.",
            )


async def lock_accounts(
    connection: AsyncConnection[TupleRow], accounts: Iterable[AccountKey]
) -> AsyncCursor[TupleRow]:
    """Lock the rows of accounts; the cursor gives tenant, account, state and its reason."""
    keys = sorted(set(accounts))
    return await connection.execute(
        _LOCK_ACCOUNTS, ([key.tenant_id for key in keys], [key.account_id for key in keys])
    )
