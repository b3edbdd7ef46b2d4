"""What administrators do: each look at a tenant and each act is in that tenant's audit log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from api.admin.errors import LastSuperadmin, NoSuchBot, NoSuchUser, OwnAccount
from api.admin.repository import BOTS, LAST_SUPERADMIN, STATS, USER, USERS, looked_up
from api.admin.schemas import AdminAuditEntry, AdminBot, AdminStats, AdminUser
from api.audit.repository import ALL_ENTRIES
from api.audit.service import AuditFilter, values_of
from api.kit.paging import Page, read_cursor, write_cursor
from candela.audit.record import Actor, record
from candela.desk.bots import bot_with_id
from candela.desk.running import stop_bot
from candela.identity.tokens import revoke_all
from candela.money import plain
from candela.notify.inbox import notify
from candela.notify.mails import queue_mail

if TYPE_CHECKING:
    from api.state import ApiState
    from candela.identity.caller import Caller, UserRole

__all__ = [
    "admin_of",
    "all_bots_page",
    "all_entries_page",
    "all_users_page",
    "change_role",
    "force_stop",
    "platform_stats",
    "set_active",
    "view_user",
]

Item = TypeVar("Item", AdminUser, AdminBot, AdminAuditEntry)

_ROLES_LOCK: Final = "SELECT pg_advisory_xact_lock(7164102239)"
_ROLE: Final = """
UPDATE tenancy.users SET role = %(role)s, updated_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
"""
_ACTIVE: Final = """
UPDATE tenancy.users SET is_active = %(active)s, updated_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
"""
# A session says the role that it began with.
_END: Final = """
UPDATE identity.sessions SET ended_at = %(at)s, ended_reason = %(why)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND ended_at IS NULL
"""


def admin_of(caller: Caller) -> Actor:
    """Return the administrator as other tenants' logs name them."""
    return replace(caller.actor, name=f"admin:{caller.user_id}")


def all_users_page(
    state: ApiState, caller: Caller, search: str | None, limit: int, cursor: str | None
) -> Page[AdminUser]:
    """Return users of all tenants, newest first.

    Raises
    ------
    BadCursor
        The cursor is none that a list gave out.
    """
    at, row_id = read_cursor(cursor)
    values = {"search": search, "after_at": at, "after_id": row_id, "limit": limit + 1}
    rows = looked_up(state.support, USERS, values)
    _note(state, caller, "admin.list_users", "platform", "users", {"search": search})
    return _page(AdminUser, rows, limit, "created_at", "user_id")


def view_user(state: ApiState, caller: Caller, user_id: UUID) -> AdminUser:
    """Return a user; the look is told in that user's own log.

    Raises
    ------
    NoSuchUser
        There is none of that id.
    """
    found = _user(state, user_id)
    with state.act_as(found.tenant_id) as session:
        actor = admin_of(caller)
        record(session, actor, "admin.view_user", "user", user_id, clock=state.clock)
    return found


def all_bots_page(
    state: ApiState,
    caller: Caller,
    *,
    user_id: UUID | None,
    bot_state: str | None,
    limit: int,
    cursor: str | None,
) -> Page[AdminBot]:
    """Return bots of all tenants, newest first.

    Raises
    ------
    BadCursor
        The cursor is none that a list gave out.
    NoSuchUser
        Bots of a user were asked for, who is none.
    """
    at, row_id = read_cursor(cursor)
    values = {
        "bot": None, "user": user_id, "state": bot_state, "after_at": at, "after_id": row_id,
        "limit": limit + 1,
    }  # fmt: skip
    if user_id is None:
        _note(state, caller, "admin.list_bots", "platform", "bots", {"state": bot_state})
    else:
        owner = _user(state, user_id)
        with state.act_as(owner.tenant_id) as session:
            actor = admin_of(caller)
            record(session, actor, "admin.list_bots", "user", user_id, clock=state.clock)
    return _page(AdminBot, looked_up(state.support, BOTS, values), limit, "created_at", "bot_id")


def platform_stats(state: ApiState) -> AdminStats:
    """Return how the platform is."""
    (row,) = looked_up(state.support, STATS, {"at": state.clock.now()})
    mrr = row.pop("mrr")
    return AdminStats.model_validate(row | {"mrr": None if mrr is None else plain(mrr)})


def all_entries_page(
    state: ApiState,
    caller: Caller,
    wanted: AuditFilter,
    *,
    tenant_id: UUID | None,
    limit: int,
    cursor: str | None,
) -> Page[AdminAuditEntry]:
    """Return entries of the audit log of all tenants, newest first.

    Raises
    ------
    BadCursor
        The cursor is none that a list gave out.
    """
    values = values_of(wanted, limit + 1, cursor) | {"of": tenant_id}
    rows = looked_up(state.support, ALL_ENTRIES, values)
    if tenant_id is not None and rows and tenant_id != caller.tenant_id:
        with state.act_as(tenant_id) as session:
            actor = admin_of(caller)
            record(session, actor, "admin.view_audit", "tenant", tenant_id, clock=state.clock)
    else:
        _note(state, caller, "admin.view_audit", "platform", "audit", {})
    return _page(AdminAuditEntry, rows, limit, "happened_at", "entry_id")


def force_stop(
    state: ApiState, caller: Caller, bot_id: UUID, *, reason: str, flatten: bool
) -> AdminBot:
    """Want somebody's bot stopped; its owner reads who did it and why.

    Raises
    ------
    NoSuchBot
        There is none of that id.
    """
    found = _bot(state, bot_id)
    with state.act_as(found.tenant_id) as session:
        bot = bot_with_id(session, bot_id)
        stop_bot(session, bot.name, clock=state.clock, flatten=flatten)
        detail = {"reason": reason, "flatten": flatten, "name": bot.name}
        actor = admin_of(caller)
        record(session, actor, "bot.force_stop", "bot", bot_id, clock=state.clock, detail=detail)
        for tell in (notify, queue_mail):
            tell(
                session,
                "bot_halted",
                user_id=found.user_id,
                clock=state.clock,
                bot=bot.name,
                reason=reason,
            )
    return _bot(state, bot_id)


def set_active(
    state: ApiState, caller: Caller, user_id: UUID, *, active: bool, reason: str
) -> AdminUser:
    """Shut a user out, or let one in again; their bots go on as they are.

    Raises
    ------
    NoSuchUser
        There is none of that id.
    OwnAccount
        It is the caller's own.
    LastSuperadmin
        Nobody would be left who can make administrators.
    RoleMissing
        Administrators are for superadmins to shut out.
    """
    found = _user(state, user_id)
    if user_id == caller.user_id:
        message = f"User {user_id} is you."
        raise OwnAccount(message, "Ask another administrator.")
    if found.role != "user":
        caller.require_role("superadmin")
    with state.act_as(found.tenant_id) as session:
        session.run(_ROLES_LOCK, {})
        if not active:
            _refuse_last(state, found, user_id)
        values = {"user": user_id, "at": state.clock.now(), "active": active, "why": "disabled"}
        session.run(_ACTIVE, values)
        if not active:
            session.run(_END, values)
            revoke_all(session, user_id=user_id, clock=state.clock)
        action = "user.enable" if active else "user.disable"
        detail = {"reason": reason}
        actor = admin_of(caller)
        record(session, actor, action, "user", user_id, clock=state.clock, detail=detail)
    return _user(state, user_id)


def change_role(state: ApiState, caller: Caller, user_id: UUID, role: UserRole) -> AdminUser:
    """Give a user another role; their sessions end, so that it holds at the next request.

    Raises
    ------
    NoSuchUser
        There is none of that id.
    LastSuperadmin
        Nobody would be left who can make administrators.
    RoleMissing
        The caller is no superadmin.
    """
    caller.require_role("superadmin")
    found = _user(state, user_id)
    with state.act_as(found.tenant_id) as session:
        session.run(_ROLES_LOCK, {})
        if role != "superadmin":
            _refuse_last(state, found, user_id)
        values = {"user": user_id, "at": state.clock.now(), "role": role, "why": "role_changed"}
        session.run(_ROLE, values)
        session.run(_END, values)
        detail = {"from": found.role, "to": role}
        actor = admin_of(caller)
        record(session, actor, "user.role", "user", user_id, clock=state.clock, detail=detail)
    return _user(state, user_id)


def _refuse_last(state: ApiState, found: AdminUser, user_id: UUID) -> None:
    """Refuse to take the last superadmin; the lock that is held makes the count final."""
    if found.role != "superadmin":
        return
    (row,) = looked_up(state.support, LAST_SUPERADMIN, {"user": user_id})
    if row["others"] == 0:
        message = f"User {user_id} is the last superadmin."
        raise LastSuperadmin(message, "Make another one first.")


def _user(state: ApiState, user_id: UUID) -> AdminUser:
    rows = looked_up(state.support, USER, {"user": user_id})
    if not rows:
        raise NoSuchUser(f"There is no user {user_id}.", "See GET /admin/users.")
    return AdminUser.model_validate(rows[0])


def _bot(state: ApiState, bot_id: UUID) -> AdminBot:
    none: dict[str, Any] = dict.fromkeys(("user", "state", "after_at", "after_id"))
    rows = looked_up(state.support, BOTS, none | {"bot": bot_id, "limit": 1})
    if not rows:
        raise NoSuchBot(f"There is no bot {bot_id}.", "See GET /admin/bots.")
    return AdminBot.model_validate(rows[0])


def _note(
    state: ApiState,
    caller: Caller,
    action: str,
    entity: str,
    entity_id: str,
    detail: dict[str, Any],
) -> None:
    """Write a look at all tenants into the administrator's own log."""
    with state.act(caller) as session:
        actor = caller.actor
        record(session, actor, action, entity, entity_id, clock=state.clock, detail=detail)


def _page(
    model: type[Item], rows: list[dict[str, Any]], limit: int, at: str, row_id: str
) -> Page[Item]:
    shown = rows[:limit]
    following: str | None = None
    if len(rows) > limit:
        following = write_cursor(shown[-1][at], shown[-1][row_id])
    return Page[Item](items=[model.model_validate(row) for row in shown], next_cursor=following)
