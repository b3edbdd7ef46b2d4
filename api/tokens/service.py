"""Making and revoking API tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.deps import FRESH, SecondFactorNeeded
from candela.audit.record import record
from candela.identity.tokens import TokenMade, make_token, revoke_token

if TYPE_CHECKING:
    from uuid import UUID

    from api.tokens.schemas import TokenGiven
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = ["make", "revoke"]


def make(session: TenantSession, caller: Caller, wanted: TokenGiven, *, clock: Clock) -> TokenMade:
    """Make a token; one that may do more than read takes a fresh second factor.

    Raises
    ------
    SecondFactorNeeded
        It was not shown in the last 15 minutes.
    PlanLimitReached
        The plan does not include it.
    BadToken, TokenNameTaken, TooManyTokens
        It cannot be made so.
    """
    shown_at = caller.second_factor_at
    is_fresh = shown_at is not None and clock.now() - shown_at <= FRESH
    made = make_token(
        session,
        user_id=caller.user_id,
        role=caller.role,
        name=wanted.name,
        scopes=wanted.scopes,
        expires_at=wanted.expires_at,
        clock=clock,
    )
    if wanted.scopes != {"read"} and not is_fresh:
        raise SecondFactorNeeded
    record(
        session,
        caller.actor,
        "token.make",
        "token",
        made.row.token_id,
        clock=clock,
        detail={"name": wanted.name, "scopes": sorted(wanted.scopes)},
    )
    return made


def revoke(session: TenantSession, caller: Caller, token_id: UUID, *, clock: Clock) -> None:
    """Revoke a token.

    Raises
    ------
    UnknownToken
        The caller has none of that id.
    """
    revoke_token(session, token_id, user_id=caller.user_id, clock=clock)
    record(session, caller.actor, "token.revoke", "token", token_id, clock=clock)
