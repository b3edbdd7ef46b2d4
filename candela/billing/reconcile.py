"""The night's comparison: every customer is asked for, and what differs is put right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from candela.audit.record import Actor
from candela.billing.buying import customer_of
from candela.billing.invoices import keep_all
from candela.billing.subscriptions import lock_billing, refresh
from candela.db.connect import Role
from candela.desk.session import tenant_session
from candela.errors import CandelaError

if TYPE_CHECKING:
    from candela.billing.gateway import Gateway
    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["Compared", "reconcile_all", "reconcile_tenant"]

_ACTOR: Final = Actor(name="reconciliation")
_TENANTS: Final = "SELECT tenant_id FROM billing.customers ORDER BY tenant_id"


@dataclass(frozen=True, slots=True)
class Compared:
    """What the comparison of a tenant came to.

    Parameters
    ----------
    is_repaired
        The plan was not what Stripe says, and now is.
    rows
        Invoices and payments that were missing or different.
    error
        Why it could not be compared.
    """

    tenant_id: UUID
    is_repaired: bool = False
    rows: int = 0
    error: CandelaError | None = None


def _silent(done: int, total: int) -> None:
    """Show nothing."""


def reconcile_all(
    database: Database,
    gateway: Gateway,
    clock: Clock,
    progress: Callable[[int, int], None] = _silent,
) -> list[Compared]:
    """Compare every tenant that has a customer at Stripe; one that fails does not stop others."""
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        tenants = [UUID(str(row[0])) for row in connection.execute(_TENANTS).fetchall()]
    found: list[Compared] = []
    for number, tenant_id in enumerate(tenants, 1):
        try:
            found.append(reconcile_tenant(database, gateway, tenant_id, clock))
        except CandelaError as error:
            found.append(Compared(tenant_id, error=error))
        progress(number, len(tenants))
    return found


def reconcile_tenant(
    database: Database, gateway: Gateway, tenant_id: UUID, clock: Clock
) -> Compared:
    """Compare one tenant and put right what differs, in one transaction that acts for it alone."""
    with tenant_session(database, tenant_id) as session:
        lock_billing(session)
        customer_id = customer_of(session)
        if customer_id is None:
            return Compared(tenant_id)
        _, changed = refresh(session, gateway, customer_id, clock=clock, actor=_ACTOR)
        rows = keep_all(session, gateway, customer_id, clock=clock)
        return Compared(tenant_id, is_repaired=changed, rows=rows)
