"""Venues as sources: history month by month, the present kept current, a venue that is away."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from candela.candles.sources import add_source
from candela.candles.store import CandleStore
from candela.clock import FixedClock
from pipelines.definitions import defs
from pipelines.resources import Platform, platform_resource
from tests.fixtures.exchange.harness import BTC, MINUTE, START
from tests.fixtures.exchange.harness import stored as stored_minutes
from tests.fixtures.exchange.ledger import generated
from tests.fixtures.exchange.plugin import exchange
from tests.fixtures.exchange.server import ExchangeDouble, ServerTime
from tests.pipelines.bringing import CANDLES, bring, checks, count

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["exchange"]

SERIES = f"{BTC}@1m"
SINCE = START + timedelta(days=30)
ROWS = 3 * 24 * 60


@pytest.fixture
def venues(platform: Platform, exchange: ExchangeDouble) -> Platform:
    """A platform whose venues are the loopback exchange, three days into a market's life."""
    exchange.ledger.add(BTC.symbol, generated(SINCE, ROWS + 600))
    now = SINCE + timedelta(minutes=ROWS, seconds=30)
    exchange.time = ServerTime(now)
    venues = replace(
        platform,
        clock=FixedClock(now),
        venue_gateway=f"127.0.0.1:{exchange.port}",
        venue_gateway_ca=exchange.authority,
    )
    with venues.writer() as connection:
        store = CandleStore(connection, venues.clock)
        add_source(
            connection,
            store,
            BTC,
            MINUTE,
            kind="exchange",
            location=BTC.venue,
            since_at=SINCE,
        )
    return venues


def run(
    instance: dg.DagsterInstance,
    platform: Platform,
    job: str,
    tags: Mapping[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags=tags,
        resources={"platform": platform_resource(lambda: platform)},
        raise_on_error=False,
    )


def tick_sensor(name: str, instance: dg.DagsterInstance, platform: Platform) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(
        instance, resources={"platform": platform}, repository_def=defs.get_repository_def()
    )
    ticked = defs.resolve_sensor_def(name).evaluate_tick(context)
    for asked in ticked.dynamic_partitions_requests or []:
        assert isinstance(asked, dg.AddDynamicPartitionsRequest)
        instance.add_dynamic_partitions(asked.partitions_def_name, asked.partition_keys)
    return list(ticked.run_requests or [])


def tick_schedule(
    name: str, instance: dg.DagsterInstance, platform: Platform
) -> list[dg.RunRequest]:
    context = dg.build_schedule_context(
        instance,
        resources={"platform": platform},
        repository_def=defs.get_repository_def(),
        scheduled_execution_time=platform.clock.now(),
    )
    return list(defs.resolve_schedule_def(name).evaluate_tick(context).run_requests or [])


def test_history_when_a_venue_is_a_source_then_fetched_by_months_and_kept_current(
    venues: Platform, instance: dg.DagsterInstance, exchange: ExchangeDouble
) -> None:
    (asked,) = tick_sensor("unfinished_months", instance, venues)
    assert asked.tags["candela/venue"] == "binance"
    assert asked.tags["dagster/asset_partition_range_start"] == f"2026-01|{SERIES}"
    assert asked.tags["dagster/asset_partition_range_end"] == f"2026-02|{SERIES}"
    assert run(instance, venues, "update_candles", tags=asked.tags).success
    with venues.writer() as connection:
        truth = exchange.ledger.series[BTC.symbol]
        assert stored_minutes(connection).equals(truth.head(ROWS))
    assert len(instance.get_materialized_partitions(CANDLES)) == 2
    assert all(passed for passed, _, _ in checks(instance, "nothing_refused").values())
    assert tick_sensor("unfinished_months", instance, venues) == []
    assert tick_schedule("keep_current", instance, venues) == [], "no candle has closed since"

    later = venues.clock.now() + timedelta(minutes=7)
    exchange.time = ServerTime(later)
    venues = replace(venues, clock=FixedClock(later))
    (due,) = tick_schedule("keep_current", instance, venues)
    assert due.tags["dagster/asset_partition_range_start"] == f"2026-02|{SERIES}"
    assert run(instance, venues, "keep_candles_current", tags=due.tags).success
    with venues.writer() as connection:
        assert stored_minutes(connection).equals(truth.head(ROWS + 7))
    (night,) = tick_schedule("judge_every_night", instance, venues)
    assert night.tags["dagster/asset_partition_range_end"] == f"2026-02|{SERIES}"
    assert run(instance, venues, "judge_candles", tags=night.tags).success


def test_up_when_a_venue_is_a_source_then_leaves_it_to_the_schedules(
    venues: Platform, instance: dg.DagsterInstance, exchange: ExchangeDouble
) -> None:
    done = bring(instance, venues)
    assert (done.spans, done.waiting, exchange.log) == ([], 2, [])


def test_market_when_a_venue_is_a_source_then_catalogue_and_rankings_come_from_it(
    venues: Platform, instance: dg.DagsterInstance
) -> None:
    assert len(tick_schedule("market_every_5_minutes", instance, venues)) == 1
    assert run(instance, venues, "refresh_market").success
    assert count(venues.database, "SELECT count(*) FROM market.rankings") > 0
    assert count(venues.database, "SELECT count(*) FROM market.venues WHERE source = 'venue'") == 1


def test_market_when_the_venue_is_away_then_the_shipped_list_stands_in(
    venues: Platform, instance: dg.DagsterInstance, exchange: ExchangeDouble
) -> None:
    gone = replace(venues, venue_gateway="127.0.0.1:1", venue_timeout_s=0.2)
    result = run(instance, gone, "refresh_market")
    assert result.success
    (instruments,) = result.asset_materializations_for_node("instruments")
    assert "binance" in str(instruments.metadata["unreachable"].value)
    assert (
        count(venues.database, "SELECT count(*) FROM market.venues WHERE source = 'fallback'") == 1
    )


def test_gaps_when_the_venue_fills_them_later_then_repaired_on_schedule(
    venues: Platform, instance: dg.DagsterInstance, exchange: ExchangeDouble
) -> None:
    (truth, hole) = (exchange.ledger.series[BTC.symbol], SINCE + timedelta(hours=5))
    exchange.ledger.cut(BTC.symbol, hole, hole + timedelta(minutes=9))
    (asked,) = tick_sensor("unfinished_months", instance, venues)
    assert run(instance, venues, "update_candles", tags=asked.tags).success
    assert count(venues.database, "SELECT sum(candles_missing) FROM market.gaps") == 9
    exchange.ledger.series[BTC.symbol] = truth
    with venues.writer() as connection:
        # A venue that answered around a hole is believed; here it is one that was never asked.
        connection.execute("UPDATE market.gaps SET reason = 'not_fetched'")
    assert len(tick_schedule("repair_every_hour", instance, venues)) == 1
    assert run(instance, venues, "repair_candle_gaps").success
    assert count(venues.database, "SELECT count(*) FROM market.gaps") == 0
    assert tick_schedule("repair_every_hour", instance, venues) == []
    with venues.writer() as connection:
        assert stored_minutes(connection).equals(truth.head(ROWS))
