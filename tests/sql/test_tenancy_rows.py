"""Rows of one tenant are nobody else's: by role, by table, over reused connections, by plan."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Json

from candela.db.connect import Role
from candela.ids import new_id
from candela.plans import PLANS
from live.store.pool import ConnectionPool
from tests.sql.tenants import AT, Tenant, act_for, add_tenant, tenant_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.rows import TupleRow

    from candela.db.connect import Database

PEOPLE = [Role.APP, Role.EXECUTOR]


@pytest.fixture
def two(database: Database) -> tuple[Tenant, Tenant]:
    """Write two tenants, each with a row in every table."""
    with database.connect() as connection:
        return add_tenant(connection, "ann"), add_tenant(connection, "bob")


@pytest.fixture
def names(database: Database) -> Iterator[list[str]]:
    """Name the tables of tenants."""
    with database.connect() as connection:
        yield tenant_tables(connection)


def test_rows_of_every_table_exist_when_a_tenant_is_made(
    database: Database, two: tuple[Tenant, Tenant], names: list[str]
) -> None:
    """Otherwise the tests below would prove nothing of a table that is empty."""
    assert two[0] != two[1]
    with database.connect() as connection:
        for name in names:
            count = connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()
            assert count == (2,), name


@pytest.mark.parametrize("role", PEOPLE)
@pytest.mark.parametrize("said", [None, ""])
@pytest.mark.usefixtures("two")
def test_rows_when_no_tenant_is_set_then_none_and_no_error(
    database: Database, names: list[str], role: Role, said: str | None
) -> None:
    """S04: unset and empty are the same: nobody."""
    with database.connect(role) as connection:
        if said is not None:
            connection.execute("SELECT set_config('candela.tenants', %s, true)", (said,))
        for name in names:
            if (role, name) == (Role.EXECUTOR, "tenancy.directory"):
                continue  # ids and shards, by which executors find their work
            count = connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()
            assert count == (0,), name


@pytest.mark.parametrize("role", PEOPLE)
def test_rows_when_a_tenant_is_set_then_its_own_alone(
    database: Database, two: tuple[Tenant, Tenant], names: list[str], role: Role
) -> None:
    ann, bob = two
    with database.connect(role) as connection:
        for acting, seen in (((ann,), [ann]), ((bob,), [bob]), ((ann, bob), [ann, bob])):
            act_for(connection, *(tenant.tenant_id for tenant in acting))
            for name in names:
                if (role, name) == (Role.EXECUTOR, "tenancy.directory"):
                    continue
                found = connection.execute(f"SELECT tenant_id FROM {name}".encode()).fetchall()
                assert sorted(row[0] for row in found) == sorted(one.tenant_id for one in seen)


@pytest.mark.usefixtures("two")
def test_rows_of_the_owner_when_no_tenant_is_set_then_none(database: Database) -> None:
    with database.connect(Role.OWNER) as connection:
        for name in ("trading.orders", "tenancy.secrets"):
            count = connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()
            assert count == (0,), "FORCE binds the owner, too"


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_statements_when_they_name_foreign_ids_then_no_row_is_touched(
    database: Database, two: tuple[Tenant, Tenant], names: list[str], data: st.DataObject
) -> None:
    acting, target = data.draw(st.permutations(two))
    role = data.draw(st.sampled_from(PEOPLE))
    name = data.draw(st.sampled_from(names))
    if name == "tenancy.directory" and role is Role.EXECUTOR:
        return
    where = data.draw(
        st.sampled_from(
            ["tenant_id = %s", "tenant_id IN (%s)", "NOT tenant_id <> %s", "tenant_id = %s OR true"]
        )
    )
    verb = data.draw(
        st.sampled_from(
            [
                f"SELECT tenant_id FROM {name} WHERE {where}",
                f"SELECT tenant_id FROM {name} WHERE {where} FOR UPDATE",
                f"UPDATE {name} SET tenant_id = tenant_id WHERE {where} RETURNING tenant_id",
                f"DELETE FROM {name} WHERE {where} RETURNING tenant_id",
            ]
        )
    )
    with database.connect(role) as connection:
        act_for(connection, acting.tenant_id)
        try:
            found = connection.execute(verb.encode(), (target.tenant_id,)).fetchall()
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ForeignKeyViolation):
            found = []  # not granted at all, or a row of one's own that is referenced
        assert target.tenant_id not in {row[0] for row in found}
        connection.rollback()


@pytest.mark.parametrize("role", PEOPLE)
def test_rows_when_written_for_another_tenant_then_refused(
    database: Database, two: tuple[Tenant, Tenant], role: Role
) -> None:
    ann, bob = two
    add = (
        "INSERT INTO trading.accounts (tenant_id, account_id, name, venue)"
        " VALUES (%s, %s, 'mine', 'binance')"
    )
    with database.connect(role) as connection:
        act_for(connection, ann.tenant_id)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute(add, (bob.tenant_id, new_id(AT)))
        connection.rollback()
        act_for(connection, ann.tenant_id)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute(
                "UPDATE trading.bots SET tenant_id = %s WHERE tenant_id = %s",
                (bob.tenant_id, ann.tenant_id),
            )


def test_references_when_they_cross_tenants_then_refused_even_for_who_acts_for_both(
    database: Database, two: tuple[Tenant, Tenant]
) -> None:
    ann, bob = two
    with database.connect(Role.EXECUTOR) as connection:
        act_for(connection, ann.tenant_id, bob.tenant_id)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute(
                "UPDATE trading.bots SET account_id = %s WHERE tenant_id = %s",
                (bob.account_id, ann.tenant_id),
            )


def test_halts_when_of_the_platform_then_seen_by_all_and_set_by_executors_alone(
    database: Database, two: tuple[Tenant, Tenant]
) -> None:
    add = (
        "INSERT INTO trading.halts (halt_id, scope, reason, halted_by)"
        " VALUES (%s, 'platform', 'enough', 'operator')"
    )
    with database.connect(Role.APP) as connection:
        act_for(connection, two[0].tenant_id)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(add, (new_id(AT),))
    with database.connect(Role.EXECUTOR) as connection:
        connection.execute(add, (new_id(AT),))
    with database.connect(Role.APP) as connection:
        found = connection.execute("SELECT scope FROM trading.halts").fetchall()
        assert found == [("platform",)]
        changed = connection.execute("UPDATE trading.halts SET released_at = now()")
        assert changed.rowcount == 0


class Traffic:
    """Transactions of six tenants over one pool, many of which end badly."""

    def __init__(self, database: Database) -> None:
        self._chance = random.Random(5)
        with database.connect() as connection:
            made = [add_tenant(connection, f"tenant{number}") for number in range(6)]
            names = tenant_tables(connection)
        self._tenants = [tenant.tenant_id for tenant in made]
        self._names = names
        self.own = self.foreign = self.ended = 0

    async def many(self, pool: ConnectionPool, count: int) -> None:
        """Run one after the other; what ends badly is counted."""
        for _ in range(count):
            (result,) = await asyncio.gather(self._one(pool), return_exceptions=True)
            self.ended += isinstance(result, BaseException)

    async def _one(self, pool: ConnectionPool) -> None:
        mine = self._chance.sample(self._tenants, self._chance.choice([0, 1, 1, 1, 2]))
        fate = self._chance.choice(["fine"] * 6 + ["raise", "error", "cancel", "leak"])
        async with pool.transaction(mine) as connection:
            for name in self._chance.sample(self._names, 3):
                found = await connection.execute(f"SELECT tenant_id FROM {name}".encode())
                for row in await found.fetchall():
                    self.own += row[0] in mine
                    self.foreign += row[0] not in mine
            await self._end(connection, fate)

    async def _end(self, connection: psycopg.AsyncConnection[TupleRow], fate: str) -> None:
        if fate == "raise":
            raise RuntimeError(fate)
        if fate == "error":
            await connection.execute("SELECT 1 / 0")
        elif fate == "cancel":
            current = asyncio.current_task()
            assert current is not None
            asyncio.get_running_loop().call_later(self._chance.random() / 500, current.cancel)
            await connection.execute("SELECT pg_sleep(0.01)")
        elif fate == "leak":
            # What no code of ours does: a setting that outlives the transaction.
            text = ",".join(map(str, self._tenants))
            await connection.execute("SELECT set_config('candela.tenants', %s, false)", (text,))


def test_pool_when_transactions_fail_and_are_cancelled_then_no_foreign_row_is_ever_seen(
    database: Database,
) -> None:
    """S03: 2,000 transactions of six tenants over four connections."""
    traffic = Traffic(database)

    async def story() -> None:
        pool = ConnectionPool(database, Role.APP, size=4)
        await asyncio.gather(*(traffic.many(pool, 125) for _ in range(16)))
        await pool.close()

    asyncio.run(story())
    assert traffic.foreign == 0
    assert traffic.own > 3_000
    assert traffic.ended > 300


LISTS = {
    "bots": "SELECT * FROM trading.bots WHERE tenant_id = %s",
    "trades": "SELECT * FROM trading.trades WHERE tenant_id = %s AND bot_id = %s"
    " ORDER BY opened_at DESC LIMIT 50",
    "closed": "SELECT * FROM trading.trades WHERE tenant_id = %s ORDER BY closed_at DESC LIMIT 50",
    "orders": "SELECT * FROM trading.orders WHERE tenant_id = %s AND account_id = %s"
    " AND state IN ('created', 'sending', 'unknown', 'open', 'canceling')",
    "intents": "SELECT * FROM trading.intents WHERE tenant_id = %s AND bot_id = %s"
    " ORDER BY created_at DESC LIMIT 50",
    "logs": "SELECT * FROM trading.bot_logs WHERE tenant_id = %s AND bot_id = %s"
    " ORDER BY log_id DESC LIMIT 50",
    "fills": "SELECT * FROM trading.fills WHERE tenant_id = %s AND bot_id = %s"
    " ORDER BY executed_at DESC LIMIT 50",
    "decisions": "SELECT * FROM trading.decisions WHERE tenant_id = %s AND bot_id = %s",
    "positions": "SELECT * FROM trading.positions WHERE tenant_id = %s",
    "unfiltered": "SELECT * FROM trading.ledger",
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_when_planned_then_they_start_from_the_tenants_key(
    database: Database, two: tuple[Tenant, Tenant], name: str
) -> None:
    """Operators that are not leakproof cannot be used ahead of the policy; keys are."""
    ann = two[0]
    ids = (ann.tenant_id, ann.account_id if name == "orders" else ann.bot_id)
    with database.connect(Role.APP) as connection:
        act_for(connection, ann.tenant_id)
        # With two rows a table a scan is cheaper; whether the index can be used is what counts.
        connection.execute("SET LOCAL enable_seqscan = off")
        lines = connection.execute(
            f"EXPLAIN {LISTS[name]}".encode(), ids[: LISTS[name].count("%s")]
        ).fetchall()
    plan = "\n".join(row[0] for row in lines)
    assert "Index Cond: (tenant_id = " in plan or "Index Cond: ((tenant_id = " in plan, plan
    assert "Seq Scan" not in plan


def test_logs_when_older_than_the_plan_keeps_them_then_removed_in_portions(
    database: Database, two: tuple[Tenant, Tenant]
) -> None:
    ann, bob = two
    days = {plan: included.log_retention_days for plan, included in PLANS.items()}
    with database.connect() as connection:
        connection.execute(
            "UPDATE tenancy.subscriptions SET plan = 'basic' WHERE tenant_id = %s",
            (bob.tenant_id,),
        )
        connection.execute("DELETE FROM trading.bot_logs")
        for tenant in two:
            for age in (0, 6, 8, 29, 31, 400):
                connection.execute(
                    "INSERT INTO trading.bot_logs (tenant_id, bot_id, log_id, logged_at, level,"
                    " event, message) VALUES"
                    " (%s, %s, %s, %s::timestamptz - make_interval(days => %s), 'info', 'e', 'm')",
                    (tenant.tenant_id, tenant.bot_id, new_id(AT), AT, age),
                )
    removed: list[int] = []
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        while not removed or removed[-1]:
            row = connection.execute(
                "SELECT trading.remove_old_logs(%s::jsonb, %s, 4)",
                (Json(days), AT),
            ).fetchone()
            assert row is not None
            removed.append(row[0])
        left = connection.execute(
            "SELECT tenant_id, count(*) FROM trading.bot_logs GROUP BY 1"
        ).fetchall()
    assert removed == [4, 2, 0]
    assert dict(left) == {ann.tenant_id: 2, bob.tenant_id: 4}
    with database.connect(Role.APP) as connection:
        act_for(connection, ann.tenant_id)
        connection.execute(
            'SELECT trading.remove_old_logs(\'{"basic": 0, "free": 0}\', now(), 100)'
        )
        connection.commit()
    with database.connect() as connection:
        left = connection.execute("SELECT DISTINCT tenant_id FROM trading.bot_logs").fetchall()
    assert left == [(bob.tenant_id,)], "the rights are the caller's"
