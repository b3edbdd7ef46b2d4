"""Passwords of users as they are stored: set, replaced, and what ends when they are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from candela.identity.links import end_links
from candela.identity.sessions import end_sessions
from candela.identity.tokens import revoke_all

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = [
    "email_of",
    "password_hash_of",
    "replace_hash",
    "replace_password",
    "set_password",
    "set_role",
    "verify_address",
]

_SET: Final = """
INSERT INTO identity.credentials
    (tenant_id, user_id, password_hash, password_changed_at, email_verified_at, tokens_valid_from)
VALUES (%(tenant)s, %(user)s, %(hash)s, %(at)s, %(verified_at)s, %(at)s)
ON CONFLICT (tenant_id, user_id) DO UPDATE SET
    password_hash = excluded.password_hash,
    password_changed_at = excluded.password_changed_at,
    email_verified_at = coalesce(
        identity.credentials.email_verified_at, excluded.email_verified_at
    ),
    tokens_valid_from = excluded.tokens_valid_from
"""
_REHASH: Final = """
UPDATE identity.credentials SET password_hash = %(new)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND password_hash = %(seen)s
"""
_CHANGE: Final = """
UPDATE identity.credentials SET password_hash = %(new)s, password_changed_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND password_hash = %(seen)s
"""
_HASH: Final = """
SELECT password_hash FROM identity.credentials
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
FOR UPDATE
"""
_VERIFY: Final = """
UPDATE identity.credentials SET email_verified_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND email_verified_at IS NULL
"""
_EMAIL: Final = """
SELECT email FROM tenancy.users WHERE tenant_id = %(tenant)s AND user_id = %(user)s
"""
_ROLE: Final = """
UPDATE tenancy.users SET role = %(role)s, updated_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
"""


def set_password(
    session: TenantSession,
    *,
    user_id: UUID,
    password_hash: str,
    verified_at: datetime | None,
    clock: Clock,
) -> None:
    """Put a password in force; all that was opened with an older one ends, API tokens too.

    Parameters
    ----------
    verified_at
        When the address was shown to be the user's; None: that is still to come.
    """
    end_links(session, "reset", user_id=user_id, clock=clock)
    end_sessions(session, user_id=user_id, reason="password", clock=clock)
    revoke_all(session, user_id=user_id, clock=clock)
    session.run(
        _SET,
        {
            "user": user_id,
            "hash": password_hash,
            "at": clock.now(),
            "verified_at": verified_at,
        },
    )


def replace_password(
    session: TenantSession,
    *,
    user_id: UUID,
    seen: str,
    password_hash: str,
    but: UUID | None,
    clock: Clock,
) -> bool:
    """Change a password from the one that was verified; sessions but one end.

    API tokens go on: who changes a password knows the old one. Resetting revokes them.

    Returns
    -------
    bool
        False: it was changed by another request since it was verified.
    """
    values = _values(user_id, seen, password_hash) | {"at": clock.now()}
    if not session.run(_CHANGE, values):
        return False
    end_links(session, "reset", user_id=user_id, clock=clock)
    end_sessions(session, user_id=user_id, reason="password", clock=clock, but=but)
    return True


def replace_hash(session: TenantSession, *, user_id: UUID, seen: str, password_hash: str) -> None:
    """Store the same password hashed as it is done today."""
    session.run(_REHASH, _values(user_id, seen, password_hash))


def password_hash_of(session: TenantSession, *, user_id: UUID) -> str | None:
    """Return the stored hash; nobody changes it until the transaction ends."""
    row = session.row(_HASH, {"user": user_id})
    return None if row is None else str(row["password_hash"])


def email_of(session: TenantSession, *, user_id: UUID) -> str:
    """Return the address of a user of the tenant; empty where there is none."""
    row = session.row(_EMAIL, {"user": user_id})
    return "" if row is None else str(row["email"])


def verify_address(session: TenantSession, *, user_id: UUID, clock: Clock) -> bool:
    """Mark that the address is the user's; False where that was known, or no password is set."""
    return bool(session.run(_VERIFY, {"user": user_id, "at": clock.now()}))


def set_role(session: TenantSession, *, user_id: UUID, role: str, clock: Clock) -> bool:
    """Give a user a role; False where the tenant has no such user."""
    return bool(session.run(_ROLE, {"user": user_id, "role": role, "at": clock.now()}))


def _values(user_id: UUID, seen: str, password_hash: str) -> dict[str, Any]:
    return {"user": user_id, "seen": seen, "new": password_hash}
