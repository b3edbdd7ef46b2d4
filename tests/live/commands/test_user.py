"""`candela user`: the operator makes the first administrator, who then logs in to the API."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from candela.db.connect import Role
from candela.identity.passwords import verify_password

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from candela.db.connect import Database
    from tests.fixtures.command_line import Ran

PASSWORD = "three unlikely words"


def test_operator_when_making_an_administrator_gives_role_and_password(
    command_line: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    def run(*words: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        return command_line("user", *words, "--json")

    def stored() -> tuple[str, str, bool]:
        with database.connect(Role.DOOR) as connection:
            row = connection.execute(
                "SELECT u.role, c.password_hash, c.email_verified_at IS NOT NULL"
                " FROM tenancy.users AS u INNER JOIN identity.credentials AS c"
                " USING (tenant_id, user_id)"
            ).fetchone()
        assert row is not None
        return row[0], row[1], row[2]

    create = ("create", "root@example.com", "--role", "superadmin", "--password-stdin")
    assert run(*create, stdin="12345678\n").data["error"]["code"] == "weak_password"
    assert run("create", "root@example.com", "--role", "king").data["error"]["code"] == (
        "unknown_role"
    )
    made = run(*create, stdin=f"{PASSWORD}\n")
    assert made.code == 0, made.out
    assert PASSWORD not in made.out + made.err
    role, hashed, is_verified = stored()
    assert (role, is_verified) == ("superadmin", True)
    assert verify_password(hashed, PASSWORD).is_right
    assert run("role", "root@example.com", "admin").code == 0
    assert run("password", "root@example.com", stdin="some other words\n").code == 0
    role, hashed, _ = stored()
    assert role == "admin"
    assert verify_password(hashed, "some other words").is_right
    assert run("verify", "root@example.com").data["error"]["code"] == "no_password"
