"""What the ledger is told of the points of a sweep: the very trials that runs of them would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backtest.ledger.identity import trial_base, trial_key
from backtest.ledger.records import Family, Trial
from backtest.ledger.trials import per_bar
from backtest.manifest import Origin, write_manifest
from backtest.spec import BacktestSpec
from backtest.sweep.axes import AxisValue
from backtest.sweep.evaluate import PROTECTIONS
from backtest.sweep.space import Space

__all__ = ["TrialWriter"]

Figures = Mapping[str, npt.NDArray[Any]]


class TrialWriter:
    """Make trials of points and their figures; their keys are those of single runs.

    Parameters
    ----------
    lead
        Of a window, the bars before it that are warmed up on (see `backtest.sweep.windows`).
    """

    def __init__(
        self, space: Space, base: BacktestSpec, origin: Origin, *, lead: int | None = None
    ) -> None:
        strategy = space.strategy
        self._space = space
        self._protection = base.protection.model_dump()
        self._manifest = write_manifest(
            strategy={"name": strategy.name, "source_digest": strategy.source_digest},
            parameters={},
            origin=origin,
            model=base.model,
            protection=self._protection,
            cash=base.cash,
            seed=base.seed,
        )
        if lead is not None:
            # A run of the same candles that starts cold, or ends with an open position, is another.
            self._manifest["window"] = {"lead": lead}
        own = strategy.parameters.model_fields
        self._stops = tuple(
            axis.name for axis in space.axes if axis.name in PROTECTIONS and axis.name not in own
        )
        self._bases: dict[tuple[AxisValue, ...], str] = {}

    @property
    def family(self) -> Family:
        """Among which trials these count."""
        return Family.of(self._manifest)

    def trials(self, points: Sequence[Mapping[str, AxisValue]], figures: Figures) -> list[Trial]:
        """Return a trial for each point, in order."""
        year = float(figures["bars_per_year"][0]) if len(points) else np.nan
        # Python's own numbers at once: one by one out of numpy they cost more than the simulation.
        columns = {
            name: figures[name].tolist()
            for name in ("bars", "sharpe", "total_return", "max_drawdown", "trades")
        }
        made: list[Trial] = []
        for row, point in enumerate(points):
            given = self._space.parameters(point)
            parameters = self._space.strategy.parameters(**given).model_dump()
            made.append(
                Trial(
                    key=trial_key(self._base(point), parameters),
                    parameters=parameters,
                    bars=columns["bars"][row],
                    sharpe=per_bar(columns["sharpe"][row], year),
                    total_return=columns["total_return"][row],
                    max_drawdown=columns["max_drawdown"][row],
                    round_trips=columns["trades"][row],
                )
            )
        return made

    def _base(self, point: Mapping[str, AxisValue]) -> str:
        stops = tuple(point[name] for name in self._stops)
        found = self._bases.get(stops)
        if found is None:
            protection = self._protection | dict(zip(self._stops, stops, strict=True))
            found = trial_base(self._manifest | {"protection": protection})
            self._bases[stops] = found
        return found
