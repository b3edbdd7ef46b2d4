"""Walk-forward: warm when a window begins, flat when it ends, and never ahead of its time."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.evidence.samples import BadEvidenceOption
from backtest.run import backtest
from backtest.spec import BadSpec
from backtest.sweep.journal import FolderJournal
from backtest.sweep.windows import Window, cut_signals
from backtest.walkforward.run import run_walk_forward
from backtest.walkforward.spec import bars_of, walk_forward_spec
from candela.fills.model import Execution, FillModel
from candela.market.timeframe import Timeframe
from strategies.bars import Bars
from strategies.conditions import Events
from strategies.ma_cross import ma_cross
from strategies.signals import Signals
from tests.backtest.sweep.making import spec, walk

if TYPE_CHECKING:
    from pathlib import Path

HOUR = Timeframe(3_600)
AXES = ("fast=5:15:5", "slow=20:40:10")
WALK = walk_forward_spec(spec(*AXES), train="300", test="100")


@pytest.mark.parametrize(
    ("text", "bars"), [("300", 300), ("300 bars", 300), ("90d", 2_160), ("2w", 336), ("36h", 36)]
)
def test_length_when_written_then_it_is_so_many_bars(text: str, bars: int) -> None:
    assert bars_of(text, HOUR, "train") == bars


@pytest.mark.parametrize("text", ["", "many", "-5", "3.5d", "90x", "30m"])
def test_length_when_it_is_none_then_refused_by_name(text: str) -> None:
    with pytest.raises(BadSpec, match="train="):
        bars_of(text, HOUR, "train")


def test_walk_when_a_window_holds_no_bar_or_the_choice_is_unknown_then_refused() -> None:
    with pytest.raises(BadSpec, match="no bar"):
        walk_forward_spec(spec(*AXES), train="300", test="0")
    with pytest.raises(BadSpec, match="choose"):
        walk_forward_spec(spec(*AXES), train="300", test="100", choose="lucky")


def test_walk_when_the_bars_are_too_few_then_refused() -> None:
    with pytest.raises(BadEvidenceOption, match="300"):
        run_walk_forward(ma_cross, walk(250), WALK)


def test_windows_when_walked_then_tests_meet_and_money_passes_from_one_to_the_next() -> None:
    bars = walk(1_050)
    walked = run_walk_forward(ma_cross, bars, WALK)
    assert walked is not None
    assert [window.test.start for window in walked.windows] == list(range(300, 1_050, 100))
    assert all(one.test.stop == other.test.start for one, other in pairwise(walked.windows))
    assert all(window.train.stop == window.test.start for window in walked.windows)
    for one, other in pairwise(walked.windows):
        assert other.run.metrics["initial_equity"] == one.run.metrics["final_equity"]
    result = walked.result
    assert len(result.equity) == len(result.bars) == 750
    assert result.equity[-1] == walked.windows[-1].run.metrics["final_equity"]
    product = math.prod(1 + window.run.metrics["total_return"] for window in walked.windows)
    assert result.metrics["total_return"] == pytest.approx(product - 1)
    assert result.metrics["trades"] == sum(w.run.metrics["trades"] for w in walked.windows)
    assert result.metrics["fees"] == pytest.approx(
        sum(w.run.metrics["fees"] for w in walked.windows)
    )


@pytest.mark.parametrize("fill", ["next_open", "close"])
def test_windows_when_they_end_then_nothing_is_open_in_either_way_of_filling(fill: str) -> None:
    asked = walk_forward_spec(spec(*AXES), train="300", test="100")
    base = asked.sweep.base.model_copy(update={"execution": Execution(fill=fill)})  # pyright: ignore[reportArgumentType]
    asked = asked.model_copy(update={"sweep": asked.sweep.model_copy(update={"base": base})})
    walked = run_walk_forward(ma_cross, walk(1_000), asked)
    assert walked is not None
    assert sum(w.run.metrics["trades"] for w in walked.windows) > 0
    for window in walked.windows:
        assert window.run.metrics["open_trades"] == 0
        assert window.run.position[-1] == 0.0
    trades = walked.result.trades
    assert (trades["exit_bar"] >= trades["entry_bar"]).all()
    assert (np.diff(trades["entry_bar"]) >= 0).all()


def test_window_when_warmed_up_then_it_decides_as_a_run_over_all_bars_does() -> None:
    bars = walk(900)
    parameters = ma_cross.with_values({"fast": 5, "slow": 40})
    whole = ma_cross.signals(bars, parameters)
    lead = ma_cross.warm_up(parameters)
    window = Window(bars[400 - lead : 500], lead)
    inside = window.strategy(ma_cross).signals(window.inside, parameters)
    entries = whole.rows("long_entries", 900)
    wanted = entries[(entries >= 400) & (entries < 498)] - 400
    assert inside.rows("long_entries", 100).tolist() == wanted.tolist()
    assert len(wanted)
    cold = ma_cross.signals(bars[400:500], parameters)
    assert cold.rows("long_entries", 100).tolist() != wanted.tolist()


@settings(max_examples=20, deadline=None)
@given(st.integers(300, 699), st.integers(0, 2**16))
def test_walk_when_the_future_changes_then_the_past_does_not(row: int, seed: int) -> None:
    """Everything decided in windows that end before a row is the same whatever comes after it."""
    bars = walk(700)
    other = walk(700, seed=seed + 5)
    spliced: dict[str, Any] = {
        name: np.concatenate([getattr(bars, name)[:row], getattr(other, name)[row:]])
        for name in ("open", "high", "low", "close", "volume")
    }
    changed = Bars(time=bars.time, **spliced, timeframe=bars.timeframe, instrument=bars.instrument)
    one, two = (run_walk_forward(ma_cross, each, WALK) for each in (bars, changed))
    assert one is not None
    assert two is not None
    for before, after in zip(one.windows, two.windows, strict=True):
        if before.train.stop <= row:
            assert before.parameters == after.parameters
        if before.test.stop <= row:
            assert before.run.trades_digest == after.run.trades_digest


def test_choice_when_made_then_it_is_the_best_of_its_training_and_nothing_else() -> None:
    bars = walk(600)
    walked = run_walk_forward(ma_cross, bars, WALK)
    assert walked is not None
    window = walked.windows[1]
    lead = 41
    seen = bars[window.train.start - lead : window.train.stop]
    sharpes: dict[tuple[int, int], float] = {}
    for fast in (5, 10, 15):
        for slow in (20, 30, 40):
            inside = Window(seen, lead)
            run = backtest(
                inside.strategy(ma_cross),
                inside.inside,
                {"fast": fast, "slow": slow},
                model=WALK.sweep.base.model,
            )
            sharpes[fast, slow] = run.metrics["sharpe"]
    best = max(sharpes, key=lambda pair: sharpes[pair])
    assert window.parameters == {"fast": best[0], "slow": best[1]}
    assert window.in_sample["sharpe"] == pytest.approx(sharpes[best], rel=1e-6)


def test_anchored_when_walked_then_training_begins_at_the_first_bar() -> None:
    asked = walk_forward_spec(spec(*AXES), train="300", test="100", anchored=True, embargo="10")
    walked = run_walk_forward(ma_cross, walk(700), asked)
    assert walked is not None
    assert {window.train.start for window in walked.windows} == {0}
    assert all(window.test.start - window.train.stop == 10 for window in walked.windows)


def test_walk_when_stopped_then_it_goes_on_from_what_is_kept(tmp_path: Path) -> None:
    bars, asked = walk(700), 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 25

    kept = FolderJournal(tmp_path)
    stopped = run_walk_forward(ma_cross, bars, WALK, journal=lambda: kept, should_stop=should_stop)
    assert stopped is None
    told: list[int] = []
    again = run_walk_forward(
        ma_cross, bars, WALK, journal=lambda: kept, progress=lambda done, _total: told.append(done)
    )
    whole = run_walk_forward(ma_cross, bars, WALK)
    assert again is not None
    assert whole is not None
    assert again.result.trades_digest == whole.result.trades_digest
    assert again.result.manifest["id"] == whole.result.manifest["id"]
    assert told == sorted(told)
    assert told[-1] == again.points


def test_walk_when_no_point_trades_then_it_stays_out() -> None:
    asked = walk_forward_spec(spec("fast=5", "slow=290"), train="100", test="100")
    flat = walk(500)
    names = ("open", "high", "low", "close", "volume")
    flat_prices: dict[str, Any] = {name: np.full(500, 100.0) for name in names}
    still = Bars(
        time=flat.time,
        **flat_prices,
        timeframe=flat.timeframe,
        instrument=flat.instrument,
    )
    walked = run_walk_forward(ma_cross, still, asked)
    assert walked is not None
    assert [window.parameters for window in walked.windows] == [None] * len(walked.windows)
    assert walked.result.metrics["trades"] == 0
    assert walked.stability() == []
    assert math.isnan(walked.efficiency)


def test_summary_when_printed_then_it_is_json_with_windows_and_stability() -> None:
    walked = run_walk_forward(ma_cross, walk(700), WALK)
    assert walked is not None
    said = json.loads(json.dumps(walked.summary(), allow_nan=False))
    assert said["manifest"]["kind"] == "walkforward"
    assert said["manifest"]["rows"] == 700
    assert len(said["windows"]) == 4
    assert {one["name"] for one in said["stability"]} == {"fast", "slow"}
    assert all(0 < one["share"] <= 1 for one in said["stability"])
    assert said["points"] == 36


def test_efficiency_when_tests_grow_half_as_fast_as_training_then_it_is_one_half() -> None:
    walked = run_walk_forward(ma_cross, walk(700), WALK)
    assert walked is not None
    windows = [
        replace(
            window,
            in_sample={"total_return": math.exp(0.03 * 3) - 1},
            run=replace(window.run, metrics={"total_return": math.exp(0.015) - 1}),
        )
        for window in walked.windows
    ]
    assert replace(walked, windows=tuple(windows)).efficiency == pytest.approx(0.5)


def test_cut_when_signals_hold_masks_numbers_and_shorts_then_all_are_cut_alike() -> None:
    rows = 20
    mask = np.zeros(rows, np.bool_)
    mask[[8, 17, 18, 19]] = True
    signals = Signals(
        long_entries=Events(np.array([3, 9, 18]), rows),
        short_entries=mask,
        stop_loss=np.linspace(0.01, 0.2, rows),
        exit_fraction=0.5,
        legs=2,
        limit_price=np.arange(1.0, rows + 1),
        panes={"line": np.arange(rows, dtype=np.float64)},
    )
    cut = cut_signals(signals, rows, 5, "next_open")
    cut.check(15)
    assert cut.rows("long_entries", 15).tolist() == [4]
    assert cut.rows("short_entries", 15).tolist() == [3, 12]
    assert cut.rows("long_exits", 15).tolist() == cut.rows("short_exits", 15).tolist() == [13]
    fraction = cut.numbers("exit_fraction", 15)
    assert fraction is not None
    assert (fraction[13], fraction[12]) == (1.0, 0.5)
    assert isinstance(cut.stop_loss, np.ndarray)
    assert cut.stop_loss[0] == signals.stop_loss[5]  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]
    assert cut.panes["line"].tolist() == list(range(5, 20))
    at_close = cut_signals(signals, rows, 5, "close")
    assert at_close.rows("long_exits", 15).tolist() == [14]
    assert at_close.rows("short_entries", 15).tolist() == [3, 12, 13]


def test_cut_when_the_window_is_one_bar_then_nothing_is_decided() -> None:
    signals = Signals(long_entries=Events(np.array([0, 4]), 5), exit_fraction=0.5)
    cut = cut_signals(signals, 5, 4, "next_open")
    cut.check(1)
    assert cut.rows("long_entries", 1).tolist() == cut.rows("long_exits", 1).tolist() == []
    model = FillModel()

    def decide(_bars: Bars, _parameters: object) -> Signals:
        return cut

    run = backtest(replace(ma_cross, function=decide), walk(1), model=model)
    assert run.metrics["trades"] == 0
