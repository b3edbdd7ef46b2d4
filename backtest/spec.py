"""What a backtest is asked to be: strategy, parameters, instruments, span, costs, cash."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from candela.candles.spans import instant
from candela.errors import StrategyError
from candela.fills.model import Costs, Execution, FillModel, Sizing, VenueRules
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from candela.payout.rules import PayoutRules

__all__ = ["BacktestSpec", "BadSpec", "Protection", "spec_of", "spec_of_manifest"]

Ratio = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class BadSpec(StrategyError):
    """What was asked of a backtest cannot be."""

    code = "bad_spec"


class Protection(BaseModel):
    """Stops and targets of a run, in the place of those the strategy gives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stop_loss: Ratio | None = Field(
        default=None,
        description="ratio of the fill price",
    )
    take_profit: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="ratio of the fill price"
    )
    trailing_stop: Ratio | None = Field(
        default=None, description="ratio of the best price since the fill"
    )


class BacktestSpec(BaseModel):
    """One run, in words that can be kept, sent and asked for again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: str = Field(min_length=1, description="name, or path of a file")
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    instruments: tuple[str, ...] = Field(min_length=1, description="venue:SYMBOL each")
    timeframe: str
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    as_of: AwareDatetime | None = None
    cash: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10_000.0
    execution: Execution = Execution()
    costs: Costs = Costs()
    rules: VenueRules = VenueRules()
    sizing: Sizing = Sizing()
    protection: Protection = Protection()
    payout: PayoutRules | None = Field(
        default=None, description="of strategies that bet on fixed payouts"
    )
    gap_limit: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.2, description="largest share of absent candles that is still simulated"
    )
    seed: Annotated[int, Field(ge=0)] = 0

    @field_validator("instruments")
    @classmethod
    def _instruments_are_named(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        texts = tuple(str(Instrument.parse(name)) for name in names)
        if len(set(texts)) < len(texts):
            message = f"an instrument is named twice: {', '.join(texts)}"
            raise ValueError(message)
        return texts

    @field_validator("timeframe")
    @classmethod
    def _timeframe_is_one(cls, text: str) -> str:
        return str(Timeframe.parse(text))

    @field_validator("since", "until", "as_of", mode="before")
    @classmethod
    def _instants_are_utc(cls, value: object) -> object:
        return instant(value) if isinstance(value, str | datetime) else value

    @property
    def model(self) -> FillModel:
        """Everything that turns decisions into fills."""
        return FillModel(
            execution=self.execution, costs=self.costs, rules=self.rules, sizing=self.sizing
        )


def spec_of(values: dict[str, Any] | BacktestSpec) -> BacktestSpec:
    """Return a checked spec.

    Raises
    ------
    BadSpec
        Names each value that cannot be, and why.
    CandelaError
        An instrument, timeframe or instant cannot be read.
    """
    if isinstance(values, BacktestSpec):
        return values
    try:
        return BacktestSpec(**values)
    except ValidationError as error:
        parts = [
            f"{'.'.join(str(part) for part in one['loc']) or 'spec'}={one['input']!r}:"
            f" {one['msg'].removeprefix('Value error, ').lower()}"
            for one in error.errors()
        ]
        message = "; ".join(parts) + "."
        raise BadSpec(message, "See docs/concepts/backtests.md for every field.") from None


def spec_of_manifest(manifest: Mapping[str, Any]) -> BacktestSpec:
    """Return the spec that asks for the run of a manifest again."""
    names = (
        *("parameters", "instruments", "timeframe", "since", "until", "as_of", "execution"),
        *("costs", "rules", "sizing", "protection", "cash", "seed"),
    )
    return spec_of(
        {
            "strategy": manifest["strategy"]["name"],
            "gap_limit": 1.0,
            "payout": manifest.get("payout_rules"),
            **{name: manifest[name] for name in names if name in manifest},
        }
    )
