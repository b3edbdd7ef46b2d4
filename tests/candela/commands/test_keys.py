"""`candela keys` and `candela user restore`: what an operator does with keys and those who left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr

from candela.clock import FixedClock
from candela.desk.leaving import leave
from candela.desk.secrets import open_secret, seal_secret
from candela.desk.session import tenant_session
from candela.desk.users import create_user, find_user
from candela.vault.credential import Credential
from candela.vault.masterkeys import master_keys_from_text
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from candela.db.connect import Database
    from tests.fixtures.command_line import Ran

CLOCK = FixedClock(NOW)
ONE = "1:q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="
TWO = "2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def test_keys_when_a_master_is_added_and_rotated_to_then_the_old_one_is_removable(
    command_line: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    user = create_user(database, "me@example.com", clock=CLOCK)
    with tenant_session(database, user.tenant_id) as session:
        secret_id = seal_secret(
            session,
            master_keys_from_text(SecretStr(ONE)),
            {"api_key": Credential("a canary of a key")},
            purpose="adviser",
            label="a",
            venue="openai",
            shown=Credential("a canary of a key"),
            clock=CLOCK,
        )
    monkeypatch.setenv("CANDELA_MASTER_KEYS", f"{ONE},{TWO}")
    before = command_line("keys", "status", "--json").data
    assert (before["wrapped"], before["newest"], before["removable"]) == ({"1": 1}, 2, [])
    done = command_line("keys", "rotate", "--json")
    assert done.code == 0, done.err
    assert (done.data["keys"], done.data["wrapped"], done.data["removable"]) == (1, {"2": 1}, [1])
    again = command_line("keys", "rotate", "--reseal", "--older-than-hours", "0", "--json")
    assert (again.data["secrets"], again.data["removable"]) == (1, [1])
    monkeypatch.setenv("CANDELA_MASTER_KEYS", TWO)
    words = command_line("keys", "status")
    assert "1 by master key 2" in words.out
    assert "canary" not in done.out + again.out + words.out
    with tenant_session(database, user.tenant_id) as session:
        masters = master_keys_from_text(SecretStr(TWO))
        parts = open_secret(session, masters, secret_id, why="test", used_by="t", clock=CLOCK)
        assert parts["api_key"].reveal() == "a canary of a key"


def test_user_when_restored_then_may_log_in_again_once_and_only_who_left(
    command_line: Callable[..., Ran], database: Database
) -> None:
    user = create_user(database, "me@example.com", clock=CLOCK)
    refused = command_line("user", "restore", "me@example.com", "--json")
    assert refused.data["error"]["code"] == "unknown_user"
    with tenant_session(database, user.tenant_id) as session:
        leave(session, flatten=False, clock=CLOCK)
    back = command_line("user", "restore", "ME@example.com ", "--json")
    assert back.code == 0, back.out
    assert find_user(database, "me@example.com").user_id == user.user_id
    again = command_line("user", "restore", "me@example.com", "--json")
    assert (again.code != 0, again.data["error"]["code"]) == (True, "unknown_user")
    with tenant_session(database, user.tenant_id) as session:
        closed = session.row("SELECT closed_at FROM tenancy.tenants", {})
        audit = session.rows("SELECT action, actor FROM audit.entries", {})
    assert closed == {"closed_at": None}
    assert [tuple(one.values()) for one in audit] == [("user.restore", "operator")]
