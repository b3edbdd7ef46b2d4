"""The walls between tenants, read from the catalogue: a table that lacks one fails here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from candela.db.connect import Role
from tests.sql.tenants import tenant_tables

if TYPE_CHECKING:
    from candela.db.connect import Database

OURS = (
    "('market', 'research', 'platform', 'tenancy', 'trading', 'live', 'identity', 'billing',"
    " 'notify', 'audit')"
)
# One person's address on the whole platform; a halt of the platform has no tenant; a referral is
# found by its code alone; the chain of the audit log is the platform's.
UNIQUE_WITHOUT_TENANT = {"uq_users_email", "pk_halts", "uq_referrals_code", "pk_links"} | {
    "uq_customers_stripe"  # an event of Stripe names the customer and no tenant
}
DEFINERS = {
    "market.apply_retention()",
    "research.cancel_request(text,timestamp with time zone)",
    "tenancy.erase_tenant(uuid)",
}
SEALED = {"tenancy.tenant_keys", "tenancy.secrets", "tenancy.secret_uses", "tenancy.users"}


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    """Ask the catalogue with the server's own login."""
    with database.connect() as connection:
        return connection.execute(query.encode()).fetchall()


def tables(database: Database) -> list[str]:
    """Return the tables that must be walled."""
    with database.connect() as connection:
        return tenant_tables(connection)


def test_tables_of_tenants_always_have_forced_row_security_and_a_policy(
    database: Database,
) -> None:
    found = tables(database)
    assert {"tenancy.directory", "trading.orders", "trading.order_requests"} <= set(found)
    names = ", ".join(f"'{name}'::regclass" for name in found)
    open_tables = rows(
        database,
        f"SELECT oid::regclass::text FROM pg_class WHERE oid IN ({names})"
        " AND NOT (relrowsecurity AND relforcerowsecurity)",
    )
    assert open_tables == []
    walled = rows(
        database,
        f"SELECT polrelid::regclass::text FROM pg_policy WHERE polrelid IN ({names})"
        " AND polcmd = '*' AND polroles = ARRAY['candela_app'::regrole::oid]"
        " AND pg_get_expr(polqual, polrelid) LIKE '%tenant_id = ANY%current_tenants()%'"
        " AND pg_get_expr(polwithcheck, polrelid) = pg_get_expr(polqual, polrelid)",
    )
    assert sorted(walled) == [(name,) for name in sorted(found)]


def test_policies_always_are_of_those_that_are_named_here(database: Database) -> None:
    """A second permissive policy would open what the first one shuts."""
    others = rows(
        database,
        "SELECT polname, polroles::regrole[]::text, pg_get_expr(polqual, polrelid) FROM pg_policy"
        " WHERE polname NOT LIKE '%\\_by\\_tenant' ORDER BY 1",
    )
    ends = ("_by_pipelines", "_by_door", "_by_support", "_by_erasure")
    beside = [row for row in others if not str(row[0]).endswith(ends)]
    assert beside == [
        ("directory_by_executor", "{candela_executor}", "true"),
        ("halts_by_operator", "{candela_executor}", "(scope = 'platform'::text)"),
        ("halts_of_platform", "{candela_app}", "(scope = 'platform'::text)"),
    ]
    assert {row[1:] for row in others if row not in beside} == {
        (f"{{candela_{name}}}", f"(CURRENT_USER = 'candela_{name}'::name)")
        for name in ("pipelines", "door", "support")
    } | {
        # The owner alone, in the function that erases, and of the one tenant that it erases.
        (
            "{candela_owner}",
            (
                "(tenant_id = (NULLIF(current_setting('candela.erasing'::text, true),"
                " ''::text))::uuid)"
            ),
        )
    }


def test_policies_of_the_door_and_of_support_always_end_before_what_is_not_theirs(
    database: Database,
) -> None:
    """S02: the door sees who calls and no trade, support looks and writes nothing."""
    seen = {
        str(row[0])
        for row in rows(
            database,
            "SELECT polrelid::regclass::text FROM pg_policy WHERE polname LIKE '%\\_by\\_door'",
        )
    }
    assert {name for name in seen if not name.startswith("identity.")} <= {
        "tenancy.users",
        "tenancy.tenants",
        "billing.customers",
    }
    verbs = rows(
        database,
        "SELECT DISTINCT polcmd::text FROM pg_policy WHERE polname LIKE '%\\_by\\_support'",
    )
    assert verbs == [("r",)]
    for name in sorted(SEALED - {"tenancy.users"}):
        for role in (Role.DOOR, Role.SUPPORT):
            asked = f"SELECT has_any_column_privilege('{role}', '{name}', 'SELECT')"
            assert rows(database, asked) == [(False,)], f"{role} on {name}"
    for name in tables(database):
        for privilege in ("INSERT", "UPDATE"):
            asked = f"SELECT has_any_column_privilege('candela_support', '{name}', '{privilege}')"
            assert rows(database, asked) == [(False,)], f"support may {privilege} {name}"


def test_roles_always_are_neither_owners_nor_above_the_walls(database: Database) -> None:
    above = rows(
        database,
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'candela\\_%'"
        " AND (rolsuper OR rolbypassrls OR rolcreaterole)",
    )
    assert above == []
    owned = rows(
        database,
        "SELECT relname FROM pg_class WHERE relowner IN"
        " ('candela_app'::regrole, 'candela_executor'::regrole, 'candela_analyst'::regrole,"
        " 'candela_door'::regrole, 'candela_support'::regrole)",
    )
    assert owned == []
    members = rows(
        database,
        "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members"
        " WHERE member::regrole::text LIKE 'candela\\_%' ORDER BY 1",
    )
    assert members == [
        ("candela_app", "candela_executor"),
        ("candela_pipelines", "candela_owner"),
    ]


def test_references_between_tables_of_tenants_always_carry_the_tenant(database: Database) -> None:
    """S06: what refers to a row names its tenant."""
    names = ", ".join(f"'{name}'::regclass" for name in tables(database))
    found = rows(
        database,
        "SELECT c.conname, EXISTS ("
        " SELECT 1 FROM generate_subscripts(c.conkey, 1) AS n"
        " INNER JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[n]"
        " INNER JOIN pg_attribute AS f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[n]"
        " WHERE a.attname = 'tenant_id' AND f.attname = 'tenant_id')"
        f" FROM pg_constraint AS c WHERE c.contype = 'f' AND c.conrelid IN ({names})",
    )
    assert len(found) > 25
    # Requests of backtests are of everybody's candles: the table that they are in has no tenants.
    assert [row for row in found if not row[1]] == [("fk_backtest_orders_request", False)]


def test_unique_keys_of_tenants_always_begin_with_the_tenant(database: Database) -> None:
    """S07: no unique key tells one tenant what another has."""
    names = ", ".join(f"'{name}'::regclass" for name in tables(database))
    found = rows(
        database,
        "SELECT i.indexrelid::regclass::text, a.attname FROM pg_index AS i"
        " INNER JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        f" WHERE i.indisunique AND i.indrelid IN ({names})",
    )
    without = {str(row[0]).partition(".")[2] for row in found if row[1] != "tenant_id"}
    assert without == UNIQUE_WITHOUT_TENANT


def test_views_on_tables_of_tenants_always_have_the_rights_of_the_reader(
    database: Database,
) -> None:
    """S05: no view gives more than its reader may see."""
    names = ", ".join(f"'{name}'::regclass" for name in tables(database))
    query = (
        "SELECT DISTINCT v.oid::regclass::text FROM pg_class AS v"
        " INNER JOIN pg_rewrite AS r ON r.ev_class = v.oid"
        " INNER JOIN pg_depend AS d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass"
        f" WHERE v.relkind IN ('v', 'm') AND d.refobjid IN ({names})"
        " AND NOT coalesce('security_invoker=true' = ANY(v.reloptions), false)"
    )
    assert rows(database, query) == []
    with database.connect() as connection:
        connection.execute("CREATE VIEW trading.leak AS SELECT name FROM trading.bots")
        assert connection.execute(query.encode()).fetchall() == [("trading.leak",)]
        connection.rollback()


def test_functions_with_the_owners_rights_always_are_known_and_have_a_fixed_path(
    database: Database,
) -> None:
    found = rows(
        database,
        "SELECT p.oid::regprocedure::text, p.proconfig::text FROM pg_proc AS p"
        " INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace"
        f" WHERE p.prosecdef AND n.nspname IN {OURS}",
    )
    assert {row[0] for row in found} == DEFINERS
    assert all("search_path=pg_catalog, pg_temp" in str(row[1]) for row in found)


@pytest.mark.parametrize("privilege", ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"])
def test_rights_of_analysts_and_pipelines_always_end_before_what_is_not_theirs(
    database: Database, privilege: str
) -> None:
    for name in tables(database):
        for role, walled in ((Role.ANALYST, True), (Role.PIPELINES, name in SEALED)):
            if not walled:
                continue
            allowed = rows(
                database, f"SELECT has_table_privilege('{role}', '{name}', '{privilege}')"
            )
            assert allowed == [(False,)], f"{role} on {name}"
    assert rows(database, "SELECT has_schema_privilege('candela_analyst', 'tenancy', 'USAGE')") == [
        (False,)
    ]


@pytest.mark.parametrize("role", [Role.APP, Role.EXECUTOR])
def test_evidence_of_tenants_always_only_grows(database: Database, role: Role) -> None:
    for name in ("ledger", "fills", "decisions", "bot_versions"):
        for privilege in ("UPDATE", "DELETE", "TRUNCATE"):
            asked = f"SELECT has_table_privilege('{role}', 'trading.{name}', '{privilege}')"
            assert rows(database, asked) == [(False,)], f"{privilege} on {name}"


@pytest.mark.node
def test_tables_of_tenants_always_are_no_hypertables(timescale: Database) -> None:
    """S10: chunks inherit grants, not policies: a tenant's rows must never be in one."""
    found = rows(
        timescale,
        "SELECT DISTINCT hypertable_schema FROM timescaledb_information.hypertables",
    )
    assert found
    assert {row[0] for row in found} & {"tenancy", "trading", "live"} == set()
