"""What can go wrong with events."""

from __future__ import annotations

from typing import ClassVar

from candela.errors import CandelaError, NotAllowed, NotFound, RateLimited
from candela.identity.caller import NotAuthenticated

__all__ = ["ForeignOrigin", "NoSuchBot", "NoTicket", "TicketsUnavailable", "TooManySockets"]


class NoTicket(NotAuthenticated):
    """The ticket is none, was used, or is too old."""

    code: ClassVar[str] = "no_such_ticket"


class ForeignOrigin(NotAllowed):
    """A page of another site wants to read along."""

    code = "foreign_origin"


class NoSuchBot(NotFound):
    """The tenant has no bot of that id."""

    code = "no_such_bot"


class TooManySockets(RateLimited):
    """The tenant has as many connections as it may have."""

    code = "too_many_sockets"


class TicketsUnavailable(CandelaError):
    """Tickets cannot be kept now."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "tickets_unavailable"
    retryable: ClassVar[bool] = True
