"""What came of a walk-forward: windows, the joined run out of sample, and what it says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from backtest.manifest import Origin, finite, write_manifest
from backtest.result import Curves, Result
from backtest.run import year_of
from candela.market.arrays import frozen_floats
from candela.metrics.curves import sums_of
from candela.metrics.figures import figures
from candela.metrics.trades import sums_of_trades
from strategies.signals import CONDITIONS, Signals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from backtest.sweep.axes import AxisValue
    from backtest.walkforward.spec import WalkForwardSpec
    from strategies.bars import Bars
    from strategies.definition import Strategy

__all__ = ["AxisStability", "WalkForwardResult", "WindowResult", "join"]

Records = npt.NDArray[np.void]

# What adds up over windows and no equity curve tells.
_ADDED: Final = ("traded", "fees", "slippage", "funding", "orders", "rejected")
_SHOWN: Final = (
    *("total_return", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor", "fees"),
)


@dataclass(frozen=True, slots=True)
class WindowResult:
    """One window: what was learned and what came of it.

    Attributes
    ----------
    train, test
        Rows of the bars.
    parameters
        What was chosen; None where no point had an objective, and nothing was traded.
    in_sample
        Figures of the choice in training.
    points
        Points of the sweep.
    run
        The choice on the test window, begun with the cash that the window before left.
    """

    train: range
    test: range
    parameters: Mapping[str, AxisValue] | None
    in_sample: Mapping[str, float | int]
    points: int
    sweep_id: str
    run: Result


@dataclass(frozen=True, slots=True)
class AxisStability:
    """How steady the choice of one parameter was over the windows.

    Attributes
    ----------
    most_common, share
        The value chosen most often, and in which share of the windows.
    distinct
        Different values chosen.
    mean_move
        Mean change from one window to the next as a share of the axis, 0 to 1; NaN for words.
    """

    name: str
    most_common: AxisValue
    share: float
    distinct: int
    mean_move: float


@dataclass(frozen=True)
class WalkForwardResult:
    """Windows in order of time.

    Attributes
    ----------
    result
        The test windows joined to one run: its figures are those out of sample.
    """

    spec: WalkForwardSpec
    windows: tuple[WindowResult, ...]
    result: Result
    times: npt.NDArray[np.int64]

    @property
    def points(self) -> int:
        """Points run in training, all windows together."""
        return sum(window.points for window in self.windows)

    @property
    def efficiency(self) -> float:
        """Growth a bar out of sample over that in sample (logarithms), all windows together.

        1: what was learned held; 0 or less: it did not. NaN where training itself did not grow.

        Source: R. Pardo, The Evaluation and Optimization of Trading Strategies, 2008, ch. 11, with
        logarithms, so that short windows are not annualised.
        """
        learned = _growth(
            [(w.in_sample.get("total_return", 0.0), len(w.train)) for w in self.windows]
        )
        tested = _growth([(w.run.metrics["total_return"], len(w.test)) for w in self.windows])
        return tested / learned if learned > 0 else math.nan

    @property
    def profitable_share(self) -> float:
        """Share of the windows whose test gained."""
        gains = [window.run.metrics["total_return"] > 0 for window in self.windows]
        return sum(gains) / len(gains)

    def stability(self) -> list[AxisStability]:
        """Say for each axis how steady the choice was."""
        found: list[AxisStability] = []
        for axis in self.spec.sweep.axes:
            values = [w.parameters[axis.name] for w in self.windows if w.parameters is not None]
            if not values:
                continue
            value, times = Counter(values).most_common(1)[0]
            places = np.array([axis.values.index(one) for one in values], dtype=np.float64)
            moves = np.abs(np.diff(places))
            moved = (
                float(moves.mean()) / max(len(axis) - 1, 1)
                if axis.is_ordered and len(moves)
                else math.nan
            )
            found.append(
                AxisStability(axis.name, value, times / len(values), len(set(values)), moved)
            )
        return found

    def in_sample(self, name: str) -> npt.NDArray[np.float64]:
        """Return (windows,) a figure of the choices in training."""
        return np.array([window.in_sample.get(name, math.nan) for window in self.windows])

    def out_of_sample(self, name: str) -> npt.NDArray[np.float64]:
        """Return (windows,) a figure of the choices in test."""
        return np.array([window.run.metrics[name] for window in self.windows], dtype=np.float64)

    def plot(self, name: str | None = None) -> Figure:
        """Draw a figure in training and in test, window by window, and the joined equity."""
        from backtest.report.searchplots import plot_walkforward

        name = name or self.spec.sweep.objective
        return plot_walkforward(
            [self._at(window.test.start) for window in self.windows],
            self.in_sample(name),
            self.out_of_sample(name),
            value_label=name,
            equity_time=self.result.bars.time,
            equity=self.result.equity,
        )

    def save_plots(self, folder: Path) -> list[Path]:
        """Write the picture of the objective and the joined equity as PNG; return the files."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "walkforward.png"
        self.plot().savefig(str(path))  # pyright: ignore[reportUnknownMemberType]
        return [path]

    def summary(self) -> dict[str, Any]:
        """Return what ``--json`` prints: the joined run, the windows and how steady they were."""
        return {
            **self.result.summary(),
            "efficiency": finite(self.efficiency),
            "profitable_share": self.profitable_share,
            "points": self.points,
            "windows": [self._line(window) for window in self.windows],
            "stability": [
                {
                    "name": one.name,
                    "most_common": one.most_common,
                    "share": one.share,
                    "distinct": one.distinct,
                    "mean_move": finite(one.mean_move),
                }
                for one in self.stability()
            ],
        }

    def _line(self, window: WindowResult) -> dict[str, Any]:
        return {
            "train_from": self._text(window.train.start),
            "train_bars": len(window.train),
            "test_from": self._text(window.test.start),
            "test_bars": len(window.test),
            "parameters": window.parameters,
            "points": window.points,
            "sweep_id": window.sweep_id,
            "in_sample": {
                name: finite(window.in_sample[name]) for name in _SHOWN if name in window.in_sample
            },
            "out_of_sample": {name: finite(window.run.metrics[name]) for name in _SHOWN},
        }

    def _at(self, row: int) -> datetime:
        return datetime.fromtimestamp(int(self.times[row]) / 1e6, UTC)

    def _text(self, row: int) -> str:
        return self._at(row).isoformat(timespec="seconds").replace("+00:00", "Z")


def join(
    strategy: Strategy[Any],
    bars: Bars,
    spec: WalkForwardSpec,
    origin: Origin,
    windows: Sequence[WindowResult],
) -> WalkForwardResult:
    """Return the windows with their tests joined to one run, each begun where the last ended."""
    inside = bars[windows[0].test.start : windows[-1].test.stop]
    base = spec.sweep.base
    runs = [window.run for window in windows]
    equity = frozen_floats(np.concatenate([run.equity for run in runs]))
    position = frozen_floats(np.concatenate([run.position for run in runs]))
    fills = np.concatenate(
        [
            _moved(run.fills, window, windows[0], "bar")
            for run, window in zip(runs, windows, strict=True)
        ]
    )
    trades = np.concatenate(
        [
            _moved(run.trades, window, windows[0], "entry_bar", "exit_bar")
            for run, window in zip(runs, windows, strict=True)
        ]
    )
    sums = sums_of(equity, base.cash, position)
    for name in _ADDED:
        sums[name] = sum(run.sums[name][0] for run in runs)
    result = Result(
        bars=inside,
        signals=_joined_signals(runs, len(inside)),
        metrics=figures(
            sums,
            sums_of_trades(trades),
            bars_per_year=year_of(inside),
            span_s=float(inside.time[-1] - inside.time[0]) / 1e6 + inside.timeframe.seconds,
            timeframe_s=inside.timeframe.seconds,
            benchmark_return=float(inside.close[-1] / inside.open[0] - 1.0),
        ),
        trades=trades,
        sums=sums,
        cash=base.cash,
        model=base.model,
        _curves=partial(Curves, equity, position, fills),
        _manifest=partial(_manifest, strategy, spec, origin),
    )
    return WalkForwardResult(spec, tuple(windows), result, bars.time)


def _manifest(strategy: Strategy[Any], spec: WalkForwardSpec, origin: Origin) -> dict[str, Any]:
    base = spec.sweep.base
    said = spec.model_dump(mode="json")
    sweep = said.pop("sweep")
    del sweep["base"], sweep["chunk"]
    return write_manifest(
        kind="walkforward",
        strategy={"name": strategy.name, "source_digest": strategy.source_digest},
        parameters={**base.parameters, "walk_forward": {**said, "sweep": sweep}},
        origin=origin,
        model=base.model,
        protection=base.protection.model_dump(),
        cash=base.cash,
        seed=base.seed,
    )


def _moved(records: Records, window: WindowResult, first: WindowResult, *bars: str) -> Records:
    moved = records.copy()
    for name in bars:
        moved[name] = np.where(
            records[name] < 0, -1, records[name] + window.test.start - first.test.start
        )
    return moved


def _joined_signals(runs: Sequence[Result], length: int) -> Signals:
    """Return the conditions of all windows; lines of other parameters are no one line."""
    joined: dict[str, Any] = {}
    for name in CONDITIONS:
        if any(getattr(run.signals, name) is not None for run in runs):
            joined[name] = np.concatenate([run.signals.mask(name, len(run.bars)) for run in runs])
    signals = Signals(**joined)
    signals.check(length)
    return signals


def _growth(parts: Sequence[tuple[float, int]]) -> float:
    bars = sum(length for _, length in parts)
    total = sum(math.log1p(max(value, -0.999_999)) for value, _ in parts)
    return total / bars if bars else math.nan
