"""What is sold: a price a month and a year of each plan, told to Stripe as often as one likes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from candela.billing.shapes import PriceShape, amount_of, minor_of
from candela.plans import PLANS, PlanName

if TYPE_CHECKING:
    import psycopg

    from candela.billing.gateway import Gateway
    from candela.clock import Clock

__all__ = ["CCY", "INTERVALS", "Interval", "Synced", "current_price", "price_of", "sync_catalogue"]

Interval = Literal["month", "year"]
INTERVALS: Final[tuple[Interval, ...]] = ("month", "year")
CCY: Final = "usd"
# A year costs ten months.
_MONTHS_PAID: Final = {"month": 1, "year": 10}
_RETIRE: Final = """
UPDATE billing.prices SET is_current = false
WHERE plan = %(plan)s AND billing_interval = %(interval)s AND is_current
    AND stripe_price_id <> %(price)s
"""
_KEEP: Final = """
INSERT INTO billing.prices
    (stripe_price_id, stripe_product_id, plan, billing_interval, amount, ccy, is_current, synced_at)
VALUES
    (%(price)s, %(product)s, %(plan)s, %(interval)s, %(amount)s, %(ccy)s, %(current)s, %(at)s)
ON CONFLICT (stripe_price_id) DO UPDATE SET
    is_current = excluded.is_current, synced_at = excluded.synced_at
"""
_CURRENT: Final = """
SELECT stripe_price_id FROM billing.prices
WHERE plan = %(plan)s AND billing_interval = %(interval)s AND is_current
"""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('billing:catalogue', 0))"


@dataclass(frozen=True, slots=True)
class Synced:
    """A price as Stripe has it now.

    Parameters
    ----------
    is_new
        It was made just now.
    """

    plan: PlanName
    interval: Interval
    price_id: str
    amount: Decimal
    is_new: bool


def price_of(plan: PlanName, interval: Interval) -> Decimal:
    """Return what a plan costs for an interval, in US dollars."""
    return PLANS[plan].price_month_usd * _MONTHS_PAID[interval]


def current_price(
    connection: psycopg.Connection[Any],
    gateway: Gateway,
    plan: PlanName,
    interval: Interval,
    *,
    clock: Clock,
) -> str:
    """Return Stripe's id of what a plan costs now; the catalogue is told where it never was."""
    values = {"plan": plan, "interval": interval}
    row = connection.execute(_CURRENT, values).fetchone()
    if row is None:
        synced = sync_catalogue(connection, gateway, clock=clock)
        return next(one.price_id for one in synced if (one.plan, one.interval) == (plan, interval))
    return str(row[0])


def sync_catalogue(
    connection: psycopg.Connection[Any], gateway: Gateway, *, clock: Clock
) -> list[Synced]:
    """Tell Stripe each plan and price that it lacks, and note the ids; again and again harmless.

    A price that has changed is a new one: whoever subscribed at the old one keeps it.
    """
    # Two at once would both find a price missing.
    connection.execute(_LOCK)
    found: list[Synced] = []
    for plan in PLANS:
        if price_of(plan, "month"):
            found += _sync_plan(connection, gateway, plan, clock)
    return found


def _sync_plan(
    connection: psycopg.Connection[Any], gateway: Gateway, plan: PlanName, clock: Clock
) -> list[Synced]:
    product_id = f"candela_{plan}"
    if gateway.product(product_id) is None:
        gateway.create_product(product_id, f"Candela {plan.title()}", f"product-{product_id}")
    known = gateway.prices(product_id)
    found: list[Synced] = []
    for interval in INTERVALS:
        minor = minor_of(price_of(plan, interval), CCY)
        matching = [one for one in known if _is(one, interval, minor) and one.active]
        price = matching[0] if matching else None
        made = price is None
        if price is None:
            lookup_key = f"{product_id}_{interval}"
            price = gateway.create_price(
                product_id,
                minor=minor,
                ccy=CCY,
                interval=interval,
                lookup_key=lookup_key,
                once=f"price-{lookup_key}-{minor}-{len(known)}",
            )
            known.append(price)
        connection.execute(_RETIRE, {"plan": plan, "interval": interval, "price": price.id})
        found.append(Synced(plan, interval, price.id, price_of(plan, interval), made))
    current = {one.price_id for one in found}
    for price in known:
        if price.recurring is None or price.recurring.interval not in INTERVALS:
            continue
        connection.execute(
            _KEEP,
            {
                "price": price.id,
                "product": product_id,
                "plan": plan,
                "interval": price.recurring.interval,
                "amount": amount_of(price.unit_amount or 0, price.currency),
                "ccy": price.currency,
                "current": price.id in current,
                "at": clock.now(),
            },
        )
    return found


def _is(price: PriceShape, interval: Interval, minor: int) -> bool:
    each = price.recurring
    return (
        price.unit_amount == minor
        and price.currency == CCY
        and each is not None
        and (each.interval, each.interval_count) == (interval, 1)
    )
