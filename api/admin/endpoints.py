"""Routes of administrators."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import StringConstraints

from api.admin import service
from api.admin.schemas import (
    AdminAuditEntry,
    AdminBot,
    AdminStats,
    AdminUser,
    ForcedStop,
    Reasoned,
    RoleChange,
)
from api.audit.endpoints import Wanted
from api.deps import Admin, State
from api.kit.paging import Cursor, Limit, Page
from api.kit.problems import problems

__all__ = ["router"]

router = APIRouter(prefix="/admin", tags=["admin"])

Search = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")] | None,
    Query(description="part of an address"),
]
BotState = Literal["stopped", "starting", "running", "stopping", "blocked", "error"]


@router.get("/users", responses=problems(403))
def list_all_users(
    caller: Admin, state: State, search: Search = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[AdminUser]:
    """List users of the platform, newest first."""
    return service.all_users_page(state, caller, search, limit, cursor)


@router.get("/users/{user_id}", responses=problems(403, 404))
def read_any_user(caller: Admin, state: State, user_id: UUID) -> AdminUser:
    """Look at a user; the user's audit log tells them so."""
    return service.view_user(state, caller, user_id)


@router.patch("/users/{user_id}", responses=problems(403, 404, 409))
async def change_user_role(
    caller: Admin, state: State, user_id: UUID, body: RoleChange
) -> AdminUser:
    """Give a user a role (superadmins only); it holds at that user's next request."""
    found = await asyncio.to_thread(service.change_role, state, caller, user_id, body.role)
    await state.identity.endings.tell()
    return found


@router.post("/users/{user_id}/disable", responses=problems(403, 404, 409))
async def disable_user(caller: Admin, state: State, user_id: UUID, body: Reasoned) -> AdminUser:
    """Shut a user out: sessions and tokens end, bots go on until they are stopped."""
    found = await asyncio.to_thread(
        service.set_active, state, caller, user_id, active=False, reason=body.reason
    )
    await state.identity.endings.tell()
    return found


@router.post("/users/{user_id}/enable", responses=problems(403, 404, 409))
def enable_user(caller: Admin, state: State, user_id: UUID, body: Reasoned) -> AdminUser:
    """Let a user in again."""
    return service.set_active(state, caller, user_id, active=True, reason=body.reason)


@router.get("/bots", responses=problems(403, 404))
def list_all_bots(
    caller: Admin,
    state: State,
    user_id: Annotated[UUID | None, Query(description="of this user alone")] = None,
    bot_state: Annotated[BotState | None, Query(alias="state")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AdminBot]:
    """List bots of the platform, newest first."""
    return service.all_bots_page(
        state, caller, user_id=user_id, bot_state=bot_state, limit=limit, cursor=cursor
    )


@router.post("/bots/{bot_id}/stop", responses=problems(403, 404))
def force_stop_bot(caller: Admin, state: State, bot_id: UUID, body: ForcedStop) -> AdminBot:
    """Stop somebody's bot; the owner is told who did it and why."""
    return service.force_stop(state, caller, bot_id, reason=body.reason, flatten=body.flatten)


@router.get("/stats", responses=problems(403))
def read_platform_stats(caller: Admin, state: State) -> AdminStats:  # noqa: ARG001 - proves the role
    """Say how the platform is: users, bots, trades, queues."""
    return service.platform_stats(state)


@router.get("/audit", responses=problems(403))
def list_all_audit_entries(
    caller: Admin,
    state: State,
    wanted: Wanted,
    tenant_id: Annotated[UUID | None, Query(description="of this account alone")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AdminAuditEntry]:
    """List what was done on the platform, newest first."""
    return service.all_entries_page(
        state, caller, wanted, tenant_id=tenant_id, limit=limit, cursor=cursor
    )
