"""What a process of the API knows of identities: opened with it, watching what ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from candela.desk.session import act_for
from candela.identity.access import AccessTokens
from candela.identity.endings import Endings
from candela.identity.hashing import HashPool
from candela.identity.lookups import Lookups
from candela.identity.throttle import Throttle
from candela.identity.tokens import token_finder

if TYPE_CHECKING:
    from collections.abc import Generator

    import psycopg
    import redis.asyncio
    from psycopg_pool import ConnectionPool

    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.identity.access import SigningKeys

__all__ = ["Identity", "make_identity"]


@dataclass(slots=True, kw_only=True)
class Identity:
    """What finds out who calls, and lets people in.

    Parameters
    ----------
    act_as
        Opens a transaction for a tenant that was found; for threads.
    """

    access: AccessTokens
    lookups: Lookups
    endings: Endings
    hashing: HashPool
    throttle: Throttle
    act_as: Callable[[UUID], AbstractContextManager[TenantSession]]
    _watching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Learn what ended before this process began, and watch what ends from now on."""
        await self.endings.look()
        self._watching = asyncio.create_task(self.endings.watch())

    async def close(self) -> None:
        """Stop watching, and let the threads end."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        self.hashing.close()


def make_identity(
    signing: SigningKeys,
    *,
    app: ConnectionPool[psycopg.Connection[Any]],
    door: ConnectionPool[psycopg.Connection[Any]],
    bus: redis.asyncio.Redis,
    clock: Clock,
) -> Identity:
    """Return it for one process; open it once the pools are.

    Parameters
    ----------
    app, door
        Pools of the roles candela_app and candela_door.
    """

    @contextmanager
    def act_as(tenant_id: UUID) -> Generator[TenantSession]:
        with app.connection() as connection, act_for(connection, tenant_id) as session:
            yield session

    lookups = Lookups(door)
    endings = Endings(lookups, bus, clock)
    return Identity(
        access=AccessTokens(
            signing, clock, endings=endings, find=token_finder(lookups, act_as, clock)
        ),
        lookups=lookups,
        endings=endings,
        hashing=HashPool(),
        throttle=Throttle(bus),
        act_as=act_as,
    )
