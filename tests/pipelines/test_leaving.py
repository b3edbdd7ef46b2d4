"""The nightly assets of leaving and of the audit log, and its sensor, as Dagster runs them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from candela.audit.record import Actor, record
from candela.billing.buying import open_checkout
from candela.billing.gateway import Gateway
from candela.clock import FixedClock, SystemClock
from candela.desk.leaving import leave
from candela.vault.credential import Credential
from pipelines.defs.audit.assets import audit_chain, audit_chain_is_whole
from pipelines.defs.audit.automation import seal_audit_log
from pipelines.defs.leaving.assets import erased_tenants
from sandbox.stripe.double import Spoiled, StripeDouble
from tests.fixtures.desk import clock, desk

if TYPE_CHECKING:
    from pipelines.resources import Platform
    from tests.fixtures.desk import Desk

__all__ = ["clock", "desk"]


def figures(
    asset: Any, platform: Platform, instance: dg.DagsterInstance, *checks: Any
) -> tuple[dict[str, Any], list[bool]]:
    done = dg.materialize([asset, *checks], resources={"platform": platform}, instance=instance)
    (made,) = done.asset_materializations_for_node(asset.op.name)
    passed = [one.passed for one in done.get_asset_check_evaluations()]
    return {name: value.value for name, value in made.metadata.items()}, passed


def test_erased_tenants_when_payments_go_on_then_ended_first_and_erased_after_30_days(
    desk: Desk, platform: Platform, instance: dg.DagsterInstance
) -> None:
    # The database itself holds the 30 days: its own clock counts.
    today = SystemClock().now()
    desk.clock.at = today - timedelta(days=31)
    with StripeDouble(clock=desk.clock) as stripe:
        gateway = Gateway(Credential(stripe.key), url=stripe.url)
        page = open_checkout(
            desk.session,
            gateway,
            plan="pro",
            interval="month",
            user_id=desk.user.user_id,
            back_url="http://127.0.0.1/billing",
            clock=desk.clock,
            actor=Actor(name="tests"),
        )
        stripe.press(page.url, "pay")
        with desk.session() as session:
            leave(session, flatten=False, clock=desk.clock)
        platform = replace(platform, clock=FixedClock(today), billing=gateway)
        stripe.faults.append(Spoiled(500, "subscriptions", times=9))
        found, _ = figures(erased_tenants, platform, instance)
        assert (found["payments_ended"], found["still_paying"], found["erased"]) == (0, 1, 0)
        stripe.faults.clear()
        found, _ = figures(erased_tenants, platform, instance)
        assert (found["payments_ended"], found["still_paying"], found["erased"]) == (1, 0, 1)
        assert found["rows"] > 0
        assert [one["status"] for one in stripe.book.all("subscription")] == ["canceled"]
    assert desk.count("tenancy.users") == desk.count("trading.accounts") == 0
    found, _ = figures(erased_tenants, platform, instance)
    assert found == {"payments_ended": 0, "still_paying": 0, "erased": 0, "rows": 0}


def write(desk: Desk, times: int) -> None:
    with desk.session() as session:
        for number in range(times):
            actor, what = Actor(name="tests"), f"n{number}"
            record(session, actor, "test.done", "bot", what, clock=desk.clock)


def test_audit_log_when_the_sensor_and_the_night_come_then_sealed_proved_and_faults_named(
    desk: Desk, platform: Platform, instance: dg.DagsterInstance
) -> None:
    platform = replace(platform, clock=FixedClock(desk.clock.now() + timedelta(minutes=5)))
    write(desk, 3)
    with dg.build_sensor_context(instance, resources={"platform": platform}) as context:
        ticked = seal_audit_log.evaluate_tick(context)
        assert (ticked.run_requests or [], (ticked.skip_message or "")[:9]) == ([], "3 entries")
        assert (seal_audit_log.evaluate_tick(context).skip_message or "")[:9] == "0 entries"
    write(desk, 1)
    found, passed = figures(audit_chain, platform, instance, audit_chain_is_whole)
    assert (found["sealed"], found["fault"], passed) == (1, "none", [True])
    assert found["head"].startswith(str(found["links"]))
    with desk.database.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE audit.entries SET action = 'test.undone' WHERE entity_id = 'n1'")
    found, passed = figures(audit_chain, platform, instance, audit_chain_is_whole)
    assert found["fault"] != "none"
    assert passed == [False]
