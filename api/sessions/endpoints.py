"""Routes of logins and sessions."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request

from api.deps import Owner, State
from api.kit.problems import problems
from api.sessions import service
from api.sessions.schemas import (
    Challenge,
    LoginAnswer,
    LoginGiven,
    RefreshGiven,
    SecondStep,
    SessionList,
    SessionShown,
    Tokens,
)
from api.spending import LOGIN
from candela.identity.sessions import sessions_of

__all__ = ["MarksOf", "router"]

router = APIRouter(prefix="/auth", tags=["sessions"])


def _marks(request: Request) -> service.Marks:
    return service.Marks(
        address=str(getattr(request.state, "address", "")),
        user_agent=request.headers.get("user-agent", ""),
        request_id=str(getattr(request.state, "request_id", "")),
    )


MarksOf = Annotated[service.Marks, Depends(_marks)]


@router.post("/login", responses=problems(), dependencies=[LOGIN])
async def log_in(state: State, marks: MarksOf, body: LoginGiven) -> LoginAnswer:
    """Log in by address and password; with a second factor, a code is to follow."""
    found = await service.log_in(state, body.email, body.password, marks)
    if isinstance(found, service.Waiting):
        return Challenge(challenge=found.challenge, challenge_ends_at=found.ends_at)
    return Tokens.of(found)


@router.post("/2fa", responses=problems(409), dependencies=[LOGIN])
async def show_second_factor(state: State, marks: MarksOf, body: SecondStep) -> Tokens:
    """Log in, second step: a code of the authenticator, or a recovery code."""
    return Tokens.of(await service.second_step(state, body.challenge, body.code, marks))


@router.post("/refresh", responses=problems(409))
async def refresh_tokens(state: State, marks: MarksOf, body: RefreshGiven) -> Tokens:
    """Exchange a refresh token for the next one and a new access token.

    Each is good once. Shown again within 10 seconds it gives the same successor, so that an
    answer that was lost can be asked for again; shown later, the whole session ends.
    """
    return Tokens.of(await service.refresh(state, body.refresh_token, marks))


@router.post("/logout", status_code=204, responses=problems(403, 404))
async def log_out(caller: Owner, state: State) -> None:
    """End the session that asks; its tokens are worth nothing from then on."""
    if caller.session_id is not None:
        await service.end(state, caller, caller.session_id)


@router.get("/sessions", responses=problems(403))
async def list_sessions(caller: Owner, state: State) -> SessionList:
    """List where the user is logged in, last used first."""

    def listed() -> SessionList:
        with state.act(caller) as session:
            rows = sessions_of(session, user_id=caller.user_id, clock=state.clock)
        return SessionList(items=[SessionShown.of(row, caller.session_id) for row in rows])

    return await asyncio.to_thread(listed)


@router.delete("/sessions", status_code=204, responses=problems(403))
async def end_other_sessions(caller: Owner, state: State) -> None:
    """End all other sessions of the user."""
    await service.end_others(state, caller)


@router.delete("/sessions/{session_id}", status_code=204, responses=problems(403, 404))
async def end_one_session(caller: Owner, state: State, session_id: UUID) -> None:
    """End one session of the user."""
    await service.end(state, caller, session_id)
