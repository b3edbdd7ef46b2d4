"""Registration, links of mails and passwords; nothing tells a stranger whose address is known."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api.sessions.service import attempt
from api.signup.errors import PasswordChangedMeanwhile, UnknownReferral, WrongPassword
from candela.audit.record import Actor, record
from candela.desk.users import address_of
from candela.identity.credentials import (
    email_of,
    password_hash_of,
    replace_password,
    set_password,
    verify_address,
)
from candela.identity.links import LinkSpent, hash_of, take_link
from candela.identity.passwords import check_password
from candela.identity.signup import Wish, queue_reset, queue_verify, sign_up
from candela.notify.mails import queue_mail
from candela.risk.hours import zone_named

if TYPE_CHECKING:
    from uuid import UUID

    from api.sessions.service import Marks
    from api.signup.schemas import Registration
    from api.state import ApiState
    from candela.identity.caller import Caller
    from candela.identity.links import Purpose

__all__ = [
    "change_password",
    "forgot_password",
    "register",
    "register_now",
    "resend_link",
    "reset_password",
    "verify_password",
    "verify_user",
]


async def register(state: ApiState, body: Registration) -> Wish:
    """Return what somebody asks for, checked; the rest is done once they were answered.

    All that takes time here takes it for known addresses as well.

    Raises
    ------
    BadEmail, WeakPassword, UnknownZone
        Naming what is wrong.
    UnknownReferral
        Nobody has the code.
    HashingBusy
        Later.
    """
    email = address_of(body.email)
    check_password(body.password, email=email)
    zone_named(body.zone)
    code = None if body.referral_code is None else body.referral_code.upper()
    lookups = state.identity.lookups
    if code is not None and not await asyncio.to_thread(lookups.has_referral, code):
        message = f"Nobody has the referral code {code}."
        raise UnknownReferral(message, "Leave it out, or correct it.")
    return Wish(
        email=email,
        password_hash=await state.identity.hashing.hash(body.password),
        name=body.name or "",
        language=body.language,
        zone=body.zone,
        referred_by=code,
        trial=body.trial,
    )


def register_now(state: ApiState, wish: Wish, marks: Marks) -> None:
    """Make the user, or tell the one who has the address; after the answer."""
    actor = Actor(
        name="registration",
        address=marks.address or None,
        user_agent=marks.user_agent or None,
        request_id=marks.request_id or None,
    )
    sign_up(state.identity.lookups, state.act_as, wish, actor=actor, clock=state.clock)


def forgot_password(state: ApiState, email: str) -> None:
    """Send a link that sets a new password to a user who is there; after the answer."""
    known = state.identity.lookups.login(email.strip().lower())
    if known is not None and known.is_active:
        with state.act_as(known.tenant_id) as session:
            queue_reset(session, known, clock=state.clock)


def resend_link(state: ApiState, email: str) -> None:
    """Send another link that verifies an address, where one is wanting; after the answer."""
    known = state.identity.lookups.login(email.strip().lower())
    if known is not None and known.is_active and known.email_verified_at is None:
        with state.act_as(known.tenant_id) as session:
            queue_verify(session, known.user_id, clock=state.clock)


async def verify_user(state: ApiState, token: str, marks: Marks) -> None:
    """Verify an address by the link that was sent to it.

    Raises
    ------
    LinkSpent
        The link is good no more.
    """
    tenant_id = await _tenant_of(state, token, "verify")

    def verified() -> None:
        with state.act_as(tenant_id) as session:
            user_id = take_link(session, token, "verify", clock=state.clock)
            verify_address(session, user_id=user_id, clock=state.clock)
            record(session, marks.actor(user_id), "user.verify", "user", user_id, clock=state.clock)

    await asyncio.to_thread(verified)


async def reset_password(state: ApiState, token: str, password: str, marks: Marks) -> None:
    """Set a new password by a link; all sessions and API tokens of the user end.

    Raises
    ------
    WeakPassword
        It is too short, too long or common; the link stays good.
    LinkSpent
        The link is good no more.
    HashingBusy
        Later.
    """
    check_password(password)
    tenant_id = await _tenant_of(state, token, "reset")
    hashed = await state.identity.hashing.hash(password)

    def done() -> str:
        with state.act_as(tenant_id) as session:
            user_id = take_link(session, token, "reset", clock=state.clock)
            set_password(
                session,
                user_id=user_id,
                password_hash=hashed,
                verified_at=state.clock.now(),
                clock=state.clock,
            )
            queue_mail(session, "password_changed", user_id=user_id, clock=state.clock)
            record(
                session, marks.actor(user_id), "password.reset", "user", user_id, clock=state.clock
            )
            return email_of(session, user_id=user_id)

    await state.identity.throttle.pardon(await asyncio.to_thread(done))
    await state.identity.endings.tell()


async def change_password(state: ApiState, caller: Caller, password: str, new: str) -> None:
    """Change the password by the present one; the other sessions of the user end.

    Raises
    ------
    WrongPassword
        The present one is another.
    WeakPassword
        The new one is too short, too long or common.
    PasswordChangedMeanwhile
        Another request changed it.
    TooManyAttempts, HashingBusy
        Later.
    """
    check_password(new)
    seen = await verify_password(state, caller, password)
    hashed = await state.identity.hashing.hash(new)

    def done() -> bool:
        with state.act(caller) as session:
            is_done = replace_password(
                session,
                user_id=caller.user_id,
                seen=seen,
                password_hash=hashed,
                but=caller.session_id,
                clock=state.clock,
            )
            if is_done:
                queue_mail(session, "password_changed", user_id=caller.user_id, clock=state.clock)
                record(
                    session,
                    caller.actor,
                    "password.change",
                    "user",
                    caller.user_id,
                    clock=state.clock,
                )
            return is_done

    if not await asyncio.to_thread(done):
        raise PasswordChangedMeanwhile
    await state.identity.endings.tell()


async def verify_password(state: ApiState, caller: Caller, password: str) -> str:
    """Have the caller show the password again; return the hash that it matched.

    Raises
    ------
    WrongPassword
        It is another.
    TooManyAttempts, HashingBusy
        Later.
    """
    who = f"password:{caller.user_id}"
    await attempt(state, who, "")

    def stored() -> str | None:
        with state.act(caller) as session:
            return password_hash_of(session, user_id=caller.user_id)

    seen = await asyncio.to_thread(stored)
    verdict = await state.identity.hashing.verify(seen, password)
    if seen is None or not verdict.is_right:
        raise WrongPassword
    await state.identity.throttle.forgive(who, "")
    return seen


async def _tenant_of(state: ApiState, token: str, purpose: Purpose) -> UUID:
    found = await asyncio.to_thread(
        state.identity.lookups.tenant_of_link, hash_of(token), purpose, state.clock.now()
    )
    if found is None:
        raise LinkSpent
    return found
