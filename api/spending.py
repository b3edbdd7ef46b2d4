"""Budgets of their own for what costs more than a request: dependencies that routes name."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from api.deps import State, caller_of
from candela.identity.caller import Caller

__all__ = ["COSTLY", "LOGIN"]


async def _costly(caller: Annotated[Caller, Depends(caller_of)], state: State) -> None:
    rules = state.options.limits.by_plan[await state.plans.of(caller.tenant_id)]
    spent = await state.limiter.spend(str(caller.tenant_id), rules["costly"])
    spent.check()


async def _login(request: Request, state: State) -> None:
    # Beside what is counted by whom somebody claims to be: see candela/identity/throttle.py.
    address = str(getattr(request.state, "address", ""))
    spent = await state.limiter.spend(address, state.options.limits.login)
    spent.check()


COSTLY = Depends(_costly)
"""Of the tenant, by its plan: keys that a venue is asked about, backtests, exports."""
LOGIN = Depends(_login)
"""Of the address that asks: routes by which passwords, codes and links could be tried."""
