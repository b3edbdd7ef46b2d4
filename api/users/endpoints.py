"""Routes of one's own profile."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Owner, Reader, State
from api.kit.problems import problems
from api.users import service
from api.users.schemas import Profile, ProfileChange

__all__ = ["router"]

router = APIRouter(prefix="/users", tags=["users"])


@router.get("/me", responses=problems(403, 404))
def read_profile(caller: Reader, state: State) -> Profile:
    """Tell who the caller is, on which plan."""
    with state.act(caller) as session:
        return service.profile_of(session, caller)


@router.patch("/me", responses=problems(403, 404))
def change_profile(caller: Owner, state: State, body: ProfileChange) -> Profile:
    """Change name, language of mails, or zone of daily limits."""
    with state.act(caller) as session:
        return service.change(session, caller, body, clock=state.clock)
