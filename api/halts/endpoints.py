"""Routes of kill switches."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from api.bots.schemas import HaltOut
from api.deps import Caller, Reader, State, Trader
from api.halts import service
from api.halts.schemas import KillIn, ReleasedOut
from api.halts.service import Scope
from api.kit.problems import problems
from api.state import ApiState

__all__ = ["router"]

router = APIRouter(tags=["halts"])


@router.get("/halts", responses=problems(403))
def list_halts(caller: Reader, state: State) -> list[HaltOut]:
    """List the kill switches that are on, the platform's included."""
    with state.act(caller) as session:
        found = service.halts(session)
    return [HaltOut.model_validate(one, from_attributes=True) for one in found]


@router.post("/kill", responses=problems(403))
def kill_all(caller: Trader, state: State, body: KillIn | None = None) -> HaltOut:
    """Enter nothing any more on all accounts of the tenant, until released."""
    return _kill(state, caller, Scope(), body)


@router.post("/release", responses=problems(403))
def release_all(caller: Trader, state: State) -> ReleasedOut:
    """Release the tenant's kill switch; those of accounts and bots stay."""
    return _release(state, caller, Scope())


@router.post("/accounts/{account_id}/kill", responses=problems(403, 404))
def kill_account(
    caller: Trader, state: State, account_id: UUID, body: KillIn | None = None
) -> HaltOut:
    """Enter nothing any more on an account, until released."""
    return _kill(state, caller, Scope(account_id=account_id), body)


@router.post("/accounts/{account_id}/release", responses=problems(403, 404))
def release_account(caller: Trader, state: State, account_id: UUID) -> ReleasedOut:
    """Release an account's kill switch."""
    return _release(state, caller, Scope(account_id=account_id))


@router.post("/bots/{bot_id}/kill", responses=problems(403, 404))
def kill_bot(caller: Trader, state: State, bot_id: UUID, body: KillIn | None = None) -> HaltOut:
    """Let a bot enter nothing any more, until released."""
    return _kill(state, caller, Scope(bot_id=bot_id), body)


@router.post("/bots/{bot_id}/release", responses=problems(403, 404))
def release_bot(caller: Trader, state: State, bot_id: UUID) -> ReleasedOut:
    """Release a bot's kill switch."""
    return _release(state, caller, Scope(bot_id=bot_id))


def _kill(state: ApiState, caller: Caller, scope: Scope, body: KillIn | None) -> HaltOut:
    given = body or KillIn()
    with state.act(caller) as session:
        halt = service.kill_scope(
            session,
            caller,
            scope,
            reason=given.reason,
            flatten=given.flatten,
            clock=state.clock,
        )
    return HaltOut.model_validate(halt, from_attributes=True)


def _release(state: ApiState, caller: Caller, scope: Scope) -> ReleasedOut:
    with state.act(caller) as session:
        was_on = service.release_scope(session, caller, scope, clock=state.clock)
    return ReleasedOut(released=was_on)
