"""What goes over the wire about one's own profile."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.kit.fields import Label

__all__ = ["Profile", "ProfileChange"]


class Profile(BaseModel):
    """Who the caller is."""

    user_id: UUID
    tenant_id: UUID
    email: str = Field(examples=["ada@example.com"])
    name: str = Field(examples=["Ada"])
    role: Literal["user", "admin", "superadmin"]
    language: Literal["en", "es", "pt"] = Field(description="of our mails")
    zone: str = Field(
        description="IANA zone whose calendar days daily limits count", examples=["Europe/Madrid"]
    )
    created_at: datetime
    email_verified_at: datetime | None
    last_login_at: datetime | None
    has_second_factor: bool
    recovery_codes_left: int = Field(description="that were not used yet")
    plan: Literal["free", "basic", "pro", "enterprise"]
    plan_status: Literal["trialing", "active", "past_due", "cancelled", "expired"]
    trial_ends_at: datetime | None
    referral_code: str | None = Field(
        description="give it to whom you send here", examples=["K7M2Q9XA4B"]
    )


class ProfileChange(BaseModel):
    """What a user may change of oneself; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: Label | None = Field(default=None, examples=["Ada"])
    language: Literal["en", "es", "pt"] | None = None
    zone: str | None = Field(default=None, max_length=64, examples=["Europe/Madrid"])
