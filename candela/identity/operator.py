"""What the operator of the machine does to users: passwords, roles, addresses taken as verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from candela.audit.record import Actor, record
from candela.errors import ConfigError, Conflict
from candela.identity.caller import UserRole
from candela.identity.credentials import set_password, set_role, verify_address
from candela.identity.passwords import check_password, hash_password

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.desk.users import User

__all__ = ["NoPassword", "UnknownRole", "give_password", "give_role", "take_as_verified"]

_OPERATOR: Final = Actor(name="operator")


class UnknownRole(ConfigError):
    """No role has that name."""

    code = "unknown_role"


class NoPassword(Conflict):
    """The user has no password yet."""

    code = "no_password"


def give_password(session: TenantSession, user: User, password: str, *, clock: Clock) -> None:
    """Set a password; all sessions and API tokens end, and the address counts as verified.

    Raises
    ------
    WeakPassword
        It is too short, too long or common.
    """
    check_password(password, email=user.email)
    set_password(
        session,
        user_id=user.user_id,
        password_hash=hash_password(password),
        verified_at=clock.now(),
        clock=clock,
    )
    record(session, _OPERATOR, "password.set", "user", user.user_id, clock=clock)


def give_role(session: TenantSession, user: User, role: str, *, clock: Clock) -> None:
    """Give a user a role; it holds at the next request.

    Raises
    ------
    UnknownRole
        There is no such role.
    """
    if role not in get_args(UserRole):
        message = f"{role!r} is no role."
        raise UnknownRole(message, f"Roles: {', '.join(get_args(UserRole))}.")
    set_role(session, user_id=user.user_id, role=role, clock=clock)
    record(
        session,
        _OPERATOR,
        "user.role",
        "user",
        user.user_id,
        clock=clock,
        detail={"role": role},
    )


def take_as_verified(session: TenantSession, user: User, *, clock: Clock) -> None:
    """Take the address as the user's, without the mail.

    Raises
    ------
    NoPassword
        Nothing was set that could be verified.
    """
    if not verify_address(session, user_id=user.user_id, clock=clock):
        message = f"{user.email} is verified already, or has no password."
        raise NoPassword(message, "`candela user password ADDRESS` sets one.")
    record(session, _OPERATOR, "user.verify", "user", user.user_id, clock=clock)
