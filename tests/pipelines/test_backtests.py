"""Requested backtests in Dagster: a run an attempt, cancelled ones end, dead ones come back."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from backtest.ledger import Ledger
from backtest.requests import run_request
from candela.candles.store import CandleStore
from candela.clock import FixedClock
from candela.db.connect import Role
from candela.errors import CandelaError
from candela.market.instrument import Instrument
from pipelines.defs.backtests import working
from pipelines.defs.backtests.requested import REQUESTS
from strategies import ma_cross
from tests.fixtures.candles import HOUR, batch, made_up
from tests.pipelines.requesting import SPEC, SWEEP, execute, keys, look, queued, shown

if TYPE_CHECKING:
    from pipelines.resources import Platform


@pytest.fixture
def ledger(platform: Platform) -> Ledger:
    """The ledger with the rights of the pipelines."""
    return Ledger(platform.database, platform.clock, role=Role.PIPELINES)


@pytest.fixture
def candles(platform: Platform) -> None:
    """Two months of hours in the store."""
    frame = made_up(24 * 60, timeframe=HOUR)
    with platform.writer() as connection:
        CandleStore(connection, platform.clock).write(batch(frame, timeframe=HOUR))


def test_requests_when_looked_at_then_one_run_each_and_none_again(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    ids = [ledger.request(SPEC, "backtest") for _ in range(3)]
    first = look(instance, platform)
    assert sorted(map(str, keys(first))) == sorted(f"{one}:1" for one in ids)
    assert sorted(instance.get_dynamic_partitions(str(REQUESTS.name))) == sorted(ids)
    again = look(instance, platform, first.cursor)
    assert (keys(again), again.cursor) == ([], first.cursor)
    # A daemon that lost its cursor asks under the same keys, which Dagster takes once.
    assert keys(look(instance, platform)) == keys(first)


def test_request_when_its_run_dies_then_queued_again_with_the_next_attempt(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    request_id = ledger.request(SPEC, "backtest")
    cursor = look(instance, platform).cursor
    for attempt in (1, 2, 3):
        run_id = queued(instance, request_id, attempt, dg.DagsterRunStatus.STARTED)
        if attempt < 3:  # the last one dies before it claims
            ledger.claim(request_id, run_id)
        assert keys(look(instance, platform, cursor)) == []
        assert not ledger.requested(request_id).is_over, "runs of earlier attempts say nothing"
        run = instance.get_run_by_id(run_id)
        assert run is not None
        instance.report_run_failed(run, "Its process is gone. Found by the janitor.")
        ticked = look(instance, platform, cursor)
        cursor = ticked.cursor
        assert keys(ticked) == ([f"{request_id}:{attempt + 1}"] if attempt < 3 else [])
    last = ledger.requested(request_id)
    assert (last.state, last.attempt) == ("failed", 3)
    assert last.error is not None
    assert last.error["code"] == "process_died"
    assert keys(look(instance, platform, cursor)) == []


def test_request_when_claimed_by_a_run_that_nobody_knows_then_queued_again(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    request_id = ledger.request(SPEC, "backtest")
    ledger.claim(request_id, "run-of-another-storage")
    assert keys(look(instance, platform)) == [f"{request_id}:2"]


def test_request_when_cancelled_before_its_run_starts_then_the_run_leaves_the_queue(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    request_id = ledger.request(SPEC, "backtest")
    cursor = look(instance, platform).cursor
    run_id = queued(instance, request_id)
    ledger.cancel(request_id)
    assert keys(look(instance, platform, cursor)) == []
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.CANCELED


def test_request_when_its_run_is_cancelled_in_the_pages_then_cancelled(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    request_id = ledger.request(SPEC, "backtest")
    cursor = look(instance, platform).cursor
    run = instance.get_run_by_id(queued(instance, request_id))
    assert run is not None
    instance.report_run_canceled(run)
    assert keys(look(instance, platform, cursor)) == []
    assert ledger.requested(request_id).state == "cancelled"


def test_request_when_it_cannot_be_run_then_failed_with_the_reason_and_not_again(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    request_id = ledger.request(SPEC | {"cash": -5}, "backtest")
    cursor = look(instance, platform).cursor
    result = execute(instance, platform, request_id)
    assert not result.success
    failed = ledger.requested(request_id)
    assert (failed.state, failed.claimed_by) == ("failed", result.run_id)
    assert failed.error is not None
    assert (failed.error["code"], failed.error["status"]) == ("bad_spec", 422)
    assert "cash=-5" in failed.error["message"]
    (event,) = [one for one in result.all_events if one.is_step_failure]
    user = event.step_failure_data.user_failure_data
    assert user is not None
    assert user.metadata["code"].value == "bad_spec"
    assert keys(look(instance, platform, cursor)) == []


@pytest.mark.usefixtures("candles")
def test_request_when_run_then_recorded_and_shown(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    request_id = ledger.request(SPEC, "backtest", surface="api", requested_by="ada")
    look(instance, platform)
    result = execute(instance, platform, request_id)
    assert result.success
    done = ledger.requested(request_id)
    assert (done.state, done.error) == ("done", None)
    run = ledger.run(str(done.run_id))
    assert (run.line.surface, run.line.requested_by) == ("api", "ada")
    metadata = shown(result)
    assert metadata["run_id"] == done.run_id
    assert metadata["trials_of_family"] == 1
    assert metadata["total_return"] == run.line.metrics["total_return"]
    assert "| sharpe |" in str(metadata["figures"])
    assert "data:image/png;base64," in str(metadata["equity"])
    assert str(done.run_id)[:12] in ledger.report(str(done.run_id))
    assert instance.get_materialized_partitions(dg.AssetKey("backtest_runs")) == {request_id}


@pytest.mark.usefixtures("candles")
def test_request_when_asked_for_twice_then_one_run_and_one_trial(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    ids = [ledger.request(SPEC, "backtest") for _ in range(2)]
    look(instance, platform)
    assert all(execute(instance, platform, one).success for one in ids)
    assert len({ledger.requested(one).run_id for one in ids}) == 1
    assert [count for _, count in ledger.families()] == [1]


@pytest.mark.usefixtures("candles")
def test_sweep_when_requested_then_its_points_and_a_run_of_one_count_once(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    request_id = ledger.request(SWEEP, "sweep")
    single = ledger.request(SPEC, "backtest")
    look(instance, platform)
    result = execute(instance, platform, request_id)
    assert result.success
    done = ledger.requested(request_id)
    sweep = ledger.sweep(str(done.sweep_id))
    assert (done.state, sweep.is_done, sweep.total) == ("done", True, 20)
    assert len(ledger.done_chunks(sweep.sweep_id)) == 5
    metadata = shown(result)
    assert (metadata["points"], metadata["trials_of_family"]) == (20, 20)
    assert str(metadata["best"]).count("\n") == 11
    assert execute(instance, platform, single).success
    assert ledger.trial_count(sweep.family) == 20, "fast=10, slow=40 was a point of the sweep"


@pytest.mark.usefixtures("candles")
def test_walk_forward_when_requested_then_its_joined_run_is_recorded(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    spec = {"sweep": SWEEP, "train": "600", "test": "300"}
    request_id = ledger.request(spec, "walkforward")
    look(instance, platform)
    result = execute(instance, platform, request_id)
    assert result.success
    run = ledger.run(str(ledger.requested(request_id).run_id))
    assert run.line.kind == "walkforward"
    assert len(ledger.sweeps()) >= 2
    assert all(sweep.is_done for sweep in ledger.sweeps())
    assert shown(result)["trials_of_family"] == ledger.trial_count(run.line.family)


@pytest.mark.usefixtures("candles")
def test_sweep_when_cancelled_at_work_then_its_run_ends_cancelled_and_it_can_go_on(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger, monkeypatch: Any
) -> None:
    # Asked at each chance instead of once a second; cancelled once a chunk is stored.
    monkeypatch.setattr(working, "_BETWEEN_LOOKS_S", 0.0)
    request_id = ledger.request(SWEEP, "sweep")
    look(instance, platform)
    ended = threading.Event()

    def cancel() -> None:
        while not ended.is_set():
            sweeps = ledger.sweeps()
            if sweeps and sweeps[0].done:
                ledger.cancel(request_id)
                return

    watcher = threading.Thread(target=cancel)
    watcher.start()
    result = execute(instance, platform, request_id)
    ended.set()
    watcher.join()
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert ledger.requested(request_id).state == "cancelled"
    (sweep,) = ledger.sweeps()
    assert 0 < sweep.done < sweep.total
    again = ledger.request(SWEEP, "sweep")
    look(instance, platform)
    assert execute(instance, platform, again).success
    assert ledger.requested(again).sweep_id == sweep.sweep_id
    assert ledger.trial_count(sweep.family) == 20


def test_request_when_it_was_cancelled_before_its_run_then_the_run_says_so(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    request_id = ledger.request(SPEC, "backtest")
    look(instance, platform)
    ledger.cancel(request_id)
    result = execute(instance, platform, request_id)
    assert not result.success
    (event,) = [one for one in result.all_events if one.is_step_failure]
    user = event.step_failure_data.user_failure_data
    assert user is not None
    assert user.metadata["code"].value == "request_gone"
    assert ledger.requested(request_id).state == "cancelled"


@pytest.mark.parametrize(
    ("kind", "spec", "code", "word"),
    [
        ("backtest", SPEC | {"strategy": "no_such"}, "unknown_strategy", "no_such"),
        ("backtest", SPEC | {"parameters": {"fast": -3}}, "bad_parameters", "fast"),
        ("backtest", SPEC | {"timeframe": "1m"}, "no_such_series", "1m"),
        ("backtest", SPEC | {"since": "2030-01-01T00:00:00Z"}, "no_candles", "2030"),
        ("sweep", SPEC, "bad_spec", "base"),
        ("sweep", {"base": SPEC}, "bad_spec", "axes"),
        ("sweep", SWEEP | {"chunk": 0}, "bad_spec", "chunk"),
        ("walkforward", SWEEP, "bad_spec", "sweep"),
    ],
)
@pytest.mark.usefixtures("candles")
def test_request_when_wrong_then_its_error_names_what(
    platform: Platform, ledger: Ledger, kind: Any, spec: dict[str, Any], code: str, word: str
) -> None:
    request_id = ledger.request(spec, kind)
    with pytest.raises(CandelaError, match=word):
        working.work_off(ledger, request_id, "run-a", run_request)
    failed = ledger.requested(request_id)
    assert failed.error is not None
    assert (failed.state, failed.error["code"]) == ("failed", code)
    assert (ledger.runs(), ledger.families()) == ([], [])


def test_schedules_when_two_daemons_look_then_each_tick_is_requested_once(
    instance: dg.DagsterInstance, platform: Platform, ledger: Ledger
) -> None:
    ledger.put_schedule("nightly", "0 3 * * *", SPEC)
    assert isinstance(platform.clock, FixedClock)
    platform.clock.at += timedelta(days=3)
    said = [look(instance, platform, name="scheduled_backtests").skip_reason for _ in range(2)]
    (request,) = ledger.requests()
    assert (request.schedule, request.surface) == ("nightly", "schedule")
    assert [str(request.request_id) in str(one) for one in said] == [True, False]
    assert keys(look(instance, platform)) == [f"{request.request_id}:1"]


@pytest.mark.usefixtures("candles")
def test_request_when_of_an_own_strategy_then_found_in_its_folder(
    platform: Platform, ledger: Ledger, tmp_path: Path
) -> None:
    source = (Path(ma_cross.__file__)).read_text("utf-8").replace('"ma_cross"', '"my_cross"')
    (tmp_path / "my_cross.py").write_text(source, "utf-8")
    request_id = ledger.request(SPEC | {"strategy": "my_cross"}, "backtest")
    done, _ = working.work_off(ledger, request_id, "run-a", run_request, strategies=tmp_path)
    assert ledger.run(str(done.run_id)).line.family.strategy == "my_cross"
    other = ledger.request(SPEC | {"strategy": "my_cross"}, "backtest")
    with pytest.raises(CandelaError, match="my_cross"):
        working.work_off(ledger, other, "run-b", run_request)


@pytest.mark.usefixtures("candles")
@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("payout", SPEC | {"strategy": "rsi_payout", "parameters": {}, "payout": {"payout": 0.8}}),
        ("portfolio", SPEC | {"instruments": ["bitvavo:BTC/EUR", "bitvavo:ETH/EUR"]}),
    ],
)
def test_request_of_another_kind_when_run_then_recorded_as_such(
    instance: dg.DagsterInstance,
    platform: Platform,
    ledger: Ledger,
    kind: Any,
    spec: dict[str, Any],
) -> None:
    frame = made_up(24 * 60, timeframe=HOUR, seed=2)
    eth = batch(frame, instrument=Instrument("bitvavo", "ETH/EUR"), timeframe=HOUR)
    with platform.writer() as connection:
        CandleStore(connection, platform.clock).write(eth)
    request_id = ledger.request(spec, kind)
    look(instance, platform)
    result = execute(instance, platform, request_id)
    assert result.success
    done = ledger.requested(request_id)
    run = ledger.run(str(done.run_id))
    assert (run.line.kind, run.line.has_report) == (kind, True)
    assert run.trades.height == run.line.metrics["trades"]
    assert "data:image/png;base64," in str(shown(result)["equity"])
