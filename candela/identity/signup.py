"""Signing up: a tenant with all that it needs at once, or a mail to whoever has the address."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from candela.audit.record import record
from candela.desk.opening import add_paper
from candela.desk.users import EmailTaken, User, write_user
from candela.identity.credentials import set_password
from candela.identity.links import end_links
from candela.ids import new_id
from candela.notify.mails import queue_mail
from candela.plans import plan_named

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from candela.audit.record import Actor
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.lookups import Login, Lookups

__all__ = ["TRIAL", "Wish", "once_a_minute", "queue_reset", "queue_verify", "sign_up"]

TRIAL: Final = timedelta(days=14)
_CODE_CHARS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_CODE_LENGTH: Final = 10

_REFERRAL: Final = """
INSERT INTO identity.referrals (tenant_id, code, referred_by, created_at)
VALUES (%(tenant)s, %(code)s, %(by)s, %(at)s)
"""
_LANGUAGE: Final = """
UPDATE tenancy.users SET language = %(language)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
"""
_TRIAL: Final = """
UPDATE tenancy.subscriptions
SET plan = 'basic', status = 'trialing', period_end_at = %(ends)s, updated_at = %(at)s
WHERE tenant_id = %(tenant)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for who signs up.

    Parameters
    ----------
    email
        As `candela.desk.users.address_of` writes it.
    referred_by
        Code of whoever sent them, known to be one.
    trial
        Basic for 14 days, instead of Free at once.
    """

    email: str
    password_hash: str
    name: str = ""
    language: str = "en"
    zone: str = "UTC"
    referred_by: str | None = None
    trial: bool = False


def sign_up(
    lookups: Lookups,
    act_as: Callable[[UUID], AbstractContextManager[TenantSession]],
    wish: Wish,
    *,
    actor: Actor,
    clock: Clock,
) -> None:
    """Make a user, or tell by mail whoever has the address; the answer tells nobody which.

    An address that nobody has verified yet belongs to nobody: the newest password counts, and
    links of mails before end, so that no stranger's password waits for its owner.
    """
    known = lookups.login(wish.email)
    if known is None:
        try:
            _make(act_as, wish, actor=actor, clock=clock)
        except EmailTaken:  # another request came first
            known = lookups.login(wish.email)
    if known is None or not known.is_active:
        return
    with act_as(known.tenant_id) as session:
        if known.email_verified_at is None:
            set_password(
                session,
                user_id=known.user_id,
                password_hash=wish.password_hash,
                verified_at=None,
                clock=clock,
            )
            end_links(session, "verify", user_id=known.user_id, clock=clock)
            queue_verify(session, known.user_id, clock=clock)
        else:
            queue_mail(
                session,
                "address_known",
                user_id=known.user_id,
                clock=clock,
                once_key=once_a_minute("address_known", clock),
            )


def queue_verify(session: TenantSession, user_id: UUID, *, clock: Clock) -> None:
    """Let a mail go out whose link verifies the address; one a minute at most."""
    once = once_a_minute("verify_address", clock)
    queue_mail(session, "verify_address", user_id=user_id, clock=clock, once_key=once)


def queue_reset(session: TenantSession, known: Login, *, clock: Clock) -> None:
    """Let a mail go out whose link sets a new password; one a minute at most."""
    once = once_a_minute("reset_password", clock)
    queue_mail(session, "reset_password", user_id=known.user_id, clock=clock, once_key=once)


def once_a_minute(kind: str, clock: Clock) -> str:
    """Return a key that stays the same for a minute: nobody's box is filled by a stranger."""
    return f"{kind}:{int(clock.now().timestamp()) // 60}"


def _make(
    act_as: Callable[[UUID], AbstractContextManager[TenantSession]],
    wish: Wish,
    *,
    actor: Actor,
    clock: Clock,
) -> None:
    now = clock.now()
    user = User(new_id(now), new_id(now), wish.email, wish.name.strip(), "free", wish.zone, now)
    capital = plan_named("free").spot_capital_cap or Decimal(100)
    with act_as(user.tenant_id) as session:
        write_user(session, user)
        values: dict[str, Any] = {
            "user": user.user_id,
            "language": wish.language,
            "code": "".join(secrets.choice(_CODE_CHARS) for _ in range(_CODE_LENGTH)),
            "by": wish.referred_by,
            "at": now,
            "ends": now + TRIAL,
        }
        session.run(_LANGUAGE, values)
        session.run(_REFERRAL, values)
        if wish.trial:
            session.run(_TRIAL, values)
        add_paper(session, name="paper", venue="binance", opening=capital, clock=clock)
        set_password(
            session,
            user_id=user.user_id,
            password_hash=wish.password_hash,
            verified_at=None,
            clock=clock,
        )
        queue_verify(session, user.user_id, clock=clock)
        record(session, actor, "user.register", "user", user.user_id, clock=clock)
