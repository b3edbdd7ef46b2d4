"""A trial ends by the hour: told before, then the free plan holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from candela.clock import FixedClock
from candela.desk.running import start_bot
from candela.desk.users import subscription_of
from candela.plans import PlanLimitReached
from pipelines.defs.billing.assets import ended_trials
from tests.fixtures.desk import NOW, clock, desk

if TYPE_CHECKING:
    from pipelines.resources import Platform
    from tests.fixtures.desk import Desk

__all__ = ["clock", "desk"]

ENDS = NOW + timedelta(days=14)
_TRIAL = """
UPDATE tenancy.subscriptions
SET status = 'trialing', period_end_at = %(ends)s, stripe_subscription_id = %(bought)s
WHERE tenant_id = %(tenant)s
"""


def begin(desk: Desk, bought: str | None = None) -> None:
    with desk.session() as session:
        session.run(_TRIAL, {"ends": ENDS, "bought": bought})


def look(desk: Desk, platform: Platform, instance: dg.DagsterInstance) -> tuple[Any, Any]:
    platform = replace(platform, clock=FixedClock(desk.clock.now()))
    done = dg.materialize([ended_trials], resources={"platform": platform}, instance=instance)
    (made,) = done.asset_materializations_for_node("ended_trials")
    assert made.metadata["failed"].value == 0
    return made.metadata["ended"].value, made.metadata["told"].value


def start(desk: Desk, name: str) -> None:
    with desk.session() as session:
        start_bot(session, name, clock=desk.clock)


def test_trial_when_its_end_passes_then_free_holds_and_what_runs_goes_on(
    desk: Desk, platform: Platform, instance: dg.DagsterInstance
) -> None:
    begin(desk)
    for name, instrument in (("one", "BTC"), ("two", "ETH"), ("three", "SOL")):
        desk.bot(name, instrument=f"binance:{instrument}/USDT")
    start(desk, "one")
    start(desk, "two")
    desk.clock.at = ENDS - timedelta(days=3, seconds=1)
    assert look(desk, platform, instance) == (0, 0)
    desk.clock.at = ENDS - timedelta(days=3)
    assert look(desk, platform, instance) == (0, 1)
    desk.clock.at = ENDS - timedelta(microseconds=1)
    assert look(desk, platform, instance) == (0, 0)
    with desk.session() as session:
        assert subscription_of(session).in_force(desk.clock.now())
    desk.clock.at = ENDS
    with desk.session() as session:
        # Over at the very instant, before anybody has looked.
        assert not subscription_of(session).in_force(desk.clock.now())
    with pytest.raises(PlanLimitReached, match="lapsed"):
        start(desk, "three")
    assert look(desk, platform, instance) == (1, 0)
    assert look(desk, platform, instance) == (0, 0)
    with desk.session() as session:
        now = subscription_of(session)
        assert (now.plan, now.status, now.in_force(desk.clock.now())) == ("free", "active", True)
        running = session.rows("SELECT name FROM trading.bots WHERE wanted = 'running'", {})
        mails = session.rows("SELECT kind, params FROM notify.mails ORDER BY created_at", {})
        inbox = session.rows("SELECT kind FROM notify.notifications ORDER BY created_at", {})
        audit = session.rows("SELECT action FROM audit.entries", {})
    assert len(running) == 2
    with pytest.raises(PlanLimitReached, match="limit of the plan free: 1"):
        start(desk, "three")
    assert [(one["kind"], one["params"]) for one in mails] == [
        ("subscription_ends", {"plan": "basic", "ends_at": ENDS.isoformat()}),
        ("plan_changed", {"plan": "free"}),
    ]
    assert [one["kind"] for one in inbox] == ["subscription_ends", "plan_changed"]
    assert [one["action"] for one in audit] == ["billing.trial_ended"]


def test_trial_when_it_is_one_of_a_subscription_then_left_to_stripe(
    desk: Desk, platform: Platform, instance: dg.DagsterInstance
) -> None:
    begin(desk, bought="sub_1")
    desk.clock.at = ENDS + timedelta(days=1)
    assert look(desk, platform, instance) == (0, 0)
