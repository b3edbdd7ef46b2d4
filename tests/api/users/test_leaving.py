"""Leaving: everything stops at once, all data can be taken along, and later nothing is left."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from candela.db.connect import Role
from candela.desk.leaving import erase_due, still_paying
from candela.desk.rotating import rewrap_all
from candela.identity.passwords import hash_password
from candela.vault.credential import Credential
from candela.vault.envelope import Place, SealBroken, unseal, unwrap
from candela.vault.masterkeys import MasterKeys, UnknownMasterKey
from tests.fixtures.desk import NOW
from tests.sql.tenants import add_tenant, tenant_tables

if TYPE_CHECKING:
    from uuid import UUID

    from httpx2 import Response

    from candela.db.connect import Database
    from tests.fixtures.api import Api, Person

PASSWORD = "seven words that nobody ever said"
_KEPT = ("audit.", "billing.")


def with_password(person: Person) -> None:
    user = person.desk.user
    with person.desk.database.connect() as connection:
        connection.execute(
            "INSERT INTO identity.credentials (tenant_id, user_id, password_hash,"
            " password_changed_at, tokens_valid_from) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (tenant_id, user_id)"
            " DO UPDATE SET password_hash = excluded.password_hash",
            (user.tenant_id, user.user_id, hash_password(PASSWORD), NOW, NOW - timedelta(days=9)),
        )


def leave(person: Person, password: str = PASSWORD, positions: str = "keep") -> Response:
    body = {"password": password, "positions": positions}
    return person.call("DELETE", "/users/me", json=body)


def of_tenants(connection: Any) -> list[str]:
    rows = connection.execute(
        "SELECT attrelid::regclass::text FROM pg_attribute WHERE attname = 'tenant_id'"
    ).fetchall()
    named = {row[0] for row in rows}
    return [table for table in tenant_tables(connection) if table in named]


def counts(database: Database, tenant: UUID) -> dict[str, int]:
    """Count the rows of a tenant in every table, past every wall."""
    found: dict[str, int] = {}
    with database.connect() as connection:
        for table in of_tenants(connection):
            query = f"SELECT count(*) FROM {table} WHERE tenant_id = %s"
            row = connection.execute(query.encode(), (tenant,)).fetchone()
            assert row is not None
            found[table] = row[0]
    return found


def test_leaving_when_the_password_is_right_then_all_stops_at_once(
    person: Person, api: Api
) -> None:
    """S38: bots stop, keys are destroyed, the token is dead; a wrong password does nothing."""
    with_password(person)
    person.desk.bot("one")
    made = person.post("/keys/ai", json={"label": "a", "provider": "openai", "api_key": "k" * 20})
    with person.desk.session() as session:
        session.run("UPDATE trading.bots SET wanted = 'running' WHERE tenant_id = %(tenant)s", {})
    wrong = leave(person, "something else")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "leaving_password_wrong")
    assert person.get("/accounts").status_code == 200
    answer = leave(person)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["bots_stopped"], told["keys_destroyed"], told["keys_waiting"]) == (1, 1, 0)
    assert told["subscription_ended"]
    told_at = (NOW + timedelta(days=30)).isoformat()
    assert person.get("/accounts").status_code == 401
    with person.desk.session() as session:
        row = session.row("SELECT sealed, dead_reason FROM tenancy.secrets", {})
        bots = session.row("SELECT wanted FROM trading.bots", {})
        mails = session.rows("SELECT kind, params FROM notify.mails", {})
    assert mails == [{"kind": "leaving_confirmed", "params": {"erased_at": told_at}}]
    assert row == {"sealed": b"", "dead_reason": "its owner left"}
    assert bots == {"wanted": "stopped"}
    assert made.status_code == 201


def test_erasing_when_30_days_are_over_then_no_row_is_left_but_payments_and_audit(
    database: Database,
) -> None:
    """S38: 0 rows of every table that names the tenant, of nobody else's one."""
    with database.connect() as connection:
        names = ("a", "b", "c", "d")
        gone, stays, early, pays = (add_tenant(connection, one).tenant_id for one in names)
        for tenant, days in ((gone, 31), (early, 29)):
            connection.execute(
                "UPDATE tenancy.tenants SET closed_at = now() - make_interval(days => %s),"
                " payments_ended_at = now()"
                " WHERE tenant_id = %s",
                (days, tenant),
            )
        connection.execute(
            "UPDATE tenancy.tenants SET closed_at = now() - interval '31 days'"
            " WHERE tenant_id = %s",
            (pays,),
        )
        at = connection.execute("SELECT now()").fetchone()
    assert at is not None
    assert still_paying(database) == [pays]
    before = counts(database, stays)
    assert [one.tenant_id for one in erase_due(database, at[0])] == [gone]
    assert erase_due(database, at[0]) == []
    left = {table for table, count in counts(database, gone).items() if count and "." in table}
    assert {table for table in left if not table.startswith(_KEPT)} == {"tenancy.tenants"}
    assert counts(database, stays) == before
    assert counts(database, early) == counts(database, pays) == before
    with database.connect() as connection:
        row = connection.execute(
            "SELECT name, erased_at IS NOT NULL FROM tenancy.tenants WHERE tenant_id = %s", (gone,)
        ).fetchone()
    assert row == ("erased", True)


@pytest.mark.parametrize("role", [Role.APP, Role.EXECUTOR, Role.DOOR, Role.SUPPORT, Role.ANALYST])
def test_erasing_when_asked_by_a_door_to_the_world_then_refused(
    database: Database, role: Role
) -> None:
    """S38: nobody but the nightly work may erase, and the setting opens nothing to others."""
    with database.connect() as connection:
        tenant = add_tenant(connection, "a").tenant_id
        connection.execute("UPDATE tenancy.tenants SET closed_at = now() - interval '31 days'")
    with database.connect(role) as connection, pytest.raises(Exception, match="denied"):
        connection.execute("SELECT tenancy.erase_tenant(%s)", (tenant,))
    with database.connect(Role.APP) as connection:
        connection.execute("SELECT set_config('candela.erasing', %s, true)", (str(tenant),))
        assert connection.execute("SELECT count(*) FROM tenancy.users").fetchone() == (0,)


def test_backup_when_the_old_master_is_thrown_away_then_unreadable(
    person: Person, database: Database, masters: MasterKeys
) -> None:
    """S38: rows that a backup kept of who was erased open by no key that is left."""
    body = {"label": "a", "provider": "openai", "api_key": "canary-" + "k" * 20}
    assert person.post("/keys/ai", json=body).status_code == 201
    tenant = person.desk.user.tenant_id
    with database.connect() as connection:
        kept = connection.execute(
            "SELECT s.secret_id, s.sealed, k.wrapped_key FROM tenancy.secrets AS s"
            " INNER JOIN tenancy.tenant_keys AS k USING (tenant_id, key_version)"
        ).fetchone()
        connection.execute(
            "UPDATE tenancy.tenants SET closed_at = now() - interval '31 days',"
            " payments_ended_at = now()"
        )
        at = connection.execute("SELECT now()").fetchone()
    assert kept is not None
    assert at is not None
    key = unwrap(masters, tenant, 1, bytes(kept[2]))
    assert "canary" in unseal(key, Place(tenant, "adviser", kept[0]), bytes(kept[1])).reveal()
    assert len(erase_due(database, at[0])) == 1
    newer = Credential(bytes(range(7, 39)))
    both = MasterKeys({1: masters.key(1), 2: newer})
    assert rewrap_all(database, both).removable(both) == (1,)
    with pytest.raises((UnknownMasterKey, SealBroken)):
        unwrap(MasterKeys({2: newer}), tenant, 1, bytes(kept[2]))


def test_export_always_has_a_row_of_every_table_that_the_application_reads_and_no_secret(
    api: Api, database: Database
) -> None:
    """S38: a table that is new is in it unasked; what is sealed or hashed is not."""
    person = api.person()
    with_password(person)
    tenant = person.desk.user.tenant_id
    with database.connect() as connection:
        model = add_tenant(connection, "model").tenant_id
        readable = {
            table
            for table in of_tenants(connection)
            if _has(connection, f"has_any_column_privilege('candela_app', '{table}', 'SELECT')")
        }
    before = counts(database, tenant)
    shown = person.get("/users/me/export")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(shown.content))
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["tenant_id"] == str(tenant)
    listed = {one["table"]: one for one in manifest["tables"]}
    assert set(listed) == readable
    for table, one in listed.items():
        content = archive.read(f"{table}.jsonl")
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
        assert content.count(b"\n") == one["rows"] == before[table], table
        assert str(model).encode() not in content
    whole = b"".join(archive.read(name) for name in archive.namelist())
    for word in (b"argon2", b"wrapped_key", b'"sealed"', b"token_hash", b"totp_sealed"):
        assert word not in whole
    opening = json.loads(archive.read("trading.ledger.jsonl").splitlines()[0])
    assert opening["amount"] == "1000"


def _has(connection: Any, question: str) -> bool:
    row = connection.execute(f"SELECT {question}").fetchone()
    return bool(row and row[0])
