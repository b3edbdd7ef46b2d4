"""Routes of registration, of links in mails and of passwords."""

from __future__ import annotations

from fastapi import APIRouter, BackgroundTasks

from api.deps import Owner, State
from api.kit.problems import problems
from api.sessions.endpoints import MarksOf
from api.signup import service
from api.signup.schemas import (
    Accepted,
    AddressGiven,
    LinkGiven,
    PasswordChange,
    PasswordReset,
    Registration,
)
from api.spending import LOGIN

__all__ = ["router"]

router = APIRouter(prefix="/auth", tags=["sessions"])


@router.post("/register", status_code=202, responses=problems(), dependencies=[LOGIN])
async def register(
    state: State, marks: MarksOf, later: BackgroundTasks, body: Registration
) -> Accepted:
    """Register: a tenant on the plan free with an account of play money, and a mail to verify.

    The answer is the same for an address that somebody has; a mail tells that user instead.
    """
    wish = await service.register(state, body)
    later.add_task(service.register_now, state, wish, marks)
    return Accepted()


@router.post("/email/verify", status_code=204, responses=problems(), dependencies=[LOGIN])
async def verify_email(state: State, marks: MarksOf, body: LinkGiven) -> None:
    """Verify an address by the token of its mail, good once and for 48 hours; then log in."""
    await service.verify_user(state, body.token, marks)


@router.post("/email/resend", status_code=202, responses=problems(), dependencies=[LOGIN])
async def resend_email(state: State, later: BackgroundTasks, body: AddressGiven) -> Accepted:
    """Send the mail that verifies an address again, if one is wanting."""
    later.add_task(service.resend_link, state, body.email)
    return Accepted()


@router.post("/password/forgot", status_code=202, responses=problems(), dependencies=[LOGIN])
async def forgot_password(state: State, later: BackgroundTasks, body: AddressGiven) -> Accepted:
    """Send a mail with a link that sets a new password, if somebody has the address."""
    later.add_task(service.forgot_password, state, body.email)
    return Accepted()


@router.post("/password/reset", status_code=204, responses=problems(), dependencies=[LOGIN])
async def reset_password(state: State, marks: MarksOf, body: PasswordReset) -> None:
    """Set a new password by the token of the mail, good once and for 10 minutes.

    All sessions and API tokens of the user end. The second factor stays as it is.
    """
    await service.reset_password(state, body.token, body.password, marks)


@router.post("/password/change", status_code=204, responses=problems(403, 409))
async def change_password(caller: Owner, state: State, body: PasswordChange) -> None:
    """Change the password by the present one; the other sessions of the user end."""
    await service.change_password(state, caller, body.password, body.new_password)
