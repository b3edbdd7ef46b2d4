"""One-time tickets: a WebSocket of a browser cannot send a header, and no token goes into a URL."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from redis.exceptions import RedisError

from api.sockets.errors import NoTicket, TicketsUnavailable
from candela.bus import ticket_key

if TYPE_CHECKING:
    import redis.asyncio

    from candela.clock import Clock
    from candela.identity.caller import Caller

__all__ = ["Holder", "Tickets"]

LIFE: Final = timedelta(seconds=30)
_LONGEST: Final = 100
_NO_REDIS: Final = ("Redis does not answer, which keeps tickets.", "Try again in a moment.")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a socket, and by which session or token.

    Parameters
    ----------
    issued_at
        When the ticket was made.
    """

    tenant_id: UUID
    user_id: UUID
    session_id: UUID | None
    token_id: UUID | None
    issued_at: datetime


class Tickets:
    """Makes tickets and takes them, each once; Redis holds only what they hash to."""

    def __init__(self, bus: redis.asyncio.Redis, clock: Clock) -> None:
        self._bus: Any = bus
        self._clock = clock

    async def make(self, caller: Caller) -> tuple[str, datetime]:
        """Return a ticket and when it ends.

        Raises
        ------
        TicketsUnavailable
            Redis does not answer.
        """
        ticket, now = secrets.token_urlsafe(32), self._clock.now()
        content = {
            "tenant": str(caller.tenant_id),
            "user": str(caller.user_id),
            "session": None if caller.session_id is None else str(caller.session_id),
            "token": None if caller.token_id is None else str(caller.token_id),
            "at": now.isoformat(),
        }
        try:
            await self._bus.set(_key(ticket), json.dumps(content), px=LIFE)
        except (RedisError, OSError) as error:
            raise TicketsUnavailable(*_NO_REDIS) from error
        return ticket, now + LIFE

    async def take(self, ticket: str) -> Holder:
        """Return whose ticket it is; it is worth nothing from now on.

        Raises
        ------
        NoTicket
            It is none, was used, or is too old.
        TicketsUnavailable
            Redis does not answer.
        """
        found: bytes | None = None
        if 0 < len(ticket) <= _LONGEST:
            try:
                found = await self._bus.getdel(_key(ticket))
            except (RedisError, OSError) as error:
                raise TicketsUnavailable(*_NO_REDIS) from error
        if found is None:
            raise NoTicket(
                "The ticket is none of ours, was used, or is older than 30 s.",
                "Ask for another one: POST /api/v1/events/tickets.",
            )
        content: dict[str, str | None] = json.loads(found)
        return Holder(
            tenant_id=UUID(content["tenant"]),
            user_id=UUID(content["user"]),
            session_id=_id(content["session"]),
            token_id=_id(content["token"]),
            issued_at=datetime.fromisoformat(content["at"] or ""),
        )


def _key(ticket: str) -> str:
    return ticket_key(hashlib.sha256(ticket.encode(errors="replace")).hexdigest())


def _id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
