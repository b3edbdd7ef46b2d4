"""What subscriptions bring in a month, counted for a day."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from candela.db.connect import Role

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["PlanRevenue", "count_mrr"]

# Trials pay nothing yet; what could not be paid counts until its grace ends.
_COUNT: Final = """
INSERT INTO billing.mrr_daily (counted_on, plan, subscriptions, mrr_usd, counted_at)
SELECT
    (%(at)s AT TIME ZONE 'UTC')::date,
    sold.plan,
    count(paid.tenant_id),
    coalesce(sum(
        CASE paid.billing_interval WHEN 'year' THEN paid.amount / 12 ELSE paid.amount END
    ), 0),
    %(at)s
FROM (VALUES ('basic'), ('pro'), ('enterprise')) AS sold (plan)
LEFT JOIN (
    SELECT s.tenant_id, s.plan, p.billing_interval, p.amount
    FROM tenancy.subscriptions AS s
    INNER JOIN billing.prices AS p USING (stripe_price_id)
    WHERE s.status = 'active'
        OR (s.status IN ('past_due', 'cancelled') AND s.period_end_at > %(at)s)
) AS paid USING (plan)
GROUP BY sold.plan
ON CONFLICT (counted_on, plan) DO UPDATE SET
    subscriptions = excluded.subscriptions, mrr_usd = excluded.mrr_usd,
    counted_at = excluded.counted_at
RETURNING plan, subscriptions, mrr_usd
"""


@dataclass(frozen=True, slots=True)
class PlanRevenue:
    """What a plan brings in a month, in US dollars."""

    plan: str
    subscriptions: int
    mrr_usd: Decimal


def count_mrr(database: Database, clock: Clock) -> list[PlanRevenue]:
    """Count the day of now, again as often as one likes."""
    values: dict[str, Any] = {"at": clock.now()}
    with database.connect(Role.PIPELINES, autocommit=True) as connection:
        rows = connection.execute(_COUNT, values).fetchall()
    return sorted((PlanRevenue(*row) for row in rows), key=lambda one: one.mrr_usd, reverse=True)
