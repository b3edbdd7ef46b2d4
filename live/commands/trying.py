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
    from candela.desk.opening import Seen
    from candela.venues.door import Environment
    from candela.venues.gateway import VenueGateway

    own = operator.settings
    gateway = own.venue_gateway
    brokers = VenueBrokers(
        clock=operator.clock,
        redis_url=operator.places.redis_url,
        gateway=VenueGateway.parse(gateway, own.venue_gateway_ca) if gateway else None,
    )
    environment = Environment.LIVE if mode == "live" else Environment.DEMO
    try:
        broker = brokers.open(
            venue,
            VenueKey(given.api_key, given.secret, given.password),
            environment=environment,
        )
        try:
            rights = await broker.rights()
            balances = await broker.balances()
        finally:
            await broker.close()
    finally:
        await brokers.close()
    return Seen(rights, {ccy: one.total for ccy, one in balances.items()})
