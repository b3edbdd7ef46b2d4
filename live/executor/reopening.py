"""Letting go of accounts whose key was taken away, and opening those anew that have another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.ids import shard_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from live.executor.crew import Crew

__all__ = ["reopen"]


async def reopen(crew: Crew, tenant_id: UUID, accounts: Collection[UUID]) -> None:
    """Close the desks of accounts, and open those again that still have something to work on.

    Their bots stay at work; until the desk is back they wait for it as after a start.
    """
    tenant = crew.tenants.get(tenant_id)
    if tenant is None:
        return
    async with crew.fanout.turn:
        works = [
            work
            for account_id in accounts
            if (work := tenant.accounts.pop(account_id, None)) is not None
        ]
    for work in works:
        await work.desk.stop()
        await work.broker.close()
    if works:
        await crew.reload(tenant_id, shard_of(tenant_id), ())
