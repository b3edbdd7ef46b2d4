"""Making, changing and removing alerts; each is told to the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from api.alerts.schemas import Alert, condition_of
from candela.audit.record import record
from candela.desk.alerts import alerts_of, change_alert, create_alert, remove_alert

if TYPE_CHECKING:
    from api.alerts.schemas import AlertChange, NewAlert
    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = ["add", "change", "listed", "remove"]


def listed(session: TenantSession) -> list[Alert]:
    """Return all alerts."""
    return [Alert.model_validate(one) for one in alerts_of(session)]


def add(session: TenantSession, caller: Caller, wanted: NewAlert, clock: Clock) -> Alert:
    """Make an alert.

    Raises
    ------
    AlertNameTaken
        There is one of that name.
    TooManyAlerts
        There are 100 of them.
    UnknownAlert
        The bot is none of the tenant's.
    """
    made = create_alert(
        session,
        user_id=caller.user_id,
        name=wanted.name,
        kind=wanted.kind,
        bot_id=wanted.bot_id,
        condition=condition_of(wanted),
        channels=wanted.channels,
        cooldown_s=wanted.cooldown_s,
        clock=clock,
    )
    detail = {"kind": wanted.kind, "name": wanted.name}
    record(
        session, caller.actor, "alert.create", "alert", made.alert_id, clock=clock, detail=detail
    )
    return Alert.model_validate(made)


def change(
    session: TenantSession, caller: Caller, alert_id: UUID, wanted: AlertChange, clock: Clock
) -> Alert:
    """Change an alert.

    Raises
    ------
    AlertNameTaken
        There is another one of that name.
    UnknownAlert
        The tenant has none of that id.
    """
    fields = wanted.model_dump(exclude_none=True)
    changed = change_alert(session, alert_id, **fields)
    record(session, caller.actor, "alert.change", "alert", alert_id, clock=clock, detail=fields)
    return Alert.model_validate(changed)


def remove(session: TenantSession, caller: Caller, alert_id: UUID, clock: Clock) -> None:
    """Remove an alert.

    Raises
    ------
    UnknownAlert
        The tenant has none of that id.
    """
    remove_alert(session, alert_id)
    record(session, caller.actor, "alert.remove", "alert", alert_id, clock=clock)
