"""Every dependency alias: who may call a route, and what it works with."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from api.state import State
from candela.errors import CandelaError, NotAllowed
from candela.identity.access import SCOPES_OF_ROLE
from candela.identity.caller import Caller, NotAuthenticated, ScopeMissing

__all__ = [
    "FRESH",
    "Admin",
    "Caller",
    "Fresh",
    "Owner",
    "Reader",
    "SecondFactorNeeded",
    "State",
    "Trader",
    "caller_of",
]

FRESH: Final = timedelta(minutes=15)
"""So long a second factor counts as shown."""


class SecondFactorNeeded(NotAllowed):
    """A second factor must have been shown a short while ago."""

    code = "second_factor_needed"

    def __init__(self) -> None:
        super().__init__(
            "This takes a second factor shown in the last 15 minutes.",
            "POST /auth/2fa/refresh shows a code again; POST /auth/2fa/setup turns it on.",
        )


_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="an access token of POST /auth/login, or an API token of POST /tokens",
)
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


async def caller_of(request: Request, state: State, bearer: _Bearer) -> Caller:
    """Return who calls.

    Raises
    ------
    NotAuthenticated
        No token, or it is forged, too old, or was revoked.
    """
    # Found out, or refused, before the route was known: see api/kit/budgets.py.
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    refused: CandelaError | None = getattr(request.state, "refused", None)
    if refused is not None:
        raise refused
    if bearer is None:
        raise NotAuthenticated("No token was sent.", "Send the header Authorization: Bearer TOKEN.")
    return await state.access.caller(
        bearer.credentials,
        address=getattr(request.state, "address", ""),
        user_agent=request.headers.get("user-agent", ""),
        request_id=getattr(request.state, "request_id", ""),
    )


_AnyCaller = Annotated[Caller, Depends(caller_of)]


async def _reader(caller: _AnyCaller) -> Caller:
    caller.require("read")
    return caller


async def _trader(caller: _AnyCaller) -> Caller:
    caller.require("trade")
    return caller


async def _owner(caller: _AnyCaller) -> Caller:
    if caller.session_id is None:
        message = "This is for a person who has logged in, and not for an API token."
        raise ScopeMissing(message, "Log in, and send the access token.")
    return caller


async def _admin(caller: _AnyCaller, state: State) -> Caller:
    # A role that was given or taken holds at once, whatever the token says.
    lookups = state.identity.lookups
    standing = await asyncio.to_thread(lookups.standing, caller.tenant_id, caller.user_id)
    if standing is None or not standing.is_active:
        raise NotAuthenticated("The user was shut out.", "Ask an administrator.")
    scopes = SCOPES_OF_ROLE[standing.role]
    if caller.session_id is None:
        scopes &= caller.scopes
    caller = replace(caller, role=standing.role, scopes=scopes)
    caller.require_role("admin", "superadmin")
    caller.require("admin")
    return caller


async def _fresh(caller: _AnyCaller, state: State) -> Caller:
    await _owner(caller)
    shown_at = caller.second_factor_at
    if shown_at is None or state.clock.now() - shown_at > FRESH:
        raise SecondFactorNeeded
    return caller


Reader = Annotated[Caller, Depends(_reader)]
"""May look: any session, tokens with the scope read."""
Trader = Annotated[Caller, Depends(_trader)]
"""May trade and change bots: any session, tokens with the scope trade."""
Owner = Annotated[Caller, Depends(_owner)]
"""A person in a session: profile, keys, tokens, billing."""
Fresh = Annotated[Caller, Depends(_fresh)]
"""A person in a session who has just shown the second factor: going live, keys, limits."""
Admin = Annotated[Caller, Depends(_admin)]
"""An administrator, in a session or with a token of the scope admin."""
