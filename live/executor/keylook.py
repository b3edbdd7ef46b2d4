"""Asking a venue about a key: what it may do, and what the account holds; nothing is ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from candela.desk.opening import Seen
from candela.venues.door import Environment

if TYPE_CHECKING:
    from candela.brokers.keys import VenueKey
    from candela.brokers.opening import VenueBrokers

__all__ = ["ENVIRONMENTS", "look"]

ENVIRONMENTS: Final = {"live": Environment.LIVE, "demo": Environment.DEMO}


async def look(
    houses: VenueBrokers, venue: str, mode: Literal["demo", "live"], key: VenueKey
) -> Seen:
    """Return what a venue shows whoever has the key; the key stays the caller's.

    Raises
    ------
    CredentialsDead
        The venue refuses it.
    NoInformation
        It gave no usable answer.
    """
    broker = houses.open(venue, key, environment=ENVIRONMENTS[mode])
    try:
        rights = await broker.rights()
        balances = await broker.balances()
    finally:
        await broker.close()
    return Seen(rights, {ccy: one.total for ccy, one in balances.items()})
