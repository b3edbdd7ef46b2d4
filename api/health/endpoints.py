"""Whether the process lives, and whether it can work: for load balancers and people on call."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import psycopg
from fastapi import APIRouter, Response
from redis.exceptions import RedisError

from api.deps import State
from api.health.schemas import Alive, Readiness
from api.health.service import is_current

__all__ = ["router"]

router = APIRouter(tags=["health"])
_WAIT_S = 2.0


@router.get("/health/live")
async def get_liveness() -> Alive:
    """Say that the process answers."""
    return Alive()


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "Not ready"}})
async def get_readiness(state: State, response: Response) -> Readiness:
    """Say whether requests can be served: PostgreSQL answers, and its schema is current.

    Without Redis the API goes on: each process limits requests by itself.
    """
    has_database, has_redis = await asyncio.gather(_database(state), _redis(state))
    has_schema = has_database and await asyncio.to_thread(is_current, state.database)
    is_ready = has_database and has_schema
    response.status_code = 200 if is_ready else 503
    return Readiness(
        status="ready" if is_ready else "not_ready",
        database=has_database,
        schema_current=has_schema,
        redis=has_redis,
    )


async def _database(state: State) -> bool:
    try:
        async with asyncio.timeout(_WAIT_S), state.app_async.connection() as connection:
            await connection.execute("SELECT 1")
    except (psycopg.Error, TimeoutError):
        return False
    return True


async def _redis(state: State) -> bool:
    try:
        async with asyncio.timeout(_WAIT_S):
            await cast("Any", state.redis).ping()
    except (RedisError, OSError, TimeoutError):
        return False
    return True
