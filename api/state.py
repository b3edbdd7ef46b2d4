"""What the application holds while it runs, and how a request comes by it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.limiting.limits import LIMITS, Limits
from candela.desk.session import TenantSession, act_for

if TYPE_CHECKING:
    import psycopg
    import redis.asyncio
    from psycopg.rows import TupleRow
    from psycopg_pool import AsyncConnectionPool, ConnectionPool

    from api.limiting.limits import Limiter
    from api.limiting.plans import Plans
    from api.sockets.hub import Hub
    from api.sockets.tickets import Tickets
    from candela.billing.gateway import Gateway
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.identity.access import AccessTokens
    from candela.identity.caller import Caller
    from candela.identity.opening import Identity
    from candela.telemetry import Figures
    from candela.vault.masterkeys import MasterKeys

__all__ = ["ApiOptions", "ApiState", "State", "state_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """What the operator chose.

    Parameters
    ----------
    public_url
        Without a slash at its end.
    allowed_origins, trusted_proxies
        See the settings of these names.
    is_production
        No interactive documentation, no hints for developers.
    strategies_dir
        Folder of strategies that the operator installed; None: those that ship alone.
    limits
        How often who may ask.
    most_sockets
        WebSockets of one tenant in one process.
    """

    public_url: str = "http://127.0.0.1:8000"
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    is_production: bool = False
    strategies_dir: Path | None = None
    limits: Limits = LIMITS
    most_sockets: int = 20


@dataclass(slots=True, kw_only=True)
class ApiState:
    """Pools, keys and clocks of one process; opened and closed by the application's lifespan.

    Parameters
    ----------
    app
        Connections of the role candela_app for functions that run in threads.
    app_async
        The same for handlers on the event loop, which only read.
    door, support
        Of the roles of these names.
    billing
        None: no key of Stripe is set.
    in_flight
        Requests that are being answered.
    """

    options: ApiOptions
    clock: Clock
    database: Database
    app: ConnectionPool[psycopg.Connection[TupleRow]]
    app_async: AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]]
    door: ConnectionPool[psycopg.Connection[TupleRow]]
    support: ConnectionPool[psycopg.Connection[TupleRow]]
    redis: redis.asyncio.Redis
    access: AccessTokens
    identity: Identity
    masters: Callable[[], MasterKeys]
    figures: Figures
    limiter: Limiter
    plans: Plans
    tickets: Tickets
    hub: Hub
    billing: Gateway | None = None
    in_flight: int = 0

    @contextmanager
    def act(self, caller: Caller) -> Generator[TenantSession]:
        """Open the transaction of a request: it acts for the caller's tenant alone.

        For handlers that are plain functions, which run in a thread.
        """
        with self.act_as(caller.tenant_id) as session:
            yield session

    @contextmanager
    def act_as(self, tenant_id: UUID) -> Generator[TenantSession]:
        """Open a transaction for a tenant that is known by other means than a caller's token."""
        with self.app.connection() as connection, act_for(connection, tenant_id) as session:
            yield session


def state_of(connection: HTTPConnection) -> ApiState:
    """Return the state of the application that serves a request or a WebSocket."""
    state: ApiState = connection.app.state.api
    return state


async def _state(connection: HTTPConnection) -> ApiState:
    # A plain function would cost every request a hop into a thread and back.
    return state_of(connection)


State = Annotated[ApiState, Depends(_state)]
