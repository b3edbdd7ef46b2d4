"""S09: lists of a tenant start from its key, with 200 tenants and under row-level security."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from api.trades.repository import page
from bench.api_data import make_tenants, make_trades
from candela.clock import FixedClock
from candela.db.connect import Role
from tests.fixtures.desk import NOW
from tests.sql.tenants import act_for

if TYPE_CHECKING:
    from uuid import UUID

    from candela.db.connect import Database

ASKED: dict[str, dict[str, Any]] = {
    "first": {},
    "bot": {"bot": 1},
    "symbol": {"symbol": "BTC/USDT"},
    "loss": {"result": "loss", "mode": "paper"},
    "span": {"since": NOW, "until": NOW},
}


@pytest.fixture
def tenant(database: Database) -> UUID:
    """Give one of 200 tenants with 40,000 trades in all."""
    users = make_tenants(database, 200, clock=FixedClock(NOW))
    make_trades(database, 40_000, clock=FixedClock(NOW))
    return users[77].tenant_id


def test_pages_of_trades_always_start_from_the_tenant(database: Database, tenant: UUID) -> None:
    for name, filters in ASKED.items():
        for behind in (False, True):
            asked = page(filters, behind=behind)
            text = asked if isinstance(asked, str) else asked.text
            nodes = list(_nodes(_plan(database, tenant, text, filters)))
            scans = [one for one in nodes if one.get("Relation Name") == "trades"]
            kinds = {str(one["Node Type"]) for one in scans}
            assert kinds <= {"Index Scan", "Bitmap Heap Scan"}, (name, behind, kinds)
            conditions = [str(one.get("Index Cond", "")) for one in nodes if "Index Cond" in one]
            assert any("tenant_id = " in one for one in conditions), (name, behind)
            assert sum(one["Actual Rows"] for one in scans) <= 201, (name, behind)


def _plan(database: Database, tenant: UUID, text: str, filters: dict[str, Any]) -> dict[str, Any]:
    values = {"tenant": tenant, "limit": 51, "at": NOW, "id": tenant, **filters}
    with database.connect(Role.APP) as connection:
        act_for(connection, tenant)
        values["bot"] = tenant
        query = f"EXPLAIN (ANALYZE, FORMAT JSON) {text}".encode()
        row = connection.execute(query, values).fetchone()
    assert row is not None
    return cast("dict[str, Any]", row[0][0]["Plan"])


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    found = [plan]
    for one in cast("list[dict[str, Any]]", plan.get("Plans", [])):
        found += _nodes(one)
    return found
