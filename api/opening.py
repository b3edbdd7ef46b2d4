"""Opening what the application works with: pools by role, the bus, keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil
import psycopg
import redis.asyncio
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from api.kit.figures import api_figures
from api.limiting.limits import Limiter
from api.limiting.plans import Plans
from api.limiting.redislink import RedisLink
from api.sockets.hub import Hub
from api.sockets.tickets import Tickets
from api.state import ApiOptions, ApiState
from candela.db.connect import Role
from candela.identity.opening import make_identity

if TYPE_CHECKING:
    from api.sockets.tickets import Holder
    from candela.billing.gateway import Gateway
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.identity.access import AccessTokens, SigningKeys
    from candela.telemetry import Figures
    from candela.vault.masterkeys import MasterKeys

__all__ = ["ApiParts", "state_opener"]

_THREADS: Final = 16
_READERS: Final = 8
_FEW: Final = 4
_WAIT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """What the operator's settings come to.

    Parameters
    ----------
    masters
        Gives the keys that wrap those of the tenants; called when a secret is first sealed.
    billing
        The way to Stripe; None: plans cannot be bought.
    """

    database: Database
    redis_url: str
    clock: Clock
    signing: SigningKeys
    masters: Callable[[], MasterKeys]
    options: ApiOptions
    billing: Gateway | None = None


def state_opener(parts: ApiParts) -> Callable[[], AbstractAsyncContextManager[ApiState]]:
    """Return what opens and closes the state of one process."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[ApiState]:
        pools = {
            Role.APP: _pool(parts.database, Role.APP, _THREADS),
            Role.DOOR: _pool(parts.database, Role.DOOR, _FEW),
            Role.SUPPORT: _pool(parts.database, Role.SUPPORT, 2),
        }
        readers: AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]] = AsyncConnectionPool(
            parts.database.url(Role.APP),
            min_size=1,
            max_size=_READERS,
            timeout=_WAIT_S,
            open=False,
            # A list is one statement, or opens a transaction of its own.
            kwargs={"application_name": "candela api reads", "autocommit": True},
        )
        bus: Any = redis.asyncio.Redis.from_url(parts.redis_url)  # pyright: ignore[reportUnknownMemberType]
        figures, link = api_figures(), RedisLink(parts.redis_url)
        identity = make_identity(
            parts.signing, app=pools[Role.APP], door=pools[Role.DOOR], bus=bus, clock=parts.clock
        )
        try:
            for pool in pools.values():
                pool.open()
            await readers.open()
            await identity.open()
            async with _hub(parts, figures, identity.access) as hub:
                state = ApiState(
                    options=parts.options,
                    clock=parts.clock,
                    database=parts.database,
                    app=pools[Role.APP],
                    app_async=readers,
                    door=pools[Role.DOOR],
                    support=pools[Role.SUPPORT],
                    redis=bus,
                    identity=identity,
                    access=identity.access,
                    masters=parts.masters,
                    figures=figures,
                    limiter=Limiter(link),
                    plans=Plans(readers),
                    tickets=Tickets(bus, parts.clock),
                    hub=hub,
                    billing=parts.billing,
                )
                _gauge(state)
                yield state
        finally:
            await identity.close()
            await link.close()
            await bus.aclose()
            await readers.close()
            for pool in pools.values():
                pool.close()

    return opened


@asynccontextmanager
async def _hub(parts: ApiParts, figures: Figures, access: AccessTokens) -> AsyncGenerator[Hub]:
    def ended(holder: Holder) -> bool:
        return access.has_ended(
            user_id=holder.user_id,
            issued_at=holder.issued_at.timestamp(),
            session_id=holder.session_id,
            token_id=holder.token_id,
        )

    hub = Hub(parts.redis_url, parts.clock, figures, ended, most=parts.options.most_sockets)
    watching = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await hub.close()


def _gauge(state: ApiState) -> None:
    """Let the figures of a process be read from what it holds."""
    pools: dict[str, Any] = {
        "app": state.app,
        "reads": state.app_async,
        "door": state.door,
        "support": state.support,
    }

    def of_pools(figure: str) -> Callable[[], dict[str, float]]:
        return lambda: {name: pool.get_stats().get(figure, 0) for name, pool in pools.items()}

    figures, process = state.figures, psutil.Process()
    figures.gauge("candela_api_in_flight", lambda: {"": state.in_flight})
    figures.gauge("candela_api_pool_connections", of_pools("pool_size"))
    figures.gauge("candela_api_pool_waiting", of_pools("requests_waiting"))
    figures.gauge("candela_api_resident_bytes", lambda: {"": process.memory_info().rss})


def _pool(
    database: Database, role: Role, most: int
) -> ConnectionPool[psycopg.Connection[TupleRow]]:
    return ConnectionPool(
        database.url(role),
        min_size=0,
        max_size=most,
        timeout=_WAIT_S,
        open=False,
        kwargs={"application_name": f"candela api {role}"},
    )
