"""The night's comparison with Stripe, and what comes in a month."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from candela.audit.record import Actor
from candela.billing.buying import open_checkout
from candela.billing.gateway import Gateway
from candela.clock import FixedClock
from candela.desk.session import tenant_session
from candela.desk.users import create_user
from candela.vault.credential import Credential
from pipelines.defs.billing.assets import billing_reconciliation, monthly_income
from sandbox.stripe.double import Spoiled, StripeDouble
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from candela.billing.catalogue import Interval
    from candela.db.connect import Database
    from candela.plans import PlanName
    from pipelines.resources import Platform

CLOCK = FixedClock(NOW)


def bought(
    database: Database,
    gateway: Gateway,
    stripe: StripeDouble,
    email: str,
    plan: PlanName,
    interval: Interval,
) -> None:
    """Pay at Stripe, which tells nobody."""
    user = create_user(database, email, clock=CLOCK)
    page = open_checkout(
        lambda: tenant_session(database, user.tenant_id),
        gateway,
        plan=plan,
        interval=interval,
        user_id=user.user_id,
        back_url="http://127.0.0.1/billing",
        clock=CLOCK,
        actor=Actor(name="tests"),
    )
    stripe.press(page.url, "pay")


def materialize(instance: dg.DagsterInstance, platform: Platform) -> list[dict[str, Any]]:
    done = dg.materialize(
        [billing_reconciliation, monthly_income],
        resources={"platform": platform},
        instance=instance,
    )
    assert done.success
    return [
        {name: value.value for name, value in made.metadata.items()}
        for node in ("billing_reconciliation", "monthly_income")
        for made in done.asset_materializations_for_node(node)
    ]


def test_billing_reconciliation_when_no_event_ever_came_then_plans_are_put_right_and_counted(
    database: Database, platform: Platform, instance: dg.DagsterInstance
) -> None:
    with StripeDouble(clock=CLOCK) as stripe:
        gateway = Gateway(Credential(stripe.key), url=stripe.url)
        bought(database, gateway, stripe, "a@example.com", "pro", "month")
        bought(database, gateway, stripe, "b@example.com", "basic", "year")
        platform = replace(platform, clock=CLOCK, billing=gateway)
        # One customer cannot be asked: the other is compared all the same.
        stripe.faults.append(Spoiled(429, "subscriptions", times=1))
        compared, _ = materialize(instance, platform)
        assert (compared["customers"], compared["repaired"], compared["failed"]) == (2, 1, 1)
        compared, counted = materialize(instance, platform)
        assert (compared["repaired"], compared["failed"]) == (1, 0)
        assert counted == {"mrr_usd": "123.17", "subscriptions": 2}
        compared, _ = materialize(instance, platform)
        assert (compared["repaired"], compared["rows"]) == (0, 0)
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT plan, status, billing_interval FROM tenancy.subscriptions ORDER BY plan"
        ).fetchall()
        days = connection.execute("SELECT plan, subscriptions FROM billing.mrr_daily").fetchall()
        actors = connection.execute(
            "SELECT actor FROM audit.entries WHERE action = 'billing.subscription'"
        ).fetchall()
    assert rows == [("basic", "active", "year"), ("pro", "active", "month")]
    assert sorted(days) == [("basic", 1), ("enterprise", 0), ("pro", 1)]
    assert actors == [("reconciliation",)] * 2
