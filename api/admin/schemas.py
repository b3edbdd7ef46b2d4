"""What administrators see and send."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from api.audit.schemas import AuditEntry
from candela.identity.caller import UserRole

__all__ = [
    "AdminAuditEntry", "AdminBot", "AdminStats", "AdminUser", "ForcedStop", "Reasoned", "RoleChange"
]  # fmt: skip

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=300, pattern=r"^[^\x00]*$"),
    Field(description="why; the user reads it", examples=["Orders at a dead price feed."]),
]


class AdminUser(BaseModel):
    """A user of the platform; no secret, no position."""

    tenant_id: UUID
    user_id: UUID
    email: str
    name: str
    role: UserRole
    language: str
    zone: str
    plan: str
    plan_status: str | None
    is_active: bool
    closed_at: datetime | None
    created_at: datetime
    bots: int = Field(description="not removed")
    active_bots: int


class AdminBot(BaseModel):
    """A bot of any tenant: whose it is and how it stands, not what it trades by."""

    tenant_id: UUID
    user_id: UUID
    email: str
    bot_id: UUID
    name: str
    venue: str
    kind: str
    mode: str
    version: int
    wanted: str
    state: str
    state_reason: str | None
    state_at: datetime
    created_at: datetime


class AdminStats(BaseModel):
    """How the platform is, counted now."""

    users: int
    active_users: int
    users_by_plan: dict[str, int] = Field(examples=[{"free": 12, "pro": 3}])
    active_bots: dict[str, int] = Field(description="by mode", examples=[{"paper": 9, "live": 2}])
    failed_bots: int
    trades_of_day: int = Field(description="opened in the last 24 hours")
    kill_switches: int = Field(description="that are on")
    executors: int = Field(description="seen in the last minute")
    outbox_age_s: float | None = Field(description="oldest event not told yet; null: none waits")
    mails_waiting: int
    mails_failed: int = Field(description="given up in the last 24 hours")
    mails_age_s: float | None = Field(description="how overdue the oldest mail is; null: none is")
    mails_stuck: int = Field(description="overdue for more than 15 minutes")
    webhooks_failed: int = Field(
        description="of Stripe in the last 24 hours, of customers whom nobody here is"
    )
    mrr: str | None = Field(
        default=None,
        description="monthly recurring revenue, USD, as of the last night; null: never counted",
        examples=["1250.5"],
    )
    audit_unsealed: int = Field(description="entries of the last hour without a link")


class AdminAuditEntry(AuditEntry):
    """Something that was done on the platform, with the account."""

    tenant_id: UUID


class Reasoned(BaseModel):
    """Why an administrator acts."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class ForcedStop(Reasoned):
    """How to stop somebody's bot."""

    flatten: StrictBool = Field(
        default=False, description="sell what it holds; else the position stays"
    )


class RoleChange(BaseModel):
    """What a user shall be."""

    model_config = ConfigDict(extra="forbid")

    role: UserRole
