"""The asset graph cannot change unseen, and nothing in it asks a venue unasked."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

import pipelines.defs
from candela.quality.contract import CHECKS
from pipelines.definitions import defs
from pipelines.defs.quality.suite import remarks_frame, run_suite
from pipelines.lib.figures import MonthFigures
from tests.fixtures.candles import HOUR, START, made_up

if TYPE_CHECKING:
    from pipelines.resources import Platform

SNAPSHOT = Path(__file__).with_name("asset_graph.json")


def describe() -> dict[str, Any]:
    graph = defs.resolve_asset_graph()
    assets = {
        key.to_user_string(): {
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "group": graph.get(key).group_name,
            "partitions": sorted(
                f"{one.name}: {type(one.partitions_def).__name__}"
                for one in getattr(graph.get(key).partitions_def, "partitions_defs", [])
            ),
            "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
        }
        for key in sorted(graph.get_all_asset_keys())
    }
    repository = defs.get_repository_def()
    return {
        "assets": assets,
        "jobs": sorted(job.name for job in repository.get_all_jobs() if job.name[0] != "_"),
        "schedules": {
            one.name: f"{one.cron_schedule} {one.default_status.value}"
            for one in repository.schedule_defs
        },
        "sensors": {
            one.name: f"{one.minimum_interval_seconds} s {one.default_status.value}"
            for one in repository.sensor_defs
        },
    }


def test_asset_graph_when_loaded_then_as_recorded() -> None:
    assert describe() == json.loads(SNAPSHOT.read_text("utf-8"))


def test_every_step_when_defined_then_shows_its_life() -> None:
    # The janitor takes a started run without the platform's lock for dead.
    graph = defs.resolve_asset_graph()
    without = [
        definition.op.name
        for definition in {*graph.assets_defs}
        if definition.is_executable and "platform" not in definition.required_resource_keys
    ]
    assert without == []


# They look at what is stored here, whether a venue is a source or not.
OF_THE_HOUSE = {
    "erase_tenants_every_night",
    "look_at_trials_every_hour",
    "prove_audit_log_every_night",
    "prove_every_night",
    "roll_up_every_10_minutes",
    "roll_up_every_night",
    "summarise_every_hour",
    "tidy_every_night",
}


def test_schedules_when_no_venue_is_a_source_then_ask_nobody(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    schedules = defs.get_repository_def().schedule_defs
    assert {one.name for one in schedules} >= OF_THE_HOUSE
    for schedule in schedules:
        if schedule.name in OF_THE_HOUSE:
            continue
        context = dg.build_schedule_context(
            instance, resources={"platform": platform}, scheduled_execution_time=START
        )
        ticked = schedule.evaluate_tick(context)
        assert ticked.run_requests in (None, []), schedule.name
        assert ticked.skip_message, schedule.name


def test_definitions_when_a_folder_makes_assets_jobs_or_automation_then_all_are_loaded() -> None:
    kinds = {"AssetsDefinition", "ScheduleDefinition", "SensorDefinition"}
    kinds |= {"AssetChecksDefinition", "UnresolvedAssetJobDefinition"}
    loaded = [*(defs.assets or ()), *(defs.asset_checks or ()), *(defs.jobs or ())]
    loaded += [*(defs.schedules or ()), *(defs.sensors or ())]
    missing: list[str] = []
    for found in pkgutil.walk_packages(pipelines.defs.__path__, "pipelines.defs."):
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            is_one = type(value).__name__ in kinds
            if is_one and not any(value is one for one in loaded):
                missing.append(f"{found.name}.{name}")
    assert missing == []


@pytest.mark.parametrize("name", ["unfinished_months", "stale_rollups", "changed_files", "janitor"])
def test_sensors_when_there_is_nothing_then_ask_for_nothing(
    name: str, instance: dg.DagsterInstance, platform: Platform
) -> None:
    sensor = defs.resolve_sensor_def(name) if hasattr(defs, "resolve_sensor_def") else None
    sensor = sensor or defs.get_sensor_def(name)
    context = dg.build_sensor_context(
        instance, resources={"platform": platform}, repository_def=defs.get_repository_def()
    )
    assert not sensor.evaluate_tick(context).run_requests


def test_suite_when_generated_then_one_result_a_check_of_the_contract() -> None:
    frame = remarks_frame(
        made_up(48, timeframe=HOUR), HOUR, START.replace(year=2027), MonthFigures(), []
    )
    (result,) = run_suite({"a": frame}).values()
    assert [one.check for one in result.results] == list(CHECKS)
    assert not any(one.found for one in result.results)
