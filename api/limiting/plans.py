"""The plan of whoever asks, without asking the database each time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID

from candela.plans import PLANS, PlanName

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow
    from psycopg_pool import AsyncConnectionPool

__all__ = ["Plans"]

_LIFE_S: Final = 60.0
_MOST: Final = 20_000
_PLAN: Final = """
SELECT plan FROM tenancy.subscriptions WHERE tenant_id = %(tenant)s
"""
_ACT: Final = "SELECT set_config('candela.tenants', %s, true)"


@dataclass(slots=True)
class Plans:
    """The plan of each tenant that asked lately, at most a minute old."""

    pool: AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]]
    _known: dict[UUID, tuple[PlanName, float]] = field(
        default_factory=dict[UUID, tuple[PlanName, float]]
    )

    async def of(self, tenant_id: UUID) -> PlanName:
        """Return the plan of a tenant; the smallest one where there is none."""
        now = time.monotonic()
        known = self._known.get(tenant_id)
        if known is not None and known[1] > now:
            return known[0]
        async with self.pool.connection() as connection, connection.transaction():
            await connection.execute(_ACT, (str(tenant_id),))
            cursor = await connection.execute(_PLAN, {"tenant": tenant_id})
            row = await cursor.fetchone()
        plan: PlanName = "free"
        if row is not None:
            plan = cast("PlanName", row[0]) if row[0] in PLANS else "free"
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[tenant_id] = (plan, now + _LIFE_S)
        return plan
