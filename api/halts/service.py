"""Switching off and on what may be entered, on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.bots.service import account_with_id
from candela.audit.record import record
from candela.desk.bots import bot_with_id
from candela.desk.halts import HaltRow, active_halts, kill, release

if TYPE_CHECKING:
    from uuid import UUID

    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = ["Scope", "halts", "kill_scope", "release_scope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a switch is of; neither: all of the tenant."""

    account_id: UUID | None = None
    bot_id: UUID | None = None

    @property
    def entity(self) -> tuple[str, UUID | None]:
        """What the audit log calls it."""
        if self.bot_id is not None:
            return "bot", self.bot_id
        return ("tenant", None) if self.account_id is None else ("account", self.account_id)


def halts(session: TenantSession) -> list[HaltRow]:
    """Return the switches that are on for the tenant, the platform's included."""
    return active_halts(session)


def kill_scope(
    session: TenantSession,
    caller: Caller,
    scope: Scope,
    *,
    reason: str,
    flatten: bool,
    clock: Clock,
) -> HaltRow:
    """Let nothing be entered any more in a scope.

    Raises
    ------
    UnknownBot, UnknownAccount
        There is no such one.
    """
    session.lock()
    halt = kill(
        session,
        by=str(caller.user_id),
        reason=reason,
        clock=clock,
        flatten=flatten,
        **_names(session, scope),
    )
    entity, entity_id = scope.entity
    record(
        session,
        caller.actor,
        f"{entity}.kill",
        entity,
        entity_id or session.tenant_id,
        clock=clock,
        detail={"reason": reason, "flatten": flatten},
    )
    return halt


def release_scope(session: TenantSession, caller: Caller, scope: Scope, *, clock: Clock) -> bool:
    """Release the switch of a scope; False where none was on.

    Raises
    ------
    UnknownBot, UnknownAccount
        There is no such one.
    """
    session.lock()
    was_on = release(session, by=str(caller.user_id), clock=clock, **_names(session, scope))
    if was_on:
        entity, entity_id = scope.entity
        record(
            session,
            caller.actor,
            f"{entity}.release",
            entity,
            entity_id or session.tenant_id,
            clock=clock,
        )
    return was_on


def _names(session: TenantSession, scope: Scope) -> dict[str, str]:
    if scope.bot_id is not None:
        return {"bot": bot_with_id(session, scope.bot_id).name}
    if scope.account_id is not None:
        return {"account": account_with_id(session, scope.account_id).name}
    return {}
