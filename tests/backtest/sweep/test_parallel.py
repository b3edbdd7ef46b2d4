"""Sweeps over several processes: the same points, whoever runs them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from backtest.spec import Protection
from backtest.sweep.parallel import Crew, WorkerCount, WorkerLost
from backtest.sweep.run import run_sweep
from backtest.sweep.worker import Market, StrategyNotInFile, read_market, write_market
from candela.fills.model import FillModel
from strategies.bars import Bars
from strategies.definition import Strategy, StrategyFailed
from strategies.ma_cross import ma_cross
from strategies.registry import find
from strategies.signals import Signals
from tests.backtest.sweep.making import spec, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BROKEN = '''"""A strategy that fails where it is told to."""

from __future__ import annotations

from strategies.bars import Bars
from strategies.conditions import crossed_above
from strategies.definition import Parameters, parameter, strategy
from strategies.indicators import sma
from strategies.signals import Signals


class Failing(Parameters):
    window: int = parameter(5, "Window.", ge=2, le=100)


@strategy(name="failing", parameters=Failing, warm_up=lambda p: p.window)
def failing(bars: Bars, parameters: Failing) -> Signals:
    """Buy above the mean."""
    if parameters.window == 66:
        raise ValueError("sixty-six")
    return Signals(long_entries=crossed_above(bars.close, sma(bars.close, parameters.window)))
'''


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with Crew(3) as made:
        yield made


def test_crew_when_it_works_then_points_are_those_of_one_process(crew: Crew) -> None:
    bars = walk()
    for asked in (spec(chunk=3), spec(chunk=100), spec(method="optuna", trials=20, chunk=7)):
        assert run_sweep(ma_cross, bars, asked, crew=crew).frame.equals(
            run_sweep(ma_cross, bars, asked).frame
        )


def test_crew_when_stopped_then_the_next_sweep_is_whole(crew: Crew) -> None:
    bars, asked = walk(), spec(chunk=1)
    stopped = run_sweep(ma_cross, bars, asked, crew=crew, should_stop=lambda: True)
    assert not stopped.is_done
    assert run_sweep(ma_cross, walk(seed=2), asked, crew=crew).frame.equals(
        run_sweep(ma_cross, walk(seed=2), asked).frame
    )


def test_crew_when_the_strategy_is_a_users_file_then_the_others_read_it(
    crew: Crew, tmp_path: Path
) -> None:
    path = tmp_path / "failing.py"
    path.write_text(BROKEN, "utf-8")
    own = find(str(path))
    axes = ("window=5:60:1",)
    from backtest.sweep.spec import sweep_spec
    from tests.backtest.sweep.making import BASE

    asked = sweep_spec(own, {**BASE, "strategy": "failing"}, axes, chunk=4)
    swept = run_sweep(own, walk(), asked, crew=crew)
    assert swept.frame.equals(run_sweep(own, walk(), asked).frame)
    broken = sweep_spec(own, {**BASE, "strategy": "failing"}, ["window=60:70:1"], chunk=1)
    with pytest.raises(StrategyFailed, match="sixty-six") as failed:
        run_sweep(own, walk(), broken, crew=crew)
    assert failed.value.hint
    # What others still had at hand is nobody's any more.
    assert run_sweep(ma_cross, walk(), spec(chunk=3), crew=crew).is_done


def test_crew_when_the_strategy_is_in_no_file_then_says_so(crew: Crew) -> None:
    made: dict[str, object] = {"Signals": Signals}
    exec("def decide(bars, parameters):\n    return Signals()\n", made)  # noqa: S102 - as a notebook
    loose: Strategy[Any] = replace(ma_cross, function=cast("Any", made["decide"]))
    vars(loose)["source_text"] = "a cell of a notebook"
    with pytest.raises(StrategyNotInFile, match="ma_cross is written in no file"):
        run_sweep(loose, walk(), spec(), crew=crew)


def test_crew_when_a_process_dies_then_the_sweep_ends_in_words() -> None:
    with Crew(2) as mortal:
        mortal._hands[0].process.kill()
        mortal._hands[0].process.wait()
        with pytest.raises(WorkerLost, match="ended with -9") as lost:
            run_sweep(ma_cross, walk(), spec(chunk=1), crew=mortal)
    assert lost.value.retryable


def test_crew_when_closed_then_no_process_and_no_file_is_left() -> None:
    made = Crew(2)
    run_sweep(ma_cross, walk(), spec(chunk=1), crew=made)
    folder = made._folder
    hand = made._hands[0]
    assert folder is not None
    made.close()
    assert hand.process.returncode is not None
    from pathlib import Path

    assert not Path(folder.name).exists()


def test_crew_when_of_nobody_then_refused() -> None:
    with pytest.raises(WorkerCount, match="0 workers"):
        Crew(0)


def test_market_when_written_then_read_the_same_with_what_else_it_holds(tmp_path: Path) -> None:
    bars = walk(50)
    other = walk(50, seed=2)
    whole = Bars(
        **{
            name: getattr(bars, name) for name in ("time", "open", "high", "low", "close", "volume")
        },
        timeframe=bars.timeframe,
        instrument=bars.instrument,
        others={"bitvavo:ETH/EUR": other},
    )
    market = Market(
        ma_cross, whole, FillModel(), 500.0, Protection(stop_loss=0.1), lead=7, is_window=True
    )
    write_market(market, tmp_path / "one.market")
    read = read_market(tmp_path / "one.market")
    assert read.strategy is ma_cross
    assert (read.cash, read.lead, read.is_window) == (500.0, 7, True)
    assert read.protection == market.protection
    assert read.bars.digest == bars.digest
    assert read.bars.other("bitvavo:ETH/EUR").digest == other.digest
    assert not read.bars.close.flags.writeable
    assert read.bars.close.base is not None
