"""API tokens: made by a person for a program, shown once, cut to what the plan includes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from psycopg.errors import UniqueViolation

from candela.desk.users import subscription_of
from candela.errors import Conflict, NotFound, StrategyError
from candela.gates import ask
from candela.identity.access import API_TOKEN_PREFIX, SCOPES_OF_ROLE
from candela.identity.caller import Scope, UserRole
from candela.identity.links import hash_of
from candela.ids import new_id
from candela.plans import ApiAccess, plan_named, refuse_beyond

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.lookups import HeldToken, Lookups

__all__ = [
    "BadToken",
    "TokenMade",
    "TokenNameTaken",
    "TokenRow",
    "TooManyTokens",
    "UnknownToken",
    "make_token",
    "revoke_all",
    "revoke_token",
    "token_finder",
    "tokens_of",
]

MOST: Final = 20
_BYTES: Final = 32
_INCLUDED: Final[Mapping[ApiAccess, frozenset[Scope]]] = {
    "none": frozenset(),
    "read": frozenset({"read"}),
    "full": frozenset({"read", "trade", "admin"}),
}
_SELDOM: Final = timedelta(minutes=1)

_INSERT: Final = """
INSERT INTO identity.api_tokens
    (tenant_id, token_id, user_id, name, token_hash, last_four, scopes, created_at, expires_at)
VALUES
    (%(tenant)s, %(token)s, %(user)s, %(name)s, %(hash)s, %(last_four)s, %(scopes)s, %(at)s,
     %(ends)s)
"""
_COUNT: Final = """
SELECT count(*) AS tokens FROM identity.api_tokens
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND revoked_at IS NULL
"""
_LISTED: Final = """
SELECT token_id, name, last_four, scopes, created_at, expires_at, last_used_at
FROM identity.api_tokens
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND revoked_at IS NULL
ORDER BY created_at DESC, token_id DESC
"""
_REVOKE: Final = """
UPDATE identity.api_tokens SET revoked_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND revoked_at IS NULL
    AND (%(token)s::uuid IS NULL OR token_id = %(token)s)
"""
_USED: Final = """
UPDATE identity.api_tokens SET last_used_at = %(at)s
WHERE tenant_id = %(tenant)s AND token_id = %(token)s
    AND (last_used_at IS NULL OR last_used_at < %(before)s)
"""


class TokenNameTaken(Conflict):
    """The user has a token of that name."""

    code = "token_name_taken"


class TooManyTokens(Conflict):
    """The user has as many tokens as anybody may."""

    code = "too_many_tokens"


class UnknownToken(NotFound):
    """The user has no such token."""

    code = "unknown_token"


class BadToken(StrategyError):
    """A token that cannot be made as it was asked for."""

    code = "bad_token"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as its owner sees it."""

    token_id: UUID
    name: str
    last_four: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenMade:
    """A new token, and the only time that it can be seen."""

    row: TokenRow
    token: str


def make_token(
    session: TenantSession,
    *,
    user_id: UUID,
    role: UserRole,
    name: str,
    scopes: Collection[Scope],
    expires_at: datetime | None,
    clock: Clock,
) -> TokenMade:
    """Make a token.

    Raises
    ------
    PlanLimitReached
        The plan does not include programs, or not ones that trade.
    BadToken
        It would have ended already, or the role lacks a scope.
    TokenNameTaken
        There is one of the name.
    TooManyTokens
        There are as many as anybody may have.
    """
    now = clock.now()
    plan = plan_named(subscription_of(session).plan)
    included = sorted(_INCLUDED[plan.api])
    for scope in sorted(scopes):
        phrase = f"The token may {{value}}; the plan {plan.plan} includes: {{limit}}."
        refuse_beyond((ask("plan_api", scope, "one_of", tuple(included), phrase),))
        if scope not in SCOPES_OF_ROLE[role]:
            message = f"A user of the role {role} has not the scope {scope}."
            raise BadToken(message, "Leave it out.")
    if expires_at is not None and expires_at <= now:
        raise BadToken(f"expires_at {expires_at.isoformat()} has passed.", "Give a later instant.")
    session.lock()
    counted = session.row(_COUNT, {"user": user_id})
    if counted is not None and counted["tokens"] >= MOST:
        message = f"There are {counted['tokens']} tokens, the most that anybody may have."
        raise TooManyTokens(message, "Revoke one that is not used.")
    token = API_TOKEN_PREFIX + secrets.token_urlsafe(_BYTES)
    row = TokenRow(new_id(now), name, token[-4:], sorted(scopes), now, expires_at, None)
    try:
        session.run(
            _INSERT,
            {
                "token": row.token_id,
                "user": user_id,
                "name": name,
                "hash": hash_of(token),
                "last_four": row.last_four,
                "scopes": row.scopes,
                "at": now,
                "ends": expires_at,
            },
        )
    except UniqueViolation:
        raise TokenNameTaken(f"There is a token {name!r}.", "Give it another name.") from None
    return TokenMade(row, token)


def tokens_of(session: TenantSession, *, user_id: UUID) -> list[TokenRow]:
    """Return the tokens of a user that were not revoked, newest first."""
    return [TokenRow(**row) for row in session.rows(_LISTED, {"user": user_id})]


def revoke_token(session: TenantSession, token_id: UUID, *, user_id: UUID, clock: Clock) -> None:
    """Revoke a token of a user.

    Raises
    ------
    UnknownToken
        The user has none of that id in force.
    """
    values = {"user": user_id, "token": token_id, "at": clock.now()}
    if not session.run(_REVOKE, values):
        raise UnknownToken(f"There is no token {token_id}.", "GET /tokens lists yours.")


def revoke_all(session: TenantSession, *, user_id: UUID, clock: Clock) -> int:
    """Revoke all tokens of a user; return how many."""
    return session.run(_REVOKE, {"user": user_id, "token": None, "at": clock.now()})


def token_finder(
    lookups: Lookups,
    act_as: Callable[[UUID], AbstractContextManager[TenantSession]],
    clock: Clock,
) -> Callable[[str], HeldToken | None]:
    """Return what looks an API token up and cuts its scopes to what the plan includes now."""

    def find(token: str) -> HeldToken | None:
        held = lookups.api_token(hash_of(token))
        if held is None:
            return None
        now = clock.now()
        with act_as(held.tenant_id) as session:
            subscription = subscription_of(session)
            used = {"token": held.token_id, "at": now, "before": now - _SELDOM}
            session.run(_USED, used)
        included = _INCLUDED[plan_named(subscription.plan).api]
        if not subscription.in_force(now):
            included &= _INCLUDED["read"]
        return replace(held, scopes=held.scopes & included)

    return find
