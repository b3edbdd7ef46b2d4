"""Routes of accounts."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body

from api.accounts import service
from api.accounts.schemas import AccountGiven, AccountList, AccountNamed, AccountShown
from api.deps import Owner, Reader, State
from api.kit.idempotency import OnceKey
from api.kit.problems import problems
from candela.desk.accounts import account_of, all_accounts

__all__ = ["router"]

router = APIRouter(prefix="/accounts", tags=["accounts"])

_EXAMPLES: Final[dict[str, Any]] = {
    "paper": {
        "summary": "play money",
        "value": {
            "mode": "paper",
            "name": "paper",
            "venue": "binance",
            "opening_balance": "10000",
        },
    },
    "live": {
        "summary": "real money, with a key that was found good",
        "value": {
            "mode": "live",
            "name": "main",
            "key_id": "0199a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b",
        },
    },
}


@router.get("", responses=problems(403))
def list_accounts(caller: Reader, state: State) -> AccountList:
    """List the accounts with their balances and how old those are, oldest account first."""
    now = state.clock.now()
    with state.act(caller) as session:
        return AccountList(items=[AccountShown.of(row, now) for row in all_accounts(session)])


@router.post("", status_code=201, responses=problems(403, 404, 409))
def add_account(
    caller: Owner,
    state: State,
    once: OnceKey,
    body: Annotated[AccountGiven, Body(openapi_examples=_EXAMPLES)],
) -> AccountShown:
    """Open an account: of play money with a balance, or of a key that was found good."""
    with state.act(caller) as session:
        return once.run(
            session,
            caller,
            lambda: service.open_account(session, caller, body, state.clock),
        )


@router.get("/{account_id}", responses=problems(403, 404))
def get_account(caller: Reader, state: State, account_id: UUID) -> AccountShown:
    """Show an account."""
    with state.act(caller) as session:
        return AccountShown.of(account_of(session, account_id), state.clock.now())


@router.patch("/{account_id}", responses=problems(403, 404, 409))
def rename_account(
    caller: Owner, state: State, account_id: UUID, body: AccountNamed
) -> AccountShown:
    """Give an account another name."""
    with state.act(caller) as session:
        return service.rename(session, caller, account_id, body, state.clock)


@router.delete("/{account_id}", status_code=204, responses=problems(403, 404, 409))
def close_account(caller: Owner, state: State, account_id: UUID) -> None:
    """Close an account that no bot uses; its key is destroyed, its history stays."""
    with state.act(caller) as session:
        service.close(session, caller, account_id, state.clock)


@router.delete("/{account_id}/connection", responses=problems(403, 404, 409))
def disconnect_account(caller: Owner, state: State, account_id: UUID) -> AccountShown:
    """Take the key away from an account; refused while bots, positions or orders are at work.

    Without the key nobody could look after what is held: stop the bots with flatten first.
    """
    with state.act(caller) as session:
        return service.disconnect(session, caller, account_id, state.clock)
