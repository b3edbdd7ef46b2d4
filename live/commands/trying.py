"""Trying a key at its venue: what it may do, and what the account holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from candela.desk.opening import KeyGiven, Seen
    from live.commands.opening import Operator

__all__ = ["look_at"]


def look_at(
    operator: Operator, venue: str, mode: Literal["demo", "live"]
) -> Callable[[KeyGiven], Seen]:
    """Return what asks a venue about a key; nothing is ordered.

    The key stays the caller's, to be sealed afterwards.
    """

    def look(given: KeyGiven) -> Seen:
        return asyncio.run(_look(operator, venue, mode, given))

    return look


async def _look(
    operator: Operator, venue: str, mode: Literal["demo", "live"], given: KeyGiven
) -> Seen:
    from candela.brokers.keys import VenueKey
    from candela.brokers.opening import VenueBrokers
    from candela.venues.gateway import VenueGateway
    from live.executor.keylook import look

    own = operator.settings
    gateway = own.venue_gateway
    brokers = VenueBrokers(
        clock=operator.clock,
        redis_url=operator.places.redis_url,
        gateway=VenueGateway.parse(gateway, own.venue_gateway_ca) if gateway else None,
    )
    try:
        key = VenueKey(given.api_key, given.secret, given.password)
        return await look(brokers, venue, mode, key)
    finally:
        await brokers.close()
