"""Routes of the second factor."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Owner, State
from api.factors import service
from api.factors.schemas import (
    CodeGiven,
    FactorOff,
    FactorOn,
    PasswordShown,
    RecoveryCodes,
    SetupShown,
    StepUp,
)
from api.kit.problems import problems

__all__ = ["router"]

router = APIRouter(prefix="/auth/2fa", tags=["second factor"])


@router.post("/setup", responses=problems(403, 409))
async def begin_second_factor(caller: Owner, state: State, body: PasswordShown) -> SetupShown:
    """Make a secret for an authenticator, shown this once; it counts once it is confirmed."""
    setup = await service.begin(state, caller, body.password)
    return SetupShown(secret=setup.secret, uri=setup.uri)


@router.post("/confirm", responses=problems(403, 404, 409))
async def confirm_second_factor(caller: Owner, state: State, body: CodeGiven) -> FactorOn:
    """Put the second factor in force by a first code; get recovery codes, shown this once."""
    return await service.confirm(state, caller, body.code)


@router.post("/refresh", responses=problems(403, 404, 409))
async def show_second_factor_again(caller: Owner, state: State, body: CodeGiven) -> StepUp:
    """Show a code in this session; for 15 minutes it may then add keys, go live, raise limits."""
    return await service.show_again(state, caller, body.code)


@router.post("/recovery-codes", responses=problems(403, 409))
async def renew_recovery_codes(caller: Owner, state: State, body: CodeGiven) -> RecoveryCodes:
    """Make ten new recovery codes, shown this once; the older ones end."""
    return RecoveryCodes(recovery_codes=await service.renew_codes(state, caller, body.code))


@router.post("/disable", status_code=204, responses=problems(403, 409))
async def disable_second_factor(caller: Owner, state: State, body: FactorOff) -> None:
    """Turn the second factor off, by password and code."""
    await service.disable(state, caller, body.password, body.code)
