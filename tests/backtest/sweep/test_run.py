"""Sweeps: each point is its own backtest, kept once, and a sweep that was left goes on."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import polars as pl
import pytest

from backtest.ledger.refusals import SweepDiffers
from backtest.run import backtest
from backtest.spec import Protection
from backtest.sweep.journal import FolderJournal, LedgerJournal, MemoryJournal, Opening
from backtest.sweep.result import SweepResult
from backtest.sweep.run import run_sweep
from backtest.sweep.spec import NOT_SWEPT
from candela.fills.model import Costs, FillModel
from candela.metrics.figures import METRICS
from strategies.ma_cross import ma_cross
from tests.backtest.sweep.making import spec, walk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backtest.ledger import Ledger

MODEL = FillModel(costs=Costs(taker_fee_bps=10.0))
EXACT = tuple(
    name for name in METRICS if name not in {*NOT_SWEPT, "sharpe", "volatility", "sortino"}
)


def stop_after(asked: int) -> Callable[[], bool]:
    calls = count()
    return lambda: next(calls) >= asked


def test_sweep_when_run_then_each_point_has_the_figures_of_its_own_backtest() -> None:
    bars = walk()
    swept = run_sweep(ma_cross, bars, spec("fast=5,10", "slow=20,40", "stop_loss=0.02,0.05"))
    assert swept.frame.height == swept.total == 8
    for line in swept.frame.iter_rows(named=True):
        alone = backtest(
            ma_cross,
            bars,
            {"fast": line["fast"], "slow": line["slow"]},
            model=MODEL,
            protection=Protection(stop_loss=line["stop_loss"]),
        )
        for name in EXACT:
            assert line[name] == pytest.approx(alone.metrics[name], rel=1e-9, nan_ok=True), name
        assert line["sharpe"] == pytest.approx(alone.metrics["sharpe"], rel=1e-6)


def test_sweep_when_combinations_contradict_then_they_are_left_out_and_counted() -> None:
    swept = run_sweep(ma_cross, walk(400), spec())
    assert (swept.total, swept.skipped, swept.is_done) == (23, 2, True)
    assert (swept.frame["fast"] < swept.frame["slow"]).all()
    assert swept.frame["point"].to_list() == list(range(23))


@pytest.mark.parametrize("method", ["grid", "random", "optuna"])
def test_sweep_when_stopped_anywhere_then_it_goes_on_and_ends_the_same(
    tmp_path: Path, method: str
) -> None:
    options = {} if method == "grid" else {"trials": 18}
    asked = spec(method=method, chunk=4, **options)
    bars = walk(400)
    whole = run_sweep(ma_cross, bars, asked)
    parts: list[SweepResult] = []
    while not (parts and parts[-1].is_done):
        assert len(parts) < 30
        parts.append(
            run_sweep(
                ma_cross,
                bars,
                asked,
                journal=FolderJournal(tmp_path),
                should_stop=stop_after(3 + 5 * (len(parts) % 3)),
            )
        )
    assert len(parts) > 1
    assert parts[-1].frame.equals(whole.frame)
    assert sum(part.computed for part in parts) == whole.total
    assert run_sweep(ma_cross, bars, asked, journal=FolderJournal(tmp_path)).computed == 0


def test_sweep_when_told_of_progress_then_it_rises_to_the_end_also_when_it_goes_on() -> None:
    journal, seen = MemoryJournal(), list[tuple[int, int]]()
    asked = spec(chunk=5)
    run_sweep(ma_cross, walk(400), asked, journal=journal, should_stop=stop_after(12))

    def tell(done: int, total: int) -> None:
        seen.append((done, total))

    run_sweep(ma_cross, walk(400), asked, journal=journal, progress=tell)
    assert [total for _, total in seen] == [23] * len(seen)
    done = [one for one, _ in seen]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (10, 23)


def test_optuna_when_asked_again_then_it_finds_the_same_points_none_twice() -> None:
    asked = spec("fast=5:60:1", "slow=20:200:5", "kind", method="optuna", trials=70, seed=3)
    bars = walk(500)
    one, other = (run_sweep(ma_cross, bars, asked) for _ in range(2))
    assert one.frame.equals(other.frame)
    assert one.frame.select("fast", "slow", "kind").is_duplicated().sum() == 0
    assert (one.frame["fast"] < one.frame["slow"]).all()
    third = run_sweep(ma_cross, bars, asked.model_copy(update={"seed": 4}))
    assert not third.frame.equals(one.frame)


def test_optuna_when_the_space_is_smaller_than_the_trials_then_every_point_comes_once() -> None:
    swept = run_sweep(ma_cross, walk(300), spec(method="optuna", trials=500))
    assert swept.frame.select("fast", "slow").unique().height == swept.total == 23


def test_folder_when_it_holds_another_sweep_then_refused(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path)
    from backtest.ledger import Family

    family = Family("ma_cross", ("a:B/C",), "1h")
    journal.open(Opening("ab" * 32, {}, 5, family))
    with pytest.raises(SweepDiffers):
        journal.open(Opening("ab" * 32, {}, 6, family))


def test_folder_when_a_file_was_half_written_then_it_counts_for_nothing(tmp_path: Path) -> None:
    asked, bars = spec(chunk=5), walk(300)
    whole = run_sweep(ma_cross, bars, asked, journal=FolderJournal(tmp_path))
    (folder,) = tmp_path.iterdir()
    lost = folder / "chunk-00000002.parquet"
    lost.with_suffix(".half").write_bytes(lost.read_bytes()[:50])
    lost.unlink()
    again = run_sweep(ma_cross, bars, asked, journal=FolderJournal(tmp_path))
    assert again.computed == 5
    assert again.frame.equals(whole.frame)


def test_ledger_when_a_sweep_ran_then_each_point_is_a_trial_and_its_own_run_no_further_one(
    ledger: Ledger,
) -> None:
    bars, asked = walk(500), spec("fast=5,10", "slow=20,40", "stop_loss=0.02,0.05")
    swept = run_sweep(ma_cross, bars, asked, journal=LedgerJournal(ledger))
    single = backtest(
        ma_cross,
        bars,
        {"fast": 10, "slow": 20},
        model=MODEL,
        protection=Protection(stop_loss=0.05),
    )
    ledger.record_run(single, surface="notebook")
    (family, trials), *others = ledger.families()
    assert (family.strategy, trials, others) == ("ma_cross", 8, [])
    kept = ledger.trials(family)
    sharpes = swept.frame["sharpe"] / swept.frame["bars_per_year"].sqrt()
    assert sorted(kept["sharpe"].to_list()) == pytest.approx(sorted(sharpes.to_list()))
    assert ledger.sweep(swept.sweep_id).is_done
    again = run_sweep(ma_cross, bars, asked, journal=LedgerJournal(ledger))
    assert again.computed == 0
    assert again.frame.equals(swept.frame)


def test_sweep_when_no_point_has_an_objective_then_there_is_no_best() -> None:
    swept = run_sweep(ma_cross, walk(15), spec("fast=5,10", "slow=60,70"))
    assert swept.best is None
    assert swept.stability() is None
    assert swept.summary()["best"] is None
    assert isinstance(swept.top(), pl.DataFrame)
