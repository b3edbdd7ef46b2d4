"""What goes over the wire for events."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

__all__ = ["TicketView"]


class TicketView(BaseModel):
    """A ticket that opens one WebSocket."""

    ticket: str = Field(
        description="shown once: as the query ticket=, or as the subprotocol ticket.TICKET",
        examples=["q0p8GkqLkQm3W7c5v5mX1nE8b1rZ2yT4u6i8o0p2a4s"],
    )
    expires_at: datetime = Field(
        description="30 s from now (UTC); ask for another one where it is too late",
        examples=["2026-03-02T12:00:30Z"],
    )
