"""Logging in and out: passwords are verified outside any transaction, in threads of their own."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from api.sessions.errors import LoginRefused
from candela.audit.record import Actor, record
from candela.identity.credentials import password_hash_of, replace_hash
from candela.identity.links import hash_of
from candela.identity.sessions import (
    Granted,
    SessionOver,
    end_session,
    end_sessions,
    has_session_from,
    network_address,
    open_session,
    refresh_session,
)
from candela.identity.throttle import TooManyAttempts
from candela.identity.totp import show_code
from candela.notify.mails import queue_mail

if TYPE_CHECKING:
    from api.state import ApiState
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller
    from candela.identity.lookups import Login

__all__ = ["Marks", "Waiting", "attempt", "end", "end_others", "log_in", "refresh", "second_step"]

_LOG: Final = logging.getLogger(__name__)
_KNOWN_FOR: Final = timedelta(days=90)
_AGAIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Marks:
    """From where a request comes."""

    address: str
    user_agent: str
    request_id: str

    def actor(self, user_id: UUID) -> Actor:
        """Return a user at this place, for the audit log."""
        return Actor(
            name=str(user_id),
            user_id=user_id,
            address=self.address or None,
            user_agent=self.user_agent or None,
            request_id=self.request_id or None,
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A login that waits for its second step."""

    challenge: str
    ends_at: datetime


async def log_in(state: ApiState, email: str, password: str, marks: Marks) -> Granted | Waiting:
    """Let a user in by address and password, or to the second step.

    Raises
    ------
    LoginRefused
        They do not belong together; unknown and unverified addresses answer alike.
    TooManyAttempts, HashingBusy
        Later.
    """
    identity = state.identity
    address = email.strip().lower()
    await attempt(state, address, marks.address)
    known = await asyncio.to_thread(identity.lookups.login, address)
    stored = None if known is None else known.password_hash
    verdict = await identity.hashing.verify(stored, password)
    if known is None or not verdict.is_right or not known.may_enter:
        # From where, and not whom: what was typed may be a password in the wrong field.
        _LOG.warning("a login was refused", extra={"from_address": marks.address})
        raise LoginRefused
    await identity.throttle.forgive(address, marks.address)
    renewed = await identity.hashing.hash(password) if verdict.is_dated else None
    return await asyncio.to_thread(_enter, state, known, renewed, marks)


async def second_step(state: ApiState, challenge: str, code: str, marks: Marks) -> Granted:
    """Let a user in by a code, after the password.

    Raises
    ------
    NotAuthenticated
        The challenge is forged or too old.
    CodeWrong, SecondFactorOff
        The code is wrong, or was used; or the second factor was turned off since.
    TooManyAttempts
        Later.
    """
    tenant_id, user_id = state.access.challenged(challenge)
    who = f"code:{user_id}"
    await attempt(state, who, "")
    granted = await asyncio.to_thread(_enter_by_code, state, tenant_id, user_id, code, marks)
    await state.identity.throttle.forgive(who, "")
    return granted


async def refresh(state: ApiState, refresh_token: str, marks: Marks) -> Granted:
    """Keep a session by its newest refresh token.

    Raises
    ------
    SessionOver
        It keeps none.
    RefreshSuperseded
        Another request was first, and went on since.
    """
    lookups = state.identity.lookups
    tenant_id = await asyncio.to_thread(lookups.tenant_of_refresh, hash_of(refresh_token))
    if tenant_id is None:
        raise SessionOver
    granted = await asyncio.to_thread(_refresh, state, tenant_id, refresh_token, marks)
    if granted is None:
        await state.identity.endings.tell()
        raise SessionOver
    return granted


async def end(state: ApiState, caller: Caller, session_id: UUID) -> None:
    """End one session of the caller.

    Raises
    ------
    UnknownSession
        The caller has none of that id.
    """

    def ended() -> None:
        with state.act(caller) as session:
            end_session(
                session, session_id, user_id=caller.user_id, reason="user", clock=state.clock
            )
            record(session, caller.actor, "session.end", "session", session_id, clock=state.clock)

    await asyncio.to_thread(ended)
    await state.identity.endings.tell()


async def end_others(state: ApiState, caller: Caller) -> None:
    """End all sessions of the caller but the one that asks."""

    def ended() -> None:
        with state.act(caller) as session:
            count = end_sessions(
                session,
                user_id=caller.user_id,
                reason="user",
                clock=state.clock,
                but=caller.session_id,
            )
            record(
                session,
                caller.actor,
                "session.end_others",
                "user",
                caller.user_id,
                clock=state.clock,
                detail={"sessions": count},
            )

    await asyncio.to_thread(ended)
    await state.identity.endings.tell()


async def attempt(state: ApiState, who: str, address: str) -> None:
    """Count an attempt at guessing before it is made.

    Raises
    ------
    TooManyAttempts
        There were too many, and this place is none that the user is known at.
    """
    throttle, lookups = state.identity.throttle, state.identity.lookups
    if await throttle.ask(who, address):
        return
    place = network_address(address)
    since = state.clock.now() - _KNOWN_FOR
    if place is None or not await asyncio.to_thread(lookups.has_been_at, who, place, since):
        raise TooManyAttempts(_AGAIN_S)
    await throttle.ask(who, address, is_known_place=True)


def _enter(state: ApiState, known: Login, renewed: str | None, marks: Marks) -> Granted | Waiting:
    with state.act_as(known.tenant_id) as session:
        # It was verified outside the transaction: it must be in force still.
        if password_hash_of(session, user_id=known.user_id) != known.password_hash:
            raise LoginRefused
        if renewed is not None and known.password_hash is not None:
            replace_hash(
                session, user_id=known.user_id, seen=known.password_hash, password_hash=renewed
            )
        if known.has_second_factor:
            challenge, ends_at = state.access.challenge(
                tenant_id=known.tenant_id, user_id=known.user_id
            )
            return Waiting(challenge, ends_at)
        return _opened(state, session, known.user_id, marks, factor_at=None)


def _enter_by_code(
    state: ApiState, tenant_id: UUID, user_id: UUID, code: str, marks: Marks
) -> Granted:
    with state.act_as(tenant_id) as session:
        factor_at = show_code(session, state.masters(), code, user_id=user_id, clock=state.clock)
        return _opened(state, session, user_id, marks, factor_at=factor_at)


def _opened(
    state: ApiState,
    session: TenantSession,
    user_id: UUID,
    marks: Marks,
    *,
    factor_at: datetime | None,
) -> Granted:
    standing = state.identity.lookups.standing(session.tenant_id, user_id)
    if standing is None or not standing.is_active:
        raise LoginRefused
    since = state.clock.now() - _KNOWN_FOR
    if not has_session_from(session, marks.address, user_id=user_id, since=since):
        queue_mail(
            session,
            "new_login",
            user_id=user_id,
            clock=state.clock,
            address=marks.address,
            agent=marks.user_agent[:100],
        )
    granted = open_session(
        session,
        state.access,
        user_id=user_id,
        role=standing.role,
        clock=state.clock,
        address=marks.address,
        user_agent=marks.user_agent,
        second_factor_at=factor_at,
    )
    record(
        session,
        marks.actor(user_id),
        "session.open",
        "session",
        granted.session_id,
        clock=state.clock,
    )
    return granted


def _refresh(state: ApiState, tenant_id: UUID, refresh_token: str, marks: Marks) -> Granted | None:
    with state.act_as(tenant_id) as session:
        granted = refresh_session(session, state.access, refresh_token, clock=state.clock)
        if granted is None:
            actor = Actor(name="session", address=marks.address or None)
            record(session, actor, "session.reuse", "session", "refresh", clock=state.clock)
        return granted
