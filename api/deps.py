"""Every dependency alias: who may call a route, and what it works with."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from api.state import State, state_of
from candela.errors import CandelaError, NotAllowed
from candela.identity.access import SCOPES_OF_ROLE
from candela.identity.caller import Caller, NotAuthenticated, ScopeMissing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from api.state import ApiState

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


_BEARER: Final = "bearer "


class _Known(SecurityBase):
    """Gives a route its caller, checked, and the document the scheme of its token.

    One dependency: each further one, were it only to read a header, costs every request some 20
    microseconds.
    """

    def __init__(self, check: Callable[[Caller, ApiState], Awaitable[Caller]]) -> None:
        self.model = HTTPBearer(
            description="an access token of POST /auth/login, or an API token of POST /tokens"
        )
        self.scheme_name = "bearer"
        self._check = check

    async def __call__(self, request: Request) -> Caller:
        state = state_of(request)
        return await self._check(await _caller_of(request, state), state)


async def _caller_of(request: Request, state: ApiState) -> Caller:
    """Return who calls.

    Raises
    ------
    NotAuthenticated
        No token, or it is forged, too old, or was revoked.
    """
    # Found out, or refused, before the route was known: see api/budgets.py.
    marks: dict[str, Any] = request.scope["state"]
    known: Caller | None = marks.get("caller")
    if known is not None:
        return known
    refused: CandelaError | None = marks.get("refused")
    if refused is not None:
        raise refused
    given = request.headers.get("authorization", "")
    token = given[len(_BEARER) :].strip() if given[: len(_BEARER)].lower() == _BEARER else ""
    if not token:
        raise NotAuthenticated("No token was sent.", "Send the header Authorization: Bearer TOKEN.")
    return await state.access.caller(
        token,
        address=marks.get("address", ""),
        user_agent=request.headers.get("user-agent", ""),
        request_id=marks.get("request_id", ""),
    )


async def _anybody(caller: Caller, _: ApiState) -> Caller:
    return caller


async def _reader(caller: Caller, _: ApiState) -> Caller:
    caller.require("read")
    return caller


async def _trader(caller: Caller, _: ApiState) -> Caller:
    caller.require("trade")
    return caller


async def _owner(caller: Caller, _: ApiState) -> Caller:
    if caller.session_id is None:
        message = "This is for a person who has logged in, and not for an API token."
        raise ScopeMissing(message, "Log in, and send the access token.")
    return caller


async def _admin(caller: Caller, state: ApiState) -> Caller:
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


async def _fresh(caller: Caller, state: ApiState) -> Caller:
    await _owner(caller, state)
    shown_at = caller.second_factor_at
    if shown_at is None or state.clock.now() - shown_at > FRESH:
        raise SecondFactorNeeded
    return caller


caller_of: Final = _Known(_anybody)
"""Gives whoever calls, whatever they may do: for what depends on a caller besides the route."""
Reader = Annotated[Caller, Depends(_Known(_reader))]
"""May look: any session, tokens with the scope read."""
Trader = Annotated[Caller, Depends(_Known(_trader))]
"""May trade and change bots: any session, tokens with the scope trade."""
Owner = Annotated[Caller, Depends(_Known(_owner))]
"""A person in a session: profile, keys, tokens, billing."""
Fresh = Annotated[Caller, Depends(_Known(_fresh))]
"""A person in a session who has just shown the second factor: going live, keys, limits."""
Admin = Annotated[Caller, Depends(_Known(_admin))]
"""An administrator, in a session or with a token of the scope admin."""
