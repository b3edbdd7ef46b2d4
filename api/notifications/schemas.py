"""The inbox, as it goes over the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

__all__ = ["NotificationOut", "ReadAnswer", "UnreadOut"]


class NotificationOut(BaseModel):
    """A line of the inbox, in the language and the zone of the user's profile."""

    notification_id: UUID
    kind: str = Field(description="stable name of what it tells", examples=["daily_summary"])
    title: str = Field(examples=["Your 2 March 2026"])
    body: str = Field(description="plain text", examples=["Your results of 2 March 2026:"])
    created_at: datetime
    read_at: datetime | None = Field(description="null: not read yet")


class UnreadOut(BaseModel):
    """How many are unread."""

    unread: int = Field(examples=[3])


class ReadAnswer(BaseModel):
    """What reading changed."""

    marked: int = Field(description="that were unread until now", examples=[3])
