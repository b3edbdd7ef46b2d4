"""The second factor of a user who is logged in."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeVar

from api.factors.schemas import FactorOn, StepUp
from api.sessions.service import attempt
from api.signup.service import verify_password
from candela.audit.record import record
from candela.identity.sessions import UnknownSession, end_sessions, grant_anew
from candela.identity.totp import (
    Setup,
    begin_setup,
    confirm_setup,
    make_recovery_codes,
    show_code,
    turn_off,
)
from candela.notify.mails import queue_mail

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.state import ApiState
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = ["begin", "confirm", "disable", "renew_codes", "show_again"]

Result = TypeVar("Result")


async def begin(state: ApiState, caller: Caller, password: str) -> Setup:
    """Begin the setup; the password is shown again, lest a stolen token sets up another's phone.

    Raises
    ------
    WrongPassword, TooManyAttempts, HashingBusy
        Of the password.
    SecondFactorOn
        It is on.
    """
    await verify_password(state, caller, password)

    def begun() -> Setup:
        with state.act(caller) as session:
            setup = begin_setup(session, state.masters(), user_id=caller.user_id, clock=state.clock)
            _record(state, session, caller, "second_factor.begin")
            return setup

    return await asyncio.to_thread(begun)


async def confirm(state: ApiState, caller: Caller, code: str) -> FactorOn:
    """Put it in force by a first code; the user's other sessions end.

    Raises
    ------
    CodeWrong, SecondFactorOn, SecondFactorOff, TooManyAttempts
        Of the code, and of what is set up.
    """

    def confirmed(session: TenantSession) -> FactorOn:
        codes = confirm_setup(
            session, state.masters(), code, user_id=caller.user_id, clock=state.clock
        )
        end_sessions(
            session,
            user_id=caller.user_id,
            reason="second factor",
            clock=state.clock,
            but=caller.session_id,
        )
        token, ends_at = _stepped_up(state, session, caller)
        _tell(state, session, caller, "on")
        return FactorOn(
            recovery_codes=codes,
            access_token=token,
            access_ends_at=ends_at,
            second_factor_at=state.clock.now(),
        )

    found = await _by_code(state, caller, confirmed)
    await state.identity.endings.tell()
    return found


async def show_again(state: ApiState, caller: Caller, code: str) -> StepUp:
    """Show a code in a session that goes on; return an access token that says so.

    Raises
    ------
    CodeWrong, SecondFactorOff, TooManyAttempts
        Of the code, and of what is set up.
    """

    def shown(session: TenantSession) -> StepUp:
        show_code(session, state.masters(), code, user_id=caller.user_id, clock=state.clock)
        token, ends_at = _stepped_up(state, session, caller)
        _record(state, session, caller, "second_factor.show")
        return StepUp(
            access_token=token, access_ends_at=ends_at, second_factor_at=state.clock.now()
        )

    return await _by_code(state, caller, shown)


async def renew_codes(state: ApiState, caller: Caller, code: str) -> list[str]:
    """Make new recovery codes by a code; the older ones end.

    Raises
    ------
    CodeWrong, SecondFactorOff, TooManyAttempts
        Of the code, and of what is set up.
    """

    def renewed(session: TenantSession) -> list[str]:
        show_code(session, state.masters(), code, user_id=caller.user_id, clock=state.clock)
        _tell(state, session, caller, "codes")
        return make_recovery_codes(session, user_id=caller.user_id, clock=state.clock)

    return await _by_code(state, caller, renewed)


async def disable(state: ApiState, caller: Caller, password: str, code: str) -> None:
    """Take it out of force by password and code; the user's other sessions end.

    Raises
    ------
    WrongPassword, CodeWrong, SecondFactorOff, TooManyAttempts, HashingBusy
        Of password and code, and of what is set up.
    """
    await verify_password(state, caller, password)

    def disabled(session: TenantSession) -> None:
        show_code(session, state.masters(), code, user_id=caller.user_id, clock=state.clock)
        turn_off(session, user_id=caller.user_id)
        end_sessions(
            session,
            user_id=caller.user_id,
            reason="second factor",
            clock=state.clock,
            but=caller.session_id,
        )
        _tell(state, session, caller, "off")

    await _by_code(state, caller, disabled)
    await state.identity.endings.tell()


async def _by_code(
    state: ApiState, caller: Caller, effect: Callable[[TenantSession], Result]
) -> Result:
    # Counted by user alone: whoever guesses has the password already.
    who = f"code:{caller.user_id}"
    await attempt(state, who, "")

    def done() -> Result:
        with state.act(caller) as session:
            return effect(session)

    found = await asyncio.to_thread(done)
    await state.identity.throttle.forgive(who, "")
    return found


def _stepped_up(state: ApiState, session: TenantSession, caller: Caller) -> tuple[str, datetime]:
    if caller.session_id is None:
        raise UnknownSession(caller.user_id)
    return grant_anew(
        session,
        state.access,
        session_id=caller.session_id,
        user_id=caller.user_id,
        role=caller.role,
        clock=state.clock,
    )


def _tell(
    state: ApiState,
    session: TenantSession,
    caller: Caller,
    change: Literal["on", "off", "codes"],
) -> None:
    queue_mail(
        session,
        "second_factor_changed",
        user_id=caller.user_id,
        clock=state.clock,
        change=change,
    )
    _record(state, session, caller, f"second_factor.{change}")


def _record(state: ApiState, session: TenantSession, caller: Caller, action: str) -> None:
    record(session, caller.actor, action, "user", caller.user_id, clock=state.clock)
