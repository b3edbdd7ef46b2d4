"""Reading and changing one's own profile; role, plan and address cannot be changed by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.users.repository import change_profile, profile_row
from api.users.schemas import Profile, ProfileChange
from candela.audit.record import record
from candela.errors import NotFound
from candela.risk.hours import zone_named

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = ["NoProfile", "change", "profile_of"]


class NoProfile(NotFound):
    """The user is gone."""

    code = "no_profile"


def profile_of(session: TenantSession, caller: Caller) -> Profile:
    """Return the caller's profile.

    Raises
    ------
    NoProfile
        The user is gone.
    """
    row = profile_row(session, caller.user_id)
    if row is None:
        raise NoProfile(f"There is no user {caller.user_id}.", "Register again.")
    return Profile.model_validate(row)


def change(
    session: TenantSession, caller: Caller, wanted: ProfileChange, *, clock: Clock
) -> Profile:
    """Change name, language or zone.

    Raises
    ------
    UnknownZone
        There is no such time zone.
    """
    if wanted.zone is not None:
        zone_named(wanted.zone)
    change_profile(
        session,
        caller.user_id,
        name=wanted.name,
        language=wanted.language,
        zone=wanted.zone,
        at=clock.now(),
    )
    record(
        session,
        caller.actor,
        "user.change",
        "user",
        caller.user_id,
        clock=clock,
        detail=wanted.model_dump(exclude_none=True),
    )
    return profile_of(session, caller)
