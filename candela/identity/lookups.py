"""Finding out who asks, before any tenant is known: the only reader of all tenants' identities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from candela.identity.caller import Scope, UserRole

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg
    from psycopg_pool import ConnectionPool

    from candela.identity.links import Purpose

__all__ = ["Ending", "HeldToken", "Login", "Lookups", "Standing"]

_LOGIN: Final = """
SELECT u.tenant_id, u.user_id, u.email, u.role, c.password_hash, c.email_verified_at,
    u.is_active AND t.closed_at IS NULL AS is_active,
    c.totp_confirmed_at IS NOT NULL AS has_second_factor
FROM tenancy.users AS u
INNER JOIN tenancy.tenants AS t USING (tenant_id)
LEFT JOIN identity.credentials AS c USING (tenant_id, user_id)
WHERE u.email = %(email)s
"""
_STANDING: Final = """
SELECT u.role, u.is_active AND t.closed_at IS NULL AS is_active
FROM tenancy.users AS u
INNER JOIN tenancy.tenants AS t USING (tenant_id)
WHERE u.tenant_id = %(tenant)s AND u.user_id = %(user)s
"""
_HELD: Final = """
SELECT a.tenant_id, a.token_id, a.user_id, a.scopes, a.expires_at, a.created_at, u.role
FROM identity.api_tokens AS a
INNER JOIN tenancy.users AS u USING (tenant_id, user_id)
INNER JOIN tenancy.tenants AS t USING (tenant_id)
LEFT JOIN identity.credentials AS c USING (tenant_id, user_id)
WHERE a.token_hash = %(hash)s AND a.revoked_at IS NULL AND u.is_active AND t.closed_at IS NULL
    AND (c.tokens_valid_from IS NULL OR a.created_at >= c.tokens_valid_from)
"""
_REFRESH: Final = "SELECT tenant_id FROM identity.refresh_tokens WHERE token_hash = %(hash)s"
_LINK: Final = """
SELECT tenant_id FROM identity.links
WHERE token_hash = %(hash)s AND purpose = %(purpose)s AND used_at IS NULL AND expires_at > %(at)s
"""
_REFERRAL: Final = "SELECT 1 AS found FROM identity.referrals WHERE code = %(code)s"
_BEEN_HERE: Final = """
SELECT 1 AS found
FROM tenancy.users AS u
INNER JOIN identity.sessions AS s USING (tenant_id, user_id)
WHERE u.email = %(email)s AND s.address = %(address)s::inet AND s.created_at > %(since)s
LIMIT 1
"""
_ENDINGS: Final = """
SELECT 'session' AS kind, session_id AS which, ended_at AS at
FROM identity.sessions WHERE ended_at > %(since)s
UNION ALL
SELECT 'token', token_id, revoked_at FROM identity.api_tokens WHERE revoked_at > %(since)s
UNION ALL
SELECT 'user', user_id, tokens_valid_from
FROM identity.credentials WHERE tokens_valid_from > %(since)s
UNION ALL
SELECT 'user', user_id, updated_at
FROM tenancy.users WHERE NOT is_active AND updated_at > %(since)s
UNION ALL
SELECT 'user', u.user_id, t.closed_at
FROM tenancy.tenants AS t
INNER JOIN tenancy.users AS u USING (tenant_id)
WHERE t.closed_at > %(since)s
"""


@dataclass(frozen=True, slots=True)
class Login:
    """What is known of an address, for whoever wants in by it.

    Parameters
    ----------
    password_hash
        None: the user has none yet, and cannot log in.
    is_active
        Neither shut out, nor is the tenant closed.
    """

    tenant_id: UUID
    user_id: UUID
    email: str
    role: UserRole
    password_hash: str | None
    email_verified_at: datetime | None
    is_active: bool
    has_second_factor: bool

    @property
    def may_enter(self) -> bool:
        """Whether the right password lets in."""
        return self.is_active and self.email_verified_at is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a user is now, whatever a token says."""

    role: UserRole
    is_active: bool


@dataclass(frozen=True, slots=True)
class HeldToken:
    """An API token that is in force, as it is stored."""

    tenant_id: UUID
    token_id: UUID
    user_id: UUID
    scopes: frozenset[Scope]
    expires_at: datetime | None
    created_at: datetime
    role: UserRole


@dataclass(frozen=True, slots=True)
class Ending:
    """A session, an API token or all of a user's tokens, from when on worth nothing."""

    kind: Literal["session", "token", "user"]
    which: UUID
    at: datetime


class Lookups:
    """Asks with the role candela_door, which sees who people are and nothing that they do."""

    def __init__(self, door: ConnectionPool[psycopg.Connection[Any]]) -> None:
        self._door = door

    def login(self, email: str) -> Login | None:
        """Return what is known of an address, written in small letters."""
        row = self._row(_LOGIN, {"email": email})
        return None if row is None else Login(**row)

    def standing(self, tenant_id: UUID, user_id: UUID) -> Standing | None:
        """Return role and state of a user now."""
        row = self._row(_STANDING, {"tenant": tenant_id, "user": user_id})
        return None if row is None else Standing(**row)

    def api_token(self, token_hash: bytes) -> HeldToken | None:
        """Return the token in force that has a hash; its end is the caller's to compare."""
        row = self._row(_HELD, {"hash": token_hash})
        if row is None:
            return None
        scopes: list[Scope] = row.pop("scopes")
        return HeldToken(scopes=frozenset(scopes), **row)

    def tenant_of_refresh(self, token_hash: bytes) -> UUID | None:
        """Return whose refresh token has a hash, used or not."""
        row = self._row(_REFRESH, {"hash": token_hash})
        return None if row is None else row["tenant_id"]

    def tenant_of_link(self, token_hash: bytes, purpose: Purpose, now: datetime) -> UUID | None:
        """Return whose link has a hash, if it is still good."""
        row = self._row(_LINK, {"hash": token_hash, "purpose": purpose, "at": now})
        return None if row is None else row["tenant_id"]

    def has_referral(self, code: str) -> bool:
        """Return whether somebody's code is this one."""
        return self._row(_REFERRAL, {"code": code}) is not None

    def has_been_at(self, email: str, address: str, since: datetime) -> bool:
        """Return whether a user has logged in from a network address."""
        values = {"email": email, "address": address, "since": since}
        return self._row(_BEEN_HERE, values) is not None

    def endings(self, since: datetime) -> list[Ending]:
        """Return what has ended after an instant."""
        return [Ending(**row) for row in self._rows(_ENDINGS, {"since": since})]

    def _row(self, query: LiteralString, values: Mapping[str, Any]) -> dict[str, Any] | None:
        return next(iter(self._rows(query, values)), None)

    def _rows(self, query: LiteralString, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        with (
            self._door.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(query, values).fetchall()
