"""Routes of API tokens."""

from __future__ import annotations

import asyncio
from uuid import UUID

from fastapi import APIRouter

from api.deps import Owner, State
from api.kit.problems import problems
from api.tokens import service
from api.tokens.schemas import TokenGiven, TokenList, TokenNew, TokenShown
from candela.identity.tokens import tokens_of

__all__ = ["router"]

router = APIRouter(prefix="/tokens", tags=["tokens"])


@router.get("", responses=problems(403))
def list_tokens(caller: Owner, state: State) -> TokenList:
    """List the tokens that were not revoked, newest first."""
    with state.act(caller) as session:
        rows = tokens_of(session, user_id=caller.user_id)
    return TokenList(items=[TokenShown.of(row) for row in rows])


# No Idempotency-Key: its answer is kept, and this one is shown once.
@router.post("", status_code=201, responses=problems(403, 409))
def make_token(caller: Owner, state: State, body: TokenGiven) -> TokenNew:
    """Make a token for a program, shown this once; beyond read it takes a fresh second factor."""
    with state.act(caller) as session:
        return TokenNew.made(service.make(session, caller, body, clock=state.clock))


@router.delete("/{token_id}", status_code=204, responses=problems(403, 404))
async def revoke_token(caller: Owner, state: State, token_id: UUID) -> None:
    """Revoke a token; it is worth nothing from then on."""

    def revoked() -> None:
        with state.act(caller) as session:
            service.revoke(session, caller, token_id, clock=state.clock)

    await asyncio.to_thread(revoked)
    await state.identity.endings.tell()
