"""The scene of the contract suite in a real database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import psycopg

from candela.ids import new_id
from candela.orders.records import AccountKey, Halt
from live.store.pool import ConnectionPool
from live.store.port import Lease, Store
from live.store.postgres import PostgresStore
from tests.live.store.worlds import NOW, OPENING, Scene, account_named, scene_of, tenant_of_part

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

    from candela.db.connect import Database


class PostgresWorld:
    """The store of executors; what only an owner may do is done by the server's own login."""

    def __init__(
        self, store: Store, admin: psycopg.AsyncConnection[TupleRow], shard: int = 7
    ) -> None:
        self._store = store
        self._admin = admin
        self._shard = shard
        self._epoch = 0

    @property
    def store(self) -> Store:
        return self._store

    async def add_tenant(self) -> AccountKey:
        tenant_id = tenant_of_part(self._shard)
        await self._admin.execute(
            "INSERT INTO tenancy.tenants (tenant_id, name) VALUES (%s, 'somebody')", (tenant_id,)
        )
        await self._admin.execute(
            "INSERT INTO tenancy.directory (tenant_id, shard) VALUES (%s, %s)",
            (tenant_id, self._shard),
        )
        key = await self.add_account(tenant_id)
        for ccy, amount in OPENING.items():
            values = (tenant_id, key.account_id, ccy, amount)
            await self._admin.execute(
                "INSERT INTO trading.ledger (tenant_id, account_id, ccy, amount, entry_key, kind,"
                " occurred_at) VALUES (%s, %s, %s, %s, 'opening', 'opening', now())",
                values,
            )
            await self._admin.execute(
                "INSERT INTO trading.balances (tenant_id, account_id, ccy, total)"
                " VALUES (%s, %s, %s, %s)",
                values,
            )
        return key

    async def add_account(self, tenant_id: UUID) -> AccountKey:
        key = AccountKey(tenant_id, new_id(NOW))
        made = account_named(key)
        await self._admin.execute(
            "INSERT INTO trading.accounts (tenant_id, account_id, name, venue)"
            " VALUES (%s, %s, %s, %s)",
            (tenant_id, key.account_id, made.name, made.venue),
        )
        return key

    async def add_bot(self, account: AccountKey) -> UUID:
        bot_id = new_id(NOW)
        async with self._admin.transaction():
            await self._admin.execute(
                "INSERT INTO trading.bots (tenant_id, bot_id, name, account_id, version, wanted)"
                " VALUES (%s, %s, %s, %s, 1, 'running')",
                (account.tenant_id, bot_id, str(bot_id), account.account_id),
            )
            await self._admin.execute(
                "INSERT INTO trading.bot_versions (tenant_id, bot_id, version, config,"
                " definition_id, created_by) VALUES (%s, %s, 1, '{}', 'd', 'tests')",
                (account.tenant_id, bot_id),
            )
        return bot_id

    async def stop_bot(self, account: AccountKey, bot_id: UUID) -> None:
        await self._admin.execute(
            "UPDATE trading.bots SET wanted = 'stopped' WHERE tenant_id = %s AND bot_id = %s",
            (account.tenant_id, bot_id),
        )

    async def halt(self, halt: Halt) -> None:
        await self._admin.execute(
            "INSERT INTO trading.halts (halt_id, scope, tenant_id, account_id, bot_id, flatten,"
            " reason, halted_by) VALUES (%s, %s, %s, %s, %s, %s, %s, 'tests')",
            (
                halt.halt_id,
                halt.scope,
                halt.tenant_id,
                halt.account_id,
                halt.bot_id,
                halt.flatten,
                halt.reason,
            ),
        )

    async def take_over(self) -> Lease:
        self._epoch += 1
        owner = f"executor-{self._epoch}"
        await self._admin.execute(
            "UPDATE live.shards SET owner = %s, epoch = %s,"
            " expires_at = clock_timestamp() + interval '1 hour'"
            " WHERE kind = 'trade' AND shard = %s",
            (owner, self._epoch, self._shard),
        )
        return Lease(self._shard, self._epoch, owner)

    async def outcomes(self, tenant_id: UUID) -> list[tuple[str, str, str | None]]:
        rows = await self._admin.execute(
            "SELECT leg, outcome, decided_by FROM trading.decisions WHERE tenant_id = %s"
            " ORDER BY leg",
            (tenant_id,),
        )
        return [(row[0], row[1], row[2]) for row in await rows.fetchall()]

    async def sums(self, account: AccountKey) -> Mapping[str, Decimal]:
        rows = await self._admin.execute(
            "SELECT ccy, sum(amount) FROM trading.ledger WHERE tenant_id = %s AND account_id = %s"
            " GROUP BY ccy HAVING sum(amount) <> 0",
            (account.tenant_id, account.account_id),
        )
        return dict(await rows.fetchall())

    async def intent_states(self, tenant_id: UUID) -> Mapping[str, tuple[str, str | None]]:
        rows = await self._admin.execute(
            "SELECT leg, state, state_reason FROM trading.intents WHERE tenant_id = %s",
            (tenant_id,),
        )
        return {row[0]: (row[1], row[2]) for row in await rows.fetchall()}


@asynccontextmanager
async def postgres_scene(database: Database, size: int = 4) -> AsyncGenerator[Scene]:
    """Set the scene in a database."""
    admin = await psycopg.AsyncConnection.connect(database.url(), autocommit=True)
    store = PostgresStore(ConnectionPool(database, size=size, name=f"tests {uuid4()}"))
    try:
        yield await scene_of(PostgresWorld(store, admin))
    finally:
        await store.close()
        await admin.close()
