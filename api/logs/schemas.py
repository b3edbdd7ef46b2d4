"""Lines of bots' logs as they go over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

__all__ = ["LogOut", "LogPage"]


class LogOut(BaseModel):
    """A line of a bot's log."""

    log_id: UUID
    bot_id: UUID
    bot: str = Field(description="name of the bot")
    logged_at: datetime
    level: Literal["debug", "info", "warning", "error"]
    event: str = Field(examples=["refused"])
    message: str
    data: dict[str, Any] | None


class LogPage(BaseModel):
    """Lines, the newest first, and how far back the plan keeps them."""

    items: list[LogOut]
    next_cursor: str | None = None
    kept_since: datetime = Field(description="older lines are not kept by the plan")
