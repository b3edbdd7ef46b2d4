"""Every statement of the application with ids of another tenant, through one wall at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.walls import WAYS, Neighbour, run_walls, statements
from candela.db.connect import Role
from candela.ids import new_id
from tests.sql.tenants import AT, act_for, add_tenant

if TYPE_CHECKING:
    from candela.db.connect import Database


@pytest.fixture
def tenants(database: Database) -> list[Neighbour]:
    """Write four tenants, each with a row in every table."""
    with database.connect() as connection:
        made = [add_tenant(connection, f"tenant{number}") for number in range(4)]
    return [Neighbour(one.tenant_id, one.account_id, one.bot_id, one.row_id) for one in made]


@pytest.mark.parametrize("way", WAYS)
def test_statements_when_ids_are_another_tenants_then_no_foreign_row_by_either_wall_alone(
    database: Database, tenants: list[Neighbour], way: str
) -> None:
    """S02, S08: each wall holds without the other; `python -m bench.walls` runs a million."""
    counts = run_walls(database, tenants, 2_000, way)
    assert (counts.foreign, counts.leaky) == (0, set())
    assert counts.rows > 100, "statements that give nothing prove nothing"
    assert len(counts.unusable) < len(statements()) / 4, counts.unusable


def test_rows_when_both_walls_are_gone_then_found_by_the_same_count(
    database: Database, tenants: list[Neighbour]
) -> None:
    """Otherwise a count of 0 would prove nothing."""
    acting, target = tenants[:2]
    with database.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM trading.bots WHERE bot_id = %s", (target.bot_id,)
        ).fetchone()
        assert row == (1,)
    with database.connect(Role.APP) as connection:
        act_for(connection, acting.tenant_id)
        row = connection.execute(
            "SELECT count(*) FROM trading.bots WHERE bot_id = %s", (target.bot_id,)
        ).fetchone()
        assert row == (0,)


@pytest.mark.parametrize(
    "injected",
    [
        "' OR true --",
        "'; SELECT set_config('candela.tenants', '{b}', true) --",
        "{b},{a}",
        "' UNION SELECT tenant_id FROM trading.bots --",
    ],
    ids=["or-true", "set-tenant", "two-tenants", "union"],
)
def test_text_of_a_user_when_it_is_sql_then_stays_text_and_sees_one_tenant(
    database: Database, tenants: list[Neighbour], injected: str
) -> None:
    """S08: even text that is put into a statement ends at the wall of its transaction's tenant."""
    ann, bob = tenants[:2]
    text = injected.format(a=ann.tenant_id, b=bob.tenant_id)
    with database.connect(Role.APP) as connection:
        act_for(connection, ann.tenant_id)
        found = connection.execute(
            "SELECT tenant_id FROM trading.bots WHERE tenant_id = %s AND name = %s",
            (ann.tenant_id, text),
        ).fetchall()
        assert found == []
        connection.execute(
            "INSERT INTO trading.accounts (tenant_id, account_id, name, venue)"
            " VALUES (%s, %s, %s, 'binance')",
            (ann.tenant_id, new_id(AT), text),
        )
        seen = connection.execute("SELECT DISTINCT tenant_id FROM trading.accounts").fetchall()
        assert seen == [(ann.tenant_id,)]
        connection.rollback()
