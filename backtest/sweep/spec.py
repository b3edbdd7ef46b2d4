"""What a sweep is asked to be: a run, the axes around it, how to search and for what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backtest.canonical import digest_of
from backtest.manifest import engine_digest, versions
from backtest.spec import BacktestSpec, BadSpec, spec_of
from backtest.sweep.axes import Axis, axes_of
from strategies.definition import Strategy

__all__ = [
    "LOWER_IS_BETTER",
    "NOT_SWEPT",
    "Direction",
    "Method",
    "SweepSpec",
    "strategy_identity",
    "sweep_spec",
]

Method = Literal["grid", "random", "optuna"]
Direction = Literal["max", "min"]

LOWER_IS_BETTER: Final = frozenset(
    {
        *("volatility", "max_drawdown", "longest_drawdown_bars", "longest_drawdown_s"),
        *("rejected_orders", "longest_loss_streak", "turnover", "fees", "slippage"),
    }
)
"""Figures of which less is wanted, unless the spec says otherwise."""

NOT_SWEPT: Final = frozenset({"skewness", "kurtosis"})
"""Figures that a sweep does not take, for its speed."""


class SweepSpec(BaseModel):
    """One sweep, in words that can be kept, sent and asked for again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: BacktestSpec
    axes: tuple[Axis, ...] = Field(min_length=1)
    method: Method = "grid"
    trials: Annotated[int, Field(ge=1)] | None = Field(
        None, description="points to try (random, optuna); of a grid all are tried"
    )
    seed: Annotated[int, Field(ge=0)] = 0
    objective: str = Field("sharpe", description="figure that the best point has most of")
    direction: Direction | None = Field(
        None, description="max or min; by default what is better of that figure"
    )
    chunk: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1_000, description="points kept in one transaction; asked for at once of optuna: 32"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        from candela.metrics.figures import METRICS

        if self.objective not in METRICS or self.objective in NOT_SWEPT:
            known = ", ".join(name for name in METRICS if name not in NOT_SWEPT)
            message = f"objective {self.objective!r} is not one of {known}"
            raise ValueError(message)
        if self.method != "grid" and self.trials is None:
            message = f"a {self.method} search needs a number of trials"
            raise ValueError(message)
        if self.method == "grid" and self.trials is not None:
            message = "a grid tries every point; trials belong to random and optuna"
            raise ValueError(message)
        names = [axis.name for axis in self.axes]
        if fixed := [name for name in names if name in self.base.parameters]:
            message = f"{fixed[0]} is both fixed and an axis"
            raise ValueError(message)
        return self

    @property
    def is_max(self) -> bool:
        """Whether more of the objective is better."""
        if self.direction is None:
            return self.objective not in LOWER_IS_BETTER
        return self.direction == "max"

    @property
    def batch(self) -> int:
        """Points kept in one transaction; of a search that learns, those asked for at once."""
        return min(self.chunk, _LEARNED_AT_ONCE) if self.method == "optuna" else self.chunk

    def identity(self, source_digest: str, data_digest: str) -> str:
        """Return the sha256 that names this sweep over these candles by this strategy's text.

        Parameters
        ----------
        source_digest
            Name and digest of the strategy, as `strategy_identity` gives them.

        The objective of a grid or a random search is left out: the points are the same.
        """
        said = self.model_dump(mode="json")
        if self.method != "optuna":
            del said["objective"], said["direction"]
        said |= {
            "source_digest": source_digest,
            "data_digest": data_digest,
            "engine_digest": engine_digest(),
            "versions": versions(),
        }
        # Told by the candles, or of no effect on them.
        del said["base"]["as_of"], said["base"]["gap_limit"]
        # A file is told by its text: where it lies is nobody's business.
        del said["base"]["strategy"]
        return digest_of(said)


def strategy_identity(strategy: Strategy[Any]) -> str:
    """Return what tells a strategy from others: its name, for files that hold several, and text."""
    return f"{strategy.name} {strategy.source_digest}"


_LEARNED_AT_ONCE: Final = 32


def sweep_spec(
    strategy: Strategy[Any],
    base: BacktestSpec | Mapping[str, Any],
    axes: Mapping[str, Any] | Iterable[str],
    **options: Any,
) -> SweepSpec:
    """Return a checked sweep around a run.

    Parameters
    ----------
    axes
        Texts such as ``fast=5:50:5``, or values by name (see `backtest.sweep.axes.axes_of`).
    options
        The other fields of `SweepSpec`: method, trials, seed, objective, direction, chunk.

    Raises
    ------
    BadSpec
        Names each value that cannot be, and why.
    BadAxis
        An axis does not fit the strategy.
    """
    around = spec_of(base if isinstance(base, BacktestSpec) else dict(base))
    checked = axes_of(strategy, axes)
    try:
        return SweepSpec(base=around, axes=checked, **options)
    except ValidationError as error:
        parts = [
            f"{'.'.join(str(part) for part in one['loc']) or 'sweep'}:"
            f" {one['msg'].removeprefix('Value error, ').lower()}"
            for one in error.errors()
        ]
        message = f"The sweep cannot be: {'; '.join(parts)}."
        raise BadSpec(message, "See docs/concepts/sweeps.md for every field.") from None
