"""What the audit log shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AliasChoices, BaseModel, Field

from api.kit.paging import Page

__all__ = ["AuditEntry", "AuditPage", "ChainProof"]


class AuditEntry(BaseModel):
    """Something that was done to the account."""

    entry_id: UUID
    happened_at: datetime = Field(examples=["2026-03-02T12:00:00Z"])
    actor_id: UUID | None = Field(description="the user; null: a process")
    actor: str = Field(
        description="id of the user or name of the process; admin:id for an administrator"
    )
    token_id: UUID | None = Field(description="the API token that was used; null: a session")
    action: str = Field(examples=["bot.start"])
    entity: str = Field(examples=["bot"])
    entity_id: str
    detail: dict[str, Any] = Field(description="what changed", examples=[{"plan": "pro"}])
    address: str | None = Field(description="network address it came from")
    user_agent: str | None = Field(description="what the program called itself")
    request_id: str | None
    chain_n: int | None = Field(
        # The first one is the name that the document shows.
        validation_alias=AliasChoices("chain_n", "n"),
        description="place in the chain of the platform; null: not sealed yet, within a minute",
    )


class ChainProof(BaseModel):
    """When the chain was last proved, and how far."""

    chain_n: int = Field(
        validation_alias=AliasChoices("chain_n", "n"),
        description="all links up to this one are as they were written",
    )
    verified_at: datetime
    is_whole: bool = Field(description="false: something behind chain_n was changed or deleted")


class AuditPage(Page[AuditEntry]):
    """Some entries, and when the log was last proved whole."""

    chain_verified_up_to: ChainProof | None = Field(
        default=None, description="null: never proved yet"
    )
