"""What is kept must not owe itself to the future; what is kept can be had again and judged."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backtest.sweep.spec import sweep_spec
from backtest.walkforward.spec import WalkForwardSpec
from backtest.workbench import Workbench
from candela.candles.store import CandleStore
from candela.clock import FixedClock
from candela.db.connect import Database, Role
from strategies.definition import StrategyFailed
from strategies.equivalence.report import NotEquivalent
from tests.fixtures.candles import BTC, HOUR, batch, made_up

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ASKED: dict[str, Any] = {"instruments": [str(BTC)], "timeframe": "1h"}
SHIFTED = '''"""A mean that looks ahead by as much as a parameter says."""

import numpy as np

from strategies.bars import Bars
from strategies.conditions import Cross
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import sma
from strategies.signals import Signals


class ShiftedParameters(Parameters):
    """How far ahead."""

    ahead: int = parameter(0, "Bars.", ge=0, le=5)
    window: int = parameter(10, "Bars.", ge=2, le=50)


@strategy(name="shifted", parameters=ShiftedParameters, warm_up=lambda p: p.window + 80)
def shifted(bars: Bars, parameters: ShiftedParameters) -> Signals:
    """Buy what will have risen."""
    close = np.append(bars.close[parameters.ahead :], np.full(parameters.ahead, np.nan))
    cross = Cross(close, sma(bars.close, parameters.window))
    return Signals(long_entries=cross.above, long_exits=cross.below)
'''


@pytest.fixture
def bench(database: Database, tmp_path: Path) -> Workbench:
    with closing(database.connect(Role.PIPELINES)) as connection:
        CandleStore(connection, FixedClock(NOW)).write(
            batch(made_up(1_500, timeframe=HOUR, seed=5), timeframe=HOUR)
        )
    return Workbench(database, clock=FixedClock(NOW), strategies=tmp_path / "own")


@pytest.fixture
def shifted(tmp_path: Path) -> Path:
    path = tmp_path / "shifted.py"
    path.write_text(SHIFTED)
    return path


def test_backtest_when_a_strategy_looks_ahead_then_nothing_is_kept(
    bench: Workbench, shifted: Path
) -> None:
    with pytest.raises(NotEquivalent):
        bench.backtest(strategy=str(shifted), parameters={"ahead": 1}, **ASKED)
    assert bench.ledger.runs() == []


def test_backtest_when_it_passed_at_one_point_then_another_is_checked_as_well(
    bench: Workbench, shifted: Path
) -> None:
    bench.backtest(strategy=str(shifted), **ASKED)
    with pytest.raises(NotEquivalent):
        bench.backtest(strategy=str(shifted), parameters={"ahead": 2}, **ASKED)
    assert len(bench.ledger.runs()) == 1
    bench.backtest(strategy=str(shifted), parameters={"window": 12}, **ASKED)
    (kept,) = bench.ledger.sources("shifted")
    assert len((kept.check_result or {})["points"]) == 2


def test_sweep_when_a_corner_of_it_looks_ahead_then_it_is_refused(
    bench: Workbench, shifted: Path
) -> None:
    base = {"strategy": str(shifted), **ASKED}
    spec = sweep_spec(bench.strategy(str(shifted)), base, ["ahead=0,1"])
    with pytest.raises(NotEquivalent):
        bench.sweep(spec)
    assert bench.ledger.sweeps() == []


def test_sweep_when_of_a_file_then_no_place_is_kept_and_another_place_is_the_same_sweep(
    bench: Workbench, shifted: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere" / "renamed.py"
    moved.parent.mkdir()
    moved.write_text(SHIFTED)
    found = [
        bench.sweep(
            sweep_spec(bench.strategy(str(path)), {"strategy": str(path), **ASKED}, ["window=5,9"])
        )
        for path in (shifted, moved)
    ]
    assert found[0].sweep_id == found[1].sweep_id
    assert found[1].computed == 0
    (kept,) = bench.ledger.sweeps()
    assert str(tmp_path) not in str(kept.spec)


def test_verdict_when_runs_had_other_stops_then_each_is_run_with_its_own(bench: Workbench) -> None:
    stops = (0.01, 0.03, None)
    for stop in stops:
        bench.backtest({"strategy": "ma_cross", "protection": {"stop_loss": stop}} | ASKED)
    last = bench.ledger.runs()[0]
    judged = bench.verdict(last.run_id)
    assert (judged.trials_ever, judged.trials_seen) == (3, 3)
    assert {line.protection["stop_loss"] for line in bench.ledger.runs()} == set(stops)


def test_verdict_when_a_sibling_cannot_run_under_these_rules_then_it_is_counted_only(
    bench: Workbench,
) -> None:
    risky = bench.backtest(
        strategy="ma_cross",
        **ASKED,
        protection={"stop_loss": 0.02},
        sizing={"kind": "risk", "value": 0.01},
    )
    bench.backtest(strategy="ma_cross", parameters={"fast": 5}, **ASKED)
    judged = bench.verdict(risky.manifest["id"])
    assert (judged.trials_ever, judged.trials_seen) == (2, 1)


def test_again_when_of_a_walk_forward_then_it_comes_out_the_same(bench: Workbench) -> None:
    sweep = sweep_spec(
        bench.strategy("ma_cross"), {"strategy": "ma_cross", **ASKED}, ["fast=5,10", "slow=20,30"]
    )
    walked = bench.walk_forward(WalkForwardSpec(sweep=sweep, train="400", test="200"))
    assert walked is not None
    again = bench.again(walked.result.manifest["id"])
    assert again.trades_digest == walked.result.trades_digest


RAISES = SHIFTED.replace(
    "    close = np.append",
    "    if parameters.window == 9:\n        raise ValueError(9)\n    close = np.append",
)


def test_sweep_when_a_point_of_its_first_chunk_fails_then_nothing_is_listed(
    bench: Workbench, tmp_path: Path
) -> None:
    path = tmp_path / "raises.py"
    path.write_text(RAISES)
    base = {"strategy": str(path), "parameters": {"ahead": 0}, **ASKED}
    spec = sweep_spec(bench.strategy(str(path)), base, ["window=5,9,12"])
    with pytest.raises(StrategyFailed, match="shifted raised ValueError in line"):
        bench.sweep(spec)
    assert bench.ledger.sweeps() == []
