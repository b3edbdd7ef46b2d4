"""Who calls: a person in a session, or a program with a token of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal
from uuid import UUID

from candela.audit.record import Actor
from candela.errors import CandelaError, NotAllowed

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = ["Caller", "NotAuthenticated", "RoleMissing", "Scope", "ScopeMissing", "UserRole"]

Scope = Literal["read", "trade", "admin"]
"""Of an API token; a session has all that its user's role has."""
UserRole = Literal["user", "admin", "superadmin"]


class NotAuthenticated(CandelaError):
    """No token, or none that is worth anything."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "not_authenticated"


class ScopeMissing(NotAllowed):
    """The token may not do that."""

    code = "scope_missing"


class RoleMissing(NotAllowed):
    """That is for administrators."""

    code = "role_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, proven by a token.

    Parameters
    ----------
    session_id, token_id
        One of them: what the caller holds.
    scopes
        What it may do.
    second_factor_at
        When the second factor was last shown in this session; None: never.
    address, user_agent
        From where, for the audit log; the address behind trusted proxies.
    """

    tenant_id: UUID
    user_id: UUID
    role: UserRole
    scopes: AbstractSet[Scope]
    session_id: UUID | None = None
    token_id: UUID | None = None
    second_factor_at: datetime | None = None
    address: str = ""
    user_agent: str = ""
    request_id: str = ""

    @property
    def actor(self) -> Actor:
        """The same for the audit log."""
        return Actor(
            name=str(self.user_id),
            user_id=self.user_id,
            token_id=self.token_id,
            address=self.address or None,
            user_agent=self.user_agent or None,
            request_id=self.request_id or None,
        )

    def require(self, scope: Scope) -> None:
        """Refuse where the token lacks a scope.

        Raises
        ------
        ScopeMissing
            Naming it.
        """
        if scope not in self.scopes:
            has = ", ".join(sorted(self.scopes)) or "nothing"
            message = f"The token has the scope {has}; this needs {scope}."
            raise ScopeMissing(message, f"Make a token with the scope {scope}, or log in.")

    def require_role(self, *roles: UserRole) -> None:
        """Refuse who has none of the roles.

        Raises
        ------
        RoleMissing
            Naming them.
        """
        if self.role not in roles:
            message = f"This is for {' and '.join(roles)}."
            raise RoleMissing(message, "Ask an administrator.")
