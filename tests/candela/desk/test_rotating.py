"""Rotation over all tenants: killed in the middle it goes on, and nothing is ever unreadable."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from candela.clock import FixedClock
from candela.db.connect import Role
from candela.desk.rotating import TOTP_PURPOSE, reseal_all, rewrap_all
from candela.desk.secrets import open_secret, seal_secret
from candela.desk.session import TenantSession, tenant_session
from candela.desk.users import User, create_user
from candela.vault.credential import Credential
from candela.vault.envelope import Place, key_version_of, seal, unseal, unwrap
from candela.vault.masterkeys import MasterKeys, UnknownMasterKey, master_keys_from_text
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from uuid import UUID

    from candela.db.connect import Database

CLOCK = FixedClock(NOW)
ONE = "1:q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="
TWO = "2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KILLED = """
import sys, time
from pydantic import SecretStr
from candela.clock import FixedClock
from candela.db.connect import Database
from candela.desk.rotating import {verb}
from candela.vault.masterkeys import master_keys_from_text
from datetime import datetime, timedelta
database = Database(SecretStr(sys.argv[1]), roles_log_in=sys.argv[3] == "True")
masters = master_keys_from_text(SecretStr(sys.argv[2]))
def tell(done, total):
    print(done, flush=True)
    if done >= 6:
        time.sleep(60)
{call}
"""
REWRAP = KILLED.format(verb="rewrap_all", call="rewrap_all(database, masters, tell, size=2)")
RESEAL = KILLED.format(
    verb="reseal_all",
    call="reseal_all(database, masters, FixedClock(datetime.fromisoformat(sys.argv[4])),"
    " older_than=timedelta(hours=1), tell=tell, size=2)",
)


def keys(*texts: str) -> MasterKeys:
    return master_keys_from_text(SecretStr(",".join(texts)))


@pytest.fixture
def people(database: Database) -> dict[User, UUID]:
    """Give twelve tenants with a secret each."""
    found: dict[User, UUID] = {}
    for number in range(12):
        user = create_user(database, f"u{number}@example.com", clock=CLOCK)
        with tenant_session(database, user.tenant_id) as session:
            found[user] = sealed(session, user.email)
    return found


def sealed(session: TenantSession, words: str, masters: MasterKeys | None = None) -> UUID:
    secret = Credential(words)
    return seal_secret(
        session,
        masters or keys(ONE),
        {"secret": secret},
        purpose="exchange",
        label=words,
        venue="binance",
        shown=secret,
        clock=CLOCK,
    )


def readable(database: Database, people: dict[User, UUID], masters: MasterKeys) -> int:
    count = 0
    for user, secret in people.items():
        with tenant_session(database, user.tenant_id) as session:
            parts = open_secret(session, masters, secret, why="test", used_by="me", clock=CLOCK)
        assert parts["secret"].reveal() == user.email
        count += 1
    return count


def killed(database: Database, script: str, *more: str) -> None:
    """Run a rotation in a process of its own, and kill it in its third batch."""
    url = database.admin_url.get_secret_value()
    words = [sys.executable, "-c", script, url, f"{ONE},{TWO}", str(database.roles_log_in), *more]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(3)] == ["2", "4", "6"]
        process.send_signal(signal.SIGKILL)


def test_rotation_when_killed_in_the_middle_then_all_is_readable_and_the_next_run_ends_it(
    database: Database, people: dict[User, UUID]
) -> None:
    """S20: what was done stays, 0 are unreadable, and only then is the old master removable."""
    both = keys(ONE, TWO)
    killed(database, REWRAP)
    assert readable(database, people, both) == 12
    with tenant_session(database, next(iter(people)).tenant_id) as session:
        sealed(session, "meanwhile", both)  # life goes on
    report = rewrap_all(database, both, size=2)
    assert (report.keys, report.tenants) == (8, 12)  # the third batch was undone with its process
    assert report.wrapped == {2: 12}
    assert report.removable(both) == (1,)
    assert rewrap_all(database, both).keys == 0
    assert readable(database, people, keys(TWO)) == 12
    with pytest.raises(UnknownMasterKey):
        readable(database, people, keys(ONE))


def test_master_when_something_is_wrapped_by_it_then_not_removable(
    database: Database, people: dict[User, UUID]
) -> None:
    """S20: a process that knows only the old master may have wrapped by it after the rotation."""
    both = keys(ONE, TWO)
    rewrap_all(database, both)
    late = create_user(database, "late@example.com", clock=CLOCK)
    with tenant_session(database, late.tenant_id) as session:
        sealed(session, "late")
    report = rewrap_all(database, both)
    assert (report.keys, report.wrapped) == (1, {2: 13})
    assert report.removable(both) == (1,)


def test_sealing_anew_when_killed_then_the_next_run_ends_it_and_old_keys_are_gone(
    database: Database, people: dict[User, UUID]
) -> None:
    """S20: secrets and second factors are sealed by a new key; what sealed them is destroyed."""
    both, user = keys(ONE, TWO), next(iter(people))
    add_factor(database, user, keys(ONE))
    later = FixedClock(NOW + timedelta(days=2))
    killed(database, RESEAL, later.at.isoformat())
    assert readable(database, people, both) == 12
    report = reseal_all(database, both, later, older_than=timedelta(hours=1), size=2)
    assert (report.keys, report.destroyed) == (8, 12)
    assert readable(database, people, keys(TWO)) == 12
    with database.connect() as connection:
        stored = connection.execute("SELECT key_version, length(wrapped_key) FROM"
                                    " tenancy.tenant_keys ORDER BY 1, 2").fetchall()  # fmt: skip
        row = connection.execute(
            "SELECT totp_sealed, wrapped_key FROM identity.credentials AS c"
            " INNER JOIN tenancy.tenant_keys AS k USING (tenant_id) WHERE k.key_version = 2"
        ).fetchone()
    assert [row for row in stored if row[0] == 1] == [(1, 0)] * 12
    assert row is not None
    assert key_version_of(bytes(row[0])) == 2
    key = unwrap(keys(TWO), user.tenant_id, 2, bytes(row[1]))
    place = Place(user.tenant_id, TOTP_PURPOSE, user.user_id)
    assert unseal(key, place, bytes(row[0])).reveal() == "shared"
    again = reseal_all(database, both, later, older_than=timedelta(hours=1))
    assert (again.keys, again.secrets, again.destroyed) == (0, 0, 0)


def add_factor(database: Database, user: User, masters: MasterKeys) -> None:
    with database.connect() as connection:
        row = connection.execute(
            "SELECT wrapped_key FROM tenancy.tenant_keys WHERE tenant_id = %s", (user.tenant_id,)
        ).fetchone()
        assert row is not None
        key = unwrap(masters, user.tenant_id, 1, row[0])
        place = Place(user.tenant_id, TOTP_PURPOSE, user.user_id)
        connection.execute(
            "INSERT INTO identity.credentials (tenant_id, user_id, password_hash,"
            " password_changed_at, tokens_valid_from, totp_sealed) VALUES (%s, %s, '', %s, %s, %s)",
            (user.tenant_id, user.user_id, NOW, NOW, seal(key, place, Credential("shared"))),
        )


def test_rotation_when_a_row_was_changed_then_refused_and_nothing_of_its_batch_written(
    database: Database, people: dict[User, UUID]
) -> None:
    """S19: a key that was moved from another tenant is not made valid by a rotation."""
    with database.connect(Role.OWNER) as _, database.connect() as connection:
        connection.execute(
            "UPDATE tenancy.tenant_keys SET wrapped_key = (SELECT wrapped_key FROM"
            " tenancy.tenant_keys ORDER BY tenant_id LIMIT 1)"
        )
    with pytest.raises(Exception, match="not what was sealed"):
        rewrap_all(database, keys(ONE, TWO))
