"""Verdicts on stored candles: the whole family counts, and only what can be had again is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from backtest import verdicts
from backtest.sweep.spec import sweep_spec
from backtest.verdicts import RunGone
from backtest.workbench import Workbench
from strategies.ma_cross import ma_cross

if TYPE_CHECKING:
    from candela.db.connect import Database

BASE: dict[str, Any] = {
    "strategy": "ma_cross",
    "instruments": ("bitvavo:BTC/EUR",),
    "timeframe": "1h",
    "until": "2022-07-01",
    "costs": {"taker_fee_bps": 10},
}
AXES = ("fast=5:20:5", "slow=30:60:10", "stop_loss=0.02,0.05")


@pytest.fixture
def bench(hours: Database) -> Workbench:
    return Workbench(hours)


def test_verdict_when_a_sweep_is_judged_then_it_is_its_best_point_among_all_of_them(
    bench: Workbench,
) -> None:
    swept = bench.sweep(sweep_spec(ma_cross, BASE, AXES))
    judged = bench.sweep_verdict(swept.sweep_id[:10])
    assert (judged.trials_ever, judged.trials_seen) == (32, 32)
    assert swept.best_row is not None
    best = swept.figures(swept.best_row)
    assert judged.result.metrics["total_return"] == pytest.approx(best["total_return"])
    assert judged.verdict.figures["trials_ever"] == 32
    lone = bench.sweep_verdict(swept.sweep_id, plateau=True)
    assert swept.plateau_row is not None
    expected = swept.figures(swept.plateau_row)["total_return"]
    assert lone.result.metrics["total_return"] == pytest.approx(expected)


def test_verdict_when_bars_times_trials_are_many_then_sums_over_blocks_say_the_same(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = bench.sweep(sweep_spec(ma_cross, BASE, AXES))
    whole = bench.sweep_verdict(swept.sweep_id).verdict.figures
    monkeypatch.setattr(verdicts, "_MOST_RETURNS", 1)
    blocks = bench.sweep_verdict(swept.sweep_id).verdict.figures
    for name in ("sharpe", "probabilistic_sharpe", "trials_seen", "trials_ever"):
        assert blocks[name] == pytest.approx(whole[name])
    assert blocks["overfitting"] == pytest.approx(whole["overfitting"], abs=0.15)


def test_verdict_when_there_are_very_many_trials_then_a_sample_is_run_and_all_count(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_MOST_TRIALS", 10)
    swept = bench.sweep(sweep_spec(ma_cross, BASE, AXES))
    judged = bench.sweep_verdict(swept.sweep_id)
    assert (judged.trials_ever, judged.trials_seen) == (32, 10)


def test_verdict_when_more_was_tried_elsewhere_then_a_run_counts_it_too(bench: Workbench) -> None:
    run = bench.backtest({**BASE, "parameters": {"fast": 10, "slow": 40}})
    alone = bench.verdict(run.manifest["id"])
    assert (alone.trials_ever, alone.trials_seen) == (1, 1)
    bench.sweep(sweep_spec(ma_cross, {**BASE, "costs": {}}, AXES))
    bench.backtest({**BASE, "parameters": {"fast": 12, "slow": 40}})
    among = bench.verdict(run.manifest["id"])
    assert (among.trials_ever, among.trials_seen) == (34, 34)


def test_verdict_when_the_run_comes_out_otherwise_now_then_nothing_is_said_of_it(
    bench: Workbench, hours: Database
) -> None:
    run = bench.backtest({**BASE, "parameters": {"fast": 10, "slow": 40}})
    with hours.connect(autocommit=True) as connection:
        connection.execute("UPDATE research.runs SET trades_digest = 'sha256:00'")
    with pytest.raises(RunGone, match="gave trades sha256:00 before"):
        bench.verdict(run.manifest["id"])


def test_verdict_when_candles_came_later_then_the_sweep_is_judged_on_those_it_saw(
    bench: Workbench, hours: Database
) -> None:
    asked = sweep_spec(ma_cross, BASE | {"until": None}, ["fast=5,10", "slow=30,40"])
    swept = bench.sweep(asked)
    before = bench.sweep_verdict(swept.sweep_id)
    with hours.connect(autocommit=True) as connection:
        connection.execute(
            "UPDATE market.candles SET close = close * 1.01, high = high * 1.02,"
            " batch_id = batch_id WHERE time = (SELECT max(time) FROM market.candles)"
        )
    # A candle changed behind the store's back is other data, which is said.
    with pytest.raises(RunGone, match="other candles"):
        Workbench(hours).sweep_verdict(swept.sweep_id)
    assert before.trials_ever == 4
